//! Call quotas of agreements: counts calls per window in the database, across all hubs.
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value};

use crate::{
    batch::{Batcher, MANY},
    caller::agreement::{Agreement, Limit, Rights, Window},
    db::Db,
    error::{Error, Reason, Result},
    time::Timestamp,
};

/// A call to count. No two are equal, so that a batch counts each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Use {
    code: String,
    limits: Arc<[Limit]>,
    number: u64,
}

/// The result of counting a call.
#[derive(Clone, Copy, Debug)]
enum Counted {
    /// The call is within the limits.
    In,
    /// The call exceeds this limit, which ends at this instant.
    Out(Limit, Timestamp),
}

/// Counts calls across every hub of the store; calls that arrive together share a transaction.
#[derive(Debug)]
pub struct QuotaMeter {
    db: Db,
    together: Batcher<Use, Counted>,
    next: AtomicU64,
    /// Exhausted agreements by code: version, limit, and end of the window.
    spent: Mutex<HashMap<String, (i64, Limit, Timestamp)>>,
}

/// Most exhausted agreements kept in memory.
const MOST_SPENT: usize = 10_000;

impl QuotaMeter {
    /// Counts in this store.
    pub fn start(db: Db) -> Self {
        let store = db.clone();
        let together = Batcher::start(MANY, move |uses| {
            let db = store.clone();
            async move { count(&db, uses).await }
        });
        Self { db, together, next: AtomicU64::default(), spent: Mutex::default() }
    }

    /// Counts a call for each agreement that answers it, or refuses it.
    pub async fn charge(&self, rights: &Rights) -> Result<()> {
        for right in rights.all() {
            self.charge_one(&right.agreement).await?;
        }
        Ok(())
    }

    async fn charge_one(&self, agreement: &Agreement) -> Result<()> {
        if agreement.terms.limits.is_empty() {
            return Ok(());
        }
        let code = agreement.code.as_str();
        let spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner).get(code).copied();
        if let Some((version, limit, until)) = spent
            && version == agreement.made_at
            && self.db.clock() < until
        {
            return Err(self.refuse(code, limit, until));
        }
        let counted = self.together.get(Use {
            code: code.to_owned(),
            limits: agreement.terms.limits.as_slice().into(),
            number: self.next.fetch_add(1, Ordering::Relaxed),
        });
        match counted.await? {
            Some(Counted::In) => Ok(()),
            Some(Counted::Out(limit, until)) => {
                let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
                if spent.len() >= MOST_SPENT {
                    spent.clear();
                }
                spent.insert(code.to_owned(), (agreement.made_at, limit, until));
                Err(self.refuse(code, limit, until))
            }
            None => Err(Error::internal("a call was not counted")),
        }
    }

    fn refuse(&self, code: &str, limit: Limit, until: Timestamp) -> Error {
        refuse(code, limit, until, self.db.clock())
    }
}

/// The refusal of a call over a limit.
pub fn refuse(code: &str, Limit { calls, per }: Limit, until: Timestamp, now: Timestamp) -> Error {
    let left = until.micros().saturating_sub(now.micros()).max(1_000);
    let (per, wait) = (per.name(), Duration::from_micros(left.unsigned_abs()));
    let what = format!("the agreement `{code}` allows {calls} calls per {per}, and no more");
    let err = Error::new(Reason::QuotaExceeded, what).with("agreement", code);
    err.with("calls", calls).with("per", per).retry_in(wait)
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug)]
pub struct Left {
    /// The limit.
    pub limit: Limit,
    /// Calls.
    pub left: i64,
}

