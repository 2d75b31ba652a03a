//! Which task a reply is about: one that names another says nothing of ours.

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{DecodeError, Key, decode::decode_with, repair};

/// Where the objects of a platform's replies name the task that they are about.
///
/// Only what the platform itself writes is checked. What an agent wrote (the content of a message, a result) may mention
/// any task.
#[derive(Debug)]
pub struct Naming {
    /// Members that hold the task's id.
    pub ids: &'static [&'static str],
    /// Members that hold an object, or a list of objects, that may name it too, and how.
    pub inside: &'static [(&'static str, &'static Naming)],
}

/// The task that was asked about, and where a reply would name it.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    id: &'a str,
    naming: &'static Naming,
}

impl<'a> Subject<'a> {
    /// Returns the subject for the task of this id.
    pub fn new(id: &'a str, naming: &'static Naming) -> Self {
        Self { id, naming }
    }

    /// Checks that nothing in `body` names another task. A body that cannot be read names none.
    ///
    /// # Errors
    /// [`DecodeError::Foreign`] when it names another.
    pub fn check(self, body: &[u8]) -> Result<(), DecodeError> {
        if self.is_plainly_named(body) {
            return Ok(());
        }
        match decode_with(body, Names(self)) {
            Ok(true) => Err(DecodeError::Foreign),
            Ok(false) | Err(_) => Ok(()),
        }
    }

    /// Returns whether the bytes alone show that nothing in `body` names another task, as those of most replies do: nothing
    /// in it is escaped, and wherever a member's name stands the id itself follows. It is a tenth of the work of reading it.
    fn is_plainly_named(self, body: &[u8]) -> bool {
        memchr::memchr(b'\\', body).is_none() && self.follows_each_name(self.naming, &[], body)
    }

    /// Returns whether the id follows each of the names that were not looked at as those of the object around.
    fn follows_each_name(self, naming: &Naming, around: &[&str], body: &[u8]) -> bool {
        let follows = |name: &&str| {
            memchr::memmem::find_iter(body, name).all(|at| {
                let (before, rest) = (&body[..at], &body[at + name.len()..]);
                let Some(value) = rest.strip_prefix(b"\"").filter(|_| before.ends_with(b"\""))
                else {
                    return true;
                };
                let id = value.strip_prefix(b":\"").or(value.strip_prefix(b": \""));
                let end = id.and_then(|id| id.strip_prefix(self.id.as_bytes()));
                end.is_some_and(|end| end.starts_with(b"\""))
            })
        };
        let mut names = naming.ids.iter().filter(|name| !around.contains(name));
        let mut inside = naming.inside.iter();
        names.all(follows)
            && inside.all(|(_, inner)| self.follows_each_name(inner, naming.ids, body))
    }

    /// Returns whether this text, found in the place of an id, names another task. An empty one names none; a UUID may be
    /// written in capitals; a damaged id may be that of any task.
    fn is_foreign(self, text: &str) -> bool {
        Self::is_other(self.id, text)
    }

    /// Returns whether this text, read from the place of an id, is not the id of the task that was asked about.
    pub(crate) fn is_other(id: &str, text: &str) -> bool {
        let uuid = |text: &str| uuid::Uuid::try_parse(text).ok();
        !text.is_empty()
            && text != id
            && (repair::is_damaged(text) || uuid(text).is_none_or(|found| Some(found) != uuid(id)))
    }
}

/// Reads any JSON value; true when the id that it is names another task.
#[derive(Clone, Copy)]
pub(super) struct Id<'a>(pub(super) Subject<'a>);

/// Reads any JSON value; true when an object in it names another task.
#[derive(Clone, Copy)]
pub(super) struct Names<'a>(pub(super) Subject<'a>);

impl Names<'_> {
    /// Reads the value of a member; true when it names another task.
    pub(super) fn member<'de, A: MapAccess<'de>>(
        self,
        key: &str,
        map: &mut A,
    ) -> Result<bool, A::Error> {
        let naming = self.0.naming;
        if naming.ids.contains(&key) {
            return map.next_value_seed(Id(self.0));
        }
        let inner = naming.inside.iter().find(|(name, _)| *name == key);
        match inner {
            Some((_, naming)) => map.next_value_seed(Names(Subject { naming, ..self.0 })),
            None => map.next_value::<IgnoredAny>().map(|_| false),
        }
    }
}

