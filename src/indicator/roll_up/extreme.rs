//! What can be said of the greatest and of the least of values that are not all known exactly.
use crate::{fraction::Fraction, indicator::Qualifier};

/// The greatest of claims.
///
/// Each claim is an interval that the true value lies in: EXACT 5 is [5, 5], `MORE_THAN` 5 is (5, ..), `AT_LEAST` 5 is
/// [5, ..), `LESS_THAN` 5 is (.., 5), `AT_MOST` 5 is (.., 5]. The greatest true value then lies between the greatest of
/// the lower ends and the greatest of the upper ends, and the answer says of that what one number and one qualifier
/// can say and is true:
///
/// * both ends are one number, which is inside: EXACT;
/// * there is a lower end: `AT_LEAST` it, or `MORE_THAN` where the end itself is outside, also where something is
///   known of the upper end: of the greatest it tells more how much there is than how much there is not;
/// * there is only an upper end: `AT_MOST` it, or `LESS_THAN`.
///
/// ABOUT 5 has no ends: nobody knows how far off it is. So it takes the upper end away, and the answer is what is
/// certain without it, the lower end. Only an ABOUT value that nothing else can reach is itself the greatest, and the
/// answer is ABOUT it; so it is where nothing else is certain, which is the weakest there is to say.
pub(super) fn greatest<'a>(
    claims: impl Iterator<Item = (&'a Fraction, Qualifier)>,
) -> Option<(Fraction, Qualifier)> {
    use Qualifier::{About, AtLeast, AtMost, Exact, LessThan, MoreThan};
    // An end with whether it is outside (of a lower one) or inside (of an upper one): what is greater is further up.
    let mut lower: Option<(&Fraction, bool)> = None;
    let mut upper: Option<(&Fraction, bool)> = None;
    let mut about: Option<&Fraction> = None;
    let mut is_open = false;
    for (value, qualifier) in claims {
        match qualifier {
            Exact | MoreThan | AtLeast => {
                lower = lower.max(Some((value, qualifier == MoreThan)));
            }
            LessThan | AtMost | About => {}
        }
        match qualifier {
            Exact | AtMost | LessThan => upper = upper.max(Some((value, qualifier != LessThan))),
            MoreThan | AtLeast => is_open = true,
            About => about = about.max(Some(value)),
        }
    }
    let at_least = |(value, is_outside): (&Fraction, bool)| {
        (value.clone(), if is_outside { MoreThan } else { AtLeast })
    };
    Some(match (about, lower, upper) {
        (Some(about), Some(lower), upper) => {
            let alone = !is_open && upper.is_none_or(|(it, _)| it <= about) && lower.0 < about;
            if alone { (about.clone(), About) } else { at_least(lower) }
        }
        (Some(about), None, _) => (about.clone(), About),
        (None, Some((value, false)), Some((end, true))) if !is_open && value == end => {
            (value.clone(), Exact)
        }
        (None, Some(lower), _) => at_least(lower),
        (None, None, Some((value, is_inside))) => {
            (value.clone(), if is_inside { AtMost } else { LessThan })
        }
        (None, None, None) => return None,
    })
}

/// The least of claims: the greatest, seen from the other side of 0.
pub(super) fn least<'a>(
    claims: impl Iterator<Item = (&'a Fraction, Qualifier)>,
) -> Option<(Fraction, Qualifier)> {
    use Qualifier::{About, AtLeast, AtMost, Exact, LessThan, MoreThan};
    let mirrored = |qualifier| match qualifier {
        Exact => Exact,
        MoreThan => LessThan,
        AtLeast => AtMost,
        LessThan => MoreThan,
        AtMost => AtLeast,
        About => About,
    };
    let negative: Vec<_> = claims.map(|(it, how)| (it.negative(), mirrored(how))).collect();
    let (value, qualifier) = greatest(negative.iter().map(|(it, how)| (it, *how)))?;
    Some((value.negative(), mirrored(qualifier)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decimal::Decimal;

    /// `>5 =10 <3 >=4 <=2 ~7`, as people write them.
    fn claims(text: &str) -> Vec<(Fraction, Qualifier)> {
        let signs = [
            (">=", Qualifier::AtLeast),
            ("<=", Qualifier::AtMost),
            (">", Qualifier::MoreThan),
            ("<", Qualifier::LessThan),
            ("~", Qualifier::About),
            ("=", Qualifier::Exact),
        ];
        let read = |it: &str| {
            let found = signs.iter().find_map(|(sign, how)| Some((it.strip_prefix(sign)?, *how)));
            let (number, how) = found.unwrap();
            (number.parse::<Decimal>().unwrap().into(), how)
        };
        text.split_whitespace().map(read).collect()
    }

    #[test]
    fn what_is_true_of_the_greatest_and_of_the_least() {
        for (of, most, less) in [
            ("=5", "=5", "=5"),
            ("=5 =10", "=10", "=5"),
            // A bound weakens the answer only if the true extreme could lie beyond it.
            ("=5 >10", ">10", "=5"),
            ("=10 <5", "=10", "<5"),
            (">5 =10", ">=10", "<=10"),
            ("=5 <10", ">=5", "<=5"),
            ("=5 >5", ">5", "=5"),
            ("=5 >=5", ">=5", "=5"),
            ("=5 <5", "=5", "<5"),
            ("=5 <=5", "=5", "<=5"),
            // Bounds of one kind, and opposed ones.
            (">5 >10", ">10", ">5"),
            (">=5 >10", ">10", ">=5"),
            (">10 >=10", ">10", ">=10"),
            ("<5 <10", "<10", "<5"),
            ("<10 <=10", "<=10", "<10"),
            (">5 <10", ">5", "<10"),
            ("<5 >10", ">10", "<5"),
            (">=5 <=5", ">=5", "<=5"),
            // What is known about has no ends.
            ("~7", "~7", "~7"),
            ("~7 ~9", "~9", "~7"),
            ("=5 ~7", "~7", "<=5"),
            ("=9 ~7", ">=9", "~7"),
            ("=7 ~7", ">=7", "<=7"),
            (">5 ~7", ">5", "~7"),
            (">9 ~7", ">9", "~7"),
            ("<5 ~7", "~7", "<5"),
            ("<9 ~7", "~7", "<9"),
            ("=5 <9 ~7", ">=5", "<=5"),
        ] {
            let of_claims = claims(of);
            let seen = || of_claims.iter().map(|(it, how)| (it, *how));
            assert_eq!(greatest(seen()), claims(most).pop(), "the greatest of {of}");
            assert_eq!(least(seen()), claims(less).pop(), "the least of {of}");
        }
        assert_eq!((greatest([].into_iter()), least([].into_iter())), (None, None));
    }
}
