//! IDs, UUIDs and ULIDs as values of `PostgreSQL`: an ID is a BIGINT, the others are of the type UUID, which keeps
//! the order of both.

use std::error::Error;

use bytes::{BufMut, BytesMut};
use postgres_types::{FromSql, IsNull, ToSql, Type, accepts, to_sql_checked};

use crate::id::Id;
use crate::wide::{Ulid, Uuid};

type Outcome<T> = Result<T, Box<dyn Error + Sync + Send>>;

impl ToSql for Id {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
        self.as_i64().to_sql(kind, out)
    }

    accepts!(INT8);
    to_sql_checked!();
}

impl<'a> FromSql<'a> for Id {
    fn from_sql(kind: &Type, raw: &'a [u8]) -> Outcome<Self> {
        let number = i64::from_sql(kind, raw)?;
        let id = Self::from_i64(number);
        id.ok_or_else(|| format!("{number} is not an ID: these are 0 to 2^63 - 1").into())
    }

    accepts!(INT8);
}

macro_rules! uuid {
    ($name:ident) => {
        impl ToSql for $name {
            fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Outcome<IsNull> {
                out.put_slice(&self.to_bytes());
                Ok(IsNull::No)
            }

            accepts!(UUID);
            to_sql_checked!();
        }

        impl<'a> FromSql<'a> for $name {
            fn from_sql(_: &Type, raw: &'a [u8]) -> Outcome<Self> {
                Ok(Self::from_bytes(raw.try_into()?))
            }

            accepts!(UUID);
        }
    };
}

uuid!(Uuid);
uuid!(Ulid);

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(value: &impl ToSql, kind: &Type) -> Vec<u8> {
        let mut out = BytesMut::new();
        value.to_sql_checked(kind, &mut out).unwrap();
        out.to_vec()
    }

    #[test]
    fn an_id_is_a_bigint() {
        let id = Id::from_i64(i64::MAX - 1).unwrap();
        let raw = sent(&id, &Type::INT8);
        assert_eq!(raw, (i64::MAX - 1).to_be_bytes());
        assert_eq!(Id::from_sql(&Type::INT8, &raw).unwrap(), id);
        assert!(Id::from_sql(&Type::INT8, &[0xff; 8]).is_err());
        assert!(
            id.to_sql_checked(&Type::TEXT, &mut BytesMut::new())
                .is_err()
        );
    }

    #[test]
    fn a_uuid_and_a_ulid_are_of_the_type_uuid() {
        let bytes = *b"\x01\x9b\x76\xda\xa8\x7b\x70\x01\x81\xc0\0\x01\0\0\xab\xcd";
        let uuid = Uuid::from_bytes(bytes);
        assert_eq!(sent(&uuid, &Type::UUID), bytes);
        assert_eq!(sent(&Ulid::from_bytes(bytes), &Type::UUID), bytes);
        assert_eq!(Uuid::from_sql(&Type::UUID, &bytes).unwrap(), uuid);
        let read = Ulid::from_sql(&Type::UUID, &bytes).unwrap();
        assert_eq!(read, Ulid::from_bytes(bytes));
        assert!(Uuid::from_sql(&Type::UUID, &bytes[1..]).is_err());
        assert!(
            uuid.to_sql_checked(&Type::INT8, &mut BytesMut::new())
                .is_err()
        );
    }
}
