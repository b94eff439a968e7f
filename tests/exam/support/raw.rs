//! A client that keeps to no rule: gRPC over HTTP/2 by hand.

use super::Serving;
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use commonhold_proto::login::{AuthKey, ClientLogin, KeyCache, Token};
use commonhold_proto::wire;
use h2::client::SendRequest;
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};
use prost::Message;
use std::future::poll_fn;
use tokio::net::TcpStream;

/// A connection.
pub(crate) struct Raw {
    requests: SendRequest<Bytes>,
    pub(crate) token: Option<Token>,
    /// More headers for every request.
    pub(crate) headers: HeaderMap,
}

/// One stream of messages.
pub(crate) struct Stream {
    send: SendStream<Bytes>,
    response: Option<h2::client::ResponseFuture>,
    receive: Option<RecvStream>,
    buffer: BytesMut,
}

/// How a stream ended, other than well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With a gRPC status.
    Status(u32, String),
    /// With the connection, or by a reset.
    Broken(String),
}

impl From<h2::Error> for Ended {
    fn from(error: h2::Error) -> Ended {
        Ended::Broken(error.to_string())
    }
}

impl Raw {
    /// Connects over TCP. Must run within a tokio runtime, which drives the connection.
    pub(crate) async fn connect(serving: &Serving) -> Raw {
        let socket = TcpStream::connect(&serving.tcp).await.expect("it listens");
        let (requests, connection) = h2::client::handshake(socket).await.expect("it speaks h2");
        tokio::spawn(async move {
            // Streams tell how it ended.
            let _ = connection.await;
        });
        Raw {
            requests,
            token: None,
            headers: HeaderMap::new(),
        }
    }

    /// Connects and logs in.
    pub(crate) async fn enter(serving: &Serving, key: &AuthKey) -> Raw {
        let mut raw = Raw::connect(serving).await;
        let mut stream = raw.open("Login").await.expect("a stream");
        let (login, first) = ClientLogin::new("default");
        stream.send(&first).await.expect("it is sent");
        let challenge: wire::LoginResponse = stream.expect().await;
        let (proof, last) = login
            .challenge(key, KeyCache::process(), &challenge)
            .expect("a challenge");
        stream.send(&last).await.expect("it is sent");
        let granted: wire::LoginResponse = stream.expect().await;
        raw.token = Some(proof.finish(&granted).expect("it is granted").token);
        raw
    }

    /// Begins a request of a method.
    pub(crate) async fn open(&mut self, method: &str) -> Result<Stream, Ended> {
        let mut request = Request::post(format!(
            "http://localhost/commonhold.v1.Commonhold/{method}"
        ));
        let headers = request.headers_mut().expect("a good request");
        headers.extend(self.headers.clone());
        headers.insert("content-type", "application/grpc".parse().expect("text"));
        headers.insert("te", "trailers".parse().expect("text"));
        if let Some(token) = &self.token {
            let token = token.to_authorization();
            headers.insert("authorization", token.parse().expect("text"));
        }
        let request = request.body(()).expect("a good request");
        poll_fn(|cx| self.requests.poll_ready(cx)).await?;
        let (response, send) = self.requests.send_request(request, false)?;
        Ok(Stream {
            send,
            response: Some(response),
            receive: None,
            buffer: BytesMut::new(),
        })
    }

