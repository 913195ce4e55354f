//! Loads (ingest): streams of numbered items, written as they arrive, acknowledged when durable, resumed after a cut.
//!
//! How far a load has come is kept in the transaction of what it did, so an item is done once, whatever is cut or
//! stopped.
pub mod row;
pub mod rpc;
mod store;

use std::{
    collections::VecDeque,
    future::pending,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, Stream, future::BoxFuture, stream::try_unfold};
use tokio::time::{sleep, sleep_until};
use tonic::{Status, Streaming};

use crate::{
    caller::Caller,
    error::{Error, Reason, Result},
    hub::{BatchOutcome, Hub, WriteOp, note, store::rejections},
    limits::MOST_ITEMS,
    outcome::{Counts, Outcome},
    revision::{
        Revision,
        receipt::ItemResult,
        write::{Done, Effect, Write},
    },
    slots::Slot,
};

/// Items that may wait to be written before no more are read. What is under way is at most this, one batch, and one
/// write.
const ENOUGH: usize = 4_000;
/// How often it is looked whether a sender that pauses may go on.
const LOOK: Duration = Duration::from_millis(500);

/// What can be loaded.
pub trait Item: Clone + Sized + Send + 'static {
    /// What the items are called: loads of one system have a name in each.
    const LIST: &'static str;

    /// How much work it is, in items of a batch.
    fn weight(&self) -> usize;

    /// Keeps some.
    fn keep(
        hub: &Hub,
        write: &Write,
        caller: &Caller,
        items: Vec<Result<Self>>,
    ) -> impl Future<Output = Result<BatchOutcome>> + Send;
}

/// A message of a sender.
#[derive(Debug)]
pub enum Step<E> {
    /// Opens the load of this name.
    Open(String),
    /// Items.
    Items(Items<E>),
}

/// Some items of a load.
#[derive(Debug)]
pub struct Items<E> {
    /// Number of the first one.
    pub first: i64,
    /// As they were read: each one, or why it is refused.
    pub items: Vec<Result<E>>,
    /// How long the message was.
    pub bytes: usize,
}

impl<E: Item> Items<E> {
    fn weight(&self) -> usize {
        self.items.iter().map(|it| it.as_ref().map_or(1, Item::weight)).sum()
    }
}

/// What a sender is told.
#[derive(Debug)]
pub enum Progress {
    /// The load is open: this is the last item that is durable.
    Opened(i64),
    /// Further items are durable.
    Acknowledged(Acknowledged),
}

/// What became of some items.
#[derive(Debug)]
pub struct Acknowledged {
    /// The last item that is durable.
    pub through: i64,
    /// The revision that they made, or the newest one.
    pub revision: Revision,
    /// How many were new.
    pub created: usize,
    /// How many superseded an earlier version.
    pub corrected: usize,
    /// How many were kept already.
    pub unchanged: usize,
    /// Those that were refused, by their numbers.
    pub rejected: Vec<(i64, ItemResult)>,
}

impl Acknowledged {
    fn counts(&self) -> Counts {
        let Self { through: _, revision: _, created, corrected, unchanged, rejected } = self;
        let (created, corrected, unchanged) = (*created, *corrected, *unchanged);
        Counts { created, corrected, unchanged, rejected: rejected.len() }
    }
}

/// Whose load it is, and which of its openings.
#[derive(Clone, Debug)]
struct Claim {
    system_id: i64,
    name: String,
    opening: i64,
}

/// One stream of a load.
struct Load<M, E> {
    hub: Arc<Hub>,
    caller: Caller,
    messages: Streaming<M>,
    /// None until the load is open.
    claim: Option<Claim>,
    /// The last item that was durable when the load was opened.
    begun: i64,
    /// The last item that came.
    came: Option<i64>,
    waiting: VecDeque<Items<E>>,
    working: Option<BoxFuture<'static, Result<Worked>>>,
    /// Why no more is read, once that is so.
    ending: Option<Result<(), Status>>,
    _slot: Slot,
}

/// What the committer has done for a stream.
enum Worked {
    Opened(Claim, i64),
    Kept(Acknowledged),
}

/// Carries a load on: answers a stream of messages with a stream of progress.
pub fn run<M, E>(
    hub: &Arc<Hub>,
    caller: Caller,
    messages: Streaming<M>,
) -> Result<impl Stream<Item = Result<Progress, Status>> + Send + 'static>
where
    M: TryInto<Step<E>, Error = Error> + Send + 'static,
    E: Item,
{
    let load = Load {
        _slot: hub.loads.take(caller.system_id)?,
        hub: Arc::clone(hub),
        caller,
        messages,
        claim: None,
        begun: 0,
        came: None,
        waiting: VecDeque::new(),
        working: None,
        ending: None,
    };
    Ok(try_unfold(load, Load::next))
}

