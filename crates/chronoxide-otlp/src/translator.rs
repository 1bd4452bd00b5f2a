//! The translation of one request: resource, scope and metric set the scene, data points become samples.

use std::collections::HashSet;

use chronoxide_model::{
    CanonicalKey, Exemplar, KeyEncoding, Metadata, MetricType, Sample, WriteBatch,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128_with_seed};

use crate::label_set::{Collision, LabelSet};
use crate::memory::Memory;
use crate::naming::{LabelNamer, NameKind, label_unit, metric_name, unit_words};
use crate::refusal::{Refusal, shortened};
use crate::resource::{self, Resource, check_bytes, check_count, sort_attributes};
use crate::series_key::{AttributesKey, KeyHead, encode_attributes};
use crate::temporality::DeltaTurn;
use crate::translation::{EmptyMetrics, SeriesGroup};
use crate::view::{Attribute, Metric, MetricKind, Point, Scope, Temporality, Value};
use crate::{DeltaMode, DeltaStreams, Options, RefusalReason, Refusals, Translation};

/// How many bytes of series keys one request may make, whoever gives the memory for them; what passes it is refused
/// point by point.
const KEY_BYTES_MAX: usize = 128 << 20;

/// What a series of a batch takes beside its key, on its way to disk included.
pub(crate) const SERIES_BYTES: usize = 192;

/// What an exemplar takes, whose labels are never many.
const EXEMPLAR_BYTES: usize = 512;

/// What a piece of metadata takes beside its texts.
const METADATA_BYTES: usize = 192;

/// Turns the parts of a request, shown one after the other, into a [`Translation`].
///
/// The order of calls: `begin_resource`, in it `begin_scope`, in it `begin_metric`, then the metric's points, and
/// `end_resource` once the resource is through.
#[derive(Debug)]
pub(crate) struct Translator<'o> {
    pub(crate) options: &'o Options,
    memory: &'o Memory<'o>,
    /// When the request arrived.
    now_ms: i64,
    namer: LabelNamer,
    pub(crate) deltas: DeltaTurn<'o>,
    pub(crate) batch: WriteBatch<'static>,
    pub(crate) resource: Resource,
    scope: LabelSet,
    scope_refusal: Option<Refusal>,
    pub(crate) metric: MetricState,
    /// What series keys of the current metric begin with, where points go by their attributes.
    key_head: KeyHead,
    /// Whether `key_head` holds for the next metric, too.
    key_head_holds: bool,
    /// Attributes of the current point as its series keys have them.
    attributes: Vec<u8>,
    /// Whether the current point goes by its attributes and not by `labels`.
    by_attributes: bool,
    /// Labels of the current point, sorted, without the metric name.
    labels: LabelSet,
    pub(crate) key: Vec<u8>,
    key_bytes: usize,
    /// Where the series of the current point begin in the batch.
    point_start: usize,
    groups: Vec<SeriesGroup>,
    pub(crate) targets_seen: HashSet<(u128, i64)>,
    pub(crate) target_samples: usize,
    pub(crate) target_times: Vec<i64>,
    metadata_seen: HashSet<u64>,
    pub(crate) report: Report,
}

/// The metric whose points come.
#[derive(Debug, Default)]
pub(crate) struct MetricState {
    /// The name that its series have, or begin with.
    pub(crate) name: String,
    original_name: String,
    help: String,
    unit: String,
    metric_type: MetricType,
    /// Why none of its points can be taken.
    refusal: Option<Refusal>,
    /// Whether its points are added up.
    pub(crate) accumulates: bool,
    /// Whether its points are stored as the deltas they are.
    pub(crate) raw_delta: bool,
    unit_label: String,
    described: bool,
}

/// What is said of a request beside its batch.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) refusals: Refusals,
    pub(crate) points_accepted: u64,
    pub(crate) attributes_dropped: u64,
    pub(crate) exemplars_dropped: u64,
    pub(crate) metrics_without_data: EmptyMetrics,
}

/// When a point was, in the units of samples.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) time_ms: i64,
    /// 0 when unknown.
    pub(crate) start_ms: i64,
}

