//! Exact decimal numbers.
use std::{cmp::Ordering, fmt, str::FromStr};

use bigdecimal::{
    BigDecimal, RoundingMode, Signed, Zero,
    num_bigint::{BigInt, BigUint, Sign},
};
use sea_orm::sea_query::ValueTypeErr;

use crate::rule::Rule;

/// What a caller may write, at most.
const MOST_BYTES: usize = 60;
const MOST_DIGITS: u64 = 20;
const MOST_DECIMALS: i64 = 10;

/// Significant digits of a quotient.
const QUOTIENT_DIGITS: u32 = 20;

/// An exact decimal number.
///
/// It is kept as an integer over the least power of ten, so that equal numbers are the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, sea_orm::DeriveValueType)]
#[sea_orm(value_type = "String")]
pub struct Decimal(BigDecimal);

impl Decimal {
    /// A number written `-?[0-9]+(\.[0-9]+)?`, of at most 20 significant digits and 10 decimals.
    pub fn parse(text: &str) -> Result<Self, Rule> {
        if text.len() > MOST_BYTES {
            return Err("have at most 60 characters".into());
        }
        let value = Self::read(text).ok_or("be a decimal such as `70.96`")?;
        let digits = text.strip_prefix('-').unwrap_or(text);
        if digits.len() > 1 && digits.starts_with('0') && !digits.starts_with("0.") {
            return Err("be a decimal without leading zeros, such as `0.5`".into());
        }
        if value.is_zero() && text.starts_with('-') {
            return Err("be a decimal in which zero has no sign".into());
        }
        if value.0.digits() > MOST_DIGITS {
            return Err("have at most 20 significant digits".into());
        }
        if value.0.fractional_digit_count() > MOST_DECIMALS {
            return Err("have at most 10 decimals".into());
        }
        Ok(value)
    }

    /// A number of any size.
    fn read(text: &str) -> Option<Self> {
        let digits = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
        let plain = text.strip_prefix('-').unwrap_or(text);
        let valid = match plain.split_once('.') {
            Some((whole, fraction)) => digits(whole) && digits(fraction),
            None => digits(plain),
        };
        valid.then(|| BigDecimal::from_str(text).ok()).flatten().map(Self::new)
    }

    /// The one form in which a number is kept: no zero at the end of the decimals, no exponent.
    fn new(value: BigDecimal) -> Self {
        let (mut number, mut scale) = value.into_bigint_and_exponent();
        if number.is_zero() {
            return Self::zero();
        }
        let ten = BigInt::from(10);
        while scale < 0 {
            number *= &ten;
            scale += 1;
        }
        while scale > 0 {
            let shorter = &number / &ten;
            if &shorter * &ten != number {
                break;
            }
            number = shorter;
            scale -= 1;
        }
        Self(BigDecimal::new(number, scale))
    }

    /// 0
    pub fn zero() -> Self {
        Self(BigDecimal::zero())
    }

    /// A whole number.
    pub fn from_int(value: i64) -> Self {
        Self(BigDecimal::from(value))
    }

    /// A whole number of any size.
    pub fn whole(value: &BigInt) -> Self {
        Self::new(BigDecimal::from(value.clone()))
    }

    /// The integer and the power of ten whose quotient it is.
    pub fn over_power_of_ten(&self) -> (BigInt, BigInt) {
        let (number, scale) = self.0.as_bigint_and_exponent();
        (number, power_of_ten(u32::try_from(scale).unwrap_or_default()).into())
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        self.0.is_zero()
    }

    /// Whether it is below 0.
    pub fn is_negative(&self) -> bool {
        self.0.is_negative()
    }

    /// How many decimals it is written with.
    pub fn scale_digits(&self) -> u32 {
        u32::try_from(self.0.fractional_digit_count()).unwrap_or_default()
    }

