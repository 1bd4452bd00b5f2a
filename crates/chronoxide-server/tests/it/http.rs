//! What holds for every path: methods, headers, compression, prefixes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use flate2::read::{GzDecoder, ZlibDecoder};

use crate::running::{Running, now_ms};
use crate::wire::series;

#[test]
fn unknown_paths_are_not_found_in_the_words_clients_look_for() {
    let server = Running::start();
    for path in [
        "/nothing",
        "/api/v1/nothing",
        "/api/v1/label",
        "/prometheus/nothing",
        "/api/v2/query",
        // Rules of Mimir, for which Alloy and Grafana's editor look.
        "/config/v1/rules",
        "/prometheus/config/v1/rules",
        "/api/v1/search/metric_names",
        "/openapi.yaml",
        "/debug/pprof/heap",
    ] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.body.trim_end()),
            (404, "404 page not found"),
            "{path}"
        );
    }
}

#[test]
fn a_wrong_method_names_the_right_ones() {
    let server = Running::start();
    for path in ["/api/v1/write", "/api/v1/push", "/prometheus/api/v1/write"] {
        let answer = server.get(path);
        assert_eq!(
            (answer.status, answer.header("allow")),
            (405, "POST"),
            "{path}"
        );
    }
    for path in [
        "/api/v1/metadata",
        "/api/v1/label/job/values",
        "/api/v1/rules",
        "/-/healthy",
    ] {
        let answer = server.post_form(path, "");
        assert_eq!(answer.status, 405, "{path}");
        assert!(
            answer.header("allow").contains("GET"),
            "{path}: {}",
            answer.header("allow")
        );
    }
}

#[test]
fn options_are_answered_on_every_api_path() {
    let server = Running::start();
    for path in [
        "/api/v1/query",
        "/prometheus/api/v1/series",
        "/api/v1/label/job/values",
        "/api/v1/unheard-of",
    ] {
        let request = format!(
            "OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: http://g\r\nConnection: close\r\n\r\n"
        );
        let answer = server.raw(request.as_bytes()).to_lowercase();
        assert!(answer.starts_with("http/1.1 204"), "{path}: {answer}");
        assert!(
            answer.contains("access-control-allow-methods: get, post, options"),
            "{answer}"
        );
    }
}

#[test]
fn an_origin_is_answered_with_cors_headers() {
    let server = Running::start();
    let answer = server.get_with("/api/v1/rules", &[("origin", "http://grafana.example")]);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(
        answer.header("access-control-allow-headers"),
        "Accept, Authorization, Content-Type, Origin"
    );
    assert_eq!(answer.header("access-control-expose-headers"), "Date");
    let plain = server.get("/api/v1/rules");
    assert_eq!(plain.header("access-control-allow-origin"), "");
    assert!(
        plain
            .headers
            .get_all("vary")
            .iter()
            .any(|value| value == "Origin")
    );
    assert_eq!(plain.header("x-content-type-options"), "nosniff");
}

#[test]
fn only_origins_that_match_are_told_that_they_may_read() {
    let server =
        Running::start_with(&[("http.cors-origins", "https://a.example,https://*.b.example")]);
    let of = |origin: &str| {
        let answer = server.get_with("/api/v1/rules", &[("origin", origin)]);
        answer.header("access-control-allow-origin").to_owned()
    };
    assert_eq!(of("https://a.example"), "https://a.example");
    assert_eq!(of("https://x.b.example"), "https://x.b.example");
    assert_eq!(of("https://c.example"), "");
    assert_eq!(of("https://a.example.evil"), "");
    let server = Running::start_with(&[("http.cors-origins", "none")]);
    let answer = server.get_with("/api/v1/rules", &[("origin", "https://a.example")]);
    assert_eq!(answer.header("access-control-allow-origin"), "");
    assert_eq!(answer.status, 200);
}