    /// Makes a unary request of these bytes, and gives the status it ended with, 0 for success.
    pub(crate) async fn status(&mut self, method: &str, bytes: Bytes) -> Result<u32, Ended> {
        let mut stream = self.open(method).await?;
        // A server that has heard enough may answer before it has everything.
        let _ = stream.send_bytes(bytes, true).await;
        loop {
            match stream.next::<wire::Reply>().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(0),
                Err(Ended::Status(code, _)) => return Ok(code),
                Err(broken) => return Err(broken),
            }
        }
    }

    /// Makes a call of its own request.
    pub(crate) async fn call(&mut self, call: wire::Call) -> Result<wire::Reply, Ended> {
        let mut stream = self.open("Call").await?;
        let request = wire::CallRequest { call: Some(call) };
        stream.send_bytes(framed(&request), true).await?;
        let reply = stream.next().await?;
        Ok(reply.expect("a reply"))
    }

    /// Opens a lane of a session of its own.
    pub(crate) async fn lane(&mut self) -> Lane {
        self.resume(None).await.expect("a lane")
    }

    /// Opens a lane, of a session that exists if one is named.
    pub(crate) async fn resume(&mut self, session: Option<u64>) -> Result<Lane, Ended> {
        let mut stream = self.open("Session").await?;
        let version = wire::Version {
            protocol_major: commonhold_proto::PROTOCOL_MAJOR,
            protocol_minor: commonhold_proto::PROTOCOL_MINOR,
            ..wire::Version::default()
        };
        let resume = session.map(|session| wire::Resume {
            session,
            ..wire::Resume::default()
        });
        let hello = wire::Hello {
            version: Some(version),
            resume,
            ..wire::Hello::default()
        };
        let hello = wire::ClientFrame {
            hello: Some(hello),
            ..wire::ClientFrame::default()
        };
        stream.send(&hello).await?;
        let first: Option<wire::ServerFrame> = stream.next().await?;
        let welcome = first.and_then(|frame| frame.welcome).expect("a welcome");
        Ok(Lane {
            stream,
            credits: welcome.credits,
        })
    }
}

/// A lane by hand.
pub(crate) struct Lane {
    pub(crate) stream: Stream,
    /// Calls that may be sent.
    pub(crate) credits: u32,
}

impl Stream {
    /// Sends a message.
    pub(crate) async fn send(&mut self, message: &impl Message) -> Result<(), Ended> {
        self.send_bytes(framed(message), false).await
    }

    /// Sends any bytes.
    pub(crate) async fn send_bytes(&mut self, mut bytes: Bytes, end: bool) -> Result<(), Ended> {
        while !bytes.is_empty() {
            self.send.reserve_capacity(bytes.len());
            match poll_fn(|cx| self.send.poll_capacity(cx)).await {
                Some(capacity) => {
                    let piece = bytes.split_to(capacity?.min(bytes.len()));
                    self.send.send_data(piece, end && bytes.is_empty())?;
                }
                None => return Err(Ended::Broken("the stream is closed".to_owned())),
            }
        }
        Ok(())
    }

    /// Ends the stream at once.
    pub(crate) fn reset(mut self) {
        self.send.send_reset(h2::Reason::CANCEL);
    }

    /// The next message, or `None` at a good end.
    pub(crate) async fn next<M: Message + Default>(&mut self) -> Result<Option<M>, Ended> {
        if let Some(response) = self.response.take() {
            let response = response.await?;
            if response.status() != http::StatusCode::OK {
                return Err(Ended::Broken(response.status().to_string()));
            }
            ended(response.headers())?;
            self.receive = Some(response.into_body());
        }
        let receive = self.receive.as_mut().expect("a response");
        loop {
            if self.buffer.len() >= 5 {
                let length = (&self.buffer[1..5]).get_u32() as usize;
                if self.buffer.len() >= 5 + length {
                    self.buffer.advance(5);
                    let message = M::decode(self.buffer.split_to(length).freeze());
                    return Ok(Some(message.expect("the server speaks the protocol")));
                }
            }
            match receive.data().await {
                Some(data) => {
                    let data = data?;
                    receive.flow_control().release_capacity(data.len())?;
                    self.buffer.extend_from_slice(&data);
                }
                None => {
                    if let Some(trailers) = receive.trailers().await? {
                        ended(&trailers)?;
                    }
                    return Ok(None);
                }
            }
        }
    }

    /// The next message, which must come.
    async fn expect<M: Message + Default>(&mut self) -> M {
        let message = self.next().await.expect("an answer");
        message.expect("an answer")
    }
}

/// A message with its prefix.
pub(crate) fn framed(message: &impl Message) -> Bytes {
    let length = u32::try_from(message.encoded_len()).expect("it is short");
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(length);
    message.encode(&mut bytes).expect("there is room");
    bytes.freeze()
}

/// The status that headers name, if it is not success.
fn ended(headers: &HeaderMap) -> Result<(), Ended> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    match text("grpc-status").map(str::parse) {
        None | Some(Ok(0)) => Ok(()),
        Some(Ok(code)) => {
            let message = text("grpc-message").unwrap_or_default();
            Err(Ended::Status(code, message.to_owned()))
        }
        Some(Err(error)) => Err(Ended::Broken(error.to_string())),
    }
}
