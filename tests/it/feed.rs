//! The feed through the wire: its guarantees, each by its name; filters, rights, limits and endings.
mod endings;
pub mod history;
mod hubs;

use std::{collections::BTreeSet, time::Duration};

use sharehub::{
    db::Db,
    pb::{self, FeedChangeType as ChangeType, feed_change::Subject, watch_request::From},
};
use tokio::time;
use tonic::Code;

use crate::{
    hub::{Client, Grants, Hub, all_indicators, exactly, gso, id, refusal},
    indicator::{Desk, count, revision},
};
use history::{History, dossiers, expected, indicators, with};

/// An observation of a unit, by id.
pub fn saw(indicator: &str, unit: i64, period: &str, value: i64) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: indicator.to_owned(),
        unit: id(unit),
        period: period.to_owned(),
        value: Some(value.to_string()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

fn all() -> Vec<pb::WatchFilter> {
    vec![indicators(&["*"])]
}

// === the guarantees ===

#[tokio::test]
async fn ordered_unique_reliable_and_atomic() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let mut made = BTreeSet::new();
    let mut last = 0;
    for turn in 0..20_i64 {
        let unit = communes[usize::try_from(turn).unwrap()];
        // New, corrected, and the same again, which is no change.
        let entries = vec![
            saw("doc.count", unit, "2024", turn),
            saw("doc.count", communes[0], "2023", turn / 2),
            saw("doc.count", communes[1], "2023", 7),
        ];
        let receipt = desk.publish(entries.clone()).await;
        made.extend(expected(&receipt, &entries));
        last = revision(&receipt);
    }
    history.until(&mut watch, last).await;
    history.check(&made);
    assert!(history.changes.len() > 30, "{}", history.changes.len());
}

#[tokio::test]
async fn atomic_a_large_revision_comes_in_pieces_and_is_whole() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let mut few = History::of(vec![with(pb::IndicatorFilter {
        indicators: vec!["doc.count".to_owned()],
        units: vec![id(communes[4_321]).unwrap()],
        ..Default::default()
    })]);
    let mut few_watch = few.watch(&desk.source, None).await.unwrap();
    let entries: Vec<_> =
        communes.iter().take(10_000).map(|it| saw("doc.count", *it, "2024", 1)).collect();
    let first = desk.publish(vec![saw("doc.count", communes[0], "2023", 1)]).await;
    let large = desk.publish(entries.clone()).await;
    let last = desk.publish(vec![saw("doc.count", communes[0], "2022", 1)]).await;
    history.until(&mut watch, revision(&last)).await;
    assert_eq!(history.changes.len(), 10_002);
    let mut made: BTreeSet<_> = expected(&large, &entries).into_iter().collect();
    for (receipt, period) in [(&first, "2023"), (&last, "2022")] {
        made.extend(expected(receipt, &[saw("doc.count", communes[0], period, 1)]));
    }
    history.check(&made);
    few.until(&mut few_watch, revision(&last)).await;
    assert_eq!(few.changes.len(), 1, "{:?}", few.changes);
    assert_eq!(few.changes[0].revision, revision(&large));
}

#[tokio::test]
async fn resumable_after_every_message_and_from_the_log_as_from_memory() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    // Another hub on the same store has seen nothing of it: it answers from the log.
    let mut history = History::of(all());
    drop(history.watch(&desk.source, Some(From::Now(true))).await.unwrap());
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    drop(watch);
    let (mut made, mut last) = (BTreeSet::new(), 0);
    for turn in 0..60_i64 {
        let unit = communes[usize::try_from(turn % 7).unwrap()];
        let entries = [saw("doc.count", unit, "2024", turn)];
        let receipt = desk.publish(entries.to_vec()).await;
        made.extend(expected(&receipt, &entries));
        last = revision(&receipt);
    }
    let other = desk.hub.another().await;
    let there = Client { channel: other.channel.clone(), key: desk.source.key.clone() };
    for turn in 0_u32.. {
        let client = if turn % 2 == 0 { &desk.source } else { &there };
        let mut watch = history.resume(client).await.unwrap();
        let message = watch.message().await.unwrap().unwrap();
        history.take(message);
        if history.through >= last {
            break;
        }
        // The whole backlog comes in one message; more comes meanwhile.
        if turn < 20 {
            let entries = [saw("doc.count", communes[9], "2024", 1_000 + i64::from(turn))];
            let receipt = desk.publish(entries.to_vec()).await;
            made.extend(expected(&receipt, &entries));
            last = revision(&receipt);
        }
    }
    history.check(&made);
}

