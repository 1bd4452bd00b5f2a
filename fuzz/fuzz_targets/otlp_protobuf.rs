//! Feeds arbitrary bytes to the walker of OTLP requests in protobuf. It must take and refuse what prost's decoder takes
//! and refuses, and see the same in it.

#![no_main]

use chronoxide_otlp::{
    DeltaLimits, DeltaStreams, Options, Translation, translate_message, translate_protobuf,
};
use libfuzzer_sys::fuzz_target;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

const NOW_MS: i64 = 1_700_000_000_000;

fuzz_target!(|input: &[u8]| {
    // Points years apart would make thousands of samples of target_info.
    let options = Options {
        lookback_ms: 1 << 50,
        ..Options::default()
    };
    let streams = DeltaStreams::new(DeltaLimits::default(), 0);
    let walked = translate_protobuf(input, &options, &streams, NOW_MS);
    let decoded = ExportMetricsServiceRequest::decode(input);
    match (&walked, &decoded) {
        (Ok(walked), Ok(decoded)) => {
            let translated = translate_message(decoded, &options, &streams, NOW_MS);
            assert_eq!(told(walked), told(&translated));
        }
        // The walker has bounds that prost has not: how deep and how many values may stand in one attribute.
        (Err(_), _) => {}
        (Ok(_), Err(error)) => assert!(
            is_stricter(&error.to_string()),
            "prost refuses what the walker takes: {error}"
        ),
    }
});

/// Whether prost refuses something that the walker passes over because it means nothing here.
fn is_stricter(error: &str) -> bool {
    // Text that is no UTF-8 and groups, in fields that are not looked at.
    error.contains("UTF-8") || error.contains("group") || error.contains("recursion")
}

/// All that a translation says, in words: a NaN is not equal to itself.
fn told(translation: &Translation) -> String {
    let mut text = format!(
        "{:?} {} {} {}\n",
        translation.refusals,
        translation.points_accepted,
        translation.attributes_dropped,
        translation.exemplars_dropped
    );
    for series in translation.batch.series() {
        let labels = series.key.decode().expect("a key made here can be read");
        let histograms: Vec<_> = series.histograms().collect();
        text.push_str(&format!(
            "{labels} {:?} {:?} {histograms:?} {:?}\n",
            series.samples, series.start_timestamps_ms, series.exemplars
        ));
    }
    text + &format!("{:?}", translation.batch.metadata())
}
