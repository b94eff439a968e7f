//! A server outlives bad input: it gets a status or a refusal, memory stays bounded, and others are served on.

mod connections;

use crate::support::{Ended, Home, Lane, Raw, Serving, beside, framed, numbers_of};
use bytes::{BufMut as _, Bytes, BytesMut};
use commonhold::{AuthKey, Code, Error};
use commonhold_proto::login::Token;
use commonhold_proto::{CALL_VALUES_MAX, Value, wire};
use parking_lot::RwLockReadGuard;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// What bad input may cost, in bytes, over what the server had before.
const COST_MAX: u64 = 64 << 20;
/// Longer than any limit that is waited for here.
const PATIENCE: Duration = Duration::from_secs(30);

// The gRPC status codes that mean something here.
const NOT_FOUND: u32 = 5;
const RESOURCE_EXHAUSTED: u32 = 8;
const OUT_OF_RANGE: u32 = 11;
const UNIMPLEMENTED: u32 = 12;
const UNAUTHENTICATED: u32 = 16;

/// A server, and what it was like before it was abused.
struct Victim {
    _beside: RwLockReadGuard<'static, ()>,
    home: Home,
    serving: Serving,
    peak: u64,
}

impl Victim {
    fn new() -> Victim {
        let beside = beside();
        let home = Home::new();
        let serving = home.serve(&["--store", "memory"]);
        let victim = Victim {
            _beside: beside,
            peak: 0,
            home,
            serving,
        };
        victim.serves_others();
        let peak = victim.serving.peak_bytes();
        Victim { peak, ..victim }
    }

    fn serves_others(&self) {
        let ch = self.home.connect();
        let counter = ch.counter("well-behaved");
        let before = counter.get().expect("it answers");
        let after = counter.increment(1).call().expect("it answers");
        assert_eq!(after, before + 1);
    }

    /// A connection that has logged in.
    async fn enter(&self) -> Raw {
        Raw::enter(&self.serving, self.home.key()).await
    }

    /// Checks that it lives, and that it never took more memory than it may.
    #[track_caller]
    fn lives(&self) {
        self.serves_others();
        let cost = self.serving.peak_bytes().saturating_sub(self.peak);
        assert!(cost < COST_MAX, "it took {} MiB more", cost >> 20);
    }
}

fn call(kind: &str, name: &str, method: &str, arguments: Vec<Value>) -> wire::Call {
    let open = wire::Open {
        kind: kind.to_owned(),
        name: name.to_owned(),
        ..wire::Open::default()
    };
    wire::Call {
        target: Some(wire::call::Target::Open(open)),
        method: method.to_owned(),
        arguments,
        ..wire::Call::default()
    }
}

/// The code of a reply that is a refusal.
fn refused(reply: wire::Reply) -> Option<Code> {
    match reply.result {
        Some(wire::reply::Result::Refusal(refusal)) => Code::from_number(refusal.code),
        _ => None,
    }
}

/// A message that says it is so long and holds so much.
fn message(says: u32, holds: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(0);
    bytes.put_u32(says);
    bytes.put_bytes(0x22, holds);
    bytes.freeze()
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    for (says, holds) in [(5 << 20, 5 << 20), (u32::MAX, 1 << 20)] {
        let status = raw.status("Call", message(says, holds)).await;
        let refused = matches!(status, Ok(RESOURCE_EXHAUSTED | OUT_OF_RANGE));
        assert!(refused, "{says} bytes: {status:?}");
    }
    victim.lives();
}

#[tokio::test]
async fn bytes_that_are_no_message_are_refused() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    for (method, bytes) in [
        ("Call", message(1_000, 1_000)),
        // Cut off in the middle.
        ("Call", message(1_000, 10)),
        ("Session", message(1_000, 1_000)),
        ("Login", message(1_000, 1_000)),
        // Says that it is compressed.
        ("Call", Bytes::from_static(&[1, 0, 0, 0, 1, 0])),
    ] {
        let status = raw.status(method, bytes).await.expect("a status");
        assert_ne!(status, 0, "{method}");
    }
    victim.lives();
}

#[tokio::test]
async fn a_value_that_is_nested_too_deeply_is_refused() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    for depth in [33, 60, 5_000, 100_000] {
        // By hand: a recursive encoder would not survive it.
        let nested = nested(depth);
        let mut request = BytesMut::new();
        let start = call("dict", "d", "set", vec!["k".into()]);
        let mut call = prost::Message::encode_to_vec(&start);
        field(&mut call, 5, &nested);
        let mut whole = Vec::new();
        field(&mut whole, 1, &call);
        request.put_u8(0);
        request.put_u32(u32::try_from(whole.len()).expect("it is short"));
        request.extend_from_slice(&whole);
        let mut stream = raw.open("Call").await.expect("a stream");
        let sent = stream.send_bytes(request.freeze(), true).await;
        sent.expect("it is sent");
        match stream.next::<wire::Reply>().await {
            Ok(Some(reply)) => {
                assert_eq!(refused(reply), Some(Code::ValueTooLarge), "{depth} deep");
            }
            Err(Ended::Status(code, _)) => assert_ne!(code, 0),
            other => panic!("{depth} deep: {other:?}"),
        }
    }
    victim.lives();
}

