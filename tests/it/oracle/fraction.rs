//! Plain fractions and plain days, for the oracle only.
use std::cmp::Ordering;

/// An exact number, reduced; what is below the line is above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fraction {
    pub n: i128,
    pub d: i128,
}

pub const ZERO: Fraction = Fraction { n: 0, d: 1 };

pub fn over(n: i128, d: i128) -> Fraction {
    let (mut a, mut b) = (n.abs(), d.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    let sign = if d < 0 { -1 } else { 1 };
    Fraction { n: sign * n / a.max(1), d: sign * d / a.max(1) }
}

impl Fraction {
    pub fn plus(self, it: Self) -> Self {
        over(self.n * it.d + it.n * self.d, self.d * it.d)
    }

    pub fn times(self, it: Self) -> Self {
        over(self.n * it.n, self.d * it.d)
    }

    pub fn by(self, it: Self) -> Option<Self> {
        (it.n != 0).then(|| over(self.n * it.d, self.d * it.n))
    }

    pub fn cmp(self, it: Self) -> Ordering {
        (self.n * it.d).cmp(&(it.n * self.d))
    }

    /// As it is answered: 20 significant digits, half to even, written plainly.
    pub fn shown(self) -> String {
        let (whole, mut rest) = (self.n.abs() / self.d, self.n.abs() % self.d);
        let mut digits: Vec<u8> = whole.to_string().bytes().map(|it| it - b'0').collect();
        let mut point = digits.len();
        if whole == 0 {
            digits.clear();
            point = 0;
        }
        // Zeros right after the point are no significant digits.
        let mut zeros = 0;
        while rest != 0 && digits.len() < 20 {
            rest *= 10;
            let digit = u8::try_from(rest / self.d).unwrap();
            rest %= self.d;
            if digits.is_empty() && digit == 0 {
                zeros += 1;
            } else {
                digits.push(digit);
            }
        }
        assert!(digits.len() <= 20, "the oracle keeps to small numbers");
        let up = match (rest * 2).cmp(&self.d) {
            Ordering::Less => false,
            Ordering::Equal => digits.last().is_some_and(|it| it % 2 == 1),
            Ordering::Greater => true,
        };
        let mut place = digits.len();
        let mut carry = up && rest != 0;
        while carry {
            if place == 0 {
                digits.insert(0, 1);
                if zeros > 0 && point == 0 {
                    zeros -= 1;
                } else {
                    point += 1;
                }
                break;
            }
            place -= 1;
            digits[place] = (digits[place] + 1) % 10;
            carry = digits[place] == 0;
        }
        let text = |it: &[u8]| it.iter().map(|it| char::from(it + b'0')).collect::<String>();
        let (before, after) = digits.split_at(point);
        let after = format!("{}{}", "0".repeat(zeros), text(after));
        let after = after.trim_end_matches('0');
        let before = if before.is_empty() { "0".to_owned() } else { text(before) };
        let sign = if self.n < 0 { "-" } else { "" };
        if after.is_empty() { format!("{sign}{before}") } else { format!("{sign}{before}.{after}") }
    }
}

/// A day, counted from 1970-01-01.
pub fn day(year: i32, month: i32, date: i32) -> i32 {
    let leap = |it: i32| it % 4 == 0 && (it % 100 != 0 || it % 400 == 0);
    let years: i32 = (1970..year).map(|it| if leap(it) { 366 } else { 365 }).sum();
    let february = if leap(year) { 29 } else { 28 };
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: i32 = lengths.iter().take(usize::try_from(month).unwrap() - 1).sum();
    years + months + date - 1
}

/// The day as it is written.
pub fn date(number: i32) -> String {
    let mut year = 1970;
    while day(year + 1, 1, 1) <= number {
        year += 1;
    }
    let month = (1..=12).rev().find(|it| day(year, *it, 1) <= number).unwrap();
    format!("{year:04}-{month:02}-{:02}", number - day(year, month, 1) + 1)
}

/// A period, with its first and last day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub code: String,
    pub from: i32,
    pub to: i32,
    /// Its first month of its year, from 0, and how many it has.
    pub months: (i32, i32),
    pub year: i32,
}

/// The period of so many months; `to_date` names it so.
pub fn period(year: i32, months: (i32, i32), report: bool, to_date: bool) -> Period {
    let (first, count) = months;
    let code = match count {
        _ if to_date => format!("{year}-YTD-{count:02}"),
        12 => format!("{year}"),
        6 => format!("{year}-H{}", first / 6 + 1),
        3 => format!("{year}-Q{}", first / 3 + 1),
        _ => format!("{year}-{:02}", first + 1),
    };
    let begin = |month: i32| {
        let (month, date) = if report { (month - 1, 15) } else { (month, 1) };
        day(year + month.div_euclid(12), month.rem_euclid(12) + 1, date)
    };
    Period { code, from: begin(first), to: begin(first + count) - 1, months, year }
}

#[test]
fn numbers_and_days_are_written_as_they_are_answered() {
    for (it, shown) in [
        (over(1, 3), "0.33333333333333333333"),
        (over(-2, 300), "-0.0066666666666666666667"),
        (over(6200, 102), "60.784313725490196078"),
        (over(1, 8), "0.125"),
        (over(-1200, 1), "-1200"),
        (over(0, 5), "0"),
        (over(199_999_999_999_999_999_999, 200_000_000_000_000_000_000), "1"),
    ] {
        assert_eq!(it.shown(), shown);
    }
    assert_eq!(date(day(2025, 7, 1) - 1), "2025-06-30");
    assert_eq!(date(day(2024, 2, 29)), "2024-02-29");
    let july = period(2025, (6, 1), true, false);
    assert_eq!(
        (date(july.from), date(july.to)),
        ("2025-06-15".to_owned(), "2025-07-14".to_owned())
    );
}
