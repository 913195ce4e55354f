//! Every knob: its name, its default and its check; read once, from flags, the environment and a file, in that order.
mod agreements;
mod caller;
mod exit;
mod identity;
mod store;
mod tables;

use std::{
    error::Error,
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Parser, Subcommand};
use serde::{Deserialize, Deserializer};

pub use self::{
    agreements::{AgreementCommand, Apply, Explain, ListAgreements},
    caller::{As, Call, Target, read_file},
    exit::Exit,
    store::{AuditKeyPlace, StorePlace, StoreSettings},
    tables::{Asked, Export, Exported, Filter, Import, Loaded, Numbers, Query, Watch},
};
pub use crate::bad_config::BadConfig;
use crate::{
    caller::token,
    db::Options,
    limits::Limits,
    personal::vault::{self, Keys, Vault},
    server::tls,
};

/// The command line.
#[derive(Debug, Parser)]
#[command(name = "sharehub", version, about = "A province's data-sharing hub, over gRPC.", after_help = exit::HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the hub until SIGTERM or Ctrl-C.
    Serve(Knobs),
    /// Serve a hub with real data in it, in a store of its own, and print calls to try.
    Demo(Knobs),
    /// Ask a running hub whether it serves: exit 0 when it does, 1 when not, 4 when it cannot be reached.
    Health(Target),
    /// Call any method of a running hub with JSON messages, and print each answer as JSON as it comes.
    Call(Call),
    /// Load a table, as CSV or XLSX: checked as a whole first, and not loaded when any cell of it is wrong.
    Import(Import),
    /// Write what the hub has as a table, CSV or XLSX.
    Export(Export),
    /// Ask a running hub, and print the answer as a table.
    Query(Query),
    /// Print a line for each change, as it is committed.
    Watch(Watch),
    /// Give up reading what was known long ago: move the retention floor, on record, and free its space.
    Compact(Compact),
    /// Say that a backup was restored: who follows changes then starts over, since revisions may be used again.
    Restored(StoreSettings),
    /// Keep the agreements by which data is shared.
    Agreement {
        /// What to do with agreements.
        #[command(subcommand)]
        command: AgreementCommand,
    },
    /// Print what a shell needs to complete this program's commands and options.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Certificates for trying the hub out.
    Pki {
        /// What to do with them.
        #[command(subcommand)]
        command: PkiCommand,
    },
    /// Export the audit log, check an exported one, show its key.
    Audit {
        /// What to do with the audit log.
        #[command(subcommand)]
        command: AuditCommand,
    },
    /// Keep the keys of systems.
    Key {
        /// What to do with keys.
        #[command(subcommand)]
        command: KeyCommand,
    },
    /// Keep the keys that personal data is sealed with.
    DataKeys {
        /// What to do with them.
        #[command(subcommand)]
        command: DataKeysCommand,
    },
}

/// What to do with the keys of personal data.
#[derive(Debug, Subcommand)]
pub enum DataKeysCommand {
    /// Write new keys to a file that does not exist yet.
    New(DataKeysFile),
    /// Add a key to a file, which seals from then on. Running hubs read it within seconds. Then reseal.
    Rotate(DataKeysFile),
    /// Seal anew, beside running hubs, what is sealed with older keys. Then those can be taken out of the file.
    Reseal(StoreSettings),
}

/// A file of data keys.
#[derive(Debug, Args)]
pub struct DataKeysFile {
    /// The file.
    pub file: PathBuf,
    /// The new key's id: lower-case letters, digits, dots and hyphens [default: today].
    #[arg(long)]
    pub id: Option<String>,
}

/// What to do with keys.
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Issue a key for a system, straight in the store: for the first administrator, and when no one can sign in.
    Issue(IssueKey),
}

/// What to do with certificates.
#[derive(Debug, Subcommand)]
pub enum PkiCommand {
    /// Make an authority of your own, a certificate for the hub and one for each system. Run again, it goes on with the
    /// authority that it finds. Not for production: the authority's private key lies beside what it issues.
    Dev(PkiDev),
}

