//! `FeedService` on the wire: open, ask, answer.
use std::{collections::BTreeSet, sync::Arc, time::Duration};

use tonic::Request;

use super::{
    Acknowledge, Change, DossierFilter, Filter, From, Happened, IndicatorFilter, ListConsumers,
    Message, Part, Resync, SharedPart, Thing, Watch, store, tail::Tail, watch,
};
use crate::{
    caller::{Caller, Pattern},
    dossier::{self, ProcedureCode},
    error::{Error, Reply, Result},
    hub::Hub,
    indicator::{
        rpc::{
            questions::breakdown_filter,
            rows::{observation_key, target_key},
        },
        store::changes::IndicatorChangeView,
    },
    pb,
    slots::Slots,
    time::Timestamp,
    unit,
    unit::wire::UnitFields,
    wire::{Fields, Streamed, done, fingerprint, open, reply, stream},
};

/// The service.
#[derive(Clone, Debug)]
pub struct Rpc {
    /// The hub.
    pub hub: Arc<Hub>,
    /// The changes of the newest revisions.
    pub tail: Arc<Tail>,
    /// Concurrent watches.
    pub watches: Arc<Slots>,
}

/// Starts the service, which follows the newest revisions.
pub fn start(hub: &Arc<Hub>) -> Rpc {
    let watches = Slots::new(hub.limits.watches, hub.limits.watches_each);
    let tail = Tail::start(hub.db.clone(), hub.revisions.follow(), Arc::clone(&watches));
    Rpc { hub: Arc::clone(hub), tail, watches }
}

#[tonic::async_trait]
impl pb::feed_service_server::FeedService for Rpc {
    type WatchStream = Streamed<pb::WatchResponse>;

    async fn watch(&self, req: Request<pb::WatchRequest>) -> Reply<Self::WatchStream> {
        let (caller, asked) = open(req)?;
        let messages = watch::watch(self, caller, asked).await?;
        stream(messages)
    }

    async fn acknowledge(
        &self,
        req: Request<pb::AcknowledgeRequest>,
    ) -> Reply<pb::AcknowledgeResponse> {
        let (caller, asked) = open(req)?;
        let (newest, revisions_behind) = store::acknowledge(&self.hub, &caller, asked).await?;
        done(pb::AcknowledgeResponse { newest: Some(newest.into()), revisions_behind })
    }

    async fn list_consumers(
        &self,
        req: Request<pb::ListConsumersRequest>,
    ) -> Reply<pb::ListConsumersResponse> {
        let (caller, list) = open(req)?;
        let (newest, page) = store::consumers(&self.hub, &caller, list).await?;
        let consumer = |it: store::Consumer| {
            let store::Consumer { system, row, next_at } = it;
            let waits = next_at.map(|it| Timestamp::now().micros() - it.micros());
            pb::FeedConsumer {
                system,
                consumer: row.consumer,
                revision: row.revision,
                acknowledged_at: Some(row.acknowledged_at.into()),
                revisions_behind: (newest.number - row.revision).max(0),
                seconds_behind: waits.map_or(0, |it| it.max(0) / 1_000_000),
            }
        };
        reply(pb::ListConsumersResponse {
            consumers: page.items.into_iter().map(consumer).collect(),
            newest: Some(newest.into()),
            next_page_token: page.next,
        })
    }
}

// === words in ===

/// Most filters of one watch.
const MOST_FILTERS: usize = 20;

impl TryFrom<pb::WatchRequest> for Watch {
    type Error = Error;

    fn try_from(mut msg: pb::WatchRequest) -> Result<Self> {
        use pb::watch_request::From as Start;
        let from = msg.from.take();
        let pb::WatchRequest { filters, from: _, bookmark_seconds } = msg;
        let mut fields = Fields::default();
        let asked = pb::WatchRequest { filters, from: None, bookmark_seconds: 0 };
        let question = fingerprint("Watch", &asked);
        let filters = read_filters(&mut fields, asked.filters);
        let from = match from {
            None | Some(Start::Now(true)) => Some(From::Now),
            Some(Start::Beginning(true)) => Some(From::Beginning),
            Some(Start::ResumeToken(token)) => {
                fields.some_text("resume_token", token, 4_000).map(From::Token)
            }
            Some(Start::Now(false)) => {
                fields.refuse("now", "be true");
                None
            }
            Some(Start::Beginning(false)) => {
                fields.refuse("beginning", "be true");
                None
            }
        };
        let seconds = match bookmark_seconds {
            0 => Some(5),
            1..=15 => u64::try_from(bookmark_seconds).ok(),
            _ => {
                fields.refuse("bookmark_seconds", "be 1 to 15, or 0 for 5");
                None
            }
        };
        fields.done(|| {
            let bookmark = Duration::from_secs(seconds?);
            Some(Self { filters: filters?, question, from: from?, bookmark })
        })
    }
}

