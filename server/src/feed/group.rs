//! Subscribers that ask the same through the same view. What happens is compared and written once for all of them,
//! and each gets the same bytes. Whoever comes, or was too slow, catches up by itself and then joins.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Weak,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use entities::Instant;
use tokio::{
    sync::{Mutex, MutexGuard, Notify},
    time,
};
use uuid::Uuid;

use super::{
    End, Sent, Subscriber,
    copy::{Copy, Lens, Mark, State},
    difference::{Desk, Step},
};
use crate::{
    access::{Caller, View},
    app::App,
    audit::{Action, Delivered},
    catalogue::TypeId,
    error::{Code, Error, Result},
};

/// How often a group looks whether time or policies have moved its rights.
const TICK: Duration = Duration::from_millis(100);
/// How often a cursor is handed out, whether anything happened or not.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// Rows and time after which a member's deliveries are noted in the access log.
const NOTED_ROWS: u32 = 1_000;
const NOTED_AFTER: Duration = Duration::from_secs(10);
/// A clock that is behind by less than this, in microseconds, is taken to stand still.
const CLOCKS_DIFFER: i64 = 5_000_000;
/// How often a member that catches up may find the group ahead before the group waits for it.
const ROUNDS: usize = 3;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    pub organisation: Uuid,
    pub role: String,
    /// In whose place, from whose seat.
    pub place: Option<(Uuid, String, Uuid)>,
    /// The one who asks, where that decides what is shown.
    pub person: Option<Uuid>,
    pub text: String,
}

pub struct Group {
    pub key: Key,
    pub desk: Desk,
    live: Mutex<Live>,
    wake: Notify,
    pub users: AtomicUsize,
}

#[derive(Default)]
struct Live {
    state: Option<State>,
    /// The next instant at which rights move by themselves.
    edge: Option<Instant>,
    members: Vec<Member>,
}

/// Keeps the group.
struct User(Arc<Group>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
    }
}

pub struct Member {
    caller: Arc<Caller>,
    subscriber: Option<Subscriber>,
    rows: BTreeMap<TypeId, Delivered>,
    noted: time::Instant,
    _user: User,
}

/// Where a member begins.
pub enum Begin {
    Snapshot,
    Now,
    After(Mark),
    At(Copy),
}

/// What stops a member on its way.
enum Stop {
    /// The reader went.
    Gone,
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Stop::Failed(error)
    }
}

enum Way {
    Reached,
    /// There is no exact way, and why.
    Lost(&'static str),
    /// The reader has to take what waits first.
    Full,
    /// Rights have moved meanwhile.
    Moved,
}

impl Member {
    fn end(&mut self, error: &Arc<Error>) {
        if let Some(subscriber) = self.subscriber.take() {
            subscriber.end(End::Failed(error.clone()));
        }
    }

    /// Rows cost here what they cost a query. Whose budget is spent is ended, and may come again with its cursor.
    fn send(&mut self, app: &App, view: &View, step: &Step) -> Sent {
        let Some(subscriber) = &self.subscriber else { return Sent::Gone };
        let sent = subscriber.send(&step.event);
        if sent == Sent::Taken {
            for (ty, rows) in step.rows.iter() {
                self.rows.entry(*ty).or_default().join(*rows);
            }
            let person = self.caller.principal;
            let cost = step.rows.iter().map(|(_, delivered)| delivered.rows).sum();
            if let Err(error) = app.budgets.spend(person, view.budget(&self.caller, app.clock.now()), cost) {
                self.end(&Arc::new(error));
            }
        }
        sent
    }

    /// Until the reader has taken what waits.
    async fn drained(&self) -> std::result::Result<(), Stop> {
        match &self.subscriber {
            Some(subscriber) if subscriber.drained().await => Ok(()),
            _ => Err(Stop::Gone),
        }
    }

    fn is_gone(&self) -> bool {
        self.subscriber.as_ref().is_none_or(Subscriber::is_gone)
    }

