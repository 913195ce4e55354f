//! What part of the hub's data a command is about, as requests to the hub; and units as tables name them.
use std::collections::{BTreeMap, HashMap};

use super::{
    CliResult,
    client::{HubClient, again},
    parse,
};
use crate::{
    config::{BadConfig, Filter},
    pb,
    period::Period,
    time::Day,
};

/// Refuses a flag that means nothing here.
fn only(given: bool, key: &'static str, of: &str) -> Result<(), BadConfig> {
    if given { Err(BadConfig { key, must: format!("be left out, but for {of}") }) } else { Ok(()) }
}

/// Units, by the names that tables give them.
pub(super) fn units(named: &[String]) -> Result<Vec<pb::UnitRef>, BadConfig> {
    let read = |it: &String| {
        parse::unit(it).map_err(|rule| BadConfig { key: "unit", must: rule.to_string() })
    };
    named.iter().map(read).collect()
}

/// The categories of a breakdown; none for the total.
fn categories(breakdown: Option<&String>) -> Result<BTreeMap<String, String>, BadConfig> {
    match breakdown.map(String::as_str) {
        None | Some("total") => Ok(BTreeMap::new()),
        Some(text) => parse::breakdown(text)
            .map_err(|rule| BadConfig { key: "breakdown", must: rule.to_string() }),
    }
}

/// Which breakdowns are meant; every one when nothing is said.
pub(super) fn breakdowns(
    breakdown: Option<&String>,
) -> Result<Option<pb::BreakdownFilter>, BadConfig> {
    let exact = breakdown.is_some_and(|it| it == "total");
    let categories = categories(breakdown)?;
    Ok(breakdown.map(|_| pb::BreakdownFilter { categories, exact }))
}

fn at(filter: &Filter) -> Option<pb::Consistency> {
    let exactly = filter.at.map(pb::consistency::Requirement::Exactly);
    exactly.map(|it| pb::Consistency { requirement: Some(it) })
}

/// A day of the command line. People name the last day of an interval, the hub the first one after it.
fn day(key: &'static str, text: &Option<String>) -> Result<Option<Day>, BadConfig> {
    let parsed = text.as_ref().map(|it| Day::parse(it)).transpose();
    parsed.map_err(|it| BadConfig { key, must: it.to_string() })
}

/// Observations to be exported.
pub(super) fn observations(filter: &Filter) -> CliResult<pb::ExportObservationsRequest> {
    only(filter.procedure.is_some(), "procedure", "dossiers")?;
    not_of_snapshots(filter)?;
    let top: Vec<_> = filter.below.iter().cloned().collect();
    if !top.is_empty() && !filter.unit.is_empty() {
        return Err(BadConfig { key: "below", must: "stand without `--unit`".to_owned() }.into());
    }
    let with_descendants = !top.is_empty();
    Ok(pb::ExportObservationsRequest {
        indicators: filter.indicator.clone(),
        units: units(if with_descendants { &top } else { &filter.unit })?,
        with_descendants,
        ends_from: day("since", &filter.since)?.map_or_else(String::new, |it| it.to_string()),
        ends_before: day("until", &filter.until)?
            .map_or_else(String::new, |it| it.next().to_string()),
        period: filter.period.clone().unwrap_or_default(),
        consistency: at(filter),
        breakdowns: breakdowns(filter.breakdown.as_ref())?,
        all_sources: filter.all_sources,
    })
}

/// Observations, by pages.
pub(super) fn observation_pages(filter: &Filter) -> CliResult<pb::QueryObservationsRequest> {
    let pb::ExportObservationsRequest {
        indicators,
        units,
        with_descendants,
        ends_from,
        ends_before,
        period,
        consistency,
        breakdowns,
        all_sources,
    } = observations(filter)?;
    Ok(pb::QueryObservationsRequest {
        indicators,
        units,
        with_descendants,
        ends_from,
        ends_before,
        period,
        page: None,
        consistency,
        breakdowns,
        all_sources,
    })
}

/// Targets.
pub(super) fn targets(filter: &Filter) -> CliResult<pb::QueryTargetsRequest> {
    only(filter.procedure.is_some(), "procedure", "dossiers")?;
    only(filter.below.is_some(), "below", "observations and snapshots")?;
    not_of_snapshots(filter)?;
    only(filter.period.is_some(), "period", "observations")?;
    only(filter.since.is_some(), "since", "observations and dossiers")?;
    only(filter.until.is_some(), "until", "observations and dossiers")?;
    only(filter.all_sources, "all-sources", "observations and snapshots")?;
    Ok(pb::QueryTargetsRequest {
        indicators: filter.indicator.clone(),
        units: units(&filter.unit)?,
        page: None,
        consistency: at(filter),
        breakdowns: breakdowns(filter.breakdown.as_ref())?,
    })
}

/// Refuses what only a snapshot is selected by.
fn not_of_snapshots(filter: &Filter) -> Result<(), BadConfig> {
    only(filter.level.is_some(), "level", "a snapshot")?;
    only(!filter.group.is_empty(), "group", "a snapshot")
}

