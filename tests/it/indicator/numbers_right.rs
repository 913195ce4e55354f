//! Numbers that were wrong, each row of the list with a test named after it.
use sharehub::pb;
use tonic::Code;

use crate::{
    indicator::ranks::rank,
    support::{
        client::{Grants, gso, id, refusal},
        desk::{BEN_TRE, Desk, aim, amount, parts, ratio, rejected, saw, target},
    },
};

use pb::{
    CoverageState::{Complete, Incomplete},
    LeftOutReason as Why,
};

fn monthly(code: &str, time_rule: pb::TimeRule) -> pb::Indicator {
    let frequency = pb::ReportFrequency::Month.into();
    pb::Indicator { frequency, time_rule: time_rule.into(), ..amount(code) }
}

fn ask(indicator: &str, unit: Option<pb::UnitRef>, period: &str) -> pb::RollUpRequest {
    pb::RollUpRequest {
        indicator: indicator.to_owned(),
        unit,
        periods: vec![period.to_owned()],
        geography: pb::Geography::AsReported.into(),
        ..Default::default()
    }
}

fn itself(indicator: &str, unit: Option<pb::UnitRef>, period: &str) -> pb::RollUpRequest {
    pb::RollUpRequest { of: Some(pb::RollUpOf::Itself.into()), ..ask(indicator, unit, period) }
}

async fn figure(desk: &Desk, request: pb::RollUpRequest) -> pb::RollUpFigure {
    desk.source.indicators().roll_up(request).await.unwrap().into_inner().figures.remove(0)
}

/// The value, whether it is complete, units expected and reported.
fn told(figure: &pb::RollUpFigure) -> (Option<&str>, pb::CoverageState, i32, i32) {
    let coverage = figure.coverage.as_ref().unwrap();
    let value = figure.computed.as_ref().unwrap().value.as_deref();
    (value, coverage.state(), coverage.expected, coverage.reported)
}

/// Code, part and reason of what was left out.
fn left_out(figure: &pb::RollUpFigure) -> Vec<(String, String, Why)> {
    let all = figure.coverage.clone().unwrap().left_out.into_iter();
    all.map(|it| (it.unit.clone().unwrap().code, it.period.clone(), it.reason())).collect()
}

async fn communes(desk: &Desk, below: &str, date: &str) -> Vec<i64> {
    let request = pb::ListUnitsRequest {
        date: date.to_owned(),
        level: pb::UnitLevel::Commune.into(),
        below: gso(below, date),
        page: Some(pb::PageRequest { size: 1_000, ..Default::default() }),
        ..Default::default()
    };
    let units = desk.source.units().list_units(request).await.unwrap().into_inner().units;
    units.into_iter().map(|it| it.id).collect()
}

#[tokio::test]
async fn row_3_the_greatest_and_the_least_say_what_is_true() {
    use pb::{UnitRule, ValueQualifier as How};
    let desk = Desk::start().await;
    let rules = [("most", UnitRule::Max), ("least", UnitRule::Min)];
    let of = |(code, rule): (&str, UnitRule)| pb::Indicator {
        unit_rule: rule.into(),
        collection_level: pb::UnitLevel::District.into(),
        ..amount(code)
    };
    desk.define(rules.map(of).to_vec()).await;
    let table = [
        ("least", ("5", How::Exact), ("10", How::MoreThan), ("5", How::Exact)),
        ("most", ("10", How::Exact), ("5", How::LessThan), ("10", How::Exact)),
        ("most", ("5", How::MoreThan), ("10", How::Exact), ("10", How::AtLeast)),
        ("least", ("5", How::Exact), ("10", How::LessThan), ("5", How::AtMost)),
        ("most", ("5", How::Exact), ("7", How::About), ("7", How::About)),
    ];
    for (i, (code, one, two, expected)) in table.into_iter().enumerate() {
        let period = format!("{}", 2015 + i);
        let entry = |unit: &str, (value, how): (&str, How)| pb::ObservationEntry {
            qualifier: Some(how.into()),
            ..saw(code, unit, &period, value)
        };
        desk.publish(vec![entry("829", one), entry("831", two)]).await;
        let computed =
            figure(&desk, ask(code, gso(BEN_TRE, "2024-12-31"), &period)).await.computed.unwrap();
        let found = (computed.value.as_deref(), computed.qualifier());
        assert_eq!(found, (Some(expected.0), expected.1), "{code} of {one:?} and {two:?}");
    }
}

