//! From a message to samples on disk, and the state that deltas need for it.

use std::hash::{BuildHasher as _, RandomState};
use std::panic::AssertUnwindSafe;

use chronoxide_model::WriteOutcome;
use chronoxide_otlp::{
    DeltaLimits, DeltaStreams, DeltaTicket, Options, PartialSuccess, Translation, translate_json,
    translate_protobuf,
};
use chronoxide_storage::Database;
use parking_lot::{Condvar, Mutex, MutexGuard, RwLock};

use super::{Format, INTAKE};
use crate::config::Config;
use crate::error::with_sources;
use crate::ingest::commit;
use crate::ingest::error::IngestError;
use crate::state::ServerState;

/// How often idle delta streams are looked for, in milliseconds.
const EVICTION_INTERVAL_MS: i64 = 60_000;

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
    streams: RwLock<DeltaStreams>,
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
            lookback_ms: i64::try_from(config.lookback.as_millis()).unwrap_or(i64::MAX),
        };
        // Every `RandomState` has keys of its own.
        let seed = RandomState::new().hash_one(0);
        Self {
            options,
            streams: RwLock::new(DeltaStreams::new(DeltaLimits::default(), seed)),
            turn: Mutex::default(),
            landed: Condvar::new(),
        }
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
        let mut restored = match DeltaStreams::decode(&checkpoint, DeltaLimits::default()) {
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

    /// Forgets idle streams now and then, and stores all others as a whole when changes since the last time take much
    /// more than they.
    fn tend_streams(
        &self,
        database: &Database,
        turn: &mut MutexGuard<'_, DeltaTurn>,
        now_ms: i64,
    ) -> chronoxide_storage::Result<()> {
        let (changes, checkpoint) = database.state_bytes();
        let must_keep = !turn.has_checkpoint || changes > CHANGES_BYTES_MIN + 2 * checkpoint;
        let must_evict = now_ms.saturating_sub(turn.evicted_ms) >= EVICTION_INTERVAL_MS;
        if !must_keep && !must_evict {
            return Ok(());
        }
        self.land_all(turn);
        if must_evict {
            turn.evicted_ms = now_ms;
            self.streams.write().evict_idle(now_ms);
        }
        if must_keep {
            database.put_state(&self.streams.read().encode())?;
            turn.has_checkpoint = true;
        }
        Ok(())
    }

    /// Translates `message`, stores what is usable of it and counts the rest.
    pub(super) fn store(
        &self,
        state: &ServerState,
        database: &Database,
        format: Format,
        message: &[u8],
    ) -> Result<PartialSuccess, IngestError> {
        let now_ms = state.now_ms();
        let mut translation = self.translate(format, message, now_ms)?;
        let deltas = &translation.deltas;
        let outcome = if deltas.is_empty() && !deltas.has_late() {
            write(database, &translation)?
        } else {
            let mut turn = self.take_turn();
            self.tend_streams(database, &mut turn, now_ms)?;
            loop {
                if translation.deltas.has_late() {
                    // What it is later than may yet fail.
                    self.land_all(&mut turn);
                }
                if self.streams.read().still_holds(&translation.deltas) {
                    break;
                }
                translation = self.translate(format, message, now_ms)?;
            }
            self.write_deltas(database, &mut translation, turn)?
        };
        count(state, &translation, &outcome);
        commit::log_rejections(state, &outcome);
        Ok(translation.answer(&outcome))
    }

    /// Stores a request with deltas, whose turn ends when it has its place in the log.
    fn write_deltas(
        &self,
        database: &Database,
        translation: &mut Translation,
        mut turn: MutexGuard<'_, DeltaTurn>,
    ) -> Result<WriteOutcome, IngestError> {
        if translation.deltas.is_empty() {
            drop(turn);
            return write(database, translation);
        }
        translation.batch.push_state(translation.deltas.encode());
        let deltas = std::mem::take(&mut translation.deltas);
        let ticket = self.streams.write().begin(deltas);
        turn.in_flight += 1;
        let written = database.write_placed(&translation.batch, move || drop(turn));
        self.land(ticket, written.is_ok());
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
        format: Format,
        message: &[u8],
        now_ms: i64,
    ) -> Result<Translation, IngestError> {
        let streams = self.streams.read();
        // Nothing is changed yet, so that a bug which one message meets ends with that message.
        let translated = std::panic::catch_unwind(AssertUnwindSafe(|| match format {
            Format::Protobuf => translate_protobuf(message, &self.options, &streams, now_ms),
            Format::Json => translate_json(message, &self.options, &streams, now_ms),
        }));
        match translated {
            Ok(translation) => {
                translation.map_err(|error| IngestError::Message(with_sources(&error)))
            }
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
    state.metrics.count_outcome(INTAKE.protocol, outcome);
    for (reason, points) in translation.refusals.counts() {
        state
            .metrics
            .ingest_rejected
            .with([INTAKE.protocol, reason.as_str()])
            .add(points);
    }
}
