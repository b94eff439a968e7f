//! What a proxy asks for, and who asks: proxies are written once for the async and the blocking client.

use crate::error::{Error, Happened, Result};
use crate::handle::Handle;
use crate::holdings::Holdings;
use crate::lane::{Submission, TakeBack, Unheard};

use bytes::Bytes;
use commonhold_proto::value::{from_value, to_value};
use commonhold_proto::{Call, Code, Fence, Owner, Refusal, Reply, Target, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

/// A client: [`Client`](crate::Client) answers with futures, [`blocking::Client`](crate::blocking::Client) with results.
pub trait Caller: Clone + Send + Sync + sealed::Sealed + 'static {
    /// What a call gives: something to be awaited, or the result itself.
    type Answer<T>;

    /// Makes a call.
    fn ask<T: 'static>(&self, request: Request<T>) -> Self::Answer<T>;

    /// Makes a call whose answer nobody awaits, from `Drop` for instance: it is carried out even if the client is closed
    /// right after. An async client only takes it in; a blocking one makes it and ignores errors.
    fn tell<T: 'static>(&self, request: Request<T>) {
        drop(self.ask(request.kept()));
    }

    /// An owner for what is held: of a blocking client the thread that calls, of an async one a fresh one each time, since
    /// a task has no number. Whoever gives something back must do so as the owner that took it.
    fn owner(&self) -> Owner;
}

pub(crate) mod sealed {
    use crate::session::Session;
    use commonhold_proto::Owner;
    use std::sync::Arc;

    /// What a guard needs of its client.
    pub struct Ties(pub(crate) Arc<Session>);

    pub trait Sealed {
        #[doc(hidden)]
        fn ties(&self) -> Ties;

        /// Has the objects dropped that nobody wants any more.
        #[doc(hidden)]
        fn let_go(&self);

        /// The owner of what a proxy holds, where that is not the thread.
        #[doc(hidden)]
        fn owner_of_proxy(&self) -> Option<Owner>;
    }
}

/// What makes a Rust value of a reply.
pub(crate) enum Read<T> {
    Plain(fn(Reply) -> Result<T>),
    /// Once.
    Making(Option<Box<Make<T>>>),
}

type Make<T> = dyn FnOnce(Reply) -> Result<T> + Send;

impl<T> Read<T> {
    /// The result of a call, given back to whom it concerns. What it brought and is not in the result is given up.
    pub(crate) fn finish(&mut self, reply: Reply, holdings: &Holdings) -> Result<T> {
        let brought = match &reply.result {
            Ok(value) if value.has_references() => Some(value.clone()),
            _ => None,
        };
        let result = match self {
            Read::Plain(read) => read(reply),
            Read::Making(make) => match make.take() {
                Some(make) => make(reply),
                None => Err(Error::Closed),
            },
        };
        if let Some(brought) = brought
            // What needs no drop has no room for a reference.
            && (result.is_err() || !mem::needs_drop::<T>())
        {
            holdings.give_up(&brought);
        }
        result
    }
}

/// A call on its way to a [`Caller`], with what makes a Rust value of its reply.
#[must_use = "a request does nothing until a caller is asked"]
pub struct Request<T> {
    pub(crate) work: Result<Work>,
    read: Read<T>,
}

/// A call that could be expressed in values.
pub(crate) struct Work {
    target: Aim,
    call: Call,
    timeout: Option<Duration>,
    repeatable: bool,
    /// The caller's own choice, if it made one.
    owner: Option<Owner>,
    fence: Option<Fence>,
    unheard: Fate,
}

/// What becomes of it if its caller waits no more: see [`Unheard`].
enum Fate {
    Withdraw,
    CarryOut,
    TakeBack(Box<Undo>),
}

/// Makes, of the value that a call returned, the call that takes back what it did; `None` if it did nothing.
type Undo = dyn Fn(&Value) -> Option<Call> + Send + Sync;

