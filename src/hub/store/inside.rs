//! What of a table is inside an agreement: rows of its units that speak of the days on which they are inside.
use sea_orm::{
    Condition, DbBackend,
    sea_query::{Expr, ExprTrait, SimpleExpr},
};

use crate::{caller::scope::UnitScope, db::list::among, error::Result, time::Day};

/// Whether a row is inside, by its unit and by the column of the day that it speaks of.
pub fn inside(
    backend: DbBackend,
    scope: &UnitScope,
    unit: impl Fn() -> Expr,
    day: impl Fn() -> Expr,
) -> Result<SimpleExpr> {
    let mut any = Condition::any();
    any = any.add(among(backend, unit(), scope.always().iter().copied())?);
    for ((from, to), units) in scope.sometimes() {
        let mut of_days = Condition::all().add(among(backend, unit(), units)?);
        if from != Day::FIRST {
            of_days = of_days.add(day().gte(from));
        }
        if to != Day::LAST {
            of_days = of_days.add(day().lte(to));
        }
        any = any.add(of_days);
    }
    Ok(any.into())
}
