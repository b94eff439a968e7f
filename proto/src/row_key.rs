//! The key of a row.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// As many bytes as beside their length take no more than a shared key does.
const SHORT: usize = 22;

/// A row's key within its object: bytes, in an order and of a form that the kind chooses.
///
/// Most keys are short. Those stand in the key itself, so that a table of rows compares keys without leaving its slots, and a
/// copy takes no memory; long ones are shared by all copies.
#[derive(Clone)]
pub struct RowKey(Form);

#[derive(Clone)]
enum Form {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Arc<[u8]>),
}

impl RowKey {
    /// The key of an object that has one row.
    pub const EMPTY: RowKey = RowKey::of("");

    /// A key that is known when the program is written.
    ///
    /// # Panics
    ///
    /// If it has more than 22 bytes.
    pub const fn of(key: &'static str) -> RowKey {
        let (key, mut bytes) = (key.as_bytes(), [0; SHORT]);
        assert!(key.len() <= SHORT, "a key of a program's own is short");
        let mut length = 0;
        while (length as usize) < key.len() {
            bytes[length as usize] = key[length as usize];
            length += 1;
        }
        RowKey(Form::Short { length, bytes })
    }
}

impl Deref for RowKey {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Form::Short { length, bytes } => &bytes[..usize::from(*length)],
            Form::Long(key) => key,
        }
    }
}

impl From<&[u8]> for RowKey {
    #[inline]
    fn from(key: &[u8]) -> RowKey {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(short), Ok(length)) => {
                short.copy_from_slice(key);
                RowKey(Form::Short { length, bytes })
            }
            _ => RowKey(Form::Long(key.into())),
        }
    }
}

impl<const N: usize> From<[u8; N]> for RowKey {
    #[inline]
    fn from(key: [u8; N]) -> RowKey {
        RowKey::from(&key[..])
    }
}

impl From<Vec<u8>> for RowKey {
    fn from(key: Vec<u8>) -> RowKey {
        RowKey::from(&key[..])
    }
}

impl AsRef<[u8]> for RowKey {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for RowKey {
    fn default() -> RowKey {
        RowKey::EMPTY
    }
}

impl PartialEq for RowKey {
    #[inline]
    fn eq(&self, other: &RowKey) -> bool {
        **self == **other
    }
}

impl Eq for RowKey {}

impl PartialOrd for RowKey {
    fn partial_cmp(&self, other: &RowKey) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for RowKey {
    #[inline]
    fn cmp(&self, other: &RowKey) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for RowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for RowKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RowKey({})", self.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::hash_map::DefaultHasher;

    fn hash(key: &impl Hash) -> u64 {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        hasher.finish()
    }

    proptest! {
        #[test]
        fn a_key_is_its_bytes(
            one in prop::collection::vec(0u8..3, 0..2 * SHORT),
            other in prop::collection::vec(0u8..3, 0..2 * SHORT),
        ) {
            let keys = [&one, &other].map(|bytes| RowKey::from(&bytes[..]));
            prop_assert_eq!(&*keys[0], &one[..]);
            prop_assert_eq!(&*keys[0].clone(), &one[..]);
            prop_assert_eq!(keys[0].cmp(&keys[1]), one.cmp(&other));
            prop_assert_eq!(keys[0] == keys[1], one == other);
            prop_assert_eq!(hash(&keys[0]), hash(&one));
        }
    }

    #[test]
    fn a_key_is_as_small_as_a_vector() {
        assert_eq!(size_of::<RowKey>(), size_of::<Vec<u8>>());
        assert_eq!(&*RowKey::of("open"), b"open");
        assert_eq!(RowKey::EMPTY, RowKey::default());
    }
}
