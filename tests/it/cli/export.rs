//! `sharehub export`, `query` and `watch`: what the hub has, as tables and lines, and back.
use std::{
    collections::BTreeMap,
    fs::{self, File},
};

use calamine::{Reader, Xlsx};
use sharehub::pb;

use crate::{
    indicator::breakdowns::dimension,
    support::{
        client::{Client, Key, all_indicators, gso},
        desk::{SOURCE, count, ratio, saw},
        hub::Hub,
        program::{Ran, sharehub},
    },
};

pub struct Desk {
    pub hub: Hub,
    pub source: Client,
    pub dir: tempfile::TempDir,
}

/// What is hard to carry through a table: bounds, states, components, quotation marks, line breaks, formulas, a unit
/// that was closed within the period, breakdowns, and values with many digits.
fn entries() -> Vec<pb::ObservationEntry> {
    let some = |it: &str| Some(it.to_owned());
    let entry = |indicator: &str, unit: &str, period: &str| pb::ObservationEntry {
        indicator: indicator.to_owned(),
        unit: gso(unit, "2024-12-31"),
        period: period.to_owned(),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    };
    let provenance = pb::Provenance {
        channel: pb::ProvenanceChannel::Document.into(),
        source_document: "=HYPERLINK(\"http://x\")".to_owned(),
        source_record: "'=1".to_owned(),
        quote: "đạt \"70,96%\";\ntức là, hơn".to_owned(),
        as_written: "+84, -1; @x".to_owned(),
        note: "-1".to_owned(),
        ..Default::default()
    };
    vec![
        pb::ObservationEntry {
            value: some("70.96"),
            numerator: some("62"),
            qualifier: Some(pb::ValueQualifier::MoreThan.into()),
            status: pb::ObservationStatus::Provisional.into(),
            as_of: "2024-09-15".to_owned(),
            provenance: Some(provenance),
            ..entry("doc.rate", "805", "2024-Q3")
        },
        // Computed by the hub, not reported: loaded again, it still is.
        pb::ObservationEntry {
            numerator: some("62"),
            denominator: some("102"),
            ..entry("doc.rate", "794", "2024-YTD-09")
        },
        pb::ObservationEntry {
            status: pb::ObservationStatus::NotAssessed.into(),
            ..entry("doc.rate", "795", "2024")
        },
        pb::ObservationEntry {
            value: some("12345678901234567890"),
            ..entry("doc.count", "805", "2025")
        },
        pb::ObservationEntry {
            value: some("0"),
            breakdown: BTreeMap::from([
                ("channel".to_owned(), "online".to_owned()),
                ("sex".to_owned(), "f".to_owned()),
            ]),
            ..entry("doc.count", "796", "2024-W37")
        },
    ]
}

/// What the entries need: a count by weeks with dimensions, and a ratio by quarters.
fn definitions() -> Vec<pb::Indicator> {
    let cut = |code| dimension(code, pb::DimensionRule::Sum, false, &["online", "f"]);
    let weekly = pb::Indicator {
        frequency: pb::ReportFrequency::Week.into(),
        dimensions: vec![cut("channel"), cut("sex")],
        ..count("doc.count")
    };
    let frequency = pb::ReportFrequency::Quarter.into();
    vec![weekly, pb::Indicator { frequency, ..ratio("doc.rate") }]
}

impl Desk {
    pub async fn start() -> Self {
        let hub = Hub::start().await;
        let source = hub.system(SOURCE, all_indicators()).await;
        let indicators = definitions();
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        source.indicators().define_indicators(request).await.unwrap();
        let desk = Self { hub, source, dir: tempfile::tempdir().unwrap() };
        assert_eq!(desk.publish(entries()).await.created, 5);
        let target = |unit: &str,
                      period: &str,
                      comparison: pb::TargetComparison,
                      value: Option<&str>| {
            pb::TargetEntry {
                indicator: "doc.rate".to_owned(),
                unit: gso(unit, "2024-12-31"),
                period: period.to_owned(),
                comparison: comparison.into(),
                value: value.map(str::to_owned),
                provenance: Some(pb::Provenance { note: "=1".to_owned(), ..Default::default() }),
                ..Default::default()
            }
        };
        let targets = vec![
            target("805", "2024", pb::TargetComparison::AtLeast, Some("95.5")),
            target("794", "2025", pb::TargetComparison::MoreThan, Some("80")),
            target("795", "2024-Q3", pb::TargetComparison::Qualitative, None),
        ];
        let request = pb::PublishTargetsRequest { targets, ..Default::default() };
        let answer = desk.source.indicators().publish_targets(request).await.unwrap().into_inner();
        assert_eq!(answer.receipt.unwrap().created, 3);
        desk
    }

