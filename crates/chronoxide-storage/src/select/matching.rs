//! Which series satisfy matchers, in the head and in the parts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chronoxide_format::tombstones::Tombstone;
use chronoxide_model::{Labels, Matcher, TimeRange};

use super::found_series::{FoundCache, FoundSeries, INACTIVE, Question};
use super::gather::{Gathered, Standing};
use super::selection::{Entry, Place, Selection, Sources};
use crate::Result;
use crate::catalog::{Catalog, Snapshot};
use crate::head::{BatchRows, HeadBatch, Mark};
use crate::part::{LabelReader, Part};
use crate::registry::{OrderCache, Registry, SharedRegistry};
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
    pub(crate) registry: &'a SharedRegistry,
    pub(crate) order: &'a OrderCache,
    pub(crate) found: &'a FoundCache,
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
        let registry = self.registry.read_at_once();
        let snapshot = self.snapshot();
        let sources = Sources {
            parts: self.parts(&snapshot),
            batches: self.batches(&snapshot),
        };
        let has_head = !sources.batches.is_empty();
        let active = if has_head {
            let Some(active) = registry.matching_while(matchers, go_on) else {
                return Ok(None);
            };
            Some((registry.epoch(), active))
        } else {
            None
        };
        let question = Question {
            matchers,
            parts: sources.parts.iter().map(|part| part.id()).collect(),
            active,
        };
        let known = self.found.get(&question);
        let found = match known {
            Some(found) => {
                // What follows takes long with many series and deletions, and makers of new series wait.
                drop(registry);
                found
            }
            None => {
                let Some(active) = self.active(&question, &registry, go_on) else {
                    return Ok(None);
                };
                drop(registry);
                let Some(found) = find_series(matchers, &sources.parts, active, go_on)? else {
                    return Ok(None);
                };
                let found = Arc::new(found);
                self.found.put(question, &found);
                found
            }
        };
        let mut hidden = self.hidden(&snapshot, &sources);
        let leaves = |labels: &Labels, place: Place| match &mut hidden {
            None => true,
            Some(hidden) => hidden.leaves(labels, place),
        };
        let Some(series) = read_by(&found, &sources.batches, leaves, go_on) else {
            return Ok(None);
        };
        let hidden = hidden.map(|hidden| hidden.times).unwrap_or_default();
        Ok(Some(Selection::new(
            self.range, sources, found, series, hidden,
        )))
    }

    /// What is deleted in each of the sources, if anything is anywhere.
    fn hidden(&self, snapshot: &Snapshot, sources: &Sources) -> Option<Hidden> {
        if snapshot.tombstones.is_empty() {
            return None;
        }
        let concerned = |(seq_max, range): (u64, TimeRange)| {
            let range = range.intersection(&self.range).unwrap_or(self.range);
            (range, concerning(&snapshot.tombstones, seq_max, range))
        };
        let parts = sources.parts.iter().map(reach_of_part);
        let batches = sources.batches.iter();
        let batches = batches.map(|(batch, _)| batch.read(reach_of_batch));
        Some(Hidden {
            parts: parts.map(concerned).collect(),
            batches: batches.map(concerned).collect(),
            times: BTreeMap::new(),
        })
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

    /// The active series of `question` in label order.
    fn active(
        &self,
        question: &Question<'_>,
        registry: &Registry,
        go_on: &dyn Fn() -> bool,
    ) -> Option<Vec<(Labels, u32)>> {
        let Some((_, matching)) = &question.active else {
            return Some(Vec::new());
        };
        let mut sids: Vec<u32> = matching.iter().collect();
        self.found.make_room(sids.len());
        if !self.order.sort_while(&mut sids, registry, go_on) {
            return None;
        }
        let mut active = Vec::with_capacity(sids.len());
        for (turn, sid) in (1..).zip(sids) {
            if turn % CHECK_SERIES == 0 && !go_on() {
                return None;
            }
            active.push((registry.labels(sid), sid));
        }
        Some(active)
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
        let registry = self.registry.read_at_once();
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

/// The series of `parts` that satisfy the matchers, and those that are `active`.
fn find_series(
    matchers: &[Matcher],
    parts: &[Arc<Part>],
    active: Vec<(Labels, u32)>,
    go_on: &dyn Fn() -> bool,
) -> Result<Option<FoundSeries>> {
    let mut gathered = Gathered::default();
    // Their labels are there already, and the parts need not make others for the same series.
    let mut run = gathered.run();
    for (turn, (labels, sid)) in (1..).zip(active) {
        if turn % CHECK_SERIES == 0 && !go_on() {
            return Ok(None);
        }
        // Which batches have it is found out by each selection.
        run.add(&labels, Place::Head(0, sid))?;
    }
    run.finish();
    // In the order of writes, which is kept for each series.
    for (index, part) in (0..).zip(parts) {
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
    Ok(gathered.finish_while(go_on))
}

/// The series of `found` that have samples in parts or in `batches`, and where: in the order of writes. What `leaves`
/// nothing of is left out. Nothing at all when told to stop.
fn read_by(
    found: &FoundSeries,
    batches: &[(Arc<HeadBatch>, Mark)],
    mut leaves: impl FnMut(&Labels, Place) -> bool,
    go_on: &dyn Fn() -> bool,
) -> Option<(Vec<Entry>, Vec<Place>)> {
    // Which of the series each batch has; the batches are locked one at a time.
    let mut there: Vec<Vec<bool>> = Vec::with_capacity(batches.len());
    for (batch, _) in batches {
        if !go_on() {
            return None;
        }
        let has = |rows: &BatchRows| {
            let sids = found.sids.iter();
            sids.map(|sid| *sid != INACTIVE && rows.has_series(*sid))
                .collect()
        };
        there.push(batch.read(has));
    }
    let mut entries = Vec::with_capacity(found.labels.len());
    let mut places = Vec::with_capacity(found.places.len() + found.labels.len());
    for (index, labels) in found.labels.iter().enumerate() {
        if index % CHECK_SERIES == 0 && !go_on() {
            return None;
        }
        let before = places.len();
        let in_parts = found.places(index).iter().copied();
        places.extend(in_parts.filter(|place| leaves(labels, *place)));
        for (batch, there) in (0..).zip(&there) {
            let place = Place::Head(batch, found.sids[index]);
            if there[index] && leaves(labels, place) {
                places.push(place);
            }
        }
        if places.len() > before {
            entries.push(Entry {
                series: index as u32,
                places_end: places.len(),
            });
        }
    }
    Some((entries, places))
}

/// The deletions that concern each source, and the times they hide there.
struct Hidden {
    parts: Vec<Concerned>,
    batches: Vec<Concerned>,
    /// By place, of those of which something is left.
    times: BTreeMap<Place, Vec<TimeRange>>,
}

/// The times that a source is read in, and the deletions among them.
type Concerned = (TimeRange, Vec<Arc<Tombstone>>);

impl Hidden {
    /// Whether anything is left in `place` of the series with `labels`.
    fn leaves(&mut self, labels: &Labels, place: Place) -> bool {
        let (range, tombstones) = match place {
            Place::Part(index, _) => &self.parts[index as usize],
            Place::Head(index, _) => &self.batches[index as usize],
        };
        let times = hidden_times(tombstones, labels);
        let is_gone = covers(&times, *range);
        if !is_gone && !times.is_empty() {
            self.times.insert(place, times);
        }
        !is_gone
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
