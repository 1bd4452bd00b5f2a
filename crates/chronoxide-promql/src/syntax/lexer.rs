//! Text to tokens, in one linear pass.
//!
//! What may follow what depends on the brackets around: inside braces all words are names, inside square brackets only
//! durations and their arithmetic stand. A piece that is no token ends the list as [`TokenKind::Broken`], so that the
//! parser reports an earlier mistake first.

use super::quote::quote_char;
use super::token::{Keyword, Token, TokenKind, keyword};
use crate::plan::{BinaryOp, Position};

/// All tokens of `text`; the last one is [`TokenKind::End`] or [`TokenKind::Broken`].
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer {
        text,
        start: 0,
        at: 0,
        open_parens: 0,
        place: Place::Outside,
        got_colon: false,
        got_duration: false,
    };
    let mut tokens = Vec::with_capacity(text.len() / 4 + 1);
    loop {
        let (kind, done) = match lexer.next_kind() {
            Ok(TokenKind::End) => (TokenKind::End, true),
            Ok(kind) => (kind, false),
            Err(message) => (TokenKind::Broken(message), true),
        };
        let position = Position {
            start: lexer.start,
            end: lexer.at,
        };
        tokens.push(Token { kind, position });
        if done {
            return tokens;
        }
    }
}

/// Which brackets are open.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Braces,
    Brackets,
}

struct Lexer<'a> {
    text: &'a str,
    /// Where the token begins.
    start: usize,
    /// What is read next.
    at: usize,
    open_parens: usize,
    place: Place,
    /// In brackets: a colon was there.
    got_colon: bool,
    /// In brackets: a number was there.
    got_duration: bool,
}

type Kind = Result<TokenKind, String>;

