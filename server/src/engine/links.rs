//! Options that name another object: the lock that guards an object, and the lock that a condition shares.
//!
//! They are resolved when the object is created and kept by identity: a lock that is deleted and made anew is another.

use super::Engine;
use super::birth::Birth;
use super::caller::{Caller, Origin, Unary};
use super::cell::{Cell, State};
use super::edges::lasts;
use super::execute::Standing;
use super::faults::Fault;
use super::references::Grip;
use crate::objects::condition::LOCK;
use crate::objects::{Arguments, GUARD};
use commonhold_proto::{Call, Code, Oid, Reference, Refusal, Revision, Value};
use parking_lot::MutexGuard;
use std::sync::Arc;

/// Kinds whose grants are fences.
const GUARDS: &[&str] = &["lock", "rlock", "rwlock", "condition"];

/// The argument that tells a lock which of its conditions a call is about.
const CONDITION: &str = "condition";

impl Engine {
    /// Replaces the names in an object's options by the objects that they name.
    pub(super) fn link(&self, birth: &mut Birth) -> Result<(), Refusal> {
        let links = [(GUARD.name, GUARDS), (LOCK, &["lock", "rlock"][..])];
        for (option, kinds) in links {
            // An option of the same name means what its kind says.
            if option == LOCK && birth.kind.name != CONDITION {
                continue;
            }
            let Some(given) = birth.options.get(option) else {
                continue;
            };
            // Of a condition that shares a lock, that lock is what is held.
            let target = self.behind(self.linked(option, given)?);
            if !kinds.contains(&target.kind.name) {
                let message = format!(
                    "the option \"{option}\" must name a {}, and {} is none",
                    kinds.join(" or "),
                    target.title()
                );
                return Err(Refusal::new(Code::WrongKind, message));
            }
            if lasts(target.durability) < lasts(birth.durability) {
                let message = format!(
                    "{} is {} and would be gone before this {}, which is {}: make the lock as durable",
                    target.title(),
                    target.durability.name(),
                    birth.kind.name,
                    birth.durability.name()
                );
                return Err(Refusal::new(Code::MixedDurability, message));
            }
            let link = Value::Reference(reference(&target).into());
            birth.options.set(option, link);
            let held = birth
                .held
                .get_or_insert_with(|| Grip::new(&self.references));
            if !held.take(Arc::clone(&target)) {
                return Err(Engine::gone(target.oid));
            }
        }
        Ok(())
    }

    /// Are the objects still there that an object's options name? Asked with the registry's table locked, under which it
    /// is made, and under which objects are deleted.
    pub(super) fn check_links(&self, birth: &Birth) -> Result<(), Refusal> {
        for linked in [birth.options.guard(), birth.options.shared_lock()] {
            if let Some(oid) = linked.filter(|oid| self.registry.cell(*oid).is_none()) {
                return Err(Engine::gone(oid));
            }
        }
        Ok(())
    }

    fn linked(&self, option: &str, given: &Value) -> Result<Arc<Cell>, Refusal> {
        let found = match given {
            Value::Text(name) => self.registry.named(name),
            Value::Reference(reference) => self.registry.cell(reference.oid),
            other => {
                let message = format!(
                    "the option \"{option}\" must be a name or a reference, not {}",
                    other.type_name()
                );
                return Err(Refusal::new(Code::BadArguments, message));
            }
        };
        found.ok_or_else(|| {
            let message = format!(
                "the option \"{option}\" names {}, which does not exist: make it first",
                given.repr()
            );
            Refusal::new(Code::NotFound, message)
        })
    }

    /// Leads a call of a condition to the lock that it shares.
    pub(super) fn execute_shared(
        &self,
        condition: &Arc<Cell>,
        lock: Oid,
        caller: &Caller,
        call: &Arguments,
    ) {
        let Some(lock) = self.registry.cell(lock) else {
            let message = format!("the lock of {} was deleted", condition.title());
            return self.refuse(caller, Refusal::new(Code::ObjectGone, message));
        };
        let caller = Caller {
            led_from: Some(condition.oid),
            ..caller.clone()
        };
        self.execute_on(&lock, &caller, about(condition, call));
    }

    /// The condition that led a call here, if it was deleted. Asked with the lock's cell locked: the delete ends the waits
    /// of the condition under the same lock after it is gone, so none begins that nobody ends.
    #[inline]
    pub(super) fn lost_leader(&self, caller: &Caller) -> Option<Oid> {
        let condition = caller.led_from?;
        self.registry.cell(condition).is_none().then_some(condition)
    }

    /// Ends the waits of a condition that shares this lock, as it is deleted. Those who waited are asked again when the lock
    /// is woken.
    pub(super) fn disband(
        &self,
        condition: &Cell,
        lock: &Arc<Cell>,
        state: &mut MutexGuard<'_, State>,
    ) {
        if state.gone || self.faults.has(Fault::KeepWaits) {
            return;
        }
        let caller = Caller::unary(Arc::new(Unary::default()));
        let call = lock
            .kind
            .bind(Call::new("disband", [condition.oid.0.into()]));
        let call = call.expect("whatever is shared as a lock can be disbanded");
        // The engine's own: neither a guard of the lock nor a full disk keeps it.
        let decision = self.decide(lock, state, &caller, &call, false);
        self.act(lock, state, &caller, Standing::default(), decision);
    }

    /// What guards something is not deleted. With the registry's table locked the answer stays true.
    pub(super) fn check_unguarding(&self, cell: &Cell) -> Result<(), Refusal> {
        if !GUARDS.contains(&cell.kind.name) {
            return Ok(());
        }
        let guarded = self.registry.guarded_by(cell.oid);
        match guarded {
            None => Ok(()),
            Some(guarded) => Err(Refusal::new(
                Code::Conflict,
                format!(
                    "{} guards {}: delete that first",
                    cell.title(),
                    guarded.title()
                ),
            )),
        }
    }

    /// Who holds an object, and who waits for it: of a condition that shares a lock, that of the lock.
    pub(super) fn behind(&self, cell: Arc<Cell>) -> Arc<Cell> {
        let lock = cell.options.shared_lock();
        lock.and_then(|lock| self.registry.cell(lock))
            .unwrap_or(cell)
    }
}

impl Caller {
    fn unary(unary: Arc<Unary>) -> Caller {
        Caller {
            origin: Origin::Unary(unary),
            sequence: 0,
            fingerprint: 0,
            owner: commonhold_proto::Owner(0),
            opened: false,
            led_from: None,
            deadline: None,
            may_wait: false,
            fence: None,
            floor: Revision(0),
        }
    }
}

/// The call, told which condition it is about, if it is about one.
pub(super) fn about(condition: &Cell, call: &Arguments) -> Call {
    let mut told = call.to_call();
    let mut parameters = call.method.parameters.iter();
    if parameters.any(|parameter| parameter.name == CONDITION) {
        told.named.retain(|(name, _)| name != CONDITION);
        told = told.with(CONDITION, condition.oid.0);
    }
    told
}

/// Do these options name the same object?
pub(super) fn is_same_link(has: &Value, asked: &Value) -> bool {
    match (has, asked) {
        (Value::Reference(has), Value::Reference(asked)) => has.oid == asked.oid,
        (Value::Reference(has), Value::Text(name)) => has.name == **name,
        _ => false,
    }
}

fn reference(cell: &Cell) -> Reference {
    Reference {
        kind: cell.kind.name.to_owned(),
        name: cell.name.to_string(),
        oid: cell.oid,
    }
}
