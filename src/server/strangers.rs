//! Places for connections that have not identified themselves: few in all and of one address, and the oldest makes
//! room for the newest, so that whoever has a credential gets a chance to show it.
use std::{
    collections::BTreeMap,
    fmt,
    future::pending,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::Notify,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::{
    caller::refusals::{Cause, Refusals},
    limits::Limits,
};

/// How long each one has to identify itself before it may have to make room.
const CHANCE: Duration = Duration::from_millis(250);
/// After so long without one that had to make room, the end of the crowd is logged.
const CALM: Duration = Duration::from_secs(5);
/// The share of all connections that have not identified themselves: one of so many.
const SHARE: usize = 8;
/// That share is no smaller than this, where there are places enough.
const FEWEST: usize = 16;
/// So many times as many may wait for one of its places.
const WAITING: usize = 2;

/// The connections that have not identified themselves.
pub struct Strangers {
    /// At the same time, in all.
    all: usize,
    /// At the same time, of one address.
    each: usize,
    seats: Mutex<Seats>,
    freed: Notify,
    refusals: Arc<Refusals>,
}

impl fmt::Debug for Strangers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, each, seats: _, freed: _, refusals: _ } = self;
        f.debug_struct("Strangers").field("all", all).field("each", each).finish_non_exhaustive()
    }
}

/// An address, or for IPv6 the network of a subscriber: whoever has one address of it has all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PeerGroup(IpAddr);

impl PeerGroup {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(it) => Self(it.into()),
            IpAddr::V6(it) => Self(Ipv6Addr::from_bits(it.to_bits() & (u128::MAX << 64)).into()),
        }
    }
}

#[derive(Default)]
struct Seats {
    next: u64,
    /// Those that were let in, oldest first.
    taken: BTreeMap<PeerGroup, BTreeMap<u64, Seat>>,
    count: usize,
    /// Those that wait to be let in, oldest first.
    waiting: BTreeMap<u64, (PeerGroup, CancellationToken)>,
    crowd: Option<Crowd>,
}

struct Seat {
    since: Instant,
    end: CancellationToken,
}

/// Places are full: who came had to wait, or another one to make room.
struct Crowd {
    last: Instant,
    ended: u64,
}

/// A place of a connection that has not identified itself; given back when dropped.
pub(super) struct StrangerPlace {
    strangers: Arc<Strangers>,
    group: PeerGroup,
    number: u64,
    /// Cancelled when the connection has to make room.
    pub(super) end: CancellationToken,
}

impl Strangers {
    /// Within these limits.
    pub(super) fn new(limits: &Limits, refusals: Arc<Refusals>) -> Arc<Self> {
        let most = limits.connections.div_ceil(2 * WAITING);
        let all = (limits.connections / SHARE).max(FEWEST).min(most);
        let each = limits.unidentified_each.min(all);
        let (seats, freed) = (Mutex::default(), Notify::new());
        Arc::new(Self { all, each, seats, freed, refusals })
    }

    /// How many there are, with those that wait.
    pub fn count(&self) -> usize {
        let seats = self.seats();
        seats.count + seats.waiting.len()
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection from an address, as soon as there is one: the oldest one makes room for it once it has
    /// had its chance. Of those that wait the newest is first, so that a crowd that came before holds up nobody. None
    /// when even those that wait are too many, and this one has waited longest.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Option<StrangerPlace> {
        let group = PeerGroup::of(address);
        let waiting = {
            let mut seats = self.seats();
            if seats.waiting.is_empty()
                && let Ok(place) = self.take(&mut seats, group)
            {
                return Some(place);
            }
            self.wait(&mut seats, group)
        };
        loop {
            let freed = self.freed.notified();
            let next = {
                let mut seats = self.seats();
                match seats.is_first(waiting.number, group) {
                    false => None,
                    true => match self.take(&mut seats, group) {
                        Ok(place) => {
                            seats.waiting.remove(&waiting.number);
                            // The next one may look now.
                            self.freed.notify_waiters();
                            return Some(place);
                        }
                        Err(next) => Some(next),
                    },
                }
            };
            let chance = async {
                match next {
                    Some(next) => time::sleep_until(next).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = waiting.end.cancelled() => return None,
                () = freed => {}
                () = chance => {}
            }
        }
    }

    /// A place, or when to look for one again.
    fn take(
        self: &Arc<Self>,
        seats: &mut Seats,
        group: PeerGroup,
    ) -> Result<StrangerPlace, Instant> {
        let now = Instant::now();
        let first =
            |it: &BTreeMap<u64, Seat>| it.first_key_value().map(|(key, it)| (*key, it.since));
        let own = seats.taken.get(&group);
        let oldest = if own.is_some_and(|it| it.len() >= self.each) {
            own.and_then(first).map(|(number, since)| (group, number, since))
        } else if seats.count >= self.all {
            let firsts = seats
                .taken
                .iter()
                .filter_map(|(group, it)| first(it).map(|(number, since)| (*group, number, since)));
            firsts.min_by_key(|(_, number, _)| *number)
        } else {
            None
        };
        if let Some((group, number, since)) = oldest {
            self.crowded(seats, now);
            let chance = since + CHANCE;
            if chance > now {
                return Err(chance);
            }
            if let Some(seat) = seats.leave(group, number) {
                self.ended(seats, &seat.end);
            }
        }
        let (number, end) = (seats.next, CancellationToken::new());
        seats.next += 1;
        seats.count += 1;
        let seat = Seat { since: now, end: end.clone() };
        seats.taken.entry(group).or_default().insert(number, seat);
        Ok(StrangerPlace { strangers: Arc::clone(self), group, number, end })
    }

    /// Has one more wait; the one that has waited longest is ended when they are too many.
    fn wait(self: &Arc<Self>, seats: &mut Seats, group: PeerGroup) -> WaitingStranger {
        if seats.waiting.len() >= self.all * WAITING
            && let Some((_, (_, end))) = seats.waiting.pop_first()
        {
            self.ended(seats, &end);
        }
        let (number, end) = (seats.next, CancellationToken::new());
        seats.next += 1;
        seats.waiting.insert(number, (group, end.clone()));
        WaitingStranger { strangers: Arc::clone(self), number, end }
    }

    /// Logged once for all that come until it is calm again.
    fn crowded(&self, seats: &mut Seats, now: Instant) {
        if let Some(crowd) = &mut seats.crowd {
            crowd.last = now;
            return;
        }
        seats.crowd = Some(Crowd { last: now, ended: 0 });
        let (all, each) = (self.all, self.each);
        tracing::warn!(
            all,
            each,
            "too many connections have not identified themselves: the oldest are ended"
        );
    }

    fn ended(&self, seats: &mut Seats, end: &CancellationToken) {
        end.cancel();
        self.refusals.count_one(Cause::NoRoom);
        if let Some(crowd) = &mut seats.crowd {
            crowd.ended += 1;
        }
    }
}

impl Seats {
    /// Whether one is the newest of its group that waits.
    fn is_first(&self, number: u64, group: PeerGroup) -> bool {
        let newest = self.waiting.iter().rev().find(|(_, (of, _))| *of == group);
        newest.is_some_and(|(newest, _)| *newest == number)
    }

