//! Counts of dossiers, from their events: pages of dossiers are read with their events, judged, and let go.
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{ColumnTrait, Condition, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{events_of, procedure_id, received_by, visible};
use crate::{
    caller::{
        Caller,
        agreement::{Agreement, Operation},
        policy::Kind,
    },
    dossier::{
        Longest, State, SubmissionChannel, SummaryDimension,
        catalogue::Catalogue,
        history::EventStep,
        national_766::{DossierCounts, Frame, SummaryRule, Verdict, judge, judge_received},
        queries::Summarize,
        row::{dossier, event},
        suppression::{MonthTable, PartialCounts, ShownMonth, Slice},
    },
    error::{Error, Reason, Result, Violation},
    hub::Hub,
    period::{Period, PeriodKind},
    revision::{Consistency, Revision, View},
    time::{Day, Span, Timestamp},
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
    /// The rule that made them.
    pub rule: SummaryRule,
    /// The period.
    pub period: Period,
    /// Up to when events count.
    pub counted_to: Timestamp,
    /// All of them.
    pub total: ShownCounts,
    /// Each group, in order; none when nothing was named to count by.
    pub groups: BTreeMap<Group, ShownCounts>,
}

/// Counts, as they are shown.
#[derive(Clone, Debug)]
pub enum ShownCounts {
    /// All of them.
    Whole(DossierCounts),
    /// Some of them are suppressed.
    Partial(PartialCounts),
}

impl From<PartialCounts> for ShownCounts {
    fn from(counts: PartialCounts) -> Self {
        counts.whole().map_or(Self::Partial(counts), Self::Whole)
    }
}

/// What is read of a dossier to judge it.
struct SummaryRow {
    id: i64,
    procedure_id: i64,
    case: String,
    unit_id: i64,
    channel: SubmissionChannel,
}

/// Which dossiers are counted, and how.
#[derive(Clone, Copy)]
struct Counting {
    rule: SummaryRule,
    days: Span,
    as_of: Timestamp,
    frame: Frame,
}

/// Year and month.
type Month = (i32, u32);

/// Counts dossiers.
pub async fn summarize(
    hub: &Hub,
    caller: &Caller,
    asked: Summarize,
) -> Result<(Revision, Arc<Forest>, Summary)> {
    let agreement = &caller.right(Kind::Dossiers, Operation::Read)?.agreement;
    let least = agreement.terms.min_cell.map(i64::from);
    if least.is_some() {
        refuse_unsafe(&asked, agreement)?;
    }
    let Summarize { rule, period, receiving_unit, procedure, channel, by, as_of, consistency } =
        asked;
    let usual = if least.is_some() { SummaryRule::Received } else { SummaryRule::National766 };
    let counting =
        Counting::new(rule.unwrap_or(usual), period, as_of.unwrap_or_else(Timestamp::now))?;
    let view = hub.revisions.view(caller, consistency).await?;
    let (forest, catalogue) =
        (hub.reference::<Forest>(&view).await?, hub.reference::<Catalogue>(&view).await?);
    let mut wanted = counting.candidates();
    let mut slice = Slice::Everything;
    if let Some(unit) = receiving_unit {
        let to = counting.days.to;
        let top = forest.resolve(&unit, to, "receiving_unit")?.id;
        let units = within(&forest, top, to);
        wanted =
            wanted.add(received_by(hub.db.at(view.position()).get_database_backend(), &units)?);
        slice = Slice::Units(units);
    }
    if let Some(code) = procedure {
        let id = procedure_id(hub, &view, &code).await?;
        wanted = wanted.add(dossier::Column::ProcedureId.eq(id));
        slice = Slice::Procedure(id);
    }
    if let Some(channel) = channel {
        wanted = wanted.add(came_in(channel));
        slice = Slice::Channel(channel);
    }
    let reader = SummaryReader { hub, caller, view: &view, catalogue: &catalogue, counting };
    let (total, groups) = match least {
        None => reader.count(wanted, &by).await?,
        Some(least) => reader.count_safely(least, &slice, &by).await?,
    };
    let (rule, counted_to) = (counting.rule, counting.frame.counted_to);
    Ok((view.revision, forest, Summary { rule, period, counted_to, total, groups }))
}

/// Refuses what the counts of an agreement that suppresses small ones are not safe for: see
/// [`suppression`](crate::dossier::suppression).
fn refuse_unsafe(asked: &Summarize, agreement: &Agreement) -> Result<()> {
    use SummaryDimension::{Channel, Month, Procedure, Unit};
    let Summarize { rule, period, receiving_unit, procedure, channel, by, as_of, consistency } =
        asked;
    let code = agreement.code.as_str();
    let mut bad = Vec::new();
    let mut refuse = |field: &str, rule: &str| {
        let rule = format!("{rule}: the agreement `{code}` suppresses small counts");
        bad.push(Violation::new(field, rule));
    };
    if *rule == Some(SummaryRule::National766) {
        refuse("rule", "be `national-766-received`, or empty");
    }
    let days = period.range(false);
    if !is_whole_months(days) || days.to.next().start() > Timestamp::now() {
        refuse("period", "be whole months that have ended");
    }
    if as_of.is_some() {
        refuse("as_of", "be left out");
    }
    match consistency {
        Consistency::Latest | Consistency::AtLeast(_) => {}
        Consistency::Exactly(_) | Consistency::AsKnownAt(_) => {
            refuse("consistency", "be `latest` or `at_least`");
        }
    }
    let mut filters: Vec<(String, SummaryDimension)> = Vec::new();
    let mut add = |is_given: bool, field: &str, dimension| {
        if is_given {
            filters.push((field.to_owned(), dimension));
        }
    };
    add(receiving_unit.is_some(), "receiving_unit", Unit);
    add(procedure.is_some(), "procedure", Procedure);
    add(channel.is_some(), "channel", Channel);
    for (i, dimension) in by.iter().enumerate() {
        add(*dimension != Month, &format!("by[{i}]"), *dimension);
    }
    if let Some((_, first)) = filters.first().cloned() {
        for (field, _) in filters.iter().filter(|(_, it)| *it != first) {
            refuse(field, "name no second one of unit, procedure and channel");
        }
    }
    if bad.is_empty() { Ok(()) } else { Err(Error::fields(bad)) }
}

fn is_whole_months(days: Span) -> bool {
    let is_first = |it: Day| it.ymd().2 == 1;
    is_first(days.from) && is_first(days.to.next())
}

impl Counting {
    fn new(rule: SummaryRule, period: Period, as_of: Timestamp) -> Result<Self> {
        let days = period.range(false);
        if rule == SummaryRule::Received && !is_whole_months(days) {
            return Err(Error::field("period", format!("be whole months under `{}`", rule.name())));
        }
        Ok(Self { rule, days, as_of, frame: Frame::new(days, as_of) })
    }

    /// The dossiers that may count. One that ended before the period, and stayed so, does not, unless the count stops
    /// before it ended.
    fn candidates(self) -> Condition {
        use dossier::Column::{AcceptedAt, FinishedAt, ReturnedAt};
        let Self { rule, days: _, as_of: _, frame } = self;
        let accepted = Condition::all().add(AcceptedAt.lt(frame.before));
        if rule == SummaryRule::Received {
            return accepted.add(AcceptedAt.gte(frame.from));
        }
        if frame.counted_to < frame.from {
            return accepted;
        }
        let open = |it: dossier::Column| Condition::any().add(it.is_null()).add(it.gte(frame.from));
        let returned = Condition::any().add(FinishedAt.is_not_null()).add(open(ReturnedAt));
        accepted.add(open(FinishedAt)).add(returned)
    }

    fn judge(self, steps: &[EventStep], longest: Option<Longest>) -> Option<Verdict> {
        match self.rule {
            SummaryRule::National766 => judge(self.frame, steps, longest),
            SummaryRule::Received => judge_received(self.days, self.as_of, steps, longest),
        }
    }

    fn months(self) -> Vec<Month> {
        let of = |it: Day| (it.ymd().0, it.ymd().1);
        let all = Period::ending_within(PeriodKind::Month, self.days, false);
        all.into_iter().map(|it| of(it.range(false).from)).collect()
    }
}

/// Reads the dossiers that count.
struct SummaryReader<'a> {
    hub: &'a Hub,
    caller: &'a Caller,
    view: &'a View,
    catalogue: &'a Catalogue,
    counting: Counting,
}

