//! The periods that numbers speak about, and the days that each one covers.
#[cfg(test)]
mod tests;

use std::{fmt, iter, str::FromStr};

use sea_orm::sea_query::ValueTypeErr;

use crate::{
    rule::Rule,
    time::{Day, Span, Timestamp, YEARS, number},
};

/// Periods that [`Period::ending_within`] names, at most.
const MOST_PERIODS: usize = 10_000;

/// How long a period is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PeriodKind {
    /// `2024-09-15T10`, from 10:00 to 11:00 in Viet Nam
    Hour,
    /// `2024-09-15`
    Day,
    /// `2024-W37`, from Monday, as in ISO 8601
    Week,
    /// `2024-09`
    Month,
    /// `2024-Q3`
    Quarter,
    /// `2024-H2`
    Half,
    /// `2024`
    Year,
    /// `2024-SY`, from 1 September to 31 August
    SchoolYear,
    /// `2024-YTD-09`, from the start of the year to the end of a month
    ToDate,
}

/// A period, known by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Period {
    kind: PeriodKind,
    /// Of a week, the year of ISO 8601.
    year: i32,
    /// Which one of its kind in the year, from 1. Of a period to date, the last month. Of an hour, hours since the year
    /// began, and one.
    n: i32,
}

impl Period {
    /// The month in which a school year begins, from 0: September.
    const SCHOOL_BEGINS: i32 = 8;

