//! A WebSocket that speaks `graphql-transport-ws`, and an event stream, as clients see them. Every wait has an end.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{RequestBuilder, Response, header::ACCEPT};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::harness::Hub;

pub const PROTOCOL: &str = "graphql-transport-ws";
const PATIENCE: Duration = Duration::from_secs(60);

pub async fn soon<F: Future>(what: &str, work: F) -> F::Output {
    timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

pub struct Socket(WebSocketStream<TcpStream>);

impl Socket {
    /// The handshake alone.
    pub async fn open(hub: &Hub) -> Self {
        Socket::open_with(hub.url(), &[("sec-websocket-protocol", PROTOCOL)]).await.unwrap()
    }

    /// What was answered instead of the handshake, if it was refused.
    pub async fn open_with(url: &str, headers: &[(&str, &str)]) -> Result<Self, (u16, String)> {
        let host = url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{host}/graphql").into_client_request().unwrap();
        for (name, value) in headers {
            let name: reqwest::header::HeaderName = name.parse().unwrap();
            request.headers_mut().append(name, HeaderValue::from_str(value).unwrap());
        }
        let stream = TcpStream::connect(host).await.unwrap();
        match soon("a handshake", client_async(request, stream)).await {
            Ok((socket, _)) => Ok(Socket(socket)),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), String::from_utf8_lossy(body).into()))
            }
            // one that was not negotiated, as the client sees it
            Err(error) => panic!("{error}"),
        }
    }

    /// As the first message that is answered.
    pub async fn signed_in(hub: &Hub, seat: &str) -> Self {
        Socket::signed_in_with(hub, json!({ "authorization": format!("Bearer {}", hub.token(seat).await) })).await
    }

    pub async fn signed_in_with(hub: &Hub, payload: Value) -> Self {
        let mut socket = Socket::open(hub).await;
        socket.say(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.hear().await, json!({ "type": "connection_ack" }));
        socket
    }

    pub async fn say(&mut self, message: Value) {
        self.send(Message::text(message.to_string())).await;
    }

    pub async fn send(&mut self, message: Message) {
        self.0.send(message).await.unwrap();
    }

    /// Without waiting for anybody to take it.
    pub async fn feed(&mut self, message: Value) -> bool {
        self.0.feed(Message::text(message.to_string())).await.is_ok()
    }

    pub async fn ask(&mut self, id: &str, document: &str) {
        self.say(json!({ "id": id, "type": "subscribe", "payload": { "query": document } })).await;
    }

    /// The next message, as it came.
    pub async fn text(&mut self) -> String {
        let heard = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return text.to_string(),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    other => panic!("no message: {other:?}"),
                }
            }
        };
        soon("a message", heard).await
    }

    pub async fn hear(&mut self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"))
    }

    /// Until the hub asks whether it is there; what is read next answers.
    pub async fn pinged(&mut self) {
        let pinged = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Ping(_))) => return,
                    Some(Ok(_)) => {}
                    other => panic!("no ping: {other:?}"),
                }
            }
        };
        soon("a ping", pinged).await
    }

    /// The next message, or nothing if the other side is gone.
    pub async fn hear_or_end(&mut self) -> Option<Value> {
        let heard = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => return Some(serde_json::from_str(&text).unwrap()),
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    _ => return None,
                }
            }
        };
        soon("a message", heard).await
    }

    /// Until it is closed, past messages that come before.
    pub async fn closed(&mut self) -> (u16, String) {
        let closed = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Close(Some(frame)))) => return (frame.code.into(), frame.reason.to_string()),
                    Some(Ok(Message::Close(None))) => panic!("closed without a code"),
                    Some(Ok(_)) => {}
                    other => panic!("no close: {other:?}"),
                }
            }
        };
        soon("a close", closed).await
    }

    /// All that comes until it is closed, and its code.
    pub async fn rest(&mut self) -> (Vec<String>, u16) {
        let mut texts = Vec::new();
        let closed = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => texts.push(text.to_string()),
                    Some(Ok(Message::Close(Some(frame)))) => return frame.code.into(),
                    Some(Ok(_)) => {}
                    other => panic!("no close: {other:?}"),
                }
            }
        };
        let code = soon("a close", closed).await;
        (texts, code)
    }

    /// It is open, and listens.
    pub async fn is_open(&mut self) {
        self.say(json!({ "type": "ping", "payload": { "there": true } })).await;
        assert_eq!(self.hear().await, json!({ "type": "pong", "payload": { "there": true } }));
    }
}

/// What is read off an event stream.
pub struct Events {
    pub response: Response,
    text: String,
}

#[derive(Debug, PartialEq, Eq, Default)]
pub struct Event {
    pub event: String,
    pub id: String,
    pub data: String,
    /// Comments that came alone.
    pub sign: bool,
}

impl Events {
    pub async fn open(request: RequestBuilder) -> Self {
        let response = soon("an answer", request.header(ACCEPT, "text/event-stream").send()).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream; charset=utf-8");
        Events { response, text: String::new() }
    }

    /// The next event or comment; nothing at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let mut event = Event::default();
                for line in block.lines() {
                    match line.split_once(": ").unwrap_or_else(|| line.split_once(':').unwrap()) {
                        ("event", value) => event.event = value.into(),
                        ("id", value) => event.id = value.into(),
                        ("data", value) => event.data = value.into(),
                        ("", _) => event.sign = true,
                        other => panic!("{other:?}"),
                    }
                }
                self.text = rest.into();
                return Some(event);
            }
            let Some(chunk) = soon("an event", self.response.chunk()).await.unwrap() else {
                assert_eq!(self.text, "", "an event breaks off");
                return None;
            };
            self.text += std::str::from_utf8(&chunk).unwrap();
        }
    }

    /// The same past signs of life.
    pub async fn event(&mut self) -> Option<Event> {
        loop {
            match self.next().await {
                Some(event) if event.sign => {}
                other => return other,
            }
        }
    }
}
