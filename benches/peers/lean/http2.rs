//! As much of HTTP/2 (RFC 9113) and gRPC as a load needs: one stream at a time, requests that were encoded before.

use anyhow::{Context as _, Result, bail, ensure};
use commonhold_proto::login::Token;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// Type and length before each frame.
pub(super) const FRAME_HEAD: usize = 9;
/// Compression flag and length before each message.
pub(super) const MESSAGE_HEAD: usize = 5;
/// The longest frame that a peer may send unless it was told otherwise.
const FRAME_MAX: usize = 1 << 14;
/// What one `recv` may bring.
const BUFFER: usize = 4 * FRAME_MAX;
/// What the server may send before it is told that there is room again: as much as there can be.
const WINDOW: u32 = (1 << 31) - 1;
/// What a window is before anything is said about it.
const WINDOW_AT_FIRST: u32 = (1 << 16) - 1;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 0x1;
const END_STREAM: u8 = 0x1;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;

const HEADER_TABLE_SIZE: u16 = 1;
const ENABLE_PUSH: u16 = 2;
const INITIAL_WINDOW_SIZE: u16 = 4;

/// Whether to wait for bytes that have not come yet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    Yes,
    No,
}

/// A connection with one stream of messages, the newest that was opened. What comes on older ones is passed over.
pub(super) struct Connection {
    socket: OwnedFd,
    stream: u32,
    incoming: Vec<u8>,
    /// How much of `incoming` has come: the start of a frame whose end has not.
    filled: usize,
    /// What came on the stream.
    messages: Vec<u8>,
    /// How much of it was read.
    read: usize,
    /// What came since the server was last told that there is room.
    unreturned: u32,
    /// What the server takes: on the connection, on the stream, and on a new stream.
    room: i64,
    stream_room: i64,
    stream_room_at_first: i64,
    /// Its settings came.
    is_greeted: bool,
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    /// Greets the server on a socket that blocks.
    pub(super) fn open(socket: OwnedFd) -> Result<Connection> {
        let mut connection = Connection {
            socket,
            stream: 0,
            incoming: vec![0; BUFFER],
            filled: 0,
            messages: Vec::new(),
            read: 0,
            unreturned: 0,
            room: WINDOW_AT_FIRST.into(),
            stream_room: 0,
            stream_room_at_first: WINDOW_AT_FIRST.into(),
            is_greeted: false,
        };
        let mut settings = Vec::new();
        for (name, value) in [
            (HEADER_TABLE_SIZE, 0),
            (ENABLE_PUSH, 0),
            (INITIAL_WINDOW_SIZE, WINDOW),
        ] {
            settings.extend_from_slice(&name.to_be_bytes());
            settings.extend_from_slice(&value.to_be_bytes());
        }
        let mut greeting = PREFACE.to_vec();
        put_frame(SETTINGS, 0, 0, &settings, &mut greeting);
        let more = WINDOW - WINDOW_AT_FIRST;
        put_frame(WINDOW_UPDATE, 0, 0, &more.to_be_bytes(), &mut greeting);
        connection.write(&greeting)?;
        while !connection.is_greeted {
            connection.receive(Wait::Yes)?;
        }
        Ok(connection)
    }

    /// Opens the next stream.
    pub(super) fn open_stream(&mut self, method: &str, token: Option<&Token>) -> Result<()> {
        self.stream = if self.stream == 0 { 1 } else { self.stream + 2 };
        self.stream_room = self.stream_room_at_first;
        self.messages.clear();
        self.read = 0;
        self.unreturned = 0;
        let path = format!("/commonhold.v1.Commonhold/{method}");
        let mut fields = Vec::new();
        put_field(":method", "POST", &mut fields);
        put_field(":scheme", "http", &mut fields);
        put_field(":path", &path, &mut fields);
        put_field(":authority", "localhost", &mut fields);
        put_field("content-type", "application/grpc", &mut fields);
        put_field("te", "trailers", &mut fields);
        if let Some(token) = token {
            put_field("authorization", &token.to_authorization(), &mut fields);
        }
        let mut frame = Vec::new();
        put_frame(HEADERS, END_HEADERS, self.stream, &fields, &mut frame);
        self.write(&frame)
    }

    /// The number of the stream.
    pub(super) fn stream(&self) -> u32 {
        self.stream
    }

