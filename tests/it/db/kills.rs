//! `kill -9` during publishing: what was acknowledged is there, nothing is half there, revisions have no gap.
use std::{
    fs,
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use rand::{Rng, SeedableRng, rngs::StdRng};
use tokio::{task::JoinSet, time};

use crate::support::{
    engine::{Store, scale},
    ledger::{
        Book, check_log, check_receipt, check_standing, numbers, prepare, publish, publisher,
        standing,
    },
    program::{Program, admin_key},
};

/// Kills, unless `SHAREHUB_TEST_KILLS` says how many.
const KILLS: u32 = 20;
const TASKS: u32 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_outlives_every_kill() {
    let kills = scale("SHAREHUB_TEST_KILLS", KILLS);
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed.into());
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new().await;
    fs::write(dir.path().join("url"), &store.url).unwrap();
    let (key, units) = {
        let admin = admin_key(dir.path()).await;
        let program = Program::serve(dir.path(), &["--log", "warn,sharehub=info"]).await;
        prepare(&program.as_(&admin)).await
    };
    let units = Arc::new(units);
    assert_eq!(units.len(), 124);
    let book = Arc::<Mutex<Book>>::default();
    let (mut lost_replies, mut undone, mut interrupted) = (0, 0, 0);
    let began = Instant::now();
    for round in 0..=kills {
        let mut program = Program::serve(dir.path(), &["--log", "warn,sharehub=info"]).await;
        let client = program.as_(&key);
        let before = standing(&client).await;
        let done = check_standing(&book.lock().unwrap(), &before);
        check_log(&store.url).await;
        // What was not acknowledged is sent again, twice, as it was: it has one effect, wherever the kill fell.
        let open = book.lock().unwrap().unacknowledged();
        interrupted += u32::from(!open.is_empty());
        for asked in open {
            let was_done = done.contains(&asked.request_id);
            let first = publish(&client, &units, &asked).await.unwrap();
            assert_eq!(first.replayed, was_done, "{asked:?}");
            let revision = check_receipt(&asked, &first);
            if was_done {
                assert_eq!(before[&asked.first], revision, "{asked:?}");
                lost_replies += 1;
            } else {
                undone += 1;
            }
            let second = publish(&client, &units, &asked).await.unwrap();
            assert!(second.replayed);
            assert_eq!(check_receipt(&asked, &second), revision);
            book.lock().unwrap().acknowledged.insert(asked.request_id, revision);
        }
        if round == kills {
            let after = standing(&client).await;
            assert_eq!(after.len(), usize::try_from(book.lock().unwrap().next).unwrap());
            check_standing(&book.lock().unwrap(), &after);
            break;
        }
        let mut publishers = JoinSet::new();
        for task in 0..TASKS {
            let rng = StdRng::seed_from_u64(rng.random());
            let name = format!("r{round}-t{task}");
            let (units, book) = (Arc::clone(&units), Arc::clone(&book));
            publishers.spawn(publisher(program.as_(&key), units, book, name, rng));
        }
        time::sleep(Duration::from_micros(rng.random_range(1_000..400_000))).await;
        program.kill();
        while let Some(ended) = publishers.join_next().await {
            ended.unwrap();
        }
    }
    // One version of each observation was ever made: no request had its effect twice.
    let versions = numbers(&store.url, "SELECT COUNT(*) FROM observation").await;
    let last = check_log(&store.url).await;
    let book = book.lock().unwrap();
    assert_eq!(versions, [i64::from(book.next)]);
    println!(
        "{kills} kills in {:?}: {} requests, {} observations, {last} revisions; {interrupted} kills left something \
         open: {undone} requests were not done, {lost_replies} were done and not answered",
        began.elapsed(),
        book.asked.len(),
        book.next,
    );
    // A run in which nothing happened proves nothing.
    assert!(book.acknowledged.len() > 100, "only {} requests", book.acknowledged.len());
    assert!(interrupted >= kills / 2, "only {interrupted} kills interrupted anything");
}
