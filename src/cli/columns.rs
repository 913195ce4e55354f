//! The columns that a table may have, by the names that people give them, and the row in which they are named.
use std::collections::{BTreeMap, HashMap};

use super::{
    CliResult,
    cuts::Cut,
    parse::squeeze,
    table::{Merged, Row, Sheet, TableCell, TableFile, letters},
};

/// The header stands in one of the first so many rows.
const HEADER_WITHIN: u32 = 30;

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    Indicator,
    Unit,
    Period,
    Breakdown,
    Value,
    Numerator,
    Denominator,
    Qualifier,
    Status,
    AsOf,
    Comparison,
    Channel,
    SourceDocument,
    SourceRecord,
    Quote,
    AsWritten,
    Note,
    CorrectionReason,
    ReleasedOn,
    Id,
    Code,
    AgencyCode,
    Name,
    Level,
    Parent,
    Tree,
    ValidFrom,
    ValidTo,
}

impl Field {
    /// Whether a cell that is merged downwards speaks for all of its rows. What is measured never does.
    fn carries(self) -> bool {
        matches!(self, Self::Indicator | Self::Unit | Self::Period | Self::Parent)
    }
}

/// A column: what it holds, and its names; case and tone marks do not matter. The weak names count only where none of
/// the others is there: beside a column `Mã chỉ tiêu`, a column `Chỉ tiêu` holds names for people.
type Column = (Field, &'static [&'static str], &'static [&'static str]);

const INDICATOR: Column =
    (Field::Indicator, &["indicator", "mã chỉ tiêu", "indicator code"], &["chỉ tiêu"]);
const UNIT: Column = (
    Field::Unit,
    &["unit", "mã đơn vị", "unit code", "mã đơn vị hành chính", "mã ĐVHC"],
    &["đơn vị", "đơn vị hành chính"],
);
const PERIOD: Column = (Field::Period, &["period", "kỳ", "kỳ báo cáo", "kỳ số liệu"], &[]);
const BREAKDOWN: Column = (Field::Breakdown, &["breakdown", "phân tổ"], &[]);
const CHANNEL: Column = (Field::Channel, &["channel", "kênh"], &[]);
const DOCUMENT: Column = (
    Field::SourceDocument,
    &["source document", "nguồn", "nguồn số liệu", "văn bản", "số văn bản"],
    &[],
);
const RECORD: Column = (Field::SourceRecord, &["source record", "mã bản ghi"], &[]);
const QUOTE: Column = (Field::Quote, &["quote", "trích dẫn"], &[]);
const AS_WRITTEN: Column = (Field::AsWritten, &["as written", "nguyên văn"], &[]);
const NOTE: Column = (Field::Note, &["note", "ghi chú"], &[]);

/// A table of one kind.
#[derive(Debug)]
pub(super) struct Kind {
    columns: &'static [Column],
    /// Of each group, one must be there.
    needed: &'static [&'static [Field]],
}

/// Observations.
pub(super) const OBSERVATIONS: Kind = Kind {
    columns: &[
        INDICATOR,
        UNIT,
        PERIOD,
        BREAKDOWN,
        (Field::Value, &["value", "giá trị", "số liệu", "kết quả"], &[]),
        (Field::Numerator, &["numerator", "tử số"], &[]),
        (Field::Denominator, &["denominator", "mẫu số"], &[]),
        (Field::Qualifier, &["qualifier", "mức độ chính xác"], &[]),
        (Field::Status, &["status", "trạng thái"], &[]),
        (Field::AsOf, &["as of", "ngày chốt", "ngày chốt số liệu"], &[]),
        CHANNEL,
        DOCUMENT,
        RECORD,
        QUOTE,
        AS_WRITTEN,
        NOTE,
        (Field::CorrectionReason, &["correction reason", "lý do", "lý do điều chỉnh"], &[]),
        (Field::ReleasedOn, &["released on", "ngày công bố"], &[]),
    ],
    needed: &[
        &[Field::Indicator],
        &[Field::Unit],
        &[Field::Period],
        &[Field::Value, Field::Numerator],
    ],
};

