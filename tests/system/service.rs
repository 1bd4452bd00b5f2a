//! A service measured by OpenTelemetry's SDK, with instruments as the semantic conventions name them: what its
//! instrumentations of HTTP, RPC and processes send.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Meter, MeterProvider as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, PeriodicReader, SdkMeterProvider, Stream, Temporality,
};

use crate::rust_sdk::{Transport, exporter};

/// How a service measures itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Habit {
    /// Histograms with explicit buckets, the conventions since version 1.38.
    Explicit,
    /// The same with exponential histograms.
    Exponential,
    /// The older conventions for RPC, whose durations are milliseconds; and no request fails.
    OlderRpc,
    /// As Beyla sees it from outside: the older name for RPC with durations in seconds, and exponential histograms.
    Observed,
}

impl Habit {
    pub(crate) const ALL: [Self; 4] = [
        Self::Explicit,
        Self::Exponential,
        Self::OlderRpc,
        Self::Observed,
    ];

    /// The name of the service that does so, which is its job too.
    pub(crate) const fn service(self) -> &'static str {
        match self {
            Self::Explicit => "cart",
            Self::Exponential => "checkout",
            Self::OlderRpc => "legacy",
            Self::Observed => "observed",
        }
    }
}

/// Runs the service to its end: two exports, a second apart.
pub(crate) fn run(habit: Habit, endpoint: &str) {
    let exporter = exporter(Transport::Http, endpoint, Temporality::Cumulative);
    let never = Duration::from_secs(3600);
    let resource = [
        ("service.name", habit.service()),
        ("service.instance.id", "7f3a"),
        ("service.version", "1.4.0"),
    ];
    let mut builder = SdkMeterProvider::builder()
        .with_reader(
            PeriodicReader::builder(exporter)
                .with_interval(never)
                .build(),
        )
        .with_resource(
            Resource::builder_empty()
                .with_attributes(resource.map(|(key, value)| KeyValue::new(key, value)))
                .build(),
        );
    if matches!(habit, Habit::Exponential | Habit::Observed) {
        builder = builder.with_view(histograms_are_exponential);
    }
    let provider = builder.build();
    let meter = provider.meter("shop");
    let instruments = Instruments::new(&meter, habit);
    for _ in 0..2 {
        instruments.measure();
        provider.force_flush().unwrap();
        std::thread::sleep(Duration::from_millis(1100));
    }
    provider.shutdown().unwrap();
}

fn histograms_are_exponential(instrument: &Instrument) -> Option<Stream> {
    let exponential = Aggregation::Base2ExponentialHistogram {
        max_size: 160,
        max_scale: 20,
        record_min_max: true,
    };
    let stream = Stream::builder().with_aggregation(exponential);
    (instrument.kind() == InstrumentKind::Histogram).then(|| stream.build().unwrap())
}

type Attributes = Vec<KeyValue>;

/// The instruments, each with the attributes it is used with.
struct Instruments {
    habit: Habit,
    meter: Meter,
}

impl Instruments {
    fn new(meter: &Meter, habit: Habit) -> Self {
        Self {
            habit,
            meter: meter.clone(),
        }
    }

    fn measure(&self) {
        for (route, status) in self.answers() {
            self.record(
                "http.server.request.duration",
                "s",
                0.03,
                &http(route, status),
            );
        }
        self.add("http.server.active_requests", "{request}", 1, &method());
        self.record("http.client.request.duration", "s", 0.2, &client());
        match self.habit {
            Habit::OlderRpc => self.record("rpc.server.duration", "ms", 12.0, &older_call()),
            Habit::Observed => self.record("rpc.server.duration", "s", 0.012, &older_call()),
            Habit::Explicit | Habit::Exponential => {
                self.record("rpc.server.call.duration", "s", 0.012, &call());
            }
        }
        let user = [KeyValue::new("cpu.mode", "user")];
        let cpu = self.meter.f64_counter("process.cpu.time").with_unit("s");
        cpu.build().add(0.25, &user);
        self.add("process.memory.usage", "By", 4 << 20, &[]);
    }

    /// Routes and the status of the answer.
    fn answers(&self) -> Vec<(&'static str, i64)> {
        let mut answers = vec![("/cart", 200), ("/cart", 200), ("/cart/{id}", 404)];
        if self.habit != Habit::OlderRpc {
            answers.push(("/cart", 503));
        }
        answers
    }

    fn record(&self, name: &'static str, unit: &'static str, value: f64, attributes: &[KeyValue]) {
        let histogram = self.meter.f64_histogram(name).with_unit(unit);
        histogram.build().record(value, attributes);
    }

    fn add(&self, name: &'static str, unit: &'static str, value: i64, attributes: &[KeyValue]) {
        let counter = self.meter.i64_up_down_counter(name).with_unit(unit);
        counter.build().add(value, attributes);
    }
}

fn method() -> Attributes {
    vec![
        KeyValue::new("http.request.method", "GET"),
        KeyValue::new("url.scheme", "http"),
    ]
}

fn http(route: &'static str, status: i64) -> Attributes {
    let mut attributes = method();
    attributes.push(KeyValue::new("http.route", route));
    attributes.push(KeyValue::new("http.response.status_code", status));
    attributes
}

fn client() -> Attributes {
    vec![
        KeyValue::new("http.request.method", "POST"),
        KeyValue::new("server.address", "payments.example.com"),
        KeyValue::new("server.port", 443),
        KeyValue::new("http.response.status_code", 200),
    ]
}

fn call() -> Attributes {
    vec![
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", "shop.v1.Cart/Add"),
        KeyValue::new("rpc.response.status_code", "OK"),
    ]
}

fn older_call() -> Attributes {
    vec![
        KeyValue::new("rpc.system", "grpc"),
        KeyValue::new("rpc.service", "shop.v1.Cart"),
        KeyValue::new("rpc.method", "Add"),
        KeyValue::new("rpc.grpc.status_code", 0),
    ]
}