    fn owes_a_line(&self) -> bool {
        let rows: u32 = self.rows.values().map(|delivered| delivered.rows).sum();
        rows >= NOTED_ROWS || rows > 0 && (self.noted.elapsed() >= NOTED_AFTER || self.is_gone())
    }

    /// Brings what was handed out into the access log.
    fn note(&mut self, app: &App, lens: &Lens) -> Result<()> {
        let rows = std::mem::take(&mut self.rows);
        self.noted = time::Instant::now();
        let Some(watch) = &lens.watch else { return Ok(()) };
        app.audit.record((&*self.caller).into(), Action::Subscribe, &watch.reads, |ty| {
            rows.get(&ty).copied().unwrap_or_default()
        })
    }
}

impl Group {
    pub fn new(key: Key, desk: Desk) -> Self {
        Group { key, desk, live: Mutex::default(), wake: Notify::new(), users: AtomicUsize::new(0) }
    }

    /// A member that is not there yet. The group stays as long as it has one.
    pub fn member(self: &Arc<Self>, caller: Arc<Caller>, subscriber: Subscriber) -> Member {
        self.users.fetch_add(1, Ordering::AcqRel);
        Member {
            caller,
            subscriber: Some(subscriber),
            rows: BTreeMap::new(),
            noted: time::Instant::now(),
            _user: User(self.clone()),
        }
    }

    /// Tells the members what happens, until nobody is left.
    pub async fn keep(self: Arc<Self>, app: Weak<App>, is_over: impl Fn() -> bool + Send) {
        let mut ticks = time::interval(TICK);
        ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
        let mut checkpoint = time::Instant::now() + CHECKPOINT;
        let mut failing = false;
        let Some(mut heads) = app.upgrade().map(|app| app.gate.heads()) else { return };
        while !is_over() {
            tokio::select! {
                _ = ticks.tick() => {}
                _ = heads.changed() => {}
                () = self.wake.notified() => {}
            }
            let head = heads.borrow_and_update().0;
            let Some(app) = app.upgrade() else { return };
            let due = time::Instant::now() >= checkpoint;
            if due {
                checkpoint += CHECKPOINT;
            }
            let turned = self.turn(&app, head, due).await;
            if let (Err(error), false) = (&turned, failing) {
                tracing::warn!("a feed waits: {error}");
            }
            failing = turned.is_err();
        }
    }

    async fn turn(self: &Arc<Self>, app: &Arc<App>, head: i64, checkpoint: bool) -> Result<()> {
        let mut live = self.live.lock().await;
        let lens = live.state.as_ref().map(|state| state.lens.clone());
        if let Some(lens) = &lens {
            for member in live.members.iter_mut().filter(|member| member.owes_a_line()) {
                if let Err(error) = member.note(app, lens) {
                    member.end(&Arc::new(error));
                }
            }
        }
        live.members.retain(|member| !member.is_gone());
        if live.members.is_empty() {
            return Ok(());
        }
        let now = app.clock.now();
        if self.is_due(app, &live, head, now) {
            self.advance(app, &mut live, None).await?;
        }
        if checkpoint && let Some(state) = live.state.clone().filter(|state| state.lens.watch.is_some()) {
            let step = self.desk.checkpoint(&state, now)?;
            self.deliver(app, &mut live, &state.lens.view, &step, &Copy::at(state.clone()));
        }
        Ok(())
    }

    fn is_due(&self, app: &App, live: &Live, head: i64, now: Instant) -> bool {
        let Some(state) = &live.state else { return true };
        let view = &state.lens.view;
        head > state.position
            || live.edge.is_some_and(|edge| edge <= now)
            || now.0 < state.at.0 - CLOCKS_DIFFER
            || view.policies != app.gate.rules().version
            || !view.edges.hold(now)
            || live.members.iter().any(|member| !view.held_by(member.caller.principal, now))
    }

