//! Reading one line of an exposition from left to right.

use crate::{Error, Result};

/// Bytes of a line that an error shows.
const SHOWN_MAX: usize = 40;

/// The rest of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scan<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Scan<'a> {
    pub(crate) const fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    pub(crate) fn rest(&self) -> &'a str {
        &self.line[self.at..]
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.rest().is_empty()
    }

    /// The error that something else is expected here.
    pub(crate) fn expected(&self, expected: &'static str) -> Error {
        let rest = self.rest();
        Error::Syntax {
            column: self.at + 1,
            expected,
            found: rest[..rest.floor_char_boundary(SHOWN_MAX)].to_owned(),
        }
    }

    /// Passes blanks; whether there were any.
    pub(crate) fn skip_blanks(&mut self) -> bool {
        let blanks = self.rest().len() - self.rest().trim_start_matches([' ', '\t']).len();
        self.at += blanks;
        blanks > 0
    }

    /// Passes `text` if it comes next.
    pub(crate) fn take(&mut self, text: &str) -> bool {
        let comes = self.rest().starts_with(text);
        if comes {
            self.at += text.len();
        }
        comes
    }

    /// What comes up to the next blank, or to the end.
    pub(crate) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let length = rest.find([' ', '\t']).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    /// A name of letters, digits after the first, underscores, and colons where `is_metric`.
    pub(crate) fn name(&mut self, is_metric: bool, expected: &'static str) -> Result<&'a str> {
        let rest = self.rest();
        let is_part = |index: usize, byte: u8| {
            byte.is_ascii_alphabetic()
                || byte == b'_'
                || (byte == b':' && is_metric)
                || (byte.is_ascii_digit() && index > 0)
        };
        let length = rest
            .bytes()
            .enumerate()
            .take_while(|(index, byte)| is_part(*index, *byte))
            .count();
        if length == 0 {
            return Err(self.expected(expected));
        }
        self.at += length;
        Ok(&rest[..length])
    }

    /// Text in quotes, its escapes undone; a backslash before any other character stands for itself.
    pub(crate) fn quoted(&mut self, expected: &'static str) -> Result<String> {
        if !self.rest().starts_with('"') {
            return Err(self.expected(expected));
        }
        let mut text = String::new();
        let mut characters = self.rest().char_indices().skip(1);
        while let Some((offset, character)) = characters.next() {
            match character {
                '"' => {
                    self.at += offset + 1;
                    return Ok(text);
                }
                '\\' => match characters.next() {
                    Some((_, 'n')) => text.push('\n'),
                    Some((_, escaped @ ('"' | '\\'))) => text.push(escaped),
                    Some((_, other)) => text.extend(['\\', other]),
                    None => break,
                },
                _ => text.push(character),
            }
        }
        self.at = self.line.len();
        Err(self.expected("a closing quote"))
    }
}
