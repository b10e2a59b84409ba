//! What a seat does with its own endpoints, as far as policies let it. The checks are those of the operator's commands;
//! whose endpoint it is, the write guard decides.

use std::sync::Arc;

use entities::Instant;
use uuid::Uuid;

use super::{
    address::Allowed,
    document,
    operator::{opens, sealed},
    secret::Secret,
};
use crate::{
    access::{
        Caller, View,
        webhooks::Row,
        write::webhook::{Doing, Task},
    },
    app::App,
    error::{Error, Result},
};

/// What is wished; keys are endpoints'.
#[derive(Clone, Debug)]
pub enum Wish {
    Add {
        url: String,
        document: String,
    },
    /// The secret before it is good for so many more seconds.
    Rotate(Uuid, i64),
    Pause(Uuid),
    Resume(Uuid),
    /// Behind this cursor, or from where the subscription begins.
    Replay(Uuid, Option<String>),
    Remove(Uuid),
}

/// What came of it.
#[derive(Clone)]
pub struct Done {
    pub endpoint: Uuid,
    /// Told this once.
    pub secret: Option<String>,
}

/// `None`: the view is no longer the caller's, ask with a fresh one.
pub async fn act(
    app: &Arc<App>,
    caller: &Caller,
    view: &View,
    wish: &Wish,
    once: Option<&str>,
) -> Result<Option<Done>> {
    if caller.place.is_some() {
        return Err(Error::forbidden("a webhook is its own seat's, leave `X-Entente-As` out"));
    }
    let now = app.clock.now();
    let mut secret = None;
    let mut fresh = |endpoint: Uuid| -> Result<_> {
        let made = Secret::random();
        let sealed = sealed(app, endpoint, &made)?;
        secret = Some(made.text());
        Ok(sealed)
    };
    let (endpoint, doing) = match wish {
        Wish::Add { url, document } => {
            Allowed::from(&app.config.webhooks).url(url).map_err(asked)?;
            document::check(document).map_err(asked)?;
            let row = Row {
                id: app.clock.id(),
                organisation_id: caller.seat.organisation,
                principal_id: caller.principal,
                role: caller.seat.role.clone(),
                url: url.clone(),
                document: document.clone(),
                status: "active".into(),
                reason: None,
                failing_since: None,
                created_at: now,
            };
            opens(app, &row, None).await.map_err(asked)?;
            let sealed = fresh(row.id)?;
            (row.id, Doing::Add(row, sealed))
        }
        Wish::Rotate(endpoint, overlap) => {
            let until = Instant(now.0.saturating_add(overlap.saturating_mul(1_000_000)));
            (*endpoint, Doing::Rotate(fresh(*endpoint)?, until))
        }
        Wish::Pause(endpoint) => (*endpoint, Doing::Pause),
        Wish::Resume(endpoint) => {
            let Some(row) = app.gate.own_webhook(caller, view, *endpoint).await? else { return Ok(None) };
            opens(app, &row, None).await.map_err(asked)?;
            (*endpoint, Doing::Resume)
        }
        Wish::Replay(endpoint, after) => {
            let Some(row) = app.gate.own_webhook(caller, view, *endpoint).await? else { return Ok(None) };
            opens(app, &row, after.clone()).await.map_err(asked)?;
            (*endpoint, Doing::Replay(after.clone()))
        }
        Wish::Remove(endpoint) => (*endpoint, Doing::Remove),
    };
    let once = once.map(|key| (key.to_owned(), format!("webhook {wish:?}")));
    let done = app.gate.manage_webhook(&app.audit, caller, view, &Task { endpoint, doing, once }).await?;
    Ok(done.map(|done| Done { endpoint: done.endpoint, secret: secret.filter(|_| !done.again) }))
}

/// What a command tells an operator is here a value from outside.
fn asked(error: Error) -> Error {
    match error {
        Error::Usage(text) => Error::Input(text),
        other => other,
    }
}
