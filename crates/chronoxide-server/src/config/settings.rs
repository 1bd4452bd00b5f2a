//! Settings as they were typed, before anything is checked but their names.
//!
//! One table names them all; flags, environment variables, configuration file and `/status/flags` are made from it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use super::ConfigError;

/// One setting: its name everywhere, its default and what it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Dotted name: the flag is `--` and this, the key of the configuration file is this.
    pub key: &'static str,
    /// What stands in help for the value.
    pub value_name: &'static str,
    /// The value when none is given; empty when absence itself is the default.
    pub default: &'static str,
    /// One sentence for people.
    pub help: &'static str,
}

impl Setting {
    /// All settings, in the order help shows them.
    pub const ALL: &'static [Self] = &[
        Self::new(
            "storage.path",
            "DIR",
            "./chronoxide-data",
            "Directory of all data; created when absent, for its owner only",
        ),
        Self::new(
            "http.listen",
            "ADDRESS",
            "127.0.0.1:8490",
            "Address of the HTTP API, of remote write and of OTLP; port 0 picks a free one",
        ),
        Self::new(
            "otlp.http.listen",
            "ADDRESS",
            "127.0.0.1:4318",
            "Address of its own for OTLP/HTTP; `off`: only --http.listen serves it",
        ),
        Self::new(
            "otlp.grpc.listen",
            "ADDRESS",
            "127.0.0.1:4317",
            "Address of its own for OTLP/gRPC; `off`: only --http.listen serves it",
        ),
        Self::new(
            "otlp.http.cors-origins",
            "ORIGINS",
            "none",
            "Origins of web pages that may send OTLP/HTTP, with commas between; `*` stands for any text",
        ),
        Self::new(
            "otlp.translation",
            "STRATEGY",
            "UnderscoreEscapingWithSuffixes",
            "How OTLP names become metric names; the others: UnderscoreEscapingWithoutSuffixes, NoUTF8EscapingWithSuffixes, NoTranslation",
        ),
        Self::new(
            "otlp.promote",
            "ATTRIBUTES",
            "default",
            "OTLP resource attributes that become labels: `default`, `none`, `all`, or keys with commas between",
        ),
        Self::new(
            "otlp.delta",
            "MODE",
            "cumulative",
            "OTLP deltas: `cumulative` adds them up, over restarts too, `reject` refuses them, `raw` stores them as they come",
        ),
        Self::new(
            "otlp.delta-streams-limit",
            "NUMBER",
            "1000000",
            "Streams of OTLP deltas that are added up at once; beyond it new ones are refused",
        ),
        Self::new(
            "otlp.delta-memory-limit",
            "SIZE",
            "auto",
            "Memory that the totals of OTLP deltas may take; beyond it new streams are refused",
        ),
        Self::new(
            "otlp.delta-idle",
            "DURATION",
            "1h",
            "How long a stream of OTLP deltas may bring none before its total is forgotten; it begins anew from zero",
        ),
        Self::new(
            "otlp.histograms",
            "FORM",
            "classic",
            "OTLP histograms with explicit bounds: `classic` series, or `native` histograms with custom buckets",
        ),
        Self::new(
            "otlp.scope-labels",
            "SWITCH",
            "off",
            "`on`: OTLP scopes become labels, otel_scope_name and the like",
        ),
        Self::new(
            "otlp.type-and-unit-labels",
            "SWITCH",
            "off",
            "`on`: series from OTLP carry __type__ and __unit__",
        ),
        Self::new(
            "otlp.keep-identifying-attributes",
            "SWITCH",
            "off",
            "`on`: service.name, service.namespace and service.instance.id stand on target_info, too",
        ),
        Self::new(
            "otlp.label-underscores",
            "RULES",
            "prometheus",
            "Underscores in labels from OTLP: `prometheus` keeps runs and puts `key` before a leading one, `spec` does neither",
        ),
        Self::new(
            "otlp.size-limit",
            "SIZE",
            "64MiB",
            "Largest OTLP request, before and after decompression",
        ),
        Self::new(
            "retention.time",
            "DURATION",
            "30d",
            "Samples older than this are never returned, and their files removed",
        ),
        Self::new(
            "retention.size",
            "SIZE",
            "none",
            "Bytes on disk above which the oldest data is removed",
        ),
        Self::new(
            "storage.durability",
            "MODE",
            "sync",
            "`sync`: acknowledged only after fdatasync; `interval=200ms`: a power cut may take one interval",
        ),
        Self::new(
            "storage.min-free",
            "SIZE",
            "256MiB",
            "With less free disk space than this, writes get 503 and reads go on",
        ),
        Self::new(
            "memory.limit",
            "SIZE",
            "auto",
            "Memory budget; `auto` takes a share of the machine or cgroup",
        ),
        Self::new(
            "series.limit",
            "NUMBER",
            "auto",
            "Series that may be active at once; beyond it new ones are refused, by name",
        ),
        Self::new(
            "exemplars.memory-limit",
            "SIZE",
            "auto",
            "Memory for exemplars, beyond which the oldest go; `auto` takes a share of the memory budget, 0 stores none",
        ),
        Self::new(
            "exemplars.series-limit",
            "NUMBER",
            "128",
            "Exemplars kept of one series; its oldest go first",
        ),
        Self::new(
            "query.lookback-delta",
            "DURATION",
            "5m",
            "How far back an instant selector looks for a sample",
        ),
        Self::new(
            "query.max-concurrency",
            "NUMBER",
            "20",
            "Queries evaluated at once; others wait up to 10 s",
        ),
        Self::new(
            "query.max-samples",
            "NUMBER",
            "50000000",
            "Samples one query may load",
        ),
        Self::new(
            "query.max-memory",
            "SIZE|auto",
            "auto",
            "Memory one query may hold; auto takes half of what all of them may",
        ),
        Self::new(
            "query.timeout",
            "DURATION",
            "2m",
            "How long a query may take",
        ),
        Self::new(
            "query.log-slower-than",
            "DURATION",
            "10s",
            "Queries that take longer are logged, with what they read; `off`: none is",
        ),
        Self::new(
            "promql.enable",
            "NAMES",
            "experimental-functions,duration-expressions,extended-range-selectors,binop-fill-modifiers,use-start-timestamps",
            "Parts of PromQL that Prometheus keeps behind flags, by name with commas between, and `delayed-name-removal`; \
             `all` or `none`",
        ),
        Self::new(
            "remote-write.size-limit",
            "SIZE",
            "32MiB",
            "Largest remote-write request, before and after decompression",
        ),
        Self::new(
            "ingest.memory-limit",
            "SIZE",
            "auto",
            "Bytes that write requests under way may hold together; beyond it they wait a while, then get 503",
        ),
        Self::new(
            "ingest.future-limit",
            "DURATION",
            "10m",
            "How far in the future a sample may lie",
        ),
        Self::new(
            "ingest.labels-limit",
            "NUMBER",
            "64",
            "Labels that a series may have, its name included; one with more is refused, by name",
        ),
        Self::new(
            "ingest.label-name-limit",
            "SIZE",
            "1KiB",
            "Largest name of a label",
        ),
        Self::new(
            "ingest.label-value-limit",
            "SIZE",
            "8KiB",
            "Largest value of a label",
        ),
        Self::new(
            "ingest.labels-size-limit",
            "SIZE",
            "16KiB",
            "Names and values of all labels of a series together",
        ),
        Self::new(
            "self-metrics.interval",
            "DURATION",
            "15s",
            "How often the server stores its own metrics; `off`: never",
        ),
        Self::new(
            "http.max-connections",
            "NUMBER",
            "512",
            "Connections served at once",
        ),
        Self::new(
            "http.shutdown-timeout",
            "DURATION",
            "10s",
            "How long shutdown waits for requests under way",
        ),
        Self::new(
            "log.level",
            "LEVEL",
            "info",
            "`error`, `warn`, `info`, `debug` or `trace`",
        ),
        Self::new(
            "http.route-prefix",
            "PATH",
            "/",
            "Path below which everything is served, for reverse proxies that pass it on",
        ),
        Self::new(
            "http.cors-origins",
            "ORIGINS",
            "*",
            "Origins of web pages that may read answers, with commas between; `*` stands for any text; `none`: no page",
        ),
        Self::new(
            "http.admin-api",
            "MODE",
            "off",
            "`on` serves deletion and snapshots below /api/v1/admin/tsdb",
        ),
        Self::new("log.format", "FORMAT", "text", "`text` or `json`"),
    ];

    const fn new(
        key: &'static str,
        value_name: &'static str,
        default: &'static str,
        help: &'static str,
    ) -> Self {
        Self {
            key,
            value_name,
            default,
            help,
        }
    }

    /// The environment variable of the setting.
    #[must_use]
    pub fn environment_name(&self) -> String {
        environment_name(self.key)
    }
}

