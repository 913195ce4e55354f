//! Queries about dossiers.
pub mod changes;
pub mod erase;
pub mod export;
pub mod look_up;
pub mod procedures;
pub mod publish;
pub mod summary;
mod texts;
mod visible;
pub mod withdraw;

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use self::visible::{DossierSubject, is_inside_whole, is_visible, visible};
use super::{
    Dossier, DossierView, Event, ProcedureCode, State,
    catalogue::Catalogue,
    row::{self, dossier, event},
};
use crate::{
    caller::{Caller, agreement::not_in_full, directory::Directory},
    db::list::among,
    dossier::queries::{Filter, List},
    error::{Error, Result},
    hub::Hub,
    page::Paged,
    personal::{Applicant, Kind, Personal, Tier, vault::Vault},
    revision::{self, Revision, View, versioned},
    time::{Day, Timestamp},
    unit::forest::Forest,
};

/// Every dossier that stood at a revision: for [`visible()`], and for writes, which must know who owns a code.
fn standing(number: i64) -> sea_orm::Select<dossier::Entity> {
    versioned::standing(number)
}

/// Also the superseded versions: for the feed, which checks each watch's rights itself.
fn every_version(number: i64) -> sea_orm::Select<dossier::Entity> {
    versioned::every(number)
}

/// The one door to events: those that were known at a revision, of dossiers that came through their own door.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn events_of(
    dossiers: impl IntoIterator<Item = i64>,
    number: i64,
) -> sea_orm::Select<event::Entity> {
    use event::Column::{DossierId, MadeAt};
    event::Entity::find().filter(DossierId.is_in(dossiers)).filter(MadeAt.lte(number))
}

/// The same door, for events that are read as one value beside their dossier: [`row::read_events`] reads it.
fn events_json(backend: DbBackend, number: i64) -> SimpleExpr {
    let (list, place) = match backend {
        DbBackend::Postgres => ("json_agg(json_build_array", "$1"),
        DbBackend::Sqlite | DbBackend::MySql | _ => ("json_group_array(json_array", "?"),
    };
    let events = format!(
        "(SELECT CAST({list}({})) AS TEXT) FROM dossier_event e \
         WHERE e.dossier_id = dossier.id AND e.made_at + 0 <= {place})",
        row::KEPT_EVENT
    );
    Expr::cust_with_values(events, [number])
}

/// The names that dossiers refer to, at one revision.
#[derive(Debug)]
pub struct DossierNames {
    /// Units.
    pub forest: Arc<Forest>,
    /// Procedures.
    pub catalogue: Arc<Catalogue>,
    /// Systems.
    pub directory: Arc<Directory>,
    /// When the revisions in the answer were committed.
    pub times: HashMap<i64, Timestamp>,
}

impl DossierNames {
    /// Opens them.
    pub async fn open(hub: &Hub, view: &View, dossiers: &[DossierView]) -> Result<Self> {
        let made: BTreeSet<_> = dossiers.iter().map(|it| it.dossier.made_at).collect();
        let mut times = HashMap::new();
        if !made.is_empty() {
            times = revision::store::times(&hub.db.at(view.position()), made).await?;
        }
        Ok(Self {
            forest: hub.reference::<Forest>(view).await?,
            catalogue: hub.reference::<Catalogue>(view).await?,
            directory: hub.reference::<Directory>(view).await?,
            times,
        })
    }
}

/// A dossier as the caller may see it. `has_remarks` says whether some event of it has a remark.
fn show(
    vault: &Vault,
    caller: &Caller,
    mut dossier: Dossier,
    mut events: Vec<Event>,
    has_remarks: bool,
) -> Result<DossierView> {
    let tier = caller.tier();
    if tier == Tier::None {
        return Ok(without(dossier, events, has_remarks));
    }
    let sealed = dossier.header.applicant.take();
    let code = dossier.code.as_str();
    let open = |it: Personal| Applicant::read(it.opened(vault, &applicant_of(code))?);
    let applicant = sealed.map(open).transpose()?;
    texts::open(&mut dossier.header, vault, code)?;
    for event in &mut events {
        event.sent.note = event.sent.note.opened(vault, &note_of(code))?;
    }
    Ok(DossierView { dossier, applicant, events, tier, withheld: false })
}

/// A dossier without personal data.
fn without(mut dossier: Dossier, mut events: Vec<Event>, has_remarks: bool) -> DossierView {
    let has_texts = dossier.header.drop_texts();
    let withheld = dossier.header.applicant.take().is_some() || has_texts || has_remarks;
    for event in &mut events {
        event.sent.note = Personal::default();
    }
    DossierView { dossier, applicant: None, events, tier: Tier::None, withheld }
}

/// What the applicant of a dossier is sealed for.
fn applicant_of(code: &str) -> String {
    format!("applicant of {code}")
}

/// What the remarks of a dossier are sealed for.
fn note_of(code: &str) -> String {
    format!("note of {code}")
}

