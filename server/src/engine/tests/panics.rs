//! A thread that the server cannot do without panics: nothing more is answered, instead of something never happening.

use super::super::{Engine, Limits};
use crate::clock::FailingTime;
use crate::store::{StoreMaker, StoreOptions};
use std::sync::atomic::Ordering;

/// Without its timekeeper no wait and no lease would ever end.
#[test]
fn a_panic_of_the_timekeeper_poisons_the_engine() {
    let time = FailingTime::default();
    let store = StoreMaker::find("memory").expect("it is in the list");
    let store = store.open(&StoreOptions::new("")).expect("it is free");
    let started = Engine::start(store, Limits::default(), Box::new(time.clone()));
    let engine = started.expect("there is nothing to read").0;
    time.0.store(true, Ordering::Relaxed);
    engine.keep_time();
    assert!(engine.gate.is_broken());
    let why = engine.poison.lock().clone().expect("it is poisoned");
    assert!(why.contains("\"time\" panicked: the clock fails"), "{why}");
}
