//! `/graphql`, to the GraphQL over HTTP specification: who asks first, then the shape of the request,
//! then the document. Statuses are chosen here and nowhere else.

use std::{sync::Arc, time::Duration};

use axum::{
    body::{self, Body, Bytes},
    extract::Request,
    http::{HeaderMap, Method, StatusCode, header, request::Parts},
    response::Response,
};

use super::{
    accept::{self, Media},
    caller, events, origin, page, params, reply, socket,
};
use crate::{
    app::App,
    error::{Code, Error, Result},
    graphql::{self, Answer, AnswerStatus, Outcome},
};

/// For a client that sends its body drop by drop.
const BODY_PATIENCE: Duration = Duration::from_secs(30);
const METHODS: &str = "GET, POST";

pub(super) async fn handle(app: Arc<App>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let get = parts.method == Method::GET;
    let wish = accept::negotiate(&parts.headers, if get { accept::ANSWERS_AND_PAGE } else { accept::ANSWERS });
    if wish == Some(Media::Html) && !parts.headers.contains_key(header::UPGRADE) {
        return page::graphiql();
    }
    let media = reply::or_default(wish);
    if parts.headers.contains_key(header::UPGRADE) {
        return socket::upgrade(app, parts).await;
    }
    let origin = origin::of(&parts, &app.config.http.trusted_proxies);
    let caller = match app.tokens.caller(&parts.headers, origin, app.clock.now()) {
        Ok(caller) => caller,
        Err(error) => return reply::unauthenticated(media, &error),
    };
    if wish.is_none() {
        let error = Error::input(
            "answers are `application/graphql-response+json`, `application/json` or `text/event-stream`: accept one of \
             them",
        );
        return reply::refused(media, StatusCode::NOT_ACCEPTABLE, &error);
    }
    let request = match parts.method {
        Method::GET => {
            params::from_url(parts.uri.query().unwrap_or_default()).map_err(|e| (StatusCode::BAD_REQUEST, e))
        }
        Method::POST => post(&app, &parts, body).await,
        _ => {
            let error = Error::input(format!("`{}` is not served here, send GET or POST", parts.method));
            return reply::not_allowed(media, METHODS, &error);
        }
    };
    let request = match request {
        Ok(request) => request,
        Err((status, error)) => return reply::refused(media, status, &error),
    };
    let caller = match caller::in_place(&app, caller, &parts.headers).await {
        Ok(caller) => caller,
        Err(error) => return refused(media, &error),
    };
    if wish != Some(Media::EventStream) {
        return deliver(media, graphql::answer(&app, &caller, request).await);
    }
    // first: whoever finds no place has begun nothing
    let guest = match app.connections.admit(&app, &caller).await {
        Ok(guest) => guest,
        Err(error) => return refused(media, &error),
    };
    match graphql::respond(&app, &caller, request, events::last_event(&parts.headers)).await {
        Outcome::Answer(answer) => deliver(Media::EventStream, answer),
        Outcome::Stream(subscription) => events::open(&app, guest, subscription),
    }
}

/// Before anything is run.
pub(super) fn refused(media: Media, error: &Error) -> Response {
    match error.code() {
        Code::Unauthenticated => reply::unauthenticated(media, error),
        Code::Forbidden => reply::refused(media, StatusCode::FORBIDDEN, error),
        Code::BadUserInput => reply::refused(media, StatusCode::BAD_REQUEST, error),
        Code::RateLimited => reply::crowded(media, error),
        _ => reply::failed_here(media, error),
    }
}

async fn post(app: &App, parts: &Parts, body: Body) -> std::result::Result<graphql::Request, (StatusCode, Error)> {
    content_type(&parts.headers).map_err(|error| (StatusCode::UNSUPPORTED_MEDIA_TYPE, error))?;
    let bytes = bytes(&parts.headers, body, app.config.limits.body_bytes).await?;
    params::from_json(&bytes).map_err(|error| (StatusCode::BAD_REQUEST, error))
}

