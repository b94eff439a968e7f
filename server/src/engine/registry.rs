//! Which objects there are: opening by name, creating, deleting, and the rows that keep it.

use super::Engine;
use super::caller::Caller;
use super::cell::{Cell, State};
use super::links::is_same_link;
use super::table::{REGISTRY, TABLE, Table, number_key};
use crate::objects::{self, Access, Kind, Options};
use crate::session::Lane;
use commonhold_proto::{
    Call, Code, Durability, Oid, Open, OpenOptions, Outcome, OutcomeState, Refusal, Reply,
    Revision, Row, Value,
};
use dashmap::DashMap;
use hashbrown::DefaultHashBuilder;
use parking_lot::MutexGuard;
use smallvec::smallvec;
use std::sync::Arc;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 512;

/// Every object, by identity and by name. The table's lock guards creation and deletion; both maps are only read and
/// written for single keys, and no guard of theirs outlives the statement that took it.
pub(super) struct Registry {
    pub(super) table: Arc<Cell>,
    /// Every call is looked up here: this hasher takes a number in one multiplication.
    cells: DashMap<Oid, Arc<Cell>, DefaultHashBuilder>,
    names: DashMap<Box<str>, Arc<Cell>>,
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

    /// Any object of which this is true.
    pub(super) fn find(&self, is: impl Fn(&Cell) -> bool) -> Option<Arc<Cell>> {
        let mut cells = self.cells.iter();
        cells.find(|cell| is(cell)).map(|cell| Arc::clone(&cell))
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
        self.cells.insert(cell.oid, Arc::clone(cell));
        if !cell.name.is_empty() {
            self.names.insert(cell.name.clone(), Arc::clone(cell));
        }
    }

