//! The text form of a federation.

use chronoxide_model::METRIC_NAME;
use chronoxide_promql::FloatHistogram;

use super::{Kind, Newest, NewestValue};
use crate::api::number::{write_general, write_whole};

/// How names outside the classic alphabet are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Other characters become underscores.
    Underscores,
    /// They are quoted.
    Utf8,
}

impl Names {
    /// `name` where nothing is quoted.
    pub(super) fn of(self, name: &str, is_metric: bool) -> String {
        match self {
            Self::Utf8 => name.to_owned(),
            Self::Underscores => underscored(name, is_metric).collect(),
        }
    }
}

/// Appends the lines of `newest`, after the line of its family if it is the first of it.
pub(super) fn write(out: &mut Vec<u8>, names: Names, newest: &Newest, is_first: bool) {
    let name = newest.labels.metric_name().unwrap_or("");
    let mut lines = SampleLines { out, names, newest };
    if is_first {
        lines.write_type(
            name,
            match newest.kind() {
                Kind::Float => "untyped",
                // Gauges of that kind have no name in this form.
                Kind::Histogram | Kind::GaugeHistogram => "histogram",
            },
        );
    }
    match &newest.value {
        NewestValue::Float(value) => lines.write(name, None, *value),
        NewestValue::Histogram(histogram) => {
            lines.write_classic(name, &FloatHistogram::from(&**histogram));
        }
    }
}

/// Writes lines of one series.
struct SampleLines<'a> {
    out: &'a mut Vec<u8>,
    names: Names,
    newest: &'a Newest,
}

impl SampleLines<'_> {
    fn write_type(&mut self, name: &str, kind: &str) {
        self.out.extend_from_slice(b"# TYPE ");
        if self.names == Names::Utf8 && !is_classic(name, true) {
            write_quoted(self.out, name);
        } else {
            write_name(self.out, name, true);
        }
        self.out.extend_from_slice(format!(" {kind}\n").as_bytes());
    }

    fn write_classic(&mut self, name: &str, histogram: &FloatHistogram) {
        let mut cumulative = 0.0;
        let mut counts = histogram.positive.iter().peekable();
        for (index, bound) in (0..).zip(histogram.custom_bounds.iter()) {
            while let Some((_, count)) = counts.next_if(|(bucket, _)| *bucket <= index) {
                cumulative += count;
            }
            let mut text = Vec::new();
            write_general(&mut text, *bound);
            let le = String::from_utf8(text).unwrap_or_default();
            self.write(&format!("{name}_bucket"), Some(&le), cumulative);
        }
        self.write(&format!("{name}_bucket"), Some("+Inf"), histogram.count);
        self.write(&format!("{name}_sum"), None, histogram.sum);
        self.write(&format!("{name}_count"), None, histogram.count);
    }

    fn write(&mut self, name: &str, le: Option<&str>, value: f64) {
        let is_quoted = self.names == Names::Utf8 && !is_classic(name, true);
        if !is_quoted {
            write_name(self.out, name, true);
        }
        self.out.push(b'{');
        if is_quoted {
            write_quoted(self.out, name);
            self.out.push(b',');
        }
        let mut has_instance = false;
        let newest = self.newest;
        for (label, text) in newest
            .labels
            .iter()
            .filter(|(label, _)| *label != METRIC_NAME)
        {
            has_instance |= label == "instance";
            self.write_label(label, text);
            self.out.push(b',');
        }
        if !has_instance {
            // So that the server that scrapes this does not put its own there.
            self.write_label("instance", "");
            self.out.push(b',');
        }
        if let Some(le) = le {
            self.write_label("le", le);
            self.out.push(b',');
        }
        self.out.pop();
        self.out.extend_from_slice(b"} ");
        write_general(self.out, value);
        self.out.push(b' ');
        write_whole(self.out, self.newest.timestamp_ms);
        self.out.push(b'\n');
    }

    fn write_label(&mut self, name: &str, value: &str) {
        if self.names == Names::Utf8 && !is_classic(name, false) {
            write_quoted(self.out, name);
        } else {
            write_name(self.out, name, false);
        }
        self.out.push(b'=');
        write_quoted(self.out, value);
    }
}

/// Whether `name` needs no quotes: letters, digits after the first, underscores, and colons in names of metrics.
fn is_classic(name: &str, is_metric: bool) -> bool {
    !name.is_empty()
        && name
            .char_indices()
            .all(|(index, character)| is_classic_character(index, character, is_metric))
}

const fn is_classic_character(index: usize, character: char, is_metric: bool) -> bool {
    character.is_ascii_alphabetic()
        || character == '_'
        || (character == ':' && is_metric)
        || (character.is_ascii_digit() && index > 0)
}

/// `name` with underscores where the classic alphabet has nothing; all ASCII.
fn underscored(name: &str, is_metric: bool) -> impl Iterator<Item = char> + '_ {
    name.char_indices().map(move |(index, character)| {
        if is_classic_character(index, character, is_metric) {
            character
        } else {
            '_'
        }
    })
}

fn write_name(out: &mut Vec<u8>, name: &str, is_metric: bool) {
    out.extend(underscored(name, is_metric).map(|character| character as u8));
}

fn write_quoted(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            b'\n' => out.extend(*b"\\n"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}
