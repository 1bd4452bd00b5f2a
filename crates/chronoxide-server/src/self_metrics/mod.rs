//! What the server counts about itself: shown at `/metrics`, and stored like any other series.

mod exposition;
mod family;
mod instrument;
mod memory;
mod process;
mod scraper;

use std::time::Duration;

use axum::http::StatusCode;
use chronoxide_model::{MetricType, WriteOutcome};
use chronoxide_otlp::Refusals;
use chronoxide_storage::Stats;
use chronoxide_storage::status::Timings;

pub(crate) use exposition::Exposition;
pub(crate) use family::Family;
pub(crate) use memory::MemoryUse;
pub(crate) use scraper::Scraper;

use crate::lately::RecentRejections;
use crate::state::unix_ms;
use instrument::{Counter, DurationHistogram, Gauge, Labelled};

/// The instruments of one server.
#[derive(Debug)]
pub(crate) struct Metrics {
    /// Requests answered, by handler and status.
    pub(crate) requests: Labelled<2, Counter>,
    /// Time from request to answer, by handler.
    pub(crate) request_seconds: Labelled<1, DurationHistogram>,
    /// Open connections.
    pub(crate) connections: Gauge,
    /// Requests that ended in a panic.
    pub(crate) panics: Counter,
    /// Queries being evaluated.
    pub(crate) queries_running: Gauge,
    /// Queries waiting for their turn.
    pub(crate) queries_waiting: Gauge,
    /// Samples read by queries.
    pub(crate) query_samples: Counter,
    /// Bytes of request bodies with samples, by protocol.
    pub(crate) ingest_bytes: Labelled<1, Counter>,
    /// Samples taken in, by protocol.
    pub(crate) ingest_samples: Labelled<1, Counter>,
    /// Requests with samples, by protocol, format and result.
    pub(crate) ingest_requests: Labelled<3, Counter>,
    /// Native histograms among the samples taken in, by protocol.
    pub(crate) ingest_histograms: Labelled<1, Counter>,
    /// Exemplars taken in, by protocol.
    pub(crate) ingest_exemplars: Labelled<1, Counter>,
    /// Pieces of metadata taken in, by protocol.
    pub(crate) ingest_metadata: Labelled<1, Counter>,
    /// Samples refused, by protocol and reason.
    pub(crate) ingest_rejected: Labelled<2, Counter>,
    /// Series without samples, and exemplars, that were refused, by protocol and reason.
    pub(crate) ingest_rejected_sampleless: Labelled<2, Counter>,
    /// The newest of all of these, for people.
    pub(crate) recent_rejections: RecentRejections,
    /// Attributes left out of points that were taken in, by protocol and reason.
    pub(crate) ingest_dropped_attributes: Labelled<2, Counter>,
    /// Exemplars that were not kept, by protocol and reason.
    pub(crate) ingest_rejected_exemplars: Labelled<2, Counter>,
    /// Pieces of metadata that were not kept, by protocol and reason.
    pub(crate) ingest_rejected_metadata: Labelled<2, Counter>,
    /// Start times of samples that were left out, by protocol and reason; their samples were taken.
    pub(crate) ingest_rejected_starts: Labelled<2, Counter>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Labelled::new(["handler", "code"]),
            request_seconds: Labelled::new(["handler"]),
            connections: Gauge::default(),
            panics: Counter::default(),
            queries_running: Gauge::default(),
            queries_waiting: Gauge::default(),
            query_samples: Counter::default(),
            ingest_bytes: Labelled::new(["protocol"]),
            ingest_samples: Labelled::new(["protocol"]),
            ingest_requests: Labelled::new(["protocol", "format", "result"]),
            ingest_histograms: Labelled::new(["protocol"]),
            ingest_exemplars: Labelled::new(["protocol"]),
            ingest_metadata: Labelled::new(["protocol"]),
            ingest_rejected: Labelled::new(["protocol", "reason"]),
            ingest_rejected_sampleless: Labelled::new(["protocol", "reason"]),
            recent_rejections: RecentRejections::default(),
            ingest_dropped_attributes: Labelled::new(["protocol", "reason"]),
            ingest_rejected_exemplars: Labelled::new(["protocol", "reason"]),
            ingest_rejected_metadata: Labelled::new(["protocol", "reason"]),
            ingest_rejected_starts: Labelled::new(["protocol", "reason"]),
        }
    }
}

