//! JSON objects as messages, field by field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// A message that JSON objects can fill.
pub(super) trait Fields: Default {
    /// What an error calls it.
    const NAME: &'static str;

    /// Reads the value of `key` into the message; answers whether `key` is one of its fields.
    ///
    /// A field that is not one of the message's must be left unread.
    fn read<'de, A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: Field<'_, A>,
    ) -> Result<bool, A::Error>;
}

/// The value that comes next.
pub(super) struct Field<'m, A>(&'m mut A);

impl<'de, A: MapAccess<'de>> Field<'_, A> {
    /// Reads the value into `slot`, by way of `T`; null leaves the default.
    pub(super) fn set<T, S>(self, slot: &mut S) -> Result<bool, A::Error>
    where
        T: Deserialize<'de> + Into<S>,
        S: Default,
    {
        *slot = self
            .0
            .next_value::<Option<T>>()?
            .map(Into::into)
            .unwrap_or_default();
        Ok(true)
    }

    /// Reads the value for a slot of another shape; null is none.
    pub(super) fn get<T: Deserialize<'de>>(self) -> Result<Option<T>, A::Error> {
        self.0.next_value()
    }

    /// Reads an object; null is none.
    pub(super) fn message<T: Fields>(self) -> Result<Option<T>, A::Error> {
        Ok(self
            .0
            .next_value::<Option<Object<T>>>()?
            .map(|object| object.0))
    }

    /// Reads an array of objects into `slot`; null leaves it empty.
    pub(super) fn messages<T: Fields>(self, slot: &mut Vec<T>) -> Result<bool, A::Error> {
        let array = self.0.next_value::<Option<Vec<Object<T>>>>()?;
        *slot = array
            .unwrap_or_default()
            .into_iter()
            .map(|object| object.0)
            .collect();
        Ok(true)
    }

    /// Reads an array of scalars into `slot`, by way of `T`; null leaves it empty.
    pub(super) fn scalars<T, S>(self, slot: &mut Vec<S>) -> Result<bool, A::Error>
    where
        T: Deserialize<'de> + Into<S>,
    {
        let array = self.0.next_value::<Option<Vec<T>>>()?;
        *slot = array
            .unwrap_or_default()
            .into_iter()
            .map(Into::into)
            .collect();
        Ok(true)
    }
}

/// A message read from an object.
pub(super) struct Object<T>(pub(super) T);

impl<'de, T: Fields> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_map(ObjectVisitor(PhantomData))
            .map(Self)
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Fields> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object ({})", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut message = T::default();
        while let Some(Key(key)) = map.next_key()? {
            if !message.read(&key, Field(&mut map))? {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(message)
    }
}

/// A key, borrowed from the input unless it has escapes.
struct Key<'de>(Cow<'de, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeyVisitor;
        impl<'de> Visitor<'de> for KeyVisitor {
            type Value = Key<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key")
            }

            fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Borrowed(key)))
            }

            fn visit_str<E>(self, key: &str) -> Result<Key<'de>, E> {
                Ok(Key(Cow::Owned(key.to_owned())))
            }
        }
        deserializer.deserialize_str(KeyVisitor)
    }
}
