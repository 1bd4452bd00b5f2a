//! The dashboards of `grafana/`: well-formed, and every expression is one that the server answers.

use std::fs;
use std::path::{Path, PathBuf};

use chronoxide_tests::{Answer, Server};
use serde_json::Value;

fn dashboards() -> Vec<(PathBuf, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../grafana/dashboards");
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
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
        let mut ids = std::collections::BTreeSet::new();
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
