//! The engine under examination: scenarios by theme, a seeded simulation, planted faults, and real threads.

mod harness;
mod kinds;
mod peer;
mod pointers;
mod queues;

mod actor;
mod beats;
mod changes;
mod checkpoints;
mod conditions;
mod exactly_once;
mod fenced_conditions;
mod fenced_names;
mod fences;
mod forgotten;
mod gate;
mod hold;
mod identity;
mod lanes;
mod lapsing;
mod leases;
mod links;
mod locks;
mod lost;
mod made;
mod panics;
mod programs;
mod racing;
mod reachability;
mod references;
mod simulation;
mod slot;
mod synchronizers;
mod tally;
mod threads;
mod timers;
mod undone;
mod unheard;
mod waiting;

pub(super) use kinds::KINDS;
