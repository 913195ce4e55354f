//! The version buffer: observations, contributions or targets that stand during a commit, and the versions that its
//! writes add.
use std::collections::{HashMap, HashSet};

use futures_util::{FutureExt, future::BoxFuture};
use sea_orm::{ConnectionTrait, DatabaseTransaction, FromQueryResult, Value};

use super::keep::Tombstone;
use crate::{
    db::bulk::{self, Keys},
    error::Result,
    indicator::{CellKey, Definition},
    period::Period,
    revision::touched::TouchedSet,
    revision::unit_of_work::{Buffered, CommitBuffer},
    unit::forest::Forest,
};

/// What versions share, of which one stands.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) indicator_id: i64,
    pub(super) unit_id: i64,
    pub(super) period: Period,
    pub(super) breakdown: String,
    /// Of what sources contribute, each has its own; none of what is the authoritative source's.
    pub(super) source_id: Option<i64>,
}

impl Key {
    /// The key of a cell, where its unit can be found.
    pub(super) fn of(definition: &Definition, forest: &Forest, cell: &CellKey) -> Option<Self> {
        let CellKey { indicator: _, unit, period, breakdown } = cell;
        let period = definition.meaning.canonical(*period);
        let unit = forest.resolve(unit, definition.meaning.range(period).to, "unit").ok()?;
        let breakdown = breakdown.to_string();
        let (indicator_id, unit_id) = (definition.id, unit.id);
        Some(Self { indicator_id, unit_id, period, breakdown, source_id: None })
    }
}

/// What observations, contributions and targets have in common: versions under a key, of which one stands.
pub(super) trait Version: FromQueryResult + Clone + Send + Sync + 'static {
    /// What one is called.
    const NAME: &'static str;
    /// The list of a request that holds such items.
    const LIST: &'static str;
    /// What a revision touches that makes versions of this kind.
    const MADE: TouchedSet;
    /// The table.
    const TABLE: &'static str;
    /// Columns by which what stands is found. The period's end is not one of them: another version of the definition
    /// may end it on another day.
    const STANDS: &'static [&'static str];
    /// Columns that name one version.
    const NAMES: &'static [&'static str];

    /// Its key.
    fn key(&self) -> Key;

    /// The key of a cell as a source has it among versions of this kind.
    fn key_of(cell: Key, _source_id: i64) -> Key {
        cell
    }

    /// The system that published it.
    fn source_id(&self) -> i64;

    /// A key's values in the columns by which what stands is found.
    fn stands(key: &Key) -> Vec<Value>;

    /// Its values in the columns that name it.
    fn names(&self) -> Vec<Value>;

    /// Whether two versions say the same. When and why they were published is not what they say: sending a value again
    /// does not make it a new one. Under another version of the definition the same number says another thing.
    fn says_the_same(&self, other: &Self) -> bool;

    /// The revision that made it.
    fn made_at(&self) -> i64;

    /// Whether it is a tombstone.
    fn is_withdrawal(&self) -> bool;

    /// The tombstone that withdraws it.
    fn withdrawn(&self, tombstone: &Tombstone) -> Self;

    /// A later revision supersedes it.
    fn supersede(&mut self, revision: i64);

    /// Adds new ones to the table.
    fn add(db: &DatabaseTransaction, rows: Vec<Self>) -> impl Future<Output = Result<()>> + Send;
}

/// Where what stands is found.
enum Origin<V> {
    /// In the table, as it was read.
    Kept(V),
    /// Among those that are to be added.
    New(usize),
}

/// Versions of one kind.
pub(super) struct VersionBuffer<V> {
    wanted: HashSet<Key>,
    /// What stands after the writes so far, where it is known; none where nothing does.
    standing: HashMap<Key, Option<Origin<V>>>,
    /// What the write that runs makes, each under another key.
    drafts: Vec<V>,
    /// Versions in the table that are superseded, by their names and the revision that did it.
    ended: Vec<Vec<Value>>,
    added: Vec<V>,
    /// Keys under which nothing stands because it was withdrawn, where that is known.
    withdrawn: HashSet<Key>,
}

/// Keys of which it is remembered beyond a flush what stands, at most.
const REMEMBERED: usize = 10_000;

