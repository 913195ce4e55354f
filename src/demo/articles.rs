//! The 124 figures of five articles, as definitions, observations and targets, each with its quote.
use std::{collections::HashMap, sync::Arc};

use super::{broken, must_be_kept};
use crate::{
    access::Access,
    caller::Caller,
    decimal::Decimal,
    error::{Error, Result},
    hub::{BatchOptions, Hub},
    indicator::{
        Breakdown, CellKey, Channel, Code, Comparison, ObservationEntry, Provenance, Qualifier,
        Status, TargetEntry, rpc::pack::Pack, store,
    },
    period::Period,
    time::Day,
    unit::{Ref, Scheme, parse_code},
};

/// Its name: what a board writes as the source of a figure. Which article it is, each figure says by its document.
pub(super) const NAME: &str = "Năm bài báo về chuyển đổi số: huyện Mỏ Cày Bắc và huyện Giồng Trôm (Bến Tre), huyện Tân \
                               Trụ (Long An), tỉnh Bắc Kạn, huyện Nông Cống (Thanh Hóa)";
/// Nobody can be asked about them.
pub(super) const CONTACT: &str =
    "Dữ liệu minh họa, không có cơ quan đầu mối; xem bài báo nêu ở từng số liệu (source_document).";
/// The system that publishes them.
pub(super) const SOURCE: &str = "articles.demo";

/// The pack that is shipped for every hub.
const DEFINITIONS: &str = include_str!("../../examples/packs/digital-transformation.toml");
const OBSERVATIONS: &str = include_str!("observations.csv");
/// Every figure, with the sentence of its article that states it.
const FIGURES: &str = include_str!("seed_observations.csv");

/// Publishes them; doing it again changes nothing.
pub(super) async fn load(hub: &Arc<Hub>, access: &Access, caller: &Caller) -> Result<()> {
    let pack = Pack::read(DEFINITIONS, Some(SOURCE));
    let pack = pack.map_err(|wrong| Error::internal(wrong.join("; ")))?;
    let to = |method: &'static str| access.permit(hub, caller.clone(), method, None);
    let define = to("/sharehub.v1.IndicatorService/DefineIndicators").await?;
    let ask = BatchOptions::internal("indicators");
    let receipt = hub.write_batch(&define, ask, pack.define()?).await?;
    must_be_kept(&receipt, "definitions")?;
    let figures: HashMap<String, TableLine> = lines(FIGURES)
        .map(|it| it.and_then(|it| Ok((it.text("id")?.to_owned(), it))))
        .collect::<Result<_>>()?;
    let (mut observations, mut targets) = (Vec::new(), Vec::new());
    for line in lines(OBSERVATIONS) {
        let line = line?;
        let row = line.text("row")?;
        let figure = figures
            .get(row)
            .ok_or_else(|| Error::internal(format!("demo data: there is no figure {row}")))?;
        match line.text("what")? {
            "TARGET" => targets.push(target(&line, figure)),
            _ => observations.push(observation(&line, figure)),
        }
    }
    let publish = to("/sharehub.v1.IndicatorService/PublishObservations").await?;
    let ask = BatchOptions::internal("observations");
    let receipt = store::publish::observations(hub, &publish, ask, observations).await?;
    must_be_kept(&receipt, "observations")?;
    let publish = to("/sharehub.v1.IndicatorService/PublishTargets").await?;
    let ask = BatchOptions::internal("targets");
    must_be_kept(&store::publish::targets(hub, &publish, ask, targets).await?, "targets")
}

/// A line of a table, by the names of its columns.
struct TableLine(HashMap<String, String>);

impl TableLine {
    fn text(&self, column: &str) -> Result<&str> {
        self.0
            .get(column)
            .map(String::as_str)
            .ok_or_else(|| Error::internal(format!("demo data: there is no column `{column}`")))
    }

    fn decimal(&self, column: &str) -> Result<Option<Decimal>> {
        match self.text(column)? {
            "" => Ok(None),
            text => Decimal::parse(text).map(Some).map_err(broken),
        }
    }

    fn word<T: Copy>(&self, column: &str, words: &[(&str, T)]) -> Result<T> {
        let text = self.text(column)?;
        let found = words.iter().find(|(word, _)| *word == text);
        found
            .map(|(_, word)| *word)
            .ok_or_else(|| Error::internal(format!("demo data: `{column}` is `{text}`")))
    }
}

fn lines(table: &str) -> impl Iterator<Item = Result<TableLine>> {
    csv::Reader::from_reader(table.as_bytes())
        .into_deserialize::<HashMap<String, String>>()
        .map(|it| it.map(TableLine).map_err(Error::internal))
}

