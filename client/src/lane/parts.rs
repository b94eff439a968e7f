//! Messages too large for one frame, cut into pieces and put together again.

use bytes::{Bytes, BytesMut};
use commonhold_proto::wire;
use std::collections::{HashMap, VecDeque};

/// The largest piece.
pub(crate) const PIECE_BYTES: usize = 64 << 10;

/// Large calls on their way out, one after the other: a server holds few bytes of calls that are not whole.
#[derive(Debug, Default)]
pub(crate) struct Outgoing {
    turns: VecDeque<(u64, Bytes)>,
}

impl Outgoing {
    /// Adds an encoded call.
    pub(crate) fn push(&mut self, sequence: u64, encoded: Bytes) {
        self.turns.push_back((sequence, encoded));
    }

    /// The next piece: of which call, its bytes, and whether it is the last.
    pub(crate) fn next(&mut self) -> Option<(u64, Bytes, bool)> {
        let (sequence, mut rest) = self.turns.pop_front()?;
        let piece = rest.split_to(rest.len().min(PIECE_BYTES));
        let last = rest.is_empty();
        if !last {
            self.turns.push_front((sequence, rest));
        }
        Some((sequence, piece, last))
    }

    /// Is some of this call still to be sent?
    pub(crate) fn holds(&self, sequence: u64) -> bool {
        self.turns.iter().any(|(number, _)| *number == sequence)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(crate) fn clear(&mut self) {
        self.turns.clear();
    }
}

/// Large replies on their way in.
#[derive(Debug, Default)]
pub(crate) struct Incoming {
    replies: HashMap<u64, BytesMut>,
}

impl Incoming {
    /// Adds a piece; gives the whole after its last one. `None` in the error case: it grew over `bytes_max`.
    pub(crate) fn push(
        &mut self,
        part: &wire::Part,
        bytes_max: usize,
    ) -> Result<Option<Bytes>, TooLarge> {
        let whole = self.replies.entry(part.sequence).or_default();
        if whole.len() + part.data.len() > bytes_max {
            return Err(TooLarge);
        }
        whole.extend_from_slice(&part.data);
        if !part.last {
            return Ok(None);
        }
        let whole = self.replies.remove(&part.sequence).unwrap_or_default();
        Ok(Some(whole.freeze()))
    }

    pub(crate) fn clear(&mut self) {
        self.replies.clear();
    }
}

/// A reply is larger than the server said that replies are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[test]
    fn large_calls_follow_each_other_and_come_together_again() {
        let (mut out, mut back) = (Outgoing::default(), Incoming::default());
        let first = Bytes::from(vec![1; 2 * PIECE_BYTES + 1]);
        let second = Bytes::from(vec![2; PIECE_BYTES]);
        out.push(1, first.clone());
        out.push(2, second.clone());
        let mut order = Vec::new();
        let mut whole = Vec::new();
        while let Some((sequence, data, last)) = out.next() {
            order.push(sequence);
            assert_eq!(out.holds(sequence), !last);
            let part = wire::Part {
                sequence,
                data,
                last,
            };
            whole.extend(back.push(&part, usize::MAX).unwrap());
        }
        assert_eq!(order, [1, 1, 1, 2]);
        assert_eq!(whole, [first, second]);
        assert!(out.is_empty());
    }

    #[test]
    fn a_reply_cannot_grow_without_end() {
        let mut back = Incoming::default();
        let part = wire::Part {
            sequence: 1,
            data: Bytes::from_static(b"12345"),
            last: false,
        };
        assert_eq!(back.push(&part, 9), Ok(None));
        assert_eq!(back.push(&part, 9), Err(TooLarge));
    }
}
