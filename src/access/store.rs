//! Queries about systems and keys.
pub mod agreements;
pub mod held;
pub mod limits;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Weak},
    time::Duration,
};

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait,
    sea_query::{Alias, Expr, ExprTrait, OnConflict},
};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::row::{key, key_use, system};
use crate::{
    access::{
        Access,
        queries::{Issue, List, Register, RevokeKey, Switch, Update},
    },
    caller::{
        Caller, Grants, Key, System, SystemCode,
        credential::Credential,
        directory::{Directory, hash, new_key},
    },
    error::{Error, Reason, Result},
    hub::{BatchOptions, Hub, WriteOp, reference::Reference},
    outcome::Outcome,
    page::Paged,
    revision::versioned::{standing, supersede},
    revision::{
        Consistency, ReferenceData, Revision,
        expected::in_use,
        receipt::ItemResult,
        write::{Done, Effect, Write},
    },
    time::{Day, Timestamp},
    unit::{self, forest::Forest},
};

/// The one door to systems: those that stood at a revision.
fn visible(number: i64) -> sea_orm::Select<system::Entity> {
    standing(number)
}

/// The one door to keys: those that stood at a revision.
fn visible_keys(number: i64) -> sea_orm::Select<key::Entity> {
    standing(number)
}

impl Reference for Directory {
    const WHICH: ReferenceData = ReferenceData::Access;

    /// Loads every system, key and agreement as they stood at a revision.
    async fn load(db: &impl ConnectionTrait, number: i64) -> Result<Self> {
        let mut systems = BTreeMap::new();
        for row in visible(number).all(db).await? {
            systems.insert(row.id, Arc::new(System::try_from(row)?));
        }
        let keys = visible_keys(number).all(db).await?.into_iter().map(Key::from).collect();
        Ok(Directory::new(systems, keys, agreements::load(db, number).await?))
    }
}

/// Registers a system; a registered one stays unchanged.
impl WriteOp for Register {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<ItemResult> {
        caller.may_change_system(self.grants.administrator)?;
        let Register { code, name, grants, statuses, agency_unit, contact } = self;
        let directory = hub.reference::<Directory>(write).await?;
        let agency_unit_id = agency(hub, write, agency_unit.as_ref(), "agency_unit").await?;
        let system = System {
            code,
            name,
            grants,
            statuses,
            agency_unit_id,
            contact,
            disabled: false,
            made_at: 0,
        };
        put(write, &directory, system, |known| {
            Err(in_use("system", known.code.as_str(), known.made_at).at("code"))
        })
        .await
    }
}

/// Updates a system.
impl WriteOp for Update {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, caller: &Caller) -> Result<ItemResult> {
        let (expected, code) = (self.expected, self.code.clone());
        let directory = hub.reference::<Directory>(write).await?;
        let known = known(&directory, &code)?;
        let named = self.agency_unit.as_ref().and_then(Option::as_ref);
        let agency = agency(hub, write, named, "system.agency_unit").await?;
        let system = self.of(known, agency);
        caller.may_change_system(system.grants.administrator || known.grants.administrator)?;
        let replaces = |known: &System| expected.check("system", code.as_str(), known.made_at);
        put(write, &directory, system, replaces).await
    }
}

/// Disables a system, or enables it again.
impl WriteOp for Switch {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<ItemResult> {
        let Self { code, disabled } = self;
        let directory = hub.reference::<Directory>(write).await?;
        let known = known(&directory, &code)?.clone();
        put(write, &directory, System { disabled, ..known }, |_| Ok(())).await
    }
}

/// The unit that runs a system, by its name of today.
async fn agency(
    hub: &Hub,
    write: &Write,
    named: Option<&unit::Ref>,
    field: &str,
) -> Result<Option<i64>> {
    let Some(named) = named else { return Ok(None) };
    let forest = hub.reference::<Forest>(write).await?;
    Ok(Some(forest.resolve(named, Day::today(), field)?.id))
}

fn known<'a>(directory: &'a Directory, code: &SystemCode) -> Result<&'a System> {
    let known = directory.by_code(code.as_str()).map(|(_, it)| it.as_ref());
    known.ok_or_else(|| Error::not_found("system", code.as_str()))
}