fn read_filters(fields: &mut Fields, filters: Vec<pb::WatchFilter>) -> Option<Vec<Filter>> {
    use pb::watch_filter::About;
    if filters.is_empty() {
        fields.refuse("filters", "hold at least one filter");
        return None;
    }
    fields.at_most("filters", filters.len(), MOST_FILTERS)?;
    let read = filters.into_iter().enumerate().map(|(i, pb::WatchFilter { about })| {
        fields.within(&format!("filters[{i}]"), |fields| match about {
            None => {
                fields.refuse("about", "say what to follow");
                None
            }
            Some(About::Indicators(it)) => {
                fields.within("indicators", |fields| read_indicators(fields, it))
            }
            Some(About::Dossiers(it)) => {
                fields.within("dossiers", |fields| read_dossiers(fields, it))
            }
            Some(About::Procedures(pb::ProcedureFilter {})) => Some(Filter::Procedures),
            Some(About::Units(pb::UnitFilter {})) => Some(Filter::Units),
        })
    });
    read.collect::<Vec<_>>().into_iter().collect()
}

fn read_indicators(fields: &mut Fields, filter: pb::IndicatorFilter) -> Option<Filter> {
    let pb::IndicatorFilter { indicators, units, with_descendants, parts, breakdowns } = filter;
    let breakdowns = breakdown_filter(fields, breakdowns);
    fields.at_most("indicators", indicators.len(), 100)?;
    let patterns: Vec<_> = indicators
        .iter()
        .enumerate()
        .map(|(i, it)| fields.read(&format!("indicators[{i}]"), Pattern::parse(it)))
        .collect();
    if with_descendants && units.is_empty() {
        fields.refuse("with_descendants", "come with `units`");
    }
    let units = fields.units("units", units, 1_000);
    let all = [Part::Definitions, Part::Observations, Part::Targets];
    let part = |number| match pb::IndicatorPart::try_from(number) {
        Ok(pb::IndicatorPart::Definitions) => Some(Part::Definitions),
        Ok(pb::IndicatorPart::Observations) => Some(Part::Observations),
        Ok(pb::IndicatorPart::Targets) => Some(Part::Targets),
        Ok(pb::IndicatorPart::Unspecified) | Err(_) => None,
    };
    let named: Vec<_> = parts
        .iter()
        .enumerate()
        .map(|(i, it)| fields.word(&format!("parts[{i}]"), *it, part))
        .collect();
    let parts: Option<BTreeSet<_>> = named.into_iter().collect();
    Some(Filter::Indicators(IndicatorFilter {
        patterns: patterns.into_iter().collect::<Option<_>>()?,
        units: units?,
        with_descendants,
        parts: parts.map(|it| if it.is_empty() { all.into() } else { it })?,
        breakdowns: breakdowns?,
    }))
}

fn read_dossiers(fields: &mut Fields, filter: pb::DossierFilter) -> Option<Filter> {
    let pb::DossierFilter { receiving_unit, procedure } = filter;
    let receiving_unit = fields.maybe_unit("receiving_unit", receiving_unit);
    let procedure = match procedure.as_str() {
        "" => Some(None),
        code => fields.read("procedure", ProcedureCode::parse(code)).map(Some),
    };
    Some(Filter::Dossiers(DossierFilter { receiving_unit: receiving_unit?, procedure: procedure? }))
}

impl TryFrom<pb::AcknowledgeRequest> for Acknowledge {
    type Error = Error;

    fn try_from(msg: pb::AcknowledgeRequest) -> Result<Self> {
        let pb::AcknowledgeRequest { consumer, resume_token } = msg;
        let mut fields = Fields::default();
        let consumer = fields.text("consumer", consumer, 64);
        let token = fields.some_text("resume_token", resume_token, 4_000);
        fields.done(|| Some(Self { consumer: consumer?, token: token? }))
    }
}

impl TryFrom<pb::ListConsumersRequest> for ListConsumers {
    type Error = Error;

    fn try_from(mut msg: pb::ListConsumersRequest) -> Result<Self> {
        let page = msg.page.take();
        let mut fields = Fields::default();
        let page = fields.page(page, "ListConsumers", &msg);
        fields.done(|| Some(Self { page: page? }))
    }
}

// === rows out ===

