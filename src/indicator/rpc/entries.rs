//! Reads definitions, observations and targets to be published, or names every bad field of each.
use prost::Message;

use super::{Entries, dimensions::read_dimensions, keys::SentCell};
use crate::{
    caller::SystemCode,
    decimal::Decimal,
    error::{Error, ItemLists, Result},
    hub::BatchOptions,
    indicator::{
        Calendar, Channel, Code, Comparison, Define, Direction, Frequency, Kind, Meaning,
        ObservationEntry, Provenance, Qualifier, SharingLevel, Status, TargetEntry, TimeRule,
        UnitRule, group::DefineGroup, store::define::DefineIndicators,
    },
    limits::MOST_ITEMS,
    load::{
        Progress, Step,
        rpc::{Loaded, load_items, load_name},
    },
    pb,
    slug::Slug,
    unit::{Level, Tree},
    wire::{Fields, fingerprint},
};

impl TryFrom<pb::DefineIndicatorsRequest> for (BatchOptions, DefineIndicators) {
    type Error = Error;

    fn try_from(mut msg: pb::DefineIndicatorsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("DefineIndicators", &msg);
        let pb::DefineIndicatorsRequest {
            request_id,
            allow_partial,
            indicators,
            validate_only: _,
            groups,
        } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        fields.at_most("indicators", indicators.len() + groups.len(), MOST_ITEMS);
        fields.done(|| {
            let lists = ItemLists::Two("indicators", indicators.len(), "groups");
            let request_id = request_id?;
            let ask = BatchOptions { request_id, fingerprint, allow_partial, validate_only, lists };
            let indicators = indicators.into_iter().map(Define::try_from).collect();
            let groups = groups.into_iter().map(DefineGroup::try_from).collect();
            Some((ask, DefineIndicators { indicators, groups }))
        })
    }
}

impl TryFrom<pb::PublishObservationsRequest> for Entries<ObservationEntry> {
    type Error = Error;

    fn try_from(mut msg: pb::PublishObservationsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("PublishObservations", &msg);
        let pb::PublishObservationsRequest {
            request_id,
            allow_partial,
            observations,
            validate_only: _,
        } = msg;
        entries("observations", request_id, fingerprint, allow_partial, validate_only, observations)
    }
}

impl TryFrom<pb::PublishTargetsRequest> for Entries<TargetEntry> {
    type Error = Error;

    fn try_from(mut msg: pb::PublishTargetsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("PublishTargets", &msg);
        let pb::PublishTargetsRequest { request_id, allow_partial, targets, validate_only: _ } =
            msg;
        entries("targets", request_id, fingerprint, allow_partial, validate_only, targets)
    }
}

impl TryFrom<pb::IngestObservationsRequest> for Step<ObservationEntry> {
    type Error = Error;

    fn try_from(msg: pb::IngestObservationsRequest) -> Result<Self> {
        use pb::ingest_observations_request::Step as Sent;
        let bytes = msg.encoded_len();
        let pb::IngestObservationsRequest { step } = msg;
        match step {
            Some(Sent::Open(open)) => Ok(Self::Open(load_name(open)?)),
            Some(Sent::Batch(pb::ObservationBatch { first, observations })) => {
                Ok(Self::Items(load_items("observations", first, observations, 0, bytes)?))
            }
            None => Err(Error::field("step", "be `open` or `batch`")),
        }
    }
}

impl From<Progress> for pb::IngestObservationsResponse {
    fn from(progress: Progress) -> Self {
        use pb::ingest_observations_response::Step as Told;
        let step = match progress.into() {
            Loaded::Opened(it) => Told::Opened(it),
            Loaded::Acknowledged(it) => Told::Acknowledged(it),
        };
        Self { step: Some(step) }
    }
}

fn entries<M, E: TryFrom<M, Error = Error>>(
    list: &'static str,
    request_id: String,
    fingerprint: [u8; 32],
    allow_partial: bool,
    validate_only: bool,
    items: Vec<M>,
) -> Result<Entries<E>> {
    let mut fields = Fields::default();
    let request_id = fields.request_id(request_id);
    fields.at_most(list, items.len(), MOST_ITEMS);
    fields.done(|| {
        let ask = BatchOptions {
            request_id: request_id?,
            fingerprint,
            allow_partial,
            validate_only,
            lists: ItemLists::One(list),
        };
        Some((ask, items.into_iter().map(E::try_from).collect()))
    })
}

impl TryFrom<pb::Indicator> for Define {
    type Error = Error;

