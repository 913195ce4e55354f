//! Many rows at once, by statements whose text does not depend on how many: an engine then prepares each of them once.
//!
//! PostgreSQL takes a column as one text, `{1,2,NULL}`, and unnests it; one that is the same in every row is one value.
//! SQLite takes rows of values, so many in each statement, and keys as one JSON text.
use std::fmt::Write;

use sea_orm::{
    ActiveModelTrait, ActiveValue, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult,
    IdenStatic, IntoActiveModel, Iterable, Statement, Value,
};

use crate::error::{Error, Result};

/// Rows in one statement on SQLite: as many of the first as fit, then of the next. Any number takes few statements
/// then, as each of them is a way to another thread and back.
const ROWS: [usize; 7] = [64, 32, 16, 8, 4, 2, 1];

/// Adds rows to a table.
pub async fn add<E>(db: &impl ConnectionTrait, rows: Vec<E::Model>) -> Result<()>
where
    E: EntityTrait,
    E::Model: IntoActiveModel<E::ActiveModel>,
    E::ActiveModel: ActiveModelTrait<Entity = E> + Send,
{
    if rows.is_empty() {
        return Ok(());
    }
    let columns: Vec<E::Column> = E::Column::iter().collect();
    let names: Vec<_> = columns.iter().map(|it| it.as_str()).collect();
    let into = format!("INSERT INTO {} ({})", E::default().table_name(), names.join(", "));
    let values = rows.into_iter().map(|row| {
        let mut row = row.into_active_model();
        let take = |column: &E::Column| match row.take(*column) {
            ActiveValue::Set(value) | ActiveValue::Unchanged(value) => Ok(value),
            ActiveValue::NotSet => Err(Error::internal("a row without one of its columns")),
        };
        columns.iter().map(take).collect::<Result<Vec<_>>>()
    });
    match db.get_database_backend() {
        DbBackend::Postgres => {
            let mut lists = Lists::new(columns.len());
            for row in values {
                lists.push(row?)?;
            }
            let (columns, values) = lists.close();
            run(db, &format!("{into} SELECT {}", columns.join(", ")), values).await
        }
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            let mut values = values;
            let mut left = values.len();
            for size in ROWS {
                if left < size {
                    continue;
                }
                let marks = format!("({})", vec!["?"; columns.len()].join(", "));
                let add = format!("{into} VALUES {}", vec![marks; size].join(", "));
                while left >= size {
                    let mut binds = Vec::with_capacity(size * columns.len());
                    for row in values.by_ref().take(size) {
                        binds.extend(row?);
                    }
                    left -= size;
                    run(db, &add, binds).await?;
                }
            }
            Ok(())
        }
    }
}

/// Keys of rows of a table: what is asked for, or changed, is what has the same values in some columns.
#[derive(Debug)]
pub struct Keys {
    /// A table `k`, as it is written in a statement.
    table: String,
    /// That a row `v` has the values of a key.
    same: String,
    /// What is bound to it: the first values of the statement.
    values: Vec<Value>,
    is_empty: bool,
}

impl Keys {
    /// From the values of these columns.
    pub fn new(
        db: &impl ConnectionTrait,
        columns: &[&str],
        rows: impl Iterator<Item = Vec<Value>>,
    ) -> Result<Self> {
        Self::with(db, columns, columns.len(), rows)
    }

