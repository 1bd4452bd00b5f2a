//! `and`, `or`, `unless`: which series stay depends on whether the other side has any of their group at a step.

use std::collections::HashMap;

use chronoxide_model::Labels;

use super::matching::{MatchGroup, mark_present, match_groups};
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
            left.present_steps(evaluation, &ours)?
        } else {
            right.present_steps(evaluation, &theirs)?
        };
        if binary.op == BinaryOp::Or {
            left.absorb(evaluation, &ours, (&mut right, &theirs), &other)?;
            right.keep(evaluation, &theirs, |step| !other[step])?;
        } else {
            let wanted = binary.op == BinaryOp::And;
            left.keep(evaluation, &ours, |step| other[step] == wanted)?;
        }
    }
    evaluation.hand_on(left.into_rest(), sink)?;
    match binary.op {
        BinaryOp::Or => evaluation.hand_on(right.into_rest(), sink),
        _ => Ok(()),
    }
}

/// Series that are taken out one by one.
struct Emptied(Vec<Option<StepSeries>>);

impl Emptied {
    /// At which steps any of the series `which` has a value.
    fn present_steps(
        &self,
        evaluation: &Evaluation<'_>,
        which: &[usize],
    ) -> Result<Vec<bool>, Error> {
        let mut present = vec![false; evaluation.steps.count];
        for &index in which {
            evaluation.check()?;
            if let Some(series) = &self.0[index] {
                mark_present(series, &mut present);
            }
        }
        Ok(present)
    }

    /// Moves series of `right` into those of the same labels here, at the steps where no series of the group `taken`.
    fn absorb(
        &mut self,
        evaluation: &Evaluation<'_>,
        ours: &[usize],
        (right, theirs): (&mut Self, &[usize]),
        taken: &[bool],
    ) -> Result<(), Error> {
        if ours.is_empty() || theirs.is_empty() {
            return Ok(());
        }
        let places: HashMap<Labels, usize> = ours
            .iter()
            .filter_map(|&index| Some((self.0[index].as_ref()?.labels.clone(), index)))
            .collect();
        for &index in theirs {
            evaluation.check()?;
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
        Ok(())
    }

    /// Leaves the series `which` their values at the steps that `stays` holds for.
    fn keep(
        &mut self,
        evaluation: &Evaluation<'_>,
        which: &[usize],
        stays: impl Fn(usize) -> bool,
    ) -> Result<(), Error> {
        for &index in which {
            evaluation.check()?;
            let Some(series) = &mut self.0[index] else {
                continue;
            };
            for step in 0..series.column.len() {
                if !stays(step) {
                    series.column.clear(step);
                }
            }
        }
        Ok(())
    }

    /// What is left, in the order in which it came.
    fn into_rest(self) -> impl Iterator<Item = StepSeries> {
        let left = self.0.into_iter().flatten();
        left.filter(|series| !series.column.is_empty())
    }
}
