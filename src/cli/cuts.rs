//! The columns of a table that break its values down: one for a dimension, or one for each category.
use std::collections::BTreeMap;

use super::parse::{self, squeeze};
use crate::indicator::is_word;

/// A column that says of a value what part of the whole it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Its cells hold categories of this dimension: a column `phân tổ: channel`.
    Dimension(String),
    /// Its cells hold the values of these categories: a column `channel=online`.
    Categories(BTreeMap<String, String>),
}

impl Cut {
    /// What a title names; none of an ordinary column.
    pub(super) fn of(title: &str) -> Option<Self> {
        if title.contains('=') {
            let categories = parse::breakdown(title).ok()?;
            let words = categories.iter().all(|(one, two)| is_word(one) && is_word(two));
            return (words && !categories.is_empty()).then_some(Self::Categories(categories));
        }
        let (kind, dimension) = title.split_once(':')?;
        let dimension = dimension.trim();
        let is_cut = matches!(squeeze(kind).as_str(), "phan to" | "breakdown");
        (is_cut && is_word(dimension)).then(|| Self::Dimension(dimension.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_names_a_dimension_or_categories() {
        let one = |it: &str| Some(Cut::Dimension(it.to_owned()));
        assert_eq!(Cut::of("Phân tổ: channel"), one("channel"));
        assert_eq!(Cut::of("breakdown:sex"), one("sex"));
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let categories =
            |all: &[(String, String)]| Some(Cut::Categories(all.iter().cloned().collect()));
        assert_eq!(Cut::of("channel=online"), categories(&[pair("channel", "online")]));
        let two = [pair("channel", "online"), pair("sex", "f")];
        assert_eq!(Cut::of("channel=online, sex=f"), categories(&two));
        for title in ["Phân tổ", "Kênh: online", "a = b?", "Giá trị", "=", "phân tổ: Kênh"]
        {
            assert_eq!(Cut::of(title), None, "{title}");
        }
    }
}
