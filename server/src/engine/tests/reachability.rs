//! Random makings, moves, drops, broken connections, ends of sessions, crashes and tracings against a plain model: what
//! can be reached is there, and after a look for cycles nothing else is. `COMMONHOLD_SEEDS` asks for more stories.

use super::super::Limits;
use super::super::faults::{Fault, Faults};
use super::harness::{Chance, World, kept, plain};
use super::identity::{delete, server};
use super::peer::Peer;
use super::pointers::{check_counts, create, exists, get, pointed, set};
use super::simulation::seeds;
use commonhold_proto::{Call, Code, Durability, Oid, Refusal, Target, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const STEPS: usize = 120;
const PEERS: usize = 3;
/// The named containers, one of each durability that matters.
const ROOTS: [Durability; 2] = [Durability::Durable, Durability::Memory];

/// A container: one of the roots, or an anonymous object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Place {
    Root(usize),
    Object(Oid),
}

/// What there should be.
#[derive(Default)]
struct Model {
    durable: BTreeMap<Oid, bool>,
    rows: BTreeMap<(Place, u8), Oid>,
    held: [BTreeSet<Oid>; PEERS],
}

impl Model {
    fn lasts(&self, place: Place) -> bool {
        match place {
            Place::Root(at) => ROOTS[at] == Durability::Durable,
            Place::Object(oid) => self.durable[&oid],
        }
    }

    fn reachable(&self) -> BTreeSet<Oid> {
        let mut found: BTreeSet<Oid> = self.held.iter().flatten().copied().collect();
        let of = |place: Place| {
            let rows = self.rows.range((place, 0)..=(place, u8::MAX));
            rows.map(|(_, oid)| *oid).collect::<Vec<_>>()
        };
        found.extend((0..ROOTS.len()).flat_map(|at| of(Place::Root(at))));
        let mut work: Vec<Oid> = found.iter().copied().collect();
        while let Some(oid) = work.pop() {
            work.extend(
                of(Place::Object(oid))
                    .into_iter()
                    .filter(|to| found.insert(*to)),
            );
        }
        found
    }

    /// What cannot be reached is of no interest any more.
    fn forget(&mut self) {
        let reachable = self.reachable();
        self.rows.retain(|(place, _), _| match place {
            Place::Root(_) => true,
            Place::Object(oid) => reachable.contains(oid),
        });
    }

    /// The server died.
    fn crash(&mut self) {
        let durable = self.durable.clone();
        let stays = |oid: &Oid| durable[oid];
        self.held.iter_mut().for_each(|held| held.retain(stays));
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|(place, _), _| self.lasts(*place));
        self.rows = rows;
    }
}

struct Story {
    world: World,
    chance: Chance,
    peers: Vec<Peer>,
    model: Model,
}

impl Story {
    fn tell(seed: u64, faults: Faults) -> Result<(), String> {
        let mut world = World::with(Limits::default(), faults);
        let peers = (0..PEERS).map(|_| world.peer("walker")).collect();
        world.settle();
        let mut story = Story {
            world,
            chance: Chance(seed),
            peers,
            model: Model::default(),
        };
        for step in 0..STEPS {
            story
                .step()
                .map_err(|wrong| format!("step {step}: {wrong}"))?;
            story.model.forget();
            for oid in story.model.reachable() {
                if !exists(&story.world, oid) {
                    return Err(format!("step {step}: {oid} can be reached and is gone"));
                }
            }
            check_counts(&story.world.engine).map_err(|wrong| format!("step {step}: {wrong}"))?;
        }
        story.collect()
    }

    fn step(&mut self) -> Result<(), String> {
        let at = self.chance.below(PEERS);
        let number = u8::try_from(self.chance.below(3)).expect("few");
        let key = number.to_string();
        match self.chance.below(24) {
            0..=4 => {
                let durable = self.chance.once_in(2);
                let durability = if durable { "durable" } else { "memory" };
                let made = self.ask(at, &server(), create("dict", durability), durable);
                let oid = pointed(&made.map_err(|refusal| refusal.message)?);
                self.model.durable.insert(oid, durable);
                self.model.held[at].insert(oid);
            }
            5..=11 => self.store(at, number, &key)?,
            12 | 13 => {
                let place = self.place(at);
                let result = self.call(at, place, get(&key));
                self.learn(at, place, number, result)?;
            }
            14 | 15 => {
                let place = self.place(at);
                let result = self.call(at, place, Call::new("pop", [key.into()]));
                self.learn(at, place, number, result)?;
                self.model.rows.remove(&(place, number));
            }
            16..=18 => self.drop_one(at)?,
            19 => self.collect()?,
            20 => {
                if self.chance.once_in(2) {
                    self.world.engine.begin_tracing();
                }
                for _ in 0..self.chance.below(4) {
                    self.world.engine.trace_page();
                }
            }
            21 => self.end_session(at),
            22 => {
                if self.chance.once_in(2) {
                    self.world.checkpoint();
                }
                self.crash();
            }
            _ => {
                let root = self.chance.below(ROOTS.len());
                let call = delete(ROOTS[root].name());
                match self.ask(at, &server(), call, true) {
                    Err(refusal) if refusal.code != Code::NotFound => return Err(refusal.message),
                    _ => self
                        .model
                        .rows
                        .retain(|(place, _), _| *place != Place::Root(root)),
                }
            }
        }
        Ok(())
    }

