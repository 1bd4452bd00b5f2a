//! The dashboards and alert rules of `grafana/`: well-formed, and the server has data for every expression.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chronoxide_tests::{
    Answer, RemoteWriteSample, Server, free_port, query, remote_write_body, wait_until,
};
use serde_json::Value;

fn grafana(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../grafana")
        .join(path)
}

fn dashboards() -> Vec<(PathBuf, Value)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(grafana("dashboards")).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let text = fs::read_to_string(&path).unwrap();
            let json = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            found.push((path, json));
        }
    }
    assert!(found.len() >= 2, "there are dashboards");
    found
}

/// Every `expr` of a dashboard, with Grafana's variables replaced as Grafana would.
fn expressions(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    collect(dashboard, &mut found);
    found
        .into_iter()
        .map(|text| {
            text.replace("$__rate_interval", "1m")
                .replace("$__interval", "15s")
                .replace("$__range", "1h")
                .replace("$instance", ".*")
                .replace("$job", ".*")
        })
        .collect()
}

fn collect(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            if let Some(Value::String(text)) = map.get("expr") {
                found.push(text.clone());
            }
            map.values().for_each(|inner| collect(inner, found));
        }
        Value::Array(values) => values.iter().for_each(|inner| collect(inner, found)),
        _ => {}
    }
}

#[test]
fn dashboards_have_what_grafana_demands() {
    for (path, dashboard) in dashboards() {
        let path = path.display();
        assert!(
            dashboard["title"].is_string() && dashboard["uid"].is_string(),
            "{path}: title and uid"
        );
        assert!(
            dashboard["schemaVersion"]
                .as_u64()
                .is_some_and(|version| version >= 39),
            "{path}: schemaVersion"
        );
        let panels = dashboard["panels"]
            .as_array()
            .unwrap_or_else(|| panic!("{path}: panels"));
        let mut ids = BTreeSet::new();
        for panel in panels {
            assert!(
                ids.insert(panel["id"].as_u64().unwrap()),
                "{path}: panel ids are unique"
            );
            for side in ["h", "w", "x", "y"] {
                assert!(
                    panel["gridPos"][side].is_u64(),
                    "{path}: panel {} has a place",
                    panel["id"]
                );
            }
            if panel["type"] != "row" {
                assert_eq!(
                    panel["datasource"]["type"], "prometheus",
                    "{path}: panel {}",
                    panel["id"]
                );
                assert!(
                    !panel["targets"].as_array().unwrap().is_empty(),
                    "{path}: panel {}",
                    panel["id"]
                );
            }
        }
    }
}

#[test]
fn every_expression_of_the_dashboards_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    for (path, dashboard) in dashboards() {
        let expressions = expressions(&dashboard);
        assert!(!expressions.is_empty());
        for expression in expressions {
            let url = format!("{}/api/v1/query", server.url());
            let answer = Answer::get(&url, &[("query", &expression)]).unwrap();
            assert_eq!(
                answer.status,
                200,
                "{}: {expression}: {}",
                path.display(),
                answer.text
            );
        }
    }
}

/// A server that has stored its own metrics more than once, and has refused a sample.
fn server_with_own_metrics(folder: &Path) -> Server {
    let arguments = ["--self-metrics.interval", "1s", "--retention.time", "1d"];
    let server = Server::start_with(&folder.join("data"), free_port(), &arguments);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let now_ms = i64::try_from(now.as_millis()).unwrap();
    for timestamp_ms in [now_ms, now_ms - 3 * 86_400_000] {
        let sample = RemoteWriteSample {
            labels: vec![("__name__", "x")],
            timestamp_ms,
            value: 1.0,
        };
        server.push(&remote_write_body(&[sample])).unwrap();
    }
    // Three scrapes after these pushes: rates of all of them are known.
    let scraped = wait_until(Duration::from_secs(20), || {
        let counted = "min(count_over_time(chronoxide_ingest_rejected_samples_total[1m])) >= 3";
        query(&server.url(), counted).unwrap().single()
    });
    assert!(scraped.is_some(), "{}", server.output());
    server
}

#[test]
fn the_dashboard_of_the_server_itself_has_data_for_every_expression() {
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_own_metrics(folder.path());
    let (path, dashboard) = dashboards()
        .into_iter()
        .find(|(path, _)| path.ends_with("chronoxide.json"))
        .unwrap();
    let empty: Vec<String> = expressions(&dashboard)
        .into_iter()
        .filter(|expression| {
            query(&server.url(), expression)
                .unwrap()
                .vector()
                .is_empty()
        })
        .collect();
    assert!(
        empty.is_empty(),
        "{}: no data for {empty:#?}",
        path.display()
    );
}

/// An alert rule, read from the lines of its file.
#[derive(Debug, Default)]
struct Rule {
    uid: String,
    expression: String,
    members: BTreeSet<String>,
}

/// The rules of the file, which has one member on each line.
fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(grafana("provisioning/alerting/chronoxide.yml")).unwrap();
    let mut rules: Vec<Rule> = Vec::new();
    for line in text.lines() {
        let line = line.trim_start().trim_start_matches("- ");
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let value = value.trim().trim_matches('\'');
        if name == "uid" {
            rules.push(Rule {
                uid: value.to_owned(),
                ..Rule::default()
            });
        }
        let Some(rule) = rules.last_mut() else {
            continue;
        };
        if name == "expr" {
            rule.expression = value.replace("''", "'");
        }
        assert!(!value.is_empty() || line.ends_with(':'), "{line}");
        rule.members.insert(name.to_owned());
    }
    rules
}

#[test]
fn alert_rules_have_data_and_say_what_to_do() {
    let rules = rules();
    assert!(rules.len() >= 10, "{}", rules.len());
    let uids: BTreeSet<&str> = rules.iter().map(|rule| rule.uid.as_str()).collect();
    assert_eq!(uids.len(), rules.len(), "uids are unique");
    let folder = tempfile::tempdir().unwrap();
    let server = server_with_own_metrics(folder.path());
    for rule in &rules {
        assert!(
            rule.uid.len() <= 40,
            "{}: Grafana takes 40 characters",
            rule.uid
        );
        for member in [
            "title",
            "condition",
            "for",
            "noDataState",
            "execErrState",
            "data",
            "relativeTimeRange",
            "datasourceUid",
            "type",
            "severity",
            "summary",
            "runbook",
        ] {
            assert!(rule.members.contains(member), "{}: {member}", rule.uid);
        }
        let answer = query(&server.url(), &rule.expression).unwrap();
        assert_eq!(answer.status, 200, "{}: {}", rule.uid, answer.text);
        let samples = answer.vector();
        assert!(
            !samples.is_empty(),
            "{}: no data: {}",
            rule.uid,
            rule.expression
        );
        // Grafana tells alerts apart by what is left of the labels.
        for sample in &samples {
            let names: Vec<&String> = sample.labels.keys().collect();
            assert_eq!(names, ["instance"], "{}", rule.uid);
        }
    }
}
