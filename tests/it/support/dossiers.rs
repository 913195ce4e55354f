//! Dossiers, events and procedures as small as they can be, and clients that publish and read them.
use sharehub::{pb, time::Day};

use crate::support::{
    client::{Client, Grants, gso},
    hub::Hub,
};

/// A commune of Vinh Long since 2025-07-01, and the province.
pub const COMMUNE: &str = "28915";
pub const PROVINCE: &str = "86";

/// A commune elsewhere: in Tay Ninh since 2025-07-01.
pub const ELSEWHERE: &str = "80";

/// An instant in Viet Nam's time: `2025-10-01 08:30`.
pub fn at(text: &str) -> Option<prost_types::Timestamp> {
    let (day, time) = text.split_once(' ').unwrap();
    let (hour, minute) = time.split_once(':').unwrap();
    let (hour, minute): (i64, i64) = (hour.parse().unwrap(), minute.parse().unwrap());
    let seconds = Day::parse(day).unwrap().start().parts().0 + hour * 3_600 + minute * 60;
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

pub fn event(when: &str, status: &str) -> pb::DossierEventEntry {
    let source_status = status.to_owned();
    pb::DossierEventEntry { occurred_at: at(when), source_status, ..Default::default() }
}

pub fn due(when: &str, status: &str, due: &str) -> pb::DossierEventEntry {
    pb::DossierEventEntry { due_at: at(due), ..event(when, status) }
}

pub fn entry(code: &str, events: Vec<pb::DossierEventEntry>) -> pb::DossierEntry {
    pb::DossierEntry {
        code: code.to_owned(),
        procedure: "1.004194".to_owned(),
        receiving_unit: gso(COMMUNE, ""),
        channel: pb::SubmissionChannel::Online.into(),
        events,
        ..Default::default()
    }
}

pub fn procedure(code: &str) -> pb::Procedure {
    pb::Procedure { code: code.to_owned(), name: "Đăng ký".to_owned(), ..Default::default() }
}

pub fn limited(code: &str, max_time: i32, unit: pb::ProcessingTimeUnit) -> pb::Procedure {
    let case = pb::ProcedureCase { max_time, time_unit: unit.into(), ..Default::default() };
    pb::Procedure { cases: vec![case], ..procedure(code) }
}

pub fn source() -> Grants {
    Grants { publish_dossiers: true, define_procedures: true, ..Default::default() }
}

pub fn reader() -> Grants {
    Grants { read_dossiers: true, ..Default::default() }
}

pub async fn define(client: &Client, procedures: Vec<pb::Procedure>) -> pb::Receipt {
    let request =
        pb::DefineProceduresRequest { procedures, allow_partial: true, ..Default::default() };
    client.dossiers().define_procedures(request).await.unwrap().into_inner().receipt.unwrap()
}

pub async fn publish(client: &Client, dossiers: Vec<pb::DossierEntry>) -> pb::Receipt {
    let request =
        pb::PublishDossiersRequest { dossiers, allow_partial: true, ..Default::default() };
    client.dossiers().publish_dossiers(request).await.unwrap().into_inner().receipt.unwrap()
}

pub async fn add(client: &Client, events: Vec<(&str, pb::DossierEventEntry)>) -> pb::Receipt {
    let event = |(code, event): (&str, _)| pb::EventForDossier {
        dossier: code.to_owned(),
        event: Some(event),
    };
    let events = events.into_iter().map(event).collect();
    let request = pb::PublishEventsRequest { events, allow_partial: true, ..Default::default() };
    client.dossiers().publish_events(request).await.unwrap().into_inner().receipt.unwrap()
}

pub fn ask(code: &str) -> pb::GetDossierRequest {
    pb::GetDossierRequest { code: code.to_owned(), ..Default::default() }
}

pub async fn get(client: &Client, code: &str) -> pb::Dossier {
    client.dossiers().get_dossier(ask(code)).await.unwrap().into_inner().dossier.unwrap()
}

/// A hub with one procedure and a source of dossiers.
pub async fn start() -> (Hub, Client) {
    let hub = Hub::start().await;
    let source = hub.system("mot-cua", source()).await;
    define(&source, vec![procedure("1.004194")]).await;
    (hub, source)
}

pub fn outcomes(receipt: &pb::Receipt) -> [i32; 4] {
    [receipt.created, receipt.corrected, receipt.unchanged, receipt.rejected]
}

pub fn number(receipt: &pb::Receipt) -> i64 {
    receipt.revision.unwrap().number
}

pub fn bad_fields(item: &pb::ItemResult) -> Vec<&str> {
    item.violations.iter().map(|it| it.field.as_str()).collect()
}
