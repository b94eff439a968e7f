//! The lock of the tests: a line, re-entry, a note for who comes after the dead, and one condition.

use super::kinds::{Shelf, wait};
use crate::objects::{Arguments, Decision, Lapse, Operation, Until};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, ServerTime, Value};
use smallvec::smallvec;

const HOLDER: RowKey = RowKey::of("holder");
const DIED: RowKey = RowKey::of("died");

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
            ticket: None,
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

pub(super) fn decide(
    shelf: &Shelf,
    op: &Operation,
    call: &Arguments,
    ahead: bool,
) -> Result<Decision, Refusal> {
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
pub(super) fn lapse(shelf: &Shelf, key: &RowKey, why: Lapse) -> Rows {
    let Some(holder) = Holder::of(shelf).filter(|_| *key == HOLDER) else {
        return smallvec![Row::delete(key.clone())];
    };
    match why {
        Lapse::Died => smallvec![Row::delete(HOLDER), Row::put(DIED, holder.note)],
        Lapse::Goodbye => smallvec![Row::put(HOLDER, holder.to_value())],
        Lapse::Expired => smallvec![Row::delete(HOLDER)],
    }
}