#[tokio::test]
async fn row_4_who_reported_otherwise_did_report() {
    let desk = Desk::start().await;
    let district = || gso("838", "2024-12-31");
    let weekly = pb::ReportFrequency::Week.into();
    desk.define(vec![
        pb::Indicator { frequency: weekly, ..amount("weekly") },
        monthly("monthly", pb::TimeRule::Sum),
    ])
    .await;
    desk.publish(vec![saw("weekly", "28889", "2024-W06", "1")]).await;
    let (code, reason, _) =
        refusal(desk.source.indicators().roll_up(ask("weekly", district(), "2024-02")).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "PERIOD_NOT_COMBINABLE"));

    // One year beside a neighbour's months: each speaks for itself, and who is silent is named once.
    let month = |month: i32| saw("monthly", "28889", &format!("2024-{month:02}"), "10");
    desk.publish((1..=11).map(month).chain([saw("monthly", "28909", "2024", "7")]).collect()).await;
    let year = figure(&desk, ask("monthly", district(), "2024")).await;
    assert_eq!(told(&year), (Some("117"), Incomplete, 13, 2));
    let left = left_out(&year);
    assert_eq!(left.len(), 1 + 11);
    assert!(left.contains(&("28889".to_owned(), "2024-12".to_owned(), Why::NotReported)));
    assert!(left.iter().all(|(code, ..)| code != "28909"), "{left:?}");

    // A unit that did not stand is not one that did not report.
    desk.publish((7..=12).map(|it| saw("monthly", "86", &format!("2025-{it:02}"), "1")).collect())
        .await;
    let own = figure(&desk, itself("monthly", gso("86", "2025-12-31"), "2025")).await;
    assert_eq!(told(&own), (Some("6"), Incomplete, 1, 1));
    let left = left_out(&own);
    assert_eq!(left.len(), 6);
    assert!(left.iter().all(|(.., why)| *why == Why::UnitNotValid), "{left:?}");
}

#[tokio::test]
async fn row_5_a_unit_has_its_own_year_and_is_judged_by_it() {
    use pb::{AttainmentState as State, TargetComparison as Comparison};
    let desk = Desk::start().await;
    let neither = pb::IndicatorDirection::Neither.into();
    let define = |code| pb::Indicator { direction: neither, ..monthly(code, pb::TimeRule::Sum) };
    desk.define(vec![define("ceiling"), define("floor")]).await;
    let aims = [("ceiling", Comparison::AtMost, "100"), ("floor", Comparison::AtLeast, "400")];
    aim(&desk, aims.map(|(it, how, value)| target(it, BEN_TRE, "2024", how, value)).to_vec()).await;
    let publish = async |months: std::ops::RangeInclusive<i32>| {
        let of = |code: &'static str| {
            months.clone().map(move |it| saw(code, BEN_TRE, &format!("2024-{it:02}"), "120"))
        };
        desk.publish(of("ceiling").chain(of("floor")).collect()).await;
    };
    let judged = async |code: &str| {
        let request = pb::GetSnapshotRequest {
            units: vec![gso(BEN_TRE, "2024-12-31").unwrap()],
            indicators: vec![code.to_owned()],
            date: "2024-12-31".to_owned(),
            ..Default::default()
        };
        let answer = desk.source.indicators().get_snapshot(request).await.unwrap().into_inner();
        let judged = answer.cells[0].attainment.clone().unwrap();
        (judged.state(), judged.judged_period, judged.to_date, judged.gap.unwrap_or_default())
    };
    let so_far = |state, period: &str, gap: &str| (state, period.to_owned(), true, gap.to_owned());
    publish(1..=3).await;
    assert_eq!(judged("ceiling").await, so_far(State::NotMet, "2024-03", "260"));
    assert_eq!(judged("floor").await, so_far(State::Undecided, "2024-03", "-40"));
    publish(4..=4).await;
    assert_eq!(judged("floor").await, so_far(State::Met, "2024-04", "80"));
    let own = figure(&desk, itself("floor", gso(BEN_TRE, "2024-12-31"), "2024")).await;
    assert_eq!(told(&own), (Some("480"), Incomplete, 1, 1));
    assert_eq!(left_out(&own).len(), 8);
    publish(5..=12).await;
    let whole = (State::Met, "2024".to_owned(), false, "1040".to_owned());
    assert_eq!(judged("floor").await, whole);
    let own = figure(&desk, itself("floor", gso(BEN_TRE, "2024-12-31"), "2024")).await;
    assert_eq!(told(&own), (Some("1440"), Complete, 1, 1));
}

