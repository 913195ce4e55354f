//! Certificates, authorities, revocation lists and keys that change under load: no call of a valid client fails.
//!
//! `SHAREHUB_TEST_ROTATIONS` says how often the whole round is done.
use std::{
    fs,
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use sharehub::{
    caller::SystemCode,
    pb,
    pki::{Authority, Pair, files::Folder},
};
use tokio::{task::JoinSet, time};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use crate::support::{
    client::{Client, Key},
    engine::{Store, scale},
    ledger::prepare_by,
    program::{Program, admin_key},
};

/// How a client connects and shows who it is, at a moment.
#[derive(Clone)]
struct Means {
    trusted: Vec<String>,
    pair: Option<(String, String)>,
    key: Key,
}

impl Means {
    fn connect(&self, program: &Program) -> Client {
        let trusted = self.trusted.iter().map(Certificate::from_pem);
        let mut tls = ClientTlsConfig::new().ca_certificates(trusted).domain_name("localhost");
        if let Some((cert, key)) = &self.pair {
            tls = tls.identity(Identity::from_pem(cert, key));
        }
        let endpoint = Endpoint::from_shared(format!("https://{}", program.address)).unwrap();
        let channel: Channel = endpoint.tls_config(tls).unwrap().connect_lazy();
        Client { channel, key: self.key.clone() }
    }
}

/// Clients that call without a pause, with the means of the moment.
struct Load {
    by_certificate: Arc<Mutex<Means>>,
    by_key: Arc<Mutex<Means>>,
    stop: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    connections: Arc<AtomicU64>,
    failed: Arc<Mutex<Vec<String>>>,
    tasks: JoinSet<()>,
}

impl Load {
    fn start(program: &Arc<Program>, by_certificate: Means, by_key: Means) -> Self {
        let mut load = Self {
            by_certificate: Arc::new(Mutex::new(by_certificate)),
            by_key: Arc::new(Mutex::new(by_key)),
            stop: Arc::default(),
            calls: Arc::default(),
            connections: Arc::default(),
            failed: Arc::default(),
            tasks: JoinSet::new(),
        };
        for i in 0..6 {
            let means = if i % 2 == 0 { &load.by_certificate } else { &load.by_key };
            let (means, program) = (Arc::clone(means), Arc::clone(program));
            let (stop, failed) = (Arc::clone(&load.stop), Arc::clone(&load.failed));
            let (calls, connections) = (Arc::clone(&load.calls), Arc::clone(&load.connections));
            load.tasks.spawn(async move {
                while !stop.load(Ordering::SeqCst) {
                    let client = means.lock().unwrap().connect(&program);
                    connections.fetch_add(1, Ordering::SeqCst);
                    // Some calls over each connection; some connections are kept longer than others.
                    for _ in 0..(i + 1) * 4 {
                        match client.access().who_am_i(pb::WhoAmIRequest {}).await {
                            Ok(_) => calls.fetch_add(1, Ordering::SeqCst),
                            Err(err) => {
                                failed.lock().unwrap().push(format!("client {i}: {err:?}"));
                                return;
                            }
                        };
                        time::sleep(Duration::from_millis(5)).await;
                    }
                }
            });
        }
        load
    }

    /// Nothing has failed so far, and calls are made.
    async fn goes_on(&self, what: &str) {
        let before = self.calls.load(Ordering::SeqCst);
        // As long as the hub may take to see a change, and connections to be made anew.
        time::sleep(Duration::from_millis(3_000)).await;
        let failed = self.failed.lock().unwrap();
        assert!(failed.is_empty(), "{what}: {failed:?}");
        assert!(self.calls.load(Ordering::SeqCst) > before + 20, "{what}: there is no load");
    }
}

fn text(path: &Path, name: &str) -> String {
    fs::read_to_string(path.join(name)).unwrap()
}

fn put(path: &Path, name: &str, text: &str) {
    let beside = path.join(format!(".{name}.beside"));
    fs::write(&beside, text).unwrap();
    fs::rename(beside, path.join(name)).unwrap();
}

fn pair(it: &Pair) -> Option<(String, String)> {
    Some((it.cert.clone(), it.key.clone()))
}

/// Changes over to another authority.
async fn change_over(
    pki: &Path,
    program: &Program,
    load: &mut Load,
    authority: &Authority,
) -> Authority {
    let publisher = SystemCode::parse("publisher").unwrap();
    // Another authority: first both are trusted, then everybody changes over, then the old one goes.
    let next = Authority::new().unwrap();
    let both = format!("{}{}", authority.own.cert, next.own.cert);
    let lists = format!("{}{}", authority.revoke(&[]).unwrap(), next.revoke(&[]).unwrap());
    put(pki, "crl.pem", &lists);
    put(pki, "clients.pem", &both);
    for means in [&load.by_certificate, &load.by_key] {
        means.lock().unwrap().trusted = vec![authority.own.cert.clone(), next.own.cert.clone()];
    }
    load.goes_on("two authorities").await;
    load.by_certificate.lock().unwrap().pair = pair(&next.client(&publisher).unwrap());
    renew(pki, &next);
    load.goes_on("certificates of the new one").await;
    put(pki, "crl.pem", &next.revoke(&[]).unwrap());
    put(pki, "clients.pem", &next.own.cert);
    load.goes_on("the new one alone").await;
    // The old one's certificates are worth nothing now.
    let late = Means {
        trusted: vec![next.own.cert.clone()],
        pair: pair(&authority.client(&publisher).unwrap()),
        key: Key(None),
    };
    late.connect(program).access().who_am_i(pb::WhoAmIRequest {}).await.unwrap_err();
    next
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_is_changed_fails_a_valid_call() {
    let rounds: u32 = scale("SHAREHUB_TEST_ROTATIONS", 1);
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new().await;
    fs::write(dir.path().join("url"), &store.url).unwrap();
    let admin = admin_key(dir.path()).await;
    let pki = dir.path().join("pki");
    let publisher = SystemCode::parse("publisher").unwrap();
    let folder = Folder::open(&pki).unwrap();
    let administrator = SystemCode::parse("admin").unwrap();
    folder.issue(&[], &[publisher.clone(), administrator]).unwrap();
    let flag = |name: &str, file: &str| format!("--{name}={}", pki.join(file).display());
    let flags = [
        flag("tls-cert", "server.pem"),
        flag("tls-key", "server-key.pem"),
        flag("tls-client-ca", "clients.pem"),
        flag("tls-client-crl", "crl.pem"),
    ];
    put(&pki, "clients.pem", &text(&pki, "ca.pem"));
    let mut flags: Vec<_> = flags.iter().map(String::as_str).collect();
    flags.extend(["--connections-per-system", "1000"]);
    let program = Arc::new(Program::serve(dir.path(), &flags).await);
    let log = || fs::read_to_string(&program.log).unwrap();
    let mut authority = Authority::from_key(&text(&pki, "ca-key.pem")).unwrap();
    let keyed = |key: &str| Means {
        trusted: vec![text(&pki, "ca.pem")],
        pair: None,
        key: Key(Some(key.to_owned())),
    };
    let pair = |system: &str| {
        let (cert, key) = (format!("{system}.pem"), format!("{system}-key.pem"));
        Some((text(&pki, &cert), text(&pki, &key)))
    };
    let by_admin = Means { pair: pair("admin"), key: Key(None), ..keyed("") }.connect(&program);
    let (mut key, _) = prepare_by(&by_admin, keyed("").connect(&program).channel).await;
    let own = pair("publisher").unwrap();
    let by_certificate = Means { pair: Some(own), key: Key(None), ..keyed("") };
    let mut load = Load::start(&program, by_certificate, keyed(&key));
    load.goes_on("at first").await;
    for _ in 0..rounds {
        // The hub's certificate, first one that cannot be used.
        let good = text(&pki, "server.pem");
        put(&pki, "server.pem", "-----BEGIN CERTIFICATE-----\nnothing\n");
        load.goes_on("a broken certificate").await;
        let kept = log().matches("TLS stays as it was").count();
        assert!(kept > 0, "nobody was told");
        put(&pki, "server.pem", &good);
        renew(&pki, &authority);
        load.goes_on("a new certificate").await;
        // A list that revokes somebody else.
        let old = authority.client(&publisher).unwrap();
        put(&pki, "crl.pem", &authority.revoke(std::slice::from_ref(&old.serial)).unwrap());
        load.goes_on("a new list").await;
        authority = change_over(&pki, &program, &mut load, &authority).await;
        // A key: the second lives beside the first until everybody has it.
        let admin = Means { trusted: vec![authority.own.cert.clone()], ..keyed(&admin) };
        let issue = pb::IssueKeyRequest {
            system: "publisher".to_owned(),
            expires_at: None,
            ..Default::default()
        };
        let issued = admin.connect(&program).access().issue_key(issue).await.unwrap();
        let newer = issued.into_inner().key;
        load.by_key.lock().unwrap().key = Key(Some(newer.clone()));
        load.goes_on("a new key").await;
        let key_id = key.split('_').nth(1).unwrap().to_owned();
        let revoke = pb::RevokeKeyRequest { key_id, ..Default::default() };
        admin.connect(&program).access().revoke_key(revoke).await.unwrap();
        key = newer;
        load.goes_on("the new key alone").await;
    }
    load.stop.store(true, Ordering::SeqCst);
    while let Some(ended) = load.tasks.join_next().await {
        ended.unwrap();
    }
    let (calls, connections) = (&load.calls, &load.connections);
    println!("{rounds} rounds: {calls:?} calls over {connections:?} connections, none failed");
    assert!(load.failed.lock().unwrap().is_empty());
}

/// A new certificate of an authority for the hub, in two files that are written one after the other.
fn renew(pki: &Path, authority: &Authority) {
    let names = crate::support::pki::names();
    let server = authority.server(&names).unwrap();
    put(pki, "server-key.pem", &server.key);
    put(pki, "server.pem", &server.cert);
}
