//! Units of OTLP (UCUM) in the words of Prometheus names.

/// What a unit adds to a name: the unit itself, and what it is counted per.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct UnitWords {
    /// Such as `bytes`; empty when there is none.
    pub(super) main: String,
    /// Such as `per_second`; empty when there is none.
    pub(super) per: String,
}

impl UnitWords {
    /// The words of `unit`, characters as they are.
    pub(super) fn of(unit: &str) -> Self {
        let (main, per) = match unit.split_once('/') {
            Some((main, per)) => (main, per),
            None => (unit, ""),
        };
        let per = meaningful(per).map_or("", per_word);
        Self {
            main: meaningful(main).map_or("", main_word).to_owned(),
            per: if per.is_empty() {
                String::new()
            } else {
                format!("per_{per}")
            },
        }
    }

    /// The same with only the characters of classic names.
    pub(super) fn cleaned(&self) -> Self {
        Self {
            main: clean(&self.main),
            per: clean(&self.per),
        }
    }
}

/// The unit of `unit` as metadata gives it: its words in characters of classic names, such as `bytes_per_second`.
#[must_use]
pub fn unit_words(unit: &str) -> String {
    joined(&UnitWords::of(unit).cleaned())
}

/// The unit as the label `__unit__` gives it: cleaned only where names are.
pub(crate) fn label_unit(unit: &str, escape: bool) -> String {
    let words = UnitWords::of(unit);
    joined(&if escape { words.cleaned() } else { words })
}

fn joined(words: &UnitWords) -> String {
    let text = match (words.main.as_str(), words.per.as_str()) {
        (main, "") => main.to_owned(),
        ("", per) => per.to_owned(),
        (main, per) => format!("{main}_{per}"),
    };
    let text = text.strip_prefix('_').unwrap_or(&text);
    text.strip_suffix('_').unwrap_or(text).to_owned()
}

/// A part of a unit without spaces around it, unless it is a mere annotation.
fn meaningful(part: &str) -> Option<&str> {
    let part = part.trim();
    (!part.is_empty() && !part.contains(['{', '}'])).then_some(part)
}

/// Replaces what classic names cannot hold, joins runs of underscores and drops a leading one.
fn clean(text: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || character == ':' {
            cleaned.push(character);
        } else if !cleaned.ends_with('_') {
            cleaned.push('_');
        }
    }
    if cleaned.starts_with('_') {
        cleaned.remove(0);
    }
    cleaned
}

fn main_word(unit: &str) -> &str {
    match unit {
        "d" => "days",
        "h" => "hours",
        "min" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" => "microseconds",
        "ns" => "nanoseconds",
        "By" => "bytes",
        "KiBy" => "kibibytes",
        "MiBy" => "mebibytes",
        "GiBy" => "gibibytes",
        // Prometheus spells it so, and names must match.
        "TiBy" => "tibibytes",
        "KBy" => "kilobytes",
        "MBy" => "megabytes",
        "GBy" => "gigabytes",
        "TBy" => "terabytes",
        "m" => "meters",
        "V" => "volts",
        "A" => "amperes",
        "J" => "joules",
        "W" => "watts",
        "g" => "grams",
        "Cel" => "celsius",
        "Hz" => "hertz",
        "1" => "",
        "%" => "percent",
        other => other,
    }
}

fn per_word(unit: &str) -> &str {
    match unit {
        "s" => "second",
        "m" => "minute",
        "h" => "hour",
        "d" => "day",
        "w" => "week",
        "mo" => "month",
        "y" => "year",
        other => other,
    }
}
