//! Bytes of strangers are read or refused; nothing panics, nothing runs away.

use crate::arbitrary::{change, value};
use bytes::Bytes;
use commonhold_proto::value::INT_BYTES_MAX;
use commonhold_proto::{Change, Outcome, Row, Value, wire};
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message as _;

/// Reads the bytes as everything that reads bytes. That it returns is the property; what is read can be written.
fn read_as_everything(bytes: &Bytes) {
    if let Ok(value) = Value::decode(bytes.clone()) {
        let again = Value::decode(&*value.encode_to_vec()).expect("it was read before");
        assert_eq!(format!("{again:?}"), format!("{value:?}"));
    }
    if let Ok(frame) = wire::ClientFrame::decode(bytes.clone()) {
        for call in frame.calls {
            drop(commonhold_proto::Call::from_wire(call));
        }
    }
    if let Ok(frame) = wire::ServerFrame::decode(bytes.clone()) {
        for reply in frame.replies {
            drop(commonhold_proto::Reply::from_wire(reply));
        }
    }
    drop(Change::decode(&mut bytes.clone()));
    drop(Row::decode(&mut bytes.clone()));
    drop(Outcome::decode(bytes.clone()));
}

proptest! {
    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes.into());
    }

    /// Mostly small field numbers and lengths, so that more of it means something.
    #[test]
    fn likely_bytes(bytes in vec(prop_oneof![0u8..20, 0u8..128, any::<u8>()], 0..60)) {
        read_as_everything(&bytes.into());
    }

    #[test]
    fn damaged_values(value in value(), at: prop::sample::Index, byte: u8, cut: prop::sample::Index) {
        let mut bytes = value.encode_to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        bytes.truncate(cut.index(bytes.len() + 1));
        read_as_everything(&bytes.into());
    }

    #[test]
    fn damaged_changes(change in change(), at: prop::sample::Index, byte: u8) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        let at = at.index(bytes.len());
        bytes[at] = byte;
        read_as_everything(&bytes.into());
    }

    #[test]
    fn a_change_that_is_cut_short_is_an_error(change in change(), cut: prop::sample::Index) {
        let mut bytes = Vec::new();
        change.encode(&mut bytes);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(Change::decode(&mut bytes.into()).is_err());
    }
}

/// Puts the bytes behind the key of a field and their length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    prost::encode_length_delimiter(content.len(), &mut bytes).expect("a vector grows");
    bytes.extend_from_slice(content);
    bytes
}

#[test]
fn endless_nesting_is_an_error() {
    for container in 8..=12 {
        let mut deep = Value::Null.encode_to_vec();
        for _ in 0..10_000 {
            // A dict wants an even number.
            let items = [field(1, &[]), field(1, &deep)].concat();
            deep = field(container, &items);
        }
        assert!(Value::decode(&*deep).is_err());
        let call = field(5, &deep);
        assert!(wire::ClientFrame::decode(&*field(2, &call)).is_err());
    }
}

#[test]
fn every_admissible_depth_fits_a_frame() {
    let deepest = (1..commonhold_proto::value::DEPTH_MAX)
        .fold(Value::Null, |inner, _| Value::List(vec![inner]));
    assert!(!deepest.is_too_large());
    let call = commonhold_proto::Call::new("set", vec![deepest]);
    let target = commonhold_proto::Target::Oid(commonhold_proto::Oid(1));
    let frame = wire::ClientFrame {
        calls: vec![call.into_wire(1, target, None, commonhold_proto::Owner(0))],
        ..wire::ClientFrame::default()
    };
    assert_eq!(
        wire::ClientFrame::decode(&*frame.encode_to_vec()),
        Ok(frame)
    );
}

#[test]
fn an_integer_of_more_than_64_kib_is_an_error() {
    let mut bytes = vec![0x7f; INT_BYTES_MAX];
    let largest = Value::decode(&*field(4, &bytes)).expect("64 KiB");
    assert_eq!(largest, Value::BigInt(BigInt::from_signed_bytes_le(&bytes)));
    assert!(!largest.is_too_large());
    bytes.push(1);
    let error = Value::decode(&*field(4, &bytes)).expect_err("a byte more");
    assert!(error.to_string().contains("an int is larger than 64 KiB"));
    assert!(Value::from_big_int(BigInt::from_signed_bytes_le(&bytes)).is_too_large());
    let just_above = BigInt::from(1) << (8 * INT_BYTES_MAX - 1);
    assert!(Value::from_big_int(just_above).is_too_large());
}

#[test]
fn a_dict_with_half_a_pair_is_an_error() {
    let three = field(1, &[0x18, 2]).repeat(3);
    let error = Value::decode(&*field(10, &three)).expect_err("three are no pairs");
    assert!(
        error
            .to_string()
            .contains("a dict has a key without a value")
    );
}
