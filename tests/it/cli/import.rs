//! `sharehub import`, as a clerk runs it: the real program on real files, against a hub.
use std::{fs, path::Path, pin::pin, time::Duration};

use rust_xlsxwriter::Workbook;
use sharehub::pb;
use tokio::time;

use crate::support::{
    clerk::{Desk, good, wrong},
    client::{Key, gso},
    hub::Hub,
    program::sharehub,
    proxy::Proxy,
};

const CSV: &str = "\
Số liệu quý III\n\
\n\
Chỉ tiêu;Đơn vị;Kỳ;Giá trị;Trạng thái;Ghi chú\n\
doc.count;805;2024-Q3;1.234;sơ bộ;\"dòng một\ndòng hai\"\n\
;;;;;\n\
doc.count;794;2024-Q3;chưa đánh giá;;\n\
doc.count;795;2024-Q3;7;xong rồi;\n\
doc.count;;2024-Q3;8;;\n\
doc.count;805;2024-Q3;9;;\n";

#[tokio::test]
async fn a_csv_file_is_told_about_by_its_rows_as_a_spreadsheet_counts_them() {
    let desk = Desk::start().await;
    let before = desk.newest();
    let ran = desk.csv("observations", CSV, &[]).await;
    let lines = wrong(&ran);
    let starts = [
        "table.csv row 7 column \"Trạng thái\" (cell E7): value \"xong rồi\": must be a word such as",
        "table.csv row 8 column \"Đơn vị\" (cell B8): value \"\": must not be empty",
        "table.csv row 9 column \"Kỳ\" (cell C9): value \"2024-Q3\": must not stand twice",
    ];
    assert_eq!(lines.len(), starts.len(), "{}", ran.err);
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start), "{line}");
    }
    assert!(lines[2].contains("row 4"), "{}", lines[2]);
    assert_eq!(desk.newest(), before);
    // Mended, with the mark that spreadsheets put in front; then with commas and quotation marks.
    let good_rows = CSV.lines().take(7).collect::<Vec<_>>().join("\n");
    let ran = desk.csv("observations", &format!("\u{feff}{good_rows}\r\n"), &[]).await;
    assert!(good(&ran).starts_with("loaded 2 rows: created 2"), "{ran:?}");
    let it = desk.observation("doc.count", "805", "2024-Q3").await.figure.unwrap();
    assert_eq!(
        (it.value.as_deref(), it.status()),
        (Some("1234"), pb::ObservationStatus::Provisional)
    );
    assert_eq!(it.provenance.unwrap().note, "dòng một\ndòng hai");
    let it = desk.observation("doc.count", "794", "2024-Q3").await.figure.unwrap();
    assert_eq!((it.value.as_deref(), it.status()), (None, pb::ObservationStatus::NotAssessed));
    let english = "unit,indicator,period,value,status,note\n\
        805,doc.count,2024-Q3,\"1,235\",provisional,\n";
    let ran = desk.csv("observations", english, &["--numbers", "en"]).await;
    assert!(good(&ran).contains("created 0, corrected 1"), "{ran:?}");
    let it = desk.observation("doc.count", "805", "2024-Q3").await.figure.unwrap();
    assert_eq!(it.value.as_deref(), Some("1235"));
}

#[tokio::test]
async fn what_is_no_table_is_told() {
    let desk = Desk::start().await;
    let told = async |text: &str, more: &[&str]| {
        let ran = desk.csv("observations", text, more).await;
        assert_eq!(ran.code, Some(1), "{ran:?}");
        ran.err
    };
    let err = told("Chỉ tiêu,Đơn vị,Giá trị\ndoc.count,805,1\n", &[]).await;
    assert!(err.contains("row 1 lacks \"period / kỳ\""), "{err}");
    let err = told("a,b\n1,2\n", &[]).await;
    assert!(err.contains("none of the first 30 rows names the columns"), "{err}");
    let err = told("indicator,unit,period,value,giá trị\n", &[]).await;
    assert!(err.contains("row 1: both column D and column E are \"value\""), "{err}");
    let err = told("indicator,unit,period,value\nx,\"y,2024,1\n", &[]).await;
    assert!(err.contains("row 2: a quotation mark is opened"), "{err}");
    // With another separator than its own, this one would be open too.
    let odd = "indicator,unit,period,value,note\ndoc.count,805,2024-Q3,4,see;\"this\n";
    assert!(good(&desk.csv("observations", odd, &[]).await).contains("created 1"));
    let err = told("indicator,unit,period,value\n", &["--sheet", "S"]).await;
    assert!(err.contains("no sheets"), "{err}");
    let none = desk.import("observations", "no-such.csv", &[]).await;
    assert!(none.code == Some(1) && none.err.contains("no-such.csv"), "{none:?}");
    let wrong = desk.import("dossiers", "table.csv", &[]).await;
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
    // Two sheets that could be meant, and one that is not there.
    let mut book = Workbook::new();
    for name in ["Một", "Hai"] {
        let sheet = book.add_worksheet().set_name(name).unwrap();
        for (column, text) in (0..).zip(["indicator", "unit", "period", "value"]) {
            sheet.write(0, column, text).unwrap();
        }
        for (column, text) in (0..).zip(["doc.count", "805", "2024-Q3", "5"]) {
            sheet.write(1, column, text).unwrap();
        }
    }
    book.save(desk.path().join("two.xlsx")).unwrap();
    let ran = desk.import("observations", "two.xlsx", &[]).await;
    assert!(ran.code == Some(1) && ran.err.contains("--sheet: \"Một\", \"Hai\""), "{ran:?}");
    let ran = desk.import("observations", "two.xlsx", &["--sheet", "Ba"]).await;
    assert!(ran.code == Some(1) && ran.err.contains("no sheet \"Ba\""), "{ran:?}");
    let ran = desk.import("observations", "two.xlsx", &["--sheet", "Hai"]).await;
    assert!(good(&ran).contains("corrected 1"), "{ran:?}");
    // No rows is no error.
    let ran = desk.csv("observations", "indicator,unit,period,value\n", &[]).await;
    assert!(good(&ran).starts_with("loaded 0 rows"), "{ran:?}");
}

