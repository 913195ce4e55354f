//! What the hub takes of memory, as a process of its own: idle, and with 1,000 watches open.
use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::Duration,
};

use sharehub::{pb, wire::codec::Codec};
use tonic::{Request, client::Grpc, codegen::http::uri::PathAndQuery, transport::Endpoint};

use crate::{
    engine::Engine,
    stage::{self, Stage},
};

const WATCHES: usize = 1_000;
/// Watches on one connection, which carries at most 100.
const EACH: usize = 80;

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Program {
    /// Resident memory now, and at most so far, in MiB.
    fn memory(&self) -> (u64, u64) {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap();
        let of = |name: &str| -> u64 {
            let line = status.lines().find(|it| it.starts_with(name)).unwrap();
            line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
        };
        (of("VmRSS:"), of("VmHWM:"))
    }
}

pub async fn memory(engine: &Engine) {
    let stage = Stage::new(engine, "memory").await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let listen = format!("127.0.0.1:{port}");
    let mut command = Command::new(env!("CARGO_BIN_EXE_sharehub"));
    command.args(["serve", "--listen", &listen, "--database-url", &stage.url, "--log", "warn"]);
    // That of the store's audit log.
    let key = tempfile::tempdir().unwrap();
    command.args(["--audit-key".as_ref(), stage::audit_key(key.path()).as_os_str()]);
    command.args(["--watches-per-system", "2000"]).stdout(Stdio::null());
    let program = Program(command.spawn().unwrap());
    let endpoint = Endpoint::from_shared(format!("http://{listen}")).unwrap();
    let mut channels = Vec::new();
    while channels.len() < WATCHES.div_ceil(EACH) {
        match endpoint.connect().await {
            Ok(channel) => channels.push(channel),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    // What it does at its start is over.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (idle, idle_most) = program.memory();
    let mut watches = Vec::new();
    for i in 0..WATCHES {
        let mut client = Grpc::new(channels[i % channels.len()].clone());
        client.ready().await.unwrap();
        let from = Some(pb::watch_request::From::Now(true));
        let about = pb::watch_filter::About::Indicators(pb::IndicatorFilter::default());
        let filters = vec![pb::WatchFilter { about: Some(about) }];
        let mut req = Request::new(pb::WatchRequest { filters, from, ..Default::default() });
        *req.metadata_mut() = stage.ioc.clone();
        let path = PathAndQuery::from_static("/sharehub.v1.FeedService/Watch");
        let codec = Codec::<pb::WatchRequest, pb::WatchResponse>::default();
        let mut messages = client.server_streaming(req, path, codec).await.unwrap().into_inner();
        watches
            .push(tokio::spawn(async move { while let Ok(Some(_)) = messages.message().await {} }));
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    let open = watches.iter().filter(|it| !it.is_finished()).count();
    let (watched, watched_most) = program.memory();
    println!("\n### Memory of the hub, {}\n", engine.name());
    println!("| | resident MiB | at most MiB |");
    println!("|---|---|---|");
    println!("| idle, with the reference data | **{idle}** | {idle_most} |");
    println!("| {open} watches open | **{watched}** | {watched_most} |");
    for watch in watches {
        watch.abort();
    }
}
