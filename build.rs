//! Compiles `proto/` to Rust and to a descriptor set, without a system protoc.
use std::{env, error::Error, fmt::Write, fs, path::PathBuf};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

const CODEC: &str = "crate::wire::codec::Codec";
/// The package of the messages.
const PACKAGE: &str = "sharehub.v1";

#[expect(clippy::disallowed_methods, reason = "cargo speaks to build scripts by the environment")]
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    let mut files = Vec::new();
    for entry in fs::read_dir("proto/sharehub/v1")? {
        files.push(entry?.path());
    }
    files.sort();
    // The details of refusals are no field of any message, but tools must find them by reflection.
    files.push("proto/google/rpc/error_details.proto".into());
    files.push("proto/google/rpc/status.proto".into());
    files.push("proto/google/rpc/code.proto".into());
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // Encoded by protox itself: through prost's own types every custom option would vanish.
    let described = compiler.encode_file_descriptor_set();
    let pool = DescriptorPool::decode(&*described)?;
    let unprinted = unprinted(&pool)?;
    fs::write(out.join("projections.rs"), projections(&pool)? + &debugs(&unprinted))?;
    fs::write(out.join("prose.rs"), prose(&pool)?)?;
    fs::write(out.join("sharehub.bin"), described)?;
    let mut files = compiler.file_descriptor_set();
    // Statuses are built with the types of `tonic-types`; field behaviour is for readers and tools.
    files.file.retain(|it| !["google.rpc", "google.api"].contains(&it.package()));
    tonic_prost_build::configure()
        // Ordered maps, so that a message has one encoding: request fingerprints rely on it.
        .btree_map(".")
        // Answers bytes that are no message as the caller's fault, not as ours.
        .codec_path(CODEC)
        // Whoever prints one prints nothing of a person.
        .skip_debug(unprinted.iter().map(|it| format!("{PACKAGE}.{it}")).collect::<Vec<_>>())
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

/// What each tier shows of a dossier, as code: a line for every text that is marked as personal, or not marked at all.
fn projections(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let top = pool.get_message_by_name("sharehub.v1.Dossier").ok_or("there is no Dossier")?;
    let mut code = String::new();
    project(pool, &top, &mut code)?;
    Ok(code)
}

/// The messages with a field that is marked as personal.
fn unprinted(pool: &DescriptorPool) -> Result<Vec<String>, Box<dyn Error>> {
    let mut found = Vec::new();
    for message in pool.all_messages().filter(|it| it.package_name() == PACKAGE) {
        for field in message.fields() {
            if mark(pool, &field)? > 1 {
                found.push(message.name().to_owned());
                break;
            }
        }
    }
    Ok(found)
}

/// Prints the names of those messages, and nothing of what they hold, as code.
fn debugs(unprinted: &[String]) -> String {
    format!("unprinted!({});\n", unprinted.join(" "))
}

/// Writes the projection of a message and of those inside it. Whether there is anything to project.
fn project(
    pool: &DescriptorPool,
    message: &MessageDescriptor,
    code: &mut String,
) -> Result<bool, Box<dyn Error>> {
    let mut lines = String::new();
    for field in message.fields() {
        let name = field.name();
        let text = matches!(field.kind(), Kind::String);
        let line = if text {
            let Some(kind) = kind(pool, &field)? else { continue };
            format!("show(&mut self.{name}, Kind::{kind}, tier)")
        } else {
            let kind = field.kind();
            // Messages of other files hold nothing of a person: a test keeps the list of those.
            let inner = kind.as_message().filter(|it| it.parent_file() == message.parent_file());
            let Some(inner) = inner else { continue };
            if !project(pool, inner, code)? {
                continue;
            }
            match field.is_list() {
                true => format!(
                    "self.{name}.iter_mut().fold(false, |done, it| it.project(tier) | done)"
                ),
                false => format!("self.{name}.as_mut().is_some_and(|it| it.project(tier))"),
            }
        };
        let simple = field.containing_oneof().is_none() && !field.is_map();
        if !simple || (text && field.is_list()) {
            return Err(format!("{}: no projection is written for it", field.full_name()).into());
        }
        writeln!(lines, "        withheld |= {line};")?;
    }
    if lines.is_empty() {
        return Ok(false);
    }
    let name = message.name();
    if code.contains(&format!("impl Project for pb::{name} {{")) {
        // It stands in several fields.
        return Ok(true);
    }
    writeln!(
        code,
        "impl Project for pb::{name} {{\n    fn project(&mut self, tier: Tier) -> bool {{\n        \
         let mut withheld = false;\n{lines}        withheld\n    }}\n}}\n"
    )?;
    Ok(true)
}

/// The fields of free text that says nothing of a person, as code: an `impl` for every message that holds some.
fn prose(pool: &DescriptorPool) -> Result<String, Box<dyn Error>> {
    let mark = pool.get_extension_by_name("sharehub.v1.prose").ok_or("there is no such mark")?;
    let is_prose = |it: &FieldDescriptor| it.options().get_extension(&mark).as_bool() == Some(true);
    let mut code = String::new();
    for message in pool.all_messages().filter(|it| it.package_name() == PACKAGE) {
        let mut lines = String::new();
        for field in message.fields() {
            let name = field.name();
            let is_simple = field.containing_oneof().is_none() && !field.is_list();
            if is_prose(&field) {
                if !is_simple || !matches!(field.kind(), Kind::String) {
                    return Err(format!("{}: no check is written for it", field.full_name()).into());
                }
                writeln!(lines, "        fields.prose(\"{name}\", &self.{name});")?;
                continue;
            }
            let kind = field.kind();
            let Some(inner) = kind.as_message().filter(|it| it.package_name() == PACKAGE) else {
                continue;
            };
            // Deeper than one message inside another nobody has put any; a test would find it.
            if field.containing_oneof().is_some() || !inner.fields().any(|it| is_prose(&it)) {
                continue;
            }
            let check = if field.is_list() {
                format!(
                    "for (i, it) in self.{name}.iter().enumerate() {{\n            \
                     fields.within(&format!(\"{name}[{{i}}]\"), |fields| it.check(fields));\n        }}"
                )
            } else {
                format!(
                    "if let Some(it) = &self.{name} {{\n            \
                     fields.within(\"{name}\", |fields| it.check(fields));\n        }}"
                )
            };
            writeln!(lines, "        {check}")?;
        }
        if !lines.is_empty() {
            let name = message.name();
            writeln!(
                code,
                "impl Prose for pb::{name} {{\n    fn check(&self, fields: &mut Fields) {{\n{lines}    }}\n}}\n"
            )?;
        }
    }
    Ok(code)
}

/// The kind that a text is marked with; free text when nobody has decided.
fn kind(
    pool: &DescriptorPool,
    field: &FieldDescriptor,
) -> Result<Option<&'static str>, Box<dyn Error>> {
    Ok(match mark(pool, field)? {
        1 => None,
        2 => Some("Name"),
        3 => Some("IdentityNumber"),
        4 => Some("Phone"),
        5 => Some("Email"),
        6 => Some("Address"),
        _ => Some("FreeText"),
    })
}

/// The number of the kind that a field is marked with: 0 when nobody has decided, 1 when it is not personal.
fn mark(pool: &DescriptorPool, field: &FieldDescriptor) -> Result<i32, Box<dyn Error>> {
    let mark = pool.get_extension_by_name("sharehub.v1.personal").ok_or("there is no mark")?;
    Ok(field.options().get_extension(&mark).as_enum_number().unwrap_or(0))
}
