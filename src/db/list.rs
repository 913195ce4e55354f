//! Lists as one bound value, so that an engine prepares each statement once.
use sea_orm::{
    ColumnTrait, DbBackend, Value,
    sea_query::{Expr, ExprTrait, Func, SimpleExpr, extension::postgres::PgFunc},
};

use crate::error::{Error, Result};

/// Whether an expression is one of these ids.
pub fn among(
    backend: DbBackend,
    column: impl ExprTrait,
    ids: impl IntoIterator<Item = i64>,
) -> Result<SimpleExpr> {
    let ids: Vec<i64> = ids.into_iter().collect();
    Ok(match backend {
        DbBackend::Postgres => column.eq(PgFunc::any(Value::from(ids))),
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            let list = serde_json::to_string(&ids).map_err(Error::internal)?;
            column.in_subquery(
                sea_orm::sea_query::Query::select()
                    .column("value")
                    .from_function(Func::cust("json_each").arg(list), "list")
                    .take(),
            )
        }
    })
}

/// Whether a column is one of these texts.
pub fn one_of(
    backend: DbBackend,
    column: impl ColumnTrait,
    texts: Vec<String>,
) -> Result<SimpleExpr> {
    let column = Expr::col(column.as_column_ref());
    Ok(match backend {
        DbBackend::Postgres => column.eq(PgFunc::any(Value::from(texts))),
        DbBackend::Sqlite | DbBackend::MySql | _ => {
            let list = serde_json::to_string(&texts).map_err(Error::internal)?;
            column.in_subquery(
                sea_orm::sea_query::Query::select()
                    .column("value")
                    .from_function(Func::cust("json_each").arg(list), "list")
                    .take(),
            )
        }
    })
}
