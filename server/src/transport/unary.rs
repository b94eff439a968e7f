//! Single calls, for any gRPC client: at most once a try. And what there is to call.

use super::status::End;
use super::{Front, UnderWay, version};
use crate::engine::{Engine, Origin, Unary, described};
use crate::objects::{Access, Kind, Method, Parameter};
use commonhold_proto::{Call, wire};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tonic::Status;

/// How long a single call waits if it does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Executes one call and waits until its reply may leave.
///
/// # Cancel safety
/// A call that waits is cancelled when the future is dropped; one that was executed stays executed.
pub(super) async fn call(
    front: &Arc<Front>,
    request: wire::CallRequest,
) -> Result<wire::Reply, Status> {
    if front.is_draining() {
        return Err(End::Draining.into());
    }
    let _under_way = UnderWay::begin(front);
    if front.engine.is_congested() {
        return Err(End::TooMuch("too much waits for the disk: try again").into());
    }
    let call = request
        .call
        .ok_or(End::Malformed("the request carries no call"))?;
    let sequence = call.sequence;
    let mut received = match Call::from_wire(call) {
        Ok(received) => received,
        Err(refusal) => return Ok(Engine::refused(refusal).into_wire(sequence)),
    };
    received.timeout = Some(received.timeout.unwrap_or(TIMEOUT));
    let unary = Arc::new(Unary::default());
    let waiting = CancelOnDrop {
        front: Arc::clone(front),
        unary: Arc::clone(&unary),
    };
    front.engine.submit(&Origin::Unary(unary), received);
    let (reply, gate) = poll_fn(|cx| match waiting.unary.poll(cx.waker()) {
        Some(answer) => Poll::Ready(answer),
        None => Poll::Pending,
    })
    .await;
    if !front.engine.gate.wait_for(gate).await {
        return Err(End::Failed.into());
    }
    Ok(reply.into_wire(sequence))
}

/// The caller may go away while its call waits.
struct CancelOnDrop {
    front: Arc<Front>,
    unary: Arc<Unary>,
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(parked) = self.unary.parked() {
            self.front.engine.end_wait(&parked, true);
        }
    }
}

/// Describes one kind, or all.
pub(super) fn describe(kind: &str) -> wire::DescribeResponse {
    let kinds = described().filter(|known| kind.is_empty() || known.name == kind);
    wire::DescribeResponse {
        version: Some(version()),
        kinds: kinds.map(kind_to_wire).collect(),
    }
}

fn kind_to_wire(kind: &'static Kind) -> wire::Kind {
    wire::Kind {
        name: kind.name.into(),
        doc: kind.doc.into(),
        options: kind.options.iter().map(parameter_to_wire).collect(),
        methods: kind
            .methods
            .iter()
            .filter(|method| !method.internal)
            .map(method_to_wire)
            .collect(),
    }
}

fn method_to_wire(method: &Method) -> wire::Method {
    wire::Method {
        name: method.name.into(),
        doc: method.doc.into(),
        parameters: method.parameters.iter().map(parameter_to_wire).collect(),
        writes: method.access == Access::Write,
        waits: method.waits,
        shrinking: method.shrinking,
    }
}

fn parameter_to_wire(parameter: &Parameter) -> wire::Parameter {
    wire::Parameter {
        name: parameter.name.into(),
        doc: parameter.doc.into(),
        required: parameter.required,
    }
}
