//! What is held, wanted and dropped, without a server.

use super::*;

const X: Oid = Oid(7);

fn reference() -> Value {
    to(X)
}

fn to(oid: Oid) -> Value {
    Value::Reference(Box::new(Reference {
        kind: "list".into(),
        name: String::new(),
        oid,
    }))
}

fn reply(sequence: u64, last: u64) -> Brought {
    Brought {
        session: 1,
        lane: 0,
        sequence,
        last,
    }
}

/// The oids and the replies of the drop that begins now.
fn dropped(holdings: &Holdings) -> Option<(Value, Value)> {
    let (_, mut call) = holdings.begin_drop(1)?;
    assert_eq!(call.method, "drop");
    Some((call.arguments.remove(0), call.named.remove(0).1))
}

fn pairs(sequences: &[u64]) -> Value {
    let pair = |sequence: &u64| Value::Tuple(vec![0.into(), (*sequence).into()]);
    Value::List(sequences.iter().map(pair).collect())
}

#[test]
fn the_last_proxy_drops_what_replies_brought() {
    let holdings = Holdings::new();
    assert!(holdings.receive(&reference(), reply(1, 2)).is_empty());
    assert!(holdings.receive(&reference(), reply(2, 2)).is_empty());
    holdings.adopt(X);
    holdings.release(X);
    assert_eq!(dropped(&holdings), None, "the other reference is loose");
    holdings.give_up(&reference());
    let oids = Value::List(vec![X.0.into()]);
    assert_eq!(dropped(&holdings), Some((oids, pairs(&[1, 2]))));
}

#[test]
fn replies_that_the_server_knows_to_be_here_are_not_named() {
    let holdings = Holdings::new();
    for sequence in 1..=100 {
        holdings.receive(&reference(), reply(sequence, sequence));
        holdings.give_up(&reference());
    }
    let (_, replies) = dropped(&holdings).expect("nobody wants it");
    assert_eq!(replies, pairs(&[100]));
}

#[test]
fn what_comes_while_it_is_dropped_is_acknowledged_after_that() {
    let holdings = Holdings::new();
    holdings.receive(&reference(), reply(1, 1));
    holdings.give_up(&reference());
    assert!(dropped(&holdings).is_some());
    assert_eq!(holdings.receive(&reference(), reply(2, 3)), [1]);
    holdings.give_up(&reference());
    assert_eq!(dropped(&holdings), None, "one at a time");
    assert!(!holdings.is_over(1));
    holdings.drop_ended(1);
    assert!(holdings.is_over(1) && holdings.has_unwanted());
    let (_, replies) = dropped(&holdings).expect("it came again");
    assert_eq!(replies, pairs(&[2]));
}

#[test]
fn a_reply_that_is_acknowledged_later_is_named() {
    let holdings = Holdings::new();
    holdings.receive(&reference(), reply(1, 1));
    holdings.give_up(&reference());
    assert!(dropped(&holdings).is_some());
    assert_eq!(holdings.receive(&reference(), reply(2, 2)), [1]);
    holdings.drop_ended(1);
    assert!(holdings.receive(&reference(), reply(3, 3)).is_empty());
    holdings.give_up(&reference());
    holdings.give_up(&reference());
    let (_, replies) = dropped(&holdings).expect("nobody wants it");
    assert_eq!(replies, pairs(&[2, 3]));
}

#[test]
fn a_drop_that_failed_is_made_again_unless_the_object_is_wanted() {
    let holdings = Holdings::new();
    holdings.receive(&reference(), reply(1, 1));
    holdings.give_up(&reference());
    assert!(dropped(&holdings).is_some());
    holdings.drop_failed(1);
    let (_, replies) = dropped(&holdings).expect("it was not made");
    assert_eq!(replies, pairs(&[1]));
    // It comes again during the next try.
    assert_eq!(holdings.receive(&reference(), reply(2, 2)), [2]);
    holdings.drop_failed(2);
    assert!(holdings.is_over(2));
    assert_eq!(dropped(&holdings), None, "it is wanted");
    holdings.give_up(&reference());
    let (_, replies) = dropped(&holdings).expect("nobody wants it");
    assert_eq!(replies, pairs(&[1, 2]));
}

#[test]
fn a_forked_child_drops_nothing_of_its_parents() {
    let mut holdings = Holdings::new();
    holdings.receive(&reference(), reply(1, 1));
    holdings.adopt(X);
    holdings.pid += 1;
    assert!(!holdings.release(X));
    assert_eq!(dropped(&holdings), None);
}

/// One reply that the server keeps is enough: the others are acknowledged, however long the drop takes.
#[test]
fn one_acknowledgement_waits_for_a_drop_however_often_its_object_comes_again() {
    let holdings = Holdings::new();
    holdings.receive(&reference(), reply(1, 1));
    holdings.give_up(&reference());
    assert!(dropped(&holdings).is_some());
    let withheld = (2..10_000).filter(|&sequence| {
        let brought = reply(sequence, sequence);
        let after = holdings.receive(&reference(), brought);
        holdings.give_up(&reference());
        !after.is_empty()
    });
    assert_eq!(withheld.count(), 1);
    let state = holdings.state.lock();
    assert_eq!(state.objects[&X].replies.len(), 2, "the one, and the last");
    assert!(state.unwanted.is_empty(), "the drop's end looks");
    drop(state);
    holdings.drop_ended(1);
    let (_, replies) = dropped(&holdings).expect("nobody wants it");
    assert_eq!(replies, pairs(&[2, 9_999]));
}

#[test]
fn what_nobody_wants_is_noted_once() {
    let holdings = Holdings::new();
    for sequence in 1..100 {
        holdings.receive(&reference(), reply(sequence, sequence));
        holdings.give_up(&reference());
    }
    assert_eq!(holdings.state.lock().unwanted, [X]);
    let oids = Value::List(vec![X.0.into()]);
    assert_eq!(dropped(&holdings), Some((oids, pairs(&[99]))));
}

/// Which of two drops is over first says nothing of the other.
#[test]
fn what_comes_while_two_lanes_drop_waits_for_both() {
    const Y: Oid = Oid(8);
    let holdings = Holdings::new();
    let other = to(Y);
    holdings.receive(&reference(), reply(1, 1));
    holdings.give_up(&reference());
    assert!(dropped(&holdings).is_some());
    holdings.receive(&other, reply(2, 2));
    holdings.give_up(&other);
    assert!(dropped(&holdings).is_some());
    let both = Value::List(vec![reference(), other]);
    assert_eq!(holdings.receive(&both, reply(3, 3)), [1, 2]);
    holdings.drop_ended(2);
    assert!(holdings.is_over(2) && !holdings.is_over(1));
    holdings.drop_ended(1);
    assert_eq!(dropped(&holdings), None, "both are wanted");
}

/// Of many replies that cross, each is named until it is known to be here, and looking for those that are is paid by
/// those that come.
#[test]
fn replies_that_cross_are_named_until_a_later_call_is_answered() {
    let holdings = Holdings::new();
    for sequence in 1..=1_000 {
        holdings.receive(&reference(), reply(sequence, 1_000));
    }
    assert_eq!(holdings.state.lock().objects[&X].replies.len(), 1_000);
    for sequence in 1_001..=3_000 {
        holdings.receive(&reference(), reply(sequence, sequence));
    }
    assert!(holdings.state.lock().objects[&X].replies.len() < REPLIES_LOOKED_AT);
}
