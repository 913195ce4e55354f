//! Turns rows into messages, each with all that a reader needs to trust its number.
use crate::{
    indicator::{
        Breakdown, Definition, Meaning, Reading,
        judge::{Attainment, Freshness, Lateness},
        roll_up::{Coverage, LeftOut, Sum},
        row::{observation, target},
        store::{
            attainment::Judged,
            availability::AvailabilityCell,
            comparison::FigureChange,
            compute::{Computed, Ranked, RankedUnit, RolledUp},
            read::{ObservationView, TargetView},
            snapshot::Cell,
        },
    },
    pb,
    revision::Revision,
    unit::{Name, forest::Forest},
};

/// Most units that a coverage names.
const MOST_NAMED: usize = 1_000;

impl From<Definition> for pb::Indicator {
    fn from(definition: Definition) -> Self {
        let Definition { id: _, code, version, meaning, made_at } = definition;
        let Meaning {
            name_vi,
            name_en,
            description,
            description_en,
            kind,
            unit_of_measure,
            unit_of_measure_en,
            scale,
            direction,
            frequency,
            calendar,
            time_rule,
            unit_rule,
            numerator,
            denominator,
            legal_basis,
            owner_agency,
            authoritative_source,
            due_days,
            sharing_level,
            collection_level,
            tree,
            retired,
            dimensions,
            group,
            display_order,
            decimals,
            continues,
            weight,
        } = meaning;
        Self {
            code: code.as_str().to_owned(),
            name_vi,
            name_en,
            description,
            description_en,
            kind: kind.number(),
            unit_of_measure,
            unit_of_measure_en,
            scale: scale.map_or_else(String::new, |it| it.to_string()),
            direction: direction.number(),
            frequency: frequency.number(),
            calendar: calendar.number(),
            time_rule: time_rule.number(),
            unit_rule: unit_rule.number(),
            numerator,
            denominator,
            legal_basis,
            owner_agency,
            authoritative_source: authoritative_source.as_str().to_owned(),
            due_days,
            sharing_level: sharing_level.map_or(0, |it| it.number()),
            collection_level: collection_level.number(),
            tree: tree.number(),
            retired,
            version,
            revision: made_at,
            expected_revision: None,
            dimensions: dimensions.all().iter().cloned().map(Into::into).collect(),
            group: group.map_or_else(String::new, |it| it.as_str().to_owned()),
            display_order,
            decimals,
            continues: continues.map_or_else(String::new, |it| it.as_str().to_owned()),
            weight: weight.map_or_else(String::new, |it| it.as_str().to_owned()),
        }
    }
}

impl From<ObservationView> for pb::Observation {
    fn from(observed: ObservationView) -> Self {
        let ObservationView { definition, unit, row, source, superseded, parts, contributed } =
            observed;
        let reading = row.reading();
        let observation::Model {
            indicator_id: _,
            unit_id: _,
            period_end,
            period,
            breakdown,
            made_at,
            superseded_at: _,
            committed_at,
            period_start,
            value: _,
            numerator: _,
            denominator: _,
            qualifier: _,
            status: _,
            as_of,
            inconsistent,
            definition_version: _,
            source_id: _,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            correction_reason,
            withdrawal_reason,
            released_on,
        } = row;
        let provenance = pb::Provenance {
            source_system: source,
            channel: channel.map_or(0, |it| it.number()),
            source_document,
            source_record,
            quote,
            as_written,
            note,
        };
        // Nobody reported a computed total as such.
        let provenance = Some(provenance).filter(|_| parts == 0);
        let figure = figure(&definition.meaning, reading, provenance, inconsistent);
        let figure = computed_from(figure, parts);
        // A tombstone says who withdrew the value, and nothing of the value.
        let figure = match withdrawal_reason {
            Some(_) => pb::Figure { provenance: figure.provenance, ..pb::Figure::default() },
            None => figure,
        };
        Self {
            indicator: definition.code.as_str().to_owned(),
            unit: Some(unit.into()),
            period: period.to_string(),
            period_from: period_start.to_string(),
            period_before: period_end.next().to_string(),
            breakdown: Breakdown::from_text(&breakdown).0,
            as_of: as_of.map_or_else(String::new, |it| it.to_string()),
            figure: Some(figure),
            correction_reason,
            revision: Some(Revision { number: made_at, at: committed_at }.into()),
            superseded: superseded.map(Into::into),
            withdrawal_reason: withdrawal_reason.unwrap_or_default(),
            released_on: released_on.map_or_else(String::new, |it| it.to_string()),
            contributed,
        }
    }
}

/// The key of an observation, for a copy that must drop it.
pub(crate) fn observation_key(observed: ObservationView) -> pb::Observation {
    let ObservationView {
        definition,
        unit,
        row,
        source: _,
        superseded: _,
        parts: _,
        contributed: _,
    } = observed;
    pb::Observation {
        indicator: definition.code.as_str().to_owned(),
        unit: Some(unit.into()),
        period: row.period.to_string(),
        breakdown: Breakdown::from_text(&row.breakdown).0,
        ..pb::Observation::default()
    }
}

