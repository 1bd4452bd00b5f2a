//! The notation of series in scripts: a metric, then its values in short form.

use chronoxide_model::{Labels, STALE_MARKER};
use chronoxide_promql::{FloatHistogram, parse_selector, syntax};

use crate::literal::parse_histogram;

/// One place in a sequence of values.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    /// Nothing is there.
    Gap,
    Float(f64),
    Histogram {
        histogram: Box<FloatHistogram>,
        /// Whether the script states the counter reset hint; only then it is compared.
        hint_stated: bool,
    },
}

/// A metric and its values.
#[derive(Clone, Debug)]
pub(crate) struct SeriesLine {
    pub(crate) labels: Labels,
    pub(crate) items: Vec<Item>,
}

/// Values a line may expand to, so that a slip of the pen does not eat the memory.
const ITEMS_MAX: usize = 1_000_000;

pub(crate) fn parse_series(line: &str) -> Result<SeriesLine, String> {
    let (metric, rest) = split_metric(line);
    let labels = parse_metric(metric)?;
    let mut items = Vec::new();
    for word in words(rest) {
        items.extend(parse_item(word).map_err(|error| format!("{error} in {word:?} of {line:?}"))?);
        if items.len() > ITEMS_MAX {
            return Err(format!("more than {ITEMS_MAX} values in {line:?}"));
        }
    }
    Ok(SeriesLine { labels, items })
}

/// Splits behind the metric: at the first blank outside of braces and quotes.
pub(crate) fn split_metric(line: &str) -> (&str, &str) {
    let (mut quote, mut escaped, mut in_braces) = (None, false, false);
    for (at, next) in line.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"' | '\'') if next == '\\' => escaped = true,
            Some(open) if next == open => quote = None,
            Some(_) => {}
            None => match next {
                '"' | '\'' | '`' => quote = Some(next),
                // `metric {a="b"} 1` is allowed: a brace may follow a blank, but `metric {{...}}` is a histogram.
                '{' if !in_braces && !line[at..].starts_with("{{") => in_braces = true,
                '}' => in_braces = false,
                ' ' | '\t' if !in_braces => {
                    let rest = line[at..].trim_start();
                    if !rest.starts_with('{') || rest.starts_with("{{") || line[..at].contains('{')
                    {
                        return line.split_at(at);
                    }
                }
                _ => {}
            },
        }
    }
    (line, "")
}

/// A metric is written like a selector of equal matchers.
pub(crate) fn parse_metric(text: &str) -> Result<Labels, String> {
    let matchers = if text == "{}" {
        Vec::new()
    } else {
        parse_selector(text).map_err(|error| format!("metric {text:?}: {error}"))?
    };
    let pairs = matchers
        .iter()
        .map(|matcher| (matcher.name(), matcher.value()));
    Labels::from_pairs(pairs).map_err(|error| format!("metric {text:?}: {error}"))
}

/// Words apart by blanks; a histogram literal is one word.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        rest = rest.trim_start();
        if rest.is_empty() {
            return None;
        }
        let mut end = 0;
        while end < rest.len() {
            let tail = &rest[end..];
            if tail.starts_with("{{") {
                end += tail.find("}}").map_or(tail.len(), |close| close + 2);
            } else if tail.starts_with([' ', '\t']) {
                break;
            } else {
                end += tail.chars().next().map_or(1, char::len_utf8);
            }
        }
        let (word, tail) = rest.split_at(end);
        rest = tail;
        Some(word)
    })
}

