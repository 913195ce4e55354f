//! What the hub has, as rows of a table. Columns that an import reads bear the names that it knows.
use super::{
    super::{CliResult, filter::Units},
    Datum,
};
use crate::{
    cli::{filter::ends, parse::plain_word},
    pb,
    time::{Day, Timestamp},
};

pub(super) const OBSERVATIONS: [&str; 24] = [
    "indicator",
    "unit",
    "unit_name",
    "period",
    "breakdown",
    "value",
    "numerator",
    "denominator",
    "qualifier",
    "status",
    "as_of",
    "channel",
    "source_document",
    "source_record",
    "quote",
    "as_written",
    "note",
    "correction_reason",
    "released_on",
    "unit_of_measure",
    "computed_value",
    "source_system",
    "revision",
    "published_at",
];

/// The column that marks what another source than the authoritative one says, where all sources are asked for.
pub(super) const CONTRIBUTED: &str = "contributed";

pub(super) fn contributed(it: bool) -> Datum {
    text(if it { "yes" } else { "" })
}

pub(super) const TARGETS: [&str; 16] = [
    "indicator",
    "unit",
    "unit_name",
    "period",
    "breakdown",
    "comparison",
    "target",
    "channel",
    "source_document",
    "source_record",
    "quote",
    "as_written",
    "note",
    "unit_of_measure",
    "source_system",
    "revision",
];

pub(super) const DOSSIERS: [&str; 16] = [
    "code",
    "source",
    "procedure",
    "procedure_case",
    "receiving_unit",
    "receiving_unit_name",
    "competent_unit_name",
    "applicant_unit_name",
    "channel",
    "applicant_kind",
    "state",
    "submitted_at",
    "accepted_at",
    "due_at",
    "finished_at",
    "returned_at",
];

fn text(it: impl Into<String>) -> Datum {
    Datum::Text(it.into())
}

/// An instant in Viet Nam's time.
pub(in crate::cli) fn local(at: Option<&prost_types::Timestamp>) -> String {
    let Some(prost_types::Timestamp { seconds, nanos }) = at else { return String::new() };
    let Ok(at) = Timestamp::from_parts(*seconds, *nanos) else { return String::new() };
    let second = (seconds + 7 * 3_600).rem_euclid(86_400);
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!("{}T{hour:02}:{minute:02}:{:02}+07:00", at.day(), second % 60)
}

pub(in crate::cli) fn breakdown(pairs: &std::collections::BTreeMap<String, String>) -> String {
    let pairs = pairs.iter().map(|(key, member)| format!("{key}={member}"));
    pairs.collect::<Vec<_>>().join(", ")
}

pub(super) async fn observation(
    it: pb::Observation,
    units: &mut Units<'_>,
) -> CliResult<Vec<Datum>> {
    let pb::Observation {
        indicator,
        unit,
        period,
        period_from: _,
        period_before,
        breakdown: pairs,
        as_of,
        figure,
        correction_reason,
        revision,
        superseded: _,
        withdrawal_reason: _,
        released_on,
        contributed: _,
    } = it;
    let unit = unit.unwrap_or_default();
    let figure = figure.unwrap_or_default();
    let (basis, qualifier, status) = (figure.basis(), figure.qualifier(), figure.status());
    let pb::Figure {
        value,
        computed_value,
        numerator,
        denominator,
        unit_of_measure,
        provenance,
        ..
    } = figure;
    let provenance = provenance.unwrap_or_default();
    let channel = provenance.channel();
    let pb::Provenance {
        source_system,
        channel: _,
        source_document,
        source_record,
        quote,
        as_written,
        note,
    } = provenance;
    let last = Day::parse(&period_before).map(|it| vec![it.previous()]).unwrap_or_default();
    let named = units.named(unit.id, &last).await?;
    // What was computed was not reported: loaded again it would be.
    let value = value.filter(|_| basis == pb::FigureBasis::Reported);
    Ok(vec![
        text(indicator),
        text(named),
        text(unit.name),
        text(period),
        text(breakdown(&pairs)),
        Datum::Number(value),
        Datum::Number(numerator),
        Datum::Number(denominator),
        text(plain_word(qualifier.as_str_name(), "VALUE_QUALIFIER_")),
        text(plain_word(status.as_str_name(), "OBSERVATION_STATUS_")),
        text(as_of),
        text(plain_word(channel.as_str_name(), "PROVENANCE_CHANNEL_")),
        text(source_document),
        text(source_record),
        text(quote),
        text(as_written),
        text(note),
        text(correction_reason),
        text(released_on),
        text(unit_of_measure),
        Datum::Number(computed_value),
        text(source_system),
        text(revision.map_or_else(String::new, |it| it.number.to_string())),
        text(local(revision.and_then(|it| it.committed_at).as_ref())),
    ])
}

pub(super) async fn target(
    it: pb::IndicatorTarget,
    units: &mut Units<'_>,
) -> CliResult<Vec<Datum>> {
    let comparison = it.comparison();
    let pb::IndicatorTarget {
        indicator,
        unit,
        period,
        comparison: _,
        value,
        unit_of_measure,
        definition_version: _,
        provenance,
        revision,
        breakdown: pairs,
    } = it;
    let unit = unit.unwrap_or_default();
    let provenance = provenance.unwrap_or_default();
    let channel = provenance.channel();
    let pb::Provenance {
        source_system,
        channel: _,
        source_document,
        source_record,
        quote,
        as_written,
        note,
    } = provenance;
    let named = units.named(unit.id, &ends(&period)).await?;
    Ok(vec![
        text(indicator),
        text(named),
        text(unit.name),
        text(period),
        text(breakdown(&pairs)),
        text(plain_word(comparison.as_str_name(), "TARGET_COMPARISON_")),
        Datum::Number(value),
        text(plain_word(channel.as_str_name(), "PROVENANCE_CHANNEL_")),
        text(source_document),
        text(source_record),
        text(quote),
        text(as_written),
        text(note),
        text(unit_of_measure),
        text(source_system),
        text(revision.map_or_else(String::new, |it| it.number.to_string())),
    ])
}

/// A dossier: who applied stays in the hub.
pub(super) fn dossier(it: pb::Dossier) -> Vec<Datum> {
    let (channel, kind, state) = (it.channel(), it.applicant_kind(), it.state());
    let named = |unit: Option<pb::UnitName>| text(unit.unwrap_or_default().name);
    let receiving = it.receiving_unit.unwrap_or_default();
    vec![
        text(it.code),
        text(it.source),
        text(it.procedure),
        text(it.procedure_case),
        text(receiving.code),
        text(receiving.name),
        named(it.competent_unit),
        named(it.applicant_unit),
        text(plain_word(channel.as_str_name(), "SUBMISSION_CHANNEL_")),
        text(plain_word(kind.as_str_name(), "APPLICANT_KIND_")),
        text(plain_word(state.as_str_name(), "DOSSIER_STATE_")),
        text(local(it.submitted_at.as_ref())),
        text(local(it.accepted_at.as_ref())),
        text(local(it.due_at.as_ref())),
        text(local(it.finished_at.as_ref())),
        text(local(it.returned_at.as_ref())),
    ]
}
