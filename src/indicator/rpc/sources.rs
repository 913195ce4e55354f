//! Sources and their rejected items on the wire.
use crate::{
    caller::{System, SystemCode},
    error::{Error, Result},
    indicator::{
        queries::{ListRejections, ListSources},
        store::{rejections::Rejected, sources::SourceView},
    },
    pb,
    wire::Fields,
};

// === words in ===

impl TryFrom<pb::ListSourcesRequest> for ListSources {
    type Error = Error;

    fn try_from(mut msg: pb::ListSourcesRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListSources", &msg);
        let pb::ListSourcesRequest { page: _, consistency } = msg;
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { page: page?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ListRejectionsRequest> for ListRejections {
    type Error = Error;

    fn try_from(mut msg: pb::ListRejectionsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListRejections", &msg);
        let pb::ListRejectionsRequest { source, page: _ } = msg;
        let source = fields.maybe("source", &source, SystemCode::parse);
        fields.done(|| Some(Self { source: source?, page: page? }))
    }
}

// === rows out ===

impl From<SourceView> for pb::IndicatorSource {
    fn from(source: SourceView) -> Self {
        let SourceView { system, agency, indicators, accepted, rejected, reasons } = source;
        let System {
            code,
            name,
            grants: _,
            statuses: _,
            agency_unit_id: _,
            contact,
            disabled: _,
            made_at: _,
        } = system.as_ref();
        let int = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
        Self {
            code: code.as_str().to_owned(),
            name: name.clone(),
            agency_unit: agency.map(Into::into),
            contact: contact.clone(),
            indicators,
            last_accepted_at: accepted.map(|(at, _)| at.into()),
            last_accepted_revision: accepted.map_or(0, |(_, revision)| revision),
            rejected_today: int(rejected),
            rejected_for: reasons
                .into_iter()
                .map(|(reason, items)| pb::RejectionReasonCount { reason, items: int(items) })
                .collect(),
        }
    }
}

impl TryFrom<Rejected> for pb::Rejection {
    type Error = Error;

    fn try_from(row: Rejected) -> Result<Self> {
        let Rejected {
            system_id: _,
            list,
            item,
            reason,
            message,
            fields,
            times,
            first_at,
            last_at,
            revision,
        } = row;
        let fields: Vec<(String, String)> =
            serde_json::from_str(&fields).map_err(Error::internal)?;
        let fields = fields.into_iter().map(|(field, rule)| pb::FieldViolation { field, rule });
        Ok(Self {
            list,
            item,
            reason,
            message,
            fields: fields.collect(),
            times,
            first_rejected_at: Some(first_at.into()),
            last_rejected_at: Some(last_at.into()),
            revision,
        })
    }
}
