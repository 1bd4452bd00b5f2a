//! Metrics as collected: families of points, and their text form.

use chronoxide_model::MetricType;

use crate::api::number::write_value;

/// One metric: its name, what it means, and its points of this moment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Family {
    pub(crate) name: &'static str,
    pub(crate) metric_type: MetricType,
    pub(crate) help: &'static str,
    pub(crate) points: Vec<Point>,
}

/// One number of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    /// What follows the family's name: `_bucket`, `_sum`, `_count` or nothing.
    pub(crate) suffix: &'static str,
    pub(crate) labels: Vec<(&'static str, String)>,
    pub(crate) value: f64,
}

impl Family {
    pub(crate) const fn new(
        name: &'static str,
        metric_type: MetricType,
        help: &'static str,
    ) -> Self {
        Self {
            name,
            metric_type,
            help,
            points: Vec::new(),
        }
    }

    pub(crate) fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self::new(name, MetricType::Counter, help).with_value(value as f64)
    }

    pub(crate) fn gauge(name: &'static str, help: &'static str, value: f64) -> Self {
        Self::new(name, MetricType::Gauge, help).with_value(value)
    }

    fn with_value(mut self, value: f64) -> Self {
        self.push(Vec::new(), value);
        self
    }

    pub(crate) fn push(&mut self, labels: Vec<(&'static str, String)>, value: f64) {
        self.push_suffixed("", labels, value);
    }

    pub(crate) fn push_suffixed(
        &mut self,
        suffix: &'static str,
        labels: Vec<(&'static str, String)>,
        value: f64,
    ) {
        self.points.push(Point {
            suffix,
            labels,
            value,
        });
    }
}

/// The text exposition format, version 0.0.4.
pub(crate) fn write_exposition(families: &[Family]) -> Vec<u8> {
    let mut out = Vec::with_capacity(families.len() * 256);
    for family in families.iter().filter(|family| !family.points.is_empty()) {
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        let kind = match family.metric_type {
            MetricType::Unknown => "untyped",
            known => known.as_str(),
        };
        out.extend_from_slice(
            format!("# HELP {0} {help}\n# TYPE {0} {kind}\n", family.name).as_bytes(),
        );
        for point in &family.points {
            write_point(&mut out, family.name, point);
        }
    }
    out
}

fn write_point(out: &mut Vec<u8>, name: &str, point: &Point) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(point.suffix.as_bytes());
    for (index, (label, value)) in point.labels.iter().enumerate() {
        let escaped = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\n', "\\n");
        let separator = if index == 0 { '{' } else { ',' };
        out.extend_from_slice(format!("{separator}{label}=\"{escaped}\"").as_bytes());
    }
    if !point.labels.is_empty() {
        out.push(b'}');
    }
    out.push(b' ');
    write_value(out, point.value);
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_form_escapes_and_names_types() {
        let mut family = Family::new("a_total", MetricType::Counter, "Help with \\ and\nline.");
        family.push(
            vec![("path", "q\"\\\n".to_owned()), ("b", "1".to_owned())],
            3.0,
        );
        let families = [
            family,
            Family::gauge("b", "B.", 0.5),
            Family::new("none", MetricType::Gauge, "Empty."),
        ];
        assert_eq!(
            String::from_utf8(write_exposition(&families)).unwrap(),
            "# HELP a_total Help with \\\\ and\\nline.\n# TYPE a_total counter\n\
             a_total{path=\"q\\\"\\\\\\n\",b=\"1\"} 3\n# HELP b B.\n# TYPE b gauge\nb 0.5\n"
        );
    }
}
