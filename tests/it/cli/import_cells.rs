//! Cells of tables that are imported: what their types say, and each wrong one named.
use std::path::Path;

use rust_xlsxwriter::{ExcelDateTime, Format, Workbook};
use sharehub::pb;

use crate::support::clerk::{Desk, good, wrong};

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
    // Wrong: a code that lost a zero, a month that became a date, a value that is merged over two rows, a unit that
    // is: it is told once; a truth value.
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
