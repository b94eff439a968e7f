// Over 500 lines: three kinds with one shelf below them.
//! Kinds that only tests have: a lock with a line and a condition in it, a basket that is waited for, and one that does
//! what no good kind does. All of them are rows by key and a function that decides.

use crate::objects::{
    Arguments, Cursor, Decision, Kind, Lapse, Method, Next, Object, Operation, Parameter, RowLimit,
    Until,
};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, ServerTime, Value};
use smallvec::smallvec;
use std::collections::BTreeMap;
use std::ops::Bound;

pub(in crate::engine) static KINDS: &[&Kind] = &[&HOLD, &BASKET, &TROUBLE];

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
    create: |_| Ok(Shelf::make(hold, hold_lapse)),
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
    create: |_| Ok(Shelf::make(trouble, forget)),
};

type Decide = fn(&Shelf, &Operation, &Arguments, bool) -> Result<Decision, Refusal>;
type OnLapse = fn(&Shelf, &RowKey, Lapse) -> Rows;

/// Rows by key.
struct Shelf {
    rows: BTreeMap<RowKey, Row>,
    decide: Decide,
    lapse: OnLapse,
}

impl Shelf {
    fn make(decide: Decide, lapse: OnLapse) -> Box<dyn Object> {
        Box::new(Shelf {
            rows: BTreeMap::new(),
            decide,
            lapse,
        })
    }

    fn value(&self, key: &RowKey) -> Option<&Value> {
        match self.rows.get(key) {
            Some(Row::Put { value, .. }) => Some(value),
            _ => None,
        }
    }

    fn under<'a>(&'a self, prefix: &'static str) -> impl Iterator<Item = (&'a RowKey, &'a Row)> {
        self.rows
            .range(RowKey::of(prefix)..)
            .take_while(move |(key, _)| key.0.starts_with(prefix.as_bytes()))
    }
}

impl Object for Shelf {
    fn decide(&self, op: &Operation, call: &Arguments, ahead: bool) -> Result<Decision, Refusal> {
        (self.decide)(self, op, call, ahead)
    }

