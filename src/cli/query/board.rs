//! A board for people: the cells of a snapshot below the names of their groups, each by the name of its indicator.
use std::collections::{BTreeMap, BTreeSet};

use super::{CELLS, by_source, cell, sourced_cell};
use crate::{
    cli::{
        CliResult, clean,
        client::{HubClient, again},
        say, text_table,
    },
    config::Numbers,
    pb,
};

/// Codes in one question, and items on a page, at most.
const MOST: usize = 1_000;

/// The catalogue, as far as a board shows it.
#[derive(Debug, Default)]
pub(super) struct BoardNames {
    /// By their codes.
    indicators: BTreeMap<String, pb::Indicator>,
    /// In the order of display.
    groups: Vec<pb::IndicatorGroup>,
}

impl BoardNames {
    /// What is said of these indicators at a revision.
    pub(super) async fn of(
        caller: &HubClient,
        codes: BTreeSet<&str>,
        read_at: Option<&pb::Revision>,
    ) -> CliResult<Self> {
        let exactly = read_at.map(|it| pb::consistency::Requirement::Exactly(it.number));
        let consistency = exactly.map(|it| pb::Consistency { requirement: Some(it) });
        let mut catalogue = Self::default();
        let codes: Vec<_> = codes.into_iter().map(str::to_owned).collect();
        for some in codes.chunks(MOST) {
            let request = pb::ListIndicatorsRequest {
                codes: some.to_vec(),
                page: page(String::new()),
                consistency,
                ..pb::ListIndicatorsRequest::default()
            };
            let found = indicators(caller, request, usize::MAX).await?.0;
            catalogue.indicators.extend(found.into_iter().map(|it| (it.code.clone(), it)));
        }
        let mut token = String::new();
        loop {
            let request = pb::ListIndicatorGroupsRequest { page: page(token), consistency };
            let mut client = caller.indicators();
            let answer = again(async || client.list_indicator_groups(request.clone()).await);
            let answer = answer.await?;
            catalogue.groups.extend(answer.groups);
            token = answer.next_page_token;
            if token.is_empty() {
                return Ok(catalogue);
            }
        }
    }

    /// What an indicator is called.
    fn name(&self, code: &str) -> String {
        self.indicators.get(code).map_or_else(|| code.to_owned(), |it| it.name_vi.clone())
    }

    /// How many decimals of it are shown, if its definition says so.
    fn decimals(&self, code: &str) -> Option<u32> {
        self.indicators.get(code)?.decimals.and_then(|it| u32::try_from(it).ok())
    }

    /// The place of its group, and the group; none for one that is in no group.
    fn group(&self, code: &str) -> Option<(usize, &pb::IndicatorGroup)> {
        let named = self.indicators.get(code)?.group.as_str();
        self.groups.iter().enumerate().find(|(_, it)| it.code == named)
    }

    /// Prints cells: a table for each group in the order of display, at last one for what is in none.
    /// With all sources each cell has a row for each of them.
    pub(super) fn print(
        &self,
        cells: &[pb::SnapshotCell],
        numbers: Numbers,
        all_sources: bool,
    ) -> CliResult {
        let titles = if all_sources { by_source(&CELLS) } else { CELLS.to_vec() };
        let mut tables: BTreeMap<usize, Vec<Vec<String>>> = BTreeMap::new();
        for it in cells {
            let place = self.group(&it.indicator).map_or(usize::MAX, |(place, _)| place);
            let (name, decimals) = (self.name(&it.indicator), self.decimals(&it.indicator));
            tables.entry(place).or_default().extend(match all_sources {
                true => sourced_cell(it, &name, decimals, numbers),
                false => vec![cell(it, &name, decimals, numbers)],
            });
        }
        let (mut is_first, one) = (true, tables.len() <= 1);
        for (place, rows) in &tables {
            if !is_first {
                say("")?;
            }
            is_first = false;
            match self.groups.get(*place) {
                Some(group) => say(&format!("{} ({})", clean(&group.name_vi), group.code))?,
                None if one => {}
                None => say("(in no group)")?,
            }
            text_table::print(&titles, rows)?;
        }
        if tables.is_empty() { text_table::print(&titles, &[]) } else { Ok(()) }
    }
}

/// Definitions by pages, at most so many; and whether there are more.
pub(super) async fn indicators(
    caller: &HubClient,
    mut request: pb::ListIndicatorsRequest,
    most: usize,
) -> CliResult<(Vec<pb::Indicator>, bool, Option<pb::Revision>)> {
    let mut client = caller.indicators();
    let (mut all, mut read_at) = (Vec::new(), None);
    loop {
        let sent = request.clone();
        let answer = again(async || client.list_indicators(sent.clone()).await).await?;
        read_at = answer.read_at.or(read_at);
        all.extend(answer.indicators);
        let has_more = !answer.next_page_token.is_empty();
        if !has_more || all.len() >= most {
            let is_cut = all.len() > most;
            all.truncate(most);
            return Ok((all, has_more || is_cut, read_at));
        }
        request.page = page(answer.next_page_token);
    }
}

fn page(token: String) -> Option<pb::PageRequest> {
    Some(pb::PageRequest { size: i32::try_from(MOST).unwrap_or_default(), token })
}
