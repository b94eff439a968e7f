//! What a barrier refuses.

use super::*;

/// Two parties that wait, of three.
fn two_of_three() -> (Bench, [u64; 2]) {
    let mut barrier = bench("barrier", &[("parties", 3.into())]);
    let parties = [1, 2].map(|session| {
        assert_eq!(barrier.call(session, true, plain("wait")), None, "it waits");
        barrier.number()
    });
    (barrier, parties)
}

#[test]
fn nobody_waits_at_a_broken_barrier() {
    let barrier = &mut bench("barrier", &[("parties", 2.into())]);
    done(barrier, 1, plain("abort"));
    refused(
        barrier,
        plain("wait"),
        Code::Broken,
        "the barrier is broken",
    );
    done(barrier, 1, plain("reset"));
    assert_eq!(barrier.call(1, true, plain("wait")), None, "it waits");
}

#[test]
fn whoever_waits_is_told_of_an_abort_and_of_a_reset() {
    for end in ["abort", "reset"] {
        let (mut barrier, parties) = two_of_three();
        done(&mut barrier, 3, plain(end));
        for party in parties {
            let words = "the barrier broke while this party waited";
            told(&mut barrier, party, Code::Broken, words);
        }
    }
}

#[test]
fn whoever_waits_for_too_long_breaks_the_barrier_for_all() {
    let (mut barrier, [late, other]) = two_of_three();
    barrier.deadline(late);
    let words = "timed out waiting for the other parties, so the barrier is broken";
    told(&mut barrier, late, Code::Broken, words);
    let words = "the barrier broke while this party waited";
    told(&mut barrier, other, Code::Broken, words);
    refused(
        &mut barrier,
        plain("wait"),
        Code::Broken,
        "the barrier is broken",
    );
}

#[test]
fn there_is_at_least_one_party() {
    for parties in [0, -1] {
        let words = format!("the option \"parties\" must be an int of at least 1, not {parties}");
        not_created(
            "barrier",
            &[("parties", parties.into())],
            Code::BadArguments,
            &words,
        );
    }
}
