//! Every typed proxy, method by method, of the blocking and of the async client.

use crate::server::TestServer;
use commonhold::{Code, Slice, Value};
use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

/// The result of a blocking call.
macro_rules! result {
    ($answer:expr) => {
        $answer.expect("it is answered")
    };
}

/// The result of an async call.
macro_rules! awaited {
    ($answer:expr) => {
        $answer.await.expect("it is answered")
    };
}

/// A blocking call that was refused.
macro_rules! refusal {
    ($answer:expr) => {
        $answer.err().and_then(|error| error.code())
    };
}

/// An async call that was refused.
macro_rules! awaited_refusal {
    ($answer:expr) => {
        $answer.await.err().and_then(|error| error.code())
    };
}

/// What a builder of a blocking client makes.
macro_rules! call {
    ($builder:expr) => {
        $builder.call()
    };
}

/// What a builder of an async client makes: it is awaited as it is.
macro_rules! itself {
    ($builder:expr) => {
        $builder
    };
}

/// One test of both clients. In its body `got!` is a call's result, `code!` that of a refused one, and `made!` makes a
/// builder's call.
macro_rules! both {
    ($name:ident, $ch:ident, $body:block) => {
        #[allow(unused_imports, reason = "not every kind has builders and refusals")]
        mod $name {
            use super::*;

            #[test]
            fn blocking() {
                use {call as made, refusal as code, result as got};
                let server = TestServer::start();
                let $ch = server.options().connect_blocking().expect("connects");
                $body
                $ch.close();
            }

            #[tokio::test]
            async fn asynchronous() {
                use {awaited as got, awaited_refusal as code, itself as made};
                let server = TestServer::start();
                let $ch = server.options().connect().await.expect("connects");
                $body
                $ch.close().await;
            }
        }
    };
}

both!(a_list_is_a_list, ch, {
    let list = ch.list::<i64>("l");
    got!(list.append(3));
    got!(list.extend(&[1, 2]));
    got!(list.insert(0, 9));
    assert_eq!(got!(list.copy()), [9, 3, 1, 2]);
    assert_eq!(got!(list.get(-1)), Some(2));
    assert_eq!(got!(list.get(4)), None);
    got!(list.set(0, 3));
    assert_eq!(code!(list.set(4, 0)), Some(Code::NotFound));
    assert_eq!(got!(made!(list.increment(-1, 5))), 7);
    assert_eq!(code!(made!(list.increment(4, 1))), Some(Code::NotFound));
    assert!(got!(list.compare_and_set(3, &7, 2)) && !got!(list.compare_and_set(3, &7, 0)));
    assert_eq!(got!(list.count(&3)), 2);
    assert_eq!(got!(list.index(&3)), Some(0));
    assert_eq!(got!(list.index_within(&3, 1..)), Some(1));
    assert_eq!(got!(list.index_within(&3, 2..4)), None);
    assert!(got!(list.contains(&1)) && !got!(list.contains(&7)));
    assert!(got!(list.remove(&3)) && !got!(list.remove(&7)));
    got!(list.sort());
    assert_eq!(got!(list.copy()), [1, 2, 3]);
    got!(list.sort_reversed());
    assert_eq!(got!(list.get_slice(..2)), [3, 2]);
    assert!(got!(list.reorder(&[2, 0, 1], &[3, 2, 1])) && !got!(list.reorder(&[1, 0], &[2, 1])));
    assert_eq!(got!(list.copy()), [1, 3, 2]);
    got!(list.sort_reversed());
    got!(list.reverse());
    assert_eq!(got!(list.get_slice(Slice::all().step(-2))), [3, 1]);
    got!(list.set_slice(1..2, &[7, 8]));
    assert_eq!(got!(list.copy()), [1, 7, 8, 3]);
    let every_other = Slice::from(..).step(2);
    assert_eq!(
        code!(list.set_slice(every_other, &[0])),
        Some(Code::BadArguments)
    );
    got!(list.delete_slice((1, -1)));
    assert_eq!(got!(list.pop()), Some(3));
    assert_eq!(got!(list.pop_at(0)), Some(1));
    assert_eq!(got!(list.pop()), None);
    got!(list.extend(&[4, 5]));
    assert!(got!(list.delete(0)) && !got!(list.delete(1)));
    assert_eq!(got!(list.len()), 1);
    got!(list.clear());
    assert_eq!(got!(list.len()), 0);
    got!(list.extend(&(0..100).collect::<Vec<_>>()));
    let mut scan = list.scan().limit(7);
    let mut seen = Vec::new();
    while let Some(page) = got!(scan.next_page()) {
        seen.extend(page);
    }
    assert_eq!(seen, (0..100).collect::<Vec<_>>());
});

