//! The command line: arguments, environment and configuration file become one checked configuration.

use std::ffi::OsString;
use std::path::PathBuf;

use chronoxide_server::{CONFIG_FILE_VARIABLE, Config, ConfigError, Setting, Settings};
use clap::{Arg, ArgMatches, Command};

/// What to do, and with which settings.
#[derive(Debug)]
pub(crate) struct Arguments {
    pub(crate) task: Task,
}

/// What to do.
#[derive(Debug)]
pub(crate) enum Task {
    Serve(Box<Config>),
    Check(PathBuf),
    HealthCheck(Box<Config>),
}

/// Why the arguments cannot be followed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The command line itself; also carries help and version.
    #[error(transparent)]
    Usage(#[from] clap::Error),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("--config: cannot read {}: {source}", path.display())]
    File {
        path: PathBuf,
        source: std::io::Error,
    },
}

impl Arguments {
    /// Reads the command line `arguments` (the program's name first) and the environment `variables`.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
        variables: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, Error> {
        let matches = command().try_get_matches_from(arguments)?;
        let task = match matches.subcommand() {
            Some(("check", check)) => {
                let directory: Option<&PathBuf> = check.get_one("DIR");
                Task::Check(directory.cloned().expect("clap demands the argument"))
            }
            Some(("healthcheck", given)) => {
                Task::HealthCheck(Box::new(configure(given, variables)?))
            }
            Some((_, given)) => Task::Serve(Box::new(configure(given, variables)?)),
            None => Task::Serve(Box::new(configure(&matches, variables)?)),
        };
        Ok(Self { task })
    }
}

/// Flags win over the environment, the environment over the file.
fn configure(
    given: &ArgMatches,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Config, Error> {
    // Names and values that are not UTF-8 cannot be meant for here; a value is kept readable for the error it earns.
    let variables: Vec<(String, String)> = variables
        .into_iter()
        .filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        })
        .collect();
    let mut settings = Settings::default();
    let named = variables
        .iter()
        .find(|(name, _)| name == CONFIG_FILE_VARIABLE)
        .map(|(_, path)| PathBuf::from(path));
    if let Some(path) = given.get_one::<PathBuf>("config").cloned().or(named) {
        let text = std::fs::read_to_string(&path).map_err(|source| Error::File {
            path: path.clone(),
            source,
        })?;
        settings.read_toml(&path, &text)?;
    }
    settings.read_environment(variables)?;
    for key in Setting::ALL.iter().map(|setting| setting.key) {
        if let Some(value) = given.get_one::<String>(key) {
            settings.set(key, value.as_str())?;
        }
    }
    Ok(Config::new(&settings)?)
}

fn command() -> Command {
    let settings = Setting::ALL.iter().map(|setting| {
        let default = if setting.default.is_empty() {
            "none"
        } else {
            setting.default
        };
        Arg::new(setting.key)
            .long(setting.key)
            .value_name(setting.value_name)
            .allow_hyphen_values(true)
            .global(true)
            .help(format!(
                "{} [default: {default}] [env: {}]",
                setting.help,
                setting.environment_name()
            ))
    });
    let config = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .global(true)
        .help(format!(
            "TOML file with the same keys [env: {CONFIG_FILE_VARIABLE}]"
        ));
    let directory = Arg::new("DIR")
        .required(true)
        .value_parser(clap::value_parser!(PathBuf))
        .help("Data directory; no server may have it open");
    Command::new("chronoxide")
        .version(env!("CARGO_PKG_VERSION"))
        .about("Time-series database: OTLP and Prometheus remote write in, PromQL out")
        .after_help("Flags win over the environment, the environment over the file. Durations: 30d, 1h30m. Sizes: 256MiB, 1GB.")
        .disable_help_subcommand(true)
        .arg(config)
        .args(settings)
        .subcommand(Command::new("serve").about("Serve (what happens without a command, too)"))
        .subcommand(Command::new("check").about("Verify every file and checksum of a data directory").arg(directory))
        .subcommand(Command::new("healthcheck").about("Ask a running server whether it is healthy"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Task, Error> {
        let arguments = ["chronoxide"].iter().chain(arguments).map(OsString::from);
        let variables = variables
            .iter()
            .map(|(name, value)| (OsString::from(name), OsString::from(value)));
        Arguments::parse(arguments, variables).map(|arguments| arguments.task)
    }

    #[test]
    fn the_command_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn serve_is_what_happens_without_a_command() {
        for arguments in [
            &["--log.level", "warn"][..],
            &["serve", "--log.level=warn"],
            &["--log.level=warn", "serve"],
        ] {
            let Task::Serve(config) = parse(arguments, &[]).unwrap() else {
                panic!("{arguments:?}")
            };
            assert_eq!(config.log_level, "warn");
        }
        let environment = [("CHRONOXIDE_LOG_LEVEL", "debug"), ("HOME", "/")];
        let Task::HealthCheck(config) = parse(&["healthcheck"], &environment).unwrap() else {
            panic!()
        };
        assert_eq!(config.log_level, "debug");
    }

    #[test]
    fn check_needs_a_directory() {
        let Task::Check(directory) = parse(&["check", "data"], &[]).unwrap() else {
            panic!()
        };
        assert_eq!(directory, PathBuf::from("data"));
        assert!(matches!(parse(&["check"], &[]), Err(Error::Usage(_))));
    }

    #[test]
    fn unknown_flags_and_missing_files_are_named() {
        let error = parse(&["--retention.tim", "1d"], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("--retention.tim") && error.contains("--retention.time"),
            "{error}"
        );
        let error = parse(&["--config", "/no/such/file"], &[])
            .unwrap_err()
            .to_string();
        assert!(
            error.starts_with("--config: cannot read /no/such/file"),
            "{error}"
        );
    }
}
