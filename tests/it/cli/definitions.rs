//! `sharehub import definitions`: packs through the program and back; and what the program shows of the catalogue.
use std::{collections::BTreeMap, fs, path::PathBuf};

use sharehub::pb;
use toml::{Table, Value};

use crate::support::{
    clerk::{Desk, good, wrong},
    desk::SOURCE,
    hub::Hub,
    program::sharehub,
};

/// Every pack that is shipped.
fn packs() -> Vec<PathBuf> {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples/packs");
    let files = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path());
    let mut packs: Vec<_> =
        files.filter(|it| it.extension().is_some_and(|it| it == "toml")).collect();
    packs.sort();
    assert!(packs.len() >= 3, "{packs:?}");
    packs
}

/// The tables of a list, as they are written.
fn tables<'a>(pack: &'a Table, list: &str) -> Vec<&'a Table> {
    pack[list].as_array().unwrap().iter().map(|it| it.as_table().unwrap()).collect()
}

async fn kept(desk: &Desk) -> BTreeMap<String, pb::Indicator> {
    let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
    let request = pb::ListIndicatorsRequest { page, ..Default::default() };
    let answer = desk.source.indicators().list_indicators(request).await.unwrap().into_inner();
    answer.indicators.into_iter().map(|it| (it.code.clone(), it)).collect()
}

async fn groups(desk: &Desk) -> BTreeMap<String, pb::IndicatorGroup> {
    let request = pb::ListIndicatorGroupsRequest::default();
    let answer = desk.source.indicators().list_indicator_groups(request).await.unwrap();
    answer.into_inner().groups.into_iter().map(|it| (it.code.clone(), it)).collect()
}

/// What the pack says of an indicator, or its defaults.
fn said<'a>(pack: &'a Table, own: &'a Table, field: &str) -> &'a str {
    let defaults = pack["defaults"].as_table().unwrap();
    let value = own.get(field).or_else(|| defaults.get(field));
    value.or_else(|| pack.get(field)).and_then(Value::as_str).unwrap_or_default()
}

fn must_be_as_written(pack: &Table, own: &Table, it: &pb::Indicator) {
    let said = |field| said(pack, own, field);
    let texts = [
        ("name_vi", &it.name_vi),
        ("name_en", &it.name_en),
        ("description", &it.description),
        ("description_en", &it.description_en),
        ("unit_of_measure", &it.unit_of_measure),
        ("unit_of_measure_en", &it.unit_of_measure_en),
        ("scale", &it.scale),
        ("numerator", &it.numerator),
        ("denominator", &it.denominator),
        ("legal_basis", &it.legal_basis),
        ("group", &it.group),
    ];
    for (field, kept) in texts {
        assert_eq!(kept, said(field), "{}: {field}", it.code);
    }
    for must in [&it.name_en, &it.description, &it.description_en, &it.unit_of_measure_en] {
        assert!(!must.is_empty(), "{}: both languages, of everything", it.code);
    }
    let words = [
        (it.kind().as_str_name(), "kind"),
        (it.direction().as_str_name(), "direction"),
        (it.frequency().as_str_name(), "frequency"),
        (it.calendar().as_str_name(), "calendar"),
        (it.time_rule().as_str_name(), "time_rule"),
        (it.unit_rule().as_str_name(), "unit_rule"),
        (it.collection_level().as_str_name(), "collection_level"),
        (it.tree().as_str_name(), "tree"),
    ];
    for (kept, field) in words {
        assert!(kept.ends_with(&format!("_{}", said(field))), "{}: {field}: {kept}", it.code);
    }
    assert_eq!(it.authoritative_source, SOURCE, "{}", it.code);
    let dimensions = own.get("dimensions").and_then(Value::as_array).map_or(0, Vec::len);
    assert_eq!(it.dimensions.len(), dimensions, "{}", it.code);
}

