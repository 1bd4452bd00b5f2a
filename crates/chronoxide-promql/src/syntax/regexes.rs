//! The regular expressions of a query, compiled once each, and how many they may be.

use std::collections::HashMap;

use chronoxide_model::{Matcher, MatcherError, MatcherOp, RegexError};

/// Different regular expressions a query may have: each one takes time and memory to compile.
const REGEXES_MAX: usize = 256;

/// What they may weigh together, see [`Matcher::weight`]: they take up to 300 bytes and some hundred nanoseconds a unit.
/// Ten thousand plain alternatives, as of a dashboard's list of chosen hosts, weigh some 3000.
const REGEX_WEIGHT_MAX: usize = 60_000;

/// The regular expressions compiled so far, and what all that come may still take: those of one query, or of all
/// selectors of one request. Dashboards repeat the same few in every selector.
#[derive(Debug, Default)]
pub struct Regexes {
    compiled: HashMap<(MatcherOp, String, String), Matcher>,
    weight: usize,
}

impl Regexes {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The matcher of `name`, `op` and `value`.
    ///
    /// # Errors
    /// What is wrong with a regular expression, or that there are too many, or too large ones.
    pub(crate) fn matcher(
        &mut self,
        op: MatcherOp,
        name: String,
        value: String,
    ) -> Result<Matcher, String> {
        if matches!(op, MatcherOp::Equal | MatcherOp::NotEqual) {
            return Matcher::within(op, name, value, 0).map_err(|error| error.to_string());
        }
        let key = (op, name, value);
        if let Some(matcher) = self.compiled.get(&key) {
            return Ok(matcher.clone());
        }
        if self.compiled.len() >= REGEXES_MAX {
            return Err(format!(
                "more than {REGEXES_MAX} different regular expressions in one query"
            ));
        }
        let left = REGEX_WEIGHT_MAX.saturating_sub(self.weight);
        let matcher = Matcher::within(op, key.1.as_str(), key.2.as_str(), left)
            .map_err(|error| self.refusal(&error))?;
        self.weight += matcher.weight();
        self.compiled.insert(key, matcher.clone());
        Ok(matcher)
    }

    fn refusal(&self, error: &MatcherError) -> String {
        match error.reason {
            RegexError::TooLarge { .. } if self.weight > 0 => format!(
                "the regular expressions of the query are too large: their characters and character ranges, times \
                 their repetitions, are more than {REGEX_WEIGHT_MAX} together"
            ),
            _ => error.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Regexes, parse_selector_with};

    #[test]
    fn selectors_that_share_regexes_share_their_limits() {
        let mut regexes = Regexes::new();
        for number in 0..1000 {
            // The same one each time.
            let selector = parse_selector_with("up{job=~\"a.*\"}", &mut regexes);
            assert_eq!(selector.unwrap().len(), 2, "{number}");
        }
        let mut read = |number: usize| {
            parse_selector_with(&format!("up{{job=~\"b{number}.*\"}}"), &mut regexes)
        };
        let refused = (0..1000).find_map(|number| read(number).err()).unwrap();
        assert!(
            refused.to_string().contains("regular expressions"),
            "{refused}"
        );
        assert!(read(0).is_ok(), "known ones go on");
    }

    #[test]
    fn what_the_regexes_of_a_query_take_is_bounded_before_they_are_compiled() {
        let parse = |text: &str| crate::syntax::parse(text, crate::syntax::Features::ALL);
        for text in [
            "up{a=~\"\\\\pL{1000}\"}",
            &format!("up{{a!~\"{}\"}}", "x.{1000}".repeat(7)),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(
                error.contains("1:4") && error.contains("too large"),
                "{error}"
            );
        }
        // None of them is too large by itself.
        let each = |n: usize| format!("a=~\"\\\\pL{{{n}}}x1\"");
        assert!(parse(&format!("up{{{}}}", each(40))).is_ok());
        let all: Vec<String> = (38..44).map(each).collect();
        let error = parse(&format!("up{{{}}}", all.join(","))).unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }

    #[test]
    fn ten_thousand_plain_alternatives_may_stand_in_many_selectors() {
        let names: Vec<String> = (0..10_000)
            .map(|n| format!("host-{n:05}\\\\.dc:9100"))
            .collect();
        let names = names.join("|");
        let text: Vec<String> = (0..3)
            .map(|n| format!("up{{instance=~\"{names}\",job=~\"job{n}|.*a\"}}"))
            .collect();
        let tree = crate::syntax::parse(&text.join(" or "), crate::syntax::Features::ALL);
        assert!(tree.is_ok(), "{:?}", tree.err());
    }
}
