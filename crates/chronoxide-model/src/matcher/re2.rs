//! RE2's notation of regular expressions to that of the regex crate.
//!
//! Prometheus' expressions are RE2's, and users bring theirs along. Both notations agree for the most part; where they
//! don't, the same text would match other values or none: `\d`, `\w`, `\s` and `\b` are ASCII in RE2; `\Q..\E`, octal
//! escapes and unescaped braces exist only there; classes within classes, `&&`, `(?x)`, `\<` and repeated repetitions
//! only here. So each expression is read as RE2 reads it and written anew.

use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::CharIndices;

/// RE2 refuses higher counts, also as the product of nested ones.
const REPEAT_MAX: u32 = 1000;

/// Writes an expression of RE2 in the notation of the regex crate, with its groups as `groups` says.
///
/// # Errors
/// What is wrong with the expression, as RE2 says it.
pub(super) fn translate(pattern: &str, groups: Groups) -> Result<String, String> {
    let mut translator = Translator {
        pattern,
        kind: groups,
        rest: pattern.char_indices().peekable(),
        out: String::with_capacity(pattern.len() + 8),
        last: Last::Nothing,
        repeats: 1,
        groups: vec![1],
        names: Vec::new(),
    };
    translator.run()?;
    Ok(translator.out)
}

/// What becomes of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Groups {
    /// Nothing asks what they matched, so they do not capture.
    Plain,
    /// They capture, by number and by name.
    Capturing,
}

/// What the piece read last was.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// There is nothing to repeat.
    Nothing,
    Atom,
    /// A repetition, which began here.
    Repetition(usize),
}

struct Translator<'a> {
    pattern: &'a str,
    kind: Groups,
    rest: Peekable<CharIndices<'a>>,
    out: String,
    last: Last,
    /// How often the last atom repeats its innermost part.
    repeats: u32,
    /// The same for the most repeated part of each open group, outermost first.
    groups: Vec<u32>,
    names: Vec<&'a str>,
}

impl<'a> Translator<'a> {
    fn run(&mut self) -> Result<(), String> {
        while let Some((at, next)) = self.rest.next() {
            match next {
                '\\' => self.escape(at)?,
                '[' => self.class(at)?,
                '(' => self.open(at)?,
                ')' => self.close()?,
                '|' => {
                    self.out.push('|');
                    self.last = Last::Nothing;
                }
                '*' | '+' | '?' => {
                    self.repetition(at, at + 1)?;
                    self.out.push(next);
                    self.lazy();
                }
                '{' => self.brace(at)?,
                '.' | '^' | '$' => {
                    self.out.push(next);
                    self.atom(1);
                }
                _ => self.literal(next),
            }
        }
        if self.groups.len() > 1 {
            return Err(format!("missing closing ): `{}`", self.pattern));
        }
        Ok(())
    }

    fn here(&mut self) -> usize {
        self.rest.peek().map_or(self.pattern.len(), |(at, _)| *at)
    }

    fn take(&mut self, wanted: char) -> bool {
        self.rest.next_if(|(_, next)| *next == wanted).is_some()
    }

    fn skip_to(&mut self, end: usize) {
        while self.rest.next_if(|(at, _)| *at < end).is_some() {}
    }

    fn atom(&mut self, repeats: u32) {
        self.last = Last::Atom;
        self.repeats = repeats;
        if let Some(most) = self.groups.last_mut() {
            *most = repeats.max(*most);
        }
    }

    fn literal(&mut self, literal: char) {
        if regex_syntax::is_meta_character(literal) {
            self.out.push('\\');
        }
        self.out.push(literal);
        self.atom(1);
    }

    /// A repetition that stands from `start` to `end` needs something to repeat that is none itself.
    fn repetition(&mut self, start: usize, end: usize) -> Result<(), String> {
        match self.last {
            Last::Nothing => {
                let operator = &self.pattern[start..end];
                Err(format!(
                    "missing argument to repetition operator: `{operator}`"
                ))
            }
            Last::Repetition(first) => {
                let operators = &self.pattern[first..end];
                Err(format!("invalid nested repetition operator: `{operators}`"))
            }
            Last::Atom => {
                self.last = Last::Repetition(start);
                Ok(())
            }
        }
    }

    fn lazy(&mut self) {
        if self.take('?') {
            self.out.push('?');
        }
    }

