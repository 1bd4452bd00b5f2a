//! Label tests: `=`, `!=`, `=~`, `!~`.

mod re2;

use std::fmt;

use regex::Regex;

/// How a matcher compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatcherOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`
    Regex,
    /// `!~`
    NotRegex,
}

impl MatcherOp {
    /// As it is written in PromQL.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A test on the value of one label; an absent label has the empty value.
#[derive(Clone, Debug)]
pub struct Matcher {
    op: MatcherOp,
    name: String,
    value: String,
    pattern: Option<Pattern>,
}

/// A compiled regular expression and what can be known of it without running it.
#[derive(Clone, Debug)]
struct Pattern {
    regex: Regex,
    /// All strings the pattern can match, when they are few literals.
    literals: Option<Vec<String>>,
    /// What every match begins with; often empty.
    prefix: String,
    /// See [`Matcher::weight`].
    weight: usize,
}

/// A regular expression that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("error parsing regexp in {name}=~{pattern:?}: {reason}")]
pub struct MatcherError {
    /// The label the expression is for.
    pub name: String,
    /// The expression.
    pub pattern: String,
    /// What is wrong with it, on one line.
    pub reason: String,
}

/// Bytes a compiled expression may take, so that no pattern can exhaust memory.
const REGEX_BYTES_MAX: usize = 10 << 20;

/// Alternations of more literals than this are left to the regex engine.
const LITERALS_MAX: usize = 1024;

impl Matcher {
    /// `name="value"`
    #[must_use]
    pub fn equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            op: MatcherOp::Equal,
            name: name.into(),
            value: value.into(),
            pattern: None,
        }
    }

    /// `name!="value"`
    #[must_use]
    pub fn not_equal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self {
            op: MatcherOp::NotEqual,
            name: name.into(),
            value: value.into(),
            pattern: None,
        }
    }

    /// `name=~"pattern"`; the pattern, in RE2's notation, must match the whole value, and `.` matches newlines too.
    ///
    /// # Errors
    /// When the pattern is no valid expression or compiles to too large a program.
    pub fn regex(
        name: impl Into<String>,
        pattern: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        Self::with_pattern(MatcherOp::Regex, name.into(), pattern.into())
    }

    /// `name!~"pattern"`
    ///
    /// # Errors
    /// As [`Matcher::regex`].
    pub fn not_regex(
        name: impl Into<String>,
        pattern: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        Self::with_pattern(MatcherOp::NotRegex, name.into(), pattern.into())
    }

    fn with_pattern(op: MatcherOp, name: String, value: String) -> Result<Self, MatcherError> {
        match Pattern::compile(&value) {
            Ok(pattern) => Ok(Self {
                op,
                name,
                value,
                pattern: Some(pattern),
            }),
            Err(reason) => Err(MatcherError {
                name,
                pattern: value,
                reason,
            }),
        }
    }

    /// How the matcher compares.
    #[must_use]
    pub const fn op(&self) -> MatcherOp {
        self.op
    }

    /// The label it looks at.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value or the pattern, as written.
    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether a label with this value satisfies the matcher; pass `""` for an absent label.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        match self.op {
            MatcherOp::Equal => self.value == value,
            MatcherOp::NotEqual => self.value != value,
            MatcherOp::Regex => self.pattern_matches(value),
            MatcherOp::NotRegex => !self.pattern_matches(value),
        }
    }

    fn pattern_matches(&self, value: &str) -> bool {
        let pattern = self
            .pattern
            .as_ref()
            .expect("regex matchers are built with a pattern");
        match &pattern.literals {
            Some(literals) => literals
                .binary_search_by(|literal| literal.as_str().cmp(value))
                .is_ok(),
            None => value.starts_with(&pattern.prefix) && pattern.regex.is_match(value),
        }
    }

    /// Whether series without the label satisfy the matcher.
    #[must_use]
    pub fn matches_empty(&self) -> bool {
        self.matches("")
    }

    /// The only values that can satisfy a `=` or `=~` matcher, sorted, when they are known to be few.
    #[must_use]
    pub fn literals(&self) -> Option<&[String]> {
        match self.op {
            MatcherOp::Equal => Some(std::slice::from_ref(&self.value)),
            MatcherOp::Regex => self
                .pattern
                .as_ref()
                .and_then(|pattern| pattern.literals.as_deref()),
            MatcherOp::NotEqual | MatcherOp::NotRegex => None,
        }
    }

    /// What it took to compile a regular expression: characters and character ranges, times their repetitions; 0 for
    /// other matchers. Time and memory go with it, so that a caller can bound what one request may cost.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.pattern.as_ref().map_or(0, |pattern| pattern.weight)
    }

    /// What every value that satisfies a `=~` matcher begins with; empty when nothing is known.
    #[must_use]
    pub fn prefix(&self) -> &str {
        match (self.op, &self.pattern) {
            (MatcherOp::Regex, Some(pattern)) => &pattern.prefix,
            (MatcherOp::Equal, _) => &self.value,
            _ => "",
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        self.op == other.op && self.name == other.name && self.value == other.value
    }
}

