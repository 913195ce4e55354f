//! Writes that share a commit: each stands or falls alone, and sees those before it.
use std::collections::{BTreeMap, BTreeSet};

use sea_orm::{ConnectionTrait, Database, DbBackend};
use sharehub::pb;
use tokio::task::JoinSet;

use crate::support::{
    client::{Client, id, refusal},
    desk::{BEN_TRE, Desk, saw},
    hub::Hub,
};

async fn publish(
    source: &Client,
    request_id: &str,
    entry: pb::ObservationEntry,
) -> Result<pb::Receipt, tonic::Status> {
    let request = pb::PublishObservationsRequest {
        observations: vec![entry],
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    let answer = source.indicators().publish_observations(request).await?;
    Ok(answer.into_inner().receipt.unwrap())
}

/// The revisions that made what stands of the count.
async fn kept(desk: &Desk) -> BTreeSet<i64> {
    let request = pb::QueryObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    };
    let answer = desk.source.indicators().query_observations(request).await.unwrap();
    let observations = answer.into_inner().observations;
    let made: BTreeSet<_> =
        observations.iter().map(|it| it.revision.as_ref().unwrap().number).collect();
    assert_eq!(made.len(), observations.len());
    made
}

/// The revisions of the versions of Ben Tre's count in 2024. They follow on one another: the one that stands is the
/// last, and each was ended by the next.
async fn chain(desk: &Desk) -> Vec<i64> {
    let versions = desk.versions(&saw("doc.count", BEN_TRE, "2024", "")).await;
    let mut versions: Vec<_> = versions
        .into_iter()
        .map(|it| {
            let at = it.revision.unwrap().number;
            (at, it.superseded.map(|it| it.number), it.figure.unwrap().value)
        })
        .collect();
    versions.sort();
    for pair in versions.windows(2) {
        assert_eq!(pair[0].1, Some(pair[1].0), "{versions:?}");
        assert_ne!(pair[0].2, pair[1].2, "the same again is no version: {versions:?}");
    }
    assert_eq!(versions.last().unwrap().1, None);
    versions.into_iter().map(|it| it.0).collect()
}

/// How many commits were made of so many writes.
async fn commits(hub: &Hub, writes: JoinSet<()>) -> u64 {
    let before = hub.hub.commits();
    writes.join_all().await;
    hub.hub.commits() - before
}

#[tokio::test]
async fn what_the_store_itself_refuses_of_one_harms_no_other() {
    let desk = Desk::start().await;
    let db = Database::connect(&desk.hub.store.url).await.unwrap();
    let refuse = match db.get_database_backend() {
        DbBackend::Postgres => {
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN IF NEW.note = 'poison' THEN RAISE EXCEPTION 'refused'; END IF; RETURN NEW; END $$; \
             CREATE TRIGGER refuse BEFORE INSERT ON observation FOR EACH ROW EXECUTE FUNCTION refuse();"
        }
        _ => {
            "CREATE TRIGGER refuse BEFORE INSERT ON observation WHEN NEW.note = 'poison' \
             BEGIN SELECT RAISE(ABORT, 'refused'); END"
        }
    };
    db.execute_unprepared(refuse).await.unwrap();
    db.close().await.unwrap();
    let units = desk.communes().await;
    let mut writers = JoinSet::new();
    for (index, unit) in units.into_iter().take(40).enumerate() {
        let (source, unit) = (desk.source.clone(), id(unit));
        writers.spawn(async move {
            let mut entry = pb::ObservationEntry { unit, ..saw("doc.count", "", "2024", "5") };
            let is_poison = index % 13 == 5;
            if is_poison {
                let note = "poison".to_owned();
                entry.provenance = Some(pb::Provenance { note, ..Default::default() });
            }
            let answer = publish(&source, &format!("r{index}"), entry.clone()).await;
            if is_poison {
                let (code, reason, _) = refusal(answer);
                assert_eq!((code, reason.as_str()), (tonic::Code::Internal, "INTERNAL"), "{index}");
                return;
            }
            let receipt = answer.unwrap();
            assert_eq!((receipt.created, receipt.replayed), (1, false), "{index}");
            // What is kept for a retry was kept with it.
            let again = publish(&source, &format!("r{index}"), entry).await.unwrap();
            assert_eq!((again.revision, again.replayed), (receipt.revision, true), "{index}");
        });
    }
    let before = desk.hub.hub.revisions.head().newest.number;
    let commits = commits(&desk.hub, writers).await;
    assert!(commits < 36, "{commits} commits of 37 writes: none was shared");
    assert_eq!(kept(&desk).await, (before + 1..=before + 37).collect(), "no number is left out");
}

