//! What tells a call that is sent again from another call under the same number.

use crate::{Call, Target, Value, wire};
use fnv::FnvHasher;
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message as _};
use std::hash::Hasher;
use twox_hash::XxHash3_64;

/// Parts of a call of more bytes have a faster hash.
const LONG: usize = 256;

// The numbers of `message Call` in `commonhold.proto` that are not the call itself.
const SEQUENCE: u32 = 1;
const TIMEOUT: u32 = 7;
const OWNER: u32 = 8;
const FENCE: u32 = 9;

impl Call {
    /// A 64-bit hash of object, method and arguments, but not of sequence, owner or time-out: what tells the same call sent
    /// again from another call under the same number. It is FNV-1a, and takes XXH3 of what is long.
    pub fn fingerprint(&self, target: &Target) -> u64 {
        let mut hasher = FnvHasher::default();
        match target {
            Target::Oid(oid) => hasher.write_u64(oid.0.to_le()),
            Target::Open(open) => {
                for part in [&open.kind, &open.name] {
                    hasher.write(part.as_bytes());
                    hasher.write_u8(0xff);
                }
            }
        }
        hasher.write(self.method.as_bytes());
        hasher.write_u8(0xff);
        let mut scratch = Vec::new();
        // Each argument behind what tells it from any other: a tag, and its length where that can differ.
        let mut write = |value: &Value| match value {
            // The many: no buffer for them, nor for those that may be large.
            Value::Int(number) => {
                hasher.write_u8(0);
                hasher.write_u64(number.cast_unsigned().to_le());
            }
            Value::Text(text) => write_part(&mut hasher, 1, text.as_bytes()),
            Value::Bytes(bytes) => write_part(&mut hasher, 3, bytes),
            other => {
                scratch.clear();
                other.encode(&mut scratch).expect("a vector grows");
                write_part(&mut hasher, 2, &scratch);
            }
        };
        self.arguments.iter().for_each(&mut write);
        for (name, value) in &self.named {
            write(&Value::from(name.as_str()));
            write(value);
        }
        hasher.finish()
    }
}

impl wire::Call {
    /// Another such hash, of a call in its encoded form: of its bytes but for sequence, owner, time-out and fence. A client
    /// sends what it sends again in the same bytes and in the same way, whole or in parts: the server takes this for those in
    /// parts, which are large, and [`Call::fingerprint`] for all others.
    ///
    /// # Errors
    /// If the bytes are no message.
    pub fn fingerprint(call: &[u8]) -> Result<u64, DecodeError> {
        let mut hasher = FnvHasher::default();
        let mut rest = call;
        while !rest.is_empty() {
            let field = rest;
            let (tag, wire_type) = decode_key(&mut rest)?;
            skip_field(wire_type, tag, &mut rest, DecodeContext::default())?;
            if !matches!(tag, SEQUENCE | TIMEOUT | OWNER | FENCE) {
                hasher.write_u64(XxHash3_64::oneshot(&field[..field.len() - rest.len()]).to_le());
            }
        }
        Ok(hasher.finish())
    }
}

/// Hashes one part of a call. FNV-1a is the quicker for few bytes, and many times slower for many.
fn write_part(hasher: &mut FnvHasher, tag: u8, part: &[u8]) {
    hasher.write_u8(tag);
    hasher.write_u64((part.len() as u64).to_le());
    if part.len() <= LONG {
        hasher.write(part);
    } else {
        hasher.write_u64(XxHash3_64::oneshot(part).to_le());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Fence, Oid, Owner, Revision};
    use bytes::Bytes;
    use std::time::Duration;

    /// What is stored with outcomes must be found again by every later build.
    #[test]
    fn fingerprints_never_change() {
        let long: Bytes = vec![7; 1000].into();
        let calls = [
            Call::new("increment", ["/index".into(), 1.into()]),
            Call::new("set", ["k".into(), Value::Bytes(long)]),
            Call::new("set", ["k".into(), "x".repeat(1000).into()]),
            Call::new("put", [Value::List(vec![Value::Null; 300])]),
        ];
        let of = |call: &Call| call.fingerprint(&Target::Oid(Oid(7)));
        let expected = [
            1_730_219_446_597_413_323,
            6_058_859_455_758_620_570,
            10_051_480_202_270_949_362,
            7_361_581_698_276_150_919,
        ];
        assert_eq!(calls.each_ref().map(of), expected);
    }

    #[test]
    fn calls_that_differ_in_a_byte_differ() {
        let target = Target::Oid(Oid(7));
        let of = |value: Value| Call::new("set", [value]).fingerprint(&target);
        for length in [1, LONG, LONG + 1, 100_000] {
            let mut bytes = vec![7; length];
            let before = of(Value::Bytes(bytes.clone().into()));
            bytes[length / 2] = 8;
            assert_ne!(of(Value::Bytes(bytes.clone().into())), before);
            assert_ne!(of("\u{7}".repeat(length).into()), before);
        }
    }

    #[test]
    fn the_encoded_call_alone_makes_its_fingerprint() {
        let encoded = |sequence, oid, call: Call, ms: Option<u64>, owner, token: Option<u64>| {
            let timeout = ms.map(Duration::from_millis);
            let mut sent = call.into_wire(sequence, Target::Oid(Oid(oid)), timeout, Owner(owner));
            let fence = |token| Fence {
                lock: Oid(9),
                token: Revision(token),
            };
            sent.fence = token.map(|token| fence(token).to_wire());
            wire::Call::fingerprint(&sent.encode_to_vec()).expect("it is a call")
        };
        let call = || Call::new("set", ["k".into(), 1.into()]).with("path", 2);
        let first = encoded(1, 7, call(), None, 0, None);
        assert_eq!(encoded(300, 7, call(), Some(5), 6, Some(8)), first);
        assert_eq!(first, 5_731_465_288_316_579_889);
        let named = || Call::new("set", ["k".into(), 1.into()]);
        for other in [
            encoded(1, 8, call(), None, 0, None),
            encoded(1, 7, named(), None, 0, None),
            encoded(1, 7, named().with("path", 3), None, 0, None),
            encoded(
                1,
                7,
                Call::new("set", [1.into(), "k".into()]).with("path", 2),
                None,
                0,
                None,
            ),
            encoded(
                1,
                7,
                Call::new("put", ["k".into(), 1.into()]).with("path", 2),
                None,
                0,
                None,
            ),
        ] {
            assert_ne!(other, first);
        }
        assert!(wire::Call::fingerprint(&[0x2a, 5, 1]).is_err());
    }
}
