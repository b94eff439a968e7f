//! Locks, their guards and conditions, from both clients.

use crate::server::{Cutter, TestServer, eventually};
use commonhold::{Code, Condition, Guard, OnEnd, PreviousEnd, Result};
use commonhold_server::Limits;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_guard_that_is_dropped_gives_its_lock_back() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().name("first").connect().await?,
        server.options().connect().await?,
    );
    let guard = ch.lock("gpu").acquire().note("step 1").await?;
    assert!(!guard.previous_owner_died() && !guard.is_lost());
    let refused = other.lock("gpu").acquire().wait(Duration::ZERO).await;
    let error = refused.expect_err("it is held");
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    assert!(error.to_string().contains("held by first@"), "{error}");
    let refused = other.lock("gpu").acquire().wait(SECOND / 20).await;
    let error = refused.expect_err("it is held");
    assert_eq!(error.code(), Some(Code::DeadlineExceeded));
    assert!(
        error.to_string().starts_with("timed out after 0."),
        "{error}"
    );
    let who = other.server().who("gpu").await?;
    assert_eq!(who.holders[0].client, "first");
    assert_eq!(who.holders[0].token, Some(guard.token().0));
    assert_eq!(who.holders[0].note.as_deref(), Some("step 1"));
    let before = guard.token();
    drop(guard);
    let guard = other.lock("gpu").acquire().await?;
    assert!(guard.token() > before);
    guard.release().await?;
    assert!(!ch.lock("gpu").locked().await?);
    ch.close().await;
    other.close().await;
    Ok(())
}

#[tokio::test]
async fn an_acquire_that_is_dropped_holds_nothing() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().connect().await?,
        server.options().connect().await?,
    );
    for round in 0..50 {
        let guard = ch.lock("gpu").acquire().await?;
        let waiting = tokio::spawn({
            let lock = other.lock("gpu");
            async move { lock.acquire().await }
        });
        while ch.server().who("gpu").await?.waiting_count == 0 {}
        // Before, after, and at about the moment when it is granted.
        match round % 3 {
            0 => {
                waiting.abort();
                drop(guard);
            }
            1 => drop(guard),
            _ => {
                drop(guard);
                tokio::task::yield_now().await;
                waiting.abort();
            }
        }
        if round % 3 == 1 {
            drop(waiting.await.expect("no panic")?);
        } else {
            drop(waiting.await);
        }
        // Whatever became of it, the lock can be had.
        drop(ch.lock("gpu").acquire().wait(5 * SECOND).await?);
    }
    ch.close().await;
    other.close().await;
    Ok(())
}

#[tokio::test]
async fn a_lost_lock_is_told_and_fenced_writes_are_refused() -> Result<()> {
    let server = TestServer::start();
    let (ch, other) = (
        server.options().connect().await?,
        server.options().connect().await?,
    );
    let data = ch.dict::<String, i64>("data");
    let stale = ch.lock("gpu").acquire().await?;
    let mine = data.fenced(&stale);
    mine.set("x", 1).await?;
    assert!(other.lock("gpu").force_release().await?);
    tokio::time::timeout(5 * SECOND, stale.lost())
        .await
        .expect("it is told");
    assert!(stale.is_lost());
    let next = other.lock("gpu").acquire().await?;
    assert_eq!(next.previous_end(), Some(PreviousEnd::Forced));
    assert!(!next.previous_owner_died(), "it lives");
    let error = mine.set("x", 2).await.expect_err("superseded");
    assert_eq!(error.code(), Some(Code::FencedOut));
    let theirs = other.dict::<String, i64>("data").fenced(&next);
    theirs.set("x", 3).await?;
    assert_eq!(data.get("x").await?, Some(3));
    let stale_fence = stale.fence();
    let error = stale.release().await.expect_err("it was lost");
    assert_eq!(error.code(), Some(Code::LockLost));
    // Its time runs out.
    let short = ch.lock("other").acquire().lease(SECOND / 20).await?;
    short.lost().await;
    let guarded = ch.counter("guarded").guarded_by("gpu");
    let error = guarded.increment(1).await.expect_err("it needs a fence");
    assert_eq!(error.code(), Some(Code::FencedOut));
    assert_eq!(guarded.fenced(&next).increment(1).await?, 1);
    // Nor is it deleted without the lock, unless that is meant.
    let error = ch.server().delete("guarded").await.expect_err("guarded");
    assert_eq!(error.code(), Some(Code::FencedOut));
    let stale = ch.server().fenced(stale_fence);
    let error = stale.delete("guarded").await.expect_err("superseded");
    assert_eq!(error.code(), Some(Code::FencedOut));
    assert!(other.server().fenced(&next).delete("guarded").await?);
    let again = ch.counter("guarded").guarded_by("gpu");
    assert_eq!(again.fenced(&next).increment(1).await?, 1);
    assert!(ch.server().force_delete("guarded").await?);
    ch.close().await;
    other.close().await;
    Ok(())
}

