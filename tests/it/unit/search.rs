//! Units by words, as a picker asks for them.
use sharehub::pb;
use tonic::Code;

use super::administration::every;
use crate::support::{client::refusal, hub::Hub};

fn words(text: &str) -> pb::ListUnitsRequest {
    pb::ListUnitsRequest {
        date: "2026-01-01".to_owned(),
        text: text.to_owned(),
        ..Default::default()
    }
}

#[tokio::test]
async fn words_are_found_without_tone_marks_in_any_order_and_codes_by_their_beginning() {
    let hub = Hub::start().await;
    let admin = hub.admin();
    for (text, expect) in [
        ("ben tre", vec!["Phường Bến Tre"]),
        ("TRE bến", vec!["Phường Bến Tre"]),
        ("  phuong  be   tr ", vec!["Phường Bến Tre"]),
        ("28789", vec!["Phường Bến Tre"]),
        ("phuoc my trung", vec!["Xã Phước Mỹ Trung"]),
        ("tinh vinh", vec!["Tỉnh Vĩnh Long"]),
        ("en tre", vec![]),
        ("ben tre xa", vec![]),
    ] {
        let names: Vec<_> =
            every(&admin, words(text)).await.into_iter().map(|it| it.name).collect();
        assert_eq!(names, expect, "{text}");
    }
    // At another date, other units.
    let before = pb::ListUnitsRequest { date: "2024-12-31".to_owned(), ..words("ben tre") };
    let names: Vec<_> = every(&admin, before).await.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["Tỉnh Bến Tre", "Thành phố Bến Tre"]);
}

#[tokio::test]
async fn a_search_is_paged_and_joins_the_other_filters() {
    let hub = Hub::start().await;
    let admin = hub.admin();
    let whole = every(&admin, words("tan")).await;
    assert!(whole.len() > 100, "{}", whole.len());
    let by_two = pb::ListUnitsRequest {
        page: Some(pb::PageRequest { size: 2, token: String::new() }),
        ..words("tan")
    };
    let page = admin.units().list_units(by_two.clone()).await.unwrap().into_inner();
    assert_eq!(page.units, whole[..2]);
    let token = page.next_page_token;
    let next = pb::PageRequest { size: 2, token };
    let second = pb::ListUnitsRequest { page: Some(next.clone()), ..by_two };
    let page = admin.units().list_units(second).await.unwrap().into_inner();
    assert_eq!(page.units, whole[2..4]);
    // A page of another question.
    let other = pb::ListUnitsRequest { page: Some(next), ..words("tan an") };
    assert_eq!(refusal(admin.units().list_units(other).await).0, Code::InvalidArgument);
    let below = pb::ListUnitsRequest {
        below: crate::support::client::gso("86", ""),
        level: pb::UnitLevel::Commune.into(),
        name: "thanh".to_owned(),
        ..words("tan xa")
    };
    let names: Vec<_> = every(&admin, below).await.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["Xã Tân Thành Bình"]);
    let (code, reason, fields) = refusal(admin.units().list_units(words(" -- ")).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(fields, ["text"]);
}
