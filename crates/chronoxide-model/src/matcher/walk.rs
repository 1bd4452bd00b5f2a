//! Tests values that come in order: what a value has in common with the one before is not looked at again.

use regex::Regex;
use regex_automata::hybrid::LazyStateID;
use regex_automata::hybrid::dfa::{Cache, DFA};
use regex_automata::util::start;
use regex_automata::{Anchored, nfa::thompson};

use super::pattern::{REGEX_BYTES_MAX, Test};
use super::{Matcher, MatcherOp};

/// Bytes that the states of an automaton may take before they are forgotten.
const STATES_BYTES: usize = 1 << 20;

/// A [`Matcher`] that remembers where its regular expression stood after each byte of the last value.
///
/// Any order of values gives the right answers; sorted ones are the quickest, as label values in an index are: most of
/// a value is the beginning of the one before, and where that is enough to refuse it, nothing is left to do.
///
/// ```
/// use chronoxide_model::Matcher;
///
/// let matcher = Matcher::regex("pod", ".*-[0-9]+")?;
/// let mut walk = matcher.walk();
/// let found = ["api-1", "api-17", "api-1b", "db"].map(|value| walk.matches(value));
/// assert_eq!(found, [true, true, false, false]);
/// # Ok::<(), chronoxide_model::MatcherError>(())
/// ```
#[derive(Debug)]
pub struct ValueWalk<'m> {
    matcher: &'m Matcher,
    automaton: Option<Automaton>,
}

impl<'m> ValueWalk<'m> {
    pub(super) fn new(matcher: &'m Matcher) -> Self {
        let automaton = match matcher.pattern.as_ref().map(|pattern| &pattern.test) {
            Some(Test::Regex(regex)) => Automaton::of(regex),
            // A set of literals is quicker still.
            Some(Test::Literals(_)) | None => None,
        };
        Self { matcher, automaton }
    }

    /// As [`Matcher::matches`].
    pub fn matches(&mut self, value: &str) -> bool {
        let Some(automaton) = &mut self.automaton else {
            return self.matcher.matches(value);
        };
        match automaton.matches(value.as_bytes()) {
            Some(is_match) => is_match == (self.matcher.op == MatcherOp::Regex),
            None => {
                // Too many states to be of use.
                self.automaton = None;
                self.matcher.matches(value)
            }
        }
    }
}

#[derive(Debug)]
struct Automaton {
    dfa: DFA,
    cache: Cache,
    /// How often the cache had been cleared when `states` were made: they mean nothing after the next time.
    clears: usize,
    /// The state before the first byte of `value`, after it, and so on; up to the first from which nothing matches.
    states: Vec<LazyStateID>,
    /// The last value.
    value: Vec<u8>,
}

impl Automaton {
    /// None for what such automata cannot do.
    fn of(regex: &Regex) -> Option<Self> {
        let dfa = DFA::builder()
            .configure(DFA::config().cache_capacity(STATES_BYTES))
            .thompson(thompson::Config::new().nfa_size_limit(Some(REGEX_BYTES_MAX)))
            .build(regex.as_str())
            .ok()?;
        let cache = dfa.create_cache();
        Some(Self {
            clears: cache.clear_count(),
            dfa,
            cache,
            states: Vec::new(),
            value: Vec::new(),
        })
    }

    /// Whether the pattern matches all of `value`; nothing when that takes more states than there is room for.
    fn matches(&mut self, value: &[u8]) -> Option<bool> {
        let pairs = self.value.iter().zip(value);
        let shared = pairs.take_while(|(a, b)| a == b).count();
        self.states.truncate(shared + 1);
        self.value.truncate(shared);
        self.value.extend_from_slice(value.get(shared..)?);
        self.go_on().or_else(|| {
            // States were forgotten on the way: once more from the start, with an empty cache.
            self.states.clear();
            self.cache.reset(&self.dfa);
            self.clears = self.cache.clear_count();
            self.go_on()
        })
    }

    /// Takes the states from where they end to the end of the value; nothing when they are not valid any more.
    fn go_on(&mut self) -> Option<bool> {
        let mut state = match self.states.last() {
            Some(state) => *state,
            None => {
                let config = start::Config::new().anchored(Anchored::Yes);
                let state = self.dfa.start_state(&mut self.cache, &config).ok()?;
                self.keep(state)?
            }
        };
        for index in self.states.len() - 1..self.value.len() {
            if state.is_dead() {
                return Some(false);
            }
            let byte = *self.value.get(index)?;
            let next = self.dfa.next_state(&mut self.cache, state, byte).ok()?;
            if next.is_quit() {
                return None;
            }
            state = self.keep(next)?;
        }
        let end = self.dfa.next_eoi_state(&mut self.cache, state).ok()?;
        (self.cache.clear_count() == self.clears).then(|| end.is_match())
    }

    fn keep(&mut self, state: LazyStateID) -> Option<LazyStateID> {
        if self.cache.clear_count() != self.clears {
            return None;
        }
        self.states.push(state);
        Some(state)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATTERNS: [&str; 14] = [
        ".*a.*",
        "a.*",
        ".*b",
        "(a|b)*c",
        "[^a]+",
        "a|b.*",
        "x?y?z?.*",
        "(?i)AB.*",
        "a{2,3}.*b{1,4}",
        ".*é.+",
        "^a.*$",
        "(aa|ab|b.)*",
        ".*\\ba.*",
        "",
    ];

    #[test]
    fn a_dead_end_is_left_again() {
        let matcher = Matcher::regex("a", "ab.*c").unwrap();
        let mut walk = matcher.walk();
        assert!(walk.automaton.is_some());
        for (value, expected) in [
            ("abc", true),
            ("abd", false),
            ("abdc", true),
            ("b", false),
            ("bbbb", false),
            ("abc", true),
            ("", false),
            ("ab", false),
        ] {
            assert_eq!(walk.matches(value), expected, "{value}");
        }
    }

    #[test]
    fn too_many_states_end_in_the_same_answers() {
        // Each of the last twenty characters is remembered: up to 2^20 states.
        let matcher = Matcher::regex("a", "(a|b)*a(a|b){18}").unwrap();
        let mut walk = matcher.walk();
        let mut state = 1_u64;
        for _ in 0..3000 {
            let mut value = String::new();
            for _ in 0..60 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                value.push(if state >> 63 == 0 { 'a' } else { 'b' });
            }
            assert_eq!(walk.matches(&value), matcher.matches(&value), "{value}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]

        #[test]
        fn walks_say_what_matchers_say(
            mut values in prop::collection::vec("[abcxé]{0,6}", 1..300),
            is_sorted: bool,
        ) {
            if is_sorted {
                values.sort_unstable();
            }
            for pattern in PATTERNS {
                for matcher in [Matcher::regex("a", pattern), Matcher::not_regex("a", pattern)] {
                    let matcher = matcher.unwrap();
                    let mut walk = matcher.walk();
                    for value in &values {
                        prop_assert_eq!(
                            walk.matches(value),
                            matcher.matches(value),
                            "{} {:?}",
                            matcher,
                            value
                        );
                    }
                }
            }
        }
    }
}
