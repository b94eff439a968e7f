//! The replies of a lane on their way to the client, and the credits that travel with them.

use super::CREDITS;
use super::calls::Was;
use commonhold_proto::wire::{Part, ServerFrame};
use commonhold_proto::{Fence, Reply, Revision, Value};
use std::collections::VecDeque;

/// About how many bytes of replies one frame takes.
const FRAME_BYTES: usize = 64 << 10;
/// Larger replies travel in parts.
const PART_ABOVE: usize = 256 << 10;

/// While so many bytes of replies wait for their client or the store, a lane begins no calls.
const OUTGOING_BYTES_MAX: usize = 1 << 20;

/// Replies on their way.
#[derive(Default)]
pub(super) struct Outbox {
    /// Replies that may leave.
    ready: VecDeque<Outgoing>,
    /// Replies that wait for the store.
    held: Vec<(Revision, Outgoing)>,
    /// Bytes of replies that wait, for the client or the store.
    outgoing_bytes: usize,
    /// One large reply is not counted: small ones pass it, so their calls begin while it leaves.
    passing: bool,
    /// Calls that began to wait since the last frame.
    parked: Vec<u64>,
    /// What the client may still send.
    credits: u32,
    /// Credits that came back and are not granted yet.
    owed: u32,
    /// Large replies on their way in parts.
    parts: VecDeque<OutgoingParts>,
    /// Grants that were lost since the last frame.
    lost: Vec<Fence>,
    /// The newest sign of life that no frame has answered; 0: none.
    beat: u64,
}

struct Outgoing {
    sequence: u64,
    reply: Reply,
    /// About as many as it takes in memory.
    bytes: usize,
    /// As many of them as count; 0: it is the one that others pass.
    counted: usize,
}

struct OutgoingParts {
    sequence: u64,
    encoded: bytes::Bytes,
    /// As of the reply.
    counted: usize,
}

/// Whether a call may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credit {
    /// It may.
    Spent,
    /// Replies leave first.
    Later,
    /// The client has sent more than it was allowed to.
    None,
}

impl Outbox {
    /// A new connection begins.
    pub(super) fn open(&mut self) {
        self.credits = CREDITS;
    }

    /// The calls whose replies have not left, or not whole.
    pub(super) fn unsent(&self) -> impl Iterator<Item = u64> {
        let held = self.held.iter().map(|(_, outgoing)| outgoing);
        let whole = self.ready.iter().chain(held);
        let parts = self.parts.iter().map(|parts| parts.sequence);
        whole.map(|outgoing| outgoing.sequence).chain(parts)
    }

    /// The connection is gone: replies on their way are dropped, as who remembers them is asked again.
    pub(super) fn clear(&mut self) {
        *self = Outbox {
            credits: self.credits,
            ..Outbox::default()
        };
    }

    /// May another call begin? Takes a credit if so.
    pub(super) fn spend_credit(&mut self) -> Credit {
        if self.outgoing_bytes >= OUTGOING_BYTES_MAX {
            return Credit::Later;
        }
        match self.credits.checked_sub(1) {
            Some(left) => {
                self.credits = left;
                Credit::Spent
            }
            None => Credit::None,
        }
    }

    /// A call began to wait: it gives its credit back, and the client is told.
    pub(super) fn park(&mut self, sequence: u64) {
        self.owed += 1;
        self.parked.push(sequence);
    }

    /// A grant is lost.
    pub(super) fn lose(&mut self, fence: Fence) {
        self.lost.push(fence);
    }

    /// The client gave a sign of life.
    pub(super) fn beat(&mut self, beat: u64) {
        self.beat = beat;
    }

    /// Takes the reply to a call that `was` so before; it leaves once `gate` is durable.
    pub(super) fn push(
        &mut self,
        sequence: u64,
        was: Was,
        reply: Reply,
        gate: Revision,
        durable: Revision,
    ) {
        self.owed += u32::from(was != Was::Parked);
        let bytes = reply.result.as_ref().map_or(64, Value::size);
        let passed = bytes > PART_ABOVE && !self.passing;
        self.passing |= passed;
        let counted = if passed { 0 } else { bytes };
        self.outgoing_bytes += counted;
        let outgoing = Outgoing {
            sequence,
            reply,
            bytes,
            counted,
        };
        if gate <= durable {
            self.ready.push_back(outgoing);
        } else {
            self.held.push((gate, outgoing));
        }
    }

