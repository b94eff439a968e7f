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
    last: Option<Did>,
}

#[derive(Clone, Copy, Debug)]
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
    Undo,
}

/// What the last get or take did: what was removed, and from where.
#[derive(Clone, Debug)]
enum Did {
    Got(Vec<Entry>),
    Took(i64),
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
        3 => Just(Step::Undo),
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
        let is =
            |entry: &Entry| matches!(entry.state, State::Taken { receipt: r, .. } if r == receipt);
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

/// What the queue answered, and what the model says it should have.
type Answers = (Result<Value, Code>, Result<Value, Code>);

/// The queue and its model.
struct Both {
    queue: Bench,
    model: Model,
    /// How many items were made. They count up, so an item is its place.
    serial: i64,
}

impl Both {
    fn ask(&mut self, session: u64, call: Call) -> Result<Value, Code> {
        let answer = self.queue.call(session, false, call);
        let answer = answer.expect("it may not wait");
        answer.map_err(|refusal| refusal.code)
    }

    fn act(&mut self, step: Step) -> Answers {
        match step {
            Step::Put(count) => self.put(count),
            Step::Get => self.get(),
            Step::GetMany(n) => self.get_many(n),
            Step::Take(session) => self.take(session),
            Step::Ack(at) | Step::Nack(at) | Step::Extend(at) => self.settle(&step, at),
            Step::Expire(at) => self.expire(at),
            Step::Die(session) => self.die(session),
            Step::Done(n) => self.task_done(n),
            Step::Redrive(n) => self.redrive(n),
            Step::Discard(n) => self.discard(n),
            Step::Clear => {
                let answer = self.ask(1, plain("clear"));
                self.model.drain();
                (answer, Ok(Value::Null))
            }
            Step::Shutdown(immediate) => {
                let answer = self.ask(1, with("shutdown", immediate));
                self.model.shut = true;
                if immediate {
                    self.model.drain();
                }
                (answer, Ok(Value::Null))
            }
            Step::Undo => self.undo(),
        }
    }

    fn put(&mut self, count: usize) -> Answers {
        let first = self.serial;
        let items: Vec<i64> = (first..).take(count).collect();
        self.serial = items.last().map_or(first, |last| last + 1);
        let values = items.iter().map(|item| (*item).into()).collect();
        let answer = match items[..] {
            [item] => self.ask(1, put(item)),
            _ => self.ask(1, with("put_many", Value::List(values))),
        };
        let model = &mut self.model;
        let room = match model.maxsize {
            0 => usize::MAX,
            maxsize => maxsize.saturating_sub(model.ready().len()),
        };
        let expected = if model.maxsize > 0 && count > model.maxsize {
            Err(Code::BadArguments)
        } else if model.shut {
            Err(Code::Broken)
        } else if count > 0 && count > room {
            Err(Code::Full)
        } else {
            model.entries.extend(items.into_iter().map(|value| Entry {
                value,
                deliveries: 0,
                state: State::Ready,
            }));
            model.unfinished += self.serial - first;
            Ok(Value::Null)
        };
        (answer, expected)
    }

    fn get(&mut self) -> Answers {
        let answer = self.ask(1, plain("get"));
        let model = &mut self.model;
        let expected = match model.ready().first() {
            None => model.refused_get(),
            Some(at) => {
                model.last = Some(Did::Got(vec![model.entries[*at].clone()]));
                Ok(model.remove(&[*at]).remove(0))
            }
        };
        (answer, expected)
    }

    fn get_many(&mut self, n: usize) -> Answers {
        let answer = self.ask(1, with("get_many", n));
        let model = &mut self.model;
        let mut places = model.ready();
        places.truncate(n);
        let expected = if places.is_empty() {
            model.refused_get()
        } else {
            let got = places.iter().map(|at| model.entries[*at].clone());
            model.last = Some(Did::Got(got.collect()));
            Ok(Value::List(model.remove(&places)))
        };
        (answer, expected)
    }