impl SummaryReader<'_> {
    /// Counts all that are wanted, and nothing is suppressed.
    async fn count(
        &self,
        wanted: Condition,
        by: &[SummaryDimension],
    ) -> Result<(ShownCounts, BTreeMap<Group, ShownCounts>)> {
        let (mut total, mut groups) = (DossierCounts::default(), BTreeMap::new());
        self.each(wanted, |row, verdict| {
            let online = row.channel == SubmissionChannel::Online;
            total.count(verdict, online);
            if by.is_empty() {
                return Ok(());
            }
            let group = group(by, self.catalogue, row, verdict.accepted_at);
            let counts: &mut DossierCounts = groups.entry(group).or_default();
            counts.count(verdict, online);
            not_too_many(groups.len())
        })
        .await?;
        let groups = groups.into_iter().map(|(group, it)| (group, ShownCounts::Whole(it)));
        Ok((ShownCounts::Whole(total), groups.collect()))
    }

    /// Counts all that the agreement opens, whatever is asked: what is shown of it does not depend on the question.
    async fn count_safely(
        &self,
        least: i64,
        slice: &Slice,
        by: &[SummaryDimension],
    ) -> Result<(ShownCounts, BTreeMap<Group, ShownCounts>)> {
        let months = self.counting.months().into_iter();
        let mut tables: BTreeMap<Month, _> = months.map(|it| (it, MonthTable::default())).collect();
        self.each(self.counting.candidates(), |row, verdict| {
            if let Some(table) = tables.get_mut(&verdict.accepted_at.month()) {
                table.count(row.unit_id, row.procedure_id, row.channel, verdict.bucket);
            }
            Ok(())
        })
        .await?;
        let months: BTreeMap<Month, ShownMonth> =
            tables.into_iter().map(|(month, it)| (month, it.shown(least))).collect();
        let sum = |slice: &Slice, which: Option<Month>| {
            let of = months.iter().filter(|(it, _)| which.is_none_or(|which| which == **it));
            let counts = of.map(|(_, it)| it.counts(slice));
            ShownCounts::from(counts.fold(PartialCounts::default(), |sum, it| sum.plus(&it)))
        };
        let mut groups = BTreeMap::new();
        for (month, shown) in &months {
            for (group, slice) in rows_of(shown, *month, slice, by, self.catalogue) {
                let which = group.month;
                groups.entry(group).or_insert_with(|| sum(&slice, which));
                not_too_many(groups.len())?;
            }
        }
        Ok((sum(slice, None), groups))
    }

    /// Judges each that counts of those that are wanted.
    async fn each(
        &self,
        wanted: Condition,
        mut count: impl FnMut(&SummaryRow, Verdict) -> Result<()>,
    ) -> Result<()> {
        let Self { hub, caller, view, catalogue, counting } = *self;
        let mut after = 0;
        loop {
            let rows = read(hub, caller, view, wanted.clone(), after).await?;
            let Some(last) = rows.last() else { return Ok(()) };
            after = last.id;
            let mut steps = read_steps(hub, view, &rows).await?;
            for row in rows {
                let steps = steps.remove(&row.id).unwrap_or_default();
                let longest = catalogue.get(row.procedure_id).and_then(|it| it.longest(&row.case));
                let Some(verdict) = counting.judge(&steps, longest) else { continue };
                count(&row, verdict)?;
            }
        }
    }
}

