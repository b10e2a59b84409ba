//! For whoever runs the hub: is it alive, and can it answer. They say no more than that.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use axum::{http::StatusCode, response::Response};
use serde_json::{Value, json};

use super::reply;
use crate::{
    app::App,
    bus::Bus,
    error::{Error, Result},
    telemetry,
};

const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn alive() -> Response {
    reply::json(StatusCode::OK, &json!({ "status": "alive" }))
}

/// Ready is: the database answers and has this build's tables.
pub(super) async fn ready(app: &App) -> Response {
    static FAILING: AtomicBool = AtomicBool::new(false);
    let checked = tokio::time::timeout(PATIENCE, check(app)).await;
    let result = checked.unwrap_or_else(|_| Err(Error::unavailable("the database did not answer in time")));
    let failing = result.is_err();
    // a probe comes every few seconds: one line when it turns, not one each
    if let (Err(error), false) = (&result, FAILING.swap(failing, Ordering::Relaxed)) {
        telemetry::failure(error);
    }
    match result {
        Ok(()) => reply::json(StatusCode::OK, &ready_with(app.bus.as_deref())),
        Err(_) => {
            reply::json(StatusCode::SERVICE_UNAVAILABLE, &json!({ "status": "not ready", "waitingFor": "database" }))
        }
    }
}

/// A hub whose bus is away serves as well, from the database: it is told, and no reason to send requests elsewhere.
fn ready_with(bus: Option<&Bus>) -> Value {
    match bus {
        None => json!({ "status": "ready" }),
        Some(bus) => json!({ "status": "ready", "bus": if bus.is_up() { "up" } else { "away" } }),
    }
}

async fn check(app: &App) -> Result<()> {
    app.db.ping().await?;
    app.db.check_migrated().await
}