impl Eq for Matcher {}

impl std::hash::Hash for Matcher {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.op, &self.name, &self.value).hash(state);
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
    }
}

impl Pattern {
    fn compile(text: &str) -> Result<Self, String> {
        let text = re2::translate(text, re2::Groups::Plain)?;
        let hir = regex_syntax::ParserBuilder::new()
            .dot_matches_new_line(true)
            .build()
            .parse(&text)
            .map_err(|error| one_line(&error.to_string()))?;
        let regex = anchored(&text)?;
        Ok(Self {
            literals: literals_of(&hir),
            prefix: prefix_of(&hir),
            weight: weight_of(&hir),
            regex,
        })
    }
}

/// Compiles `pattern`, in RE2's notation as Prometheus reads it, so that it matches whole texts only and `.` matches
/// newlines too. Groups keep their numbers and names.
///
/// # Errors
/// What is wrong with the pattern, or that it compiles to more than a matcher may.
pub fn anchored_regex(pattern: &str) -> Result<Regex, String> {
    anchored(&re2::translate(pattern, re2::Groups::Capturing)?)
}

fn anchored(text: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(&format!("^(?s:{text})$"))
        .size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| one_line(&error.to_string()))
}

/// The last line of a many-line parse error says what is wrong; the others draw where.
fn one_line(message: &str) -> String {
    let last = message.lines().next_back().unwrap_or(message);
    last.trim().trim_start_matches("error: ").to_owned()
}

/// Characters and ranges of an expression, times their repetitions. The parser bounds how deep expressions nest.
fn weight_of(hir: &regex_syntax::hir::Hir) -> usize {
    use regex_syntax::hir::{Class, HirKind};
    match hir.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(Class::Unicode(class)) => class.ranges().len(),
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Capture(capture) => weight_of(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            let times = usize::try_from(times).unwrap_or(usize::MAX);
            weight_of(&repetition.sub).saturating_mul(times)
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(weight_of).fold(0, usize::saturating_add)
        }
    }
}

/// All strings an expression matches, when it is nothing but literals and alternations of them.
fn literals_of(hir: &regex_syntax::hir::Hir) -> Option<Vec<String>> {
    let mut extractor = regex_syntax::hir::literal::Extractor::new();
    extractor
        .limit_total(LITERALS_MAX)
        .limit_class(16)
        .limit_repeat(4);
    // Assertions inside would be dropped by the extractor although they restrict the match.
    if !hir.properties().look_set().is_empty() {
        return None;
    }
    let sequence = extractor.extract(hir);
    if !sequence.is_exact() {
        return None;
    }
    let mut literals = Vec::new();
    for literal in sequence.literals()? {
        literals.push(std::str::from_utf8(literal.as_bytes()).ok()?.to_owned());
    }
    literals.sort_unstable();
    literals.dedup();
    Some(literals)
}

