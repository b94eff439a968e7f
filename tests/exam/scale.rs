//! What holds however many wait, and however many objects there are.

mod crowd;
mod objects;

use crate::support::{Home, Report, alone, counts};
use commonhold::blocking::Client;
use commonhold::{Call, Durability};
use crowd::{Crowd, call};
use std::time::{Duration, Instant};

/// Rounds of a comparison. Medians are compared: one round may meet whatever else the machine does.
const ROUNDS: usize = 5;
/// Reads of one round.
const READS: usize = 1_000;

/// From the call that sets an event to the last reply of those who waited for it.
const RELEASED_WITHIN: Duration = Duration::from_millis(200);
/// Memory of the server for a call that waits.
const WAITER_BYTES_MAX: u64 = 2 << 10;
/// How much slower `len` of a queue may be while many wait to put.
const LEN_RATIO_MAX: f64 = 1.2;

/// A bar of speed is one where the promise is made: what runs beside a test of a working day says nothing.
fn bar(ratio: f64) -> f64 {
    counts(f64::INFINITY, ratio)
}

/// Runs an exam that is asynchronous.
fn run(exam: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().expect("a runtime");
    runtime.block_on(exam);
}

/// Sessions, and calls that wait of each: 10,000 in all where the promise is made.
fn crowd() -> (usize, usize) {
    counts((20, 50), (100, 100))
}

#[test]
fn all_who_wait_for_an_event_are_released_at_once() {
    let _alone = alone();
    run(set_an_event());
}

async fn set_an_event() {
    let mut report = Report::of("scale: waiters of an event");
    let home = Home::new();
    let serving = home.serve(&["--store", "memory"]);
    let (sessions, each) = crowd();
    let waiters = sessions * each;
    let event = |method| call("event", "go", &[], method, vec![]);
    let mut crowd = Crowd::gather(&home, &serving, sessions).await;
    let mut setter = Crowd::gather(&home, &serving, 1).await;
    // What a session costs is there before its waiting calls are counted.
    setter.ask(&event("clear")).await;
    crowd.ask(&event("is_set")).await;
    let before = serving.resident_bytes();
    let mut released = Vec::new();
    for round in 0..ROUNDS {
        crowd.wait(each, &event("wait"), &event("is_set")).await;
        if round == 0 {
            let bytes = serving.resident_bytes().saturating_sub(before) / waiters as u64;
            report.figure("bytes_each", bytes);
            report.expect(bytes < WAITER_BYTES_MAX, || {
                format!("a call that waits takes {bytes} bytes")
            });
            let waiting = waiting(&home.connect(), "go");
            report.expect(waiting == waiters, || format!("{waiting} wait"));
        }
        let (refused, took) = crowd.release(each, &mut setter, &event("set")).await;
        report.expect(refused == 0, || format!("{refused} were refused"));
        released.push(took.as_secs_f64() * 1e3);
        setter.ask(&event("clear")).await;
    }
    let typical = median(&released);
    report.figure("waiters", waiters);
    report.figure("sessions", sessions);
    report.figure("released_ms", released);
    report.figure("released_ms_median", typical);
    report.expect(typical < RELEASED_WITHIN.as_secs_f64() * 1e3, || {
        format!("the last was released after {typical:.1} ms")
    });
    report.end();
}

#[test]
fn puts_that_wait_leave_a_queue_as_quick_as_it_was() {
    let _alone = alone();
    run(fill_a_queue());
}

async fn fill_a_queue() {
    let mut report = Report::of("scale: puts that wait");
    let home = Home::new();
    let serving = home.serve(&["--store", "memory"]);
    let ch = home.connect();
    let (sessions, each) = crowd();
    let mut crowd = Crowd::gather(&home, &serving, sessions).await;
    let mut owner = Crowd::gather(&home, &serving, 1).await;
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // Shut down at the end of its round: all who wait are told so.
        let name = format!("jobs-{round}");
        let queue = |method, arguments| {
            let full = ("maxsize", 1.into());
            call("queue", &name, &[full], method, arguments)
        };
        owner.ask(&queue("put", vec![0.into()])).await;
        let bare = format!("bare-{round}");
        let put = call("queue", &bare, &[], "put", vec![0.into()]);
        owner.ask(&put).await;
        let put = queue("put", vec![1.into()]);
        crowd.wait(each, &put, &queue("len", vec![])).await;
        let waiting = waiting(&ch, &name);
        report.expect(waiting == sessions * each, || format!("{waiting} wait"));
        let (one, other) = len_micros(&ch, &bare, &name);
        without.push(one);
        with.push(other);
        let end = queue("shutdown", vec![]);
        let (refused, _) = crowd.release(each, &mut owner, &end).await;
        report.expect(refused == sessions * each, || {
            format!("{refused} were told")
        });
    }
    let ratio = median(&with) / median(&without);
    report.figure("waiters", sessions * each);
    report.figure("len_us_without", without);
    report.figure("len_us_with", with);
    report.figure("ratio", ratio);
    report.expect(ratio <= bar(LEN_RATIO_MAX), || {
        format!("len takes {ratio:.2} times what it took")
    });
    report.end();
}

/// Microseconds of one `len` of each of two queues: the medians, for one that met something else tells nothing.
fn len_micros(ch: &Client, one: &str, other: &str) -> (f64, f64) {
    let len = |name: &str| {
        let queue = ch.object("queue", name).durability(Durability::Memory);
        move || {
            let len = queue.call(Call::new("len", [])).expect("it answers");
            assert_eq!(len, 1.into());
        }
    };
    by_turns(READS, len(one), len(other))
}

/// Microseconds of two things that are done by turns, so that whatever else the machine does slows both down. Of each the
/// quickest tenth is passed by, and the next one tells: a process that has to be woken takes several times as long, and
/// which of two has to is chance.
fn by_turns(count: usize, mut one: impl FnMut(), mut other: impl FnMut()) -> (f64, f64) {
    let (mut ones, mut others) = (Vec::new(), Vec::new());
    for _ in 0..count {
        ones.extend(micros_each(1, &mut one));
        others.extend(micros_each(1, &mut other));
    }
    (quick(&ones), quick(&others))
}

/// Microseconds of each of so many calls.
fn micros_each(count: usize, mut step: impl FnMut()) -> Vec<f64> {
    let took = |_| {
        let begun = Instant::now();
        step();
        begun.elapsed().as_secs_f64() * 1e6
    };
    (0..count).map(took).collect()
}

/// How many calls wait for an object.
fn waiting(ch: &Client, name: &str) -> usize {
    let who = ch.server().who(name).expect("it answers");
    usize::try_from(who.waiting_count).expect("it is few")
}

/// The quickest but a tenth.
fn quick(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 10]
}

fn median(samples: &[f64]) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
