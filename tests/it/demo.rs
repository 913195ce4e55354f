//! The demo's data, read back through the wire: the articles' figures as written, and dossiers that agree with them.
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use prost_reflect::{DescriptorPool, DynamicMessage};
use sharehub::{
    demo::{Place, Role, welcome},
    pb,
};
use tonic::Code;

use crate::support::{
    client::{Client, gso, refusal},
    hub::Hub,
};

const FIGURES: &str = include_str!("../../src/demo/seed_observations.csv");

/// A hub with the demo in it, and the IOC as its reader.
async fn demo() -> (Hub, Client) {
    let hub = Hub::start().await;
    let roles = sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let key = &roles.iter().find(|it| it.name == "IOC").unwrap().key;
    let ioc = hub.as_(key);
    (hub, ioc)
}

/// What came back of one figure.
#[derive(Debug)]
enum Back {
    Observation(Box<pb::Observation>),
    Target(Box<pb::IndicatorTarget>),
}

impl Back {
    fn provenance(&self) -> &pb::Provenance {
        match self {
            Self::Observation(it) => it.figure.as_ref().unwrap().provenance.as_ref().unwrap(),
            Self::Target(it) => it.provenance.as_ref().unwrap(),
        }
    }

    fn unit(&self) -> &str {
        match self {
            Self::Observation(it) => &it.unit.as_ref().unwrap().name,
            Self::Target(it) => &it.unit.as_ref().unwrap().name,
        }
    }
}

/// Every observation and target that the IOC may read, by the row of the article that it came from.
async fn everything(ioc: &Client) -> BTreeMap<String, Vec<Back>> {
    let mut back: BTreeMap<String, Vec<Back>> = BTreeMap::new();
    let mut page = pb::PageRequest { size: 50, token: String::new() };
    loop {
        let query = pb::QueryObservationsRequest { page: Some(page.clone()), ..Default::default() };
        let answer = ioc.indicators().query_observations(query).await.unwrap().into_inner();
        for it in answer.observations {
            let it = Back::Observation(Box::new(it));
            back.entry(it.provenance().source_record.clone()).or_default().push(it);
        }
        page.token = answer.next_page_token;
        if page.token.is_empty() {
            break;
        }
    }
    loop {
        let query = pb::QueryTargetsRequest { page: Some(page.clone()), ..Default::default() };
        let answer = ioc.indicators().query_targets(query).await.unwrap().into_inner();
        for it in answer.targets {
            let it = Back::Target(Box::new(it));
            back.entry(it.provenance().source_record.clone()).or_default().push(it);
        }
        page.token = answer.next_page_token;
        if page.token.is_empty() {
            return back;
        }
    }
}

/// A number as the articles write it: `10.512` and `70,96`.
fn number(text: &str) -> Option<String> {
    let plain = text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | ','));
    (plain && !text.is_empty()).then(|| text.replace('.', "").replace(',', "."))
}

#[tokio::test]
async fn all_124_figures_come_back_as_written() {
    let (_hub, ioc) = demo().await;
    let back = everything(&ioc).await;
    let mut read = csv::Reader::from_reader(FIGURES.as_bytes());
    let mut rows = 0;
    let mut judged = 0;
    for row in read.deserialize::<HashMap<String, String>>() {
        let row = row.unwrap();
        let id = &row["id"];
        rows += 1;
        let all = back.get(id).unwrap_or_else(|| panic!("{id} did not come back"));
        for it in all {
            let from = it.provenance();
            assert_eq!(from.quote, row["quote"], "{id}");
            assert!(from.quote.contains(&from.as_written), "{id}: {}", from.as_written);
            assert!(!from.as_written.is_empty(), "{id}");
            assert_eq!(from.source_document, row["file"], "{id}");
            let unit = row["unit"].split(',').next().unwrap().to_lowercase();
            assert_eq!(it.unit().to_lowercase(), unit, "{id}");
            let is_target = row["kind"].starts_with("target");
            assert_eq!(matches!(it, Back::Target(_)), is_target, "{id}");
        }
        let [it] = all.as_slice() else { continue };
        judged += check_number(id, &row, it);
    }
    assert_eq!(rows, 124);
    assert_eq!(back.len(), 124);
    assert!(judged >= 100, "only {judged} numbers could be compared");
}

