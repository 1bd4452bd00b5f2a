//! Exemplars: example observations with the trace that made them.

use chronoxide_model::{Exemplar, Labels, LabelsBuilder};

use crate::translator::{Times, Translator, milliseconds};
use crate::view::ExemplarView;

/// How many characters the labels of an exemplar may have in all (OpenMetrics).
const CHARACTERS_MAX: usize = 128;

impl Translator<'_> {
    /// Attaches exemplars to the series begun last; those that cannot be kept are counted.
    pub(crate) fn push_exemplars(&mut self, exemplars: &[ExemplarView<'_>], times: Times) {
        for exemplar in exemplars {
            self.push_exemplar(exemplar, times);
        }
    }

    /// Attaches one exemplar to the series begun last.
    pub(crate) fn push_exemplar(&mut self, exemplar: &ExemplarView<'_>, times: Times) {
        let (Some(value), Some(labels)) = (exemplar.value, labels(exemplar)) else {
            self.report.exemplars_dropped += 1;
            return;
        };
        // An exemplar without a time of its own was seen by the time of its point.
        let timestamp_ms = match exemplar.time_ns {
            0 => times.time_ms,
            time_ns => milliseconds(time_ns),
        };
        self.add_exemplar(Exemplar {
            labels,
            timestamp_ms,
            value,
        });
    }
}

/// The exemplar's labels: its trace and, if all of them fit, its attributes.
fn labels(exemplar: &ExemplarView<'_>) -> Option<Labels> {
    let mut labels = LabelsBuilder::new();
    let mut characters = 0;
    for (name, id, length) in [
        ("trace_id", exemplar.trace_id, 16),
        ("span_id", exemplar.span_id, 8),
    ] {
        if id.iter().all(|byte| *byte == 0) {
            continue;
        }
        if id.len() != length {
            return None;
        }
        labels.set(name, &hexadecimal(id));
        characters += name.len() + 2 * length;
    }
    let mut attributes = labels.clone();
    for attribute in &exemplar.attributes {
        let mut value = String::new();
        attribute.value.write_text(&mut value);
        characters += attribute.key.chars().count() + value.chars().count();
        if characters > CHARACTERS_MAX {
            return labels.build().ok();
        }
        attributes.set(attribute.key, &value);
    }
    attributes.build().ok()
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