    fn apply(&mut self, row: &Row) {
        assert!(row.key().0 != "corrupt", "a row that cannot be applied");
        match row {
            Row::Put { key, .. } => {
                self.rows.insert(key.clone(), row.clone());
            }
            Row::Delete { key } => {
                self.rows.remove(key);
            }
            Row::DeletePrefix { prefix } => {
                self.rows.retain(|key, _| !key.0.starts_with(&prefix.0));
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
                let last = rows.last().map(|row| Cursor(row.key().0.to_vec()));
                return (rows, last);
            }
            bytes += key.0.len() + self.value(key).map_or(0, Value::size);
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

const HOLDER: RowKey = RowKey::of("holder");
const DIED: RowKey = RowKey::of("died");
const DOOR: RowKey = RowKey::of("open");

/// Who has a lock.
struct Holder {
    session: i64,
    owner: i64,
    token: i64,
    depth: i64,
    note: Value,
}

impl Holder {
    fn of(shelf: &Shelf) -> Option<Holder> {
        let Value::Tuple(fields) = shelf.value(&HOLDER)? else {
            return None;
        };
        let number = |at: usize| fields.get(at).and_then(Value::as_int).unwrap_or(0);
        Some(Holder {
            session: number(0),
            owner: number(1),
            token: number(2),
            depth: number(3),
            note: fields.get(4).cloned().unwrap_or_default(),
        })
    }

    fn is(&self, op: &Operation) -> bool {
        (self.session, self.owner) == (session_of(op), owner_of(op))
    }

    fn to_value(&self) -> Value {
        let numbers = [self.session, self.owner, self.token, self.depth];
        let mut fields: Vec<Value> = numbers.into_iter().map(Value::Int).collect();
        fields.push(self.note.clone());
        Value::Tuple(fields)
    }

    fn row(&self, op: &Operation, expires: Option<ServerTime>) -> Row {
        Row::Put {
            key: HOLDER,
            value: self.to_value(),
            lent: op.session,
            expires,
        }
    }
}

fn session_of(op: &Operation) -> i64 {
    op.session.map_or(-1, |session| session.0.cast_signed())
}

fn owner_of(op: &Operation) -> i64 {
    op.owner.0.cast_signed()
}

/// Takes a free lock.
fn taken(op: &Operation, note: Value, expires: Option<ServerTime>) -> Row {
    let holder = Holder {
        session: session_of(op),
        owner: owner_of(op),
        token: op.last.0.cast_signed(),
        depth: 1,
        note,
    };
    holder.row(op, expires)
}

fn ticket_key(ticket: &Value) -> RowKey {
    let mut key = b"cond/".to_vec();
    if let Value::Bytes(ticket) = ticket {
        key.extend_from_slice(ticket);
    }
    key.into()
}

fn wait(until: Until, resume: Call, on_deadline: Option<Call>) -> Decision {
    Decision {
        rows: Rows::new(),
        next: Next::Wait {
            until,
            resume,
            on_deadline,
        },
    }
}

fn hold(shelf: &Shelf, op: &Operation, call: &Arguments, ahead: bool) -> Result<Decision, Refusal> {
    let holder = Holder::of(shelf);
    let owned = |holder: Option<Holder>| match holder {
        Some(holder) if holder.is(op) => Ok(holder),
        _ => Err(Refusal::new(Code::NotOwner, "somebody else has it")),
    };
    match call.method() {
        "acquire" => {
            let note = match call.get("note") {
                None => Value::Null,
                Some(note @ Value::Text(_)) => note.clone(),
                Some(_) => return Err(call.bad("note", "must be a str")),
            };
            let ms = call.int_or("ms", 0)?;
            let expires =
                (ms > 0).then(|| ServerTime(op.at.0 + u64::try_from(ms).expect("positive")));
            match holder {
                Some(mut holder) if holder.is(op) => {
                    holder.depth += 1;
                    let token = holder.token;
                    Ok(Decision::reply(token).with(holder.row(op, expires)))
                }
                None if !ahead => {
                    let token = op.last.0.cast_signed();
                    Ok(Decision::reply(token).with(taken(op, note, expires)))
                }
                _ if !op.may_wait => Ok(Decision::reply(false)),
                _ => Ok(Decision::wait(HOLDER, call.to_call())),
            }
        }
        "release" => {
            let mut holder = owned(holder)?;
            holder.depth -= 1;
            let row = if holder.depth == 0 {
                Row::delete(HOLDER)
            } else {
                holder.row(op, None)
            };
            Ok(Decision::reply(Value::Null).with(row))
        }
        "holder" => Ok(Decision::reply(
            holder.map_or(Value::Null, |h| h.to_value()),
        )),
        "died" => Ok(Decision::reply(
            shelf.value(&DIED).cloned().unwrap_or_default(),
        )),
        "wait" => {
            owned(holder)?;
            let ticket = Value::Bytes(op.last.0.to_be_bytes().to_vec().into());
            let key = ticket_key(&ticket);
            let ask = |method| Call::new(method, [ticket.clone()]);
            let decision = wait(Until::Row(key.clone()), ask("woken"), Some(ask("give_up")));
            Ok(decision
                .with(Row::delete(HOLDER))
                .with(Row::lent(key, Value::Null, op.session)))
        }
        "notify" => {
            owned(holder)?;
            let first = shelf.under("cond/").next();
            let Some((key, _)) = first else {
                return Ok(Decision::reply(0));
            };
            Ok(Decision::reply(1).with(Row::delete(key.clone())))
        }
        method @ ("woken" | "give_up") => {
            let key = ticket_key(call.value("ticket")?);
            let waits = shelf.rows.contains_key(&key);
            match (waits, method, holder) {
                (true, "woken", _) => Ok(wait(Until::Row(key), call.to_call(), None)),
                (true, _, Some(_)) => {
                    let decision = wait(Until::Row(HOLDER), Call::new("retake", []), None);
                    Ok(decision.with(Row::delete(key)))
                }
                (true, _, None) => Ok(Decision::reply(false).with(Row::delete(key)).with(taken(
                    op,
                    Value::Null,
                    None,
                ))),
                (false, _, Some(_)) => {
                    let resume = call.to_call().method;
                    debug_assert!(resume == method);
                    let resume = Call::new("woken", [call.value("ticket")?.clone()]);
                    Ok(wait(Until::Row(HOLDER), resume, None))
                }
                (false, _, None) => Ok(Decision::reply(true).with(taken(op, Value::Null, None))),
            }
        }
        "retake" => match holder {
            Some(_) => Ok(wait(Until::Row(HOLDER), call.to_call(), None)),
            None => Ok(Decision::reply(false).with(taken(op, Value::Null, None))),
        },
        other => Err(Refusal::new(Code::NoMethod, other)),
    }
}

/// Who dies leaves a note; who says goodbye leaves the lock locked.
fn hold_lapse(shelf: &Shelf, key: &RowKey, why: Lapse) -> Rows {
    let Some(holder) = Holder::of(shelf).filter(|_| *key == HOLDER) else {
        return smallvec![Row::delete(key.clone())];
    };
    match why {
        Lapse::Died => smallvec![Row::delete(HOLDER), Row::put(DIED, holder.note)],
        Lapse::Goodbye => smallvec![Row::put(HOLDER, holder.to_value())],
        Lapse::Expired => smallvec![Row::delete(HOLDER)],
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
