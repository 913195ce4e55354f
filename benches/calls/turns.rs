//! Measures in turns: each pass runs every contender once, and medians over the passes are what is said.
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::future::BoxFuture;

/// How long one measurement runs.
const TURN: Duration = Duration::from_millis(700);

/// One way to do a call: the number of the call in, whether it was answered out.
pub type Way = Arc<dyn Fn(usize) -> BoxFuture<'static, bool> + Send + Sync>;

/// A way from a function.
pub fn way<F, Fut>(call: F) -> Way
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = bool> + Send + 'static,
{
    Arc::new(move |i| Box::pin(call(i)))
}

/// Calls per second of each way, a row for each pass.
pub async fn passes(ways: &[Way], in_flight: usize, passes: usize) -> Vec<Vec<f64>> {
    let mut rates = Vec::new();
    for _ in 0..passes {
        let mut row = Vec::new();
        for way in ways {
            row.push(rate(way, in_flight).await);
        }
        rates.push(row);
    }
    rates
}

async fn rate(way: &Way, in_flight: usize) -> f64 {
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|caller| {
            let (done, way) = (Arc::clone(&done), Arc::clone(way));
            tokio::spawn(async move {
                let mut i = caller * 101;
                while began.elapsed() < TURN {
                    // Only what was answered counts: on a starved machine a full hub refuses.
                    done.fetch_add(u64::from(way(i).await), Ordering::Relaxed);
                    i += 1;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / began.elapsed().as_secs_f64()
}

/// The median of something that each pass says.
pub fn median(rates: &[Vec<f64>], of: impl Fn(&[f64]) -> f64) -> f64 {
    let mut all: Vec<f64> = rates.iter().map(|it| of(it)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
