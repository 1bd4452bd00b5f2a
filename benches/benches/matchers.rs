//! Regular expressions against the sorted values of a label: each value on its own, and as a walk along them.

#![allow(missing_docs, reason = "a bench documents its workload")]

use std::hint::black_box;

use chronoxide_model::Matcher;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// Names of pods, as many deployments make them.
fn pods() -> Vec<String> {
    let teams = ["checkout", "frontend", "ingest", "search"];
    let roles = ["api", "batch", "cache", "db", "worker"];
    let mut pods: Vec<String> = (0..20_000_u64)
        .map(|n| {
            let (team, role) = (teams[n as usize % 4], roles[n as usize / 4 % 5]);
            let set = (n / 200).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 28 & 0xf_ffff_ffff;
            let pod = n.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 44;
            format!("{team}-{role}-{set:09x}-{pod:05x}")
        })
        .collect();
    pods.sort_unstable();
    pods.dedup();
    pods
}

fn matchers(criterion: &mut Criterion) {
    let pods = pods();
    let mut group = criterion.benchmark_group("matchers");
    group.throughput(Throughput::Elements(pods.len() as u64));
    for (name, pattern) in [
        ("suffix", ".*-[0-9a-f]*7"),
        ("word", ".*search.*"),
        ("words", ".*-(api|db)-.*"),
        ("prefixes", "(checkout|search)-(api|db)-.*"),
        ("classes", "[a-z]+-worker-[0-9a-f]+-[0-9a-f]{5}"),
    ] {
        let matcher = Matcher::regex("pod", pattern).expect("the pattern is valid");
        group.bench_function(format!("{name}/each"), |bencher| {
            bencher.iter(|| black_box(pods.iter().filter(|pod| matcher.matches(pod)).count()));
        });
        group.bench_function(format!("{name}/walk"), |bencher| {
            bencher.iter(|| {
                let mut walk = matcher.walk();
                black_box(pods.iter().filter(|pod| walk.matches(pod)).count())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, matchers);
criterion_main!(benches);
