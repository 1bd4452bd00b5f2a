//! Which series satisfy matchers, in the head and in the parts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chronoxide_model::{Labels, Matcher, TimeRange};
use parking_lot::RwLock;

use super::gather::{Gathered, Standing};
use super::selection::{Place, Selection, Sources};
use crate::Result;
use crate::catalog::{Catalog, Snapshot};
use crate::head::{BatchRows, HeadBatch, Mark};
use crate::part::{LabelReader, Part};
use crate::registry::{OrderCache, Registry};
use crate::tombstones::{concerning, covers, hidden_times};

/// After so many series, which take a fraction of a millisecond, a selection asks whether to go on.
const CHECK_SERIES: usize = 1024;

impl Standing for LabelReader<'_> {
    fn compare(&self, other: &Labels) -> Ordering {
        LabelReader::compare(self, other)
    }

    fn labels(&self) -> Result<Labels> {
        LabelReader::labels(self)
    }
}

impl Standing for Labels {
    fn compare(&self, other: &Labels) -> Ordering {
        self.cmp(other)
    }

    fn labels(&self) -> Result<Labels> {
        Ok(self.clone())
    }
}

/// What a selection reads from.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) catalog: &'a Catalog,
    pub(crate) registry: &'a RwLock<Registry>,
    pub(crate) order: &'a OrderCache,
    /// Nothing outside it is read: what was asked for, cut to retention.
    pub(crate) range: TimeRange,
    /// What there is to read; what there is now if it is not said.
    pub(crate) held: Option<&'a Held>,
}

/// What there was to read at one moment, kept for several selections.
#[derive(Debug)]
pub(crate) struct Held {
    snapshot: Arc<Snapshot>,
    /// By batch of the snapshot: how much it held.
    marks: Vec<Mark>,
}

impl Held {
    /// What there is now.
    pub(crate) fn new(catalog: &Catalog) -> Self {
        let snapshot = catalog.snapshot();
        let marks = snapshot.batches().map(|batch| batch.read(BatchRows::mark));
        Self {
            marks: marks.collect(),
            snapshot,
        }
    }
}

