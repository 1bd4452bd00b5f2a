//! A recording that goes on past its end without repeating itself.
//!
//! The recording is walked forwards to its end, back to its beginning, and so on. The first walk is the recording as it
//! is; each later one goes at a speed of its own, between three and five quarters, so that samples stand for other
//! moments each time. Counters go on from where they are and rise on the way back by what they rose there on the way
//! forth; gauges pass through the values they had. What each step looks like is therefore recorded, and so is how series
//! of one target move together; that the same load comes again every hour in other steps, is not.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::Job;

/// What a target's series did, prepared to go on.
#[derive(Debug)]
pub struct Recording<'a> {
    job: &'a Job,
    counts: Vec<Option<Count>>,
}

/// The values of a counter, gone on rising after each reset.
#[derive(Debug)]
enum Count {
    /// Multiples of a power of ten, so that sums have no more digits than the counter.
    Decimal { values: Vec<i64>, scale: f64 },
    /// Others.
    Float(Vec<f64>),
}

/// What is added to a counter's values, or what they are taken from.
#[derive(Clone, Copy, Debug)]
enum Base {
    Decimal(i64),
    Float(f64),
}

/// One instance of a recorded target.
#[derive(Debug)]
pub struct Replay<'a> {
    recording: &'a Recording<'a>,
    random: StdRng,
    /// Where in the recording it is, in scrapes.
    place: f64,
    /// Scrapes of the recording for each one asked for; negative on the way back.
    speed: f64,
    bases: Vec<Base>,
}

impl<'a> Recording<'a> {
    /// What `job` did.
    #[must_use]
    pub fn of(job: &'a Job) -> Self {
        let series = job.values.iter().zip(&job.counters);
        let count = |(values, is_counter): (&Vec<f64>, &bool)| {
            (*is_counter && values.iter().any(|value| value.is_finite())).then(|| Count::of(values))
        };
        Self {
            job,
            counts: series.map(count).collect(),
        }
    }

    fn last(&self) -> usize {
        self.job.times_ms.len().saturating_sub(1)
    }
}

impl Count {
    fn of(values: &[f64]) -> Self {
        let first = values.iter().find(|value| value.is_finite());
        let mut before = first.copied().unwrap_or(0.0);
        let mut lost = 0.0;
        let unbroken = values.iter().map(|value| {
            // Where there is no value, the counter stands still.
            let value = if value.is_finite() { *value } else { before };
            if value < before {
                lost += before;
            }
            before = value;
            (value, lost)
        });
        let unbroken: Vec<(f64, f64)> = unbroken.collect();
        let decimal = (0..=9).find_map(|digits| decimals(&unbroken, 10_f64.powi(digits)));
        decimal.unwrap_or_else(|| {
            Self::Float(unbroken.iter().map(|(value, lost)| value + lost).collect())
        })
    }

    const fn zero(&self) -> Base {
        match self {
            Self::Decimal { .. } => Base::Decimal(0),
            Self::Float(_) => Base::Float(0.0),
        }
    }
}

/// The sums as multiples of `1 / scale`, if all values are.
fn decimals(values: &[(f64, f64)], scale: f64) -> Option<Count> {
    /// Whole numbers below it are doubles.
    const EXACT: f64 = (1_u64 << 53) as f64;
    let decimal = |value: f64| {
        let scaled = (value * scale).round();
        (scaled.abs() < EXACT && (scaled / scale).to_bits() == value.to_bits())
            .then_some(scaled as i64)
    };
    let sums = values.iter().map(|(value, lost)| {
        let lost = (lost * scale).round() as i64;
        decimal(*value).map(|value| value + lost)
    });
    let values = sums.collect::<Option<_>>()?;
    Some(Count::Decimal { values, scale })
}

impl<'a> Replay<'a> {
    /// An instance that begins at scrape `start` of the recording. Those with another `seed` go on in another way.
    #[must_use]
    pub fn new(recording: &'a Recording<'a>, start: usize, seed: u64) -> Self {
        let zero = |count: &Option<Count>| count.as_ref().map_or(Base::Decimal(0), Count::zero);
        Self {
            recording,
            random: StdRng::seed_from_u64(seed),
            place: start.min(recording.last()) as f64,
            speed: 1.0,
            bases: recording.counts.iter().map(zero).collect(),
        }
    }

    /// Goes on by so many scrapes of the recording, a little more or less after its end.
    pub fn advance(&mut self, scrapes: usize) {
        let last = self.recording.last();
        if last == 0 {
            return;
        }
        let mut left = scrapes as f64;
        loop {
            let end = if self.speed > 0.0 { last } else { 0 };
            let until_end = (end as f64 - self.place) / self.speed;
            if left <= until_end {
                self.place += left * self.speed;
                return;
            }
            left -= until_end;
            self.place = end as f64;
            self.turn(end);
        }
    }

    /// Goes the other way from scrape `end` on, at another speed.
    fn turn(&mut self, end: usize) {
        let speed = self.random.random_range(0.75..1.25);
        self.speed = if self.speed > 0.0 { -speed } else { speed };
        // Before, a counter was `base + value` (or `base - value`), and it is the other now.
        let sign = if self.speed > 0.0 { -2.0 } else { 2.0 };
        for (base, count) in self.bases.iter_mut().zip(&self.recording.counts) {
            match (base, count) {
                (Base::Decimal(base), Some(Count::Decimal { values, .. })) => {
                    *base += sign as i64 * values[end];
                }
                (Base::Float(base), Some(Count::Float(values))) => *base += sign * values[end],
                _ => {}
            }
        }
    }

