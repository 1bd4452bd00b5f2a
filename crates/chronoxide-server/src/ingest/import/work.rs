//! From pieces of a body to batches in storage.

use std::convert::Infallible;
use std::io::Write as _;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::StatusCode;
use chronoxide_exposition::{Line, Lines, TextReader, read_json_line};
use chronoxide_model::WriteBatch;
use chronoxide_storage::Database;
use flate2::write::MultiGzDecoder;
use tokio::runtime::Handle;
use tokio::sync::mpsc::Receiver;

use super::report::Report;
use crate::error::with_sources;
use crate::ingest::body::BodyError;
use crate::ingest::commit;
use crate::ingest::error::IngestError;
use crate::ingest::request_memory::{HeldMemory, RequestMemory};
use crate::state::ServerState;

/// The name of the protocol in own metrics.
const PROTOCOL: &str = "import";

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 10 << 20;

/// What a line takes while it is read, in its own lengths.
const LINE_FACTOR: usize = 8;

/// What lines may take of the memory that every import holds from its start.
const LINE_MEMORY_BYTES: usize = 16 << 20;

/// Samples, and series, of a batch before it is stored.
const BATCH_MAX: usize = 20_000;

/// Compressed bytes that are decompressed at once; they become a thousand times as many at most.
const STEP_BYTES: usize = 1 << 10;

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
}

/// What comes in of a body.
#[derive(Debug)]
pub(super) enum Piece {
    Bytes(Bytes),
    /// All of it has come.
    End,
    /// No more of it will come, and why.
    Broken(String),
}

/// What a line is.
#[derive(Debug)]
pub(super) enum Format {
    /// JSON, with labels for every series.
    Json(Vec<(String, String)>),
    /// A line of an exposition.
    Text(TextReader),
}

/// One import.
#[derive(Debug)]
pub(super) struct Import {
    state: Arc<ServerState>,
    database: Arc<Database>,
    lines: Lines,
    gzip: Option<MultiGzDecoder<Vec<u8>>>,
    held: HeldLines,
    reading: Reading,
}

/// Lines that are being read, and what came of them.
#[derive(Debug)]
struct Reading {
    format: Format,
    batch: WriteBatch<'static>,
    report: Report,
}

impl Import {
    pub(super) fn new(
        state: Arc<ServerState>,
        database: Arc<Database>,
        format: Format,
        compression: Compression,
        held: HeldMemory,
    ) -> Self {
        let memory = state.request_memory.clone();
        let gzip = (compression == Compression::Gzip).then(|| MultiGzDecoder::new(Vec::new()));
        Self {
            state,
            database,
            lines: Lines::new(LINE_BYTES_MAX),
            gzip,
            held: HeldLines {
                memory,
                held,
                bytes: LINE_MEMORY_BYTES,
            },
            reading: Reading {
                format,
                batch: WriteBatch::new(),
                report: Report::default(),
            },
        }
    }

    /// Reads to the end of the body, on a thread that may block.
    pub(super) fn run(mut self, mut pieces: Receiver<Piece>) -> Report {
        while !self.reading.report.is_stopped() {
            match pieces.blocking_recv() {
                Some(Piece::Bytes(bytes)) => self.take(&bytes),
                Some(Piece::End) => {
                    self.end();
                    break;
                }
                Some(Piece::Broken(reason)) => {
                    self.reading.report.stop(StatusCode::BAD_REQUEST, reason);
                }
                None => {
                    let reason = "the client went away".to_owned();
                    self.reading.report.stop(StatusCode::BAD_REQUEST, reason);
                }
            }
        }
        if let Format::Text(reader) = &mut self.reading.format {
            reader.finish(&mut self.reading.batch);
        }
        self.store();
        self.reading.report
    }

    fn take(&mut self, bytes: &[u8]) {
        self.state
            .metrics
            .ingest_bytes
            .with([PROTOCOL])
            .add(bytes.len() as u64);
        let Some(mut decoder) = self.gzip.take() else {
            return self.read(bytes);
        };
        for step in bytes.chunks(STEP_BYTES) {
            if let Err(error) = decoder.write_all(step) {
                return self.stop_decompression(&error);
            }
            let plain = std::mem::take(decoder.get_mut());
            self.read(&plain);
            if self.reading.report.is_stopped() {
                return;
            }
        }
        self.gzip = Some(decoder);
    }