both!(a_set_is_a_set, ch, {
    let set = ch.set::<String>("s");
    let texts = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
    assert!(got!(set.add("a".into())) && !got!(set.add("a".into())));
    got!(set.update(&texts("bc")));
    assert_eq!(got!(set.add_many(&texts("cde"))), 2);
    assert_eq!(got!(set.items()), texts("abcde"));
    assert_eq!(
        got!(set.copy::<HashSet<String>>()),
        texts("abcde").into_iter().collect()
    );
    assert!(got!(set.contains("a")) && !got!(set.contains("x")));
    assert!(got!(set.discard("a")) && !got!(set.discard("a")));
    assert_eq!(code!(set.remove("a")), Some(Code::NotFound));
    got!(set.remove("b"));
    assert_eq!(got!(set.pop()).as_deref(), Some("e"));
    let sorted = |found: Vec<String>| found.into_iter().collect::<BTreeSet<_>>();
    assert_eq!(
        sorted(got!(set.intersection(&texts("bc")))),
        sorted(texts("c"))
    );
    assert_eq!(sorted(got!(set.union(&texts("bc")))), sorted(texts("bcd")));
    assert_eq!(
        sorted(got!(set.difference(&texts("bc")))),
        sorted(texts("d"))
    );
    assert!(got!(set.is_superset(&texts("cd"))) && !got!(set.is_superset(&texts("x"))));
    assert!(got!(set.is_subset(&texts("cdx"))) && !got!(set.is_subset(&texts("c"))));
    assert!(got!(set.is_disjoint(&texts("x"))) && !got!(set.is_disjoint(&texts("c"))));
    assert_eq!(got!(set.discard_many(&texts("cx"))), 1);
    got!(set.update(&texts("pqr")));
    got!(set.difference_update(&texts("px")));
    got!(set.intersection_update(&texts("qr")));
    assert_eq!(got!(set.len()), 2);
    let mut scan = set.scan().limit(1);
    let mut seen = Vec::new();
    while let Some(page) = got!(scan.next_page()) {
        seen.extend(page);
    }
    assert_eq!(seen, texts("qr"));
    got!(set.clear());
    assert_eq!(got!(set.pop()), None);
});

both!(a_value_is_a_value, ch, {
    let value = ch.value::<Option<i64>>("v");
    assert_eq!(got!(value.get()), None);
    got!(value.set(Some(3)));
    assert_eq!(got!(value.swap(Some(4))), Some(3));
    assert!(got!(value.compare_and_set(&Some(4), None)));
    assert!(!got!(value.compare_and_set(&Some(4), Some(1))));
    let number = ch.value::<f64>("n").initial(0.5).expect("a number");
    assert_eq!(got!(made!(number.increment(1.0))).to_string(), "1.5");
    assert_eq!(
        code!(made!(number.increment(1.0).max(2.0))),
        Some(Code::OutOfBounds)
    );
    assert_eq!(got!(number.get()).to_string(), "1.5");
});

both!(an_array_is_an_array, ch, {
    let array = ch
        .array::<i16>("a", "h")
        .values(&[1, 2, 3])
        .expect("numbers");
    assert_eq!(got!(array.copy()), [1, 2, 3]);
    assert_eq!(got!(array.typecode()), "h");
    got!(array.set(-1, 7));
    assert_eq!(got!(array.get(2)), Some(7));
    assert_eq!(got!(array.get(3)), None);
    assert_eq!(code!(array.set(3, 0)), Some(Code::NotFound));
    assert_eq!(got!(made!(array.increment(0, 10))), 11);
    assert_eq!(
        code!(made!(array.increment(0, i16::MAX))),
        Some(Code::OutOfBounds)
    );
    assert!(got!(array.compare_and_set(1, &2, 7)) && !got!(array.compare_and_set(1, &2, 0)));
    assert_eq!(got!(array.get_slice(Slice::all().step(-1))), [7, 7, 11]);
    assert_eq!(
        (got!(array.index(&7)), got!(array.index(&0))),
        (Some(1), None)
    );
    assert_eq!(got!(array.index_within(&7, 2..)), Some(2));
    assert_eq!(got!(array.count(&7)), 2);
    assert!(got!(array.contains(&11)) && !got!(array.contains(&12)));
    got!(array.set_slice(1.., &[5]));
    assert_eq!((got!(array.copy()), got!(array.len())), (vec![11, 5], 2));
    let zeros = ch.array::<f32>("z", "f").size(1_000_000);
    got!(zeros.set(999_999, 0.1));
    assert_eq!(got!(zeros.get_slice(999_998..)), [0.0, 0.1]);
    let text = ch
        .array::<char>("t", "u")
        .values(&['a'])
        .expect("a character");
    got!(text.set(0, 'é'));
    assert_eq!(got!(text.get(0)), Some('é'));
    let other = ch.array::<f64>("a", "d");
    assert_eq!(code!(other.len()), Some(Code::Conflict));
});

