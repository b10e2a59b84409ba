//! The gate: compiled views by seat, kept until the policies, the shared data or the time make them
//! stale. Cheap to ask: a look-up and two comparisons.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwap;
use entities::Instant;
use quick_cache::sync::Cache;

use super::{
    compile::compile,
    connect::{Db, Dialect},
    facts::Facts,
    read::{Pace, Rows, Session},
    roster::{Caller, Seat},
    select::{Binding, Statement},
    view::View,
};
use crate::{
    clock::Clock,
    error::{Error, Result},
    policy::Rules,
};

const VIEWS: usize = 10_000;

pub struct Gate {
    db: Db,
    clock: Clock,
    folder: Option<PathBuf>,
    rules: ArcSwap<Rules>,
    views: Cache<Seat, Arc<View>>,
}

impl Gate {
    pub async fn open(db: Db, folder: Option<PathBuf>, clock: Clock) -> Result<Self> {
        let rules = Rules::load(folder.as_deref())?;
        Ok(Gate { db, clock, folder, rules: ArcSwap::from_pointee(rules), views: Cache::new(VIEWS) })
    }

    pub fn rules(&self) -> Arc<Rules> {
        self.rules.load_full()
    }

    /// Takes the policy folder anew. A set that is refused changes nothing.
    pub fn reload_policies(&self) -> Result<String> {
        let rules = Rules::load(self.folder.as_deref())?;
        let same = rules.version == self.rules.load().version;
        let count = rules.all.len();
        self.rules.store(Arc::new(rules));
        Ok(if same { format!("{count} policies, unchanged") } else { format!("{count} policies taken") })
    }

    pub fn dialect(&self) -> Dialect {
        self.db.dialect()
    }

    /// The view of the caller's seat, if the caller holds it.
    pub async fn view(&self, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        let view = self.seat_view(&caller.seat, now).await?;
        // who is refused may hold the seat since the view was compiled
        if view.held_by(caller.principal, now) || self.version().await? == view.version {
            return Self::admit(view, caller, now);
        }
        self.fresh_view(caller, now).await
    }

    /// The same after an answer has shown that the shared data changed.
    pub async fn fresh_view(&self, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        let view = self.compile(&caller.seat, now).await?;
        Self::admit(view, caller, now)
    }

    fn admit(view: Arc<View>, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        if view.held_by(caller.principal, now) {
            return Ok(view);
        }
        Err(Error::unauthenticated("the token names a seat that its person does not hold now, ask for a new token"))
    }

    /// The view of a seat, whoever sits in it.
    pub async fn seat_view(&self, seat: &Seat, now: Instant) -> Result<Arc<View>> {
        let version = self.rules.load().version;
        if let Some(view) = self.views.get(seat)
            && view.policies == version
            && view.edges.hold(now)
        {
            return Ok(view);
        }
        self.compile(seat, now).await
    }

    async fn compile(&self, seat: &Seat, now: Instant) -> Result<Arc<View>> {
        let facts = Facts::read(&self.db, seat, now).await?;
        let rules = self.rules();
        let view =
            compile(&rules, seat, facts).map_err(|why| Error::internal(format!("no view for {seat:?}: {why}")))?;
        let view = Arc::new(view);
        self.views.insert(seat.clone(), view.clone());
        Ok(view)
    }

    /// The version of the shared data now.
    pub async fn version(&self) -> Result<i64> {
        let mut session = self.db.reader.session(false).await?;
        let rows = session.query("SELECT version FROM access_version", &[], &Pace::default(), true).await?;
        rows.int(0, 0).ok_or_else(|| Error::internal("table access_version is empty"))
    }

    pub fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A place to run the statements of one request, which see one state of the data if asked.
    pub async fn session(&self, snapshot: bool) -> Result<Reading> {
        Ok(Reading(self.db.reader.session(snapshot).await?))
    }
}

/// Runs statements, and nothing but statements of views.
pub struct Reading(Session);

impl Reading {
    pub async fn run(&mut self, statement: &Statement, binding: &Binding<'_>) -> Result<Rows> {
        self.0.query(statement.sql(), &statement.arguments(binding), statement.pace(), false).await
    }

    /// The same for the last one, which ends the snapshot without a round trip of its own.
    pub async fn run_last(&mut self, statement: &Statement, binding: &Binding<'_>) -> Result<Rows> {
        self.0.query(statement.sql(), &statement.arguments(binding), statement.pace(), true).await
    }

    pub async fn finish(self) -> Result<()> {
        self.0.finish().await
    }
}
