//! The page at `/`: with its files in a build that has them, plain in one that has not.

use std::io::Read as _;

use flate2::read::GzDecoder;

use crate::running::{Answer, Running};

/// Addresses of the files that the page loads, relative to it.
fn assets(page: &str) -> Vec<&str> {
    let quoted = page.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with("assets/")).collect()
}

/// Whether this build must have the page: the build said so, or it is there.
fn is_built(page: &Answer) -> bool {
    let built = !assets(&page.body).is_empty();
    if std::env::var("WEB_UI").as_deref() == Ok("require") {
        assert!(built, "the page was required and is not there");
    }
    built
}

#[test]
fn the_page_comes_with_a_policy_that_allows_nothing_from_elsewhere() {
    let server = Running::start();
    for path in ["/", "/prometheus/"] {
        let page = server.get(path);
        assert_eq!(page.status, 200, "{path}");
        assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
        let policy = page.header("content-security-policy");
        assert!(policy.starts_with("default-src 'self';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        for attribute in ["src=\"http", "href=\"http", "src=\"/", "href=\"/", "style="] {
            assert!(!page.body.contains(attribute), "{attribute}");
        }
    }
}

#[test]
fn a_build_without_the_page_says_how_to_get_it() {
    let server = Running::start();
    let page = server.get("/");
    if !is_built(&page) {
        assert!(page.body.contains("WEB_UI=require"), "{}", page.body);
    }
}

#[test]
fn files_of_the_page_are_kept_for_good_and_the_page_itself_is_asked_for_again() {
    let server = Running::start();
    let page = server.get("/");
    if !is_built(&page) {
        return;
    }
    assert_eq!(page.header("cache-control"), "no-cache");
    let etag = page.header("etag");
    let again = server.get_with("/", &[("if-none-match", etag)]);
    assert_eq!((again.status, again.bytes.len()), (304, 0));
    assert_eq!(
        server
            .get_with("/", &[("if-none-match", "\"other\"")])
            .status,
        200
    );

    let assets = assets(&page.body);
    assert_eq!(assets.len(), 2, "{assets:?}");
    for asset in assets {
        let content_type = if asset.ends_with(".js") {
            "text/javascript"
        } else {
            "text/css"
        };
        for prefix in ["", "/prometheus"] {
            let path = format!("{prefix}/{asset}");
            let plain = server.get(&path);
            assert_eq!(
                plain.header("content-type"),
                format!("{content_type}; charset=utf-8")
            );
            assert!(
                plain.header("cache-control").contains("immutable"),
                "{path}"
            );
            let small = server.get_with(&path, &[("accept-encoding", "gzip, br")]);
            assert_eq!(small.header("content-encoding"), "gzip");
            assert!(small.bytes.len() < plain.bytes.len() / 2, "{path}");
            let mut unpacked = Vec::new();
            GzDecoder::new(small.bytes.as_slice())
                .read_to_end(&mut unpacked)
                .unwrap();
            assert_eq!(unpacked, plain.bytes);
        }
    }
}

#[test]
fn a_file_that_is_not_of_the_page_is_not_found() {
    let server = Running::start();
    for name in ["nothing.js", "index.html", "..%2fCargo.toml", "main.js.gz"] {
        assert_eq!(server.get(&format!("/assets/{name}")).status, 404, "{name}");
    }
}

#[test]
fn a_prefix_without_its_slash_leads_to_the_page() {
    let server = Running::start();
    let answer = server.get("/prometheus");
    assert_eq!(
        (answer.status, answer.header("location")),
        (308, "prometheus/")
    );
}
