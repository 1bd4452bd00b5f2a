//! Asking a running server, for container images without a shell.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use chronoxide_server::Config;

use super::serve::reachable;

const TIMEOUT: Duration = Duration::from_secs(3);

/// Asks `/-/healthy` at the configured address.
pub(crate) fn health_check(config: &Config) -> Result<ExitCode, String> {
    let address = reachable(config.http_listen);
    let path = format!("{}/-/healthy", config.route_prefix);
    let status = ask(address, &path)
        .map_err(|error| format!("no answer from http://{address}{path}: {error}"))?;
    if status == "200" {
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("http://{address}{path} answers {status}"))
    }
}

/// The status of the answer.
fn ask(address: std::net::SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut head = [0; 12];
    stream.read_exact(&mut head)?;
    let head = String::from_utf8_lossy(&head);
    match head.strip_prefix("HTTP/1.1 ") {
        Some(status) => Ok(status.to_owned()),
        None => Err(std::io::Error::other("the answer is not HTTP")),
    }
}