    /// `{2}`, `{2,}` or `{2,3}`; anything else is a brace.
    fn brace(&mut self, at: usize) -> Result<(), String> {
        let text = &self.pattern[at..];
        let Some((min, max, length)) = counts(text) else {
            self.literal('{');
            return Ok(());
        };
        let shown = &text[..length];
        if min > REPEAT_MAX || max.is_some_and(|max| max > REPEAT_MAX || max < min) {
            return Err(format!("invalid repeat count: `{shown}`"));
        }
        self.repetition(at, at + length)?;
        let times = self.repeats.saturating_mul(max.unwrap_or(min).max(1));
        if times > REPEAT_MAX {
            return Err(format!("invalid repeat count: `{shown}`"));
        }
        self.repeats = times;
        if let Some(most) = self.groups.last_mut() {
            *most = times.max(*most);
        }
        self.out.push_str(shown);
        self.skip_to(at + length);
        self.lazy();
        Ok(())
    }

    /// A group.
    fn open(&mut self, at: usize) -> Result<(), String> {
        let text = &self.pattern[at..];
        if !text.starts_with("(?") {
            self.out.push_str(match self.kind {
                Groups::Plain => "(?:",
                Groups::Capturing => "(",
            });
            self.begin_group();
            return Ok(());
        }
        if let Some(named) = text
            .strip_prefix("(?P<")
            .or_else(|| text.strip_prefix("(?<"))
        {
            return self.open_named(at, text.len() - named.len());
        }
        let unsupported =
            |end: usize| format!("invalid or unsupported Perl syntax: `{}`", &text[..end]);
        let (mut minus, mut flag_seen) = (false, false);
        for (offset, next) in text.char_indices().skip(2) {
            let end = offset + next.len_utf8();
            match next {
                'i' | 'm' | 's' | 'U' => flag_seen = true,
                '-' if !minus => {
                    minus = true;
                    flag_seen = false;
                }
                ':' | ')' if !minus || flag_seen => {
                    // Without any flag `(?)` does nothing and has no other notation.
                    if end > "(?)".len() || next == ':' {
                        self.out.push_str(&text[..end]);
                    }
                    if next == ':' {
                        self.begin_group();
                    } else {
                        self.last = Last::Nothing;
                    }
                    self.skip_to(at + end);
                    return Ok(());
                }
                _ => return Err(unsupported(end)),
            }
        }
        Err(format!(
            "missing argument to repetition operator: `{}`",
            &text[1..2]
        ))
    }

    fn open_named(&mut self, at: usize, prefix: usize) -> Result<(), String> {
        let text = &self.pattern[at..];
        let Some(end) = text.find('>') else {
            return Err(format!("invalid named capture: `{text}`"));
        };
        let name = &text[prefix..end];
        let is_word = |next: char| next == '_' || next.is_ascii_alphanumeric();
        if name.is_empty() || !name.chars().all(is_word) {
            return Err(format!("invalid named capture: `{}`", &text[..=end]));
        }
        if self.names.contains(&name) {
            return Err(format!("duplicate capture group name: `{name}`"));
        }
        self.names.push(name);
        match self.kind {
            Groups::Plain => self.out.push_str("(?:"),
            // Such a name is none to the regex crate; the group has its number only.
            Groups::Capturing if name.starts_with(|first: char| first.is_ascii_digit()) => {
                self.out.push('(');
            }
            Groups::Capturing => {
                let _ = write!(self.out, "(?P<{name}>");
            }
        }
        self.begin_group();
        self.skip_to(at + end + 1);
        Ok(())
    }

    fn begin_group(&mut self) {
        self.groups.push(1);
        self.last = Last::Nothing;
    }

    fn close(&mut self) -> Result<(), String> {
        let most = self.groups.pop();
        match most {
            Some(most) if !self.groups.is_empty() => {
                self.out.push(')');
                self.atom(most);
                Ok(())
            }
            _ => Err(format!("unexpected ): `{}`", self.pattern)),
        }
    }

    /// An escape outside of classes.
    fn escape(&mut self, at: usize) -> Result<(), String> {
        match self.rest.peek().map(|(_, next)| *next) {
            Some('Q') => {
                self.rest.next();
                self.quoted();
                return Ok(());
            }
            Some(assertion @ ('A' | 'z')) => {
                self.out.push('\\');
                self.out.push(assertion);
            }
            Some('b') => self.out.push_str("(?-u:\\b)"),
            Some('B') => self.out.push_str("(?-u:\\B)"),
            Some(class @ ('d' | 'D' | 's' | 'S' | 'w' | 'W')) => {
                let negation = if class.is_ascii_uppercase() { "^" } else { "" };
                let members = perl_class(class);
                write!(self.out, "[{negation}{members}]")
                    .expect("a string takes all that is written to it");
            }
            Some('p' | 'P') => {
                self.unicode_class(at)?;
                self.atom(1);
                return Ok(());
            }
            _ => {
                let literal = self.escaped_char(at)?;
                self.literal(literal);
                return Ok(());
            }
        }
        self.rest.next();
        self.atom(1);
        Ok(())
    }

