//! Reads the message of a unary call, whole and within bounds, before the call takes anybody's place.
use std::{
    collections::BTreeMap,
    future::pending,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time;

use crate::error::{Error, Reason, Result};

/// How long nothing may come of a message that has not come whole.
const SILENCE: Duration = Duration::from_secs(2);
/// How long the hub is given to read what came while it was too busy to.
const CATCH_UP: Duration = Duration::from_millis(250);
/// Bytes before a message: whether it is compressed, and its length.
const HEAD: usize = 5;

/// The bytes of messages that have not come whole: how many there may be in all, and of each system.
#[derive(Debug)]
pub(super) struct UnfinishedBytes {
    all: usize,
    each: usize,
    held: Mutex<(usize, BTreeMap<i64, usize>)>,
}

impl UnfinishedBytes {
    /// For messages up to this size: 64 of them in all, and 16 of each system.
    pub(super) fn new(message_bytes: usize) -> Arc<Self> {
        let (all, each) = (message_bytes.saturating_mul(64), message_bytes.saturating_mul(16));
        Arc::new(Self { all, each, held: Mutex::default() })
    }

    fn hold(&self, system_id: i64, bytes: usize) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let (all, own) = (held.0 + bytes, held.1.get(&system_id).copied().unwrap_or(0) + bytes);
        let (limit, of) = match () {
            () if own > self.each => (self.each, "of this system"),
            () if all > self.all => (self.all, "of all systems"),
            () => {
                held.0 = all;
                held.1.insert(system_id, own);
                return Ok(());
            }
        };
        Err(too_much(limit, of))
    }

    fn give_back(&self, system_id: i64, bytes: usize) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.0 = held.0.saturating_sub(bytes);
        if let Some(own) = held.1.get_mut(&system_id) {
            *own = own.saturating_sub(bytes);
            if *own == 0 {
                held.1.remove(&system_id);
            }
        }
    }
}

fn too_much(limit: usize, of: &str) -> Error {
    let what = format!("{limit} bytes {of} are in messages that have not come whole; try again");
    Error::new(Reason::Overloaded, what).with("limit", limit)
}

/// Whose message it is, and by which connection.
#[derive(Debug)]
pub(super) struct MessageOwner<'a> {
    pub(super) system_id: i64,
    pub(super) all: &'a UnfinishedBytes,
    /// What has come of unfinished messages by its connection, and how much that may be.
    pub(super) connection: (&'a AtomicUsize, usize),
}

/// What was held of one message; given back when dropped.
struct HeldBytes<'a> {
    owner: Option<&'a MessageOwner<'a>>,
    bytes: usize,
}

impl HeldBytes<'_> {
    fn more(&mut self, bytes: usize) -> Result<()> {
        let Some(owner) = self.owner else { return Ok(()) };
        let (held, most) = owner.connection;
        owner.all.hold(owner.system_id, bytes)?;
        self.bytes += bytes;
        if held.fetch_add(bytes, Ordering::AcqRel) + bytes > most {
            return Err(too_much(most, "of this connection"));
        }
        Ok(())
    }
}

impl Drop for HeldBytes<'_> {
    fn drop(&mut self) {
        if let Some(owner) = self.owner.filter(|_| self.bytes > 0) {
            owner.connection.0.fetch_sub(self.bytes, Ordering::AcqRel);
            owner.all.give_back(owner.system_id, self.bytes);
        }
    }
}

/// The whole body of a unary call, of at most so many bytes of message, in the pieces in which it came.
pub(crate) async fn whole(body: Body, most: usize, until: Instant) -> Result<Body> {
    read(body, most, until, None).await
}

/// The same for a known caller.
pub(super) async fn read(
    mut body: Body,
    most: usize,
    until: Instant,
    owner: Option<&MessageOwner<'_>>,
) -> Result<Body> {
    let mut message = MessageProgress { head: Vec::with_capacity(HEAD), came: 0, most };
    let mut pieces = Vec::new();
    let mut held = HeldBytes { owner, bytes: 0 };
    while !http_body::Body::is_end_stream(&body) {
        let last = until.min(Instant::now() + SILENCE);
        let mut frame = pin!(body.frame());
        let frame = match time::timeout_at(last.into(), frame.as_mut()).await {
            Ok(frame) => frame,
            // Where it was the hub that was busy, what has come is read now.
            Err(_) => time::timeout(CATCH_UP, frame).await.map_err(|_| silent())?,
        };
        let piece = match frame {
            None => break,
            // Who hung up is not answered: the call ends as cancelled.
            Some(Err(_)) => pending().await,
            Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
        };
        message.more(&piece)?;
        held.more(piece.len())?;
        pieces.push(piece);
    }
    Ok(match <[Bytes; 1]>::try_from(pieces) {
        Ok([piece]) => Body::from(piece),
        Err(pieces) => {
            let frames = pieces.into_iter().map(|it| Ok::<_, Error>(Frame::data(it)));
            Body::new(StreamBody::new(stream::iter(frames)))
        }
    })
}

fn silent() -> Error {
    let what = format!("the message did not come: nothing was sent for {} s", SILENCE.as_secs());
    Error::new(Reason::OutOfTime, what)
}

/// What is known of a message while it comes.
struct MessageProgress {
    head: Vec<u8>,
    came: usize,
    most: usize,
}

impl MessageProgress {
    fn more(&mut self, piece: &[u8]) -> Result<()> {
        self.came += piece.len();
        let missing = HEAD - self.head.len();
        self.head.extend(piece.iter().take(missing));
        let [compressed, length @ ..] = self.head.as_slice() else { return Ok(()) };
        if *compressed > 1 {
            let what = "the call is not made as gRPC makes it: one framed message is expected";
            return Err(Error::new(Reason::MessageMalformed, what));
        }
        let Ok(length) = <[u8; 4]>::try_from(length) else { return Ok(()) };
        let length = usize::try_from(u32::from_be_bytes(length)).unwrap_or(usize::MAX);
        if length > self.most {
            let what = "the message is larger than the hub takes";
            return Err(Error::new(Reason::MessageTooLarge, what));
        }
        if self.came > HEAD + length {
            let what = "the method takes one message, and more came after it";
            return Err(Error::new(Reason::MessageMalformed, what));
        }
        Ok(())
    }
}