/// Compares the number itself, where it is written plainly: 1 when it was compared.
fn check_number(id: &str, row: &HashMap<String, String>, it: &Back) -> usize {
    let written = row["value_as_written"].as_str();
    let (bound, plain) = match written.chars().next() {
        Some('>') => (pb::ValueQualifier::MoreThan, &written[1..]),
        Some('~') => (pb::ValueQualifier::About, &written[1..]),
        Some('≥') => (pb::ValueQualifier::AtLeast, written.trim_start_matches('≥')),
        _ => (pb::ValueQualifier::Exact, written),
    };
    let plain = plain.split(" (").next().unwrap();
    let Some(expected) = number(plain) else { return 0 };
    match it {
        Back::Target(it) => {
            assert_eq!(it.value.as_deref(), Some(expected.as_str()), "{id}");
            let comparison = match bound {
                pb::ValueQualifier::MoreThan => pb::TargetComparison::MoreThan,
                _ => pb::TargetComparison::AtLeast,
            };
            assert_eq!(it.comparison(), comparison, "{id}");
        }
        Back::Observation(it) => {
            let figure = it.figure.as_ref().unwrap();
            let parts = [&figure.value, &figure.numerator].map(Option::as_deref);
            assert!(parts.contains(&Some(expected.as_str())), "{id}: {expected} {figure:?}");
            assert_eq!(figure.qualifier(), bound, "{id}");
            let ratio = row["num_den"].split_once('/');
            let ratio = ratio.and_then(|(n, d)| Some((number(n)?, number(d)?)));
            if let (Some((n, d)), true) = (ratio, figure.denominator.is_some()) {
                assert_eq!(figure.numerator.as_deref(), Some(n.as_str()), "{id}");
                assert_eq!(figure.denominator.as_deref(), Some(d.as_str()), "{id}");
            }
        }
    }
    1
}

async fn cell(ioc: &Client, unit: &str, date: &str, code: &str, period: &str) -> pb::SnapshotCell {
    let ask = pb::GetSnapshotRequest {
        units: vec![gso(unit, date).unwrap()],
        indicators: vec![code.to_owned()],
        period: period.to_owned(),
        ..Default::default()
    };
    let answer = ioc.indicators().get_snapshot(ask).await.unwrap().into_inner();
    answer.cells.into_iter().next().unwrap()
}

#[tokio::test]
async fn the_ioc_reads_true_numbers() {
    let (_hub, ioc) = demo().await;
    let tan_tru = cell(&ioc, "805", "", "dossier.on-time-rate", "2024-YTD-09").await;
    let it = tan_tru.latest.unwrap().figure.unwrap();
    assert_eq!(
        [&it.numerator, &it.denominator, &it.value].map(Option::as_deref),
        [Some("10512"), Some("10512"), Some("100")]
    );
    assert_eq!(it.qualifier(), pb::ValueQualifier::Exact);
    let from = it.provenance.unwrap();
    assert_eq!(from.source_document, "001_65e1fb622f781cc1.txt");
    assert!(from.quote.contains("đạt 100% (10.512/10.512 hồ sơ)"));

    let date = "2023-12-31";
    let wifi = cell(&ioc, "838", date, "wifi.hamlets-rate", "").await.latest.unwrap();
    let it = wifi.figure.unwrap();
    assert_eq!(
        [&it.numerator, &it.denominator, &it.value, &it.computed_value].map(Option::as_deref),
        [Some("62"), Some("102"), Some("61"), Some("60.784313725490196078")]
    );
    assert_eq!((it.basis(), it.inconsistent), (pb::FigureBasis::Reported, false));
    let phones = cell(&ioc, "838", date, "smartphone.adults-rate", "").await.latest.unwrap();
    let it = phones.figure.unwrap();
    assert_eq!((it.value.as_deref(), it.qualifier()), (Some("55"), pb::ValueQualifier::MoreThan));
    let health = cell(&ioc, "838", date, "health.e-book-rate", "").await.latest.unwrap();
    let it = health.figure.unwrap();
    assert_eq!(
        [&it.numerator, &it.denominator, &it.value].map(Option::as_deref),
        [Some("80835"), None, Some("70.96")]
    );

    let sent = cell(&ioc, "404", date, "document.sent-count", "2023-YTD-11").await.latest.unwrap();
    assert_eq!(sent.as_of, "2023-11-29");
    assert_eq!(sent.figure.unwrap().value.as_deref(), Some("11703"));
    let signed =
        cell(&ioc, "404", date, "document.signed-sent-rate", "2023-YTD-11").await.latest.unwrap();
    assert_eq!(signed.figure.unwrap().value.as_deref(), Some("99.94"));

    // A target of 2024 without a value yet; the same wording is an observation of the commune, and stays apart.
    let meetings = cell(&ioc, "404", date, "meeting.online-rate", "").await;
    let target = meetings.target.unwrap();
    assert_eq!((target.period.as_str(), target.value.as_deref()), ("2024", Some("90")));
    assert_eq!(meetings.attainment.unwrap().state(), pb::AttainmentState::NoValue);
    assert!(meetings.latest.is_none());
    let code = "document.created-signed-rate";
    let commune = cell(&ioc, "16342", date, code, "2023").await;
    assert!(commune.latest.is_some() && commune.target.is_none());
    let district = cell(&ioc, "404", date, code, "").await;
    assert!(district.latest.is_none() && district.target.is_some());
}

#[tokio::test]
async fn what_was_not_assessed_is_no_zero() {
    let (_hub, ioc) = demo().await;
    let all = everything(&ioc).await;
    let statuses: Vec<_> = all["003-02"]
        .iter()
        .map(|it| match it {
            Back::Observation(it) => {
                let figure = it.figure.as_ref().unwrap();
                (figure.status(), figure.value.clone())
            }
            Back::Target(it) => panic!("a target: {it:?}"),
        })
        .collect();
    for status in [pb::ObservationStatus::NotAssessed, pb::ObservationStatus::NotImplemented] {
        assert!(statuses.contains(&(status, None)), "{statuses:?}");
    }
}

