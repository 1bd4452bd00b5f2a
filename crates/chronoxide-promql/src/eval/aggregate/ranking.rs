//! `topk` and `bottomk`

use std::collections::HashMap;

use super::groups::{GroupNumbers, charge_group};
use super::parameter::Parameter;
use crate::Error;
use crate::annotations::Annotation;
use crate::eval::{Charge, Column, Evaluation, Outline, Sink, Size};
use crate::plan::{Aggregate, AggregateOp, Position};

/// Hands on the series with the k largest or smallest values of each group and step, each with the values that are
/// among them. With one step they come in the order of their values.
pub(super) fn for_each(
    evaluation: &Evaluation<'_>,
    aggregate: &Aggregate,
    position: Position,
    sink: Sink<'_>,
) -> Result<(), Error> {
    let Some(limits) = Parameter::new(evaluation, aggregate)?.counts()? else {
        return evaluation.for_each(&aggregate.inner, &mut |_| Ok(()));
    };
    let order = if aggregate.op == AggregateOp::Topk {
        Order::Largest
    } else {
        Order::Smallest
    };
    let steps = evaluation.steps.count;
    let mut numbers = GroupNumbers::default();
    let mut groups: Vec<Group> = Vec::new();
    let mut series_seen: Vec<Outline> = Vec::new();
    let mut histogram_ignored = false;
    let ranked = evaluation.for_each(&aggregate.inner, &mut |series| {
        histogram_ignored |= series.column.has_histograms();
        let (number, new) = numbers.number(&aggregate.grouping, &series.labels);
        if let Some(labels) = new {
            groups.push(Group {
                // Counted before memory is taken.
                charges: vec![charge_group(evaluation, &labels)?],
                best: (0..steps).map(|_| Best::new(order)).collect(),
            });
        }
        let group = &mut groups[number];
        let mut added = 0;
        for (step, value) in series.column.floats() {
            let entry = Entry {
                value,
                series: series_seen.len(),
            };
            added += usize::from(group.best[step].offer(entry, limits[step]));
        }
        group.charges.push(Charge::new(
            &evaluation.query.meter,
            Size::of_floats(added).and(series.labels_size()),
        )?);
        series_seen.push(series.into_outline());
        Ok(())
    });
    if histogram_ignored {
        let annotation = Annotation::HistogramIgnoredInAggregation(aggregate.op.as_str());
        evaluation.annotate(annotation, position);
    }
    ranked?;
    groups
        .into_iter()
        .try_for_each(|group| group.finish(evaluation, &series_seen, sink))
}

/// Which values win.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Largest,
    Smallest,
}

impl Order {
    /// Whether `left` loses to `right`; NaN loses to everything.
    fn loses(self, left: f64, right: f64) -> bool {
        match self {
            _ if left.is_nan() => true,
            Self::Largest => left < right,
            Self::Smallest => left > right,
        }
    }
}

/// A value and the series that has it.
#[derive(Clone, Copy, Debug)]
struct Entry {
    value: f64,
    series: usize,
}

/// The best values of one step: a heap with the worst of them on top.
#[derive(Debug)]
struct Best {
    order: Order,
    heap: Vec<Entry>,
}

impl Best {
    const fn new(order: Order) -> Self {
        Self {
            order,
            heap: Vec::new(),
        }
    }

    /// Takes `entry` if it is among the `limit` best; true if that makes one more.
    fn offer(&mut self, entry: Entry, limit: usize) -> bool {
        if self.heap.len() < limit {
            self.heap.push(entry);
            self.rise(self.heap.len() - 1);
            return true;
        }
        // NaN takes no place that is taken, not even that of a NaN.
        let beaten =
            |worst: &Entry| !entry.value.is_nan() && self.order.loses(worst.value, entry.value);
        if self.heap.first().is_some_and(beaten) {
            self.heap[0] = entry;
            self.sink();
        }
        false
    }

    fn rise(&mut self, from: usize) {
        let mut child = from;
        while child > 0 {
            let parent = (child - 1) / 2;
            if !self.loses(child, parent) {
                break;
            }
            self.heap.swap(child, parent);
            child = parent;
        }
    }

    fn sink(&mut self) {
        let mut parent = 0;
        loop {
            let left = parent * 2 + 1;
            if left >= self.heap.len() {
                break;
            }
            let right = left + 1;
            let child = if right < self.heap.len() && self.loses(right, left) {
                right
            } else {
                left
            };
            if !self.loses(child, parent) {
                break;
            }
            self.heap.swap(child, parent);
            parent = child;
        }
    }

    fn loses(&self, left: usize, right: usize) -> bool {
        self.order
            .loses(self.heap[left].value, self.heap[right].value)
    }

    /// The entries, the best first, equal ones in the order in which they came.
    fn into_sorted(mut self) -> Vec<Entry> {
        let order = self.order;
        self.heap.sort_by(|left, right| {
            let by_value = match (left.value.is_nan(), right.value.is_nan()) {
                (false, false) if order == Order::Largest => right.value.partial_cmp(&left.value),
                (false, false) => left.value.partial_cmp(&right.value),
                (left, right) => Some(left.cmp(&right)),
            };
            by_value
                .unwrap_or(std::cmp::Ordering::Equal)
                .then(left.series.cmp(&right.series))
        });
        self.heap
    }
}

/// The best values of one group.
struct Group {
    best: Vec<Best>,
    charges: Vec<Charge>,
}

impl Group {
    /// Hands on the series that have any of the best values.
    fn finish(
        self,
        evaluation: &Evaluation<'_>,
        series: &[Outline],
        sink: Sink<'_>,
    ) -> Result<(), Error> {
        let steps = self.best.len();
        let mut order: Vec<usize> = Vec::new();
        let mut columns: HashMap<usize, Column> = HashMap::new();
        for (step, best) in self.best.into_iter().enumerate() {
            evaluation.check_step(step)?;
            for entry in best.into_sorted() {
                columns
                    .entry(entry.series)
                    .or_insert_with(|| {
                        order.push(entry.series);
                        Column::absent(steps)
                    })
                    .set_float(step, entry.value);
            }
        }
        drop(self.charges);
        let ranked = order
            .into_iter()
            .filter_map(|index| Some(series[index].with_column(columns.remove(&index)?)));
        evaluation.hand_on(ranked, sink)
    }
}
