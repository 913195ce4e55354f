//! Exports dossiers: all pages of a list.
use std::sync::Arc;

use futures_util::Stream;

use super::{DossierNames, DossierSelection};
use crate::{
    caller::{Caller, agreement::Operation, policy::Kind},
    dossier::{DossierView, queries::Export},
    error::Result,
    export::{self, ExportQuestion, PAGE},
    hub::Hub,
    revision::{Revision, View},
};

/// An export, with the caller's rights as they stood at the start: they do not change in the middle.
struct DossierExport {
    wanted: DossierSelection,
    caller: Caller,
}

/// Opens an export: the revision that it is read at, and its pages.
pub async fn export(
    hub: &Arc<Hub>,
    caller: Caller,
    export: Export,
) -> Result<(Revision, impl Stream<Item = Result<(DossierNames, Vec<DossierView>)>> + Send + 'static)>
{
    let Export { filter, consistency } = export;
    let view = hub.revisions.view(&caller, consistency).await?;
    let wanted = DossierSelection::open(hub, &caller, view, filter).await?;
    let exported = DossierExport { wanted, caller: caller.clone() };
    Ok((view.revision, export::run(hub, caller, exported)?))
}

impl ExportQuestion for DossierExport {
    type Page = (DossierNames, Vec<DossierView>);
    type Key = String;

    fn view(&self) -> &View {
        &self.wanted.view
    }

    fn allowed(&self, caller: &Caller) -> Result<()> {
        let had = self.caller.right(Kind::Dossiers, Operation::Read)?;
        let has = caller.right(Kind::Dossiers, Operation::Read)?;
        has.must_include(had)
    }

    async fn page(
        &self,
        hub: &Hub,
        after: Option<String>,
    ) -> Result<((DossierNames, Vec<DossierView>), Option<String>)> {
        let (names, items, more) = self.wanted.page(hub, &self.caller, after, PAGE).await?;
        let end = items.last().filter(|_| more).map(|it| it.dossier.code.as_str().to_owned());
        Ok(((names, items), end))
    }
}
