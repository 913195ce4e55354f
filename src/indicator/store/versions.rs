//! Lists the versions of one observation.
use std::{cmp::Reverse, collections::BTreeSet, sync::Arc};

use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::ExprTrait,
};

use super::{
    contribution::{Contribution, SourcedRow},
    every_contribution, every_version,
    read::{Names, ObservationView, limit},
};
use crate::{
    caller::Caller,
    error::{Error, Result},
    hub::Hub,
    indicator::{
        Definition,
        definitions::Definitions,
        queries::ListRevisions,
        row::{contribution, observation},
    },
    page::Paged,
    period::Period,
    revision::{Revision, store as revisions},
};

/// The cell whose versions are listed, as they were made by a revision.
struct Listed {
    definition: Arc<Definition>,
    unit_id: i64,
    period: Period,
    breakdown: String,
    number: i64,
}

/// Where a version stands in the list: by the revision that made it, and its contributor, 0 for the authoritative
/// source.
#[derive(Clone, Copy)]
struct VersionPosition {
    made_at: i64,
    contributor: i64,
}

impl VersionPosition {
    fn parse(text: &str) -> Option<Self> {
        let (made_at, contributor) = text.split_once('|').unwrap_or((text, "0"));
        Some(Self { made_at: made_at.parse().ok()?, contributor: contributor.parse().ok()? })
    }
}

/// Every version of one observation, newest first; also those that other sources contributed, where that is asked.
pub async fn list_revisions(
    hub: &Hub,
    caller: &Caller,
    list: ListRevisions,
) -> Result<(Revision, Paged<ObservationView>)> {
    let ListRevisions { indicator, unit, period, breakdown, all_sources, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let definition = definitions.visible(caller, &indicator).map_err(|it| it.at("indicator"))?;
    let names = Names::open(hub, &view).await?;
    let period = definition.meaning.canonical(period);
    let ends = definition.meaning.range(period).to;
    let unit = names.forest.resolve_shared(&unit, ends, "unit", |it| caller.sees_unit(it, ends))?;
    let listed = Listed {
        definition: Arc::clone(definition),
        unit_id: unit.id,
        period,
        breakdown: breakdown.to_string(),
        number: view.number(),
    };
    let after = after.as_deref().and_then(VersionPosition::parse);
    let (db, most) = (hub.db.at(view.position()), limit(&page));
    let mut rows = listed.own(&db, after, most).await?;
    if all_sources {
        rows.extend(listed.contributed(&db, after, most).await?);
        rows.sort_by_key(|it| (Reverse(it.row.made_at), it.contributor()));
        rows.truncate(page.size() + 1);
    }
    if rows.is_empty() && after.is_none() {
        let what = format!("{} {} {period}", indicator.as_str(), unit.name);
        return Err(Error::not_found("observation", what));
    }
    let Paged { items: rows, next } = page.cut(rows, &hub.mark(caller, &view), |last| {
        format!("{}|{}", last.row.made_at, last.contributor())
    });
    let known = |it: &i64| *it <= view.number();
    // A tombstone ends as it begins: it is superseded by no other version.
    let ended = |it: &observation::Model| {
        it.superseded_at.filter(|at| it.withdrawal_reason.is_none() && known(at))
    };
    let ends = rows.iter().filter_map(|it| ended(&it.row));
    let times = revisions::times(&db, ends.collect::<BTreeSet<_>>()).await?;
    let items = rows.into_iter().map(|it| {
        let superseded =
            ended(&it.row).and_then(|number| Some(Revision { number, at: *times.get(&number)? }));
        ObservationView { superseded, ..names.sourced(definition, it) }
    });
    Ok((view.revision, Paged { items: items.collect(), next }))
}

impl Listed {
    /// The versions of the authoritative source after a position.
    async fn own(
        &self,
        db: &impl ConnectionTrait,
        after: Option<VersionPosition>,
        most: u64,
    ) -> Result<Vec<SourcedRow>> {
        use observation::Column;
        let mut rows = every_version(&[Arc::clone(&self.definition)], self.number)
            .filter(Column::UnitId.eq(self.unit_id))
            .filter(Column::Period.eq(self.period))
            .filter(Column::Breakdown.eq(self.breakdown.as_str()));
        if let Some(VersionPosition { made_at, contributor: _ }) = after {
            rows = rows.filter(Column::MadeAt.lt(made_at));
        }
        let rows = rows.order_by_desc(Column::MadeAt).limit(most).all(db).await?;
        Ok(rows.into_iter().map(SourcedRow::own).collect())
    }

    /// Those of other sources.
    async fn contributed(
        &self,
        db: &impl ConnectionTrait,
        after: Option<VersionPosition>,
        most: u64,
    ) -> Result<Vec<SourcedRow>> {
        use contribution::Column;
        let mut rows = every_contribution(&[Arc::clone(&self.definition)], self.number)
            .filter(Column::UnitId.eq(self.unit_id))
            .filter(Column::Period.eq(self.period))
            .filter(Column::Breakdown.eq(self.breakdown.as_str()));
        if let Some(VersionPosition { made_at, contributor }) = after {
            let beside = Column::MadeAt.eq(made_at).and(Column::SourceId.gt(contributor));
            rows = rows.filter(Condition::any().add(Column::MadeAt.lt(made_at)).add(beside));
        }
        let rows = rows.order_by_desc(Column::MadeAt).order_by_asc(Column::SourceId).limit(most);
        let rows: Vec<Contribution> = rows.into_model().all(db).await?;
        Ok(rows.into_iter().map(SourcedRow::contributed).collect())
    }
}
