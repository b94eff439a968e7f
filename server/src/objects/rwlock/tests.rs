//! What an rwlock promises, on a bench without an engine.

use super::super::exam::Bench;
use super::*;
use commonhold_proto::{Call, Revision};
use proptest::prelude::*;

fn call(method: &str) -> Call {
    Call::new(method, [])
}

/// Takes it at once, and gives the token.
#[track_caller]
fn take(bench: &mut Bench, session: u64, method: &str) -> i64 {
    let granted = bench.call(session, true, call(method));
    token(&granted.expect("it is free").expect("it is granted"))
}

fn token(granted: &Value) -> i64 {
    let Value::Dict(pairs) = granted else {
        panic!("a dict, not {granted:?}");
    };
    pairs[0].1.as_int().expect("a token")
}

#[track_caller]
fn code(answer: Option<Result<Value, Refusal>>) -> Code {
    answer.expect("at once").expect_err("refused").code
}

#[test]
fn many_read_and_one_writes() {
    let mut bench = Bench::new(&KIND, &[]);
    take(&mut bench, 1, "read");
    take(&mut bench, 2, "read");
    assert_eq!(
        code(bench.call(3, false, call("write"))),
        Code::DeadlineExceeded
    );
    bench.call(1, true, call("release"));
    assert_eq!(bench.call(3, true, call("readers")), Some(Ok(1.into())));
    bench.call(2, true, call("release"));
    let token = take(&mut bench, 3, "write");
    assert!(bench.object.is_held_with(Revision(token.cast_unsigned())));
    assert_eq!(
        code(bench.call(1, false, call("read"))),
        Code::DeadlineExceeded
    );
    assert_eq!(code(bench.call(1, true, call("release"))), Code::NotOwner);
}

/// 3.5 d: a reader that comes after a writer waits for it.
#[test]
fn readers_do_not_overtake_a_writer() {
    let mut bench = Bench::new(&KIND, &[]);
    take(&mut bench, 1, "read");
    assert!(bench.call(2, true, call("write")).is_none());
    let writer = bench.number();
    assert!(bench.call(3, true, call("read")).is_none());
    assert_eq!(
        code(bench.call(4, false, call("read"))),
        Code::DeadlineExceeded
    );
    // Who holds it already is not made to wait.
    take(&mut bench, 1, "read");
    bench.call(1, true, call("release"));
    assert!(bench.told.is_empty());
    bench.call(1, true, call("release"));
    assert_eq!(bench.told.len(), 1);
    assert_eq!(bench.told[0].0, writer);
    bench.call(2, true, call("release"));
    assert_eq!(bench.told.len(), 2);
}

#[test]
fn a_writer_may_read_and_a_reader_cannot_become_a_writer() {
    let mut bench = Bench::new(&KIND, &[]);
    let token = take(&mut bench, 1, "write");
    assert_eq!(take(&mut bench, 1, "read"), token);
    bench.call(1, true, call("release"));
    assert_eq!(
        code(bench.call(2, false, call("read"))),
        Code::DeadlineExceeded
    );
    bench.call(1, true, call("release"));
    let token = take(&mut bench, 1, "read");
    assert_eq!(code(bench.call(1, true, call("write"))), Code::Conflict);
    assert!(!bench.object.is_held_with(Revision(token.cast_unsigned())));
}

