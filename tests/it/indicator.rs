//! Indicators through the wire: defining, publishing, correcting, retrying.
use std::{collections::BTreeSet, time::Duration};

use prost::Message;
use sharehub::{limits::Limits, pb};
use tonic::{Code, Request, Status};

use crate::hub::{Client, Grants, Hub, all_indicators, exactly, gso, id, refusal, slow};

/// The system that publishes everything here.
pub const SOURCE: &str = "so-tttt";
/// Province Ben Tre, until 2025-06-30.
pub const BEN_TRE: &str = "83";

/// A hub with a source, and two definitions: `doc.count` and `doc.rate`, both yearly.
pub struct Desk {
    pub hub: Hub,
    pub source: Client,
}

/// A yearly count that adds up.
pub fn count(code: &str) -> pb::Indicator {
    pb::Indicator {
        code: code.to_owned(),
        name_vi: "Số hồ sơ".to_owned(),
        kind: pb::IndicatorKind::Count.into(),
        unit_of_measure: "dossiers".to_owned(),
        direction: pb::IndicatorDirection::MoreIsBetter.into(),
        frequency: pb::ReportFrequency::Year.into(),
        time_rule: pb::TimeRule::Sum.into(),
        unit_rule: pb::UnitRule::Sum.into(),
        authoritative_source: SOURCE.to_owned(),
        due_days: 30,
        collection_level: pb::UnitLevel::Commune.into(),
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    }
}

/// A yearly percentage of two components.
pub fn ratio(code: &str) -> pb::Indicator {
    pb::Indicator {
        kind: pb::IndicatorKind::Ratio.into(),
        unit_of_measure: "%".to_owned(),
        scale: "100".to_owned(),
        time_rule: pb::TimeRule::Ratio.into(),
        unit_rule: pb::UnitRule::Ratio.into(),
        numerator: "hồ sơ đúng hạn".to_owned(),
        denominator: "hồ sơ đã giải quyết".to_owned(),
        ..count(code)
    }
}

/// An amount: any decimal.
pub fn amount(code: &str) -> pb::Indicator {
    let kind = pb::IndicatorKind::Amount.into();
    pb::Indicator { kind, unit_of_measure: "million VND".to_owned(), ..count(code) }
}

/// A value of a unit by its `gso` code.
pub fn saw(indicator: &str, unit: &str, period: &str, value: &str) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: indicator.to_owned(),
        unit: gso(unit, ""),
        period: period.to_owned(),
        value: (!value.is_empty()).then(|| value.to_owned()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    }
}

/// Components, and perhaps a value.
pub fn parts(unit: &str, period: &str, over: (&str, &str), value: &str) -> pb::ObservationEntry {
    let some = |it: &str| (!it.is_empty()).then(|| it.to_owned());
    let (numerator, denominator) = (some(over.0), some(over.1));
    pb::ObservationEntry { numerator, denominator, ..saw("doc.rate", unit, period, value) }
}

pub fn batch(observations: Vec<pb::ObservationEntry>) -> pb::PublishObservationsRequest {
    pb::PublishObservationsRequest { observations, ..Default::default() }
}

/// A batch of which what is good is kept.
pub fn partial(observations: Vec<pb::ObservationEntry>) -> pb::PublishObservationsRequest {
    pb::PublishObservationsRequest { allow_partial: true, ..batch(observations) }
}

pub fn revision(receipt: &pb::Receipt) -> i64 {
    receipt.revision.unwrap().number
}

pub fn outcomes(receipt: &pb::Receipt) -> Vec<pb::ItemOutcome> {
    receipt.results.iter().map(pb::ItemResult::outcome).collect()
}

/// Reason and fields of the one refused item.
pub fn rejected(receipt: &pb::Receipt) -> (&'static str, Vec<&str>) {
    let mut refused = receipt.results.iter().filter(|it| it.outcome() == pb::ItemOutcome::Rejected);
    let (one, more) = (refused.next().expect("an item is refused"), refused.next());
    assert!(more.is_none(), "only one is refused: {receipt:?}");
    let reason = one.reason().as_str_name().strip_prefix("ERROR_REASON_").unwrap();
    (reason, one.violations.iter().map(|it| it.field.as_str()).collect())
}

