//! What happens to an object that is examined: calls from its method table, and what else an engine does to it.

use super::super::{Kind, Lapse, Method, Options, RowLimit};
use commonhold_proto::value::strategy;
use commonhold_proto::{Call, Row, RowKey, ServerTime, SessionId, Ticket, Value};
use proptest::collection::vec;
use proptest::prelude::*;

/// One thing that happens to an object.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Call {
        session: u64,
        may_wait: bool,
        call: Call,
    },
    Unary(bool, Call),
    Deadline(usize),
    EndLease(u64, Lapse),
    Page(RowLimit),
    Undo,
}

/// Mostly calls.
pub(super) fn step(kind: &'static Kind) -> BoxedStrategy<Step> {
    let session = || 1u64..4;
    let call = || {
        let methods: Vec<&Method> = kind.methods.iter().filter(|m| !m.internal).collect();
        proptest::sample::select(methods).prop_flat_map(call_of)
    };
    let why = proptest::sample::select(vec![Lapse::Died, Lapse::Goodbye]);
    prop_oneof![
        20 => (session(), any::<bool>(), call())
            .prop_map(|(session, may_wait, call)| Step::Call { session, may_wait, call }),
        2 => (any::<bool>(), call()).prop_map(|(may_wait, call)| Step::Unary(may_wait, call)),
        2 => (0usize..8).prop_map(Step::Deadline),
        1 => (session(), why).prop_map(|(session, why)| Step::EndLease(session, why)),
        2 => Just(Step::Undo),
        4 => (1usize..4, 0usize..2000).prop_map(|(rows, bytes)| Step::Page(RowLimit { rows, bytes })),
    ]
    .boxed()
}

/// A call that mostly fits the method.
fn call_of(method: &'static Method) -> BoxedStrategy<Call> {
    let arguments: Vec<BoxedStrategy<Option<Value>>> = method
        .parameters
        .iter()
        .map(|parameter| {
            let given = argument(parameter.name);
            let weight = if parameter.required { 30 } else { 1 };
            prop_oneof![1 => Just(None), weight => given.prop_map(Some)].boxed()
        })
        .collect();
    arguments
        .prop_map(move |arguments| {
            let mut call = Call::new(method.name, []);
            for (parameter, argument) in method.parameters.iter().zip(arguments) {
                if let Some(argument) = argument {
                    call = call.with(parameter.name, argument);
                }
            }
            call
        })
        .boxed()
}

/// Few keys, so that calls meet; equal ones of several types.
pub(in super::super) fn key() -> BoxedStrategy<Value> {
    prop_oneof![
        6 => proptest::sample::select(vec![
            Value::from("a"), "b".into(), "c".into(), 1.into(), 1.0.into(), true.into(), 0.into(), Value::Null,
        ]),
        1 => strategy::key(),
    ]
    .boxed()
}

fn argument(name: &str) -> BoxedStrategy<Value> {
    let right = match name {
        "key" | "member" => key(),
        "name" => "[a-c]{0,2}".prop_map(Value::from).boxed(),
        "keys" | "members" => vec(key(), 0..5).prop_map(Value::List).boxed(),
        "pairs" => vec((key(), strategy::value()), 0..5)
            .prop_map(|pairs| {
                let pairs = pairs.into_iter().map(|(k, v)| Value::Tuple(vec![k, v]));
                Value::List(pairs.collect())
            })
            .boxed(),
        "path" => vec(prop_oneof![key(), (-2i64..3).prop_map(Value::Int)], 0..3)
            .prop_map(Value::List)
            .boxed(),
        "by" | "min" | "max" => {
            prop_oneof![(-5i64..5).prop_map(Value::Int), strategy::number()].boxed()
        }
        "typecode" => "[bBhHiIlLqQfduw]".prop_map(Value::from).boxed(),
        "values" => vec(
            prop_oneof![(0i64..4).prop_map(Value::Int), strategy::value()],
            0..5,
        )
        .prop_map(Value::List)
        .boxed(),
        "clamp" | "blocking" | "owned" | "lifo" | "immediate" => {
            any::<bool>().prop_map(Value::Bool).boxed()
        }
        "limit" | "parties" | "count" | "index" | "n" | "permits" | "maxsize" | "size"
        | "dead_after" | "lease" => (1i64..5).prop_map(Value::Int).boxed(),
        // A revision, of which there are as many as calls.
        "receipt" => (1i64..30).prop_map(Value::Int).boxed(),
        "items" => vec(strategy::value(), 0..4).prop_map(Value::List).boxed(),
        "value" | "expected" | "default" => prop_oneof![
            (0i64..4).prop_map(Value::Int),
            strategy::number(),
            strategy::value(),
        ]
        .boxed(),
        _ => strategy::value(),
    };
    prop_oneof![40 => right, 1 => strategy::value()].boxed()
}

/// Options that the kind accepts.
pub(super) fn options(kind: &'static Kind) -> BoxedStrategy<Vec<(&'static str, Value)>> {
    let options: Vec<BoxedStrategy<Option<(&'static str, Value)>>> = kind
        .options
        .iter()
        .map(|option| {
            let given = argument(option.name).prop_map(move |value| Some((option.name, value)));
            let left_out = u32::from(!option.required);
            prop_oneof![1 => given, left_out => Just(None)].boxed()
        })
        .collect();
    options
        .prop_map(|options| options.into_iter().flatten().collect::<Vec<_>>())
        .prop_filter("the kind refuses such options", move |options| {
            let given: Vec<_> = options
                .iter()
                .map(|(n, v)| ((*n).to_owned(), v.clone()))
                .collect();
            Options::check(kind, &given).is_ok_and(|options| (kind.create)(&options).is_ok())
        })
        .boxed()
}

/// Rows that another kind, or nobody, would write.
pub(super) fn garbage() -> BoxedStrategy<Row> {
    let key = || {
        prop_oneof![
            Just(RowKey::EMPTY),
            Just(RowKey::of("gen")),
            "[a-z]{0,4}/[a-c]{0,2}".prop_map(|text| RowKey::from(text.into_bytes())),
            strategy::key().prop_map(|key| key.canonical_key().expect("a key").into()),
            vec(any::<u8>(), 0..6).prop_map(RowKey::from),
        ]
    };
    let value = prop_oneof![
        strategy::value(),
        // Near what kinds write: numbers first.
        (vec(any::<i64>(), 0..4), vec(strategy::value(), 0..3)).prop_map(|(numbers, values)| {
            Value::Tuple(numbers.into_iter().map(Value::Int).chain(values).collect())
        }),
    ];
    let session = prop::option::of((1u64..4).prop_map(SessionId));
    let expires = prop::option::of((1u64..4).prop_map(ServerTime));
    let ticket = prop::option::of((1u64..4, 0u64..3))
        .prop_map(|ticket| ticket.map(|(revision, index)| Ticket { revision, index }));
    prop_oneof![
        6 => (key(), value, ticket, session, expires)
            .prop_map(|(key, value, ticket, lent, expires)| Row::Put { key, value, ticket, lent, expires }),
        2 => key().prop_map(Row::delete),
        1 => key().prop_map(|prefix| Row::DeletePrefix { prefix }),
    ]
    .boxed()
}
