//! The memory budget, and how much of its share each user takes.

use chronoxide_model::MetricType;
use chronoxide_promql::QueryMemory as _;
use chronoxide_storage::Stats;

use super::Family;
use crate::state::ServerState;

/// What one user of the budget takes, and may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryUse {
    /// Who takes it.
    pub(crate) user: &'static str,
    /// Bytes it takes now.
    pub(crate) bytes: u64,
    /// Bytes it may take; `None` where nothing but what it is made for bounds it.
    pub(crate) bytes_max: Option<u64>,
}

impl MemoryUse {
    /// All users of the budget; those inside the database only once it is open.
    pub(crate) fn all(state: &ServerState, stats: Option<&Stats>) -> Vec<Self> {
        let memory = state.config.memory();
        let requests = &state.request_memory;
        let queries = &state.query_memory;
        let (delta_bytes, delta_bytes_max) = state.otlp.memory_use();
        let mut all = vec![
            Self {
                user: "requests",
                bytes: requests.held_bytes(),
                bytes_max: Some(requests.limit_bytes()),
            },
            Self {
                user: "queries",
                bytes: queries.held_bytes(),
                bytes_max: Some(queries.limit_bytes()),
            },
            Self {
                user: "delta_streams",
                bytes: delta_bytes,
                bytes_max: Some(delta_bytes_max),
            },
        ];
        if let Some(stats) = stats {
            all.extend([
                Self {
                    user: "series",
                    bytes: stats.registry_bytes,
                    bytes_max: Some(memory.series_bytes_max() as u64),
                },
                Self {
                    user: "head",
                    bytes: stats.head_bytes,
                    // One batch that is filled, and two on their way to parts.
                    bytes_max: Some(3 * memory.head_bytes_max() as u64),
                },
                Self {
                    user: "exemplars",
                    bytes: stats.exemplar_bytes,
                    bytes_max: Some(state.config.exemplar_bytes_max() as u64),
                },
                Self {
                    user: "metadata",
                    bytes: stats.metadata_bytes,
                    bytes_max: Some(memory.metadata_bytes_max() as u64),
                },
                Self {
                    user: "caches",
                    bytes: stats.cache_bytes + state.engine.trees_bytes() as u64,
                    bytes_max: Some(memory.cache_bytes_max() as u64),
                },
            ]);
        }
        all
    }

    /// The families of the budget and its users.
    pub(crate) fn families(state: &ServerState, stats: Option<&Stats>) -> [Family; 3] {
        let gauge = |name, help| Family::new(name, MetricType::Gauge, help);
        let mut used = gauge(
            "chronoxide_memory_used_bytes",
            "Memory that each user of the budget takes.",
        );
        let mut limits = gauge(
            "chronoxide_memory_limit_bytes",
            "Memory that each user of the budget may take.",
        );
        for one in Self::all(state, stats) {
            let labels = || vec![("user", one.user.to_owned())];
            used.push(labels(), one.bytes as f64);
            if let Some(bytes_max) = one.bytes_max {
                limits.push(labels(), bytes_max as f64);
            }
        }
        let budget = Family::gauge(
            "chronoxide_memory_budget_bytes",
            "The memory budget as a whole.",
            state.config.memory().bytes() as f64,
        );
        [budget, used, limits]
    }
}

#[cfg(test)]
mod tests {
    use chronoxide_promql::{QueryOptions, RangeTimes};
    use chronoxide_storage::{Database, Options};

    use super::*;
    use crate::config::{Config, Settings};

    fn held_by_queries(state: &ServerState) -> u64 {
        let all = MemoryUse::all(state, None);
        let queries = all.iter().find(|one| one.user == "queries");
        queries.expect("queries are users").bytes
    }

    #[test]
    fn queries_that_are_remembered_are_among_the_caches() {
        let config = Config::new(&Settings::default()).expect("the defaults are good");
        let state = ServerState::new(config, "here".to_owned());
        let caches = || {
            let stats = Stats::default();
            let all = MemoryUse::all(&state, Some(&stats));
            let caches = all.into_iter().find(|one| one.user == "caches");
            caches.expect("caches are users").bytes
        };
        assert_eq!(caches(), 0);
        let dir = tempfile::tempdir().expect("there is room");
        let database = Database::open(dir.path().join("data"), Options::default());
        let database = database.expect("a fresh directory opens");
        let options = QueryOptions::default();
        let answer = state
            .engine
            .instant(&database, r#"up{job=~"a.+"}"#, 0, &options);
        answer.expect("it can be evaluated");
        assert_eq!(caches(), state.engine.trees_bytes() as u64);
        assert!(caches() > 0);
    }

    #[test]
    fn what_a_query_holds_is_in_the_budget_until_its_answer_is_gone() {
        let config = Config::new(&Settings::default()).expect("the defaults are good");
        let state = ServerState::new(config, "here".to_owned());
        let dir = tempfile::tempdir().expect("there is room");
        let database = Database::open(dir.path().join("data"), Options::default());
        let database = database.expect("a fresh directory opens");
        let times = RangeTimes {
            start_ms: 0,
            end_ms: 10_000_000,
            step_ms: 1000,
        };
        let options = QueryOptions::default();
        let answer = state
            .engine
            .range(&database, "vector(1) + 1", times, &options);
        answer.expect("it can be evaluated");
        assert!(held_by_queries(&state) >= 10_000 * 8);
        drop(options);
        assert_eq!(held_by_queries(&state), 0);
    }
}
