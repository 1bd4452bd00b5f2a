//! A small source of series for unit tests.

use std::collections::BTreeMap;

use chronoxide_model::{
    Histogram, Labels, Matcher, SampleColumns, SeriesSet, SeriesSource, SourceError, TimeRange,
};

/// Series kept as columns, by labels.
#[derive(Debug, Default)]
pub(crate) struct MemorySource(BTreeMap<Labels, SampleColumns>);

impl MemorySource {
    /// The columns of the series `labels`, written as pairs.
    pub(crate) fn series(&mut self, labels: &[(&str, &str)]) -> &mut SampleColumns {
        let labels =
            Labels::from_pairs(labels.iter().copied()).expect("labels of a test are valid");
        self.0.entry(labels).or_default()
    }

    /// Adds floats, the first one at `start_ms` and the others `step_ms` apart.
    pub(crate) fn floats(
        &mut self,
        labels: &[(&str, &str)],
        start_ms: i64,
        step_ms: i64,
        values: &[f64],
    ) -> &mut Self {
        let columns = self.series(labels);
        for (index, value) in (0..).zip(values) {
            columns.timestamps_ms.push(start_ms + step_ms * index);
            columns.values.push(*value);
        }
        self
    }

    /// Adds a histogram.
    pub(crate) fn histogram(
        &mut self,
        labels: &[(&str, &str)],
        at_ms: i64,
        histogram: Histogram,
    ) -> &mut Self {
        let columns = self.series(labels);
        columns.histogram_timestamps_ms.push(at_ms);
        columns.histograms.push(histogram);
        self
    }
}

fn satisfies(labels: &Labels, matchers: &[Matcher]) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher.matches(labels.get(matcher.name()).unwrap_or_default()))
}

impl SeriesSource for MemorySource {
    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
    ) -> Result<Box<dyn SeriesSet + '_>, SourceError> {
        let series = self
            .0
            .iter()
            .filter(|(labels, _)| satisfies(labels, matchers))
            .collect();
        Ok(Box::new(MemorySet { series, range }))
    }

    fn label_names(&self, _: &[Matcher], _: TimeRange) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for names".into())
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: TimeRange,
    ) -> Result<Vec<String>, SourceError> {
        Err("queries do not ask for values".into())
    }
}

#[derive(Debug)]
struct MemorySet<'s> {
    series: Vec<(&'s Labels, &'s SampleColumns)>,
    range: TimeRange,
}

impl SeriesSet for MemorySet<'_> {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn labels(&self, index: usize) -> Labels {
        self.series[index].0.clone()
    }

    fn read(&self, index: usize, columns: &mut SampleColumns) -> Result<(), SourceError> {
        columns.clear();
        let all = self.series[index].1;
        for (position, at_ms) in all.timestamps_ms.iter().enumerate() {
            if self.range.contains(*at_ms) {
                columns.timestamps_ms.push(*at_ms);
                columns.values.push(all.values[position]);
                columns
                    .start_timestamps_ms
                    .extend(all.start_timestamps_ms.get(position));
            }
        }
        for (position, at_ms) in all.histogram_timestamps_ms.iter().enumerate() {
            if self.range.contains(*at_ms) {
                columns.histogram_timestamps_ms.push(*at_ms);
                columns.histograms.push(all.histograms[position].clone());
                columns
                    .histogram_start_timestamps_ms
                    .extend(all.histogram_start_timestamps_ms.get(position));
            }
        }
        Ok(())
    }
}