impl Desk {
    pub async fn start() -> Self {
        Self::with(slow()).await
    }

    pub async fn with(limits: Limits) -> Self {
        let hub = Hub::with(limits).await;
        let source = hub.system(SOURCE, all_indicators()).await;
        let desk = Self { hub, source };
        let receipt = desk.define(vec![count("doc.count"), ratio("doc.rate")]).await;
        assert_eq!(receipt.created, 2, "{receipt:?}");
        desk
    }

    pub async fn define(&self, indicators: Vec<pb::Indicator>) -> pb::Receipt {
        let request =
            pb::DefineIndicatorsRequest { indicators, allow_partial: true, ..Default::default() };
        let answer = self.source.indicators().define_indicators(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    }

    pub async fn send(
        &self,
        request: pb::PublishObservationsRequest,
    ) -> Result<pb::Receipt, Status> {
        let answer = self.source.indicators().publish_observations(request).await?;
        Ok(answer.into_inner().receipt.unwrap())
    }

    pub async fn try_publish(&self, entries: Vec<pb::ObservationEntry>) -> pb::Receipt {
        self.send(partial(entries)).await.unwrap()
    }

    /// Publishes what must be taken.
    pub async fn publish(&self, entries: Vec<pb::ObservationEntry>) -> pb::Receipt {
        let receipt = self.try_publish(entries).await;
        assert_eq!(receipt.rejected, 0, "{receipt:?}");
        receipt
    }

    /// What stands of an indicator at a unit in a period, without breakdown.
    pub async fn stands(&self, indicator: &str, unit: &str, period: &str) -> pb::Observation {
        let cell = self.cell(indicator, gso(unit, ""), period, None).await;
        cell.latest.expect("there is an observation")
    }

    pub async fn cell(
        &self,
        indicator: &str,
        unit: Option<pb::UnitRef>,
        period: &str,
        consistency: Option<pb::Consistency>,
    ) -> pb::SnapshotCell {
        let request = pb::GetSnapshotRequest {
            units: unit.into_iter().collect(),
            indicators: vec![indicator.to_owned()],
            period: period.to_owned(),
            consistency,
            ..Default::default()
        };
        let answer = self.source.indicators().get_snapshot(request).await.unwrap().into_inner();
        answer.cells.into_iter().next().unwrap()
    }

    pub async fn head(&self) -> i64 {
        self.info().await.newest.unwrap().number
    }

    pub async fn info(&self) -> pb::GetInfoResponse {
        self.source.info().get_info(pb::GetInfoRequest {}).await.unwrap().into_inner()
    }

    /// Ids of all 10,035 communes of 2024.
    pub async fn communes(&self) -> Vec<i64> {
        let mut found = Vec::new();
        let mut token = String::new();
        loop {
            let request = pb::ListUnitsRequest {
                date: "2024-12-31".to_owned(),
                level: pb::UnitLevel::Commune.into(),
                page: Some(pb::PageRequest { size: 1_000, token }),
                ..Default::default()
            };
            let page = self.source.units().list_units(request).await.unwrap().into_inner();
            found.extend(page.units.iter().map(|it| it.id));
            token = page.next_page_token;
            if token.is_empty() {
                assert_eq!(found.len(), 10_035);
                return found;
            }
        }
    }

    pub async fn versions(&self, entry: &pb::ObservationEntry) -> Vec<pb::Observation> {
        let request = pb::ListRevisionsRequest {
            indicator: entry.indicator.clone(),
            unit: entry.unit.clone(),
            period: entry.period.clone(),
            breakdown: entry.breakdown.clone(),
            ..Default::default()
        };
        let answer = self.source.indicators().list_revisions(request).await.unwrap();
        answer.into_inner().versions
    }
}

// === defining ===

#[tokio::test]
async fn a_definition_is_created_then_unchanged_then_corrected_into_version_2() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let again = desk.define(vec![count("doc.count")]).await;
    assert_eq!((outcomes(&again), revision(&again)), (vec![pb::ItemOutcome::Unchanged], before));
    let changed = pb::Indicator { due_days: 15, ..count("doc.count") };
    let corrected = desk.define(vec![changed]).await;
    assert_eq!(outcomes(&corrected), [pb::ItemOutcome::Corrected]);
    assert_eq!(revision(&corrected), before + 1);
    let get = async |consistency| {
        let request = pb::GetIndicatorRequest { code: "doc.count".to_owned(), consistency };
        let answer = desk.source.indicators().get_indicator(request).await.unwrap();
        answer.into_inner().indicator.unwrap()
    };
    let now = get(None).await;
    assert_eq!((now.version, now.due_days, now.revision), (2, 15, before + 1));
    let then = get(exactly(before)).await;
    assert_eq!((then.version, then.due_days, then.revision), (1, 30, before));
    assert_eq!(
        then,
        pb::Indicator {
            version: 1,
            revision: before,
            calendar: pb::ReportCalendar::Calendar.into(),
            tree: pb::UnitTree::Territory.into(),
            ..count("doc.count")
        }
    );
}

