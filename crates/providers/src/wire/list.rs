//! Lists: needed or not, lenient or not, under one name or under one of several.

use std::marker::PhantomData;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, SeqAccess},
};
use serde_json::Value;
use taskward_core::{LenientList, ListEntry};

use super::{
    DecodeError, decode,
    lenient::{FromWire, Optional, Take, Taken, kind, read},
};

/// A needed list: one odd item spoils it. An optional one has its good items and preserves the odd ones apart.
impl<T: FromWire> FromWire for Vec<T> {
    const EXPECTED: &'static str = "an array";
    const FALLIBLE: bool = true;

    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Taken<Self>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Take::<T>::new())? {
            let position = items.len();
            let odd = match item {
                Taken::Is(item) => {
                    items.push(item);
                    continue;
                }
                Taken::Null => "null",
                Taken::Not(value) => kind(&value),
            };
            let expected = T::EXPECTED;
            return Err(A::Error::custom(format_args!(
                "item {position} of a list is {odd}, expected {expected}"
            )));
        }
        Ok(Taken::Is(items))
    }

    fn read_optional<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<(Option<Self>, Option<Value>), D::Error> {
        Ok(match Take::<Sorted<T>>::new().deserialize(deserializer)? {
            Taken::Null => (None, None),
            Taken::Is(Sorted { good, odd }) if odd.is_empty() => (Some(good), None),
            Taken::Is(Sorted { good, odd }) => (Some(good), Some(Value::Array(odd))),
            Taken::Not(value) => (None, Some(value)),
        })
    }
}

/// The items of a list, those that are a `T` apart from the others.
struct Sorted<T> {
    good: Vec<T>,
    odd: Vec<Value>,
}

impl<T: FromWire> FromWire for Sorted<T> {
    const EXPECTED: &'static str = "an array";

    fn from_seq<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Taken<Self>, A::Error> {
        let mut sorted = Self {
            good: Vec::new(),
            odd: Vec::new(),
        };
        while let Some((good, odd)) = seq.next_element_seed(Optional(PhantomData))? {
            match (good, odd) {
                (None, None) => sorted.odd.push(Value::Null),
                (good, odd) => {
                    sorted.good.extend(good);
                    sorted.odd.extend(odd);
                }
            }
        }
        Ok(Taken::Is(sorted))
    }
}

/// No entry spoils it, not even a null one: each preserves its place.
impl<T: FromWire> FromWire for LenientList<T> {
    const EXPECTED: &'static str = "an array";

    fn from_seq<'de, A: SeqAccess<'de>>(seq: A) -> Result<Taken<Self>, A::Error> {
        entries(seq).map(Taken::Is)
    }
}

/// Reads a body that is such a list.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode_list<T: FromWire>(body: &[u8]) -> Result<LenientList<T>, DecodeError> {
    struct List<T>(LenientList<T>);

    impl<'de, T: FromWire> Deserialize<'de> for List<T> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            read(deserializer).map(Self)
        }
    }

    decode(body).map(|List(list)| list)
}

/// Reads a list in which each entry preserves its place.
///
/// # Errors
///
/// Only when the input is broken.
pub fn entries<'de, A: SeqAccess<'de>, T: FromWire>(
    mut seq: A,
) -> Result<LenientList<T>, A::Error> {
    let mut entries = Vec::new();
    while let Some((entry, _)) = seq.next_element_seed(Optional(PhantomData))? {
        entries.push(entry.map_or(ListEntry::Unreadable, ListEntry::Readable));
    }
    Ok(entries.into_iter().collect())
}

/// Returns the first of several lists that is there.
///
/// # Errors
///
/// When there is none.
pub fn first_list<T, E: Error, const N: usize>(
    owner: &str,
    lists: [(&str, Option<LenientList<T>>); N],
) -> Result<LenientList<T>, E> {
    let names = lists.each_ref().map(|(name, _)| *name);
    lists
        .into_iter()
        .find_map(|(_, list)| list)
        .ok_or_else(|| E::custom(format_args!("{owner} has no array under any of {names:?}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use taskward_core::{LenientList, ListEntry};

    use crate::wire::lenient::{read, tests::optional_of};

    #[test]
    fn an_optional_list_keeps_its_good_items_and_leaves_the_odd_ones_over() {
        let (good, odd) = optional_of::<Vec<String>>(json!(["a", 1, null, "b", {}]));
        assert_eq!(good, Some(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(odd, Some(json!([1, null, {}])));
        assert_eq!(
            optional_of::<Vec<String>>(json!("a")),
            (None, Some(json!("a")))
        );
        let (good, odd) = optional_of::<Vec<Vec<i64>>>(json!([[1], ["x"], []]));
        assert_eq!(good, Some(vec![vec![1], vec![], vec![]]));
        assert_eq!(odd, Some(json!([["x"]])));
    }

    #[test]
    fn a_needed_list_names_its_odd_item() {
        let error = read::<_, Vec<String>>(json!(["a", null]))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "item 1 of a list is null, expected a string");
    }

    /// Rows: D23.
    #[test]
    fn a_lenient_list_keeps_the_place_of_each_entry() {
        use ListEntry::{Readable, Unreadable};
        let list: LenientList<i64> = read(json!([1, null, "x", [1], {}, 2])).unwrap();
        let odd = Unreadable;
        assert_eq!(
            list.entries(),
            [Readable(1), odd, odd, odd, odd, Readable(2)]
        );
        assert_eq!((list.unreadable(), list.len()), (4, 6));
        assert!(read::<_, LenientList<String>>(json!({})).is_err());
    }
}