#[tokio::test]
async fn bookmarked_also_when_nothing_matches() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(vec![indicators(&["doc.rate"])]);
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    let first = watch.message().await.unwrap().unwrap();
    history.take(first);
    assert_eq!((history.bookmarks, history.through), (1, desk.head().await), "at once");
    let began = time::Instant::now();
    let receipt = desk.publish(vec![saw("doc.count", communes[0], "2024", 1)]).await;
    history.until(&mut watch, revision(&receipt)).await;
    assert!(history.changes.is_empty(), "{:?}", history.changes);
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(10), "a bookmark was asked for every second: {waited:?}");
    let again = watch.message().await.unwrap().unwrap();
    history.take(again);
    assert_eq!(history.through, revision(&receipt), "and again, with nothing new at all");
}

#[tokio::test]
async fn from_the_beginning_comes_the_state_at_one_revision_and_then_what_follows() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let entries: Vec<_> =
        communes.iter().take(2_500).map(|it| saw("doc.count", *it, "2024", 1)).collect();
    desk.publish(entries).await;
    let corrected = desk.publish(vec![saw("doc.count", communes[7], "2024", 2)]).await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Beginning(true))).await.unwrap();
    // It is cut in the middle of the state, and goes on there.
    let mut resumed = 0;
    while history.in_state {
        let message = watch.message().await.unwrap().unwrap();
        history.take(message);
        if !history.token.is_empty() && resumed < 3 {
            watch = history.resume(&desk.source).await.unwrap();
            resumed += 1;
            // What changes meanwhile is not part of the state.
            desk.publish(vec![saw("doc.count", communes[8], "2024", 100 + resumed)]).await;
        }
    }
    assert_eq!(resumed, 3);
    let state = revision(&corrected);
    assert_eq!(history.through, state);
    let observation = |it: &pb::FeedChange| match &it.subject {
        Some(Subject::Observation(it)) => Some(it.clone()),
        _ => None,
    };
    let kept = history.copy.values().filter_map(observation);
    let kept: Vec<_> = kept.collect();
    assert_eq!(kept.len(), 2_500);
    let mut asked = Vec::new();
    let mut page = pb::PageRequest { size: 1_000, token: String::new() };
    loop {
        let query = pb::QueryObservationsRequest {
            page: Some(page.clone()),
            consistency: exactly(state),
            ..Default::default()
        };
        let answer = desk.source.indicators().query_observations(query).await.unwrap().into_inner();
        asked.extend(answer.observations);
        page.token = answer.next_page_token;
        if page.token.is_empty() {
            break;
        }
    }
    let sorted = |mut all: Vec<pb::Observation>| {
        all.sort_by_key(|it| (it.indicator.clone(), it.unit.as_ref().unwrap().id));
        all
    };
    assert_eq!(sorted(kept), sorted(asked), "the state is what a query at its revision answers");
    assert_eq!(history.copy.keys().filter(|it| it.starts_with("indicator")).count(), 2);
    history.until(&mut watch, desk.head().await).await;
    assert_eq!(history.changes.len(), 3, "then what was published meanwhile");
}

// === filters ===

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
        let told = history.changes.iter().map(|it| {
            let place = |it: &Option<pb::UnitName>| {
                if it.as_ref().unwrap().id == inside { "in" } else { "out" }
            };
            match it.subject.as_ref().unwrap() {
                Subject::Observation(it) => format!("o {} {}", it.indicator, place(&it.unit)),
                Subject::Target(it) => format!("t {} {}", it.indicator, place(&it.unit)),
                Subject::Indicator(it) => format!("d {}", it.code),
                other => panic!("{other:?}"),
            }
        });
        let told: BTreeSet<_> = told.collect();
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

// === tokens ===

