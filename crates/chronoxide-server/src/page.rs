//! The page at `/`, made of the files that `build.rs` has put together, or the plain page of a build without them.

use std::io::Read as _;
use std::sync::Arc;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::read::GzDecoder;

use crate::edge;
use crate::state::ServerState;

/// A file of the page.
#[derive(Debug)]
struct PageFile {
    name: &'static str,
    content_type: &'static str,
    /// In quotes, as the header has it.
    etag: &'static str,
    gzip: &'static [u8],
}

/// All files of the page; none in a build without it.
const FILES: &[PageFile] = include!(concat!(env!("OUT_DIR"), "/page_files.rs"));

const INDEX: &str = "index.html";

/// What a build without the page answers.
const PLAIN: &str = include_str!("page/plain.html");

/// Scripts, styles and data come from this server only, and nothing may frame the page. `data:` images are the
/// editor's drawings for blanks and wavy lines.
const CONTENT_SECURITY_POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                                       form-action 'self'; frame-ancestors 'none'";

/// The page at `prefix` and `prefix/`, and its files below. The page loads everything by relative addresses, so that
/// it works below any prefix, one that only a proxy knows included.
pub(crate) fn routes(prefix: &str) -> Router<Arc<ServerState>> {
    let routes = Router::new()
        .route(&format!("{prefix}/"), get(index))
        .route(&format!("{prefix}/assets/{{name}}"), get(asset));
    let Some((_, last)) = prefix.rsplit_once('/') else {
        return routes;
    };
    // Relative to where the browser believes to be, which a proxy may have put elsewhere.
    let location = HeaderValue::from_str(&format!("{last}/"));
    let redirect = location.map(|location| {
        (
            StatusCode::PERMANENT_REDIRECT,
            [(header::LOCATION, location)],
        )
    });
    match redirect {
        Ok(redirect) => routes.route(prefix, get(async || redirect)),
        Err(_) => routes,
    }
}

async fn index(headers: HeaderMap) -> Response {
    match find(INDEX) {
        Some(file) => file.answer(&headers, "no-cache"),
        None => page_headers("text/html; charset=utf-8", PLAIN.into_response()),
    }
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    match find(&name) {
        // The name holds a hash of the content, so that what has the name never changes.
        Some(file) if name != INDEX => file.answer(&headers, "public, max-age=31536000, immutable"),
        _ => (StatusCode::NOT_FOUND, "404 page not found\n").into_response(),
    }
}

fn find(name: &str) -> Option<&'static PageFile> {
    FILES.iter().find(|file| file.name == name)
}

impl PageFile {
    fn answer(&self, request: &HeaderMap, cache_control: &'static str) -> Response {
        let mut response = if self.is_known(request) {
            StatusCode::NOT_MODIFIED.into_response()
        } else if edge::accepts_gzip(request) {
            ([(header::CONTENT_ENCODING, "gzip")], self.gzip).into_response()
        } else {
            let mut plain = Vec::new();
            match GzDecoder::new(self.gzip).read_to_end(&mut plain) {
                Ok(_) => plain.into_response(),
                Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
            }
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, HeaderValue::from_static(self.etag));
        headers.insert(
            header::CACHE_CONTROL,
            HeaderValue::from_static(cache_control),
        );
        page_headers(self.content_type, response)
    }

    /// Whether the client has the file already.
    fn is_known(&self, request: &HeaderMap) -> bool {
        let tags = request
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','));
        tags.map(|tag| tag.trim().trim_start_matches("W/"))
            .any(|tag| tag == self.etag || tag == "*")
    }
}

fn page_headers(content_type: &'static str, mut response: Response) -> Response {
    let values: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in values {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
