//! One subscriber of a group: whether it may stay, what it is handed, what that costs, and the lines that it owes to
//! the access log. Whatever way it leaves, the lines are written.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use entities::Instant;
use tokio::time;

use super::{End, Sent, Subscriber, copy::Lens, difference::Step, group::User};
use crate::{
    access::{Caller, Gate, View},
    app::App,
    audit::{Action, Audit, Delivered},
    auth,
    catalogue::TypeId,
    error::{Error, Result},
};

/// Rows and time after which a member's deliveries are noted in the access log.
const NOTED_ROWS: u32 = 1_000;
const NOTED_AFTER: Duration = Duration::from_secs(10);

pub struct Member {
    pub caller: Arc<Caller>,
    subscriber: Option<Subscriber>,
    owed: Option<Owed>,
    audit: Arc<Audit>,
    _user: User,
}

/// Rows that were handed out through a lens, and have no line yet.
struct Owed {
    lens: Arc<Lens>,
    rows: BTreeMap<TypeId, Delivered>,
    since: time::Instant,
}

impl Member {
    pub fn new(caller: Arc<Caller>, subscriber: Subscriber, audit: Arc<Audit>, user: User) -> Self {
        Member { caller, subscriber: Some(subscriber), owed: None, audit, _user: user }
    }

    /// Whether the view is still for it.
    pub fn admitted(&self, view: &View, now: Instant) -> Result<()> {
        if now >= self.caller.expires {
            return Err(auth::expired());
        }
        Gate::admitted(view, &self.caller, now)
    }

    pub fn end(&mut self, error: &Arc<Error>) {
        if let Some(subscriber) = self.subscriber.take() {
            subscriber.end(End::Failed(error.clone()));
        }
    }

    pub fn send(&mut self, app: &App, lens: &Arc<Lens>, step: &Step) -> Sent {
        self.send_all(app, lens, std::slice::from_ref(step)).1
    }

    /// How many of these were taken. They are paid for as a query's rows are, and noted, before they are handed out. Whose
    /// budget is spent is ended, and may come again with its cursor.
    pub fn send_all(&mut self, app: &App, lens: &Arc<Lens>, steps: &[Step]) -> (usize, Sent) {
        let person = self.caller.principal;
        let budget = lens.view.budget(&self.caller, app.clock.now());
        // a budget may end amid them
        let most = if app.budgets.has_end(budget) { 1 } else { steps.len().max(1) };
        let mut taken = 0;
        for steps in steps.chunks(most) {
            let Some(subscriber) = &self.subscriber else { return (taken, Sent::Gone) };
            let (room, sent) = subscriber.room(steps.iter().map(|step| &step.event));
            let steps = &steps[..room];
            let cost = steps.iter().flat_map(|step| step.rows.iter()).map(|(_, delivered)| delivered.rows).sum();
            let paid = app.budgets.spend_at_most(person, budget, cost);
            if let Err(error) = paid.and_then(|()| self.owe(lens, steps)) {
                self.end(&Arc::new(error));
            }
            let Some(subscriber) = &self.subscriber else { return (taken, Sent::Gone) };
            subscriber.send_all(steps.iter().map(|step| &step.event));
            taken += room;
            if sent != Sent::Taken {
                return (taken, sent);
            }
        }
        (taken, Sent::Taken)
    }

    fn owe(&mut self, lens: &Arc<Lens>, steps: &[Step]) -> Result<()> {
        if steps.iter().all(|step| step.rows.is_empty()) {
            return Ok(());
        }
        if self.owed.as_ref().is_some_and(|owed| !Arc::ptr_eq(&owed.lens, lens)) {
            self.note()?;
        }
        let none = || Owed { lens: lens.clone(), rows: BTreeMap::new(), since: time::Instant::now() };
        let owed = self.owed.get_or_insert_with(none);
        for (ty, rows) in steps.iter().flat_map(|step| step.rows.iter()) {
            owed.rows.entry(*ty).or_default().join(*rows);
        }
        let rows: u32 = owed.rows.values().map(|delivered| delivered.rows).sum();
        if rows >= NOTED_ROWS { self.note() } else { Ok(()) }
    }

    /// Until the reader has taken what waits; whether there is a reader.
    pub async fn drained(&self) -> bool {
        match &self.subscriber {
            Some(subscriber) => subscriber.drained().await,
            None => false,
        }
    }

    pub fn is_gone(&self) -> bool {
        self.subscriber.as_ref().is_none_or(Subscriber::is_gone)
    }

    /// Brings what was handed out a while ago into the access log.
    pub fn note_in_time(&mut self) {
        if self.owed.as_ref().is_some_and(|owed| owed.since.elapsed() >= NOTED_AFTER)
            && let Err(error) = self.note()
        {
            self.end(&Arc::new(error));
        }
    }

    fn note(&mut self) -> Result<()> {
        let Some(Owed { lens, rows, .. }) = self.owed.take() else { return Ok(()) };
        let Some(watch) = &lens.watch else { return Ok(()) };
        self.audit.record_looking((&*self.caller).into(), Action::Subscribe, &watch.reads, &lens.looks, |ty| {
            rows.get(&ty).copied().unwrap_or_default()
        })
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Err(error) = self.note() {
            tracing::error!("{error}");
        }
    }
}
