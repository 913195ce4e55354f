//! Exact fractions: what is computed from decimals stays one, and is rounded once, at the end.
use std::{cmp::Ordering, collections::HashMap};

use bigdecimal::num_bigint::BigInt;

use crate::decimal::Decimal;

/// An exact number: a decimal as long as it is one, else a quotient.
///
/// A quotient is not reduced: its parts grow with the few steps of a computation, and reducing them at each step costs
/// far more than they do.
#[derive(Clone, Debug)]
pub struct Fraction(Form);

#[derive(Clone, Debug)]
enum Form {
    Decimal(Decimal),
    /// Above and below the line; what is below is more than 0.
    Quotient(BigInt, BigInt),
}

impl Fraction {
    /// 0
    pub fn zero() -> Self {
        Decimal::zero().into()
    }

    /// A count.
    pub fn count(of: usize) -> Self {
        Decimal::from_int(i64::try_from(of).unwrap_or(i64::MAX)).into()
    }

    /// The sum of all.
    pub fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut decimals = Vec::new();
        // What has the same below the line is added above it; the rest in pairs, so that no long number meets each.
        let mut quotients: HashMap<&BigInt, BigInt> = HashMap::new();
        for one in all {
            match &one.0 {
                Form::Decimal(it) => decimals.push(it),
                Form::Quotient(above, below) => *quotients.entry(below).or_default() += above,
            }
        }
        let decimals = Decimal::sum(decimals);
        let mut row: Vec<Form> = quotients
            .into_iter()
            .map(|(below, above)| Form::Quotient(above, below.clone()))
            .collect();
        if row.is_empty() {
            return decimals.into();
        }
        if !decimals.is_zero() {
            row.push(Form::Decimal(decimals));
        }
        while row.len() > 1 {
            row = row.chunks(2).map(added).collect();
        }
        row.pop().map_or_else(Self::zero, Self)
    }

    /// The sum.
    #[must_use]
    pub fn add(&self, other: &Self) -> Self {
        Self::sum([self, other])
    }

    /// The difference.
    #[must_use]
    pub fn sub(&self, other: &Self) -> Self {
        self.add(&other.negative())
    }

    /// The product.
    #[must_use]
    pub fn mul(&self, other: &Self) -> Self {
        if let (Form::Decimal(one), Form::Decimal(two)) = (&self.0, &other.0) {
            return one.mul(two).into();
        }
        let ((a, b), (c, d)) = (self.parts(), other.parts());
        Self(Form::Quotient(a * c, b * d))
    }

    /// The quotient; None if the other is 0.
    pub fn div(&self, other: &Self) -> Option<Self> {
        let ((a, b), (c, d)) = (self.parts(), other.parts());
        let zero = BigInt::default();
        match c.cmp(&zero) {
            Ordering::Equal => None,
            Ordering::Greater => Some(Self(Form::Quotient(a * d, b * c))),
            Ordering::Less => Some(Self(Form::Quotient(-(a * d), -(b * c)))),
        }
    }

    /// The same on the other side of 0.
    #[must_use]
    pub fn negative(&self) -> Self {
        match &self.0 {
            Form::Decimal(it) => Decimal::zero().sub(it).into(),
            Form::Quotient(above, below) => Self(Form::Quotient(-above, below.clone())),
        }
    }

    /// Whether it is 0.
    pub fn is_zero(&self) -> bool {
        *self == Self::zero()
    }

    /// Whether it is below 0.
    pub fn is_negative(&self) -> bool {
        *self < Self::zero()
    }

    /// To 20 significant digits, half to even: the one rounding of what is computed.
    pub fn rounded(&self) -> Decimal {
        let (above, below) = match &self.0 {
            Form::Decimal(it) => (it.clone(), Decimal::from_int(1)),
            Form::Quotient(above, below) => (Decimal::whole(above), Decimal::whole(below)),
        };
        // What is below the line is never 0.
        above.div(&below).unwrap_or_else(Decimal::zero)
    }

    /// Above and below the line.
    fn parts(&self) -> (BigInt, BigInt) {
        match &self.0 {
            Form::Decimal(it) => it.over_power_of_ten(),
            Form::Quotient(above, below) => (above.clone(), below.clone()),
        }
    }
}

/// A pair added up, or one by itself.
fn added(pair: &[Form]) -> Form {
    let parts = |it: &Form| Fraction(it.clone()).parts();
    match pair {
        [one, two] => {
            let ((a, b), (c, d)) = (parts(one), parts(two));
            Form::Quotient(a * &d + c * &b, b * d)
        }
        [one, ..] => one.clone(),
        [] => Form::Decimal(Decimal::zero()),
    }
}

impl From<Decimal> for Fraction {
    fn from(it: Decimal) -> Self {
        Self(Form::Decimal(it))
    }
}

impl From<&Decimal> for Fraction {
    fn from(it: &Decimal) -> Self {
        it.clone().into()
    }
}

impl PartialEq for Fraction {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Fraction {}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        if let (Form::Decimal(one), Form::Decimal(two)) = (&self.0, &other.0) {
            return one.cmp(two);
        }
        let ((a, b), (c, d)) = (self.parts(), other.parts());
        (a * d).cmp(&(c * b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fraction(text: &str) -> Fraction {
        let number = |it: &str| Fraction::from(it.parse::<Decimal>().unwrap());
        match text.split_once('/') {
            Some((above, below)) => number(above).div(&number(below)).unwrap(),
            None => number(text),
        }
    }

    #[test]
    fn what_is_computed_is_rounded_once() {
        let thirds = ["1/3", "1/3", "1/3"].map(fraction);
        assert_eq!(Fraction::sum(&thirds), fraction("1"));
        // A mean of a mean: 3 x 380283.072 / 3, and not 380283.07200000000000633.
        let whole = fraction("380283.072").div(&fraction("7")).unwrap().mul(&fraction("7"));
        assert_eq!(whole.rounded().to_string(), "380283.072");
        for (exact, shown) in [
            ("1/3", "0.33333333333333333333"),
            ("-2/3", "-0.66666666666666666667"),
            ("2/-3", "-0.66666666666666666667"),
            ("6200/102", "60.784313725490196078"),
            ("0/7", "0"),
            ("99999999999999999999.5", "100000000000000000000"),
            ("99999999999999999998.5", "99999999999999999998"),
        ] {
            assert_eq!(fraction(exact).rounded().to_string(), shown, "{exact}");
        }
        assert_eq!(fraction("1").div(&fraction("0")), None);
    }

    #[test]
    fn numbers_compare_whatever_their_form() {
        let ordered = ["-1/2", "-1/3", "0", "1/3", "0.34", "1/2", "60.784", "6200/102", "60.9"];
        for (i, one) in ordered.iter().enumerate() {
            for (j, two) in ordered.iter().enumerate() {
                assert_eq!(fraction(one).cmp(&fraction(two)), i.cmp(&j), "{one} {two}");
            }
        }
        assert_eq!(fraction("1/2"), fraction("0.5"));
        assert_eq!(fraction("2/4"), fraction("-1/-2"));
        assert!(fraction("-1/9").is_negative() && fraction("0/9").is_zero());
    }

    #[test]
    fn sums_of_both_forms() {
        let all = ["1/3", "0.25", "1/6", "2/3", "-0.25", "5/6"].map(fraction);
        assert_eq!(Fraction::sum(&all), fraction("2"));
        assert_eq!(Fraction::sum([]), Fraction::zero());
        assert_eq!(fraction("1/3").sub(&fraction("1/3")), Fraction::count(0));
        assert_eq!(fraction("2/3").mul(&fraction("0.3")), fraction("0.2"));
    }
}
