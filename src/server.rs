//! Listener, services, health, stopping: the one place where things are wired.
use std::{io::Cursor, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http2;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{self, AsyncRead, AsyncReadExt, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::ServiceExt;

use crate::{
    access, dossier, error, feed,
    hub::{self, Hub},
    indicator, pb,
    stack::{self, identify::Connection, measure::Meter},
    unit,
};

/// Connections at the same time.
const CONNECTIONS: usize = 2_000;
/// How long calls in flight may take after a stop was asked for.
const GRACE: Duration = Duration::from_secs(8);
/// How long a new connection may take to show that it speaks HTTP/2.
const PREFACE: Duration = Duration::from_secs(5);

/// Every service of the schema, around one hub, behind the stack; health outside it.
pub async fn services(
    hub: &Arc<Hub>,
    meter: &Arc<Meter>,
) -> error::Result<(Router, HealthReporter)> {
    let most = hub.limits.message_bytes;
    macro_rules! service {
        ($server:path, $rpc:expr) => {{
            use $server as Server;
            Server::new($rpc).max_decoding_message_size(most)
        }};
    }
    let hub_rpc = hub::rpc::Rpc { hub: Arc::clone(hub) };
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
        .build_v1()
        .map_err(error::Error::internal)?;
    let routes = Routes::new(service!(pb::hub_service_server::HubServiceServer, hub_rpc))
        .add_service(service!(
            pb::unit_service_server::UnitServiceServer,
            unit::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        .add_service(service!(
            pb::indicator_service_server::IndicatorServiceServer,
            indicator::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        .add_service(service!(
            pb::dossier_service_server::DossierServiceServer,
            dossier::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        .add_service(service!(
            pb::access_service_server::AccessServiceServer,
            access::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        .add_service(service!(
            pb::feed_service_server::FeedServiceServer,
            feed::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        // Behind the stack as well: the schema is for identified callers.
        .add_service(reflection);
    let wrapped = stack::wrap(routes.prepare().into_axum_router(), hub, meter);
    let (reporter, health) = tonic_health::server::health_reporter();
    reporter.set_service_status("", ServingStatus::Serving).await;
    tokio::spawn(tell_health(reporter.clone(), hub.db.pulse(), hub.stopping.clone()));
    // Added after the stack was laid: the prober needs no key and is never shed.
    Ok((Routes::from(wrapped).add_service(health).prepare().into_axum_router(), reporter))
}

/// Tells who asks for the hub's health whether its store answers, until the hub stops.
async fn tell_health(
    reporter: HealthReporter,
    mut pulse: watch::Receiver<bool>,
    stopping: CancellationToken,
) {
    loop {
        let serves = *pulse.borrow_and_update() && !stopping.is_cancelled();
        let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status("", status).await;
        if stopping.is_cancelled() {
            break;
        }
        tokio::select! {
            () = stopping.cancelled() => {}
            changed = pulse.changed() => {
                if changed.is_err() {
                    break;
                }
            }
        }
    }
}

/// Serves until `stop`, then lets calls in flight finish, for at most ten seconds.
pub async fn serve(
    listener: TcpListener,
    services: Router,
    health: HealthReporter,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        if let Some((stream, place)) = accepted {
            let (services, stop, cut) = (services.clone(), stop.clone(), cut.clone());
            connections.spawn(connection(stream, place, services, stop, cut));
        }
    }
    // First tell who asks that there is no point in sending more here, then finish what is here.
    health.set_service_status("", ServingStatus::NotServing).await;
    drop(listener);
    connections.close();
    if time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting what did not finish in time");
        cut.cancel();
        drop(time::timeout(Duration::from_secs(1), connections.wait()).await);
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    match listener.accept().await {
        Ok((stream, _)) => {
            if let Err(err) = stream.set_nodelay(true) {
                tracing::debug!(error = %err, "no TCP_NODELAY");
            }
            Some((stream, place))
        }
        Err(err) => {
            // Out of descriptors, most likely: trying again at once would only burn a core.
            tracing::warn!(error = %err, "accept failed");
            time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}

async fn connection(
    stream: TcpStream,
    place: OwnedSemaphorePermit,
    services: Router,
    stop: CancellationToken,
    cut: CancellationToken,
) {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // hyper's own limits, said aloud: left out by way of tonic's server they would be switched off.
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_local_error_reset_streams(128)
        .max_pending_accept_reset_streams(20)
        .max_header_list_size(16 * 1024)
        .max_send_buf_size(64 * 1024)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    let Some(stream) = greeted(stream, &stop).await else { return };
    let own = CancellationToken::new();
    let told = Connection(own.clone());
    let service = services.map_request(move |req: http::Request<hyper::body::Incoming>| {
        let mut req = req.map(axum::body::Body::new);
        req.extensions_mut().insert(told.clone());
        req
    });
    let io = TokioIo::new(stream);
    let connection = builder.serve_connection(io, TowerToHyperService::new(service));
    tokio::pin!(connection);
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(err) = ended {
                    tracing::debug!(error = %err, "a connection ended");
                }
                break;
            }
            () = stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = cut.cancelled() => break,
            () = own.cancelled() => break,
        }
    }
    drop(place);
}

/// Waits for the preface of HTTP/2: a connection that does not send it in time must not keep its place. hyper would wait
/// for the rest of it for ever.
async fn greeted(
    mut stream: TcpStream,
    stop: &CancellationToken,
) -> Option<impl AsyncRead + AsyncWrite + Unpin> {
    let mut preface = [0; 24];
    let spoke = tokio::select! {
        read = time::timeout(PREFACE, stream.read_exact(&mut preface)) => matches!(read, Ok(Ok(_))),
        () = stop.cancelled() => false,
    };
    // hyper reads it, and checks it, as if nobody had.
    let (rest, write) = stream.into_split();
    spoke.then(|| io::join(Cursor::new(preface).chain(rest), write))
}