#[test]
fn there_is_no_lifecycle_over_http() {
    let server = Running::start();
    for path in ["/-/reload", "/-/quit"] {
        assert_eq!(server.post_form(path, "").status, 403, "{path}");
        assert_eq!(server.get(path).status, 405, "{path}");
    }
}

#[test]
fn health_and_readiness_answer_get_and_head() {
    let server = Running::start();
    for prefix in ["", "/prometheus"] {
        assert_eq!(
            server.get(&format!("{prefix}/-/healthy")).body,
            "chronoxide is Healthy.\n"
        );
        assert_eq!(
            server.get(&format!("{prefix}/-/ready")).body,
            "chronoxide is Ready.\n"
        );
        for path in ["/-/healthy", "/-/ready"] {
            let request =
                format!("HEAD {prefix}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
            let answer = server.raw(request.as_bytes());
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\n"),
                "{path}: {answer:?}"
            );
        }
    }
}

#[test]
fn long_answers_are_compressed_when_asked() {
    let server = Running::start();
    let plain = server.get("/metrics").body;
    assert!(plain.len() > 1024);
    let request = "GET /api/v1/status/buildinfo HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip, deflate\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream
        .write_all(
            request
                .replace("/api/v1/status/buildinfo", "/metrics")
                .as_bytes(),
        )
        .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    assert!(
        head.contains("content-encoding: gzip") && head.contains("vary: accept-encoding"),
        "{head}"
    );
    let mut text = String::new();
    GzDecoder::new(&answer[split + 4..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("chronoxide_build_info{version="), "{text}");
    let short = server.raw(request.as_bytes()).to_lowercase();
    assert!(
        short.len() < 2048 && !short.contains("content-encoding"),
        "{short}"
    );
}

#[test]
fn what_depends_on_headers_says_on_which() {
    let server = Running::start();
    for (path, expected) in [
        ("/metrics", &["Accept", "Accept-Encoding", "Origin"][..]),
        (
            "/federate?match[]=x",
            &["Accept", "Accept-Encoding", "Origin"],
        ),
        ("/api/v1/query?query=1", &["Accept-Encoding", "Origin"]),
    ] {
        let answer = server.get(path);
        let mut found: Vec<_> = answer
            .headers
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap())
            .collect();
        found.sort_unstable();
        assert_eq!(found, expected, "{path}");
    }
}

#[test]
fn deflate_is_what_the_standard_of_http_calls_so() {
    let server = Running::start();
    let request =
        "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept-Encoding: deflate\r\nConnection: close\r\n\r\n";
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let split = answer
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .unwrap();
    let head = String::from_utf8_lossy(&answer[..split]).to_lowercase();
    assert!(head.contains("content-encoding: deflate"), "{head}");
    // A zlib stream, not the bare one.
    let mut text = String::new();
    ZlibDecoder::new(&answer[split + 4..])
        .read_to_string(&mut text)
        .unwrap();
    assert!(text.contains("chronoxide_build_info{version="), "{text}");
}

#[test]
fn what_is_unknown_or_empty_among_the_parameters_is_passed_over() {
    let server = Running::start();
    let plain = server.get("/api/v1/query?query=1%2B1&time=4").body;
    for more in [
        "&unheard_of=1&unheard_of=2",
        "&timeout=&limit=&lookback_delta=&stats=",
        "&max_source_resolution=5m&partial_response=true&dedup=true&engine=thanos&nocache=1",
    ] {
        let form = format!("query=1%2B1&time=4{more}");
        assert_eq!(
            server.get(&format!("/api/v1/query?{form}")).body,
            plain,
            "{more}"
        );
        assert_eq!(
            server.post_form("/api/v1/query", &form).body,
            plain,
            "{more}"
        );
    }
    let absent = server.get("/api/v1/query?query=&time=4");
    assert_eq!(absent.status, 400, "{}", absent.body);
}

