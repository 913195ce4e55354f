//! Counts of dossiers, from their events: pages of dossiers are read with their events, judged, and let go.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{events_of, procedure_id, received_by, visible};
use crate::{
    caller::Caller,
    dossier::{
        State, SubmissionChannel, SummaryDimension,
        catalogue::Catalogue,
        history::EventStep,
        national_766::{DossierCounts, Frame, judge},
        queries::Summarize,
        row::{dossier, event},
    },
    error::{Error, Reason, Result},
    hub::Hub,
    period::Period,
    revision::{Revision, View},
    time::{Day, Timestamp},
    unit::{Tree, forest::Forest},
};

/// Groups in one answer, at most.
const MOST_GROUPS: usize = 10_000;
/// Dossiers that are read at once.
const AT_ONCE: u64 = 2_000;

/// By what a group is counted, in the order of answers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The receiving unit.
    pub unit_id: Option<i64>,
    /// National code of the procedure.
    pub procedure: Option<String>,
    /// The channel.
    pub channel: Option<SubmissionChannel>,
    /// Year and month of acceptance.
    pub month: Option<(i32, u32)>,
}

/// Counts of dossiers.
#[derive(Debug)]
pub struct Summary {
    /// The period.
    pub period: Period,
    /// Up to when events count.
    pub counted_to: Timestamp,
    /// All of them.
    pub total: DossierCounts,
    /// Each group, in order; none when nothing was named to count by.
    pub groups: BTreeMap<Group, DossierCounts>,
}

/// What is read of a dossier to judge it.
struct SummaryRow {
    id: i64,
    procedure_id: i64,
    case: String,
    unit_id: i64,
    channel: SubmissionChannel,
}

/// Counts dossiers.
pub async fn summarize(
    hub: &Hub,
    caller: &Caller,
    asked: Summarize,
) -> Result<(Revision, Arc<Forest>, Summary)> {
    let Summarize { period, receiving_unit, procedure, channel, by, as_of, consistency } = asked;
    let view = hub.revisions.view(caller, consistency).await?;
    let (forest, catalogue) =
        (hub.reference::<Forest>(&view).await?, hub.reference::<Catalogue>(&view).await?);
    let days = period.range(false);
    let frame = Frame::new(days, as_of.unwrap_or_else(Timestamp::now));
    let mut wanted = candidates(frame);
    if let Some(unit) = receiving_unit {
        let top = forest.resolve(&unit, days.to, "receiving_unit")?.id;
        let units = within(&forest, top, days.to);
        wanted =
            wanted.add(received_by(hub.db.at(view.position()).get_database_backend(), &units)?);
    }
    if let Some(code) = procedure {
        let id = procedure_id(hub, &view, &code).await?;
        wanted = wanted.add(dossier::Column::ProcedureId.eq(id));
    }
    wanted = wanted.add_option(channel.map(came_in));
    let (mut total, mut groups) = (DossierCounts::default(), BTreeMap::new());
    let mut after = 0;
    loop {
        let rows = read(hub, caller, &view, wanted.clone(), after).await?;
        let Some(last) = rows.last() else { break };
        after = last.id;
        let mut steps = read_steps(hub, &view, &rows).await?;
        for row in rows {
            let steps = steps.remove(&row.id).unwrap_or_default();
            let longest = catalogue.get(row.procedure_id).and_then(|it| it.longest(&row.case));
            let Some(verdict) = judge(frame, &steps, longest) else { continue };
            let online = row.channel == SubmissionChannel::Online;
            total.count(verdict, online);
            if by.is_empty() {
                continue;
            }
            let group = group(&by, &catalogue, &row, verdict.accepted_at);
            let counts: &mut DossierCounts = groups.entry(group).or_default();
            counts.count(verdict, online);
            if groups.len() > MOST_GROUPS {
                let what = format!(
                    "there are more than {MOST_GROUPS} groups; count by less, or count less"
                );
                return Err(Error::new(Reason::AnswerTooLarge, what));
            }
        }
    }
    let counted_to = frame.counted_to;
    Ok((view.revision, forest, Summary { period, counted_to, total, groups }))
}

