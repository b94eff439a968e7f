//! The hand-written wire form of a value is the one that the `.proto` describes: a twin that prost derives reads and
//! writes the same bytes, and the twin is checked against the compiled descriptors.

use crate::arbitrary::value;
use bytes::Bytes;
use commonhold_proto::{Oid, Opaque, Reference, Value, wire};
use num_bigint::BigInt;
use proptest::prelude::*;
use prost::{Message, Oneof};

#[derive(Clone, PartialEq, Message)]
struct TwinValue {
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14")]
    kind: Option<Kind>,
}

#[derive(Clone, PartialEq, Oneof)]
enum Kind {
    #[prost(bool, tag = "1")]
    Null(bool),
    #[prost(bool, tag = "2")]
    Bool(bool),
    #[prost(sint64, tag = "3")]
    Int(i64),
    #[prost(bytes = "vec", tag = "4")]
    BigInt(Vec<u8>),
    #[prost(double, tag = "5")]
    Float(f64),
    #[prost(string, tag = "6")]
    Text(String),
    #[prost(bytes = "vec", tag = "7")]
    Bytes(Vec<u8>),
    #[prost(message, tag = "8")]
    List(TwinValues),
    #[prost(message, tag = "9")]
    Tuple(TwinValues),
    #[prost(message, tag = "10")]
    Dict(TwinValues),
    #[prost(message, tag = "11")]
    Set(TwinValues),
    #[prost(message, tag = "12")]
    Frozenset(TwinValues),
    #[prost(message, tag = "13")]
    Reference(TwinReference),
    #[prost(message, tag = "14")]
    Opaque(TwinOpaque),
}

#[derive(Clone, PartialEq, Message)]
struct TwinValues {
    #[prost(message, repeated, tag = "1")]
    items: Vec<TwinValue>,
}

#[derive(Clone, PartialEq, Message)]
struct TwinReference {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(uint64, tag = "3")]
    oid: u64,
}

#[derive(Clone, PartialEq, Message)]
struct TwinOpaque {
    #[prost(string, tag = "1")]
    codec: String,
    #[prost(bytes = "vec", tag = "2")]
    bytes: Vec<u8>,
    #[prost(message, repeated, tag = "3")]
    references: Vec<TwinReference>,
}

fn twins<'a>(items: impl IntoIterator<Item = &'a Value>) -> TwinValues {
    TwinValues {
        items: items.into_iter().map(twin).collect(),
    }
}

fn twin(value: &Value) -> TwinValue {
    let kind = match value {
        Value::Null => Kind::Null(true),
        Value::Bool(value) => Kind::Bool(*value),
        Value::Int(number) => Kind::Int(*number),
        Value::BigInt(number) => Kind::BigInt(number.to_signed_bytes_le()),
        Value::Float(number) => Kind::Float(*number),
        Value::Text(text) => Kind::Text(text.to_string()),
        Value::Bytes(bytes) => Kind::Bytes(bytes.to_vec()),
        Value::List(items) => Kind::List(twins(items)),
        Value::Tuple(items) => Kind::Tuple(twins(items)),
        Value::Dict(pairs) => Kind::Dict(twins(pairs.iter().flat_map(|(k, v)| [k, v]))),
        Value::Set(members) => Kind::Set(twins(members)),
        Value::Frozenset(members) => Kind::Frozenset(twins(members)),
        Value::Reference(reference) => Kind::Reference(twin_reference(reference)),
        Value::Opaque(opaque) => Kind::Opaque(twin_opaque(opaque)),
    };
    TwinValue { kind: Some(kind) }
}

fn twin_reference(reference: &Reference) -> TwinReference {
    TwinReference {
        kind: reference.kind.clone(),
        name: reference.name.clone(),
        oid: reference.oid.0,
    }
}

fn twin_opaque(opaque: &Opaque) -> TwinOpaque {
    TwinOpaque {
        codec: opaque.codec.clone(),
        bytes: opaque.bytes.to_vec(),
        references: opaque.references.iter().map(twin_reference).collect(),
    }
}

proptest! {
    #[test]
    fn both_write_the_same_bytes_and_read_them(value in value()) {
        let (twin, bytes) = (twin(&value), value.encode_to_vec());
        prop_assert_eq!(&twin.encode_to_vec(), &bytes);
        prop_assert_eq!(value.encoded_len(), bytes.len());
        prop_assert_eq!(&TwinValue::decode(&*bytes)?.encode_to_vec(), &bytes);
        // From one buffer and from a chain of two.
        prop_assert_eq!(&Value::decode(&*bytes)?.encode_to_vec(), &bytes);
        let (first, second) = bytes.split_at(bytes.len() / 2);
        let chained = Value::decode(bytes::Buf::chain(first, second))?;
        prop_assert_eq!(format!("{chained:?}"), format!("{value:?}"));
    }

    /// Neither takes what the other calls broken, but for what only we know of: odd dicts and endless integers.
    #[test]
    fn both_refuse_the_same_garbage(bytes in proptest::collection::vec(0u8..120, 0..12)) {
        let (twin, value) = (TwinValue::decode(&*bytes), Value::decode(&*bytes));
        match value {
            Ok(_) => prop_assert!(twin.is_ok()),
            Err(error) => prop_assert!(
                twin.is_err() || error.to_string().contains("a dict has a key without a value")
            ),
        }
    }
}