/// The literal that every match begins with.
fn prefix_of(hir: &regex_syntax::hir::Hir) -> String {
    if !hir.properties().look_set().is_empty() {
        return String::new();
    }
    let sequence = regex_syntax::hir::literal::Extractor::new().extract(hir);
    let common = sequence.longest_common_prefix().unwrap_or(&[]);
    match std::str::from_utf8(common) {
        Ok(prefix) => prefix.to_owned(),
        Err(error) => String::from_utf8_lossy(&common[..error.valid_up_to()]).into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_the_whole_value() {
        let matcher = Matcher::regex("a", "x|yz").unwrap();
        assert!(matcher.matches("x") && matcher.matches("yz"));
        assert!(!matcher.matches("xz") && !matcher.matches("") && !matcher.matches("ayz"));
        assert_eq!(matcher.literals().unwrap(), ["x", "yz"]);
        assert!(Matcher::not_regex("a", "x|yz").unwrap().matches("xz"));
    }

    #[test]
    fn a_dot_matches_a_newline() {
        assert!(Matcher::regex("a", "x.*").unwrap().matches("x\ny"));
        assert!(Matcher::regex("a", ".").unwrap().matches("\n"));
    }

    #[test]
    fn an_absent_label_is_an_empty_value() {
        assert!(Matcher::equal("a", "").matches_empty());
        assert!(Matcher::regex("a", "x?").unwrap().matches_empty());
        assert!(!Matcher::regex("a", ".+").unwrap().matches_empty());
        assert!(Matcher::not_equal("a", "x").matches_empty());
    }

    #[test]
    fn literals_and_prefixes_are_found() {
        assert_eq!(
            Matcher::regex("a", "node_(cpu|disk)_.*").unwrap().prefix(),
            "node_"
        );
        assert_eq!(Matcher::regex("a", "api-.+").unwrap().literals(), None);
        assert_eq!(
            Matcher::regex("a", "(?i)ab")
                .unwrap()
                .literals()
                .map(<[String]>::len),
            Some(4)
        );
        assert_eq!(Matcher::regex("a", "a|b.*").unwrap().literals(), None);
        assert_eq!(Matcher::regex("a", "^a$").unwrap().literals(), None);
        assert!(Matcher::regex("a", "^a$").unwrap().matches("a"));
        assert_eq!(Matcher::regex("a", "").unwrap().literals().unwrap(), [""]);
    }

    #[test]
    fn weights_grow_with_repetitions() {
        let weight = |pattern: &str| Matcher::regex("a", pattern).unwrap().weight();
        assert_eq!(weight("abc"), 3);
        assert_eq!(weight("(?:ab+){10}[0-9]"), 21);
        assert!(weight("\\pL{100}") > 50_000, "{}", weight("\\pL{100}"));
        assert_eq!(Matcher::equal("a", "abc").weight(), 0);
    }

    #[test]
    fn groups_of_an_anchored_regex_capture() {
        let regex = anchored_regex(r"(a+)-(?P<number>\d+)").unwrap();
        let found = regex.captures("aa-7").unwrap();
        assert_eq!((&found[1], &found["number"]), ("aa", "7"));
        assert!(regex.captures("aa-7 ").is_none());
        assert!(regex.captures("aa-\u{667}").is_none(), "digits are ASCII");
        assert!(anchored_regex("a**").is_err());
    }

    #[test]
    fn a_broken_pattern_is_named() {
        let error = Matcher::regex("job", "a(").unwrap_err();
        assert!(
            error.to_string().contains("job") && error.to_string().contains("missing closing )"),
            "{error}"
        );
        assert!(Matcher::regex("job", "(a{1000}){1000}").is_err());
    }
}
