//! OTLP over gRPC: what a client of the library sees.

use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BufMut as _, Bytes};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use prost::Message as _;
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codec::{
    BufferSettings, Codec, CompressionEncoding, DecodeBuf, Decoder, EncodeBuf, Encoder,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use crate::bounds::assert_metric;
use crate::running::{Running, now_ms};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// Messages as the bytes they are.
#[derive(Clone, Copy, Default)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, bytes: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(bytes.copy_to_bytes(bytes.remaining())))
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::default()
    }
}

/// A client with a connection of its own.
struct Client {
    runtime: Runtime,
    channel: Channel,
}

impl Client {
    fn new(address: &str) -> Self {
        let runtime = Runtime::new().unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let channel = runtime.block_on(endpoint.connect()).unwrap();
        Self { runtime, channel }
    }

    fn call(
        &self,
        path: &'static str,
        message: Vec<u8>,
        compression: Option<CompressionEncoding>,
    ) -> Result<Bytes, Status> {
        let mut client = Grpc::new(self.channel.clone());
        if let Some(compression) = compression {
            client = client.send_compressed(compression);
        }
        self.runtime.block_on(async {
            client.ready().await.unwrap();
            let path = path.parse().unwrap();
            let answer = client.unary(Request::new(Bytes::from(message)), path, Raw);
            answer.await.map(tonic::Response::into_inner)
        })
    }

    fn export(&self, request: &Value) -> Result<Bytes, Status> {
        self.call(EXPORT, protobuf(request), None)
    }
}

/// A request with gauges, each with a time and a value.
fn gauges(points: &[(&str, i64, f64)]) -> Value {
    let metrics: Vec<_> = points
        .iter()
        .map(|(name, time_ms, value)| {
            json!({"name": name, "gauge": {"dataPoints": [
                {"timeUnixNano": (time_ms * 1_000_000).to_string(), "asDouble": value}
            ]}})
        })
        .collect();
    json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": metrics}]}]})
}

fn protobuf(request: &Value) -> Vec<u8> {
    let message: ExportMetricsServiceRequest = serde_json::from_value(request.clone()).unwrap();
    message.encode_to_vec()
}

fn value(server: &Running, query: &str, time_ms: i64) -> Value {
    server.query(query, time_ms)["result"][0]["value"][1].take()
}

const OWN_PORT: [(&str, &str); 1] = [("otlp.grpc.listen", "127.0.0.1:0")];

#[test]
fn metrics_are_taken_on_every_port() {
    let server = Running::start_with(&[OWN_PORT[0], ("otlp.http.listen", "127.0.0.1:0")]);
    let now = now_ms();
    for (index, address) in [&server.grpc_address, &server.address, &server.otlp_address]
        .into_iter()
        .enumerate()
    {
        let client = Client::new(address);
        let name = format!("port.{index}");
        let answer = client.export(&gauges(&[(&name, now, 1.5)])).unwrap();
        assert!(answer.is_empty(), "a complete success has no bytes");
        let query = format!("port_{index}");
        assert_eq!(value(&server, &query, now), "1.5");
    }
    let metrics = server.get("/metrics").body;
    for line in [
        "chronoxide_ingest_samples_total{protocol=\"otlp\"} 3".to_owned(),
        format!("chronoxide_http_requests_total{{handler=\"{EXPORT}\",code=\"ok\"}} 3"),
    ] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
    // HTTP is understood on the port of gRPC, too.
    let url = format!("http://{}/v1/metrics", server.grpc_address);
    let answer = ureq::post(&url)
        .header("content-type", "application/x-protobuf")
        .send(&protobuf(&gauges(&[("http", now, 2.0)]))[..]);
    assert_eq!(answer.unwrap().status(), 200);
    assert_eq!(value(&server, "http", now), "2");
}

#[test]
fn compressed_messages_are_read_within_the_limit() {
    let server = Running::start_with(&[OWN_PORT[0], ("otlp.size-limit", "64KiB")]);
    let client = Client::new(&server.grpc_address);
    let now = now_ms();
    for (name, compression) in [
        ("gzip", CompressionEncoding::Gzip),
        ("zstd", CompressionEncoding::Zstd),
    ] {
        let message = protobuf(&gauges(&[(name, now, 3.0)]));
        client.call(EXPORT, message, Some(compression)).unwrap();
        assert_eq!(value(&server, name, now), "3");
        let bomb = client.call(EXPORT, vec![0; 1 << 20], Some(compression));
        assert_eq!(bomb.unwrap_err().code(), Code::ResourceExhausted);
    }
    let large = client
        .call(EXPORT, vec![0; (64 << 10) + 1], None)
        .unwrap_err();
    assert_eq!(large.code(), Code::ResourceExhausted);
    assert!(large.message().contains("65536"), "{large}");
    assert!(large.details().is_empty(), "so that it is not tried again");
}