/// Targets.
pub(super) const TARGETS: Kind = Kind {
    columns: &[
        INDICATOR,
        UNIT,
        PERIOD,
        BREAKDOWN,
        (Field::Comparison, &["comparison", "so sánh", "điều kiện"], &[]),
        (Field::Value, &["target", "mục tiêu", "giá trị mục tiêu", "value", "giá trị"], &[]),
        CHANNEL,
        DOCUMENT,
        RECORD,
        QUOTE,
        AS_WRITTEN,
        NOTE,
    ],
    needed: &[&[Field::Indicator], &[Field::Unit], &[Field::Period], &[Field::Value]],
};

/// Units.
pub(super) const UNITS: Kind = Kind {
    columns: &[
        (Field::Id, &["id"], &[]),
        (Field::Code, &["code", "mã đơn vị", "mã đơn vị hành chính", "mã ĐVHC", "mã"], &[]),
        (Field::AgencyCode, &["agency code", "mã định danh", "mã định danh điện tử"], &[]),
        (Field::Name, &["name", "tên", "tên đơn vị"], &["đơn vị"]),
        (Field::Level, &["level", "cấp"], &[]),
        (Field::Parent, &["parent", "mã đơn vị cấp trên", "trực thuộc"], &["đơn vị cấp trên"]),
        (Field::Tree, &["tree", "cây"], &[]),
        (Field::ValidFrom, &["valid from", "từ ngày", "hiệu lực từ"], &[]),
        (Field::ValidTo, &["valid to", "đến ngày", "hiệu lực đến"], &[]),
    ],
    needed: &[&[Field::Name], &[Field::Level], &[Field::Code, Field::AgencyCode]],
};

impl Kind {
    /// The name by which a column is told about.
    pub(super) fn name(&self, field: Field) -> &'static str {
        let column = self.columns.iter().find(|it| it.0 == field);
        column.and_then(|it| it.1.first()).copied().unwrap_or_default()
    }

    /// Which field a title names, and whether by a weak name.
    fn named(&self, title: &str) -> Option<(Field, bool)> {
        let title = plain(title);
        self.columns.iter().find_map(|(field, names, weak)| {
            let is_one = |names: &[&str]| names.iter().any(|it| squeeze(it) == title);
            let strong = is_one(names);
            (strong || is_one(weak)).then_some((*field, !strong))
        })
    }
}

/// A title without tone marks, notes in parentheses and marks of necessity.
fn plain(title: &str) -> String {
    let (mut text, mut depth) = (String::new(), 0_u32);
    for it in title.chars() {
        match it {
            '(' | '[' => depth += 1,
            ')' | ']' => depth = depth.saturating_sub(1),
            it if depth == 0 => text.push(it),
            _ => {}
        }
    }
    squeeze(text.trim_matches(['*', ':', '.', ' ']))
}

/// A sheet whose columns are known.
#[derive(Debug)]
pub(super) struct Headed<'a> {
    pub(super) kind: &'static Kind,
    pub(super) sheet: &'a Sheet,
    /// Number of the row that names the columns.
    row: u32,
    columns: BTreeMap<Field, usize>,
    titles: HashMap<usize, String>,
    /// The columns that break values down.
    cuts: Vec<(usize, Cut)>,
    /// Cells that a merged one above them speaks for.
    carried: HashMap<(u32, usize), &'a TableCell>,
}

impl<'a> Headed<'a> {
    /// Finds the table in a file.
    pub(super) fn find(file: &'a TableFile, kind: &'static Kind) -> CliResult<Self> {
        let mut found: Vec<_> = Vec::new();
        for sheet in &file.sheets {
            found.extend(Self::within(sheet, kind)?);
        }
        if file.is_csv {
            // The separator that finds most columns; the first of equals.
            let most = found.iter().map(|it| it.columns.len()).max().unwrap_or_default();
            found.retain(|it| it.columns.len() == most);
            found.truncate(1);
        }
        if found.len() > 1 {
            let names = found.iter().filter_map(|it| it.sheet.name.as_deref());
            let names: Vec<_> = names.map(|it| format!("\"{it}\"")).collect();
            return Err(format!(
                "more than one sheet has such a table: name one with --sheet: {}",
                names.join(", ")
            )
            .into());
        }
        found.pop().ok_or_else(|| match &file.broken {
            Some(broken) => broken.clone().into(),
            None => nearest(file, kind).into(),
        })
    }

