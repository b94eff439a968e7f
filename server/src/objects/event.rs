//! `event`: a flag that many may wait for, as Python's `threading.Event`.
//!
//! Its only row is `""` -> `(how often it was set, is it set?)`; an event that was never set has none.
//!
//! **No wake-up is lost.** Who waits keeps the number that stood when it came, and is released by a greater one: a
//! `clear` that comes between a `set` and the moment when the waiter is asked again takes nothing back. A call that was
//! withdrawn with its connection is a new one when it is sent again: it sees the flag as it is then.

use super::single::Single;
use super::{
    Arguments, Cursor, Decision, Kind, Method, Next, Object, Operation, Options, Parameter,
    RowLimit, Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, Value};

/// The kind.
pub static KIND: Kind = Kind {
    name: "event",
    doc: "A flag that many may wait for.",
    options: &[],
    methods: &[
        Method::read("is_set", "Tells whether the flag is set.", &[]),
        Method::write("set", "Sets the flag and releases all who wait.", &[]),
        Method::write("clear", "Clears the flag.", &[]),
        Method::write(
            "wait",
            "Waits until the flag is set; returns True, or False if the time ran out before.",
            &[],
        )
        .waiting(),
        Method::internal("released", "A caller that waited asks again.", SINCE).waiting(),
        Method::internal("late", "A caller has waited for too long.", SINCE),
    ],
    create: |_: &Options| Ok(Box::new(Event::default())),
};

const SINCE: &[Parameter] = &[Parameter::required(
    "since",
    "int: how often it had been set",
)];

/// A flag.
#[derive(Debug, Default)]
struct Event {
    row: Single,
}

impl Event {
    /// How often it was set, and whether it is.
    fn state(&self) -> (i64, bool) {
        self.row.value().and_then(parse).unwrap_or_default()
    }

    /// Waits for it to be set more often than this.
    fn wait(&self, since: i64, may_wait: bool) -> Decision {
        let (times, set) = self.state();
        if set || times > since || !may_wait {
            return Decision::reply(set || times > since);
        }
        let ask = |method| Call::new(method, [since.into()]);
        Decision {
            rows: Rows::new(),
            next: Next::Wait {
                until: Until::Row(RowKey::EMPTY),
                resume: ask("released").into(),
                on_deadline: Some(ask("late").into()),
            },
        }
    }
}

impl Object for Event {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let (times, set) = self.state();
        let put = |times, set| Decision::reply(Value::Null).with(Single::put(row(times, set)));
        match call.method() {
            "is_set" => Ok(Decision::reply(set)),
            "set" if !set => Ok(put(times.saturating_add(1), true)),
            "clear" if set => Ok(put(times, false)),
            "set" | "clear" => Ok(Decision::reply(Value::Null)),
            "wait" => Ok(self.wait(times, operation.may_wait)),
            "released" => Ok(self.wait(call.int_or("since", 0)?, operation.may_wait)),
            "late" => Ok(self.wait(call.int_or("since", 0)?, false)),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        self.row.apply(row, |value| parse(value).is_some());
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        self.row.row(key)
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        self.row.rows(after, limit)
    }

    fn entries(&self) -> u64 {
        1
    }

    fn bytes(&self) -> u64 {
        self.row.bytes()
    }
}

fn row(times: i64, set: bool) -> Value {
    Value::Tuple(vec![times.into(), set.into()])
}

fn parse(value: &Value) -> Option<(i64, bool)> {
    let Value::Tuple(parts) = value else {
        return None;
    };
    match parts[..] {
        [Value::Int(times), Value::Bool(set)] => Some((times, set)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::exam::Bench;
    use super::*;
    use proptest::prelude::*;

    fn event() -> Bench {
        Bench::new(&KIND, &[])
    }

    #[track_caller]
    fn check(bench: &mut Bench, method: &str, expected: impl Into<Value>) {
        assert_eq!(bench.ask(Call::new(method, [])), Ok(expected.into()));
    }

    /// Someone waits: its number.
    #[track_caller]
    fn wait(bench: &mut Bench) -> u64 {
        assert_eq!(bench.call(1, true, Call::new("wait", [])), None);
        bench.number()
    }

    #[test]
    fn a_set_event_is_not_waited_for() {
        let bench = &mut event();
        check(bench, "is_set", false);
        check(bench, "wait", false);
        check(bench, "set", Value::Null);
        check(bench, "is_set", true);
        assert_eq!(bench.call(1, true, Call::new("wait", [])), Some(Ok(true.into())));
        check(bench, "clear", Value::Null);
        check(bench, "is_set", false);
        wait(bench);
    }

    #[test]
    fn all_who_wait_are_released_at_once() {
        let bench = &mut event();
        let waiters = [wait(bench), wait(bench), wait(bench)];
        check(bench, "set", Value::Null);
        assert_eq!(bench.told, waiters.map(|number| (number, Ok(true.into()))));
    }

    #[test]
    fn who_waited_before_set_is_released_although_clear_followed() {
        let bench = &mut event();
        for _ in 0..3 {
            let waiter = wait(bench);
            let resume = bench.withdraw(waiter);
            check(bench, "set", Value::Null);
            check(bench, "clear", Value::Null);
            assert_eq!(bench.call(1, true, resume), Some(Ok(true.into())));
        }
    }

    #[test]
    fn a_time_that_ran_out_answers_false() {
        let bench = &mut event();
        let waiter = wait(bench);
        bench.deadline(waiter);
        check(bench, "set", Value::Null);
        assert_eq!(bench.told, [(waiter, Ok(false.into()))]);
    }

    #[test]
    fn what_changes_nothing_writes_nothing() {
        let bench = &mut event();
        check(bench, "clear", Value::Null);
        assert_eq!(bench.log.len(), 0);
        check(bench, "set", Value::Null);
        check(bench, "set", Value::Null);
        check(bench, "wait", true);
        assert_eq!(bench.log.len(), 1);
    }

    proptest! {
        /// Against a flag and a list: `None` waits, else the flag becomes so.
        #[test]
        fn an_event_is_a_flag_and_those_who_wait(
            steps in prop::collection::vec(any::<Option<bool>>(), 0..40),
        ) {
            let mut bench = event();
            let (mut flag, mut waiting) = (false, Vec::new());
            for step in steps {
                match step {
                    None => {
                        let answer = bench.call(1, true, Call::new("wait", []));
                        prop_assert_eq!(answer, flag.then(|| Ok(true.into())));
                        if !flag {
                            waiting.push(bench.number());
                        }
                    }
                    Some(new) => {
                        check(&mut bench, if new { "set" } else { "clear" }, Value::Null);
                        flag = new;
                        if flag {
                            waiting.clear();
                        }
                    }
                }
                prop_assert_eq!(bench.waiting(), waiting.clone());
            }
            prop_assert!(bench.told.iter().all(|(_, answer)| *answer == Ok(true.into())));
        }
    }
}
