//! The file of agreements: TOML that people read, as messages to the hub.
use std::{fs, path::Path};

use serde::Deserialize;

use crate::{
    cli::{CliResult, parse},
    pb,
    time::Day,
};

/// A file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AgreementFile {
    agreement: Vec<Entry>,
}

/// An agreement, as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: String,
    system: String,
    purpose: String,
    title: String,
    legal_basis: String,
    document: Option<DocumentTable>,
    operations: Vec<String>,
    indicators: Option<Vec<String>>,
    dossiers: Option<DossiersTable>,
    #[serde(default)]
    units: Vec<String>,
    tree: Option<String>,
    #[serde(default)]
    dossier_codes: Vec<String>,
    personal_data: Option<String>,
    #[serde(default)]
    min_cell: i32,
    valid_from: Option<String>,
    valid_before: String,
    #[serde(default)]
    limits: Vec<LimitTable>,
    #[serde(default)]
    contributes: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentTable {
    number: String,
    #[serde(default)]
    sha256: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct DossiersTable {
    #[serde(default)]
    fields: Vec<String>,
    #[serde(default)]
    procedures: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitTable {
    calls: i64,
    per: String,
}

/// Reads a file; everything that is wrong in it is named at once.
pub(super) fn read(path: &Path) -> CliResult<Vec<pb::Agreement>> {
    let text = fs::read_to_string(path).map_err(|err| format!("{}: {err}", path.display()))?;
    let AgreementFile { agreement: entries } =
        toml::from_str(&text).map_err(|err| format!("{}: {err}", path.display()))?;
    let (mut agreements, mut wrong): (Vec<pb::Agreement>, _) = (Vec::new(), Vec::new());
    for entry in entries {
        let code = entry.code.clone();
        if agreements.iter().any(|it| it.code == code) {
            wrong.push(format!("{code}: must not stand in the file twice"));
        }
        match message(entry) {
            Ok(it) => agreements.push(it),
            Err(rules) => wrong.extend(rules.into_iter().map(|it| format!("{code}: {it}"))),
        }
    }
    if wrong.is_empty() {
        return Ok(agreements);
    }
    Err(format!("{}:\n  {}", path.display(), wrong.join("\n  ")).into())
}

fn message(entry: Entry) -> Result<pb::Agreement, Vec<String>> {
    use pb::agreement::Dataset;
    let Entry {
        code,
        system,
        purpose,
        title,
        legal_basis,
        document,
        operations,
        indicators,
        dossiers,
        units,
        tree,
        dossier_codes,
        personal_data,
        min_cell,
        valid_from,
        valid_before,
        limits,
        contributes,
    } = entry;
    let mut wrong = Vec::new();
    let mut keep = |read: Result<i32, String>| read.map_err(|it| wrong.push(it)).ok();
    let operations = operations.iter().filter_map(|it| {
        let word = pb::AgreementOperation::from_str_name(&format!("AGREEMENT_OPERATION_{it}"));
        let rule = format!("operations: `{it}` must be READ, WATCH, PUBLISH or COUNT");
        keep(word.map(i32::from).ok_or(rule))
    });
    let operations = operations.collect();
    let personal_data = personal_data.map_or(Some(0), |it| {
        let word = pb::PersonalDataTier::from_str_name(&format!("PERSONAL_DATA_TIER_{it}"));
        let rule = format!("personal_data: `{it}` must be NONE, MASKED or FULL");
        keep(word.map(i32::from).ok_or(rule))
    });
    let tree = tree.map_or(Some(0), |it| {
        let word = pb::UnitTree::from_str_name(&format!("UNIT_TREE_{it}"));
        let rule = format!("tree: `{it}` must be TERRITORY or ADMINISTRATION");
        keep(word.map(i32::from).ok_or(rule))
    });
    let limits = limits.into_iter().filter_map(|LimitTable { calls, per }| {
        let word = pb::LimitWindow::from_str_name(&format!("LIMIT_WINDOW_{per}"));
        let rule = format!("limits: `{per}` must be SECOND, MINUTE, HOUR, DAY or MONTH");
        Some(pb::CallLimit { calls, per: keep(word.map(i32::from).ok_or(rule))? })
    });
    let limits = limits.collect();
    let dataset = match (indicators, dossiers) {
        (Some(patterns), None) => Some(Dataset::Indicators(pb::IndicatorDataset { patterns })),
        (None, Some(DossiersTable { fields, procedures })) => {
            Some(Dataset::Dossiers(pb::DossierDataset { fields, procedures }))
        }
        (Some(_), Some(_)) | (None, None) => {
            wrong.push("must say either `indicators` or `dossiers`".to_owned());
            None
        }
    };
    let units = units.iter().filter_map(|it| {
        parse::unit(it).map_err(|rule| wrong.push(format!("units: `{it}` must {rule}"))).ok()
    });
    let units = units.collect();
    let mut instant = |name: &str, text: &str| {
        instant(text).map_err(|rule| wrong.push(format!("{name}: `{text}` must {rule}"))).ok()
    };
    let valid_from = valid_from.and_then(|it| instant("valid_from", &it));
    let valid_before = instant("valid_before", &valid_before);
    if !wrong.is_empty() {
        return Err(wrong);
    }
    let document =
        document.map(|DocumentTable { number, sha256 }| pb::AgreementDocument { number, sha256 });
    Ok(pb::Agreement {
        code,
        system,
        purpose,
        title,
        legal_basis,
        document,
        operations,
        dataset,
        units,
        // What a file does not open stays closed.
        personal_data: personal_data.unwrap_or(pb::PersonalDataTier::None.into()),
        valid_from,
        valid_before,
        limits,
        revoked_at: None,
        revision: 0,
        tree: tree.unwrap_or_default(),
        dossier_codes,
        contributes,
        min_cell,
    })
}

/// A day in Viet Nam, from its beginning, or an instant as RFC 3339 writes it.
fn instant(text: &str) -> Result<prost_types::Timestamp, &'static str> {
    if let Ok(day) = Day::parse(text) {
        return Ok(day.start().into());
    }
    let at = text.parse::<prost_types::Timestamp>();
    at.map_err(|_| "be a day such as 2026-01-01, or an instant such as 2026-01-01T00:00:00Z")
}
