//! What a lock promises, on a bench without an engine.

use super::super::exam::Bench;
use super::*;
use crate::objects::hold::NOTE_BYTES_MAX;
use crate::objects::{condition, kind};
use commonhold_proto::{Call, Revision};
use proptest::prelude::*;

fn bench(name: &'static str, options: &[(&str, Value)]) -> Bench {
    Bench::new(kind(name).expect("it is listed"), options)
}

fn call(method: &str) -> Call {
    Call::new(method, [])
}

/// Acquires at once, and gives the token and whether the owner before died.
fn acquire(bench: &mut Bench, session: u64) -> (i64, bool) {
    let granted = bench.call(session, true, call("acquire"));
    let granted = granted.expect("it is free").expect("it is granted");
    (
        token(&granted),
        field(&granted, "previous_owner_died") == &Value::Bool(true),
    )
}

fn field<'a>(reply: &'a Value, name: &str) -> &'a Value {
    let Value::Dict(pairs) = reply else {
        panic!("a dict, not {reply:?}");
    };
    let found = pairs.iter().find(|(key, _)| key.as_text() == Some(name));
    &found.expect("it has it").1
}

fn token(granted: &Value) -> i64 {
    field(granted, "token").as_int().expect("a token")
}

fn code(answer: Option<Result<Value, Refusal>>) -> Code {
    answer.expect("at once").expect_err("refused").code
}

/// The reply that a waiting call got meanwhile.
fn told(bench: &Bench, number: u64) -> Option<&Result<Value, Refusal>> {
    bench
        .told
        .iter()
        .find(|(told, _)| *told == number)
        .map(|(_, answer)| answer)
}

#[test]
fn one_holds_it_and_each_token_is_above_the_last() {
    let mut bench = bench("lock", &[]);
    let (first, _) = acquire(&mut bench, 1);
    assert_eq!(
        code(bench.call(2, false, call("acquire"))),
        Code::DeadlineExceeded
    );
    assert!(bench.call(2, true, call("acquire")).is_none());
    let waiting = bench.number();
    bench.call(1, true, call("release"));
    let granted = told(&bench, waiting)
        .expect("it is its turn")
        .as_ref()
        .expect("granted");
    assert!(token(granted) > first);
}

#[test]
fn releasing_what_one_does_not_hold_is_refused_in_pythons_words() {
    for (kind, unheld) in [
        ("lock", "release unlocked lock"),
        ("rlock", "cannot release un-acquired lock"),
        ("condition", "cannot release un-acquired lock"),
    ] {
        let mut bench = bench(kind, &[]);
        let refused = bench.call(1, true, call("release")).expect("at once");
        assert_eq!(refused, Err(Refusal::new(Code::NotOwner, unheld)));
        acquire(&mut bench, 2);
        let refused = bench.call(1, true, call("release")).expect("at once");
        let foreign = "cannot release un-acquired lock";
        assert_eq!(refused, Err(Refusal::new(Code::NotOwner, foreign)));
    }
    for (method, message) in [
        ("wait", "cannot wait on un-acquired lock"),
        ("notify", "cannot notify on un-acquired lock"),
        ("notify_all", "cannot notify on un-acquired lock"),
    ] {
        let refused = bench("condition", &[]).call(1, true, call(method));
        let refusal = Refusal::new(Code::NotOwner, message);
        assert_eq!(refused, Some(Err(refusal)));
    }
}

#[test]
fn a_lock_that_is_not_owned_is_released_by_anyone() {
    let mut bench = bench("lock", &[("owned", false.into())]);
    acquire(&mut bench, 1);
    assert_eq!(bench.call(2, true, call("release")), Some(Ok(Value::Null)));
    assert_eq!(bench.call(2, true, call("locked")), Some(Ok(false.into())));
}

#[test]
fn a_token_releases_its_own_grant_and_no_other() {
    let mut bench = bench("lock", &[]);
    let (first, _) = acquire(&mut bench, 1);
    let release = |token: i64| call("release").with("token", token);
    assert_eq!(bench.call(2, true, release(first)), Some(Ok(Value::Null)));
    let (second, _) = acquire(&mut bench, 1);
    assert_eq!(code(bench.call(1, true, release(first))), Code::LockLost);
    assert!(bench.object.is_held_with(Revision(second.cast_unsigned())));
    assert!(!bench.object.is_held_with(Revision(first.cast_unsigned())));
}

