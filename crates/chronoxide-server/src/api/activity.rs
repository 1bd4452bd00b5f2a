//! What the server's own page shows and Prometheus has no endpoints for: partitions, refused samples, slow queries.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use chronoxide_storage::status::PartitionStats;

use super::json::{Notes, write_list};
use super::member::{Member, write_members};
use super::request::{LookUp, success_response};
use crate::edge::AcceptedEncoding;
use crate::error::ApiError;
use crate::lately::{RecentRejection, SlowQuery};
use crate::state::ServerState;

/// `/status/partitions`: what lies on disk, the oldest partition first. Times are in seconds, both ends included.
pub(crate) async fn partitions(
    State(state): State<Arc<ServerState>>,
    encoding: AcceptedEncoding,
) -> Result<Response, ApiError> {
    let look_up = LookUp::new("partitions", encoding);
    look_up
        .run(&state, |database, out| {
            let partitions = database.partitions();
            out.begin_success();
            out.write_list(&partitions, write_partition)?;
            out.end_success(&Notes::default());
            Ok(())
        })
        .await
}

fn write_partition(out: &mut Vec<u8>, partition: &PartitionStats) {
    let PartitionStats {
        range,
        parts,
        bytes,
        samples,
        ..
    } = *partition;
    let members = [
        ("start", Member::Time(range.min_ms())),
        ("end", Member::Time(range.max_ms())),
        ("parts", Member::Number(parts)),
        ("bytes", Member::Number(bytes)),
        ("samples", Member::Number(samples)),
    ];
    write_members(out, members);
}

/// `/status/rejections`: samples that were refused lately, by series and reason, the newest first.
pub(crate) async fn rejections(State(state): State<Arc<ServerState>>) -> Response {
    let rejections = state.metrics.recent_rejections.list();
    success_response(|out| write_list(out, &rejections, write_rejection))
}

fn write_rejection(out: &mut Vec<u8>, rejection: &RecentRejection) {
    let members = [
        ("time", Member::Time(rejection.time_ms)),
        ("protocol", Member::Text(&rejection.protocol)),
        ("series", Member::Text(&rejection.series)),
        ("reason", Member::Text(rejection.reason)),
        ("detail", Member::Text(&rejection.detail)),
        ("samples", Member::Number(rejection.samples)),
    ];
    write_members(out, members);
}

/// `/status/slow_queries`: the slowest queries of the last hour, each text once, the slowest first.
pub(crate) async fn slow_queries(State(state): State<Arc<ServerState>>) -> Response {
    let queries = state.slowest_queries.list(state.now_ms());
    success_response(|out| write_list(out, &queries, write_slow_query))
}

fn write_slow_query(out: &mut Vec<u8>, query: &SlowQuery) {
    let times = query.times.range();
    let mut members = vec![
        ("query", Member::Text(&query.text)),
        ("kind", Member::Text(query.times.kind())),
        ("time", Member::Time(query.ended_ms)),
        ("durationMs", Member::duration(query.duration)),
        ("queueMs", Member::duration(query.queue)),
        ("start", Member::Time(times.start_ms)),
        ("end", Member::Time(times.end_ms)),
        ("step", Member::Time(times.step_ms)),
        ("series", Member::Number(query.stats.series)),
        ("samples", Member::Number(query.stats.samples)),
    ];
    if let Some(reason) = &query.failure {
        members.push(("error", Member::Text(reason)));
    }
    write_members(out, members);
}
