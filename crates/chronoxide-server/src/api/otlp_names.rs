//! Names of OTLP here: a preview of what they become, and a hint where a query may have meant another one.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_model::{METRIC_NAME, Matcher, TimeRange};
use chronoxide_otlp::{
    HistogramForm, NameKind, Options, label_name, may_be_same_metric, metric_name, unit_words,
};
use chronoxide_promql::{Answer, Value};
use chronoxide_storage::Database;

use super::form::Form;
use super::json::{write_list, write_object, write_string};
use super::request::success_response;
use crate::error::ApiError;
use crate::state::ServerState;

/// Names that a hint tells.
const HINTS_MAX: usize = 3;

/// How the kinds of instruments are named.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    naming: NameKind,
    metadata: &'static str,
    /// What is added to the name for each of its series.
    suffixes: &'static [&'static str],
}

const KINDS: [Kind; 6] = [
    Kind::new("gauge", NameKind::Gauge, "gauge", &[""]),
    Kind::new("counter", NameKind::Counter, "counter", &[""]),
    Kind::new("updowncounter", NameKind::Other, "gauge", &[""]),
    Kind::new(
        "histogram",
        NameKind::Other,
        "histogram",
        &["_bucket", "_count", "_sum"],
    ),
    Kind::new("exponential_histogram", NameKind::Other, "histogram", &[""]),
    Kind::new(
        "summary",
        NameKind::Other,
        "summary",
        &["", "_count", "_sum"],
    ),
];

impl Kind {
    const fn new(
        name: &'static str,
        naming: NameKind,
        metadata: &'static str,
        suffixes: &'static [&'static str],
    ) -> Self {
        Self {
            name,
            naming,
            metadata,
            suffixes,
        }
    }

    fn suffixes(self, options: &Options) -> &'static [&'static str] {
        if self.name == "histogram" && options.histograms == HistogramForm::CustomBuckets {
            return &[""];
        }
        self.suffixes
    }
}

/// `/otlp/preview`: what the metric `name` with `unit` is called here, for the `type` it has or for each one, and what the
/// labels of each `attribute` are called.
pub(crate) async fn preview(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    let options = state.otlp.options();
    let name = form.get("name").unwrap_or("");
    let unit = form.get("unit").unwrap_or("");
    let attributes: Vec<&str> = form.all("attribute").collect();
    if name.is_empty() && attributes.is_empty() {
        let reason = "a parameter \"name\", with \"unit\" and \"type\" if you like, or \"attribute\" is needed";
        return Err(ApiError::bad_data(reason));
    }
    let kinds = kinds(form.get("type").unwrap_or(""))?;
    Ok(success_response(|out| {
        out.extend_from_slice(b"{\"strategy\":");
        write_string(out, options.translation.as_str());
        out.extend_from_slice(b",\"metrics\":");
        let kinds = kinds.iter().filter(|_| !name.is_empty());
        write_list(out, kinds, |out, kind| {
            write_kind(out, options, name, unit, *kind)
        });
        out.extend_from_slice(b",\"labels\":");
        let labels = attributes.iter().map(|key| (key, label_name(options, key)));
        write_object(out, labels, |out, label| {
            write_optional(out, label.as_deref())
        });
        out.push(b'}');
    }))
}

fn kinds(text: &str) -> Result<Vec<Kind>, ApiError> {
    if text.is_empty() {
        return Ok(KINDS.to_vec());
    }
    let found = KINDS.iter().find(|kind| kind.name == text);
    found.map(|kind| vec![*kind]).ok_or_else(|| {
        let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
        ApiError::bad_data(format!(
            "invalid parameter \"type\": {text:?} is none of {}",
            names.join(", ")
        ))
    })
}

fn write_kind(out: &mut Vec<u8>, options: &Options, name: &str, unit: &str, kind: Kind) {
    let metric = metric_name(options.translation, name, unit, kind.naming);
    out.extend_from_slice(b"{\"type\":");
    write_string(out, kind.name);
    out.extend_from_slice(b",\"metric\":");
    write_optional(out, metric.as_deref());
    out.extend_from_slice(b",\"series\":");
    let series = kind.suffixes(options).iter();
    let series = metric.iter().flat_map(|metric| {
        series
            .clone()
            .map(move |suffix| format!("{metric}{suffix}"))
    });
    write_list(out, series, |out, series| write_string(out, &series));
    out.extend_from_slice(b",\"metadata\":");
    let unit = unit_words(unit);
    let metadata = [("type", kind.metadata), ("unit", unit.as_str())];
    write_object(out, metadata, write_string);
    out.push(b'}');
}

fn write_optional(out: &mut Vec<u8>, text: Option<&str>) {
    match text {
        Some(text) => write_string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// What to tell whoever asked for metrics and got nothing: names like those that have no series.
///
/// Costs nothing where there is an answer.
pub(super) fn hints(database: &Database, answer: &Answer) -> Vec<String> {
    let nothing = match &answer.value {
        Value::Vector(samples) => samples.is_empty(),
        Value::Matrix(series) => series.is_empty(),
        _ => false,
    };
    if !nothing {
        return Vec::new();
    }
    let mut asked: Vec<&String> = answer.metric_names.iter().collect();
    asked.retain(|name| !is_stored(database, name));
    if asked.is_empty() {
        return Vec::new();
    }
    // Hints are a courtesy: what cannot be read shows elsewhere.
    let stored = database
        .label_values(METRIC_NAME, &[], TimeRange::ALL)
        .unwrap_or_default();
    asked
        .iter()
        .filter_map(|name| hint(name, &stored))
        .collect()
}

fn is_stored(database: &Database, name: &str) -> bool {
    let named = [Matcher::equal(METRIC_NAME, name)];
    let values = database.label_values(METRIC_NAME, &named, TimeRange::ALL);
    values.map_or(true, |values| !values.is_empty())
}

fn hint(asked: &str, stored: &[String]) -> Option<String> {
    let near: Vec<_> = stored
        .iter()
        .filter(|name| may_be_same_metric(asked, name))
        .take(HINTS_MAX)
        .map(|name| format!("{name:?}"))
        .collect();
    (!near.is_empty()).then(|| {
        format!(
            "metric {asked:?} has no series, but {} has; OTLP names are translated, /api/v1/otlp/preview tells how",
            near.join(", ")
        )
    })
}
