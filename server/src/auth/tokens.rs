//! The tokens that logins gave: what a client shows in place of a proof.

use super::throttle::after;
use commonhold_proto::ServerTime;
use commonhold_proto::login::{Token, TokenHash};
use parking_lot::RwLock;
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// How long a token is good unless a session adopts it.
pub const TOKEN_LIFE: Duration = Duration::from_hours(1);

/// Tokens that no session adopted; the one that expires next makes room.
const UNADOPTED_MAX: usize = 65_536;

/// The hashes of the tokens that are good. The tokens themselves are not kept.
///
/// A lookup compares hashes of what the client sent: how long it takes says nothing about another token.
#[derive(Debug, Default)]
pub struct Tokens {
    /// Guards both tables; held for a lookup, and no other lock is taken under it.
    table: RwLock<Table>,
}

#[derive(Debug, Default)]
struct Table {
    holds: HashMap<TokenHash, Hold>,
    /// Those of `Hold::Until`, in the order in which they expire.
    unadopted: BTreeSet<(ServerTime, TokenHash)>,
}

/// What keeps a token good.
#[derive(Clone, Copy, Debug)]
enum Hold {
    /// Its time.
    Until(ServerTime),
    /// So many sessions.
    Sessions(u32),
}

impl Tokens {
    /// No tokens.
    pub fn new() -> Tokens {
        Tokens::default()
    }

    /// A new token, good for [`TOKEN_LIFE`].
    pub fn issue(&self, now: ServerTime) -> Token {
        let token = Token::random();
        let (hash, until) = (token.hash(), after(now, TOKEN_LIFE));
        let mut table = self.table.write();
        table.expire(now);
        if table.unadopted.len() >= UNADOPTED_MAX
            && let Some((_, next)) = table.unadopted.pop_first()
        {
            table.holds.remove(&next);
        }
        table.holds.insert(hash, Hold::Until(until));
        table.unadopted.insert((until, hash));
        token
    }

    /// Names the token if it is good.
    pub fn check(&self, token: &Token, now: ServerTime) -> Option<TokenHash> {
        let hash = token.hash();
        match *self.table.read().holds.get(&hash)? {
            Hold::Until(until) if until <= now => None,
            _ => Some(hash),
        }
    }

    /// A session was opened with this token: it is good as long as the session is. False if the token is not good any
    /// more; the session must not be opened then.
    pub fn adopt(&self, hash: TokenHash) -> bool {
        let mut table = self.table.write();
        let known = table.holds.contains_key(&hash);
        if known {
            table.add_session(hash);
        }
        known
    }

    /// A session that was recovered from the log had adopted this token.
    pub fn restore(&self, hash: TokenHash) {
        self.table.write().add_session(hash);
    }

    /// A session that had adopted this token ended, or the token shall not be good any more before its time. It is
    /// forgotten at once, unless another session has adopted it too.
    pub fn revoke(&self, hash: TokenHash) {
        let mut table = self.table.write();
        match table.holds.get_mut(&hash) {
            Some(Hold::Sessions(count @ 2..)) => *count -= 1,
            Some(Hold::Sessions(_)) => {
                table.holds.remove(&hash);
            }
            Some(Hold::Until(until)) => {
                let entry = (*until, hash);
                table.unadopted.remove(&entry);
                table.holds.remove(&hash);
            }
            None => {}
        }
    }
}

impl Table {
    fn add_session(&mut self, hash: TokenHash) {
        let hold = self.holds.entry(hash).or_insert(Hold::Sessions(0));
        match hold {
            Hold::Sessions(count) => *count += 1,
            Hold::Until(until) => {
                self.unadopted.remove(&(*until, hash));
                *hold = Hold::Sessions(1);
            }
        }
    }

    fn expire(&mut self, now: ServerTime) {
        while let Some((until, hash)) = self.unadopted.first().copied()
            && until <= now
        {
            self.unadopted.pop_first();
            self.holds.remove(&hash);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: ServerTime = ServerTime(1_000);
    const END: ServerTime = ServerTime(1_000 + 3_600_000);
    const BEFORE_END: ServerTime = ServerTime(END.0 - 1);

    #[test]
    fn a_token_is_good_for_an_hour() {
        let tokens = Tokens::new();
        let token = tokens.issue(START);
        assert_eq!(tokens.check(&token, START), Some(token.hash()));
        assert_eq!(tokens.check(&token, BEFORE_END), Some(token.hash()));
        assert_eq!(tokens.check(&token, END), None);
        assert_eq!(tokens.check(&Token::random(), START), None);
    }

    #[test]
    fn an_adopted_token_is_good_until_its_last_session_ends() {
        let tokens = Tokens::new();
        let token = tokens.issue(START);
        assert!(tokens.adopt(token.hash()));
        assert!(tokens.adopt(token.hash()));
        assert!(tokens.check(&token, ServerTime(u64::MAX)).is_some());
        tokens.revoke(token.hash());
        assert!(tokens.check(&token, START).is_some());
        tokens.revoke(token.hash());
        assert_eq!(tokens.check(&token, START), None);
        assert!(!tokens.adopt(token.hash()));
    }

    #[test]
    fn a_token_that_nobody_adopted_can_be_revoked() {
        let tokens = Tokens::new();
        let token = tokens.issue(START);
        tokens.revoke(token.hash());
        assert_eq!(tokens.check(&token, START), None);
        assert!(tokens.table.read().unadopted.is_empty());
        tokens.revoke(token.hash());
    }

    #[test]
    fn a_recovered_session_keeps_its_token() {
        let (before, after) = (Tokens::new(), Tokens::new());
        let token = before.issue(START);
        assert_eq!(after.check(&token, START), None);
        after.restore(token.hash());
        assert!(after.check(&token, ServerTime(u64::MAX)).is_some());
        after.revoke(token.hash());
        assert_eq!(after.check(&token, START), None);
    }

    #[test]
    fn what_is_kept_is_bounded_and_sessions_are_never_the_ones_to_go() {
        let tokens = Tokens::new();
        let adopted = tokens.issue(START);
        assert!(tokens.adopt(adopted.hash()));
        let first = tokens.issue(START);
        let second = tokens.issue(ServerTime(START.0 + 1));
        for _ in 2..UNADOPTED_MAX {
            tokens.issue(ServerTime(START.0 + 2));
        }
        assert!(tokens.check(&first, START).is_some());
        tokens.issue(ServerTime(START.0 + 2));
        assert_eq!(tokens.check(&first, START), None);
        for kept in [&second, &adopted] {
            assert!(tokens.check(kept, START).is_some());
        }
        tokens.issue(ServerTime(END.0 + 2));
        assert_eq!(tokens.table.read().holds.len(), 2);
        assert_eq!(tokens.table.read().unadopted.len(), 1);
    }

    #[test]
    fn debug_shows_no_token() {
        let tokens = Tokens::new();
        let token = tokens.issue(START);
        let [a, b, c, ..] = token.hash().0;
        let shown = format!("{tokens:?}");
        assert!(shown.contains("TokenHash("));
        assert!(!shown.contains(&format!("{a:02x}{b:02x}{c:02x}")));
    }
}
