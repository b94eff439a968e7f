//! Client frames, written straight into the buffer that goes to the socket.
//!
//! A call is encoded once, when it is made, without its sequence number and its time-out: those two are added when it is
//! sent, so that a call that is sent again is the same bytes with the time that remains.

use bytes::{BufMut, Bytes, BytesMut};
use commonhold_proto::wire;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use std::time::Duration;

/// Compression flag and length in front of every message of a gRPC stream.
pub(crate) const PREFIX: usize = 5;

// The numbers of `message ClientFrame`, `message Call` and `message Part` in `commonhold.proto`.
const CALLS: u32 = 2;
const ACKNOWLEDGED: u32 = 3;
const CANCEL: u32 = 4;
const PARTS: u32 = 5;
const GOODBYE: u32 = 6;
const BEAT: u32 = 7;
const CALL_SEQUENCE: u32 = 1;
const CALL_TIMEOUT: u32 = 7;

/// A frame on its way to be written.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    buffer: BytesMut,
}

impl FrameWriter {
    /// An empty frame.
    pub(crate) fn new(capacity: usize) -> FrameWriter {
        let mut buffer = BytesMut::with_capacity(PREFIX + capacity);
        buffer.put_bytes(0, PREFIX);
        FrameWriter { buffer }
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.buffer.len() - PREFIX
    }

    /// Adds a call.
    pub(crate) fn call(&mut self, sequence: u64, body: &[u8], timeout: Option<Duration>) {
        encode_key(CALLS, WireType::LengthDelimited, &mut self.buffer);
        encode_varint(call_len(sequence, body, timeout) as u64, &mut self.buffer);
        put_call(&mut self.buffer, sequence, body, timeout);
    }

    /// Adds acknowledgements.
    pub(crate) fn acknowledged(&mut self, runs: &[wire::Range]) {
        prost::encoding::message::encode_repeated(ACKNOWLEDGED, runs, &mut self.buffer);
    }

    /// Adds cancellations.
    pub(crate) fn cancel(&mut self, sequences: &[u64]) {
        prost::encoding::uint64::encode_packed(CANCEL, sequences, &mut self.buffer);
    }

    /// Adds a piece of a large call.
    pub(crate) fn part(&mut self, sequence: u64, data: Bytes, last: bool) {
        let part = wire::Part {
            sequence,
            data,
            last,
        };
        prost::encoding::message::encode(PARTS, &part, &mut self.buffer);
    }

    /// Says that the session ends.
    pub(crate) fn goodbye(&mut self) {
        prost::encoding::bool::encode(GOODBYE, &true, &mut self.buffer);
    }

    /// Adds a sign of life.
    pub(crate) fn beat(&mut self, beat: u64) {
        prost::encoding::uint64::encode(BEAT, &beat, &mut self.buffer);
    }

    /// The frame with its prefix.
    pub(crate) fn finish(mut self) -> Bytes {
        let len = u32::try_from(self.len()).expect("a frame is bounded far below 4 GiB");
        self.buffer[1..PREFIX].copy_from_slice(&len.to_be_bytes());
        self.buffer.freeze()
    }
}

/// The whole encoded call, for parts.
pub(crate) fn whole_call(sequence: u64, body: &[u8], timeout: Option<Duration>) -> Bytes {
    let mut buffer = BytesMut::with_capacity(call_len(sequence, body, timeout));
    put_call(&mut buffer, sequence, body, timeout);
    buffer.freeze()
}

/// How long that is.
pub(crate) fn call_len(sequence: u64, body: &[u8], timeout: Option<Duration>) -> usize {
    let number = |tag, number| key_len(tag) + encoded_len_varint(number);
    number(CALL_SEQUENCE, sequence)
        + body.len()
        + timeout.map_or(0, |timeout| number(CALL_TIMEOUT, millis(timeout)))
}

fn put_call(buffer: &mut BytesMut, sequence: u64, body: &[u8], timeout: Option<Duration>) {
    encode_key(CALL_SEQUENCE, WireType::Varint, buffer);
    encode_varint(sequence, buffer);
    buffer.put_slice(body);
    if let Some(timeout) = timeout {
        encode_key(CALL_TIMEOUT, WireType::Varint, buffer);
        encode_varint(millis(timeout), buffer);
    }
}

fn millis(timeout: Duration) -> u64 {
    u64::try_from(timeout.as_micros().div_ceil(1000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;
    use commonhold_proto::{Call, Oid, Owner, Target};
    use prost::Message as _;

    #[test]
    fn a_frame_is_what_the_descriptor_says() {
        let call = |sequence, timeout| {
            Call::new("get", ["key".into()])
                .with("default", 0)
                .into_wire(sequence, Target::Oid(Oid(9)), timeout, Owner(3))
        };
        let body = call(0, None).encode_to_vec();
        let timeout = Some(Duration::from_millis(1500));
        let mut frame = FrameWriter::new(64);
        frame.call(7, &body, None);
        frame.call(300, &body, timeout);
        frame.acknowledged(&[wire::Range { first: 1, last: 6 }]);
        frame.cancel(&[4, 5]);
        frame.part(8, Bytes::from_static(b"piece"), true);
        frame.goodbye();
        frame.beat(300);
        let bytes = frame.finish();
        assert_eq!(bytes[0], 0, "not compressed");
        assert_eq!(
            &bytes[1..5],
            u32::try_from(bytes.len() - 5).unwrap().to_be_bytes()
        );
        let read = wire::ClientFrame::decode(&bytes[5..]).unwrap();
        let expected = wire::ClientFrame {
            hello: None,
            calls: vec![call(7, None), call(300, timeout)],
            acknowledged: vec![wire::Range { first: 1, last: 6 }],
            cancel: vec![4, 5],
            parts: vec![wire::Part {
                sequence: 8,
                data: Bytes::from_static(b"piece"),
                last: true,
            }],
            goodbye: true,
            beat: 300,
        };
        assert_eq!(read, expected);
        let whole = whole_call(300, &body, timeout);
        assert_eq!(wire::Call::decode(whole).unwrap(), call(300, timeout));
    }
}
