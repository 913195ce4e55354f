//! Values on their way through a roll-up: exact, and combined by a rule.
use super::{
    LeftOutReason, Said,
    extreme::{greatest, least},
};
use crate::{
    decimal::Decimal,
    error::{Error, Reason, Result},
    fraction::Fraction,
    indicator::{Kind, Meaning, Qualifier, Reading, Status, TimeRule, UnitRule},
};

/// A value that counts, and how well it is known.
#[derive(Clone, Debug)]
pub(super) struct Amount {
    pub(super) value: Fraction,
    /// Numerator and denominator, where both are known.
    pub(super) components: Option<(Fraction, Fraction)>,
    pub(super) qualifier: Qualifier,
    pub(super) status: Status,
    pub(super) definition_version: i32,
    /// Whether values of several versions of the definition are in it.
    pub(super) definition_changed: bool,
}

impl Amount {
    /// What a unit said, where it can be used: of a ratio with both components their exact quotient, else the value as
    /// it was reported.
    pub(super) fn of(
        meaning: &Meaning,
        said: &Said,
        needs_components: bool,
    ) -> Result<Self, LeftOutReason> {
        let Said::Whole(reading) = said else { return Err(LeftOutReason::Partial) };
        let exact = reading.exact(meaning).ok_or(LeftOutReason::NoValue)?;
        let both = reading.numerator.as_ref().zip(reading.denominator.as_ref());
        let components = both.map(|(above, below)| (above.into(), below.into()));
        if needs_components && components.is_none() {
            return Err(LeftOutReason::NoComponents);
        }
        Ok(Self {
            value: exact,
            components,
            qualifier: reading.qualifier,
            status: reading.status,
            definition_version: reading.definition_version,
            definition_changed: false,
        })
    }

    /// A share of it, which is an estimate.
    #[must_use]
    pub(super) fn share(self, of: &Fraction) -> Self {
        let components = self.components.map(|(above, below)| (above.mul(of), below.mul(of)));
        Self { value: self.value.mul(of), components, status: Status::Estimated, ..self }
    }

    /// As it is answered: rounded, once.
    pub(super) fn rounded(&self) -> Reading {
        let component = |it: &Fraction| it.rounded();
        Reading {
            value: Some(self.value.rounded()),
            numerator: self.components.as_ref().map(|it| component(&it.0)),
            denominator: self.components.as_ref().map(|it| component(&it.1)),
            qualifier: self.qualifier,
            status: self.status,
            definition_version: self.definition_version,
        }
    }
}

impl Reading {
    /// The exact value that counts: numerator / denominator x scale where both are known, else as reported; none where
    /// the status says that there is none.
    pub fn exact(&self, meaning: &Meaning) -> Option<Fraction> {
        if !self.status.has_value() {
            return None;
        }
        let both = self.numerator.as_ref().zip(self.denominator.as_ref());
        let quotient = both.filter(|_| meaning.kind == Kind::Ratio).and_then(|(above, below)| {
            Fraction::from(above.mul(&scale(meaning))).div(&below.into())
        });
        quotient.or_else(|| self.value.as_ref().map(Fraction::from))
    }
}

/// What a quotient is multiplied with.
fn scale(meaning: &Meaning) -> Decimal {
    meaning.scale.clone().unwrap_or_else(|| Decimal::from_int(1))
}

/// How values are combined, over units or over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    Sum,
    Ratio,
    Mean,
    Max,
    Min,
    Last,
}

impl How {
    pub(super) fn over_units(rule: UnitRule) -> Option<Self> {
        match rule {
            UnitRule::Sum => Some(Self::Sum),
            UnitRule::Ratio => Some(Self::Ratio),
            UnitRule::Mean => Some(Self::Mean),
            UnitRule::Max => Some(Self::Max),
            UnitRule::Min => Some(Self::Min),
            UnitRule::None => None,
        }
    }

