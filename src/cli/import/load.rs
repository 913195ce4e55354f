//! Entries on their way to the hub: in batches that it takes, or over a stream that goes on after a cut.
use std::{ops::Range, time::Duration};

use prost::Message;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};

use super::{CliResult, ProgressLine, Report, clean, note};
use crate::{
    cli::client::{HubClient, again, explain, may_pass},
    pb::{
        self, ingest_observations_request::Step as Sent, ingest_observations_response::Step as Told,
    },
};

/// Items in one batch, at most; more would hold other writers up for long.
const BATCH: usize = 2_000;
/// How often a stream that is cut is opened again without getting any further.
const TRIES: u32 = 6;

/// What a table holds.
#[derive(Debug)]
pub(super) enum TableEntries {
    Observations(Vec<pb::ObservationEntry>),
    Targets(Vec<pb::TargetEntry>),
    Units(Vec<pb::UnitEntry>),
}

/// How entries are published.
#[derive(Clone, Debug, Default)]
pub(super) struct PublishOptions {
    pub(super) request_id: String,
    pub(super) allow_partial: bool,
    pub(super) validate_only: bool,
}

/// What became of entries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LoadTally {
    pub(super) created: i64,
    pub(super) corrected: i64,
    pub(super) unchanged: i64,
    /// Kept before a cut that took the answer, in this run or in an earlier one.
    pub(super) before: i64,
    pub(super) revision: i64,
}

impl LoadTally {
    pub(super) fn add(&mut self, receipt: &pb::Receipt) {
        self.created += i64::from(receipt.created);
        self.corrected += i64::from(receipt.corrected);
        self.unchanged += i64::from(receipt.unchanged);
        self.revision = receipt.revision.as_ref().map_or(self.revision, |it| it.number);
    }
}

impl TableEntries {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Observations(all) => all.len(),
            Self::Targets(all) => all.len(),
            Self::Units(all) => all.len(),
        }
    }

    /// The indicator of an entry.
    pub(super) fn indicator(&self, index: usize) -> Option<&str> {
        match self {
            Self::Observations(all) => all.get(index).map(|it| it.indicator.as_str()),
            Self::Targets(all) => all.get(index).map(|it| it.indicator.as_str()),
            Self::Units(_) => None,
        }
    }

    fn size(&self, index: usize) -> usize {
        let size = match self {
            Self::Observations(all) => all.get(index).map(Message::encoded_len),
            Self::Targets(all) => all.get(index).map(Message::encoded_len),
            Self::Units(all) => all.get(index).map(Message::encoded_len),
        };
        // Its tag and its length.
        size.unwrap_or_default() + 8
    }

    /// Batches that the hub takes. Units may name units of rows before them, so they are one batch or none.
    pub(super) fn batches(&self, limits: &pb::HubLimits) -> CliResult<Vec<Range<usize>>> {
        let bytes = usize::try_from(limits.message_bytes)?.saturating_sub(1_024);
        let items = usize::try_from(limits.batch_items)?;
        let items = match self {
            Self::Observations(_) | Self::Targets(_) => items.min(BATCH),
            Self::Units(_) => items,
        };
        let (mut batches, mut first, mut size) = (Vec::new(), 0, 0);
        for index in 0..self.len() {
            let more = self.size(index);
            if index > first && (index - first >= items || size + more > bytes) {
                batches.push(first..index);
                (first, size) = (index, 0);
            }
            size += more;
        }
        if first < self.len() {
            batches.push(first..self.len());
        }
        if matches!(self, Self::Units(_)) && batches.len() > 1 {
            let told = format!(
                "{} units are more than the hub takes at once ({items}): split the file, units above others first",
                self.len()
            );
            return Err(told.into());
        }
        Ok(batches)
    }

    /// Publishes some.
    pub(super) async fn publish(
        &self,
        caller: &HubClient,
        range: Range<usize>,
        how: PublishOptions,
    ) -> Result<Response<pb::Receipt>, Status> {
        let PublishOptions { request_id, allow_partial, validate_only } = how;
        let receipt = match self {
            Self::Observations(all) => {
                let observations = all.get(range).unwrap_or_default().to_vec();
                let request = pb::PublishObservationsRequest {
                    request_id,
                    allow_partial,
                    observations,
                    validate_only,
                };
                caller.indicators().publish_observations(request).await?.into_inner().receipt
            }
            Self::Targets(all) => {
                let targets = all.get(range).unwrap_or_default().to_vec();
                let request =
                    pb::PublishTargetsRequest { request_id, allow_partial, targets, validate_only };
                caller.indicators().publish_targets(request).await?.into_inner().receipt
            }
            Self::Units(all) => {
                let units = all.get(range).unwrap_or_default().to_vec();
                let request = pb::PublishUnitsRequest {
                    request_id,
                    allow_partial,
                    units,
                    successions: Vec::new(),
                    validate_only,
                };
                caller.units().publish_units(request).await?.into_inner().receipt
            }
        };
        Ok(Response::new(receipt.unwrap_or_default()))
    }
}

