//! The series of several sources brought together, in label order.

use std::cmp::Ordering;

use chronoxide_model::Labels;

use super::selection::Place;
use crate::Result;

/// The series found so far, and where they have samples.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    /// In the order in which they were found.
    labels: Vec<Labels>,
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

    /// Takes out the places of which `keep` says so, and series without any.
    pub(super) fn retain(&mut self, mut keep: impl FnMut(&Labels, Place) -> bool) {
        let labels = &self.labels;
        self.places
            .retain(|(index, place)| keep(&labels[*index as usize], *place));
        let mut has_place = vec![false; labels.len()];
        for (index, _) in &self.places {
            has_place[*index as usize] = true;
        }
        self.order.retain(|index| has_place[*index as usize]);
    }

    /// Labels of each series with the end of its places, in label order; and the places of all of them.
    pub(super) fn finish(self) -> (Vec<(Labels, usize)>, Vec<Place>) {
        let mut ends = vec![0_usize; self.labels.len()];
        for (index, _) in &self.places {
            ends[*index as usize] += 1;
        }
        let mut start = 0;
        for index in &self.order {
            let count = std::mem::replace(&mut ends[*index as usize], start);
            start += count;
        }
        let mut places = vec![Place::Part(0, 0); self.places.len()];
        for (index, place) in self.places {
            let end = &mut ends[index as usize];
            places[*end] = place;
            *end += 1;
        }
        let mut labels: Vec<Option<Labels>> = self.labels.into_iter().map(Some).collect();
        let entries = self.order.into_iter().filter_map(|index| {
            let labels = labels[index as usize].take()?;
            Some((labels, ends[index as usize]))
        });
        (entries.collect(), places)
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
            let mut found: Vec<(Labels, Place)> = Vec::new();
            for source in 0..random.random_range(0..6) {
                let mut run = gathered.run();
                let share = random.random_range(0.0..1.0);
                for number in 0..random.random_range(1..200) {
                    if !random.random_bool(share) {
                        continue;
                    }
                    for again in 0..random.random_range(1..3) {
                        let place = Place::Head(source, number * 2 + again);
                        run.add(&Known(labels(number)), place).unwrap();
                        found.push((labels(number), place));
                    }
                }
                run.finish();
            }
            if random.random_bool(0.5) {
                let keep = |_: &Labels, place| matches!(place, Place::Head(_, n) if n % 3 > 0);
                gathered.retain(keep);
                found.retain(|(labels, place)| keep(labels, *place));
            }
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let (entries, places) = gathered.finish();
            let mut start = 0;
            let mut got = Vec::new();
            for (labels, end) in entries {
                assert!(start < end, "seed {seed}: {labels} has no place");
                got.extend(
                    places[start..end]
                        .iter()
                        .map(|place| (labels.clone(), *place)),
                );
                start = end;
            }
            assert_eq!(got, found, "seed {seed}");
        }
    }
}