/// 354 communes of the three old provinces report 1 (a month), the 124 of the new one 2.
async fn publish_2025(desk: &Desk) {
    let both =
        (communes(desk, BEN_TRE, "2025-06-30").await, communes(desk, "84", "2025-06-30").await);
    let old = [both.0, both.1, communes(desk, "86", "2025-06-30").await].concat();
    let new = communes(desk, "86", "2025-12-31").await;
    assert_eq!((old.len(), new.len()), (354, 124));
    let of = |code: &str, unit: i64, period: &str, value: i32| pb::ObservationEntry {
        unit: id(unit),
        ..saw(code, "", period, &value.to_string())
    };
    let mut entries = Vec::new();
    for (units, each, months, half) in [(old, 1, 1..=6, "2025-H1"), (new, 2, 7..=12, "2025-H2")] {
        for unit in units {
            entries.push(of("yearly", unit, "2025", each));
            entries.push(of("at-end", unit, "2025", each));
            entries.push(of("halves", unit, half, 6 * each));
            entries.push(of("reports", unit, "2025-07", each));
            let months = months.clone();
            entries.extend(months.map(|it| of("months", unit, &format!("2025-{it:02}"), each)));
        }
    }
    for chunk in entries.chunks(5_000) {
        desk.publish(chunk.to_vec()).await;
    }
}

#[tokio::test]
async fn row_6_the_year_of_the_reform_is_counted_or_named() {
    use pb::{Geography, TimeRule};
    let desk = Desk::start().await;
    let half = pb::ReportFrequency::HalfYear.into();
    let report = pb::ReportCalendar::Report1514.into();
    desk.define(vec![
        amount("yearly"),
        pb::Indicator { time_rule: TimeRule::Last.into(), ..amount("at-end") },
        pb::Indicator { frequency: half, ..amount("halves") },
        pb::Indicator { calendar: report, ..monthly("reports", TimeRule::Sum) },
        monthly("months", TimeRule::Sum),
    ])
    .await;
    publish_2025(&desk).await;
    let new = gso("86", "2025-12-31");
    let ben_tre = gso(BEN_TRE, "2025-06-30");
    let before = |it| pb::RollUpRequest {
        geography: Geography::AsOf.into(),
        as_of: "2025-06-30".to_owned(),
        ..it
    };
    // 354 x 1 + 124 x 2; six times that by months and halves. Of Ben Tre's 148, 47 new communes are made, and one
    // more together with communes of Vinh Long.
    for (code, period, whole, back) in [
        ("yearly", "2025", "602", "242"),
        ("halves", "2025", "3612", "1452"),
        ("months", "2025", "3612", "1452"),
        ("reports", "2025-07", "602", "242"),
    ] {
        for geography in [Geography::AsReported, Geography::Current] {
            let request =
                pb::RollUpRequest { geography: geography.into(), ..ask(code, new.clone(), period) };
            let year = figure(&desk, request).await;
            assert_eq!(told(&year), (Some(whole), Complete, 478, 478), "{code} {geography:?}");
        }
        let year = figure(&desk, before(ask(code, ben_tre.clone(), period))).await;
        assert_eq!(told(&year), (Some(back), Incomplete, 148 + 48, 148 + 47), "{code}");
        let left = left_out(&year);
        assert_eq!(left.len(), 1, "{left:?}");
        assert_eq!(left[0].2, Why::SplitWithoutWeight);
    }
    // At the end of the year only the new ones stood; those that closed are named.
    let year = figure(&desk, ask("at-end", new, "2025")).await;
    assert_eq!(told(&year), (Some("248"), Incomplete, 478, 124));
    let left = left_out(&year);
    assert_eq!(left.len(), 354);
    assert!(left.iter().all(|(.., why)| *why == Why::ClosedBeforeEnd));
}

