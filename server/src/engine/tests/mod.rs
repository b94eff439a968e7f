//! The engine under examination: scenarios by theme, a seeded simulation, planted faults, and real threads.

mod harness;
mod kinds;
mod peer;

mod exactly_once;

pub(super) use kinds::KINDS;
