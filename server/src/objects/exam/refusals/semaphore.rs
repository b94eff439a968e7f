//! What semaphores refuse.

use super::*;

#[test]
fn there_are_not_fewer_permits_than_none() {
    for kind in ["semaphore", "bounded_semaphore"] {
        let words = "the option \"permits\" must be an int of at least 0, not -1";
        not_created(kind, &[("permits", (-1).into())], Code::BadArguments, words);
        let words = "the option \"permits\" must be an int of at least 0, not \"x\"";
        not_created(kind, &[("permits", "x".into())], Code::BadArguments, words);
    }
}

#[test]
fn a_bounded_semaphore_is_not_released_above_its_value() {
    for owned in [false, true] {
        let options = [("permits", 1.into()), ("owned", owned.into())];
        let semaphore = &mut bench("bounded_semaphore", &options);
        let words = "Semaphore released too many times";
        refused(semaphore, plain("release"), Code::OutOfBounds, words);
        done(semaphore, 1, plain("acquire"));
        done(semaphore, 1, plain("release"));
        refused(semaphore, plain("release"), Code::OutOfBounds, words);
    }
}
