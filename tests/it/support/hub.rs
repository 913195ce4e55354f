//! A real hub on a free port, with a store of its own, and clients that call it as somebody.
use std::{fs, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use axum::middleware::from_fn;
use sharehub::{
    access::{Access, queries::Issue},
    caller::SystemCode,
    db::{Db, Options},
    hub,
    limits::Limits,
    log::key::Key as AuditKey,
    pb,
    personal::vault::{DataKeys, Vault},
    pki::Pair,
    server::{self, Slices, tls::Tls},
    stack::measure::Meter,
};
use tokio::{
    net::TcpListener,
    sync::{OnceCell, watch},
    task::JoinHandle,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;
use tonic::{
    Code, Status,
    transport::{Channel, Endpoint},
};

use crate::support::{
    canary::guard,
    client::{Client, Grants, Key, current, every_capital, update_of},
    engine::{Store, is_postgres},
    pki::PKI,
};

/// Limits for tests: a debug build beside other tests may be slow.
pub fn slow() -> Limits {
    Limits { longest: Duration::from_secs(120), ..Limits::default() }
}

/// The same keys of personal data for every hub.
pub fn vault() -> Vault {
    Vault::new(&DataKeys::parse(&data_keys()).unwrap()).unwrap()
}

/// As they are written.
pub fn data_keys() -> String {
    let same = "q6urq6urq6urq6urq6urq6urq6urq6urq6urq6urq6s=";
    format!("current = \"test\"\nindex = \"{same}\"\n[keys]\ntest = \"{same}\"\n")
}

/// What the key of every audit log of the tests is made from.
pub const AUDIT_SEED: [u8; 32] = [7; 32];

/// The key of every audit log of the tests.
pub fn audit_key() -> AuditKey {
    AuditKey::from_seed(&AUDIT_SEED).unwrap()
}

/// A running hub.
pub struct Hub {
    pub address: SocketAddr,
    pub hub: Arc<hub::Hub>,
    pub access: Arc<Access>,
    pub slices: Slices,
    pub meter: Arc<Meter>,
    pub channel: Channel,
    stop: CancellationToken,
    serving: JoinHandle<()>,
    admin: String,
    pub store: Arc<Store>,
    /// Changes its TLS, where it has any.
    pub tls: Option<watch::Sender<Arc<Tls>>>,
    /// Where a hub that speaks plain text takes certificates as well, once somebody shows one.
    secure: OnceCell<SocketAddr>,
}

impl Hub {
    /// A hub with the reference data in it.
    pub async fn start() -> Self {
        Self::with(slow()).await
    }

    /// The same, with other limits.
    pub async fn with(limits: Limits) -> Self {
        let store = Arc::new(Store::new().await);
        let options = Options::new(&store.url);
        Self::open(store, options, limits).await
    }

    /// A hub that speaks TLS, and takes certificates of the tests' authority (see `pki.rs`). Who has a key calls it
    /// as usual; who has a certificate, by `with_certificate`.
    pub async fn start_tls() -> Self {
        Self::tls_with(slow()).await
    }

    /// The same, with other limits.
    pub async fn tls_with(limits: Limits) -> Self {
        let store = Arc::new(Store::new().await);
        let options = Options { vault: vault(), ..Options::new(&store.url) };
        let (slices, admin) = Self::make(options, limits).await;
        Self::serve(slices, admin, store, Some(PKI.tls(&[]))).await
    }

    /// On this store, opened so.
    pub async fn open(store: impl Into<Arc<Store>>, options: Options, limits: Limits) -> Self {
        let options = Options { vault: vault(), ..options };
        let (slices, admin) = Self::make(options, limits).await;
        Self::serve(slices, admin, store.into(), None).await
    }

    /// On this store, with these keys of personal data.
    pub async fn open_sealed(store: impl Into<Arc<Store>>, vault: Vault) -> Self {
        let store = store.into();
        let options = Options { vault, ..Options::new(&store.url) };
        let (slices, admin) = Self::make(options, slow()).await;
        Self::serve(slices, admin, store, None).await
    }

    /// On a copy of a store that is kept in a folder, with the keys that lie beside it.
    pub async fn open_kept(folder: &Path) -> Self {
        let store = Store::kept(folder).await;
        let beside = |name: &str| {
            let engine = if is_postgres() { "postgres" } else { "sqlite" };
            folder.join(format!("{engine}.{name}"))
        };
        let keys = fs::read_to_string(beside("data-keys.toml")).unwrap();
        let vault = Vault::new(&DataKeys::parse(&keys).unwrap()).unwrap();
        let options = Options { vault, ..Options::new(&store.url) };
        let key = AuditKey::open(&beside("audit-key.pem")).unwrap();
        let (slices, admin) = Self::make_with(options, slow(), key).await;
        Self::serve(slices, admin, Arc::new(store), None).await
    }

    async fn make(options: Options, limits: Limits) -> (Slices, String) {
        Self::make_with(options, limits, audit_key()).await
    }

    async fn make_with(options: Options, limits: Limits, key: AuditKey) -> (Slices, String) {
        let db = Db::open_with(options).await.unwrap();
        let (slices, _committer) = server::start(db, limits, key).await.unwrap();
        let admin = SystemCode::parse("admin").unwrap();
        let (admin, ..) = sharehub::access::store::issue_key(
            &slices.hub,
            Issue { system: admin, expires_at: None },
        )
        .await
        .unwrap();
        (slices, admin)
    }

    /// Another hub on the same store.
    pub async fn another(&self) -> Self {
        self.sealed_beside(vault()).await
    }

    /// The same, with these keys of personal data.
    pub async fn sealed_beside(&self, vault: Vault) -> Self {
        let options = Options { vault, ..Options::new(&self.store.url) };
        let db = Db::open_with(options).await.unwrap();
        let (slices, _committer) = server::start(db, self.hub.limits, audit_key()).await.unwrap();
        let tls = self.tls.as_ref().map(|it| it.borrow().as_ref().clone());
        Self::serve(slices, self.admin.clone(), Arc::clone(&self.store), tls).await
    }

    async fn serve(slices: Slices, admin: String, store: Arc<Store>, tls: Option<Tls>) -> Self {
        let meter = Arc::<Meter>::default();
        let (services, health) = server::services(&slices, &meter).await.unwrap();
        let (hub, access) = (Arc::clone(&slices.hub), Arc::clone(&slices.access));
        let services = services.layer(from_fn(guard));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stop = hub.stopping.clone();
        let mut door = server::Endpoint::new(listener, &hub.limits, Arc::clone(&access.refusals));
        let tls = tls.map(|it| watch::Sender::new(Arc::new(it)));
        door.tls = tls.as_ref().map(watch::Sender::subscribe);
        let serving = tokio::spawn(server::serve(door, services, health, stop.clone()));
        let channel = match &tls {
            None => Endpoint::from_shared(format!("http://{address}")).unwrap().connect_lazy(),
            Some(_) => PKI.channel(address, None),
        };
        let secure = OnceCell::new();
        Self {
            address,
            hub,
            access,
            slices,
            meter,
            channel,
            stop,
            serving,
            admin,
            store,
            tls,
            secure,
        }
    }

    /// Where it takes certificates: its own port, or a second one where that speaks plain text.
    pub async fn secure(&self) -> SocketAddr {
        if self.tls.is_some() {
            return self.address;
        }
        let open = async || {
            let (services, health) = server::services(&self.slices, &self.meter).await.unwrap();
            let services = services.layer(from_fn(guard));
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let refusals = Arc::clone(&self.access.refusals);
            let mut door = server::Endpoint::new(listener, &self.hub.limits, refusals);
            let (tls, follow) = watch::channel(Arc::new(PKI.tls(&[])));
            door.tls = Some(follow);
            let stop = self.stop.clone();
            tokio::spawn(async move {
                server::serve(door, services, health, stop).await;
                drop(tls);
            });
            address
        };
        *self.secure.get_or_init(open).await
    }

    /// Whoever shows a new certificate of this system, over a connection of its own; also to a hub that speaks plain
    /// text to others.
    pub async fn by_certificate(&self, system: &str) -> Client {
        let endpoint = PKI.endpoint(self.secure().await, Some(&PKI.client(system)));
        Client { channel: endpoint.connect_lazy(), key: Key(None) }
    }

    /// Whoever shows a new certificate of this system, over a connection of its own. The hub must speak TLS.
    pub fn with_certificate(&self, system: &str) -> Client {
        self.showing(&PKI.client(system))
    }

    /// Whoever shows this certificate, over a connection of its own.
    pub fn showing(&self, pair: &Pair) -> Client {
        assert!(self.tls.is_some(), "the hub speaks plain text: start it by `start_tls`");
        Client { channel: PKI.channel(self.address, Some(pair)), key: Key(None) }
    }

    /// Registers a system with these grants, and is it by a certificate. The hub must speak TLS.
    pub async fn certified(&self, code: &str, grants: Grants) -> Client {
        self.register(code, grants).await;
        self.with_certificate(code)
    }

    /// Asks the hub to stop, and waits until it has.
    pub async fn stop(self) {
        self.stop.cancel();
        self.serving.await.unwrap();
    }

    /// A system by a new certificate, over a connection that takes only so many bytes of an answer before they are
    /// read.
    pub async fn narrow_by_certificate(&self, system: &str, bytes: u32) -> Client {
        let endpoint = PKI.endpoint(self.secure().await, Some(&PKI.client(system)));
        let channel = endpoint.initial_stream_window_size(bytes).connect_lazy();
        Client { channel, key: Key(None) }
    }

    /// Somebody over a connection of its own that takes only so many bytes of an answer before they are read.
    pub fn narrow(&self, client: &Client, bytes: u32) -> Client {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        let channel = endpoint.initial_stream_window_size(bytes).connect_lazy();
        Client { channel, key: client.key.clone() }
    }

    /// Registers a system, or what it may do from now on.
    pub async fn register(&self, code: &str, grants: Grants) {
        self.register_with(code, grants, Vec::new()).await;
    }

    async fn register_with(&self, code: &str, grants: Grants, statuses: Vec<pb::StatusMapping>) {
        let mut access = self.steward().access();
        let registration = pb::RegisterSystemRequest {
            code: code.to_owned(),
            name: code.to_owned(),
            grants: Some(grants.grants()),
            statuses,
            ..Default::default()
        };
        if let Err(status) = access.register_system(registration.clone()).await {
            assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
            access.update_system(update_of(registration)).await.unwrap();
        }
        self.agree(code, grants.agreements(code)).await;
    }

    /// Makes these the agreements of a system.
    pub async fn agree(&self, system: &str, agreements: Vec<pb::Agreement>) {
        let mut access = self.steward().access();
        let list = pb::ListAgreementsRequest { system: system.to_owned(), ..Default::default() };
        let known = access.list_agreements(list).await.unwrap().into_inner().agreements;
        for code in known.into_iter().map(|it| it.code) {
            if agreements.iter().all(|it| it.code != code) {
                let revoke = pb::RevokeAgreementRequest { code, ..Default::default() };
                access.revoke_agreement(revoke).await.unwrap();
            }
        }
        for agreement in agreements {
            self.grant(agreement).await;
        }
    }

    /// Makes an agreement, or replaces the one under its code. Whoever publishes dossiers after another one has the
    /// codes that begin with its own name.
    pub async fn grant(&self, mut agreement: pb::Agreement) {
        let mut access = self.steward().access();
        let request = |it: &pb::Agreement| pb::GrantAgreementRequest {
            agreement: Some(it.clone()),
            ..Default::default()
        };
        let mut granted = access.grant_agreement(request(&agreement)).await;
        if let Err(status) = &granted
            && status.message().contains("dossier_codes")
            && agreement.dossier_codes == every_capital()
        {
            agreement.dossier_codes = vec![format!("{}.", agreement.system)];
            granted = access.grant_agreement(request(&agreement)).await;
        }
        let Err(status) = granted else { return };
        let grant = request(&agreement);
        assert_eq!(status.code(), Code::AlreadyExists, "{status:?}");
        let expected_revision = Some(current(&status));
        let replace = pb::GrantAgreementRequest { expected_revision, ..grant };
        access.grant_agreement(replace).await.unwrap();
    }

    /// The administrator.
    pub fn admin(&self) -> Client {
        self.as_(&self.admin)
    }

    /// The administrator, by a certificate where the hub takes them: what hands out rights asks for one.
    pub fn steward(&self) -> Client {
        if self.tls.is_some() { self.with_certificate("admin") } else { self.admin() }
    }

    /// Whoever holds this key.
    pub fn as_(&self, key: &str) -> Client {
        Client { channel: self.channel.clone(), key: Key(Some(key.to_owned())) }
    }

    /// Nobody: no key is sent.
    pub fn nobody(&self) -> Client {
        Client { channel: self.channel.clone(), key: Key(None) }
    }

    /// Registers a system with these grants, and is it: by a key, or by a certificate if it is to see personal data.
    pub async fn system(&self, code: &str, grants: Grants) -> Client {
        self.system_with(code, grants, Vec::new()).await
    }

    /// The same, with a mapping of its status codes.
    pub async fn system_with(
        &self,
        code: &str,
        grants: Grants,
        statuses: Vec<pb::StatusMapping>,
    ) -> Client {
        let is_certified = grants.read_personal_data;
        self.register_with(code, grants, statuses).await;
        if is_certified {
            return self.by_certificate(code).await;
        }
        let mut access = self.admin().access();
        let issue =
            pb::IssueKeyRequest { system: code.to_owned(), expires_at: None, ..Default::default() };
        let key = access.issue_key(issue).await.unwrap().into_inner().key;
        self.as_(&key)
    }
}

/// What the hub takes somebody for.
pub async fn who(client: &Client) -> Result<(String, pb::CallerCredential), Status> {
    let answer = client.access().who_am_i(pb::WhoAmIRequest {}).await?.into_inner();
    Ok((answer.system.unwrap().code, answer.credential.unwrap()))
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let last = Instant::now() + Duration::from_secs(20);
    while !is_so().await {
        assert!(Instant::now() < last, "it never came to this: {what}");
        time::sleep(Duration::from_millis(10)).await;
    }
}
