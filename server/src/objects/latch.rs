//! `latch`: a count that falls to 0 once, and then stays there; many may wait for that.
//!
//! Rows: `left` -> what is left of the count, from the first time that it is counted down; and once it is 0, `open` -> True
//! instead. Who waits, waits for `open`: it is asked once, however far there is to count. A count is not lent: what a
//! client counted stays counted when it dies.

use super::paging;
use super::terms::Terms;
use super::{
    Arguments, Cursor, Decision, Kind, Method, Next, Object, Operation, Parameter, RowLimit, Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, Value};

static LEFT: RowKey = RowKey::of("left");
static OPEN: RowKey = RowKey::of("open");

/// The kind.
pub static KIND: Kind = Kind {
    name: "latch",
    doc: "A count that falls to 0 once.",
    options: &[Parameter::required(
        "count",
        "int: from where to count down, at least 0",
    )],
    methods: &[
        Method::write(
            "count_down",
            "Counts down, at most to 0; returns what is left.",
            &[Parameter::optional(
                "n",
                "int: by how many, at least 1; default 1",
            )],
        ),
        Method::write(
            "wait",
            "Waits until the count is 0; returns True, or False if the time ran out before.",
            &[],
        )
        .waiting(),
        Method::read("get", "Returns what is left of the count.", &[]),
        Method::internal("late", "A caller has waited for too long.", &[]),
    ],
    create: |options| match options.get("count") {
        Some(Value::Int(count @ 0..)) => Ok(Box::new(Latch {
            count: *count,
            left: None,
            open: None,
        })),
        Some(other) => Err(Refusal::new(
            Code::BadArguments,
            format!(
                "the option \"count\" must be an int of at least 0, not {}",
                other.repr()
            ),
        )),
        None => Err(Refusal::new(
            Code::BadArguments,
            "the option \"count\" is missing: from where to count down",
        )),
    },
};

/// A latch.
#[derive(Debug)]
struct Latch {
    count: i64,
    /// The row `left`.
    left: Option<(i64, Terms)>,
    /// The row `open`.
    open: Option<Terms>,
}

impl Latch {
    fn left(&self) -> i64 {
        match (&self.open, &self.left) {
            (Some(_), _) => 0,
            (None, Some((left, _))) => *left,
            (None, None) => self.count,
        }
    }

    fn count_down(&self, n: i64) -> Decision {
        match self.left() {
            0 => Decision::reply(0),
            left if left > n => {
                Decision::reply(left - n).with(Row::put(LEFT.clone(), (left - n).into()))
            }
            _ => {
                let decision = Decision::reply(0).with(Row::put(OPEN.clone(), true.into()));
                match self.left {
                    Some(_) => decision.with(Row::delete(LEFT.clone())),
                    None => decision,
                }
            }
        }
    }
}

impl Object for Latch {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let is_open = self.left() == 0;
        match call.method() {
            "count_down" => match call.int_or("n", 1)? {
                n @ 1.. => Ok(self.count_down(n)),
                _ => Err(call.bad("n", "must be at least 1")),
            },
            "get" => Ok(Decision::reply(self.left())),
            "wait" if !is_open && operation.may_wait => Ok(Decision {
                rows: Rows::new(),
                next: Next::Wait {
                    until: Until::Row(OPEN.clone()),
                    resume: Call::new("wait", []).into(),
                    on_deadline: Some(Call::new("late", []).into()),
                },
            }),
            "wait" | "late" => Ok(Decision::reply(is_open)),
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        match row {
            Row::Put {
                key,
                value,
                lent,
                expires,
                ..
            } => {
                let terms = Terms::of(*lent, *expires);
                match value {
                    Value::Int(left @ 1..) if *key == LEFT => self.left = Some((*left, terms)),
                    Value::Bool(true) if *key == OPEN => self.open = Some(terms),
                    _ => {}
                }
            }
            Row::Delete { .. } | Row::DeletePrefix { .. } => {
                if row.touches(&LEFT) {
                    self.left = None;
                }
                if row.touches(&OPEN) {
                    self.open = None;
                }
            }
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == LEFT {
            let (left, terms) = self.left.as_ref()?;
            return Some(terms.put(LEFT.clone(), (*left).into()));
        }
        let terms = self.open.as_ref().filter(|_| *key == OPEN)?;
        Some(terms.put(OPEN.clone(), true.into()))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let keys = [&LEFT, &OPEN].into_iter();
        let keys = keys.filter(|key| after.is_none_or(|cursor| *cursor.0 < ***key));
        paging::rows(keys.filter_map(|key| self.row(key)), limit)
    }

    fn entries(&self) -> u64 {
        self.left().unsigned_abs()
    }

    fn bytes(&self) -> u64 {
        let rows = usize::from(self.left.is_some()) + usize::from(self.open.is_some());
        (rows * ROW_BYTES) as u64
    }
}

/// About how many bytes a row takes.
const ROW_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::super::exam::Bench;
    use super::*;
    use proptest::prelude::*;