#[tokio::test]
async fn a_write_sees_those_before_it_in_its_commit() {
    let desk = Desk::start().await;
    let mut writers = JoinSet::new();
    let (told, mut outcomes) = tokio::sync::mpsc::unbounded_channel();
    for index in 0..60_i32 {
        let (source, admin, told) = (desk.source.clone(), desk.hub.admin(), told.clone());
        writers.spawn(async move {
            // Some that write in the store themselves stand between them.
            if index % 7 == 3 {
                let request = pb::RegisterSystemRequest {
                    code: format!("other-{index}"),
                    name: "Other".to_owned(),
                    ..Default::default()
                };
                admin.access().register_system(request).await.unwrap();
            }
            let (value, request_id) = ((index % 20).to_string(), format!("r{}", index % 30));
            let entry = saw("doc.count", BEN_TRE, "2024", &value);
            match publish(&source, &request_id, entry).await {
                Ok(receipt) => told.send((request_id, receipt)).unwrap(),
                // Sent before with another value.
                Err(status) => assert_eq!(refusal::<()>(Err(status)).1, "REQUEST_ID_REUSED"),
            }
        });
    }
    drop(told);
    let commits = commits(&desk.hub, writers).await;
    assert!(commits < 60, "{commits} commits: none was shared");
    let mut answered: BTreeMap<String, Vec<pb::Receipt>> = BTreeMap::new();
    while let Some((request_id, receipt)) = outcomes.recv().await {
        answered.entry(request_id).or_default().push(receipt);
    }
    // Of each request there is one effect, whatever it was.
    for (request_id, receipts) in &answered {
        let first = receipts.iter().filter(|it| !it.replayed).count();
        assert_eq!(first, 1, "{request_id}: {receipts:?}");
    }
    let versions = chain(&desk).await;
    let receipts = answered.values().flatten().filter(|it| !it.replayed);
    let mut made: Vec<_> = receipts
        .filter(|it| it.created + it.corrected == 1)
        .map(|it| it.revision.as_ref().unwrap().number)
        .collect();
    made.sort_unstable();
    assert_eq!(made, versions);
}

#[tokio::test]
async fn what_is_refused_or_only_tried_leaves_nothing_in_a_shared_commit() {
    let desk = Desk::start().await;
    let units = desk.communes().await;
    let mut writers = JoinSet::new();
    for (index, unit) in units.into_iter().take(45).enumerate() {
        let (source, unit) = (desk.source.clone(), id(unit));
        writers.spawn(async move {
            let entry = pb::ObservationEntry { unit, ..saw("doc.count", "", "2024", "5") };
            let bad = pb::ObservationEntry { value: Some("-1".to_owned()), ..entry.clone() };
            let mut observations = vec![entry];
            if index % 3 == 1 {
                observations.push(bad);
            }
            let request = pb::PublishObservationsRequest {
                observations,
                request_id: format!("r{index}"),
                allow_partial: false,
                validate_only: index % 3 == 2,
            };
            let answer = source.indicators().publish_observations(request).await;
            assert_eq!(answer.is_ok(), index % 3 != 1, "{index}: {answer:?}");
        });
    }
    let before = desk.hub.hub.revisions.head().newest.number;
    let commits = commits(&desk.hub, writers).await;
    assert!(commits < 15, "{commits} commits of 15 writes: none was shared");
    assert_eq!(kept(&desk).await, (before + 1..=before + 15).collect());
}

#[tokio::test]
async fn what_is_rejected_beside_corrections_of_one_cell_parts_no_version_from_the_one_before() {
    let desk = Desk::start().await;
    let mut writers = JoinSet::new();
    for index in 0..48_i32 {
        let source = desk.source.clone();
        writers.spawn(async move {
            // Every third one sends a value that may stand, and that was rejected as another's bad item.
            let (good, bad) = (saw("doc.count", BEN_TRE, "2024", &(index % 5).to_string()), "1.5");
            let bad = saw("doc.count", if index % 3 == 0 { "86" } else { "80" }, "2024", bad);
            let right = saw("doc.count", "86", "2024", "9");
            let observations = if index % 3 == 2 { vec![good, right] } else { vec![good, bad] };
            let request = pb::PublishObservationsRequest {
                observations,
                allow_partial: true,
                ..Default::default()
            };
            source.indicators().publish_observations(request).await.unwrap();
        });
    }
    let commits = commits(&desk.hub, writers).await;
    assert!(commits < 40, "{commits} commits of 48 writes: none was shared");
    assert!(!chain(&desk).await.is_empty());
    let rejections = async || {
        let request = pb::ListRejectionsRequest::default();
        desk.source.indicators().list_rejections(request).await.unwrap().into_inner().rejections
    };
    let left = rejections().await;
    let never = left.iter().find(|it| it.item == "doc.count 80 2024").unwrap();
    assert_eq!(never.times, 16, "{left:?}");
    // Sent right once more, whatever was the last of them, it is gone.
    desk.publish(vec![saw("doc.count", "86", "2024", "9")]).await;
    let left: Vec<_> = rejections().await.into_iter().map(|it| it.item).collect();
    assert_eq!(left, ["doc.count 80 2024"]);
}
