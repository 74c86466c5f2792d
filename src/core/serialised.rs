//! IDs, UUIDs and ULIDs for serde: as texts, since JavaScript and many a JSON library round numbers above 2^53.
//! An ID is a number where its field names [`as_number`].

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::id::Id;
use crate::wide::{Ulid, Uuid};

/// Reads a text.
struct Text<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an identifier as a text")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Text(PhantomData))
            }
        }
    };
}

text!(Id);
text!(Uuid);
text!(Ulid);

/// An ID as a number, for readers that take all 63 bits of it: `#[serde(with = "shardflake::as_number")]`.
pub mod as_number {
    use super::{Deserialize as _, Deserializer, Id, Serializer, de};

    /// Writes its number.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize<S: Serializer>(id: &Id, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(id.as_i64())
    }

    /// Reads a number: 0 to 2^63 − 1.
    ///
    /// # Errors
    /// Those of the deserializer, and if it is none of these.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Id, D::Error> {
        let number = i64::deserialize(deserializer)?;
        let expected = "a number from 0 to 9223372036854775807";
        let seen = de::Unexpected::Signed(number);
        Id::from_i64(number).ok_or_else(|| de::Error::invalid_value(seen, &expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq)]
    struct Order(Id);

    impl Serialize for Order {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            as_number::serialize(&self.0, serializer)
        }
    }

    impl<'de> Deserialize<'de> for Order {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            as_number::deserialize(deserializer).map(Self)
        }
    }

    const LAST: &str = "9223372036854775807";

    #[test]
    fn an_id_is_a_text() {
        let id: Id = LAST.parse().unwrap();
        let json = format!("\"{LAST}\"");
        assert_eq!(serde_json::to_string(&id).unwrap(), json);
        assert_eq!(serde_json::from_str::<Id>(&json).unwrap(), id);
        for json in [LAST, "\"-1\"", "\"9223372036854775808\"", "null", "\"\""] {
            assert!(serde_json::from_str::<Id>(json).is_err(), "{json}");
        }
    }

    #[test]
    fn an_id_is_a_number_where_that_is_said() {
        let order = Order(LAST.parse().unwrap());
        assert_eq!(serde_json::to_string(&order).unwrap(), LAST);
        assert_eq!(serde_json::from_str::<Order>(LAST).unwrap(), order);
        for json in ["-1", "9223372036854775808", "1.5", "\"1\""] {
            assert!(serde_json::from_str::<Order>(json).is_err(), "{json}");
        }
        let negative = serde_json::from_str::<Order>("-1").unwrap_err().to_string();
        assert!(negative.contains(&format!("0 to {LAST}")), "{negative}");
    }

    #[test]
    fn uuids_and_ulids_are_texts() {
        let json = "\"019b76da-a87b-7001-81c0-00010000abcd\"";
        let read: Uuid = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let json = "\"01ARZ3NDEKTSV4RRFFQ69G5FAV\"";
        let read: Ulid = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json);
        let error = serde_json::from_str::<Uuid>(json).unwrap_err().to_string();
        assert!(error.contains("is not a UUID"), "{error}");
    }
}
