//! What a watcher keeps of a watch, and the guarantees that hold for every history: a broken one fails by its name.
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use sharehub::pb::{
    self, FeedChangeType, feed_change::Subject, watch_request::From, watch_response::Message,
};
use tokio::time;
use tonic::{Status, Streaming};

use crate::support::client::{Client, id};

/// A filter of indicators by patterns; of all that are shared when there are none.
pub fn indicators(patterns: &[&str]) -> pb::WatchFilter {
    let indicators = patterns.iter().map(|it| (*it).to_owned()).collect();
    with(pb::IndicatorFilter { indicators, ..Default::default() })
}

pub fn with(filter: pb::IndicatorFilter) -> pb::WatchFilter {
    pb::WatchFilter { about: Some(pb::watch_filter::About::Indicators(filter)) }
}

pub fn dossiers(filter: pb::DossierFilter) -> pb::WatchFilter {
    pb::WatchFilter { about: Some(pb::watch_filter::About::Dossiers(filter)) }
}

/// What a thing is known by: two versions of one thing have the same.
pub fn key(change: &pb::FeedChange) -> String {
    let unit = |it: &Option<pb::UnitName>| it.as_ref().unwrap().id;
    match change.subject.as_ref().expect("a change has a subject") {
        Subject::Indicator(it) => format!("indicator {}", it.code),
        Subject::Observation(it) => {
            format!(
                "observation {} {} {} {:?}",
                it.indicator,
                unit(&it.unit),
                it.period,
                it.breakdown
            )
        }
        Subject::Target(it) => format!("target {} {} {}", it.indicator, unit(&it.unit), it.period),
        Subject::Dossier(it) => format!("dossier {}", it.code),
        Subject::Procedure(it) => format!("procedure {}", it.code),
        Subject::Unit(it) => format!("unit {}", it.id),
        Subject::Access(it) => format!("access {:?}", it.about),
    }
}

/// One watcher: what it has taken up, over as many watches as it took.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub filters: Vec<pb::WatchFilter>,
    /// The token of what was taken up last.
    pub token: String,
    /// Everything through this revision was taken up.
    pub through: i64,
    /// Changes that were taken up, in their order.
    pub changes: Vec<pb::FeedChange>,
    /// The newest version of each thing.
    pub copy: BTreeMap<String, pb::FeedChange>,
    /// After each token: the revision, and how many changes there were by then.
    pub marks: Vec<(i64, usize)>,
    pub bookmarks: usize,
    pub resyncs: Vec<pb::FeedResync>,
    /// Changes of a revision that is not whole yet.
    pub open: Vec<pb::FeedChange>,
    /// Whether the state is still coming.
    pub in_state: bool,
}

impl History {
    pub fn of(filters: Vec<pb::WatchFilter>) -> Self {
        Self { filters, ..Self::default() }
    }

    pub async fn watch(
        &mut self,
        client: &Client,
        from: Option<From>,
    ) -> Result<Streaming<pb::WatchResponse>, Status> {
        let filters = self.filters.clone();
        self.in_state = matches!(from, Some(From::Beginning(_)));
        // What was not whole is sent again.
        self.open.clear();
        let request = pb::WatchRequest { filters, from, bookmark_seconds: 1 };
        let mut feed = client.feed();
        Ok(feed.watch(request).await?.into_inner())
    }

    /// Goes on where it was, or now.
    pub async fn resume(
        &mut self,
        client: &Client,
    ) -> Result<Streaming<pb::WatchResponse>, Status> {
        let in_state = self.in_state;
        let from = (!self.token.is_empty()).then(|| From::ResumeToken(self.token.clone()));
        let watch = self.watch(client, from).await;
        self.in_state = in_state;
        watch
    }

    /// Takes a message up, and checks what can be checked at once.
    pub fn take(&mut self, message: pb::WatchResponse) {
        match message.message.expect("a message says something") {
            Message::Changes(it) => self.take_changes(it),
            Message::Bookmark(it) => {
                let through = it.through.unwrap().number;
                assert!(self.open.is_empty(), "Atomic: a bookmark inside a revision");
                assert!(through >= self.through, "Ordered: a bookmark goes back to {through}");
                assert!(!it.resume_token.is_empty() && it.sent_at.is_some());
                self.in_state = false;
                self.bookmarks += 1;
                self.mark(through, it.resume_token);
            }
            Message::Resync(it) => self.resyncs.push(it),
        }
    }