impl View<'_> {
    /// The series that satisfy all matchers and may have samples in the range.
    pub(crate) fn select(&self, matchers: &[Matcher]) -> Result<Selection> {
        let selection = self.select_while(matchers, &|| true)?;
        Ok(selection.expect("nobody said to stop"))
    }

    /// The same, as long as `go_on` says so, which is asked every now and then.
    pub(crate) fn select_while(
        &self,
        matchers: &[Matcher],
        go_on: &dyn Fn() -> bool,
    ) -> Result<Option<Selection>> {
        // The registry is locked before the snapshot is taken: a series that is evicted has no sample in the head of
        // any snapshot from then on, so none is missing from both.
        let registry = self.registry.read();
        let snapshot = self.snapshot();
        let batches = self.batches(&snapshot);
        let Some(in_head) = self.select_head(matchers, &batches, &registry, go_on) else {
            return Ok(None);
        };
        drop(registry);
        let sources = Sources {
            parts: self.parts(&snapshot),
            batches,
        };
        // In the order of writes, which the selection keeps for each series.
        let mut gathered = Gathered::default();
        for (index, part) in (0..).zip(&sources.parts) {
            let Some(ranks) = part.series_matching_while(matchers, go_on)? else {
                return Ok(None);
            };
            let mut reader = part.label_reader();
            let mut run = gathered.run();
            for (turn, rank) in (1..).zip(ranks) {
                if turn % CHECK_SERIES == 0 && !go_on() {
                    return Ok(None);
                }
                reader.go_to(rank)?;
                run.add(&reader, Place::Part(index, rank))?;
            }
            run.finish();
        }
        let mut run = gathered.run();
        for (turn, (labels, place)) in (1..).zip(in_head) {
            if turn % CHECK_SERIES == 0 && !go_on() {
                return Ok(None);
            }
            run.add(&labels, place)?;
        }
        run.finish();
        let hidden = self.hide(&snapshot, &sources, &mut gathered);
        Ok(Some(Selection::new(self.range, sources, hidden, gathered)))
    }

    /// Takes places out of which nothing is left to read, and finds the times deleted in the others.
    fn hide(
        &self,
        snapshot: &Snapshot,
        sources: &Sources,
        gathered: &mut Gathered,
    ) -> BTreeMap<Place, Vec<TimeRange>> {
        let mut hidden = BTreeMap::new();
        if snapshot.tombstones.is_empty() {
            return hidden;
        }
        let concerned = |(seq_max, range): (u64, TimeRange)| {
            let range = range.intersection(&self.range).unwrap_or(self.range);
            (range, concerning(&snapshot.tombstones, seq_max, range))
        };
        let parts: Vec<_> = sources
            .parts
            .iter()
            .map(|part| concerned(reach_of_part(part)))
            .collect();
        let batches = sources
            .batches
            .iter()
            .map(|(batch, _)| batch.read(reach_of_batch));
        let batches: Vec<_> = batches.map(concerned).collect();
        gathered.retain(|labels, place| {
            let (range, tombstones) = match place {
                Place::Part(index, _) => &parts[index as usize],
                Place::Head(index, _) => &batches[index as usize],
            };
            let times = hidden_times(tombstones, labels);
            let is_gone = covers(&times, *range);
            if !is_gone && !times.is_empty() {
                hidden.insert(place, times);
            }
            !is_gone
        });
        hidden
    }

    /// Whether anything in the range may be deleted.
    fn has_hidden(&self) -> bool {
        let snapshot = self.snapshot();
        if snapshot.tombstones.is_empty() {
            return false;
        }
        let parts = self.parts(&snapshot);
        let batches = self.batches(&snapshot);
        let batches = batches.iter().map(|(batch, _)| batch.read(reach_of_batch));
        let mut reaches = parts.iter().map(reach_of_part).chain(batches);
        reaches.any(|(seq_max, range)| {
            let range = range.intersection(&self.range).unwrap_or(self.range);
            !concerning(&snapshot.tombstones, seq_max, range).is_empty()
        })
    }

    fn snapshot(&self) -> Arc<Snapshot> {
        match self.held {
            Some(held) => Arc::clone(&held.snapshot),
            None => self.catalog.snapshot(),
        }
    }

    /// The parts that may have samples in the range, oldest write first.
    fn parts(&self, snapshot: &Snapshot) -> Vec<Arc<Part>> {
        let parts = snapshot.parts();
        parts
            .filter(|part| part.summary().range.overlaps(&self.range))
            .cloned()
            .collect()
    }

    /// The batches that may have samples in the range, oldest first.
    fn batches(&self, snapshot: &Snapshot) -> Vec<(Arc<HeadBatch>, Mark)> {
        let overlapping = |index: usize, batch: &Arc<HeadBatch>| {
            batch.read(|rows| {
                let range = rows.time_range()?;
                let mark = || {
                    self.held
                        .map_or_else(|| rows.mark(), |held| held.marks[index])
                };
                range.overlaps(&self.range).then(mark)
            })
        };
        let batches = snapshot.batches().enumerate();
        batches
            .filter_map(|(index, batch)| Some((Arc::clone(batch), overlapping(index, batch)?)))
            .collect()
    }

    /// The series of the head in label order, with the batches they are in.
    fn select_head(
        &self,
        matchers: &[Matcher],
        batches: &[(Arc<HeadBatch>, Mark)],
        registry: &Registry,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<(Labels, Place)>> {
        if batches.is_empty() {
            return Some(Vec::new());
        }
        let matching = registry.matching(matchers);
        let mut places: Vec<Vec<u32>> = Vec::with_capacity(batches.len());
        for (batch, _) in batches {
            let there = |rows: &BatchRows| {
                matching
                    .iter()
                    .filter(|sid| rows.has_series(*sid))
                    .collect()
            };
            places.push(batch.read(there));
        }
        let mut sids: Vec<u32> = places.iter().flatten().copied().collect();
        sids.sort_unstable();
        sids.dedup();
        if !go_on() {
            return None;
        }
        self.order.sort(&mut sids, registry);
        let mut found = Vec::with_capacity(places.iter().map(Vec::len).sum());
        for (turn, sid) in (1..).zip(sids) {
            if turn % CHECK_SERIES == 0 && !go_on() {
                return None;
            }
            let labels = registry.labels(sid);
            for (batch, there) in (0..).zip(&places) {
                if there.binary_search(&sid).is_ok() {
                    found.push((labels.clone(), Place::Head(batch, sid)));
                }
            }
        }
        Some(found)
    }

    /// Names of labels among the matching series, sorted.
    pub(crate) fn label_names(&self, matchers: &[Matcher]) -> Result<Vec<String>> {
        let mut names = BTreeSet::new();
        if self.has_hidden() {
            for labels in self.select(matchers)?.labels() {
                names.extend(labels.iter().map(|(name, _)| name.to_owned()));
            }
            return Ok(names.into_iter().collect());
        }
        let snapshot = self.with_head_series(matchers, |registry, has| {
            let owned = registry.label_names(has).into_iter().map(str::to_owned);
            names.extend(owned);
        });
        for part in self.parts(&snapshot) {
            names.extend(part.label_names(matchers)?);
        }
        Ok(names.into_iter().collect())
    }

    /// Values of label `name` among the matching series, sorted.
    pub(crate) fn label_values(&self, name: &str, matchers: &[Matcher]) -> Result<Vec<String>> {
        let mut values = BTreeSet::new();
        if self.has_hidden() {
            for labels in self.select(matchers)?.labels() {
                values.extend(labels.get(name).map(str::to_owned));
            }
            return Ok(values.into_iter().collect());
        }
        let snapshot = self.with_head_series(matchers, |registry, has| {
            let owned = registry
                .label_values(name, has)
                .into_iter()
                .map(str::to_owned);
            values.extend(owned);
        });
        for part in self.parts(&snapshot) {
            values.extend(part.label_values(name, matchers)?);
        }
        Ok(values.into_iter().collect())
    }

    /// Calls `each` for every batch with a test for the matching series that it has; returns the snapshot it is of.
    fn with_head_series(
        &self,
        matchers: &[Matcher],
        mut each: impl FnMut(&Registry, &mut dyn FnMut(u32) -> bool),
    ) -> Arc<Snapshot> {
        // In this order, as in `select`.
        let registry = self.registry.read();
        let snapshot = self.snapshot();
        let batches = self.batches(&snapshot);
        if batches.is_empty() {
            return snapshot;
        }
        let matching = (!matchers.is_empty()).then(|| registry.matching(matchers));
        for (batch, _) in &batches {
            batch.read(|rows| {
                each(&registry, &mut |sid| {
                    rows.has_series(sid)
                        && matching
                            .as_ref()
                            .is_none_or(|matching| matching.contains(sid))
                });
            });
        }
        drop(registry);
        snapshot
    }
}

/// The highest log record of a part, and the times it covers.
fn reach_of_part(part: &Arc<Part>) -> (u64, TimeRange) {
    let summary = part.summary();
    (summary.header.wal_seq_max, summary.range)
}

/// The same of a batch; of an empty one nothing can be hidden.
fn reach_of_batch(rows: &BatchRows) -> (u64, TimeRange) {
    let seq_max = rows.sequences().map_or(u64::MAX, |(_, seq_max)| seq_max);
    (seq_max, rows.time_range().unwrap_or(TimeRange::ALL))
}
