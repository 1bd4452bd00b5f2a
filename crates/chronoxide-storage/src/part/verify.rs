//! Reads everything in a part and reports what is wrong.

use std::collections::BTreeMap;
use std::fmt;

use chronoxide_format::chunk::{ValueSummary, coding_of, summarize_values};
use chronoxide_format::part::{ChunkKind, PostingsBuilder, PostingsDirectory, PostingsSection};
use chronoxide_model::{SampleColumns, TimeRange};

use super::Part;
use super::reader::disorder;

/// Something wrong in a part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where: a page, a series, a section.
    pub place: String,
    /// What is wrong there.
    pub problem: chronoxide_format::Error,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// How many chunks have one coding, and the bytes they take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CodingShare {
    /// Chunks.
    pub chunks: u64,
    /// Bytes of their values.
    pub bytes: u64,
}

impl Part {
    /// Adds the chunks of the part to `mix`, by the name of their coding. Damaged ones are left out.
    pub(crate) fn add_codings(&self, mix: &mut BTreeMap<&'static str, CodingShare>) {
        let Ok(directory) = self.chunk_directory() else {
            return;
        };
        let mut cursor = directory.cursor();
        for rank in 0..self.series_count() {
            for chunk in cursor.series(rank).unwrap_or_default() {
                let Ok(bytes) = self.values_of(chunk) else {
                    continue;
                };
                let share = mix.entry(coding_of(chunk.kind, bytes)).or_default();
                share.chunks += 1;
                share.bytes += bytes.len() as u64;
            }
        }
    }
}

impl Part {
    /// Checks every page, every label set, every posting and every sample; returns what is wrong, nothing if all is
    /// well.
    #[must_use]
    pub fn verify(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        self.verify_pages(&mut findings);
        self.verify_labels(&mut findings);
        if let Err(problem) = self.verify_postings() {
            findings.push(finding("postings", problem));
        }
        self.verify_samples(&mut findings);
        findings
    }

    fn verify_pages(&self, findings: &mut Vec<Finding>) {
        let pages = self
            .footer()
            .data_len
            .div_ceil(chronoxide_format::part::PAGE_BYTES as u64);
        for page in 0..usize::try_from(pages).unwrap_or(usize::MAX) {
            if let Err(problem) = self.check_page(page) {
                findings.push(finding(&format!("data page {page}"), problem));
            }
        }
    }
}

impl Part {
    fn verify_labels(&self, findings: &mut Vec<Finding>) {
        let mut reader = self.label_reader();
        let mut last = None;
        for rank in 0..self.series_count() {
            match reader.read_labels(rank) {
                Ok(labels) => {
                    if last.as_ref().is_some_and(|last| *last >= labels) {
                        let problem = disorder("the series are not in label order");
                        findings.push(finding(&format!("series {rank}"), problem));
                    }
                    last = Some(labels);
                }
                Err(problem) => findings.push(finding(&format!("series {rank}"), problem)),
            }
        }
    }

    /// Compares the postings with those that the rows of the series give.
    fn verify_postings(&self) -> chronoxide_format::Result<()> {
        let (pairs, series) = (self.footer().pairs, self.footer().series);
        let mut lists = vec![PostingsBuilder::default(); pairs as usize];
        let mut cursor = self.rows()?.cursor();
        for rank in 0..series {
            let row = cursor.row(rank)?;
            if !row.is_sorted_by(|a, b| a < b) {
                return Err(disorder("the labels of a series are not in order"));
            }
            for pair in row {
                match lists.get_mut(*pair as usize) {
                    Some(list) => list.push(rank),
                    None => return Err(disorder("a series has a pair that does not exist")),
                }
            }
        }
        let mut expected = PostingsSection::default();
        for list in lists {
            if list.is_empty() {
                return Err(disorder("a label pair has no series"));
            }
            expected.push(list)?;
        }
        let expected = expected.finish();
        let expected = PostingsDirectory::new(&expected, pairs, series)?;
        let found = self.postings()?;
        let (mut a, mut b) = (Vec::new(), Vec::new());
        for pair in 0..pairs {
            a.clear();
            b.clear();
            expected
                .list(pair)?
                .for_each_run(|start, len| a.push((start, len)))?;
            found
                .list(pair)?
                .for_each_run(|start, len| b.push((start, len)))?;
            if a != b {
                return Err(disorder("postings differ from the labels of the series"));
            }
        }
        Ok(())
    }

