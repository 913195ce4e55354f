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

/// What one measurement says.
#[derive(Clone, Copy)]
pub struct Rate {
    /// Calls per second.
    pub calls: f64,
    /// Microseconds of processor time for each call, of this process and of the engine's. Others on the machine do not
    /// count in it, as they do in the calls per second.
    pub cpu: f64,
}

/// The rate of each way, a row for each pass.
pub async fn passes(ways: &[Way], in_flight: usize, passes: usize) -> Vec<Vec<Rate>> {
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

/// Seconds of processor time that this process and its descendants have used.
fn used() -> f64 {
    let mut parents = std::collections::HashMap::new();
    let mut ticks = std::collections::HashMap::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|it| it.parse::<u32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
        // The name of the program may hold anything: what follows its bracket is plain.
        let Some((_, rest)) = stat.rsplit_once(')') else { continue };
        let rest: Vec<_> = rest.split_whitespace().collect();
        let number = |place: usize| rest[place].parse::<u32>().unwrap_or(0);
        parents.insert(id, number(1));
        ticks.insert(id, f64::from(number(11)) + f64::from(number(12)));
    }
    let own = std::process::id();
    let is_ours = |id: &u32| {
        let mut id = *id;
        while id != own {
            match parents.get(&id) {
                Some(parent) if *parent != 0 => id = *parent,
                _ => return false,
            }
        }
        true
    };
    ticks.iter().filter(|(id, _)| is_ours(id)).map(|(_, it)| it / 100.0).sum()
}

async fn rate(way: &Way, in_flight: usize) -> Rate {
    let before = used();
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
    let calls = done / began.elapsed().as_secs_f64();
    Rate { calls, cpu: (used() - before) * 1e6 / done.max(1.0) }
}

/// The median of something that each pass says.
pub fn median(rates: &[Vec<Rate>], of: impl Fn(&[Rate]) -> f64) -> f64 {
    let mut all: Vec<f64> = rates.iter().map(|it| of(it)).collect();
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}