    /// How the parts of a period are combined, when they are then combined over units by a rule.
    pub(super) fn over_time(meaning: &Meaning, units: Option<Self>, parts: usize) -> Result<Self> {
        match meaning.time_rule {
            // A lone part is the period by another name.
            _ if parts == 1 => Ok(Self::Last),
            TimeRule::Sum | TimeRule::Mean if units == Some(Self::Ratio) => Err(not_aggregable(
                "the rule over time leaves no numerators and denominators to add over units",
            )),
            TimeRule::Sum => Ok(Self::Sum),
            TimeRule::Last => Ok(Self::Last),
            TimeRule::Mean => Ok(Self::Mean),
            TimeRule::Ratio => Ok(Self::Ratio),
            TimeRule::None => Err(not_aggregable("the indicator has no rule over time")),
        }
    }

    /// Combines values; None when there are none, or the denominators add up to 0.
    pub(super) fn combine(self, meaning: &Meaning, amounts: &[Amount]) -> Option<Amount> {
        let values = || amounts.iter().map(|it| &it.value);
        match self {
            Self::Sum => together(Fraction::sum(values()), None, amounts),
            Self::Mean => {
                let mean = Fraction::sum(values()).div(&Fraction::count(amounts.len()))?;
                together(mean, None, amounts)
            }
            Self::Max | Self::Min => {
                let claims = amounts.iter().map(|it| (&it.value, it.qualifier));
                let of = if self == Self::Max { greatest } else { least };
                let (value, qualifier) = of(claims)?;
                let amount = together(value, None, amounts)?;
                Some(Amount { qualifier, ..amount })
            }
            Self::Last => amounts.last().cloned(),
            Self::Ratio => {
                let components = || amounts.iter().filter_map(|it| it.components.as_ref());
                let above = Fraction::sum(components().map(|it| &it.0));
                let below = Fraction::sum(components().map(|it| &it.1));
                let value = above.mul(&scale(meaning).into()).div(&below)?;
                together(value, Some((above, below)), amounts)
            }
        }
    }
}

/// The mean of values that weigh so much; None when they weigh nothing.
pub(super) fn weighted(amounts: &[Amount], weights: &[Fraction]) -> Option<Amount> {
    let all: Vec<_> = amounts.iter().zip(weights).map(|(it, by)| it.value.mul(by)).collect();
    together(Fraction::sum(&all).div(&Fraction::sum(weights))?, None, amounts)
}

/// A value that was made of others: as weakly known as the weakest of them, as final as the least final. None of none.
pub(super) fn together(
    value: Fraction,
    components: Option<(Fraction, Fraction)>,
    amounts: &[Amount],
) -> Option<Amount> {
    let definition_version = amounts.iter().map(|it| it.definition_version).max()?;
    let differ = |it: &Amount| it.definition_changed || it.definition_version != definition_version;
    Some(Amount {
        value,
        components,
        qualifier: amounts.iter().map(|it| it.qualifier).reduce(weaker)?,
        status: amounts.iter().map(|it| it.status).min()?,
        definition_version,
        definition_changed: amounts.iter().any(differ),
    })
}

/// The weaker of two claims; bounds that point opposite ways leave only "about".
pub fn weaker(one: Qualifier, two: Qualifier) -> Qualifier {
    use Qualifier::{About, AtLeast, AtMost, Exact, LessThan, MoreThan};
    match (one, two) {
        (Exact, other) | (other, Exact) => other,
        (MoreThan, MoreThan) => MoreThan,
        (LessThan, LessThan) => LessThan,
        (MoreThan | AtLeast, MoreThan | AtLeast) => AtLeast,
        (LessThan | AtMost, LessThan | AtMost) => AtMost,
        (About | MoreThan | AtLeast | LessThan | AtMost, About)
        | (About, MoreThan | AtLeast | LessThan | AtMost)
        | (MoreThan | AtLeast, LessThan | AtMost)
        | (LessThan | AtMost, MoreThan | AtLeast) => About,
    }
}

pub(super) fn not_aggregable(message: &str) -> Error {
    Error::new(Reason::NotAggregable, message)
}
