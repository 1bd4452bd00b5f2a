//! Doubles as decimals: an integer mantissa and a power of ten, checked bit for bit.

/// The largest power of ten that a mantissa is divided by.
pub(super) const SCALE_MAX: u8 = 15;

/// 10^0 to 10^15; all of them are exact.
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];
/// 10^-0 to 10^-15, each rounded to the nearest double.
const FRACTIONS: [f64; 16] = [
    1e0, 1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12, 1e-13, 1e-14,
    1e-15,
];

/// Adding this to a double below 2^51 leaves its nearest integer in the low bits of the sum.
const ROUNDER: f64 = 6_755_399_441_055_744.0;
/// The bound above which [`ROUNDER`] does not round.
const MANTISSA_MAX: f64 = 2_251_799_813_685_248.0;

/// How a mantissa becomes a double again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// `m / 10^scale`: what parsing a short decimal gives.
    Quotient,
    /// `m * 10^-scale`: what code that multiplies ticks by 0.001 gives.
    Product,
}

/// A form and a power of ten, at most [`SCALE_MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    pub(super) form: Form,
    pub(super) scale: u8,
}

impl Decimal {
    const INTEGER: Self = Self {
        form: Form::Quotient,
        scale: 0,
    };

    /// What turns a mantissa into the double it stands for.
    pub(super) fn factor(self) -> Factor {
        let scale = usize::from(self.scale.min(SCALE_MAX));
        match self.form {
            _ if scale == 0 => Factor::One,
            Form::Quotient => Factor::Divide(POWERS.get(scale).copied().unwrap_or(1.0)),
            Form::Product => Factor::Multiply(FRACTIONS.get(scale).copied().unwrap_or(1.0)),
        }
    }
}

/// What turns a mantissa into its double.
#[derive(Clone, Copy, Debug)]
pub(super) enum Factor {
    One,
    Divide(f64),
    Multiply(f64),
}

impl Factor {
    pub(super) fn apply(self, mantissa: i64) -> f64 {
        match self {
            Self::One => mantissa as f64,
            Self::Divide(power) => mantissa as f64 / power,
            Self::Multiply(fraction) => mantissa as f64 * fraction,
        }
    }

    /// Appends the doubles of all `mantissas`.
    #[inline]
    pub(super) fn extend(self, mantissas: &[i64], out: &mut Vec<f64>) {
        // Beyond this many bits the sum with the rounder is not exact.
        let beyond = mantissas.iter().fold(0, |beyond, &mantissa| {
            beyond | mantissa.wrapping_add(1 << 51).cast_unsigned() >> 52
        });
        if beyond == 0 {
            self.extend_with(mantissas, small, out);
        } else {
            self.extend_with(mantissas, |mantissa| mantissa as f64, out);
        }
    }

    #[inline(always)]
    fn extend_with(self, mantissas: &[i64], double: impl Fn(i64) -> f64, out: &mut Vec<f64>) {
        let doubles = mantissas.iter().map(|&mantissa| double(mantissa));
        match self {
            Self::One => out.extend(doubles),
            Self::Divide(power) => out.extend(doubles.map(|double| double / power)),
            Self::Multiply(fraction) => out.extend(doubles.map(|double| double * fraction)),
        }
    }
}

/// The double of a mantissa from -2^51 up to below 2^51: an addition and a subtraction, which go side by side for several
/// mantissas where a conversion does not.
#[inline(always)]
fn small(mantissa: i64) -> f64 {
    let bits = mantissa.wrapping_add(ROUNDER.to_bits().cast_signed());
    f64::from_bits(bits.cast_unsigned()) - ROUNDER
}

/// The decimal form that gives back every one of `values` bit for bit, their mantissas left in `mantissas`.
pub(super) fn exact(values: &[f64], mantissas: &mut Vec<i64>) -> Option<Decimal> {
    if integers(values, mantissas) {
        return Some(Decimal::INTEGER);
    }
    [Form::Quotient, Form::Product]
        .into_iter()
        .find_map(|form| exact_in(form, values, mantissas))
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "what the cast changes does not come back, which is checked"
)]
fn integers(values: &[f64], mantissas: &mut Vec<i64>) -> bool {
    mantissas.clear();
    for &value in values {
        let mantissa = value as i64;
        if (mantissa as f64).to_bits() != value.to_bits() {
            return false;
        }
        mantissas.push(mantissa);
    }
    true
}

