//! Workers of a queue: those who put items, and those who take them on loan and acknowledge them.
//!
//! A worker has several hands, each with one item at a time and a slot of its own in the tally. Nothing is in a hand but
//! what its slot and its notes say, so whoever reads them when the worker was killed knows all but the outcome of the one
//! call that was under way.

use super::notes::Row;
use super::{Answer, Job, Notes, Slot};
use commonhold::{Call, Client, Code, Durability, Error, Object, Value};
use futures_util::future::join_all;
use std::future::Future;
use std::path::Path;
use std::time::Duration;
use tokio::runtime::Builder;

/// Items that one worker handles at a time.
pub(crate) const HANDS: usize = 8;
/// So many items wait, at most: those who put wait for those who take.
const ROOM: i64 = 1_000;
/// One item in so many is held for as long as another call takes.
const WORK_ONE_IN: u64 = 4;

/// How far a consumer came with an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// It was delivered.
    Taken,
    /// The call that acknowledges it is about to be made.
    Acking,
    /// That call was answered.
    Acked,
}

/// What a consumer notes of an item: how far it came by now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) item: u64,
    /// How often it was delivered, as its consumer was told.
    pub(crate) deliveries: u64,
    pub(crate) stage: Stage,
}

/// The item that is the `number`th of the slot.
pub(crate) fn item(slot: usize, number: u64) -> u64 {
    (slot as u64) << 32 | number
}

/// The slot and the number of an item.
pub(crate) fn origin(item: u64) -> (usize, u64) {
    let slot = usize::try_from(item >> 32).expect("a slot");
    (slot, item & u64::from(u32::MAX))
}

impl Note {
    fn to_row(self) -> Row {
        [self.item, self.deliveries, self.stage as u64, 0]
    }

    fn of([item, deliveries, stage, _]: Row) -> Note {
        let stages = [Stage::Taken, Stage::Acking, Stage::Acked];
        Note {
            item,
            deliveries,
            stage: stages[usize::try_from(stage).expect("it is small")],
        }
    }

    /// All notes of the consumer whose hand has this slot.
    pub(crate) fn read(tally: &Path, slot: usize) -> Vec<Note> {
        let rows = Notes::read(tally, slot);
        rows.into_iter().map(Note::of).collect()
    }
}

impl Job {
    /// Puts items until the tally says stop.
    pub(super) fn produce(&self) -> Result<Answer, Error> {
        self.with_hands(async |queue, mut slot, number| {
            while slot.begin() {
                let item = item(number, slot.begun()).cast_signed();
                queue.call(Call::new("put", [item.into()])).await?;
                slot.acknowledge(queue.client().stats());
            }
            Ok(())
        })
    }

    /// Takes items and acknowledges them until the tally says stop.
    pub(super) fn consume(&self) -> Result<Answer, Error> {
        self.with_hands(async |queue, mut slot, number| {
            let mut notes = Notes::create(&self.tally, number);
            while slot.begin() {
                let Some(taken) = take(&queue, &slot).await? else {
                    break;
                };
                finish(&queue, &mut notes, slot.begun(), &taken).await?;
                slot.acknowledge(queue.client().stats());
            }
            Ok(())
        })
    }

    fn with_hands<F: Future<Output = Result<(), Error>>>(
        &self,
        hand: impl Fn(Object<Client>, Slot, usize) -> F,
    ) -> Result<Answer, Error> {
        let runtime = Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let ch = self.options().connect().await?;
            let queue = jobs(&ch);
            let hands = (self.slot..self.slot + HANDS)
                .map(|slot| hand(queue.clone(), Slot::open(&self.tally, slot), slot));
            for done in join_all(hands).await {
                done?;
            }
            ch.close().await;
            Ok(Answer::Numbers(Vec::new()))
        })
    }
}

/// The queue.
fn jobs(ch: &Client) -> Object<Client> {
    let queue = ch.object("queue", "jobs").option("maxsize", ROOM);
    queue.durability(Durability::Durable)
}

/// The next item, or nothing if the tally says stop.
async fn take(queue: &Object<Client>, slot: &Slot) -> Result<Option<Value>, Error> {
    while !slot.is_over() {
        let patience = Some(Duration::from_millis(100));
        let taken = queue.call_within(Call::new("take", []), patience).await;
        match taken {
            Ok(taken) => return Ok(Some(taken)),
            Err(error) if error.code() == Some(Code::Empty) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(None)
}

/// Does what is to be done with an item that was taken.
async fn finish(
    queue: &Object<Client>,
    notes: &mut Notes,
    turn: u64,
    taken: &Value,
) -> Result<(), Error> {
    let [item, receipt, deliveries] =
        ["value", "receipt", "deliveries"].map(|name| field(taken, name));
    let note = |stage| {
        let note = Note {
            item: item.cast_unsigned(),
            deliveries: deliveries.cast_unsigned(),
            stage,
        };
        note.to_row()
    };
    notes.add(note(Stage::Taken));
    if turn.is_multiple_of(WORK_ONE_IN) {
        queue.call(Call::new("len", [])).await?;
    }
    notes.correct(note(Stage::Acking));
    queue.call(Call::new("ack", [receipt.into()])).await?;
    notes.correct(note(Stage::Acked));
    Ok(())
}

fn field(taken: &Value, name: &str) -> i64 {
    let Value::Dict(fields) = taken else {
        panic!("{taken:?} was taken");
    };
    match fields.iter().find(|(key, _)| *key == name.into()) {
        Some((_, Value::Int(number))) => *number,
        other => panic!("{name} is {other:?}"),
    }
}

#[test]
fn notes_and_items_are_read_as_they_were_written() {
    for stage in [Stage::Taken, Stage::Acking, Stage::Acked] {
        let note = Note {
            item: item(300, 70_000),
            deliveries: 5,
            stage,
        };
        assert_eq!(Note::of(note.to_row()), note);
        assert_eq!(origin(note.item), (300, 70_000));
    }
}
