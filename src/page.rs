//! Pages: an opaque token bound to its question, its caller and its revision.
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    error::{Error, Result},
    rule::Rule,
};

/// Items on a page, at most.
pub const MOST: usize = 1_000;
/// Items on a page, when the caller does not say.
const USUAL: usize = 100;
/// Bytes of the seal in a token.
const SEAL: usize = 16;

/// The key that seals page tokens; the same for every hub on one store.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// From random bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }

    /// Whether it is made of these bytes.
    pub fn is(&self, bytes: &[u8]) -> bool {
        self.0 == bytes
    }

    fn mac(&self, system_id: i64, question: &[u8], body: &[u8]) -> Vec<u8> {
        // HMAC takes a key of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        mac.update(&system_id.to_le_bytes());
        mac.update(question);
        mac.update(body);
        mac.finalize().into_bytes().iter().copied().take(SEAL).collect()
    }

    /// A token that holds a body, and is good for this caller and this question only.
    pub fn seal(&self, system_id: i64, question: &[u8], body: &[u8]) -> String {
        B64.encode([&self.mac(system_id, question, body), body].concat())
    }

    /// The body of a token, if it was sealed here for this caller and this question.
    pub fn unseal(&self, system_id: i64, question: &[u8], token: &str) -> Option<Vec<u8>> {
        let bytes = B64.decode(token).ok()?;
        let (seal, body) = bytes.split_at_checked(SEAL)?;
        let ours = self.mac(system_id, question, body);
        let same: bool = subtle::ConstantTimeEq::ct_eq(seal, ours.as_slice()).into();
        same.then(|| body.to_vec())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// A page that is asked for; the token is not opened yet.
#[derive(Debug)]
pub struct Page {
    size: usize,
    token: String,
    question: [u8; 32],
}

/// What the tokens of a page are bound to, beside its question.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// The secret of the store.
    pub secret: &'a Secret,
    /// The system that asks.
    pub system_id: i64,
    /// The revision that the pages are read at.
    pub revision: i64,
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The revision that the first page was read at.
    pub revision: i64,
    /// The key of the last item before this page.
    pub after: String,
}

impl Page {
    /// The number of items to answer.
    pub fn check_size(size: i32) -> Result<usize, Rule> {
        match usize::try_from(size) {
            Ok(0) => Ok(USUAL),
            Ok(size) if size <= MOST => Ok(size),
            Ok(_) | Err(_) => Err(format!("be 0 to {MOST}").into()),
        }
    }

    /// A page of a question, by its fingerprint.
    pub fn new(size: usize, token: String, question: [u8; 32]) -> Self {
        Self { size, token, question }
    }

    /// How many items it holds at most.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Opens the token: none on the first page.
    pub fn cursor(&self, secret: &Secret, system_id: i64) -> Result<Option<Cursor>> {
        if self.token.is_empty() {
            return Ok(None);
        }
        let opened = || {
            let body = secret.unseal(system_id, &self.question, &self.token)?;
            let (revision, after) = body.split_first_chunk::<8>()?;
            let after = String::from_utf8(after.to_vec()).ok()?;
            Some(Cursor { revision: i64::from_le_bytes(*revision), after })
        };
        let rule = "be the next_page_token of the last answer to this same request";
        Ok(Some(opened().ok_or_else(|| Error::field("page.token", rule))?))
    }

    /// Cuts what was read, at most one item more than the page holds, to the page; `key` is what the next page begins
    /// after.
    pub fn cut<T>(
        &self,
        mut items: Vec<T>,
        mark: &Mark<'_>,
        key: impl FnOnce(&T) -> String,
    ) -> Paged<T> {
        let has_more = items.len() > self.size;
        items.truncate(self.size);
        let next = match items.last() {
            Some(last) if has_more => self.token(mark, &key(last)),
            Some(_) | None => String::new(),
        };
        Paged { items, next }
    }

    /// The token for the page after the item with the key `after`.
    pub fn token(&self, mark: &Mark<'_>, after: &str) -> String {
        let Mark { secret, system_id, revision } = *mark;
        let body = [&revision.to_le_bytes(), after.as_bytes()].concat();
        secret.seal(system_id, &self.question, &body)
    }
}

/// A page of items, and the token of the next one; empty on the last page.
#[derive(Debug)]
pub struct Paged<T> {
    /// The items.
    pub items: Vec<T>,
    /// The token of the next page.
    pub next: String,
}
