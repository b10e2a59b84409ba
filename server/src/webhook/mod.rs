//! Webhooks. An endpoint is a subscriber that outlives connections: a seat, a subscription, and the cursor behind
//! the last event that its receiver took. A worker asks the feed for what follows that cursor, as any client would,
//! and posts event by event, so what is sent is what the seat may see when it is sent.
//!
//! - Order: an event is not sent before the one before it was taken, or given up and kept as a dead letter.
//! - A retry asks the feed anew. What has not changed has the same id; what the seat may no longer see is not sent.
//! - Of several hubs on one database one delivers to an endpoint at a time, by a lease in the database.

mod address;
mod client;
mod document;
mod keeper;
mod message;
mod operator;
mod owner;
mod schedule;
mod secret;
mod worker;

use std::sync::Arc;

use entities::Instant;
use serde_json::{Map, json};

pub use self::{
    keeper::keep,
    operator::{add, pause, redeliver, remove, replay, resume, rotate},
    owner::{Done, Wish, act},
};
use crate::{
    access::{Caller, Origin, Seat, webhooks::Row},
    app::App,
    audit::{self, Line},
    error::Result,
    graphql::Request,
};

/// Nobody's token: the endpoint ends when its person loses the seat.
const NEVER: Instant = Instant(253_402_300_799_000_000);

/// Who is told at this endpoint.
fn caller(row: &Row) -> Arc<Caller> {
    let seat = Seat { organisation: row.organisation_id, role: row.role.clone() };
    // whom a role binds to networks is told nothing elsewhere
    let origin = Origin::Unknown;
    Arc::new(Caller { seat: Arc::new(seat), principal: row.principal_id, expires: NEVER, place: None, origin })
}

fn request(document: &str) -> Request {
    Request { query: document.to_owned(), operation_name: None, variables: Map::new(), method_get: false }
}

/// What the access log says of an endpoint, if it is kept.
fn line(app: &App, row: &Row, fields: &[&str], reason: String) -> Option<Line> {
    app.config.audit.enabled.then(|| Line {
        id: app.clock.id(),
        at: app.clock.now().0,
        principal: None,
        organisation: Some(row.organisation_id),
        on_behalf_of: None,
        action: "write".into(),
        object_type: "WebhookEndpoint".into(),
        object_id: Some(row.id),
        fields: Some(json!(fields)),
        rows: Some(1),
        decision: "allow".into(),
        policy_version: format!("{:016x}", app.gate.rules().version),
        agreement: None,
        reason: Some(reason),
    })
}

/// Notes in the access log what is about to be done with an endpoint.
async fn note(app: &App, row: &Row, fields: &[&str], reason: String) -> Result<()> {
    let Some(line) = line(app, row, fields, reason) else { return Ok(()) };
    let mut load = app.db.load().await?;
    audit::append(&mut load, vec![line]).await?;
    load.commit().await
}
