//! Clients, crashes, checkpoints and clocks from a seed. Every call is sent again until it is answered; at the end the
//! answers must add up. What the clients call is in [`programs`](super::programs). `COMMONHOLD_SEEDS` asks for more seeds than a test run has time for.

use super::super::faults::{Fault, Faults};
use super::super::{Engine, Limits};
use super::actor::Actor;
use super::harness::{Chance, Moment, World, named, plain, rows, snapshot};
use super::programs::{LOCKS, PARTIES, Plan};
use super::tally::Tally;
use crate::store;
use commonhold_proto::{Row, RowKey};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// How long a story is.
const STEPS: usize = 250;

/// One story, from a seed.
pub(super) struct Story {
    pub(super) world: World,
    pub(super) chance: Chance,
    pub(super) actors: Vec<Actor>,
    pub(super) tally: Tally,
}

/// Tells one story. The error is what was wrong about it.
pub(super) fn tell(seed: u64, fault: Option<Fault>) -> Result<(), String> {
    let told = catch_unwind(AssertUnwindSafe(|| {
        let mut story = Story::begin(seed, fault);
        for _ in 0..STEPS {
            story.step()?;
            story.leases()?;
            Tally::check_waits(&story.world)?;
        }
        story.end()
    }));
    told.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.unwrap_or_else(|| "a panic".to_owned()))
    })
}

impl Story {
    fn begin(seed: u64, fault: Option<Fault>) -> Story {
        let faults = fault.map_or_else(Faults::default, Faults::plant);
        let mut world = World::with(Limits::default(), faults);
        let mut actors: Vec<Actor> = (0..5).map(|_| Actor::new(world.peer("actor"))).collect();
        for at in 0..2 {
            let lane = actors[at].peer.another_lane(&world, 1);
            actors.push(Actor::new(lane));
        }
        for (at, actor) in actors.iter_mut().enumerate() {
            actor.peer.thread(at as u64);
        }
        world.settle();
        Story {
            world,
            chance: Chance(seed),
            actors,
            tally: Tally::default(),
        }
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.chance.below(self.actors.len());
        self.actors[at].notice(&self.world);
        match self.chance.below(40) {
            0..=17 => self.call(at),
            18..=23 => self.receive(at)?,
            24 | 25 => self.actors[at].peer.disconnect(&self.world),
            26..=29 => self.connect(at),
            30..=33 => {
                self.world.step();
            }
            34 => self.world.committer.begin_checkpoint(),
            35 => self.crash()?,
            36 => self.pass_time(),
            37 => self.call_while_appending(at),
            38 => self.cancel(at),
            _ => self.die(at),
        }
        Ok(())
    }

    fn connect(&mut self, at: usize) {
        if self.actors[at].connect(&self.world) {
            let session = self.actors[at].peer.session;
            let lanes = self.actors.iter_mut();
            lanes
                .filter(|actor| actor.peer.session == session)
                .for_each(Actor::lose);
        }
    }

    /// A call of any kind, if the actor can send one.
    fn call(&mut self, at: usize) {
        if !self.actors[at].can_call(&self.world) {
            return self.connect(at);
        }
        let plan = self.any_call(at);
        let timeout = (plan.what.waits() && self.chance.once_in(2))
            .then(|| Duration::from_millis(self.chance.next() % 3_000));
        let sequence = self.note(at, plan, timeout);
        self.actors[at].peer.send_again(&self.world, sequence);
    }

    /// The number of a call that its actor is about to send.
    fn note(&mut self, at: usize, plan: Plan, timeout: Option<Duration>) -> u64 {
        let actor = &mut self.actors[at];
        actor.peer.fence(plan.fence);
        let sequence = actor
            .peer
            .note(&self.world, &plan.target, plan.call, timeout);
        actor.peer.fence(None);
        actor.calls.insert(sequence, plan.what);
        sequence
    }

    fn receive(&mut self, at: usize) -> Result<(), String> {
        let actor = &mut self.actors[at];
        actor.peer.receive(&self.world);
        actor.learn(&mut self.tally)?;
        if self.chance.once_in(2) {
            actor.peer.acknowledge(&self.world);
        }
        Ok(())
    }

