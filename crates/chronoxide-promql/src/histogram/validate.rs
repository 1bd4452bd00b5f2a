//! Whether a histogram is one that observations can give.

use chronoxide_model::CUSTOM_BUCKETS_SCHEMA;

use super::bounds::{SCHEMA_MAX, SCHEMA_MIN};
use crate::FloatHistogram;

/// What is wrong with a histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidHistogram {
    /// The schema is none.
    #[error("histogram has schema {schema}, which is neither between -4 and 8 nor -53")]
    Schema {
        /// The schema.
        schema: i8,
    },
    /// A count is below zero.
    #[error("histogram has a count of {count} in {place}")]
    NegativeCount {
        /// Where: a side, the zero bucket, or all observations.
        place: &'static str,
        /// The count.
        count: f64,
    },
    /// Bucket indexes are not ascending.
    #[error("histogram has bucket {index} out of order")]
    Order {
        /// The bucket that stands behind a higher or equal one.
        index: i32,
    },
    /// Custom bounds are not finite numbers in rising order.
    #[error("histogram has custom bound {bound} out of order or not finite")]
    Bounds {
        /// The bound.
        bound: f64,
    },
    /// A custom bucket has no bound.
    #[error("histogram has custom bucket {index} but only {bounds} bounds")]
    MissingBound {
        /// The bucket.
        index: i32,
        /// How many bounds there are.
        bounds: usize,
    },
    /// Parts that only one kind of histogram may have.
    #[error("histogram with {kind} buckets must not have {part}")]
    Stray {
        /// `exponential` or `custom`.
        kind: &'static str,
        /// What it has.
        part: &'static str,
    },
}

impl FloatHistogram {
    /// Checks that observations could have given this histogram. Totals are not compared with buckets: rounding makes
    /// them differ.
    ///
    /// # Errors
    /// The first thing found wrong.
    pub fn validate(&self) -> Result<(), InvalidHistogram> {
        if self.uses_custom_buckets() {
            self.validate_custom()?;
        } else {
            self.validate_exponential()?;
        }
        check_run("the positive buckets", &self.positive)?;
        check_run("the negative buckets", &self.negative)?;
        check_count("the zero bucket", self.zero_count)?;
        check_count("all observations", self.count)
    }

    fn validate_exponential(&self) -> Result<(), InvalidHistogram> {
        debug_assert_ne!(self.schema, CUSTOM_BUCKETS_SCHEMA);
        if !(SCHEMA_MIN..=SCHEMA_MAX).contains(&self.schema) {
            return Err(InvalidHistogram::Schema {
                schema: self.schema,
            });
        }
        if self.custom_bounds.is_empty() {
            Ok(())
        } else {
            Err(InvalidHistogram::Stray {
                kind: "exponential",
                part: "custom bounds",
            })
        }
    }

    fn validate_custom(&self) -> Result<(), InvalidHistogram> {
        for (part, there) in [
            ("a zero bucket count", self.zero_count != 0.0),
            ("a zero threshold", self.zero_threshold != 0.0),
            ("negative buckets", !self.negative.is_empty()),
        ] {
            if there {
                return Err(InvalidHistogram::Stray {
                    kind: "custom",
                    part,
                });
            }
        }
        let mut previous = f64::NEG_INFINITY;
        for (position, &bound) in self.custom_bounds.iter().enumerate() {
            let rises = bound > previous || (position == 0 && bound == previous);
            if !rises || bound == f64::INFINITY {
                return Err(InvalidHistogram::Bounds { bound });
            }
            previous = bound;
        }
        let bounds = self.custom_bounds.len();
        let unbounded =
            |index: i32| usize::try_from(index).map_or(true, |position| position > bounds);
        match self.positive.iter().find(|bucket| unbounded(bucket.0)) {
            Some(&(index, _)) => Err(InvalidHistogram::MissingBound { index, bounds }),
            None => Ok(()),
        }
    }
}

fn check_count(place: &'static str, count: f64) -> Result<(), InvalidHistogram> {
    if count < 0.0 {
        return Err(InvalidHistogram::NegativeCount { place, count });
    }
    Ok(())
}

fn check_run(place: &'static str, run: &[(i32, f64)]) -> Result<(), InvalidHistogram> {
    for pair in run.windows(2) {
        if pair[0].0 >= pair[1].0 {
            return Err(InvalidHistogram::Order { index: pair[1].0 });
        }
    }
    run.iter()
        .try_for_each(|&(_, count)| check_count(place, count))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};
    use super::*;

    #[test]
    fn sound_histograms_pass() {
        assert_eq!(exponential(3, &[(1, 1.0)], &[(0, 0.0)]).validate(), Ok(()));
        assert_eq!(
            custom(&[-1.0, 2.0], &[(0, 1.0), (2, 1.0)]).validate(),
            Ok(())
        );
    }

    #[test]
    fn each_fault_is_named() {
        use InvalidHistogram as Fault;
        assert!(matches!(
            exponential(9, &[], &[]).validate(),
            Err(Fault::Schema { schema: 9 })
        ));
        assert!(matches!(
            exponential(0, &[(1, -1.0)], &[]).validate(),
            Err(Fault::NegativeCount { .. })
        ));
        assert!(matches!(
            exponential(0, &[(2, 1.0), (1, 1.0)], &[]).validate(),
            Err(Fault::Order { index: 1 })
        ));
        assert!(matches!(
            custom(&[1.0, 1.0], &[]).validate(),
            Err(Fault::Bounds { .. })
        ));
        assert!(matches!(
            custom(&[f64::NAN], &[]).validate(),
            Err(Fault::Bounds { .. })
        ));
        assert!(matches!(
            custom(&[1.0], &[(2, 1.0)]).validate(),
            Err(Fault::MissingBound {
                index: 2,
                bounds: 1
            })
        ));
        let mut mixed = custom(&[1.0], &[]);
        mixed.zero_count = 1.0;
        assert!(matches!(mixed.validate(), Err(Fault::Stray { .. })));
    }
}
