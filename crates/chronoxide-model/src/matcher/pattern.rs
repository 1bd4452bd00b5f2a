//! A compiled regular expression, and what can be known of it without running it.

use regex::Regex;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

use super::{alternatives, re2};

/// Bytes a compiled expression may take, so that no pattern can exhaust memory.
pub(super) const REGEX_BYTES_MAX: usize = 10 << 20;

/// Literals that are found by expanding an expression are no more than this, and so are those that others are told of.
pub(super) const LITERALS_MAX: usize = 1024;

/// What every compiled expression weighs, however short.
const REGEX_WEIGHT: usize = 40;

/// Plain alternatives that take as much memory as one character of a compiled expression ...
const LITERALS_A_UNIT: usize = 4;

/// ... and bytes of them that do.
const LITERAL_BYTES_A_UNIT: usize = 256;

/// A regular expression and what can be known of it without running it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) test: Test,
    /// See [`Matcher::prefixes`](super::Matcher::prefixes).
    pub(super) prefixes: Vec<String>,
    pub(super) reach: Reach,
    /// See [`Matcher::weight`](super::Matcher::weight).
    pub(super) weight: usize,
}

/// What tells whether a value matches.
#[derive(Clone, Debug)]
pub(super) enum Test {
    /// All strings that match, sorted.
    Literals(Vec<String>),
    /// The compiled expression.
    Regex(Regex),
}

/// Which values a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that are not empty.
    All,
    /// That depends on the value.
    Some,
}

/// Why an expression is refused.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RegexError {
    /// It is none.
    #[error("{0}")]
    Invalid(String),
    /// It weighs more than it may, see [`Matcher::weight`](super::Matcher::weight).
    #[error(
        "expression too large: its characters and character ranges, times their repetitions, are more than {weight_max}"
    )]
    TooLarge {
        /// What it may weigh.
        weight_max: usize,
    },
}

impl Pattern {
    /// Compiles `text` unless it weighs more than `weight_max`, which is known before anything is built.
    pub(super) fn compile(text: &str, weight_max: usize) -> Result<Self, RegexError> {
        let count_max = weight_max.saturating_mul(LITERALS_A_UNIT);
        if let Some(literals) = alternatives::plain(text, count_max) {
            let weight = literals.len() / LITERALS_A_UNIT + text.len() / LITERAL_BYTES_A_UNIT;
            let weight = check(weight.max(1), weight_max)?;
            return Ok(Self::of_literals(literals, weight));
        }
        let text = re2::translate(text, re2::Groups::Plain).map_err(RegexError::Invalid)?;
        let (hir, weight) = parse(&text, weight_max)?;
        let whole = without_anchors(&hir);
        let prefixes = prefixes_of(&whole);
        let reach = reach_of(&whole);
        if let Some(literals) = literals_of(&whole) {
            return Ok(Self {
                test: Test::Literals(literals),
                prefixes,
                reach,
                weight,
            });
        }
        let weight = check(weight.saturating_add(REGEX_WEIGHT), weight_max)?;
        Ok(Self {
            test: Test::Regex(anchored(&text, weight)?),
            prefixes,
            reach,
            weight,
        })
    }

    fn of_literals(literals: Vec<String>, weight: usize) -> Self {
        let prefixes = if literals.len() <= LITERALS_MAX {
            minimal(literals.clone())
        } else {
            vec![shared_beginning(&literals)]
        };
        Self {
            test: Test::Literals(literals),
            prefixes,
            reach: Reach::Some,
            weight,
        }
    }

    /// All strings that match, when they are known.
    pub(super) fn literals(&self) -> Option<&[String]> {
        match &self.test {
            Test::Literals(literals) => Some(literals),
            Test::Regex(_) => None,
        }
    }

    /// Whether the pattern matches all of `value`.
    pub(super) fn matches(&self, value: &str) -> bool {
        match &self.test {
            Test::Literals(literals) => literals
                .binary_search_by(|literal| literal.as_str().cmp(value))
                .is_ok(),
            Test::Regex(regex) => {
                let may_match = |prefix: &String| value.starts_with(prefix.as_str());
                self.prefixes.iter().any(may_match) && regex.is_match(value)
            }
        }
    }
}

const fn check(weight: usize, weight_max: usize) -> Result<usize, RegexError> {
    if weight > weight_max {
        return Err(RegexError::TooLarge { weight_max });
    }
    Ok(weight)
}

/// Reads and weighs an expression, unless it must weigh more than `weight_max`: a tree of it takes memory, too.
fn parse(text: &str, weight_max: usize) -> Result<(Hir, usize), RegexError> {
    let least = check(least_weight(text), weight_max)?;
    let hir = regex_syntax::ParserBuilder::new()
        .dot_matches_new_line(true)
        .build()
        .parse(text)
        .map_err(|error| RegexError::Invalid(one_line(&error.to_string())))?;
    let weight = check(weight_of(&hir).max(least), weight_max)?;
    Ok((hir, weight))
}

/// What an expression weighs at least: going by the memory that its tree takes, which grows with the text, and with each
/// class such as `\pL`, whose hundreds of ranges are made anew wherever it stands.
fn least_weight(text: &str) -> usize {
    /// Ranges of such a class.
    const CLASS_RANGES: usize = 300;
    let mut classes = 0;
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'\\' && matches!(rest.next(), Some(b'p' | b'P')) {
            classes += 1;
        }
    }
    text.len() + classes * CLASS_RANGES
}

