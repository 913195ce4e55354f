//! Queries about changes and consumers.
use std::{cmp::Reverse, collections::HashSet, sync::Arc};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, OnConflict},
};

use super::{Acknowledge, ListConsumers, Stage, Thing, position, row::consumer, tail::Entry};
use crate::{
    caller::{Caller, directory::Directory},
    dossier,
    dossier::catalogue::Catalogue,
    error::Result,
    hub::{Hub, WriteOp},
    indicator::{self, Definition},
    page::Paged,
    revision::touched::TouchedSet,
    revision::{
        Consistency, Revision, Stretch, store,
        write::{Done, Effect, Write},
    },
    time::Timestamp,
    unit,
    unit::forest::Forest,
};

/// Most items read at once: a larger revision is read in pieces.
pub const MOST: u32 = 2_000;
/// Revisions read by one query.
const LINES: u64 = 500;
/// Things in a piece.
pub const PIECE: u64 = 1_000;

/// Reads the changes of the revisions after one, each whole, up to about [`MOST`] items. A larger revision comes
/// without its things, and last.
pub async fn entries(
    db: &impl ConnectionTrait,
    after: i64,
    through: i64,
) -> Result<Vec<Arc<Entry>>> {
    let (mut lines, mut count, mut touched) = (Vec::new(), 0_u32, TouchedSet::NOTHING);
    let mut large = None;
    for line in store::lines(db, after, LINES).await? {
        if line.revision.number > through {
            break;
        }
        match line.items.filter(|it| *it <= MOST) {
            None => {
                large = Some(line);
                break;
            }
            Some(items) if count + items > MOST => break,
            Some(items) => {
                count += items;
                touched |= line.touched;
                lines.push(line);
            }
        }
    }
    let mut made = Vec::new();
    if let (Some(first), Some(last)) = (lines.first(), lines.last()) {
        let (after, through) = (first.revision.number - 1, last.revision.number);
        let stretch = Stretch { after, through, key: None, limit: u64::MAX >> 1 };
        for stage in Stage::ALL.into_iter().filter(|it| touched.meets(it.touched())) {
            made.extend(things(db, stage, &stretch).await?);
        }
        // Stages stay in their order within a revision.
        made.sort_by_key(Thing::revision);
    }
    let mut made = made.into_iter().peekable();
    let mut entries: Vec<_> = lines
        .into_iter()
        .map(|line| {
            let mut things = Vec::new();
            while let Some(it) = made.next_if(|it| it.revision() == line.revision.number) {
                things.push(it);
            }
            Arc::new(Entry { line, things: Some(things) })
        })
        .collect();
    entries.extend(large.map(|line| Arc::new(Entry { line, things: None })));
    Ok(entries)
}

/// The things of one stage that a stretch of revisions made.
pub async fn things(
    db: &impl ConnectionTrait,
    stage: Stage,
    stretch: &Stretch,
) -> Result<Vec<Thing>> {
    use indicator::store::changes;
    Ok(match stage {
        Stage::Units => {
            unit::store::made(db, stretch).await?.into_iter().map(Thing::Unit).collect()
        }
        Stage::Definitions => told(changes::definitions(db, stretch).await?),
        Stage::Procedures => {
            let procedures = dossier::store::changes::made_procedures(db, stretch).await?;
            procedures.into_iter().map(Thing::Procedure).collect()
        }
        Stage::Observations => told(changes::made_observations(db, stretch).await?),
        Stage::Targets => told(changes::made_targets(db, stretch).await?),
        Stage::Dossiers => {
            let dossiers = dossier::store::changes::dossiers(db, stretch).await?;
            dossiers.into_iter().map(|it| Thing::Dossier(Arc::new(it))).collect()
        }
    })
}

fn told(made: Vec<indicator::store::changes::IndicatorChange>) -> Vec<Thing> {
    made.into_iter().map(Thing::Indicator).collect()
}

