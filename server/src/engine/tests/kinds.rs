// Over 500 lines: three kinds with one shelf below them.
//! Kinds that only tests have: a lock with a line and a condition in it, a basket that is waited for, and one that does
//! what no good kind does. All of them are rows by key and a function that decides.

use super::{hold, slot};
use crate::objects::{
    Arguments, Cursor, Decision, Kind, Lapse, Method, Next, Object, Operation, Parameter, RowLimit,
    Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, ServerTime, Value};
use smallvec::smallvec;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Bound;

pub(in crate::engine) static KINDS: &[&Kind] = &[&HOLD, &BASKET, &TROUBLE, &slot::SLOT];

const NOTE: Parameter = Parameter::optional("note", "text");
const MS: Parameter = Parameter::optional("ms", "int");
const TICKET: Parameter = Parameter::required("ticket", "bytes");
const KEY: Parameter = Parameter::required("key", "text");

/// A lock: a line of waiters, re-entry, a note, and one condition.
static HOLD: Kind = Kind {
    name: "hold",
    doc: "A lock.",
    options: &[],
    methods: &[
        Method::write("acquire", "Takes it; returns its token.", &[NOTE, MS]).in_line("acquire"),
        Method::write("release", "Lets it go.", &[]).shrinking(),
        Method::read("holder", "Who has it: session, owner, token, depth.", &[]),
        Method::read("died", "The note of the last holder that died.", &[]),
        Method::write(
            "wait",
            "Lets it go until notified, and takes it again.",
            &[],
        )
        .waiting(),
        Method::write("notify", "Wakes the first that waits.", &[]),
        Method::internal("woken", "Was it notified?", &[TICKET]).waiting(),
        Method::internal("give_up", "It was not.", &[TICKET]).waiting(),
        Method::internal("retake", "Takes it again after giving up.", &[]).waiting(),
    ],
    create: |_| Ok(Shelf::make(hold::decide, hold::lapse)),
};

/// Items, and a line of those who want one.
static BASKET: Kind = Kind {
    name: "basket",
    doc: "A queue.",
    options: &[],
    methods: &[
        Method::write(
            "put",
            "Adds items.",
            &[Parameter::required("items", "list")],
        ),
        Method::write("get", "Takes the oldest item.", &[]).in_line("get"),
        Method::read("len", "How many.", &[]),
    ],
    create: |_| Ok(Shelf::make(basket, forget)),
};

/// What good kinds do not do, or rarely.
static TROUBLE: Kind = Kind {
    name: "trouble",
    doc: "Trouble.",
    options: &[],
    methods: &[
        Method::read("explode", "Panics in decide.", &[]),
        Method::write("corrupt", "Panics in apply.", &[]),
        Method::write(
            "linger",
            "Writes a row of its own and waits for the door, with no word about its deadline.",
            &[],
        )
        .waiting(),
        Method::internal("lingered", "Is the door open?", &[]).waiting(),
        Method::write(
            "peek",
            "Waits for the door and answers the time, changing nothing.",
            &[Parameter::optional("late", "bool: answers at its deadline")],
        )
        .waiting(),
        Method::internal("peeked", "Answers at a deadline.", &[]),
        Method::write("open", "Opens the door.", &[]),
        Method::write("shut", "Shuts the door.", &[]),
        Method::write("watch", "Waits for any change until the door is open.", &[]).waiting(),
        Method::read("count", "How many lingered.", &[]),
        Method::write(
            "stand",
            "Waits in line for one row after the other, and takes the second.",
            &[KEY, Parameter::required("then", "text")],
        )
        .in_line("stand"),
        Method::write("keep", "Writes a row that lapses.", &[KEY, MS]),
        Method::read("has", "Is the row there?", &[KEY]),
        Method::write("await", "Waits until the row is gone.", &[KEY]).waiting(),
        Method::write(
            "fill",
            "Writes so many rows of so many bytes.",
            &[
                Parameter::required("rows", "int"),
                Parameter::required("bytes", "int"),
            ],
        ),
        Method::write("clear", "Deletes what was filled.", &[]).shrinking(),
    ],
    create: |_| Ok(Shelf::make(trouble, forget_and_tell)),
};

type Decide = fn(&Shelf, &Operation, &Arguments, bool) -> Result<Decision, Refusal>;
type OnLapse = fn(&Shelf, &RowKey, Lapse) -> Rows;

