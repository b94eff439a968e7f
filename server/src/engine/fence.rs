//! Fenced calls: carried out only while a grant of a lock holds.
//!
//! A fence names a lock and the token of a grant. It holds if the lock is held *now* with that token, which is checked
//! with both cells locked, in the order of their oids: a holder that was superseded, or that fell silent and does not
//! know it yet, cannot write. A fenced call never waits, since what it was granted may end meanwhile.

use super::Engine;
use super::caller::Caller;
use super::cell::Cell;
use super::execute::Standing;
use super::faults::Fault;
use crate::objects::{Access, Arguments};
use commonhold_proto::{Code, Fence, Refusal};
use std::sync::Arc;

impl Engine {
    /// A guarded object takes no write without a fence of its lock.
    pub(super) fn check_guard(
        &self,
        cell: &Cell,
        caller: &Caller,
        call: &Arguments,
    ) -> Result<(), Refusal> {
        let Some(guard) = cell.options.guard() else {
            return Ok(());
        };
        if call.method.access == Access::Read
            || caller.fence.is_some_and(|fence| fence.lock == guard)
        {
            return Ok(());
        }
        let lock = self.registry.cell(guard);
        let lock = lock.map_or_else(|| format!("the lock {guard}"), |lock| lock.title());
        Err(Refusal::new(
            Code::FencedOut,
            format!(
                "{} is guarded by {lock}: write with a fence of it",
                cell.title()
            ),
        ))
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
            let message = "a lock is no fence before itself: name the token instead";
            return self.refuse(caller, Refusal::new(Code::BadArguments, message));
        }
        let Some(lock) = self.registry.cell(fence.lock) else {
            let message = format!(
                "the lock {} of the fence does not exist any more",
                fence.lock
            );
            return self.refuse(caller, Refusal::new(Code::FencedOut, message));
        };
        let in_order = lock.oid < cell.oid;
        let (mut state, held) = loop {
            // What is due lapses with one cell locked, because whoever is woken by it is asked then.
            for cell in [&lock, cell] {
                let mut state = cell.state.lock();
                self.lapse_due(cell, &mut state);
                self.let_go(state);
            }
            let (first, second) = if in_order {
                (&lock, cell)
            } else {
                (cell, &lock)
            };
            let (first, second) = (first.state.lock(), second.state.lock());
            let (held, state) = if in_order {
                (first, second)
            } else {
                (second, first)
            };
            let now = self.clock.now();
            if held.due(now).is_none() && state.due(now).is_none() {
                break (state, held);
            }
        };
        let mut caller = Caller {
            may_wait: false,
            floor: held.gate,
            ..caller.clone()
        };
        let holds = held.object.is_held_with(fence.token) || self.faults.has(Fault::IgnoreFence);
        if held.gone || !holds {
            let message = format!(
                "the grant of {} with token {} is over{}: nothing was written",
                lock.title(),
                fence.token,
                self.held_by(&held)
            );
            let gate = held.gate;
            drop(held);
            drop(state);
            caller.floor = gate.max(self.registry.gate());
            return self.answer(
                &caller,
                Engine::refused(Refusal::new(Code::FencedOut, message)),
                gate,
            );
        }
        if state.gone {
            drop(held);
            self.let_go(state);
            return self.refuse(&caller, Engine::gone(cell.oid));
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
}
