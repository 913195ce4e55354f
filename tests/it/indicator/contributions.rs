//! Several sources side by side: what another source than the authoritative one contributes is kept beside, shown where
//! it is asked for, and in no figure.
use sharehub::pb::{self, AgreementOperation as Operation, ItemOutcome as Outcome};
use tonic::{Code, Status};

use crate::{
    indicator::publish::partial,
    support::{
        agreements::by,
        client::{Client, Grants, agreement, exactly, gso, refusal},
        desk::{BEN_TRE, Desk, SOURCE, aim, amount, batch, count, outcomes, rejected, revision},
        desk::{saw, target},
        history::{History, indicators},
        loads::{Sender, counts},
    },
};

/// The agreement by which a system publishes some indicators, its own or not.
pub fn terms(system: &str, patterns: &[&str], contributes: bool) -> pb::Agreement {
    let code = format!("{system}.contributes");
    let publish = agreement(&code, system, &[Operation::Publish], by(patterns));
    pb::Agreement { contributes, ..publish }
}

fn reads(patterns: &[&str]) -> Grants {
    let read_indicators = patterns.iter().map(|it| (*it).to_owned()).collect();
    Grants { read_indicators, ..Default::default() }
}

/// A system that reads all indicators, and contributes to those of the desk.
pub async fn contributor(desk: &Desk, code: &str) -> Client {
    let client = desk.hub.system(code, reads(&["*"])).await;
    desk.hub.grant(terms(code, &["doc.*"], true)).await;
    client
}

pub async fn publish(
    by: &Client,
    request: pb::PublishObservationsRequest,
) -> Result<pb::Receipt, Status> {
    Ok(by.indicators().publish_observations(request).await?.into_inner().receipt.unwrap())
}

/// A count of Ben Tre in a year.
pub fn said(year: &str, value: &str) -> pb::ObservationEntry {
    saw("doc.count", BEN_TRE, year, value)
}

pub async fn says(by: &Client, entries: Vec<pb::ObservationEntry>) -> Vec<Outcome> {
    outcomes(&publish(by, batch(entries)).await.unwrap())
}

/// Source, value, and whether it was contributed.
pub fn told(it: &pb::Observation) -> (String, String, bool) {
    let figure = it.figure.clone().unwrap();
    let source = figure.provenance.unwrap_or_default().source_system;
    (source, figure.value.unwrap_or_default(), it.contributed)
}

pub fn one(source: &str, value: &str, contributed: bool) -> (String, String, bool) {
    (source.to_owned(), value.to_owned(), contributed)
}

pub fn all(all: &[pb::Observation]) -> Vec<(String, String, bool)> {
    all.iter().map(told).collect()
}

/// What a question lists, by pages of some, and what an export of the same sends.
pub async fn listed(
    by: &Client,
    all_sources: bool,
    at: Option<i64>,
    size: i32,
) -> Vec<pb::Observation> {
    let consistency = at.and_then(exactly);
    let mut query = pb::QueryObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        page: Some(pb::PageRequest { size, token: String::new() }),
        consistency,
        all_sources,
        ..Default::default()
    };
    let mut queried = Vec::new();
    loop {
        let page = by.indicators().query_observations(query.clone()).await.unwrap().into_inner();
        queried.extend(page.observations);
        if page.next_page_token.is_empty() {
            break;
        }
        query.page = Some(pb::PageRequest { size, token: page.next_page_token });
    }
    let export = pb::ExportObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        consistency,
        all_sources,
        ..Default::default()
    };
    let mut stream = by.indicators().export_observations(export).await.unwrap().into_inner();
    let mut exported = Vec::new();
    while let Some(part) = stream.message().await.unwrap() {
        exported.extend(part.observations);
    }
    assert_eq!(exported, queried, "an export sends what a query lists");
    queried
}

pub async fn cell(
    by: &Client,
    period: &str,
    at: Option<i64>,
    all_sources: bool,
) -> pb::SnapshotCell {
    let request = pb::GetSnapshotRequest {
        units: gso(BEN_TRE, "2024-12-31").into_iter().collect(),
        indicators: vec!["doc.count".to_owned()],
        period: period.to_owned(),
        consistency: at.and_then(exactly),
        all_sources,
        ..Default::default()
    };
    by.indicators().get_snapshot(request).await.unwrap().into_inner().cells.pop().unwrap()
}

