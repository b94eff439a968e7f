//! The rows of what must hold however many wait, and however many objects there are.

use crate::echo;
use crate::handover;
use crate::load::{Step, one_at_a_time, run};
use crate::rows::{ECHO, Peer, Row, UNIX, Unit};
use anyhow::{Context as _, Result, ensure};
use commonhold::Durability::{Durable, Memory};
use commonhold::{Call, Client, Object, Options};
use futures_util::future::{BoxFuture, join_all};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use std::future::poll_fn;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

/// Sessions of a crowd, and calls of each that wait.
const CROWD: (usize, usize) = (100, 100);
/// Objects of the server that has many.
const OBJECTS: u32 = 100_000;
/// Creations under way at a time.
const WINDOW: usize = 512;

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "event_set_10000_waiters_vs_echo",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: "one waiter; 64-byte echo, blocking sockets",
        bar: None,
        ours: |lab, time| released_micros(lab.ours().unix(), time),
        theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
    },
    Row {
        name: "queue_len_10000_puts_wait_vs_none",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: "ours, with nobody waiting",
        bar: Some(1.2),
        ours: |lab, time| len_micros(lab.ours().unix(), CROWD, time),
        theirs: |lab, time| len_micros(lab.ours().unix(), (0, 0), time),
    },
    Row {
        name: "lock_handover_vs_echo",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: ECHO,
        bar: Some(3.0),
        ours: |lab, time| handover::micros(lab, Memory, time),
        theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
    },
    Row {
        name: "lock_handover_durable_vs_raw_fsync",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Machine,
        peer_name: "100-byte append and fdatasync",
        bar: None,
        ours: |lab, time| handover::micros(lab, Durable, time),
        theirs: |lab, time| echo::append_micros(lab.folder(), time),
    },
    Row {
        name: "get_beside_100000_objects_vs_few",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: "ours, with few objects",
        bar: Some(1.2),
        ours: |lab, time| one_at_a_time(lab.crowded()?.unix(), Memory, Step::Get, time),
        theirs: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::Get, time),
    },
];

/// Calls that wait.
struct Crowd {
    clients: Vec<Client>,
    waiting: Vec<BoxFuture<'static, commonhold::Result<()>>>,
}

impl Crowd {
    /// Makes a call that waits, so often in each of so many sessions; returns when all of them wait.
    async fn gather(
        options: &Options,
        (sessions, each): (usize, usize),
        object: impl Fn(&Client) -> Object<Client>,
        call: &Call,
        look: &Call,
    ) -> Result<Crowd> {
        let (mut clients, mut waiting) = (Vec::new(), Vec::new());
        for _ in 0..sessions {
            let client = options.clone().connect().await?;
            let object = object(&client);
            // It is open, so that the calls that follow are as small as they are again and again.
            object.call(look.clone()).await?;
            let first = waiting.len();
            for _ in 0..each {
                let call = object.call(call.clone());
                waiting.push(async move { call.await.map(drop) }.boxed());
            }
            poll_fn(|cx| {
                // A call is sent when it is first polled.
                let waits = waiting[first..]
                    .iter_mut()
                    .all(|call| call.poll_unpin(cx).is_pending());
                Poll::Ready(waits)
            })
            .await
            .then_some(())
            .context("a call did not wait")?;
            // Calls of one session are carried out in order: all before this one wait.
            object.call(look.clone()).await?;
            clients.push(client);
        }
        Ok(Crowd { clients, waiting })
    }

    async fn close(self) {
        for client in self.clients {
            client.close().await;
        }
    }
}

/// Microseconds for each waiter of an event, from the call that sets it to the last reply.
fn released_micros(options: Options, time: Duration) -> Result<f64> {
    run(async move {
        let setter = options.clone().connect().await?;
        let begun = Instant::now();
        let (mut took, mut count) = (Duration::ZERO, 0_u32);
        let event = |client: &Client| client.object("event", "bench-event").durability(Memory);
        let go = event(&setter);
        while count == 0 || begun.elapsed() < time {
            go.call(Call::new("clear", [])).await?;
            let (wait, look) = (Call::new("wait", []), Call::new("is_set", []));
            let mut crowd = Crowd::gather(&options, CROWD, event, &wait, &look).await?;
            let waiting = std::mem::take(&mut crowd.waiting);
            count += u32::try_from(waiting.len())?;
            let set = Instant::now();
            let (done, released) = tokio::join!(go.call(Call::new("set", [])), join_all(waiting));
            took += set.elapsed();
            done?;
            released.into_iter().collect::<commonhold::Result<()>>()?;
            crowd.close().await;
        }
        setter.close().await;
        Ok(took.as_secs_f64() * 1e6 / f64::from(count))
    })
}

/// Microseconds of one `len` of a full queue on which a crowd waits to put.
fn len_micros(options: Options, crowd: (usize, usize), time: Duration) -> Result<f64> {
    /// Each sample has a queue of its own.
    static QUEUES: AtomicU32 = AtomicU32::new(0);
    let name = format!("bench-full-{}", QUEUES.fetch_add(1, Ordering::Relaxed));
    run(async move {
        let client = options.clone().connect_blocking()?;
        let queue = client.object("queue", &name).durability(Memory);
        let queue = queue.option("maxsize", 1);
        let (put, len) = (Call::new("put", [1.into()]), Call::new("len", []));
        queue.call(put.clone())?;
        let full = |client: &Client| client.object("queue", &name).durability(Memory);
        let mut crowd = Crowd::gather(&options, crowd, full, &put, &len).await?;
        let micros = echo::per_step(time, || {
            ensure!(queue.call(len.clone())? == 1.into());
            Ok(())
        })?;
        queue.call(Call::new("shutdown", []))?;
        let ended = join_all(std::mem::take(&mut crowd.waiting)).await;
        ensure!(ended.iter().all(Result::is_err), "a put found room");
        crowd.close().await;
        client.server().delete(&name)?;
        Ok(micros)
    })
}

/// Makes the objects of the server that has many.
pub(crate) fn fill(options: Options) -> Result<()> {
    run(async move {
        let client = options.connect().await?;
        let make = |number| {
            let counter = client.counter(&format!("object-{number:06}"));
            counter.increment(1).into_future()
        };
        let mut made = stream::iter(0..OBJECTS).map(make).buffer_unordered(WINDOW);
        while let Some(made) = made.next().await {
            made?;
        }
        drop(made);
        client.close().await;
        Ok(())
    })
}
