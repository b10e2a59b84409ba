//! Writing: part 7 of the view. One transaction holds the row, its event and its line in the access log. The
//! row must be one that the writer sees, and the write permitted, both before and after: what is found to be
//! wrong afterwards was never there. Operations of the domain (`webhook`; publish, commit, sign will be) stand beside
//! this file and end in the same guard.

mod guard;
mod once;
mod outdated;
mod tx;
pub mod webhook;

use entities::{Instant, meta::Filled};
use tokio::sync::OwnedMutexGuard;
use uuid::Uuid;

pub(in crate::access) use once::Keys;
pub use outdated::drop_lines;

use self::{
    guard::Guard,
    once::Once,
    tx::{Lock, Tx},
};
use super::{Gate, roster::Caller, view::View};
use crate::{
    audit::Audit,
    auth::expired,
    catalogue::{CATALOGUE, Type, TypeId, Value},
    error::Result,
};

/// What somebody wants to write.
#[derive(Clone, Debug, PartialEq)]
pub struct Write {
    pub ty: TypeId,
    pub change: Change,
    /// The version of the row that the writer has seen.
    pub seen: Option<i64>,
    /// A name for this write: if it comes again, it is not done again.
    pub once: Option<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Create(Vec<(usize, Value)>),
    Update(Uuid, Vec<(usize, Value)>),
    Delete(Uuid),
}

impl Change {
    /// The fields that are given.
    pub fn values(&self) -> &[(usize, Value)] {
        match self {
            Change::Create(values) | Change::Update(_, values) => values,
            Change::Delete(_) => &[],
        }
    }
}

/// A transaction about to write, in which the shared data stand still: the view of this version holds until its end.
pub struct Begun {
    tx: Tx,
    pub version: i64,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Gate {
    /// Writers of what views are compiled from go one after the other. Those of this process wait before they take a
    /// connection.
    pub async fn begin(&self, write: &Write) -> Result<Begun> {
        if write.once.is_some() {
            self.forget_keys().await;
        }
        let decides = decides(CATALOGUE.ty(write.ty));
        let turn = if decides { Some(self.deciding.clone().lock_owned().await) } else { None };
        let tx = Tx::begin(&self.db).await?;
        let version = tx.version(if decides { Lock::Write } else { Lock::Share }).await?;
        Ok(Begun { tx, version, _turn: turn })
    }

    async fn forget_keys(&self) {
        if let Err(error) = self.keys.forget(&self.db, self.now()).await {
            tracing::error!("old keys of writes are kept for another hour: {error}");
        }
    }

    /// Writes, and gives the key of the row. `None`: the view is no longer the caller's, begin again with a fresh one.
    pub async fn write(
        &self,
        begun: Begun,
        audit: &Audit,
        caller: &Caller,
        view: &View,
        write: &Write,
    ) -> Result<Option<Uuid>> {
        let Begun { tx, version, _turn } = begun;
        let ty = CATALOGUE.ty(write.ty);
        let before = match &write.change {
            Change::Create(_) => None,
            Change::Update(key, _) | Change::Delete(key) => tx.row(ty, *key, Lock::Write).await?,
        };
        // not before: it may have waited for others, and time decides
        let now = self.now();
        if now >= caller.expires {
            return Err(expired());
        }
        let held = view.open_to(caller, now) && view.edges.hold(now);
        if !held || version != view.version || self.rules().version != view.policies {
            return Ok(None);
        }
        let key = match &write.change {
            Change::Create(_) => self.new_id(),
            Change::Update(key, _) | Change::Delete(key) => *key,
        };
        if let Some(done) = once::claim(&tx, caller, Once::of(write), key, now).await? {
            return Ok(Some(done));
        }
        tx.act(caller.into(), now).await?;
        let by = caller.person();
        let guard = Guard { tx: &tx, view, by, ty, now };
        match &write.change {
            Change::Create(values) => guard.create(key, values).await?,
            Change::Update(key, values) => guard.update(*key, before, values, write.seen).await?,
            Change::Delete(key) => guard.delete(*key, before, write.seen).await?,
        }
        let fields = write.change.values().iter().map(|(field, _)| *field);
        if let Some(line) = audit.written(caller.into(), view, write.ty, key, fields) {
            tx.log(line).await?;
        }
        tx.commit().await?;
        self.wake();
        Ok(Some(key))
    }
}

/// Do views depend on the type's rows, so that a write of one raises the version of the shared data?
fn decides(ty: &Type) -> bool {
    migration::watched().any(|table| table == ty.table)
}

/// What the hub puts into a row that is made, or changed.
fn filled(ty: &Type, before: Option<&[Value]>, by: Uuid, now: Instant) -> Vec<(usize, Value)> {
    let new = before.is_none();
    let fields = ty.fields.iter().enumerate().filter_map(|(i, field)| {
        let value = match field.filled? {
            Filled::CreatedAt if new => now.into(),
            Filled::CreatedBy if new => by.into(),
            Filled::CreatedAt | Filled::CreatedBy => return None,
            Filled::ChangedAt => now.into(),
            Filled::ChangedBy => by.into(),
            Filled::Version => match before.map(|row| &row[i]) {
                Some(Value::Int(n)) => (n + 1).into(),
                _ => 1.into(),
            },
        };
        Some((i, value))
    });
    fields.collect()
}
