//! Workbooks of some kilobytes that expand to more than a machine has: refused by the bound that they exceed, before
//! they are expanded in memory.
use std::{fs, io::Write, path::Path, process::Stdio, time::Duration};

use tokio::{task, time};
use zip::{ZipWriter, write::SimpleFileOptions};

use crate::support::program::command;

const HEAD: &str = "<?xml version=\"1.0\"?>";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const SHEET_END: &str = "</sheetData></worksheet>";

/// The parts that every workbook has.
fn parts() -> [(&'static str, String); 4] {
    let relation = |kind: &str, target: &str| {
        format!(
            "{HEAD}<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" \
             Type=\"{OFFICE}/{kind}\" Target=\"{target}\"/></Relationships>"
        )
    };
    let book = format!(
        "{HEAD}<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets><sheet name=\"A\" sheetId=\"1\" \
         r:id=\"rId1\"/></sheets></workbook>"
    );
    [
        ("[Content_Types].xml", format!("{HEAD}<Types xmlns=\"{PACKAGE}/content-types\"/>")),
        ("_rels/.rels", relation("officeDocument", "xl/workbook.xml")),
        ("xl/workbook.xml", book),
        ("xl/_rels/workbook.xml.rels", relation("worksheet", "worksheets/sheet1.xml")),
    ]
}

fn sheet_head() -> String {
    format!("{HEAD}<worksheet xmlns=\"{MAIN}\"><dimension ref=\"A1:XFD1048576\"/><sheetData>")
}

fn texts_head(attribute: &str) -> String {
    format!("{HEAD}<sst xmlns=\"{MAIN}\"{attribute}>")
}

/// What writes a part of a workbook, piece by piece.
type Part<'a> = &'a dyn Fn(&mut dyn Write);

/// A workbook with one sheet, and perhaps shared texts.
fn book(path: &Path, sheet: Part<'_>, texts: Option<Part<'_>>) {
    let mut zip = ZipWriter::new(fs::File::create(path).unwrap());
    let options = SimpleFileOptions::default();
    for (name, text) in parts() {
        zip.start_file(name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.start_file("xl/worksheets/sheet1.xml", options).unwrap();
    zip.write_all(sheet_head().as_bytes()).unwrap();
    sheet(&mut zip);
    zip.write_all(SHEET_END.as_bytes()).unwrap();
    if let Some(texts) = texts {
        zip.start_file("xl/sharedStrings.xml", options).unwrap();
        texts(&mut zip);
    }
    zip.finish().unwrap();
    let size = fs::metadata(path).unwrap().len();
    assert!(size < 3 << 20, "{size} bytes are no small file");
}

fn repeat(out: &mut dyn Write, piece: &str, count: usize) {
    let many = piece.repeat(1_000);
    for _ in 0..count / 1_000 {
        out.write_all(many.as_bytes()).unwrap();
    }
}

/// What the import says, and its peak of memory in MiB.
async fn import(dir: &Path, file: &str) -> (String, u64) {
    let mut command = command(dir);
    let by = ["--target", "http://127.0.0.1:9", "--key", "shk_0_0"];
    command.args(["import", "observations", file]).args(by);
    let ran = task::spawn_blocking(move || {
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let path = format!("/proc/{}/status", child.id());
        let watched = std::thread::spawn(move || {
            let mut peak = 0;
            while let Ok(status) = fs::read_to_string(&path) {
                let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
                // What has ended has no memory any more.
                let Some(line) = line else { break };
                peak = line.trim().trim_end_matches(" kB").parse::<u64>().unwrap().max(peak);
                std::thread::park_timeout(Duration::from_millis(2));
            }
            peak / 1_024
        });
        let ran = child.wait_with_output().unwrap();
        (String::from_utf8(ran.stderr).unwrap(), watched.join().unwrap())
    });
    time::timeout(Duration::from_secs(120), ran).await.expect("it does not end").unwrap()
}

#[tokio::test]
async fn a_workbook_that_expands_to_too_much_is_refused_by_its_bound() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let nothing = |_: &mut dyn Write| {};
    // 150 MB of cells; many rows; wide ones; one text; shared texts; and as many announced as no machine holds.
    book(
        &path("bytes.xlsx"),
        &|out| repeat(out, "<row><c t=\"n\"><v>1</v></c></row>\n", 4_500_000),
        None,
    );
    let rows = |out: &mut dyn Write| {
        (1..=210_000)
            .for_each(|i| write!(out, "<row r=\"{i}\"><c r=\"A{i}\"><v>1</v></c></row>").unwrap());
    };
    book(&path("rows.xlsx"), &rows, None);
    let wide = |out: &mut dyn Write| {
        (1..=5_000)
            .for_each(|i| write!(out, "<row r=\"{i}\"><c r=\"KM{i}\"><v>1</v></c></row>").unwrap());
    };
    book(&path("wide.xlsx"), &wide, None);
    let text = |out: &mut dyn Write| {
        out.write_all(b"<row r=\"1\"><c r=\"A1\" t=\"inlineStr\"><is><t>").unwrap();
        repeat(out, "x", 40_000_000);
        out.write_all(b"</t></is></c></row>").unwrap();
    };
    book(&path("text.xlsx"), &text, None);
    let texts = |out: &mut dyn Write| {
        out.write_all(texts_head("").as_bytes()).unwrap();
        repeat(out, "<si><t>xxxxxxxxxxxxxxxxxxxxxxxx</t></si>", 1_000_000);
        out.write_all(b"</sst>").unwrap();
    };
    book(&path("texts.xlsx"), &nothing, Some(&texts));
    let announced = |out: &mut dyn Write| {
        let head = texts_head(" uniqueCount=\"99999999999\"");
        write!(out, "{head}</sst>").unwrap();
    };
    book(&path("announced.xlsx"), &nothing, Some(&announced));
    for (file, said) in [
        ("bytes.xlsx", "more than 5000000 tags"),
        ("rows.xlsx", "more than 200000 rows"),
        ("wide.xlsx", "more than 1000000 cells"),
        ("text.xlsx", "bytes in one value"),
        ("texts.xlsx", "bytes once it is expanded"),
        ("announced.xlsx", "shared texts"),
    ] {
        let (told, peak) = import(dir.path(), file).await;
        assert!(told.contains(said), "{file}: {told}");
        assert!(peak > 0 && peak < 200, "{file}: {peak} MiB");
    }
}
