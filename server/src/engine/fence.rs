//! Fenced calls: carried out only while a grant of a lock holds.
//!
//! A fence names a lock and the token of a grant. It holds if the lock is held *now* with that token, which is checked
//! with both cells locked, in the order of their oids: a holder that was superseded, or that fell silent and does not
//! know it yet, cannot write. A fenced call never waits, since what it was granted may end meanwhile. Objects are made and
//! deleted under a fence with the registry's table locked as well, so a call that is refused leaves nothing behind.

use super::Engine;
use super::birth::Birth;
use super::caller::Caller;
use super::cell::{Cell, State};
use super::execute::Standing;
use super::faults::Fault;
use super::links::about;
use crate::objects::{Access, Arguments};
use commonhold_proto::{Code, Fence, Oid, Refusal, Revision};
use parking_lot::MutexGuard;
use smallvec::SmallVec;
use std::sync::Arc;

/// A fence, with the lock that it names.
pub(super) struct Fencing {
    lock: Arc<Cell>,
    fence: Fence,
}

/// A refusal, and what else it looked at: it waits for that at the gate.
pub(super) struct Refused {
    pub(super) refusal: Refusal,
    pub(super) gate: Revision,
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Refused {
        let gate = Revision(0);
        Refused { refusal, gate }
    }
}

/// The registry, locked, while a grant holds that a fence names.
pub(super) struct Fenced<'a> {
    pub(super) table: MutexGuard<'a, State>,
    /// The fence's lock, if there is a fence, and what else was asked for.
    pub(super) cells: Locked<'a>,
    fence: Option<Oid>,
}

impl Fenced<'_> {
    /// What an answer waits for that looked at the registry and at the fence's lock.
    pub(super) fn gate(&mut self) -> Revision {
        let held = self.fence.and_then(|lock| self.cells.of(lock));
        held.map_or(self.table.gate, |held| held.gate.max(self.table.gate))
    }
}

/// Cells that are locked in the order of their oids.
pub(super) struct Locked<'a>(SmallVec<[(Oid, MutexGuard<'a, State>); 3]>);

impl<'a> Locked<'a> {
    fn all(cells: impl Iterator<Item = &'a Arc<Cell>>) -> Locked<'a> {
        let mut cells: SmallVec<[_; 3]> = cells.collect();
        cells.sort_by_key(|cell| cell.oid);
        cells.dedup_by_key(|cell| cell.oid);
        let cells = cells.into_iter();
        Locked(cells.map(|cell| (cell.oid, cell.state.lock())).collect())
    }

    pub(super) fn of(&mut self, oid: Oid) -> Option<&mut MutexGuard<'a, State>> {
        let mut cells = self.0.iter_mut();
        cells.find(|(of, _)| *of == oid).map(|(_, state)| state)
    }

    /// Whoever takes it unlocks it.
    pub(super) fn take(&mut self, oid: Oid) -> Option<MutexGuard<'a, State>> {
        let at = self.0.iter().position(|(of, _)| *of == oid)?;
        Some(self.0.remove(at).1)
    }
}

impl Engine {
    /// A guarded object takes no write without a fence of its lock.
    pub(super) fn check_guard(
        &self,
        cell: &Cell,
        caller: &Caller,
        call: &Arguments,
    ) -> Result<(), Refusal> {
        if call.method.access == Access::Read {
            return Ok(());
        }
        self.check_guarded(cell, caller.fence, "write with a fence of it")
    }

    /// Does the fence name the lock that guards the object, if one does? `advice` is for who does not name it.
    pub(super) fn check_guarded(
        &self,
        cell: &Cell,
        fence: Option<Fence>,
        advice: &str,
    ) -> Result<(), Refusal> {
        let Some(guard) = cell.options.guard() else {
            return Ok(());
        };
        if fence.is_some_and(|fence| fence.lock == guard) {
            return Ok(());
        }
        let lock = self.registry.cell(guard);
        let lock = lock.map_or_else(|| format!("the lock {guard}"), |lock| lock.title());
        Err(Refusal::new(
            Code::FencedOut,
            format!("{} is guarded by {lock}: {advice}", cell.title()),
        ))
    }

