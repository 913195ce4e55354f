//! Dossiers through the wire: procedures, publishing, events that converge, personal data, counts.
mod counts;

use sharehub::{pb, time::Day};
use tonic::Code;

use crate::hub::{Client, Grants, Hub, exactly, gso, id, refusal};

/// A commune of Vinh Long since 2025-07-01, and the province.
const COMMUNE: &str = "28915";
const PROVINCE: &str = "86";
/// A commune elsewhere: in Tay Ninh since 2025-07-01.
const ELSEWHERE: &str = "80";

/// An instant in Viet Nam's time: `2025-10-01 08:30`.
fn at(text: &str) -> Option<prost_types::Timestamp> {
    let (day, time) = text.split_once(' ').unwrap();
    let (hour, minute) = time.split_once(':').unwrap();
    let (hour, minute): (i64, i64) = (hour.parse().unwrap(), minute.parse().unwrap());
    let seconds = Day::parse(day).unwrap().start().parts().0 + hour * 3_600 + minute * 60;
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn event(when: &str, status: &str) -> pb::DossierEventEntry {
    let source_status = status.to_owned();
    pb::DossierEventEntry { occurred_at: at(when), source_status, ..Default::default() }
}

fn due(when: &str, status: &str, due: &str) -> pb::DossierEventEntry {
    pb::DossierEventEntry { due_at: at(due), ..event(when, status) }
}

fn entry(code: &str, events: Vec<pb::DossierEventEntry>) -> pb::DossierEntry {
    pb::DossierEntry {
        code: code.to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso(COMMUNE, ""),
        channel: pb::SubmissionChannel::Online.into(),
        events,
        ..Default::default()
    }
}

fn procedure(code: &str) -> pb::Procedure {
    pb::Procedure { code: code.to_owned(), name: "Đăng ký".to_owned(), ..Default::default() }
}

fn limited(code: &str, max_time: i32, unit: pb::ProcessingTimeUnit) -> pb::Procedure {
    let case = pb::ProcedureCase { max_time, time_unit: unit.into(), ..Default::default() };
    pb::Procedure { cases: vec![case], ..procedure(code) }
}

fn source() -> Grants {
    Grants { publish_dossiers: true, define_procedures: true, ..Default::default() }
}

fn reader() -> Grants {
    Grants { read_dossiers: true, ..Default::default() }
}

async fn define(client: &Client, procedures: Vec<pb::Procedure>) -> pb::Receipt {
    let request =
        pb::DefineProceduresRequest { procedures, allow_partial: true, ..Default::default() };
    client.dossiers().define_procedures(request).await.unwrap().into_inner().receipt.unwrap()
}

async fn publish(client: &Client, dossiers: Vec<pb::DossierEntry>) -> pb::Receipt {
    let request =
        pb::PublishDossiersRequest { dossiers, allow_partial: true, ..Default::default() };
    client.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt.unwrap()
}

async fn add(client: &Client, events: Vec<(&str, pb::DossierEventEntry)>) -> pb::Receipt {
    let event = |(code, event): (&str, _)| pb::EventForDossier {
        dossier: code.to_owned(),
        event: Some(event),
    };
    let events = events.into_iter().map(event).collect();
    let request = pb::PublishEventsRequest { events, allow_partial: true, ..Default::default() };
    client.dossiers().publish_events(request).await.unwrap().into_inner().receipt.unwrap()
}

fn ask(code: &str) -> pb::GetDossierRequest {
    pb::GetDossierRequest { code: code.to_owned(), ..Default::default() }
}

async fn get(client: &Client, code: &str) -> pb::Dossier {
    client.dossiers().get_dossier(ask(code)).await.unwrap().into_inner().dossier.unwrap()
}

/// A hub with one procedure and a source of dossiers.
async fn start() -> (Hub, Client) {
    let hub = Hub::start().await;
    let source = hub.system("mot-cua", source()).await;
    define(&source, vec![procedure("1.004194")]).await;
    (hub, source)
}

fn outcomes(receipt: &pb::Receipt) -> [i32; 4] {
    [receipt.created, receipt.corrected, receipt.unchanged, receipt.rejected]
}

fn number(receipt: &pb::Receipt) -> i64 {
    receipt.revision.unwrap().number
}

fn bad_fields(item: &pb::ItemResult) -> Vec<&str> {
    item.violations.iter().map(|it| it.field.as_str()).collect()
}

#[tokio::test]
async fn the_same_dossier_again_changes_nothing_and_a_difference_corrects_it() {
    let (_hub, source) = start().await;
    let code = "000.00.12.H56-251001-0001";
    let accepted = due("2025-10-01 08:00", "2", "2025-10-10 17:00");
    let fee =
        pb::DossierFee {
            name: "Lệ phí".to_owned(), amount: "50000".to_owned(), paid_online: true
        };
    let paper =
        pb::DossierDocument { name: "Đơn".to_owned(), digitized: true, ..Default::default() };
    let sent = pb::DossierEntry {
        competent_unit: gso(PROVINCE, ""),
        applicant_unit: gso(COMMUNE, ""),
        applicant_kind: pb::ApplicantKind::Citizen.into(),
        fees: vec![fee],
        components: vec![paper.clone()],
        results: vec![paper],
        ..entry(code, vec![accepted.clone()])
    };
    let first = publish(&source, vec![sent.clone()]).await;
    assert_eq!(outcomes(&first), [1, 0, 0, 0], "{:?}", first.results);
    let again = publish(&source, vec![sent.clone()]).await;
    assert_eq!(outcomes(&again), [0, 0, 1, 0]);
    assert_eq!(number(&again), number(&first), "nothing changed, so no revision was made");

    let kept = get(&source, code).await;
    assert_eq!((kept.source.as_str(), kept.procedure.as_str()), ("mot-cua", "1.004194"));
    assert_eq!(kept.receiving_unit.clone().unwrap().code, COMMUNE);
    assert_eq!(kept.competent_unit.clone().unwrap().code, PROVINCE);
    assert_eq!((&kept.fees, &kept.components), (&sent.fees, &sent.components));
    assert_eq!(kept.state(), pb::DossierState::Accepted);
    assert_eq!((kept.accepted_at, kept.due_at), (at("2025-10-01 08:00"), at("2025-10-10 17:00")));
    assert_eq!(kept.revision.unwrap().number, number(&first));
    assert!(kept.revision.unwrap().committed_at.is_some());

    // Fewer events take nothing away; the header differs.
    let moved = pb::DossierEntry { channel: 0, events: Vec::new(), ..sent.clone() };
    assert_eq!(outcomes(&publish(&source, vec![moved.clone()]).await), [0, 1, 0, 0]);
    let kept = get(&source, code).await;
    assert_eq!((kept.events.len(), kept.channel), (1, 0));
    // A new event corrects it too.
    let more = pb::DossierEntry { events: vec![event("2025-10-02 08:00", "4")], ..moved };
    assert_eq!(outcomes(&publish(&source, vec![more]).await), [0, 1, 0, 0]);
    let kept = get(&source, code).await;
    assert_eq!((kept.events.len(), kept.state()), (2, pb::DossierState::InProcess));
    // The first version is still there.
    let then = pb::GetDossierRequest { consistency: exactly(number(&first)), ..ask(code) };
    let then = source.dossiers().get_dossier(then).await.unwrap().into_inner().dossier.unwrap();
    assert_eq!((then.events.len(), then.channel), (1, 2));
    assert_eq!(then.state(), pb::DossierState::Accepted);
}

#[tokio::test]
async fn a_code_twice_in_a_batch_must_say_the_same() {
    let (_hub, source) = start().await;
    let one = entry("H-1", vec![event("2025-10-01 08:00", "2")]);
    let other = pb::DossierEntry { channel: 1, ..one.clone() };
    let receipt = publish(&source, vec![one.clone(), one.clone(), other]).await;
    assert_eq!(outcomes(&receipt), [1, 0, 1, 1]);
    assert_eq!(bad_fields(&receipt.results[2]), ["code"]);
    assert_eq!(get(&source, "H-1").await.channel, 2);
}

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
async fn another_source_may_not_publish_what_is_not_its_own() {
    let (hub, source) = start().await;
    let events = vec![event("2025-10-01 08:00", "2")];
    publish(&source, vec![entry("H-1", events.clone())]).await;
    let stranger = hub.system("khac", self::source()).await;
    let known = hub.system("biet", Grants { read_dossiers: true, ..self::source() }).await;
    let late = event("2025-10-02 08:00", "4");
    for (client, reason) in
        [(&stranger, pb::ErrorReason::NotFound), (&known, pb::ErrorReason::NotAuthoritative)]
    {
        let receipt = publish(client, vec![entry("H-1", events.clone())]).await;
        assert_eq!(receipt.results[0].reason(), pb::ErrorReason::NotAuthoritative);
        let receipt = add(client, vec![("H-1", late.clone())]).await;
        assert_eq!(receipt.results[0].reason(), reason);
    }
    let refused = refusal(stranger.dossiers().get_dossier(ask("H-1")).await);
    assert_eq!((refused.0, refused.1.as_str()), (Code::NotFound, "NOT_FOUND"));
    let look = pb::LookUpDossierRequest { code: "H-1".to_owned(), consistency: None };
    assert_eq!(refusal(stranger.dossiers().look_up_dossier(look).await).1, "NOT_FOUND");
    assert_eq!(get(&known, "H-1").await.state(), pb::DossierState::Accepted);
    let list = pb::ListDossiersRequest::default();
    let seen = stranger.dossiers().list_dossiers(list.clone()).await.unwrap().into_inner();
    assert!(seen.dossiers.is_empty());
    assert_eq!(known.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers.len(), 1);
}

#[tokio::test]
async fn each_write_and_each_count_needs_its_grant() {
    let hub = Hub::start().await;
    let nobody = hub.system("khach", Grants::default()).await;
    let mut dossiers = nobody.dossiers();
    let period = "2025-10".to_owned();
    let count = pb::SummarizeDossiersRequest { period, ..Default::default() };
    let denied = [
        refusal(dossiers.define_procedures(pb::DefineProceduresRequest::default()).await),
        refusal(dossiers.publish_dossiers(pb::PublishDossiersRequest::default()).await),
        refusal(dossiers.publish_events(pb::PublishEventsRequest::default()).await),
        refusal(dossiers.summarize_dossiers(count).await),
    ];
    for (code, reason, _) in denied {
        assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    }
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
    let receipt = publish(&local, vec![entry("H-1", events)]).await;
    assert_eq!(receipt.created, 1, "{:?}", receipt.results);
    let kept = get(&local, "H-1").await;
    assert_eq!(kept.state(), pb::DossierState::Returned);
    let codes: Vec<_> = kept.events.iter().map(|it| it.source_status.as_str()).collect();
    assert_eq!(codes, ["TN", "5"]);
    // With a mapping, what it does not name is unknown, the national codes too.
    let events = vec![
        event("2025-10-01 08:00", "TN"),
        event("2025-10-02 08:00", "2"),
        event("2025-10-03 08:00", "??"),
    ];
    let receipt = publish(&local, vec![entry("H-2", events)]).await;
    assert_eq!(receipt.results[0].reason(), pb::ErrorReason::FieldInvalid);
    assert_eq!(
        bad_fields(&receipt.results[0]),
        ["events[1].source_status", "events[2].source_status"]
    );
    assert_eq!(refusal(local.dossiers().get_dossier(ask("H-2")).await).1, "NOT_FOUND");
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
async fn personal_data_leaves_only_with_the_grant() {
    let (hub, source) = start().await;
    let applicant = pb::Applicant {
        name: "Nguyễn Thị Bí Mật".to_owned(),
        identity_number: "086199315826".to_owned(),
        phone: "0903158264".to_owned(),
        ..Default::default()
    };
    let note = "nhà ở ấp 3".to_owned();
    let noted = pb::DossierEventEntry { note: note.clone(), ..event("2025-10-01 08:00", "2") };
    let private = pb::DossierEntry {
        applicant: Some(applicant.clone()),
        ..entry("H-1", vec![noted.clone()])
    };
    let only_note = entry("H-2", vec![noted]);
    let plain = pb::DossierEntry {
        applicant: Some(pb::Applicant::default()),
        ..entry("H-3", vec![event("2025-10-01 08:00", "2")])
    };
    publish(&source, vec![private, only_note, plain]).await;
    let blind = hub.system("doc", reader()).await;
    let trusted = hub.system("tin-cay", Grants { read_personal_data: true, ..reader() }).await;
    for client in [&source, &blind] {
        let seen = get(client, "H-1").await;
        assert_eq!((seen.applicant.clone(), seen.personal_data_withheld), (None, true));
        assert_eq!(seen.events[0].note, "");
        assert!(!format!("{seen:?}").contains("Bí Mật"));
        assert!(get(client, "H-2").await.personal_data_withheld);
        assert!(!get(client, "H-3").await.personal_data_withheld);
        let list = pb::ListDossiersRequest::default();
        let list = client.dossiers().list_dossiers(list).await.unwrap().into_inner().dossiers;
        let withheld: Vec<_> = list.iter().map(|it| it.personal_data_withheld).collect();
        assert_eq!(withheld, [true, true, false]);
        assert!(list.iter().all(|it| it.applicant.is_none() && it.events.is_empty()));
    }
    let seen = get(&trusted, "H-1").await;
    assert_eq!((seen.applicant, seen.personal_data_withheld), (Some(applicant), false));
    assert_eq!(seen.events[0].note, note);
    let look = pb::LookUpDossierRequest { code: "H-1".to_owned(), consistency: None };
    let look = trusted.dossiers().look_up_dossier(look).await.unwrap().into_inner();
    assert_eq!(
        (look.state(), look.procedure_name.as_str()),
        (pb::DossierState::Accepted, "Đăng ký")
    );
    assert_eq!(look.accepted_at, at("2025-10-01 08:00"));
    let said = format!("{look:?}");
    assert!(!said.contains("Bí Mật") && !said.contains("086199315826") && !said.contains("ấp 3"));
}

#[tokio::test]
async fn a_bad_dossier_is_refused_with_every_field() {
    let (_hub, source) = start().await;
    let bad = pb::DossierEntry {
        code: "có dấu".to_owned(),
        procedure: String::new(),
        procedure_case: "x".repeat(65),
        receiving_unit: None,
        channel: 9,
        applicant_kind: -1,
        applicant: Some(pb::Applicant { phone: "0".repeat(33), ..Default::default() }),
        fees: vec![pb::DossierFee {
            name: "Phí".to_owned(),
            amount: "-1".to_owned(),
            paid_online: false,
        }],
        components: vec![pb::DossierDocument::default()],
        events: vec![pb::DossierEventEntry::default(), event("2198-01-01 00:00", "2")],
        ..Default::default()
    };
    let expected = [
        "code",
        "procedure",
        "procedure_case",
        "receiving_unit",
        "channel",
        "applicant_kind",
        "applicant.phone",
        "fees[0].amount",
        "components[0].name",
        "events[0].occurred_at",
        "events[0].source_status",
        "events[1].occurred_at",
    ];
    let good = entry("H-1", vec![event("2025-10-01 08:00", "2")]);
    let receipt = publish(&source, vec![bad.clone(), good.clone()]).await;
    assert_eq!(outcomes(&receipt), [1, 0, 0, 1]);
    assert_eq!(bad_fields(&receipt.results[0]), expected);
    let new = entry("H-2", Vec::new());
    let receipt = publish(&source, vec![new]).await;
    assert_eq!(bad_fields(&receipt.results[0]), ["events"]);
    let lost = |procedure: &str, unit: &str| pb::DossierEntry {
        procedure: procedure.to_owned(),
        receiving_unit: gso(unit, ""),
        ..entry("H-2", vec![event("2025-10-01 08:00", "2")])
    };
    let receipt =
        publish(&source, vec![lost("9.999999", COMMUNE), lost("1.004194", "99999")]).await;
    assert_eq!(bad_fields(&receipt.results[0]), ["procedure"]);
    assert_eq!(bad_fields(&receipt.results[1]), ["receiving_unit.code.code"]);
    // One bad item refuses the batch, and nothing of it is kept.
    let better = entry("H-3", vec![event("2025-10-01 08:00", "2")]);
    let dossiers = vec![better, bad];
    let all = pb::PublishDossiersRequest { dossiers, ..Default::default() };
    let (code, reason, fields) = refusal(source.dossiers().publish_dossiers(all).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(fields.len(), expected.len());
    assert_eq!(fields[0], "dossiers[1].code");
    assert_eq!(refusal(source.dossiers().get_dossier(ask("H-3")).await).1, "NOT_FOUND");
}

#[tokio::test]
async fn a_request_sent_again_gets_its_first_answer() {
    let (_hub, source) = start().await;
    let request = |status: &str| pb::PublishDossiersRequest {
        request_id: "r-1".to_owned(),
        dossiers: vec![entry("H-1", vec![event("2025-10-01 08:00", status)])],
        ..Default::default()
    };
    let send = async |status: &str| source.dossiers().publish_dossiers(request(status)).await;
    let first = send("2").await.unwrap().into_inner().receipt.unwrap();
    let again = send("2").await.unwrap().into_inner().receipt.unwrap();
    assert!(again.replayed);
    assert_eq!((again.created, again.revision), (1, first.revision));
    assert_eq!(refusal(send("4").await).1, "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn units_are_resolved_on_the_day_of_acceptance() {
    let (_hub, source) = start().await;
    let sent = |code: &str, submitted: &str, accepted: Option<&str>| {
        let mut events = vec![event(submitted, "1")];
        events.extend(accepted.map(|it| event(it, "2")));
        pb::DossierEntry { receiving_unit: gso(ELSEWHERE, ""), ..entry(code, events) }
    };
    let receipt = publish(
        &source,
        vec![
            sent("H-1", "2025-06-30 23:00", None),
            sent("H-2", "2025-06-30 23:00", Some("2025-07-01 00:00")),
        ],
    )
    .await;
    assert_eq!(receipt.created, 2, "{:?}", receipt.results);
    let name = async |code: &str| get(&source, code).await.receiving_unit.unwrap().name;
    assert_eq!(name("H-1").await, "Tỉnh Long An");
    assert_eq!(name("H-2").await, "Tỉnh Tây Ninh");
}

#[tokio::test]
async fn procedures_are_known_by_their_code_and_by_their_aliases() {
    let (hub, source) = start().await;
    let alias = |source: &str, alias: &str| pb::ProcedureAlias {
        source: source.to_owned(),
        alias: alias.to_owned(),
    };
    let school = pb::Procedure {
        field_code: "G03-GD10".to_owned(),
        owner_level: pb::UnitLevel::Commune.into(),
        online_level: pb::OnlineLevel::Full.into(),
        has_fee: true,
        aliases: vec![alias("mot-cua", "TS_lop1.000.00.00.H22"), alias("khac", "TS1")],
        ..limited("2.002492", 5, pb::ProcessingTimeUnit::WorkingDay)
    };
    let first = define(&source, vec![school.clone()]).await;
    assert_eq!(first.created, 1, "{:?}", first.results);
    assert_eq!(outcomes(&define(&source, vec![school.clone()]).await), [0, 0, 1, 0]);
    let by = |code: &str, source: &str| pb::GetProcedureRequest {
        code: code.to_owned(),
        source: source.to_owned(),
        consistency: None,
    };
    let anyone = hub.system("khach", Grants::default()).await;
    let mut dossiers = anyone.dossiers();
    let mut found = async |code: &str, source: &str| {
        dossiers.get_procedure(by(code, source)).await.map(|it| it.into_inner().procedure.unwrap())
    };
    let expected = pb::Procedure { revision: number(&first), ..school.clone() };
    assert_eq!(found("2.002492", "").await.unwrap(), expected);
    assert_eq!(found("TS_lop1.000.00.00.H22", "mot-cua").await.unwrap(), expected);
    assert_eq!(refusal(found("TS_lop1.000.00.00.H22", "khac").await).1, "NOT_FOUND");
    assert_eq!(refusal(found("TS1", "").await).1, "NOT_FOUND");
    // A dossier that names the alias keeps it beside the national code.
    let sent = pb::DossierEntry {
        procedure: "TS_lop1.000.00.00.H22".to_owned(),
        ..entry("H-1", vec![event("2025-10-01 08:00", "2")])
    };
    publish(&source, vec![sent]).await;
    let kept = get(&source, "H-1").await;
    assert_eq!(
        (kept.procedure.as_str(), kept.source_procedure.as_str()),
        ("2.002492", "TS_lop1.000.00.00.H22")
    );
    // An alias names one procedure.
    let thief = pb::Procedure { aliases: vec![alias("khac", "TS1")], ..procedure("2.002493") };
    let receipt = define(&source, vec![thief.clone()]).await;
    assert_eq!(bad_fields(&receipt.results[0]), ["aliases[0].alias"]);
    // It may move, once it is let go.
    let poorer = pb::Procedure { aliases: vec![school.aliases[0].clone()], ..school.clone() };
    let receipt = define(&source, vec![poorer, thief]).await;
    assert_eq!(outcomes(&receipt), [1, 1, 0, 0], "{:?}", receipt.results);
    assert_eq!(found("TS1", "khac").await.unwrap().code, "2.002493");
    let then =
        pb::GetProcedureRequest { consistency: exactly(number(&first)), ..by("TS1", "khac") };
    let then = anyone.dossiers().get_procedure(then).await.unwrap().into_inner();
    assert_eq!(then.procedure.unwrap(), expected);
    // Every bad field at once.
    let case = |code: &str, max_time| pb::ProcedureCase {
        code: code.to_owned(),
        max_time,
        ..Default::default()
    };
    let bad = pb::Procedure {
        code: "1.00419".to_owned(),
        owner_level: 9,
        cases: vec![case("", 0), case("a", 5), case("a", 10_001)],
        aliases: vec![alias("Nơi khác", "")],
        ..Default::default()
    };
    let receipt = define(&source, vec![bad]).await;
    let expected = [
        "code",
        "name",
        "owner_level",
        "cases[0].code",
        "cases[1].time_unit",
        "cases[2].code",
        "cases[2].max_time",
        "cases[2].time_unit",
        "aliases[0].source",
        "aliases[0].alias",
    ];
    assert_eq!(bad_fields(&receipt.results[0]), expected);
    let page = |token: String| pb::ListProceduresRequest {
        page: Some(pb::PageRequest { size: 2, token }),
        ..Default::default()
    };
    let first = anyone.dossiers().list_procedures(page(String::new())).await.unwrap().into_inner();
    let codes = |it: &[pb::Procedure]| it.iter().map(|it| it.code.clone()).collect::<Vec<_>>();
    assert_eq!(codes(&first.procedures), ["1.004194", "2.002492"]);
    let next = page(first.next_page_token);
    let next = anyone.dossiers().list_procedures(next).await.unwrap().into_inner();
    assert_eq!(codes(&next.procedures), ["2.002493"]);
    assert_eq!(next.next_page_token, "");
}

#[tokio::test]
async fn pages_join_up_while_others_write() {
    let (_hub, source) = start().await;
    let sent = |i: usize| entry(&format!("H-{i:03}"), vec![event("2025-10-01 08:00", "2")]);
    publish(&source, (0..25).map(|it| sent(it * 2)).collect()).await;
    let mut seen = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(pb::PageRequest { size: 7, token });
        let request = pb::ListDossiersRequest { page, ..Default::default() };
        let page = source.dossiers().list_dossiers(request).await.unwrap().into_inner();
        seen.extend(page.dossiers.into_iter().map(|it| it.code));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
        // What is written between the pages is of a later revision.
        publish(&source, vec![sent(seen.len() * 2 + 1)]).await;
        add(&source, vec![("H-048", event("2025-10-02 08:00", "9"))]).await;
    }
    let expected: Vec<_> = (0..25).map(|it| format!("H-{:03}", it * 2)).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn dossiers_are_listed_by_unit_procedure_state_and_acceptance() {
    let (_hub, source) = start().await;
    define(&source, vec![procedure("1.000002")]).await;
    let one = entry("H-1", vec![event("2025-10-01 08:00", "2")]);
    let two = pb::DossierEntry {
        procedure: "1.000002".to_owned(),
        receiving_unit: gso(ELSEWHERE, ""),
        ..entry("H-2", vec![event("2025-10-02 08:00", "2"), event("2025-10-03 08:00", "9")])
    };
    let three = entry("H-3", vec![event("2025-10-03 08:00", "1")]);
    publish(&source, vec![one, two, three]).await;
    let list = async |request: pb::ListDossiersRequest| {
        let page = source.dossiers().list_dossiers(request).await.unwrap().into_inner();
        page.dossiers.into_iter().map(|it| it.code).collect::<Vec<_>>().join(" ")
    };
    let all = pb::ListDossiersRequest::default;
    assert_eq!(list(all()).await, "H-1 H-2 H-3");
    let in_province = gso(PROVINCE, "2025-10-01");
    assert_eq!(
        list(pb::ListDossiersRequest { receiving_unit: in_province, ..all() }).await,
        "H-1 H-3"
    );
    let procedure = "1.000002".to_owned();
    assert_eq!(list(pb::ListDossiersRequest { procedure, ..all() }).await, "H-2");
    let state = pb::DossierState::Submitted.into();
    assert_eq!(list(pb::ListDossiersRequest { state, ..all() }).await, "H-3");
    let accepted_from = at("2025-10-02 08:00");
    assert_eq!(list(pb::ListDossiersRequest { accepted_from, ..all() }).await, "H-2");
    let accepted_before = at("2025-10-02 08:00");
    assert_eq!(list(pb::ListDossiersRequest { accepted_before, ..all() }).await, "H-1");
}

async fn communes(client: &Client) -> Vec<i64> {
    let request = pb::ListUnitsRequest {
        date: "2025-10-01".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        below: gso(PROVINCE, ""),
        ..Default::default()
    };
    let page = client.units().list_units(request).await.unwrap().into_inner();
    page.units.into_iter().map(|it| it.id).collect()
}

#[tokio::test]
async fn ten_thousand_items_are_kept_at_once_and_sent_again_change_nothing() {
    let (hub, source) = start().await;
    // A hundred communes and a hundred procedures: no two dossiers have both in common.
    let communes = communes(&source).await;
    let procedure_of = |it: usize| format!("1.9{:05}", it / 100);
    define(&source, (0..100).map(|it| procedure(&procedure_of(it * 100))).collect()).await;
    let sent = |range: std::ops::Range<usize>, with_events: bool| -> Vec<_> {
        let event = || if with_events { vec![event("2025-10-01 08:00", "2")] } else { Vec::new() };
        let one = |it: usize| pb::DossierEntry {
            procedure: procedure_of(it),
            receiving_unit: id(communes[it % 100]),
            ..entry(&format!("000.00.12.H56-251001-{it:05}"), event())
        };
        range.map(one).collect()
    };
    // A new dossier comes with an event, and both are items.
    let began = std::time::Instant::now();
    let first = publish(&source, sent(0..5_000, true)).await;
    println!("5,000 dossiers, each with an event: {:?}", began.elapsed());
    assert_eq!(outcomes(&first), [5_000, 0, 0, 0]);
    let second = publish(&source, sent(5_000..10_000, true)).await;
    assert_eq!(outcomes(&second), [5_000, 0, 0, 0]);
    let began = std::time::Instant::now();
    let again = publish(&source, sent(0..5_000, true)).await;
    println!("the same again: {:?}", began.elapsed());
    assert_eq!((outcomes(&again), number(&again)), ([0, 0, 5_000, 0], number(&second)));
    let began = std::time::Instant::now();
    let all = publish(&source, sent(0..10_000, false)).await;
    println!("10,000 dossiers without news: {:?}", began.elapsed());
    assert_eq!((outcomes(&all), number(&all)), ([0, 0, 10_000, 0], number(&second)));
    let began = std::time::Instant::now();
    let codes: Vec<_> = (0..10_000).map(|it| format!("000.00.12.H56-251001-{it:05}")).collect();
    let news = codes.iter().map(|it| (it.as_str(), event("2025-10-02 08:00", "9"))).collect();
    let news = add(&source, news).await;
    println!("10,000 events: {:?}", began.elapsed());
    assert_eq!(outcomes(&news), [10_000, 0, 0, 0]);
    assert_eq!(get(&source, &codes[9_999]).await.state(), pb::DossierState::Finished);
    // Counted in ten thousand groups, which is the most; one more is too many.
    let reader = hub.system("doc", reader()).await;
    let request = pb::SummarizeDossiersRequest {
        period: "2025-10".to_owned(),
        receiving_unit: gso(PROVINCE, ""),
        by: vec![pb::SummaryDimension::Unit.into(), pb::SummaryDimension::Procedure.into()],
        ..Default::default()
    };
    let began = std::time::Instant::now();
    let count = reader.dossiers().summarize_dossiers(request.clone()).await.unwrap().into_inner();
    println!("10,000 dossiers counted: {:?}", began.elapsed());
    assert_eq!((count.total.unwrap().received, count.groups.len()), (10_000, 10_000));
    publish(&source, vec![entry("H-1", vec![event("2025-10-01 08:00", "2")])]).await;
    let (code, reason, _) = refusal(reader.dossiers().summarize_dossiers(request).await);
    assert_eq!((code, reason.as_str()), (Code::FailedPrecondition, "ANSWER_TOO_LARGE"));
    let dossiers = sent(0..5_001, true);
    let more = pb::PublishDossiersRequest { dossiers, ..Default::default() };
    let refused = refusal(source.dossiers().publish_dossiers(more).await);
    assert_eq!((refused.1.as_str(), refused.2), ("FIELD_INVALID", vec!["dossiers".to_owned()]));
}
