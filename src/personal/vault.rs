//! The vault: seals and opens personal data with the data keys, and makes the digests that it is found by.
use std::{
    collections::BTreeMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hmac,
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use rand::RngCore;
use serde::{Deserialize, Serialize};

use super::{Applicant, Kind, Sought, no_keys};
use crate::error::{Error, Reason, Result};

/// How a sealed text begins; the key's id and the sealed bytes follow, each after a colon. What was kept before there
/// were keys does not begin so.
const MARK: &str = "sealed:";

/// Keys of personal data, shared by all that open and seal.
#[derive(Clone, Default)]
pub struct Vault(Arc<VaultInner>);

#[derive(Default)]
struct VaultInner {
    ring: RwLock<Option<Arc<Ring>>>,
    file: Option<PathBuf>,
}

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").field("file", &self.0.file).finish_non_exhaustive()
    }
}

/// The keys as they are written, in TOML. They open all personal data of the store; without them it is lost.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataKeys {
    /// The id of the key that seals.
    current: String,
    /// The key of the digests that people are found by: 32 bytes in base64. It stays.
    index: String,
    /// Keys by their ids, each 32 bytes in base64. Old ones stay until everything was sealed anew.
    keys: BTreeMap<String, String>,
}

impl fmt::Debug for DataKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("current", &self.current).finish_non_exhaustive()
    }
}

impl DataKeys {
    /// New keys, the first one with this id.
    pub fn generate(id: &str) -> Self {
        let keys = BTreeMap::from([(id.to_owned(), fresh())]);
        Self { current: id.to_owned(), index: fresh(), keys }
    }

    /// Whether there is a key with this id.
    pub fn has(&self, id: &str) -> bool {
        self.keys.contains_key(id)
    }

    /// With a new key, which seals from now on.
    #[must_use]
    pub fn rotated(mut self, id: &str) -> Self {
        self.keys.entry(id.to_owned()).or_insert_with(fresh);
        id.clone_into(&mut self.current);
        self
    }

    /// Reads keys. What is wrong is said without repeating any of them.
    pub fn parse(text: &str) -> Result<Self, String> {
        let keys: Self = toml::from_str(text)
            .map_err(|err| format!("hold `current`, `index` and `[keys]`: {}", err.message()))?;
        Ring::new(&keys)?;
        Ok(keys)
    }

    /// As TOML.
    pub fn to_text(&self) -> Result<String> {
        let head = "# Keys of the personal data in the hub. Without them it cannot be read: keep a copy elsewhere.\n";
        Ok(head.to_owned() + &toml::to_string(self).map_err(Error::internal)?)
    }
}

fn fresh() -> String {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    STANDARD.encode(bytes)
}

/// Writes keys to a file that only its owner can read; one that is there is replaced whole.
pub fn write(path: &Path, keys: &DataKeys) -> io::Result<()> {
    use io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let fail = |err: io::Error| io::Error::new(err.kind(), format!("{}: {err}", path.display()));
    let beside = path.with_extension("new");
    let text = keys.to_text().map_err(io::Error::other)?;
    let mut file = fs::OpenOptions::new();
    let file = file.write(true).create(true).truncate(true).mode(0o600);
    let mut file = file.open(&beside).map_err(fail)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(fail)?;
    fs::rename(&beside, path).map_err(fail)
}

/// One key, and what is made of it.
struct Key {
    seal: LessSafeKey,
    /// Makes the nonce from what is sealed: the same text for the same thing seals alike, and no nonce serves two
    /// texts.
    nonce: hmac::Key,
    check: Vec<u8>,
}

struct Ring {
    current: String,
    index: hmac::Key,
    keys: BTreeMap<String, Key>,
}