#[tokio::test]
async fn a_token_that_is_forged_or_anothers_is_refused() {
    let desk = Desk::start().await;
    let other = desk.hub.system("other", all_indicators()).await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let token = history.token.clone();
    let resume = async |client: &Client, filters: Vec<pb::WatchFilter>, token: &str| {
        let mut history = History { token: token.to_owned(), ..History::of(filters) };
        history.resume(client).await.map(|_| ())
    };
    assert!(resume(&desk.source, all(), &token).await.is_ok());
    let refused =
        (Code::InvalidArgument, "FIELD_INVALID".to_owned(), vec!["resume_token".to_owned()]);
    let flip = |at: usize| {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    for at in [0, 10, token.len() / 2, token.len() - 2] {
        assert_eq!(
            refusal(resume(&desk.source, all(), &flip(at)).await),
            refused,
            "flipped at {at}"
        );
    }
    assert_eq!(refusal(resume(&other, all(), &token).await), refused, "another system's");
    let filters = vec![indicators(&["doc.count"])];
    assert_eq!(refusal(resume(&desk.source, filters, &token).await), refused, "another filter's");
    let page = pb::ListIndicatorsRequest {
        page: Some(pb::PageRequest { size: 1, token: String::new() }),
        ..Default::default()
    };
    let page = desk.source.indicators().list_indicators(page).await.unwrap().into_inner();
    let resumed = resume(&desk.source, all(), &page.next_page_token).await;
    assert_eq!(refusal(resumed), refused, "the token of a page");
}

#[tokio::test]
async fn after_a_restored_backup_a_watch_starts_over_and_says_so() {
    let desk = Desk::start().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, 1).await;
    let db = Db::open(&desk.hub.store.url).await.unwrap();
    sharehub::revision::store::renew_epoch(&db).await.unwrap();
    // The open watch, as soon as its hub knows, and one that comes later.
    let mut seen = History::default();
    while let Some(message) = watch.message().await.unwrap() {
        seen.take(message);
    }
    assert_eq!(seen.resyncs[0].reason(), pb::FeedResyncReason::Restored);
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    let resync = history.resyncs[0].clone();
    assert_eq!(resync.reason(), pb::FeedResyncReason::Restored);
    assert!(watch.message().await.unwrap().is_none(), "it ends");
    let mut fresh = History { token: resync.resume_token, in_state: true, ..History::of(all()) };
    let mut watch = fresh.resume(&desk.source).await.unwrap();
    fresh.until(&mut watch, desk.head().await).await;
    assert_eq!(fresh.copy.len(), 2, "{:?}", fresh.copy.keys());
}

// === acknowledging ===

#[tokio::test]
async fn an_operator_sees_who_lags() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut history = History::of(all());
    let mut watch = history.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    let say = async |token: &str| {
        let (consumer, resume_token) = ("wall".to_owned(), token.to_owned());
        let request = pb::AcknowledgeRequest { consumer, resume_token };
        desk.source.feed().acknowledge(request).await
    };
    let answer = say(&history.token).await.unwrap().into_inner();
    assert_eq!(answer.revisions_behind, 0);
    for value in 0..3 {
        desk.publish(vec![saw("doc.count", communes[0], "2024", value)]).await;
    }
    let answer = say(&history.token).await.unwrap().into_inner();
    assert_eq!(answer.revisions_behind, 3);
    assert_eq!(answer.newest.unwrap().number, desk.head().await, "it makes no revision");
    assert_eq!(refusal(say("nonsense").await).2, ["resume_token"]);
    let list = async |client: &Client| {
        client.feed().list_consumers(pb::ListConsumersRequest::default()).await
    };
    assert_eq!(refusal(list(&desk.source).await).1, "NOT_PERMITTED");
    let listed = list(&desk.hub.admin()).await.unwrap().into_inner();
    let [one] = listed.consumers.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.system.as_str(), one.consumer.as_str()), (crate::indicator::SOURCE, "wall"));
    assert_eq!((one.revision, one.revisions_behind), (history.through, 3));
    history.until(&mut watch, desk.head().await).await;
    say(&history.token).await.unwrap();
    let listed = list(&desk.hub.admin()).await.unwrap().into_inner();
    let [one] = listed.consumers.as_slice() else { panic!("{listed:?}") };
    assert_eq!((one.revisions_behind, one.seconds_behind), (0, 0));
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
