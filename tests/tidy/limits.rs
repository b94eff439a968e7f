//! The page of limits, which is made from the code, and what it must not lack.

use crate::source::{Source, Tree};
use commonhold_server::Limits;
use commonhold_server::store::{StoreMaker, StoreOptions};
use std::fmt::Write as _;
use std::time::Duration;

/// Every limit that a user can run into: where it stands, its name there, what it limits.
const LIMITS: &[(&str, &[(&str, &str)])] = &[
    (
        "proto/src/value/mod.rs",
        &[
            (
                "DEPTH_MAX",
                "levels that a value may be nested: a list of numbers has two",
            ),
            ("INT_BYTES_MAX", "bytes of an integer"),
        ],
    ),
    (
        "proto/src/value/path.rs",
        &[(
            "EDIT_BYTES_MAX",
            "stored bytes of a value that is edited in place",
        )],
    ),
    (
        "proto/src/call.rs",
        &[(
            "CALL_OVERHEAD_MAX",
            "bytes that a call may be longer than the largest value",
        )],
    ),
    (
        "proto/src/count.rs",
        &[(
            "CALL_VALUES_MAX",
            "values that a call may hold, those in others included",
        )],
    ),
    (
        "proto/src/frame.rs",
        &[
            (
                "FRAME_CALLS_MAX",
                "calls, and pieces of calls, in one frame of a client",
            ),
            (
                "FRAME_RUNS_MAX",
                "runs of acknowledged replies in one frame of a client",
            ),
        ],
    ),
    (
        "proto/src/login/key.rs",
        &[("KEY_BYTES_MAX", "bytes of a key")],
    ),
    (
        "proto/src/login/mod.rs",
        &[("KEY_NAME_BYTES_MAX", "bytes of a key's name")],
    ),
    (
        "server/src/engine/birth.rs",
        &[("NAME_BYTES_MAX", "bytes of an object's name")],
    ),
    (
        "server/src/objects/mod.rs",
        &[
            ("OPERATION_ROWS_MAX", "rows that one call reads or writes"),
            (
                "LOOKED_AT_MAX",
                "elements of a list or an array that one call compares, or that an array is made with",
            ),
        ],
    ),
    (
        "server/src/objects/barrier/state.rs",
        &[("BREAKS_MAX", "broken generations that a barrier remembers")],
    ),
    (
        "server/src/objects/arguments.rs",
        &[("SECONDS_MAX", "seconds of a time that a call names")],
    ),
    (
        "server/src/objects/hold.rs",
        &[("NOTE_BYTES_MAX", "bytes of the note of who holds a lock")],
    ),
    (
        "server/src/engine/who.rs",
        &[
            (
                "WHO_MAX",
                "holders, and callers that wait, that `who` names",
            ),
            ("AHEAD_MAX", "callers ahead that a wait in vain counts"),
        ],
    ),
    (
        "server/src/engine/server_object.rs",
        &[("LS_MAX", "objects that one `ls` returns")],
    ),
    (
        "server/src/engine/holding.rs",
        &[
            (
                "PIN",
                "that an object is kept which a call without a session made or got, or which nobody holds after a restart",
            ),
            ("PIN_MAX", "that an object can be pinned"),
        ],
    ),
    (
        "server/src/engine/tracer.rs",
        &[
            (
                "TRACED_MIN",
                "anonymous objects that only rows refer to, before cycles among them are looked for unasked",
            ),
            (
                "TRACE_EVERY",
                "between two looks for cycles that nobody asked for",
            ),
        ],
    ),
    (
        "server/src/engine/waiting.rs",
        &[("ANY_MAX", "calls that wait for any change of one object")],
    ),
    (
        "server/src/engine/mod.rs",
        &[(
            "PENDING_BYTES_MAX",
            "bytes of changes that wait for the store before calls are read no further",
        )],
    ),
    (
        "server/src/session/mod.rs",
        &[
            ("LANES_MAX", "lanes of one session"),
            ("PARKED_MAX", "calls of one session that wait"),
            (
                "CREDITS",
                "calls under way on one lane, those that wait not counted",
            ),
        ],
    ),
    (
        "server/src/session/losses.rs",
        &[(
            "LOST_MAX",
            "lost grants of one session that later connections are told of",
        )],
    ),
    (
        "server/src/session/calls.rs",
        &[
            (
                "OUTCOMES_MAX",
                "outcomes remembered for one lane before it gets no more credits",
            ),
            ("OUTCOME_BYTES_MAX", "the same in bytes"),
            (
                "RUNS_MAX",
                "runs of acknowledged replies of one lane: a run ends where a call is unanswered",
            ),
        ],
    ),
    (
        "server/src/session/outbox.rs",
        &[
            (
                "PART_ABOVE",
                "bytes of a reply above which it travels in parts",
            ),
            (
                "OUTGOING_BYTES_MAX",
                "bytes of replies waiting on one lane, one large one not counted, before it begins no more calls",
            ),
        ],
    ),
    (
        "server/src/transport/lane.rs",
        &[
            (
                "STAGED_BYTES_MAX",
                "bytes of calls arriving in parts on one lane",
            ),
            (
                "STAGED_BYTES_SERVER_MAX",
                "bytes of calls arriving in parts on one server",
            ),
        ],
    ),
    (
        "server/src/transport/serve.rs",
        &[
            ("CONNECTIONS_MAX", "connections of one server"),
            ("STREAMS_MAX", "HTTP/2 streams of one connection"),
            ("RESETS_MAX", "HTTP/2 resets of one connection"),
            ("HEADERS_MAX", "bytes of an HTTP/2 header list"),
            (
                "STREAM_WINDOW",
                "bytes under way to the server on one stream",
            ),
            (
                "CONNECTION_WINDOW",
                "bytes under way to the server on one connection",
            ),
            ("FRAME_MAX", "bytes of one HTTP/2 frame"),
            (
                "MESSAGE_MAX",
                "bytes of one gRPC message; larger values travel in parts",
            ),
            ("DRAIN", "for connections to finish when the server ends"),
        ],
    ),
    (
        "server/src/transport/unary.rs",
        &[("TIMEOUT", "that a single call waits if it does not say")],
    ),
    (
        "server/src/transport/visitor.rs",
        &[
            (
                "VISITORS_MAX",
                "connections of one address that have not logged in",
            ),
            ("LOGIN_TIME", "for a connection to log in"),
        ],
    ),
    (
        "server/src/auth/throttle.rs",
        &[
            (
                "FREE",
                "failed logins of one user or address a minute before answers are delayed",
            ),
            ("DELAY_MAX", "that the answer to a login is delayed at most"),
        ],
    ),
    (
        "server/src/auth/tokens.rs",
        &[
            (
                "TOKEN_LIFE",
                "that a login is good for, unless a session goes on with it",
            ),
            (
                "UNADOPTED_MAX",
                "logins that no session goes on with, before the oldest is forgotten",
            ),
        ],
    ),
    (
        "server/src/auth/logins.rs",
        &[
            ("HANDSHAKES_MAX", "logins under way on one server"),
            (
                "HANDSHAKES_CONNECTION_MAX",
                "logins under way on one connection",
            ),
            ("HANDSHAKE_LIFE", "for the second step of a login"),
        ],
    ),
    (
        "server/src/store/watch.rs",
        &[(
            "WRITE_TIME_MAX",
            "that one write of the store may take before the server gives it up",
        )],
    ),
];

