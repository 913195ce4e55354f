//! Breakdowns: what parts make, what lacks, and the selector in every question.
use std::collections::BTreeMap;

use sharehub::pb;

use crate::support::{
    client::gso,
    desk::{BEN_TRE, Desk, aim, count, outcomes, ratio, rejected, saw, target},
};

/// Bến Tre, until 2025-06-30.
const UNIT: &str = BEN_TRE;

/// A code list of a dimension.
pub fn dimension(
    code: &str,
    rule: pb::DimensionRule,
    exhaustive: bool,
    categories: &[&str],
) -> pb::IndicatorDimension {
    let category = |code: &&str| pb::DimensionCategory {
        code: (*code).to_owned(),
        name_vi: format!("Loại {code}"),
        ..Default::default()
    };
    pb::IndicatorDimension {
        code: code.to_owned(),
        name_vi: "Phân tổ".to_owned(),
        rule: rule.into(),
        exhaustive,
        categories: categories.iter().map(category).collect(),
        ..Default::default()
    }
}

/// `sex=f,channel=online`
pub fn cut(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split(',').filter_map(|it| it.split_once('='));
    pairs.map(|(key, category)| (key.to_owned(), category.to_owned())).collect()
}

/// A value of a breakdown.
pub fn part(
    indicator: &str,
    unit: &str,
    period: &str,
    cut_: &str,
    value: &str,
) -> pb::ObservationEntry {
    pb::ObservationEntry { breakdown: cut(cut_), ..saw(indicator, unit, period, value) }
}

fn by_sex_and_channel(code: &str) -> pb::Indicator {
    let sum = pb::DimensionRule::Sum;
    pb::Indicator {
        dimensions: vec![
            dimension("sex", sum, true, &["f", "m"]),
            dimension("channel", sum, true, &["online", "desk", "post"]),
            dimension("tag", pb::DimensionRule::None, false, &["urgent", "poor"]),
        ],
        ..count(code)
    }
}

async fn desk() -> Desk {
    let desk = Desk::start().await;
    let receipt = desk.define(vec![by_sex_and_channel("p")]).await;
    assert_eq!(outcomes(&receipt), [pb::ItemOutcome::Created], "{receipt:?}");
    desk
}

/// Value, basis, parts and contradiction of the latest figure; and what lacks.
async fn shown(desk: &Desk, breakdown: &str) -> (String, pb::FigureBasis, i32, bool, Vec<String>) {
    let request = pb::GetSnapshotRequest {
        units: gso(UNIT, "").into_iter().collect(),
        indicators: vec!["p".to_owned()],
        date: "2025-06-01".to_owned(),
        breakdown: cut(breakdown),
        ..Default::default()
    };
    let answer = desk.source.indicators().get_snapshot(request).await.unwrap().into_inner();
    let cell = answer.cells.into_iter().next().unwrap();
    let figure = cell.latest.and_then(|it| it.figure).unwrap_or_default();
    let (basis, parts, inconsistent) =
        (figure.basis(), figure.computed_from_parts, figure.inconsistent);
    (figure.value.unwrap_or_default(), basis, parts, inconsistent, cell.lacking)
}

// === row 7 ===

