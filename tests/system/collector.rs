//! One Collector sends the same metrics by OTLP/gRPC, by OTLP/HTTP and by remote write: the series are the same.

use std::collections::BTreeMap;
use std::time::Duration;

use chronoxide_tests::{Collector, Destinations, Server, free_port, query, wait_until};
use opentelemetry_sdk::metrics::Temporality;

use crate::rust_sdk::{self, Transport};

const PATIENCE: Duration = Duration::from_secs(60);

/// All series of the service with their values, but for labels that only one way has.
fn series(server: &Server) -> BTreeMap<String, String> {
    let answer = query(&server.url(), r#"{job="shop/checkout"}"#).unwrap();
    let result = answer.body["data"]["result"].as_array().unwrap();
    let mut found = BTreeMap::new();
    for entry in result {
        let mut labels = entry["metric"].as_object().unwrap().clone();
        // Remote write tells of the scope, OTLP where it is asked to.
        labels.retain(|name, _| !name.starts_with("otel_scope_"));
        let value = [&entry["value"][1], &entry["histogram"][1]].map(ToString::to_string);
        let labels = serde_json::Value::Object(labels).to_string();
        let replaced = found.insert(labels, value.join(" "));
        assert_eq!(replaced, None, "each series stands once");
    }
    found
}

#[test]
fn three_ways_from_a_collector_give_the_same_series() {
    let folder = tempfile::tempdir().unwrap();
    let servers = ["grpc", "http", "remote-write"].map(|way| {
        let data = folder.path().join(way);
        Server::start_with(&data, free_port(), &["--otlp.promote", "none"])
    });
    let [grpc, http, remote_write] = servers.each_ref().map(Server::url);
    let destinations = Destinations {
        grpc,
        http,
        remote_write,
    };
    let collector = match Collector::start(folder.path(), &destinations) {
        Ok(collector) => collector,
        Err(reason) => {
            println!("skipped: no Collector: {reason}");
            return;
        }
    };
    let address = collector.url();
    let listening = wait_until(PATIENCE, || {
        let (_, port) = address.rsplit_once(':')?;
        std::net::TcpStream::connect(format!("127.0.0.1:{port}")).ok()
    });
    assert!(listening.is_some(), "{}", collector.output());
    rust_sdk::run(
        Transport::Grpc,
        &address,
        Temporality::Cumulative,
        "collected",
    );
    let complete = |server: &Server| {
        let total = query(&server.url(), "http_server_requests_total")
            .ok()?
            .single();
        let size = query(&server.url(), "histogram_count(payload_size_bytes)")
            .ok()?
            .single();
        let target = query(&server.url(), "target_info").ok()?.single();
        (total == Some(16.0) && size == Some(200.0) && target == Some(1.0)).then_some(())
    };
    for server in &servers {
        let arrived = wait_until(PATIENCE, || complete(server));
        assert!(
            arrived.is_some(),
            "{}\n{}",
            collector.output(),
            server.output()
        );
    }
    let [grpc, http, remote_write] = servers.each_ref().map(series);
    assert!(grpc.len() >= 11, "{grpc:#?}");
    assert_eq!(grpc, http);
    assert_eq!(grpc, remote_write);
}
