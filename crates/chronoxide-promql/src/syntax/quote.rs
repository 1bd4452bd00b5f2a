//! String literals: reading them, and writing them as Prometheus does.

use std::fmt::Write as _;

/// The bytes a literal stands for; `None` when it is malformed. Quotes are included in `literal`.
///
/// Escapes `\xFF` and `\377` give single bytes, so the result need not be UTF-8.
pub(crate) fn unquote(literal: &str) -> Option<Vec<u8>> {
    let quote = literal.chars().next()?;
    let inner = literal.strip_prefix(quote)?.strip_suffix(quote)?;
    match quote {
        '`' => (!inner.contains('`')).then(|| inner.as_bytes().to_vec()),
        '"' | '\'' => unescape(inner, quote),
        _ => None,
    }
}

fn unescape(text: &str, quote: char) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(next) = rest.next() {
        if next == quote || next == '\n' {
            return None;
        }
        if next != '\\' {
            bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match rest.next()? {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            'x' => bytes.push(u8::try_from(digits(&mut rest, 0, 2, 16)?).ok()?),
            'u' => push_char(&mut bytes, digits(&mut rest, 0, 4, 16)?)?,
            'U' => push_char(&mut bytes, digits(&mut rest, 0, 8, 16)?)?,
            first @ '0'..='7' => {
                let first = first.to_digit(8)?;
                bytes.push(u8::try_from(digits(&mut rest, first, 2, 8)?).ok()?);
            }
            escaped if escaped == quote => bytes.push(quote as u8),
            _ => return None,
        }
    }
    Some(bytes)
}

fn digits(rest: &mut std::str::Chars<'_>, first: u32, count: usize, radix: u32) -> Option<u32> {
    let mut value = first;
    for _ in 0..count {
        let digit = rest.next()?.to_digit(radix)?;
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    Some(value)
}

fn push_char(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    let next = char::from_u32(code)?;
    bytes.extend_from_slice(next.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

/// The text as a double-quoted literal, escaped as Go's `%q` does.
pub(crate) fn quote(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for next in text.chars() {
        push_escaped(&mut literal, next, '"');
    }
    literal.push('"');
    literal
}

/// Bytes that need not be UTF-8 as a double-quoted literal.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut literal = String::with_capacity(bytes.len() + 2);
    literal.push('"');
    for chunk in bytes.utf8_chunks() {
        for next in chunk.valid().chars() {
            push_escaped(&mut literal, next, '"');
        }
        for byte in chunk.invalid() {
            write!(literal, "\\x{byte:02x}").expect("a string takes all that is written to it");
        }
    }
    literal.push('"');
    literal
}

/// The character in single quotes, escaped as Go's `%q` does.
pub(crate) fn quote_char(character: char) -> String {
    let mut literal = String::from("'");
    push_escaped(&mut literal, character, '\'');
    literal.push('\'');
    literal
}

fn push_escaped(literal: &mut String, next: char, quote: char) {
    match next {
        '\\' => literal.push_str("\\\\"),
        _ if next == quote => {
            literal.push('\\');
            literal.push(quote);
        }
        '\u{7}' => literal.push_str("\\a"),
        '\u{8}' => literal.push_str("\\b"),
        '\u{c}' => literal.push_str("\\f"),
        '\n' => literal.push_str("\\n"),
        '\r' => literal.push_str("\\r"),
        '\t' => literal.push_str("\\t"),
        '\u{b}' => literal.push_str("\\v"),
        ' '..='~' => literal.push(next),
        '\0'..='\u{7f}' => {
            write!(literal, "\\x{:02x}", u32::from(next))
                .expect("a string takes all that is written to it");
        }
        // Control, format and private characters, and all blanks beside the ordinary one, would not show.
        _ if next.is_control() || next.is_whitespace() || is_invisible(next) => {
            let code = u32::from(next);
            if code <= 0xffff {
                write!(literal, "\\u{code:04x}").expect("a string takes all that is written to it");
            } else {
                write!(literal, "\\U{code:08x}").expect("a string takes all that is written to it");
            }
        }
        _ => literal.push(next),
    }
}

fn is_invisible(next: char) -> bool {
    matches!(
        next,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..='\u{10ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_give_characters_and_raw_bytes() {
        assert_eq!(unquote(r#""a\tb\"\\""#).unwrap(), b"a\tb\"\\");
        assert_eq!(unquote(r"'it\'s'").unwrap(), b"it's");
        assert_eq!(
            unquote(r#""\xff\377\u00e4\U0001F600""#).unwrap(),
            b"\xff\xff\xc3\xa4\xf0\x9f\x98\x80"
        );
        assert_eq!(unquote(r"`\d+`").unwrap(), br"\d+");
        for broken in [
            r#""\'""#,
            r#""\q""#,
            r#""\x1""#,
            r#""\400""#,
            r#""\ud800""#,
            "\"",
            "",
            "`a``",
        ] {
            assert_eq!(unquote(broken), None, "{broken}");
        }
    }

    #[test]
    fn what_is_quoted_can_be_unquoted() {
        for text in ["", "a\"b'c`", "\u{7}\u{7f}\u{85}\u{ad}é😀\u{200b}", "\\d\n"] {
            assert_eq!(unquote(&quote(text)).unwrap(), text.as_bytes());
        }
        assert_eq!(quote_bytes(b"a\xc5z"), r#""a\xc5z""#);
        assert_eq!(unquote(&quote_bytes(b"a\xc5z")).unwrap(), b"a\xc5z");
        assert_eq!(quote_char('\''), r"'\''");
    }
}
