//! The driver of a lane: connects, carries frames, connects again. One future, whoever polls it: a task of tokio's, or
//! the thread that calls.

use crate::channel::ChannelError;
use crate::error::{Error, Happened};
use crate::establish::{Established, Failure, establish};
use crate::lane::{FrameWriter, Violation};
use crate::net::{Net, within};
use crate::options::{Liveness, StandIn};
use crate::session::{Seat, Session};
use crate::shared::{Next, SharedLane, Standing};
use commonhold_proto::{Fence, wire};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// Replies are acknowledged at the latest after this.
const ACKNOWLEDGE_AFTER: Duration = Duration::from_millis(100);
/// The first and the longest pause between two tries to connect.
const PAUSES: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(500));
/// The longest that one try to connect may take, login included.
const TRY_FOR: Duration = Duration::from_secs(10);
/// Connections in a row that end because one side cannot read what the other says. The next one would end so as well:
/// what is sent again are the same bytes.
const MISREAD_TRIES: u32 = 3;
/// The longest that a goodbye may take.
const GOODBYE_FOR: Duration = Duration::from_secs(1);

/// Drives a lane until its client is closed.
pub(crate) async fn drive<N: Net>(lane: Arc<SharedLane>, session: Arc<Session>, net: N) {
    let ended = End { lane: &lane };
    let mut seat = None;
    let mut patience = session.connect_for;
    let mut breather = Duration::ZERO;
    let mut misread = 0;
    loop {
        let connecting = connect(&net, &session, &lane, &mut seat, patience);
        match unless_closing(&lane, connecting).await {
            None => break,
            Some(Ok(established)) => {
                lane.connected(&established.welcome);
                let (broken, answered) = carry(&net, &session, &lane, established).await;
                lane.disconnected();
                if lane.is_closing() {
                    break;
                }
                tracing::debug!(place = %session.place, reason = %broken, "a connection broke");
                patience = session.reconnect_for;
                misread = if broken.is_misread() { misread + 1 } else { 0 };
                if misread == MISREAD_TRIES {
                    let unknown = session.lost(broken.to_string(), Happened::Unknown);
                    lane.fail(&session.incompatible(broken.to_string()), &unknown);
                    misread = 0;
                }
                // A server that ends every lane at once is not asked as fast as it can say so.
                breather = if answered {
                    Duration::ZERO
                } else {
                    (breather * 2).clamp(PAUSES.0, PAUSES.1)
                };
                if unless_closing(&lane, net.sleep(breather)).await.is_none() {
                    break;
                }
            }
            Some(Err(error)) => {
                let unknown = session.lost(error.to_string(), Happened::Unknown);
                lane.fail(&error, &unknown);
                poll_fn(|cx| lane.poll_wanted(cx)).await;
                if lane.is_closing() {
                    break;
                }
                patience = session.connect_for;
            }
        }
    }
    drop(ended);
}

/// Says that the driver has ended, even if its task was dropped.
struct End<'a> {
    lane: &'a SharedLane,
}

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.lane.closed();
    }
}

async fn unless_closing<T>(lane: &SharedLane, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    poll_fn(|cx| match lane.poll_closing(cx) {
        Poll::Ready(()) => Poll::Ready(None),
        Poll::Pending => future.as_mut().poll(cx).map(Some),
    })
    .await
}

