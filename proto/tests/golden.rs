//! The bytes on the wire and on disk stay as they were: `tests/golden` at the root keeps examples of each.
//!
//! A line is a name and bytes in hexadecimal. A line that exists is never changed: peers and data folders of that form
//! are out there. For new lines, run this with `COMMONHOLD_GOLDEN=write`.

use bytes::Bytes;
use commonhold_proto::wire::{
    ClientFrame, Hello, Identity, Liveness, Range, Resume, ServerFrame, Version, Welcome,
};
use commonhold_proto::{
    Call, Change, Code, Durability, LaneId, Oid, Opaque, Open, OpenOptions, OperationId, Outcome,
    OutcomeState, Owner, Part, Reference, Refusal, Reply, Revision, Row, RowKey, ServerTime,
    SessionId, Target, Ticket, Undo, Value, wire,
};
use num_bigint::BigInt;
use prost::Message;
use std::fmt::{Debug, Write as _};
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

/// A name and the bytes that go by it.
type Line = (&'static str, Vec<u8>);

/// Compares with the file, line by line; only asked to, writes it anew.
#[track_caller]
fn check(file: &str, lines: &[Line]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/golden")
        .join(file);
    let mut text = String::new();
    for (name, bytes) in lines {
        text.push_str(name);
        text.push(' ');
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string grows");
        }
        text.push('\n');
    }
    if env::var_os("COMMONHOLD_GOLDEN").is_some_and(|how| how == "write") {
        fs::write(&path, &text).expect("the golden file is written");
    }
    let golden = fs::read_to_string(&path).expect("the golden file is read");
    for (golden, now) in golden.lines().zip(text.lines()) {
        assert_eq!(golden, now, "{file}: the bytes changed");
    }
    assert_eq!(
        golden.lines().count(),
        lines.len(),
        "{file}: lines were added or lost"
    );
}

/// The bytes of a message, which read as the same message.
#[track_caller]
fn message<M: Message + Default + Debug>(name: &'static str, message: &M) -> Line {
    let bytes = message.encode_to_vec();
    let read = M::decode(&*bytes).expect(name);
    assert_eq!(format!("{read:?}"), format!("{message:?}"));
    (name, bytes)
}

fn named() -> Reference {
    Reference {
        kind: "dict".into(),
        name: "hits".into(),
        oid: Oid(300),
    }
}

fn anonymous() -> Reference {
    Reference {
        kind: "list".into(),
        name: String::new(),
        oid: Oid(301),
    }
}

fn nested() -> Value {
    let opaque = Opaque {
        codec: "pickle".into(),
        bytes: Bytes::from_static(b"\x80\x04."),
        references: vec![anonymous()],
    };
    Value::Dict(vec![
        ("list".into(), Value::List(vec![1.into(), "a".into()])),
        (
            Value::Tuple(vec![1.into(), Value::Frozenset(vec![2.into()])]),
            Value::Set(vec![true.into(), 0.5.into()]),
        ),
        (Value::Null, Value::Reference(named().into())),
        (
            Value::Bytes(Bytes::from_static(b"\0\xff")),
            Value::Opaque(Box::new(opaque)),
        ),
    ])
}

#[test]
fn values() {
    let value = |name, value: Value| message(name, &value);
    let items = || vec![1.into(), Value::Null];
    check(
        "values-1.txt",
        &[
            value("null", Value::Null),
            value("false", false.into()),
            value("true", true.into()),
            value("zero", 0.into()),
            value("minus-one", (-1).into()),
            value("int-min", i64::MIN.into()),
            value("int-max", i64::MAX.into()),
            value("above-int", u64::MAX.into()),
            value("below-int", Value::from_big_int(BigInt::from(-1) << 64)),
            value("float", 1.0.into()),
            value("minus-zero", (-0.0).into()),
            value("nan", f64::NAN.into()),
            value("text", "grüße".into()),
            value("no-text", "".into()),
            value("bytes", Value::Bytes(Bytes::from_static(b"\0\xff"))),
            value("list", Value::List(items())),
            value("no-list", Value::List(vec![])),
            value("tuple", Value::Tuple(items())),
            value("dict", Value::Dict(vec![("a".into(), 1.into())])),
            value("set", Value::Set(items())),
            value("frozenset", Value::Frozenset(items())),
            value("named", Value::Reference(named().into())),
            value("anonymous", Value::Reference(anonymous().into())),
            value("nested", nested()),
        ],
    );
}

fn version() -> Version {
    Version {
        protocol_major: 1,
        protocol_minor: 0,
        product: "commonhold 0.1.0".into(),
        features: vec!["parts".into()],
    }
}

fn calls() -> Vec<wire::Call> {
    let get = Call::new("get", vec!["/index".into()]);
    let set = Call::new("set", vec!["x".into(), nested()]).with("ttl", 2.5);
    let open = Target::Open(Box::new(Open {
        kind: "dict".into(),
        name: "config".into(),
        options: OpenOptions {
            durability: Some(Durability::Relaxed),
            exists: Some(false),
            options: vec![("size".into(), 3.into())],
        },
    }));
    let wait = Some(Duration::from_secs(5));
    vec![
        get.into_wire(1, Target::Oid(Oid(300)), None, Owner(0)),
        set.into_wire(2, open, wait, Owner(7)),
    ]
}

