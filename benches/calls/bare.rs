//! The same questions without a hub: prepared statements on a pool, one statement for each call.
use std::sync::Arc;

use sea_orm::sqlx::{
    self, Row,
    postgres::{PgPool, PgPoolOptions},
    sqlite::{
        SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
    },
};

/// As many connections as the hub reads with.
const READERS: u32 = 4;

/// A pool on one engine.
#[derive(Clone)]
pub enum Bare {
    Sqlite(SqlitePool),
    Postgres(PgPool),
}

/// A month: its code, its first and its last day.
pub struct Month {
    pub code: String,
    pub from: i64,
    pub to: i64,
}

/// A dossier by its code, with when it was committed, and its events.
const DOSSIER: &str = "SELECT d.*, l.committed_at, e.identity, e.event_id, e.occurred_at, e.state AS event_state, \
    e.source_status, e.due_at AS event_due_at, e.note, e.made_at AS event_made_at \
    FROM dossier d JOIN revision_log l ON l.revision = d.made_at \
    LEFT JOIN dossier_event e ON e.dossier_id = d.id AND e.made_at <= $2 \
    WHERE d.code = $1 AND d.made_at <= $2 AND (d.superseded_at IS NULL OR d.superseded_at > $2)";
/// Only its row.
const DOSSIER_ROW: &str = "SELECT * FROM dossier WHERE code = $1 AND made_at <= $2 \
    AND (superseded_at IS NULL OR superseded_at > $2)";

impl Bare {
    pub async fn open(url: &str, connections: u32) -> Self {
        if url.starts_with("postgres") {
            let pool = PgPoolOptions::new().max_connections(connections).connect(url).await;
            return Self::Postgres(pool.unwrap());
        }
        let options: SqliteConnectOptions = url.parse().unwrap();
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(std::time::Duration::from_secs(60));
        let pool = SqlitePoolOptions::new().max_connections(connections);
        Self::Sqlite(pool.connect_with(options).await.unwrap())
    }

    pub async fn readers(url: &str) -> Self {
        Self::open(url, READERS).await
    }

