//! One float sample, and the stale marker.

/// The bit pattern that Prometheus reserves for "this series has ended here".
///
/// It is a signalling NaN that no arithmetic produces; every other NaN is an ordinary value
/// (Prometheus, `model/value`).
pub const STALE_MARKER_BITS: u64 = 0x7ff0_0000_0000_0002;

/// The stale marker as a value. Compare with [`is_stale_marker`]: as a NaN it equals nothing, itself included.
pub const STALE_MARKER: f64 = f64::from_bits(STALE_MARKER_BITS);

/// Whether `value` is the stale marker, bit for bit.
#[must_use]
pub const fn is_stale_marker(value: f64) -> bool {
    value.to_bits() == STALE_MARKER_BITS
}

/// A float sample: when, in Unix milliseconds, and what.
///
/// Two samples are equal when their bits are: a NaN equals the same NaN, and `0.0` differs from `-0.0`.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Unix time in milliseconds, negative before 1970.
    pub timestamp_ms: i64,
    /// The value, kept bit for bit, NaN payloads included.
    pub value: f64,
}

impl Sample {
    /// A sample of `value` at `timestamp_ms`.
    #[must_use]
    pub const fn new(timestamp_ms: i64, value: f64) -> Self {
        Self {
            timestamp_ms,
            value,
        }
    }

    /// Whether the value is the stale marker.
    #[must_use]
    pub const fn is_stale(&self) -> bool {
        is_stale_marker(self.value)
    }
}

impl PartialEq for Sample {
    fn eq(&self, other: &Self) -> bool {
        self.timestamp_ms == other.timestamp_ms && self.value.to_bits() == other.value.to_bits()
    }
}

impl Eq for Sample {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_reserved_nan_is_stale() {
        assert!(Sample::new(0, STALE_MARKER).is_stale());
        assert!(!is_stale_marker(f64::NAN));
        assert!(!is_stale_marker(f64::INFINITY));
    }

    #[test]
    fn samples_are_equal_when_their_bits_are() {
        assert_eq!(Sample::new(1, f64::NAN), Sample::new(1, f64::NAN));
        assert_ne!(Sample::new(1, 0.0), Sample::new(1, -0.0));
        assert_ne!(Sample::new(1, STALE_MARKER), Sample::new(1, f64::NAN));
    }
}
