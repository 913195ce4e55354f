//! Lists of dossiers: filters and pages.
use sharehub::pb;

use crate::support::{
    client::gso,
    dossiers::{ELSEWHERE, PROVINCE, add, at, define, entry, event, procedure, publish, start},
};

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
