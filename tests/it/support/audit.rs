//! The audit log as an auditor reads it, and a hub that has something to record.
use std::time::Duration;

use sea_orm::{ConnectionTrait, Database};
use sharehub::{limits::Limits, pb};
use tokio::time;

use crate::support::{
    client::{Client, Grants, gso},
    hub::{Hub, slow},
};

/// All records, in their order.
pub async fn records(hub: &Hub) -> Vec<pb::AuditRecord> {
    written(hub).await;
    let mut client = hub.admin().audit();
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let page = Some(pb::PageRequest { size: 1_000, token });
        let request = pb::ListRecordsRequest { page, ..Default::default() };
        let answer = client.list_records(request).await.unwrap().into_inner();
        all.extend(answer.records);
        token = answer.next_page_token;
        if token.is_empty() {
            return all;
        }
    }
}

/// Waits until no record waits.
pub async fn written(hub: &Hub) {
    while hub.hub.audit.waiting() > 0 {
        time::sleep(Duration::from_millis(5)).await;
    }
}

/// Runs statements in the store, past the hub.
pub async fn sql(hub: &Hub, statements: &[&str]) {
    let db = Database::connect(&hub.store.url).await.unwrap();
    for statement in statements {
        db.execute_unprepared(statement).await.unwrap();
    }
    db.close().await.unwrap();
}

/// A hub, a source of dossiers that is one with personal data, and somebody who may read that.
pub async fn start() -> (Hub, Client, Client) {
    start_with(slow()).await
}

pub async fn start_with(limits: Limits) -> (Hub, Client, Client) {
    let hub = Hub::with(limits).await;
    let grants = Grants { publish_dossiers: true, define_procedures: true, ..Default::default() };
    let source = hub.system("mot-cua", grants).await;
    let procedure = pb::Procedure {
        code: "1.004194".to_owned(),
        name: "Đăng ký".to_owned(),
        ..Default::default()
    };
    let request = pb::DefineProceduresRequest { procedures: vec![procedure], ..Default::default() };
    source.dossiers().define_procedures(request).await.unwrap();
    publish(&source, &["H1.1", "H1.2", "H1.3"]).await.unwrap();
    let grants = Grants { read_dossiers: true, read_personal_data: true, ..Default::default() };
    let reader = hub.system("ioc", grants).await;
    (hub, source, reader)
}

pub async fn publish(source: &Client, codes: &[&str]) -> Result<pb::Receipt, tonic::Status> {
    let event = pb::DossierEventEntry {
        occurred_at: Some(prost_types::Timestamp { seconds: 1_759_300_000, nanos: 0 }),
        source_status: "2".to_owned(),
        ..Default::default()
    };
    let applicant = pb::Applicant {
        name: "Nguyễn Thị Hoa".to_owned(),
        identity_number: "079203001234".to_owned(),
        ..Default::default()
    };
    let dossier = |code: &&str| pb::DossierEntry {
        code: (*code).to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso("28915", ""),
        channel: pb::SubmissionChannel::Online.into(),
        applicant: Some(applicant.clone()),
        events: vec![event.clone()],
        ..Default::default()
    };
    let dossiers = codes.iter().map(dossier).collect();
    let request = pb::PublishDossiersRequest { dossiers, ..Default::default() };
    Ok(source.dossiers().publish_dossiers(request).await?.into_inner().receipt.unwrap())
}

pub async fn get(client: &Client, code: &str) -> Result<pb::Dossier, tonic::Status> {
    let request = pb::GetDossierRequest { code: code.to_owned(), ..Default::default() };
    Ok(client.dossiers().get_dossier(request).await?.into_inner().dossier.unwrap())
}
