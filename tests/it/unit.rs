//! Units through the wire: codes by date, trees, lineage, publishing.
pub mod administration;
pub mod codes;
pub mod facilities;
pub mod search;

use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Grants, exactly, gso, id, refusal},
    hub::Hub,
};

async fn name_of(hub: &Hub, code: &str, date: &str) -> String {
    let request = pb::GetUnitRequest { unit: gso(code, date), consistency: None };
    let answer = hub.admin().units().get_unit(request).await.unwrap().into_inner();
    answer.unit.unwrap().name
}

#[tokio::test]
async fn a_code_names_another_unit_before_and_after_the_reorganisation() {
    let hub = Hub::start().await;
    assert_eq!(name_of(&hub, "80", "2024-06-30").await, "Tỉnh Long An");
    assert_eq!(name_of(&hub, "80", "2026-01-01").await, "Tỉnh Tây Ninh");
    assert_eq!(name_of(&hub, "16342", "2025-06-30").await, "Xã Thăng Long");
    assert_eq!(name_of(&hub, "16342", "2025-07-01").await, "Xã Thăng Bình");
}

#[tokio::test]
async fn a_code_that_meant_nothing_at_that_date_is_told_from_one_that_never_did() {
    let hub = Hub::start().await;
    let ask =
        |code: &str, date: &str| pb::GetUnitRequest { unit: gso(code, date), consistency: None };
    let mut units = hub.admin().units();
    let late = refusal(units.get_unit(ask("838", "2026-01-01")).await);
    let field = vec!["unit.code.date".to_owned()];
    assert_eq!(late, (Code::InvalidArgument, "FIELD_INVALID".to_owned(), field));
    let never = refusal(units.get_unit(ask("99999", "2026-01-01")).await);
    let field = vec!["unit.code.code".to_owned()];
    assert_eq!(never, (Code::NotFound, "NOT_FOUND".to_owned(), field));
    let unknown = pb::GetUnitRequest { unit: id(999_999), consistency: None };
    assert_eq!(refusal(units.get_unit(unknown).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn mo_cay_bac_is_traced_to_its_five_communes_and_their_province() {
    let hub = Hub::start().await;
    let request = pb::TraceUnitRequest {
        unit: gso("838", "2025-06-30"),
        date: "2026-01-01".to_owned(),
        consistency: None,
    };
    let trace = hub.admin().units().trace_unit(request).await.unwrap().into_inner();
    let mut heirs: Vec<_> = trace
        .heirs
        .iter()
        .map(|it| {
            let unit = it.unit.clone().unwrap();
            (unit.code, unit.name, it.received.len())
        })
        .collect();
    heirs.sort();
    let expected = [
        ("28789", "Phường Bến Tre", 1),
        ("28901", "Xã Hưng Khánh Trung", 1),
        ("28915", "Xã Phước Mỹ Trung", 4),
        ("28921", "Xã Tân Thành Bình", 4),
        ("28948", "Xã Nhuận Phú Tân", 3),
    ];
    let expected: Vec<_> =
        expected.iter().map(|(a, b, c)| ((*a).to_owned(), (*b).to_owned(), *c)).collect();
    assert_eq!(heirs, expected);
    let containers: Vec<_> = trace.containers.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(containers, ["Tỉnh Vĩnh Long"]);
    assert_eq!(trace.steps.len(), 13);
}

#[tokio::test]
async fn the_tree_is_listed_as_it_stood_at_a_date() {
    let hub = Hub::start().await;
    let mut units = hub.admin().units();
    let mut count = async |code: &str, date: &str, level: pb::UnitLevel| {
        let mut request = pb::ListUnitsRequest {
            date: date.to_owned(),
            level: level.into(),
            below: gso(code, ""),
            page: Some(pb::PageRequest { size: 7, token: String::new() }),
            ..Default::default()
        };
        let mut seen = std::collections::BTreeSet::new();
        loop {
            let page = units.list_units(request.clone()).await.unwrap().into_inner();
            for unit in page.units {
                assert!(seen.insert(unit.id), "unit {} came twice", unit.id);
            }
            if page.next_page_token.is_empty() {
                return seen.len();
            }
            request.page = Some(pb::PageRequest { size: 7, token: page.next_page_token });
        }
    };
    assert_eq!(count("86", "2026-01-01", pb::UnitLevel::Commune).await, 124);
    assert_eq!(count("80", "2026-01-01", pb::UnitLevel::Commune).await, 96);
    assert_eq!(count("83", "2024-12-31", pb::UnitLevel::Commune).await, 148);
    assert_eq!(count("838", "2024-12-31", pb::UnitLevel::Commune).await, 13);
    assert_eq!(count("83", "2024-12-31", pb::UnitLevel::District).await, 9);
}

#[tokio::test]
async fn units_are_found_without_tone_marks() {
    let hub = Hub::start().await;
    let request = pb::ListUnitsRequest {
        date: "2024-12-31".to_owned(),
        level: pb::UnitLevel::District.into(),
        name: "mo cay".to_owned(),
        ..Default::default()
    };
    let page = hub.admin().units().list_units(request).await.unwrap().into_inner();
    let names: Vec<_> = page.units.into_iter().map(|it| it.name).collect();
    assert_eq!(names, ["Huyện Mỏ Cày Nam", "Huyện Mỏ Cày Bắc"]);
}

#[tokio::test]
async fn the_reference_data_loaded_twice_changes_nothing() {
    let hub = Hub::start().await;
    let before = hub.hub.revisions.head();
    let receipt = sharehub::unit::store::reference::publish_reference(&hub.hub).await.unwrap();
    let unchanged = sharehub::outcome::Outcome::Unchanged;
    assert_eq!(receipt.results.len(), 14_145 + 10_632);
    assert!(receipt.results.iter().all(|it| it.outcome == unchanged));
    assert_eq!(hub.hub.revisions.head(), before);
}

#[tokio::test]
async fn a_corrected_unit_is_still_read_as_it_was() {
    let hub = Hub::start().await;
    let grants = Grants { publish_units: true, ..Default::default() };
    let publisher = hub.system("so-noi-vu", grants).await;
    let entry = |name: &str| pb::UnitEntry {
        level: pb::UnitLevel::Agency.into(),
        name: name.to_owned(),
        codes: vec![pb::UnitCodeSpan {
            scheme: "agency".to_owned(),
            code: "H61.12".to_owned(),
            ..Default::default()
        }],
        parents: vec![pb::UnitParentEntry {
            tree: pb::UnitTree::Administration.into(),
            parent: gso("86", "2026-01-01"),
            valid_from: "2025-07-01".to_owned(),
            ..Default::default()
        }],
        ..Default::default()
    };
    let publish =
        |name: &str| pb::PublishUnitsRequest { units: vec![entry(name)], ..Default::default() };
    let mut units = publisher.units();
    let first = units.publish_units(publish("Sở Y tế")).await.unwrap().into_inner();
    let first = first.receipt.unwrap();
    assert_eq!((first.created, first.rejected), (1, 0), "{:?}", first.results);
    let again = units.publish_units(publish("Sở Y tế")).await.unwrap().into_inner();
    assert_eq!(again.receipt.unwrap().unchanged, 1);
    let second = units.publish_units(publish("Sở Y tế Vĩnh Long")).await.unwrap().into_inner();
    assert_eq!(second.receipt.unwrap().corrected, 1);
    let unit = id(first.results[0].id);
    let now = pb::GetUnitRequest { unit: unit.clone(), consistency: None };
    let now = units.get_unit(now).await.unwrap().into_inner().unit.unwrap();
    assert_eq!(now.name, "Sở Y tế Vĩnh Long");
    let then = exactly(first.revision.unwrap().number);
    let then = pb::GetUnitRequest { unit, consistency: then };
    let then = units.get_unit(then).await.unwrap().into_inner().unit.unwrap();
    assert_eq!(then.name, "Sở Y tế");
}

#[tokio::test]
async fn a_bad_unit_is_refused_with_every_field() {
    let hub = Hub::start().await;
    let grants = Grants { publish_units: true, ..Default::default() };
    let publisher = hub.system("so-noi-vu", grants).await;
    let taken = pb::UnitCodeSpan { code: "86".to_owned(), ..Default::default() };
    let bad = pb::UnitEntry { valid_from: "2024-02-30".to_owned(), ..Default::default() };
    let stolen = pb::UnitEntry {
        id: 1,
        level: pb::UnitLevel::Province.into(),
        name: "Tỉnh Khác".to_owned(),
        codes: vec![taken],
        ..Default::default()
    };
    let request = pb::PublishUnitsRequest {
        units: vec![bad, stolen],
        allow_partial: true,
        ..Default::default()
    };
    let receipt = publisher.units().publish_units(request.clone()).await.unwrap().into_inner();
    let receipt = receipt.receipt.unwrap();
    assert_eq!(receipt.rejected, 2);
    let fields: Vec<_> = receipt.results[0].violations.iter().map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["level", "name", "valid_from", "codes"]);
    assert_eq!(receipt.results[1].violations[0].field, "codes[0].code");
    let all = pb::PublishUnitsRequest { allow_partial: false, ..request };
    let (code, reason, fields) = refusal(publisher.units().publish_units(all).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(fields.len(), 5);
}