impl Times {
    pub(crate) fn new(start_ns: u64, time_ns: u64) -> Self {
        // A start after the point it starts means nothing, and is no reason to lose the point.
        let start_ns = if start_ns <= time_ns { start_ns } else { 0 };
        Self {
            time_ms: milliseconds(time_ns),
            start_ms: milliseconds(start_ns),
        }
    }
}

/// Nanoseconds since 1970 as the milliseconds of samples.
pub(crate) fn milliseconds(ns: u64) -> i64 {
    i64::try_from(ns / 1_000_000).expect("2^64 / 10^6 is less than 2^63")
}

impl<'o> Translator<'o> {
    pub(crate) fn new(
        options: &'o Options,
        streams: &'o DeltaStreams,
        memory: &'o Memory<'o>,
        now_ms: i64,
    ) -> Self {
        let mut batch = WriteBatch::new();
        // Streams that are told apart by what labels do not show would overwrite one another.
        batch.refuse_repeats();
        Self {
            options,
            memory,
            now_ms,
            namer: LabelNamer::new(options),
            deltas: DeltaTurn::new(streams, now_ms),
            batch,
            resource: Resource::default(),
            scope: LabelSet::default(),
            scope_refusal: None,
            metric: MetricState::default(),
            key_head: KeyHead::default(),
            key_head_holds: false,
            attributes: Vec::new(),
            by_attributes: false,
            labels: LabelSet::default(),
            key: Vec::new(),
            key_bytes: 0,
            point_start: 0,
            groups: Vec::new(),
            targets_seen: HashSet::new(),
            target_samples: 0,
            target_times: Vec::new(),
            metadata_seen: HashSet::new(),
            report: Report::default(),
        }
    }

    pub(crate) fn finish(self) -> Translation {
        Translation {
            batch: self.batch,
            refusals: self.report.refusals,
            points_accepted: self.report.points_accepted,
            attributes_dropped: self.report.attributes_dropped,
            exemplars_dropped: self.report.exemplars_dropped,
            metrics_without_data: self.report.metrics_without_data,
            groups: self.groups,
            deltas: self.deltas.into_changes(),
        }
    }

    pub(crate) fn begin_resource(&mut self, attributes: &mut [Attribute<'_>]) {
        let (resource, dropped) = Resource::new(attributes, self.options, &self.namer);
        self.resource = resource;
        self.key_head_holds = false;
        self.report.attributes_dropped += dropped;
    }

    pub(crate) fn begin_scope(&mut self, scope: &mut Scope<'_, '_>) {
        self.scope.clear();
        self.scope_refusal = None;
        self.key_head_holds = false;
        if !self.options.scope_labels || scope.name.is_empty() {
            return;
        }
        if let Err(refusal) = check_count(scope.attributes.len(), "scope") {
            self.scope_refusal = Some(refusal);
            return;
        }
        sort_attributes(scope.attributes);
        for attribute in resource::unique(scope.attributes) {
            let namer = &self.namer;
            if !self
                .scope
                .add_attribute(namer, "otel_scope_", attribute, Collision::Replace)
            {
                self.report.attributes_dropped += 1;
            }
        }
        self.scope.set("otel_scope_name", scope.name);
        self.scope.set("otel_scope_version", scope.version);
        self.scope.set("otel_scope_schema_url", scope.schema_url);
        let limits = &self.options.label_limits;
        self.scope_refusal = check_bytes(self.scope.text_bytes(), "scope")
            .and_then(|()| limits.check(self.scope.iter()))
            .err();
    }

    pub(crate) fn begin_metric(&mut self, metric: &Metric<'_>) {
        let options = self.options;
        let translated = metric_name(
            options.translation,
            metric.name,
            metric.unit,
            name_kind(metric.kind),
        );
        let refusal = match &translated {
            // The name stands in the keys of all its series.
            Some(name) => (options.label_limits)
                .check_pair(chronoxide_model::METRIC_NAME, name)
                .and_then(|()| options.label_limits.check_pair("__unit__", metric.unit))
                .err()
                .or_else(|| self.temporality_refusal(metric.kind)),
            None => Some(Refusal::new(
                RefusalReason::UnusableName,
                "no metric name is left of it after translation",
            )),
        };
        let delta = temporality(metric.kind) == Some(Temporality::Delta);
        let raw_delta = delta && options.delta == DeltaMode::Raw;
        self.metric = MetricState {
            name: translated.unwrap_or_default(),
            original_name: metric.name.to_owned(),
            help: metric.description.to_owned(),
            unit: metric.unit.to_owned(),
            metric_type: if raw_delta {
                MetricType::Unknown
            } else {
                metric_type(metric)
            },
            refusal,
            accumulates: delta && options.delta == DeltaMode::Cumulative,
            raw_delta,
            unit_label: if options.type_and_unit_labels {
                label_unit(metric.unit, options.translation.escapes())
            } else {
                String::new()
            },
            described: false,
        };
        self.begin_keys();
    }

    /// Makes what the keys of the metric's series begin with, which mostly is the same for all of a scope.
    fn begin_keys(&mut self) {
        if self.key_head_holds {
            return;
        }
        self.key_head_holds = !self.options.type_and_unit_labels;
        let metric_type = self.type_label().map(|value| ("__type__", value));
        let unit = Some(("__unit__", self.metric.unit_label.as_str()));
        let unit = unit.filter(|(_, unit)| !unit.is_empty());
        let overriding = self.resource.identity().chain(self.scope.iter());
        let overriding = overriding.chain(metric_type).chain(unit);
        self.key_head
            .set(&self.namer, self.resource.promoted.iter(), overriding);
    }

    fn type_label(&self) -> Option<&'static str> {
        let metric_type = self.metric.metric_type;
        let shown = self.options.type_and_unit_labels && metric_type != MetricType::Unknown;
        shown.then(|| metric_type.as_str())
    }