/// Makes certificates.
#[derive(Debug, Args)]
pub struct PkiDev {
    /// The folder to write to.
    pub dir: PathBuf,
    /// A certificate for this system, by its code.
    #[arg(long)]
    pub system: Vec<String>,
    /// A name or address by which the hub is reached, besides `localhost`, `127.0.0.1` and `::1`.
    #[arg(long)]
    pub name: Vec<String>,
    /// Revoke the certificate of this system that lies in the folder.
    #[arg(long)]
    pub revoke: Vec<String>,
}

/// What to do with the audit log.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// Print the public key that checks the log: give it to those who keep checkpoints.
    Key(AuditKeyPlace),
    /// Write all of the log to a file, a JSON object on each line. A hub may run on the store meanwhile.
    Export(ExportAudit),
    /// Check an exported log, offline: exit 0 when it is sound, 1 when not. The first thing that is wrong is named.
    Verify(VerifyAudit),
}

/// Exports the audit log.
#[derive(Debug, Args)]
pub struct ExportAudit {
    /// The file; `-` for standard output.
    pub file: PathBuf,
    /// Where the store is.
    #[command(flatten)]
    pub place: StorePlace,
}

/// Checks an exported log.
#[derive(Debug, Args)]
pub struct VerifyAudit {
    /// The file; `-` for standard input.
    pub file: PathBuf,
    /// The public key of the log, or a file with it, got by another way than the file.
    #[arg(long)]
    pub key: String,
    /// A file with a checkpoint that was kept, as a publish answer or a bookmark had it. May be given more than once: the end of
    /// a log can be cut off without a trace for those who kept none.
    #[arg(long)]
    pub checkpoint: Vec<PathBuf>,
}

/// Issues a key in the store.
#[derive(Debug, Args)]
pub struct IssueKey {
    /// The system's code.
    #[arg(long)]
    pub system: String,
    /// Register the system as an administrator if it is not registered.
    #[arg(long)]
    pub administrator: bool,
    /// The store, its keys, and how to log.
    #[command(flatten)]
    pub store: StoreSettings,
}

/// How to compact.
#[derive(Debug, Args)]
pub struct Compact {
    /// Everything that was known at any time since then can still be read: so many days, `400d`, or hours, `12h`.
    #[arg(long, value_parser = ago)]
    pub keep: Duration,
    /// Why, for the record.
    #[arg(long, default_value = "")]
    pub reason: String,
    /// How long reads that began before are given to end before rows are taken away: no less than any hub's `call_ms`.
    #[arg(long, value_parser = ago, default_value = "15s")]
    pub grace: Duration,
    /// The store, its keys, and how to log.
    #[command(flatten)]
    pub store: StoreSettings,
}

/// A span of time: a whole number and `d`, `h`, `m` or `s`.
fn ago(text: &str) -> Result<Duration, String> {
    let rule = || "be a whole number of days, hours, minutes or seconds, such as 400d".to_owned();
    let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(rule)?;
    let number: u32 = number.parse().map_err(|_| rule())?;
    let seconds = match unit {
        "d" => 86_400,
        "h" => 3_600,
        "m" => 60,
        "s" => 1,
        _ => return Err(rule()),
    };
    Ok(Duration::from_secs(u64::from(number) * seconds))
}