    /// Finds the lock that a fence names.
    pub(super) fn fencing(&self, fence: Option<Fence>) -> Result<Option<Fencing>, Refusal> {
        let Some(fence) = fence else {
            return Ok(None);
        };
        let Some(lock) = self.registry.cell(fence.lock) else {
            let message = format!(
                "the lock {} of the fence does not exist any more",
                fence.lock
            );
            return Err(Refusal::new(Code::FencedOut, message));
        };
        Ok(Some(Fencing { lock, fence }))
    }

    /// Does the grant hold that the fence names? It may end at any moment.
    pub(super) fn check_fence(&self, fencing: Option<&Fencing>) -> Result<(), Refused> {
        let Some(fencing) = fencing else {
            return Ok(());
        };
        let lock = &fencing.lock;
        let mut held = lock.state.lock();
        self.lapse_due(lock, &mut held);
        let checked = self.check_held(fencing, &held);
        self.let_go(held);
        checked
    }

    fn check_held(&self, fencing: &Fencing, held: &State) -> Result<(), Refused> {
        let Fencing { lock, fence } = fencing;
        let holds = held.object.is_held_with(fence.token) || self.faults.has(Fault::IgnoreFence);
        if !held.gone && holds {
            return Ok(());
        }
        let message = format!(
            "the grant of {} with token {} is over{}: nothing was written",
            lock.title(),
            fence.token,
            self.held_by(held)
        );
        Err(Refused {
            refusal: Refusal::new(Code::FencedOut, message),
            gate: held.gate,
        })
    }

