//! A session with one lane: logged in by the key, its calls numbered, its replies acknowledged.

use super::http2::{Connection, Wait};
use super::replies::Answered;
use super::template::Template;
use anyhow::{Context as _, Result, ensure};
use commonhold_proto::login::{AuthKey, ClientLogin, DEFAULT_KEY_NAME, KeyCache, Token};
use commonhold_proto::{
    Call, Durability, Open, OpenOptions, Owner, PROTOCOL_MAJOR, PROTOCOL_MINOR, Target, wire,
};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// A lane that calls nothing but `increment` of one counter.
pub(super) struct Lane {
    connection: Connection,
    template: Template,
    /// The last number that a call has.
    sent: u64,
    answered: Answered,
    /// The last number whose reply the server knows to have come.
    acknowledged: u64,
}

impl AsFd for Lane {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.connection.as_fd()
    }
}

impl Lane {
    /// Logs in and opens the counter. A frame will have at most so many calls.
    pub(super) fn open(
        socket: OwnedFd,
        key: &AuthKey,
        durability: Durability,
        calls: usize,
    ) -> Result<Lane> {
        let mut connection = Connection::open(socket)?;
        let token = login(&mut connection, key).context("the login")?;
        connection.open_stream("Session", Some(&token))?;
        say_hello(&mut connection)?;
        let oid = open_counter(&mut connection, durability)?;
        Ok(Lane {
            template: Template::new(connection.stream(), oid, calls),
            connection,
            sent: 1,
            answered: Answered::new(1),
            acknowledged: 0,
        })
    }

    /// Calls whose replies have not come.
    pub(super) fn under_way(&self) -> u64 {
        self.sent - self.answered.count()
    }

    /// Sends so many calls in one frame, and with them what to acknowledge.
    pub(super) fn send(&mut self, calls: usize) -> Result<()> {
        let acknowledged = (self.acknowledged + 1, self.answered.up_to);
        let frame = self.template.frame(self.sent + 1, calls, acknowledged)?;
        self.connection.send(frame)?;
        self.acknowledged = self.answered.up_to;
        self.sent += calls as u64;
        Ok(())
    }

    /// Takes in what has come; returns how many replies.
    pub(super) fn receive(&mut self, wait: Wait) -> Result<u64> {
        let before = self.answered.count();
        self.connection.receive(wait)?;
        while let Some(frame) = self.connection.next_message() {
            self.answered.take(frame, self.sent)?;
        }
        Ok(self.answered.count() - before)
    }

    /// Takes in the replies of all calls that are under way, and begins to say goodbye.
    pub(super) fn end(&mut self) -> Result<()> {
        while self.under_way() > 0 {
            self.receive(Wait::Yes)?;
        }
        let goodbye = wire::ClientFrame {
            goodbye: true,
            ..wire::ClientFrame::default()
        };
        self.connection.send_message(&goodbye, false)
    }

    /// Waits until the server has said goodbye too.
    pub(super) fn ended(mut self) -> Result<()> {
        loop {
            let frame: wire::ServerFrame = self.connection.wait_message()?;
            ensure!(frame.replies.is_empty(), "a reply to nothing");
            if frame.goodbye {
                return Ok(());
            }
        }
    }
}

/// Proves the key.
fn login(connection: &mut Connection, key: &AuthKey) -> Result<Token> {
    connection.open_stream("Login", None)?;
    let (login, first) = ClientLogin::new(DEFAULT_KEY_NAME);
    let challenge = connection.exchange(&first, false)?;
    let (proof, last) = login.challenge(key, KeyCache::process(), &challenge)?;
    let granted = proof.finish(&connection.exchange(&last, true)?)?;
    Ok(granted.token)
}

/// Opens a session that lives as long as its connection.
fn say_hello(connection: &mut Connection) -> Result<()> {
    let hello = wire::Hello {
        version: Some(wire::Version {
            protocol_major: PROTOCOL_MAJOR,
            protocol_minor: PROTOCOL_MINOR,
            ..wire::Version::default()
        }),
        liveness: wire::Liveness::Connection.into(),
        ..wire::Hello::default()
    };
    let hello = wire::ClientFrame {
        hello: Some(hello),
        ..wire::ClientFrame::default()
    };
    let answer: wire::ServerFrame = connection.exchange(&hello, false)?;
    ensure!(answer.welcome.is_some(), "no welcome");
    Ok(())
}

/// Opens the counter by its name, with a first increment.
fn open_counter(connection: &mut Connection, durability: Durability) -> Result<u64> {
    let open = Open {
        kind: "counter".to_owned(),
        name: format!("bench-lean-{durability:?}"),
        options: OpenOptions {
            durability: Some(durability),
            ..OpenOptions::default()
        },
    };
    let target = Target::Open(Box::new(open));
    let call = Call::new("increment", [1.into()]).into_wire(1, target, None, Owner(1));
    let frame = wire::ClientFrame {
        calls: vec![call],
        ..wire::ClientFrame::default()
    };
    let answer: wire::ServerFrame = connection.exchange(&frame, false)?;
    let reply = answer.replies.first().context("no reply")?;
    ensure!(reply.oid != 0, "the counter was not opened");
    Ok(reply.oid)
}
