//! A clerk with files to import: the program, a hub and a folder.
use std::{fs, path::Path};

use sharehub::pb;

use crate::support::{
    client::{Client, Grants, Key, all_indicators, gso},
    desk::{SOURCE, count, ratio},
    hub::Hub,
    program::{Ran, sharehub},
};

/// A hub, a source that publishes two indicators, and a directory for its files.
pub struct Desk {
    pub hub: Hub,
    pub source: Client,
    pub dir: tempfile::TempDir,
}

impl Desk {
    pub async fn start() -> Self {
        let hub = Hub::start().await;
        let grants = Grants { publish_units: true, ..all_indicators() };
        let source = hub.system(SOURCE, grants).await;
        hub.system("so-y-te", Grants::default()).await;
        let other =
            pb::Indicator { authoritative_source: "so-y-te".to_owned(), ..count("other.count") };
        let indicators = vec![
            pb::Indicator { frequency: pb::ReportFrequency::Month.into(), ..count("doc.count") },
            pb::Indicator { frequency: pb::ReportFrequency::Quarter.into(), ..ratio("doc.rate") },
            other,
        ];
        let request = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
        let answer = source.indicators().define_indicators(request).await.unwrap().into_inner();
        assert_eq!(answer.receipt.unwrap().created, 3);
        Self { hub, source, dir: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub async fn run(&self, arguments: &[&str]) -> Ran {
        let Key(key) = self.source.key.clone();
        let (target, key) = (format!("http://{}", self.hub.address), key.unwrap());
        let by = ["--target", &target, "--key", &key];
        sharehub(self.path(), &[arguments, &by].concat()).await
    }

    pub async fn import(&self, what: &str, file: &str, more: &[&str]) -> Ran {
        self.run(&[&["import", what, file], more].concat()).await
    }

    /// Imports a table that is written as CSV.
    pub async fn csv(&self, what: &str, text: &str, more: &[&str]) -> Ran {
        fs::write(self.path().join("table.csv"), text).unwrap();
        self.import(what, "table.csv", more).await
    }

    pub fn newest(&self) -> i64 {
        self.hub.hub.revisions.head().newest.number
    }

    pub async fn observations(&self) -> Vec<pb::Observation> {
        let page = Some(pb::PageRequest { size: 1_000, token: String::new() });
        let query = pb::QueryObservationsRequest { page, ..Default::default() };
        let answer = self.source.indicators().query_observations(query).await.unwrap();
        answer.into_inner().observations
    }

    pub async fn observation(&self, indicator: &str, unit: &str, period: &str) -> pb::Observation {
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

    pub async fn targets(&self) -> Vec<pb::IndicatorTarget> {
        let query = pb::QueryTargetsRequest::default();
        let answer = self.source.indicators().query_targets(query).await.unwrap();
        answer.into_inner().targets
    }
}

pub fn good(ran: &Ran) -> &str {
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.out.trim()
}

/// The lines that say what is wrong, without what is said at the end.
pub fn wrong(ran: &Ran) -> Vec<&str> {
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.out.is_empty(), "{ran:?}");
    let lines: Vec<_> = ran.err.lines().filter(|it| !it.starts_with("note: ")).collect();
    let (last, lines) = lines.split_last().unwrap();
    let (count, s) = (lines.len(), if lines.len() == 1 { "" } else { "s" });
    assert!(last.starts_with(&format!("sharehub: {count} error{s} in ")), "{ran:?}");
    assert!(last.ends_with(": nothing was loaded"), "{ran:?}");
    lines.to_vec()
}
