//! The two texts in which scrapers read metrics.

use axum::http::{HeaderMap, header};
use chronoxide_model::MetricType;

use super::family::{Family, Point};
use crate::accept::offers;
use crate::api::number::write_value;

/// A text form of families.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exposition {
    /// Prometheus' own, version 0.0.4.
    Text,
    /// OpenMetrics, version 1.0.0.
    OpenMetrics,
}

impl Exposition {
    /// The form that `Accept` prefers; the plain one when it does not care.
    pub(crate) fn accepted(headers: &HeaderMap) -> Self {
        let weight = |media_type: &str| {
            offers(headers, header::ACCEPT)
                .filter(|offer| offer.is(media_type))
                .fold(0.0, |weight, offer| offer.weight.max(weight))
        };
        let open_metrics = weight("application/openmetrics-text");
        let text = weight("text/plain");
        if open_metrics > 0.0 && open_metrics >= text {
            Self::OpenMetrics
        } else {
            Self::Text
        }
    }

    /// The content type of the form.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }

    /// The text of `families`; of those without points it tells what they are.
    pub(crate) fn write(self, families: &[Family]) -> Vec<u8> {
        let mut out = Vec::with_capacity(families.len() * 256);
        for family in families {
            self.write_head(&mut out, family);
            for point in &family.points {
                write_point(&mut out, family.name, point);
            }
        }
        if self == Self::OpenMetrics {
            out.extend_from_slice(b"# EOF\n");
        }
        out
    }

    fn write_head(self, out: &mut Vec<u8>, family: &Family) {
        let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
        let (name, kind, help) = match (self, family.metric_type) {
            (Self::Text, MetricType::Unknown) => (family.name, "untyped", help),
            (Self::Text, known) => (family.name, known.as_str(), help),
            // The name of a counter is that of its samples without their ending.
            (Self::OpenMetrics, MetricType::Counter) => (
                family.name.trim_end_matches("_total"),
                "counter",
                help.replace('"', "\\\""),
            ),
            (Self::OpenMetrics, known) => (family.name, known.as_str(), help.replace('"', "\\\"")),
        };
        out.extend_from_slice(format!("# HELP {name} {help}\n# TYPE {name} {kind}\n").as_bytes());
    }
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
            String::from_utf8(Exposition::Text.write(&families)).unwrap(),
            "# HELP a_total Help with \\\\ and\\nline.\n# TYPE a_total counter\n\
             a_total{path=\"q\\\"\\\\\\n\",b=\"1\"} 3\n# HELP b B.\n# TYPE b gauge\nb 0.5\n# HELP none Empty.\n# TYPE none gauge\n"
        );
    }

    #[test]
    fn open_metrics_names_counters_without_their_ending() {
        let families = [
            Family::counter("a_total", "Says \"a\".", 3),
            Family::gauge("b", "B.", 0.5),
        ];
        assert_eq!(
            String::from_utf8(Exposition::OpenMetrics.write(&families)).unwrap(),
            "# HELP a Says \\\"a\\\".\n# TYPE a counter\na_total 3\n# HELP b B.\n# TYPE b gauge\nb 0.5\n# EOF\n"
        );
    }

    #[test]
    fn the_preferred_form_is_chosen() {
        for (accept, expected) in [
            ("", Exposition::Text),
            ("*/*", Exposition::Text),
            ("text/html,text/plain;q=0.9", Exposition::Text),
            (
                "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                Exposition::OpenMetrics,
            ),
            (
                "application/openmetrics-text;q=0.2, text/plain;q=0.5",
                Exposition::Text,
            ),
            ("application/openmetrics-text;q=0", Exposition::Text),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, accept.parse().unwrap());
            assert_eq!(Exposition::accepted(&headers), expected, "{accept}");
        }
    }
}
