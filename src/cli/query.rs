//! `sharehub query`: a question, and its answer as a table for people, or as JSON for machines.
mod board;

use std::collections::BTreeSet;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, SerializeOptions};

use self::board::BoardNames;
use super::{
    CliResult,
    client::{HubClient, again},
    export::{breakdown, local},
    filter,
    parse::{plain_word, spell},
    progress::note,
    say,
    text_table::{self, Side},
};
use crate::{
    config::{BadConfig, Numbers, QueryArgs, QueryKind},
    decimal::Decimal,
    pb,
};

/// Items on a page.
const PAGE: usize = 1_000;

pub(super) async fn query(asked: QueryArgs) -> CliResult {
    let QueryArgs { what, filter, date, text, source, limit, json, numbers, by } = asked;
    if text.is_some() && what != QueryKind::Indicators {
        return Err(
            BadConfig { key: "text", must: "be left out, but for indicators".to_owned() }.into()
        );
    }
    if what != QueryKind::Rejections {
        filter::no_source(source.as_ref())?;
    }
    if matches!(what, QueryKind::Sources | QueryKind::Rejections) {
        filter::nothing(&filter)?;
    }
    let caller = HubClient::connect(&by).await?;
    let limit = usize::try_from(limit)?;
    let out = Out { json, numbers };
    let all_sources = filter.all_sources;
    match what {
        QueryKind::Snapshot => {
            let mut request = filter::snapshot(&filter, date)?;
            let mut client = caller.indicators();
            let (mut all, mut read_at) = (Vec::new(), None);
            let (more, judged) = loop {
                let sent = request.clone();
                let answer = again(async || client.get_snapshot(sent.clone()).await).await?;
                let pb::GetSnapshotResponse { read_at: at, judged_on, cells, next_page_token } =
                    answer;
                read_at = at.or(read_at);
                all.extend(cells);
                // Named cells come in one answer, however many.
                if next_page_token.is_empty() || all.len() >= limit {
                    break (!next_page_token.is_empty(), judged_on);
                }
                request.page = Some(pb::PageRequest { size: 0, token: next_page_token });
            };
            match out.json {
                true => out.lines("SnapshotCell", &all)?,
                false => {
                    let codes: BTreeSet<_> = all.iter().map(|it| it.indicator.as_str()).collect();
                    let known = BoardNames::of(&caller, codes, read_at.as_ref()).await?;
                    known.print(&all, numbers, all_sources)?;
                }
            }
            told(all.len(), more, read_at, &format!(", judged on {judged}"));
        }
        QueryKind::Indicators => {
            let request = filter::indicators(&filter, text)?;
            let (all, more, read_at) = board::indicators(&caller, request, limit).await?;
            out.print("Indicator", &INDICATORS, &all, indicator)?;
            told(all.len(), more, read_at, "");
        }
        QueryKind::Observations => {
            let mut request = filter::observation_pages(&filter)?;
            let mut client = caller.indicators();
            let (mut all, mut read_at) = (Vec::new(), None);
            let more = loop {
                request.page = Some(page(request.page.take(), limit - all.len())?);
                let sent = request.clone();
                let answer = again(async || client.query_observations(sent.clone()).await).await?;
                read_at = answer.read_at.or(read_at);
                all.extend(answer.observations);
                if answer.next_page_token.is_empty() || all.len() >= limit {
                    break !answer.next_page_token.is_empty();
                }
                request.page = Some(pb::PageRequest { size: 0, token: answer.next_page_token });
            };
            match all_sources {
                true => {
                    let titles = by_source(&OBSERVATIONS);
                    out.print("Observation", &titles, &all, sourced_observation)?;
                }
                false => out.print("Observation", &OBSERVATIONS, &all, observation)?,
            }
            told(all.len(), more, read_at, "");
        }
        QueryKind::Dossiers => {
            let mut request = filter::dossier_pages(&filter)?;
            let mut client = caller.dossiers();
            let (mut all, mut read_at) = (Vec::new(), None);
            let more = loop {
                request.page = Some(page(request.page.take(), limit - all.len())?);
                let sent = request.clone();
                let answer = again(async || client.list_dossiers(sent.clone()).await).await?;
                read_at = answer.read_at.or(read_at);
                all.extend(answer.dossiers);
                if answer.next_page_token.is_empty() || all.len() >= limit {
                    break !answer.next_page_token.is_empty();
                }
                request.page = Some(pb::PageRequest { size: 0, token: answer.next_page_token });
            };
            out.print("Dossier", &DOSSIERS, &all, dossier)?;
            told(all.len(), more, read_at, "");
        }
        QueryKind::Sources => {
            let mut request = pb::ListSourcesRequest::default();
            let mut client = caller.indicators();
            let (mut all, mut read_at) = (Vec::new(), None);
            let more = loop {
                request.page = Some(page(request.page.take(), limit - all.len())?);
                let answer = again(async || client.list_sources(request.clone()).await).await?;
                read_at = answer.read_at.or(read_at);
                all.extend(answer.sources);
                if answer.next_page_token.is_empty() || all.len() >= limit {
                    break !answer.next_page_token.is_empty();
                }
                request.page = Some(pb::PageRequest { size: 0, token: answer.next_page_token });
            };
            out.print("IndicatorSource", &SOURCES, &all, source_row)?;
            told(all.len(), more, read_at, "");
        }
        QueryKind::Rejections => {
            let source = source.unwrap_or_default();
            let mut request = pb::ListRejectionsRequest { source, page: None };
            let mut client = caller.indicators();
            let (mut all, mut read_at) = (Vec::new(), None);
            let more = loop {
                request.page = Some(page(request.page.take(), limit - all.len())?);
                let answer = again(async || client.list_rejections(request.clone()).await).await?;
                read_at = answer.read_at.or(read_at);
                all.extend(answer.rejections);
                if answer.next_page_token.is_empty() || all.len() >= limit {
                    break !answer.next_page_token.is_empty();
                }
                request.page = Some(pb::PageRequest { size: 0, token: answer.next_page_token });
            };
            out.print("Rejection", &REJECTIONS, &all, rejection)?;
            told(all.len(), more, read_at, "");
        }
    }
    Ok(())
}