impl std::convert::From<Message> for pb::WatchResponse {
    fn from(message: Message) -> Self {
        use pb::watch_response::Message as Out;
        let message = match message {
            Message::Changes { changes, names, caller, through, token } => {
                let changes = changes.into_iter().filter_map(|it| change(&names, &caller, it));
                Out::Changes(pb::FeedChanges {
                    changes: changes.collect(),
                    through: through.map(Into::into),
                    resume_token: token,
                })
            }
            Message::Bookmark { through, token, checkpoint } => Out::Bookmark(pb::FeedBookmark {
                through: Some(through.into()),
                resume_token: token,
                sent_at: Some(Timestamp::now().into()),
                checkpoint: checkpoint.as_ref().to_owned(),
            }),
            Message::Resync { reason, floor, token } => {
                let reason = match reason {
                    Resync::Compacted => pb::FeedResyncReason::Compacted,
                    Resync::Restored => pb::FeedResyncReason::Restored,
                };
                Out::Resync(pb::FeedResync {
                    reason: reason.into(),
                    retention_floor: floor,
                    resume_token: token,
                })
            }
        };
        Self { message: Some(message) }
    }
}

fn change(names: &watch::ChangeNames, caller: &Caller, change: Change) -> Option<pb::FeedChange> {
    use pb::{FeedChangeType as ChangeType, feed_change::Subject};
    let mut withdrawal_reason = String::new();
    let (revision, kind, subject) = match change {
        Change::Thing(happened, thing) => {
            let revision = thing.revision();
            thing.withdrawal_reason().unwrap_or_default().clone_into(&mut withdrawal_reason);
            let (kind, subject) = match happened {
                Happened::State => (ChangeType::State, subject(names, caller, &thing)?),
                Happened::Set => (ChangeType::Set, subject(names, caller, &thing)?),
                Happened::Left => (ChangeType::Left, key(names, &thing)?),
            };
            (revision, kind, subject)
        }
        Change::Access(revision, shared, is_gained) => {
            use pb::access_change::About;
            let about = match shared {
                SharedPart::Indicator(code) => About::Indicator(code.as_str().to_owned()),
                SharedPart::Dossiers => About::Dossiers(true),
                SharedPart::PersonalData => About::PersonalData(true),
                SharedPart::Scope => About::Scope(true),
            };
            let kind = if is_gained { ChangeType::AccessGained } else { ChangeType::AccessLost };
            (revision, kind, Subject::Access(pb::AccessChange { about: Some(about) }))
        }
    };
    let (kind, subject) = (kind.into(), Some(subject));
    Some(pb::FeedChange { revision, r#type: kind, subject, withdrawal_reason })
}

fn subject(
    names: &watch::ChangeNames,
    caller: &Caller,
    thing: &Thing,
) -> Option<pb::feed_change::Subject> {
    use pb::feed_change::Subject;
    Some(match thing {
        Thing::Unit(it) => {
            Subject::Unit(unit::rpc::answer(&names.indicators.forest, it.as_ref().clone()))
        }
        Thing::Procedure(it) => Subject::Procedure(it.procedure.clone().into()),
        Thing::Dossier(it) => {
            let shown = it.shown(&names.vault, caller);
            // Personal data that cannot be opened is sent as withheld, and the watch goes on.
            let shown = shown.unwrap_or_else(|err| it.withheld(&err));
            Subject::Dossier(dossier::rpc::answer(&names.dossiers, shown))
        }
        Thing::Indicator(it) => match it.told(&names.indicators)? {
            IndicatorChangeView::Definition(it) => {
                Subject::Indicator(Arc::unwrap_or_clone(it).into())
            }
            IndicatorChangeView::Observation(it) => Subject::Observation((*it).into()),
            IndicatorChangeView::Target(it) => Subject::Target((*it).into()),
        },
    })
}

/// The key alone, of a thing that left a watch.
fn key(names: &watch::ChangeNames, thing: &Thing) -> Option<pb::feed_change::Subject> {
    use pb::feed_change::Subject;
    match thing {
        Thing::Dossier(it) => {
            let code = it.dossier.code.as_str().to_owned();
            Some(Subject::Dossier(pb::Dossier { code, ..pb::Dossier::default() }))
        }
        Thing::Procedure(it) => {
            let code = it.procedure.code.as_str().to_owned();
            Some(Subject::Procedure(pb::Procedure { code, ..pb::Procedure::default() }))
        }
        Thing::Indicator(it) => match it.told(&names.indicators)? {
            IndicatorChangeView::Observation(it) => {
                Some(Subject::Observation(observation_key(*it)))
            }
            IndicatorChangeView::Target(it) => Some(Subject::Target(target_key(*it))),
            IndicatorChangeView::Definition(_) => None,
        },
        Thing::Unit(_) => None,
    }
}
