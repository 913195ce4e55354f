//! `UnitService` on the wire: open, ask, answer.
use std::sync::Arc;

use tonic::Request;

use super::{
    CodeSpan, Entry, Get, Level, List, Name, ParentEntry, ParentSpan, Publish, Scheme, Succession,
    SuccessionEntry, SuccessionKind, Trace, Transfer, Tree, Unit, forest::Forest, parse_code,
    store,
};
use crate::{
    decimal::Decimal,
    error::{Error, ItemLists, Reply, Result},
    fold::{self, fold},
    hub::{BatchOptions, Hub, held::HeldRequest, row::held_change::HeldKind},
    limits::MOST_ITEMS,
    pb,
    time::{Day, Span},
    unit::wire::UnitFields,
    wire::{Fields, done, fingerprint, open, reply},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
}

#[tonic::async_trait]
impl pb::unit_service_server::UnitService for Rpc {
    async fn get_unit(&self, req: Request<pb::GetUnitRequest>) -> Reply<pb::GetUnitResponse> {
        let (caller, get) = open(req)?;
        let (read_at, forest, unit) = store::get(&self.hub, &caller, get).await?;
        let unit = Some(answer(&forest, unit));
        reply(pb::GetUnitResponse { read_at: Some(read_at.into()), unit })
    }

    async fn list_units(&self, req: Request<pb::ListUnitsRequest>) -> Reply<pb::ListUnitsResponse> {
        let (caller, list) = open(req)?;
        let (read_at, forest, page) = store::list(&self.hub, &caller, list).await?;
        reply(pb::ListUnitsResponse {
            read_at: Some(read_at.into()),
            units: page.items.into_iter().map(|it| answer(&forest, it)).collect(),
            next_page_token: page.next,
        })
    }

    async fn trace_unit(&self, req: Request<pb::TraceUnitRequest>) -> Reply<pb::TraceUnitResponse> {
        let (caller, trace) = open(req)?;
        let (read_at, forest, unit, lineage) = store::trace(&self.hub, &caller, trace).await?;
        let name = |id| Name::into(forest.name(id));
        reply(pb::TraceUnitResponse {
            read_at: Some(read_at.into()),
            heirs: lineage
                .heirs
                .into_iter()
                .map(|(id, transfer, received)| pb::Heir {
                    unit: Some(name(id)),
                    transfer: transfer.number(),
                    received: received.into_iter().map(name).collect(),
                })
                .collect(),
            containers: lineage.containers.into_iter().map(name).collect(),
            steps: lineage.steps.into_iter().map(|it| step(&forest, it)).collect(),
            unit: Some(answer(&forest, unit)),
        })
    }

    async fn publish_units(
        &self,
        req: Request<pb::PublishUnitsRequest>,
    ) -> Reply<pb::PublishUnitsResponse> {
        let request = HeldRequest::of(HeldKind::Units, req.get_ref());
        let (caller, (ask, publish)): (_, (BatchOptions, Publish)) = open(req)?;
        let receipt = self.hub.write_or_hold(&caller, ask, publish, request).await?;
        done(pb::PublishUnitsResponse { receipt: Some(receipt.into()) })
    }
}

// === words in ===

impl TryFrom<pb::GetUnitRequest> for Get {
    type Error = Error;

    fn try_from(pb::GetUnitRequest { unit, consistency }: pb::GetUnitRequest) -> Result<Self> {
        let mut fields = Fields::default();
        let unit = fields.unit("unit", unit);
        let consistency = fields.consistency(consistency);
        fields.done(|| Some(Self { unit: unit?, consistency: consistency? }))
    }
}

impl TryFrom<pb::ListUnitsRequest> for List {
    type Error = Error;

    fn try_from(mut msg: pb::ListUnitsRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListUnits", &msg);
        let pb::ListUnitsRequest {
            date,
            level,
            below,
            tree,
            name,
            children_only,
            page: _,
            consistency,
            text,
        } = msg;
        let date = fields.day("date", &date);
        let level = fields.maybe_word("level", level, Level::of);
        if children_only && below.is_none() {
            fields.refuse("children_only", "come with `below`");
        }
        let below = fields.maybe_unit("below", below);
        let tree = fields.word_or("tree", tree, Tree::of, Tree::Territory);
        let name = fields.text("name", name, 100);
        let text = read_text(&mut fields, text);
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            Some(Self {
                date: date?.unwrap_or_else(Day::today),
                level: level?,
                below: below?,
                tree: tree?,
                name: fold(name?.trim()),
                text: text?,
                children_only,
                page: page?,
                consistency: consistency?,
            })
        })
    }
}

/// The words of a search.
fn read_text(fields: &mut Fields, text: String) -> Option<Vec<String>> {
    let text = fields.text("text", text, 100)?;
    let words = fold::words(&text);
    if words.is_empty() && !text.is_empty() {
        fields.refuse("text", "hold a letter or a digit");
    }
    Some(words)
}

