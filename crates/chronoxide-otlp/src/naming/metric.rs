//! Metric names under the four strategies.

use super::units::UnitWords;
use crate::TranslationStrategy;

/// What of a metric's type shows in its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameKind {
    /// A gauge: unit `1` makes it a ratio.
    Gauge,
    /// A monotonic sum: `_total`.
    Counter,
    /// Everything else: up-down counters, histograms, summaries.
    Other,
}

/// The Prometheus name of metric `name` with `unit`, without the suffixes of single series such as `_bucket`.
///
/// `None` when no name is left: nothing but characters that the strategy cannot keep.
///
/// ```
/// use chronoxide_otlp::{NameKind, TranslationStrategy, metric_name};
///
/// let strategy = TranslationStrategy::UnderscoreEscapingWithSuffixes;
/// let name = metric_name(strategy, "system.network.io", "By", NameKind::Counter);
/// assert_eq!(name.as_deref(), Some("system_network_io_bytes_total"));
/// ```
#[must_use]
pub fn metric_name(
    strategy: TranslationStrategy,
    name: &str,
    unit: &str,
    kind: NameKind,
) -> Option<String> {
    use TranslationStrategy as Strategy;
    let translated = match strategy {
        Strategy::UnderscoreEscapingWithSuffixes => {
            return meaningful(escaped_with_suffixes(name, unit, kind), name);
        }
        Strategy::UnderscoreEscapingWithoutSuffixes => {
            return meaningful(escaped_without_suffixes(name), name);
        }
        Strategy::NoUtf8EscapingWithSuffixes if !name.is_empty() => {
            kept_with_suffixes(name, unit, kind)
        }
        Strategy::NoUtf8EscapingWithSuffixes | Strategy::NoTranslation => name.to_owned(),
    };
    (!translated.is_empty()).then_some(translated)
}

/// A name of underscores alone is only kept where the sender chose it.
fn meaningful(translated: String, original: &str) -> Option<String> {
    let kept = translated == original || translated.contains(|character| character != '_');
    (kept && !translated.is_empty()).then_some(translated)
}

fn escaped_with_suffixes(name: &str, unit: &str, kind: NameKind) -> String {
    let mut tokens: Vec<&str> = name
        .split(|character: char| !character.is_ascii_alphanumeric() && character != ':')
        .filter(|token| !token.is_empty())
        .collect();
    let UnitWords { mut main, mut per } = UnitWords::of(unit).cleaned();
    if tokens.contains(&main.as_str()) {
        main.clear();
    }
    if per.ends_with('_') {
        per.pop();
    }
    if per == "per" || tokens.contains(&per.as_str()) {
        per.clear();
    }
    if !per.is_empty() && main.ends_with('_') {
        main.pop();
    }
    tokens.extend(
        [main.as_str(), per.as_str()]
            .iter()
            .filter(|word| !word.is_empty()),
    );
    let suffix = match kind {
        NameKind::Counter => Some("total"),
        NameKind::Gauge if unit == "1" => Some("ratio"),
        NameKind::Gauge | NameKind::Other => None,
    };
    if let Some(suffix) = suffix {
        tokens.retain(|token| *token != suffix);
        tokens.push(suffix);
    }
    guarded_digit(tokens.join("_"))
}

fn escaped_without_suffixes(name: &str) -> String {
    let kept =
        |character: char| character.is_ascii_alphanumeric() || matches!(character, ':' | '_');
    let tokens: Vec<&str> = name
        .split(|character| !kept(character))
        .filter(|token| !token.is_empty())
        .collect();
    guarded_digit(tokens.join("_"))
}

/// Names begin with no digit.
fn guarded_digit(name: String) -> String {
    if name.starts_with(|character: char| character.is_ascii_digit()) {
        format!("_{name}")
    } else {
        name
    }
}

fn kept_with_suffixes(name: &str, unit: &str, kind: NameKind) -> String {
    let suffix = match kind {
        NameKind::Counter => "total",
        NameKind::Gauge if unit == "1" => "ratio",
        NameKind::Gauge | NameKind::Other => "",
    };
    let words = UnitWords::of(unit);
    let mut stem = name;
    for tail in [suffix, &words.per] {
        stem = without_tail(stem, tail);
    }
    let mut translated = stem.to_owned();
    if !stem.ends_with(words.main.as_str()) {
        translated.push('_');
        translated.push_str(&words.main);
    }
    for tail in [words.per.as_str(), suffix] {
        if !tail.is_empty() {
            translated.push('_');
            translated.push_str(tail);
        }
    }
    translated
}

/// `name` without `tail` and the one character before it, if something is left then.
fn without_tail<'n>(name: &'n str, tail: &str) -> &'n str {
    if tail.is_empty() {
        return name;
    }
    let Some(stem) = name.strip_suffix(tail) else {
        return name;
    };
    let mut characters = stem.chars();
    characters.next_back();
    match characters.as_str() {
        "" => name,
        stem => stem,
    }
}
