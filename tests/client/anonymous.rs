//! Anonymous objects and references, held by proxies.

use crate::server::{Cutter, TestServer, eventually};
use commonhold::{Code, Durability, Error, List, Result, Value, blocking};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// How many anonymous objects there are.
pub(crate) fn anonymous(watcher: &blocking::Client) -> i64 {
    let Value::Dict(pairs) = watcher.server().status().expect("it answers") else {
        panic!("the status is a dict");
    };
    let found = pairs
        .iter()
        .find(|(key, _)| key.as_text() == Some("anonymous"));
    found
        .and_then(|(_, value)| value.as_int())
        .expect("a number")
}

#[track_caller]
pub(crate) fn comes_to(watcher: &blocking::Client, count: i64) {
    eventually(&format!("{count} anonymous objects"), || {
        anonymous(watcher) == count
    });
}

pub(crate) fn watcher(server: &TestServer) -> blocking::Client {
    server.options().connect_blocking().expect("connects")
}

#[test]
fn a_blocking_proxy_keeps_its_object_until_it_is_dropped() -> Result<()> {
    let server = TestServer::start();
    let (ch, watcher) = (watcher(&server), watcher(&server));
    let list = ch.anonymous().list::<i64>().create()?;
    list.append(1)?;
    let clone = list.clone();
    drop(list);
    clone.append(2)?;
    assert_eq!(clone.copy()?, [1, 2]);
    assert_eq!(anonymous(&watcher), 1);
    drop(clone);
    assert_eq!(anonymous(&watcher), 0, "it is dropped at once");
    let sized = ch.anonymous().semaphore(2).with(|it| it.owned(false));
    let semaphore = sized.create()?;
    assert_eq!(semaphore.value()?, 2);
    let guarded = ch.anonymous().lock().create()?.acquire().call()?;
    assert_eq!(anonymous(&watcher), 2, "the guard keeps its lock");
    drop(guarded);
    assert_eq!(anonymous(&watcher), 1);
    Ok(())
}

#[tokio::test]
async fn an_async_proxy_keeps_its_object_until_it_is_dropped() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let dict = ch.anonymous().dict::<String, i64>().create().await?;
    dict.set("a", 1).await?;
    let watched = tokio::task::spawn_blocking(move || {
        let watcher = watcher(&server);
        assert_eq!(anonymous(&watcher), 1);
        (server, watcher)
    });
    let (_server, watcher) = watched.await.expect("it counts");
    assert_eq!(dict.get("a").await?, Some(1));
    drop(dict);
    let watched = tokio::task::spawn_blocking(move || comes_to(&watcher, 0));
    watched.await.expect("it is freed");
    Ok(())
}

