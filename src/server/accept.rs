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
}

/// A connection that was taken in, and the place that it holds.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: OwnedSemaphorePermit,
}

impl Accept {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(most)), wait: WAITS[0], failed: None }
    }

    /// The next connection; none when it could not be taken in.
    pub(super) async fn next(&mut self) -> Option<Accepted> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
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

/// The client went away: that says nothing about the next one.
fn is_theirs(err: &Error) -> bool {
    matches!(
        err.kind(),
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::ConnectionRefused
    )
}
