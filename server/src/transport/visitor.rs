//! Connections that have not logged in: few from one address, and not for long.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Connections from one address that have not logged in.
const VISITORS_MAX: usize = 256;
/// How long a connection has for its preface and its login.
pub(super) const LOGIN_TIME: Duration = Duration::from_secs(5);

/// Counts visitors by address. Unix sockets are guarded by the mode of their file, and not counted.
#[derive(Debug, Default)]
pub(super) struct Porch {
    visitors: Mutex<HashMap<IpAddr, usize>>,
}

/// One connection, until it has logged in.
#[derive(Debug)]
pub(crate) struct Visitor {
    porch: Arc<Porch>,
    address: Option<IpAddr>,
    logged_in: AtomicBool,
}

impl Porch {
    /// Lets a connection in; `None` if too many from its address wait already.
    pub(super) fn enter(self: &Arc<Porch>, address: Option<IpAddr>) -> Option<Arc<Visitor>> {
        if let Some(address) = address {
            let mut visitors = self.visitors.lock();
            let count = visitors.entry(address).or_default();
            if *count >= VISITORS_MAX {
                return None;
            }
            *count += 1;
        }
        Some(Arc::new(Visitor {
            porch: Arc::clone(self),
            address,
            logged_in: AtomicBool::new(false),
        }))
    }

    fn leave(&self, address: Option<IpAddr>) {
        let Some(address) = address else { return };
        let mut visitors = self.visitors.lock();
        if let Some(count) = visitors.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                visitors.remove(&address);
            }
        }
    }
}

impl Visitor {
    /// The connection showed a good token.
    pub(super) fn welcome(&self) {
        if !self.logged_in.load(Ordering::Acquire) && !self.logged_in.swap(true, Ordering::AcqRel) {
            self.porch.leave(self.address);
        }
    }

    /// Has it?
    pub(super) fn is_welcome(&self) -> bool {
        self.logged_in.load(Ordering::Acquire)
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        if !self.is_welcome() {
            self.porch.leave(self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_takes_no_more_than_its_share_and_gives_it_back() {
        let porch = Arc::new(Porch::default());
        let (here, there) = (
            Some(IpAddr::from([127, 0, 0, 1])),
            Some(IpAddr::from([127, 0, 0, 2])),
        );
        let mut visitors: Vec<_> = (0..VISITORS_MAX)
            .map(|_| porch.enter(here).expect("there is room"))
            .collect();
        assert!(porch.enter(here).is_none());
        assert!(porch.enter(there).is_some() && porch.enter(None).is_some());
        visitors[0].welcome();
        visitors[0].welcome();
        drop(visitors.pop());
        let again: Vec<_> = (0..2).map(|_| porch.enter(here)).collect();
        assert!(again.iter().all(Option::is_some));
        assert!(porch.enter(here).is_none());
        drop((visitors, again));
        assert!(porch.visitors.lock().is_empty());
    }
}
