//! What each command of the program does.
use std::{
    error::Error as StdError,
    io::{ErrorKind, Write},
    sync::Arc,
    time::Duration,
};

use http::uri::PathAndQuery;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use tokio::{net::TcpListener, time};
use tokio_util::sync::CancellationToken;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::{Channel, Endpoint},
};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

use crate::{
    access::{self, Issue, SystemCode},
    config::{Call, Command, Config, IssueKey, KeyCommand, Knobs, Target},
    db::Db,
    demo,
    hub::Hub,
    pb, server,
    stack::measure::Meter,
    telemetry::Telemetry,
    unit,
};

type Outcome<T = ()> = Result<T, Box<dyn StdError>>;

/// Runs one command.
pub async fn run(command: Command) -> Outcome {
    match command {
        Command::Serve(knobs) => serve(knobs).await,
        Command::Demo(knobs) => demo(knobs).await,
        Command::Health(target) => health(target).await,
        Command::Call(asked) => call(asked).await,
        Command::Key { command: KeyCommand::Issue(issue) } => issue_key(issue).await,
    }
}

/// Writes a line to standard output. Whoever reads it may have read enough: `sharehub call ... | head` is no failure.
fn say(line: &str) -> Outcome {
    match writeln!(std::io::stdout(), "{line}") {
        Err(err) if err.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => Ok(written?),
    }
}

/// A hub on an open store, with its reference data in it.
async fn open(config: &Config) -> Outcome<(Db, Arc<Hub>, tokio::task::JoinHandle<()>)> {
    let db = Db::open(&config.database_url).await?;
    let (hub, committer) = Hub::start(db.clone(), config.limits).await?;
    unit::store::load_reference(&hub).await?;
    Ok((db, hub, committer))
}

async fn serve(knobs: Knobs) -> Outcome {
    let config = knobs.read()?;
    let _telemetry = Telemetry::start(&config)?;
    // Before the store is opened: a stop that comes meanwhile is a stop too.
    let stop = stop_on_signal()?;
    let (db, hub, committer) = open(&config).await?;
    let listener = TcpListener::bind(config.listen).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, engine = db.engine(), "serving");
    serve_on(listener, hub, stop).await?;
    stopped(db, committer).await
}

async fn demo(knobs: Knobs) -> Outcome {
    let kept = knobs.database_url.is_some() || knobs.config.is_some();
    let mut config =
        Knobs { log: knobs.log.clone().or(Some("warn".to_owned())), ..knobs }.read()?;
    let scratch = std::env::temp_dir().join(format!("sharehub-demo-{}", std::process::id()));
    if !kept {
        std::fs::create_dir_all(&scratch)?;
        config.database_url = format!("sqlite://{}", scratch.join("demo.db").display());
    }
    let _telemetry = Telemetry::start(&config)?;
    let stop = stop_on_signal()?;
    say("sharehub demo: loading units, the articles' figures and a synthetic dossier set ...")?;
    let (db, hub, committer) = open(&config).await?;
    let keys = demo::load(&hub).await?;
    let listener = TcpListener::bind(config.listen).await?;
    let program = std::env::current_exe()?;
    say(&demo::welcome(&listener.local_addr()?, &program, &keys))?;
    serve_on(listener, hub, stop).await?;
    stopped(db, committer).await?;
    if !kept {
        std::fs::remove_dir_all(&scratch)?;
    }
    Ok(())
}

async fn serve_on(listener: TcpListener, hub: Arc<Hub>, stop: CancellationToken) -> Outcome {
    let meter = Arc::<Meter>::default();
    let (services, health) = server::services(&hub, &meter).await?;
    let (asked, stop) = (stop, hub.stopping.clone());
    let stopping = stop.clone();
    tokio::spawn(async move {
        asked.cancelled().await;
        stopping.cancel();
    });
    // The services hold the hub; when the last connection is gone, so is the hub, and the committer ends.
    drop(hub);
    server::serve(listener, services, health, stop).await;
    Ok(())
}

async fn stopped(db: Db, committer: tokio::task::JoinHandle<()>) -> Outcome {
    if time::timeout(Duration::from_secs(1), committer).await.is_err() {
        tracing::warn!("the committer did not end in time");
    }
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Is cancelled on SIGTERM or Ctrl-C.
fn stop_on_signal() -> Outcome<CancellationToken> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopping = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
        stopping.cancel();
    });
    Ok(stop)
}

async fn connect(target: &Target) -> Outcome<Channel> {
    let endpoint = Endpoint::from_shared(target.target.clone())?;
    let endpoint =
        endpoint.connect_timeout(Duration::from_secs(5)).timeout(Duration::from_secs(60));
    endpoint.connect().await.map_err(|err| format!("no hub at {}: {err}", target.target).into())
}

