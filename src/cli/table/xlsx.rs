//! XLSX: cells with types. A number is a number, whatever its format shows, but for a percentage.
use std::io::Cursor;

use calamine::{DataRef, Reader, SheetType, SheetVisible, Style, Xlsx};

use super::{Merged, Number, Rows, Sheet, TableCell, bounds};
use crate::cli::CliResult;

/// Significant digits that a spreadsheet shows of a number.
const SHOWN_DIGITS: usize = 15;
/// Decimals that the hub keeps.
const KEPT_DECIMALS: usize = 10;

pub(super) fn read(bytes: Vec<u8>, named: Option<&str>) -> CliResult<Vec<Sheet>> {
    bounds::check(&bytes)?;
    let mut book =
        Xlsx::new(Cursor::new(bytes)).map_err(|err| format!("not a .xlsx workbook: {err}"))?;
    let sheets = book.sheets_metadata().iter().filter(|it| it.typ == SheetType::WorkSheet);
    let names: Vec<String> = match named {
        Some(name) => sheets.filter(|it| it.name == name).map(|it| it.name.clone()).collect(),
        None => sheets
            .filter(|it| it.visible == SheetVisible::Visible)
            .map(|it| it.name.clone())
            .collect(),
    };
    if let (Some(name), true) = (named, names.is_empty()) {
        let known: Vec<_> =
            book.sheets_metadata().iter().map(|it| format!("\"{}\"", it.name)).collect();
        return Err(format!("there is no sheet \"{name}\"; there are {}", known.join(", ")).into());
    }
    names.into_iter().map(|name| read_sheet(&mut book, name)).collect()
}

fn read_sheet(book: &mut Xlsx<Cursor<Vec<u8>>>, name: String) -> CliResult<Sheet> {
    let told = |err: calamine::XlsxError| format!("sheet \"{name}\": {err}");
    let mut merged = Vec::new();
    for region in book.merge_cells_by_sheet_name(&name).map_err(told)? {
        let ((first, column), (last, _)) = (region.start, region.end);
        if last > first {
            merged.push(Merged {
                first: first + 1,
                last: last + 1,
                column: usize::try_from(column)?,
            });
        }
    }
    let mut rows = Rows::default();
    let mut cells = book.worksheet_cells_reader(&name).map_err(told)?;
    let shows: Vec<Shows> = cells.styles().iter().map(Shows::of).collect();
    while let Some((cell, style)) = cells.next_cell_with_style_id().map_err(told)? {
        let (row, column) = cell.get_position();
        let shows = shows.get(style).copied().unwrap_or(Shows::AsIs);
        let column = usize::try_from(column)?;
        rows.put(row + 1, column, read_cell(cell.get_value(), shows));
        rows.check(&format!("sheet \"{name}\" has"))?;
    }
    Ok(Sheet { name: Some(name), rows: rows.done(), merged })
}

/// What a number format shows that the number itself is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shows {
    /// The number.
    AsIs,
    /// A hundred times the number, and a percent sign.
    Percent,
    /// At least so many digits.
    Digits(usize),
}

impl Shows {
    fn of(style: &Style) -> Self {
        let format = style.number_format.as_ref();
        let (code, id) = format.map_or(("", None), |it| (it.format_code.as_str(), it.format_id));
        // What stands in quotation marks, or after a backslash, is text.
        let mut bare = String::new();
        let (mut quoted, mut escaped) = (false, false);
        for it in code.chars() {
            match it {
                _ if escaped => escaped = false,
                '"' => quoted = !quoted,
                _ if quoted => {}
                '\\' => escaped = true,
                it => bare.push(it),
            }
        }
        if bare.contains('%') || matches!(id, Some(9 | 10)) {
            return Self::Percent;
        }
        let only_zeros = bare.len() > 1 && bare.bytes().all(|it| it == b'0');
        if only_zeros { Self::Digits(bare.len()) } else { Self::AsIs }
    }
}

fn read_cell(value: &DataRef<'_>, shows: Shows) -> TableCell {
    let text = |it: &str| {
        // Line breaks as the hub takes them.
        let text = it.replace("\r\n", "\n").replace("_x000D_\n", "\n").replace('\r', "\n");
        if text.trim().is_empty() { TableCell::Empty } else { TableCell::Text(text) }
    };
    match value {
        DataRef::Empty => TableCell::Empty,
        DataRef::String(it) => text(it),
        DataRef::SharedString(it) => text(it),
        DataRef::Int(it) => number(&it.to_string(), shows),
        DataRef::Float(it) if it.is_finite() => {
            number(&format!("{:.*e}", SHOWN_DIGITS - 1, it), shows)
        }
        DataRef::Float(it) => TableCell::Other(it.to_string()),
        DataRef::Bool(it) => TableCell::Other(if *it { "TRUE" } else { "FALSE" }.to_owned()),
        DataRef::Error(it) => TableCell::Other(it.to_string()),
        DataRef::DateTimeIso(it) => match it.split_once('T') {
            Some((day, time)) if time.trim_matches(['0', ':', '.', 'Z']).is_empty() => {
                TableCell::Day(day.to_owned())
            }
            None => TableCell::Day(it.clone()),
            Some(_) => TableCell::Other(it.clone()),
        },
        DataRef::DurationIso(it) => TableCell::Other(it.clone()),
        DataRef::DateTime(it) => {
            let (year, month, day, hour, minute, second, _) = it.to_ymd_hms_milli();
            let date = format!("{year:04}-{month:02}-{day:02}");
            match (it.is_datetime(), (hour, minute, second)) {
                (true, (0, 0, 0)) => TableCell::Day(date),
                (true, _) => TableCell::Other(format!("{date} {hour:02}:{minute:02}:{second:02}")),
                (false, _) => TableCell::Other(format!("{hour:02}:{minute:02}:{second:02}")),
            }
        }
    }
}

