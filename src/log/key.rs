//! The key that signs checkpoints. It is kept outside the store, so that write access to the store does not allow
//! signing.
use std::{
    fmt, fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey},
};
use base64::{Engine, engine::general_purpose::STANDARD as B64};
use rustls::pki_types::{PrivatePkcs8KeyDer, pem::PemObject};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// What comes before an Ed25519 key where signed notes spell one.
const ED25519_KIND: u8 = 1;
/// The label of a private key in a PEM file.
const LABEL: &str = "PRIVATE KEY";

/// Signs checkpoints. It is shared by all hubs on one store.
#[derive(Clone)]
pub struct Key {
    pair: Arc<Ed25519KeyPair>,
    public: PublicKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public)
    }
}

impl Key {
    /// Reads a key file, PKCS #8 in PEM, as `openssl genpkey -algorithm ed25519` writes it. Where there is none, one is
    /// made, which only its owner can read.
    pub fn open(path: &Path) -> Result<Self> {
        match fs::read(path) {
            Ok(pem) => Self::from_pem(&pem),
            Err(err) if err.kind() == ErrorKind::NotFound => Self::make(path),
            Err(err) => Err(Error::internal(err)),
        }
    }

    /// From 32 bytes, which must be secret.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self> {
        Self::of(Ed25519KeyPair::from_seed_unchecked(seed).map_err(Error::internal)?)
    }

    fn from_pem(pem: &[u8]) -> Result<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(Error::internal)?;
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der.secret_pkcs8_der());
        Self::of(pair.map_err(Error::internal)?)
    }

    fn make(path: &Path) -> Result<Self> {
        let made =
            Ed25519KeyPair::generate_pkcs8v1(&SystemRandom::new()).map_err(Error::internal)?;
        let text = B64.encode(made.as_ref());
        let pem = format!("-----BEGIN {LABEL}-----\n{text}\n-----END {LABEL}-----\n");
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        match file {
            Ok(mut file) => {
                file.write_all(pem.as_bytes())
                    .and_then(|()| file.sync_all())
                    .map_err(Error::internal)?;
                Self::from_pem(pem.as_bytes())
            }
            // Another hub made it meanwhile.
            Err(err) if err.kind() == ErrorKind::AlreadyExists => Self::open(path),
            Err(err) => Err(Error::internal(err)),
        }
    }

    fn of(pair: Ed25519KeyPair) -> Result<Self> {
        let bytes = pair.public_key().as_ref().try_into();
        let public = PublicKey::new(bytes.map_err(Error::internal)?);
        Ok(Self { pair: Arc::new(pair), public })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs a note: its text, which ends with a line break, and the line with the signature.
    pub fn sign(&self, text: &str) -> String {
        let PublicKey { name, .. } = &self.public;
        let signature = self.pair.sign(text.as_bytes());
        let signed = [self.public.id().as_slice(), signature.as_ref()].concat();
        format!("{text}\n\u{2014} {name} {}\n", B64.encode(signed))
    }
}

/// Checks checkpoints. It is written as signed notes spell it: `name+id+key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    name: String,
    key: [u8; 32],
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, hex(&self.id()), B64.encode(self.kind_and_key()))
    }
}

impl PublicKey {
    /// A log is named after its key: two logs never have one name.
    fn new(key: [u8; 32]) -> Self {
        let hash = Sha256::digest(key);
        let name = format!("sharehub-audit-{}", hex(hash.get(..4).unwrap_or_default()));
        Self { name, key }
    }

    /// Reads `name+id+key`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.trim().splitn(3, '+');
        let (name, id, key) = (parts.next()?, parts.next()?, parts.next()?);
        let (kind, key) =
            B64.decode(key).ok()?.split_first().map(|(it, key)| (*it, key.to_vec()))?;
        let read = Self { name: name.to_owned(), key: key.try_into().ok()? };
        (kind == ED25519_KIND && !name.is_empty() && hex(&read.id()) == id).then_some(read)
    }

    /// The name of the log.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn kind_and_key(&self) -> Vec<u8> {
        [&[ED25519_KIND], self.key.as_slice()].concat()
    }

    /// What tells keys of one name apart.
    fn id(&self) -> [u8; 4] {
        let mut hash = Sha256::new();
        hash.update(&self.name);
        hash.update(b"\n");
        hash.update(self.kind_and_key());
        let hash: [u8; 32] = hash.finalize().into();
        let [a, b, c, d, ..] = hash;
        [a, b, c, d]
    }

    /// Checks a note: its text if this key signed it. Signatures by other keys are passed over.
    pub fn open<'a>(&self, note: &'a str) -> Option<&'a str> {
        let (text, lines) = note.split_once("\n\n")?;
        // The text ends with the first of the two line breaks.
        let text_len = text.len() + 1;
        let text = note.get(..text_len)?;
        let start = format!("\u{2014} {} ", self.name);
        let is_signed = lines.lines().filter_map(|it| it.strip_prefix(&start)).any(|signed| {
            let bytes = B64.decode(signed).unwrap_or_default();
            let Some((id, signature)) = bytes.split_first_chunk::<4>() else { return false };
            let key = UnparsedPublicKey::new(&ED25519, self.key);
            *id == self.id() && key.verify(text.as_bytes(), signature).is_ok()
        });
        is_signed.then_some(text)
    }
}

/// Bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("audit.key");
        let made = Key::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(Key::open(&path).unwrap().public(), made.public());
        let text = made.public().to_string();
        assert_eq!(PublicKey::parse(&text).as_ref(), Some(made.public()));
        assert_eq!(PublicKey::parse(&text.replace('+', " ")), None);
        fs::write(&path, "nothing").unwrap();
        Key::open(&path).unwrap_err();
    }

    #[test]
    fn only_what_was_signed_opens() {
        let key = Key::from_seed(&[7; 32]).unwrap();
        let note = key.sign("one\ntwo\n");
        assert_eq!(key.public().open(&note), Some("one\ntwo\n"));
        assert_eq!(key.public().open(&note.replace("two", "three")), None);
        let other = Key::from_seed(&[8; 32]).unwrap();
        assert_eq!(other.public().open(&note), None);
        // The other's name with our signature.
        let renamed = note.replace(key.public().name(), other.public().name());
        assert_eq!(other.public().open(&renamed), None);
    }
}
