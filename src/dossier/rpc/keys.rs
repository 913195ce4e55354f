//! Reads the keys of withdrawals, or refuses each.
use crate::{
    dossier::{Code, ProcedureCode},
    error::{Error, Result},
    hub::{BatchOptions, withdraw::WithdrawRequest},
    pb,
    revision::withdrawal::Withdrawal,
    wire::fingerprint,
};

impl TryFrom<pb::WithdrawProceduresRequest> for (BatchOptions, Withdrawal<ProcedureCode>) {
    type Error = Error;

    fn try_from(mut msg: pb::WithdrawProceduresRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("WithdrawProcedures", &msg);
        let pb::WithdrawProceduresRequest {
            request_id,
            allow_partial,
            procedures: keys,
            reason,
            validate_only: _,
        } = msg;
        let list = "procedures";
        let code = |it: String| ProcedureCode::parse(&it).map_err(|rule| Error::field("", rule));
        WithdrawRequest {
            request_id,
            fingerprint,
            allow_partial,
            validate_only,
            list,
            keys,
            reason,
        }
        .read(code)
    }
}

impl TryFrom<pb::WithdrawDossiersRequest> for (BatchOptions, Withdrawal<Code>) {
    type Error = Error;

    fn try_from(mut msg: pb::WithdrawDossiersRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("WithdrawDossiers", &msg);
        let pb::WithdrawDossiersRequest {
            request_id,
            allow_partial,
            dossiers: keys,
            reason,
            validate_only: _,
        } = msg;
        let list = "dossiers";
        let code = |it: String| Code::parse(&it).map_err(|rule| Error::field("", rule));
        WithdrawRequest {
            request_id,
            fingerprint,
            allow_partial,
            validate_only,
            list,
            keys,
            reason,
        }
        .read(code)
    }
}
