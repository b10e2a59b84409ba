//! The messages of `graphql-transport-ws`, and the codes with which a socket is closed.

use std::borrow::Cow;

use axum::{
    body::Bytes,
    extract::ws::{CloseFrame, Message, Utf8Bytes},
};
use serde::Deserialize;
use serde_json::{Map, Value, value::RawValue};

use crate::{
    error::{Code, Error},
    graphql,
    http::{connections::Notice, params},
    telemetry,
};

/// The name of the protocol at the handshake.
pub(super) const NAME: &str = "graphql-transport-ws";
/// Clients count, or draw a UUID.
const LONGEST_ID: usize = 128;

#[derive(Debug)]
pub(super) enum Said {
    Init(Map<String, Value>),
    Subscribe(Box<str>, graphql::Request),
    Complete(Box<str>),
    /// With what the answer must bring back.
    Ping(Option<Box<RawValue>>),
    Pong,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl Said {
    /// What a client says; if it is nothing of the protocol, the way to close.
    pub(super) fn read(text: &str) -> Result<Self, Closing> {
        let wrong = |what: &str| Closing::new(4400, what);
        let Ok(envelope) = serde_json::from_str::<Envelope>(text) else {
            return Err(wrong("send a JSON object with `type`, `id` as text and `payload` as an object"));
        };
        let payload = envelope.payload.filter(|payload| payload.get() != "null");
        let id = || match envelope.id.as_deref() {
            Some(id) if !id.is_empty() && id.len() <= LONGEST_ID => Ok(Box::from(id)),
            _ => Err(Closing::new(4400, format!("`id` must be a text of 1 to {LONGEST_ID} bytes"))),
        };
        let object = || match payload {
            None => Ok(Map::new()),
            Some(payload) => serde_json::from_str(payload.get()).map_err(|_| wrong("`payload` must be an object")),
        };
        Ok(match &*envelope.kind {
            "connection_init" => Said::Init(object()?),
            "subscribe" => {
                let payload = payload.ok_or_else(|| wrong("`subscribe` has no `payload`"))?;
                let request = params::from_json(payload.get().as_bytes());
                Said::Subscribe(id()?, request.map_err(|error| wrong(error.client_text()))?)
            }
            "complete" => Said::Complete(id()?),
            "ping" => {
                object()?;
                Said::Ping(payload.map(ToOwned::to_owned))
            }
            "pong" => {
                object()?;
                Said::Pong
            }
            _ => return Err(wrong("there is no such `type` of message for the hub")),
        })
    }
}

pub(super) fn ack() -> Message {
    Message::Text(Utf8Bytes::from_static(r#"{"type":"connection_ack"}"#))
}

pub(super) fn pong(payload: Option<&RawValue>) -> Message {
    match payload {
        None => Message::Text(Utf8Bytes::from_static(r#"{"type":"pong"}"#)),
        Some(payload) => Message::Text(format!(r#"{{"type":"pong","payload":{}}}"#, payload.get()).into()),
    }
}

/// Answers of one operation, each a whole GraphQL response.
pub(super) struct Next(String);

impl Next {
    pub(super) fn to(id: &str) -> Self {
        Next(head(id, "next"))
    }

    pub(super) fn with(&self, body: &[u8]) -> Message {
        with_payload(&self.0, body)
    }
}

pub(super) fn complete(id: &str) -> Message {
    Message::Text(format!(r#"{{"id":{},"type":"complete"}}"#, Value::from(id)).into())
}

/// The end of an operation that was refused, out of a response that has nothing but errors.
pub(super) fn error(id: &str, body: &[u8]) -> Message {
    #[derive(Deserialize)]
    struct Errors<'a> {
        #[serde(borrow)]
        errors: &'a RawValue,
    }
    let errors = serde_json::from_slice::<Errors>(body).map_or("[]", |body| body.errors.get());
    with_payload(&head(id, "error"), errors.as_bytes())
}

pub(super) fn failed(id: &str, failure: &Error) -> Message {
    error(id, graphql::refusal(failure).as_bytes())
}

fn head(id: &str, kind: &str) -> String {
    format!(r#"{{"id":{},"type":"{kind}","payload":"#, Value::from(id))
}

fn with_payload(head: &str, payload: &[u8]) -> Message {
    let mut text = Vec::with_capacity(head.len() + payload.len() + 1);
    text.extend_from_slice(head.as_bytes());
    text.extend_from_slice(payload);
    text.push(b'}');
    // JSON is text: nothing else is written into it
    Message::Text(Utf8Bytes::try_from(Bytes::from(text)).unwrap_or_default())
}

/// How a socket ends.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Closing {
    Told {
        code: u16,
        reason: String,
    },
    /// The client has gone, or shows no sign of life.
    Gone,
}

impl Closing {
    /// What fits into the frame of a close, beside the code.
    const LONGEST: usize = 123;

    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        reason.truncate(reason.floor_char_boundary(Self::LONGEST));
        Closing::Told { code, reason }
    }

    /// A connection that is not acknowledged.
    pub(super) fn refused(error: &Error) -> Self {
        match (error, error.code()) {
            (Error::Unavailable(_), _) => {
                telemetry::failure(error);
                Closing::new(1013, error.client_text())
            }
            (_, Code::Internal) => {
                telemetry::failure(error);
                Closing::new(4500, "internal error")
            }
            _ => Closing::new(4403, error.client_text()),
        }
    }

    pub(super) fn frame(self) -> Option<CloseFrame> {
        match self {
            Closing::Told { code, reason } => Some(CloseFrame { code, reason: reason.into() }),
            Closing::Gone => None,
        }
    }
}

impl From<Notice> for Closing {
    fn from(notice: Notice) -> Self {
        match notice {
            Notice::Stopping => Closing::new(1001, "the hub stops, connect again"),
            Notice::Refused(error) => Closing::new(4401, error.client_text()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match Said::read(text) {
            Err(Closing::Told { code: 4400, reason }) => reason,
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn what_the_protocol_knows_is_read() {
        assert!(matches!(Said::read(r#"{"type":"connection_init"}"#), Ok(Said::Init(map)) if map.is_empty()));
        assert!(matches!(Said::read(r#"{"type":"connection_init","payload":null,"more":1}"#), Ok(Said::Init(_))));
        assert!(matches!(Said::read(r#"{"type":"ping","payload":{"a":1}}"#), Ok(Said::Ping(Some(_)))));
        assert!(matches!(Said::read(r#"{"type":"pong"}"#), Ok(Said::Pong)));
        assert!(matches!(Said::read(r#"{"type":"complete","id":"\u0061"}"#), Ok(Said::Complete(id)) if &*id == "a"));
        let said = Said::read(r#"{"id":"1","type":"subscribe","payload":{"query":"{a}","variables":{"b":1}}}"#);
        assert!(matches!(said, Ok(Said::Subscribe(_, request)) if request.query == "{a}" && !request.method_get));
    }

    #[test]
    fn what_it_does_not_know_is_refused() {
        for text in [
            "",
            "hello",
            "[]",
            "{}",
            "null",
            r#"{"type":1}"#,
            r#"{"type":"connection_ack"}"#,
            r#"{"type":"start","id":"1","payload":{"query":"{a}"}}"#,
            r#"{"type":"connection_init","payload":"x"}"#,
            r#"{"type":"ping","payload":[1]}"#,
            r#"{"type":"complete"}"#,
            r#"{"type":"complete","id":1}"#,
            r#"{"type":"complete","id":""}"#,
            r#"{"type":"subscribe","id":"1"}"#,
            r#"{"type":"subscribe","id":"1","payload":{}}"#,
            r#"{"type":"subscribe","id":"1","payload":{"query":1}}"#,
            r#"{"type":"subscribe","payload":{"query":"{a}"}}"#,
        ] {
            assert!(!refused(text).is_empty());
        }
        let long = "x".repeat(LONGEST_ID + 1);
        refused(&format!(r#"{{"type":"complete","id":"{long}"}}"#));
    }

    #[test]
    fn ids_come_back_as_they_were_sent() {
        let text = |message: Message| message.into_text().expect("text").to_string();
        assert_eq!(
            text(Next::to("a\"b").with(b"{\"data\":{}}")),
            r#"{"id":"a\"b","type":"next","payload":{"data":{}}}"#
        );
        assert_eq!(text(complete("é")), r#"{"id":"é","type":"complete"}"#);
        assert_eq!(
            text(error("1", br#"{"errors":[{"message":"m"}]}"#)),
            r#"{"id":"1","type":"error","payload":[{"message":"m"}]}"#
        );
    }

    #[test]
    fn a_reason_fits_into_its_frame() {
        let Closing::Told { reason, .. } = Closing::new(4400, "ü".repeat(100)) else { panic!("told") };
        assert_eq!(reason.len(), 122);
    }
}