    fn within(sheet: &'a Sheet, kind: &'static Kind) -> CliResult<Option<Self>> {
        let rows = sheet.rows.iter().take_while(|it| it.number <= HEADER_WITHIN);
        for row in rows {
            let named = named(row, kind);
            let cuts = cuts(row, kind);
            let has_values = cuts.iter().any(|(_, cut)| matches!(cut, Cut::Categories(_)));
            let has = |field: &Field| {
                (*field == Field::Value && has_values) || named.iter().any(|(it, ..)| it == field)
            };
            if !kind.needed.iter().all(|group| group.iter().any(has)) {
                continue;
            }
            let (mut columns, mut titles) = (BTreeMap::new(), HashMap::new());
            for (column, cell) in row.cells.iter().enumerate() {
                titles.insert(column, cell.shown());
            }
            for (field, column, weak) in &named {
                let is_better =
                    |(it, _, other): &(Field, usize, bool)| it == field && !other && *weak;
                if named.iter().any(is_better) {
                    continue;
                }
                if let Some(other) = columns.insert(*field, *column) {
                    let (one, two) = (letters(other), letters(*column));
                    let name = kind.name(*field);
                    let told = format!(
                        "row {}: both column {one} and column {two} are \"{name}\": keep one",
                        row.number
                    );
                    return Err(told.into());
                }
            }
            let mut headed = Self {
                kind,
                sheet,
                row: row.number,
                columns,
                titles,
                cuts,
                carried: HashMap::new(),
            };
            headed.carry();
            return Ok(Some(headed));
        }
        Ok(None)
    }

    fn carry(&mut self) {
        let carrying: Vec<usize> =
            self.columns.iter().filter(|(field, _)| field.carries()).map(|it| *it.1).collect();
        let rows: HashMap<u32, &Row> = self.sheet.rows.iter().map(|it| (it.number, it)).collect();
        for merged in self.sheet.merged.iter().filter(|it| carrying.contains(&it.column)) {
            let Some(first) = rows.get(&merged.first) else { continue };
            for number in merged.first + 1..=merged.last {
                if rows.contains_key(&number) {
                    self.carried.insert((number, merged.column), first.cell(merged.column));
                }
            }
        }
    }

    /// The rows below the header that hold something in a column that is known.
    pub(super) fn rows(&self) -> impl Iterator<Item = &'a Row> {
        let below = self.sheet.rows.iter().filter(|it| it.number > self.row);
        let mut first = true;
        below.filter(move |row| {
            let is_first = std::mem::take(&mut first);
            let cuts = self.cuts.iter().map(|(column, _)| column);
            let mut known = self.columns.values().chain(cuts);
            let holds = known.any(|it| *row.cell(*it) != TableCell::Empty);
            holds && !(is_first && numbers_columns(row))
        })
    }

    /// The columns that break values down.
    pub(super) fn cuts(&self) -> &[(usize, Cut)] {
        &self.cuts
    }

    /// Where a field stands.
    pub(super) fn column(&self, field: Field) -> Option<usize> {
        self.columns.get(&field).copied()
    }

    /// The cell of a field, or the merged one that speaks for it.
    pub(super) fn cell<'b>(&'b self, row: &'b Row, field: Field) -> &'b TableCell {
        let Some(column) = self.column(field) else { return &TableCell::Empty };
        let own = row.cell(column);
        if *own != TableCell::Empty {
            return own;
        }
        self.carried.get(&(row.number, column)).copied().unwrap_or(own)
    }

    /// The first row of the merged cell that a cell belongs to; none if it stands alone.
    pub(super) fn merged(&self, row: &Row, column: usize) -> Option<u32> {
        let holds =
            |it: &&Merged| it.column == column && (it.first..=it.last).contains(&row.number);
        self.sheet.merged.iter().find(holds).map(|it| it.first)
    }

    /// The title of a column, as it stands in the file.
    pub(super) fn title(&self, column: usize) -> &str {
        self.titles.get(&column).map_or("", String::as_str)
    }

    /// The titles of columns that are not read.
    pub(super) fn unread(&self) -> Vec<&str> {
        let cuts = self.cuts.iter().map(|(column, _)| column);
        let read: Vec<usize> = self.columns.values().chain(cuts).copied().collect();
        let mut others: Vec<_> = self.titles.iter().filter(|it| !read.contains(it.0)).collect();
        others.sort();
        others.into_iter().map(|it| it.1.as_str()).filter(|it| !it.is_empty()).collect()
    }
}

