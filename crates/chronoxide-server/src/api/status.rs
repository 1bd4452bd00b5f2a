//! What runs here, and how much it holds.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chronoxide_model::{METRIC_NAME, TimeRange};
use chronoxide_storage::Database;

use super::form::Form;
use super::json::{Notes, success, write_list, write_object, write_string};
use super::number::{write_timestamp, write_unsigned};
use super::request::{json_response, look_up, storage_failed, success_response};
use super::rfc3339::format_rfc3339;
use crate::active_queries::ActiveQuery;
use crate::config::{format_byte_size, format_duration};
use crate::error::ApiError;
use crate::state::ServerState;

/// The release of Prometheus whose API this one is compatible with; clients compare it.
const PROMETHEUS_VERSION: &str = "3.5.0";

/// `/status/buildinfo`
pub(crate) async fn build_info() -> Response {
    success_response(|out| write_object(out, build_members(), write_string))
}

/// `/version`: the same without an envelope.
pub(crate) async fn version() -> Response {
    let mut out = Vec::new();
    write_object(&mut out, build_members(), write_string);
    json_response(out)
}

fn build_members() -> [(&'static str, &'static str); 7] {
    [
        ("version", PROMETHEUS_VERSION),
        ("revision", ""),
        ("branch", ""),
        ("buildUser", ""),
        ("buildDate", ""),
        ("goVersion", ""),
        ("chronoxideVersion", env!("CARGO_PKG_VERSION")),
    ]
}

