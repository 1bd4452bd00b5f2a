//! The same service as the other SDKs measure, in Rust: over gRPC, and over HTTP by an HTTP client of our choice.

use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_http::{HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    Compression, MetricExporter, WithExportConfig as _, WithHttpConfig as _, WithTonicConfig as _,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream, Temporality,
};

/// Sends with the HTTP client that the tests have anyway.
#[derive(Debug)]
struct Ureq;

#[async_trait]
impl HttpClient for Ureq {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (parts, body) = request.into_parts();
        let mut post = ureq::post(parts.uri.to_string());
        for (name, value) in &parts.headers {
            post = post.header(name.as_str(), value.to_str()?);
        }
        let mut answer = post.send(&body[..])?;
        let bytes = answer.body_mut().read_to_vec()?;
        Ok(Response::builder()
            .status(answer.status().as_u16())
            .body(Bytes::from(bytes))?)
    }
}

/// How metrics are sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Grpc,
    Http,
}

/// Runs the service to its end.
pub(crate) fn run(transport: Transport, endpoint: &str, temporality: Temporality, instance: &str) {
    // gRPC needs a runtime around it.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _entered = runtime.enter();
    let never = Duration::from_secs(3600);
    let exporter = exporter(transport, endpoint, temporality);
    let reader = PeriodicReader::builder(exporter).with_interval(never);
    let provider = SdkMeterProvider::builder()
        .with_reader(reader.build())
        .with_resource(resource(instance))
        .with_view(sizes_are_exponential)
        .build();
    measure(&provider);
    provider.shutdown().unwrap();
}

/// Sends to `endpoint`; for gRPC within a runtime.
pub(crate) fn exporter(
    transport: Transport,
    endpoint: &str,
    temporality: Temporality,
) -> MetricExporter {
    let built = match transport {
        Transport::Grpc => MetricExporter::builder()
            .with_tonic()
            .with_endpoint(endpoint)
            .with_compression(Compression::Gzip)
            .with_temporality(temporality)
            .build(),
        Transport::Http => MetricExporter::builder()
            .with_http()
            .with_http_client(Ureq)
            .with_endpoint(format!("{endpoint}/v1/metrics"))
            .with_temporality(temporality)
            .build(),
    };
    built.unwrap()
}

fn resource(instance: &str) -> Resource {
    let attributes = [
        ("service.name", "checkout"),
        ("service.namespace", "shop"),
        ("service.instance.id", instance),
        ("service.version", "1.2.3"),
        ("host.arch", "amd64"),
    ];
    let attributes = attributes.map(|(key, value)| KeyValue::new(key, value.to_owned()));
    Resource::builder_empty()
        .with_attributes(attributes)
        .build()
}

fn sizes_are_exponential(instrument: &Instrument) -> Option<Stream> {
    let exponential = Aggregation::Base2ExponentialHistogram {
        max_size: 160,
        max_scale: 20,
        record_min_max: true,
    };
    let stream = Stream::builder().with_aggregation(exponential);
    (instrument.name() == "payload.size").then(|| stream.build().unwrap())
}

fn measure(provider: &SdkMeterProvider) {
    let meter = provider.meter("shop");
    let requests = meter
        .u64_counter("http.server.requests")
        .with_unit("{request}")
        .with_description("Requests served.")
        .build();
    let queue = meter
        .i64_up_down_counter("queue.length")
        .with_unit("{item}")
        .with_description("Items that wait.")
        .build();
    let duration = meter
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_boundaries(vec![0.1, 1.0, 10.0])
        .build();
    let size = meter.u64_histogram("payload.size").with_unit("By").build();
    let utilization = meter.f64_gauge("cpu.utilization").with_unit("1").build();
    let attributes = [
        KeyValue::new("http.route", "/cart"),
        KeyValue::new("http.response.status_code", 200),
    ];
    for _ in 0..2 {
        requests.add(5, &attributes);
        requests.add(3, &attributes);
        for seconds in [0.05, 0.5, 5.0, 50.0] {
            duration.record(seconds, &attributes);
        }
        queue.add(4, &[]);
        queue.add(-1, &[]);
        for bytes in 1..=100 {
            size.record(bytes, &[]);
        }
        utilization.record(0.25, &[]);
        provider.force_flush().unwrap();
        std::thread::sleep(Duration::from_millis(1100));
    }
}
