//! JSON objects as messages, field by field.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor,
};

use crate::memory::Memory;

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

/// What the reading of one request shares.
#[derive(Clone, Copy)]
pub(super) struct Course<'c> {
    pub(super) memory: &'c Memory<'c>,
}

impl Course<'_> {
    /// Takes memory for one more element of a row, which may take twice its room while it grows.
    fn element<T, E: Error>(self) -> Result<(), E> {
        self.memory.take(2 * size_of::<T>()).map_err(E::custom)
    }
}

/// The value that comes next.
pub(super) struct Field<'m, A> {
    map: &'m mut A,
    course: Course<'m>,
}

impl<'de, A: MapAccess<'de>> Field<'_, A> {
    /// Reads the value into `slot`, by way of `T`; null leaves the default.
    pub(super) fn set<T, S>(self, slot: &mut S) -> Result<bool, A::Error>
    where
        T: Deserialize<'de> + Into<S>,
        S: Default,
    {
        *slot = self
            .map
            .next_value::<Option<T>>()?
            .map(Into::into)
            .unwrap_or_default();
        Ok(true)
    }

    /// Reads the value for a slot of another shape; null is none.
    pub(super) fn get<T: Deserialize<'de>>(self) -> Result<Option<T>, A::Error> {
        self.map.next_value()
    }

    /// Reads an object; null is none.
    pub(super) fn message<T: Fields>(self) -> Result<Option<T>, A::Error> {
        let seed = ObjectSeed::new(self.course);
        self.map.next_value_seed(OrNull(seed))
    }

    /// Reads an array of objects into `slot`; null leaves it empty.
    pub(super) fn messages<T: Fields>(self, slot: &mut Vec<T>) -> Result<bool, A::Error> {
        let seed = MessagesSeed(self.course, PhantomData);
        *slot = self.map.next_value_seed(OrNull(seed))?.unwrap_or_default();
        Ok(true)
    }

    /// Reads an array of scalars into `slot`, by way of `T`; null leaves it empty.
    pub(super) fn scalars<T, S>(self, slot: &mut Vec<S>) -> Result<bool, A::Error>
    where
        T: Deserialize<'de> + Into<S>,
    {
        let seed = ScalarsSeed::<T, S>(self.course, PhantomData);
        *slot = self.map.next_value_seed(OrNull(seed))?.unwrap_or_default();
        Ok(true)
    }
}

/// Reads a value as `S` says; null is none.
struct OrNull<S>(S);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for OrNull<S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for OrNull<S> {
    type Value = Option<S::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a value or null")
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        self.0.deserialize(deserializer).map(Some)
    }
}

/// Reads an array of objects.
struct MessagesSeed<'c, T>(Course<'c>, PhantomData<T>);

impl<'de, T: Fields> DeserializeSeed<'de> for MessagesSeed<'_, T> {
    type Value = Vec<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<T>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Fields> Visitor<'de> for MessagesSeed<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an array of objects, each {}", T::NAME)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<T>, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = array.next_element_seed(ObjectSeed::new(self.0))? {
            self.0.element::<T, A::Error>()?;
            messages.push(message);
        }
        Ok(messages)
    }
}

/// Reads an array of scalars.
struct ScalarsSeed<'c, T, S>(Course<'c>, PhantomData<(T, S)>);

impl<'de, T: Deserialize<'de> + Into<S>, S> DeserializeSeed<'de> for ScalarsSeed<'_, T, S> {
    type Value = Vec<S>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<S>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T: Deserialize<'de> + Into<S>, S> Visitor<'de> for ScalarsSeed<'_, T, S> {
    type Value = Vec<S>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Vec<S>, A::Error> {
        let mut scalars = Vec::new();
        while let Some(scalar) = array.next_element::<T>()? {
            self.0.element::<S, A::Error>()?;
            scalars.push(scalar.into());
        }
        Ok(scalars)
    }
}

/// Reads a message from an object.
pub(super) struct ObjectSeed<'c, T> {
    course: Course<'c>,
    message: PhantomData<T>,
}

impl<'c, T> ObjectSeed<'c, T> {
    pub(super) const fn new(course: Course<'c>) -> Self {
        Self {
            course,
            message: PhantomData,
        }
    }
}

impl<'de, T: Fields> DeserializeSeed<'de> for ObjectSeed<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, T: Fields> Visitor<'de> for ObjectSeed<'_, T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "an object ({})", T::NAME)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<T, A::Error> {
        let mut message = T::default();
        while let Some(Key(key)) = map.next_key()? {
            let field = Field {
                map: &mut map,
                course: self.course,
            };
            if !message.read(&key, field)? {
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
