//! Events of a dossier: any order leads to one state, none is changed, and status codes of sources.
use sharehub::pb;

use crate::support::{
    client::{exactly, refusal},
    dossiers::{
        add, ask, at, bad_fields, due, entry, event, get, number, outcomes, publish, source, start,
    },
};

#[tokio::test]
async fn events_lead_to_the_same_state_in_any_order() {
    let (_hub, source) = start().await;
    let events = [
        event("2025-10-01 08:00", "1"),
        due("2025-10-01 14:00", "2", "2025-10-15 17:00"),
        event("2025-10-02 08:00", "4"),
        event("2025-10-03 08:00", "5"),
        due("2025-10-06 08:00", "4", "2025-10-20 17:00"),
        // Two at the same instant: the number of the state decides.
        event("2025-10-18 09:00", "10"),
        event("2025-10-18 09:00", "9"),
        pb::DossierEventEntry { event_id: "e-7".to_owned(), ..event("2025-10-01 07:00", "1") },
    ];
    let count = events.len();
    let mut seen: Option<pb::Dossier> = None;
    for (round, size) in (0..12).zip([1, 2, 3, 8].into_iter().cycle()) {
        let code = format!("H-{round}");
        // A different order each round: by steps that are coprime to the count, from a different start.
        let stride = [1, 3, 5, 7][round % 4];
        let mut order: Vec<_> =
            (0..count).map(|it| events[(round + it * stride) % count].clone()).collect();
        order.push(events[round % count].clone());
        let mut calls = order.chunks(size);
        publish(&source, vec![entry(&code, calls.next().unwrap().to_vec())]).await;
        for (i, call) in calls.enumerate() {
            if i % 2 == 0 {
                let sent = call.iter().map(|it| (code.as_str(), it.clone())).collect();
                let receipt = add(&source, sent).await;
                assert_eq!(receipt.rejected, 0, "{:?}", receipt.results);
            } else {
                let receipt = publish(&source, vec![entry(&code, call.to_vec())]).await;
                assert_eq!(receipt.rejected, 0, "{:?}", receipt.results);
            }
        }
        let mut dossier = get(&source, &code).await;
        assert_eq!(dossier.events.len(), count);
        (dossier.code, dossier.revision) = (String::new(), None);
        dossier.events.iter_mut().for_each(|it| it.revision = 0);
        let expected = seen.get_or_insert_with(|| dossier.clone());
        assert_eq!(dossier, *expected, "round {round}");
    }
    let dossier = seen.unwrap();
    assert_eq!(dossier.state(), pb::DossierState::Returned);
    assert_eq!(dossier.submitted_at, at("2025-10-01 07:00"));
    assert_eq!(dossier.accepted_at, at("2025-10-01 14:00"));
    assert_eq!(dossier.due_at, at("2025-10-20 17:00"));
    assert_eq!(dossier.finished_at, at("2025-10-18 09:00"));
    assert_eq!(dossier.returned_at, at("2025-10-18 09:00"));
}

#[tokio::test]
async fn an_event_is_never_changed() {
    let (_hub, source) = start().await;
    let named =
        pb::DossierEventEntry { event_id: "e-1".to_owned(), ..event("2025-10-01 08:00", "2") };
    publish(&source, vec![entry("H-1", vec![named.clone()])]).await;
    let changed = pb::DossierEventEntry { source_status: "4".to_owned(), ..named.clone() };
    let receipt = add(
        &source,
        vec![("H-1", changed), ("H-1", named), ("H-9", event("2025-10-01 08:00", "2"))],
    )
    .await;
    assert_eq!(outcomes(&receipt), [0, 0, 1, 2]);
    assert_eq!(bad_fields(&receipt.results[0]), ["event.event_id"]);
    assert_eq!(receipt.results[2].reason(), pb::ErrorReason::NotFound);
    // Without an id, instant and status are the identity: a due date cannot be slipped in.
    let plain = event("2025-10-02 08:00", "4");
    assert_eq!(add(&source, vec![("H-1", plain.clone())]).await.created, 1);
    let receipt =
        add(&source, vec![("H-1", due("2025-10-02 08:00", "4", "2025-10-09 08:00"))]).await;
    assert_eq!((receipt.rejected, bad_fields(&receipt.results[0])), (1, vec!["event.event_id"]));
    // An id that looks like the other kind of identity is still an id.
    let micros = at("2025-10-02 08:00").unwrap().seconds * 1_000_000;
    let sly = pb::DossierEventEntry { event_id: format!("at:{micros}:4"), ..plain };
    assert_eq!(add(&source, vec![("H-1", sly)]).await.created, 1);
}

