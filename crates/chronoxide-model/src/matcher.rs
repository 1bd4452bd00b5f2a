//! Label tests: `=`, `!=`, `=~`, `!~`.

mod alternatives;
mod pattern;
mod re2;
mod walk;

use std::fmt;

use pattern::{LITERALS_MAX, Pattern, Reach};
pub use pattern::{RegexError, anchored_regex};
pub use walk::ValueWalk;

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

/// A regular expression that cannot be used.
#[derive(Clone, Debug, thiserror::Error)]
#[error("error parsing regexp in {name}=~{pattern:?}: {reason}")]
pub struct MatcherError {
    /// The label the expression is for.
    pub name: String,
    /// The expression, or its beginning when it is long.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: RegexError,
}

impl Matcher {
    /// What a regular expression may weigh where nobody says otherwise.
    pub const WEIGHT_MAX: usize = 400_000;

    /// The matcher of `name`, `op` and `value`, unless it is a regular expression that weighs more than `weight_max`: see
    /// [`Matcher::weight`]. That is known before anything is built of the expression.
    ///
    /// # Errors
    /// When the pattern is no valid expression or too large.
    pub fn within(
        op: MatcherOp,
        name: impl Into<String>,
        value: impl Into<String>,
        weight_max: usize,
    ) -> Result<Self, MatcherError> {
        match op {
            MatcherOp::Equal => Ok(Self::equal(name, value)),
            MatcherOp::NotEqual => Ok(Self::not_equal(name, value)),
            MatcherOp::Regex | MatcherOp::NotRegex => {
                Self::with_pattern(op, name.into(), value.into(), weight_max)
            }
        }
    }

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
        Self::within(MatcherOp::Regex, name, pattern, Self::WEIGHT_MAX)
    }

    /// `name!~"pattern"`
    ///
    /// # Errors
    /// As [`Matcher::regex`].
    pub fn not_regex(
        name: impl Into<String>,
        pattern: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        Self::within(MatcherOp::NotRegex, name, pattern, Self::WEIGHT_MAX)
    }

    fn with_pattern(
        op: MatcherOp,
        name: String,
        value: String,
        weight_max: usize,
    ) -> Result<Self, MatcherError> {
        /// So much of a pattern tells which one it is.
        const SHOWN_BYTES_MAX: usize = 200;
        match Pattern::compile(&value, weight_max) {
            Ok(pattern) => Ok(Self {
                op,
                name,
                value,
                pattern: Some(pattern),
            }),
            Err(reason) => {
                let mut pattern = value;
                pattern.truncate(pattern.floor_char_boundary(SHOWN_BYTES_MAX));
                Err(MatcherError {
                    name,
                    pattern,
                    reason,
                })
            }
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
        pattern.matches(value)
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
            MatcherOp::Regex => self.pattern.as_ref().and_then(few_literals),
            MatcherOp::NotEqual | MatcherOp::NotRegex => None,
        }
    }

    /// The only values that what stands on the right of any matcher is equal to or matches, sorted, when they are known
    /// to be few: those that satisfy `=` and `=~`, and do not satisfy `!=` and `!~`.
    #[must_use]
    pub fn right_side_literals(&self) -> Option<&[String]> {
        match &self.pattern {
            None => Some(std::slice::from_ref(&self.value)),
            Some(pattern) => few_literals(pattern),
        }
    }

    /// Whether all values that are not empty satisfy the matcher, or none does; nothing when it depends on the value.
    #[must_use]
    pub fn verdict_on_any_value(&self) -> Option<bool> {
        let right_side = match &self.pattern {
            None => self.value.is_empty().then_some(false),
            Some(pattern) => match (&pattern.reach, pattern.literals()) {
                (Reach::All, _) => Some(true),
                (Reach::Some, Some([only])) if only.is_empty() => Some(false),
                (Reach::Some, _) => None,
            },
        };
        let is_negated = matches!(self.op, MatcherOp::NotEqual | MatcherOp::NotRegex);
        right_side.map(|verdict| verdict != is_negated)
    }

    /// The matcher as a test of values that come in order, which costs less than testing each on its own.
    #[must_use]
    pub fn walk(&self) -> ValueWalk<'_> {
        ValueWalk::new(self)
    }

    /// What a regular expression took to compile, and takes to keep: characters and character ranges, times their
    /// repetitions, or its length if that is more, and some more for each expression; 0 for other matchers. Time and memory
    /// go with it, so that a caller can bound what one request may cost. Alternatives that are all plain text weigh little
    /// more than one each.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.pattern.as_ref().map_or(0, |pattern| pattern.weight)
    }

    /// What values that match the pattern of a `=~` or `!~` matcher begin with, one or the other: sorted, none of them
    /// with another in front. Just the empty text when nothing is known.
    #[must_use]
    pub fn prefixes(&self) -> &[String] {
        match &self.pattern {
            Some(pattern) => &pattern.prefixes,
            None => std::slice::from_ref(&self.value),
        }
    }
}