    /// `\Q` takes everything up to `\E` as it stands.
    fn quoted(&mut self) {
        let start = self.here();
        let text = &self.pattern[start..];
        let end = text.find("\\E");
        for literal in text[..end.unwrap_or(text.len())].chars() {
            self.literal(literal);
        }
        self.skip_to(start + end.map_or(text.len(), |end| end + 2));
    }

    /// `\pL`, `\p{Greek}` or `\p{^Greek}`, the backslash at `at` being read already.
    fn unicode_class(&mut self, at: usize) -> Result<(), String> {
        let text = &self.pattern[at..];
        let invalid = || format!("invalid character class range: `{text}`");
        let negated = text.starts_with("\\P");
        let name = text.get(2..).ok_or_else(invalid)?;
        let (name, length) = match name.strip_prefix('{') {
            Some(braced) => {
                let end = braced.find('}').ok_or_else(invalid)?;
                (&braced[..end], end + 4)
            }
            None => {
                let letter = name.chars().next().ok_or_else(invalid)?;
                (&name[..letter.len_utf8()], 2 + letter.len_utf8())
            }
        };
        let (name, flipped) = match name.strip_prefix('^') {
            Some(name) => (name, true),
            None => (name, false),
        };
        if name.is_empty()
            || !name
                .chars()
                .all(|next| next == '_' || next.is_ascii_alphanumeric())
        {
            return Err(format!(
                "invalid character class range: `{}`",
                &text[..length]
            ));
        }
        let letter = if negated == flipped { 'p' } else { 'P' };
        write!(self.out, "\\{letter}{{{name}}}").expect("a string takes all that is written to it");
        self.skip_to(at + length);
        Ok(())
    }

    /// The character that an escape stands for, the backslash at `at` being read already.
    fn escaped_char(&mut self, at: usize) -> Result<char, String> {
        let Some((_, next)) = self.rest.next() else {
            return Err("trailing backslash at end of expression: ``".to_owned());
        };
        let octal = |next: char| next.is_digit(8);
        let code = match next {
            'a' => Some(7),
            'f' => Some(12),
            'n' => Some(10),
            'r' => Some(13),
            't' => Some(9),
            'v' => Some(11),
            'x' => self.hex(),
            // A single digit other than 0 would refer back, which RE2 does not do.
            '1'..='7' if !self.rest.peek().is_some_and(|(_, next)| octal(*next)) => None,
            '0'..='7' => {
                let mut value = next.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some((_, digit)) = self.rest.next_if(|(_, next)| octal(*next)) else {
                        break;
                    };
                    value = value * 8 + digit.to_digit(8).unwrap_or(0);
                }
                Some(value)
            }
            _ if next.is_ascii() && !next.is_ascii_alphanumeric() => Some(u32::from(next)),
            _ => None,
        };
        let end = self.here();
        code.and_then(char::from_u32)
            .ok_or_else(|| format!("invalid escape sequence: `{}`", &self.pattern[at..end]))
    }

    /// `41` or `{41}` behind `\x`.
    fn hex(&mut self) -> Option<u32> {
        if !self.take('{') {
            let high = self.rest.next()?.1.to_digit(16)?;
            let low = self.rest.next()?.1.to_digit(16)?;
            return Some(high * 16 + low);
        }
        let mut value = None;
        loop {
            let (_, next) = self.rest.next()?;
            if next == '}' {
                return value;
            }
            let so_far: u32 = value.unwrap_or(0);
            value = Some(so_far.checked_mul(16)?.checked_add(next.to_digit(16)?)?);
        }
    }

    /// A class in brackets, the first one at `at` being read already.
    fn class(&mut self, at: usize) -> Result<(), String> {
        self.out.push('[');
        if self.take('^') {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let start = self.here();
            let text = &self.pattern[start..];
            if text.is_empty() {
                return Err(format!("missing closing ]: `{}`", &self.pattern[at..]));
            }
            if text.starts_with(']') && !first {
                self.rest.next();
                self.out.push(']');
                self.atom(1);
                return Ok(());
            }
            first = false;
            if !self.class_in_class(start)? {
                self.class_range(start)?;
            }
        }
    }

    /// `[:alpha:]`, `\d` or `\pL` inside a class; `false` when something else follows.
    fn class_in_class(&mut self, start: usize) -> Result<bool, String> {
        let text = &self.pattern[start..];
        if text.starts_with("[:")
            && let Some(end) = text[2..].find(":]")
        {
            let name = &text[2..2 + end];
            let length = end + 4;
            if !POSIX_CLASSES.contains(&name.strip_prefix('^').unwrap_or(name)) {
                return Err(format!(
                    "invalid character class range: `{}`",
                    &text[..length]
                ));
            }
            self.out.push_str(&text[..length]);
            self.skip_to(start + length);
            return Ok(true);
        }
        let mut chars = text.chars();
        if chars.next() != Some('\\') {
            return Ok(false);
        }
        match chars.next() {
            Some(class @ ('d' | 's' | 'w')) => self.out.push_str(perl_class(class)),
            Some(class @ ('D' | 'S' | 'W')) => {
                let members = perl_class(class);
                write!(self.out, "[^{members}]").expect("a string takes all that is written to it");
            }
            Some('p' | 'P') => {
                self.rest.next();
                self.unicode_class(start)?;
                return Ok(true);
            }
            _ => return Ok(false),
        }
        self.skip_to(start + 2);
        Ok(true)
    }

    /// A character or a range of them inside a class.
    fn class_range(&mut self, start: usize) -> Result<(), String> {
        let low = self.class_char(start)?;
        let dash = self.here();
        let text = &self.pattern[dash..];
        if !text.starts_with('-') || text.starts_with("-]") || text.len() == 1 {
            self.class_member(low);
            return Ok(());
        }
        self.rest.next();
        let high = self.class_char(dash + 1)?;
        if high < low {
            let end = self.here();
            return Err(format!(
                "invalid character class range: `{}`",
                &self.pattern[start..end]
            ));
        }
        self.class_member(low);
        self.out.push('-');
        self.class_member(high);
        Ok(())
    }

    fn class_char(&mut self, start: usize) -> Result<char, String> {
        match self.rest.next() {
            Some((_, '\\')) => self.escaped_char(start),
            Some((_, next)) => Ok(next),
            None => Err(format!("missing closing ]: `{}`", &self.pattern[start..])),
        }
    }

    /// Written by number where it could be taken for something else.
    fn class_member(&mut self, member: char) {
        if member.is_ascii_alphanumeric() || !member.is_ascii() {
            self.out.push(member);
        } else {
            write!(self.out, "\\x{:02x}", u32::from(member))
                .expect("a string takes all that is written to it");
        }
    }
}