#[tokio::test]
async fn the_state_at_a_past_instant_is_rebuilt() {
    let (_hub, source) = start().await;
    let note = "gọi lại".to_owned();
    let events = vec![
        event("2025-10-01 08:00", "1"),
        due("2025-10-02 08:00", "2", "2025-10-12 17:00"),
        pb::DossierEventEntry { note, ..event("2025-10-09 08:00", "9") },
    ];
    let first = publish(&source, vec![entry("H-1", events)]).await;
    let as_of = async |when: &str| {
        let request = pb::GetDossierRequest { as_of: at(when), ..ask("H-1") };
        source.dossiers().get_dossier(request).await.unwrap().into_inner().dossier.unwrap()
    };
    let before = as_of("2025-10-01 07:59").await;
    assert_eq!((before.state(), before.events.len()), (pb::DossierState::Unspecified, 0));
    let then = as_of("2025-10-02 08:00").await;
    assert_eq!((then.state(), then.events.len()), (pb::DossierState::Accepted, 2));
    assert_eq!((then.due_at, then.finished_at), (at("2025-10-12 17:00"), None));
    assert!(!then.personal_data_withheld, "the remark came later");
    let now = get(&source, "H-1").await;
    assert_eq!(
        (now.state(), now.finished_at),
        (pb::DossierState::Finished, at("2025-10-09 08:00"))
    );
    assert!(now.personal_data_withheld);
    // Opened again: not finished any more. A late event does not disturb what an earlier revision knew.
    add(&source, vec![("H-1", event("2025-10-10 08:00", "4"))]).await;
    let again = get(&source, "H-1").await;
    assert_eq!((again.state(), again.finished_at), (pb::DossierState::InProcess, None));
    let known = pb::GetDossierRequest { consistency: exactly(number(&first)), ..ask("H-1") };
    let known = source.dossiers().get_dossier(known).await.unwrap().into_inner().dossier.unwrap();
    assert_eq!(known, now);
}

#[tokio::test]
async fn a_source_has_its_own_status_codes_and_they_are_kept() {
    let (hub, _source) = start().await;
    let code = |code: &str, state: pb::DossierState| pb::StatusMapping {
        source_status: code.to_owned(),
        state: state.into(),
    };
    let statuses =
        vec![code("TN", pb::DossierState::Accepted), code("5", pb::DossierState::Returned)];
    let local = hub.system_with("dia-phuong", source(), statuses).await;
    let events = vec![event("2025-10-01 08:00", "TN"), event("2025-10-03 08:00", "5")];
    let receipt = publish(&local, vec![entry("dia-phuong.1", events)]).await;
    assert_eq!(receipt.created, 1, "{:?}", receipt.results);
    let kept = get(&local, "dia-phuong.1").await;
    assert_eq!(kept.state(), pb::DossierState::Returned);
    let codes: Vec<_> = kept.events.iter().map(|it| it.source_status.as_str()).collect();
    assert_eq!(codes, ["TN", "5"]);
    // With a mapping, what it does not name is unknown, the national codes too.
    let events = vec![
        event("2025-10-01 08:00", "TN"),
        event("2025-10-02 08:00", "2"),
        event("2025-10-03 08:00", "??"),
    ];
    let receipt = publish(&local, vec![entry("dia-phuong.2", events)]).await;
    assert_eq!(receipt.results[0].reason(), pb::ErrorReason::FieldInvalid);
    assert_eq!(
        bad_fields(&receipt.results[0]),
        ["events[1].source_status", "events[2].source_status"]
    );
    assert_eq!(refusal(local.dossiers().get_dossier(ask("dia-phuong.2")).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn national_codes_are_read_as_they_are_written() {
    let (_hub, source) = start().await;
    for status in ["0", "11", "02", "+2", "2.0"] {
        let receipt =
            publish(&source, vec![entry("H-1", vec![event("2025-10-01 08:00", status)])]).await;
        assert_eq!(bad_fields(&receipt.results[0]), ["events[0].source_status"], "{status}");
    }
}

#[tokio::test]
async fn row_13_a_due_date_does_not_lie_before_the_acceptance() {
    let (_hub, source) = start().await;
    let early = due("2025-10-02 14:00", "2", "2025-10-01 17:00");
    let receipt = publish(&source, vec![entry("H-1", vec![early])]).await;
    assert_eq!(bad_fields(&receipt.results[0]), ["events[0].due_at"]);
    // Later events tell of a date that may have passed.
    let late = due("2025-10-20 08:00", "4", "2025-10-15 17:00");
    let accepted = due("2025-10-02 14:00", "2", "2025-10-15 17:00");
    let receipt = publish(&source, vec![entry("H-1", vec![accepted, late])]).await;
    assert_eq!(outcomes(&receipt), [1, 0, 0, 0]);
}

#[tokio::test]
async fn row_13_the_bounds_of_a_list_stand_in_order() {
    let (hub, _source) = start().await;
    let reader = hub.system("ioc", crate::support::dossiers::reader()).await;
    let request = pb::ListDossiersRequest {
        accepted_from: at("2025-10-02 00:00"),
        accepted_before: at("2025-10-01 00:00"),
        ..Default::default()
    };
    let told = refusal(reader.dossiers().list_dossiers(request).await);
    assert_eq!(told.2, ["accepted_before"]);
    let request = pb::ListRecordsRequest {
        written_from: at("2025-10-02 00:00"),
        written_before: at("2025-10-02 00:00"),
        ..Default::default()
    };
    let told = refusal(reader.audit().list_records(request).await);
    assert_eq!(told.2, ["written_before"]);
}
