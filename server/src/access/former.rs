//! A view as it was behind a position of the change log: made of the policies that were in force, kept by their version,
//! and of the facts as they stood. It tells what somebody was shown, never what is shown now.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use entities::Instant;
use quick_cache::sync::Cache;
use sea_orm::{
    ConnectionTrait, Value,
    sea_query::{Alias, Expr, ExprTrait, OnConflict, Query},
};

use super::{Gate, View, compile::compile, connect::Db, facts::Facts, joint, log::Position, roster::Caller};
use crate::{
    error::{Code, Error, Result},
    policy::Rules,
};

const TABLE: &str = "policy_set";
/// Policy sets that are not in force any more and kept ready.
const SETS: usize = 4;

/// The policies of other times.
pub(super) struct Former {
    /// The last set that this process has kept.
    kept: AtomicU64,
    sets: Cache<u64, Arc<Rules>>,
}

impl Default for Former {
    fn default() -> Self {
        Former { kept: AtomicU64::new(0), sets: Cache::new(SETS) }
    }
}

impl Gate {
    /// Keeps the policies in force, for those who come back when others are.
    pub async fn keep_policies(&self) -> Result<()> {
        let rules = self.rules();
        if self.former.kept.load(Ordering::Relaxed) == rules.version {
            return Ok(());
        }
        let files = serde_json::to_string(&rules.files).map_err(|error| Error::internal(error.to_string()))?;
        let mut query = Query::insert();
        query.into_table(Alias::new(TABLE)).columns(["version", "files", "kept_at"].map(Alias::new));
        let values: [Value; 3] = [rules.version.cast_signed().into(), files.into(), self.clock.now().0.into()];
        query.values(values.map(Expr::value)).map_err(|error| Error::internal(error.to_string()))?;
        query.on_conflict(OnConflict::column(Alias::new("version")).do_nothing().to_owned());
        self.db.writer().execute(&query).await?;
        self.former.kept.store(rules.version, Ordering::Relaxed);
        Ok(())
    }

    /// The view that the caller had; `None` if what it was made of is not known any more.
    pub async fn former_view(
        &self,
        caller: &Caller,
        policies: u64,
        position: Position,
        at: Instant,
    ) -> Result<Option<Arc<View>>> {
        let Some(rules) = self.former_rules(policies).await? else { return Ok(None) };
        let view = match &caller.place {
            Some(place) => match Facts::former_both(&self.db, caller, place, at, position).await {
                Ok(both) => joint::compile(&rules, caller, both, at),
                Err(error) => return unknown(error),
            },
            None => match Facts::former(&self.db, &caller.seat, at, position).await {
                Ok(facts) => compile(&rules, &caller.seat, &facts).map(Some),
                Err(error) => return unknown(error),
            },
        };
        Ok(view.ok().flatten().map(Arc::new))
    }

    async fn former_rules(&self, version: u64) -> Result<Option<Arc<Rules>>> {
        let rules = self.rules();
        if rules.version == version {
            return Ok(Some(rules));
        }
        if let Some(rules) = self.former.sets.get(&version) {
            return Ok(Some(rules));
        }
        let Some(files) = read(&self.db, version).await? else { return Ok(None) };
        let parsed = tokio::task::spawn_blocking(move || Rules::parse(&files)).await;
        // a set that this build reads otherwise, or not at all, tells nothing of what was shown
        let rules = parsed.ok().and_then(std::result::Result::ok).filter(|rules| rules.version == version);
        let rules = rules.map(Arc::new);
        if let Some(rules) = &rules {
            self.former.sets.insert(version, rules.clone());
        }
        Ok(rules)
    }
}

async fn read(db: &Db, version: u64) -> Result<Option<Vec<(String, String)>>> {
    let mut query = Query::select();
    query.column(Alias::new("files")).from(Alias::new(TABLE));
    query.and_where(Expr::col(Alias::new("version")).eq(version.cast_signed()));
    let Some(row) = db.orm().query_one(&query).await? else { return Ok(None) };
    let text: String = row.try_get_by_index(0)?;
    Ok(serde_json::from_str(&text).ok())
}

/// Who was nobody then had no view; a database that is away is another matter.
fn unknown(error: Error) -> Result<Option<Arc<View>>> {
    match error.code() {
        Code::Unauthenticated | Code::Forbidden => Ok(None),
        _ => Err(error),
    }
}
