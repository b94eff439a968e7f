//! gRPC streams over the `h2` crate, by hand: no tower, no tasks, no copies.
//!
//! Everything here is polled by whoever drives the connection, in that one task: sending a frame and reading its reply
//! need no hand-over between threads or tasks.

use crate::lane::PREFIX;
use bytes::{Buf as _, Bytes, BytesMut};
use commonhold_proto::login::Token;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, TE, USER_AGENT};
use http::{Method, Request, Uri, Version};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite};

/// What the server may send on one stream before it is read.
const STREAM_WINDOW: u32 = 1 << 20;
/// The same for all streams of a connection.
const CONNECTION_WINDOW: u32 = 2 << 20;
/// The largest HTTP/2 frame that is taken: what is large comes in few pieces.
const FRAME_MAX: u32 = 256 << 10;
/// The longest message that is read: frames are far shorter, and replies longer than a frame come in parts.
const MESSAGE_MAX: usize = 4 << 20;
// The gRPC status codes by which a server refuses what it cannot read.
const INVALID_ARGUMENT: u32 = 3;
const FAILED_PRECONDITION: u32 = 9;
const UNIMPLEMENTED: u32 = 12;
const PRODUCT: &str = concat!("commonhold-rust/", env!("CARGO_PKG_VERSION"));

/// Why a stream ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChannelError {
    /// The connection is gone, or never was one.
    #[error("{0}")]
    Broken(String),
    /// The server ended the stream and said why.
    #[error("{message}")]
    Status {
        /// The gRPC status code.
        code: u32,
        /// The server's words.
        message: String,
    },
    /// What came is not this protocol.
    #[error("the server sent {0}")]
    Protocol(&'static str),
}

impl ChannelError {
    /// Could one side not read what the other said? It will not get better by itself.
    pub(crate) const fn is_misread(&self) -> bool {
        match self {
            ChannelError::Status { code, .. } => matches!(
                *code,
                FAILED_PRECONDITION | UNIMPLEMENTED | INVALID_ARGUMENT
            ),
            ChannelError::Protocol(_) => true,
            ChannelError::Broken(_) => false,
        }
    }
}

impl From<h2::Error> for ChannelError {
    fn from(error: h2::Error) -> ChannelError {
        ChannelError::Broken(match error.get_io() {
            Some(io) => io.to_string(),
            None => error.to_string(),
        })
    }
}

/// A connection that speaks HTTP/2.
pub(crate) struct Wire<IO> {
    connection: Connection<IO, Bytes>,
    requests: SendRequest<Bytes>,
    authority: String,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Wire<IO> {
    /// Opens the conversation.
    pub(crate) async fn handshake(io: IO, authority: String) -> Result<Wire<IO>, ChannelError> {
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_MAX)
            .enable_push(false)
            .handshake(io)
            .await?;
        Ok(Wire {
            connection,
            requests,
            authority,
        })
    }

    /// Reads and writes what can be. Ready only when the connection has ended.
    pub(crate) fn poll_io(&mut self, cx: &mut Context<'_>) -> Poll<ChannelError> {
        Pin::new(&mut self.connection)
            .poll(cx)
            .map(|result| match result {
                Ok(()) => ChannelError::Broken("the server closed the connection".to_owned()),
                Err(error) => error.into(),
            })
    }

    /// Opens a stream of a method.
    pub(crate) async fn open(
        &mut self,
        method: &str,
        token: Option<&Token>,
    ) -> Result<Channel, ChannelError> {
        let path = format!("/commonhold.v1.Commonhold/{method}");
        let uri = Uri::builder()
            .scheme("http")
            .authority(&self.authority[..])
            .path_and_query(path)
            .build()
            .map_err(|_| ChannelError::Broken(format!("{} is no host name", self.authority)))?;
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.version_mut() = Version::HTTP_2;
        *request.uri_mut() = uri;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        if let Some(token) = token {
            let mut bearer = HeaderValue::from_str(&token.to_authorization())
                .expect("base64url is made of visible characters");
            bearer.set_sensitive(true);
            headers.insert(AUTHORIZATION, bearer);
        }
        poll_fn(|cx| {
            if let Poll::Ready(error) = self.poll_io(cx) {
                return Poll::Ready(Err(error));
            }
            self.requests.poll_ready(cx).map_err(ChannelError::from)
        })
        .await?;
        let (response, send) = self.requests.send_request(request, false)?;
        Ok(Channel {
            send,
            outgoing: Bytes::new(),
            response: Some(response),
            receive: None,
            incoming: Incoming::default(),
        })
    }

