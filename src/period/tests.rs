//! Rules of periods.
use chrono::{Datelike, NaiveDate};

use super::*;

const KINDS: [PeriodKind; 9] = [
    PeriodKind::Hour,
    PeriodKind::Day,
    PeriodKind::Week,
    PeriodKind::Month,
    PeriodKind::Quarter,
    PeriodKind::Half,
    PeriodKind::Year,
    PeriodKind::SchoolYear,
    PeriodKind::ToDate,
];

fn period(code: &str) -> Period {
    Period::parse(code).unwrap()
}

fn span(text: &str) -> Span {
    let (from, to) = text.split_once(' ').unwrap();
    Span { from: Day::parse(from).unwrap(), to: Day::parse(to).unwrap() }
}

fn codes(periods: &[Period]) -> String {
    periods.iter().map(Period::to_string).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_code_is_read_strictly_and_given_back() {
    fn check(code: &str, kind: Option<PeriodKind>) {
        let read = Period::parse(code).ok();
        assert_eq!(read.map(Period::kind), kind, "{code}");
        assert_eq!(code.parse::<Period>().ok(), read);
        if let Some(period) = read {
            assert_eq!(period.to_string(), code);
        }
    }
    check("2024", Some(PeriodKind::Year));
    check("2024-H2", Some(PeriodKind::Half));
    check("2024-Q4", Some(PeriodKind::Quarter));
    check("2024-12", Some(PeriodKind::Month));
    check("2024-W01", Some(PeriodKind::Week));
    check("2024-02-29", Some(PeriodKind::Day));
    check("2024-YTD-12", Some(PeriodKind::ToDate));
    check("2024-SY", Some(PeriodKind::SchoolYear));
    check("2024-12-31T23", Some(PeriodKind::Hour));
    check("2024-01-01T00", Some(PeriodKind::Hour));
    check("1900-01", Some(PeriodKind::Month));
    check("2199-12-31", Some(PeriodKind::Day));
    // Week 53 exists only in long years.
    for (year, long) in [(2015, true), (2020, true), (2024, false), (2025, false), (2026, true)] {
        check(&format!("{year}-W53"), long.then_some(PeriodKind::Week));
    }
    for bad in [
        "",
        "24",
        "02024",
        "1899",
        "2200",
        "0000",
        "9999",
        "2024-",
        "-2024",
        "2024 ",
        " 2024",
        "2024-H0",
        "2024-H3",
        "2024-h1",
        "2024-H01",
        "2024-H",
        "2024-Q0",
        "2024-Q5",
        "2024-q1",
        "2024-00",
        "2024-13",
        "2024-1",
        "2024-001",
        "2024-W00",
        "2024-W54",
        "2024-W1",
        "2024-w01",
        "2024-YTD-00",
        "2024-YTD-13",
        "2024-YTD-9",
        "2024-YTD",
        "2024-YTD09",
        "2024-ytd-09",
        "2023-02-29",
        "2024-02-30",
        "2024-9-15",
        "2024-09-15-",
        "2024--09",
        "2024-09-15T24",
        "2024-09-15T1",
        "2024-02-30T10",
        "2024-SY-1",
        "2024-sy",
        "2024-W37-1",
        "2024/09",
        "２０２４",
        "2024-+9",
        "2024-Q+",
        "+024",
        "2024\n",
        "2200-YTD-01",
    ] {
        check(bad, None);
    }
    assert!(Period::parse("x").unwrap_err().0.contains("`2024-YTD-09`"));
}

#[test]
fn a_period_covers_its_days_in_both_calendars() {
    fn check(code: &str, calendar: &str, report: &str) {
        assert_eq!(period(code).range(false), span(calendar), "{code}");
        assert_eq!(period(code).range(true), span(report), "{code} in reports");
    }
    check("2024", "2024-01-01 2024-12-31", "2023-12-15 2024-12-14");
    check("2024-H1", "2024-01-01 2024-06-30", "2023-12-15 2024-06-14");
    check("2024-H2", "2024-07-01 2024-12-31", "2024-06-15 2024-12-14");
    check("2024-Q1", "2024-01-01 2024-03-31", "2023-12-15 2024-03-14");
    check("2024-Q4", "2024-10-01 2024-12-31", "2024-09-15 2024-12-14");
    check("2024-01", "2024-01-01 2024-01-31", "2023-12-15 2024-01-14");
    check("2024-02", "2024-02-01 2024-02-29", "2024-01-15 2024-02-14");
    check("2023-02", "2023-02-01 2023-02-28", "2023-01-15 2023-02-14");
    check("2024-YTD-01", "2024-01-01 2024-01-31", "2023-12-15 2024-01-14");
    check("2024-YTD-09", "2024-01-01 2024-09-30", "2023-12-15 2024-09-14");
    check("2024-YTD-12", "2024-01-01 2024-12-31", "2023-12-15 2024-12-14");
    check("2024-W37", "2024-09-09 2024-09-15", "2024-09-09 2024-09-15");
    check("2025-W01", "2024-12-30 2025-01-05", "2024-12-30 2025-01-05");
    check("2026-W53", "2026-12-28 2027-01-03", "2026-12-28 2027-01-03");
    check("2024-02-29", "2024-02-29 2024-02-29", "2024-02-29 2024-02-29");
    check("2024-SY", "2024-09-01 2025-08-31", "2024-08-15 2025-08-14");
    check("2024-02-29T10", "2024-02-29 2024-02-29", "2024-02-29 2024-02-29");
}

#[test]
fn the_next_one_follows_without_a_gap() {
    fn check(code: &str, next: Option<&str>) {
        assert_eq!(period(code).next().map(|it| it.to_string()).as_deref(), next, "{code}");
    }
    check("2024", Some("2025"));
    check("2024-H2", Some("2025-H1"));
    check("2024-Q3", Some("2024-Q4"));
    check("2024-12", Some("2025-01"));
    check("2024-W52", Some("2025-W01"));
    check("2026-W52", Some("2026-W53"));
    check("2024-02-28", Some("2024-02-29"));
    check("2023-12-31", Some("2024-01-01"));
    check("2024-YTD-11", Some("2024-YTD-12"));
    check("2024-YTD-12", Some("2025-YTD-01"));
    for last in ["2199", "2199-H2", "2199-12", "2199-12-31", "2199-W52", "2199-YTD-12"] {
        check(last, None);
    }
}

#[test]
fn three_centuries_have_no_gap_and_agree_with_chrono() {
    let alone = [PeriodKind::ToDate, PeriodKind::Hour];
    for kind in KINDS.into_iter().filter(|it| !alone.contains(it)) {
        for report in [false, true] {
            let mut at = Period { kind, year: 1900, n: 1 };
            loop {
                assert_eq!(Period::parse(&at.to_string()), Ok(at));
                let Span { from, to } = at.range(report);
                assert_eq!(Period::containing(kind, from, report), Some(at));
                assert_eq!(Period::containing(kind, to, report), Some(at));
                if kind == PeriodKind::Week {
                    let (year, month, day) = to.ymd();
                    let week = NaiveDate::from_ymd_opt(year, month, day).unwrap().iso_week();
                    assert_eq!((week.year(), week.week().cast_signed()), (at.year, at.n));
                }
                let Some(next) = at.next() else { break };
                assert_eq!(next.range(report).from, to.next(), "{at}");
                at = next;
            }
        }
    }
}

#[test]
fn the_parts_make_the_whole() {
    fn check(code: &str, kind: PeriodKind, parts: Option<&str>) {
        let found = period(code).parts(kind, false);
        assert_eq!(found.as_deref().map(codes).as_deref(), parts, "{code} {kind:?}");
    }
    check("2024", PeriodKind::Half, Some("2024-H1 2024-H2"));
    check("2024", PeriodKind::Quarter, Some("2024-Q1 2024-Q2 2024-Q3 2024-Q4"));
    check("2024-H2", PeriodKind::Quarter, Some("2024-Q3 2024-Q4"));
    check("2024-Q3", PeriodKind::Month, Some("2024-07 2024-08 2024-09"));
    check("2024-YTD-02", PeriodKind::Month, Some("2024-01 2024-02"));
    check("2024-YTD-01", PeriodKind::Month, Some("2024-01"));
    check("2024-YTD-03", PeriodKind::Quarter, Some("2024-Q1"));
    check("2024-YTD-09", PeriodKind::Quarter, Some("2024-Q1 2024-Q2 2024-Q3"));
    check("2024-YTD-08", PeriodKind::Quarter, None);
    check("2024-YTD-12", PeriodKind::Half, Some("2024-H1 2024-H2"));
    check("2024-YTD-09", PeriodKind::Half, None);
    check("2024-Q1", PeriodKind::Half, None);
    check("2024-09", PeriodKind::Week, None);
    check("2024-W37", PeriodKind::Month, None);
    check("2024-09-15", PeriodKind::Month, None);
    check("2024", PeriodKind::ToDate, None);
    let school = "2024-09 2024-10 2024-11 2024-12 2025-01 2025-02 2025-03 2025-04 2025-05 2025-06 2025-07 2025-08";
    check("2024-SY", PeriodKind::Month, Some(school));
    check("2024-SY", PeriodKind::Quarter, None);
    check("2024-09-15T10", PeriodKind::Day, None);
    check("2024-09", PeriodKind::Hour, None);
    assert_eq!(period("2024-02-29").parts(PeriodKind::Hour, false).unwrap().len(), 24);
    for kind in KINDS {
        for code in ["2024", "2024-H1", "2024-Q1", "2024-01", "2024-W01", "2024-01-01"] {
            if period(code).kind == kind {
                check(code, kind, None);
            }
        }
    }
    check("2024-YTD-06", PeriodKind::ToDate, None);
    // Reports on it begin in 1899, of which nothing speaks.
    assert_eq!(period("1900-01").parts(PeriodKind::Day, true), None);
}

#[test]
fn parts_cover_every_day_once_in_both_calendars() {
    for code in ["2024", "2024-H2", "2024-Q1", "2024-02", "2024-W01", "2024-YTD-06"] {
        for (kind, report) in KINDS.into_iter().flat_map(|it| [(it, false), (it, true)]) {
            let Some(parts) = period(code).parts(kind, report) else { continue };
            if kind == PeriodKind::Hour {
                continue;
            }
            let whole = period(code).range(report);
            let mut at = whole.from;
            for part in parts {
                assert_eq!((part.kind(), part.range(report).from), (kind, at));
                at = part.range(report).to.next();
            }
            assert_eq!(at, whole.to.next(), "{code} {kind:?} {report}");
        }
    }
}

#[test]
fn a_day_is_in_one_period_of_each_kind() {
    fn check(day: &str, kind: PeriodKind, calendar: Option<&str>, report: Option<&str>) {
        for (flag, expect) in [(false, calendar), (true, report)] {
            let found = Period::containing(kind, Day::parse(day).unwrap(), flag);
            assert_eq!(found.map(|it| it.to_string()).as_deref(), expect, "{day} {kind:?}");
        }
    }
    check("2024-12-14", PeriodKind::Year, Some("2024"), Some("2024"));
    check("2024-12-15", PeriodKind::Year, Some("2024"), Some("2025"));
    check("2024-03-15", PeriodKind::Quarter, Some("2024-Q1"), Some("2024-Q2"));
    check("2024-06-15", PeriodKind::Half, Some("2024-H1"), Some("2024-H2"));
    check("2024-09-14", PeriodKind::Month, Some("2024-09"), Some("2024-09"));
    check("2024-09-15", PeriodKind::Month, Some("2024-09"), Some("2024-10"));
    check("2024-12-30", PeriodKind::Week, Some("2025-W01"), Some("2025-W01"));
    check("2027-01-03", PeriodKind::Week, Some("2026-W53"), Some("2026-W53"));
    check("2024-02-29", PeriodKind::Day, Some("2024-02-29"), Some("2024-02-29"));
    check("2199-12-15", PeriodKind::Month, Some("2199-12"), None);
    check("2024-02-29", PeriodKind::ToDate, None, None);
    for (kind, open) in KINDS.into_iter().flat_map(|it| [(it, Day::FIRST), (it, Day::LAST)]) {
        assert_eq!(Period::containing(kind, open, true), None);
    }
}

#[test]
fn a_span_holds_the_periods_whose_last_day_is_inside() {
    fn check(kind: PeriodKind, days: &str, report: bool, expect: &str) {
        assert_eq!(
            codes(&Period::ending_within(kind, span(days), report)),
            expect,
            "{kind:?} {days}"
        );
    }
    check(PeriodKind::Month, "2024-01-01 2024-03-31", false, "2024-01 2024-02 2024-03");
    check(PeriodKind::Month, "2024-01-02 2024-03-30", false, "2024-01 2024-02");
    check(PeriodKind::Month, "2024-01-01 2024-03-31", true, "2024-01 2024-02 2024-03");
    check(PeriodKind::Week, "2024-12-29 2025-01-12", false, "2024-W52 2025-W01 2025-W02");
    check(PeriodKind::Year, "2024-01-02 2024-12-31", false, "2024");
    check(PeriodKind::Day, "2024-02-28 2024-03-01", true, "2024-02-28 2024-02-29 2024-03-01");
    check(
        PeriodKind::ToDate,
        "2024-11-01 2025-02-28",
        false,
        "2024-YTD-11 2024-YTD-12 2025-YTD-01 2025-YTD-02",
    );
    check(PeriodKind::ToDate, "2024-01-01 2024-02-28", false, "2024-YTD-01");
    check(PeriodKind::Day, "2024-03-01 2024-02-01", false, "");
    fn count(kind: PeriodKind, from: Day, to: Day, expect: usize) {
        assert_eq!(Period::ending_within(kind, Span { from, to }, true).len(), expect, "{kind:?}");
    }
    count(PeriodKind::Year, Day::FIRST, Day::LAST, 300);
    count(PeriodKind::ToDate, Day::FIRST, Day::LAST, 3_600);
    count(PeriodKind::Day, Day::FIRST, Day::LAST, 10_000);
    count(PeriodKind::Day, Day::LAST, Day::LAST, 0);
    count(PeriodKind::Month, Day::FIRST, Day::FIRST, 0);
}

#[test]
fn codes_for_the_same_days_have_one_canonical_one() {
    fn check(code: &str, frequency: PeriodKind, canonical: &str) {
        assert_eq!(
            period(code).canonical(frequency).to_string(),
            canonical,
            "{code} {frequency:?}"
        );
        assert!(period(code).same_days().contains(&period(canonical)), "{code}");
        assert!(period(canonical).same_days().contains(&period(code)), "{canonical}");
    }
    check("2024-YTD-03", PeriodKind::Month, "2024-Q1");
    check("2024-Q1", PeriodKind::Quarter, "2024-Q1");
    check("2024-Q1", PeriodKind::Half, "2024-YTD-03");
    check("2024-YTD-01", PeriodKind::Day, "2024-01");
    check("2024-01", PeriodKind::Year, "2024-YTD-01");
    check("2024-YTD-12", PeriodKind::Year, "2024");
    check("2024-YTD-06", PeriodKind::SchoolYear, "2024-YTD-06");
    check("2024-YTD-09", PeriodKind::Month, "2024-YTD-09");
    check("2024-Q2", PeriodKind::Year, "2024-Q2");
    check("2024-SY", PeriodKind::Month, "2024-SY");
}

#[test]
fn a_year_before_bears_the_same_name() {
    fn check(code: &str, before: Option<&str>) {
        let found = period(code).year_before().map(|it| it.to_string());
        assert_eq!(found.as_deref(), before, "{code}");
    }
    check("2024-09", Some("2023-09"));
    check("2024-YTD-09", Some("2023-YTD-09"));
    check("2024-SY", Some("2023-SY"));
    check("2025-03-01", Some("2024-03-01"));
    check("2024-02-29", None);
    check("2024-03-01T07", Some("2023-03-01T07"));
    check("2026-W53", None);
    check("1900", None);
}
