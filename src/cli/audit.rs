//! `sharehub audit`: the log's public key, the whole log as a file, and the check of such a file.
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use super::{CliResult, clean, failure::unwritten, say, serve::on_store};
use crate::{
    audit::{
        store::export,
        verify::{Line, Sound, Verify},
    },
    config::{AuditKeyPlace, ExportAudit, VerifyAudit},
    db::Db,
    error::Error,
    log::key::{Key, PublicKey},
};

pub(super) fn key(place: &AuditKeyPlace) -> CliResult {
    let path = place.key();
    if !path.exists() {
        let path = path.display();
        return Err(format!("there is no audit key at {path}: `sharehub serve` makes one").into());
    }
    say(&Key::open(&path)?.public().to_string())
}

pub(super) async fn export(asked: ExportAudit) -> CliResult {
    let ExportAudit { file, place } = asked;
    on_store(&place.database_url).await?;
    let db = Db::open(&place.database_url).await?;
    let is_stdout = file == Path::new("-");
    let out: Box<dyn Write + Send> =
        if is_stdout { Box::new(io::stdout()) } else { Box::new(File::create(&file)?) };
    let mut out = BufWriter::new(out);
    let mut failed = None;
    let line = |line: &Line<'_>| {
        let text = serde_json::to_string(line).map_err(Error::internal)?;
        writeln!(out, "{text}").map_err(|err| {
            failed = Some(err);
            Error::internal("the line is not written")
        })
    };
    let exported = export::export(db.read(), line).await;
    db.close().await;
    if let Some(err) = failed {
        return Err(unwritten(err));
    }
    let records = exported?;
    out.flush().map_err(unwritten)?;
    if is_stdout {
        return Ok(());
    }
    say(&format!("{records} records in {}", file.display()))
}

pub(super) fn verify(asked: &VerifyAudit) -> CliResult {
    let VerifyAudit { file, key, checkpoint } = asked;
    let text = match PublicKey::parse(key) {
        Some(_) => key.clone(),
        None => std::fs::read_to_string(key).map_err(|err| format!("--key {key}: {err}"))?,
    };
    let key = PublicKey::parse(&text).ok_or("--key must be a public key, or a file with one")?;
    let mut verify = Verify::new(key);
    for path in checkpoint {
        let name = path.display().to_string();
        verify
            .keep(&name, &std::fs::read_to_string(path).map_err(|err| format!("{name}: {err}"))?)?;
    }
    let input: Box<dyn Read> =
        if file == Path::new("-") { Box::new(io::stdin()) } else { Box::new(File::open(file)?) };
    let mut input = BufReader::with_capacity(1 << 20, input);
    let mut line = String::new();
    while input.read_line(&mut line)? > 0 {
        // What is wrong may say what somebody wrote into the file.
        verify.line(line.trim_end()).map_err(|fault| clean(&fault.to_string()))?;
        line.clear();
    }
    let Sound { records, checkpoints, kept, signed } = verify.finish()?;
    say(&format!("sound: {records} records, {checkpoints} checkpoints, {kept} kept elsewhere"))?;
    match records - signed {
        0 => Ok(()),
        left => say(&format!("the last {left} records are not covered by a checkpoint yet")),
    }
}
