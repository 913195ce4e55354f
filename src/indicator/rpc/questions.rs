//! Turns messages into queries, or names every bad field.
use std::collections::HashSet;

use crate::{
    caller::Pattern,
    error::{Error, Result},
    indicator::{
        Breakdown, Code, Geography, RollUpOf,
        queries::{
            Availability, BreakdownFilter, CellSelection, Export, Filter, Get, ListRevisions,
            Query, QueryTargets, Rank, RollUp, Snapshot, WantedCells,
        },
    },
    limits::MOST_CELLS,
    page::Page,
    pb,
    period::Period,
    slug::Slug,
    time::{Day, Span},
    unit::wire::UnitFields,
    unit::{self, Level},
    wire::{Fields, fingerprint},
};

/// Units or indicators in one question, at most.
const MOST_NAMED: usize = 1_000;

impl TryFrom<pb::GetIndicatorRequest> for Get {
    type Error = Error;

    fn try_from(msg: pb::GetIndicatorRequest) -> Result<Self> {
        let pb::GetIndicatorRequest { code, consistency } = msg;
        let mut fields = Fields::default();
        let code = fields.read("code", Code::parse(&code));
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { code: code?, consistency: consistency? }))
    }
}

impl TryFrom<pb::GetSnapshotRequest> for Snapshot {
    type Error = Error;

    fn try_from(mut msg: pb::GetSnapshotRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let question = fingerprint("GetSnapshot", &msg);
        let pb::GetSnapshotRequest {
            units,
            indicators,
            period,
            date,
            consistency,
            breakdown,
            selection,
            page: _,
            all_sources,
        } = msg;
        let wanted = match selection {
            None => named(&mut fields, units, &indicators, page.as_ref()),
            Some(selection) => {
                if !units.is_empty() || !indicators.is_empty() {
                    fields.refuse("selection", "stand alone, without `units` and `indicators`");
                }
                let selection = fields.within("selection", |it| read_selection(it, selection));
                let page = page_of_cells(&mut fields, page, question);
                selection.zip(page).map(|(selection, page)| WantedCells::Selected(selection, page))
            }
        };
        let period = maybe_period(&mut fields, &period);
        let date = fields.day("date", &date);
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                wanted: wanted?,
                period: period?,
                date: date?.unwrap_or_else(Day::today),
                breakdown: breakdown?,
                all_sources,
                consistency: consistency?,
            })
        })
    }
}

fn named(
    fields: &mut Fields,
    units: Vec<pb::UnitRef>,
    indicators: &[String],
    page: Option<&pb::PageRequest>,
) -> Option<WantedCells> {
    if page.is_some() {
        fields.refuse("page", "come with `selection`: named cells are answered in one");
    }
    let units = some_units(fields, units);
    let indicators = some_codes(fields, indicators);
    Some(WantedCells::Named { units: units?, indicators: indicators? })
}

fn read_selection(fields: &mut Fields, msg: pb::SnapshotSelection) -> Option<CellSelection> {
    let pb::SnapshotSelection { below, level, indicators, groups } = msg;
    let below = fields.unit("below", below);
    let level = fields.word("level", level, Level::of);
    fields.at_most("indicators", indicators.len(), 100)?;
    fields.at_most("groups", groups.len(), 100)?;
    let patterns: Vec<_> = indicators
        .iter()
        .enumerate()
        .map(|(i, it)| fields.read(&format!("indicators[{i}]"), Pattern::parse(it)))
        .collect();
    let groups: Vec<_> = groups
        .iter()
        .enumerate()
        .map(|(i, it)| fields.read(&format!("groups[{i}]"), Slug::parse(it)))
        .collect();
    Some(CellSelection {
        below: below?,
        level: level?,
        patterns: patterns.into_iter().collect::<Option<_>>()?,
        groups: groups.into_iter().collect::<Option<_>>()?,
    })
}

/// A page of cells: as many as one snapshot holds, unless the caller says fewer.
fn page_of_cells(
    fields: &mut Fields,
    page: Option<pb::PageRequest>,
    question: [u8; 32],
) -> Option<Page> {
    let pb::PageRequest { size, token } = page.unwrap_or_default();
    fields.within("page", |fields| {
        let size = match usize::try_from(size) {
            Ok(0) => Ok(MOST_CELLS),
            Ok(size) if size <= MOST_CELLS => Ok(size),
            Ok(_) | Err(_) => Err(format!("be 0 to {MOST_CELLS}")),
        };
        let size = fields.read("size", size);
        let token = fields.text("token", token, 2_000);
        Some(Page::new(size?, token?, question))
    })
}

impl TryFrom<pb::QueryObservationsRequest> for Query {
    type Error = Error;

