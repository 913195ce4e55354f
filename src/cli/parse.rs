//! What people write in cells, read: numbers, periods, dates, units, and words for how exact and how final a value is.
#[cfg(test)]
mod tests;

use std::{borrow::Cow, collections::BTreeMap};

use crate::{config::Numbers, fold::fold, pb, period::Period, rule::Rule, time::Day, unit};

/// A breakdown, such as `channel=online, sex=f`.
pub(super) fn breakdown(text: &str) -> Result<BTreeMap<String, String>, Rule> {
    const RULE: &str = "be pairs such as `channel=online, sex=f`, each key once";
    let mut pairs = BTreeMap::new();
    for pair in text.split([',', ';']).filter(|it| !it.trim().is_empty()) {
        let (key, member) = pair.split_once('=').ok_or(RULE)?;
        if pairs.insert(key.trim().to_owned(), member.trim().to_owned()).is_some() {
            return Err(RULE.into());
        }
    }
    Ok(pairs)
}

/// A number, and the words around it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spoken {
    /// The number, as the hub takes it.
    pub(super) number: String,
    /// Whether it bears a percent sign.
    pub(super) percent: bool,
    /// What the words say about how exactly it is known.
    pub(super) qualifier: Option<pb::ValueQualifier>,
}

// === numbers ===

/// A number with words around it: `hơn 55%`.
pub(super) fn spoken(text: &str, numbers: Numbers) -> Result<Spoken, Rule> {
    let text = tidy(text);
    let (qualifier, rest) = match split_qualifier(&text) {
        Some((qualifier, rest)) => (Some(qualifier), rest),
        None => (None, text.as_ref()),
    };
    let percent = rest.strip_suffix('%');
    let number = number(percent.unwrap_or(rest).trim(), numbers)?;
    Ok(Spoken { number, percent: percent.is_some(), qualifier })
}

/// A number alone.
pub(super) fn number(text: &str, numbers: Numbers) -> Result<String, Rule> {
    let text = tidy(text);
    let (sign, digits) = match text.strip_prefix(['-', '\u{2212}']) {
        Some(digits) => ("-", digits.trim_start()),
        None => ("", text.as_ref()),
    };
    let (part, point) = match numbers {
        Numbers::Vi => ('.', ','),
        Numbers::En => (',', '.'),
    };
    let (whole, decimals) = match digits.split_once(point) {
        Some((whole, decimals)) => (whole, Some(decimals)),
        None => (digits, None),
    };
    let is_digits = |it: &str| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit());
    let good = decimals.is_none_or(is_digits)
        && (is_digits(whole) || is_grouped(whole, part) || is_grouped(whole, ' '));
    if !good {
        return Err(number_rule(&text, numbers));
    }
    let whole: String = whole.chars().filter(char::is_ascii_digit).collect();
    // Zero has no sign, and no zeros lead.
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    let decimals = decimals.map_or_else(String::new, |it| format!(".{it}"));
    let is_zero = whole == "0" && decimals.bytes().all(|b| matches!(b, b'0' | b'.'));
    Ok(format!("{}{whole}{decimals}", if is_zero { "" } else { sign }))
}

/// Whether the digits stand in groups of three: `10.512`, not `10.5`, not `0.512`.
fn is_grouped(text: &str, part: char) -> bool {
    let mut groups = text.split(part);
    let digits = |it: &str, len: std::ops::RangeInclusive<usize>| {
        len.contains(&it.len()) && it.bytes().all(|b| b.is_ascii_digit())
    };
    let first = groups.next().is_some_and(|it| digits(it, 1..=3) && !it.starts_with('0'));
    first && groups.all(|it| digits(it, 3..=3))
}