/// Raises the scale whenever a value needs it, and starts anew then: values that came before rarely fail at more digits,
/// and the scale rises at most 15 times.
fn exact_in(form: Form, values: &[f64], mantissas: &mut Vec<i64>) -> Option<Decimal> {
    let mut scale = 1;
    'scale: loop {
        mantissas.clear();
        let decimal = Decimal { form, scale };
        for &value in values {
            match mantissa_of(decimal, value) {
                Some(mantissa) => mantissas.push(mantissa),
                None => {
                    scale = (scale + 1..=SCALE_MAX)
                        .find(|&scale| mantissa_of(Decimal { form, scale }, value).is_some())?;
                    continue 'scale;
                }
            }
        }
        return Some(decimal);
    }
}

#[inline]
fn mantissa_of(decimal: Decimal, value: f64) -> Option<i64> {
    let (mantissa, back) = nearest(decimal, value)?;
    (back.to_bits() == value.to_bits()).then_some(mantissa)
}

/// The mantissa whose double is nearest to `value`, or next to it, and that double.
#[inline]
fn nearest(decimal: Decimal, value: f64) -> Option<(i64, f64)> {
    let scale = usize::from(decimal.scale);
    let power = POWERS.get(scale)?;
    let scaled = value * power;
    if scaled.is_nan() || scaled.abs() >= MANTISSA_MAX {
        return None;
    }
    let rounded = scaled + ROUNDER;
    let mantissa = rounded
        .to_bits()
        .wrapping_sub(ROUNDER.to_bits())
        .cast_signed();
    let whole = rounded - ROUNDER;
    let back = match decimal.form {
        Form::Quotient => whole / power,
        Form::Product => whole * FRACTIONS.get(scale)?,
    };
    Some((mantissa, back))
}

/// How far apart the doubles that decimals stand for and the values may be, in units of the last place, for a
/// correction to be worth trying.
const CORRECTION_MAX: u64 = 16;
/// How many values the search for a scale looks at.
const PROBES: usize = 16;

/// The decimal form that comes within a few units of the last place of every value: the mantissas go into `mantissas`,
/// the distances into `corrections`.
pub(super) fn corrected(
    values: &[f64],
    mantissas: &mut Vec<i64>,
    corrections: &mut Vec<i64>,
) -> Option<Decimal> {
    let stride = values.len().div_ceil(PROBES).max(1);
    let form = Form::Quotient;
    let decimal = (1..=SCALE_MAX)
        .map(|scale| Decimal { form, scale })
        .find(|&decimal| {
            values.iter().step_by(stride).all(|&value| {
                correction_of(decimal, value)
                    .is_some_and(|(_, by)| by.unsigned_abs() <= CORRECTION_MAX)
            })
        })?;
    mantissas.clear();
    corrections.clear();
    for &value in values {
        let (mantissa, correction) = correction_of(decimal, value)?;
        mantissas.push(mantissa);
        corrections.push(correction);
    }
    Some(decimal)
}

fn correction_of(decimal: Decimal, value: f64) -> Option<(i64, i64)> {
    let (mantissa, back) = nearest(decimal, value)?;
    Some((mantissa, ordered(value).wrapping_sub(ordered(back))))
}

/// Adds a distance in units of the last place to `value`.
pub(super) const fn correct(value: f64, correction: i64) -> f64 {
    from_ordered(ordered(value).wrapping_add(correction))
}

/// The bits of `value` as an integer that rises with the value: neighbouring doubles are neighbouring integers.
#[inline]
pub(super) const fn ordered(value: f64) -> i64 {
    let bits = value.to_bits().cast_signed();
    bits ^ ((bits >> 63) & i64::MAX)
}

/// The inverse of [`ordered`].
#[inline]
pub(super) const fn from_ordered(bits: i64) -> f64 {
    f64::from_bits((bits ^ ((bits >> 63) & i64::MAX)).cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mantissas_of_any_size_become_their_doubles() {
        let edge = 1_i64 << 51;
        let small = [0, 1, -1, 7, edge - 1, -edge, 1 - edge];
        let large = [edge, -edge - 1, i64::MAX, i64::MIN, 1 << 53, (1 << 53) + 1];
        for factor in [Factor::One, Factor::Divide(1000.0), Factor::Multiply(0.001)] {
            for mantissas in [
                &small[..],
                &large[..],
                &[&small[..], &large[..]].concat()[..],
            ] {
                let mut out = Vec::new();
                factor.extend(mantissas, &mut out);
                let expected = mantissas.iter().map(|&mantissa| factor.apply(mantissa));
                let bits = |value: f64| value.to_bits();
                assert!(out.iter().copied().map(bits).eq(expected.map(bits)));
            }
        }
    }
}
