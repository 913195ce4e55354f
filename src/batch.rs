//! Request coalescing (a dataloader): lookups that arrive while a query runs share the next one. No lookup is delayed
//! to wait for others.
use std::{collections::HashMap, fmt, hash::Hash, panic::AssertUnwindSafe, sync::Arc};

use futures_util::FutureExt;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::{Error, Reason, Result};

/// Questions under way at the same time.
const LOADERS: usize = 2;
/// Look-ups in one question, at most, where each is small.
pub const MANY: usize = 256;
/// Look-ups that may wait; above it, callers are refused.
const QUEUE: usize = 8_192;

/// Answers look-ups of `K` with `V`.
pub struct Batcher<K, V> {
    lookups: mpsc::Sender<Lookup<K, V>>,
}

struct Lookup<K, V> {
    key: K,
    reply: oneshot::Sender<Result<Option<V>>>,
}

impl<K, V> fmt::Debug for Batcher<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batcher").finish_non_exhaustive()
    }
}

impl<K, V> Batcher<K, V>
where
    K: Clone + Eq + Hash + Send + 'static,
    V: Clone + Send + 'static,
{
    /// Starts on a way to answer up to so many keys at once. What queued while the last question ran goes into the
    /// next. The loaders end when the group is dropped.
    pub fn start<L, F>(most: usize, load: L) -> Self
    where
        L: Fn(Vec<K>) -> F + Clone + Send + Sync + 'static,
        F: Future<Output = Result<HashMap<K, V>>> + Send + 'static,
    {
        let (lookups, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..LOADERS {
            tokio::spawn(run(Arc::clone(&waiting), most, load.clone()));
        }
        Self { lookups }
    }

    /// Looks one key up: none when the store has none.
    pub async fn get(&self, key: K) -> Result<Option<V>> {
        let (reply, answer) = oneshot::channel();
        self.lookups.try_send(Lookup { key, reply }).map_err(|err| match err {
            mpsc::error::TrySendError::Full(_) => {
                Error::new(Reason::Overloaded, "too many look-ups are waiting; try again")
            }
            mpsc::error::TrySendError::Closed(_) => Error::unavailable("the loaders have stopped"),
        })?;
        answer.await.map_err(|_| Error::unavailable("the loaders have stopped"))?
    }
}

async fn run<K, V, L, F>(waiting: Arc<Mutex<mpsc::Receiver<Lookup<K, V>>>>, most: usize, load: L)
where
    K: Clone + Eq + Hash,
    V: Clone,
    L: Fn(Vec<K>) -> F,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    let mut lookups = Vec::with_capacity(most);
    while waiting.lock().await.recv_many(&mut lookups, most).await > 0 {
        // Lookups whose callers hung up are dropped.
        lookups.retain(|it| !it.reply.is_closed());
        // Who lookups for the same is answered the same.
        let mut askers: HashMap<K, Vec<_>> = HashMap::with_capacity(lookups.len());
        for Lookup { key, reply } in lookups.drain(..) {
            askers.entry(key).or_default().push(reply);
        }
        match answers(&load, askers.keys().cloned().collect()).await {
            Ok(mut found) => {
                for (key, mut replies) in askers {
                    let found = found.remove(&key);
                    let last = replies.pop();
                    // A caller may have hung up meanwhile.
                    for reply in replies {
                        drop(reply.send(Ok(found.clone())));
                    }
                    drop(last.map(|it| it.send(Ok(found))));
                }
            }
            // One look-up must not harm the others: each lookups for itself.
            Err(_) => {
                for (key, replies) in askers {
                    for reply in replies {
                        let found = answers(&load, vec![key.clone()]).await;
                        drop(reply.send(found.map(|mut it| it.remove(&key))));
                    }
                }
            }
        }
    }
}

