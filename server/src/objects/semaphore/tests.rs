//! A semaphore as its holders see it.

use super::super::bounded_semaphore;
use super::super::exam::Bench;
use super::super::{Lapse, Options};
use super::*;
use proptest::prelude::*;

fn semaphore(permits: i64) -> Bench {
    Bench::new(&KIND, &[("permits", permits.into())])
}

fn bounded(permits: i64) -> Bench {
    Bench::new(&bounded_semaphore::KIND, &[("permits", permits.into())])
}

fn unowned(kind: &'static Kind, permits: i64) -> Bench {
    Bench::new(
        kind,
        &[("permits", permits.into()), ("owned", false.into())],
    )
}

fn acquire(n: i64) -> Call {
    Call::new("acquire", [n.into()])
}

fn release(n: i64) -> Call {
    Call::new("release", [n.into()])
}

/// A session takes so many, or waits: then the number of its call.
#[track_caller]
fn take(bench: &mut Bench, session: u64, n: i64) -> Option<u64> {
    match bench.call(session, true, acquire(n)) {
        None => Some(bench.number()),
        Some(answer) => {
            assert_eq!(answer, Ok(true.into()));
            None
        }
    }
}

#[track_caller]
fn give(bench: &mut Bench, session: u64, n: i64) {
    assert_eq!(bench.call(session, true, release(n)), Some(Ok(Value::Null)));
}

#[track_caller]
fn check_value(bench: &mut Bench, expected: i64) {
    assert_eq!(bench.ask(Call::new("value", [])), Ok(expected.into()));
}

#[track_caller]
fn check_refused(answer: Option<Result<Value, Refusal>>, code: Code, message: &str) {
    let refusal = answer.expect("it is answered").expect_err("it is refused");
    assert_eq!((refusal.code, &*refusal.message), (code, message));
}

#[test]
fn permits_are_taken_until_none_is_left() {
    for bench in &mut [semaphore(2), bounded(2), unowned(&KIND, 2)] {
        assert_eq!(take(bench, 1, 1), None);
        assert_eq!(take(bench, 2, 1), None);
        check_value(bench, 0);
        assert_eq!(bench.ask(acquire(1)), Ok(false.into()));
        let waiter = take(bench, 3, 1).expect("none is left");
        give(bench, 1, 1);
        assert_eq!(bench.told, [(waiter, Ok(true.into()))]);
        check_value(bench, 0);
    }
}

#[test]
fn who_may_not_block_is_told_at_once() {
    let bench = &mut semaphore(0);
    let call = acquire(1).with("blocking", false);
    assert_eq!(bench.call(1, true, call), Some(Ok(false.into())));
    assert_eq!(bench.log, []);
}

#[test]
fn nobody_overtakes_in_the_line() {
    let bench = &mut semaphore(2);
    take(bench, 1, 2);
    let first = take(bench, 2, 2).expect("none is left");
    let second = take(bench, 3, 1).expect("it stands behind the first");
    give(bench, 1, 1);
    assert_eq!(bench.told, [], "one permit is not enough for the first");
    assert_eq!(
        bench.ask(acquire(1)),
        Ok(false.into()),
        "the first is ahead"
    );
    give(bench, 1, 1);
    assert_eq!(bench.told, [(first, Ok(true.into()))]);
    give(bench, 2, 1);
    assert_eq!(bench.told[1], (second, Ok(true.into())));
}

#[test]
fn a_time_that_ran_out_answers_false_and_takes_nothing() {
    let bench = &mut semaphore(1);
    take(bench, 1, 1);
    let waiter = take(bench, 2, 1).expect("none is left");
    bench.deadline(waiter);
    assert_eq!(bench.told, [(waiter, Ok(false.into()))]);
    give(bench, 1, 1);
    check_value(bench, 1);
}

#[test]
fn the_permits_of_the_dead_come_back_to_the_first_in_line() {
    for why in [Lapse::Died, Lapse::Goodbye] {
        for bench in &mut [semaphore(3), bounded(3)] {
            take(bench, 1, 2);
            take(bench, 2, 1);
            let first = take(bench, 3, 2).expect("none is left");
            let second = take(bench, 2, 1).expect("none is left");
            bench.end_lease(1, why);
            assert_eq!(bench.told, [(first, Ok(true.into()))]);
            bench.end_lease(3, why);
            assert_eq!(bench.told[1], (second, Ok(true.into())));
            bench.end_lease(2, why);
            check_value(bench, 3);
            assert_eq!(bench.object.entries(), 0);
        }
    }
}

