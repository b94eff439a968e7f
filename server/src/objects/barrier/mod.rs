//! `barrier`: parties wait until all of them have arrived, as at Python's `threading.Barrier`.
//!
//! Rows: `gen` -> `(generation, broken?, first generation that is known, [broken generations])`, and for each party that
//! waits `a/<who>` -> its index, lent to its session: a party that dies breaks the generation for the others.
//!
//! **How a waiter learns its outcome.** All waiters of a generation are asked again as soon as `gen` changes; but one that
//! is away then, because its connection broke or the server restarted, comes back generations later, and must learn what
//! became of *its own*. Generations pass by the million but rarely break, so the row keeps the numbers of those that broke
//! while someone waited: a generation before the present one that is not among them has passed. 64 are kept. A
//! waiter that slept through more than that is told `Broken`, because its outcome is no longer known: it cannot be told
//! "passed" wrongly, and no row waits for a party that never returns.

mod state;
#[cfg(test)]
mod tests;

use super::terms::Terms;
use super::{
    Arguments, Cursor, Decision, Kind, Lapse, Method, Next, Object, Operation, Parameter, RowLimit,
    Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, Value};
use smallvec::smallvec;
use state::{End, State};
use std::collections::BTreeMap;
use std::ops::Bound;

static GENERATION: RowKey = RowKey::of("gen");
static ARRIVALS: RowKey = RowKey::of("a/");

/// The kind.
pub static KIND: Kind = Kind {
    name: "barrier",
    doc: "Parties wait for each other.",
    options: &[Parameter::required(
        "parties",
        "int: how many must arrive, at least 1",
    )],
    methods: &[
        Method::write(
            "wait",
            "Waits until all parties have arrived; returns in which place the caller came, from 0.",
            &[],
        )
        .waiting(),
        Method::write(
            "reset",
            "Makes the barrier as new; parties that wait are told that it broke.",
            &[],
        ),
        Method::write("abort", "Breaks the barrier until it is reset.", &[]),
        Method::read("parties", "Returns how many must arrive.", &[]),
        Method::read("n_waiting", "Returns how many wait.", &[]),
        Method::read("broken", "Tells whether the barrier is broken.", &[]),
        Method::internal("opened", "A party that waited asks again.", WAITED).waiting(),
        Method::internal("late", "A party has waited for too long.", WAITED),
    ],
    create: |options| match options.get("parties") {
        Some(Value::Int(parties @ 1..)) => Ok(Box::new(Barrier {
            parties: *parties,
            state: None,
            arrivals: BTreeMap::new(),
        })),
        Some(other) => Err(Refusal::new(
            Code::BadArguments,
            format!(
                "the option \"parties\" must be an int of at least 1, not {}",
                other.repr()
            ),
        )),
        None => Err(Refusal::new(
            Code::BadArguments,
            "the option \"parties\" is missing: how many must arrive",
        )),
    },
};

const WAITED: &[Parameter] = &[
    Parameter::required("generation", "int"),
    Parameter::required("index", "int"),
];

/// A barrier.
#[derive(Debug)]
struct Barrier {
    parties: i64,
    /// The row `gen`, if it was ever written.
    state: Option<(State, Terms)>,
    arrivals: BTreeMap<RowKey, (i64, Terms)>,
}

impl Barrier {
    fn state(&self) -> State {
        self.state
            .as_ref()
            .map(|(state, _)| state.clone())
            .unwrap_or_default()
    }

    fn is_broken(&self) -> bool {
        self.state.as_ref().is_some_and(|(state, _)| state.broken)
    }

    fn waiting(&self) -> i64 {
        i64::try_from(self.arrivals.len()).expect("a count fits")
    }

    /// The rows that end the generation: whoever waits is gone, and the state is this.
    fn end(&self, state: &State) -> Rows {
        let mut rows = Rows::new();
        if !self.arrivals.is_empty() {
            rows.push(Row::DeletePrefix {
                prefix: ARRIVALS.clone(),
            });
        }
        rows.push(Row::put(GENERATION.clone(), state.to_value()));
        rows
    }

    /// The rows that break the generation for all who wait.
    fn break_generation(&self) -> Rows {
        let mut state = self.state();
        if !self.arrivals.is_empty() {
            state.remember_break();
        }
        state.broken = true;
        self.end(&state)
    }

    fn reset(&self) -> Rows {
        let mut state = self.state();
        if self.arrivals.is_empty() && !state.broken {
            return Rows::new();
        }
        if !self.arrivals.is_empty() {
            state.remember_break();
        }
        state.broken = false;
        state.generation = state.generation.saturating_add(1);
        self.end(&state)
    }

    fn wait(&self, operation: &Operation) -> Result<Decision, Refusal> {
        let mut state = self.state();
        if state.broken {
            return Err(broken("the barrier is broken"));
        }
        let index = self.waiting();
        if index + 1 >= self.parties {
            let mut decision = Decision::reply(index);
            if index > 0 {
                state.generation = state.generation.saturating_add(1);
                decision.rows = self.end(&state);
            }
            return Ok(decision);
        }
        if !operation.may_wait {
            let refusal = broken("not all parties have arrived, so the barrier is broken");
            return Ok(Decision {
                rows: self.break_generation(),
                next: Next::Refuse(refusal),
            });
        }
        let mut decision = park(state.generation, index);
        decision.rows.push(Row::lent(
            arrival_key(operation),
            index.into(),
            operation.session,
        ));
        Ok(decision)
    }