impl Lexer<'_> {
    fn next_kind(&mut self) -> Kind {
        self.skip_blanks_and_comments();
        self.start = self.at;
        match self.place {
            Place::Outside => self.outside(),
            Place::Braces => self.in_braces(),
            Place::Brackets => self.in_brackets(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn take(&mut self, wanted: char) -> bool {
        let taken = self.peek() == Some(wanted);
        if taken {
            self.at += wanted.len_utf8();
        }
        taken
    }

    fn take_while(&mut self, test: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&test) {
            self.bump();
        }
    }

    fn skip_blanks_and_comments(&mut self) {
        loop {
            self.take_while(is_blank);
            // Inside brackets a comment is no comment but a stray character, as upstream has it.
            if self.place == Place::Brackets || self.peek() != Some('#') {
                return;
            }
            self.take_while(|next| next != '\n' && next != '\r');
        }
    }

    fn outside(&mut self) -> Kind {
        let Some(next) = self.bump() else {
            return if self.open_parens > 0 {
                Err("unclosed left parenthesis".to_owned())
            } else {
                Ok(TokenKind::End)
            };
        };
        let kind = match next {
            ',' => TokenKind::Comma,
            '@' => TokenKind::At,
            '=' if self.peek() == Some('~') => {
                return Err("unexpected character after '=': '~'".to_owned());
            }
            '=' if self.take('=') => TokenKind::Operator(BinaryOp::Equal),
            '=' => TokenKind::Assign,
            '!' if self.take('=') => TokenKind::Operator(BinaryOp::NotEqual),
            '!' => {
                return Err(format!(
                    "unexpected character after '!': {}",
                    self.next_quoted()
                ));
            }
            '"' | '\'' | '`' => return self.string(next),
            '(' => self.left_paren(),
            ')' => return self.right_paren(),
            '{' => {
                self.place = Place::Braces;
                TokenKind::LeftBrace
            }
            '[' => {
                self.place = Place::Brackets;
                self.got_colon = false;
                self.got_duration = false;
                TokenKind::LeftBracket
            }
            ']' => return Err("unexpected right bracket ']'".to_owned()),
            _ if self.begins_number(next) => return self.number_or_duration(),
            _ if is_name_start(next) || next == ':' => self.word(),
            _ => match self.operator(next) {
                Some(operator) => operator,
                None => return Err(format!("unexpected character: {}", quote_char(next))),
            },
        };
        Ok(kind)
    }

    /// Operators made of signs, all but `==` and `!=`.
    fn operator(&mut self, first: char) -> Option<TokenKind> {
        let operator = match first {
            '+' => BinaryOp::Add,
            '-' => BinaryOp::Sub,
            '*' => BinaryOp::Mul,
            '/' => BinaryOp::Div,
            '%' => BinaryOp::Mod,
            '^' => BinaryOp::Pow,
            '<' if self.take('=') => BinaryOp::LessOrEqual,
            '<' if self.take('/') => BinaryOp::TrimUpper,
            '<' => BinaryOp::Less,
            '>' if self.take('=') => BinaryOp::GreaterOrEqual,
            '>' if self.take('/') => BinaryOp::TrimLower,
            '>' => BinaryOp::Greater,
            _ => return None,
        };
        Some(TokenKind::Operator(operator))
    }

    fn left_paren(&mut self) -> TokenKind {
        self.open_parens += 1;
        TokenKind::LeftParen
    }

    fn right_paren(&mut self) -> Kind {
        match self.open_parens.checked_sub(1) {
            Some(open) => {
                self.open_parens = open;
                Ok(TokenKind::RightParen)
            }
            None => {
                self.start = self.at;
                Err("unexpected right parenthesis ')'".to_owned())
            }
        }
    }

    fn in_braces(&mut self) -> Kind {
        let Some(next) = self.bump() else {
            return Err("unexpected end of input inside braces".to_owned());
        };
        let kind = match next {
            ',' => TokenKind::Comma,
            '"' | '\'' | '`' => return self.string(next),
            '=' if self.take('~') => TokenKind::RegexMatch,
            '=' => TokenKind::Assign,
            '!' if self.take('~') => TokenKind::NotRegexMatch,
            '!' if self.take('=') => TokenKind::Operator(BinaryOp::NotEqual),
            '!' => {
                let next = self.next_quoted();
                return Err(format!(
                    "unexpected character after '!' inside braces: {next}"
                ));
            }
            '{' => return Err("unexpected left brace '{'".to_owned()),
            '}' => {
                self.place = Place::Outside;
                TokenKind::RightBrace
            }
            _ if is_name_start(next) => {
                self.take_while(is_name_part);
                TokenKind::Identifier
            }
            _ => {
                return Err(format!(
                    "unexpected character inside braces: {}",
                    quote_char(next)
                ));
            }
        };
        Ok(kind)
    }

    fn in_brackets(&mut self) -> Kind {
        let Some(next) = self.bump() else {
            return Err(if self.got_duration {
                "unclosed left bracket".to_owned()
            } else {
                "unexpected end of input in duration expression".to_owned()
            });
        };
        let kind = match next {
            ']' => {
                self.place = Place::Outside;
                TokenKind::RightBracket
            }
            '[' => return Err("unexpected left bracket '['".to_owned()),
            ':' => return self.colon(),
            '(' => self.left_paren(),
            ')' => return self.right_paren(),
            ',' => TokenKind::Comma,
            _ if self.begins_number(next) => {
                self.got_duration = true;
                return self.number_or_duration();
            }
            '+' | '-' | '*' | '/' | '%' | '^' => match self.operator(next) {
                Some(operator) => operator,
                None => return Err(format!("unexpected character: {}", quote_char(next))),
            },
            _ => return self.duration_word(next),
        };
        Ok(kind)
    }

    fn colon(&mut self) -> Kind {
        if self.got_colon {
            return Err("unexpected colon ':'".to_owned());
        }
        self.got_colon = true;
        Ok(TokenKind::Colon)
    }

    /// `step`, `range`, `max_of` and `min_of` are the words that durations are made of.
    fn duration_word(&mut self, first: char) -> Kind {
        if is_name_start(first) {
            let after_first = self.at;
            self.take_while(is_name_start);
            if let Some(TokenKind::Keyword(
                word @ (Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf),
            )) = keyword(&self.text[self.start..self.at])
            {
                self.got_duration = true;
                return Ok(TokenKind::Keyword(word));
            }
            self.at = after_first;
        }
        let first_quoted = quote_char(first);
        Err(if self.got_duration && is_name_start(first) {
            format!("unexpected character: {first_quoted}, expected ':'")
        } else {
            format!("unexpected character in duration expression: {first_quoted}")
        })
    }

    fn word(&mut self) -> TokenKind {
        self.take_while(|next| is_name_part(next) || next == ':');
        let word = &self.text[self.start..self.at];
        match keyword(word) {
            // These three became words of the language late: they are only what they say before a parenthesis.
            Some(TokenKind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.text[self.at..]
                    .trim_start_matches(is_blank)
                    .starts_with('(') =>
            {
                TokenKind::Identifier
            }
            Some(kind) => kind,
            None if word.contains(':') => TokenKind::MetricIdentifier,
            None => TokenKind::Identifier,
        }
    }

    fn begins_number(&self, next: char) -> bool {
        next.is_ascii_digit()
            || (next == '.' && self.peek().is_some_and(|next| next.is_ascii_digit()))
    }

    fn number_or_duration(&mut self) -> Kind {
        self.at = self.start;
        if self.number() {
            return Ok(TokenKind::Number);
        }
        if self.rest_of_duration() {
            return Ok(TokenKind::Duration);
        }
        let read = super::quote(&self.text[self.start..self.at]);
        Err(format!("bad number or duration syntax: {read}"))
    }

    /// Reads as far as a number goes; whether it is a valid one is seen when its value is taken.
    fn number(&mut self) -> bool {
        let hex = self.text[self.at..].starts_with("0x") || self.text[self.at..].starts_with("0X");
        if hex {
            self.at += 2;
            self.take('_');
        }
        let is_digit = |next: char| {
            if hex {
                next.is_ascii_hexdigit()
            } else {
                next.is_ascii_digit()
            }
        };
        let (mut got_dot, mut got_exponent) = (self.take('.'), false);
        loop {
            match self.peek() {
                Some(next) if is_digit(next) => self.take_while(is_digit),
                Some('.') => {
                    self.bump();
                    if got_dot || hex || self.take('_') || self.take('.') {
                        return false;
                    }
                    got_dot = true;
                }
                Some('e' | 'E') => {
                    self.bump();
                    let sign = self.take('+') || self.take('-');
                    let bad = matches!(self.peek(), Some('.' | '_' | 'e' | 'E') | None);
                    if got_exponent || bad {
                        self.at += usize::from(bad && !sign && self.peek().is_some());
                        return false;
                    }
                    got_exponent = true;
                }
                Some('_') => {
                    self.bump();
                    if matches!(self.peek(), Some('.' | '_' | 'e' | 'E') | None) {
                        self.bump();
                        return false;
                    }
                }
                Some(next) => return !is_name_part(next),
                None => return true,
            }
        }
    }

    /// Reads the rest of a duration, behind its first number.
    fn rest_of_duration(&mut self) -> bool {
        let mut units = "smhdwy";
        loop {
            match self.peek() {
                Some(unit) if units.contains(unit) => self.bump(),
                _ => return false,
            };
            self.take('s');
            // Years come first and only there.
            units = "smhdw";
            if !self.peek().is_some_and(|next| next.is_ascii_digit()) {
                break;
            }
            self.take_while(|next| next.is_ascii_digit());
        }
        match self.peek() {
            // The character that does not fit belongs to what the message shows.
            Some(next) if is_name_part(next) => {
                self.bump();
                false
            }
            _ => true,
        }
    }

    fn string(&mut self, quote: char) -> Kind {
        loop {
            match self.bump() {
                None if quote == '`' => return Err("unterminated raw string".to_owned()),
                None => return Err("unterminated quoted string".to_owned()),
                Some('\n') if quote != '`' => return Err("unterminated quoted string".to_owned()),
                Some('\\') if quote != '`' => self.escape(quote)?,
                Some(next) if next == quote => return Ok(TokenKind::String),
                Some(_) => {}
            }
        }
    }

    fn escape(&mut self, quote: char) -> Result<(), String> {
        let unfinished = || "escape sequence not terminated".to_owned();
        let (count, radix, max) = match self.bump().ok_or_else(unfinished)? {
            'a' | 'b' | 'f' | 'n' | 'r' | 't' | 'v' | '\\' => return Ok(()),
            next if next == quote => return Ok(()),
            '0'..='7' => {
                self.at -= 1;
                (3, 8, 255)
            }
            'x' => (2, 16, 255),
            'u' => (4, 16, u32::from(char::MAX)),
            'U' => (8, 16, u32::from(char::MAX)),
            next => return Err(format!("unknown escape sequence {}", code_point(next))),
        };
        let mut value = 0_u32;
        for _ in 0..count {
            let next = self.bump().ok_or_else(unfinished)?;
            let Some(digit) = next.to_digit(radix) else {
                let next = code_point(next);
                return Err(format!("illegal character {next} in escape sequence"));
            };
            value = value.saturating_mul(radix).saturating_add(digit);
        }
        if value > max || (0xd800..0xe000).contains(&value) {
            return Err("escape sequence is an invalid Unicode code point".to_owned());
        }
        Ok(())
    }

    /// The next character as messages show it; Go's `%q` shows the end of the text as U+FFFD.
    fn next_quoted(&self) -> String {
        quote_char(self.peek().unwrap_or(char::REPLACEMENT_CHARACTER))
    }
}

fn code_point(character: char) -> String {
    format!("U+{:04X} '{character}'", u32::from(character))
}

fn is_blank(next: char) -> bool {
    matches!(next, ' ' | '\t' | '\n' | '\r')
}

fn is_name_start(next: char) -> bool {
    next == '_' || next.is_ascii_alphabetic()
}

fn is_name_part(next: char) -> bool {
    is_name_start(next) || next.is_ascii_digit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last(text: &str) -> TokenKind {
        tokens(text)
            .pop()
            .expect("there is always a last token")
            .kind
    }

    #[test]
    fn texts_that_are_no_tokens_say_why() {
        for (text, message) in [
            ("(", "unclosed left parenthesis"),
            ("1)", "unexpected right parenthesis ')'"),
            ("a ]", "unexpected right bracket ']'"),
            ("foo{", "unexpected end of input inside braces"),
            ("{{", "unexpected left brace '{'"),
            ("{a!b}", "unexpected character after '!' inside braces: 'b'"),
            ("{a=5}", "unexpected character inside braces: '5'"),
            ("foo[", "unexpected end of input in duration expression"),
            ("foo[5m", "unclosed left bracket"),
            ("foo[5mm]", "bad number or duration syntax: \"5mm\""),
            ("foo[5m::1m]", "unexpected colon ':'"),
            ("foo[x]", "unexpected character in duration expression: 'x'"),
            ("2.5.", "bad number or duration syntax: \"2.5.\""),
            ("100..4", "bad number or duration syntax: \"100..\""),
            ("1e", "bad number or duration syntax: \"1e\""),
            ("1__0", "bad number or duration syntax: \"1__\""),
            ("0deadbeef", "bad number or duration syntax: \"0de\""),
            ("a $", "unexpected character: '$'"),
            ("a =~ b", "unexpected character after '=': '~'"),
            ("a !b", "unexpected character after '!': 'b'"),
            ("\"a", "unterminated quoted string"),
            ("`a", "unterminated raw string"),
            (r#""\q""#, "unknown escape sequence U+0071 'q'"),
            (
                r#""\xg""#,
                "illegal character U+0067 'g' in escape sequence",
            ),
            (
                r#""\ud800""#,
                "escape sequence is an invalid Unicode code point",
            ),
        ] {
            assert_eq!(last(text), TokenKind::Broken(message.to_owned()), "{text}");
        }
    }

    #[test]
    fn words_are_keywords_by_place() {
        let kinds = |text: &str| -> Vec<TokenKind> {
            tokens(text).into_iter().map(|token| token.kind).collect()
        };
        assert_eq!(kinds("fill")[0], TokenKind::Identifier);
        assert_eq!(kinds("fill (")[0], TokenKind::Keyword(Keyword::Fill));
        assert_eq!(kinds("{sum")[1], TokenKind::Identifier);
        assert_eq!(
            kinds("SUM")[0],
            TokenKind::Aggregate(crate::plan::AggregateOp::Sum)
        );
        assert_eq!(kinds("x[step()")[2], TokenKind::Keyword(Keyword::Step));
        assert_eq!(
            kinds("a:b # c\n")[..],
            [TokenKind::MetricIdentifier, TokenKind::End]
        );
        for number in [
            "1_000", ".5", "0x1F", "1e5", "1E-5", "Inf", "nan", "0X_1f", "5.", "1.5e3",
        ] {
            assert_eq!(
                kinds(number)[..],
                [TokenKind::Number, TokenKind::End],
                "{number}"
            );
        }
        for duration in ["5m", "1h30m", "1d12h30m15s100ms", "5ms", "3hs"] {
            assert_eq!(
                kinds(duration)[..],
                [TokenKind::Duration, TokenKind::End],
                "{duration}"
            );
        }
    }
}
