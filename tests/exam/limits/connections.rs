//! Connections that abuse HTTP/2 and gRPC themselves.

use super::{PATIENCE, Victim, call, varint};
use bytes::{BufMut as _, BytesMut};
use commonhold_proto::wire;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::thread;

#[tokio::test]
async fn headers_that_are_too_long_are_refused() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let long = "h".repeat(16 << 10).parse().expect("text");
    raw.headers.insert("x-long", long);
    let ping = call("server", "$server", "ping", vec![]);
    let result = raw.call(ping).await;
    assert!(result.is_err(), "{result:?}");
    victim.lives();
}

#[test]
fn connections_that_say_nothing_or_half_of_it_are_closed() {
    let victim = Victim::new();
    let visits = ["", "PRI * HTTP/2.0\r\n", "GET / HTTP/1.1\r\n"].map(|says| {
        let mut socket = TcpStream::connect(&victim.serving.tcp).expect("it listens");
        socket.write_all(says.as_bytes()).expect("it is sent");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        (says, socket)
    });
    for (says, mut socket) in visits {
        let mut answer = Vec::new();
        // A reset is an end as well; only silence is none.
        if let Err(error) = socket.read_to_end(&mut answer) {
            let silent = error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!silent, "still open after {PATIENCE:?}: {says:?}");
        }
    }
    victim.lives();
}

#[tokio::test]
async fn rapid_resets_end_the_connection_or_cost_nothing() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let mut resets = 0;
    for _ in 0..20_000 {
        let Ok(stream) = raw.open("Call").await else {
            break;
        };
        stream.reset();
        resets += 1;
        tokio::task::yield_now().await;
    }
    assert!(resets > 0, "none was sent");
    victim.lives();
}

/// The start of a request that never ends, as an HTTP/2 frame: no client library sends more of them than it may.
fn request_head(stream: u32) -> Vec<u8> {
    // HPACK without a table: `:method POST` and `:scheme http` are known to both sides, names by their number.
    let mut block = vec![0x83, 0x86];
    for (name, value) in [
        (&[0x04][..], "/commonhold.v1.Commonhold/Call"),
        (&[0x01], "localhost"),
        (&[0x0f, 0x10], "application/grpc"),
        (b"\x00\x02te", "trailers"),
    ] {
        block.extend(name);
        varint(&mut block, value.len());
        block.extend(value.as_bytes());
    }
    // HEADERS with END_HEADERS.
    frame(1, 4, stream, &block)
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("it is short");
    let mut frame = length.to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Reads until the server has reset so many streams or ends the connection. Returns how many it reset.
fn count_resets(mut socket: TcpStream, most: usize) -> usize {
    let mut resets = 0;
    while resets < most {
        let mut head = [0; 9];
        if socket.read_exact(&mut head).is_err() {
            break;
        }
        let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
        if socket.read_exact(&mut vec![0; length]).is_err() {
            break;
        }
        match head[3] {
            3 => resets += 1,
            // GOAWAY.
            7 => break,
            _ => {}
        }
    }
    resets
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    const STREAMS: usize = 20_000;
    const STREAMS_MAX: usize = 256;
    let victim = Victim::new();
    let mut socket = TcpStream::connect(&victim.serving.tcp).expect("it listens");
    socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
    let reading = socket.try_clone().expect("a descriptor");
    let reader = thread::spawn(move || count_resets(reading, STREAMS - STREAMS_MAX));
    socket
        .write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        .and_then(|()| socket.write_all(&frame(4, 0, 0, &[])))
        .expect("it is sent");
    let mut opened = 0;
    for number in 0..STREAMS {
        let stream = u32::try_from(2 * number + 1).expect("there are few");
        if socket.write_all(&request_head(stream)).is_err() {
            break;
        }
        opened += 1;
    }
    let resets = reader.join().expect("no panic");
    assert!(opened > STREAMS_MAX, "only {opened} could be opened");
    assert!(resets > 0, "none of {opened} was refused");
    victim.lives();
}

/// A gzip stream of this many bytes that becomes 150 times as many zeros.
fn bomb(length: usize) -> Vec<u8> {
    let mut bytes = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    // A last block with fixed codes; a zero; then again and again: the byte before, 258 times.
    let (start, zero) = ([1, 1, 0], [0, 0, 1, 1, 0, 0, 0, 0]);
    let repeat = [1, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0];
    let bits = start.into_iter().chain(zero);
    let mut bits = bits.chain(repeat.into_iter().cycle());
    while bytes.len() < length {
        let byte = (0..8).map(|at| bits.next().unwrap_or_default() << at);
        bytes.push(byte.sum());
    }
    bytes
}

#[tokio::test]
async fn a_compressed_message_is_refused_before_it_is_large() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let packed = bomb(2 << 20);
    let mut message = BytesMut::new();
    message.put_u8(1);
    message.put_u32(u32::try_from(packed.len()).expect("it is short"));
    message.extend_from_slice(&packed);
    let message = message.freeze();
    for encoding in ["gzip", "deflate", "zstd", "identity"] {
        let name = encoding.parse().expect("text");
        raw.headers.insert("grpc-encoding", name);
        for method in ["Call", "Session", "Login", "Describe"] {
            let status = raw.status(method, message.clone()).await;
            assert!(matches!(status, Ok(1..)), "{encoding} {method}: {status:?}");
        }
    }
    victim.lives();
}

/// Two bytes are an empty call: of a message as long as any may be, millions.
#[tokio::test]
async fn a_frame_of_millions_of_calls_is_refused_before_they_are_made() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    for tag in [2_u8, 3, 5] {
        let mut lane = raw.lane().await;
        let frame = [tag << 3 | 2, 0].repeat((2 << 20) - 10);
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::try_from(frame.len()).expect("it is short"));
        message.extend_from_slice(&frame);
        let sent = lane.stream.send_bytes(message.freeze(), false).await;
        sent.expect("it is sent");
        let end = lane.stream.next::<wire::ServerFrame>().await;
        assert!(!matches!(end, Ok(Some(_))), "the lane goes on: {end:?}");
    }
    victim.lives();
}