/// Writes a version of a system unless the same one stands; `replaces` may refuse to supersede the standing one.
async fn put(
    write: &Write,
    directory: &Directory,
    system: System,
    replaces: impl FnOnce(&System) -> Result<()>,
) -> Result<ItemResult> {
    let (id, outcome) = match directory.by_code(system.code.as_str()) {
        Some((id, known)) => {
            if *known.as_ref() == (System { made_at: known.made_at, ..system.clone() }) {
                return Ok(ItemResult::new(Outcome::Unchanged, id));
            }
            replaces(known)?;
            (id, Outcome::Corrected)
        }
        None => (directory.next_id(), Outcome::Created),
    };
    supersede::<system::Entity>(write, system::Column::Id.eq(id)).await?;
    let System { code, name, grants, statuses, agency_unit_id, contact, disabled, made_at: _ } =
        system;
    let row = system::ActiveModel {
        id: Set(id),
        code: Set(code),
        name: Set(name),
        grants_json: Set(serde_json::to_string(&grants).map_err(Error::internal)?),
        statuses_json: Set(serde_json::to_string(&statuses).map_err(Error::internal)?),
        agency_unit_id: Set(agency_unit_id),
        contact: Set(contact),
        disabled: Set(disabled),
        made_at: Set(write.revision.number),
        superseded_at: Set(None),
    };
    system::Entity::insert(row).exec_without_returning(&write.db).await?;
    Ok(ItemResult::new(outcome, id))
}

/// Issues a key, and returns its text, its row and its revision. The hub stores no secret, so a repeated request is
/// refused: an answer without the secret would look like a success.
pub async fn issue(
    hub: &Arc<Hub>,
    caller: &Caller,
    ask: BatchOptions,
    issue: Issue,
) -> Result<(String, Key, Revision)> {
    let (id, secret, text) = new_key();
    let hash = hash(&secret).to_vec();
    let key_id = id.clone();
    let add = AddKey { issue, id, hash };
    let receipt = hub.write_one(caller, ask, ReferenceData::Access, add).await?;
    if receipt.replayed {
        let made = receipt.results.first().map_or("", |it| it.message.as_str());
        let what = format!(
            "this request_id issued the key `{made}`, which was shown then and cannot be shown again; revoke it, \
             and issue another"
        );
        let err = Error::new(Reason::AlreadyExists, what).with("key_id", made);
        return Err(err.at("request_id"));
    }
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    let key = directory.key(&key_id).cloned();
    let key = key.ok_or_else(|| Error::internal("a key was issued, and is not there"))?;
    Ok((text, key, receipt.revision))
}

/// A new key, to be written.
#[derive(Clone)]
struct AddKey {
    issue: Issue,
    id: String,
    hash: Vec<u8>,
}

/// The result names the key, so that a repeated request can name it.
impl WriteOp for AddKey {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<ItemResult> {
        let AddKey { issue, id, hash } = self;
        let directory = hub.reference::<Directory>(write).await?;
        let (system_id, _) = directory
            .by_code(issue.system.as_str())
            .ok_or_else(|| Error::not_found("system", issue.system.as_str()))?;
        let now = write.revision.at;
        if directory.keys_of(system_id).iter().filter(|it| it.lives(now)).count() >= 2 {
            let what = "the system has two live keys already; revoke one first";
            return Err(Error::new(Reason::AlreadyExists, what));
        }
        let expires_at = issue.expiry(write)?;
        let message = id.clone();
        let key = Key { id, system_id, hash, issued_at: now, expires_at, revoked_at: None };
        insert_key(write, key).await?;
        Ok(ItemResult { message, ..ItemResult::new(Outcome::Created, 0) })
    }
}

/// Issues a key straight in the store, for the program's own commands.
pub async fn issue_key(hub: &Arc<Hub>, asked: Issue) -> Result<(String, Key, Revision)> {
    let caller = Caller::hub("hub/IssueKey", hub.limits.longest);
    issue(hub, &caller, BatchOptions::internal("IssueKey"), asked).await
}

/// Revokes a key.
impl WriteOp for RevokeKey {
    type Output = ItemResult;

    async fn run(self, hub: &Hub, write: &Write, _: &Caller) -> Result<ItemResult> {
        let Self(id) = self;
        let directory = hub.reference::<Directory>(write).await?;
        let key = directory.key(&id).ok_or_else(|| Error::not_found("key", &id))?.clone();
        if key.revoked_at.is_some() {
            return Ok(ItemResult::new(Outcome::Unchanged, 0));
        }
        supersede::<key::Entity>(write, key::Column::Id.eq(id.as_str())).await?;
        insert_key(write, Key { revoked_at: Some(write.revision.at), ..key }).await?;
        Ok(ItemResult::new(Outcome::Corrected, 0))
    }
}

