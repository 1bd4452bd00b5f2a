//! A stream of bytes, cut into lines.

/// One line of a stream, without its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// All of it.
    Whole(&'a [u8]),
    /// It is longer than allowed, and passed over.
    TooLong,
}

/// Cuts a stream into lines, and numbers them from 1.
#[derive(Debug)]
pub struct Lines {
    /// The beginning of a line whose end has not come.
    begun: Vec<u8>,
    /// Whether the rest of the line under way is passed over.
    skipping: bool,
    number: u64,
    length_max: usize,
}

impl Lines {
    /// The beginning of a stream whose lines have at most `length_max` bytes.
    #[must_use]
    pub const fn new(length_max: usize) -> Self {
        Self {
            begun: Vec::new(),
            skipping: false,
            number: 0,
            length_max,
        }
    }

    /// Takes the next bytes of the stream, and hands on each line that ends in them with its number.
    ///
    /// # Errors
    /// What `each` answers; later lines of `bytes` are lost then.
    pub fn push<E>(
        &mut self,
        mut bytes: &[u8],
        mut each: impl FnMut(u64, Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let (head, tail) = bytes.split_at(end);
            bytes = &tail[1..];
            self.extend(head);
            self.end(&mut each)?;
        }
        self.extend(bytes);
        Ok(())
    }

    /// Hands on the last line, if the stream ended without a line end.
    ///
    /// # Errors
    /// What `each` answers.
    pub fn finish<E>(
        mut self,
        mut each: impl FnMut(u64, Line<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        if self.begun.is_empty() && !self.skipping {
            return Ok(());
        }
        self.end(&mut each)
    }

    fn extend(&mut self, bytes: &[u8]) {
        if self.skipping {
            return;
        }
        if self.begun.len() + bytes.len() > self.length_max {
            self.skipping = true;
            self.begun = Vec::new();
            return;
        }
        self.begun.extend_from_slice(bytes);
    }

    fn end<E>(&mut self, each: &mut impl FnMut(u64, Line<'_>) -> Result<(), E>) -> Result<(), E> {
        self.number += 1;
        let line = if self.skipping {
            Line::TooLong
        } else {
            Line::Whole(self.begun.strip_suffix(b"\r").unwrap_or(&self.begun))
        };
        let answer = each(self.number, line);
        self.begun.clear();
        self.skipping = false;
        answer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pieces: &[&[u8]]) -> Vec<(u64, Option<String>)> {
        let mut found = Vec::new();
        let mut each = |number, line: Line<'_>| {
            let text = match line {
                Line::Whole(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
                Line::TooLong => None,
            };
            found.push((number, text));
            Ok::<(), ()>(())
        };
        let mut lines = Lines::new(5);
        for piece in pieces {
            lines.push(piece, &mut each).unwrap();
        }
        lines.finish(&mut each).unwrap();
        found
    }

    #[test]
    fn lines_are_put_together_from_pieces() {
        let expected = [
            (1, Some("ab".to_owned())),
            (2, Some(String::new())),
            (3, Some("cd".to_owned())),
        ];
        for pieces in [
            &[&b"ab\n\ncd"[..]][..],
            &[b"a", b"b\n\nc", b"d"],
            &[b"ab\r\n\r\ncd\n"],
            &[b"ab", b"\n", b"\n", b"", b"cd\r\n"],
        ] {
            assert_eq!(cut(pieces), expected, "{pieces:?}");
        }
        assert!(cut(&[b""]).is_empty());
    }

    #[test]
    fn a_long_line_is_passed_over_and_the_next_is_not() {
        let expected = [
            (1, Some("12345".to_owned())),
            (2, None),
            (3, Some("b".to_owned())),
            (4, None),
        ];
        assert_eq!(cut(&[b"12345\n123", b"456", b"789\nb\n123456"]), expected);
    }

    #[test]
    fn an_error_ends_the_cutting() {
        let mut lines = Lines::new(5);
        let stopped = lines.push(b"a\nb\n", |number, _| Err(number));
        assert_eq!(stopped, Err(1));
    }
}
