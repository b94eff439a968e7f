//! What is held is given back: on drop, on panic, when the client ends, over broken connections, and when nobody heard
//! that it was given.

#![expect(clippy::unwrap_used, reason = "tests")]

use crate::server::{Cutter, TestServer, eventually};
use commonhold::{Client, Code, Result, blocking};
use commonhold_server::Limits;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::task::JoinSet;

fn blocking(server: &TestServer) -> blocking::Client {
    server.options().connect_blocking().expect("connects")
}

/// Waits until so many permits are free, seen by this client.
async fn until_free(ch: &Client, free: i64) -> Result<()> {
    let semaphore = ch.semaphore("s", 2);
    while semaphore.value().await? != free {}
    Ok(())
}

#[test]
fn a_panic_gives_a_permit_back() {
    let server = TestServer::start();
    let (ch, other) = (blocking(&server), blocking(&server));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _permit = ch.semaphore("s", 1).acquire().call().unwrap();
        assert_eq!(other.semaphore("s", 1).value().unwrap(), 1, "it is taken");
    }));
    assert!(panicked.is_err());
    assert_eq!(other.semaphore("s", 1).value().unwrap(), 1);
}

#[tokio::test]
async fn a_task_that_panics_gives_its_permit_back() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().connect().await?,
        server.options().connect().await?,
    );
    let semaphore = ch.semaphore("s", 2);
    let task = tokio::spawn(async move {
        let permit = semaphore.acquire().permits(2).await.unwrap();
        assert_eq!(permit.permits(), 1, "it panics here");
    });
    assert!(task.await.is_err());
    until_free(&other, 2).await
}

#[test]
fn a_permit_goes_back_from_another_thread_as_the_owner_that_took_it() {
    let server = TestServer::start();
    let ch = blocking(&server);
    let semaphore = ch.bounded_semaphore("s", 3);
    let mine = semaphore.acquire().permits(2).call().unwrap();
    let others = thread::spawn({
        let semaphore = semaphore.clone();
        move || {
            drop(mine);
            semaphore.acquire().call().unwrap()
        }
    });
    let others = others.join().unwrap();
    assert_eq!(semaphore.value().unwrap(), 2);
    drop(others);
    assert_eq!(semaphore.value().unwrap(), 3);
}

#[test]
fn a_blocking_client_that_is_dropped_gives_back_what_it_holds() {
    let server = TestServer::start();
    let (ch, other) = (blocking(&server), blocking(&server));
    let semaphore = other.semaphore("s", 2);
    let permit = ch.semaphore("s", 2).acquire().call().unwrap();
    ch.semaphore("s", 2).acquire().call().unwrap().forget();
    // The guard holds the client: only with it the client ends, and what was forgotten goes back with its goodbye.
    drop(ch);
    assert_eq!(semaphore.value().unwrap(), 0);
    drop(permit);
    assert_eq!(semaphore.value().unwrap(), 2);
}

#[tokio::test]
async fn an_async_client_that_is_dropped_gives_back_what_it_holds() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().connect().await?,
        server.options().connect().await?,
    );
    let permit = ch.semaphore("s", 2).acquire().await?;
    ch.semaphore("s", 2).acquire().await?.forget();
    drop(ch);
    assert_eq!(other.semaphore("s", 2).value().await?, 0);
    drop(permit);
    until_free(&other, 2).await
}

/// The session lives on in another lane, so only the release itself gives the permit back.
#[tokio::test]
async fn a_lane_that_is_closed_sends_the_release_of_a_guard_before() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    for _ in 0..50 {
        let lane = ch.lane().await?;
        let permit = lane.semaphore("s", 2).acquire().permits(2).await?;
        drop(permit);
        lane.close().await;
        assert_eq!(ch.semaphore("s", 2).value().await?, 2);
    }
    Ok(())
}

#[tokio::test]
async fn a_release_that_is_not_awaited_is_made() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let semaphore = ch.semaphore("s", 2);
    let permit = semaphore.acquire().await?;
    drop(permit.release());
    until_free(&ch, 2).await?;
    let permit = semaphore.acquire().await?;
    let mut release = Box::pin(permit.release());
    assert!(poll_fn(|cx| Poll::Ready(release.as_mut().poll(cx).is_pending())).await);
    drop(release);
    until_free(&ch, 2).await
}

