//! What the operator does with endpoints. Each leaves a line in the access log first, for the organisation to read.

use std::sync::Arc;

use entities::Instant;
use serde_json::Value as Json;
use uuid::Uuid;

use super::{
    address::Allowed,
    caller,
    client::{Client, Outcome},
    document,
    message::Message,
    note, request,
    secret::{Secret, signatures},
};
use crate::{
    access::{
        roster,
        webhooks::{Row, Sealed, Webhooks},
    },
    app::App,
    error::{Error, Result},
    feed::Asked,
    graphql::{self, Answer},
};

/// A new endpoint, and its secret, which is told this once.
pub async fn add(app: &Arc<App>, seat: &str, url: &str, document: &str) -> Result<(Uuid, String)> {
    let now = app.clock.now();
    let (seat, principal) = roster::resolve(&app.db, seat, now).await?;
    Allowed::from(&app.config.webhooks).url(url)?;
    document::check(document)?;
    let row = Row {
        id: app.clock.id(),
        organisation_id: seat.organisation,
        principal_id: principal,
        role: seat.role,
        url: url.into(),
        document: document.into(),
        status: "active".into(),
        reason: None,
        failing_since: None,
        created_at: now,
    };
    opens(app, &row).await?;
    let (id, secret) = (row.id, Secret::random());
    let sealed = sealed(app, id, &secret)?;
    note(app, row.organisation_id, id, &["url", "document"], "added by the operator".into()).await?;
    Webhooks::new(&app.db).add(row, sealed).await?;
    Ok((id, secret.text()))
}

/// A new secret; the ones before it are good for so many more microseconds.
pub async fn rotate(app: &App, id: Uuid, overlap: i64) -> Result<String> {
    let (webhooks, secret) = (Webhooks::new(&app.db), Secret::random());
    let row = webhooks.one(id).await?.row;
    note(app, row.organisation_id, id, &["secret"], "secret rotated by the operator".into()).await?;
    let until = Instant(app.clock.now().0.saturating_add(overlap));
    webhooks.rotate(id, sealed(app, id, &secret)?, until).await?;
    Ok(secret.text())
}

pub async fn pause(app: &App, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    note(app, row.organisation_id, id, &["status"], "paused by the operator".into()).await?;
    webhooks.set_status(id, "paused", Some("paused by the operator")).await
}

/// Goes on where it was: what happened meanwhile follows.
pub async fn resume(app: &Arc<App>, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    opens(app, &row).await?;
    note(app, row.organisation_id, id, &["status"], "resumed by the operator".into()).await?;
    webhooks.set_status(id, "active", None).await
}

/// Goes on behind the cursor, or where the subscription begins.
pub async fn replay(app: &App, id: Uuid, after: Option<String>) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    note(app, row.organisation_id, id, &["cursor"], "cursor moved by the operator".into()).await?;
    webhooks.replay(id, after).await
}

pub async fn remove(app: &App, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    note(app, row.organisation_id, id, &["url", "document"], "removed by the operator".into()).await?;
    webhooks.remove(id).await
}

/// Sends a dead letter once more, as it was, unless the seat may no longer see what it tells.
pub async fn redeliver(app: &Arc<App>, letter: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let letter = webhooks.dead_letter(letter).await?;
    let row = webhooks.one(letter.endpoint_id).await?.row;
    opens(app, &row).await?;
    shown(app, &row, &letter.body).await?;
    let reason = format!("event {} sent again by the operator", letter.message);
    note(app, row.organisation_id, row.id, &[], reason).await?;
    let mut secrets = Vec::new();
    for sealed in webhooks.secrets(row.id, app.clock.now()).await? {
        secrets.push(Secret::open(&sealed.bytes, &app.keys.seal, row.id)?);
    }
    let message = Message { id: letter.message, body: letter.body };
    let signed = || {
        let now = app.clock.now();
        Ok(Some((now, signatures(&secrets, &message.id, now, &message.body)?)))
    };
    let sent = Client::new(&app.config.webhooks)?.post(&row.url, &message, signed).await?;
    match sent {
        Some(Outcome::Accepted) => webhooks.redelivered(letter.id, app.clock.now()).await,
        Some(Outcome::Refused(why) | Outcome::Failed { why, .. }) => Err(Error::refused(why)),
        Some(Outcome::Gone) | None => Err(Error::refused("the receiver answers 410 Gone: it wants no more events")),
    }
}

fn sealed(app: &App, endpoint: Uuid, secret: &Secret) -> Result<Sealed> {
    let bytes = secret.seal(&app.keys.seal, endpoint)?;
    Ok(Sealed { id: app.clock.id(), bytes, created_at: app.clock.now() })
}

/// Whether the seat may subscribe so, where there is a feed to ask.
async fn opens(app: &Arc<App>, row: &Row) -> Result<()> {
    let Some(source) = app.feed.load_full() else { return Ok(()) };
    let asked = Asked { caller: caller(row), request: request(&row.document), last_event: None, bounds: None };
    let opened = source.open(app.clone(), asked).await;
    opened.map(drop).map_err(|answer| Error::usage(format!("the seat cannot subscribe so: {}", told(&answer))))
}

/// Refuses a body with a row that the seat does not see now.
async fn shown(app: &Arc<App>, row: &Row, body: &str) -> Result<()> {
    let body: Json = serde_json::from_str(body).unwrap_or_default();
    let data = &body["data"];
    if !matches!(data["kind"].as_str(), Some("ENTERED" | "CHANGED")) {
        return Ok(());
    }
    let id = data["id"].as_str().unwrap_or_default();
    let mut asked = request("query ($id: ID!) { node(id: $id) { id } }");
    asked.variables.insert("id".into(), id.into());
    let answer = graphql::answer(app, &caller(row), asked).await;
    let seen: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    match seen["data"]["node"].is_object() {
        true => Ok(()),
        false => Err(Error::refused("the seat no longer sees the row of this event, so it is not sent again")),
    }
}

fn told(answer: &Answer) -> String {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["errors"][0]["message"].as_str().unwrap_or("the feed does not open").to_owned()
}
