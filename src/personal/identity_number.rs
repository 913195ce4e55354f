//! Numbers that look like identity numbers, in free text where none may stand.

/// Digits of an identity number: the citizen's card, and the identity card before it.
const LENGTHS: [usize; 2] = [12, 9];

/// Whether a text holds 9 or 12 digits in a row, no more and no fewer.
///
/// Or as many in groups of three or more with single dots or spaces between them. Amounts with dots between thousands
/// (`123.456.789`, never with a 0 before) are none, and neither are decimals (`0.123456789`) and rows of years.
pub fn holds_identity_number(text: &str) -> bool {
    // The cheap test first: most texts hold no nine digits.
    if text.bytes().filter(u8::is_ascii_digit).count() < 9 {
        return false;
    }
    let groups = groups(text);
    let is_whole = |i: usize, digits: &str| {
        let before = i.checked_sub(1).and_then(|it| groups.get(it));
        let is_decimal = groups.get(i).is_some_and(|it| matches!(it.before, Some('.' | ',')))
            && before.is_some_and(|it| it.digits.len() <= 3);
        LENGTHS.contains(&digits.len()) && !is_decimal
    };
    if groups.iter().enumerate().any(|(i, it)| is_whole(i, it.digits)) {
        return true;
    }
    let is_joined = |it: &DigitGroup<'_>| matches!(it.before, Some('.' | ' ' | '\u{a0}'));
    let mut rest = groups.as_slice();
    while let Some((_, after)) = rest.split_first() {
        let more = after.iter().take_while(|it| is_joined(it)).count();
        let (run, later) = rest.split_at(more + 1);
        if is_in_groups(run) {
            return true;
        }
        rest = later;
    }
    false
}

/// Digits in a row, and the one sign that joins them to those before.
struct DigitGroup<'a> {
    digits: &'a str,
    before: Option<char>,
}

fn groups(text: &str) -> Vec<DigitGroup<'_>> {
    let mut groups: Vec<DigitGroup<'_>> = Vec::new();
    let mut end = 0;
    let mut rest = text;
    while let Some(start) = rest.find(|it: char| it.is_ascii_digit()) {
        let from = text.len() - rest.len() + start;
        let tail = text.get(from..).unwrap_or_default();
        let length = tail.find(|it: char| !it.is_ascii_digit()).unwrap_or(tail.len());
        let (digits, after) = tail.split_at(length);
        let mut between = text.get(end..from).unwrap_or_default().chars();
        let before = match (between.next(), between.next()) {
            (Some(sign), None) if !groups.is_empty() => Some(sign),
            _ => None,
        };
        groups.push(DigitGroup { digits, before });
        end = from + length;
        rest = after;
    }
    groups
}

fn is_in_groups(run: &[DigitGroup<'_>]) -> bool {
    let count: usize = run.iter().map(|it| it.digits.len()).sum();
    let Some((first, more)) = run.split_first() else { return false };
    if more.is_empty() || !LENGTHS.contains(&count) || run.iter().any(|it| it.digits.len() < 3) {
        return false;
    }
    let is_dotted = more.iter().all(|it| it.before == Some('.') && it.digits.len() == 3);
    let is_amount = is_dotted && first.digits.len() == 3 && !first.digits.starts_with('0');
    let is_year = |it: &DigitGroup<'_>| {
        it.digits.len() == 4 && (it.digits.starts_with("19") || it.digits.starts_with("20"))
    };
    !is_amount && !run.iter().all(is_year)
}

#[cfg(test)]
mod tests {
    use super::holds_identity_number;

    #[test]
    fn identity_numbers_are_told_from_other_numbers() {
        for text in [
            "083301001234",
            "của bà Hoa, CCCD 083301001234.",
            "số083301001234;",
            "CMND 321123456 cấp tại Bến Tre",
            "0833 0100 1234",
            "083 301 001 234",
            "083.301.001.234",
            "321 123 456",
            "321.123 456",
            "083301 001234",
            "083301001234,083301005678",
            "năm 2025 083301001234",
        ] {
            assert!(holds_identity_number(text), "{text}");
        }
        for text in [
            "",
            "278/2025/QĐ-UBND",
            "000.00.12.H56-230915-0001",
            "1.004194",
            "0912 345 678",
            "0912345678",
            "thu 123.456.789 đồng",
            "thu 123.456.789.012 đồng",
            "1.234.567.890",
            "123,456,789",
            "0.123456789",
            "0,123456789012",
            "0833010012345",
            "12345678",
            "2023 2024 2025",
            "từ 01.01.2025 đến 31.12.2025",
            "12 34 56 78 9",
            "Báo cáo số 123/BC-UBND ngày 15/9/2024, 45.678 hồ sơ",
        ] {
            assert!(!holds_identity_number(text), "{text}");
        }
    }
}