fn number_rule(text: &str, numbers: Numbers) -> Rule {
    let has_digits_only = text.bytes().any(|b| b.is_ascii_digit())
        && text.chars().all(|it| it.is_ascii_digit() || matches!(it, '.' | ',' | '-' | ' '));
    match (numbers, has_digits_only) {
        (Numbers::Vi, true) => "be a number as written in Viet Nam, where a dot parts thousands (10.512) and a comma \
             begins decimals (70,96): which of them is meant here cannot be told; with `--numbers en` it is \
             the other way"
            .into(),
        (Numbers::En, true) => "be a number as written in English, where a comma parts thousands (10,512) and a dot \
             begins decimals (70.96): which of them is meant here cannot be told; with `--numbers vi` it is \
             the other way"
            .into(),
        (Numbers::Vi, false) => "be a number such as 10.512 or 70,96".into(),
        (Numbers::En, false) => "be a number such as 10,512 or 70.96".into(),
    }
}

/// A word of the schema as tables show it, lower-case and without its prefix; none for what is not specified.
pub(super) fn plain_word(name: &str, prefix: &str) -> String {
    match name.strip_prefix(prefix).unwrap_or(name) {
        "UNSPECIFIED" => String::new(),
        word => word.to_lowercase().replace('_', " "),
    }
}

/// A decimal of the hub, as people write it.
pub(super) fn spell(decimal: &str, numbers: Numbers) -> String {
    match numbers {
        Numbers::Vi => decimal.replace('.', ","),
        Numbers::En => decimal.to_owned(),
    }
}

// === words about values ===

const QUALIFIERS: &[(&str, pb::ValueQualifier)] = &[
    ("chinh xac", pb::ValueQualifier::Exact),
    ("exact", pb::ValueQualifier::Exact),
    ("=", pb::ValueQualifier::Exact),
    ("lon hon", pb::ValueQualifier::MoreThan),
    ("hon", pb::ValueQualifier::MoreThan),
    ("tren", pb::ValueQualifier::MoreThan),
    ("more than", pb::ValueQualifier::MoreThan),
    (">=", pb::ValueQualifier::AtLeast),
    ("\u{2265}", pb::ValueQualifier::AtLeast),
    (">", pb::ValueQualifier::MoreThan),
    ("it nhat", pb::ValueQualifier::AtLeast),
    ("toi thieu", pb::ValueQualifier::AtLeast),
    ("khong duoi", pb::ValueQualifier::AtLeast),
    ("at least", pb::ValueQualifier::AtLeast),
    ("<=", pb::ValueQualifier::AtMost),
    ("\u{2264}", pb::ValueQualifier::AtMost),
    ("<", pb::ValueQualifier::LessThan),
    ("duoi", pb::ValueQualifier::LessThan),
    ("nho hon", pb::ValueQualifier::LessThan),
    ("chua den", pb::ValueQualifier::LessThan),
    ("less than", pb::ValueQualifier::LessThan),
    ("nhieu nhat", pb::ValueQualifier::AtMost),
    ("toi da", pb::ValueQualifier::AtMost),
    ("khong qua", pb::ValueQualifier::AtMost),
    ("at most", pb::ValueQualifier::AtMost),
    ("khoang", pb::ValueQualifier::About),
    ("gan", pb::ValueQualifier::About),
    ("xap xi", pb::ValueQualifier::About),
    ("about", pb::ValueQualifier::About),
    ("~", pb::ValueQualifier::About),
    ("\u{2248}", pb::ValueQualifier::About),
];

/// A word for how exactly a value is known, alone in its cell.
pub(super) fn qualifier(text: &str) -> Result<pb::ValueQualifier, Rule> {
    let rule = "be a word such as `chính xác`, `hơn`, `ít nhất`, `dưới`, `nhiều nhất` or `khoảng`";
    word(text, QUALIFIERS).ok_or_else(|| rule.into())
}

/// A number's leading word, and the rest.
fn split_qualifier(text: &str) -> Option<(pb::ValueQualifier, &str)> {
    let at = text.find(|it: char| it.is_ascii_digit())?;
    let (words, number) = text.split_at(at);
    let minus = words.ends_with(['-', '\u{2212}']);
    let words = words.trim_end_matches(['-', '\u{2212}']);
    let qualifier = word(words, QUALIFIERS)?;
    let number = if minus { text.get(words.len()..)? } else { number };
    Some((qualifier, number.trim()))
}

