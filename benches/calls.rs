//! Requests per second of `GetDossier` and of a 100-value `GetSnapshot`, beside an echo of the same bytes on the same
//! listener, in turns in one run: `cargo bench --bench calls`. Ratios hold on a noisy machine; rates do not.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench may fail loudly, and prints its report"
)]
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use axum::{Router, body::Body, routing::post};
use http::Request as HttpRequest;
use sharehub::{
    access::{Issue, SystemCode},
    db::Db,
    demo,
    hub::{Hub, Limits},
    pb, server,
    stack::measure::Meter,
    unit,
    wire::codec::Codec,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Response, Status,
    client::Grpc as Client,
    codegen::http::uri::PathAndQuery,
    server::{Grpc as Server, UnaryService},
    transport::{Channel, Endpoint},
};

/// How long one measurement runs.
const TURN: Duration = Duration::from_millis(700);
/// How often each pair is measured; the median is printed.
const TURNS: usize = 7;
/// Calls in flight.
const IN_FLIGHT: [usize; 3] = [1, 16, 128];

#[tokio::main]
async fn main() {
    let dir = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", dir.path().join("bench.db").display());
    let (hub, _) = Hub::start(Db::open(&url).await.unwrap(), Limits::default()).await.unwrap();
    unit::store::load_reference(&hub).await.unwrap();
    demo::load(&hub).await.unwrap();
    let (services, health) = server::services(&hub, &Arc::<Meter>::default()).await.unwrap();
    let hub_at = serve(services, health.clone()).await;
    let keys = Keys::make(&hub).await;
    let channels = channels(&hub_at).await;

    let (snapshot, answer) = hundred_values(&channels[0], &keys).await;
    let dossiers = dossiers(&channels[0], &keys).await;
    let one = call::<_, pb::GetDossierResponse>(
        channels[0].clone(),
        DOSSIER,
        dossiers[0].clone(),
        &keys.ioc,
    );
    let one = one.await.unwrap();
    let echo = Router::new()
        .route(DOSSIER, post(echo_of::<pb::GetDossierRequest, pb::GetDossierResponse>(one)))
        .route(SNAPSHOT, post(echo_of::<pb::GetSnapshotRequest, pb::GetSnapshotResponse>(answer)));
    let echo_at = serve(echo, health).await;
    let echo_channels = self::channels(&echo_at).await;

    println!("| call | in flight | echo /s | hub /s | hub / echo |");
    println!("|---|---|---|---|---|");
    for in_flight in IN_FLIGHT {
        let ask = Arc::new(dossiers.clone());
        compare::<_, pb::GetDossierResponse>(
            "GetDossier",
            DOSSIER,
            in_flight,
            &echo_channels,
            &channels,
            &keys.ioc,
            move |i| ask[i % ask.len()].clone(),
        )
        .await;
        let ask = snapshot.clone();
        compare::<_, pb::GetSnapshotResponse>(
            "GetSnapshot (100 values)",
            SNAPSHOT,
            in_flight,
            &echo_channels,
            &channels,
            &keys.ioc,
            move |_| ask.clone(),
        )
        .await;
    }
}

const DOSSIER: &str = "/sharehub.v1.DossierService/GetDossier";
const SNAPSHOT: &str = "/sharehub.v1.IndicatorService/GetSnapshot";

struct Keys {
    ioc: String,
    articles: String,
}

impl Keys {
    async fn make(hub: &Arc<Hub>) -> Self {
        let issue = async |system: &str| {
            let system = SystemCode::parse(system).unwrap();
            hub.issue_key(Issue { system, expires_at: None }).await.unwrap().0
        };
        Self { ioc: issue("ioc").await, articles: issue("articles.demo").await }
    }
}

async fn serve(services: Router, health: tonic_health::server::HealthReporter) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(server::serve(listener, services, health, CancellationToken::new()));
    address
}

/// A connection carries at most 100 calls at a time: several, so that 128 fit.
async fn channels(address: &str) -> Vec<Channel> {
    let mut channels = Vec::new();
    for _ in 0..4 {
        channels.push(Endpoint::from_shared(address.to_owned()).unwrap().connect().await.unwrap());
    }
    channels
}

