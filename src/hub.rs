//! The hub: what every slice shares, and the two ways in, a read at one revision and a write that makes one.
pub mod explain;
pub mod permit;
pub mod rpc;

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use crate::{
    access::{
        self, Caller, Issue, directory::Directory, last_used::LastUsed, refusals::Refusals,
        token::Tokens,
    },
    audit::{Audit, key::Key},
    batch::{Batcher, MANY},
    cache::VersionedCache,
    db::Db,
    dossier::{self, catalogue::Catalogue, store::FoundDossier},
    error::{Error, Reason, Result},
    feed::tail::Tail,
    indicator::{
        self,
        cells::Cells,
        definitions::Definitions,
        rpc::encoded,
        store::{follow, snapshot::Snapshots},
    },
    revision::{
        ReferenceData, Revision, Revisions, View,
        committer::{Committer, Done, Effect, Followed, Write},
        idempotency,
        lease::SETTLED,
        receipt::{Counts, ItemResult, Outcome, Receipt},
        unit_of_work::CommitBuffer,
    },
    slots::Slots,
    unit::{self, forest::Forest},
};

/// Items in one batch, at most.
pub const MOST_ITEMS: usize = 10_000;
/// Cells in one snapshot, at most.
pub const MOST_CELLS: usize = 2_000;

/// What is too large or too long for this hub.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest request message, in bytes.
    pub message_bytes: usize,
    /// Calls that are worked on at the same time.
    pub in_flight: usize,
    /// The longest a call may take.
    pub longest: Duration,
    /// Watches that may be open, in all.
    pub watches: usize,
    /// Watches that one system may have open.
    pub watches_each: usize,
    /// How long a caller may leave a message of its watch untaken; after twice as long its connection is cut.
    pub slow: Duration,
    /// Bytes of snapshots' cells that are kept in memory.
    pub kept_cells: usize,
    /// Connections at the same time, in all.
    pub connections: usize,
    /// Connections by which one system may call.
    pub connections_each: usize,
    /// How long a connection may stay.
    pub connection_age: Duration,
    /// How long a connection may stay without a call on it.
    pub connection_idle: Duration,
    /// How long calls without personal data are answered while the audit log cannot be written.
    pub audit_grace: Duration,
}

/// Loads and exports that may be open, in all, and for one system.
const LOADS: (usize, usize) = (64, 8);

impl Default for Limits {
    fn default() -> Self {
        let longest = Duration::from_secs(10);
        Self {
            message_bytes: 4 * 1024 * 1024,
            in_flight: 512,
            longest,
            watches: 2_000,
            watches_each: 200,
            slow: Duration::from_secs(30),
            kept_cells: 64 << 20,
            connections: 2_000,
            connections_each: 128,
            connection_age: Duration::from_secs(3_600),
            connection_idle: Duration::from_secs(300),
            audit_grace: Duration::from_secs(900),
        }
    }
}

/// A running hub: a store, its revisions, and the books that are kept in memory.
#[derive(Debug)]
pub struct Hub {
    /// The store.
    pub db: Db,
    /// The revisions.
    pub revisions: Revisions,
    /// What is too large or too long.
    pub limits: Limits,
    /// Look-ups of dossiers by code, at the newest revision.
    pub dossiers: Batcher<String, FoundDossier>,
    /// What the newest revisions made.
    pub feed: Arc<Tail>,
    /// Cells of snapshots, at the newest revision.
    pub snapshots: Snapshots,
    /// Places for watches.
    pub watches: Arc<Slots>,
    /// Places for loads and exports.
    pub loads: Arc<Slots>,
    /// Places for the connections of systems.
    pub connections: Arc<Slots>,
    /// Who was not accepted as a system.
    pub refusals: Arc<Refusals>,
    /// The issuer whose tokens are accepted.
    pub tokens: Arc<Tokens>,
    /// When keys were used last.
    pub uses: LastUsed,
    /// Is cancelled when the hub is to stop: open streams then end.
    pub stopping: CancellationToken,
    /// The audit log.
    pub audit: Arc<Audit>,
    committer: Committer,
    units: VersionedCache<Forest>,
    definitions: VersionedCache<Definitions>,
    catalogues: VersionedCache<Catalogue>,
    directories: VersionedCache<Directory>,
    scopes: permit::Scopes,
    /// Counts calls for the limits of agreements.
    meter: access::store::limits::Meter,
}

