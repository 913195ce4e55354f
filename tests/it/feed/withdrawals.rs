//! Withdrawals told by the feed: to a watch that is open, to one that goes on from before, and not to one that begins.
use sharehub::pb::{self, FeedChangeType, feed_change::Subject, watch_request::From};

use crate::support::{
    client::{Client, Grants, all_indicators, gso, id},
    desk::{Desk, SOURCE, revision},
    history::{History, dossiers, indicators, saw},
};

/// Why things are withdrawn here.
const REASON: &str = "nhập nhầm đơn vị";

const PROCEDURES: [&str; 2] = ["1.004194", "1.004195"];

fn filters() -> Vec<pb::WatchFilter> {
    let procedures = pb::watch_filter::About::Procedures(pb::ProcedureFilter {});
    let one = pb::DossierFilter { procedure: PROCEDURES[1].to_owned(), ..Default::default() };
    vec![
        indicators(&["*"]),
        dossiers(pb::DossierFilter::default()),
        // Goes on although the procedure is withdrawn.
        dossiers(one),
        pb::WatchFilter { about: Some(procedures) },
    ]
}

fn target(unit: i64) -> pb::TargetEntry {
    pb::TargetEntry {
        indicator: "doc.count".to_owned(),
        unit: id(unit),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("5".to_owned()),
        provenance: None,
        ..Default::default()
    }
}

fn dossier() -> pb::DossierEntry {
    let occurred_at = Some(prost_types::Timestamp { seconds: 1_760_000_000, nanos: 0 });
    let source_status = "2".to_owned();
    let event = pb::DossierEventEntry { occurred_at, source_status, ..Default::default() };
    pb::DossierEntry {
        code: "H-1".to_owned(),
        procedure: PROCEDURES[1].to_owned(),
        receiving_unit: gso("28915", ""),
        events: vec![event],
        ..Default::default()
    }
}