    fn try_from(mut msg: pb::QueryObservationsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "QueryObservations", &msg);
        let pb::QueryObservationsRequest {
            indicators,
            units,
            with_descendants,
            ends_from,
            ends_before,
            period,
            page: _,
            consistency,
            breakdowns,
            all_sources,
        } = msg;
        let bounds = (ends_from.as_str(), ends_before.as_str(), period.as_str());
        let filter = filter(&mut fields, &indicators, units, with_descendants, bounds, breakdowns)
            .map(|it| Filter { all_sources, ..it });
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { filter: filter?, page: page?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ExportObservationsRequest> for Export {
    type Error = Error;

    fn try_from(msg: pb::ExportObservationsRequest) -> Result<Self> {
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
        } = msg;
        let mut fields = Fields::default();
        let bounds = (ends_from.as_str(), ends_before.as_str(), period.as_str());
        let filter = filter(&mut fields, &indicators, units, with_descendants, bounds, breakdowns)
            .map(|it| Filter { all_sources, ..it });
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { filter: filter?, consistency: consistency? }))
    }
}

/// Reads the filter of a page or an export.
fn filter(
    fields: &mut Fields,
    indicators: &[String],
    units: Vec<pb::UnitRef>,
    with_descendants: bool,
    (ends_from, ends_before, period): (&str, &str, &str),
    breakdowns: Option<pb::BreakdownFilter>,
) -> Option<Filter> {
    let indicators = codes(fields, indicators, 100);
    if with_descendants && units.is_empty() {
        fields.refuse("with_descendants", "come with `units`");
    }
    let units = unit_refs(fields, units);
    let ends_from = fields.day("ends_from", ends_from);
    let ends_before = fields.day("ends_before", ends_before);
    fields.in_order(("ends_from", ends_from), ("ends_before", ends_before));
    let breakdowns = breakdown_filter(fields, breakdowns);
    let period = maybe_period(fields, period);
    Some(Filter {
        indicators: indicators?,
        units: units?,
        with_descendants,
        ends_from: ends_from?,
        ends_before: ends_before?,
        period: period?,
        breakdowns: breakdowns?,
        all_sources: false,
    })
}

impl TryFrom<pb::QueryTargetsRequest> for QueryTargets {
    type Error = Error;

    fn try_from(mut msg: pb::QueryTargetsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "QueryTargets", &msg);
        let pb::QueryTargetsRequest { indicators, units, page: _, consistency, breakdowns } = msg;
        let indicators = codes(&mut fields, &indicators, 100);
        let units = unit_refs(&mut fields, units);
        let breakdowns = breakdown_filter(&mut fields, breakdowns);
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                indicators: indicators?,
                units: units?,
                breakdowns: breakdowns?,
                page: page?,
                consistency: consistency?,
            })
        })
    }
}

impl TryFrom<pb::RollUpRequest> for RollUp {
    type Error = Error;

    fn try_from(msg: pb::RollUpRequest) -> Result<Self> {
        let pb::RollUpRequest {
            indicator,
            unit,
            periods,
            geography,
            as_of,
            consistency,
            breakdown,
            of,
        } = msg;
        let mut fields = Fields::default();
        let indicator = fields.read("indicator", Code::parse(&indicator));
        let unit = fields.unit("unit", unit);
        fields.at_most("periods", periods.len(), 100);
        if periods.is_empty() {
            fields.refuse("periods", "hold at least one period");
        }
        let periods: Vec<_> = periods
            .iter()
            .enumerate()
            .map(|(i, it)| fields.read(&format!("periods[{i}]"), Period::parse(it)))
            .collect();
        let mut asked = HashSet::new();
        for (i, period) in periods.iter().enumerate().take(100) {
            if period.is_some_and(|it| !asked.insert(it)) {
                fields.refuse(&format!("periods[{i}]"), "not be asked twice");
            }
        }
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        let as_of = fields.day("as_of", &as_of);
        let geography = match (pb::Geography::try_from(geography), as_of) {
            (Ok(pb::Geography::Unspecified) | Err(_), _) => {
                fields.refuse("geography", "be one of the enum's values, not 0 or unknown");
                None
            }
            (Ok(pb::Geography::AsReported), Some(None)) => Some(Geography::AsReported),
            (Ok(pb::Geography::Current), Some(None)) => Some(Geography::AsOf(Day::today())),
            (Ok(pb::Geography::AsOf), Some(Some(date))) => Some(Geography::AsOf(date)),
            (Ok(pb::Geography::AsOf), Some(None)) => {
                fields.refuse("as_of", "be a date for the geography AS_OF");
                None
            }
            (Ok(_), Some(Some(_))) => {
                fields.refuse("as_of", "be empty, but for the geography AS_OF");
                None
            }
            (Ok(_), None) => None,
        };
        let of = fields.word_or("of", of, RollUpOf::of, RollUpOf::Below);
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                indicator: indicator?,
                unit: unit?,
                of: of?,
                periods: periods.into_iter().collect::<Option<_>>()?,
                geography: geography?,
                breakdown: breakdown?,
                consistency: consistency?,
            })
        })
    }
}

