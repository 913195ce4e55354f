//! Commands that open a store of their own: serving it, the demo, and issuing a key beside a running hub.
use std::{fs, path::Path, sync::Arc, time::Duration};

use tokio::{net::TcpListener, signal::unix::Signal, sync::watch, task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use super::{CliResult, say};
use crate::{
    access::{self, queries::Issue},
    audit::verify::RESTORED,
    caller::{SystemCode, token},
    config::{CompactArgs, IssueKey, Settings, StoreSettings, TlsSettings, Written},
    db::{Db, Options, presence},
    demo, dossier,
    hub::store::retention,
    limits::Limits,
    log::{AuditLog, key::Key},
    outcome,
    pki::files::Folder,
    revision,
    server::{
        self, Endpoint, Slices,
        reload::{self, Reload},
        tls::{self, Tls},
    },
    stack::measure::Meter,
    telemetry::Telemetry,
    time::Timestamp,
    unit,
};

/// Refuses a store that is not there: only a hub that serves one makes it.
pub(super) async fn on_store(url: &str) -> CliResult {
    if presence::exists(url).await? {
        return Ok(());
    }
    let name = presence::name(url);
    Err(format!("there is no store at {name}: `sharehub serve` makes one").into())
}

/// An open store, the hub on it with its slices, and the task that commits for it.
type OpenStore = (Db, Slices, JoinHandle<()>);

/// A hub on an open store, with its reference data in it.
async fn open(options: Options, limits: Limits, audit_key: &Path) -> CliResult<OpenStore> {
    let db = Db::open_with(options).await?;
    let key = Key::open(audit_key)?;
    let (slices, committer) = server::start(db.clone(), limits, key).await?;
    unit::store::reference::load_reference(&slices.hub).await?;
    Ok((db, slices, committer))
}

/// For a command that works on a store beside the hubs that serve it.
async fn open_beside(store: &StoreSettings) -> CliResult<OpenStore> {
    on_store(store.url()).await?;
    let limits = Limits::default();
    open(store.options(&limits)?, limits, &store.audit.key()).await
}

pub(super) async fn serve(settings: Settings, written: &Written) -> CliResult {
    settings.check()?;
    let shown = Identity::read(&settings)?;
    let telemetry = Telemetry::start(&settings.store.log, settings.otlp_endpoint.as_deref())?;
    // Before the store is opened: a stop that comes meanwhile is a stop too.
    let signals = (stop_on_signal()?, reload::hangup()?);
    let key = settings.store.audit.key();
    let (db, slices, committer) = open(settings.options()?, settings.limits(), &key).await?;
    if unit::store::reference::is_reference_behind(&slices.hub).await? {
        tracing::warn!("the units are those of an earlier release: `update-units` brings them up");
    }
    let listener = TcpListener::bind(settings.listen).await?;
    let operators = for_operators(&settings, written).await?;
    let address = listener.local_addr()?;
    let admin = operators.as_ref().and_then(|it| it.local_addr().ok()).map(tracing::field::display);
    tracing::info!(%address, admin, engine = db.engine(), tls = shown.tls.is_some(), "serving");
    if shown.tls.is_none() {
        tracing::warn!(
            "plain text: a key suffices to make agreements, register administrators and erase personal data"
        );
    }
    if !db.vault().is_open() {
        tracing::warn!("no `data_keys` are given: dossiers with personal data are refused");
    }
    serve_on((listener, operators), slices, shown, signals, &telemetry).await?;
    stopped(db, committer).await
}

/// The listener for operators, unless there is to be none. The hub serves without one whose address nobody chose.
async fn for_operators(settings: &Settings, written: &Written) -> CliResult<Option<TcpListener>> {
    let Some(address) = settings.admin_listen else { return Ok(None) };
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(err) if !written.has("admin_listen") => {
            tracing::warn!(%address, error = %err, "no health for operators: set `admin_listen`");
            Ok(None)
        }
        Err(err) => Err(format!("`admin_listen` {address}: {err}").into()),
    }
}

