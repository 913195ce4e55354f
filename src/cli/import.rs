//! `sharehub import`: a table becomes entries; all of them are checked, by the hub too, and only then loaded. A pack of
//! definitions likewise.
mod definitions;
mod load;
mod report;
mod rows;

use std::collections::{BTreeSet, HashMap};

use self::{
    load::{LoadTally, TableEntries},
    report::Report,
    rows::Read,
};
use super::{
    CliResult, clean,
    client::{HubClient, again},
    columns::{self, Field, Headed},
    progress::{ProgressLine, note},
    say,
    table::TableFile,
};
use crate::{
    config::{Import, TableKind},
    pb,
};

pub(super) async fn import(asked: Import) -> CliResult {
    let Import { what, file: path, sheet, dry_run, numbers, source, by } = asked;
    let (kind, entries) = match what {
        TableKind::Observations => (&columns::OBSERVATIONS, TableEntries::Observations(Vec::new())),
        TableKind::Targets => (&columns::TARGETS, TableEntries::Targets(Vec::new())),
        TableKind::Units => (&columns::UNITS, TableEntries::Units(Vec::new())),
        TableKind::Definitions => {
            return definitions::import(&path, source.as_deref(), dry_run, &by).await;
        }
    };
    if source.is_some() {
        return Err("--source is for definitions: a table is published by the caller".into());
    }
    let file = TableFile::read(&path, sheet.as_deref())?;
    let headed = Headed::find(&file, kind).map_err(|err| format!("{}: {err}", path.display()))?;
    let unread: Vec<_> = headed.unread().iter().map(|it| format!("\"{}\"", clean(it))).collect();
    if !unread.is_empty() {
        note(&format!("note: columns that are not read: {}", unread.join(", ")));
    }
    let Read { entries, rows, wrong } = rows::read(&headed, entries, numbers);
    let mut report = Report { path: &path, headed: &headed, rows, wrong };
    let caller = HubClient::connect(&by).await?;
    let limits = again(async || caller.hub().get_info(pb::GetInfoRequest {}).await).await?.limits;
    let limits = limits.unwrap_or_default();
    let batches = entries.batches(&limits)?;
    percentages(&caller, &entries, &mut report).await?;
    let checked = check(&caller, &entries, &batches, &mut report).await?;
    let rows = entries.len();
    let count = report.write();
    if count > 0 {
        let s = if count == 1 { "" } else { "s" };
        return Err(format!("{count} error{s} in {}: nothing was loaded", path.display()).into());
    }
    if dry_run {
        let LoadTally { created, corrected, unchanged, before: _, revision: _ } = checked;
        let text = format!(
            "checked {rows} rows: {created} would be created, {corrected} corrected, {unchanged} unchanged; \
             nothing was loaded"
        );
        return say(&text);
    }
    let tally = load::load(&caller, &entries, &batches, &file.hash, &report).await?;
    let LoadTally { created, corrected, unchanged, before, revision } = tally;
    let before = match before {
        0 => String::new(),
        before => format!(", kept before a cut {before}"),
    };
    say(&format!(
        "loaded {rows} rows: created {created}, corrected {corrected}, unchanged {unchanged}{before}; \
         revision {revision}"
    ))
}

/// A percentage is a value only of what is measured in percent: `70,96%` would else be read as 70.96 dossiers.
async fn percentages(
    caller: &HubClient,
    entries: &TableEntries,
    report: &mut Report<'_>,
) -> CliResult {
    let codes: BTreeSet<_> =
        report.percentages().filter_map(|row| entries.indicator(row)).collect();
    let mut measures = HashMap::new();
    for code in codes {
        let request = pb::GetIndicatorRequest { code: code.to_owned(), consistency: None };
        // What is not known is told by the check.
        if let Ok(answer) = caller.indicators().get_indicator(request).await
            && let Some(indicator) = answer.into_inner().indicator
        {
            measures.insert(code, indicator.unit_of_measure);
        }
    }
    let rows: Vec<usize> = report.percentages().collect();
    for row in rows {
        let measure = entries.indicator(row).and_then(|it| measures.get(it));
        if let Some(measure) = measure.filter(|it| !it.contains('%')) {
            report.add(
                row,
                Field::Value,
                format!("must have no percent sign: the indicator is measured in {measure}"),
            );
        }
    }
    Ok(())
}

/// Asks the hub about every entry, as if it were kept.
async fn check(
    caller: &HubClient,
    entries: &TableEntries,
    batches: &[std::ops::Range<usize>],
    report: &mut Report<'_>,
) -> CliResult<LoadTally> {
    let mut progress = ProgressLine::start("checking", Some(entries.len()));
    let mut tally = LoadTally::default();
    for batch in batches {
        let receipt = again(async || {
            let how = load::PublishOptions {
                allow_partial: true,
                validate_only: true,
                ..load::PublishOptions::default()
            };
            entries.publish(caller, batch.clone(), how).await
        });
        let receipt = receipt.await?;
        for it in receipt.results.iter().filter(|it| it.outcome() == pb::ItemOutcome::Rejected) {
            let row = batch.start + usize::try_from(it.index)?;
            report.refused(row, it, batch.start);
        }
        progress.advance(batch.len());
        tally.add(&receipt);
    }
    Ok(tally)
}
