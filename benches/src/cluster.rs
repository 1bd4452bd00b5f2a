//! Labels as a cluster of many instances gives them.

use chronoxide_model::Labels;

/// Series with twelve labels as a cluster gives them: a hundred metrics of ten series for each of many instances.
///
/// # Panics
/// Never: the names differ.
#[must_use]
pub fn cluster_labels(series: usize) -> Labels {
    let (instance, place) = (series / 1000, series % 1000);
    let pairs = [
        (
            "__name__",
            format!("application_operation_{:02}_seconds_total", place / 10),
        ),
        ("device", format!("device-{}", place % 10)),
        (
            "instance",
            format!("10.0.{}.{}:9100", instance >> 8, instance & 255),
        ),
        (
            "pod",
            format!(
                "application-{:08x}-{instance:05x}",
                (instance as u32).wrapping_mul(0x9e37_79b9)
            ),
        ),
        ("node", format!("node-{:04}.example.internal", instance / 8)),
        ("namespace", format!("team-{:02}", instance % 20)),
        ("job", "application".to_owned()),
        ("cluster", "eu-central-1-production".to_owned()),
        ("container", "application".to_owned()),
        ("endpoint", "http-metrics".to_owned()),
        ("service", format!("service-{:02}", instance % 50)),
        ("environment", "production".to_owned()),
    ];
    Labels::from_pairs(pairs).expect("the names differ")
}
