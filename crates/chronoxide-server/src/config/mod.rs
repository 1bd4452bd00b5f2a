//! Configuration: settings as typed, then checked.

mod byte_size;
mod door;
mod duration;
mod features;
mod memory_budget;
mod origins;
mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use chronoxide_otlp::{DeltaMode, HistogramForm, Promotion, TranslationStrategy};
use chronoxide_promql::syntax::Features;

pub(crate) use byte_size::{format_byte_size, parse_byte_size};
pub(crate) use duration::{format_duration, parse_duration};
pub(crate) use memory_budget::MemoryBudget;
pub use origins::Origins;
pub use settings::{CONFIG_FILE_VARIABLE, Setting, Settings};

use door::{parse_route_prefix, parse_switch};
use features::parse_features;
use settings::Named;

/// A setting that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no such setting: correct its name.
    #[error("unknown setting {name}{}", near.as_ref().map(|near| format!("; did you mean {near}?")).unwrap_or_default())]
    Unknown {
        /// As it was written.
        name: String,
        /// The setting it may have been meant for.
        near: Option<String>,
    },
    /// A value that means nothing for its setting.
    #[error("{name}: {reason}")]
    Value {
        /// The setting, named as whoever set it knows it.
        name: String,
        /// What is wrong and what would be right.
        reason: String,
    },
    /// The configuration file cannot be read.
    #[error("configuration file {}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        reason: String,
    },
}

/// When a write is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DurabilityMode {
    /// After its bytes are on the disk.
    Sync,
    /// After its bytes are with the operating system; they are forced to disk this often.
    Interval(Duration),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Checked settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Directory of all data.
    pub storage_path: PathBuf,
    /// Where the HTTP API listens.
    pub http_listen: SocketAddr,
    /// Where OTLP/HTTP has a port of its own; `None`: nowhere.
    pub otlp_http_listen: Option<SocketAddr>,
    /// Where OTLP/gRPC has a port of its own; `None`: nowhere.
    pub otlp_grpc_listen: Option<SocketAddr>,
    /// Origins of web pages that may send OTLP.
    pub otlp_origins: Origins,
    /// How OTLP names become metric and label names.
    pub otlp_translation: TranslationStrategy,
    /// Which OTLP resource attributes become labels.
    pub otlp_promote: Promotion,
    /// What becomes of OTLP deltas.
    pub otlp_delta: DeltaMode,
    /// Streams of OTLP deltas that are added up at once.
    pub otlp_delta_streams_max: usize,
    /// Bytes that their totals may take; `None` follows from the memory budget.
    pub otlp_delta_memory_max: Option<u64>,
    /// How long a stream may bring no delta before its total is forgotten.
    pub otlp_delta_idle: Duration,
    /// What OTLP histograms with explicit bounds become.
    pub otlp_histograms: HistogramForm,
    /// Whether OTLP scopes become labels.
    pub otlp_scope_labels: bool,
    /// Whether series from OTLP carry their type and unit as labels.
    pub otlp_type_and_unit_labels: bool,
    /// Whether identifying attributes stand on `target_info`.
    pub otlp_keep_identifying_attributes: bool,
    /// Whether labels from OTLP follow Prometheus in their underscores, and not OpenTelemetry's specification.
    pub otlp_prometheus_underscores: bool,
    /// Bytes of an OTLP request, before and after decompression.
    pub otlp_bytes_max: usize,
    /// Age limit of samples.
    pub retention_time: Duration,
    /// Bytes on disk above which the oldest data goes.
    pub retention_size_bytes: Option<u64>,
    /// When a write is acknowledged.
    pub durability: DurabilityMode,
    /// Free disk space below which writes are refused.
    pub min_free_bytes: u64,
    /// Memory budget; `None` takes a share of the machine.
    pub memory_limit_bytes: Option<u64>,
    /// Limit of active series; `None` follows from the memory budget.
    pub series_limit: Option<u32>,
    /// Bytes of memory for exemplars, 0 for none; `None` follows from the memory budget.
    pub exemplar_memory_bytes: Option<usize>,
    /// Exemplars kept of one series.
    pub exemplars_per_series_max: usize,
    /// Lookback of instant selectors.
    pub lookback: Duration,
    /// Queries evaluated at once.
    pub query_concurrency: usize,
    /// Samples one query may load.
    pub query_samples_max: u64,
    /// Bytes one query may hold; `None` takes half of what all of them may.
    pub query_memory_max: Option<u64>,
    /// Longest time a query may take.
    pub query_timeout: Duration,
    /// Queries that take longer are logged; `None`: none is.
    pub slow_query: Option<Duration>,
    /// Which parts of PromQL are on that Prometheus keeps behind flags.
    pub promql_features: Features,
    /// Bytes of a remote-write request, before and after decompression.
    pub remote_write_bytes_max: usize,
    /// Bytes that write requests under way may hold together; `None` follows from the memory budget.
    pub ingest_memory_bytes: Option<u64>,
    /// How far in the future a sample may lie.
    pub future_limit: Duration,
    /// Labels that a series may have.
    pub labels_max: usize,
    /// Bytes of a label's name.
    pub label_name_bytes_max: usize,
    /// Bytes of a label's value.
    pub label_value_bytes_max: usize,
    /// Bytes of all names and values of a series.
    pub labels_bytes_max: usize,
    /// How often own metrics are stored; `None`: never.
    pub self_metrics_interval: Option<Duration>,
    /// Connections served at once.
    pub connections_max: usize,
    /// How long shutdown waits for requests under way.
    pub shutdown_timeout: Duration,
    /// Path below which everything is served, without a final slash; empty: the root.
    pub route_prefix: String,
    /// Whether deletion and snapshots are served.
    pub admin_api: bool,
    /// Origins whose pages may read answers.
    pub cors_origins: Origins,
    /// Level of log lines.
    pub log_level: String,
    /// Shape of log lines.
    pub log_format: LogFormat,
    flags: Vec<(&'static str, String)>,
}