/// `CHRONOXIDE_` and the key in upper case, with underscores.
fn environment_name(key: &str) -> String {
    format!(
        "{ENVIRONMENT_PREFIX}{}",
        key.replace(['.', '-'], "_").to_uppercase()
    )
}

const ENVIRONMENT_PREFIX: &str = "CHRONOXIDE_";

/// The environment variable that names the configuration file.
pub const CONFIG_FILE_VARIABLE: &str = "CHRONOXIDE_CONFIG";

/// Where a value came from; later variants win over earlier ones.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    /// The table of settings.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// The environment.
    Environment,
    /// The command line.
    Flag,
}

/// Settings as typed: for each key the text, and where it came from.
#[derive(Clone, Debug)]
pub struct Settings {
    values: BTreeMap<&'static str, (Origin, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        let values = Setting::ALL
            .iter()
            .map(|setting| (setting.key, (Origin::Default, setting.default.to_owned())))
            .collect();
        Self { values }
    }
}

impl Settings {
    /// Sets `key` as a flag does.
    ///
    /// # Errors
    /// When there is no such setting.
    pub fn set(&mut self, key: &str, value: impl Into<String>) -> Result<(), ConfigError> {
        self.put(Origin::Flag, key, &format!("--{key}"), "--", value.into())
    }

