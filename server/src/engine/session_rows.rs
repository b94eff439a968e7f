//! The rows by which a restarted server knows its sessions.

use super::cell::Cell;
use super::table::{SESSIONS, TABLE, Table};
use crate::objects::Options;
use crate::session::{Identity, Liveness, Session};
use bytes::Bytes;
use commonhold_proto::login::TokenHash;
use commonhold_proto::{Durability, SessionId, Value};
use std::sync::Arc;

/// The cell that the sessions' rows live in.
pub(super) fn session_table() -> Arc<Cell> {
    Arc::new(Cell::new(
        SESSIONS,
        &TABLE,
        "",
        Durability::Durable,
        Options::default(),
        Box::<Table>::default(),
    ))
}

/// A session's row; `lost`: its client must be told that its lease was.
pub(super) fn session_value(session: &Session, lost: bool) -> Value {
    let heartbeat = session.liveness == Liveness::Heartbeat;
    Value::Dict(vec![
        (
            "token".into(),
            Bytes::copy_from_slice(&session.token.0).into(),
        ),
        ("heartbeat".into(), heartbeat.into()),
        ("lost".into(), lost.into()),
        ("name".into(), session.identity.name.as_str().into()),
        ("host".into(), session.identity.host.as_str().into()),
        ("pid".into(), session.identity.pid.into()),
    ])
}

/// Reads a session's row.
pub(super) fn session_from(id: SessionId, value: &Value) -> Result<Session, String> {
    let Value::Dict(pairs) = value else {
        return Err("a session's row is no dict".into());
    };
    let field = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key.as_text() == Some(name))
            .map(|(_, value)| value)
    };
    let text = |name: &str| {
        field(name)
            .and_then(Value::as_text)
            .unwrap_or_default()
            .to_owned()
    };
    let Some(Value::Bytes(token)) = field("token") else {
        return Err("a session's row has no token".into());
    };
    let token = token.as_ref().try_into();
    let token = TokenHash(token.map_err(|_| "a session's token hash has a wrong length")?);
    let heartbeat = field("heartbeat") == Some(&Value::Bool(true));
    let identity = Identity {
        name: text("name"),
        host: text("host"),
        pid: field("pid")
            .and_then(Value::as_int)
            .and_then(|pid| u32::try_from(pid).ok())
            .unwrap_or(0),
    };
    let liveness = if heartbeat {
        Liveness::Heartbeat
    } else {
        Liveness::Connection
    };
    let session = Session::new(id, identity, liveness, token);
    let lost = field("lost") == Some(&Value::Bool(true));
    let mut presence = session.presence.lock();
    presence.lease_lost = lost;
    presence.loss_lasts = lost;
    presence.loss_logged = lost;
    drop(presence);
    Ok(session)
}
