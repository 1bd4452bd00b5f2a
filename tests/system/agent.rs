//! A real Prometheus agent scrapes a real node exporter and remote-writes into the real binary.

use std::collections::BTreeSet;
use std::time::Duration;

use chronoxide_tests::{
    Agent, Answer, NodeExporter, Server, free_port, query, query_range, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

/// The peers, or the reason why the test cannot run here.
fn peers(folder: &std::path::Path, server: &str) -> Option<(NodeExporter, Agent)> {
    let exporter = NodeExporter::start(folder);
    let started =
        exporter.and_then(|exporter| Some((Agent::start(folder, &exporter, server)?, exporter)));
    match started {
        Some((agent, exporter)) => Some((exporter, agent)),
        None => {
            assert!(
                std::env::var_os("CI").is_none(),
                "CI installs prometheus and prometheus-node-exporter"
            );
            println!("skipped: Debian's prometheus or prometheus-node-exporter is not installed");
            None
        }
    }
}

fn number(server: &Server, text: &str) -> Option<f64> {
    query(&server.url(), text).ok()?.single()
}

/// The value of a line of the exporter's text.
fn exposed(metrics: &str, series: &str) -> f64 {
    let line = metrics
        .lines()
        .find(|line| line.split(' ').next() == Some(series));
    line.unwrap_or_else(|| panic!("the exporter has no {series}"))
        .rsplit(' ')
        .next()
        .unwrap()
        .parse()
        .unwrap()
}

/// Values of label `name` in lines of metric `metric`.
fn exposed_labels(metrics: &str, metric: &str, name: &str) -> BTreeSet<String> {
    let start = format!("{metric}{{");
    let pattern = format!("{name}=\"");
    let lines = metrics.lines().filter(|line| line.starts_with(&start));
    lines
        .map(|line| {
            let rest = &line[line.find(&pattern).expect("the label is there") + pattern.len()..];
            rest[..rest.find('"').unwrap()].to_owned()
        })
        .collect()
}

fn label_values(server: &Server, name: &str, selector: &str) -> BTreeSet<String> {
    let url = format!("{}/api/v1/label/{name}/values", server.url());
    let answer = Answer::get(&url, &[("match[]", selector)]).unwrap();
    let values = answer.body["data"]
        .as_array()
        .unwrap_or_else(|| panic!("no label values: {}", answer.text));
    values
        .iter()
        .map(|value| value.as_str().unwrap().to_owned())
        .collect()
}

fn assert_same_as_exporter(server: &Server, exporter: &NodeExporter) {
    let before = exporter.metrics();
    // One more scrape, so that what is stored is newer than `before`.
    let scrapes = number(server, "count_over_time(up{job=\"node\"}[10m])").unwrap();
    wait_until(PATIENCE, || {
        number(server, "count_over_time(up{job=\"node\"}[10m])").filter(|now| *now >= scrapes + 2.0)
    })
    .expect("scrapes go on");
    let idle = number(server, "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}").unwrap();
    let after = exporter.metrics();
    let series = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}";
    let (low, high) = (exposed(&before, series), exposed(&after, series));
    assert!(
        low <= idle && idle <= high,
        "{idle} is not between {low} and {high}"
    );
    let total = number(server, "node_memory_MemTotal_bytes").unwrap();
    assert_eq!(total, exposed(&after, "node_memory_MemTotal_bytes"));
    for label in ["cpu", "mode"] {
        let stored = label_values(server, label, "node_cpu_seconds_total");
        assert_eq!(
            stored,
            exposed_labels(&after, "node_cpu_seconds_total", label)
        );
    }
    assert_eq!(
        label_values(server, "cluster", "up{job=\"node\"}"),
        BTreeSet::from(["test".to_owned()])
    );
}

/// The rate that the engine computes is the rate of the raw samples.
fn assert_rates_agree_with_samples(server: &Server) {
    let cpu = "node_cpu_seconds_total{cpu=\"0\",mode=\"idle\"}";
    let now = number(server, "time()").unwrap() - 2.0;
    let at = format!("{now:.3}");
    let url = format!("{}/api/v1/query", server.url());
    let raw = Answer::get(&url, &[("query", &format!("{cpu}[8s]")), ("time", &at)]).unwrap();
    let values = raw.body["data"]["result"][0]["values"]
        .as_array()
        .expect("raw samples")
        .clone();
    assert!(values.len() >= 4, "too few samples: {}", raw.text);
    let time = |index: usize| values[index][0].as_f64().unwrap();
    let value = |index: usize| values[index][1].as_str().unwrap().parse::<f64>().unwrap();
    let last = values.len() - 1;
    // Whole milliseconds: seconds since 1970 as a float are off by a tenth of a microsecond.
    let span = ((time(last) - time(last - 1)) * 1000.0).round() / 1000.0;
    let irate = (value(last) - value(last - 1)) / span;
    let answered = Answer::get(
        &url,
        &[("query", &format!("irate({cpu}[8s])")), ("time", &at)],
    )
    .unwrap();
    let answered = answered.single().expect("an instant rate");
    assert!(
        (answered - irate).abs() <= irate.abs() * 1e-9,
        "irate {answered}, raw samples say {irate}"
    );
    let rate = Answer::get(
        &url,
        &[("query", &format!("rate({cpu}[8s])")), ("time", &at)],
    )
    .unwrap();
    let rate = rate.single().expect("a rate");
    // Prometheus' extrapolation, worked out anew: to an edge of the window that lies within 1.1 scrapes, and half a
    // scrape otherwise. Idle time since boot is far from zero, so that limit plays no part.
    let (increase, sampled) = (value(last) - value(0), time(last) - time(0));
    let scrape = sampled / last as f64;
    let reach = |edge: f64| {
        if edge >= scrape * 1.1 {
            scrape / 2.0
        } else {
            edge
        }
    };
    let asked: f64 = at.parse().unwrap();
    let extended = sampled + reach(time(0) - (asked - 8.0)) + reach(asked - time(last));
    let expected = increase * extended / sampled / 8.0;
    assert!(
        (rate - expected).abs() <= expected.abs() * 1e-6,
        "rate {rate}, raw samples say {expected}"
    );
}

