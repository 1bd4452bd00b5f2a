//! Arithmetic and comparison between two vectors.
//!
//! The sides are told apart by how many of their series may share a group: "one" is the right side, or the left one
//! with `group_right`. As in Prometheus, `fill_left` fills the "many" side and `fill_right` the "one" side, also with
//! `group_right`.
//!
//! One thing differs from Prometheus with late name removal: a comparison of `rate(a[5m])` and the like does not bring
//! back the name `a`, which is to go; without late removal Prometheus agrees. What forbids a join is told of the first step
//! that has anything.

use std::cell::OnceCell;
use std::collections::HashMap;

use chronoxide_model::{Labels, METRIC_NAME};

use super::cells::{Operand, Operator, Outcome};
use super::failure::{Failure, Turn};
use super::matching::{MatchGroup, joinable, match_groups, present_steps};
use super::notes::Notes;
use super::scalar;
use crate::Error;
use crate::eval::{Bill, CellValue, Column, Evaluation, Merged, Sink, StepSeries, reserved};
use crate::plan::{Binary, Cardinality, Grouping, Position};

/// Hands on the series of `binary`, written at `position`: an operator other than those of sets between two vectors.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    binary: &Binary,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let left = evaluation.collect(&binary.left)?;
    let right = evaluation.collect(&binary.right)?;
    let groups = match_groups(evaluation, &binary.matching, &left, &right)?;
    let swapped = binary.matching.cardinality == Cardinality::OneToMany;
    let (many, one) = if swapped {
        (&right, &left)
    } else {
        (&left, &right)
    };
    let join = Join {
        evaluation,
        binary,
        operator: Operator::new(binary, false),
        swapped,
        many,
        one,
        many_present: OnceCell::new(),
        steps: evaluation.steps.count,
    };
    let mut notes = Notes::default();
    let mut output = Merged::counting(Bill::new(&evaluation.query.meter));
    let mut failure = Failure::default();
    let joined = groups.iter().try_for_each(|group| {
        evaluation.check()?;
        join.group(group, &mut output, &mut notes, &mut failure)
    });
    notes.annotate(evaluation, binary.op, position);
    failure.into_result()?;
    joined?;
    evaluation.hand_on(output.into_series(), sink)
}

/// An operator and its two collected vectors.
struct Join<'j> {
    evaluation: &'j Evaluation<'j>,
    binary: &'j Binary,
    operator: Operator,
    /// Whether "many" is the right side.
    swapped: bool,
    many: &'j [StepSeries],
    one: &'j [StepSeries],
    /// At which steps the "many" side has any series at all.
    many_present: OnceCell<Vec<bool>>,
    steps: usize,
}

/// One partner of a pair: a series, or a fill value for a group.
#[derive(Clone, Copy)]
struct Partner<'j> {
    labels: &'j Labels,
    values: Operand<'j>,
    drop_name: bool,
}

impl<'j> Partner<'j> {
    const fn series(series: &'j StepSeries) -> Self {
        Self {
            labels: &series.labels,
            values: Operand::Column(&series.column),
            drop_name: series.drop_name,
        }
    }

    const fn fill(group: &'j MatchGroup, value: f64) -> Self {
        Self {
            labels: &group.labels,
            values: Operand::Constant(value),
            drop_name: false,
        }
    }
}

/// At which steps series of a group have been paired.
#[derive(Default)]
struct Paired {
    /// By the labels of the result.
    results: HashMap<Labels, Vec<bool>>,
    /// With any result.
    any: Vec<bool>,
}

/// Two partners to be joined.
struct Pair<'j> {
    /// Where the pair stands among those of a step.
    number: usize,
    many: Partner<'j>,
    one: Partner<'j>,
}

/// What comes of the pairs of a group.
struct State<'s> {
    paired: Paired,
    output: &'s mut Merged,
    notes: &'s mut Notes,
    failure: &'s mut Failure,
}