#[tokio::test]
async fn row_7_values_by_breakdown_make_the_total_and_say_so() {
    use pb::FigureBasis::{Computed, Reported, Unspecified};
    let desk = desk().await;
    let none = Vec::<String>::new;
    desk.publish(vec![part("p", UNIT, "2024", "channel=online", "7")]).await;
    let lacking = vec!["channel=desk".to_owned(), "channel=post".to_owned()];
    assert_eq!(shown(&desk, "").await, (String::new(), Unspecified, 0, false, lacking));
    desk.publish(vec![part("p", UNIT, "2024", "channel=desk", "9")]).await;
    desk.publish(vec![part("p", UNIT, "2024", "channel=post", "4")]).await;
    assert_eq!(shown(&desk, "").await, ("20".to_owned(), Computed, 3, false, none()));
    assert_eq!(shown(&desk, "channel=desk").await, ("9".to_owned(), Reported, 0, false, none()));
    // A total that the parts contradict is shown as reported, and flagged.
    desk.publish(vec![saw("p", UNIT, "2024", "21")]).await;
    assert_eq!(shown(&desk, "").await, ("21".to_owned(), Reported, 0, true, none()));
    desk.publish(vec![saw("p", UNIT, "2024", "20")]).await;
    assert_eq!(shown(&desk, "").await, ("20".to_owned(), Reported, 0, false, none()));
    // A part that is broken down further.
    for (breakdown, value) in [("sex=f", "11"), ("sex=m,channel=online", "3")] {
        desk.publish(vec![part("p", UNIT, "2024", breakdown, value)]).await;
    }
    let lacking = vec!["channel=desk,sex=m".to_owned(), "channel=post,sex=m".to_owned()];
    assert_eq!(shown(&desk, "sex=m").await, (String::new(), Unspecified, 0, false, lacking));
    let listed = async |categories: &str, exact| {
        let breakdowns = Some(pb::BreakdownFilter { categories: cut(categories), exact });
        let request = pb::QueryObservationsRequest {
            indicators: vec!["p".to_owned()],
            breakdowns,
            ..Default::default()
        };
        let answer = desk.source.indicators().query_observations(request).await.unwrap();
        answer.into_inner().observations.len()
    };
    assert_eq!(listed("", true).await, 1);
    assert_eq!(listed("channel=online", false).await, 2);
    assert_eq!(listed("channel=online", true).await, 1);
    assert_eq!(listed("", false).await, 6);
}

#[tokio::test]
async fn a_target_is_judged_by_the_total_that_parts_make() {
    use pb::{AttainmentState as State, TargetComparison::AtLeast};
    let desk = desk().await;
    let monthly = pb::ReportFrequency::Month.into();
    desk.define(vec![pb::Indicator { frequency: monthly, ..by_sex_and_channel("m") }]).await;
    let aims =
        [("p", "20"), ("m", "100")].map(|(it, value)| target(it, UNIT, "2024", AtLeast, value));
    aim(&desk, aims.to_vec()).await;
    let judged = async |code: &str| {
        let request = pb::GetSnapshotRequest {
            units: gso(UNIT, "2024-12-31").into_iter().collect(),
            indicators: vec![code.to_owned()],
            date: "2024-12-31".to_owned(),
            ..Default::default()
        };
        let answer = desk.source.indicators().get_snapshot(request).await.unwrap().into_inner();
        let it = answer.cells[0].attainment.clone().unwrap();
        (it.state(), it.judged_period, it.to_date, it.gap.unwrap_or_default())
    };
    let by = |state, period: &str, to_date, gap: &str| {
        (state, period.to_owned(), to_date, gap.to_owned())
    };
    desk.publish(vec![part("p", UNIT, "2024", "sex=f", "12")]).await;
    assert_eq!(judged("p").await.0, State::NoValue, "a part is no total");
    desk.publish(vec![part("p", UNIT, "2024", "sex=m", "9")]).await;
    assert_eq!(judged("p").await, by(State::Met, "2024", false, "1"));
    // By the months whose parts are all there, beside one whose total was sent.
    let month = |month: &str, cut: &str, value: &str| part("m", UNIT, month, cut, value);
    desk.publish(vec![
        month("2024-01", "sex=f", "30"),
        month("2024-01", "sex=m", "25"),
        month("2024-02", "", "40"),
        month("2024-03", "sex=f", "500"),
    ])
    .await;
    assert_eq!(judged("m").await, by(State::Undecided, "2024-02", true, "-5"));
    desk.publish(vec![month("2024-03", "sex=m", "1")]).await;
    assert_eq!(judged("m").await, by(State::Met, "2024-03", true, "496"));
}

#[tokio::test]
async fn row_7_a_breakdown_uses_declared_categories_only() {
    let desk = desk().await;
    let table = ["age=old", "sex=x", "channel=online,size=big"];
    for breakdown in table {
        let receipt = desk.try_publish(vec![part("p", UNIT, "2024", breakdown, "1")]).await;
        assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["breakdown"]), "{breakdown}");
    }
    let none = desk.try_publish(vec![part("doc.count", UNIT, "2024", "sex=f", "1")]).await;
    assert_eq!(rejected(&none).1, ["breakdown"]);
    let request = pb::GetSnapshotRequest {
        units: gso(UNIT, "").into_iter().collect(),
        indicators: vec!["doc.count".to_owned()],
        breakdown: cut("sex=f"),
        ..Default::default()
    };
    let refused = desk.source.indicators().get_snapshot(request).await.unwrap_err();
    assert!(refused.message().contains("`doc.count`"), "{}", refused.message());
    let at_least = pb::TargetComparison::AtLeast;
    let mut aimed = target("p", UNIT, "2024", at_least, "5");
    aimed.breakdown = cut("sex=f");
    aim(&desk, vec![aimed.clone()]).await;
    aimed.breakdown = cut("sex=x");
    let request = pb::PublishTargetsRequest { targets: vec![aimed], ..Default::default() };
    let refused = desk.source.indicators().publish_targets(request).await.unwrap_err();
    assert!(refused.message().contains("targets[0].breakdown"), "{}", refused.message());
}

