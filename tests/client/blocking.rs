//! The blocking client.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::server::{TestServer, eventually};
use commonhold::{AuthKey, Call, Code, Durability, Error, Happened, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_dict_is_a_dict() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let ages = ch.dict::<String, i64>("ages");
    assert_eq!(ages.get("ada").unwrap(), None);
    ages.set("ada", 36).unwrap();
    assert_eq!(ages.get("ada").unwrap(), Some(36));
    assert!(ages.contains("ada").unwrap());
    assert_eq!(ages.setdefault("ada", 1).unwrap(), 36);
    assert_eq!(ages.setdefault("bob", 1).unwrap(), 1);
    assert_eq!(ages.swap("bob", 2).unwrap(), Some(1));
    assert_eq!(ages.swap("new", 3).unwrap(), None);
    assert_eq!(ages.pop("new").unwrap(), Some(3));
    assert_eq!(ages.pop("new").unwrap(), None);
    assert!(ages.compare_and_set("bob", Some(&2), 4).unwrap());
    assert!(!ages.compare_and_set("bob", Some(&2), 5).unwrap());
    assert!(!ages.compare_and_set("bob", None, 5).unwrap());
    assert!(ages.compare_and_set("cyd", None, 5).unwrap());
    assert!(!ages.compare_and_delete("cyd", &4).unwrap());
    assert!(ages.compare_and_delete("cyd", &5).unwrap());
    let pairs = vec![("ada".to_owned(), 36), ("bob".to_owned(), 4)];
    assert_eq!(ages.items().unwrap(), pairs);
    assert_eq!(
        ages.copy::<HashMap<_, _>>().unwrap(),
        pairs.iter().cloned().collect()
    );
    assert_eq!(ages.keys().unwrap(), ["ada", "bob"]);
    assert_eq!(ages.values().unwrap(), [36, 4]);
    assert_eq!(
        ages.get_many(["bob", "eve"]).unwrap(),
        [("bob".to_owned(), 4)]
    );
    ages.update([("eve".to_owned(), 7), ("fay".to_owned(), 8)])
        .unwrap();
    assert_eq!(ages.popitem().unwrap(), Some(("fay".to_owned(), 8)));
    assert_eq!(ages.delete_many(["eve", "nobody"]).unwrap(), 1);
    assert!(ages.delete("bob").unwrap());
    assert!(!ages.delete("bob").unwrap());
    assert_eq!(ages.len().unwrap(), 1);
    ages.clear().unwrap();
    assert_eq!(ages.popitem().unwrap(), None);
    ch.close();
}

#[test]
fn a_walk_meets_every_key_once() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let squares = ch.dict::<i64, i64>("squares");
    squares.update((0..1000).map(|n| (n, n * n))).unwrap();
    let walked: Vec<(i64, i64)> = (squares.scan().limit(64).into_iter())
        .map(Result::unwrap)
        .collect();
    assert_eq!(walked, (0..1000).map(|n| (n, n * n)).collect::<Vec<_>>());
}

#[test]
fn increments_have_options_and_bounds() {
    let server = TestServer::start();
    let ch = server.options_tcp().connect_blocking().expect("connects");
    let hits = ch.dict::<String, i64>("hits");
    assert_eq!(hits.increment("/index", 1).call().unwrap(), 1);
    assert_eq!(
        hits.increment("/index", 5).default(Some(7)).call().unwrap(),
        6
    );
    assert_eq!(
        hits.increment("/other", 5).default(Some(7)).call().unwrap(),
        12
    );
    let refused = hits.increment("/index", 1).max(6).call().unwrap_err();
    assert_eq!(refused.code(), Some(Code::OutOfBounds));
    assert_eq!(refused.happened(), Happened::No);
    assert_eq!(
        hits.increment("/index", 100)
            .max(10)
            .clamp()
            .call()
            .unwrap(),
        10
    );
    let missing = hits.increment("/none", 1).default(None).call().unwrap_err();
    assert_eq!(missing.code(), Some(Code::NotFound));
    let counter = ch.counter("visits");
    assert_eq!(counter.increment(2).call().unwrap(), 2);
    assert!(counter.compare_and_set(2, 10).unwrap());
    assert_eq!(counter.swap(3).unwrap(), 10);
    assert_eq!(counter.get().unwrap(), 3);
}

