//! What a dashboard of a web service asks, and the series it asks about.

use chronoxide_model::Labels;
use rand::Rng;
use rand::rngs::StdRng;

/// What dashboards ask: rates, quantiles, ratios, tops, averages over time.
pub const DASHBOARD_QUERIES: [&str; 20] = [
    r#"sum(rate(http_requests_total[5m]))"#,
    r#"sum by (job) (rate(http_requests_total[5m]))"#,
    r#"sum by (instance) (rate(http_requests_total{job="job-1"}[5m]))"#,
    r#"sum by (code) (increase(http_requests_total[1h]))"#,
    r#"sum(rate(http_requests_total{code=~"5.."}[5m])) / sum(rate(http_requests_total[5m]))"#,
    r#"topk(5, sum by (instance) (rate(http_requests_total[5m])))"#,
    r#"histogram_quantile(0.99, sum by (le) (rate(http_request_duration_seconds_bucket[5m])))"#,
    r#"histogram_quantile(0.9, sum by (le, job) (rate(http_request_duration_seconds_bucket[5m])))"#,
    r#"sum by (job) (rate(http_request_duration_seconds_sum[5m])) / sum by (job) (rate(http_request_duration_seconds_count[5m]))"#,
    r#"100 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"}[5m])) * 100"#,
    r#"sum by (mode) (rate(node_cpu_seconds_total[5m]))"#,
    r#"avg by (job) (process_resident_memory_bytes)"#,
    r#"max by (instance) (max_over_time(process_resident_memory_bytes[1h]))"#,
    r#"avg_over_time(process_resident_memory_bytes{job="job-2"}[30m])"#,
    r#"1 - node_memory_available_bytes / node_memory_total_bytes"#,
    r#"quantile(0.9, process_open_fds)"#,
    r#"count by (job) (up == 1)"#,
    r#"deriv(process_resident_memory_bytes{job="job-1"}[15m])"#,
    r#"quantile_over_time(0.95, process_open_fds{job="job-3"}[1h])"#,
    r#"max_over_time(sum by (job) (rate(http_requests_total[5m]))[30m:1m])"#,
];

/// A series that is filled as time goes by.
#[derive(Clone, Debug)]
pub struct DashboardSeries {
    /// Its labels.
    pub labels: Labels,
    kind: Kind,
    value: f64,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Counter,
    Gauge,
    Constant,
}

impl DashboardSeries {
    /// Its next value.
    pub fn next(&mut self, random: &mut StdRng) -> f64 {
        self.value = match self.kind {
            Kind::Counter => self.value + f64::from(random.random_range(0..40)),
            Kind::Gauge => {
                (self.value + random.random_range(0.0..3.0) - 1.4)
                    .round()
                    .abs()
                    + 1.0
            }
            Kind::Constant => 1.0,
        };
        self.value
    }

    /// How far after each full interval its target is scraped: each at a time of its own, as scrapers do it, and never at
    /// the time of a step, where Prometheus 2 has windows that are closed at both ends.
    #[must_use]
    pub fn scrape_offset_ms(&self, interval_ms: i64) -> i64 {
        let instance = self.labels.get("instance").unwrap_or_default();
        let number = instance.bytes().fold(7_i64, |number, byte| {
            number.wrapping_mul(31).wrapping_add(byte.into())
        });
        1 + number.rem_euclid((interval_ms - 1).max(1))
    }
}

/// The first `count` series of as many hosts as that takes.
#[must_use]
pub fn dashboard_series(count: usize) -> Vec<DashboardSeries> {
    let mut all = Vec::new();
    let mut host = 0;
    while all.len() < count {
        let job = format!("job-{}", host % 5);
        let instance = format!("host-{host:04}.example:9100");
        let mut add = |kind: Kind, name: &str, more: &[(&str, String)]| {
            let mut labels: Vec<(&str, String)> = more.to_vec();
            labels.push(("__name__", name.into()));
            labels.push(("job", job.clone()));
            labels.push(("instance", instance.clone()));
            labels.push(("region", "eu-central-1".into()));
            labels.push(("cluster", "production-7".into()));
            all.push(DashboardSeries {
                labels: Labels::from_pairs(labels).expect("the names differ"),
                kind,
                value: 1.0,
            });
        };
        for code in ["200", "201", "404", "500", "503"] {
            for method in ["GET", "POST", "PUT"] {
                let labels = [("code", code.to_owned()), ("method", method.to_owned())];
                add(Kind::Counter, "http_requests_total", &labels);
            }
        }
        for handler in ["/", "/api/v1/items"] {
            let handler = ("handler", handler.to_owned());
            for le in [
                "0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "5", "+Inf",
            ] {
                let labels = [("le", le.to_owned()), handler.clone()];
                add(
                    Kind::Counter,
                    "http_request_duration_seconds_bucket",
                    &labels,
                );
            }
            for name in [
                "http_request_duration_seconds_sum",
                "http_request_duration_seconds_count",
            ] {
                add(Kind::Counter, name, std::slice::from_ref(&handler));
            }
        }
        for cpu in 0..4 {
            for mode in [
                "idle", "iowait", "irq", "nice", "softirq", "steal", "system", "user",
            ] {
                let labels = [("cpu", cpu.to_string()), ("mode", mode.to_owned())];
                add(Kind::Counter, "node_cpu_seconds_total", &labels);
            }
        }
        for name in [
            "process_resident_memory_bytes",
            "process_open_fds",
            "node_memory_available_bytes",
        ] {
            add(Kind::Gauge, name, &[]);
        }
        for name in ["up", "node_memory_total_bytes"] {
            add(Kind::Constant, name, &[]);
        }
        host += 1;
    }
    all.truncate(count);
    all
}