    fn try_from(msg: pb::Indicator) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::Indicator {
            code,
            name_vi,
            name_en,
            description,
            kind,
            unit_of_measure,
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
            version: _,
            revision: _,
            expected_revision,
            dimensions,
            group,
            display_order,
            decimals,
            description_en,
            unit_of_measure_en,
            continues,
            weight,
        } = msg;
        let expected = fields.expected_revision(expected_revision);
        let code = fields.read("code", Code::parse(&code));
        let name_vi = fields.some_text("name_vi", name_vi, 300);
        let name_en = fields.text("name_en", name_en, 300);
        let description = fields.text("description", description, 2_000);
        let kind = fields.word("kind", kind, Kind::of);
        let unit_of_measure = fields.some_text("unit_of_measure", unit_of_measure, 100);
        let scale = read_scale(&mut fields, kind, &scale);
        let direction = fields.word("direction", direction, Direction::of);
        let frequency = fields.word("frequency", frequency, Frequency::of);
        let calendar = fields.word("calendar", calendar, Calendar::of);
        let time_rule = fields.word("time_rule", time_rule, TimeRule::of);
        let unit_rule = fields.word("unit_rule", unit_rule, UnitRule::of);
        let is_ratio = kind == Some(Kind::Ratio);
        if !is_ratio && time_rule == Some(TimeRule::Ratio) {
            fields.refuse("time_rule", "be RATIO only for a ratio");
        }
        if !is_ratio && unit_rule == Some(UnitRule::Ratio) {
            fields.refuse("unit_rule", "be RATIO only for a ratio");
        }
        if is_ratio && unit_rule == Some(UnitRule::Sum) {
            fields.refuse("unit_rule", "not be SUM for a ratio: percentages do not add up");
        }
        if is_ratio && time_rule == Some(TimeRule::Sum) {
            fields.refuse("time_rule", "not be SUM for a ratio: percentages do not add up");
        }
        let numerator = fields.text("numerator", numerator, 500);
        let denominator = fields.text("denominator", denominator, 500);
        for (field, words) in [("numerator", &numerator), ("denominator", &denominator)] {
            if words.as_ref().is_some_and(|it| is_ratio == it.is_empty()) {
                fields.refuse(field, "be given in words for a ratio, and only for a ratio");
            }
        }
        let legal_basis = fields.text("legal_basis", legal_basis, 500);
        let owner_agency = fields.text("owner_agency", owner_agency, 200);
        let source = SystemCode::parse(&authoritative_source);
        let authoritative_source = fields.read("authoritative_source", source);
        if !(0..=366).contains(&due_days) {
            fields.refuse("due_days", "be 0 to 366");
        }
        let sharing_level = fields.maybe_word("sharing_level", sharing_level, SharingLevel::of);
        let collection_level = fields.word("collection_level", collection_level, Level::of);
        let tree = fields.word("tree", tree, Tree::of);
        if (collection_level, tree) == (Some(Level::Facility), Some(Tree::Territory)) {
            fields.refuse("collection_level", "not be FACILITY in the tree TERRITORY: it has none");
        }
        let description_en = fields.text("description_en", description_en, 2_000);
        let unit_of_measure_en = fields.text("unit_of_measure_en", unit_of_measure_en, 100);
        let dimensions = read_dimensions(&mut fields, kind, dimensions);
        let group = fields.maybe("group", &group, Slug::parse);
        if decimals.is_some_and(|it| !(0..=10).contains(&it)) {
            fields.refuse("decimals", "be 0 to 10");
        }
        let continues = fields.maybe("continues", &continues, Code::parse);
        let weight = fields.maybe("weight", &weight, Code::parse);
        if matches!(weight, Some(Some(_))) && unit_rule.is_some_and(|it| it != UnitRule::Mean) {
            fields.refuse("weight", "be empty, but for the unit rule MEAN");
        }
        fields.done(|| {
            let meaning = Meaning {
                name_vi: name_vi?,
                name_en: name_en?,
                description: description?,
                description_en: description_en?,
                kind: kind?,
                unit_of_measure: unit_of_measure?,
                unit_of_measure_en: unit_of_measure_en?,
                scale: scale?,
                direction: direction?,
                frequency: frequency?,
                calendar: calendar?,
                time_rule: time_rule?,
                unit_rule: unit_rule?,
                numerator: numerator?,
                denominator: denominator?,
                legal_basis: legal_basis?,
                owner_agency: owner_agency?,
                authoritative_source: authoritative_source?,
                due_days,
                sharing_level: sharing_level?,
                collection_level: collection_level?,
                tree: tree?,
                retired,
                dimensions: dimensions?,
                group: group?,
                display_order,
                decimals,
                continues: continues?,
                weight: weight?,
            };
            Some(Self { code: code?, meaning, expected: expected? })
        })
    }
}