    /// From rows of so many values: those of these columns, and what comes with each key.
    fn with(
        db: &impl ConnectionTrait,
        columns: &[&str],
        width: usize,
        rows: impl Iterator<Item = Vec<Value>>,
    ) -> Result<Self> {
        let named = columns.iter().zip(1..);
        let same: Vec<_> = named.map(|(column, at)| format!("v.{column} = k.c{at}")).collect();
        let same = same.join(" AND ");
        let mut rows = rows.peekable();
        let is_empty = rows.peek().is_none();
        match db.get_database_backend() {
            DbBackend::Postgres => {
                let mut lists = Lists::new(width);
                for row in rows {
                    lists.push(row)?;
                }
                let (columns, values) = lists.close();
                let named: Vec<_> = columns
                    .iter()
                    .zip(1..)
                    .map(|(column, at)| format!("{column} AS c{at}"))
                    .collect();
                let table = format!("(SELECT {}) AS k", named.join(", "));
                Ok(Self { table, same, values, is_empty })
            }
            DbBackend::Sqlite | DbBackend::MySql | _ => {
                let mut json = String::from("[");
                for row in rows {
                    json.push_str(if json.len() == 1 { "[" } else { ",[" });
                    for (at, value) in row.iter().enumerate() {
                        json.push_str(if at == 0 { "" } else { "," });
                        write_json(&mut json, value)?;
                    }
                    json.push(']');
                }
                json.push(']');
                let names: Vec<_> =
                    (0..width).map(|at| format!("value ->> {at} AS c{}", at + 1)).collect();
                let table = format!("(SELECT {} FROM json_each($1)) AS k", names.join(", "));
                Ok(Self { table, same, values: vec![json.into()], is_empty })
            }
        }
    }

    /// The rows of a table that have these keys.
    pub async fn find<R: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        table: &str,
    ) -> Result<Vec<R>> {
        self.select(db, table, "").await
    }

    /// Those of them that are not superseded.
    pub async fn standing<R: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        table: &str,
    ) -> Result<Vec<R>> {
        self.select(db, table, "AND v.superseded_at IS NULL").await
    }

    /// Those of them that are tombstones: see [`crate::revision::withdrawal`].
    pub async fn withdrawn<R: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        table: &str,
    ) -> Result<Vec<R>> {
        self.select(db, table, "AND v.withdrawal_reason IS NOT NULL").await
    }

    async fn select<R: FromQueryResult>(
        self,
        db: &impl ConnectionTrait,
        table: &str,
        more: &str,
    ) -> Result<Vec<R>> {
        let Self { table: keys, same, values, is_empty } = self;
        if is_empty {
            return Ok(Vec::new());
        }
        // The keys come first, and the table is looked into for each: left to itself, the planner may read all of it.
        let find = match db.get_database_backend() {
            DbBackend::Postgres => format!(
                "SELECT v.* FROM {keys} CROSS JOIN LATERAL \
                 (SELECT * FROM {table} AS v WHERE {same} {more} OFFSET 0) AS v"
            ),
            DbBackend::Sqlite | DbBackend::MySql | _ => {
                format!("SELECT v.* FROM {keys} CROSS JOIN {table} AS v WHERE {same} {more}")
            }
        };
        let find = Statement::from_sql_and_values(db.get_database_backend(), find, values);
        Ok(R::find_by_statement(find).all(db).await?)
    }
}

/// Supersedes rows of a table: each is named by its values in these columns, and followed by the revision that does it.
pub async fn end(
    db: &impl ConnectionTrait,
    table: &str,
    names: &[&str],
    rows: Vec<Vec<Value>>,
) -> Result<()> {
    let at = names.len() + 1;
    let Keys { table: keys, same, values, is_empty } = Keys::with(db, names, at, rows.into_iter())?;
    if is_empty {
        return Ok(());
    }
    // Each is found by its name before any is changed, and then changed where it was found. The limit that limits
    // nothing keeps SQLite from turning that around, and looking for the name of every row of the table.
    let (place, find) = match db.get_database_backend() {
        DbBackend::Postgres => {
            ("ctid", format!("LATERAL (SELECT ctid FROM {table} AS v WHERE {same} OFFSET 0) AS v"))
        }
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            ("rowid", format!("{table} AS v WHERE {same} LIMIT -1"))
        }
    };
    let end = format!(
        "UPDATE {table} AS t SET superseded_at = f.at FROM \
         (SELECT v.{place} AS place, k.c{at} AS at FROM {keys} CROSS JOIN {find}) AS f \
         WHERE t.{place} = f.place"
    );
    run(db, &end, values).await
}

async fn run(db: &impl ConnectionTrait, sql: &str, values: Vec<Value>) -> Result<()> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    db.execute_raw(statement).await?;
    Ok(())
}

fn unknown() -> Error {
    Error::internal("a value of a kind that no table has")
}

