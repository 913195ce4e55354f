//! Versioned rows: a row knows the revision that made it and the one that superseded it, and is never changed
//! otherwise.
//!
//! Tables that keep versions implement [`Versioned`]; the doors of the slices are made of [`every`] and [`standing`],
//! and versions end by [`supersede`] only.
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, Select,
    sea_query::{Expr, IntoCondition},
};

use super::write::Write;
use crate::error::Result;

/// A table of versions.
pub trait Versioned: EntityTrait {
    /// The revision that made a version.
    const MADE_AT: Self::Column;
    /// The revision that superseded it; null while it stands.
    const SUPERSEDED_AT: Self::Column;
}

/// The versions that were made at or before a revision, also those that were superseded by then.
#[expect(clippy::disallowed_methods, reason = "the doors of the slices are made of this")]
pub fn every<E: Versioned>(number: i64) -> Select<E> {
    E::find().filter(E::MADE_AT.lte(number))
}

/// The versions that stood at a revision.
pub fn standing<E: Versioned>(number: i64) -> Select<E> {
    let stands = Condition::any().add(E::SUPERSEDED_AT.is_null()).add(E::SUPERSEDED_AT.gt(number));
    every::<E>(number).filter(stands)
}

/// Ends the standing versions that a condition names, by the revision of a write.
#[expect(clippy::disallowed_methods, reason = "the one place where versions end")]
pub async fn supersede<E: Versioned>(write: &Write, which: impl IntoCondition) -> Result<()> {
    E::update_many()
        .col_expr(E::SUPERSEDED_AT, Expr::value(write.revision.number))
        .filter(which)
        .filter(E::SUPERSEDED_AT.is_null())
        .exec(&write.db)
        .await?;
    Ok(())
}

/// Declares tables of versions by the names of their modules.
macro_rules! versioned {
    ($($table:ident),+ $(,)?) => {
        $(impl $crate::revision::versioned::Versioned for $table::Entity {
            const MADE_AT: $table::Column = $table::Column::MadeAt;
            const SUPERSEDED_AT: $table::Column = $table::Column::SupersededAt;
        })+
    };
}
pub(crate) use versioned;
