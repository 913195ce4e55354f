//! Agreements as lines for people: what a plan compares, and what is told of one that answers a call.
use std::collections::BTreeMap;

use crate::{cli::parse::plain_word, pb, time::Timestamp};

/// The parts of an agreement, by their names in the file.
pub(super) type Lines = BTreeMap<&'static str, String>;

/// An agreement, part by part; what is empty is left out.
pub(super) fn of(it: &pb::Agreement) -> Lines {
    use pb::agreement::Dataset;
    let mut lines = Lines::new();
    lines.insert("system", it.system.clone());
    lines.insert("purpose", it.purpose.clone());
    lines.insert("title", it.title.clone());
    lines.insert("legal_basis", it.legal_basis.clone());
    if let Some(pb::AgreementDocument { number, sha256 }) = &it.document {
        lines.insert("document", format!("{number} {sha256}").trim().to_owned());
    }
    let operations = it.operations().map(|it| plain_word(it.as_str_name(), "AGREEMENT_OPERATION_"));
    lines.insert("operations", operations.collect::<Vec<_>>().join(", "));
    match &it.dataset {
        Some(Dataset::Indicators(it)) => {
            lines.insert("indicators", it.patterns.join(", "));
        }
        Some(Dataset::Dossiers(it)) if it.fields.is_empty() && it.procedures.is_empty() => {
            lines.insert("dossiers", "all".to_owned());
        }
        Some(Dataset::Dossiers(it)) => {
            let of = |what: &str, all: &[String]| match all {
                [] => String::new(),
                all => format!("{what} {}", all.join(", ")),
            };
            let (fields, procedures) = (of("fields", &it.fields), of("procedures", &it.procedures));
            let text = [fields, procedures].into_iter().filter(|it| !it.is_empty());
            lines.insert("dossiers", text.collect::<Vec<_>>().join("; "));
        }
        None => {}
    }
    let units = it.units.iter().filter_map(|it| match &it.r#ref {
        Some(pb::unit_ref::Ref::Id(id)) => Some(format!("id:{id}")),
        Some(pb::unit_ref::Ref::Code(_)) | None => None,
    });
    let units: Vec<_> = units.collect();
    lines.insert("units", if units.is_empty() { "all".to_owned() } else { units.join(", ") });
    if !it.dossier_codes.is_empty() {
        lines.insert("dossier_codes", it.dossier_codes.join(", "));
    }
    if it.tree() != pb::UnitTree::Unspecified {
        lines.insert("tree", plain_word(it.tree().as_str_name(), "UNIT_TREE_"));
    }
    if matches!(it.dataset, Some(Dataset::Dossiers(_))) {
        lines.insert(
            "personal_data",
            plain_word(it.personal_data().as_str_name(), "PERSONAL_DATA_TIER_"),
        );
    }
    if it.contributes {
        lines.insert("contributes", "beside the authoritative source".to_owned());
    }
    if it.min_cell != 0 {
        lines.insert("min_cell", it.min_cell.to_string());
    }
    lines.insert("valid_from", instant(it.valid_from));
    lines.insert("valid_before", instant(it.valid_before));
    if !it.limits.is_empty() {
        let limits: Vec<_> = it.limits.iter().map(limit).collect();
        lines.insert("limits", limits.join(", "));
    }
    lines
}

/// How far an agreement goes that answers a call.
pub(super) fn answering(it: &pb::AnsweringAgreement) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    let mut add = |name, all: &[String]| {
        if !all.is_empty() {
            lines.push((name, all.join(", ")));
        }
    };
    let operation = plain_word(it.operation().as_str_name(), "AGREEMENT_OPERATION_");
    add("operation", &[operation]);
    if it.own_only {
        add("dossiers", &["only the system's own".to_owned()]);
    }
    if it.certificate_required {
        add("needs", &["a client certificate: the answer may show personal data".to_owned()]);
    }
    add("left out fields", &it.left_out_fields);
    add("masked fields", &it.masked_fields);
    add("left out indicators", &it.left_out_indicators);
    let units: Vec<_> = it.left_out_units.iter().map(|it| it.name.clone()).collect();
    add("left out units", &units);
    add("left out procedures", &it.left_out_procedures);
    add("kept beside the authoritative source", &it.contributed_indicators);
    let limits = it.limits.iter().map(|it| {
        let of = it.limit.as_ref().map(limit).unwrap_or_default();
        format!("{} left of {of} until {}", it.left, instant(it.next_at))
    });
    add("limits", &limits.collect::<Vec<_>>());
    if let Some(opens) = &it.opens {
        let pb::OpenedByAgreement {
            indicators,
            indicator_count,
            procedures,
            procedure_count,
            unit_count,
        } = opens;
        add(
            "opens",
            &[format!(
                "{indicator_count} indicators, {procedure_count} procedures, {unit_count} units"
            )],
        );
        add("indicators", indicators);
        add("procedures", procedures);
    }
    lines
}

fn limit(pb::CallLimit { calls, per }: &pb::CallLimit) -> String {
    let per = pb::LimitWindow::try_from(*per).unwrap_or_default();
    format!("{calls} per {}", plain_word(per.as_str_name(), "LIMIT_WINDOW_"))
}

/// An instant, as it is written in files.
pub(super) fn instant(at: Option<prost_types::Timestamp>) -> String {
    let at = at.and_then(|it| Timestamp::from_parts(it.seconds, it.nanos).ok());
    at.map_or_else(String::new, |it| it.to_string())
}