impl TryFrom<pb::TraceUnitRequest> for Trace {
    type Error = Error;

    fn try_from(msg: pb::TraceUnitRequest) -> Result<Self> {
        let pb::TraceUnitRequest { unit, date, consistency } = msg;
        let mut fields = Fields::default();
        let unit = fields.unit("unit", unit);
        let date = fields.day("date", &date);
        let consistency = fields.consistency(consistency);
        fields.done(|| {
            let date = date?.unwrap_or_else(Day::today);
            Some(Self { unit: unit?, date, consistency: consistency? })
        })
    }
}

impl TryFrom<pb::PublishUnitsRequest> for (BatchOptions, Publish) {
    type Error = Error;

    fn try_from(mut msg: pb::PublishUnitsRequest) -> Result<Self> {
        let validate_only = std::mem::take(&mut msg.validate_only);
        let fingerprint = fingerprint("PublishUnits", &msg);
        let pb::PublishUnitsRequest {
            request_id,
            allow_partial,
            units,
            successions,
            validate_only: _,
        } = msg;
        let mut fields = Fields::default();
        let request_id = fields.request_id(request_id);
        fields.at_most("units", units.len() + successions.len(), MOST_ITEMS);
        fields.done(|| {
            let lists = ItemLists::Two("units", units.len(), "successions");
            let ask = BatchOptions {
                request_id: request_id?,
                fingerprint,
                allow_partial,
                validate_only,
                lists,
            };
            let units = units.into_iter().map(Entry::try_from).collect();
            let successions = successions.into_iter().map(SuccessionEntry::try_from).collect();
            Some((ask, Publish { units, successions }))
        })
    }
}

impl TryFrom<pb::UnitEntry> for Entry {
    type Error = Error;

    fn try_from(msg: pb::UnitEntry) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::UnitEntry {
            id,
            level,
            name,
            valid_from,
            valid_before,
            codes,
            parents,
            expected_revision,
        } = msg;
        if id < 0 {
            fields.refuse("id", "not be negative");
        }
        let level = fields.word("level", level, Level::of);
        let name = fields.some_text("name", name, 200);
        let expected = fields.expected_revision(expected_revision);
        let span = read_span(&mut fields, &valid_from, &valid_before);
        fields.at_most("codes", codes.len(), 20);
        if codes.is_empty() {
            fields.refuse("codes", "hold at least one code");
        }
        let codes: Vec<_> = codes
            .into_iter()
            .enumerate()
            .map(|(i, it)| {
                let pb::UnitCodeSpan { scheme, code, valid_from, valid_before } = it;
                fields.within(&format!("codes[{i}]"), |fields| {
                    let scheme = fields.read("scheme", Scheme::parse(&scheme));
                    let code = fields.read("code", parse_code(&code));
                    if let (Some(level), Some(scheme), Some(code)) = (level, &scheme, &code)
                        && *scheme == Scheme::gso()
                    {
                        check_gso(fields, level, code);
                    }
                    let span = read_span(fields, &valid_from, &valid_before);
                    Some(CodeSpan { scheme: scheme?, code: code?, span: span? })
                })
            })
            .collect();
        fields.at_most("parents", parents.len(), 20);
        let parents: Vec<_> = parents
            .into_iter()
            .enumerate()
            .map(|(i, it)| {
                let pb::UnitParentEntry { tree, parent, valid_from, valid_before } = it;
                fields.within(&format!("parents[{i}]"), |fields| {
                    let tree = fields.word("tree", tree, Tree::of);
                    let parent = fields.unit("parent", parent);
                    let span = read_span(fields, &valid_from, &valid_before);
                    Some(ParentEntry { tree: tree?, parent: parent?, span: span? })
                })
            })
            .collect();
        fields.done(|| {
            Some(Self {
                id: (id > 0).then_some(id),
                level: level?,
                name: name?,
                span: span?,
                codes: codes.into_iter().collect::<Option<_>>()?,
                parents: parents.into_iter().collect::<Option<_>>()?,
                expected: expected?,
            })
        })
    }
}

/// A code of territory has as many digits as its level says.
fn check_gso(fields: &mut Fields, level: Level, code: &str) {
    let (digits, whose) = match level {
        Level::Province => (2, "province"),
        Level::District => (3, "district"),
        Level::Commune => (5, "commune"),
        Level::Agency | Level::Facility => {
            let rule = "be `agency` or the code of a registered system: only provinces, districts and communes bear \
                        codes of `gso`";
            return fields.refuse("scheme", rule);
        }
    };
    if code.len() != digits || !code.bytes().all(|it| it.is_ascii_digit()) {
        fields.refuse("code", format!("be {digits} digits: the `gso` code of a {whose}"));
    }
}