/// A page of dossiers.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: List,
) -> Result<(Revision, DossierNames, Paged<DossierView>)> {
    let List { filter, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let wanted = DossierSelection::open(hub, caller, view, filter).await?;
    let (names, items, more) = wanted.page(hub, caller, after, page.size()).await?;
    let next = match items.last() {
        Some(last) if more => page.token(&hub.mark(caller, &view), last.dossier.code.as_str()),
        _ => String::new(),
    };
    Ok((view.revision, names, Paged { items, next }))
}

/// The dossiers that a question is about, at one revision.
pub(super) struct DossierSelection {
    pub(super) view: View,
    units: Option<BTreeSet<i64>>,
    procedure_id: Option<i64>,
    state: Option<State>,
    accepted_from: Option<Timestamp>,
    accepted_before: Option<Timestamp>,
    applicant: Option<(Kind, String)>,
}

impl DossierSelection {
    pub(super) async fn open(
        hub: &Hub,
        caller: &Caller,
        view: View,
        filter: Filter,
    ) -> Result<Self> {
        let Filter { receiving_unit, procedure, state, accepted_from, accepted_before, applicant } =
            filter;
        let applicant = match applicant {
            // A caller that sees masked data could guess the value behind the mask.
            Some(_) if caller.tier() != Tier::Full => {
                return Err(not_in_full().at("applicant"));
            }
            Some(it) => Some((it.kind, hub.db.vault().digest(&it)?)),
            None => None,
        };
        let mut units = None;
        if let Some(unit) = receiving_unit {
            let forest = hub.reference::<Forest>(&view).await?;
            let top = forest.resolve(&unit, Day::today(), "receiving_unit")?.id;
            let mut all = forest.ever_below(top);
            all.insert(top);
            units = Some(all);
        }
        let procedure_id = match procedure {
            Some(code) => Some(procedure_id(hub, &view, &code).await?),
            None => None,
        };
        Ok(Self { view, units, procedure_id, state, accepted_from, accepted_before, applicant })
    }

    /// Those after a code, by code, as the caller may see them; and whether there are more.
    pub(super) async fn page(
        &self,
        hub: &Hub,
        caller: &Caller,
        after: Option<String>,
        size: usize,
    ) -> Result<(DossierNames, Vec<DossierView>, bool)> {
        use dossier::Column::{AcceptedAt, Code, ProcedureId, State};
        let vault = hub.db.vault();
        let view = &self.view;
        let db = hub.db.at(view.position());
        let backend = db.get_database_backend();
        let mut rows = visible(backend, caller, view.number())?;
        if let Some(units) = &self.units {
            rows = rows.filter(received_by(backend, units)?);
        }
        if let Some(id) = self.procedure_id {
            rows = rows.filter(ProcedureId.eq(id));
        }
        if let Some(state) = self.state {
            rows = rows.filter(State.eq(state));
        }
        if let Some(since) = self.accepted_from {
            rows = rows.filter(AcceptedAt.gte(since));
        }
        if let Some(before) = self.accepted_before {
            rows = rows.filter(AcceptedAt.lt(before));
        }
        if let Some((kind, digest)) = &self.applicant {
            rows = rows.filter(digest_of(*kind).eq(digest));
        }
        rows = rows.filter(Code.gt(after.unwrap_or_default()));
        let limit = u64::try_from(size).unwrap_or(u64::MAX).saturating_add(1);
        let mut rows = rows.order_by_asc(Code).limit(limit).all(&db).await?;
        let more = rows.len() > size;
        rows.truncate(size);
        let remarked = with_remarks(hub, caller, view, rows.iter().map(|it| it.id)).await?;
        let items = rows
            .into_iter()
            .map(|row| {
                let has_remarks = remarked.contains(&row.id);
                show(vault, caller, row.try_into()?, Vec::new(), has_remarks)
            })
            .collect::<Result<Vec<_>>>()?;
        Ok((DossierNames::open(hub, view, &items).await?, items, more))
    }
}

/// The column of the digest of a kind.
fn digest_of(kind: Kind) -> dossier::Column {
    match kind {
        Kind::Phone => dossier::Column::PhoneDigest,
        Kind::Email => dossier::Column::EmailDigest,
        Kind::IdentityNumber | Kind::Name | Kind::Address | Kind::FreeText => {
            dossier::Column::IdentityDigest
        }
    }
}

/// Received by one of these units. Of many units, most rows are wanted, in the order of the answer: then their index
/// must not be taken, and the sum keeps it from being taken.
fn received_by(backend: DbBackend, units: &BTreeSet<i64>) -> Result<SimpleExpr> {
    of_units(backend, dossier::Column::ReceivingUnitId, units)
}

fn of_units(
    backend: DbBackend,
    column: dossier::Column,
    units: &BTreeSet<i64>,
) -> Result<SimpleExpr> {
    let unit = Expr::col((dossier::Entity, column));
    let all = units.iter().copied();
    if units.len() > FEW_UNITS {
        return among(backend, unit.add(0_i64), all);
    }
    Ok(unit.is_in(all))
}

/// Which of these dossiers have remarks; empty for a caller that may read them.
async fn with_remarks(
    hub: &Hub,
    caller: &Caller,
    view: &View,
    dossiers: impl IntoIterator<Item = i64>,
) -> Result<BTreeSet<i64>> {
    if caller.tier() != Tier::None {
        return Ok(BTreeSet::new());
    }
    let ids: Vec<i64> = events_of(dossiers, view.number())
        .filter(event::Column::Note.ne(""))
        .select_only()
        .column(event::Column::DossierId)
        .distinct()
        .into_tuple()
        .all(&hub.db.at(view.position()))
        .await?;
    Ok(ids.into_iter().collect())
}

async fn procedure_id(hub: &Hub, view: &View, code: &ProcedureCode) -> Result<i64> {
    let catalogue = hub.reference::<Catalogue>(view).await?;
    let known = catalogue.by_code(code.as_str());
    known
        .map(|it| it.id)
        .ok_or_else(|| Error::not_found("procedure", code.as_str()).at("procedure"))
}

/// So many units are few: their dossiers are found by unit.
const FEW_UNITS: usize = 16;
/// So many ids, or codes, are asked for in one statement.
const CHUNK: usize = 5_000;
