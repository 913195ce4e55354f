//! The schema, as an ordered list of changes.
mod m0001_first;
mod m0002_streams;
mod m0003_load;
mod m0004_agreement;
mod m0005_identity;
mod m0006_audit;
mod m0007_personal;

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{MigrationTrait, MigratorTrait, prelude::DbErr};

/// Every change, oldest first.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_first::Change),
            Box::new(m0002_streams::Change),
            Box::new(m0003_load::Change),
            Box::new(m0004_agreement::Change),
            Box::new(m0005_identity::Change),
            Box::new(m0006_audit::Change),
            Box::new(m0007_personal::Change),
        ]
    }
}

/// Runs the statements of a change, one by one.
async fn run(db: &impl ConnectionTrait, change: &str) -> Result<(), DbErr> {
    for statement in change.split(";\n").filter(|it| !it.trim().is_empty()) {
        db.execute_unprepared(&spell(statement, db.get_database_backend())).await?;
    }
    Ok(())
}

/// Writes the engine's own words. Text compares by bytes on both: what is sorted or paged must not depend on a locale.
fn spell(table: &str, engine: DbBackend) -> String {
    match engine {
        DbBackend::Postgres => table
            .replace("TEXT", "TEXT COLLATE \"C\"")
            .replace("INT8", "BIGINT")
            .replace("INT4", "INTEGER")
            .replace("BYTES", "BYTEA")
            .replace("BOOL", "BOOLEAN")
            .replace("STRICT", ""),
        DbBackend::Sqlite | DbBackend::MySql | _ => ["INT8", "INT4", "BOOL"]
            .iter()
            .fold(table.replace("BYTES", "BLOB"), |table, it| table.replace(it, "INTEGER")),
    }
}
