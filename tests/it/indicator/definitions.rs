//! Defining indicators: versions of a definition, and who may make one.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Grants, exactly, refusal},
    desk::{Desk, count, outcomes, rejected, revision},
};

// === defining ===

#[tokio::test]
async fn a_definition_is_created_then_unchanged_then_corrected_into_version_2() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let again = desk.define(vec![count("doc.count")]).await;
    assert_eq!((outcomes(&again), revision(&again)), (vec![pb::ItemOutcome::Unchanged], before));
    let unit_rule = pb::UnitRule::Mean.into();
    let changed = pb::Indicator { due_days: 15, unit_rule, ..count("doc.count") };
    let corrected = desk.define(vec![changed]).await;
    assert_eq!(outcomes(&corrected), [pb::ItemOutcome::Corrected]);
    assert_eq!(revision(&corrected), before + 1);
    let get = async |consistency| {
        let request = pb::GetIndicatorRequest { code: "doc.count".to_owned(), consistency };
        let answer = desk.source.indicators().get_indicator(request).await.unwrap();
        answer.into_inner().indicator.unwrap()
    };
    let now = get(None).await;
    assert_eq!((now.version, now.due_days, now.revision), (2, 15, before + 1));
    let then = get(exactly(before)).await;
    assert_eq!((then.version, then.due_days, then.revision), (1, 30, before));
    assert_eq!(
        then,
        pb::Indicator {
            version: 1,
            revision: before,
            calendar: pb::ReportCalendar::Calendar.into(),
            tree: pb::UnitTree::Territory.into(),
            ..count("doc.count")
        }
    );
}

#[tokio::test]
async fn a_bad_definition_names_every_field() {
    let desk = Desk::start().await;
    let bad = pb::Indicator {
        code: "Đếm".to_owned(),
        due_days: 367,
        retired: true,
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    };
    let receipt = desk.define(vec![bad]).await;
    let fields = [
        "code",
        "name_vi",
        "kind",
        "unit_of_measure",
        "direction",
        "frequency",
        "time_rule",
        "unit_rule",
        "authoritative_source",
        "due_days",
        "collection_level",
    ];
    assert_eq!(rejected(&receipt), ("FIELD_INVALID", fields.to_vec()));
    let nobody = pb::Indicator { authoritative_source: "nobody".to_owned(), ..count("x") };
    let receipt = desk.define(vec![nobody]).await;
    assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["authoritative_source"]));
}

#[tokio::test]
async fn only_who_was_granted_a_code_defines_it() {
    use pb::ItemOutcome::{Created, Rejected, Unchanged};
    let desk = Desk::start().await;
    let own = vec!["water.*".to_owned()];
    let grants = Grants { define_indicators: own, ..Default::default() };
    let water = desk.hub.system("so-nn", grants).await;
    let indicators = vec![count("water.flow"), count("air.dust")];
    let request =
        pb::DefineIndicatorsRequest { indicators, allow_partial: true, ..Default::default() };
    let receipt = water.indicators().define_indicators(request.clone()).await.unwrap();
    let receipt = receipt.into_inner().receipt.unwrap();
    assert_eq!(outcomes(&receipt), [Created, Rejected]);
    assert_eq!(rejected(&receipt), ("NOT_PERMITTED", vec!["code"]));
    let reader = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    let (code, reason, _) = refusal(reader.indicators().define_indicators(request).await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    let twice = vec![count("a.b"), pb::Indicator { due_days: 1, ..count("a.b") }, count("a.b")];
    let receipt = desk.define(twice).await;
    assert_eq!(outcomes(&receipt), [Created, Rejected, Unchanged]);
}
