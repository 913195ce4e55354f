//! Retention through the wire and by the program: the floor is moved on record, and what is above it stays as it was.
use std::{sync::Arc, time::Duration};

use prost::Message;
use sea_orm::{ConnectionTrait, Database, Statement};
use sharehub::{
    hub::store::retention::{Compact, Compacted, compact},
    pb::{self, watch_request::From},
    time::Timestamp,
};
use tonic::Code;

use crate::support::{
    client::{exactly, refusal},
    desk::{Desk, revision},
    history::{History, indicators, saw},
    program::{self, Program},
};

async fn count(url: &str, sql: &str) -> i64 {
    let db = Database::connect(url).await.unwrap();
    let ask = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(ask).await.unwrap().unwrap();
    let count = row.try_get_by_index(0).unwrap();
    db.close().await.unwrap();
    count
}

async fn query(desk: &Desk, at: i64) -> Result<Vec<u8>, tonic::Status> {
    let request = pb::QueryObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        consistency: exactly(at),
        ..Default::default()
    };
    let answer = desk.source.indicators().query_observations(request).await?;
    Ok(answer.into_inner().encode_to_vec())
}

#[tokio::test]
async fn the_floor_is_moved_on_record_and_what_is_above_it_stays() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let mut old = History::of(vec![indicators(&["*"])]);
    let mut watch = old.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    old.until(&mut watch, desk.head().await).await;
    drop(watch);
    let mut revisions = Vec::new();
    let mut middle = Timestamp::now();
    for value in 0..6 {
        let entries = vec![
            saw("doc.count", communes[0], "2024", value),
            saw("doc.count", communes[1], "2024", value / 3),
        ];
        let receipt = desk.publish(entries).await;
        revisions.push(revision(&receipt));
        if value == 3 {
            let at = receipt.revision.unwrap().committed_at.unwrap();
            middle = Timestamp::from_parts(at.seconds, at.nanos).unwrap();
        }
    }
    let floor = revisions[3];
    let mut before = Vec::new();
    for at in revisions.iter().filter(|it| **it >= floor) {
        before.push(query(&desk, *at).await.unwrap());
    }
    let mut recent = History::of(vec![indicators(&["*"])]);
    let mut watch = recent.watch(&desk.source, Some(From::Now(true))).await.unwrap();
    recent.until(&mut watch, desk.head().await).await;
    drop(watch);
    let asked = Compact { keep_after: middle, reason: "a test".to_owned(), grace: Duration::ZERO };
    let Compacted { floor: moved, revision: made, rows } =
        compact(&desk.hub.hub, asked.clone()).await.unwrap();
    assert_eq!(moved, floor);
    // Of the first unit 0, 1 and 2 have ended by then; of the second 0.
    assert_eq!(rows, 4, "what ended by the floor is taken away, and no more");
    let made = made.expect("it is a revision of its own").number;
    assert_eq!(made, revisions[5] + 1);
    assert_eq!(desk.info().await.retention_floor, floor);
    let again = compact(&desk.hub.hub, asked).await.unwrap();
    assert_eq!(again, Compacted { floor, revision: None, rows: 0 });
    let recorded = format!(
        "SELECT count(*) FROM compaction WHERE revision = {made} AND floor = {floor} AND reason = 'a test'"
    );
    assert_eq!(count(&desk.hub.store.url, &recorded).await, 1);

    let mut after = Vec::new();
    for at in revisions.iter().filter(|it| **it >= floor) {
        after.push(query(&desk, *at).await.unwrap());
    }
    assert_eq!(after, before, "byte for byte");
    let (code, reason, _) = refusal(query(&desk, floor - 1).await);
    assert_eq!((code, reason.as_str()), (Code::OutOfRange, "REVISION_COMPACTED"));
    let versions = desk.versions(&saw("doc.count", communes[0], "2024", 0)).await;
    assert_eq!(versions.len(), 3, "the versions since");

    // One that stands above the floor goes on; one below starts over, and is told where.
    let last = revision(&desk.publish(vec![saw("doc.count", communes[2], "2024", 1)]).await);
    let mut watch = recent.resume(&desk.source).await.unwrap();
    recent.until(&mut watch, last).await;
    assert!(recent.resyncs.is_empty());
    assert_eq!(recent.changes.len(), 1);
    let mut watch = old.resume(&desk.source).await.unwrap();
    old.take(watch.message().await.unwrap().unwrap());
    assert!(watch.message().await.unwrap().is_none(), "it ends");
    let resync = &old.resyncs[0];
    assert_eq!(resync.reason(), pb::FeedResyncReason::Compacted);
    assert_eq!(resync.retention_floor, floor);
    let mut fresh = History::of(vec![indicators(&["*"])]);
    fresh.token.clone_from(&resync.resume_token);
    fresh.in_state = true;
    let mut watch = fresh.resume(&desk.source).await.unwrap();
    fresh.until(&mut watch, last).await;
    let observations = fresh.copy.keys().filter(|it| it.starts_with("observation")).count();
    assert_eq!(observations, 3);
}

#[tokio::test]
async fn a_watch_below_a_floor_that_moves_is_told_to_start_over() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    // In the middle of the state at a revision that is taken away.
    let entries: Vec<_> =
        communes.iter().take(5_000).map(|it| saw("doc.count", *it, "2024", 1)).collect();
    desk.publish(entries).await;
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&desk.source, Some(From::Beginning(true))).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    drop(watch);
    desk.publish(vec![saw("doc.count", communes[0], "2024", 2)]).await;
    let asked =
        Compact { keep_after: Timestamp::now(), reason: String::new(), grace: Duration::ZERO };
    compact(&desk.hub.hub, asked).await.unwrap();
    let mut watch = history.resume(&desk.source).await.unwrap();
    history.take(watch.message().await.unwrap().unwrap());
    assert_eq!(history.resyncs[0].reason(), pb::FeedResyncReason::Compacted);
}

#[tokio::test]
async fn an_operator_compacts_beside_a_running_hub() {
    let store = Arc::new(crate::support::engine::Store::new().await);
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("url"), &store.url).unwrap();
    let key = program::admin_key(dir.path()).await;
    let hub = Program::serve(dir.path(), &[]).await;
    let admin = hub.as_(&key);
    let info = async || admin.info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner();
    assert_eq!(info().await.retention_floor, 0);
    let newest = info().await.newest.unwrap().number;
    let url = program::url(dir.path());
    let compact = ["compact", "--keep", "0s", "--grace", "0s", "--database-url", &url];
    let ran = program::sharehub(dir.path(), &compact).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(
        ran.out.starts_with(&format!("floor {newest}, moved by revision {}", newest + 1)),
        "{ran:?}"
    );
    let at_least = Some(pb::Consistency {
        requirement: Some(pb::consistency::Requirement::AtLeast(newest + 1)),
    });
    let get = pb::GetUnitRequest { unit: crate::support::client::id(1), consistency: at_least };
    admin.units().get_unit(get).await.unwrap();
    assert_eq!(info().await.retention_floor, newest, "the running hub knows");
    for bad in ["400", "d", "-1d", "4w"] {
        let ran = program::sharehub(dir.path(), &["compact", &format!("--keep={bad}")]).await;
        assert_eq!(ran.code, Some(64), "{bad}: {ran:?}");
    }
    let ran = program::sharehub(dir.path(), &["restored", "--database-url", &url]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
}