    /// Sends one message and waits for the next one of the server.
    pub(crate) async fn exchange<M: prost::Message + Default>(
        &mut self,
        channel: &mut Channel,
        message: &impl prost::Message,
    ) -> Result<M, ChannelError> {
        channel.send(encode(message));
        poll_fn(|cx| {
            let broken = self.poll_io(cx);
            let sent = channel.poll_sent(cx)?;
            // What was just given to the stream goes to the socket now.
            let broken = match (broken, sent) {
                (Poll::Pending, Poll::Ready(())) => self.poll_io(cx),
                (broken, _) => broken,
            };
            match (channel.poll_receive::<M>(cx)?, broken) {
                (Poll::Ready(Some(message)), _) => Poll::Ready(Ok(message)),
                (Poll::Ready(None), _) => {
                    Poll::Ready(Err(ChannelError::Protocol("no answer and no reason")))
                }
                (Poll::Pending, Poll::Ready(error)) => Poll::Ready(Err(error)),
                (Poll::Pending, Poll::Pending) => Poll::Pending,
            }
        })
        .await
    }
}

/// One bidirectional stream of messages.
pub(crate) struct Channel {
    send: SendStream<Bytes>,
    /// What the windows have not let out yet.
    outgoing: Bytes,
    response: Option<ResponseFuture>,
    receive: Option<RecvStream>,
    incoming: Incoming,
}

impl Channel {
    /// Takes a message with its prefix. Only when [`poll_sent`](Channel::poll_sent) was ready since the last one.
    pub(crate) fn send(&mut self, message: Bytes) {
        debug_assert!(self.outgoing.is_empty(), "the message before has left");
        self.outgoing = message;
    }

    /// Gives the connection what the windows allow. Ready when it has taken everything.
    pub(crate) fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), ChannelError>> {
        while !self.outgoing.is_empty() {
            self.send.reserve_capacity(self.outgoing.len());
            if self.send.capacity() == 0 {
                match ready!(self.send.poll_capacity(cx)) {
                    Some(Ok(_)) => continue,
                    Some(Err(error)) => return Poll::Ready(Err(error.into())),
                    // The stream has ended: why is told to the receiving side.
                    None => return Poll::Pending,
                }
            }
            let length = self.send.capacity().min(self.outgoing.len());
            self.send.send_data(self.outgoing.split_to(length), false)?;
        }
        Poll::Ready(Ok(()))
    }

    /// The next message; `None` when the stream has ended well.
    pub(crate) fn poll_receive<M: prost::Message + Default>(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<M>, ChannelError>> {
        loop {
            if let Some(message) = self.incoming.next()? {
                let message = M::decode(message)
                    .map_err(|_| ChannelError::Protocol("a message that cannot be read"))?;
                return Poll::Ready(Ok(Some(message)));
            }
            if self.receive.is_none() {
                let Some(response) = &mut self.response else {
                    return Poll::Ready(Ok(None));
                };
                let (head, receive) = ready!(Pin::new(response).poll(cx))?.into_parts();
                self.response = None;
                if !head.status.is_success() {
                    return Poll::Ready(Err(ChannelError::Protocol("no gRPC response")));
                }
                if let Some(error) = status(&head.headers) {
                    return Poll::Ready(Err(error));
                }
                self.receive = Some(receive);
            }
            let Some(receive) = &mut self.receive else {
                continue;
            };
            if let Some(data) = ready!(receive.poll_data(cx)) {
                let data = data?;
                receive.flow_control().release_capacity(data.len())?;
                self.incoming.push(data);
                continue;
            }
            let trailers = ready!(receive.poll_trailers(cx))?.unwrap_or_default();
            self.receive = None;
            return Poll::Ready(match status(&trailers) {
                Some(error) => Err(error),
                None => Ok(None),
            });
        }
    }
}

/// A message with its prefix.
pub(crate) fn encode(message: &impl prost::Message) -> Bytes {
    let length = message.encoded_len();
    let mut bytes = BytesMut::with_capacity(PREFIX + length);
    bytes.extend_from_slice(&[0]);
    let prefix = u32::try_from(length).expect("first frames and logins are short");
    bytes.extend_from_slice(&prefix.to_be_bytes());
    message.encode(&mut bytes).expect("the buffer grows");
    bytes.freeze()
}

/// Data on its way to become messages.
#[derive(Debug, Default)]
struct Incoming {
    /// The start of a message that came in pieces.
    partial: BytesMut,
    chunk: Bytes,
}

