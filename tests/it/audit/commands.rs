//! The commands: the public key, an export, its check, and what a restored backup leaves in the log.
use std::fs;

use sharehub::pb;

use crate::support::program::{Program, admin_key, sharehub, url};

#[tokio::test]
async fn a_log_is_exported_and_checked_by_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let key = admin_key(dir.path()).await;
    let url = url(dir.path());
    let store = ["--database-url", url.as_str()];
    let program = Program::serve(dir.path(), &[]).await;
    let admin = program.as_(&key);
    for _ in 0..5 {
        let request = pb::ListSystemsRequest::default();
        admin.access().list_systems(request).await.unwrap();
    }
    // What is no personal data is recorded soon after it was answered.
    let is_recorded = async || {
        let list = pb::ListRecordsRequest::default();
        let listed = admin.audit().list_records(list).await.unwrap().into_inner().records;
        listed.iter().filter(|it| it.method.ends_with("ListSystems")).count() == 5
    };
    while !is_recorded().await {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let checkpoint = admin.audit().get_checkpoint(pb::GetCheckpointRequest {}).await.unwrap();
    let pb::GetCheckpointResponse { checkpoint, public_key } = checkpoint.into_inner();
    fs::write(dir.path().join("kept.txt"), &checkpoint).unwrap();
    let ran = sharehub(dir.path(), &[&["audit", "key"], store.as_slice()].concat()).await;
    assert_eq!((ran.code, ran.out.trim()), (Some(0), public_key.as_str()), "{ran:?}");
    fs::write(dir.path().join("audit.pub"), &ran.out).unwrap();
    let export = async |to: &str| {
        let ran =
            sharehub(dir.path(), &[&["audit", "export", to], store.as_slice()].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    };
    let verify = async |file: &str, more: &[&str]| {
        let asked = ["audit", "verify", file, "--key", "audit.pub"];
        sharehub(dir.path(), &[&asked, more].concat()).await
    };
    // Beside the hub that runs.
    export("log.jsonl").await;
    let ran = verify("log.jsonl", &["--checkpoint", "kept.txt"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.starts_with("sound: ") && ran.out.contains("1 kept elsewhere"), "{ran:?}");
    // Somebody else is named in a record.
    let log = fs::read_to_string(dir.path().join("log.jsonl")).unwrap();
    let seq = log.lines().filter(|it| it.starts_with("{\"record\"")).count();
    let at = log.rfind("\"system\":\"admin\"").unwrap_or_else(|| panic!("no record: {log}"));
    let mut changed = log.clone();
    changed.replace_range(at..at + 16, "\"system\":\"nobod\"");
    fs::write(dir.path().join("changed.jsonl"), changed).unwrap();
    let ran = verify("changed.jsonl", &[]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(
        ran.err.contains(&format!("from record {seq} on: it is found under the system `nobod`")),
        "{ran:?}"
    );
    // The end is missing.
    let cut: String = log.lines().take(5).map(|it| format!("{it}\n")).collect();
    fs::write(dir.path().join("cut.jsonl"), cut).unwrap();
    assert!(verify("cut.jsonl", &[]).await.err.contains("the export breaks off"));
    drop(program);
    // A backup was restored: the log says so, and is sound.
    let ran = sharehub(dir.path(), &[&["restored"], store.as_slice()].concat()).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    export("later.jsonl").await;
    let ran = verify("later.jsonl", &["--checkpoint", "kept.txt"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let later = fs::read_to_string(dir.path().join("later.jsonl")).unwrap();
    assert!(later.contains("\"method\":\"hub/Restored\""));
    // Another key is not the log's.
    fs::write(dir.path().join("other.pub"), sharehub_key()).unwrap();
    let asked = ["audit", "verify", "log.jsonl", "--key", "other.pub"];
    let ran = sharehub(dir.path(), &asked).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("the log says that its key is"), "{ran:?}");
}

fn sharehub_key() -> String {
    sharehub::log::key::Key::from_seed(&[3; 32]).unwrap().public().to_string()
}