    /// Takes every variable whose name begins with `CHRONOXIDE_`.
    ///
    /// Those that Kubernetes sets for a service named `chronoxide` are passed over.
    ///
    /// # Errors
    /// When a variable names no setting.
    pub fn read_environment(
        &mut self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<(), ConfigError> {
        for (name, value) in variables {
            if !name.starts_with(ENVIRONMENT_PREFIX)
                || name == CONFIG_FILE_VARIABLE
                || is_service_link(&name)
            {
                continue;
            }
            match Setting::ALL
                .iter()
                .find(|setting| setting.environment_name() == name)
            {
                Some(setting) => self.put(Origin::Environment, setting.key, &name, "", value)?,
                None => return Err(unknown(&name, nearest(&name, environment_name))),
            }
        }
        Ok(())
    }

    /// Takes the settings of a TOML file's text; keys may be dotted or in tables.
    ///
    /// # Errors
    /// When the text is no TOML, names an unknown setting or holds a list.
    pub fn read_toml(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let table: toml::Table =
            text.parse()
                .map_err(|error: toml::de::Error| ConfigError::File {
                    path: path.to_owned(),
                    reason: error.to_string().trim_end().to_owned(),
                })?;
        self.read_table(path, "", &table)
    }

    fn read_table(
        &mut self,
        path: &Path,
        prefix: &str,
        table: &toml::Table,
    ) -> Result<(), ConfigError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            let text = match value {
                toml::Value::Table(inner) => {
                    self.read_table(path, &format!("{key}."), inner)?;
                    continue;
                }
                toml::Value::String(text) => text.clone(),
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Float(number) => number.to_string(),
                toml::Value::Boolean(value) => value.to_string(),
                toml::Value::Array(_) | toml::Value::Datetime(_) => {
                    return Err(ConfigError::File {
                        path: path.to_owned(),
                        reason: format!("{key} must be a string or a number"),
                    });
                }
            };
            let shown = format!("{key} in {}", path.display());
            self.put(Origin::File(path.to_owned()), &key, &shown, "", text)?;
        }
        Ok(())
    }

    fn put(
        &mut self,
        origin: Origin,
        key: &str,
        shown: &str,
        prefix: &str,
        value: String,
    ) -> Result<(), ConfigError> {
        let Some(setting) = Setting::ALL.iter().find(|setting| setting.key == key) else {
            return Err(unknown(
                shown,
                nearest(key, str::to_owned).map(|near| format!("{prefix}{near}")),
            ));
        };
        let entry = self
            .values
            .get_mut(setting.key)
            .expect("every setting has a default");
        if origin >= entry.0 {
            *entry = (origin, value);
        }
        Ok(())
    }

    /// The text of `key`, and how to name its origin in an error.
    pub(super) fn get(&self, key: &'static str) -> (&str, Named<'_>) {
        let (origin, value) = self
            .values
            .get(key)
            .expect("only keys of the table are asked for");
        (value, Named { key, origin })
    }

    /// All settings with their text.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.values
            .iter()
            .map(|(key, (_, value))| (*key, value.as_str()))
    }
}

