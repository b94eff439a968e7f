//! Code that breaks each invariant: a check that does not notice it checks nothing.

/// What each check must notice: its name, a file, and code that the file must not hold.
pub(crate) const PLANTED: &[(&str, &str, &str)] = &[
    (
        "server-and-client-apart",
        "server/src/engine/x.rs",
        "use commonhold::Client;",
    ),
    (
        "server-and-client-apart",
        "client/src/x.rs",
        "fn f() { commonhold_server::start() }",
    ),
    ("core-without-io", "proto/src/x.rs", "use std::fs::File;"),
    (
        "core-without-io",
        "proto/src/x.rs",
        "use std::net::{IpAddr, TcpStream};",
    ),
    (
        "secrets-in-login",
        "server/src/auth/x.rs",
        "use sha2::Sha256;",
    ),
    (
        "tonic-in-transport",
        "server/src/engine/x.rs",
        "fn f() -> tonic::Status {}",
    ),
    (
        "status-in-one-file",
        "server/src/transport/lane.rs",
        "fn f() { Status::internal() }",
    ),
    (
        "messages-in-proto",
        "server/src/transport/lane.rs",
        "use prost::Message as _;",
    ),
    (
        "sled-in-one-file",
        "server/src/store/keyed.rs",
        "use sled::{Db, IVec};",
    ),
    (
        "time-in-clock",
        "server/src/engine/timer.rs",
        "use std::time::{Duration, Instant};",
    ),
    (
        "engine-without-machinery",
        "server/src/engine/gate.rs",
        "use crate::transport::Front;",
    ),
    (
        "engine-without-await",
        "server/src/engine/execute.rs",
        "async fn f() { g().await }",
    ),
    (
        "objects-only-think",
        "server/src/objects/dict/mod.rs",
        "struct Dict { len: RefCell<u64> }",
    ),
    (
        "objects-only-think",
        "server/src/objects/counter.rs",
        "use super::super::engine::Engine;",
    ),
    (
        "rows-by-one-writer",
        "server/src/engine/execute.rs",
        "fn f() { state.object.apply(row) }",
    ),
    (
        "changes-by-one-log",
        "server/src/engine/lease.rs",
        "fn f() { self.log.push(|revision| change) }",
    ),
    (
        "store-without-objects",
        "server/src/store/keyed.rs",
        "use commonhold_proto::{Revision, Row};",
    ),
    (
        "store-has-one-owner",
        "server/src/engine/mod.rs",
        "struct Engine { store: Arc<dyn Store> }",
    ),
    (
        "logins-stand-alone",
        "server/src/auth/tokens.rs",
        "use crate::session::Session;",
    ),
    (
        "blocking-without-runtime",
        "client/src/blocking/runner.rs",
        "use tokio::runtime::Builder;",
    ),
    (
        "blocking-without-runtime",
        "client/src/drive.rs",
        "fn f() { std::thread::spawn(g) }",
    ),
    (
        "no-unsafe",
        "server/src/engine/mod.rs",
        "fn f() { unsafe { g() } }",
    ),
    (
        "no-careless-panic",
        "client/src/lane/mod.rs",
        "fn f() { g().unwrap() }",
    ),
    (
        "no-careless-panic",
        "tests/x.rs",
        "#[test] #[ignore = \"slow\"] fn f() {}",
    ),
    ("files-are-short", "src/x.rs", LONG),
];

/// A file of 520 lines.
const LONG: &str = {
    const LINES: &[u8; 520] = &[b'\n'; 520];
    match str::from_utf8(LINES) {
        Ok(lines) => lines,
        Err(_) => panic!("line breaks are text"),
    }
};
