//! Takes connections in, as long as there are places and descriptors for them.
use std::{
    io::{Error, ErrorKind},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    time,
};

/// The first wait after the system had no descriptor left, and the longest.
const WAITS: [Duration; 2] = [Duration::from_millis(50), Duration::from_millis(500)];

/// A listener, and the places for what it takes in.
pub(super) struct Accept {
    listener: TcpListener,
    places: Arc<Semaphore>,
    /// How long to wait, while the system has nothing to spare for another connection.
    wait: Option<Duration>,
}

/// A connection that was taken in, and the place that it holds.
pub(super) struct Accepted {
    pub(super) stream: TcpStream,
    pub(super) peer: SocketAddr,
    pub(super) place: OwnedSemaphorePermit,
}

impl Accept {
    pub(super) fn new(listener: TcpListener, most: usize) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(most)), wait: None }
    }

    /// The next connection; none when it could not be taken in.
    pub(super) async fn next(&mut self) -> Option<Accepted> {
        let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
        match self.listener.accept().await {
            Ok((stream, peer)) => {
                if self.wait.take().is_some() {
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
                let [first, most] = WAITS;
                let wait = match self.wait {
                    Some(wait) => most.min(wait * 2),
                    None => {
                        tracing::warn!(error = %err, "connections cannot be taken in");
                        first
                    }
                };
                self.wait = Some(wait);
                time::sleep(wait).await;
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