impl Config {
    /// Checks `settings`.
    ///
    /// # Errors
    /// When a value means nothing for its setting; the error names the setting as whoever set it knows it.
    pub fn new(settings: &Settings) -> Result<Self, ConfigError> {
        let at_least_1ms = |duration: Duration| !duration.is_zero();
        Ok(Self {
            storage_path: check(settings, "storage.path", "a directory", |text| {
                (!text.is_empty()).then(|| PathBuf::from(text))
            })?,
            http_listen: check(
                settings,
                "http.listen",
                "an address and port such as 127.0.0.1:8490",
                parse_listen,
            )?,
            otlp_http_listen: check(
                settings,
                "otlp.http.listen",
                "an address and port such as 127.0.0.1:4318, or off",
                |text| optional(text, "off", parse_listen),
            )?,
            otlp_grpc_listen: check(
                settings,
                "otlp.grpc.listen",
                "an address and port such as 127.0.0.1:4317, or off",
                |text| optional(text, "off", parse_listen),
            )?,
            otlp_origins: check(
                settings,
                "otlp.http.cors-origins",
                "none, or origins such as https://app.example.com with commas between",
                Origins::parse,
            )?,
            otlp_translation: check(
                settings,
                "otlp.translation",
                "UnderscoreEscapingWithSuffixes, UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes or \
                 NoTranslation",
                |text| text.parse().ok(),
            )?,
            otlp_promote: check(
                settings,
                "otlp.promote",
                "default, none, all, or attribute keys with commas between",
                |text| text.parse().ok(),
            )?,
            otlp_delta: check(
                settings,
                "otlp.delta",
                "cumulative, reject or raw",
                |text| text.parse().ok(),
            )?,
            otlp_delta_streams_max: check(
                settings,
                "otlp.delta-streams-limit",
                POSITIVE,
                parse_positive,
            )?,
            otlp_delta_memory_max: check(
                settings,
                "otlp.delta-memory-limit",
                "a size such as 256MiB, or auto",
                |text| optional(text, "auto", parse_byte_size),
            )?,
            otlp_delta_idle: check(settings, "otlp.delta-idle", DURATION, |text| {
                parse_duration(text).filter(|duration| at_least_1ms(*duration))
            })?,
            otlp_histograms: check(settings, "otlp.histograms", "classic or native", |text| {
                match text {
                    "classic" => Some(HistogramForm::Classic),
                    "native" => Some(HistogramForm::CustomBuckets),
                    _ => None,
                }
            })?,
            otlp_scope_labels: switch(settings, "otlp.scope-labels")?,
            otlp_type_and_unit_labels: switch(settings, "otlp.type-and-unit-labels")?,
            otlp_keep_identifying_attributes: switch(settings, "otlp.keep-identifying-attributes")?,
            otlp_prometheus_underscores: check(
                settings,
                "otlp.label-underscores",
                "prometheus or spec",
                |text| match text {
                    "prometheus" => Some(true),
                    "spec" => Some(false),
                    _ => None,
                },
            )?,
            otlp_bytes_max: check(
                settings,
                "otlp.size-limit",
                REQUEST_SIZE,
                parse_request_size,
            )?,
            retention_time: check(
                settings,
                "retention.time",
                "a duration such as 30d or 1h30m",
                |text| parse_duration(text).filter(|duration| at_least_1ms(*duration)),
            )?,
            retention_size_bytes: check(
                settings,
                "retention.size",
                "a size such as 10GiB, or none",
                |text| optional(text, "none", parse_byte_size),
            )?,
            durability: check(
                settings,
                "storage.durability",
                "sync, or interval=200ms with any duration",
                parse_durability,
            )?,
            min_free_bytes: check(settings, "storage.min-free", SIZE, parse_byte_size)?,
            memory_limit_bytes: check(
                settings,
                "memory.limit",
                "a size such as 1GiB, or auto",
                |text| optional(text, "auto", parse_byte_size),
            )?,
            series_limit: check(
                settings,
                "series.limit",
                "a number above 0, or auto",
                |text| optional(text, "auto", parse_positive),
            )?,
            exemplar_memory_bytes: check(
                settings,
                "exemplars.memory-limit",
                "a size up to 64GiB such as 16MiB, 0, or auto",
                |text| {
                    optional(text, "auto", |text| {
                        let bytes = parse_byte_size(text).filter(|bytes| *bytes <= 64 << 30)?;
                        usize::try_from(bytes).ok()
                    })
                },
            )?,
            exemplars_per_series_max: check(
                settings,
                "exemplars.series-limit",
                "a number from 1 to 1000000",
                |text| {
                    let count = text.parse().ok();
                    count.filter(|count| (1..=1_000_000).contains(count))
                },
            )?,
            lookback: check(settings, "query.lookback-delta", DURATION, |text| {
                parse_duration(text).filter(|duration| at_least_1ms(*duration))
            })?,
            query_concurrency: check(settings, "query.max-concurrency", POSITIVE, parse_positive)?,
            query_samples_max: check(settings, "query.max-samples", POSITIVE, parse_positive)?,
            query_memory_max: check(
                settings,
                "query.max-memory",
                "a size such as 1GiB, or auto",
                |text| optional(text, "auto", parse_byte_size),
            )?,
            query_timeout: check(settings, "query.timeout", DURATION, |text| {
                parse_duration(text).filter(|duration| at_least_1ms(*duration))
            })?,
            slow_query: check(
                settings,
                "query.log-slower-than",
                "a duration such as 10s, or off",
                |text| optional(text, "off", parse_duration),
            )?,
            promql_features: features(settings)?,
            remote_write_bytes_max: check(
                settings,
                "remote-write.size-limit",
                REQUEST_SIZE,
                parse_request_size,
            )?,
            ingest_memory_bytes: check(
                settings,
                "ingest.memory-limit",
                "a size of at least 1MiB, or auto",
                |text| {
                    optional(text, "auto", |text| {
                        parse_byte_size(text).filter(|bytes| *bytes >= 1 << 20)
                    })
                },
            )?,
            future_limit: check(settings, "ingest.future-limit", DURATION, parse_duration)?,
            labels_max: check(
                settings,
                "ingest.labels-limit",
                "a number from 1 to 1024",
                |text| text.parse().ok().filter(|count| (1..=1024).contains(count)),
            )?,
            label_name_bytes_max: check(
                settings,
                "ingest.label-name-limit",
                LABEL_SIZE,
                parse_label_size,
            )?,
            label_value_bytes_max: check(
                settings,
                "ingest.label-value-limit",
                LABEL_SIZE,
                parse_label_size,
            )?,
            labels_bytes_max: check(
                settings,
                "ingest.labels-size-limit",
                LABEL_SIZE,
                parse_label_size,
            )?,
            self_metrics_interval: check(
                settings,
                "self-metrics.interval",
                "a duration of at least 1s, or off",
                |text| {
                    optional(text, "off", |text| {
                        parse_duration(text).filter(|interval| *interval >= Duration::from_secs(1))
                    })
                },
            )?,
            connections_max: check(settings, "http.max-connections", POSITIVE, parse_positive)?,
            shutdown_timeout: check(settings, "http.shutdown-timeout", DURATION, parse_duration)?,
            route_prefix: check(
                settings,
                "http.route-prefix",
                "a path such as /metrics-store, or /",
                parse_route_prefix,
            )?,
            cors_origins: check(
                settings,
                "http.cors-origins",
                "origins such as https://grafana.example with commas between, or none",
                Origins::parse,
            )?,
            admin_api: check(settings, "http.admin-api", "on or off", parse_switch)?,
            log_level: check(
                settings,
                "log.level",
                "error, warn, info, debug or trace",
                |text| {
                    ["error", "warn", "info", "debug", "trace"]
                        .contains(&text)
                        .then(|| text.to_owned())
                },
            )?,
            log_format: check(settings, "log.format", "text or json", |text| match text {
                "text" => Some(LogFormat::Text),
                "json" => Some(LogFormat::Json),
                _ => None,
            })?,
            flags: settings
                .iter()
                .map(|(key, value)| (key, value.to_owned()))
                .collect(),
        })
    }