/// A number from its digits and its exponent. A spreadsheet keeps binary fractions and shows 15 digits of them: these
/// are the number, to the decimals that the hub keeps.
fn number(text: &str, shows: Shows) -> TableCell {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa),
    };
    let (whole, decimals) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let shift: i64 = exponent.parse().unwrap_or_default();
    let shift = shift + if shows == Shows::Percent { 2 } else { 0 };
    let digits = format!("{whole}{decimals}");
    let point = i64::try_from(whole.len()).unwrap_or_default() + shift;
    let plain = place(&digits, point);
    let is_zero = plain.bytes().all(|it| matches!(it, b'0' | b'.'));
    let plain = if negative && !is_zero { format!("-{plain}") } else { plain };
    let padded = match shows {
        Shows::Digits(count) if !plain.contains(['.', '-']) && plain.len() < count => {
            Some(format!("{plain:0>count$}"))
        }
        Shows::Digits(_) | Shows::AsIs | Shows::Percent => None,
    };
    TableCell::Number(Number { plain, percent: shows == Shows::Percent, padded })
}

/// Digits with a point after so many of them: plain, without zeros at either end, rounded to the decimals that are
/// kept.
fn place(digits: &str, point: i64) -> String {
    let before = usize::try_from(point).unwrap_or_default();
    let lead = usize::try_from(-point).unwrap_or_default();
    let all = format!("{}{digits}", "0".repeat(lead));
    let all = format!("{all:0<before$}");
    let (whole, decimals) = all.split_at(before.min(all.len()));
    let zeros = |it: &str| it.bytes().all(|b| b == b'0');
    // What would vanish is kept whole, for the hub to refuse.
    let vanishes = zeros(whole) && decimals.get(..KEPT_DECIMALS).is_some_and(zeros);
    let count = if vanishes { decimals.len() } else { decimals.len().min(KEPT_DECIMALS) };
    let (kept, dropped) = decimals.split_at(count);
    let mut kept: Vec<u8> = format!("{whole}{kept}").into_bytes();
    if dropped.as_bytes().first().is_some_and(|it| *it >= b'5') {
        // Half away from zero, with what is carried.
        let mut carried = true;
        for digit in kept.iter_mut().rev() {
            if !carried {
                break;
            }
            carried = *digit == b'9';
            *digit = if carried { b'0' } else { *digit + 1 };
        }
        if carried {
            kept.insert(0, b'1');
        }
    }
    let text = String::from_utf8(kept).unwrap_or_default();
    let (whole, decimals) = text.split_at(text.len() - count);
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    match decimals.trim_end_matches('0') {
        "" => whole.to_owned(),
        decimals => format!("{whole}.{decimals}"),
    }
}

#[cfg(test)]
mod tests {
    use calamine::DataRef;

    use super::{Number, Shows, TableCell, read_cell};

    fn plain(value: f64, shows: Shows) -> String {
        let cell = read_cell(&DataRef::Float(value), shows);
        let TableCell::Number(Number { plain, .. }) = cell else { panic!("{cell:?}") };
        plain
    }

    #[test]
    fn a_binary_number_is_read_as_the_spreadsheet_shows_it() {
        for (value, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (10512.0, "10512"),
            (70.96, "70.96"),
            (0.1 + 0.2, "0.3"),
            (-2.5, "-2.5"),
            (1.0 / 3.0, "0.3333333333"),
            (2.0 / 3.0, "0.6666666667"),
            (62.0 / 102.0 * 100.0, "60.7843137255"),
            (99.999_999_999_99, "100"),
            (123_456_789_012_345.0, "123456789012345"),
            (1e18, "1000000000000000000"),
            (1e-5, "0.00001"),
            (1e-12, "0.000000000001"),
        ] {
            assert_eq!(plain(value, Shows::AsIs), expected, "{value}");
        }
    }

    #[test]
    fn a_percentage_is_the_number_that_is_shown() {
        for (value, expected) in [(0.7096, "70.96"), (1.0, "100"), (0.29, "29"), (-0.005, "-0.5")] {
            assert_eq!(plain(value, Shows::Percent), expected, "{value}");
        }
    }

    #[test]
    fn zeros_in_front_are_kept_where_the_format_shows_them() {
        let padded =
            |value: f64, digits| read_cell(&DataRef::Float(value), Shows::Digits(digits)).shown();
        assert_eq!(padded(691.0, 5), "00691");
        assert_eq!(padded(16342.0, 5), "16342");
        assert_eq!(padded(1.5, 5), "1.5");
    }
}
