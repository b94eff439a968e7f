//! An object with the least of an engine around it.

use super::super::{
    Access, Decision, Kind, Lapse, Next, Object, Operation, Options, RowLimit, UNDO, Until,
};
use commonhold_proto::{
    Call, Code, LaneId, Oid, OperationId, Owner, Refusal, Revision, Row, RowKey, Rows, ServerTime,
    SessionId, Value,
};

/// No limit.
pub(super) const ALL: RowLimit = RowLimit {
    rows: usize::MAX,
    bytes: usize::MAX,
};

/// An object with the least of an engine around it: it applies and keeps what is decided, retries who waits, and checks
/// the contract at each step.
pub(in super::super) struct Bench {
    kind: &'static Kind,
    options: Options,
    pub(in super::super) object: Box<dyn Object>,
    /// All rows, in order.
    pub(in super::super) log: Vec<Row>,
    revision: u64,
    parked: Vec<Parked>,
    /// What calls that waited were told, by their numbers.
    pub(in super::super) told: Vec<(u64, Result<Value, Refusal>)>,
    calls: u64,
    /// What the last call that can be undone left: its memo and its answer.
    undoable: Option<(Value, Value)>,
}

struct Parked {
    number: u64,
    operation: Operation,
    until: Until,
    resume: Call,
    on_deadline: Option<Call>,
}

impl Bench {
    pub(in super::super) fn new(kind: &'static Kind, options: &[(&str, Value)]) -> Bench {
        let options: Vec<_> = options
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        let options = Options::check(kind, &options).expect("the options are the kind's");
        Bench {
            object: (kind.create)(&options).expect("the options make sense"),
            kind,
            options,
            log: Vec::new(),
            revision: 0,
            parked: Vec::new(),
            told: Vec::new(),
            calls: 0,
            undoable: None,
        }
    }

    pub(in super::super) fn fresh(&self) -> Box<dyn Object> {
        (self.kind.create)(&self.options).expect("it was made before")
    }

    /// A call that may not wait, and its answer.
    pub(in super::super) fn ask(&mut self, call: Call) -> Result<Value, Refusal> {
        self.call(1, false, call)
            .expect("a call that may not wait is answered")
    }

    /// Undoes the last call that can be undone, as its client wants it. `None` if there was none.
    pub(in super::super) fn undo(&mut self) -> Option<Result<Value, Refusal>> {
        let (memo, reply) = self.undoable.take()?;
        self.call(1, false, Call::new(UNDO, [memo, reply]))
    }

    /// A call of a session; `None` if it waits. The number that [`Bench::told`] has is [`Bench::number`] then.
    pub(in super::super) fn call(
        &mut self,
        session: u64,
        may_wait: bool,
        call: Call,
    ) -> Option<Result<Value, Refusal>> {
        self.calls += 1;
        let operation = Operation {
            oid: Oid(1),
            id: Some(OperationId {
                session: SessionId(session),
                lane: LaneId(0),
                sequence: self.calls,
            }),
            session: Some(SessionId(session)),
            owner: Owner(session),
            at: ServerTime(0),
            last: Revision(0),
            next: Revision(0),
            may_wait,
        };
        self.execute(self.calls, operation, call)
    }

    /// The number of the last call.
    pub(in super::super) const fn number(&self) -> u64 {
        self.calls
    }

    /// A call without session and id.
    pub(in super::super) fn call_unary(
        &mut self,
        may_wait: bool,
        call: Call,
    ) -> Option<Result<Value, Refusal>> {
        self.calls += 1;
        let operation = Operation {
            oid: Oid(1),
            id: None,
            session: None,
            owner: Owner(0),
            at: ServerTime(0),
            last: Revision(0),
            next: Revision(0),
            may_wait,
        };
        self.execute(self.calls, operation, call)
    }

    fn execute(
        &mut self,
        number: u64,
        mut operation: Operation,
        call: Call,
    ) -> Option<Result<Value, Refusal>> {
        operation.last = Revision(self.revision);
        operation.next = Revision(self.revision + 1);
        operation.at = ServerTime(1000 + self.calls);
        let call = match self.kind.bind(call) {
            Ok(call) => call,
            Err(refusal) => return Some(Err(refusal)),
        };
        let line = call.method.line;
        let ahead = line.is_some() && self.parked.iter().any(|other| self.line(other) == line);
        let decision = match self.object.decide(&operation, &call, ahead) {
            Ok(decision) => decision,
            Err(refusal) => {
                assert_ne!(
                    refusal.code,
                    Code::NoMethod,
                    "the table knows a method that the kind does not"
                );
                return Some(Err(refusal));
            }
        };
        let Decision { rows, next } = decision;
        if call.method.access == Access::Read {
            assert!(
                rows.is_empty(),
                "{} reads but writes {rows:?}",
                call.method()
            );
        }
        self.write(&rows);
        let answer = match next {
            Next::Reply(value) => Some(Ok(value)),
            Next::Undoable { value, memo } => {
                assert!(
                    call.method.undo && !rows.is_empty(),
                    "{} does not say that it can be undone",
                    call.method()
                );
                self.undoable = Some((memo, value.clone()));
                Some(Ok(value))
            }
            Next::Refuse(refusal) => Some(Err(refusal)),
            Next::Wait {
                until,
                resume,
                on_deadline,
            } => {
                assert!(
                    call.method.waits,
                    "{} does not say that it waits",
                    call.method()
                );
                assert!(
                    operation.may_wait,
                    "{} waits where it may not",
                    call.method()
                );
                let (resume, on_deadline) = (*resume, on_deadline.map(|call| *call));
                for call in [Some(&resume), on_deadline.as_ref()].into_iter().flatten() {
                    self.kind
                        .bind(call.clone())
                        .expect("a continuation can be called");
                }
                self.parked.push(Parked {
                    number,
                    operation,
                    until,
                    resume,
                    on_deadline,
                });
                None
            }
        };
        self.wake(&rows);
        answer
    }