pub async fn versions(by: &Client, all_sources: bool, size: i32) -> Vec<pb::Observation> {
    let mut request = pb::ListRevisionsRequest {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        page: Some(pb::PageRequest { size, token: String::new() }),
        all_sources,
        ..Default::default()
    };
    let mut versions = Vec::new();
    loop {
        let page = by.indicators().list_revisions(request.clone()).await.unwrap().into_inner();
        versions.extend(page.versions);
        if page.next_page_token.is_empty() {
            return versions;
        }
        request.page = Some(pb::PageRequest { size, token: page.next_page_token });
    }
}

/// Everything that is computed of a count in 2024, and what the feed has told.
async fn figures(desk: &Desk) -> String {
    let mut rpc = desk.source.indicators();
    let code = || "doc.count".to_owned();
    let mut cells = Vec::new();
    for period in ["", "2024"] {
        cells.push(cell(&desk.source, period, None, false).await);
    }
    let roll_up = |unit: &str, of: pb::RollUpOf| pb::RollUpRequest {
        indicator: code(),
        unit: gso(unit, ""),
        periods: vec!["2024".to_owned()],
        geography: pb::Geography::Current.into(),
        of: Some(of.into()),
        ..Default::default()
    };
    let mut sums = Vec::new();
    for (unit, of) in [("86", pb::RollUpOf::Below), (BEN_TRE, pb::RollUpOf::Itself)] {
        let mut asked = roll_up(unit, of);
        if of == pb::RollUpOf::Itself {
            asked.geography = pb::Geography::AsReported.into();
        }
        sums.push(rpc.roll_up(asked).await.unwrap().into_inner().figures);
    }
    let rank = pb::RankUnitsRequest {
        indicator: code(),
        period: "2024".to_owned(),
        level: pb::UnitLevel::Province.into(),
        ..Default::default()
    };
    let ranks = rpc.rank_units(rank).await.unwrap().into_inner().ranked;
    let availability = pb::GetAvailabilityRequest {
        indicators: vec![code()],
        units: gso(BEN_TRE, "").into_iter().collect(),
        ends_from: "2024-01-01".to_owned(),
        ends_before: "2025-01-01".to_owned(),
        ..Default::default()
    };
    let available = rpc.get_availability(availability).await.unwrap().into_inner().cells;
    let listed = listed(&desk.source, false, None, 100).await;
    let versions = pb::ListRevisionsRequest {
        indicator: code(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        ..Default::default()
    };
    let versions = rpc.list_revisions(versions).await.map(|it| it.into_inner().versions);
    let versions = versions.map_err(|it| it.code());
    format!("{cells:#?}\n{sums:#?}\n{ranks:#?}\n{available:#?}\n{listed:#?}\n{versions:#?}")
}

#[tokio::test]
async fn without_an_agreement_that_contributes_it_is_refused_in_the_same_words_whatever_is_there() {
    let desk = Desk::start().await;
    let other = desk.hub.system("ioc", reads(&["*"])).await;
    desk.hub.grant(terms("ioc", &["doc.*"], false)).await;
    let mut words = Vec::new();
    let entries = [said("2024", "5"), said("2023", "6"), said("2024", "not a number of anything")];
    for _ in 0..2 {
        for entry in &entries[..2] {
            let status = publish(&other, batch(vec![entry.clone()])).await.unwrap_err();
            assert_eq!(status.code(), Code::PermissionDenied);
            words.push((status.message().to_owned(), refusal::<()>(Err(status))));
        }
        let key = pb::ObservationKey {
            indicator: "doc.count".to_owned(),
            unit: gso(BEN_TRE, ""),
            period: "2024".to_owned(),
            ..Default::default()
        };
        let withdraw = pb::WithdrawObservationsRequest {
            observations: vec![key],
            reason: "nhầm".to_owned(),
            ..Default::default()
        };
        let status = other.indicators().withdraw_observations(withdraw).await.unwrap_err();
        words.push((status.message().to_owned(), refusal::<()>(Err(status))));
        // The second time there is a value.
        desk.publish(vec![said("2024", "7")]).await;
    }
    words.dedup();
    assert_eq!(words.len(), 1, "{words:?}");
    assert_eq!(words[0].1.1, "NOT_AUTHORITATIVE");
    assert_eq!(words[0].1.2, ["observations[0].indicator"]);
    assert_eq!(listed(&desk.source, true, None, 100).await.len(), 1);
}

#[tokio::test]
async fn a_contributed_value_is_beside_the_authoritative_one_and_in_no_figure() {
    let desk = Desk::start().await;
    aim(&desk, vec![target("doc.count", BEN_TRE, "2024", pb::TargetComparison::AtLeast, "10")])
        .await;
    desk.publish(vec![said("2023", "6")]).await;
    let ioc = contributor(&desk, "ioc").await;
    let mut history = History::of(vec![indicators(&["*"])]);
    let mut watch = history.watch(&desk.source, None).await.unwrap();
    // Where nothing authoritative is, and where it is; also of a unit and a year that nobody else speaks of.
    let before = figures(&desk).await;
    let lone = vec![said("2024", "99"), said("2022", "98"), saw("doc.count", "80", "2024", "97")];
    assert_eq!(says(&ioc, lone).await, [Outcome::Created; 3]);
    assert_eq!(figures(&desk).await, before);
    let shown = cell(&desk.source, "2024", None, true).await;
    assert_eq!((shown.latest, all(&shown.contributed)), (None, vec![one("ioc", "99", true)]));
    desk.publish(vec![said("2024", "7")]).await;
    let before = figures(&desk).await;
    assert!(!before.contains("contributed: true"));
    let revised = publish(&ioc, batch(vec![said("2024", "100")])).await.unwrap();
    assert_eq!(outcomes(&revised), [Outcome::Corrected]);
    assert_eq!(figures(&desk).await, before);
    // It is told where all sources are asked for, by pages of any size, with its source and revision.
    for size in [1, 2, 100] {
        let listed = listed(&desk.source, true, None, size).await;
        let expected = [
            one("ioc", "97", true),
            one("ioc", "98", true),
            one(SOURCE, "6", false),
            one(SOURCE, "7", false),
            one("ioc", "100", true),
        ];
        let mut told = all(&listed);
        // Units come by their ids.
        told.sort_by_key(|it| it.1 != "97");
        assert_eq!(told, expected, "pages of {size}");
        assert_eq!(listed.iter().find(|it| told_of(it, "100")).unwrap().revision, revised.revision);
    }
    for (period, own) in [("2024", "7"), ("", "7"), ("2023", "6")] {
        let shown = cell(&desk.source, period, None, true).await;
        assert_eq!(told(shown.latest.as_ref().unwrap()), one(SOURCE, own, false));
        let beside = if period == "2023" { vec![] } else { vec![one("ioc", "100", true)] };
        assert_eq!(all(&shown.contributed), beside, "{period}");
        // What is kept in memory is the cell without it.
        let plain = cell(&desk.source, period, None, false).await;
        assert_eq!(plain, pb::SnapshotCell { contributed: vec![], ..shown });
    }
    // Before it came, and as it was before it was corrected.
    let at = revision(&revised) - 1;
    assert_eq!(all(&cell(&desk.source, "2024", Some(at), true).await.contributed)[0].1, "99");
    let first = listed(&desk.source, true, Some(at), 100).await;
    assert!(first.iter().any(|it| told_of(it, "99")) && !first.iter().any(|it| told_of(it, "100")));
    // Its versions, beside those of the authoritative source.
    for size in [1, 100] {
        let versions = versions(&desk.source, true, size).await;
        let expected = [one("ioc", "100", true), one(SOURCE, "7", false), one("ioc", "99", true)];
        assert_eq!(all(&versions), expected);
        assert_eq!(versions[2].superseded, revised.revision);
    }
    // A watch tells what is authoritative, and no more.
    history.until(&mut watch, revision(&revised)).await;
    assert_eq!(history.copy.len(), 1, "{:?}", history.copy.keys());
}

fn told_of(it: &pb::Observation, value: &str) -> bool {
    told(it).1 == value
}

#[tokio::test]
async fn each_source_has_its_own_value_of_a_cell_and_sends_it_again_without_a_revision() {
    let desk = Desk::start().await;
    let (ioc, stats) = (contributor(&desk, "ioc").await, contributor(&desk, "stats").await);
    // All at once: they may share a commit.
    let entries = |value: &str| vec![said("2024", value)];
    let (one_said, other_said, own_said) = tokio::join!(
        says(&ioc, entries("1")),
        says(&stats, entries("1")),
        says(&desk.source, entries("1"))
    );
    for outcomes in [one_said, other_said, own_said] {
        assert_eq!(outcomes, [Outcome::Created]);
    }
    let head = desk.head().await;
    for by in [&ioc, &stats, &desk.source] {
        assert_eq!(says(by, entries("1")).await, [Outcome::Unchanged]);
    }
    assert_eq!(desk.head().await, head, "no revision was made");
    assert_eq!(says(&stats, entries("2")).await, [Outcome::Corrected]);
    let expected = [one(SOURCE, "1", false), one("ioc", "1", true), one("stats", "2", true)];
    for size in [1, 2, 100] {
        assert_eq!(all(&listed(&ioc, true, None, size).await), expected, "pages of {size}");
    }
    let shown = cell(&ioc, "", None, true).await;
    assert_eq!(all(&shown.contributed), expected[1..]);
    // Twice in a batch it contradicts itself, as an authoritative value does; checked only, nothing is kept.
    let twice = publish(&ioc, partial(vec![said("2024", "3"), said("2024", "4")])).await.unwrap();
    assert_eq!(outcomes(&twice), [Outcome::Corrected, Outcome::Rejected]);
    let tried = pb::PublishObservationsRequest { validate_only: true, ..batch(entries("5")) };
    let tried = publish(&ioc, tried).await.unwrap();
    assert!(tried.validated_only && outcomes(&tried) == [Outcome::Corrected]);
    assert_eq!(all(&cell(&ioc, "", None, true).await.contributed)[0].1, "3");
    // A page of another question is another question.
    let mut query = pb::QueryObservationsRequest {
        page: Some(pb::PageRequest { size: 1, token: String::new() }),
        all_sources: true,
        ..Default::default()
    };
    let page = ioc.indicators().query_observations(query.clone()).await.unwrap().into_inner();
    query.page = Some(pb::PageRequest { size: 1, token: page.next_page_token });
    query.all_sources = false;
    let (_, reason, fields) = refusal(ioc.indicators().query_observations(query).await);
    assert_eq!((reason.as_str(), fields), ("FIELD_INVALID", vec!["page.token".to_owned()]));
}

#[tokio::test]
async fn it_is_held_to_the_same_rules_beside_own_values_and_in_loads() {
    let desk = Desk::start().await;
    let ioc = contributor(&desk, "ioc").await;
    // The one that contributes to some indicators is the authoritative source of another.
    let own = pb::Indicator { authoritative_source: "ioc".to_owned(), ..amount("doc.own") };
    assert_eq!(desk.define(vec![own]).await.created, 1);
    let mixed = || {
        vec![
            said("2024", "5"),
            saw("doc.own", BEN_TRE, "2024", "1.5"),
            said("2023", "1.5"),
            saw("doc.own", BEN_TRE, "tháng 13", "1"),
            said("2022", "7"),
        ]
    };
    let status = publish(&ioc, batch(mixed())).await.unwrap_err();
    let (_, reason, fields) = refusal::<()>(Err(status));
    assert_eq!(reason, "FIELD_INVALID");
    assert_eq!(fields, ["observations[2].value", "observations[3].period"]);
    assert_eq!(listed(&ioc, true, None, 100).await, [], "nothing of it was kept");
    let receipt = publish(&ioc, partial(mixed())).await.unwrap();
    use Outcome::{Created, Rejected};
    assert_eq!(outcomes(&receipt), [Created, Created, Rejected, Rejected, Created]);
    let listed_all = listed(&ioc, true, None, 100).await;
    assert_eq!(all(&listed_all), [one("ioc", "7", true), one("ioc", "5", true)]);
    // What was rejected is open until the contributor sends it right; what the source sends ends nothing.
    let open = async || {
        let list = pb::ListRejectionsRequest::default();
        let all = ioc.indicators().list_rejections(list).await.unwrap().into_inner().rejections;
        all.into_iter().map(|it| it.item).collect::<Vec<_>>()
    };
    assert_eq!(open().await.len(), 2);
    desk.publish(vec![said("2023", "6")]).await;
    assert_eq!(open().await.len(), 2);
    // By a load, too.
    let (sender, _) = Sender::open(&ioc, "đêm").await;
    sender.send(1, vec![said("2023", "8"), said("2024", "5"), said("2021", "-1")]).await;
    let (acknowledged, end) = sender.close().await;
    end.unwrap();
    assert_eq!(counts(&acknowledged), [1, 0, 1, 1]);
    assert_eq!(open().await, ["doc.count 83 2021", "doc.own 83 tháng_13"]);
    // Targets are not contributed.
    let aim = target("doc.count", BEN_TRE, "2024", pb::TargetComparison::AtLeast, "1");
    let request = pb::PublishTargetsRequest { targets: vec![aim], ..Default::default() };
    let refused = refusal(ioc.indicators().publish_targets(request).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::PermissionDenied, "NOT_AUTHORITATIVE"));
    // What it says fixes what the code means, as a value of the source does.
    let receipt = desk.define(vec![count("doc.other")]).await;
    assert_eq!(receipt.created, 1);
    assert_eq!(says(&ioc, vec![saw("doc.other", BEN_TRE, "2024", "5")]).await, [Created]);
    let moved = desk.define(vec![amount("doc.other")]).await;
    assert_eq!(rejected(&moved).0, "MEANING_FIXED");
}
