//! Compiles `proto/` to Rust and to a descriptor set, without a system protoc; finds out what tests can run.
use std::{env, error::Error, fs, path::PathBuf};

const CODEC: &str = "crate::wire::codec::Codec";

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rustc-check-cfg=cfg(has_postgres)");
    println!("cargo::rerun-if-env-changed=PATH");
    println!("cargo::rerun-if-env-changed=SHAREHUB_TEST_POSTGRES");
    if has_postgres() {
        println!("cargo::rustc-cfg=has_postgres");
    }
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files = Vec::new();
    for entry in fs::read_dir("proto/sharehub/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // Encoded by protox itself: through prost's own types every custom option would vanish.
    fs::write(out.join("sharehub.bin"), compiler.encode_file_descriptor_set())?;
    let files = compiler.file_descriptor_set();
    tonic_prost_build::configure()
        // Ordered maps, so that a message has one encoding: request fingerprints rely on it.
        .btree_map(".")
        // Answers bytes that are no message as the caller's fault, not as ours.
        .codec_path(CODEC)
        .build_server(false)
        .compile_fds(files.clone())?;
    // The servers speak of the same messages, but for one, whose parts are answered as they were encoded before.
    let served = out.join("served");
    fs::create_dir_all(&served)?;
    tonic_prost_build::configure()
        .codec_path(CODEC)
        .build_client(false)
        .extern_path(".sharehub.v1", "crate::pb")
        .extern_path(
            ".sharehub.v1.GetSnapshotResponse",
            "crate::indicator::rpc::encoded::GetSnapshotResponse",
        )
        .out_dir(served)
        .compile_fds(files)?;
    Ok(())
}

/// Whether the suite can run on PostgreSQL: a server is named, or its binaries are here.
#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
fn has_postgres() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = debian.map(|it| it.path().join("bin")).collect();
    places.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    env::var("SHAREHUB_TEST_POSTGRES").is_ok()
        || places.iter().any(|it| it.join("initdb").is_file() && it.join("postgres").is_file())
}