fn observation(line: &TableLine, figure: &TableLine) -> Result<ObservationEntry> {
    let qualifiers = [
        ("", Qualifier::Exact),
        ("EXACT", Qualifier::Exact),
        ("MORE_THAN", Qualifier::MoreThan),
        ("AT_LEAST", Qualifier::AtLeast),
        ("LESS_THAN", Qualifier::LessThan),
        ("AT_MOST", Qualifier::AtMost),
        ("ABOUT", Qualifier::About),
    ];
    let statuses = [
        ("FINAL", Status::Final),
        ("NOT_ASSESSED", Status::NotAssessed),
        ("NOT_IMPLEMENTED", Status::NotImplemented),
    ];
    let as_of = line.text("as_of")?;
    let as_of = (!as_of.is_empty()).then(|| Day::parse(as_of).map_err(broken)).transpose()?;
    Ok(ObservationEntry {
        cell: cell(line)?,
        value: line.decimal("value")?,
        numerator: line.decimal("numerator")?,
        denominator: line.decimal("denominator")?,
        qualifier: line.word("qualifier", &qualifiers)?,
        status: line.word("status", &statuses)?,
        as_of,
        provenance: provenance(line, figure)?,
        correction_reason: String::new(),
        released_on: None,
    })
}

fn target(line: &TableLine, figure: &TableLine) -> Result<TargetEntry> {
    let comparisons = [
        ("AT_LEAST", Comparison::AtLeast),
        ("MORE_THAN", Comparison::MoreThan),
        ("AT_MOST", Comparison::AtMost),
        ("LESS_THAN", Comparison::LessThan),
        ("QUALITATIVE", Comparison::Qualitative),
    ];
    Ok(TargetEntry {
        cell: cell(line)?,
        comparison: line.word("comparison", &comparisons)?,
        value: line.decimal("value")?,
        provenance: provenance(line, figure)?,
    })
}

fn cell(line: &TableLine) -> Result<CellKey> {
    Ok(CellKey {
        indicator: Code::parse(line.text("indicator")?).map_err(broken)?,
        unit: unit(line)?,
        period: Period::parse(line.text("period")?).map_err(broken)?,
        breakdown: Breakdown::default(),
    })
}

fn unit(line: &TableLine) -> Result<Ref> {
    let code = parse_code(line.text("unit_code")?).map_err(broken)?;
    let date = Some(Day::parse(line.text("unit_date")?).map_err(broken)?);
    Ok(Ref::Code { scheme: Scheme::gso(), code, date })
}

fn provenance(line: &TableLine, figure: &TableLine) -> Result<Provenance> {
    Ok(Provenance {
        channel: Some(Channel::Document),
        source_document: figure.text("file")?.to_owned(),
        source_record: line.text("row")?.to_owned(),
        quote: figure.text("quote")?.to_owned(),
        as_written: line.text("as_written")?.to_owned(),
        note: line.text("note")?.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{FIGURES, OBSERVATIONS, TableLine, lines};

    fn table(text: &str) -> Vec<TableLine> {
        lines(text).collect::<crate::error::Result<_>>().unwrap()
    }

    #[test]
    fn every_value_as_written_occurs_in_its_quote() {
        let figures: HashMap<String, TableLine> =
            table(FIGURES).into_iter().map(|it| (it.text("id").unwrap().to_owned(), it)).collect();
        let observations = table(OBSERVATIONS);
        assert_eq!(observations.len(), 131);
        for line in observations {
            let row = line.text("row").unwrap();
            let (written, quote) =
                (line.text("as_written").unwrap(), figures[row].text("quote").unwrap());
            assert!(!written.is_empty(), "{row}");
            let at = quote.find(written).unwrap_or_else(|| panic!("{row}: `{written}`: {quote}"));
            // `5` is not what `45` says.
            let is_digit = |it: Option<char>| it.is_some_and(|it| it.is_ascii_digit());
            let starts_inside =
                is_digit(written.chars().next()) && is_digit(quote[..at].chars().next_back());
            let ends_inside = is_digit(written.chars().next_back())
                && is_digit(quote[at + written.len()..].chars().next());
            assert!(!starts_inside && !ends_inside, "{row}: `{written}`: {quote}");
        }
    }

    #[test]
    fn a_bound_is_written_with_its_word() {
        for line in table(OBSERVATIONS) {
            let bounds: &[&str] = match (line.text("qualifier"), line.text("comparison")) {
                (Ok("MORE_THAN"), _) | (_, Ok("MORE_THAN")) => &["hơn ", "trên "],
                (Ok("ABOUT"), _) => &["gần ", "khoảng "],
                _ => continue,
            };
            let written = line.text("as_written").unwrap().to_lowercase();
            assert!(bounds.iter().any(|it| written.starts_with(it)), "`{written}`");
        }
    }
}
