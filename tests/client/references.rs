//! References: stored, returned, given up, and brought by replies that are lost.

use crate::anonymous::{anonymous, comes_to, watcher};
use crate::server::{Cutter, TestServer};
use commonhold::{Code, Durability, Error, Result, Value, blocking};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

#[test]
fn what_is_stored_outlives_the_client_that_made_it() -> Result<()> {
    let server = TestServer::start();
    let (maker, reader) = (watcher(&server), watcher(&server));
    let named = maker.dict::<String, Value>("named");
    let durable = |list: blocking::List<i64>| list.durability(Durability::Durable);
    let list = maker.anonymous().list::<i64>().with(durable).create()?;
    list.append(7)?;
    named.set("list", list.reference())?;
    drop(list);
    maker.close();
    let named = reader.dict::<String, Value>("named");
    let found = named.get("list")?.expect("it is stored");
    let wrong = reader.anonymous().counter().of(&found);
    assert_eq!(wrong.expect_err("a list").code(), Some(Code::WrongKind));
    let list = reader.anonymous().list::<i64>().of(&found)?;
    assert_eq!(list.copy()?, [7]);
    named.delete("list")?;
    assert_eq!(list.copy()?, [7], "the proxy keeps it");
    drop(list);
    assert_eq!(anonymous(&reader), 0);
    Ok(())
}

#[test]
fn objects_nest() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let outer = ch.anonymous().list::<Value>().create()?;
    {
        let middle = ch.anonymous().dict::<String, Value>().create()?;
        let inner = ch.anonymous().list::<String>().create()?;
        inner.append("deep".into())?;
        middle.set("inner", inner.reference())?;
        outer.append(middle.reference())?;
    }
    assert_eq!(anonymous(&other), 3);
    let middle = outer.get(0)?.expect("the dict");
    let middle = ch.anonymous().dict::<String, Value>().of(&middle)?;
    let inner = middle.get("inner")?.expect("the list");
    let inner = ch.anonymous().list::<String>().of(&inner)?;
    assert_eq!(inner.get(0)?, Some("deep".into()));
    drop((outer, middle));
    assert_eq!(anonymous(&other), 1, "the innermost has a proxy");
    drop(inner);
    assert_eq!(anonymous(&other), 0);
    Ok(())
}

#[test]
fn a_returned_reference_keeps_its_object_until_it_is_given_up() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let outer = ch.anonymous().list::<Value>().create()?;
    let lonely = ch.anonymous().counter().create()?.reference();
    let gone = outer.append(lonely).expect_err("nobody kept it");
    assert_eq!(gone.code(), Some(Code::ObjectGone));
    let counter = ch.anonymous().counter().create()?;
    outer.append(counter.reference())?;
    drop(counter);
    let found = outer.get(0)?.expect("the counter");
    outer.clear()?;
    assert_eq!(anonymous(&other), 2, "the value keeps it");
    let counter = ch.anonymous().counter().of(&found)?;
    counter.increment(3).call()?;
    outer.append(counter.reference())?;
    drop(counter);
    let copies = outer.copy()?;
    outer.clear()?;
    assert_eq!(ch.object_of(&copies[0])?.kind(), "counter");
    assert_eq!(anonymous(&other), 1, "the proxy has taken it over");
    let counter = ch.anonymous().counter().create()?;
    outer.append(counter.reference())?;
    drop(counter);
    let found = outer.copy()?;
    outer.clear()?;
    ch.forget(&found[0]);
    assert_eq!(anonymous(&other), 1, "it was given up");
    // Nor does a result keep what it has no room for.
    let counter = ch.anonymous().counter().create()?;
    outer.append(counter.reference())?;
    drop(counter);
    let numbers = ch.anonymous().list::<i64>().of(&outer.reference())?;
    numbers.get(0).expect_err("a reference is no number");
    outer.clear()?;
    assert_eq!(anonymous(&other), 1);
    Ok(())
}

#[test]
fn lost_replies_leave_nothing_and_free_nothing_early() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server.options_at(&cutter.socket()).connect_blocking()?;
    let other = watcher(&server);
    let outer = ch.anonymous().list::<Value>().create()?;
    let first = ch.anonymous().list::<i64>().create()?;
    outer.append(first.reference())?;
    drop(first);
    cutter.cut_every(1500);
    for round in 0..300 {
        let list = ch.anonymous().list::<i64>().create()?;
        list.append(round)?;
        outer.append(list.reference())?;
        drop(list);
        let found = outer.pop()?.expect("the list");
        let list = ch.anonymous().list::<i64>().of(&found)?;
        assert_eq!(list.copy()?, [round]);
    }
    cutter.cut_every(0);
    assert!(cutter.cuts() > 10, "{} cuts", cutter.cuts());
    // What is left of a drop whose connection was cut goes with the next call.
    outer.len()?;
    comes_to(&other, 2);
    drop(outer);
    comes_to(&other, 0);
    Ok(())
}

