//! Which objects there are: opening by name, creating, deleting, and the rows that keep it.

use super::Engine;
use super::birth::{Birth, agree};
use super::caller::Caller;
use super::cell::{Cell, State};
use super::faults::Fault;
use super::fence::Refused;
use super::table::{REGISTRY, TABLE, Table, number_key};
use crate::objects::{self, Access, Options};
use crate::session::Lane;
use commonhold_proto::{
    Call, Code, Durability, Fence, Oid, Open, Outcome, OutcomeState, Refusal, Reply, Revision, Row,
    Value,
};
use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use parking_lot::{Mutex, MutexGuard};
use smallvec::smallvec;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Every object, by identity and by name. The table's lock guards creation and deletion; both maps are only read and
/// written for single keys, and no guard of theirs outlives the statement that took it.
pub(super) struct Registry {
    pub(super) table: Arc<Cell>,
    /// Every call is looked up here: this hasher takes a number in one multiplication.
    cells: DashMap<Oid, Arc<Cell>, DefaultHashBuilder>,
    names: DashMap<Box<str>, Arc<Cell>>,
    /// Which objects each lock guards.
    guarded: Mutex<BTreeSet<(Oid, Oid)>>,
}

impl Registry {
    pub(super) fn new() -> Registry {
        let table = Cell::new(
            REGISTRY,
            &TABLE,
            "",
            Durability::Durable,
            Options::default(),
            Box::<Table>::default(),
        );
        Registry {
            table: Arc::new(table),
            cells: DashMap::default(),
            names: DashMap::new(),
            guarded: Mutex::default(),
        }
    }

    pub(super) fn cell(&self, oid: Oid) -> Option<Arc<Cell>> {
        self.cells.get(&oid).map(|cell| Arc::clone(&cell))
    }

    pub(super) fn named(&self, name: &str) -> Option<Arc<Cell>> {
        self.names.get(name).map(|cell| Arc::clone(&cell))
    }

    /// What a reply that looked at the registry waits for.
    pub(super) fn gate(&self) -> Revision {
        self.table.state.lock().gate
    }

    /// Every object, by identity.
    pub(super) fn all(&self) -> Vec<Arc<Cell>> {
        let mut cells: Vec<_> = self.cells.iter().map(|cell| Arc::clone(&cell)).collect();
        cells.sort_by_key(|cell| cell.oid);
        cells
    }

    /// The first objects by name of which this is true, at most so many. Only they are put in order:
    /// who pages through very many objects asks for it again and again.
    pub(super) fn first_by_name(&self, most: usize, is: impl Fn(&Cell) -> bool) -> Vec<Arc<Cell>> {
        let by_name = |a: &Arc<Cell>, b: &Arc<Cell>| a.name.cmp(&b.name);
        let cells = self.names.iter().filter(|cell| is(cell));
        let mut cells: Vec<_> = cells.map(|cell| Arc::clone(&cell)).collect();
        if cells.len() > most {
            cells.select_nth_unstable_by(most.saturating_sub(1), by_name);
            cells.truncate(most);
        }
        cells.sort_unstable_by(by_name);
        cells
    }

    /// An object that this lock guards, if it guards any.
    pub(super) fn guarded_by(&self, lock: Oid) -> Option<Arc<Cell>> {
        let guarded = self.guarded.lock();
        let (_, oid) = *guarded
            .range((lock, Oid(0))..=(lock, Oid(u64::MAX)))
            .next()?;
        drop(guarded);
        self.cell(oid)
    }

    /// Every object without a name.
    pub(super) fn anonymous(&self) -> Vec<Arc<Cell>> {
        let cells = self.cells.iter().filter(|cell| cell.is_anonymous());
        cells.map(|cell| Arc::clone(&cell)).collect()
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn insert(&self, cell: &Arc<Cell>) {
        if let Some(guard) = cell.options.guard() {
            self.guarded.lock().insert((guard, cell.oid));
        }
        self.cells.insert(cell.oid, Arc::clone(cell));
        if !cell.name.is_empty() {
            self.names.insert(cell.name.clone(), Arc::clone(cell));
        }
    }

    pub(super) fn remove(&self, cell: &Cell) {
        if let Some(guard) = cell.options.guard() {
            self.guarded.lock().remove(&(guard, cell.oid));
        }
        self.cells.remove(&cell.oid);
        self.names
            .remove_if(&cell.name, |_, named| named.oid == cell.oid);
    }
}

/// How a call that changes the registry goes on, so that it is remembered with the change.
pub(super) struct Ending<'a> {
    pub(super) caller: &'a Caller,
    pub(super) then: Then,
}

