//! Somebody who takes a session up again while nobody calls.

use super::Inner;
use std::fmt;
use std::sync::Arc;

/// A connection of a client's session that carries no calls, for a thread to [`run`](Keeper::run).
///
/// A blocking client finds out that its connection broke when it calls. One that holds something and calls rarely loses it
/// if its server starts again meanwhile; with a keeper its session is there again at once, and so is a server that
/// [stands in](crate::Options::absence). The session ends with its last connection: close the keeper before the client.
pub struct Keeper {
    pub(super) inner: Arc<Inner>,
}

impl Keeper {
    /// Keeps the session until the keeper is closed.
    pub fn run(&self) {
        if let Ok(runner) = self.inner.runner() {
            // There is neither a time nor an interrupt that could stop it before.
            let _ = runner.wait(0, None, |cx| runner.lane.poll_closed(cx));
        }
    }

    /// Ends the connection, and [`run`](Keeper::run). Takes at most 1 s.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl fmt::Debug for Keeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keeper")
            .field("place", &self.inner.session.place)
            .finish_non_exhaustive()
    }
}
