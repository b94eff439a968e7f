//! What a lane does for the anonymous objects of its session: it drops what nobody wants, and acknowledges replies that a
//! drop held up. It stands beside the lane, under the same lock.

use crate::caller;
use crate::error::Error;
use crate::holdings::{self, Brought, Holdings};
use crate::lane::{Lane, Submission, Unheard};
use commonhold_proto::{Code, Reply, wire};
use std::collections::BTreeMap;
use std::time::Instant;

/// The drops and the late acknowledgements of one lane.
#[derive(Debug, Default)]
pub(crate) struct Tending {
    /// The session and the number that the last connection gave the lane.
    seat: (u64, u32),
    /// The call that drops objects, and the drop's number.
    dropping: Option<(u64, u64)>,
    /// Replies to acknowledge, by a drop that must be over first, each with the drops that must be over besides. There
    /// are no more of them than objects are being dropped.
    withheld: BTreeMap<u64, Vec<(u64, Vec<u64>)>>,
}

impl Tending {
    /// The lane has a connection. In another session the old numbers mean nothing.
    pub(crate) fn sit(&mut self, welcome: &wire::Welcome) {
        if self.seat.0 != welcome.session {
            self.withheld.clear();
        }
        self.seat = (welcome.session, welcome.lane);
    }

    /// Is a drop under way?
    pub(crate) fn is_dropping(&self) -> bool {
        self.dropping.is_some()
    }

    /// A reply was taken that brings objects.
    pub(crate) fn receive(
        &mut self,
        lane: &mut Lane,
        holdings: &Holdings,
        sequence: u64,
        reply: &Reply,
    ) {
        let Ok(value) = &reply.result else { return };
        let brought = Brought {
            session: self.seat.0,
            lane: self.seat.1,
            sequence,
            last: lane.last(),
        };
        self.acknowledge(lane, sequence, holdings.receive(value, brought));
    }

    /// Acknowledges a reply once these drops are over.
    fn acknowledge(&mut self, lane: &mut Lane, sequence: u64, mut after: Vec<u64>) {
        match after.pop() {
            None => lane.acknowledge(sequence),
            Some(drop) => {
                let withheld = self.withheld.entry(drop).or_default();
                withheld.push((sequence, after));
            }
        }
    }

    /// Acknowledges what waited for a drop that is over, and begins the next one unless the lane is closing.
    pub(crate) fn tend(&mut self, lane: &mut Lane, holdings: &Holdings, closing: bool) {
        let over = self.withheld.keys().copied();
        let over: Vec<_> = over.filter(|drop| holdings.is_over(*drop)).collect();
        for drop in over {
            for (sequence, after) in self.withheld.remove(&drop).unwrap_or_default() {
                self.acknowledge(lane, sequence, after);
            }
        }
        if !closing
            && self.dropping.is_none()
            && lane.is_connected()
            && let Some((drop, call)) = holdings.begin_drop(self.seat.0)
        {
            let submission = Submission {
                body: caller::body(call, holdings::server(), holdings::OWNER, None),
                timeout: None,
                repeatable: false,
                unheard: Unheard::CarryOut,
            };
            self.dropping = Some((lane.submit(submission, Instant::now()), drop));
        }
    }

    /// Looks whether the drop that was under way is over: then it tells so. One that failed is made again.
    pub(crate) fn settle(&mut self, lane: &mut Lane, holdings: &Holdings) -> bool {
        let Some((sequence, drop)) = self.dropping else {
            return false;
        };
        let Some(result) = lane.take(sequence) else {
            return false;
        };
        self.dropping = None;
        let refused = |reply: Reply| reply.result.err().map(Error::from);
        match result.map_or_else(Some, refused) {
            // The server would say the same once more.
            Some(Error::Refused(refusal)) if refusal.code != Code::TooManyWaiting => {
                holdings.drop_ended(drop);
            }
            Some(_) => holdings.drop_failed(drop),
            None => holdings.drop_ended(drop),
        }
        true
    }
}
