//! The brake on those who guess: answers come later and later, for them and for nobody else.

use commonhold_proto::ServerTime;
use std::collections::{HashMap, VecDeque};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

/// Failures within this count.
const WINDOW: Duration = Duration::from_mins(1);
/// So many failures in the window cost nothing.
const FREE: usize = 10;
/// The longest delay of an answer.
const DELAY_MAX: Duration = Duration::from_secs(30);
/// Failures that are remembered a peer: the last of them asks for more than the longest delay.
const FAILURES_MAX: usize = FREE + 5;
/// Delayed answers a peer may wait for. Without it a peer would guess in parallel what it may not guess in turn.
const WAITING_MAX: usize = 16;
/// Peers that are remembered; whoever failed longest ago makes room.
const PEERS_MAX: usize = 4096;

/// Whom a login is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// A network address: an IPv6 network of 64 bits is one, and an IPv4 address in IPv6 clothes is itself.
    Address(IpAddr),
    /// A user at the other end of a Unix socket.
    User(u32),
}

impl Peer {
    /// The peer at this address.
    pub fn address(address: IpAddr) -> Peer {
        Peer::Address(match address.to_canonical() {
            IpAddr::V6(v6) => {
                let network = v6.to_bits() & (u128::MAX << 64);
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// Counts failed logins a peer. Ten a minute are answered at once; then every answer to that peer, right or wrong, is
/// delayed by 1 s, doubling with each failure to 30 s. At most sixteen answers wait a peer, further tries are not looked
/// at.
#[derive(Debug, Default)]
pub struct Throttle {
    peers: HashMap<Peer, Record>,
}

#[derive(Debug, Default)]
struct Record {
    /// When the newest failures were, oldest first.
    failures: VecDeque<ServerTime>,
    /// When delayed answers are due.
    waiting: Vec<ServerTime>,
}

/// Too many answers to this peer wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooMany;

impl Throttle {
    /// How long the answer to a login that is about to be checked must be held back.
    pub(super) fn admit(&mut self, peer: Peer, now: ServerTime) -> Result<Duration, TooMany> {
        let Some(record) = self.peers.get_mut(&peer) else {
            return Ok(Duration::ZERO);
        };
        record.forget_before(now);
        if record.waiting.len() >= WAITING_MAX {
            return Err(TooMany);
        }
        let delay = record.delay();
        if !delay.is_zero() {
            record.waiting.push(after(now, delay));
        }
        Ok(delay)
    }

    /// A login of this peer failed.
    pub(super) fn failed(&mut self, peer: Peer, now: ServerTime) {
        if self.peers.len() >= PEERS_MAX && !self.peers.contains_key(&peer) {
            self.make_room(now);
        }
        let record = self.peers.entry(peer).or_default();
        record.forget_before(now);
        if record.failures.len() == FAILURES_MAX {
            record.failures.pop_front();
        }
        record.failures.push_back(now);
    }

    fn make_room(&mut self, now: ServerTime) {
        self.peers.retain(|_, record| {
            record.forget_before(now);
            !record.failures.is_empty() || !record.waiting.is_empty()
        });
        if self.peers.len() >= PEERS_MAX {
            let quietest = (self.peers.iter())
                .min_by_key(|(_, record)| record.failures.back())
                .map(|(peer, _)| *peer);
            quietest.and_then(|peer| self.peers.remove(&peer));
        }
    }
}

impl Record {
    fn forget_before(&mut self, now: ServerTime) {
        let gone = |at: &ServerTime| after(*at, WINDOW) <= now;
        while self.failures.front().is_some_and(gone) {
            self.failures.pop_front();
        }
        self.waiting.retain(|due| *due > now);
    }

    fn delay(&self) -> Duration {
        match self.failures.len().checked_sub(FREE) {
            None => Duration::ZERO,
            Some(over) => DELAY_MAX.min(Duration::from_secs(1 << over.min(FAILURES_MAX))),
        }
    }
}

/// The time that is `by` later.
pub(super) fn after(at: ServerTime, by: Duration) -> ServerTime {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    ServerTime(at.0.saturating_add(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(throttle: &mut Throttle, peer: Peer, now: u64, tries: usize) -> Vec<u64> {
        let mut seen = Vec::new();
        for _ in 0..tries {
            let Ok(delay) = throttle.admit(peer, ServerTime(now)) else {
                break;
            };
            throttle.failed(peer, ServerTime(now));
            seen.push(delay.as_secs());
        }
        seen
    }

    #[test]
    fn ten_are_free_and_then_the_delay_doubles_to_half_a_minute() {
        let mut throttle = Throttle::default();
        let seen = delays(&mut throttle, Peer::User(1), 5, 18);
        assert_eq!(seen[..10], [0; 10]);
        assert_eq!(seen[10..], [1, 2, 4, 8, 16, 30, 30, 30]);
    }

    #[test]
    fn others_are_not_delayed() {
        let mut throttle = Throttle::default();
        delays(&mut throttle, Peer::User(1), 5, 15);
        let other = throttle.admit(Peer::User(2), ServerTime(5));
        assert_eq!(other, Ok(Duration::ZERO));
    }

    #[test]
    fn a_minute_without_a_failure_forgives() {
        let mut throttle = Throttle::default();
        delays(&mut throttle, Peer::User(1), 5, 15);
        let nearly = throttle.admit(Peer::User(1), ServerTime(60_004));
        assert_eq!(nearly, Ok(DELAY_MAX));
        let then = throttle.admit(Peer::User(1), ServerTime(60_005));
        assert_eq!(then, Ok(Duration::ZERO));
    }

    #[test]
    fn guessing_in_parallel_gains_nothing() {
        let mut throttle = Throttle::default();
        let seen = delays(&mut throttle, Peer::User(1), 5, 1000);
        assert_eq!(seen.len(), FREE + WAITING_MAX);
        // The first delayed answer is due a second later, and makes room for one more try.
        let seen = delays(&mut throttle, Peer::User(1), 1005, 1000);
        assert_eq!(seen, [30]);
    }

    #[test]
    fn an_ipv6_network_is_one_peer_and_mapped_addresses_are_themselves() {
        let peer = |text: &str| Peer::address(text.parse().expect("an address"));
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:2"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }

    #[test]
    fn the_number_of_peers_is_bounded_and_the_quietest_goes() {
        let mut throttle = Throttle::default();
        let user = |n: usize| Peer::User(u32::try_from(n).expect("small"));
        for n in 0..PEERS_MAX + 10 {
            delays(&mut throttle, user(n), n as u64, 11);
        }
        assert_eq!(throttle.peers.len(), PEERS_MAX);
        assert!(!throttle.peers.contains_key(&user(9)));
        assert!(throttle.peers.contains_key(&user(10)));
        // Much later they are all forgotten at once.
        delays(&mut throttle, user(PEERS_MAX + 10), 1_000_000, 1);
        assert_eq!(throttle.peers.len(), 1);
    }
}
