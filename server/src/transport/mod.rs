//! The gRPC front: the only room that names tonic.
//!
//! Every core has a current-thread runtime of its own; connections are dealt out over them and stay where they are, so
//! nothing on the way of a call moves between threads.

mod address;
mod connection;
mod death;
mod lane;
mod login;
mod serve;
mod status;
mod unary;
mod unix;
mod vigil;
mod visitor;

pub use address::{Listen, Listening};
pub use serve::{Config, Server, StartError};

use crate::auth::{Logins, Tokens};
use crate::engine::Engine;
use commonhold_proto::wire::{self, commonhold_server::Commonhold};
use connection::Peer;
use status::End;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};

/// The product, as the first frames name it.
pub(crate) const PRODUCT: &str = concat!("commonhold ", env!("CARGO_PKG_VERSION"));

/// What every connection shares.
pub(crate) struct Front {
    pub(crate) engine: Arc<Engine>,
    pub(crate) logins: Logins,
    pub(crate) tokens: Tokens,
    /// Numbers the login streams.
    login_count: AtomicU64,
    /// Set when the server ends: what is under way is finished, nothing new is begun.
    draining: AtomicBool,
    /// Tells when a client's process dies.
    deaths: Arc<death::Deaths>,
    /// Connections that have not logged in.
    porch: Arc<visitor::Porch>,
    /// Lanes and single calls that are not finished.
    under_way: AtomicUsize,
    /// Identifies this run of the server.
    boot: u64,
    /// Bytes of calls that are still arriving in parts, over all lanes.
    staged: AtomicUsize,
}

impl Front {
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    fn next_login(&self) -> u64 {
        self.login_count.fetch_add(1, Ordering::Relaxed)
    }
}

/// Something that an ending server waits for, until this is dropped.
pub(crate) struct UnderWay(Arc<Front>);

impl UnderWay {
    pub(crate) fn begin(front: &Arc<Front>) -> UnderWay {
        front.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(front))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The service, as each core serves it.
#[derive(Clone)]
struct Service(Arc<Front>);

type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Who sent a request. Every connection has a peer: [`connection::Socket`] is the only one that is served.
fn peer<T>(request: &Request<T>) -> Result<Peer, End> {
    request
        .extensions()
        .get::<Peer>()
        .cloned()
        .ok_or(End::NoPeer)
}

#[tonic::async_trait]
impl Commonhold for Service {
    type LoginStream = Frames<wire::LoginResponse>;
    type SessionStream = lane::LaneStream;

    async fn login(
        &self,
        request: Request<Streaming<wire::LoginRequest>>,
    ) -> Result<Response<Self::LoginStream>, Status> {
        let peer = peer(&request)?;
        Ok(Response::new(login::run(
            Arc::clone(&self.0),
            &peer,
            request.into_inner(),
        )))
    }

    async fn call(
        &self,
        request: Request<wire::CallRequest>,
    ) -> Result<Response<wire::Reply>, Status> {
        login::authorize(&self.0, &request)?;
        unary::call(&self.0, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn session(
        &self,
        request: Request<Streaming<wire::ClientFrame>>,
    ) -> Result<Response<Self::SessionStream>, Status> {
        let token = login::authorize(&self.0, &request)?;
        let peer = peer(&request)?;
        lane::open(&self.0, peer, token, request.into_inner())
            .await
            .map(Response::new)
    }

    async fn describe(
        &self,
        request: Request<wire::DescribeRequest>,
    ) -> Result<Response<wire::DescribeResponse>, Status> {
        login::authorize(&self.0, &request)?;
        Ok(Response::new(unary::describe(&request.into_inner().kind)))
    }
}

/// What this server says of itself in first frames.
fn version() -> wire::Version {
    wire::Version {
        protocol_major: commonhold_proto::PROTOCOL_MAJOR,
        protocol_minor: commonhold_proto::PROTOCOL_MINOR,
        product: PRODUCT.into(),
        features: Vec::new(),
    }
}