both!(a_namespace_has_attributes_of_many_types, ch, {
    let names = ch.namespace("ns");
    assert_eq!(got!(names.get::<i64>("x")), None);
    got!(names.set("x", 1));
    got!(names.set("text", "t"));
    assert_eq!(got!(names.get::<String>("text")).as_deref(), Some("t"));
    assert_eq!(got!(made!(names.increment("x", 2))), 3);
    assert_eq!(code!(made!(names.increment("y", 2))), Some(Code::NotFound));
    assert_eq!(got!(made!(names.increment("y", 2).default(Some(5)))), 7);
    assert!(got!(names.compare_and_set("new", None, true)));
    assert!(!got!(names.compare_and_set("new", None, true)));
    assert!(got!(names.compare_and_set("new", Some(&true), false)));
    assert_eq!(got!(names.keys()), ["new", "text", "x", "y"]);
    assert!(got!(names.delete("new")) && !got!(names.delete("new")));
    let item = |name: &str, value: Value| (name.to_owned(), value);
    let items = [
        item("text", "t".into()),
        item("x", 3.into()),
        item("y", 7.into()),
    ];
    assert_eq!(got!(names.items()), items);
});

both!(an_event_is_an_event, ch, {
    let event = ch.event("e");
    assert!(!got!(event.is_set()));
    assert!(!got!(event.wait(Some(Duration::from_millis(1)))));
    got!(event.set());
    assert!(got!(event.is_set()) && got!(event.wait(None)));
    got!(event.clear());
    assert!(!got!(event.is_set()));
});

both!(a_latch_falls_once, ch, {
    let latch = ch.latch("l", 3);
    assert_eq!(got!(latch.get()), 3);
    assert!(!got!(latch.wait(Some(Duration::ZERO))));
    assert_eq!(got!(latch.count_down(2)), 1);
    assert_eq!(got!(latch.count_down(5)), 0);
    assert!(got!(latch.wait(None)));
});

both!(a_semaphore_has_permits, ch, {
    let semaphore = ch.semaphore("s", 3);
    let two = got!(made!(semaphore.acquire().permits(2)));
    assert_eq!((two.permits(), got!(semaphore.value())), (2, 1));
    let wait = Duration::from_millis(1);
    let late = code!(made!(semaphore.acquire().permits(2).wait(wait)));
    assert_eq!(late, Some(Code::DeadlineExceeded));
    assert!(got!(semaphore.acquire().permits(2).now()).is_none());
    let one = got!(semaphore.acquire().now()).expect("one is free");
    assert_eq!(got!(semaphore.value()), 0);
    got!(two.release());
    assert_eq!(got!(semaphore.value()), 2);
    drop(one);
    assert_eq!(got!(semaphore.value()), 3);
    got!(made!(semaphore.acquire())).forget();
    assert_eq!(got!(semaphore.value()), 2);
    got!(semaphore.release(2));
    assert_eq!(got!(semaphore.value()), 4);
});

both!(a_bounded_semaphore_refuses_what_was_not_taken, ch, {
    let semaphore = ch.bounded_semaphore("s", 1);
    assert_eq!(code!(semaphore.release(1)), Some(Code::OutOfBounds));
    let permit = got!(made!(semaphore.acquire()));
    got!(semaphore.release(1));
    assert_eq!(code!(permit.release()), Some(Code::LockLost));
    assert_eq!(
        code!(made!(semaphore.acquire().permits(2))),
        Some(Code::BadArguments)
    );
    let lasting = ch.semaphore("kept", 1).owned(false);
    drop(got!(made!(lasting.acquire())));
    assert_eq!(got!(lasting.value()), 1);
});
