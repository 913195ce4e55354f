//! Publishing observations: corrections, retries, large batches and concurrent ones.
use std::{collections::BTreeSet, time::Duration};

use prost::Message;
use sharehub::pb;
use tonic::{Code, Request};

use crate::support::{
    client::{all_indicators, exactly, gso, id, refusal},
    desk::{BEN_TRE, Desk, batch, outcomes, rejected, revision, saw},
};

/// A batch of which what is good is kept.
pub fn partial(observations: Vec<pb::ObservationEntry>) -> pb::PublishObservationsRequest {
    pb::PublishObservationsRequest { allow_partial: true, ..batch(observations) }
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
        ..Default::default()
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
