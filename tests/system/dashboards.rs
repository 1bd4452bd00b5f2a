//! The dashboards of `grafana/`: well-formed, and with data from what they are made for the server answers every
//! expression and every variable with something.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use chronoxide_tests::{
    Agent, Answer, NodeExporter, RemoteWriteSample, Server, free_port, query, remote_write_body,
    wait_until,
};
use serde_json::Value;

use crate::service::{self, Habit};

pub(crate) fn grafana(path: &str) -> PathBuf {
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

fn dashboard(name: &str) -> Value {
    let (_, found) = dashboards()
        .into_iter()
        .find(|(path, _)| path.ends_with(name))
        .unwrap();
    found
}

/// What Grafana puts in place of a dashboard's variables.
type Variables = BTreeMap<String, String>;

/// What Grafana puts in the place of those that it knows itself, for a data source that is scraped every 15 s.
const BUILT_IN: [(&str, &str); 3] = [
    ("$__rate_interval", "1m"),
    ("$__interval", "15s"),
    ("$__range", "1h"),
];

fn filled(text: &str, variables: &Variables) -> String {
    let mut text = text.to_owned();
    for (name, value) in BUILT_IN {
        text = text.replace(name, value);
    }
    for (name, value) in variables {
        text = text.replace(&format!("${name}"), value);
    }
    assert!(!text.contains('$'), "an unknown variable: {text}");
    text
}

/// Every `expr` of a dashboard.
fn expressions(dashboard: &Value, variables: &Variables) -> Vec<String> {
    let mut found = Vec::new();
    collect(dashboard, &mut found);
    assert!(!found.is_empty());
    found.iter().map(|text| filled(text, variables)).collect()
}

/// The variables of a dashboard with "All" chosen for each.
fn all_chosen(dashboard: &Value) -> Variables {
    queries(dashboard)
        .map(|variable| (name_of(variable), text_of(&variable["allValue"])))
        .collect()
}

/// The variables that are asked for.
fn queries(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let all = dashboard["templating"]["list"].as_array().unwrap();
    all.iter().filter(|variable| variable["type"] == "query")
}

fn name_of(variable: &Value) -> String {
    text_of(&variable["name"])
}

fn text_of(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// The choices of a variable, asked for as Grafana does: `label_values(selector, label)` is a question for the values
/// of a label.
fn choices(server: &Server, variable: &Value, chosen: &Variables) -> Vec<String> {
    let query = text_of(&variable["query"]["query"]);
    assert_eq!(text_of(&variable["definition"]), query);
    let inner = query
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let (selector, label) = inner.and_then(|inner| inner.rsplit_once(", ")).unwrap();
    let url = format!("{}/api/v1/label/{label}/values", server.url());
    let answer = Answer::get(&url, &[("match[]", &filled(selector, chosen))]).unwrap();
    assert_eq!(answer.status, 200, "{query}: {}", answer.text);
    let values = answer.body["data"].as_array().unwrap();
    values.iter().map(text_of).collect()
}

/// A choice as Grafana writes it into a pattern that is a string of PromQL.
fn escaped(choice: &str) -> String {
    let mut text = String::new();
    for character in choice.chars() {
        if r"\^$.*+?()[]{}|/".contains(character) {
            text.push_str(r"\\");
        }
        text.push(character);
    }
    text
}

/// Checks that `choice` can be chosen for `variable`, and chooses it.
fn choose(server: &Server, variable: &Value, choice: &str, chosen: &mut Variables) {
    let name = name_of(variable);
    let choices = choices(server, variable, chosen);
    assert!(
        choices.iter().any(|one| one == choice),
        "${name} offers {choices:?}, not {choice}"
    );
    chosen.insert(name, escaped(choice));
}

/// The expressions that the server has no data for.
fn without_data(server: &Server, dashboard: &Value, variables: &Variables) -> Vec<String> {
    let mut empty = expressions(dashboard, variables);
    empty.retain(|expression| {
        let answer = query(&server.url(), expression).unwrap();
        assert_eq!(answer.status, 200, "{expression}: {}", answer.text);
        answer.vector().is_empty()
    });
    empty
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

/// A server that has stored its own metrics more than once, and has refused a sample.
pub(crate) fn server_with_own_metrics(folder: &Path) -> Server {
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
    let dashboard = dashboard("chronoxide.json");
    let empty = without_data(&server, &dashboard, &all_chosen(&dashboard));
    assert!(empty.is_empty(), "no data for {empty:#?}");
    let mut chosen = Variables::new();
    for variable in queries(&dashboard) {
        let only = choices(&server, variable, &chosen);
        choose(&server, variable, &only[0], &mut chosen);
    }
    let empty = without_data(&server, &dashboard, &chosen);
    assert!(empty.is_empty(), "no data for {empty:#?}");
}

#[test]
fn the_dashboard_of_a_service_has_data_however_the_service_measures() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data"));
    for habit in Habit::ALL {
        service::run(habit, &server.url());
    }
    let dashboard = dashboard("service.json");
    let empty = without_data(&server, &dashboard, &all_chosen(&dashboard));
    assert!(empty.is_empty(), "no data for {empty:#?}");
    for habit in Habit::ALL {
        let mut chosen = Variables::new();
        for (variable, choice) in queries(&dashboard).zip([habit.service(), "7f3a"]) {
            choose(&server, variable, choice, &mut chosen);
        }
        let empty = without_data(&server, &dashboard, &chosen);
        assert!(empty.is_empty(), "{habit:?}: no data for {empty:#?}");
    }
}

/// What an exporter has only where its machine does: a kernel that counts stalls, disks of its own, and an interface
/// beside the loopback.
const NOT_EVERYWHERE: [&str; 3] = ["node_pressure_", "node_disk_", "node_network_"];

#[test]
fn the_dashboard_of_a_host_has_data_for_every_expression() {
    let folder = tempfile::tempdir().unwrap();
    let Some(exporter) = NodeExporter::start(folder.path()) else {
        println!("skipped: prometheus-node-exporter is not installed");
        return;
    };
    let server = Server::start(&folder.path().join("data"));
    let Some(agent) = Agent::start(folder.path(), &exporter, &server.url()) else {
        println!("skipped: prometheus is not installed");
        return;
    };
    let scraped = wait_until(Duration::from_secs(60), || {
        let counted = query(&server.url(), "min(count_over_time(node_load1[1m])) >= 3");
        counted.ok()?.single()
    });
    assert!(scraped.is_some(), "{}", agent.output());
    let dashboard = dashboard("node.json");
    let exposed = exporter.metrics();
    let mut chosen = Variables::new();
    for (variable, choice) in queries(&dashboard).zip(["node", &exporter.address()]) {
        choose(&server, variable, choice, &mut chosen);
    }
    for variables in [all_chosen(&dashboard), chosen] {
        let mut empty = without_data(&server, &dashboard, &variables);
        empty.retain(|expression| {
            let missing = NOT_EVERYWHERE
                .iter()
                .find(|prefix| expression.contains(**prefix) && !has_rows(&exposed, prefix));
            if let Some(prefix) = missing {
                println!("no data, as this machine has no {prefix}*: {expression}");
            }
            missing.is_none()
        });
        assert!(empty.is_empty(), "no data for {empty:#?}");
    }
}

/// Whether the exposition has a sample of such a name that the dashboard would show.
fn has_rows(exposed: &str, prefix: &str) -> bool {
    let mut rows = exposed.lines().filter(|line| line.starts_with(prefix));
    rows.any(|line| !line.contains(r#"device="lo""#))
}