async fn call<M, A>(channel: Channel, path: &'static str, ask: M, key: &str) -> Result<A, Status>
where
    M: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let mut client = Client::new(channel).max_decoding_message_size(64 << 20);
    client.ready().await.map_err(|err| Status::from_error(Box::new(err)))?;
    let mut req = Request::new(ask);
    req.metadata_mut().insert("authorization", format!("Bearer {key}").parse().unwrap());
    let path = PathAndQuery::from_static(path);
    Ok(client.unary(req, path, Codec::<M, A>::default()).await?.into_inner())
}

/// A method that answers the same message whatever it is asked: the limit that a hub could reach.
fn echo_of<M, A>(
    answer: A,
) -> impl Fn(HttpRequest<Body>) -> futures_util::future::BoxFuture<'static, http::Response<Body>>
+ Clone
+ Send
+ Sync
+ 'static
where
    M: prost::Message + Default + Send + Sync + 'static,
    A: prost::Message + Clone + Default + Send + Sync + 'static,
{
    let answer = Arc::new(answer);
    move |req| {
        let echo = Echo { answer: Arc::clone(&answer), asked: std::marker::PhantomData::<M> };
        Box::pin(async move {
            let mut grpc = Server::new(Codec::<A, M>::default());
            grpc.unary(echo, req).await.map(Body::new)
        })
    }
}

struct Echo<M, A> {
    answer: Arc<A>,
    asked: std::marker::PhantomData<M>,
}

impl<M: Send + 'static, A: Clone + Send + Sync + 'static> UnaryService<M> for Echo<M, A> {
    type Response = A;
    type Future = std::future::Ready<Result<Response<A>, Status>>;

    fn call(&mut self, _: Request<M>) -> Self::Future {
        std::future::ready(Ok(Response::new(self.answer.as_ref().clone())))
    }
}

async fn compare<M, A>(
    name: &str,
    path: &'static str,
    in_flight: usize,
    echo: &[Channel],
    hub: &[Channel],
    key: &str,
    ask: impl Fn(usize) -> M + Clone + Send + 'static,
) where
    M: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let (mut echoes, mut hubs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..TURNS {
        let a = rate::<M, A>(path, in_flight, echo, key, ask.clone()).await;
        let b = rate::<M, A>(path, in_flight, hub, key, ask.clone()).await;
        echoes.push(a);
        hubs.push(b);
        ratios.push(b / a);
    }
    let (echo, hub, ratio) = (median(echoes), median(hubs), median(ratios));
    println!("| {name} | {in_flight} | {echo:.0} | {hub:.0} | {ratio:.2} |");
}

