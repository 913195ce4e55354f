//! How the oracle combines numbers: by the interval that each claim stands for.
use sharehub::pb;

use super::fraction::{Fraction, ZERO, over};
use pb::{UnitRule, ValueQualifier as How};

/// A number on its way.
#[derive(Clone, Copy, Debug)]
pub struct Amount {
    pub value: Fraction,
    pub both: Option<(Fraction, Fraction)>,
    pub how: How,
    pub status: pb::ObservationStatus,
}

/// Combines amounts by a rule.
pub fn combine(rule: UnitRule, all: &[Amount]) -> Option<Amount> {
    let sum = |of: &dyn Fn(&Amount) -> Fraction| all.iter().map(of).fold(ZERO, Fraction::plus);
    match rule {
        UnitRule::Sum => together(Some(sum(&|it| it.value)), None, all),
        UnitRule::Mean => {
            let count = over(i128::try_from(all.len()).unwrap(), 1);
            together(sum(&|it| it.value).by(count), None, all)
        }
        UnitRule::Ratio => {
            let above = sum(&|it| it.both.unwrap().0);
            let below = sum(&|it| it.both.unwrap().1);
            together(above.times(over(100, 1)).by(below), Some((above, below)), all)
        }
        UnitRule::Max => extreme(all, 1),
        UnitRule::Min => extreme(all, -1),
        UnitRule::None | UnitRule::Unspecified => None,
    }
}

/// The mean of amounts that speak for these shares of a time.
pub fn mean_of_shares(all: &[Amount], shares: &[Fraction], of: Fraction) -> Option<Amount> {
    let each = all.iter().zip(shares).map(|(it, share)| it.value.times(*share));
    together(each.fold(ZERO, Fraction::plus).by(of), None, all)
}

pub fn together(
    value: Option<Fraction>,
    both: Option<(Fraction, Fraction)>,
    all: &[Amount],
) -> Option<Amount> {
    let status = all.iter().map(|it| it.status).min_by_key(|it| i32::from(*it))?;
    Some(Amount { value: value?, both, how: weakest(all), status })
}

/// What is left of all claims: a direction if all that are bounds agree on it, strict if every one of them is.
fn weakest(all: &[Amount]) -> How {
    let bounds: Vec<How> = all.iter().map(|it| it.how).filter(|it| *it != How::Exact).collect();
    let all_of = |kinds: &[How]| !bounds.is_empty() && bounds.iter().all(|it| kinds.contains(it));
    if bounds.is_empty() {
        How::Exact
    } else if all_of(&[How::MoreThan]) {
        How::MoreThan
    } else if all_of(&[How::MoreThan, How::AtLeast]) {
        How::AtLeast
    } else if all_of(&[How::LessThan]) {
        How::LessThan
    } else if all_of(&[How::LessThan, How::AtMost]) {
        How::AtMost
    } else {
        How::About
    }
}

/// The greatest (1) or the least (-1), by trying every candidate answer against what may be true.
fn extreme(all: &[Amount], sign: i128) -> Option<Amount> {
    let turned = |it: Fraction| it.times(over(sign, 1));
    let is_up = |how: How| match (how, sign) {
        (How::MoreThan | How::AtLeast, 1) | (How::LessThan | How::AtMost, -1) => Some(true),
        (How::LessThan | How::AtMost, 1) | (How::MoreThan | How::AtLeast, -1) => Some(false),
        _ => None,
    };
    let strict = |how: How| matches!(how, How::MoreThan | How::LessThan);
    let most = |of: &dyn Fn(&&Amount) -> bool| {
        let found = all.iter().filter(of).map(|it| turned(it.value));
        found.reduce(|a, b| if a.cmp(b).is_lt() { b } else { a })
    };
    // What the true extreme is not below, and what it is not above.
    let floor = most(&|it| it.how == How::Exact || is_up(it.how) == Some(true));
    let roof = most(&|it| it.how == How::Exact || is_up(it.how) == Some(false));
    let guess = most(&|it| it.how == How::About);
    let endless = all.iter().any(|it| is_up(it.how) == Some(true));
    let at = |value: Fraction, of: &dyn Fn(How) -> bool| {
        all.iter().any(|it| turned(it.value).cmp(value).is_eq() && of(it.how))
    };
    let (up, up_strictly, down, down_strictly) = match sign {
        1 => (How::AtLeast, How::MoreThan, How::AtMost, How::LessThan),
        _ => (How::AtMost, How::LessThan, How::AtLeast, How::MoreThan),
    };
    let least_certain = |floor: Fraction| {
        let open = at(floor, &|it| is_up(it) == Some(true) && strict(it));
        (floor, if open { up_strictly } else { up })
    };
    let beats = |guess: Fraction, it: Option<Fraction>| it.is_none_or(|it| it.cmp(guess).is_le());
    let (value, how) = match (guess, floor, roof) {
        (Some(guess), Some(floor), roof)
            if endless || !beats(guess, roof) || !floor.cmp(guess).is_lt() =>
        {
            least_certain(floor)
        }
        (Some(guess), ..) => (guess, How::About),
        (None, Some(floor), roof) => {
            let reached = at(floor, &|it| it == How::Exact);
            let closed = !endless && roof.is_none_or(|it| it.cmp(floor).is_eq());
            if closed && reached { (floor, How::Exact) } else { least_certain(floor) }
        }
        (None, None, Some(roof)) => {
            let inside = at(roof, &|it| !strict(it));
            (roof, if inside { down } else { down_strictly })
        }
        (None, None, None) => return None,
    };
    let status = all.iter().map(|it| it.status).min_by_key(|it| i32::from(*it))?;
    Some(Amount { value: turned(value), both: None, how, status })
}
