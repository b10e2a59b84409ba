//! Who asks, and in whose place, out of the headers of a request or of a WebSocket's first message.

use std::sync::Arc;

use axum::http::{HeaderMap, header};

use crate::{
    access::{Caller, Origin},
    app::App,
    error::{Error, Result},
};

/// In whose place the caller asks: an operator looks as that seat would, a deputy acts for it.
pub(super) const PLACE: &str = "x-entente-as";

pub(super) async fn of(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Arc<Caller>> {
    let caller = app.tokens.caller(headers, origin, app.clock.now())?;
    in_place(app, caller, headers).await
}

/// The caller, in the place of the seat that it names, if it names one.
pub(super) async fn in_place(app: &App, caller: Arc<Caller>, headers: &HeaderMap) -> Result<Arc<Caller>> {
    let mut names = headers.get_all(PLACE).iter();
    let Some(name) = names.next() else { return Ok(caller) };
    let (Ok(name), None) = (name.to_str(), names.next()) else {
        return Err(Error::input(
            "name one seat in `X-Entente-As`, as `organisation/role` or `organisation/role/user`",
        ));
    };
    app.gate.in_place(&caller, name.trim(), app.clock.now()).await.map(Arc::new)
}

/// The headers that say it, alone.
pub(super) fn credentials(headers: &HeaderMap) -> HeaderMap {
    let says_it = |name: &str| name == header::AUTHORIZATION.as_str() || name == PLACE;
    let kept = headers.iter().filter(|(name, _)| says_it(name.as_str()));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}