/// The groups of a month that can be shown each by its own, and what they are of.
fn rows_of(
    shown: &ShownMonth,
    month: Month,
    slice: &Slice,
    by: &[SummaryDimension],
    catalogue: &Catalogue,
) -> Vec<(Group, Slice)> {
    let counts = |it| by.contains(&it);
    let month = counts(SummaryDimension::Month).then_some(month);
    let none = Group { unit_id: None, procedure: None, channel: None, month };
    let of = |group: Group, of: Slice| (group, of);
    if counts(SummaryDimension::Unit) {
        let is_asked = |it: &i64| match slice {
            Slice::Units(units) => units.contains(it),
            Slice::Everything | Slice::Procedure(_) | Slice::Channel(_) => true,
        };
        let row = |id| of(Group { unit_id: Some(id), ..none.clone() }, Slice::Units([id].into()));
        return shown.units().filter(is_asked).map(row).collect();
    }
    if counts(SummaryDimension::Procedure) {
        let is_asked = |it: &i64| *slice == Slice::Everything || *slice == Slice::Procedure(*it);
        let code = |id| Some(catalogue.code_of(id));
        let row = |id| of(Group { procedure: code(id), ..none.clone() }, Slice::Procedure(id));
        return shown.procedures().filter(is_asked).map(row).collect();
    }
    if counts(SummaryDimension::Channel) {
        let is_asked =
            |it: &SubmissionChannel| *slice == Slice::Everything || *slice == Slice::Channel(*it);
        let row = |it| of(Group { channel: Some(it), ..none.clone() }, Slice::Channel(it));
        return shown.channels().filter(is_asked).map(row).collect();
    }
    let has_some = shown.counts(slice).received.is_some_and(|it| it > 0);
    let row = (month.is_some() && has_some).then(|| of(none, slice.clone()));
    row.into_iter().collect()
}

fn not_too_many(groups: usize) -> Result<()> {
    if groups <= MOST_GROUPS {
        return Ok(());
    }
    let what = format!("there are more than {MOST_GROUPS} groups; count by less, or count less");
    Err(Error::new(Reason::AnswerTooLarge, what))
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
