//! Concurrency limit of long computations: each waits for its turn, and no system has more than its share of turns.
use std::{
    collections::HashMap,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};

use tokio::{sync::Semaphore, task};

use crate::error::{Error, Reason, Result};

/// Turns to compute: as many at once as there are processors, and half of them for one system.
#[derive(Debug)]
pub struct Turns {
    all: Arc<Semaphore>,
    /// Turns of one system at once.
    each: usize,
    by_system: Mutex<HashMap<i64, Arc<Semaphore>>>,
    running: Arc<AtomicUsize>,
}

/// How a computation goes on: while somebody waits for its answer, and there is time.
#[derive(Clone, Debug)]
pub struct Pace {
    is_abandoned: Arc<AtomicBool>,
    deadline: Instant,
}

impl Pace {
    /// Ends a computation that nobody waits for any more, or that is out of time. It is asked between any two steps
    /// that take more than some milliseconds together.
    pub fn go_on(&self) -> Result<()> {
        if self.is_abandoned.load(Ordering::Relaxed) || Instant::now() >= self.deadline {
            return Err(Error::new(Reason::OutOfTime, "the deadline passed while it was computed"));
        }
        Ok(())
    }
}

/// Marks a computation as abandoned, when who waits for it goes.
struct Waiting(Pace);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.is_abandoned.store(true, Ordering::Relaxed);
    }
}

/// Counts a computation that runs.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    /// For the processors of this machine.
    pub fn new() -> Arc<Self> {
        let all = thread::available_parallelism().map_or(1, NonZero::get).max(2);
        Arc::new(Self {
            all: Arc::new(Semaphore::new(all)),
            each: all / 2,
            by_system: Mutex::default(),
            running: Arc::default(),
        })
    }

    /// How many computations run.
    pub fn running(&self) -> usize {
        self.running.load(Ordering::Relaxed)
    }

    /// Runs a long computation beside the runtime's own threads, so that other calls go on. It waits for a turn of its
    /// system, and then for one of all; where the call ends meanwhile, it never begins.
    pub async fn compute<T: Send + 'static>(
        &self,
        system_id: i64,
        deadline: Instant,
        work: impl FnOnce(&Pace) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let own = self.of(system_id).acquire_owned().await.map_err(Error::internal)?;
        let all = Arc::clone(&self.all).acquire_owned().await.map_err(Error::internal)?;
        let running = Running::new(&self.running);
        let pace = Pace { is_abandoned: Arc::default(), deadline };
        let waiting = Waiting(pace.clone());
        let span = tracing::Span::current();
        let work = move || {
            let answer = span.in_scope(|| pace.go_on().and_then(|()| work(&pace)));
            drop((running, own, all));
            answer
        };
        let answer = task::spawn_blocking(work).await.map_err(Error::internal)?;
        drop(waiting);
        answer
    }

    fn of(&self, system_id: i64) -> Arc<Semaphore> {
        let mut systems = self.by_system.lock().unwrap_or_else(PoisonError::into_inner);
        let own = systems.entry(system_id);
        Arc::clone(own.or_insert_with(|| Arc::new(Semaphore::new(self.each))))
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, time::Duration};

    use tokio::time;

    use super::*;

    fn later() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test]
    async fn one_system_leaves_turns_to_another() {
        let turns = Turns::new();
        let (go, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(wait));
        let mut calls = Vec::new();
        for _ in 0..turns.each + 3 {
            let (turns, wait) = (Arc::clone(&turns), Arc::clone(&wait));
            calls.push(tokio::spawn(async move {
                let work = move |_: &Pace| {
                    let wait = wait.lock().unwrap_or_else(PoisonError::into_inner);
                    assert!(wait.recv().is_err(), "nobody sends");
                    Ok(())
                };
                turns.compute(1, later(), work).await
            }));
        }
        while turns.running() < turns.each {
            time::sleep(Duration::from_millis(5)).await;
        }
        assert_eq!(turns.compute(2, later(), |_| Ok(5)).await.unwrap(), 5);
        assert_eq!(turns.running(), turns.each, "the others wait");
        drop(go);
        for call in calls {
            call.await.unwrap().unwrap();
        }
        assert_eq!(turns.running(), 0);
    }

    #[tokio::test]
    async fn what_nobody_waits_for_ends_and_what_is_late_does_not_begin() {
        let turns = Turns::new();
        let begun = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&begun);
        let work = move |pace: &Pace| {
            seen.store(true, Ordering::Relaxed);
            loop {
                pace.go_on()?;
                thread::yield_now();
            }
        };
        let endless = turns.compute::<()>(1, later(), work);
        drop(time::timeout(Duration::from_millis(200), endless).await);
        assert!(begun.load(Ordering::Relaxed));
        let patience = Instant::now() + Duration::from_secs(20);
        while turns.running() > 0 {
            assert!(Instant::now() < patience, "it goes on");
            time::sleep(Duration::from_millis(5)).await;
        }
        let late = turns.compute(1, Instant::now(), |_| Ok(())).await;
        assert_eq!(late.unwrap_err().reason(), Reason::OutOfTime);
    }
}
