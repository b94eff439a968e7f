//! The object `$server`: creating, listing, describing and deleting objects, and the server's own numbers.
//!
//! It has a method table like every kind, but the engine itself decides its calls: they are about the registry.

use super::Engine;
use super::birth::agree;
use super::caller::Caller;
use super::cell::Cell;
use super::fence::Refused;
use super::registry::{Ending, Then};
use crate::objects::{Arguments, Kind, Method, Parameter};
use commonhold_proto::{
    Call, Code, Durability, Oid, Open, OpenOptions, Reference, Refusal, Revision, Value,
};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The name of the server's own object.
pub(super) const NAME: &str = "$server";
/// Objects that one `ls` returns at most.
const LS_MAX: usize = 10_000;

const OBJECT: Parameter = Parameter::required("name", "the object's name");

/// What `$server` can do.
pub(super) static KIND: Kind = Kind {
    name: "server",
    doc: "The server itself, under the name $server.",
    options: &[],
    methods: &[
        Method::write(
            "open",
            "Opens an object, creates it if it is absent, and returns a reference to it.",
            &[
                Parameter::required("kind", "the object's kind"),
                Parameter::optional(
                    "name",
                    "the object's name; left out or empty: a new anonymous object, which lives while something refers \
                     to it",
                ),
                Parameter::optional(
                    "durability",
                    "durable, relaxed or memory; memory if the object is anonymous",
                ),
                Parameter::optional("exists", "true: it must exist; false: it must not"),
                Parameter::optional("options", "a dict of the kind's creation options"),
            ],
        ),
        Method::read(
            "ls",
            "Lists objects by name: dicts of name, kind, entries, durability, oid and revision.",
            &[
                Parameter::optional("prefix", "only names that begin so"),
                Parameter::optional("kind", "only this kind"),
                Parameter::optional("after", "only names after this one"),
                Parameter::optional("limit", "at most so many; 1,000 by default, 10,000 at most"),
            ],
        ),
        Method::read(
            "describe",
            "Tells about one object: as ls, with its options and methods.",
            &[OBJECT],
        ),
        Method::read(
            "who",
            "Tells who holds an object, since when, with which note, and who waits for it.",
            &[OBJECT],
        ),
        Method::write(
            "delete",
            "Deletes an object; whoever waits for it is refused. What a lock guards is deleted with a fence of it.",
            &[
                OBJECT,
                Parameter::optional(
                    "force",
                    "bool: deletes what a lock guards without its fence; default False",
                ),
            ],
        )
        .shrinking(),
        Method::write(
            "drop",
            "Tells that the session wants objects no more that replies referred to; returns how many of them it holds no more.",
            &[
                Parameter::required("oids", "list of the objects' numbers"),
                Parameter::optional(
                    "replies",
                    "list of pairs of lane and call's number: replies that came and may not be acknowledged yet",
                ),
            ],
        )
        .shrinking(),
        Method::write(
            "pin",
            "Keeps anonymous objects for a while, although nothing may refer to them.",
            &[
                Parameter::required(
                    "oid",
                    "the object's number, or a list of numbers, of which those of objects that are gone are passed over",
                ),
                Parameter::optional("seconds", "for so long; 60 by default, 3,600 at most"),
            ],
        ),
        Method::read(
            "hold",
            "Returns a list of references to anonymous objects, None in place of those that are gone: the caller's session \
             holds them from now on.",
            &[Parameter::required("oids", "list of the objects' numbers")],
        ),
        Method::write(
            "collect",
            "Frees anonymous objects that only refer to each other; returns how many there were.",
            &[],
        )
        .shrinking(),
        Method::read("status", "The server's numbers.", &[]),
        Method::read("ping", "Answers null.", &[]),
    ],
    create: |_| {
        Err(Refusal::new(
            Code::BadArguments,
            "there is one server, and it is there",
        ))
    },
};

