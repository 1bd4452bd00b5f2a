//! Log lines on standard error.

use std::io::IsTerminal as _;

use chronoxide_server::{Config, LogFormat};
use tracing_subscriber::EnvFilter;

/// Installs the subscriber that the configuration asks for.
pub(crate) fn install(config: &Config) {
    // The HTTP library tells of every frame at its debug level; that is for those who work on it.
    let filter = EnvFilter::new(format!(
        "{},hyper=warn,hyper_util=warn,h2=warn",
        config.log_level
    ));
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal());
    match config.log_format {
        LogFormat::Text => lines.init(),
        LogFormat::Json => lines.json().flatten_event(true).init(),
    }
}
