//! Procedures: their codes and aliases.
use sharehub::pb;

use crate::support::{
    client::{Grants, exactly, refusal},
    dossiers::{
        bad_fields, define, entry, event, get, limited, number, outcomes, procedure, publish, start,
    },
};

fn alias(source: &str, alias: &str) -> pb::ProcedureAlias {
    pb::ProcedureAlias { source: source.to_owned(), alias: alias.to_owned() }
}

#[tokio::test]
async fn procedures_are_known_by_their_code_and_by_their_aliases() {
    let (hub, source) = start().await;
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
}

#[tokio::test]
async fn a_bad_procedure_is_refused_with_every_field() {
    let (_hub, source) = start().await;
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
}

#[tokio::test]
async fn procedures_are_listed_in_pages() {
    let (hub, source) = start().await;
    define(&source, vec![procedure("2.002493"), procedure("2.002492")]).await;
    let anyone = hub.system("khach", Grants::default()).await;
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
