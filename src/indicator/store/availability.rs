//! Answers who has reported what: for each indicator, unit and period, in time, late, or missing.

use std::{collections::HashMap, sync::Arc};

use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryOrder};

use super::{
    every_version,
    read::{Names, must_fit},
};
use crate::{
    caller::Caller,
    error::Result,
    hub::Hub,
    indicator::{
        Calendar, Code, Definition, Status,
        definitions::Definitions,
        judge::{self, Lateness},
        queries::Availability,
        row::observation,
    },
    period::Period,
    revision::Revision,
    time::{Day, Timestamp},
    unit::Name,
};

/// One indicator, unit and period.
#[derive(Debug)]
pub struct AvailabilityCell {
    /// Code of the indicator.
    pub code: Code,
    /// The unit.
    pub unit: Name,
    /// The period.
    pub period: Period,
    /// Whether it was reported.
    pub lateness: Lateness,
    /// When it was first published.
    pub first: Option<Timestamp>,
    /// The status of what stands.
    pub status: Option<Status>,
}

/// When an observation was first published, and the status of what stands.
#[derive(FromQueryResult)]
struct Published {
    unit_id: i64,
    period: Period,
    made_at: i64,
    superseded_at: Option<i64>,
    committed_at: Timestamp,
    status: Status,
    withdrawal_reason: Option<String>,
}

/// Who has reported what.
pub async fn availability(
    hub: &Hub,
    caller: &Caller,
    asked: Availability,
) -> Result<(Revision, Day, Vec<AvailabilityCell>)> {
    use observation::Column;
    let Availability { indicators, units, span, consistency } = asked;
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions =
        hub.reference::<Definitions>(&view).await?.visible_all(caller, &indicators)?;
    let names = Names::open(hub, &view).await?;
    let units = names.units(caller, &units, span.to)?;
    let today = Day::today();
    let periods_of = |it: &Arc<Definition>| {
        let kind = it.meaning.frequency.kind();
        Period::ending_within(kind, span, it.meaning.calendar == Calendar::Report1514)
    };
    let count: usize = definitions.iter().map(|it| periods_of(it).len()).sum();
    must_fit(count.saturating_mul(units.len()))?;
    let mut cells = Vec::new();
    for definition in &definitions {
        let periods = periods_of(definition);
        let rows = every_version(&[Arc::clone(definition)], view.number())
            .filter(Column::Period.is_in(periods.iter().copied()))
            .filter(Column::UnitId.is_in(units.iter().copied()))
            .filter(Column::Breakdown.eq(""))
            .order_by_asc(Column::MadeAt)
            .into_model::<Published>()
            .all(&hub.db.at(view.position()))
            .await?;
        let mut seen: HashMap<(i64, Period), (Timestamp, Option<Status>)> = HashMap::new();
        for row in rows {
            // What was withdrawn counts as never published.
            if row.withdrawal_reason.is_some() {
                seen.remove(&(row.unit_id, row.period));
                continue;
            }
            let stands = row.superseded_at.is_none_or(|it| it > view.number());
            let entry = seen.entry((row.unit_id, row.period)).or_insert((row.committed_at, None));
            if stands && row.made_at <= view.number() {
                entry.1 = Some(row.status);
            }
        }
        for unit_id in &units {
            let Some(unit) = names.forest.get(*unit_id) else { continue };
            for period in &periods {
                let found = seen.get(&(*unit_id, *period));
                let first = found.map(|it| it.0);
                let lateness = judge::lateness(
                    &definition.meaning,
                    unit.span,
                    *period,
                    first.map(Timestamp::day),
                    today,
                );
                cells.push(AvailabilityCell {
                    code: definition.code.clone(),
                    unit: names.forest.name(*unit_id),
                    period: *period,
                    lateness,
                    first,
                    status: found.and_then(|it| it.1),
                });
            }
        }
    }
    Ok((view.revision, today, cells))
}
