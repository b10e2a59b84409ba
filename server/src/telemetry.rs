//! Logs. Never column values, tokens or personal data; a failure is logged once, where it is handled,
//! with the id of the request that met it.

use std::{
    fmt,
    io::{self, IsTerminal},
    panic,
};

use tracing_subscriber::EnvFilter;

use crate::{
    config::Log,
    error::{Error, Result},
};

/// Libraries that tell more than an operator asks for; the setting can ask for it.
const QUIETER: &str =
    "sea_orm_migration=warn,sea_orm::driver::sqlx_sqlite=error,sqlx=warn,sqlx_core=warn,async_nats=off";

tokio::task_local! {
    /// Set by `http` for as long as a request is answered.
    static REQUEST: RequestId;
}

/// Names one request in its answer and in the log. Drawn by chance: a running number would tell every
/// client how much the others ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestId(pub u64);

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Starts the log, on stderr. Only the first call in a process counts.
pub fn start(log: &Log) -> Result<()> {
    let filter = EnvFilter::try_new(format!("{QUIETER},{}", log.level))
        .map_err(|cause| Error::usage(format!("no log level: {cause}")))?;
    let lines =
        tracing_subscriber::fmt().with_env_filter(filter).with_ansi(io::stderr().is_terminal()).with_writer(io::stderr);
    // a second start in one process, as in tests, keeps the first
    drop(if log.json { lines.json().try_init() } else { lines.try_init() });
    panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        // what it says may be a value: it stays out of the log of a released hub
        let says = panic.payload_as_str().filter(|_| cfg!(debug_assertions));
        tracing::error!(request = request_id(), at, says, "panic");
    }));
    Ok(())
}

/// Answers within a request: [`failure`] then names it.
pub async fn within<F: Future>(id: RequestId, work: F) -> F::Output {
    REQUEST.scope(id, work).await
}

/// The request that is being answered here, if any.
pub fn request_id() -> Option<String> {
    REQUEST.try_with(ToString::to_string).ok()
}

/// Logs what a client is told nothing of. To be called where the failure is handled, and only there.
pub fn failure(error: &Error) {
    match error {
        Error::Unavailable(_) => tracing::warn!(request = request_id(), "{error}"),
        _ => tracing::error!(request = request_id(), "{error}"),
    }
}