#[tokio::test]
async fn every_pack_is_loaded_read_back_and_changes_nothing_when_it_is_loaded_again() {
    let desk = Desk::start().await;
    let before = kept(&desk).await.len();
    let mut total = 0;
    for path in packs() {
        let file = path.to_str().unwrap();
        let pack: Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let (indicators, own_groups) = (tables(&pack, "indicators"), tables(&pack, "groups"));
        let all = indicators.len() + own_groups.len();
        let revision = desk.newest();
        let more = ["--source", SOURCE];
        let tried = desk.import("definitions", file, &[&more[..], &["--dry-run"]].concat()).await;
        assert!(good(&tried).contains(&format!("{all} would be created")), "{tried:?}");
        assert_eq!(desk.newest(), revision, "a check keeps nothing");
        let ran = desk.import("definitions", file, &more).await;
        let code = pack["code"].as_str().unwrap();
        let what = format!("loaded {code} version {}: {}", pack["version"], indicators.len());
        assert!(good(&ran).starts_with(&what), "{ran:?}");
        assert!(good(&ran).contains(&format!("created {all}, corrected 0")), "{ran:?}");
        let (definitions, known) = (kept(&desk).await, groups(&desk).await);
        for own in &own_groups {
            let it = &known[own["code"].as_str().unwrap()];
            assert_eq!(
                (&*it.name_vi, &*it.name_en),
                (str_of(own, "name_vi"), str_of(own, "name_en"))
            );
        }
        for own in &indicators {
            must_be_as_written(&pack, own, &definitions[str_of(own, "code")]);
        }
        let again = desk.import("definitions", file, &more).await;
        let nothing = format!("created 0, corrected 0, unchanged {all}");
        assert!(good(&again).contains(&nothing), "{again:?}");
        total += indicators.len();
    }
    assert_eq!(kept(&desk).await.len(), before + total, "no two packs define one indicator");
}

fn str_of<'a>(table: &'a Table, field: &str) -> &'a str {
    table[field].as_str().unwrap()
}

// === what is wrong ===

const GOOD: &str = r#"
code = "own"
version = 1
title_vi = "Của tôi"
title_en = "Mine"
authoritative_source = "so-tttt"

[defaults]
calendar = "CALENDAR"
tree = "TERRITORY"
collection_level = "COMMUNE"
frequency = "YEAR"
direction = "MORE_IS_BETTER"
time_rule = "SUM"
unit_rule = "SUM"
kind = "COUNT"
unit_of_measure = "hồ sơ"

[[groups]]
code = "own"
name_vi = "Của tôi"

[[indicators]]
code = "own.one"
group = "own"
name_vi = "Một"

[[indicators]]
code = "own.two"
name_vi = "Hai"
due_days = 5
"#;