/// How a batch was asked for.
#[derive(Clone, Debug)]
pub struct BatchOptions {
    /// The caller's id of the request.
    pub request_id: Option<String>,
    /// What was asked, checked or kept alike: the same id with another fingerprint is refused.
    pub fingerprint: [u8; 32],
    /// Good items are kept beside bad ones; without it one bad item refuses all.
    pub allow_partial: bool,
    /// It is only checked; nothing is kept.
    pub validate_only: bool,
    /// Name of the list that holds the items, for the paths of bad fields.
    pub list: &'static str,
}

impl BatchOptions {
    /// For what the hub writes of its own accord, a single thing.
    pub fn internal(list: &'static str) -> Self {
        Self::whole(None, [0; 32], false, list)
    }

    /// For a request that is kept as a whole or not at all.
    pub fn whole(
        request_id: Option<String>,
        fingerprint: [u8; 32],
        validate_only: bool,
        list: &'static str,
    ) -> Self {
        Self { request_id, fingerprint, allow_partial: false, validate_only, list }
    }
}

/// What a batch did: a result or a refusal for each item, and the books it touched, by their bits.
#[derive(Debug)]
pub struct BatchOutcome {
    /// One for each item.
    pub items: Vec<Result<ItemResult>>,
    /// The books that it touched, and what it made versions of, if it changed anything.
    pub touched: i32,
}

impl Hub {
    /// Starts on a store, with the key of its audit log. The task ends when the hub is dropped, after its last commit and its
    /// last record.
    pub async fn start(db: Db, limits: Limits, key: Key) -> Result<(Arc<Self>, JoinHandle<()>)> {
        let (audit, writer) = Audit::start(db.clone(), key, limits.audit_grace).await?;
        let (committer, followed, task) = Committer::start(db.clone(), Arc::clone(&audit)).await?;
        let Followed { head, lease, reread } = followed;
        let task = tokio::spawn(async move {
            drop(tokio::join!(task, writer));
        });
        let revisions = Revisions::new(db.clone(), head, lease, reread);
        let reader = (db.clone(), revisions.clone());
        let dossiers = Batcher::start(MANY, move |codes| {
            let (db, revisions) = reader.clone();
            // Picked after the look-ups came in, so that each sees what was committed before it was made.
            async move {
                let view = revisions.latest();
                dossier::store::find_all(&db.at(&view), view, codes).await
            }
        });
        let watches = Slots::new(limits.watches, limits.watches_each);
        let feed = Tail::start(db.clone(), revisions.follow(), Arc::clone(&watches));
        let kept = Arc::new(Cells::new(revisions.head().newest.number, limits.kept_cells));
        tokio::spawn(follow::follow(db.clone(), revisions.follow(), Arc::clone(&kept)));
        let meter = access::store::limits::Meter::start(db.clone());
        let hub = Arc::new_cyclic(|hub| Self {
            snapshots: Snapshots::start(Weak::clone(hub), kept, encoded::encode),
            db,
            revisions,
            limits,
            dossiers,
            feed,
            watches,
            loads: Slots::new(LOADS.0, LOADS.1),
            connections: Slots::connections(limits.connections_each),
            refusals: Refusals::new(&audit),
            tokens: Arc::default(),
            uses: LastUsed::default(),
            stopping: CancellationToken::new(),
            audit,
            committer,
            units: VersionedCache::default(),
            definitions: VersionedCache::default(),
            catalogues: VersionedCache::default(),
            directories: VersionedCache::default(),
            scopes: permit::Scopes::default(),
            meter,
        });
        Ok((hub, task))
    }

    /// Durable commits since the start.
    pub fn commits(&self) -> u64 {
        self.committer.commits()
    }

    // === books ===

    /// The units, as they stood at a view.
    pub async fn forest(&self, view: &View) -> Result<Arc<Forest>> {
        let at = view.book(ReferenceData::Units);
        self.units.at(at, unit::store::load(&self.db.at(view), at)).await
    }

    /// The units, as a write sees them.
    pub async fn forest_in(&self, write: &Write) -> Result<Arc<Forest>> {
        let at = write.head.book(ReferenceData::Units);
        let load = unit::store::load(&write.db, at);
        if write.is_committed(ReferenceData::Units) {
            return self.units.at(at, load).await;
        }
        Ok(Arc::new(load.await?))
    }

