//! Which series of two vectors belong together.

use chronoxide_model::{Labels, METRIC_NAME};

use crate::Error;
use crate::eval::{Evaluation, LabelTable, Place, StepSeries, Stop};
use crate::plan::{Grouping, Matching};

/// The labels of `labels` that must agree with those of the other side.
pub(super) fn signature(matching: &Matching, labels: &Labels) -> Labels {
    match &matching.labels {
        Grouping::By(names) => labels.filtered(|name| names.iter().any(|n| n == name)),
        Grouping::Without(names) => {
            labels.filtered(|name| name != METRIC_NAME && !names.iter().any(|n| n == name))
        }
    }
}

/// Series of both sides with the same signature.
#[derive(Debug, Default)]
pub(super) struct MatchGroup {
    /// The signature.
    pub(super) labels: Labels,
    /// Which series of the left vector.
    pub(super) left: Vec<usize>,
    /// Which series of the right vector.
    pub(super) right: Vec<usize>,
}

/// Sorts the series of both sides into groups, in the order in which their signatures first come.
///
/// # Errors
/// When the query is to stop.
pub(super) fn match_groups(
    evaluation: &Evaluation<'_>,
    matching: &Matching,
    left: &[StepSeries],
    right: &[StepSeries],
) -> Result<Vec<MatchGroup>, Error> {
    let mut groups: Vec<MatchGroup> = Vec::new();
    let mut places = LabelTable::default();
    let mut group_of = |groups: &mut Vec<MatchGroup>, series: &StepSeries| {
        evaluation.check()?;
        let labels = signature(matching, &series.labels);
        Ok::<_, Error>(
            match places.place(&labels, |number| groups[number].labels == labels) {
                Place::Known(number) => number,
                Place::New(number) => {
                    groups.push(MatchGroup {
                        labels,
                        ..MatchGroup::default()
                    });
                    number
                }
            },
        )
    };
    for (index, series) in left.iter().enumerate() {
        let group = group_of(&mut groups, series)?;
        groups[group].left.push(index);
    }
    for (index, series) in right.iter().enumerate() {
        let group = group_of(&mut groups, series)?;
        groups[group].right.push(index);
    }
    Ok(groups)
}

/// At which steps any of `series` has a value.
pub(super) fn present_steps<'s>(
    series: impl IntoIterator<Item = &'s StepSeries>,
    steps: usize,
) -> Vec<bool> {
    let mut present = vec![false; steps];
    for one in series {
        mark_present(one, &mut present);
    }
    present
}

/// Marks the steps at which `series` has a value.
pub(super) fn mark_present(series: &StepSeries, present: &mut [bool]) {
    for (step, seen) in present.iter_mut().enumerate() {
        *seen |= !series.column.is_absent(step);
    }
}

/// The numbers of those of `one` that meet any of `many` at the first `steps`. As no two may be there at a step with any
/// of `many`, these are few, however many are in the group.
///
/// # Errors
/// When the query is to stop.
pub(super) fn joinable<'s>(
    stop: &Stop,
    many: impl IntoIterator<Item = &'s StepSeries>,
    one: impl ExactSizeIterator<Item = (usize, &'s StepSeries)>,
    steps: usize,
) -> Result<Vec<usize>, Error> {
    if one.len() < 2 {
        return Ok(one.map(|(number, _)| number).collect());
    }
    let mut wanted = vec![false; steps];
    for series in many {
        stop.check()?;
        mark_present(series, &mut wanted);
    }
    let mut joinable = Vec::new();
    for (number, series) in one {
        stop.check()?;
        if (0..steps).any(|step| wanted[step] && !series.column.is_absent(step)) {
            joinable.push(number);
        }
    }
    Ok(joinable)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cancellation;
    use crate::eval::Column;

    /// A series that has a value at each of `steps`, of four.
    fn at(steps: &[usize]) -> StepSeries {
        let mut column = Column::absent(4);
        for &step in steps {
            column.set_float(step, 1.0);
        }
        StepSeries::new(Labels::empty(), column, false)
    }

    fn joined(stop: &Stop, one: &[StepSeries], steps: usize) -> Result<Vec<usize>, Error> {
        let many = [at(&[0, 2]), at(&[3])];
        joinable(stop, &many, one.iter().enumerate(), steps)
    }

    #[test]
    fn series_that_come_after_a_mistaken_join_are_not_joined() {
        let stop = Stop::default();
        let one = [at(&[3]), at(&[0, 3]), at(&[1, 3]), at(&[2])];
        assert_eq!(joined(&stop, &one, 4).unwrap(), [0, 1, 2, 3]);
        assert_eq!(joined(&stop, &one, 3).unwrap(), [1, 3]);
        assert_eq!(joined(&stop, &one, 1).unwrap(), [1]);
        assert!(joined(&stop, &one[2..], 2).unwrap().is_empty());
        assert!(joined(&stop, &one, 0).unwrap().is_empty());
    }

    #[test]
    fn a_cancelled_query_does_not_look_for_what_to_join() {
        let cancellation = Cancellation::new();
        cancellation.cancel();
        let stop = Stop::new(cancellation, None);
        let one = [at(&[0]), at(&[2])];
        assert!(matches!(joined(&stop, &one, 4), Err(Error::Cancelled)));
    }
}
