//! Keys in: what is withdrawn, or every bad field of each.
use super::CellKeys;
use crate::{
    error::{Error, Result},
    hub::withdraw::WithdrawRequest,
    indicator::{Breakdown, CellKey, Code},
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
        let indicator = fields.read("indicator", Code::parse(&indicator));
        let unit = fields.unit("unit", unit);
        let period = fields.read("period", Period::parse(&period));
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        fields.done(|| {
            Some(Self {
                indicator: indicator?,
                unit: unit?,
                period: period?,
                breakdown: breakdown?,
            })
        })
    }
}

impl TryFrom<pb::TargetKey> for CellKey {
    type Error = Error;

    fn try_from(msg: pb::TargetKey) -> Result<Self> {
        let pb::TargetKey { indicator, unit, period, breakdown } = msg;
        pb::ObservationKey { indicator, unit, period, breakdown }.try_into()
    }
}
