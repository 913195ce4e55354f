//! `sharehub import`, as a clerk runs it: the real program on real files, against a hub.
use std::{fs, path::Path, pin::pin, time::Duration};

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use sharehub::pb;
use tokio::time;

use crate::{
    hub::{Client, Grants, Hub, Key, all_indicators, gso},
    indicator::{SOURCE, count, ratio},
    program::{Ran, sharehub},
    proxy::Proxy,
};

/// A hub, a source that publishes two indicators, and a directory for its files.
struct Desk {
    hub: Hub,
    source: Client,
    dir: tempfile::TempDir,
}

impl Desk {
    async fn start() -> Self {
        let hub = Hub::start().await;
        let grants = Grants { publish_units: true, ..all_indicators() };
        let source = hub.system(SOURCE, grants).await;
        hub.system("so-y-te", Grants::default()).await;
        let other =
            pb::Indicator { authoritative_source: "so-y-te".to_owned(), ..count("other.count") };
        let indicators = vec![
            pb::Indicator { frequency: pb::ReportFrequency::Quarter.into(), ..count("doc.count") },
            pb::Indicator { frequency: pb::ReportFrequency::Quarter.into(), ..ratio("doc.rate") },
            other,
        ];
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let answer = source.indicators().define_indicators(request).await.unwrap().into_inner();
        assert_eq!(answer.receipt.unwrap().created, 3);
        Self { hub, source, dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    async fn run(&self, arguments: &[&str]) -> Ran {
        let Key(key) = self.source.key.clone();
        let (target, key) = (format!("http://{}", self.hub.address), key.unwrap());
        let by = ["--target", &target, "--key", &key];
        sharehub(self.path(), &[arguments, &by].concat()).await
    }

    async fn import(&self, what: &str, file: &str, more: &[&str]) -> Ran {
        self.run(&[&["import", what, file], more].concat()).await
    }

    /// Imports a table that is written as CSV.
    async fn csv(&self, what: &str, text: &str, more: &[&str]) -> Ran {
        fs::write(self.path().join("table.csv"), text).unwrap();
        self.import(what, "table.csv", more).await
    }

    fn newest(&self) -> i64 {
        self.hub.hub.revisions.head().newest.number
    }

    async fn observations(&self) -> Vec<pb::Observation> {
        let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
        let query = pb::QueryObservationsRequest { page, ..Default::default() };
        let answer = self.source.indicators().query_observations(query).await.unwrap();
        answer.into_inner().observations
    }

    async fn observation(&self, indicator: &str, unit: &str, period: &str) -> pb::Observation {
        let unit = gso(unit, "2024-12-01");
        let query = pb::QueryObservationsRequest {
            indicators: vec![indicator.to_owned()],
            units: unit.into_iter().collect(),
            period: period.to_owned(),
            ..Default::default()
        };
        let answer = self.source.indicators().query_observations(query).await.unwrap();
        let [found] = <[_; 1]>::try_from(answer.into_inner().observations).unwrap();
        found
    }

    async fn targets(&self) -> Vec<pb::IndicatorTarget> {
        let query = pb::QueryTargetsRequest::default();
        let answer = self.source.indicators().query_targets(query).await.unwrap();
        answer.into_inner().targets
    }
}

fn good(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.trim()
}

/// The lines that say what is wrong, without what is said at the end.
fn wrong(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.is_empty(), "{ran:?}");
    let lines: Vec<_> = ran.err.lines().filter(|it| !it.starts_with("note: ")).collect();
    let (last, lines) = lines.split_last().unwrap();
    let (count, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
    assert!(last.starts_with(&format!("sharehub: {count} error{s} in ")), "{ran:?}");
    assert!(last.ends_with(": nothing was loaded"), "{ran:?}");
    lines.to_vec()
}

const HEADER: [&str; 9] = [
    "STT",
    "Mã chỉ tiêu",
    "Tên chỉ tiêu",
    "Mã đơn vị (*)",
    "Kỳ báo cáo",
    "Giá trị\n(% hoặc số)",
    "Tử số",
    "Mẫu số",
    "Ngày chốt",
];

/// What a commune's clerk has: a title over all columns, a header in the fifth row, its columns numbered in the sixth,
/// units merged downwards, and cells of every type. Ten of them are wrong, unless they are mended.
fn workbook(path: &Path, mended: bool) {
    let mut book = Workbook::new();
    let (title, day) = (Format::new().set_bold(), Format::new().set_num_format("dd/mm/yyyy"));
    let percent = Format::new().set_num_format("0.00%");
    let sheet = book.add_worksheet().set_name("Hướng dẫn").unwrap();
    sheet.write(0, 0, "Điền vào trang Quý III").unwrap();
    let sheet = book.add_worksheet().set_name("Quý III").unwrap();
    sheet.merge_range(0, 0, 0, 8, "UBND HUYỆN TÂN TRỤ", &title).unwrap();
    sheet.merge_range(1, 0, 1, 8, "BÁO CÁO SỐ LIỆU QUÝ III NĂM 2024", &title).unwrap();
    for (column, text) in (0..).zip(HEADER) {
        sheet.write(4, column, text).unwrap();
    }
    for (column, text) in (0..).zip(["A", "B", "C", "D", "(1)", "(2)", "(3)", "(4)", "(5)"]) {
        sheet.write(5, column, text).unwrap();
    }
    let or = |wrong: &'static str, right: &'static str| if mended { right } else { wrong };
    let name = "Số hồ sơ";
    // Rows 7 and 8: one unit, merged.
    sheet.merge_range(6, 3, 7, 3, "805", &title).unwrap();
    sheet.write(6, 0, 1).unwrap();
    sheet.write(6, 1, "doc.count").unwrap();
    sheet.write(6, 2, name).unwrap();
    sheet.write(6, 4, "Quý III/2024").unwrap();
    sheet.write(6, 5, "10.512").unwrap();
    sheet.write(7, 1, "doc.rate").unwrap();
    sheet.write(7, 4, "2024-Q3").unwrap();
    sheet.write_with_format(7, 5, 0.7096, &percent).unwrap();
    sheet.write(7, 6, 80_835).unwrap();
    sheet.write_with_format(7, 8, ExcelDateTime::from_ymd(2024, 9, 20).unwrap(), &day).unwrap();
    // Row 9 is empty, but for a number that was filled in beforehand.
    sheet.write(8, 0, 2).unwrap();
    let row = |sheet: &mut rust_xlsxwriter::Worksheet, row: u32, cells: [&str; 4]| {
        for (column, text) in [1, 3, 4, 5].into_iter().zip(cells) {
            sheet.write(row, column, text).unwrap();
        }
    };
    // 1: a number that may be either; 2: an unknown indicator; 3: a unit that never was.
    row(sheet, 9, ["doc.count", "794", "2024-Q3", or("10.5", "105")]);
    row(sheet, 10, [or("doc.cuont", "doc.count"), "795", "2024-Q3", "12"]);
    row(sheet, 11, ["doc.count", or("99999", "796"), "2024-Q3", "13"]);
    // 4: a period that is none; 5: a unit that is no more; 6: not a whole number.
    row(sheet, 12, ["doc.count", "797", or("Quý V/2024", "quý 3 năm 2024"), "14"]);
    row(sheet, 13, ["doc.count", "798", or("2025-Q3", "2024-Q3"), "15"]);
    row(sheet, 14, ["doc.count", "799", "2024-Q3", or("3,5", "35")]);
    // 7: of another source; 8: a formula's error.
    row(sheet, 15, [or("other.count", "doc.count"), "800", "2024-Q3", "16"]);
    row(sheet, 16, ["doc.rate", "801", "2024-Q3", ""]);
    sheet.write(16, 6, 62).unwrap();
    if mended {
        sheet.write(16, 7, 102).unwrap();
    } else {
        sheet
            .write_formula(16, 7, rust_xlsxwriter::Formula::new("=1/0").set_result("#DIV/0!"))
            .unwrap();
    }
    // 9: a date out of the period; 10: a percentage of what is counted.
    row(sheet, 17, ["doc.rate", "802", "2024-Q3", "hơn 55%"]);
    sheet.write(17, 8, or("31/12/2024", "30/9/2024")).unwrap();
    row(sheet, 18, ["doc.count", "803", "2024-Q3", or("99%", "99")]);
    book.save(path).unwrap();
}

#[tokio::test]
async fn ten_wrong_cells_are_ten_lines_and_nothing_is_loaded_until_they_are_mended() {
    let desk = Desk::start().await;
    workbook(&desk.path().join("bieu.xlsx"), false);
    let before = desk.newest();
    let ran = desk.import("observations", "bieu.xlsx", &[]).await;
    let lines = wrong(&ran);
    let title = "Giá trị (% hoặc số)";
    let expected = [
        (10, title, "F10", "10.5", "cannot be told"),
        (11, "Mã chỉ tiêu", "B11", "doc.cuont", "is refused: no indicator `doc.cuont`"),
        (12, "Mã đơn vị (*)", "D12", "99999", "is refused: no unit"),
        (13, "Kỳ báo cáo", "E13", "Quý V/2024", "must be a period"),
        (14, "Mã đơn vị (*)", "D14", "798", "must "),
        (15, title, "F15", "3,5", "must be a whole number"),
        (16, "Mã chỉ tiêu", "B16", "other.count", "is refused: only `so-y-te` publishes"),
        (17, "Mẫu số", "H17", "#DIV/0!", "must not be the error of a formula"),
        (18, "Ngày chốt", "I18", "31/12/2024", "must lie inside the period"),
        (
            19,
            title,
            "F19",
            "99%",
            "must have no percent sign: the indicator is measured in dossiers",
        ),
    ];
    assert_eq!(lines.len(), expected.len(), "{}", ran.err);
    for (line, (row, column, cell, value, rule)) in lines.iter().zip(expected) {
        let place = format!(
            "bieu.xlsx sheet \"Quý III\" row {row} column \"{column}\" (cell {cell}): value \"{value}\": "
        );
        let said = line.strip_prefix(&place).unwrap_or_else(|| panic!("{line}\nnot {place}"));
        assert!(said.contains(rule), "{line}");
    }
    assert!(
        ran.err.contains("columns that are not read: \"STT\", \"Tên chỉ tiêu\""),
        "{}",
        ran.err
    );
    assert_eq!(desk.newest(), before, "something was written");
    assert!(desk.observations().await.is_empty());

    // Mended: tried first, then loaded, then loaded again.
    workbook(&desk.path().join("bieu.xlsx"), true);
    let tried = desk.import("observations", "bieu.xlsx", &["--dry-run"]).await;
    assert!(
        good(&tried).starts_with("checked 12 rows: 12 would be created, 0 corrected"),
        "{tried:?}"
    );
    assert!(desk.observations().await.is_empty());
    assert_eq!(desk.newest(), before, "a dry run wrote something");
    let loaded = desk.import("observations", "bieu.xlsx", &["--sheet", "Quý III"]).await;
    let revision = desk.newest();
    let told = format!("loaded 12 rows: created 12, corrected 0, unchanged 0; revision {revision}");
    assert_eq!(good(&loaded), told);
    assert_eq!(revision, before + 1, "it was loaded as a whole");
    let again = desk.import("observations", "bieu.xlsx", &[]).await;
    assert!(good(&again).contains("created 0, corrected 0, unchanged 12"), "{again:?}");
    assert_eq!(desk.newest(), revision);

    // What was read: as it was meant.
    let it = desk.observation("doc.count", "805", "2024-Q3").await;
    assert_eq!(it.figure.unwrap().value.as_deref(), Some("10512"));
    let it = desk.observation("doc.rate", "805", "2024-Q3").await;
    let figure = it.figure.unwrap();
    assert_eq!(
        (figure.value.as_deref(), figure.numerator.as_deref()),
        (Some("70.96"), Some("80835"))
    );
    assert_eq!(it.as_of, "2024-09-20");
    let figure = desk.observation("doc.rate", "802", "2024-Q3").await.figure.unwrap();
    assert_eq!(
        (figure.value.as_deref(), figure.qualifier()),
        (Some("55"), pb::ValueQualifier::MoreThan)
    );
    assert_eq!(figure.provenance.unwrap().as_written, "hơn 55%");
    let figure = desk.observation("doc.rate", "801", "2024-Q3").await.figure.unwrap();
    assert_eq!(figure.basis(), pb::FigureBasis::Computed);
}

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

#[tokio::test]
async fn cells_of_a_workbook_are_what_their_types_say() {
    let desk = Desk::start().await;
    let mut book = Workbook::new();
    let day = Format::new().set_num_format("mm/yyyy");
    let (padded, plain) = (Format::new().set_num_format("00000"), Format::new());
    let sheet = book.add_worksheet().set_name("Số liệu").unwrap();
    for (column, text) in (0..).zip(["Chỉ tiêu", "Đơn vị", "Kỳ", "Giá trị"]) {
        sheet.write(0, column, text).unwrap();
    }
    let row = |sheet: &mut rust_xlsxwriter::Worksheet, row: u32, period: &str, value: f64| {
        sheet.write(row, 0, "doc.count").unwrap();
        sheet.write(row, 2, period).unwrap();
        sheet.write(row, 3, value).unwrap();
    };
    // Right: numbers as codes, with the zeros that their format shows; a year as a number.
    row(sheet, 1, "2024-Q1", 1.0);
    sheet.write(1, 1, 805).unwrap();
    row(sheet, 2, "2024-Q1", 2.0);
    sheet.write_with_format(2, 1, 691, &padded).unwrap();
    row(sheet, 3, "", 3.0);
    sheet.write(3, 1, "805").unwrap();
    sheet.write(3, 2, 2024).unwrap();
    let hidden = book.add_worksheet().set_name("Ẩn").unwrap();
    hidden.set_hidden(true);
    for (column, text) in (0..).zip(["indicator", "unit", "period", "value"]) {
        hidden.write(0, column, text).unwrap();
    }
    book.save(desk.path().join("types.xlsx")).unwrap();
    let ran = desk.import("observations", "types.xlsx", &[]).await;
    assert!(good(&ran).starts_with("loaded 3 rows: created 3"), "{ran:?}");
    desk.observation("doc.count", "00691", "2024-Q1").await;
    desk.observation("doc.count", "805", "2024").await;
    // Wrong: a code that lost a zero, a month that became a date, a value that is merged over two rows, a unit that is: it is
    // told once; a truth value.
    let mut book = Workbook::new();
    let sheet = book.add_worksheet().set_name("Số liệu").unwrap();
    for (column, text) in (0..).zip(["Chỉ tiêu", "Đơn vị", "Kỳ", "Giá trị"]) {
        sheet.write(0, column, text).unwrap();
    }
    row(sheet, 1, "2024-Q1", 1.0);
    sheet.write(1, 1, 1691).unwrap();
    row(sheet, 2, "", 2.0);
    sheet.write(2, 1, "805").unwrap();
    sheet.write_with_format(2, 2, ExcelDateTime::from_ymd(2024, 9, 1).unwrap(), &day).unwrap();
    row(sheet, 3, "2024-Q2", 3.0);
    row(sheet, 4, "2024-Q3", 4.0);
    sheet.merge_range(3, 1, 4, 1, "99999", &plain).unwrap();
    row(sheet, 5, "2024-Q2", 5.0);
    row(sheet, 6, "2024-Q3", 6.0);
    sheet.write(5, 1, "794").unwrap();
    sheet.write(6, 1, "794").unwrap();
    sheet.merge_range(5, 3, 6, 3, "5", &plain).unwrap();
    row(sheet, 7, "2024-Q3", 7.0);
    sheet.write(7, 1, "795").unwrap();
    sheet.write(7, 3, true).unwrap();
    book.save(desk.path().join("types.xlsx")).unwrap();
    let ran = desk.import("observations", "types.xlsx", &[]).await;
    let lines = wrong(&ran);
    let expected = [
        ("(cell B2): value \"1691\": must be a code of 2, 3 or 5 digits", "zeros"),
        ("(cell C3): value \"2024-09-01\": must be a period, not a date", "text"),
        ("(cell B4): value \"99999\": is refused", "99999"),
        ("(cell D7): value \"\": must be given", "status"),
        ("(cell D8): value \"TRUE\": must be text, a number or a date", ""),
    ];
    assert_eq!(lines.len(), expected.len(), "{}", ran.err);
    for (line, (part, more)) in lines.iter().zip(expected) {
        assert!(line.contains(part) && line.contains(more), "{line}\nnot {part}");
    }
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
    let readme = include_str!("../../examples/tables/README.md");
    let ran = import("quy-3-2024-sai.csv").await;
    let lines = wrong(&ran);
    assert_eq!(lines.len(), 4, "{}", ran.err);
    for line in ran.err.lines().filter(|it| !it.starts_with("note: ")) {
        assert!(readme.lines().any(|it| it == line), "the README does not say: {line}");
    }
    let ran = import("quy-3-2024.csv").await;
    assert!(good(&ran).starts_with("loaded 5 rows: created 5"), "{ran:?}");
}