/// Limits that nobody runs into: of caches, of messages for people, of machinery.
const INNER: &[&str] = &[
    "ABBREVIATED_BITS_MAX",
    "DIGITS_MAX",
    "ENTRIES_MAX",
    "FAILURES_MAX",
    "PEERS_MAX",
    "REPR_CHARS_MAX",
    "UNLOGGED_MAX",
    "WAITING_MAX",
    // Known by what `place` does with a longer path.
    "SOCKET_PATH_BYTES_MAX",
    // As the public one of the values, for bytes that are no value yet.
    "proto/src/count.rs::DEPTH_MAX",
];

/// Limits of the code that the page does not have. What stores are limited by is their own affair.
pub(crate) fn unlisted(tree: &Tree) -> Vec<String> {
    let listed: Vec<String> = LIMITS
        .iter()
        .flat_map(|(path, names)| names.iter().map(move |(name, _)| format!("{path}::{name}")))
        .collect();
    let sources = tree.0.iter().filter(|source| {
        let path = source.path.as_str();
        !source.is_test
            && (path.starts_with("proto/src/") || path.starts_with("server/src/"))
            && !path.starts_with("server/src/store/")
    });
    let limits = sources.flat_map(|source| {
        let constants = source.product.split("const ").skip(1);
        let names = constants.filter_map(|rest| rest.split_once(':').map(|(name, _)| name));
        names
            .filter(|name| name.ends_with("_MAX"))
            .map(|name| format!("{}::{name}", source.path))
    });
    limits
        .filter(|limit| !listed.contains(limit))
        .filter(|limit| !INNER.iter().any(|inner| limit.ends_with(inner)))
        .map(|limit| format!("docs/limits.md does not have {limit}"))
        .collect()
}