/// One of each kind.
async fn publish(source: &Client, unit: i64) -> i64 {
    let procedure = |code: &str| pb::Procedure {
        code: code.to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let procedures = PROCEDURES.map(procedure).to_vec();
    let define = pb::DefineProceduresRequest { procedures, ..Default::default() };
    source.dossiers().define_procedures(define).await.unwrap();
    let observations = vec![saw("doc.count", unit, "2024", 7)];
    let request = pb::PublishObservationsRequest { observations, ..Default::default() };
    source.indicators().publish_observations(request).await.unwrap();
    let request = pb::PublishTargetsRequest { targets: vec![target(unit)], ..Default::default() };
    source.indicators().publish_targets(request).await.unwrap();
    let request = pb::PublishDossiersRequest { dossiers: vec![dossier()], ..Default::default() };
    let answer = source.dossiers().publish_dossiers(request).await.unwrap().into_inner();
    revision(&answer.receipt.unwrap())
}

/// Withdraws all that was published, the procedures after their dossier.
async fn withdraw(source: &Client, unit: i64) -> i64 {
    let (reason, period) = (REASON.to_owned(), "2024".to_owned());
    let (indicator, unit) = ("doc.count".to_owned(), id(unit));
    let target = pb::TargetKey {
        indicator: indicator.clone(),
        unit: unit.clone(),
        period: period.clone(),
        ..Default::default()
    };
    let request = pb::WithdrawTargetsRequest {
        targets: vec![target],
        reason: reason.clone(),
        ..Default::default()
    };
    source.indicators().withdraw_targets(request).await.unwrap();
    let key = pb::ObservationKey { indicator, unit, period, ..Default::default() };
    let request = pb::WithdrawObservationsRequest {
        observations: vec![key],
        reason: reason.clone(),
        ..Default::default()
    };
    source.indicators().withdraw_observations(request).await.unwrap();
    let request = pb::WithdrawDossiersRequest {
        dossiers: vec!["H-1".to_owned()],
        reason: reason.clone(),
        ..Default::default()
    };
    source.dossiers().withdraw_dossiers(request).await.unwrap();
    let procedures = PROCEDURES.map(str::to_owned).to_vec();
    let request = pb::WithdrawProceduresRequest { procedures, reason, ..Default::default() };
    let answer = source.dossiers().withdraw_procedures(request).await.unwrap().into_inner();
    revision(&answer.receipt.unwrap())
}

/// How many things of a watcher's copy were published here.
fn kept(history: &History) -> usize {
    let is_published = |it: &&String| !it.starts_with("indicator");
    history.copy.keys().filter(is_published).count()
}

#[tokio::test]
async fn a_withdrawal_leaves_a_copy_that_is_live_or_resumed_and_is_in_no_new_one() {
    let desk = Desk::start().await;
    let everything = Grants { publish_dossiers: true, define_procedures: true, ..all_indicators() };
    let unit = desk.communes().await[0];
    desk.hub.register(SOURCE, everything).await;
    let source = &desk.source;
    let mut live = History::of(filters());
    // The procedure that a filter names must be there.
    publish(source, unit).await;
    let mut watch = live.watch(source, Some(From::Beginning(true))).await.unwrap();
    live.until(&mut watch, desk.head().await).await;
    assert_eq!(kept(&live), 5, "{:?}", live.copy.keys());
    let (mut resumed, count) = (live.clone(), live.changes.len());
    let withdrawn = withdraw(source, unit).await;
    live.until(&mut watch, withdrawn).await;
    let mut again = resumed.resume(source).await.unwrap();
    resumed.until(&mut again, withdrawn).await;
    for history in [&live, &resumed] {
        assert_eq!(kept(history), 0, "{:?}", history.copy.keys());
        let left = &history.changes[count..];
        assert!(left.iter().all(|it| it.r#type() == FeedChangeType::Left), "{left:?}");
        let told = left.iter().map(|it| match it.subject.as_ref().unwrap() {
            // Only its key is sent.
            Subject::Observation(it) => assert!(it.figure.is_none() && it.revision.is_none()),
            Subject::Target(it) => assert!(it.value.is_none() && it.revision.is_none()),
            Subject::Procedure(it) => assert_eq!((it.name.as_str(), it.revision), ("", 0)),
            Subject::Dossier(it) => assert!(it.source.is_empty() && it.revision.is_none()),
            other => panic!("{other:?}"),
        });
        assert_eq!(told.count(), 5);
        for it in left {
            let is_dossier = matches!(it.subject, Some(Subject::Dossier(_)));
            assert_eq!(it.withdrawal_reason, if is_dossier { "" } else { REASON }, "{it:?}");
        }
    }
    let mut new = History::of(vec![indicators(&["*"]), dossiers(pb::DossierFilter::default())]);
    let mut watch_of_new = new.watch(source, Some(From::Beginning(true))).await.unwrap();
    new.until(&mut watch_of_new, withdrawn).await;
    assert_eq!(kept(&new), 0, "{:?}", new.copy.keys());
    // Published again, all of it is back.
    let last = publish(source, unit).await;
    live.until(&mut watch, last).await;
    assert_eq!(kept(&live), 5, "{:?}", live.copy.keys());
}

#[tokio::test]
async fn a_large_withdrawal_is_told_whole() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let units = &communes[..2_500];
    desk.publish(units.iter().map(|it| saw("doc.count", *it, "2024", 1)).collect()).await;
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&desk.source, Some(From::Beginning(true))).await.unwrap();
    history.until(&mut watch, desk.head().await).await;
    assert_eq!(kept(&history), 2_500);
    let key = |it: &i64| pb::ObservationKey {
        indicator: "doc.count".to_owned(),
        unit: id(*it),
        period: "2024".to_owned(),
        ..Default::default()
    };
    let observations = units.iter().map(key).collect();
    let reason = REASON.to_owned();
    let request = pb::WithdrawObservationsRequest { observations, reason, ..Default::default() };
    let answer = desk.source.indicators().withdraw_observations(request).await.unwrap();
    let receipt = answer.into_inner().receipt.unwrap();
    assert_eq!(receipt.corrected, 2_500);
    history.until(&mut watch, revision(&receipt)).await;
    assert_eq!(kept(&history), 0);
}
