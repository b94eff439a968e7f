//! What locks and conditions refuse.

use super::*;

#[test]
fn a_lock_that_is_free_is_not_released() {
    for owned in [false, true] {
        let lock = &mut bench("lock", &[("owned", owned.into())]);
        let words = "release unlocked lock";
        refused(lock, plain("release"), Code::NotOwner, words);
        done(lock, 1, plain("acquire"));
        done(lock, 1, plain("release"));
        refused(lock, plain("release"), Code::NotOwner, words);
    }
}

#[test]
fn a_lock_that_is_held_is_not_had() {
    for kind in ["lock", "rlock", "condition"] {
        let lock = &mut bench(kind, &[]);
        done(lock, 1, plain("acquire"));
        let now = plain("acquire").with("blocking", false);
        refused_to(lock, 2, now, Code::WouldBlock, "the lock is held");
        let late = lock.call(2, false, plain("acquire"));
        let late = late.expect("it has no time to wait");
        expect(late, Code::DeadlineExceeded, "the lock is held");
    }
}

#[test]
fn only_its_holder_releases_an_rlock() {
    let words = "cannot release un-acquired lock";
    for kind in ["rlock", "condition"] {
        let lock = &mut bench(kind, &[]);
        refused(lock, plain("release"), Code::NotOwner, words);
        done(lock, 1, plain("acquire"));
        done(lock, 1, plain("acquire"));
        refused_to(lock, 2, plain("release"), Code::NotOwner, words);
        done(lock, 1, plain("release"));
        done(lock, 1, plain("release"));
        refused(lock, plain("release"), Code::NotOwner, words);
    }
}

#[test]
fn nobody_is_notified_without_the_lock() {
    let words = "cannot notify on un-acquired lock";
    let condition = &mut bench("condition", &[]);
    for method in ["notify", "notify_all"] {
        refused(condition, plain(method), Code::NotOwner, words);
    }
    done(condition, 1, plain("acquire"));
    for method in ["notify", "notify_all"] {
        refused_to(condition, 2, plain(method), Code::NotOwner, words);
    }
}

#[test]
fn nobody_waits_without_the_lock() {
    let words = "cannot wait on un-acquired lock";
    let condition = &mut bench("condition", &[]);
    refused(condition, plain("wait"), Code::NotOwner, words);
    done(condition, 1, plain("acquire"));
    refused_to(condition, 2, plain("wait"), Code::NotOwner, words);
}