/// Rows by key.
pub(super) struct Shelf {
    pub(super) rows: BTreeMap<RowKey, Row>,
    decide: Decide,
    lapse: OnLapse,
}

impl Shelf {
    pub(super) fn make(decide: Decide, lapse: OnLapse) -> Box<dyn Object> {
        Box::new(Shelf {
            rows: BTreeMap::new(),
            decide,
            lapse,
        })
    }

    pub(super) fn value(&self, key: &RowKey) -> Option<&Value> {
        match self.rows.get(key) {
            Some(Row::Put { value, .. }) => Some(value),
            _ => None,
        }
    }

    pub(super) fn under<'a>(
        &'a self,
        prefix: &'static str,
    ) -> impl Iterator<Item = (&'a RowKey, &'a Row)> {
        self.rows
            .range(RowKey::of(prefix)..)
            .take_while(move |(key, _)| key.starts_with(prefix.as_bytes()))
    }
}

impl Object for Shelf {
    fn decide(&self, op: &Operation, call: &Arguments, ahead: bool) -> Result<Decision, Refusal> {
        (self.decide)(self, op, call, ahead)
    }

    fn apply(&mut self, row: &Row) {
        assert!(&**row.key() != b"corrupt", "a row that cannot be applied");
        match row {
            Row::Put { key, .. } => {
                self.rows.insert(key.clone(), row.clone());
            }
            Row::Delete { key } => {
                self.rows.remove(key);
            }
            Row::DeletePrefix { prefix } => {
                self.rows.retain(|key, _| !key.starts_with(prefix));
            }
        }
    }

    fn lapse(&self, key: &RowKey, why: Lapse) -> Rows {
        (self.lapse)(self, key, why)
    }

    fn row(&self, key: &RowKey) -> Option<Row> {
        self.rows.get(key).cloned()
    }

    fn rows(&self, after: Option<&Cursor>, limit: RowLimit) -> (Vec<Row>, Option<Cursor>) {
        let from = match after {
            Some(cursor) => Bound::Excluded(RowKey::from(cursor.0.clone())),
            None => Bound::Unbounded,
        };
        let mut bytes = 0;
        let mut rows: Vec<Row> = Vec::new();
        for (key, row) in self.rows.range((from, Bound::Unbounded)) {
            if !rows.is_empty() && (rows.len() >= limit.rows || bytes >= limit.bytes) {
                let last = rows.last().map(|row| Cursor(row.key().to_vec()));
                return (rows, last);
            }
            bytes += key.len() + self.value(key).map_or(0, Value::size);
            rows.push(row.clone());
        }
        (rows, None)
    }

    fn entries(&self) -> u64 {
        self.rows.len() as u64
    }

    fn bytes(&self) -> u64 {
        let sizes = self
            .rows
            .keys()
            .map(|key| self.value(key).map_or(0, Value::size));
        sizes.sum::<usize>() as u64
    }
}

fn forget(_: &Shelf, key: &RowKey, _: Lapse) -> Rows {
    smallvec![Row::delete(key.clone())]
}

thread_local! {
    /// What a test does while a row of trouble lapses on its thread, under the cell's lock.
    pub(super) static ON_LAPSE: Cell<Option<Box<dyn FnOnce()>>> = const { Cell::new(None) };
}

fn forget_and_tell(shelf: &Shelf, key: &RowKey, why: Lapse) -> Rows {
    if let Some(tell) = ON_LAPSE.take() {
        tell();
    }
    forget(shelf, key, why)
}

const DOOR: RowKey = RowKey::of("open");

/// Waits, changing nothing.
pub(super) fn wait(until: Until, resume: Call, on_deadline: Option<Call>) -> Decision {
    Decision {
        rows: Rows::new(),
        next: Next::Wait {
            until,
            resume: resume.into(),
            on_deadline: on_deadline.map(Box::new),
        },
    }
}

