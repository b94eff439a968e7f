//! What is sent or stored comes back the same.

use crate::arbitrary::{call, change, outcome, reply, row, target};
use bytes::Bytes;
use commonhold_proto::{
    Call, Change, Fence, Oid, Outcome, Owner, Part, Received, Reply, Revision, Row, RowKey,
    ServerTime, Target, Value, wire,
};
use proptest::prelude::*;
use prost::Message as _;
use std::fmt::Debug;
use std::time::Duration;

/// NaN equals nothing, so things are compared as they print.
fn shown(it: &impl Debug) -> String {
    format!("{it:?}")
}

proptest! {
    #[test]
    fn calls(
        call in call(),
        target in target(),
        sequence: u64,
        timeout: Option<u32>,
        owner: u64,
        fence: Option<(u64, u64)>,
    ) {
        let timeout = timeout.map(|ms| Duration::from_millis(ms.into()));
        let fence = fence.map(|(lock, token)| Fence { lock: Oid(lock), token: Revision(token) });
        let mut sent = call.clone().into_wire(sequence, target.clone(), timeout, Owner(owner));
        sent.fence = fence.map(Fence::to_wire);
        let mut bare = sent.clone();
        (bare.sequence, bare.timeout_ms) = (0, None);
        let bytes = call.clone().into_bytes(target.clone(), Owner(owner), fence);
        prop_assert_eq!(bytes, bare.encode_to_vec());
        let received = Call::from_wire(wire::Call::decode(&*sent.encode_to_vec())?)?;
        let owner = Owner(owner);
        let expected = Received { sequence, target, call, timeout, owner, fence, fingerprint: None };
        prop_assert_eq!(shown(&received), shown(&expected));
    }

    #[test]
    fn replies(reply in reply(), sequence: u64) {
        let sent = reply.clone().into_wire(sequence);
        let (number, received) = Reply::from_wire(wire::Reply::decode(&*sent.encode_to_vec())?);
        prop_assert_eq!(number, sequence);
        prop_assert_eq!(shown(&received), shown(&reply));
    }

    #[test]
    fn rows(first in row(), second in row()) {
        let mut stored = Vec::new();
        first.encode(&mut stored);
        second.encode(&mut stored);
        let mut stored = Bytes::from(stored);
        prop_assert_eq!(shown(&Row::decode(&mut stored)?), shown(&first));
        prop_assert_eq!(shown(&Row::decode(&mut stored)?), shown(&second));
        prop_assert!(stored.is_empty());
    }

    #[test]
    fn outcomes(outcome in outcome()) {
        let read = Outcome::decode(outcome.encode().into())?;
        prop_assert_eq!(shown(&read), shown(&outcome));
    }

    #[test]
    fn changes(first in change(), second in change()) {
        let mut stored = Vec::new();
        first.encode(&mut stored);
        second.encode(&mut stored);
        let mut stored = Bytes::from(stored);
        prop_assert_eq!(shown(&Change::decode(&mut stored)?), shown(&first));
        prop_assert_eq!(shown(&Change::decode(&mut stored)?), shown(&second));
        prop_assert!(stored.is_empty());
    }
}

#[test]
fn a_change_does_not_keep_the_segment_that_it_was_read_from() {
    let put = Row::put(
        RowKey::of("key"),
        Value::Bytes(Bytes::from_static(b"value")),
    );
    let change = Change {
        revision: Revision(1),
        at: ServerTime(1),
        operation: None,
        parts: [Part {
            oid: Oid(1),
            rows: [put].into(),
        }]
        .into(),
    };
    let mut stored = Vec::new();
    change.encode(&mut stored);
    let segment = Bytes::from(stored);
    let read = Change::decode(&mut segment.clone()).expect("a change");
    assert!(segment.is_unique(), "{read:?} holds on to its segment");
}

#[test]
fn a_timeout_is_never_shortened() {
    let target = || Target::Oid(Oid(1));
    for (micros, ms) in [(0, 0), (1, 1), (1000, 1), (1001, 2)] {
        let timeout = Some(Duration::from_micros(micros));
        let sent = Call::new("get", vec![]).into_wire(1, target(), timeout, Owner(0));
        assert_eq!(sent.timeout_ms, Some(ms));
    }
    let sent = Call::new("get", vec![]).into_wire(1, target(), Some(Duration::MAX), Owner(0));
    assert_eq!(sent.timeout_ms, Some(u64::MAX));
}