const STATUSES: &[(&str, pb::ObservationStatus)] = &[
    ("uoc dat", pb::ObservationStatus::Estimated),
    ("uoc tinh", pb::ObservationStatus::Estimated),
    ("uoc", pb::ObservationStatus::Estimated),
    ("estimated", pb::ObservationStatus::Estimated),
    ("so bo", pb::ObservationStatus::Provisional),
    ("provisional", pb::ObservationStatus::Provisional),
    ("chinh thuc", pb::ObservationStatus::Final),
    ("final", pb::ObservationStatus::Final),
    ("chua danh gia", pb::ObservationStatus::NotAssessed),
    ("not assessed", pb::ObservationStatus::NotAssessed),
    ("chua thuc hien", pb::ObservationStatus::NotImplemented),
    ("chua trien khai", pb::ObservationStatus::NotImplemented),
    ("not implemented", pb::ObservationStatus::NotImplemented),
    ("khong ap dung", pb::ObservationStatus::NotApplicable),
    ("not applicable", pb::ObservationStatus::NotApplicable),
    ("khong cong bo", pb::ObservationStatus::Withheld),
    ("withheld", pb::ObservationStatus::Withheld),
];

/// A word for how final a value is, or why there is none.
pub(super) fn status(text: &str) -> Result<pb::ObservationStatus, Rule> {
    let rule = "be a word such as `chính thức`, `sơ bộ`, `ước đạt`, `chưa đánh giá`, `chưa thực hiện`, \
                `không áp dụng` or `không công bố`";
    word(text, STATUSES).ok_or_else(|| rule.into())
}

const COMPARISONS: &[(&str, pb::TargetComparison)] = &[
    ("dinh tinh", pb::TargetComparison::Qualitative),
    ("qualitative", pb::TargetComparison::Qualitative),
];

/// A word for how a value must compare to a target.
pub(super) fn comparison(text: &str) -> Result<pb::TargetComparison, Rule> {
    let spoken = word(text, QUALIFIERS).and_then(compares);
    spoken.or_else(|| word(text, COMPARISONS)).ok_or_else(|| {
        "be a word such as `ít nhất`, `trên`, `nhiều nhất`, `dưới` or `định tính`".into()
    })
}

/// What a word before a target's number says.
pub(super) fn compares(qualifier: pb::ValueQualifier) -> Option<pb::TargetComparison> {
    match qualifier {
        pb::ValueQualifier::AtLeast => Some(pb::TargetComparison::AtLeast),
        pb::ValueQualifier::MoreThan => Some(pb::TargetComparison::MoreThan),
        pb::ValueQualifier::AtMost => Some(pb::TargetComparison::AtMost),
        pb::ValueQualifier::LessThan => Some(pb::TargetComparison::LessThan),
        pb::ValueQualifier::Unspecified | pb::ValueQualifier::Exact | pb::ValueQualifier::About => {
            None
        }
    }
}

const CHANNELS: &[(&str, pb::ProvenanceChannel)] = &[
    ("he thong", pb::ProvenanceChannel::System),
    ("system", pb::ProvenanceChannel::System),
    ("van ban", pb::ProvenanceChannel::Document),
    ("document", pb::ProvenanceChannel::Document),
    ("nhap tay", pb::ProvenanceChannel::Manual),
    ("manual", pb::ProvenanceChannel::Manual),
];

/// A word for how a value came to its source.
pub(super) fn channel(text: &str) -> Result<pb::ProvenanceChannel, Rule> {
    word(text, CHANNELS).ok_or_else(|| "be `hệ thống`, `văn bản` or `nhập tay`".into())
}

// === words about units ===

