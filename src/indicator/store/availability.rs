//! Answers, for each indicator, unit and period, whether it was reported in time, late, or is missing.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, FromQueryResult, QueryFilter, QueryOrder};

use super::{
    every_version,
    parts::{has_parts, must_break_down},
    read::{Names, must_fit},
};
use crate::{
    caller::Caller,
    error::Result,
    hub::Hub,
    indicator::{
        Breakdown, Calendar, Code, Definition, Meaning, Status,
        breakdown::{Presence, presence},
        definitions::Definitions,
        judge::{self, Lateness},
        queries::Availability,
        row::observation,
    },
    period::Period,
    revision::{Revision, View},
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
    /// The status of the standing version.
    pub status: Option<Status>,
    /// The breakdowns that lack, where it was reported by parts only.
    pub lacking: Vec<Breakdown>,
}

/// When an observation was published, and the status of what stands.
#[derive(FromQueryResult)]
struct Published {
    unit_id: i64,
    period: Period,
    breakdown: String,
    made_at: i64,
    superseded_at: Option<i64>,
    committed_at: Timestamp,
    released_on: Option<Day>,
    status: Status,
    withdrawal_reason: Option<String>,
}

/// The first publication of one breakdown, its first release, and the status of the standing version.
#[derive(Clone, Copy)]
struct First {
    at: Timestamp,
    day: Day,
    status: Option<Status>,
}

type ByBreakdown = BTreeMap<Breakdown, First>;

/// The cells of an availability matrix.
pub async fn availability(
    hub: &Hub,
    caller: &Caller,
    asked: Availability,
) -> Result<(Revision, Day, Vec<AvailabilityCell>)> {
    let Availability { indicators, units, span, breakdown, consistency } = asked;
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions =
        hub.reference::<Definitions>(&view).await?.visible_all(caller, &indicators)?;
    must_break_down(&definitions, &breakdown, span.to)?;
    let names = Names::open(hub, &view).await?;
    let units = names.units_ever(caller, &units, span.to)?;
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
        let seen = published(hub, &view, definition, &periods, &units, &breakdown).await?;
        for unit_id in &units {
            let Some(unit) = names.forest.get(*unit_id) else { continue };
            for period in &periods {
                // What was so then is not told of a unit that was not inside the agreement.
                if !caller.sees_unit(*unit_id, definition.meaning.range(*period).to) {
                    continue;
                }
                let rows = seen.get(&(*unit_id, *period));
                let meaning = &definition.meaning;
                let (first, lacking) = match rows {
                    Some(rows) => reported(meaning, *period, &breakdown, rows),
                    None => (None, None),
                };
                let day = first.map(|it| it.day);
                let mut lateness = judge::lateness(meaning, unit.span, *period, day, today);
                if lacking.is_some() {
                    lateness.state = judge::AvailabilityState::Partial;
                }
                cells.push(AvailabilityCell {
                    code: definition.code.clone(),
                    unit: names.forest.name(*unit_id),
                    period: *period,
                    lateness,
                    first: first.map(|it| it.at),
                    status: first.and_then(|it| it.status),
                    lacking: lacking.unwrap_or_default(),
                });
            }
        }
    }
    Ok((view.revision, today, cells))
}

/// When the breakdown that is asked for was there: its own row, or the last of the parts that make it up. Where only
/// some of them are there, those that lack.
fn reported(
    meaning: &Meaning,
    period: Period,
    wanted: &Breakdown,
    rows: &ByBreakdown,
) -> (Option<First>, Option<Vec<Breakdown>>) {
    let present: BTreeSet<_> = rows.keys().cloned().collect();
    match presence(meaning, meaning.range(period).to, wanted, &present) {
        Presence::Whole(by) => {
            let firsts = by.iter().filter_map(|it| rows.get(it)).copied();
            let whole = firsts.reduce(|one, two| First {
                at: one.at.max(two.at),
                day: one.day.max(two.day),
                status: one.status.zip(two.status).map(|(one, two)| one.min(two)),
            });
            (whole, None)
        }
        Presence::Partial(lacking) => (None, Some(lacking)),
        Presence::Nothing => (None, None),
    }
}

async fn published(
    hub: &Hub,
    view: &View,
    definition: &Arc<Definition>,
    periods: &[Period],
    units: &[i64],
    wanted: &Breakdown,
) -> Result<HashMap<(i64, Period), ByBreakdown>> {
    use observation::Column;
    let mut rows = every_version(&[Arc::clone(definition)], view.number())
        .filter(Column::Period.is_in(periods.iter().copied()))
        .filter(Column::UnitId.is_in(units.iter().copied()));
    if !has_parts(definition, wanted) {
        rows = rows.filter(Column::Breakdown.eq(wanted.to_string()));
    }
    let rows = rows
        .order_by_asc(Column::MadeAt)
        .into_model::<Published>()
        .all(&hub.db.at(view.position()))
        .await?;
    let mut seen: HashMap<(i64, Period), ByBreakdown> = HashMap::new();
    for row in rows {
        let of_cell = seen.entry((row.unit_id, row.period)).or_default();
        let breakdown = Breakdown::from_text(&row.breakdown);
        // What was withdrawn counts as never published.
        if row.withdrawal_reason.is_some() {
            of_cell.remove(&breakdown);
            continue;
        }
        let stands = row.superseded_at.is_none_or(|it| it > view.number());
        let day = row.released_on.unwrap_or_else(|| row.committed_at.day());
        let first = of_cell.entry(breakdown);
        let first = first.or_insert(First { at: row.committed_at, day, status: None });
        // A later version may say that the source had released it before.
        first.day = first.day.min(day);
        if stands && row.made_at <= view.number() {
            first.status = Some(row.status);
        }
    }
    Ok(seen)
}