#[test]
fn what_is_not_owned_stays_with_the_dead() {
    for kind in [&KIND, &bounded_semaphore::KIND] {
        let bench = &mut unowned(kind, 2);
        take(bench, 1, 2);
        bench.end_lease(1, Lapse::Died);
        check_value(bench, 0);
        give(bench, 2, 2);
        check_value(bench, 2);
    }
}

#[test]
fn a_semaphore_may_be_raised_by_anyone() {
    let bench = &mut semaphore(0);
    let waiter = take(bench, 1, 1).expect("there is none");
    give(bench, 2, 3);
    assert_eq!(bench.told, [(waiter, Ok(true.into()))]);
    check_value(bench, 2);
    // A permit that was released for its holder does not come back once more.
    give(bench, 2, 1);
    bench.end_lease(1, Lapse::Died);
    check_value(bench, 3);
}

#[test]
fn one_client_acquires_and_another_releases_for_ever() {
    let bench = &mut semaphore(1);
    for _ in 0..100 {
        assert_eq!(take(bench, 1, 1), None);
        give(bench, 2, 1);
    }
    check_value(bench, 1);
    let (rows, _) = bench.object.rows(
        None,
        super::super::RowLimit {
            rows: 9,
            bytes: 9_999,
        },
    );
    assert_eq!(rows, [], "nothing piles up");
}

#[test]
fn a_bounded_semaphore_is_not_released_above_its_value() {
    let text = "Semaphore released too many times";
    for bench in &mut [bounded(2), unowned(&bounded_semaphore::KIND, 2)] {
        check_refused(bench.call(1, true, release(1)), Code::OutOfBounds, text);
        take(bench, 1, 1);
        check_refused(bench.call(1, true, release(2)), Code::OutOfBounds, text);
        check_value(bench, 1);
        give(bench, 2, 1);
        check_refused(bench.call(1, true, release(1)), Code::OutOfBounds, text);
        check_value(bench, 2);
    }
    check_refused(
        bounded(2).call(1, true, acquire(3)),
        Code::BadArguments,
        "acquire: the argument \"n\" is 3, but there are only 2 permits",
    );
}

#[test]
fn a_caller_gives_its_own_back_first() {
    let bench = &mut semaphore(10);
    take(bench, 1, 1);
    take(bench, 2, 3);
    take(bench, 3, 2);
    take(bench, 1, 1);
    // Two of its own, one of the oldest.
    give(bench, 1, 3);
    check_value(bench, 6);
    bench.end_lease(1, Lapse::Died);
    check_value(bench, 6);
    bench.end_lease(2, Lapse::Died);
    check_value(bench, 8);
    bench.end_lease(3, Lapse::Died);
    check_value(bench, 10);
}

#[test]
fn a_caller_without_a_session_takes_only_what_nobody_owns() {
    let text = "only a session can take permits that come back when their holder dies: \
        nobody would see its caller die";
    for bench in &mut [semaphore(1), bounded(1)] {
        for may_wait in [true, false] {
            check_refused(
                bench.call_unary(may_wait, acquire(1)),
                Code::BadArguments,
                text,
            );
        }
        check_value(bench, 1);
        take(bench, 1, 1);
        // Anyone may give back.
        assert_eq!(bench.call_unary(true, release(1)), Some(Ok(Value::Null)));
        check_value(bench, 1);
    }
    let bench = &mut unowned(&KIND, 1);
    assert_eq!(bench.call_unary(true, acquire(1)), Some(Ok(true.into())));
    check_value(bench, 0);
}

#[test]
fn a_part_of_what_was_acquired_can_be_released() {
    let bench = &mut bounded(5);
    take(bench, 1, 4);
    give(bench, 1, 1);
    check_value(bench, 2);
    bench.end_lease(1, Lapse::Died);
    check_value(bench, 5);
}

#[test]
fn permits_and_numbers_must_make_sense() {
    for given in [
        vec![],
        vec![("permits", Value::Int(-1))],
        vec![("permits", "1".into())],
        vec![("permits", 1.into()), ("owned", 1.into())],
    ] {
        let given: Vec<_> = given.into_iter().map(|(n, v)| (n.to_owned(), v)).collect();
        let options = Options::check(&KIND, &given).expect("they are known");
        let refusal = (KIND.create)(&options).err().expect("it makes no sense");
        assert_eq!(refusal.code, Code::BadArguments);
    }
    for method in ["acquire", "release"] {
        check_refused(
            semaphore(1).call(1, true, Call::new(method, [0.into()])),
            Code::BadArguments,
            &format!("{method}: the argument \"n\" must be at least 1"),
        );
    }
    let bench = &mut semaphore(1);
    give(bench, 1, i64::MAX);
    let refusal = bench.ask(release(1)).expect_err("it cannot count so far");
    assert_eq!(refusal.code, Code::OutOfBounds);
}

