use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;

/// What comes out when `sent` comes in, in pieces of `piece` bytes read into buffers of `room` bytes.
fn read(sent: &[u8], piece: usize, room: usize) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (ours, mut theirs) = duplex(piece);
        let sent = sent.to_vec();
        let sending = tokio::spawn(async move {
            theirs.write_all(&sent).await.unwrap();
        });
        let mut stream = RawQuery::new(ours);
        let (mut out, mut buffer) = (Vec::new(), vec![0; room]);
        loop {
            let count = stream.read(&mut buffer).await.unwrap();
            if count == 0 {
                break;
            }
            out.extend_from_slice(&buffer[..count]);
        }
        sending.await.unwrap();
        out
    })
}

fn check(sent: &[u8], expected: &[u8]) {
    for (piece, room) in [(1 << 16, 1 << 16), (1, 1), (3, 2), (7, 1000), (1000, 1)] {
        let got = read(sent, piece, room);
        assert_eq!(
            String::from_utf8_lossy(&got),
            String::from_utf8_lossy(expected),
            "pieces of {piece}, buffers of {room}"
        );
    }
}

/// Demands that `head` is followed by a body of `length` bytes, then by a request; none means by no more requests.
fn check_body(head: &str, length: Option<usize>) {
    const RAW: &str = "GET /b?q=\"x\" HTTP/1.1\r\n\r\n";
    const ENCODED: &str = "GET /b?q=%22x%22 HTTP/1.1\r\n\r\n";
    let body = RAW.as_bytes().iter().cycle().copied();
    let body: Vec<u8> = body.take(length.unwrap_or(100)).collect();
    let after = if length.is_some() { ENCODED } else { RAW };
    let sent = [head.as_bytes(), &body, RAW.as_bytes()].concat();
    let expected = [head.as_bytes(), &body, after.as_bytes()].concat();
    check(&sent, &expected);
}

#[test]
fn raw_bytes_of_a_query_are_encoded() {
    check(
        "GET /q?query=up{job=\"a\"}<1>2#ü&x=%22\\^`| HTTP/1.1\r\nHost: \"<ü?>\"\r\n\r\n".as_bytes(),
        "GET /q?query=up{job=%22a%22}%3C1%3E2%23%C3%BC&x=%22\\^`| HTTP/1.1\r\nHost: \"<ü?>\"\r\n\r\n"
            .as_bytes(),
    );
}

#[test]
fn nothing_but_the_query_is_touched() {
    for text in [
        "GET /a\"b<c> HTTP/1.1\r\nX: ?\"\r\n\r\n",
        "GET /a?b c\"?d\" HTTP/1.1\r\n\r\n",
        "G?\"ET /a HTTP/1.1\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nGET /?\"\r\n\r\nGET /?\" ",
        "CONNECT a?:1 HTTP/1.1\r\n\r\nGET /?\" HTTP/1.1\r\n\r\n",
        "",
    ] {
        check(text.as_bytes(), text.as_bytes());
    }
}

#[test]
fn requests_follow_each_other() {
    check(
        b"GET /?\" HTTP/1.1\r\n\r\n\r\nGET /?< HTTP/1.1\nA: b\n\nHEAD /?> HTTP/1.0\r\n\r\n",
        b"GET /?%22 HTTP/1.1\r\n\r\n\r\nGET /?%3C HTTP/1.1\nA: b\n\nHEAD /?%3E HTTP/1.0\r\n\r\n",
    );
}

#[test]
fn bodies_of_a_known_length_pass_as_they_are() {
    for length in [0, 1, 26, 1000, 70_000] {
        check_body(
            &format!("POST /w HTTP/1.1\r\ncontent-LENGTH:{length}  \r\nHost: x\r\n\r\n"),
            Some(length),
        );
    }
    let long = format!("X-{}: 1", "y".repeat(100));
    check_body(
        &format!("GET /w HTTP/1.1\r\n{long}\r\nContent-Length: 0030\r\n{long}\r\n\r\n"),
        Some(30),
    );
}

#[test]
fn after_a_body_without_a_clear_end_nothing_is_touched() {
    let long = format!("Content-Length: {}1", "0".repeat(70));
    for headers in [
        "Transfer-Encoding: chunked",
        "transfer-encoding:gzip\r\nContent-Length: 5",
        "Content-Length: 5\r\nTRANSFER-ENCODING: chunked",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -1",
        "Content-Length:",
        "Content-Length: 99999999999999999999",
        "Content-Length : 5",
        " Content-Length: 5",
        "Upgrade: h2c",
        "no colon",
        &long,
    ] {
        check_body(&format!("POST /w HTTP/1.1\r\n{headers}\r\n\r\n"), None);
    }
}

#[test]
fn any_bytes_without_a_raw_query_pass_as_they_are() {
    // A fixed linear congruence gives bytes of every kind; none may come out before a query.
    let mut state = 12345_u32;
    let noise: Vec<u8> = (0..10_000)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .filter(|byte| *byte != b'?')
        .collect();
    check(&noise, &noise);
}