fn write_json(json: &mut String, value: &Value) -> Result<()> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
    match value {
        Value::BigInt(Some(it)) => write!(json, "{it}").map_err(Error::internal),
        Value::Int(Some(it)) => write!(json, "{it}").map_err(Error::internal),
        Value::String(Some(it)) => {
            json.push_str(&serde_json::to_string(it).map_err(Error::internal)?);
            Ok(())
        }
        _ => Err(unknown()),
    }
}

/// Columns as PostgreSQL reads them from text.
struct Lists(Vec<List>);

/// One of them: a value that is the same in every row, until there is another one.
struct List {
    first: Option<Value>,
    rows: usize,
    text: String,
    of: &'static str,
}

impl Lists {
    fn new(columns: usize) -> Self {
        let list = |_| List { first: None, rows: 0, text: String::new(), of: "text" };
        Self((0..columns).map(list).collect())
    }

    fn push(&mut self, row: impl IntoIterator<Item = Value>) -> Result<()> {
        // The first one is always a list: it says how many rows there are.
        for (at, (list, value)) in self.0.iter_mut().zip(row).enumerate() {
            list.push(value, at == 0)?;
        }
        Ok(())
    }

    /// How the columns are written, and what is bound to them.
    fn close(self) -> (Vec<String>, Vec<Value>) {
        let close = |(list, at): (List, usize)| {
            let List { first, rows: _, mut text, of } = list;
            match first {
                Some(value) if text.is_empty() => (format!("${at}::{of}"), value),
                Some(_) | None => {
                    text.push_str(if text.is_empty() { "{}" } else { "}" });
                    (format!("unnest(${at}::{of}[])"), text.into())
                }
            }
        };
        self.0.into_iter().zip(1..).map(close).unzip()
    }
}

impl List {
    fn push(&mut self, value: Value, is_list: bool) -> Result<()> {
        if let Some(first) = &self.first {
            if self.text.is_empty() && *first == value && !is_list {
                self.rows += 1;
                return Ok(());
            }
        } else if !is_list {
            self.of = spell(&value)?;
            (self.first, self.rows) = (Some(value), 1);
            return Ok(());
        } else {
            self.of = spell(&value)?;
        }
        // Now they differ: those that were the same are written out.
        if self.text.is_empty()
            && let Some(first) = self.first.clone()
        {
            for _ in 0..self.rows {
                self.write(&first)?;
            }
        }
        self.write(&value)
    }

    fn write(&mut self, value: &Value) -> Result<()> {
        self.text.push(if self.text.is_empty() { '{' } else { ',' });
        #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
        let written = match value {
            Value::BigInt(Some(it)) => write!(self.text, "{it}"),
            Value::Int(Some(it)) => write!(self.text, "{it}"),
            Value::Bool(Some(it)) => write!(self.text, "{it}"),
            Value::Bytes(Some(it)) => {
                self.text.push_str("\"\\\\x");
                let hex = it.iter().try_for_each(|byte| write!(self.text, "{byte:02x}"));
                self.text.push('"');
                hex
            }
            Value::String(Some(it)) => {
                self.quote(it);
                Ok(())
            }
            _ => write!(self.text, "NULL"),
        };
        written.map_err(Error::internal)
    }

    fn quote(&mut self, text: &str) {
        self.text.push('"');
        for it in text.split_inclusive(['"', '\\']) {
            match it.strip_suffix(['"', '\\']) {
                None => self.text.push_str(it),
                Some(plain) => {
                    self.text.push_str(plain);
                    self.text.push('\\');
                    self.text.push_str(it.get(plain.len()..).unwrap_or_default());
                }
            }
        }
        self.text.push('"');
    }
}

/// The type of a column with such values.
fn spell(value: &Value) -> Result<&'static str> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "a foreign enum that grows")]
    match value {
        Value::BigInt(_) => Ok("bigint"),
        Value::Int(_) => Ok("integer"),
        Value::Bool(_) => Ok("boolean"),
        Value::Bytes(_) => Ok("bytea"),
        Value::String(_) => Ok("text"),
        _ => Err(unknown()),
    }
}
