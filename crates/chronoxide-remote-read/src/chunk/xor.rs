//! Float samples: differences of differences of times, and the bits in which neighbouring values differ.

use super::bits::{BitWriter, fits_signed};

/// A chunk of samples, of which there are at most 2^16 - 1, ascending in time.
pub(super) fn encode(timestamps_ms: &[i64], values: &[f64]) -> Vec<u8> {
    debug_assert_eq!(timestamps_ms.len(), values.len());
    let count = timestamps_ms.len();
    let mut out = BitWriter::after(vec![(count >> 8) as u8, count as u8]);
    let mut window = Window::default();
    let mut previous = (0_i64, 0.0_f64);
    let mut delta = 0_u64;
    for (index, (timestamp_ms, value)) in timestamps_ms.iter().zip(values).enumerate() {
        let new_delta = timestamp_ms.wrapping_sub(previous.0) as u64;
        match index {
            0 => {
                out.push_signed_varint(*timestamp_ms);
                out.push_float(*value);
            }
            1 => {
                out.push_varint(new_delta);
                window.push(&mut out, *value, previous.1);
            }
            _ => {
                push_time(&mut out, new_delta.wrapping_sub(delta) as i64);
                window.push(&mut out, *value, previous.1);
            }
        }
        previous = (*timestamp_ms, *value);
        delta = new_delta;
    }
    out.into_bytes()
}

fn push_time(out: &mut BitWriter, change: i64) {
    if change == 0 {
        return out.push(0, 1);
    }
    for (prefix, prefix_bits, width) in [(0b10, 2, 14), (0b110, 3, 17), (0b1110, 4, 20)] {
        if fits_signed(change, width) {
            out.push(prefix, prefix_bits);
            return out.push(change as u64, width);
        }
    }
    out.push(0b1111, 4);
    out.push(change as u64, 64);
}

/// Where the bits that differ lay last; kept as long as later ones fit in.
#[derive(Debug, Default)]
pub(super) struct Window(Option<(u32, u32)>);

impl Window {
    /// Appends `value` after `previous`.
    pub(super) fn push(&mut self, out: &mut BitWriter, value: f64, previous: f64) {
        let difference = value.to_bits() ^ previous.to_bits();
        if difference == 0 {
            return out.push(0, 1);
        }
        out.push(1, 1);
        // Five bits hold the count of zeros before.
        let leading = difference.leading_zeros().min(31);
        let trailing = difference.trailing_zeros();
        if let Some((before, after)) = self.0
            && leading >= before
            && trailing >= after
        {
            out.push(0, 1);
            return out.push(difference >> after, 64 - before - after);
        }
        self.0 = Some((leading, trailing));
        let significant = 64 - leading - trailing;
        out.push(1, 1);
        out.push(u64::from(leading), 5);
        // All 64 are written as none, which there never are.
        out.push(u64::from(significant), 6);
        out.push(difference >> trailing, significant);
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// Reads what was written, from the description of the format.
    struct BitReader<'a> {
        bytes: &'a [u8],
        at: usize,
    }

    impl BitReader<'_> {
        fn bit(&mut self) -> u64 {
            let bit = self.bytes[self.at / 8] >> (7 - self.at % 8) & 1;
            self.at += 1;
            u64::from(bit)
        }

        fn bits(&mut self, count: u32) -> u64 {
            (0..count).fold(0, |number, _| number << 1 | self.bit())
        }

        fn varint(&mut self) -> u64 {
            let mut number = 0;
            for shift in (0..).step_by(7) {
                let byte = self.bits(8);
                number |= (byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    return number;
                }
            }
            unreachable!("varints end")
        }
    }

    fn decode(bytes: &[u8]) -> Vec<(i64, u64)> {
        let count = usize::from(bytes[0]) << 8 | usize::from(bytes[1]);
        let mut reader = BitReader { bytes, at: 16 };
        let mut samples = Vec::new();
        let (mut time, mut value, mut delta) = (0_i64, 0_u64, 0_i64);
        let (mut leading, mut trailing) = (0, 0);
        for index in 0..count {
            if index == 0 {
                let number = reader.varint();
                time = (number >> 1) as i64 ^ -((number & 1) as i64);
                value = reader.bits(64);
                samples.push((time, value));
                continue;
            }
            if index == 1 {
                delta = reader.varint() as i64;
            } else {
                let ones = (0..4).take_while(|_| reader.bit() == 1).count();
                let width = [0, 14, 17, 20, 64][ones];
                let mut change = reader.bits(width) as i64;
                if width != 0 && width != 64 && change > 1 << (width - 1) {
                    change -= 1 << width;
                }
                delta = delta.wrapping_add(change);
            }
            time = time.wrapping_add(delta);
            if reader.bit() == 1 {
                if reader.bit() == 1 {
                    leading = reader.bits(5) as u32;
                    let significant = match reader.bits(6) as u32 {
                        0 => 64,
                        significant => significant,
                    };
                    trailing = 64 - leading - significant;
                }
                value ^= reader.bits(64 - leading - trailing) << trailing;
            }
            samples.push((time, value));
        }
        assert!(reader.at.div_ceil(8) == bytes.len(), "nothing follows");
        samples
    }

    fn round_trip(samples: &[(i64, f64)]) {
        let times: Vec<i64> = samples.iter().map(|sample| sample.0).collect();
        let values: Vec<f64> = samples.iter().map(|sample| sample.1).collect();
        let expected: Vec<_> = samples
            .iter()
            .map(|(time, value)| (*time, value.to_bits()))
            .collect();
        assert_eq!(decode(&encode(&times, &values)), expected);
    }

    #[test]
    fn samples_come_back_bit_for_bit() {
        let special = [
            0.0,
            -0.0,
            f64::NAN,
            chronoxide_model::STALE_MARKER,
            f64::INFINITY,
            f64::MAX,
            5e-324,
            1.0,
            1.0,
        ];
        let times = [i64::MIN, -1, 0, 1, 2, 10_000, 200_000, 1 << 41, i64::MAX];
        let samples: Vec<_> = times.into_iter().zip(special).collect();
        round_trip(&samples);
        for count in 0..3 {
            round_trip(&samples[..count]);
        }
    }

    #[test]
    fn random_samples_come_back_bit_for_bit() {
        let seed = 20_261_121;
        let mut random = StdRng::seed_from_u64(seed);
        for _ in 0..300 {
            let mut time = random.random_range(0..2_000_000_000_000);
            let width = random.random_range(1..40);
            let samples: Vec<_> = (0..120)
                .map(|_| {
                    time += random.random_range(1..=1_i64 << width);
                    let value = match random.random_range(0..3) {
                        0 => f64::from(random.random_range(0..100)),
                        1 => f64::from_bits(random.random()),
                        _ => random.random(),
                    };
                    (time, value)
                })
                .collect();
            round_trip(&samples);
        }
    }

    #[test]
    fn edges_of_the_time_widths_come_back() {
        for change in [
            8191, 8192, 8193, -8191, -8192, 65_536, 65_537, -65_535, 524_288, 524_289, -524_287,
            -524_288,
        ] {
            let step = 1_000_000;
            round_trip(&[
                (0, 1.0),
                (step, 1.0),
                (2 * step + change, 1.0),
                (3 * step + change, 2.0),
            ]);
        }
    }
}
