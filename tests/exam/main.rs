//! What the README promises, examined from outside: the real server in a process of its own, clients in theirs, real
//! sockets, and faults. One file a promise.
//!
//! `COMMONHOLD_EXAM=full` takes the counts that the promises are made on; otherwise they fit a working day. Each exam
//! leaves its figures in `target/exam.json`. A fault that hits an idle or a crawling server proves nothing: an exam fails
//! below its floor of acknowledged operations a second, and a fault when nothing was under way counts for no round.

mod support;

mod barrier;
mod death;
mod exactly_once;
mod histories;
mod kill_ledger;
mod limits;
mod locks;
mod queues;
mod races;
mod scale;
mod syncs;