    /// The sum, exact.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        Self::new(&self.0 + &other.0)
    }

    /// The difference, exact.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        Self::new(&self.0 - &other.0)
    }

    /// The product, exact.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        Self::new(&self.0 * &other.0)
    }

    /// The quotient to 20 significant digits, half to even; None if the other is 0.
    pub fn div(&self, other: &Self) -> Option<Self> {
        if other.is_zero() {
            return None;
        }
        let (dividend, dividend_scale) = self.0.as_bigint_and_exponent();
        let (divisor, divisor_scale) = other.0.as_bigint_and_exponent();
        let sign = if self.is_negative() == other.is_negative() { Sign::Plus } else { Sign::Minus };
        let (mut dividend, mut divisor) = (dividend.into_parts().1, divisor.into_parts().1);
        // One or two digits more than are kept; `inexact` says whether others follow.
        let shift = i64::from(QUOTIENT_DIGITS) + 1 + length(&divisor) - length(&dividend);
        let power = power_of_ten(u32::try_from(shift.unsigned_abs()).ok()?);
        if shift < 0 {
            divisor *= power;
        } else {
            dividend *= power;
        }
        let quotient = &dividend / &divisor;
        let inexact = &quotient * &divisor != dividend;
        let extra = if quotient < power_of_ten(QUOTIENT_DIGITS + 1) { 1 } else { 2 };
        let unit = power_of_ten(extra);
        let mut kept = &quotient / &unit;
        let dropped = quotient % &unit;
        let up = match (dropped * 2_u32).cmp(&unit) {
            Ordering::Less => false,
            Ordering::Equal => inexact || kept.bit(0),
            Ordering::Greater => true,
        };
        if up {
            kept += 1_u32;
        }
        let scale = dividend_scale - divisor_scale + shift - i64::from(extra);
        Some(Self::new(BigDecimal::new(BigInt::from_biguint(sign, kept), scale)))
    }

    /// The sum of all, exact.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        Self::new(all.into_iter().map(|it| &it.0).sum())
    }

    /// With at most so many decimals, half away from zero.
    #[must_use]
    pub fn round_to(&self, decimals: u32) -> Self {
        self.cut(decimals, RoundingMode::HalfUp)
    }

    /// Whether this is what people write for the exact number: rounded to the decimals that this
    /// one has, either way if halfway, or cut after them.
    pub fn is_rounding_of(&self, exact: &Self) -> bool {
        let half = BigDecimal::new(BigInt::from(5), i64::from(self.scale_digits()) + 1);
        (&self.0 - &exact.0).abs() <= half
            || *self == exact.cut(self.scale_digits(), RoundingMode::Down)
    }

    fn cut(&self, decimals: u32, mode: RoundingMode) -> Self {
        if decimals >= self.scale_digits() {
            return self.clone();
        }
        Self::new(self.0.with_scale_round(i64::from(decimals), mode))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
    }
}

/// Reads what the store holds: computed numbers too, which are longer than what callers may write.
impl FromStr for Decimal {
    type Err = ValueTypeErr;

    fn from_str(text: &str) -> Result<Self, ValueTypeErr> {
        Self::read(text).ok_or(ValueTypeErr)
    }
}

fn power_of_ten(exponent: u32) -> BigUint {
    BigUint::from(10_u32).pow(exponent)
}

