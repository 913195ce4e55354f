//! Exports observations: all pages of a query.
use std::sync::Arc;

use futures_util::Stream;

use super::{
    order::Key,
    read::{ObservationView, Selection},
};
use crate::{
    caller::{
        Caller,
        agreement::{Operation, outside},
        policy::Kind,
    },
    error::Result,
    export::{self, ExportQuestion, PAGE},
    hub::Hub,
    indicator::queries::Export,
    revision::{Revision, View},
};

/// Opens an export: the revision that it is read at, and its pages.
pub async fn export(
    hub: &Arc<Hub>,
    caller: Caller,
    export: Export,
) -> Result<(Revision, impl Stream<Item = Result<Vec<ObservationView>>> + Send + 'static)> {
    let Export { filter, consistency } = export;
    let view = hub.revisions.view(&caller, consistency).await?;
    let wanted = Selection::open(hub, &caller, view, filter).await?;
    Ok((view.revision, export::run(hub, caller, wanted)?))
}

impl ExportQuestion for Selection {
    type Page = Vec<ObservationView>;
    type Key = Key;

    fn view(&self) -> &View {
        &self.view
    }

    fn allowed(&self, caller: &Caller) -> Result<()> {
        let right = caller.right(Kind::Indicators, Operation::Read)?;
        let mut codes = self.definitions.iter().map(|it| it.code.as_str());
        match codes.find(|it| !caller.sees_indicator(it)) {
            None => Ok(()),
            Some(code) => Err(outside(&right.agreement, code)),
        }
    }

    async fn page(
        &self,
        hub: &Hub,
        after: Option<Key>,
    ) -> Result<(Vec<ObservationView>, Option<Key>)> {
        let most = u64::try_from(PAGE).unwrap_or(u64::MAX).saturating_add(1);
        let mut rows = self.rows(hub, after, most).await?;
        let more = rows.len() > PAGE;
        rows.truncate(PAGE);
        let end = rows.last().filter(|_| more).map(Key::of_sourced);
        Ok((self.observed(rows), end))
    }
}
