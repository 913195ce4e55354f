//! Commands over the file of data keys.
use std::fs;

use super::{CliResult, say};
use crate::{
    config::DataKeysFile,
    personal::vault::{self, DataKeys},
    time::Day,
};

pub(super) fn new(asked: DataKeysFile) -> CliResult {
    let DataKeysFile { file, id } = asked;
    if file.exists() {
        let file = file.display();
        return Err(format!("{file} exists: what is sealed with its keys would be lost").into());
    }
    let id = id.unwrap_or_else(today);
    vault::write(&file, &checked(&DataKeys::generate(&id))?)?;
    say(&format!("{}: new keys; `{id}` seals. Keep a copy elsewhere.", file.display()))
}

pub(super) fn rotate(asked: DataKeysFile) -> CliResult {
    let DataKeysFile { file, id } = asked;
    let text = fs::read_to_string(&file).map_err(|err| format!("{}: {err}", file.display()))?;
    let keys = DataKeys::parse(&text).map_err(|must| format!("{} must {must}", file.display()))?;
    let id = id.unwrap_or_else(today);
    if keys.has(&id) {
        return Err(
            format!("{} has a key `{id}` already; name another --id", file.display()).into()
        );
    }
    vault::write(&file, &checked(&keys.rotated(&id))?)?;
    say(&format!("{}: `{id}` seals from now on; reseal what older keys sealed", file.display()))
}

/// The keys, if a hub could use them.
fn checked(keys: &DataKeys) -> CliResult<DataKeys> {
    Ok(DataKeys::parse(&keys.to_text()?).map_err(|must| format!("the keys must {must}"))?)
}

fn today() -> String {
    Day::today().to_string()
}
