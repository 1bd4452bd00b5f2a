//! The memory budget, and how much of its share each user takes.

use chronoxide_model::MetricType;
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
                    user: "caches",
                    bytes: stats.cache_bytes,
                    bytes_max: None,
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