/// The next page, of what is still wanted.
fn page(before: Option<pb::PageRequest>, wanted: usize) -> CliResult<pb::PageRequest> {
    let token = before.map_or_else(String::new, |it| it.token);
    Ok(pb::PageRequest { size: i32::try_from(wanted.min(PAGE))?, token })
}

/// A title above the table, for people; machine formats have none.
fn told(rows: usize, more: bool, read_at: Option<pb::Revision>, judged: &str) {
    let revision = read_at.map_or(0, |it| it.number);
    let more = if more { "; there are more: --limit" } else { "" };
    note(&format!("{rows} rows at revision {revision}{judged}{more}"));
}

struct Out {
    json: bool,
    numbers: Numbers,
}

impl Out {
    /// Each as JSON, on a line of its own.
    fn lines<M: Message>(&self, name: &str, items: &[M]) -> CliResult {
        let json = Json::of(name)?;
        items.iter().try_for_each(|it| say(&json.line(it)?))
    }

    fn print<M: Message>(
        &self,
        name: &str,
        titles: &[(&str, Side)],
        items: &[M],
        row: fn(&M, Numbers) -> Vec<String>,
    ) -> CliResult {
        if self.json {
            return self.lines(name, items);
        }
        let rows: Vec<_> = items.iter().map(|it| row(it, self.numbers)).collect();
        text_table::print(titles, &rows)
    }
}

/// Messages of one kind as JSON.
pub(super) struct Json(MessageDescriptor);

impl Json {
    pub(super) fn of(name: &str) -> CliResult<Self> {
        let pool = DescriptorPool::decode(pb::DESCRIPTORS)?;
        let found = pool.get_message_by_name(&format!("sharehub.v1.{name}"));
        Ok(Self(found.ok_or_else(|| format!("there is no message {name}"))?))
    }

    pub(super) fn line(&self, message: &impl Message) -> CliResult<String> {
        let bytes = message.encode_to_vec();
        let message = DynamicMessage::decode(self.0.clone(), bytes.as_slice())?;
        let options = SerializeOptions::new().skip_default_fields(true).use_proto_field_name(true);
        let mut out = serde_json::Serializer::new(Vec::new());
        message.serialize_with_options(&mut out, &options)?;
        Ok(String::from_utf8(out.into_inner())?)
    }
}

// === rows ===

const CELLS: [(&str, Side); 10] = [
    ("indicator", Side::Left),
    ("unit", Side::Left),
    ("period", Side::Left),
    ("value", Side::Right),
    ("measure", Side::Left),
    ("before", Side::Right),
    ("target", Side::Right),
    ("met", Side::Left),
    ("fresh", Side::Left),
    ("code", Side::Left),
];

