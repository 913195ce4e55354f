//! Takes changed certificates, revocation lists and keys into use while the hub runs.
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    time,
};
use tokio_util::sync::CancellationToken;

use super::tls::{Files, Tls};
use crate::{
    caller::token::{self, Tokens},
    personal::vault::Vault,
    time::Timestamp,
};

/// How often the files are looked at. A change is taken up when two looks saw the same: who writes two files is given
/// the time to do so.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is said that a list of what was revoked is late.
const WARN: Duration = Duration::from_secs(60 * 60);

/// What is read from files that may change.
#[derive(Debug, Default)]
pub struct Reload {
    /// TLS files, and the watch channel that announces changes.
    pub tls: Option<(Files, watch::Sender<Arc<Tls>>)>,
    /// The token issuer's settings, and its readers.
    pub tokens: Option<(token::IssuerSettings, Arc<Tokens>)>,
    /// The keys of personal data.
    pub data_keys: Vault,
}

/// Hears SIGHUP from now on, so that none ends the program; what comes before [`Reload::run`] is heard then.
pub fn hangup() -> io::Result<Signal> {
    signal(SignalKind::hangup())
}

/// What tells one version of a file from another, without reading it.
type Stamp = Option<(u64, u64, i64, i64)>;

fn stamp(path: &Path) -> Stamp {
    let it = fs::metadata(path).ok()?;
    Some((it.ino(), it.size(), it.mtime(), it.mtime_nsec()))
}

impl Reload {
    /// Looks until `stop`. SIGHUP makes it look at once, and read everything anew.
    pub async fn run(self, mut hangup: Signal, stop: CancellationToken) {
        let mut warned: Option<Instant> = None;
        let (mut used, mut seen) = (self.stamps(), self.stamps());
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = hangup.recv() => {
                    self.load();
                    (used, seen) = (self.stamps(), self.stamps());
                }
                () = time::sleep(LOOK) => {
                    if warned.is_none_or(|it| it.elapsed() >= WARN) && self.is_list_late() {
                        warned = Some(Instant::now());
                        tracing::error!(
                            "`tls_client_crl` should have been replaced by now: what was revoked since is accepted"
                        );
                    }
                    let now = self.stamps();
                    if now != used && now == seen {
                        self.load();
                        used.clone_from(&now);
                    }
                    seen = now;
                }
            }
        }
    }

    fn paths(&self) -> impl Iterator<Item = &PathBuf> {
        let tls = self.tls.iter().flat_map(|(files, _)| files.paths());
        let tokens = self.tokens.iter().map(|(settings, _)| &settings.keys);
        tls.chain(tokens).chain(self.data_keys.file())
    }

    fn is_list_late(&self) -> bool {
        let list = self.tls.as_ref().and_then(|(_, tls)| tls.borrow().next_list_at);
        list.is_some_and(|it| it < Timestamp::now())
    }

    fn stamps(&self) -> Vec<Stamp> {
        self.paths().map(|it| stamp(it)).collect()
    }

    /// Reads everything. What cannot be used leaves in use what was.
    fn load(&self) {
        if let Some((files, told)) = &self.tls {
            match files.load() {
                Ok(tls) => {
                    told.send_replace(Arc::new(tls));
                    tracing::info!("certificates and revocation lists were read anew");
                }
                Err(err) => tracing::error!(error = %err, "TLS stays as it was"),
            }
        }
        if let Some((settings, tokens)) = &self.tokens {
            match settings.load() {
                Ok(issuer) => {
                    tokens.accept(issuer);
                    tracing::info!("the keys of the issuer of tokens were read anew");
                }
                Err(err) => tracing::error!(error = %err, "the issuer of tokens stays as it was"),
            }
        }
        if self.data_keys.file().is_some() {
            match self.data_keys.reload() {
                Ok(()) => tracing::info!("the data keys were read anew"),
                Err(why) => tracing::error!("the data keys stay as they were: the file must {why}"),
            }
        }
    }
}
