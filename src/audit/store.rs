//! What we ask the database to find records in the log.
pub mod export;
pub mod proof;

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{List, ListAccess, Subject};
use crate::{
    caller::Caller,
    db::list::one_of,
    dossier::store::erase::of_applicant,
    error::{Error, Result},
    hub::Hub,
    log::{
        row::{record, subject},
        store::{end, long, size},
    },
    page::{Mark, Page, Paged},
};

/// The one door to records: all of them for auditors, those of its own calls for any other system.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn visible(caller: &Caller) -> sea_orm::Select<record::Entity> {
    let rows = record::Entity::find();
    if caller.may_audit() {
        return rows;
    }
    rows.filter(record::Column::System.eq(caller.system.code.as_str()))
}

/// Lists records: their bytes, and how many there are in all.
pub async fn list(hub: &Hub, caller: &Caller, list: List) -> Result<(u64, Paged<Vec<u8>>)> {
    use record::Column;
    let List { page, system, method, written_from, written_before, personal, refused } = list;
    let mut rows = visible(caller);
    if let Some(system) = system {
        rows = rows.filter(Column::System.eq(system));
    }
    if let Some(method) = method {
        rows = rows.filter(Column::Method.eq(method));
    }
    if let Some(from) = written_from {
        rows = rows.filter(Column::At.gte(from.micros()));
    }
    if let Some(before) = written_before {
        rows = rows.filter(Column::At.lt(before.micros()));
    }
    if personal {
        rows = rows.filter(Column::Personal.eq(true));
    }
    if refused {
        rows = rows.filter(Column::Code.ne(0));
    }
    let (through, page) = paged(hub, caller, &page, rows).await?;
    Ok((size(through)?, page))
}

/// Lists the records of answers with personal data of a dossier, or of every dossier in which somebody is the
/// applicant, in whichever version.
pub async fn list_access(hub: &Hub, caller: &Caller, list: ListAccess) -> Result<Paged<Vec<u8>>> {
    caller.must_audit()?;
    let ListAccess { subject: whose, page } = list;
    let codes = match whose {
        Subject::Dossier(code) => vec![code],
        Subject::Applicant(sought) => {
            let dossiers = of_applicant(hub.db.vault(), hub.db.read(), &sought).await?;
            dossiers.into_iter().map(|(code, _)| code).collect()
        }
    };
    let of = sea_orm::sea_query::Query::select()
        .column(subject::Column::Seq)
        .from(subject::Entity)
        .and_where(one_of(hub.db.read().get_database_backend(), subject::Column::Dossier, codes)?)
        .take();
    let rows = visible(caller).filter(record::Column::Seq.in_subquery(of));
    Ok(paged(hub, caller, &page, rows).await?.1)
}

/// A page of records: of those that there were when the first page was read.
async fn paged(
    hub: &Hub,
    caller: &Caller,
    page: &Page,
    rows: sea_orm::Select<record::Entity>,
) -> Result<(i64, Paged<Vec<u8>>)> {
    let secret = hub.db.secret();
    let (through, after) = match page.cursor(secret, caller.system_id)? {
        Some(cursor) => (cursor.revision, cursor.after.parse().map_err(Error::internal)?),
        None => (long(end(hub.db.read(), false).await?.tree.size()), 0),
    };
    let most = u64::try_from(page.size()).unwrap_or(u64::MAX);
    let rows = rows
        .filter(record::Column::Seq.gt(after))
        .filter(record::Column::Seq.lte(through))
        .order_by_asc(record::Column::Seq)
        .limit(most.saturating_add(1))
        .all(hub.db.read())
        .await?;
    let mark = Mark { secret, system_id: caller.system_id, revision: through };
    let Paged { items, next } = page.cut(rows, &mark, |last| last.seq.to_string());
    Ok((through, Paged { items: items.into_iter().map(|it| it.body).collect(), next }))
}
