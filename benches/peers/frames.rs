//! Load as lean as `redis-benchmark`'s: calls that were encoded before the clock starts, replies that are only counted.
//!
//! It is a session like any other: logged in, its calls numbered, its replies acknowledged. `pipeline_client_*` is the
//! same load through our own client, which makes and reads every call.

use anyhow::{Context as _, Result, bail, ensure};
use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use commonhold_proto::keyfile;
use commonhold_proto::login::{ClientLogin, KeyCache, Token};
use commonhold_proto::{
    Call, Durability, Open, OpenOptions, Owner, PROTOCOL_MAJOR, PROTOCOL_MINOR, Target, wire,
};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::header::{AUTHORIZATION, CONTENT_TYPE, TE};
use http::{Method, Request, Version};
use prost::Message;
use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::LocalSet;

/// Compression flag and length before each message.
const PREFIX: usize = 5;
/// A number that is written over in place, in as many bytes as this whatever it is.
const NUMBER: usize = 5;
/// Frames under way at a time: the server works on one while the next is on its way.
const FRAMES: usize = 2;

/// Increments a second of a `memory` counter over one connection, with so many under way.
pub(crate) fn pipelined<S>(
    connect: impl AsyncFnOnce() -> Result<S>,
    key_file: &Path,
    window: usize,
    time: Duration,
) -> Result<f64>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, async {
        let mut lane = Lane::open(connect().await?, key_file).await?;
        let oid = lane.open_counter().await?;
        lane.run(&Template::new(oid, window / FRAMES), time).await
    })
}

/// The session stream.
struct Lane {
    requests: SendRequest<Bytes>,
    stream: Stream,
    /// The last number that a call has.
    sent: u64,
}

impl Lane {
    async fn open<S>(io: S, key_file: &Path) -> Result<Lane>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let (mut requests, connection) = h2::client::Builder::new()
            .initial_window_size(1 << 20)
            .initial_connection_window_size(2 << 20)
            .handshake(io)
            .await?;
        tokio::task::spawn_local(connection);
        let token = login(&mut requests, key_file).await?;
        let mut stream = Stream::open(&mut requests, "Session", Some(&token)).await?;
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
        let first: wire::ServerFrame = stream.exchange(&hello).await?;
        ensure!(first.welcome.is_some(), "no welcome");
        Ok(Lane {
            requests,
            stream,
            sent: 0,
        })
    }

    /// Opens the counter by its name, with a first increment.
    async fn open_counter(&mut self) -> Result<u64> {
        let open = Open {
            kind: "counter".to_owned(),
            name: "bench-frames".to_owned(),
            options: OpenOptions {
                durability: Some(Durability::Memory),
                ..OpenOptions::default()
            },
        };
        self.sent += 1;
        let call = Call::new("increment", [1.into()]).into_wire(
            self.sent,
            Target::Open(Box::new(open)),
            None,
            Owner(1),
        );
        let frame = wire::ClientFrame {
            calls: vec![call],
            ..wire::ClientFrame::default()
        };
        let answer: wire::ServerFrame = self.stream.exchange(&frame).await?;
        let reply = answer.replies.first().context("no reply")?;
        ensure!(reply.oid != 0, "the counter was not opened");
        Ok(reply.oid)
    }

    async fn run(mut self, template: &Template, time: Duration) -> Result<f64> {
        let mut acknowledged = 0;
        let start = Instant::now();
        let (mut counted, mut unanswered) = (0, 0_u64);
        loop {
            while unanswered <= (FRAMES as u64 - 1) * template.calls {
                let answered = self.sent - unanswered;
                self.stream
                    .send(template.frame(self.sent + 1, (acknowledged + 1, answered)))
                    .await?;
                acknowledged = answered;
                self.sent += template.calls;
                unanswered += template.calls;
                // It leaves before the next one is made.
                tokio::task::yield_now().await;
            }
            let replies = count_replies(self.stream.receive().await?)?;
            counted += replies;
            unanswered -= replies;
            if start.elapsed() >= time {
                break;
            }
        }
        let elapsed = start.elapsed();
        while unanswered > 0 {
            unanswered -= count_replies(self.stream.receive().await?)?;
        }
        drop(self.requests);
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52")]
        Ok(counted as f64 / elapsed.as_secs_f64())
    }
}

/// Proves the key.
async fn login(requests: &mut SendRequest<Bytes>, key_file: &Path) -> Result<Token> {
    let key = keyfile::read(key_file)?.key;
    let mut stream = Stream::open(requests, "Login", None).await?;
    let (login, first) = ClientLogin::new("default");
    let challenge = stream.exchange(&first).await?;
    let (proof, last) = login.challenge(&key, KeyCache::process(), &challenge)?;
    let granted = proof.finish(&stream.exchange(&last).await?)?;
    Ok(granted.token)
}

/// A frame of increments that wants only its numbers.
struct Template {
    bytes: Vec<u8>,
    calls: u64,
    /// Where the numbers of the calls stand.
    sequences: Vec<usize>,
    /// Where the two ends of what is acknowledged stand.
    acknowledged: [usize; 2],
}

