//! What the fuzz targets begin with, and whatever they have found, in the ordinary tests.

use std::fs;
use std::path::Path;

use chronoxide_otlp::{translate_json, translate_message, translate_protobuf};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message as _;

use crate::hostile::{all_options, check, told};
use crate::request::*;

/// Calls `read` with each file of the corpus of `target`; answers how many valid ones there are.
fn for_each(target: &str, mut read: impl FnMut(&str, &[u8])) -> usize {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target);
    let mut valid = 0;
    for entry in fs::read_dir(folder).expect("the corpus is a folder") {
        let path = entry.expect("the corpus is readable").path();
        let name = path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let name = name.expect("a file has a name");
        valid += usize::from(name.starts_with("valid-"));
        read(&name, &fs::read(&path).expect("the file is readable"));
    }
    valid
}

#[test]
fn the_corpus_of_protobuf_is_read_as_prost_reads_it() {
    let streams = no_streams();
    let valid = for_each("otlp_protobuf", |name, bytes| {
        for options in &all_options() {
            let walked = translate_protobuf(bytes, options, &streams, TIME_MS);
            assert!(walked.is_ok() || !name.starts_with("valid-"), "{name}");
            let decoded = ExportMetricsServiceRequest::decode(bytes);
            if let (Ok(walked), Ok(decoded)) = (walked, decoded) {
                check(&walked);
                let translated = translate_message(&decoded, options, &streams, TIME_MS);
                assert_eq!(told(&walked), told(&translated), "{name}");
            }
        }
    });
    assert!(valid >= 2);
}

#[test]
fn the_corpus_of_json_is_read_or_refused() {
    let streams = no_streams();
    let valid = for_each("otlp_json", |name, bytes| {
        for options in &all_options() {
            if let Ok(read) = translate_json(bytes, options, &streams, TIME_MS) {
                check(&read);
            }
            let Ok(request) = ExportMetricsServiceRequest::decode(bytes) else {
                continue;
            };
            let text = serde_json::to_string(&request).expect("messages have a form in JSON");
            if let Ok(read) = translate_json(text.as_bytes(), options, &streams, TIME_MS) {
                let translated = translate_message(&request, options, &streams, TIME_MS);
                assert_eq!(told(&read), told(&translated), "{name}: {text}");
            }
        }
    });
    assert!(valid >= 2);
}
