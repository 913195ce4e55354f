//! Clients that call a hub as somebody, what they may do, and what a refusal says to them.
use sharehub::pb;
use tonic::{
    Code, Request, Status,
    metadata::MetadataValue,
    service::{Interceptor, interceptor::InterceptedService},
    transport::Channel,
};
use tonic_types::StatusExt;

/// What a system of a test may do: its grants, and what its agreements give it. `define` and `publish` of indicators
/// give `read`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Grants {
    pub administrator: bool,
    /// With what the codes of published dossiers begin; [`every_capital`] when empty.
    pub dossier_codes: Vec<String>,
    pub publish_units: bool,
    pub define_indicators: Vec<String>,
    pub publish_indicators: Vec<String>,
    pub read_indicators: Vec<String>,
    pub define_procedures: bool,
    pub publish_dossiers: bool,
    pub read_dossiers: bool,
    pub read_personal_data: bool,
    pub auditor: bool,
}

/// The purpose of every agreement and every call of a test that does not say otherwise.
pub const PURPOSE: &str = "dashboards";

impl Grants {
    /// The grants among them.
    pub fn grants(&self) -> pb::Grants {
        pb::Grants {
            administrator: self.administrator,
            publish_units: self.publish_units,
            define_indicators: self.define_indicators.clone(),
            define_procedures: self.define_procedures,
            auditor: self.auditor,
        }
    }

    /// The agreements by which a system gets the others.
    pub fn agreements(&self, system: &str) -> Vec<pb::Agreement> {
        use pb::{AgreementOperation as Operation, agreement::Dataset};
        let mut agreements = Vec::new();
        let mut add = |name: &str, operations: &[Operation], dataset| {
            agreements.push(agreement(&format!("{system}.{name}"), system, operations, dataset));
        };
        let indicators =
            |patterns: Vec<String>| Dataset::Indicators(pb::IndicatorDataset { patterns });
        let mut read = self.read_indicators.clone();
        read.extend(
            [&self.publish_indicators, &self.define_indicators].into_iter().flatten().cloned(),
        );
        if !read.is_empty() {
            add("read-indicators", &[Operation::Read, Operation::Watch], indicators(read));
        }
        if !self.publish_indicators.is_empty() {
            let published = self.publish_indicators.clone();
            add("publish-indicators", &[Operation::Publish], indicators(published));
        }
        let dossiers = || Dataset::Dossiers(pb::DossierDataset::default());
        if self.publish_dossiers {
            add("publish-dossiers", &[Operation::Publish], dossiers());
        }
        if self.read_dossiers {
            add("read-dossiers", &[Operation::Read, Operation::Watch], dossiers());
            if self.read_personal_data {
                let last = agreements.last_mut().unwrap();
                last.personal_data = pb::PersonalDataTier::Full.into();
            }
        }
        for it in &mut agreements {
            let is_of_dossiers = matches!(it.dataset, Some(Dataset::Dossiers(_)));
            if is_of_dossiers && it.operations.contains(&Operation::Publish.into()) {
                it.dossier_codes = match self.dossier_codes.is_empty() {
                    true => every_capital(),
                    false => self.dossier_codes.clone(),
                };
            }
        }
        agreements
    }
}

/// The beginnings of the codes of dossiers here, but of those that begin with the code of a system.
pub fn every_capital() -> Vec<String> {
    ('0'..='9').chain('A'..='Z').map(String::from).collect()
}

/// An agreement for the purpose of all tests, from long ago until long from now.
pub fn agreement(
    code: &str,
    system: &str,
    operations: &[pb::AgreementOperation],
    dataset: pb::agreement::Dataset,
) -> pb::Agreement {
    let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    pb::Agreement {
        code: code.to_owned(),
        system: system.to_owned(),
        purpose: PURPOSE.to_owned(),
        title: "Thử nghiệm".to_owned(),
        legal_basis: "Quyết định 15/QĐ-UBND".to_owned(),
        operations: operations.iter().map(|it| i32::from(*it)).collect(),
        dataset: Some(dataset),
        personal_data: pb::PersonalDataTier::None.into(),
        valid_from: at(1_700_000_000),
        valid_before: at(1_900_000_000),
        tree: pb::UnitTree::Administration.into(),
        ..Default::default()
    }
}

