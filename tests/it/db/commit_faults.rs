//! A store that fails on purpose: whatever becomes of a commit, a request that is sent until it is answered has one
//! effect.
//!
//! `SHAREHUB_TEST_PUBLISHES` says how many requests are sent (1,000 unless given).
use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use sharehub::db::{
    Options,
    faults::{Faults, Shares},
};
use tokio::task::JoinSet;

use crate::support::{
    engine::{Store, scale},
    hub::{Hub, slow},
    ledger::{Book, check_all, insist, prepare},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_of_which_nobody_knows_has_exactly_one_effect() {
    let publishes: u32 = scale("SHAREHUB_TEST_PUBLISHES", 1_000);
    let seed = scale("SHAREHUB_TEST_SEED", rand::random());
    println!("SHAREHUB_TEST_SEED={seed}");
    let shares = Shares {
        begin_fails: 0.01,
        commit_fails: 0.02,
        commit_unknown: 0.05,
        late: 0.05,
        latest: Duration::from_millis(20),
    };
    let faults = Arc::new(Faults::new(seed, shares));
    let store = Store::new().await;
    let options = Options { faults: Some(Arc::clone(&faults)), ..Options::new(&store.url) };
    let hub = Hub::open(store, options, slow()).await;
    let (key, units) = prepare(&hub.admin()).await;
    let (client, units) = (hub.as_(&key), Arc::new(units));
    let book = Arc::<Mutex<Book>>::default();
    faults.begin();
    let began = Instant::now();
    let mut publishers = JoinSet::new();
    for _ in 0..4 {
        let (client, units, book) = (client.clone(), Arc::clone(&units), Arc::clone(&book));
        publishers.spawn(async move {
            let (mut refused, mut replayed) = (0, 0);
            loop {
                let asked = {
                    let mut book = book.lock().unwrap();
                    let number = u32::try_from(book.asked.len()).unwrap();
                    if number == publishes {
                        return (refused, replayed);
                    }
                    book.ask(format!("r{number}"), 1 + number % 3)
                };
                let (receipt, times) = insist(&client, &units, &asked).await;
                // Only what was refused before can have been done before.
                assert!(times > 0 || !receipt.replayed, "{asked:?}");
                refused += times;
                replayed += u64::from(receipt.replayed);
                let revision = receipt.revision.unwrap().number;
                book.lock().unwrap().acknowledged.insert(asked.request_id, revision);
            }
        });
    }
    let (mut refused, mut replayed) = (0, 0);
    while let Some(ended) = publishers.join_next().await {
        let (refusals, replays) = ended.unwrap();
        refused += refusals;
        replayed += replays;
    }
    let last = check_all(&hub.store.url, &client, &book).await;
    println!(
        "{publishes} requests in {:?}: {last} revisions; {} commits happened and were said to be unknown; {refused} \
         refusals, {replayed} requests were found done when they were sent again",
        began.elapsed(),
        faults.unknown(),
    );
    // A run in which nothing went wrong proves nothing.
    assert!(faults.unknown() >= u64::from(publishes) / 200, "{} unknown", faults.unknown());
    assert!(replayed >= faults.unknown() / 2, "{replayed} replayed");
}
