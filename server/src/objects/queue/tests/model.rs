//! A queue against a plain model of Python's, and of what is taken.

use super::*;

#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Ready,
    Taken { receipt: i64, session: u64 },
    Dead,
}

#[derive(Clone, Debug)]
struct Entry {
    value: i64,
    deliveries: i64,
    state: State,
}

/// A list in order of places, and a count as Python has it.
#[derive(Debug, Default)]
struct Model {
    maxsize: usize,
    lifo: bool,
    dead_after: i64,
    entries: Vec<Entry>,
    unfinished: i64,
    shut: bool,
    receipts: Vec<i64>,
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize),
    Get,
    GetMany(usize),
    Take(u64),
    Ack(usize),
    Nack(usize),
    Extend(usize),
    Expire(usize),
    Die(u64),
    Done(i64),
    Redrive(usize),
    Discard(usize),
    Clear,
    Shutdown(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0usize..4).prop_map(Step::Put),
        4 => Just(Step::Get),
        2 => (1usize..4).prop_map(Step::GetMany),
        8 => (1u64..4).prop_map(Step::Take),
        3 => (0usize..40).prop_map(Step::Ack),
        5 => (0usize..40).prop_map(Step::Nack),
        2 => (0usize..40).prop_map(Step::Extend),
        2 => (0usize..40).prop_map(Step::Expire),
        1 => (1u64..4).prop_map(Step::Die),
        3 => (1i64..3).prop_map(Step::Done),
        1 => (1usize..4).prop_map(Step::Redrive),
        1 => (1usize..4).prop_map(Step::Discard),
        1 => Just(Step::Clear),
        1 => prop::bool::weighted(0.3).prop_map(Step::Shutdown),
    ]
}

impl Model {
    /// Where what is ready stands, in the order in which it is got.
    fn ready(&self) -> Vec<usize> {
        let ready = |at: &usize| self.entries[*at].state == State::Ready;
        let mut places: Vec<usize> = (0..self.entries.len()).filter(ready).collect();
        if self.lifo {
            places.reverse();
        }
        places
    }

    fn done(&mut self) {
        self.unfinished = (self.unfinished - 1).max(0);
    }

    /// Where what this receipt is for stands.
    fn taken(&self, receipt: i64) -> Option<usize> {
        let is = |entry: &Entry| matches!(entry.state, State::Taken { receipt: r, .. } if r == receipt);
        self.entries.iter().position(is)
    }

    fn give_back(&mut self, at: usize) {
        let entry = &mut self.entries[at];
        let dies = self.dead_after > 0 && entry.deliveries >= self.dead_after;
        entry.state = if dies { State::Dead } else { State::Ready };
        if dies {
            self.done();
        }
    }

    fn drain(&mut self) {
        for _ in self.ready() {
            self.done();
        }
        self.entries.retain(|entry| entry.state != State::Ready);
    }

    fn remove(&mut self, places: &[usize]) -> Vec<Value> {
        let values = places.iter().map(|at| self.entries[*at].value.into());
        let values = values.collect();
        let mut at = 0;
        self.entries.retain(|_| {
            at += 1;
            !places.contains(&(at - 1))
        });
        values
    }

    fn refused_get(&self) -> Result<Value, Code> {
        Err(if self.shut { Code::Broken } else { Code::Empty })
    }

    fn dead(&self) -> Vec<usize> {
        let dead = |at: &usize| self.entries[*at].state == State::Dead;
        (0..self.entries.len()).filter(dead).collect()
    }
}

