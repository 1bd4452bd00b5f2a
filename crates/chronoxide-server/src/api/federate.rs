//! The newest sample of each series, for another server to scrape.

mod protobuf;
mod text;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use chronoxide_model::{
    CUSTOM_BUCKETS_SCHEMA, CounterResetHint, Histogram, HistogramCounts, Labels, Matcher,
    SampleColumns, SeriesSet, TimeRange,
};
use chronoxide_storage::Database;

use super::form::Form;
use super::request::{LookUp, storage_failed};
use super::series::bytes_of;
use crate::accept::{Offer, offers};
use crate::answer_bytes::AnswerBytes;
use crate::edge::AcceptedEncoding;
use crate::error::{ApiError, shortened};
use crate::state::ServerState;
use text::Names;

/// Series after which the watch is asked.
const SERIES_UNWATCHED: usize = 256;

/// `/federate`: for each selected series the newest sample within the lookback, with its time.
pub(crate) async fn federate(
    State(state): State<Arc<ServerState>>,
    headers: HeaderMap,
    encoding: AcceptedEncoding,
    form: Result<Form, ApiError>,
) -> Response {
    match answer(&state, &headers, encoding, form).await {
        Ok(mut response) => {
            let vary = HeaderValue::from_static("Accept");
            response.headers_mut().append(header::VARY, vary);
            response
        }
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
    encoding: AcceptedEncoding,
    form: Result<Form, ApiError>,
) -> Result<Response, ApiError> {
    let form = form?;
    let shape = Shape::accepted(headers);
    let now_ms = state.now_ms();
    let lookback_ms = i64::try_from(state.config.lookback.as_millis()).unwrap_or(i64::MAX);
    // The window is open at its beginning, like that of a query.
    let range = TimeRange::new(now_ms.saturating_sub(lookback_ms).saturating_add(1), now_ms)
        .map_err(|_| ApiError::internal("the lookback window is empty"))?;
    let samples = Arc::clone(state);
    let look_up = LookUp::new(form.described("federate"), encoding)
        .within(range)
        .answered_as(shape.content_type());
    let work = move |database: &Database, out: &mut AnswerBytes| {
        let selectors = form.selectors_or(out.watch(), ApiError::bad_data)?;
        let mut found = Vec::new();
        for matchers in &selectors {
            collect(database, matchers, range, shape, &mut found, out)?;
        }
        samples.metrics.query_samples.add(found.len() as u64);
        found.sort_unstable_by(|a, b| a.key().cmp(&b.key()));
        found.dedup_by(|a, b| a.labels == b.labels);
        write(&found, shape, out)
    };
    look_up.run(state, work).await
}

/// In what form newest samples are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Text(Names),
    /// The only one that has exponential histograms.
    Protobuf(Names),
}

impl Shape {
    /// The first of those with the highest weight in `Accept` that is known here; text if none is.
    fn accepted(headers: &HeaderMap) -> Self {
        let mut best = (0.0, Self::Text(Names::Underscores));
        for offer in offers(headers, header::ACCEPT) {
            if let Some(shape) = Self::offered(&offer)
                && offer.weight > best.0
            {
                best = (offer.weight, shape);
            }
        }
        best.1
    }

    /// What one offer of `Accept` asks for.
    fn offered(offer: &Offer<'_>) -> Option<Self> {
        let has = |name, value| offer.parameter(name) == Some(value);
        let names = if has("escaping", "allow-utf-8") {
            Names::Utf8
        } else {
            Names::Underscores
        };
        if offer.is("text/plain") {
            return Some(Self::Text(names));
        }
        let is_protobuf = offer.is("application/vnd.google.protobuf")
            && has("proto", "io.prometheus.client.MetricFamily")
            && has("encoding", "delimited");
        is_protobuf.then_some(Self::Protobuf(names))
    }

    const fn content_type(self) -> &'static str {
        match self {
            Self::Text(Names::Underscores) => "text/plain; version=0.0.4; charset=utf-8",
            Self::Text(Names::Utf8) => {
                "text/plain; version=1.0.0; charset=utf-8; escaping=allow-utf-8"
            }
            Self::Protobuf(Names::Underscores) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping=underscores"
            }
            Self::Protobuf(Names::Utf8) => {
                "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; \
                 encoding=delimited; escaping=allow-utf-8"
            }
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
    Histogram(Box<Histogram>),
}

/// What a family has one of, beside its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Float,
    Histogram,
    GaugeHistogram,
}