#[test]
fn a_bad_point_is_told_of_and_the_others_stored() {
    let server = Running::start_with(&OWN_PORT);
    let client = Client::new(&server.grpc_address);
    let now = now_ms();
    let request = gauges(&[("good", now, 1.0), ("timeless", 0, 1.0), ("old", 1000, 1.0)]);
    let answer = client.export(&request).unwrap();
    let partial = ExportMetricsServiceResponse::decode(answer).unwrap();
    let partial = partial.partial_success.unwrap();
    assert_eq!(partial.rejected_data_points, 2);
    assert!(partial.error_message.contains("timeless"), "{partial:?}");
    assert_eq!(value(&server, "good", now), "1");
    let line =
        "chronoxide_ingest_requests_total{protocol=\"otlp\",format=\"grpc\",result=\"refused\"} 1";
    assert_metric(&server, line);
}

#[test]
fn what_is_no_request_is_refused_for_good() {
    let server = Running::start_with(&OWN_PORT);
    let client = Client::new(&server.grpc_address);
    let broken = client.call(EXPORT, vec![0xff; 3], None).unwrap_err();
    assert_eq!(broken.code(), Code::InvalidArgument);
    assert!(broken.message().contains("protobuf"), "{broken}");
    for path in [
        "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
        "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
    ] {
        let refused = client.call(path, Vec::new(), None).unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
        assert!(refused.message().contains("metrics only"), "{refused}");
    }
    for path in [
        "/opentelemetry.proto.collector.metrics.v1.MetricsService/Import",
        "/no.such.Service/Export",
    ] {
        let refused = client.call(path, Vec::new(), None).unwrap_err();
        assert_eq!(refused.code(), Code::Unimplemented, "{path}");
    }
    let answer = server.post(EXPORT, &[("content-type", "application/json")], b"{}");
    assert_eq!(answer.status, 415);
}

#[test]
fn temporary_trouble_asks_clients_to_come_back() {
    let server = Running::start_with(&[OWN_PORT[0], ("storage.min-free", "1000TiB")]);
    let client = Client::new(&server.grpc_address);
    let refused = client.export(&gauges(&[("x", now_ms(), 1.0)])).unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
    let details = refused.details();
    let kind = b"type.googleapis.com/google.rpc.RetryInfo";
    assert!(
        details.windows(kind.len()).any(|part| part == kind),
        "{refused:?}"
    );
}

#[test]
fn health_is_told_until_the_end_and_does_not_hold_it_up() {
    let server = Running::start_with(&OWN_PORT);
    let client = Client::new(&server.grpc_address);
    let ask = |service: &str| HealthCheckRequest {
        service: service.to_owned(),
    };
    let metrics = "opentelemetry.proto.collector.metrics.v1.MetricsService";
    let mut health = HealthClient::new(client.channel.clone());
    client.runtime.block_on(async {
        for service in ["", metrics] {
            let answer = health.check(ask(service)).await.unwrap().into_inner();
            assert_eq!(answer.status, 1, "serving");
        }
        let unknown = health.check(ask("x")).await.unwrap_err();
        assert_eq!(unknown.code(), Code::NotFound);
    });
    let watch = health.watch(ask(metrics));
    let mut watch = client.runtime.block_on(watch).unwrap().into_inner();
    let first = client.runtime.block_on(watch.message()).unwrap().unwrap();
    assert_eq!(first.status, 1);
    let begun = Instant::now();
    server.stop();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "less than the patience of shutdown"
    );
    client.runtime.block_on(async {
        let ended = loop {
            match watch.message().await {
                Ok(Some(message)) => assert_eq!(message.status, 2, "not serving"),
                Ok(None) => panic!("the end has a status"),
                Err(status) => break status,
            }
        };
        assert_eq!(ended.code(), Code::Unavailable, "{ended}");
    });
}

#[test]
fn reflection_lists_the_services_that_are_served() {
    let server = Running::start_with(&OWN_PORT);
    let client = Client::new(&server.grpc_address);
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ] {
        let mut grpc = Grpc::new(client.channel.clone());
        let listed = client.runtime.block_on(async {
            grpc.ready().await.unwrap();
            // Field 7, an empty text: list the services.
            let ask = Request::new(Bytes::from_static(&[0x3a, 0]));
            let answer = grpc.server_streaming(ask, path.parse().unwrap(), Raw).await;
            answer
                .unwrap()
                .into_inner()
                .message()
                .await
                .unwrap()
                .unwrap()
        });
        let listed = String::from_utf8_lossy(&listed).into_owned();
        for service in [
            "MetricsService",
            "grpc.health.v1.Health",
            "ServerReflection",
        ] {
            assert!(listed.contains(service), "{service}: {listed}");
        }
        assert!(!listed.contains("TraceService"), "{listed}");
    }
}

