//! Where an export goes: CSV or XLSX. A file is there when it is whole, and not before.
use std::{
    error::Error as StdError,
    fs::{self, File},
    io::{BufWriter, Write},
    path::{Path, PathBuf},
};

use rust_xlsxwriter::{Format, Workbook};

use crate::{
    cli::{CliResult, failure::unwritten, parse, table::guard},
    config::Numbers,
};

/// Rows that a sheet has, at most.
const MOST_ROWS: u32 = 1_048_576;
/// Digits that a number in a sheet keeps.
const SHEET_DIGITS: usize = 15;

/// What stands in a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datum {
    /// Text: whoever reads it is never made to run it.
    Text(String),
    /// A decimal, or none.
    Number(Option<String>),
}

/// A table that is being written.
pub(super) struct Sink {
    kind: Kind,
    numbers: Numbers,
    /// Where it is written, and where it will be.
    place: Option<(PathBuf, PathBuf)>,
}

enum Kind {
    Csv(Box<csv::Writer<Box<dyn Write>>>),
    Xlsx(Box<Workbook>, u32),
}

impl Sink {
    /// Begins a table with the titles of its columns.
    pub(super) fn create(out: &Path, titles: &[&str], numbers: Numbers) -> CliResult<Self> {
        let told = |err: std::io::Error| format!("{}: {err}", out.display());
        let extension = out.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let extension = extension.as_ref().and_then(|it| it.to_str());
        let place = || {
            let mut part = out.as_os_str().to_owned();
            part.push(".part");
            (PathBuf::from(part), out.to_owned())
        };
        let mut sink = match extension {
            _ if out == Path::new("-") => {
                let to: Box<dyn Write> = Box::new(std::io::stdout());
                let kind = Kind::Csv(Box::new(csv::Writer::from_writer(to)));
                Self { kind, numbers, place: None }
            }
            Some("csv") => {
                let (part, whole) = place();
                let mut file = BufWriter::new(File::create(&part).map_err(told)?);
                // The mark by which spreadsheets know UTF-8.
                file.write_all(b"\xef\xbb\xbf").map_err(told)?;
                let to: Box<dyn Write> = Box::new(file);
                let kind = Kind::Csv(Box::new(csv::Writer::from_writer(to)));
                Self { kind, numbers, place: Some((part, whole)) }
            }
            Some("xlsx") => {
                let place = place();
                // So that it cannot be found out at the end only.
                File::create(&place.0).map_err(told)?;
                let mut book = Workbook::new();
                book.add_worksheet_with_constant_memory()?;
                Self { kind: Kind::Xlsx(Box::new(book), 0), numbers, place: Some(place) }
            }
            Some(_) | None => {
                return Err(
                    format!("{}: --out must end in .csv or .xlsx, or be -", out.display()).into()
                );
            }
        };
        let titles: Vec<_> = titles.iter().map(|it| Datum::Text((*it).to_owned())).collect();
        sink.row(&titles)?;
        Ok(sink)
    }

    /// Writes a row.
    pub(super) fn row(&mut self, row: &[Datum]) -> CliResult {
        let numbers = self.numbers;
        match &mut self.kind {
            Kind::Csv(to) => {
                let cells = row.iter().map(|it| match it {
                    Datum::Text(text) => guard(text),
                    Datum::Number(number) => {
                        parse::spell(number.as_deref().unwrap_or_default(), numbers)
                    }
                });
                to.write_record(cells).map_err(unrecorded)?;
            }
            Kind::Xlsx(book, next) => {
                if *next >= MOST_ROWS {
                    return Err(format!("a sheet has {MOST_ROWS} rows: export to .csv").into());
                }
                let bold = Format::new().set_bold();
                let sheet = book.worksheet_from_index(0)?;
                for (column, it) in (0..).zip(row) {
                    match it {
                        Datum::Text(text) if text.is_empty() => {}
                        Datum::Text(text) if *next == 0 => {
                            sheet.write_string_with_format(*next, column, text, &bold)?;
                        }
                        Datum::Text(text) => {
                            sheet.write_string(*next, column, text)?;
                        }
                        Datum::Number(None) => {}
                        Datum::Number(Some(number)) => match exact(number) {
                            Some(value) => {
                                sheet.write_number(*next, column, value)?;
                            }
                            None => {
                                sheet.write_string(*next, column, parse::spell(number, numbers))?;
                            }
                        },
                    }
                }
                *next += 1;
            }
        }
        Ok(())
    }

    /// Ends the table: what was written is a file from now on.
    pub(super) fn done(mut self) -> CliResult {
        match &mut self.kind {
            Kind::Csv(to) => to.flush().map_err(unwritten)?,
            Kind::Xlsx(book, _) => {
                if let Some((part, _)) = &self.place {
                    book.save(part)?;
                }
            }
        }
        if let Some((part, whole)) = &self.place {
            fs::rename(part, whole).map_err(|err| format!("{}: {err}", whole.display()))?;
        }
        self.place = None;
        Ok(())
    }
}

/// What was not finished is not left behind.
impl Drop for Sink {
    fn drop(&mut self) {
        if let Some((part, _)) = &self.place {
            // There may be nothing to remove.
            drop(fs::remove_file(part));
        }
    }
}

/// An error of writing a row. Converted by `into`, it would lose its kind: a closed pipe would be a failure.
fn unrecorded(err: csv::Error) -> Box<dyn StdError> {
    let text = err.to_string();
    if let csv::ErrorKind::Io(err) = err.into_kind() { unwritten(err) } else { text.into() }
}

/// A decimal as a sheet's number, if the sheet keeps every digit of it.
fn exact(decimal: &str) -> Option<f64> {
    let digits = decimal.bytes().filter(u8::is_ascii_digit).count();
    if digits > SHEET_DIGITS { None } else { decimal.parse().ok() }
}
