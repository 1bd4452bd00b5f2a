//! The regular expressions of a query, compiled once each, and how many they may be.

use std::collections::HashMap;

use chronoxide_model::{Matcher, MatcherOp};

/// Different regular expressions a query may have: each one takes time and memory to compile.
const REGEXES_MAX: usize = 256;

/// What they may weigh together. It takes some microseconds a unit, less than a second for all.
const REGEX_WEIGHT_MAX: usize = 400_000;

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
        let compile = match op {
            MatcherOp::Equal => return Ok(Matcher::equal(name, value)),
            MatcherOp::NotEqual => return Ok(Matcher::not_equal(name, value)),
            MatcherOp::Regex => Matcher::regex,
            MatcherOp::NotRegex => Matcher::not_regex,
        };
        let key = (op, name, value);
        if let Some(matcher) = self.compiled.get(&key) {
            return Ok(matcher.clone());
        }
        if self.compiled.len() >= REGEXES_MAX {
            return Err(format!(
                "more than {REGEXES_MAX} different regular expressions in one query"
            ));
        }
        let matcher = compile(key.1.as_str(), key.2.as_str()).map_err(|error| error.to_string())?;
        self.weight += matcher.weight();
        if self.weight > REGEX_WEIGHT_MAX {
            return Err("the regular expressions of the query are too large".to_owned());
        }
        self.compiled.insert(key, matcher.clone());
        Ok(matcher)
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
}
