//! The exposition formats: lines such as `up{job="node"} 1 1700000000000`.

use chronoxide_model::{Exemplar, Labels, METRIC_NAME, Metadata, MetricType, Sample, WriteBatch};

use crate::number::{NORMAL_NAN, parse_float, parse_seconds};
use crate::scan::Scan;
use crate::{Error, Result};

/// Which of the formats a text is in; they differ in how times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Prometheus' own, version 0.0.4: times in milliseconds.
    Prometheus,
    /// OpenMetrics: times in seconds, and an end that is marked.
    OpenMetrics,
}

/// Reads the lines of one text.
#[derive(Debug)]
pub struct TextReader {
    dialect: Dialect,
    /// The time of samples that have none.
    timestamp_ms: i64,
    extra: Vec<(String, String)>,
    /// What comments have said of a metric whose samples have not begun.
    described: Option<(String, Metadata)>,
    has_ended: bool,
}

impl TextReader {
    /// The beginning of a text; samples without a time are of `timestamp_ms`, in Unix milliseconds.
    #[must_use]
    pub const fn new(dialect: Dialect, timestamp_ms: i64) -> Self {
        Self {
            dialect,
            timestamp_ms,
            extra: Vec::new(),
            described: None,
            has_ended: false,
        }
    }

    /// Adds labels to every series; they replace labels of the same name.
    #[must_use]
    pub fn with_labels(mut self, extra: Vec<(String, String)>) -> Self {
        self.extra = extra;
        self
    }

    /// Puts what `line` says into `batch`. A comment that describes a metric is put there with the line after it.
    ///
    /// # Errors
    /// What is wrong with the line, and in which column. `batch` is as before then.
    pub fn read_line(&mut self, line: &[u8], batch: &mut WriteBatch<'_>) -> Result<()> {
        let text = std::str::from_utf8(line).map_err(|error| Error::Utf8 {
            offset: error.valid_up_to(),
        })?;
        let mut scan = Scan::new(text);
        scan.skip_blanks();
        if scan.is_at_end() {
            return Ok(());
        }
        if self.has_ended {
            return Err(Error::AfterEnd);
        }
        if scan.take("#") {
            return self.read_comment(scan, batch);
        }
        self.read_sample(scan, batch)
    }

    /// Puts into `batch` what comments at the end of the text have described.
    pub fn finish(&mut self, batch: &mut WriteBatch<'_>) {
        if let Some((name, metadata)) = self.described.take() {
            batch.push_metadata(name, metadata);
        }
    }

    fn read_comment(&mut self, mut scan: Scan<'_>, batch: &mut WriteBatch<'_>) -> Result<()> {
        scan.skip_blanks();
        let kind = scan.word();
        match kind {
            "EOF" if self.dialect == Dialect::OpenMetrics && scan.is_at_end() => {
                self.has_ended = true;
                self.finish(batch);
                return Ok(());
            }
            "HELP" | "TYPE" | "UNIT" => {}
            _ => return Ok(()),
        }
        scan.skip_blanks();
        let name = if scan.rest().starts_with('"') {
            scan.quoted("a metric name")?
        } else {
            scan.name(true, "a metric name")?.to_owned()
        };
        if !scan.is_at_end() && !scan.skip_blanks() {
            return Err(scan.expected("a blank after the metric name"));
        }
        let metric_type = if kind == "TYPE" {
            Some(metric_type(&mut scan)?)
        } else {
            None
        };
        let metadata = self.described(name, batch);
        match (kind, metric_type) {
            ("HELP", _) => metadata.help = unescape_help(scan.rest()),
            ("UNIT", _) => metadata.unit = scan.rest().trim_end().to_owned(),
            (_, Some(metric_type)) => metadata.metric_type = metric_type,
            _ => {}
        }
        Ok(())
    }

    /// What is known of metric `name` so far; what was known of another goes into `batch`.
    fn described(&mut self, name: String, batch: &mut WriteBatch<'_>) -> &mut Metadata {
        if self
            .described
            .as_ref()
            .is_some_and(|(before, _)| *before != name)
        {
            self.finish(batch);
        }
        let (_, metadata) = self
            .described
            .get_or_insert_with(|| (name, Metadata::default()));
        metadata
    }

    fn read_sample(&mut self, mut scan: Scan<'_>, batch: &mut WriteBatch<'_>) -> Result<()> {
        let mut pairs: Vec<(String, String)> = Vec::with_capacity(8);
        if !scan.rest().starts_with('{') {
            let name = scan.name(true, "a metric name")?;
            pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
        }
        scan.skip_blanks();
        if scan.take("{") {
            read_labels(&mut scan, &mut pairs, true)?;
        }
        if !pairs.iter().any(|(name, _)| name == METRIC_NAME) {
            return Err(scan.expected("a metric name before the labels or in quotes among them"));
        }
        scan.skip_blanks();
        let value = read_value(&mut scan)?;
        let timestamp_ms = self.read_time(&mut scan)?.unwrap_or(self.timestamp_ms);
        let exemplar = read_exemplar(&mut scan, timestamp_ms)?;
        if !scan.is_at_end() {
            return Err(scan.expected("the end of the line"));
        }
        pairs.retain(|(name, _)| !self.extra.iter().any(|(extra, _)| extra == name));
        let labels = Labels::from_pairs(pairs.iter().chain(&self.extra).map(|(n, v)| (n, v)))?;
        self.finish(batch);
        batch.start_series(&labels);
        batch.push_sample(Sample::new(timestamp_ms, value));
        if let Some(exemplar) = exemplar {
            batch.push_exemplar(exemplar);
        }
        Ok(())
    }