/// Which object it is for.
enum Aim {
    /// The one of a proxy, which learns its identity from the reply.
    Handle(Arc<Handle>),
    Target(Target),
}

impl Aim {
    fn options(&self) -> &[(String, Value)] {
        match self {
            Aim::Handle(handle) => handle.options(),
            Aim::Target(Target::Open(open)) => &open.options.options,
            Aim::Target(Target::Oid(_)) => &[],
        }
    }
}

/// What is remembered of a call while it is under way.
pub(crate) struct Settling {
    handle: Option<Arc<Handle>>,
    opened: bool,
}

impl<T> Request<T> {
    /// A call of a proxy's method. `arguments` may not be expressible as values.
    pub(crate) fn new(
        handle: &Arc<Handle>,
        call: Result<Call>,
        timeout: Option<Duration>,
        repeatable: bool,
        read: fn(Reply) -> Result<T>,
    ) -> Request<T> {
        let work = Work::new(Aim::Handle(Arc::clone(handle)), call, timeout, repeatable);
        let read = Read::Plain(read);
        Request { work, read }
    }

    /// A call of anything.
    pub(crate) fn of(
        target: Target,
        call: Call,
        timeout: Option<Duration>,
        read: fn(Reply) -> Result<T>,
    ) -> Request<T> {
        let work = Work::new(Aim::Target(target), Ok(call), timeout, false);
        let read = Read::Plain(read);
        Request { work, read }
    }

    /// A call whose value becomes something that only its caller knows how to make.
    pub(crate) fn making(
        target: Target,
        call: Call,
        make: impl FnOnce(Reply) -> Result<T> + Send + 'static,
    ) -> Request<T> {
        let work = Work::new(Aim::Target(target), Ok(call), None, false);
        let read = Read::Making(Some(Box::new(make)));
        Request { work, read }
    }

    /// Makes it as this owner.
    pub(crate) fn owned(mut self, owner: Option<Owner>) -> Request<T> {
        if let Ok(work) = &mut self.work {
            work.owner = owner;
        }
        self
    }

    /// Has it refused unless this grant holds.
    pub(crate) fn fenced(mut self, fence: Option<Fence>) -> Request<T> {
        if let Ok(work) = &mut self.work {
            work.fence = fence;
        }
        self
    }

    /// Carries it out even if its caller stops waiting, or never begins to.
    pub(crate) fn kept(mut self) -> Request<T> {
        if let Ok(work) = &mut self.work {
            work.unheard = Fate::CarryOut;
        }
        self
    }

    /// If its caller stops waiting, the call that `undo` makes of the value that it returned takes back what it did.
    pub(crate) fn taken_back_by(
        mut self,
        undo: impl Fn(&Value) -> Option<Call> + Send + Sync + 'static,
    ) -> Request<T> {
        if let Ok(work) = &mut self.work {
            work.unheard = Fate::TakeBack(Box::new(undo));
        }
        self
    }

    /// The call, and what makes a result of its reply.
    pub(crate) fn into_parts(self) -> (Result<Work>, Read<T>) {
        (self.work, self.read)
    }
}

impl Work {
    /// Refuses what no server can read: it would end the lane for it, whenever it is sent.
    fn new(
        target: Aim,
        call: Result<Call>,
        timeout: Option<Duration>,
        repeatable: bool,
    ) -> Result<Work> {
        let call = call?;
        let named = call.named.iter().chain(target.options());
        let mut values = call.arguments.iter().chain(named.map(|(_, value)| value));
        if values.any(Value::is_too_large) {
            let message = "a value may be nested 32 deep, and an int may have 64 KiB";
            return Err(Refusal::new(Code::ValueTooLarge, message).into());
        }
        Ok(Work {
            target,
            call,
            timeout,
            repeatable,
            owner: None,
            fence: None,
            unheard: Fate::Withdraw,
        })
    }

