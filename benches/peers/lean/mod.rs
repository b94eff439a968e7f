//! Load as lean as `redis-benchmark`'s: one thread, calls that were encoded before the clock starts, replies that are
//! only counted, one `send` a frame and one `recv` a readiness.
//!
//! It is a session like any other: logged in, its calls numbered, its replies acknowledged with the next call. Rows named
//! `*_client_*` are the same load through our own client, which makes and reads every call.

mod http2;
mod lane;
mod replies;
mod template;

use anyhow::{Context as _, Result, ensure};
use commonhold_proto::login::AuthKey;
use commonhold_proto::{Durability, keyfile};
use http2::Wait;
use lane::Lane;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long the server may be silent while it owes a reply.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the server listens.
pub(crate) enum Place {
    Unix(PathBuf),
    /// A host and a port.
    Tcp(String),
}

/// How one connection keeps calls under way.
#[derive(Clone, Copy)]
pub(crate) struct Pace {
    /// Calls under way at most.
    pub(crate) window: usize,
    /// Calls of one frame, at least and at most.
    pub(crate) frame: (usize, usize),
}

/// The load of `redis-benchmark -c 1 -P 128`, in two frames: the server wakes up over the first one while the second is
/// made. Looking again and again before going to sleep does not pay here: the server works longer on its calls.
pub(crate) const PIPELINED: Pace = Pace {
    window: 128,
    frame: (64, 64),
};

/// So many callers that share a connection: each calls again when its own reply has come.
pub(crate) fn callers(count: usize) -> Pace {
    Pace {
        window: count,
        frame: (1, count),
    }
}

/// Increments a second over one connection.
pub(crate) fn one_connection(
    place: &Place,
    key_file: &Path,
    durability: Durability,
    pace: Pace,
    time: Duration,
) -> Result<f64> {
    let key = keyfile::read(key_file)?.key;
    let (least, most) = pace.frame;
    let mut lane = place.open(&key, durability, most)?;
    let start = Instant::now();
    let mut count = 0;
    let elapsed = loop {
        loop {
            let room = pace.window - usize::try_from(lane.under_way())?;
            if room < least {
                break;
            }
            lane.send(room.min(most))?;
        }
        count += lane.receive(Wait::Yes)?;
        let elapsed = start.elapsed();
        if elapsed >= time {
            break elapsed;
        }
    };
    lane.end()?;
    lane.ended()?;
    Ok(rate(count, elapsed))
}

/// Increments a second over so many connections, each with a session of its own and one call at a time.
pub(crate) fn many_connections(
    place: &Place,
    key_file: &Path,
    durability: Durability,
    connections: usize,
    time: Duration,
) -> Result<f64> {
    let key = keyfile::read(key_file)?.key;
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut lanes = Vec::with_capacity(connections);
    for index in 0..connections {
        let lane = place.open(&key, durability, 1)?;
        let data = epoll::EventData::new_u64(index as u64);
        epoll::add(&epoll, &lane, data, epoll::EventFlags::IN)?;
        lanes.push(lane);
    }
    let start = Instant::now();
    for lane in &mut lanes {
        lane.send(1)?;
    }
    let patience = Timespec::try_from(PATIENCE)?;
    let mut ready = Vec::with_capacity(connections);
    let mut count = 0;
    let elapsed = loop {
        let came = epoll::wait(&epoll, spare_capacity(&mut ready), Some(&patience))?;
        ensure!(came > 0, "the server is silent");
        for event in &ready {
            count += lanes[usize::try_from(event.data.u64())?].receive(Wait::No)?;
        }
        // All are read before the first one calls again: a server that was woken might want this very processor.
        for event in ready.drain(..) {
            let lane = &mut lanes[usize::try_from(event.data.u64())?];
            if lane.under_way() == 0 {
                lane.send(1)?;
            }
        }
        let elapsed = start.elapsed();
        if elapsed >= time {
            break elapsed;
        }
    };
    for lane in &mut lanes {
        lane.end()?;
    }
    lanes.into_iter().try_for_each(Lane::ended)?;
    Ok(rate(count, elapsed))
}

impl Place {
    fn open(&self, key: &AuthKey, durability: Durability, calls: usize) -> Result<Lane> {
        let socket: OwnedFd = match self {
            Place::Unix(path) => {
                let socket = UnixStream::connect(path)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.into()
            }
            Place::Tcp(address) => {
                let socket = TcpStream::connect(address)?;
                socket.set_nodelay(true)?;
                socket.set_read_timeout(Some(PATIENCE))?;
                socket.into()
            }
        };
        Lane::open(socket, key, durability, calls).context("a connection")
    }
}

fn rate(count: u64, elapsed: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}