/// A cell of the indicator of a name, rounded to so many decimals.
fn cell(it: &pb::SnapshotCell, name: &str, decimals: Option<u32>, numbers: Numbers) -> Vec<String> {
    let shown = |it: &pb::Figure| shown(it, decimals, numbers);
    // Where there is none of the frequency, the newest figure that stands beside; its period says which it is.
    let latest = it.latest.as_ref().or(it.beside.first());
    let figure = latest.and_then(|it| it.figure.as_ref());
    let before = it.previous.as_ref().and_then(|it| it.figure.as_ref());
    let target = it.target.as_ref();
    let aim = target.map_or_else(String::new, |it| {
        let bound = bound_of(it.comparison());
        format!("{bound}{}", spell(it.value.as_deref().unwrap_or_default(), numbers))
    });
    let freshness = it.freshness.as_ref();
    let fresh = freshness.map_or_else(String::new, |it| {
        let state = plain_word(it.state().as_str_name(), "FRESHNESS_STATE_");
        match it.missing_period.as_str() {
            "" => state,
            missing => format!("{state} ({missing})"),
        }
    });
    let met = it.attainment.as_ref().map(pb::Attainment::state);
    vec![
        name.to_owned(),
        it.unit.as_ref().map_or_else(String::new, |it| it.name.clone()),
        latest.map_or_else(String::new, |it| it.period.clone()),
        figure.map_or_else(String::new, shown),
        figure.map_or_else(String::new, |it| it.unit_of_measure.clone()),
        before.map_or_else(String::new, shown),
        aim,
        met.map_or_else(String::new, |it| plain_word(it.as_str_name(), "ATTAINMENT_STATE_")),
        fresh,
        it.indicator.clone(),
    ]
}

/// The rows of a cell by their sources: its own, and below it what others contributed.
fn sourced_cell(
    it: &pb::SnapshotCell,
    name: &str,
    decimals: Option<u32>,
    numbers: Numbers,
) -> Vec<Vec<String>> {
    let row = |it: &pb::SnapshotCell| {
        let shown = it.latest.as_ref().or(it.beside.first());
        let mut row = cell(it, name, decimals, numbers);
        row.push(shown.map_or_else(String::new, source_of));
        row
    };
    let beside = it.contributed.iter().map(|contributed| pb::SnapshotCell {
        indicator: it.indicator.clone(),
        unit: it.unit.clone(),
        latest: Some(contributed.clone()),
        ..pb::SnapshotCell::default()
    });
    std::iter::once(row(it)).chain(beside.map(|it| row(&it))).collect()
}

/// Who published an observation, and whether it stands beside that of the authoritative source.
fn source_of(it: &pb::Observation) -> String {
    let provenance = it.figure.as_ref().and_then(|it| it.provenance.as_ref());
    let source = provenance.map_or_else(String::new, |it| it.source_system.clone());
    if it.contributed { format!("{source} (contributed)") } else { source }
}

