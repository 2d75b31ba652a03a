//! Lists: needed or not, under one name or under one of several.

use std::marker::PhantomData;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, SeqAccess},
};
use serde_json::{Map, Value};

use super::lenient::{FromWire, Optional, Take, Taken, kind};

/// A needed list: one odd item spoils it. An optional one keeps its good items and leaves the odd ones over.
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

impl<T: FromWire> Sorted<T> {
    fn read<'de, A: SeqAccess<'de>>(mut seq: A) -> Result<Self, A::Error> {
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
        Ok(sorted)
    }
}

impl<T: FromWire> FromWire for Sorted<T> {
    const EXPECTED: &'static str = "an array";

    fn from_seq<'de, A: SeqAccess<'de>>(seq: A) -> Result<Taken<Self>, A::Error> {
        Sorted::read(seq).map(Taken::Is)
    }
}

/// Reads a list that stands alone; its odd items go to `extra` under the name that it has in an object.
///
/// # Errors
///
/// When the input is broken, or all items are odd.
pub fn items<'de, A: SeqAccess<'de>, T: FromWire>(
    seq: A,
    owner: &str,
    name: &str,
    extra: &mut Map<String, Value>,
) -> Result<Vec<T>, A::Error> {
    let Sorted { good, odd } = Sorted::read(seq)?;
    if !odd.is_empty() {
        extra.insert(name.to_owned(), Value::Array(odd));
    }
    first_list(owner, [(name, Some(good))], extra)
}

/// The first of several lists that is there.
///
/// # Errors
///
/// When there is none, or all its items are odd, which is no empty list.
pub fn first_list<T: FromWire, E: Error, const N: usize>(
    owner: &str,
    lists: [(&str, Option<Vec<T>>); N],
    extra: &Map<String, Value>,
) -> Result<Vec<T>, E> {
    let names = lists.each_ref().map(|(name, _)| *name);
    let there = lists
        .into_iter()
        .find_map(|(name, list)| list.map(|list| (name, list)));
    let Some((name, list)) = there else {
        return Err(E::custom(format_args!(
            "{owner} has no array under any of {names:?}"
        )));
    };
    if list.is_empty() && extra.contains_key(name) {
        let expected = T::EXPECTED;
        return Err(E::custom(format_args!(
            "no item under \"{name}\" of {owner} is {expected}"
        )));
    }
    Ok(list)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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
}