#[test]
fn unknown_and_absent_fields_are_passed_over() {
    assert_eq!(Value::decode(&[][..]), Ok(Value::Null));
    // Field 15, a number; then field 3.
    assert_eq!(Value::decode(&[0x78, 5, 0x18, 2][..]), Ok(Value::Int(1)));
    // The last field of a oneof counts.
    assert_eq!(Value::decode(&[0x10, 1, 0x18, 3][..]), Ok(Value::Int(-2)));
}

#[test]
fn an_integer_that_came_in_a_longer_form_is_normal_again() {
    let long = |bytes: &[u8]| {
        let kind = Some(Kind::BigInt(bytes.to_vec()));
        Value::decode(&*TwinValue { kind }.encode_to_vec())
    };
    assert_eq!(long(&[]), Ok(Value::Int(0)));
    assert_eq!(long(&[0xff; 20]), Ok(Value::Int(-1)));
    let mut edge = vec![0; 9];
    edge[7] = 0x80;
    assert_eq!(long(&edge), Ok(Value::BigInt(BigInt::from(1u64 << 63))));
}

#[test]
fn what_is_read_does_not_keep_the_frame_that_it_came_in() {
    let reference = Reference {
        kind: "dict".into(),
        name: String::new(),
        oid: Oid(1),
    };
    let short = Value::List(vec![
        Value::Bytes(Bytes::from_static(b"short")),
        Value::Opaque(Box::new(Opaque {
            codec: "pickle".into(),
            bytes: Bytes::from_static(b"short"),
            references: vec![reference],
        })),
    ]);
    let frame = Bytes::from(short.encode_to_vec());
    let read = Value::decode(frame.clone()).expect("a value");
    assert!(frame.is_unique(), "{read} holds on to its frame");

    let long = Value::Bytes(vec![7; 64 << 10].into());
    let frame = Bytes::from(long.encode_to_vec());
    let read = Value::decode(frame.clone()).expect("a value");
    assert!(!frame.is_unique(), "{} bytes were copied", read.size());
}

/// As much of `descriptor.proto` as tells the fields of messages.
mod descriptor {
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Files {
        #[prost(message, repeated, tag = "1")]
        pub(super) files: Vec<File>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct File {
        #[prost(message, repeated, tag = "4")]
        pub(super) messages: Vec<Described>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Described {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(message, repeated, tag = "2")]
        pub(super) fields: Vec<Field>,
    }

    #[derive(Clone, PartialEq, Message)]
    pub(super) struct Field {
        #[prost(string, tag = "1")]
        pub(super) name: String,
        #[prost(int32, tag = "3")]
        pub(super) number: i32,
        /// 1 double, 4 uint64, 8 bool, 9 string, 11 message, 12 bytes, 18 sint64.
        #[prost(int32, tag = "5")]
        pub(super) kind: i32,
    }
}

#[test]
fn the_twin_is_what_the_proto_file_says() {
    let files = descriptor::Files::decode(wire::DESCRIPTORS).expect("descriptors");
    let fields = |message: &str| -> Vec<(String, i32, i32)> {
        let messages = files.files.iter().flat_map(|file| &file.messages);
        let mut found = messages.filter(|described| described.name == message);
        let fields = &found.next().expect("the message is described").fields;
        fields
            .iter()
            .map(|field| (field.name.clone(), field.number, field.kind))
            .collect()
    };
    let table = |rows: &[(&str, i32, i32)]| -> Vec<(String, i32, i32)> {
        rows.iter()
            .map(|(name, number, kind)| ((*name).to_owned(), *number, *kind))
            .collect()
    };
    assert_eq!(
        fields("Value"),
        table(&[
            ("null", 1, 8),
            ("bool", 2, 8),
            ("int", 3, 18),
            ("big_int", 4, 12),
            ("float", 5, 1),
            ("text", 6, 9),
            ("bytes", 7, 12),
            ("list", 8, 11),
            ("tuple", 9, 11),
            ("dict", 10, 11),
            ("set", 11, 11),
            ("frozenset", 12, 11),
            ("reference", 13, 11),
            ("opaque", 14, 11),
        ])
    );
    assert_eq!(fields("Values"), table(&[("items", 1, 11)]));
    assert_eq!(
        fields("Reference"),
        table(&[("kind", 1, 9), ("name", 2, 9), ("oid", 3, 4)])
    );
    assert_eq!(
        fields("Opaque"),
        table(&[("codec", 1, 9), ("bytes", 2, 12), ("references", 3, 11)])
    );
}