    pub(super) fn remove(&self, cell: &Cell) {
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

/// What is fixed when an object is created: its registry row's value.
pub(super) struct Birth {
    pub(super) kind: &'static Kind,
    pub(super) name: String,
    pub(super) durability: Durability,
    pub(super) options: Options,
}

impl Birth {
    /// The version of the row formats of kinds, kept with each object.
    const FORMAT: i64 = 1;

    fn to_value(&self) -> Value {
        let options = self
            .options
            .given()
            .iter()
            .map(|(k, v)| (k.as_str().into(), v.clone()))
            .collect();
        Value::Dict(vec![
            ("kind".into(), self.kind.name.into()),
            ("name".into(), self.name.as_str().into()),
            ("durability".into(), self.durability.name().into()),
            ("options".into(), Value::Dict(options)),
            ("format".into(), Birth::FORMAT.into()),
        ])
    }

    /// Reads a registry row's value.
    pub(super) fn from_value(value: &Value) -> Result<Birth, String> {
        let Value::Dict(pairs) = value else {
            return Err("a registry row is no dict".into());
        };
        let field = |name: &str| {
            let found = pairs
                .iter()
                .find(|(key, _)| key.as_text() == Some(name))
                .map(|(_, value)| value);
            found.ok_or_else(|| format!("a registry row lacks \"{name}\""))
        };
        let text = |name: &str| {
            field(name)?
                .as_text()
                .ok_or_else(|| format!("the {name} in a registry row is no text"))
        };
        if field("format")?
            .as_int()
            .is_none_or(|format| format > Birth::FORMAT)
        {
            return Err("a registry row was written by a newer version".into());
        }
        let kind = text("kind")?;
        let kind =
            kind_named(kind).ok_or_else(|| format!("this version knows no kind \"{kind}\""))?;
        let durability = text("durability")?;
        let durability = Durability::from_name(durability)
            .ok_or_else(|| format!("there is no durability \"{durability}\""))?;
        let Value::Dict(given) = field("options")? else {
            return Err("the options in a registry row are no dict".into());
        };
        let given: Vec<_> = given
            .iter()
            .filter_map(|(key, value)| Some((key.as_text()?.to_owned(), value.clone())))
            .collect();
        let options = Options::check(kind, &given).map_err(|refusal| refusal.message)?;
        Ok(Birth {
            kind,
            name: text("name")?.to_owned(),
            durability,
            options,
        })
    }

    /// An empty object.
    pub(super) fn create(&self, oid: Oid) -> Result<Cell, Refusal> {
        let object = (self.kind.create)(&self.options)?;
        Ok(Cell::new(
            oid,
            self.kind,
            &self.name,
            self.durability,
            self.options.clone(),
            object,
        ))
    }
}

impl Engine {
    /// Executes a call on an object that is opened by name, and creates it if the call writes.
    pub(super) fn execute_named(&self, caller: &Caller, open: &Open, call: Call) {
        if let Err(refusal) = self.try_named(caller, open, call) {
            self.refuse(caller, refusal);
        }
    }

    fn try_named(&self, caller: &Caller, open: &Open, call: Call) -> Result<(), Refusal> {
        if let Some(cell) = self.registry.named(&open.name) {
            agree(&cell, open)?;
            self.execute_on(&cell, caller, call);
            return Ok(());
        }
        let birth = self.birth(open)?;
        let arguments = birth.kind.bind(call.clone())?;
        self.admit(&arguments, birth.durability)?;
        // A read of what is not there sees it empty and creates nothing; so does a write that would change nothing.
        let imagined = birth.create(Oid(0))?;
        // What a condition would do depends on the lock that it shares, which is there.
        let is_alone =
            birth.options.shared_lock().is_none() || arguments.method.access == Access::Read;
        if is_alone && self.answer_imagined(&imagined, caller, &arguments) {
            return Ok(());
        }
        // Sent again after a crash, "it must not exist" must not meet what the call itself made.
        let must_make = open.options.exists == Some(false);
        let ending = must_make.then(|| Ending {
            caller,
            then: Then::Execute(call.clone()),
        });
        let (cell, made) = self.create(&birth, ending)?;
        if !made {
            agree(&cell, open)?;
        }
        self.execute_on(&cell, caller, call);
        Ok(())
    }

    /// What an object of this name would be if it were created now.
    pub(super) fn birth(&self, open: &Open) -> Result<Birth, Refusal> {
        let kind = known_kind(&open.kind)?;
        check_name(&open.name)?;
        self.birth_of(kind, open, self.limits.durability)
    }

    /// The same, once kind and name are known to be right.
    fn birth_of(
        &self,
        kind: &'static Kind,
        open: &Open,
        default: Durability,
    ) -> Result<Birth, Refusal> {
        let OpenOptions {
            durability,
            exists,
            options,
        } = &open.options;
        if *exists == Some(true) {
            return Err(Refusal::new(
                Code::NotFound,
                format!("no object \"{}\"", open.name),
            ));
        }
        let mut birth = Birth {
            kind,
            name: open.name.clone(),
            durability: durability.unwrap_or(default),
            options: Options::check(kind, options)?,
        };
        self.link(&mut birth)?;
        Ok(birth)
    }

    /// What an anonymous object would be if it were created now. It is in memory unless the caller says otherwise.
    pub(super) fn anonymous_birth(&self, open: &Open) -> Result<Birth, Refusal> {
        if open.options.exists == Some(true) {
            let message =
                "open: an object without a name is always a new one: it cannot exist already";
            return Err(Refusal::new(Code::BadArguments, message));
        }
        self.birth_of(known_kind(&open.kind)?, open, Durability::Memory)
    }

    /// Creates an object, unless the name has one by now: then it is that one, and not made here. `operation` is the
    /// call that asked for it.
    pub(super) fn create(
        &self,
        birth: &Birth,
        operation: Option<Ending<'_>>,
    ) -> Result<(Arc<Cell>, bool), Refusal> {
        let mut table = self.registry.table.state.lock();
        if let Some(cell) = self.registry.named(&birth.name) {
            return Ok((cell, false));
        }
        let oid = Oid(self.log.unlogged().0);
        let cell = Arc::new(birth.create(oid)?);
        self.register_in(&mut table, &cell, birth, operation);
        Ok((cell, true))
    }

    /// Makes an object known.
    pub(super) fn register(&self, cell: &Arc<Cell>, birth: &Birth, operation: Option<Ending<'_>>) {
        let mut table = self.registry.table.state.lock();
        self.register_in(&mut table, cell, birth, operation);
    }

    fn register_in(
        &self,
        table: &mut MutexGuard<'_, State>,
        cell: &Arc<Cell>,
        birth: &Birth,
        operation: Option<Ending<'_>>,
    ) {
        let row = Row::put(number_key(cell.oid.0), birth.to_value());
        self.change_registry(table, cell, row, operation);
        if cell.durability == Durability::Durable {
            cell.state.lock().gate = table.gate;
        }
        self.registry.insert(cell);
    }

    /// Deletes an object: whoever waits for it is refused. Returns what the reply waits for.
    pub(super) fn delete(
        &self,
        cell: &Arc<Cell>,
        operation: Option<Ending<'_>>,
    ) -> Result<Revision, Refusal> {
        self.check_unguarding(cell)?;
        self.disband(cell);
        let mut table = self.registry.table.state.lock();
        let mut state = cell.state.lock();
        if state.gone {
            return Err(Engine::gone(cell.oid));
        }
        state.gone = true;
        self.registry.remove(cell);
        state.release_all(cell.oid);
        let waiting = state.waiting.take_all();
        let edges = self.take_edges(cell, &mut state);
        let row = Row::delete(number_key(cell.oid.0));
        self.change_registry(&mut table, cell, row, operation);
        let gate = table.gate;
        drop(state);
        drop(table);
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

    /// Answers a call on an object that does not exist, if it would leave it as it is.
    fn answer_imagined(&self, imagined: &Cell, caller: &Caller, call: &objects::Arguments) -> bool {
        let mut state = imagined.state.lock();
        let decision = self.decide(imagined, &mut state, caller, call, false);
        let result = match decision {
            Err(refusal) => Err(refusal),
            Ok(objects::Decision {
                rows,
                next: objects::Next::Reply(value),
            }) if rows.is_empty() || call.method.access == Access::Read => Ok(value),
            Ok(_) => return false,
        };
        drop(state);
        let mut reply = Engine::refused(Refusal::new(Code::NotFound, ""));
        reply.result = result;
        self.answer(caller, reply, self.registry.gate());
        true
    }
}

/// The kind of this name; tests have some of their own.
fn kind_named(name: &str) -> Option<&'static Kind> {
    let kind = objects::kind(name);
    #[cfg(test)]
    let kind = kind.or_else(|| {
        super::tests::KINDS
            .iter()
            .copied()
            .find(|kind| kind.name == name)
    });
    kind
}

fn known_kind(name: &str) -> Result<&'static Kind, Refusal> {
    kind_named(name)
        .ok_or_else(|| Refusal::new(Code::WrongKind, format!("there is no kind \"{name}\"")))
}

/// Is the object what the caller takes it for?
pub(super) fn agree(cell: &Cell, open: &Open) -> Result<(), Refusal> {
    let name = &open.name;
    if cell.kind.name != open.kind {
        let message = format!("\"{name}\" is a {}, not a {}", cell.kind.name, open.kind);
        return Err(Refusal::new(Code::WrongKind, message));
    }
    let OpenOptions {
        durability,
        exists,
        options,
    } = &open.options;
    if *exists == Some(false) {
        return Err(Refusal::new(
            Code::Conflict,
            format!("there is a {} \"{name}\" already", cell.kind.name),
        ));
    }
    if let Some(asked) = durability.filter(|asked| *asked != cell.durability) {
        let message = format!(
            "{} has durability {}, not {}",
            cell.title(),
            cell.durability.name(),
            asked.name()
        );
        return Err(Refusal::new(Code::Conflict, message));
    }
    for (option, asked) in options {
        match cell.options.get(option) {
            Some(has) if has.equals(asked) || is_same_link(has, asked) => {}
            Some(has) => {
                let message = format!(
                    "{} was made with {option} = {}, not {}",
                    cell.title(),
                    has.repr(),
                    asked.repr()
                );
                return Err(Refusal::new(Code::Conflict, message));
            }
            None => {
                // An option that the kind lacks is refused by name; one that was left at its default differs.
                Options::check(cell.kind, &[(option.clone(), asked.clone())])?;
                let message = format!(
                    "{} was made without {option}, not with {}",
                    cell.title(),
                    asked.repr()
                );
                return Err(Refusal::new(Code::Conflict, message));
            }
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Refusal> {
    let wrong = if name.is_empty() {
        "a name has at least one byte; \"open\" of $server without a name makes an anonymous object"
    } else if name.len() > NAME_BYTES_MAX {
        "a name has at most 512 bytes"
    } else if name.chars().any(char::is_control) {
        "a name has no control characters"
    } else if name.starts_with('$') {
        "names that begin with $ are the server's"
    } else {
        return Ok(());
    };
    Err(Refusal::new(Code::BadArguments, wrong))
}