    fn temporality_refusal(&self, kind: MetricKind) -> Option<Refusal> {
        match temporality(kind)? {
            Temporality::Cumulative => None,
            Temporality::Unspecified => Some(Refusal::new(
                RefusalReason::UnspecifiedTemporality,
                "its aggregation temporality is neither delta nor cumulative",
            )),
            Temporality::Delta if self.options.delta == DeltaMode::Reject => Some(Refusal::new(
                RefusalReason::DeltaTemporality,
                "delta temporality is refused here; let the sender use cumulative temporality, or set option \
                 otlp.delta to cumulative or raw",
            )),
            Temporality::Delta => None,
        }
    }

    pub(crate) fn refuse(&mut self, refusal: &Refusal) {
        self.report
            .refusals
            .add(&self.metric.original_name, refusal);
    }

    /// Checks what all kinds of points share, and makes the point's labels.
    pub(crate) fn admit(&mut self, point: &mut Point<'_, '_>) -> Result<Times, Refusal> {
        let refusals = [
            &self.resource.refusal,
            &self.scope_refusal,
            &self.metric.refusal,
        ];
        if let Some(refusal) = refusals.into_iter().flatten().next() {
            return Err(refusal.clone());
        }
        if point.time_ns == 0 {
            return Err(Refusal::new(
                RefusalReason::MissingTime,
                "timeUnixNano is missing or 0",
            ));
        }
        check_count(point.attributes.len(), "data point")?;
        sort_attributes(point.attributes);
        // Totals of deltas are kept by labels, which never change with the way they are written.
        self.by_attributes = !self.metric.accumulates && self.encode_attributes(point.attributes);
        if !self.by_attributes {
            self.fill_labels(point.attributes)?;
            let name = [(chronoxide_model::METRIC_NAME, self.metric.name.as_str())];
            let limits = &self.options.label_limits;
            limits.check(self.labels.iter().chain(name))?;
        }
        self.check_room(1)?;
        self.point_start = self.batch.series_count();
        Ok(Times::new(point.start_ns, point.time_ns))
    }

    /// Writes the attributes of a point into its key, unless they need to become labels first: because not every value
    /// has a place there, or to see whether they pass the limits that labels have.
    fn encode_attributes(&mut self, attributes: &[Attribute<'_>]) -> bool {
        let limits = &self.options.label_limits;
        let is_long = |attribute: &Attribute<'_>| match attribute.value {
            Value::Text(text) => text.len() > limits.value_bytes_max,
            _ => false,
        };
        attributes.len() < limits.labels_max
            && !attributes.iter().any(is_long)
            && encode_attributes(resource::unique(attributes), &mut self.attributes)
            && self.attributes.len() <= limits.bytes_max
    }