    fn verify_samples(&self, findings: &mut Vec<Finding>) {
        let mut columns = SampleColumns::default();
        let (mut samples, mut histograms) = (0, 0);
        let (mut min_ms, mut max_ms) = (i64::MAX, i64::MIN);
        let mut complete = true;
        for rank in 0..self.series_count() {
            columns.clear();
            let result = self.read_samples(rank, TimeRange::ALL, &mut columns);
            let result = result.and_then(|()| check_kinds(&columns));
            let result = result.and_then(|()| self.verify_summaries(rank, &columns));
            if let Err(problem) = result {
                findings.push(finding(&format!("samples of series {rank}"), problem));
                complete = false;
            }
            samples += columns.len() as u64;
            histograms += columns.histograms.len() as u64;
            for times in [&columns.timestamps_ms, &columns.histogram_timestamps_ms] {
                min_ms = min_ms.min(times.first().copied().unwrap_or(i64::MAX));
                max_ms = max_ms.max(times.last().copied().unwrap_or(i64::MIN));
            }
        }
        let footer = self.footer();
        let counted = (samples, histograms, min_ms, max_ms);
        let stated = (
            footer.samples,
            footer.histograms,
            footer.min_ms,
            footer.max_ms,
        );
        if complete && counted != stated {
            let problem = disorder("the footer states other samples than there are");
            findings.push(finding("footer", problem));
        }
    }
}

impl Part {
    /// Compares the summaries of the chunks of a series with its samples.
    fn verify_summaries(
        &self,
        rank: u32,
        columns: &SampleColumns,
    ) -> chronoxide_format::Result<()> {
        let mut cursor = self.chunk_directory()?.cursor();
        let mut values = columns.values.as_slice();
        for chunk in cursor.series(rank)? {
            if chunk.kind != ChunkKind::Floats {
                continue;
            }
            let count = self.chunk_span(chunk)?.count.min(values.len());
            let (of_chunk, rest) = values.split_at(count);
            values = rest;
            let stated = summarize_values(self.values_of(chunk)?, count)?;
            if stated.is_some_and(|stated| !is_summary_of(&stated, of_chunk)) {
                return Err(disorder("a chunk has other values than its summary says"));
            }
        }
        Ok(())
    }
}

fn is_summary_of(stated: &ValueSummary, values: &[f64]) -> bool {
    let bits = |value: Option<f64>| value.map(f64::to_bits);
    let same = |stated: f64, found: Option<f64>| bits(Some(stated)) == bits(found);
    let least = values.iter().copied().reduce(f64::min);
    let most = values.iter().copied().reduce(f64::max);
    same(stated.first, values.first().copied())
        && same(stated.last, values.last().copied())
        && same(stated.min, least)
        && same(stated.max, most)
        && stated.never_falls == values.is_sorted_by(|a, b| a <= b)
}

/// A timestamp stands among the floats or among the histograms, never in both.
fn check_kinds(columns: &SampleColumns) -> chronoxide_format::Result<()> {
    let floats = &columns.timestamps_ms;
    let twice = |time| floats.binary_search(time).is_ok();
    if columns.histogram_timestamps_ms.iter().any(twice) {
        return Err(disorder("a float and a histogram have one timestamp"));
    }
    Ok(())
}

fn finding(place: &str, problem: chronoxide_format::Error) -> Finding {
    Finding {
        place: place.to_owned(),
        problem,
    }
}
