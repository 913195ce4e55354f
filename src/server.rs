//! Listener, services, health, stopping: the one place where things are wired.
mod accept;
mod connection;
pub mod health;
pub mod reload;
pub mod strangers;
pub mod tls;

use std::{sync::Arc, time::Duration};

use axum::{Router, middleware::from_fn};
use tokio::{net::TcpListener, sync::watch, task::JoinHandle, time};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::service::Routes;
use tonic_health::{ServingStatus, server::HealthReporter};
use tower::ServiceBuilder;

use self::{accept::Accept, connection::Shared, strangers::Strangers, tls::Tls};
use crate::{
    access,
    access::Access,
    audit,
    caller::refusals::Refusals,
    db::Db,
    dossier, error, feed,
    hub::{self, Hub},
    indicator,
    limits::Limits,
    log::{self, AuditLog, key::Key},
    pb,
    stack::{self, measure::Meter},
    unit,
};

/// How long calls in flight may take after a stop was asked for; what comes after it has two seconds more.
const GRACE: Duration = Duration::from_millis(7_500);

/// The largest request of reflection, in bytes: it names a symbol or a file.
const NAMES: usize = 4_096;

/// A hub with the slices around it, each with its caches and tasks.
#[derive(Clone, Debug)]
pub struct Slices {
    /// The hub.
    pub hub: Arc<Hub>,
    /// Who may call.
    pub access: Arc<Access>,
    /// Indicators.
    pub indicator: indicator::rpc::Rpc,
    /// Dossiers.
    pub dossier: dossier::rpc::Rpc,
    /// The feed.
    pub feed: feed::rpc::Rpc,
}

/// Starts a hub on a store, with the key of its audit log, and the slices around it. The task ends when all of it is
/// dropped, after the last commit and the last record.
pub async fn start(db: Db, limits: Limits, key: Key) -> error::Result<(Slices, JoinHandle<()>)> {
    let (audit, writer) = AuditLog::start(db.clone(), key, limits.audit_grace).await?;
    let access = Access::start(db.clone(), &limits, &audit);
    let gate = Arc::clone(&access);
    let (hub, committer) = Hub::start(db, limits, audit, gate).await?;
    let task = tokio::spawn(async move {
        drop(tokio::join!(committer, writer));
    });
    let slices = Slices {
        indicator: indicator::rpc::start(&hub),
        dossier: dossier::rpc::start(&hub),
        feed: feed::rpc::start(&hub),
        access,
        hub,
    };
    Ok((slices, task))
}

/// Every service of the schema, around one hub, behind the stack; health outside it.
pub async fn services(
    slices: &Slices,
    meter: &Arc<Meter>,
) -> error::Result<(Router, HealthReporter)> {
    let Slices { hub, access, indicator, dossier, feed } = slices;
    let most = hub.limits.message_bytes;
    macro_rules! service {
        ($server:path, $rpc:expr) => {{
            use $server as Server;
            Server::new($rpc).max_decoding_message_size(most)
        }};
    }
    let hub_rpc = hub::rpc::Rpc { hub: Arc::clone(hub) };
    let reflection = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(pb::DESCRIPTORS)
    };
    let schema = reflection().build_v1().map_err(error::Error::internal)?;
    // What older tools still ask for.
    let schema_alpha = reflection().build_v1alpha().map_err(error::Error::internal)?;
    let routes = Routes::new(service!(pb::hub_service_server::HubServiceServer, hub_rpc))
        .add_service(service!(
            pb::unit_service_server::UnitServiceServer,
            unit::rpc::Rpc { hub: Arc::clone(hub) }
        ))
        .add_service(service!(
            pb::indicator_service_server::IndicatorServiceServer,
            indicator.clone()
        ))
        .add_service(service!(pb::dossier_service_server::DossierServiceServer, dossier.clone()))
        .add_service(service!(
            pb::access_service_server::AccessServiceServer,
            access::rpc::Rpc { hub: Arc::clone(hub), access: Arc::clone(access) }
        ))
        .add_service(service!(pb::feed_service_server::FeedServiceServer, feed.clone()))
        .add_service(service!(
            pb::audit_service_server::AuditServiceServer,
            audit::rpc::Rpc { hub: Arc::clone(hub) }
        ));
    let identified = stack::identified(routes.prepare().into_axum_router(), hub, access);
    // The schema is public: reflection needs no key, but it is shed and measured like every other call.
    let open = Routes::from(identified)
        .add_service(schema.max_decoding_message_size(NAMES))
        .add_service(schema_alpha.max_decoding_message_size(NAMES));
    let wrapped = stack::wrap(open.prepare().into_axum_router(), hub, access, meter);
    let reporter = HealthReporter::new();
    let checks = ServiceBuilder::new()
        .layer(from_fn(health::only_checks))
        .service(health::server(&reporter));
    reporter.set_service_status("", ServingStatus::Serving).await;
    tokio::spawn(tell_health(reporter.clone(), hub.db.pulse(), hub.stopping.clone()));
    tokio::spawn(tell_audit(reporter.clone(), hub.audit.follow(), hub.stopping.clone()));
    // Added after the stack was laid: a check needs no key and is never shed.
    Ok((wrapped.route_service("/grpc.health.v1.Health/{*rest}", checks), reporter))
}