/// Loads what was checked. What fits into one batch is kept as a whole or not at all.
pub(super) async fn load(
    caller: &HubClient,
    entries: &TableEntries,
    batches: &[Range<usize>],
    hash: &[u8; 32],
    report: &Report<'_>,
) -> CliResult<LoadTally> {
    let mut progress = ProgressLine::start("loading", Some(entries.len()));
    if let (TableEntries::Observations(all), true) = (entries, batches.len() > 1) {
        let mut stream = LoadStream {
            caller,
            all,
            batches,
            progress: &mut progress,
            tally: LoadTally::default(),
            done: 0,
            refused: Vec::new(),
        };
        let ran = stream.run(hash).await;
        let LoadStream { tally, done, refused, .. } = stream;
        ran.map_err(|err| loaded_before(done, report, &err.to_string()))?;
        for (place, why) in &refused {
            note(&format!("{}: is refused: {}", report.place(*place), clean(why)));
        }
        if !refused.is_empty() {
            let told = "rows that were good when they were checked were refused when they were loaded; \
                        the others were loaded";
            return Err(told.into());
        }
        return Ok(tally);
    }
    let mut tally = LoadTally::default();
    // One name for each run: a run after a cut does nothing twice because what is kept already is left as it is, and
    // within a run a batch whose answer was lost gets that answer.
    let run = format!("import-{:016x}", rand::random::<u64>());
    for (number, batch) in batches.iter().enumerate() {
        let how = PublishOptions {
            request_id: format!("{run}-{number}"),
            allow_partial: false,
            validate_only: false,
        };
        let sent = again(async || entries.publish(caller, batch.clone(), how.clone()).await).await;
        let receipt = sent.map_err(|err| loaded_before(batch.start, report, &err.to_string()))?;
        progress.advance(batch.len());
        tally.add(&receipt);
    }
    Ok(tally)
}

fn loaded_before(count: usize, report: &Report<'_>, why: &str) -> String {
    match count {
        0 => format!("nothing was loaded: {why}"),
        _ => format!(
            "the rows before {} were loaded, it and those after it were not; run the same again to go on: {why}",
            report.place(count)
        ),
    }
}

/// A load over a stream: what is known of it, across cuts.
struct LoadStream<'a> {
    caller: &'a HubClient,
    all: &'a [pb::ObservationEntry],
    batches: &'a [Range<usize>],
    progress: &'a mut ProgressLine,
    tally: LoadTally,
    /// How many items are durable.
    done: usize,
    /// Places of items that were refused, and why.
    refused: Vec<(usize, String)>,
}

/// How a stream ended that was not cut.
enum Ended {
    /// Everything is durable.
    Done,
    /// All of it was before this stream.
    DoneBefore,
    /// Too early.
    Short,
}

