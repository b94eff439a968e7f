//! Waiting to be notified: the conditions of a lock.
//!
//! `wait` needs the lock and gives up all levels of it. A caller that is notified stands in the line of those who acquire
//! from then on; one whose time is over does so without having been notified, and takes no notification from others. A
//! notified caller that dies passes its notification on.

use super::{Lock, OWNER};
use crate::objects::hold::{Hold, expiry, granted};
use crate::objects::terms::Terms;
use crate::objects::{Arguments, Decision, Next, Operation, Until};
use commonhold_proto::{Call, Code, Refusal, Row, RowKey, Rows, Value};
use std::ops::Bound;

/// What all tickets begin with.
pub(super) static TICKETS: RowKey = RowKey::of("w/");

/// A row `w/<condition>/<ticket>`: a caller that waits, and what it had.
#[derive(Clone, Debug)]
pub(super) struct Ticket {
    pub(super) stage: Stage,
    pub(super) owner: i64,
    pub(super) depth: i64,
    pub(super) note: Option<String>,
    pub(super) lease_ms: Option<i64>,
    pub(super) terms: Terms,
}

/// How far a wait is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// It waits to be notified.
    Waiting,
    /// It was notified and wants the lock.
    Notified,
    /// Its time was over before it was notified; it wants the lock.
    Late,
}

/// Which wait it is.
#[derive(Clone, Copy)]
struct Place {
    condition: i64,
    ticket: i64,
}

impl Place {
    fn of(call: &Arguments) -> Result<Place, Refusal> {
        Ok(Place {
            condition: call.int_or("condition", 0)?,
            ticket: call.int_or("ticket", 0)?,
        })
    }

    fn key(self) -> RowKey {
        let mut key = prefix(self.condition).to_vec();
        key.extend_from_slice(&self.ticket.to_be_bytes());
        key.into()
    }

    fn ask(self, method: &'static str) -> Call {
        Call::new(method, [self.condition.into(), self.ticket.into()])
    }
}

/// What the tickets of one condition begin with.
fn prefix(condition: i64) -> RowKey {
    let mut key = TICKETS.to_vec();
    key.extend_from_slice(&condition.to_be_bytes());
    key.push(b'/');
    key.into()
}

impl Lock {
    pub(super) fn wait(
        &self,
        operation: &Operation,
        call: &Arguments,
    ) -> Result<Decision, Refusal> {
        let hold = self.held(operation, call, "wait on")?;
        if operation.session.is_none() {
            let message = "only a session can wait to be notified: nobody would see its caller die";
            return Err(Refusal::new(Code::BadArguments, message));
        }
        if !operation.may_wait {
            // It would be given up and taken again at one moment.
            let mut reply = granted(operation, hold.token, None);
            if let Value::Dict(pairs) = &mut reply {
                pairs.push(("notified".into(), false.into()));
            }
            return Ok(Decision::reply(reply));
        }
        let condition = call.int_or("condition", 0)?;
        // Above all tickets there are: they are asked in the order in which they came.
        let ticket = operation.next.0.cast_signed();
        let place = Place { condition, ticket };
        let row = Ticket {
            stage: Stage::Waiting,
            owner: hold.owner,
            depth: hold.depth,
            note: hold.note.clone(),
            lease_ms: hold.lease_ms,
            terms: Terms::of(operation.session, None),
        };
        let mut decision = sleep(place);
        decision.rows = Rows::from_vec(vec![row.to_row(&place.key()), Row::delete(OWNER.clone())]);
        Ok(decision)
    }

    pub(super) fn notify(
        &self,
        operation: &Operation,
        call: &Arguments,
        most: usize,
    ) -> Result<Decision, Refusal> {
        self.held(operation, call, "notify on")?;
        let rows: Rows = self
            .asleep(call.int_or("condition", 0)?)
            .take(most)
            .map(|(key, ticket)| ticket.at(Stage::Notified).to_row(key))
            .collect();
        let notified = i64::try_from(rows.len()).expect("a count fits");
        Ok(Decision {
            rows,
            next: Next::Reply(notified.into()),
        })
    }

