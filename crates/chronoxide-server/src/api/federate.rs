//! The newest samples as text, for another server to scrape.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::{Labels, METRIC_NAME, Matcher, SampleColumns, SeriesSet, TimeRange};
use chronoxide_promql::FloatHistogram;
use chronoxide_storage::Database;

use super::form::Form;
use super::number::{write_value, write_whole};
use super::request::{blocking, storage_failed};
use crate::error::{ApiError, shortened};
use crate::state::ServerState;

/// Bytes of one answer.
const BYTES_MAX: usize = 256 << 20;

/// `/federate`: for each selected series the newest sample within the lookback, with its time.
pub(crate) async fn federate(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    form: Result<Form, ApiError>,
) -> Response {
    match answer(&state, &headers, form).await {
        Ok((body, content_type)) => (
            [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))],
            body,
        )
            .into_response(),
        Err(error) => {
            let plain = HeaderValue::from_static("text/plain; charset=utf-8");
            let mut response = error.clone().into_response();
            *response.body_mut() = Body::from(format!("{}\n", shortened(error.message())));
            response.headers_mut().insert(header::CONTENT_TYPE, plain);
            response.headers_mut().remove(header::CONTENT_LENGTH);
            response
        }
    }
}

async fn answer(
    state: &Arc<ServerState>,
    headers: &HeaderMap,
    form: Result<Form, ApiError>,
) -> Result<(Vec<u8>, &'static str), ApiError> {
    let selectors = form?.selectors()?;
    let database = state.ready_database()?;
    let names = Names::accepted(headers);
    let now_ms = state.now_ms();
    let lookback_ms = i64::try_from(state.config.lookback.as_millis()).unwrap_or(i64::MAX);
    // The window is open at its beginning, like that of a query.
    let range = TimeRange::new(now_ms.saturating_sub(lookback_ms).saturating_add(1), now_ms)
        .map_err(|_| ApiError::internal("the lookback window is empty"))?;
    let turn = state.query_turn(state.config.query_timeout).await?;
    let body = blocking(state, move || {
        let _turn = turn;
        newest(&database, &selectors, range)?.write(names)
    })
    .await?;
    Ok((body, names.content_type()))
}

/// How names outside the classic alphabet are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Names {
    /// Other characters become underscores.
    Underscores,
    /// They are quoted.
    Utf8,
}

impl Names {
    fn accepted(headers: &HeaderMap) -> Self {
        let values = headers.get_all(header::ACCEPT).iter();
        let mut offers = values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split([',', ';']));
        if offers.any(|part| part.trim().eq_ignore_ascii_case("escaping=allow-utf-8")) {
            Self::Utf8
        } else {
            Self::Underscores
        }
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Underscores => "text/plain; version=0.0.4; charset=utf-8",
            Self::Utf8 => "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8",
        }
    }
}

/// A series and its newest sample.
#[derive(Debug)]
struct Newest {
    labels: Labels,
    timestamp_ms: i64,
    value: NewestValue,
}

#[derive(Debug)]
enum NewestValue {
    Float(f64),
    Histogram(FloatHistogram),
}

#[derive(Debug)]
struct Federation(Vec<Newest>);

fn newest(
    database: &Database,
    selectors: &[Vec<Matcher>],
    range: TimeRange,
) -> Result<Federation, ApiError> {
    let mut found = Vec::new();
    let mut columns = SampleColumns::default();
    for matchers in selectors {
        let selection = database
            .select(matchers, range)
            .map_err(|error| storage_failed(&error))?;
        for index in 0..selection.len() {
            selection
                .read(index, &mut columns)
                .map_err(|error| ApiError::internal(error.to_string()))?;
            let labels = SeriesSet::labels(&selection, index);
            if labels.metric_name().is_none() {
                continue;
            }
            found.extend(newest_of(&columns, labels));
        }
    }
    found.sort_by(|a, b| {
        let key = |newest: &Newest| newest.labels.metric_name().unwrap_or("").to_owned();
        key(a).cmp(&key(b)).then_with(|| a.labels.cmp(&b.labels))
    });
    found.dedup_by(|a, b| a.labels == b.labels);
    Ok(Federation(found))
}

/// The newest sample of `columns`, unless it marks the end of the series.
fn newest_of(columns: &SampleColumns, labels: Labels) -> Option<Newest> {
    let float = columns.timestamps_ms.last().copied();
    let histogram = columns.histogram_timestamps_ms.last().copied();
    if histogram > float {
        let newest = columns.histograms.last()?;
        return (!newest.is_stale()).then(|| Newest {
            labels,
            timestamp_ms: histogram.unwrap_or_default(),
            value: NewestValue::Histogram(FloatHistogram::from(newest)),
        });
    }
    let value = *columns.values.last()?;
    (!chronoxide_model::is_stale_marker(value)).then(|| Newest {
        labels,
        timestamp_ms: float.unwrap_or_default(),
        value: NewestValue::Float(value),
    })
}

impl Federation {
    fn write(&self, names: Names) -> Result<Vec<u8>, ApiError> {
        let mut out = Vec::new();
        let mut family = "";
        for newest in &self.0 {
            let name = newest.labels.metric_name().unwrap_or("");
            let is_new = name != family;
            let mut line = SampleLines {
                out: &mut out,
                names,
                newest,
            };
            match &newest.value {
                NewestValue::Float(value) => {
                    if is_new {
                        line.write_type(name, "untyped");
                    }
                    line.write(name, None, *value);
                }
                // Exponential buckets have no form in the text.
                NewestValue::Histogram(histogram) if histogram.custom_bounds.is_empty() => continue,
                NewestValue::Histogram(histogram) => {
                    if is_new {
                        line.write_type(name, "histogram");
                    }
                    line.write_classic(name, histogram);
                }
            }
            family = name;
            if out.len() > BYTES_MAX {
                return Err(ApiError::bad_data(format!(
                    "the answer is larger than {BYTES_MAX} bytes; select fewer series"
                )));
            }
        }
        Ok(out)
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
            write_value(&mut text, *bound);
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
        let labels = self.newest.labels.clone();
        for (label, text) in labels.iter().filter(|(label, _)| *label != METRIC_NAME) {
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
        write_value(self.out, value);
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

/// Appends `name` with underscores where the classic alphabet has nothing.
fn write_name(out: &mut Vec<u8>, name: &str, is_metric: bool) {
    for (index, character) in name.char_indices() {
        let is_classic = is_classic_character(index, character, is_metric);
        out.push(if is_classic { character as u8 } else { b'_' });
    }
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