impl Engine {
    /// Executes a call of `$server`.
    pub(super) fn serve(&self, caller: &Caller, open: &Open, call: Call) {
        let result = if open.kind == KIND.name {
            KIND.bind(call)
        } else {
            Err(Refusal::new(
                Code::WrongKind,
                format!("\"{NAME}\" is a server, not a {}", open.kind),
            ))
        };
        let result = result.map_err(Refused::from);
        let (result, gate) = match result.and_then(|call| self.decide_server(caller, &call)) {
            Ok((value, gate)) => (Ok(value), gate),
            Err(Refused { refusal, gate }) => (Err(refusal), gate.max(self.registry.gate())),
        };
        let mut reply = Engine::refused(Refusal::new(Code::Internal, ""));
        reply.result = result;
        self.answer(caller, reply, gate);
        self.free_orphans();
    }

    /// The value and what it waits for at the gate.
    fn decide_server(
        &self,
        caller: &Caller,
        call: &Arguments,
    ) -> Result<(Value, Revision), Refused> {
        // Before anything else, such as the end of a condition's waits. What makes or deletes asks again, with the lock
        // locked.
        self.check_fence(self.fencing(caller.fence)?.as_ref())?;
        match call.method() {
            "open" => self.open_object(caller, call),
            "ls" => Ok(self.list(call)?),
            "describe" => {
                let cell = self.find(call.text("name")?)?;
                let (mut pairs, gate) = summary(&cell);
                let options = cell
                    .options
                    .given()
                    .iter()
                    .map(|(k, v)| (k.as_str().into(), v.clone()))
                    .collect();
                let methods = cell.kind.methods.iter().filter(|method| !method.internal);
                pairs.push(("options".into(), Value::Dict(options)));
                pairs.push((
                    "methods".into(),
                    Value::List(methods.map(|method| method.name.into()).collect()),
                ));
                Ok((Value::Dict(pairs), gate.max(self.registry.gate())))
            }
            "who" => Ok(self.who(self.find(call.text("name")?)?)),
            "delete" => {
                let cell = self.find(call.text("name")?)?;
                if !call.bool_or("force", false)? {
                    let advice = "delete it with a fence of it, or with force";
                    self.check_guarded(&cell, caller.fence, advice)?;
                }
                let ending = Ending {
                    caller,
                    then: Then::Reply(Value::Null),
                };
                let gate = self.delete(&cell, caller.fence, Some(ending))?;
                Ok((Value::Null, gate))
            }
            "drop" => Ok(self.drop_references(caller, call)?),
            "pin" => Ok((self.pin(call)?, Revision(0))),
            "hold" => Ok(self.references_to(call)?),
            "collect" => Ok((self.collect().into(), Revision(0))),
            "status" => Ok((self.status(), Revision(0))),
            _ => Ok((Value::Null, Revision(0))),
        }
    }

    fn find(&self, name: &str) -> Result<Arc<Cell>, Refusal> {
        let found = self.registry.named(name);
        found.ok_or_else(|| Refusal::new(Code::NotFound, format!("no object \"{name}\"")))
    }