async fn health(target: Target) -> Outcome {
    let mut client = HealthClient::new(connect(&target).await?);
    let answer = client.check(HealthCheckRequest::default()).await?.into_inner();
    let status = answer.status();
    say(status.as_str_name())?;
    match status {
        ServingStatus::Serving => Ok(()),
        ServingStatus::Unknown | ServingStatus::NotServing | ServingStatus::ServiceUnknown => {
            Err(format!("the hub at {} does not serve", target.target).into())
        }
    }
}

async fn issue_key(issue: IssueKey) -> Outcome {
    let IssueKey { system, administrator, knobs } = issue;
    let config = Knobs { log: knobs.log.clone().or(Some("warn".to_owned())), ..knobs }.read()?;
    let _telemetry = Telemetry::start(&config)?;
    let system = SystemCode::parse(&system).map_err(|rule| format!("--system must {rule}"))?;
    let (db, hub, committer) = open(&config).await?;
    if administrator {
        access::store::ensure_administrator(&hub, &system).await?;
    }
    let issued = hub.issue_key(Issue { system, expires_at: None }).await;
    drop(hub);
    stopped(db, committer).await?;
    let (key, _, _) = issued?;
    say(&key)?;
    Ok(())
}

async fn call(asked: Call) -> Outcome {
    let Call { target, key, method, request } = asked;
    let pool = DescriptorPool::decode(pb::DESCRIPTORS)?;
    let method = find(&pool, &method)?;
    let mut json = serde_json::Deserializer::from_str(&request);
    let message = DynamicMessage::deserialize(method.input(), &mut json)
        .map_err(|err| format!("the request is no {}: {err}", method.input().name()))?;
    json.end()?;
    let mut grpc = Grpc::new(connect(&target).await?).max_decoding_message_size(64 << 20);
    grpc.ready().await?;
    let mut req = Request::new(message);
    req.metadata_mut().insert("authorization", format!("Bearer {key}").parse()?);
    let service = method.parent_service().full_name().to_owned();
    let path = PathAndQuery::try_from(format!("/{service}/{}", method.name()))?;
    let answer =
        grpc.unary(req, path, Dynamic(method)).await.map_err(|it| explain(&it))?.into_inner();
    let options = SerializeOptions::new().skip_default_fields(true).use_proto_field_name(true);
    let mut out = serde_json::Serializer::pretty(Vec::new());
    answer.serialize_with_options(&mut out, &options)?;
    say(&String::from_utf8(out.into_inner())?)?;
    Ok(())
}

fn find(pool: &DescriptorPool, named: &str) -> Outcome<MethodDescriptor> {
    let methods = pool.services().flat_map(|it| it.methods().collect::<Vec<_>>());
    let mut ours = methods.filter(|it| it.full_name().starts_with("sharehub."));
    let wanted = named.trim_start_matches('/').replace('/', ".");
    let is_it = |it: &MethodDescriptor| {
        it.full_name() == wanted || it.full_name().ends_with(&format!(".{wanted}"))
    };
    ours.find(is_it).ok_or_else(|| format!("the hub has no method `{named}`").into())
}

/// A refusal in words: code, message, reason, and every bad field.
fn explain(status: &Status) -> Box<dyn StdError> {
    let mut text = format!("{:?}: {}", status.code(), status.message());
    if let Some(info) = status.get_details_error_info() {
        text.push_str(&format!("\n  reason: {}", info.reason));
    }
    for it in status.get_details_bad_request().into_iter().flat_map(|it| it.field_violations) {
        text.push_str(&format!("\n  {}: {}", it.field, it.description));
    }
    text.into()
}

/// The codec of a method that is known only by its descriptor.
struct Dynamic(MethodDescriptor);

impl Codec for Dynamic {
    type Encode = DynamicMessage;
    type Decode = DynamicMessage;
    type Encoder = DynamicEncoder;
    type Decoder = DynamicDecoder;

    fn encoder(&mut self) -> DynamicEncoder {
        DynamicEncoder
    }

    fn decoder(&mut self) -> DynamicDecoder {
        DynamicDecoder(self.0.clone())
    }
}

struct DynamicEncoder;

impl Encoder for DynamicEncoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn encode(&mut self, item: DynamicMessage, buf: &mut EncodeBuf<'_>) -> Result<(), Status> {
        prost::Message::encode(&item, buf).map_err(|err| crate::error::Error::internal(err).into())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

struct DynamicDecoder(MethodDescriptor);

impl Decoder for DynamicDecoder {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, src: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        DynamicMessage::decode(self.0.output(), src)
            .map(Some)
            .map_err(|err| crate::error::Error::internal(err).into())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}
