//! Replies that nobody kept: what they tell of is taken back.

use crate::server::{TestServer, eventually};
use commonhold::{Call, Result, Value};
use std::time::Duration;

const NOW: Option<Duration> = Some(Duration::ZERO);

fn ask(method: &str) -> Call {
    Call::new(method, [])
}

#[test]
fn an_item_that_nobody_kept_is_at_its_place_again() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let jobs = ch.queue::<i64>("jobs");
    jobs.put_many(1..=3, None)?;
    let any = ch.object("queue", "jobs");
    for _ in 0..20 {
        let mut heard = any.hear(ask("get"), NOW)?;
        assert_eq!(heard.take().result.ok(), Some(1.into()));
        drop(heard);
        eventually("it is at its place", || {
            jobs.peek(3).expect("it is there") == [1, 2, 3]
        });
    }
    let mut heard = any.hear(ask("get"), NOW)?;
    assert_eq!(heard.take().result.ok(), Some(1.into()));
    heard.keep();
    assert_eq!(jobs.get(None)?, 2);
    assert_eq!(jobs.peek(3)?, [3]);
    Ok(())
}

#[test]
fn a_lock_that_nobody_kept_is_given_back() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let other = server.options().connect_blocking()?;
    for (kind, method) in [
        ("lock", "acquire"),
        ("rwlock", "write"),
        ("condition", "acquire"),
    ] {
        let any = ch.object(kind, kind);
        let locked = || {
            other
                .object(kind, kind)
                .call(ask("locked"))
                .expect("it is there")
        };
        drop(any.hear(ask(method), NOW)?);
        eventually("it is free", || locked() == Value::Bool(false));
        any.hear(ask(method), NOW)?.keep();
        assert_eq!(locked(), Value::Bool(true));
    }
    let permits = ch.object("semaphore", "permits").option("permits", 1);
    drop(permits.hear(ask("acquire"), NOW)?);
    eventually("it is free", || {
        permits.call(ask("value")).expect("it is there") == 1.into()
    });
    Ok(())
}

#[test]
fn what_is_refused_needs_no_keeping() -> Result<()> {
    let server = TestServer::start();
    let ch = server.options().connect_blocking()?;
    let mut heard = ch.object("queue", "jobs").hear(ask("get"), NOW)?;
    assert!(heard.take().result.is_err());
    drop(heard);
    assert_eq!(ch.stats().remembered, 0);
    Ok(())
}
