//! OTLP requests as an exporter of a service sends them.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// What requests hold, and for when.
#[derive(Clone, Copy, Debug)]
pub struct OtlpRequest {
    /// The first service instance.
    pub first_instance: usize,
    /// How many of them.
    pub instances: usize,
    /// Metrics of each: counters and gauges in turns.
    pub metrics: usize,
    /// Data points of each metric.
    pub points: usize,
    /// Unix time of the counters' start, in milliseconds.
    pub start_ms: i64,
    /// Unix time of all points, in milliseconds.
    pub time_ms: i64,
    /// Whether counters tell what they rose by since the time before, which was so many milliseconds earlier.
    pub delta_ms: Option<i64>,
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

impl OtlpRequest {
    /// How many data points the request has.
    #[must_use]
    pub const fn point_count(&self) -> usize {
        self.instances * self.metrics * self.points
    }

    /// The request in protobuf.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let instances = self.first_instance..self.first_instance + self.instances;
        let resource_metrics = instances.map(|number| self.instance(number)).collect();
        ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
    }

    fn instance(&self, number: usize) -> ResourceMetrics {
        ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![
                    text("service.name", "checkout"),
                    text("service.namespace", "shop"),
                    text("service.instance.id", format!("checkout-7f9c-{number}")),
                    text("service.version", "1.42.0"),
                    text("deployment.environment.name", "production"),
                    text("k8s.namespace.name", "shop"),
                    text("k8s.pod.name", format!("checkout-7f9c-{number}")),
                    text("host.arch", "amd64"),
                ],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "http".to_owned(),
                    version: "1".to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: (0..self.metrics).map(|index| self.metric(index)).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }
    }

    fn metric(&self, index: usize) -> Metric {
        let is_counter = index.is_multiple_of(2);
        let data_points = (0..self.points)
            .map(|point| self.point(point, is_counter))
            .collect();
        let data = if is_counter {
            metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality: if self.delta_ms.is_some() { 1 } else { 2 },
                is_monotonic: true,
            })
        } else {
            metric::Data::Gauge(Gauge { data_points })
        };
        Metric {
            name: format!("http.server.measure_{index}"),
            description: "What it measures.".to_owned(),
            unit: "By".to_owned(),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn point(&self, point: usize, is_counter: bool) -> NumberDataPoint {
        let status = 200 + (point % 10) as i64;
        let counted = match self.delta_ms {
            Some(delta_ms) if is_counter => delta_ms,
            _ => self.time_ms - self.start_ms,
        };
        let start_ms = self
            .delta_ms
            .map_or(self.start_ms, |span| self.time_ms - span);
        NumberDataPoint {
            attributes: vec![
                text("http.request.method", ["GET", "POST"][point % 2]),
                text("http.route", format!("/shop/items/{}", point / 10)),
                attribute("http.response.status_code", Value::IntValue(status)),
                text("server.address", "shop.example.com"),
                attribute("server.port", Value::IntValue(443)),
            ],
            start_time_unix_nano: start_ms as u64 * 1_000_000,
            time_unix_nano: self.time_ms as u64 * 1_000_000,
            value: Some(number_data_point::Value::AsInt(
                counted / 1000 * (1 + point as i64 % 7),
            )),
            ..NumberDataPoint::default()
        }
    }
}
