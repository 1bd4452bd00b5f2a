//! Sorting, however much there is, with a look every now and then whether the query is to go on.

use std::cmp::Ordering;

use crate::Error;
use crate::eval::{Charge, Evaluation, Size};

/// So many are sorted or compared without a look, which takes about a millisecond.
const PIECE: usize = 4096;

/// Sorts `all`; what is equal stays in its order.
///
/// # Errors
/// When the query is to stop, and when there is no memory for it; nothing is certain about `all` then.
pub(crate) fn sort_by<T>(
    evaluation: &Evaluation<'_>,
    all: &mut Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<(), Error> {
    if all.len() <= PIECE {
        all.sort_by(compare);
        return Ok(());
    }
    if is_sorted(evaluation, all, &compare)? {
        return Ok(());
    }
    let bytes = 2 * size_of::<usize>() + size_of::<Option<T>>();
    let bytes = Size::of_bytes((bytes * all.len()) as u64);
    let _charge = Charge::new(&evaluation.query.meter, bytes)?;
    let mut order: Vec<usize> = (0..all.len()).collect();
    for piece in order.chunks_mut(PIECE) {
        evaluation.check()?;
        piece.sort_by(|left, right| compare(&all[*left], &all[*right]));
    }
    let mut merged = Vec::with_capacity(order.len());
    let mut length = PIECE;
    while length < order.len() {
        merged.clear();
        for pair in order.chunks(2 * length) {
            let (left, right) = pair.split_at(length.min(pair.len()));
            let is_before = |right: usize, left: usize| compare(&all[right], &all[left]).is_lt();
            merge(evaluation, (left, right), is_before, &mut merged)?;
        }
        std::mem::swap(&mut order, &mut merged);
        length *= 2;
    }
    let mut taken: Vec<Option<T>> = std::mem::take(all).into_iter().map(Some).collect();
    all.reserve_exact(order.len());
    for piece in order.chunks(PIECE) {
        evaluation.check()?;
        all.extend(piece.iter().filter_map(|index| taken[*index].take()));
    }
    Ok(())
}

/// Whether `all` is in order already, as most selected series are.
fn is_sorted<T>(
    evaluation: &Evaluation<'_>,
    all: &[T],
    compare: impl Fn(&T, &T) -> Ordering,
) -> Result<bool, Error> {
    for start in (0..all.len()).step_by(PIECE) {
        evaluation.check()?;
        // With the first of the next piece.
        let end = (start + PIECE + 1).min(all.len());
        if !all[start..end].is_sorted_by(|left, right| compare(left, right).is_le()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Appends two sorted runs to `merged` in order, those of `left` first where they are equal.
fn merge(
    evaluation: &Evaluation<'_>,
    (left, right): (&[usize], &[usize]),
    is_before: impl Fn(usize, usize) -> bool,
    merged: &mut Vec<usize>,
) -> Result<(), Error> {
    let (mut left, mut right) = (left.iter().peekable(), right.iter().peekable());
    while let (Some(one), Some(other)) = (left.peek(), right.peek()) {
        if merged.len().is_multiple_of(PIECE) {
            evaluation.check()?;
        }
        let next = if is_before(**other, **one) {
            right.next()
        } else {
            left.next()
        };
        merged.extend(next);
    }
    merged.extend(left);
    merged.extend(right);
    Ok(())
}
