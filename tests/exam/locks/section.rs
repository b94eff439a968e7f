//! Nobody is where another excludes him: in a lock one at a time, in an rwlock a writer alone or readers together,
//! through broken connections and killed servers.
//!
//! Within it, processes add to a number in a file, reading and writing it in two steps, which is exact only if nobody
//! else does; and they note when they surely held the lock, from the reply that gave it to the call that gives it back.

use super::Part;
use crate::support::{
    Answer, Bout, Job, Passage, Plan, Report, Slot, Task, alone, counts, nanoseconds,
};
use commonhold::Error;
use commonhold::blocking::{Client, Guard};
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt as _;

const WORKERS: usize = 8;
/// What is called within a section.
const CALLS: usize = 8;
/// One in so many turns at an rwlock writes.
const WRITES_ONE_IN: u64 = 4;
/// What a [`Passage`] has for its place.
const READS: u64 = 0;
const WRITES: u64 = 1;

/// What excludes whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Section {
    Lock,
    ReadWriteLock,
    /// The fault that the exam must find: it holds the lock of its own process.
    Nothing,
}

impl Section {
    pub(super) fn play(self, job: &Job) -> Result<Answer, Error> {
        let ch = job.options().connect_blocking()?;
        let number = Number::open(job);
        let mut slot = job.slot();
        let mut holds = Vec::new();
        let mut turn = job.slot as u64;
        while slot.begin() {
            turn += 1;
            let place = match self {
                Section::ReadWriteLock if !turn.is_multiple_of(WRITES_ONE_IN) => READS,
                _ => WRITES,
            };
            let guard = self.enter(&ch, place, job.slot)?;
            holds.push(hold(&ch, &mut slot, &number, place)?);
            guard.release()?;
            slot.acknowledge(ch.stats());
        }
        Ok(Answer::Passages(holds))
    }

    fn enter(self, ch: &Client, place: u64, slot: usize) -> Result<Guard, Error> {
        match self {
            Section::Lock => ch.lock("gpu").acquire().call(),
            Section::ReadWriteLock if place == READS => ch.rwlock("gpu").read().call(),
            Section::ReadWriteLock => ch.rwlock("gpu").write().call(),
            Section::Nothing => ch.lock(&format!("gpu {slot}")).acquire().call(),
        }
    }
}

/// What is done while it is held; then it is about to be given back.
fn hold(ch: &Client, slot: &mut Slot, number: &Number, place: u64) -> Result<Passage, Error> {
    let begun = nanoseconds();
    slot.go_on(ch.stats());
    let found = number.read();
    // For as long as calls take: whoever else is here has his chance to read the same.
    for _ in 0..CALLS {
        ch.server().ping()?;
        slot.go_on(ch.stats());
    }
    if place == WRITES {
        number.write(found + 1);
    } else {
        assert_eq!(number.read(), found, "a writer was beside a reader");
    }
    Ok(Passage {
        begun,
        ended: nanoseconds(),
        place,
    })
}

/// A number in a file, which nothing but a lock protects.
struct Number(File);

impl Number {
    fn open(job: &Job) -> Number {
        let path = job.tally.with_extension("number");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path);
        Number(file.expect("a file"))
    }

    fn read(&self) -> u64 {
        let mut bytes = [0; 8];
        let read = self.0.read_at(&mut bytes, 0).expect("a number");
        assert!(read == 0 || read == 8, "half a number");
        u64::from_le_bytes(bytes)
    }

    fn write(&self, number: u64) {
        let written = self.0.write_all_at(&number.to_le_bytes(), 0);
        written.expect("a number");
    }
}

fn examine(promise: &'static str, section: Section) {
    let _alone = alone();
    let mut report = Report::of(promise);
    let plan = Plan {
        workers: WORKERS,
        kills: counts(2, 20),
        one_in: 60,
        cuts: counts(10, 200),
        remembered: counts(2, 40),
    };
    let (holds, number) = run(&plan, section, &mut report);
    let conflict = first_conflict(&holds);
    report.expect(conflict.is_none(), || {
        format!("two were there at one time: {conflict:?}")
    });
    let writes = writes_of(&holds);
    report.figure("number", number);
    report.expect(number == writes, || {
        format!("{writes} were added, and the number is {number}")
    });
    if section == Section::ReadWriteLock {
        let together = most_readers(&holds);
        report.figure("readers_together", together);
        report.expect(together >= 2, || {
            "no reader was there beside another".to_owned()
        });
    }
    report.end();
}

