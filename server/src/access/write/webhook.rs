//! What a seat does with its own webhooks, by the hub's operations: the guard, the rows and the line of the access log
//! in one transaction. Secrets come sealed.

use entities::Instant;
use serde_json::json;
use uuid::Uuid;

use super::{
    Lock, Tx,
    guard::Guard,
    once::{self, Once},
};
use crate::{
    access::{
        Gate,
        roster::Caller,
        view::View,
        webhooks::{self, Lease, Row, Sealed},
    },
    audit::{Audit, Line},
    auth::expired,
    catalogue::{CATALOGUE, Type},
    error::{Error, Result},
    policy::schema::WEBHOOK,
};

#[derive(Clone, Debug)]
pub enum Doing {
    Add(Row, Sealed),
    /// A new secret; those before it are good until then.
    Rotate(Sealed, Instant),
    Pause,
    Resume,
    /// Goes on behind the cursor, or where the subscription begins.
    Replay(Option<String>),
    Remove,
}

#[derive(Clone, Debug)]
pub struct Task {
    pub endpoint: Uuid,
    pub doing: Doing,
    /// A name for it, and what it stands for: if it comes again, it is not done again.
    pub once: Option<(String, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Managed {
    pub endpoint: Uuid,
    /// It was done before.
    pub again: bool,
}

/// Endpoints that an organisation may have: each has a worker of its own.
const MOST: u64 = 20;
/// How often a transaction that another one got in the way of is begun again.
const ATTEMPTS: usize = 3;

impl Doing {
    /// The fields that the access log names, and what it says.
    fn told(&self) -> (&'static [&'static str], &'static str) {
        match self {
            Doing::Add(..) => (&["url", "document"], "webhook added"),
            Doing::Rotate(..) => (&["secret"], "secret rotated"),
            Doing::Pause => (&["status"], "webhook paused"),
            Doing::Resume => (&["status"], "webhook resumed"),
            Doing::Replay(_) => (&["cursor"], "cursor moved"),
            Doing::Remove => (&["url", "document"], "webhook removed"),
        }
    }
}

impl Gate {
    /// The endpoint, if it is the caller's to manage. `None`: the view is no longer the caller's.
    pub async fn own_webhook(&self, caller: &Caller, view: &View, endpoint: Uuid) -> Result<Option<Row>> {
        let tx = Tx::begin(&self.db).await?;
        // nothing is written: dropped, it leaves nothing
        let Some(guarded) = Guarded::over(self, &tx, caller, view).await? else { return Ok(None) };
        guarded.own(caller, endpoint).await.map(Some)
    }

    /// Does it. `None`: the view is no longer the caller's, ask with a fresh one.
    pub async fn manage_webhook(
        &self,
        audit: &Audit,
        caller: &Caller,
        view: &View,
        task: &Task,
    ) -> Result<Option<Managed>> {
        if task.once.is_some() {
            self.forget_keys().await;
        }
        for _ in 1..ATTEMPTS {
            match self.try_managing(audit, caller, view, task).await {
                Err(Error::InTheWay) => {}
                done => return done,
            }
        }
        self.try_managing(audit, caller, view, task).await
    }

    /// Stops an endpoint for its worker, unless the lease is over.
    pub async fn stop_webhook(
        &self,
        lease: Lease,
        status: &str,
        why: &str,
        failing_since: Option<Instant>,
        line: Option<Line>,
    ) -> Result<()> {
        let tx = Tx::begin(&self.db).await?;
        if !webhooks::tell(tx.inner(), lease, status, Some(why), failing_since).await? {
            return Ok(());
        }
        if let Some(line) = line {
            tx.log(line).await?;
        }
        tx.commit().await
    }

    async fn try_managing(&self, audit: &Audit, caller: &Caller, view: &View, task: &Task) -> Result<Option<Managed>> {
        let tx = Tx::begin(&self.db).await?;
        let Some(guarded) = Guarded::over(self, &tx, caller, view).await? else { return Ok(None) };
        let Guard { ty, now, .. } = guarded.0;
        let endpoint = task.endpoint;
        let once = task.once.as_ref().map(|(key, what)| Once { key: key.as_str(), digest: once::digested(what) });
        if let Some(done) = once::claim(&tx, caller, once, endpoint, now).await? {
            return Ok(Some(Managed { endpoint: done, again: true }));
        }
        tx.act(caller.into(), now).await?;
        let on = tx.inner();
        match &task.doing {
            Doing::Add(row, sealed) => {
                if webhooks::count(on, row.organisation_id).await? >= MOST {
                    return Err(Error::Conflict(format!(
                        "your organisation has {MOST} webhooks, which is the most: remove one that is not needed"
                    )));
                }
                webhooks::insert(on, row.clone(), sealed.clone()).await?;
                guarded.0.manage(tx.row(ty, endpoint, Lock::Write).await?).await?;
            }
            doing => {
                guarded.own(caller, endpoint).await?;
                match doing {
                    Doing::Add(..) => {}
                    Doing::Rotate(sealed, until) => webhooks::renew(on, endpoint, sealed.clone(), *until).await?,
                    Doing::Pause => {
                        let why = format!("paused by its owner, as `{}`", view.name);
                        webhooks::set_status(on, endpoint, "paused", Some(&why)).await?;
                    }
                    Doing::Resume => webhooks::set_status(on, endpoint, "active", None).await?,
                    Doing::Replay(cursor) => webhooks::move_to(on, endpoint, cursor.clone()).await?,
                    Doing::Remove => webhooks::erase(on, endpoint).await?,
                }
            }
        }
        if let Some(line) = audit.written(caller.into(), view, ty.id, endpoint, std::iter::empty()) {
            let (fields, reason) = task.doing.told();
            tx.log(Line { fields: Some(json!(fields)), reason: Some(reason.into()), ..line }).await?;
        }
        tx.commit().await?;
        self.wake();
        Ok(Some(Managed { endpoint, again: false }))
    }
}

/// The guard over endpoints, in a transaction in which the view holds.
struct Guarded<'a>(Guard<'a>);

impl<'a> Guarded<'a> {
    async fn over(gate: &Gate, tx: &'a Tx, caller: &Caller, view: &'a View) -> Result<Option<Self>> {
        let version = tx.version(Lock::Share).await?;
        let now = gate.now();
        if now >= caller.expires {
            return Err(expired());
        }
        let held = view.open_to(caller, now) && view.edges.hold(now);
        if !held || version != view.version || gate.rules().version != view.policies {
            return Ok(None);
        }
        Ok(Some(Guarded(Guard { tx, view, by: caller.person(), ty: endpoints()?, now })))
    }

    /// One that is seen, permitted to be managed, and of the caller's own seat.
    async fn own(&self, caller: &Caller, endpoint: Uuid) -> Result<Row> {
        let Guard { tx, ty, .. } = self.0;
        self.0.manage(tx.row(ty, endpoint, Lock::Write).await?).await?;
        let row = webhooks::row(tx.inner(), endpoint).await?;
        let row = row.ok_or_else(|| Error::internal("an endpoint that was locked is not there"))?;
        if row.organisation_id != caller.seat.organisation || row.role != caller.seat.role {
            return Err(Error::forbidden(format!(
                "this webhook is told what `{}` sees: only that seat, or the operator, manages it",
                row.role
            )));
        }
        Ok(row)
    }
}

fn endpoints() -> Result<&'static Type> {
    CATALOGUE.by_name(WEBHOOK).ok_or_else(|| Error::internal("there is no type of webhooks"))
}
