//! Erases personal data from every version of a dossier on lawful request, and reseals it under the newest key.
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter,
    QueryOrder, QuerySelect, sea_query::Expr,
};

use super::{applicant_of, digest_of, note_of, texts};
use crate::{
    caller::Caller,
    db::bulk,
    dossier::{
        Dossier,
        queries::{Erase, Whose},
        row::{documents_with, dossier, erasure, event, fees_with, of_dossier},
    },
    error::{Error, Reason, Result},
    hub::{BatchOutcome, Hub, WriteOp},
    outcome::Outcome,
    personal::{Personal, Sought, vault::Vault},
    revision::{
        receipt::ItemResult,
        touched::TouchedSet,
        write::{Done, Effect, Write},
    },
};

/// Most dossiers of one applicant: more than any person has.
const MOST: usize = 10_000;
/// Rows that one transaction reseals.
const ROWS: u64 = 1_000;

/// Every version of every dossier: erasing and resealing must reach all of them.
#[expect(clippy::disallowed_methods, reason = "what is kept of a person has no other door")]
fn versions() -> sea_orm::Select<dossier::Entity> {
    dossier::Entity::find()
}

/// The code and the id of every dossier, in any version.
fn dossiers() -> sea_orm::Select<dossier::Entity> {
    use dossier::Column::{Code, Id};
    versions().select_only().column(Code).column(Id).distinct()
}

#[expect(clippy::disallowed_methods, reason = "what is kept of a person has no other door")]
fn remarks() -> sea_orm::Select<event::Entity> {
    event::Entity::find().filter(event::Column::Note.ne(""))
}

#[expect(clippy::disallowed_methods, reason = "the one place where what is kept is changed")]
fn change() -> sea_orm::UpdateMany<dossier::Entity> {
    dossier::Entity::update_many()
}

#[expect(clippy::disallowed_methods, reason = "the one place where what is kept is changed")]
fn change_remarks() -> sea_orm::UpdateMany<event::Entity> {
    event::Entity::update_many()
}

/// Erases personal data. A dossier that loses some gets a new version, so that its followers are told.
impl WriteOp for Erase {
    type Output = BatchOutcome;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<BatchOutcome> {
        caller.must_administer()?;
        caller.must_show_certificate("erasing personal data")?;
        let Erase { whose, superseded_only, legal_basis } = self;
        let mut items = Vec::new();
        for (code, ids) in named(hub, write, whose).await? {
            let mut outcome = None;
            for id in ids {
                let taken = take(write, id, superseded_only, &legal_basis).await?;
                outcome = outcome.filter(|it| *it == Outcome::Corrected).or(Some(taken));
            }
            let outcome = outcome.ok_or_else(|| Error::not_found("dossier", &code));
            items.push(outcome.map(|it| ItemResult::new(it, 0)));
        }
        let touched = if superseded_only {
            TouchedSet::ERASED
        } else {
            TouchedSet::ERASED | TouchedSet::DOSSIERS
        };
        Ok(BatchOutcome::new(items, touched))
    }
}

/// The dossiers to erase, by code, each with its ids: one that was withdrawn and published again has several.
async fn named(hub: &Hub, write: &Write, whose: Whose) -> Result<Vec<(String, Vec<i64>)>> {
    use dossier::Column::{Code, Id};
    match whose {
        Whose::Dossiers(codes) => {
            let codes: Vec<String> = codes.iter().map(|it| it.as_str().to_owned()).collect();
            let found: Vec<(String, i64)> = dossiers()
                .filter(Code.is_in(codes.iter().map(String::as_str)))
                .order_by_asc(Id)
                .into_tuple()
                .all(&write.db)
                .await?;
            let mut known: HashMap<String, Vec<i64>> = HashMap::new();
            for (code, id) in found {
                known.entry(code).or_default().push(id);
            }
            let known = |it: String| {
                let ids = known.get(&it).cloned().unwrap_or_default();
                (it, ids)
            };
            Ok(codes.into_iter().map(known).collect())
        }
        Whose::Applicant(sought) => {
            let found = of_applicant(hub.db.vault(), &write.db, &sought).await?;
            Ok(found.into_iter().map(|(code, id)| (code, vec![id])).collect())
        }
    }
}

/// The dossiers in which a person is the applicant in any version: code and id, by code.
pub async fn of_applicant(
    vault: &Vault,
    db: &impl ConnectionTrait,
    sought: &Sought,
) -> Result<Vec<(String, i64)>> {
    use dossier::Column::Code;
    let found: Vec<(String, i64)> = dossiers()
        .filter(digest_of(sought.kind).eq(vault.digest(sought)?))
        .order_by_asc(Code)
        .limit(u64::try_from(MOST + 1).unwrap_or(u64::MAX))
        .into_tuple()
        .all(db)
        .await?;
    if found.len() > MOST {
        let what = format!("more than {MOST} dossiers; name them in parts");
        return Err(Error::new(Reason::AnswerTooLarge, what).at("applicant"));
    }
    Ok(found)
}

