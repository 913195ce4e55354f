//! What is wrong with a table: one line for each cell, which says where it stands, what it holds, and what it must be.
use std::{collections::BTreeSet, path::Path};

use crate::{
    cli::{
        clean,
        columns::{Field, Headed},
        progress::note,
        table::{Row, TableCell, letters},
    },
    pb,
};

/// Something wrong, in a row of the table by its place among those that are read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wrong {
    pub(super) row: usize,
    /// The column, where it has one.
    pub(super) column: Option<usize>,
    pub(super) field: Option<Field>,
    /// What it must be, or why it is refused.
    pub(super) rule: String,
}

/// The rows that were read, and what is wrong with them.
#[derive(Debug)]
pub(super) struct Report<'a> {
    pub(super) path: &'a Path,
    pub(super) headed: &'a Headed<'a>,
    pub(super) rows: Vec<Placed<'a>>,
    pub(super) wrong: BTreeSet<Wrong>,
}

/// A row that became an entry.
#[derive(Debug)]
pub(super) struct Placed<'a> {
    pub(super) row: &'a Row,
    /// Whether its value was a percentage.
    pub(super) percent: bool,
}

/// Fields that speak about one another: when one cannot be read, what the hub says of the others means nothing.
const TOGETHER: [&[Field]; 2] = [
    &[
        Field::Value,
        Field::Numerator,
        Field::Denominator,
        Field::Qualifier,
        Field::Status,
        Field::Comparison,
    ],
    &[Field::Level, Field::Parent, Field::Tree, Field::ValidFrom, Field::ValidTo],
];

impl Report<'_> {
    /// Rows whose value is a percentage.
    pub(super) fn percentages(&self) -> impl Iterator<Item = usize> {
        self.rows.iter().enumerate().filter(|it| it.1.percent).map(|it| it.0)
    }

    /// Adds something wrong with a cell.
    pub(super) fn add(&mut self, row: usize, field: Field, rule: String) {
        let column = self.headed.column(field);
        self.wrong.insert(Wrong { row, column, field: Some(field), rule });
    }

    /// Adds what the hub said of an entry.
    pub(super) fn refused(&mut self, row: usize, result: &pb::ItemResult, first: usize) {
        let mut told = result
            .violations
            .iter()
            .map(|it| (field_of(&it.field), it.rule.clone()))
            .collect::<Vec<_>>();
        if told.is_empty() {
            told.push((None, format!("is refused: {}", result.message)));
        }
        let known: Vec<_> =
            self.wrong.iter().filter(|it| it.row == row).filter_map(|it| it.field).collect();
        for (field, rule) in told {
            let rule = self.name_row(&rule, first);
            let Some(field) = field else {
                self.wrong.insert(Wrong { row, column: None, field: None, rule });
                continue;
            };
            let field = self.stands_in(row, field);
            let group = TOGETHER.iter().find(|it| it.contains(&field)).copied();
            let group = group.unwrap_or(std::slice::from_ref(&field));
            if !known.iter().any(|it| group.contains(it)) {
                self.add(row, field, rule);
            }
        }
    }

    /// The field whose cell says what the hub read: that of the code, of the value with words before it, of the parent.
    fn stands_in(&self, row: usize, field: Field) -> Field {
        let cell = self.rows.get(row).map(|it| self.headed.cell(it.row, field));
        let is_blank = cell.is_none_or(|it| *it == TableCell::Empty);
        let together = [Field::Comparison, Field::Qualifier, Field::Status];
        if !is_blank {
            field
        } else if field == Field::Code {
            Field::AgencyCode
        } else if field == Field::Tree {
            Field::Parent
        } else if together.contains(&field) {
            Field::Value
        } else {
            field
        }
    }

    /// The hub counts items; people count rows.
    fn name_row(&self, rule: &str, first: usize) -> String {
        let Some((before, rest)) = rule.split_once("contradict item ") else {
            return rule.to_owned();
        };
        let item: Option<usize> = rest.split(' ').next().and_then(|it| it.parse().ok());
        match item.and_then(|it| self.rows.get(first + it)) {
            Some(placed) => {
                format!("{before}contradict row {}, which is about the same", placed.row.number)
            }
            None => rule.to_owned(),
        }
    }

    /// Writes a line for each wrong cell: how many there are. What is wrong with a merged cell is told once.
    pub(super) fn write(&self) -> usize {
        let mut cells = BTreeSet::new();
        let mut count = 0;
        for wrong in &self.wrong {
            let placed = self.rows.get(wrong.row).zip(wrong.column);
            let merged = placed.and_then(|(it, column)| self.headed.merged(it.row, column));
            if merged.is_none_or(|first| cells.insert((first, wrong.column, &wrong.rule))) {
                note(&self.line(wrong));
                count += 1;
            }
        }
        count
    }

    /// Where a row stands.
    pub(super) fn place(&self, row: usize) -> String {
        let sheet = self.headed.sheet.name.as_ref();
        let sheet = sheet.map_or_else(String::new, |it| format!(" sheet \"{}\"", clean(it)));
        let number = self.rows.get(row).map_or(0, |it| it.row.number);
        format!("{}{sheet} row {number}", self.path.display())
    }

    fn line(&self, wrong: &Wrong) -> String {
        let Wrong { row, column, field, rule } = wrong;
        let place = self.place(*row);
        let (rule, placed) = (clean(rule), self.rows.get(*row));
        match (column, field, placed) {
            (Some(column), Some(field), Some(placed)) => {
                let title = clean(self.headed.title(*column));
                let cell = format!("{}{}", letters(*column), placed.row.number);
                let value = clean(&self.headed.cell(placed.row, *field).shown());
                format!("{place} column \"{title}\" (cell {cell}): value \"{value}\": {rule}")
            }
            (None, Some(field), _) => {
                let name = self.headed.kind.name(*field);
                format!("{place} (no column \"{name}\"): {rule}")
            }
            (..) => format!("{place}: {rule}"),
        }
    }
}

/// The column that a path of the hub is about.
fn field_of(path: &str) -> Option<Field> {
    let (first, rest) = path.split_once(['.', '[']).unwrap_or((path, ""));
    let last = rest.rsplit('.').next().unwrap_or_default();
    Some(match (first, last) {
        ("indicator", _) => Field::Indicator,
        ("unit", _) => Field::Unit,
        ("period", _) => Field::Period,
        ("breakdown", _) => Field::Breakdown,
        ("value", _) => Field::Value,
        ("numerator", _) => Field::Numerator,
        ("denominator", _) => Field::Denominator,
        ("qualifier", _) => Field::Qualifier,
        ("status", _) => Field::Status,
        ("as_of", _) => Field::AsOf,
        ("comparison", _) => Field::Comparison,
        ("correction_reason", _) => Field::CorrectionReason,
        ("provenance", "channel") => Field::Channel,
        ("provenance", "source_document") => Field::SourceDocument,
        ("provenance", "source_record") => Field::SourceRecord,
        ("provenance", "quote") => Field::Quote,
        ("provenance", "as_written") => Field::AsWritten,
        ("provenance", "note") => Field::Note,
        ("id", _) => Field::Id,
        ("level", _) => Field::Level,
        ("name", _) => Field::Name,
        ("valid_from", _) => Field::ValidFrom,
        ("valid_before", _) => Field::ValidTo,
        ("codes", _) if rest.starts_with("1]") => Field::AgencyCode,
        ("codes", _) => Field::Code,
        ("parents", "tree") => Field::Tree,
        ("parents", _) => Field::Parent,
        _ => return None,
    })
}
