//! Compiles `proto/` to Rust and to a descriptor set, without a system protoc.
use std::{env, error::Error, fs, path::PathBuf};

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
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
    tonic_prost_build::configure()
        // Ordered maps, so that a message has one encoding: request fingerprints rely on it.
        .btree_map(".")
        // Answers bytes that are no message as the caller's fault, not as ours.
        .codec_path("crate::wire::codec::Codec")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