#[derive(Clone, Debug)]
enum Step {
    Acquire(u64, i64),
    Release(u64, i64),
    Die(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1u64..4, 1i64..4).prop_map(|(session, n)| Step::Acquire(session, n)),
        4 => (1u64..4, 1i64..4).prop_map(|(session, n)| Step::Release(session, n)),
        1 => (1u64..4).prop_map(Step::Die),
    ]
}

proptest! {
    /// Against Python's: one number. What comes back from the dead is what they hold in rows.
    #[test]
    fn the_value_is_pythons(
        initial in 0i64..5,
        is_bounded in any::<bool>(),
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut bench = if is_bounded { bounded(initial) } else { semaphore(initial) };
        let mut value = initial;
        for step in steps {
            match step {
                Step::Acquire(session, n) => {
                    let answer = bench.call(session, false, acquire(n)).expect("it may not wait");
                    if is_bounded && n > initial {
                        prop_assert_eq!(answer.map_err(|r| r.code), Err(Code::BadArguments));
                        continue;
                    }
                    prop_assert_eq!(answer, Ok((value >= n).into()));
                    value -= if value >= n { n } else { 0 };
                }
                Step::Release(session, n) => {
                    let answer = bench.call(session, false, release(n)).expect("it may not wait");
                    if is_bounded && value + n > initial {
                        prop_assert_eq!(answer.map_err(|r| r.code), Err(Code::OutOfBounds));
                    } else {
                        prop_assert_eq!(answer, Ok(Value::Null));
                        value += n;
                    }
                }
                Step::Die(session) => {
                    let all = super::super::RowLimit { rows: 999, bytes: 1 << 20 };
                    for row in bench.object.rows(None, all).0 {
                        if let Row::Put { value: Value::Tuple(parts), lent, .. } = row
                            && lent == Some(SessionId(session))
                        {
                            value += parts[0].as_int().expect("a number");
                        }
                    }
                    bench.end_lease(session, Lapse::Died);
                }
            }
            check_value(&mut bench, value);
            if is_bounded {
                prop_assert!(value <= initial);
            }
        }
        for session in 1..4 {
            bench.end_lease(session, Lapse::Died);
        }
        prop_assert_eq!(bench.object.entries(), 0);
    }

    /// Whoever waits is served in order, whatever it asked for.
    #[test]
    fn the_line_is_served_in_order(
        wanted in prop::collection::vec(1i64..4, 1..8),
        given in prop::collection::vec(1i64..4, 0..12),
    ) {
        let mut bench = unowned(&KIND, 0);
        let line: Vec<_> = wanted
            .iter()
            .map(|n| (take(&mut bench, 1, *n).expect("there is none"), *n))
            .collect();
        let mut free = 0;
        let mut served = 0;
        for n in given {
            give(&mut bench, 2, n);
            free += n;
            while let Some((_, wanted)) = line.get(served).filter(|(_, n)| *n <= free) {
                free -= wanted;
                served += 1;
            }
            let told: Vec<_> = bench.told.iter().map(|(number, _)| *number).collect();
            let expected: Vec<_> = line[..served].iter().map(|(number, _)| *number).collect();
            prop_assert_eq!(told, expected);
        }
    }
}

/// What came back with a lost lease is not given back out of another's hand.
#[test]
fn who_gives_back_its_own_takes_nothing_from_others() {
    for mut bench in [semaphore(3), bounded(3)] {
        let bench = &mut bench;
        let own = |n: i64| release(n).with("own", true);
        take(bench, 1, 2);
        take(bench, 2, 1);
        bench.end_lease(1, Lapse::Died);
        take(bench, 3, 1);
        check_value(bench, 1);
        let lost = bench.call(1, true, own(2));
        let message = "the permits came back before: others may have them";
        check_refused(lost, Code::LockLost, message);
        check_value(bench, 1);
        // Not even in part.
        check_refused(bench.call(2, true, own(2)), Code::LockLost, message);
        check_value(bench, 1);
        assert_eq!(bench.call(2, true, own(1)), Some(Ok(Value::Null)));
        check_value(bench, 2);
    }
    // Where nobody holds by name, it is a release as any other.
    let bench = &mut unowned(&super::KIND, 1);
    take(bench, 1, 1);
    let own = release(1).with("own", true);
    assert_eq!(bench.call(2, true, own), Some(Ok(Value::Null)));
    check_value(bench, 1);
}
