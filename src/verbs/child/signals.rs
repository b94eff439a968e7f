//! The signals that this process gets while a command runs.

use crate::failure::Failure;
use rustix::process::Signal;
use std::future::poll_fn;
use std::task::Poll;
use tokio::signal::unix::{self, SignalKind};

/// What is listened for: all that a terminal or a person sends, and the news of a command that stopped. That it goes on
/// comes before that it had stopped.
const HEARD: [Signal; 10] = [
    Signal::HUP,
    Signal::INT,
    Signal::QUIT,
    Signal::TERM,
    Signal::USR1,
    Signal::USR2,
    Signal::WINCH,
    Signal::TSTP,
    Signal::CONT,
    Signal::CHILD,
];

/// Signals as they come; none that comes after this was made is missed, but several of one kind may be one.
pub(super) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(super) fn listen() -> Result<Signals, Failure> {
        let listen = |signal: Signal| {
            let heard = unix::signal(SignalKind::from_raw(signal.as_raw()));
            let heard = heard.map_err(|error| Failure::system("cannot listen for signals", &error));
            Ok((signal, heard?))
        };
        let heard: Result<_, Failure> = HEARD.into_iter().map(listen).collect();
        Ok(Signals(heard?))
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (signal, heard) in &mut self.0 {
                if heard.poll_recv(context).is_ready() {
                    return Poll::Ready(*signal);
                }
            }
            Poll::Pending
        })
        .await
    }
}
