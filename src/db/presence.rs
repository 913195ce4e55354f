//! Whether a store is there: only a hub that serves one makes it.
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DbBackend, Statement};

use crate::error::Result;

/// Whether a store is at this URL: its database, with the table that every store has.
pub async fn exists(url: &str) -> Result<bool> {
    if let Some(path) = file_of(url)
        && !path.is_some_and(|it| std::path::Path::new(it).is_file())
    {
        return Ok(false);
    }
    let mut options = ConnectOptions::new(url);
    options.max_connections(1).sqlx_logging(false);
    options.map_sqlx_sqlite_opts(|it| it.create_if_missing(false));
    let db = Database::connect(options).await?;
    let backend = db.get_database_backend();
    let ask = match backend {
        DbBackend::Postgres => "SELECT 1 WHERE to_regclass('head') IS NOT NULL",
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'head'"
        }
    };
    let found = db.query_one_raw(Statement::from_string(backend, ask)).await;
    db.close().await?;
    Ok(found?.is_some())
}

/// A store by its URL, without a password or what else stands beside its name.
pub fn name(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match (file_of(url), url.split_once("://"), url.rsplit_once('@')) {
        (None, Some((scheme, _)), Some((_, place))) => format!("{scheme}://{place}"),
        _ => url.to_owned(),
    }
}

/// The file of an embedded store, if the URL is of one; none where it is in memory.
fn file_of(url: &str) -> Option<Option<&str>> {
    let rest = url.strip_prefix("sqlite:")?;
    let path = rest.trim_start_matches("//").split('?').next().unwrap_or_default();
    Some(Some(path).filter(|it| !it.is_empty() && !it.contains(":memory:")))
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn a_store_is_named_without_its_password() {
        for (url, named) in [
            ("sqlite://a@b/hub.db?mode=rwc", "sqlite://a@b/hub.db"),
            ("sqlite:hub.db", "sqlite:hub.db"),
            ("postgres://user:p@ss@host:5432/hub?password=x", "postgres://host:5432/hub"),
            ("postgresql://host/hub", "postgresql://host/hub"),
        ] {
            assert_eq!(name(url), named);
        }
    }
}