/// What can be set. A flag wins over the environment, the environment over the file, the file over the default.
#[derive(Clone, Debug, Default, Args, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Knobs {
    /// A TOML file with any of these settings, under the flags' names with underscores.
    #[arg(long, env = "SHAREHUB_CONFIG")]
    #[serde(skip)]
    pub config: Option<PathBuf>,
    /// Address to listen on [default: `127.0.0.1:50051`].
    #[arg(long, env = "SHAREHUB_LISTEN")]
    pub listen: Option<String>,
    /// The store: `sqlite://PATH` or `postgres://...` [default: `sqlite://sharehub.db`].
    #[arg(long, env = "SHAREHUB_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// A streaming standby of a PostgreSQL store: it answers reads at revisions that it has reached; none when empty.
    #[arg(long, env = "SHAREHUB_REPLICA_URL", hide_env_values = true)]
    pub replica_url: Option<String>,
    /// What to log, as directives such as `info` or `sharehub=debug,info` [default: info].
    #[arg(long, env = "SHAREHUB_LOG")]
    pub log: Option<String>,
    /// How to log: `text` or `json` [default: text].
    #[arg(long, env = "SHAREHUB_LOG_FORMAT")]
    pub log_format: Option<String>,
    /// Where to send spans by OTLP over gRPC, such as `http://127.0.0.1:4317`; none are sent when empty.
    #[arg(long, env = "SHAREHUB_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// The longest a call may take, in milliseconds, 100 to 600000 [default: 10000].
    #[arg(long, env = "SHAREHUB_CALL_MS")]
    #[serde(deserialize_with = "text_or_number")]
    pub call_ms: Option<String>,
    /// Calls worked on at the same time, 1 to 100000 [default: 512].
    #[arg(long, env = "SHAREHUB_IN_FLIGHT")]
    #[serde(deserialize_with = "text_or_number")]
    pub in_flight: Option<String>,
    /// Largest request message in bytes, 1024 to 67108864 [default: 4194304].
    #[arg(long, env = "SHAREHUB_MESSAGE_BYTES")]
    #[serde(deserialize_with = "text_or_number")]
    pub message_bytes: Option<String>,
    /// Watches open at the same time, 1 to 100000 [default: 2000].
    #[arg(long, env = "SHAREHUB_WATCHES")]
    #[serde(deserialize_with = "text_or_number")]
    pub watches: Option<String>,
    /// Watches that one system may have open, 1 to 100000 [default: 200].
    #[arg(long, env = "SHAREHUB_WATCHES_PER_SYSTEM")]
    #[serde(deserialize_with = "text_or_number")]
    pub watches_per_system: Option<String>,
    /// Memory for cells of snapshots that were answered before, in MiB, 0 to 65536; a cell takes about a kilobyte [default: 64].
    #[arg(long, env = "SHAREHUB_SNAPSHOT_MIB")]
    #[serde(deserialize_with = "text_or_number")]
    pub snapshot_mib: Option<String>,
    /// The keys of personal data: a file of `sharehub data-keys new`, or its text, which begins with `current =` [default: a
    /// file that is made beside an SQLite store; none for PostgreSQL, and then no personal data is kept].
    #[arg(long, env = "SHAREHUB_DATA_KEYS", hide_env_values = true)]
    pub data_keys: Option<String>,
    /// The hub's certificate, and those between it and its authority (PEM); plain text without.
    #[arg(long, env = "SHAREHUB_TLS_CERT")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key (PEM).
    #[arg(long, env = "SHAREHUB_TLS_KEY")]
    pub tls_key: Option<PathBuf>,
    /// The authorities whose certificates systems may show (PEM); none are asked for without.
    #[arg(long, env = "SHAREHUB_TLS_CLIENT_CA")]
    pub tls_client_ca: Option<PathBuf>,
    /// What these authorities have revoked (PEM): a list of each one of them.
    #[arg(long, env = "SHAREHUB_TLS_CLIENT_CRL")]
    pub tls_client_crl: Option<PathBuf>,
    /// Whether plain text may be served to other machines: `true` or `false` [default: false].
    #[serde(deserialize_with = "text_or_number")]
    #[arg(long, env = "SHAREHUB_INSECURE_PLAINTEXT", num_args = 0..=1, default_missing_value = "true", require_equals = true)]
    pub insecure_plaintext: Option<String>,
    /// The issuer (`iss`) whose tokens are accepted; none are without.
    #[arg(long, env = "SHAREHUB_TOKEN_ISSUER")]
    pub token_issuer: Option<String>,
    /// The audience (`aud`) that tokens must be for.
    #[arg(long, env = "SHAREHUB_TOKEN_AUDIENCE")]
    pub token_audience: Option<String>,
    /// The one algorithm of tokens: `ES256`, `EdDSA`, `RS256` or `PS256`.
    #[arg(long, env = "SHAREHUB_TOKEN_ALGORITHM")]
    pub token_algorithm: Option<String>,
    /// The issuer's public keys: a JWK set, or one key in PEM.
    #[arg(long, env = "SHAREHUB_TOKEN_KEYS")]
    pub token_keys: Option<PathBuf>,
    /// Connections at the same time, 1 to 1000000 [default: 2000].
    #[arg(long, env = "SHAREHUB_CONNECTIONS")]
    #[serde(deserialize_with = "text_or_number")]
    pub connections: Option<String>,
    /// Connections by which one system may call, 1 to 1000000 [default: 128].
    #[arg(long, env = "SHAREHUB_CONNECTIONS_PER_SYSTEM")]
    #[serde(deserialize_with = "text_or_number")]
    pub connections_per_system: Option<String>,
    /// How old a connection may grow, in seconds, 1 to 2592000; up to a tenth more is added by chance [default: 3600].
    #[arg(long, env = "SHAREHUB_CONNECTION_AGE_S")]
    #[serde(deserialize_with = "text_or_number")]
    pub connection_age_s: Option<String>,
    /// How long a connection may stay without a call on it, in seconds, 1 to 2592000 [default: 300].
    #[arg(long, env = "SHAREHUB_CONNECTION_IDLE_S")]
    #[serde(deserialize_with = "text_or_number")]
    pub connection_idle_s: Option<String>,
    /// The private key that signs checkpoints of the audit log, PKCS #8 in PEM; made when there is none. Hubs on one store share
    /// it [default: beside an SQLite store, `PATH.audit-key`, else `sharehub.audit-key`].
    #[arg(long, env = "SHAREHUB_AUDIT_KEY")]
    pub audit_key: Option<PathBuf>,
    /// Seconds for which calls without personal data are answered while the audit log cannot be written, 0 to 86400
    /// [default: 900].
    #[arg(long, env = "SHAREHUB_AUDIT_GRACE_S")]
    #[serde(deserialize_with = "text_or_number")]
    pub audit_grace_s: Option<String>,
}