async fn take(write: &Write, id: i64, superseded_only: bool, legal_basis: &str) -> Result<Outcome> {
    use dossier::Column;
    let number = write.revision.number;
    let of = || versions().filter(Column::Id.eq(id));
    let stands = of().filter(Column::SupersededAt.is_null()).one(&write.db).await?;
    // The tombstone of a withdrawn dossier records the erasure.
    let tombstone = of().filter(Column::WithdrawalReason.is_not_null()).one(&write.db).await?;
    let mut rows = change()
        .col_expr(Column::Applicant, Expr::value(None::<String>))
        .col_expr(Column::IdentityDigest, Expr::value(None::<String>))
        .col_expr(Column::PhoneDigest, Expr::value(None::<String>))
        .col_expr(Column::EmailDigest, Expr::value(None::<String>))
        .filter(Column::Id.eq(id))
        .filter(Column::Applicant.is_not_null());
    if superseded_only {
        rows = rows.filter(Column::SupersededAt.is_not_null());
    }
    let mut taken = rows.exec(&write.db).await?.rows_affected;
    for row in of().all(&write.db).await? {
        if row.superseded_at.is_some() || !superseded_only {
            taken += u64::from(keep_texts(write, &row, without_texts(&row)?).await?);
        }
    }
    if !superseded_only {
        let notes = change_remarks()
            .col_expr(event::Column::Note, Expr::value(""))
            .filter(event::Column::DossierId.eq(id))
            .filter(event::Column::Note.ne(""));
        taken += notes.exec(&write.db).await?.rows_affected;
    }
    let is_marked = stands.as_ref().or(tombstone.as_ref()).is_none_or(|it| it.erased);
    if taken == 0 && (superseded_only || is_marked) {
        return Ok(Outcome::Unchanged);
    }
    if tombstone.is_some() && !superseded_only {
        let mark = change().col_expr(Column::Erased, Expr::value(true)).filter(Column::Id.eq(id));
        mark.filter(Column::WithdrawalReason.is_not_null()).exec(&write.db).await?;
    }
    if let Some(row) = stands.filter(|_| !superseded_only) {
        let ended = vec![vec![id.into(), row.made_at.into(), number.into()]];
        bulk::end(&write.db, "dossier", &["id", "made_at"], ended).await?;
        let [fees_json, components_json, results_json] = without_texts(&row)?;
        let row = dossier::Model {
            fees_json,
            components_json,
            results_json,
            applicant: None,
            identity_digest: None,
            phone_digest: None,
            email_digest: None,
            erased: true,
            made_at: number,
            superseded_at: None,
            ..row
        };
        bulk::add::<dossier::Entity>(&write.db, vec![row]).await?;
    }
    let line = erasure::ActiveModel {
        dossier_id: Set(id),
        revision: Set(number),
        superseded_only: Set(superseded_only),
        legal_basis: Set(legal_basis.to_owned()),
    };
    erasure::Entity::insert(line).exec_without_returning(&write.db).await?;
    Ok(Outcome::Corrected)
}

/// The lists of a version, without the texts in them.
fn without_texts(row: &dossier::Model) -> Result<[String; 3]> {
    let mut dossier = Dossier::try_from(row.clone())?;
    dossier.header.drop_texts();
    lists(dossier)
}

/// The lists of a dossier, as they are kept.
fn lists(dossier: Dossier) -> Result<[String; 3]> {
    let row = of_dossier(dossier)?;
    Ok([row.fees_json, row.components_json, row.results_json])
}

/// Keeps the lists of a version, where they differ. Whether they did.
async fn keep_texts(write: &Write, row: &dossier::Model, lists: [String; 3]) -> Result<bool> {
    use dossier::Column::{ComponentsJson, FeesJson, Id, MadeAt, ResultsJson};
    if [&row.fees_json, &row.components_json, &row.results_json] == lists.each_ref() {
        return Ok(false);
    }
    let [fees, components, results] = lists;
    let kept = change()
        .col_expr(FeesJson, Expr::value(fees))
        .col_expr(ComponentsJson, Expr::value(components))
        .col_expr(ResultsJson, Expr::value(results))
        .filter(Id.eq(row.id))
        .filter(MadeAt.eq(row.made_at));
    kept.exec(&write.db).await?;
    Ok(true)
}

/// Seals anew, under the newest key, what was kept in clear or is sealed with an older one: so many applicants, texts
/// and remarks, a part of them in each transaction.
pub async fn reseal(hub: &Arc<Hub>) -> Result<u64> {
    let caller = Caller::hub("hub/Reseal", hub.limits.longest);
    let mut done = 0;
    loop {
        match hub.write_once(&caller, Reseal).await? {
            0 => return Ok(done),
            rows => done += rows,
        }
    }
}

