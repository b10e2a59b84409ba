//! A subscription as a client holds it that expects the worst: over a WebSocket or as an event stream, every break of
//! it is an answer.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use reqwest::{Client, Response, header};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use crate::streams::client::PROTOCOL;

/// A stream shows a checkpoint every ten seconds.
const SILENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    Socket,
    Events,
}

pub struct Asked<'a> {
    pub url: &'a str,
    pub token: &'a str,
    pub place: Option<&'a str>,
    pub document: &'a str,
    /// Of the last event that the client has.
    pub cursor: Option<&'a str>,
}

#[derive(Debug)]
pub enum Heard {
    /// A GraphQL response.
    Answer(Value),
    Ended(String),
}

pub enum Line {
    Socket(Box<WebSocketStream<TcpStream>>),
    Events { response: Response, text: String, refused: bool },
}

fn ended(cause: impl std::fmt::Display) -> Heard {
    Heard::Ended(cause.to_string())
}

impl Line {
    pub async fn open(door: Door, client: &Client, asked: &Asked<'_>) -> Result<Self, Heard> {
        let opening = async {
            match door {
                Door::Socket => Line::socket(asked).await,
                Door::Events => Line::events(client, asked).await,
            }
        };
        timeout(SILENCE, opening).await.unwrap_or_else(|_| Err(ended("no answer")))
    }

    async fn socket(asked: &Asked<'_>) -> Result<Self, Heard> {
        let host = asked.url.strip_prefix("http://").unwrap();
        let mut request = format!("ws://{host}/graphql").into_client_request().unwrap();
        request.headers_mut().append("sec-websocket-protocol", HeaderValue::from_static(PROTOCOL));
        let stream = TcpStream::connect(host).await.map_err(ended)?;
        let (socket, _) = client_async(request, stream).await.map_err(ended)?;
        let mut line = Line::Socket(Box::new(socket));
        let mut payload = json!({ "authorization": format!("Bearer {}", asked.token) });
        if let Some(place) = asked.place {
            payload["x-entente-as"] = place.into();
        }
        line.say(&json!({ "type": "connection_init", "payload": payload })).await?;
        let message = line.message().await?;
        assert_eq!(message["type"], "connection_ack");
        let payload = json!({ "query": asked.document, "variables": { "after": asked.cursor } });
        line.say(&json!({ "id": "1", "type": "subscribe", "payload": payload })).await?;
        Ok(line)
    }

    /// A client of event streams sends the same document again, and its last event beside it.
    async fn events(client: &Client, asked: &Asked<'_>) -> Result<Self, Heard> {
        let mut request = client
            .post(format!("{}/graphql", asked.url))
            .bearer_auth(asked.token)
            .header(header::ACCEPT, "text/event-stream")
            .json(&json!({ "query": asked.document }));
        if let Some(place) = asked.place {
            request = request.header("x-entente-as", place);
        }
        if let Some(cursor) = asked.cursor {
            request = request.header("last-event-id", cursor);
        }
        let response = request.send().await.map_err(ended)?;
        let refused = !response.status().is_success();
        Ok(Line::Events { response, text: String::new(), refused })
    }

    async fn say(&mut self, message: &Value) -> Result<(), Heard> {
        match self {
            Line::Socket(socket) => socket.send(Message::text(message.to_string())).await.map_err(ended),
            Line::Events { .. } => Ok(()),
        }
    }

    async fn message(&mut self) -> Result<Value, Heard> {
        let Line::Socket(socket) = self else { panic!("an event stream has no messages") };
        loop {
            match socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(Some(frame)))) => {
                    return Err(Heard::Ended(format!("{} {}", u16::from(frame.code), frame.reason)));
                }
                Some(Ok(other)) => return Err(ended(other)),
                Some(Err(cause)) => return Err(ended(cause)),
                None => return Err(ended("the connection ended")),
            }
        }
    }

    pub async fn next(&mut self) -> Heard {
        let hearing = async {
            match self {
                Line::Socket(_) => match self.message().await {
                    Ok(message) => match message["type"].as_str() {
                        Some("next") => Heard::Answer(message["payload"].clone()),
                        Some("error") => Heard::Answer(json!({ "errors": message["payload"] })),
                        _ => Heard::Ended(message.to_string()),
                    },
                    Err(ended) => ended,
                },
                Line::Events { response, text, refused } => match block(response, text, *refused).await {
                    Ok(answer) => Heard::Answer(answer),
                    Err(ended) => ended,
                },
            }
        };
        timeout(SILENCE, hearing).await.unwrap_or_else(|_| ended("silence"))
    }
}

async fn block(response: &mut Response, text: &mut String, refused: bool) -> Result<Value, Heard> {
    loop {
        while let Some((block, rest)) = text.split_once("\n\n") {
            let of = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let data = of("data: ").map(|data| serde_json::from_str(data).unwrap());
            let completes = of("event: ") == Some("complete");
            *text = rest.to_owned();
            match data {
                Some(data) => return Ok(data),
                None if completes => return Err(ended("complete")),
                None => {}
            }
        }
        match response.chunk().await.map_err(ended)? {
            Some(chunk) => text.push_str(std::str::from_utf8(&chunk).unwrap()),
            None if refused => return serde_json::from_str(text).map_err(ended),
            None => return Err(ended("the stream ended")),
        }
    }
}
