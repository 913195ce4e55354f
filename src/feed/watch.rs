//! One watch: a cursor over the log, moved when the caller takes the next message, with no queue of its own.
mod steps;

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{Stream, stream};
use tokio::{sync::watch, time};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use super::{
    Change, From, Message, Resync, SharedPart, Stage, Watch,
    filter::Matcher,
    position::{self, Opened, Position},
    rpc::Rpc,
    tail::Tail,
};
use crate::{
    caller::{
        Caller,
        agreement::{Operation, Right, Rights, not_covered},
        policy::Kind,
    },
    dossier,
    dossier::catalogue::Catalogue,
    error::{Error, Reason, Result},
    hub::Hub,
    indicator,
    indicator::definitions::Definitions,
    personal::vault::Vault,
    revision::touched::TouchedSet,
    revision::{Consistency, Revision, View},
    slots::Slot,
    time::Timestamp,
};

/// How often a watch checks its rights, at least.
const LOOK: Duration = Duration::from_secs(5);

/// The names that changes refer to.
#[derive(Debug)]
pub struct ChangeNames {
    /// Of indicators.
    pub indicators: indicator::store::read::Names,
    /// Of dossiers.
    pub dossiers: dossier::store::DossierNames,
    /// The keys of personal data.
    pub vault: Vault,
}

/// Starts a watch. Whatever can be refused at once is refused before the first message.
pub async fn watch(
    Rpc { hub, tail, watches }: &Rpc,
    caller: Caller,
    asked: Watch,
) -> Result<impl Stream<Item = Result<Message>> + Send + use<>> {
    let slot = watches.take(caller.system_id)?;
    let Watch { filters, question, from, bookmark } = asked;
    let mut view = hub.revisions.latest();
    let epoch = view.epoch();
    let mut resync = None;
    let position = match from {
        From::Now => Position::Through(view.number()),
        From::Beginning => Position::beginning(view.number()),
        From::Token(token) => {
            let opened = position::unseal(hub.db.secret(), caller.system_id, &token)?;
            if opened.question != question {
                let rule = "have come with the same filters";
                return Err(Error::field("resume_token", rule));
            }
            if opened.epoch == epoch {
                // Another hub of the same store may have been ahead.
                let number = opened.position.revision();
                view = hub.revisions.view(&caller, Consistency::AtLeast(number)).await?;
            } else {
                resync = Some(Resync::Restored);
            }
            opened.position
        }
    };
    let matcher = Matcher::open(hub, &caller, &filters, &view).await?;
    let (now, pulse) = (Instant::now(), Arc::new(Stall::start()));
    let guard = AbortOnDropHandle::new(tokio::spawn(cut_when_stalled(
        Arc::clone(&pulse),
        caller.connection.clone(),
        hub.limits.slow,
    )));
    let watching = Watching {
        newest: tail.follow(),
        tail: Arc::clone(tail),
        hub: Arc::clone(hub),
        caller,
        filters: filters.into(),
        matcher,
        question,
        epoch,
        position,
        piece: None,
        ready: VecDeque::new(),
        bookmark,
        // The first bookmark goes out as soon as there is nothing else to send.
        bookmark_due: now,
        resync,
        refused: None,
        pulse,
        has_ended: false,
        _guard: guard,
        _slot: slot,
    };
    Ok(stream::unfold(watching, |mut watching| async move {
        let next = watching.next().await?;
        Some((next, watching))
    }))
}

/// Whether a message waits to be taken, and since when: milliseconds from the start, or 0 for none.
struct Stall {
    began: Instant,
    waits_since_ms: AtomicU64,
}

impl Stall {
    fn start() -> Self {
        Self { began: Instant::now(), waits_since_ms: AtomicU64::new(0) }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX).max(1)
    }

    fn waits(&self) -> Duration {
        match self.waits_since_ms.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(self.now_ms().saturating_sub(since)),
        }
    }
}

/// A caller that takes no message cannot receive an error either, so its connection is closed.
async fn cut_when_stalled(pulse: Arc<Stall>, connection: CancellationToken, slow: Duration) {
    loop {
        time::sleep(LOOK.min(slow)).await;
        if pulse.waits() > slow * 2 {
            tracing::warn!("a watch takes nothing: its connection is cut");
            connection.cancel();
            return;
        }
    }
}

/// A large revision that is read in pieces.
struct Piece {
    revision: Revision,
    touched: TouchedSet,
    stage: Stage,
    key: Option<String>,
    has_sent: bool,
}