    pub async fn publish(&self, observations: Vec<pb::ObservationEntry>) -> pb::Receipt {
        let request = pb::PublishObservationsRequest { observations, ..Default::default() };
        let answer = self.source.indicators().publish_observations(request).await.unwrap();
        answer.into_inner().receipt.unwrap()
    }

    pub fn by(&self) -> [String; 4] {
        let Key(key) = self.source.key.clone();
        let target = format!("http://{}", self.hub.address);
        ["--target".to_owned(), target, "--key".to_owned(), key.unwrap()]
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let by = self.by();
        let by: Vec<&str> = by.iter().map(String::as_str).collect();
        sharehub(self.dir.path(), &[arguments, &by].concat()).await
    }

    pub async fn good(&self, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments).await;
        assert_eq!(ran.code, Some(0), "{arguments:?}: {ran:?}");
        ran
    }

    pub fn newest(&self) -> i64 {
        self.hub.hub.revisions.head().newest.number
    }
}

// === export ===

#[tokio::test]
async fn what_is_exported_is_imported_again_unchanged() {
    let desk = Desk::start().await;
    let before = desk.newest();
    for (what, rows) in [("observations", 5), ("targets", 3)] {
        for (file, numbers) in [("a.csv", "vi"), ("b.csv", "en"), ("c.xlsx", "vi")] {
            let ran = desk.good(&["export", what, "--out", file, "--numbers", numbers]).await;
            let told = format!("exported {rows} rows at revision {before}");
            assert_eq!(ran.err.lines().last(), Some(told.as_str()), "{ran:?}");
            let ran = desk.good(&["import", what, file, "--numbers", numbers]).await;
            let told = format!("created 0, corrected 0, unchanged {rows};");
            assert!(ran.out.contains(&told), "{what} by {file}: {ran:?}");
        }
    }
    assert_eq!(desk.newest(), before);
    // Into another hub, which has no observations and its own ids.
    let other = Hub::start().await;
    let source = other.system(SOURCE, all_indicators()).await;
    let indicators = definitions();
    let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    source.indicators().define_indicators(request).await.unwrap();
    let (target, Key(key)) = (format!("http://{}", other.address), source.key);
    desk.good(&["export", "observations", "--out", "a.csv"]).await;
    let arguments =
        ["import", "observations", "a.csv", "--target", &target, "--key", &key.unwrap()];
    let ran = sharehub(desk.dir.path(), &arguments).await;
    assert!(ran.out.starts_with("loaded 5 rows: created 5"), "{ran:?}");
}