/// The fields that a row names, with their columns, and whether by weak names.
fn named(row: &Row, kind: &Kind) -> Vec<(Field, usize, bool)> {
    let named = row.cells.iter().enumerate().filter_map(|(column, cell)| match cell {
        TableCell::Text(title) => kind.named(title).map(|(field, weak)| (field, column, weak)),
        TableCell::Empty | TableCell::Number(_) | TableCell::Day(_) | TableCell::Other(_) => None,
    });
    named.collect()
}

/// The columns of a row that break values down, in tables that may be.
fn cuts(row: &Row, kind: &Kind) -> Vec<(usize, Cut)> {
    if kind.columns.iter().all(|it| it.0 != Field::Breakdown) {
        return Vec::new();
    }
    let cuts = row.cells.iter().enumerate().filter_map(|(column, cell)| match cell {
        TableCell::Text(title) => Cut::of(title).map(|cut| (column, cut)),
        TableCell::Empty | TableCell::Number(_) | TableCell::Day(_) | TableCell::Other(_) => None,
    });
    cuts.collect()
}

/// Whether a row only numbers the columns, as the forms of reports do below their header: A, B, 1, 2, (3).
fn numbers_columns(row: &Row) -> bool {
    let mut last = 0;
    let texts = row.cells.iter().map(TableCell::shown).filter(|it| !it.is_empty());
    let mut count = 0;
    for text in texts {
        let text = text.trim().trim_start_matches('(').trim_end_matches(')').to_owned();
        count += 1;
        match text.parse::<u32>() {
            Ok(number) if number == last + 1 => last = number,
            Ok(_) => return false,
            Err(_)
                if text.len() == 1
                    && text.bytes().all(|it| it.is_ascii_alphabetic())
                    && last == 0 => {}
            Err(_) => return false,
        }
    }
    count >= 3
}

/// What is said when no row names the columns: the row that comes nearest, and what it lacks.
fn nearest(file: &TableFile, kind: &Kind) -> String {
    let rows = file.sheets.iter().flat_map(|sheet| {
        let rows = sheet.rows.iter().take_while(|it| it.number <= HEADER_WITHIN);
        rows.map(move |row| (sheet, row, named(row, kind)))
    });
    let lacking = |named: &[(Field, usize, bool)]| {
        let lacks = |group: &&&[Field]| !named.iter().any(|(it, ..)| group.contains(it));
        let lacking = kind.needed.iter().filter(lacks).map(|group| {
            let names: Vec<_> =
                group.iter().map(|it| format!("\"{}\"", kind.spoken(*it))).collect();
            names.join(" or ")
        });
        lacking.collect::<Vec<_>>().join(", ")
    };
    let best = rows.max_by_key(|(_, row, named)| (named.len(), std::cmp::Reverse(row.number)));
    match best {
        Some((sheet, row, named)) if !named.is_empty() => {
            let sheet =
                sheet.name.as_ref().map_or_else(String::new, |it| format!("sheet \"{it}\" "));
            format!(
                "no row names all columns that are needed; {sheet}row {} lacks {}",
                row.number,
                lacking(&named)
            )
        }
        Some(_) | None => {
            format!(
                "none of the first {HEADER_WITHIN} rows names the columns that are needed: {}",
                lacking(&[])
            )
        }
    }
}

impl Kind {
    /// The names of a column, for people who look for it.
    fn spoken(&self, field: Field) -> String {
        let column = self.columns.iter().find(|it| it.0 == field);
        column.map_or_else(String::new, |it| {
            it.1.iter().take(2).copied().collect::<Vec<_>>().join(" / ")
        })
    }
}