/// Two bytes are an empty value, which takes twenty times as many in memory.
#[tokio::test]
async fn a_call_of_too_many_values_is_refused_and_its_lane_goes_on() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let mut lane = raw.lane().await;
    let mut set = call("dict", "d", "set", vec!["k".into()]);
    set.sequence = 1;
    let mut whole = prost::Message::encode_to_vec(&set);
    let items = [0x0a, 0].repeat(CALL_VALUES_MAX + 1);
    let mut list = Vec::new();
    field(&mut list, 8, &items);
    field(&mut whole, 5, &list);
    let mut pieces = whole.chunks(64 << 10).peekable();
    while let Some(piece) = pieces.next() {
        let part = wire::Part {
            sequence: 1,
            data: Bytes::copy_from_slice(piece),
            last: pieces.peek().is_none(),
        };
        let frame = wire::ClientFrame {
            parts: vec![part],
            ..wire::ClientFrame::default()
        };
        lane.stream.send(&frame).await.expect("it is sent");
    }
    let reply = take_reply(&mut lane).await;
    assert_eq!(refused(reply), Some(Code::ValueTooLarge));
    let next = wire::ClientFrame {
        calls: vec![increment(2)],
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&next).await.expect("it is sent");
    let reply = take_reply(&mut lane).await;
    assert_eq!((reply.sequence, refused(reply)), (2, None));
    victim.lives();
}

/// A list in a list in a list, in wire form.
fn nested(depth: usize) -> Vec<u8> {
    // Built from the inside, backwards, since each length stands before what it measures.
    let mut backwards = Vec::new();
    for _ in 0..depth {
        // Values.items, then Value.list.
        for number in [1_u8, 8] {
            let mut length = Vec::new();
            varint(&mut length, backwards.len());
            backwards.extend(length.iter().rev());
            backwards.push(number << 3 | 2);
        }
    }
    backwards.reverse();
    backwards
}

fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

fn varint(out: &mut Vec<u8>, mut number: usize) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).expect("7 bits") | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).expect("7 bits"));
}

/// A dict with two keys that are one.
fn twice() -> Value {
    let keys = [Value::from(1), Value::from(1.0)];
    Value::Dict(keys.map(|key| (key, Value::Null)).to_vec())
}

#[tokio::test]
async fn calls_that_make_no_sense_are_refused() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let long = "n".repeat(1 << 20);
    let calls = [
        call("dict", "d", "set", vec![]),
        call("dict", "d", "set", vec!["k".into(); 9]),
        call("dict", "d", "update", vec![1.into()]),
        call("dict", "d", "update", vec![Value::List(vec![1.into()])]),
        call("dict", "d", "increment", vec!["k".into(), "one".into()]),
        call("dict", "d", "set", vec![Value::List(vec![]), 1.into()]),
        call("counter", "c", "increment", vec![Value::Null]),
        call("dict", "d", "set", vec!["k".into(), twice()]),
        call("barrier", "b", "wait", vec![]),
        call("dict", "d", "no such method", vec![]),
        call("dict", "d", &long, vec![]),
        call("no such kind", "x", "get", vec![]),
        call("dict", &long, "set", vec!["k".into(), 1.into()]),
        call("dict", "", "set", vec!["k".into(), 1.into()]),
        call("server", "$server", "delete", vec!["nothing".into()]),
        wire::Call::default(),
    ];
    for (number, call) in calls.into_iter().enumerate() {
        let reply = raw.call(call).await.expect("a reply");
        assert_ne!(refused(reply), None, "call {number}");
    }
    let unknown = raw.status("NoSuchMethod", framed(&wire::CallRequest::default()));
    assert_eq!(unknown.await, Ok(UNIMPLEMENTED));
    victim.lives();
}

/// A call of its own for each number: a dict that grows, with a reply that is remembered.
fn increment(sequence: u64) -> wire::Call {
    let mut call = call("counter", "c", "increment", vec![1.into()]);
    call.sequence = sequence;
    call
}

/// Sends as many calls as there are credits, and takes what comes. Returns how many were sent.
async fn spend(lane: &mut Lane, last: &mut u64) -> u32 {
    let count = std::mem::take(&mut lane.credits);
    let numbers = *last + 1..=*last + u64::from(count);
    *last = *numbers.end();
    let frame = wire::ClientFrame {
        calls: numbers.map(increment).collect(),
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&frame).await.expect("it is sent");
    let mut answered = 0;
    while answered < count as usize {
        answered += take_frame(lane).await;
    }
    count
}

