//! Publishes observations and targets: finds what each entry is about, and checks what the definition asks of it.
use std::sync::Arc;

use super::{
    contribution::Contribution,
    keep::{Drafts, VersionDraft, keep},
    version_buffer::{Key, Version, want},
};
use crate::{
    caller::{
        Caller,
        agreement::{Operation, outside},
        policy,
    },
    decimal::Decimal,
    error::{Error, Reason, Result},
    hub::{BatchOptions, BatchOutcome, Hub, WriteOp},
    indicator::{
        Breakdown, Calendar, CellKey, Code, Comparison, Definition, Direction, Kind, Meaning,
        ObservationEntry, Provenance, Qualifier, Reading, Status, TargetEntry,
        definitions::Definitions,
        row::{observation, target},
    },
    load,
    period::Period,
    revision::{receipt::Receipt, unit_of_work::CommitBuffer, write::Write},
    time::{Day, Span, Timestamp},
    unit::{self, forest::Forest},
    wire::Fields,
};

/// What entries are checked against.
pub(super) struct Checks<'a> {
    caller: &'a Caller,
    definitions: Arc<Definitions>,
    pub(super) forest: Arc<Forest>,
}

impl<'a> Checks<'a> {
    /// With the reference data as a write sees it.
    pub(super) async fn open(hub: &Hub, write: &Write, caller: &'a Caller) -> Result<Self> {
        let definitions = hub.reference::<Definitions>(write).await?;
        Ok(Self { caller, definitions, forest: hub.reference::<Forest>(write).await? })
    }
}

impl Checks<'_> {
    /// Finds the indicator, and checks that the caller may publish it as its authoritative source.
    pub(super) fn definition(&self, code: &Code) -> Result<Arc<Definition>> {
        let definition = self.shared(code)?;
        if self.is_source(&definition) {
            Ok(definition)
        } else {
            Err(not_authoritative(&definition))
        }
    }

    /// Finds the indicator, and checks that the caller may publish it: as its authoritative source, or beside it.
    pub(super) fn of_any_source(&self, code: &Code) -> Result<Arc<Definition>> {
        let definition = self.shared(code)?;
        let may = self.is_source(&definition) || contributes(self.caller);
        if may { Ok(definition) } else { Err(not_authoritative(&definition)) }
    }

    /// Whether the caller is the authoritative source; else what it publishes is kept beside.
    pub(super) fn is_source(&self, definition: &Definition) -> bool {
        definition.meaning.authoritative_source == self.caller.system.code
    }

    /// Finds the indicator, if it is in the agreement.
    fn shared(&self, code: &Code) -> Result<Arc<Definition>> {
        let known = self.definitions.known_to(self.caller, code);
        let definition = Arc::clone(known.map_err(|err| err.at("indicator"))?);
        if !self.caller.sees_indicator(code.as_str()) {
            let right = self.caller.right(policy::Kind::Indicators, Operation::Publish)?;
            return Err(outside(&right.agreement, code.as_str()).at("indicator"));
        }
        Ok(definition)
    }

    /// Finds the unit, which must stand in the period.
    fn unit(&self, unit: &unit::Ref, period: Period, range: Span) -> Result<i64> {
        let unit = self.forest.resolve(unit, range.to, "unit")?;
        if !unit.span.overlaps(range) {
            let valid = unit::forest::spell(unit.span);
            let rule = format!("be valid in {period}; {} is valid {valid}", unit.name);
            return Err(Error::field("unit", rule));
        }
        self.must_cover(unit.id, &unit.name, range.to)?;
        Ok(unit.id)
    }

    /// Refuses a unit that the agreement does not cover on the day that is spoken of.
    pub(super) fn must_cover(&self, unit_id: i64, name: &str, day: Day) -> Result<()> {
        if self.caller.sees_unit(unit_id, day) {
            return Ok(());
        }
        let right = self.caller.right(policy::Kind::Indicators, Operation::Publish)?;
        Err(outside(&right.agreement, name).at("unit"))
    }
}

/// Whether the agreement that answers the call lets the caller contribute.
fn contributes(caller: &Caller) -> bool {
    let right = caller.rights.of(policy::Kind::Indicators);
    right.is_some_and(|it| it.agreement.terms.contributes)
}