/// Counts calls in one transaction; of one agreement's calls the first ones pass, as many as its limit leaves.
async fn count(db: &Db, uses: Vec<Use>) -> Result<HashMap<Use, Counted>> {
    // In the order of codes, on every hub, so that two hubs cannot deadlock.
    let mut by_code: BTreeMap<String, Vec<Use>> = BTreeMap::new();
    for it in uses {
        by_code.entry(it.code.clone()).or_default().push(it);
    }
    let at = db.clock();
    let _turn = db.commits().turn().await;
    let tx = db.begin_beside().await?;
    let mut counted = HashMap::new();
    for (code, mut uses) in by_code {
        uses.sort_by_key(|it| it.number);
        // A hub that already has another version of the agreement counts by that one; the last one asked for is the
        // newest here.
        let Some(limits) = uses.last().map(|it| Arc::clone(&it.limits)) else { continue };
        let asked = i64::try_from(uses.len()).unwrap_or(i64::MAX);
        let (mut allowed, mut refusal) = (asked, None);
        for limit in limits.iter() {
            let (used, start) = add(&tx, &code, limit.per, at, asked).await?;
            let fit = (limit.calls - (used - asked)).clamp(0, asked);
            let (_, until) = limit.per.around(start);
            if fit < asked && refusal.is_none_or(|(_, known)| known < until) {
                refusal = Some((*limit, until));
            }
            allowed = allowed.min(fit);
        }
        if allowed < asked {
            for limit in limits.iter() {
                give_back(&tx, &code, limit.per, asked - allowed).await?;
            }
        }
        let allowed = usize::try_from(allowed).unwrap_or(0);
        for (place, it) in uses.into_iter().enumerate() {
            let told = match refusal {
                Some((limit, until)) if place >= allowed => Counted::Out(limit, until),
                Some(_) | None => Counted::In,
            };
            counted.insert(it, told);
        }
    }
    tx.commit().await?;
    Ok(counted)
}

/// Adds calls to the running window; returns its count and its start. A hub whose clock is behind joins the window that
/// another hub began.
async fn add(
    db: &impl ConnectionTrait,
    code: &str,
    per: Window,
    at: Timestamp,
    calls: i64,
) -> Result<(i64, Timestamp)> {
    let begins = per.around(at).0.micros();
    let statement = "INSERT INTO agreement_use (agreement, per, window_start, used) VALUES (?, ?, ?, ?) \
        ON CONFLICT (agreement, per) DO UPDATE SET \
        used = CASE WHEN excluded.window_start > agreement_use.window_start THEN excluded.used \
        ELSE agreement_use.used + excluded.used END, \
        window_start = CASE WHEN excluded.window_start > agreement_use.window_start \
        THEN excluded.window_start ELSE agreement_use.window_start END \
        RETURNING used, window_start";
    let values = [code.into(), per.number().into(), begins.into(), calls.into()];
    let row = db.query_one_raw(spell(db, statement, values)).await?;
    let row = row.ok_or_else(|| Error::internal("a count was not returned"))?;
    let start: i64 = row.try_get("", "window_start")?;
    Ok((row.try_get("", "used")?, Timestamp::from_micros(start)))
}

async fn give_back(db: &impl ConnectionTrait, code: &str, per: Window, calls: i64) -> Result<()> {
    let statement = "UPDATE agreement_use SET used = used - ? WHERE agreement = ? AND per = ?";
    let values = [calls.into(), code.into(), per.number().into()];
    db.execute_raw(spell(db, statement, values)).await?;
    Ok(())
}

/// Calls that an agreement has answered in its running windows, in the order of its limits.
pub async fn used(
    db: &impl ConnectionTrait,
    agreement: &Agreement,
    at: Timestamp,
) -> Result<Vec<i64>> {
    let mut all = Vec::new();
    for limit in &agreement.terms.limits {
        let statement = "SELECT used FROM agreement_use \
            WHERE agreement = ? AND per = ? AND window_start >= ?";
        let begins = limit.per.around(at).0.micros();
        let values = [agreement.code.as_str().into(), limit.per.number().into(), begins.into()];
        let row = db.query_one_raw(spell(db, statement, values)).await?;
        all.push(row.map(|it| it.try_get("", "used")).transpose()?.unwrap_or(0));
    }
    Ok(all)
}

/// A statement with the engine's own placeholders.
fn spell<const N: usize>(
    db: &impl ConnectionTrait,
    statement: &str,
    values: [Value; N],
) -> Statement {
    let backend = db.get_database_backend();
    let text = match backend {
        DbBackend::Postgres => {
            let mut text = String::with_capacity(statement.len() + N);
            for (place, part) in statement.split('?').enumerate() {
                if place > 0 {
                    text.push_str(&format!("${place}"));
                }
                text.push_str(part);
            }
            text
        }
        DbBackend::Sqlite | DbBackend::MySql | _ => statement.to_owned(),
    };
    Statement::from_sql_and_values(backend, text, values)
}