    fn latch(count: i64) -> Bench {
        Bench::new(&KIND, &[("count", count.into())])
    }

    fn count_down(n: i64) -> Call {
        Call::new("count_down", [n.into()])
    }

    fn wait() -> Call {
        Call::new("wait", [])
    }

    #[test]
    fn all_who_wait_pass_when_the_count_is_0() {
        let bench = &mut latch(3);
        assert_eq!(bench.call(1, true, wait()), None);
        let first = bench.number();
        assert_eq!(bench.ask(count_down(2)), Ok(1.into()));
        assert_eq!(bench.call(2, true, wait()), None);
        let second = bench.number();
        assert_eq!(bench.told, []);
        assert_eq!(bench.ask(Call::new("count_down", [])), Ok(0.into()));
        assert_eq!(bench.told, [first, second].map(|number| (number, Ok(true.into()))));
        assert_eq!(bench.call(3, true, wait()), Some(Ok(true.into())));
    }

    #[test]
    fn an_open_latch_stays_open() {
        let bench = &mut latch(1);
        assert_eq!(bench.ask(count_down(i64::MAX)), Ok(0.into()));
        let rows = bench.log.len();
        assert_eq!(bench.ask(count_down(1)), Ok(0.into()));
        assert_eq!(bench.ask(Call::new("get", [])), Ok(0.into()));
        assert_eq!(bench.log.len(), rows);
        assert_eq!(latch(0).call(1, true, wait()), Some(Ok(true.into())));
    }

    #[test]
    fn a_time_that_ran_out_answers_false() {
        let bench = &mut latch(1);
        assert_eq!(bench.ask(wait()), Ok(false.into()));
        assert_eq!(bench.call(1, true, wait()), None);
        let waiter = bench.number();
        bench.deadline(waiter);
        assert_eq!(bench.told, [(waiter, Ok(false.into()))]);
    }

    #[test]
    fn counts_must_make_sense() {
        for given in [vec![], vec![Value::Int(-1)], vec!["1".into()]] {
            let given: Vec<_> = given.into_iter().map(|v| ("count".into(), v)).collect();
            let options = Options::check(&KIND, &given).expect("it is known");
            let refusal = (KIND.create)(&options).err().expect("it makes no sense");
            assert_eq!(refusal.code, Code::BadArguments);
        }
        for n in [0, -1] {
            let refusal = latch(1).ask(count_down(n)).expect_err("it makes no sense");
            assert_eq!(refusal.message, "count_down: the argument \"n\" must be at least 1");
        }
    }

    proptest! {
        #[test]
        fn a_latch_counts(count in 0i64..20, steps in prop::collection::vec(1i64..6, 0..10)) {
            let mut bench = latch(count);
            let mut left = count;
            let waits = bench.call(1, true, wait()).is_none();
            prop_assert_eq!(waits, count > 0);
            for n in steps {
                left = (left - n).max(0);
                prop_assert_eq!(bench.ask(count_down(n)), Ok(left.into()));
                prop_assert_eq!(bench.ask(Call::new("get", [])), Ok(left.into()));
                prop_assert_eq!(bench.waiting().is_empty(), left == 0);
            }
        }
    }
}
