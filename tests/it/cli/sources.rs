//! Sources at the command line: whose figures they are, what is to be sent again, and several of them side by side.
use std::fs;

use serde_json::Value;
use sharehub::pb;

use crate::{
    cli::call::Desk,
    indicator::publish::partial,
    support::{
        client::{Grants, Key},
        desk::saw,
        program::sharehub,
    },
};

/// What the program printed and said, and its exit code.
async fn query(desk: &Desk, arguments: &[&str]) -> (String, String, Option<i32>) {
    let by = [format!("--target={}", desk.target()), format!("--key={}", desk.key())];
    let by = by.each_ref().map(String::as_str);
    let ran = sharehub(desk.dir.path(), &[&["query"], arguments, &by].concat()).await;
    (ran.out, ran.err, ran.code)
}

#[tokio::test]
async fn sources_and_what_they_had_rejected_are_tables_for_people_and_json_for_machines() {
    let desk = Desk::start().await;
    let entries = vec![saw("doc.count", "83", "2024", "1.5"), saw("doc.count", "86", "2024", "7")];
    let receipt = desk.source.indicators().publish_observations(partial(entries)).await.unwrap();
    assert_eq!(receipt.into_inner().receipt.unwrap().rejected, 1);

    let (table, said, code) = query(&desk, &["sources"]).await;
    assert_eq!(code, Some(0), "{said}");
    let row = table.lines().nth(2).unwrap();
    assert!(row.starts_with("so-tttt") && row.ends_with("1 field invalid"), "{table}");
    let (json, _, _) = query(&desk, &["sources", "--json"]).await;
    let source: Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(source["indicators"], serde_json::json!(["doc.count"]), "{json}");
    let (table, said, _) = query(&desk, &["rejections"]).await;
    let row = table.lines().nth(2).unwrap();
    assert!(row.contains("doc.count 83 2024") && row.contains("field invalid"), "{table}");
    assert!(said.contains("1 rows at revision"), "{said}");
    let (json, _, _) = query(&desk, &["rejections", "--json", "--source", "so-tttt"]).await;
    let rejection: Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(rejection["fields"][0]["field"], "value", "{json}");
    assert_eq!(rejection["reason"], pb::ErrorReason::FieldInvalid.as_str_name());

    let (_, said, code) = query(&desk, &["rejections", "--source", "ioc"]).await;
    assert!(code == Some(3) && said.contains("auditor"), "{code:?} {said}");
    let wrong: [&[&str]; 3] = [
        &["rejections", "--unit", "83"],
        &["sources", "--source", "so-tttt"],
        &["observations", "--source", "so-tttt"],
    ];
    for arguments in wrong {
        let (_, said, code) = query(&desk, arguments).await;
        assert!(code == Some(64) && said.contains("be left out"), "{arguments:?}: {code:?} {said}");
    }
}

/// The agreement of a system that contributes, as a file says it.
const CONTRIBUTES: &str = r#"
    [[agreement]]
    code = "ioc.reporting"
    system = "ioc"
    purpose = "reporting"
    title = "What the operations center counts itself"
    legal_basis = "Quyết định 15/QĐ-UBND"
    operations = ["PUBLISH", "READ"]
    indicators = ["doc.*"]
    contributes = true
    valid_before = "2030-01-01"
"#;

#[tokio::test]
async fn a_table_of_another_source_lands_beside_and_is_shown_where_all_sources_are_asked_for() {
    let desk = Desk::start().await;
    let (dir, target) = (desk.dir.path(), desk.target());
    let ioc = desk.hub.system("ioc", Grants::default()).await;
    let Key(admin) = desk.hub.admin().key;
    let by = |key: &str| [format!("--target={target}"), format!("--key={key}")];
    let run = async |key: &str, arguments: &[&str]| {
        let by = by(key);
        let by = by.each_ref().map(String::as_str);
        sharehub(dir, &[arguments, &by].concat()).await
    };
    let (admin, Key(ioc)) = (admin.unwrap(), ioc.key);
    let ioc = ioc.unwrap();
    fs::write(dir.join("agreements.toml"), CONTRIBUTES).unwrap();
    let ran = run(&admin, &["agreement", "apply", "agreements.toml", "--yes"]).await;
    assert!(ran.out.contains("applied: 1 created"), "{ran:?}");
    let ran = run(&admin, &["agreement", "list"]).await;
    assert!(ran.out.contains("contributes: beside the authoritative source"), "{ran:?}");
    let explain = ["agreement", "explain", "IndicatorService/PublishObservations"];
    let ran = run(&ioc, &[&explain[..], &["--indicator", "doc.count"]].concat()).await;
    assert!(ran.out.contains("kept beside the authoritative source: doc.count"), "{ran:?}");

    let said = vec![saw("doc.count", "83", "2024", "7")];
    desk.source.indicators().publish_observations(partial(said)).await.unwrap();
    fs::write(
        dir.join("own.csv"),
        "indicator,unit,period,value,status\ndoc.count,83,2024,9,FINAL\n",
    )
    .unwrap();
    let import = ["import", "observations", "own.csv", "--purpose", "reporting"];
    let ran = run(&ioc, &import).await;
    assert!(ran.out.starts_with("loaded 1 rows: created 1"), "{ran:?}");

    let (plain, _, _) = query(&desk, &["observations"]).await;
    assert!(
        plain.contains("7") && !plain.contains("source") && plain.lines().count() == 3,
        "{plain}"
    );
    let (table, said, code) = query(&desk, &["observations", "--all-sources"]).await;
    assert_eq!(code, Some(0), "{said}");
    let rows: Vec<_> = table.lines().skip(2).collect();
    assert!(rows[0].ends_with("so-tttt") && rows[1].ends_with("ioc (contributed)"), "{table}");
    let board = ["snapshot", "--indicator", "doc.count", "--unit", "83@2024-12-31"];
    let (table, said, code) = query(&desk, &[&board[..], &["--all-sources"]].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    let rows: Vec<_> = table.lines().skip(2).collect();
    assert!(rows[0].ends_with("so-tttt") && rows[1].ends_with("ioc (contributed)"), "{table}");
    assert!(rows[1].contains("2024") && rows[1].contains(" 9 "), "{table}");
    let (json, _, _) = query(&desk, &[&board[..], &["--all-sources", "--json"]].concat()).await;
    let cell: Value = serde_json::from_str(json.trim()).unwrap();
    assert_eq!(cell["contributed"][0]["figure"]["value"], "9", "{json}");

    let key = desk.key();
    let export = ["export", "observations", "--out", "all.csv"];
    assert_eq!(run(&key, &export).await.code, Some(0));
    let plain = fs::read_to_string(dir.join("all.csv")).unwrap();
    assert!(!plain.contains("contributed") && plain.lines().count() == 2, "{plain}");
    assert_eq!(run(&key, &[&export[..], &["--all-sources"]].concat()).await.code, Some(0));
    let sourced = fs::read_to_string(dir.join("all.csv")).unwrap();
    let lines: Vec<_> = sourced.lines().collect();
    assert!(lines[0].ends_with("contributed") && lines.len() == 3, "{sourced}");
    assert!(lines[1].contains("so-tttt") && !lines[1].ends_with("yes"), "{sourced}");
    assert!(lines[2].contains("ioc") && lines[2].ends_with("yes"), "{sourced}");
    let (_, said, code) = query(&desk, &["sources", "--all-sources"]).await;
    assert!(code == Some(64) && said.contains("be left out"), "{code:?} {said}");
}
