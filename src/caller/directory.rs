//! Systems, keys and agreements at one revision, in memory: identifying and permitting a caller needs no query.
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use sha2::{Digest, Sha256};

use super::{Key, System, agreement::Agreement, credential::Credential, refusals::Cause};
use crate::time::Timestamp;

/// Prefix of every key.
pub const PREFIX: &str = "shk_";

/// Systems, keys and agreements.
#[derive(Debug, Default)]
pub struct Directory {
    systems: BTreeMap<i64, Arc<System>>,
    /// Their ids by their codes.
    ids: HashMap<String, i64>,
    keys: HashMap<String, Key>,
    agreements: BTreeMap<String, Arc<Agreement>>,
    by_system: HashMap<i64, Arc<[Arc<Agreement>]>>,
}

impl Directory {
    /// Indexes every system, key and agreement.
    pub fn new(
        systems: BTreeMap<i64, Arc<System>>,
        keys: Vec<Key>,
        agreements: Vec<Agreement>,
    ) -> Self {
        let keys = keys.into_iter().map(|it| (it.id.clone(), it)).collect();
        let code = |it: &System| it.code.as_str().to_owned();
        let ids = systems.iter().map(|(id, it)| (code(it), *id)).collect();
        let agreements: BTreeMap<_, _> =
            agreements.into_iter().map(|it| (it.code.as_str().to_owned(), Arc::new(it))).collect();
        let mut of: HashMap<i64, Vec<_>> = HashMap::new();
        for it in agreements.values().filter(|it| it.revoked_at.is_none()) {
            of.entry(it.system_id).or_default().push(Arc::clone(it));
        }
        let by_system = of.into_iter().map(|(id, all)| (id, all.into())).collect();
        Self { systems, ids, keys, agreements, by_system }
    }

    /// The agreements of a system that were not revoked, by code.
    pub fn agreements_of(&self, system_id: i64) -> Arc<[Arc<Agreement>]> {
        self.by_system.get(&system_id).map(Arc::clone).unwrap_or_default()
    }

    /// An agreement by its code.
    pub fn agreement(&self, code: &str) -> Option<&Arc<Agreement>> {
        self.agreements.get(code)
    }

    /// Every agreement, by code.
    pub fn agreements(&self) -> impl Iterator<Item = &Arc<Agreement>> {
        self.agreements.values()
    }

    /// The system that may use this key at this instant, and the key.
    pub fn identify(&self, key: &str, at: Timestamp) -> Result<(i64, &Arc<System>, &Key), Cause> {
        let parts = key.strip_prefix(PREFIX).and_then(|it| it.split_once('_'));
        let (id, secret) = parts.ok_or(Cause::Malformed)?;
        let key = self.keys.get(id).ok_or(Cause::KeyUnknown)?;
        let same: bool = subtle::ConstantTimeEq::ct_eq(key.hash.as_slice(), &hash(secret)).into();
        let system = self.systems.get(&key.system_id).filter(|_| same).ok_or(Cause::KeyUnknown)?;
        match () {
            () if key.revoked_at.is_some() => Err(Cause::KeyRevoked),
            () if !key.lives(at) => Err(Cause::KeyExpired),
            () if system.disabled => Err(Cause::SystemDisabled),
            () => Ok((key.system_id, system, key)),
        }
    }

    /// The system that a certificate or a token names, if it is registered and not disabled.
    pub fn named(&self, code: &str) -> Result<(i64, &Arc<System>), Cause> {
        let (id, system) = self.by_code(code).ok_or(Cause::SystemUnknown)?;
        if system.disabled { Err(Cause::SystemDisabled) } else { Ok((id, system)) }
    }

    /// The system of a caller that was identified before, if its credential is still accepted and the system is
    /// enabled.
    pub fn again(
        &self,
        system_id: i64,
        credential: &Credential,
        at: Timestamp,
    ) -> Option<&Arc<System>> {
        let system = self.systems.get(&system_id).filter(|it| !it.disabled)?;
        let is_good = match credential {
            Credential::Internal => true,
            Credential::Key(id) => self
                .keys
                .get(id.as_ref())
                .is_some_and(|it| it.system_id == system_id && it.lives(at)),
            Credential::Certificate(it) => it.lives(at) && it.system == system.code,
            Credential::Token(it) => at < it.expires_at && it.system == system.code,
        };
        is_good.then_some(system)
    }

    /// A system by its code.
    pub fn by_code(&self, code: &str) -> Option<(i64, &Arc<System>)> {
        let id = *self.ids.get(code)?;
        Some((id, self.systems.get(&id)?))
    }

    /// A system by its id.
    pub fn by_id(&self, id: i64) -> Option<&Arc<System>> {
        self.systems.get(&id)
    }

    /// Code of a system, for answers; empty for what the hub itself wrote.
    pub fn code_of(&self, id: i64) -> String {
        self.by_id(id).map_or_else(String::new, |it| it.code.as_str().to_owned())
    }

    /// Every system, by code.
    pub fn systems(&self) -> Vec<(i64, &Arc<System>)> {
        let mut all: Vec<_> = self.systems.iter().map(|(id, it)| (*id, it)).collect();
        all.sort_by(|a, b| a.1.code.cmp(&b.1.code));
        all
    }

    /// The keys of a system, oldest first.
    pub fn keys_of(&self, system_id: i64) -> Vec<Key> {
        let mut keys: Vec<_> =
            self.keys.values().filter(|it| it.system_id == system_id).cloned().collect();
        keys.sort_by(|a, b| (a.issued_at, &a.id).cmp(&(b.issued_at, &b.id)));
        keys
    }

    /// A key by its id.
    pub fn key(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }

    /// The id that the next new system gets.
    pub fn next_id(&self) -> i64 {
        self.systems.last_key_value().map_or(1, |(id, _)| id + 1)
    }
}

/// SHA-256 of a key's secret part.
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// A new key: its id, its secret, and the text that the system sends.
pub fn new_key() -> (String, String, String) {
    use rand::Rng;
    let mut rng = rand::rng();
    let id: String =
        (0..12).map(|_| char::from_digit(rng.random_range(0..36), 36).unwrap_or('0')).collect();
    let secret: [u8; 32] = rng.random();
    // The id has no underscore, so the first one ends it; the secret may have some.
    let secret = B64.encode(secret);
    let key = format!("{PREFIX}{id}_{secret}");
    (id, secret, key)
}
