//! A crowd: calls of many sessions, all on their way to one object.

use crate::support::{Home, Lane, Raw, Serving};
use commonhold_proto::{Value, wire};
use futures_util::future::join_all;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// Longer than anything is waited for here.
const PATIENCE: Duration = Duration::from_mins(1);

/// Sessions with a connection each.
pub(super) struct Crowd {
    lanes: Vec<Lane>,
    /// The last number that a call of each session has.
    last: u64,
}

/// A call of an object by its name. It lives in memory.
pub(super) fn call(
    kind: &str,
    name: &str,
    options: &[(&str, Value)],
    method: &str,
    arguments: Vec<Value>,
) -> wire::Call {
    let options = options.iter().map(|(name, value)| wire::Named {
        name: (*name).to_owned(),
        value: Some(value.clone()),
    });
    let open = wire::Open {
        kind: kind.to_owned(),
        name: name.to_owned(),
        durability: Some(wire::Durability::Memory.into()),
        options: options.collect(),
        ..wire::Open::default()
    };
    wire::Call {
        target: Some(wire::call::Target::Open(open)),
        method: method.to_owned(),
        arguments,
        ..wire::Call::default()
    }
}

impl Crowd {
    /// Opens so many sessions.
    pub(super) async fn gather(home: &Home, serving: &Serving, sessions: usize) -> Crowd {
        let mut lanes = Vec::with_capacity(sessions);
        for _ in 0..sessions {
            let mut raw = Raw::enter(serving, home.key()).await;
            lanes.push(raw.lane().await);
        }
        Crowd { lanes, last: 0 }
    }

    /// Each session makes a call, one after another.
    pub(super) async fn ask(&mut self, call: &wire::Call) {
        self.last += 1;
        for lane in &mut self.lanes {
            send(lane, self.last, 1, call).await;
            assert_eq!(take(lane, 1).await, 0, "{} is refused", call.method);
        }
    }

    /// Each session makes a call so often that waits. Returns when all of them do: `look`, which is made after them, has
    /// been answered, and calls of one session are carried out in order.
    pub(super) async fn wait(&mut self, each: usize, call: &wire::Call, look: &wire::Call) {
        let first = self.last + 1;
        self.last += each as u64 + 1;
        let last = self.last;
        let begun = self.lanes.iter_mut().map(async |lane| {
            send(lane, first, each, call).await;
            send(lane, last, 1, look).await;
            assert_eq!(take(lane, 1).await, 0, "{} is refused", look.method);
        });
        join_all(begun).await;
    }

    /// Makes a call in a session of its own, and takes the replies of all who wait. Returns how many of them are refusals,
    /// and how long it took from the call to the last reply.
    pub(super) async fn release(
        &mut self,
        each: usize,
        by: &mut Crowd,
        call: &wire::Call,
    ) -> (usize, Duration) {
        let begun = Instant::now();
        let replies = join_all(self.lanes.iter_mut().map(|lane| take(lane, each)));
        let ((), refused) = tokio::join!(by.ask(call), replies);
        (refused.into_iter().sum(), begun.elapsed())
    }
}

async fn send(lane: &mut Lane, first: u64, count: usize, call: &wire::Call) {
    let calls = (first..).take(count).map(|sequence| wire::Call {
        sequence,
        ..call.clone()
    });
    let frame = wire::ClientFrame {
        calls: calls.collect(),
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&frame).await.expect("it is sent");
}

/// Takes so many replies; returns how many are refusals.
async fn take(lane: &mut Lane, count: usize) -> usize {
    let (mut taken, mut refused) = (0, 0);
    while taken < count {
        let frame = timeout(PATIENCE, lane.stream.next::<wire::ServerFrame>()).await;
        let frame = frame.expect("in time").expect("a frame");
        let frame = frame.expect("the lane goes on");
        taken += frame.replies.len();
        let refusal =
            |reply: &&wire::Reply| matches!(reply.result, Some(wire::reply::Result::Refusal(_)));
        refused += frame.replies.iter().filter(refusal).count();
    }
    assert_eq!(taken, count, "no more replies than calls");
    refused
}