    /// The server dies, now or in the middle of a write. What it acknowledged is still there when it is back.
    fn crash(&mut self) -> Result<(), String> {
        *self.world.hook.lock() = None;
        if self.chance.once_in(2) {
            let kept = self.chance.below(4);
            self.world
                .disk
                .fail_next_write(store::Fault::Crash { kept });
            for _ in 0..self.chance.below(8) {
                if self.world.committer.step().is_err() {
                    break;
                }
            }
            // If nothing was written, the next server dies while it starts.
        }
        self.world.disk.crash();
        self.world.start_again();
        self.tally.check_kept(&self.world)
    }

    fn pass_time(&mut self) {
        let by = Duration::from_millis(self.chance.next() % 4_000);
        if self.chance.once_in(4) {
            self.world.stall(by);
        } else {
            self.world.advance(by);
        }
    }

    /// A call that comes in while the committer is in the middle of its work.
    fn call_while_appending(&mut self, at: usize) {
        if !self.actors[at].can_call(&self.world) {
            return;
        }
        let plan = self.any_call(at);
        let sequence = self.note(at, plan, None);
        let actor = &mut self.actors[at];
        let (lane, incarnation) = (Arc::clone(actor.peer.lane()), actor.peer.incarnation());
        let mut frame = Some((
            actor.peer.origin(),
            actor.peer.received(&self.world, sequence),
        ));
        let engine = Arc::clone(&self.world.engine);
        let moments = [
            Moment::BeforeAppend,
            Moment::AfterAppend,
            Moment::BeforePage,
            Moment::AfterPublish,
        ];
        let chosen = moments[self.chance.below(moments.len())];
        *self.world.hook.lock() = Some(Box::new(move |moment| {
            if moment == chosen
                && let Some(_executing) = lane.decoder(incarnation)
                && let Some((origin, received)) = frame.take()
            {
                engine.submit(&origin, received);
            }
        }));
    }

    fn cancel(&mut self, at: usize) {
        let actor = &self.actors[at];
        if actor.peer.is_connected(&self.world)
            && let Some(&sequence) = actor.peer.unanswered.keys().next()
        {
            actor.peer.cancel(&self.world, sequence);
        }
    }

    /// The client's process is declared dead. One of its frames was decoded before and is executed after.
    fn die(&mut self, at: usize) {
        if !self.actors[at].can_call(&self.world) || !self.chance.once_in(3) {
            return;
        }
        let plan = self.any_call(at);
        let sequence = self.note(at, plan, None);
        let actor = &mut self.actors[at];
        let frame = (
            actor.peer.origin(),
            actor.peer.received(&self.world, sequence),
        );
        let session = self.world.engine.session(actor.peer.session);
        self.world.engine.died(&session.expect("it is known"));
        self.world.engine.submit(&frame.0, frame.1);
    }

    /// No row is lent to a lease that has ended, and who believes that it has the lock has it.
    fn leases(&self) -> Result<(), String> {
        for (at, actor) in self.actors.iter().enumerate() {
            let here = actor.peer.is_connected(&self.world) && !actor.peer.is_fenced();
            if here && let Some((lock, _)) = actor.holds {
                let cell = self.world.cell(LOCKS[lock].1);
                let holders = cell.state.lock().object.holders(1);
                let holder = holders
                    .first()
                    .map(|holder| (holder.session, holder.owner.0));
                if holder != Some((Some(actor.peer.session), at as u64)) {
                    return Err(format!(
                        "{at} believes in its {}, but {holder:?} has it",
                        LOCKS[lock].1
                    ));
                }
            }
        }
        for cell in self.world.engine.registry.all() {
            for row in rows(&cell) {
                let Row::Put {
                    key,
                    lent: Some(session),
                    ..
                } = row
                else {
                    continue;
                };
                let lease = self.world.engine.session(session).map(|s| s.lease());
                let state = cell.state.lock();
                if !lease.is_some_and(|lease| !lease.has_ended() && state.is_lent(&key, &lease)) {
                    return Err(format!("{key:?} is lent to nobody: {session}"));
                }
            }
        }
        Ok(())
    }