fn replies() -> Vec<wire::Reply> {
    let done = Reply {
        result: Ok(3.into()),
        revision: Revision(1 << 33),
        remembered: true,
        oid: Some(Oid(300)),
    };
    let refused = Reply {
        result: Err(Refusal::new(
            Code::NotFound,
            "no key \"x\" in dict \"hits\"",
        )),
        revision: Revision(0),
        remembered: false,
        oid: None,
    };
    vec![done.into_wire(1), refused.into_wire(2)]
}

#[test]
fn frames() {
    let range = Range { first: 1, last: 9 };
    let part = wire::Part {
        sequence: 3,
        data: Bytes::from_static(b"piece"),
        last: true,
    };
    let hello = Hello {
        version: Some(version()),
        resume: Some(Resume {
            session: 400,
            lane: 2,
            acknowledged: vec![range],
        }),
        liveness: Liveness::Heartbeat.into(),
        identity: Some(Identity {
            name: "worker".into(),
            host: "web1".into(),
            pid: 5120,
        }),
    };
    let welcome = Welcome {
        version: Some(version()),
        session: 400,
        lane: 2,
        incarnation: 3,
        credits: 1024,
        grace_ms: 2000,
        term_ms: 10_000,
        lease_lost: true,
        value_bytes_max: 64 << 20,
        boot: 500,
        lost: Vec::new(),
        lost_until: 0,
    };
    check(
        "frames-1.txt",
        &[
            message(
                "hello",
                &ClientFrame {
                    hello: Some(hello),
                    ..ClientFrame::default()
                },
            ),
            message(
                "calls",
                &ClientFrame {
                    calls: calls(),
                    acknowledged: vec![range],
                    cancel: vec![4, 300],
                    parts: vec![part.clone()],
                    ..ClientFrame::default()
                },
            ),
            message(
                "goodbye",
                &ClientFrame {
                    goodbye: true,
                    ..ClientFrame::default()
                },
            ),
            message(
                "welcome",
                &ServerFrame {
                    welcome: Some(welcome),
                    ..ServerFrame::default()
                },
            ),
            message(
                "replies",
                &ServerFrame {
                    replies: replies(),
                    credits: 2,
                    parked: vec![5, 6],
                    parts: vec![part],
                    goodbye: true,
                    ..ServerFrame::default()
                },
            ),
        ],
    );
}

fn operation(state: OutcomeState) -> (OperationId, Outcome) {
    let id = OperationId {
        session: SessionId(400),
        lane: LaneId(2),
        sequence: 17,
    };
    let outcome = Outcome {
        fingerprint: 0x0123_4567_89ab_cdef,
        state,
        acknowledged_below: 12,
        undo: None,
    };
    (id, outcome)
}

/// The stored bytes of a change, which read as the same change.
#[track_caller]
fn stored(name: &'static str, operation: Option<(OperationId, Outcome)>, parts: Vec<Part>) -> Line {
    let change = Change {
        revision: Revision((1 << 33) + 5),
        at: ServerTime(1_700_000_000_000),
        operation,
        parts: parts.into(),
    };
    let mut bytes = Vec::new();
    change.encode(&mut bytes);
    let read = Change::decode(&mut bytes.clone().into()).expect(name);
    assert_eq!(read, change);
    (name, bytes)
}

#[test]
fn changes() {
    let key = || RowKey::of("k/1");
    let part = |oid, rows: Vec<Row>| Part {
        oid: Oid(oid),
        rows: rows.into(),
    };
    let done = |result, oid| {
        operation(OutcomeState::Done(Reply {
            result,
            revision: Revision((1 << 33) + 5),
            remembered: false,
            oid,
        }))
    };
    let undoable = || {
        let (id, outcome) = done(Ok("got".into()), None);
        let undo = Undo {
            oid: Oid(300),
            memo: 8.into(),
        };
        let undo = Some(undo.into());
        Some((id, Outcome { undo, ..outcome }))
    };
    let waiting = |on_deadline| {
        operation(OutcomeState::Waiting {
            oid: Oid(300),
            resume: Call::new("wake", vec![7.into()]).with("token", 8).into(),
            on_deadline,
        })
    };
    let full = Row::Put {
        key: key(),
        value: nested(),
        ticket: None,
        lent: Some(SessionId(400)),
        expires: Some(ServerTime(1_700_000_005_000)),
    };
    let in_order = Row::Put {
        key: key(),
        value: 5.into(),
        ticket: Some(Ticket {
            revision: 298,
            index: 2,
        }),
        lent: None,
        expires: None,
    };
    check(
        "changes-1.txt",
        &[
            stored("empty", None, vec![]),
            stored(
                "put",
                None,
                vec![part(300, vec![Row::put(key(), Value::Null)])],
            ),
            stored(
                "rows",
                None,
                vec![
                    part(300, vec![full, Row::delete(key())]),
                    part(
                        301,
                        vec![Row::DeletePrefix {
                            prefix: RowKey::of("k/"),
                        }],
                    ),
                    part(302, vec![Row::put(RowKey::EMPTY, 5.into())]),
                ],
            ),
            stored("done", Some(done(Ok("ok".into()), Some(Oid(300)))), vec![]),
            stored(
                "refused",
                Some(done(
                    Err(Refusal::new(Code::Broken, "the barrier is broken")),
                    None,
                )),
                vec![],
            ),
            stored("waiting", Some(waiting(None)), vec![]),
            stored(
                "waiting-to-withdraw",
                Some(waiting(Some(Call::new("withdraw", vec![7.into()]).into()))),
                vec![],
            ),
            stored("undoable", undoable(), vec![]),
            stored("ticket", None, vec![part(300, vec![in_order])]),
        ],
    );
}