    /// Bytes that exemplars may take in memory.
    pub(crate) fn exemplar_bytes_max(&self) -> usize {
        self.exemplar_memory_bytes
            .unwrap_or_else(|| self.memory().exemplar_bytes_max())
    }

    /// What `--memory.limit` comes to.
    pub(crate) fn memory(&self) -> MemoryBudget {
        MemoryBudget::new(self.memory_limit_bytes)
    }

    /// Bytes that the totals of OTLP deltas may take.
    pub(crate) fn otlp_delta_bytes_max(&self) -> usize {
        let bytes = self.otlp_delta_memory_max;
        let bytes = bytes.unwrap_or_else(|| self.memory().delta_bytes());
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Each setting by its key, as it was typed: no setting holds a secret.
    pub(crate) fn flags(&self) -> &[(&'static str, String)] {
        &self.flags
    }
}

const DURATION: &str = "a duration such as 5m or 1h30m";
const SIZE: &str = "a size such as 256MiB or 1GB";
const POSITIVE: &str = "a number above 0";
const REQUEST_SIZE: &str = "a size from 1KiB to 1GiB";
const LABEL_SIZE: &str = "a size from 1B to 512KiB";

fn check<T>(
    settings: &Settings,
    key: &'static str,
    wanted: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, ConfigError> {
    let (text, name) = settings.get(key);
    parse(text).ok_or_else(|| wrong_value(&name, text, wanted))
}

fn switch(settings: &Settings, key: &'static str) -> Result<bool, ConfigError> {
    check(settings, key, "on or off", |text| match text {
        "on" => Some(true),
        "off" => Some(false),
        _ => None,
    })
}

fn features(settings: &Settings) -> Result<Features, ConfigError> {
    let (text, name) = settings.get("promql.enable");
    parse_features(text).map_err(|reason| ConfigError::Value {
        name: name.to_string(),
        reason,
    })
}

fn wrong_value(name: &Named<'_>, text: &str, wanted: &str) -> ConfigError {
    ConfigError::Value {
        name: name.to_string(),
        reason: format!("{text:?} is not {wanted}"),
    }
}

/// `None` inside when `text` is the word for absence.
fn optional<T>(
    text: &str,
    absent: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Option<Option<T>> {
    if text == absent {
        Some(None)
    } else {
        parse(text).map(Some)
    }
}

fn parse_positive<T: FromStr + PartialOrd + From<u8>>(text: &str) -> Option<T> {
    text.parse().ok().filter(|number| *number >= T::from(1))
}

/// An address; `localhost` and a bare `:8490` (every interface) are understood as well.
fn parse_listen(text: &str) -> Option<SocketAddr> {
    if let Some(port) = text.strip_prefix("localhost:") {
        return format!("127.0.0.1:{port}").parse().ok();
    }
    if text.starts_with(':') {
        return format!("0.0.0.0{text}").parse().ok();
    }
    text.parse().ok()
}

fn parse_request_size(text: &str) -> Option<usize> {
    let bytes = parse_byte_size(text).filter(|bytes| (1 << 10..=1 << 30).contains(bytes))?;
    usize::try_from(bytes).ok()
}

fn parse_label_size(text: &str) -> Option<usize> {
    let bytes = parse_byte_size(text).filter(|bytes| (1..=512 << 10).contains(bytes))?;
    usize::try_from(bytes).ok()
}

fn parse_durability(text: &str) -> Option<DurabilityMode> {
    if text == "sync" {
        return Some(DurabilityMode::Sync);
    }
    let interval = parse_duration(text.strip_prefix("interval=")?)?;
    (!interval.is_zero()).then_some(DurabilityMode::Interval(interval))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config_with(key: &str, value: &str) -> Result<Config, ConfigError> {
        let mut settings = Settings::default();
        settings.set(key, value)?;
        Config::new(&settings)
    }

    #[test]
    fn defaults_are_valid() {
        let config = Config::new(&Settings::default()).unwrap();
        assert_eq!(config.http_listen.to_string(), "127.0.0.1:8490");
        assert_eq!(config.retention_time, Duration::from_secs(30 * 86_400));
        assert_eq!(config.durability, DurabilityMode::Sync);
        assert_eq!(config.self_metrics_interval, Some(Duration::from_secs(15)));
        assert_eq!(config.promql_features, Features::default());
        assert_eq!(config.flags().len(), Setting::ALL.len());
    }

    #[test]
    fn wrong_values_are_named_with_what_would_be_right() {
        let error = config_with("retention.time", "30 days").unwrap_err();
        assert_eq!(
            error.to_string(),
            "--retention.time: \"30 days\" is not a duration such as 30d or 1h30m"
        );
        for (key, value) in [
            ("http.listen", "localhost"),
            ("http.listen", "example.org:80"),
            ("otlp.http.listen", "4318"),
            ("otlp.translation", "underscores"),
            ("otlp.promote", "host.name,,os.type"),
            ("otlp.delta", "add"),
            ("otlp.size-limit", "0"),
            ("storage.durability", "async"),
            ("storage.durability", "interval=0"),
            ("series.limit", "0"),
            ("query.max-concurrency", "-1"),
            ("query.max-samples", "many"),
            ("query.log-slower-than", "never"),
            ("remote-write.size-limit", "5TiB"),
            ("ingest.memory-limit", "1KiB"),
            ("ingest.future-limit", "soon"),
            ("ingest.labels-limit", "0"),
            ("ingest.label-name-limit", "1MiB"),
            ("ingest.label-value-limit", "0"),
            ("ingest.labels-size-limit", "-1"),
            ("self-metrics.interval", "10ms"),
            ("promql.enable", "everything"),
            ("http.route-prefix", "a"),
            ("http.cors-origins", "grafana.example"),
            ("http.admin-api", "yes"),
            ("log.level", "loud"),
            ("log.format", "xml"),
            ("storage.path", ""),
        ] {
            let error = config_with(key, value).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("--{key}: {value:?} is not ")),
                "{error}"
            );
        }
    }

    #[test]
    fn otlp_settings_are_read() {
        let defaults = Config::new(&Settings::default()).unwrap();
        assert_eq!(defaults.otlp_http_listen.unwrap().port(), 4318);
        assert_eq!(defaults.otlp_promote, Promotion::Default);
        assert_eq!(defaults.otlp_delta, DeltaMode::Cumulative);
        assert_eq!(defaults.otlp_bytes_max, 64 << 20);
        let config = config_with("otlp.http.listen", "off").unwrap();
        assert_eq!(config.otlp_http_listen, None);
        let config = config_with("otlp.promote", "host.name, os.type").unwrap();
        let listed = ["host.name", "os.type"].map(str::to_owned).to_vec();
        assert_eq!(config.otlp_promote, Promotion::List(listed));
        let config = config_with("otlp.translation", "NoTranslation").unwrap();
        assert_eq!(config.otlp_translation, TranslationStrategy::NoTranslation);
        let config = config_with("otlp.histograms", "native").unwrap();
        assert_eq!(config.otlp_histograms, HistogramForm::CustomBuckets);
        assert!(
            config_with("otlp.scope-labels", "on")
                .unwrap()
                .otlp_scope_labels
        );
        assert!(config_with("otlp.scope-labels", "yes").is_err());
        let config = config_with("otlp.label-underscores", "spec").unwrap();
        assert!(!config.otlp_prometheus_underscores);
        let config = config_with("otlp.delta", "raw").unwrap();
        assert_eq!(config.otlp_delta, DeltaMode::Raw);
        let config = config_with("otlp.grpc.listen", "localhost:1").unwrap();
        assert_eq!(config.otlp_grpc_listen, "127.0.0.1:1".parse().ok());
        let config = config_with("otlp.grpc.listen", "off").unwrap();
        assert_eq!(config.otlp_grpc_listen, None);
    }

    #[test]
    fn words_for_absence_are_understood() {
        assert_eq!(
            config_with("self-metrics.interval", "off")
                .unwrap()
                .self_metrics_interval,
            None
        );
        assert_eq!(
            config_with("query.log-slower-than", "off")
                .unwrap()
                .slow_query,
            None
        );
        assert_eq!(
            config_with("retention.size", "none")
                .unwrap()
                .retention_size_bytes,
            None
        );
        assert_eq!(
            config_with("retention.size", "1GB")
                .unwrap()
                .retention_size_bytes,
            Some(1_000_000_000)
        );
        let config = config_with("storage.durability", "interval=200ms").unwrap();
        assert_eq!(
            config.durability,
            DurabilityMode::Interval(Duration::from_millis(200))
        );
        assert!(
            config_with("http.listen", ":8490")
                .unwrap()
                .http_listen
                .ip()
                .is_unspecified()
        );
    }
}
