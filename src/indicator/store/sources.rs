//! Lists sources: the indicators of each, its last accepted publish, and its items rejected today.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::rejections::Book;
use crate::{
    caller::{Caller, System, directory::Directory},
    error::Result,
    hub::{Hub, store::activity},
    indicator::{definitions::Definitions, queries::ListSources},
    page::Paged,
    revision::Revision,
    time::{Day, Timestamp},
    unit::{Name, forest::Forest},
};

/// Most reasons listed for a source.
const MOST_REASONS: usize = 5;

/// A system as the source of figures.
#[derive(Clone, Debug)]
pub struct SourceView {
    /// The system.
    pub system: Arc<System>,
    /// The unit that runs it.
    pub agency: Option<Name>,
    /// The indicators that it is authoritative for and that the caller may know of.
    pub indicators: Vec<String>,
    /// When something of it was accepted last, and the revision then.
    pub accepted: Option<(Timestamp, i64)>,
    /// Its items that were rejected today and were not sent right since.
    pub rejected: usize,
    /// Their reasons by number, with counts.
    pub reasons: Vec<(i32, usize)>,
}

/// A page of sources.
pub async fn list(
    hub: &Hub,
    caller: &Caller,
    asked: ListSources,
) -> Result<(Revision, Paged<SourceView>)> {
    let ListSources { page, consistency } = asked;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let directory = hub.reference::<Directory>(&view).await?;
    let definitions = hub.reference::<Definitions>(&view).await?;
    let mut indicators: HashMap<&str, Vec<String>> = HashMap::new();
    for it in definitions.all_known_to(caller) {
        let source = it.meaning.authoritative_source.as_str();
        indicators.entry(source).or_default().push(it.code.as_str().to_owned());
    }
    let mut systems = directory.systems();
    systems.retain(|(id, it)| {
        indicators.contains_key(it.code.as_str())
            || *id == caller.system_id
            || caller.grants().administrator
    });
    if let Some(after) = after {
        systems.retain(|(_, it)| it.code.as_str() > after.as_str());
    }
    let Paged { items: systems, next } =
        page.cut(systems, &hub.mark(caller, &view), |(_, last)| last.code.as_str().to_owned());
    let accepted = activity::of(hub.db.read(), systems.iter().map(|(id, _)| *id)).await?;
    let forest = hub.reference::<Forest>(&view).await?;
    let book = Book::open(hub, &hub.revisions.latest()).await?;
    let today = Day::today().start();
    let mut items = Vec::with_capacity(systems.len());
    for (id, system) in systems {
        let rejected = book.open_since(hub, id, today).await?;
        items.push(SourceView {
            agency: system.agency_unit_id.map(|it| forest.name(it)),
            indicators: indicators.remove(system.code.as_str()).unwrap_or_default(),
            accepted: accepted.get(&id).map(|it| (it.accepted_at, it.revision)),
            rejected: rejected.len(),
            reasons: most_frequent(rejected.iter().map(|it| it.reason)),
            system: Arc::clone(system),
        });
    }
    Ok((view.revision, Paged { items, next }))
}

/// The reasons that occur most often first.
fn most_frequent(reasons: impl Iterator<Item = i32>) -> Vec<(i32, usize)> {
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for reason in reasons {
        *counts.entry(reason).or_default() += 1;
    }
    let mut counts: Vec<_> = counts.into_iter().collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts.truncate(MOST_REASONS);
    counts
}
