//! The program among many: connections that are idle, slow, too many or that want too much, and a stop in the midst
//! of them.
//!
//! `SHAREHUB_TEST_WATCHES=1000`, `SHAREHUB_TEST_IDLE=3000` and `SHAREHUB_TEST_SLOW=300` are the full sizes.
use std::{
    fs,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use sharehub::pb;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
    time::{self, Instant},
};

use crate::support::{
    client::{Client, Key},
    engine::{Store, scale},
    frames::{HELLO, frame, head},
    hub::Hub,
    ledger::{Book, check_standing, entry, prepare, publisher, standing},
    program::{Program, admin_key, command, memory},
};

/// Watches that one connection may have open.
const EACH: usize = 90;

/// A program on a store of its own, the key of its publisher, and the units that this publishes for.
async fn begin(dir: &std::path::Path, more: &[&str]) -> (Program, Store, String, Vec<i64>) {
    let store = Store::new().await;
    fs::write(dir.join("url"), &store.url).unwrap();
    let admin = admin_key(dir).await;
    let program = Program::serve(dir, more).await;
    let (key, units) = prepare(&program.as_(&admin)).await;
    (program, store, key, units)
}

/// Opens a watch on all indicators.
async fn watch(
    client: &Client,
    from: pb::watch_request::From,
) -> tonic::Streaming<pb::WatchResponse> {
    let about = pb::watch_filter::About::Indicators(pb::IndicatorFilter {
        indicators: vec!["*".to_owned()],
        ..Default::default()
    });
    let filters = vec![pb::WatchFilter { about: Some(about) }];
    let request = pb::WatchRequest { filters, from: Some(from), bookmark_seconds: 0 };
    client.feed().watch(request).await.unwrap().into_inner()
}

// === stopping ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_with_many_watches_stops_in_time_and_loses_nothing() {
    let watches: usize = scale("SHAREHUB_TEST_WATCHES", 100);
    let dir = tempfile::tempdir().unwrap();
    let more = ["--watches-per-system", "2000", "--log", "warn,sharehub=info"];
    let (mut program, _store, key, units) = begin(dir.path(), &more).await;
    let mut watching = JoinSet::new();
    for begun in (0..watches).step_by(EACH) {
        let client = program.as_(&key);
        for _ in begun..watches.min(begun + EACH) {
            let mut it = watch(&client, pb::watch_request::From::Now(true)).await;
            it.message().await.unwrap().unwrap();
            watching.spawn(async move {
                let mut seen = 0_u32;
                while let Ok(Some(_)) = it.message().await {
                    seen += 1;
                }
                seen
            });
        }
    }
    let (book, units) = (Arc::new(Mutex::new(Book::default())), Arc::new(units));
    let mut publishing = JoinSet::new();
    for i in 0..4_u32 {
        let (client, units, book) = (program.as_(&key), Arc::clone(&units), Arc::clone(&book));
        let rng = StdRng::seed_from_u64(i.into());
        publishing.spawn(publisher(client, units, book, format!("p{i}"), rng));
    }
    time::sleep(Duration::from_secs(1)).await;
    assert_eq!(watching.len(), watches);
    let began = Instant::now();
    program.terminate();
    let status = program.ended(Duration::from_secs(12)).await;
    let took = began.elapsed();
    println!("{watches} watches: out in {took:?}");
    assert_eq!(status.code(), Some(0), "{status:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    publishing.join_all().await;
    let seen: u32 = watching.join_all().await.into_iter().sum();
    assert!(seen > 0, "nobody was sent anything");
    let program = Program::serve(dir.path(), &more).await;
    let there = standing(&program.as_(&key)).await;
    let book = book.lock().unwrap();
    assert!(!book.acknowledged.is_empty(), "nothing was published");
    check_standing(&book, &there);
}

// === idle ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_are_closed_however_many() {
    let many: usize = scale("SHAREHUB_TEST_IDLE", 300);
    let dir = tempfile::tempdir().unwrap();
    let more = ["--connection-idle-s", "2"];
    let (program, _store, key, _) = begin(dir.path(), &more).await;
    let began = Instant::now();
    let mut idle = JoinSet::new();
    for i in 0..many {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        idle.spawn(async move {
            // Half of them say nothing at all, the others only that they are there.
            if i % 2 == 0 {
                stream.write_all(HELLO).await.unwrap();
            }
            let mut buf = [0; 1_024];
            while matches!(stream.read(&mut buf).await, Ok(1..)) {}
        });
    }
    println!("{many} connected in {:?}", began.elapsed());
    let all = time::timeout(Duration::from_secs(40), idle.join_all());
    all.await.expect("idle connections stay");
    println!("{many} closed in {:?}", began.elapsed());
    let info = program.as_(&key).info().get_info(pb::GetInfoRequest {}).await;
    info.unwrap();
}

// === descriptors ===

