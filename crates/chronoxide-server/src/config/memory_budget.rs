//! How much memory the server may take, and how it is shared out.

use std::fs;

/// Memory assumed where the system does not tell.
const ASSUMED_BYTES: u64 = 2 << 30;

/// Bytes one active series is reckoned at: labels, id, the newest samples.
const BYTES_PER_SERIES: u64 = 1024;

/// Bytes of memory the server may take as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemoryBudget(u64);

impl MemoryBudget {
    /// The budget that was set, or three fifths of what the machine or the cgroup has.
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(limit.unwrap_or_else(|| system_bytes().unwrap_or(ASSUMED_BYTES) / 5 * 3))
    }

    /// The whole budget.
    pub(crate) const fn bytes(self) -> u64 {
        self.0
    }

    /// Series that may be active: a quarter of the budget, and always enough for a small fleet.
    pub(crate) fn series_max(self) -> u32 {
        let series = (self.0 / 4 / BYTES_PER_SERIES).clamp(10_000, 20_000_000);
        u32::try_from(series).expect("the clamp keeps it below 2^32")
    }

    /// Bytes that the table of active series may take: a quarter of the budget, as for their number.
    pub(crate) fn series_bytes_max(self) -> usize {
        usize::try_from((self.0 / 4).max(16 << 20)).unwrap_or(usize::MAX)
    }

    /// Bytes of samples in memory before they are written to a part.
    pub(crate) fn head_bytes_max(self) -> usize {
        usize::try_from((self.0 / 16).clamp(1 << 20, 64 << 20))
            .expect("the clamp keeps it below 2^32")
    }

    /// Bytes that the trees of queries may take of those of all caches.
    pub(crate) fn tree_bytes_max(self) -> usize {
        self.cache_bytes_max() / 10
    }

    /// Bytes that what queries read, found and decoded may take, kept for the next ones.
    pub(crate) fn cache_bytes_max(self) -> usize {
        usize::try_from((self.0 / 10).clamp(2 << 20, 20 << 20))
            .expect("the clamp keeps it below 2^32")
    }

    /// Bytes that exemplars may take in memory.
    pub(crate) fn exemplar_bytes_max(self) -> usize {
        usize::try_from((self.0 / 32).clamp(1 << 20, 16 << 20))
            .expect("the clamp keeps it below 2^32")
    }

    /// Bytes that types, help and units of metrics may take in memory.
    pub(crate) fn metadata_bytes_max(self) -> usize {
        usize::try_from((self.0 / 16).clamp(1 << 20, 32 << 20))
            .expect("the clamp keeps it below 2^32")
    }

    /// Bytes that queries under way may hold together: a quarter of the budget, and always enough for a dashboard.
    pub(crate) fn query_bytes(self) -> u64 {
        (self.0 / 4).max(48 << 20)
    }

    /// Bytes that the totals of OTLP deltas may take.
    pub(crate) fn delta_bytes(self) -> u64 {
        (self.0 / 8).clamp(8 << 20, 256 << 20)
    }

    /// Bytes that write requests under way may hold together.
    pub(crate) fn request_bytes(self) -> u64 {
        (self.0 / 8).clamp(16 << 20, 256 << 20)
    }
}

/// Memory of the cgroup, where it is bounded, or else of the machine.
fn system_bytes() -> Option<u64> {
    let meminfo = fs::read_to_string("/proc/meminfo").ok()?;
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024;
    let cgroup = [
        "/sys/fs/cgroup/memory.max",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    ]
    .iter()
    .find_map(|path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok());
    Some(cgroup.map_or(machine, |limit| limit.min(machine)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_is_shared_out_within_bounds() {
        let small = MemoryBudget::new(Some(64 << 20));
        assert_eq!(small.series_max(), 16_384);
        assert_eq!(small.head_bytes_max(), 4 << 20);
        assert_eq!(small.exemplar_bytes_max(), 2 << 20);
        assert_eq!(small.metadata_bytes_max(), 4 << 20);
        assert_eq!(small.query_bytes(), 48 << 20);
        assert_eq!(MemoryBudget::new(Some(1 << 30)).query_bytes(), 256 << 20);
        assert_eq!(small.series_bytes_max(), 16 << 20);
        assert_eq!(
            MemoryBudget::new(Some(1 << 30)).series_bytes_max(),
            256 << 20
        );
        let none = MemoryBudget::new(Some(0));
        assert_eq!(
            (none.series_max(), none.head_bytes_max()),
            (10_000, 1 << 20)
        );
        assert_eq!(none.metadata_bytes_max(), 1 << 20);
        let huge = MemoryBudget::new(Some(u64::MAX));
        assert_eq!(
            (huge.series_max(), huge.head_bytes_max()),
            (20_000_000, 64 << 20)
        );
        assert_eq!(huge.exemplar_bytes_max(), 16 << 20);
        assert_eq!(huge.metadata_bytes_max(), 32 << 20);
        assert_eq!(huge.request_bytes(), 256 << 20);
    }

    #[test]
    fn a_container_of_120_mib_has_room_for_all_shares_at_once() {
        const LIMIT: u64 = 120 << 20;
        let budget = MemoryBudget::new(Some(LIMIT / 5 * 3));
        // Two batches on their way to parts, and the open one.
        let head = 3 * budget.head_bytes_max();
        let stores = budget.exemplar_bytes_max() + budget.metadata_bytes_max();
        let caches = budget.cache_bytes_max();
        let held = (budget.series_bytes_max() + head + stores + caches) as u64;
        let under_way = budget.query_bytes() + budget.request_bytes() + budget.delta_bytes();
        assert!(held + under_way <= LIMIT, "{held} + {under_way}");
    }

    #[test]
    fn without_a_limit_the_machine_decides() {
        assert!(MemoryBudget::new(None).series_max() >= 10_000);
    }
}