#[test]
fn threads_share_one_connection_and_lose_no_update() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let threads: Vec<_> = (0..8)
        .map(|_| {
            let ch = ch.clone();
            thread::spawn(move || {
                let counter = ch.counter("hits");
                (0..500).for_each(|_| {
                    counter.increment(1).call().unwrap();
                });
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    assert_eq!(ch.counter("hits").get().unwrap(), 4000);
}

#[test]
fn those_who_wait_do_not_stop_others_of_the_same_connection() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let barrier = ch.barrier("start", 4);
            thread::spawn(move || barrier.wait(Some(Duration::from_secs(20))).unwrap())
        })
        .collect();
    let barrier = ch.barrier("start", 4);
    eventually("three parties wait", || barrier.n_waiting().unwrap() == 3);
    assert_eq!(barrier.wait(None).unwrap(), 3);
    let mut places: Vec<u64> = waiting
        .into_iter()
        .map(|thread| thread.join().unwrap())
        .collect();
    places.sort_unstable();
    assert_eq!(places, [0, 1, 2]);
    let late = barrier.wait(Some(Duration::from_millis(20))).unwrap_err();
    assert!(
        matches!(late.code(), Some(Code::Broken | Code::DeadlineExceeded)),
        "{late}"
    );
}

#[test]
fn large_values_travel_in_parts_and_small_calls_pass() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let blobs = ch
        .dict::<String, Value>("blobs")
        .durability(Durability::Memory);
    let large = Value::Bytes(vec![7; 20 << 20].into());
    let writer = thread::spawn({
        let (blobs, large) = (blobs.clone(), large.clone());
        move || blobs.set("large", large).unwrap()
    });
    for n in 0..50 {
        assert_eq!(ch.counter("n").increment(1).call().unwrap(), n + 1);
    }
    writer.join().unwrap();
    assert!(blobs.get("large").unwrap() == Some(large));
}

#[test]
fn a_wrong_key_is_refused_within_a_second() {
    let server = TestServer::start();
    let begun = Instant::now();
    let refused = server
        .options()
        .key(AuthKey::generate())
        .connect_blocking()
        .unwrap_err();
    assert!(matches!(refused, Error::Authentication { .. }), "{refused}");
    assert!(
        refused.to_string().ends_with("refused the key (given)"),
        "{refused}"
    );
    assert!(!refused.is_retryable());
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[test]
fn an_absent_server_is_waited_for() {
    let mut server = TestServer::start();
    server.stop();
    let options = server.options();
    let connecting = thread::spawn(move || options.connect_blocking());
    thread::yield_now();
    server.serve();
    let ch = connecting.join().unwrap().expect("connects");
    ch.server().ping().unwrap();
    drop(ch);
    server.stop();
    let options = server.options().connect_for(Duration::from_millis(50));
    let absent = options.connect_blocking().unwrap_err();
    assert!(matches!(absent, Error::Unreachable { .. }), "{absent}");
    assert!(absent.is_retryable());
}

#[test]
fn an_interrupt_withdraws_the_call() {
    let server = TestServer::start();
    let stop = Arc::new(AtomicBool::new(false));
    let hook = Arc::clone(&stop);
    let options = server
        .options()
        .interrupt(move || hook.load(Ordering::Relaxed));
    let ch = options.connect_blocking().expect("connects");
    let other = server.options().connect_blocking().expect("connects");
    let waiting = thread::spawn(move || {
        let result = ch.barrier("b", 2).wait(None);
        (result, ch)
    });
    let barrier = other.barrier("b", 2);
    eventually("it waits", || barrier.n_waiting().unwrap() == 1);
    stop.store(true, Ordering::Relaxed);
    let (result, ch) = waiting.join().unwrap();
    assert!(
        matches!(
            result,
            Err(Error::Interrupted {
                happened: Happened::Unknown
            })
        ),
        "{result:?}"
    );
    eventually("it waits no more", || barrier.n_waiting().unwrap() == 0);
    stop.store(false, Ordering::Relaxed);
    ch.server().ping().unwrap();
}

#[test]
fn objects_that_were_deleted_are_opened_by_name_again() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let config = ch.dict::<String, String>("config");
    config.set("theme", "dark".to_owned()).unwrap();
    assert_eq!(config.get("theme").unwrap().as_deref(), Some("dark"));
    assert!(ch.server().delete("config").unwrap());
    assert!(!ch.server().delete("config").unwrap());
    let gone = config.get("theme").unwrap_err();
    assert_eq!(gone.code(), Some(Code::ObjectGone));
    assert_eq!(config.get("theme").unwrap(), None);
    let missing = ch
        .dict::<String, String>("config")
        .exists(true)
        .get("theme")
        .unwrap_err();
    assert_eq!(missing.code(), Some(Code::NotFound));
    let kind = ch.counter("config2");
    kind.set(1).unwrap();
    let wrong = ch.dict::<String, i64>("config2").get("a").unwrap_err();
    assert_eq!(wrong.code(), Some(Code::WrongKind));
}

