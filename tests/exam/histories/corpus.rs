//! Histories written by hand, good and bad, and what the checkers make of them.

use super::history::{History, Operation, Outcome};
use super::kinds::{COUNTER, DICT, Kind, LIFO, LIST, LOCK, QUEUE, SEMAPHORE, SET};
use super::revisions::{self, Wrong};
use super::search;
use commonhold::{Call, Code, Value};

/// When it was sent and answered, the revision in its reply, what was called, and what it was told.
type Line = (u64, u64, u64, Call, Outcome);

fn history(kind: &'static Kind, lines: impl IntoIterator<Item = Line>) -> History {
    let operation = |(client, (sent, answered, revision, call, outcome))| Operation {
        client,
        call,
        sent,
        answered,
        outcome,
        revision,
    };
    History {
        kind,
        since: 1,
        operations: lines.into_iter().enumerate().map(operation).collect(),
    }
}

fn ask<const N: usize>(method: &str, arguments: [Value; N]) -> Call {
    Call::new(method, arguments)
}

fn add() -> Call {
    ask("increment", [1.into()])
}

fn get() -> Call {
    ask("get", [])
}

const NULL: Outcome = Ok(Value::Null);

/// What the checkers say. One that believes the revisions may say more than one that does not.
#[derive(Debug, PartialEq)]
enum Verdict {
    Good,
    /// No order explains it, and this is what is wrong with that of the revisions.
    Bad(&'static str),
    /// Some order explains it, but not that of the revisions.
    OnlyRevisions(&'static str),
}

#[track_caller]
fn check(expected: &Verdict, history: &History) {
    let is_linearizable = search::is_linearizable(history).expect("it is short");
    let found = match (revisions::check(history), is_linearizable) {
        (Ok(()), true) => Verdict::Good,
        (Err(wrong), false) => Verdict::Bad(name(&wrong)),
        (Err(wrong), true) => Verdict::OnlyRevisions(name(&wrong)),
        (Ok(()), false) => panic!("it is bad, but its revisions are good"),
    };
    assert_eq!(found, *expected);
}

fn name(wrong: &Wrong) -> &'static str {
    match wrong {
        Wrong::Result(_) => "result",
        Wrong::Revision(_) => "revision",
        Wrong::Order(_) => "order",
    }
}

#[test]
fn what_one_caller_could_have_done_is_good() {
    let alone = [
        (0, 1, 1, get(), Ok(0.into())),
        (2, 3, 2, add(), Ok(1.into())),
        (4, 5, 3, add(), Ok(2.into())),
        (6, 7, 3, get(), Ok(2.into())),
    ];
    check(&Verdict::Good, &history(&COUNTER, alone));
    check(&Verdict::Good, &history(&COUNTER, []));
}

#[test]
fn what_overlaps_may_come_in_any_order() {
    // The second was sent first, and the read sees one of them.
    let overlapping = [
        (0, 9, 3, add(), Ok(2.into())),
        (1, 8, 2, add(), Ok(1.into())),
        (2, 7, 2, get(), Ok(1.into())),
    ];
    check(&Verdict::Good, &history(&COUNTER, overlapping));
    // A reply that came when the other was sent: neither was over before the other began.
    let touching = [
        (0, 5, 3, add(), Ok(2.into())),
        (5, 9, 2, add(), Ok(1.into())),
    ];
    check(&Verdict::Good, &history(&COUNTER, touching));
}

#[test]
fn two_that_are_told_the_same_sum_lost_one() {
    let lost = [
        (0, 9, 2, add(), Ok(1.into())),
        (0, 9, 3, add(), Ok(1.into())),
        (10, 11, 3, get(), Ok(1.into())),
    ];
    check(&Verdict::Bad("result"), &history(&COUNTER, lost));
}

#[test]
fn a_read_must_see_what_was_over() {
    let stale = [
        (0, 1, 2, add(), Ok(1.into())),
        (2, 3, 1, get(), Ok(0.into())),
    ];
    check(&Verdict::Bad("order"), &history(&COUNTER, stale));
    let invented = [
        (0, 1, 2, add(), Ok(1.into())),
        (2, 3, 2, get(), Ok(0.into())),
    ];
    check(&Verdict::Bad("result"), &history(&COUNTER, invented));
}

#[test]
fn reads_do_not_go_back() {
    let back = [
        (0, 9, 2, add(), Ok(1.into())),
        (1, 2, 2, get(), Ok(1.into())),
        (3, 4, 1, get(), Ok(0.into())),
    ];
    check(&Verdict::Bad("order"), &history(&COUNTER, back));
}

#[test]
fn a_change_comes_after_what_was_over() {
    // Its result says that it came first, but the other was over by then.
    let early = [
        (0, 1, 3, add(), Ok(2.into())),
        (2, 3, 2, add(), Ok(1.into())),
    ];
    check(&Verdict::Bad("order"), &history(&COUNTER, early));
    // A read that saw the change before it was sent.
    let foreseen = [
        (0, 1, 2, get(), Ok(1.into())),
        (2, 3, 2, add(), Ok(1.into())),
    ];
    check(&Verdict::Bad("order"), &history(&COUNTER, foreseen));
}

#[test]
fn a_call_happens_once() {
    let doubled = [
        (0, 1, 3, add(), Ok(2.into())),
        (2, 3, 3, get(), Ok(2.into())),
    ];
    check(&Verdict::Bad("result"), &history(&COUNTER, doubled));
    // To set twice is seen by a revision that is nobody's.
    let set = || ask("set", ["k0".into(), 5.into()]);
    let read = || ask("get", ["k0".into()]);
    let doubled = [(0, 9, 3, set(), NULL), (1, 2, 2, read(), Ok(5.into()))];
    check(&Verdict::OnlyRevisions("result"), &history(&DICT, doubled));
}

#[test]
fn what_a_restart_forgot_is_missed() {
    let forgotten = [
        (0, 1, 2, ask("add", [7.into()]), Ok(true.into())),
        (2, 3, 9, ask("add", [7.into()]), Ok(true.into())),
    ];
    check(&Verdict::Bad("result"), &history(&SET, forgotten));
}

#[test]
fn each_change_has_a_revision_of_its_own() {
    let set = |value: i64| ask("set", ["k0".into(), value.into()]);
    let shared = [(0, 9, 2, set(5), NULL), (0, 9, 2, set(6), NULL)];
    check(&Verdict::OnlyRevisions("revision"), &history(&DICT, shared));
    let old = [(0, 9, 1, set(5), NULL)];
    check(&Verdict::OnlyRevisions("revision"), &history(&DICT, old));
}

#[test]
fn whoever_changed_nothing_names_a_change() {
    let unknown = [(0, 9, 5, get(), Ok(0.into()))];
    check(
        &Verdict::OnlyRevisions("revision"),
        &history(&COUNTER, unknown),
    );
    let refused = [(0, 9, 5, ask("pop", []), Err(Code::NotFound))];
    check(
        &Verdict::OnlyRevisions("revision"),
        &history(&LIST, refused),
    );
}

#[test]
fn revisions_in_another_order_than_time_are_told_even_if_no_result_shows_it() {
    let set = || ask("set", [5.into()]);
    let backwards = [(0, 1, 3, set(), NULL), (2, 3, 2, set(), NULL)];
    check(
        &Verdict::OnlyRevisions("order"),
        &history(&COUNTER, backwards),
    );
}

#[test]
fn a_value_is_popped_once_and_in_its_place() {
    let append = |value: i64| ask("append", [value.into()]);
    let pop = || ask("pop", []);
    let twice = [
        (0, 1, 2, append(4), NULL),
        (2, 9, 3, pop(), Ok(4.into())),
        (2, 9, 4, pop(), Ok(4.into())),
    ];
    check(&Verdict::Bad("result"), &history(&LIST, twice));
    let wrong_end = [
        (0, 1, 2, append(4), NULL),
        (2, 3, 3, append(5), NULL),
        (4, 9, 4, pop(), Ok(4.into())),
    ];
    check(&Verdict::Bad("result"), &history(&LIST, wrong_end));
    let refused = [
        (0, 1, 2, append(4), NULL),
        (2, 3, 2, pop(), Err(Code::NotFound)),
    ];
    check(&Verdict::Bad("result"), &history(&LIST, refused));
}

#[test]
fn of_calls_that_do_not_tell_whether_they_changed_the_model_does() {
    let (add, clear) = (ask("add", [7.into()]), || ask("clear", []));
    let cleared = [
        (0, 1, 2, add, Ok(true.into())),
        (2, 9, 3, clear(), NULL),
        (3, 8, 3, clear(), NULL),
        (4, 9, 3, ask("len", []), Ok(0.into())),
    ];
    check(&Verdict::Good, &history(&SET, cleared));
}

#[test]
fn a_semaphore_gives_no_more_than_it_has_and_refuses_nothing_that_is_free() {
    let acquire = |n: i64| ask("acquire", [n.into()]);
    let too_many = [
        (0, 9, 2, acquire(3), Ok(true.into())),
        (0, 9, 3, acquire(3), Ok(true.into())),
    ];
    check(&Verdict::Bad("result"), &history(&SEMAPHORE, too_many));
    let stingy = [(0, 9, 1, acquire(3), Ok(false.into()))];
    check(&Verdict::Bad("result"), &history(&SEMAPHORE, stingy));
}

#[test]
fn a_lock_is_granted_to_one_with_a_token_above_all_before() {
    let acquire = || ask("acquire", []);
    let release = |token: i64| ask("release", [token.into()]);
    let granted = |token: i64| {
        Ok(Value::Dict(vec![
            ("token".into(), token.into()),
            ("previous_owner_died".into(), false.into()),
            ("previous_note".into(), Value::Null),
            ("lock".into(), 9.into()),
            ("previous_end".into(), Value::Null),
        ]))
    };
    let by_turns = |second: i64| {
        [
            (0, 1, 2, acquire(), granted(20)),
            (2, 3, 3, release(20), NULL),
            (4, 5, 4, acquire(), granted(second)),
        ]
    };
    check(&Verdict::Good, &history(&LOCK, by_turns(21)));
    check(&Verdict::Bad("result"), &history(&LOCK, by_turns(20)));
    let both = [
        (0, 9, 2, acquire(), granted(20)),
        (0, 9, 3, acquire(), granted(21)),
    ];
    check(&Verdict::Bad("result"), &history(&LOCK, both));
}

#[test]
fn a_queue_gives_what_is_next() {
    let put = |item: i64| ask("put", [item.into()]);
    let got = |first: i64, second: i64| {
        [
            (0, 1, 2, put(7), NULL),
            (2, 3, 3, put(8), NULL),
            (4, 5, 4, get(), Ok(first.into())),
            (6, 7, 5, get(), Ok(second.into())),
        ]
    };
    check(&Verdict::Good, &history(&QUEUE, got(7, 8)));
    check(&Verdict::Bad("result"), &history(&QUEUE, got(8, 7)));
    check(&Verdict::Bad("result"), &history(&QUEUE, got(7, 7)));
    check(&Verdict::Good, &history(&LIFO, got(8, 7)));
    check(&Verdict::Bad("result"), &history(&LIFO, got(7, 8)));
}

#[test]
fn an_item_that_is_given_back_is_delivered_again_and_one_that_is_acknowledged_is_not() {
    let put = (0, 1, 2, ask("put", [7.into()]), NULL);
    let taken = |receipt: i64, deliveries: i64| {
        Ok(Value::Dict(vec![
            ("value".into(), 7.into()),
            ("receipt".into(), receipt.into()),
            ("deliveries".into(), deliveries.into()),
        ]))
    };
    let take = || ask("take", []);
    let twice = |end: &str, receipt: i64, deliveries: i64| {
        [
            put.clone(),
            (2, 3, 3, take(), taken(20, 1)),
            (4, 5, 4, ask(end, [20.into()]), NULL),
            (6, 7, 5, take(), taken(receipt, deliveries)),
        ]
    };
    check(&Verdict::Good, &history(&QUEUE, twice("nack", 21, 2)));
    for (receipt, deliveries) in [(20, 2), (21, 1), (21, 3)] {
        let wrong = twice("nack", receipt, deliveries);
        check(&Verdict::Bad("result"), &history(&QUEUE, wrong));
    }
    check(
        &Verdict::Bad("result"),
        &history(&QUEUE, twice("ack", 21, 2)),
    );
    let stale = [
        put,
        (2, 3, 3, take(), taken(20, 1)),
        (4, 5, 4, ask("nack", [20.into()]), NULL),
        (6, 7, 4, ask("ack", [20.into()]), Err(Code::LockLost)),
        (8, 9, 4, ask("len", []), Ok(1.into())),
    ];
    check(&Verdict::Good, &history(&QUEUE, stale));
}