/// What comes after a change of the registry.
pub(super) enum Then {
    /// The call is answered.
    Reply(Value),
    /// The call is executed on the object that was made for it.
    Execute(Call),
}

impl<'a> Ending<'a> {
    fn outcome(self, oid: Oid) -> Option<(&'a Lane, u64, Outcome)> {
        let state = match self.then {
            Then::Reply(mut value) => {
                if let Value::Reference(reference) = &mut value {
                    reference.oid = oid;
                }
                OutcomeState::Done(Reply {
                    result: Ok(value),
                    revision: Revision(0),
                    remembered: false,
                    oid: None,
                })
            }
            Then::Execute(resume) => OutcomeState::Waiting {
                oid,
                resume: resume.into(),
                on_deadline: None,
            },
        };
        let outcome = Outcome {
            fingerprint: self.caller.fingerprint,
            state,
            acknowledged_below: 1,
            undo: None,
        };
        Some((self.caller.lane()?, self.caller.sequence, outcome))
    }
}

impl Engine {
    /// Executes a call on an object that is opened by name, and creates it if the call writes.
    pub(super) fn execute_named(&self, caller: &Caller, open: &Open, call: Call) {
        if let Err(refused) = self.try_named(caller, open, call) {
            self.refuse_fenced(caller, refused);
        }
    }

    fn try_named(&self, caller: &Caller, open: &Open, call: Call) -> Result<(), Refused> {
        if let Some(cell) = self.registry.named(&open.name) {
            return self.execute_found(&cell, caller, open, call);
        }
        let birth = self.birth(open)?;
        let arguments = birth.kind.bind(call.clone())?;
        self.admit(&arguments, birth.durability)?;
        let imagined = birth.create(Oid(0))?;
        self.check_guard(&imagined, caller, &arguments)?;
        let fencing = self.fencing(caller.fence)?;
        let leads = self.leading(&birth, caller, &arguments)?;
        let mut fenced = self.lock_table(fencing.as_ref(), leads.as_ref(), None)?;
        if let Some(cell) = self.registry.named(&open.name) {
            drop(fenced);
            return self.execute_found(&cell, caller, open, call);
        }
        // A read of what is not there sees it empty and creates nothing; so does a write that would change nothing.
        // What a condition would do depends on the lock that it shares, which is there.
        let is_shared = birth.options.shared_lock().is_some();
        let is_alone = !is_shared || arguments.method.access == Access::Read;
        if is_alone && let Some(result) = self.imagine(&imagined, caller, &arguments) {
            let gate = fenced.gate();
            drop(fenced);
            let mut reply = Engine::refused(Refusal::new(Code::NotFound, ""));
            reply.result = result;
            self.answer(caller, reply, gate);
            return Ok(());
        }
        // Sent again after a crash, "it must not exist" must not meet what the call itself made.
        let must_make = open.options.exists == Some(false) && !self.faults.has(Fault::ForgetMade);
        let ending = must_make.then(|| Ending {
            caller,
            then: Then::Execute(call.clone()),
        });
        let cell = self.make(&mut fenced.table, &birth, ending)?;
        match &leads {
            Some(lock) => self.execute_led(&cell, lock, caller, &arguments, fenced),
            None if is_shared => {
                drop(fenced);
                self.execute_on(&cell, caller, call);
            }
            None => self.execute_on_made(&cell, caller, &arguments, fenced),
        }
        Ok(())
    }

    fn execute_found(
        &self,
        cell: &Arc<Cell>,
        caller: &Caller,
        open: &Open,
        call: Call,
    ) -> Result<(), Refused> {
        agree(cell, open)?;
        self.execute_on(cell, caller, call);
        Ok(())
    }

    /// Creates an object, unless the name has one by now: then it is that one, and not made here. `operation` is the
    /// call that asked for it.
    pub(super) fn create(
        &self,
        birth: &Birth,
        fence: Option<Fence>,
        operation: Option<Ending<'_>>,
    ) -> Result<(Arc<Cell>, bool), Refused> {
        let fencing = self.fencing(fence)?;
        let mut fenced = self.lock_table(fencing.as_ref(), None, None)?;
        if let Some(cell) = self.registry.named(&birth.name) {
            return Ok((cell, false));
        }
        Ok((self.make(&mut fenced.table, birth, operation)?, true))
    }

