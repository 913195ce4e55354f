//! What a revision touched: sets of reference data, and what it made versions of. Kept as bits in
//! `revision_log.touched`.
use std::ops::{BitOr, BitOrAssign};

use super::ReferenceData;

/// What a revision touched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TouchedSet(i32);

impl TouchedSet {
    /// Nothing.
    pub const NOTHING: Self = Self(0);
    /// Units and successions.
    pub const UNITS: Self = Self(1);
    /// Definitions of indicators.
    pub const INDICATORS: Self = Self(2);
    /// Procedures.
    pub const PROCEDURES: Self = Self(4);
    /// Systems, keys and agreements.
    pub const ACCESS: Self = Self(8);
    /// Observations.
    pub const OBSERVATIONS: Self = Self(16);
    /// Targets.
    pub const TARGETS: Self = Self(32);
    /// Dossiers.
    pub const DOSSIERS: Self = Self(64);
    /// Nothing new: it took personal data out of versions that were there.
    pub const ERASED: Self = Self(128);
    /// What other sources than the authoritative one say beside observations.
    pub const CONTRIBUTIONS: Self = Self(256);

    /// As it is kept.
    pub fn bits(self) -> i32 {
        self.0
    }

    /// As it was kept.
    pub fn from_bits(bits: i32) -> Self {
        Self(bits)
    }

    /// Whether both have something in common.
    pub fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }
}

impl BitOr for TouchedSet {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for TouchedSet {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl From<ReferenceData> for TouchedSet {
    fn from(which: ReferenceData) -> Self {
        match which {
            ReferenceData::Units => Self::UNITS,
            ReferenceData::Indicators => Self::INDICATORS,
            ReferenceData::Procedures => Self::PROCEDURES,
            ReferenceData::Access => Self::ACCESS,
        }
    }
}
