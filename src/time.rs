//! Instants in UTC, days in Viet Nam, spans of days.
use std::{fmt, ops::RangeInclusive, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, SecondsFormat, Utc};

use crate::rule::Rule;

/// The years that a caller may speak about.
pub(crate) const YEARS: RangeInclusive<i32> = 1900..=2199;

/// The seconds of [`YEARS`], in UTC.
const SECONDS: RangeInclusive<i64> = -2_208_988_800..=7_258_118_399;

const MICROS_A_SECOND: i64 = 1_000_000;
const MICROS_A_DAY: i64 = 86_400 * MICROS_A_SECOND;

/// Viet Nam is seven hours ahead of UTC the whole year.
const AHEAD: i64 = 7 * 3_600 * MICROS_A_SECOND;

/// An instant: microseconds since the Unix epoch, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
pub struct Timestamp(i64);

/// A calendar day in Viet Nam: days since 1970-01-01.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
    sea_orm::DeriveValueType,
)]
#[serde(transparent)]
pub struct Day(i32);

/// Days from one to another, both inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The first day.
    pub from: Day,
    /// The last day.
    pub to: Day,
}

impl Timestamp {
    /// The instant at which this is called.
    pub fn now() -> Self {
        Self(Utc::now().timestamp_micros())
    }

    /// From microseconds since the Unix epoch.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the Unix epoch.
    pub fn micros(self) -> i64 {
        self.0
    }

    /// From seconds and nanoseconds since the Unix epoch; what is below a microsecond is dropped.
    pub fn from_parts(seconds: i64, nanos: i32) -> Result<Self, Rule> {
        if !SECONDS.contains(&seconds) {
            return Err("be an instant in the years 1900 to 2199".into());
        }
        if !(0..=999_999_999).contains(&nanos) {
            return Err("have nanos from 0 to 999999999".into());
        }
        Ok(Self(seconds * MICROS_A_SECOND + i64::from(nanos / 1_000)))
    }

    /// Seconds and nanoseconds since the Unix epoch; the nanoseconds are never negative.
    pub fn parts(self) -> (i64, i32) {
        let below = self.0.rem_euclid(MICROS_A_SECOND) * 1_000;
        (self.0.div_euclid(MICROS_A_SECOND), i32::try_from(below).unwrap_or_default())
    }

    /// The day in Viet Nam.
    pub fn day(self) -> Day {
        Day::clamped(self.0.saturating_add(AHEAD).div_euclid(MICROS_A_DAY))
    }

    /// The year and the month in Viet Nam.
    pub fn month(self) -> (i32, u32) {
        let (year, month, _) = self.day().ymd();
        (year, month)
    }

