//! Proofs, checked by a program that was written from RFC 9162 alone and knows nothing of ours.
use std::{io::Write, process::Stdio};

use base64::{Engine, engine::general_purpose::STANDARD as B64};
use serde_json::json;
use sharehub::pb;
use tonic::Code;

use crate::support::{
    audit::{get, start, written},
    client::{Client, refusal},
    engine::scale,
};

/// The program: it reads proofs, a JSON object on each line, and says how many hold.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rfc9162.py");

fn b64(bytes: &[u8]) -> String {
    B64.encode(bytes)
}

fn path(path: &[Vec<u8>]) -> Vec<String> {
    path.iter().map(|it| b64(it)).collect()
}

async fn inclusion(client: &Client, seq: i64, size: i64) -> serde_json::Value {
    let request = pb::ProveInclusionRequest { seq, size };
    let it = client.audit().prove_inclusion(request).await.unwrap().into_inner();
    json!({
        "record": b64(&it.record), "leaf_index": it.leaf_index, "size": it.size, "path": path(&it.path),
        "root": b64(&it.root),
    })
}

async fn consistency(client: &Client, first: i64, second: i64) -> serde_json::Value {
    let request = pb::ProveConsistencyRequest { first, second };
    let it = client.audit().prove_consistency(request).await.unwrap().into_inner();
    json!({
        "first": it.first, "second": it.second, "path": path(&it.path), "first_root": b64(&it.first_root),
        "second_root": b64(&it.second_root),
    })
}

#[tokio::test]
async fn proofs_hold_by_the_rfc_alone() {
    let (hub, _, reader) = start().await;
    // Enough for hashes of complete subtrees to be kept, and for an edge that is ragged.
    let calls = scale("SHAREHUB_TEST_RECORDS", 800);
    for _ in 0..calls {
        let unit = crate::support::client::id(1);
        reader.units().get_unit(pb::GetUnitRequest { unit, ..Default::default() }).await.unwrap();
    }
    written(&hub).await;
    let admin = hub.admin();
    let list = admin.audit().list_records(pb::ListRecordsRequest::default()).await.unwrap();
    let size = list.into_inner().size;
    let mut lines = Vec::new();
    for seq in [1, 2, 255, 256, 257, 511, 512, 513, size / 2, size - 1, size] {
        for of in [seq, seq + 1, 300, 512, 513, size - 1, size] {
            if seq <= of && of <= size {
                lines.push(inclusion(&admin, seq, of).await);
            }
        }
    }
    for first in [1, 2, 3, 255, 256, 257, 511, 512, 600, size - 1, size] {
        for second in [first, first + 1, 512, 513, 700, size] {
            if first <= second && second <= size {
                lines.push(consistency(&admin, first, second).await);
            }
        }
    }
    let count = lines.len();
    // One that does not hold, of each kind, so that the program is known to look.
    let mut wrong = lines[20].clone();
    wrong["record"] = json!(b64(b"another"));
    lines.push(wrong);
    let mut wrong = consistency(&admin, 300, size).await;
    wrong["first_root"] = wrong["second_root"].clone();
    lines.push(wrong);
    let mut program = std::process::Command::new("python3")
        .arg(PROGRAM)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed for this test");
    let mut input = program.stdin.take().unwrap();
    for line in &lines {
        writeln!(input, "{line}").unwrap();
    }
    drop(input);
    let output = program.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(said, format!("{count} hold\n2 do not hold\n"));
}

#[tokio::test]
async fn a_system_has_its_own_records_proved_and_no_others() {
    let (hub, _, reader) = start().await;
    get(&reader, "H1.1").await.unwrap();
    written(&hub).await;
    let own = reader.audit().list_records(pb::ListRecordsRequest::default()).await.unwrap();
    let own = own.into_inner();
    let seq = own.records.last().unwrap().seq;
    inclusion(&reader, seq, own.size).await;
    let prove = |seq, size| pb::ProveInclusionRequest { seq, size };
    let answer = reader.audit().prove_inclusion(prove(1, own.size)).await;
    assert_eq!(refusal(answer).0, Code::NotFound, "another's");
    let answer = reader.audit().prove_inclusion(prove(seq, seq - 1)).await;
    assert_eq!(refusal(answer).0, Code::NotFound, "not in that log");
    let answer = reader.audit().prove_inclusion(prove(seq, own.size + 1_000)).await;
    assert_eq!(refusal(answer).0, Code::NotFound, "no such log yet");
    let answer = reader.audit().prove_inclusion(prove(0, -1)).await;
    assert_eq!(refusal(answer).2, ["seq", "size"]);
    consistency(&reader, 1, own.size).await;
    let request = pb::ProveConsistencyRequest { first: 5, second: 4 };
    let answer = reader.audit().prove_consistency(request).await;
    assert_eq!(refusal(answer).2, ["second"]);
}