    pub async fn head(&self) -> i64 {
        let ask = "SELECT revision FROM head";
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(ask).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(ask).fetch_one(pool).await.unwrap(),
        }
    }

    /// Counts what is there, for the planner: what the server does of its own accord within a minute.
    pub async fn analyze(&self) {
        if let Self::Postgres(pool) = self {
            sqlx::query("ANALYZE").execute(pool).await.unwrap();
        }
    }

    /// The ids of the indicators that this bench defined.
    pub async fn bench_indicators(&self) -> Vec<i64> {
        let ask = "SELECT DISTINCT id FROM indicator WHERE code LIKE 'bench.count-%'";
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(ask).fetch_all(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(ask).fetch_all(pool).await.unwrap(),
        }
    }

    /// Asks for a dossier, whole or its row only; true if it was there.
    pub async fn dossier(&self, code: &str, at: i64, whole: bool) -> bool {
        let ask = if whole { DOSSIER } else { DOSSIER_ROW };
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(ask).bind(code).bind(at).fetch_all(pool).await.unwrap();
                rows.first().is_some_and(|it| it.get::<i64, _>("id") > 0)
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(ask).bind(code).bind(at).fetch_all(pool).await.unwrap();
                rows.first().is_some_and(|it| it.get::<i64, _>("id") > 0)
            }
        }
    }

    /// Asks for the observations and the targets of a snapshot; true if there were some.
    pub async fn snapshot(&self, ask: &Arc<str>) -> bool {
        let ask = sqlx::AssertSqlSafe(Arc::clone(ask));
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(ask).fetch_all(pool).await.unwrap();
                rows.first().is_some_and(|it| it.get::<i64, _>("unit_id") > 0)
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(ask).fetch_all(pool).await.unwrap();
                rows.first().is_some_and(|it| it.get::<i64, _>("unit_id") > 0)
            }
        }
    }

    /// How many observations there are.
    pub async fn count(&self) -> i64 {
        let ask = "SELECT count(*) FROM observation";
        match self {
            Self::Sqlite(pool) => sqlx::query_scalar(ask).fetch_one(pool).await.unwrap(),
            Self::Postgres(pool) => sqlx::query_scalar(ask).fetch_one(pool).await.unwrap(),
        }
    }

    /// Adds a value of an indicator in every commune for each of these months, as if the newest revision had made them.
    pub async fn grow(&self, code: &str, months: &[Month]) {
        for Month { code: period, from, to } in months {
            let add = inserted(code, "", &Month { code: period.clone(), from: *from, to: *to });
            let add = sqlx::AssertSqlSafe(add);
            match self {
                Self::Sqlite(pool) => drop(sqlx::query(add).execute(pool).await.unwrap()),
                Self::Postgres(pool) => drop(sqlx::query(add).execute(pool).await.unwrap()),
            }
        }
    }

    /// The same, for one breakdown.
    pub async fn grow_cut(&self, code: &str, breakdown: &str, months: &[Month]) {
        for month in months {
            let add = sqlx::AssertSqlSafe(inserted(code, breakdown, month));
            match self {
                Self::Sqlite(pool) => drop(sqlx::query(add).execute(pool).await.unwrap()),
                Self::Postgres(pool) => drop(sqlx::query(add).execute(pool).await.unwrap()),
            }
        }
    }

    /// Keeps which commune is of which province, as a table that SQL by hand can join.
    pub async fn parents(&self, pairs: &[(i64, i64)]) {
        let values: Vec<_> =
            pairs.iter().map(|(unit, above)| format!("({unit}, {above})")).collect();
        for statement in [
            "CREATE TABLE bare_parent (unit_id BIGINT PRIMARY KEY, province_id BIGINT NOT NULL)"
                .to_owned(),
            format!("INSERT INTO bare_parent VALUES {}", values.join(", ")),
        ] {
            let statement = sqlx::AssertSqlSafe(statement);
            match self {
                Self::Sqlite(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
                Self::Postgres(pool) => drop(sqlx::query(statement).execute(pool).await.unwrap()),
            }
        }
    }

    /// The sum of each province over months, by one statement.
    pub async fn sums(&self, code: &str, breakdown: &str, months: &[Month]) -> Vec<i64> {
        let periods: Vec<_> = months.iter().map(|it| format!("'{}'", it.code)).collect();
        let ask = format!(
            "SELECT p.province_id, CAST(SUM(CAST(o.value AS {})) AS BIGINT) FROM observation o \
             JOIN bare_parent p ON p.unit_id = o.unit_id \
             WHERE o.indicator_id = (SELECT id FROM indicator WHERE code = '{code}' AND superseded_at IS NULL) \
             AND o.period IN ({}) AND o.breakdown = '{breakdown}' AND o.superseded_at IS NULL \
             GROUP BY p.province_id",
            match self {
                Self::Sqlite(_) => "INTEGER",
                Self::Postgres(_) => "NUMERIC",
            },
            periods.join(", ")
        );
        let ask = sqlx::AssertSqlSafe(ask);
        match self {
            Self::Sqlite(pool) => {
                let rows = sqlx::query(ask).fetch_all(pool).await.unwrap();
                rows.iter().map(|it| it.get::<i64, _>(1)).collect()
            }
            Self::Postgres(pool) => {
                let rows = sqlx::query(ask).fetch_all(pool).await.unwrap();
                rows.iter().map(|it| it.get::<i64, _>(1)).collect()
            }
        }
    }

    /// Makes the tables of [`Bare::commit`].
    pub async fn prepare(&self) {
        for table in [
            "CREATE TABLE bare_head (id BIGINT PRIMARY KEY, revision BIGINT NOT NULL)",
            "INSERT INTO bare_head VALUES (1, 0)",
            "CREATE TABLE bare_row (revision BIGINT PRIMARY KEY, unit_id BIGINT NOT NULL, value TEXT NOT NULL)",
        ] {
            match self {
                Self::Sqlite(pool) => drop(sqlx::query(table).execute(pool).await.unwrap()),
                Self::Postgres(pool) => drop(sqlx::query(table).execute(pool).await.unwrap()),
            }
        }
    }

    /// One transaction: the counter moves, and a row with its number is added; durable when it returns.
    pub async fn commit(&self, unit: usize) -> bool {
        let count = "UPDATE bare_head SET revision = revision + 1 WHERE id = 1 RETURNING revision";
        let add = "INSERT INTO bare_row VALUES ($1, $2, '1234')";
        let unit = i64::try_from(unit).unwrap();
        match self {
            Self::Sqlite(pool) => {
                let Ok(mut tx) = pool.begin_with("BEGIN IMMEDIATE").await else { return false };
                let number: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
                sqlx::query(add).bind(number).bind(unit).execute(&mut *tx).await.unwrap();
                tx.commit().await.is_ok()
            }
            Self::Postgres(pool) => {
                let Ok(mut tx) = pool.begin().await else { return false };
                let number: i64 = sqlx::query_scalar(count).fetch_one(&mut *tx).await.unwrap();
                sqlx::query(add).bind(number).bind(unit).execute(&mut *tx).await.unwrap();
                tx.commit().await.is_ok()
            }
        }
    }
}

/// The statement that adds a value of an indicator in every commune of today for a month and a breakdown.
fn inserted(code: &str, breakdown: &str, Month { code: period, from, to }: &Month) -> String {
    format!(
        "INSERT INTO observation (indicator_id, unit_id, period_end, period, breakdown, made_at, committed_at, \
         period_start, value, qualifier, status, inconsistent, definition_version, source_id, channel, \
         source_document, source_record, quote, as_written, note, correction_reason) \
         SELECT i.id, u.id, {to}, '{period}', '{breakdown}', h.revision, h.committed_at, {from}, \
         CAST(u.id % 1000 + 1 AS TEXT), 1, 3, FALSE, 1, s.id, 1, '', '', '', '', '', '' \
         FROM (SELECT id FROM indicator WHERE code = '{code}' AND superseded_at IS NULL) i, head h, \
         (SELECT id FROM system WHERE code = 'articles.demo' AND superseded_at IS NULL) s, \
         (SELECT id FROM unit WHERE level = 3 AND valid_to > 20500 AND superseded_at IS NULL) u"
    )
}

/// The statement of a snapshot: what stands of these indicators in these units, and their targets beside it.
pub fn snapshot_of(indicators: &[i64], units: &[i64], at: i64) -> String {
    let list = |all: &[i64]| all.iter().map(i64::to_string).collect::<Vec<_>>().join(", ");
    let (indicators, units) = (list(indicators), list(units));
    format!(
        "SELECT o.*, t.period AS target_period, t.value AS target_value, t.comparison, t.note AS target_note \
         FROM observation o LEFT JOIN target t ON t.indicator_id = o.indicator_id AND t.unit_id = o.unit_id \
         AND t.made_at <= {at} AND (t.superseded_at IS NULL OR t.superseded_at > {at}) \
         WHERE o.indicator_id IN ({indicators}) AND o.unit_id IN ({units}) AND o.breakdown = '' \
         AND o.made_at <= {at} AND (o.superseded_at IS NULL OR o.superseded_at > {at})"
    )
}