impl Template {
    fn new(oid: u64, calls: usize) -> Template {
        let call = Call::new("increment", [1.into()]).into_wire(
            0,
            Target::Oid(commonhold_proto::Oid(oid)),
            None,
            Owner(1),
        );
        let call = call.encode_to_vec();
        let mut bytes = vec![0; PREFIX];
        encode_key(3, WireType::LengthDelimited, &mut bytes);
        encode_varint(2 * (1 + NUMBER as u64), &mut bytes);
        let acknowledged = [1, 2].map(|field| blank(field, &mut bytes));
        let mut sequences = Vec::new();
        for _ in 0..calls {
            encode_key(2, WireType::LengthDelimited, &mut bytes);
            encode_varint((1 + NUMBER + call.len()) as u64, &mut bytes);
            sequences.push(blank(1, &mut bytes));
            bytes.extend_from_slice(&call);
        }
        put_length(&mut bytes);
        Template {
            bytes,
            calls: calls as u64,
            sequences,
            acknowledged,
        }
    }

    /// The frame whose first call has this number.
    fn frame(&self, first: u64, acknowledged: (u64, u64)) -> Bytes {
        let mut bytes = BytesMut::from(&self.bytes[..]);
        // A run that ends before it begins is none: nothing is new to acknowledge.
        for (at, number) in self
            .acknowledged
            .into_iter()
            .zip(<[u64; 2]>::from(acknowledged))
        {
            put_number(&mut bytes[at..], number);
        }
        for (at, number) in self.sequences.iter().zip(first..) {
            put_number(&mut bytes[*at..], number);
        }
        bytes.freeze()
    }
}

/// A field whose number is written later; returns where.
fn blank(field: u32, bytes: &mut Vec<u8>) -> usize {
    encode_key(field, WireType::Varint, bytes);
    bytes.extend_from_slice(&[0; NUMBER]);
    bytes.len() - NUMBER
}

/// A varint of fixed length: as long as a longer number would be.
fn put_number(bytes: &mut [u8], number: u64) {
    for (at, byte) in bytes[..NUMBER].iter_mut().enumerate() {
        let more = if at + 1 < NUMBER { 0x80 } else { 0 };
        *byte = (number >> (7 * at)).to_le_bytes()[0] & 0x7f | more;
    }
}

fn put_length(message: &mut [u8]) {
    let length = u32::try_from(message.len() - PREFIX).expect("a frame is short");
    message[1..PREFIX].copy_from_slice(&length.to_be_bytes());
}

/// How many replies a frame of the server has. None may be a refusal.
fn count_replies(mut frame: Bytes) -> Result<u64> {
    let mut count = 0;
    while frame.has_remaining() {
        let (field, wire_type) = decode_key(&mut frame)?;
        match (field, wire_type) {
            (2, WireType::LengthDelimited) => {
                let length = usize::try_from(decode_varint(&mut frame)?)?;
                let reply = frame.get(..length).context("a cut reply")?;
                // Its number, then its value: that has field 2, a refusal has field 3.
                let after = reply.iter().skip(1).position(|byte| byte & 0x80 == 0);
                let result = after.and_then(|after| reply.get(after + 2));
                ensure!(result.is_some_and(|key| key >> 3 == 2), "a refusal");
                frame.advance(length);
                count += 1;
            }
            (3, WireType::Varint) => {
                decode_varint(&mut frame)?;
            }
            _ => bail!("a frame with field {field}"),
        }
    }
    Ok(count)
}

/// A stream of messages.
struct Stream {
    send: SendStream<Bytes>,
    response: Option<ResponseFuture>,
    receive: Option<RecvStream>,
    buffer: BytesMut,
}

impl Stream {
    async fn open(
        requests: &mut SendRequest<Bytes>,
        method: &str,
        token: Option<&Token>,
    ) -> Result<Stream> {
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(format!(
                "http://localhost/commonhold.v1.Commonhold/{method}"
            ))
            .header(CONTENT_TYPE, "application/grpc")
            .header(TE, "trailers");
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, token.to_authorization().as_str());
        }
        let mut ready = requests.clone().ready().await?;
        let (response, send) = ready.send_request(request.body(())?, false)?;
        Ok(Stream {
            send,
            response: Some(response),
            receive: None,
            buffer: BytesMut::new(),
        })
    }

    async fn exchange<M: Message + Default>(&mut self, message: &impl Message) -> Result<M> {
        let mut bytes = BytesMut::zeroed(PREFIX);
        message.encode(&mut bytes)?;
        put_length(&mut bytes);
        self.send(bytes.freeze()).await?;
        Ok(M::decode(self.receive().await?)?)
    }

    async fn send(&mut self, message: Bytes) -> Result<()> {
        // The windows are far larger than what is ever under way.
        self.send.reserve_capacity(message.len());
        while self.send.capacity() < message.len() {
            let room = std::future::poll_fn(|cx| self.send.poll_capacity(cx)).await;
            room.context("the stream ended")??;
        }
        Ok(self.send.send_data(message, false)?)
    }

    async fn receive(&mut self) -> Result<Bytes> {
        if let Some(response) = self.response.take() {
            self.receive = Some(response.await?.into_body());
        }
        let receive = self.receive.as_mut().context("no answer")?;
        loop {
            if let Some(&[_, a, b, c, d]) = self.buffer.first_chunk::<PREFIX>() {
                let length = u32::from_be_bytes([a, b, c, d]) as usize;
                if self.buffer.len() >= PREFIX + length {
                    self.buffer.advance(PREFIX);
                    return Ok(self.buffer.split_to(length).freeze());
                }
            }
            let data = receive.data().await.context("the stream ended")??;
            receive.flow_control().release_capacity(data.len())?;
            self.buffer.put(data);
        }
    }
}
