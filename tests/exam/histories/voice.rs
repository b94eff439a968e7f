//! How calls are made: as they should be, or with one of the faults that a checker must find.

use commonhold::{Call, Client, Error, Oid, Reply, Target, Value};
use std::cell::RefCell;
use std::collections::HashMap;
use std::time::Duration;

/// What a client does wrong, over a server that does nothing wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// A number is increased by reading it and then setting it: what others did in between is lost.
    LostUpdate,
    /// Every other read is answered with what the same read was answered before.
    StaleRead,
    /// What a cut left without a reply is sent again as a new call, though it had happened.
    SecondCall,
}

/// A client, and what is wrong with it.
pub(super) struct Voice {
    pub(super) ch: Client,
    fault: Fault,
    /// Of stale reads: what each was told, until it is told again.
    told: RefCell<HashMap<(Oid, String), Reply>>,
}

impl Voice {
    pub(super) fn new(ch: Client, fault: Fault) -> Voice {
        Voice {
            ch,
            fault,
            told: RefCell::default(),
        }
    }

    pub(super) async fn ask(
        &self,
        oid: Oid,
        call: &Call,
        timeout: Option<Duration>,
    ) -> Result<Reply, Error> {
        match (self.fault, call.method.as_str(), &call.arguments[..]) {
            (Fault::LostUpdate, "increment", [Value::Int(by)]) if call.named.is_empty() => {
                self.get_and_set(oid, *by).await
            }
            (Fault::StaleRead, "get" | "len" | "value" | "items" | "copy" | "contains", _) => {
                let read = (oid, format!("{call:?}"));
                if let Some(reply) = self.told.borrow_mut().remove(&read) {
                    return Ok(reply);
                }
                let reply = self.call(oid, call.clone(), timeout).await?;
                self.told.borrow_mut().insert(read, reply.clone());
                Ok(reply)
            }
            (Fault::SecondCall, ..) => {
                let reply = self.call(oid, call.clone(), timeout).await?;
                if reply.remembered {
                    return self.call(oid, call.clone(), timeout).await;
                }
                Ok(reply)
            }
            _ => self.call(oid, call.clone(), timeout).await,
        }
    }

    async fn call(&self, oid: Oid, call: Call, timeout: Option<Duration>) -> Result<Reply, Error> {
        self.ch.call(Target::Oid(oid), call, timeout).await
    }

    async fn get_and_set(&self, oid: Oid, by: i64) -> Result<Reply, Error> {
        let seen = self.call(oid, Call::new("get", []), None).await?;
        let Ok(Value::Int(number)) = seen.result else {
            return Ok(seen);
        };
        let sum = Value::from(number + by);
        let set = self
            .call(oid, Call::new("set", [sum.clone()]), None)
            .await?;
        Ok(Reply {
            result: set.result.map(|_| sum),
            ..set
        })
    }
}
