//! Exports through the wire: all of a question at one revision, whatever goes on beside it.
use sea_orm::{ConnectionTrait, Database};
use sharehub::pb;
use tonic::{Code, Status};

use crate::support::{
    client::{Client, Grants, exactly, gso, id, refusal},
    desk::{Desk, SOURCE, amount, saw},
    hub::Hub,
};

/// Everything of an export: the revision, the observations, and how many messages they came in.
pub async fn export(
    client: &Client,
    request: pb::ExportObservationsRequest,
) -> Result<(i64, Vec<pb::Observation>, usize), Status> {
    let mut stream = client.indicators().export_observations(request).await?.into_inner();
    let (mut read_at, mut all, mut messages) = (None, Vec::new(), 0);
    while let Some(it) = stream.message().await? {
        assert_eq!(it.read_at.is_some(), messages == 0, "the first message says the revision");
        assert!(it.observations.len() <= 1_000);
        read_at = read_at.or(it.read_at);
        all.extend(it.observations);
        messages += 1;
    }
    Ok((read_at.unwrap().number, all, messages))
}

/// The same by pages.
async fn pages(client: &Client, consistency: Option<pb::Consistency>) -> Vec<pb::Observation> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(pb::PageRequest { size: 700, token });
        let query = pb::QueryObservationsRequest { page, consistency, ..Default::default() };
        let answer = client.indicators().query_observations(query).await.unwrap().into_inner();
        all.extend(answer.observations);
        token = answer.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

#[tokio::test]
async fn an_export_is_what_the_pages_are() {
    let desk = Desk::start().await;
    desk.define(vec![amount("doc.amount")]).await;
    let (_, nothing, messages) = export(&desk.source, Default::default()).await.unwrap();
    assert_eq!((nothing.len(), messages), (0, 1), "nothing comes in one message");
    let units = &desk.communes().await[..500];
    for (code, year) in [
        ("doc.count", "2022"),
        ("doc.amount", "2022"),
        ("doc.count", "2023"),
        ("doc.count", "2024"),
    ] {
        let seen = |unit: &i64| pb::ObservationEntry {
            unit: id(*unit),
            ..saw(code, "", year, &unit.to_string())
        };
        desk.publish(units.iter().map(seen).collect()).await;
        let (read_at, all, messages) = export(&desk.source, Default::default()).await.unwrap();
        assert_eq!(read_at, desk.head().await);
        assert_eq!(all, pages(&desk.source, None).await);
        assert_eq!(messages, all.len().div_ceil(1_000));
    }
}

/// What an export sends, message by message.
type Pages = tonic::Streaming<pb::ExportObservationsResponse>;

/// An export over a connection that takes little before it is read: the hub cannot run ahead of its reader.
async fn slowly(desk: &Desk, request: pb::ExportObservationsRequest) -> (i64, usize, Pages) {
    let narrow = desk.hub.narrow(&desk.source, 1_024);
    let mut pages = narrow.indicators().export_observations(request).await.unwrap().into_inner();
    let first = pages.message().await.unwrap().unwrap();
    (first.read_at.unwrap().number, first.observations.len(), pages)
}

/// Five thousand observations, and what comes of them.
async fn five_thousand() -> (Desk, Vec<pb::ObservationEntry>) {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..1_000];
    let mut all = Vec::new();
    for year in 2020..2025 {
        for unit in units {
            let value = format!("{}", unit % 97);
            let it = saw("doc.count", "", &year.to_string(), &value);
            all.push(pb::ObservationEntry { unit: id(*unit), ..it });
        }
    }
    desk.publish(all.clone()).await;
    (desk, all)
}

#[tokio::test]
async fn an_export_is_of_its_revision_while_publishing_goes_on() {
    let (desk, all) = five_thousand().await;
    let expected = pages(&desk.source, None).await;
    let (read_at, first, mut rest) = slowly(&desk, Default::default()).await;
    assert_eq!(first, 1_000);
    let mut exported = expected[..1_000].to_vec();
    // Corrections of all that is still to come, something new, and a new version of the definition.
    for entries in all.chunks(1_000) {
        let other = |it: &pb::ObservationEntry| pb::ObservationEntry {
            value: Some("12345".to_owned()),
            ..it.clone()
        };
        desk.publish(entries.iter().map(other).collect()).await;
        exported
            .extend(rest.message().await.unwrap().map(|it| it.observations).unwrap_or_default());
    }
    desk.publish(vec![saw("doc.count", "83", "2010", "1")]).await;
    while let Some(it) = rest.message().await.unwrap() {
        exported.extend(it.observations);
    }
    assert_eq!(exported.len(), 5_000);
    assert!(exported == expected, "exactly the rows of its revision");
    // Asked for again at that revision, it is the same.
    let request =
        pb::ExportObservationsRequest { consistency: exactly(read_at), ..Default::default() };
    let (again, rows, _) = export(&desk.source, request).await.unwrap();
    assert_eq!(again, read_at);
    assert!(rows == expected, "the same at its revision");
}

