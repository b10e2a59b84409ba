//! The gate: compiled views by seat, kept until the policies, the shared data or the time make them
//! stale. Cheap to ask: a look-up and two comparisons.

use std::{
    convert::Infallible,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

use arc_swap::ArcSwap;
use entities::{Instant, meta::Kind};
use quick_cache::sync::Cache;
use tokio::sync::{Mutex, OwnedMutexGuard};
use uuid::Uuid;

use super::{
    compile::{compile, for_export},
    connect::{Db, Dialect},
    facts::Facts,
    former::Former,
    guard, joint,
    log::{Heads, Shared, Watching},
    read::{Arg, Pace, Rows, Session},
    roster::{self, Caller, Origin, Place, Seat},
    select::{Binding, Statement},
    sql::Sql,
    view::View,
    write::Keys,
};
use crate::{
    catalogue::{CATALOGUE, Type, TypeId},
    clock::Clock,
    error::{Error, Result},
    policy::Rules,
};

const VIEWS: usize = 10_000;
const JOINT_VIEWS: usize = 1_000;

pub struct Gate {
    pub(super) db: Db,
    pub(super) clock: Clock,
    folder: Option<PathBuf>,
    rules: ArcSwap<Rules>,
    views: Cache<Seat, Arc<Kept>>,
    /// One caller compiles a seat's view, the others wait for it: after a change all of them ask at once.
    turns: Cache<Seat, Arc<Mutex<()>>>,
    /// The views of callers in the place of others.
    joint: Cache<(Arc<Seat>, Uuid, Arc<Place>), Arc<View>>,
    /// Watched from the moment that somebody waits for changes.
    pub(super) heads: OnceLock<Heads>,
    pub(super) shared: Shared,
    pub(super) watching: Watching,
    pub(super) keys: Keys,
    /// Who writes what views are compiled from does so alone.
    pub(super) deciding: Arc<Mutex<()>>,
    pub(super) former: Former,
}

/// A view, and what it was made of.
struct Kept {
    view: Arc<View>,
    facts: Facts,
}

impl Gate {
    pub async fn open(db: Db, folder: Option<PathBuf>, clock: Clock) -> Result<Self> {
        let rules = Rules::load(folder.as_deref())?;
        let (views, turns, joint) = (Cache::new(VIEWS), Cache::new(VIEWS), Cache::new(JOINT_VIEWS));
        let (rules, heads) = (ArcSwap::from_pointee(rules), OnceLock::new());
        Ok(Gate {
            db,
            clock,
            folder,
            rules,
            views,
            turns,
            joint,
            heads,
            shared: Shared::default(),
            watching: Watching::default(),
            keys: Keys::default(),
            deciding: Arc::default(),
            former: Former::default(),
        })
    }

    /// Notices changes in another way.
    pub fn watching(self, watching: Watching) -> Self {
        Gate { watching, ..self }
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

    /// The caller in the place of the seat with this name: as an operator, or as a deputy.
    pub async fn in_place(&self, caller: &Caller, name: &str, now: Instant) -> Result<Caller> {
        // an operator is told what is wrong with the name; nobody else learns which seats there are, nor who
        // was an operator until now
        let place = if self.fresh_view(caller, now).await?.class.operator {
            let found = roster::resolve(&self.db, name, now).await;
            let (seat, principal) = found.map_err(|error| match error {
                Error::Usage(text) => Error::Input(text),
                other => other,
            })?;
            Some(Place { name: name.into(), seat, principal, operator: true })
        } else {
            roster::deputised(&self.db, caller, name, now).await?
        };
        let place = place.ok_or_else(|| no_place(name))?;
        let caller = Caller { place: Some(Arc::new(place)), ..caller.clone() };
        self.view(&caller, now).await?;
        Ok(caller)
    }

    /// The view of the caller's seat, if the caller holds it.
    pub async fn view(&self, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        if caller.place.is_some() {
            return self.joint_view(caller, now, false).await;
        }
        let view = self.seat_view(&caller.seat, now).await?;
        // who is refused may hold the seat since the view was compiled
        if view.open_to(caller, now) || self.version().await? == view.version {
            return Self::admit(view, caller, now);
        }
        self.fresh_view(caller, now).await
    }

    /// The same after an answer has shown that the shared data changed.
    pub async fn fresh_view(&self, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        if caller.place.is_some() {
            return self.joint_view(caller, now, true).await;
        }
        let _turn = self.turn(&caller.seat).await;
        let view = match self.kept(&caller.seat, now) {
            Some(view) if view.version == self.version().await? => view,
            _ => self.compile(&caller.seat, now).await?,
        };
        Self::admit(view, caller, now)
    }

    /// The same, where the version of the shared data is known.
    pub async fn view_at(&self, caller: &Caller, version: i64, now: Instant) -> Result<Arc<View>> {
        match self.kept(&caller.seat, now).filter(|view| caller.place.is_none() && view.version == version) {
            Some(view) => Self::admit(view, caller, now),
            None => self.fresh_view(caller, now).await,
        }
    }

    async fn joint_view(&self, caller: &Caller, now: Instant, fresh: bool) -> Result<Arc<View>> {
        let Some(place) = &caller.place else { return Err(Error::internal("a caller in nobody's place")) };
        let rules = self.rules();
        let key = (caller.seat.clone(), caller.principal, place.clone());
        let kept = self.joint.get(&key).filter(|view| view.policies == rules.version && view.edges.hold(now));
        if let Some(view) = kept
            && view.held_by(caller.principal, now)
            && (!fresh || view.version == self.version().await?)
        {
            return Self::admit(view, caller, now);
        }
        let both = Facts::both(&self.db, caller, place, now).await?;
        let refused = |why| Error::internal(format!("no view for {:?} in the place of {place:?}: {why}", caller.seat));
        let view = joint::compile(&rules, caller, both, now).map_err(refused)?;
        let view = Arc::new(view.ok_or_else(|| no_place(&place.name))?);
        self.joint.insert(key, view.clone());
        // whether the caller holds its own seat was asked before
        if view.held_by(caller.principal, now) { Self::admit(view, caller, now) } else { Err(no_place(&place.name)) }
    }

    fn admit(view: Arc<View>, caller: &Caller, now: Instant) -> Result<Arc<View>> {
        Self::admitted(&view, caller, now).map(|()| view)
    }

    /// Whether a view is for this caller, and from where it asks.
    pub fn admitted(view: &View, caller: &Caller, now: Instant) -> Result<()> {
        if view.open_to(caller, now) {
            return Ok(());
        }
        if view.held_by(caller.principal, now) {
            let from = match caller.origin {
                Origin::Address(address) => format!("`{address}`"),
                Origin::Unknown | Origin::Here => "an unknown address".to_owned(),
            };
            return Err(Error::forbidden(format!(
                "this account cannot be used from {from}, ask from a network that its role is limited to"
            )));
        }
        Err(Error::unauthenticated("the token names a seat that its person does not hold now, ask for a new token"))
    }

    /// The view of a seat, whoever sits in it.
    pub async fn seat_view(&self, seat: &Seat, now: Instant) -> Result<Arc<View>> {
        if let Some(view) = self.kept(seat, now) {
            return Ok(view);
        }
        let _turn = self.turn(seat).await;
        match self.kept(seat, now) {
            Some(view) => Ok(view),
            None => self.compile(seat, now).await,
        }
    }

    /// The view of a caller who takes rows of the type along: those that policies let out. Refused if it is none.
    pub async fn export_view(&self, caller: &Caller, ty: &Type, now: Instant) -> Result<View> {
        let facts = Facts::read(&self.db, &caller.seat, now).await?;
        let refused = |why| Error::internal(format!("no view for {:?}: {why}", caller.seat));
        let view = for_export(&self.rules(), &caller.seat, &facts, ty.id).map_err(refused)?;
        if view.sees_type(ty.id) && view.of(ty.id).row.is_never() {
            return Err(Error::refused(format!("`{}` may read `{}` but not export it", view.name, ty.name)));
        }
        Self::admitted(&view, caller, now)?;
        Ok(view)
    }

    /// Neither policies nor time have made the view stale; whether data have, an answer tells.
    pub fn lasts(&self, view: &View, now: Instant) -> bool {
        view.policies == self.rules.load().version && view.edges.hold(now)
    }

    /// The view that is kept, unless policies or time made it stale.
    fn kept(&self, seat: &Seat, now: Instant) -> Option<Arc<View>> {
        self.views.get(seat).map(|kept| kept.view.clone()).filter(|view| self.lasts(view, now))
    }

    async fn turn(&self, seat: &Seat) -> OwnedMutexGuard<()> {
        let turn = self.turns.get_or_insert_with(seat, || Ok::<_, Infallible>(Arc::default()));
        let Ok(turn) = turn;
        turn.lock_owned().await
    }

    async fn compile(&self, seat: &Seat, now: Instant) -> Result<Arc<View>> {
        let facts = Facts::read(&self.db, seat, now).await?;
        let rules = self.rules();
        let kept = self.views.get(seat).filter(|kept| kept.view.policies == rules.version && kept.view.edges.hold(now));
        // a write of shared data concerns few seats: the others keep their view, and all that is planned by it
        let view = match kept.filter(|kept| kept.facts.are_alike(&facts)) {
            Some(kept) => View { version: facts.version, ..View::clone(&kept.view) },
            None => {
                compile(&rules, seat, &facts).map_err(|why| Error::internal(format!("no view for {seat:?}: {why}")))?
            }
        };
        let view = Arc::new(view);
        self.views.insert(seat.clone(), Arc::new(Kept { view: view.clone(), facts }));
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

    pub(super) fn new_id(&self) -> Uuid {
        self.clock.id()
    }

    /// A place to run the statements of one request, which see one state of the data if asked.
    pub async fn session(&self, snapshot: bool) -> Result<Reading<'_>> {
        Ok(Reading { session: self.db.reader.session(snapshot).await?, db: &self.db })
    }
}

/// Whether there is such a seat is not said.
fn no_place(name: &str) -> Error {
    Error::forbidden(format!(
        "you cannot act as `{name}`: nobody in that seat has a delegation to you that is in force, and approved"
    ))
}

/// Runs statements, and nothing but statements of views. What a guard holds back does not leave it.
pub struct Reading<'g> {
    session: Session,
    db: &'g Db,
}

impl<'g> Reading<'g> {
    pub(super) fn over(session: Session, db: &'g Db) -> Self {
        Reading { session, db }
    }

    /// Those of the keys that have a row, whoever may see it.
    pub async fn existing(&mut self, ty: TypeId, keys: Vec<Uuid>) -> Result<Vec<Uuid>> {
        let mut sql = Sql::new(self.session.dialect());
        sql.push(&format!("SELECT t.\"id\" FROM \"{}\" t WHERE t.\"id\"", CATALOGUE.ty(ty).table));
        sql.among(0, Kind::Id);
        let binding = Binding { now: Instant(0), me: Uuid::nil(), secret: "", slots: &[Arg::Ids(keys)] };
        let rows = self.run(&Statement::written(sql), &binding).await?;
        Ok((0..rows.len()).filter_map(|row| rows.id(row, 0)).collect())
    }

    pub async fn run(&mut self, statement: &Statement, binding: &Binding<'_>) -> Result<Rows> {
        self.query(statement, binding, false).await
    }

    /// The same for the last one, which ends the snapshot without a round trip of its own.
    pub async fn run_last(&mut self, statement: &Statement, binding: &Binding<'_>) -> Result<Rows> {
        self.query(statement, binding, true).await
    }

    async fn query(&mut self, statement: &Statement, binding: &Binding<'_>, last: bool) -> Result<Rows> {
        let rows = {
            let arguments = statement.arguments(binding);
            self.session.noted(statement.sql(), &arguments, statement.noted(), statement.pace(), last).await?
        };
        match statement.release() {
            None => Ok(rows),
            Some(how) => guard::release(self.db, how, rows).await,
        }
    }

    pub async fn finish(self) -> Result<()> {
        self.session.finish().await
    }
}

#[cfg(test)]
mod tests {
    use entities::{agreement_scope, sharing_agreement};
    use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

    use super::*;
    use crate::demo::Passing;

    #[tokio::test]
    async fn a_change_replaces_the_views_that_it_concerns() {
        let now = "2026-06-15T09:00:00Z".parse().expect("an instant");
        let world = Passing::at(now).await.expect("the demo world");
        let db = &world.db;
        let gate = Gate::open(db.clone(), None, world.clock.clone()).await.expect("a gate");
        let view = async |seat: &str| {
            let (seat, principal) = roster::resolve(db, seat, now).await.expect("a seat");
            let (seat, expires) = (Arc::new(seat), Instant(i64::MAX));
            let caller = Caller { seat, principal, expires, place: None, origin: Origin::Here };
            gate.fresh_view(&caller, now).await.expect("a view")
        };
        let (aqua, bergmann) = ("aqua-seals/partner_planner", "bergmann/partner_sales");
        let before = [view(aqua).await, view(bergmann).await];
        let (seat, _) = roster::resolve(db, bergmann, now).await.expect("a seat");
        let theirs =
            sharing_agreement::Entity::find().filter(sharing_agreement::Column::GranteeId.eq(seat.organisation));
        let theirs = theirs.one(db.orm()).await.expect("agreements").expect("one");
        let narrowed = agreement_scope::Entity::update_many()
            .col_expr(agreement_scope::Column::Region, Expr::value("ZZ"))
            .filter(agreement_scope::Column::AgreementId.eq(theirs.id));
        narrowed.exec(db.writer()).await.expect("a change");
        let after = [view(aqua).await, view(bergmann).await];
        assert!(after[0].version > before[0].version && after[0].version == after[1].version);
        assert_eq!(after[0].id, before[0].id, "what others are shown concerns nobody else");
        assert_ne!(after[1].id, before[1].id);
    }
}
