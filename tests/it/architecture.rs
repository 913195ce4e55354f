//! Rules over the sources: which room may know what.
use std::{
    fs,
    path::{Path, PathBuf},
};

// === borders in the source ===

/// Every source file: its path below `src`, and its lines without comments and tests.
pub(crate) fn sources() -> Vec<(String, Vec<(usize, String)>)> {
    fn walk(dir: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&root, &mut found);
    let mut sources = Vec::new();
    for path in found {
        let text = fs::read_to_string(&path).unwrap();
        let lines = text.lines().take_while(|it| it.trim() != "#[cfg(test)]").enumerate();
        let lines = lines.filter(|(_, it)| !it.trim_start().starts_with("//"));
        let lines = lines.map(|(index, it)| (index + 1, it.to_owned())).collect();
        sources.push((path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), lines));
    }
    sources.sort();
    assert!(sources.len() > 30, "the sources are not there");
    sources
}

/// Lines that use a word where it does not belong.
fn strays(word: &str, belongs: impl Fn(&str, &str) -> bool) -> Vec<String> {
    let mut strays = Vec::new();
    for (path, lines) in sources() {
        for (number, line) in lines {
            // As a word: `pb::` is not in `stub::`.
            let uses = line
                .match_indices(word)
                .any(|(at, _)| !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '_'));
            if uses && !belongs(&path, &line) {
                strays.push(format!("src/{path}:{number}: {}", line.trim()));
            }
        }
    }
    strays
}

#[test]
fn messages_are_known_only_at_the_door() {
    let doors = ["pb.rs", "error.rs", "wire.rs", "server.rs"];
    let strays = strays("pb::", |path, _| {
        let is_rpc = path.ends_with("/rpc.rs") || path.contains("/rpc/");
        // What a room reads and writes on the wire beside its service.
        let is_wire =
            path.starts_with("wire/") || path.contains("/wire/") || path.ends_with("/wire.rs");
        is_rpc || is_wire || path.starts_with("cli/") || doors.contains(&path)
    });
    assert!(strays.is_empty(), "`pb::` belongs in rpc.rs files:\n{}", strays.join("\n"));
}

#[test]
fn the_database_is_known_only_to_stores() {
    let strays = strays("sea_orm", |path, line| {
        let is_store = path.ends_with("/store.rs") || path.contains("/store/");
        let is_row = path.ends_with("/row.rs");
        let is_db = path == "db.rs" || path.starts_with("db/");
        // It owns the transaction that stores work in, and what a row of versions is.
        let is_revision = path.starts_with("revision/");
        // The seam by which the hub hands a store its connection.
        let is_seam = path == "hub/reference.rs";
        // A value says how it is kept.
        let is_value = ["DeriveValueType", "#[sea_orm(value_type", "sea_query::ValueTypeErr"]
            .iter()
            .any(|it| line.contains(it));
        is_store
            || is_row
            || is_db
            || is_revision
            || is_seam
            || is_value
            || path.starts_with("error")
            || path == "db_enum.rs"
    });
    assert!(strays.is_empty(), "`sea_orm` belongs in store.rs files:\n{}", strays.join("\n"));
}

/// Every file of Rust below a folder, with its text.
fn files(folder: &str) -> Vec<(String, String)> {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut texts = Vec::new();
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                texts.push((path.display().to_string(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    texts
}

/// A test runs always, but for those of what only PostgreSQL has: on SQLite they are told to be ignored.
#[test]
fn nothing_is_ignored_or_expected_to_panic() {
    for (path, text) in [files("src"), files("tests")].concat() {
        let allowed = format!("#[{} = \"runs on PostgreSQL\"]", "ignore");
        let text = match path.contains("/db/postgres/") {
            true => text.replace(&allowed, ""),
            false => text,
        };
        for word in ["ignore", "should_panic"] {
            assert!(!text.contains(&format!("#[{word}")), "{path} has #[{word}]");
        }
    }
}

/// A file that passes 500 lines wants to be two, and so does a test that passes 80.
#[test]
fn no_file_of_tests_and_no_test_is_too_long() {
    for (path, text) in files("tests") {
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.len() <= 500, "{path} has {} lines", lines.len());
        for (at, line) in lines.iter().enumerate() {
            if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                let begins = lines[at..].iter().position(|it| it.contains("fn ")).unwrap();
                let ends = lines[at..].iter().position(|it| *it == "}").unwrap();
                let length = ends - begins + 1;
                assert!(length <= 80, "{path}:{}: a test of {length} lines", at + 1);
            }
        }
    }
}
