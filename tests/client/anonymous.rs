//! Anonymous objects of every kind, held by proxies.

use crate::server::{TestServer, eventually};
use commonhold::{Code, Durability, List, Result, Value, blocking};
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