    /// The definitions, as they stood at a view.
    pub async fn definitions(&self, view: &View) -> Result<Arc<Definitions>> {
        let at = view.book(ReferenceData::Indicators);
        self.definitions.at(at, indicator::store::load(&self.db.at(view), at)).await
    }

    /// The definitions, as a write sees them.
    pub async fn definitions_in(&self, write: &Write) -> Result<Arc<Definitions>> {
        let at = write.head.book(ReferenceData::Indicators);
        let load = indicator::store::load(&write.db, at);
        if write.is_committed(ReferenceData::Indicators) {
            return self.definitions.at(at, load).await;
        }
        Ok(Arc::new(load.await?))
    }

    /// The procedures, as they stood at a view.
    pub async fn catalogue(&self, view: &View) -> Result<Arc<Catalogue>> {
        let at = view.book(ReferenceData::Procedures);
        self.catalogues.at(at, dossier::store::load(&self.db.at(view), at)).await
    }

    /// The procedures, as a write sees them.
    pub async fn catalogue_in(&self, write: &Write) -> Result<Arc<Catalogue>> {
        let at = write.head.book(ReferenceData::Procedures);
        let load = dossier::store::load(&write.db, at);
        if write.is_committed(ReferenceData::Procedures) {
            return self.catalogues.at(at, load).await;
        }
        Ok(Arc::new(load.await?))
    }

    /// Systems, keys and agreements, as they stood at a view.
    pub async fn directory(&self, view: &View) -> Result<Arc<Directory>> {
        let at = view.book(ReferenceData::Access);
        self.directories.at(at, access::store::load(&self.db.at(view), at)).await
    }

    /// Systems, keys and agreements, as a write sees them.
    pub async fn directory_in(&self, write: &Write) -> Result<Arc<Directory>> {
        let at = write.head.book(ReferenceData::Access);
        let load = access::store::load(&write.db, at);
        if write.is_committed(ReferenceData::Access) {
            return self.directories.at(at, load).await;
        }
        Ok(Arc::new(load.await?))
    }

    // === writes ===

    /// Writes a batch, in one revision, for the caller as it stands then. A request that was answered before gets the first answer; the answer is kept in
    /// the transaction of the effect, so that a retry after a lost reply finds it or finds nothing done.
    pub async fn write_batch<W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        work: W,
    ) -> Result<Receipt>
    where
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<BatchOutcome>> + Send,
    {
        self.write_ahead(caller, ask, |_| {}, work).await
    }

    /// The same, for a batch that says ahead what it will look for: it is then looked up with what others look for. It need
    /// not be right.
    pub async fn write_ahead<A, W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        ahead: A,
        work: W,
    ) -> Result<Receipt>
    where
        A: Fn(&mut CommitBuffer) + Send + 'static,
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<BatchOutcome>> + Send,
    {
        let (hub, by) = (Arc::clone(self), caller.clone());
        let system_id = caller.system_id;
        let request_id = ask.request_id.clone();
        let ahead = move |buffer: &mut CommitBuffer| {
            if let Some(id) = &request_id {
                idempotency::want_answer(buffer, system_id, id);
            }
            ahead(buffer);
        };
        let write = move |write| answer(hub, write, by, ask, work);
        let receipt = self.committer.write(caller, ahead, write).await?;
        if !receipt.replayed && !receipt.validated_only {
            caller.trail.wrote(receipt.counts());
        }
        Ok(Receipt { checkpoint: self.audit.checkpoint(), ..receipt })
    }

    /// Writes one thing that touches one book, as a batch of one: all or nothing. What may take a right away is answered when
    /// no hub decides by what was before.
    pub async fn write_one<W, F>(
        self: &Arc<Self>,
        caller: &Caller,
        ask: BatchOptions,
        book: ReferenceData,
        work: W,
    ) -> Result<Receipt>
    where
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<ItemResult>> + Send,
    {
        let batch = async move |hub: Arc<Self>, write: Arc<Write>, by: Caller| {
            // A refusal refuses the call: there is nothing else in it.
            let item = work(hub, write, by).await?;
            Ok(BatchOutcome { items: vec![Ok(item)], touched: book.bit() })
        };
        let receipt = self.write_batch(caller, ask, batch).await?;
        let is_new = receipt.results.iter().all(|it| it.outcome == Outcome::Created);
        // Also when nothing was changed: the first answer to the same may have been lost. The hub itself promises it to nobody.
        if book == ReferenceData::Access
            && !is_new
            && !receipt.validated_only
            && caller.system_id != 0
        {
            time::sleep(SETTLED).await;
        }
        Ok(receipt)
    }

    /// Writes something whose answer is not a receipt, and is not kept.
    pub async fn write_once<T, W, F>(self: &Arc<Self>, caller: &Caller, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnOnce(Arc<Self>, Arc<Write>, Caller) -> F + Clone + Send + 'static,
        F: Future<Output = Result<Done<T>>> + Send,
    {
        let (hub, by) = (Arc::clone(self), caller.clone());
        let write = async move |write: Arc<Write>| {
            let by = hub.again_in(&write, &by).await?;
            work(hub, write, by).await
        };
        self.committer.write(caller, |_| {}, write).await
    }
}

