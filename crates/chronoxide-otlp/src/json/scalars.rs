//! Numbers and bytes as OTLP's JSON writes them.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::de::{Deserialize, Deserializer, Error, Unexpected, Visitor};

/// Any integer that fits one of the types below, from a number or decimal text.
struct IntegerVisitor;

impl Visitor<'_> for IntegerVisitor {
    type Value = i128;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an integer, as a number or in decimal text")
    }

    fn visit_u64<E>(self, value: u64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<i128, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<i128, E> {
        // 2^64 bounds every integer type here, and up to there the cast is exact for integral values.
        if value.fract() == 0.0 && value.abs() <= 18_446_744_073_709_551_616.0 {
            Ok(value as i128)
        } else {
            Err(E::invalid_value(Unexpected::Float(value), &self))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<i128, E> {
        if let Ok(value) = text.parse() {
            return Ok(value);
        }
        // The same notations as in numbers: `1e2`, `1.0`.
        match text.parse::<f64>() {
            Ok(value) if text.contains(['.', 'e', 'E']) => self.visit_f64(value),
            _ => Err(E::invalid_value(Unexpected::Str(text), &self)),
        }
    }
}

macro_rules! integers {
    ($($(#[$doc:meta])* $name:ident($type:ty);)+) => {$(
        $(#[$doc])*
        pub(super) struct $name($type);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = deserializer.deserialize_any(IntegerVisitor)?;
                let expected = concat!("an integer of type ", stringify!($type));
                <$type>::try_from(value)
                    .map(Self)
                    .map_err(|_| D::Error::custom(format_args!("{value} is out of range, expected {expected}")))
            }
        }

        impl From<$name> for $type {
            fn from(value: $name) -> Self {
                value.0
            }
        }
    )+};
}

integers! {
    /// A fixed64 or uint64.
    Unsigned64(u64);
    /// A sfixed64 or int64.
    Signed64(i64);
    /// A fixed32 or uint32.
    Unsigned32(u32);
    /// A sint32 or int32.
    Signed32(i32);
}

/// An enum: a number, never a name.
pub(super) struct Enumeration(i32);

impl<'de> Deserialize<'de> for Enumeration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EnumVisitor;
        impl Visitor<'_> for EnumVisitor {
            type Value = i128;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("the number of an enum value (names are not allowed)")
            }

            fn visit_u64<E>(self, value: u64) -> Result<i128, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<i128, E> {
                Ok(value.into())
            }

            fn visit_f64<E: Error>(self, value: f64) -> Result<i128, E> {
                IntegerVisitor.visit_f64(value)
            }
        }
        let value = deserializer.deserialize_any(EnumVisitor)?;
        i32::try_from(value)
            .map(Self)
            .map_err(|_| D::Error::custom(format_args!("{value} is no enum value")))
    }
}

impl From<Enumeration> for i32 {
    fn from(value: Enumeration) -> Self {
        value.0
    }
}

/// A double: a number, or text, which may also be `NaN`, `Infinity` or `-Infinity`.
pub(super) struct Double(f64);

impl<'de> Deserialize<'de> for Double {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DoubleVisitor;
        impl Visitor<'_> for DoubleVisitor {
            type Value = f64;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(r#"a number, or its text, "NaN", "Infinity" or "-Infinity""#)
            }

            fn visit_f64<E>(self, value: f64) -> Result<f64, E> {
                Ok(value)
            }

            fn visit_u64<E>(self, value: u64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_i64<E>(self, value: i64) -> Result<f64, E> {
                Ok(value as f64)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<f64, E> {
                match text {
                    "NaN" => Ok(f64::NAN),
                    "Infinity" => Ok(f64::INFINITY),
                    "-Infinity" => Ok(f64::NEG_INFINITY),
                    // Rust would also read `inf` and the like, JSON knows them not.
                    _ => text
                        .parse()
                        .ok()
                        .filter(|value: &f64| value.is_finite())
                        .ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self)),
                }
            }
        }
        deserializer.deserialize_any(DoubleVisitor).map(Self)
    }
}

impl From<Double> for f64 {
    fn from(value: Double) -> Self {
        value.0
    }
}

impl From<Double> for Option<f64> {
    fn from(value: Double) -> Self {
        Some(value.0)
    }
}

/// The id of a trace or a span, in hexadecimal.
pub(super) struct Id(Vec<u8>);

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        // What is no hexadecimal becomes an id of a length that no id has: its exemplar goes, its point stays.
        Ok(Self(from_hexadecimal(&text).unwrap_or_else(|| vec![1])))
    }
}

fn from_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| u8::try_from(digit(pair[0])? * 16 + digit(pair[1])?).ok())
        .collect()
}

impl From<Id> for Vec<u8> {
    fn from(id: Id) -> Self {
        id.0
    }
}

/// Bytes in base64, in either alphabet, padded or not.
pub(super) struct Base64(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Base64 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
            .with_decode_padding_mode(DecodePaddingMode::Indifferent)
            .with_decode_allow_trailing_bits(true);
        const ENGINE: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);
        let text = String::deserialize(deserializer)?
            .replace('-', "+")
            .replace('_', "/");
        ENGINE
            .decode(&text)
            .map(Self)
            .map_err(|error| D::Error::custom(format_args!("bytes are no base64: {error}")))
    }
}
