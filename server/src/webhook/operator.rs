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
    feed::{self, Asked},
    graphql::Answer,
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
    opens(app, &row, None).await?;
    let (id, secret) = (row.id, Secret::random());
    let sealed = sealed(app, id, &secret)?;
    note(app, &row, &["url", "document"], "added by the operator".into()).await?;
    Webhooks::new(&app.db).add(row, sealed).await?;
    Ok((id, secret.text()))
}

/// A new secret; the ones before it are good for so many more microseconds.
pub async fn rotate(app: &App, id: Uuid, overlap: i64) -> Result<String> {
    let (webhooks, secret) = (Webhooks::new(&app.db), Secret::random());
    let row = webhooks.one(id).await?.row;
    note(app, &row, &["secret"], "secret rotated by the operator".into()).await?;
    let until = Instant(app.clock.now().0.saturating_add(overlap));
    webhooks.rotate(id, sealed(app, id, &secret)?, until).await?;
    Ok(secret.text())
}

pub async fn pause(app: &App, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    note(app, &row, &["status"], "paused by the operator".into()).await?;
    webhooks.set_status(id, "paused", Some("paused by the operator")).await
}

/// Goes on where it was: what happened meanwhile follows.
pub async fn resume(app: &Arc<App>, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    opens(app, &row, None).await?;
    note(app, &row, &["status"], "resumed by the operator".into()).await?;
    webhooks.set_status(id, "active", None).await
}

/// Goes on behind the cursor, or where the subscription begins.
pub async fn replay(app: &Arc<App>, id: Uuid, after: Option<String>) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    // before the place is given up where the endpoint is
    opens(app, &row, after.clone()).await?;
    note(app, &row, &["cursor"], "cursor moved by the operator".into()).await?;
    webhooks.replay(id, after).await
}

pub async fn remove(app: &App, id: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let row = webhooks.one(id).await?.row;
    note(app, &row, &["url", "document"], "removed by the operator".into()).await?;
    webhooks.remove(id).await
}

/// Sends a dead letter once more, as it was, unless the seat may no longer see what it tells.
pub async fn redeliver(app: &Arc<App>, letter: Uuid) -> Result<()> {
    let webhooks = Webhooks::new(&app.db);
    let letter = webhooks.dead_letter(letter).await?;
    let row = webhooks.one(letter.endpoint_id).await?.row;
    opens(app, &row, None).await?;
    shown(app, &row, &letter.body).await?;
    let reason = format!("event {} sent again by the operator", letter.message);
    note(app, &row, &[], reason).await?;
    let mut secrets = Vec::new();
    for sealed in webhooks.secrets(row.id, app.clock.now()).await? {
        secrets.push(Secret::open(&sealed.bytes, &app.keys.seal, row.id)?);
    }
    let message = Message { id: letter.message, body: letter.body };
    let client = Client::new(&app.config.webhooks)?;
    let turn = client.turn(&row.url).await?;
    let now = app.clock.now();
    let signed = (now, signatures(&secrets, &message.id, now, &message.body)?);
    match client.post(&turn, &row.url, &message, signed).await? {
        Outcome::Accepted => webhooks.redelivered(letter.id, app.clock.now()).await,
        Outcome::Refused(why) | Outcome::Failed { why, .. } => Err(Error::refused(why)),
        Outcome::Gone => Err(Error::refused("the receiver answers 410 Gone: it wants no more events")),
    }
}

pub fn sealed(app: &App, endpoint: Uuid, secret: &Secret) -> Result<Sealed> {
    let bytes = secret.seal(&app.keys.seal, endpoint)?;
    Ok(Sealed { id: app.clock.id(), bytes, created_at: app.clock.now() })
}

/// Whether the seat may subscribe so, behind this cursor, where there is a feed to ask.
pub async fn opens(app: &Arc<App>, row: &Row, after: Option<String>) -> Result<()> {
    let caller = caller(row);
    if let Err(Error::Forbidden(_)) = app.gate.fresh_view(&caller, app.clock.now()).await {
        return Err(Error::usage(
            "the account is bound to networks, and a webhook asks from none of them: it would be told nothing, add it \
             for an account without networks",
        ));
    }
    let Some(source) = app.feed.load_full() else { return Ok(()) };
    let asked = Asked { caller, request: request(&row.document), last_event: after, bounds: None };
    let opened = source.open(app.clone(), asked).await;
    opened.map(drop).map_err(|answer| Error::usage(format!("the seat cannot subscribe so: {}", told(&answer))))
}

/// Refuses a body that tells of a row what the seat is not shown now.
async fn shown(app: &Arc<App>, row: &Row, body: &str) -> Result<()> {
    let body: Json = serde_json::from_str(body).unwrap_or_default();
    let data = &body["data"];
    if !matches!(data["kind"].as_str(), Some("ENTERED" | "CHANGED")) {
        return Ok(());
    }
    let unseen = || Error::refused("the seat no longer sees the row of this event, so it is not sent again");
    let codec = app.graphql.codec(row.organisation_id);
    let of = data["id"].as_str().and_then(|id| codec.read_id(id)).ok_or_else(unseen)?;
    let now = feed::now(app, &caller(row), request(&row.document), of).await;
    let now = now.map_err(|answer| Error::refused(told(&answer)))?.ok_or_else(unseen)?;
    let now: Json = serde_json::from_slice(&now).unwrap_or_default();
    let now = now["data"].as_object().and_then(|data| data.values().next()).unwrap_or(&Json::Null);
    // of what an event tells, only nodes are objects
    let mut nodes = data.as_object().into_iter().flatten().filter(|(_, told)| told.is_object());
    match nodes.all(|(name, told)| now[name] == *told) {
        true => Ok(()),
        false => Err(Error::refused(
            "the seat is shown this row otherwise now, so the event is not sent again as it was: `entente webhook replay` \
             sends what is shown now",
        )),
    }
}

fn told(answer: &Answer) -> String {
    let body: Json = serde_json::from_slice(&answer.body).unwrap_or_default();
    body["errors"][0]["message"].as_str().unwrap_or("the feed does not open").to_owned()
}