impl Ring {
    fn new(keys: &DataKeys) -> Result<Self, String> {
        let DataKeys { current, index, keys } = keys;
        let read = |name: &str, text: &str| {
            let bytes = STANDARD.decode(text.trim()).ok().filter(|it| it.len() == 32);
            bytes.ok_or_else(|| format!("give {name} as 32 bytes in base64"))
        };
        let mut ring = BTreeMap::new();
        for (id, text) in keys {
            let is_id =
                |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
            if id.is_empty() || id.len() > 32 || !id.bytes().all(is_id) {
                return Err(
                    "name keys by 1 to 32 lower-case letters, digits, dots and hyphens".to_owned()
                );
            }
            let bytes = read(&format!("the key `{id}`"), text)?;
            let derived = |what: &str| {
                let key = hmac::Key::new(hmac::HMAC_SHA256, &bytes);
                hmac::sign(&key, what.as_bytes()).as_ref().to_vec()
            };
            let unbound = UnboundKey::new(&AES_256_GCM, &derived("seal"));
            let key = Key {
                seal: LessSafeKey::new(unbound.map_err(|_| "hold keys of 32 bytes".to_owned())?),
                nonce: hmac::Key::new(hmac::HMAC_SHA256, &derived("nonce")),
                check: derived("check"),
            };
            ring.insert(id.clone(), key);
        }
        if !ring.contains_key(current) {
            return Err("name one of `[keys]` as `current`".to_owned());
        }
        let index = hmac::Key::new(hmac::HMAC_SHA256, &read("`index`", index)?);
        Ok(Self { current: current.clone(), index, keys: ring })
    }
}

impl Vault {
    /// With these keys.
    pub fn new(keys: &DataKeys) -> Result<Self, String> {
        let ring = Some(Arc::new(Ring::new(keys)?));
        Ok(Self(Arc::new(VaultInner { ring: RwLock::new(ring), file: None })))
    }

    /// With the keys of a file, which is read again when it may have changed.
    pub fn open_file(path: &Path) -> Result<Self, String> {
        let ring = Some(Arc::new(read_file(path)?));
        Ok(Self(Arc::new(VaultInner { ring: RwLock::new(ring), file: Some(path.to_owned()) })))
    }

    /// The keys as they are now, whatever happens to these: for work that compares what it seals.
    #[must_use]
    pub fn pinned(&self) -> Self {
        Self(Arc::new(VaultInner { ring: RwLock::new(self.ring()), file: self.0.file.clone() }))
    }

    fn ring(&self) -> Option<Arc<Ring>> {
        self.0.ring.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Reads the file again. A broken one leaves the keys as they were, and so does one that lacks a key that was
    /// there.
    pub fn reload(&self) -> Result<(), String> {
        let Some(path) = &self.0.file else { return Ok(()) };
        let ring = read_file(path)?;
        if let Some(old) = self.ring() {
            if old
                .keys
                .iter()
                .any(|(id, key)| ring.keys.get(id).is_some_and(|it| it.check != key.check))
            {
                return Err("not change a key that is there: add another one".to_owned());
            }
            if hmac::sign(&old.index, b"check").as_ref()
                != hmac::sign(&ring.index, b"check").as_ref()
            {
                return Err("not change `index`".to_owned());
            }
        }
        *self.0.ring.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(ring));
        Ok(())
    }

    /// The file that they are read from, if there is one.
    pub fn file(&self) -> Option<&PathBuf> {
        self.0.file.as_ref()
    }

    /// Whether there are any keys.
    pub fn is_open(&self) -> bool {
        self.ring().is_some()
    }

    /// What tells each key from any other with its id, and tells nothing else of it.
    pub fn checks(&self) -> Vec<(String, String)> {
        let Some(ring) = self.ring() else { return Vec::new() };
        let keys = ring.keys.iter().map(|(id, key)| (format!("key {id}"), code(&key.check)));
        let index = hmac::sign(&ring.index, b"check");
        keys.chain([("index".to_owned(), code(index.as_ref()))]).collect()
    }

    /// Whether a kept text is sealed with the key that seals now.
    pub fn is_current(&self, kept: &str) -> bool {
        let id = kept.strip_prefix(MARK).and_then(|it| it.split_once(':')).map(|(id, _)| id);
        self.ring().is_some_and(|ring| id == Some(ring.current.as_str()))
    }

    /// How a text begins that is sealed with the key that seals now.
    pub fn current_mark(&self) -> Result<String> {
        let ring = self.ring().ok_or_else(no_keys)?;
        Ok(format!("{MARK}{}:", ring.current))
    }

