//! Identifies the caller by certificate, key or token, or refuses the call.
use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicUsize},
    time::Instant,
};

use axum::{
    body::Body,
    extract::{Request, State},
    middleware::Next,
};
use http::{HeaderMap, HeaderValue, Response, header::AUTHORIZATION};
use tokio_util::sync::CancellationToken;

use super::{deadline::Deadline, rescue};
use crate::{
    access::Access,
    caller::{
        Caller, System,
        agreement::{Agreement, Rights},
        credential::{Certificate, Credential},
        directory::{Directory, PREFIX},
        policy::Policy,
        refusals::{Cause, Refused},
    },
    error::{Error, Reason, Result},
    hub::Hub,
    log::trail::Trail,
    slots::{Slot, Slots},
    time::Timestamp,
};

/// The connection that a request came by; in the extensions of every request.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// Cuts it.
    pub cut: CancellationToken,
    /// Asks it to take no more calls, and to end.
    pub leave: CancellationToken,
    /// Cancelled once it is known by whom it is.
    pub known: CancellationToken,
    peer: Option<SocketAddr>,
    certificate: Option<Arc<Certificate>>,
    over_tls: bool,
    /// Bytes of messages that have come by it, and are not whole.
    pub(super) unfinished: Arc<AtomicUsize>,
    /// The places of the systems that have called by it.
    held: Arc<Mutex<Vec<(i64, Slot)>>>,
}

impl Connection {
    /// From somewhere, with the certificate that was shown and found good.
    pub fn new(
        peer: Option<SocketAddr>,
        over_tls: bool,
        certificate: Option<Arc<Certificate>>,
    ) -> Self {
        let connection = Self { peer, over_tls, certificate, ..Self::default() };
        if connection.certificate.is_some() {
            connection.known.cancel();
        }
        connection
    }

    /// Takes a place for a system, unless it has one here already.
    fn hold(&self, places: &Arc<Slots>, system_id: i64) -> Result<()> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !held.iter().any(|(id, _)| *id == system_id) {
            held.push((system_id, places.take(system_id)?));
        }
        Ok(())
    }
}

/// Whom a call is by, as its head says; in the extensions of every request.
#[derive(Clone, Debug)]
pub(super) struct Identified(Result<KnownSystem, NotIdentified>);

impl Identified {
    /// The system; none of a caller that is not identified.
    pub(super) fn system_id(&self) -> Option<i64> {
        self.0.as_ref().ok().map(|it| it.system_id)
    }
}

/// An identified system.
#[derive(Clone, Debug)]
struct KnownSystem {
    system_id: i64,
    system: Arc<System>,
    credential: Credential,
    agreements: Arc<[Arc<Agreement>]>,
}

/// Why a caller is not identified.
#[derive(Clone, Debug)]
enum NotIdentified {
    /// It is not accepted.
    Stranger(Stranger),
    /// It is known, and has too many connections.
    NoPlace(Arc<System>, Error),
    /// Who it is cannot be known at the moment.
    Failed(Error),
}

/// A caller that was not accepted, and why.
#[derive(Clone, Debug)]
struct Stranger {
    cause: Cause,
    claimed: String,
}

/// Finds out whom a call is by, before anything of its body is read.
pub(super) async fn by_head(
    hub: &Hub,
    access: &Access,
    connection: &Connection,
    head: &HeaderMap,
) -> Identified {
    Identified(known(hub, access, connection, head.get(AUTHORIZATION)).await)
}

async fn known(
    hub: &Hub,
    access: &Access,
    connection: &Connection,
    shown: Option<&HeaderValue>,
) -> Result<KnownSystem, NotIdentified> {
    if connection.certificate.is_none() && shown.is_none() {
        // No reason to ask the store.
        let nothing = Stranger { cause: Cause::NothingShown, claimed: String::new() };
        return Err(NotIdentified::Stranger(nothing));
    }
    let view = hub.revisions.fresh().await.map_err(NotIdentified::Failed)?;
    let directory = hub.reference::<Directory>(&view).await.map_err(NotIdentified::Failed)?;
    let known = know(access, &directory, connection.certificate.as_ref(), shown);
    let known = known.map_err(NotIdentified::Stranger)?;
    let held = connection.hold(&access.connections, known.system_id);
    held.map_err(|err| NotIdentified::NoPlace(Arc::clone(&known.system), err))?;
    connection.known.cancel();
    Ok(known)
}

pub(super) async fn identify(
    State((hub, access)): State<(Arc<Hub>, Arc<Access>)>,
    mut req: Request,
    next: Next,
) -> Response<Body> {
    let deadline = req.extensions().get::<Deadline>().copied();
    let connection = req.extensions().get::<Connection>().cloned().unwrap_or_default();
    let identified = match req.extensions_mut().remove::<Identified>() {
        Some(identified) => identified,
        None => by_head(&hub, &access, &connection, req.headers()).await,
    };
    // A method that the hub does not have has none, and leaves no record.
    let trail = req.extensions().get::<Arc<Trail>>().cloned();
    let trail = trail.unwrap_or_else(|| Trail::internal("hub/UnknownMethod"));
    match caller(&hub, &access, &connection, identified, deadline, trail) {
        Ok(caller) => {
            let credential = &caller.credential;
            caller.trail.known(caller.system.code.as_str(), credential.kind(), credential.id());
            tracing::Span::current().record("caller.system", caller.system.code.as_str());
            req.extensions_mut().insert(caller);
            next.run(req).await
        }
        Err(err) => rescue::answer(err),
    }
}

