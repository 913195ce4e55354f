//! What a workbook may hold, found out before it is opened: a file of some kilobytes can expand to gigabytes, and one
//! that says how much memory it needs is believed by whoever reads it.
use std::io::{Cursor, Read};

use zip::ZipArchive;

use crate::cli::CliResult;

const KIB: usize = 1 << 10;
const MIB: usize = 1 << 20;
/// Bytes of a file.
const MOST_PACKED: usize = 64 * MIB;
/// Parts of a file.
const MOST_PARTS: usize = 5_000;
/// Bytes of all parts, expanded.
const MOST_EXPANDED: usize = 256 * MIB;

/// Bounds of one part, expanded.
struct PartBounds {
    bytes: usize,
    tags: usize,
    /// From one tag to the next: a tag with its attributes, and the text after it.
    piece: usize,
}

/// Read cell by cell.
const SHEET: PartBounds = PartBounds { bytes: 96 * MIB, tags: 5_000_000, piece: 256 * KIB };
/// Kept in memory as a whole.
const SHARED: PartBounds = PartBounds { bytes: 24 * MIB, tags: 3_000_000, piece: 256 * KIB };
/// Of each style there are several copies.
const STYLES: PartBounds = PartBounds { bytes: 4 * MIB, tags: 20_000, piece: KIB };
const OTHER: PartBounds = PartBounds { bytes: 8 * MIB, tags: 200_000, piece: 256 * KIB };

/// Refuses a workbook that is too large, by the bound that it exceeds.
pub(super) fn check(bytes: &[u8]) -> CliResult<()> {
    at_most("the file has", bytes.len(), "bytes", MOST_PACKED)?;
    let parts = bytes.windows(4).filter(|it| it == b"PK\x01\x02").count();
    at_most("the workbook has", parts, "parts", MOST_PARTS)?;
    let broken = |err: &dyn std::fmt::Display| format!("not a .xlsx workbook: {err}");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(|err| broken(&err))?;
    let mut expanded = 0;
    for i in 0..archive.len() {
        let part = archive.by_index(i).map_err(|err| broken(&err))?;
        let name = part.name().map_err(|err| broken(&err))?.to_ascii_lowercase();
        // What it says of its size is a claim: it is expanded, and counted.
        let mut part = part.take(u64::try_from(MOST_EXPANDED - expanded + 1)?);
        let is_shared = name.ends_with("sharedstrings.xml");
        let bounds = match name.as_str() {
            _ if is_shared => Some(SHARED),
            it if it.ends_with("styles.xml") => Some(STYLES),
            it if it.contains("worksheets/") && it.ends_with(".xml") => Some(SHEET),
            it if it.ends_with(".xml") || it.ends_with(".rels") => Some(OTHER),
            _ => None,
        };
        let what = format!("its part {name:?} has");
        let mut seen = ReadPart::default();
        let mut buffer = vec![0; 64 * KIB];
        loop {
            let count = part.read(&mut buffer).map_err(|err| broken(&err))?;
            let read = buffer.get(..count).unwrap_or_default();
            expanded += count;
            at_most("the workbook expands to", expanded, "bytes", MOST_EXPANDED)?;
            if read.is_empty() {
                break;
            }
            let Some(bounds) = &bounds else { continue };
            seen.take(read, is_shared);
            at_most(&what, seen.bytes, "bytes once it is expanded", bounds.bytes)?;
            at_most(&what, seen.tags, "tags", bounds.tags)?;
            at_most(&what, seen.longest, "bytes in one value", bounds.piece)?;
        }
        let claimed = claimed(&seen.kept);
        at_most("the workbook announces", claimed, "shared texts", SHARED.tags)?;
    }
    Ok(())
}

/// What was read of a part.
#[derive(Default)]
struct ReadPart {
    bytes: usize,
    tags: usize,
    piece: usize,
    longest: usize,
    kept: Vec<u8>,
}

impl ReadPart {
    fn take(&mut self, bytes: &[u8], keep: bool) {
        self.bytes += bytes.len();
        let mut pieces = bytes.split(|it| *it == b'<');
        self.piece += pieces.next().map_or(0, <[u8]>::len);
        self.longest = self.longest.max(self.piece);
        for piece in pieces {
            self.tags += 1;
            self.piece = piece.len();
            self.longest = self.longest.max(self.piece);
        }
        if keep {
            self.kept.extend_from_slice(bytes);
        }
    }
}

/// How many shared texts are announced: memory is reserved for as many before the first is read.
fn claimed(text: &[u8]) -> usize {
    const NAME: &[u8] = b"uniqueCount";
    let mut most = 0;
    for (at, _) in text.windows(NAME.len()).enumerate().filter(|(_, it)| *it == NAME) {
        let rest = text.get(at + NAME.len()..).unwrap_or_default();
        let is_before = |it: &&u8| matches!(**it, b'=' | b'"' | b'\'') || it.is_ascii_whitespace();
        let digits = rest.iter().skip_while(is_before).take_while(|it| it.is_ascii_digit());
        let number = digits.fold(0_usize, |number, it| {
            number.saturating_mul(10).saturating_add(usize::from(it - b'0'))
        });
        most = most.max(number);
    }
    most
}

/// Refuses what exceeds a bound.
pub(super) fn at_most(what: &str, count: usize, of: &str, most: usize) -> CliResult<()> {
    if count <= most {
        return Ok(());
    }
    Err(format!("{what} more than {most} {of}: split it into several files").into())
}