    fn open_object(&self, caller: &Caller, call: &Arguments) -> Result<(Value, Revision), Refused> {
        let durability = match call.get("durability") {
            None | Some(Value::Null) => None,
            Some(_) => {
                let name = call.text("durability")?;
                let known = Durability::from_name(name);
                Some(known.ok_or_else(|| call.bad("durability", "is durable, relaxed or memory"))?)
            }
        };
        let options = match call.get("options") {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Dict(pairs)) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Some((key.as_text()?.to_owned(), value.clone())));
                pairs
                    .collect::<Option<_>>()
                    .ok_or_else(|| call.bad("options", "has a key that is no text"))?
            }
            Some(_) => return Err(call.bad("options", "is no dict").into()),
        };
        let exists = match call.get("exists") {
            None | Some(Value::Null) => None,
            Some(_) => Some(call.bool_or("exists", false)?),
        };
        let open = Open {
            kind: call.text("kind")?.to_owned(),
            name: match call.get("name") {
                None | Some(Value::Null) => String::new(),
                Some(_) => call.text("name")?.to_owned(),
            },
            options: OpenOptions {
                durability,
                exists,
                options,
            },
        };
        let cell = match self.registry.named(&open.name) {
            _ if open.name.is_empty() => self.open_anonymous(caller, &open)?,
            Some(cell) => {
                agree(&cell, &open)?;
                cell
            }
            None => {
                let birth = self.birth(&open)?;
                self.admit_creation(birth.durability)?;
                let made = Reference {
                    kind: open.kind.clone(),
                    name: open.name.clone(),
                    oid: Oid(0),
                };
                let ending = Ending {
                    caller,
                    then: Then::Reply(Value::Reference(made.into())),
                };
                let (cell, made) = self.create(&birth, caller.fence, Some(ending))?;
                if !made {
                    agree(&cell, &open)?;
                }
                cell
            }
        };
        let reference = Reference {
            kind: cell.kind.name.to_owned(),
            name: cell.name.to_string(),
            oid: cell.oid,
        };
        let gate = cell.state.lock().gate;
        Ok((Value::Reference(reference.into()), gate))
    }

    fn open_anonymous(&self, caller: &Caller, open: &Open) -> Result<Arc<Cell>, Refused> {
        let birth = self.anonymous_birth(open)?;
        self.admit_creation(birth.durability)?;
        let made = Reference {
            kind: open.kind.clone(),
            name: String::new(),
            oid: Oid(0),
        };
        let ending = Ending {
            caller,
            then: Then::Reply(Value::Reference(made.into())),
        };
        self.create_anonymous(caller, &birth, ending)
    }

    fn list(&self, call: &Arguments) -> Result<(Value, Revision), Refusal> {
        let text = |name| match call.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(_) => call.text(name),
        };
        let (prefix, kind, after) = (text("prefix")?, text("kind")?, text("after")?);
        let limit = usize::try_from(call.int_or("limit", 1_000)?)
            .unwrap_or(0)
            .clamp(1, LS_MAX);
        let cells = self.registry.first_by_name(limit, |cell| {
            let name = cell.name.as_ref();
            name.starts_with(prefix) && name > after && (kind.is_empty() || cell.kind.name == kind)
        });
        let mut gate = self.registry.gate();
        let mut rows = Vec::with_capacity(cells.len());
        for cell in &cells {
            let (pairs, seen) = summary(cell);
            gate = gate.max(seen);
            rows.push(Value::Dict(pairs));
        }
        Ok((Value::List(rows), gate))
    }

    fn status(&self) -> Value {
        let store = *self.store_stats.lock();
        let number = |value: u64| Value::from(value);
        let uptime = u64::try_from(self.clock.monotonic().as_millis()).unwrap_or(u64::MAX);
        Value::Dict(vec![
            ("version".into(), env!("CARGO_PKG_VERSION").into()),
            ("pid".into(), std::process::id().into()),
            ("store".into(), self.limits.store.as_str().into()),
            ("data".into(), self.limits.data.as_str().into()),
            ("uptime_ms".into(), number(uptime)),
            ("objects".into(), self.registry.len().into()),
            (
                "anonymous".into(),
                self.references.anonymous.load(Ordering::Relaxed).into(),
            ),
            (
                "held".into(),
                self.references.held.load(Ordering::Relaxed).into(),
            ),
            ("sessions".into(), self.sessions.len().into()),
            ("revision".into(), number(self.log.newest().0)),
            ("durable".into(), number(self.gate.durable().0)),
            ("pending_bytes".into(), self.log.pending_bytes().into()),
            ("appends".into(), number(store.appends)),
            ("syncs".into(), number(store.syncs)),
            ("log_bytes".into(), number(store.log_bytes)),
            ("disk_bytes".into(), number(store.disk_bytes)),
            (
                "free_bytes".into(),
                store.free_bytes.map_or(Value::Null, number),
            ),
            ("full".into(), self.is_full().into()),
            (
                "checkpoints".into(),
                number(self.checkpoints.load(Ordering::Relaxed)),
            ),
            (
                "clock_ahead_ms".into(),
                self.clock.ahead_of_wall_ms().into(),
            ),
        ])
    }
}

/// What `ls` tells about an object, and what the telling waits for.
fn summary(cell: &Cell) -> (Vec<(Value, Value)>, Revision) {
    let state = cell.state.lock();
    let pairs = vec![
        ("name".into(), cell.name.as_ref().into()),
        ("kind".into(), cell.kind.name.into()),
        ("entries".into(), state.object.entries().into()),
        ("durability".into(), cell.durability.name().into()),
        ("oid".into(), cell.oid.0.into()),
        ("revision".into(), state.last.0.into()),
    ];
    (pairs, state.gate)
}