/// Reseals one part in one transaction. Returns how many texts.
#[derive(Clone, Copy)]
struct Reseal;

impl WriteOp for Reseal {
    type Output = Done<u64>;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<Done<u64>> {
        let rows =
            applicants(hub, write).await? + papers(hub, write).await? + notes(hub, write).await?;
        Ok(Done { answer: rows, effect: Effect::Kept { rejected: 0 } })
    }
}

async fn applicants(hub: &Hub, write: &Write) -> Result<u64> {
    use dossier::Column::{Applicant, Code, Id, MadeAt};
    let vault = hub.db.vault();
    let rows: Vec<(i64, i64, String, String)> = versions()
        .filter(Applicant.is_not_null())
        .filter(Applicant.not_like(vault.current_mark()? + "%"))
        .select_only()
        .columns([Id, MadeAt, Code, Applicant])
        .limit(ROWS)
        .into_tuple()
        .all(&write.db)
        .await?;
    let mut done = 0;
    for (id, made_at, code, kept) in rows {
        let of = applicant_of(&code);
        let kept = Personal::kept(kept);
        let applicant = crate::personal::Applicant::read(kept.opened(vault, &of)?)?;
        let [identity, phone, email] = vault.digests(&applicant)?;
        done += change()
            .col_expr(Applicant, Expr::value(kept.sealed(vault, &of)?.to_kept()?))
            .col_expr(dossier::Column::IdentityDigest, Expr::value(identity))
            .col_expr(dossier::Column::PhoneDigest, Expr::value(phone))
            .col_expr(dossier::Column::EmailDigest, Expr::value(email))
            .filter(Id.eq(id))
            .filter(MadeAt.eq(made_at))
            .exec(&write.db)
            .await?
            .rows_affected;
    }
    Ok(done)
}

/// What was erased of these dossiers.
#[expect(clippy::disallowed_methods, reason = "what is kept of a person has no other door")]
fn erasures(dossiers: BTreeSet<i64>) -> sea_orm::Select<erasure::Entity> {
    erasure::Entity::find().filter(erasure::Column::DossierId.is_in(dossiers))
}

/// Texts of fees and documents. What was erased while they were no personal data goes now.
async fn papers(hub: &Hub, write: &Write) -> Result<u64> {
    use dossier::Column::{ComponentsJson, FeesJson, ResultsJson};
    let vault = hub.db.vault();
    let mark = vault.current_mark()?;
    let is_older = |it: dossier::Column, with: fn(&str) -> String| {
        let is_there = Condition::all().add(it.ne("[]")).add(it.not_like(with(&mark) + "%"));
        is_there.add(it.not_like(with("\"") + "%"))
    };
    let older = Condition::any()
        .add(is_older(FeesJson, fees_with))
        .add(is_older(ComponentsJson, documents_with))
        .add(is_older(ResultsJson, documents_with));
    let rows = versions().filter(older).limit(ROWS).all(&write.db).await?;
    let ids: BTreeSet<i64> = rows.iter().map(|it| it.id).collect();
    let erased = erasures(ids).all(&write.db).await?;
    let mut done = 0;
    for row in rows {
        let is_erased = erased.iter().filter(|it| it.dossier_id == row.id).any(|it| {
            let ended = row.superseded_at.is_some_and(|at| at <= it.revision);
            ended || !it.superseded_only && row.made_at <= it.revision
        });
        let mut dossier = Dossier::try_from(row.clone())?;
        if is_erased {
            dossier.header.drop_texts();
        }
        texts::renew(&mut dossier.header, vault, row.code.as_str())?;
        done += u64::from(keep_texts(write, &row, lists(dossier)?).await?);
    }
    Ok(done)
}

async fn notes(hub: &Hub, write: &Write) -> Result<u64> {
    use event::Column::{DossierId, Identity, Note};
    let vault = hub.db.vault();
    let rows: Vec<(i64, String, String)> = remarks()
        .filter(Note.not_like(vault.current_mark()? + "%"))
        .select_only()
        .columns([DossierId, Identity, Note])
        .limit(ROWS)
        .into_tuple()
        .all(&write.db)
        .await?;
    let mut done = 0;
    for (id, identity, kept) in rows {
        let code = versions().filter(dossier::Column::Id.eq(id)).one(&write.db).await?;
        let code = code.ok_or_else(|| Error::internal("an event has no dossier"))?.code;
        let note = Personal::kept(kept).sealed(vault, &note_of(code.as_str()))?;
        done += change_remarks()
            .col_expr(Note, Expr::value(note.to_kept()?))
            .filter(DossierId.eq(id))
            .filter(Identity.eq(identity))
            .exec(&write.db)
            .await?
            .rows_affected;
    }
    Ok(done)
}
