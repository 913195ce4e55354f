//! Finds the cells of a snapshot: named ones, or a selection page by page.
use std::{collections::BTreeSet, sync::Arc};

use super::{
    parts::must_break_down,
    read::{Names, must_fit},
};
use crate::{
    caller::Caller,
    error::{Error, Result},
    indicator::{
        Definition,
        cells::{Key, Question},
        queries::{CellSelection, WantedCells},
    },
    page::Page,
    time::Day,
    unit::Tree,
};

/// The cells of one answer, and those that come after them.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) keys: Vec<Key>,
    /// Whether a selection has more cells than these.
    pub(super) has_more: bool,
}

impl Asked {
    /// The cells that are wanted, in the order of the answer, if the caller may know of all that were named. Those of a
    /// selection begin after a cell, where one is given.
    pub(super) fn of(
        names: &Names,
        caller: &Caller,
        wanted: &WantedCells,
        question: &Question,
        after: Option<&str>,
    ) -> Result<Self> {
        match wanted {
            WantedCells::Named { units, indicators } => {
                must_fit(units.len().saturating_mul(indicators.len()))?;
                let definitions = names.definitions.visible_all(caller, indicators)?;
                let day = spoken_of(&definitions, question);
                must_break_down(&definitions, &question.breakdown, day)?;
                let units = names.units(caller, units, day)?;
                Ok(Self { keys: cells(&units, &definitions).collect(), has_more: false })
            }
            WantedCells::Selected(selection, page) => {
                selected(names, caller, selection, question, (page, after))
            }
        }
    }
}

/// The name of a cell in a page token.
pub(super) fn name(key: &Key) -> String {
    format!("{}|{}", key.1, key.0)
}

/// The day that a question speaks about. A period's last day depends on the calendar; among the calendars it differs by
/// half a month at most, which no code does.
fn spoken_of(definitions: &[Arc<Definition>], question: &Question) -> Day {
    match (question.period, definitions.first()) {
        (Some(period), Some(first)) => first.meaning.range(period).to,
        (_, _) => question.date,
    }
}

fn cells<'a>(
    units: &'a [i64],
    definitions: &'a [Arc<Definition>],
) -> impl Iterator<Item = Key> + 'a {
    units.iter().flat_map(|unit| definitions.iter().map(|it| (it.id, *unit)))
}

fn selected(
    names: &Names,
    caller: &Caller,
    selection: &CellSelection,
    question: &Question,
    (page, after): (&Page, Option<&str>),
) -> Result<Asked> {
    let CellSelection { below, level, patterns, groups } = selection;
    let mut definitions: Vec<_> = names.definitions.shared_with(caller).cloned().collect();
    definitions.retain(|it| {
        let in_group = it.meaning.group.as_ref().is_some_and(|group| groups.contains(group));
        let is_all = patterns.is_empty() && groups.is_empty();
        is_all || in_group || patterns.iter().any(|pattern| pattern.matches(it.code.as_str()))
    });
    definitions.retain(|it| !it.meaning.retired);
    definitions.sort_by_key(|it| names.definitions.place(it));
    let day = spoken_of(&definitions, question);
    must_break_down(&definitions, &question.breakdown, day)?;
    let forest = &names.forest;
    let above =
        forest.resolve_shared(below, day, "selection.below", |it| caller.sees_unit(it, day))?;
    let mut inside: BTreeSet<i64> = BTreeSet::new();
    for tree in [Tree::Territory, Tree::Administration] {
        inside.extend(forest.descendants(above.id, tree, day));
    }
    let units: Vec<i64> = forest
        .all()
        .filter(|it| inside.contains(&it.id) && it.level == *level)
        .filter(|it| it.span.contains(day) && caller.sees_unit(it.id, day))
        .map(|it| it.id)
        .collect();
    let mut all = cells(&units, &definitions);
    if let Some(after) = after
        && !all.any(|it| name(&it) == after)
    {
        // What is shared changed between the pages.
        let rule = "go on with a selection that still holds its last cell: ask for it anew";
        return Err(Error::field("page.token", rule));
    }
    let keys: Vec<_> = all.by_ref().take(page.size()).collect();
    Ok(Asked { keys, has_more: all.next().is_some() })
}