#[test]
fn of_a_writer_that_died_readers_hear_until_a_writer_has() {
    let mut bench = Bench::new(&KIND, &[]);
    take(&mut bench, 1, "write");
    bench.call(1, true, Call::new("note", ["half".into()]));
    bench.end_lease(1, Lapse::Died);
    let died = |bench: &mut Bench, method: &str| {
        let granted = bench.call(2, true, call(method)).expect("it is free");
        let Ok(Value::Dict(pairs)) = granted else {
            panic!("a dict");
        };
        bench.call(2, true, call("release"));
        (pairs[1].1.clone(), pairs[2].1.clone(), pairs[4].1.clone())
    };
    let told = (Value::Bool(true), Value::from("half"), "died".into());
    let none = (Value::Bool(false), Value::Null, Value::Null);
    assert_eq!(died(&mut bench, "read"), told);
    assert_eq!(died(&mut bench, "read"), told);
    assert_eq!(died(&mut bench, "write"), told);
    assert_eq!(died(&mut bench, "write"), none);
    // Nobody died.
    take(&mut bench, 1, "write");
    bench.call(3, true, call("force_release"));
    let forced = (false.into(), Value::Null, "forced".into());
    assert_eq!(died(&mut bench, "read"), forced);
    assert_eq!(died(&mut bench, "write"), forced);
    // A reader leaves nothing half done.
    take(&mut bench, 1, "read");
    bench.end_lease(1, Lapse::Died);
    assert_eq!(died(&mut bench, "write"), none);
}

#[test]
fn a_token_gives_back_its_own_grant() {
    let mut bench = Bench::new(&KIND, &[("on_crash", "keep".into())]);
    let token = take(&mut bench, 1, "write");
    bench.end_lease(1, Lapse::Died);
    let release = |token: i64| call("release").with("token", token);
    assert_eq!(bench.call(2, true, release(token)), Some(Ok(Value::Null)));
    assert_eq!(code(bench.call(2, true, release(token))), Code::LockLost);
    take(&mut bench, 1, "read");
    take(&mut bench, 2, "read");
    assert_eq!(
        bench.call(3, true, call("force_release")),
        Some(Ok(2.into()))
    );
    assert_eq!(bench.call(3, true, call("locked")), Some(Ok(false.into())));
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Take(u64, bool),
    Release(u64),
    End(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1u64..5;
    prop_oneof![
        5 => (who(), any::<bool>()).prop_map(|(who, writes)| Step::Take(who, writes)),
        4 => who().prop_map(Step::Release),
        1 => who().prop_map(Step::End),
    ]
}

/// Who holds it, how often, and who stands in line.
#[derive(Default)]
struct Model {
    holders: BTreeMap<u64, (bool, u64)>,
    line: Vec<(u64, bool)>,
}

impl Model {
    fn settle(&mut self) {
        while let Some((who, writes)) = self.line.first().copied() {
            let written = self.holders.values().any(|(writes, _)| *writes);
            if written || writes && !self.holders.is_empty() {
                return;
            }
            self.line.remove(0);
            self.holders.insert(who, (writes, 1));
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Take(who, writes) => match self.holders.get_mut(&who) {
                Some((held, _)) if writes && !*held => {}
                Some((_, depth)) => *depth += 1,
                None => self.line.push((who, writes)),
            },
            Step::Release(who) => {
                if let Some((_, depth)) = self.holders.get_mut(&who) {
                    *depth -= 1;
                    if *depth == 0 {
                        self.holders.remove(&who);
                    }
                }
            }
            Step::End(who) => drop(self.holders.remove(&who)),
        }
        self.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn it_is_a_fair_rwlock(steps in prop::collection::vec(step(), 0..60)) {
        let mut bench = Bench::new(&KIND, &[]);
        let mut model = Model::default();
        for step in steps {
            let (Step::Take(who, _) | Step::Release(who) | Step::End(who)) = step;
            if model.line.iter().any(|(waiting, _)| *waiting == who) {
                continue;
            }
            match step {
                Step::Take(who, true) => drop(bench.call(who, true, call("write"))),
                Step::Take(who, false) => drop(bench.call(who, true, call("read"))),
                Step::Release(who) => drop(bench.call(who, true, call("release"))),
                Step::End(who) => bench.end_lease(who, Lapse::Died),
            }
            model.step(step);
            let holders = bench.object.holders(10);
            let mut held: Vec<(u64, bool)> = holders
                .iter()
                .map(|holder| (holder.owner.0, holder.part.as_deref() == Some("write")))
                .collect();
            held.sort_unstable();
            let expected: Vec<(u64, bool)> = model
                .holders
                .iter()
                .map(|(who, (writes, _))| (*who, *writes))
                .collect();
            prop_assert_eq!(held, expected);
        }
    }
}