#[test]
fn a_drop_that_no_connection_carried_is_made_by_the_next() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let options = server.options_at(&cutter.socket());
    let options = options.reconnect_for(Duration::from_millis(50));
    let ch = options.connect_blocking()?;
    let lane = ch.lane()?;
    let other = watcher(&server);
    for next in [&ch, &lane] {
        let list = ch.anonymous().list::<i64>().create()?;
        ch.server().ping()?;
        // A part of it arrives, and nobody can connect for longer than the client tries to.
        cutter.silence(true);
        cutter.cut_every(1);
        drop(list);
        ch.server().ping().expect_err("nobody can connect");
        cutter.cut_every(0);
        cutter.silence(false);
        assert_eq!(anonymous(&other), 1);
        next.server().ping()?;
        comes_to(&other, 0);
    }
    Ok(())
}

#[tokio::test]
async fn concurrent_reads_of_one_reference_free_nothing_early() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server.options_at(&cutter.socket()).connect().await?;
    let lanes = [ch.clone(), ch.lane().await?];
    let outer = ch.anonymous().list::<Value>().create().await?;
    let inner = ch.anonymous().list::<i64>().create().await?;
    inner.append(1).await?;
    outer.append(inner.reference()).await?;
    drop(inner);
    cutter.cut_every(50_000);
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let ch = lanes[number % 2].clone();
        let outer = ch.anonymous().list::<Value>().of(&outer.reference())?;
        readers.spawn(async move {
            for round in 0..50 {
                let found = outer.get(0).await?.expect("the list");
                let inner = ch.anonymous().list::<i64>().of(&found)?;
                assert_eq!(inner.copy().await?, [1], "round {round}");
            }
            Result::Ok(())
        });
    }
    readers
        .join_all()
        .await
        .into_iter()
        .collect::<Result<()>>()?;
    cutter.cut_every(0);
    outer.clear().await?;
    let watched = tokio::task::spawn_blocking(move || {
        comes_to(&watcher(&server), 1);
        server
    });
    let server = watched.await.expect("the inner one is freed");
    drop(outer);
    let watched = tokio::task::spawn_blocking(move || comes_to(&watcher(&server), 0));
    watched.await.expect("the outer one is freed");
    Ok(())
}

#[test]
fn a_cycle_is_collected_and_a_proxy_is_not() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let kept = ch.anonymous().list::<i64>().create()?;
    let cycle = ch.anonymous().list::<Value>().create()?;
    cycle.append(cycle.reference())?;
    drop(cycle);
    assert_eq!(anonymous(&other), 2);
    let collect = commonhold::Call::new("collect", []);
    let collected = other.server().object().call(collect)?;
    assert_eq!(collected, 1.into());
    kept.append(1)?;
    assert_eq!(kept.copy()?, [1]);
    assert_eq!(anonymous(&other), 1);
    Ok(())
}

#[test]
fn a_pinned_object_is_handed_over_by_its_identity() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let list = ch.anonymous().list::<i64>().create()?;
    list.append(1)?;
    list.object().pin(Duration::from_mins(1))?;
    let oid = list.object().oid().expect("it has one");
    drop(list);
    let list = other.anonymous().list::<i64>().at(oid);
    assert_eq!(list.copy()?, [1]);
    let named = other
        .dict::<String, Value>("named")
        .durability(Durability::Memory);
    named.set("list", list.reference())?;
    assert_eq!(other.object_at("list", oid).kind(), "list");
    let unknown = ch
        .list::<i64>("named?")
        .object()
        .pin(Duration::from_secs(1));
    assert!(matches!(unknown, Err(Error::Refused(_))), "{unknown:?}");
    Ok(())
}

#[tokio::test]
async fn a_reply_that_nobody_hears_keeps_nothing() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let outer = ch.anonymous().list::<Value>().create().await?;
    let inner = ch.anonymous().list::<i64>().create().await?;
    outer.append(inner.reference()).await?;
    drop(inner);
    for _ in 0..200 {
        let mut unheard = pin!(outer.get(0));
        poll_fn(|cx| {
            let _ = unheard.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        tokio::task::yield_now().await;
    }
    outer.clear().await?;
    let watched = tokio::task::spawn_blocking(move || {
        comes_to(&watcher(&server), 1);
        server
    });
    let _server = watched.await.expect("the inner one is freed");
    assert_eq!(outer.len().await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_reference_that_nobody_got_is_in_its_queue_again() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server.options_at(&cutter.socket()).connect().await?;
    let queue = ch.anonymous().queue::<Value>().create().await?;
    let inner = ch.anonymous().list::<i64>().create().await?;
    inner.append(1).await?;
    queue.put(inner.reference(), None).await?;
    drop(inner);
    cutter.cut_every(2_000);
    for round in 0..200 {
        let mut unheard = pin!(queue.get(None));
        poll_fn(|cx| {
            let _ = unheard.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        match round % 4 {
            0 => ch.server().ping().await?,
            _ => tokio::task::yield_now().await,
        }
    }
    cutter.cut_every(0);
    assert!(cutter.cuts() > 3, "{} cuts", cutter.cuts());
    let found = queue.get(None).await?;
    let inner = ch.anonymous().list::<i64>().of(&found)?;
    assert_eq!(inner.copy().await?, [1]);
    drop((inner, queue));
    let watched = tokio::task::spawn_blocking(move || comes_to(&watcher(&server), 0));
    watched.await.expect("both are freed");
    Ok(())
}
