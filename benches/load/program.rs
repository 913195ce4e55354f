//! The hub as a process of its own, and what the system says of its memory.
use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use sharehub::{
    pb,
    personal::vault::{self, DataKeys},
};
use tonic::transport::{Channel, Endpoint};

use crate::{data::Key, with};

/// The keys that every hub of a store has, in files.
pub struct Secrets(tempfile::TempDir);

impl Secrets {
    pub fn new() -> Self {
        let secrets = Self(tempfile::tempdir().unwrap());
        vault::write(&secrets.data_keys(), &DataKeys::generate("bench")).unwrap();
        secrets
    }

    /// That of the audit log, which is made when it is opened first.
    pub fn audit_key(&self) -> PathBuf {
        self.0.path().join("audit-key")
    }

    fn data_keys(&self) -> PathBuf {
        self.0.path().join("data-keys.toml")
    }
}

/// A running `sharehub serve`.
#[derive(Clone)]
pub struct Program {
    channel: Channel,
    pid: u32,
    child: Arc<Mutex<Child>>,
}

impl Program {
    pub async fn serve(url: &str, secrets: &Secrets) -> Self {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let other = std::env::var("SHAREHUB_BENCH_PROGRAM").ok();
        let child = Command::new(other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_sharehub")))
            .args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--database-url", url])
            .args(["--log", "warn", "--audit-key"])
            .arg(secrets.audit_key())
            .arg("--data-keys")
            .arg(secrets.data_keys())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (pid, child) = (child.id(), Arc::new(Mutex::new(child)));
        let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
        for _ in 0..1_200 {
            if let Ok(channel) = endpoint.connect().await {
                return Self { channel, pid, child };
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the hub does not serve");
    }

    pub fn end(&self) {
        let mut child = self.child.lock().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub fn info(&self) -> pb::hub_service_client::HubServiceClient<Channel> {
        pb::hub_service_client::HubServiceClient::new(self.channel.clone())
    }

    pub fn units(&self) -> pb::unit_service_client::UnitServiceClient<Channel> {
        pb::unit_service_client::UnitServiceClient::new(self.channel.clone())
    }

    pub fn access(&self) -> pb::access_service_client::AccessServiceClient<Channel> {
        pb::access_service_client::AccessServiceClient::new(self.channel.clone())
    }

    pub fn indicators(&self) -> pb::indicator_service_client::IndicatorServiceClient<Channel> {
        pb::indicator_service_client::IndicatorServiceClient::new(self.channel.clone())
    }

    pub fn dossiers(&self) -> pb::dossier_service_client::DossierServiceClient<Channel> {
        pb::dossier_service_client::DossierServiceClient::new(self.channel.clone())
    }

    /// The newest revision.
    pub async fn head(&self, key: &Key) -> i64 {
        let info = self.info().get_info(with(key, pb::GetInfoRequest {})).await.unwrap();
        info.into_inner().newest.unwrap().number
    }

    /// A line of its status, in MiB: `VmRSS` now, `VmHWM` at its peak.
    pub fn memory(&self, line: &str) -> f64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap();
        let line = status.lines().find_map(|it| it.strip_prefix(line)).unwrap();
        let kib: f64 = line.trim_matches(|it: char| !it.is_ascii_digit()).parse().unwrap();
        kib / 1024.0
    }

    /// The peak is what comes from now on.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.pid), "5").unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if Arc::strong_count(&self.child) == 1 {
            drop(self.child.lock().map(|mut it| it.kill()));
        }
    }
}