/// A setting, named as whoever set it knows it.
pub(super) struct Named<'a> {
    key: &'static str,
    origin: &'a Origin,
}

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.origin {
            Origin::Default | Origin::Flag => write!(f, "--{}", self.key),
            Origin::Environment => f.write_str(&environment_name(self.key)),
            Origin::File(path) => write!(f, "{} in {}", self.key, path.display()),
        }
    }
}

fn is_service_link(name: &str) -> bool {
    let rest = &name[ENVIRONMENT_PREFIX.len()..];
    rest == "PORT"
        || rest.starts_with("PORT_")
        || rest == "SERVICE_HOST"
        || rest.starts_with("SERVICE_PORT")
}

fn unknown(name: &str, near: Option<String>) -> ConfigError {
    ConfigError::Unknown {
        name: name.to_owned(),
        near,
    }
}

/// The setting whose name, written by `spell`, lies nearest to `name`, if any is near at all.
fn nearest(name: &str, spell: impl Fn(&str) -> String) -> Option<String> {
    nearest_of(name, Setting::ALL.iter().map(|setting| spell(setting.key)))
}

/// The one of `names` that lies nearest to `name`, if any is near at all.
pub(super) fn nearest_of(name: &str, names: impl Iterator<Item = String>) -> Option<String> {
    let near_max = (name.len() / 4).max(2);
    names
        .map(|spelled| (edit_distance(name, &spelled), spelled))
        .min()
        .filter(|(distance, _)| *distance <= near_max)
        .map(|(_, spelled)| spelled)
}

/// Insertions, deletions and replacements that turn `a` into `b` (Levenshtein).
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_environment_over_file_over_default() {
        let mut settings = Settings::default();
        assert_eq!(settings.get("log.level").0, "info");
        settings.set("log.level", "error").unwrap();
        settings
            .read_environment([
                ("CHRONOXIDE_LOG_LEVEL".to_owned(), "warn".to_owned()),
                ("CHRONOXIDE_STORAGE_MIN_FREE".to_owned(), "1MiB".to_owned()),
                ("PATH".to_owned(), "/bin".to_owned()),
                ("CHRONOXIDE_SERVICE_HOST".to_owned(), "10.0.0.1".to_owned()),
            ])
            .unwrap();
        let file = "log.level = \"debug\"\nlog.format = \"json\"\n[storage]\nmin-free = \"2MiB\"\n[query]\nmax-samples = 7\n";
        settings.read_toml(Path::new("c.toml"), file).unwrap();
        assert_eq!(settings.get("log.level").0, "error");
        assert_eq!(settings.get("storage.min-free").0, "1MiB");
        assert_eq!(settings.get("log.format").0, "json");
        assert_eq!(settings.get("query.max-samples").0, "7");
        assert_eq!(
            settings.get("log.format").1.to_string(),
            "log.format in c.toml"
        );
        assert_eq!(
            settings.get("storage.min-free").1.to_string(),
            "CHRONOXIDE_STORAGE_MIN_FREE"
        );
    }

    #[test]
    fn unknown_names_are_errors_with_a_near_match() {
        let mut settings = Settings::default();
        assert_eq!(
            settings
                .set("retention.tiem", "1d")
                .unwrap_err()
                .to_string(),
            "unknown setting --retention.tiem; did you mean --retention.time?"
        );
        let error = settings
            .read_environment([("CHRONOXIDE_HTTP_LISTN".to_owned(), String::new())])
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown setting CHRONOXIDE_HTTP_LISTN; did you mean CHRONOXIDE_HTTP_LISTEN?"
        );
        let error = settings
            .read_toml(Path::new("c.toml"), "[storage]\npaht = \"x\"")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown setting storage.paht in c.toml; did you mean storage.path?"
        );
        let error = settings.set("colour", "red").unwrap_err();
        assert_eq!(error.to_string(), "unknown setting --colour");
    }

    #[test]
    fn a_broken_file_is_named_with_its_line() {
        let mut settings = Settings::default();
        let error = settings
            .read_toml(Path::new("c.toml"), "a = 1\n= 2")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("c.toml") && error.contains("line 2"),
            "{error}"
        );
        assert!(
            settings
                .read_toml(Path::new("c.toml"), "log.level = [1]")
                .is_err()
        );
    }
}
