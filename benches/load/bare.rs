//! The same rows without a hub: `COPY`, or a bare transaction, into empty tables with the same columns and indexes.
//!
//! The rows are read from the hub's own tables, in the order in which they were written, before the clock runs.
use std::{path::Path, str::FromStr, time::Instant};

use futures_util::TryStreamExt;
use sea_orm::sqlx::{
    self, AssertSqlSafe, Column, Connection, Executor, Row, SqliteConnection, TypeInfo, ValueRef,
    postgres::PgConnection,
    sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
};

/// Seconds to write these tables' rows in one transaction; `each` rows a transaction if it is given.
pub async fn seconds(url: &str, tables: &[(&str, &str)], each: Option<usize>) -> f64 {
    match url.strip_prefix("sqlite://") {
        Some(path) => sqlite(Path::new(path), tables, each).await,
        None => postgres(url, tables, each).await,
    }
}

// === PostgreSQL ===

async fn postgres(url: &str, tables: &[(&str, &str)], each: Option<usize>) -> f64 {
    let mut db = PgConnection::connect(url).await.unwrap();
    let mut seconds = 0.0;
    for (table, which) in tables {
        let sql = |it: String| AssertSqlSafe(it);
        let copy = format!("COPY (SELECT * FROM {table} WHERE {which} ORDER BY ctid) TO STDOUT");
        let rows: Vec<_> = db.copy_out_raw(&copy).await.unwrap().try_collect().await.unwrap();
        let rows = rows.concat();
        let make = format!("CREATE TABLE bare (LIKE {table} INCLUDING ALL)");
        sqlx::query(sql(make)).execute(&mut db).await.unwrap();
        let began = Instant::now();
        for rows in lines(&rows, each) {
            let mut copy = db.copy_in_raw("COPY bare FROM STDIN").await.unwrap();
            for part in rows.chunks(1 << 20) {
                copy.send(part).await.unwrap();
            }
            copy.finish().await.unwrap();
        }
        seconds += began.elapsed().as_secs_f64();
        db.execute("DROP TABLE bare").await.unwrap();
    }
    seconds
}

/// Whole lines, so many at a time.
fn lines(text: &[u8], each: Option<usize>) -> Vec<&[u8]> {
    let Some(each) = each else { return vec![text] };
    let mut parts = Vec::new();
    let (mut from, mut count) = (0, 0);
    for (at, byte) in text.iter().enumerate() {
        count += usize::from(*byte == b'\n');
        if count == each {
            parts.push(&text[from..=at]);
            (from, count) = (at + 1, 0);
        }
    }
    if from < text.len() {
        parts.push(&text[from..]);
    }
    parts
}

// === SQLite ===

enum Bind {
    Null,
    Number(i64),
    Text(String),
}

async fn sqlite(path: &Path, tables: &[(&str, &str)], each: Option<usize>) -> f64 {
    let dir = tempfile::tempdir_in(path.parent().unwrap()).unwrap();
    let file = dir.path().join("bare.db");
    let options = SqliteConnectOptions::from_str(&format!("sqlite://{}", file.display())).unwrap();
    let options = options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true);
    let mut db = SqliteConnection::connect_with(&options).await.unwrap();
    let source = SqliteConnectOptions::from_str(&format!("sqlite://{}", path.display())).unwrap();
    let mut source = SqliteConnection::connect_with(&source).await.unwrap();
    let mut seconds = 0.0;
    for (table, which) in tables {
        let schema = "SELECT sql FROM sqlite_master WHERE tbl_name = $1 AND sql IS NOT NULL ORDER BY type DESC";
        let made: Vec<String> =
            sqlx::query_scalar(schema).bind(*table).fetch_all(&mut source).await.unwrap();
        for make in made {
            db.execute(AssertSqlSafe(make)).await.unwrap();
        }
        let ask = format!("SELECT * FROM {table} WHERE {which} ORDER BY rowid");
        let mut rows = source.fetch(AssertSqlSafe(ask));
        let (mut waiting, mut insert, mut in_all) = (Vec::new(), String::new(), 0);
        let size = each.unwrap_or(20_000);
        let mut is_begun = false;
        loop {
            // Reading is not timed; what is held of it is bounded.
            let row = rows.try_next().await.unwrap();
            let is_last = row.is_none();
            if let Some(row) = row {
                let columns = row.columns();
                if insert.is_empty() {
                    let names: Vec<_> = columns.iter().map(Column::name).collect();
                    let marks = vec!["?"; names.len()].join(", ");
                    insert = format!("INSERT INTO {table} ({}) VALUES ({marks})", names.join(", "));
                }
                let bind = |at: usize| {
                    let value = row.try_get_raw(at).unwrap();
                    match (value.is_null(), value.type_info().name()) {
                        (true, _) => Bind::Null,
                        (_, "TEXT") => Bind::Text(row.get(at)),
                        _ => Bind::Number(row.get(at)),
                    }
                };
                waiting.push((0..columns.len()).map(bind).collect::<Vec<_>>());
            }
            if waiting.len() < size && !is_last {
                continue;
            }
            in_all += waiting.len();
            let began = Instant::now();
            if !is_begun {
                db.execute("BEGIN IMMEDIATE").await.unwrap();
            }
            for row in waiting.drain(..) {
                let mut values = SqliteArguments::default();
                for it in row {
                    use sqlx::Arguments;
                    match it {
                        Bind::Null => values.add(None::<i64>).unwrap(),
                        Bind::Number(it) => values.add(it).unwrap(),
                        Bind::Text(it) => values.add(it).unwrap(),
                    }
                }
                let insert = AssertSqlSafe(insert.as_str());
                sqlx::query_with(insert, values).execute(&mut db).await.unwrap();
            }
            is_begun = each.is_none();
            if is_last || each.is_some() {
                db.execute("COMMIT").await.unwrap();
                is_begun = false;
            }
            seconds += began.elapsed().as_secs_f64();
            if is_last {
                break;
            }
        }
        assert!(in_all > 0);
    }
    db.close().await.unwrap();
    seconds
}
