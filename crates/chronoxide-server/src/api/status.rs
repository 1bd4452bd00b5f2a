//! What runs here, and how much it holds.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use chronoxide_storage::Stats;
use chronoxide_storage::status::Cardinality;

use super::form::Form;
use super::json::{Notes, write_list, write_object, write_string};
use super::member::{Member, write_members};
use super::number::write_unsigned;
use super::request::{LookUp, blocking, json_response, success_response};
use super::rfc3339::format_rfc3339;
use crate::active_queries::ActiveQuery;
use crate::config::{format_byte_size, format_duration};
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::host::host_name;
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
pub(crate) async fn runtime_info(
    State(state): State<Arc<ServerState>>,
) -> Result<Response, ApiError> {
    let started = format_rfc3339(state.started_ms());
    let now = format_rfc3339(state.now_ms());
    let path = &state.config.storage_path;
    let directory = std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let directory = directory.display().to_string();
    let hostname = host_name();
    let mut retention = format_duration(state.config.retention_time);
    if let Some(bytes) = state.config.retention_size_bytes {
        retention.push_str(&format!(" or {}", format_byte_size(bytes)));
    }
    let memory_limit = state.config.memory().bytes();
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    // Just after a start it waits for the active series.
    let shared = Arc::clone(&state);
    let stats = blocking(&state, move || {
        Ok(shared.database().map(|database| database.stats()))
    })
    .await?;
    let number = |of: fn(&Stats) -> u64| Member::Number(stats.as_ref().map_or(0, of));
    let members = [
        ("startTime", Member::Text(&started)),
        ("CWD", Member::Text(&directory)),
        ("hostname", Member::Text(&hostname)),
        ("serverTime", Member::Text(&now)),
        ("lastConfigTime", Member::Text(&started)),
        ("GOMEMLIMIT", Member::Number(memory_limit)),
        ("GOGC", Member::Text("")),
        ("GODEBUG", Member::Text("")),
        ("storageRetention", Member::Text(&retention)),
        (
            "corruptionCount",
            number(|stats| stats.files_quarantined_total),
        ),
        ("timeSeriesCount", number(|stats| stats.series)),
        ("goroutineCount", Member::Number(0)),
        ("GOMAXPROCS", Member::Number(threads)),
        ("reloadConfigSuccess", Member::Flag(true)),
    ];
    Ok(success_response(|out| write_members(out, members)))
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

/// `/status/config`: the settings as YAML; external labels, which Thanos asks for, are none.
pub(crate) async fn config(State(state): State<Arc<ServerState>>) -> Response {
    let mut yaml = b"global:\n  external_labels: {}\nchronoxide:\n".to_vec();
    for (key, value) in state.config.flags() {
        yaml.extend_from_slice(format!("  {key}: ").as_bytes());
        // Strings of JSON are strings of YAML.
        write_string(&mut yaml, value);
        yaml.push(b'\n');
    }
    let yaml = String::from_utf8_lossy(&yaml);
    success_response(|out| write_object(out, [("yaml", &*yaml)], write_string))
}

/// `/status/walreplay`: which file of the log is being read at the start, of those there are; all 0 before they are found.
pub(crate) async fn wal_replay(State(state): State<Arc<ServerState>>) -> Response {
    let numbers = match state.replay.files() {
        None => [0; 3],
        Some(files) => [files.first, files.last, files.current],
    };
    let members = ["min", "max", "current"].into_iter().zip(numbers);
    success_response(|out| write_object(out, members, write_unsigned))
}

/// `/notifications`: there is no state that is told this way.
pub(crate) async fn notifications() -> Response {
    success_response(|out| out.extend_from_slice(b"[]"))
}

/// `/notifications/live`: 204 tells a page not to wait for any.
pub(crate) async fn no_live_notifications() -> StatusCode {
    StatusCode::NO_CONTENT
}

/// `/status/active_queries`: the queries and lookups under way, the oldest first.
///
/// Times are in seconds, as in requests; `runningMs` counts from the end of the wait for a turn.
pub(crate) async fn active_queries(State(state): State<Arc<ServerState>>) -> Response {
    let queries = state.active_queries.list();
    success_response(|out| write_list(out, &queries, write_active_query))
}

fn write_active_query(out: &mut Vec<u8>, query: &ActiveQuery) {
    let started = format_rfc3339(query.started_ms);
    let times = query.times;
    let members = [
        ("query", Member::Text(&query.text)),
        ("kind", Member::Text(query.kind)),
        ("startTime", Member::Text(&started)),
        ("runningMs", Member::duration(query.running())),
        ("start", Member::Time(times.start_ms)),
        ("end", Member::Time(times.end_ms)),
        ("step", Member::Time(times.step_ms)),
    ];
    write_members(out, members);
}

/// `/status/tsdb`: how many active series there are, and which names and labels they come from.
///
/// Samples in memory are in no chunks here: `chunkCount` is that of all files, which is what is there to be read.
pub(crate) async fn tsdb(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
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
    let look_up = LookUp::new("cardinality", encoding);
    look_up
        .run(&state, move |database, out| {
            let (counts, stats) = (database.cardinality(limit), database.stats());
            out.begin_success();
            write_cardinality(out.pending(), &counts, &stats);
            out.end_success(&Notes::default());
            Ok(())
        })
        .await
}

fn write_cardinality(out: &mut Vec<u8>, counts: &Cardinality, stats: &Stats) {
    let oldest_ms = stats.oldest_sample_ms.unwrap_or(0);
    let newest_ms = stats.newest_sample_ms.unwrap_or(0);
    let head = [
        ("numSeries", Member::Number(counts.series)),
        ("numLabelPairs", Member::Number(counts.label_pairs)),
        ("chunkCount", Member::Number(stats.parts_chunks)),
        ("minTime", Member::Milliseconds(oldest_ms)),
        ("maxTime", Member::Milliseconds(newest_ms)),
    ];
    out.extend_from_slice(br#"{"headStats":"#);
    write_members(out, head);
    let named = [
        ("seriesCountByMetricName", &counts.series_by_metric),
        ("labelValueCountByLabelName", &counts.values_by_label),
        ("memoryInBytesByLabelName", &counts.value_bytes_by_label),
    ];
    for (key, counts) in named {
        let counts = counts.iter().map(|(name, count)| (name.as_str(), *count));
        write_counts(out, key, counts);
    }
    let pairs: Vec<(String, u64)> = counts
        .series_by_pair
        .iter()
        .map(|(name, value, series)| (format!("{name}={value}"), *series))
        .collect();
    let pairs = pairs.iter().map(|(pair, count)| (pair.as_str(), *count));
    write_counts(out, "seriesCountByLabelValuePair", pairs);
    // What Prometheus does not have.
    let numbers = [
        ("seriesLimit", stats.series_max),
        ("labelNames", counts.label_names),
        ("seriesCreatedLastHour", counts.series_created_last_hour),
        ("seriesCreatedTotal", stats.series_created_total),
        ("seriesEvictedTotal", stats.series_evicted_total),
        ("seriesMemoryBytes", stats.registry_bytes),
    ];
    for (key, number) in numbers {
        begin_member(out, key);
        write_unsigned(out, number);
    }
    begin_member(out, "seriesRejectedByMetricName");
    write_list(out, &counts.series_rejected, |out, refused| {
        let members = [
            ("name", Member::Text(&refused.metric)),
            ("label", Member::Text(&refused.label)),
            ("value", Member::Number(refused.total)),
        ];
        write_members(out, members);
    });
    out.push(b'}');
}

/// Appends member `key` with counts by name.
fn write_counts<'a>(
    out: &mut Vec<u8>,
    key: &str,
    counts: impl ExactSizeIterator<Item = (&'a str, u64)>,
) {
    begin_member(out, key);
    write_list(out, counts, |out, (name, count)| {
        let members = [
            ("name", Member::Text(name)),
            ("value", Member::Number(count)),
        ];
        write_members(out, members);
    });
}

/// Goes on with member `key` of an object that has others before.
fn begin_member(out: &mut Vec<u8>, key: &str) {
    out.push(b',');
    write_string(out, key);
    out.push(b':');
}