#[test]
fn every_kind_can_be_without_a_name() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let new = || ch.anonymous();
    let array = new().array::<f64>("d").with(|it| it.size(2)).create()?;
    assert_eq!(array.copy()?, [0.0, 0.0]);
    let barrier = new().barrier(1).create()?;
    barrier.wait(None)?;
    let bounded = new().bounded_semaphore(1).create()?;
    let too_many = bounded.release(1).expect_err("it is bounded");
    assert_eq!(too_many.code(), Some(Code::OutOfBounds));
    let condition = new().condition().create()?;
    let mut guard = condition.acquire().call()?;
    assert!(!condition.wait(&mut guard, Some(Duration::ZERO))?);
    let counter = new().counter().create()?;
    assert_eq!(counter.increment(2).call()?, 2);
    let dict = new().dict::<i64, String>().create()?;
    dict.set(&1, "one".into())?;
    assert_eq!(dict.get(&1)?.as_deref(), Some("one"));
    let event = new().event().create()?;
    event.set()?;
    assert!(event.is_set()?);
    let latch = new().latch(1).create()?;
    latch.count_down(1)?;
    let list = new().list::<i64>().create()?;
    list.append(1)?;
    let lock = new().lock().create()?;
    let held = lock.acquire().call()?;
    assert!(lock.locked()?);
    let namespace = new().namespace().create()?;
    namespace.set("x", 1)?;
    let queue = new().queue::<i64>().with(|it| it.maxsize(1)).create()?;
    queue.put(7, None)?;
    assert!(queue.full()?);
    let rlock = new().rlock().create()?;
    let twice = [rlock.acquire().call()?, rlock.acquire().call()?];
    let rwlock = new().rwlock().create()?;
    let read = rwlock.read().call()?;
    let semaphore = new().semaphore(3).create()?;
    assert_eq!(semaphore.value()?, 3);
    let set = new().set::<i64>().create()?;
    set.add(1)?;
    let value = new().value::<i64>().try_with(|it| it.initial(5))?;
    let value = value.create()?;
    assert_eq!(value.get()?, 5);
    let any = new().object("counter").create()?;
    assert_eq!(any.kind(), "counter");
    assert_eq!(anonymous(&other), 18, "one of each kind, and one more");
    drop((array, barrier, bounded, condition, counter, dict, event));
    drop((latch, list, lock, namespace, queue, rlock, rwlock));
    drop((semaphore, set, value, any));
    assert_eq!(anonymous(&other), 4, "guards keep what they guard");
    drop((guard, held, twice, read));
    assert_eq!(anonymous(&other), 0);
    Ok(())
}

#[test]
fn a_job_keeps_its_queue_and_what_it_brings() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let queue = ch.anonymous().queue::<Value>().create()?;
    let array = ch.anonymous().array::<i64>("q");
    let array = array.try_with(|it| it.values([&3]))?.create()?;
    queue.put(array.reference(), None)?;
    drop(array);
    let job = queue.take().call()?;
    let array = ch.anonymous().array::<i64>("q").of(&job.value)?;
    let keeper = ch.list::<Value>("keeper").durability(Durability::Memory);
    keeper.append(queue.reference())?;
    drop(queue);
    drop(job);
    let queue = keeper.get(0)?.expect("the queue");
    keeper.clear()?;
    let queue = ch.anonymous().queue::<Value>().of(&queue)?;
    let again = queue.take().call()?;
    assert_eq!(again.deliveries, 2, "the job that was dropped came back");
    ch.forget(&again.value);
    drop(queue);
    assert_eq!(anonymous(&other), 2, "the job keeps its queue");
    again.ack()?;
    assert_eq!(anonymous(&other), 1, "the proxy keeps the array");
    assert_eq!(array.copy()?, [3]);
    drop(array);
    assert_eq!(anonymous(&other), 0);
    Ok(())
}

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

#[tokio::test]
async fn ten_thousand_leave_nothing() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let mut makers = tokio::task::JoinSet::new();
    for number in 0..10_000 {
        let ch = ch.clone();
        makers.spawn(async move {
            let list = ch.anonymous().list::<i64>().create().await?;
            list.append(number).await?;
            Result::Ok(list)
        });
    }
    let lists = makers
        .join_all()
        .await
        .into_iter()
        .collect::<Result<Vec<List<i64, _>>>>()?;
    let before = ch.stats().calls;
    drop(lists);
    let watched = tokio::task::spawn_blocking(move || {
        comes_to(&watcher(&server), 0);
        server
    });
    let _server = watched.await.expect("all are freed");
    let drops = ch.stats().calls - before;
    assert!(drops <= 100, "{drops} calls dropped 10,000 objects");
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

#[test]
fn a_condition_keeps_its_anonymous_lock() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (watcher(&server), watcher(&server));
    let lock = ch.anonymous().lock().create()?;
    let on = lock.reference();
    let condition = ch.anonymous().condition().with(|it| it.on(on)).create()?;
    drop(lock);
    assert_eq!(anonymous(&other), 2);
    drop(condition.acquire().call()?);
    drop(condition);
    assert_eq!(anonymous(&other), 0);
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
