//! The Login stream, and who may call.

use super::connection::Peer;
use super::status::End;
use super::{Frames, Front};
use crate::auth::TokenHash;
use commonhold_proto::wire;
use std::sync::Arc;
use tonic::metadata::MetadataMap;
use tonic::{Status, Streaming};

/// The caller's token, if it is one that was given.
pub(super) fn authorize(front: &Front, metadata: &MetadataMap) -> Result<TokenHash, End> {
    let header = metadata
        .get("authorization")
        .and_then(|value| value.to_str().ok());
    let bearer = header
        .and_then(|header| header.strip_prefix("Bearer "))
        .ok_or(End::NotLoggedIn)?;
    front.auth.check(bearer).ok_or(End::NotLoggedIn)
}

pub(super) fn run(
    _front: Arc<Front>,
    _peer: Peer,
    _incoming: Streaming<wire::LoginRequest>,
) -> Frames<wire::LoginResponse> {
    Box::pin(tokio_stream::empty())
}