    /// Seals a text, for the thing that `of` names: it opens only there.
    pub(super) fn seal(&self, text: &str, of: &str) -> Result<String> {
        let ring = self.ring().ok_or_else(no_keys)?;
        let broken = || Error::internal("personal data could not be sealed");
        let key = ring.keys.get(&ring.current).ok_or_else(broken)?;
        let mut context = hmac::Context::with_key(&key.nonce);
        context.update(of.as_bytes());
        context.update(&[0]);
        context.update(text.as_bytes());
        let made = context.sign();
        let nonce: [u8; NONCE_LEN] = made.as_ref().first_chunk().copied().ok_or_else(broken)?;
        let mut bytes = text.as_bytes().to_vec();
        let aad = Aad::from(of.as_bytes());
        key.seal
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut bytes)
            .map_err(|_| broken())?;
        let sealed = STANDARD_NO_PAD.encode([nonce.as_slice(), &bytes].concat());
        Ok(format!("{MARK}{}:{sealed}", ring.current))
    }

    /// Opens a text that was sealed for `of`.
    pub(super) fn open(&self, kept: &str, of: &str) -> Result<String> {
        let Some(rest) = kept.strip_prefix(MARK) else {
            // From before there were keys.
            return Ok(kept.to_owned());
        };
        let broken =
            || Error::internal("kept personal data does not open: it was changed, or moved");
        let (id, sealed) = rest.split_once(':').ok_or_else(broken)?;
        let mut ring = self.ring().ok_or_else(no_keys)?;
        if !ring.keys.contains_key(id) {
            // Another hub has a newer key already.
            if let Err(why) = self.reload() {
                tracing::warn!(why, "the file of data keys must");
            }
            ring = self.ring().ok_or_else(no_keys)?;
        }
        let key = ring.keys.get(id).ok_or_else(|| {
            tracing::error!(key = id, "personal data is sealed with a key that this hub lacks");
            Error::new(Reason::PersonalDataLocked, "this hub lacks a key of personal data")
        })?;
        let bytes = STANDARD_NO_PAD.decode(sealed).map_err(|_| broken())?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let text = key.seal.open_in_place(nonce, Aad::from(of.as_bytes()), &mut sealed);
        let text = text.map_err(|_| broken())?.to_vec();
        String::from_utf8(text).map_err(|_| broken())
    }

    /// The digest that a person is found by. How a number or an address is written does not matter.
    pub fn digest(&self, sought: &Sought) -> Result<String> {
        let ring = self.ring().ok_or_else(no_keys)?;
        let Sought { kind, text } = sought;
        let plain = plain(*kind, text);
        let made = hmac::sign(&ring.index, format!("{}:{plain}", kind.number()).as_bytes());
        Ok(code(made.as_ref()))
    }

    /// A keyed digest; without keys, the plain one.
    pub fn keyed(&self, digest: [u8; 32]) -> [u8; 32] {
        let Some(ring) = self.ring() else { return digest };
        hmac::sign(&ring.index, &digest).as_ref().try_into().unwrap_or(digest)
    }

    /// The digests of an applicant: by identity number, phone and e-mail; none of what it lacks.
    pub fn digests(&self, applicant: &Applicant) -> Result<[Option<String>; 3]> {
        let Applicant { name: _, identity_number, phone, email, address: _ } = applicant;
        let digest = |kind, text: &String| {
            let is_there = !plain(kind, text).is_empty();
            is_there.then(|| self.digest(&Sought { kind, text: text.clone() })).transpose()
        };
        Ok([
            digest(Kind::IdentityNumber, identity_number)?,
            digest(Kind::Phone, phone)?,
            digest(Kind::Email, email)?,
        ])
    }
}

/// As it is compared: letters and digits only, or as a mailbox; a phone without the country's prefix.
fn plain(kind: Kind, text: &str) -> String {
    let lower = text.trim().to_lowercase();
    let signs = |it: &str| it.chars().filter(|it| it.is_alphanumeric()).collect::<String>();
    match kind {
        Kind::Email => lower,
        Kind::Phone => {
            let digits = signs(&lower);
            match digits.strip_prefix("84") {
                Some(rest) if lower.starts_with('+') || digits.len() == 11 => format!("0{rest}"),
                Some(_) | None => digits,
            }
        }
        Kind::Name | Kind::IdentityNumber | Kind::Address | Kind::FreeText => signs(&lower),
    }
}

impl Sought {
    /// Whether nothing would be looked for.
    pub fn is_empty(&self) -> bool {
        plain(self.kind, &self.text).is_empty()
    }
}

