//! Publishing dossiers: corrections, retries, rights, personal data and large batches.
use sharehub::pb;
use tonic::Code;

use crate::support::{
    client::{Client, Grants, exactly, gso, id, refusal},
    dossiers::{
        COMMUNE, ELSEWHERE, PROVINCE, add, ask, at, bad_fields, define, due, entry, event, get,
        number, outcomes, procedure, publish, reader, source, start,
    },
    hub::Hub,
};

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
    // Names are personal data, which its source is not shown by a key; amounts and flags are none.
    let (fee, paper) = (&kept.fees[0], &kept.components[0]);
    assert_eq!((fee.name.as_str(), fee.amount.as_str(), fee.paid_online), ("", "50000", true));
    assert_eq!((paper.name.as_str(), paper.digitized, paper.reused), ("", true, false));
    assert!(kept.personal_data_withheld);
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
