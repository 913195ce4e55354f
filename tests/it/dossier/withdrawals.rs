//! Withdrawals of dossiers and procedures: counts, lists and look-ups; codes that are free again; what is erased
//! stays so.
use std::time::Duration;

use sharehub::{
    hub::store::retention::{Compact, compact},
    pb::{self, ItemOutcome as Outcome},
    time::Timestamp,
};
use tonic::{Code, Status};

use crate::support::{
    client::{Client, Grants, exactly, gso, refusal},
    desk::{outcomes, revision},
    hub::Hub,
};

/// Why things are withdrawn here.
const REASON: &str = "nhập nhầm đơn vị";

const PROCEDURE: &str = "1.004194";

fn event(id: &str, status: &str, day: i64) -> pb::DossierEventEntry {
    // 2025-10-01 in UTC, and so many days on.
    let seconds = 1_759_276_800 + day * 86_400;
    pb::DossierEventEntry {
        event_id: id.to_owned(),
        occurred_at: Some(prost_types::Timestamp { seconds, nanos: 0 }),
        source_status: status.to_owned(),
        note: "bổ sung".to_owned(),
        ..Default::default()
    }
}

fn entry(code: &str, events: Vec<pb::DossierEventEntry>) -> pb::DossierEntry {
    pb::DossierEntry {
        code: code.to_owned(),
        procedure: PROCEDURE.to_owned(),
        receiving_unit: gso("28915", ""),
        applicant: Some(pb::Applicant { name: "Nguyễn Văn A".to_owned(), ..Default::default() }),
        events,
        ..Default::default()
    }
}

async fn source(hub: &Hub, code: &str) -> Client {
    let grants = Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    hub.system(code, grants).await
}

async fn define(client: &Client) -> Result<pb::Receipt, Status> {
    let (code, name) = (PROCEDURE.to_owned(), "Đăng ký".to_owned());
    let procedures = vec![pb::Procedure { code, name, ..Default::default() }];
    let request = pb::DefineProceduresRequest { procedures, ..Default::default() };
    Ok(client.dossiers().define_procedures(request).await?.into_inner().receipt.unwrap())
}

async fn publish(client: &Client, dossiers: Vec<pb::DossierEntry>) -> Result<pb::Receipt, Status> {
    let request = pb::PublishDossiersRequest { dossiers, ..Default::default() };
    Ok(client.dossiers().publish_dossiers(request).await?.into_inner().receipt.unwrap())
}

fn request(codes: &[&str]) -> pb::WithdrawDossiersRequest {
    let dossiers = codes.iter().map(|it| (*it).to_owned()).collect();
    pb::WithdrawDossiersRequest { dossiers, reason: REASON.to_owned(), ..Default::default() }
}

async fn withdraw(
    client: &Client,
    request: pb::WithdrawDossiersRequest,
) -> Result<pb::Receipt, Status> {
    Ok(client.dossiers().withdraw_dossiers(request).await?.into_inner().receipt.unwrap())
}

async fn get(client: &Client, code: &str, at: Option<i64>) -> Result<pb::Dossier, Status> {
    let (code, consistency) = (code.to_owned(), at.and_then(exactly));
    let ask = pb::GetDossierRequest { code, consistency, ..Default::default() };
    Ok(client.dossiers().get_dossier(ask).await?.into_inner().dossier.unwrap())
}

/// What each kind of answer shows of dossiers: how many each of them lists or counts, and whether H-1 is found.
async fn shown(reader: &Client, at: Option<i64>) -> (usize, usize, i64, bool, bool) {
    let consistency = at.and_then(exactly);
    let mut rpc = reader.dossiers();
    let list = pb::ListDossiersRequest { consistency, ..Default::default() };
    let listed = rpc.list_dossiers(list).await.unwrap().into_inner().dossiers.len();
    let export = pb::ExportDossiersRequest { consistency, ..Default::default() };
    let mut export = rpc.export_dossiers(export).await.unwrap().into_inner();
    let exported = export.message().await.unwrap().unwrap().dossiers.len();
    let summarize = pb::SummarizeDossiersRequest {
        period: "2025-10".to_owned(),
        consistency,
        ..Default::default()
    };
    let counts = rpc.summarize_dossiers(summarize).await.unwrap().into_inner().total.unwrap();
    let look_up = pb::LookUpDossierRequest { code: "H-1".to_owned(), consistency };
    let looked_up = rpc.look_up_dossier(look_up).await.is_ok();
    (listed, exported, counts.received, looked_up, get(reader, "H-1", at).await.is_ok())
}