async fn insert_key(write: &Write, key: Key) -> Result<()> {
    let Key { id, system_id, hash, issued_at, expires_at, revoked_at } = key;
    let row = key::ActiveModel {
        id: Set(id),
        system_id: Set(system_id),
        hash: Set(hash),
        issued_at: Set(issued_at.micros()),
        expires_at: Set(expires_at.micros()),
        revoked_at: Set(revoked_at.map(Timestamp::micros)),
        made_at: Set(write.revision.number),
        superseded_at: Set(None),
    };
    key::Entity::insert(row).exec_without_returning(&write.db).await?;
    Ok(())
}

/// Registers an administrator unless its code is taken: the way to the first one.
pub async fn ensure_administrator(hub: &Arc<Hub>, code: &SystemCode) -> Result<()> {
    let directory = hub.reference::<Directory>(&hub.revisions.latest()).await?;
    if directory.by_code(code.as_str()).is_some() {
        return Ok(());
    }
    let (code, name) = (code.clone(), code.as_str().to_owned());
    let grants = Grants { administrator: true, ..Grants::default() };
    let registration = Register::plain(code, name, grants);
    let caller = Caller::hub("hub/RegisterAdministrator", hub.limits.longest);
    let ask = BatchOptions::internal("RegisterSystem");
    hub.write_one(&caller, ask, ReferenceData::Access, registration).await?;
    Ok(())
}

// === when keys were used ===

/// How often uses are written.
const EACH: Duration = Duration::from_secs(60);

/// The one door to the uses of keys; callers already hold the keys.
#[expect(clippy::disallowed_methods, reason = "this is the door")]
fn visible_uses() -> sea_orm::Select<key_use::Entity> {
    key_use::Entity::find()
}

/// Writes the uses of keys each minute, and once more after `stop`.
pub async fn keep_uses(hub: Weak<Hub>, access: Arc<Access>, stop: CancellationToken) {
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = time::sleep(EACH) => false,
        };
        let Some(hub) = hub.upgrade() else { return };
        if let Err(err) = write_uses(&hub, &access).await {
            tracing::warn!(error = %err, "when keys were used could not be written");
        }
        if is_last {
            return;
        }
    }
}

/// Writes the uses of keys that are not written yet.
pub async fn write_uses(hub: &Arc<Hub>, access: &Access) -> Result<()> {
    let uses = access.last_used.take();
    if uses.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> = uses
        .iter()
        .map(|(id, at)| key_use::ActiveModel {
            key_id: Set(id.clone()),
            last_used_at: Set(at.micros()),
        })
        .collect();
    let written =
        hub.write_once(&Caller::hub("hub/NoteUses", hub.limits.longest), KeepUses { rows }).await;
    if written.is_err() {
        for (id, at) in uses {
            access.last_used.saw(&id, at);
        }
    }
    written
}

/// Writes uses of keys, unless another hub wrote later ones.
#[derive(Clone)]
struct KeepUses {
    rows: Vec<key_use::ActiveModel>,
}

impl WriteOp for KeepUses {
    type Output = Done<()>;

    async fn run(self, _: &Hub, write: &Write, _: &Caller) -> Result<Done<()>> {
        for rows in self.rows.chunks(1_000) {
            let (old, new) = ((key_use::Entity, key_use::Column::LastUsedAt), "excluded");
            let newer =
                Expr::col((Alias::new(new), key_use::Column::LastUsedAt)).gt(Expr::col(old));
            let mut later = OnConflict::column(key_use::Column::KeyId);
            later.update_column(key_use::Column::LastUsedAt).action_and_where(newer);
            let insert = key_use::Entity::insert_many(rows.to_vec()).on_conflict(later);
            insert.exec_without_returning(&write.db).await?;
        }
        Ok(Done { answer: (), effect: Effect::Kept { rejected: 0 } })
    }
}

/// Keys with their last use: as written, or as seen by this hub since.
fn used(access: &Access, keys: Vec<Key>, written: &HashMap<String, i64>) -> Vec<Used> {
    let used = |key: Key| {
        let written = written.get(&key.id).copied().map(Timestamp::from_micros);
        Used { last: Ord::max(written, access.last_used.last(&key.id)), key }
    };
    keys.into_iter().map(used).collect()
}

