//! A table for people: columns aligned by the width that text takes on a screen.
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{CliResult, clean, say};

/// Width of a column, at most.
const WIDEST: usize = 48;

/// How a column stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Text.
    Left,
    /// Numbers.
    Right,
}

/// Prints rows below their titles.
pub(super) fn print(titles: &[(&str, Side)], rows: &[Vec<String>]) -> CliResult {
    for line in lines(titles, rows) {
        say(&line)?;
    }
    Ok(())
}

fn lines(titles: &[(&str, Side)], rows: &[Vec<String>]) -> Vec<String> {
    let head: Vec<_> = titles.iter().map(|it| it.0.to_owned()).collect();
    let cut = |row: &Vec<String>| row.iter().map(|it| shorten(&clean(it))).collect::<Vec<_>>();
    let all: Vec<_> = std::iter::once(cut(&head)).chain(rows.iter().map(cut)).collect();
    let widths: Vec<usize> = (0..titles.len())
        .map(|column| {
            all.iter().filter_map(|row| row.get(column)).map(|it| it.width()).max().unwrap_or(0)
        })
        .collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(titles).zip(&widths).map(|((text, (_, side)), width)| {
            let pad = " ".repeat(width.saturating_sub(text.width()));
            match side {
                Side::Left => format!("{text}{pad}"),
                Side::Right => format!("{pad}{text}"),
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines: Vec<_> = all.iter().map(line).collect();
    let rule = widths.iter().map(|it| "-".repeat(*it)).collect::<Vec<_>>().join("  ");
    lines.insert(1, rule);
    lines
}

fn shorten(text: &str) -> String {
    if text.width() <= WIDEST {
        return text.to_owned();
    }
    let (mut kept, mut width) = (String::new(), 0);
    for it in text.chars() {
        width += it.width().unwrap_or(0);
        if width >= WIDEST {
            break;
        }
        kept.push(it);
    }
    kept.push('\u{2026}');
    kept
}

#[cfg(test)]
mod tests {
    use super::{Side, lines};

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let titles = [("unit", Side::Left), ("value", Side::Right)];
        let row = |unit: &str, value: &str| vec![unit.to_owned(), value.to_owned()];
        // The second is written with combining marks, the third in wide letters, the last is too long and would move
        // the cursor.
        let rows = [
            row("Huyện Mỏ Cày Bắc", "1"),
            row("Huye\u{302}\u{323}n Mo\u{309}", "10512"),
            row("省", "70,96"),
            row(&format!("\u{1b}[2J{}", "ậ".repeat(60)), "2"),
        ];
        let lines = lines(&titles, &rows);
        assert_eq!(lines[1], format!("{}  {}", "-".repeat(48), "-".repeat(5)));
        let ends: Vec<_> =
            lines.iter().map(|it| unicode_width::UnicodeWidthStr::width(it.as_str())).collect();
        assert_eq!(ends, [55; 6], "{lines:#?}");
        assert!(lines[5].contains('\u{2026}') && !lines[5].contains('\u{1b}'), "{lines:#?}");
    }
}
