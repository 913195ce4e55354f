//! Health: a brief unary check for everybody, and all the rest of it on an address of its own.
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, body::Body, extract::Request, middleware::Next, routing::get};
use http::{Response, StatusCode};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time,
};
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tonic_health::{
    pb as messages,
    server::{HealthReporter, HealthService},
};

use messages::{
    HealthCheckRequest,
    health_check_response::ServingStatus as Told,
    health_server::{Health, HealthServer},
};

use crate::{
    error::{Error, Reason},
    stack::{self, message},
};

/// The largest request of a check: the name of a service.
const MOST: usize = 256;
/// How long one may take to come.
const BRIEF: Duration = Duration::from_secs(5);
/// Connections at the address for operators.
const CONNECTIONS: usize = 64;

/// The health service, as a hub has it.
pub(super) fn server(reporter: &HealthReporter) -> HealthServer<HealthService> {
    HealthServer::new(HealthService::from_health_reporter(reporter.clone()))
}

/// Lets checks through to the health service, and nothing else: anybody may call it, so it holds nothing.
pub(super) async fn only_checks(mut req: Request, next: Next) -> Response<Body> {
    if req.uri().path() != "/grpc.health.v1.Health/Check" {
        let what =
            "health is only checked here; it is watched at the address that `admin_listen` sets";
        return stack::refuse(Error::new(Reason::MethodUnknown, what));
    }
    let body = std::mem::take(req.body_mut());
    match message::whole(body, MOST, Instant::now() + BRIEF).await {
        Ok(body) => {
            *req.body_mut() = body;
            next.run(req).await
        }
        Err(err) => stack::refuse(err),
    }
}

/// What operators and their tools ask for: the health service with its watches, `GET /healthz` that answers while the
/// process does, and `GET /readyz` that says whether the hub serves.
pub fn for_operators(reporter: &HealthReporter) -> Router {
    let health = Arc::new(HealthService::from_health_reporter(reporter.clone()));
    let ready = move || {
        let health = Arc::clone(&health);
        async move {
            let asked = health.check(tonic::Request::new(HealthCheckRequest::default())).await;
            match asked.is_ok_and(|it| it.get_ref().status() == Told::Serving) {
                true => (StatusCode::OK, "SERVING\n"),
                false => (StatusCode::SERVICE_UNAVAILABLE, "NOT_SERVING\n"),
            }
        }
    };
    let routes = Routes::new(server(reporter)).prepare().into_axum_router();
    routes.route("/healthz", get(|| async { "ok\n" })).route("/readyz", get(ready))
}

/// Serves operators, over HTTP/2 and HTTP/1 in plain text, until `stop`.
pub async fn serve_operators(listener: TcpListener, routes: Router, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, _)) = accepted else {
            time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let (routes, stop) = (routes.clone(), stop.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = one_operator(stream, routes) => {}
            }
            drop(place);
        });
    }
}

async fn one_operator(stream: TcpStream, routes: Router) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(BRIEF);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(20));
    let service = TowerToHyperService::new(routes);
    if let Err(err) = builder.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(error = %err, "a connection of an operator ended");
    }
}