    /// Sends one message, perhaps the last one, and waits for the answer.
    pub(super) fn exchange<M: prost::Message + Default>(
        &mut self,
        message: &impl prost::Message,
        is_last: bool,
    ) -> Result<M> {
        self.send_message(message, is_last)?;
        self.wait_message()
    }

    /// Sends one message, perhaps the last one.
    pub(super) fn send_message(
        &mut self,
        message: &impl prost::Message,
        is_last: bool,
    ) -> Result<()> {
        let mut body = vec![0; MESSAGE_HEAD];
        message.encode(&mut body)?;
        put_message_length(&mut body);
        let mut frame = Vec::new();
        let flags = if is_last { END_STREAM } else { 0 };
        put_frame(DATA, flags, self.stream, &body, &mut frame);
        self.send(&frame)
    }

    /// Waits for the next message.
    pub(super) fn wait_message<M: prost::Message + Default>(&mut self) -> Result<M> {
        while self.whole_message().is_none() {
            self.receive(Wait::Yes)?;
        }
        Ok(M::decode(self.next_message().unwrap_or_default())?)
    }

    /// Writes a DATA frame that is encoded already.
    pub(super) fn send(&mut self, frame: &[u8]) -> Result<()> {
        let length = i64::try_from(frame.len() - FRAME_HEAD)?;
        self.room -= length;
        self.stream_room -= length;
        // The server's windows are far larger than what is ever under way.
        ensure!(
            self.room >= 0 && self.stream_room >= 0,
            "the server gives no room for a frame of {length} bytes"
        );
        self.write(frame)
    }

    /// The next message that has come.
    pub(super) fn next_message(&mut self) -> Option<&[u8]> {
        let length = self.whole_message()?;
        let start = self.read + MESSAGE_HEAD;
        self.read = start + length;
        self.messages.get(start..self.read)
    }

    /// The length of the next message, if all of it has come.
    fn whole_message(&self) -> Option<usize> {
        let rest = self.messages.get(self.read..)?;
        let (&[_, a, b, c, d], rest) = rest.split_first_chunk::<MESSAGE_HEAD>()?;
        let length = u32::from_be_bytes([a, b, c, d]) as usize;
        (rest.len() >= length).then_some(length)
    }

    /// Takes in what the socket has, by one `recv`. False if it has nothing.
    pub(super) fn receive(&mut self, wait: Wait) -> Result<bool> {
        let flags = match wait {
            Wait::Yes => RecvFlags::empty(),
            Wait::No => RecvFlags::DONTWAIT,
        };
        let came = match recv(&self.socket, &mut self.incoming[self.filled..], flags) {
            Ok((0, _)) => bail!("the server closed the connection"),
            Ok((came, _)) => came,
            Err(rustix::io::Errno::AGAIN) if wait == Wait::Yes => bail!("the server is silent"),
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => return Ok(false),
            Err(error) => return Err(error).context("the connection broke"),
        };
        self.filled += came;
        self.messages.drain(..self.read);
        self.read = 0;
        let mut at = 0;
        while let Some(head) = Head::read(&self.incoming[at..self.filled]) {
            ensure!(head.length <= FRAME_MAX, "a frame that is too long came");
            let body = at + FRAME_HEAD..at + FRAME_HEAD + head.length;
            if body.end > self.filled {
                break;
            }
            at = body.end;
            self.take(&head, body)?;
        }
        self.incoming.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(true)
    }

    /// Takes in one frame, which lies so in `incoming`.
    fn take(&mut self, head: &Head, body: std::ops::Range<usize>) -> Result<()> {
        let body = &self.incoming[body];
        let is_ours = head.stream == self.stream;
        match head.kind {
            DATA => {
                ensure!(head.flags & PADDED == 0, "padding came");
                if is_ours {
                    self.messages.extend_from_slice(body);
                }
                self.unreturned += u32::try_from(head.length)?;
                if self.unreturned > WINDOW / 2 {
                    self.return_room()?;
                }
            }
            RST_STREAM if is_ours => self.ended(code(body))?,
            GOAWAY => {
                let why = String::from_utf8_lossy(body.get(8..).unwrap_or_default());
                let code = code(body.get(4..).unwrap_or_default());
                bail!("the server goes away: {code} {why}");
            }
            SETTINGS if head.flags & ACK == 0 => {
                for setting in body.as_chunks::<6>().0 {
                    let [a, b, value @ ..] = *setting;
                    if u16::from_be_bytes([a, b]) == INITIAL_WINDOW_SIZE {
                        let value = i64::from(u32::from_be_bytes(value));
                        self.stream_room += value - self.stream_room_at_first;
                        self.stream_room_at_first = value;
                    }
                }
                self.is_greeted = true;
                self.answer(SETTINGS, &[])?;
            }
            PING if head.flags & ACK == 0 => self.answer(PING, body)?,
            WINDOW_UPDATE => {
                let more = i64::from(code(body));
                if head.stream == 0 {
                    self.room += more;
                } else if is_ours {
                    self.stream_room += more;
                }
            }
            // HEADERS say nothing that a load must know, except that there are no replies any more.
            _ => {}
        }
        if is_ours && matches!(head.kind, DATA | HEADERS) && head.flags & END_STREAM != 0 {
            self.ended(0)?;
        }
        Ok(())
    }

