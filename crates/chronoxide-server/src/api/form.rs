//! Parameters of a request: the query string, and the body of a form.

/// Decoded parameters in the order they came, those of the body before those of the URL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Form {
    pairs: Vec<(String, String)>,
}

impl Form {
    /// Decodes form-encoded text: `+` is a blank, `%xx` a byte.
    ///
    /// # Errors
    /// A sentence that names what cannot be decoded.
    pub(crate) fn append(&mut self, encoded: &[u8]) -> Result<(), String> {
        for pair in encoded
            .split(|byte| *byte == b'&')
            .filter(|pair| !pair.is_empty())
        {
            if pair.contains(&b';') {
                return Err(
                    "error parsing form values: semicolons do not separate parameters".to_owned(),
                );
            }
            let mut parts = pair.splitn(2, |byte| *byte == b'=');
            let name = decode(parts.next().unwrap_or_default())?;
            let value = decode(parts.next().unwrap_or_default())?;
            self.pairs.push((name, value));
        }
        Ok(())
    }

    /// The first value of `name`, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.pairs.iter().find(|(candidate, _)| candidate == name)?;
        (!value.is_empty()).then_some(value)
    }

    /// All values of `name` that are not empty.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.pairs
            .iter()
            .filter(move |(candidate, value)| candidate == name && !value.is_empty())
            .map(|(_, value)| value.as_str())
    }
}

/// A name or value of a form: `+` is a blank.
fn decode(text: &[u8]) -> Result<String, String> {
    let bytes = unescape(text, b' ').map_err(invalid_escape)?;
    String::from_utf8(bytes).map_err(|error| {
        format!(
            "error parsing form values: not UTF-8: {:?}",
            String::from_utf8_lossy(error.as_bytes())
        )
    })
}

/// A segment of a path; `None` when it is malformed or no UTF-8.
pub(crate) fn decode_path_segment(text: &str) -> Option<String> {
    let bytes = unescape(text.as_bytes(), b'+').ok()?;
    String::from_utf8(bytes).ok()
}

/// `text` with `%xx` decoded and `plus` for each `+`, or what is left of it where it is malformed.
fn unescape(text: &[u8], plus: u8) -> Result<Vec<u8>, &[u8]> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let (byte, tail) = match first {
            b'+' => (plus, tail),
            b'%' => hex_byte(tail).ok_or(rest)?,
            byte => (*byte, tail),
        };
        bytes.push(byte);
        rest = tail;
    }
    Ok(bytes)
}

fn invalid_escape(rest: &[u8]) -> String {
    let shown = String::from_utf8_lossy(&rest[..rest.len().min(3)]);
    format!("error parsing form values: invalid URL escape {shown:?}")
}

fn hex_byte(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, rest @ ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    Some(((digit(high)? << 4 | digit(low)?) as u8, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(parts: &[&str]) -> Result<Form, String> {
        let mut form = Form::default();
        for part in parts {
            form.append(part.as_bytes())?;
        }
        Ok(form)
    }

    #[test]
    fn the_body_wins_over_the_url_and_lists_join() {
        let form = form(&["query=up&match%5B%5D=a", "query=down&match[]=b&time=&flag"]).unwrap();
        assert_eq!(form.get("query"), Some("up"));
        assert_eq!(form.all("match[]").collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(form.get("time"), None);
        assert_eq!(form.get("flag"), None);
    }

    #[test]
    fn escapes_and_blanks_are_decoded() {
        let form = form(&["query=a+%2B+b%3D%22%C3%A9%22"]).unwrap();
        assert_eq!(form.get("query"), Some("a + b=\"é\""));
    }

    #[test]
    fn malformed_forms_are_refused() {
        for (text, expected) in [
            ("a=%zz", "invalid URL escape \"%zz\""),
            ("a=%4", "invalid URL escape \"%4\""),
            ("a=%ff", "not UTF-8"),
            ("a=1;b=2", "semicolons"),
        ] {
            let error = form(&[text]).unwrap_err();
            assert!(
                error.starts_with("error parsing form values: ") && error.contains(expected),
                "{error}"
            );
        }
    }

    #[test]
    fn path_segments_keep_their_plus() {
        assert_eq!(decode_path_segment("a+b%2Fc").unwrap(), "a+b/c");
        assert_eq!(decode_path_segment("%ff"), None);
        assert_eq!(decode_path_segment("%f"), None);
    }
}