/// `docs/limits.md`.
pub(crate) fn page(tree: &Tree) -> String {
    let set = Limits::default();
    let seconds = |time: Duration| format!("{} s", time.as_secs());
    let settings = [
        (
            seconds(set.grace),
            "from a broken connection to the end of what its client holds",
            "`--grace`",
        ),
        (
            seconds(set.term),
            "of silence, or of absence after a restart, to the end of what a client holds",
            "`--term`",
        ),
        (
            bytes(set.disk_reserve),
            "free on the disk below which nothing is added",
            "`--disk-reserve`",
        ),
        (
            bytes(set.checkpoint_log_bytes),
            "of log, and at least as many as the live state has, before a checkpoint is taken",
            "`--checkpoint-log-bytes`, for tests",
        ),
        (
            bytes(set.value_bytes_max as u64),
            "of one value in a call, or of one reply",
            "embedded servers only",
        ),
        (
            bytes(change_bytes_max()),
            "stored, that one call writes and answers, unless its object is in memory",
            "by the store",
        ),
        (
            seconds(set.session_memory),
            "that a session is remembered after its last lane",
            "embedded servers only",
        ),
        (
            thousands(set.sessions_max as u64),
            "sessions known at a time",
            "embedded servers only",
        ),
    ];
    let mut page = String::from(
        "# Limits\n\nThis page is made from the code.\n\n## What can be set\n\n| default | what | how |\n|---|---|---|\n",
    );
    for (value, what, how) in settings {
        writeln!(page, "| {value} | {what} | {how} |").expect("a string grows");
    }
    page.push_str("\n## What is fixed\n\n| limit | what | where |\n|---|---|---|\n");
    for (path, names) in LIMITS {
        let source = tree.0.iter().find(|source| source.path == *path);
        let source = source.unwrap_or_else(|| panic!("{path} is there"));
        for (name, what) in *names {
            let value = constant(source, name);
            writeln!(page, "| {value} | {what} | `{path}::{name}` |").expect("a string grows");
        }
    }
    page
}

fn change_bytes_max() -> u64 {
    let maker = StoreMaker::find("memory").expect("it is in the list");
    let store = maker.open(&StoreOptions::new("")).expect("it is empty");
    store.limits().change_bytes_max as u64
}

/// The value of a constant, for people.
fn constant(source: &Source, name: &str) -> String {
    let start = format!("const {name}: ");
    let at = source
        .product
        .find(&start)
        .unwrap_or_else(|| panic!("{} has {name}", source.path));
    let (declared, _) = source.product[at..]
        .split_once(';')
        .expect("a constant ends");
    let (_, value) = declared.split_once(" = ").expect("a constant has a value");
    let plain = value.replace('_', "");
    if let Some((unit, number)) = plain
        .trim()
        .strip_prefix("Duration::from")
        .and_then(|rest| rest.split_once('('))
    {
        let unit = match unit {
            "secs" => "s",
            "millis" => "ms",
            "mins" => "min",
            "hours" => "h",
            other => panic!("{name} is a time in {other}"),
        };
        return format!("{} {unit}", number.trim_end_matches(')'));
    }
    let number = |text: &str| {
        let digits = text.trim().trim_end_matches(" as u64");
        digits
            .parse::<u64>()
            .unwrap_or_else(|_| panic!("{name} = {value}"))
    };
    match plain.split_once("<<") {
        Some((number_of, shift)) => bytes(number(number_of) << number(shift)),
        None => thousands(number(&plain)),
    }
}

fn bytes(count: u64) -> String {
    match count {
        count if count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        count if count.is_multiple_of(1 << 10) => format!("{} KiB", count >> 10),
        count => thousands(count),
    }
}

fn thousands(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