/// A question for a piece of the state.
#[derive(Debug)]
pub struct State<'a> {
    /// The caller.
    pub caller: &'a Caller,
    /// The indicators.
    pub definitions: &'a [Arc<Definition>],
    /// The units of observations and targets; all where there are none.
    pub units: Option<&'a HashSet<i64>>,
    /// The revision.
    pub view: &'a crate::revision::View,
    /// After this key.
    pub after: &'a str,
}

/// A piece of one stage of the state at a revision, with the key of each thing; shorter than [`PIECE`] at its end.
pub async fn state(hub: &Hub, stage: Stage, state: &State<'_>) -> Result<Vec<(String, Thing)>> {
    use indicator::store::changes;
    let &State { caller, definitions, units, view, after } = state;
    let most = usize::try_from(PIECE).unwrap_or(usize::MAX);
    let asked = changes::State { definitions, units, revision: view.number(), after, limit: PIECE };
    let (db, last) = (hub.db.at(view.position()), after.parse::<i64>().unwrap_or(0));
    let keyed = |it: Vec<changes::IndicatorChange>| {
        it.into_iter().map(|it| (it.key(), Thing::Indicator(it))).collect::<Vec<_>>()
    };
    Ok(match stage {
        Stage::Units => {
            let forest = hub.reference::<Forest>(view).await?;
            let units = forest.all().filter(|it| it.id > last).take(most);
            units.map(|it| (it.id.to_string(), Thing::Unit(Arc::new(it.clone())))).collect()
        }
        Stage::Definitions => {
            let mut left: Vec<_> = definitions.iter().filter(|it| it.id > last).collect();
            left.sort_unstable_by_key(|it| it.id);
            let left = left.into_iter().take(most).map(Arc::clone);
            keyed(left.map(changes::IndicatorChange::Definition).collect())
        }
        Stage::Procedures => {
            let catalogue = hub.reference::<Catalogue>(view).await?;
            let procedures = catalogue.after(after).take(most);
            let keyed = procedures.map(|it| {
                let (procedure, withdrawal_reason) = (it.clone(), None);
                let made =
                    dossier::store::changes::ProcedureChange { procedure, withdrawal_reason };
                (it.code.as_str().to_owned(), Thing::Procedure(Arc::new(made)))
            });
            keyed.collect()
        }
        Stage::Observations => keyed(changes::state_observations(&db, &asked).await?),
        Stage::Targets => keyed(changes::state_targets(&db, &asked).await?),
        // Without a right to any there are none, neither in the state nor in the changes after it.
        Stage::Dossiers if caller.rights.dossiers.is_none() => Vec::new(),
        Stage::Dossiers => {
            let revision = view.number();
            let found = dossier::store::changes::state(&db, caller, revision, after, PIECE).await?;
            let keyed = found
                .into_iter()
                .map(|it| (it.dossier.code.as_str().to_owned(), Thing::Dossier(Arc::new(it))));
            keyed.collect()
        }
    })
}

/// The key of a thing among those of its revision and stage.
pub fn key(thing: &Thing) -> String {
    match thing {
        Thing::Unit(it) => it.id.to_string(),
        Thing::Indicator(it) => it.key(),
        Thing::Procedure(it) => it.procedure.id.to_string(),
        Thing::Dossier(it) => it.dossier.id.to_string(),
    }
}

// === consumers ===

/// The one door to the positions of consumers: an administrator sees all.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn visible(caller: &Caller) -> Result<sea_orm::Select<consumer::Entity>> {
    caller.must_administer()?;
    Ok(consumer::Entity::find())
}

/// Stores the position of a consumer. Returns the newest revision, and how many it lags behind.
pub async fn acknowledge(
    hub: &Arc<Hub>,
    caller: &Caller,
    acknowledge: Acknowledge,
) -> Result<(Revision, i64)> {
    let Acknowledge { consumer, token } = acknowledge;
    let position = position::unseal(hub.db.secret(), caller.system_id, &token)?.position;
    // A consumer that still reads the state has not reached any revision.
    let revision = match position {
        position::Position::Through(revision) => revision,
        position::Position::State { .. } => 0,
    };
    let row = consumer::ActiveModel {
        system_id: Set(caller.system_id),
        consumer: Set(consumer),
        revision: Set(revision),
        acknowledged_at: Set(Timestamp::now()),
    };
    hub.write_once(caller, KeepConsumer { row }).await?;
    let newest = hub.revisions.head().newest;
    Ok((newest, (newest.number - revision).max(0)))
}

