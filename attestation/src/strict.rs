//! JSON objects are read from objects alone: `serde` takes a list of a struct's fields for the struct, which would be a second spelling (steps 5 and 9).

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{Deserialize, Deserializer, Error as _, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Error, Value};

/// A JSON value whose objects stay objects, at every depth.
#[derive(Copy, Clone)]
pub(crate) struct Strict<'de>(pub(crate) &'de Value);

impl<'de> Deserializer<'de> for Strict<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(values) => {
                visitor.visit_seq(SeqDeserializer::new(values.iter().map(Strict)))
            }
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| (name.as_str(), Strict(value)));
                visitor.visit_map(MapDeserializer::new(fields))
            }
            scalar => scalar.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self.0 {
            Value::Array(_) => Err(Error::invalid_type(Unexpected::Seq, &"an object")),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de, Error> for Strict<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// A field that may be left out, and is not null: for `#[serde(default, deserialize_with)]`.
pub(crate) fn present<'de, T, D>(deserializer: D) -> Result<Option<T>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Deserialize, PartialEq, Debug)]
    struct Pair {
        a: u8,
        b: Vec<Inner>,
        #[serde(default, deserialize_with = "present")]
        c: Option<u8>,
    }

    #[derive(Deserialize, PartialEq, Debug)]
    struct Inner {
        d: String,
    }

    #[test]
    fn a_list_of_fields_is_no_object() {
        let read = |value: &Value| Pair::deserialize(Strict(value));
        let inner = || Inner { d: "x".to_owned() };
        let good = json!({"a": 1, "b": [{"d": "x"}], "c": 2, "unknown": [null]});
        assert_eq!(read(&good).unwrap(), Pair { a: 1, b: vec![inner()], c: Some(2) });
        assert_eq!(read(&json!({"a": 1, "b": []})).unwrap(), Pair { a: 1, b: vec![], c: None });
        // Without this reader the first two would be read, and the third's null refused all the same.
        for bad in [
            json!([1, [{"d": "x"}], 2]),
            json!({"a": 1, "b": [["x"]]}),
            json!({"a": 1, "b": [], "c": null}),
        ] {
            assert!(read(&bad).is_err(), "{bad}");
            let null = bad.get("c").is_some();
            assert_eq!(Pair::deserialize(&bad).is_ok(), !null, "serde itself: {bad}");
        }
    }
}