impl<M, E> Load<M, E>
where
    M: TryInto<Step<E>, Error = Error> + Send + 'static,
    E: Item,
{
    /// Works and reads until there is something to tell. It goes on only when it is asked: a sender that does not
    /// take its answers is not read from.
    async fn next(mut self) -> Result<Option<(Progress, Self)>, Status> {
        loop {
            if self.working.is_none() {
                // What waits is for another stream: an end without it must not look like a good one.
                let is_unfinished = self.ending.is_none() || !self.waiting.is_empty();
                if self.hub.stopping.is_cancelled() && is_unfinished {
                    return Err(stopping().into());
                }
                self.working = self.work();
            }
            let reads = self.reads();
            if self.working.is_none() && !reads {
                return self.ending.unwrap_or(Ok(())).map(|()| None);
            }
            tokio::select! {
                biased;
                () = passed(self.caller.until) => return Err(out_of_time().into()),
                worked = done(&mut self.working) => {
                    self.working = None;
                    let progress = match worked? {
                        Worked::Opened(claim, through) => {
                            (self.claim, self.begun) = (Some(claim), through);
                            Progress::Opened(through)
                        }
                        Worked::Kept(acknowledged) => Progress::Acknowledged(acknowledged),
                    };
                    return Ok(Some((progress, self)));
                }
                // What is being written is still acknowledged; the rest is for another stream.
                () = self.hub.stopping.cancelled(), if reads => {
                    self.waiting.clear();
                    self.ending = Some(Err(stopping().into()));
                }
                read = self.messages.message(), if reads => self.came(read),
                // A sender that pauses is told as well when it may not go on.
                () = sleep(LOOK), if reads && self.working.is_none() => {
                    if let Err(err) = self.hub.renew(&self.caller).await {
                        self.ending = Some(Err(err.into()));
                    }
                }
            }
        }
    }

    /// Whether the next message is read: while little is waiting, and not while the load is being opened.
    fn reads(&self) -> bool {
        let items: usize = self.waiting.iter().map(|it| it.items.len()).sum();
        let bytes: usize = self.waiting.iter().map(|it| it.bytes).sum();
        let is_opening = self.claim.is_none() && self.working.is_some();
        let is_little = items < ENOUGH && bytes < self.hub.limits.message_bytes;
        self.ending.is_none() && is_little && !is_opening
    }

    fn came(&mut self, read: Result<Option<M>, Status>) {
        let came = match read {
            Ok(None) => {
                self.ending = Some(Ok(()));
                return;
            }
            Ok(Some(message)) => message.try_into().and_then(|it| self.take(it)),
            Err(status) => {
                self.ending = Some(Err(Error::explain(status)));
                return;
            }
        };
        if let Err(err) = came {
            self.ending = Some(Err(err.into()));
        }
    }

    fn take(&mut self, step: Step<E>) -> Result<()> {
        match (step, &self.claim) {
            (Step::Open(name), None) => {
                let name = format!("{}/{name}", E::LIST);
                self.working = Some(open(&self.hub, &self.caller, name));
                Ok(())
            }
            (Step::Open(_), Some(_)) => {
                Err(Error::field("open", "be the first message, and no other"))
            }
            (Step::Items(_), None) => Err(Error::field("open", "be the first message")),
            (Step::Items(items), Some(_)) => self.queue(items),
        }
    }

    /// Takes the items that follow on those that came before. Those that were durable when the load was opened are
    /// done.
    fn queue(&mut self, batch: Items<E>) -> Result<()> {
        let Items { first, mut items, bytes } = batch;
        let (least, most) = match self.came {
            None => (1, self.begun + 1),
            Some(came) => (came + 1, came + 1),
        };
        if !(least..=most).contains(&first) {
            let rule = match self.came {
                None => format!("be at most {most}: the load is durable through {}", self.begun),
                Some(came) => format!("be {most}: the last item that came is {came}"),
            };
            return Err(Error::field("batch.first", rule));
        }
        let last = first + count(items.len()) - 1;
        let skipped = usize::try_from(self.begun + 1 - first).unwrap_or(0).min(items.len());
        drop(items.drain(..skipped));
        self.came = Some(last);
        if !items.is_empty() {
            self.waiting.push_back(Items { first: first + count(skipped), items, bytes });
        }
        Ok(())
    }

    /// Begins to write what waits, as much as goes into one batch.
    fn work(&mut self) -> Option<BoxFuture<'static, Result<Worked>>> {
        let claim = self.claim.clone()?;
        let Items { first, mut items, bytes: _ } = self.waiting.pop_front()?;
        let mut weight: usize = items.iter().map(|it| it.as_ref().map_or(1, Item::weight)).sum();
        while let Some(more) = self.waiting.front() {
            weight += more.weight();
            if weight > MOST_ITEMS {
                break;
            }
            items.extend(self.waiting.pop_front().into_iter().flat_map(|it| it.items));
        }
        let (hub, caller) = (Arc::clone(&self.hub), self.caller.clone());
        let work = async move {
            let kept = hub.write_once(&caller, KeepItems { claim, first, items }).await?;
            let counts = kept.counts();
            caller.trail.wrote(counts);
            if counts.accepted() > 0 {
                hub.activity.committed(caller.system_id, hub.db.clock());
            }
            Ok(Worked::Kept(kept))
        };
        Some(work.boxed())
    }
}

