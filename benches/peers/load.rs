//! Our load: what `redis-benchmark` does, with our own clients on one thread.

use crate::echo::per_step;
use anyhow::Result;
use commonhold::{Client, Counter, Dict, Durability, Options, blocking};
use std::cell::Cell;
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::task::LocalSet;

/// One operation at a time, by a blocking client.
#[derive(Clone, Copy)]
pub(crate) enum Step {
    /// `increment` of a counter.
    Increment,
    /// `get` of a dict.
    Get,
    /// `set` of a dict.
    Set,
    /// `increment` of a value of a dict.
    DictIncrement,
}

/// Microseconds of one operation of a blocking client, one at a time.
pub(crate) fn one_at_a_time(
    options: Options,
    durability: Durability,
    step: Step,
    time: Duration,
) -> Result<f64> {
    let client = options.connect_blocking()?;
    let counter = client
        .counter(counter_name(durability))
        .durability(durability);
    let dict: blocking::Dict<String, i64> =
        client.dict(dict_name(durability)).durability(durability);
    counter.increment(1).call()?;
    dict.set("key", 1)?;
    match step {
        Step::Increment => per_step(time, || Ok(counter.increment(1).call().map(drop)?)),
        Step::Get => per_step(time, || Ok(dict.get("key").map(drop)?)),
        Step::Set => per_step(time, || Ok(dict.set("key", 1)?)),
        Step::DictIncrement => per_step(time, || Ok(dict.increment("key", 1).call().map(drop)?)),
    }
}

fn counter_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "bench-counter-memory",
        Durability::Relaxed => "bench-counter-relaxed",
        Durability::Durable => "bench-counter",
    }
}

fn dict_name(durability: Durability) -> &'static str {
    match durability {
        Durability::Memory => "bench-dict-memory",
        Durability::Relaxed => "bench-dict-relaxed",
        Durability::Durable => "bench-dict",
    }
}

/// What is done over and over.
#[derive(Clone, Copy)]
pub(crate) enum Work {
    /// `increment` of a counter.
    Increment,
    /// `get` of a dict.
    Get,
}

/// Operations a second over one connection, with so many under way.
pub(crate) fn pipelined(
    options: Options,
    work: Work,
    window: usize,
    time: Duration,
) -> Result<f64> {
    run(async move {
        let client = options.connect().await?;
        let count = match work {
            Work::Increment => {
                let counter = counter(&client, Durability::Memory).await?;
                pipeline(window, time, || counter.increment(1).into_future()).await?
            }
            Work::Get => {
                let dict = dict(&client).await?;
                pipeline(window, time, || dict.get("key")).await?
            }
        };
        client.close().await;
        Ok(count)
    })
}

/// Keeps a window of operations under way, oldest first, and counts.
async fn pipeline<F, T>(window: usize, time: Duration, call: impl Fn() -> F) -> Result<f64>
where
    F: Future<Output = commonhold::Result<T>> + Unpin,
{
    let start = Instant::now();
    let mut under_way = VecDeque::with_capacity(window);
    let mut count = 0_u32;
    poll_fn(|cx| {
        loop {
            // A call is sent when it is first polled.
            while under_way.len() < window {
                let mut next = call();
                match Pin::new(&mut next).poll(cx) {
                    Poll::Ready(answer) => drop(answer?),
                    Poll::Pending => under_way.push_back(next),
                }
            }
            while let Some(oldest) = under_way.front_mut() {
                match Pin::new(oldest).poll(cx) {
                    Poll::Ready(answer) => drop(answer?),
                    Poll::Pending if under_way.len() == window => return Poll::Pending,
                    Poll::Pending => break,
                }
                under_way.pop_front();
                count += 1;
            }
            if start.elapsed() >= time {
                return Poll::Ready(anyhow::Ok(()));
            }
        }
    })
    .await?;
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// How callers share connections.
#[derive(Clone, Copy)]
pub(crate) enum Connections {
    /// Each has its own.
    Own,
    /// All have one.
    Shared,
}

/// Operations a second of so many callers, each one operation at a time.
pub(crate) fn side_by_side(
    options: Options,
    durability: Durability,
    callers: usize,
    connections: Connections,
    time: Duration,
) -> Result<f64> {
    run(async move {
        let first = options.connect().await?;
        let mut clients = vec![first.clone()];
        for _ in 1..callers {
            clients.push(match connections {
                Connections::Own => first.lane().await?,
                Connections::Shared => first.clone(),
            });
        }
        let ended = Rc::new(Cell::new(false));
        let mut tasks = Vec::new();
        let mut counters = Vec::new();
        for client in &clients {
            counters.push(counter(client, durability).await?);
        }
        let start = Instant::now();
        for counter in counters {
            let ended = Rc::clone(&ended);
            tasks.push(tokio::task::spawn_local(async move {
                let mut count = 0_u32;
                while !ended.get() {
                    counter.increment(1).await?;
                    count += 1;
                }
                commonhold::Result::Ok(count)
            }));
        }
        tokio::time::sleep(time).await;
        ended.set(true);
        let mut count = 0;
        for task in tasks {
            count += task.await??;
        }
        let rate = f64::from(count) / start.elapsed().as_secs_f64();
        drop(clients);
        first.close().await;
        Ok(rate)
    })
}

/// Runs a load on one thread.
pub(crate) fn run<T>(load: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    LocalSet::new().block_on(&runtime, load)
}

/// The counter, already opened by its name.
async fn counter(client: &Client, durability: Durability) -> Result<Counter<Client>> {
    let counter = client
        .counter(counter_name(durability))
        .durability(durability);
    counter.increment(1).await?;
    Ok(counter)
}

async fn dict(client: &Client) -> Result<Dict<String, i64, Client>> {
    let dict = client
        .dict(dict_name(Durability::Memory))
        .durability(Durability::Memory);
    dict.set("key", 1).await?;
    Ok(dict)
}