/// The server is gone, and may have given the lock to another for all the holder knows.
#[tokio::test]
async fn a_heartbeat_stops_believing_before_the_server_lets_go() -> Result<()> {
    let grace = SECOND;
    let mut server = TestServer::with(Limits {
        grace,
        ..Limits::default()
    });
    let ch = server.options().connect().await?;
    let guard = ch.lock("gpu").acquire().await?;
    // Beats are answered: it is believed in for longer than one grace.
    let begun = Instant::now();
    while begun.elapsed() < 2 * grace {
        assert!(!guard.is_lost());
        tokio::time::sleep(grace / 20).await;
    }
    let cut = Instant::now();
    tokio::task::spawn_blocking(move || {
        server.stop();
        server
    })
    .await
    .expect("it stops");
    guard.lost().await;
    assert!(guard.is_lost());
    assert!(cut.elapsed() < grace, "{:?}", cut.elapsed());
    Ok(())
}

/// The reply of a grant was lost on its way, and the lease after it. What is told in its place is no grant.
#[tokio::test]
async fn a_grant_that_is_told_after_the_lease_was_lost_is_not_believed() -> Result<()> {
    let server = TestServer::with(Limits {
        grace: SECOND / 5,
        ..Limits::default()
    });
    let cutter = Cutter::before(&server);
    let other = server.options().connect().await?;
    let ch = server.options_at(&cutter.socket()).connect().await?;
    let first = other.lock("gpu").acquire().await?;
    let waiting = tokio::spawn({
        let lock = ch.lock("gpu");
        async move { lock.acquire().await }
    });
    while other.server().who("gpu").await?.waiting_count == 0 {}
    cutter.silence(true);
    first.release().await?;
    while other.server().who("gpu").await?.holders.is_empty() {}
    cutter.cut();
    // Granted once the lease of the first is lost.
    let next = other.lock("gpu").acquire().wait(10 * SECOND).await?;
    assert!(next.previous_owner_died());
    cutter.silence(false);
    let guard = waiting.await.expect("no panic")?;
    assert!(guard.token() < next.token());
    assert!(guard.is_lost(), "another holds it");
    assert!(!next.is_lost());
    Ok(())
}

/// A grant may wait for its caller to look at it; what comes in between counts.
#[tokio::test]
async fn a_grant_that_is_taken_after_the_lease_was_lost_is_lost() -> Result<()> {
    let server = TestServer::with(Limits {
        grace: SECOND / 5,
        ..Limits::default()
    });
    let cutter = Cutter::before(&server);
    let other = server.options().connect().await?;
    let ch = server.options_at(&cutter.socket()).connect().await?;
    assert!(!other.lock("gpu").locked().await?);
    let mut acquire = ch.lock("gpu").acquire().into_future();
    assert!(poll_once(&mut acquire).await.is_none());
    // There is no lock before it is taken.
    let is_held = async || {
        let who = other.server().who("gpu").await;
        who.is_ok_and(|who| !who.holders.is_empty())
    };
    while !is_held().await {}
    // The reply came before this one.
    ch.server().ping().await?;
    cutter.silence(true);
    cutter.cut();
    let next = other.lock("gpu").acquire().wait(10 * SECOND).await?;
    cutter.silence(false);
    ch.server().ping().await?;
    let guard = acquire.await?;
    assert!(guard.is_lost(), "another holds it");
    assert!(!next.is_lost());
    Ok(())
}

