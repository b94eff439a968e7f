//! Which object a proxy stands for, and what keeps it if it has no name.

use crate::caller::Caller;
use crate::holdings::Holdings;
use commonhold_proto::{Oid, Open, Target, Value};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A name, and the identity that it was found to have.
#[derive(Debug)]
pub(crate) struct Handle {
    open: Open,
    /// 0: not known.
    oid: AtomicU64,
    /// It is never opened by name again: what it is about belongs to this very object.
    is_pinned: bool,
    /// Keeps an anonymous object.
    hold: Option<Arc<Hold>>,
}

impl Handle {
    /// What has this name and these options.
    pub(crate) fn of(open: Open) -> Handle {
        Handle {
            open,
            oid: AtomicU64::new(0),
            is_pinned: false,
            hold: None,
        }
    }

    /// The very object of this identity. Without a name it is nothing else, ever.
    pub(crate) fn identified(open: Open, oid: Oid, hold: Option<Hold>) -> Handle {
        Handle {
            oid: AtomicU64::new(oid.0),
            is_pinned: open.name.is_empty(),
            hold: hold.map(Arc::new),
            open,
        }
    }

    /// The very object that was reached by the last call.
    pub(crate) fn pinned(&self) -> Handle {
        Handle {
            is_pinned: true,
            ..self.copy()
        }
    }

    /// The same without what keeps the object, for where the last proxy must not end.
    pub(crate) fn bare(self: &Arc<Handle>) -> Arc<Handle> {
        if self.hold.is_none() {
            return Arc::clone(self);
        }
        Arc::new(Handle {
            hold: None,
            ..self.copy()
        })
    }

    fn copy(&self) -> Handle {
        Handle {
            open: self.open.clone(),
            oid: AtomicU64::new(self.oid.load(Ordering::Relaxed)),
            is_pinned: self.is_pinned,
            hold: self.hold.clone(),
        }
    }

    /// How it is opened.
    pub(crate) fn open(&self) -> &Open {
        &self.open
    }

    pub(crate) fn is_pinned(&self) -> bool {
        self.is_pinned
    }

    /// Its identity, if it is known.
    pub(crate) fn oid(&self) -> Option<Oid> {
        match self.oid.load(Ordering::Relaxed) {
            0 => None,
            oid => Some(Oid(oid)),
        }
    }

    pub(crate) fn target(&self) -> Target {
        match self.oid() {
            None => Target::Open(Box::new(self.open.clone())),
            Some(oid) => Target::Oid(oid),
        }
    }

    pub(crate) fn remember(&self, oid: Oid) {
        self.oid.store(oid.0, Ordering::Relaxed);
    }

    /// The object is gone: the next call opens by name again.
    pub(crate) fn forget(&self) {
        if !self.is_pinned {
            self.oid.store(0, Ordering::Relaxed);
        }
    }

    pub(crate) fn options(&self) -> &[(String, Value)] {
        &self.open.options.options
    }

    pub(crate) fn must_exist(&self) -> bool {
        self.open.options.exists == Some(true)
    }
}

/// Keeps an anonymous object for as long as there are proxies of it.
pub(crate) struct Hold {
    holdings: Arc<Holdings>,
    oid: Oid,
    /// Has what nobody wants dropped.
    let_go: Box<dyn Fn() + Send + Sync>,
}

impl Hold {
    /// A proxy is made of a reference to this object.
    pub(crate) fn new<C: Caller>(client: &C, oid: Oid) -> Hold {
        let holdings = Arc::clone(&client.ties().0.holdings);
        holdings.adopt(oid);
        let client = client.clone();
        Hold {
            holdings,
            oid,
            let_go: Box::new(move || client.let_go()),
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A forked child has nothing of its parent's to drop.
        if self.holdings.release(self.oid) {
            (self.let_go)();
        }
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Hold").field(&self.oid).finish()
    }
}