/// The same words whatever is there.
fn not_authoritative(definition: &Definition) -> Error {
    let source = definition.meaning.authoritative_source.as_str();
    let what = format!("only `{source}` publishes `{}`", definition.code.as_str());
    Error::new(Reason::NotAuthoritative, what).with("source", source).at("indicator")
}

/// The unit, unless it or the rest of the entry is refused: then the fields of both are named at once.
fn both(unit: Result<i64>, rest: Result<()>) -> Result<i64> {
    match (unit, rest) {
        (Err(unit), Err(rest)) if unit.reason() == Reason::FieldInvalid => {
            Err(Error::fields([unit.violations(), rest.violations()].concat()))
        }
        (Ok(_), Err(rest)) => Err(rest),
        (unit, _) => unit,
    }
}

/// Entries of a batch that says ahead what it will look for, at most: a longer one asks for itself.
const FEW: usize = 200;

/// The keys that a write names ahead: of what the caller is the authoritative source of, and of what it contributes.
#[derive(Clone, Debug, Default)]
pub(super) struct KeysAhead {
    pub(super) own: Vec<Key>,
    contributed: Vec<Key>,
}

impl KeysAhead {
    /// Says ahead that it will be looked for observations under them.
    pub(super) fn want(&self, buffer: &mut CommitBuffer) {
        want::<observation::Model>(buffer, &self.own);
        if !self.contributed.is_empty() {
            want::<Contribution>(buffer, &self.contributed);
        }
    }
}

/// The keys that a few entries are about, as far as they can be told before it is their turn.
pub(super) async fn ahead<'a>(
    hub: &Hub,
    caller: &Caller,
    named: impl ExactSizeIterator<Item = Option<&'a CellKey>>,
) -> Result<KeysAhead> {
    let mut keys = KeysAhead::default();
    if named.len() <= FEW {
        let view = hub.revisions.latest();
        let (definitions, forest) =
            (hub.reference::<Definitions>(&view).await?, hub.reference::<Forest>(&view).await?);
        for cell in named.flatten() {
            let Ok(definition) = definitions.visible(caller, &cell.indicator) else { continue };
            let Some(key) = Key::of(definition, &forest, cell) else { continue };
            if definition.meaning.authoritative_source == caller.system.code {
                keys.own.push(key);
            } else if contributes(caller) {
                keys.contributed.push(Contribution::key_of(key, caller.system_id));
            }
        }
    }
    Ok(keys)
}

/// Publishes observations, in a commit with what others write.
pub async fn observations(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    entries: Vec<Result<ObservationEntry>>,
) -> Result<Receipt> {
    let named = entries.iter().map(|it| it.as_ref().ok().map(|it| &it.cell));
    let keys = ahead(hub, caller, named).await?;
    hub.write_batch(caller, ask, PublishObservations { keys, entries }).await
}

/// Publishes targets, likewise.
pub async fn targets(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    entries: Vec<Result<TargetEntry>>,
) -> Result<Receipt> {
    let named = entries.iter().map(|it| it.as_ref().ok().map(|it| &it.cell));
    let keys = ahead(hub, caller, named).await?.own;
    hub.write_batch(caller, ask, PublishTargets { keys, entries }).await
}

/// Publishes observations; `keys` are those that it names ahead.
#[derive(Clone)]
struct PublishObservations {
    keys: KeysAhead,
    entries: Vec<Result<ObservationEntry>>,
}

impl WriteOp for PublishObservations {
    const PUBLISHES: bool = true;
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        self.keys.want(buffer);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let checks = Checks::open(hub, write, by).await?;
        let mut cells = Vec::with_capacity(self.entries.len());
        let mut own: Drafts<observation::Model> = Vec::with_capacity(self.entries.len());
        let mut contributed: Drafts<Contribution> = Vec::new();
        for (index, entry) in self.entries.into_iter().enumerate() {
            let (cell, draft) = match entry {
                Ok(it) => checks.observation(write, it),
                Err(err) => (None, Err(err)),
            };
            cells.push(cell);
            match draft {
                Ok((definition, row)) if !checks.is_source(&definition) => {
                    contributed.push((index, Ok((definition, Contribution(row)))));
                }
                draft => own.push((index, draft)),
            }
        }
        let mut kept = keep(write, own).await?;
        if !contributed.is_empty() {
            kept = kept.and(keep(write, contributed).await?);
        }
        kept.named(write, by, observation::Model::LIST, cells).await
    }
}

