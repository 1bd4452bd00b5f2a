//! Whether samples come so slowly that there is time to tidy up.

use std::time::{Duration, Instant};

/// The pace at which samples come.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    /// How many there had been by then.
    samples: u64,
    is_resting: bool,
}

impl Pace {
    /// A pace that is not known yet.
    pub(super) const fn new(now: Instant) -> Self {
        Self {
            since: now,
            samples: 0,
            is_resting: false,
        }
    }

    /// Notes that there have been so many samples until `now`, and says whether no more than `few` came in all of the
    /// last `span`.
    pub(super) fn is_resting(
        &mut self,
        now: Instant,
        samples: u64,
        few: u64,
        span: Duration,
    ) -> bool {
        let is_load = samples.saturating_sub(self.samples) > few;
        if is_load || now.duration_since(self.since) >= span {
            *self = Self {
                since: now,
                samples,
                is_resting: !is_load,
            };
        }
        self.is_resting
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_secs(60);

    /// What the pace is each second, when so many samples come in each of them.
    fn resting(per_second: &[u64]) -> Vec<bool> {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        let mut samples = 0;
        let seconds = (1..).zip(per_second).map(|(second, more)| {
            samples += more;
            pace.is_resting(start + Duration::from_secs(second), samples, 100, SPAN)
        });
        seconds.collect()
    }

    #[test]
    fn a_load_is_no_rest_however_it_is_spread() {
        assert!(!resting(&[2; 1000]).contains(&true));
        let scrapes: Vec<u64> = (0..1000)
            .map(|second| if second % 30 == 0 { 101 } else { 0 })
            .collect();
        assert!(!resting(&scrapes).contains(&true));
    }

    #[test]
    fn it_rests_a_span_after_the_last_load_and_until_the_next() {
        let all = [&[1000; 10][..], &[0; 100], &[1000], &[0; 59]].concat();
        let resting = resting(&all);
        let first = resting.iter().position(|resting| *resting);
        assert_eq!(first, Some(9 + 60));
        assert!(resting[69..110].iter().all(|resting| *resting));
        assert!(resting[110..].iter().all(|resting| !resting));
    }

    #[test]
    fn a_trickle_is_rest() {
        let resting = resting(&[1; 1000]);
        assert!(resting[60..].iter().all(|resting| *resting));
    }
}
