//! Answers that no document brought about: errors as GraphQL writes them, and plain JSON.

use axum::{
    body::{Body, Bytes},
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use serde_json::{Value, json};

use super::accept::Media;
use crate::{error::Error, telemetry};

pub(super) fn send(media: Media, status: StatusCode, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media.content_type()));
    response
}

pub(super) fn json(status: StatusCode, value: &Value) -> Response {
    send(Media::Json, status, value.to_string())
}

/// An error the client can mend.
pub(super) fn refused(media: Media, status: StatusCode, error: &Error) -> Response {
    send(media, status, body(error, None))
}

pub(super) fn not_allowed(media: Media, allow: &'static str, error: &Error) -> Response {
    let mut response = refused(media, StatusCode::METHOD_NOT_ALLOWED, error);
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allow));
    response
}

/// 401 with the challenge that RFC 6750 asks for; other errors of signing in as what they are.
pub(super) fn unauthenticated(media: Media, error: &Error) -> Response {
    let Error::Unauthenticated(text) = error else { return failed_here(media, error) };
    let response = refused(media, StatusCode::UNAUTHORIZED, error);
    if text.starts_with("no token") { challenge(response, None) } else { challenge(response, Some(text)) }
}

/// What is asked for, and what is wrong with the token that was sent.
pub(super) fn challenge(mut response: Response, wrong: Option<&str>) -> Response {
    let plain = HeaderValue::from_static("Bearer realm=\"entente\"");
    let value = wrong.and_then(|text| {
        let text = text.replace(['"', '\\', '`'], "'");
        let challenge = format!("Bearer realm=\"entente\", error=\"invalid_token\", error_description=\"{text}\"");
        HeaderValue::try_from(challenge).ok()
    });
    response.headers_mut().insert(header::WWW_AUTHENTICATE, value.unwrap_or(plain));
    response
}

/// No place for another connection that stays open.
pub(super) fn crowded(media: Media, error: &Error) -> Response {
    let mut response = refused(media, StatusCode::SERVICE_UNAVAILABLE, error);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

/// A failure that is ours: logged here, and outside only the request's id is told.
pub(super) fn failed_here(media: Media, error: &Error) -> Response {
    telemetry::failure(error);
    failed(media, error)
}

/// A failure that was logged where it happened.
pub(super) fn failed(media: Media, error: &Error) -> Response {
    let down = matches!(error, Error::Unavailable(_) | Error::Unlogged(_));
    let status = if down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    let response = send(media, status, body(error, telemetry::request_id()));
    if down { later(response, 5) } else { response }
}

/// Asks the client to come back in so many seconds.
pub(super) fn later(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    response
}

fn body(error: &Error, id: Option<String>) -> String {
    let mut extensions = error.extensions();
    if let Some(id) = id {
        extensions["requestId"] = Value::String(id);
    }
    json!({ "errors": [{ "message": error.client_text(), "extensions": extensions }] }).to_string()
}

/// The media type that an answer takes when the client's wish cannot be met.
pub(super) fn or_default(wish: Option<Media>) -> Media {
    wish.filter(|media| !matches!(media, Media::Html | Media::EventStream)).unwrap_or(Media::GraphqlResponse)
}
