//! `sharehub pki dev`: certificates for trying the hub out.
use super::{CliResult, say};
use crate::{caller::SystemCode, config::PkiDev, pki::files::Folder};

pub(super) fn dev(asked: &PkiDev) -> CliResult {
    let PkiDev { dir, system, name, revoke } = asked;
    let read = |flag: &'static str, codes: &[String]| {
        let read = codes.iter().map(|it| SystemCode::parse(it));
        let read: Result<Vec<_>, _> = read.collect();
        read.map_err(|rule| format!("--{flag} must {rule}"))
    };
    let (systems, revoked) = (read("system", system)?, read("revoke", revoke)?);
    let folder = Folder::open(dir)?;
    // Before new ones take the place of old ones.
    let mut written = folder.revoke(&revoked)?;
    written.extend(folder.issue(name, &systems)?);
    for path in written {
        say(&path.display().to_string())?;
    }
    Ok(())
}
