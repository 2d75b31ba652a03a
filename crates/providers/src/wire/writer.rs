use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::{Map, Value};

/// Writes an object whose named fields come from a struct and the others from a map, each name once.
pub struct ObjectWriter<S: Serializer> {
    map: S::SerializeMap,
    written: Vec<&'static str>,
}

impl<S: Serializer> ObjectWriter<S> {
    /// Begins the object.
    ///
    /// # Errors
    ///
    /// Those of the serializer, as below.
    pub fn new(serializer: S) -> Result<Self, S::Error> {
        Ok(Self {
            map: serializer.serialize_map(None)?,
            written: Vec::new(),
        })
    }

    /// Writes a named field.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn field(&mut self, name: &'static str, value: &impl Serialize) -> Result<(), S::Error> {
        self.written.push(name);
        self.map.serialize_entry(name, value)
    }

    /// Writes the other fields, but none whose name was written already, and ends the object.
    ///
    /// # Errors
    ///
    /// Those of the serializer.
    pub fn finish(mut self, extra: &Map<String, Value>) -> Result<S::Ok, S::Error> {
        for (name, value) in extra {
            if !self.written.contains(&name.as_str()) {
                self.map.serialize_entry(name, value)?;
            }
        }
        self.map.end()
    }
}