/// The settings, read and checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Address to listen on.
    pub listen: SocketAddr,
    /// The store.
    pub database_url: String,
    /// Its standby.
    pub replica_url: Option<String>,
    /// What to log.
    pub log: String,
    /// Whether to log JSON.
    pub log_json: bool,
    /// Where to send spans.
    pub otlp_endpoint: Option<String>,
    /// What is too large or too long.
    pub limits: Limits,
    /// The keys of personal data, where they are given.
    pub data_keys: Option<Vault>,
    /// TLS; plain text without.
    pub tls: Option<tls::Files>,
    /// Whether plain text may be served to other machines.
    pub insecure_plaintext: bool,
    /// Whose tokens are accepted.
    pub tokens: Option<token::Settings>,
    /// The private key that signs checkpoints of the audit log.
    pub audit_key: PathBuf,
}

impl Config {
    /// The store, as it is opened: a call waits for a connection for half the time that it may take, at most.
    pub fn store(&self) -> Result<Options, Box<dyn Error>> {
        let usual = Options::new(&self.database_url);
        let patience = usual.patience.min(self.limits.longest / 2);
        let vault = match &self.data_keys {
            Some(given) => given.clone(),
            None => keys_beside(&self.database_url)?,
        };
        Ok(Options { replica_url: self.replica_url.clone(), patience, vault, ..usual })
    }
}

/// The keys that are kept beside an SQLite store, made with it. A server's store has no such place: every hub on it must be
/// given the same.
fn keys_beside(database_url: &str) -> Result<Vault, Box<dyn Error>> {
    let bad = |must: String| BadConfig { key: "data_keys", must };
    let Some(rest) = database_url.strip_prefix("sqlite:") else { return Ok(Vault::default()) };
    let path = rest.trim_start_matches("//").split('?').next().unwrap_or_default();
    if path.is_empty() || path.contains(":memory:") {
        return Ok(Vault::new(&Keys::generate("first")).map_err(bad)?);
    }
    let path = PathBuf::from(format!("{path}.keys.toml"));
    if !path.exists() {
        vault::write(&path, &Keys::generate("first"))?;
    }
    Ok(Vault::open_file(&path).map_err(bad)?)
}