/// Processor time that a process has used, in ticks of 10 ms.
fn ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<_> = rest.split(' ').collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hub_without_descriptors_waits_quietly_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new().await;
    fs::write(dir.path().join("url"), &store.url).unwrap();
    let admin = admin_key(dir.path()).await;
    let limited = {
        let program = command(dir.path());
        let mut limited = std::process::Command::new("sh");
        limited.env_clear().current_dir(dir.path()).stdin(std::process::Stdio::null());
        limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited.args(["-c", r#"ulimit -n 128; exec "$@""#, "sh"]).arg(program.get_program());
        limited
    };
    let program = Program::run(limited, dir.path(), &[]).await;
    let mut held = Vec::new();
    for _ in 0..400 {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(HELLO).await.unwrap();
        held.push(stream);
    }
    let said = async || {
        let log = fs::read_to_string(&program.log).unwrap();
        log.matches("connections cannot be taken in").count()
    };
    let last = Instant::now() + Duration::from_secs(10);
    while said().await == 0 {
        assert!(Instant::now() < last, "it has descriptors for all");
        time::sleep(Duration::from_millis(20)).await;
    }
    let (before, began) = (ticks(program.id()), Instant::now());
    time::sleep(Duration::from_secs(4)).await;
    let used = ticks(program.id()) - before;
    let share = 0.01 * used as f64 / began.elapsed().as_secs_f64();
    println!("without descriptors: {:.1} % of a core", share * 100.0);
    // The figures are for a quiet machine; that it neither spins nor stays away shows on a busy one too.
    assert!(share <= 0.5, "{share}");
    drop(held);
    let began = Instant::now();
    let who = program.as_(&admin).access().who_am_i(pb::WhoAmIRequest {}).await;
    println!("back in {:?}", began.elapsed());
    who.unwrap();
    assert!(began.elapsed() <= Duration::from_secs(10), "{:?}", began.elapsed());
    assert_eq!(said().await, 1, "it is said once");
}

// === streams ===

#[tokio::test]
async fn one_connection_holds_no_more_than_its_streams() {
    let hub = Hub::start().await;
    let Key(key) = hub.admin().key;
    let block = head("/sharehub.v1.UnitService/GetUnit", key.as_deref());
    let mut stream = TcpStream::connect(hub.address).await.unwrap();
    stream.write_all(HELLO).await.unwrap();
    // Calls whose message never comes.
    for i in 0..220_u32 {
        stream.write_all(&frame(1, 4, 2 * i + 1, &block)).await.unwrap();
    }
    let mut refused = 0;
    let mut said = None;
    let mut header = [0; 9];
    while let Ok(Ok(_)) =
        time::timeout(Duration::from_secs(1), stream.read_exact(&mut header)).await
    {
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        stream.read_exact(&mut payload).await.unwrap();
        match header[3] {
            // REFUSED_STREAM
            3 if payload == [0, 0, 0, 7] => refused += 1,
            4 if said.is_none() => {
                let setting = payload.chunks(6).find(|it| it[..2] == [0, 3]);
                said = setting.map(|it| u32::from_be_bytes([it[2], it[3], it[4], it[5]]));
            }
            _ => {}
        }
    }
    assert_eq!((said, refused), (Some(100), 120));
    // Others are served meanwhile.
    let other = Hub::narrow(&hub, &hub.admin(), 65_535);
    other.info().get_info(pb::GetInfoRequest {}).await.unwrap();
}

// === slow readers ===

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_readers_cost_little() {
    let readers: usize = scale("SHAREHUB_TEST_SLOW", 8);
    const STREAMS: usize = 6;
    let dir = tempfile::tempdir().unwrap();
    let more = ["--watches-per-system", "2000", "--connections-per-system", "1000"];
    let (program, _store, key, units) = begin(dir.path(), &more).await;
    let source = program.as_(&key);
    for batch in 0..5_u32 {
        let observations =
            (batch * 1_000..(batch + 1) * 1_000).map(|it| entry(&units, it)).collect();
        let request = pb::PublishObservationsRequest { observations, ..Default::default() };
        source.indicators().publish_observations(request).await.unwrap();
    }
    let memory = |line: &str| memory(program.id(), line);
    let before = memory("VmRSS");
    let address: SocketAddr = program.address;
    let mut held = Vec::new();
    for _ in 0..readers {
        let endpoint =
            tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client = Client { channel: endpoint.connect_lazy(), key: source.key.clone() };
        for _ in 0..STREAMS {
            // The whole state is on its way to somebody who takes none of it.
            held.push(watch(&client, pb::watch_request::From::Beginning(true)).await);
        }
    }
    let mut peak = before;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(5) {
        peak = memory("VmRSS").max(peak);
        // Others are answered meanwhile; how soon, a debug build on two cores does not say.
        let mut asked = source.info();
        let answer = asked.get_info(pb::GetInfoRequest {});
        time::timeout(Duration::from_secs(60), answer).await.unwrap().unwrap();
        time::sleep(Duration::from_millis(50)).await;
    }
    println!("{} slow watches: from {before} MiB to {peak} MiB", held.len());
    assert!(peak - before <= 400, "{before} to {peak} MiB");
}
