//! Rows of one unit and period, resolved to the breakdown that is asked for.
use std::{collections::BTreeMap, sync::Arc};

use crate::{
    error::{Error, Result},
    indicator::{
        Breakdown, Definition, Reading,
        breakdown::{Reported, Resolved, resolve},
        row::observation,
    },
    period::Period,
    time::Day,
};

/// What is known of one unit and period.
#[derive(Clone, Debug)]
pub(super) struct CellRow {
    /// A row as it was reported, or one that the parts make.
    pub(super) row: observation::Model,
    pub(super) made_of: MadeOf,
}

/// Where a figure comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MadeOf {
    /// It was reported as such.
    Own,
    /// So many categories make it.
    Parts(usize),
    /// Some parts are there, and make nothing; these lack. The row only says when.
    Lacking(Vec<String>),
}

impl CellRow {
    /// A row that was reported as such.
    pub(super) fn own(row: observation::Model) -> Self {
        Self { row, made_of: MadeOf::Own }
    }

    /// Whether it is a figure, and not only parts of one.
    pub(super) fn is_whole(&self) -> bool {
        !matches!(self.made_of, MadeOf::Lacking(_))
    }

    /// How many categories make it; 0 where it was reported as such.
    pub(super) fn parts(&self) -> usize {
        match self.made_of {
            MadeOf::Parts(count) => count,
            MadeOf::Own | MadeOf::Lacking(_) => 0,
        }
    }
}

/// Whether the breakdown that is asked for may be made of other rows than its own.
pub(super) fn has_parts(definition: &Definition, wanted: &Breakdown) -> bool {
    definition.meaning.dimensions.all().iter().any(|it| !wanted.0.contains_key(&it.code))
}

/// Refuses a breakdown that one of the indicators does not have, on the day that is spoken of.
pub(super) fn must_break_down(
    definitions: &[Arc<Definition>],
    wanted: &Breakdown,
    day: Day,
) -> Result<()> {
    for definition in definitions {
        if let Err(rule) = definition.meaning.dimensions.check(wanted, day) {
            let rule = format!("{rule} (indicator `{}`)", definition.code.as_str());
            return Err(Error::field("breakdown", rule));
        }
    }
    Ok(())
}

/// Resolves rows of one indicator, of any units, periods and breakdowns, each standing.
pub(super) fn resolve_rows(
    definition: &Definition,
    wanted: &Breakdown,
    rows: Vec<observation::Model>,
) -> Vec<CellRow> {
    if !has_parts(definition, wanted) {
        let text = wanted.to_string();
        return rows.into_iter().filter(|it| it.breakdown == text).map(CellRow::own).collect();
    }
    let mut cells: BTreeMap<(i64, Period), Vec<observation::Model>> = BTreeMap::new();
    for row in rows {
        cells.entry((row.unit_id, row.period)).or_default().push(row);
    }
    let cells = cells.into_iter();
    cells.filter_map(|((_, period), rows)| cell(definition, wanted, period, rows)).collect()
}

fn cell(
    definition: &Definition,
    wanted: &Breakdown,
    period: Period,
    rows: Vec<observation::Model>,
) -> Option<CellRow> {
    let readings: Vec<(Breakdown, Reading)> =
        rows.iter().map(|it| (Breakdown::from_text(&it.breakdown), it.reading())).collect();
    let reported: Reported<'_> = readings.iter().map(|(key, it)| (key, it)).collect();
    let day = definition.meaning.range(period).to;
    let resolved = resolve(&definition.meaning, day, wanted, &reported);
    let newest = || rows.iter().max_by_key(|it| it.made_at);
    match resolved {
        Resolved::Reported { inconsistent } => {
            let text = wanted.to_string();
            let row = rows.into_iter().find(|it| it.breakdown == text)?;
            let inconsistent = row.inconsistent || inconsistent;
            Some(CellRow::own(observation::Model { inconsistent, ..row }))
        }
        Resolved::Computed { reading, parts, inconsistent } => {
            let row = made(newest()?, wanted, reading, inconsistent);
            Some(CellRow { row, made_of: MadeOf::Parts(parts) })
        }
        Resolved::Partial { lacking } => {
            let lacking = lacking.iter().map(ToString::to_string).collect();
            Some(CellRow { row: newest()?.clone(), made_of: MadeOf::Lacking(lacking) })
        }
        Resolved::Nothing => None,
    }
}

/// The row that parts make: as new as the newest of them, and without the words of any one.
fn made(
    newest: &observation::Model,
    wanted: &Breakdown,
    reading: Reading,
    inconsistent: bool,
) -> observation::Model {
    let Reading { value, numerator, denominator, qualifier, status, definition_version } = reading;
    observation::Model {
        breakdown: wanted.to_string(),
        value,
        numerator,
        denominator,
        qualifier,
        status,
        definition_version,
        inconsistent,
        as_of: None,
        channel: None,
        source_document: String::new(),
        source_record: String::new(),
        quote: String::new(),
        as_written: String::new(),
        note: String::new(),
        correction_reason: String::new(),
        withdrawal_reason: None,
        ..newest.clone()
    }
}