async fn written_uses(hub: &Hub) -> Result<HashMap<String, i64>> {
    let rows = visible_uses().all(hub.db.read()).await?;
    Ok(rows
        .into_iter()
        .map(|key_use::Model { key_id, last_used_at }| (key_id, last_used_at))
        .collect())
}

/// A key, and when it was used last.
#[derive(Debug)]
pub struct Used {
    /// The key.
    pub key: Key,
    /// When it was used last; none if it never was.
    pub last: Option<Timestamp>,
}

/// A system with the unit that runs it, and its keys.
#[derive(Debug)]
pub struct ListedSystem {
    /// The system.
    pub system: Arc<System>,
    /// The unit, by its name.
    pub agency: Option<unit::Name>,
    /// Its keys.
    pub keys: Vec<Used>,
}

impl ListedSystem {
    fn new(system: &Arc<System>, forest: &Forest, keys: Vec<Used>) -> Self {
        let agency = system.agency_unit_id.map(|it| forest.name(it));
        Self { system: Arc::clone(system), agency, keys }
    }
}

/// Lists systems, for administrators.
pub async fn list(
    hub: &Hub,
    access: &Access,
    caller: &Caller,
    list: List,
) -> Result<(Revision, Paged<ListedSystem>)> {
    let List { page, consistency } = list;
    let (view, after) = hub.revisions.page(caller, consistency, &page).await?;
    let directory = hub.reference::<Directory>(&view).await?;
    let mut systems = directory.systems();
    if let Some(after) = after {
        systems.retain(|(_, it)| it.code.as_str() > after.as_str());
    }
    let Paged { items: systems, next } =
        page.cut(systems, &hub.mark(caller, &view), |(_, last)| last.code.as_str().to_owned());
    let (written, forest) = (written_uses(hub).await?, hub.reference::<Forest>(&view).await?);
    let keys = |id| used(access, directory.keys_of(id), &written);
    let items =
        systems.into_iter().map(|(id, it)| ListedSystem::new(it, &forest, keys(id))).collect();
    Ok((view.revision, Paged { items, next }))
}

/// The caller's own registration, with the key that it used and the expiry of its credential.
pub async fn who_am_i(
    hub: &Hub,
    access: &Access,
    caller: &Caller,
) -> Result<(ListedSystem, Option<Timestamp>)> {
    let view = hub.revisions.view(caller, Consistency::Latest).await?;
    let (keys, until) = match &caller.credential {
        Credential::Internal => (Vec::new(), None),
        Credential::Certificate(it) => (Vec::new(), Some(it.not_after)),
        Credential::Token(it) => (Vec::new(), Some(it.expires_at)),
        Credential::Key(id) => {
            let key = hub.reference::<Directory>(&view).await?.key(id).cloned();
            let until = key.as_ref().map(|it| it.expires_at);
            (used(access, key.into_iter().collect(), &written_uses(hub).await?), until)
        }
    };
    let forest = hub.reference::<Forest>(&view).await?;
    Ok((ListedSystem::new(&caller.system, &forest, keys), until))
}

// === rows out ===

impl TryFrom<system::Model> for System {
    type Error = Error;

    fn try_from(row: system::Model) -> Result<Self> {
        let system::Model {
            id: _,
            code,
            name,
            grants_json,
            statuses_json,
            agency_unit_id,
            contact,
            disabled,
            made_at,
            superseded_at: _,
        } = row;
        let grants = serde_json::from_str(&grants_json).map_err(Error::internal)?;
        let statuses = serde_json::from_str(&statuses_json).map_err(Error::internal)?;
        Ok(Self { code, name, grants, statuses, agency_unit_id, contact, disabled, made_at })
    }
}

impl From<key::Model> for Key {
    fn from(row: key::Model) -> Self {
        let key::Model {
            id,
            system_id,
            hash,
            issued_at,
            expires_at,
            revoked_at,
            made_at: _,
            superseded_at: _,
        } = row;
        Self {
            id,
            system_id,
            hash,
            issued_at: Timestamp::from_micros(issued_at),
            expires_at: Timestamp::from_micros(expires_at),
            revoked_at: revoked_at.map(Timestamp::from_micros),
        }
    }
}
