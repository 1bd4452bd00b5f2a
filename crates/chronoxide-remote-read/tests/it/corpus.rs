//! Each file of the corpus is decoded as the fuzz target decodes it.

use std::path::Path;

use chronoxide_remote_read::decode;

#[test]
fn hostile_requests_are_errors() {
    let corpus =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/remote_read_request");
    let mut files = 0;
    for entry in corpus.read_dir().unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let input = std::fs::read(&path).unwrap();
        assert_eq!(decode(&input).is_ok(), name.starts_with("valid"), "{name}");
        for end in 0..input.len().min(400) {
            let _ = decode(&input[..end]);
            let mut turned = input.clone();
            turned[end] ^= 1 << (end % 8);
            let _ = decode(&turned);
        }
        files += 1;
    }
    assert!(files >= 6, "{files}");
}
