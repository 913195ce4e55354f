//! A table as it stands in a file: rows of cells that know where they are, from CSV or XLSX.
mod bounds;
mod csv;
mod xlsx;

use std::{collections::BTreeMap, fs, path::Path};

use sha2::{Digest, Sha256};

pub(super) use self::csv::guard;
use super::CliResult;

/// Columns that are read, at most; what stands further right is not part of a table.
const MOST_COLUMNS: usize = 300;
/// Rows of a workbook's sheet that are not empty, at most.
const MOST_ROWS: usize = 200_000;
/// Cells of a workbook's sheet, at most, with the empty ones before the last of each row.
const MOST_CELLS: usize = 1_000_000;
/// Bytes of text in all cells of a workbook's sheet, at most.
const MOST_TEXT: usize = 32 << 20;

/// A cell, by what its file says that it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) enum TableCell {
    /// Nothing, or only space.
    #[default]
    Empty,
    /// Text.
    Text(String),
    /// A number: not its text, which depends on the country.
    Number(Number),
    /// A date.
    Day(String),
    /// What is no datum: the error of a formula, a truth value, a duration.
    Other(String),
}

/// A numeric cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Number {
    /// As the hub takes it; of a cell shown as a percentage, the number that is shown.
    pub(super) plain: String,
    /// Whether it is shown as a percentage.
    pub(super) percent: bool,
    /// With the zeros in front that its format shows, where it does.
    pub(super) padded: Option<String>,
}

impl TableCell {
    /// As people see it.
    pub(super) fn shown(&self) -> String {
        match self {
            Self::Empty => String::new(),
            Self::Text(text) | Self::Day(text) | Self::Other(text) => text.clone(),
            Self::Number(Number { plain, percent, padded }) => match (padded, percent) {
                (Some(padded), _) => padded.clone(),
                (None, true) => format!("{plain}%"),
                (None, false) => plain.clone(),
            },
        }
    }
}

/// A row that is not empty.
#[derive(Debug, Default)]
pub(super) struct Row {
    /// Its number, from 1, as spreadsheets count.
    pub(super) number: u32,
    /// Its cells, from the first column on.
    pub(super) cells: Vec<TableCell>,
}

impl Row {
    /// The cell of a column.
    pub(super) fn cell(&self, column: usize) -> &TableCell {
        self.cells.get(column).unwrap_or(&TableCell::Empty)
    }
}

/// Cells that were merged into one, in several rows of one column. What they hold stands in the first.
#[derive(Clone, Copy, Debug)]
pub(super) struct Merged {
    /// The first row, by its number.
    pub(super) first: u32,
    /// The last row.
    pub(super) last: u32,
    /// The column.
    pub(super) column: usize,
}

/// A sheet.
#[derive(Debug)]
pub(super) struct Sheet {
    /// Its name; none in a CSV file.
    pub(super) name: Option<String>,
    /// Its rows, in order, without the empty ones.
    pub(super) rows: Vec<Row>,
    /// What was merged downwards.
    pub(super) merged: Vec<Merged>,
}

/// A file.
#[derive(Debug)]
pub(super) struct TableFile {
    /// Its sheets that can be seen; of a CSV file, the same text read with each of the separators that it may have.
    pub(super) sheets: Vec<Sheet>,
    /// Whether it is CSV.
    pub(super) is_csv: bool,
    /// Why a CSV file cannot be read with one of its separators.
    pub(super) broken: Option<String>,
    /// A hash of its bytes.
    pub(super) hash: [u8; 32],
}

impl TableFile {
    /// Reads a file; of a workbook only the named sheet, if one is named.
    pub(super) fn read(path: &Path, sheet: Option<&str>) -> CliResult<Self> {
        let bytes = fs::read(path).map_err(|err| format!("{}: {err}", path.display()))?;
        let hash = Sha256::digest(&bytes).into();
        let is_csv = !bytes.starts_with(b"PK\x03\x04");
        let read = match is_csv {
            true => csv::read(&bytes, sheet),
            false => xlsx::read(bytes, sheet).map(|it| (it, None)),
        };
        let (sheets, broken) = read.map_err(|err| format!("{}: {err}", path.display()))?;
        Ok(Self { sheets, is_csv, broken, hash })
    }
}

/// Rows that are filled cell by cell, in any order.
#[derive(Debug, Default)]
struct Rows {
    rows: BTreeMap<u32, Vec<TableCell>>,
    cells: usize,
    text: usize,
}

impl Rows {
    fn put(&mut self, number: u32, column: usize, cell: TableCell) {
        if cell == TableCell::Empty || column >= MOST_COLUMNS {
            return;
        }
        if let TableCell::Text(it) = &cell {
            self.text += it.len();
        }
        let cells = self.rows.entry(number).or_default();
        if cells.len() <= column {
            self.cells += column + 1 - cells.len();
            cells.resize(column + 1, TableCell::Empty);
        }
        if let Some(place) = cells.get_mut(column) {
            *place = cell;
        }
    }

    /// Refuses what is too much to keep in memory.
    fn check(&self, what: &str) -> CliResult<()> {
        bounds::at_most(what, self.rows.len(), "rows", MOST_ROWS)?;
        bounds::at_most(what, self.cells, "cells", MOST_CELLS)?;
        bounds::at_most(what, self.text, "bytes of text", MOST_TEXT)
    }

    fn done(self) -> Vec<Row> {
        self.rows.into_iter().map(|(number, cells)| Row { number, cells }).collect()
    }
}

/// The name of a column: A, B, ... Z, AA.
pub(super) fn letters(column: usize) -> String {
    let mut name = String::new();
    let mut rest = column + 1;
    while rest > 0 {
        let digit = u32::try_from((rest - 1) % 26).unwrap_or_default();
        name.insert(0, char::from_u32('A' as u32 + digit).unwrap_or('?'));
        rest = (rest - 1) / 26;
    }
    name
}
