//! Exports through the wire: all of a question at one revision, whatever goes on beside it.
use sharehub::pb;
use tonic::Status;

use crate::{
    hub::Client,
    indicator::{Desk, amount, saw},
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
            unit: crate::hub::id(*unit),
            ..saw(code, "", year, &unit.to_string())
        };
        desk.publish(units.iter().map(seen).collect()).await;
        let (read_at, all, messages) = export(&desk.source, Default::default()).await.unwrap();
        assert_eq!(read_at, desk.head().await);
        assert_eq!(all, pages(&desk.source, None).await);
        assert_eq!(messages, all.len().div_ceil(1_000));
    }
}