/// The versions of the agreements that answer a call.
fn versions(caller: &Caller) -> [Option<(&str, i64)>; 2] {
    fn version(it: &Right) -> (&str, i64) {
        (it.agreement.code.as_str(), it.agreement.made_at)
    }
    let Rights { indicators, dossiers } = &caller.rights;
    [indicators, dossiers].map(|it| it.as_ref().map(version))
}

struct Watching {
    hub: Arc<Hub>,
    /// The newest revision that the tail holds completely.
    newest: watch::Receiver<i64>,
    tail: Arc<Tail>,
    caller: Caller,
    filters: Arc<[super::Filter]>,
    matcher: Matcher,
    question: [u8; 32],
    epoch: i64,
    position: Position,
    piece: Option<Piece>,
    /// Messages ready to be sent.
    ready: VecDeque<Message>,
    bookmark: Duration,
    bookmark_due: Instant,
    resync: Option<Resync>,
    /// The refusal that ends it, after it has sent that access was lost.
    refused: Option<Error>,
    pulse: Arc<Stall>,
    has_ended: bool,
    _guard: AbortOnDropHandle<()>,
    _slot: Slot,
}

impl Watching {
    /// The next message; none after the last one or a refusal.
    async fn next(&mut self) -> Option<Result<Message>> {
        if self.has_ended {
            return None;
        }
        let waited = self.pulse.waits();
        self.pulse.waits_since_ms.store(0, Ordering::Relaxed);
        let next =
            if waited > self.hub.limits.slow && !matches!(self.position, Position::State { .. }) {
                Err(self.too_slow(waited))
            } else {
                self.message().await
            };
        self.has_ended = matches!(next, Err(_) | Ok(Message::Resync { .. }));
        self.bookmark_due = Instant::now() + self.bookmark;
        self.pulse.waits_since_ms.store(self.pulse.now_ms(), Ordering::Relaxed);
        Some(next)
    }

    fn too_slow(&self, waited: Duration) -> Error {
        let seconds = waited.as_secs();
        let what = format!("the last message was taken after {seconds} s: go on from its token");
        let err = Error::new(Reason::ReaderTooSlow, what);
        err.with("resume_token", self.token(&self.position))
    }

    fn token(&self, position: &Position) -> String {
        let (question, position) = (self.question, position.clone());
        let opened = Opened { epoch: self.epoch, question, position };
        position::seal(self.hub.db.secret(), self.caller.system_id, &opened)
    }

    async fn message(&mut self) -> Result<Message> {
        loop {
            self.may_go_on()?;
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            // The order matters: changes newer than the names and rights read here wait for the next turn.
            let newest = *self.newest.borrow_and_update();
            self.look_again().await?;
            if let Some(message) = self.ready.pop_front() {
                return Ok(message);
            }
            if let Some(refused) = self.refused.take() {
                return Err(refused);
            }
            let head = self.hub.revisions.head();
            if head.epoch != self.epoch {
                self.resync = Some(Resync::Restored);
            } else if self.position.revision() < head.floor {
                self.resync = Some(Resync::Compacted);
            }
            if let Some(reason) = self.resync {
                let start = Opened {
                    epoch: head.epoch,
                    question: self.question,
                    position: Position::beginning(head.newest.number),
                };
                let token = position::seal(self.hub.db.secret(), self.caller.system_id, &start);
                return Ok(Message::Resync { reason, floor: head.floor, token });
            }
            match self.position.clone() {
                Position::State { revision, stage, after } => {
                    self.state(revision, stage, &after).await?;
                }
                Position::Through(through) if newest > through => {
                    self.follow(through, newest).await?;
                }
                Position::Through(through) => {
                    if Instant::now() >= self.bookmark_due {
                        return self.bookmark(through).await;
                    }
                    self.wait().await;
                }
            }
        }
    }

    fn may_go_on(&self) -> Result<()> {
        if self.hub.stopping.is_cancelled() {
            return Err(Error::new(
                Reason::Unavailable,
                "the hub is stopping: go on from the last token",
            ));
        }
        if self.caller.until.is_some_and(|it| Instant::now() >= it) {
            return Err(Error::new(
                Reason::OutOfTime,
                "the deadline passed: go on from the last token",
            ));
        }
        Ok(())
    }

    /// Waits for a new revision, or for the next check.
    async fn wait(&mut self) {
        let mut until = self.bookmark_due.min(Instant::now() + LOOK);
        let ends = self.caller.rights.all().map(|it| it.agreement.valid_before).min();
        if let Some(ends) = ends {
            let left = ends.micros().saturating_sub(self.hub.db.clock().micros()).max(0);
            let left = Duration::from_micros(u64::try_from(left).unwrap_or(0));
            until = until.min(Instant::now() + left.min(LOOK));
        }
        if let Some(deadline) = self.caller.until {
            until = until.min(deadline);
        }
        let stopping = self.hub.stopping.clone();
        tokio::select! {
            _ = self.newest.changed() => {}
            () = stopping.cancelled() => {}
            () = time::sleep_until(until.into()) => {}
        }
    }

