//! Resolved filters: they decide whether a change is for a watch.
use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use super::{DossierFilter, Filter, Happened, IndicatorFilter, Part, Stage, Thing};
use crate::{
    caller::{Caller, Pattern},
    dossier::catalogue::Catalogue,
    error::{Error, Result},
    hub::Hub,
    indicator::definitions::Definitions,
    indicator::{Code, Definition, queries::BreakdownFilter, store::changes::IndicatorChange},
    revision::{ReferenceData, View},
    time::Day,
    unit::forest::Forest,
};

/// The filters of a watch, with units and procedures by their ids.
#[derive(Debug)]
pub struct Matcher {
    indicators: Vec<Indicators>,
    dossiers: Vec<Dossiers>,
    has_procedures: bool,
    has_units: bool,
    /// The units that indicator filters name; all where they name none.
    units: Option<HashSet<i64>>,
    codes: HashMap<i64, Code>,
    /// The revisions of the names that it was opened with.
    opened: [i64; 3],
}

#[derive(Debug)]
struct Indicators {
    patterns: Vec<Pattern>,
    units: Option<HashSet<i64>>,
    parts: BTreeSet<Part>,
    breakdowns: BreakdownFilter,
}

#[derive(Debug)]
struct Dossiers {
    receivers: Option<HashSet<i64>>,
    procedure_id: Option<i64>,
}

impl Matcher {
    /// Opens filters with the names of a view.
    pub async fn open(hub: &Hub, caller: &Caller, filters: &[Filter], view: &View) -> Result<Self> {
        let forest = hub.reference::<Forest>(view).await?;
        let catalogue = hub.reference::<Catalogue>(view).await?;
        let definitions = hub.reference::<Definitions>(view).await?;
        let (mut indicators, mut dossiers) = (Vec::new(), Vec::new());
        let (mut has_procedures, mut has_units) = (false, false);
        for (i, filter) in filters.iter().enumerate() {
            let path = format!("filters[{i}]");
            match filter {
                Filter::Procedures => has_procedures = true,
                Filter::Units => has_units = true,
                Filter::Indicators(it) => {
                    let opened = Indicators::open(&forest, it);
                    indicators
                        .push(opened.map_err(|err| err.under(&format!("{path}.indicators")))?);
                }
                Filter::Dossiers(DossierFilter { receiving_unit, procedure }) => {
                    let under = |err: Error| err.under(&format!("{path}.dossiers"));
                    let receivers = receiving_unit.as_ref().map(|it| {
                        let top = forest.resolve(it, Day::today(), "receiving_unit")?.id;
                        Ok(with_below(&forest, top))
                    });
                    let known = procedure.as_ref().map(|it| {
                        let missing = || Error::not_found("procedure", it.as_str()).at("procedure");
                        // A withdrawn one stays followed by the watches that followed it before.
                        let known = catalogue.by_code(it.as_str());
                        let known = known.or_else(|| catalogue.withdrawn(it.as_str()));
                        known.map(|it| it.id).ok_or_else(missing)
                    });
                    dossiers.push(Dossiers {
                        receivers: receivers.transpose().map_err(under)?,
                        procedure_id: known.transpose().map_err(under)?,
                    });
                }
            }
        }
        let units = indicators.iter().map(|it| it.units.as_ref()).collect::<Option<Vec<_>>>();
        let units: Option<HashSet<i64>> =
            units.map(|it| it.into_iter().flatten().copied().collect());
        let shared = caller.indicator_units();
        let units = match (units, shared) {
            (units, None) => units,
            (None, Some(shared)) => Some(shared.ever().collect()),
            (Some(units), Some(shared)) => {
                Some(units.into_iter().filter(|it| shared.has_ever(*it)).collect())
            }
        };
        let named = definitions.shared_with(caller).map(|it| (it.id, it.code.clone()));
        let codes = named.collect();
        let opened = opened_with(view);
        Ok(Self { indicators, dossiers, has_procedures, has_units, units, codes, opened })
    }

    /// Whether reference data has changed since they were resolved.
    pub fn is_old(&self, view: &View) -> bool {
        self.opened != opened_with(view)
    }

    /// Whether anything of a stage is followed.
    pub fn follows(&self, stage: Stage) -> bool {
        let part = |part| self.indicators.iter().any(|it| it.parts.contains(&part));
        match stage {
            Stage::Units => self.has_units,
            Stage::Definitions => part(Part::Definitions),
            Stage::Procedures => self.has_procedures,
            Stage::Observations => part(Part::Observations),
            Stage::Targets => part(Part::Targets),
            Stage::Dossiers => self.follows_dossiers(),
        }
    }