fn caller(
    hub: &Hub,
    access: &Access,
    connection: &Connection,
    Identified(identified): Identified,
    deadline: Option<Deadline>,
    trail: Arc<Trail>,
) -> Result<Caller> {
    let refuse = |cause, claimed| {
        access.refusals.record(&Refused { cause, peer: connection.peer, claimed });
    };
    let KnownSystem { system_id, system, credential, agreements } = match identified {
        Ok(known) => known,
        Err(NotIdentified::Failed(err)) => return Err(err),
        Err(NotIdentified::Stranger(Stranger { cause, claimed })) => {
            trail.stranger(cause.name());
            refuse(cause, claimed);
            return Err(refusal(cause));
        }
        Err(NotIdentified::NoPlace(system, err)) => {
            refuse(Cause::TooManyConnections, system.code.as_str().to_owned());
            connection.leave.cancel();
            return Err(err);
        }
    };
    let until = deadline.and_then(|it| it.callers);
    let deadline = deadline.map_or_else(|| Instant::now() + hub.limits.longest, |it| it.ours_too);
    let over_tls = connection.over_tls;
    let connection = connection.cut.clone();
    Ok(Caller {
        system_id,
        system,
        credential,
        over_tls,
        deadline,
        until,
        connection,
        trail,
        policy: Policy::Identified,
        purpose: None,
        agreements,
        rights: Rights::default(),
    })
}

/// Who it is, by all that was shown: a certificate and a key must name the same system, and both must be good.
fn know(
    access: &Access,
    directory: &Directory,
    certificate: Option<&Arc<Certificate>>,
    shown: Option<&HeaderValue>,
) -> Result<KnownSystem, Stranger> {
    let now = Timestamp::now();
    let by_certificate = match certificate {
        None => None,
        Some(certificate) => {
            let claimed = certificate.system.as_str();
            let stranger = |cause| Stranger { cause, claimed: claimed.to_owned() };
            if !certificate.lives(now) {
                let is_old = certificate.not_after < now;
                let cause =
                    if is_old { Cause::CertificateExpired } else { Cause::CertificateRevoked };
                return Err(stranger(cause));
            }
            let (system_id, system) = directory.named(claimed).map_err(stranger)?;
            let credential = Credential::Certificate(Arc::clone(certificate));
            let (system, agreements) = (Arc::clone(system), directory.agreements_of(system_id));
            Some(KnownSystem { system_id, system, credential, agreements })
        }
    };
    let by_words = match shown {
        None => None,
        Some(shown) => Some(read(access, directory, shown, now)?),
    };
    match (by_certificate, by_words) {
        (None, None) => Err(Stranger { cause: Cause::NothingShown, claimed: String::new() }),
        (Some(one), Some(other)) if one.system_id != other.system_id => {
            let claimed = one.system.code.as_str().to_owned();
            Err(Stranger { cause: Cause::NamesDiffer, claimed })
        }
        // The stronger of the two counts.
        (Some(known), _) | (None, Some(known)) => Ok(known),
    }
}

/// Who it is, by the words in the metadata `authorization`.
fn read(
    access: &Access,
    directory: &Directory,
    shown: &HeaderValue,
    now: Timestamp,
) -> Result<KnownSystem, Stranger> {
    let words = shown.to_str().ok().and_then(|it| it.strip_prefix("Bearer ")).map(str::trim);
    let nobody = |cause| Stranger { cause, claimed: String::new() };
    let words = words.ok_or_else(|| nobody(Cause::Malformed))?;
    if !words.starts_with(PREFIX) {
        let token = access.tokens.read(words).map_err(nobody)?;
        let claimed = token.system.as_str();
        let (system_id, system) = directory
            .named(claimed)
            .map_err(|cause| Stranger { cause, claimed: claimed.to_owned() })?;
        let (system, agreements) = (Arc::clone(system), directory.agreements_of(system_id));
        let credential = Credential::Token(Arc::new(token));
        return Ok(KnownSystem { system_id, system, credential, agreements });
    }
    let (system_id, system, key) = directory.identify(words, now).map_err(|cause| {
        let id = words.split('_').nth(1).filter(|it| directory.key(it).is_some());
        Stranger { cause, claimed: id.unwrap_or_default().to_owned() }
    })?;
    access.last_used.saw(&key.id, now);
    let credential = Credential::Key(key.id.as_str().into());
    let (system, agreements) = (Arc::clone(system), directory.agreements_of(system_id));
    Ok(KnownSystem { system_id, system, credential, agreements })
}

/// One answer for unknown, revoked, expired and disabled: which it is, is not for strangers.
fn refusal(cause: Cause) -> Error {
    let what = if cause == Cause::NothingShown {
        "show a client certificate, or send the metadata `authorization: Bearer shk_...`"
    } else if cause == Cause::NamesDiffer {
        "the certificate and the key name different systems"
    } else {
        "the credential is not accepted"
    };
    Error::new(Reason::CallerUnknown, what)
}
