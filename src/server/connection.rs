//! One connection: its handshake, its calls, and its end.
use std::{
    future::pending,
    io::{Cursor, IoSlice, Result as IoResult},
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body};
use http::header::AUTHORIZATION;
use http_body_util::BodyExt;
use hyper::{server::conn::http2, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls::pki_types::CertificateDer;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::watch,
    time::{self, Instant},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{either::Either, sync::CancellationToken};
use tower::ServiceExt;

use super::{
    Lifetime,
    accept::Accepted,
    strangers::{StrangerPlace, Strangers},
    tls::{self, Tls},
};
use crate::{
    caller::{
        credential::Certificate,
        refusals::{Cause, Refusals, Refused},
    },
    stack::{self, identify::Connection},
    time::Timestamp,
};

/// How long a new connection may take for the handshake of TLS.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// How long it may take after that to show that it speaks HTTP/2.
const PREFACE: Duration = Duration::from_secs(5);
/// How long calls may go on when their connection is too old.
const OLD: Duration = Duration::from_secs(300);
/// How long a connection without calls is given to close itself.
const EMPTY: Duration = Duration::from_secs(5);
/// How long calls may go on when their connection has not been identified in time.
const LATE: Duration = Duration::from_secs(1);
/// Calls without a credential that one connection may have open before it is identified.
const STRANGERS_CALLS: usize = 8;

/// What all connections share.
pub(super) struct Shared {
    pub(super) services: Router,
    pub(super) tls: Option<watch::Receiver<Arc<Tls>>>,
    pub(super) lifetime: Lifetime,
    /// The connections that have not identified themselves.
    pub(super) strangers: Arc<Strangers>,
    pub(super) refusals: Arc<Refusals>,
    /// Calls in flight are to be finished, and no more to be taken.
    pub(super) stop: CancellationToken,
    /// Nothing is to be finished.
    pub(super) cut: CancellationToken,
}

type Stream = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Serves a connection to its end.
pub(super) async fn serve(accepted: Accepted, shared: Arc<Shared>) {
    let Accepted { stream, peer, place } = accepted;
    let late = Instant::now() + shared.lifetime.identify;
    let begun = tokio::select! {
        () = shared.stop.cancelled() => return,
        () = time::sleep_until(late) => None,
        begun = enter(stream, peer, &shared) => begun,
    };
    let Some((stranger, stream, shown)) = begun else { return };
    Box::pin(calls(stream, peer, shown, Unknown { late, stranger }, &shared)).await;
    drop(place);
}

/// A place among those that have not identified themselves, and what is done before the first call.
async fn enter(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(StrangerPlace, Greeted, Presented)> {
    let stranger = shared.strangers.enter(peer.ip()).await?;
    let end = stranger.end.clone();
    tokio::select! {
        () = end.cancelled() => None,
        begun = begin(stream, peer, shared) => begun.map(|(stream, shown)| (stranger, stream, shown)),
    }
}

/// A connection as long as it is not known by whom it is: its place, and when it has taken too long.
struct Unknown {
    late: Instant,
    stranger: StrangerPlace,
}

/// What a client showed in the handshake.
struct Presented {
    chain: Vec<CertificateDer<'static>>,
    certificate: Option<Arc<Certificate>>,
}

/// The handshake of TLS, where it is spoken, and the preface of HTTP/2.
async fn begin(
    stream: TcpStream,
    peer: SocketAddr,
    shared: &Shared,
) -> Option<(Greeted, Presented)> {
    let (stream, shown) = match &shared.tls {
        None => (Either::Left(stream), Presented { chain: Vec::new(), certificate: None }),
        Some(tls) => {
            let tls = Arc::clone(&tls.borrow());
            match handshake(stream, &tls).await {
                Ok((stream, shown)) => (Either::Right(Box::new(stream)), shown),
                Err(cause) => {
                    let refused = Refused { cause, peer: Some(peer), claimed: String::new() };
                    shared.refusals.record(&refused);
                    return None;
                }
            }
        }
    };
    Some((Greeted::wait(stream).await?, shown))
}

async fn handshake(
    stream: TcpStream,
    tls: &Tls,
) -> Result<(TlsStream<TcpStream>, Presented), Cause> {
    let accept = TlsAcceptor::from(Arc::clone(&tls.config)).accept(stream);
    let stream = match time::timeout(HANDSHAKE, accept).await {
        Err(_) => return Err(Cause::HandshakeSlow),
        Ok(Ok(stream)) => stream,
        Ok(Err(err)) => {
            let told = err.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>());
            return Err(told.map_or(Cause::HandshakeBroken, tls::cause));
        }
    };
    let (_, session) = stream.get_ref();
    if !tls::is_h2(session.alpn_protocol()) {
        return Err(Cause::NoAlpn);
    }
    let chain: Vec<_> = session
        .peer_certificates()
        .into_iter()
        .flatten()
        .map(|it| it.clone().into_owned())
        .collect();
    let certificate = match chain.first() {
        Some(first) => Some(Arc::new(Certificate::read(first)?)),
        None => None,
    };
    Ok((stream, Presented { chain, certificate }))
}

/// Serves calls until the connection ends, or has to.
async fn calls(
    stream: Greeted,
    peer: SocketAddr,
    shown: Presented,
    unknown: Unknown,
    shared: &Arc<Shared>,
) {
    let Presented { chain, certificate } = shown;
    let told = Connection::new(Some(peer), shared.tls.is_some(), certificate.clone());
    let late = unknown.late;
    let mut unknown = Some(unknown).filter(|_| !told.known.is_cancelled());
    let activity = Arc::new(Activity::new());
    let service = {
        let (services, told, activity) =
            (shared.services.clone(), told.clone(), Arc::clone(&activity));
        service_fn(move |req: http::Request<hyper::body::Incoming>| {
            let mut req = req.map(Body::new);
            let shows_nothing =
                !told.known.is_cancelled() && !req.headers().contains_key(AUTHORIZATION);
            let too_many =
                shows_nothing && activity.open.load(Ordering::Acquire) >= STRANGERS_CALLS;
            req.extensions_mut().insert(told.clone());
            let open = Open::new(&activity);
            let answer = (!too_many).then(|| services.clone().oneshot(req));
            async move {
                let answer = match answer {
                    Some(answer) => answer.await?,
                    None => stack::too_many_of_a_stranger(STRANGERS_CALLS),
                };
                if http_body::Body::is_end_stream(answer.body()) {
                    return Ok(answer);
                }
                Ok::<_, std::convert::Infallible>(answer.map(|body| {
                    Body::new(body.map_frame(move |frame| {
                        // A method, so that the closure owns it: it is open until its body is gone.
                        open.goes_on();
                        frame
                    }))
                }))
            }
        })
    };
    let mut builder = http2::Builder::new(TokioExecutor::new());
    // hyper's own limits, said aloud: left out by way of tonic's server they would be switched off.
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(100)
        .max_local_error_reset_streams(128)
        .max_pending_accept_reset_streams(20)
        .max_header_list_size(16 * 1024)
        .max_send_buf_size(64 * 1024)
        .initial_stream_window_size(64 * 1024)
        .initial_connection_window_size(256 * 1024)
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10));
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let mut tls = shared.tls.clone().filter(|_| certificate.is_some());
    let mut ages = Ages::new(shared.lifetime, certificate.as_deref());
    let mut stopping = false;
    loop {
        tokio::select! {
            ended = connection.as_mut() => {
                if let Err(err) = ended {
                    tracing::debug!(error = %err, "a connection ended");
                }
                break;
            }
            () = shared.stop.cancelled(), if !stopping => {
                stopping = true;
                connection.as_mut().graceful_shutdown();
            }
            () = shared.cut.cancelled() => break,
            () = told.cut.cancelled() => break,
            () = told.leave.cancelled(), if !ages.is_leaving() => {
                ages.leave(EMPTY);
                connection.as_mut().graceful_shutdown();
            }
            () = told.known.cancelled(), if unknown.is_some() => unknown = None,
            () = made_room(unknown.as_ref()) => break,
            () = time::sleep_until(late), if unknown.is_some() && !ages.is_leaving() => {
                shared.refusals.count_one(Cause::NotInTime);
                ages.leave(LATE);
                connection.as_mut().graceful_shutdown();
            }
            () = time::sleep_until(ages.next) => match ages.at(Instant::now(), &activity) {
                Age::Stays => {}
                Age::Leaves => connection.as_mut().graceful_shutdown(),
                Age::Ends => break,
            },
            tls = changed(&mut tls) => {
                if let (Err(cause), Some(certificate)) = (tls.accepts(&chain), &certificate) {
                    certificate.end();
                    let claimed = certificate.system.as_str().to_owned();
                    shared.refusals.record(&Refused { cause, peer: Some(peer), claimed });
                    break;
                }
            }
        }
    }
}