    fn take(&mut self, session: u64) -> Answers {
        let answer = self.ask(session, plain("take"));
        let model = &mut self.model;
        let expected = match (model.ready().first(), &answer) {
            (None, _) => model.refused_get(),
            (Some(_), Err(_)) => Ok(Value::Null),
            (Some(&at), Ok(taken)) => {
                let (value, receipt, deliveries) = parts(taken);
                assert!(model.receipts.iter().all(|before| *before < receipt));
                model.receipts.push(receipt);
                model.last = Some(Did::Took(receipt));
                let entry = &mut model.entries[at];
                entry.deliveries += 1;
                entry.state = State::Taken { receipt, session };
                assert_eq!((value, deliveries), (entry.value.into(), entry.deliveries));
                answer.clone()
            }
        };
        (answer, expected)
    }

    /// One of all that were given, most of which are stale.
    fn receipt(&self, at: usize) -> i64 {
        match self.model.receipts.len() {
            0 => 77,
            count => self.model.receipts[at % count],
        }
    }

    fn settle(&mut self, step: &Step, at: usize) -> Answers {
        let receipt = self.receipt(at);
        let call = match step {
            Step::Ack(_) => with("ack", receipt),
            Step::Nack(_) => with("nack", receipt),
            _ => Call::new("extend", [receipt.into(), 2.5.into()]),
        };
        let answer = self.ask(3, call);
        let model = &mut self.model;
        let Some(at) = model.taken(receipt) else {
            return (answer, Err(Code::LockLost));
        };
        match step {
            Step::Ack(_) => {
                model.done();
                model.remove(&[at]);
            }
            Step::Nack(_) => model.give_back(at),
            _ => {}
        }
        (answer, Ok(Value::Null))
    }

    fn expire(&mut self, at: usize) -> Answers {
        let receipt = self.receipt(at);
        if let Some(key) = taken_key(&self.queue, receipt) {
            self.queue.lapse(&key, Lapse::Expired);
        }
        if let Some(at) = self.model.taken(receipt) {
            self.model.give_back(at);
        }
        (Ok(Value::Null), Ok(Value::Null))
    }

    fn die(&mut self, session: u64) -> Answers {
        self.queue.end_lease(session, Lapse::Died);
        let model = &mut self.model;
        for at in 0..model.entries.len() {
            if matches!(model.entries[at].state, State::Taken { session: s, .. } if s == session) {
                model.give_back(at);
            }
        }
        (Ok(Value::Null), Ok(Value::Null))
    }

    fn task_done(&mut self, n: i64) -> Answers {
        let answer = self.ask(1, with("task_done", n));
        if n > self.model.unfinished {
            return (answer, Err(Code::OutOfBounds));
        }
        self.model.unfinished -= n;
        (answer, Ok(Value::Null))
    }

    fn redrive(&mut self, n: usize) -> Answers {
        let answer = self.ask(1, with("redrive", n));
        let mut places = self.model.dead();
        places.truncate(n);
        for at in &places {
            self.model.entries[*at].deliveries = 0;
            self.model.entries[*at].state = State::Ready;
            self.model.unfinished += 1;
        }
        (answer, Ok(places.len().into()))
    }

    fn discard(&mut self, n: usize) -> Answers {
        let answer = self.ask(1, with("discard", n));
        let mut places = self.model.dead();
        places.truncate(n);
        self.model.remove(&places);
        (answer, Ok(places.len().into()))
    }

    /// Undoes the last get or take.
    fn undo(&mut self) -> Answers {
        let answer = match self.queue.undo() {
            None => Ok(Value::Null),
            Some(answer) => answer.map_err(|refusal| refusal.code),
        };
        let model = &mut self.model;
        let expected = match model.last.take() {
            None => Ok(Value::Null),
            Some(Did::Got(entries)) => {
                model.entries.extend(entries);
                model.entries.sort_by_key(|entry| entry.value);
                Ok(Value::Null)
            }
            Some(Did::Took(receipt)) => match model.taken(receipt) {
                None => Err(Code::LockLost),
                Some(at) => {
                    model.entries[at].deliveries -= 1;
                    model.entries[at].state = State::Ready;
                    Ok(Value::Null)
                }
            },
        };
        (answer, expected)
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
        let model = Model { maxsize, lifo, dead_after, ..Model::default() };
        let mut both = Both { queue: queue(&options), model, serial: 0 };
        for step in steps {
            let (answer, expected) = both.act(step);
            prop_assert_eq!(answer, expected, "{:?}", step);
            check_against(&mut both.queue, &both.model);
        }
    }
}
