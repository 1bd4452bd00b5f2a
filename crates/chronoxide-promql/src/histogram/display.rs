//! Histograms as text, in the notation of Prometheus: `{count:3, sum:4.5, (1,2]:3}`.

use std::fmt;

use super::bucket::Bucket;
use crate::FloatHistogram;
use crate::annotations::number::go_general;

impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{{count:{}, sum:{}",
            go_general(self.count),
            go_general(self.sum)
        )?;
        for bucket in self.negative_buckets().rev() {
            write_bucket(f, &bucket, self.edges(bucket))?;
        }
        if !self.uses_custom_buckets() {
            write_bucket(f, &self.zero_bucket(), ('[', ']'))?;
        }
        for (bucket, (index, _)) in self.positive_buckets().zip(&self.positive) {
            let edges = if self.uses_custom_buckets() && *index == 0 {
                ('[', ']')
            } else {
                self.edges(bucket)
            };
            write_bucket(f, &bucket, edges)?;
        }
        f.write_str("}")
    }
}

impl FloatHistogram {
    /// The brackets of an interval: a bound belongs to the bucket that lies between it and zero.
    fn edges(&self, bucket: Bucket) -> (char, char) {
        if self.uses_custom_buckets() {
            return ('(', ']');
        }
        (
            if bucket.lower < 0.0 { '[' } else { '(' },
            if bucket.upper > 0.0 { ']' } else { ')' },
        )
    }
}

fn write_bucket(
    f: &mut fmt::Formatter<'_>,
    bucket: &Bucket,
    (open, close): (char, char),
) -> fmt::Result {
    if bucket.count == 0.0 {
        return Ok(());
    }
    write!(
        f,
        ", {open}{},{}{close}:{}",
        go_general(bucket.lower),
        go_general(bucket.upper),
        go_general(bucket.count)
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests::{custom, exponential};

    #[test]
    fn buckets_are_written_as_intervals() {
        let mut histogram = exponential(0, &[(1, 2.5), (2, 0.0)], &[(1, 1.0)]);
        histogram.zero_threshold = 0.001;
        histogram.zero_count = 2.0;
        histogram.sum = -1e-7;
        assert_eq!(
            histogram.to_string(),
            "{count:3.5, sum:-1e-07, [-2,-1):1, [-0.001,0.001]:2, (1,2]:2.5}"
        );
        let listed = custom(&[5.0], &[(0, 1.0), (1, 1e21)]);
        assert_eq!(
            listed.to_string(),
            "{count:1e+21, sum:0, [-Inf,5]:1, (5,+Inf]:1e+21}"
        );
    }
}