    /// Locks the registry's table, and with it the lock of a fence, which must hold, a lock that is `shared`, and an object
    /// that is `doomed`: for making or deleting one.
    pub(super) fn lock_table<'a>(
        &'a self,
        fencing: Option<&'a Fencing>,
        shared: Option<&'a Arc<Cell>>,
        doomed: Option<&'a Arc<Cell>>,
    ) -> Result<Fenced<'a>, Refused> {
        let lock = fencing.map(|fencing| &fencing.lock);
        let asked = || lock.into_iter().chain(shared);
        loop {
            asked().for_each(|cell| self.lapse_alone(cell));
            let table = self.registry.table.state.lock();
            let mut locked = Locked::all(asked().chain(doomed));
            let now = self.clock.now();
            let is_due = |state: &mut MutexGuard<'_, State>| state.due(now).is_some();
            if asked().any(|cell| locked.of(cell.oid).is_some_and(is_due)) {
                continue;
            }
            if let Some(fencing) = fencing
                && let Some(held) = locked.of(fencing.lock.oid)
            {
                self.check_held(fencing, held)?;
            }
            return Ok(Fenced {
                table,
                cells: locked,
                fence: lock.map(|lock| lock.oid),
            });
        }
    }

    /// What is due lapses with one cell locked, because whoever is woken by it is asked then.
    fn lapse_alone(&self, cell: &Arc<Cell>) {
        let mut state = cell.state.lock();
        self.lapse_due(cell, &mut state);
        self.let_go(state);
    }

    /// Executes a call if its fence holds.
    pub(super) fn execute_fenced(
        &self,
        cell: &Arc<Cell>,
        caller: &Caller,
        call: &Arguments,
        fence: Fence,
    ) {
        if fence.lock == cell.oid {
            return self.refuse(caller, no_fence_of_its_own());
        }
        let fencing = match self.fencing(Some(fence)) {
            Ok(Some(fencing)) => fencing,
            Ok(None) => return,
            Err(refusal) => return self.refuse(caller, refusal),
        };
        let (held, state) = loop {
            self.lapse_alone(&fencing.lock);
            self.lapse_alone(cell);
            let (held, state) = in_order(&fencing.lock, cell);
            let now = self.clock.now();
            if held.due(now).is_none() && state.due(now).is_none() {
                break (held, state);
            }
        };
        if let Err(refused) = self.check_held(&fencing, &held) {
            drop(held);
            drop(state);
            return self.refuse_fenced(caller, refused);
        }
        self.act_fenced(cell, caller, call, held, state);
    }

    /// Refuses a call for what it saw of a lock, or of the registry.
    pub(super) fn refuse_fenced(&self, caller: &Caller, refused: Refused) {
        let gate = refused.gate.max(self.registry.gate());
        self.answer(caller, Engine::refused(refused.refusal), gate);
    }

    /// Executes a call whose fence holds as long as its lock is locked.
    fn act_fenced(
        &self,
        cell: &Arc<Cell>,
        caller: &Caller,
        call: &Arguments,
        held: MutexGuard<'_, State>,
        mut state: MutexGuard<'_, State>,
    ) {
        let caller = Caller {
            may_wait: false,
            floor: held.gate,
            ..caller.clone()
        };
        if state.gone {
            drop(held);
            self.let_go(state);
            return self.refuse(&caller, Engine::gone(cell.oid));
        }
        if let Some(gone) = self.lost_leader(&caller) {
            drop(held);
            self.let_go(state);
            return self.refuse(&caller, Engine::gone(gone));
        }
        if self.is_dropped(&caller) {
            drop(held);
            return self.let_go(state);
        }
        let line = call.method.line;
        let ahead = line.is_some_and(|line| state.waiting.stands(line));
        let decision = self.decide(cell, &mut state, &caller, call, ahead);
        let standing = Standing {
            line,
            ..Standing::default()
        };
        self.act(cell, &mut state, &caller, standing, decision);
        // It is carried out: whom it wakes does not depend on the fence.
        drop(held);
        self.wake(cell, &mut state);
        self.let_go(state);
    }

    /// Executes a call on an object that was just made for it, while the grant still holds under which it was made.
    pub(super) fn execute_on_made(
        &self,
        cell: &Arc<Cell>,
        caller: &Caller,
        call: &Arguments,
        fenced: Fenced<'_>,
    ) {
        let Some(held) = unlocked(fenced).0 else {
            return self.execute(cell, caller, call);
        };
        // The lock is older.
        let state = cell.state.lock();
        if state.due(self.clock.now()).is_none() {
            return self.act_fenced(cell, caller, call, held, state);
        }
        // Others were quicker, and left something that is over by now.
        drop((held, state));
        self.execute_on(cell, caller, call.to_call());
    }

    /// The lock to which a call is led of a condition that is made for it, if the call has a fence: it is locked before the
    /// condition is made, and the call executed while the grant still holds.
    pub(super) fn leading(
        &self,
        birth: &Birth,
        caller: &Caller,
        call: &Arguments,
    ) -> Result<Option<Arc<Cell>>, Refusal> {
        let (Some(fence), Some(lock)) = (caller.fence, birth.options.shared_lock()) else {
            return Ok(None);
        };
        if fence.lock == lock {
            return Err(no_fence_of_its_own());
        }
        let Some(lock) = self.registry.cell(lock) else {
            return Err(Engine::gone(lock));
        };
        self.check_guard(&lock, caller, call)?;
        Ok(Some(lock))
    }

    /// Executes a call of a condition that was just made for it on the lock that leads it.
    pub(super) fn execute_led(
        &self,
        condition: &Cell,
        lock: &Arc<Cell>,
        caller: &Caller,
        call: &Arguments,
        fenced: Fenced<'_>,
    ) {
        let led = lock.kind.bind(about(condition, call));
        let led = match led.and_then(|led| self.admit(&led, lock.durability).map(|()| led)) {
            Ok(led) => led,
            Err(refusal) => {
                drop(fenced);
                return self.refuse(caller, refusal);
            }
        };
        let (held, mut cells) = unlocked(fenced);
        let held = held.expect("a call without a fence is not led here");
        let state = cells.take(lock.oid);
        let state = state.expect("the shared lock was locked with the registry");
        let caller = Caller {
            led_from: Some(condition.oid),
            ..caller.clone()
        };
        self.act_fenced(lock, &caller, &led, held, state);
    }
}

/// Unlocks the registry. What stays locked is the fence's lock, and the rest.
fn unlocked(fenced: Fenced<'_>) -> (Option<MutexGuard<'_, State>>, Locked<'_>) {
    let Fenced {
        table,
        mut cells,
        fence,
    } = fenced;
    drop(table);
    (fence.and_then(|lock| cells.take(lock)), cells)
}

fn no_fence_of_its_own() -> Refusal {
    let message = "a lock is no fence before itself: name the token instead";
    Refusal::new(Code::BadArguments, message)
}

/// Locks two objects in the order of their oids.
fn in_order<'a>(lock: &'a Cell, cell: &'a Cell) -> (MutexGuard<'a, State>, MutexGuard<'a, State>) {
    if lock.oid < cell.oid {
        let held = lock.state.lock();
        (held, cell.state.lock())
    } else {
        let state = cell.state.lock();
        (lock.state.lock(), state)
    }
}
