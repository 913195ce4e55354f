//! Pages of definitions and groups, and the dimensions behind code lists.
use std::{collections::BTreeSet, sync::Arc};

use crate::{
    caller::Caller,
    error::Result,
    hub::Hub,
    indicator::{
        Definition,
        definitions::Definitions,
        group::IndicatorGroup,
        queries::{List, ListGroups},
    },
    page::Paged,
    revision::{Consistency, Revision},
};

/// A page of definitions.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    list: List,
) -> Result<(Revision, Paged<Arc<Definition>>)> {
    let List { code_prefix, group, words, codes, page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let named = definitions.known_all(caller, &codes)?;
    let named: BTreeSet<i64> = named.iter().map(|it| it.id).collect();
    let items: Vec<_> = definitions
        .all_known_to(caller)
        .filter(|it| codes.is_empty() || named.contains(&it.id))
        .filter(|it| it.code.as_str().starts_with(&code_prefix))
        .filter(|it| group.is_none() || it.meaning.group == group)
        .filter(|it| after.as_ref().is_none_or(|after| it.code.as_str() > after.as_str()))
        .filter(|it| words.is_empty() || definitions.says(it, &words))
        .take(page.size() + 1)
        .cloned()
        .collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| last.code.as_str().to_owned());
    Ok((view.revision, page))
}

/// A page of groups.
pub async fn list_groups(
    hub: &Hub,
    caller: &Caller,
    list: ListGroups,
) -> Result<(Revision, Paged<Arc<IndicatorGroup>>)> {
    let ListGroups { page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let known = definitions.groups_known_to(caller).into_iter();
    let items = known.skip_while(|it| after.as_ref().is_some_and(|after| !is_after(it, after)));
    let items = items.take(page.size() + 1).collect();
    let page = page.cut(items, &hub.mark(caller, &view), |last| place(last));
    Ok((view.revision, page))
}

/// The position of a group in the list, as a page token holds it.
fn place(group: &IndicatorGroup) -> String {
    format!("{} {}", group.label.display_order, group.code.as_str())
}

fn is_after(group: &IndicatorGroup, place: &str) -> bool {
    let Some((order, code)) = place.split_once(' ') else { return false };
    let Ok(order) = order.parse::<i32>() else { return false };
    (group.label.display_order, group.code.as_str()) > (order, code)
}

/// The definitions with dimensions that the caller may know of.
pub async fn dimensions(
    hub: &Hub,
    caller: &Caller,
    consistency: Consistency,
) -> Result<(Revision, Vec<Arc<Definition>>)> {
    let view = hub.revisions.view(caller, consistency).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let known = definitions.all_known_to(caller);
    let known = known.filter(|it| !it.meaning.dimensions.all().is_empty()).cloned().collect();
    Ok((view.revision, known))
}
