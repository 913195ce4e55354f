//! Withdraws observations and targets: a tombstone supersedes the version under a key.
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{
    contribution::Contribution,
    keep::Tombstone,
    publish::{Checks, KeysAhead, ahead},
    version_buffer::{Key, Version, VersionBuffer, want},
};
use crate::{
    caller::Caller,
    error::{Error, Result},
    hub::{BatchOptions, BatchOutcome, Hub, WriteOp},
    indicator::{
        CellKey, Code, Definition,
        row::{observation, target},
    },
    outcome::Outcome,
    revision::{
        receipt::{ItemResult, Receipt},
        touched::TouchedSet,
        unit_of_work::CommitBuffer,
        withdrawal::Withdrawal,
        write::Write,
    },
};

/// Withdraws observations, in a commit with what others write.
pub async fn observations(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    withdrawal: Withdrawal<CellKey>,
) -> Result<Receipt> {
    let named = withdrawal.keys.iter().map(|it| it.as_ref().ok());
    let keys = ahead(hub, caller, named).await?;
    hub.write_batch(caller, ask, WithdrawObservations { keys, withdrawal }).await
}

/// Withdraws targets, in a commit with what others write.
pub async fn targets(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    withdrawal: Withdrawal<CellKey>,
) -> Result<Receipt> {
    let named = withdrawal.keys.iter().map(|it| it.as_ref().ok());
    let keys = ahead(hub, caller, named).await?.own;
    hub.write_batch(caller, ask, WithdrawTargets { keys, withdrawal }).await
}

/// Withdraws what stands under keys: what the caller contributed and, where it is the authoritative source, the
/// observation. `keys` are those that it names ahead.
#[derive(Clone)]
struct WithdrawObservations {
    keys: KeysAhead,
    withdrawal: Withdrawal<CellKey>,
}

impl WriteOp for WithdrawObservations {
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        self.keys.want(buffer);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let Withdrawal { keys, reason } = self.withdrawal;
        let checks = Checks::open(hub, write, by).await?;
        let keys = keys.into_iter().map(|it| checks.key(it?, Checks::of_any_source));
        let keys: Vec<Result<NamedKey>> = keys.collect();
        let tombstone = Tombstone { at: write.revision, by: by.system_id, reason };
        let own = named(&keys).filter(|(_, it)| it.is_source).map(|(i, it)| (i, it.key.clone()));
        let own = take::<observation::Model>(write, own.collect(), &tombstone).await?;
        let beside = |it: &NamedKey| Contribution::key_of(it.key.clone(), by.system_id);
        let beside = named(&keys).map(|(i, it)| (i, beside(it)));
        let beside = take::<Contribution>(write, beside.collect(), &tombstone).await?;
        Ok(outcome::<observation::Model>(keys, &[own, beside]))
    }
}

/// Withdraws the targets that stand under keys; `keys` are those that it names ahead.
#[derive(Clone)]
struct WithdrawTargets {
    keys: Vec<Key>,
    withdrawal: Withdrawal<CellKey>,
}

impl WriteOp for WithdrawTargets {
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        want::<target::Model>(buffer, &self.keys);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let Withdrawal { keys, reason } = self.withdrawal;
        let checks = Checks::open(hub, write, by).await?;
        let keys = keys.into_iter().map(|it| checks.key(it?, Checks::definition));
        let keys: Vec<Result<NamedKey>> = keys.collect();
        let tombstone = Tombstone { at: write.revision, by: by.system_id, reason };
        let meant = named(&keys).map(|(index, it)| (index, it.key.clone()));
        let taken = take::<target::Model>(write, meant.collect(), &tombstone).await?;
        Ok(outcome::<target::Model>(keys, &[taken]))
    }
}

/// A key that is meant, and how it is called.
struct NamedKey {
    key: Key,
    name: String,
    /// Whether the caller is the authoritative source.
    is_source: bool,
}

/// The keys that were not refused, each with its place in the batch.
fn named(keys: &[Result<NamedKey>]) -> impl Iterator<Item = (usize, &NamedKey)> {
    keys.iter().enumerate().filter_map(|(index, it)| Some((index, it.as_ref().ok()?)))
}

impl Checks<'_> {
    /// The key that is meant, if the caller may publish it. A unit that does not stand in the period by now may have
    /// stood when the value was published.
    fn key(
        &self,
        key: CellKey,
        find: impl Fn(&Self, &Code) -> Result<Arc<Definition>>,
    ) -> Result<NamedKey> {
        let CellKey { indicator, unit, period, breakdown } = key;
        let definition = find(self, &indicator)?;
        let period = definition.meaning.canonical(period);
        let ends = definition.meaning.range(period).to;
        let unit = self.forest.resolve(&unit, ends, "unit")?;
        self.must_cover(unit.id, &unit.name, ends)?;
        let name = format!("{} {} {period} {breakdown}", indicator.as_str(), unit.name);
        let (indicator_id, unit_id) = (definition.id, unit.id);
        let breakdown = breakdown.to_string();
        let key = Key { indicator_id, unit_id, period, breakdown, source_id: None };
        let (name, is_source) = (name.trim_end().to_owned(), self.is_source(&definition));
        Ok(NamedKey { key, name, is_source })
    }
}

/// What became of keys, by their places in the batch, and what it touched.
struct Taken {
    items: HashMap<usize, Outcome>,
    touched: TouchedSet,
}

/// Withdraws what stands under keys; nothing is said of those under which nothing ever stood.
async fn take<V: Version>(
    write: &Write,
    keys: Vec<(usize, Key)>,
    tombstone: &Tombstone,
) -> Result<Taken> {
    let mut buffer = write.buffer().await;
    let versions = buffer.buffered::<VersionBuffer<V>>();
    versions.read(write.before(), keys.iter().map(|(_, it)| it.clone())).await?;
    versions.read_withdrawn(write.before(), keys.iter().map(|(_, it)| it)).await?;
    let (mut taken, mut rows, mut items) = (HashSet::new(), Vec::new(), HashMap::new());
    for (index, key) in keys {
        let outcome = match versions.standing(&key) {
            _ if taken.contains(&key) => Outcome::Unchanged,
            Some(row) => {
                rows.push(row.withdrawn(tombstone));
                taken.insert(key);
                Outcome::Corrected
            }
            None if versions.is_withdrawn(&key) => Outcome::Unchanged,
            None => continue,
        };
        items.insert(index, outcome);
    }
    let touched = if rows.is_empty() { TouchedSet::NOTHING } else { V::MADE };
    versions.make(rows);
    Ok(Taken { items, touched })
}

/// An item is withdrawn where something of it was, and unchanged where all of it was before.
fn outcome<V: Version>(keys: Vec<Result<NamedKey>>, taken: &[Taken]) -> BatchOutcome {
    let items = keys.into_iter().enumerate().map(|(index, key)| {
        let NamedKey { key: _, name, is_source: _ } = key?;
        let mut outcomes = taken.iter().filter_map(|it| it.items.get(&index).copied());
        let Some(first) = outcomes.next() else { return Err(Error::not_found(V::NAME, name)) };
        let is_new = first == Outcome::Corrected || outcomes.any(|it| it == Outcome::Corrected);
        let outcome = if is_new { Outcome::Corrected } else { Outcome::Unchanged };
        Ok(ItemResult::new(outcome, 0))
    });
    let touched = taken.iter().fold(TouchedSet::NOTHING, |all, it| all | it.touched);
    BatchOutcome::new(items.collect(), touched)
}