/// Dropped at whatever moment: before it was sent, on its way, in line, granted and unheard.
#[tokio::test]
async fn a_dropped_acquisition_leaves_no_permit_taken() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().connect().await?,
        server.options().connect().await?,
    );
    let semaphore = ch.semaphore("s", 2);
    for polls in 0..200 {
        if polls % 20 == 0 {
            drop(semaphore.acquire().permits(2).await?);
        }
        let acquiring = semaphore.acquire().permits(2).into_future();
        let mut acquiring = pin!(acquiring);
        for _ in 0..polls % 10 {
            let done = poll_fn(|cx| Poll::Ready(acquiring.as_mut().poll(cx))).await;
            if let Poll::Ready(permit) = done {
                drop(permit?);
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    until_free(&other, 2).await?;
    // In line.
    let permit = semaphore.acquire().permits(2).await?;
    let waiting = tokio::spawn({
        let acquire = semaphore.acquire();
        async move { acquire.await }
    });
    let sent = ch.stats().calls;
    while ch.stats().calls == sent {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    assert!(waiting.await.is_err());
    drop(permit);
    until_free(&other, 2).await
}

#[tokio::test]
async fn what_is_dropped_goes_back_through_cuts() -> Result<()> {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server.options_at(&cutter.socket()).connect().await?;
    let other = server.options().connect().await?;
    cutter.cut_every(6_000);
    for _ in 0..20 {
        let mut tasks = JoinSet::new();
        for nth in 0..20 {
            let semaphore = ch.bounded_semaphore("b", 4);
            tasks.spawn(async move {
                let permit = semaphore.acquire().await?;
                match nth % 3 {
                    0 => permit.release().await,
                    _ => Ok(()),
                }
            });
        }
        // The others are aborted wherever they are.
        for _ in 0..10 {
            let done = tasks.join_next().await.expect("there are twenty");
            done.expect("no panic")?;
        }
        tasks.shutdown().await;
    }
    cutter.cut_every(0);
    let semaphore = other.bounded_semaphore("b", 4);
    while semaphore.value().await? != 4 {}
    assert!(cutter.cuts() > 1, "{} cuts", cutter.cuts());
    ch.close().await;
    Ok(())
}

#[test]
fn a_blocking_drop_goes_back_through_cuts() {
    let server = TestServer::start();
    let cutter = Cutter::before(&server);
    let ch = server
        .options_at(&cutter.socket())
        .connect_blocking()
        .expect("connects");
    cutter.cut_every(700);
    let semaphore = ch.bounded_semaphore("b", 1);
    for _ in 0..200 {
        drop(semaphore.acquire().call().unwrap());
    }
    assert!(cutter.cuts() > 10, "{} cuts", cutter.cuts());
    cutter.cut_every(0);
    assert_eq!(semaphore.value().unwrap(), 1);
}

#[test]
fn what_went_with_a_lost_session_is_not_given_back_again() {
    let mut server = TestServer::start();
    let ch = blocking(&server);
    let permit = ch.semaphore("s", 1).acquire().call().unwrap();
    let dropped = ch.semaphore("t", 1).acquire().call().unwrap();
    server.stop();
    server.lose_disk();
    server.serve();
    ch.server().ping().unwrap();
    eventually("the lease is known to be lost", || ch.lease_losses() == 1);
    let other = blocking(&server);
    let lost = permit.release().unwrap_err();
    assert_eq!(lost.code(), Some(Code::LockLost), "{lost}");
    let taken = other.semaphore("t", 1).acquire().call().unwrap();
    drop(dropped);
    assert_eq!(
        other.semaphore("t", 1).value().unwrap(),
        0,
        "another holds it"
    );
    taken.release().unwrap();
}

/// The lease is lost while its client waits; what it is given after that belongs to the next lease.
#[tokio::test]
async fn a_permit_that_was_waited_for_over_a_lost_lease_goes_back() -> Result<()> {
    let server = TestServer::with(Limits {
        grace: Duration::from_millis(200),
        ..Limits::default()
    });
    let cutter = Cutter::before(&server);
    let other = server.options().connect().await?;
    let ch = server.options_at(&cutter.socket()).connect().await?;
    let first = other.semaphore("s", 1).acquire().await?;
    let lost = ch.lock("lost").acquire().await?;
    let waiting = tokio::spawn({
        let semaphore = ch.semaphore("s", 1);
        async move { semaphore.acquire().await }
    });
    while other.server().who("s").await?.waiting_count == 0 {}
    cutter.silence(true);
    cutter.cut();
    drop(other.lock("lost").acquire().await?);
    cutter.silence(false);
    ch.server().ping().await?;
    assert!(lost.is_lost() && ch.lease_losses() == 1);
    first.release().await?;
    let permit = waiting.await.expect("no panic")?;
    drop(permit);
    let next = other.semaphore("s", 1).acquire();
    next.wait(Duration::from_secs(5)).await?.release().await
}

/// It is given back to the very semaphore that gave it.
#[test]
fn a_permit_of_a_deleted_semaphore_raises_no_other() {
    let server = TestServer::start();
    let ch = blocking(&server);
    let semaphore = ch.semaphore("s", 1);
    let permit = semaphore.acquire().call().unwrap();
    assert!(ch.server().delete("s").unwrap());
    let gone = semaphore.value().unwrap_err();
    assert_eq!(gone.code(), Some(Code::ObjectGone));
    // From here on the proxy stands for another one.
    let taken = semaphore.acquire().call().unwrap();
    drop(permit);
    assert_eq!(semaphore.value().unwrap(), 0);
    taken.release().unwrap();
}