/// The cells of a snapshot by level and groups, where they are given so.
fn selection(filter: &Filter) -> CliResult<Option<pb::SnapshotSelection>> {
    let Some(below) = &filter.below else {
        not_of_snapshots(filter).map_err(|_| BadConfig {
            key: "below",
            must: "be given with `--level` or `--group`: the unit above the board".to_owned(),
        })?;
        return Ok(None);
    };
    let Some(level) = &filter.level else {
        let must = "be given with `--below`: `commune`, `district`, `province` ...".to_owned();
        return Err(BadConfig { key: "level", must }.into());
    };
    if !filter.unit.is_empty() {
        return Err(BadConfig { key: "below", must: "stand without `--unit`".to_owned() }.into());
    }
    let level =
        parse::level(level).map_err(|rule| BadConfig { key: "level", must: rule.to_string() })?;
    let below = units(std::slice::from_ref(below))?.into_iter().next();
    Ok(Some(pb::SnapshotSelection {
        below,
        level: level.into(),
        indicators: filter.indicator.clone(),
        groups: filter.group.clone(),
    }))
}

/// A snapshot.
pub(super) fn snapshot(filter: &Filter, date: Option<String>) -> CliResult<pb::GetSnapshotRequest> {
    only(filter.procedure.is_some(), "procedure", "dossiers")?;
    only(filter.since.is_some(), "since", "observations and dossiers")?;
    only(filter.until.is_some(), "until", "observations and dossiers")?;
    let selection = selection(filter)?;
    let (units, indicators) = match selection {
        Some(_) => (Vec::new(), Vec::new()),
        None => (units(&filter.unit)?, filter.indicator.clone()),
    };
    Ok(pb::GetSnapshotRequest {
        units,
        indicators,
        selection,
        page: None,
        period: filter.period.clone().unwrap_or_default(),
        date: date.unwrap_or_default(),
        consistency: at(filter),
        breakdown: categories(filter.breakdown.as_ref())?,
        all_sources: filter.all_sources,
    })
}

/// Definitions.
pub(super) fn indicators(
    filter: &Filter,
    text: Option<String>,
) -> CliResult<pb::ListIndicatorsRequest> {
    only(!filter.unit.is_empty(), "unit", "data")?;
    only(filter.below.is_some(), "below", "observations and snapshots")?;
    only(filter.level.is_some(), "level", "a snapshot")?;
    only(filter.period.is_some(), "period", "observations")?;
    only(filter.since.is_some(), "since", "observations and dossiers")?;
    only(filter.until.is_some(), "until", "observations and dossiers")?;
    only(filter.breakdown.is_some(), "breakdown", "observations and targets")?;
    only(filter.procedure.is_some(), "procedure", "dossiers")?;
    only(filter.all_sources, "all-sources", "observations and snapshots")?;
    let group = match filter.group.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        _ => {
            return Err(
                BadConfig { key: "group", must: "be one, for indicators".to_owned() }.into()
            );
        }
    };
    Ok(pb::ListIndicatorsRequest {
        code_prefix: String::new(),
        page: None,
        consistency: at(filter),
        group,
        text: text.unwrap_or_default(),
        codes: filter.indicator.clone(),
    })
}

/// Refuses every flag that chooses a part of the data: for what is asked as a whole.
pub(super) fn nothing(filter: &Filter) -> Result<(), BadConfig> {
    let Filter {
        indicator,
        unit,
        below,
        level: _,
        group: _,
        period,
        since,
        until,
        breakdown,
        procedure,
        all_sources,
        at,
    } = filter;
    only(!indicator.is_empty(), "indicator", "observations and targets")?;
    only(!unit.is_empty(), "unit", "observations, targets and dossiers")?;
    only(below.is_some(), "below", "observations and snapshots")?;
    not_of_snapshots(filter)?;
    only(period.is_some(), "period", "observations")?;
    only(since.is_some(), "since", "observations and dossiers")?;
    only(until.is_some(), "until", "observations and dossiers")?;
    only(breakdown.is_some(), "breakdown", "observations and targets")?;
    only(procedure.is_some(), "procedure", "dossiers")?;
    only(*all_sources, "all-sources", "observations and snapshots")?;
    only(at.is_some(), "at", "observations, targets, dossiers and snapshots")
}

/// Refuses a source.
pub(super) fn no_source(source: Option<&String>) -> Result<(), BadConfig> {
    only(source.is_some(), "source", "rejections")
}

