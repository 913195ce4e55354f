//! Texts of fees and documents: names and codes, which may speak of a person, sealed like remarks.
//!
//! A release before this one kept them in clear. Such a row is read as it is, and shown by tier like any other; it is
//! sealed when its dossier is next published otherwise, or by `sharehub data-keys reseal`.
use crate::{
    dossier::Header,
    error::Result,
    personal::{Personal, vault::Vault},
};

/// What they are sealed for.
fn of(code: &str) -> String {
    format!("text of {code}")
}

/// Seals what was sent. What was erased here, and not where it is sent from, which cannot leave it out, is dropped.
pub(super) fn seal(header: &mut Header, vault: &Vault, code: &str) -> Result<()> {
    if header.erased {
        header.drop_texts();
    }
    let of = of(code);
    let seal = |text: &mut Personal, list: &str, i: usize, part: &str| -> Result<()> {
        let sealed = text.sealed(vault, &of);
        *text = sealed.map_err(|err| err.at(format!("{list}[{i}].{part}")))?;
        Ok(())
    };
    for (i, it) in header.fees.iter_mut().enumerate() {
        seal(&mut it.name, "fees", i, "name")?;
    }
    let lists = [("components", &mut header.components), ("results", &mut header.results)];
    for (list, documents) in lists {
        for (i, it) in documents.iter_mut().enumerate() {
            seal(&mut it.name, list, i, "name")?;
            seal(&mut it.code, list, i, "code")?;
        }
    }
    Ok(())
}

/// What is kept, as it would be sealed today: to be compared.
pub(super) fn renew(header: &mut Header, vault: &Vault, code: &str) -> Result<()> {
    let of = of(code);
    for text in header.texts_mut() {
        *text = text.renewed(vault, &of)?;
    }
    Ok(())
}

/// In clear, to be shown.
pub(super) fn open(header: &mut Header, vault: &Vault, code: &str) -> Result<()> {
    let of = of(code);
    for text in header.texts_mut() {
        *text = text.opened(vault, &of)?;
    }
    Ok(())
}
