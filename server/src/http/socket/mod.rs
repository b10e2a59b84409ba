//! `graphql-transport-ws` on `/graphql`: who connects says who it is in its first message, and then asks as
//! over HTTP. The token is never a cookie, so a page of another site that opens a socket is nobody here.

mod protocol;

use std::{
    collections::HashMap, convert::Infallible, future::poll_fn, panic::AssertUnwindSafe, sync::Arc, task::Poll,
    time::Duration,
};

use axum::{
    extract::{
        FromRequestParts,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::Response,
};
use futures_util::{FutureExt, SinkExt};
use serde_json::{Map, Value};
use tokio::{
    task::{AbortHandle, Id, JoinError, JoinSet},
    time::{self, Instant, Interval},
};

use self::protocol::{Closing, Said};
use super::{
    accept::Media,
    caller,
    connections::{Guest, Notice},
    origin, reply,
};
use crate::{
    access::{Caller, Origin},
    app::App,
    error::{Error, Result},
    feed::{End, Subscription},
    graphql::{self, AnswerStatus, Outcome},
    telemetry::{self, RequestId},
};

/// A subscriber that waits costs little more than this; longer messages take what they need while they last.
const READ_BUFFER: usize = 1024;
/// Has room for a batch with what frames add, so that it goes out in one write. It is taken when it is first needed.
const WRITE_BUFFER: usize = 2 * BATCH;
/// A message is a request with a little around it.
const ENVELOPE: usize = 1024;
/// Taken from a subscription before others get their turn.
const BATCH: usize = 8 * 1024;
/// Queries that run at once for one socket; until one is done it is not read from.
const RUNNING: usize = 8;
/// For the client to answer a close.
const GOODBYE: Duration = Duration::from_secs(1);

pub(super) async fn upgrade(app: Arc<App>, mut parts: Parts) -> Response {
    let media = Media::GraphqlResponse;
    // a browser cannot send it here, others can: then it must hold
    let signed = parts.headers.contains_key(header::AUTHORIZATION);
    let origin = origin::of(&parts, &app.config.http.trusted_proxies);
    if signed && let Err(error) = app.tokens.caller(&parts.headers, origin, app.clock.now()) {
        return reply::unauthenticated(media, &error);
    }
    let Ok(upgrade) = WebSocketUpgrade::from_request_parts(&mut parts, &()).await else {
        if !signed {
            return reply::unauthenticated(
                media,
                &Error::unauthenticated("no token: send `Authorization: Bearer TOKEN`"),
            );
        }
        let error =
            Error::input("only a WebSocket of version 13 is served here, with the protocol `graphql-transport-ws`");
        return reply::refused(media, StatusCode::BAD_REQUEST, &error);
    };
    let guest = match app.connections.enter() {
        Ok(guest) => guest,
        Err(error) => return reply::crowded(media, &error),
    };
    let headers = caller::credentials(&parts.headers);
    let most = app.config.limits.body_bytes.saturating_add(ENVELOPE);
    let upgrade = upgrade
        .protocols([protocol::NAME])
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_message_size(most)
        .max_frame_size(most);
    upgrade.on_upgrade(move |socket| Box::pin(Session::new(app, guest, socket, origin).run(headers)))
}

struct Session {
    app: Arc<App>,
    guest: Guest,
    socket: WebSocket,
    operations: HashMap<Box<str>, Operation>,
    running: JoinSet<Outcome>,
    beat: Interval,
    /// Since the last beat.
    heard: bool,
    origin: Origin,
}

enum Operation {
    Running(AbortHandle),
    Streaming(Subscription),
}

type Received = Option<std::result::Result<Message, axum::Error>>;
type Ended = std::result::Result<(Id, Outcome), JoinError>;

/// What a session waits for.
enum Step {
    Heard(Received),
    Done(Option<Ended>),
    /// Messages of subscriptions, to go out in one write.
    Streamed(Vec<Message>),
    Beat,
    Told(Notice),
}

/// What goes on, unless the socket must be closed.
type Ends<T> = std::result::Result<T, Closing>;

impl Session {
    fn new(app: Arc<App>, guest: Guest, socket: WebSocket, origin: Origin) -> Self {
        let every = Duration::from_secs(app.config.streams.keep_alive as u64);
        Session {
            guest,
            socket,
            operations: HashMap::new(),
            running: JoinSet::new(),
            beat: time::interval_at(Instant::now() + every, every),
            heard: true,
            origin,
            app,
        }
    }

    async fn run(mut self, headers: HeaderMap) {
        let Err(closing) = self.converse(headers).await;
        // nothing more is done for it
        self.running.abort_all();
        self.operations.clear();
        let socket = &mut self.socket;
        let goodbye = async {
            // a socket that is dropped with unread messages would take the code down with it, and a client's own
            // goodbye is answered by reading on
            let open = match closing.frame() {
                Some(frame) => socket.send(Message::Close(Some(frame))).await.is_ok(),
                None => true,
            };
            while open && let Some(Ok(_)) = socket.recv().await {}
        };
        drop(time::timeout(GOODBYE, goodbye).await);
    }

    async fn converse(&mut self, headers: HeaderMap) -> Ends<Infallible> {
        if self.socket.protocol().is_none() {
            return Err(Closing::new(4406, "Subprotocol not acceptable"));
        }
        let patience = Duration::from_secs(self.app.config.streams.init_timeout as u64);
        let late = |_| Closing::new(4408, "Connection initialisation timeout");
        let payload = time::timeout(patience, self.greet()).await.map_err(late)??;
        // not within that time: when everybody comes again at once, it is the hub that takes long. Boxed: a socket would
        // carry the room that this takes for as long as it is open
        let admitted = Box::pin(self.admit(&headers, &payload));
        let caller = telemetry::within(RequestId(rand::random()), admitted).await?;
        drop((headers, payload));
        self.say([protocol::ack()]).await?;
        loop {
            self.step(&caller).await?;
        }
    }

    /// Until the client has said who it is.
    async fn greet(&mut self) -> Ends<Map<String, Value>> {
        loop {
            let message = tokio::select! {
                message = self.socket.recv() => message,
                notice = self.guest.told() => return Err(notice.into()),
            };
            match heard(message)? {
                Some(Said::Init(payload)) => return Ok(payload),
                Some(Said::Subscribe(..)) => return Err(Closing::new(4401, "Unauthorized")),
                Some(Said::Ping(payload)) => self.say([protocol::pong(payload.as_deref())]).await?,
                Some(Said::Complete(_) | Said::Pong) | None => {}
            }
        }
    }

    async fn admit(&mut self, headers: &HeaderMap, payload: &Map<String, Value>) -> Ends<Arc<Caller>> {
        let admitted = async {
            let headers = named(headers, payload)?;
            let caller = caller::of(&self.app, &headers, self.origin).await?;
            self.guest.introduce(&self.app, &caller).await?;
            Ok(caller)
        };
        admitted.await.map_err(|error| Closing::refused(&error))
    }

    async fn step(&mut self, caller: &Arc<Caller>) -> Ends<()> {
        let (operations, running) = (&mut self.operations, self.running.len());
        let step = tokio::select! {
            // what could always be ready comes last
            biased;
            notice = self.guest.told() => Step::Told(notice),
            _ = self.beat.tick() => Step::Beat,
            done = self.running.join_next_with_id(), if running > 0 => Step::Done(done),
            message = self.socket.recv(), if running < RUNNING => Step::Heard(message),
            messages = streamed(operations) => Step::Streamed(messages),
        };
        match step {
            Step::Heard(message) => {
                self.heard = true;
                match heard(message)? {
                    Some(said) => self.said(caller, said).await,
                    None => Ok(()),
                }
            }
            Step::Done(done) => self.done(done).await,
            Step::Streamed(messages) => self.say(messages).await,
            Step::Beat => self.beat(running < RUNNING).await,
            Step::Told(Notice::Stopping) => self.stop().await,
            Step::Told(notice) => Err(notice.into()),
        }
    }

    async fn said(&mut self, caller: &Arc<Caller>, said: Said) -> Ends<()> {
        match said {
            Said::Init(_) => Err(Closing::new(4429, "Too many initialisation requests")),
            Said::Subscribe(id, _) if self.operations.contains_key(&id) => {
                Err(Closing::new(4409, format!("Subscriber for {id} already exists")))
            }
            Said::Subscribe(id, request) => {
                let most = self.app.config.streams.operations;
                if self.operations.len() >= most {
                    let text = format!("a connection has at most {most} operations open at once, complete one first");
                    return self.say([protocol::failed(&id, &Error::RateLimited { text, retry_after: 1 })]).await;
                }
                let (app, caller) = (self.app.clone(), caller.clone());
                let answered = async move {
                    // the panic hook logs it, with this request's id
                    let answered = graphql::respond(&app, &caller, request, None);
                    AssertUnwindSafe(answered)
                        .catch_unwind()
                        .await
                        .unwrap_or_else(|_| Outcome::failed(&Error::internal("panic")))
                };
                let task = self.running.spawn(telemetry::within(RequestId(rand::random()), answered));
                self.operations.insert(id, Operation::Running(task));
                Ok(())
            }
            Said::Complete(id) => {
                // unknown ones have ended on their own
                if let Some(Operation::Running(task)) = self.operations.remove(&id) {
                    task.abort();
                }
                Ok(())
            }
            Said::Ping(payload) => self.say([protocol::pong(payload.as_deref())]).await,
            Said::Pong => Ok(()),
        }
    }

    /// A task has ended: the answer of a query, or the begin of a subscription.
    async fn done(&mut self, done: Option<Ended>) -> Ends<()> {
        // tasks that were given up on are nobody's
        let Some(Ok((task, outcome))) = done else { return Ok(()) };
        let mut open = self.operations.iter();
        let found = open.find(|(_, operation)| matches!(operation, Operation::Running(handle) if handle.id() == task));
        let Some(id) = found.map(|(id, _)| id.clone()) else { return Ok(()) };
        match outcome {
            Outcome::Stream(subscription) => {
                self.operations.insert(id, Operation::Streaming(subscription));
                Ok(())
            }
            Outcome::Answer(answer) => {
                self.operations.remove(&id);
                match answer.status {
                    AnswerStatus::Executed => {
                        self.say([protocol::Next::to(&id).with(&answer.body), protocol::complete(&id)]).await
                    }
                    _ => self.say([protocol::error(&id, &answer.body)]).await,
                }
            }
        }
    }

    /// Whoever has said nothing since the last beat was asked then, and does not answer. While its own queries
    /// keep the hub from listening, that is no fault of the client's.
    async fn beat(&mut self, listening: bool) -> Ends<()> {
        if !std::mem::take(&mut self.heard) && listening {
            return Err(Closing::Gone);
        }
        self.say([Message::Ping(Default::default())]).await
    }

    /// What has begun and ends by itself is finished.
    async fn stop(&mut self) -> Ends<()> {
        self.operations.retain(|_, operation| matches!(operation, Operation::Running(_)));
        while let Some(done) = self.running.join_next_with_id().await {
            self.done(Some(done)).await?;
        }
        Err(Notice::Stopping.into())
    }

    /// Sends all in one write. A client that takes nothing for too long is gone.
    async fn say(&mut self, messages: impl IntoIterator<Item = Message>) -> Ends<()> {
        let socket = &mut self.socket;
        let saying = async {
            for message in messages {
                socket.feed(message).await?;
            }
            socket.flush().await
        };
        tokio::select! {
            said = time::timeout(2 * self.beat.period(), saying) => match said {
                Ok(Ok(())) => Ok(()),
                _ => Err(Closing::Gone),
            },
            notice = self.guest.told() => Err(notice.into()),
        }
    }
}

/// What a message says; nothing if it is one of the WebSocket's own.
fn heard(message: Received) -> Ends<Option<Said>> {
    match message {
        Some(Ok(Message::Text(text))) => Said::read(&text).map(Some),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
        Some(Ok(Message::Binary(_))) => Err(Closing::new(4400, "messages are text, not binary")),
        Some(Ok(Message::Close(_))) | None => Err(Closing::Gone),
        Some(Err(_)) => Err(Closing::new(4400, "this is no message of a WebSocket, or it is too large")),
    }
}

/// Waits for any of the subscriptions; those that have ended are taken out.
async fn streamed(operations: &mut HashMap<Box<str>, Operation>) -> Vec<Message> {
    poll_fn(|context| {
        let (mut messages, mut events) = (Vec::new(), Vec::new());
        operations.retain(|id, operation| {
            let Operation::Streaming(subscription) = operation else { return true };
            let taken = subscription.poll_take(context, &mut events, BATCH);
            if !events.is_empty() {
                let next = protocol::Next::to(id);
                messages.extend(events.drain(..).map(|event| next.with(&event.body)));
            }
            match taken {
                Poll::Ready(Some(End::Completed)) => messages.push(protocol::complete(id)),
                Poll::Ready(Some(End::Failed(error))) => messages.push(protocol::failed(id, &error)),
                Poll::Ready(None) | Poll::Pending => return true,
            }
            false
        });
        if messages.is_empty() { Poll::Pending } else { Poll::Ready(messages) }
    })
    .await
}

/// The payload of the first message read as headers, over those of the handshake.
fn named(handshake: &HeaderMap, payload: &Map<String, Value>) -> Result<HeaderMap> {
    let mut headers = handshake.clone();
    for name in [header::AUTHORIZATION, HeaderName::from_static(caller::PLACE)] {
        let given = payload.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name.as_str()));
        for (nth, (_, value)) in given.enumerate() {
            let value = value.as_str().and_then(|text| HeaderValue::try_from(text).ok());
            let value = value.ok_or_else(|| Error::input(format!("`{name}` in the payload must be text")))?;
            if nth == 0 {
                headers.insert(&name, value);
            } else {
                headers.append(&name, value);
            }
        }
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_payload_goes_before_the_handshake() {
        let mut handshake = HeaderMap::new();
        handshake.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer a"));
        let read = |payload: Value| {
            let headers = named(&handshake, payload.as_object().expect("an object")).expect("named");
            let values =
                |name: &str| headers.get_all(name).iter().map(|v| v.to_str().expect("text").to_owned()).collect();
            [values("authorization"), values("x-entente-as")].map(|values: Vec<String>| values.join(","))
        };
        assert_eq!(read(json!({ "other": 1 })), ["Bearer a", ""]);
        assert_eq!(read(json!({ "Authorization": "Bearer b", "x-Entente-AS": "c/d" })), ["Bearer b", "c/d"]);
        assert_eq!(
            read(json!({ "Authorization": "Bearer b", "authorization": "Bearer c" })),
            ["Bearer b,Bearer c", ""]
        );
        for wrong in [
            json!({ "authorization": null }),
            json!({ "authorization": ["Bearer b"] }),
            json!({ "authorization": "a\nb" }),
        ] {
            assert!(named(&handshake, wrong.as_object().expect("an object")).is_err());
        }
    }
}
