//! `docker-compose.yml` and the files it mounts, checked without a container engine: what they name is there.

#![allow(clippy::unwrap_used, reason = "a test that panics says what failed")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where images have a folder that belongs to the user they run as. A volume at any other place belongs to root, and a
/// server that is somebody else cannot write there.
const DATA_FOLDERS: [(&str, &str); 4] = [
    ("chronoxide", "/data"),
    ("agent", "/prometheus"),
    ("alloy", "/var/lib/alloy/data"),
    ("rustfs", "/data"),
];

/// The lists and texts of one service, by their keys: `ports`, `volumes`, `image` and so on.
type Service = BTreeMap<String, Vec<String>>;

/// What the tests look at in the compose file.
#[derive(Debug, Default)]
struct Compose {
    services: BTreeMap<String, Service>,
    volumes: BTreeSet<String>,
}

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(repository(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Reads the file by its lines: services are indented by two spaces, their members by four, what those hold by more.
fn compose() -> Compose {
    let mut compose = Compose::default();
    let (mut section, mut service, mut member) = (String::new(), String::new(), String::new());
    for line in text("docker-compose.yml").lines() {
        let content = line.trim_start();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let (key, value) = content.split_once(':').unwrap_or((content, ""));
        match (line.len() - content.len(), section.as_str()) {
            (0, _) => key.clone_into(&mut section),
            (2, "services") => key.clone_into(&mut service),
            (2, "volumes") => assert!(compose.volumes.insert(key.to_owned()), "{key}"),
            (4, "services") => {
                key.clone_into(&mut member);
                let members = compose.services.entry(service.clone()).or_default();
                let inline = value.trim();
                let first = Some(inline.to_owned()).filter(|_| !inline.is_empty());
                let before = members.insert(member.clone(), first.into_iter().collect());
                assert!(before.is_none(), "{service} has {member} twice");
            }
            (_, "services") => {
                let item = content.trim_start_matches("- ").trim_matches('"');
                let members = compose.services.get_mut(&service).unwrap();
                members.get_mut(&member).unwrap().push(item.to_owned());
            }
            _ => panic!("unexpected: {line}"),
        }
    }
    assert!(compose.services.len() >= 8, "{:?}", compose.services);
    compose
}

/// Each service with what it lists as `member`.
fn listed<'a>(compose: &'a Compose, member: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    compose.services.iter().flat_map(move |(name, service)| {
        let items = service.get(member).map(Vec::as_slice).unwrap_or_default();
        items.iter().map(move |item| (name.as_str(), item.as_str()))
    })
}

#[test]
fn mounted_files_are_there() {
    let compose = compose();
    let mut found = 0;
    for (service, mount) in listed(&compose, "volumes") {
        if let Some(path) = mount.strip_prefix("./") {
            let (path, inside) = path.split_once(':').unwrap();
            assert!(repository(path).exists(), "{service} mounts {path}");
            assert!(inside.ends_with(":ro"), "{service} may write to {path}");
            found += 1;
        }
    }
    assert!(found >= 5, "{found}");
}

#[test]
fn volumes_are_declared_and_where_their_servers_can_write() {
    let compose = compose();
    let mut used = BTreeSet::new();
    for (service, mount) in listed(&compose, "volumes") {
        let (volume, folder) = mount.split_once(':').unwrap();
        if volume.starts_with(['.', '/']) {
            continue;
        }
        assert!(
            DATA_FOLDERS.contains(&(service, folder)),
            "{service} cannot write to {folder}"
        );
        assert!(used.insert(volume.to_owned()), "{volume} is used twice");
    }
    assert_eq!(used, compose.volumes);
    let agent = &compose.services["agent"]["command"];
    assert!(agent.contains(&"--storage.agent.path=/prometheus".to_owned()));
    let alloy = &compose.services["alloy"]["command"];
    assert!(alloy[0].contains("--storage.path=/var/lib/alloy/data"));
}

/// A container has a name of its own, made anew with it, and series that carry it would begin anew as well.
#[test]
fn names_that_series_carry_outlive_containers() {
    let services = compose().services;
    for service in ["chronoxide", "alloy"] {
        assert_eq!(services[service]["hostname"], [service]);
    }
    assert_eq!(services["node-exporter"]["uts"], ["host"]);
    assert_eq!(services["beyla"]["network_mode"], ["host"]);
}

#[test]
fn published_ports_are_local_and_do_not_clash() {
    let compose = compose();
    let mut taken = BTreeMap::new();
    for (service, port) in listed(&compose, "ports") {
        let local = port.strip_prefix("127.0.0.1:");
        let local = local.unwrap_or_else(|| panic!("{service} publishes {port}"));
        let (outside, _) = local.split_once(':').unwrap();
        let before = taken.insert(outside.to_owned(), service);
        assert_eq!(before, None, "{service} publishes {outside}");
    }
    for (port, service) in [
        ("4317", "chronoxide"),
        ("4318", "chronoxide"),
        ("14317", "jaeger"),
        ("14318", "jaeger"),
    ] {
        assert_eq!(taken.get(port), Some(&service), "{port}");
    }
}

#[test]
fn dependencies_and_addresses_name_services() {
    let compose = compose();
    for (service, item) in listed(&compose, "depends_on") {
        let name = item.trim_end_matches(':');
        if !name.starts_with("condition") {
            let known = compose.services.contains_key(name);
            assert!(known, "{service} depends on {name}");
        }
    }
    let environment = listed(&compose, "environment").map(|(_, item)| item);
    let mut texts: Vec<String> = environment.map(str::to_owned).collect();
    texts.extend(
        [
            "grafana/agent.yml",
            "grafana/collector.yaml",
            "grafana/config.alloy",
            "grafana/provisioning/datasources/chronoxide.yml",
        ]
        .map(text),
    );
    let mut found = 0;
    for (host, port) in texts.iter().flat_map(|text| addresses(text)) {
        if host.starts_with(|first: char| first.is_ascii_digit()) {
            continue;
        }
        assert!(compose.services.contains_key(host), "{host}:{port}");
        found += 1;
    }
    assert!(found >= 8, "{found}");
}

/// What looks like a host and a port of four digits or more.
fn addresses(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let words = text.split(|letter: char| {
        !(letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | ':'))
    });
    words.filter_map(|word| {
        let (host, port) = word.rsplit_once(':')?;
        let number = port.len() >= 4 && port.bytes().all(|digit| digit.is_ascii_digit());
        (number && !host.is_empty()).then_some((host, port))
    })
}