async fn answers<K, V, L, F>(load: &L, keys: Vec<K>) -> Result<HashMap<K, V>>
where
    K: Eq + Hash,
    L: Fn(Vec<K>) -> F,
    F: Future<Output = Result<HashMap<K, V>>>,
{
    if keys.is_empty() {
        return Ok(HashMap::new());
    }
    let loaded = AssertUnwindSafe(load(keys)).catch_unwind().await;
    loaded.unwrap_or_else(|_| Err(Error::internal("a look-up panicked")))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use super::*;

    /// Doubles numbers below 1,000, slowly; fails for 13, and panics for 14.
    fn doubles(asked: &Arc<AtomicUsize>) -> Batcher<u32, u32> {
        let asked = Arc::clone(asked);
        let load = move |keys: Vec<u32>| {
            asked.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(5)).await;
                assert!(!keys.contains(&14), "14 panics");
                if keys.contains(&13) {
                    return Err(Error::internal("13 fails"));
                }
                let known = keys.into_iter().filter(|it| *it < 1_000);
                Ok(known.map(|it| (it, it * 2)).collect())
            }
        };
        Batcher::start(MANY, load)
    }

    #[tokio::test]
    async fn look_ups_that_arrive_together_share_a_question() {
        let asked = Arc::default();
        let group = Arc::new(doubles(&asked));
        let all = (0..300).filter(|it| *it != 13 && *it != 14).map(|it| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { (it, group.get(it).await.unwrap()) })
        });
        for one in all.collect::<Vec<_>>() {
            let (key, value) = one.await.unwrap();
            assert_eq!(value, Some(key * 2));
        }
        assert!(asked.load(Ordering::SeqCst) < 30, "{asked:?} questions for 298 look-ups");
    }

    #[tokio::test]
    async fn one_bad_look_up_harms_no_other() {
        let asked = Arc::default();
        let group = Arc::new(doubles(&asked));
        let get = |it| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.get(it).await.map_err(|err| err.reason()) })
        };
        let all = [1, 13, 2, 14, 3, 5_000].map(get);
        let mut answers = Vec::new();
        for one in all {
            answers.push(one.await.unwrap());
        }
        let internal = Err(Reason::Internal);
        assert_eq!(answers, [Ok(Some(2)), internal, Ok(Some(4)), internal, Ok(Some(6)), Ok(None)]);
        assert_eq!(group.get(4).await.unwrap(), Some(8), "it goes on");
    }

    #[tokio::test]
    async fn a_question_holds_no_more_than_the_bound_and_the_queue_no_more_than_its_own() {
        let largest = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&largest);
        let load = move |keys: Vec<u32>| {
            seen.fetch_max(keys.len(), Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(keys.into_iter().map(|it| (it, it)).collect())
            }
        };
        let group = Arc::new(Batcher::start(8, load));
        let many = u32::try_from(QUEUE).unwrap() + 500;
        // All of them ask before a loader runs: there is one thread, and nothing is awaited between.
        let all: Vec<_> = (0..many).map(|it| Box::pin(group.get(it))).collect();
        let answers = futures_util::future::join_all(all).await;
        let refused = answers.iter().filter_map(|it| it.as_ref().err().map(Error::reason));
        let refused: Vec<_> = refused.collect();
        assert_eq!(refused, [Reason::Overloaded; 500]);
        assert_eq!(largest.load(Ordering::SeqCst), 8);
    }

    #[tokio::test]
    async fn who_hung_up_is_not_asked_for() {
        let asked = Arc::new(std::sync::Mutex::new(Vec::new()));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let (seen, open) = (Arc::clone(&asked), Arc::clone(&gate));
        let load = move |keys: Vec<u32>| {
            seen.lock().unwrap().extend(keys.iter().copied());
            let open = Arc::clone(&open);
            async move {
                drop(open.acquire().await.unwrap());
                Ok(keys.into_iter().map(|it| (it, it)).collect())
            }
        };
        let group = Arc::new(Batcher::start(MANY, load));
        let get = |it: u32| {
            let group = Arc::clone(&group);
            tokio::spawn(async move { group.get(it).await.map(drop) })
        };
        // Every loader is busy with one of these.
        let mut busy = Vec::new();
        for it in 0..u32::try_from(LOADERS).unwrap() {
            busy.push(get(it));
            while asked.lock().unwrap().len() < busy.len() {
                tokio::task::yield_now().await;
            }
        }
        let gone: Vec<_> = (100..200).map(get).collect();
        tokio::task::yield_now().await;
        for one in &gone {
            one.abort();
        }
        for one in gone {
            drop(one.await);
        }
        gate.add_permits(1);
        assert_eq!(group.get(1_000).await.unwrap(), Some(1_000), "it goes on");
        assert_eq!(*asked.lock().unwrap(), [0, 1, 1_000]);
    }
}
