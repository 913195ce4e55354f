//! A PostgreSQL server that may lose nothing, and a hub's health beside it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test: it may fail loudly, and says what it measured"
)]
use std::time::{Duration, Instant};

use tokio::{task, time};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

use crate::support::{
    hub::Hub,
    postgres::{Server, can_start},
};

/// What a server keeps to that may lose nothing.
const DURABLE: [&str; 3] = ["fsync=on", "shared_buffers=64MB", "max_connections=50"];

/// How soon the health must follow the store.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// Starts a server for a test; none where only the URL of one is given.
pub(crate) async fn server() -> Option<Server> {
    match can_start() {
        true => Some(task::spawn_blocking(|| Server::start(&DURABLE)).await.unwrap()),
        false => {
            println!("SKIPPED: initdb and postgres are not on this machine");
            None
        }
    }
}

/// Waits until the health is what it should be. How long it took.
pub(crate) async fn healthy(hub: &Hub, wanted: ServingStatus) -> Duration {
    let began = Instant::now();
    let mut health = HealthClient::new(hub.channel.clone());
    loop {
        let asked = health.check(HealthCheckRequest::default()).await.unwrap().into_inner();
        if asked.status() == wanted {
            return began.elapsed();
        }
        assert!(began.elapsed() < 2 * SOON, "{wanted:?} does not come");
        time::sleep(Duration::from_millis(20)).await;
    }
}