    /// What a party that waited is told, or that it waits on.
    fn outcome(&self, generation: i64, index: i64) -> Result<Decision, Refusal> {
        match self.state().end(generation) {
            End::NotYet => Ok(park(generation, index)),
            End::Passed => Ok(Decision::reply(index)),
            End::Broken => Err(broken("the barrier broke while this party waited")),
            End::Forgotten => Err(broken(
                "the barrier broke too often since this party arrived: what became of its wait is forgotten",
            )),
        }
    }
}

fn park(generation: i64, index: i64) -> Decision {
    let ask = |method| Call::new(method, [generation.into(), index.into()]);
    Decision {
        rows: Rows::new(),
        next: Next::Wait {
            until: Until::Row(GENERATION.clone()),
            resume: ask("opened").into(),
            on_deadline: Some(ask("late").into()),
        },
    }
}

/// An arrival's row. An operation with an id never arrives twice, since it goes on from where it waits; one without an id
/// is told from others by the object's last revision, which each arrival changes.
fn arrival_key(operation: &Operation) -> RowKey {
    let mut key = ARRIVALS.to_vec();
    if let Some(id) = operation.id {
        key.push(b'i');
        key.extend_from_slice(&id.session.0.to_be_bytes());
        key.extend_from_slice(&id.lane.0.to_be_bytes());
        key.extend_from_slice(&id.sequence.to_be_bytes());
    } else {
        key.push(b'u');
        key.extend_from_slice(&operation.owner.0.to_be_bytes());
        key.extend_from_slice(&operation.last.0.to_be_bytes());
    }
    key.into()
}

fn broken(message: &str) -> Refusal {
    Refusal::new(Code::Broken, message)
}

impl Object for Barrier {
    fn decide(
        &self,
        operation: &Operation,
        call: &Arguments,
        _ahead: bool,
    ) -> Result<Decision, Refusal> {
        let changed = |rows| Decision {
            rows,
            next: Next::Reply(Value::Null),
        };
        match call.method() {
            "wait" => self.wait(operation),
            "reset" => Ok(changed(self.reset())),
            "abort" if self.is_broken() => Ok(Decision::reply(Value::Null)),
            "abort" => Ok(changed(self.break_generation())),
            "parties" => Ok(Decision::reply(self.parties)),
            "n_waiting" => Ok(Decision::reply(self.waiting())),
            "broken" => Ok(Decision::reply(self.is_broken())),
            method @ ("opened" | "late") => {
                let generation = call.int_or("generation", -1)?;
                let index = call.int_or("index", -1)?;
                match self.outcome(generation, index)? {
                    Decision {
                        next: Next::Wait { .. },
                        ..
                    } if method == "late" => Ok(Decision {
                        rows: self.break_generation(),
                        next: Next::Refuse(broken(
                            "timed out waiting for the other parties, so the barrier is broken",
                        )),
                    }),
                    decision => Ok(decision),
                }
            }
            other => Err(Refusal::new(Code::NoMethod, other)),
        }
    }

    fn apply(&mut self, row: &Row) {
        if let Row::Put {
            key,
            value,
            lent,
            expires,
            ..
        } = row
        {
            let terms = Terms::of(*lent, *expires);
            if *key == GENERATION {
                if let Some(state) = State::parse(value) {
                    self.state = Some((state, terms));
                }
            } else if let (true, Value::Int(index)) = (key.starts_with(&ARRIVALS), value) {
                self.arrivals.insert(key.clone(), (*index, terms));
            }
            return;
        }
        if row.touches(&GENERATION) {
            self.state = None;
        }
        match row {
            Row::DeletePrefix { .. } => self.arrivals.retain(|key, _| !row.touches(key)),
            _ => {
                self.arrivals.remove(row.key());
            }
        }
    }

    /// A party that is gone breaks its generation.
    fn lapse(&self, key: &RowKey, _why: Lapse) -> Rows {
        if self.arrivals.contains_key(key) {
            self.break_generation()
        } else if self.row(key).is_some() {
            smallvec![Row::delete(key.clone())]
        } else {
            // The lapse of another party's row took it along.
            Rows::new()
        }
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        if *key == GENERATION {
            let (state, terms) = self.state.as_ref()?;
            return Some(terms.put(GENERATION.clone(), state.to_value()));
        }
        let (index, terms) = self.arrivals.get(key)?;
        Some(terms.put(key.clone(), (*index).into()))
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let start = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        // Every arrival sorts before `gen`.
        let last = self.state.is_some().then_some(&GENERATION);
        let last = last.filter(|key| after.is_none_or(|cursor| *cursor.0 < ***key));
        let mut keys = self
            .arrivals
            .range((start, Bound::Unbounded))
            .map(|(key, _)| key)
            .chain(last)
            .peekable();
        let mut rows = Vec::new();
        let mut bytes = 0;
        while let Some(key) = keys.next() {
            rows.extend(self.row(key));
            bytes += ROW_BYTES;
            if keys.peek().is_some() && (rows.len() >= limit.rows || bytes >= limit.bytes) {
                return (rows, Some(Cursor(key.to_vec())));
            }
        }
        (rows, None)
    }

    fn entries(&self) -> u64 {
        self.arrivals.len() as u64
    }

    fn bytes(&self) -> u64 {
        ((self.arrivals.len() + usize::from(self.state.is_some())) * ROW_BYTES) as u64
    }
}

/// About how many bytes a row takes.
const ROW_BYTES: usize = 64;
