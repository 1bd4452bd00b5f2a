//! From a message to samples on disk, and the state that deltas need for it.

use std::cell::RefCell;
use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use chronoxide_model::WriteOutcome;
use chronoxide_otlp::{
    DeltaLimits, DeltaStreams, DeltaTicket, LabelLimits, Options, PartialSuccess, Translation,
    translate_json_within, translate_protobuf_within,
};
use chronoxide_storage::Database;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use super::allowance::Allowance;
use super::{Format, INTAKE};
use crate::config::Config;
use crate::error::with_sources;
use crate::ingest::commit;
use crate::ingest::error::IngestError;
use crate::ingest::intake::Work;
use crate::self_metrics::Family;
use crate::state::ServerState;

/// How often idle delta streams are looked for at most, in milliseconds, where deltas come in.
const EVICTION_INTERVAL_MS: i64 = 60_000;

/// The same where new streams find no room, or nobody sends any more.
const URGENT_INTERVAL_MS: i64 = 1000;

/// How requests are translated, and what the deltas of former ones came to.
///
/// What a request's deltas came to is stored together with its samples, and found again when the server starts: no stream
/// begins anew because of a restart or a crash.
///
/// Requests with deltas are translated side by side and wait for the disk together; between, they take turns, in the order
/// of the log. Of the locks, the turn comes first.
#[derive(Debug)]
pub(crate) struct Receiver {
    options: Options,
    limits: DeltaLimits,
    streams: RwLock<DeltaStreams>,
    /// Streams that were forgotten because they were idle.
    evicted: AtomicU64,
    /// Held by the one request with deltas that may be between the check of its translation and its place in the log.
    turn: Mutex<DeltaTurn>,
    /// Told of when a request ends that was in flight.
    landed: Condvar,
}

#[derive(Debug, Default)]
struct DeltaTurn {
    /// Requests that have their place in the log, or are about to, and are not stored yet.
    in_flight: usize,
    /// Somebody waits until none is in flight, and nobody begins before that.
    closed: bool,
    evicted_ms: i64,
    /// There is a checkpoint: what is stored with samples makes sense only together with its seed.
    has_checkpoint: bool,
}

/// Changes since the last checkpoint may take this much more than twice what the checkpoint takes.
const CHANGES_BYTES_MIN: u64 = 1 << 20;

impl Receiver {
    pub(crate) fn new(config: &Config) -> Self {
        let options = Options {
            translation: config.otlp_translation,
            promote: config.otlp_promote.clone(),
            delta: config.otlp_delta,
            histograms: config.otlp_histograms,
            scope_labels: config.otlp_scope_labels,
            type_and_unit_labels: config.otlp_type_and_unit_labels,
            keep_identifying_attributes: config.otlp_keep_identifying_attributes,
            key_before_underscore: config.otlp_prometheus_underscores,
            keep_underscore_runs: config.otlp_prometheus_underscores,
            lookback_ms: milliseconds(config.lookback),
            label_limits: LabelLimits {
                labels_max: config.labels_max,
                name_bytes_max: config.label_name_bytes_max,
                value_bytes_max: config.label_value_bytes_max,
                bytes_max: config.labels_bytes_max,
            },
            past_ms: milliseconds(config.retention_time),
            future_ms: milliseconds(config.future_limit),
        };
        let limits = DeltaLimits {
            streams_max: config.otlp_delta_streams_max,
            bytes_max: config.otlp_delta_bytes_max(),
            idle_ms: milliseconds(config.otlp_delta_idle),
        };
        // Every `RandomState` has keys of its own.
        let seed = RandomState::new().hash_one(0);
        Self {
            options,
            limits,
            streams: RwLock::new(DeltaStreams::new(limits, seed)),
            evicted: AtomicU64::new(0),
            turn: Mutex::default(),
            landed: Condvar::new(),
        }
    }

    /// What the delta streams take in memory, and may take.
    pub(crate) fn memory_use(&self) -> (u64, u64) {
        let bytes = self.streams.read().bytes();
        (bytes as u64, self.limits.bytes_max as u64)
    }

    /// The metrics of the delta streams.
    pub(crate) fn families(&self) -> [Family; 3] {
        [
            Family::gauge(
                "chronoxide_otlp_delta_streams",
                "Streams of OTLP deltas that are being added up.",
                self.streams.read().len() as f64,
            ),
            Family::gauge(
                "chronoxide_otlp_delta_streams_limit",
                "Streams of OTLP deltas allowed.",
                self.limits.streams_max as f64,
            ),
            Family::counter(
                "chronoxide_otlp_delta_streams_evicted_total",
                "Streams of OTLP deltas forgotten because they were idle.",
                self.evicted.load(Ordering::Relaxed),
            ),
        ]
    }

