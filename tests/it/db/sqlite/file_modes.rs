//! The files of a store are its owner's alone, and so are those that another release made otherwise.
use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use crate::support::program::{Program, admin_key};

/// The permissions of the files of a store, by name.
fn modes(dir: &Path) -> Vec<(String, u32)> {
    let files = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let mut modes: Vec<_> = files
        .map(|it| {
            (
                it.file_name().into_string().unwrap(),
                it.metadata().unwrap().permissions().mode() & 0o777,
            )
        })
        .filter(|(name, _)| name.starts_with("hub.db"))
        .collect();
    modes.sort();
    modes
}

#[tokio::test]
async fn only_its_owner_reads_a_store() {
    let dir = tempfile::tempdir().unwrap();
    admin_key(dir.path()).await;
    let mut program = Program::serve(dir.path(), &[]).await;
    let made = modes(dir.path());
    assert!(made.len() >= 3, "the store, its log of writes and what readers share: {made:?}");
    assert!(made.iter().all(|(_, mode)| *mode == 0o600), "{made:?}");
    program.stop().await;
    for (name, _) in modes(dir.path()) {
        fs::set_permissions(dir.path().join(name), fs::Permissions::from_mode(0o644)).unwrap();
    }
    let mut program = Program::serve(dir.path(), &[]).await;
    let mended = modes(dir.path());
    assert!(mended.iter().all(|(_, mode)| *mode == 0o600), "{mended:?}");
    program.stop().await;
}