    /// A period by its code.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        Self::read(text).ok_or_else(|| {
            "be a period: `2024`, `2024-H1`, `2024-Q3`, `2024-09`, `2024-W37`, `2024-09-15`, `2024-09-15T10`, \
             `2024-SY` or `2024-YTD-09`, which exists, in the years 1900 to 2199"
                .into()
        })
    }

    fn read(text: &str) -> Option<Self> {
        let Some((year, rest)) = text.split_once('-') else {
            return Self::new(PeriodKind::Year, number(text, 4)?, 1);
        };
        let year = number(year, 4)?;
        if rest == "SY" {
            return Self::new(PeriodKind::SchoolYear, year, 1);
        }
        if let Some((day, hour)) = text.split_once('T').filter(|_| !rest.starts_with("YTD")) {
            let day = Self::containing(PeriodKind::Day, Day::parse(day).ok()?, false)?;
            let hour: i32 = number(hour, 2).filter(|it| *it < 24)?;
            return Self::new(PeriodKind::Hour, day.year, (day.n - 1) * 24 + hour + 1);
        }
        let (kind, n) = if let Some(n) = rest.strip_prefix("YTD-") {
            (PeriodKind::ToDate, number(n, 2)?)
        } else if let Some(n) = rest.strip_prefix('H') {
            (PeriodKind::Half, number(n, 1)?)
        } else if let Some(n) = rest.strip_prefix('Q') {
            (PeriodKind::Quarter, number(n, 1)?)
        } else if let Some(n) = rest.strip_prefix('W') {
            (PeriodKind::Week, number(n, 2)?)
        } else if rest.contains('-') {
            return Self::containing(PeriodKind::Day, Day::parse(text).ok()?, false);
        } else {
            (PeriodKind::Month, number(rest, 2)?)
        };
        Self::new(kind, year, n)
    }

    /// The n-th of its kind in the year, if there is one.
    fn new(kind: PeriodKind, year: i32, n: i32) -> Option<Self> {
        (YEARS.contains(&year) && 1 <= n && n <= count(kind, year)).then_some(Self {
            kind,
            year,
            n,
        })
    }

    /// The period of this kind that contains the day. None for periods to date, which overlap, and for hours, of which
    /// a day has many.
    pub fn containing(kind: PeriodKind, day: Day, report_15_14: bool) -> Option<Self> {
        let (year, month, date) = day.ymd();
        match kind {
            PeriodKind::Day => {
                Self::new(kind, year, day.number() - first_day(year * 12, false).number() + 1)
            }
            PeriodKind::Week => {
                // A week belongs to the year of its Thursday.
                let (year, ..) = day.plus(3 - weekday(day)).ymd();
                Self::new(kind, year, (day.number() - first_monday(year).number()) / 7 + 1)
            }
            PeriodKind::Month | PeriodKind::Quarter | PeriodKind::Half | PeriodKind::Year => {
                let early = i32::from(report_15_14 && date >= 15);
                let at = year * 12 + month.cast_signed() - 1 + early;
                Self::new(kind, at.div_euclid(12), at.rem_euclid(12) / months(kind)? + 1)
            }
            PeriodKind::SchoolYear => {
                let early = i32::from(report_15_14 && date >= 15);
                let at = year * 12 + month.cast_signed() - 1 + early - Self::SCHOOL_BEGINS;
                Self::new(kind, at.div_euclid(12), 1)
            }
            PeriodKind::Hour | PeriodKind::ToDate => None,
        }
    }

    /// The periods of this kind whose last day is inside the span, in order; at most 10,000.
    pub fn ending_within(kind: PeriodKind, span: Span, report_15_14: bool) -> Vec<Self> {
        let range = |it: &Self| it.range(report_15_14);
        let start = match kind {
            PeriodKind::ToDate => Self::containing(PeriodKind::Month, span.from, report_15_14)
                .map(|month| Self { kind, ..month }),
            PeriodKind::Hour => Self::containing(PeriodKind::Day, span.from, false)
                .map(|day| Self { kind, year: day.year, n: (day.n - 1) * 24 + 1 }),
            PeriodKind::Day
            | PeriodKind::Week
            | PeriodKind::Month
            | PeriodKind::Quarter
            | PeriodKind::Half
            | PeriodKind::Year
            | PeriodKind::SchoolYear => Self::containing(kind, span.from, report_15_14),
        };
        let earliest = Self { kind, year: *YEARS.start(), n: 1 };
        let start = start.or((span.from < range(&earliest).from).then_some(earliest));
        iter::successors(start, |it| it.next())
            .skip_while(|it| range(it).to < span.from)
            .take_while(|it| range(it).to <= span.to)
            .take(MOST_PERIODS)
            .collect()
    }

    /// How long it is.
    pub fn kind(self) -> PeriodKind {
        self.kind
    }

    /// Its days: those of the calendar, or those of reports, whose month goes from the 15th of the
    /// month before to the 14th. Weeks and days are those of the calendar in both.
    pub fn range(self, report_15_14: bool) -> Span {
        let days = |from: Day, count: i32| Span { from, to: from.plus(count - 1) };
        match (self.months(), self.kind) {
            (Some((first, count)), _) => Span {
                from: first_day(first, report_15_14),
                to: first_day(first + count, report_15_14).previous(),
            },
            (None, PeriodKind::Week) => days(first_monday(self.year).plus((self.n - 1) * 7), 7),
            (None, PeriodKind::Hour) => {
                days(first_day(self.year * 12, false).plus((self.n - 1) / 24), 1)
            }
            (
                None,
                PeriodKind::Day
                | PeriodKind::Month
                | PeriodKind::Quarter
                | PeriodKind::Half
                | PeriodKind::Year
                | PeriodKind::SchoolYear
                | PeriodKind::ToDate,
            ) => days(first_day(self.year * 12, false).plus(self.n - 1), 1),
        }
    }

    /// The instant at which it begins, and the first one after it.
    pub fn instants(self, report_15_14: bool) -> (Timestamp, Timestamp) {
        const HOUR: i64 = 3_600_000_000;
        let Span { from, to } = self.range(report_15_14);
        if self.kind != PeriodKind::Hour {
            return (from.start(), to.next().start());
        }
        let hours = i64::from((self.n - 1) % 24);
        let at = |hours: i64| {
            from.start().checked_add_micros(hours * HOUR).unwrap_or_else(|| from.start())
        };
        (at(hours), at(hours + 1))
    }

    /// The one of its kind that follows, up to the end of 2199. After twelve months to date, one
    /// month of the next year.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        Self::new(self.kind, self.year, self.n + 1)
            .or_else(|| Self::new(self.kind, self.year + 1, 1))
    }

    /// The one that is called the same a year before; None of a leap day and of a week that no other year has.
    pub fn year_before(self) -> Option<Self> {
        if self.kind == PeriodKind::Hour {
            let day = Self { kind: PeriodKind::Day, n: (self.n - 1) / 24 + 1, ..self };
            let day = day.year_before()?;
            let n = (day.n - 1) * 24 + (self.n - 1) % 24 + 1;
            return Some(Self { kind: self.kind, year: day.year, n });
        }
        if self.kind != PeriodKind::Day {
            return Self::new(self.kind, self.year - 1, self.n);
        }
        let (year, month, day) = self.range(false).from.ymd();
        Self::containing(self.kind, Day::from_ymd(year - 1, month, day)?, false)
    }

    /// The periods of a shorter kind that make this one up exactly, in order; None if there are
    /// no such periods. Months to date are made up of one period too: `2024-YTD-03` of `2024-Q1`.
    pub fn parts(self, kind: PeriodKind, report_15_14: bool) -> Option<Vec<Self>> {
        if kind == self.kind {
            return None;
        }
        match kind {
            PeriodKind::Hour => {
                let Span { from, to } = self.range(false);
                (self.kind == PeriodKind::Day && from == to).then(|| {
                    let first = (self.n - 1) * 24;
                    (1..=24).map(|hour| Self { kind, year: self.year, n: first + hour }).collect()
                })
            }
            // Hours of a day make it up, not the other way round.
            PeriodKind::Day if self.kind == PeriodKind::Hour => None,
            PeriodKind::Day => {
                let Span { from, to } = self.range(report_15_14);
                (from.number()..=to.number())
                    .map(|it| from.plus(it - from.number()))
                    .map(|day| Self::containing(kind, day, report_15_14))
                    .collect()
            }
            PeriodKind::Month | PeriodKind::Quarter | PeriodKind::Half => {
                let (first, count) = self.months()?;
                let each = months(kind)?;
                let longer = count > each || self.kind == PeriodKind::ToDate;
                if !longer || count % each != 0 || first % each != 0 {
                    return None;
                }
                let part = |n: i32| {
                    let at = first + n * each;
                    Self::new(kind, at.div_euclid(12), at.rem_euclid(12) / each + 1)
                };
                (0..count / each).map(part).collect()
            }
            PeriodKind::Week | PeriodKind::Year | PeriodKind::SchoolYear | PeriodKind::ToDate => {
                None
            }
        }
    }

    /// The code under which these days are kept for a frequency: `2024-Q1` and `2024-YTD-03` name one period. The
    /// month, quarter, half-year or year counts, unless it is shorter than the frequency: then it is a period to date.
    #[must_use]
    pub fn canonical(self, frequency: PeriodKind) -> Self {
        let Some((_, count)) = self.months() else { return self };
        if self.kind == PeriodKind::SchoolYear {
            return self;
        }
        let starts_the_year = self.kind == PeriodKind::ToDate || self.n == 1;
        if !starts_the_year {
            return self;
        }
        let plain = match count {
            1 => PeriodKind::Month,
            3 => PeriodKind::Quarter,
            6 => PeriodKind::Half,
            12 => PeriodKind::Year,
            _ => return self,
        };
        match months(frequency).unwrap_or_default() > count {
            true => Self { kind: PeriodKind::ToDate, year: self.year, n: count },
            false => Self { kind: plain, year: self.year, n: 1 },
        }
    }

    /// Every code that names these days, this one first.
    pub fn same_days(self) -> Vec<Self> {
        let mut codes = vec![self];
        // The plain code, and the one to date; of a whole year, that is not canonical under any frequency.
        let to_date = match (self.kind, self.n) {
            (PeriodKind::Year, _) => Some(Self { kind: PeriodKind::ToDate, n: 12, ..self }),
            (_, _) => None,
        };
        let plain = self.canonical(PeriodKind::Month);
        for code in
            [Some(plain), Some(self.canonical(PeriodKind::Year)), to_date].into_iter().flatten()
        {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        codes
    }

    /// Whether it is shorter than the periods of a frequency. A period to date never is: it is the longer one so far.
    pub fn is_shorter_than(self, frequency: PeriodKind) -> bool {
        let days = |kind: PeriodKind| match kind {
            PeriodKind::Hour => 0,
            PeriodKind::Day => 1,
            PeriodKind::Week => 7,
            PeriodKind::Month => 28,
            PeriodKind::Quarter => 90,
            PeriodKind::Half => 181,
            PeriodKind::Year | PeriodKind::SchoolYear => 365,
            PeriodKind::ToDate => i32::MAX,
        };
        days(self.kind) < days(frequency)
    }

    /// Its first month, counted from the year 0, and how many it has; None for weeks and days.
    fn months(self) -> Option<(i32, i32)> {
        if self.kind == PeriodKind::ToDate {
            return Some((self.year * 12, self.n));
        }
        if self.kind == PeriodKind::SchoolYear {
            return Some((self.year * 12 + Self::SCHOOL_BEGINS, 12));
        }
        months(self.kind).map(|count| (self.year * 12 + (self.n - 1) * count, count))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, year, n } = self;
        match kind {
            PeriodKind::Day => self.range(false).from.fmt(f),
            PeriodKind::Hour => write!(f, "{}T{:02}", self.range(false).from, (n - 1) % 24),
            PeriodKind::SchoolYear => write!(f, "{year:04}-SY"),
            PeriodKind::Week => write!(f, "{year:04}-W{n:02}"),
            PeriodKind::Month => write!(f, "{year:04}-{n:02}"),
            PeriodKind::Quarter => write!(f, "{year:04}-Q{n}"),
            PeriodKind::Half => write!(f, "{year:04}-H{n}"),
            PeriodKind::Year => write!(f, "{year:04}"),
            PeriodKind::ToDate => write!(f, "{year:04}-YTD-{n:02}"),
        }
    }
}