/// Grants of a system that may do everything with indicators.
pub fn all_indicators() -> Grants {
    let all = || vec!["*".to_owned()];
    Grants {
        define_indicators: all(),
        publish_indicators: all(),
        read_indicators: all(),
        ..Default::default()
    }
}

/// Somebody who calls the hub.
#[derive(Clone)]
pub struct Client {
    pub channel: Channel,
    pub key: Key,
}

type Keyed = InterceptedService<Channel, Key>;

macro_rules! client {
    ($($name:ident: $module:ident :: $client:ident,)+) => {
        impl Client {
            $(
                pub fn $name(&self) -> pb::$module::$client<Keyed> {
                    let (channel, key) = (self.channel.clone(), self.key.clone());
                    pb::$module::$client::with_interceptor(channel, key)
                        .max_decoding_message_size(64 << 20)
                        .max_encoding_message_size(64 << 20)
                }
            )+
        }
    };
}

client! {
    info: hub_service_client::HubServiceClient,
    units: unit_service_client::UnitServiceClient,
    indicators: indicator_service_client::IndicatorServiceClient,
    dossiers: dossier_service_client::DossierServiceClient,
    access: access_service_client::AccessServiceClient,
    audit: audit_service_client::AuditServiceClient,
    feed: feed_service_client::FeedServiceClient,
}

/// Sends a key, or none.
#[derive(Clone)]
pub struct Key(pub Option<String>);

impl Interceptor for Key {
    fn call(&mut self, mut req: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            let value: MetadataValue<_> = format!("Bearer {key}").parse().unwrap();
            req.metadata_mut().insert("authorization", value);
        }
        // A call that says `-` is sent without a purpose.
        match req.metadata().get("sharehub-purpose").map(|it| it == "-") {
            Some(true) => drop(req.metadata_mut().remove("sharehub-purpose")),
            Some(false) => {}
            None => drop(req.metadata_mut().insert("sharehub-purpose", PURPOSE.parse().unwrap())),
        }
        Ok(req)
    }
}

/// What a refusal says to machines: code, reason without its prefix, and the paths of bad fields.
pub fn refusal<T: std::fmt::Debug>(answer: Result<T, Status>) -> (Code, String, Vec<String>) {
    let status = answer.expect_err("must be refused");
    let info = status.get_details_error_info().expect("a refusal has an ErrorInfo");
    assert_eq!(info.domain, "sharehub.gov.vn");
    let reason = info.reason.strip_prefix("ERROR_REASON_").expect("a reason of ours").to_owned();
    let fields = status.get_details_bad_request().into_iter().flat_map(|it| it.field_violations);
    (status.code(), reason, fields.map(|it| it.field).collect())
}

/// The revision of the version that stands, as a refusal to replace it tells.
pub fn current(status: &Status) -> i64 {
    let info = status.get_details_error_info().unwrap();
    info.metadata.get("current").unwrap().parse().unwrap()
}

/// A change of everything that is registered of a system to what a registration says.
pub fn update_of(registration: pb::RegisterSystemRequest) -> pb::UpdateSystemRequest {
    let pb::RegisterSystemRequest {
        request_id,
        code,
        name,
        grants,
        statuses,
        agency_unit,
        contact,
    } = registration;
    let paths =
        ["name", "grants", "statuses", "agency_unit", "contact"].map(str::to_owned).to_vec();
    pb::UpdateSystemRequest {
        request_id,
        system: Some(pb::RegisteredSystem {
            code,
            name,
            grants,
            statuses,
            agency_unit,
            contact,
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths }),
        expected_revision: None,
    }
}

/// A unit by its `gso` code on a date.
pub fn gso(code: &str, date: &str) -> Option<pb::UnitRef> {
    let (scheme, code, date) = (String::new(), code.to_owned(), date.to_owned());
    let code = pb::UnitCode { scheme, code, date };
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
}

/// A unit by its id.
pub fn id(id: i64) -> Option<pb::UnitRef> {
    Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(id)) })
}

/// Read at exactly this revision.
pub fn exactly(number: i64) -> Option<pb::Consistency> {
    let requirement = Some(pb::consistency::Requirement::Exactly(number));
    Some(pb::Consistency { requirement })
}

/// At a revision, or a later one.
pub fn at_least(number: i64) -> Option<pb::Consistency> {
    let requirement = Some(pb::consistency::Requirement::AtLeast(number));
    Some(pb::Consistency { requirement })
}