    /// Later by so many microseconds, if there is such an instant.
    pub fn checked_add_micros(self, micros: i64) -> Option<Self> {
        self.0.checked_add(micros).map(Self)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let end = if self.0 < 0 { DateTime::<Utc>::MIN_UTC } else { DateTime::<Utc>::MAX_UTC };
        let time = DateTime::from_timestamp_micros(self.0).unwrap_or(end);
        f.write_str(&time.to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Day {
    /// The open past.
    pub const FIRST: Self = Self(-1_000_000);

    /// The open future.
    pub const LAST: Self = Self(1_000_000);

    /// A real date written `YYYY-MM-DD`.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        const RULE: &str = "be a date such as `2024-09-15`, in the years 1900 to 2199";
        let mut parts = text.split('-');
        let (Some(year), Some(month), Some(day), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(RULE.into());
        };
        let (Some(year), Some(month), Some(day)) =
            (number(year, 4), number(month, 2), number(day, 2))
        else {
            return Err(RULE.into());
        };
        Self::from_ymd(year, month, day)
            .filter(|_| YEARS.contains(&year))
            .ok_or_else(|| RULE.into())
    }

    /// The first day after a last one: a date as [`Day::parse`] reads it, or `2200-01-01`, the day after all of them.
    pub fn parse_end(text: &str) -> Result<Self, Rule> {
        let end = Self::from_ymd(*YEARS.end() + 1, 1, 1).filter(|it| it.to_string() == text);
        end.map_or_else(
            || {
                Self::parse(text).map_err(|_| {
                    "be a date such as `2024-09-15`, in the years 1900 to 2199, or `2200-01-01`"
                        .into()
                })
            },
            Ok,
        )
    }

    /// Today in Viet Nam.
    pub fn today() -> Self {
        Timestamp::now().day()
    }

    /// From a year, a month and a day, if there is such a date between the open past and future.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        let day = Self(NaiveDate::from_ymd_opt(year, month, day)?.to_epoch_days());
        (Self::FIRST < day && day < Self::LAST).then_some(day)
    }

    /// The year, the month and the day.
    pub fn ymd(self) -> (i32, u32, u32) {
        let within = self.clamp(Self::FIRST, Self::LAST);
        // Every day between the two is a date.
        let date = NaiveDate::from_epoch_days(within.0).unwrap_or_default();
        (date.year(), date.month(), date.day())
    }

    /// The day after.
    #[must_use]
    pub fn next(self) -> Self {
        self.plus(1)
    }

    /// The day before.
    #[must_use]
    pub fn previous(self) -> Self {
        self.plus(-1)
    }

    /// Later by so many days; the open past and future stay what they are.
    #[must_use]
    pub fn plus(self, days: i32) -> Self {
        if self == Self::FIRST || self == Self::LAST {
            return self;
        }
        Self::clamped(i64::from(self.0) + i64::from(days))
    }

    /// Midnight in Viet Nam, at which the day begins.
    pub fn start(self) -> Timestamp {
        Timestamp(i64::from(self.0).saturating_mul(MICROS_A_DAY).saturating_sub(AHEAD))
    }

    /// From days since 1970-01-01, clamped into [`Day::FIRST`] to [`Day::LAST`].
    pub fn from_number(number: i32) -> Self {
        Self(number.clamp(Self::FIRST.0, Self::LAST.0))
    }

    /// Days since 1970-01-01.
    pub fn number(self) -> i32 {
        self.0
    }

    /// The day of this number, or the open past or future that lies before it.
    fn clamped(number: i64) -> Self {
        let end = if number < 0 { Self::FIRST } else { Self::LAST };
        i32::try_from(number).map_or(end, |it| Self(it).clamp(Self::FIRST, Self::LAST))
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::FIRST || *self == Self::LAST {
            return Ok(());
        }
        let (year, month, day) = self.ymd();
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl Span {
    /// Whether the day is inside.
    pub fn contains(self, day: Day) -> bool {
        self.from <= day && day <= self.to
    }

    /// Whether some day is inside both.
    pub fn overlaps(self, other: Self) -> bool {
        !self.cut(other).is_empty()
    }

    /// Whether no day is inside.
    pub fn is_empty(self) -> bool {
        self.from > self.to
    }

    /// The days inside both.
    #[must_use]
    pub fn cut(self, other: Self) -> Self {
        Self { from: self.from.max(other.from), to: self.to.min(other.to) }
    }
}

/// The number written with exactly so many ASCII digits.
pub(crate) fn number<T: FromStr>(text: &str, digits: usize) -> Option<T> {
    let plain = text.len() == digits && text.bytes().all(|it| it.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn a_date_is_strict_and_real() {
        fn check(text: &str, number: Option<i32>) {
            assert_eq!(Day::parse(text).ok().map(Day::number), number, "{text}");
            if number.is_some() {
                assert_eq!(day(text).to_string(), text);
            }
        }
        check("1970-01-01", Some(0));
        check("1969-12-31", Some(-1));
        check("2024-02-29", Some(19_782));
        check("2000-02-29", Some(11_016));
        check("1900-01-01", Some(-25_567));
        check("2199-12-31", Some(84_005));
        for bad in [
            "",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-04-31",
            "2024-01-00",
            "1899-12-31",
            "2200-01-01",
            "0000-01-01",
            "9999-12-31",
            "2024-1-01",
            "2024-01-1",
            "24-01-01",
            "20240101",
            "2024/01/01",
            "2024-01-01T00:00:00Z",
            "2024-01-01-",
            " 2024-01-01",
            "2024-01-01 ",
            "-2024-01-01",
            "+024-01-01",
            "2024-+1-01",
            "2024-01-٠١",
            "２０２４-01-01",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn the_open_past_and_future_stay_open() {
        for open in [Day::FIRST, Day::LAST] {
            assert_eq!([open.next(), open.previous(), open.plus(7)], [open; 3]);
            assert_eq!(open.to_string(), "");
            assert_eq!(open.start().day(), open);
        }
        let now = day("2024-02-28");
        assert_eq!(now.plus(i32::MAX), Day::LAST);
        assert_eq!(now.plus(i32::MIN), Day::FIRST);
        assert_eq!((now.next(), now.plus(2)), (day("2024-02-29"), day("2024-03-01")));
        assert_eq!(day("2024-01-01").previous(), day("2023-12-31"));
        assert_eq!(Timestamp::from_micros(i64::MAX).day(), Day::LAST);
        assert_eq!(Timestamp::from_micros(i64::MIN).day(), Day::FIRST);
        assert_eq!(Day::from_ymd(200_000, 1, 1), None);
    }

    #[test]
    fn a_day_begins_seven_hours_before_it_does_in_utc() {
        fn check(utc: (i64, i32), expect: &str) {
            let time = Timestamp::from_parts(utc.0, utc.1).unwrap();
            assert_eq!(time.day().to_string(), expect, "{time}");
            let (year, month, _) = day(expect).ymd();
            assert_eq!(time.month(), (year, month));
        }
        check((0, 0), "1970-01-01");
        check((17 * 3_600 - 1, 999_999_999), "1970-01-01");
        check((17 * 3_600, 0), "1970-01-02");
        check((-7 * 3_600 - 1, 999_999_999), "1969-12-31");
        check((-7 * 3_600, 0), "1970-01-01");
        // 2024-06-30T17:00:00Z is already July.
        check((1_719_766_800, 0), "2024-07-01");
        check((1_719_766_799, 0), "2024-06-30");
        assert_eq!(day("2024-07-01").start().to_string(), "2024-06-30T17:00:00.000000Z");
    }

    #[test]
    fn an_instant_is_cut_to_microseconds_and_bounded() {
        fn check(seconds: i64, nanos: i32, expect: Option<(i64, &str)>) {
            let read = Timestamp::from_parts(seconds, nanos).ok();
            let shown = read.map(|it| (it.micros(), it.to_string()));
            assert_eq!(shown, expect.map(|(it, text)| (it, text.to_owned())), "{seconds} {nanos}");
            if let Some(time) = read {
                assert_eq!(time.parts(), (seconds, nanos / 1_000 * 1_000));
            }
        }
        check(0, 0, Some((0, "1970-01-01T00:00:00.000000Z")));
        check(0, 1_999, Some((1, "1970-01-01T00:00:00.000001Z")));
        check(-1, 999_999_999, Some((-1, "1969-12-31T23:59:59.999999Z")));
        check(-2_208_988_800, 0, Some((-2_208_988_800_000_000, "1900-01-01T00:00:00.000000Z")));
        check(
            7_258_118_399,
            999_999_999,
            Some((7_258_118_399_999_999, "2199-12-31T23:59:59.999999Z")),
        );
        check(-2_208_988_801, 999_999_999, None);
        check(7_258_118_400, 0, None);
        check(i64::MAX, 0, None);
        check(0, -1, None);
        check(0, 1_000_000_000, None);
        let max = Timestamp::from_micros(i64::MAX);
        assert_eq!(max.checked_add_micros(1), None);
        assert_eq!(max.checked_add_micros(-1).map(Timestamp::micros), Some(i64::MAX - 1));
        // Beyond what a date can say, but no panic.
        assert!(max.to_string().ends_with('Z'));
    }

    #[test]
    fn spans_hold_both_ends() {
        fn check(one: (&str, &str), two: (&str, &str), common: Option<(&str, &str)>) {
            let span = |it: (&str, &str)| Span { from: day(it.0), to: day(it.1) };
            let (one, two) = (span(one), span(two));
            assert_eq!(one.overlaps(two), common.is_some());
            assert_eq!(two.overlaps(one), common.is_some());
            let cut = one.cut(two);
            assert_eq!((!cut.is_empty()).then_some(cut), common.map(span));
        }
        check(
            ("2024-01-01", "2024-01-31"),
            ("2024-01-31", "2024-02-05"),
            Some(("2024-01-31", "2024-01-31")),
        );
        check(
            ("2024-01-01", "2024-12-31"),
            ("2024-03-01", "2024-03-02"),
            Some(("2024-03-01", "2024-03-02")),
        );
        check(("2024-01-01", "2024-01-31"), ("2024-02-01", "2024-02-29"), None);
        let open = Span { from: Day::FIRST, to: Day::LAST };
        assert!(open.contains(Day::FIRST) && open.contains(Day::LAST));
        let empty = Span { from: day("2024-02-01"), to: day("2024-01-31") };
        assert!(empty.is_empty() && !empty.overlaps(open) && !empty.contains(empty.from));
    }

    #[test]
    fn every_day_of_three_centuries_reads_back() {
        let mut at = day("1900-01-01");
        while at <= day("2199-12-31") {
            assert_eq!(Day::parse(&at.to_string()), Ok(at));
            assert_eq!(at.start().day(), at);
            assert_eq!(Timestamp::from_micros(at.start().micros() - 1).day(), at.previous());
            at = at.next();
        }
    }
}