    /// Renews the caller's rights and the filters' units.
    async fn look_again(&mut self) -> Result<()> {
        let now = self.hub.renew(&self.caller).await?;
        let view = self.hub.revisions.latest();
        let has_new_rights = versions(&now) != versions(&self.caller);
        if !has_new_rights && !self.matcher.is_old(&view) {
            self.caller = now;
            return Ok(());
        }
        let matcher = Matcher::open(&self.hub, &now, &self.filters, &view).await?;
        let before = std::mem::replace(&mut self.caller, now);
        self.matcher = matcher;
        if has_new_rights {
            self.access_changed(&before, &view).await?;
        }
        Ok(())
    }

    /// The rights to what is followed.
    fn followed<'a>(
        &self,
        caller: &'a Caller,
    ) -> impl Iterator<Item = Option<&'a Right>> + use<'a> {
        let Rights { indicators, dossiers } = &caller.rights;
        let indicators = indicators.as_ref().filter(|_| self.matcher.follows_indicators());
        let dossiers = dossiers.as_ref().filter(|_| self.matcher.follows_dossiers());
        [indicators, dossiers].into_iter()
    }

    async fn access_changed(&mut self, before: &Caller, view: &View) -> Result<()> {
        let at = self.position.revision();
        let (was, is) = (before, &self.caller);
        let definitions = self.hub.reference::<Definitions>(view).await?;
        let mut changes = Vec::new();
        for it in definitions.all().filter(|it| self.matcher.names(it)) {
            let code = it.code.as_str();
            let gained = is.sees_indicator(code);
            if gained != was.sees_indicator(code) {
                changes.push(Change::Access(at, SharedPart::Indicator(it.code.clone()), gained));
            }
        }
        if self.matcher.follows_dossiers() {
            let (had, has) = (was.rights.dossiers.is_some(), is.rights.dossiers.is_some());
            if had != has {
                changes.push(Change::Access(at, SharedPart::Dossiers, has));
            }
            if was.tier() != is.tier() {
                changes.push(Change::Access(at, SharedPart::PersonalData, is.tier() > was.tier()));
            }
        }
        for (had, has) in self.followed(was).zip(self.followed(is)) {
            if let (Some(had), Some(has)) = (had, has)
                && (had.units != has.units || had.procedures != has.procedures)
            {
                let is_gained = has.must_include(had).is_ok();
                changes.push(Change::Access(at, SharedPart::Scope, is_gained));
            }
        }
        let has_any = |it: &Caller| self.followed(it).any(|it| it.is_some());
        if has_any(was) && !has_any(is) {
            let kind =
                if was.rights.indicators.is_some() { Kind::Indicators } else { Kind::Dossiers };
            self.refused = Some(not_covered(Operation::Watch, kind, is.purpose.as_ref()));
        }
        if !changes.is_empty() {
            let token = self.token(&self.position);
            self.push(changes, HashMap::new(), None, token).await?;
        }
        Ok(())
    }

    async fn push(
        &mut self,
        changes: Vec<Change>,
        times: HashMap<i64, Timestamp>,
        through: Option<Revision>,
        token: String,
    ) -> Result<()> {
        let view = self.hub.revisions.latest();
        let indicators = indicator::store::read::Names::open(&self.hub, &view).await?;
        let dossiers = dossier::store::DossierNames {
            forest: Arc::clone(&indicators.forest),
            catalogue: self.hub.reference::<Catalogue>(&view).await?,
            directory: Arc::clone(&indicators.directory),
            times,
        };
        let vault = self.hub.db.vault().clone();
        let names = Arc::new(ChangeNames { indicators, dossiers, vault });
        let caller = Arc::new(self.caller.clone());
        self.ready.push_back(Message::Changes { changes, names, caller, through, token });
        Ok(())
    }

    async fn bookmark(&self, through: i64) -> Result<Message> {
        let head = self.hub.revisions.head();
        let revision = match head.newest.number == through {
            true => head.newest,
            false => {
                let at = crate::revision::store::committed_at(self.hub.db.read(), through).await?;
                Revision { number: through, at }
            }
        };
        let (through, token) = (revision, self.token(&Position::Through(through)));
        Ok(Message::Bookmark { through, token, checkpoint: self.hub.audit.checkpoint() })
    }
}
