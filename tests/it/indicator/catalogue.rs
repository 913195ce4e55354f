//! The catalogue: groups, what is found by words and by codes, and the lists that pickers are made of.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, exactly, refusal},
    desk::{Desk, count, outcomes},
};

/// A group with a place.
pub fn group(code: &str, display_order: i32) -> pb::IndicatorGroup {
    pb::IndicatorGroup {
        code: code.to_owned(),
        name_vi: format!("Nhóm {code}"),
        name_en: format!("Group {code}"),
        display_order,
        ..Default::default()
    }
}

fn in_group(code: &str, group: &str) -> pb::Indicator {
    pb::Indicator { group: group.to_owned(), ..count(code) }
}

fn both(
    groups: Vec<pb::IndicatorGroup>,
    indicators: Vec<pb::Indicator>,
) -> pb::DefineIndicatorsRequest {
    pb::DefineIndicatorsRequest { groups, indicators, ..Default::default() }
}

async fn define(
    by: &Client,
    request: pb::DefineIndicatorsRequest,
) -> Result<pb::Receipt, tonic::Status> {
    Ok(by.indicators().define_indicators(request).await?.into_inner().receipt.unwrap())
}

async fn groups(by: &Client) -> Vec<pb::IndicatorGroup> {
    let request = pb::ListIndicatorGroupsRequest::default();
    by.indicators().list_indicator_groups(request).await.unwrap().into_inner().groups
}

fn codes(groups: &[pb::IndicatorGroup]) -> Vec<&str> {
    groups.iter().map(|it| it.code.as_str()).collect()
}

async fn listed(by: &Client, request: pb::ListIndicatorsRequest) -> Vec<String> {
    let answer = by.indicators().list_indicators(request).await.unwrap().into_inner();
    answer.indicators.into_iter().map(|it| it.code).collect()
}

// === groups ===