#[test]
fn what_does_not_fit_the_type_is_an_error() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    ch.dict::<String, String>("texts")
        .set("a", "b".to_owned())
        .unwrap();
    let wrong = ch.dict::<String, i64>("texts").get("a").unwrap_err();
    assert!(
        matches!(
            wrong,
            Error::Value {
                happened: Happened::Yes,
                ..
            }
        ),
        "{wrong}"
    );
}

#[test]
fn lanes_share_a_session_and_the_last_one_says_goodbye() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().expect("connects");
    let other = ch.lane().expect("joins");
    assert_eq!(ch.counter("n").increment(1).call().unwrap(), 1);
    assert_eq!(other.counter("n").increment(1).call().unwrap(), 2);
    drop(ch);
    assert_eq!(other.counter("n").increment(1).call().unwrap(), 3);
    other.close();
}

#[test]
fn the_longest_call_that_the_client_sends_is_the_longest_that_the_server_takes() {
    let limits = commonhold_server::Limits {
        value_bytes_max: 1 << 10,
        ..commonhold_server::Limits::default()
    };
    let server = TestServer::with(limits);
    let ch = server.options().connect_blocking().unwrap();
    let dict = ch.dict::<String, String>("d");
    dict.set("k", "v".into()).unwrap();
    let limit = commonhold_proto::call_bytes_max(1 << 10);
    // Around the limit, whatever the rest of the call takes.
    let (mut taken, mut refused) = (limit - 1_000, limit);
    while taken + 1 < refused {
        let length = taken.midpoint(refused);
        match dict.set("k", "v".repeat(length)) {
            Ok(()) => taken = length,
            Err(error) => {
                assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
                assert_eq!(error.happened(), Happened::No);
                assert!(!error.is_retryable());
                refused = length;
            }
        }
    }
    assert!(taken > limit - 1_000);
    assert_eq!(dict.len().unwrap(), 1);
    assert_eq!(
        dict.get("k").unwrap(),
        Some("v".repeat(taken)),
        "given back"
    );
    assert_eq!(ch.stats().reconnects, 0, "each ended the lane");
    ch.close();
}

/// A server cannot read a frame with such a value, and would end the lane for it each time that it is sent.
#[test]
fn what_no_server_can_read_is_refused_before_it_is_sent() {
    let server = TestServer::start();
    let ch = server.options().connect_blocking().unwrap();
    let dict = ch.object("dict", "d");
    let nested = |depth: usize| (1..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]));
    let fits = Call::new("set", ["k".into(), nested(32)]);
    dict.call(fits).unwrap();
    let barrier = ch.object("barrier", "b").option("parties", nested(60));
    let error = barrier.call(Call::new("wait", [])).unwrap_err();
    assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
    for too_large in [nested(33), nested(60), nested(1_000)] {
        for call in [
            Call::new("set", ["k".into(), too_large.clone()]),
            Call::new("set", ["k".into()]).with("value", too_large),
        ] {
            let error = dict.call(call).unwrap_err();
            assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
            assert_eq!(error.happened(), Happened::No);
        }
    }
    assert_eq!(ch.stats().reconnects, 0);
    ch.close();
}