    fn line(&self, parked: &Parked) -> Option<&'static str> {
        self.kind.method(&parked.resume.method)?.line
    }

    fn wake(&mut self, rows: &Rows) {
        let touched = |until: &Until| match until {
            Until::Any => !rows.is_empty(),
            Until::Row(key) => rows.iter().any(|row| row.touches(key)),
        };
        let (woken, left) = std::mem::take(&mut self.parked)
            .into_iter()
            .partition(|parked| touched(&parked.until));
        self.parked = left;
        for parked in woken {
            self.go_on(parked.number, parked.operation, parked.resume);
        }
    }

    fn go_on(&mut self, number: u64, operation: Operation, call: Call) {
        if let Some(answer) = self.execute(number, operation, call) {
            self.told.push((number, answer));
        }
    }

    /// Writes a change, and checks that it can be written twice and undone.
    fn write(&mut self, rows: &Rows) {
        if rows.is_empty() {
            return;
        }
        self.revision += 1;
        let before = self.snapshot();
        let mut inverse = Vec::new();
        for row in rows {
            let touched: Vec<RowKey> = match row {
                Row::DeletePrefix { .. } => {
                    let (rows, _) = self.object.rows(None, ALL);
                    let keys = rows.iter().map(|row| row.key().clone());
                    keys.filter(|key| row.touches(key)).collect()
                }
                _ => vec![row.key().clone()],
            };
            for key in touched {
                let old = self.object.row(&key);
                inverse.push(old.unwrap_or_else(|| Row::delete(key)));
            }
            self.object.apply(row);
            let kept = self.object.row(row.key());
            let kept_as = matches!(row, Row::Put { .. }).then_some(row);
            assert_eq!(format!("{:?}", kept.as_ref()), format!("{kept_as:?}"));
            let once = self.snapshot();
            self.object.apply(row);
            assert_eq!(self.snapshot(), once, "applied twice: {row:?}");
        }
        let after = self.snapshot();
        inverse.iter().rev().for_each(|row| self.object.apply(row));
        assert_eq!(self.snapshot(), before, "undone: {rows:?}");
        rows.iter().for_each(|row| self.object.apply(row));
        assert_eq!(self.snapshot(), after, "done again: {rows:?}");
        self.log.extend(rows.iter().cloned());
    }

    /// The time of a waiting call runs out.
    pub(in super::super) fn deadline(&mut self, number: u64) {
        let Some(at) = self
            .parked
            .iter()
            .position(|parked| parked.number == number)
        else {
            return;
        };
        let parked = self.parked.remove(at);
        if let Some(call) = parked.on_deadline {
            self.go_on(number, parked.operation, call);
        } else {
            let refusal = Refusal::new(Code::DeadlineExceeded, "timed out");
            self.told.push((number, Err(refusal)));
        }
    }

    /// The lease of a session ends: its calls wait no more, and what was lent to it lapses.
    pub(in super::super) fn end_lease(&mut self, session: u64, why: Lapse) {
        let ended = Some(SessionId(session));
        self.parked
            .retain(|parked| parked.operation.session != ended);
        let (rows, _) = self.object.rows(None, ALL);
        for row in rows {
            if let Row::Put {
                key,
                lent: Some(lent),
                ..
            } = row
                && lent == SessionId(session)
            {
                self.lapse(&key, why);
                let still = matches!(self.object.row(&key), Some(Row::Put { lent: Some(l), .. }) if l == lent);
                assert!(!still, "a lapsed row is still lent: {key:?}");
            }
        }
    }

    /// A row lapses.
    pub(in super::super) fn lapse(&mut self, key: &RowKey, why: Lapse) {
        let rows = self.object.lapse(key, why);
        self.write(&rows);
        self.wake(&rows);
    }

    /// The calls that wait, oldest first.
    pub(in super::super) fn waiting(&self) -> Vec<u64> {
        self.parked.iter().map(|parked| parked.number).collect()
    }

    /// The call of this session that waits.
    pub(in super::super) fn waiting_of(&self, session: u64) -> u64 {
        let mut parked = self.parked.iter();
        let parked = parked.find(|parked| parked.operation.session == Some(SessionId(session)));
        parked.expect("it waits").number
    }

    /// Takes a waiting call out, as a broken connection does: what it will be asked when it comes back.
    pub(in super::super) fn withdraw(&mut self, number: u64) -> Call {
        let at = self
            .parked
            .iter()
            .position(|parked| parked.number == number);
        self.parked.remove(at.expect("it waits")).resume
    }

    pub(in super::super) fn snapshot(&self) -> String {
        snapshot(&*self.object)
    }
}

/// Everything that can be told of an object's state. NaN equals itself here.
pub(in super::super) fn snapshot(object: &dyn Object) -> String {
    let (rows, cursor) = object.rows(None, ALL);
    assert_eq!(cursor, None, "without a limit all rows are returned");
    for row in &rows {
        let same = object.row(row.key());
        assert_eq!(format!("{same:?}"), format!("{:?}", Some(row)));
    }
    format!("{rows:#?} {} {}", object.entries(), object.bytes())
}
