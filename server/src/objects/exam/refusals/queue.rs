//! What a queue refuses.

use super::*;

#[test]
fn nothing_is_got_from_an_empty_queue() {
    let queue = &mut bench("queue", &[]);
    for method in ["get", "take"] {
        let now = plain(method).with("blocking", false);
        refused(queue, now, Code::Empty, "the queue is empty");
        assert_eq!(queue.call(1, true, plain(method)), None, "it waits");
        let waiting = queue.number();
        queue.deadline(waiting);
        told(queue, waiting, Code::Empty, "the queue is empty");
    }
}

#[test]
fn nothing_is_put_into_a_full_queue() {
    let queue = &mut bench("queue", &[("maxsize", 1.into())]);
    done(queue, 1, ask("put", [1.into()]));
    let now = ask("put", [2.into()]).with("blocking", false);
    refused(queue, now, Code::Full, "the queue is full");
    assert_eq!(
        queue.call(1, true, ask("put", [2.into()])),
        None,
        "it waits"
    );
    let waiting = queue.number();
    queue.deadline(waiting);
    told(queue, waiting, Code::Full, "the queue is full");
}

#[test]
fn a_queue_of_no_size_is_never_full() {
    for maxsize in [0, -1] {
        let queue = &mut bench("queue", &[("maxsize", maxsize.into())]);
        (0..100).for_each(|item| done(queue, 1, ask("put", [item.into()])));
    }
}

#[test]
fn no_more_is_done_than_was_put() {
    let words = "task_done() called too many times";
    let queue = &mut bench("queue", &[]);
    refused(queue, plain("task_done"), Code::OutOfBounds, words);
    done(queue, 1, ask("put", [1.into()]));
    done(queue, 1, plain("task_done"));
    refused(queue, plain("task_done"), Code::OutOfBounds, words);
}

#[test]
fn a_queue_that_is_shut_down_takes_and_gives_nothing() {
    let queue = &mut bench("queue", &[]);
    done(queue, 1, ask("put", [1.into()]));
    done(queue, 1, plain("shutdown"));
    let put = ask("put", [2.into()]);
    refused(queue, put, Code::Broken, "the queue is shut down");
    done(queue, 1, plain("get"));
    refused(queue, plain("get"), Code::Broken, "the queue is shut down");
}