pub(super) async fn demo(mut settings: Settings, written: &Written) -> CliResult {
    settings.check()?;
    let scratch = std::env::temp_dir().join(format!("sharehub-demo-{}", std::process::id()));
    fs::create_dir_all(&scratch)?;
    if !written.has("database_url") && !written.has("config") {
        let path = scratch.join("demo.db");
        settings.store.audit.place.database_url = format!("sqlite://{}", path.display());
        settings.store.audit.audit_key = None;
    }
    let pki = scratch.join("pki");
    if settings.files()?.is_none() && !settings.tls.insecure_plaintext {
        let folder = Folder::open(&pki)?;
        folder.issue(&[settings.listen.ip().to_string()], &demo::systems()?)?;
        let tls::Files { cert, key, client_ca, client_crl } = folder.files();
        settings.tls = TlsSettings {
            tls_cert: Some(cert),
            tls_key: Some(key),
            tls_client_ca: client_ca,
            tls_client_crl: client_crl,
            insecure_plaintext: false,
        };
    }
    let shown = Identity::read(&settings)?;
    let telemetry = Telemetry::start(&settings.store.log, settings.otlp_endpoint.as_deref())?;
    let signals = (stop_on_signal()?, reload::hangup()?);
    say("sharehub demo: loading units, the articles' figures and a synthetic dossier set ...")?;
    let key = settings.store.audit.key();
    let (db, slices, committer) = open(settings.options()?, settings.limits(), &key).await?;
    let roles = demo::load(&slices.hub, &slices.access).await?;
    let listener = TcpListener::bind(settings.listen).await?;
    let operators = for_operators(&settings, written).await?;
    let program = std::env::current_exe()?;
    let certificates = pki.exists().then_some(pki.as_path());
    let (address, tls) = (listener.local_addr()?, shown.tls.is_some());
    let place = demo::Place { address, tls, certificates, program: &program };
    say(&demo::welcome(&place, &roles))?;
    serve_on((listener, operators), slices, shown, signals, &telemetry).await?;
    stopped(db, committer).await?;
    fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// What the hub shows to others, and whose tokens it accepts: read from files before anything else is done.
struct Identity {
    tls: Option<(tls::Files, Tls)>,
    tokens: Option<(token::IssuerSettings, token::Issuer)>,
}

impl Identity {
    fn read(settings: &Settings) -> CliResult<Self> {
        let tls = match settings.files()? {
            None => None,
            Some(files) => Some((files.clone(), files.load()?)),
        };
        let tokens = match settings.issuer()? {
            None => None,
            Some(issuer) => Some((issuer.clone(), issuer.load()?)),
        };
        Ok(Self { tls, tokens })
    }
}

async fn serve_on(
    (listener, operators): (TcpListener, Option<TcpListener>),
    slices: Slices,
    shown: Identity,
    (asked, hangup): (CancellationToken, Signal),
    telemetry: &Telemetry,
) -> CliResult {
    let meter = Arc::<Meter>::default();
    telemetry.observe(&slices, &meter);
    let (services, health) = server::services(&slices, &meter).await?;
    let Slices { hub, access, indicator: _, dossier: _, feed: _ } = slices;
    let stop = hub.stopping.clone();
    let stopping = stop.clone();
    tokio::spawn(async move {
        asked.cancelled().await;
        stopping.cancel();
    });
    let mut door = Endpoint::new(listener, &hub.limits, Arc::clone(&access.refusals));
    let Identity { tls, tokens } = shown;
    let tls = tls.map(|(files, tls)| (files, watch::Sender::new(Arc::new(tls))));
    door.tls = tls.as_ref().map(|(_, told)| told.subscribe());
    let tokens = tokens.map(|(settings, issuer)| {
        access.tokens.accept(issuer);
        (settings, Arc::clone(&access.tokens))
    });
    let data_keys = hub.db.vault().clone();
    tokio::spawn(Reload { tls, tokens, data_keys }.run(hangup, stop.clone()));
    let uses = tokio::spawn(access::store::keep_uses(Arc::downgrade(&hub), access, stop.clone()));
    telemetry.observe_connections(&door.strangers);
    // Until the last call is answered.
    let served = CancellationToken::new();
    if let Some(listener) = operators {
        let routes = server::health::for_operators(&health);
        tokio::spawn(server::health::serve_operators(listener, routes, served.clone()));
    }
    server::serve(door, services, health, stop).await;
    served.cancel();
    uses.await?;
    // The last call is answered. The committer ends once the last handle of the hub is dropped.
    drop(hub);
    Ok(())
}

async fn stopped(db: Db, committer: JoinHandle<()>) -> CliResult {
    if time::timeout(Duration::from_secs(2), committer).await.is_err() {
        tracing::warn!("the last writes and records were not written in time");
    }
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Is cancelled on SIGTERM or Ctrl-C.
fn stop_on_signal() -> CliResult<CancellationToken> {
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

pub(super) async fn issue_key(issue: IssueKey) -> CliResult {
    let IssueKey { system, administrator, store } = issue;
    let _telemetry = Telemetry::start(&store.log, None)?;
    let system = SystemCode::parse(&system).map_err(|rule| format!("--system must {rule}"))?;
    let (db, slices, committer) = open_beside(&store).await?;
    if administrator {
        access::store::ensure_administrator(&slices.hub, &system).await?;
    }
    let issued = access::store::issue_key(&slices.hub, Issue { system, expires_at: None }).await;
    drop(slices);
    stopped(db, committer).await?;
    let (key, _, _) = issued?;
    say(&key)?;
    Ok(())
}

pub(super) async fn compact(asked: CompactArgs) -> CliResult {
    let CompactArgs { keep, reason, grace, store } = asked;
    let _telemetry = Telemetry::start(&store.log, None)?;
    let (db, slices, committer) = open_beside(&store).await?;
    let kept = i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
    let keep_after = Timestamp::from_micros(Timestamp::now().micros().saturating_sub(kept));
    let done =
        retention::compact(&slices.hub, retention::Compact { keep_after, reason, grace }).await;
    drop(slices);
    stopped(db, committer).await?;
    let retention::Compacted { floor, revision, rows } = done?;
    match revision {
        Some(moved) => {
            let number = moved.number;
            say(&format!("floor {floor}, moved by revision {number}; {rows} rows taken away"))
        }
        None => say(&format!("floor {floor}, as before; {rows} rows taken away")),
    }
}

pub(super) async fn restored(store: StoreSettings) -> CliResult {
    let _telemetry = Telemetry::start(&store.log, None)?;
    on_store(store.url()).await?;
    let limits = Limits::default();
    let db = Db::open_with(store.options(&limits)?).await?;
    let epoch = revision::store::renew_epoch(&db).await?;
    // The one record that may begin an epoch of the audit log.
    let key = Key::open(&store.audit.key())?;
    let (audit, writer) = AuditLog::start(db.clone(), key, limits.audit_grace).await?;
    audit.own(RESTORED).await?;
    drop(audit);
    writer.await?;
    db.close().await;
    say(&format!("epoch {epoch}: who follows changes starts over"))
}

pub(super) async fn reseal(store: StoreSettings) -> CliResult {
    let _telemetry = Telemetry::start(&store.log, None)?;
    let (db, slices, committer) = open_beside(&store).await?;
    let done = dossier::store::erase::reseal(&slices.hub).await;
    drop(slices);
    stopped(db, committer).await?;
    say(&format!("{} applicants and remarks sealed anew", done?))
}

pub(super) async fn update_units(store: StoreSettings) -> CliResult {
    let _telemetry = Telemetry::start(&store.log, None)?;
    let (db, slices, committer) = open_beside(&store).await?;
    let done = unit::store::reference::publish_reference(&slices.hub).await;
    drop(slices);
    stopped(db, committer).await?;
    let results = done?.results;
    if let Some(it) = results.iter().find(|it| it.outcome == outcome::Outcome::Rejected) {
        return Err(format!(
            "a unit of the release is refused: {} {:?}",
            it.message, it.violations
        )
        .into());
    }
    let count = |outcome| results.iter().filter(|it| it.outcome == outcome).count();
    let (created, corrected) =
        (count(outcome::Outcome::Created), count(outcome::Outcome::Corrected));
    say(&format!("units and successions: {created} created, {corrected} corrected"))
}