    /// Somewhere that a client can write.
    fn place(&mut self, at: usize) -> Place {
        match self.held(at) {
            Some(oid) if !self.chance.once_in(3) => Place::Object(oid),
            _ => Place::Root(self.chance.below(ROOTS.len())),
        }
    }

    fn held(&mut self, at: usize) -> Option<Oid> {
        let held = &self.model.held[at];
        let nth = self.chance.below(held.len().max(1));
        held.iter().nth(nth).copied()
    }

    fn call(&mut self, at: usize, place: Place, call: Call) -> Result<Value, Refusal> {
        let target = match place {
            Place::Root(root) => kept("dict", ROOTS[root].name(), ROOTS[root]),
            Place::Object(oid) => Target::Oid(oid),
        };
        self.ask(at, &target, call, self.model.lasts(place))
    }

    /// Asks, while connections break and, if `crashes`, servers die.
    fn ask(
        &mut self,
        at: usize,
        target: &Target,
        call: Call,
        crashes: bool,
    ) -> Result<Value, Refusal> {
        let sequence = self.peers[at].call(&self.world, target, call);
        match self.chance.below(12) {
            0 if crashes => {
                self.world.step();
                self.crash();
            }
            1 if crashes => self.crash(),
            2 | 3 => {
                self.world.settle();
                self.peers[at].disconnect(&self.world);
                self.peers[at].connect(&self.world);
            }
            _ => {}
        }
        self.world.settle();
        self.peers[at].receive(&self.world);
        let result = self.peers[at].result(sequence);
        if self.chance.once_in(2) {
            self.peers[at].acknowledge(&self.world);
        }
        result
    }

    fn store(&mut self, at: usize, number: u8, key: &str) -> Result<(), String> {
        let Some(oid) = self.held(at) else {
            return Ok(());
        };
        let place = self.place(at);
        let fits = self.model.durable[&oid] || !self.model.lasts(place);
        match self.call(at, place, set(key, oid)) {
            // It was gone before it could be stored, with the server that had it.
            Err(refusal)
                if refusal.code == Code::ObjectGone && !self.model.held[at].contains(&oid) => {}
            Ok(_) if fits => {
                self.model.rows.insert((place, number), oid);
            }
            Err(refusal) if refusal.code == Code::MixedDurability && !fits => {}
            other => return Err(format!("storing {oid} in {place:?}: {other:?}")),
        }
        Ok(())
    }

    fn learn(
        &mut self,
        at: usize,
        place: Place,
        number: u8,
        result: Result<Value, Refusal>,
    ) -> Result<(), String> {
        match (self.model.rows.get(&(place, number)), result) {
            (Some(oid), Ok(value)) if pointed(&value) == *oid => {
                self.model.held[at].insert(*oid);
                Ok(())
            }
            (None, Err(refusal)) if refusal.code == Code::NotFound => Ok(()),
            (expected, result) => Err(format!("{expected:?} should be there, not {result:?}")),
        }
    }

    fn drop_one(&mut self, at: usize) -> Result<(), String> {
        let Some(oid) = self.held(at) else {
            return Ok(());
        };
        self.peers[at].acknowledge(&self.world);
        let durable = self.model.durable[&oid];
        let call = Call::new("drop", [Value::List(vec![oid.0.into()])]);
        let dropped = self.ask(at, &server(), call, durable);
        self.model.held[at].remove(&oid);
        match dropped {
            Ok(Value::Int(1)) => Ok(()),
            other => Err(format!("dropping {oid}: {other:?}")),
        }
    }

    fn end_session(&mut self, at: usize) {
        let session = self.world.engine.session(self.peers[at].session);
        self.world.engine.goodbye(&session.expect("it is known"));
        self.model.held[at].clear();
        self.peers[at] = self.world.peer("walker");
        self.world.settle();
    }

    fn crash(&mut self) {
        self.world.crash();
        self.model.crash();
        for peer in &mut self.peers {
            peer.connect(&self.world);
        }
        self.world.settle();
    }

    /// Looks for cycles. Then there is what can be reached, and nothing else.
    fn collect(&mut self) -> Result<(), String> {
        // Pins of the last restart end, and no reply is on its way.
        self.world.advance(Duration::from_secs(61));
        for peer in &mut self.peers {
            peer.receive(&self.world);
            peer.acknowledge(&self.world);
        }
        let collected = self.ask(0, &server(), plain("collect"), false);
        collected.map_err(|refusal| refusal.message)?;
        let there = self.world.engine.registry.anonymous();
        let there: BTreeSet<Oid> = there.iter().map(|cell| cell.oid).collect();
        let reachable = self.model.reachable();
        if there != reachable {
            return Err(format!("{reachable:?} can be reached, {there:?} are there"));
        }
        Ok(())
    }
}

/// Two hundred stories, and in each of them exactly what can be reached is there.
#[test]
fn what_can_be_reached_is_there_and_nothing_else() {
    for seed in seeds(200) {
        if let Err(wrong) = Story::tell(seed, Faults::default()) {
            panic!("seed {seed}: {wrong}");
        }
    }
}

#[test]
fn a_reply_that_nobody_holds_is_noticed() {
    let faults = Faults::plant(Fault::ReturnUnheld);
    let noticed = (0..20).any(|seed| Story::tell(seed, faults).is_err());
    assert!(noticed);
}