async fn take_frame(lane: &mut Lane) -> usize {
    take_replies(lane).await.len()
}

async fn take_replies(lane: &mut Lane) -> Vec<wire::Reply> {
    let frame = timeout(PATIENCE, lane.stream.next::<wire::ServerFrame>()).await;
    let frame = frame.expect("in time").expect("a frame");
    let frame = frame.expect("the lane goes on");
    lane.credits += frame.credits;
    frame.replies
}

/// The reply to the only call that is under way.
async fn take_reply(lane: &mut Lane) -> wire::Reply {
    loop {
        if let Some(reply) = take_replies(lane).await.pop() {
            return reply;
        }
    }
}

#[tokio::test]
async fn a_client_that_never_acknowledges_gets_no_more_credits() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let mut lane = raw.lane().await;
    let (mut last, mut sent) = (0, 0);
    loop {
        sent += spend(&mut lane, &mut last).await;
        assert!(sent < 10_000, "credits never end");
        // Grants come with replies, or not at all.
        if lane.credits == 0 {
            break;
        }
    }
    assert!(sent >= 4_096, "the bound is no lower than {sent}");
    victim.lives();
    // What is acknowledged is forgotten, and the lane goes on.
    let all = wire::Range { first: 1, last };
    let frame = wire::ClientFrame {
        acknowledged: vec![all],
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&frame).await.expect("it is sent");
    while lane.credits == 0 {
        take_frame(&mut lane).await;
    }
    assert!(spend(&mut lane, &mut last).await > 0);
    let total = victim
        .home
        .connect()
        .counter("c")
        .get()
        .expect("it answers");
    assert_eq!(u64::try_from(total), Ok(last));
}

#[tokio::test]
async fn a_client_that_exceeds_its_credits_loses_its_lane() {
    let victim = Victim::new();
    let mut raw = victim.enter().await;
    let mut lane = raw.lane().await;
    let frame = wire::ClientFrame {
        calls: (1..=u64::from(lane.credits) + 1).map(increment).collect(),
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&frame).await.expect("it is sent");
    let ended = loop {
        match timeout(PATIENCE, lane.stream.next::<wire::ServerFrame>()).await {
            Ok(Ok(Some(_))) => {}
            Ok(other) => break other,
            Err(end) => panic!("the lane ended: {end:?}"),
        }
    };
    let exhausted = matches!(ended, Err(Ended::Status(RESOURCE_EXHAUSTED, _)));
    assert!(exhausted, "{ended:?}");
    victim.lives();
}

#[tokio::test]
async fn a_client_that_never_reads_pins_little() {
    let victim = Victim::new();
    let ch = victim.home.connect();
    let large = "v".repeat(200 << 10);
    let dict = ch.dict::<String, String>("d");
    dict.set("k", large).expect("it is set");
    let mut raw = victim.enter().await;
    let mut lane = raw.lane().await;
    let get = |sequence| {
        let mut get = call("dict", "d", "get", vec!["k".into()]);
        get.sequence = sequence;
        get
    };
    let frame = wire::ClientFrame {
        calls: (1..=u64::from(lane.credits)).map(get).collect(),
        ..wire::ClientFrame::default()
    };
    lane.stream.send(&frame).await.expect("it is sent");
    // Another lane of the connection is answered after it.
    raw.lane().await;
    victim.lives();
}

#[tokio::test]
async fn a_token_that_nobody_gave_is_refused() {
    let victim = Victim::new();
    let mut raw = Raw::connect(&victim.serving).await;
    let request = framed(&wire::CallRequest::default());
    for token in [None, Some(Token::random())] {
        raw.token = token;
        for method in ["Call", "Session", "Describe"] {
            let status = raw.status(method, request.clone()).await;
            assert_eq!(status, Ok(UNAUTHENTICATED), "{method}");
        }
    }
    victim.lives();
}

#[test]
fn a_wrong_key_is_refused_in_under_a_second() {
    let victim = Victim::new();
    let options = victim.home.options().key(AuthKey::generate());
    let begun = Instant::now();
    let error = options.connect_blocking().expect_err("it is refused");
    let took = begun.elapsed();
    assert!(matches!(error, Error::Authentication { .. }), "{error}");
    assert!(took < Duration::from_secs(1), "it took {took:?}");
    victim.lives();
}

#[tokio::test]
async fn a_session_that_is_not_known_is_not_treated_as_new() {
    let victim = Victim::new();
    let ch = victim.home.connect();
    let before = numbers_of(&ch, ["sessions"]);
    let mut raw = victim.enter().await;
    let ended = raw.resume(Some(1 << 40)).await.err();
    let unknown = matches!(ended, Some(Ended::Status(NOT_FOUND, _)));
    assert!(unknown, "{ended:?}");
    assert_eq!(numbers_of(&ch, ["sessions"]), before);
    victim.lives();
}
