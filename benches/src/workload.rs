//! Series and their values over time.

use std::path::PathBuf;

use chronoxide_model::{Labels, SampleColumns, WriteBatch, is_stale_marker};

use crate::{capture, synthetic};

/// Targets that are scraped, and what their scrapes brought.
#[derive(Debug)]
pub struct Workload {
    /// Where the data is from, for the output of benches.
    pub source: String,
    /// The targets.
    pub jobs: Vec<Job>,
}

/// One target.
#[derive(Debug)]
pub struct Job {
    /// Scrape times, Unix milliseconds, ascending.
    pub times_ms: Vec<i64>,
    /// The series the target exposes.
    pub series: Vec<Labels>,
    /// For each series one value a scrape; the stale marker where the series was absent.
    pub values: Vec<Vec<f64>>,
}

impl Workload {
    /// The recorded scrapes, or the synthetic set where there are none.
    #[must_use]
    pub fn load() -> Self {
        let path = std::env::var_os("CHRONOXIDE_CAPTURE").map_or_else(
            || {
                PathBuf::from(concat!(
                    env!("CARGO_MANIFEST_DIR"),
                    "/../../shared/data/capture.bin.zst"
                ))
            },
            PathBuf::from,
        );
        match capture::read(&path) {
            Ok(jobs) => Self {
                source: "recorded scrapes".to_owned(),
                jobs,
            },
            Err(reason) => Self {
                source: format!("synthetic, seed {:#x} ({reason})", synthetic::SEED),
                jobs: synthetic::jobs(),
            },
        }
    }

    /// The same series with one scrape in `step`.
    #[must_use]
    pub fn every(&self, step: usize) -> Self {
        let thin = |job: &Job| Job {
            times_ms: job.times_ms.iter().copied().step_by(step).collect(),
            series: job.series.clone(),
            values: job
                .values
                .iter()
                .map(|values| values.iter().copied().step_by(step).collect())
                .collect(),
        };
        Self {
            source: format!("{}, every {step}th scrape", self.source),
            jobs: self.jobs.iter().map(thin).collect(),
        }
    }

    /// How many series there are.
    #[must_use]
    pub fn series_count(&self) -> usize {
        self.jobs.iter().map(|job| job.series.len()).sum()
    }

    /// One batch for each scrape, in time order, absent series left out.
    #[must_use]
    pub fn batches(&self) -> Vec<WriteBatch<'static>> {
        let mut scrapes: Vec<(i64, &Job, usize)> = Vec::new();
        for job in &self.jobs {
            scrapes.extend(
                job.times_ms
                    .iter()
                    .enumerate()
                    .map(|(index, time_ms)| (*time_ms, job, index)),
            );
        }
        scrapes.sort_by_key(|(time_ms, ..)| *time_ms);
        scrapes
            .into_iter()
            .map(|(time_ms, job, index)| scrape_batch(job, index, time_ms))
            .collect()
    }

    /// The middle scrape of all targets as one remote-write 1.0 body, as an agent would send it.
    ///
    /// # Panics
    /// When snappy refuses to compress, which it does beyond 4 GiB only.
    #[must_use]
    pub fn remote_write_body(&self) -> Vec<u8> {
        let mut message = Vec::new();
        for job in &self.jobs {
            let middle = job.times_ms.len() / 2;
            for (labels, values) in job.series.iter().zip(&job.values) {
                let series = wire_series(labels, job.times_ms[middle], values[middle]);
                wire_bytes(1, &series, &mut message);
            }
        }
        snap::raw::Encoder::new()
            .compress_vec(&message)
            .expect("a scrape compresses")
    }

    /// Runs of at most `length` samples of each series: what becomes one chunk each.
    #[must_use]
    pub fn runs(&self, length: usize) -> Vec<SampleColumns> {
        let mut runs = Vec::new();
        for job in &self.jobs {
            for values in &job.values {
                for (times, values) in job.times_ms.chunks(length).zip(values.chunks(length)) {
                    runs.push(SampleColumns {
                        timestamps_ms: times.to_vec(),
                        values: values.to_vec(),
                        ..SampleColumns::default()
                    });
                }
            }
        }
        runs
    }
}

fn scrape_batch(job: &Job, index: usize, time_ms: i64) -> WriteBatch<'static> {
    let mut batch = WriteBatch::new();
    for (labels, values) in job.series.iter().zip(&job.values) {
        if !is_stale_marker(values[index]) {
            batch.push(labels, time_ms, values[index]);
        }
    }
    batch
}

/// One `TimeSeries` message with one sample.
fn wire_series(labels: &Labels, time_ms: i64, value: f64) -> Vec<u8> {
    let mut series = Vec::new();
    for (name, text) in labels.iter() {
        let mut label = Vec::new();
        wire_bytes(1, name.as_bytes(), &mut label);
        wire_bytes(2, text.as_bytes(), &mut label);
        wire_bytes(1, &label, &mut series);
    }
    let mut sample = vec![0x09];
    sample.extend_from_slice(&value.to_le_bytes());
    sample.push(0x10);
    wire_varint(time_ms.cast_unsigned(), &mut sample);
    wire_bytes(2, &sample, &mut series);
    series
}

/// A length-delimited field.
fn wire_bytes(field: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(field << 3 | 2);
    wire_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

fn wire_varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
