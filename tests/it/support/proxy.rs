//! A small TCP proxy that tests put between two ends: it delays, cuts, half-closes, swallows, and moves to another
//! target.
use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{ReadHalf, WriteHalf},
    },
    sync::watch,
    task::JoinHandle,
    time,
};

/// What the proxy does now.
#[derive(Clone, Copy, Debug)]
struct Mode {
    target: SocketAddr,
    /// Each read is passed on this much later.
    delay: Duration,
    /// Nothing is passed on, and nobody is told.
    swallows: bool,
    /// New connections are closed at once.
    refuses: bool,
    /// Connections that began before this many cuts are cut.
    cuts: u64,
    /// The answers of connections that began before this many half-closes end.
    half_closes: u64,
}

/// A proxy on a free port of the loopback.
pub struct Proxy {
    pub address: SocketAddr,
    mode: Arc<watch::Sender<Mode>>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Passes every connection on to a target.
    pub async fn start(target: SocketAddr) -> Self {
        let mode = Mode {
            target,
            delay: Duration::ZERO,
            swallows: false,
            refuses: false,
            cuts: 0,
            half_closes: 0,
        };
        let mode = Arc::new(watch::Sender::new(mode));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(accept(listener, Arc::clone(&mode)));
        Self { address, mode, task }
    }

    /// New connections go to another target; open ones stay where they are.
    pub fn to(&self, target: SocketAddr) {
        self.mode.send_modify(|it| it.target = target);
    }

    /// Every piece is passed on this much later.
    pub fn delay(&self, delay: Duration) {
        self.mode.send_modify(|it| it.delay = delay);
    }

    /// Resets every open connection, at both ends.
    pub fn cut(&self) {
        self.mode.send_modify(|it| it.cuts += 1);
    }

    /// Ends the answers of every open connection, as if the target had nothing more to say; what is asked goes on.
    pub fn half_close(&self) {
        self.mode.send_modify(|it| it.half_closes += 1);
    }

    /// Passes nothing on, in either direction, and tells nobody; or goes on with what it held back.
    pub fn swallow(&self, swallows: bool) {
        self.mode.send_modify(|it| it.swallows = swallows);
    }

    /// Closes new connections at once, or takes them again.
    pub fn refuse(&self, refuses: bool) {
        self.mode.send_modify(|it| it.refuses = refuses);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, mode: Arc<watch::Sender<Mode>>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let mode = mode.subscribe();
        if !mode.borrow().refuses {
            tokio::spawn(connection(client, mode));
        }
    }
}

async fn connection(mut client: TcpStream, mut mode: watch::Receiver<Mode>) {
    let began = *mode.borrow();
    let Ok(mut server) = TcpStream::connect(began.target).await else { return };
    for stream in [&client, &server] {
        stream.set_nodelay(true).unwrap();
        // Dropped, it is reset; what ended in order was shut down before.
        stream.set_zero_linger().unwrap();
    }
    let (from_client, to_client) = client.split();
    let (from_server, to_server) = server.split();
    let asks = pump(from_client, to_server, mode.clone(), None);
    let answers = pump(from_server, to_client, mode.clone(), Some(began.half_closes));
    tokio::select! {
        _ = mode.wait_for(|it| it.cuts != began.cuts) => {}
        _ = async { tokio::join!(asks, answers) } => {}
    }
}

/// Passes pieces on until the one end closes, or the other has gone, or the answers are half-closed.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut mode: watch::Receiver<Mode>,
    half_closes: Option<u64>,
) {
    let mut piece = vec![0; 64 * 1024];
    let mut closes = mode.clone();
    let closed = async {
        match half_closes {
            Some(before) => drop(closes.wait_for(|it| it.half_closes != before).await),
            None => std::future::pending().await,
        }
    };
    let passed = async {
        while let Ok(size @ 1..) = from.read(&mut piece).await {
            let Ok(now) = mode.wait_for(|it| !it.swallows).await.map(|it| *it) else { break };
            if now.delay > Duration::ZERO {
                time::sleep(now.delay).await;
            }
            if to.write_all(&piece[..size]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        () = passed => {}
        () = closed => {}
    }
    // The other end may have gone first.
    drop(to.shutdown().await);
}

/// An echo to try the proxy on.
async fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                drop(tokio::io::copy(&mut from, &mut to).await);
            });
        }
    });
    address
}

#[tokio::test]
async fn the_proxy_does_what_it_is_told() {
    let proxy = Proxy::start(echo().await).await;
    let mut one = TcpStream::connect(proxy.address).await.unwrap();
    let mut byte = [0];
    let soon = Duration::from_secs(5);
    let short = Duration::from_millis(50);
    one.write_all(b"a").await.unwrap();
    time::timeout(soon, one.read_exact(&mut byte)).await.unwrap().unwrap();
    // Swallowed, and passed on later.
    proxy.swallow(true);
    one.write_all(b"b").await.unwrap();
    assert!(time::timeout(short, one.read_exact(&mut byte)).await.is_err());
    proxy.swallow(false);
    time::timeout(soon, one.read_exact(&mut byte)).await.unwrap().unwrap();
    assert_eq!(&byte, b"b");
    // Late.
    proxy.delay(short);
    let began = time::Instant::now();
    one.write_all(b"c").await.unwrap();
    one.read_exact(&mut byte).await.unwrap();
    assert!(began.elapsed() >= 2 * short);
    proxy.delay(Duration::ZERO);
    // Half-closed: an end in order.
    proxy.half_close();
    assert_eq!(time::timeout(soon, one.read(&mut byte)).await.unwrap().unwrap(), 0);
    // Cut: an error, not an end.
    let mut two = TcpStream::connect(proxy.address).await.unwrap();
    two.write_all(b"d").await.unwrap();
    two.read_exact(&mut byte).await.unwrap();
    proxy.cut();
    let cut = time::timeout(soon, two.read(&mut byte)).await.unwrap();
    assert_eq!(cut.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset);
    // Refused, and moved to another target.
    proxy.refuse(true);
    let mut three = TcpStream::connect(proxy.address).await.unwrap();
    assert!(!matches!(time::timeout(soon, three.read(&mut byte)).await.unwrap(), Ok(1..)));
    proxy.refuse(false);
    proxy.to(echo().await);
    let mut four = TcpStream::connect(proxy.address).await.unwrap();
    four.write_all(b"e").await.unwrap();
    time::timeout(soon, four.read_exact(&mut byte)).await.unwrap().unwrap();
}
