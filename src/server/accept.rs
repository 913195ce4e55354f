//! Accepts connections, as many as slots and file descriptors allow.
use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

/// The first wait after the system had no descriptor left, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// After so long without a failure, the next one is told again.
const CALM: Duration = Duration::from_secs(5);

/// A listener, and the places for what it takes in.
pub(super) struct Accept {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// How long to wait when the system has nothing to spare for another connection.
    wait: Duration,
    /// When that was so last.
    failed: Option<Instant>,
    /// Connections that waited while all places were taken, and when the last one did.
    full: Option<(u64, Instant)>,
}

/// A connection that was taken in, and the place that it holds.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: OwnedSemaphorePermit,
}

impl Accept {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most));
        Self { listener, places, wait: WAITS[0], failed: None, full: None }
    }

    /// The next connection; none when it could not be taken in.
    pub(super) async fn next(&mut self) -> Option<Accepted> {
        let place = self.place().await?;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                self.wait = WAITS[0];
                // One that found a descriptor in between does not mean that there are enough again.
                if self.failed.is_some_and(|it| it.elapsed() > CALM) {
                    self.failed = None;
                    tracing::info!("connections are taken in again");
                }
                if let Err(err) = stream.set_nodelay(true) {
                    tracing::debug!(error = %err, "no TCP_NODELAY");
                }
                Some(Accepted { stream, peer, place })
            }
            Err(err) if is_theirs(&err) => {
                tracing::debug!(error = %err, "a connection was gone before it was taken in");
                None
            }
            Err(err) => {
                // Out of descriptors, most likely: trying again at once would only burn a core.
                if self.failed.replace(Instant::now()).is_none() {
                    tracing::warn!(error = %err, "connections cannot be taken in");
                }
                time::sleep(self.wait).await;
                self.wait = WAITS[1].min(self.wait * 2);
                None
            }
        }
    }
}

impl Accept {
    /// A place, as soon as there is one. That all are taken is logged once, and again when it is over.
    async fn place(&mut self) -> Option<OwnedSemaphorePermit> {
        let places = Arc::clone(&self.places);
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            if let Some((waited, _)) = self.full.take_if(|(_, last)| last.elapsed() > CALM) {
                tracing::info!(waited, "there are places for connections again");
            }
            return Some(place);
        }
        let now = Instant::now();
        match &mut self.full {
            Some((waited, last)) => {
                *waited += 1;
                *last = now;
            }
            None => {
                self.full = Some((1, now));
                tracing::warn!("all places for connections are taken: the next ones wait");
            }
        }
        places.acquire_owned().await.ok()
    }
}

/// The client went away: that says nothing about the next one.
fn is_theirs(err: &Error) -> bool {
    matches!(
        err.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
