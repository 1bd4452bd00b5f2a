//! Scripts: `load`, `clear` and `eval` with what is expected.

use regex::Regex;

use chronoxide_model::Labels;
use chronoxide_promql::syntax::{self, parse_duration};

use crate::notation::{Item, SeriesLine, parse_metric, parse_series, repetitions};

/// A command and the line it begins on, from 1.
#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) line: usize,
    pub(crate) kind: CommandKind,
}

#[derive(Debug)]
pub(crate) enum CommandKind {
    Clear,
    Load(Load),
    Eval(Box<Eval>),
}

#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) step_ms: i64,
    pub(crate) with_native: bool,
    pub(crate) series: Vec<LoadedSeries>,
}

#[derive(Debug)]
pub(crate) struct LoadedSeries {
    pub(crate) line: SeriesLine,
    /// Start times as offsets from the samples; empty when none are given.
    pub(crate) start_offsets_ms: Vec<Option<i64>>,
}

/// When a query is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Instant {
        at_ms: i64,
    },
    Range {
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    },
}

#[derive(Debug)]
pub(crate) struct Eval {
    pub(crate) query: String,
    pub(crate) when: When,
    pub(crate) ordered: bool,
    pub(crate) fail: Vec<Text>,
    pub(crate) warnings: Annotations,
    pub(crate) infos: Annotations,
    pub(crate) expected: Expected,
}

/// What annotations of one kind are expected.
#[derive(Debug, Default)]
pub(crate) struct Annotations {
    pub(crate) texts: Vec<Text>,
    pub(crate) some: bool,
    pub(crate) none: bool,
}

/// A message that is expected.
#[derive(Clone, Debug)]
pub(crate) enum Text {
    Exactly(String),
    Matching(Regex),
}

impl Text {
    pub(crate) fn matches(&self, text: &str) -> bool {
        match self {
            Self::Exactly(exactly) => exactly == text,
            Self::Matching(regex) => regex.is_match(text),
        }
    }

    fn anything() -> Self {
        Self::Matching(Regex::new("").expect("the empty expression is valid"))
    }
}

#[derive(Debug)]
pub(crate) enum Expected {
    Series(Vec<SeriesLine>),
    /// A range vector of an instant query: its points stand at these times.
    RangeVector {
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
        series: Vec<SeriesLine>,
    },
    Scalar(f64),
    String(String),
}

/// Reads a whole script.
pub(crate) fn parse_script(text: &str) -> Result<Vec<Command>, String> {
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            if line.trim().starts_with('#') {
                ""
            } else {
                line.trim()
            }
        })
        .collect();
    let mut reader = Reader { lines, at: 0 };
    let mut commands = Vec::new();
    while let Some(first) = reader.next_command() {
        let line = reader.at;
        let kind = reader
            .command(first)
            .map_err(|error| format!("line {line}: {error}"))?;
        commands.push(Command { line, kind });
    }
    Ok(commands)
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    /// How many lines are read.
    at: usize,
}

