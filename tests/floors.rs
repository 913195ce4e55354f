//! The house keeps its floors: no room imports a room above it. The table in `src/lib.rs` is the list of floors; this
//! reads the sources against it. `cargo test --test floors -- --nocapture` prints every import between rooms, and the
//! circles. Nor does a type name stand twice, but for the habits that `src/lib.rs` lists; nor is a file or a line too
//! long.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "a test that may fail loudly")]
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Imports that run up, as `from -> to`: it may only shrink.
const ALLOWED: [&str; 0] = [];
/// Modules that `hub.rs` may import, at most.
const MOST_OF_HUB: usize = 15;
/// Files in one circle, at most.
const MOST_IN_CIRCLE: usize = 3;

/// The rooms, top floor first, from the table of `lib.rs`: each line that begins with `//! | floor`.
fn floors(lib: &str) -> Vec<BTreeSet<String>> {
    let lines = lib.lines().filter_map(|it| it.strip_prefix("//! | floor "));
    let rooms = |line: &str| {
        let linked = line.split('[').skip(1).filter_map(|it| it.split_once(']'));
        linked.map(|(it, _)| it.trim_matches('`').to_owned()).collect()
    };
    lines.map(rooms).collect()
}

fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("src can be read").flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|it| it == "rs") {
            found.push(path);
        }
    }
}

/// The module path of a source file, such as `indicator::store::read`.
fn module(path: &Path) -> Vec<String> {
    let path = path.with_extension("");
    let parts = path.strip_prefix("src").expect("it is in src").components();
    parts.map(|it| it.as_os_str().to_string_lossy().into_owned()).collect()
}

/// A source without comments, strings and its tests: what is left imports what the program does.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut code = String::new();
    for line in text.lines() {
        let line = line.split("//").next().unwrap_or_default();
        let outside = line.split('"').step_by(2);
        code.extend(outside);
        code.push('\n');
    }
    code
}

/// Every path that a `use` tree names, from the crate's root.
fn leaves(tree: &str, base: &[String], all: &mut Vec<Vec<String>>) {
    let tree = tree.trim();
    if let Some((head, rest)) = tree.split_once('{') {
        let mut base = base.to_vec();
        base.extend(head.split("::").map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned));
        let inner = rest.trim_end().strip_suffix('}').unwrap_or(rest);
        let (mut depth, mut from) = (0, 0);
        for (i, it) in inner.char_indices() {
            match it {
                '{' => depth += 1,
                '}' => depth -= 1,
                ',' if depth == 0 => {
                    leaves(&inner[from..i], &base, all);
                    from = i + 1;
                }
                _ => {}
            }
        }
        leaves(&inner[from..], &base, all);
    } else if !tree.is_empty() {
        let tree = tree.split(" as ").next().unwrap_or(tree);
        let mut path = base.to_vec();
        path.extend(tree.split("::").map(|it| it.trim().to_owned()));
        all.push(path);
    }
}

/// The modules of the crate that a source names, as paths from the crate's root.
fn imports(own: &[String], text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some((before, tree)) = statement.rsplit_once("use ") else { continue };
        if before.ends_with(|it: char| it.is_alphanumeric() || it == '_') {
            continue;
        }
        leaves(tree, &[], &mut found);
    }
    for (at, _) in text.match_indices("crate::") {
        let rest = &text[at..];
        let end = rest.find(|it: char| !(it.is_alphanumeric() || it == '_' || it == ':'));
        leaves(rest[..end.unwrap_or(rest.len())].trim_end_matches(':'), &[], &mut found);
    }
    let absolute = |path: Vec<String>| match path.first().map(String::as_str) {
        Some("crate") => Some(path[1..].to_vec()),
        Some("self") => Some([own, &path[1..]].concat()),
        Some("super") => {
            let up = path.iter().take_while(|it| *it == "super").count();
            Some([own.get(..own.len().checked_sub(up)?)?, &path[up..]].concat())
        }
        _ => None,
    };
    found.into_iter().filter_map(absolute).filter(|it| !it.is_empty()).collect()
}