impl Metrics {
    /// Counts a request with samples by the status of its answer.
    pub(crate) fn count_request(&self, protocol: &str, format: &str, status: StatusCode) {
        let result = match status.as_u16() {
            200..=299 => "stored",
            400 => "refused",
            401..=499 => "unread",
            _ => "failed",
        };
        self.ingest_requests
            .with([protocol, format, result])
            .increment();
    }

    /// Counts an answer of `handler`, and how long it took.
    pub(crate) fn count_answer(&self, handler: &str, code: &str, took: Duration) {
        self.requests.with([handler, code]).increment();
        self.request_seconds.with([handler]).observe(took);
    }

    /// Counts what became of the samples of a request.
    pub(crate) fn count_outcome(&self, protocol: &str, outcome: &WriteOutcome) {
        self.ingest_samples
            .with([protocol])
            .add(outcome.samples_accepted + outcome.histograms_accepted);
        self.recent_rejections
            .add(protocol, &outcome.rejections, unix_ms());
        for (counter, count) in [
            (&self.ingest_histograms, outcome.histograms_accepted),
            (&self.ingest_exemplars, outcome.exemplars_accepted),
        ] {
            if count > 0 {
                counter.with([protocol]).add(count);
            }
        }
        for (counter, by_reason) in [
            (&self.ingest_rejected, &outcome.samples_rejected_by_reason),
            (
                &self.ingest_rejected_sampleless,
                &outcome.sampleless_rejected_by_reason,
            ),
        ] {
            for (reason, count) in by_reason {
                counter.with([protocol, reason.as_str()]).add(*count);
            }
        }
    }

    /// Counts data points that came to no sample, and why.
    pub(crate) fn count_refusals(&self, protocol: &str, refusals: &Refusals) {
        self.recent_rejections
            .add_refusals(protocol, refusals, unix_ms());
        for (reason, points) in refusals.counts() {
            self.ingest_rejected
                .with([protocol, reason.as_str()])
                .add(points);
        }
    }

    /// All families of this moment: the server's, the process's and, once it is open, the database's.
    pub(crate) fn collect(&self, stats: Option<&Stats>) -> Vec<Family> {
        let mut families = vec![build_info()];
        self.collect_server(&mut families);
        if let Some(stats) = stats {
            collect_series(stats, &mut families);
            collect_files(stats, &mut families);
            collect_work(stats, &mut families);
        }
        families.extend(process::collect());
        families
    }

    /// Requests, and what came in beside plain samples.
    fn collect_ingest(&self, families: &mut Vec<Family>) {
        let mut requests = Family::new(
            "chronoxide_ingest_requests_total",
            MetricType::Counter,
            "Requests with samples: `stored`, `refused` for good in part or whole, `unread` for size, type or origin, \
             `failed` where trying again may help.",
        );
        self.ingest_requests.collect(&mut requests);
        families.push(requests);
        for (name, help, counters) in [
            (
                "chronoxide_ingest_histograms_total",
                "Native histograms among the samples taken in.",
                &self.ingest_histograms,
            ),
            (
                "chronoxide_ingest_exemplars_total",
                "Exemplars taken in.",
                &self.ingest_exemplars,
            ),
            (
                "chronoxide_ingest_metadata_total",
                "Pieces of metadata taken in.",
                &self.ingest_metadata,
            ),
        ] {
            let mut family = Family::new(name, MetricType::Counter, help);
            counters.collect(&mut family);
            families.push(family);
        }
        for (name, help, counters) in [
            (
                "chronoxide_ingest_dropped_attributes_total",
                "Attributes left out of points that were taken in, by reason.",
                &self.ingest_dropped_attributes,
            ),
            (
                "chronoxide_ingest_rejected_exemplars_total",
                "Exemplars that were not kept, by reason.",
                &self.ingest_rejected_exemplars,
            ),
            (
                "chronoxide_ingest_rejected_metadata_total",
                "Pieces of metadata that were not kept, by reason.",
                &self.ingest_rejected_metadata,
            ),
            (
                "chronoxide_ingest_rejected_sampleless_total",
                "Series that brought no sample, and exemplars, that were refused for good, by reason.",
                &self.ingest_rejected_sampleless,
            ),
            (
                "chronoxide_ingest_rejected_start_times_total",
                "Start times of samples that were left out, by reason; their samples were taken.",
                &self.ingest_rejected_starts,
            ),
        ] {
            let mut family = Family::new(name, MetricType::Counter, help);
            counters.collect(&mut family);
            families.push(family);
        }
    }

