//! What a lane says next.

use super::frame::{FrameWriter, whole_call};
use super::{Entry, Goodbye, Lane, Stage};
use bytes::Bytes;
use std::mem;
use std::time::Instant;

/// A frame is closed when it is this long.
const FRAME_BYTES: usize = 64 << 10;
/// Calls longer than this travel in parts.
const PART_ABOVE: usize = 256 << 10;
/// So many replies are acknowledged at once, even if no call is to be sent.
const ACKNOWLEDGE_AT: usize = 256;

impl Lane {
    /// The next frame to send, with its prefix, if there is anything to say.
    pub(crate) fn next_frame(&mut self, now: Instant) -> Option<Bytes> {
        if !self.connected {
            return None;
        }
        while self
            .queue
            .front()
            .is_some_and(|sequence| !self.is_queued(*sequence))
        {
            self.queue.pop_front();
        }
        let calls = self.credits > 0 && !self.queue.is_empty();
        let goodbye = self.goodbye == Goodbye::Wanted && self.is_settled();
        let acknowledge = self.unsent_count >= ACKNOWLEDGE_AT
            || self.unsent_count > 0 && (self.acknowledge_now || goodbye);
        if !(calls || acknowledge || goodbye)
            && self.cancels.is_empty()
            && self.retired.is_empty()
            && self.outgoing.is_empty()
        {
            return None;
        }
        Some(self.build_frame(
            now,
            goodbye && self.cancels.is_empty() && self.retired.is_empty(),
        ))
    }

    fn build_frame(&mut self, now: Instant, goodbye: bool) -> Bytes {
        let first = self
            .queue
            .front()
            .and_then(|sequence| self.calls.get(sequence));
        let mut frame = FrameWriter::new(first.map_or(64, |entry| {
            (entry.submission.body.len() + 64).min(FRAME_BYTES)
        }));
        if self.cancels.is_empty() {
            // Their cancellations left in an earlier frame.
            for sequence in mem::take(&mut self.retired) {
                self.acknowledge(sequence);
                self.withdrawn.push_back((sequence, self.last));
            }
        } else {
            frame.cancel(&self.cancels);
            self.cancels.clear();
        }
        if self.unsent_count > 0 {
            frame.acknowledged(self.unsent.runs());
            self.unsent.clear();
            self.unsent_count = 0;
            self.acknowledge_now = false;
        }
        self.write_calls(&mut frame, now);
        if frame.len() < FRAME_BYTES
            && let Some((sequence, data, last)) = self.outgoing.next()
        {
            frame.part(sequence, data, last);
            let abandoned = |entry: &Entry| matches!(entry.stage, Stage::Abandoned);
            if last && self.calls.get(&sequence).is_some_and(abandoned) {
                self.cancels.push(sequence);
            }
        }
        if goodbye {
            frame.goodbye();
            self.goodbye = Goodbye::Sent;
        }
        frame.finish()
    }

    fn write_calls(&mut self, frame: &mut FrameWriter, now: Instant) {
        while self.credits > 0
            && frame.len() < FRAME_BYTES
            && let Some(sequence) = self.queue.pop_front()
        {
            let Some(entry) = self.calls.get_mut(&sequence) else {
                continue;
            };
            if !matches!(entry.stage, Stage::Queued) {
                continue;
            }
            // Only what remains of its time; a time-out too long for a clock is passed on as it is.
            let timeout = match entry.deadline {
                Some(deadline) => Some(deadline.saturating_duration_since(now)),
                None => entry.submission.timeout,
            };
            let body = &entry.submission.body;
            if body.len() > PART_ABOVE {
                self.outgoing
                    .push(sequence, whole_call(sequence, body, timeout));
            } else {
                frame.call(sequence, body, timeout);
            }
            entry.stage = Stage::Sent;
            self.resent += u64::from(entry.sent);
            entry.sent = true;
            self.credits -= 1;
        }
    }
}
