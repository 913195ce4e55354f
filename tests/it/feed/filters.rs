//! Filters of a watch: patterns, units, parts and rights.
use std::collections::BTreeSet;

use sharehub::pb::{self, FeedChangeType as ChangeType, feed_change::Subject, watch_request::From};
use tonic::Code;

use crate::support::{
    client::{Client, Grants, gso, id, refusal},
    desk::{Desk, count, revision},
    history::{History, dossiers, indicators, saw, with},
    hub::Hub,
};

// === filters ===

/// A change in short: its kind, its indicator, and whether it is inside a unit.
fn short(change: &pb::FeedChange, inside: i64) -> String {
    let place =
        |it: &Option<pb::UnitName>| if it.as_ref().unwrap().id == inside { "in" } else { "out" };
    match change.subject.as_ref().unwrap() {
        Subject::Observation(it) => format!("o {} {}", it.indicator, place(&it.unit)),
        Subject::Target(it) => format!("t {} {}", it.indicator, place(&it.unit)),
        Subject::Indicator(it) => format!("d {}", it.code),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn filtered_by_pattern_unit_and_part() {
    let desk = Desk::start().await;
    desk.define(vec![count("water.count"), count("water.other")]).await;
    let (province, other) = (gso("86", "2026-01-01"), gso("80", "2026-01-01"));
    let below = async |unit: Option<pb::UnitRef>| {
        let list = pb::ListUnitsRequest {
            date: "2026-01-01".to_owned(),
            level: pb::UnitLevel::Commune.into(),
            below: unit,
            ..Default::default()
        };
        desk.source.units().list_units(list).await.unwrap().into_inner().units[0].id
    };
    let (inside, outside) = (below(province.clone()).await, below(other).await);
    let filter = |patterns: &[&str]| pb::IndicatorFilter {
        indicators: patterns.iter().map(|it| (*it).to_owned()).collect(),
        ..Default::default()
    };
    let observations = vec![pb::IndicatorPart::Observations.into()];
    let targets = vec![pb::IndicatorPart::Targets.into()];
    let cases = [
        (
            filter(&["water.*"]),
            vec!["o water.count in", "o water.count out", "t water.count in", "d water.count"],
        ),
        (filter(&["water.other"]), vec![]),
        (filter(&["doc.count", "water.other"]), vec!["o doc.count in"]),
        (pb::IndicatorFilter { parts: targets, ..filter(&[]) }, vec!["t water.count in"]),
        (
            pb::IndicatorFilter {
                parts: observations,
                units: vec![province.unwrap()],
                with_descendants: true,
                ..filter(&[])
            },
            vec!["o water.count in", "o doc.count in"],
        ),
        (
            pb::IndicatorFilter { units: vec![id(outside).unwrap()], ..filter(&["water.*"]) },
            vec!["o water.count out", "d water.count"],
        ),
    ];
    let mut watches = Vec::new();
    for (filter, wanted) in cases {
        let mut history = History::of(vec![with(filter)]);
        let watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
        watches.push((history, watch, wanted));
    }
    let entries = vec![
        saw("water.count", inside, "2026", 1),
        saw("water.count", outside, "2026", 2),
        saw("doc.count", inside, "2026", 3),
    ];
    desk.publish(entries).await;
    let target = pb::TargetEntry {
        indicator: "water.count".to_owned(),
        unit: id(inside),
        period: "2026".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("5".to_owned()),
        ..Default::default()
    };
    let publish = pb::PublishTargetsRequest { targets: vec![target], ..Default::default() };
    desk.source.indicators().publish_targets(publish).await.unwrap();
    let last = desk.define(vec![pb::Indicator { due_days: 9, ..count("water.count") }]).await;
    for (mut history, mut watch, wanted) in watches {
        history.until(&mut watch, revision(&last)).await;
        let told: BTreeSet<_> = history.changes.iter().map(|it| short(it, inside)).collect();
        let wanted: BTreeSet<_> = wanted.into_iter().map(str::to_owned).collect();
        assert_eq!(told, wanted, "{:?}", history.filters);
    }
}

#[tokio::test]
async fn filtered_dossiers_say_when_they_leave_and_show_what_the_caller_may_see() {
    let hub = Hub::start().await;
    let grants = Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    let source = hub.system("mot-cua", grants).await;
    let reader = hub.system("ioc", Grants { read_dossiers: true, ..Default::default() }).await;
    let stranger = hub.system("stranger", Grants::default()).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let procedures = vec![procedure];
    let define = pb::DefineProceduresRequest { procedures, ..Default::default() };
    source.dossiers().define_procedures(define).await.unwrap();
    let in_86 = dossiers(pb::DossierFilter { receiving_unit: gso("86", ""), ..Default::default() });
    let any = || dossiers(pb::DossierFilter::default());
    let follow = async |client: &Client, filter: pb::WatchFilter| {
        let mut history = History::of(vec![filter]);
        let watch = history.watch(client, Some(From::Now(true))).await.unwrap();
        (history, watch)
    };
    let mut here = follow(&reader, in_86).await;
    let mut everywhere = follow(&reader, any()).await;
    let mut own = follow(&source, any()).await;
    let mut none = follow(&stranger, any()).await;
    let event = |status: &str, minutes: i64| pb::DossierEventEntry {
        occurred_at: Some(prost_types::Timestamp {
            seconds: 1_767_000_000 + 60 * minutes,
            nanos: 0,
        }),
        source_status: status.to_owned(),
        note: "gọi 0912345678".to_owned(),
        ..Default::default()
    };
    let entry = |unit: &str, events| pb::DossierEntry {
        code: "H61.1".to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso(unit, ""),
        applicant: Some(pb::Applicant { name: "Nguyễn Văn A".to_owned(), ..Default::default() }),
        events,
        ..Default::default()
    };
    let mut last = 0;
    for (unit, events) in [
        ("28915", vec![event("1", 0)]),
        ("28915", vec![event("2", 1)]),
        ("80", vec![event("4", 2)]),
    ] {
        let dossiers = vec![entry(unit, events)];
        let publish = pb::PublishDossiersRequest { dossiers, ..Default::default() };
        let answer = source.dossiers().publish_dossiers(publish).await.unwrap().into_inner();
        let receipt = answer.receipt.unwrap();
        assert_eq!(receipt.rejected, 0, "{receipt:?}");
        last = revision(&receipt);
    }
    for (history, watch) in [&mut here, &mut everywhere, &mut own, &mut none] {
        history.until(watch, last).await;
    }
    let types =
        |history: &History| history.changes.iter().map(pb::FeedChange::r#type).collect::<Vec<_>>();
    assert_eq!(types(&here.0), [ChangeType::Set, ChangeType::Set, ChangeType::Left]);
    assert!(here.0.copy.is_empty(), "it left");
    assert_eq!(types(&everywhere.0), [ChangeType::Set; 3]);
    assert!(none.0.changes.is_empty());
    let dossier = |change: &pb::FeedChange| match change.subject.clone() {
        Some(Subject::Dossier(it)) => it,
        other => panic!("{other:?}"),
    };
    let third = dossier(&everywhere.0.changes[2]);
    assert_eq!(third.state(), pb::DossierState::InProcess);
    assert_eq!(third.events.len(), 1, "the event that the revision added");
    assert!(third.applicant.is_none() && third.personal_data_withheld);
    assert!(third.events[0].note.is_empty(), "remarks are personal data");
    assert_eq!(
        dossier(&here.0.changes[2]),
        pb::Dossier { code: "H61.1".to_owned(), ..Default::default() }
    );
    assert_eq!(own.0.changes.len(), 3, "its source follows its own");
}

#[tokio::test]
async fn a_bad_watch_names_every_field() {
    let desk = Desk::start().await;
    let watch =
        async |request: pb::WatchRequest| desk.source.feed().watch(request).await.map(|_| ());
    assert_eq!(refusal(watch(pb::WatchRequest::default()).await).2, ["filters"]);
    let filter = pb::IndicatorFilter {
        indicators: vec!["Bad Code".to_owned()],
        with_descendants: true,
        parts: vec![77],
        ..Default::default()
    };
    let request = pb::WatchRequest {
        filters: vec![with(filter), pb::WatchFilter::default()],
        from: Some(From::Now(false)),
        bookmark_seconds: 16,
    };
    let mut fields = refusal(watch(request).await).2;
    fields.sort();
    let wanted = [
        "bookmark_seconds",
        "filters[0].indicators.indicators[0]",
        "filters[0].indicators.parts[0]",
        "filters[0].indicators.with_descendants",
        "filters[1].about",
        "now",
    ];
    assert_eq!(fields, wanted);
    let unknown =
        with(pb::IndicatorFilter { units: vec![id(999_999_999).unwrap()], ..Default::default() });
    let request = pb::WatchRequest { filters: vec![unknown], ..Default::default() };
    let (code, _, fields) = refusal(watch(request).await);
    assert_eq!(
        (code, fields),
        (Code::NotFound, vec!["filters[0].indicators.units[0].id".to_owned()])
    );
    let filters = vec![indicators(&[]); 21];
    let request = pb::WatchRequest { filters, ..Default::default() };
    assert_eq!(refusal(watch(request).await).2, ["filters"]);
}