#[tokio::test]
async fn a_bad_pack_is_told_by_indicator_and_field_and_nothing_of_it_is_kept() {
    let desk = Desk::start().await;
    let load = async |text: &str, more: &[&str]| {
        fs::write(desk.path().join("own.toml"), text).unwrap();
        desk.import("definitions", "own.toml", more).await
    };
    let before = desk.newest();
    let ends = |text: &str, lines: &[&str], expected: &[&str]| {
        assert_eq!(lines.len(), expected.len(), "{text}: {lines:?}");
        for (line, end) in lines.iter().zip(expected) {
            assert!(line.starts_with("own.toml: ") && line.contains(end), "{line} has no {end}");
        }
    };
    // What the program sees by itself, all at once.
    let bad = GOOD
        .replace("due_days = 5", "due_days = \"5\"\nversion = 3\nkind = \"NUMBER\"")
        .replace("group = \"own\"", "grupp = \"own\"\ndimensions = 7");
    let expected = [
        "indicator `own.one`: dimensions must be a list",
        "indicator `own.one`: grupp is no field that a pack holds",
        "indicator `own.two`: due_days must be a whole number",
        "indicator `own.two`: kind must be one of COUNT, AMOUNT, RATIO, SCORE, not `NUMBER`",
        "indicator `own.two`: version is no field that a pack holds",
    ];
    ends("by itself", &wrong(&load(&bad, &[]).await), &expected);
    // What the hub says.
    let bad = GOOD
        .replace("due_days = 5", "due_days = 500\nunit_rule = \"RATIO\"")
        .replace("group = \"own\"", "group = \"other\"")
        .replace("name_vi = \"Của tôi\"", "name_vi = \" \"");
    let expected = [
        "indicator `own.one`: group must be the code of a group",
        "indicator `own.two`: unit_rule must be RATIO only for a ratio",
        "indicator `own.two`: due_days must be 0 to 366",
        "group `own`: name_vi must not be empty",
    ];
    ends("by the hub", &wrong(&load(&bad, &[]).await), &expected);
    let twice = GOOD.replace("own.two", "own.one");
    ends("twice", &wrong(&load(&twice, &[]).await), &["must not stand in the pack twice"]);
    let unknown = load(GOOD, &["--source", "nobody"]).await;
    assert!(
        wrong(&unknown).iter().all(|it| it.contains("authoritative_source must")),
        "{unknown:?}"
    );
    let broken = load("code = ", &[]).await;
    assert_eq!(broken.code, Some(1), "{broken:?}");
    assert_eq!(desk.newest(), before, "nothing was kept");
    // A table has no source of its own.
    let table = desk.csv("observations", "indicator,unit,period,value\n", &["--source", "x"]).await;
    assert!(table.code == Some(1) && table.err.contains("--source"), "{table:?}");
    assert!(good(&load(GOOD, &[]).await).contains("created 3"));
    // What is corrected is named.
    let renamed = load(&GOOD.replace("\"Hai\"", "\"Thứ hai\""), &[]).await;
    assert!(good(&renamed).contains("created 0, corrected 1, unchanged 2"), "{renamed:?}");
    assert!(renamed.err.contains("corrected indicator `own.two`"), "{renamed:?}");
}

// === what is shown ===

#[tokio::test]
async fn a_board_of_the_demo_has_vietnamese_names_below_those_of_its_groups() {
    let hub = Hub::start().await;
    let roles = sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let key = &roles.iter().find(|it| it.name == "IOC").unwrap().key;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let run = async |arguments: &str| {
        let by = ["--target", &target, "--key", key];
        let arguments: Vec<_> = arguments.split(' ').collect();
        let ran = sharehub(dir.path(), &[&arguments[..], &by].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    // A province of 2023 by its communes, and two groups; the second stands first on the board.
    let groups = "--group dx.society --group dx.documents";
    let at = "--below 38@2023-12-31 --level commune --date 2023-12-31 --period 2023 --limit 100000";
    let board = run(&format!("query snapshot {at} {groups}")).await;
    let documents = "Văn bản điện tử và điều hành trên môi trường số (dx.documents)";
    let titles: Vec<_> = board.lines().filter(|it| it.contains("(dx.")).collect();
    assert_eq!(titles, [documents, "Xã hội số (dx.society)"]);
    let row = "document.td-office-officials-rate";
    let row = board.lines().find(|it| it.ends_with(row) && it.contains("Xã Thăng Long "));
    let row = row.unwrap_or_else(|| panic!("no Thăng Long: {board}"));
    assert!(row.starts_with("Tỷ lệ lãnh đạo, cán bộ, công chức") && row.contains(" 100 "), "{row}");
    // Found by words without tone marks, and by group.
    let found = run("query indicators --text chu-ky-so").await;
    assert!(found.contains("signature.unit-leaders-rate") && found.contains("dx.documents"));
    assert!(!found.contains("device."), "{found}");
    let group = run("query indicators --group dx.organization --json").await;
    let items: Vec<serde_json::Value> =
        group.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert!(items.len() > 8, "{group}");
    for it in items {
        assert_eq!(it["group"], "dx.organization");
        assert_ne!(it["description"], it["description_en"]);
    }
}