#[tokio::test]
async fn a_spreadsheet_runs_nothing_of_what_is_exported() {
    let desk = Desk::start().await;
    let ran =
        desk.good(&["export", "observations", "--out", "-", "--unit", "805@2024-12-31"]).await;
    let mut rows = csv::Reader::from_reader(ran.out.as_bytes());
    let titles = rows.headers().unwrap().clone();
    let at = |title: &str| titles.iter().position(|it| it == title).unwrap();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    assert_eq!(rows.len(), 2, "{}", ran.out);
    for cell in rows.iter().flat_map(|it| it.iter()) {
        assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
    }
    let row = rows.iter().find(|it| it.get(at("indicator")) == Some("doc.rate")).unwrap();
    assert_eq!(row.get(at("source_document")), Some("'=HYPERLINK(\"http://x\")"));
    assert_eq!(row.get(at("source_record")), Some("''=1"));
    assert_eq!(row.get(at("value")), Some("70,96"));
    assert_eq!(
        (row.get(at("unit")), row.get(at("unit_name"))),
        (Some("805"), Some("Huyện Tân Trụ"))
    );
    let row = rows.iter().find(|it| it.get(at("indicator")) == Some("doc.count")).unwrap();
    assert_eq!(row.get(at("unit")), Some("805@2025-06-30"), "it was closed within the period");
    // In a workbook it is text by its type, and a number is a number where it keeps all of its digits.
    desk.good(&["export", "observations", "--out", "x.xlsx"]).await;
    let file = File::open(desk.dir.path().join("x.xlsx")).unwrap();
    let mut book = Xlsx::new(std::io::BufReader::new(file)).unwrap();
    let range = book.worksheet_range_at(0).unwrap().unwrap();
    let cells: Vec<_> = range.rows().flatten().collect();
    let has = |it: calamine::Data| cells.contains(&&it);
    assert!(has(calamine::Data::String("=HYPERLINK(\"http://x\")".to_owned())));
    assert!(has(calamine::Data::Float(70.96)) && has(calamine::Data::Float(0.0)));
    assert!(has(calamine::Data::String("12345678901234567890".to_owned())));
}

#[tokio::test]
async fn an_export_is_of_one_revision_and_a_file_only_when_it_is_whole() {
    let desk = Desk::start().await;
    let at = desk.newest().to_string();
    let old = desk.good(&["export", "observations", "--out", "-"]).await.out;
    let mut changed = entries();
    changed.truncate(1);
    changed[0].value = Some("71".to_owned());
    desk.publish(changed).await;
    let now = desk.good(&["export", "observations", "--out", "-"]).await.out;
    assert_ne!(old, now);
    let again = desk.good(&["export", "observations", "--out", "-", "--at", &at]).await.out;
    assert_eq!(old, again);
    // Refused, cut, or to a place that is not there: no file, or the one that was there.
    fs::write(desk.dir.path().join("kept.csv"), "before").unwrap();
    let ran =
        desk.run(&["export", "observations", "--indicator", "no.such", "--out", "kept.csv"]).await;
    assert!(ran.code == Some(2) && ran.err.contains("NotFound"), "{ran:?}");
    assert_eq!(fs::read_to_string(desk.dir.path().join("kept.csv")).unwrap(), "before");
    assert!(!desk.dir.path().join("kept.csv.part").exists());
    let bad: [(&[&str], i32); 6] = [
        (&["--out", "no/such/dir/x.csv"], 1),
        (&["--out", "x.txt"], 1),
        (&["--out", "-", "--procedure", "1.000001"], 64),
        (&["--out", "-", "--unit", "Huyện"], 64),
        (&["--out", "-", "--since", "soon"], 64),
        (&[], 64),
    ];
    for (more, code) in bad {
        let ran = desk.run(&[&["export", "observations"], more].concat()).await;
        assert_eq!(ran.code, Some(code), "{more:?}: {ran:?}");
        assert!(!ran.err.is_empty(), "{more:?}");
    }
}