/// Tries to connect until it works, cannot work, or `patience` is over.
async fn connect<N: Net>(
    net: &N,
    session: &Session,
    lane: &SharedLane,
    seat: &mut Option<Seat>,
    patience: Duration,
) -> Result<Established<N::Stream>, Error> {
    let give_up = Instant::now() + patience;
    let mut pause = PAUSES.0;
    loop {
        let error = match within(net, TRY_FOR, establish(net, session, lane, seat)).await {
            Some(Ok(established)) => return Ok(established),
            Some(Err(Failure::Final(error))) => return Err(error),
            Some(Err(Failure::Again(error))) => error,
            None => session.unreachable(std::io::ErrorKind::TimedOut.into()),
        };
        let stand_in = session.absence.as_ref().map(|hook| hook());
        let error = match stand_in.transpose().map_err(Error::Configuration)? {
            Some(StandIn::Serves) => continue,
            Some(StandIn::Waits(Some(why))) => error.because(&why),
            Some(StandIn::Waits(None)) | None => error,
        };
        if Instant::now() + pause >= give_up {
            return Err(error);
        }
        // A call that waits for less than this patience ends before it. Even one that does not wait at all has the time
        // in which a server starts again.
        let unknown = session.lost(error.to_string(), Happened::Unknown);
        let due = lane.expire(session.connect_for, &error, &unknown);
        let due = due.map_or(pause, |due| due.saturating_duration_since(Instant::now()));
        net.sleep(pause.min(due)).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

/// Carries frames until the connection breaks, or the goodbye is answered. Tells why, and whether the server said
/// anything.
async fn carry<N: Net>(
    net: &N,
    session: &Session,
    lane: &SharedLane,
    established: Established<N::Stream>,
) -> (Broken, bool) {
    let beat = match session.liveness {
        Liveness::Heartbeat => Some(Duration::from_millis(
            established.welcome.grace_ms.max(100) / 4,
        )),
        Liveness::Connection => None,
    };
    let grace = Duration::from_millis(established.welcome.grace_ms);
    let mut carrier = Carrier {
        net,
        session,
        lane,
        grace,
        beat,
        beating: beat.map(|beat| net.sleep(beat)),
        beats: 0,
        unanswered: VecDeque::new(),
        acknowledging: None,
        leaving: None,
        answered: false,
        connection: established,
    };
    let broken = match poll_fn(|cx| carrier.poll(cx)).await {
        Ok(()) => Broken::Closed,
        Err(broken) => broken,
    };
    (broken, carrier.answered)
}

/// Why no more frames are carried.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("{0}")]
    Channel(#[from] ChannelError),
    #[error("{0}")]
    Violation(#[from] Violation),
    #[error("closed")]
    Closed,
}

impl Broken {
    /// Could one side not read what the other said?
    fn is_misread(&self) -> bool {
        match self {
            Broken::Violation(_) => true,
            Broken::Channel(error) => error.is_misread(),
            Broken::Closed => false,
        }
    }
}

/// What became of a turn to speak.
struct Said {
    something: bool,
    standing: Standing,
}

struct Carrier<'a, N: Net> {
    net: &'a N,
    session: &'a Session,
    lane: &'a SharedLane,
    grace: Duration,
    connection: Established<N::Stream>,
    /// How often a heartbeat session gives a sign of life.
    beat: Option<Duration>,
    beating: Option<N::Sleep>,
    /// How many it gave.
    beats: u64,
    /// Those that were not answered, and when they were sent.
    unanswered: VecDeque<(u64, Instant)>,
    /// Runs while there are acknowledgements that no frame has carried.
    acknowledging: Option<N::Sleep>,
    /// Runs while a goodbye is under way.
    leaving: Option<N::Sleep>,
    /// The server has sent a frame.
    answered: bool,
}

impl<N: Net> Carrier<'_, N> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Broken>> {
        loop {
            // Reads what has come and writes what was given; if it has ended, the frames that came before still count.
            let ended = self.connection.wire.poll_io(cx);
            while let Poll::Ready(frame) = self
                .connection
                .channel
                .poll_receive::<wire::ServerFrame>(cx)?
            {
                match frame {
                    Some(frame) => {
                        self.answered = true;
                        self.hear(&frame);
                        self.lane.on_frame(frame)?;
                    }
                    None => return Poll::Ready(Ok(())),
                }
            }
            if let Poll::Ready(error) = ended {
                return Poll::Ready(Err(error.into()));
            }
            let said = self.poll_send(cx)?;
            if !said.something {
                return self.poll_timers(said.standing, cx).map(Ok);
            }
        }
    }

    /// Gives the connection the frames that there are. If there were any, they are yet to be written.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Result<Said, Broken> {
        let channel = &mut self.connection.channel;
        let mut something = false;
        while channel.poll_sent(cx)?.is_ready() {
            match self.lane.next(cx) {
                Next::Frame(frame) => channel.send(frame),
                Next::Nothing(standing) => {
                    return Ok(Said {
                        something,
                        standing,
                    });
                }
            }
            something = true;
        }
        Ok(Said {
            something,
            standing: self.lane.standing(),
        })
    }

    /// Takes what a frame says of the session as a whole.
    fn hear(&mut self, frame: &wire::ServerFrame) {
        for lost in &frame.lost {
            self.session.grants.lose(Fence::from_wire(*lost));
        }
        // The server answers the newest that it has: those before it were heard as well.
        while let Some((beat, sent)) = self.unanswered.front().copied()
            && beat <= frame.beat
        {
            self.unanswered.pop_front();
            self.session.grants.trust(sent, self.grace);
        }
    }

    /// Ready when everything is said, or when a goodbye takes too long.
    fn poll_timers(&mut self, standing: Standing, cx: &mut Context<'_>) -> Poll<()> {
        match standing {
            Standing::Finished => return Poll::Ready(()),
            Standing::Leaving => {
                let leaving = self
                    .leaving
                    .get_or_insert_with(|| self.net.sleep(GOODBYE_FOR));
                return Pin::new(leaving).poll(cx);
            }
            Standing::Owing if self.acknowledging.is_none() => {
                self.acknowledging = Some(self.net.sleep(ACKNOWLEDGE_AFTER));
            }
            Standing::Owing | Standing::Even => {}
        }
        if let Some(sleep) = &mut self.acknowledging
            && Pin::new(sleep).poll(cx).is_ready()
        {
            self.acknowledging = None;
            self.lane.acknowledge_now();
        }
        self.poll_beat(cx);
        Poll::Pending
    }

    fn poll_beat(&mut self, cx: &mut Context<'_>) {
        let (Some(beat), Some(sleep)) = (self.beat, &mut self.beating) else {
            return;
        };
        if Pin::new(&mut *sleep).poll(cx).is_pending() {
            return;
        }
        *sleep = self.net.sleep(beat);
        let channel = &mut self.connection.channel;
        if matches!(channel.poll_sent(cx), Poll::Ready(Ok(()))) {
            self.beats += 1;
            let mut frame = FrameWriter::new(16);
            frame.beat(self.beats);
            channel.send(frame.finish());
            self.unanswered.push_back((self.beats, Instant::now()));
        }
        // The new pause has to be polled once to count.
        cx.waker().wake_by_ref();
    }
}