    /// The server ended the stream: that is an error, unless the answer to the last message came with it.
    fn ended(&self, code: u32) -> Result<()> {
        ensure!(
            code == 0 && self.whole_message().is_some(),
            "the server ended the stream, with error code {code}"
        );
        Ok(())
    }

    /// Tells the server that what came was read.
    fn return_room(&mut self) -> Result<()> {
        let more = self.unreturned.to_be_bytes();
        let mut frames = Vec::new();
        put_frame(WINDOW_UPDATE, 0, 0, &more, &mut frames);
        put_frame(WINDOW_UPDATE, 0, self.stream, &more, &mut frames);
        self.unreturned = 0;
        self.write(&frames)
    }

    fn answer(&self, kind: u8, body: &[u8]) -> Result<()> {
        let mut frame = Vec::new();
        put_frame(kind, ACK, 0, body, &mut frame);
        self.write(&frame)
    }

    /// Writes all of it: the server reads what is sent, so a socket that blocks does so only for a moment.
    fn write(&self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error).context("the connection broke"),
            }
        }
        Ok(())
    }
}

/// The head of a frame.
struct Head {
    length: usize,
    kind: u8,
    flags: u8,
    stream: u32,
}

impl Head {
    fn read(bytes: &[u8]) -> Option<Head> {
        let &[a, b, c, kind, flags, ref stream @ ..] = bytes.first_chunk::<FRAME_HEAD>()?;
        Some(Head {
            length: u32::from_be_bytes([0, a, b, c]) as usize,
            kind,
            flags,
            stream: u32::from_be_bytes(*stream) & WINDOW,
        })
    }
}

/// The number that a frame is about.
fn code(body: &[u8]) -> u32 {
    body.first_chunk()
        .map_or(0, |code| u32::from_be_bytes(*code))
}

/// Writes the head of a DATA frame over the first bytes of a frame.
pub(super) fn put_data_head(stream: u32, frame: &mut [u8]) {
    let length = frame.len() - FRAME_HEAD;
    frame[..FRAME_HEAD].copy_from_slice(&frame_head(DATA, 0, stream, length));
}

/// Writes the length of a message over its head.
pub(super) fn put_message_length(message: &mut [u8]) {
    let length = u32::try_from(message.len() - MESSAGE_HEAD).expect("a frame is short");
    message[1..MESSAGE_HEAD].copy_from_slice(&length.to_be_bytes());
}

fn put_frame(kind: u8, flags: u8, stream: u32, body: &[u8], bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&frame_head(kind, flags, stream, body.len()));
    bytes.extend_from_slice(body);
}

fn frame_head(kind: u8, flags: u8, stream: u32, length: usize) -> [u8; FRAME_HEAD] {
    assert!(length <= FRAME_MAX, "no frame of a load is longer");
    let mut head = [0, 0, 0, kind, flags, 0, 0, 0, 0];
    head[1..3].copy_from_slice(&length.to_be_bytes()[size_of::<usize>() - 2..]);
    head[5..].copy_from_slice(&stream.to_be_bytes());
    head
}

/// A header field as a literal that neither side remembers (RFC 7541, section 6.2.2).
fn put_field(name: &str, value: &str, bytes: &mut Vec<u8>) {
    bytes.push(0);
    for text in [name, value] {
        let length = u8::try_from(text.len()).expect("fields are short");
        assert!(length < 0x7f, "a longer one needs more bytes of length");
        bytes.push(length);
        bytes.extend_from_slice(text.as_bytes());
    }
}