/// Every sample of the agent's job: labels, time and value as they stand in the answer.
fn stored(server: &Server) -> BTreeSet<(String, String, String)> {
    let answer = query(&server.url(), "{job=\"node\"}[10m]").unwrap();
    let series = answer.body["data"]["result"]
        .as_array()
        .expect("a matrix")
        .clone();
    let samples = series.iter().flat_map(|series| {
        let labels = series["metric"].to_string();
        let values = series["values"].as_array().expect("float samples").clone();
        values
            .into_iter()
            .map(move |pair| (labels.clone(), pair[0].to_string(), pair[1].to_string()))
    });
    samples.collect()
}

/// Longest time between two samples of `up`, in seconds.
fn longest_gap(server: &Server) -> f64 {
    let answer = query(&server.url(), "up{job=\"node\"}[10m]").unwrap();
    let values = answer.body["data"]["result"][0]["values"]
        .as_array()
        .expect("samples of up")
        .clone();
    let times: Vec<f64> = values
        .iter()
        .map(|pair| pair[0].as_f64().unwrap())
        .collect();
    times
        .windows(2)
        .map(|pair| pair[1] - pair[0])
        .fold(0.0, f64::max)
}

#[test]
fn what_a_real_agent_sends_comes_back_and_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = free_port();
    let mut server = Server::start_with(&data, port, &[]);
    let Some((exporter, agent)) = peers(folder.path(), &server.url()) else {
        return;
    };
    let scraped = wait_until(PATIENCE, || {
        number(&server, "count_over_time(up{job=\"node\"}[10m])").filter(|scrapes| *scrapes >= 10.0)
    });
    assert!(
        scraped.is_some(),
        "no data arrived; server:\n{}\nagent:\n{}",
        server.output(),
        agent.output()
    );
    assert_eq!(number(&server, "up{job=\"node\"}"), Some(1.0));
    assert_same_as_exporter(&server, &exporter);
    assert_rates_agree_with_samples(&server);

    let before = stored(&server);
    assert!(before.len() > 5000, "{} samples are few", before.len());
    server.kill();
    std::thread::sleep(Duration::from_secs(3));
    server = Server::start_with(&data, port, &[]);
    let after = stored(&server);
    let lost: Vec<_> = before.difference(&after).take(3).collect();
    assert!(
        lost.is_empty(),
        "samples that could be read before the kill are gone: {lost:?}"
    );
    let scrapes = number(&server, "count_over_time(up{job=\"node\"}[10m])").unwrap();
    let caught_up = wait_until(PATIENCE, || {
        let now = number(&server, "count_over_time(up{job=\"node\"}[10m])")?;
        (now >= scrapes + 6.0 && longest_gap(&server) < 2.0).then_some(())
    });
    assert!(
        caught_up.is_some(),
        "the agent did not catch up, gap {} s:\n{}",
        longest_gap(&server),
        agent.output()
    );
    assert_eq!(
        agent.own_metric("prometheus_remote_storage_samples_failed_total"),
        Some(0.0)
    );
    assert_eq!(
        agent.own_metric("prometheus_remote_storage_samples_dropped_total"),
        Some(0.0)
    );

    let now = number(&server, "time()").unwrap();
    let range = query_range(
        &server.url(),
        "sum by (cpu) (rate(node_cpu_seconds_total[5s]))",
        now - 15.0,
        now,
        1.0,
    )
    .unwrap();
    assert_eq!(range.body["data"]["resultType"], "matrix", "{}", range.text);
    assert!(
        !range.body["data"]["result"].as_array().unwrap().is_empty(),
        "{}",
        range.text
    );

    server.stop();
    let check = std::process::Command::new(Server::binary())
        .arg("check")
        .arg(&data)
        .output()
        .unwrap();
    assert!(
        check.status.success(),
        "{}",
        String::from_utf8_lossy(&check.stdout)
    );
}
