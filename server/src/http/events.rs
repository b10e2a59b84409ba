//! graphql-sse, with a connection for each operation: `next` for each answer, `complete` behind the last. The
//! id of an event is the cursor behind it, so a client that connects again goes on where it was.

use std::{convert::Infallible, future::poll_fn, time::Duration};

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode},
    response::Response,
};
use futures_util::stream;
use tokio::time;

use super::{
    accept::Media,
    connections::{Guest, Notice},
    reply,
};
use crate::{
    app::App,
    feed::{End, Event, Subscription},
    graphql,
};

/// What goes out at once.
const BATCH: usize = 16 * 1024;
/// A comment: it opens the stream, and shows each side that the other is there.
const SIGN: &[u8] = b":\n\n";
const COMPLETE: &[u8] = b"event: complete\ndata: \n\n";
const LAST_EVENT: &str = "last-event-id";

/// The last event that the client has; a browser sends it by itself when it connects again.
pub(super) fn last_event(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(LAST_EVENT)?.to_str().ok()?;
    (!id.is_empty()).then(|| id.to_owned())
}

/// The only answer, and the end.
pub(super) fn once(body: &[u8]) -> Bytes {
    let mut text = Vec::with_capacity(body.len() + 64);
    write(&mut text, None, body);
    text.extend_from_slice(COMPLETE);
    text.into()
}

pub(super) fn open(app: &App, guest: Guest, subscription: Subscription) -> Response {
    let beat = Duration::from_secs(app.config.streams.keep_alive as u64);
    let stream = Stream { guest, subscription, beat, state: State::New };
    let body = Body::from_stream(stream::unfold(stream, |mut stream| async {
        let chunk = stream.next().await?;
        Some((Ok::<_, Infallible>(chunk), stream))
    }));
    let mut response = reply::send(Media::EventStream, StatusCode::OK, Bytes::new());
    *response.body_mut() = body;
    // a proxy that collects an answer before it hands it on would hold up events
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    response
}

struct Stream {
    guest: Guest,
    subscription: Subscription,
    beat: Duration,
    state: State,
}

#[derive(PartialEq)]
enum State {
    New,
    Open,
    Ended,
}

impl Stream {
    async fn next(&mut self) -> Option<Bytes> {
        match self.state {
            State::New => {
                self.state = State::Open;
                return Some(Bytes::from_static(SIGN));
            }
            State::Open => {}
            State::Ended => return None,
        }
        let (mut events, mut text) = (Vec::new(), Vec::new());
        let end = tokio::select! {
            // first: behind the end of a right nothing is handed out
            biased;
            notice = self.guest.told() => match notice {
                // no `complete`: the client is to come again, and go on
                Notice::Stopping => return None,
                Notice::Refused(error) => Some(End::Failed(error)),
            },
            end = poll_fn(|context| self.subscription.poll_take(context, &mut events, BATCH)) => end,
            () = time::sleep(self.beat) => return Some(Bytes::from_static(SIGN)),
        };
        for Event { id, body, .. } in events.iter().map(|event| &**event) {
            write(&mut text, id.as_deref(), body);
        }
        if let Some(end) = end {
            if let End::Failed(error) = end {
                write(&mut text, None, graphql::refusal(&error).as_bytes());
            }
            text.extend_from_slice(COMPLETE);
            self.state = State::Ended;
        }
        Some(text.into())
    }
}

/// A body is JSON without line breaks, an id text without any.
fn write(text: &mut Vec<u8>, id: Option<&str>, body: &[u8]) {
    text.extend_from_slice(b"event: next\n");
    if let Some(id) = id {
        text.extend_from_slice(b"id: ");
        text.extend_from_slice(id.as_bytes());
        text.push(b'\n');
    }
    text.extend_from_slice(b"data: ");
    text.extend_from_slice(body);
    text.extend_from_slice(b"\n\n");
}
