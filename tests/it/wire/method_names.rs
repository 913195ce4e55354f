//! Names of methods that the sources spell: each is one of the schema.
//!
//! Of the schema itself `log::wire::shape` is the one table, and of what each method needs `caller::policy`; a test in
//! `schema` holds the two together.
use std::collections::BTreeSet;

use super::schema::methods;
use crate::architecture::sources;

/// What stands before the bare name of a method: a request is told from others by it, and so is a page.
const BARE: [&str; 2] = ["fingerprint(\"", ".page(page, \""];

/// The texts that a line spells: what stands between quotes.
fn texts(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2)
}

/// A text as the path of a method, with or without the package. The first word of it is a service.
fn path(text: &str) -> Option<&str> {
    let text = text.strip_prefix("/sharehub.v1.").unwrap_or(text);
    let (service, method) = text.split_once('/')?;
    let is_word = |it: &str| !it.is_empty() && it.chars().all(|it| it.is_ascii_alphabetic());
    (service.ends_with("Service") && is_word(service) && is_word(method)).then_some(text)
}

#[test]
fn every_method_that_the_sources_name_is_one_of_the_schema() {
    let methods = methods();
    let names: BTreeSet<_> = methods.iter().filter_map(|it| it.split_once('/')).collect();
    let names: BTreeSet<_> = names.into_iter().map(|(_, method)| method).collect();
    let (mut paths, mut bare, mut strays) = (0, 0, Vec::new());
    for (file, lines) in sources() {
        for (number, line) in lines {
            for path in texts(&line).filter_map(path) {
                paths += 1;
                if !methods.contains(path) {
                    strays.push(format!("src/{file}:{number}: {path}"));
                }
            }
            for name in BARE.iter().filter_map(|it| line.split_once(it)?.1.split('"').next()) {
                bare += 1;
                if !names.contains(name) {
                    strays.push(format!("src/{file}:{number}: {name}"));
                }
            }
        }
    }
    assert!(paths > methods.len() && bare > 20, "{paths} paths and {bare} names: none are found");
    assert!(strays.is_empty(), "no such method:\n{}", strays.join("\n"));
}
