//! What people write, and what it means.
use super::{Numbers, day, number, period, qualifier, spoken, status, unit};
use crate::pb::{self, unit_ref::Ref};

#[test]
fn numbers_are_read_as_they_are_written_in_viet_nam() {
    let good = [
        ("10.512", "10512"),
        ("70,96", "70.96"),
        ("1.234.567,5", "1234567.5"),
        ("0", "0"),
        ("0,5", "0.5"),
        ("007", "7"),
        ("-3,5", "-3.5"),
        ("\u{2212}3", "-3"),
        ("-0,0", "0.0"),
        ("10512", "10512"),
        ("10512,25", "10512.25"),
        ("10 512", "10512"),
        ("10\u{a0}512", "10512"),
        ("1\u{202f}234\u{202f}567", "1234567"),
        ("\u{a0}42 ", "42"),
        ("10,512", "10.512"),
    ];
    for (text, expected) in good {
        assert_eq!(number(text, Numbers::Vi).as_deref(), Ok(expected), "{text}");
    }
    // One that could be meant either way is not guessed at, and says so.
    for text in
        ["10.5", "1.23", "10.5123", "0.512", "1,234,567", "1.234,567,8", "10.51.234", "1..2", "1,"]
    {
        let rule = number(text, Numbers::Vi).unwrap_err().to_string();
        assert!(rule.contains("cannot be told") && rule.contains("--numbers en"), "{text}: {rule}");
    }
    for text in
        ["", "mười", "12 hồ sơ", "1e5", "+5", "(5)", "½", "-", "#N/A", "12%", "0x1f", "１２"]
    {
        assert!(number(text, Numbers::Vi).is_err(), "{text}");
    }
}

#[test]
fn numbers_are_read_as_they_are_written_in_english() {
    for (text, expected) in [
        ("10,512", "10512"),
        ("70.96", "70.96"),
        ("1,234,567.5", "1234567.5"),
        ("10.512", "10.512"),
    ] {
        assert_eq!(number(text, Numbers::En).as_deref(), Ok(expected), "{text}");
    }
    for text in ["10,5", "1.234.567", "70,96"] {
        let rule = number(text, Numbers::En).unwrap_err().to_string();
        assert!(rule.contains("--numbers vi"), "{text}: {rule}");
    }
}

#[test]
fn words_before_a_number_say_how_exactly_it_is_known() {
    use pb::ValueQualifier::{About, AtLeast, AtMost, LessThan, MoreThan};
    for (text, expected, number, percent) in [
        ("hơn 55%", Some(MoreThan), "55", true),
        ("Trên 1.000", Some(MoreThan), "1000", false),
        ("gần 30 %", Some(About), "30", true),
        ("khoảng -2,5", Some(About), "-2.5", false),
        ("ít nhất 90", Some(AtLeast), "90", false),
        (">= 90", Some(AtLeast), "90", false),
        ("≥90%", Some(AtLeast), "90", true),
        (">90", Some(MoreThan), "90", false),
        ("dưới 5", Some(LessThan), "5", false),
        ("không quá 3", Some(AtMost), "3", false),
        ("70,96%", None, "70.96", true),
        ("12", None, "12", false),
        ("-12", None, "-12", false),
    ] {
        let told = spoken(text, Numbers::Vi).unwrap();
        assert_eq!(
            (told.qualifier, told.number.as_str(), told.percent),
            (expected, number, percent),
            "{text}"
        );
    }
    for text in ["chừng 5", "hơn", "5 trở lên", "hơn trên 5", "hơn hơn", "5 %%"] {
        assert!(spoken(text, Numbers::Vi).is_err(), "{text}");
    }
    assert_eq!(qualifier("HƠN"), Ok(MoreThan));
    assert_eq!(qualifier("AT_LEAST"), Ok(AtLeast));
    assert!(qualifier("rất").is_err());
    assert_eq!(status("Chưa  đánh giá"), Ok(pb::ObservationStatus::NotAssessed));
    assert_eq!(status("NOT_IMPLEMENTED"), Ok(pb::ObservationStatus::NotImplemented));
    assert!(status("chưa").is_err());
}

