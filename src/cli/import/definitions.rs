//! `sharehub import definitions`: a pack of groups and indicators, checked by the hub as a whole and only then kept.
use std::{fs, path::Path};

use super::{CliResult, clean, note, say};
use crate::{
    cli::client::{HubClient, again},
    config::As,
    indicator::rpc::pack::Pack,
    pb,
};

/// Loads a pack, or only checks it.
pub(super) async fn import(path: &Path, source: Option<&str>, dry_run: bool, by: &As) -> CliResult {
    let file = path.display();
    let text = fs::read_to_string(path).map_err(|err| format!("{file}: {err}"))?;
    let pack = match Pack::read(&text, source) {
        Ok(pack) => pack,
        Err(wrong) => return refused(path, &wrong),
    };
    let caller = HubClient::connect(by).await?;
    let check = pb::DefineIndicatorsRequest {
        allow_partial: true,
        validate_only: true,
        ..pack.request.clone()
    };
    let checked = define(&caller, &check).await?;
    let mut wrong = Vec::new();
    for it in checked.results.iter().filter(|it| it.outcome() == pb::ItemOutcome::Rejected) {
        let item = pack.item(usize::try_from(it.index)?);
        match it.violations.as_slice() {
            [] => wrong.push(format!("{item}: {}", it.message)),
            all => wrong.extend(all.iter().map(|bad| told(&item, bad))),
        }
    }
    if !wrong.is_empty() {
        return refused(path, &wrong);
    }
    let Pack { code, version, .. } = &pack;
    let (indicators, groups) = (pack.request.indicators.len(), pack.request.groups.len());
    let what = format!("{code} version {version}: {indicators} indicators in {groups} groups");
    if dry_run {
        let pb::Receipt { created, corrected, unchanged, .. } = checked;
        let counts =
            format!("{created} would be created, {corrected} corrected, {unchanged} unchanged");
        return say(&format!("checked {what}: {counts}; nothing was loaded"));
    }
    // One name for each run: an answer that was lost is asked for again.
    let request_id = format!("import-{:016x}", rand::random::<u64>());
    let receipt =
        define(&caller, &pb::DefineIndicatorsRequest { request_id, ..pack.request.clone() })
            .await?;
    for it in receipt.results.iter().filter(|it| it.outcome() == pb::ItemOutcome::Corrected) {
        note(&format!("corrected {}", clean(&pack.item(usize::try_from(it.index)?))));
    }
    let pb::Receipt { created, corrected, unchanged, revision, .. } = receipt;
    let revision = revision.map_or(0, |it| it.number);
    say(&format!(
        "loaded {what}: created {created}, corrected {corrected}, unchanged {unchanged}; revision {revision}"
    ))
}

/// What is wrong with a field of an item, or with the item itself.
fn told(item: &str, bad: &pb::FieldViolation) -> String {
    let pb::FieldViolation { field, rule } = bad;
    match field.as_str() {
        "" => format!("{item}: {rule}"),
        field => format!("{item}: {field} {rule}"),
    }
}

fn refused(path: &Path, wrong: &[String]) -> CliResult {
    for it in wrong {
        note(&format!("{}: {}", path.display(), clean(it)));
    }
    let s = if wrong.len() == 1 { "" } else { "s" };
    Err(format!("{} error{s} in {}: nothing was loaded", wrong.len(), path.display()).into())
}

async fn define(
    caller: &HubClient,
    request: &pb::DefineIndicatorsRequest,
) -> CliResult<pb::Receipt> {
    let mut client = caller.indicators();
    let answer = again(async || client.define_indicators(request.clone()).await).await?;
    Ok(answer.receipt.unwrap_or_default())
}
