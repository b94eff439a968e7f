//! Telling a session that it lost a grant: its time ran out, or somebody else freed it.
//!
//! What is lost together, with the lease, the welcome of the next connection tells at once; what is lost singly is told
//! on every connection there is, and by the welcome of those that come later.

use super::Engine;
use crate::session::Lease;
use commonhold_proto::{Fence, Oid, Revision, RowKey};
use std::sync::Arc;

/// A grant that ended although its session did nothing.
pub(super) struct Loss {
    lease: Arc<Lease>,
    fence: Fence,
}

/// Grants that a row may take from others.
pub(super) struct Threatened {
    pub(super) lease: Arc<Lease>,
    pub(super) key: RowKey,
    pub(super) token: Revision,
}

impl Threatened {
    pub(super) fn lost(self, oid: Oid) -> Loss {
        Loss {
            lease: self.lease,
            fence: Fence {
                lock: oid,
                token: self.token,
            },
        }
    }
}

impl Engine {
    /// Tells the sessions that lost something.
    pub(super) fn tell_lost(&self, lost: Vec<Loss>) {
        for Loss { lease, fence } in lost {
            // Whoever lost everything is told so.
            if lease.has_ended() {
                continue;
            }
            let Some(session) = self.session(lease.session) else {
                continue;
            };
            session.note_lost(fence);
            for lane in session.lanes() {
                lane.tell_lost(fence);
            }
        }
    }
}
