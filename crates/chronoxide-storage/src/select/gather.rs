//! The series of several sources brought together, in label order.

use std::cmp::Ordering;

use chronoxide_model::Labels;

use super::found_series::{FoundSeries, INACTIVE};
use super::many::Many;
use super::selection::Place;
use crate::Result;

/// Moving so many series takes less than a millisecond.
const CHECK_SERIES: usize = 8192;

/// The series found so far, and where they have samples.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// In the order in which they were found.
    labels: Many<Labels>,
    /// Indexes of `labels`, in label order.
    order: Vec<u32>,
    /// Where series have samples, by index of their labels; oldest write first.
    places: Vec<(u32, Place)>,
}

/// One series of a source, at which it stands.
pub(super) trait Standing {
    /// Compares its labels.
    fn compare(&self, other: &Labels) -> Ordering;
    /// Its labels, made when no earlier source has the series.
    fn labels(&self) -> Result<Labels>;
}

/// A way through the series of one source, in label order, that adds them.
#[derive(Debug)]
pub(super) struct Run<'g> {
    gathered: &'g mut Gathered,
    /// How far into the order it is.
    at: usize,
    /// New series, and in front of which place of the order they belong.
    fresh: Vec<(usize, u32)>,
}

impl Gathered {
    /// A way through the series of the next source, whose writes are newer.
    pub(super) const fn run(&mut self) -> Run<'_> {
        Run {
            gathered: self,
            at: 0,
            fresh: Vec::new(),
        }
    }

    /// The series in label order with their places in parts, and their ids if they have one as a place of the head; nothing
    /// when `go_on`, which is asked every now and then, says to stop.
    pub(super) fn finish_while(mut self, go_on: &dyn Fn() -> bool) -> Option<FoundSeries> {
        let mut counts = vec![0_u32; self.labels.len()];
        let mut sids = vec![INACTIVE; self.labels.len()];
        for (index, place) in &self.places {
            match place {
                Place::Part(..) => counts[*index as usize] += 1,
                Place::Head(_, sid) => sids[*index as usize] = *sid,
            }
        }
        let mut start = 0;
        for index in &self.order {
            let count = std::mem::replace(&mut counts[*index as usize], start);
            start += count;
        }
        let mut ends = counts;
        let mut places = vec![Place::Part(0, 0); start as usize];
        for (index, place) in self.places {
            if matches!(place, Place::Part(..)) {
                let end = &mut ends[index as usize];
                places[*end as usize] = place;
                *end += 1;
            }
        }
        if !go_on() {
            return None;
        }
        let taken = self.labels.take().into_iter().map(Some);
        let mut labels: Many<Option<Labels>> = taken.collect();
        let mut found = FoundSeries {
            labels: Many::with_capacity(self.order.len()),
            sids: Vec::with_capacity(self.order.len()),
            ends: Vec::with_capacity(self.order.len()),
            places,
        };
        for (turn, index) in (1..).zip(self.order) {
            if turn % CHECK_SERIES == 0 && !go_on() {
                return None;
            }
            let index = index as usize;
            if let Some(labels) = labels[index].take() {
                found.labels.push(labels);
                found.sids.push(sids[index]);
                found.ends.push(ends[index]);
            }
        }
        Some(found)
    }
}

impl Run<'_> {
    /// Adds the next series of the source, which has samples at `place`; a series may come several times in a row.
    pub(super) fn add(&mut self, series: &impl Standing, place: Place) -> Result<()> {
        let gathered = &mut *self.gathered;
        if let Some((at, index)) = self.fresh.last()
            && *at == self.at
            && series.compare(&gathered.labels[*index as usize]).is_eq()
        {
            gathered.places.push((*index, place));
            return Ok(());
        }
        self.at = gathered.go_on(self.at, series);
        let known = gathered.order.get(self.at);
        let index = match known {
            Some(index) if series.compare(&gathered.labels[*index as usize]).is_eq() => *index,
            _ => {
                let index = u32::try_from(gathered.labels.len()).expect("ranks are 32 bits");
                gathered.labels.push(series.labels()?);
                self.fresh.push((self.at, index));
                index
            }
        };
        gathered.places.push((index, place));
        Ok(())
    }

    /// Ends the way.
    pub(super) fn finish(self) {
        if self.fresh.is_empty() {
            return;
        }
        let known = std::mem::take(&mut self.gathered.order);
        let mut order = Vec::with_capacity(known.len() + self.fresh.len());
        let mut passed = 0;
        for (at, index) in self.fresh {
            order.extend_from_slice(&known[passed..at]);
            passed = at;
            order.push(index);
        }
        order.extend_from_slice(&known[passed..]);
        self.gathered.order = order;
    }
}

impl Gathered {
    /// The first place of the order, from `at` on, whose series is not below `series`.
    fn go_on(&self, at: usize, series: &impl Standing) -> usize {
        let rest = &self.order[at..];
        let is_below = |index: &u32| series.compare(&self.labels[*index as usize]).is_gt();
        // Most often it is the next one; a source with few series leaps.
        let mut leap = 1;
        while rest.get(leap - 1).is_some_and(is_below) {
            leap *= 2;
        }
        let (low, high) = (leap / 2, leap.min(rest.len()));
        at + low + rest[low..high].partition_point(is_below)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use rand::rngs::StdRng;
    use rand::{Rng, SeedableRng};

    use super::*;

    struct Known(Labels);

    impl Standing for Known {
        fn compare(&self, other: &Labels) -> Ordering {
            self.0.cmp(other)
        }

        fn labels(&self) -> Result<Labels> {
            Ok(self.0.clone())
        }
    }

    fn labels(number: u32) -> Labels {
        Labels::from_pairs([("n", format!("{number:04}"))]).unwrap()
    }

    #[test]
    fn series_come_in_label_order_with_places_in_the_order_of_writes() {
        for seed in 0..300 {
            let mut random = StdRng::seed_from_u64(seed);
            let mut gathered = Gathered::default();
            let mut expected: BTreeMap<Labels, (u32, Vec<Place>)> = BTreeMap::new();
            let sources = random.random_range(0..6);
            for source in 0..sources {
                let mut run = gathered.run();
                let share = random.random_range(0.0..1.0);
                let is_head = source + 1 == sources && random.random_bool(0.5);
                for number in 0..random.random_range(1..200) {
                    if !random.random_bool(share) {
                        continue;
                    }
                    let known = expected.entry(labels(number));
                    let (sid, places) = known.or_insert((INACTIVE, Vec::new()));
                    if is_head {
                        run.add(&Known(labels(number)), Place::Head(0, number + 7))
                            .unwrap();
                        *sid = number + 7;
                        continue;
                    }
                    for again in 0..random.random_range(1..3) {
                        let place = Place::Part(source, number * 2 + again);
                        run.add(&Known(labels(number)), place).unwrap();
                        places.push(place);
                    }
                }
                run.finish();
            }
            let found = gathered.finish_while(&|| true).unwrap();
            let got = found.labels.iter().enumerate().map(|(index, labels)| {
                let places = found.places(index).to_vec();
                (labels.clone(), (found.sids[index], places))
            });
            assert!(got.eq(expected), "seed {seed}");
        }
    }
}