impl Incoming {
    fn push(&mut self, data: Bytes) {
        debug_assert!(
            self.chunk.is_empty(),
            "a chunk is used up before the next one is read"
        );
        self.chunk = data;
    }

    /// The next whole message without its prefix. A message that came whole is not copied.
    fn next(&mut self) -> Result<Option<Bytes>, ChannelError> {
        if self.partial.is_empty() {
            match message_length(&self.chunk)? {
                Some(length) if self.chunk.len() >= PREFIX + length => {
                    self.chunk.advance(PREFIX);
                    return Ok(Some(self.chunk.split_to(length)));
                }
                _ => {}
            }
        }
        if self.chunk.is_empty() {
            return Ok(None);
        }
        self.fill(PREFIX);
        let Some(length) = message_length(&self.partial)? else {
            return Ok(None);
        };
        self.partial
            .reserve((PREFIX + length).saturating_sub(self.partial.len()));
        self.fill(PREFIX + length);
        if self.partial.len() < PREFIX + length {
            return Ok(None);
        }
        self.partial.advance(PREFIX);
        Ok(Some(self.partial.split().freeze()))
    }

    /// Moves bytes of the chunk until the partial message has `length`.
    fn fill(&mut self, length: usize) {
        let missing = length
            .saturating_sub(self.partial.len())
            .min(self.chunk.len());
        self.partial
            .extend_from_slice(&self.chunk.split_to(missing));
    }
}

/// The length of the message that starts here, if its prefix is whole.
fn message_length(bytes: &[u8]) -> Result<Option<usize>, ChannelError> {
    let Some((&[compressed, a, b, c, d], _)) = bytes.split_first_chunk::<PREFIX>() else {
        return Ok(None);
    };
    if compressed != 0 {
        return Err(ChannelError::Protocol("a compressed message"));
    }
    match u32::from_be_bytes([a, b, c, d]) as usize {
        length if length > MESSAGE_MAX => Err(ChannelError::Protocol("a message that is too long")),
        length => Ok(Some(length)),
    }
}

/// The error that headers or trailers carry, if they carry one.
fn status(headers: &HeaderMap) -> Option<ChannelError> {
    let code = headers
        .get("grpc-status")?
        .to_str()
        .ok()?
        .parse()
        .unwrap_or(2);
    if code == 0 {
        return None;
    }
    let message = headers
        .get("grpc-message")
        .map_or(&[][..], HeaderValue::as_bytes);
    Some(ChannelError::Status {
        code,
        message: percent_decoded(message),
    })
}

fn percent_decoded(text: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.split_at_checked(2)).flatten();
        let escaped = escaped.and_then(|(digits, tail)| {
            let digits = std::str::from_utf8(digits).ok()?;
            Some((u8::from_str_radix(digits, 16).ok()?, tail))
        });
        let (byte, tail) = escaped.unwrap_or((first, tail));
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn framed(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for message in messages {
            bytes.push(0);
            bytes.extend(u32::try_from(message.len()).expect("short").to_be_bytes());
            bytes.extend(message);
        }
        bytes
    }

    proptest! {
        #[test]
        fn messages_come_out_however_they_are_cut(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..8),
            cuts in prop::collection::vec(1usize..30, 1..60),
        ) {
            let mut stream = Bytes::from(framed(&messages));
            let mut incoming = Incoming::default();
            let mut read = Vec::new();
            for cut in cuts.iter().cycle() {
                if stream.is_empty() {
                    break;
                }
                incoming.push(stream.split_to((*cut).min(stream.len())));
                while let Some(message) = incoming.next().expect("well formed") {
                    read.push(message.to_vec());
                }
            }
            prop_assert_eq!(read, messages);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        for bytes in [&[1, 0, 0, 0, 1, 7][..], &[0, 255, 255, 255, 255]] {
            let mut incoming = Incoming::default();
            incoming.push(Bytes::copy_from_slice(bytes));
            assert!(matches!(incoming.next(), Err(ChannelError::Protocol(_))));
        }
    }

    #[test]
    fn a_status_is_read_with_its_escapes() {
        let mut headers = HeaderMap::new();
        assert!(status(&headers).is_none());
        headers.insert("grpc-status", HeaderValue::from_static("0"));
        assert!(status(&headers).is_none());
        headers.insert("grpc-status", HeaderValue::from_static("16"));
        headers.insert(
            "grpc-message",
            HeaderValue::from_static("100%25 na%C3%AFve %zz"),
        );
        let Some(ChannelError::Status { code, message }) = status(&headers) else {
            panic!("a status");
        };
        assert_eq!((code, message.as_str()), (16, "100% naïve %zz"));
    }
}