    fn read_time(&self, scan: &mut Scan<'_>) -> Result<Option<i64>> {
        scan.skip_blanks();
        if scan.is_at_end() || scan.rest().starts_with('#') {
            return Ok(None);
        }
        let before = *scan;
        let text = scan.word();
        let parsed = match self.dialect {
            Dialect::Prometheus => {
                let digits = text.strip_prefix('-').unwrap_or(text);
                if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
                    return Err(before.expected("a time in whole milliseconds"));
                }
                text.parse().ok()
            }
            Dialect::OpenMetrics => {
                if parse_float(text).is_none() {
                    return Err(before.expected("a time in seconds"));
                }
                parse_seconds(text)
            }
        };
        scan.skip_blanks();
        parsed.map(Some).ok_or_else(|| Error::Time {
            text: text.chars().take(40).collect(),
        })
    }
}

/// Reads labels up to the closing brace; `with_name` allows the metric's name among them, in quotes and alone.
fn read_labels(
    scan: &mut Scan<'_>,
    pairs: &mut Vec<(String, String)>,
    with_name: bool,
) -> Result<()> {
    loop {
        scan.skip_blanks();
        if scan.take("}") {
            return Ok(());
        }
        let is_quoted = scan.rest().starts_with('"');
        let name = if is_quoted {
            scan.quoted("a label name")?
        } else {
            scan.name(false, "a label name or a closing brace")?
                .to_owned()
        };
        scan.skip_blanks();
        if scan.take("=") {
            scan.skip_blanks();
            let value = scan.quoted("a label value in quotes")?;
            pairs.push((name, value));
        } else if is_quoted && with_name && !name.is_empty() {
            pairs.push((METRIC_NAME.to_owned(), name));
        } else {
            return Err(scan.expected("an equals sign"));
        }
        scan.skip_blanks();
        if !scan.take(",") && !scan.rest().starts_with('}') {
            return Err(scan.expected("a comma or a closing brace"));
        }
    }
}

fn read_value(scan: &mut Scan<'_>) -> Result<f64> {
    let before = *scan;
    let value = parse_float(scan.word()).ok_or_else(|| before.expected("a number"))?;
    Ok(if value.is_nan() { NORMAL_NAN } else { value })
}

/// What stands after a sample's `#`: labels in braces, a value, and perhaps a time in seconds.
fn read_exemplar(scan: &mut Scan<'_>, timestamp_ms: i64) -> Result<Option<Exemplar>> {
    if !scan.take("#") {
        return Ok(None);
    }
    scan.skip_blanks();
    if !scan.take("{") {
        return Err(scan.expected("the labels of an exemplar in braces"));
    }
    let mut pairs = Vec::new();
    read_labels(scan, &mut pairs, false)?;
    scan.skip_blanks();
    let value = read_value(scan)?;
    scan.skip_blanks();
    let mut exemplar = Exemplar {
        labels: Labels::from_pairs(pairs)?,
        timestamp_ms,
        value,
    };
    if !scan.is_at_end() {
        let before = *scan;
        let text = scan.word();
        exemplar.timestamp_ms =
            parse_seconds(text).ok_or_else(|| before.expected("a time in seconds"))?;
        scan.skip_blanks();
    }
    Ok(Some(exemplar))
}

fn metric_type(scan: &mut Scan<'_>) -> Result<MetricType> {
    let before = *scan;
    let metric_type = match scan.word() {
        "counter" => MetricType::Counter,
        "gauge" => MetricType::Gauge,
        "histogram" => MetricType::Histogram,
        "gaugehistogram" => MetricType::GaugeHistogram,
        "summary" => MetricType::Summary,
        "info" => MetricType::Info,
        "stateset" => MetricType::StateSet,
        "untyped" | "unknown" => MetricType::Unknown,
        _ => return Err(before.expected("a metric type")),
    };
    scan.skip_blanks();
    if scan.is_at_end() {
        Ok(metric_type)
    } else {
        Err(scan.expected("the end of the line"))
    }
}

fn unescape_help(text: &str) -> String {
    let mut help = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('n') => help.push('\n'),
                Some(escaped @ ('\\' | '"')) => help.push(escaped),
                Some(other) => help.extend(['\\', other]),
                None => help.push('\\'),
            },
            _ => help.push(character),
        }
    }
    help
}

#[cfg(test)]
mod tests;