    /// The value of a series now; the stale marker when it was absent.
    ///
    /// # Panics
    /// When there is no such series.
    #[must_use]
    pub fn value(&self, series: usize) -> f64 {
        // The place lies between the first and the last scrape.
        let at = self.place as usize;
        let recorded = self.recording.job.values[series][at];
        let backwards = self.speed < 0.0;
        match (&self.recording.counts[series], self.bases[series]) {
            _ if !recorded.is_finite() => recorded,
            (Some(Count::Decimal { values, scale }), Base::Decimal(base)) => {
                let value = if backwards { -values[at] } else { values[at] };
                (base + value) as f64 / scale
            }
            (Some(Count::Float(values)), Base::Float(base)) => {
                base + if backwards { -values[at] } else { values[at] }
            }
            _ => recorded,
        }
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_model::Labels;

    use super::*;

    /// A target with these series, the first of which are counters.
    fn job(counters: &[Vec<f64>], gauges: &[Vec<f64>]) -> Job {
        let values: Vec<Vec<f64>> = counters.iter().chain(gauges).cloned().collect();
        Job {
            times_ms: (0..values[0].len() as i64).map(|at| at * 1000).collect(),
            series: values.iter().map(|_| Labels::default()).collect(),
            counters: (0..values.len()).map(|at| at < counters.len()).collect(),
            values,
        }
    }

    fn replayed(job: &Job, step: usize, scrapes: usize) -> Vec<Vec<f64>> {
        let recording = Recording::of(job);
        let mut replay = Replay::new(&recording, 0, 1);
        let mut values = vec![Vec::new(); job.values.len()];
        for _ in 0..scrapes {
            for (series, values) in values.iter_mut().enumerate() {
                values.push(replay.value(series));
            }
            replay.advance(step);
        }
        values
    }

    #[test]
    fn the_first_walk_is_the_recording() {
        let counter: Vec<f64> = (0..100).map(|at| f64::from(at * at) / 100.0).collect();
        let float: Vec<f64> = (1..101).map(|at| f64::from(at).sqrt()).collect();
        let gauge: Vec<f64> = (0..100).map(|at| f64::from(at * 37 % 50)).collect();
        let job = job(&[counter, float], &[gauge]);
        assert_eq!(replayed(&job, 1, 100), job.values);
    }

    #[test]
    fn counters_rise_on_as_fast_as_they_did_and_keep_their_digits() {
        let counter: Vec<f64> = (0..100).map(|at| f64::from(500 + at * 3) / 100.0).collect();
        let float: Vec<f64> = (0..100).map(|at| f64::from(at) / 3.0).collect();
        let job = job(&[counter, float], &[]);
        let values = replayed(&job, 7, 1000);
        assert!(values.iter().all(|values| values.is_sorted()));
        for (values, per_scrape) in values.iter().zip([0.03, 1.0 / 3.0]) {
            let risen = (values[999] - values[0]) / 6993.0 / per_scrape;
            assert!((0.9..1.1).contains(&risen), "{risen}");
        }
        let digits = values[0].iter().map(|value| value.to_string().len()).max();
        assert!(digits <= Some("999.99".len()), "{digits:?}");
    }

    #[test]
    fn later_walks_are_not_the_first_one_again() {
        let mut random = StdRng::seed_from_u64(3);
        let mut risen = 0.0;
        let mut counter = || {
            risen += f64::from(random.random_range(0..1000));
            risen
        };
        let job = job(&[(0..1800).map(|_| counter()).collect()], &[]);
        let values = replayed(&job, 15, 5760);
        let steps: Vec<i64> = values[0]
            .windows(2)
            .map(|pair| (pair[1] - pair[0]) as i64)
            .collect();
        let mut runs: Vec<&[i64]> = steps.windows(4).collect();
        runs.sort_unstable();
        let repeated = runs.windows(2).filter(|pair| pair[0] == pair[1]).count();
        assert!(
            repeated * 100 < runs.len(),
            "{repeated} of {} come again",
            runs.len()
        );
    }

    #[test]
    fn a_reset_is_no_step_back_and_an_absent_series_stays_absent() {
        let stale = chronoxide_model::STALE_MARKER;
        let job = job(
            &[vec![5.0, 8.0, 1.0, stale, 2.0]],
            &[vec![stale, 1.0, 2.0, 3.0, 4.0]],
        );
        let values = replayed(&job, 1, 5);
        assert_eq!(values[0][..3], [5.0, 8.0, 9.0]);
        assert!(chronoxide_model::is_stale_marker(values[0][3]));
        assert_eq!(values[0][4], 10.0);
        assert!(chronoxide_model::is_stale_marker(values[1][0]));
    }

    #[test]
    fn a_recording_of_one_scrape_stands_still() {
        let job = job(&[vec![5.0]], &[vec![7.0]]);
        assert_eq!(replayed(&job, 15, 3), [[5.0; 3], [7.0; 3]]);
    }
}
