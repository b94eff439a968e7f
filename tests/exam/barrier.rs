//! A barrier lets nobody pass before all have come, through broken connections and killed servers.

use crate::support::{Answer, Bout, Passage, Plan, Report, Task, alone, counts};

const PARTIES: u32 = 8;

#[test]
fn nobody_passes_before_all_have_come() {
    let _alone = alone();
    let mut report = Report::of("exactly once: barrier");
    let plan = Plan {
        workers: PARTIES as usize,
        kills: counts(3, 20),
        one_in: 100,
        cuts: counts(20, 200),
        remembered: counts(2, 20),
    };
    let bout = Bout::run(&plan, &Task::Barrier(PARTIES), &mut report, |_| {});
    let passages: Vec<Vec<Passage>> = bout.answers.into_iter().map(passages).collect();
    let generations = passages[0].len();
    report.figure("generations", generations);
    report.expect(passages.iter().all(|p| p.len() == generations), || {
        let counts: Vec<usize> = passages.iter().map(Vec::len).collect();
        format!("the parties passed different numbers of times: {counts:?}")
    });
    for generation in 0..generations {
        let waits: Vec<&Passage> = passages.iter().filter_map(|p| p.get(generation)).collect();
        let last_begun = waits.iter().map(|wait| wait.begun).max();
        let first_ended = waits.iter().map(|wait| wait.ended).min();
        report.expect(last_begun < first_ended, || {
            format!("generation {generation}: somebody passed before all had come: {waits:?}")
        });
        let mut places: Vec<u64> = waits.iter().map(|wait| wait.place).collect();
        places.sort_unstable();
        report.expect(places.iter().copied().eq(0..u64::from(PARTIES)), || {
            format!("generation {generation}: the places are {places:?}")
        });
    }
    report.end();
}

fn passages(answer: Answer) -> Vec<Passage> {
    match answer {
        Answer::Passages(passages) => passages,
        Answer::Numbers(_) => panic!("these are no passages"),
    }
}
