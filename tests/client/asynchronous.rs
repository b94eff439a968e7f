//! The async client.

use crate::server::TestServer;
use commonhold::{AuthKey, Call, Client, Code, Error, Happened, Result, Value};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

#[tokio::test]
async fn many_calls_are_under_way_at_once() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let mut calls = JoinSet::new();
    for _ in 0..5000 {
        let counter = ch.counter("hits");
        calls.spawn(async move { counter.increment(1).await });
    }
    let mut seen = calls
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<i64>>>()?;
    seen.sort_unstable();
    assert_eq!(seen, (1..=5000).collect::<Vec<_>>());
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn options_and_pages_work_as_in_blocking() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options_tcp().connect().await?;
    let hits = ch.dict::<String, i64>("hits");
    assert_eq!(hits.increment("/index", 3).max(100).await?, 3);
    assert_eq!(hits.get("/index").await?, Some(3));
    hits.update((0..100).map(|n| (n.to_string(), n))).await?;
    let (mut scan, mut count) = (hits.scan().limit(7), 0);
    while let Some(page) = scan.next_page().await? {
        count += page.len();
    }
    assert_eq!(count, 101);
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn a_dropped_call_waits_no_more() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let barrier = ch.barrier("b", 2);
    let waiting = tokio::spawn({
        let barrier = barrier.clone();
        async move { barrier.wait(None).await }
    });
    while barrier.n_waiting().await? == 0 {}
    waiting.abort();
    while barrier.n_waiting().await? == 1 {}
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn a_closed_client_refuses_and_its_waiting_calls_end() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let other = server.options().connect().await?;
    let barrier = ch.barrier("b", 2);
    let waiting = tokio::spawn(async move { barrier.wait(None).await });
    let watched = other.barrier("b", 2);
    while watched.n_waiting().await? == 0 {}
    let counter = ch.counter("n");
    ch.close().await;
    let ended = waiting.await.expect("no panic");
    assert!(
        matches!(ended, Err(Error::ConnectionLost { .. })),
        "{ended:?}"
    );
    assert!(matches!(counter.get().await, Err(Error::Closed)));
    while watched.n_waiting().await? == 1 {}
    other.close().await;
    Ok(())
}

#[tokio::test]
async fn a_wrong_key_is_refused() {
    let server = TestServer::start();
    let options = server.options_tcp().key(AuthKey::generate());
    let refused = options.connect().await.expect_err("refused");
    assert!(matches!(refused, Error::Authentication { .. }), "{refused}");
}

#[tokio::test]
async fn a_heartbeat_client_that_computes_nothing_keeps_its_lease() -> Result<()> {
    let limits = commonhold_server::Limits {
        grace: Duration::from_millis(200),
        term: Duration::from_millis(400),
        ..commonhold_server::Limits::default()
    };
    let server = TestServer::with(limits);
    let ch: Client = server.options().connect().await?;
    let barrier = ch.barrier("b", 2);
    let waiting =
        tokio::spawn(async move { barrier.wait(Some(Duration::from_millis(1500))).await });
    let ended = waiting
        .await
        .expect("no panic")
        .expect_err("nobody else comes");
    // Its lease would have ended, and broken the barrier, long before.
    assert!(ended.code().is_some(), "{ended}");
    assert_eq!(ch.lease_losses(), 0);
    ch.close().await;
    Ok(())
}

/// Pipelined: what is too long is refused alone, and the calls around it are answered on the same connection.
#[tokio::test]
async fn of_calls_under_way_only_the_one_that_is_too_long_is_refused() -> Result<()> {
    let limits = commonhold_server::Limits {
        value_bytes_max: 1 << 10,
        ..commonhold_server::Limits::default()
    };
    let server = TestServer::with(limits);
    let ch = server.options().connect().await?;
    let mut calls = Vec::new();
    for length in [10, 2 << 20, 10, 3 << 20, 10] {
        let dict = ch.dict::<String, String>("d");
        let call = async move { dict.set(&length.to_string(), "v".repeat(length)).await };
        calls.push((length, tokio::spawn(call)));
    }
    for (length, call) in calls {
        match call.await.expect("no panic") {
            Ok(()) => assert_eq!(length, 10),
            Err(error) => {
                assert!(length > 10, "{error}");
                assert_eq!(error.code(), Some(Code::ValueTooLarge), "{error}");
                assert_eq!(error.happened(), Happened::No);
                assert!(!error.is_retryable());
            }
        }
    }
    assert_eq!(ch.stats().reconnects, 0);
    ch.close().await;
    Ok(())
}

/// Dropped at any moment, before it is sent, on the way there, on the way back: an item that nobody saw is at its place.
#[tokio::test]
async fn a_dropped_get_loses_no_item() -> Result<()> {
    const ITEMS: i64 = 400;
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let jobs = ch.object("queue", "jobs");
    let items = (0..ITEMS).map(Value::from).collect();
    jobs.call(Call::new("put_many", [Value::List(items)]))
        .await?;
    let mut had = Vec::new();
    let mut dropped = 0;
    for round in 0..ITEMS {
        let get = jobs.call(Call::new("get", []));
        // As long as a get takes, more or less; one of a hundred waits for its reply.
        let patience = match u64::try_from(round % 100).expect("small") {
            99 => Duration::MAX,
            some => Duration::from_micros(some * 20),
        };
        let got = async {
            tokio::select! {
                biased;
                got = get => Some(got),
                () = spin(patience) => None,
            }
        };
        match got.await {
            Some(item) => had.push(item?.as_int().expect("a number")),
            None => dropped += 1,
        }
    }
    assert!(dropped > 0 && !had.is_empty(), "{dropped} were dropped");
    let left = ITEMS - i64::try_from(had.len()).expect("few");
    let all_are_back = async {
        while jobs.call(Call::new("len", [])).await?.as_int() != Some(left) {}
        Ok::<_, Error>(())
    };
    tokio::time::timeout(Duration::from_secs(20), all_are_back)
        .await
        .expect("what was dropped comes back")?;
    let Value::List(rest) = jobs.call(Call::new("get_many", [left.into()])).await? else {
        panic!("items are a list");
    };
    let rest: Vec<i64> = rest.iter().filter_map(Value::as_int).collect();
    assert!(rest.is_sorted(), "each is at its place");
    had.extend(rest);
    had.sort_unstable();
    assert_eq!(had, (0..ITEMS).collect::<Vec<_>>());
    ch.close().await;
    Ok(())
}

/// Lets others run for so long; finer than a timer.
async fn spin(time: Duration) {
    let began = Instant::now();
    while began.elapsed() < time {
        tokio::task::yield_now().await;
    }
}