    /// How requests are translated.
    pub(crate) const fn options(&self) -> &Options {
        &self.options
    }

    /// Goes on with the streams that `database` has.
    pub(crate) fn restore(&self, database: &Database) {
        let saved = database.take_state();
        let Some(checkpoint) = saved.checkpoint else {
            if !saved.changes.is_empty() {
                tracing::error!("the totals of delta streams are lost; queries see counter resets");
            }
            return;
        };
        let mut restored = match DeltaStreams::decode(&checkpoint, self.limits) {
            Ok(restored) => restored,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "the totals of delta streams are lost; queries see counter resets"
                );
                return;
            }
        };
        for change in &saved.changes {
            if let Err(error) = restored.replay(change) {
                let error = &error as &dyn std::error::Error;
                tracing::error!(
                    error,
                    "totals of some delta streams are lost; queries see counter resets"
                );
            }
        }
        self.turn.lock().has_checkpoint = true;
        *self.streams.write() = restored;
    }

    /// Waits for the turn of a request with deltas.
    fn take_turn(&self) -> MutexGuard<'_, DeltaTurn> {
        let mut turn = self.turn.lock();
        while turn.closed {
            self.landed.wait(&mut turn);
        }
        turn
    }

    /// Waits until all that streams have come to is stored.
    fn land_all(&self, turn: &mut MutexGuard<'_, DeltaTurn>) {
        turn.closed = true;
        while turn.in_flight > 0 {
            self.landed.wait(turn);
        }
        turn.closed = false;
        self.landed.notify_all();
    }

    /// Forgets idle streams now and then, sooner where new ones find no room, and stores all others as a whole when
    /// changes since the last time take much more than they. Answers how many were forgotten.
    fn tend_streams(
        &self,
        database: &Database,
        turn: &mut MutexGuard<'_, DeltaTurn>,
        is_urgent: bool,
        now_ms: i64,
    ) -> chronoxide_storage::Result<usize> {
        let (changes, checkpoint) = database.state_bytes();
        let must_keep = !turn.has_checkpoint || changes > CHANGES_BYTES_MIN + 2 * checkpoint;
        let interval_ms = if is_urgent {
            URGENT_INTERVAL_MS
        } else {
            EVICTION_INTERVAL_MS
        };
        let must_evict = now_ms.saturating_sub(turn.evicted_ms) >= interval_ms;
        if !must_keep && !must_evict {
            return Ok(0);
        }
        self.land_all(turn);
        let mut evicted = 0;
        if must_evict {
            turn.evicted_ms = now_ms;
            evicted = self.streams.write().evict_idle(now_ms);
            self.evicted.fetch_add(evicted as u64, Ordering::Relaxed);
        }
        if must_keep {
            database.put_state(&self.streams.read().encode())?;
            turn.has_checkpoint = true;
        }
        Ok(evicted)
    }

    /// Forgets idle streams though nobody may send deltas any more.
    pub(super) fn evict_idle(
        &self,
        database: &Database,
        now_ms: i64,
    ) -> chronoxide_storage::Result<()> {
        if self.streams.read().is_empty() {
            return Ok(());
        }
        let mut turn = self.take_turn();
        self.tend_streams(database, &mut turn, true, now_ms)?;
        Ok(())
    }

    /// Translates a request, stores what is usable of it and counts the rest.
    pub(super) fn store(
        &self,
        work: &mut Work<'_>,
        format: Format,
    ) -> Result<PartialSuccess, IngestError> {
        let (state, database) = (work.state, work.database);
        let now_ms = state.now_ms();
        let mut allowance = Allowance::new(work)?;
        let mut translation = self.translate(&mut allowance, format, now_ms)?;
        let deltas = &translation.deltas;
        let is_crowded = deltas.is_crowded();
        let outcome = if deltas.is_empty() && !deltas.has_late() && !is_crowded {
            write(database, &translation)?
        } else {
            let mut turn = self.take_turn();
            let evicted = self.tend_streams(database, &mut turn, is_crowded, now_ms)?;
            if is_crowded && evicted > 0 {
                translation = self.translate(&mut allowance, format, now_ms)?;
            }
            loop {
                if translation.deltas.has_late() {
                    // What it is later than may yet fail.
                    self.land_all(&mut turn);
                }
                if self.streams.read().still_holds(&translation.deltas) {
                    break;
                }
                translation = self.translate(&mut allowance, format, now_ms)?;
            }
            self.write_deltas(database, &mut translation, turn)?
        };
        count(state, &translation, &outcome);
        commit::log_rejections(state, &outcome);
        log_refusals(state, &translation);
        log_hints(state, &translation);
        Ok(translation.answer(&outcome))
    }

    /// Stores a request with deltas, whose turn ends when it has its place in the log. Only what is stored counts.
    fn write_deltas(
        &self,
        database: &Database,
        translation: &mut Translation,
        turn: MutexGuard<'_, DeltaTurn>,
    ) -> Result<WriteOutcome, IngestError> {
        let mut deltas = std::mem::take(&mut translation.deltas);
        if deltas.is_empty() {
            drop(turn);
            return write(database, translation);
        }
        let turn = RefCell::new(Some(turn));
        let mut ticket = None;
        let adopt = |outcome: &WriteOutcome| {
            deltas.leave_out(&outcome.series_rejected);
            if deltas.is_empty() {
                return None;
            }
            let change = deltas.encode();
            ticket = Some(self.streams.write().begin(deltas));
            if let Some(turn) = turn.borrow_mut().as_mut() {
                turn.in_flight += 1;
            }
            Some(change)
        };
        let written = database.write_with_state(&translation.batch, adopt, || drop(turn.take()));
        // Where the batch came to no place in the log.
        drop(turn.take());
        if let Some(ticket) = ticket {
            self.land(ticket, written.is_ok());
        }
        Ok(written?)
    }

    fn land(&self, ticket: DeltaTicket, stored: bool) {
        let mut turn = self.turn.lock();
        self.streams.write().end(ticket, stored);
        turn.in_flight -= 1;
        self.landed.notify_all();
    }

    fn translate(
        &self,
        allowance: &mut Allowance<'_, '_>,
        format: Format,
        now_ms: i64,
    ) -> Result<Translation, IngestError> {
        let (message, options) = (allowance.message(), &self.options);
        let streams = self.streams.read();
        allowance.begin();
        // Nothing is changed yet, so that a bug which one message meets ends with that message.
        let translated = std::panic::catch_unwind(AssertUnwindSafe(|| {
            let hold = |bytes| allowance.take(bytes);
            match format {
                Format::Protobuf => {
                    translate_protobuf_within(message, options, &streams, now_ms, hold)
                }
                Format::Json => translate_json_within(message, options, &streams, now_ms, hold),
            }
        }));
        drop(streams);
        match translated {
            Ok(translation) => translation.map_err(|error| {
                let refusal = allowance.refusal();
                refusal.unwrap_or_else(|| IngestError::Message(with_sources(&error)))
            }),
            Err(_) => {
                tracing::error!(
                    "the translation of an OTLP request ended in a panic; this is a bug"
                );
                Err(IngestError::Panicked)
            }
        }
    }
}

