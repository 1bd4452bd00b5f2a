//! The newest Prometheus scrapes a real instrumented program and remote-writes version 2 into the real binary: floats,
//! native histograms, exemplars, start times and metadata; through an outage.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::json;

use chronoxide_tests::{
    Answer, NewestPeers, NewestPrometheus, Server, Target, free_port, query, wait_until,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn number(server: &Server, text: &str) -> Option<f64> {
    query(&server.url(), text).ok()?.single()
}

/// Samples of the only series that `selector` finds, by time in milliseconds.
fn samples(server: &Server, selector: &str, key: &str) -> BTreeMap<i64, serde_json::Value> {
    let answer = query(&server.url(), &format!("{selector}[10m]")).unwrap();
    let series = answer.body["data"]["result"].as_array().cloned();
    let series = series.unwrap_or_default();
    assert!(series.len() <= 1, "{selector}: {}", answer.text);
    let pairs = series.first().map(|series| series[key].clone());
    let pairs = pairs
        .as_ref()
        .and_then(serde_json::Value::as_array)
        .cloned();
    let pairs = pairs.unwrap_or_default().into_iter();
    pairs
        .map(|pair| {
            let seconds = pair[0].as_f64().unwrap();
            ((seconds * 1000.0).round() as i64, pair[1].clone())
        })
        .collect()
}

fn floats(server: &Server, selector: &str) -> BTreeMap<i64, f64> {
    let samples = samples(server, selector, "values").into_iter();
    samples
        .map(|(time, value)| (time, value.as_str().unwrap().parse().unwrap()))
        .collect()
}

/// Scrapes that came in.
fn scrapes(server: &Server) -> Option<f64> {
    number(server, "count_over_time(up{job=\"target\"}[10m])")
}

/// Longest time between two scrapes, in milliseconds.
fn longest_gap(server: &Server) -> i64 {
    let times: Vec<i64> = floats(server, "up{job=\"target\"}").into_keys().collect();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or(0)
}

/// What the target observed at step `step`.
fn duration(step: i64) -> f64 {
    0.05 * (1 + step % 300) as f64
}

/// Every scrape says how many there have been before it, and all metrics follow from that number.
fn assert_scrapes_say_what_the_target_said(server: &Server) {
    let heat = floats(server, "target_heat_celsius");
    let ok = floats(server, "target_requests_total{code=\"200\"}");
    let failed = floats(server, "target_requests_total{code=\"500\"}");
    let below_1 = floats(server, "target_classic_seconds_bucket{le=\"1.0\"}");
    let native = samples(server, "target_native_seconds", "histograms");
    assert!(heat.len() >= 14, "{} scrapes are few", heat.len());
    let mut last_step = 0;
    for (time, heat) in &heat {
        let requests = ok[time] + failed.get(time).copied().unwrap_or(0.0);
        let step = requests as i64;
        assert!(step > last_step, "step {step} after {last_step}");
        last_step = step;
        assert!(
            (heat - (20.0 + 5.0 * (step as f64 / 7.0).sin())).abs() < 1e-9,
            "step {step}"
        );
        assert_eq!(failed.get(time).copied().unwrap_or(0.0), (step / 5) as f64);
        let low = (1..=step).filter(|step| duration(*step) <= 1.0).count();
        assert_eq!(below_1[time], low as f64, "step {step}");
        let histogram = &native[time];
        assert_eq!(histogram["count"], step.to_string(), "step {step}");
        let sum: f64 = (1..=step).map(duration).sum();
        let stored: f64 = histogram["sum"].as_str().unwrap().parse().unwrap();
        assert!((stored - sum).abs() < 1e-6, "step {step}: {stored}, {sum}");
        let buckets = histogram["buckets"].as_array().unwrap();
        let counts = buckets.iter().map(|bucket| bucket[3].as_str().unwrap());
        let counted: f64 = counts.map(|count| count.parse::<f64>().unwrap()).sum();
        assert_eq!(counted, step as f64);
    }
}

/// Every exemplar names the step that made it.
fn assert_exemplars(server: &Server) {
    let now = number(server, "time()").unwrap();
    let (start, end) = ((now - 600.0).to_string(), (now + 60.0).to_string());
    let url = format!("{}/api/v1/query_exemplars", server.url());
    let selector = "{__name__=~\"target_(requests_total|native_seconds)\"}";
    let parameters = [("query", selector), ("start", &start), ("end", &end)];
    let answer = Answer::get(&url, &parameters).unwrap();
    let series = answer.body["data"].as_array().cloned().unwrap_or_default();
    let mut native = 0;
    for series in &series {
        for exemplar in series["exemplars"].as_array().unwrap() {
            let trace = exemplar["labels"]["trace_id"].as_str().unwrap();
            let step: i64 = trace.strip_prefix("trace-").unwrap().parse().unwrap();
            let value: f64 = exemplar["value"].as_str().unwrap().parse().unwrap();
            let expected = if series["seriesLabels"]["__name__"] == "target_native_seconds" {
                native += 1;
                duration(step)
            } else {
                1.0
            };
            assert!((value - expected).abs() < 1e-9, "{trace}: {value}");
        }
    }
    assert!(series.len() >= 2 && native > 0, "{}", answer.text);
}

fn assert_nothing_failed(agent: &NewestPrometheus) {
    let own = |kind: &str, what: &str| {
        let name = format!("prometheus_remote_storage_{kind}{what}_total");
        (agent.own_metric(&name), name)
    };
    for kind in ["samples", "histograms", "exemplars"] {
        let (failed, name) = own(kind, "_failed");
        assert_eq!(failed, Some(0.0), "{name}:\n{}", agent.output());
        // There by reason, as soon as one is dropped.
        let (dropped, name) = own(kind, "_dropped");
        assert!(dropped.unwrap_or(0.0) == 0.0, "{name}:\n{}", agent.output());
        let (sent, name) = own(kind, "");
        assert!(sent.unwrap_or(0.0) > 0.0, "{name}: {sent:?}");
    }
    let (retried, name) = own("samples", "_retried");
    assert!(
        retried.unwrap_or(0.0) > 0.0,
        "{name}: the outage was not felt"
    );
}

fn assert_nothing_refused(server: &Server) {
    let url = format!("{}/metrics", server.url());
    let answer = ureq::get(url).call().unwrap();
    let metrics = answer.into_body().read_to_string().unwrap();
    let count = |result: &str| {
        let line = format!(
            "chronoxide_ingest_requests_total{{protocol=\"remote_write\",format=\"2.0\",result=\"{result}\"}} "
        );
        let value = metrics.lines().find_map(|text| text.strip_prefix(&line))?;
        value.parse::<f64>().ok()
    };
    assert!(count("stored").unwrap_or(0.0) > 0.0, "{metrics}");
    assert!(!metrics.contains("result=\"refused\"}"), "{metrics}");
}

#[test]
fn the_newest_prometheus_sends_version_2_whole_through_an_outage() {
    let Some(peers) = NewestPeers::built() else {
        println!("skipped: Go is not installed, so the newest Prometheus cannot be built");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let (data, port) = (folder.path().join("data"), free_port());
    let mut server = Server::start_with(&data, port, &[]);
    let target = Target::start(folder.path(), peers);
    let agent = NewestPrometheus::start_agent(folder.path(), peers, &target, &server.url());
    let begun = wait_until(PATIENCE, || {
        scrapes(&server).filter(|scrapes| *scrapes >= 6.0)
    });
    assert!(
        begun.is_some(),
        "no data arrived; server:\n{}\nagent:\n{}",
        server.output(),
        agent.output()
    );
    server.kill();
    // Long enough for scrapes that cannot be sent.
    std::thread::sleep(Duration::from_secs(3));
    server = Server::start_with(&data, port, &[]);
    let before = scrapes(&server).unwrap();
    let caught_up = wait_until(PATIENCE, || {
        (scrapes(&server)? >= before + 8.0 && longest_gap(&server) < 2000).then_some(())
    });
    assert!(
        caught_up.is_some(),
        "the agent did not catch up, gap {} ms:\n{}",
        longest_gap(&server),
        agent.output()
    );
    assert_start_times(&server);
    // Once a scrape has failed, all that was scraped before is there.
    drop(target);
    let ended = wait_until(PATIENCE, || {
        number(&server, "up{job=\"target\"}").filter(|up| *up == 0.0)
    });
    assert!(ended.is_some(), "{}", agent.output());
    assert_scrapes_say_what_the_target_said(&server);
    assert_exemplars(&server);
    assert_nothing_failed(&agent);
    assert_nothing_refused(&server);
}

/// Counters and histograms say since when they count; the target counts since it was started.
fn assert_start_times(server: &Server) {
    for selector in [
        "target_requests_total{code=\"200\"}",
        "target_classic_seconds_count",
        "target_native_seconds",
    ] {
        let age = format!("timestamp({selector}) - start_timestamp({selector})");
        let age = number(server, &age);
        assert!(
            age.is_some_and(|age| (0.0..600.0).contains(&age)),
            "{selector}: {age:?}"
        );
    }
}

fn assert_metadata(server: &Server) {
    let url = format!("{}/api/v1/metadata", server.url());
    let answer = Answer::get(&url, &[]).unwrap();
    for (name, metric_type, help) in [
        (
            "target_requests_total",
            "counter",
            "Requests that the target \"served\".",
        ),
        ("target_heat_celsius", "gauge", "How warm the target is."),
        (
            "target_classic_seconds",
            "histogram",
            "Durations in classic buckets.",
        ),
        (
            "target_native_seconds",
            "histogram",
            "Durations in native buckets.",
        ),
    ] {
        let expected = json!([{"type": metric_type, "help": help, "unit": ""}]);
        assert_eq!(answer.body["data"][name], expected, "{}", answer.text);
    }
    let series = answer.body["data"]["target_classic_seconds_bucket"].clone();
    assert!(series.is_null(), "{series}");
}

#[test]
fn the_newest_prometheus_sends_metadata_with_version_2() {
    let Some(peers) = NewestPeers::built() else {
        println!("skipped: Go is not installed, so the newest Prometheus cannot be built");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start_with(&folder.path().join("data"), free_port(), &[]);
    let target = Target::start(folder.path(), peers);
    let sender = NewestPrometheus::start_server(folder.path(), peers, &target, &server.url());
    let begun = wait_until(PATIENCE, || {
        scrapes(&server).filter(|scrapes| *scrapes >= 4.0)
    });
    assert!(
        begun.is_some(),
        "no data arrived; server:\n{}\nsender:\n{}",
        server.output(),
        sender.output()
    );
    assert_metadata(&server);
    assert_start_times(&server);
    assert_nothing_refused(&server);
}
