//! The name of an item of a batch: `indicator unit period breakdown`, as they were sent.
use std::fmt;

use super::{Breakdown, CellKey, Code};
use crate::{period::Period, unit};

/// Most characters kept of each of the four: more than any well-formed one has.
const MOST: [usize; 4] = [80, 150, 40, 1_000];

/// Writes the four as they were sent, even if malformed: an empty one is `?`, and a character that would separate them
/// is `_`.
pub fn spell(indicator: &str, unit: &str, period: &str, breakdown: &str) -> String {
    let parts = [indicator, unit, period, breakdown].into_iter().zip(MOST);
    let parts: Vec<_> = parts.map(|(text, most)| tidy(text, most)).collect();
    let text = parts.join(" ");
    // A breakdown is left out where there is none.
    text.strip_suffix(" ?").map_or_else(|| text.clone(), str::to_owned)
}

fn tidy(text: &str, most: usize) -> String {
    if text.is_empty() {
        return "?".to_owned();
    }
    let plain = |it: char| if it.is_whitespace() || it.is_control() { '_' } else { it };
    text.chars().take(most).map(plain).collect()
}

impl fmt::Display for CellKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { indicator, unit, period, breakdown } = self;
        let (unit, period) = (unit.to_string(), period.to_string());
        f.write_str(&spell(indicator.as_str(), &unit, &period, &breakdown.to_string()))
    }
}

impl CellKey {
    /// Reads the text; nothing where it was not well formed.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let indicator = Code::parse(parts.next()?).ok()?;
        let unit = unit::Ref::from_text(parts.next()?)?;
        let period = Period::parse(parts.next()?).ok()?;
        let breakdown = Breakdown::from_text(parts.next().unwrap_or_default());
        Some(Self { indicator, unit, period, breakdown })
    }
}

#[cfg(test)]
mod tests {
    use super::{CellKey, spell};

    #[test]
    fn an_item_reads_back_from_its_text() {
        let all = [
            "doc.count 83 2024",
            "doc.count 83@2024-12-31 2024-YTD-09 channel=online,sex=female",
            "doc.count agency:H56.12 2024-09",
            "doc.count id:12 2024-Q3",
        ];
        for text in all {
            assert_eq!(CellKey::from_text(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_badly_written_is_kept_as_it_was_written_and_names_no_cell() {
        let bad = spell("doc count\0", "", "tháng 9", "");
        assert_eq!(bad, "doc_count_ ? tháng_9");
        assert!(CellKey::from_text(&bad).is_none());
        assert_eq!(spell(&"a".repeat(5_000), "1", "2024", "").len(), 80 + " 1 2024".len());
    }
}
