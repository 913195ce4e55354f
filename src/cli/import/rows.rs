//! Rows become entries: what cannot be read is told, and the rest of the row is read all the same.
use std::collections::{BTreeSet, HashMap};

use unicode_normalization::UnicodeNormalization;

use super::{
    load::TableEntries,
    report::{Placed, Wrong},
};
use crate::{
    cli::{
        columns::{Field, Headed},
        cuts::Cut,
        parse::{self, Spoken},
        table::{Number, Row, TableCell},
    },
    config::Numbers,
    pb,
    rule::Rule,
    time::Day,
};

/// What was read.
pub(super) struct Read<'a> {
    pub(super) entries: TableEntries,
    pub(super) rows: Vec<Placed<'a>>,
    pub(super) wrong: BTreeSet<Wrong>,
}

/// Reads every row into empty entries of its kind.
pub(super) fn read<'a>(
    headed: &'a Headed<'a>,
    mut entries: TableEntries,
    numbers: Numbers,
) -> Read<'a> {
    let (mut rows, mut wrong) = (Vec::new(), BTreeSet::new());
    let mut earlier: HashMap<Vec<String>, u32> = HashMap::new();
    for (row, part) in parts(headed) {
        let mut reading =
            RowReader { headed, row, part, numbers, wrong: Vec::new(), percent: false };
        let key = match &mut entries {
            TableEntries::Observations(all) => {
                all.push(reading.observation());
                reading.key(&[Field::Indicator, Field::Unit, Field::Period, Field::Breakdown])
            }
            TableEntries::Targets(all) => {
                all.push(reading.target());
                reading.key(&[Field::Indicator, Field::Unit, Field::Period, Field::Breakdown])
            }
            TableEntries::Units(all) => {
                all.push(reading.unit());
                None
            }
        };
        // The hub sees contradictions in one batch only.
        if let Some(first) = key.map(|it| *earlier.entry(it).or_insert(row.number))
            && first != row.number
        {
            reading.refuse(
                Field::Period,
                format!("not stand twice for one indicator and unit: row {first} has it too"),
            );
        }
        let RowReader { headed: _, row, part, numbers: _, wrong: found, percent } = reading;
        let place = rows.len();
        wrong.extend(found.into_iter().map(|(field, rule)| Wrong {
            row: place,
            column: part.filter(|_| field == Field::Value).or(headed.column(field)),
            field: Some(field),
            rule: format!("must {rule}"),
        }));
        rows.push(Placed { row, percent });
    }
    Read { entries, rows, wrong }
}

/// The rows, each as often as it has values: once for the column of the value, and once for each column of a category
/// that holds one.
fn parts<'a>(headed: &'a Headed<'a>) -> impl Iterator<Item = (&'a Row, Option<usize>)> {
    headed.rows().flat_map(|row| {
        let valued = headed.cuts().iter().filter(|(column, cut)| {
            matches!(cut, Cut::Categories(_)) && *row.cell(*column) != TableCell::Empty
        });
        let mut parts: Vec<_> = valued.map(|(column, _)| Some(*column)).collect();
        let own = [Field::Value, Field::Numerator];
        if parts.is_empty() || own.iter().any(|it| *headed.cell(row, *it) != TableCell::Empty) {
            parts.insert(0, None);
        }
        parts.into_iter().map(move |part| (row, part))
    })
}

/// The reading of one row.
struct RowReader<'a> {
    headed: &'a Headed<'a>,
    row: &'a Row,
    /// The column of a category whose value is read; none for that of the value.
    part: Option<usize>,
    numbers: Numbers,
    wrong: Vec<(Field, Rule)>,
    percent: bool,
}