    /// Checks that storage takes samples of this time: what it would not take must not count for those after it.
    pub(crate) fn check_window(&self, time_ms: i64) -> Result<(), Refusal> {
        let (past_ms, future_ms) = (self.options.past_ms, self.options.future_ms);
        if time_ms < self.now_ms.saturating_sub(past_ms) {
            let detail = format!(
                "a delta at {time_ms} ms is older than what is kept, {past_ms} ms before it came"
            );
            return Err(Refusal::new(RefusalReason::TooOld, detail));
        }
        if time_ms > self.now_ms.saturating_add(future_ms) {
            let detail = format!(
                "a delta at {time_ms} ms lies beyond the future limit, {future_ms} ms after it came: check the \
                 sender's clock"
            );
            return Err(Refusal::new(RefusalReason::TooFarInFuture, detail));
        }
        Ok(())
    }

    /// Checks that `series` more series like the current point's fit into the batch, and takes memory for them.
    pub(crate) fn check_room(&self, series: usize) -> Result<(), Refusal> {
        let label_bytes = if self.by_attributes {
            self.key_head.len() + self.attributes.len()
        } else {
            self.labels.text_bytes()
        };
        let series_bytes = label_bytes + self.metric.name.len() + 64;
        self.take((series_bytes + SERIES_BYTES).saturating_mul(series))?;
        let bytes = series_bytes
            .saturating_mul(series)
            .saturating_add(self.key_bytes);
        if bytes <= KEY_BYTES_MAX {
            return Ok(());
        }
        let detail =
            format!("the series of the request pass {KEY_BYTES_MAX} bytes; send smaller requests");
        Err(Refusal::new(RefusalReason::RequestTooLarge, detail))
    }

    /// Takes memory; without it the whole request is given up, and what its points are told is nothing.
    pub(crate) fn take(&self, bytes: usize) -> Result<(), Refusal> {
        let taken = self.memory.take(bytes);
        taken.map_err(|error| Refusal::new(RefusalReason::RequestTooLarge, error.to_string()))
    }