impl load::Item for ObservationEntry {
    const LIST: &'static str = "observations";

    fn weight(&self) -> usize {
        1
    }

    async fn keep(
        hub: &Hub,
        write: &Write,
        caller: &Caller,
        items: Vec<Result<Self>>,
    ) -> Result<BatchOutcome> {
        PublishObservations { keys: KeysAhead::default(), entries: items }
            .run(hub, write, caller)
            .await
    }
}

/// Publishes targets; `keys` are those that it names ahead.
#[derive(Clone)]
struct PublishTargets {
    keys: Vec<Key>,
    entries: Vec<Result<TargetEntry>>,
}

impl WriteOp for PublishTargets {
    const PUBLISHES: bool = true;
    type Output = BatchOutcome;

    fn ahead(&self, buffer: &mut CommitBuffer) {
        want::<target::Model>(buffer, &self.keys);
    }

    async fn run(self, hub: &Hub, write: &Write, by: &Caller) -> Result<BatchOutcome> {
        let checks = Checks::open(hub, write, by).await?;
        let drafts = self.entries.into_iter().map(|it| match it {
            Ok(it) => checks.target(write, it),
            Err(err) => (None, Err(err)),
        });
        let (cells, drafts): (Vec<_>, Vec<_>) = drafts.unzip();
        let kept = keep(write, drafts.into_iter().enumerate().collect()).await?;
        kept.named(write, by, target::Model::LIST, cells).await
    }
}

impl Checks<'_> {
    fn observation(
        &self,
        write: &Write,
        entry: ObservationEntry,
    ) -> (Option<CellKey>, Result<VersionDraft<observation::Model>>) {
        let ObservationEntry {
            cell,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            provenance,
            correction_reason,
            released_on,
        } = entry;
        let draft = self.of_any_source(&cell.indicator).and_then(|definition| {
            let CellKey { indicator: _, unit, period, breakdown } = &cell;
            let period = definition.meaning.canonical(*period);
            let range = definition.meaning.range(period);
            let reading = Reading {
                value,
                numerator,
                denominator,
                qualifier,
                status,
                definition_version: definition.version,
            };
            let mut fields = Fields::default();
            check_cell(&mut fields, &definition.meaning, period, breakdown);
            check_reading(&mut fields, &definition, &reading);
            check_time(&mut fields, &definition.meaning, status, period);
            if as_of.is_some_and(|it| !range.contains(it)) {
                let rule = format!("lie inside the period, {} to {}", range.from, range.to);
                fields.refuse("as_of", rule);
            }
            if released_on.is_some_and(|it| it < range.from || it > Day::today()) {
                let rule =
                    format!("lie between the first day of the period, {}, and today", range.from);
                fields.refuse("released_on", rule);
            }
            let checked = fields.done(|| Some(()));
            let unit_id = both(self.unit(unit, period, range), checked)?;
            let inconsistent = contradicts(&reading, definition.meaning.scale.as_ref());
            let Provenance { channel, source_document, source_record, quote, as_written, note } =
                provenance;
            let Reading { value, numerator, denominator, qualifier, status, definition_version } =
                reading;
            let row = observation::Model {
                indicator_id: definition.id,
                unit_id,
                period_end: range.to,
                period,
                breakdown: breakdown.to_string(),
                made_at: write.revision.number,
                superseded_at: None,
                committed_at: write.revision.at,
                period_start: range.from,
                value,
                numerator,
                denominator,
                qualifier,
                status,
                as_of,
                inconsistent,
                definition_version,
                source_id: self.caller.system_id,
                channel,
                source_document,
                source_record,
                quote,
                as_written,
                note,
                correction_reason,
                withdrawal_reason: None,
                released_on,
            };
            Ok((definition, row))
        });
        (Some(cell), draft)
    }

    fn target(
        &self,
        write: &Write,
        entry: TargetEntry,
    ) -> (Option<CellKey>, Result<VersionDraft<target::Model>>) {
        let TargetEntry { cell, comparison, value, provenance } = entry;
        let draft = self.definition(&cell.indicator).and_then(|definition| {
            let CellKey { indicator: _, unit, period, breakdown } = &cell;
            let period = definition.meaning.canonical(*period);
            let range = definition.meaning.range(period);
            let wrong_way = match (definition.meaning.direction, comparison) {
                (Direction::MoreIsBetter, Comparison::AtMost | Comparison::LessThan)
                | (Direction::LessIsBetter, Comparison::AtLeast | Comparison::MoreThan) => true,
                (
                    Direction::MoreIsBetter | Direction::LessIsBetter | Direction::Neither,
                    Comparison::AtLeast
                    | Comparison::MoreThan
                    | Comparison::AtMost
                    | Comparison::LessThan
                    | Comparison::Qualitative,
                ) => false,
            };
            let mut fields = Fields::default();
            check_cell(&mut fields, &definition.meaning, period, breakdown);
            if wrong_way {
                fields.refuse("comparison", "go the way in which the indicator is better");
            }
            let checked = fields.done(|| Some(()));
            let unit_id = both(self.unit(unit, period, range), checked)?;
            let Provenance { channel, source_document, source_record, quote, as_written, note } =
                provenance;
            let row = target::Model {
                indicator_id: definition.id,
                unit_id,
                period_end: range.to,
                period,
                breakdown: breakdown.to_string(),
                made_at: write.revision.number,
                superseded_at: None,
                committed_at: write.revision.at,
                period_start: range.from,
                comparison,
                value,
                definition_version: definition.version,
                source_id: self.caller.system_id,
                channel,
                source_document,
                source_record,
                quote,
                as_written,
                note,
                withdrawal_reason: None,
            };
            Ok((definition, row))
        });
        (Some(cell), draft)
    }
}

