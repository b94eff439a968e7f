//! Broken connections and servers that start again: every call happens once.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::server::{Cutter, TestServer, eventually};
use commonhold::{Error, Happened, Result, StandIn};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tokio::task::JoinSet;

#[test]
fn a_blocking_client_counts_exactly_through_cuts() {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server
        .options_at(&cutter.socket())
        .connect_blocking()
        .expect("connects");
    cutter.cut_every(1500);
    let counter = ch.counter("hits");
    for expected in 1..=1000 {
        assert_eq!(counter.increment(1).call().unwrap(), expected);
    }
    cutter.cut_every(0);
    assert!(cutter.cuts() > 10, "{} cuts", cutter.cuts());
    assert_eq!(counter.get().unwrap(), 1000);
}

#[tokio::test]
async fn an_async_client_counts_exactly_through_cuts() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server.options_at(&cutter.socket()).connect().await?;
    cutter.cut_every(150_000);
    let mut calls = JoinSet::new();
    for _ in 0..10_000 {
        let counter = ch.counter("hits");
        calls.spawn(async move { counter.increment(1).await });
    }
    let mut seen = calls
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<i64>>>()?;
    seen.sort_unstable();
    assert_eq!(seen, (1..=10_000).collect::<Vec<_>>());
    assert!(cutter.cuts() > 1, "{} cuts", cutter.cuts());
    cutter.cut_every(0);
    assert_eq!(ch.counter("hits").get().await?, 10_000);
    ch.close().await;
    Ok(())
}

#[test]
fn those_who_wait_go_on_waiting_after_a_cut() {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server
        .options_at(&cutter.socket())
        .connect_blocking()
        .expect("connects");
    let barrier = ch.barrier("b", 2);
    let waiting = thread::spawn(move || barrier.wait(Some(Duration::from_secs(20))).unwrap());
    let other = server.options().connect_blocking().expect("connects");
    let barrier = other.barrier("b", 2);
    eventually("it waits", || barrier.n_waiting().unwrap() == 1);
    cutter.cut();
    assert_eq!(barrier.wait(Some(Duration::from_secs(20))).unwrap(), 1);
    assert_eq!(waiting.join().unwrap(), 0);
}

#[test]
fn a_reply_that_cannot_be_read_is_not_asked_for_for_ever() {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server
        .options_at(&cutter.socket())
        .connect_blocking()
        .expect("connects");
    let dict = ch.dict::<String, String>("d");
    dict.set("k", Cutter::GARBLED.to_owned()).unwrap();
    cutter.garble(true);
    let unread = dict.get("k").unwrap_err();
    assert!(matches!(unread, Error::ConnectionLost { .. }), "{unread:?}");
    assert_eq!(unread.happened(), Happened::Unknown);
    assert_eq!(ch.stats().reconnects, 2);
    assert_eq!(dict.len().unwrap(), 1, "all else goes on");
    cutter.garble(false);
    assert_eq!(dict.get("k").unwrap().as_deref(), Some(Cutter::GARBLED));
}

#[test]
fn a_server_that_starts_again_goes_on_with_the_session() {
    let mut server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let counter = ch.counter("hits");
    for round in 1..=2 {
        assert_eq!(counter.increment(1).call().unwrap(), round);
        server.stop();
        server.serve();
    }
    assert_eq!(counter.get().unwrap(), 2);
    assert_eq!(ch.lease_losses(), 0);
}

#[test]
fn a_server_that_forgot_the_session_makes_writes_unknown_and_reads_go_on() {
    let mut server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let counter = ch.counter("hits");
    assert_eq!(counter.increment(1).call().unwrap(), 1);
    server.stop();
    server.lose_disk();
    server.serve();
    let fresh = ch.counter("other");
    let lost = fresh.increment(1).call().unwrap_err();
    assert!(matches!(lost, Error::ConnectionLost { .. }), "{lost}");
    assert_eq!(lost.happened(), Happened::Unknown);
    assert!(!lost.is_retryable());
    assert_eq!(fresh.increment(1).call().unwrap(), 1);
    assert_eq!(ch.lease_losses(), 1);
    server.stop();
    server.lose_disk();
    server.serve();
    assert_eq!(ch.counter("third").get().unwrap(), 0);
}

/// Each lane finds out by itself that the session is gone.
#[test]
fn a_lane_that_comes_late_to_the_next_session_takes_nothing_of_it_away() {
    let mut server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let late = ch.lane().expect("connects");
    late.server().ping().unwrap();
    server.stop();
    server.lose_disk();
    server.serve();
    ch.server().ping().unwrap();
    let guard = ch.lock("mine").acquire().call().unwrap();
    let permit = ch.semaphore("s", 1).acquire().call().unwrap();
    late.server().ping().unwrap();
    assert!(!guard.is_lost(), "the server knows of it");
    drop(permit);
    assert_eq!(late.semaphore("s", 1).value().unwrap(), 1);
    assert_eq!(ch.lease_losses(), 1);
}

#[test]
fn a_server_that_stays_away_ends_calls_in_time() {
    let mut server = TestServer::start();
    let options = server.options().reconnect_for(Duration::from_millis(100));
    let ch = options
        .connect_for(Duration::from_millis(50))
        .connect_blocking()
        .expect("connects");
    let counter = ch.counter("hits");
    counter.increment(1).call().unwrap();
    server.stop();
    let lost = counter.increment(1).call().unwrap_err();
    assert!(
        matches!(
            lost,
            Error::ConnectionLost {
                happened: Happened::Unknown,
                ..
            }
        ),
        "{lost}"
    );
    let absent = counter.increment(1).call().unwrap_err();
    assert!(matches!(absent, Error::Unreachable { .. }), "{absent}");
    assert_eq!(absent.happened(), Happened::No);
    server.serve();
    let now = counter.increment(1).call().unwrap();
    assert!(now == 2 || now == 3, "{now}");
}

/// No time that was given to a server that stays away goes by.
#[test]
fn a_program_that_serves_in_its_servers_place_goes_on_at_once() {
    let server = Arc::new(Mutex::new(TestServer::start()));
    let options = server.lock().unwrap().options();
    let (absent, asked) = (Arc::clone(&server), Arc::new(AtomicU32::new(0)));
    let counted = Arc::clone(&asked);
    let ch = options
        .connect_for(Duration::ZERO)
        .reconnect_for(Duration::ZERO)
        .absence(move || match counted.fetch_add(1, Ordering::Relaxed) {
            0 => {
                absent.lock().unwrap().serve();
                Ok(StandIn::Serves)
            }
            1 => Ok(StandIn::Waits(Some("somebody else will".to_owned()))),
            _ => Err("nobody serves any more".to_owned()),
        })
        .connect_blocking()
        .expect("connects");
    let counter = ch.counter("hits");
    assert_eq!(counter.increment(1).call().unwrap(), 1);
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    server.lock().unwrap().stop();
    assert_eq!(counter.increment(1).call().unwrap(), 2, "happened once");
    server.lock().unwrap().stop();
    let why = counter.increment(1).call().unwrap_err().to_string();
    assert!(why.contains("; somebody else will"), "{why}");
    let why = counter.increment(1).call().unwrap_err();
    assert_eq!(why.to_string(), "nobody serves any more");
    assert!(asked.load(Ordering::Relaxed) > 1);
}