/// The key of a target, for a copy that must drop it.
pub(crate) fn target_key(aimed: TargetView) -> pb::IndicatorTarget {
    let TargetView { definition, unit, row, source: _ } = aimed;
    pb::IndicatorTarget {
        indicator: definition.code.as_str().to_owned(),
        unit: Some(unit.into()),
        period: row.period.to_string(),
        breakdown: Breakdown::from_text(&row.breakdown).0,
        ..pb::IndicatorTarget::default()
    }
}

/// A figure that the hub made of so many categories, if it did.
fn computed_from(figure: pb::Figure, parts: usize) -> pb::Figure {
    if parts == 0 {
        return figure;
    }
    let basis = figure.value.is_some().then(|| pb::FigureBasis::Computed.into());
    let computed_from_parts = i32::try_from(parts).unwrap_or(i32::MAX);
    pb::Figure { basis, computed_from_parts, ..figure }
}

fn figure(
    meaning: &Meaning,
    reading: Reading,
    provenance: Option<pb::Provenance>,
    inconsistent: bool,
) -> pb::Figure {
    let quotient = reading.quotient(meaning.scale.as_ref());
    let Reading { value, numerator, denominator, qualifier, status, definition_version } = reading;
    let basis = match (&value, &quotient) {
        (Some(_), _) => Some(pb::FigureBasis::Reported),
        (None, Some(_)) => Some(pb::FigureBasis::Computed),
        (None, None) => None,
    };
    let text = |it: &crate::decimal::Decimal| it.to_string();
    pb::Figure {
        value: value.as_ref().or(quotient.as_ref()).map(text),
        basis: basis.map(Into::into),
        computed_value: quotient.as_ref().map(text),
        numerator: numerator.as_ref().map(text),
        denominator: denominator.as_ref().map(text),
        qualifier: qualifier.number(),
        status: status.number(),
        unit_of_measure: meaning.unit_of_measure.clone(),
        definition_version,
        provenance,
        inconsistent,
        computed_from_parts: 0,
    }
}

impl From<TargetView> for pb::IndicatorTarget {
    fn from(aimed: TargetView) -> Self {
        let TargetView { definition, unit, row, source } = aimed;
        let target::Model {
            indicator_id: _,
            unit_id: _,
            period_end: _,
            period,
            breakdown,
            made_at,
            superseded_at: _,
            committed_at,
            period_start: _,
            comparison,
            value,
            definition_version,
            source_id: _,
            channel,
            source_document,
            source_record,
            quote,
            as_written,
            note,
            withdrawal_reason: _,
        } = row;
        let provenance = pb::Provenance {
            source_system: source,
            channel: channel.map_or(0, |it| it.number()),
            source_document,
            source_record,
            quote,
            as_written,
            note,
        };
        Self {
            indicator: definition.code.as_str().to_owned(),
            unit: Some(unit.into()),
            period: period.to_string(),
            comparison: comparison.number(),
            value: value.map(|it| it.to_string()),
            unit_of_measure: definition.meaning.unit_of_measure.clone(),
            definition_version,
            provenance: Some(provenance),
            revision: Some(Revision { number: made_at, at: committed_at }.into()),
            breakdown: Breakdown::from_text(&breakdown).0,
        }
    }
}

impl From<Cell> for pb::SnapshotCell {
    fn from(cell: Cell) -> Self {
        let Cell {
            definition,
            unit,
            latest,
            previous,
            year_before,
            target,
            attainment,
            freshness,
            beside,
            lacking,
        } = cell;
        let published_at = latest.as_ref().map(|it| it.row.committed_at.into());
        let since = |earlier: &Option<ObservationView>| {
            Some(FigureChange::between(latest.as_ref()?, earlier.as_ref()?))
        };
        let (since_previous, since_year_before) = (since(&previous), since(&year_before));
        let FigureChange { change, percent: _, definition_changed } =
            since_previous.clone().unwrap_or_default();
        let Freshness { state, missing, due, days_late } = freshness;
        Self {
            indicator: definition.code.as_str().to_owned(),
            unit: Some(unit.into()),
            latest: latest.map(Into::into),
            previous: previous.map(Into::into),
            change: change.map(|it| it.to_string()),
            definition_changed,
            target: target.map(Into::into),
            attainment: attainment.map(judged),
            freshness: Some(pb::Freshness {
                state: state.number(),
                missing_period: missing.map_or_else(String::new, |it| it.to_string()),
                due_date: due.map_or_else(String::new, |it| it.to_string()),
                days_late,
                published_at,
            }),
            beside: beside.into_iter().map(Into::into).collect(),
            lacking,
            since_previous: since_previous.map(Into::into),
            year_before: year_before.map(Into::into),
            since_year_before: since_year_before.map(Into::into),
            // It is not kept with the cell: the encoder adds it where it is asked for.
            contributed: Vec::new(),
        }
    }
}

