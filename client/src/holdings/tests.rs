//! What is held, wanted and dropped, without a server.

use super::*;

const X: Oid = Oid(7);

fn reference() -> Value {
    Value::Reference(Box::new(Reference {
        kind: "list".into(),
        name: String::new(),
        oid: X,
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
    assert_eq!(holdings.receive(&reference(), reply(1, 2)), None);
    assert_eq!(holdings.receive(&reference(), reply(2, 2)), None);
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
    assert_eq!(holdings.receive(&reference(), reply(2, 3)), Some(1));
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
    assert_eq!(holdings.receive(&reference(), reply(2, 2)), Some(1));
    holdings.drop_ended(1);
    assert_eq!(holdings.receive(&reference(), reply(3, 3)), None);
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
    assert_eq!(holdings.receive(&reference(), reply(2, 2)), Some(2));
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
