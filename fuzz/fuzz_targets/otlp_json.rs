//! Feeds arbitrary bytes to the reader of OTLP requests in JSON; and a request in protobuf, written as JSON by another
//! library, must be read as the request it is.

#![no_main]

use chronoxide_otlp::{DeltaLimits, DeltaStreams, Options, translate_json, translate_message};
use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|input: &[u8]| {
    let options = Options {
        lookback_ms: 1 << 50,
        ..Options::default()
    };
    let streams = DeltaStreams::new(DeltaLimits::default(), 0);
    if let Ok(translation) = translate_json(input, &options, &streams, NOW_MS) {
        for series in translation.batch.series() {
            series.key.decode().expect("a key made here can be read");
        }
    }
    let Ok(request) = ExportMetricsServiceRequest::decode(input) else {
        return;
    };
    let Ok(text) = serde_json::to_string(&request) else {
        return;
    };
    // The other library writes numbers that JSON has not as null, and empty choices as null.
    if text.contains("null") {
        return;
    }
    let Ok(read) = translate_json(text.as_bytes(), &options, &streams, NOW_MS) else {
        // Times of exemplars and depths have bounds.
        return;
    };
    let expected = translate_message(&request, &options, &streams, NOW_MS);
    assert_eq!(read.points_accepted, expected.points_accepted, "{text}");
    let labels = |translation: &chronoxide_otlp::Translation| {
        let series = translation.batch.series();
        series
            .map(|series| {
                let labels = series.key.decode().expect("a key made here can be read");
                format!("{labels} {:?}", series.samples)
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(&read), labels(&expected), "{text}");
});