fn parse_item(word: &str) -> Result<Vec<Item>, String> {
    if word.starts_with("{{") {
        return parse_histograms(word);
    }
    if word == "_" {
        return Ok(vec![Item::Gap]);
    }
    if let Some(count) = word.strip_prefix("_x") {
        return Ok(vec![Item::Gap; repetitions(count)?]);
    }
    if word == "stale" {
        return Ok(vec![Item::Float(STALE_MARKER)]);
    }
    let (first, rest) = split_number(word)?;
    if rest.is_empty() {
        return Ok(vec![Item::Float(first)]);
    }
    if let Some(count) = rest.strip_prefix('x') {
        return Ok(vec![Item::Float(first); repetitions(count)? + 1]);
    }
    let (step, rest) = split_number(rest)?;
    let count = repetitions(rest.strip_prefix('x').ok_or("expected xN")?)?;
    let mut value = first;
    let mut items = Vec::with_capacity(count + 1);
    for _ in 0..=count {
        items.push(Item::Float(value));
        value += step;
    }
    Ok(items)
}

pub(crate) fn repetitions(text: &str) -> Result<usize, String> {
    match text.parse::<usize>() {
        Ok(count) if count < ITEMS_MAX => Ok(count),
        _ => Err(format!("invalid repetition {text:?}")),
    }
}

/// Reads a signed number or duration and gives what follows.
pub(crate) fn split_number(text: &str) -> Result<(f64, &str), String> {
    let unsigned = text.trim_start_matches(['+', '-']);
    let sign = match &text[..text.len() - unsigned.len()] {
        "" | "+" => 1.0,
        "-" => -1.0,
        _ => return Err("two signs".to_owned()),
    };
    if unsigned.len() >= 3 && unsigned.is_char_boundary(3) {
        let (word, rest) = unsigned.split_at(3);
        match word.to_ascii_lowercase().as_str() {
            "nan" => return Ok((f64::NAN, rest)),
            "inf" => return Ok((sign * f64::INFINITY, rest)),
            _ => {}
        }
    }
    let bytes = unsigned.as_bytes();
    let mut end = 0;
    while end < bytes.len() {
        let exponent_sign =
            matches!(bytes[end], b'+' | b'-') && end > 0 && matches!(bytes[end - 1], b'e' | b'E');
        if !(bytes[end].is_ascii_digit()
            || matches!(bytes[end], b'.' | b'_' | b'e' | b'E')
            || exponent_sign)
        {
            break;
        }
        end += 1;
    }
    let is_unit = |byte: &u8| byte.is_ascii_lowercase() && *byte != b'x';
    if bytes.get(end).is_some_and(is_unit) {
        let length = bytes
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || is_unit(byte))
            .count();
        let (duration, rest) = unsigned.split_at(length);
        let ms = syntax::parse_duration(duration)?;
        return Ok((sign * ms as f64 / 1000.0, rest));
    }
    let (digits, rest) = unsigned.split_at(end);
    let value: f64 = digits
        .replace('_', "")
        .parse()
        .map_err(|_| format!("no number: {digits:?}"))?;
    Ok((sign * value, rest))
}

fn parse_histograms(word: &str) -> Result<Vec<Item>, String> {
    let (first, rest) = parse_histogram(word)?;
    let item = |histogram: &FloatHistogram, hint_stated| Item::Histogram {
        histogram: Box::new(histogram.clone()),
        hint_stated,
    };
    if rest.is_empty() {
        return Ok(vec![item(&first.histogram, first.hint_stated)]);
    }
    if let Some(count) = rest.strip_prefix('x') {
        return Ok(vec![
            item(&first.histogram, first.hint_stated);
            repetitions(count)? + 1
        ]);
    }
    let adding = rest.starts_with('+');
    let (step, rest) = parse_histogram(&rest[1..])?;
    let count = repetitions(rest.strip_prefix('x').ok_or("expected xN")?)?;
    let mut current = first.histogram;
    let mut items = Vec::with_capacity(count + 1);
    items.push(item(&current, step.hint_stated));
    for _ in 0..count {
        let outcome = if adding {
            current.add(&step.histogram)
        } else {
            current.sub(&step.histogram)
        };
        outcome.map_err(|error| format!("error combining histograms: {error}"))?;
        items.push(item(&current, step.hint_stated));
    }
    Ok(items)
}