#[tokio::test]
async fn groups_come_with_their_indicators_and_stand_in_order() {
    use pb::ItemOutcome::{Corrected, Created, Unchanged};
    let desk = Desk::start().await;
    let request = both(
        vec![group("service", 20), group("dossier", 10), group("asset", 20)],
        vec![in_group("doc.one", "dossier"), in_group("doc.two", "service")],
    );
    // Indicators first in the receipt, groups after them.
    let receipt = define(&desk.source, request.clone()).await.unwrap();
    assert_eq!(outcomes(&receipt), [Created; 5]);
    let kept = groups(&desk.source).await;
    assert_eq!(codes(&kept), ["dossier", "asset", "service"]);
    let made = receipt.revision.unwrap().number;
    assert_eq!(kept[0], pb::IndicatorGroup { revision: made, ..group("dossier", 10) });
    // Again, it changes nothing.
    let again = define(&desk.source, request).await.unwrap();
    assert_eq!((outcomes(&again), again.revision.unwrap().number), (vec![Unchanged; 5], made));
    // Renamed and moved; the earlier revision still tells the earlier name.
    let last = pb::IndicatorGroup { name_vi: "Hồ sơ".to_owned(), ..group("dossier", 30) };
    let receipt = define(&desk.source, both(vec![last], Vec::new())).await.unwrap();
    assert_eq!(outcomes(&receipt), [Corrected]);
    let kept = groups(&desk.source).await;
    assert_eq!(
        (codes(&kept), kept[2].name_vi.as_str()),
        (vec!["asset", "service", "dossier"], "Hồ sơ")
    );
    let then = pb::ListIndicatorGroupsRequest { consistency: exactly(made), ..Default::default() };
    let then = desk.source.indicators().list_indicator_groups(then).await.unwrap().into_inner();
    assert_eq!(codes(&then.groups), ["dossier", "asset", "service"]);
    // By pages, each once.
    let (mut token, mut seen) = (String::new(), Vec::new());
    loop {
        let page = Some(pb::PageRequest { size: 1, token });
        let request = pb::ListIndicatorGroupsRequest { page, ..Default::default() };
        let answer = desk.source.indicators().list_indicator_groups(request).await.unwrap();
        let answer = answer.into_inner();
        seen.extend(answer.groups);
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(codes(&seen), ["asset", "service", "dossier"]);
}

#[tokio::test]
async fn what_is_wrong_with_a_group_is_named_by_its_place() {
    let desk = Desk::start().await;
    let nameless = pb::IndicatorGroup { name_vi: String::new(), ..group("b", 0) };
    let bad = both(
        vec![group("a", 0), pb::IndicatorGroup { code: "Nhóm".to_owned(), ..nameless }],
        vec![in_group("doc.one", "a"), in_group("doc.two", "none")],
    );
    let refused = refusal(define(&desk.source, bad).await);
    let fields = ["indicators[1].group", "groups[1].code", "groups[1].name_vi"];
    assert_eq!((refused.0, refused.2), (Code::InvalidArgument, fields.map(str::to_owned).to_vec()));
    assert!(groups(&desk.source).await.is_empty(), "nothing was kept");
    // A group that is refused is not there for the indicators of its request.
    let twice = vec![
        group("a", 0),
        group("a", 1),
        pb::IndicatorGroup { expected_revision: Some(7), ..group("c", 0) },
    ];
    let mut request = both(twice, vec![in_group("doc.one", "a"), in_group("doc.two", "c")]);
    request.allow_partial = true;
    let receipt = define(&desk.source, request).await.unwrap();
    use pb::ItemOutcome::{Created, Rejected};
    assert_eq!(outcomes(&receipt), [Created, Rejected, Created, Rejected, Rejected]);
    let fields: Vec<_> =
        receipt.results.iter().flat_map(|it| &it.violations).map(|it| it.field.as_str()).collect();
    assert_eq!(fields, ["group", "code", "expected_revision"]);
}

#[tokio::test]
async fn a_group_is_known_by_its_indicators_and_defined_by_its_code() {
    let desk = Desk::start().await;
    let request = both(
        vec![group("water", 1), group("air", 2), group("empty", 3)],
        vec![in_group("water.flow", "water"), in_group("air.dust", "air")],
    );
    define(&desk.source, request).await.unwrap();
    let reader = Grants { read_indicators: vec!["air.*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    assert_eq!(codes(&groups(&reader).await), ["air"]);
    let owner = Grants { define_indicators: vec!["air.*".to_owned()], ..Default::default() };
    let owner = desk.hub.system("so-tnmt", owner).await;
    let refused = refusal(define(&owner, both(vec![group("air", 9)], Vec::new())).await);
    assert_eq!((refused.0, refused.2), (Code::PermissionDenied, vec!["groups[0].code".to_owned()]));
    define(&owner, both(vec![group("air.inside", 4)], Vec::new())).await.unwrap();
    assert_eq!(codes(&groups(&owner).await), ["air", "air.inside"]);
    assert_eq!(codes(&groups(&reader).await), ["air"]);
    // A stranger knows none.
    let stranger = desk.hub.system("stranger", Grants::default()).await;
    assert!(groups(&stranger).await.is_empty());
}

// === finding ===

#[tokio::test]
async fn indicators_are_found_by_group_words_and_codes() {
    let desk = Desk::start().await;
    let named = |code: &str, group: &str, vi: &str, en: &str| pb::Indicator {
        name_vi: vi.to_owned(),
        name_en: en.to_owned(),
        description: "Đếm theo hệ thống một cửa.".to_owned(),
        ..in_group(code, group)
    };
    let request = both(
        vec![group("dossier", 1), group("signature", 2)],
        vec![
            named("dossier.on-time", "dossier", "Hồ sơ giải quyết đúng hạn", "Dossiers on time"),
            named("dossier.late", "dossier", "Hồ sơ giải quyết quá hạn", "Late dossiers"),
            named("signature.leaders", "signature", "Lãnh đạo có chữ ký số", "Leaders who sign"),
        ],
    );
    define(&desk.source, request).await.unwrap();
    let by_text = async |text: &str| {
        let text = text.to_owned();
        listed(&desk.source, pb::ListIndicatorsRequest { text, ..Default::default() }).await
    };
    for (text, expect) in [
        ("ho so dung han", vec!["dossier.on-time"]),
        ("HẠN giải", vec!["dossier.late", "dossier.on-time"]),
        ("chu ky", vec!["signature.leaders"]),
        ("late", vec!["dossier.late"]),
        ("mot cua", vec!["dossier.late", "dossier.on-time", "signature.leaders"]),
        // Words are found by their beginnings, and all of them must be there.
        ("ossier", vec![]),
        ("chu ky qua han", vec![]),
    ] {
        assert_eq!(by_text(text).await, expect, "{text}");
    }
    let request = pb::ListIndicatorsRequest { group: "dossier".to_owned(), ..Default::default() };
    assert_eq!(listed(&desk.source, request.clone()).await, ["dossier.late", "dossier.on-time"]);
    let narrow = pb::ListIndicatorsRequest { text: "dung".to_owned(), ..request };
    assert_eq!(listed(&desk.source, narrow).await, ["dossier.on-time"]);
    let by_codes = |codes: &[&str]| pb::ListIndicatorsRequest {
        codes: codes.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    };
    let two = by_codes(&["signature.leaders", "dossier.late"]);
    assert_eq!(listed(&desk.source, two).await, ["dossier.late", "signature.leaders"]);
    // What is not there, and what is not shared, are told alike and each by its place.
    let reader = Grants { read_indicators: vec!["dossier.*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    let three = by_codes(&["signature.leaders", "dossier.late", "no.such"]);
    let refused = refusal(reader.indicators().list_indicators(three).await);
    let fields = vec!["codes[0]".to_owned(), "codes[2]".to_owned()];
    assert_eq!((refused.0, refused.2), (Code::NotFound, fields));
    let many: Vec<_> = (0..1_001).map(|it| format!("x{it}")).collect();
    let request = pb::ListIndicatorsRequest { codes: many, ..Default::default() };
    let refused = refusal(desk.source.indicators().list_indicators(request).await);
    assert_eq!((refused.0, refused.2), (Code::InvalidArgument, vec!["codes".to_owned()]));
}

// === code lists ===

async fn lists(by: &Client, codes: &[&str]) -> Result<Vec<pb::CodeList>, tonic::Status> {
    let codes = codes.iter().map(|it| (*it).to_owned()).collect();
    let request = pb::ListCodeListsRequest { codes, consistency: None };
    Ok(by.indicators().list_code_lists(request).await?.into_inner().lists)
}

#[tokio::test]
async fn a_picker_is_made_from_the_hub_alone() {
    let desk = Desk::start().await;
    let category = |code: &str, vi: &str, en: &str| pb::DimensionCategory {
        code: code.to_owned(),
        name_vi: vi.to_owned(),
        name_en: en.to_owned(),
        ..Default::default()
    };
    let mut fax = category("fax", "Fax", "Fax");
    fax.valid_before = "2020-01-01".to_owned();
    let channel = pb::IndicatorDimension {
        code: "channel".to_owned(),
        name_vi: "Kênh".to_owned(),
        name_en: "Channel".to_owned(),
        rule: pb::DimensionRule::Sum.into(),
        exhaustive: true,
        categories: vec![category("online", "Trực tuyến", "Online"), fax],
    };
    let received = pb::Indicator { dimensions: vec![channel], ..count("doc.received") };
    assert_eq!(desk.define(vec![received]).await.created, 1);
    let all = lists(&desk.source, &[]).await.unwrap();
    let state = all.iter().find(|it| it.code == "DossierState").unwrap();
    assert_eq!((state.name_vi.as_str(), state.entries.len()), ("Trạng thái hồ sơ", 10));
    let last = state.entries.last().unwrap();
    assert_eq!(last.number, i32::from(pb::DossierState::Returned));
    let words = (last.code.as_str(), last.name_vi.as_str(), last.name_en.as_str());
    assert_eq!(words, ("DOSSIER_STATE_RETURNED", "Đã trả kết quả", "Result returned"));
    // Enums come first, dimensions after them.
    let own = all.last().unwrap();
    let names = (own.code.as_str(), own.indicator.as_str(), own.dimension.as_str());
    assert_eq!(names, ("doc.received/channel", "doc.received", "channel"));
    assert_eq!((own.name_vi.as_str(), own.name_en.as_str()), ("Kênh", "Channel"));
    let entries: Vec<_> =
        own.entries.iter().map(|it| (&*it.code, &*it.name_vi, it.number)).collect();
    assert_eq!(entries, [("online", "Trực tuyến", 0), ("fax", "Fax", 0)]);
    assert_eq!(own.entries[1].valid_before, "2020-01-01");
    // Only what was asked for; of a dimension, only what the caller may know of.
    let two = lists(&desk.source, &["doc.received/channel", "UnitLevel"]).await.unwrap();
    assert_eq!(
        two.iter().map(|it| &*it.code).collect::<Vec<_>>(),
        ["UnitLevel", "doc.received/channel"]
    );
    let stranger = desk.hub.system("stranger", Grants::default()).await;
    let known = lists(&stranger, &[]).await.unwrap();
    assert_eq!(known, all[..all.len() - 1]);
    let asked = ["UnitLevel", "doc.received/channel", "NoSuchEnum"];
    let refused = refusal(lists(&stranger, &asked).await);
    let fields = vec!["codes[1]".to_owned(), "codes[2]".to_owned()];
    assert_eq!((refused.0, refused.2), (Code::NotFound, fields));
}