#[test]
fn an_rlock_is_given_back_as_often_as_it_was_taken() {
    let mut bench = bench("rlock", &[]);
    let (first, _) = acquire(&mut bench, 1);
    let (second, _) = acquire(&mut bench, 1);
    assert_eq!(first, second, "it is the same grant");
    bench.call(1, true, call("release"));
    assert_eq!(
        code(bench.call(2, false, call("acquire"))),
        Code::DeadlineExceeded
    );
    bench.call(1, true, call("release"));
    acquire(&mut bench, 2);
}

#[test]
fn the_next_holder_hears_of_a_death_and_of_the_note() {
    for (why, died) in [(Lapse::Died, true), (Lapse::Goodbye, false)] {
        let mut bench = bench("lock", &[]);
        acquire(&mut bench, 1);
        bench.call(1, true, Call::new("note", ["step 3".into()]));
        bench.end_lease(1, why);
        let granted = bench.call(2, true, call("acquire"));
        let granted = granted.expect("it is free").expect("granted");
        assert_eq!(field(&granted, "previous_owner_died"), &died.into());
        let note = if died { "step 3".into() } else { Value::Null };
        assert_eq!(field(&granted, "previous_note"), &note);
        bench.call(2, true, call("release"));
        assert!(!acquire(&mut bench, 1).1, "it is told once");
    }
}

#[test]
fn the_next_holder_hears_how_the_one_before_ended() {
    for end in ["died", "expired", "forced"] {
        let mut bench = bench("lock", &[]);
        bench.call(1, true, call("acquire").with("lease", 60));
        bench.call(1, true, Call::new("note", ["step 3".into()]));
        match end {
            "died" => bench.end_lease(1, Lapse::Died),
            "expired" => bench.lapse(&OWNER, Lapse::Expired),
            _ => drop(bench.call(3, true, call("force_release"))),
        }
        let granted = bench.call(2, true, call("acquire"));
        let granted = granted.expect("it is free").expect("granted");
        assert_eq!(field(&granted, "previous_end"), &end.into());
        assert_eq!(field(&granted, "previous_note"), &"step 3".into());
        assert_eq!(
            field(&granted, "previous_owner_died"),
            &(end == "died").into()
        );
        bench.call(2, true, call("release"));
        let granted = bench.call(1, true, call("acquire"));
        let granted = granted.expect("it is free").expect("granted");
        assert_eq!(field(&granted, "previous_end"), &Value::Null);
    }
}

/// Rows that were written before ends had names.
#[test]
fn a_row_with_a_note_alone_tells_of_a_death() {
    for note in [Value::Null, "half done".into()] {
        let mut bench = bench("lock", &[]);
        bench.object.apply(&Row::put(UNRELEASED.clone(), note.clone()));
        let granted = bench.call(2, true, call("acquire"));
        let granted = granted.expect("it is free").expect("granted");
        assert_eq!(field(&granted, "previous_end"), &"died".into());
        assert_eq!(field(&granted, "previous_note"), &note);
    }
}

#[test]
fn a_hold_that_is_to_be_kept_stays_until_it_is_freed() {
    for (option, why) in [("on_crash", Lapse::Died), ("on_exit", Lapse::Goodbye)] {
        let mut bench = bench("lock", &[(option, "keep".into())]);
        let (token, _) = acquire(&mut bench, 1);
        bench.end_lease(1, why);
        assert_eq!(
            code(bench.call(2, false, call("acquire"))),
            Code::DeadlineExceeded
        );
        // Who knows the token, and who is allowed to do anything, can free it.
        if why == Lapse::Died {
            bench.call(2, true, call("release").with("token", token));
            assert!(!acquire(&mut bench, 2).1);
        } else {
            assert_eq!(
                bench.call(2, true, call("force_release")),
                Some(Ok(true.into()))
            );
            let granted = bench.call(2, true, call("acquire"));
            let granted = granted.expect("it is free").expect("granted");
            assert_eq!(field(&granted, "previous_end"), &"forced".into());
        }
    }
}

#[test]
fn a_notified_caller_goes_on_with_all_levels_and_a_late_one_takes_no_notification() {
    let mut bench = bench("condition", &[]);
    acquire(&mut bench, 1);
    acquire(&mut bench, 1);
    assert!(bench.call(1, true, call("wait")).is_none());
    let early = bench.number();
    acquire(&mut bench, 2);
    assert!(bench.call(2, true, call("wait")).is_none());
    let late = bench.number();
    acquire(&mut bench, 3);
    bench.deadline(early);
    assert_eq!(told(&bench, early), None, "it needs the lock first");
    let notified = bench.call(3, true, Call::new("notify", [5.into()]));
    assert_eq!(notified, Some(Ok(1.into())));
    bench.call(3, true, call("release"));
    let answer = told(&bench, early)
        .expect("the lock is free")
        .as_ref()
        .expect("granted");
    assert_eq!(field(answer, "notified"), &false.into());
    bench.call(1, true, call("release"));
    assert_eq!(told(&bench, late), None, "one level is still held");
    bench.call(1, true, call("release"));
    let answer = told(&bench, late)
        .expect("the lock is free")
        .as_ref()
        .expect("granted");
    assert_eq!(field(answer, "notified"), &true.into());
}

