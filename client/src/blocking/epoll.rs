//! One descriptor that is readable whenever a driver has something to do, for event loops of others.

pub(super) use here::Epoll;

#[cfg(target_os = "linux")]
mod here {
    use crate::blocking::socket::Source;
    use rustix::event::PollFlags;
    use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    /// An epoll instance that holds the wake-up pipe, and the socket that there is at the time.
    pub(in crate::blocking) struct Epoll {
        fd: OwnedFd,
        /// A forked child shares the instance with its parent: what it changed would change for the parent.
        pid: u32,
    }

    impl Epoll {
        pub(in crate::blocking) fn new(wakeup: &impl AsFd) -> io::Result<Epoll> {
            let fd = epoll::create(CreateFlags::CLOEXEC)?;
            epoll::add(&fd, wakeup, DATA, EventFlags::IN)?;
            Ok(Epoll {
                fd,
                pid: std::process::id(),
            })
        }

        /// A socket that could not be added is waited for in vain, until its connection is given up.
        pub(in crate::blocking) fn add(&self, source: &Source) {
            if self.is_ours() {
                let _ = epoll::add(&self.fd, source, DATA, flags(source.interest()));
            }
        }

        pub(in crate::blocking) fn modify(&self, source: &Source) {
            if self.is_ours() {
                let _ = epoll::modify(&self.fd, source, DATA, flags(source.interest()));
            }
        }

        /// To be called while the socket is open: a forked child that has it as well would keep it in here.
        pub(in crate::blocking) fn delete(&self, source: &Source) {
            if self.is_ours() {
                let _ = epoll::delete(&self.fd, source);
            }
        }

        fn is_ours(&self) -> bool {
            self.pid == std::process::id()
        }
    }

    impl AsFd for Epoll {
        fn as_fd(&self) -> BorrowedFd<'_> {
            self.fd.as_fd()
        }
    }

    /// Nobody reads from the instance what was ready: all is looked at.
    const DATA: EventData = EventData::new_u64(0);

    fn flags(interest: PollFlags) -> EventFlags {
        if interest.contains(PollFlags::OUT) {
            EventFlags::IN | EventFlags::OUT
        } else {
            EventFlags::IN
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod here {
    use crate::blocking::socket::Source;
    use std::io;
    use std::os::fd::{AsFd, BorrowedFd};

    /// There is none.
    pub(in crate::blocking) enum Epoll {}

    impl Epoll {
        pub(in crate::blocking) fn new(_: &impl AsFd) -> io::Result<Epoll> {
            let message = "only on Linux can an event loop drive a client";
            Err(io::Error::new(io::ErrorKind::Unsupported, message))
        }

        pub(in crate::blocking) fn add(&self, _: &Source) {
            match *self {}
        }

        pub(in crate::blocking) fn modify(&self, _: &Source) {
            match *self {}
        }

        pub(in crate::blocking) fn delete(&self, _: &Source) {
            match *self {}
        }
    }

    impl AsFd for Epoll {
        fn as_fd(&self) -> BorrowedFd<'_> {
            match *self {}
        }
    }
}