    /// From the state that the members have to what is now.
    async fn advance(self: &Arc<Self>, app: &Arc<App>, live: &mut Live, comer: Option<&Arc<Caller>>) -> Result<()> {
        let (view, me, head, now) = self.present(app, live, comer).await?;
        for member in &mut live.members {
            if !view.held_by(member.caller.principal, now) {
                member.end(&Arc::new(lost_seat()));
            }
        }
        let lens = match &live.state {
            Some(state) if state.lens.view.id == view.id => state.lens.clone(),
            _ => Arc::new(self.lens(app, view.clone(), me)?),
        };
        let stood = live.state.as_ref().map(|state| state.at).filter(|at| now.0 >= at.0 - CLOCKS_DIFFER);
        let mut at = stood.unwrap_or(now);
        let mut edge = app.gate.next_edge_at(head, &view, me, at).await?;
        if live.edge.into_iter().chain(edge).any(|edge| edge <= now) {
            at = now;
            edge = app.gate.next_edge_at(head, &view, me, at).await?;
        }
        let target = State { position: head, at, lens };
        let mut copy = match &live.state {
            Some(state) if !live.members.is_empty() => Copy::at(state.clone()),
            _ => Copy::at(target.clone()),
        };
        while copy.whole().is_none_or(|state| !state.is_like(&target) || state.position != target.position) {
            let page = match self.desk.page(app, &copy, &target).await {
                Err(error) if error.code() == Code::Gap => None,
                page => page?,
            };
            let Some(page) = page else {
                for member in std::mem::take(&mut live.members) {
                    self.let_go(app, member, &copy);
                }
                break;
            };
            for step in &page.steps {
                self.deliver(app, live, &target.lens.view, step, &copy);
                copy = step.after.clone();
            }
            copy = page.copy;
            live.state = copy.whole().cloned().or(live.state.take());
        }
        (live.state, live.edge) = (Some(target.clone()), edge);
        if target.lens.watch.is_none() {
            let error = Arc::new(no_longer());
            live.members.iter_mut().for_each(|member| member.end(&error));
        }
        live.members.retain(|member| member.subscriber.is_some());
        Ok(())
    }

    /// The view as it is now, with whom it is for, and the position of the log that it belongs to.
    async fn present(
        &self,
        app: &App,
        live: &mut Live,
        comer: Option<&Arc<Caller>>,
    ) -> Result<(Arc<View>, Uuid, i64, Instant)> {
        for _ in 0..ATTEMPTS {
            let now = app.clock.now();
            let mut found = None;
            let callers = comer.into_iter().cloned().chain(live.members.iter().map(|member| member.caller.clone()));
            for caller in callers.collect::<Vec<_>>() {
                match app.gate.fresh_view(&caller, now).await {
                    Ok(view) => {
                        found = Some((view, caller.principal));
                        break;
                    }
                    Err(error) if !matches!(error.code(), Code::Unauthenticated | Code::Forbidden) => {
                        return Err(error);
                    }
                    Err(error) => {
                        if comer.is_some_and(|comer| Arc::ptr_eq(comer, &caller)) {
                            return Err(error);
                        }
                        let error = Arc::new(error);
                        let his = live.members.iter_mut().filter(|member| Arc::ptr_eq(&member.caller, &caller));
                        his.for_each(|member| member.end(&error));
                    }
                }
            }
            let Some((view, me)) = found else { return Err(lost_seat()) };
            let head = app.gate.head().await?.0;
            // nothing that views are made of was committed between the two
            if app.gate.version().await? == view.version {
                return Ok((view, me, head, now));
            }
        }
        Err(Error::unavailable("the shared data changed too often to follow"))
    }