#[tokio::test]
async fn row_9_what_is_computed_is_rounded_once() {
    let desk = Desk::start().await;
    desk.define(vec![pb::Indicator {
        collection_level: pb::UnitLevel::District.into(),
        ..monthly("monthly", pb::TimeRule::Mean)
    }])
    .await;
    let districts = ["829", "831", "832"];
    let months = [("2024-01", "1"), ("2024-02", "1"), ("2024-03", "2.096")];
    let of = |unit: &'static str| months.map(|(month, value)| saw("monthly", unit, month, value));
    desk.publish(districts.into_iter().flat_map(of).collect()).await;
    // 4.096 / 3 three times.
    let quarter = figure(&desk, ask("monthly", gso(BEN_TRE, "2024-12-31"), "2024-Q1")).await;
    assert_eq!(quarter.computed.unwrap().value.as_deref(), Some("4.096"));
}

#[tokio::test]
async fn row_10_ratios_compare_by_their_components() {
    use pb::{AttainmentState as State, TargetComparison::AtLeast};
    let desk = Desk::start().await;
    desk.define(vec![ratio("doc.rate")]).await;
    desk.publish(vec![
        parts("829", "2024", ("62", "102"), "61"),
        saw("doc.rate", "831", "2024", "60.9"),
    ])
    .await;
    let request = pb::RankUnitsRequest {
        below: gso(BEN_TRE, "2024-12-31"),
        ..rank("doc.rate", pb::UnitLevel::District)
    };
    let ranked = desk.source.indicators().rank_units(request).await.unwrap().into_inner();
    let places: Vec<_> = ranked
        .ranked
        .iter()
        .map(|it| (it.rank, it.figure.clone().unwrap().value.unwrap_or_default()))
        .collect();
    assert_eq!(places, [(1, "60.9".to_owned()), (2, "61".to_owned())]);
    assert!(!ranked.definition_changed);
    aim(&desk, vec![target("doc.rate", "829", "2024", AtLeast, "61")]).await;
    let cell = desk.cell("doc.rate", gso("829", "2024-12-31"), "2024", None).await;
    let judged = cell.attainment.unwrap();
    assert_eq!(judged.state(), State::NotMet);
    assert_eq!(judged.gap.as_deref(), Some("-0.21568627450980392157"));
    assert_eq!(cell.latest.unwrap().figure.unwrap().value.as_deref(), Some("61"));
}

// === weights, and what is not shared ===