/// Does a step to both. What the queue answered, and what the model says it should have.
fn act(bench: &mut Bench, model: &mut Model, step: Step, serial: &mut i64) -> (Result<Value, Code>, Result<Value, Code>) {
    let mut ask = |session: u64, call: Call| {
        let answer = bench.call(session, false, call).expect("it may not wait");
        answer.map_err(|refusal| refusal.code)
    };
    let some_receipt = |model: &Model, at: usize| match model.receipts.len() {
        0 => 77,
        count => model.receipts[at % count],
    };
    match step {
        Step::Put(count) => {
            let items: Vec<i64> = (0..count).map(|index| *serial + index as i64).collect();
            *serial += count as i64;
            let call = match items[..] {
                [item] => put(item),
                _ => with("put_many", Value::List(items.iter().map(|i| (*i).into()).collect())),
            };
            let answer = ask(1, call);
            let expected = if model.maxsize > 0 && count > model.maxsize {
                Err(Code::BadArguments)
            } else if model.shut {
                Err(Code::Broken)
            } else if model.maxsize > 0 && count > 0 && model.ready().len() + count > model.maxsize {
                Err(Code::Full)
            } else {
                model.unfinished += count as i64;
                let entry = |value| Entry { value, deliveries: 0, state: State::Ready };
                model.entries.extend(items.into_iter().map(entry));
                Ok(Value::Null)
            };
            (answer, expected)
        }
        Step::Get => {
            let answer = ask(1, plain("get"));
            let expected = match model.ready().first() {
                None => model.refused_get(),
                Some(at) => Ok(model.remove(&[*at]).remove(0)),
            };
            (answer, expected)
        }
        Step::GetMany(n) => {
            let answer = ask(1, with("get_many", n));
            let mut places = model.ready();
            places.truncate(n);
            let expected = if places.is_empty() {
                model.refused_get()
            } else {
                Ok(Value::List(model.remove(&places)))
            };
            (answer, expected)
        }
        Step::Take(session) => {
            let answer = ask(session, plain("take"));
            let expected = match (model.ready().first(), &answer) {
                (None, _) => model.refused_get(),
                (Some(_), Err(_)) => Ok(Value::Null),
                (Some(&at), Ok(taken)) => {
                    let (value, receipt, deliveries) = parts(taken);
                    assert!(model.receipts.iter().all(|before| *before < receipt));
                    model.receipts.push(receipt);
                    let entry = &mut model.entries[at];
                    entry.deliveries += 1;
                    entry.state = State::Taken { receipt, session };
                    assert_eq!((value, deliveries), (entry.value.into(), entry.deliveries));
                    answer.clone()
                }
            };
            (answer, expected)
        }
        Step::Ack(at) | Step::Nack(at) | Step::Extend(at) => {
            let receipt = some_receipt(model, at);
            let call = match step {
                Step::Ack(_) => with("ack", receipt),
                Step::Nack(_) => with("nack", receipt),
                _ => Call::new("extend", [receipt.into(), 2.5.into()]),
            };
            let answer = ask(3, call);
            let expected = match (model.taken(receipt), step) {
                (None, _) => Err(Code::LockLost),
                (Some(at), Step::Ack(_)) => {
                    model.done();
                    model.remove(&[at]);
                    Ok(Value::Null)
                }
                (Some(at), Step::Nack(_)) => {
                    model.give_back(at);
                    Ok(Value::Null)
                }
                _ => Ok(Value::Null),
            };
            (answer, expected)
        }
        Step::Expire(at) => {
            let receipt = some_receipt(model, at);
            if let Some(key) = taken_key(bench, receipt) {
                bench.lapse(&key, Lapse::Expired);
            }
            if let Some(at) = model.taken(receipt) {
                model.give_back(at);
            }
            (Ok(Value::Null), Ok(Value::Null))
        }
        Step::Die(session) => {
            bench.end_lease(session, Lapse::Died);
            for at in 0..model.entries.len() {
                if matches!(model.entries[at].state, State::Taken { session: s, .. } if s == session) {
                    model.give_back(at);
                }
            }
            (Ok(Value::Null), Ok(Value::Null))
        }
        Step::Done(n) => {
            let answer = ask(1, with("task_done", n));
            let expected = if n > model.unfinished {
                Err(Code::OutOfBounds)
            } else {
                model.unfinished -= n;
                Ok(Value::Null)
            };
            (answer, expected)
        }
        Step::Redrive(n) => {
            let answer = ask(1, with("redrive", n));
            let mut places = model.dead();
            places.truncate(n);
            for at in &places {
                model.entries[*at].deliveries = 0;
                model.entries[*at].state = State::Ready;
                model.unfinished += 1;
            }
            (answer, Ok(places.len().into()))
        }
        Step::Discard(n) => {
            let answer = ask(1, with("discard", n));
            let mut places = model.dead();
            places.truncate(n);
            model.remove(&places);
            (answer, Ok(places.len().into()))
        }
        Step::Clear => {
            let answer = ask(1, plain("clear"));
            model.drain();
            (answer, Ok(Value::Null))
        }
        Step::Shutdown(immediate) => {
            let answer = ask(1, with("shutdown", immediate));
            model.shut = true;
            if immediate {
                model.drain();
            }
            (answer, Ok(Value::Null))
        }
    }
}

fn check_against(bench: &mut Bench, model: &Model) {
    let ready = model.ready();
    check(bench, plain("len"), ready.len());
    check(bench, plain("unfinished"), model.unfinished);
    let full = model.maxsize > 0 && ready.len() >= model.maxsize;
    check(bench, plain("full"), full);
    let values = ready.iter().map(|at| model.entries[*at].value.into());
    check(bench, with("peek", 1000), Value::List(values.collect()));
    let joined = bench.ask(plain("join")).map_err(|refusal| refusal.code);
    assert_eq!(joined.is_ok(), model.unfinished == 0, "{joined:?}");
    let Ok(Value::List(letters)) = bench.ask(plain("dead")) else {
        panic!("dead letters are a list");
    };
    let dead = model.dead();
    assert_eq!(letters.len(), dead.len());
    for (letter, at) in letters.iter().zip(dead) {
        let Value::Dict(fields) = letter else {
            panic!("{letter:?} is no dict");
        };
        let entry = &model.entries[at];
        assert_eq!(fields[1].1, entry.value.into());
        assert_eq!(fields[2].1, entry.deliveries.into());
    }
    let taken = |entry: &&Entry| matches!(entry.state, State::Taken { .. });
    let taken = model.entries.iter().filter(taken).count();
    assert_eq!(bench.object.holders(usize::MAX).len(), taken);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn a_queue_is_pythons_with_items_on_loan(
        maxsize in 0usize..6, lifo: bool, dead_after in 0i64..3, steps in vec(step(), 0..60),
    ) {
        let options = [
            ("maxsize", maxsize.into()), ("lifo", lifo.into()), ("dead_after", dead_after.into()),
        ];
        let mut bench = queue(&options);
        let mut model = Model { maxsize, lifo, dead_after, ..Model::default() };
        let mut serial = 0;
        for step in steps {
            let (answer, expected) = act(&mut bench, &mut model, step.clone(), &mut serial);
            prop_assert_eq!(answer, expected, "{:?}", step);
            check_against(&mut bench, &model);
        }
    }
}