/// Reads what the store holds.
impl FromStr for Period {
    type Err = ValueTypeErr;

    fn from_str(text: &str) -> Result<Self, ValueTypeErr> {
        Self::read(text).ok_or(ValueTypeErr)
    }
}

/// Months in one of a kind that is made of whole months, always the same number.
fn months(kind: PeriodKind) -> Option<i32> {
    match kind {
        PeriodKind::Month => Some(1),
        PeriodKind::Quarter => Some(3),
        PeriodKind::Half => Some(6),
        PeriodKind::Year | PeriodKind::SchoolYear => Some(12),
        PeriodKind::Hour | PeriodKind::Day | PeriodKind::Week | PeriodKind::ToDate => None,
    }
}

/// How many of a kind a year has.
fn count(kind: PeriodKind, year: i32) -> i32 {
    match kind {
        PeriodKind::Day => {
            first_day(year * 12 + 12, false).number() - first_day(year * 12, false).number()
        }
        PeriodKind::Week => (first_monday(year + 1).number() - first_monday(year).number()) / 7,
        PeriodKind::Month | PeriodKind::ToDate => 12,
        PeriodKind::Quarter => 4,
        PeriodKind::Half => 2,
        PeriodKind::Year | PeriodKind::SchoolYear => 1,
        PeriodKind::Hour => count(PeriodKind::Day, year) * 24,
    }
}

/// The day on which a month begins, counted from the year 0.
fn first_day(month: i32, report_15_14: bool) -> Day {
    let (month, day) = if report_15_14 { (month - 1, 15) } else { (month, 1) };
    // Every month has both days.
    Day::from_ymd(month.div_euclid(12), month.rem_euclid(12).unsigned_abs() + 1, day)
        .unwrap_or(Day::FIRST)
}

/// The Monday of week 1, which is the week of January 4.
fn first_monday(year: i32) -> Day {
    let fourth = first_day(year * 12, false).plus(3);
    fourth.plus(-weekday(fourth))
}

/// Days since Monday.
fn weekday(day: Day) -> i32 {
    // 1970-01-01 was a Thursday.
    (day.number() + 3).rem_euclid(7)
}
