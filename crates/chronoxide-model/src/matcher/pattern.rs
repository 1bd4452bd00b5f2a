//! A compiled regular expression, and what can be known of it without running it.

use regex::Regex;
use regex_syntax::hir::literal::Extractor;
use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// Bytes a compiled expression may take, so that no pattern can exhaust memory.
pub(super) const REGEX_BYTES_MAX: usize = 10 << 20;

/// Alternations of more literals than this are left to the regex engine.
const LITERALS_MAX: usize = 1024;

/// A compiled regular expression and what can be known of it without running it.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// All strings the pattern can match, when they are few literals.
    pub(super) literals: Option<Vec<String>>,
    /// See [`Matcher::prefixes`](super::Matcher::prefixes).
    pub(super) prefixes: Vec<String>,
    pub(super) reach: Reach,
    /// See [`Matcher::weight`](super::Matcher::weight).
    pub(super) weight: usize,
}

/// Which values a pattern matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// All that are not empty.
    All,
    /// That depends on the value.
    Some,
}

impl Pattern {
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        let text = super::re2::translate(text, super::re2::Groups::Plain)?;
        let hir = regex_syntax::ParserBuilder::new()
            .dot_matches_new_line(true)
            .build()
            .parse(&text)
            .map_err(|error| one_line(&error.to_string()))?;
        let regex = anchored(&text)?;
        let whole = without_anchors(&hir);
        Ok(Self {
            literals: literals_of(&whole),
            prefixes: prefixes_of(&whole),
            reach: reach_of(&whole),
            weight: weight_of(&hir),
            regex,
        })
    }

    /// Whether the pattern matches all of `value`.
    pub(super) fn matches(&self, value: &str) -> bool {
        match &self.literals {
            Some(literals) => literals
                .binary_search_by(|literal| literal.as_str().cmp(value))
                .is_ok(),
            None => {
                let may_match = |prefix: &String| value.starts_with(prefix.as_str());
                self.prefixes.iter().any(may_match) && self.regex.is_match(value)
            }
        }
    }
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
/// newlines too. Groups keep their numbers and names.
///
/// # Errors
/// What is wrong with the pattern, or that it compiles to more than a matcher may.
pub fn anchored_regex(pattern: &str) -> Result<Regex, String> {
    anchored(&super::re2::translate(
        pattern,
        super::re2::Groups::Capturing,
    )?)
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
fn weight_of(hir: &Hir) -> usize {
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
    let mut prefixes: Vec<String> = literals
        .iter()
        .map(|literal| {
            let bytes = literal.as_bytes();
            let whole = bytes.utf8_chunks().next();
            whole.map_or_else(String::new, |chunk| chunk.valid().to_owned())
        })
        .collect();
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
