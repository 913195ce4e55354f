//! What a change of units or procedures would open to agreements that live.
use std::{any::Any, sync::Arc};

use super::{Access, permit::Scope};
use crate::{
    caller::{Caller, directory::Directory, scope::UnitScope},
    dossier::catalogue::Catalogue,
    error::Result,
    hub::{Hub, reference::At},
    revision::write::Write,
    unit::forest::Forest,
};

/// Openings that are named, at most.
const MOST: usize = 20;

impl Access {
    /// What the state of units or procedures after a change would open to which agreements, in words. Nothing of a
    /// change by an administrator, or by the hub itself.
    pub(super) async fn widened_by(
        &self,
        hub: &Hub,
        write: &Write,
        by: &Caller,
        after: &(dyn Any + Send + Sync),
    ) -> Result<Vec<String>> {
        let mut opens = Vec::new();
        if by.grants().administrator {
            return Ok(opens);
        }
        let at = At::Write(write);
        let directory = hub.reference::<Directory>(write).await?;
        let (forest, catalogue) =
            (hub.reference::<Forest>(write).await?, hub.reference::<Catalogue>(write).await?);
        let forest_after = after.downcast_ref::<Forest>().unwrap_or(&forest);
        let catalogue_after = after.downcast_ref::<Catalogue>().unwrap_or(&catalogue);
        let now = hub.db.clock();
        let living = directory.agreements();
        let living = living.filter(|it| it.revoked_at.is_none() && now < it.valid_before);
        for agreement in living {
            let before = self.scope(hub, at, agreement).await?;
            let after = Scope::of(&agreement.terms, forest_after, catalogue_after);
            let code = agreement.code.as_str();
            let stood = |it: &i64| forest.get(*it).is_some();
            if let Some(unit) = first_unit(before.units.as_ref(), after.units.as_ref(), stood) {
                opens.push(format!("{} (unit {unit}) to {code}", forest.name(unit).name));
            }
            if let (Some(before), Some(after)) = (&before.procedures, &after.procedures) {
                let stood = |it: &&i64| catalogue.ever().any(|known| known.id == **it);
                if let Some(id) = after.difference(before).find(stood) {
                    opens.push(format!("{} to {code}", catalogue.code_of(*id)));
                }
            }
            if opens.len() >= MOST {
                break;
            }
        }
        Ok(opens)
    }
}

/// The first unit that there was before, and that would be inside on more days.
fn first_unit(
    before: Option<&Arc<UnitScope>>,
    after: Option<&Arc<UnitScope>>,
    stood: impl Fn(&i64) -> bool,
) -> Option<i64> {
    before.zip(after).and_then(|(before, after)| before.widened(after, |it| stood(&it)))
}
