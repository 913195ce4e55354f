//! Meaning does not move under a code: what is fixed by values, and which changes make a version.
use sharehub::pb;
use tonic::Code;
use tonic_types::StatusExt;

use crate::{
    indicator::{catalogue::group, publish::partial},
    support::{
        client::gso,
        desk::{BEN_TRE, Desk, aim, amount, count, outcomes, ratio, rejected, saw, target},
    },
};

const CHANNEL: &str = "channel";

fn channel(categories: &[&str]) -> pb::IndicatorDimension {
    let category = |code: &&str| pb::DimensionCategory {
        code: (*code).to_owned(),
        name_vi: format!("Kênh {code}"),
        ..Default::default()
    };
    pb::IndicatorDimension {
        code: CHANNEL.to_owned(),
        name_vi: "Kênh tiếp nhận".to_owned(),
        rule: pb::DimensionRule::Sum.into(),
        exhaustive: true,
        categories: categories.iter().map(category).collect(),
        ..Default::default()
    }
}

/// The metadata `fields` of the refusal of one definition.
async fn moved(desk: &Desk, indicator: pb::Indicator) -> (Code, String, String) {
    let request = pb::DefineIndicatorsRequest { indicators: vec![indicator], ..Default::default() };
    let status = desk.source.indicators().define_indicators(request).await.unwrap_err();
    let info = status.get_details_error_info().unwrap();
    (status.code(), info.reason, info.metadata.get("fields").cloned().unwrap_or_default())
}

// === row 1: what is fixed ===

#[tokio::test]
async fn row_1_the_unit_of_measure_does_not_move_under_values() {
    let desk = Desk::start().await;
    let vnd = || pb::Indicator { unit_of_measure: "VND".to_owned(), ..amount("budget") };
    desk.define(vec![vnd()]).await;
    // Without values anything may still change.
    assert_eq!(outcomes(&desk.define(vec![amount("budget")]).await), [pb::ItemOutcome::Corrected]);
    assert_eq!(outcomes(&desk.define(vec![vnd()]).await), [pb::ItemOutcome::Corrected]);
    desk.publish(vec![saw("budget", "86", "2025", "5000000")]).await;
    let refused = moved(&desk, amount("budget")).await;
    let fixed = "ERROR_REASON_MEANING_FIXED".to_owned();
    let precondition = Code::FailedPrecondition;
    assert_eq!(refused, (precondition, fixed.clone(), "unit_of_measure".to_owned()));
    let both = pb::Indicator {
        frequency: pb::ReportFrequency::Month.into(),
        calendar: pb::ReportCalendar::Report1514.into(),
        ..vnd()
    };
    assert_eq!(moved(&desk, both).await.2, "frequency, calendar");
    // A target fixes it as well.
    let at_least = pb::TargetComparison::AtLeast;
    aim(&desk, vec![target("doc.rate", BEN_TRE, "2024", at_least, "90")]).await;
    let tenths = pb::Indicator { scale: "1000".to_owned(), ..ratio("doc.rate") };
    assert_eq!(moved(&desk, tenths).await, (precondition, fixed, "scale".to_owned()));
    // With `allow_partial` the item says the same.
    let receipt = desk.define(vec![amount("budget")]).await;
    assert_eq!(rejected(&receipt), ("MEANING_FIXED", vec!["unit_of_measure"]));
    // What was withdrawn fixes nothing.
    let key = pb::ObservationKey {
        indicator: "budget".to_owned(),
        unit: gso("86", ""),
        period: "2025".to_owned(),
        ..Default::default()
    };
    let withdraw = pb::WithdrawObservationsRequest {
        observations: vec![key],
        reason: "sai đơn vị tính".to_owned(),
        ..Default::default()
    };
    desk.source.indicators().withdraw_observations(withdraw).await.unwrap();
    assert_eq!(outcomes(&desk.define(vec![amount("budget")]).await), [pb::ItemOutcome::Corrected]);
}

#[tokio::test]
async fn a_code_list_grows_under_values_and_nothing_of_it_goes() {
    let desk = Desk::start().await;
    let with = |categories: &[&str]| pb::Indicator {
        dimensions: vec![channel(categories)],
        ..count("doc.by-channel")
    };
    desk.define(vec![with(&["online", "in-person"])]).await;
    let entry = pb::ObservationEntry {
        breakdown: [(CHANNEL.to_owned(), "online".to_owned())].into(),
        ..saw("doc.by-channel", "86", "2025", "7")
    };
    desk.publish(vec![entry]).await;
    let grown = desk.define(vec![with(&["online", "postal", "in-person"])]).await;
    assert_eq!(outcomes(&grown), [pb::ItemOutcome::Corrected]);
    assert_eq!(moved(&desk, with(&["online", "postal"])).await.2, "dimensions");
    assert_eq!(moved(&desk, count("doc.by-channel")).await.2, "dimensions");
    let mut open = with(&["online", "postal", "in-person"]);
    open.dimensions[0].exhaustive = false;
    assert_eq!(moved(&desk, open).await.2, "dimensions");
    // Labels may be written better.
    let mut told = with(&["online", "postal", "in-person"]);
    told.dimensions[0].categories[0].name_vi = "Trực tuyến".to_owned();
    assert_eq!(outcomes(&desk.define(vec![told]).await), [pb::ItemOutcome::Corrected]);
}

