//! Frames of calls that want only their numbers.

use super::http2::{FRAME_HEAD, MESSAGE_HEAD, put_data_head, put_message_length};
use anyhow::{Result, ensure};
use commonhold_proto::{Call, Oid, Owner, Target};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};

/// A number that is written over in place, in as many bytes as this whatever it is.
const NUMBER: usize = 4;
/// The largest such number: more calls than any sample makes.
const NUMBER_MAX: u64 = (1 << (7 * NUMBER)) - 1;

/// A frame of increments.
pub(super) struct Template {
    bytes: Vec<u8>,
    stream: u32,
    /// Where the two ends of what is acknowledged stand.
    acknowledged: [usize; 2],
    /// Where the number of the first call stands.
    first: usize,
    /// The bytes of one call.
    call: usize,
}

impl Template {
    /// Frames with at most so many calls.
    pub(super) fn new(stream: u32, oid: u64, calls: usize) -> Template {
        let target = Target::Oid(Oid(oid));
        let call = Call::new("increment", [1.into()]).into_wire(0, target, None, Owner(1));
        let call = call.encode_to_vec();
        let mut bytes = vec![0; FRAME_HEAD + MESSAGE_HEAD];
        encode_key(3, WireType::LengthDelimited, &mut bytes);
        encode_varint(2 * (1 + NUMBER as u64), &mut bytes);
        let acknowledged = [1, 2].map(|field| blank(field, &mut bytes));
        let start = bytes.len();
        let mut first = start;
        for nth in 0..calls {
            encode_key(2, WireType::LengthDelimited, &mut bytes);
            encode_varint((1 + NUMBER + call.len()) as u64, &mut bytes);
            let number = blank(1, &mut bytes);
            if nth == 0 {
                first = number;
            }
            bytes.extend_from_slice(&call);
        }
        let call = (bytes.len() - start) / calls;
        Template {
            bytes,
            stream,
            acknowledged,
            first,
            call,
        }
    }

    /// The frame of so many calls from this number on. A run that ends before it begins acknowledges nothing.
    pub(super) fn frame(
        &mut self,
        first: u64,
        calls: usize,
        acknowledged: (u64, u64),
    ) -> Result<&[u8]> {
        ensure!(
            first + calls as u64 <= NUMBER_MAX,
            "a load has at most {NUMBER_MAX} calls"
        );
        let ends = <[u64; 2]>::from(acknowledged);
        for (at, number) in self.acknowledged.into_iter().zip(ends) {
            put_number(&mut self.bytes[at..], number);
        }
        let numbers = (self.first..).step_by(self.call);
        for (at, number) in numbers.zip(first..).take(calls) {
            put_number(&mut self.bytes[at..], number);
        }
        let start = self.acknowledged[1] + NUMBER;
        let frame = &mut self.bytes[..start + calls * self.call];
        put_data_head(self.stream, frame);
        put_message_length(&mut frame[FRAME_HEAD..]);
        Ok(frame)
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