    /// Is it carried out even if nobody waits for it?
    pub(crate) const fn is_kept(&self) -> bool {
        matches!(self.unheard, Fate::CarryOut)
    }

    /// Its bytes, now that it is sent: by identity if that is known by now. `owner` is the one of a call without its own.
    pub(crate) fn into_submission(self, owner: impl FnOnce() -> Owner) -> (Submission, Settling) {
        let owner = self.owner.unwrap_or_else(owner);
        let (target, handle) = match self.target {
            Aim::Handle(handle) => (handle.target(), Some(handle)),
            Aim::Target(target) => (target, None),
        };
        let opened = matches!(target, Target::Open(_));
        let unheard = match (self.unheard, &handle) {
            (Fate::TakeBack(undo), Some(handle)) => {
                // Under the lane's lock the last proxy must not end.
                let handle = handle.bare();
                Unheard::TakeBack(TakeBack::new(move |reply| {
                    let call = undo(reply.result.as_ref().ok()?)?;
                    if let Some(oid) = reply.oid {
                        handle.remember(oid);
                    }
                    Some(body(call, handle.target(), owner, None))
                }))
            }
            (Fate::CarryOut, _) => Unheard::CarryOut,
            (Fate::Withdraw | Fate::TakeBack(_), _) => Unheard::Withdraw,
        };
        let submission = Submission {
            body: body(self.call, target, owner, self.fence),
            timeout: self.timeout,
            repeatable: self.repeatable,
            unheard,
        };
        (submission, Settling { handle, opened })
    }
}

/// A call's bytes, to which the lane adds sequence and time-out.
pub(crate) fn body(call: Call, target: Target, owner: Owner, fence: Option<Fence>) -> Bytes {
    call.into_bytes(target, owner, fence).into()
}

impl Settling {
    /// Lets the proxy learn from the reply.
    pub(crate) fn settle(&self, reply: Reply) -> Result<Reply> {
        let Some(handle) = &self.handle else {
            return Ok(reply);
        };
        if let Some(oid) = reply.oid {
            handle.remember(oid);
        }
        match &reply.result {
            Err(refusal) if refusal.code == Code::ObjectGone => handle.forget(),
            // Not a missing key: the object itself, which the caller said must exist.
            Err(refusal)
                if refusal.code == Code::NotFound
                    && self.opened
                    && reply.oid.is_none()
                    && handle.must_exist() =>
            {
                return Err(refusal.clone().into());
            }
            _ => {}
        }
        Ok(reply)
    }
}

/// The value of an argument.
pub(crate) fn argument<T: Serialize + ?Sized>(it: &T) -> Result<Value> {
    to_value(it).map_err(|error| Error::Value {
        reason: format!("the argument is no value: {error}"),
        happened: Happened::No,
    })
}

/// The reply as a Rust value.
pub(crate) fn read<T: DeserializeOwned>(reply: Reply) -> Result<T> {
    typed(reply.result?)
}

/// As [`read`], but `None` where something is missing.
pub(crate) fn read_found<T: DeserializeOwned>(reply: Reply) -> Result<Option<T>> {
    match found(reply.result)? {
        Some(value) => typed(value).map(Some),
        None => Ok(None),
    }
}

/// Was it there?
pub(crate) fn read_was_there(reply: Reply) -> Result<bool> {
    Ok(found(reply.result)?.is_some())
}

/// The reply of a method that returns nothing.
pub(crate) fn read_nothing(reply: Reply) -> Result<()> {
    reply.result?;
    Ok(())
}

fn found(result: std::result::Result<Value, Refusal>) -> Result<Option<Value>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(refusal) if refusal.code == Code::NotFound => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
}

/// A value of a reply as a Rust value.
pub(crate) fn typed<T: DeserializeOwned>(value: Value) -> Result<T> {
    from_value(value).map_err(|error| Error::Value {
        reason: format!("the reply is not of the expected type: {error}"),
        happened: Happened::Yes,
    })
}
