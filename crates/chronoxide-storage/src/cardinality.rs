//! How the active series spread over metrics and labels.

/// How the active series spread over metrics, labels and values: what to look at when there are too many.
///
/// Counts of lists come largest first, equal ones by name, and only as many as were asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cardinality {
    /// Active series.
    pub series: u64,
    /// Distinct label names among them.
    pub label_names: u64,
    /// Distinct pairs of label name and value among them.
    pub label_pairs: u64,
    /// Metric names by how many series have them.
    pub series_by_metric: Vec<(String, u64)>,
    /// Label names by how many values they have.
    pub values_by_label: Vec<(String, u64)>,
    /// Label names by how many bytes their distinct values take.
    pub value_bytes_by_label: Vec<(String, u64)>,
    /// Label pairs by how many series have them: name, value, series.
    pub series_by_pair: Vec<(String, String, u64)>,
    /// Series that became active in the last hour, or since the database was opened if that is shorter.
    pub series_created_last_hour: u64,
    /// Series that were refused since the database was opened, as in
    /// [`Stats::series_rejected_total`](crate::Stats::series_rejected_total).
    pub series_rejected: Vec<RejectedSeries>,
}

/// New series of one metric that were refused because there is no room for more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RejectedSeries {
    /// The metric's name, or [`RejectedSeries::OTHER`] for all metrics beyond the first few.
    pub metric: String,
    /// The label of that metric that had the most values when its first series was refused; empty if unknown.
    pub label: String,
    /// How often a new series of the metric was refused. A sender that repeats itself is refused each time.
    pub total: u64,
}

impl RejectedSeries {
    /// Stands for all metrics that are not counted on their own.
    pub const OTHER: &str = "(other)";
}