const POSIX_CLASSES: [&str; 14] = [
    "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
    "space", "upper", "word", "xdigit",
];

/// The members of `\d`, `\s` or `\w`.
const fn perl_class(class: char) -> &'static str {
    match class {
        'd' | 'D' => "0-9",
        's' | 'S' => "\\t\\n\\x0c\\r\\x20",
        _ => "0-9A-Za-z_",
    }
}

/// The counts in braces and the length with them; `None` when the braces hold something else.
fn counts(text: &str) -> Option<(u32, Option<u32>, usize)> {
    let inner = text.strip_prefix('{')?;
    let end = inner.find('}')?;
    let length = end + 2;
    let inner = &inner[..end];
    match inner.split_once(',') {
        None => {
            let count = count(inner)?;
            Some((count, Some(count), length))
        }
        Some((min, "")) => Some((count(min)?, None, length)),
        Some((min, max)) => Some((count(min)?, Some(count(max)?), length)),
    }
}

/// A count without leading zeros; a huge one is too large, whatever it is.
fn count(digits: &str) -> Option<u32> {
    let leading_zero = digits.len() > 1 && digits.starts_with('0');
    if digits.is_empty() || leading_zero || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, text: &str) -> bool {
        let translated =
            translate(pattern, Groups::Plain).unwrap_or_else(|error| panic!("{pattern}: {error}"));
        let anchored = format!("^(?s:{translated})$");
        regex::Regex::new(&anchored)
            .unwrap_or_else(|error| panic!("{pattern} -> {translated}: {error}"))
            .is_match(text)
    }

    #[test]
    fn expressions_mean_what_re2_says() {
        for (pattern, text) in [
            (r"\Qa.b*\E", "a.b*"),
            (r"\Qa.b", "a.b"),
            (r"\Qab\E+", "abbb"),
            ("{{a}}", "{{a}}"),
            ("a{,2}", "a{,2}"),
            ("a{01}", "a{01}"),
            ("a{2}{", "aa{"),
            ("a{2,}", "aaaa"),
            ("a{1,3}?", "aaa"),
            (r"\d+\D", "123x"),
            (r"\w+\W\s\S", "ab_9-\tx"),
            (r"[\d\-x]+", "1-x"),
            (r"[^\d]", "x"),
            (r"[\W]", "-"),
            (r"x\b-", "x-"),
            (r"x\By", "xy"),
            ("[[a]", "["),
            ("[[a]]", "a]"),
            ("[a&&b]", "&"),
            ("[]a]", "]"),
            ("[^]a]", "b"),
            ("[a-c-e]", "-"),
            ("[-a]", "-"),
            ("[a-]", "-"),
            ("[[:alpha:][:digit:]]+", "a1"),
            ("[[:^alpha:]]", "1"),
            ("[~#&]", "~"),
            (r"\x41\x{1F600}\101\07", "A😀A\u{7}"),
            (r"\<\>\-\#\_", "<>-#_"),
            ("(?i)abc(?-i:D)", "ABCD"),
            ("(?P<x>a)(?<y>b)(?:c)", "abc"),
            ("(?:a|b|)c", "c"),
            ("(?U)a+", "aaa"),
            (r"\pL\p{Greek}\P{Greek}\p{^Greek}", "xαxx"),
            ("^*a$", "a"),
            ("(?s).", "\n"),
            (".*", "a\nb"),
            ("}", "}"),
            ("a]", "a]"),
            ("", ""),
            ("()", ""),
            ("é+", "éé"),
            ("(a{10}){100}|a", "a"),
            (r"\A\za?", ""),
        ] {
            assert!(matches(pattern, text), "{pattern} {text:?}");
        }
        for (pattern, text) in [
            (r"\d", "٣"),
            (r"\w", "é"),
            (r"\s", "\u{a0}"),
            (r"\s", "\u{b}"),
            (r"\<a", "a"),
            ("[a&&b]", "c"),
            ("[[a]]", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text:?}");
        }
    }

    #[test]
    fn what_re2_refuses_is_refused() {
        for (pattern, message) in [
            ("a**", "invalid nested repetition operator: `**`"),
            ("a+?*", "invalid nested repetition operator: `+?*`"),
            ("a{2}{3}", "invalid nested repetition operator: `{2}{3}`"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("a|+", "missing argument to repetition operator: `+`"),
            ("(?i)*", "missing argument to repetition operator: `*`"),
            ("x{1001}", "invalid repeat count: `{1001}`"),
            ("x{3,2}", "invalid repeat count: `{3,2}`"),
            ("x{99999999999}", "invalid repeat count: `{99999999999}`"),
            ("(x{100}){100}", "invalid repeat count: `{100}`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            ("(?=a)", "invalid or unsupported Perl syntax: `(?=`"),
            ("(?i-)a", "invalid or unsupported Perl syntax: `(?i-)`"),
            ("(?P<a>x)(?P<a>y)", "duplicate capture group name: `a`"),
            ("(?P<a-b>x)", "invalid named capture: `(?P<a-b>`"),
            ("(a", "missing closing ): `(a`"),
            ("a)", "unexpected ): `a)`"),
            ("a)(b", "unexpected ): `a)(b`"),
            ("[a", "missing closing ]: `[a`"),
            ("[]", "missing closing ]: `[]`"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[a--b]", "invalid character class range: `a--`"),
            ("[[:foo:]]", "invalid character class range: `[:foo:]`"),
            (r"[a-\d]", r"invalid escape sequence: `\d`"),
            (r"\q", r"invalid escape sequence: `\q`"),
            (r"\8", r"invalid escape sequence: `\8`"),
            (r"\1", r"invalid escape sequence: `\1`"),
            (r"\C", r"invalid escape sequence: `\C`"),
            (r"\E", r"invalid escape sequence: `\E`"),
            (r"\x{110000}", r"invalid escape sequence: `\x{110000}`"),
            (r"\é", r"invalid escape sequence: `\é`"),
            (r"a\", "trailing backslash at end of expression: ``"),
        ] {
            assert_eq!(
                translate(pattern, Groups::Plain).expect_err(pattern),
                message,
                "{pattern}"
            );
        }
    }

    #[test]
    fn no_prefix_of_an_expression_panics() {
        let pattern = r"(?i)^a\Q.é\E[[:alpha:]\d\pL\-z-~^]{2,3}?|(?P<n>\x{41}\101)+\b\p{^Greek}.*$";
        for end in (0..=pattern.len()).filter(|end| pattern.is_char_boundary(*end)) {
            if let Ok(translated) = translate(&pattern[..end], Groups::Plain) {
                assert!(regex_syntax::parse(&translated).is_ok(), "{translated}");
            }
        }
        assert!(translate(pattern, Groups::Plain).is_ok());
    }
}