/// Inserts a consumer, or updates its row.
#[derive(Clone)]
struct KeepConsumer {
    row: consumer::ActiveModel,
}

impl WriteOp for KeepConsumer {
    type Output = Done<()>;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<Done<()>> {
        let mut replace =
            OnConflict::columns([consumer::Column::SystemId, consumer::Column::Consumer]);
        replace.update_columns([consumer::Column::Revision, consumer::Column::AcknowledgedAt]);
        let system_id = *self.row.system_id.as_ref();
        let insert = consumer::Entity::insert(self.row).on_conflict(replace);
        insert.exec_without_returning(&write.db).await?;
        forget(&write.db, system_id, hub.limits.consumers_each).await?;
        Ok(Done { answer: (), effect: Effect::Kept { rejected: 0 } })
    }
}

/// Forgets the consumers that a system has beyond so many: those that acknowledged longest ago.
#[expect(clippy::disallowed_methods, reason = "a system's own, which no caller is shown")]
async fn forget(db: &impl ConnectionTrait, system_id: i64, most: usize) -> Result<()> {
    use consumer::Column;
    let own = consumer::Entity::find().filter(Column::SystemId.eq(system_id));
    let mut own = own.all(db).await?;
    if own.len() <= most {
        return Ok(());
    }
    own.sort_by_key(|it| Reverse(it.acknowledged_at));
    let names = own.into_iter().skip(most).map(|it| it.consumer);
    consumer::Entity::delete_many()
        .filter(Column::SystemId.eq(system_id))
        .filter(Column::Consumer.is_in(names))
        .exec(db)
        .await?;
    Ok(())
}

/// The position of a consumer.
#[derive(Debug)]
pub struct Consumer {
    /// The code of its system.
    pub system: String,
    /// Its row.
    pub row: consumer::Model,
    /// When the first revision after it was committed, if there is one.
    pub next_at: Option<Timestamp>,
}

/// A page of consumers, by system and name.
pub async fn consumers(
    hub: &Hub,
    caller: &Caller,
    list: ListConsumers,
) -> Result<(Revision, Paged<Consumer>)> {
    use consumer::Column;
    let ListConsumers { page } = list;
    let (view, after) = hub.revisions.page(caller, Consistency::Latest, &page).await?;
    let mut rows = visible(caller)?;
    let after = after.as_deref().and_then(|it| it.split_once('|'));
    if let Some((system, consumer)) = after {
        let key = [system.parse().unwrap_or(0_i64).into(), consumer.to_owned().into()];
        let key = Expr::tuple(key.map(|it: sea_orm::Value| Expr::val(it)));
        let row = Expr::tuple([Column::SystemId, Column::Consumer].map(Expr::col));
        rows = rows.filter(sea_orm::sea_query::ExprTrait::gt(row, key));
    }
    let rows = rows
        .order_by_asc(Column::SystemId)
        .order_by_asc(Column::Consumer)
        .all(hub.db.read())
        .await?;
    let Paged { items: rows, next } = page.cut(rows, &hub.mark(caller, &view), |last| {
        format!("{}|{}", last.system_id, last.consumer)
    });
    let directory: Arc<Directory> = hub.reference::<Directory>(&view).await?;
    let after: Vec<_> = rows.iter().map(|it| it.revision + 1).collect();
    let times = store::times(hub.db.read(), after).await?;
    let items = rows.into_iter().map(|row| Consumer {
        system: directory.code_of(row.system_id),
        next_at: times.get(&(row.revision + 1)).copied(),
        row,
    });
    Ok((view.revision, Paged { items: items.collect(), next }))
}
