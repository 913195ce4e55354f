//! Where SQLite and PostgreSQL differ, and what was decided. This file runs on both, as all of the suite does.
//!
//! - **Order of text: a locale's, or bytes**: bytes, `COLLATE "C"`. Shown by
//!   `text_is_ordered_by_its_bytes_and_case_tells_apart`.
//! - **Case of codes**: tells apart. Shown by the same.
//! - **`LIKE`: case, and what `%` and `_` mean**: none of it: what is looked for is taken as it is. Shown by
//!   `what_is_looked_for_is_no_pattern`.
//! - **NUL in text: kept, or an error**: refused at the door. Shown by `a_nul_is_refused_before_it_meets_an_engine`.
//! - **Times: nanoseconds, or microseconds**: microseconds, the rest dropped. Shown by
//!   `an_instant_keeps_its_microseconds`.
//! - **Decimals: binary, or padded with zeros**: text, as canonical. Shown by
//!   `indicator::values::decimals_come_back_digit_for_digit`.
//! - **Where NULL sorts**: nothing is ordered by what may be NULL. Shown by `what_may_be_missing_orders_nothing`.
//! - **Writers at the same time**: one commits after the other, whichever hub it is in. Shown by
//!   `writers_at_the_same_time_get_revisions_without_a_gap`.
//! - **A failed statement ends the transaction, or not**: a write that speaks to the store itself has a savepoint of
//!   its own; what the others leave is tried alone when it fails together. Shown by
//!   `one_refused_write_harms_none_that_shares_its_commit`, `hub::shared_commits`.
//! - **Values bound to one statement**: chunks below the smaller limit. Shown by
//!   `indicator::publish::ten_thousand_observations_are_one_revision_and_none_the_second_time`.
//! - **Booleans, enums, bytes**: integers, integers, BLOB and BYTEA, by the two files of a migration. Shown by every
//!   test.
//! - **A query sees what is committed while it runs, or not**: rows are read at a revision. Shown by
//!   `indicator::publish::a_read_waits_for_the_revision_it_must_have_seen`.
//! - **A server can go away**: an embedded store cannot: only PostgreSQL has a pulse. Shown by `postgres::outage`,
//!   `postgres::standby`.
//! - **What a full disk undoes**: a failed commit leaves its connection behind. Shown by `sqlite::full_disk`,
//!   `commit_faults`.
//!
//! That whole histories are told alike, byte for byte, is shown by `postgres::histories`.
use std::collections::BTreeSet;

use sharehub::pb;
use tokio::task::JoinSet;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, gso, refusal},
    desk::{BEN_TRE, Desk, saw},
    hub::Hub,
};

/// A hub, and a source of dossiers that may read them.
async fn source() -> (Hub, Client) {
    let hub = Hub::start().await;
    let grants = Grants {
        publish_dossiers: true,
        define_procedures: true,
        read_dossiers: true,
        ..Default::default()
    };
    let source = hub.system("mot-cua", grants).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let request = pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
    source.dossiers().define_procedures(request).await.unwrap();
    (hub, source)
}

fn dossier(code: &str, accepted: prost_types::Timestamp) -> pb::DossierEntry {
    let event = pb::DossierEventEntry {
        occurred_at: Some(accepted),
        source_status: "2".to_owned(),
        ..Default::default()
    };
    pb::DossierEntry {
        code: code.to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso("28915", ""),
        channel: pb::SubmissionChannel::Online.into(),
        events: vec![event],
        ..Default::default()
    }
}

async fn publish(source: &Client, dossiers: Vec<pb::DossierEntry>) -> pb::Receipt {
    let request =
        pb::PublishDossiersRequest { dossiers, allow_partial: true, ..Default::default() };
    source.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt.unwrap()
}

const OCTOBER: prost_types::Timestamp = prost_types::Timestamp { seconds: 1_759_300_000, nanos: 0 };

#[tokio::test]
async fn text_is_ordered_by_its_bytes_and_case_tells_apart() {
    let (_hub, source) = source().await;
    // As a locale would have it: punctuation counts for little, and A stands beside a.
    let codes = ["H1.a", "H1.B", "H1.A", "H1.b", "H1-C", "H1.10", "H1.9", "H1_c", "H1/d"];
    let receipt = publish(&source, codes.map(|it| dossier(it, OCTOBER)).to_vec()).await;
    assert_eq!(receipt.created, 9, "{:?}", receipt.results);
    let mut listed = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(pb::PageRequest { size: 2, token });
        let request = pb::ListDossiersRequest { page, ..Default::default() };
        let answer = source.dossiers().list_dossiers(request).await.unwrap().into_inner();
        listed.extend(answer.dossiers.into_iter().map(|it| it.code));
        token = answer.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut sorted = codes.map(str::to_owned);
    sorted.sort();
    assert_eq!(listed, sorted);
    for code in ["H1.a", "H1.A"] {
        let request = pb::GetDossierRequest { code: code.to_owned(), ..Default::default() };
        let got = source.dossiers().get_dossier(request).await.unwrap().into_inner();
        assert_eq!(got.dossier.unwrap().code, code);
    }
    let request = pb::GetDossierRequest { code: "h1.a".to_owned(), ..Default::default() };
    let absent = source.dossiers().get_dossier(request).await;
    assert_eq!(refusal(absent).0, Code::NotFound);
}

