//! JSON written straight into bytes.

use chronoxide_model::Labels;

/// Appends `text` as a JSON string.
pub(crate) fn write_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let bytes = text.as_bytes();
    let mut clean = 0;
    for (index, byte) in bytes.iter().enumerate() {
        if *byte >= 0x20 && *byte != b'"' && *byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&bytes[clean..index]);
        clean = index + 1;
        write_escaped(out, *byte);
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

fn write_escaped(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        b'\n' => out.extend(*b"\\n"),
        b'\r' => out.extend(*b"\\r"),
        b'\t' => out.extend(*b"\\t"),
        _ => {
            out.extend(*b"\\u00");
            out.extend([HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
    }
}

/// Appends a list, each item written by `write`.
pub(crate) fn write_list<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (index, item) in items.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Appends an object whose values `write` writes.
pub(crate) fn write_object<K: AsRef<str>, V>(
    out: &mut Vec<u8>,
    members: impl IntoIterator<Item = (K, V)>,
    mut write: impl FnMut(&mut Vec<u8>, V),
) {
    out.push(b'{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_string(out, name.as_ref());
        out.push(b':');
        write(out, value);
    }
    out.push(b'}');
}

/// Appends `labels` as an object of strings.
pub(crate) fn write_labels(out: &mut Vec<u8>, labels: &Labels) {
    write_object(out, labels.iter(), write_string);
}

/// Warnings and infos that go with an answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Notes {
    pub(crate) warnings: Vec<String>,
    pub(crate) infos: Vec<String>,
}

impl Notes {
    /// At most this many texts of each kind are answered.
    const LISTED_MAX: usize = 10;

    /// Adds the warning that results were cut.
    pub(crate) fn warn_of_truncation(&mut self) {
        self.warnings
            .push("results truncated due to limit".to_owned());
    }
}

/// The answer of a request that succeeded, its data written by `write`.
pub(crate) fn success(notes: &Notes, write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = br#"{"status":"success","data":"#.to_vec();
    write(&mut out);
    write_notes(&mut out, notes);
    out.push(b'}');
    out
}

/// Appends the members of an envelope that are for people.
pub(crate) fn write_notes(out: &mut Vec<u8>, notes: &Notes) {
    let kinds = [
        ("warnings", "warning", &notes.warnings),
        ("infos", "info", &notes.infos),
    ];
    for (name, kind, texts) in kinds {
        if texts.is_empty() {
            continue;
        }
        out.push(b',');
        write_string(out, name);
        out.push(b':');
        let omitted = texts.len().saturating_sub(Notes::LISTED_MAX);
        let rest = (omitted > 0).then(|| format!("{omitted} more {kind} annotations omitted"));
        let listed = texts.iter().take(Notes::LISTED_MAX).chain(&rest);
        write_list(out, listed, |out, text| write_string(out, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_as_json_demands() {
        let hostile = "a\"b\\c\n\r\t\u{0}\u{1f}\u{7f}é<script>\u{2028}";
        let mut out = Vec::new();
        write_string(&mut out, hostile);
        assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), hostile);
        assert!(String::from_utf8(out).unwrap().contains(r"\u0000\u001f"));
    }

    #[test]
    fn the_envelope_keeps_its_order_and_leaves_out_empty_lists() {
        let plain = success(&Notes::default(), |out| {
            write_list(out, ["a"], write_string)
        });
        assert_eq!(plain, br#"{"status":"success","data":["a"]}"#);
        let mut notes = Notes {
            infos: vec!["i".to_owned(); 12],
            ..Notes::default()
        };
        notes.warn_of_truncation();
        let text = String::from_utf8(success(&notes, |out| out.extend(*b"{}"))).unwrap();
        let expected = r#"{"status":"success","data":{},"warnings":["results truncated due to limit"],"infos":["i","#;
        assert!(text.starts_with(expected), "{text}");
        assert_eq!(text.matches("\"i\"").count(), 10);
        assert!(
            text.ends_with(r#","2 more info annotations omitted"]}"#),
            "{text}"
        );
    }
}