/// Sixteen bytes are enough: only the hub can make them.
fn code(digest: &[u8]) -> String {
    STANDARD_NO_PAD.encode(digest.get(..16).unwrap_or(digest))
}

fn read_file(path: &Path) -> Result<Ring, String> {
    let text = fs::read_to_string(path)
        .map_err(|err| format!("name a file that can be read, not `{}`: {err}", path.display()))?;
    Ring::new(&DataKeys::parse(&text)?)
}

#[cfg(test)]
mod tests {
    use super::{DataKeys, Kind, Sought, Vault};

    fn vault() -> (DataKeys, Vault) {
        let keys = DataKeys::generate("one");
        let vault = Vault::new(&keys).unwrap();
        (keys, vault)
    }

    #[test]
    fn what_is_sealed_opens_where_it_belongs() {
        let (keys, vault) = vault();
        let sealed = vault.seal("Nguyễn Thị Hoa", "H61.1").unwrap();
        assert!(!sealed.contains("Hoa"), "{sealed}");
        assert_eq!(vault.seal("Nguyễn Thị Hoa", "H61.1").unwrap(), sealed);
        assert_ne!(vault.seal("Nguyễn Thị Hoa", "H61.2").unwrap(), sealed);
        assert_eq!(vault.open(&sealed, "H61.1").unwrap(), "Nguyễn Thị Hoa");
        vault.open(&sealed, "H61.2").unwrap_err();
        let mut other = sealed.clone();
        let last = if other.pop() == Some('A') { 'B' } else { 'A' };
        other.push(last);
        vault.open(&other, "H61.1").unwrap_err();
        // A new key opens what the old one sealed, and seals otherwise.
        let newer = Vault::new(&keys.rotated("two")).unwrap();
        assert_eq!(newer.open(&sealed, "H61.1").unwrap(), "Nguyễn Thị Hoa");
        assert!(!newer.is_current(&sealed) && vault.is_current(&sealed));
        let again = newer.seal("Nguyễn Thị Hoa", "H61.1").unwrap();
        assert!(newer.is_current(&again));
        // A hub without the newer key says so.
        let err = vault.open(&again, "H61.1").unwrap_err();
        assert_eq!(err.reason(), crate::error::Reason::PersonalDataLocked);
    }

    #[test]
    fn a_person_is_found_however_the_number_is_written() {
        let (_, vault) = vault();
        let digest =
            |kind, text: &str| vault.digest(&Sought { kind, text: text.to_owned() }).unwrap();
        let number = digest(Kind::IdentityNumber, "083301001234");
        assert_eq!(digest(Kind::IdentityNumber, "0833 0100 1234"), number);
        assert_ne!(digest(Kind::IdentityNumber, "083301001235"), number);
        assert_ne!(digest(Kind::Phone, "083301001234"), number);
        let phone = digest(Kind::Phone, "0912 345 678");
        assert_eq!(digest(Kind::Phone, "+84 912.345.678"), phone);
        assert_eq!(digest(Kind::Phone, "84912345678"), phone);
        assert_eq!(digest(Kind::Email, "Hoa@Example.vn "), digest(Kind::Email, "hoa@example.vn"));
        let (_, other) = self::vault();
        let sought = Sought { kind: Kind::IdentityNumber, text: "083301001234".to_owned() };
        assert_ne!(other.digest(&sought).unwrap(), number);
    }

    #[test]
    fn bad_keys_are_refused_without_being_repeated() {
        let good = DataKeys::generate("one").to_text().unwrap();
        DataKeys::parse(&good).unwrap();
        for (bad, must) in [
            ("", "hold `current`"),
            ("current = 'x'\nindex = 'c2hvcnQ='\n[keys]\n", "name one of `[keys]`"),
            ("current = 'x'\nindex = ''\n[keys]\nx = 'c2VjcmV0'\n", "give the key `x`"),
            ("current = 'x y'\nindex = ''\n[keys]\n'x y' = 'c2VjcmV0'\n", "name keys by"),
        ] {
            let why = DataKeys::parse(bad).unwrap_err();
            assert!(why.starts_with(must) && !why.contains("c2VjcmV0"), "{bad}: {why}");
        }
    }
}