/// Looks once whether something is there.
async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    poll_fn(|cx| match Pin::new(&mut *future).poll(cx) {
        Poll::Ready(output) => Poll::Ready(Some(output)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}

#[tokio::test]
async fn an_rlock_is_entered_again_by_clones_of_its_proxy() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let lock = ch.rlock("gpu");
    let outer = lock.acquire().await?;
    let inner = lock.clone().acquire().await?;
    assert_eq!(outer.token(), inner.token());
    let stranger = ch.rlock("gpu").acquire().wait(Duration::ZERO).await;
    assert_eq!(
        stranger.expect_err("it is held").code(),
        Some(Code::DeadlineExceeded)
    );
    drop(inner);
    assert!(lock.locked().await?);
    drop(outer);
    drop(ch.rlock("gpu").acquire().await?);
    ch.close().await;
    Ok(())
}

#[tokio::test]
async fn readers_share_and_a_writer_excludes() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let lock = ch.rwlock("table").on_crash(OnEnd::Keep);
    let (one, two) = (lock.read().await?, lock.read().await?);
    assert_eq!(lock.readers().await?, 2);
    let writer = lock.write().wait(Duration::ZERO).await;
    assert_eq!(
        writer.expect_err("read").code(),
        Some(Code::DeadlineExceeded)
    );
    drop((one, two));
    let writer = lock.write().await?;
    let reader = lock.read().wait(Duration::ZERO).await;
    assert_eq!(
        reader.expect_err("written").code(),
        Some(Code::DeadlineExceeded)
    );
    writer.release().await?;
    assert!(!lock.locked().await?);
    ch.close().await;
    Ok(())
}

async fn wait_until_waiting(condition: &Condition<commonhold::Client>, many: u64) -> Result<()> {
    while condition.waiting().await? != many {}
    Ok(())
}

#[tokio::test]
async fn a_condition_wakes_those_who_wait() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect().await?;
    let news = ch.condition("news");
    let mut guard = news.acquire().await?;
    assert!(!news.wait(&mut guard, Some(SECOND / 20)).await?);
    assert!(!guard.is_lost(), "it holds the lock again");
    guard.release().await?;
    let waiting = tokio::spawn({
        let news = news.clone();
        async move {
            let mut guard = news.acquire().await?;
            let before = guard.token();
            let notified = news.wait(&mut guard, None).await?;
            assert!(guard.token() > before, "it is another grant");
            guard.release().await?;
            Result::Ok(notified)
        }
    });
    wait_until_waiting(&news, 1).await?;
    let guard: Guard<_> = news.acquire().await?;
    assert_eq!(news.notify(&guard, 5).await?, 1);
    guard.release().await?;
    assert!(waiting.await.expect("no panic")?);
    // A wait that is dropped leaves neither a waiter nor a lock that nobody holds.
    let waiting = tokio::spawn({
        let news = news.clone();
        async move {
            let mut guard = news.acquire().await?;
            news.wait(&mut guard, None).await
        }
    });
    wait_until_waiting(&news, 1).await?;
    waiting.abort();
    drop(waiting.await);
    wait_until_waiting(&news, 0).await?;
    let guard = news.acquire().wait(5 * SECOND).await?;
    let error = news.on("nothing").notify_all(&guard).await;
    assert!(
        error.is_err(),
        "a lock that does not exist cannot be shared"
    );
    ch.close().await;
    Ok(())
}

#[test]
fn a_thread_that_panics_gives_its_lock_back() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = ch.lock("gpu").acquire().call();
        panic!("on purpose");
    }));
    assert!(panicked.is_err());
    let guard = ch.lock("gpu").acquire().wait(Duration::ZERO).call()?;
    assert!(!guard.previous_owner_died(), "it was given back");
    Ok(())
}

#[test]
fn threads_wait_for_each_other_with_a_condition() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    ch.rlock("mutex").acquire().call()?.release()?;
    let filled = ch.condition("filled").on("mutex");
    let waiting = thread::spawn({
        let ch = ch.lane()?;
        move || {
            let mut guard = ch.rlock("mutex").acquire().call()?;
            let filled = ch.condition("filled").on("mutex");
            let notified = filled.wait(&mut guard, Some(10 * SECOND));
            drop(guard);
            notified
        }
    });
    eventually("somebody waits", || {
        filled.waiting().is_ok_and(|many| many == 1)
    });
    let guard = ch.rlock("mutex").acquire().call()?;
    assert_eq!(filled.notify_all(&guard)?, 1);
    guard.release()?;
    assert!(waiting.join().expect("no panic")?);
    let mut guard = ch.lock("other").acquire().call()?;
    let error = filled
        .wait(&mut guard, Some(SECOND))
        .expect_err("the wrong lock");
    assert_eq!(error.code(), Some(Code::NotOwner));
    assert!(!guard.is_lost(), "it still holds what it held");
    Ok(())
}

#[test]
fn a_blocking_guard_learns_at_the_next_call_that_it_was_freed() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let other = server.options().connect_blocking()?;
    let guard = ch.lock("gpu").acquire().call()?;
    assert!(other.lock("gpu").force_release()?);
    eventually("it is told", || {
        ch.server().ping().expect("it answers");
        guard.is_lost()
    });
    let error = guard.extend(Some(SECOND)).expect_err("it was freed");
    assert_eq!(error.code(), Some(Code::LockLost));
    Ok(())
}
