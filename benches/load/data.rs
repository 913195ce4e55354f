//! What is loaded: made-up monthly figures of the communes of 2024, and made-up dossiers; the same on every run.
use sharehub::{
    access::queries::Issue,
    caller::SystemCode,
    db::Db,
    limits::Limits,
    pb::{self, AgreementOperation as Operation, agreement::Dataset},
};
use tonic::metadata::{Ascii, MetadataValue};

use crate::{
    BATCH,
    program::{Program, Secrets},
    with,
};

/// What a caller sends to be known.
pub type Key = MetadataValue<Ascii>;

/// Indicators: half of them counts, half of them ratios.
const INDICATORS: i64 = 10;
/// Months, the first one of them January 2016.
const FIRST_YEAR: i64 = 2016;

/// A store with everything that the rows refer to, and who sends them.
#[derive(Clone)]
pub struct Made {
    pub indicators: Key,
    pub dossiers: Key,
    units: Vec<String>,
}

/// Puts the reference data and an administrator into a store: the administrator's key.
pub async fn fill(url: &str, secrets: &Secrets) -> Key {
    let db = Db::open(url).await.unwrap();
    let audit = sharehub::log::key::Key::open(&secrets.audit_key()).unwrap();
    let (slices, committer) =
        sharehub::server::start(db.clone(), Limits::default(), audit).await.unwrap();
    sharehub::unit::store::reference::load_reference(&slices.hub).await.unwrap();
    let admin = SystemCode::parse("admin").unwrap();
    sharehub::access::store::ensure_administrator(&slices.hub, &admin).await.unwrap();
    let key =
        sharehub::access::store::issue_key(&slices.hub, Issue { system: admin, expires_at: None })
            .await
            .unwrap()
            .0;
    drop(slices);
    committer.await.unwrap();
    db.close().await;
    format!("Bearer {key}").parse().unwrap()
}

