//! Withdraws observations and targets: what stands under a key is superseded by a tombstone.
use std::{collections::HashSet, marker::PhantomData, sync::Arc};

use super::{
    keep::Tombstone,
    publish::{Checks, ahead},
    version_buffer::{Key, Version, VersionBuffer, want},
};
use crate::{
    caller::Caller,
    error::{Error, Result},
    hub::{BatchOptions, BatchOutcome, Hub, WriteOp},
    indicator::{
        CellKey,
        row::{observation, target},
    },
    outcome::Outcome,
    revision::{
        receipt::{ItemResult, Receipt},
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
    withdraw::<observation::Model>(hub, caller, ask, withdrawal).await
}

/// Withdraws targets, likewise.
pub async fn targets(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    withdrawal: Withdrawal<CellKey>,
) -> Result<Receipt> {
    withdraw::<target::Model>(hub, caller, ask, withdrawal).await
}

async fn withdraw<V: Version>(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    withdrawal: Withdrawal<CellKey>,
) -> Result<Receipt> {
    let named = withdrawal.keys.iter().map(|it| it.as_ref().ok());
    let keys = ahead(hub, caller, named).await?;
    hub.write_batch(caller, ask, WithdrawCells { keys, withdrawal, of: PhantomData::<V> }).await
}

/// Withdraws what stands under keys, of the versions `V`; `keys` are those that it names ahead.
#[derive(Clone)]
struct WithdrawCells<V> {
    keys: Vec<Key>,
    withdrawal: Withdrawal<CellKey>,
    of: PhantomData<V>,
}

impl<V: Version> WriteOp for WithdrawCells<V> {
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        want::<V>(buffer, &self.keys);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let Withdrawal { keys, reason } = self.withdrawal;
        let checks = Checks::open(hub, write, by).await?;
        let keys = keys.into_iter().map(|it| checks.key(it?)).collect();
        take::<V>(write, keys, &Tombstone { at: write.revision, by: by.system_id, reason }).await
    }
}

impl Checks<'_> {
    /// The key that is meant, if the caller may publish it; and how it is called. A unit that does not stand in the
    /// period by now may have stood when the value was published.
    fn key(&self, key: CellKey) -> Result<(Key, String)> {
        let CellKey { indicator, unit, period, breakdown } = key;
        let definition = self.definition(&indicator)?;
        let period = definition.meaning.canonical(period);
        let ends = definition.meaning.range(period).to;
        let unit = self.forest.resolve(&unit, ends, "unit")?;
        self.must_cover(unit.id, &unit.name, ends)?;
        let name = format!("{} {} {period} {breakdown}", indicator.as_str(), unit.name);
        let (indicator_id, unit_id) = (definition.id, unit.id);
        let breakdown = breakdown.to_string();
        Ok((Key { indicator_id, unit_id, period, breakdown }, name.trim_end().to_owned()))
    }
}

async fn take<V: Version>(
    write: &Write,
    keys: Vec<Result<(Key, String)>>,
    tombstone: &Tombstone,
) -> Result<BatchOutcome> {
    let mut buffer = write.buffer().await;
    let versions = buffer.buffered::<VersionBuffer<V>>();
    versions.read(write.before(), keys.iter().flatten().map(|(it, _)| it.clone())).await?;
    versions.read_withdrawn(write.before(), keys.iter().flatten().map(|(it, _)| it)).await?;
    let (mut taken, mut rows) = (HashSet::new(), Vec::new());
    let mut take = |(key, name): (Key, String)| {
        let outcome = match versions.standing(&key) {
            _ if taken.contains(&key) => Outcome::Unchanged,
            Some(row) => {
                rows.push(row.withdrawn(tombstone));
                taken.insert(key);
                Outcome::Corrected
            }
            None if versions.is_withdrawn(&key) => Outcome::Unchanged,
            None => return Err(Error::not_found(V::NAME, name)),
        };
        Ok(ItemResult::new(outcome, 0))
    };
    let items = keys.into_iter().map(|it| it.and_then(&mut take)).collect();
    versions.make(rows);
    Ok(BatchOutcome::new(items, V::MADE))
}