#[test]
fn periods_are_read_in_words_that_leave_no_doubt() {
    for (text, expected) in [
        ("2024", "2024"),
        ("năm 2024", "2024"),
        ("2024-Q3", "2024-Q3"),
        ("2024-YTD-09", "2024-YTD-09"),
        ("9 tháng 2024", "2024-YTD-09"),
        ("9 tháng năm 2024", "2024-YTD-09"),
        ("09 tháng đầu năm 2024", "2024-YTD-09"),
        ("12 tháng/2024", "2024-YTD-12"),
        ("Quý III/2024", "2024-Q3"),
        ("quý 3 năm 2024", "2024-Q3"),
        ("QUÝ IV NĂM 2024", "2024-Q4"),
        ("Q1/2024", "2024-Q1"),
        ("tháng 9/2024", "2024-09"),
        ("Tháng 09 năm 2024", "2024-09"),
        ("T9/2024", "2024-09"),
        ("9/2024", "2024-09"),
        ("tuần 37/2024", "2024-W37"),
        ("6 tháng cuối năm 2024", "2024-H2"),
        ("6 tháng 2024", "2024-YTD-06"),
        ("6 tháng đầu năm 2024", "2024-YTD-06"),
        ("năm học 2024-2025", "2024-SY"),
        ("Năm học 2024 - 2025", "2024-SY"),
        ("ngày 15/9/2024", "2024-09-15"),
        ("15/9/2024", "2024-09-15"),
        ("\u{a0}2024\u{a0}", "2024"),
    ] {
        assert_eq!(period(text, Numbers::Vi).as_deref(), Ok(expected), "{text}");
    }
    for text in [
        "",
        "quý 2024",
        "quý V/2024",
        "13/2024",
        "tháng 13/2024",
        "năm ngoái",
        "24",
        "9 tháng",
        "31/2/2024",
    ] {
        assert!(period(text, Numbers::Vi).is_err(), "{text}");
    }
    // In English, which of 9/8 is the month cannot be told.
    assert!(period("9/8/2024", Numbers::En).is_err());
}

#[test]
fn dates_are_read_day_first() {
    for text in ["2024-09-15", "15/9/2024", "15-09-2024", "15.9.2024", "ngày 15 tháng 9 năm 2024"]
    {
        assert_eq!(day(text, Numbers::Vi).as_deref(), Ok("2024-09-15"), "{text}");
    }
    for text in ["9/15/2024", "31/2/2024", "15/9", "15/9/24", "hôm qua"] {
        assert!(day(text, Numbers::Vi).is_err(), "{text}");
    }
    assert!(day("15/9/2024", Numbers::En).is_err());
}

#[test]
fn units_are_named_by_code_scheme_or_id() {
    let code = |scheme: &str, code: &str, date: &str| {
        Ref::Code(pb::UnitCode { scheme: scheme.into(), code: code.into(), date: date.into() })
    };
    for (text, expected) in [
        ("805", code("", "805", "")),
        (" 00691 ", code("", "00691", "")),
        ("805@2024-12-31", code("", "805", "2024-12-31")),
        ("agency:H56.12", code("agency", "H56.12", "")),
        ("so-y-te:A-1@2024-01-01", code("so-y-te", "A-1", "2024-01-01")),
        ("id:123", Ref::Id(123)),
    ] {
        assert_eq!(unit(text).unwrap().r#ref, Some(expected), "{text}");
    }
    for text in
        ["", "Huyện Tân Trụ", "id:0", "id:x", "id:1@2024-01-01", ":805", "805@", "805@soon", "A B"]
    {
        assert!(unit(text).is_err(), "{text}");
    }
}
