//! Loads the weights of units for a weighted mean.
use std::{collections::BTreeSet, sync::Arc};

use super::{compute::readings, read::Names};
use crate::{
    caller::Caller,
    error::Result,
    fraction::Fraction,
    hub::Hub,
    indicator::{
        Breakdown, Calendar, Definition, UnitRule,
        roll_up::{Said, Weights},
    },
    period::Period,
    revision::View,
};

/// What units weigh in a period, if the definition names a weight: its value for the same period, else for the period
/// of its own frequency that contains the last day of the one asked for. None of a unit that has no such value, or one
/// below 0; of no unit at all where the caller may not read the weight.
pub(super) async fn weights(
    hub: &Hub,
    caller: &Caller,
    view: &View,
    names: &Names,
    definition: &Definition,
    period: Period,
) -> Result<Option<Weights>> {
    let meaning = &definition.meaning;
    let Some(code) = meaning.weight.as_ref().filter(|_| meaning.unit_rule == UnitRule::Mean) else {
        return Ok(None);
    };
    let Ok(by) = names.definitions.visible(caller, code) else { return Ok(Some(Weights::new())) };
    let report_15_14 = by.meaning.calendar == Calendar::Report1514;
    let last = meaning.range(period).to;
    let around = Period::containing(by.meaning.frequency.kind(), last, report_15_14);
    let same = by.meaning.canonical(period);
    let periods: BTreeSet<_> = [Some(same), around].into_iter().flatten().collect();
    let said = readings(hub, view, &Arc::clone(by), &periods, &Breakdown::default()).await?;
    let exact = |said: &Said| match said {
        Said::Whole(reading) => reading.exact(&by.meaning).filter(|it| !it.is_negative()),
        Said::Partial => None,
    };
    let mut weights = Weights::new();
    // The same period last: it counts before the one around it.
    for period in [around, Some(same)].into_iter().flatten() {
        let of_period = said.iter().filter(|((it, _), _)| *it == period);
        let ends = by.meaning.range(period).to;
        let shared = of_period.filter(|((_, unit_id), _)| caller.sees_unit(*unit_id, ends));
        let valued = shared.filter_map(|((_, unit_id), it)| Some((*unit_id, exact(it)?)));
        weights.extend(valued.collect::<Vec<(i64, Fraction)>>());
    }
    Ok(Some(weights))
}