    fn collect_server(&self, families: &mut Vec<Family>) {
        let mut labelled = |name, metric_type, help, collect: &dyn Fn(&mut Family)| {
            let mut family = Family::new(name, metric_type, help);
            collect(&mut family);
            families.push(family);
        };
        let counter = MetricType::Counter;
        labelled(
            "chronoxide_http_requests_total",
            counter,
            "HTTP requests answered.",
            &|family| {
                self.requests.collect(family);
            },
        );
        labelled(
            "chronoxide_http_request_duration_seconds",
            MetricType::Histogram,
            "Time from an HTTP request to its answer.",
            &|family| self.request_seconds.collect(family),
        );
        labelled(
            "chronoxide_ingest_received_bytes_total",
            counter,
            "Bytes of request bodies with samples.",
            &|family| {
                self.ingest_bytes.collect(family);
            },
        );
        labelled(
            "chronoxide_ingest_samples_total",
            counter,
            "Samples taken in, by protocol; `self` are own metrics.",
            &|family| {
                self.ingest_samples.collect(family);
            },
        );
        labelled(
            "chronoxide_ingest_rejected_samples_total",
            counter,
            "Samples refused, by reason.",
            &|family| {
                self.ingest_rejected.collect(family);
            },
        );
        self.collect_ingest(families);
        families.extend([
            Family::gauge(
                "chronoxide_http_connections",
                "Open HTTP connections.",
                self.connections.value() as f64,
            ),
            Family::counter(
                "chronoxide_http_panics_total",
                "Requests that ended in a panic.",
                self.panics.value(),
            ),
            Family::gauge(
                "chronoxide_queries_running",
                "Queries being evaluated.",
                self.queries_running.value() as f64,
            ),
            Family::gauge(
                "chronoxide_queries_waiting",
                "Queries waiting for their turn.",
                self.queries_waiting.value() as f64,
            ),
            Family::counter(
                "chronoxide_query_samples_total",
                "Samples read by queries.",
                self.query_samples.value(),
            ),
        ]);
    }
}

fn build_info() -> Family {
    let mut family = Family::new(
        "chronoxide_build_info",
        MetricType::Gauge,
        "Version of this build; the value is always 1.",
    );
    family.push(vec![("version", env!("CARGO_PKG_VERSION").to_owned())], 1.0);
    family
}

fn collect_series(stats: &Stats, families: &mut Vec<Family>) {
    let mut rejected = Family::new(
        "chronoxide_storage_rejected_samples_total",
        MetricType::Counter,
        "Samples that storage refused, by reason.",
    );
    for (reason, count) in &stats.samples_rejected_total {
        rejected.push(vec![("reason", reason.as_str().to_owned())], *count as f64);
    }
    let mut series_rejected = Family::new(
        "chronoxide_series_rejected_total",
        MetricType::Counter,
        "How often a new series was refused for want of room, by metric and its label with the most values; metrics \
         beyond the first few count as (other).",
    );
    for refused in &stats.series_rejected_total {
        let labels = vec![
            ("metric", refused.metric.clone()),
            ("label", refused.label.clone()),
        ];
        series_rejected.push(labels, refused.total as f64);
    }
    families.extend([
        Family::gauge("chronoxide_series", "Active series.", stats.series as f64),
        Family::gauge(
            "chronoxide_series_limit",
            "Active series allowed.",
            stats.series_max as f64,
        ),
        Family::counter(
            "chronoxide_series_created_total",
            "Series seen for the first time.",
            stats.series_created_total,
        ),
        Family::counter(
            "chronoxide_series_evicted_total",
            "Series that left the active ones because they were idle.",
            stats.series_evicted_total,
        ),
        Family::gauge(
            "chronoxide_exemplars",
            "Exemplars kept.",
            stats.exemplars as f64,
        ),
        Family::counter(
            "chronoxide_exemplars_evicted_total",
            "Exemplars that went before their time because newer ones needed the room.",
            stats.exemplars_evicted_total,
        ),
        Family::counter(
            "chronoxide_metadata_rejected_total",
            "Pieces of metadata that there was no room for.",
            stats.metadata_rejected_total,
        ),
        Family::gauge(
            "chronoxide_head_samples",
            "Samples in memory that are in no part yet.",
            stats.head_samples as f64,
        ),
        Family::gauge(
            "chronoxide_head_bytes",
            "Memory of these samples.",
            stats.head_bytes as f64,
        ),
        Family::gauge(
            "chronoxide_registry_bytes",
            "Memory of the table of active series.",
            stats.registry_bytes as f64,
        ),
        Family::counter(
            "chronoxide_storage_samples_total",
            "Float samples stored.",
            stats.samples_accepted_total,
        ),
        Family::counter(
            "chronoxide_storage_histograms_total",
            "Native histogram samples stored.",
            stats.histograms_accepted_total,
        ),
        rejected,
        series_rejected,
    ]);
    let newest = stats
        .newest_sample_ms
        .map(|newest_ms| newest_ms as f64 / 1000.0);
    families.extend(newest.map(|seconds| {
        Family::gauge(
            "chronoxide_newest_sample_timestamp_seconds",
            "Time of the newest sample.",
            seconds,
        )
    }));
}