    fn take_changes(&mut self, it: pb::FeedChanges) {
        let is_access = |it: &pb::FeedChange| matches!(it.subject, Some(Subject::Access(_)));
        for change in it.changes {
            if is_access(&change) {
                self.changes.push(change);
                continue;
            }
            if self.in_state {
                assert_eq!(change.r#type(), FeedChangeType::State, "{change:?}");
                let before = self.copy.insert(key(&change), change.clone());
                assert!(before.is_none(), "Unique: twice in the state: {change:?}");
                continue;
            }
            assert_ne!(change.r#type(), FeedChangeType::State, "{change:?}");
            assert!(
                change.revision > self.through,
                "Unique: {} was taken up, and {} comes again",
                self.through,
                change.revision
            );
            if let Some(last) = self.open.last() {
                assert!(change.revision >= last.revision, "Ordered: {last:?} before {change:?}");
            }
            self.open.push(change);
        }
        match it.through {
            Some(through) => {
                assert!(!it.resume_token.is_empty(), "Resumable: no token at {through:?}");
                self.mark(through.number, it.resume_token);
            }
            None if self.in_state => self.token = it.resume_token,
            None => {
                let is_only_access = self.open.is_empty();
                assert_eq!(
                    it.resume_token.is_empty(),
                    !is_only_access,
                    "Atomic: a token inside a revision"
                );
            }
        }
    }

    fn mark(&mut self, through: i64, token: String) {
        let is_whole = self.open.iter().all(|it| it.revision <= through);
        assert!(is_whole, "Atomic: a token for {through} before its changes are whole");
        for change in self.open.drain(..) {
            match change.r#type() {
                FeedChangeType::Left => self.copy.remove(&key(&change)),
                _ => self.copy.insert(key(&change), change.clone()),
            };
            self.changes.push(change);
        }
        self.through = through;
        self.token = token;
        let count = self.changes.iter().filter(|it| !is_access(it)).count();
        self.marks.push((through, count));
    }

    /// Takes messages up until everything through a revision was.
    pub async fn until(&mut self, watch: &mut Streaming<pb::WatchResponse>, revision: i64) {
        let last = time::Instant::now() + Duration::from_secs(60);
        while self.through < revision || self.in_state {
            let message = time::timeout_at(last, watch.message()).await;
            let message = message.unwrap_or_else(|_| {
                panic!("Reliable: {revision} does not come; {} has come", self.through)
            });
            self.take(message.unwrap().expect("the watch goes on"));
        }
    }

    /// Every expected change came once, in order, and each token stood behind all that was before it. `expected` holds
    /// revision and key of each.
    pub fn check(&self, expected: &BTreeSet<(i64, String)>) {
        let seen = self.changes.iter().filter(|it| !is_access(it));
        let seen: Vec<_> = seen.map(|it| (it.revision, key(it))).collect();
        assert!(seen.is_sorted_by_key(|it| it.0), "Ordered: revisions go back");
        let unique: BTreeSet<_> = seen.iter().cloned().collect();
        assert_eq!(unique.len(), seen.len(), "Unique: a change came twice");
        let missing: Vec<_> = expected.difference(&unique).take(5).collect();
        assert!(missing.is_empty(), "Reliable: missing {missing:?}");
        let strange: Vec<_> = unique.difference(expected).take(5).collect();
        assert!(strange.is_empty(), "Filtered: not expected {strange:?}");
        for (through, count) in &self.marks {
            let by_then = seen.iter().filter(|it| it.0 <= *through).count();
            assert_eq!(by_then, *count, "Atomic: the token at {through} stands inside a revision");
        }
    }
}

fn is_access(change: &pb::FeedChange) -> bool {
    matches!(change.subject, Some(Subject::Access(_)))
}

/// The key of an observation that is published.
pub fn expected(receipt: &pb::Receipt, entries: &[pb::ObservationEntry]) -> Vec<(i64, String)> {
    let revision = receipt.revision.unwrap().number;
    let made = receipt.results.iter().zip(entries).filter(|(it, _)| {
        matches!(it.outcome(), pb::ItemOutcome::Created | pb::ItemOutcome::Corrected)
    });
    let key = |it: &pb::ObservationEntry| {
        let Some(pb::unit_ref::Ref::Id(unit)) = it.unit.as_ref().unwrap().r#ref else {
            panic!("by id: {it:?}")
        };
        format!("observation {} {unit} {} {:?}", it.indicator, it.period, it.breakdown)
    };
    made.map(|(_, it)| (revision, key(it))).collect()
}

/// An observation of a unit, by id.
pub fn saw(indicator: &str, unit: i64, period: &str, value: i64) -> pb::ObservationEntry {
    pb::ObservationEntry {
        indicator: indicator.to_owned(),
        unit: id(unit),
        period: period.to_owned(),
        value: Some(value.to_string()),
        status: pb::ObservationStatus::Provisional.into(),
        ..Default::default()
    }
}

pub fn all() -> Vec<pb::WatchFilter> {
    vec![indicators(&["*"])]
}