/// Dossiers to be exported.
pub(super) fn dossiers(filter: &Filter) -> CliResult<pb::ExportDossiersRequest> {
    only(!filter.indicator.is_empty(), "indicator", "observations and targets")?;
    only(filter.below.is_some(), "below", "observations and snapshots")?;
    not_of_snapshots(filter)?;
    only(filter.period.is_some(), "period", "observations")?;
    only(filter.breakdown.is_some(), "breakdown", "observations and targets")?;
    only(filter.all_sources, "all-sources", "observations and snapshots")?;
    let units = units(&filter.unit)?;
    if units.len() > 1 {
        return Err(BadConfig { key: "unit", must: "be one, for dossiers".to_owned() }.into());
    }
    let (since, until) = (day("since", &filter.since)?, day("until", &filter.until)?);
    Ok(pb::ExportDossiersRequest {
        receiving_unit: units.into_iter().next(),
        procedure: filter.procedure.clone().unwrap_or_default(),
        state: 0,
        accepted_from: since.map(|it| it.start().into()),
        accepted_before: until.map(|it| it.next().start().into()),
        consistency: at(filter),
        applicant: None,
    })
}

/// Dossiers, by pages.
pub(super) fn dossier_pages(filter: &Filter) -> CliResult<pb::ListDossiersRequest> {
    let pb::ExportDossiersRequest {
        receiving_unit,
        procedure,
        state,
        accepted_from,
        accepted_before,
        consistency,
        applicant,
    } = dossiers(filter)?;
    Ok(pb::ListDossiersRequest {
        receiving_unit,
        procedure,
        state,
        accepted_from,
        accepted_before,
        page: None,
        consistency,
        applicant,
    })
}

/// Units by their ids, each asked for once.
#[derive(Debug)]
pub(super) struct Units<'a> {
    caller: &'a HubClient,
    known: HashMap<i64, pb::Unit>,
}

impl<'a> Units<'a> {
    pub(super) fn of(caller: &'a HubClient) -> Self {
        Self { caller, known: HashMap::new() }
    }

    /// A unit as a table names it, for a period that ends on one of these days: by the code that it bears then, or with
    /// the day on which it bore its code.
    pub(super) async fn named(&mut self, id: i64, ends: &[Day]) -> CliResult<String> {
        if !self.known.contains_key(&id) {
            let unit = Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(id)) });
            let request = pb::GetUnitRequest { unit, consistency: None };
            let mut units = self.caller.units();
            let found = again(async || units.get_unit(request.clone()).await).await?;
            self.known.insert(id, found.unit.unwrap_or_default());
        }
        let codes = self.known.get(&id).map_or(&[][..], |it| it.codes.as_slice());
        Ok(token(codes, ends).unwrap_or_else(|| format!("id:{id}")))
    }
}

fn token(codes: &[pb::UnitCodeSpan], ends: &[Day]) -> Option<String> {
    let territory = codes.iter().filter(|it| it.scheme == "gso");
    let code = |it: &pb::UnitCodeSpan| match it.scheme.as_str() {
        "gso" => it.code.clone(),
        scheme => format!("{scheme}:{}", it.code),
    };
    let bears = |it: &&pb::UnitCodeSpan, day: &Day| {
        let day = day.to_string();
        it.valid_from <= day && (it.valid_before.is_empty() || day < it.valid_before)
    };
    let all = territory.chain(codes.iter().filter(|it| it.scheme != "gso"));
    let all: Vec<_> = all.collect();
    let at_end = all.iter().find(|it| ends.iter().all(|day| bears(it, day)));
    if let Some(it) = at_end {
        return Some(code(it));
    }
    // One that it bore before, on the last day on which it did.
    let before = |it: &&&pb::UnitCodeSpan| ends.iter().any(|day| it.valid_from <= day.to_string());
    let ended = all.iter().filter(before).find(|it| !it.valid_before.is_empty())?;
    let last = Day::parse(&ended.valid_before).ok()?.previous();
    Some(format!("{}@{last}", code(ended)))
}

/// The days on which a period may end, in one calendar or the other.
pub(super) fn ends(period: &str) -> Vec<Day> {
    let period = Period::parse(period).ok();
    period.map_or_else(Vec::new, |it| vec![it.range(false).to, it.range(true).to])
}

#[cfg(test)]
mod tests {
    use super::{Day, pb, token};

    #[test]
    fn a_unit_is_named_by_the_code_that_it_bears_at_the_end() {
        let span = |scheme: &str, code: &str, from: &str, before: &str| pb::UnitCodeSpan {
            scheme: scheme.into(),
            code: code.into(),
            valid_from: from.into(),
            valid_before: before.into(),
        };
        let day = |it: &str| Day::parse(it).unwrap();
        let closed = [span("gso", "805", "", "2025-07-01")];
        assert_eq!(token(&closed, &[day("2024-12-31")]).as_deref(), Some("805"));
        assert_eq!(token(&closed, &[day("2025-12-31")]).as_deref(), Some("805@2025-06-30"));
        let agency = [span("agency", "H56.12", "2025-07-01", "")];
        assert_eq!(token(&agency, &[day("2025-12-31")]).as_deref(), Some("agency:H56.12"));
        let two = [span("x", "1", "", ""), span("gso", "80", "2025-07-01", "")];
        assert_eq!(token(&two, &[day("2025-12-31")]).as_deref(), Some("80"));
        assert_eq!(token(&two, &[day("2025-12-31"), day("2025-01-01")]).as_deref(), Some("x:1"));
        assert_eq!(token(&[], &[]), None);
    }
}