#[test]
fn a_notified_caller_that_dies_passes_its_notification_on() {
    let mut bench = bench("condition", &[]);
    let mut waiting = Vec::new();
    for session in 1..=2 {
        acquire(&mut bench, session);
        bench.call(session, true, call("wait"));
        waiting.push(bench.number());
    }
    acquire(&mut bench, 3);
    bench.call(3, true, call("notify"));
    bench.end_lease(1, Lapse::Died);
    bench.call(3, true, call("release"));
    let answer = told(&bench, waiting[1])
        .expect("it was passed on")
        .as_ref()
        .expect("granted");
    assert_eq!(field(answer, "notified"), &true.into());
}

#[test]
fn conditions_that_share_a_lock_wake_only_their_own() {
    let mut bench = bench("lock", &[]);
    let about = |method: &str, condition: i64| call(method).with("condition", condition);
    for (session, condition) in [(1, 7), (2, 8)] {
        acquire(&mut bench, session);
        bench.call(session, true, about("wait", condition));
    }
    acquire(&mut bench, 3);
    let count = |bench: &mut Bench, condition| bench.call(3, true, about("waiting", condition));
    assert_eq!(
        bench.call(3, true, about("notify_all", 8)),
        Some(Ok(1.into()))
    );
    assert_eq!(count(&mut bench, 7), Some(Ok(1.into())));
    assert_eq!(count(&mut bench, 8), Some(Ok(0.into())));
    bench.call(3, true, about("disband", 7));
    assert_eq!(count(&mut bench, 7), Some(Ok(0.into())));
    let refused = told(&bench, 1 + 1).expect("its wait is over");
    assert_eq!(refused.as_ref().expect_err("refused").code, Code::LockLost);
}

#[test]
fn a_caller_whose_death_nobody_would_see_says_for_how_long() {
    for method in ["acquire", "read", "write"] {
        let kind = if method == "acquire" {
            "lock"
        } else {
            "rwlock"
        };
        let mut bench = bench(kind, &[]);
        assert_eq!(
            code(bench.call_unary(true, call(method))),
            Code::BadArguments
        );
        let granted = bench.call_unary(true, call(method).with("lease", 2));
        granted.expect("it is free").expect("it ends by itself");
    }
}

/// An acquisition and a release write one each, and one more tells of a death.
#[test]
fn a_lock_writes_few_rows() {
    for kind in ["lock", "rlock", "condition"] {
        let mut bench = bench(kind, &[]);
        let rows = |bench: &mut Bench, session, method: &str| {
            let before = bench.log.len();
            bench.call(session, true, call(method));
            bench.log.len() - before
        };
        assert_eq!(rows(&mut bench, 1, "acquire"), 1);
        assert_eq!(rows(&mut bench, 1, "release"), 1);
        assert_eq!(rows(&mut bench, 1, "acquire"), 1);
        bench.end_lease(1, Lapse::Died);
        assert_eq!(rows(&mut bench, 2, "acquire"), 2);
        assert_eq!(rows(&mut bench, 2, "wait"), 2);
    }
}

#[test]
fn a_note_has_a_limit() {
    let mut bench = bench("lock", &[]);
    acquire(&mut bench, 1);
    let note = |len| Call::new("note", ["x".repeat(len).into()]);
    assert_eq!(
        code(bench.call(1, true, note(NOTE_BYTES_MAX + 1))),
        Code::ValueTooLarge
    );
    assert_eq!(
        bench.call(1, true, note(NOTE_BYTES_MAX)),
        Some(Ok(Value::Null))
    );
}