    pub(super) fn count_waiting(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let count = self.asleep(call.int_or("condition", 0)?).count();
        Ok(Decision::reply(i64::try_from(count).expect("a count fits")))
    }

    pub(super) fn disband(&self, call: &Arguments) -> Result<Decision, Refusal> {
        let prefix = prefix(call.int_or("condition", 0)?);
        let mut decision = Decision::reply(Value::Null);
        if self.tickets(&prefix).next().is_some() {
            decision.rows.push(Row::DeletePrefix { prefix });
        }
        Ok(decision)
    }

    /// A caller that waited asks again; `late` if its time is over.
    pub(super) fn go_on(
        &self,
        operation: &Operation,
        call: &Arguments,
        ahead: bool,
    ) -> Result<Decision, Refusal> {
        let place = Place::of(call)?;
        let key = place.key();
        let Some(ticket) = self.waits.get(&key) else {
            return Err(Refusal::new(
                Code::LockLost,
                "the wait is over without the lock: its client was taken for dead, or the condition was deleted",
            ));
        };
        let late = call.method() == "late";
        let stage = match ticket.stage {
            Stage::Waiting if !late => return Ok(sleep(place)),
            Stage::Waiting => Stage::Late,
            stage => stage,
        };
        // Whoever is asked as one of the line is its head; all others come after those who stand there.
        if self.hold.is_none() && !ahead {
            let hold = Hold {
                owner: ticket.owner,
                depth: ticket.depth,
                token: operation.next,
                since: operation.at,
                note: ticket.note.clone(),
                lease_ms: ticket.lease_ms,
                terms: Terms::of(operation.session, expiry(operation.at, ticket.lease_ms)),
            };
            let notified = [("notified", (stage == Stage::Notified).into())];
            return Ok(self
                .grant(operation, &hold, &notified)
                .with(Row::delete(key)));
        }
        let mut rows = Rows::new();
        if stage != ticket.stage {
            rows.push(ticket.at(stage).to_row(&key));
        }
        Ok(Decision {
            rows,
            next: Next::Wait {
                until: Until::Row(OWNER.clone()),
                resume: place.ask("regain").into(),
                // It has to have the lock again, however long that takes.
                on_deadline: Some(place.ask("regain").into()),
            },
        })
    }

    /// The rows that end a wait whose caller is gone.
    pub(super) fn lapse_wait(&self, key: &RowKey, ticket: &Ticket) -> Rows {
        let mut rows = Rows::new();
        rows.push(Row::delete(key.clone()));
        if ticket.stage == Stage::Notified
            && let Some(prefix) = key.len().checked_sub(size_of::<i64>())
            && let Some((next, ticket)) = self
                .tickets(&RowKey::from(&key[..prefix]))
                .find(|(_, ticket)| ticket.stage == Stage::Waiting)
        {
            rows.push(ticket.at(Stage::Notified).to_row(next));
        }
        rows
    }

    fn asleep(&self, condition: i64) -> impl Iterator<Item = (&RowKey, &Ticket)> {
        let tickets = self.tickets(&prefix(condition));
        tickets.filter(|(_, ticket)| ticket.stage == Stage::Waiting)
    }

    fn tickets(&self, prefix: &RowKey) -> impl Iterator<Item = (&RowKey, &Ticket)> + use<'_> {
        let prefix = prefix.clone();
        self.waits
            .range((Bound::Included(prefix.clone()), Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(&prefix))
    }
}

/// Waits to be notified.
fn sleep(place: Place) -> Decision {
    Decision {
        rows: Rows::new(),
        next: Next::Wait {
            until: Until::Row(place.key()),
            resume: place.ask("awaken").into(),
            on_deadline: Some(place.ask("late").into()),
        },
    }
}

impl Ticket {
    fn at(&self, stage: Stage) -> Ticket {
        Ticket {
            stage,
            ..self.clone()
        }
    }
}
