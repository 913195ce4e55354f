//! CSV: text with commas, semicolons or tabs between cells.
//!
//! It is read here, and not by a library, because a report must name the row as a spreadsheet counts it, empty rows
//! and line breaks inside cells included, and because a quotation mark that is never closed must not swallow rows in
//! silence.
use super::{Rows, Sheet, TableCell};
use crate::cli::CliResult;

/// What may stand between cells.
const SEPARATORS: [char; 3] = [';', ',', '\t'];

/// The same text, once for each separator: which one it is shows when a header is found.
///
/// With a separator that is not the file's own, a quotation mark may seem to be open: that is an error only when no
/// header is found otherwise.
pub(super) fn read(bytes: &[u8], sheet: Option<&str>) -> CliResult<(Vec<Sheet>, Option<String>)> {
    if sheet.is_some() {
        return Err("a CSV file has no sheets: leave out --sheet".into());
    }
    if bytes.starts_with(&[0xd0, 0xcf, 0x11, 0xe0]) {
        return Err(
            "this is an old (.xls) or a protected workbook: save it as .xlsx without a password"
                .into(),
        );
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = std::str::from_utf8(bytes).map_err(|err| {
        let before = bytes.get(..err.valid_up_to()).unwrap_or_default();
        let line = before.iter().filter(|it| **it == b'\n').count() + 1;
        format!("line {line} is not UTF-8: save the file as \"CSV UTF-8\"")
    })?;
    if text.contains('\0') {
        return Err("this is neither CSV text nor a .xlsx workbook".into());
    }
    let mut separators: Vec<char> =
        SEPARATORS.into_iter().filter(|it| text.contains(*it)).collect();
    if separators.is_empty() {
        separators.push(',');
    }
    let (mut sheets, mut broken) = (Vec::new(), None);
    for separator in separators {
        match split(text, separator) {
            Ok(sheet) => sheets.push(sheet),
            Err(err) => broken = Some(err.to_string()),
        }
    }
    match broken {
        Some(err) if sheets.is_empty() => Err(err.into()),
        broken => Ok((sheets, broken)),
    }
}

/// Where the reading stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CsvState {
    /// Before the first character of a cell.
    Start,
    /// In a cell without quotation marks.
    Plain,
    /// Between quotation marks.
    Quoted,
    /// After a quotation mark that closes, unless another follows.
    Closed,
}

fn split(text: &str, separator: char) -> CliResult<Sheet> {
    let mut rows = Rows::default();
    let (mut row, mut column, mut opened) = (1, 0, 1);
    let (mut at, mut cell) = (CsvState::Start, String::new());
    let mut rest = text.chars().peekable();
    while let Some(it) = rest.next() {
        // A line ends with LF, CR LF, or CR alone.
        if it == '\r' && rest.peek() == Some(&'\n') {
            continue;
        }
        match (at, it) {
            (CsvState::Quoted, '"') => at = CsvState::Closed,
            (CsvState::Quoted, '\r') => cell.push('\n'),
            (CsvState::Quoted, it) => cell.push(it),
            (CsvState::Closed, '"') => {
                cell.push('"');
                at = CsvState::Quoted;
            }
            (CsvState::Start, '"') => {
                at = CsvState::Quoted;
                opened = row;
            }
            (CsvState::Start | CsvState::Plain | CsvState::Closed, it) if it == separator => {
                rows.put(row, column, read_cell(&std::mem::take(&mut cell)));
                column += 1;
                at = CsvState::Start;
            }
            (CsvState::Start | CsvState::Plain | CsvState::Closed, '\n' | '\r') => {
                rows.put(row, column, read_cell(&std::mem::take(&mut cell)));
                (row, column, at) = (row + 1, 0, CsvState::Start);
            }
            (CsvState::Start | CsvState::Plain | CsvState::Closed, it) => {
                cell.push(it);
                at = CsvState::Plain;
            }
        }
    }
    if at == CsvState::Quoted {
        return Err(format!("row {opened}: a quotation mark is opened and never closed").into());
    }
    rows.put(row, column, read_cell(&cell));
    Ok(Sheet { name: None, rows: rows.done(), merged: Vec::new() })
}

fn read_cell(text: &str) -> TableCell {
    if text.trim().is_empty() {
        return TableCell::Empty;
    }
    TableCell::Text(unguard(text).to_owned())
}

/// What a spreadsheet would take for a formula if it stood first in a cell.
fn is_formula(text: &str) -> bool {
    text.trim_start_matches('\'').starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// Text as it stands in a CSV file: with an apostrophe in front where a spreadsheet would run it as a formula.
pub(in crate::cli) fn guard(text: &str) -> String {
    if is_formula(text) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was guarded.
fn unguard(text: &str) -> &str {
    text.strip_prefix('\'').filter(|_| is_formula(text)).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::{super::Row, TableCell, guard, read, split, unguard};

    fn texts(rows: &[Row]) -> Vec<(u32, Vec<String>)> {
        rows.iter().map(|it| (it.number, it.cells.iter().map(TableCell::shown).collect())).collect()
    }

    #[test]
    fn rows_are_counted_as_a_spreadsheet_counts_them() {
        let text = "title\r\n\r\na;\"b\nc\";d\r\n;;\r\n\"e \"\"f\"\"\";;g;";
        let expected =
            [(1, vec!["title"]), (3, vec!["a", "b\nc", "d"]), (5, vec!["e \"f\"", "", "g"])];
        let expected = expected.map(|(row, it)| (row, it.into_iter().map(str::to_owned).collect()));
        assert_eq!(texts(&split(text, ';').unwrap().rows), expected);
        // The same with other line ends.
        let old = text.replace("\r\n", "\r");
        assert_eq!(texts(&split(&old, ';').unwrap().rows), expected);
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        let told = |bytes: &[u8]| read(bytes, None).unwrap_err().to_string();
        assert!(told(b"a,b\nc,\"d\ne,f\n").contains("row 2: a quotation mark"), "unclosed");
        assert!(told(b"a,b\nc,\xe1\n").contains("line 2 is not UTF-8"));
        assert!(told(b"a\0b\0").contains("neither CSV"));
        assert!(told(&[0xd0, 0xcf, 0x11, 0xe0, 1]).contains(".xls"));
        assert!(read(b"a,b", Some("S")).is_err());
    }

    #[test]
    fn a_formula_is_guarded_and_comes_back() {
        for text in ["=1+1", "+84", "-x", "@SUM(A1)", "\t=1", "'=1", "''-1", "\r1"] {
            let guarded = guard(text);
            assert!(guarded.starts_with('\''), "{text}");
            assert_eq!(unguard(&guarded), text);
        }
        for text in ["", "a=1", "'quoted'", "1", "'", "''"] {
            assert_eq!((guard(text).as_str(), unguard(text)), (text, text));
        }
    }
}
