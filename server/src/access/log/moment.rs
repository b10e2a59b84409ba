//! What is known of a state of the data, for all who ask of it. Groups of a feed that are woken by one commit ask for the
//! same rows in the same two states, each through its own view: the rows, and what conditions ask beside them, are read
//! once for all of them, and each view is looked through in memory.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    mem,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
};

use entities::Instant;
use tokio::task;
use uuid::Uuid;

use super::{Past, Position};
use crate::{
    access::{
        Gate,
        memory::{Eye, Known, Needs},
        read::Rows,
        select::Statement,
    },
    catalogue::{TypeId, Value},
    error::{Error, Result},
};

/// How many moments are kept: two for each commit, as long as groups are about at one place.
const KEPT: usize = 32;

/// In how many readings a holder of a set is asked for again, unasked.
const REGULAR: u8 = 64;

/// Which state, as of when.
type At = (Position, Instant);

#[derive(Default)]
pub(super) struct Moments {
    kept: Mutex<VecDeque<(At, Arc<Moment>)>>,
    /// Holders of sets that were asked for: whose view was looked through at one state is likely to be at the next.
    regulars: Mutex<BTreeMap<(&'static str, Uuid), u8>>,
}

struct Moment {
    known: RwLock<Known>,
    /// What is asked for by those who wait for their turn.
    lacks: Mutex<Needs>,
    turn: tokio::sync::Mutex<()>,
    /// The log since is long: a statement finds few rows faster than all that they depend on is read.
    far: AtomicBool,
}

impl Moments {
    fn at(&self, position: Position, now: Instant) -> Arc<Moment> {
        let mut kept = held(&self.kept);
        if let Some((_, moment)) = kept.iter().find(|(at, _)| *at == (position, now)) {
            return moment.clone();
        }
        let moment = Arc::new(Moment {
            known: RwLock::new(Known::at(now)),
            lacks: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            far: AtomicBool::default(),
        });
        kept.push_front(((position, now), moment.clone()));
        kept.truncate(KEPT);
        moment
    }

    /// With what is lacking, what others are going to ask for.
    fn foresee(&self, lacks: &mut Needs) {
        let mut regulars = held(&self.regulars);
        let new: Vec<_> = lacks.holders().collect();
        regulars.retain(|(set, holder), left| {
            *left -= u8::from(lacks.hold(set, *holder));
            *left > 0
        });
        regulars.extend(new.into_iter().map(|of| (of, REGULAR)));
    }
}

impl Gate {
    /// What the statement gives for these keys in the state behind a position, without asking the database for each
    /// view. `None`: the statement has to be run.
    pub async fn recall(
        &self,
        statement: &Statement,
        (position, now): (Position, Instant),
        eye: Eye<'_>,
        keys: &[Uuid],
    ) -> Result<Option<Rows>> {
        let Some(outline) = statement.outline().filter(|outline| keys.len() <= outline.limit) else { return Ok(None) };
        self.knowing((position, now), |known, needs| outline.rows(eye, keys, known, needs)).await
    }

    /// Whether these columns of these rows hold the same in both states. Where that is not at hand, it may be otherwise.
    pub async fn holds_alike(
        &self,
        columns: &BTreeMap<TypeId, BTreeSet<usize>>,
        rows: &BTreeSet<(TypeId, Uuid)>,
        (one, other): (Position, Position),
        now: Instant,
    ) -> Result<bool> {
        let read = |known: &Known, needs: &mut Needs| {
            rows.iter().filter(|(ty, key)| known.row(*ty, *key).is_none()).for_each(|(ty, key)| needs.row(*ty, *key));
            let found = rows.iter().map(|(ty, key)| {
                let row = known.row(*ty, *key)?;
                let fields = columns.get(ty).into_iter().flatten();
                Some(fields.map(|field| row.map_or(Value::Null, |row| row[*field].clone())).collect::<Vec<_>>())
            });
            found.collect::<Option<Vec<_>>>()
        };
        let before = self.knowing((one, now), read).await?;
        Ok(before.is_some() && before == self.knowing((other, now), read).await?)
    }

    /// What is answered from all that is known of a state, as soon as that is enough. `None`: it is too much to learn.
    async fn knowing<T>(
        &self,
        (position, now): (Position, Instant),
        ask: impl Fn(&Known, &mut Needs) -> Option<T>,
    ) -> Result<Option<T>> {
        let moment = self.shared.moments.at(position, now);
        loop {
            if moment.far.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let mut needs = Needs::default();
            let answer = {
                let known = moment.known.read().unwrap_or_else(PoisonError::into_inner);
                ask(&known, &mut needs)
            };
            if answer.is_some() {
                return Ok(answer);
            }
            if needs.is_empty() {
                return Err(Error::internal("a decision that lacks facts does not say which"));
            }
            held(&moment.lacks).add(needs);
            let _turn = moment.turn.lock().await;
            if held(&moment.lacks).is_empty() {
                continue;
            }
            // the others who were woken say first what they need
            task::yield_now().await;
            let mut lacks = mem::take(&mut *held(&moment.lacks));
            self.shared.moments.foresee(&mut lacks);
            self.learn_more(&moment, position, now, &lacks).await?;
        }
    }

    async fn learn_more(&self, moment: &Moment, position: Position, now: Instant, lacks: &Needs) -> Result<()> {
        let mut session = Past::session(&self.db, position).await?;
        if session.looks_far() {
            moment.far.store(true, Ordering::Relaxed);
        } else {
            let mut more = Known::at(now);
            more.fetch(&mut session, self.dialect(), lacks).await?;
            moment.known.write().unwrap_or_else(PoisonError::into_inner).take(more);
        }
        session.finish().await
    }
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