/// What the definition asks of the period and of the breakdown.
fn check_cell(fields: &mut Fields, meaning: &Meaning, period: Period, breakdown: &Breakdown) {
    if period.is_shorter_than(meaning.frequency.kind()) {
        let rule = format!("not be shorter than the frequency, {}", meaning.frequency);
        fields.refuse("period", rule);
    }
    if let Err(rule) = meaning.dimensions.check(breakdown, meaning.range(period).to) {
        fields.refuse("breakdown", rule);
    }
}

/// What the calendar asks of the status: what has not ended is not final, and what has not begun is estimated.
fn check_time(fields: &mut Fields, meaning: &Meaning, status: Status, period: Period) {
    let range = meaning.range(period);
    let (begins, ends) = period.instants(meaning.calendar == Calendar::Report1514);
    let now = Timestamp::now();
    if begins > now && status != Status::Estimated {
        let rule = format!("be ESTIMATED: {period} begins on {}", range.from);
        fields.refuse("status", rule);
    } else if ends > now && status == Status::Final {
        let rule = format!("not be FINAL before {period} has ended, on {}", range.to);
        fields.refuse("status", rule);
    }
}

/// What the kind of the indicator asks of a reading.
fn check_reading(fields: &mut Fields, definition: &Definition, reading: &Reading) {
    let Reading { value, numerator, denominator, qualifier: _, status: _, definition_version: _ } =
        reading;
    let kind = definition.meaning.kind;
    if kind != Kind::Ratio {
        for (field, component) in [("numerator", numerator), ("denominator", denominator)] {
            if component.is_some() {
                fields.refuse(field, "be absent: only a ratio has components");
            }
        }
    }
    if reading.status.has_value() && value.is_none() {
        let computable = numerator.is_some() && denominator.is_some();
        if kind == Kind::Ratio && !computable {
            fields.refuse("value", "be given, unless both components are");
        } else if kind != Kind::Ratio {
            fields.refuse("value", "be given, unless the status says why there is none");
        }
    }
    if kind == Kind::Count
        && value.as_ref().is_some_and(|it| it.is_negative() || it.scale_digits() > 0)
    {
        fields.refuse("value", "be a whole number, not negative: the indicator is a count");
    }
}

/// Whether the value and the components contradict each other beyond the value's rounding.
fn contradicts(reading: &Reading, scale: Option<&Decimal>) -> bool {
    let (Some(value), Some(quotient)) = (&reading.value, reading.quotient(scale)) else {
        return false;
    };
    match reading.qualifier {
        Qualifier::Exact => !value.is_rounding_of(&quotient),
        Qualifier::MoreThan | Qualifier::AtLeast => quotient < *value,
        Qualifier::LessThan | Qualifier::AtMost => quotient > *value,
        Qualifier::About => false,
    }
}
