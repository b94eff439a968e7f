//! Watches the processes behind Unix sockets.
//!
//! A process that dies does not close its socket while a child of its holds a copy: the kernel tells the death by a
//! pidfd. One thread waits for all of them. Where nobody holds a copy, the kernel closes the socket of a dying process
//! before it tells of the death: so a process is watched on when its connection has ended.

use crate::engine::Engine;
use crate::session::Session;
use parking_lot::Mutex;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::OwnedFd;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Weak};

/// The tag of the descriptor that ends the thread.
const STOP: u64 = 0;

/// The processes that are watched.
pub(super) struct Deaths {
    epoll: OwnedFd,
    stop: OwnedFd,
    watched: Mutex<Watched>,
}

#[derive(Default)]
struct Watched {
    newest: u64,
    by_tag: HashMap<u64, Watching>,
    /// At so many, those that tell nothing any more are let go.
    tidy_at: usize,
}

struct Watching {
    /// Closing it takes it out of the epoll set.
    _process: OwnedFd,
    session: Weak<Session>,
    /// Its connection is there. Otherwise the death counts only if the session has no other: what connected for it may
    /// have been a process that passes bytes on.
    connected: bool,
}

impl Watching {
    /// The session that a death of the process ends.
    fn mourned(&self) -> Option<Arc<Session>> {
        let session = self.session.upgrade()?;
        let alone = self.connected || session.presence.lock().connections == 0;
        alone.then_some(session)
    }
}

/// One process that is watched for one session. Dropped, the connection has ended.
pub(super) struct Watch {
    deaths: Arc<Deaths>,
    tag: u64,
}

impl Deaths {
    pub(super) fn new() -> io::Result<Arc<Deaths>> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(
            &epoll,
            &stop,
            epoll::EventData::new_u64(STOP),
            epoll::EventFlags::IN,
        )?;
        Ok(Arc::new(Deaths {
            epoll,
            stop,
            watched: Mutex::default(),
        }))
    }

    /// Watches a process for a session. `None` where the kernel does not know it: then only the socket's end tells.
    pub(super) fn watch(self: &Arc<Deaths>, pid: i32, session: &Arc<Session>) -> Option<Watch> {
        let process = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let mut watched = self.watched.lock();
        if watched.by_tag.len() >= watched.tidy_at {
            watched
                .by_tag
                .retain(|_, watching| watching.mourned().is_some());
            watched.tidy_at = 2 * watched.by_tag.len() + 64;
        }
        watched.newest += 1;
        let tag = watched.newest;
        // Once: a process dies once, and the thread must not spin on it until its lanes are gone.
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        epoll::add(&self.epoll, &process, epoll::EventData::new_u64(tag), flags).ok()?;
        let watching = Watching {
            _process: process,
            session: Arc::downgrade(session),
            connected: true,
        };
        watched.by_tag.insert(tag, watching);
        Some(Watch {
            deaths: Arc::clone(self),
            tag,
        })
    }

    /// Tells the engine of deaths until [`Deaths::stop`]. For a thread of its own.
    pub(super) fn run(&self, engine: &Engine) {
        engine.guard("death", || self.tell(engine));
    }

    fn tell(&self, engine: &Engine) {
        let mut events = Vec::with_capacity(64);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::error!(%error, "deaths of client processes are not noticed any more");
                    return;
                }
            }
            for event in events.drain(..) {
                let tag = event.data.u64();
                if tag == STOP {
                    return;
                }
                let watching = self.watched.lock().by_tag.remove(&tag);
                let dead = watching.and_then(|watching| watching.mourned());
                if let Some(session) = dead {
                    engine.died(&session);
                }
            }
        }
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        // It can only fail when the counter is full: then the thread was told long ago.
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watched = self.deaths.watched.lock();
        if let Some(watching) = watched.by_tag.get_mut(&self.tag) {
            watching.connected = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::FailingTime;
    use crate::engine::Limits;
    use crate::session::{Identity, Liveness};
    use crate::store::{StoreMaker, StoreOptions};
    use commonhold_proto::login::TokenHash;
    use commonhold_proto::{Oid, RowKey};
    use std::process::{Command, Stdio};
    use std::sync::atomic::Ordering;

    /// Without this thread the dead would hold what they held: nothing more is answered.
    #[test]
    fn a_panic_over_a_death_poisons_the_engine() {
        let time = FailingTime::default();
        let store = StoreMaker::find("memory").expect("it is in the list");
        let store = store.open(&StoreOptions::new("")).expect("it is free");
        let started = Engine::start(store, Limits::default(), Box::new(time.clone()));
        let engine = started.expect("there is nothing to read").0;
        let opened = engine.open_session(
            Identity::default(),
            Liveness::Connection,
            TokenHash([7; 32]),
        );
        let session = opened.expect("there is room").0;
        session.lease().lend(Oid(99), RowKey::of("row"));
        let mut waits = Command::new("cat");
        let waits = waits.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = waits.spawn().expect("there is a cat");
        let pid = i32::try_from(process.id()).expect("a pid");
        let deaths = Deaths::new().expect("descriptors");
        let _watch = deaths.watch(pid, &session).expect("it lives");
        process.kill().expect("it is ours");
        time.0.store(true, Ordering::Relaxed);
        deaths.run(&engine);
        assert!(engine.gate.is_broken());
        process.wait().expect("it is dead");
    }
}