    /// Creates an object that there is not.
    pub(super) fn make(
        &self,
        table: &mut MutexGuard<'_, State>,
        birth: &Birth,
        operation: Option<Ending<'_>>,
    ) -> Result<Arc<Cell>, Refusal> {
        self.check_links(birth)?;
        let oid = Oid(self.log.unlogged().0);
        let cell = Arc::new(birth.create(oid)?);
        self.register(table, &cell, birth, operation);
        Ok(cell)
    }

    /// Makes an object known.
    pub(super) fn register(
        &self,
        table: &mut MutexGuard<'_, State>,
        cell: &Arc<Cell>,
        birth: &Birth,
        operation: Option<Ending<'_>>,
    ) {
        let row = Row::put(number_key(cell.oid.0), birth.to_value());
        self.change_registry(table, cell, row, operation);
        let mut state = cell.state.lock();
        if cell.durability == Durability::Durable {
            state.gate = table.gate;
        }
        state.edges.all().for_each(|oid| self.count_edge(oid));
        self.note_container(cell.oid, false, !state.edges.is_empty());
        drop(state);
        self.registry.insert(cell);
    }

    /// Deletes an object, if the fence holds: whoever waits for it is refused. Returns what the reply waits for.
    pub(super) fn delete(
        &self,
        cell: &Arc<Cell>,
        fence: Option<Fence>,
        operation: Option<Ending<'_>>,
    ) -> Result<Revision, Refused> {
        let fencing = self.fencing(fence)?;
        let shared = cell.options.shared_lock();
        let shared = shared.and_then(|lock| self.registry.cell(lock));
        let mut fenced = self.lock_table(fencing.as_ref(), shared.as_ref(), Some(cell))?;
        let gate = fenced.gate();
        let gone = || Engine::gone(cell.oid);
        if fenced.cells.of(cell.oid).is_none_or(|state| state.gone) {
            return Err(gone().into());
        }
        self.check_unguarding(cell)?;
        // Nothing refuses from here on. The log has the end of the waits first: no crash leaves one for what is gone.
        if let Some(lock) = &shared
            && let Some(state) = fenced.cells.of(lock.oid)
        {
            self.disband(cell, lock, state);
        }
        let mut state = fenced.cells.take(cell.oid).ok_or_else(gone)?;
        let table = &mut fenced.table;
        state.gone = true;
        self.registry.remove(cell);
        // With the change that takes them.
        table.lost = state.release_all(cell.oid);
        let waiting = state.waiting.take_all();
        let edges = self.take_edges(cell, &mut state);
        let row = Row::delete(number_key(cell.oid.0));
        self.change_registry(table, cell, row, operation);
        let gate = gate.max(table.gate);
        let (_, lost) = table.take_news();
        drop(state);
        let disbanded = shared
            .as_ref()
            .and_then(|lock| Some((lock, fenced.cells.take(lock.oid)?)));
        drop(fenced);
        if let Some((lock, mut state)) = disbanded {
            self.wake(lock, &mut state);
            self.let_go(state);
        }
        self.tell_lost(lost);
        self.references.drop_later(edges.all().collect());
        self.refuse_waiting(waiting, gate);
        self.free_orphans();
        Ok(gate)
    }

    /// Changes the table for an object, if the object is one that the log knows, and remembers how the call goes on.
    fn change_registry(
        &self,
        table: &mut MutexGuard<'_, State>,
        cell: &Cell,
        row: Row,
        operation: Option<Ending<'_>>,
    ) {
        let operation = operation.and_then(|ending| ending.outcome(cell.oid));
        if cell.is_logged() {
            table.at = table.at.max(self.clock.now());
            let logged = operation
                .as_ref()
                .map(|(lane, sequence, outcome)| (lane.operation(*sequence), outcome.clone()));
            self.change(&self.registry.table, table, None, smallvec![row], |_, _| {
                logged
            });
        }
        if let Some((lane, sequence, outcome)) = operation {
            lane.remember(sequence, outcome, table.gate, cell.is_logged());
        }
    }

    /// What a call on an object that does not exist is answered, if it would leave it as it is.
    fn imagine(
        &self,
        imagined: &Cell,
        caller: &Caller,
        call: &objects::Arguments,
    ) -> Option<Result<Value, Refusal>> {
        let mut state = imagined.state.lock();
        match self.decide(imagined, &mut state, caller, call, false) {
            Err(refusal) => Some(Err(refusal)),
            Ok(objects::Decision {
                rows,
                next: objects::Next::Reply(value),
            }) if rows.is_empty() || call.method.access == Access::Read => Some(Ok(value)),
            Ok(_) => None,
        }
    }
}