const LEVELS: &[(&str, pb::UnitLevel)] = &[
    ("tinh", pb::UnitLevel::Province),
    ("thanh pho truc thuoc trung uong", pb::UnitLevel::Province),
    ("province", pb::UnitLevel::Province),
    ("huyen", pb::UnitLevel::District),
    ("quan", pb::UnitLevel::District),
    ("thi xa", pb::UnitLevel::District),
    ("thanh pho thuoc tinh", pb::UnitLevel::District),
    ("district", pb::UnitLevel::District),
    ("xa", pb::UnitLevel::Commune),
    ("phuong", pb::UnitLevel::Commune),
    ("thi tran", pb::UnitLevel::Commune),
    ("dac khu", pb::UnitLevel::Commune),
    ("commune", pb::UnitLevel::Commune),
    ("so", pb::UnitLevel::Agency),
    ("co quan", pb::UnitLevel::Agency),
    ("agency", pb::UnitLevel::Agency),
    ("co so", pb::UnitLevel::Facility),
    ("truong", pb::UnitLevel::Facility),
    ("tram y te", pb::UnitLevel::Facility),
    ("facility", pb::UnitLevel::Facility),
];

/// A word for the level of a unit.
pub(super) fn level(text: &str) -> Result<pb::UnitLevel, Rule> {
    word(text, LEVELS).ok_or_else(|| {
        "be a level: `tỉnh`, `huyện`, `xã`, `cơ quan` or `cơ sở` (province, district, commune, agency, facility)"
            .into()
    })
}

const TREES: &[(&str, pb::UnitTree)] = &[
    ("lanh tho", pb::UnitTree::Territory),
    ("territory", pb::UnitTree::Territory),
    ("hanh chinh", pb::UnitTree::Administration),
    ("administration", pb::UnitTree::Administration),
];

/// A word for one of the trees of units.
pub(super) fn tree(text: &str) -> Result<pb::UnitTree, Rule> {
    word(text, TREES)
        .ok_or_else(|| "be `lãnh thổ` (territory) or `hành chính` (administration)".into())
}

