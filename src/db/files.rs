//! The files of an embedded store are its owner's alone: they hold what is known of everybody.
use std::{
    fs, io,
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

/// For the owner only.
const PRIVATE: u32 = 0o600;

/// Makes the files of a store private, whatever made them, and makes the first where there is none: those beside it
/// take its permissions over. Of a store on a server there are none here.
pub(super) fn keep_private(url: &str) {
    let Some(path) = file_of(url) else { return };
    // Whoever opens it says why it cannot.
    let new = fs::OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(&path);
    drop(new);
    // With the keys that the hub makes beside it.
    for end in ["", "-wal", "-shm", "-journal", ".audit-key", ".keys.toml"] {
        let mut name = path.clone().into_os_string();
        name.push(end);
        let file = PathBuf::from(name);
        if let Err(err) = mend(&file) {
            tracing::warn!(file = %file.display(), error = %err, "others may read the store");
        }
    }
}

/// The path in a URL of SQLite; none of a store in memory, or of one that is only read.
fn file_of(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:"))?;
    let (path, question) = rest.split_once('?').unwrap_or((rest, ""));
    let is_kept = !["mode=memory", "mode=ro"].iter().any(|it| question.contains(it));
    (is_kept && !path.is_empty() && path != ":memory:").then(|| PathBuf::from(decoded(path)))
}

/// Without the `%20` of URLs.
fn decoded(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend_from_slice(before.as_bytes());
        let code = after.get(..2).and_then(|it| u8::from_str_radix(it, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = after.get(if code.is_some() { 2 } else { 0 }..).unwrap_or_default();
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).unwrap_or_else(|_| path.to_owned())
}

fn mend(path: &Path) -> io::Result<()> {
    let known = match fs::metadata(path) {
        Ok(it) => it,
        Err(err) if err.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(err) => return Err(err),
    };
    if !known.is_file() || known.permissions().mode() & 0o077 == 0 {
        return Ok(());
    }
    tracing::warn!(file = %path.display(), "others could read the store: from now on it is its owner's alone");
    fs::set_permissions(path, fs::Permissions::from_mode(PRIVATE))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::file_of;

    #[test]
    fn the_file_of_a_store_is_found_in_its_url() {
        for (url, path) in [
            ("sqlite:///var/lib/hub.db", Some("/var/lib/hub.db")),
            ("sqlite://hub.db?mode=rwc", Some("hub.db")),
            ("sqlite:///a%20b/hub.db", Some("/a b/hub.db")),
            ("sqlite::memory:", None),
            ("sqlite://hub.db?mode=ro", None),
            ("postgres://host/hub", None),
        ] {
            assert_eq!(file_of(url), path.map(PathBuf::from), "{url}");
        }
    }
}