#[tokio::test]
async fn a_withdrawn_dossier_is_in_no_count_list_or_look_up_and_its_code_is_free() {
    let hub = Hub::start().await;
    let source_of = source(&hub, "mot-cua").await;
    define(&source_of).await.unwrap();
    let reader = hub.system("ioc", Grants { read_dossiers: true, ..Default::default() }).await;
    let wrong = entry("H-1", vec![event("1", "2", 0), event("2", "9", 1)]);
    let dossiers = vec![wrong, entry("H-2", vec![event("1", "2", 0)])];
    let published = revision(&publish(&source_of, dossiers).await.unwrap());
    assert_eq!(shown(&reader, None).await, (2, 2, 2, true, true));

    let tried = pb::WithdrawDossiersRequest { validate_only: true, ..request(&["H-1"]) };
    let tried = withdraw(&source_of, tried).await.unwrap();
    assert!(tried.validated_only && outcomes(&tried) == [Outcome::Corrected], "{tried:?}");
    assert_eq!(shown(&reader, None).await, (2, 2, 2, true, true));
    let once = pb::WithdrawDossiersRequest { request_id: "rút".to_owned(), ..request(&["H-1"]) };
    let receipt = withdraw(&source_of, once.clone()).await.unwrap();
    let withdrawn = revision(&receipt);
    assert_eq!((outcomes(&receipt), withdrawn), (vec![Outcome::Corrected], published + 1));
    assert!(withdraw(&source_of, once).await.unwrap().replayed);
    let again = withdraw(&source_of, request(&["H-1", "H-1"])).await.unwrap();
    assert_eq!((outcomes(&again), revision(&again)), (vec![Outcome::Unchanged; 2], withdrawn));
    assert_eq!(shown(&reader, None).await, (1, 1, 1, false, false));
    assert_eq!(shown(&reader, Some(published)).await, (2, 2, 2, true, true));
    assert_eq!(get(&reader, "H-1", Some(published)).await.unwrap().events.len(), 2);

    // No event is added to what is not there. Published again it begins anew, also what could never be changed.
    let more = pb::EventForDossier { dossier: "H-1".to_owned(), event: Some(event("3", "4", 2)) };
    let more = pb::PublishEventsRequest { events: vec![more], ..Default::default() };
    assert_eq!(refusal(source_of.dossiers().publish_events(more).await).1, "NOT_FOUND");
    let right = entry("H-1", vec![event("1", "2", 3)]);
    assert_eq!(outcomes(&publish(&source_of, vec![right]).await.unwrap()), [Outcome::Created]);
    let seen = get(&reader, "H-1", None).await.unwrap();
    assert_eq!((seen.events.len(), seen.state()), (1, pb::DossierState::Accepted));
    assert_eq!(shown(&reader, None).await, (2, 2, 2, true, true));
    assert_eq!(shown(&reader, Some(withdrawn)).await, (1, 1, 1, false, false));
    // Once more; then another source is given the code and publishes it, and it is that one's.
    assert_eq!(withdraw(&source_of, request(&["H-1"])).await.unwrap().corrected, 1);
    let of = |code: &str| Grants {
        publish_dossiers: true,
        dossier_codes: vec![code.to_owned()],
        ..Default::default()
    };
    hub.agree("mot-cua", of("H-2").agreements("mot-cua")).await;
    let other = hub.system("khac", of("H-1")).await;
    let theirs = entry("H-1", vec![event("1", "2", 0)]);
    assert_eq!(outcomes(&publish(&other, vec![theirs.clone()]).await.unwrap()), [Outcome::Created]);
    assert_eq!(get(&reader, "H-1", None).await.unwrap().source, "khac");
    assert_eq!(refusal(withdraw(&source_of, request(&["H-1"])).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn only_its_source_withdraws_a_dossier() {
    let hub = Hub::start().await;
    let source_of = source(&hub, "mot-cua").await;
    define(&source_of).await.unwrap();
    let dossiers = ["H-1", "H-2"].map(|it| entry(it, vec![event("1", "2", 0)]));
    publish(&source_of, dossiers.to_vec()).await.unwrap();
    // Another's is as one that is not, for who may not read it.
    let other = source(&hub, "khac").await;
    for code in ["H-1", "H-9"] {
        let (status, reason, fields) = refusal(withdraw(&other, request(&[code])).await);
        assert_eq!((status, reason.as_str()), (Code::NotFound, "NOT_FOUND"), "{code}");
        assert_eq!(fields, ["dossiers[0]"]);
    }
    let both = Grants { publish_dossiers: true, read_dossiers: true, ..Default::default() };
    let both = hub.system("both", both).await;
    let refused = refusal(withdraw(&both, request(&["H-1"])).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::PermissionDenied, "NOT_AUTHORITATIVE"));
    let reader = hub.system("ioc", Grants { read_dossiers: true, ..Default::default() }).await;
    assert_eq!(refusal(withdraw(&reader, request(&["H-1"])).await).1, "NOT_PERMITTED");
    let bad = pb::WithdrawDossiersRequest { reason: " ".to_owned(), ..request(&["H-1"]) };
    assert_eq!(refusal(withdraw(&source_of, bad).await).2, ["reason"]);
    // Atomic; else item by item.
    let codes = ["H-1", "H-9", "ấ"];
    let (_, reason, fields) = refusal(withdraw(&source_of, request(&codes)).await);
    assert_eq!((reason.as_str(), fields.len()), ("NOT_FOUND", 2), "{fields:?}");
    assert_eq!(fields, ["dossiers[1]", "dossiers[2]"]);
    assert_eq!(shown(&reader, None).await, (2, 2, 2, true, true));
    let partial = pb::WithdrawDossiersRequest { allow_partial: true, ..request(&codes) };
    let head = hub.hub.revisions.head().newest.number;
    let receipt = withdraw(&source_of, partial).await.unwrap();
    assert_eq!(outcomes(&receipt), [Outcome::Corrected, Outcome::Rejected, Outcome::Rejected]);
    assert_eq!(receipt.results[1].reason(), pb::ErrorReason::NotFound);
    assert_eq!(receipt.results[2].reason(), pb::ErrorReason::FieldInvalid);
    assert_eq!(revision(&receipt), head + 1);
    assert_eq!(shown(&reader, None).await, (1, 1, 1, false, false));
}

#[tokio::test]
async fn personal_data_of_a_withdrawn_dossier_is_erased_and_stays_away() {
    let hub = Hub::start().await;
    let source_of = source(&hub, "mot-cua").await;
    define(&source_of).await.unwrap();
    let grants = Grants { read_dossiers: true, read_personal_data: true, ..Default::default() };
    let trusted = hub.system("tin-cay", grants).await;
    let dossiers = vec![entry("H-1", vec![event("1", "2", 0)])];
    let published = revision(&publish(&source_of, dossiers.clone()).await.unwrap());
    withdraw(&source_of, request(&["H-1"])).await.unwrap();
    assert!(get(&trusted, "H-1", Some(published)).await.unwrap().applicant.is_some());
    let erase = async || {
        let request = pb::ErasePersonalDataRequest {
            dossiers: vec!["H-1".to_owned()],
            legal_basis: "Luật 91/2025/QH15".to_owned(),
            ..Default::default()
        };
        let answer = hub.admin().dossiers().erase_personal_data(request).await.unwrap();
        outcomes(&answer.into_inner().receipt.unwrap())
    };
    assert_eq!(erase().await, [Outcome::Corrected]);
    assert_eq!(erase().await, [Outcome::Unchanged]);
    let seen = get(&trusted, "H-1", Some(published)).await.unwrap();
    assert_eq!((seen.applicant, seen.events[0].note.as_str()), (None, ""));
    assert_eq!(refusal(get(&trusted, "H-1", None).await).1, "NOT_FOUND");
    // Its source still has it.
    assert_eq!(refusal(publish(&source_of, dossiers).await).1, "PERSONAL_DATA_ERASED");
    let plain = pb::DossierEventEntry { note: String::new(), ..event("1", "2", 0) };
    let plain = pb::DossierEntry { applicant: None, ..entry("H-1", vec![plain]) };
    assert_eq!(outcomes(&publish(&source_of, vec![plain]).await.unwrap()), [Outcome::Created]);
    assert!(get(&trusted, "H-1", None).await.unwrap().personal_data_erased);
    assert_eq!(erase().await, [Outcome::Unchanged], "of both that had the code");
}

#[tokio::test]
async fn retention_drops_a_withdrawn_dossier_with_its_events() {
    let hub = Hub::start().await;
    let source_of = source(&hub, "mot-cua").await;
    define(&source_of).await.unwrap();
    let dossiers = ["H-1", "H-2"].map(|it| entry(it, vec![event("1", "2", 0), event("2", "4", 1)]));
    publish(&source_of, dossiers.to_vec()).await.unwrap();
    let receipt = withdraw(&source_of, request(&["H-2"])).await.unwrap();
    let at = receipt.revision.unwrap().committed_at.unwrap();
    let keep_after = Timestamp::from_parts(at.seconds, at.nanos).unwrap();
    let reason = "a test".to_owned();
    let done = compact(&hub.hub, Compact { keep_after, reason, grace: Duration::ZERO });
    // A version, its tombstone, and two events.
    assert_eq!(done.await.unwrap().rows, 4);
    assert_eq!(get(&source_of, "H-1", None).await.unwrap().events.len(), 2);
    assert_eq!(refusal(withdraw(&source_of, request(&["H-2"])).await).1, "NOT_FOUND");
    let [_, again] = dossiers;
    assert_eq!(outcomes(&publish(&source_of, vec![again]).await.unwrap()), [Outcome::Created]);
    assert_eq!(get(&source_of, "H-2", None).await.unwrap().events.len(), 2);
}

#[tokio::test]
async fn a_procedure_is_withdrawn_once_it_has_no_dossiers() {
    let hub = Hub::start().await;
    let source_of = source(&hub, "mot-cua").await;
    let defined = revision(&define(&source_of).await.unwrap());
    let first = vec![entry("H-1", vec![event("1", "2", 0)])];
    let published = revision(&publish(&source_of, first).await.unwrap());
    let request = |codes: &[&str]| {
        let procedures = codes.iter().map(|it| (*it).to_owned()).collect();
        pb::WithdrawProceduresRequest {
            procedures,
            reason: REASON.to_owned(),
            ..Default::default()
        }
    };
    let take = async |client: &Client, request: pb::WithdrawProceduresRequest| {
        let answer = client.dossiers().withdraw_procedures(request).await;
        answer.map(|it| it.into_inner().receipt.unwrap())
    };
    let shown = async |at: Option<i64>| {
        let consistency = at.and_then(exactly);
        let (code, source) = (PROCEDURE.to_owned(), String::new());
        let ask = pb::GetProcedureRequest { code, source, consistency };
        let found = source_of.dossiers().get_procedure(ask).await.is_ok();
        let list = pb::ListProceduresRequest { consistency, ..Default::default() };
        let list = source_of.dossiers().list_procedures(list).await.unwrap().into_inner();
        (found, list.procedures.len())
    };
    let (code, reason, fields) = refusal(take(&source_of, request(&[PROCEDURE])).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "PROCEDURE_IN_USE"));
    assert_eq!(fields, ["procedures[0]"]);
    withdraw(&source_of, self::request(&["H-1"])).await.unwrap();
    let other = hub.system("khac", Grants { publish_dossiers: true, ..Default::default() }).await;
    assert_eq!(refusal(take(&other, request(&[PROCEDURE])).await).1, "NOT_PERMITTED");
    let codes = [PROCEDURE, "9.999999", "x"];
    let (_, reason, fields) = refusal(take(&source_of, request(&codes)).await);
    assert_eq!(reason, "NOT_FOUND");
    assert_eq!(fields, ["procedures[1]", "procedures[2]"]);
    let tried = pb::WithdrawProceduresRequest {
        allow_partial: true,
        validate_only: true,
        ..request(&codes)
    };
    let tried = take(&source_of, tried).await.unwrap();
    assert_eq!(outcomes(&tried), [Outcome::Corrected, Outcome::Rejected, Outcome::Rejected]);
    assert_eq!(shown(None).await, (true, 1));
    let once =
        pb::WithdrawProceduresRequest { request_id: "rút".to_owned(), ..request(&[PROCEDURE]) };
    let receipt = take(&source_of, once.clone()).await.unwrap();
    assert_eq!(outcomes(&receipt), [Outcome::Corrected]);
    assert!(take(&source_of, once).await.unwrap().replayed);
    let again = take(&source_of, request(&[PROCEDURE])).await.unwrap();
    assert_eq!(
        (outcomes(&again), revision(&again)),
        (vec![Outcome::Unchanged], revision(&receipt))
    );
    assert_eq!(shown(None).await, (false, 0));
    assert_eq!(shown(Some(defined)).await, (true, 1));
    // What was said of it before still names it; nothing new is said of it.
    let before = get(&source_of, "H-1", Some(published)).await.unwrap();
    assert_eq!(before.procedure, PROCEDURE);
    let new = vec![entry("H-2", vec![event("1", "2", 0)])];
    assert_eq!(refusal(publish(&source_of, new.clone()).await).2, ["dossiers[0].procedure"]);
    assert_eq!(outcomes(&define(&source_of).await.unwrap()), [Outcome::Created]);
    assert_eq!(shown(None).await, (true, 1));
    assert_eq!(publish(&source_of, new).await.unwrap().created, 1);
}