impl From<FigureChange> for pb::FigureChange {
    fn from(it: FigureChange) -> Self {
        let FigureChange { change, percent, definition_changed } = it;
        Self {
            change: change.map(|it| it.to_string()),
            percent: percent.map(|it| it.to_string()),
            definition_changed,
        }
    }
}

fn judged(judged: Judged) -> pb::Attainment {
    let Judged { attainment: Attainment { state, gap }, period, to_date, definition_changed } =
        judged;
    pb::Attainment {
        state: state.number(),
        judged_period: period.map_or_else(String::new, |it| it.to_string()),
        to_date,
        gap: gap.map(|it| it.to_string()),
        definition_changed,
    }
}

impl From<Computed<(Name, Vec<RolledUp>)>> for pb::RollUpResponse {
    fn from(computed: Computed<(Name, Vec<RolledUp>)>) -> Self {
        let Computed { revision, definition: _, forest, answer: (unit, figures) } = computed;
        let answer = |it: RolledUp| {
            let RolledUp { period, definition, sum, reported } = it;
            let definition_changed = sum.definition_changed;
            let (computed, coverage) = summed(&definition, &forest, sum);
            pb::RollUpFigure {
                period: period.to_string(),
                computed: Some(computed),
                coverage: Some(coverage),
                reported: reported.map(Into::into),
                definition_changed,
            }
        };
        Self {
            read_at: Some(revision.into()),
            unit: Some(unit.into()),
            figures: figures.into_iter().map(answer).collect(),
        }
    }
}

/// A sum as a figure: always computed, and without a value when nothing could be added.
fn summed(definition: &Definition, forest: &Forest, sum: Sum) -> (pb::Figure, pb::Coverage) {
    let Sum { reading, exact: _, coverage, definition_changed: _ } = sum;
    let unit_of_measure = definition.meaning.unit_of_measure.clone();
    let figure = match reading {
        None => pb::Figure {
            unit_of_measure,
            definition_version: definition.version,
            ..pb::Figure::default()
        },
        Some(reading) => {
            let computed = figure(&definition.meaning, reading, None, false);
            // Of a ratio the value is its quotient, and was rounded after it was computed, not before.
            let computed_value = computed.computed_value.and(computed.value.clone());
            let basis = Some(pb::FigureBasis::Computed.into());
            pb::Figure { basis, computed_value, ..computed }
        }
    };
    (figure, covered(forest, coverage))
}

fn covered(forest: &Forest, coverage: Coverage) -> pb::Coverage {
    let Coverage { complete, expected, reported, left_out, weight_share } = coverage;
    let state = match complete {
        true => pb::CoverageState::Complete,
        false => pb::CoverageState::Incomplete,
    };
    let int = |it: usize| i32::try_from(it).unwrap_or(i32::MAX);
    let left_out_total = int(left_out.len());
    let left_out = left_out.into_iter().take(MOST_NAMED).map(|it| {
        let LeftOut { unit_id, reason, period } = it;
        pb::LeftOutUnit {
            unit: Some(forest.name(unit_id).into()),
            reason: reason.number(),
            period: period.map_or_else(String::new, |it| it.to_string()),
        }
    });
    pb::Coverage {
        state: state.into(),
        expected: int(expected),
        reported: int(reported),
        left_out: left_out.collect(),
        left_out_total,
        weight_share: weight_share.map(|it| it.to_string()),
    }
}

impl From<Computed<Ranked>> for pb::RankUnitsResponse {
    fn from(computed: Computed<Ranked>) -> Self {
        let Computed { revision, definition: _, forest, answer } = computed;
        let Ranked { ranked, unranked, definition_changed } = answer;
        let answer = |it: RankedUnit| {
            let RankedUnit { rank, unit, definition, reported, sum } = it;
            let (figure, coverage) = match (reported, sum) {
                (_, Some(sum)) => {
                    let (figure, coverage) = summed(&definition, &forest, sum);
                    (Some(figure), Some(coverage))
                }
                (Some(reported), None) => (pb::Observation::from(reported).figure, None),
                (None, None) => (None, None),
            };
            pb::RankedUnit { rank, unit: Some(unit.into()), figure, coverage }
        };
        Self {
            read_at: Some(revision.into()),
            ranked: ranked.into_iter().map(answer).collect(),
            unranked: unranked.into_iter().map(answer).collect(),
            definition_changed,
        }
    }
}

impl From<AvailabilityCell> for pb::AvailabilityCell {
    fn from(availed: AvailabilityCell) -> Self {
        let AvailabilityCell { code, unit, period, lateness, first, status, lacking } = availed;
        let Lateness { state, due, days_late } = lateness;
        Self {
            indicator: code.as_str().to_owned(),
            unit: Some(unit.into()),
            period: period.to_string(),
            state: state.number(),
            due_date: due.to_string(),
            days_late,
            first_published_at: first.map(Into::into),
            status: status.map(|it| it.number()),
            lacking: lacking.iter().map(ToString::to_string).collect(),
        }
    }
}
