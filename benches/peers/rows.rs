//! The rows: what is compared with what, and how good it has to be.

use crate::echo;
use crate::lab::Lab;
use crate::lean;
use crate::load::{Connections, Step, Work, one_at_a_time, pipelined, side_by_side};
use crate::python;
use crate::{kinds, scale};
use anyhow::Result;
use commonhold::Durability::{self, Durable, Memory};
use std::time::Duration;

/// All rows, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Row> {
    [ROWS, kinds::ROWS, scale::ROWS].into_iter().flatten()
}

/// One comparison.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) unit: Unit,
    pub(crate) transport: &'static str,
    pub(crate) durability: &'static str,
    pub(crate) peer: Peer,
    pub(crate) peer_name: &'static str,
    /// The ratio of ours to the peer's that must be reached, or kept below; none for rows that only inform.
    pub(crate) bar: Option<f64>,
    pub(crate) ours: Sample,
    pub(crate) theirs: Sample,
}

/// Measures for about a time.
pub(crate) type Sample = fn(&Lab, Duration) -> Result<f64>;

/// Whom a row needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// The bare machine.
    Machine,
    Redis,
    Python,
}

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Microseconds of one operation: fewer are better.
    Micros,
    /// Operations a second: more are better.
    Rate,
}

impl Unit {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Unit::Micros => "us/op",
            Unit::Rate => "ops/s",
        }
    }

    pub(crate) fn better(self) -> &'static str {
        match self {
            Unit::Micros => "lower",
            Unit::Rate => "higher",
        }
    }

    /// Does a ratio reach the bar?
    pub(crate) fn reaches(self, ratio: f64, bar: f64) -> bool {
        match self {
            Unit::Micros => ratio <= bar,
            Unit::Rate => ratio >= bar,
        }
    }
}

pub(crate) const UNIX: &str = "unix";
const TCP: &str = "tcp";
pub(crate) const ECHO: &str = "64-byte echo, blocking sockets";

