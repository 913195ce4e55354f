//! The door to dossiers: it lets through those that a caller may know of.
use sea_orm::{
    ColumnTrait, Condition, DbBackend, QueryFilter,
    sea_query::{Expr, ExprTrait},
};

use super::{FEW_UNITS, standing};
use crate::{
    caller::{
        Caller,
        agreement::{Operation, Right},
        policy,
    },
    db::list::among,
    dossier::{Header, row::dossier},
    error::Result,
    hub::store::inside::inside,
    time::Day,
};

/// The one door to dossiers: those that stood at a revision, and that the caller may know of. (`look_up` keeps the same
/// rule for look-ups, which are read together with those of other callers.)
pub(super) fn visible(
    backend: DbBackend,
    caller: &Caller,
    number: i64,
) -> Result<sea_orm::Select<dossier::Entity>> {
    use dossier::Column::{CompetentUnitId, ProcedureId, ReceivedOn, ReceivingUnitId, SourceId};
    let right = caller.right(policy::Kind::Dossiers, Operation::Read)?;
    let mut rows = standing(number);
    if !caller.sees_others_dossiers() {
        rows = rows.filter(SourceId.eq(caller.system_id));
    }
    if let Some(units) = &right.units {
        let of = |it: dossier::Column| {
            // Of many units, most rows are wanted: as `received_by` says.
            let is_few = units.ever().nth(FEW_UNITS).is_none();
            let unit = move || {
                let column = Expr::col((dossier::Entity, it));
                if is_few { column } else { Expr::expr(column.add(0_i64)) }
            };
            inside(backend, units, unit, || Expr::col((dossier::Entity, ReceivedOn)))
        };
        let inside = Condition::any().add(of(ReceivingUnitId)?).add(of(CompetentUnitId)?);
        rows = rows.filter(inside);
    }
    if let Some(procedures) = &right.procedures {
        let column = Expr::col((dossier::Entity, ProcedureId));
        rows = rows.filter(among(backend, column, procedures.iter().copied())?);
    }
    Ok(rows)
}

/// The same rule, for one dossier that was read together with others.
pub(super) fn is_visible(caller: &Caller, source_id: i64, subject: DossierSubject) -> bool {
    let Some(right) = &caller.rights.dossiers else { return false };
    let is_own = source_id == caller.system_id;
    (is_own || caller.sees_others_dossiers()) && is_inside(right, subject)
}

/// The fields of a dossier that agreements judge.
#[derive(Clone, Copy)]
pub(super) struct DossierSubject {
    pub(super) procedure_id: i64,
    pub(super) receiving_unit_id: i64,
    pub(super) competent_unit_id: Option<i64>,
    pub(super) received_on: Day,
}

impl DossierSubject {
    pub(super) fn of(header: &Header, received_on: Option<Day>) -> Self {
        let (procedure_id, receiving_unit_id) = (header.procedure_id, header.receiving_unit_id);
        // What is kept has events, and so a day.
        let received_on = received_on.unwrap_or(Day::LAST);
        let competent_unit_id = header.competent_unit_id;
        Self { procedure_id, receiving_unit_id, competent_unit_id, received_on }
    }
}

/// Whether a dossier is inside an agreement to publish: what a system publishes counts for each of its units, so all of
/// them must be inside.
pub(super) fn is_inside_whole(right: &Right, subject: DossierSubject) -> bool {
    let DossierSubject { procedure_id, receiving_unit_id, competent_unit_id, received_on } =
        subject;
    let has = |it| right.has_unit(it, received_on);
    has(receiving_unit_id) && competent_unit_id.is_none_or(has) && right.has_procedure(procedure_id)
}

/// Whether a dossier is inside an agreement: by the unit that received it, or the one that is competent for it, on the
/// day on which it was received.
fn is_inside(right: &Right, subject: DossierSubject) -> bool {
    let DossierSubject { procedure_id, receiving_unit_id, competent_unit_id, received_on } =
        subject;
    let has = |it| right.has_unit(it, received_on);
    (has(receiving_unit_id) || competent_unit_id.is_some_and(has))
        && right.has_procedure(procedure_id)
}