#[tokio::test]
async fn what_is_looked_for_is_no_pattern() {
    let hub = Hub::start().await;
    let admin = hub.admin();
    for (name, found) in [("%", false), ("_", false), ("Vĩnh Long", true), ("\\", false)] {
        let request = pb::ListUnitsRequest {
            date: "2026-01-01".to_owned(),
            level: pb::UnitLevel::Province.into(),
            name: name.to_owned(),
            ..Default::default()
        };
        let answer = admin.units().list_units(request).await.unwrap().into_inner();
        assert_eq!(!answer.units.is_empty(), found, "{name}");
    }
}

#[tokio::test]
async fn a_nul_is_refused_before_it_meets_an_engine() {
    let (_hub, source) = source().await;
    let receipt = publish(&source, vec![dossier("H1.\u{0}", OCTOBER)]).await;
    assert_eq!((receipt.created, receipt.rejected), (0, 1));
    let request = pb::GetDossierRequest { code: "H1.\u{0}".to_owned(), ..Default::default() };
    let refused = source.dossiers().get_dossier(request).await;
    assert!([Code::InvalidArgument, Code::NotFound].contains(&refusal(refused).0));
    let desk = Desk::start().await;
    let provenance = pb::Provenance { note: "a\u{0}b".to_owned(), ..Default::default() };
    let entry = pb::ObservationEntry {
        provenance: Some(provenance),
        ..saw("doc.count", BEN_TRE, "2024", "1")
    };
    let receipt = desk.try_publish(vec![entry]).await;
    assert_eq!(receipt.rejected, 1, "{receipt:?}");
}

#[tokio::test]
async fn an_instant_keeps_its_microseconds() {
    let (_hub, source) = source().await;
    let accepted = prost_types::Timestamp { nanos: 123_456_789, ..OCTOBER };
    publish(&source, vec![dossier("H1.1", accepted)]).await;
    let request = pb::GetDossierRequest { code: "H1.1".to_owned(), ..Default::default() };
    let got = source.dossiers().get_dossier(request).await.unwrap().into_inner().dossier.unwrap();
    assert_eq!(got.accepted_at, Some(prost_types::Timestamp { nanos: 123_456_000, ..OCTOBER }));
    // The same instant again, as a source that keeps nanoseconds would send it: it changes nothing.
    let again = publish(&source, vec![dossier("H1.1", accepted)]).await;
    assert_eq!(again.unchanged, 1, "{again:?}");
}

#[tokio::test]
async fn what_may_be_missing_orders_nothing() {
    let desk = Desk::start().await;
    let none = pb::ObservationEntry {
        status: pb::ObservationStatus::NotAssessed.into(),
        ..saw("doc.count", "80", "2024", "")
    };
    let two = saw("doc.count", "83", "2024", "2");
    let one = saw("doc.count", "79", "2024", "1");
    desk.publish(vec![two, none, one]).await;
    let request = pb::QueryObservationsRequest {
        indicators: vec!["doc.count".to_owned()],
        page: Some(pb::PageRequest { size: 1_000, token: String::new() }),
        ..Default::default()
    };
    let all = desk.source.indicators().query_observations(request).await.unwrap().into_inner();
    let units: Vec<i64> = all.observations.iter().map(|it| it.unit.as_ref().unwrap().id).collect();
    assert_eq!(units.len(), 3);
    assert!(units.is_sorted(), "by the unit, whatever is known of it: {units:?}");
}

#[tokio::test]
async fn writers_at_the_same_time_get_revisions_without_a_gap() {
    let (hub, source) = source().await;
    let before = hub.hub.revisions.head().newest.number;
    let mut writers = JoinSet::new();
    for index in 0..40 {
        let source = source.clone();
        writers.spawn(async move {
            let receipt = publish(&source, vec![dossier(&format!("H1.{index}"), OCTOBER)]).await;
            assert_eq!(receipt.created, 1);
            receipt.revision.unwrap().number
        });
    }
    let numbers: BTreeSet<i64> = writers.join_all().await.into_iter().collect();
    assert_eq!(numbers, (before + 1..=before + 40).collect());
}

#[tokio::test]
async fn one_refused_write_harms_none_that_shares_its_commit() {
    let (_hub, source) = source().await;
    let mut writers = JoinSet::new();
    for index in 0..40 {
        let source = source.clone();
        writers.spawn(async move {
            let mut bad = dossier("", OCTOBER);
            bad.receiving_unit = gso("99999", "");
            let mut dossiers = vec![dossier(&format!("H1.{index}"), OCTOBER)];
            if index % 2 == 1 {
                dossiers.push(bad);
            }
            let request = pb::PublishDossiersRequest { dossiers, ..Default::default() };
            let answer = source.dossiers().publish_dossiers(request).await;
            assert_eq!(answer.is_ok(), index % 2 == 0, "{index}: {answer:?}");
        });
    }
    writers.join_all().await;
    let page = Some(pb::PageRequest { size: 100, token: String::new() });
    let request = pb::ListDossiersRequest { page, ..Default::default() };
    let answer = source.dossiers().list_dossiers(request).await.unwrap().into_inner();
    assert_eq!(answer.dossiers.len(), 20);
}