impl Join<'_> {
    /// Joins the series of one group.
    fn group(
        &self,
        group: &MatchGroup,
        output: &mut Merged,
        notes: &mut Notes,
        failure: &mut Failure,
    ) -> Result<(), Error> {
        let (many, one) = if self.swapped {
            (&group.right, &group.left)
        } else {
            (&group.left, &group.right)
        };
        if let Some(series) = self.single_pair(many, one) {
            output.add(series)?;
            return Ok(());
        }
        self.check_one_side(group, one, failure)?;
        let joinable = joinable(
            &self.evaluation.query.stop,
            many.iter().map(|&number| &self.many[number]),
            one.iter().map(|&index| (index, &self.one[index])),
            failure.steps_of_pair(0, self.steps),
        )?;
        let matching = &self.binary.matching;
        let mut state = State {
            paired: Paired {
                any: vec![false; self.steps],
                ..Paired::default()
            },
            output,
            notes,
            failure,
        };
        let filled_one = matching.fill_right.map(|value| {
            let present = present_steps(one.iter().map(|&index| &self.one[index]), self.steps);
            (Partner::fill(group, value), present)
        });
        for &number in many {
            if state.failure.steps_of_pair(number, self.steps) == 0 {
                return Ok(());
            }
            let many = Partner::series(&self.many[number]);
            for &index in &joinable {
                let one = Partner::series(&self.one[index]);
                self.pair(Pair { number, many, one }, |_| true, &mut state)?;
            }
            if let Some((fill, present)) = &filled_one {
                let pair = Pair {
                    number,
                    many,
                    one: *fill,
                };
                self.pair(pair, |step| !present[step], &mut state)?;
            }
        }
        if let Some(value) = matching.fill_left {
            let unpaired: Vec<bool> = state.paired.any.iter().map(|paired| !paired).collect();
            let fill = Partner::fill(group, value);
            for &index in one {
                let one = Partner::series(&self.one[index]);
                let number = self.many.len() + index;
                if state.failure.steps_of_pair(number, self.steps) == 0 {
                    return Ok(());
                }
                let pair = Pair {
                    number,
                    many: fill,
                    one,
                };
                self.pair(pair, |step| unpaired[step], &mut state)?;
            }
        }
        Ok(())
    }

    /// The result of the most common group: one series of floats on each side, to be calculated with.
    fn single_pair(&self, many: &[usize], one: &[usize]) -> Option<StepSeries> {
        let matching = &self.binary.matching;
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        let (&[many], &[one]) = (many, one) else {
            return None;
        };
        let (many, one) = (&self.many[many], &self.one[one]);
        let histograms = many.column.has_histograms() || one.column.has_histograms();
        if filled || histograms || !self.operator.changes_quantity() {
            return None;
        }
        let (left, right) = if self.swapped {
            (one, many)
        } else {
            (many, one)
        };
        let join = |left, right| scalar(self.operator.op, left, right);
        let column = left.column.zip_floats(&right.column, join);
        let labels = self.result_labels(&many.labels, &one.labels);
        Some(self.result(many.labels.len(), StepSeries::new(labels, column, false)))
    }

    /// Two series of the "one" side at the same step are an error, if there is anything that they could match.
    fn check_one_side(
        &self,
        group: &MatchGroup,
        one: &[usize],
        failure: &mut Failure,
    ) -> Result<(), Error> {
        if one.len() < 2 {
            return Ok(());
        }
        let matching = &self.binary.matching;
        let filled = matching.fill_left.is_some() || matching.fill_right.is_some();
        let many_present = self
            .many_present
            .get_or_init(|| present_steps(self.many, self.steps));
        let steps = failure.steps(self.steps);
        for step in (0..steps).filter(|&step| filled || many_present[step]) {
            self.evaluation.check()?;
            let mut present = one
                .iter()
                .filter(|&&index| !self.one[index].column.is_absent(step));
            if let (Some(&first), Some(&second)) = (present.next(), present.next()) {
                failure.add(Turn::one_side(step, second), || {
                    self.duplicate(group, &self.one[first].labels, &self.one[second].labels)
                });
                break;
            }
        }
        Ok(())
    }

    fn duplicate(&self, group: &MatchGroup, first: &Labels, second: &Labels) -> Error {
        let mut series = [braced(first), braced(second)];
        series.sort();
        Error::execution(format!(
            "found duplicate series for the match group {} on the {} hand-side of the operation: [{}, {}]\
             ;many-to-many matching not allowed: matching labels must be unique on one side",
            braced(&group.labels),
            if self.swapped { "left" } else { "right" },
            series[0],
            series[1],
        ))
    }

    /// Applies the operator to one pair at those `steps` where both have a value.
    fn pair(
        &self,
        Pair { number, many, one }: Pair<'_>,
        steps: impl Fn(usize) -> bool,
        state: &mut State<'_>,
    ) -> Result<(), Error> {
        self.evaluation.check()?;
        let labels = self.result_labels(many.labels, one.labels);
        let (left, right) = if self.swapped {
            (one.values, many.values)
        } else {
            (many.values, one.values)
        };
        let one_to_one = self.binary.matching.cardinality == Cardinality::OneToOne;
        let paired = &mut state.paired;
        let mut results = (!one_to_one).then(|| {
            let unseen = || vec![false; self.steps];
            paired.results.entry(labels.clone()).or_insert_with(unseen)
        });
        let mut column = Column::absent(self.steps);
        let counted = 0..state.failure.steps_of_pair(number, self.steps);
        for step in counted.filter(|&step| steps(step)) {
            let mut note = None;
            let outcome = self
                .operator
                .apply(left.cell(step), right.cell(step), &mut note);
            if let Some(note) = note {
                state.notes.add(note, number, step);
            }
            let value = match outcome {
                Outcome::Nothing => continue,
                Outcome::Filtered => None,
                Outcome::Value(value) => Some(value),
            };
            let (again, needed) = match &mut results {
                Some(results) => (
                    std::mem::replace(&mut results[step], true),
                    "grouping labels must ensure unique matches",
                ),
                None => (
                    paired.any[step],
                    "many-to-one matching must be explicit (group_left/group_right)",
                ),
            };
            if again {
                let error = || Error::execution(format!("multiple matches for labels: {needed}"));
                state.failure.add(Turn::pair(step, number), error);
                return Ok(());
            }
            paired.any[step] = true;
            match value {
                Some(CellValue::Float(value)) => column.set_float(step, value),
                Some(value) => column.set(step, value),
                None => {}
            }
        }
        let drop_name = self.operator.returns_bool || self.keeps_doubtful_name(many);
        let series = StepSeries::new(labels, column, drop_name);
        state.output.add(self.result(many.labels.len(), series))?;
        Ok(())
    }

    /// Whether the result carries on a name that is to go at the end of the query.
    fn keeps_doubtful_name(&self, many: Partner<'_>) -> bool {
        let include = &self.binary.matching.include;
        many.drop_name
            && !self.operator.changes_quantity()
            && !include.iter().any(|name| name == METRIC_NAME)
    }

    /// The result of a pair whose "many" series has so many labels, and counts its own unless they are the same ones.
    fn result(&self, many: usize, series: StepSeries) -> StepSeries {
        let matching = &self.binary.matching;
        if series.labels.len() == many && matching.include.is_empty() {
            series
        } else {
            series.with_made_labels()
        }
    }

    /// The labels of the result of a pair.
    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let matching = &self.binary.matching;
        let one_to_one = matching.cardinality == Cardinality::OneToOne;
        let kept = many.filtered(|name| {
            if self.operator.changes_quantity() && reserved::is_reserved(name) {
                return false;
            }
            match &matching.labels {
                _ if !one_to_one => true,
                Grouping::By(names) => names.iter().any(|n| n == name),
                Grouping::Without(names) => !names.iter().any(|n| n == name),
            }
        });
        if matching.include.is_empty() {
            return kept;
        }
        let mut labels = kept.to_builder();
        for name in &matching.include {
            match one.get(name) {
                Some(value) => labels.set(name, value),
                None => labels.remove(name),
            };
        }
        // Names come from labels that exist, so none is empty; should one be, its label has no place in the result.
        labels.build().unwrap_or(kept)
    }
}

/// Labels as error messages show them: all in braces, the metric's name among them.
fn braced(labels: &Labels) -> String {
    let plain = |name: &str| {
        !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let pairs: Vec<String> = labels
        .iter()
        .map(|(name, value)| {
            if plain(name) {
                format!("{name}={value:?}")
            } else {
                format!("{name:?}={value:?}")
            }
        })
        .collect();
    format!("{{{}}}", pairs.join(", "))
}