/// Every match is of the whole value, so that `^` in front and `$` at the end say nothing.
fn without_anchors(hir: &Hir) -> Hir {
    let HirKind::Concat(parts) = hir.kind() else {
        return hir.clone();
    };
    let is_start = |part: &Hir| matches!(part.kind(), HirKind::Look(Look::Start));
    let is_end = |part: &Hir| matches!(part.kind(), HirKind::Look(Look::End));
    let front = parts.iter().take_while(|part| is_start(part)).count();
    let rest = parts.get(front..).unwrap_or_default();
    let back = rest.iter().rev().take_while(|part| is_end(part)).count();
    let kept = rest.get(..rest.len() - back).unwrap_or_default();
    Hir::concat(kept.to_vec())
}

/// Whether the expression is `.*` or `.+`, however it is written.
fn reach_of(hir: &Hir) -> Reach {
    match hir.kind() {
        HirKind::Capture(capture) => reach_of(&capture.sub),
        HirKind::Repetition(repetition)
            if repetition.min <= 1 && repetition.max.is_none() && is_any(&repetition.sub) =>
        {
            Reach::All
        }
        _ => Reach::Some,
    }
}

fn is_any(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => is_any(&capture.sub),
        HirKind::Class(Class::Unicode(class)) => {
            matches!(class.ranges(), [all] if all.start() == '\0' && all.end() == char::MAX)
        }
        _ => false,
    }
}

/// Compiles `pattern`, in RE2's notation as Prometheus reads it, so that it matches whole texts only and `.` matches
/// newlines too. Groups keep their numbers and names. With it comes its weight, as [`Matcher::weight`] has it.
///
/// # Errors
/// What is wrong with the pattern, or that it weighs more than `weight_max`, which is known before anything is built.
///
/// [`Matcher::weight`]: super::Matcher::weight
pub fn anchored_regex(pattern: &str, weight_max: usize) -> Result<(Regex, usize), RegexError> {
    let text = re2::translate(pattern, re2::Groups::Capturing).map_err(RegexError::Invalid)?;
    let (_, weight) = parse(&text, weight_max)?;
    let weight = check(weight.saturating_add(REGEX_WEIGHT), weight_max)?;
    Ok((anchored(&text, weight)?, weight))
}

/// Compiles what was weighed.
fn anchored(text: &str, weight: usize) -> Result<Regex, RegexError> {
    /// Room for some hundred states of an automaton that is made while it runs ...
    const STATES_BYTES: usize = 128 << 10;
    /// ... and for the sets that each of them is, which grow with the expression.
    const STATES_BYTES_BY_WEIGHT: usize = 64;
    regex::RegexBuilder::new(&format!("^(?s:{text})$"))
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(STATES_BYTES + weight.saturating_mul(STATES_BYTES_BY_WEIGHT))
        .build()
        .map_err(|error| RegexError::Invalid(one_line(&error.to_string())))
}

/// The last line of a many-line parse error says what is wrong; the others draw where.
fn one_line(message: &str) -> String {
    let last = message.lines().next_back().unwrap_or(message);
    last.trim().trim_start_matches("error: ").to_owned()
}

/// About the states that an expression compiles to: characters and ranges, times their repetitions. The parser bounds how deep expressions nest.
fn weight_of(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(class) => weight_of_class(class),
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

/// Ranges, and more where they lead to characters of several bytes, as those have states of their own for each byte.
fn weight_of_class(class: &Class) -> usize {
    let Class::Unicode(class) = class else {
        return 2 + 256;
    };
    let ranges = class.ranges().iter();
    let has_long = class
        .ranges()
        .last()
        .is_some_and(|last| !last.end().is_ascii());
    let weights = ranges.map(|range| {
        if range.start().len_utf8() == range.end().len_utf8() {
            1
        } else {
            4
        }
    });
    2 + weights.sum::<usize>() + if has_long { 4 } else { 0 }
}

/// All strings an expression matches, when it is nothing but literals and alternations of them.
fn literals_of(hir: &Hir) -> Option<Vec<String>> {
    let mut extractor = Extractor::new();
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

/// What matches begin with, one or the other.
fn prefixes_of(hir: &Hir) -> Vec<String> {
    let anything = || vec![String::new()];
    if !hir.properties().look_set().is_empty() {
        return anything();
    }
    let sequence = Extractor::new().extract(hir);
    let Some(literals) = sequence.literals() else {
        return anything();
    };
    let prefixes = literals.iter().map(|literal| {
        let bytes = literal.as_bytes();
        let whole = bytes.utf8_chunks().next();
        whole.map_or_else(String::new, |chunk| chunk.valid().to_owned())
    });
    minimal(prefixes.collect())
}

/// The texts that begin with no other one, sorted.
fn minimal(mut prefixes: Vec<String>) -> Vec<String> {
    prefixes.sort_unstable();
    // What begins with another stands right behind it, or behind others that do.
    let mut kept: Vec<String> = Vec::new();
    for prefix in prefixes {
        if kept
            .last()
            .is_none_or(|last| !prefix.starts_with(last.as_str()))
        {
            kept.push(prefix);
        }
    }
    kept
}

/// What all of the sorted texts begin with.
fn shared_beginning(sorted: &[String]) -> String {
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return String::new();
    };
    let pairs = first.chars().zip(last.chars());
    let shared = pairs.take_while(|(first, last)| first == last);
    shared.map(|(first, _)| first).collect()
}