/// The literals of a pattern, unless they are so many that looking for each is no help.
fn few_literals(pattern: &Pattern) -> Option<&[String]> {
    let literals = pattern.literals();
    literals.filter(|literals| literals.len() <= LITERALS_MAX)
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
        let matcher = |pattern: &str| Matcher::regex("a", pattern).unwrap();
        let prefixes = |pattern: &str| matcher(pattern).prefixes().to_vec();
        assert_eq!(prefixes("node_(cpu|disk)_.*"), ["node_cpu_", "node_disk_"]);
        assert_eq!(prefixes("^a(b|bc|[xy]).*$"), ["ab", "ax", "ay"]);
        assert_eq!(prefixes(".*a"), [""]);
        assert_eq!(prefixes("a.*|.+"), [""]);
        assert_eq!(prefixes("é.*|ê.*"), ["é", "ê"]);
        assert_eq!(Matcher::regex("a", "api-.+").unwrap().literals(), None);
        assert_eq!(
            Matcher::regex("a", "(?i)ab")
                .unwrap()
                .literals()
                .map(<[String]>::len),
            Some(4)
        );
        assert_eq!(Matcher::regex("a", "a|b.*").unwrap().literals(), None);
        assert_eq!(matcher("^(a|b)$").literals().unwrap(), ["a", "b"]);
        assert_eq!(matcher("(^a|b)").literals(), None);
        assert_eq!(matcher("a$|b").prefixes(), [""]);
        assert!(Matcher::regex("a", "^a$").unwrap().matches("a"));
        assert_eq!(Matcher::regex("a", "").unwrap().literals().unwrap(), [""]);
    }

    #[test]
    fn what_does_not_depend_on_the_value_is_known() {
        let verdict = |pattern: &str| {
            let found = Matcher::regex("a", pattern).unwrap().verdict_on_any_value();
            let negated = Matcher::not_regex("a", pattern).unwrap();
            assert_eq!(negated.verdict_on_any_value(), found.map(|all| !all));
            found
        };
        for pattern in [
            ".*", ".+", "(.*)", "^.+$", "(?s).*", "[^a]*|.*", ".{0,}", ".*?",
        ] {
            let found = verdict(pattern);
            assert!(found == Some(true) || pattern.contains('|'), "{pattern}");
        }
        for pattern in ["[^a]*", ".{2,}", "a.*", "..*", "(?-s).*", "", "a|"] {
            assert_ne!(verdict(pattern), Some(true), "{pattern}");
        }
        assert_eq!(verdict(""), Some(false));
        assert_eq!(verdict("a|"), None);
        assert_eq!(Matcher::equal("a", "").verdict_on_any_value(), Some(false));
        assert_eq!(
            Matcher::not_equal("a", "").verdict_on_any_value(),
            Some(true)
        );
        assert_eq!(Matcher::not_equal("a", "b").verdict_on_any_value(), None);
    }

    #[test]
    fn weights_grow_with_repetitions() {
        let weight = |pattern: &str| Matcher::regex("a", pattern).unwrap().weight();
        assert_eq!(weight("abc"), 1);
        assert_eq!(weight("[abc]x"), "[abc]x".len());
        assert_eq!(weight("(?:ab+){100}[0-9]"), 2 * 100 + 3 + 40);
        assert!(weight("\\pL{100}") > 50_000, "{}", weight("\\pL{100}"));
        assert_eq!(Matcher::equal("a", "abc").weight(), 0);
    }

    #[test]
    fn what_weighs_too_much_is_refused_by_name_and_not_shown_whole() {
        let within = |pattern: &str, weight_max| {
            Matcher::within(MatcherOp::Regex, "job", pattern, weight_max)
        };
        assert!(within("[a-z]{100}", 340).is_ok());
        assert!(within("[a-z]{100}", 339).is_err());
        assert!(within("a|b|c", 1).is_ok());
        assert!(within(&"a|".repeat(100), 20).is_err());
        let error = within("\\pL{1000}", 100_000).unwrap_err().to_string();
        assert!(
            error.contains("job") && error.contains("too large") && error.contains("100000"),
            "{error}"
        );
        // Not even the tree of such an expression is made.
        for long in ["\\pL".repeat(1000), "a.".repeat(100_000)] {
            let error = within(&long, 100_000).unwrap_err().to_string();
            assert!(error.len() < 1000 && error.contains("too large"), "{error}");
        }
        assert!(anchored_regex("\\pL{1000}", 100_000).is_err());
        assert!(anchored_regex("(a+)b", 300).is_ok());
        let escaped = "\\\\p".repeat(1000);
        assert!(
            within(&escaped, 10_000).is_ok(),
            "a backslash and a letter are no class"
        );
    }

    #[test]
    fn ten_thousand_plain_alternatives_weigh_little() {
        let names: Vec<String> = (0..10_000)
            .map(|number| format!("shop-{number:05}\\.example-host:9100"))
            .collect();
        for pattern in [names.join("|"), format!("^({})$", names.join("|"))] {
            let matcher = Matcher::within(MatcherOp::Regex, "a", pattern, 5000).unwrap();
            assert!(matcher.literals().is_none(), "too many to look for each");
            assert_eq!(matcher.prefixes(), ["shop-0"]);
            let mut walk = matcher.walk();
            for (value, expected) in [
                ("shop-00000.example-host:9100", true),
                ("shop-09999.example-host:9100", true),
                ("shop-10000.example-host:9100", false),
                ("shop-00000", false),
                ("shop-00001\\.example-host:9100", false),
                ("", false),
            ] {
                assert_eq!(matcher.matches(value), expected, "{value}");
                assert_eq!(walk.matches(value), expected, "{value}");
            }
        }
    }

    #[test]
    fn groups_of_an_anchored_regex_capture() {
        let regex = anchored_regex(r"(a+)-(?P<number>\d+)", 1000).unwrap().0;
        let found = regex.captures("aa-7").unwrap();
        assert_eq!((&found[1], &found["number"]), ("aa", "7"));
        assert!(regex.captures("aa-7 ").is_none());
        assert!(regex.captures("aa-\u{667}").is_none(), "digits are ASCII");
        assert!(anchored_regex("a**", 1000).is_err());
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