impl<'a> Reader<'a> {
    fn next_command(&mut self) -> Option<&'a str> {
        loop {
            let line = *self.lines.get(self.at)?;
            self.at += 1;
            if !line.is_empty() {
                return Some(line);
            }
        }
    }

    /// The next line of the block.
    fn next_line(&mut self) -> Option<&'a str> {
        let line = *self.lines.get(self.at)?;
        if line.is_empty() {
            return None;
        }
        self.at += 1;
        Some(line)
    }

    fn command(&mut self, first: &'a str) -> Result<CommandKind, String> {
        let (word, rest) = split_word(first);
        match word.to_ascii_lowercase().as_str() {
            "clear" => Ok(CommandKind::Clear),
            "load" => Ok(CommandKind::Load(self.load(rest, false)?)),
            "load_with_nhcb" => Ok(CommandKind::Load(self.load(rest, true)?)),
            eval if eval.starts_with("eval") => {
                Ok(CommandKind::Eval(Box::new(self.eval(eval, rest)?)))
            }
            _ => Err(format!("invalid command {first:?}")),
        }
    }

    fn load(&mut self, step: &str, with_native: bool) -> Result<Load, String> {
        let step_ms = parse_duration(step)?;
        let mut series = Vec::new();
        let mut starts: Option<(Labels, Vec<Option<i64>>)> = None;
        while let Some(line) = self.next_line() {
            if let Some((metric, offsets)) = start_line(line) {
                if starts.is_some() {
                    return Err("an @st line has no sample line".to_owned());
                }
                starts = Some((parse_metric(metric)?, start_offsets(offsets)?));
                continue;
            }
            let line = parse_series(line)?;
            let start_offsets_ms = match starts.take() {
                None => Vec::new(),
                Some((labels, offsets))
                    if labels == line.labels && offsets.len() == line.items.len() =>
                {
                    offsets
                }
                Some((labels, _)) => {
                    return Err(format!("@st line of {labels} does not fit its sample line"));
                }
            };
            series.push(LoadedSeries {
                line,
                start_offsets_ms,
            });
        }
        if starts.is_some() {
            return Err("an @st line has no sample line".to_owned());
        }
        Ok(Load {
            step_ms,
            with_native,
            series,
        })
    }

    fn eval(&mut self, word: &str, rest: &str) -> Result<Eval, String> {
        let (when, query) = times_and_query(rest)?;
        let mut eval = Eval {
            query: query.to_owned(),
            when,
            ordered: word == "eval_ordered",
            fail: Vec::new(),
            warnings: Annotations::default(),
            infos: Annotations::default(),
            expected: Expected::Series(Vec::new()),
        };
        match word {
            "eval" | "eval_ordered" => {}
            "eval_fail" => eval.fail.push(Text::anything()),
            "eval_warn" => eval.warnings.some = true,
            "eval_info" => eval.infos.some = true,
            _ => return Err(format!("invalid command {word:?}")),
        }
        while let Some(line) = self.next_line() {
            if !self.expectation(&mut eval, line)? {
                break;
            }
        }
        Ok(eval)
    }

    /// Reads a line of an `eval` block; `false` when it ends the block.
    fn expectation(&self, eval: &mut Eval, line: &str) -> Result<bool, String> {
        if let Some(message) = line.strip_prefix("expected_fail_message") {
            eval.fail.push(Text::Exactly(message.trim().to_owned()));
            return Ok(false);
        }
        if let Some(pattern) = line.strip_prefix("expected_fail_regexp") {
            eval.fail.push(matching(pattern)?);
            return Ok(false);
        }
        if let Some(times) = line.strip_prefix("expect range vector") {
            let (start_ms, end_ms, step_ms, _) = from_to_step(times.trim())?;
            eval.when = When::Instant { at_ms: end_ms };
            eval.expected = Expected::RangeVector {
                start_ms,
                end_ms,
                step_ms,
                series: Vec::new(),
            };
            return Ok(true);
        }
        if let Some(literal) = line.strip_prefix("expect string") {
            eval.expected = Expected::String(unquote(literal.trim())?);
            return Ok(true);
        }
        if split_word(line).0 == "expect" {
            expect_line(eval, split_word(line).1)?;
            return Ok(true);
        }
        if let Some(value) = lone_number(line) {
            eval.expected = Expected::Scalar(value);
            return Ok(false);
        }
        let series_line = parse_series(line)?;
        match &mut eval.expected {
            Expected::Series(series) => {
                if matches!(eval.when, When::Instant { .. }) && series_line.items.len() > 1 {
                    return Err(format!("an instant query has one value a series: {line:?}"));
                }
                series.push(series_line);
            }
            Expected::RangeVector { series, .. } => series.push(series_line),
            Expected::Scalar(_) | Expected::String(_) => {
                return Err(format!("unexpected series {line:?}"));
            }
        }
        Ok(true)
    }
}

fn split_word(text: &str) -> (&str, &str) {
    let (word, rest) = text.split_at(text.find([' ', '\t']).unwrap_or(text.len()));
    (word, rest.trim_start())
}

fn times_and_query(text: &str) -> Result<(When, &str), String> {
    let (kind, rest) = split_word(text);
    match kind {
        "instant" => {
            let (at, rest) = split_word(rest);
            if at != "at" {
                return Err("expected `instant at <time> <query>`".to_owned());
            }
            let (time, query) = split_word(rest);
            let at_ms = parse_duration(time)?;
            Ok((When::Instant { at_ms }, query))
        }
        "range" => {
            let (start_ms, end_ms, step_ms, query) = from_to_step(rest)?;
            let when = When::Range {
                start_ms,
                end_ms,
                step_ms,
            };
            Ok((when, query))
        }
        _ => Err(format!("expected `instant` or `range`, got {kind:?}")),
    }
}

/// `from <a> to <b> step <s>` and what follows.
fn from_to_step(text: &str) -> Result<(i64, i64, i64, &str), String> {
    let mut rest = text;
    let mut times = [0; 3];
    for (time, name) in times.iter_mut().zip(["from", "to", "step"]) {
        let (word, tail) = split_word(rest);
        if word != name {
            return Err(format!("expected `{name}`, got {word:?}"));
        }
        let (value, tail) = split_word(tail);
        *time = parse_duration(value)?;
        rest = tail;
    }
    let [start_ms, end_ms, step_ms] = times;
    if end_ms < start_ms {
        return Err("the end is before the start".to_owned());
    }
    Ok((start_ms, end_ms, step_ms, rest))
}

