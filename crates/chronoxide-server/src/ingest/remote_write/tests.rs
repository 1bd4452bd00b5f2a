use std::time::Duration;

use axum::body::Body;
use chronoxide_storage::{Database, Options};
use tempfile::TempDir;

use super::*;
use crate::config::{Config, Settings};
use crate::ingest::{HeldMemory, RequestMemory, WriteTurns};

/// `up{job="a"} 1 @ 1700000000000` in version 1.
const V1: &[u8] = b"\x2e\xb4\x0a\x2c\x0a\x0e\x0a\x08__name__\x12\x02up\x0a\x08\x0a\x03job\x12\x01a\
    \x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc\x31";

/// The same in version 2.
const V2: &[u8] =
    b"\x32\xc4\x22\0\x22\x08__name__\x22\x02up\x22\x03job\x22\x01a\x2a\x18\x0a\x04\x01\x02\x03\x04\
    \x12\x10\x09\0\0\0\0\0\0\xf0\x3f\x10\x80\xd0\x95\xff\xbc\x31";

/// Room for one write at a time, which waits for nothing.
fn narrow_state() -> ServerState {
    let config = Config::new(&Settings::default()).unwrap();
    let mut state = ServerState::new(config, "here".to_owned());
    state.writes = WriteTurns::new(1, Duration::ZERO);
    state.request_memory = RequestMemory::new(1 << 20, Duration::ZERO);
    state
}

/// Gives `state` a database that takes old samples.
fn open_database(state: &ServerState) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let options = Options {
        retention: Duration::from_secs(100 * 366 * 86_400),
        ..Options::default()
    };
    let database = Database::open(directory.path(), options).unwrap();
    state.set_database(Arc::new(database));
    directory
}

async fn post(state: &Arc<ServerState>, version: Version) -> Response {
    let (schema, body) = match version {
        Version::V1 => ("prometheus.WriteRequest", V1),
        Version::V2 => ("io.prometheus.write.v2.Request", V2),
    };
    let content_type = format!("application/x-protobuf;proto={schema}");
    let request = Request::post("/api/v1/write").header(header::CONTENT_TYPE, content_type);
    let request = request.body(Body::from(body)).unwrap();
    write(State(Arc::clone(state)), request).await
}

/// What the headers of version 2 say was written.
fn written(response: &Response) -> Vec<&str> {
    let headers = response.headers().iter();
    let written = headers.filter(|(name, _)| name.as_str().ends_with("-written"));
    written.map(|(_, count)| count.to_str().unwrap()).collect()
}

async fn assert_sent_away(state: &Arc<ServerState>) {
    for (version, counts) in [(Version::V1, &[][..]), (Version::V2, &["0"; 3])] {
        let response = post(state, version).await;
        assert_eq!(response.status(), 503, "{version:?}");
        assert_eq!(response.headers()[header::RETRY_AFTER], "5", "{version:?}");
        assert_eq!(written(&response), counts);
    }
}

async fn assert_stored(state: &Arc<ServerState>) {
    for (version, counts) in [(Version::V1, &[][..]), (Version::V2, &["1", "0", "0"])] {
        let response = post(state, version).await;
        assert_eq!(response.status(), 204, "{version:?}");
        assert!(!response.headers().contains_key(header::RETRY_AFTER));
        assert_eq!(written(&response), counts);
    }
    assert_eq!(state.database().unwrap().stats().series, 1);
}

#[tokio::test]
async fn writes_beyond_the_turns_come_back_later_and_are_stored() {
    let state = Arc::new(narrow_state());
    let _directory = open_database(&state);
    let turn = state.writes.take().await.unwrap();
    assert_sent_away(&state).await;
    assert_eq!(state.database().unwrap().stats().series, 0);
    drop(turn);
    assert_stored(&state).await;
}

#[tokio::test]
async fn writes_beyond_the_memory_for_requests_come_back_later_and_are_stored() {
    let state = Arc::new(narrow_state());
    let _directory = open_database(&state);
    let mut others = HeldMemory::default();
    let all = state.request_memory.limit_bytes();
    state.request_memory.hold(&mut others, all).await.unwrap();
    let mut beyond = HeldMemory::default();
    state.request_memory.hold(&mut beyond, 1).await.unwrap();
    assert_sent_away(&state).await;
    assert_eq!(state.database().unwrap().stats().series, 0);
    drop((others, beyond));
    assert_stored(&state).await;
    assert_eq!(state.request_memory.held_bytes(), 0);
}

#[tokio::test]
async fn writes_before_the_database_is_open_and_at_the_end_come_back_later() {
    let state = Arc::new(narrow_state());
    assert_sent_away(&state).await;
    let _directory = open_database(&state);
    assert_stored(&state).await;
    state.stop();
    assert_sent_away(&state).await;
}

#[test]
fn content_types_choose_the_schema() {
    for (text, expected) in [
        ("", Some(Version::V1)),
        ("application/x-protobuf", Some(Version::V1)),
        ("APPLICATION/X-Protobuf", Some(Version::V1)),
        (
            "application/x-protobuf;proto=prometheus.WriteRequest",
            Some(Version::V1),
        ),
        (
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            Some(Version::V2),
        ),
        (
            "application/x-protobuf; proto=io.prometheus.write.v2.Request",
            Some(Version::V2),
        ),
        (
            "application/x-protobuf ; Proto=\"io.prometheus.write.v2.Request\"",
            Some(Version::V2),
        ),
        ("application/x-protobuf; charset=utf-8", Some(Version::V1)),
        (
            "application/x-protobuf;proto=io.prometheus.write.v3.Request",
            None,
        ),
        ("application/x-protobuf;foo", None),
        ("application/json", None),
        ("text/plain", None),
        (";proto=prometheus.WriteRequest", None),
    ] {
        assert_eq!(version_of(text), expected, "{text:?}");
    }
}