impl TryFrom<pb::RankUnitsRequest> for Rank {
    type Error = Error;

    fn try_from(msg: pb::RankUnitsRequest) -> Result<Self> {
        let pb::RankUnitsRequest {
            indicator,
            period,
            below,
            level,
            rolled_up,
            consistency,
            breakdown,
        } = msg;
        let mut fields = Fields::default();
        let indicator = fields.read("indicator", Code::parse(&indicator));
        let period = fields.read("period", Period::parse(&period));
        let below = fields.maybe_unit("below", below);
        let level = fields.word("level", level, Level::of);
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                indicator: indicator?,
                period: period?,
                below: below?,
                level: level?,
                rolled_up,
                breakdown: breakdown?,
                consistency: consistency?,
            })
        })
    }
}

impl TryFrom<pb::ListRevisionsRequest> for ListRevisions {
    type Error = Error;

    fn try_from(mut msg: pb::ListRevisionsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListRevisions", &msg);
        let pb::ListRevisionsRequest {
            indicator,
            unit,
            period,
            breakdown,
            page: _,
            consistency,
            all_sources,
        } = msg;
        let indicator = fields.read("indicator", Code::parse(&indicator));
        let unit = fields.unit("unit", unit);
        let period = fields.read("period", Period::parse(&period));
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                indicator: indicator?,
                unit: unit?,
                period: period?,
                breakdown: breakdown?,
                all_sources,
                page: page?,
                consistency: consistency?,
            })
        })
    }
}

impl TryFrom<pb::GetAvailabilityRequest> for Availability {
    type Error = Error;

    fn try_from(msg: pb::GetAvailabilityRequest) -> Result<Self> {
        let pb::GetAvailabilityRequest {
            indicators,
            units,
            ends_from,
            ends_before,
            consistency,
            breakdown,
        } = msg;
        let mut fields = Fields::default();
        let indicators = some_codes(&mut fields, &indicators);
        let units = some_units(&mut fields, units);
        let from = fields.read("ends_from", Day::parse(&ends_from));
        let before = fields.read("ends_before", Day::parse(&ends_before));
        if matches!((from, before), (Some(from), Some(before)) if from >= before) {
            fields.refuse("ends_before", "lie after `ends_from`");
        }
        let breakdown = fields.read("breakdown", Breakdown::parse(breakdown));
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                indicators: indicators?,
                units: units?,
                span: Span { from: from?, to: before?.previous() },
                breakdown: breakdown?,
                consistency: consistency?,
            })
        })
    }
}

/// Reads the filter of breakdowns; all where none is given.
pub(crate) fn breakdown_filter(
    fields: &mut Fields,
    msg: Option<pb::BreakdownFilter>,
) -> Option<BreakdownFilter> {
    let Some(pb::BreakdownFilter { categories, exact }) = msg else {
        return Some(BreakdownFilter::default());
    };
    let categories = fields
        .within("breakdowns", |fields| fields.read("categories", Breakdown::parse(categories)))?;
    Some(BreakdownFilter { categories, exact })
}

fn maybe_period(fields: &mut Fields, text: &str) -> Option<Option<Period>> {
    if text.is_empty() {
        return Some(None);
    }
    fields.read("period", Period::parse(text)).map(Some)
}

fn some_codes(fields: &mut Fields, texts: &[String]) -> Option<Vec<Code>> {
    if texts.is_empty() {
        fields.refuse("indicators", "name at least one indicator");
    }
    codes(fields, texts, MOST_NAMED)
}

fn codes(fields: &mut Fields, texts: &[String], most: usize) -> Option<Vec<Code>> {
    fields.at_most("indicators", texts.len(), most)?;
    let read = texts.iter().enumerate();
    let read = read.map(|(i, it)| fields.read(&format!("indicators[{i}]"), Code::parse(it)));
    read.collect::<Vec<_>>().into_iter().collect()
}

fn some_units(fields: &mut Fields, units: Vec<pb::UnitRef>) -> Option<Vec<unit::Ref>> {
    if units.is_empty() {
        fields.refuse("units", "name at least one unit");
    }
    unit_refs(fields, units)
}

fn unit_refs(fields: &mut Fields, units: Vec<pb::UnitRef>) -> Option<Vec<unit::Ref>> {
    fields.units("units", units, MOST_NAMED)
}
