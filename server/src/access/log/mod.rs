//! The change log as the hub reads it: whole transactions in the order of their commits, each change with the row
//! before and after. Triggers write it, so there is no change without. It is whole rows, past every view: what reaches
//! a caller is asked of the view, as of a position.

mod acting;
mod image;
mod keep;
mod moment;
mod past;
mod read;
mod shared;
mod wake;

use std::{collections::BTreeSet, fmt};

use entities::Instant;
use tokio::sync::watch;
use uuid::Uuid;

pub use acting::Acting;
pub use {past::FEW, shared::Stand, wake::Watching};
pub(in crate::access) use {past::Past, shared::Shared, wake::Heads};

use super::{Gate, Reading};
use crate::{
    catalogue::{TypeId, Value},
    error::{Error, Result},
};

/// A place in the order of commits: what it stands behind is committed and visible, and stays so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub i64);

impl From<i64> for Position {
    fn from(position: i64) -> Self {
        Position(position)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    Insert,
    Update,
    Delete,
}

/// A changed row. Values are those of all fields, in the order of [`crate::catalogue::Type::fields`].
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Of its transaction.
    pub position: Position,
    pub ty: TypeId,
    pub key: Uuid,
    pub op: Op,
    pub before: Option<Box<[Value]>>,
    pub after: Option<Box<[Value]>>,
    /// Who acted, if somebody who is known to the hub.
    pub actor: Option<Uuid>,
    /// The organisation in whose seat the actor sat.
    pub organisation: Option<Uuid>,
    pub at: Instant,
}

impl Change {
    /// The fields that differ; `None`: the row came or went.
    pub fn fields(&self) -> Option<BTreeSet<usize>> {
        let (before, after) = (self.before.as_ref()?, self.after.as_ref()?);
        Some((0..before.len()).filter(|field| before[*field] != after[*field]).collect())
    }
}

/// Which row changed, without more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Touched {
    pub position: Position,
    pub ty: TypeId,
    pub key: Uuid,
    pub at: Instant,
}

/// What whole transactions changed, in the order of their commits.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes<T> {
    /// Up to here nothing is missing; where reading goes on.
    pub until: Position,
    pub list: Vec<T>,
}

impl Gate {
    /// The last position: everything up to it is committed and visible.
    pub async fn head(&self) -> Result<Position> {
        read::Log::open(&self.db).await?.head().await
    }

    /// What lies behind an earlier position than this cannot be told any more.
    pub async fn oldest(&self) -> Result<Position> {
        read::Log::open(&self.db).await?.oldest().await
    }

    /// The changes behind a position: about `most` rows, and never a part of a transaction.
    pub async fn changes(&self, after: Position, most: usize) -> Result<Changes<Change>> {
        read::Log::open(&self.db).await?.changes(after, most).await
    }

    /// The same without the rows.
    pub async fn touched(&self, after: Position, most: usize) -> Result<Changes<Touched>> {
        read::Log::open(&self.db).await?.touched(after, most).await
    }

    /// Whether so much has changed since that a look back is a look into the log.
    pub async fn is_far(&self, position: impl Into<Position>) -> Result<bool> {
        read::Log::open(&self.db).await?.far(position.into(), past::FEW).await
    }

    /// The next keys of a type in their order: of rows that are there, and of all that the log knows.
    pub async fn keys(&self, ty: TypeId, behind: Uuid, most: usize) -> Result<Vec<Uuid>> {
        read::Log::open(&self.db).await?.keys(ty, behind, most).await
    }

    /// A place to run statements over the rows as they stood behind a position.
    pub async fn past(&self, position: impl Into<Position>) -> Result<Reading<'_>> {
        Ok(Reading::over(Past::session(&self.db, position.into()).await?, &self.db))
    }

    /// The last position as it moves. The first to ask starts what watches it; it begins at zero.
    pub fn heads(&self) -> watch::Receiver<Position> {
        self.heads.get_or_init(|| Heads::watch(&self.db, self.watching)).receiver()
    }

    /// Somebody knows of a commit, or has heard of one: whoever waits for changes looks.
    pub fn wake(&self) {
        if let Some(heads) = self.heads.get() {
            heads.wake();
        }
    }
}

/// What `after` lies before is gone.
fn gap(after: Position, oldest: Position) -> Error {
    Error::Gap(format!(
        "the change log begins at {oldest}, it cannot be read from {after}: start over from what is now"
    ))
}

fn ahead(position: Position, head: Position) -> Error {
    Error::Gap(format!("the change log ends at {head}, there is no {position}: start over from what is now"))
}