#[test]
fn calls_know_no_prefix() {
    let server = Running::start_with(&[("http.route-prefix", "/store")]);
    let now = now_ms();
    let client = Client::new(&server.address);
    client.export(&gauges(&[("level", now, 7.0)])).unwrap();
    let path = format!("/store/api/v1/query?query=level&time={}", now / 1000);
    assert_eq!(server.get(&path).data()["result"][0]["value"][1], "7");
    let unknown = client.call("/some.Service/Call", Vec::new(), None);
    assert_eq!(unknown.unwrap_err().code(), Code::Unimplemented);
}

/// A connection that speaks frames of HTTP/2.
struct Frames(std::net::TcpStream);

impl Frames {
    fn new(address: &str) -> Self {
        let mut frames = Self(std::net::TcpStream::connect(address).unwrap());
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        frames.0.write_all(preface).unwrap();
        frames.write(4, 0, 0, &[]);
        frames
    }

    fn write(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let mut bytes = Vec::new();
        bytes.put_uint(payload.len() as u64, 3);
        bytes.extend([kind, flags]);
        bytes.put_u32(stream);
        bytes.extend_from_slice(payload);
        self.0.write_all(&bytes).unwrap();
    }

    /// Begins a POST to `path`, which is to be short like all texts here.
    fn post(&mut self, stream: u32, path: &str, headers: &[(&str, &str)]) {
        let mut block = vec![0x83, 0x86, 0x04, path.len() as u8];
        block.extend_from_slice(path.as_bytes());
        for (name, value) in headers {
            block.push(0);
            for text in [name, value] {
                block.push(text.len() as u8);
                block.extend_from_slice(text.as_bytes());
            }
        }
        self.write(1, 4, stream, &block);
    }

    /// Stream and payload of the next frame of this kind.
    fn next(&mut self, kind: u8) -> (u32, Vec<u8>) {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head).unwrap();
            let mut head = &head[..];
            let mut payload = vec![0; head.get_uint(3) as usize];
            let (found, _) = (head.get_u8(), head.get_u8());
            self.0.read_exact(&mut payload).unwrap();
            if found == kind {
                return (head.get_u32(), payload);
            }
        }
    }
}

#[test]
fn deadlines_that_pass_and_unknown_encodings_are_told_and_counted() {
    let server = Running::start_with(&OWN_PORT);
    // The library's client would watch over the deadline itself.
    let mut frames = Frames::new(&server.grpc_address);
    let headers = [
        ("content-type", "application/grpc"),
        ("grpc-timeout", "20m"),
    ];
    frames.post(1, EXPORT, &headers);
    assert_eq!(frames.next(1).0, 1);
    let late = format!(
        "chronoxide_http_requests_total{{handler=\"{EXPORT}\",code=\"deadline_exceeded\"}} 1"
    );
    assert_metric(&server, &late);
    let headers = [
        ("content-type", "application/grpc"),
        ("grpc-encoding", "br"),
    ];
    frames.post(3, EXPORT, &headers);
    assert_eq!(frames.next(1).0, 3);
    for result in ["failed", "unread"] {
        let line = format!(
            "chronoxide_ingest_requests_total{{protocol=\"otlp\",format=\"grpc\",result=\"{result}\"}} 1"
        );
        assert_metric(&server, &line);
    }
}

#[test]
fn streams_beyond_the_limit_are_refused_and_others_go_on() {
    const STREAMS_MAX: u32 = 100;
    let server = Running::start();
    let mut frames = Frames::new(&server.address);
    for stream in 0..=STREAMS_MAX {
        // The body does not come.
        let headers = [("content-type", "application/json")];
        frames.post(2 * stream + 1, "/v1/metrics", &headers);
    }
    // REFUSED_STREAM: nothing was done, so that clients try again.
    let refused = frames.next(3);
    assert_eq!(refused, (2 * STREAMS_MAX + 1, vec![0, 0, 0, 7]));
    frames.write(0, 1, 1, b"{}");
    let (stream, block) = frames.next(1);
    // ":status: 200" of HPACK's table.
    assert_eq!((stream, block[0]), (1, 0x88));
}