#[test]
fn a_client_that_sends_nonsense_leaves_the_server_up() {
    let server = Running::start();
    for bytes in [
        &b"\0\xff\xfe nonsense\r\n\r\n"[..],
        b"GET /%zz HTTP/9.9\r\n\r\n",
        b"GET \0 HTTP/1.1\r\n\r\n",
    ] {
        let mut stream = TcpStream::connect(&server.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 400"),
            "{answer:?}"
        );
    }
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "a".repeat(100_000));
    let mut stream = TcpStream::connect(&server.address).unwrap();
    // The server may answer and close before all of it is sent.
    let _ = stream.write_all(long.as_bytes());
    assert_eq!(server.get("/-/healthy").status, 200);
}

#[test]
fn a_stopped_server_frees_its_port_and_its_directory() {
    let server = Running::start();
    let address = server.address.clone();
    let directory = server.stop();
    assert!(TcpStream::connect(&address).is_err());
    let again = Running::start_in(directory, &[]);
    assert_eq!(again.get("/-/ready").status, 200);
}

#[test]
fn promised_bytes_that_do_not_come_hold_up_nobody() {
    let server = Running::start_with(&[("memory.limit", "1MiB")]);
    // Together they promise three times the memory that requests may hold.
    let promises: Vec<TcpStream> = (0..3)
        .map(|_| {
            let mut stream = TcpStream::connect(&server.address).unwrap();
            let head = "POST /api/v1/write HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-protobuf\r\n\
                        Content-Length: 33554432\r\n\r\n1";
            stream.write_all(head.as_bytes()).unwrap();
            stream
        })
        .collect();
    server.write(&[series(&[("__name__", "x")], now_ms(), 1.0)]);
    drop(promises);
}

#[test]
fn queries_may_be_typed_without_percent_encoding() {
    let server = Running::start();
    server.write(&[series(
        &[("__name__", "up"), ("job", "größe")],
        now_ms(),
        1.0,
    )]);
    let found = r#""metric":{"__name__":"up","job":"größe"}"#;
    for query in [
        r#"up{job="größe"}"#,
        "up>0",
        "up<2",
        "2>up",
        "up#comment",
        r#"up{job=~"[^`|]{1,9}"}"#,
        "up%7Bjob=%22gr%C3%B6%C3%9Fe%22%7D>0",
    ] {
        let request = format!(
            "GET /api/v1/query?query={query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        );
        let answer = server.raw(request.as_bytes());
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(found),
            "{query}: {answer}"
        );
    }
}

#[test]
fn bodies_between_typed_queries_arrive_as_they_were_sent() {
    let server = Running::start();
    let form = "query=%22GET+/?%22\"<>é\" HTTP/1.1\r\n\r\n\"";
    let request = format!(
        "GET /api/v1/query?query=\"<one>\" HTTP/1.1\r\nHost: x\r\n\r\n\
         POST /api/v1/query HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{form}\
         GET /api/v1/query?query=\"<two>\" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        form.len()
    );
    let answer = server.raw(request.as_bytes());
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    assert_eq!(answer.matches("HTTP/1.1 400").count(), 1, "{answer}");
    assert!(
        answer.contains("<one>") && answer.contains("<two>"),
        "{answer}"
    );
}

#[test]
fn answers_are_deflated_for_whoever_prefers_that() {
    let server = Running::start();
    let headers = [("accept-encoding", "deflate")];
    // One that is made whole and one that is made in pieces.
    for path in [
        "/metrics",
        "/api/v1/query_range?query=time()&start=0&end=11000&step=1",
    ] {
        let answer = server.get_with(path, &headers);
        assert_eq!(answer.header("content-encoding"), "deflate", "{path}");
        let vary = answer.headers.get_all("vary");
        assert!(vary.iter().any(|value| value == "Accept-Encoding"));
        let mut text = String::new();
        ZlibDecoder::new(&answer.bytes[..])
            .read_to_string(&mut text)
            .unwrap();
        let plain = server.get(path).body;
        assert_eq!(text.lines().next(), plain.lines().next(), "{path}");
        assert!(answer.bytes.len() * 2 < text.len(), "{path}");
    }
}
