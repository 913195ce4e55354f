//! One dossier by its code. Look-ups that arrive together share a question.
//!
//! A dossier that is not shared with the caller must not be told from one that does not exist, by the time that the
//! answer takes either: both are asked for by the same statement, and whether a dossier may be known is decided before
//! anything of it is opened. A look-up reads no lists at all, and gets a row for each code, also where there is none.
use std::{collections::HashMap, sync::Arc};

use sea_orm::{
    ConnectionTrait, DbBackend, FromQueryResult, QueryFilter, QuerySelect, Statement, Value,
};

use super::{DossierNames, DossierSubject, events_json, is_visible, show, standing};
use crate::{
    batch::{Batcher, MANY},
    caller::Caller,
    db::list::one_of,
    dossier::{
        Dossier, DossierView, Event, State,
        history::{self, Standing},
        queries::{Get, LookUp},
        row::{self, dossier},
    },
    error::{Error, Result},
    hub::Hub,
    revision::{self, Consistency, Revision, View},
    time::{Day, Timestamp},
};

/// Look-ups of dossiers by code, at the newest revision.
#[derive(Debug)]
pub struct Lookups {
    whole: Batcher<String, FoundDossier>,
    brief: Batcher<String, LookedUp>,
}

/// Starts to answer look-ups: those that arrive while a query runs share the next one.
pub fn start(hub: &Hub) -> Arc<Lookups> {
    let reader = (hub.db.clone(), hub.revisions.clone());
    let brief = reader.clone();
    Arc::new(Lookups {
        // The view is picked after the look-ups came in, so that each sees what was committed before it was made.
        whole: Batcher::start(MANY, move |codes| {
            let (db, revisions) = reader.clone();
            async move {
                let view = revisions.latest();
                find_all(&db.at(view.position()), view, codes).await
            }
        }),
        brief: Batcher::start(MANY, move |codes| {
            let (db, revisions) = brief.clone();
            async move {
                let view = revisions.latest();
                look_up_all(&db.at(view.position()), view, codes).await
            }
        }),
    })
}

// === the whole ===

/// A dossier with all that is known of it at one revision, as it is kept.
#[derive(Clone, Debug)]
struct FoundDossier {
    view: View,
    whole: Whole,
}

/// A dossier's row, and what is found in the same question: when it was made, and its events as a list.
#[derive(Clone, Debug, FromQueryResult)]
struct Whole {
    #[sea_orm(nested)]
    dossier: dossier::Model,
    committed_at: Option<Timestamp>,
    events_json: Option<String>,
}

impl FoundDossier {
    fn is_visible(&self, caller: &Caller) -> bool {
        let it = &self.whole.dossier;
        let subject = DossierSubject {
            procedure_id: it.procedure_id,
            receiving_unit_id: it.receiving_unit_id,
            competent_unit_id: it.competent_unit_id,
            received_on: it.received_on,
        };
        is_visible(caller, it.source_id, subject)
    }

    /// The dossier, its events in their one order, and when its version was committed.
    fn open(self) -> Result<(Dossier, Vec<Event>, Timestamp)> {
        let Self { view, whole: Whole { dossier, committed_at, events_json } } = self;
        let dossier = Dossier::try_from(dossier)?;
        let mut events = row::read_events(events_json.as_deref().unwrap_or("[]"))?;
        events.sort_unstable_by(history::compare);
        Ok((dossier, events, committed_at.unwrap_or(view.revision.at)))
    }
}

/// The dossiers with these codes, whosever they are, in one question: see [`crate::batch`].
async fn find_all(
    db: &impl ConnectionTrait,
    view: View,
    codes: Vec<String>,
) -> Result<HashMap<String, FoundDossier>> {
    let backend = db.get_database_backend();
    let rows = standing(view.number())
        .filter(one_of(backend, dossier::Column::Code, codes)?)
        .column_as(revision::store::time_of(dossier::Column::MadeAt), "committed_at")
        .column_as(events_json(backend, view.number()), "events_json")
        .into_model::<Whole>()
        .all(db)
        .await?;
    let found = |whole: Whole| {
        let code = whole.dossier.code.as_str().to_owned();
        (code, FoundDossier { view, whole })
    };
    Ok(rows.into_iter().map(found).collect())
}

/// One dossier.
pub async fn get(
    hub: &Hub,
    dossiers: &Lookups,
    caller: &Caller,
    get: Get,
) -> Result<(Revision, DossierNames, DossierView)> {
    let Get { code, as_of, consistency } = get;
    let found = match view(hub, caller, consistency).await? {
        None => dossiers.whole.get(code.clone()).await?,
        Some(view) => {
            let db = hub.db.at(view.position());
            find_all(&db, view, vec![code.clone()]).await?.remove(&code)
        }
    };
    let found = found.filter(|it| it.is_visible(caller));
    let found = found.ok_or_else(|| Error::not_found("dossier", &code))?;
    let view = found.view;
    let (mut dossier, mut events, committed_at) = found.open()?;
    if let Some(as_of) = as_of {
        events.retain(|it| it.sent.occurred_at <= as_of);
        dossier.standing = history::standing(&history::steps(&events));
    }
    let times = HashMap::from([(dossier.made_at, committed_at)]);
    let has_remarks = events.iter().any(|it| !it.sent.note.is_empty());
    let shown = show(hub.db.vault(), caller, dossier, events, has_remarks)?;
    Ok((view.revision, DossierNames { times, ..DossierNames::open(hub, &view, &[]).await? }, shown))
}