/// Ends when the connection has to make room for a newer one, as long as it is not known by whom it is.
async fn made_room(unknown: Option<&Unknown>) {
    match unknown {
        Some(unknown) => unknown.stranger.end.cancelled().await,
        None => pending().await,
    }
}

/// The next configuration of TLS, where it matters.
async fn changed(tls: &mut Option<watch::Receiver<Arc<Tls>>>) -> Arc<Tls> {
    if let Some(next) = tls
        && next.changed().await.is_ok()
    {
        return Arc::clone(&next.borrow_and_update());
    }
    *tls = None;
    pending().await
}

// === how long it stays ===

/// When a connection has to go.
struct Ages {
    idle: Duration,
    old: Instant,
    leaving: bool,
    /// When to look next.
    next: Instant,
}

enum Age {
    Stays,
    Leaves,
    Ends,
}

impl Ages {
    fn new(lifetime: Lifetime, certificate: Option<&Certificate>) -> Self {
        let Lifetime { age, idle, identify: _ } = lifetime;
        let now = Instant::now();
        // Connections that were made together do not all end together.
        let mut old = now + age + age.mul_f64(rand::random_range(0.0..0.1));
        if let Some(certificate) = certificate {
            let left = certificate.not_after.micros() - Timestamp::now().micros();
            old = old.min(now + Duration::from_micros(u64::try_from(left).unwrap_or(0)));
        }
        Self { idle, old, leaving: false, next: old.min(now + idle) }
    }

