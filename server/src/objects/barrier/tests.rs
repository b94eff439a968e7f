//! A barrier as its parties see it.

use super::super::exam::Bench;
use super::state::BREAKS_MAX;
use super::*;
use proptest::prelude::*;

fn barrier(parties: i64) -> Bench {
    Bench::new(&KIND, &[("parties", parties.into())])
}

fn wait() -> Call {
    Call::new("wait", [])
}

/// Some party arrives and waits: its number.
fn arrive(bench: &mut Bench, session: u64) -> u64 {
    assert_eq!(bench.call(session, true, wait()), None);
    bench.number()
}

/// What a party was told: its index, or `None` for `Broken`.
#[track_caller]
fn told(bench: &Bench, number: u64) -> Option<i64> {
    let (_, answer) = bench
        .told
        .iter()
        .find(|(told, _)| *told == number)
        .expect("it was told");
    match answer {
        Ok(index) => index.as_int(),
        Err(refusal) => {
            assert_eq!(refusal.code, Code::Broken, "{refusal}");
            None
        }
    }
}

#[track_caller]
fn check(bench: &mut Bench, method: &str, expected: impl Into<Value>) {
    assert_eq!(bench.ask(Call::new(method, [])), Ok(expected.into()));
}

#[test]
fn the_last_party_frees_all_again_and_again() {
    let bench = &mut barrier(3);
    check(bench, "parties", 3);
    for _ in 0..3 {
        let (first, second) = (arrive(bench, 1), arrive(bench, 1));
        check(bench, "n_waiting", 2);
        assert_eq!(bench.call(2, false, wait()), Some(Ok(2.into())));
        assert_eq!((told(bench, first), told(bench, second)), (Some(0), Some(1)));
        check(bench, "n_waiting", 0);
        check(bench, "broken", false);
    }
}

#[test]
fn a_barrier_of_one_never_waits() {
    let bench = &mut barrier(1);
    check(bench, "wait", 0);
    assert!(bench.log.is_empty());
}

#[test]
fn parties_must_be_given_and_make_sense() {
    for given in [vec![], vec![0.into()], vec!["2".into()], vec![true.into()]] {
        let given: Vec<_> = given.into_iter().map(|v| ("parties".into(), v)).collect();
        let options = super::super::Options::check(&KIND, &given).expect("it is known");
        let refusal = (KIND.create)(&options).err().expect("it makes no sense");
        assert_eq!(refusal.code, Code::BadArguments);
    }
}

#[test]
fn one_time_out_breaks_it_for_all_until_it_is_reset() {
    let bench = &mut barrier(3);
    let (first, second) = (arrive(bench, 1), arrive(bench, 2));
    bench.deadline(first);
    assert_eq!((told(bench, first), told(bench, second)), (None, None));
    check(bench, "broken", true);
    check(bench, "n_waiting", 0);
    let refusal = bench.ask(wait()).expect_err("it is broken");
    assert_eq!(refusal.code, Code::Broken);
    check(bench, "reset", Value::Null);
    check(bench, "broken", false);
    arrive(bench, 1);
}

#[test]
fn who_may_not_wait_breaks_it() {
    let bench = &mut barrier(2);
    let refusal = bench.ask(wait()).expect_err("it may not wait");
    assert_eq!(refusal.code, Code::Broken);
    check(bench, "broken", true);
}

#[test]
fn a_dead_party_breaks_it() {
    for why in [Lapse::Died, Lapse::Goodbye] {
        let bench = &mut barrier(4);
        let parties = [arrive(bench, 1), arrive(bench, 2), arrive(bench, 1)];
        bench.end_lease(1, why);
        assert_eq!(told(bench, parties[1]), None, "those of the dead are not told");
        check(bench, "broken", true);
        bench.end_lease(2, why);
        check(bench, "broken", true);
    }
}

#[test]
fn abort_and_reset_free_who_waits() {
    for (method, broken) in [("abort", true), ("reset", false)] {
        let bench = &mut barrier(2);
        let party = arrive(bench, 1);
        check(bench, method, Value::Null);
        assert_eq!(told(bench, party), None);
        check(bench, "broken", broken);
        check(bench, method, Value::Null);
        check(bench, "broken", broken);
    }
    let bench = &mut barrier(2);
    check(bench, "reset", Value::Null);
    assert!(bench.log.is_empty(), "there was nothing to reset");
}

#[test]
fn parties_without_a_session_arrive_one_by_one() {
    let bench = &mut barrier(3);
    assert_eq!(bench.call_unary(true, wait()), None);
    assert_eq!(bench.call_unary(true, wait()), None);
    check(bench, "n_waiting", 2);
    assert_eq!(bench.call_unary(true, wait()), Some(Ok(2.into())));
}

/// One generation ends: by opening, or broken.
fn end_generation(bench: &mut Bench, breaks: bool) {
    arrive(bench, 2);
    if breaks {
        check(bench, "reset", Value::Null);
    } else {
        check(bench, "wait", 1);
    }
}

#[test]
fn so_many_breaks_are_remembered_and_no_more() {
    let bench = &mut barrier(2);
    for (first_breaks, expected) in [(false, Some(0)), (true, None)] {
        let party = arrive(bench, 1);
        let resume = bench.withdraw(party);
        if first_breaks {
            check(bench, "reset", Value::Null);
        } else {
            check(bench, "wait", 1);
        }
        for _ in 0..1000 {
            end_generation(bench, false);
        }
        for round in 0.. {
            let answer = bench.call(1, true, resume.clone()).expect("it is over");
            let index = answer.map(|value| value.as_int()).map_err(|r| r.code);
            let kept = if first_breaks { BREAKS_MAX - 1 } else { BREAKS_MAX };
            if round > kept {
                assert_eq!(index, Err(Code::Broken), "what is forgotten is never \"passed\"");
                break;
            }
            assert_eq!(index, expected.map(Some).ok_or(Code::Broken));
            end_generation(bench, true);
        }
        let row = bench.object.row(&GENERATION).expect("it was written");
        let Row::Put { value, .. } = row else { unreachable!() };
        assert!(value.size() < 10_000);
    }
}

proptest! {
    /// However long a party is away, it learns what became of its own generation.
    #[test]
    fn a_party_that_was_away_learns_its_outcome(
        ends in prop::collection::vec(any::<bool>(), 1..20),
    ) {
        let mut bench = barrier(3);
        let mut away = Vec::new();
        for breaks in ends {
            let (first, second) = (arrive(&mut bench, 1), arrive(&mut bench, 2));
            let resume = bench.withdraw(first);
            if breaks {
                bench.deadline(second);
                check(&mut bench, "reset", Value::Null);
            } else {
                check(&mut bench, "wait", 2);
            }
            prop_assert_eq!(told(&bench, second), (!breaks).then_some(1));
            away.push((resume, breaks));
            for (resume, broke) in &away {
                let answer = bench.call(1, true, resume.clone());
                let index = answer.expect("it is over").map_err(|refusal| refusal.code);
                prop_assert_eq!(index, if *broke { Err(Code::Broken) } else { Ok(0.into()) });
            }
        }
    }
}
