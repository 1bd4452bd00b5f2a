//! The dependency table of ARCHITECTURE.md, checked against `cargo metadata`.
//!
//! Cargo already refuses what a manifest does not name; this test refuses a manifest that names too much.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that panics says what failed"
)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};

/// Which crates of the project each crate may see, in its shipped code.
const MAY_SEE: &[(&str, &[&str])] = &[
    ("chronoxide-model", &[]),
    ("chronoxide-format", &["chronoxide-model"]),
    (
        "chronoxide-storage",
        &["chronoxide-model", "chronoxide-format"],
    ),
    ("chronoxide-promql", &["chronoxide-model"]),
    ("chronoxide-protobuf", &[]),
    (
        "chronoxide-remote-write",
        &["chronoxide-model", "chronoxide-protobuf"],
    ),
    (
        "chronoxide-otlp",
        &["chronoxide-model", "chronoxide-protobuf"],
    ),
    ("chronoxide-remote-read", &["chronoxide-model"]),
    ("chronoxide-exposition", &["chronoxide-model"]),
    (
        "chronoxide-server",
        &[
            "chronoxide-model",
            "chronoxide-format",
            "chronoxide-storage",
            "chronoxide-promql",
            "chronoxide-remote-write",
            "chronoxide-remote-read",
            "chronoxide-exposition",
            "chronoxide-otlp",
            "chronoxide",
        ],
    ),
    (
        "chronoxide-cli",
        &["chronoxide-server", "chronoxide-storage"],
    ),
    ("chronoxide", &["chronoxide-storage", "chronoxide-promql"]),
];

/// Packages from outside that a crate must never depend on in its shipped code, and why.
const MUST_NOT_SEE: &[(&str, &[&str], &str)] = &[
    (
        "chronoxide-model",
        &["tokio", "serde", "axum"],
        "the model is plain data",
    ),
    (
        "chronoxide-format",
        &["tokio", "memmap2", "rustix"],
        "the format is pure: no I/O",
    ),
    (
        "chronoxide-storage",
        &["tokio", "axum", "prost", "promql-parser"],
        "storage knows no protocol and no runtime",
    ),
    (
        "chronoxide-promql",
        &["tokio", "axum", "serde_json"],
        "queries know no transport",
    ),
    (
        "chronoxide-remote-write",
        &["tokio", "axum", "prost"],
        "the hot path walks the wire itself",
    ),
    (
        "chronoxide-protobuf",
        &["tokio", "prost"],
        "it knows bytes only, and no schema",
    ),
    (
        "chronoxide-exposition",
        &["tokio", "axum"],
        "only the server owns sockets",
    ),
    (
        "chronoxide-remote-read",
        &["tokio", "axum"],
        "only the server owns sockets",
    ),
    (
        "chronoxide-otlp",
        &["tokio", "axum", "tonic"],
        "only the server owns sockets",
    ),
];

/// What an embedder gets to build must not hold: crates for those who embed, and packages that none of their
/// dependencies may bring in, however indirectly.
const FOR_EMBEDDERS: &[&str] = &["chronoxide", "chronoxide-storage"];
const NOT_EMBEDDED: &[&str] = &[
    "tokio",
    "async-std",
    "smol",
    "mio",
    "axum",
    "hyper",
    "tonic",
    "tower",
    "h2",
    "prost",
];

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(vec!["--locked".into()])
        .exec()
        .unwrap()
}

fn shipped(package: &Package) -> BTreeSet<&str> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind != DependencyKind::Development)
        .map(|dependency| dependency.name.as_str())
        .collect()
}

/// The names of all packages that are built for `root`, by the resolved graph, each with the way it comes in.
fn built_for(metadata: &Metadata, root: &str) -> BTreeMap<String, String> {
    let resolve = metadata.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let packages = metadata.workspace_packages();
    let start = packages.iter().find(|one| one.name.as_str() == root);
    let start = start.unwrap_or_else(|| panic!("{root} is a crate of the workspace"));
    let mut ways = BTreeMap::from([(&start.id, root.to_owned())]);
    let mut open = vec![&start.id];
    while let Some(id) = open.pop() {
        let way = ways[id].clone();
        for dependency in &nodes[id].deps {
            let mut kinds = dependency.dep_kinds.iter();
            let shipped = kinds.any(|kind| kind.kind != DependencyKind::Development);
            if shipped && !ways.contains_key(&dependency.pkg) {
                let name = &metadata[&dependency.pkg].name;
                ways.insert(&dependency.pkg, format!("{way} > {name}"));
                open.push(&dependency.pkg);
            }
        }
    }
    let named = ways.into_iter();
    named
        .map(|(id, way)| (metadata[id].name.to_string(), way))
        .collect()
}

#[test]
fn no_runtime_or_network_reaches_those_who_embed() {
    let metadata = metadata();
    for root in FOR_EMBEDDERS {
        let built = built_for(&metadata, root);
        // The walk gets through to what only the crates of the project name.
        assert!(built.contains_key("zstd"), "{root}: {built:?}");
        for name in NOT_EMBEDDED {
            assert!(!built.contains_key(*name), "{}", built[*name]);
        }
    }
    // The same walk finds the runtime where there is one, several crates away.
    let command = built_for(&metadata, "chronoxide-cli");
    for name in ["tokio", "hyper", "mio"] {
        assert!(command.contains_key(name), "{command:?}");
    }
}

#[test]
fn crates_see_only_what_the_table_allows() {
    let metadata = metadata();
    let table: BTreeMap<&str, &[&str]> = MAY_SEE.iter().copied().collect();
    let own: BTreeSet<&str> = table.keys().copied().collect();
    for package in metadata.workspace_packages() {
        let Some(allowed) = table.get(package.name.as_str()) else {
            continue;
        };
        for dependency in shipped(package).intersection(&own) {
            assert!(
                allowed.contains(dependency),
                "{} must not see {dependency}",
                package.name
            );
        }
    }
}

#[test]
fn crates_keep_away_from_what_would_blur_them() {
    let metadata = metadata();
    for (name, forbidden, why) in MUST_NOT_SEE {
        let package = metadata
            .workspace_packages()
            .into_iter()
            .find(|package| package.name.as_str() == *name);
        let package = package.unwrap_or_else(|| panic!("{name} is a crate of the workspace"));
        for dependency in *forbidden {
            assert!(
                !shipped(package).contains(dependency),
                "{name} must not see {dependency}: {why}"
            );
        }
    }
}

#[test]
fn the_table_lists_every_crate_and_folders_are_named_as_packages() {
    let metadata = metadata();
    let table: BTreeSet<&str> = MAY_SEE.iter().map(|(name, _)| *name).collect();
    let mut found = BTreeSet::new();
    for package in metadata.workspace_packages() {
        let folder = package.manifest_path.parent().unwrap();
        if folder.parent().unwrap().file_name() == Some("crates") {
            assert_eq!(folder.file_name(), Some(package.name.as_str()));
            found.insert(package.name.as_str());
        }
    }
    assert_eq!(found, table);
}

#[test]
fn every_crate_inherits_the_lints() {
    for package in metadata().workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).unwrap();
        assert!(
            manifest.contains("[lints]\nworkspace = true"),
            "{} does not inherit the lints",
            package.name
        );
    }
}

#[test]
fn cargo_run_starts_the_server() {
    let metadata = metadata();
    let packages = metadata.workspace_default_packages();
    let targets = packages.iter().flat_map(|package| &package.targets);
    let binaries: Vec<&str> = targets
        .filter(|target| target.is_bin())
        .map(|target| target.name.as_str())
        .collect();
    assert_eq!(binaries, ["chronoxide"]);
}
