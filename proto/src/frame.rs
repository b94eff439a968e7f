//! The message `ClientFrame`, with a bound on how much one frame is in memory.
//!
//! Two bytes on the wire are an empty call, which takes a hundred times as many in memory: a message of 4 MiB became
//! close to a gigabyte before anybody could count its calls. So it is read by hand. The numbers are those of
//! `commonhold.proto`; a test compares the bytes with what the descriptor makes of them.

use crate::value::wire::invalid;
use crate::wire::{Call, Hello, Part, Range};
use bytes::{Buf, BufMut};
use prost::encoding::{self, DecodeContext, WireType};
use prost::{DecodeError, Message};

/// Calls, and pieces of calls, in one frame: more than a server grants credits for.
pub const FRAME_CALLS_MAX: usize = 4_096;
/// Runs of acknowledged replies in one frame: more than a server keeps of a lane.
pub const FRAME_RUNS_MAX: usize = 65_536;

const HELLO: u32 = 1;
const CALLS: u32 = 2;
const ACKNOWLEDGED: u32 = 3;
const CANCEL: u32 = 4;
const PARTS: u32 = 5;
const GOODBYE: u32 = 6;
const BEAT: u32 = 7;

/// What a client sends on a lane; the first frame carries `hello`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClientFrame {
    /// Who the client is, and which lane it goes on with.
    pub hello: Option<Hello>,
    /// Calls that are whole.
    pub calls: Vec<Call>,
    /// Replies that the client has: their outcomes may be forgotten.
    pub acknowledged: Vec<Range>,
    /// Calls that nobody waits for any more.
    pub cancel: Vec<u64>,
    /// Pieces of calls that are too large for one frame.
    pub parts: Vec<Part>,
    /// The session ends cleanly; nothing is unanswered.
    pub goodbye: bool,
    /// A sign of life that the server answers with the same number; 0: none.
    pub beat: u64,
}

impl Message for ClientFrame {
    fn encode_raw(&self, buf: &mut impl BufMut) {
        if let Some(hello) = &self.hello {
            encoding::message::encode(HELLO, hello, buf);
        }
        encoding::message::encode_repeated(CALLS, &self.calls, buf);
        encoding::message::encode_repeated(ACKNOWLEDGED, &self.acknowledged, buf);
        encoding::uint64::encode_packed(CANCEL, &self.cancel, buf);
        encoding::message::encode_repeated(PARTS, &self.parts, buf);
        if self.goodbye {
            encoding::bool::encode(GOODBYE, &self.goodbye, buf);
        }
        if self.beat != 0 {
            encoding::uint64::encode(BEAT, &self.beat, buf);
        }
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: WireType,
        buf: &mut impl Buf,
        ctx: DecodeContext,
    ) -> Result<(), DecodeError> {
        match tag {
            HELLO => {
                let hello = self.hello.get_or_insert_default();
                encoding::message::merge(wire_type, hello, buf, ctx)
            }
            CALLS if self.calls.len() < FRAME_CALLS_MAX => {
                encoding::message::merge_repeated(wire_type, &mut self.calls, buf, ctx)
            }
            ACKNOWLEDGED if self.acknowledged.len() < FRAME_RUNS_MAX => {
                encoding::message::merge_repeated(wire_type, &mut self.acknowledged, buf, ctx)
            }
            CANCEL => encoding::uint64::merge_repeated(wire_type, &mut self.cancel, buf, ctx),
            PARTS if self.parts.len() < FRAME_CALLS_MAX => {
                encoding::message::merge_repeated(wire_type, &mut self.parts, buf, ctx)
            }
            CALLS | ACKNOWLEDGED | PARTS => Err(invalid("a frame holds too much")),
            GOODBYE => encoding::bool::merge(wire_type, &mut self.goodbye, buf, ctx),
            BEAT => encoding::uint64::merge(wire_type, &mut self.beat, buf, ctx),
            _ => encoding::skip_field(wire_type, tag, buf, ctx),
        }
    }

    fn encoded_len(&self) -> usize {
        let hello = self.hello.as_ref();
        hello.map_or(0, |hello| encoding::message::encoded_len(HELLO, hello))
            + encoding::message::encoded_len_repeated(CALLS, &self.calls)
            + encoding::message::encoded_len_repeated(ACKNOWLEDGED, &self.acknowledged)
            + encoding::uint64::encoded_len_packed(CANCEL, &self.cancel)
            + encoding::message::encoded_len_repeated(PARTS, &self.parts)
            + if self.goodbye {
                encoding::bool::encoded_len(GOODBYE, &self.goodbye)
            } else {
                0
            }
            + if self.beat == 0 {
                0
            } else {
                encoding::uint64::encoded_len(BEAT, &self.beat)
            }
    }

    fn clear(&mut self) {
        *self = ClientFrame::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the generated code for the descriptor would be.
    #[derive(Clone, PartialEq, Message)]
    struct Twin {
        #[prost(message, optional, tag = "1")]
        hello: Option<Hello>,
        #[prost(message, repeated, tag = "2")]
        calls: Vec<Call>,
        #[prost(message, repeated, tag = "3")]
        acknowledged: Vec<Range>,
        #[prost(uint64, repeated, tag = "4")]
        cancel: Vec<u64>,
        #[prost(message, repeated, tag = "5")]
        parts: Vec<Part>,
        #[prost(bool, tag = "6")]
        goodbye: bool,
        #[prost(uint64, tag = "7")]
        beat: u64,
    }

    #[test]
    fn it_is_what_the_descriptor_says() {
        let full = ClientFrame {
            hello: Some(Hello::default()),
            calls: vec![Call::default(); 3],
            acknowledged: vec![
                Range {
                    first: 1,
                    last: 300
                };
                2
            ],
            cancel: vec![1, 300, u64::MAX],
            parts: vec![Part::default()],
            goodbye: true,
            beat: 300,
        };
        for frame in [full, ClientFrame::default()] {
            let twin = Twin {
                hello: frame.hello.clone(),
                calls: frame.calls.clone(),
                acknowledged: frame.acknowledged.clone(),
                cancel: frame.cancel.clone(),
                parts: frame.parts.clone(),
                goodbye: frame.goodbye,
                beat: frame.beat,
            };
            let bytes = frame.encode_to_vec();
            assert_eq!(bytes, twin.encode_to_vec());
            assert_eq!(ClientFrame::decode(&*bytes), Ok(frame));
        }
    }

    #[test]
    fn a_frame_that_holds_too_much_is_not_read() {
        for (tag, most) in [
            (CALLS, FRAME_CALLS_MAX),
            (ACKNOWLEDGED, FRAME_RUNS_MAX),
            (PARTS, FRAME_CALLS_MAX),
        ] {
            let mut item = Vec::new();
            encoding::message::encode(tag, &Range::default(), &mut item);
            ClientFrame::decode(&*item.repeat(most)).expect("as much as it may");
            ClientFrame::decode(&*item.repeat(most + 1)).expect_err("one more");
        }
    }
}