/// The dossiers that may count. One that ended before the period, and stayed so, does not, unless the count stops
/// before it ended.
fn candidates(frame: Frame) -> Condition {
    use dossier::Column::{AcceptedAt, FinishedAt, ReturnedAt};
    let accepted = Condition::all().add(AcceptedAt.lt(frame.before));
    if frame.counted_to < frame.from {
        return accepted;
    }
    let open = |it: dossier::Column| Condition::any().add(it.is_null()).add(it.gte(frame.from));
    let returned = Condition::any().add(FinishedAt.is_not_null()).add(open(ReturnedAt));
    accepted.add(open(FinishedAt)).add(returned)
}

/// Those that came in by a channel; the rule counts what is not stated as in person.
fn came_in(channel: SubmissionChannel) -> Condition {
    let stated = dossier::Column::Channel.eq(channel);
    match channel {
        SubmissionChannel::InPerson => {
            Condition::any().add(stated).add(dossier::Column::Channel.is_null())
        }
        SubmissionChannel::Online | SubmissionChannel::Postal => Condition::all().add(stated),
    }
}

/// A unit, and all that are below it on a day: in its territory, or in its administration.
fn within(forest: &Forest, top: i64, day: Day) -> BTreeSet<i64> {
    let mut found = BTreeSet::from([top]);
    let mut next = vec![top];
    while let Some(id) = next.pop() {
        for tree in [Tree::Territory, Tree::Administration] {
            let below = forest.children(id, tree, day);
            next.extend(below.into_iter().filter(|it| found.insert(*it)));
        }
    }
    found
}

async fn read(
    hub: &Hub,
    caller: &Caller,
    view: &View,
    wanted: Condition,
    after: i64,
) -> Result<Vec<SummaryRow>> {
    use dossier::Column::{Channel as Came, Id, ProcedureCase, ProcedureId, ReceivingUnitId};
    let db = hub.db.at(view.position());
    let rows: Vec<(i64, i64, String, i64, Option<SubmissionChannel>)> =
        visible(db.get_database_backend(), caller, view.number())?
            .filter(wanted)
            .filter(Id.gt(after))
            .select_only()
            .columns([Id, ProcedureId, ProcedureCase, ReceivingUnitId, Came])
            .order_by_asc(Id)
            .limit(AT_ONCE)
            .into_tuple()
            .all(&db)
            .await?;
    let row =
        |(id, procedure_id, case, unit_id, channel): (_, _, _, _, Option<SubmissionChannel>)| {
            let channel = channel.unwrap_or(SubmissionChannel::InPerson);
            SummaryRow { id, procedure_id, case, unit_id, channel }
        };
    Ok(rows.into_iter().map(row).collect())
}

/// What happened to these dossiers, in the one order of events.
async fn read_steps(
    hub: &Hub,
    view: &View,
    rows: &[SummaryRow],
) -> Result<HashMap<i64, Vec<EventStep>>> {
    use event::Column::{DossierId, DueAt, Identity, OccurredAt, State as Came};
    let read: Vec<(i64, Timestamp, State, Option<Timestamp>)> =
        events_of(rows.iter().map(|it| it.id), view.number())
            .select_only()
            .columns([DossierId, OccurredAt, Came, DueAt])
            .order_by_asc(DossierId)
            .order_by_asc(OccurredAt)
            .order_by_asc(Came)
            .order_by_asc(Identity)
            .into_tuple()
            .all(&hub.db.at(view.position()))
            .await?;
    let mut steps: HashMap<i64, Vec<EventStep>> = HashMap::with_capacity(rows.len());
    for (id, at, state, due_at) in read {
        steps.entry(id).or_default().push(EventStep { at, state, due_at });
    }
    Ok(steps)
}

fn group(
    by: &[SummaryDimension],
    catalogue: &Catalogue,
    row: &SummaryRow,
    accepted_at: Timestamp,
) -> Group {
    let counts = |it| by.contains(&it);
    Group {
        unit_id: counts(SummaryDimension::Unit).then_some(row.unit_id),
        procedure: counts(SummaryDimension::Procedure).then(|| catalogue.code_of(row.procedure_id)),
        channel: counts(SummaryDimension::Channel).then_some(row.channel),
        month: counts(SummaryDimension::Month).then(|| accepted_at.month()),
    }
}
