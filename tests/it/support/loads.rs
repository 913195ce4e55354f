//! A sender of a load: it opens one, sends batches, and reads what it is told.
use std::time::Duration;

use sharehub::pb;
use tokio::{sync::mpsc, time};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};

use crate::support::{
    client::{Client, id, refusal},
    desk::saw,
};

pub type Told = pb::ingest_observations_response::Step;

/// One stream of a load of observations.
pub struct Sender {
    pub sends: Option<mpsc::Sender<pb::IngestObservationsRequest>>,
    pub told: Streaming<pb::IngestObservationsResponse>,
}

/// A message that opens a load.
pub fn open(load: &str) -> pb::IngestObservationsRequest {
    let open = pb::LoadOpen { load: load.to_owned() };
    let step = Some(pb::ingest_observations_request::Step::Open(open));
    pb::IngestObservationsRequest { step }
}

/// A message with items.
pub fn items(first: i64, observations: Vec<pb::ObservationEntry>) -> pb::IngestObservationsRequest {
    let batch = pb::ObservationBatch { first, observations };
    let step = Some(pb::ingest_observations_request::Step::Batch(batch));
    pb::IngestObservationsRequest { step }
}

impl Sender {
    /// A stream in which nothing was said yet.
    pub async fn silent(client: &Client) -> Result<Self, Status> {
        let (sends, messages) = mpsc::channel(1);
        let messages = ReceiverStream::new(messages);
        let told = client.indicators().ingest_observations(messages).await?.into_inner();
        Ok(Self { sends: Some(sends), told })
    }

    /// A stream of an open load, and the last item that is durable.
    pub async fn open(client: &Client, load: &str) -> (Self, i64) {
        let mut sender = Self::silent(client).await.unwrap();
        sender.say(open(load)).await;
        let through = match sender.next().await.unwrap() {
            Some(Told::Opened(it)) => it.durable_through,
            other => panic!("not opened: {other:?}"),
        };
        (sender, through)
    }

    /// Says something, if the stream has not ended.
    pub async fn say(&self, message: pb::IngestObservationsRequest) {
        drop(self.sends.as_ref().unwrap().send(message).await);
    }

    pub async fn send(&self, first: i64, observations: Vec<pb::ObservationEntry>) {
        self.say(items(first, observations)).await;
    }

    /// The next answer, or the end.
    pub async fn next(&mut self) -> Result<Option<Told>, Status> {
        let told = time::timeout(Duration::from_secs(100), self.told.message());
        Ok(told.await.expect("the hub answers")?.map(|it| it.step.unwrap()))
    }

    pub async fn acknowledged(&mut self) -> Result<pb::LoadAcknowledged, Status> {
        match self.next().await? {
            Some(Told::Acknowledged(it)) => Ok(it),
            other => panic!("not acknowledged: {other:?}"),
        }
    }

    /// Closes the sender's side: everything that is acknowledged from now on, and how the stream ends.
    pub async fn close(mut self) -> (Vec<pb::LoadAcknowledged>, Result<(), Status>) {
        self.sends = None;
        let mut all = Vec::new();
        loop {
            match self.next().await {
                Ok(Some(Told::Acknowledged(it))) => all.push(it),
                Ok(Some(Told::Opened(it))) => panic!("opened again: {it:?}"),
                Ok(None) => return (all, Ok(())),
                Err(status) => return (all, Err(status)),
            }
        }
    }

    /// How the stream ends: everything before is passed over.
    pub async fn refused(self) -> (Code, String, Vec<String>) {
        refusal(self.close().await.1)
    }
}

/// A sum of acknowledgements: created, corrected, unchanged, rejected.
pub fn counts(all: &[pb::LoadAcknowledged]) -> [i32; 4] {
    let mut sum = [0; 4];
    for it in all {
        let counts = [it.created, it.corrected, it.unchanged, it.rejected];
        for (sum, count) in sum.iter_mut().zip(counts) {
            *sum += count;
        }
    }
    sum
}

/// The observation with a number, one of its own.
pub fn entry(units: &[i64], number: i64) -> pb::ObservationEntry {
    let index = usize::try_from(number - 1).unwrap();
    let year = 2000 + index / units.len();
    pb::ObservationEntry {
        unit: id(units[index % units.len()]),
        ..saw("doc.count", "", &year.to_string(), &number.to_string())
    }
}

pub fn entries(units: &[i64], numbers: std::ops::RangeInclusive<i64>) -> Vec<pb::ObservationEntry> {
    numbers.map(|it| entry(units, it)).collect()
}