impl Hub {
    /// Issues a key straight in the store, for the program's own commands.
    pub async fn issue_key(
        self: &Arc<Self>,
        issue: Issue,
    ) -> Result<(String, access::Key, Revision)> {
        let caller = Caller::hub("hub/IssueKey", self.limits.longest);
        let work = async move |hub: Arc<Self>, write: Arc<Write>, _| {
            access::store::issue(&hub, &write, issue).await
        };
        self.write_once(&caller, work).await
    }
}

async fn answer<W, F>(
    hub: Arc<Hub>,
    write: Arc<Write>,
    by: Caller,
    ask: BatchOptions,
    work: W,
) -> Result<Done<Receipt>>
where
    W: FnOnce(Arc<Hub>, Arc<Write>, Caller) -> F,
    F: Future<Output = Result<BatchOutcome>>,
{
    let BatchOptions { request_id, fingerprint, allow_partial, validate_only, list } = ask;
    // As the caller stands at this write: a right that was taken away before it is not used in it.
    let by = hub.again_in(&write, &by).await?;
    let system_id = by.system_id;
    // It is kept, and what it was made of may be personal.
    let fingerprint = hub.db.vault().keyed(fingerprint);
    if let Some(id) = &request_id
        && let Some((first, receipt)) = idempotency::answered(&write, system_id, id).await?
    {
        if first != fingerprint {
            let what = format!("the request_id `{id}` was used for another request");
            return Err(Error::new(Reason::RequestIdReused, what).at("request_id"));
        }
        return Ok(Done {
            answer: Receipt { validated_only: validate_only, ..receipt },
            effect: Effect::None,
        });
    }
    let BatchOutcome { items, touched } = work(hub, Arc::clone(&write), by).await?;
    let mut results = Vec::with_capacity(items.len());
    let mut refused = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Ok(result) => results.push(result),
            Err(err) if allow_partial => results.push(ItemResult::refused(&err)),
            Err(err) => refused.push((index, err)),
        }
    }
    if !refused.is_empty() {
        return Err(Error::batch(refused, list));
    }
    if validate_only {
        return Ok(Done {
            answer: Receipt::tried(write.head.newest, results),
            effect: Effect::Tried,
        });
    }
    let counts = Counts::of(results.iter().map(|it| it.outcome));
    let (changes, rejected) = (counts.changes(), counts.rejected);
    let changed = changes > 0;
    let revision: Revision = if changed { write.revision } else { write.head.newest };
    let checkpoint = Arc::default();
    let receipt = Receipt { revision, results, replayed: false, validated_only: false, checkpoint };
    let mut effect = match changed {
        true => {
            let items = i32::try_from(changes).unwrap_or(i32::MAX);
            Effect::Revision { touched, items, rejected }
        }
        false => Effect::None,
    };
    if let Some(id) = request_id {
        // By the time it was answered, not by that of a revision it may only have found.
        let at = write.revision.at;
        idempotency::keep_answer(&write, system_id, id, fingerprint, &receipt, at).await?;
        if effect == Effect::None {
            effect = Effect::Kept { rejected };
        }
    }
    Ok(Done { answer: receipt, effect })
}