impl Knobs {
    /// Reads the file, if there is one, and checks every setting.
    pub fn read(self) -> Result<Config, BadConfig> {
        let file = match &self.config {
            None => Self::default(),
            Some(path) => {
                let bad = |why: String| BadConfig { key: "config", must: why };
                let text = fs::read_to_string(path)
                    .map_err(|err| bad(format!("name a file that can be read: {err}")))?;
                toml::from_str(&text).map_err(|err| bad(format!("be TOML of known keys: {err}")))?
            }
        };
        let tls = identity::tls(&self, &file)?;
        let tokens = identity::tokens(&self, &file)?;
        let insecure_plaintext = identity::insecure_plaintext(&self, &file)?;
        let listen = self.listen.or(file.listen).unwrap_or_else(|| "127.0.0.1:50051".to_owned());
        let listen: SocketAddr = listen.parse().map_err(|_| BadConfig {
            key: "listen",
            must: format!("be an address and a port such as 127.0.0.1:50051, not `{listen}`"),
        })?;
        if tls.is_none() && !listen.ip().is_loopback() && !insecure_plaintext {
            let must = "be an address of this machine only (127.0.0.1), unless `tls_cert` is set; behind something that \
                        speaks TLS, `insecure_plaintext` allows plain text";
            return Err(BadConfig { key: "listen", must: must.to_owned() });
        }
        let url = self.database_url.or(file.database_url);
        let database_url = url.unwrap_or_else(|| "sqlite://sharehub.db".to_owned());
        let schemes = ["sqlite:", "postgres://", "postgresql://"];
        if !schemes.iter().any(|it| database_url.starts_with(it)) {
            // The value may hold a password: it is not repeated.
            let must = "begin with sqlite:// or postgres://".to_owned();
            return Err(BadConfig { key: "database_url", must });
        }
        let replica_url = self.replica_url.or(file.replica_url).filter(|it| !it.is_empty());
        let is_postgres = |it: &str| schemes.iter().skip(1).any(|scheme| it.starts_with(scheme));
        if replica_url.as_deref().is_some_and(|it| !is_postgres(it) || !is_postgres(&database_url))
        {
            let must = "begin with postgres://, as `database_url` does".to_owned();
            return Err(BadConfig { key: "replica_url", must });
        }
        let log = self.log.or(file.log).unwrap_or_else(|| "info".to_owned());
        if let Err(err) = log.parse::<tracing_subscriber::filter::Targets>() {
            let must = format!("be log directives such as `info`: {err}");
            return Err(BadConfig { key: "log", must });
        }
        let format = self.log_format.or(file.log_format);
        let log_json = match format.as_deref() {
            None | Some("text") => false,
            Some("json") => true,
            Some(other) => {
                let must = format!("be `text` or `json`, not `{other}`");
                return Err(BadConfig { key: "log_format", must });
            }
        };
        let otlp_endpoint = self.otlp_endpoint.or(file.otlp_endpoint).filter(|it| !it.is_empty());
        let is_url = |it: &String| {
            let uri = it.parse::<http::Uri>();
            uri.is_ok_and(|it| matches!(it.scheme_str(), Some("http" | "https")))
        };
        if otlp_endpoint.as_ref().is_some_and(|it| !is_url(it)) {
            let must = "be a URL such as http://127.0.0.1:4317".to_owned();
            return Err(BadConfig { key: "otlp_endpoint", must });
        }
        let usual = Limits::default();
        let call_ms = number("call_ms", self.call_ms.or(file.call_ms), 100..=600_000)?;
        let in_flight = number("in_flight", self.in_flight.or(file.in_flight), 1..=100_000)?;
        let bytes = self.message_bytes.or(file.message_bytes);
        let bytes = number("message_bytes", bytes, 1_024..=67_108_864)?;
        let watches = number("watches", self.watches.or(file.watches), 1..=100_000)?;
        let each = self.watches_per_system.or(file.watches_per_system);
        let each = number("watches_per_system", each, 1..=100_000)?;
        let kept = self.snapshot_mib.or(file.snapshot_mib);
        let kept = number("snapshot_mib", kept, 0..=65_536)?;
        let data_keys = self.data_keys.or(file.data_keys).filter(|it| !it.is_empty());
        let data_keys = data_keys.map(|it| match it.trim_start().starts_with("current") {
            true => Keys::parse(&it).and_then(|it| Vault::new(&it)),
            false => Vault::open_file(Path::new(&it)),
        });
        let data_keys =
            data_keys.transpose().map_err(|must| BadConfig { key: "data_keys", must })?;
        let places = self.connections.or(file.connections);
        let places = number("connections", places, 1..=1_000_000)?;
        let own = self.connections_per_system.or(file.connections_per_system);
        let own = number("connections_per_system", own, 1..=1_000_000)?;
        let age = self.connection_age_s.or(file.connection_age_s);
        let age = number("connection_age_s", age, 1..=2_592_000)?;
        let idle = self.connection_idle_s.or(file.connection_idle_s);
        let idle = number("connection_idle_s", idle, 1..=2_592_000)?;
        let seconds = |it: u32| Duration::from_secs(u64::from(it));
        let grace = self.audit_grace_s.or(file.audit_grace_s);
        let grace = number("audit_grace_s", grace, 0..=86_400)?;
        let audit_key = self.audit_key.or(file.audit_key);
        let is_nowhere =
            |it: &Path| it.parent().is_some_and(|it| !it.as_os_str().is_empty() && !it.is_dir());
        if audit_key.as_deref().is_some_and(is_nowhere) {
            let must = "name a file in a folder that exists".to_owned();
            return Err(BadConfig { key: "audit_key", must });
        }
        let audit_key = audit_key.unwrap_or_else(|| beside(&database_url));
        let size = |it: Option<u32>| it.and_then(|it| usize::try_from(it).ok());
        let limits = Limits {
            longest: call_ms.map_or(usual.longest, |it| Duration::from_millis(u64::from(it))),
            in_flight: size(in_flight).unwrap_or(usual.in_flight),
            message_bytes: size(bytes).unwrap_or(usual.message_bytes),
            watches: size(watches).unwrap_or(usual.watches),
            watches_each: size(each).unwrap_or(usual.watches_each),
            slow: usual.slow,
            kept_cells: size(kept).map_or(usual.kept_cells, |it| it << 20),
            connections: size(places).unwrap_or(usual.connections),
            connections_each: size(own).unwrap_or(usual.connections_each),
            connection_age: age.map_or(usual.connection_age, seconds),
            connection_idle: idle.map_or(usual.connection_idle, seconds),
            audit_grace: grace.map_or(usual.audit_grace, seconds),
        };
        Ok(Config {
            listen,
            database_url,
            replica_url,
            log,
            log_json,
            otlp_endpoint,
            limits,
            data_keys,
            tls,
            insecure_plaintext,
            tokens,
            audit_key,
        })
    }
}

/// Where the key of the audit log is, unless that is said: beside the store, if that is a file.
fn beside(database_url: &str) -> PathBuf {
    let path = database_url.strip_prefix("sqlite:").map(|it| it.trim_start_matches("//"));
    let path = path.map(|it| it.split_once('?').map_or(it, |(path, _)| path));
    match path {
        Some(path) => PathBuf::from(format!("{path}.audit-key")),
        None => PathBuf::from("sharehub.audit-key"),
    }
}

/// In a file, a number may be written as one, and so may what is true or false.
fn text_or_number<'de, D: Deserializer<'de>>(value: D) -> Result<Option<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Text(String),
        Number(i64),
        Truth(bool),
    }
    Ok(Some(match Either::deserialize(value)? {
        Either::Text(text) => text,
        Either::Number(number) => number.to_string(),
        Either::Truth(truth) => truth.to_string(),
    }))
}

fn number(
    key: &'static str,
    text: Option<String>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<Option<u32>, BadConfig> {
    let Some(text) = text else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        Ok(_) | Err(_) => {
            let (from, to) = range.into_inner();
            let must = format!("be a whole number from {from} to {to}, not `{text}`");
            Err(BadConfig { key, must })
        }
    }
}

#[cfg(test)]
mod tests;
