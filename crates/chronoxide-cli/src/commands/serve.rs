//! Serving until told to stop.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;

use chronoxide_server::{Config, DurabilityMode, Server};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::logging;

/// Serves until SIGTERM or SIGINT; a second one ends the process at once.
pub(crate) fn serve(config: Config) -> Result<ExitCode, String> {
    logging::install(&config);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("chronoxide")
        .build()
        .map_err(|error| format!("threads cannot be started: {error}"))?;
    let ended = runtime.block_on(run(config));
    // A query that is still being evaluated must not hold up the end; it only reads.
    runtime.shutdown_background();
    ended
}

async fn run(config: Config) -> Result<ExitCode, String> {
    let handler = |error| format!("signals cannot be handled: {error}");
    let mut terminate = signal(SignalKind::terminate()).map_err(handler)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(handler)?;
    let addresses = [
        Some(config.http_listen),
        config.otlp_http_listen,
        config.otlp_grpc_listen,
    ];
    for address in addresses.into_iter().flatten() {
        if address.ip().is_loopback() {
            continue;
        }
        tracing::warn!(
            %address,
            "listening beyond this machine without authentication: whoever reaches the port may read and write"
        );
    }
    let shown = config.clone();
    let server = tokio::select! {
        started = Server::start(config) => started.map_err(|error| error.paragraph())?,
        () = stop_signal(&mut terminate, &mut interrupt) => return Ok(ExitCode::SUCCESS),
    };
    print_start(&shown, &server);
    stop_signal(&mut terminate, &mut interrupt).await;
    tokio::select! {
        ended = server.shutdown() => ended.map_err(|error| error.paragraph())?,
        () = stop_signal(&mut terminate, &mut interrupt) => {
            return Err("stopped at once by a second signal; the write-ahead log is replayed at the next start".to_owned());
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn stop_signal(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

/// Says on standard output what runs where.
fn print_start(config: &Config, server: &Server) {
    let address = server.address();
    let otlp = reachable(server.otlp_address().unwrap_or(address));
    let grpc = reachable(server.grpc_address().unwrap_or(address));
    let url = format!("http://{}{}", reachable(address), config.route_prefix);
    // A port of its own knows no prefix; neither does gRPC anywhere.
    let otlp_prefix = match server.otlp_address() {
        Some(_) => "",
        None => config.route_prefix.as_str(),
    };
    let durability = match config.durability {
        DurabilityMode::Sync => "acknowledged after fdatasync".to_owned(),
        DurabilityMode::Interval(interval) => format!("synced every {interval:?}"),
    };
    let path =
        std::path::absolute(&config.storage_path).unwrap_or_else(|_| config.storage_path.clone());
    let block = format!(
        "chronoxide {version}\n  \
           data     {path} ({durability})\n  \
           listen   {address}\n  \
           page     {url}/\n  \
           write    {url}/api/v1/write  (Prometheus remote write)\n  \
           otlp     http://{otlp}{otlp_prefix}/v1/metrics  (OTLP/HTTP)\n  \
           otlp     http://{grpc}  (OTLP/gRPC)\n  \
           try      curl '{url}/api/v1/query?query=up'\n",
        version = env!("CARGO_PKG_VERSION"),
        path = path.display(),
    );
    // Whoever closed standard output does not want to know.
    let _ = std::io::stdout().write_all(block.as_bytes());
}

/// An address to connect to: listening everywhere includes this machine.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}
