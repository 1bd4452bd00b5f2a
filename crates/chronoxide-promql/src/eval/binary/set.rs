//! `and`, `or`, `unless`: which series stay depends on whether the other side has any of their group at a step.

use std::collections::HashMap;

use chronoxide_model::Labels;

use super::matching::{MatchGroup, match_groups, present_steps};
use crate::Error;
use crate::eval::{Evaluation, Sink, StepSeries};
use crate::plan::{Binary, BinaryOp};

/// Hands on the series of `binary`, a set operator.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    binary: &Binary,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let left = evaluation.collect(&binary.left)?;
    let right = if binary.op == BinaryOp::Or {
        evaluation.collect(&binary.right)?
    } else {
        evaluation.without_values().collect(&binary.right)?
    };
    let groups = match_groups(evaluation, &binary.matching, &left, &right)?;
    let steps = evaluation.steps.count;
    let mut left = Emptied(left.into_iter().map(Some).collect());
    let mut right = Emptied(right.into_iter().map(Some).collect());
    for group in groups {
        evaluation.check()?;
        let MatchGroup {
            left: ours,
            right: theirs,
            ..
        } = group;
        let other = if binary.op == BinaryOp::Or {
            present_steps(left.iter(&ours), steps)
        } else {
            present_steps(right.iter(&theirs), steps)
        };
        if binary.op == BinaryOp::Or {
            left.absorb(&ours, &mut right, &theirs, &other);
            right.keep(&theirs, |step| !other[step]);
        } else {
            let wanted = binary.op == BinaryOp::And;
            left.keep(&ours, |step| other[step] == wanted);
        }
    }
    left.emit(sink)?;
    match binary.op {
        BinaryOp::Or => right.emit(sink),
        _ => Ok(()),
    }
}

/// Series that are taken out one by one.
struct Emptied(Vec<Option<StepSeries>>);

impl Emptied {
    fn iter<'s>(&'s self, which: &'s [usize]) -> impl Iterator<Item = &'s StepSeries> {
        which.iter().filter_map(|&index| self.0[index].as_ref())
    }

    /// Moves series of `right` into those of the same labels here, at the steps where no series of the group `taken`.
    fn absorb(&mut self, ours: &[usize], right: &mut Self, theirs: &[usize], taken: &[bool]) {
        if ours.is_empty() || theirs.is_empty() {
            return;
        }
        let places: HashMap<Labels, usize> = ours
            .iter()
            .filter_map(|&index| Some((self.0[index].as_ref()?.labels.clone(), index)))
            .collect();
        for &index in theirs {
            let Some(series) = &right.0[index] else {
                continue;
            };
            let same = places.get(&series.labels).copied();
            let Some(own) = same
                .and_then(|index| self.0[index].as_mut())
                .filter(|own| own.drop_name == series.drop_name)
            else {
                continue;
            };
            for step in (0..taken.len()).filter(|&step| !taken[step]) {
                if let Some(value) = series.column.value(step) {
                    own.column.set(step, value);
                }
            }
            right.0[index] = None;
        }
    }

    /// Leaves the series `which` their values at the steps that `stays` holds for.
    fn keep(&mut self, which: &[usize], stays: impl Fn(usize) -> bool) {
        for &index in which {
            let Some(series) = &mut self.0[index] else {
                continue;
            };
            for step in 0..series.column.len() {
                if !stays(step) {
                    series.column.clear(step);
                }
            }
        }
    }

    /// Hands on what is left, in the order in which it came.
    fn emit(self, sink: Sink<'_>) -> Result<(), Error> {
        self.0
            .into_iter()
            .flatten()
            .filter(|series| !series.column.is_empty())
            .try_for_each(sink)
    }
}
