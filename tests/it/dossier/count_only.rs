//! Counts without a right to dossiers: the operation COUNT of an agreement.
use sharehub::pb::{self, AgreementOperation as Operation, agreement::Dataset};
use tonic::Code;

use crate::support::{
    agreements::by,
    client::{Client, Grants, agreement, gso, refusal},
    dossiers::{COMMUNE, ELSEWHERE, ask, define, entry, event, procedure, publish, reader, start},
    hub::Hub,
};

/// Dossiers of two units and two procedures, and a system that may count those of an agreement.
async fn counted(change: impl FnOnce(&mut pb::Agreement)) -> (Hub, Client) {
    let (hub, source) = start().await;
    define(&source, vec![procedure("1.000001")]).await;
    let of = |code: &str, procedure: &str, unit: &str| pb::DossierEntry {
        procedure: procedure.to_owned(),
        receiving_unit: gso(unit, ""),
        ..entry(code, vec![event("2025-10-01 08:00", "2")])
    };
    let receipt = publish(
        &source,
        vec![
            of("H-1", "1.004194", COMMUNE),
            of("H-2", "1.000001", COMMUNE),
            of("H-3", "1.004194", ELSEWHERE),
        ],
    )
    .await;
    assert_eq!(receipt.created, 3, "{:?}", receipt.results);
    let counter = hub.system("statistics", Grants::default()).await;
    let dossiers = Dataset::Dossiers(pb::DossierDataset::default());
    let mut terms = agreement("statistics.counts", "statistics", &[Operation::Count], dossiers);
    change(&mut terms);
    hub.grant(terms).await;
    (hub, counter)
}

async fn received(client: &Client) -> pb::SummarizeDossiersResponse {
    let by = vec![pb::SummaryDimension::Procedure.into()];
    let october =
        pb::SummarizeDossiersRequest { period: "2025-10".to_owned(), by, ..Default::default() };
    client.dossiers().summarize_dossiers(october).await.unwrap().into_inner()
}

#[tokio::test]
async fn count_alone_gives_every_count_of_its_scope_as_read_does() {
    let (hub, counter) = counted(|_| {}).await;
    let reader = hub.system("reader", reader()).await;
    let (counted, read) = (received(&counter).await, received(&reader).await);
    assert_eq!(counted.total.as_ref().unwrap().received, 3);
    assert_eq!((&counted.total, &counted.groups), (&read.total, &read.groups));
    let (_hub, counter) = counted_in(COMMUNE).await;
    assert_eq!(received(&counter).await.total.unwrap().received, 2);
    let (_hub, counter) = self::counted(|it| {
        let procedures = vec!["1.000001".to_owned()];
        it.dataset =
            Some(Dataset::Dossiers(pb::DossierDataset { procedures, ..Default::default() }));
    })
    .await;
    let answer = received(&counter).await;
    assert_eq!((answer.total.unwrap().received, answer.groups.len()), (1, 1));
}

async fn counted_in(unit: &str) -> (Hub, Client) {
    counted(|it| it.units = vec![gso(unit, "2025-10-01").unwrap()]).await
}

#[tokio::test]
async fn count_alone_shows_no_dossier_and_not_whether_one_exists() {
    let (_hub, counter) = counted(|_| {}).await;
    let mut dossiers = counter.dossiers();
    let refused = (Code::PermissionDenied, "NOT_PERMITTED".to_owned(), Vec::<String>::new());
    for code in ["H-1", "H-none"] {
        assert_eq!(refusal(dossiers.get_dossier(ask(code)).await), refused);
        let look = pb::LookUpDossierRequest { code: code.to_owned(), ..Default::default() };
        assert_eq!(refusal(dossiers.look_up_dossier(look).await), refused);
    }
    assert_eq!(refusal(dossiers.list_dossiers(pb::ListDossiersRequest::default()).await), refused);
    let export = dossiers.export_dossiers(pb::ExportDossiersRequest::default()).await;
    assert_eq!(refusal(export.map(|_| ())), refused);
}

#[tokio::test]
async fn indicators_are_not_counted() {
    let hub = Hub::start().await;
    hub.system("statistics", Grants::default()).await;
    let terms = agreement("statistics.counts", "statistics", &[Operation::Count], by(&["*"]));
    let grant = pb::GrantAgreementRequest { agreement: Some(terms), ..Default::default() };
    let (code, reason, fields) = refusal(hub.admin().access().grant_agreement(grant).await);
    assert_eq!((code, reason.as_str()), (Code::InvalidArgument, "FIELD_INVALID"));
    assert_eq!(fields, ["agreement.operations"]);
}
