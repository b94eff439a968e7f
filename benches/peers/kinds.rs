//! The rows of the kinds: what one thing that is done with each costs, one at a time.

use crate::echo::{self, per_step};
use crate::python;
use crate::redis::Chore;
use crate::rows::{ECHO, Peer, Row, UNIX, Unit};
use anyhow::{Result, ensure};
use commonhold::Durability::{self, Durable, Memory};
use commonhold::{Call, Options, Value};
use std::time::Duration;

/// What is done over and over.
#[derive(Clone, Copy)]
enum Work {
    /// Puts an item and gets it.
    PutGet,
    /// Puts an item, takes it and acknowledges it.
    TakeAck,
    /// Takes a lock that nobody holds, and gives it back.
    Lock,
    /// Takes one of many permits, and gives it back.
    Permit,
    /// Appends to a list.
    Append,
}

const PUT_GET: &str = "LPUSH and BRPOP, blocking socket";
const TAKE_ACK: &str = "LPUSH, BLMOVE and LREM, blocking socket";
const PUT_GET_ALWAYS: &str = "LPUSH and BRPOP, appendfsync always";
const TAKE_ACK_ALWAYS: &str = "LPUSH, BLMOVE and LREM, appendfsync always";

/// A row that informs: microseconds of what is done, over the Unix socket.
const INFORMS: Row = Row {
    name: "",
    unit: Unit::Micros,
    transport: UNIX,
    durability: "memory",
    peer: Peer::Machine,
    peer_name: ECHO,
    bar: None,
    ours: |_, _| Ok(f64::NAN),
    theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
};

/// All of them.
pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "queue_put_get_vs_redis",
        peer: Peer::Redis,
        peer_name: PUT_GET,
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::PutGet, time),
        theirs: |lab, time| lab.redis()?.micros(Chore::PutGet, time),
        ..INFORMS
    },
    Row {
        name: "queue_take_ack_vs_redis",
        peer: Peer::Redis,
        peer_name: TAKE_ACK,
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::TakeAck, time),
        theirs: |lab, time| lab.redis()?.micros(Chore::TakeAck, time),
        ..INFORMS
    },
    Row {
        name: "queue_put_get_durable_vs_redis_always",
        durability: "durable",
        peer: Peer::Redis,
        peer_name: PUT_GET_ALWAYS,
        ours: |lab, time| micros(lab.ours().unix(), Durable, Work::PutGet, time),
        theirs: |lab, time| lab.redis_always()?.micros(Chore::PutGet, time),
        ..INFORMS
    },
    Row {
        name: "queue_take_ack_durable_vs_redis_always",
        durability: "durable",
        peer: Peer::Redis,
        peer_name: TAKE_ACK_ALWAYS,
        ours: |lab, time| micros(lab.ours().unix(), Durable, Work::TakeAck, time),
        theirs: |lab, time| lab.redis_always()?.micros(Chore::TakeAck, time),
        ..INFORMS
    },
    Row {
        name: "queue_put_get_vs_python_manager",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().Queue(): put, get",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::PutGet, time),
        theirs: |_, time| python::manager_micros("queue", time),
        ..INFORMS
    },
    Row {
        name: "lock_acquire_release_vs_echo",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Lock, time),
        ..INFORMS
    },
    Row {
        name: "lock_acquire_release_vs_python_manager",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().Lock(): acquire, release",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Lock, time),
        theirs: |_, time| python::manager_micros("lock", time),
        ..INFORMS
    },
    Row {
        name: "semaphore_acquire_release_vs_echo",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Permit, time),
        ..INFORMS
    },
    Row {
        name: "semaphore_acquire_release_vs_python",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().Semaphore(): acquire, release",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Permit, time),
        theirs: |_, time| python::manager_micros("semaphore", time),
        ..INFORMS
    },
    Row {
        name: "list_append_vs_echo",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Append, time),
        ..INFORMS
    },
    Row {
        name: "list_append_vs_python_manager",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().list().append",
        ours: |lab, time| micros(lab.ours().unix(), Memory, Work::Append, time),
        theirs: |_, time| python::manager_micros("append", time),
        ..INFORMS
    },
];

/// Microseconds of one piece of work of a blocking client.
fn micros(options: Options, durability: Durability, work: Work, time: Duration) -> Result<f64> {
    let client = options.connect_blocking()?;
    let name = |kind: &str| format!("bench-{kind}-{}", durability.name());
    match work {
        Work::PutGet | Work::TakeAck => {
            let queue = client.object("queue", &name("queue"));
            let queue = queue.durability(durability);
            let put = || queue.call(Call::new("put", [1.into()]));
            if matches!(work, Work::PutGet) {
                return per_step(time, || {
                    put()?;
                    ensure!(queue.call(Call::new("get", []))? == 1.into());
                    Ok(())
                });
            }
            per_step(time, || {
                put()?;
                let taken = queue.call(Call::new("take", []))?;
                queue.call(Call::new("ack", [receipt(&taken)]))?;
                Ok(())
            })
        }
        Work::Lock => {
            let lock = client.lock(&name("lock")).durability(durability);
            per_step(time, || Ok(lock.acquire().call()?.release()?))
        }
        Work::Permit => {
            let semaphore = client.semaphore(&name("semaphore"), 1_000);
            let semaphore = semaphore.durability(durability);
            per_step(time, || Ok(semaphore.acquire().call()?.release()?))
        }
        Work::Append => {
            let list = client.list::<i64>(&name("list")).durability(durability);
            list.clear()?;
            per_step(time, || Ok(list.append(1)?))
        }
    }
}

/// What an item that was taken is acknowledged by.
fn receipt(taken: &Value) -> Value {
    let Value::Dict(pairs) = taken else {
        return Value::Null;
    };
    let receipt = pairs.iter().find(|(key, _)| *key == "receipt".into());
    receipt.map_or(Value::Null, |(_, receipt)| receipt.clone())
}
