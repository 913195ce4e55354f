//! The schema, as an ordered list of changes.
mod m0001_first;

use sea_orm_migration::{MigrationTrait, MigratorTrait};

/// Every change, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(m0001_first::Change)]
    }
}