#[tokio::test]
async fn a_bad_definition_names_every_field() {
    let desk = Desk::start().await;
    let bad = pb::Indicator {
        code: "Đếm".to_owned(),
        due_days: 367,
        retired: true,
        calendar: pb::ReportCalendar::Calendar.into(),
        tree: pb::UnitTree::Territory.into(),
        ..Default::default()
    };
    let receipt = desk.define(vec![bad]).await;
    let fields = [
        "code",
        "name_vi",
        "kind",
        "unit_of_measure",
        "direction",
        "frequency",
        "time_rule",
        "unit_rule",
        "authoritative_source",
        "due_days",
        "collection_level",
    ];
    assert_eq!(rejected(&receipt), ("FIELD_INVALID", fields.to_vec()));
    let nobody = pb::Indicator { authoritative_source: "nobody".to_owned(), ..count("x") };
    let receipt = desk.define(vec![nobody]).await;
    assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["authoritative_source"]));
}

#[tokio::test]
async fn only_who_was_granted_a_code_defines_it() {
    use pb::ItemOutcome::{Created, Rejected, Unchanged};
    let desk = Desk::start().await;
    let own = vec!["water.*".to_owned()];
    let grants = Grants { define_indicators: own, ..Default::default() };
    let water = desk.hub.system("so-nn", grants).await;
    let indicators = vec![count("water.flow"), count("air.dust")];
    let request =
        pb::DefineIndicatorsRequest { indicators, allow_partial: true, ..Default::default() };
    let receipt = water.indicators().define_indicators(request.clone()).await.unwrap();
    let receipt = receipt.into_inner().receipt.unwrap();
    assert_eq!(outcomes(&receipt), [Created, Rejected]);
    assert_eq!(rejected(&receipt), ("NOT_PERMITTED", vec!["code"]));
    let reader = Grants { read_indicators: vec!["*".to_owned()], ..Default::default() };
    let reader = desk.hub.system("reader", reader).await;
    let (code, reason, _) = refusal(reader.indicators().define_indicators(request).await);
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    let twice = vec![count("a.b"), pb::Indicator { due_days: 1, ..count("a.b") }, count("a.b")];
    let receipt = desk.define(twice).await;
    assert_eq!(outcomes(&receipt), [Created, Rejected, Unchanged]);
}

// === publishing and correcting ===