impl LoadStream<'_> {
    /// Loads, again after a cut, from the last item that is durable.
    async fn run(&mut self, hash: &[u8; 32]) -> CliResult<()> {
        // A run of the same file that was cut is carried on. One that was completed is not: the file is loaded anew,
        // since what it says may have been corrected in the meantime.
        let digest: String = hash.iter().take(16).map(|it| format!("{it:02x}")).collect();
        let mut load = format!("import-{digest}");
        let mut tries = 0;
        loop {
            let before = self.done;
            let why: Box<dyn std::error::Error> = match self.once(&load, tries == 0).await {
                Ok(Ended::Done) => return Ok(()),
                Ok(Ended::DoneBefore) => {
                    load = format!("import-{digest}-{:08x}", rand::random::<u32>());
                    continue;
                }
                Ok(Ended::Short) => "the stream ended too early".into(),
                Err(status) if may_pass(&status) => explain(&status),
                Err(status) => return Err(explain(&status)),
            };
            tries = if self.done > before { 1 } else { tries + 1 };
            if tries > TRIES {
                return Err(why);
            }
            time::sleep(Duration::from_millis(100 << tries)).await;
        }
    }

    async fn once(&mut self, load: &str, is_first: bool) -> Result<Ended, Status> {
        let (sender, sent) = mpsc::channel(2);
        let open = Sent::Open(pb::LoadOpen { load: load.to_owned() });
        let step = |it| pb::IngestObservationsRequest { step: Some(it) };
        let mut sender = sender.send(step(open)).await.is_ok().then_some(sender);
        let stream = ReceiverStream::new(sent);
        let answers = self.caller.indicator_streams().ingest_observations(stream).await?;
        let mut answers = answers.into_inner();
        let mut next = None;
        loop {
            let (first, room) = match (next, &sender) {
                (Some(first), Some(sender)) => (first, Some(sender.clone().reserve_owned())),
                (first, _) => (first.unwrap_or_default(), None),
            };
            tokio::select! {
                answer = answers.message() => match answer?.and_then(|it| it.step) {
                    Some(Told::Opened(pb::LoadOpened { durable_through })) => {
                        let durable = usize::try_from(durable_through).unwrap_or_default();
                        if is_first && durable >= self.all.len() {
                            return Ok(Ended::DoneBefore);
                        }
                        let before = durable.saturating_sub(self.done);
                        self.tally.before += i64::try_from(before).unwrap_or_default();
                        self.reached(durable);
                        next = Some(durable);
                        if durable >= self.all.len() {
                            sender = None;
                        }
                    }
                    Some(Told::Acknowledged(told)) => self.acknowledged(told),
                    None if self.done == self.all.len() => return Ok(Ended::Done),
                    None => return Ok(Ended::Short),
                },
                Some(room) = async { match room { Some(room) => room.await.ok(), None => None } } => {
                    let end = self.batches.iter().find(|it| it.contains(&first));
                    let end = end.map_or(self.all.len(), |it| it.end);
                    let observations = self.all.get(first..end).unwrap_or_default().to_vec();
                    let number = i64::try_from(first + 1).unwrap_or(i64::MAX);
                    drop(room.send(step(Sent::Batch(pb::ObservationBatch { first: number, observations }))));
                    next = (end < self.all.len()).then_some(end);
                    if next.is_none() {
                        sender = None;
                    }
                }
            }
        }
    }

    fn reached(&mut self, durable: usize) {
        self.progress.advance(durable.saturating_sub(self.done));
        self.done = self.done.max(durable);
    }

    fn acknowledged(&mut self, told: pb::LoadAcknowledged) {
        let pb::LoadAcknowledged {
            durable_through,
            revision,
            created,
            corrected,
            unchanged,
            rejected: _,
            rejected_items,
        } = told;
        self.tally.created += i64::from(created);
        self.tally.corrected += i64::from(corrected);
        self.tally.unchanged += i64::from(unchanged);
        self.tally.revision = revision.map_or(self.tally.revision, |it| it.number);
        self.refused.extend(rejected_items.into_iter().map(|it| {
            let place = usize::try_from(it.number - 1).unwrap_or_default();
            (place, it.message)
        }));
        self.reached(usize::try_from(durable_through).unwrap_or_default());
    }
}