#[tokio::test]
async fn targets_are_loaded_with_the_words_before_their_numbers() {
    let desk = Desk::start().await;
    let table = "\
        Mã chỉ tiêu;Mã đơn vị;Kỳ;Mục tiêu;So sánh\n\
        doc.rate;805;2024;≥ 90%;\n\
        doc.rate;794;2024;85,5;trên\n\
        doc.rate;795;2024;;định tính\n";
    let bad = "doc.rate;796;2024;90;\n\
        doc.rate;797;2024;khoảng 90;\n\
        doc.count;798;2024;dưới 5;\n\
        doc.rate;799;2024;;ít nhất\n";
    let ran = desk.csv("targets", &format!("{table}{bad}"), &[]).await;
    let lines = wrong(&ran);
    let cells = ["(cell E5)", "(cell D6)", "(cell D7)", "(cell D8)"];
    assert_eq!(lines.len(), cells.len(), "{}", ran.err);
    for (line, cell) in lines.iter().zip(cells) {
        assert!(line.contains(cell), "{line}");
    }
    assert!(desk.targets().await.is_empty());
    let ran = desk.csv("targets", table, &["--dry-run"]).await;
    assert!(good(&ran).contains("3 would be created"), "{ran:?}");
    assert!(desk.targets().await.is_empty());
    let ran = desk.csv("targets", table, &[]).await;
    assert!(good(&ran).starts_with("loaded 3 rows: created 3"), "{ran:?}");
    let mut kept: Vec<_> = desk
        .targets()
        .await
        .into_iter()
        .map(|it| (it.unit.clone().unwrap().code, it.comparison(), it.value))
        .collect();
    kept.sort_by(|one, other| one.0.cmp(&other.0));
    let some = |it: &str| Some(it.to_owned());
    let expected = [
        ("794".to_owned(), pb::TargetComparison::MoreThan, some("85.5")),
        ("795".to_owned(), pb::TargetComparison::Qualitative, None),
        ("805".to_owned(), pb::TargetComparison::AtLeast, some("90")),
    ];
    assert_eq!(kept, expected);
    let again = desk.csv("targets", table, &[]).await;
    assert!(good(&again).contains("unchanged 3"), "{again:?}");
}

#[tokio::test]
async fn units_are_loaded_with_the_units_above_them() {
    let desk = Desk::start().await;
    let table = "\
        Mã định danh,Tên,Cấp,Mã đơn vị cấp trên,Từ ngày\n\
        H80.12,Sở Y tế,cơ quan,80,1/7/2025\n\
        H80.12.3,Trung tâm Y tế,cơ quan,agency:H80.12,1/7/2025\n";
    let bad = ",Không mã,cơ quan,80,1/7/2025\n\
        H80.13,Sở Lạ,vụ,80,1/7/2025\n\
        H80.14,Sở Khác,cơ quan,99,1/7/2025\n\
        H80.15,Sở Nào,cơ quan,80,7/31/2025\n";
    let ran = desk.csv("units", &format!("{table}{bad}"), &[]).await;
    let lines = wrong(&ran);
    let cells = ["(cell A4)", "(cell C5)", "(cell D6)", "(cell E7)"];
    assert_eq!(lines.len(), cells.len(), "{}", ran.err);
    for (line, cell) in lines.iter().zip(cells) {
        assert!(line.contains(cell), "{line}");
    }
    let ran = desk.csv("units", table, &["--dry-run"]).await;
    assert!(good(&ran).contains("2 would be created"), "{ran:?}");
    let ran = desk.csv("units", table, &[]).await;
    assert!(good(&ran).starts_with("loaded 2 rows: created 2"), "{ran:?}");
    let code = pb::UnitCode {
        scheme: "agency".to_owned(),
        code: "H80.12.3".to_owned(),
        date: "2026-01-01".to_owned(),
    };
    let unit = Some(pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Code(code)) });
    let request = pb::GetUnitRequest { unit, consistency: None };
    let unit = desk.source.units().get_unit(request).await.unwrap().into_inner().unit.unwrap();
    assert_eq!((unit.name.as_str(), unit.valid_from.as_str()), ("Trung tâm Y tế", "2025-07-01"));
    assert_eq!(unit.parents[0].tree(), pb::UnitTree::Administration);
    assert_eq!(unit.parents[0].parent.clone().unwrap().name, "Sở Y tế");
    let again = desk.csv("units", table, &[]).await;
    assert!(good(&again).contains("unchanged 2"), "{again:?}");
}

