//! `ExplainAccess` on the wire: its words in, its answer out.
use super::agreements::read_agreement;
use crate::{
    access::{
        explain::{Answering, Explain, Explained, Opens},
        store::limits::Left,
    },
    caller::SystemCode,
    dossier::ProcedureCode,
    error::{Error, Result},
    indicator, pb,
    personal::Tier,
    slug::Slug,
    unit::wire::UnitFields,
    wire::Fields,
};

/// Most things that one question names, and one answer lists.
const MOST: usize = 1_000;
/// The fields of dossiers that hold personal data.
const PERSONAL: [&str; 5] = [
    "Dossier.applicant",
    "DossierEvent.note",
    "DossierFee.name",
    "DossierDocument.name",
    "DossierDocument.code",
];

impl TryFrom<pb::ExplainAccessRequest> for Explain {
    type Error = Error;

    fn try_from(msg: pb::ExplainAccessRequest) -> Result<Self> {
        let pb::ExplainAccessRequest {
            system,
            method,
            purpose,
            indicators,
            units,
            procedures,
            draft,
        } = msg;
        let mut fields = Fields::default();
        let system = match system.as_str() {
            "" => Some(None),
            code => fields.read("system", SystemCode::parse(code)).map(Some),
        };
        let method = fields.some_text("method", method, 200);
        let purpose = match purpose.as_str() {
            "" => Some(None),
            word => fields.read("purpose", Slug::parse(word)).map(Some),
        };
        let few = fields.at_most("indicators", indicators.len(), MOST);
        let codes = indicators
            .iter()
            .enumerate()
            .map(|(i, it)| fields.read(&format!("indicators[{i}]"), indicator::Code::parse(it)));
        let codes: Option<Vec<_>> = codes.collect::<Vec<_>>().into_iter().collect();
        let units = fields.units("units", units, MOST);
        let few = few.and(fields.at_most("procedures", procedures.len(), MOST));
        for (i, it) in procedures.iter().enumerate() {
            fields.read(&format!("procedures[{i}]"), ProcedureCode::parse(it));
        }
        let draft = match draft {
            None => Some(None),
            Some(it) => fields.within("draft", |fields| read_agreement(fields, it)).map(Some),
        };
        fields.done(|| {
            few?;
            Some(Self {
                system: system?,
                method: method?,
                purpose: purpose?,
                indicators: codes?,
                units: units?,
                procedures,
                draft: draft?,
            })
        })
    }
}

impl From<Explained> for pb::ExplainAccessResponse {
    fn from(Explained { read_at, answering, refusal }: Explained) -> Self {
        Self {
            read_at: Some(read_at.into()),
            is_allowed: refusal.is_none(),
            refusal: refusal.map(|it| pb::AccessRefusal {
                reason: it.reason().into(),
                message: it.message().to_owned(),
                metadata: it.metadata().collect(),
            }),
            answered_by: answering.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<Answering> for pb::AnsweringAgreement {
    fn from(it: Answering) -> Self {
        let Answering {
            agreement,
            operation,
            own_only,
            tier,
            indicators,
            units,
            procedures,
            limits,
            opens,
            certificate_required,
            contributed,
        } = it;
        let personal = || PERSONAL.map(str::to_owned).to_vec();
        let (left_out_fields, masked_fields) = match tier {
            None | Some(Tier::Full) => (Vec::new(), Vec::new()),
            Some(Tier::None) => (personal(), Vec::new()),
            Some(Tier::Masked) => (Vec::new(), personal()),
        };
        let limit = |(Left { limit, left }, next_at): (Left, crate::time::Timestamp)| {
            let limit = pb::CallLimit { calls: limit.calls, per: limit.per.number() };
            pb::CallLimitLeft { limit: Some(limit), left, next_at: Some(next_at.into()) }
        };
        Self {
            agreement: Some(agreement.into()),
            operation: operation.number(),
            own_only,
            left_out_fields,
            masked_fields,
            left_out_indicators: indicators,
            left_out_units: units.into_iter().map(Into::into).collect(),
            left_out_procedures: procedures,
            limits: limits.into_iter().map(limit).collect(),
            opens: Some(opens.into()),
            certificate_required,
            contributed_indicators: contributed,
        }
    }
}

impl From<Opens> for pb::OpenedByAgreement {
    fn from(Opens { mut indicators, mut procedures, units }: Opens) -> Self {
        let count = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
        let (indicator_count, procedure_count) = (count(indicators.len()), count(procedures.len()));
        indicators.truncate(MOST);
        procedures.truncate(MOST);
        Self { indicators, indicator_count, procedures, procedure_count, unit_count: count(units) }
    }
}