/// The rest of a line `expect ...`.
fn expect_line(eval: &mut Eval, text: &str) -> Result<(), String> {
    let (what, rest) = split_word(text);
    let message = if let Some(message) = rest.strip_prefix("msg:") {
        Text::Exactly(message.trim().to_owned())
    } else if let Some(pattern) = rest.strip_prefix("regex:") {
        matching(pattern)?
    } else if rest.is_empty() {
        Text::anything()
    } else {
        return Err(format!("invalid expect statement {text:?}"));
    };
    match what {
        "ordered" => eval.ordered = true,
        "fail" => eval.fail.push(message),
        "warn" => eval.warnings.texts.push(message),
        "info" => eval.infos.texts.push(message),
        "no_warn" => eval.warnings.none = true,
        "no_info" => eval.infos.none = true,
        _ => return Err(format!("invalid expect statement {text:?}")),
    }
    let contradicts = |annotations: &Annotations| annotations.none && !annotations.texts.is_empty();
    if contradicts(&eval.warnings) || contradicts(&eval.infos) {
        return Err("annotations are both expected and excluded".to_owned());
    }
    Ok(())
}

fn matching(pattern: &str) -> Result<Text, String> {
    let regex =
        Regex::new(pattern.trim()).map_err(|error| format!("invalid regex {pattern}: {error}"))?;
    Ok(Text::Matching(regex))
}

/// A line that is nothing but a number: the scalar expected.
fn lone_number(line: &str) -> Option<f64> {
    if line.contains([' ', '\t', '{']) {
        return None;
    }
    let unsigned = line.strip_prefix(['+', '-']).unwrap_or(line);
    let sign = if line.starts_with('-') { -1.0 } else { 1.0 };
    if let Some(hex) = unsigned.strip_prefix("0x") {
        return i64::from_str_radix(hex, 16)
            .ok()
            .map(|value| sign * value as f64);
    }
    unsigned.parse::<f64>().ok().map(|value| sign * value)
}

/// A quoted string is read as the query language reads it.
fn unquote(literal: &str) -> Result<String, String> {
    let tree = syntax::parse(literal, syntax::Features::ALL).map_err(|error| error.to_string())?;
    match &tree.kind {
        syntax::ExprKind::String(string) => string
            .as_str()
            .map(str::to_owned)
            .ok_or_else(|| "expected string is not UTF-8".to_owned()),
        _ => Err(format!("expected a quoted string, got {literal:?}")),
    }
}

/// `metric@st offsets...` split in two.
fn start_line(line: &str) -> Option<(&str, &str)> {
    let (first, offsets) = line.split_once([' ', '\t'])?;
    Some((first.strip_suffix("@st")?, offsets))
}

fn start_offsets(text: &str) -> Result<Vec<Option<i64>>, String> {
    let mut offsets = Vec::new();
    for word in text.split_whitespace() {
        if word == "_" {
            offsets.push(None);
        } else if let Some(count) = word.strip_prefix("_x") {
            offsets.extend(vec![None; repetitions(count)?]);
        } else {
            start_offset_item(word, &mut offsets)?;
        }
    }
    Ok(offsets)
}

/// `dur`, `durxN`, `dur+durxN` or `dur-durxN`.
fn start_offset_item(word: &str, offsets: &mut Vec<Option<i64>>) -> Result<(), String> {
    let (first, rest) = signed_duration(word)?;
    if rest.is_empty() {
        offsets.push(Some(first));
        return Ok(());
    }
    let (step, rest) = if rest.starts_with('x') {
        (0, rest)
    } else {
        signed_duration(rest)?
    };
    let count = repetitions(rest.strip_prefix('x').ok_or("expected xN")?)?;
    let mut offset = first;
    for _ in 0..=count {
        offsets.push(Some(offset));
        offset += step;
    }
    Ok(())
}

fn signed_duration(text: &str) -> Result<(i64, &str), String> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_part = |next: char| next.is_ascii_digit() || (next.is_ascii_alphabetic() && next != 'x');
    let (duration, rest) = unsigned.split_at(
        unsigned
            .find(|next| !is_part(next))
            .unwrap_or(unsigned.len()),
    );
    let ms = parse_duration(duration)?;
    Ok((if text.starts_with('-') { -ms } else { ms }, rest))
}

/// Whether an item leaves its place empty.
pub(crate) const fn is_gap(item: &Item) -> bool {
    matches!(item, Item::Gap)
}
