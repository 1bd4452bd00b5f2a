//! Label names of attribute keys.

use crate::Options;

/// The label name of attribute key `key` under `options`.
///
/// `None` when no name is left: such an attribute is dropped.
///
/// ```
/// use chronoxide_otlp::{Options, label_name};
///
/// assert_eq!(label_name(&Options::default(), "http.method").as_deref(), Some("http_method"));
/// ```
#[must_use]
pub fn label_name(options: &Options, key: &str) -> Option<String> {
    let mut name = String::new();
    LabelNamer::new(options)
        .write_point_key(key, &mut name)
        .then_some(name)
}

/// Turns attribute keys into label names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LabelNamer {
    /// Whether names keep to the classic characters.
    escape: bool,
    /// Whether a name that begins with one underscore gets `key` before it.
    key_before_underscore: bool,
    /// Whether runs of underscores stay.
    keep_runs: bool,
}

impl LabelNamer {
    pub(crate) fn new(options: &Options) -> Self {
        Self {
            escape: options.translation.escapes(),
            key_before_underscore: options.key_before_underscore,
            keep_runs: options.keep_underscore_runs,
        }
    }

    /// The choices, as [`LabelNamer::from_bits`] reads them.
    pub(crate) fn to_bits(self) -> u8 {
        u8::from(self.escape)
            | u8::from(self.key_before_underscore) << 1
            | u8::from(self.keep_runs) << 2
    }

    pub(crate) fn from_bits(bits: u8) -> Self {
        Self {
            escape: bits & 1 != 0,
            key_before_underscore: bits & 2 != 0,
            keep_runs: bits & 4 != 0,
        }
    }

    /// Appends the name for `key` to `out`; answers whether there is one, and appends nothing otherwise.
    pub(crate) fn write(&self, key: &str, out: &mut String) -> bool {
        let start = out.len();
        if !self.escape {
            out.push_str(key);
        } else if is_plain(key, self.keep_runs) {
            out.push_str(key);
            return true;
        } else {
            self.write_escaped(key, out);
        }
        let named = out[start..].contains(|character| character != '_');
        if !named {
            out.truncate(start);
        }
        named
    }

    /// Like [`LabelNamer::write`] for keys of data points, which stay as they are where nothing is escaped.
    pub(crate) fn write_point_key(&self, key: &str, out: &mut String) -> bool {
        if self.escape {
            return self.write(key, out);
        }
        out.push_str(key);
        !key.is_empty()
    }

    fn write_escaped(&self, key: &str, out: &mut String) {
        let reserved = (!self.keep_runs && key.len() >= 4)
            .then(|| key.strip_prefix("__")?.strip_suffix("__"))
            .flatten();
        if let Some(inner) = reserved {
            out.push_str("__");
            escape(inner, false, out);
            out.push_str("__");
            return;
        }
        let start = out.len();
        escape(key, self.keep_runs, out);
        let name = &out[start..];
        if name.starts_with(|character: char| character.is_ascii_digit()) {
            out.insert_str(start, "key_");
        } else if self.key_before_underscore && name.starts_with('_') && !name.starts_with("__") {
            out.insert_str(start, "key");
        }
    }
}

/// Whether escaping leaves `key` as it is.
fn is_plain(key: &str, keep_runs: bool) -> bool {
    key.starts_with(|character: char| character.is_ascii_alphabetic())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && (keep_runs || !key.contains("__"))
}

fn escape(key: &str, keep_runs: bool, out: &mut String) {
    let mut after_underscore = false;
    for character in key.chars() {
        if character.is_ascii_alphanumeric() {
            out.push(character);
            after_underscore = false;
        } else {
            if keep_runs || !after_underscore {
                out.push('_');
            }
            after_underscore = true;
        }
    }
}
