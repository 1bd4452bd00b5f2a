//! Values of labels that functions put together: bounded, as a value made of two can be twice as long each time.

use std::fmt;

use crate::Error;

/// A label value while it is put together.
#[derive(Debug)]
pub(crate) struct MadeValue<'n> {
    /// Who makes it.
    function: &'static str,
    /// The label it is for.
    label: &'n str,
    text: String,
    is_too_long: bool,
}

impl<'n> MadeValue<'n> {
    /// Bytes that it may have.
    pub(crate) const BYTES_MAX: usize = 64 << 10;

    /// The empty one, which `function` makes for `label`.
    pub(crate) const fn new(function: &'static str, label: &'n str) -> Self {
        Self {
            function,
            label,
            text: String::new(),
            is_too_long: false,
        }
    }

    /// Adds `text`, unless that makes it too long.
    pub(crate) fn push(&mut self, text: &str) {
        self.is_too_long |= self.text.len() + text.len() > Self::BYTES_MAX;
        if !self.is_too_long {
            self.text.push_str(text);
        }
    }

    /// Whether more was added than fits.
    pub(crate) const fn is_too_long(&self) -> bool {
        self.is_too_long
    }

    /// The whole value.
    ///
    /// # Errors
    /// When it is too long.
    pub(crate) fn finish(self) -> Result<String, Error> {
        if !self.is_too_long {
            return Ok(self.text);
        }
        let label: String = self.label.chars().take(100).collect();
        Err(Error::execution(format!(
            "{}(): the value for label {label:?} would be longer than {} bytes",
            self.function,
            Self::BYTES_MAX
        )))
    }
}

impl fmt::Write for MadeValue<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        if self.is_too_long {
            return Err(fmt::Error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_value_may_be_as_long_as_the_bound_and_no_longer() {
        let mut value = MadeValue::new("label_join", "a");
        value.push(&"x".repeat(MadeValue::BYTES_MAX));
        assert!(!value.is_too_long());
        value.push("");
        assert!(write!(value, "y").is_err());
        let error = value.finish().unwrap_err().to_string();
        assert_eq!(
            error,
            "label_join(): the value for label \"a\" would be longer than 65536 bytes"
        );
    }
}