fn read_scale(fields: &mut Fields, kind: Option<Kind>, text: &str) -> Option<Option<Decimal>> {
    match (kind, text) {
        (Some(Kind::Ratio), text) => {
            let scale = fields.read("scale", Decimal::parse(text))?;
            if scale <= Decimal::zero() {
                fields.refuse("scale", "be above 0");
            }
            Some(Some(scale))
        }
        (Some(Kind::Count | Kind::Amount | Kind::Score) | None, "") => Some(None),
        (Some(Kind::Count | Kind::Amount | Kind::Score) | None, _) => {
            fields.refuse("scale", "be empty, but for a ratio");
            None
        }
    }
}

impl TryFrom<pb::ObservationEntry> for ObservationEntry {
    type Error = Error;

    fn try_from(msg: pb::ObservationEntry) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::ObservationEntry {
            indicator,
            unit,
            period,
            breakdown,
            value,
            numerator,
            denominator,
            qualifier,
            status,
            as_of,
            provenance,
            correction_reason,
            released_on,
        } = msg;
        let sent = SentCell { indicator, unit, period, breakdown };
        let cell = sent.read(&mut fields);
        let value = decimal(&mut fields, "value", value.as_deref());
        let numerator = decimal(&mut fields, "numerator", numerator.as_deref());
        let denominator = decimal(&mut fields, "denominator", denominator.as_deref());
        if matches!(&denominator, Some(Some(it)) if it.is_zero()) {
            fields.refuse("denominator", "not be 0");
        }
        if matches!((&numerator, &denominator), (Some(None), Some(Some(_)))) {
            fields.refuse("denominator", "come with a numerator");
        }
        let qualifier = fields.word_or("qualifier", qualifier, Qualifier::of, Qualifier::Exact);
        let status = fields.word("status", status, Status::of);
        if status.is_some_and(|it| !it.has_value()) {
            let given =
                [("value", &value), ("numerator", &numerator), ("denominator", &denominator)];
            for (field, number) in given {
                if matches!(number, Some(Some(_))) {
                    fields.refuse(field, "be absent: the status says that there is no value");
                }
            }
            if qualifier.is_some_and(|it| it != Qualifier::Exact) {
                fields.refuse("qualifier", "be absent: the status says that there is no value");
            }
        }
        let as_of = fields.day("as_of", &as_of);
        let provenance = provenance_of(&mut fields, provenance);
        let correction_reason = fields.text("correction_reason", correction_reason, 500);
        let released_on = fields.day("released_on", &released_on);
        let read = fields.done(|| {
            Some(Self {
                cell: cell?,
                value: value?,
                numerator: numerator?,
                denominator: denominator?,
                qualifier: qualifier?,
                status: status?,
                as_of: as_of?,
                provenance: provenance?,
                correction_reason: correction_reason?,
                released_on: released_on?,
            })
        });
        read.map_err(|err| sent.refused(err))
    }
}

impl TryFrom<pb::TargetEntry> for TargetEntry {
    type Error = Error;

    fn try_from(msg: pb::TargetEntry) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::TargetEntry { indicator, unit, period, comparison, value, provenance, breakdown } =
            msg;
        let sent = SentCell { indicator, unit, period, breakdown };
        let cell = sent.read(&mut fields);
        let comparison = fields.word("comparison", comparison, Comparison::of);
        let value = decimal(&mut fields, "value", value.as_deref());
        let is_qualitative = comparison == Some(Comparison::Qualitative);
        if comparison.is_some() && value.as_ref().is_some_and(|it| it.is_some() == is_qualitative) {
            fields.refuse("value", "be given, but for a qualitative target");
        }
        let provenance = provenance_of(&mut fields, provenance);
        let read = fields.done(|| {
            Some(Self {
                cell: cell?,
                comparison: comparison?,
                value: value?,
                provenance: provenance?,
            })
        });
        read.map_err(|err| sent.refused(err))
    }
}

fn decimal(fields: &mut Fields, field: &str, text: Option<&str>) -> Option<Option<Decimal>> {
    match text {
        None => Some(None),
        Some(text) => fields.read(field, Decimal::parse(text)).map(Some),
    }
}

fn provenance_of(fields: &mut Fields, msg: Option<pb::Provenance>) -> Option<Provenance> {
    let pb::Provenance {
        source_system: _,
        channel,
        source_document,
        source_record,
        quote,
        as_written,
        note,
    } = msg.unwrap_or_default();
    fields.within("provenance", |fields| {
        let channel = fields.maybe_word("channel", channel, Channel::of);
        let source_document = fields.text("source_document", source_document, 500);
        let source_record = fields.text("source_record", source_record, 200);
        let quote = fields.text("quote", quote, 2_000);
        let as_written = fields.text("as_written", as_written, 200);
        let note = fields.text("note", note, 1_000);
        Some(Provenance {
            channel: channel?,
            source_document: source_document?,
            source_record: source_record?,
            quote: quote?,
            as_written: as_written?,
            note: note?,
        })
    })
}