#[tokio::test]
async fn a_correction_changes_the_answer_and_the_earlier_one_is_still_given() {
    let desk = Desk::start().await;
    let first = saw("doc.count", BEN_TRE, "2024", "3797");
    let created = desk.publish(vec![first.clone()]).await;
    assert_eq!(outcomes(&created), [pb::ItemOutcome::Created]);
    let ask = |consistency| pb::GetSnapshotRequest {
        units: vec![gso(BEN_TRE, "").unwrap()],
        indicators: vec!["doc.count".to_owned()],
        period: "2024".to_owned(),
        date: "2025-06-01".to_owned(),
        consistency,
    };
    let snapshot = async |consistency| {
        desk.source.indicators().get_snapshot(ask(consistency)).await.unwrap().into_inner()
    };
    let earlier = snapshot(None).await;
    let unchanged = desk.publish(vec![first.clone()]).await;
    assert_eq!(outcomes(&unchanged), [pb::ItemOutcome::Unchanged]);
    assert_eq!(unchanged.revision, created.revision, "no revision was made");
    let second = pb::ObservationEntry {
        correction_reason: "đếm sót một xã".to_owned(),
        ..saw("doc.count", BEN_TRE, "2024", "3801")
    };
    let corrected = desk.publish(vec![second]).await;
    assert_eq!(outcomes(&corrected), [pb::ItemOutcome::Corrected]);
    assert_eq!(revision(&corrected), revision(&created) + 1);

    let value = |it: &pb::GetSnapshotResponse| {
        it.cells[0].latest.clone().unwrap().figure.unwrap().value.unwrap()
    };
    assert_eq!(value(&earlier), "3797");
    assert_eq!(value(&snapshot(None).await), "3801");
    let then = snapshot(exactly(revision(&created))).await;
    assert_eq!(then.encode_to_vec(), earlier.encode_to_vec());
    let at = created.revision.unwrap().committed_at.unwrap();
    let requirement = Some(pb::consistency::Requirement::AsKnownAt(at));
    let known = snapshot(Some(pb::Consistency { requirement })).await;
    assert_eq!(known.encode_to_vec(), earlier.encode_to_vec());

    let versions = desk.versions(&first).await;
    let told: Vec<_> = versions
        .iter()
        .map(|it| {
            let value = it.figure.clone().unwrap().value.unwrap();
            (value, it.correction_reason.as_str(), it.revision, it.superseded)
        })
        .collect();
    let second = ("3801".to_owned(), "đếm sót một xã", corrected.revision, None);
    let first = ("3797".to_owned(), "", created.revision, corrected.revision);
    assert_eq!(told, [second, first]);
}

#[tokio::test]
async fn versions_come_page_by_page_and_only_those_known_then() {
    let desk = Desk::start().await;
    let mut made = Vec::new();
    for value in ["1", "2", "3", "4", "5"] {
        let receipt = desk.publish(vec![saw("doc.count", BEN_TRE, "2024", value)]).await;
        made.push(revision(&receipt));
    }
    let mut request = pb::ListRevisionsRequest {
        indicator: "doc.count".to_owned(),
        unit: gso(BEN_TRE, ""),
        period: "2024".to_owned(),
        consistency: exactly(made[3]),
        ..Default::default()
    };
    let mut told = Vec::new();
    let mut token = String::new();
    loop {
        request.page = Some(pb::PageRequest { size: 3, token });
        let page = desk.source.indicators().list_revisions(request.clone()).await.unwrap();
        let page = page.into_inner();
        let told_of = |it: pb::Observation| {
            (it.revision.unwrap().number, it.superseded.map_or(0, |it| it.number))
        };
        told.extend(page.versions.into_iter().map(told_of));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let expected = [(made[3], 0), (made[2], made[3]), (made[1], made[2]), (made[0], made[1])];
    assert_eq!(told, expected);
    let never = pb::ListRevisionsRequest { period: "2023".to_owned(), page: None, ..request };
    assert_eq!(refusal(desk.source.indicators().list_revisions(never).await).0, Code::NotFound);
}

#[tokio::test]
async fn a_read_waits_for_the_revision_it_must_have_seen() {
    let desk = Desk::start().await;
    let next = desk.head().await + 1;
    let at_least = |number| {
        let requirement = Some(pb::consistency::Requirement::AtLeast(number));
        Some(pb::Consistency { requirement })
    };
    let source = desk.source.clone();
    let later = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let request = batch(vec![saw("doc.count", BEN_TRE, "2024", "7")]);
        source.indicators().publish_observations(request).await.unwrap();
    });
    let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2024", at_least(next)).await;
    assert_eq!(cell.latest.unwrap().figure.unwrap().value.as_deref(), Some("7"));
    later.await.unwrap();

    for consistency in [at_least(next + 1), exactly(next + 1)] {
        let code = "doc.count".to_owned();
        let mut request = Request::new(pb::GetIndicatorRequest { code, consistency });
        // The client keeps time too: long enough that the hub's answer comes first on a slow machine.
        request.set_timeout(Duration::from_secs(4));
        let status = desk.source.indicators().get_indicator(request).await;
        let (code, reason, _) = refusal(status);
        assert_eq!((code, reason.as_str()), (Code::OutOfRange, "REVISION_UNKNOWN"));
    }
}