// === row 2: versions ===

#[tokio::test]
async fn row_2_the_same_number_under_a_new_version_is_corrected() {
    let desk = Desk::start().await;
    let request = || partial(vec![saw("doc.count", "86", "2025", "7")]);
    let send = async || outcomes(&desk.send(request()).await.unwrap());
    assert_eq!(send().await, [pb::ItemOutcome::Created]);
    // A label makes no version, and the number says what it said.
    let renamed =
        pb::Indicator { name_vi: "Số hồ sơ tiếp nhận".to_owned(), ..count("doc.count") };
    assert_eq!(outcomes(&desk.define(vec![renamed.clone()]).await), [pb::ItemOutcome::Corrected]);
    assert_eq!(send().await, [pb::ItemOutcome::Unchanged]);
    let version = async || {
        let it = desk.stands("doc.count", "86", "2025").await;
        it.figure.unwrap().definition_version
    };
    assert_eq!(version().await, 1);
    // Another direction does.
    let direction = pb::IndicatorDirection::LessIsBetter.into();
    desk.define(vec![pb::Indicator { direction, ..renamed }]).await;
    assert_eq!(version().await, 1);
    assert_eq!(send().await, [pb::ItemOutcome::Corrected]);
    assert_eq!(version().await, 2);
    assert_eq!(send().await, [pb::ItemOutcome::Unchanged]);
}

#[tokio::test]
async fn row_2_no_difference_is_told_across_versions() {
    let desk = Desk::start().await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2023", "7")]).await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "9")]).await;
    let cell = async || desk.cell("doc.count", gso(BEN_TRE, ""), "2024", None).await;
    assert_eq!(
        (cell().await.change.as_deref(), cell().await.definition_changed),
        (Some("2"), false)
    );
    let unit_rule = pb::UnitRule::Mean.into();
    desk.define(vec![pb::Indicator { unit_rule, ..count("doc.count") }]).await;
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "9")]).await;
    assert_eq!((cell().await.change, cell().await.definition_changed), (None, true));
}

#[tokio::test]
async fn a_definition_refers_to_indicators_that_are_there() {
    let desk = Desk::start().await;
    let continues = |code: &str| pb::Indicator {
        continues: code.to_owned(),
        group: "cai-cach-hanh-chinh".to_owned(),
        display_order: 3,
        decimals: Some(1),
        description_en: "Dossiers".to_owned(),
        unit_of_measure_en: "dossiers".to_owned(),
        ..count("doc.new")
    };
    assert_eq!(rejected(&desk.define(vec![continues("doc.count")]).await).1, ["group"]);
    let groups = vec![group("cai-cach-hanh-chinh", 1)];
    let request = pb::DefineIndicatorsRequest { groups, ..Default::default() };
    desk.source.indicators().define_indicators(request).await.unwrap();
    assert_eq!(rejected(&desk.define(vec![continues("nothing")]).await).1, ["continues"]);
    assert_eq!(rejected(&desk.define(vec![continues("doc.new")]).await).1, ["continues"]);
    desk.define(vec![continues("doc.count")]).await;
    let request = pb::GetIndicatorRequest { code: "doc.new".to_owned(), ..Default::default() };
    let read = desk.source.indicators().get_indicator(request).await.unwrap().into_inner();
    let read = read.indicator.unwrap();
    let kept = (read.continues.as_str(), read.group.as_str(), read.display_order, read.decimals);
    assert_eq!(kept, ("doc.count", "cai-cach-hanh-chinh", 3, Some(1)));
    assert_eq!(
        (read.description_en.as_str(), read.unit_of_measure_en.as_str()),
        ("Dossiers", "dossiers")
    );
    // Weights are for a mean over units.
    let weighed = pb::Indicator { weight: "doc.count".to_owned(), ..count("doc.mean") };
    assert_eq!(rejected(&desk.define(vec![weighed]).await).1, ["weight"]);
    let mut twice = count("doc.twice");
    twice.dimensions = vec![channel(&["online", "online"]), channel(&[])];
    let fields =
        ["dimensions[0].categories[1].code", "dimensions[1].code", "dimensions[1].categories"];
    assert_eq!(rejected(&desk.define(vec![twice]).await).1, fields);
}