/// The rows of calls that cost least: counters and dicts.
const ROWS: &[Row] = &[
    Row {
        name: "op_unix_vs_echo",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: ECHO,
        bar: Some(2.0),
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::Increment, time),
        theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
    },
    Row {
        name: "pipeline_unix_vs_redis_unix",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 1 -P 128",
        bar: Some(1.0),
        ours: |lab, time| lean_one(lab, Memory, lean::PIPELINED, time),
        theirs: |lab, time| lab.redis()?.unix("incr", 1, 128, time),
    },
    Row {
        name: "c50_unix_vs_redis_unix",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 50 -P 1",
        bar: Some(1.0),
        ours: |lab, time| lean_many(lab, Memory, 50, time),
        theirs: |lab, time| lab.redis()?.unix("incr", 50, 1, time),
    },
    Row {
        name: "durable64_vs_redis_always",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 64, appendfsync always",
        bar: Some(1.0),
        ours: |lab, time| lean_many(lab, Durable, 64, time),
        theirs: |lab, time| lab.redis_always()?.unix("incr", 64, 1, time),
    },
    Row {
        name: "durable64_shared_vs_redis_always",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 64, appendfsync always",
        bar: Some(1.5),
        ours: |lab, time| lean_one(lab, Durable, lean::callers(64), time),
        theirs: |lab, time| lab.redis_always()?.unix("incr", 64, 1, time),
    },
    Row {
        name: "durable1_vs_raw_fsync",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Machine,
        peer_name: "100-byte append and fdatasync",
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Durable, Step::Increment, time),
        theirs: |lab, time| echo::append_micros(lab.folder(), time),
    },
    Row {
        name: "get_unix_vs_echo",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: ECHO,
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::Get, time),
        theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
    },
    Row {
        name: "dict_increment_unix_vs_echo",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: ECHO,
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::DictIncrement, time),
        theirs: |lab, time| echo::unix_micros(lab.echo()?, time),
    },
    Row {
        name: "op_tcp_vs_echo",
        unit: Unit::Micros,
        transport: TCP,
        durability: "memory",
        peer: Peer::Machine,
        peer_name: ECHO,
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().tcp(), Memory, Step::Increment, time),
        theirs: |lab, time| echo::tcp_micros(lab.echo()?, time),
    },
    Row {
        name: "pipeline_client_vs_redis_unix",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 1 -P 128",
        bar: None,
        ours: |lab, time| pipelined(lab.ours().unix(), Work::Increment, 128, time),
        theirs: |lab, time| lab.redis()?.unix("incr", 1, 128, time),
    },
    Row {
        name: "c50_client_vs_redis_unix",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 50 -P 1",
        bar: None,
        ours: |lab, time| side_by_side(lab.ours().unix(), Memory, 50, Connections::Own, time),
        theirs: |lab, time| lab.redis()?.unix("incr", 50, 1, time),
    },
    Row {
        name: "durable64_client_vs_redis_always",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 64, appendfsync always",
        bar: None,
        ours: |lab, time| side_by_side(lab.ours().unix(), Durable, 64, Connections::Own, time),
        theirs: |lab, time| lab.redis_always()?.unix("incr", 64, 1, time),
    },
    Row {
        name: "durable64_client_shared_vs_redis_always",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "durable",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 64, appendfsync always",
        bar: None,
        ours: |lab, time| side_by_side(lab.ours().unix(), Durable, 64, Connections::Shared, time),
        theirs: |lab, time| lab.redis_always()?.unix("incr", 64, 1, time),
    },
    Row {
        name: "pipeline_get_unix_vs_redis_unix",
        unit: Unit::Rate,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t get -c 1 -P 128",
        bar: None,
        ours: |lab, time| pipelined(lab.ours().unix(), Work::Get, 128, time),
        theirs: |lab, time| lab.redis()?.unix("get", 1, 128, time),
    },
    Row {
        name: "pipeline_tcp_vs_redis_tcp",
        unit: Unit::Rate,
        transport: TCP,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 1 -P 128",
        bar: None,
        ours: |lab, time| pipelined(lab.ours().tcp(), Work::Increment, 128, time),
        theirs: |lab, time| lab.redis()?.tcp("incr", 1, 128, time),
    },
    Row {
        name: "c50_tcp_vs_redis_tcp",
        unit: Unit::Rate,
        transport: TCP,
        durability: "memory",
        peer: Peer::Redis,
        peer_name: "redis-benchmark -t incr -c 50 -P 1",
        bar: None,
        ours: |lab, time| {
            let ours = lab.ours();
            lean::many_connections(&ours.tcp_place(), &ours.key_file(), Memory, 50, time)
        },
        theirs: |lab, time| lab.redis()?.tcp("incr", 50, 1, time),
    },
    Row {
        name: "get_vs_python_manager",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().dict().get",
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::Get, time),
        theirs: |_, time| python::manager_micros("get", time),
    },
    Row {
        name: "set_vs_python_manager",
        unit: Unit::Micros,
        transport: UNIX,
        durability: "memory",
        peer: Peer::Python,
        peer_name: "multiprocessing.Manager().dict().__setitem__",
        bar: None,
        ours: |lab, time| one_at_a_time(lab.ours().unix(), Memory, Step::Set, time),
        theirs: |_, time| python::manager_micros("set", time),
    },
];

/// Increments a second over one Unix socket.
fn lean_one(lab: &Lab, durability: Durability, pace: lean::Pace, time: Duration) -> Result<f64> {
    let ours = lab.ours();
    lean::one_connection(&ours.unix_place(), &ours.key_file(), durability, pace, time)
}

/// Increments a second over so many Unix sockets, one call at a time on each.
fn lean_many(lab: &Lab, durability: Durability, count: usize, time: Duration) -> Result<f64> {
    let ours = lab.ours();
    lean::many_connections(
        &ours.unix_place(),
        &ours.key_file(),
        durability,
        count,
        time,
    )
}