#[tokio::test]
async fn the_synthetic_dossiers_add_up_to_what_the_articles_report() {
    let (hub, ioc) = demo().await;
    let count = async |unit: &str, period: &str| {
        let ask = pb::SummarizeDossiersRequest {
            period: period.to_owned(),
            receiving_unit: gso(unit, ""),
            ..Default::default()
        };
        let answer = ioc.dossiers().summarize_dossiers(ask).await.unwrap().into_inner();
        assert_eq!(answer.rule, "national-766");
        answer.total.unwrap()
    };
    let tan_tru = count("805", "2024-YTD-09").await;
    assert_eq!((tan_tru.received, tan_tru.on_time_numerator), (10_512, 10_512));
    assert_eq!(
        (tan_tru.on_time_denominator, tan_tru.on_time_rate.as_deref()),
        (10_512, Some("100"))
    );
    let mo_cay_bac = count("838", "2023").await;
    assert_eq!((mo_cay_bac.received, mo_cay_bac.received_online), (3_797, 3_797));
    // Clearly marked, and nobody is in it.
    let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
    let list = pb::ListDossiersRequest { page, ..Default::default() };
    let list = ioc.dossiers().list_dossiers(list).await.unwrap().into_inner();
    assert!(list.dossiers.iter().all(|it| it.code.starts_with("SYNTHETIC-")));
    assert!(list.dossiers.iter().all(|it| it.applicant.is_none() && !it.personal_data_withheld));
    // Loaded again, it is the same.
    let before = hub.hub.revisions.head().newest.number;
    sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let keys_only = hub.hub.revisions.head().newest.number - before;
    assert_eq!(keys_only, 8, "four keys revoked, four issued, nothing else");
}

#[tokio::test]
async fn the_ioc_may_not_publish() {
    let (_hub, ioc) = demo().await;
    let nothing = pb::PublishObservationsRequest::default();
    let refused = ioc.indicators().publish_observations(nothing).await;
    assert_eq!(refusal(refused).0, Code::PermissionDenied);
    let nothing = pb::PublishDossiersRequest::default();
    let refused = ioc.dossiers().publish_dossiers(nothing).await;
    assert_eq!(refusal(refused).0, Code::PermissionDenied);
}

/// What the demo prints.
fn printed() -> String {
    let role = |name, system| Role { name, system, may: "reads", key: format!("shk_{system}") };
    let place = Place {
        address: "127.0.0.1:50051".parse().unwrap(),
        tls: true,
        certificates: Some(Path::new("/tmp/demo/pki")),
        program: Path::new("sharehub"),
    };
    welcome(&place, &[role("ADMIN", "admin"), role("IOC", "ioc")])
}

#[tokio::test]
async fn a_board_of_the_demo_names_the_articles_as_its_source() {
    let (_hub, ioc) = demo().await;
    let request = pb::ListSourcesRequest::default();
    let sources = ioc.indicators().list_sources(request).await.unwrap().into_inner().sources;
    let source = sources.iter().find(|it| it.code == "articles.demo").unwrap();
    for place in ["Mỏ Cày Bắc", "Giồng Trôm", "Tân Trụ", "Bắc Kạn", "Nông Cống"] {
        assert!(source.name.contains(place), "no {place}: {}", source.name);
    }
    assert!(source.name.chars().count() <= 200 && !source.contact.is_empty(), "{source:?}");
    assert_eq!(source.indicators.len(), 124);
    assert!(source.last_accepted_at.is_some() && source.rejected_today == 0, "{source:?}");
}

#[test]
fn what_the_demo_prints_is_pasted_as_it_is() {
    let text = printed();
    let exported: Vec<_> = text.lines().filter(|it| it.starts_with("export ")).collect();
    assert_eq!(
        exported,
        [
            "export SHAREHUB_TARGET=https://localhost:50051",
            "export SHAREHUB_CA=/tmp/demo/pki/ca.pem",
            "export SHAREHUB_KEY_ADMIN=shk_admin",
            "export SHAREHUB_KEY_IOC=shk_ioc",
        ]
    );
}

#[test]
fn the_calls_that_the_demo_prints_are_messages_of_their_methods() {
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let text = printed();
    let calls: Vec<_> =
        text.lines().filter_map(|it| it.strip_prefix("sharehub call --key ")).collect();
    assert_eq!(calls.len(), 3);
    for call in calls {
        let (method, request) = call.split_once(" '").unwrap();
        let (_, method) = method.split_once(' ').unwrap();
        let (service, name) = method.split_once('/').unwrap();
        let service = pool.get_service_by_name(&format!("sharehub.v1.{service}")).unwrap();
        let method = service.methods().find(|it| it.name() == name).unwrap();
        let mut json = serde_json::Deserializer::from_str(request.trim_end_matches('\''));
        DynamicMessage::deserialize(method.input(), &mut json).unwrap();
    }
}