    /// Whether indicators are followed.
    pub fn follows_indicators(&self) -> bool {
        !self.indicators.is_empty()
    }

    /// Whether dossiers are followed.
    pub fn follows_dossiers(&self) -> bool {
        !self.dossiers.is_empty()
    }

    /// Whether an indicator is followed, shared or not.
    pub fn names(&self, definition: &Arc<Definition>) -> bool {
        self.indicators.iter().any(|it| it.names(&definition.code))
    }

    /// The units that indicator filters name; all where they name none.
    pub fn units(&self) -> Option<&HashSet<i64>> {
        self.units.as_ref()
    }

    /// Whether a thing is for the watch.
    pub fn is_match(&self, caller: &Caller, thing: &Thing) -> bool {
        match thing {
            Thing::Unit(_) => self.has_units,
            Thing::Procedure(_) => self.has_procedures,
            Thing::Indicator(made) => self.is_indicator(caller, made),
            Thing::Dossier(made) => {
                let header = &made.dossier.header;
                made.is_visible(caller)
                    && self.is_dossier(header.receiving_unit_id, header.procedure_id)
            }
        }
    }

    /// The effect of a change on the watch, if it is for it.
    pub fn happened(&self, caller: &Caller, thing: &Thing) -> Option<Happened> {
        let is_withdrawal = thing.is_withdrawal();
        if self.is_match(caller, thing) {
            return Some(if is_withdrawal { Happened::Left } else { Happened::Set });
        }
        match thing {
            Thing::Dossier(made) => {
                let before = made.before.filter(|it| it.is_visible(caller))?;
                let was = self.is_dossier(before.receiving_unit_id, before.procedure_id);
                was.then_some(Happened::Left)
            }
            Thing::Unit(_) | Thing::Procedure(_) | Thing::Indicator(_) => None,
        }
    }

    fn is_indicator(&self, caller: &Caller, made: &IndicatorChange) -> bool {
        let part = match made {
            IndicatorChange::Definition(_) => Part::Definitions,
            IndicatorChange::Observation(_) => Part::Observations,
            IndicatorChange::Target(_) => Part::Targets,
        };
        // Only indicators that are shared with the caller have a code here.
        let Some(code) = self.codes.get(&made.indicator_id()) else { return false };
        if made.speaks_of().is_some_and(|(unit, day)| !caller.sees_unit(unit, day)) {
            return false;
        }
        self.indicators.iter().any(|it| {
            let is_unit = match (&it.units, made.unit_id()) {
                (Some(units), Some(unit)) => units.contains(&unit),
                (_, _) => true,
            };
            let is_breakdown = it.breakdowns.is_any()
                || made.breakdown().is_none_or(|made| it.breakdowns.is_for(&made));
            it.parts.contains(&part) && is_unit && is_breakdown && it.names(code)
        })
    }

    fn is_dossier(&self, receiving_unit_id: i64, procedure_id: i64) -> bool {
        self.dossiers.iter().any(|it| {
            it.receivers.as_ref().is_none_or(|units| units.contains(&receiving_unit_id))
                && it.procedure_id.is_none_or(|it| it == procedure_id)
        })
    }
}

impl Indicators {
    fn open(forest: &Forest, filter: &IndicatorFilter) -> Result<Self> {
        let IndicatorFilter { patterns, units, with_descendants, parts, breakdowns } = filter;
        let mut refused = Vec::new();
        let mut found = HashSet::new();
        for (i, named) in units.iter().enumerate() {
            match forest.resolve(named, Day::today(), "") {
                Ok(unit) if *with_descendants => found.extend(with_below(forest, unit.id)),
                Ok(unit) => {
                    found.insert(unit.id);
                }
                Err(err) => refused.push((i, err)),
            }
        }
        Error::all(refused, "units")?;
        let units = (!units.is_empty()).then_some(found);
        let (patterns, parts, breakdowns) = (patterns.clone(), parts.clone(), breakdowns.clone());
        Ok(Self { patterns, units, parts, breakdowns })
    }

    fn names(&self, code: &Code) -> bool {
        self.patterns.is_empty() || self.patterns.iter().any(|it| it.matches(code.as_str()))
    }
}

fn with_below(forest: &Forest, top: i64) -> HashSet<i64> {
    let mut units: HashSet<_> = forest.ever_below(top).into_iter().collect();
    units.insert(top);
    units
}

fn opened_with(view: &View) -> [i64; 3] {
    [ReferenceData::Units, ReferenceData::Indicators, ReferenceData::Procedures]
        .map(|it| view.touched(it))
}