impl RowReader<'_> {
    fn refuse(&mut self, field: Field, rule: impl Into<Rule>) {
        self.wrong.push((field, rule.into()));
    }

    fn take<T: Default>(&mut self, field: Field, read: Result<T, Rule>) -> T {
        read.unwrap_or_else(|rule| {
            self.refuse(field, rule);
            T::default()
        })
    }

    fn cell(&self, field: Field) -> &TableCell {
        match (field, self.part) {
            (Field::Value, Some(column)) => self.row.cell(column),
            // What stands beside the parts speaks of the whole.
            (Field::Numerator | Field::Denominator | Field::AsWritten, Some(_)) => {
                &TableCell::Empty
            }
            (_, _) => self.headed.cell(self.row, field),
        }
    }

    /// What makes an entry the same as another; none if it cannot be told.
    fn key(&self, fields: &[Field]) -> Option<Vec<String>> {
        let is_wrong = |field: &Field| self.wrong.iter().any(|it| it.0 == *field);
        if fields.iter().any(is_wrong) {
            return None;
        }
        let mut key: Vec<_> =
            fields.iter().map(|it| parse::squeeze(&self.cell(*it).shown())).collect();
        let cuts = self.headed.cuts().iter();
        key.extend(cuts.filter_map(|(column, cut)| match cut {
            Cut::Dimension(_) => Some(parse::squeeze(&self.row.cell(*column).shown())),
            Cut::Categories(_) => (self.part == Some(*column)).then(|| column.to_string()),
        }));
        Some(key)
    }

    // === cells ===

    /// Text as it stands, in the form that the hub keeps.
    fn text(&mut self, field: Field) -> String {
        match self.cell(field) {
            TableCell::Other(text) => {
                let rule = not_a_datum(text);
                self.refuse(field, rule);
                String::new()
            }
            cell @ (TableCell::Empty
            | TableCell::Text(_)
            | TableCell::Number(_)
            | TableCell::Day(_)) => cell.shown().nfc().collect(),
        }
    }

    /// Text without space around it; none if the cell is empty.
    fn word(&mut self, field: Field) -> Option<String> {
        let text = self.text(field);
        let text = text.trim_matches(|it: char| it.is_whitespace());
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A word of a list; what it means when the cell is empty is the hub's to say.
    fn choice<T>(&mut self, field: Field, of: fn(&str) -> Result<T, Rule>) -> Option<T> {
        let text = self.word(field)?;
        let read = of(&text);
        read.map_err(|rule| self.refuse(field, rule)).ok()
    }

    fn needed(&mut self, field: Field) -> Option<String> {
        let known = self.wrong.len();
        let text = self.word(field);
        if text.is_none() && self.wrong.len() == known {
            self.refuse(field, "not be empty (only a merged cell speaks for the rows below it)");
        }
        text
    }

    fn unit_ref(&mut self, field: Field) -> Option<pb::UnitRef> {
        let text = match self.cell(field) {
            TableCell::Number(Number { plain, padded: None, .. })
                if !matches!(plain.len(), 2 | 3 | 5) =>
            {
                let rule = "be a code of 2, 3 or 5 digits: a cell with a number loses the zeros in front; \
                            format it as text";
                self.refuse(field, rule);
                return None;
            }
            TableCell::Empty if field == Field::Parent => return None,
            TableCell::Empty
            | TableCell::Text(_)
            | TableCell::Number(_)
            | TableCell::Day(_)
            | TableCell::Other(_) => self.needed(field)?,
        };
        let read = parse::unit(&text);
        read.map_err(|rule| self.refuse(field, rule)).ok()
    }

    fn period(&mut self) -> String {
        if let TableCell::Day(_) = self.cell(Field::Period) {
            let rule = "be a period, not a date: the spreadsheet may have made one of it; format the cell as text and \
                        write `2024-09`, or `2024-09-15` for a day";
            self.refuse(Field::Period, rule);
            return String::new();
        }
        let Some(text) = self.needed(Field::Period) else { return String::new() };
        let read = parse::period(&text, self.numbers);
        self.take(Field::Period, read)
    }

    fn day(&mut self, field: Field) -> String {
        if let TableCell::Number(_) = self.cell(field) {
            self.refuse(field, "be a date; the cell holds a number");
            return String::new();
        }
        let Some(text) = self.word(field) else { return String::new() };
        let read = parse::day(&text, self.numbers);
        self.take(field, read)
    }

    /// A number alone.
    fn number(&mut self, field: Field) -> Option<String> {
        let read = match self.cell(field) {
            TableCell::Empty => return None,
            TableCell::Number(Number { percent: true, .. }) => {
                Err("be a number, not a percentage".into())
            }
            TableCell::Number(Number { plain, .. }) => Ok(plain.clone()),
            TableCell::Text(text) => parse::number(text, self.numbers),
            TableCell::Day(_) => Err(a_date()),
            TableCell::Other(text) => Err(not_a_datum(text)),
        };
        read.map_err(|rule| self.refuse(field, rule)).ok()
    }

    /// A number with words around it.
    fn spoken(&mut self) -> Option<Spoken> {
        let read = match self.cell(Field::Value) {
            TableCell::Empty => return None,
            TableCell::Number(Number { plain, percent, .. }) => {
                Ok(Spoken { number: plain.clone(), percent: *percent, qualifier: None })
            }
            TableCell::Text(text) => parse::spoken(text, self.numbers),
            TableCell::Day(_) => Err(a_date()),
            TableCell::Other(text) => Err(not_a_datum(text)),
        };
        let spoken = read.map_err(|rule| self.refuse(Field::Value, rule)).ok()?;
        self.percent = spoken.percent;
        Some(spoken)
    }

    fn provenance(&mut self) -> pb::Provenance {
        pb::Provenance {
            source_system: String::new(),
            channel: self.choice(Field::Channel, parse::channel).unwrap_or_default().into(),
            source_document: self.text(Field::SourceDocument),
            source_record: self.text(Field::SourceRecord),
            quote: self.text(Field::Quote),
            as_written: self.text(Field::AsWritten),
            note: self.text(Field::Note),
        }
    }

    /// Where a value is given in words, these are kept as they were written, unless a column holds that.
    fn as_written(&self, provenance: &mut pb::Provenance) {
        if self.headed.column(Field::AsWritten).is_none() {
            provenance.as_written = self.cell(Field::Value).shown().trim().nfc().collect();
        }
    }

    // === entries ===

    fn observation(&mut self) -> pb::ObservationEntry {
        let indicator = self.needed(Field::Indicator).unwrap_or_default();
        let unit = self.unit_ref(Field::Unit);
        let period = self.period();
        let breakdown = self.breakdown();
        let mut status = self.choice(Field::Status, parse::status);
        let mut qualifier = self.choice(Field::Qualifier, parse::qualifier);
        let mut provenance = self.provenance();
        // "chưa đánh giá" may stand where the value would.
        let said = match self.cell(Field::Value) {
            TableCell::Text(text) => parse::status(text).ok(),
            TableCell::Empty | TableCell::Number(_) | TableCell::Day(_) | TableCell::Other(_) => {
                None
            }
        };
        let mut value = None;
        if let Some(said) = said {
            match status {
                Some(given) if given != said => {
                    self.refuse(
                        Field::Value,
                        "not say another thing than the column of the status",
                    );
                }
                _ => status = Some(said),
            }
            self.as_written(&mut provenance);
        } else if let Some(Spoken { number, percent: _, qualifier: said }) = self.spoken() {
            value = Some(number);
            match (said, qualifier) {
                (Some(said), Some(given)) if said != given => {
                    self.refuse(
                        Field::Value,
                        "not say another thing than the column of the qualifier",
                    );
                }
                (Some(said), _) => {
                    qualifier = Some(said);
                    self.as_written(&mut provenance);
                }
                (None, _) => {}
            }
        }
        pb::ObservationEntry {
            indicator,
            unit,
            period,
            breakdown,
            value,
            numerator: self.number(Field::Numerator),
            denominator: self.number(Field::Denominator),
            qualifier: qualifier.map(Into::into),
            // What a table states without a word about it is final.
            status: status.unwrap_or(pb::ObservationStatus::Final).into(),
            as_of: self.day(Field::AsOf),
            provenance: Some(provenance),
            correction_reason: self.text(Field::CorrectionReason),
            released_on: self.day(Field::ReleasedOn),
        }
    }

    fn breakdown(&mut self) -> std::collections::BTreeMap<String, String> {
        let breakdown = self.word(Field::Breakdown).unwrap_or_default();
        let mut breakdown = self.take(Field::Breakdown, parse::breakdown(&breakdown));
        let mut twice = None;
        let mut add = |dimension: &str, category: &str| {
            if breakdown.insert(dimension.to_owned(), category.to_owned()).is_some() {
                twice = Some(format!("name `{dimension}` once: another column has it too"));
            }
        };
        for (column, cut) in self.headed.cuts() {
            match cut {
                Cut::Dimension(dimension) => {
                    let category = self.row.cell(*column).shown();
                    if !category.trim().is_empty() {
                        add(dimension, category.trim());
                    }
                }
                Cut::Categories(all) if self.part == Some(*column) => {
                    all.iter().for_each(|(dimension, category)| add(dimension, category));
                }
                Cut::Categories(_) => {}
            }
        }
        if let Some(rule) = twice {
            self.refuse(Field::Breakdown, rule);
        }
        breakdown
    }

    fn target(&mut self) -> pb::TargetEntry {
        let indicator = self.needed(Field::Indicator).unwrap_or_default();
        let unit = self.unit_ref(Field::Unit);
        let period = self.period();
        let breakdown = self.breakdown();
        let mut comparison = self.choice(Field::Comparison, parse::comparison);
        let mut provenance = self.provenance();
        let mut value = None;
        if let Some(Spoken { number, percent: _, qualifier }) = self.spoken() {
            value = Some(number);
            match (qualifier, qualifier.and_then(parse::compares), comparison) {
                (None, ..) => {}
                (Some(_), None, _) => {
                    self.refuse(Field::Value, "be a bound such as `ít nhất 90` or `dưới 5`");
                }
                (Some(_), Some(said), Some(given)) if said != given => {
                    self.refuse(
                        Field::Value,
                        "not say another thing than the column of the comparison",
                    );
                }
                (Some(_), Some(said), _) => {
                    comparison = Some(said);
                    self.as_written(&mut provenance);
                }
            }
        }
        let is_told = self.wrong.iter().any(|it| matches!(it.0, Field::Comparison | Field::Value));
        if comparison.is_none() && !is_told {
            let rule = "say how a value must compare: `ít nhất 90`, or a column \"so sánh\" with `ít nhất`, `dưới` ...";
            let field = match self.headed.column(Field::Comparison) {
                Some(_) => Field::Comparison,
                None => Field::Value,
            };
            self.refuse(field, rule);
        }
        let comparison = comparison.unwrap_or_default().into();
        pb::TargetEntry {
            indicator,
            unit,
            period,
            comparison,
            value,
            provenance: Some(provenance),
            breakdown,
        }
    }

    fn unit(&mut self) -> pb::UnitEntry {
        let id = match self.word(Field::Id).map(|it| it.parse()) {
            None => 0,
            Some(Ok(id)) => id,
            Some(Err(_)) => {
                self.refuse(Field::Id, "be the hub's id of a unit, a whole number, or empty");
                0
            }
        };
        let level = self.choice(Field::Level, parse::level);
        if level.is_none() && *self.cell(Field::Level) == TableCell::Empty {
            self.refuse(Field::Level, "not be empty");
        }
        let valid_from = self.day(Field::ValidFrom);
        // A table names the last day, the hub the first one after it.
        let last = self.day(Field::ValidTo);
        let valid_before = Day::parse(&last).map_or(last, |it| it.next().to_string());
        let mut codes = Vec::new();
        for (field, scheme) in [(Field::Code, ""), (Field::AgencyCode, "agency")] {
            if *self.cell(field) == TableCell::Empty {
                continue;
            }
            let Some(named) = self.unit_ref(field) else { continue };
            match named.r#ref {
                Some(pb::unit_ref::Ref::Code(pb::UnitCode { scheme: own, code, date }))
                    if date.is_empty() =>
                {
                    let scheme = if own.is_empty() { scheme.to_owned() } else { own };
                    codes.push(pb::UnitCodeSpan { scheme, code, ..Default::default() });
                }
                Some(_) | None => self.refuse(field, "be a code such as `805` or `H56.12`"),
            }
        }
        if codes.is_empty()
            && !self.wrong.iter().any(|it| matches!(it.0, Field::Code | Field::AgencyCode))
        {
            let field = match self.headed.column(Field::Code) {
                Some(_) => Field::Code,
                None => Field::AgencyCode,
            };
            self.refuse(field, "not be empty: a unit has at least one code");
        }
        let own = match level {
            Some(pb::UnitLevel::Agency | pb::UnitLevel::Facility) => pb::UnitTree::Administration,
            _ => pb::UnitTree::Territory,
        };
        let tree = self.choice(Field::Tree, parse::tree).unwrap_or(own).into();
        let parent = self.unit_ref(Field::Parent);
        let parent = parent.map(|parent| pb::UnitParentEntry {
            tree,
            parent: Some(parent),
            valid_from: String::new(),
            valid_before: String::new(),
        });
        pb::UnitEntry {
            id,
            level: level.unwrap_or_default().into(),
            name: self.needed(Field::Name).unwrap_or_default(),
            valid_from,
            valid_before,
            codes,
            parents: parent.into_iter().collect(),
            expected_revision: None,
        }
    }
}

fn a_date() -> Rule {
    "be a number, not a date: the spreadsheet may have made one of it; format the cell as a number"
        .into()
}

fn not_a_datum(text: &str) -> Rule {
    if text.starts_with('#') {
        return "not be the error of a formula".into();
    }
    "be text, a number or a date".into()
}
