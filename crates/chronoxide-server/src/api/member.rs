//! Objects whose members have values of several kinds.

use std::time::Duration;

use super::json::{write_object, write_string};
use super::number::{write_timestamp, write_unsigned};

/// A value of an object.
#[derive(Clone, Copy, Debug)]
pub(super) enum Member<'a> {
    Text(&'a str),
    Number(u64),
    /// In milliseconds, written as it is.
    Milliseconds(i64),
    /// In milliseconds, written in seconds.
    Time(i64),
    Flag(bool),
}

impl Member<'_> {
    /// In whole milliseconds.
    pub(super) fn duration(duration: Duration) -> Self {
        Self::Number(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Appends an object.
pub(super) fn write_members<'a>(
    out: &mut Vec<u8>,
    members: impl IntoIterator<Item = (&'static str, Member<'a>)>,
) {
    write_object(out, members, |out, member| match member {
        Member::Text(text) => write_string(out, text),
        Member::Number(number) => write_unsigned(out, number),
        Member::Milliseconds(ms) => out.extend_from_slice(ms.to_string().as_bytes()),
        Member::Time(ms) => write_timestamp(out, ms),
        Member::Flag(flag) => out.extend_from_slice(flag.to_string().as_bytes()),
    });
}
