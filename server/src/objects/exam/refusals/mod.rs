//! What is refused, and in which words: those of Python's own types where a program for its managers would see them.
//!
//! A message is followed by the object where the engine says so (`NotFound`: ` in list "l"`); a client that stands for a
//! Python object takes that off again. What Python refuses before the server is asked, the client refuses:
//!
//! | type | refusal | why the server never sees it |
//! |---|---|---|
//! | all | a method that is not exposed: `RemoteError` | names are checked where the proxy is called |
//! | all | a value that cannot be pickled; the state is as it was | nothing is sent |
//! | dict | `KeyError` carries the key itself | the caller has it; the code is `NotFound` |
//! | dict | `unhashable type: 'list'` | the client hashes a key first; else it is `WrongType`, see below |
//! | dict | `m.dict(5)`, `update(5)`, pairs of three | the client makes a dict of it first |
//! | dict | `d \| {}` before Python 3.14, `json.dumps(d)` | of the proxy's type |
//! | dict | `dictionary changed size during iteration` | the iterator compares lengths and revisions |
//! | list | `'a' is not in list` with Python's quotes | the client has the value, and Python's `repr` of it |
//! | list | `list indices must be integers or slices, not str`, `slice step cannot be zero` | indexes are read by the client |
//! | list | `[1] + l`, `l + 5`, `extend(5)`, `sort(key=1)` | of the proxy's type; what is added is iterated by the client |
//! | Queue | `'timeout' must be a non-negative number` | time-outs are no arguments; likewise for all that wait |
//! | Queue | iteration | of the proxy's type |
//! | Lock, `RLock` | `can't specify a timeout for a non-blocking call` | likewise |
//! | Lock, `RLock` | `timeout value must be a non-negative number` | likewise |
//! | Semaphore | `can't specify timeout for non-blocking acquire` | likewise |
//! | Semaphore | `release(2)`: takes no argument | of the proxy's type; the server's own takes `n` |
//! | Semaphore | `semaphore initial value must be >= 0` | within a `RemoteError`, which names the option instead |
//! | Condition | `wait_for` | a loop of the client |
//! | Event | - | nothing is refused |
//! | Barrier | `parties must be > 0` | within a `RemoteError`, which names the option instead |
//! | Barrier | an action that fails | runs in the client, which aborts |
//! | Value | - | the typecode is not enforced; only arithmetic of the server's own is refused |
//! | Array | `array indices must be integers` | indexes are read by the client |
//! | Namespace | names with `_` | are local to the proxy |

mod array;
mod barrier;
mod dict;
mod list;
mod lock;
mod queue;
mod semaphore;
mod value;

use super::super::kind;
use super::Bench;
use commonhold_proto::{Call, Code, Refusal, Value};

fn bench(name: &str, options: &[(&str, Value)]) -> Bench {
    Bench::new(kind(name).expect("it is listed"), options)
}

fn ask<const N: usize>(method: &str, arguments: [Value; N]) -> Call {
    Call::new(method, arguments)
}

fn plain(method: &str) -> Call {
    Call::new(method, [])
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::List(values.into_iter().collect())
}

#[track_caller]
fn expect(answer: Result<Value, Refusal>, code: Code, words: &str) {
    let refusal = answer.expect_err("it is refused");
    assert_eq!((refusal.code, &*refusal.message), (code, words));
}

/// A call that is refused at once, and changes nothing.
#[track_caller]
fn refused(bench: &mut Bench, call: Call, code: Code, words: &str) {
    refused_to(bench, 1, call, code, words);
}

/// The same of a session.
#[track_caller]
fn refused_to(bench: &mut Bench, session: u64, call: Call, code: Code, words: &str) {
    let before = bench.snapshot();
    let answer = bench.call(session, true, call);
    expect(answer.expect("it does not wait"), code, words);
    assert_eq!(bench.snapshot(), before, "what is refused changes nothing");
}

#[track_caller]
fn done(bench: &mut Bench, session: u64, call: Call) {
    let answer = bench.call(session, true, call);
    answer.expect("it does not wait").expect("it is done");
}

/// What a call that waited was told.
#[track_caller]
fn told(bench: &mut Bench, number: u64, code: Code, words: &str) {
    let at = bench.told.iter().position(|(told, _)| *told == number);
    let (_, answer) = bench.told.remove(at.expect("it was told"));
    expect(answer, code, words);
}

/// Options with which no object can be created.
#[track_caller]
fn not_created(name: &str, options: &[(&str, Value)], code: Code, words: &str) {
    let kind = kind(name).expect("it is listed");
    let options: Vec<_> = options
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let options = super::super::Options::check(kind, &options).expect("they are the kind's");
    let refusal = (kind.create)(&options).err().expect("it is refused");
    assert_eq!((refusal.code, &*refusal.message), (code, words));
}