/// Python's `threading` locks, and conditions on them, as a plain model of who holds and who stands where.
#[derive(Default)]
struct Model {
    holder: Option<(u64, i64)>,
    /// Who stands in line: session, depth that it will have, and whether it was notified if it waited.
    line: Vec<(u64, i64, Option<bool>)>,
    asleep: Vec<(u64, i64)>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire(u64),
    Try(u64),
    Release(u64),
    Wait(u64),
    Notify(u64, usize),
    Late(usize),
    End(u64, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let who = || 1u64..5;
    prop_oneof![
        4 => who().prop_map(Step::Acquire),
        1 => who().prop_map(Step::Try),
        4 => who().prop_map(Step::Release),
        3 => who().prop_map(Step::Wait),
        2 => (who(), 0usize..3).prop_map(|(who, n)| Step::Notify(who, n)),
        1 => (0usize..4).prop_map(Step::Late),
        1 => (who(), any::<bool>()).prop_map(|(who, crash)| Step::End(who, crash)),
    ]
}

impl Model {
    fn is_busy(&self, who: u64) -> bool {
        self.line.iter().any(|(other, ..)| *other == who)
            || self.asleep.iter().any(|(other, _)| *other == who)
    }

    /// Hands the lock to whoever is first.
    fn settle(&mut self) {
        if self.holder.is_none() && !self.line.is_empty() {
            let (who, depth, _) = self.line.remove(0);
            self.holder = Some((who, depth));
        }
    }

    fn step(&mut self, step: Step, reentrant: bool) {
        let holds = |model: &Model, who| model.holder.is_some_and(|(holder, _)| holder == who);
        match step {
            Step::Acquire(who) | Step::Try(who) => match &mut self.holder {
                Some((holder, depth)) if *holder == who && reentrant => *depth += 1,
                None => self.holder = Some((who, 1)),
                _ if matches!(step, Step::Acquire(_)) => self.line.push((who, 1, None)),
                _ => {}
            },
            Step::Release(who) if holds(self, who) => {
                let (_, depth) = self.holder.expect("it holds");
                self.holder = (depth > 1).then_some((who, depth - 1));
            }
            Step::Wait(who) if holds(self, who) => {
                let (_, depth) = self.holder.take().expect("it holds");
                self.asleep.push((who, depth));
            }
            Step::Notify(who, n) if holds(self, who) => {
                for _ in 0..n.min(self.asleep.len()) {
                    let (who, depth) = self.asleep.remove(0);
                    self.line.push((who, depth, Some(true)));
                }
            }
            Step::End(who, _) if holds(self, who) => self.holder = None,
            _ => {}
        }
        self.settle();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    /// Callers that have answers at all times agree with the model about who holds and how many wait. Whoever waits does
    /// nothing else, as a thread would.
    #[test]
    fn it_does_as_pythons_locks_and_conditions_do(
        reentrant: bool,
        steps in prop::collection::vec(step(), 0..60),
    ) {
        let mut bench = bench(if reentrant { "rlock" } else { "lock" }, &[]);
        let mut model = Model::default();
        for step in steps {
            let who = match step {
                Step::Acquire(who) | Step::Try(who) | Step::Release(who) | Step::Wait(who)
                | Step::Notify(who, _) | Step::End(who, _) => who,
                Step::Late(_) => 0,
            };
            if model.is_busy(who) || (!reentrant && matches!(step, Step::Acquire(_)) && model.holder.is_some_and(|(holder, _)| holder == who)) {
                continue;
            }
            match step {
                Step::Acquire(who) => drop(bench.call(who, true, call("acquire"))),
                Step::Try(who) => drop(bench.call(who, false, call("acquire"))),
                Step::Release(who) => drop(bench.call(who, true, call("release"))),
                Step::Wait(who) => drop(bench.call(who, true, call("wait"))),
                Step::Notify(who, n) => {
                    let n = i64::try_from(n).expect("small");
                    drop(bench.call(who, true, Call::new("notify", [n.into()])));
                }
                // A sleeper whose time is over stands in line from then on.
                Step::Late(at) => {
                    if let Some((who, depth)) = model.asleep.get(at).copied() {
                        let asleep = bench.waiting_of(who);
                        bench.deadline(asleep);
                        model.asleep.remove(at);
                        model.line.push((who, depth, Some(false)));
                        model.settle();
                    }
                    continue;
                }
                Step::End(who, crash) => {
                    bench.end_lease(who, if crash { Lapse::Died } else { Lapse::Goodbye });
                }
            }
            model.step(step, reentrant);
            let holders = bench.object.holders(10);
            let held = holders.first().map(|holder| holder.owner.0);
            prop_assert_eq!(held, model.holder.map(|(who, _)| who));
            let waiting = bench.call(9, true, call("waiting"));
            prop_assert_eq!(waiting, Some(Ok(i64::try_from(model.asleep.len()).expect("small").into())));
        }
    }
}

#[test]
fn the_option_that_a_condition_shares_a_lock_by_is_its_own() {
    assert!(
        condition::KIND
            .options
            .iter()
            .any(|option| option.name == condition::LOCK)
    );
}
