//! GraphiQL, out of the binary. The page and its parts are open to everybody and know nothing: what it
//! shows, it asks for with the token of whoever looks.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::Response,
};

use super::{accept::Media, reply};

/// Scripts, requests and pictures of the hub itself. GraphiQL's editor and menus put style elements into
/// the page, and its style sheet carries fonts as data.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; font-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

macro_rules! asset {
    ($name:literal) => {
        include_bytes!(concat!("../../assets/graphiql/", $name)).as_slice()
    };
}

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

pub(super) fn graphiql() -> Response {
    let mut response = reply::send(Media::Html, StatusCode::OK, asset!("index.html"));
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("accept"));
    response
}

pub(super) fn asset(path: &str) -> Option<Response> {
    let (content_type, bytes) = match path.strip_prefix("/graphiql/")? {
        "start.js" => (SCRIPT, asset!("start.js")),
        "start.css" => (STYLE, asset!("start.css")),
        "icon.svg" => ("image/svg+xml", asset!("icon.svg")),
        "graphiql.min.js" => (SCRIPT, asset!("graphiql.min.js")),
        "graphiql.min.css" => (STYLE, asset!("graphiql.min.css")),
        "react.production.min.js" => (SCRIPT, asset!("react.production.min.js")),
        "react-dom.production.min.js" => (SCRIPT, asset!("react-dom.production.min.js")),
        _ => return None,
    };
    let mut response = reply::send(Media::Html, StatusCode::OK, bytes);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    Some(response)
}