/// Reports in the health service whether the store answers, until the hub stops.
async fn tell_health(
    reporter: HealthReporter,
    mut pulse: watch::Receiver<bool>,
    stopping: CancellationToken,
) {
    // Reported already; watchers are told changes only.
    let mut told = true;
    loop {
        let serves = *pulse.borrow_and_update() && !stopping.is_cancelled();
        if serves != told {
            let status = if serves { ServingStatus::Serving } else { ServingStatus::NotServing };
            reporter.set_service_status("", status).await;
            told = serves;
        }
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

/// What is listened on, how, and what is allowed there.
#[derive(Debug)]
pub struct Endpoint {
    /// Where connections come in.
    pub listener: TcpListener,
    /// TLS, as it is configured at each moment; plain text without.
    pub tls: Option<watch::Receiver<Arc<Tls>>>,
    /// Connections at the same time; more wait.
    pub most: usize,
    /// How long one may stay.
    pub lifetime: Lifetime,
    /// The connections that have not identified themselves.
    pub strangers: Arc<Strangers>,
    /// Where refused connections are recorded.
    pub refusals: Arc<Refusals>,
}

/// How long a connection may stay.
#[derive(Clone, Copy, Debug)]
pub struct Lifetime {
    /// From its beginning, and up to a tenth longer: it is then asked to go, and cut when its calls take too long to
    /// end.
    pub age: Duration,
    /// Without any call.
    pub idle: Duration,
    /// Until its caller is identified.
    pub identify: Duration,
}

impl Endpoint {
    /// A door for plain text, within these limits.
    pub fn new(listener: TcpListener, limits: &Limits, refusals: Arc<Refusals>) -> Self {
        let lifetime = Lifetime {
            age: limits.connection_age,
            idle: limits.connection_idle,
            identify: limits.identify_within,
        };
        let strangers = Strangers::new(limits, Arc::clone(&refusals));
        Self { listener, tls: None, most: limits.connections, lifetime, strangers, refusals }
    }
}

/// The service under whose name a health check is told whether the audit log can be written.
const AUDIT: &str = "sharehub.audit";

/// Reports in the health service whether the audit log can be written, until the hub stops.
async fn tell_audit(
    reporter: HealthReporter,
    mut log: watch::Receiver<log::writer::State>,
    stopping: CancellationToken,
) {
    let is_written = |it: &log::writer::State| it.fails_since.is_none();
    let mut writes = true;
    loop {
        let status = if writes { ServingStatus::Serving } else { ServingStatus::NotServing };
        reporter.set_service_status(AUDIT, status).await;
        tokio::select! {
            () = stopping.cancelled() => return,
            changed = log.wait_for(|it| is_written(it) != writes) => {
                if changed.is_err() {
                    return;
                }
            }
        }
        writes = !writes;
    }
}

/// Serves until `stop`, then lets calls in flight finish, for at most ten seconds.
pub async fn serve(
    door: Endpoint,
    services: Router,
    health: HealthReporter,
    stop: CancellationToken,
) {
    let Endpoint { listener, tls, most, lifetime, strangers, refusals } = door;
    let mut accept = Accept::new(listener, most);
    let connections = TaskTracker::new();
    let cut = CancellationToken::new();
    let (stopping, cutting) = (stop.clone(), cut.clone());
    let shared =
        Shared { services, tls, lifetime, strangers, refusals, stop: stopping, cut: cutting };
    let shared = Arc::new(shared);
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = accept.next() => accepted,
        };
        if let Some(accepted) = accepted {
            connections.spawn(connection::serve(accepted, Arc::clone(&shared)));
        }
    }
    // First report NOT_SERVING, so that no new calls come; then finish the open ones.
    health.set_service_status("", ServingStatus::NotServing).await;
    drop((accept, shared));
    connections.close();
    if time::timeout(GRACE, connections.wait()).await.is_err() {
        tracing::warn!(connections = connections.len(), "cutting what did not finish in time");
        cut.cancel();
        drop(time::timeout(Duration::from_secs(1), connections.wait()).await);
    }
}