/// Titles with one more for the source.
fn by_source(titles: &[(&'static str, Side)]) -> Vec<(&'static str, Side)> {
    titles.iter().copied().chain([("source", Side::Left)]).collect()
}

const INDICATORS: [(&str, Side); 5] = [
    ("code", Side::Left),
    ("name", Side::Left),
    ("measure", Side::Left),
    ("frequency", Side::Left),
    ("group", Side::Left),
];

fn indicator(it: &pb::Indicator, _: Numbers) -> Vec<String> {
    vec![
        it.code.clone(),
        it.name_vi.clone(),
        it.unit_of_measure.clone(),
        plain_word(it.frequency().as_str_name(), "REPORT_FREQUENCY_"),
        it.group.clone(),
    ]
}

const OBSERVATIONS: [(&str, Side); 9] = [
    ("indicator", Side::Left),
    ("unit", Side::Left),
    ("code", Side::Left),
    ("period", Side::Left),
    ("breakdown", Side::Left),
    ("value", Side::Right),
    ("of", Side::Right),
    ("measure", Side::Left),
    ("revision", Side::Right),
];

fn observation(it: &pb::Observation, numbers: Numbers) -> Vec<String> {
    let unit = it.unit.clone().unwrap_or_default();
    let figure = it.figure.clone().unwrap_or_default();
    let number = |it: &Option<String>| spell(it.as_deref().unwrap_or("?"), numbers);
    let parts = match (&figure.numerator, &figure.denominator) {
        (None, None) => String::new(),
        (one, other) => format!("{}/{}", number(one), number(other)),
    };
    vec![
        it.indicator.clone(),
        unit.name,
        unit.code,
        it.period.clone(),
        breakdown(&it.breakdown),
        shown(&figure, None, numbers),
        parts,
        figure.unit_of_measure,
        it.revision.as_ref().map_or_else(String::new, |it| it.number.to_string()),
    ]
}

/// With its source, where all of them are asked for.
fn sourced_observation(it: &pb::Observation, numbers: Numbers) -> Vec<String> {
    let mut row = observation(it, numbers);
    row.push(source_of(it));
    row
}

const DOSSIERS: [(&str, Side); 7] = [
    ("code", Side::Left),
    ("procedure", Side::Left),
    ("received by", Side::Left),
    ("state", Side::Left),
    ("accepted", Side::Left),
    ("due", Side::Left),
    ("finished", Side::Left),
];

fn dossier(it: &pb::Dossier, _: Numbers) -> Vec<String> {
    vec![
        it.code.clone(),
        it.procedure.clone(),
        it.receiving_unit.as_ref().map_or_else(String::new, |it| it.name.clone()),
        plain_word(it.state().as_str_name(), "DOSSIER_STATE_"),
        local(it.accepted_at.as_ref()),
        local(it.due_at.as_ref()),
        local(it.finished_at.as_ref()),
    ]
}

const SOURCES: [(&str, Side); 7] = [
    ("source", Side::Left),
    ("name", Side::Left),
    ("agency", Side::Left),
    ("indicators", Side::Right),
    ("accepted last", Side::Left),
    ("rejected today", Side::Right),
    ("for", Side::Left),
];

fn source_row(it: &pb::IndicatorSource, _: Numbers) -> Vec<String> {
    let reasons: Vec<_> = it
        .rejected_for
        .iter()
        .map(|it| format!("{} {}", it.items, plain_word(it.reason().as_str_name(), REASON)))
        .collect();
    vec![
        it.code.clone(),
        it.name.clone(),
        it.agency_unit.as_ref().map_or_else(String::new, |it| it.name.clone()),
        it.indicators.len().to_string(),
        local(it.last_accepted_at.as_ref()),
        it.rejected_today.to_string(),
        reasons.join(", "),
    ]
}

/// How the names of reasons begin.
const REASON: &str = "ERROR_REASON_";

const REJECTIONS: [(&str, Side); 6] = [
    ("list", Side::Left),
    ("item", Side::Left),
    ("reason", Side::Left),
    ("message", Side::Left),
    ("times", Side::Right),
    ("last", Side::Left),
];

fn rejection(it: &pb::Rejection, _: Numbers) -> Vec<String> {
    vec![
        it.list.clone(),
        it.item.clone(),
        plain_word(it.reason().as_str_name(), REASON),
        it.message.clone(),
        it.times.to_string(),
        local(it.last_rejected_at.as_ref()),
    ]
}

/// A figure in short: its bound, its value, and whether it is final; or why there is none. A value that is no bound is
/// rounded where that is asked for: `> 55.6` would be wrong as `> 56`.
pub(super) fn shown(figure: &pb::Figure, decimals: Option<u32>, numbers: Numbers) -> String {
    let status = figure.status();
    let is_final =
        matches!(status, pb::ObservationStatus::Unspecified | pb::ObservationStatus::Final);
    let status = match is_final {
        true => String::new(),
        false => plain_word(status.as_str_name(), "OBSERVATION_STATUS_"),
    };
    let Some(value) = &figure.value else { return status };
    let decimals = decimals.filter(|_| {
        use pb::ValueQualifier::{About, Exact};
        matches!(figure.qualifier(), Exact | About)
    });
    let bound = match figure.qualifier() {
        pb::ValueQualifier::Unspecified | pb::ValueQualifier::Exact => "",
        pb::ValueQualifier::MoreThan => ">",
        pb::ValueQualifier::AtLeast => "\u{2265}",
        pb::ValueQualifier::LessThan => "<",
        pb::ValueQualifier::AtMost => "\u{2264}",
        pb::ValueQualifier::About => "~",
    };
    let status = if status.is_empty() { status } else { format!(" ({status})") };
    format!("{bound}{}{status}", spell(&short(value, decimals), numbers))
}

/// A value that was computed has 20 digits; six decimals are enough to look at where no definition says how many.
fn short(value: &str, decimals: Option<u32>) -> String {
    let exact = decimals.and_then(|it| Some((value.parse::<Decimal>().ok()?, it)));
    if let Some((exact, decimals)) = exact {
        return exact.round_to(decimals).to_string();
    }
    match value.split_once('.') {
        Some((whole, decimals)) if decimals.len() > 6 => {
            format!("{whole}.{}\u{2026}", decimals.get(..6).unwrap_or_default())
        }
        Some(_) | None => value.to_owned(),
    }
}

fn bound_of(comparison: pb::TargetComparison) -> &'static str {
    match comparison {
        pb::TargetComparison::Unspecified => "",
        pb::TargetComparison::AtLeast => "\u{2265}",
        pb::TargetComparison::MoreThan => ">",
        pb::TargetComparison::AtMost => "\u{2264}",
        pb::TargetComparison::LessThan => "<",
        pb::TargetComparison::Qualitative => "qualitative",
    }
}