    /// Everybody comes back and is answered; then the books are compared.
    fn end(mut self) -> Result<(), String> {
        *self.world.hook.lock() = None;
        for round in 0.. {
            if round == 50 {
                let left = self.actors.iter().map(|actor| &actor.calls);
                return Err(format!("never answered: {:?}", left.collect::<Vec<_>>()));
            }
            for at in 0..self.actors.len() {
                let actor = &mut self.actors[at];
                // Everything is sent again, also what was on its way when its frame was lost.
                actor.peer.disconnect(&self.world);
                self.connect(at);
                let actor = &mut self.actors[at];
                self.world.settle();
                if actor.peer.receive(&self.world) {
                    return Err("a reply is held although everything is durable".to_owned());
                }
                actor.learn(&mut self.tally)?;
                actor.peer.acknowledge(&self.world);
            }
            awake(&self.world.engine)?;
            if self
                .actors
                .iter()
                .all(|actor| actor.peer.unanswered.is_empty())
            {
                break;
            }
            for actor in &mut self.actors {
                for &sequence in actor.peer.unanswered.keys() {
                    actor.peer.cancel(&self.world, sequence);
                }
                // Whoever took its lock back after a condition lets the others take theirs.
                if !actor.is_locking() {
                    actor.holds = None;
                    for (kind, name) in LOCKS {
                        let lock = named(kind, name);
                        actor.peer.call(&self.world, &lock, plain("release"));
                    }
                }
            }
            self.world.settle();
            for actor in &mut self.actors {
                actor.peer.receive(&self.world);
                actor.learn(&mut self.tally)?;
                actor.peer.acknowledge(&self.world);
            }
        }
        self.leases()?;
        self.tally.check(&self.world, PARTIES)?;
        for actor in &self.actors {
            let outcomes = actor.peer.lane().outcomes();
            if !outcomes.is_empty() {
                return Err(format!("outcomes are kept for nobody: {outcomes:?}"));
            }
        }
        let live = snapshot(&self.world.engine);
        let recovered = self.world.recovered();
        if live != recovered {
            return Err(format!("live {live:?}\nrecovered {recovered:?}"));
        }
        Ok(())
    }
}

/// Nobody waits for what is there.
fn awake(engine: &Engine) -> Result<(), String> {
    for cell in engine.registry.all() {
        let mut state = cell.state.lock();
        for parked in state.waiting.first() {
            let decision = engine.decide(&cell, &mut state, &parked.caller, &parked.resume, false);
            let waits = decision
                .as_ref()
                .is_ok_and(|decision| matches!(decision.next, crate::objects::Next::Wait { .. }));
            if !waits {
                return Err(format!(
                    "{} could go on: {decision:?}",
                    parked.resume.method()
                ));
            }
        }
    }
    Ok(())
}

pub(super) fn seeds(default: u64) -> std::ops::Range<u64> {
    let asked = std::env::var("COMMONHOLD_SEEDS").ok();
    0..asked.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Three hundred stories, and all of them add up.
#[test]
fn every_story_adds_up() {
    for seed in seeds(300) {
        if let Err(wrong) = tell(seed, None) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

/// A fault that makes some story go wrong is noticed.
#[test]
fn planted_faults_are_noticed() {
    for fault in [
        Fault::AcknowledgeBeforeDurable,
        Fault::ForgetOutcome,
        Fault::RunWaitingFromStart,
        Fault::IgnoreEndedLease,
        Fault::RememberUndone,
        Fault::IgnoreFence,
        Fault::ForgetMade,
        Fault::KeepWaits,
    ] {
        let noticed = (0..100).any(|seed| tell(seed, Some(fault)).is_err());
        assert!(noticed, "{fault:?} goes unnoticed");
    }
}

/// The key of a counter's only row.
pub(super) const ONLY: RowKey = RowKey::EMPTY;