/// A unit: `805`, `805@2024-12-31`, `agency:H56.12` or `id:123`.
pub(super) fn unit(text: &str) -> Result<pb::UnitRef, Rule> {
    const RULE: &str = "name a unit: its code (`805`), `agency:H56.12`, `id:123`, or `805@2024-12-31` for the unit \
                        that bore the code on that day";
    let text = tidy(text);
    let (code, date) = match text.split_once('@') {
        Some((code, date)) => (code.trim(), Day::parse(date.trim()).map_err(|_| RULE)?.to_string()),
        None => (text.as_ref(), String::new()),
    };
    let named = match code.split_once(':') {
        Some(("id", id)) => {
            let id: i64 = id.trim().parse().map_err(|_| RULE)?;
            if !date.is_empty() || id < 1 {
                return Err(RULE.into());
            }
            pb::unit_ref::Ref::Id(id)
        }
        Some((scheme, code)) => {
            let (scheme, code) = (scheme.trim().to_owned(), code.trim());
            let good = !scheme.is_empty() && unit::Scheme::parse(&scheme).is_ok();
            let code = unit::parse_code(code).ok().filter(|_| good).ok_or(RULE)?;
            pb::unit_ref::Ref::Code(pb::UnitCode { scheme, code, date })
        }
        None => {
            let code = unit::parse_code(code).map_err(|_| RULE)?;
            pb::unit_ref::Ref::Code(pb::UnitCode { scheme: String::new(), code, date })
        }
    };
    Ok(pb::UnitRef { r#ref: Some(named) })
}

// === days and periods ===

/// A date: `2024-09-15`, or, as written in Viet Nam, `15/9/2024`.
pub(super) fn day(text: &str, numbers: Numbers) -> Result<String, Rule> {
    let text = tidy(text);
    if let Ok(day) = Day::parse(&text) {
        return Ok(day.to_string());
    }
    let folded = squeeze(&text);
    let folded = folded.strip_prefix("ngay ").unwrap_or(&folded);
    let in_words = folded.replace(" thang ", "/").replace(" nam ", "/");
    let day = match numbers {
        Numbers::Vi => day_first(&in_words),
        Numbers::En => None,
    };
    day.ok_or_else(|| match numbers {
        Numbers::Vi => "be a date such as `15/9/2024` or `2024-09-15`".into(),
        Numbers::En => "be a date such as `2024-09-15`".into(),
    })
}

fn day_first(text: &str) -> Option<String> {
    let part = |it: char| matches!(it, '/' | '-' | '.');
    let mut parts = text.split(part);
    let (day, month, year) = (parts.next()?, parts.next()?, parts.next()?);
    let day = format!("{year}-{}-{}", two(month)?, two(day)?);
    if parts.next().is_some() {
        return None;
    }
    Day::parse(&day).ok().map(|it| it.to_string())
}

/// A period by its code, or in words that leave no doubt: `9 tháng 2024`, `Quý III/2024`, `tháng 9/2024`.
pub(super) fn period(text: &str, numbers: Numbers) -> Result<String, Rule> {
    let text = tidy(text);
    let refused = match Period::parse(&text) {
        Ok(period) => return Ok(period.to_string()),
        Err(rule) => rule,
    };
    let folded = squeeze(&text);
    let code = in_words(&folded).or_else(|| match numbers {
        Numbers::Vi => day_first(folded.strip_prefix("ngay ").unwrap_or(&folded)),
        Numbers::En => None,
    });
    match code.and_then(|it| Period::parse(&it).ok()) {
        Some(period) => Ok(period.to_string()),
        None => {
            Err(format!("{refused}; or in words `Quý III/2024`, `tháng 9/2024`, `9 tháng 2024`")
                .into())
        }
    }
}

fn in_words(folded: &str) -> Option<String> {
    // The year stands last, after a slash or `nam` or nothing.
    let at = folded.len().checked_sub(4)?;
    let year = folded.get(at..).filter(|it| is_year(it))?;
    let before = folded.get(..at)?;
    // `năm học 2024-2025`, or its first year alone.
    if let Some(school) = before.trim().strip_prefix("nam hoc") {
        let first = school.trim().trim_end_matches(['-', ' ']);
        let first = if first.is_empty() { year } else { first };
        return is_year(first).then(|| format!("{first}-SY"));
    }
    let before = before.trim_end_matches([' ', '/', '.', '-']);
    let before = before.strip_suffix("nam").map_or(before, str::trim_end);
    if before.is_empty() {
        return Some(year.to_owned());
    }
    let after = |words: &[&str]| words.iter().find_map(|it| before.strip_prefix(it)).map(str::trim);
    if let Some(quarter) = after(&["quy", "q"]) {
        let n = match quarter {
            "i" | "1" => 1,
            "ii" | "2" => 2,
            "iii" | "3" => 3,
            "iv" | "4" => 4,
            _ => return None,
        };
        return Some(format!("{year}-Q{n}"));
    }
    if let Some(week) = after(&["tuan"]) {
        return Some(format!("{year}-W{}", two(week)?));
    }
    if before == "6 thang cuoi" || before == "06 thang cuoi" {
        return Some(format!("{year}-H2"));
    }
    if let Some(months) =
        before.strip_suffix("dau").map_or(before, str::trim_end).strip_suffix("thang")
    {
        return Some(format!("{year}-YTD-{}", two(months.trim())?));
    }
    let month = after(&["thang", "t"]).unwrap_or(before);
    Some(format!("{year}-{}", two(month)?))
}

fn is_year(text: &str) -> bool {
    text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit())
}

/// One or two digits, as two.
fn two(text: &str) -> Option<String> {
    let good = matches!(text.len(), 1 | 2) && text.bytes().all(|b| b.is_ascii_digit());
    good.then(|| format!("{text:0>2}"))
}

// === text ===

fn word<T: Copy>(text: &str, words: &[(&str, T)]) -> Option<T> {
    let text = squeeze(text);
    words.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning)
}

/// Without tone marks and case, one space between words; an underscore is a space.
pub(super) fn squeeze(text: &str) -> String {
    let spaced = fold(text).replace('_', " ");
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Without space around it; other kinds of space, such as the one that does not break, are made plain.
fn tidy(text: &str) -> Cow<'_, str> {
    let odd = |it: char| it.is_whitespace() && it != ' ';
    if text.contains(odd) {
        return Cow::Owned(text.replace(odd, " ").trim().to_owned());
    }
    Cow::Borrowed(text.trim())
}
