//! `query sources` and `query rejections`: whose figures they are, and what is to be sent again.
use serde_json::Value;
use sharehub::pb;

use crate::{
    cli::call::Desk,
    indicator::publish::partial,
    support::{desk::saw, program::sharehub},
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