    fn lens(&self, app: &App, view: Arc<View>, me: Uuid) -> Result<Lens> {
        let limits = app.graphql.limits();
        match self.desk.question.watch(&view, app.gate.dialect(), &self.desk.codec, limits) {
            Ok(watch) if watch.personal && self.key.person.is_none() => {
                Err(Error::Gap("what you are shown depends on your person from now on, subscribe again".into()))
            }
            Ok(watch) => Ok(Lens { print: watch.print(me), watch: Some(watch), view, me }),
            Err(error) if matches!(error.code(), Code::Internal) => Err(error),
            Err(_) => Ok(Lens { view, watch: None, print: [0; 16], me }),
        }
    }

    /// Hands a step to all members. Who cannot take it goes on by itself, from what it held before.
    fn deliver(self: &Arc<Self>, app: &Arc<App>, live: &mut Live, view: &View, step: &Step, before: &Copy) {
        let mut slow = Vec::new();
        for (i, member) in live.members.iter_mut().enumerate() {
            if member.send(app, view, step) == Sent::Full {
                slow.push(i);
            }
        }
        for i in slow.into_iter().rev() {
            let member = live.members.swap_remove(i);
            self.let_go(app, member, before);
        }
    }

    /// The member goes on by itself.
    fn let_go(self: &Arc<Self>, app: &Arc<App>, member: Member, held: &Copy) {
        tokio::spawn(self.clone().join(Arc::downgrade(app), member, Begin::At(held.clone())));
    }

    // ---- one that is not there yet

    /// Brings a member to where the group is.
    pub async fn join(self: Arc<Self>, app: Weak<App>, mut member: Member, begin: Begin) {
        let stop = match self.approach(&app, &mut member, begin).await {
            Ok(mut live) => return live.members.push(member),
            Err(stop) => stop,
        };
        let lens = self.live.lock().await.state.as_ref().map(|state| state.lens.clone());
        if let (Some(app), Some(lens)) = (app.upgrade(), lens)
            && !member.rows.is_empty()
            && let Err(error) = member.note(&app, &lens)
        {
            tracing::error!("{error}");
        }
        if let Stop::Failed(error) = stop {
            member.end(&Arc::new(error));
        }
    }

