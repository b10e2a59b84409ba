//! The HTTP door. One table of paths; whatever is not open to everybody asks for a token first, so that
//! without one nothing is learnt, not even which paths exist.

mod accept;
mod caller;
mod connections;
mod events;
mod graphql;
mod health;
mod lines;
mod origin;
mod page;
mod params;
mod reply;
mod socket;

use std::{net::SocketAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    response::Response,
    serve::ListenerExt,
};
use futures_util::FutureExt;
use tokio::net::{TcpListener, TcpStream};

pub use self::connections::Connections;

use self::accept::{ANSWERS_AND_PAGE, Media};
use crate::{
    app::App,
    error::{Error, Result},
    telemetry::{self, RequestId},
};

/// The door as tests and the server use it.
pub fn router(app: Arc<App>) -> Router {
    Router::new().fallback(enter).with_state(app)
}

/// Takes the port, before anything dear is done for it.
pub async fn listen(address: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|cause| {
        Error::usage(match cause.kind() {
            std::io::ErrorKind::AddrInUse => {
                format!("`{address}` is in use by another program, give another `--listen`, such as `127.0.0.1:0`")
            }
            std::io::ErrorKind::InvalidInput => format!("`{address}` is no address, write `HOST:PORT`"),
            _ => format!("cannot listen on `{address}` ({cause}), give another `--listen`"),
        })
    })
}

/// Serves until `stop`, and then what has begun; connections that stay open are told.
pub async fn serve(
    app: Arc<App>,
    listener: TcpListener,
    stop: impl Future<Output = ()> + Send + 'static,
) -> Result<()> {
    let patience = 2 * Duration::from_secs(app.config.streams.keep_alive as u64);
    let listener = listener.tap_io(move |connection| {
        // an answer is one write: holding it back for more only adds delay
        drop(connection.set_nodelay(true));
        give_up_after(connection, patience);
    });
    let connections = app.connections.clone();
    let told = {
        let connections = connections.clone();
        async move {
            stop.await;
            connections.stop();
        }
    };
    let router = router(app).into_make_service_with_connect_info::<SocketAddr>();
    let served = axum::serve(listener, router).with_graceful_shutdown(told);
    served.await.map_err(|cause| Error::internal(format!("the server ended: {cause}")))?;
    connections.all_left().await;
    Ok(())
}

/// Whoever takes nothing of what waits for it is gone. An event stream has no other way to notice.
#[cfg(target_os = "linux")]
fn give_up_after(connection: &TcpStream, patience: Duration) {
    drop(socket2::SockRef::from(connection).set_tcp_user_timeout(Some(patience)));
}

/// Left to the system, which takes its time.
#[cfg(not(target_os = "linux"))]
fn give_up_after(_: &TcpStream, _: Duration) {}

async fn enter(State(app): State<Arc<App>>, request: Request) -> Response {
    let id = RequestId(rand::random());
    let answered = async {
        // the panic hook logs it, with this request's id
        let panicked = |_| reply::failed(Media::GraphqlResponse, &Error::internal("panic"));
        AssertUnwindSafe(route(app, request)).catch_unwind().await.unwrap_or_else(panicked)
    };
    let mut response = telemetry::within(id, answered).await;
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::try_from(id.to_string()) {
        headers.insert("x-request-id", id);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn route(app: Arc<App>, request: Request) -> Response {
    let path = request.uri().path();
    let reading = matches!(*request.method(), Method::GET | Method::HEAD);
    match path {
        "/graphql" => graphql::handle(app, request).await,
        "/healthz" if reading => health::alive(),
        "/readyz" if reading => health::ready(&app).await,
        "/.well-known/jwks.json" if reading => reply::json(StatusCode::OK, &app.tokens.key_set()),
        "/" if reading && accept::negotiate(request.headers(), ANSWERS_AND_PAGE) == Some(Media::Html) => to_graphql(),
        _ if let Some(feed) = lines::feed(path) => lines::handle(app, feed, request).await,
        _ if reading && let Some(page) = page::asset(path) => page,
        _ => nowhere(&app, request),
    }
}

/// A person who opens the address alone wants the page.
fn to_graphql() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    response.headers_mut().insert(header::LOCATION, HeaderValue::from_static("/graphql"));
    response
}

fn nowhere(app: &App, request: Request) -> Response {
    let media = Media::Json;
    let (parts, _) = request.into_parts();
    let origin = origin::of(&parts, &app.config.http.trusted_proxies);
    match app.tokens.caller(&parts.headers, origin, app.clock.now()) {
        Ok(_) => reply::refused(media, StatusCode::NOT_FOUND, &Error::not_found("there is nothing at this path")),
        Err(error) => reply::unauthenticated(media, &error),
    }
}