    fn stop_decompression(&mut self, error: &std::io::Error) {
        let reason = format!("the body is no gzip: {error}");
        self.reading.report.stop(StatusCode::BAD_REQUEST, reason);
    }

    /// Reads the lines that end in `bytes`, and stores a batch whenever one is full.
    fn read(&mut self, bytes: &[u8]) {
        // A piece holds few lines, so that a batch grows little beyond its bound before it is looked at.
        for piece in bytes.chunks(64 << 10) {
            let (reading, held) = (&mut self.reading, &mut self.held);
            let read = self.lines.push(piece, |number, line| {
                reading.line_within(held, number, line);
                Ok::<(), Infallible>(())
            });
            let Ok(()) = read;
            if self.reading.is_full() {
                self.store();
            }
            if self.reading.report.is_stopped() {
                return;
            }
        }
    }

    /// Reads the last line, which may have no end; only of a body that is complete.
    fn end(&mut self) {
        if let Some(mut decoder) = self.gzip.take() {
            if let Err(error) = decoder.try_finish() {
                return self.stop_decompression(&error);
            }
            let plain = std::mem::take(decoder.get_mut());
            self.read(&plain);
        }
        if self.reading.report.is_stopped() {
            return;
        }
        let lines = std::mem::replace(&mut self.lines, Lines::new(0));
        let (reading, held) = (&mut self.reading, &mut self.held);
        let Ok(()) = lines.finish(|number, line| {
            reading.line_within(held, number, line);
            Ok::<(), Infallible>(())
        });
    }

    /// Stores the batch under way; lines read before an import stopped are stored as well.
    fn store(&mut self) {
        let reading = &mut self.reading;
        if reading.batch.is_empty() {
            return;
        }
        match commit::or_abort(|| self.database.write(&reading.batch)) {
            Ok(outcome) => {
                self.state.metrics.count_outcome(PROTOCOL, &outcome);
                commit::log_rejections(&self.state, &outcome);
                reading.report.stored(outcome);
            }
            Err(error) => {
                let error = IngestError::from(error);
                commit::log_failure(&self.state, &error);
                reading.report.stop(error.status(), with_sources(&error));
            }
        }
        reading.batch.clear();
    }
}

/// Memory that is held for the longest line so far.
#[derive(Debug)]
struct HeldLines {
    memory: RequestMemory,
    held: HeldMemory,
    bytes: usize,
}

impl HeldLines {
    /// Holds what reading a line of `length` bytes takes.
    fn hold(&mut self, length: usize) -> Result<(), BodyError> {
        let wanted = length.saturating_mul(LINE_FACTOR);
        let more = wanted.saturating_sub(self.bytes);
        if more > 0 {
            let held = self.memory.hold_within(&mut self.held, more as u64);
            Handle::current().block_on(held)?;
            self.bytes = wanted;
        }
        Ok(())
    }
}

impl Reading {
    /// Reads a line once there is memory for it.
    fn line_within(&mut self, held: &mut HeldLines, number: u64, line: Line<'_>) {
        if self.report.is_stopped() {
            return;
        }
        if let Line::Whole(bytes) = &line
            && let Err(error) = held.hold(bytes.len())
        {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            return self.report.stop(status, error.to_string());
        }
        self.line(number, line);
    }

    fn is_full(&self) -> bool {
        self.batch.sample_count() >= BATCH_MAX || self.batch.series_count() >= BATCH_MAX
    }

    fn line(&mut self, number: u64, line: Line<'_>) {
        self.report.lines = number;
        let bytes = match line {
            Line::Whole(bytes) => bytes,
            Line::TooLong => {
                let reason = format!("longer than {LINE_BYTES_MAX} bytes");
                return self.report.wrong_line(number, &reason);
            }
        };
        let read = match &mut self.format {
            Format::Json(_) if bytes.trim_ascii().is_empty() => Ok(()),
            Format::Json(extra) => read_json_line(bytes, extra, &mut self.batch),
            Format::Text(reader) => reader.read_line(bytes, &mut self.batch),
        };
        if let Err(error) = read {
            self.report.wrong_line(number, &with_sources(&error));
        }
    }
}
