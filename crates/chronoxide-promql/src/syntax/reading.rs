//! What it takes to read a text.

/// Bytes of memory that it takes to read `text`, rather too many than too few, beside what its regular expressions
/// compile to. A short text in small tokens takes many times its length, and one with long strings little more.
#[must_use]
pub fn reading_bytes(text: &str) -> u64 {
    /// Of tokens and tree, for each byte.
    const BYTES: u64 = 192;
    /// The same inside of a string.
    const QUOTED_BYTES: u64 = 16;
    let mut quoted = 0;
    let mut place = Place::Outside;
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        place = match place {
            Place::Outside if byte == b'#' => Place::Comment,
            Place::Outside if matches!(byte, b'"' | b'\'' | b'`') => Place::Quoted(byte),
            Place::Comment if byte == b'\n' => Place::Outside,
            Place::Quoted(quote) if byte == quote => Place::Outside,
            Place::Quoted(quote) => {
                quoted += 1;
                if byte == b'\\' && quote != b'`' && bytes.next().is_some() {
                    quoted += 1;
                }
                place
            }
            Place::Outside | Place::Comment => place,
        };
    }
    (text.len() as u64 - quoted) * BYTES + quoted * QUOTED_BYTES
}

#[derive(Clone, Copy)]
enum Place {
    Outside,
    Comment,
    /// Behind this quote.
    Quoted(u8),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_in_strings_takes_little() {
        let plain = reading_bytes("a+b");
        for (text, quoted) in [
            ("\"\"+", 0),
            ("\"xyz\"+", 3),
            (r#""x\"z"+"#, 4),
            ("'\"'+", 1),
            (r"`\`+", 1),
            (r"'\\'+", 2),
        ] {
            assert_eq!(reading_bytes(text), plain + quoted * 16, "{text}");
        }
        assert_eq!(reading_bytes("# it's\na"), 8 * reading_bytes("a"));
        assert_eq!(reading_bytes(""), 0);
    }
}