fn collect_files(stats: &Stats, families: &mut Vec<Family>) {
    families.extend([
        Family::gauge(
            "chronoxide_wal_bytes",
            "Bytes of the write-ahead log.",
            stats.wal_bytes as f64,
        ),
        Family::gauge(
            "chronoxide_wal_segments",
            "Files of the write-ahead log.",
            stats.wal_segments as f64,
        ),
        Family::gauge(
            "chronoxide_parts",
            "Immutable files with samples.",
            stats.parts as f64,
        ),
        Family::gauge(
            "chronoxide_parts_bytes",
            "Bytes of these files.",
            stats.parts_bytes as f64,
        ),
        Family::gauge(
            "chronoxide_parts_samples",
            "Samples in these files.",
            stats.parts_samples as f64,
        ),
        Family::gauge(
            "chronoxide_partitions",
            "Stretches of time that have parts: days, unless retention is short or long.",
            stats.partitions as f64,
        ),
        Family::gauge(
            "chronoxide_disk_free_bytes",
            "Free bytes on the file system of the data directory.",
            stats.disk_free_bytes as f64,
        ),
        Family::gauge(
            "chronoxide_out_of_space",
            "1 while writes are refused because the disk is full.",
            f64::from(u8::from(stats.out_of_space)),
        ),
        Family::counter(
            "chronoxide_partitions_dropped_total",
            "Partitions removed by retention.",
            stats.partitions_dropped_total,
        ),
        Family::gauge(
            "chronoxide_parts_damaged",
            "Parts in which damage was found; queries that need what is damaged fail.",
            stats.parts_damaged as f64,
        ),
        Family::counter(
            "chronoxide_files_quarantined_total",
            "Damaged or unlisted files set aside.",
            stats.files_quarantined_total,
        ),
    ]);
}

fn collect_work(stats: &Stats, families: &mut Vec<Family>) {
    families.extend([
        Family::counter(
            "chronoxide_writes_failed_total",
            "Batches refused as a whole by an error.",
            stats.writes_failed_total,
        ),
        Family::gauge(
            "chronoxide_replayed_samples",
            "Samples read back from the write-ahead log at start.",
            stats.replayed_samples as f64,
        ),
        Family::gauge(
            "chronoxide_open_duration_seconds",
            "How long opening the data directory took.",
            stats.open_duration.as_secs_f64(),
        ),
    ]);
    let timings: [(&Timings, [&'static str; 3]); 3] = [
        (
            &stats.wal_syncs,
            [
                "chronoxide_wal_syncs_total",
                "chronoxide_wal_syncs_failed_total",
                "chronoxide_wal_sync_duration_seconds_total",
            ],
        ),
        (
            &stats.flushes,
            [
                "chronoxide_flushes_total",
                "chronoxide_flushes_failed_total",
                "chronoxide_flush_duration_seconds_total",
            ],
        ),
        (
            &stats.compactions,
            [
                "chronoxide_compactions_total",
                "chronoxide_compactions_failed_total",
                "chronoxide_compaction_duration_seconds_total",
            ],
        ),
    ];
    for (timings, [total, failed, seconds]) in timings {
        families.push(Family::counter(
            total,
            "How often it was done, failures included.",
            timings.total,
        ));
        families.push(Family::counter(
            failed,
            "How often it failed.",
            timings.failures_total,
        ));
        families.push(seconds_counter(seconds, timings.duration_total));
    }
}

fn seconds_counter(name: &'static str, duration: Duration) -> Family {
    let mut family = Family::new(name, MetricType::Counter, "How long it took, summed up.");
    family.push(Vec::new(), duration.as_secs_f64());
    family
}
