//! The schema as `sharehub call` prints it: methods, messages, and what was meant by a misspelt name.
use std::collections::BTreeSet;

use prost_reflect::DescriptorPool;
use sharehub::pb;

use crate::support::program::sharehub;

// === the schema ===

#[tokio::test]
async fn the_schema_is_printed_without_a_hub() {
    let dir = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        let ran = sharehub(dir.path(), &[&["call"], arguments].concat()).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran.out
    };
    // Every method, and nothing else, with the marks of streams.
    let list = run(&["--list"]).await;
    let methods = list.lines().filter_map(|it| it.strip_prefix("  "));
    let methods: BTreeSet<_> = methods.filter_map(|it| it.split(' ').next()).collect();
    let pool = DescriptorPool::decode(pb::DESCRIPTORS).unwrap();
    let ours = pool.services().filter(|it| it.full_name().starts_with("sharehub."));
    let all: Vec<_> = ours
        .flat_map(|it| it.methods().collect::<Vec<_>>())
        .map(|it| format!("{}/{}", it.parent_service().name(), it.name()))
        .collect();
    assert_eq!(methods, all.iter().map(String::as_str).collect());
    for line in [
        "UnitService/GetUnit (GetUnitRequest) returns (GetUnitResponse)",
        "FeedService/Watch (WatchRequest) returns (stream WatchResponse)",
        "DossierService/IngestDossiers (stream IngestDossiersRequest) returns (stream IngestDossiersResponse)",
    ] {
        assert!(list.contains(&format!("\n  {line}\n")), "no {line}: {list}");
    }
    // A method: its comment, what it takes and answers, with fields, types and their comments.
    let watch = run(&["--describe", "FeedService/Watch"]).await;
    for part in [
        "// Streams changes until the caller ends it.",
        "rpc Watch(WatchRequest) returns (stream WatchResponse);",
        "message WatchRequest {",
        "  // What to follow: ",
        "  repeated WatchFilter filters = 1 [(google.api.field_behavior) = REQUIRED];",
        "  oneof from {",
        "    bool beginning = 3;",
        "message WatchResponse {",
    ] {
        assert!(watch.contains(part), "no `{part}`: {watch}");
    }
    for (name, part) in [
        ("UnitRef", "message UnitRef {"),
        ("sharehub.v1.UnitRef", "message UnitRef {"),
        ("ValueQualifier", "  VALUE_QUALIFIER_EXACT = "),
        ("UnitService", "  rpc GetUnit(GetUnitRequest) returns (GetUnitResponse);"),
        ("GetUnit", "rpc GetUnit(GetUnitRequest) returns (GetUnitResponse);"),
    ] {
        let text = run(&["--describe", name]).await;
        assert!(text.contains(part) && text.starts_with("// "), "{name}: {text}");
    }
    // Every name of the schema can be described.
    for message in pool.all_messages().filter(|it| it.full_name().starts_with("sharehub.")).take(8)
    {
        run(&["--describe", message.full_name()]).await;
    }
}

#[tokio::test]
async fn a_misspelt_name_is_answered_with_the_one_that_was_meant() {
    let dir = tempfile::tempdir().unwrap();
    for (arguments, meant) in [
        (["UnitService/GetUnits", "--key=x"].as_slice(), "did you mean `UnitService/GetUnit`?"),
        (&["FeedService/Wach", "--key=x"], "did you mean `FeedService/Watch`?"),
        (&["--describe", "UnitReff"], "did you mean `UnitRef`?"),
        (&["UnitService/Nothing", "--key=x"], "`call --list` prints what there is"),
    ] {
        let ran = sharehub(dir.path(), &[&["call"], arguments].concat()).await;
        assert_eq!(ran.code, Some(2), "{arguments:?}: {ran:?}");
        assert!(ran.err.contains(meant) && ran.out.is_empty(), "{arguments:?}: {ran:?}");
    }
}
