//! `sharehub agreement`: a file becomes a plan, and the plan agreements.
use std::{fs, path::Path};

use crate::support::{
    client::{Grants, Key},
    hub::Hub,
    program::{Ran, sharehub},
};

/// Runs `sharehub agreement` as the administrator.
async fn agreement(hub: &Hub, dir: &Path, arguments: &[&str]) -> Ran {
    let Key(key) = hub.admin().key;
    let target = format!("http://{}", hub.address);
    let by = ["--target", &target, "--key", key.as_deref().unwrap()];
    sharehub(dir, &[&["agreement"], arguments, by.as_slice()].concat()).await
}

#[tokio::test]
async fn a_file_is_checked_planned_and_applied_and_again_nothing() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/agreements.toml");
    let text =
        fs::read_to_string(sample).unwrap().replace("#units", "units").replace("#tree", "tree");
    let file = dir.path().join("agreements.toml");
    fs::write(&file, &text).unwrap();
    let path = file.to_str().unwrap();
    // Nothing of it is applied while anything of it is wrong.
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("ioc.indicators:") && ran.err.contains("NOT_FOUND"), "{ran:?}");
    hub.system("ioc", Grants::default()).await;
    let ran = agreement(&hub, dir.path(), &["apply", path, "--plan"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.out.contains("+ ioc.indicators (for ioc)"), "{ran:?}");
    assert!(ran.out.contains("2 to create, 0 to change, 0 to revoke, 0 unchanged"), "{ran:?}");
    // Without a terminal, nobody agrees to it.
    let ran = agreement(&hub, dir.path(), &["apply", path]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    let ran = agreement(&hub, dir.path(), &["list"]).await;
    assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""));
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    assert!(ran.out.contains("applied: 2 created, 0 changed, 0 revoked"), "{ran:?}");
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    assert!(ran.out.contains("0 to create, 0 to change, 0 to revoke, 2 unchanged"), "{ran:?}");
    // A change is shown as what it was and what it will be.
    fs::write(&file, text.replace("calls = 100,", "calls = 50,")).unwrap();
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    let change = "    limits: 100 per second, 1000000 per day -> 50 per second, 1000000 per day";
    assert!(ran.out.contains("~ ioc.indicators (for ioc)"), "{ran:?}");
    assert!(ran.out.contains(change), "{ran:?}");
    let ran = agreement(&hub, dir.path(), &["list", "--system", "ioc"]).await;
    assert!(ran.out.contains("limits: 50 per second"), "{ran:?}");
    let method = "IndicatorService/QueryObservations";
    let explain = ["explain", method, "--system", "ioc", "--unit", "80@2024-12-31"];
    let ran = agreement(&hub, dir.path(), &explain).await;
    assert!(ran.out.starts_with("allowed\nagreement ioc.indicators\n"), "{ran:?}");
    assert!(ran.out.contains("left out units: "), "{ran:?}");
    // What the file does not name any more is revoked only when that is asked for.
    let first = text.split("\n[[agreement]]").nth(1).unwrap();
    fs::write(&file, format!("[[agreement]]{first}")).unwrap();
    let ran = agreement(&hub, dir.path(), &["apply", path, "--plan"]).await;
    assert!(ran.out.contains("0 to revoke"), "{ran:?}");
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes", "--prune"]).await;
    assert!(ran.out.contains("- ioc.dossiers"), "{ran:?}");
    let draft = ["explain", "DossierService/ListDossiers", "--system", "ioc"];
    let ran = agreement(&hub, dir.path(), &draft).await;
    assert!(ran.out.contains("refused: ") && ran.out.contains("operation: READ"), "{ran:?}");
}

#[tokio::test]
async fn everything_that_is_wrong_in_a_file_is_named() {
    let hub = Hub::start().await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("bad.toml");
    let path = file.to_str().unwrap();
    let bad = r#"
        [[agreement]]
        code = "a"
        system = "ioc"
        purpose = "p"
        title = "t"
        legal_basis = "l"
        operations = ["LOOK"]
        units = ["id:x"]
        personal_data = "SOME"
        valid_before = "soon"
        limits = [{ calls = 1, per = "WEEK" }]
    "#;
    fs::write(&file, bad).unwrap();
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    for word in ["LOOK", "id:x", "SOME", "soon", "WEEK", "either `indicators` or `dossiers`"] {
        assert!(ran.err.contains(word), "{word}: {ran:?}");
    }
    fs::write(&file, "[[agreement]]\ncolour = \"red\"\n").unwrap();
    let ran = agreement(&hub, dir.path(), &["apply", path, "--yes"]).await;
    assert!(ran.code == Some(1) && ran.err.contains("colour"), "{ran:?}");
}