#[tokio::test]
async fn what_a_receipt_says_is_read_at_once() {
    let desk = Desk::start().await;
    for value in 1..20 {
        let entry = saw("doc.count", BEN_TRE, "2024", &value.to_string());
        let receipt = desk.publish(vec![entry]).await;
        let requirement = Some(pb::consistency::Requirement::AtLeast(revision(&receipt)));
        let seen = Some(pb::Consistency { requirement });
        let cell = desk.cell("doc.count", gso(BEN_TRE, ""), "2024", seen).await;
        let latest = cell.latest.unwrap();
        assert_eq!(latest.revision, receipt.revision);
        assert_eq!(latest.figure.unwrap().value, Some(value.to_string()));
    }
}

// === retrying ===

#[tokio::test]
async fn a_retry_gets_the_first_receipt_and_does_nothing() {
    let desk = Desk::start().await;
    let request = pb::PublishObservationsRequest {
        request_id: "gửi-1".to_owned(),
        allow_partial: true,
        observations: vec![
            saw("doc.count", BEN_TRE, "2024", "5"),
            saw("doc.count", BEN_TRE, "2024", "-5"),
        ],
        ..Default::default()
    };
    let first = desk.send(request.clone()).await.unwrap();
    assert!(!first.replayed);
    assert_eq!((first.created, first.rejected), (1, 1));
    desk.publish(vec![saw("doc.count", BEN_TRE, "2024", "6")]).await;
    let head = desk.head().await;
    let again = desk.send(request.clone()).await.unwrap();
    assert_eq!(again, pb::Receipt { replayed: true, ..first });
    assert_eq!(desk.head().await, head, "no revision was made");
    let other = pb::PublishObservationsRequest { allow_partial: false, ..request.clone() };
    let (code, reason, fields) = refusal(desk.send(other).await);
    assert_eq!((code, reason.as_str()), (Code::AlreadyExists, "REQUEST_ID_REUSED"));
    assert_eq!(fields, ["request_id"]);
    // The id is the system's own: another one may use it too.
    let other = desk.hub.system("other", all_indicators()).await;
    let answer = other.indicators().publish_observations(request).await.unwrap().into_inner();
    assert!(!answer.receipt.unwrap().replayed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_same_requests_at_once_have_one_effect_and_one_receipt() {
    let desk = Desk::start().await;
    let before = desk.head().await;
    let request = pb::PublishObservationsRequest {
        request_id: "same".to_owned(),
        observations: vec![saw("doc.count", BEN_TRE, "2024", "5")],
        ..Default::default()
    };
    let calls = (0..100).map(|_| {
        let (source, request) = (desk.source.clone(), request.clone());
        tokio::spawn(async move {
            let answer = source.indicators().publish_observations(request).await.unwrap();
            answer.into_inner().receipt.unwrap()
        })
    });
    let mut receipts = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        receipts.push(call.await.unwrap());
    }
    assert_eq!(receipts.iter().filter(|it| !it.replayed).count(), 1);
    let distinct: BTreeSet<_> = receipts
        .into_iter()
        .map(|it| pb::Receipt { replayed: false, ..it }.encode_to_vec())
        .collect();
    assert_eq!(distinct.len(), 1, "all receipts are the same");
    assert_eq!(desk.head().await, before + 1);
    let versions = desk.versions(&saw("doc.count", BEN_TRE, "2024", "")).await;
    assert_eq!(versions.len(), 1);
}

// === many ===

#[tokio::test]
async fn ten_thousand_observations_are_one_revision_and_none_the_second_time() {
    let desk = Desk::start().await;
    let communes = desk.communes().await;
    let entry =
        |unit: &i64| pb::ObservationEntry { unit: id(*unit), ..saw("doc.count", "", "2024", "1") };
    let entries: Vec<_> = communes[..10_000].iter().map(entry).collect();
    let before = desk.head().await;
    let first = desk.publish(entries.clone()).await;
    assert_eq!((first.created, first.results.len()), (10_000, 10_000));
    assert_eq!(revision(&first), before + 1);
    assert!(first.results.iter().zip(0..).all(|(it, index)| it.index == index));
    let second = desk.publish(entries).await;
    assert_eq!((second.unchanged, second.results.len()), (10_000, 10_000));
    assert_eq!(second.revision, first.revision);
    assert_eq!(desk.head().await, before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_publishes_share_commits_and_each_gets_its_own_result() {
    let desk = Desk::start().await;
    let before = desk.info().await;
    let calls = (0..64).map(|n| {
        let source = desk.source.clone();
        tokio::spawn(async move {
            let value = if n % 8 == 0 { "-1".to_owned() } else { n.to_string() };
            let entry = saw("doc.count", BEN_TRE, &format!("{}", 1940 + n), &value);
            let request = partial(vec![entry]);
            let answer = source.indicators().publish_observations(request).await.unwrap();
            (n, answer.into_inner().receipt.unwrap())
        })
    });
    let mut made = BTreeSet::new();
    for call in calls.collect::<Vec<_>>() {
        let (n, receipt) = call.await.unwrap();
        if n % 8 == 0 {
            assert_eq!(rejected(&receipt), ("FIELD_INVALID", vec!["value"]));
            continue;
        }
        assert_eq!(outcomes(&receipt), [pb::ItemOutcome::Created]);
        assert!(made.insert(revision(&receipt)), "each has its own revision");
        let latest = desk.stands("doc.count", BEN_TRE, &format!("{}", 1940 + n)).await;
        assert_eq!(latest.revision, receipt.revision);
        assert_eq!(latest.figure.unwrap().value, Some(n.to_string()));
    }
    let after = desk.info().await;
    let head = before.newest.unwrap().number;
    assert_eq!(made, (head + 1..=head + 56).collect(), "without a gap");
    let commits = after.commits - before.commits;
    println!("56 revisions of 64 concurrent publishes took {commits} commits");
    assert!(0 < commits && commits < 56, "{commits}");
}

#[tokio::test]
async fn a_write_is_atomic_and_with_allow_partial_each_item_answers_for_itself() {
    use pb::ItemOutcome::{Created, Rejected, Unchanged};
    let desk = Desk::start().await;
    let before = desk.head().await;
    let good = saw("doc.count", BEN_TRE, "2024", "5");
    let entries = vec![
        good.clone(),
        saw("doc.count", BEN_TRE, "2024", "6"),
        saw("doc.count", BEN_TRE, "2023", "1.5"),
        saw("no.such", BEN_TRE, "2023", "1"),
        good,
    ];
    let (code, reason, fields) = refusal(desk.send(batch(entries.clone())).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    let paths = ["observations[1].period", "observations[2].value", "observations[3].indicator"];
    assert_eq!(fields, paths);
    assert_eq!(desk.head().await, before);
    assert_eq!(desk.cell("doc.count", gso(BEN_TRE, ""), "2024", None).await.latest, None);

    let receipt = desk.try_publish(entries).await;
    assert_eq!(outcomes(&receipt), [Created, Rejected, Rejected, Rejected, Unchanged]);
    assert_eq!((receipt.created, receipt.rejected, receipt.unchanged), (1, 3, 1));
    assert_eq!(receipt.results[3].reason(), pb::ErrorReason::NotFound);
    assert_eq!(desk.head().await, before + 1);
    let kept = desk.stands("doc.count", BEN_TRE, "2024").await.figure.unwrap();
    assert_eq!(kept.value.as_deref(), Some("5"));
}