impl Made {
    pub async fn prepare(hub: &Program, admin: &Key) -> Self {
        let all = || vec!["*".to_owned()];
        let grants = pb::Grants { define_indicators: all(), ..Default::default() };
        let every = Dataset::Indicators(pb::IndicatorDataset { patterns: all() });
        let indicators = system(hub, admin, "statistics", grants, every).await;
        let grants = pb::Grants { define_procedures: true, ..Default::default() };
        let every = Dataset::Dossiers(pb::DossierDataset::default());
        let dossiers = system(hub, admin, "one-stop", grants, every).await;
        let mut units = Vec::new();
        let mut token = String::new();
        loop {
            let request = pb::ListUnitsRequest {
                date: "2024-12-31".to_owned(),
                level: pb::UnitLevel::Commune.into(),
                page: Some(pb::PageRequest { size: 1_000, token }),
                ..Default::default()
            };
            let page = hub.units().list_units(with(&indicators, request)).await.unwrap();
            let page = page.into_inner();
            let code =
                |it: &pb::Unit| it.codes.iter().find(|it| it.scheme == "gso").unwrap().code.clone();
            units.extend(page.units.iter().map(code));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        let made = Self { indicators, dossiers, units };
        for prefix in ["bench", "again"] {
            made.define(hub, prefix).await;
        }
        let case = |(code, days)| pb::Procedure {
            code,
            name: "Thủ tục".to_owned(),
            cases: vec![pb::ProcedureCase {
                max_time: days,
                time_unit: pb::ProcessingTimeUnit::WorkingDay.into(),
                ..Default::default()
            }],
            ..Default::default()
        };
        let procedures = (0..50).map(|it| (format!("9.{it:06}"), 5 + it)).map(case).collect();
        let request = pb::DefineProceduresRequest { procedures, ..Default::default() };
        let answer = hub.dossiers().define_procedures(with(&made.dossiers, request)).await.unwrap();
        assert_eq!(answer.into_inner().receipt.unwrap().rejected, 0);
        made
    }

    async fn define(&self, hub: &Program, prefix: &str) {
        let indicators = self.codes(prefix).into_iter().enumerate().map(|(i, code)| {
            let is_ratio = i % 2 == 1;
            let (time_rule, unit_rule) = match is_ratio {
                true => (pb::TimeRule::Ratio, pb::UnitRule::Ratio),
                false => (pb::TimeRule::Sum, pb::UnitRule::Sum),
            };
            let words = |it: &str| if is_ratio { it.to_owned() } else { String::new() };
            let kind = if is_ratio { pb::IndicatorKind::Ratio } else { pb::IndicatorKind::Count };
            pb::Indicator {
                code,
                name_vi: "Số hồ sơ".to_owned(),
                kind: kind.into(),
                unit_of_measure: "hồ sơ".to_owned(),
                scale: words("100"),
                direction: pb::IndicatorDirection::MoreIsBetter.into(),
                frequency: pb::ReportFrequency::Month.into(),
                time_rule: time_rule.into(),
                unit_rule: unit_rule.into(),
                numerator: words("đúng hạn"),
                denominator: words("đã giải quyết"),
                authoritative_source: "statistics".to_owned(),
                collection_level: pb::UnitLevel::Commune.into(),
                calendar: pb::ReportCalendar::Calendar.into(),
                tree: pb::UnitTree::Territory.into(),
                ..Default::default()
            }
        });
        let request =
            pb::DefineIndicatorsRequest { indicators: indicators.collect(), ..Default::default() };
        let request = with(&self.indicators, request);
        let answer = hub.indicators().define_indicators(request).await.unwrap();
        assert_eq!(answer.into_inner().receipt.unwrap().rejected, 0);
    }

    pub fn codes(&self, prefix: &str) -> Vec<String> {
        (0..INDICATORS).map(|it| format!("{prefix}.figure-{it}")).collect()
    }

    /// The observation with a number, from 1: month after month, indicator after indicator, commune after commune.
    pub fn observation(&self, number: i64) -> pb::ObservationEntry {
        let communes = i64::try_from(self.units.len()).unwrap();
        let (commune, rest) = ((number - 1) % communes, (number - 1) / communes);
        let (indicator, month) = (rest % INDICATORS, rest / INDICATORS);
        let decimal = |it: i64| Some(it.to_string());
        let (value, numerator, denominator) = match indicator % 2 {
            0 => (decimal(number), None, None),
            _ => (None, decimal(number), decimal(number + 17)),
        };
        pb::ObservationEntry {
            indicator: format!("bench.figure-{indicator}"),
            unit: self.unit(commune),
            period: format!("{}-{:02}", FIRST_YEAR + month / 12, month % 12 + 1),
            value,
            numerator,
            denominator,
            provenance: Some(pb::Provenance {
                channel: pb::ProvenanceChannel::System.into(),
                source_record: number.to_string(),
                ..Default::default()
            }),
            status: pb::ObservationStatus::Final.into(),
            ..Default::default()
        }
    }

    /// The dossier with a number, from 1: accepted, in process, finished.
    pub fn dossier(&self, number: i64) -> pb::DossierEntry {
        let communes = i64::try_from(self.units.len()).unwrap();
        let unit = self.unit((number * 31) % communes);
        let accepted = 1_704_100_000 + number * 60;
        let event = |status: &str, hours: i64, due: Option<i64>| pb::DossierEventEntry {
            occurred_at: instant(accepted + hours * 3_600),
            source_status: status.to_owned(),
            due_at: due.and_then(instant),
            ..Default::default()
        };
        pb::DossierEntry {
            code: format!("000.00.12.H56-240101-{number:07}"),
            procedure: format!("9.{:06}", number % 50),
            receiving_unit: unit.clone(),
            applicant_unit: unit,
            channel: pb::SubmissionChannel::Online.into(),
            applicant_kind: pb::ApplicantKind::Citizen.into(),
            applicant: Some(pb::Applicant {
                name: "Nguyễn Văn A".to_owned(),
                identity_number: format!("{number:012}"),
                ..Default::default()
            }),
            fees: vec![pb::DossierFee {
                name: "Lệ phí".to_owned(),
                amount: "50000".to_owned(),
                paid_online: true,
            }],
            events: vec![
                event("2", 0, Some(accepted + 432_000)),
                event("4", 5, None),
                event("9", 72, None),
            ],
            ..Default::default()
        }
    }

    fn unit(&self, index: i64) -> Option<pb::UnitRef> {
        let code = pb::UnitCode {
            code: self.units[usize::try_from(index).unwrap()].clone(),
            ..Default::default()
        };
        Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) })
    }

    /// Publishes as many observations of other indicators, batch after batch.
    pub async fn publish(&self, hub: &Program, count: i64) {
        let again = |number| {
            let it = self.observation(number);
            pb::ObservationEntry { indicator: it.indicator.replace("bench", "again"), ..it }
        };
        let numbers: Vec<_> = (1..=count).collect();
        for numbers in numbers.chunks(BATCH) {
            let observations = numbers.iter().copied().map(again).collect();
            let request = pb::PublishObservationsRequest { observations, ..Default::default() };
            let request = with(&self.indicators, request);
            let answer = hub.indicators().publish_observations(request).await.unwrap();
            let receipt = answer.into_inner().receipt.unwrap();
            assert_eq!(usize::try_from(receipt.created).unwrap(), numbers.len(), "{receipt:?}");
        }
    }
}

fn instant(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

/// Registers a system that may do everything with a dataset. Its key.
async fn system(
    hub: &Program,
    admin: &Key,
    code: &str,
    grants: pb::Grants,
    dataset: Dataset,
) -> Key {
    let registration = pb::RegisterSystemRequest {
        code: code.to_owned(),
        name: code.to_owned(),
        grants: Some(grants),
        ..Default::default()
    };
    hub.access().register_system(with(admin, registration)).await.unwrap();
    let dossier_codes = match &dataset {
        Dataset::Dossiers(_) => vec!["*".to_owned()],
        Dataset::Indicators(_) => Vec::new(),
    };
    let agreement = pb::Agreement {
        dossier_codes,
        code: code.to_owned(),
        system: code.to_owned(),
        purpose: "bench".to_owned(),
        title: "Bench".to_owned(),
        legal_basis: "none".to_owned(),
        operations: [Operation::Read, Operation::Watch, Operation::Publish].map(Into::into).into(),
        dataset: Some(dataset),
        personal_data: pb::PersonalDataTier::None.into(),
        valid_before: instant(1_900_000_000),
        ..Default::default()
    };
    let grant = pb::GrantAgreementRequest { agreement: Some(agreement), ..Default::default() };
    hub.access().grant_agreement(with(admin, grant)).await.unwrap();
    let issue =
        pb::IssueKeyRequest { system: code.to_owned(), expires_at: None, ..Default::default() };
    let key = hub.access().issue_key(with(admin, issue)).await.unwrap().into_inner().key;
    format!("Bearer {key}").parse().unwrap()
}