async fn rate<M, A>(
    path: &'static str,
    in_flight: usize,
    channels: &[Channel],
    key: &str,
    ask: impl Fn(usize) -> M + Clone + Send + 'static,
) -> f64
where
    M: prost::Message + Send + Sync + 'static,
    A: prost::Message + Default + Send + Sync + 'static,
{
    let done = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    let callers: Vec<_> = (0..in_flight)
        .map(|caller| {
            let (done, ask, key) = (Arc::clone(&done), ask.clone(), key.to_owned());
            let channel = channels[caller % channels.len()].clone();
            tokio::spawn(async move {
                let mut i = caller;
                while began.elapsed() < TURN {
                    // Only what was answered counts: on a starved machine a full hub refuses.
                    let answered = call::<M, A>(channel.clone(), path, ask(i), &key).await.is_ok();
                    done.fetch_add(u64::from(answered), Ordering::Relaxed);
                    i += 7;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    let done = done.load(Ordering::Relaxed) as f64;
    done / began.elapsed().as_secs_f64()
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// Codes of dossiers to ask for: different ones, so that nothing answers from the last call.
async fn dossiers(channel: &Channel, keys: &Keys) -> Vec<pb::GetDossierRequest> {
    let page = pb::PageRequest { size: 1_000, token: String::new() };
    let list = pb::ListDossiersRequest { page: Some(page), ..Default::default() };
    let path = "/sharehub.v1.DossierService/ListDossiers";
    let answer = call::<_, pb::ListDossiersResponse>(channel.clone(), path, list, &keys.ioc);
    let answer = answer.await.unwrap();
    let ask = |it: pb::Dossier| pb::GetDossierRequest { code: it.code, ..Default::default() };
    answer.dossiers.into_iter().map(ask).collect()
}

/// Ten indicators in ten communes, each with three years of values and a target.
async fn hundred_values(
    channel: &Channel,
    keys: &Keys,
) -> (pb::GetSnapshotRequest, pb::GetSnapshotResponse) {
    let list = pb::ListUnitsRequest {
        date: "2026-01-01".to_owned(),
        level: pb::UnitLevel::Commune.into(),
        page: Some(pb::PageRequest { size: 10, token: String::new() }),
        ..Default::default()
    };
    let path = "/sharehub.v1.UnitService/ListUnits";
    let units = call::<_, pb::ListUnitsResponse>(channel.clone(), path, list, &keys.articles);
    let unit = |it: pb::Unit| pb::UnitRef { r#ref: Some(pb::unit_ref::Ref::Id(it.id)) };
    let units: Vec<_> = units.await.unwrap().units.into_iter().map(unit).collect();
    let codes: Vec<_> = (0..10).map(|it| format!("bench.count-{it}")).collect();
    let indicators = codes
        .iter()
        .map(|code| pb::Indicator {
            code: code.clone(),
            name_vi: code.clone(),
            kind: pb::IndicatorKind::Count.into(),
            unit_of_measure: "things".to_owned(),
            direction: pb::Direction::MoreIsBetter.into(),
            frequency: pb::Frequency::Year.into(),
            time_rule: pb::TimeRule::Sum.into(),
            unit_rule: pb::UnitRule::Sum.into(),
            authoritative_source: "articles.demo".to_owned(),
            collection_level: pb::UnitLevel::Commune.into(),
            ..Default::default()
        })
        .collect();
    let define = pb::DefineIndicatorsRequest { indicators, ..Default::default() };
    let path = "/sharehub.v1.IndicatorService/DefineIndicators";
    let defined =
        call::<_, pb::DefineIndicatorsResponse>(channel.clone(), path, define, &keys.articles);
    assert_eq!(defined.await.unwrap().receipt.unwrap().rejected, 0);
    let (mut observations, mut targets) = (Vec::new(), Vec::new());
    for unit in &units {
        for code in &codes {
            for year in ["2026-01", "2026-02", "2026-03"] {
                observations.push(pb::ObservationEntry {
                    indicator: code.clone(),
                    unit: Some(unit.clone()),
                    period: year.to_owned(),
                    value: Some("1234".to_owned()),
                    ..Default::default()
                });
            }
            targets.push(pb::TargetEntry {
                indicator: code.clone(),
                unit: Some(unit.clone()),
                period: "2026".to_owned(),
                comparison: pb::Comparison::AtLeast.into(),
                value: Some("2000".to_owned()),
                ..Default::default()
            });
        }
    }
    let publish = pb::PublishObservationsRequest { observations, ..Default::default() };
    let path = "/sharehub.v1.IndicatorService/PublishObservations";
    let published =
        call::<_, pb::PublishObservationsResponse>(channel.clone(), path, publish, &keys.articles);
    assert_eq!(published.await.unwrap().receipt.unwrap().rejected, 0);
    let publish = pb::PublishTargetsRequest { targets, ..Default::default() };
    let path = "/sharehub.v1.IndicatorService/PublishTargets";
    let published =
        call::<_, pb::PublishTargetsResponse>(channel.clone(), path, publish, &keys.articles);
    assert_eq!(published.await.unwrap().receipt.unwrap().rejected, 0);
    let ask = pb::GetSnapshotRequest { units, indicators: codes, ..Default::default() };
    let answer =
        call::<_, pb::GetSnapshotResponse>(channel.clone(), SNAPSHOT, ask.clone(), &keys.ioc);
    let answer = answer.await.unwrap();
    assert_eq!(answer.cells.iter().filter(|it| it.latest.is_some()).count(), 100);
    (ask, answer)
}