/// Opens a load, in the order of writes: what an earlier stream of it had under way is done by then, or never.
fn open(hub: &Arc<Hub>, caller: &Caller, name: String) -> BoxFuture<'static, Result<Worked>> {
    let (hub, caller) = (Arc::clone(hub), caller.clone());
    async move { hub.write_once(&caller, OpenLoad { name }).await }.boxed()
}

#[derive(Clone)]
struct OpenLoad {
    name: String,
}

impl WriteOp for OpenLoad {
    type Output = Done<Worked>;

    async fn run(self, _: &Hub, write: &Write, by: &Caller) -> Result<Done<Worked>> {
        let Self { name } = self;
        let system_id = by.system_id;
        let (opening, through) = store::open(write, system_id, &name).await?;
        let claim = Claim { system_id, name, opening };
        Ok(Done { answer: Worked::Opened(claim, through), effect: Effect::Kept { rejected: 0 } })
    }
}

/// Items of a load, from the number `first` on.
#[derive(Clone)]
struct KeepItems<E> {
    claim: Claim,
    first: i64,
    items: Vec<Result<E>>,
}

/// Keeps items, and how far the load has come with them.
impl<E: Item> WriteOp for KeepItems<E> {
    type Output = Done<Acknowledged>;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<Done<Acknowledged>> {
        let Self { claim, first, items } = self;
        store::must_hold(write, &claim).await?;
        let through = first + count(items.len()) - 1;
        // What is kept beside versions is kept in any case: so is how far the load has come.
        let BatchOutcome { items, touched, aside: _ } = E::keep(hub, write, caller, items).await?;
        let (mut created, mut corrected, mut unchanged) = (0, 0, 0);
        let (mut rejected, mut beside) = (Vec::new(), Vec::new());
        for (number, item) in (first..).zip(items) {
            match item {
                Ok(ItemResult { outcome: Outcome::Created, .. }) => created += 1,
                Ok(ItemResult { outcome: Outcome::Corrected, .. }) => corrected += 1,
                Ok(ItemResult { outcome: Outcome::Unchanged, .. }) => unchanged += 1,
                Ok(refused) => rejected.push((number, refused)),
                Err(err) => {
                    rejected.push((number, ItemResult::refused(&err)));
                    beside.push(err);
                }
            }
        }
        let changes = created + corrected;
        let refused = rejected.len();
        let (revision, effect) = match changes {
            0 => (write.head.newest, Effect::Kept { rejected: refused }),
            _ => {
                let items = i32::try_from(changes).unwrap_or(i32::MAX);
                (write.revision, Effect::Revision { touched, items, rejected: refused })
            }
        };
        rejections::keep(write, claim.system_id, E::LIST, revision, &beside).await?;
        if changes + unchanged > 0 {
            note(hub, write, claim.system_id, revision).await;
        }
        store::advance(write, &claim, through, revision).await?;
        let answer = Acknowledged { through, revision, created, corrected, unchanged, rejected };
        Ok(Done { answer, effect })
    }
}

fn count(items: usize) -> i64 {
    i64::try_from(items).unwrap_or(i64::MAX)
}

/// Waits for what is being done, if anything is.
async fn done(working: &mut Option<BoxFuture<'static, Result<Worked>>>) -> Result<Worked> {
    match working {
        Some(working) => working.await,
        None => pending().await,
    }
}

/// Waits until an instant, if there is one.
pub(crate) async fn passed(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until.into()).await,
        None => pending().await,
    }
}

/// A stream's refusal when its caller's deadline has passed.
pub(crate) fn out_of_time() -> Error {
    Error::new(Reason::OutOfTime, "the deadline passed before the stream had ended")
}

/// A stream's refusal when the hub is to stop.
pub(crate) fn stopping() -> Error {
    Error::new(Reason::Unavailable, "the hub is stopping; go on at another one, or in a moment")
}