fn write(database: &Database, translation: &Translation) -> Result<WriteOutcome, IngestError> {
    if translation.batch.is_empty() {
        return Ok(WriteOutcome::default());
    }
    Ok(database.write(&translation.batch)?)
}

fn count(state: &ServerState, translation: &Translation, outcome: &WriteOutcome) {
    let (metrics, protocol) = (&state.metrics, INTAKE.protocol);
    metrics.count_outcome(protocol, outcome);
    metrics.count_refusals(protocol, &translation.refusals);
    let brought = translation.batch.exemplar_count() as u64;
    let unkept = brought.saturating_sub(outcome.exemplars_accepted);
    let exemplars = &metrics.ingest_rejected_exemplars;
    exemplars
        .with([protocol, "refused"])
        .add(translation.exemplars_dropped);
    exemplars.with([protocol, "not_kept"]).add(unkept);
    let metadata = translation.batch.metadata().len() as u64;
    let kept = metadata.saturating_sub(outcome.metadata_rejected);
    metrics.ingest_metadata.with([protocol]).add(kept);
    metrics
        .ingest_rejected_metadata
        .with([protocol, "no_room"])
        .add(outcome.metadata_rejected);
    metrics
        .ingest_dropped_attributes
        .with([protocol, "unusable_name"])
        .add(translation.attributes_dropped);
}

/// Warns, now and then, of data points that came to no sample.
fn log_refusals(state: &ServerState, translation: &Translation) {
    let refusals = &translation.refusals;
    let Some(first) = refusals.metrics().first() else {
        return;
    };
    if let Some(held_back) = state.write_rejections.pass(Instant::now()) {
        tracing::warn!(
            metric = first.metric,
            reason = %first.reason,
            detail = first.detail,
            points = refusals.total(),
            held_back,
            "data points were refused for good"
        );
    }
}

/// Warns, now and then, of metrics in which there is nothing to store or to refuse.
fn log_hints(state: &ServerState, translation: &Translation) {
    let empty = &translation.metrics_without_data;
    let Some(first) = &empty.first else {
        return;
    };
    if let Some(held_back) = state.write_refusals.pass(Instant::now()) {
        tracing::warn!(
            metric = first,
            metrics = empty.count,
            held_back,
            "metrics came without data of any kind"
        );
    }
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