/// Lets processes go in and out; what they noted, and the number at the end.
fn run(plan: &Plan, section: Section, report: &mut Report) -> (Vec<Passage>, u64) {
    let bout = Bout::run(plan, &Task::Lock(Part::Enter(section)), report, |_| {});
    let holds = bout.answers.into_iter().flat_map(|answer| match answer {
        Answer::Passages(holds) => holds,
        Answer::Numbers(_) => panic!("these are no passages"),
    });
    let holds: Vec<Passage> = holds.collect();
    report.figure("holds", holds.len());
    let number = std::fs::read(bout.home.path().join("tally.number"));
    let number = number.expect("a file").try_into().expect("a number");
    (holds, u64::from_le_bytes(number))
}

fn writes_of(holds: &[Passage]) -> u64 {
    holds.iter().filter(|hold| hold.place == WRITES).count() as u64
}

/// Two of whom one was alone, as far as the lock is concerned, and who were there at one time.
fn first_conflict(holds: &[Passage]) -> Option<(Passage, Passage)> {
    let mut holds = holds.to_vec();
    holds.sort_by_key(|hold| hold.begun);
    // Of those before: who stays longest of all, and of the writers.
    let (mut last, mut last_writer): (Option<Passage>, Option<Passage>) = (None, None);
    for hold in holds {
        let rival = if hold.place == WRITES {
            last
        } else {
            last_writer
        };
        if let Some(rival) = rival.filter(|rival| rival.ended > hold.begun) {
            return Some((rival, hold));
        }
        let later =
            |last: Option<Passage>| last.filter(|last| last.ended > hold.ended).or(Some(hold));
        last = later(last);
        if hold.place == WRITES {
            last_writer = later(last_writer);
        }
    }
    None
}

/// The most readers that were there at one time.
fn most_readers(holds: &[Passage]) -> usize {
    let readers = holds.iter().filter(|hold| hold.place == READS);
    let moments = readers.flat_map(|hold| [(hold.begun, 1), (hold.ended, -1)]);
    let mut moments: Vec<(u64, isize)> = moments.collect();
    moments.sort_unstable();
    let inside = moments.into_iter().scan(0, |inside, (_, step)| {
        *inside += step;
        usize::try_from(*inside).ok()
    });
    inside.max().unwrap_or(0)
}

#[test]
fn one_at_a_time_holds_a_lock() {
    examine("locks: exclusion", Section::Lock);
}

#[test]
fn a_writer_is_alone_and_readers_are_together() {
    examine("locks: exclusion of an rwlock", Section::ReadWriteLock);
}

#[test]
fn a_lock_that_excludes_nobody_is_noticed() {
    let _alone = alone();
    let mut report = Report::of("locks: no exclusion is found");
    let plan = Plan {
        workers: WORKERS,
        kills: 0,
        one_in: 0,
        cuts: 0,
        remembered: 0,
    };
    let (holds, number) = run(&plan, Section::Nothing, &mut report);
    report.figure("number", number);
    report.expect(first_conflict(&holds).is_some(), || {
        "nobody was there beside another".to_owned()
    });
    report.expect(number < writes_of(&holds), || {
        "no addition was lost".to_owned()
    });
    report.end();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(begun: u64, ended: u64, place: u64) -> Passage {
        Passage {
            begun,
            ended,
            place,
        }
    }

    #[test]
    fn who_is_beside_a_writer_is_found() {
        let readers = [hold(1, 5, READS), hold(2, 9, READS), hold(4, 6, READS)];
        assert_eq!(first_conflict(&readers), None);
        assert_eq!(most_readers(&readers), 3);
        let with = |writer| [&readers[..], &[writer]].concat();
        assert_eq!(first_conflict(&with(hold(9, 10, WRITES))), None);
        let early = hold(8, 10, WRITES);
        assert_eq!(first_conflict(&with(early)), Some((readers[1], early)));
        let late = hold(0, 2, WRITES);
        assert_eq!(first_conflict(&with(late)), Some((late, readers[0])));
        let two = [hold(1, 4, WRITES), hold(3, 6, WRITES)];
        assert_eq!(first_conflict(&two), Some((two[0], two[1])));
    }
}
