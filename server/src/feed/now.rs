//! One row as an event of a subscription would show it at this moment, for whoever is about to tell an old event again.

use std::sync::Arc;

use uuid::Uuid;

use crate::{
    access::Caller,
    app::App,
    catalogue::TypeId,
    graphql::{
        Answer, ChangeKind, Refused, Request,
        subscription::{Look, Told},
    },
};

/// The bytes of the event; `None`: the row is not shown.
pub async fn now(
    app: &App,
    caller: &Arc<Caller>,
    request: Request,
    row: (TypeId, Uuid),
) -> std::result::Result<Option<Vec<u8>>, Answer> {
    shown(app, caller, request, row).await.map_err(Answer::from)
}

async fn shown(
    app: &App,
    caller: &Caller,
    mut request: Request,
    (ty, key): (TypeId, Uuid),
) -> std::result::Result<Option<Vec<u8>>, Refused> {
    let (view, question, _) = app.graphql.question(app, caller, &mut request).await?;
    let codec = app.graphql.codec(view.seat.organisation);
    let watch = question.watch(&view, app.gate.dialect(), &codec, app.graphql.limits())?;
    let Some(track) = watch.tracks.iter().position(|track| track.ty == ty) else { return Ok(None) };
    let at = app.clock.now();
    let position = app.gate.head().await?;
    let look = Look { gate: &app.gate, view: &view, codec: &codec, me: caller.principal, at, position };
    let found = watch.some(&question, &look, track, &[key]).await?;
    let nodes = watch.nodes(&question, &look, track, &[key]).await?.pop();
    let told = Told { kind: ChangeKind::Entered, cursor: "", row: Some((ty, key)), changed: &[], at, reason: None };
    Ok((!found.is_empty()).then(|| watch.write(&told, nodes.as_ref(), &codec)))
}