/// The scalars of both.
macro_rules! scalars {
    ($text:item) => {
        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("any JSON")
        }

        $text

        fn visit_unit<E: Error>(self) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_bool<E: Error>(self, _: bool) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<bool, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<bool, E> {
            self.visit_str(&number.to_string())
        }

        fn visit_f64<E: Error>(self, number: f64) -> Result<bool, E> {
            self.visit_str(&number.to_string())
        }
    };
}

impl<'de> DeserializeSeed<'de> for Id<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Id<'_> {
    type Value = bool;

    scalars! {
        fn visit_str<E: Error>(self, text: &str) -> Result<bool, E> {
            Ok(self.0.is_foreign(text))
        }
    }

    // Not an id: as if there were none.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(false)
    }
}

impl<'de> DeserializeSeed<'de> for Names<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Names<'_> {
    type Value = bool;

    scalars! {
        fn visit_str<E: Error>(self, _: &str) -> Result<bool, E> {
            Ok(false)
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        let mut foreign = false;
        while let Some(found) = seq.next_element_seed(self)? {
            foreign |= found;
        }
        Ok(foreign)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        let mut foreign = false;
        while let Some(key) = map.next_key::<Key<'de>>()? {
            foreign |= self.member(key.as_str(), &mut map)?;
        }
        Ok(foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Naming = Naming {
        ids: &["task_id"],
        inside: &[],
    };
    const REPLY: Naming = Naming {
        ids: &["id", "task_id"],
        inside: &[("data", &ENTRY)],
    };

    fn is_foreign(id: &str, body: &[u8]) -> bool {
        Subject::new(id, &REPLY).check(body).is_err()
    }

    #[test]
    fn another_task_is_found_wherever_the_platform_names_one_and_nowhere_else() {
        for body in [
            r#"{"task_id":"B"}"#,
            r#"{"id":"A","task_id":"B"}"#,
            r#"{"id":"B","id":"A"}"#,
            r#"{"task\u005fid":"B"}"#,
            r#"{"id":7}"#,
            r#"{"id":1.5}"#,
            r#"{"id":"A\ud83d"}"#,
            r#"{"data":[null,7,{"x":1},{"task_id":"B"}]}"#,
            r#"{"data":{"task_id":"B"}}"#,
            r#"[{"task_id":"A"},[{"task_id":"B"}]]"#,
            "\u{feff}{\"id\":\"B\"}",
        ] {
            assert!(is_foreign("A", body.as_bytes()), "{body}");
        }
        for body in [
            "",
            "7",
            "\"B\"",
            "null",
            "<html>",
            r#"{"id":"B""#,
            "{}",
            r#"{"id":"A","task_id":null}"#,
            r#"{"id":""}"#,
            r#"{"id":{"id":"B"},"task_id":["B"]}"#,
            r#"{"id":true}"#,
            r#"{"result":{"task_id":"B"},"content":[{"id":"B"}]}"#,
            r#"{"data":[{"id":"m1","task_id":"A"}]}"#,
        ] {
            assert!(!is_foreign("A", body.as_bytes()), "{body}");
        }
    }

    #[test]
    fn what_the_bytes_alone_show_is_what_reading_them_shows() {
        let plain = |body: &str| Subject::new("A", &REPLY).is_plainly_named(body.as_bytes());
        for body in [
            r#"{"task_id":"A","id": "A","data":[{"task_id":"A"}]}"#,
            r#"{"my_id":"B","title":"the task_id of B, or its id"}"#,
            "<html>",
            "",
        ] {
            assert!(plain(body) && !is_foreign("A", body.as_bytes()), "{body}");
        }
        for body in [
            r#"{"task_id":"B"}"#,
            r#"{"task_id":"AB"}"#,
            r#"{"task_id":"A"#,
            r#"{"data":[{"task_id":7}]}"#,
            r#"{"task\u005fid":"B"}"#,
            r#"{"title":"id"}"#,
        ] {
            assert!(!plain(body), "{body}");
        }
    }

    #[test]
    fn one_id_may_be_written_in_several_ways() {
        let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
        let written = |id: &str| format!(r#"{{"id":"{id}"}}"#);
        assert!(!is_foreign(id, written(&id.to_uppercase()).as_bytes()));
        assert!(!is_foreign(&id.to_uppercase(), written(id).as_bytes()));
        assert!(is_foreign(id, written(&id.replace('6', "7")).as_bytes()));
        let wide = "123456789012345678901234567890";
        assert!(!is_foreign(wide, format!(r#"{{"id":{wide}}}"#).as_bytes()));
        assert!(!is_foreign("17", br#"{"id":17}"#));
        assert!(is_foreign("a", br#"{"id":"A"}"#));
    }
}