#[tokio::test]
async fn a_right_that_is_taken_away_ends_an_export() {
    let (desk, _) = five_thousand().await;
    let (_, mut seen, mut rest) = slowly(&desk, Default::default()).await;
    let other = vec!["other.*".to_owned()];
    let grants =
        Grants { publish_indicators: other.clone(), read_indicators: other, ..Default::default() };
    desk.hub.register(SOURCE, grants).await;
    let ended = loop {
        match rest.message().await {
            Ok(it) => seen += it.expect("it does not end well").observations.len(),
            Err(status) => break status,
        }
    };
    let (code, reason, _) = refusal(Err::<(), _>(ended));
    assert_eq!((code, reason.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    assert!(seen < 5_000, "{seen}");
    let (code, ..) = refusal(export(&desk.source, by_code("doc.count")).await);
    assert_eq!(code, Code::NotFound);
}

fn by_code(code: &str) -> pb::ExportObservationsRequest {
    pb::ExportObservationsRequest { indicators: vec![code.to_owned()], ..Default::default() }
}

#[tokio::test]
async fn an_export_whose_revision_is_compacted_ends_and_says_so() {
    let (desk, _) = five_thousand().await;
    let (read_at, ..) = export(&desk.source, by_code("doc.count")).await.unwrap();
    let (_, mut seen, mut rest) = slowly(&desk, Default::default()).await;
    // As another hub on the same store would move it.
    let db = Database::connect(&desk.hub.store.url).await.unwrap();
    let floor = format!("UPDATE head SET floor = {}", read_at + 1);
    db.execute_unprepared(&floor).await.unwrap();
    db.close().await.unwrap();
    let ended = loop {
        match rest.message().await {
            Ok(it) => seen += it.expect("it does not end well").observations.len(),
            Err(status) => break status,
        }
    };
    let (code, reason, _) = refusal(Err::<(), _>(ended));
    assert_eq!((code, reason.as_str()), (Code::OutOfRange, "REVISION_COMPACTED"));
    assert!(seen < 5_000, "{seen}");
}

#[tokio::test]
async fn an_export_ends_when_the_hub_stops() {
    let (desk, _) = five_thousand().await;
    let (_, _, mut rest) = slowly(&desk, Default::default()).await;
    desk.hub.hub.stopping.cancel();
    let ended = loop {
        match rest.message().await {
            Ok(it) => assert!(it.is_some(), "it does not end well"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(Err::<(), _>(ended)).0, Code::Unavailable);
}

#[tokio::test]
async fn long_rows_come_in_messages_that_every_client_takes() {
    let desk = Desk::start().await;
    let units = &desk.communes().await[..600];
    let long = |unit: &i64| pb::ObservationEntry {
        unit: id(*unit),
        provenance: Some(pb::Provenance {
            quote: "ầ".repeat(2_000),
            note: "ầ".repeat(1_000),
            ..Default::default()
        }),
        ..saw("doc.count", "", "2024", "1")
    };
    for units in units.chunks(300) {
        desk.publish(units.iter().map(long).collect()).await;
    }
    let mut stream = desk
        .source
        .indicators()
        .max_decoding_message_size(4 << 20)
        .export_observations(pb::ExportObservationsRequest::default())
        .await
        .unwrap()
        .into_inner();
    let (mut rows, mut messages) = (0, 0);
    while let Some(it) = stream.message().await.unwrap() {
        rows += it.observations.len();
        messages += 1;
    }
    assert_eq!(rows, 600);
    assert!(messages >= 2, "five megabytes do not fit into one");
}

#[tokio::test]
async fn a_bad_question_is_refused_as_a_query_refuses_it() {
    let desk = Desk::start().await;
    let rows = [
        (by_code("Đếm"), Code::InvalidArgument, "indicators[0]"),
        (by_code("doc.none"), Code::NotFound, "indicators[0]"),
        (
            pb::ExportObservationsRequest { ends_from: "2024".to_owned(), ..Default::default() },
            Code::InvalidArgument,
            "ends_from",
        ),
        (
            pb::ExportObservationsRequest { with_descendants: true, ..Default::default() },
            Code::InvalidArgument,
            "with_descendants",
        ),
        (
            pb::ExportObservationsRequest { consistency: exactly(-1), ..Default::default() },
            Code::InvalidArgument,
            "consistency.exactly",
        ),
        (
            pb::ExportObservationsRequest {
                units: vec![gso("99999", "2024-01-01").unwrap()],
                ..Default::default()
            },
            Code::NotFound,
            "units[0].code.code",
        ),
    ];
    for (request, expected, field) in rows {
        let (code, _, fields) = refusal(export(&desk.source, request.clone()).await);
        assert_eq!((code, fields), (expected, vec![field.to_owned()]), "{request:?}");
    }
}

// === dossiers ===

/// Everything of an export of dossiers.
async fn dossiers(
    client: &Client,
    request: pb::ExportDossiersRequest,
) -> Result<Vec<pb::Dossier>, Status> {
    let mut stream = client.dossiers().export_dossiers(request).await?.into_inner();
    let (mut all, mut messages) = (Vec::new(), 0);
    while let Some(it) = stream.message().await? {
        assert_eq!(it.read_at.is_some(), messages == 0, "the first message says the revision");
        all.extend(it.dossiers);
        messages += 1;
    }
    Ok(all)
}

async fn listed(client: &Client) -> Vec<pb::Dossier> {
    let (mut all, mut token) = (Vec::new(), String::new());
    loop {
        let page = Some(pb::PageRequest { size: 900, token });
        let list = pb::ListDossiersRequest { page, ..Default::default() };
        let answer = client.dossiers().list_dossiers(list).await.unwrap().into_inner();
        all.extend(answer.dossiers);
        token = answer.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

fn dossier(number: i64) -> pb::DossierEntry {
    pb::DossierEntry {
        code: format!("H61-{number:05}"),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso("28915", ""),
        applicant: Some(pb::Applicant { name: "Nguyễn Văn A".to_owned(), ..Default::default() }),
        events: ["2", "4"]
            .iter()
            .zip(0..)
            .map(|(status, at)| pb::DossierEventEntry {
                occurred_at: Some(prost_types::Timestamp {
                    seconds: 1_759_300_000 + number + at,
                    nanos: 0,
                }),
                source_status: (*status).to_owned(),
                ..Default::default()
            })
            .collect(),
        ..Default::default()
    }
}

#[tokio::test]
async fn dossiers_are_loaded_and_exported_as_they_are_listed_for_each_caller() {
    let hub = Hub::start().await;
    let grants = Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    let source = hub.system("mot-cua", grants).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let define = pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
    source.dossiers().define_procedures(define).await.unwrap();
    let step = |step| pb::IngestDossiersRequest { step: Some(step) };
    use pb::ingest_dossiers_request::Step;
    let open = step(Step::Open(pb::LoadOpen { load: "a".to_owned() }));
    let batch = |first: i64| {
        let dossiers = (first..first + 500).map(dossier).collect();
        step(Step::Batch(pb::DossierBatch { first, dossiers }))
    };
    let too_many = step(Step::Batch(pb::DossierBatch {
        first: 4_501,
        dossiers: (0..4_000).map(dossier).collect(),
    }));
    let messages = [vec![open], (0..9).map(|it| batch(it * 500 + 1)).collect(), vec![too_many]];
    let messages = tokio_stream::iter(messages.concat());
    let mut told = source.dossiers().ingest_dossiers(messages).await.unwrap().into_inner();
    let mut created = 0;
    let ended = loop {
        match told.message().await {
            Ok(it) => match it.unwrap().step.unwrap() {
                pb::ingest_dossiers_response::Step::Opened(it) => {
                    assert_eq!(it.durable_through, 0);
                }
                pb::ingest_dossiers_response::Step::Acknowledged(it) => created += it.created,
            },
            Err(status) => break status,
        }
    };
    let refused = refusal(Err::<(), _>(ended));
    assert_eq!(refused.2, ["batch.dossiers"], "4,000 dossiers with 8,000 events are too many");
    assert_eq!(created, 4_500);

    let reader = Grants { read_dossiers: true, ..Default::default() };
    let reader = hub.system("reader", reader).await;
    let personal = Grants { read_dossiers: true, read_personal_data: true, ..Default::default() };
    let personal = hub.system("personal", personal).await;
    let stranger = hub.system("stranger", Grants::default()).await;
    for (client, count, is_named) in
        [(&source, 4_500, false), (&reader, 4_500, false), (&personal, 4_500, true)]
    {
        let exported = dossiers(client, Default::default()).await.unwrap();
        assert_eq!(exported.len(), count);
        assert!(exported == listed(client).await);
        assert!(exported.iter().all(|it| it.applicant.is_some() == is_named));
        assert!(exported.iter().all(|it| it.personal_data_withheld != is_named));
    }
    let nothing = refusal(dossiers(&stranger, Default::default()).await);
    assert_eq!((nothing.0, nothing.1.as_str()), (Code::PermissionDenied, "NOT_PERMITTED"));
    let request =
        pb::ExportDossiersRequest { procedure: "1.000000".to_owned(), ..Default::default() };
    let (code, _, fields) = refusal(dossiers(&reader, request).await);
    assert_eq!((code, fields), (Code::NotFound, vec!["procedure".to_owned()]));

    // The tier that it began with is taken away: it ends, and does not go on with less.
    let narrow = hub.narrow_by_certificate("personal", 1_024).await;
    let mut narrow = narrow.dossiers();
    let everything = pb::ExportDossiersRequest::default();
    let mut pages = narrow.export_dossiers(everything).await.unwrap().into_inner();
    pages.message().await.unwrap().unwrap();
    hub.register("personal", Grants { read_dossiers: true, ..Default::default() }).await;
    let ended = loop {
        match pages.message().await {
            Ok(it) => assert!(it.is_some(), "it does not end well"),
            Err(status) => break status,
        }
    };
    assert_eq!(refusal(Err::<(), _>(ended)).0, Code::PermissionDenied);
}
