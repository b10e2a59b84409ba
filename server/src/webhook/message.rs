//! One event as a receiver gets it: CloudEvents 1.0 in structured mode, whose `data` is the event as the subscription
//! gives it. The id comes from the endpoint, the place in the stream and what is told, so it is the same at every
//! attempt, from every hub; if what may be told has changed meanwhile, it is another message.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::{
    error::{Error, Result},
    feed,
};

pub const MEDIA_TYPE: &str = "application/cloudevents+json";

/// An event of a subscription, read.
#[derive(Clone, Debug)]
pub struct Told {
    /// The root field.
    pub field: String,
    pub data: Map<String, Json>,
    pub cursor: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Message {
    pub id: String,
    pub body: String,
}

#[derive(Serialize)]
struct CloudEvent<'a> {
    specversion: &'static str,
    id: &'a str,
    source: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<&'a str>,
    datacontenttype: &'static str,
    /// An extension: where to go on behind this event.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<&'a str>,
    data: &'a Map<String, Json>,
}

impl Told {
    pub fn read(event: &feed::Event) -> Result<Self> {
        let unreadable = || Error::internal("the feed gave a webhook an event without data");
        let mut body: Json = serde_json::from_slice(&event.body).map_err(|_| unreadable())?;
        let Json::Object(data) = body["data"].take() else { return Err(unreadable()) };
        let Some((field, Json::Object(data))) = data.into_iter().next() else { return Err(unreadable()) };
        Ok(Told { field, data, cursor: event.id.as_deref().map(Into::into) })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.data.get(name).and_then(Json::as_str)
    }

    /// `ENTERED` and the like; a webhook's document asks for it.
    pub fn kind(&self) -> &str {
        self.text("kind").unwrap_or_default()
    }

    /// The message about it for an endpoint that is done with all up to `after`.
    pub fn message(&self, endpoint: Uuid, after: Option<&str>, ordinal: u64) -> Result<Message> {
        let told: Vec<_> = self.data.iter().filter(|(_, value)| !self.is_cursor(value)).collect();
        let told = serde_json::to_vec(&told).map_err(|cause| Error::internal(cause.to_string()))?;
        let digest = Sha256::new()
            .chain_update(endpoint)
            .chain_update([u8::from(after.is_some())])
            .chain_update(Sha256::digest(after.unwrap_or_default()))
            .chain_update(ordinal.to_be_bytes())
            .chain_update(&self.field)
            .chain_update(told)
            .finalize();
        let id = format!("msg_{}", URL_SAFE_NO_PAD.encode(&digest[..18]));
        let event = CloudEvent {
            specversion: "1.0",
            id: &id,
            source: format!("urn:uuid:{endpoint}"),
            ty: format!("entente.{}.{}", self.field, self.kind().to_lowercase()),
            subject: self.text("id"),
            time: self.text("occurredAt"),
            datacontenttype: "application/json",
            cursor: self.cursor.as_deref(),
            data: &self.data,
        };
        let body = serde_json::to_string(&event).map_err(|cause| Error::internal(cause.to_string()))?;
        Ok(Message { id, body })
    }

    /// Under whatever name the document asks for it.
    fn is_cursor(&self, value: &Json) -> bool {
        self.cursor.is_some() && value.as_str() == self.cursor.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(cursor: &str, note: &str) -> Told {
        let data = json!({ "data": { "demandUpdates": {
            "kind": "CHANGED", "c": cursor, "id": "r1", "occurredAt": "2026-06-15T10:00:00Z", "node": { "note": note },
        } } });
        Told::read(&feed::Event::new(Some(cursor.into()), data.to_string())).expect("an event")
    }

    #[test]
    fn an_event_is_a_cloud_event() {
        let endpoint = Uuid::from_u128(1);
        let message = told("c2", "x").message(endpoint, Some("c1"), 0).expect("a message");
        let body: Json = serde_json::from_str(&message.body).expect("JSON");
        assert_eq!(
            body,
            json!({
                "specversion": "1.0",
                "id": message.id,
                "source": "urn:uuid:00000000-0000-0000-0000-000000000001",
                "type": "entente.demandUpdates.changed",
                "subject": "r1",
                "time": "2026-06-15T10:00:00Z",
                "datacontenttype": "application/json",
                "cursor": "c2",
                "data": {
                    "kind": "CHANGED", "c": "c2", "id": "r1", "occurredAt": "2026-06-15T10:00:00Z",
                    "node": { "note": "x" },
                },
            })
        );
    }

    #[test]
    fn an_id_depends_on_the_place_and_on_what_is_told_not_on_the_attempt() {
        let id = |n: u128, after, ordinal, cursor: &str, note: &str| {
            told(cursor, note).message(Uuid::from_u128(n), after, ordinal).expect("a message").id
        };
        let first = id(1, Some("c1"), 0, "c2", "x");
        // a stream that is opened again may seal another instant into the cursor
        assert_eq!(id(1, Some("c1"), 0, "c3", "x"), first);
        for other in [
            id(2, Some("c1"), 0, "c2", "x"),
            id(1, Some("c2"), 0, "c2", "x"),
            id(1, None, 0, "c2", "x"),
            id(1, Some("c1"), 1, "c2", "x"),
            id(1, Some("c1"), 0, "c2", "y"),
        ] {
            assert_ne!(other, first);
        }
    }

    #[test]
    fn what_is_no_event_is_refused() {
        for body in ["", "{}", r#"{"data":null}"#, r#"{"data":{"changes":null}}"#] {
            assert!(Told::read(&feed::Event::new(None, body)).is_err(), "{body}");
        }
    }
}
