//! How requests are translated.

use std::str::FromStr;

use crate::{Error, LabelLimits};

/// Choices of translation; the defaults give the series that Prometheus' users expect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How metric names and attribute keys become names; default `UnderscoreEscapingWithSuffixes`.
    pub translation: TranslationStrategy,
    /// Which resource attributes become labels of every series; default [`Promotion::Default`].
    pub promote: Promotion,
    /// Whether `service.name`, `service.namespace` and `service.instance.id` stand on `target_info` beside `job` and
    /// `instance`; default no.
    pub keep_identifying_attributes: bool,
    /// Whether series carry `otel_scope_name`, `otel_scope_version`, `otel_scope_schema_url` and the scope's
    /// attributes; default no.
    pub scope_labels: bool,
    /// Whether series carry `__type__` and `__unit__`; default no.
    pub type_and_unit_labels: bool,
    /// What explicit-bucket histograms become; default [`HistogramForm::Classic`].
    pub histograms: HistogramForm,
    /// What becomes of data points with delta temporality; default [`DeltaMode::Cumulative`].
    pub delta: DeltaMode,
    /// Whether a label name with one leading underscore gets `key` before it, as Prometheus does; default yes.
    pub key_before_underscore: bool,
    /// Whether runs of underscores stay in label names, as Prometheus keeps them; default yes.
    pub keep_underscore_runs: bool,
    /// The lookback of queries in milliseconds: `target_info` gets a sample every half of it; default 5 minutes.
    pub lookback_ms: i64,
    /// How large the labels of a series may be.
    pub label_limits: LabelLimits,
    /// How many milliseconds before its arrival a sample may lie to be stored; default any. Older deltas are refused
    /// before they count, and no `target_info` is made of older points.
    pub past_ms: i64,
    /// How many milliseconds after its arrival a sample may lie to be stored; default any. The same goes for what is
    /// later.
    pub future_ms: i64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            translation: TranslationStrategy::default(),
            promote: Promotion::default(),
            keep_identifying_attributes: false,
            scope_labels: false,
            type_and_unit_labels: false,
            histograms: HistogramForm::default(),
            delta: DeltaMode::default(),
            key_before_underscore: true,
            keep_underscore_runs: true,
            lookback_ms: 300_000,
            label_limits: LabelLimits::default(),
            past_ms: i64::MAX,
            future_ms: i64::MAX,
        }
    }
}

/// How names are translated: whether characters outside the classic set are escaped, and whether unit and type show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TranslationStrategy {
    /// `http.server.duration` in `ms` is `http_server_duration_milliseconds`.
    #[default]
    UnderscoreEscapingWithSuffixes,
    /// `http.server.duration` in `ms` is `http_server_duration`.
    UnderscoreEscapingWithoutSuffixes,
    /// `http.server.duration` in `ms` is `http.server.duration_milliseconds`.
    NoUtf8EscapingWithSuffixes,
    /// `http.server.duration` in `ms` is `http.server.duration`.
    NoTranslation,
}

impl TranslationStrategy {
    /// All four.
    pub const ALL: [Self; 4] = [
        Self::UnderscoreEscapingWithSuffixes,
        Self::UnderscoreEscapingWithoutSuffixes,
        Self::NoUtf8EscapingWithSuffixes,
        Self::NoTranslation,
    ];

    /// The name that Prometheus' configuration gives it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnderscoreEscapingWithSuffixes => "UnderscoreEscapingWithSuffixes",
            Self::UnderscoreEscapingWithoutSuffixes => "UnderscoreEscapingWithoutSuffixes",
            Self::NoUtf8EscapingWithSuffixes => "NoUTF8EscapingWithSuffixes",
            Self::NoTranslation => "NoTranslation",
        }
    }

    pub(crate) const fn escapes(self) -> bool {
        matches!(
            self,
            Self::UnderscoreEscapingWithSuffixes | Self::UnderscoreEscapingWithoutSuffixes
        )
    }
}

impl FromStr for TranslationStrategy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        Self::ALL
            .into_iter()
            .find(|strategy| strategy.as_str() == text)
            .ok_or_else(|| Error::UnknownOption {
                option: "translation strategy",
                text: text.to_owned(),
                expected: "UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, \
                           NoUTF8EscapingWithSuffixes, NoTranslation",
            })
    }
}