/// JSON in UTF-8. Browsers send forms and plain text across sites without asking: never read one as a request.
fn content_type(headers: &HeaderMap) -> Result<()> {
    let wrong = || Error::input("send the request as `Content-Type: application/json`, in UTF-8");
    let mut sent = headers.get_all(header::CONTENT_TYPE).iter();
    let (Some(value), None) = (sent.next(), sent.next()) else { return Err(wrong()) };
    if value == "application/json" {
        return Ok(());
    }
    let mut parts = value.to_str().map_err(|_| wrong())?.split(';').map(str::trim);
    if !parts.next().is_some_and(|media| media.eq_ignore_ascii_case("application/json")) {
        return Err(wrong());
    }
    let foreign = parts.filter_map(|parameter| parameter.split_once('=')).any(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset") && !value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    if foreign { Err(wrong()) } else { Ok(()) }
}

async fn bytes(headers: &HeaderMap, body: Body, most: usize) -> std::result::Result<Bytes, (StatusCode, Error)> {
    let too_large = || {
        (
            StatusCode::PAYLOAD_TOO_LARGE,
            Error::input(format!("the body is larger than {most} bytes, send several smaller ones")),
        )
    };
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > most) {
        return Err(too_large());
    }
    match tokio::time::timeout(BODY_PATIENCE, body::to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(bytes),
        // announced and not too long: the connection broke
        Ok(Err(_)) if announced.is_some() => Err((StatusCode::BAD_REQUEST, Error::input("the body broke off"))),
        Ok(Err(_)) => Err(too_large()),
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, Error::input("the body did not arrive in time"))),
    }
}

pub(super) fn deliver(wish: Media, answer: Answer) -> Response {
    let media = reply::or_default(Some(wish));
    match answer.status {
        // a client of a stream learns nothing from a status
        AnswerStatus::Executed | AnswerStatus::RequestError if wish == Media::EventStream => {
            reply::send(wish, StatusCode::OK, events::once(&answer.body))
        }
        AnswerStatus::Executed => reply::send(media, StatusCode::OK, answer.body),
        AnswerStatus::RequestError => reply::send(media, request_error(media), answer.body),
        AnswerStatus::Unauthenticated => {
            reply::challenge(reply::send(media, StatusCode::UNAUTHORIZED, answer.body), None)
        }
        AnswerStatus::TooMany { retry_after } => {
            reply::later(reply::send(media, StatusCode::TOO_MANY_REQUESTS, answer.body), retry_after)
        }
        AnswerStatus::Forbidden => reply::send(media, StatusCode::FORBIDDEN, answer.body),
        AnswerStatus::NotAQuery => {
            let mut response = reply::send(media, StatusCode::METHOD_NOT_ALLOWED, answer.body);
            response.headers_mut().insert(header::ALLOW, axum::http::HeaderValue::from_static("POST"));
            response
        }
        // the engine has logged the cause
        AnswerStatus::Internal => reply::failed(media, &Error::internal("logged")),
        AnswerStatus::Unavailable => reply::failed(media, &Error::unavailable("logged")),
        AnswerStatus::Unlogged => reply::failed(media, &Error::Unlogged("logged".into())),
    }
}

/// A document that is refused. With the newer media type the status tells; with `application/json` a
/// client trusts the body of a 200 only. 400 for every refusal: the specification's newest edition would
/// rather see 422 for a document that parses, its audit suite and the clients expect 400.
fn request_error(media: Media) -> StatusCode {
    match media {
        Media::Json => StatusCode::OK,
        _ => StatusCode::BAD_REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_json_in_utf8_is_read() {
        let reads = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
            }
            content_type(&headers).is_ok()
        };
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
        ] {
            assert!(reads(&[good]), "{good}");
        }
        for bad in [
            "text/plain",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "application/graphql",
            "application/json; charset=latin1",
            "text/plain, application/json",
            "application/jsonx",
            "",
        ] {
            assert!(!reads(&[bad]), "{bad}");
        }
        assert!(!reads(&[]) && !reads(&["application/json", "text/plain"]));
    }
}
