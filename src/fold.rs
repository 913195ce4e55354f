//! Text without tone marks and case, as people search for it: "Bến Tre" is found by "ben tre".
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// A text in lower case, without tone marks, `đ` as `d`.
pub fn fold(text: &str) -> String {
    text.nfd()
        .filter(|it| !is_combining_mark(*it))
        .flat_map(char::to_lowercase)
        .map(|it| if it == '\u{111}' { 'd' } else { it })
        .collect()
}

/// The words of a text, folded; what is neither a letter nor a digit parts them.
pub fn words(text: &str) -> Vec<String> {
    let folded = fold(text);
    let words = folded.split(|it: char| !it.is_alphanumeric());
    words.filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// Whether every word that is looked for begins a word of the text, in any order.
pub fn matches(text: &str, wanted: &[String]) -> bool {
    let there = words(text);
    wanted.iter().all(|wanted| there.iter().any(|it| it.starts_with(wanted.as_str())))
}

#[cfg(test)]
mod tests {
    use super::{fold, matches, words};

    #[test]
    fn tone_marks_and_case_are_dropped() {
        for (text, expect) in [
            ("Huyện Mỏ Cày Bắc", "huyen mo cay bac"),
            ("Đồng Nai", "dong nai"),
            ("ĐỊNH HÓA", "dinh hoa"),
            // Decomposed, as some systems send it.
            ("Be\u{302}\u{301}n Tre", "ben tre"),
            ("H56.12", "h56.12"),
        ] {
            assert_eq!(fold(text), expect);
        }
    }

    #[test]
    fn words_are_found_by_their_beginnings_in_any_order() {
        assert_eq!(words("Bà Rịa - Vũng Tàu"), ["ba", "ria", "vung", "tau"]);
        for (wanted, expect) in [
            ("ben tre", true),
            ("TRE bến", true),
            ("phuong be", true),
            ("", true),
            ("en tre", false),
            ("ben tre xa", false),
        ] {
            assert_eq!(matches("Phường Bến Tre", &words(wanted)), expect, "{wanted}");
        }
    }
}
