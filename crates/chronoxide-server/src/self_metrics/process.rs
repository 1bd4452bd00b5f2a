//! What the operating system says about this process, under the names that Prometheus' client libraries use.

use std::fs;

use super::family::Family;

/// Families of the process; those that the system does not tell are left out.
pub(crate) fn collect() -> Vec<Family> {
    let mut families = Vec::new();
    if let Some(stat) = fs::read_to_string("/proc/self/stat")
        .ok()
        .as_deref()
        .and_then(Stat::parse)
    {
        families.push(Family {
            metric_type: chronoxide_model::MetricType::Counter,
            ..Family::gauge(
                "process_cpu_seconds_total",
                "Total user and system CPU time spent in seconds.",
                stat.cpu_ticks as f64 / TICKS_PER_SECOND,
            )
        });
        families.push(Family::gauge(
            "process_threads",
            "Number of operating system threads.",
            stat.threads as f64,
        ));
        families.push(Family::gauge(
            "process_virtual_memory_bytes",
            "Virtual memory size in bytes.",
            stat.virtual_bytes as f64,
        ));
        if let Some(boot) = boot_seconds() {
            families.push(Family::gauge(
                "process_start_time_seconds",
                "Start time of the process since unix epoch in seconds.",
                boot as f64 + stat.start_ticks as f64 / TICKS_PER_SECOND,
            ));
        }
    }
    if let Some(bytes) = resident_bytes() {
        families.push(Family::gauge(
            "process_resident_memory_bytes",
            "Resident memory size in bytes.",
            bytes as f64,
        ));
    }
    if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
        families.push(Family::gauge(
            "process_open_fds",
            "Number of open file descriptors.",
            descriptors.count() as f64,
        ));
    }
    if let Some(limit) = descriptor_limit() {
        families.push(Family::gauge(
            "process_max_fds",
            "Maximum number of open file descriptors.",
            limit as f64,
        ));
    }
    families
}

/// `USER_HZ`, which Linux reports times in on every architecture it still runs servers on.
const TICKS_PER_SECOND: f64 = 100.0;

/// Fields of `/proc/self/stat` (see proc(5)).
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    cpu_ticks: u64,
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
}

impl Stat {
    fn parse(text: &str) -> Option<Self> {
        // The name of the program, in parentheses, may itself hold blanks and parentheses.
        let (_, rest) = text.rsplit_once(')')?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // The first of them is field 3.
        let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
        Some(Self {
            cpu_ticks: number(14)? + number(15)?,
            threads: number(20)?,
            start_ticks: number(22)?,
            virtual_bytes: number(23)?,
        })
    }
}

/// Bytes of memory that the process holds.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn boot_seconds() -> Option<u64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    stat.lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

fn descriptor_limit() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits
        .lines()
        .find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_blanks_does_not_shift_the_fields() {
        let text =
            "7 (a b) c) S 1 7 7 0 -1 4194560 100 0 0 0 250 50 0 0 20 0 9 0 12345 67108864 500";
        let expected = Stat {
            cpu_ticks: 300,
            threads: 9,
            start_ticks: 12_345,
            virtual_bytes: 67_108_864,
        };
        assert_eq!(Stat::parse(text), Some(expected));
        assert_eq!(Stat::parse("7 (a"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_has_memory_and_descriptors() {
        let names: Vec<_> = collect()
            .into_iter()
            .map(|family| (family.name, family.points[0].value))
            .collect();
        for name in [
            "process_resident_memory_bytes",
            "process_open_fds",
            "process_start_time_seconds",
        ] {
            assert!(
                names
                    .iter()
                    .any(|(found, value)| *found == name && *value > 0.0),
                "{name}: {names:?}"
            );
        }
    }
}