impl<V> Default for VersionBuffer<V> {
    fn default() -> Self {
        Self {
            wanted: HashSet::new(),
            standing: HashMap::new(),
            drafts: Vec::new(),
            ended: Vec::new(),
            added: Vec::new(),
            withdrawn: HashSet::new(),
        }
    }
}

/// Says ahead that it will be looked for what stands under these keys.
pub(super) fn want<V: Version>(buffer: &mut CommitBuffer, keys: &[Key]) {
    buffer.buffered::<VersionBuffer<V>>().wanted.extend(keys.iter().cloned());
}

impl<V: Version> VersionBuffer<V> {
    /// Finds out what stands under these keys.
    pub(super) async fn read(
        &mut self,
        db: &impl ConnectionTrait,
        keys: impl Iterator<Item = Key>,
    ) -> Result<()> {
        let unknown: HashSet<_> = keys.filter(|it| !self.standing.contains_key(it)).collect();
        let wanted = Keys::new(db, V::STANDS, unknown.iter().map(V::stands))?;
        let found: Vec<V> = wanted.standing(db, V::TABLE).await?;
        self.standing.extend(unknown.into_iter().map(|it| (it, None)));
        self.standing.extend(found.into_iter().map(|it| (it.key(), Some(Origin::Kept(it)))));
        Ok(())
    }

    /// What stands under a key that was read.
    pub(super) fn standing(&self, key: &Key) -> Option<&V> {
        match self.standing.get(key)?.as_ref()? {
            Origin::Kept(it) => Some(it),
            Origin::New(place) => self.added.get(*place),
        }
    }

    /// Finds out which of these keys, that were read, were withdrawn.
    pub(super) async fn read_withdrawn<'a>(
        &mut self,
        db: &impl ConnectionTrait,
        keys: impl Iterator<Item = &'a Key>,
    ) -> Result<()> {
        let gone: HashSet<_> = keys.filter(|it| self.standing(it).is_none()).collect();
        let wanted = Keys::new(db, V::STANDS, gone.into_iter().map(V::stands))?;
        let found: Vec<V> = wanted.withdrawn(db, V::TABLE).await?;
        self.withdrawn.extend(found.iter().map(Version::key));
        Ok(())
    }

    /// Whether nothing stands under a key because it was withdrawn.
    pub(super) fn is_withdrawn(&self, key: &Key) -> bool {
        self.withdrawn.contains(key)
    }

    /// What the write that runs makes: it supersedes what stands under its key.
    pub(super) fn make(&mut self, drafts: Vec<V>) {
        self.drafts.extend(drafts);
    }
}

impl<V: Version> Buffered for VersionBuffer<V> {
    fn look_up<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        let wanted = std::mem::take(&mut self.wanted);
        async move { self.read(db, wanted.into_iter()).await }.boxed()
    }

    fn settle(&mut self, is_kept: bool) {
        let drafts = std::mem::take(&mut self.drafts);
        for row in drafts.into_iter().filter(|_| is_kept) {
            let key = row.key();
            let stands = match row.is_withdrawal() {
                true => {
                    self.withdrawn.insert(key.clone());
                    None
                }
                false => Some(Origin::New(self.added.len())),
            };
            match self.standing.insert(key, stands).flatten() {
                Some(Origin::Kept(old)) => {
                    let mut names = old.names();
                    names.push(row.made_at().into());
                    self.ended.push(names);
                }
                Some(Origin::New(place)) => {
                    if let Some(old) = self.added.get_mut(place) {
                        old.supersede(row.made_at());
                    }
                }
                None => {}
            }
            self.added.push(row);
        }
    }

    fn flush<'a>(&'a mut self, db: &'a DatabaseTransaction) -> BoxFuture<'a, Result<()>> {
        let (ended, added) = (std::mem::take(&mut self.ended), std::mem::take(&mut self.added));
        match self.standing.len() > REMEMBERED {
            true => {
                self.standing.clear();
                self.withdrawn.clear();
            }
            false => self.standing.retain(|_, it| !matches!(it, Some(Origin::New(_)))),
        }
        async move {
            bulk::end(db, V::TABLE, V::NAMES, ended).await?;
            V::add(db, added).await
        }
        .boxed()
    }

    fn waiting(&self) -> usize {
        self.ended.len() + self.added.len()
    }
}