/// `/status/runtimeinfo`
pub(crate) async fn runtime_info(State(state): State<Arc<ServerState>>) -> Response {
    let started = format_rfc3339(state.started_ms());
    let now = format_rfc3339(state.now_ms());
    let directory = state.config.storage_path.display().to_string();
    let hostname = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let mut retention = format_duration(state.config.retention_time);
    if let Some(bytes) = state.config.retention_size_bytes {
        retention.push_str(&format!(" or {}", format_byte_size(bytes)));
    }
    let memory_limit = state.config.memory().bytes().to_string();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let stats = state.database().map(|database| database.stats());
    let texts = [
        ("startTime", started.as_str()),
        ("CWD", &directory),
        ("hostname", hostname.trim()),
        ("serverTime", &now),
        ("lastConfigTime", &started),
        ("GOMEMLIMIT", &memory_limit),
        ("GOGC", ""),
        ("GODEBUG", ""),
        ("storageRetention", &retention),
    ];
    let numbers = [
        (
            "corruptionCount",
            stats
                .as_ref()
                .map_or(0, |stats| stats.files_quarantined_total),
        ),
        (
            "timeSeriesCount",
            stats.as_ref().map_or(0, |stats| stats.series),
        ),
        ("goroutineCount", 0),
        ("GOMAXPROCS", threads),
    ];
    success_response(|out| {
        write_object(out, texts, write_string);
        out.pop();
        for (name, number) in numbers {
            out.push(b',');
            write_string(out, name);
            out.push(b':');
            write_unsigned(out, number);
        }
        out.extend_from_slice(br#","reloadConfigSuccess":true}"#);
    })
}

/// `/status/flags`
pub(crate) async fn flags(State(state): State<Arc<ServerState>>) -> Response {
    let flags = state.config.flags();
    success_response(|out| {
        write_object(
            out,
            flags.iter().map(|(key, value)| (*key, value)),
            |out, value| write_string(out, value),
        );
    })
}

/// `/status/config`: there is no scrape configuration; external labels, which Thanos asks for, are none.
pub(crate) async fn config() -> Response {
    success_response(|out| {
        write_object(
            out,
            [("yaml", "global:\n  external_labels: {}\n")],
            write_string,
        )
    })
}

/// `/status/walreplay`
pub(crate) async fn wal_replay(State(state): State<Arc<ServerState>>) -> Response {
    let current: &[u8] = if state.database().is_some() {
        b"1"
    } else {
        b"0"
    };
    success_response(|out| {
        out.extend_from_slice(br#"{"min":0,"max":1,"current":"#);
        out.extend_from_slice(current);
        out.push(b'}');
    })
}

/// `/notifications`: there is no state that is told this way.
pub(crate) async fn notifications() -> Response {
    success_response(|out| out.extend_from_slice(b"[]"))
}

/// `/notifications/live`: 204 tells a page not to wait for any.
pub(crate) async fn no_live_notifications() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `/status/active_queries`: what is being evaluated, the oldest first.
///
/// Times are in seconds, as in requests; `runningMs` counts from the end of the wait for a turn.
pub(crate) async fn active_queries(State(state): State<Arc<ServerState>>) -> Response {
    let queries = state.active_queries.list();
    success_response(|out| write_list(out, &queries, write_active_query))
}

fn write_active_query(out: &mut Vec<u8>, query: &ActiveQuery) {
    let texts = [
        ("query", query.text.as_str()),
        ("kind", query.times.kind()),
        ("startTime", &format_rfc3339(query.started_ms)),
    ];
    write_object(out, texts, write_string);
    out.pop();
    let running_ms = u64::try_from(query.running().as_millis()).unwrap_or(u64::MAX);
    out.extend_from_slice(br#","runningMs":"#);
    write_unsigned(out, running_ms);
    let times = query.times.range();
    for (name, ms) in [
        ("start", times.start_ms),
        ("end", times.end_ms),
        ("step", times.step_ms),
    ] {
        out.push(b',');
        write_string(out, name);
        out.push(b':');
        write_timestamp(out, ms);
    }
    out.push(b'}');
}

/// `/status/tsdb`: how many series there are, and which names and labels they come from.
pub(crate) async fn tsdb(
    State(state): State<Arc<ServerState>>,
    form: Form,
) -> Result<Response, ApiError> {
    let limit = match form.get("limit").map(str::parse::<usize>) {
        None => 10,
        Some(Ok(limit @ 1..=10_000)) => limit,
        Some(Ok(limit)) if limit > 10_000 => {
            return Err(ApiError::bad_data("limit must not exceed 10000"));
        }
        Some(_) => return Err(ApiError::bad_data("limit must be a positive number")),
    };
    look_up(&state, move |database| {
        let cardinality = Cardinality::of(database)?;
        Ok(success(&Notes::default(), |out| {
            cardinality.write(out, database, limit)
        }))
    })
    .await
}

/// How series spread over names, labels and values.
#[derive(Debug, Default)]
struct Cardinality {
    series: u64,
    by_metric_name: HashMap<String, u64>,
    /// For each label name: for each value, how many series have it.
    by_label: HashMap<String, HashMap<String, u64>>,
}

impl Cardinality {
    fn of(database: &Database) -> Result<Self, ApiError> {
        let mut cardinality = Self::default();
        for labels in database
            .series(&[], TimeRange::ALL)
            .map_err(|error| storage_failed(&error))?
        {
            cardinality.series += 1;
            for (name, value) in labels.iter() {
                if name == METRIC_NAME {
                    increment(&mut cardinality.by_metric_name, value);
                }
                match cardinality.by_label.get_mut(name) {
                    Some(values) => increment(values, value),
                    None => {
                        let values = HashMap::from([(value.to_owned(), 1)]);
                        cardinality.by_label.insert(name.to_owned(), values);
                    }
                }
            }
        }
        Ok(cardinality)
    }

    fn write(&self, out: &mut Vec<u8>, database: &Database, limit: usize) {
        let stats = database.stats();
        let pairs: usize = self.by_label.values().map(HashMap::len).sum();
        let head = format!(
            "{{\"headStats\":{{\"numSeries\":{},\"numLabelPairs\":{pairs},\"chunkCount\":{},\"minTime\":{},\"maxTime\":{}}}",
            self.series,
            stats.parts,
            stats.oldest_sample_ms.unwrap_or(0),
            stats.newest_sample_ms.unwrap_or(0),
        );
        out.extend_from_slice(head.as_bytes());
        let names = self
            .by_metric_name
            .iter()
            .map(|(name, count)| (name.clone(), *count));
        let values = self
            .by_label
            .iter()
            .map(|(name, values)| (name.clone(), values.len() as u64));
        let bytes = self.by_label.iter().map(|(name, values)| {
            (
                name.clone(),
                values.keys().map(|value| value.len() as u64).sum(),
            )
        });
        let label_pairs = self.by_label.iter().flat_map(|(name, values)| {
            values
                .iter()
                .map(move |(value, count)| (format!("{name}={value}"), *count))
        });
        write_top(out, "seriesCountByMetricName", names.collect(), limit);
        write_top(out, "labelValueCountByLabelName", values.collect(), limit);
        write_top(out, "memoryInBytesByLabelName", bytes.collect(), limit);
        write_top(
            out,
            "seriesCountByLabelValuePair",
            label_pairs.collect(),
            limit,
        );
        out.push(b'}');
    }
}

fn increment(counts: &mut HashMap<String, u64>, key: &str) {
    match counts.get_mut(key) {
        Some(count) => *count += 1,
        None => {
            counts.insert(key.to_owned(), 1);
        }
    }
}

/// Appends member `key` with the `limit` largest counts.
fn write_top(out: &mut Vec<u8>, key: &str, mut counts: Vec<(String, u64)>, limit: usize) {
    counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    out.push(b',');
    write_string(out, key);
    out.push(b':');
    write_list(out, counts.iter().take(limit), |out, (name, count)| {
        out.extend_from_slice(br#"{"name":"#);
        write_string(out, name);
        out.extend_from_slice(br#","value":"#);
        write_unsigned(out, *count);
        out.push(b'}');
    });
}