/// The revision to read at, unless it is the newest: reads of that share one query.
async fn view(hub: &Hub, caller: &Caller, consistency: Consistency) -> Result<Option<View>> {
    match consistency {
        Consistency::Latest => Ok(None),
        Consistency::AtLeast(_) => {
            hub.revisions.view(caller, consistency).await?;
            Ok(None)
        }
        Consistency::Exactly(_) | Consistency::AsKnownAt(_) => {
            Ok(Some(hub.revisions.view(caller, consistency).await?))
        }
    }
}

// === what a look-up tells ===

/// How a dossier stands. There is no text in it.
#[derive(Clone, Copy, Debug)]
pub struct LookedUp {
    view: View,
    source_id: i64,
    /// The procedure.
    pub procedure_id: i64,
    /// The unit that received it.
    pub receiving_unit_id: i64,
    competent_unit_id: Option<i64>,
    received_on: Day,
    /// How it stands, by its events.
    pub standing: Standing,
}

/// What stands under a code, or that nothing does.
#[derive(FromQueryResult)]
struct Stands {
    asked: String,
    source_id: Option<i64>,
    procedure_id: Option<i64>,
    receiving_unit_id: Option<i64>,
    competent_unit_id: Option<i64>,
    state: Option<State>,
    submitted_at: Option<Timestamp>,
    accepted_at: Option<Timestamp>,
    due_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    returned_at: Option<Timestamp>,
    received_on: Option<Day>,
}

impl Stands {
    fn read(self, view: View) -> Option<(String, LookedUp)> {
        let Self {
            asked,
            source_id,
            procedure_id,
            receiving_unit_id,
            competent_unit_id,
            state,
            submitted_at,
            accepted_at,
            due_at,
            finished_at,
            returned_at,
            received_on,
        } = self;
        let standing = Standing {
            state,
            submitted_at,
            accepted_at,
            due_at,
            finished_at,
            returned_at,
            received_on,
        };
        let (source_id, procedure_id) = (source_id?, procedure_id?);
        let (receiving_unit_id, received_on) = (receiving_unit_id?, received_on?);
        Some((
            asked,
            LookedUp {
                view,
                source_id,
                procedure_id,
                receiving_unit_id,
                competent_unit_id,
                received_on,
                standing,
            },
        ))
    }
}

/// How the dossiers with these codes stand, whosever they are: a row for each code.
async fn look_up_all(
    db: &impl ConnectionTrait,
    view: View,
    codes: Vec<String>,
) -> Result<HashMap<String, LookedUp>> {
    let backend = db.get_database_backend();
    let (list, codes, [made, ended]) = match backend {
        DbBackend::Postgres => {
            ("unnest($1::text[]) AS asked (code)", Value::from(codes), ["$2", "$3"])
        }
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            let codes = serde_json::to_string(&codes).map_err(Error::internal)?;
            ("(SELECT value AS code FROM json_each(?)) AS asked", codes.into(), ["?", "?"])
        }
    };
    let sql = format!(
        "SELECT asked.code AS asked, d.source_id, d.procedure_id, d.receiving_unit_id, d.competent_unit_id, d.state, \
         d.submitted_at, d.accepted_at, d.due_at, d.finished_at, d.returned_at, d.received_on FROM {list} \
         LEFT JOIN dossier AS d ON d.code = asked.code AND d.made_at <= {made} \
         AND (d.superseded_at IS NULL OR d.superseded_at > {ended})"
    );
    let number = view.number();
    let values = [codes, number.into(), number.into()];
    let ask = Statement::from_sql_and_values(backend, sql, values);
    let rows = Stands::find_by_statement(ask).all(db).await?;
    Ok(rows.into_iter().filter_map(|it| it.read(view)).collect())
}

/// How one dossier stands, without personal data.
pub async fn look_up(
    hub: &Hub,
    dossiers: &Lookups,
    caller: &Caller,
    look_up: LookUp,
) -> Result<(Revision, DossierNames, String, LookedUp)> {
    let LookUp { code, consistency } = look_up;
    let found = match view(hub, caller, consistency).await? {
        None => dossiers.brief.get(code.clone()).await?,
        Some(view) => {
            let db = hub.db.at(view.position());
            look_up_all(&db, view, vec![code.clone()]).await?.remove(&code)
        }
    };
    let may_know = |it: &LookedUp| {
        let subject = DossierSubject {
            procedure_id: it.procedure_id,
            receiving_unit_id: it.receiving_unit_id,
            competent_unit_id: it.competent_unit_id,
            received_on: it.received_on,
        };
        is_visible(caller, it.source_id, subject)
    };
    let found = found.filter(may_know).ok_or_else(|| Error::not_found("dossier", &code))?;
    let view = found.view;
    Ok((view.revision, DossierNames::open(hub, &view, &[]).await?, code, found))
}
