//! Personal data: its kinds, their masks, and a holder that cannot be printed.
pub mod identity_number;
pub mod mask;
pub mod vault;

use std::fmt;

use serde::{Deserialize, Serialize};

use self::vault::Vault;
use crate::{
    db_enum::db_enum,
    error::{Error, Reason, Result},
};

db_enum! {
    /// How much personal data is shown, least first.
    #[derive(Serialize, Deserialize)]
    pub enum Tier {
        /// None.
        None = 1,
        /// Masked, by kind.
        Masked = 2,
        /// In full.
        Full = 3,
    }
}

db_enum! {
    /// Kinds of personal data.
    pub enum Kind {
        /// A person's name.
        Name = 2,
        /// Identity number.
        IdentityNumber = 3,
        /// Phone.
        Phone = 4,
        /// E-mail.
        Email = 5,
        /// Address.
        Address = 6,
        /// Text that may speak of a person.
        FreeText = 7,
    }
}

/// A text about a person: as it was sent, or sealed as it is kept. It cannot be printed, whichever it is.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Personal(Held);

#[derive(Clone, PartialEq, Eq)]
enum Held {
    Clear(String),
    Sealed(String),
}

impl Default for Held {
    fn default() -> Self {
        Self::Clear(String::new())
    }
}

impl fmt::Debug for Personal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Personal(..)")
    }
}

impl Personal {
    /// As it was sent.
    pub fn sent(text: String) -> Self {
        Self(Held::Clear(text))
    }

    /// As it is kept.
    pub fn kept(text: String) -> Self {
        if text.is_empty() { Self::default() } else { Self(Held::Sealed(text)) }
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        matches!(&self.0, Held::Clear(it) if it.is_empty())
    }

    /// About how many bytes it takes.
    pub fn len(&self) -> usize {
        match &self.0 {
            Held::Clear(it) | Held::Sealed(it) => it.len(),
        }
    }

    /// Sealed with the newest key, for the thing that `of` names. The same text sealed again is the same, until the key
    /// changes.
    pub fn sealed(&self, vault: &Vault, of: &str) -> Result<Self> {
        match &self.0 {
            Held::Clear(it) if it.is_empty() => Ok(Self::default()),
            Held::Clear(it) => Ok(Self(Held::Sealed(vault.seal(it, of)?))),
            Held::Sealed(it) if vault.is_current(it) => Ok(self.clone()),
            Held::Sealed(it) => Ok(Self(Held::Sealed(vault.seal(&vault.open(it, of)?, of)?))),
        }
    }

    /// What is kept, as it would be sealed today: to be compared. Without keys, as it is.
    pub fn renewed(&self, vault: &Vault, of: &str) -> Result<Self> {
        if vault.is_open() { self.sealed(vault, of) } else { Ok(self.clone()) }
    }

    /// In clear, to be shown.
    pub fn opened(&self, vault: &Vault, of: &str) -> Result<Self> {
        match &self.0 {
            Held::Clear(_) => Ok(self.clone()),
            Held::Sealed(it) => Ok(Self(Held::Clear(vault.open(it, of)?))),
        }
    }

    /// The text, where it is in clear: for the wire.
    pub fn clear(self) -> String {
        match self.0 {
            Held::Clear(it) => it,
            Held::Sealed(_) => String::new(),
        }
    }

    /// The text that is kept. What is not sealed is not kept.
    pub fn to_kept(&self) -> Result<String> {
        match &self.0 {
            Held::Sealed(it) => Ok(it.clone()),
            Held::Clear(it) if it.is_empty() => Ok(String::new()),
            Held::Clear(_) => Err(Error::internal("personal data was to be kept in clear")),
        }
    }
}

/// An applicant: personal data, all of it. It cannot be printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Applicant {
    /// Full name.
    pub name: String,
    /// Identity number.
    pub identity_number: String,
    /// Phone.
    pub phone: String,
    /// E-mail.
    pub email: String,
    /// Address.
    pub address: String,
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Applicant(..)")
    }
}

impl Applicant {
    /// As one text, to be sealed.
    pub fn to_personal(&self) -> Result<Personal> {
        Ok(Personal::sent(serde_json::to_string(self).map_err(Error::internal)?))
    }

    /// From that text, opened.
    pub fn read(text: Personal) -> Result<Self> {
        serde_json::from_str(&text.clear()).map_err(|_| Error::internal("an applicant is broken"))
    }
}

/// What a person is looked for by. The store has only keyed digests of it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sought {
    /// Which kind: identity number, phone or e-mail.
    pub kind: Kind,
    /// The text.
    pub text: String,
}

impl fmt::Debug for Sought {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sought({:?}, ..)", self.kind)
    }
}

/// The refusal where this hub was given no key of personal data.
fn no_keys() -> Error {
    let what = "this hub was given no keys of personal data, so it keeps none; see `data_keys`";
    Error::new(Reason::PersonalDataLocked, what)
}