#[tokio::test]
async fn a_mean_is_weighted_by_another_indicator() {
    let desk = Desk::start().await;
    let level = pb::UnitLevel::District.into();
    let define = |code: &str, weight: &str| pb::Indicator {
        unit_rule: if weight.is_empty() { pb::UnitRule::Sum } else { pb::UnitRule::Mean }.into(),
        weight: weight.to_owned(),
        collection_level: level,
        ..amount(code)
    };
    let quarterly = pb::ReportFrequency::Quarter.into();
    let score = pb::Indicator {
        frequency: quarterly,
        time_rule: pb::TimeRule::Mean.into(),
        ..define("score", "people")
    };
    desk.define(vec![define("people", ""), score]).await;
    desk.publish(vec![
        saw("people", "829", "2024", "3000"),
        saw("people", "831", "2024", "1000"),
        saw("people", "833", "2024", "6000"),
        saw("score", "829", "2024-Q2", "60"),
        saw("score", "831", "2024-Q2", "80"),
        saw("score", "832", "2024-Q2", "10"),
    ])
    .await;
    // The quarter has no people of its own: those of the year around it count.
    let quarter = figure(&desk, ask("score", gso(BEN_TRE, "2024-12-31"), "2024-Q2")).await;
    assert_eq!(told(&quarter), (Some("65"), Incomplete, 9, 2));
    let share = quarter.coverage.as_ref().unwrap().weight_share.as_deref();
    assert_eq!(share, Some("0.4"), "of 10,000 people");
    let left = left_out(&quarter);
    assert!(left.contains(&("832".to_owned(), String::new(), Why::NoWeight)), "{left:?}");
    assert!(left.contains(&("833".to_owned(), String::new(), Why::NotReported)), "{left:?}");
    // Who may not read the weight gets no weighted mean.
    let grants = Grants { read_indicators: vec!["score".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", grants).await;
    let request = ask("score", gso(BEN_TRE, "2024-12-31"), "2024-Q2");
    let blind = reader.indicators().roll_up(request).await.unwrap().into_inner().figures.remove(0);
    assert_eq!(told(&blind), (None, Incomplete, 9, 0));
    assert_eq!(blind.coverage.unwrap().weight_share, None);
}

#[tokio::test]
async fn a_weight_is_of_the_tree_of_what_it_weighs() {
    let desk = Desk::start().await;
    let administration = pb::UnitTree::Administration.into();
    let mean = |code: &str, weight: &str| pb::Indicator {
        unit_rule: pb::UnitRule::Mean.into(),
        weight: weight.to_owned(),
        ..amount(code)
    };
    let other = |it: pb::Indicator| pb::Indicator { tree: administration, ..it };
    desk.define(vec![amount("people"), other(amount("staff"))]).await;
    let table = [
        (vec![mean("score", "staff")], "weight"),
        (vec![other(mean("score", "people"))], "weight"),
        (vec![mean("score", "later"), other(amount("later"))], "weight"),
    ];
    for (indicators, field) in table {
        let receipt = desk.define(indicators).await;
        assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec![field]), "{receipt:?}");
    }
    let good = vec![mean("score", "people"), other(mean("marks", "staff"))];
    assert_eq!(desk.define(good).await.rejected, 0);
    // Nor does a weight leave the tree of what it weighs, but together with it.
    let receipt = desk.define(vec![other(amount("people"))]).await;
    assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["tree"]), "{receipt:?}");
    let both = vec![other(amount("people")), other(mean("score", "people"))];
    assert_eq!(desk.define(both).await.rejected, 0);
}

#[tokio::test]
async fn what_the_caller_may_not_read_is_in_no_sum() {
    let desk = Desk::start().await;
    let old = ["28889", "28909", "28912", "28915"];
    desk.publish(old.map(|it| saw("doc.count", it, "2024", "1")).to_vec()).await;
    let grants = Grants { read_indicators: vec!["doc.*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("commune", grants.clone()).await;
    let mut agreements = grants.agreements("commune");
    agreements[0].units = vec![gso("28915", "2026-01-01").unwrap()];
    desk.hub.agree("commune", agreements).await;
    let request = pb::RollUpRequest {
        geography: pb::Geography::Current.into(),
        ..ask("doc.count", gso("28915", "2026-01-01"), "2024")
    };
    let all = figure(&desk, request.clone()).await;
    assert_eq!(told(&all), (Some("4"), Complete, 4, 4));
    let own = reader.indicators().roll_up(request).await.unwrap().into_inner().figures.remove(0);
    assert_eq!(told(&own), (None, Incomplete, 4, 0));
    let left = left_out(&own);
    assert!(left.len() == 4 && left.iter().all(|it| it.2 == Why::NotShared), "{left:?}");
}
