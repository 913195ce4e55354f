//! The schema, as an ordered list of migrations, each one an `.sql` file for each engine.
//!
//! To change the schema, add `migration/mNNNN_word.sqlite.sql` and `migration/mNNNN_word.postgres.sql`, and name them
//! at the end of the table below. The rules:
//!
//! - The file's name is the name that a store records. A migration that was released is never edited, renamed or moved:
//!   stores that ran it do not run it again.
//! - Both files say the same in each engine's words; the test below compares them. SQLite: `STRICT` tables of
//!   `INTEGER`, `TEXT` and `BLOB`. PostgreSQL: `BIGINT` (or `INTEGER` for what the rows hold as `i32`), `BOOLEAN`,
//!   `BYTEA`, and `TEXT COLLATE "C"`, so that what is sorted or paged compares by bytes and never by a locale.
//! - A migration is one transaction together with its record, on both engines: it happened, or it did not.
//! - Columns are added with a default, or null. Rows that must be rewritten are rewritten in SQL here, or by code that
//!   starts with the hub and may be cut anywhere.
use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager, async_trait::async_trait,
    prelude::DbErr,
};

/// Names a migration and takes in its two files.
macro_rules! migration {
    ($name:literal) => {
        Migration {
            name: $name,
            sqlite: include_str!(concat!("migration/", $name, ".sqlite.sql")),
            postgres: include_str!(concat!("migration/", $name, ".postgres.sql")),
        }
    };
}

/// Every migration, oldest first.
const MIGRATIONS: [Migration; 14] = [
    migration!("m0001_first"),
    migration!("m0002_streams"),
    migration!("m0003_load"),
    migration!("m0004_agreement"),
    migration!("m0005_identity"),
    migration!("m0006_audit"),
    migration!("m0007_personal"),
    migration!("m0008_withdrawal"),
    migration!("m0009_meaning"),
    migration!("m0010_groups"),
    migration!("m0011_sources"),
    migration!("m0012_contribution"),
    migration!("m0014_received"),
    migration!("m0016_held"),
];

/// Runs the migrations that a store has no record of.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        MIGRATIONS.into_iter().map(|it| Box::new(it) as Box<dyn MigrationTrait>).collect()
    }
}

/// One change of the schema.
#[derive(Clone, Copy)]
struct Migration {
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

impl MigrationName for Migration {
    fn name(&self) -> &'static str {
        self.name
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    #[expect(elided_lifetimes_in_paths, reason = "the trait's own signature")]
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let db = manager.get_connection();
        let statements = match db.get_database_backend() {
            DbBackend::Postgres => self.postgres,
            DbBackend::Sqlite | DbBackend::MySql | _ => self.sqlite,
        };
        db.execute_unprepared(statements).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

#[cfg(test)]
mod tests {
    use super::MIGRATIONS;

    /// The words of PostgreSQL, as SQLite writes them.
    const SPELLINGS: [(&str, &str); 5] = [
        (" COLLATE \"C\"", ""),
        ("BIGINT", "INTEGER"),
        ("BOOLEAN", "INTEGER"),
        ("BYTEA", "BLOB"),
        (") STRICT;", ");"),
    ];

    #[test]
    fn both_engines_get_the_same_schema() {
        let plain = |text: &str| {
            SPELLINGS.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
        };
        for migration in MIGRATIONS {
            assert_eq!(plain(migration.sqlite), plain(migration.postgres), "{}", migration.name);
        }
    }

    #[test]
    fn every_table_is_strict_on_sqlite_and_every_text_compares_by_bytes_on_postgres() {
        for migration in MIGRATIONS {
            let tables = migration.sqlite.matches("CREATE TABLE").count();
            assert_eq!(migration.sqlite.matches(") STRICT;").count(), tables, "{}", migration.name);
            let texts = migration.postgres.matches(" TEXT").count();
            let by_bytes = migration.postgres.matches(" TEXT COLLATE \"C\"").count();
            assert_eq!(by_bytes, texts, "{}", migration.name);
        }
    }

    #[test]
    fn migrations_are_named_in_order_and_keep_the_names_that_stores_have_recorded() {
        let names = MIGRATIONS.map(|it| it.name);
        assert!(names.is_sorted(), "{names:?}");
        let released = [
            "m0001_first",
            "m0002_streams",
            "m0003_load",
            "m0004_agreement",
            "m0005_identity",
            "m0006_audit",
            "m0007_personal",
        ];
        assert_eq!(names[..released.len()], released);
    }
}