    /// Until the member holds what the group's members do; the group stands still from there on.
    async fn approach<'a>(
        self: &'a Arc<Self>,
        app: &Weak<App>,
        member: &mut Member,
        begin: Begin,
    ) -> std::result::Result<MutexGuard<'a, Live>, Stop> {
        let (mut begin, mut copy, mut rounds) = (Some(begin), Copy::empty(), 0);
        loop {
            let app = app.upgrade().ok_or(Stop::Gone)?;
            let mut live = self.live.lock().await;
            self.advance(&app, &mut live, Some(&member.caller)).await?;
            let target = live.state.clone().filter(|state| state.lens.watch.is_some());
            let target = target.ok_or_else(|| Stop::Failed(no_longer()))?;
            let mut lost = None;
            match begin.take() {
                None | Some(Begin::Snapshot) => {}
                Some(Begin::Now) => copy = Copy::at(target.clone()),
                Some(Begin::At(held)) => copy = held,
                Some(Begin::After(mark)) => match mark.through(&target.lens) {
                    _ if mark.positions().0 < app.gate.oldest().await?.0 => lost = Some(TOO_OLD),
                    Some(held) => copy = held,
                    None => lost = Some(OTHER_RIGHTS),
                },
            }
            let way = match (lost, self.goal(&app, &copy, &target).await?) {
                (Some(reason), _) => Way::Lost(reason),
                (None, None) => Way::Lost(OTHER_RIGHTS),
                (None, Some(goal)) => {
                    // who cannot come up with the group is waited for
                    if rounds < ROUNDS {
                        let edge = live.edge;
                        drop(live);
                        let way = self.walk(&app, member, &mut copy, &goal, Some(edge)).await?;
                        live = self.live.lock().await;
                        way
                    } else {
                        self.walk(&app, member, &mut copy, &goal, None).await?
                    }
                }
            };
            rounds += 1;
            match way {
                Way::Reached => {
                    let there = live.state.as_ref();
                    let met = there.is_some_and(|state| state.is_like(&target) && state.position == target.position);
                    copy = Copy::at(target.clone());
                    if met {
                        let step = self.desk.checkpoint(&target, app.clock.now())?;
                        match member.send(&app, &target.lens.view, &step) {
                            Sent::Taken => return Ok(live),
                            Sent::Full => {}
                            Sent::Gone => return Err(Stop::Gone),
                        }
                        drop(live);
                        member.drained().await?;
                    }
                }
                Way::Moved => {}
                Way::Full => {
                    drop(live);
                    rounds = 0;
                    member.drained().await?;
                }
                Way::Lost(reason) => {
                    drop(live);
                    copy = Copy::empty();
                    let gap = self.desk.gap(&target, reason, app.clock.now())?;
                    while member.send(&app, &target.lens.view, &gap) != Sent::Taken {
                        member.drained().await?;
                    }
                }
            }
        }
    }

    /// The state to bring this copy to so that it is like the target; `None` if there is no exact way.
    async fn goal(&self, app: &App, copy: &Copy, target: &State) -> Result<Option<State>> {
        let Some(held) = copy.ahead.as_ref().map(|(state, _)| state).or(copy.rest.as_ref()) else {
            return Ok(Some(target.clone()));
        };
        if held.is_like(target) {
            return Ok(Some(target.clone()));
        }
        if held.lens.print == target.lens.print && held.at <= target.at {
            let lens = &target.lens;
            let edge = app.gate.next_edge_at(target.position, &lens.view, lens.me, held.at).await?;
            if edge.is_none_or(|edge| edge > target.at) {
                return Ok(Some(State { at: held.at, ..target.clone() }));
            }
        }
        Ok(copy.ahead.is_none().then(|| target.clone()))
    }

    /// Sends what leads to the goal. With an edge it may take its time, as long as rights stay as they are.
    async fn walk(
        &self,
        app: &App,
        member: &mut Member,
        copy: &mut Copy,
        goal: &State,
        edge: Option<Option<Instant>>,
    ) -> std::result::Result<Way, Stop> {
        while copy.whole().is_none_or(|state| !state.is_like(goal) || state.position != goal.position) {
            let page = match self.desk.page(app, copy, goal).await {
                Err(error) if error.code() == Code::Gap => return Ok(Way::Lost(TOO_OLD)),
                page => page?,
            };
            let Some(page) = page else { return Ok(Way::Lost(OTHER_RIGHTS)) };
            for step in page.steps {
                loop {
                    match (member.send(app, &goal.lens.view, &step), edge) {
                        (Sent::Taken, _) => break,
                        (Sent::Gone, _) => return Err(Stop::Gone),
                        (Sent::Full, None) => return Ok(Way::Full),
                        (Sent::Full, Some(_)) => member.drained().await?,
                    }
                }
                *copy = step.after;
            }
            *copy = page.copy;
            if let Some(edge) = edge
                && (edge.is_some_and(|edge| edge <= app.clock.now()) || !self.holds(app, goal).await?)
            {
                return Ok(Way::Moved);
            }
        }
        Ok(Way::Reached)
    }

    /// Whether the view is still what it was.
    async fn holds(&self, app: &App, state: &State) -> Result<bool> {
        let view = &state.lens.view;
        Ok(view.policies == app.gate.rules().version && view.version == app.gate.version().await?)
    }
}

const ATTEMPTS: usize = 5;
const TOO_OLD: &str =
    "the changes since this cursor are no longer kept: drop all rows, those that are shown now follow";
const OTHER_RIGHTS: &str =
    "what you may see has changed since this cursor: drop all rows, those that are shown now follow";

fn lost_seat() -> Error {
    Error::unauthenticated("the token names a seat that its person does not hold now, ask for a new token")
}

fn no_longer() -> Error {
    Error::Validation(
        "what you may see has changed, and the document asks for what is not among it: subscribe anew".into(),
    )
}
