//! Queues and jobs, from both clients.

use crate::server::{TestServer, eventually};
use commonhold::{Code, Queue, Result, blocking};
use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Option<Duration> = Some(Duration::ZERO);

#[tokio::test]
async fn items_are_put_and_got_in_order() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let jobs = ch.queue::<String>("jobs").maxsize(3);
    jobs.put("a".into(), None).await?;
    jobs.put_many(["b".to_owned(), "c".to_owned()], None)
        .await?;
    let full = jobs.put("d".into(), NOW).await.expect_err("no room");
    assert_eq!(full.code(), Some(Code::Full));
    assert!(jobs.full().await? && full.is_retryable());
    assert_eq!(jobs.peek(2).await?, ["a", "b"]);
    assert_eq!(jobs.len().await?, 3);
    assert_eq!(jobs.get(None).await?, "a");
    assert_eq!(jobs.get_many(9, None).await?, ["b", "c"]);
    let empty = jobs.get(Some(SECOND / 50)).await.expect_err("none came");
    assert_eq!(empty.code(), Some(Code::Empty));
    assert_eq!(jobs.unfinished().await?, 3);
    let late = jobs.join(NOW).await.expect_err("they are not done");
    assert_eq!(late.code(), Some(Code::DeadlineExceeded));
    jobs.task_done(3).await?;
    jobs.join(None).await?;
    let often = jobs.task_done(1).await.expect_err("too often");
    assert_eq!(often.code(), Some(Code::OutOfBounds));
    let newest = ch.queue::<i64>("newest").lifo();
    newest.put_many(0..3, None).await?;
    assert_eq!(newest.get(None).await?, 2);
    newest.clear().await?;
    newest.shutdown(false).await?;
    let shut = newest.get(None).await.expect_err("it is shut down");
    assert_eq!(shut.code(), Some(Code::Broken));
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn a_job_comes_back_unless_it_is_acknowledged() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let other = server.options().connect().await?;
    let jobs = ch.queue::<i64>("jobs").dead_after(3);
    jobs.put_many(1..=3, None).await?;
    let first = jobs.take().await?;
    let second = jobs.take().await?;
    assert_eq!((first.value, first.deliveries), (1, 1));
    second.ack().await?;
    // Dropped, given back, and left by a client that ends: it is at its place again each time.
    drop(first);
    let again = jobs.take().await?;
    assert_eq!((again.value, again.deliveries), (1, 2));
    again.nack().await?;
    assert_eq!(jobs.dead(10).await?.len(), 0);
    let left = other.queue::<i64>("jobs").take().await?;
    assert_eq!((left.value, left.deliveries), (1, 3));
    other.close().await;
    while jobs.dead(10).await?.is_empty() {}
    let dead = jobs.dead(10).await?;
    assert_eq!((dead[0].value, dead[0].deliveries), (1, 3));
    let third = jobs.take().await?;
    assert_eq!(third.value, 3, "a dead letter is not taken");
    third.ack().await?;
    assert_eq!(jobs.redrive(None).await?, 1);
    let fresh = jobs.take().wait(SECOND).await?;
    assert_eq!((fresh.value, fresh.deliveries), (1, 1));
    fresh.ack().await?;
    assert_eq!(jobs.unfinished().await?, 0);
    assert_eq!(jobs.discard(Some(1)).await?, 0);
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn a_job_whose_lease_ends_is_lost() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let jobs = ch.queue::<i64>("jobs");
    jobs.put(7, None).await?;
    let job = jobs.take().lease(10 * SECOND).await?;
    job.extend(SECOND / 20).await?;
    tokio::time::timeout(10 * SECOND, job.lost())
        .await
        .expect("it is told");
    let next = jobs.take().wait(10 * SECOND).await?;
    assert_eq!((next.value, next.deliveries), (7, 2));
    let late = job.ack().await.expect_err("another has it");
    assert_eq!(late.code(), Some(Code::LockLost));
    next.ack().await?;
    ch.close().await;
    Ok(())
}

async fn puts(jobs: &Queue<i64, commonhold::Client>, items: i64) -> Result<()> {
    for item in 0..items {
        jobs.put(item, None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_take_that_is_dropped_takes_nothing() -> Result<()> {
    const ITEMS: i64 = 100;
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let other = server.options().connect().await?;
    let jobs = ch.queue::<i64>("jobs");
    let watched = other.queue::<i64>("jobs");
    for round in 0..20 {
        let waiting = tokio::spawn({
            let jobs = jobs.clone();
            async move {
                let job = jobs.take().await;
                // Whoever has it by now keeps it for a moment.
                tokio::task::yield_now().await;
                drop(job);
            }
        });
        if round % 2 == 0 {
            while other
                .server()
                .who("jobs")
                .await
                .is_ok_and(|who| who.waiting_count == 0)
            {}
        }
        puts(&watched, 1).await?;
        waiting.abort();
        drop(waiting.await);
        // Wherever the item was, it is there.
        assert_eq!(watched.get(Some(10 * SECOND)).await?, 0);
        watched.task_done(1).await?;
    }
    puts(&watched, ITEMS).await?;
    assert_eq!(watched.len().await?, ITEMS.cast_unsigned());
    ch.close().await;
    other.close().await;
    Ok(())
}

#[test]
fn a_thread_that_panics_gives_its_job_back() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let jobs = ch.queue::<String>("jobs");
    jobs.put("work".into(), None)?;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let job = jobs.take().call().expect("there is one");
        panic!("at {}", job.value);
    }));
    assert!(panicked.is_err());
    let job = jobs.take().wait(Duration::ZERO).call()?;
    assert_eq!((job.value.as_str(), job.deliveries), ("work", 2));
    job.ack()?;
    assert_eq!(jobs.len()?, 0);
    Ok(())
}

#[test]
fn producers_and_consumers_lose_and_double_nothing() -> Result<()> {
    const EACH: i64 = 200;
    let server = TestServer::start();
    let connect = || server.options().connect_blocking();
    let seen: Vec<i64> = thread::scope(|scope| {
        let work = |producer: Option<i64>, ch: blocking::Client| {
            let jobs = ch.queue::<i64>("jobs").maxsize(10);
            let mut seen = Vec::new();
            for turn in 0..EACH {
                if let Some(producer) = producer {
                    jobs.put(producer * EACH + turn, None)?;
                    continue;
                }
                let mut job = jobs.take().call()?;
                // Every tenth is given back once, to whoever takes it next.
                while job.deliveries == 1 && job.value % 10 == 0 {
                    job.nack()?;
                    job = jobs.take().call()?;
                }
                seen.push(job.value);
                job.ack()?;
            }
            Result::Ok(seen)
        };
        let producers: Vec<_> = (0..4).map(|producer| (Some(producer), connect())).collect();
        let consumers: Vec<_> = (0..4).map(|_| (None, connect())).collect();
        let threads: Vec<_> = producers
            .into_iter()
            .chain(consumers)
            .map(|(producer, ch)| scope.spawn(move || work(producer, ch?)))
            .collect();
        let seen = threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect::<Result<Vec<_>>>();
        seen.map(|seen| seen.concat())
    })?;
    assert_eq!(seen.len(), seen.iter().collect::<BTreeSet<_>>().len());
    assert_eq!(seen.into_iter().sum::<i64>(), (0..4 * EACH).sum::<i64>());
    let ch = connect()?;
    let jobs = ch.queue::<i64>("jobs").maxsize(10);
    eventually("everything is done", || {
        jobs.unfinished().is_ok_and(|unfinished| unfinished == 0)
    });
    Ok(())
}