/// Which resource attributes become labels of every series of the resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Promotion {
    /// Those of [`Promotion::DEFAULT_ATTRIBUTES`].
    #[default]
    Default,
    /// None: they stand on `target_info` only.
    None,
    /// All but these.
    AllExcept(Vec<String>),
    /// Just these.
    List(Vec<String>),
}

impl Promotion {
    /// What [`Promotion::Default`] promotes: the attributes that the image grafana/otel-lgtm sets up.
    pub const DEFAULT_ATTRIBUTES: [&'static str; 27] = [
        "service.instance.id",
        "service.name",
        "service.namespace",
        "service.version",
        "cloud.availability_zone",
        "cloud.region",
        "container.name",
        "deployment.environment",
        "deployment.environment.name",
        "k8s.cluster.name",
        "k8s.container.name",
        "k8s.cronjob.name",
        "k8s.daemonset.name",
        "k8s.deployment.name",
        "k8s.job.name",
        "k8s.namespace.name",
        "k8s.node.name",
        "k8s.pod.name",
        "k8s.replicaset.name",
        "k8s.statefulset.name",
        "host.name",
        "postgresql.database.name",
        "postgresql.schema.name",
        "postgresql.table.name",
        "postgresql.index.name",
        "database",
        "kafka.cluster.alias",
    ];

    pub(crate) fn includes(&self, key: &str) -> bool {
        match self {
            Self::Default => Self::DEFAULT_ATTRIBUTES.contains(&key),
            Self::None => false,
            Self::AllExcept(ignored) => !ignored.iter().any(|name| name == key),
            Self::List(listed) => listed.iter().any(|name| name == key),
        }
    }
}

/// Reads `default`, `none`, `all`, or a list of attribute keys with commas between.
impl FromStr for Promotion {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "default" => Ok(Self::Default),
            "none" => Ok(Self::None),
            "all" => Ok(Self::AllExcept(Vec::new())),
            list => {
                let keys: Vec<String> = list.split(',').map(|key| key.trim().to_owned()).collect();
                if keys.iter().any(String::is_empty) {
                    return Err(Error::UnknownOption {
                        option: "promotion",
                        text: text.to_owned(),
                        expected: "default, none, all, or attribute keys with commas between",
                    });
                }
                Ok(Self::List(keys))
            }
        }
    }
}

/// What explicit-bucket histograms become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistogramForm {
    /// Float series `_bucket`, `_count` and `_sum`.
    #[default]
    Classic,
    /// One native histogram with custom bounds.
    CustomBuckets,
}

/// What becomes of sums and histograms with delta temporality.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeltaMode {
    /// They are added up; see [`DeltaStreams`](crate::DeltaStreams).
    #[default]
    Cumulative,
    /// They are refused, point by point.
    Reject,
    /// They are stored as they come, of unknown type, to be queried with `sum_over_time`.
    Raw,
}

/// Reads `cumulative`, `reject` or `raw`.
impl FromStr for DeltaMode {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "cumulative" => Ok(Self::Cumulative),
            "reject" => Ok(Self::Reject),
            "raw" => Ok(Self::Raw),
            _ => Err(Error::UnknownOption {
                option: "delta mode",
                text: text.to_owned(),
                expected: "cumulative, reject, raw",
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_their_names() {
        for strategy in TranslationStrategy::ALL {
            assert_eq!(strategy.as_str().parse(), Ok(strategy));
        }
        assert_eq!("none".parse(), Ok(Promotion::None));
        assert_eq!("all".parse(), Ok(Promotion::AllExcept(Vec::new())));
        let list = Promotion::List(vec!["host.name".to_owned(), "a".to_owned()]);
        assert_eq!("host.name, a".parse(), Ok(list));
        assert_eq!("raw".parse(), Ok(DeltaMode::Raw));
        for error in [
            "Escape".parse::<TranslationStrategy>().unwrap_err(),
            "a,,b".parse::<Promotion>().unwrap_err(),
            "sum".parse::<DeltaMode>().unwrap_err(),
        ] {
            assert!(error.to_string().contains("expected"), "{error}");
        }
    }
}