/// How many digits the number is written with.
fn length(number: &BigUint) -> i64 {
    i64::try_from(number.to_string().len()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::hash::{BuildHasher, RandomState};

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn what_callers_write_is_read_strictly_and_shown_in_one_form() {
        fn check(text: &str, shown: &str) {
            let read = Decimal::parse(text).map(|it| it.to_string());
            assert_eq!(read.as_deref(), Ok(shown), "{text}");
            assert_eq!(decimal(shown), decimal(text));
        }
        check("0", "0");
        check("0.000", "0");
        check("70.96", "70.96");
        check("70.960", "70.96");
        check("1.0", "1");
        check("100", "100");
        check("100.00", "100");
        check("-0.5", "-0.5");
        check("0.0000000001", "0.0000000001");
        check("-12.340000000000000000", "-12.34");
        check("9999999999999999.99", "9999999999999999.99");
        check("99999999999999999999", "99999999999999999999");
        check("-9999999999.9999999999", "-9999999999.9999999999");
        check("10000000000000000000", "10000000000000000000");
        check(&format!("0.5{}", "0".repeat(57)), "0.5");
    }

    #[test]
    fn what_is_no_number_is_refused_with_its_rule() {
        fn check(rule: &str, texts: &[&str]) {
            for text in texts {
                let refused = Decimal::parse(text).unwrap_err().to_string();
                assert!(refused.contains(rule), "{text}: {refused}");
            }
        }
        let not_ascii = ["\u{661}", "\u{2212}1", "\u{ff11}", "1\u{a0}000"];
        check("`70.96`", &not_ascii);
        check(
            "`70.96`",
            &[
                "", "-", ".", "-.", ".5", "5.", "-.5", "+1", "--1", "1e3", "1E3", "1_000", "1,5",
                "1.2.3", " 1", "1 ", "1\n", "NaN", "nan", "Infinity", "-inf", "0x10", "1.-5",
                "1.+5", "1.5e0",
            ],
        );
        check("leading zeros", &["007", "00", "-01", "00.5", "-007.5"]);
        check("no sign", &["-0", "-0.0", "-0.00"]);
        check("20 significant", &["100000000000000000000", "123456789012345678901"]);
        check("20 significant", &["99999999999.9999999999"]);
        check("10 decimals", &["0.00000000001", "1.00000000001"]);
        check("60 characters", &[&format!("0.5{}", "0".repeat(58))]);
    }

    #[test]
    fn sums_differences_and_products_are_exact() {
        fn check(one: &str, sign: char, two: &str, expect: &str) {
            let (a, b) = (decimal(one), decimal(two));
            let result = match sign {
                '+' => a.add(&b),
                '-' => a.sub(&b),
                _ => a.mul(&b),
            };
            assert_eq!(result.to_string(), expect, "{one} {sign} {two}");
            assert_eq!(decimal(expect), result);
        }
        check("99999999999999999999", '+', "0.0000000001", "99999999999999999999.0000000001");
        check("0.1", '+', "0.2", "0.3");
        check("0.5", '+', "0.5", "1");
        check("-0.5", '+', "0.5", "0");
        check("1", '-', "1.0000000001", "-0.0000000001");
        check("-5", '*', "0", "0");
        check("-0.5", '*', "2", "-1");
        check(
            "99999999999999999999",
            '*',
            "-9999999999.9999999999",
            "-999999999999999999980000000000.0000000001",
        );
        let all = [decimal("1.5"), decimal("-0.25"), decimal("98.75")];
        assert_eq!(Decimal::sum(&all).to_string(), "100");
        assert_eq!(Decimal::sum([]), Decimal::zero());
        assert_eq!(Decimal::from_int(i64::MIN).to_string(), "-9223372036854775808");
    }

    #[test]
    fn a_quotient_has_twenty_digits_half_to_even() {
        fn check(one: &str, two: &str, expect: Option<&str>) {
            let quotient = decimal(one).div(&decimal(two)).map(|it| it.to_string());
            assert_eq!(quotient.as_deref(), expect, "{one} / {two}");
        }
        let of_hundred = decimal("62").mul(&Decimal::from_int(100)).div(&decimal("102"));
        assert_eq!(of_hundred, Some(decimal("60.784313725490196078")));
        check("1", "0", None);
        check("0", "0.00", None);
        check("0", "-7", Some("0"));
        check("1", "8", Some("0.125"));
        check("1000", "0.1", Some("10000"));
        check("1", "3", Some("0.33333333333333333333"));
        check("-2", "3", Some("-0.66666666666666666667"));
        check("2", "-300", Some("-0.0066666666666666666667"));
        check("-6", "-3", Some("2"));
        check("7", "7", Some("1"));
        check("99999999999999999999", "1", Some("99999999999999999999"));
        // A tie goes to the even digit, and anything behind it decides.
        check("100000000000000000001", "2", Some("50000000000000000000"));
        check("100000000000000000003", "2", Some("50000000000000000002"));
        check("200000000000000000005", "1", Some("200000000000000000000"));
        check("200000000000000000015", "1", Some("200000000000000000020"));
        check("200000000000000000005.0000000001", "1", Some("200000000000000000010"));
        check("999999999999999999995", "1", Some("1000000000000000000000"));
        check("1", "99999999999999999999", Some("0.00000000000000000001"));
        check(
            "100000000000000000000000000000000000000000",
            "3",
            Some("33333333333333333333000000000000000000000"),
        );
    }

    #[test]
    fn halves_are_rounded_away_from_zero() {
        fn check(text: &str, decimals: u32, expect: &str) {
            assert_eq!(decimal(text).round_to(decimals).to_string(), expect, "{text} {decimals}");
        }
        check("70.965", 2, "70.97");
        check("-70.965", 2, "-70.97");
        check("70.9649", 2, "70.96");
        check("0.5", 0, "1");
        check("-0.5", 0, "-1");
        check("0.49", 0, "0");
        check("-0.004", 1, "0");
        check("0.004", 1, "0");
        check("0.0005", 2, "0");
        check("99.995", 2, "100");
        check("12.3", 5, "12.3");
        check("1200", 0, "1200");
    }

    #[test]
    fn people_round_and_people_cut() {
        fn check(written: &str, exact: &str, expect: bool) {
            let answer = decimal(written).is_rounding_of(&decimal(exact));
            assert_eq!(answer, expect, "{written} for {exact}");
        }
        let exact = "60.784313725490196078";
        for written in ["61", "60", "60.8", "60.7", "60.78", "60.784", "60.7843", exact] {
            check(written, exact, true);
        }
        for written in ["62", "59", "60.9", "60.6", "60.79", "60.77", "-61", "64", "0"] {
            check(written, exact, false);
        }
        check("70.96", "70.955", true);
        check("70.96", "70.965", true);
        check("70.96", "70.9549999999", false);
        check("70.96", "70.9699999999", true);
        check("70.96", "70.97", false);
        check("-70.96", "-70.969", true);
        check("-70.97", "-70.969", true);
        check("-70.98", "-70.969", false);
        check("0", "0.9", true);
        check("0", "-0.9", true);
        check("0", "1", false);
        check("100", "99.5", true);
        check("100", "99.4", false);
    }

    #[test]
    fn equal_numbers_are_the_same() {
        fn check(one: &str, two: &str, expect: Ordering) {
            let (a, b) = (decimal(one), decimal(two));
            assert_eq!(a.cmp(&b), expect, "{one} {two}");
            assert_eq!(a == b, expect == Ordering::Equal);
            if a == b {
                let state = RandomState::new();
                assert_eq!(state.hash_one(&a), state.hash_one(&b));
                assert_eq!(a.scale_digits(), b.scale_digits());
            }
        }
        check("1.0", "1", Ordering::Equal);
        check("-0.00", "0", Ordering::Equal);
        check("1000", "1000.000", Ordering::Equal);
        check("2", "10", Ordering::Less);
        check("-2", "-10", Ordering::Greater);
        check("0.0000000001", "0", Ordering::Greater);
        check("-0.0000000001", "0", Ordering::Less);
        assert_eq!(decimal("12.3400").scale_digits(), 2);
        assert_eq!(decimal("1200").scale_digits(), 0);
        assert!(decimal("-0.1").is_negative() && !Decimal::zero().is_negative());
    }

    #[test]
    fn the_store_gives_back_what_it_was_given() {
        fn check(value: &Decimal) {
            let stored = sea_orm::Value::from(value.clone());
            assert_eq!(stored, sea_orm::Value::from(value.to_string()));
            let back = <Decimal as sea_orm::sea_query::ValueType>::try_from(stored);
            assert_eq!(back.as_ref().ok(), Some(value));
        }
        let mut value = decimal("0.0000000007");
        for _ in 0..9 {
            check(&value);
            check(&Decimal::from_int(-3).div(&value).unwrap());
            value = value.mul(&decimal("-9999999999.0000000001"));
        }
        check(&decimal(&format!("1{}.{}1", "0".repeat(400), "0".repeat(400))));
        assert!("1e5".parse::<Decimal>().is_err());
    }
}
