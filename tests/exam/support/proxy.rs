//! A proxy that cuts connections, mostly between the delivery of a call and its reply.

use super::random::Random;
use parking_lot::Mutex;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;
use tempfile::TempDir;

/// How many times the server must have spoken on a connection before a cut counts as one between a call and its reply:
/// HTTP/2's settings, the login and the welcome take fewer.
const GREETINGS: u64 = 6;

/// Passes bytes between clients, on a Unix socket and on TCP, and a server's Unix socket.
pub(crate) struct Proxy {
    folder: TempDir,
    port: u16,
    state: Arc<State>,
}

/// How connections were cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cuts {
    /// Between the delivery of a call and its reply: the client's bytes were passed on, the server's answer was not.
    pub(crate) before_reply: u64,
    /// Anywhere else: in the middle of what the client said, in the middle of the reply, or while connecting.
    pub(crate) elsewhere: u64,
}

struct State {
    target: PathBuf,
    random: Random,
    /// One in so many messages of clients is followed by a cut; 0: none.
    one_in: AtomicU64,
    before_reply: AtomicU64,
    elsewhere: AtomicU64,
    /// Nobody gets through.
    shut: AtomicBool,
    /// Nothing is passed on.
    stalled: AtomicBool,
    links: Mutex<Vec<Weak<Link>>>,
}

/// Two sockets, and what is to become of them.
struct Link {
    client: Socket,
    server: Socket,
    fate: Mutex<Fate>,
    /// How many times the server has spoken.
    spoken: AtomicU64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Lives,
    /// What the server says next is thrown away, and the connection is cut.
    LosesReply,
    /// Half of what the server says next is passed on, and the connection is cut.
    LosesHalf,
}

enum Socket {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Proxy {
    /// A proxy that cuts nothing yet.
    pub(crate) fn before(server: &Path) -> Proxy {
        let folder = TempDir::new().expect("a folder");
        let state = Arc::new(State {
            target: server.to_owned(),
            random: Random::new(),
            one_in: AtomicU64::new(0),
            before_reply: AtomicU64::new(0),
            elsewhere: AtomicU64::new(0),
            shut: AtomicBool::new(false),
            stalled: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let unix = UnixListener::bind(folder.path().join("socket")).expect("a socket");
        let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = tcp.local_addr().expect("an address").port();
        let passing = Arc::clone(&state);
        thread::spawn(move || {
            while let Ok((client, _)) = unix.accept() {
                passing.pass(Socket::Unix(client));
            }
        });
        let passing = Arc::clone(&state);
        thread::spawn(move || {
            while let Ok((client, _)) = tcp.accept() {
                if client.set_nodelay(true).is_ok() {
                    passing.pass(Socket::Tcp(client));
                }
            }
        });
        Proxy {
            folder,
            port,
            state,
        }
    }

    /// Where a client finds it: every other one over TCP.
    pub(crate) fn url(&self, client: usize) -> String {
        if client.is_multiple_of(2) {
            format!("unix://{}", self.folder.path().join("socket").display())
        } else {
            format!("tcp://127.0.0.1:{}", self.port)
        }
    }

    /// From now on one in so many messages of clients is followed by a cut; 0: none.
    pub(crate) fn cut_one_in(&self, many: u64) {
        self.state.one_in.store(many, Ordering::Relaxed);
    }

    /// Cuts all connections and lets none be made, until it is opened again.
    pub(crate) fn shut(&self, shut: bool) {
        self.state.shut.store(shut, Ordering::SeqCst);
        if shut {
            for link in self.state.links.lock().drain(..) {
                if let Some(link) = link.upgrade() {
                    link.shut_down();
                }
            }
        }
    }

    /// Keeps all connections and passes nothing on, until it is told otherwise: then all of it.
    pub(crate) fn stall(&self, stalled: bool) {
        self.state.stalled.store(stalled, Ordering::SeqCst);
    }

    pub(crate) fn cuts(&self) -> Cuts {
        Cuts {
            before_reply: self.state.before_reply.load(Ordering::Relaxed),
            elsewhere: self.state.elsewhere.load(Ordering::Relaxed),
        }
    }
}

impl State {
    /// Passes one connection on, on two threads. A server that is not there is a connection that breaks at once.
    fn pass(self: &Arc<Self>, client: Socket) {
        let Ok(server) = UnixStream::connect(&self.target) else {
            return;
        };
        let link = Arc::new(Link {
            client,
            server: Socket::Unix(server),
            fate: Mutex::new(Fate::Lives),
            spoken: AtomicU64::new(0),
        });
        {
            // Whoever shuts takes the list after saying so.
            let mut links = self.links.lock();
            if self.shut.load(Ordering::SeqCst) {
                return;
            }
            links.retain(|link| link.strong_count() > 0);
            links.push(Arc::downgrade(&link));
        }
        for upward in [true, false] {
            let (state, link) = (Arc::clone(self), Arc::clone(&link));
            thread::spawn(move || {
                // How a connection ended is seen at both of its ends.
                let _ = if upward {
                    state.pass_up(&link)
                } else {
                    state.pass_down(&link)
                };
                link.shut_down();
            });
        }
    }

    fn pass_up(&self, link: &Link) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        loop {
            let read = link.client.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            self.wait_for_passage();
            let one_in = self.one_in.load(Ordering::Relaxed);
            if one_in == 0 || !self.random.once_in(one_in) {
                link.server.write(&bytes[..read])?;
                continue;
            }
            match self.random.within(0..8) {
                0 | 1 => {
                    link.server.write(&bytes[..read])?;
                    return self.cut(link, true);
                }
                2 => {
                    link.server.write(&bytes[..read / 2])?;
                    return self.cut(link, false);
                }
                3 => *link.fate.lock() = Fate::LosesHalf,
                _ => *link.fate.lock() = Fate::LosesReply,
            }
            link.server.write(&bytes[..read])?;
        }
    }

    fn pass_down(&self, link: &Link) -> io::Result<()> {
        let mut bytes = [0; 16 << 10];
        loop {
            let read = link.server.read(&mut bytes)?;
            if read == 0 {
                return Ok(());
            }
            self.wait_for_passage();
            link.spoken.fetch_add(1, Ordering::Relaxed);
            let fate = *link.fate.lock();
            match fate {
                Fate::Lives => link.client.write(&bytes[..read])?,
                Fate::LosesReply => return self.cut(link, true),
                Fate::LosesHalf => {
                    link.client.write(&bytes[..read / 2])?;
                    return self.cut(link, false);
                }
            }
        }
    }

    fn wait_for_passage(&self) {
        while self.stalled.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it ends the passing of bytes")]
    fn cut(&self, link: &Link, before_reply: bool) -> io::Result<()> {
        let greeted = link.spoken.load(Ordering::Relaxed) > GREETINGS;
        let count = if before_reply && greeted {
            &self.before_reply
        } else {
            &self.elsewhere
        };
        count.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl Link {
    fn shut_down(&self) {
        self.client.shut_down();
        self.server.shut_down();
    }
}

impl Socket {
    fn read(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Unix(socket) => (&*socket).read(bytes),
            Socket::Tcp(socket) => (&*socket).read(bytes),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Socket::Unix(socket) => (&*socket).write_all(bytes),
            Socket::Tcp(socket) => (&*socket).write_all(bytes),
        }
    }

    fn shut_down(&self) {
        // It may be shut down already.
        let _ = match self {
            Socket::Unix(socket) => socket.shutdown(Shutdown::Both),
            Socket::Tcp(socket) => socket.shutdown(Shutdown::Both),
        };
    }
}