/// Every file of `src` by its module, and the modules of other files that it imports.
fn map() -> BTreeMap<String, BTreeSet<String>> {
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let modules: BTreeMap<String, PathBuf> =
        files.into_iter().map(|it| (module(&it).join("::"), it)).collect();
    let names: BTreeSet<String> = modules.keys().cloned().collect();
    let of_file = |path: &[String]| {
        let mut path = path.to_vec();
        while !path.is_empty() {
            let name = path.join("::");
            if names.contains(&name) {
                return Some(name);
            }
            path.pop();
        }
        None
    };
    let mut map = BTreeMap::new();
    for (name, path) in &modules {
        let own = module(path);
        let text = code(&fs::read_to_string(path).expect("a source can be read"));
        let mut to: BTreeSet<String> =
            imports(&own, &text).iter().filter_map(|it| of_file(it)).collect();
        // What a module takes from the one around it is not counted: that one declares it, and is its face.
        to.retain(|it| it != name && !name.starts_with(&format!("{it}::")));
        map.insert(name.clone(), to);
    }
    map
}

/// Rooms are the modules that `lib.rs` declares.
fn room(module: &str) -> &str {
    module.split("::").next().unwrap_or(module)
}

/// Files that import each other in a loop: every strongly connected set of more than one.
fn circles(map: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reach = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(it) = next.pop() {
            for to in map.get(&it).into_iter().flatten() {
                if seen.insert(to.clone()) {
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<_, _> = map.keys().map(|it| (it.clone(), reach(it))).collect();
    let mut found = BTreeSet::new();
    for (name, to) in &reached {
        let mut circle: BTreeSet<_> = to
            .iter()
            .filter(|it| reached.get(*it).is_some_and(|it| it.contains(name)))
            .cloned()
            .collect();
        circle.insert(name.clone());
        if circle.len() > 1 {
            found.insert(circle);
        }
    }
    found.into_iter().collect()
}

#[test]
fn no_room_imports_a_room_above_it() {
    let lib = fs::read_to_string("src/lib.rs").expect("src/lib.rs can be read");
    let floors = floors(&lib);
    let floor: BTreeMap<&str, usize> = floors
        .iter()
        .enumerate()
        .flat_map(|(i, rooms)| rooms.iter().map(move |it| (it.as_str(), i)))
        .collect();
    let mut wrong = Vec::new();
    for declared in lib.lines().filter_map(|it| it.trim_start_matches("pub ").strip_prefix("mod "))
    {
        let declared = declared.trim_end_matches(';');
        if !floor.contains_key(declared) {
            wrong.push(format!("the table of src/lib.rs has no floor for `{declared}`"));
        }
    }
    let mut up = BTreeMap::<String, Vec<String>>::new();
    for (from, all) in map() {
        // `lib.rs` and `main.rs` are above everything.
        if matches!(from.as_str(), "lib" | "main") {
            continue;
        }
        for to in all {
            let (above, below) = (floor.get(room(&from)), floor.get(room(&to)));
            println!("{from} -> {to}");
            if let (Some(above), Some(below)) = (above, below)
                && room(&from) != room(&to)
                && below < above
            {
                up.entry(format!("{} -> {}", room(&from), room(&to)))
                    .or_default()
                    .push(format!("{from} -> {to}"));
            }
        }
    }
    for (rooms, files) in &up {
        if !ALLOWED.contains(&rooms.as_str()) {
            wrong.push(format!("{rooms} runs up: {}", files.join(", ")));
        }
    }
    for allowed in ALLOWED {
        if !up.contains_key(allowed) {
            wrong.push(format!(
                "{allowed} is allowed to run up, and does not: take it off the list"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_circle_is_larger_than_three_files() {
    let circles = circles(&map());
    for circle in &circles {
        println!(
            "circle of {}: {}",
            circle.len(),
            circle.iter().cloned().collect::<Vec<_>>().join(", ")
        );
    }
    let largest = circles.iter().map(BTreeSet::len).max().unwrap_or(0);
    assert!(
        largest <= MOST_IN_CIRCLE,
        "a circle has {largest} files; run with --nocapture to see it"
    );
}

#[test]
fn the_hub_imports_few_modules() {
    let map = map();
    let of_hub = map.get("hub").map(BTreeSet::len).unwrap_or_default();
    assert!(of_hub <= MOST_OF_HUB, "src/hub.rs imports {of_hub} modules: {:?}", map.get("hub"));
}

/// The names that may stand twice, from `lib.rs`: what is in backquotes in the items that begin with `- habit of`, and
/// in the lines that go on with one.
fn habits(lib: &str) -> BTreeSet<String> {
    let (mut names, mut is_habit) = (BTreeSet::new(), false);
    for line in lib.lines() {
        let line = line.strip_prefix("//!").unwrap_or_default();
        is_habit = line.starts_with(" - habit of ") || (is_habit && line.starts_with("   "));
        if is_habit {
            names.extend(line.split('`').skip(1).step_by(2).map(str::to_owned));
        }
    }
    names
}

/// The type that a line defines, if it does. Types inside of implementations belong to their traits, and those inside
/// of functions to nobody else.
fn defined(line: &str) -> Option<&str> {
    let item = line.trim_start();
    let item = match item.strip_prefix("pub") {
        Some(public) if public.starts_with('(') => public.split_once(") ")?.1,
        Some(public) => public.strip_prefix(' ')?,
        None => item,
    };
    let (word, name) = item.split_once(' ')?;
    let is_type = match word {
        "struct" | "enum" | "trait" | "union" => true,
        "type" => !line.starts_with(' '),
        _ => false,
    };
    let end = name.find(|it: char| !(it.is_alphanumeric() || it == '_')).unwrap_or(name.len());
    (is_type && end > 0).then(|| &name[..end])
}

#[test]
fn no_type_name_stands_twice() {
    let habits = habits(&fs::read_to_string("src/lib.rs").expect("src/lib.rs can be read"));
    let mut files = Vec::new();
    sources(Path::new("src"), &mut files);
    let mut places = BTreeMap::<String, Vec<String>>::new();
    for path in files {
        let text = code(&fs::read_to_string(&path).expect("a source can be read"));
        for (index, line) in text.lines().enumerate() {
            if let Some(name) = defined(line) {
                let place = format!("{}:{}", path.display(), index + 1);
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 300, "only {} types are found", places.len());
    places.retain(|_, places| places.len() > 1);
    let wrong: Vec<_> = places
        .iter()
        .filter(|(name, _)| !habits.contains(*name))
        .map(|(name, places)| format!("{name} stands twice: {}", places.join(", ")))
        .collect();
    let idle: Vec<_> = habits.iter().filter(|it| !places.contains_key(*it)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(idle.is_empty(), "these stand once; take them off the list of src/lib.rs: {idle:?}");
}

/// Lines of a source file, at most.
const MOST_LINES: usize = 500;
/// Signs in a line, at most.
const MOST_COLUMNS: usize = 120;

#[test]
fn no_file_and_no_line_is_too_long() {
    let mut wrong = Vec::new();
    for (folder, most) in [("src", MOST_LINES), ("tests", usize::MAX), ("benches", usize::MAX)] {
        let mut files = Vec::new();
        sources(Path::new(folder), &mut files);
        for path in files {
            let text = fs::read_to_string(&path).expect("a source can be read");
            let lines = text.lines().count();
            if lines > most {
                wrong.push(format!("{} has {lines} lines", path.display()));
            }
            for (index, line) in text.lines().enumerate() {
                let columns = line.chars().count();
                if columns > MOST_COLUMNS {
                    wrong.push(format!("{}:{} has {columns} columns", path.display(), index + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