    /// If the reply to this call has not left, another one leaves in its place.
    pub(super) fn replace(
        &mut self,
        sequence: u64,
        reply: Reply,
        gate: Revision,
        durable: Revision,
    ) {
        let ready = self.ready.iter().position(|out| out.sequence == sequence);
        let held = self
            .held
            .iter()
            .position(|(_, out)| out.sequence == sequence);
        let replaced = match (ready, held) {
            (Some(at), _) => self.ready.remove(at),
            (None, Some(at)) => Some(self.held.remove(at).1),
            (None, None) => None,
        };
        let Some(replaced) = replaced else {
            return;
        };
        self.outgoing_bytes -= replaced.counted;
        self.passing &= replaced.bytes <= PART_ABOVE || replaced.counted > 0;
        // Its credit came back with the first.
        self.push(sequence, Was::Parked, reply, gate, durable);
    }

    /// Is there no reply, neither to leave nor held?
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && self.held.is_empty()
    }

    /// Are replies held for the store?
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Moves what is durable now to the replies that may leave.
    pub(super) fn release(&mut self, durable: Revision) {
        if self.held.iter().all(|(gate, ..)| *gate > durable) {
            return;
        }
        for (gate, outgoing) in std::mem::take(&mut self.held) {
            if gate <= durable {
                self.ready.push_back(outgoing);
            } else {
                self.held.push((gate, outgoing));
            }
        }
    }

    /// The next frame, if there is anything to say. `grants`: credits may go back to the client.
    pub(super) fn frame(&mut self, grants: bool) -> Option<ServerFrame> {
        let silent = self.ready.is_empty()
            && self.parked.is_empty()
            && self.parts.is_empty()
            && self.lost.is_empty()
            && self.beat == 0;
        // Credits travel with replies. Alone they are worth a frame only before the client runs out of them.
        if silent && self.credits > CREDITS / 2 {
            return None;
        }
        let credits = if grants { self.grant() } else { 0 };
        if silent && credits == 0 {
            return None;
        }
        let mut frame = ServerFrame {
            credits,
            parked: std::mem::take(&mut self.parked),
            lost: self.lost.drain(..).map(Fence::to_wire).collect(),
            beat: std::mem::take(&mut self.beat),
            ..ServerFrame::default()
        };
        frame
            .replies
            .reserve(self.ready.len().min(FRAME_BYTES / 64));
        let mut bytes = 0;
        while bytes < FRAME_BYTES
            && let Some(outgoing) = self.ready.pop_front()
        {
            let (sequence, size) = (outgoing.sequence, outgoing.bytes);
            let reply = outgoing.reply.into_wire(sequence);
            if size > PART_ABOVE {
                self.parts.push_back(OutgoingParts {
                    sequence,
                    encoded: reply.to_bytes(),
                    counted: outgoing.counted,
                });
            } else {
                bytes += size;
                self.outgoing_bytes -= size;
                frame.replies.push(reply);
            }
        }
        if bytes < FRAME_BYTES {
            frame.parts.extend(self.part());
        }
        Some(frame)
    }

    /// The next piece of a large reply: one a frame, so that small replies pass between; the large ones take turns.
    fn part(&mut self) -> Option<Part> {
        let mut parts = self.parts.pop_front()?;
        let sequence = parts.sequence;
        let data = parts.encoded.split_to(parts.encoded.len().min(FRAME_BYTES));
        let last = parts.encoded.is_empty();
        if !last {
            self.parts.push_back(parts);
        } else if parts.counted == 0 {
            self.passing = false;
        } else {
            self.outgoing_bytes -= parts.counted;
        }
        Some(Part {
            sequence,
            data,
            last,
        })
    }

    /// Credits that go back to the client now.
    fn grant(&mut self) -> u32 {
        let granted = self.owed.min(CREDITS - self.credits.min(CREDITS));
        self.owed = 0;
        self.credits += granted;
        granted
    }
}