#[tokio::test]
async fn row_7_what_was_reported_by_parts_is_not_missing() {
    use pb::AvailabilityState::{Late, Missing, Partial};
    let desk = desk().await;
    desk.publish(vec![part("p", UNIT, "2023", "sex=f", "1")]).await;
    desk.publish(vec![part("p", UNIT, "2023", "sex=m", "2")]).await;
    desk.publish(vec![part("p", UNIT, "2024", "tag=poor", "1")]).await;
    let ask = async |breakdown: &str| {
        let request = pb::GetAvailabilityRequest {
            indicators: vec!["p".to_owned()],
            units: gso(UNIT, "2025-01-01").into_iter().collect(),
            ends_from: "2022-01-01".to_owned(),
            ends_before: "2025-01-01".to_owned(),
            breakdown: cut(breakdown),
            ..Default::default()
        };
        let answer = desk.source.indicators().get_availability(request).await.unwrap();
        let cells = answer.into_inner().cells;
        cells.iter().map(|it| (it.state(), it.lacking.join(" "))).collect::<Vec<_>>()
    };
    let none = String::new;
    assert_eq!(ask("").await, [(Missing, none()), (Late, none()), (Partial, none())]);
    assert_eq!(ask("sex=m").await, [(Missing, none()), (Late, none()), (Missing, none())]);
}

#[tokio::test]
async fn a_ratio_adds_components_and_a_figure_is_the_same_everywhere() {
    let desk = Desk::start().await;
    let rule = pb::DimensionRule::Ratio;
    let by_channel = pb::Indicator {
        dimensions: vec![dimension("channel", rule, true, &["online", "desk"])],
        collection_level: pb::UnitLevel::Province.into(),
        ..ratio("r")
    };
    desk.define(vec![by_channel]).await;
    let entry = |cut_: &str, above: &str, below: &str| pb::ObservationEntry {
        numerator: Some(above.to_owned()),
        denominator: Some(below.to_owned()),
        ..part("r", UNIT, "2024", cut_, "")
    };
    desk.publish(vec![entry("channel=online", "1", "3"), entry("channel=desk", "2", "5")]).await;
    let ranked = pb::RankUnitsRequest {
        indicator: "r".to_owned(),
        period: "2024".to_owned(),
        level: pb::UnitLevel::Province.into(),
        ..Default::default()
    };
    let rank = async |breakdown: &str| {
        let request = pb::RankUnitsRequest { breakdown: cut(breakdown), ..ranked.clone() };
        let answer = desk.source.indicators().rank_units(request).await.unwrap().into_inner();
        answer.ranked.into_iter().map(|it| it.figure.unwrap().value.unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(rank("").await, ["37.5"]);
    assert_eq!(rank("channel=desk").await, ["40"]);
    // The feed tells rows, each by itself.
    let filter = pb::IndicatorFilter {
        indicators: vec!["r".to_owned()],
        parts: vec![pb::IndicatorPart::Observations.into()],
        breakdowns: Some(pb::BreakdownFilter { categories: cut("channel=desk"), exact: false }),
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filters: vec![pb::WatchFilter { about: Some(pb::watch_filter::About::Indicators(filter)) }],
        from: Some(pb::watch_request::From::Beginning(true)),
        ..Default::default()
    };
    let mut watch = desk.source.feed().watch(request).await.unwrap().into_inner();
    let mut told = Vec::new();
    while let Some(message) = watch.message().await.unwrap() {
        let Some(pb::watch_response::Message::Changes(changes)) = message.message else { break };
        told.extend(changes.changes.into_iter().map(|it| match it.subject {
            Some(pb::feed_change::Subject::Observation(it)) => it.breakdown,
            other => panic!("{other:?}"),
        }));
    }
    assert_eq!(told, [cut("channel=desk")]);
}
