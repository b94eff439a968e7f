//! A kind that only tests have: room for one item. Whoever puts waits until it is free, and may note before that it came.

use super::kinds::Shelf;
use crate::objects::{Arguments, Decision, Kind, Method, Operation, Parameter};
use commonhold_proto::{Call, Refusal, Row, RowKey, Rows, Value};
use smallvec::smallvec;

const VALUE: Parameter = Parameter::required("value", "the item");
const ITEM: RowKey = RowKey::of("item");
const CAME: RowKey = RowKey::of("came");

/// The kind.
pub(super) static SLOT: Kind = Kind {
    name: "slot",
    doc: "Room for one item.",
    options: &[],
    methods: &[
        Method::write("put", "Puts an item once there is room.", &[VALUE]).waiting(),
        Method::write("offer", "Notes that it came, and puts an item.", &[VALUE]).waiting(),
        Method::write("take", "Takes the item, or None.", &[]),
    ],
    create: |_| {
        Ok(Shelf::make(decide, |_, key, _| -> Rows {
            smallvec![Row::delete(key.clone())]
        }))
    },
};

fn decide(
    shelf: &Shelf,
    _: &Operation,
    call: &Arguments,
    _ahead: bool,
) -> Result<Decision, Refusal> {
    if call.method() == "take" {
        let item = shelf.value(&ITEM).cloned().unwrap_or(Value::Null);
        return Ok(Decision::reply(item).with(Row::delete(ITEM)));
    }
    let value = call.value("value")?.clone();
    if shelf.value(&ITEM).is_none() {
        return Ok(Decision::reply(Value::Null).with(Row::put(ITEM, value)));
    }
    let wait = Decision::wait(ITEM, Call::new("put", [value]));
    Ok(if call.method() == "offer" {
        wait.with(Row::put(CAME, true.into()))
    } else {
        wait
    })
}