    fn is_leaving(&self) -> bool {
        self.leaving
    }

    fn leave(&mut self, within: Duration) {
        self.leaving = true;
        self.next = Instant::now() + within;
    }

    fn at(&mut self, now: Instant, activity: &Activity) -> Age {
        if self.leaving {
            return Age::Ends;
        }
        let quiet = activity.quiet();
        if now >= self.old {
            self.leave(if quiet.is_some() { EMPTY } else { OLD });
            return Age::Leaves;
        }
        let left = quiet.map_or(self.idle, |it| self.idle.saturating_sub(it));
        if left.is_zero() {
            self.leave(EMPTY);
            return Age::Leaves;
        }
        self.next = self.old.min(now + left);
        Age::Stays
    }
}

/// What goes on on a connection.
struct Activity {
    began: Instant,
    open: AtomicUsize,
    /// When the last call ended, in milliseconds since it began.
    last: AtomicU64,
}

impl Activity {
    fn new() -> Self {
        Self { began: Instant::now(), open: AtomicUsize::new(0), last: AtomicU64::new(0) }
    }

    /// For how long there has been no call; none while there is one.
    fn quiet(&self) -> Option<Duration> {
        if self.open.load(Ordering::Acquire) > 0 {
            return None;
        }
        let last = Duration::from_millis(self.last.load(Ordering::Acquire));
        Some(self.began.elapsed().saturating_sub(last))
    }
}

/// A call that is open.
struct Open(Arc<Activity>);

impl Open {
    fn new(activity: &Arc<Activity>) -> Self {
        activity.open.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(activity))
    }

    fn goes_on(&self) {}
}

impl Drop for Open {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.last.store(now, Ordering::Release);
        self.0.open.fetch_sub(1, Ordering::AcqRel);
    }
}

// === the preface ===

/// A stream whose first bytes were read already.
struct Greeted {
    preface: Cursor<[u8; 24]>,
    stream: Stream,
}

impl Greeted {
    /// Waits for the preface of HTTP/2: a connection that does not send it in time must not keep its place. hyper would
    /// wait for the rest of it for ever. It reads and checks it itself.
    async fn wait(mut stream: Stream) -> Option<Self> {
        let mut preface = [0; 24];
        let read = time::timeout(PREFACE, stream.read_exact(&mut preface)).await;
        matches!(read, Ok(Ok(_))).then(|| Self { preface: Cursor::new(preface), stream })
    }
}

impl AsyncRead for Greeted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<IoResult<()>> {
        if self.preface.position() < 24 {
            return Pin::new(&mut self.preface).poll_read(cx, buf);
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<IoResult<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<IoResult<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