fn basket(
    shelf: &Shelf,
    op: &Operation,
    call: &Arguments,
    ahead: bool,
) -> Result<Decision, Refusal> {
    match call.method() {
        "put" => {
            let mut decision = Decision::reply(Value::Null);
            for (index, item) in (0u32..).zip(call.items("items")?) {
                let mut key = b"i/".to_vec();
                key.extend_from_slice(&op.last.0.to_be_bytes());
                key.extend_from_slice(&index.to_be_bytes());
                decision.rows.push(Row::put(key.into(), item.clone()));
            }
            Ok(decision)
        }
        "get" => match shelf.under("i/").next() {
            Some((key, _)) if !ahead => {
                let item = shelf.value(key).cloned().unwrap_or_default();
                Ok(Decision::reply(item).with(Row::delete(key.clone())))
            }
            _ if !op.may_wait => Err(Refusal::new(Code::Empty, "there is nothing")),
            _ => Ok(wait(Until::Any, call.to_call(), None)),
        },
        "len" => Ok(Decision::reply(shelf.rows.len())),
        other => Err(Refusal::new(Code::NoMethod, other)),
    }
}

fn row_key(text: &str) -> RowKey {
    format!("k/{text}").into_bytes().into()
}

fn trouble(
    shelf: &Shelf,
    op: &Operation,
    call: &Arguments,
    ahead: bool,
) -> Result<Decision, Refusal> {
    let open = shelf.rows.contains_key(&DOOR);
    match call.method() {
        "explode" => panic!("it exploded"),
        "corrupt" => {
            Ok(Decision::reply(Value::Null).with(Row::put(RowKey::of("corrupt"), Value::Null)))
        }
        "linger" => {
            let key = format!("l/{:020}", op.last.0).into_bytes().into();
            let decision = Decision::wait(DOOR, Call::new("lingered", []));
            Ok(decision.with(Row::put(key, Value::Null)))
        }
        "lingered" if open => Ok(Decision::reply(shelf.under("l/").count())),
        "lingered" => Ok(Decision::wait(DOOR, call.to_call())),
        "peek" | "watch" if open => Ok(Decision::reply(op.at.0)),
        "peek" => {
            let late = call
                .bool_or("late", false)?
                .then(|| Call::new("peeked", []));
            Ok(wait(Until::Row(DOOR), call.to_call(), late))
        }
        "peeked" => Ok(Decision::reply("late")),
        "watch" => Ok(wait(Until::Any, call.to_call(), None)),
        "open" => Ok(Decision::reply(Value::Null).with(Row::put(DOOR, Value::Null))),
        "shut" => Ok(Decision::reply(Value::Null).with(Row::delete(DOOR))),
        "count" => Ok(Decision::reply(shelf.under("l/").count())),
        "stand" => {
            let (first, then) = (row_key(call.text("key")?), row_key(call.text("then")?));
            // Positional, as kinds may write it.
            let again = Call::new(
                "stand",
                [call.value("key")?.clone(), call.value("then")?.clone()],
            );
            if ahead || !shelf.rows.contains_key(&first) {
                return Ok(Decision::wait(first, again));
            }
            if !shelf.rows.contains_key(&then) {
                return Ok(Decision::wait(then, again));
            }
            Ok(Decision::reply(Value::Null).with(Row::delete(then)))
        }
        "keep" => {
            let ms = u64::try_from(call.int_or("ms", 0)?).unwrap_or(0);
            let row = Row::Put {
                key: row_key(call.text("key")?),
                value: Value::Null,
                ticket: None,
                lent: None,
                expires: (ms > 0).then(|| ServerTime(op.at.0 + ms)),
            };
            Ok(Decision::reply(Value::Null).with(row))
        }
        "has" => Ok(Decision::reply(
            shelf.rows.contains_key(&row_key(call.text("key")?)),
        )),
        "await" => {
            let key = row_key(call.text("key")?);
            if shelf.rows.contains_key(&key) {
                Ok(Decision::wait(key, call.to_call()))
            } else {
                Ok(Decision::reply(Value::Null))
            }
        }
        "fill" => {
            let bytes = usize::try_from(call.int_or("bytes", 0)?).unwrap_or(0);
            let mut decision = Decision::reply(Value::Null);
            for index in 0..call.int_or("rows", 0)? {
                let key = format!("f/{index:08}").into_bytes().into();
                let value = Value::Bytes(vec![7; bytes].into());
                decision.rows.push(Row::put(key, value));
            }
            Ok(decision)
        }
        "clear" => Ok(Decision::reply(Value::Null).with(Row::DeletePrefix {
            prefix: RowKey::of("f/"),
        })),
        other => Err(Refusal::new(Code::NoMethod, other)),
    }
}
