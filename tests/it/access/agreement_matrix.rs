//! The matrix: every method that deals with data, by every identity, state of the agreement, unit and tier. It is
//! generated from the policies: a method that has no line here fails.
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, Value};
use sharehub::{
    caller::{
        agreement::Operation,
        policy::{Kind, POLICIES, PersonalData, Policy, followed_by},
    },
    pb::{self, agreement::Dataset, watch_request::From},
};
use tonic::{Code, Status};

use crate::support::{
    agreements::{by, from_now},
    client::{Client, Grants, Key, agreement, gso, id},
    desk::{count, saw},
    history::{History, dossiers, indicators},
    hub::Hub,
    pki::PKI,
    raw::{Answer, Raw, unary},
};

/// What is asked of each method: about the indicator and the dossier of the system that calls, at a unit.
#[rustfmt::skip]
const ASKED: &[(&str, &str)] = &[
    ("DossierService/ExportDossiers", "{}"),
    ("DossierService/GetDossier", r#"{"code": "{dossier}"}"#),
    ("DossierService/IngestDossiers", r#"{"open": {"load": "one"}}"#),
    ("DossierService/ListDossiers", "{}"),
    ("DossierService/LookUpDossier", r#"{"code": "{dossier}"}"#),
    ("DossierService/PublishDossiers", r#"
        {"allowPartial": true, "dossiers": [{"code": "{dossier}", "procedure": "1.004194",
        "receivingUnit": {"id": "{unit}"}, "applicant": {"name": "Nguyễn Văn Ẩn"}}]}"#),
    ("DossierService/PublishEvents", r#"
        {"allowPartial": true, "events": [{"dossier": "{dossier}", "event": {"occurredAt": "2026-01-02T00:00:00Z",
        "sourceStatus": "2"}}]}"#),
    ("DossierService/SummarizeDossiers", r#"
        {"rule": "national-766", "period": "2026-01", "by": ["SUMMARY_DIMENSION_MONTH"]}"#),
    ("DossierService/WithdrawDossiers", r#"
        {"allowPartial": true, "dossiers": ["{dossier}"], "reason": "x", "validateOnly": true}"#),
    ("IndicatorService/ExportObservations", r#"{"indicators": ["{indicator}"]}"#),
    ("IndicatorService/GetAvailability", r#"
        {"indicators": ["{indicator}"], "units": [{"id": "{unit}"}], "ends_from": "2024-01-01",
        "ends_before": "2025-01-01"}"#),
    ("IndicatorService/GetSnapshot", r#"{"indicators": ["{indicator}"], "units": [{"id": "{unit}"}]}"#),
    ("IndicatorService/IngestObservations", r#"{"open": {"load": "one"}}"#),
    ("IndicatorService/ListRevisions", r#"{"indicator": "{indicator}", "unit": {"id": "{unit}"}, "period": "2024"}"#),
    ("IndicatorService/PublishObservations", r#"
        {"allowPartial": true, "observations": [{"indicator": "{indicator}", "unit": {"id": "{unit}"},
        "period": "2024", "value": "5", "status": "OBSERVATION_STATUS_FINAL"}]}"#),
    ("IndicatorService/PublishTargets", r#"
        {"allowPartial": true, "targets": [{"indicator": "{indicator}", "unit": {"id": "{unit}"},
        "period": "2024", "comparison": "TARGET_COMPARISON_AT_LEAST", "value": "5"}]}"#),
    ("IndicatorService/QueryObservations", r#"{"indicators": ["{indicator}"]}"#),
    ("IndicatorService/QueryTargets", r#"{"indicators": ["{indicator}"]}"#),
    ("IndicatorService/RankUnits", r#"
        {"indicator": "{indicator}", "period": "2024", "below": {"id": "{unit}"},
        "level": "UNIT_LEVEL_DISTRICT"}"#),
    ("IndicatorService/RollUp", r#"
        {"indicator": "{indicator}", "unit": {"id": "{unit}"}, "periods": ["2024"],
        "geography": "GEOGRAPHY_AS_REPORTED"}"#),
    ("IndicatorService/WithdrawObservations", r#"
        {"allowPartial": true, "observations": [{"indicator": "{indicator}", "unit": {"id": "{unit}"},
        "period": "2024"}], "reason": "x", "validateOnly": true}"#),
    ("IndicatorService/WithdrawTargets", r#"
        {"allowPartial": true, "targets": [{"indicator": "{indicator}", "unit": {"id": "{unit}"},
        "period": "2024"}], "reason": "x", "validateOnly": true}"#),
];

/// The name of an applicant, which shows only at one tier.
const NAME: &str = "Nguyễn Văn Ẩn";

/// What a caller is, and may do.
#[derive(Clone, Debug)]
struct Line {
    name: &'static str,
    operations: BTreeSet<Operation>,
    kinds: Vec<Kind>,
    /// What the call is expected to be refused with, whatever it asks.
    refused: Option<&'static str>,
    is_inside: bool,
    tier: pb::PersonalDataTier,
    /// Whether it calls by a certificate; else by a key.
    is_certified: bool,
    change: fn(&mut pb::Agreement),
}

fn lines() -> Vec<Line> {
    use Operation::{Count, Publish, Read, Watch};
    let whole = Line {
        name: "living",
        operations: [Read, Watch, Publish].into(),
        kinds: vec![Kind::Indicators, Kind::Dossiers],
        refused: None,
        is_inside: true,
        tier: pb::PersonalDataTier::None,
        is_certified: false,
        change: |_| {},
    };
    let refused = Some("NOT_PERMITTED");
    let unknown = Some("CALLER_UNKNOWN");
    let only = |name, operation| Line { name, operations: [operation].into(), ..whole.clone() };
    let tier = |name, tier| Line { name, tier, ..whole.clone() };
    let certified = |name, tier| Line { name, tier, is_certified: true, ..whole.clone() };
    vec![
        whole.clone(),
        Line { name: "disabled", refused: unknown, ..whole.clone() },
        Line { name: "nobody", refused: unknown, ..whole.clone() },
        Line { name: "none", operations: [].into(), refused, ..whole.clone() },
        Line {
            name: "not-yet",
            refused,
            change: |it| it.valid_from = from_now(86_400),
            ..whole.clone()
        },
        Line {
            name: "expired",
            refused,
            change: |it| it.valid_before = from_now(-60),
            ..whole.clone()
        },
        Line { name: "revoked", refused, ..whole.clone() },
        Line {
            name: "another-purpose",
            refused,
            change: |it| it.purpose = "another".to_owned(),
            ..whole.clone()
        },
        only("only-read", Read),
        only("only-watch", Watch),
        only("only-publish", Publish),
        Line { kinds: vec![Kind::Dossiers], ..only("only-count", Count) },
        Line { kinds: vec![Kind::Dossiers], is_inside: false, ..only("another-unit-count", Count) },
        Line { name: "only-indicators", kinds: vec![Kind::Indicators], ..whole.clone() },
        Line { name: "only-dossiers", kinds: vec![Kind::Dossiers], ..whole.clone() },
        Line {
            name: "another-dataset",
            is_inside: false,
            change: |it| match &mut it.dataset {
                Some(Dataset::Indicators(it)) => it.patterns = vec!["other.*".to_owned()],
                Some(Dataset::Dossiers(it)) => it.procedures = vec!["1.000001".to_owned()],
                None => {}
            },
            ..whole.clone()
        },
        Line { name: "another-unit", is_inside: false, ..whole.clone() },
        tier("masked", pb::PersonalDataTier::Masked),
        tier("full", pb::PersonalDataTier::Full),
        certified("living-by-certificate", pb::PersonalDataTier::None),
        certified("masked-by-certificate", pb::PersonalDataTier::Masked),
        certified("full-by-certificate", pb::PersonalDataTier::Full),
    ]
}

/// A system that has published one observation, one target and one dossier at a unit, with the agreements of its line.
async fn system(hub: &Hub, line: &Line, inside: i64, outside: i64) -> Client {
    let everything = Grants {
        define_indicators: vec!["*".to_owned()],
        publish_indicators: vec!["*".to_owned()],
        publish_dossiers: true,
        dossier_codes: vec![format!("{}.", line.name)],
        define_procedures: true,
        ..Grants::default()
    };
    let client = hub.system(line.name, everything).await;
    let code = format!("m.{}", line.name);
    let indicator = pb::Indicator { authoritative_source: line.name.to_owned(), ..count(&code) };
    let define = pb::DefineIndicatorsRequest { indicators: vec![indicator], ..Default::default() };
    client.indicators().define_indicators(define).await.unwrap();
    let said = pb::ObservationEntry { unit: id(inside), ..saw(&code, "83", "2024", "5") };
    let publish = pb::PublishObservationsRequest { observations: vec![said], ..Default::default() };
    client.indicators().publish_observations(publish).await.unwrap();
    let target = pb::TargetEntry {
        indicator: code,
        unit: id(inside),
        period: "2024".to_owned(),
        comparison: pb::TargetComparison::AtLeast.into(),
        value: Some("5".to_owned()),
        ..Default::default()
    };
    let publish = pb::PublishTargetsRequest { targets: vec![target], ..Default::default() };
    client.indicators().publish_targets(publish).await.unwrap();
    let event = pb::DossierEventEntry {
        occurred_at: Some(prost_types::Timestamp { seconds: 1_767_312_000, nanos: 0 }),
        source_status: "2".to_owned(),
        ..Default::default()
    };
    let dossier = pb::DossierEntry {
        code: format!("{}.H61", line.name),
        procedure: "1.004194".to_owned(),
        receiving_unit: id(inside),
        applicant: Some(pb::Applicant { name: NAME.to_owned(), ..Default::default() }),
        events: vec![event],
        ..Default::default()
    };
    let publish = pb::PublishDossiersRequest { dossiers: vec![dossier], ..Default::default() };
    let receipt = client.dossiers().publish_dossiers(publish).await.unwrap().into_inner().receipt;
    assert_eq!(receipt.unwrap().created, 1);
    let operations: Vec<_> = line
        .operations
        .iter()
        .map(|it| pb::AgreementOperation::try_from(it.number()).unwrap())
        .collect();
    let mut agreements = Vec::new();
    for kind in line.kinds.iter().filter(|_| !operations.is_empty()) {
        let dataset = match kind {
            Kind::Indicators => by(&["*"]),
            Kind::Dossiers => Dataset::Dossiers(pb::DossierDataset::default()),
        };
        let code = format!("{}.{}", line.name, kind.name());
        let mut one = agreement(&code, line.name, &operations, dataset);
        if line.name.starts_with("another-unit") {
            one.units = vec![id(outside).unwrap()];
        } else {
            one.units = vec![id(inside).unwrap()];
        }
        if *kind == Kind::Dossiers {
            one.personal_data = line.tier.into();
            if line.operations.contains(&Operation::Publish) {
                one.dossier_codes = vec![format!("{}.", line.name)];
            }
        }
        (line.change)(&mut one);
        agreements.push(one);
    }
    hub.agree(line.name, agreements).await;
    match line.name {
        "revoked" => hub.agree(line.name, Vec::new()).await,
        "disabled" => {
            let disable =
                pb::DisableSystemRequest { code: line.name.to_owned(), ..Default::default() };
            hub.admin().access().disable_system(disable).await.unwrap();
        }
        "nobody" => return hub.nobody(),
        _ => {}
    }
    client
}

/// The first message of an answer.
fn first(answer: &Answer, method: &MethodDescriptor) -> Option<DynamicMessage> {
    let length = answer.data.get(1..5)?;
    let length = usize::try_from(u32::from_be_bytes(length.try_into().ok()?)).ok()?;
    let bytes = answer.data.get(5..5 + length)?;
    Some(DynamicMessage::decode(method.output(), bytes).unwrap())
}

/// Whether an answer holds anything of what was asked about, beside words about the answer itself.
fn holds_data(answer: &DynamicMessage) -> bool {
    answer.fields().any(|(field, value)| match value {
        Value::List(items) => !items.is_empty(),
        Value::Message(_) => matches!(field.name(), "dossier" | "unit" | "receiving_unit"),
        _ => false,
    })
}

fn rejected(answer: &DynamicMessage) -> i32 {
    let Some(receipt) = answer.get_field_by_name("receipt") else { return 0 };
    let rejected = receipt.as_message().unwrap().get_field_by_name("rejected").unwrap();
    rejected.as_i32().unwrap()
}

fn reason(status: &Status) -> String {
    use tonic_types::StatusExt;
    let info = status.get_details_error_info();
    info.map_or_else(String::new, |it| it.reason.trim_start_matches("ERROR_REASON_").to_owned())
}

/// A watch begins with all that may be followed: each kind of data by an agreement of its own, and nothing without one.
async fn watched(hub: &Hub, line: &Line, client: &Client) {
    let what = format!("Watch by {}", line.name);
    let by = match line.is_certified {
        true => hub.by_certificate(line.name).await,
        false => client.clone(),
    };
    let mut history = History::of(vec![indicators(&[]), dossiers(pb::DossierFilter::default())]);
    let opened = history.watch(&by, Some(From::Beginning(true))).await;
    let shows = line.tier != pb::PersonalDataTier::None;
    let refused = match line.refused {
        Some("CALLER_UNKNOWN") => Some("CALLER_UNKNOWN"),
        _ if shows && !line.is_certified => Some("CERTIFICATE_REQUIRED"),
        _ => None,
    };
    if let Some(refused) = refused {
        assert_eq!(reason(&opened.expect_err(&what)), refused, "{what}");
        return;
    }
    let mut watch = opened.unwrap();
    history.until(&mut watch, hub.hub.revisions.head().newest.number).await;
    let is_there = |thing: String| history.copy.keys().any(|it| it.starts_with(&thing));
    let may = |kind: Kind| {
        let follows = followed_by(kind).iter().any(|it| line.operations.contains(it));
        line.refused.is_none() && line.is_inside && line.kinds.contains(&kind) && follows
    };
    let (observation, dossier) =
        (format!("observation m.{} ", line.name), format!("dossier {}.H61", line.name));
    assert_eq!(is_there(observation), may(Kind::Indicators), "{what}: {:?}", history.copy.keys());
    assert_eq!(is_there(dossier), may(Kind::Dossiers), "{what}: {:?}", history.copy.keys());
    let told: Vec<u8> = history.copy.values().flat_map(Message::encode_to_vec).collect();
    let named = told.windows(NAME.len()).any(|it| it == NAME.as_bytes());
    assert_eq!(named, may(Kind::Dossiers) && line.tier == pb::PersonalDataTier::Full, "{what}");
}

/// Checks the answer of one call of the matrix.
fn check(what: &str, line: &Line, policy: &Policy, method: &MethodDescriptor, answer: &Answer) {
    let Policy::Data(kind, operations, personal) = policy else { return };
    let status = answer.status();
    if let Some(refused) = line.refused {
        assert_eq!(reason(&status), refused, "{what}: {status:?}");
        return;
    }
    let covers =
        line.kinds.contains(kind) && operations.iter().any(|it| line.operations.contains(it));
    if !covers {
        assert_eq!(reason(&status), "NOT_PERMITTED", "{what}: {status:?}");
        return;
    }
    let shows = *personal == PersonalData::AsAgreed && line.tier != pb::PersonalDataTier::None;
    if shows && !line.is_certified {
        assert_eq!(reason(&status), "CERTIFICATE_REQUIRED", "{what}: {status:?}");
        assert_eq!(status.code(), Code::PermissionDenied);
        return;
    }
    let body = first(answer, method);
    let is_write = operations == &[Operation::Publish];
    let is_stream = method.is_client_streaming();
    if line.is_inside {
        assert_eq!(status.code(), Code::Ok, "{what}: {status:?}");
        let body = body.unwrap_or_else(|| panic!("{what}: no answer"));
        assert_eq!(rejected(&body), 0, "{what}: {body}");
        assert!(is_write || holds_data(&body), "{what} has nothing: {body}");
    } else if !is_stream {
        match (status.code(), body) {
            (Code::Ok, Some(body)) if is_write => {
                assert_eq!(rejected(&body), 1, "{what}: {body}");
            }
            (Code::Ok, Some(body)) => assert!(!holds_data(&body), "{what}: {body}"),
            (Code::Ok, None) | (Code::NotFound, _) => {}
            (code, body) => panic!("{what}: {code:?} {body:?}"),
        }
    }
    let shows = answer.data.windows(NAME.len()).any(|it| it == NAME.as_bytes());
    let may_show = *personal == PersonalData::AsAgreed
        && line.is_inside
        && line.tier == pb::PersonalDataTier::Full;
    assert_eq!(shows, may_show, "{what}: the applicant's name");
}

#[tokio::test]
async fn every_method_by_every_identity_agreement_unit_and_tier() {
    let hub = Hub::start().await;
    let owner = Grants { define_procedures: true, ..Grants::default() };
    let owner = hub.system("owner", owner).await;
    let procedures = ["1.004194", "1.000001"].map(|code| pb::Procedure {
        code: code.to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    });
    let define =
        pb::DefineProceduresRequest { procedures: procedures.into(), ..Default::default() };
    owner.dossiers().define_procedures(define).await.unwrap();
    let by_code = async |code: &str| {
        let get = pb::GetUnitRequest { unit: gso(code, "2024-12-31"), ..Default::default() };
        owner.units().get_unit(get).await.unwrap().into_inner().unit.unwrap().id
    };
    let (inside, outside) = (by_code("83").await, by_code("80").await);
    let lines = lines();
    let systems = lines.iter().map(|line| system(&hub, line, inside, outside));
    let systems = futures_util::future::join_all(systems).await;
    let plain = Raw::connect(hub.address).await;
    let raws = lines.iter().map(async |line| match line.is_certified {
        true => Raw::secure(hub.secure().await, &PKI.client(line.name)).await,
        false => plain.clone(),
    });
    let raws = futures_util::future::join_all(raws).await;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let asked: BTreeMap<_, _> = ASKED.iter().copied().collect();
    let mut tried = 0;
    for (method, policy) in POLICIES {
        let Policy::Data(..) = policy else { continue };
        let json = asked.get(method).unwrap_or_else(|| panic!("{method} has no line in ASKED"));
        let (service, name) = method.split_once('/').unwrap();
        let service = pool.get_service_by_name(&format!("sharehub.v1.{service}")).unwrap();
        let found = service.methods().find(|it| it.name() == name).unwrap();
        for ((line, client), raw) in lines.iter().zip(&systems).zip(&raws) {
            tried += 1;
            let what = format!("{method} by {}", line.name);
            let json = json
                .replace("{indicator}", &format!("m.{}", line.name))
                .replace("{dossier}", &format!("{}.H61", line.name))
                .replace("{unit}", &inside.to_string());
            let mut json = serde_json::Deserializer::from_str(&json);
            let message = DynamicMessage::deserialize(found.input(), &mut json).unwrap();
            let Key(key) = &client.key;
            let key = key.as_deref().filter(|_| !line.is_certified);
            let path = format!("/sharehub.v1.{method}");
            let answer = raw.call(unary(&path, key, &message.encode_to_vec())).await;
            check(&what, line, policy, &found, &answer);
        }
    }
    for (line, client) in lines.iter().zip(&systems) {
        watched(&hub, line, client).await;
    }
    let data = POLICIES.iter().filter(|(_, it)| matches!(it, Policy::Data(..))).count();
    assert_eq!(tried, data * lines.len());
    assert_eq!(asked.len(), data, "lines of ASKED that are no method of data");
}