    /// Makes the labels of a point with sorted `attributes`.
    fn fill_labels(&mut self, attributes: &[Attribute<'_>]) -> Result<(), Refusal> {
        let (metric_type, unit) = (self.type_label(), self.metric.unit_label.as_str());
        let labels = &mut self.labels;
        labels.clear();
        for attribute in resource::unique(attributes) {
            if attribute.key == chronoxide_model::METRIC_NAME {
                continue;
            }
            if !labels.add_point_attribute(&self.namer, attribute) {
                self.report.attributes_dropped += 1;
            }
            check_bytes(labels.text_bytes(), "data point")?;
        }
        for (name, value) in self.resource.promoted.iter() {
            labels.set_if_absent(name, value);
        }
        for (name, value) in self.resource.identity().chain(self.scope.iter()) {
            labels.set(name, value);
        }
        if let Some(metric_type) = metric_type {
            labels.set("__type__", metric_type);
        }
        if !unit.is_empty() {
            labels.set("__unit__", unit);
        }
        labels.sort();
        Ok(())
    }

    /// The hash of the current point's stream: its labels and the metric's name.
    pub(crate) fn stream_hash(&mut self) -> u128 {
        self.key.clear();
        // Totals go by labels, see `admit`.
        self.labels
            .write_key(&self.metric.name, None, &mut self.key);
        xxh3_128_with_seed(&self.key, self.deltas.seed())
    }

    /// Counts an accepted point, of delta stream `stream` if of any, and with the first one tells what the metric is.
    pub(crate) fn accept(&mut self, times: Times, stale: bool, stream: Option<u128>) {
        if let Some(key) = stream {
            let end = self.batch.series_count();
            self.deltas.show(key, self.point_start, end);
        }
        self.report.points_accepted += 1;
        let is_kept = self.check_window(times.time_ms).is_ok();
        if self.batch.series_count() > self.point_start + 1 {
            self.group_series(self.point_start, true);
        }
        if is_kept {
            self.resource.note_time(times.time_ms);
        }
        if !stale && !self.metric.described {
            self.metric.described = true;
            let metadata = Metadata {
                metric_type: self.metric.metric_type,
                help: std::mem::take(&mut self.metric.help),
                unit: unit_words(&self.metric.unit),
            };
            let name = self.metric.name.clone();
            self.push_metadata(name, metadata);
        }
    }

    /// Counts a point that is stored already.
    pub(crate) fn accept_again(&mut self) {
        self.report.points_accepted += 1;
    }

    /// Notes that all series of the batch from `start` on are of one point, or of none.
    pub(crate) fn group_series(&mut self, start: usize, is_point: bool) {
        self.groups.push(SeriesGroup {
            start,
            end: self.batch.series_count(),
            is_point,
        });
    }

    /// Adds metadata unless the request has said the same before.
    pub(crate) fn push_metadata(&mut self, name: String, metadata: Metadata) {
        let texts = name.len() + metadata.help.len() + metadata.unit.len();
        if self.take(2 * texts + METADATA_BYTES).is_err() {
            return;
        }
        let said = format!(
            "{name}\0{}\0{}\0{}",
            metadata.metric_type, metadata.unit, metadata.help
        );
        if self.metadata_seen.insert(xxh3_64(said.as_bytes())) {
            self.batch.push_metadata(name, metadata);
        }
    }

    /// Notes a metric that has no data of any kind, and so no points to refuse.
    pub(crate) fn metric_without_data(&mut self, name: &str) {
        let empty = &mut self.report.metrics_without_data;
        empty.count += 1;
        if empty.first.is_none() {
            empty.first = Some(shortened(name).to_owned());
        }
    }

    /// Adds an exemplar to the series begun last.
    pub(crate) fn add_exemplar(&mut self, exemplar: Exemplar) {
        if self.take(EXEMPLAR_BYTES).is_ok() {
            self.batch.push_exemplar(exemplar);
        }
    }

    /// Begins the series of the current point with the metric's name, `suffix` after it, and one more label.
    pub(crate) fn start_series(&mut self, suffix: &str, extra: Option<(&str, &str)>) {
        let bare = self.metric.name.len();
        self.metric.name.push_str(suffix);
        let (name, attributes) = (&self.metric.name, &self.attributes);
        let (key_head, labels) = (&self.key_head, &self.labels);
        let by_attributes = self.by_attributes;
        let encoding: &'static dyn KeyEncoding = if by_attributes {
            &AttributesKey
        } else {
            &CanonicalKey
        };
        let key_bytes = &mut self.key_bytes;
        self.batch.start_series_written(encoding, |key| {
            let start = key.len();
            if by_attributes {
                key_head.write_key(name, attributes, extra, key);
            } else {
                labels.write_key(name, extra, key);
            }
            *key_bytes += key.len() - start;
        });
        self.metric.name.truncate(bare);
    }

    /// Adds a series with one float sample.
    pub(crate) fn push_float(
        &mut self,
        suffix: &str,
        extra: Option<(&str, &str)>,
        times: Times,
        value: f64,
    ) {
        self.start_series(suffix, extra);
        let sample = Sample::new(times.time_ms, value);
        self.batch.push_sample_started(sample, times.start_ms);
    }
}

fn temporality(kind: MetricKind) -> Option<Temporality> {
    match kind {
        MetricKind::Gauge | MetricKind::Summary => None,
        MetricKind::Sum { temporality, .. }
        | MetricKind::Histogram { temporality }
        | MetricKind::ExponentialHistogram { temporality } => Some(temporality),
    }
}

fn name_kind(kind: MetricKind) -> NameKind {
    match kind {
        MetricKind::Gauge => NameKind::Gauge,
        MetricKind::Sum {
            monotonic: true, ..
        } => NameKind::Counter,
        _ => NameKind::Other,
    }
}

fn metric_type(metric: &Metric<'_>) -> MetricType {
    match metric.kind {
        MetricKind::Sum {
            monotonic: true, ..
        } => MetricType::Counter,
        // Prometheus types that OTLP has no word for come as gauges with a hint.
        MetricKind::Gauge | MetricKind::Sum { .. } => match metric.type_hint {
            "unknown" => MetricType::Unknown,
            "info" => MetricType::Info,
            "stateset" => MetricType::StateSet,
            _ => MetricType::Gauge,
        },
        MetricKind::Histogram { .. } | MetricKind::ExponentialHistogram { .. } => {
            MetricType::Histogram
        }
        MetricKind::Summary => MetricType::Summary,
    }
}
