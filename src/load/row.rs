//! The table of loads.
use sea_orm::entity::prelude::*;

/// How far a load of a system has come.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "load_position")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub system_id: i64,
    /// Its name, after what is loaded: `observations/2026-11`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub load: String,
    /// The last item that is durable.
    pub item: i64,
    /// The revision of the last items.
    pub revision: i64,
    pub moved_at: i64,
    /// How often it was opened: the last stream that did carries it on.
    pub opening: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}
impl ActiveModelBehavior for ActiveModel {}
