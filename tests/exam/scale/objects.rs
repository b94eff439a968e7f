//! Very many objects.

use super::{READS, ROUNDS, bar, by_turns, median, micros_each, run};
use crate::support::{Home, Report, alone, counts};
use commonhold::blocking::Client;
use commonhold::{Call, Value};
use futures_util::{StreamExt as _, stream};
use std::time::Instant;

/// Creations under way at a time.
const WINDOW: usize = 512;
/// How much slower reading one object may be beside many.
const GET_RATIO_MAX: f64 = 1.3;
/// Memory of the server for a small object.
const OBJECT_BYTES_MAX: u64 = 4 << 10;

#[test]
fn many_objects_cost_little_and_slow_nothing_down() {
    let _alone = alone();
    run(make_many());
}

async fn make_many() {
    let mut report = Report::of("scale: many objects");
    let home = Home::new();
    let mut serving = home.serve(&[]);
    let ch = home.connect();
    let count = counts(5_000, 100_000);
    let visits = ch.counter("visits");
    visits.increment(1).call().expect("it counts");
    // Another server without them: what the machine does meanwhile slows both down.
    let elsewhere = Home::new();
    let _bare = elsewhere.serve(&[]);
    let alone = elsewhere.connect();
    alone
        .counter("visits")
        .increment(1)
        .call()
        .expect("it counts");
    let ls_before = ls_millis(&ch, "");
    let memory = serving.resident_bytes();

    let begun = Instant::now();
    let creating = home.options().connect().await.expect("it connects");
    let created = stream::iter(0..count)
        .map(|number| creating.counter(&name(number)).increment(1).into_future())
        .buffer_unordered(WINDOW);
    created
        .for_each(async |made| assert_eq!(made.expect("it is made"), 1))
        .await;
    let took = begun.elapsed().as_secs_f64();
    creating.close().await;

    report.figure("objects", count);
    report.figure("created_a_second", f64::from(count) / took);
    let bytes = serving.resident_bytes().saturating_sub(memory) / u64::from(count);
    report.figure("bytes_each", bytes);
    report.expect(bytes < OBJECT_BYTES_MAX, || {
        format!("an object takes {bytes} bytes")
    });
    let (get_alone, get_beside) = get_micros(&alone, &ch);
    report.figure("get_us_alone", get_alone);
    report.figure("get_us_beside", get_beside);
    report.expect(get_beside <= bar(GET_RATIO_MAX) * get_alone, || {
        format!("a get takes {get_alone:.1} us alone, and {get_beside:.1} us beside them")
    });
    report.figure("ls_page_ms_before", ls_before);
    report.figure("ls_page_ms_after", ls_millis(&ch, &name(count / 2)));

    report.figure(
        "opened_in_ms_at_first",
        serving.opened_in.as_secs_f64() * 1e3,
    );
    serving.kill();
    let serving = home.serve(&[]);
    report.figure(
        "opened_in_ms_with_them",
        serving.opened_in.as_secs_f64() * 1e3,
    );
    let found = listed(&home.connect());
    // And the one that was read.
    report.expect(found == count as usize + 1, || {
        format!("{found} were there")
    });
    report.end();
}

fn name(number: u32) -> String {
    format!("object-{number:06}")
}

/// Microseconds of reading one object of each server, by turns.
fn get_micros(alone: &Client, beside: &Client) -> (f64, f64) {
    let read = |ch: &Client| {
        let visits = ch.counter("visits");
        move || assert_eq!(visits.get().expect("it answers"), 1)
    };
    by_turns(ROUNDS * READS, read(alone), read(beside))
}

/// Milliseconds of one page of a list of all objects, after a name.
fn ls_millis(ch: &Client, after: &str) -> f64 {
    let mut get = || drop(page(ch, after));
    median(&micros_each(20, &mut get)) / 1e3
}

fn page(ch: &Client, after: &str) -> Vec<Value> {
    let ls = Call::new("ls", []).with("after", after);
    match ch.server().object().call(ls).expect("it answers") {
        Value::List(page) => page,
        other => panic!("a page is a list, not {other:?}"),
    }
}

/// How many objects a list of all has.
fn listed(ch: &Client) -> usize {
    let (mut found, mut after) = (0, String::new());
    loop {
        let page = page(ch, &after);
        let Some(Value::Dict(last)) = page.last() else {
            return found;
        };
        found += page.len();
        let name = last.iter().find(|(key, _)| *key == "name".into());
        let name = name.and_then(|(_, name)| name.as_text());
        name.expect("it has a name").clone_into(&mut after);
    }
}
