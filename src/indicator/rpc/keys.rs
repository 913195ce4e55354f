//! Reads the keys of withdrawals, or names every bad field of each.
use std::collections::BTreeMap;

use super::CellKeys;
use crate::{
    error::{Error, Result},
    hub::withdraw::WithdrawRequest,
    indicator::{Breakdown, CellKey, Code, item},
    pb,
    period::Period,
    unit::wire::UnitFields,
    wire::{Fields, fingerprint},
};

impl TryFrom<pb::WithdrawObservationsRequest> for CellKeys {
    type Error = Error;

    fn try_from(mut msg: pb::WithdrawObservationsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("WithdrawObservations", &msg);
        let pb::WithdrawObservationsRequest {
            request_id,
            allow_partial,
            observations: keys,
            reason,
            validate_only: _,
        } = msg;
        let list = "observations";
        WithdrawRequest {
            request_id,
            fingerprint,
            allow_partial,
            validate_only,
            list,
            keys,
            reason,
        }
        .read(CellKey::try_from)
    }
}

impl TryFrom<pb::WithdrawTargetsRequest> for CellKeys {
    type Error = Error;

    fn try_from(mut msg: pb::WithdrawTargetsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("WithdrawTargets", &msg);
        let pb::WithdrawTargetsRequest {
            request_id,
            allow_partial,
            targets: keys,
            reason,
            validate_only: _,
        } = msg;
        let list = "targets";
        WithdrawRequest {
            request_id,
            fingerprint,
            allow_partial,
            validate_only,
            list,
            keys,
            reason,
        }
        .read(CellKey::try_from)
    }
}

impl TryFrom<pb::ObservationKey> for CellKey {
    type Error = Error;

    fn try_from(msg: pb::ObservationKey) -> Result<Self> {
        let pb::ObservationKey { indicator, unit, period, breakdown } = msg;
        let mut fields = Fields::default();
        let cell = SentCell { indicator, unit, period, breakdown }.read(&mut fields);
        fields.done(|| cell)
    }
}

impl TryFrom<pb::TargetKey> for CellKey {
    type Error = Error;

    fn try_from(msg: pb::TargetKey) -> Result<Self> {
        let pb::TargetKey { indicator, unit, period, breakdown } = msg;
        pb::ObservationKey { indicator, unit, period, breakdown }.try_into()
    }
}

/// What an item is about, as it was sent.
pub(super) struct SentCell {
    pub(super) indicator: String,
    pub(super) unit: Option<pb::UnitRef>,
    pub(super) period: String,
    pub(super) breakdown: BTreeMap<String, String>,
}

impl SentCell {
    pub(super) fn read(&self, fields: &mut Fields) -> Option<CellKey> {
        let Self { indicator, unit, period, breakdown } = self;
        let indicator = fields.read("indicator", Code::parse(indicator));
        let unit = fields.unit("unit", unit.clone());
        let period = fields.read("period", Period::parse(period));
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown.clone()));
        Some(CellKey { indicator: indicator?, unit: unit?, period: period?, breakdown: breakdown? })
    }

    /// The refusal of it, which says what it is about.
    pub(super) fn refused(&self, err: Error) -> Error {
        let Self { indicator, unit, period, breakdown } = self;
        let breakdown = Breakdown(breakdown.clone()).to_string();
        err.about(item::spell(indicator, &sent_unit(unit.as_ref()), period, &breakdown))
    }
}

/// A unit as it was sent, in the words of [`unit::Ref`](crate::unit::Ref).
fn sent_unit(unit: Option<&pb::UnitRef>) -> String {
    use pb::unit_ref::Ref;
    match unit.and_then(|it| it.r#ref.as_ref()) {
        None => String::new(),
        Some(Ref::Id(id)) => format!("id:{id}"),
        Some(Ref::Code(pb::UnitCode { scheme, code, date })) => {
            let scheme = match scheme.as_str() {
                "" | "gso" => String::new(),
                scheme => format!("{scheme}:"),
            };
            let at = if date.is_empty() { "" } else { "@" };
            format!("{scheme}{code}{at}{date}")
        }
    }
}