#[tokio::test]
async fn dossiers_are_exported_without_who_applied() {
    let hub = Hub::start().await;
    let roles = sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let key = &roles.iter().find(|it| it.name == "IOC").unwrap().key;
    let dir = tempfile::tempdir().unwrap();
    let target = format!("http://{}", hub.address);
    let by = ["--target", &target, "--key", key];
    let run = async |arguments: &[&str]| {
        let ran = sharehub(dir.path(), &[arguments, &by].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        ran.out
    };
    let out = run(&[
        "export",
        "dossiers",
        "--out",
        "-",
        "--since",
        "2024-01-01",
        "--until",
        "2024-01-31",
    ])
    .await;
    let mut rows = csv::Reader::from_reader(out.as_bytes());
    let titles = rows.headers().unwrap().clone();
    assert!(!titles.iter().any(|it| it.contains("applicant_name") || it == "note"), "{titles:?}");
    let accepted = titles.iter().position(|it| it == "accepted_at").unwrap();
    let rows: Vec<_> = rows.records().map(Result::unwrap).collect();
    assert!(rows.len() > 100, "{} rows", rows.len());
    assert!(rows.iter().all(|it| it[accepted].starts_with("2024-01-")), "another month");
    let table = run(&["query", "dossiers", "--unit", "805@2024-12-31", "--limit", "7"]).await;
    assert_eq!(table.lines().count(), 9, "{table}");
    assert!(table.contains("Thị trấn Tân Trụ") && table.contains("SYNTHETIC-"), "{table}");
}

// === query ===

#[tokio::test]
async fn a_query_is_a_table_for_people_and_json_for_machines() {
    let desk = Desk::start().await;
    let table = desk.good(&["query", "observations", "--indicator", "doc.rate"]).await;
    let lines: Vec<_> = table.out.lines().collect();
    assert_eq!(lines.len(), 5, "{}", table.out);
    let starts: Vec<_> = lines[1].split("  ").map(str::len).collect();
    assert!(starts.iter().all(|it| *it > 0), "{}", lines[1]);
    let row = lines.iter().find(|it| it.contains("Huyện Tân Trụ")).unwrap();
    assert!(row.contains(">70,96 (provisional)") && row.contains("62/?"), "{row}");
    assert!(
        table.out.contains("60,784313\u{2026}") && table.out.contains("not assessed"),
        "{}",
        table.out
    );
    assert!(table.err.contains(&format!("3 rows at revision {}", desk.newest())), "{}", table.err);
    let some = desk.good(&["query", "observations", "--limit", "2", "--json"]).await;
    let items: Vec<serde_json::Value> =
        some.out.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    assert_eq!(items.len(), 2, "{}", some.out);
    assert_eq!(items[0]["indicator"], "doc.count");
    assert!(some.err.contains("there are more: --limit"), "{}", some.err);
    let snapshot = ["query", "snapshot", "--unit", "805@2024-12-31", "--indicator", "doc.rate"];
    let ran = desk.good(&[&snapshot[..], &["--date", "2024-12-31"]].concat()).await;
    let row = ran.out.lines().last().unwrap();
    for part in ["doc.rate", "Huyện Tân Trụ", "2024-Q3", ">70,96 (provisional)", "\u{2265}95,5"]
    {
        assert!(row.contains(part), "no {part}: {}", ran.out);
    }
    let refused = desk.run(&["query", "snapshot", "--indicator", "doc.rate"]).await;
    assert!(refused.code == Some(2) && refused.err.contains("units: must"), "{refused:?}");
}

#[tokio::test]
async fn a_board_rounds_to_the_decimals_of_the_definition() {
    let desk = Desk::start().await;
    let indicators = vec![pb::Indicator { decimals: Some(1), ..ratio("doc.share") }];
    let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    desk.source.indicators().define_indicators(request).await.unwrap();
    let some = |it: &str| Some(it.to_owned());
    let exact = pb::ObservationEntry {
        numerator: some("62"),
        denominator: some("102"),
        ..saw("doc.share", "805", "2024", "")
    };
    let qualifier = Some(pb::ValueQualifier::MoreThan.into());
    let bound = pb::ObservationEntry { qualifier, ..saw("doc.share", "794", "2024", "55.66") };
    desk.publish(vec![exact, bound]).await;
    let units = ["--unit", "805@2024-12-31", "--unit", "794@2024-12-31"];
    let asked =
        [&["query", "snapshot", "--indicator", "doc.share", "--date", "2025-06-01"], &units[..]];
    let table = desk.good(&asked.concat()).await.out;
    assert!(table.contains(" 60,8 ") && table.contains(" >55,66 "), "{table}");
    let json = desk.good(&[asked.concat(), vec!["--json"]].concat()).await.out;
    assert!(json.contains("\"60.784313725490196078\""), "{json}");
    let table = desk.good(&["query", "observations", "--indicator", "doc.share"]).await.out;
    assert!(table.contains("60,784313\u{2026}"), "{table}");
}