fn read_span(fields: &mut Fields, from: &str, before: &str) -> Option<Span> {
    let (from, before) = (fields.day("valid_from", from), fields.end_day("valid_before", before));
    let to = before?.map_or(Day::LAST, Day::previous);
    let span = Span { from: from?.unwrap_or(Day::FIRST), to };
    if span.is_empty() {
        fields.refuse("valid_before", "lie after `valid_from`");
    }
    Some(span)
}

impl TryFrom<pb::SuccessionEntry> for SuccessionEntry {
    type Error = Error;

    fn try_from(msg: pb::SuccessionEntry) -> Result<Self> {
        let mut fields = Fields::of(&msg);
        let pb::SuccessionEntry {
            predecessor,
            successor,
            kind,
            effective_date,
            transfer,
            weight,
            weight_basis,
            legal_act,
            source,
        } = msg;
        let predecessor = fields.unit("predecessor", predecessor);
        let successor = fields.maybe_unit("successor", successor);
        let kind = fields.word("kind", kind, SuccessionKind::of);
        if kind == Some(SuccessionKind::Abolition) && successor != Some(None) {
            fields.refuse("successor", "be absent for an abolition");
        }
        if kind.is_some_and(|it| it != SuccessionKind::Abolition) && successor == Some(None) {
            fields.refuse("successor", "name a unit, but for an abolition");
        }
        let effective = fields.read("effective_date", Day::parse(&effective_date));
        let transfer = fields.word("transfer", transfer, Transfer::of);
        let source = fields.text("source", source, 500);
        let weight = read_weight(&mut fields, &weight, &weight_basis, source.as_deref());
        if weight.as_ref().is_some_and(Option::is_some) && transfer == Some(Transfer::Whole) {
            fields.refuse("weight", "be empty where all of the unit goes");
        }
        let legal_act = fields.text("legal_act", legal_act, 200);
        fields.done(|| {
            Some(Self {
                predecessor: predecessor?,
                successor: successor?,
                kind: kind?,
                effective: effective?,
                transfer: transfer?,
                weight: weight?,
                weight_basis,
                legal_act: legal_act?,
                source: source?,
            })
        })
    }
}

fn read_weight(
    fields: &mut Fields,
    weight: &str,
    basis: &str,
    source: Option<&str>,
) -> Option<Option<Decimal>> {
    if weight.is_empty() {
        if !basis.is_empty() {
            fields.refuse("weight_basis", "be empty without a weight");
        }
        return Some(None);
    }
    if !["population", "households", "area"].contains(&basis) {
        fields.refuse("weight_basis", "be `population`, `households` or `area`");
    }
    if source.is_some_and(str::is_empty) {
        fields.refuse("source", "say where the weight comes from");
    }
    let weight = fields.read("weight", Decimal::parse(weight))?;
    if weight <= Decimal::zero() || weight > Decimal::from_int(1) {
        fields.refuse("weight", "be above 0 and at most 1");
    }
    Some(Some(weight))
}

// === rows out ===

pub(crate) fn answer(forest: &Forest, unit: Unit) -> pb::Unit {
    let code = |CodeSpan { scheme, code, span }: CodeSpan| pb::UnitCodeSpan {
        scheme: scheme.as_str().to_owned(),
        code,
        valid_from: span.from.to_string(),
        valid_before: span.to.next().to_string(),
    };
    let implied = forest.implied_parents(&unit);
    let Unit { id, level, name, span, codes, parents, made_at } = unit;
    let parent = |ParentSpan { tree, parent_id, span }: ParentSpan| pb::UnitParent {
        tree: tree.number(),
        parent: Some(forest.name(parent_id).into()),
        valid_from: span.from.to_string(),
        valid_before: span.to.next().to_string(),
    };
    pb::Unit {
        id,
        level: level.number(),
        name,
        valid_from: span.from.to_string(),
        valid_before: span.to.next().to_string(),
        codes: codes.into_iter().map(code).collect(),
        parents: parents.into_iter().map(&parent).collect(),
        revision: made_at,
        implied_parents: implied.into_iter().map(parent).collect(),
    }
}

fn step(forest: &Forest, succession: Succession) -> pb::Succession {
    let Succession {
        predecessor_id,
        successor_id,
        effective,
        kind,
        transfer,
        weight,
        weight_basis,
        legal_act,
        source,
    } = succession;
    pb::Succession {
        predecessor: Some(forest.name(predecessor_id).into()),
        successor: successor_id.map(|it| forest.name(it).into()),
        kind: kind.number(),
        effective_date: effective.to_string(),
        transfer: transfer.number(),
        weight: weight.map_or_else(String::new, |it| it.to_string()),
        weight_basis,
        legal_act,
        source,
    }
}