impl Newest {
    /// The newest sample of `columns`, unless it marks the end of the series.
    fn of(columns: &SampleColumns, labels: Labels) -> Option<Self> {
        let float = columns.timestamps_ms.last().copied();
        let histogram = columns.histogram_timestamps_ms.last().copied();
        if histogram > float {
            let newest = columns.histograms.last()?;
            return (!newest.is_stale()).then(|| Self {
                labels,
                timestamp_ms: histogram.unwrap_or_default(),
                value: NewestValue::Histogram(Box::new(newest.clone())),
            });
        }
        let value = *columns.values.last()?;
        (!chronoxide_model::is_stale_marker(value)).then(|| Self {
            labels,
            timestamp_ms: float.unwrap_or_default(),
            value: NewestValue::Float(value),
        })
    }

    fn kind(&self) -> Kind {
        match &self.value {
            NewestValue::Float(_) => Kind::Float,
            NewestValue::Histogram(histogram) => match histogram.counter_reset_hint {
                CounterResetHint::Gauge => Kind::GaugeHistogram,
                _ => Kind::Histogram,
            },
        }
    }

    /// Whether the text form has words for it.
    fn is_plain(&self) -> bool {
        match &self.value {
            NewestValue::Float(_) => true,
            NewestValue::Histogram(histogram) => histogram.schema == CUSTOM_BUCKETS_SCHEMA,
        }
    }

    /// What it is listed under.
    fn family(&self) -> (&str, Kind) {
        (self.labels.metric_name().unwrap_or(""), self.kind())
    }

    /// The order of answers: those of one family stand together.
    fn key(&self) -> ((&str, Kind), &Labels) {
        (self.family(), &self.labels)
    }

    fn bytes(&self) -> u64 {
        let beside = match &self.value {
            NewestValue::Float(_) => 0,
            NewestValue::Histogram(histogram) => {
                let buckets = match &histogram.counts {
                    HistogramCounts::Integer(counts) => {
                        counts.positive.len() + counts.negative.len()
                    }
                    HistogramCounts::Float(counts) => counts.positive.len() + counts.negative.len(),
                };
                size_of::<Histogram>() + 16 * buckets
            }
        };
        // The list doubles as it grows.
        (2 * size_of::<Self>() + beside) as u64
    }
}

/// Adds the newest samples of the series that satisfy all `matchers`.
fn collect(
    database: &Database,
    matchers: &[Matcher],
    range: TimeRange,
    shape: Shape,
    found: &mut Vec<Newest>,
    out: &mut AnswerBytes,
) -> Result<(), ApiError> {
    out.check()?;
    let selection = database.select(matchers, range);
    let selection = selection.map_err(|error| storage_failed(&error))?;
    out.hold(bytes_of(&selection))?;
    let mut columns = SampleColumns::default();
    let mut bytes = 0;
    for index in 0..selection.len() {
        if index % SERIES_UNWATCHED == 0 {
            out.check()?;
            out.hold(std::mem::take(&mut bytes))?;
        }
        let labels = SeriesSet::labels(&selection, index);
        if labels.metric_name().is_none() {
            continue;
        }
        selection
            .read(index, &mut columns)
            .map_err(|error| ApiError::internal(error.to_string()))?;
        let Some(newest) = Newest::of(&columns, labels) else {
            continue;
        };
        if newest.is_plain() || matches!(shape, Shape::Protobuf(_)) {
            bytes += newest.bytes();
            found.push(newest);
        }
    }
    out.hold(bytes)
}

fn write(found: &[Newest], shape: Shape, out: &mut AnswerBytes) -> Result<(), ApiError> {
    for family in found.chunk_by(|left, right| left.family() == right.family()) {
        match shape {
            Shape::Protobuf(names) => protobuf::write_family(out, names, family)?,
            Shape::Text(names) => {
                for (index, newest) in family.iter().enumerate() {
                    text::write(out.pending(), names, newest, index == 0);
                    out.seal_full()?;
                }
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_with_the_highest_weight_is_taken() {
        const PROTOBUF: &str = "application/vnd.google.protobuf;\
            proto=io.prometheus.client.MetricFamily;encoding=delimited";
        let accepted = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::try_from(text).unwrap());
            Shape::accepted(&headers)
        };
        let text = Shape::Text(Names::Underscores);
        assert_eq!(accepted("*/*"), text);
        assert_eq!(accepted("application/openmetrics-text;version=1.0.0"), text);
        let protobuf = Shape::Protobuf(Names::Underscores);
        assert_eq!(accepted(PROTOBUF), protobuf);
        assert_eq!(
            accepted(&format!("{PROTOBUF};escaping=allow-utf-8")),
            Shape::Protobuf(Names::Utf8)
        );
        let both = format!("{PROTOBUF};q=0.7,text/plain;version=0.0.4;q=0.3,*/*;q=0.2");
        assert_eq!(accepted(&both), protobuf);
        let other = format!("{PROTOBUF};q=0.2,text/plain;escaping=allow-utf-8;q=0.3");
        assert_eq!(accepted(&other), Shape::Text(Names::Utf8));
        assert_eq!(accepted("application/vnd.google.protobuf;proto=x"), text);
    }
}