// === much, over a stream ===

/// More rows than fit into one batch: a row for each of some districts and many months.
fn many() -> (usize, String) {
    let mut text = "indicator,unit,period,value\n".to_owned();
    let mut rows = 0;
    for unit in ["794", "795", "796", "797", "798", "799", "800", "801", "802", "803"] {
        for year in 1980..2024 {
            for month in 1..=12 {
                text.push_str(&format!("doc.count,{unit},{year}-{month:02},{rows}\n"));
                rows += 1;
            }
        }
    }
    (rows, text)
}

#[tokio::test]
async fn a_large_file_is_loaded_over_a_stream_and_loaded_anew_when_it_is_given_again() {
    let desk = Desk::start().await;
    let (rows, text) = many();
    let ran = desk.csv("observations", &text, &[]).await;
    assert!(good(&ran).starts_with(&format!("loaded {rows} rows: created {rows}, ")), "{ran:?}");
    let revision = desk.newest();
    let again = desk.import("observations", "table.csv", &[]).await;
    assert!(good(&again).contains(&format!("corrected 0, unchanged {rows};")), "{again:?}");
    assert_eq!(desk.newest(), revision);
    // What somebody corrected since is set back to what the file says: it is not taken for done.
    let entry = pb::ObservationEntry {
        indicator: "doc.count".to_owned(),
        unit: gso("794", ""),
        period: "1980-01".to_owned(),
        value: Some("77777".to_owned()),
        status: pb::ObservationStatus::Final.into(),
        ..Default::default()
    };
    let request =
        pb::PublishObservationsRequest { observations: vec![entry], ..Default::default() };
    desk.source.indicators().publish_observations(request).await.unwrap();
    let again = desk.import("observations", "table.csv", &[]).await;
    assert!(good(&again).contains(&format!("corrected 1, unchanged {}", rows - 1)), "{again:?}");
}

#[tokio::test]
async fn a_load_that_is_cut_again_and_again_keeps_each_row_once() {
    let desk = Desk::start().await;
    let (rows, text) = many();
    fs::write(desk.path().join("table.csv"), text).unwrap();
    let proxy = Proxy::start(desk.hub.address).await;
    proxy.delay(Duration::from_millis(2));
    let Key(key) = desk.source.key.clone();
    let (target, key) = (format!("http://{}", proxy.address), key.unwrap());
    let arguments = ["import", "observations", "table.csv", "--target", &target, "--key", &key];
    let mut load = pin!(sharehub(desk.path(), &arguments));
    let mut cuts = 0;
    let ran = loop {
        tokio::select! {
            ran = &mut load => break ran,
            () = time::sleep(Duration::from_millis(400)), if cuts < 8 => {
                proxy.cut();
                cuts += 1;
            }
        }
    };
    assert!(cuts > 1, "it was over before it was cut");
    let told = good(&ran);
    assert!(told.starts_with(&format!("loaded {rows} rows: ")), "{ran:?}");
    let head = told.split(';').next().unwrap();
    let counts = head.split(|it: char| !it.is_ascii_digit()).filter_map(|it| it.parse().ok());
    let counts: Vec<usize> = counts.collect();
    assert_eq!(counts[1..].iter().sum::<usize>(), rows, "{told}");
    // As it stands in the file, and no version that another superseded.
    let again = desk.import("observations", "table.csv", &[]).await;
    assert!(good(&again).contains(&format!("unchanged {rows};")), "{again:?}");
}

#[tokio::test]
async fn the_tables_of_the_readme_are_what_it_says() {
    let hub = Hub::start().await;
    let roles = sharehub::demo::load(&hub.hub, &hub.access).await.unwrap();
    let key = &roles.iter().find(|it| it.name == "ARTICLES").unwrap().key;
    let tables = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/tables");
    let target = format!("http://{}", hub.address);
    let import = async |file: &str| {
        let by = ["--target", &target, "--key", key];
        sharehub(&tables, &[["import", "observations", file, by[0]].as_slice(), &by[1..]].concat())
            .await
    };
    let readme = include_str!("../../../examples/tables/README.md");
    let ran = import("quy-3-2024-sai.csv").await;
    let lines = wrong(&ran);
    assert_eq!(lines.len(), 4, "{}", ran.err);
    for line in ran.err.lines().filter(|it| !it.starts_with("note: ")) {
        assert!(readme.lines().any(|it| it == line), "the README does not say: {line}");
    }
    let ran = import("quy-3-2024.csv").await;
    assert!(good(&ran).starts_with("loaded 5 rows: created 5"), "{ran:?}");
}