    fn leave(&mut self, group: PeerGroup, number: u64) -> Option<Seat> {
        let own = self.taken.get_mut(&group)?;
        let seat = own.remove(&number)?;
        if own.is_empty() {
            self.taken.remove(&group);
        }
        self.count -= 1;
        if let Some(Crowd { ended, last: _ }) = self.crowd.take_if(|it| it.last.elapsed() > CALM) {
            tracing::info!(
                ended,
                "there is room again for connections that have not identified themselves"
            );
        }
        Some(seat)
    }
}

impl Drop for StrangerPlace {
    fn drop(&mut self) {
        self.strangers.seats().leave(self.group, self.number);
        self.strangers.freed.notify_waiters();
    }
}

/// A connection that waits to be let in.
struct WaitingStranger {
    strangers: Arc<Strangers>,
    number: u64,
    end: CancellationToken,
}

impl Drop for WaitingStranger {
    fn drop(&mut self) {
        if self.strangers.seats().waiting.remove(&self.number).is_some() {
            self.strangers.freed.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn strangers(connections: usize, each: usize) -> Arc<Strangers> {
        let limits = Limits { connections, unidentified_each: each, ..Limits::default() };
        Strangers::new(&limits, Arc::default())
    }

    fn v4(last: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, last])
    }

    #[tokio::test]
    async fn the_oldest_makes_room_once_it_has_had_its_chance() {
        let strangers = strangers(2_000, 2);
        let at_once = |last| strangers.enter(v4(last)).now_or_never();
        let one = at_once(1).unwrap().unwrap();
        let two = at_once(1).unwrap().unwrap();
        assert!(at_once(1).is_none(), "there is a third place");
        // Of another address there are places at once.
        let _other = at_once(2).unwrap().unwrap();
        let three = strangers.enter(v4(1)).await.unwrap();
        assert!(one.end.is_cancelled() && !two.end.is_cancelled());
        // One that identifies itself gives its place back, for which nobody else has to go.
        drop((one, two));
        let _four = at_once(1).unwrap().unwrap();
        assert!(!three.end.is_cancelled());
        assert_eq!(strangers.count(), 3);
        assert_eq!(strangers.refusals.count(Cause::NoRoom), 1);
    }

    #[tokio::test]
    async fn all_have_one_share_and_few_wait() {
        let strangers = strangers(64, 64);
        let mut held = Vec::new();
        for i in 0..16 {
            held.push(strangers.enter(v4(i)).now_or_never().unwrap().unwrap());
        }
        let mut waiting = tokio::task::JoinSet::new();
        for i in 0..33 {
            let strangers = Arc::clone(&strangers);
            waiting.spawn(async move { (i, strangers.enter(v4(100 + i)).await) });
            tokio::task::yield_now().await;
        }
        // No more than twice as many wait, so the first of them goes; the others come in when those who held the
        // places have had their chance.
        assert!(strangers.count() <= 48, "{}", strangers.count());
        let places = waiting.join_all().await;
        assert!(places.iter().filter(|(_, it)| it.is_none()).count() <= 1);
        assert!(held.iter().all(|it| it.end.is_cancelled()));
        drop((held, places));
        assert_eq!(strangers.count(), 0);
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |it: &str| PeerGroup::of(it.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
