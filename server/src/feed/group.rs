//! Subscribers that ask the same through the same view. What happens is compared and written once for all of them,
//! and each gets the same bytes. Whoever comes, or was too slow, catches up by itself and then joins.

use std::{
    collections::BTreeSet,
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
    Sent, Subscriber,
    copy::{Copy, Lens, Mark, State},
    difference::{CHANGES, Desk, Step},
    member::Member,
};
use crate::{
    access::{Caller, View, log::Position, moments::EdgeLeads},
    app::App,
    catalogue::TypeId,
    error::{Code, Error, Result},
};

/// How often a group looks whether time or policies have moved its rights.
const TICK: Duration = Duration::from_millis(100);
/// How often a cursor is handed out, whether anything happened or not.
const CHECKPOINT: Duration = Duration::from_secs(10);
/// A clock that is behind by less than this, in microseconds, is taken to stand still.
const CLOCKS_DIFFER: i64 = 5_000_000;
/// How long a member that catches up waits for a database that is away, at first and at most.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
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
    /// What the members hold: a state, but where something came between the pages that lead to it.
    held: Option<Copy>,
    /// The next instant at which rights move by themselves.
    edge: Option<Instant>,
    /// What decides about it, by the view that it is of.
    edge_leads: Option<(u64, EdgeLeads)>,
    members: Vec<Member>,
}

impl Live {
    fn state(&self) -> Option<&State> {
        self.held.as_ref().and_then(Copy::whole)
    }
}

/// Keeps the group.
pub struct User(Arc<Group>);

impl Drop for User {
    fn drop(&mut self) {
        self.0.users.fetch_sub(1, Ordering::AcqRel);
        self.0.wake.notify_one();
    }
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

impl Group {
    pub fn new(key: Key, desk: Desk) -> Self {
        Group { key, desk, live: Mutex::default(), wake: Notify::new(), users: AtomicUsize::new(0) }
    }

    /// A member that is not there yet. The group stays as long as it has one.
    pub fn member(self: &Arc<Self>, app: &App, caller: Arc<Caller>, subscriber: Subscriber) -> Member {
        self.users.fetch_add(1, Ordering::AcqRel);
        Member::new(caller, subscriber, app.audit.clone(), User(self.clone()))
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
        live.members.iter_mut().for_each(Member::note_in_time);
        live.members.retain(|member| !member.is_gone());
        if live.members.is_empty() {
            return Ok(());
        }
        let now = app.clock.now();
        if self.is_due(app, &live, head, now) {
            // who is woken by a commit takes what the other groups have read of it
            let moved = live.state().is_some_and(|state| head > state.position);
            self.advance(app, &mut live, None, moved.then_some(Position(head))).await?;
        }
        if checkpoint && let Some(state) = live.state().cloned().filter(|state| state.lens.watch.is_some()) {
            let step = self.desk.checkpoint(&state, now)?;
            self.deliver(app, &mut live, &state.lens, &[step], &Copy::at(state.clone()));
        }
        Ok(())
    }

    fn is_due(&self, app: &App, live: &Live, head: i64, now: Instant) -> bool {
        let Some(state) = live.state() else { return true };
        let view = &state.lens.view;
        head > state.position
            || live.edge.is_some_and(|edge| edge <= now)
            || now.0 < state.at.0 - CLOCKS_DIFFER
            || view.policies != app.gate.rules().version
            || !view.edges.hold(now)
            || live.members.iter().any(|member| member.admitted(view, now).is_err())
    }

    /// From what the members hold to what is now, or was at a position that is enough.
    async fn advance(
        self: &Arc<Self>,
        app: &Arc<App>,
        live: &mut Live,
        comer: Option<&Arc<Caller>>,
        mut least: Option<Position>,
    ) -> Result<()> {
        loop {
            let (target, edge) = self.target(app, live, comer, least.take()).await?;
            if !self.reach(app, live, &target, edge).await? {
                continue;
            }
            if target.lens.watch.is_none() {
                let error = Arc::new(no_longer());
                live.members.iter_mut().for_each(|member| member.end(&error));
            }
            live.members.retain(|member| !member.is_gone());
            return Ok(());
        }
    }

    /// The state of now, and the instant at which its rights move by themselves.
    async fn target(
        &self,
        app: &App,
        live: &mut Live,
        comer: Option<&Arc<Caller>>,
        least: Option<Position>,
    ) -> Result<(State, Option<Instant>)> {
        let (view, me, head, now) = self.present(app, live, comer, least).await?;
        for member in &mut live.members {
            if let Err(error) = member.admitted(&view, now) {
                member.end(&Arc::new(error));
            }
        }
        let newest = live.held.as_ref().and_then(Copy::newest);
        let lens = self.lens(app, view.clone(), me, newest.map(|state| &state.lens)).await?;
        let stood = newest.map(|state| state.at).filter(|at| now.0 >= at.0 - CLOCKS_DIFFER);
        let edge = match stood {
            Some(at) => Self::edge(app, live, head, &view, me, at).await?,
            None => None,
        };
        let passed = live.edge.into_iter().chain(edge).filter(|edge| *edge <= now).max();
        let (at, edge) = match stood.filter(|_| passed.is_none()) {
            Some(at) => (at, edge),
            None => Self::instant(app, head, &view, me, passed, now).await?,
        };
        Ok((State { position: head, at, lens }, edge))
    }

    /// Where a group begins to stand, with the next edge: at the instant of other groups, if for this one it is like now.
    /// Then what is known of it serves all of them.
    async fn instant(
        app: &App,
        head: i64,
        view: &View,
        me: Uuid,
        passed: Option<Instant>,
        now: Instant,
    ) -> Result<(Instant, Option<Instant>)> {
        loop {
            let others = app.gate.instant();
            let behind = |at: &Instant| *at <= app.clock.now() && passed.is_none_or(|edge| edge <= *at);
            if let Some(at) = others.filter(|at| behind(at) && view.edges.hold(*at)) {
                let edge = app.gate.next_edge_at(head, view, me, at).await?;
                if edge.is_none_or(|edge| edge > now) {
                    return Ok((at, edge));
                }
            }
            // of those who begin together one says where
            if app.gate.stand_at(others, now) {
                return Ok((now, app.gate.next_edge_at(head, view, me, now).await?));
            }
        }
    }

    /// The next edge as it is at a position: the one that is known, unless something was written that decides about it.
    async fn edge(
        app: &App,
        live: &mut Live,
        head: i64,
        view: &View,
        me: Uuid,
        at: Instant,
    ) -> Result<Option<Instant>> {
        let known = live.state().filter(|state| (state.lens.view.id, state.lens.me, state.at) == (view.id, me, at));
        if let Some(known) = known.map(|state| state.position).filter(|known| *known <= head) {
            let leads = match live.edge_leads.take() {
                Some((of, leads)) if of == view.id => leads,
                _ => app.gate.edge_leads(view),
            };
            let stays = Self::stays(app, &leads, (Position(known), Position(head)), at).await;
            live.edge_leads = Some((view.id, leads));
            // what is no longer in the log is asked for anew
            if stays.unwrap_or(false) {
                return Ok(live.edge);
            }
        }
        app.gate.next_edge_at(head, view, me, at).await
    }

    /// Whether nothing was written between two positions that decides about the next edge.
    async fn stays(app: &App, leads: &EdgeLeads, between: (Position, Position), at: Instant) -> Result<bool> {
        let since = app.gate.touched_until(between.0, between.1, CHANGES).await?;
        if since.until < between.1 || since.list.iter().any(|row| leads.types.contains(&row.ty)) {
            return Ok(false);
        }
        let rows = since.list.iter().filter(|row| leads.columns.contains_key(&row.ty));
        let rows: BTreeSet<(TypeId, Uuid)> = rows.map(|row| (row.ty, row.key)).collect();
        Ok(rows.is_empty() || app.gate.holds_alike(&leads.columns, &rows, between, at).await?)
    }

    /// Tells the members what leads to a state; not all of it if rights move meanwhile.
    async fn reach(
        self: &Arc<Self>,
        app: &Arc<App>,
        live: &mut Live,
        target: &State,
        edge: Option<Instant>,
    ) -> Result<bool> {
        let held = live.held.take().filter(|_| !live.members.is_empty());
        let mut copy = held.unwrap_or_else(|| Copy::at(target.clone()));
        let mut pages = 0;
        while !copy.is(target) {
            // what was told stays told, whatever comes now
            live.held = Some(copy.clone());
            if pages > 0 {
                live.edge = edge;
                if !self.holds(app, target, edge).await? {
                    return Ok(false);
                }
            }
            pages += 1;
            let page = match self.desk.page(app, &copy, target).await {
                Err(error) if error.code() == Code::Gap => None,
                page => page?,
            };
            let Some(page) = page else {
                for member in std::mem::take(&mut live.members) {
                    self.let_go(app, member, &copy);
                }
                break;
            };
            self.deliver(app, live, &target.lens, &page.steps, &copy);
            copy = page.copy;
        }
        (live.held, live.edge) = (Some(Copy::at(target.clone())), edge);
        Ok(true)
    }

    /// The view as it is now, with whom it is for, and the position of the log that it belongs to.
    async fn present(
        &self,
        app: &App,
        live: &mut Live,
        comer: Option<&Arc<Caller>>,
        least: Option<Position>,
    ) -> Result<(Arc<View>, Uuid, i64, Instant)> {
        for attempt in 0..ATTEMPTS {
            let stand = app.gate.stand(least.filter(|_| attempt == 0)).await?;
            let now = app.clock.now();
            let mut found = None;
            let mut nth = 0;
            loop {
                let members = live.members.iter().map(|member| &member.caller);
                let Some(caller) = comer.into_iter().chain(members).nth(nth).cloned() else { break };
                nth += 1;
                match app.gate.view_at(&caller, stand.version, now).await {
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
            // nothing that views are made of was committed between the two
            if stand.version == view.version {
                return Ok((view, me, stand.head.0, now));
            }
        }
        Err(Error::unavailable("the shared data changed too often to follow"))
    }

    /// The lens, with its view at another version of the shared data.
    fn through(lens: &Arc<Lens>, view: Arc<View>) -> Arc<Lens> {
        if Arc::ptr_eq(&lens.view, &view) {
            return lens.clone();
        }
        Arc::new(Lens { view, ..Lens::clone(lens) })
    }

    /// How the view looks at the question: the same lens as long as it shows the same.
    async fn lens(&self, app: &App, view: Arc<View>, me: Uuid, last: Option<&Arc<Lens>>) -> Result<Arc<Lens>> {
        let last = last.filter(|last| last.view.id == view.id);
        let looks = match last {
            Some(last) if !last.is_looked() => return Ok(Self::through(last, view)),
            // a look is one person's, and in the place of another there is none
            _ if self.key.person.is_some() && self.key.place.is_none() => {
                app.gate.open_looks(me, app.clock.now()).await?
            }
            _ => Vec::new(),
        };
        if let Some(last) = last.filter(|last| last.looks == looks) {
            return Ok(Self::through(last, view));
        }
        let limits = app.graphql.limits();
        let lens = match self.desk.question.watch(&view, app.gate.dialect(), &self.desk.codec, limits) {
            Ok(watch) if watch.personal && self.key.person.is_none() => {
                let text = "what you are shown depends on your person from now on, subscribe again";
                return Err(Error::Gap(text.into()));
            }
            Ok(watch) => {
                // before the first cursor that is sealed by them
                app.gate.keep_policies().await?;
                Lens { print: watch.print(me), watch: Some(Arc::new(watch)), view, me, looks }
            }
            Err(error) if matches!(error.code(), Code::Internal) => return Err(error),
            Err(_) => Lens { view, watch: None, print: [0; 16], me, looks },
        };
        Ok(Arc::new(lens))
    }

    /// Hands steps to all members. Who cannot take them all goes on by itself, from what it holds then.
    fn deliver(self: &Arc<Self>, app: &Arc<App>, live: &mut Live, lens: &Arc<Lens>, steps: &[Step], before: &Copy) {
        if steps.is_empty() {
            return;
        }
        let mut slow = Vec::new();
        for (i, member) in live.members.iter_mut().enumerate() {
            if let (taken, Sent::Full) = member.send_all(app, lens, steps) {
                slow.push((i, taken));
            }
        }
        for (i, taken) in slow.into_iter().rev() {
            let member = live.members.swap_remove(i);
            let held = if taken == 0 { before } else { &steps[taken - 1].after };
            self.let_go(app, member, held);
        }
    }

    /// The member goes on by itself.
    fn let_go(self: &Arc<Self>, app: &Arc<App>, member: Member, held: &Copy) {
        tokio::spawn(self.clone().join(Arc::downgrade(app), member, Begin::At(held.clone())));
    }

    // ---- one that is not there yet

    /// Brings a member to where the group is. Whoever is there waits while the database is away; so does who is not.
    pub async fn join(self: Arc<Self>, app: Weak<App>, mut member: Member, begin: Begin) {
        let (mut begin, mut copy, mut pause) = (Some(begin), Copy::empty(), PAUSE);
        loop {
            let error = match self.approach(&app, &mut member, &mut begin, &mut copy).await {
                Ok(mut live) => return live.members.push(member),
                Err(Stop::Gone) => return,
                Err(Stop::Failed(error)) => error,
            };
            if !matches!(error, Error::Unavailable(_)) {
                return member.end(&Arc::new(error));
            }
            tracing::warn!("a subscriber waits: {error}");
            time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            if member.is_gone() {
                return;
            }
        }
    }

    /// Until the member holds what the group's members do; the group stands still from there on. What it holds by then, and
    /// where it begins if it holds nothing yet, outlives a failure.
    async fn approach<'a>(
        self: &'a Arc<Self>,
        app: &Weak<App>,
        member: &mut Member,
        begin: &mut Option<Begin>,
        copy: &mut Copy,
    ) -> std::result::Result<MutexGuard<'a, Live>, Stop> {
        let mut missed = 0;
        loop {
            let app = app.upgrade().ok_or(Stop::Gone)?;
            let mut live = self.live.lock().await;
            self.advance(&app, &mut live, Some(&member.caller), None).await?;
            let target = live.state().cloned().ok_or_else(|| Stop::Failed(no_longer()))?;
            let edge = live.edge;
            if target.lens.watch.is_none() {
                drop(live);
                self.take_back(&app, member, begin.as_ref(), copy, &target, edge).await?;
                return Err(Stop::Failed(no_longer()));
            }
            let mut lost = None;
            match &*begin {
                None | Some(Begin::Snapshot) => {}
                Some(Begin::Now) => *copy = Copy::at(target.clone()),
                Some(Begin::At(held)) => *copy = held.clone(),
                Some(Begin::After(mark)) if mark.positions().0 < app.gate.oldest().await?.0 => lost = Some(TOO_OLD),
                Some(Begin::After(mark)) => match self.held(&app, mark, &target.lens, &member.caller).await? {
                    Some(held) => *copy = held,
                    None => lost = Some(OTHER_RIGHTS),
                },
            }
            let goal = self.goal(&app, copy, &target).await?;
            *begin = None;
            let way = match (lost, goal) {
                (Some(reason), _) => Way::Lost(reason),
                (None, None) => Way::Lost(OTHER_RIGHTS),
                // who cannot come up with the group is waited for
                (None, Some(goal)) if missed >= ROUNDS => self.walk(&app, member, copy, &goal, edge, false).await?,
                (None, Some(goal)) => {
                    drop(live);
                    let way = self.walk(&app, member, copy, &goal, edge, true).await?;
                    live = self.live.lock().await;
                    way
                }
            };
            match way {
                Way::Reached => {
                    let there = live.state();
                    let met = there.is_some_and(|state| state.is_like(&target) && state.position == target.position);
                    *copy = Copy::at(target.clone());
                    if met {
                        let step = self.desk.checkpoint(&target, app.clock.now())?;
                        match member.send(&app, &target.lens, &step) {
                            Sent::Taken => return Ok(live),
                            Sent::Full => {}
                            Sent::Gone => return Err(Stop::Gone),
                        }
                        drop(live);
                        drain(member).await?;
                    } else {
                        missed += 1;
                    }
                }
                Way::Moved => {}
                Way::Full => {
                    drop(live);
                    missed = 0;
                    drain(member).await?;
                }
                Way::Lost(reason) => {
                    drop(live);
                    *copy = Copy::empty();
                    let gap = self.desk.gap(&target, reason, app.clock.now())?;
                    while member.send(&app, &target.lens, &gap) != Sent::Taken {
                        drain(member).await?;
                    }
                }
            }
        }
    }

    /// What the owner of a cursor holds: what it was shown by today's rights, or by those that it had then.
    async fn held(&self, app: &App, mark: &Mark, now: &Arc<Lens>, caller: &Caller) -> Result<Option<Copy>> {
        if let Some(held) = mark.through(now) {
            return Ok(Some(held));
        }
        if mark.ahead.is_some() {
            return Ok(None);
        }
        // it was made again as it was, or it tells nothing
        Ok(self.former(app, mark, caller).await?.and_then(|lens| mark.through(&lens)))
    }

    /// How the question was looked at when the cursor was handed out.
    async fn former(&self, app: &App, mark: &Mark, caller: &Caller) -> Result<Option<Arc<Lens>>> {
        let Some((position, at)) = mark.oldest() else { return Ok(None) };
        let view = app.gate.former_view(caller, mark.policies, position, at).await?;
        let Some(view) = view else { return Ok(None) };
        let limits = app.graphql.limits();
        let watch = self.desk.question.watch(&view, app.gate.dialect(), &self.desk.codec, limits).ok().map(Arc::new);
        let me = caller.principal;
        let print = watch.as_ref().map_or([0; 16], |watch| watch.print(me));
        Ok(Some(Arc::new(Lens { view, watch, print, me, looks: Vec::new() })))
    }

    /// Takes from a member what it holds, where nothing of it is shown any more; or tells it to drop all.
    async fn take_back(
        &self,
        app: &App,
        member: &mut Member,
        begin: Option<&Begin>,
        copy: &mut Copy,
        target: &State,
        edge: Option<Instant>,
    ) -> std::result::Result<(), Stop> {
        let mut known = None;
        match begin {
            Some(Begin::Snapshot | Begin::Now) => return Ok(()),
            None => {}
            Some(Begin::At(held)) => *copy = held.clone(),
            Some(Begin::After(mark)) => {
                let lens = self.former(app, mark, &member.caller).await?;
                *copy = match lens.as_ref().filter(|_| mark.ahead.is_none()).and_then(|lens| mark.through(lens)) {
                    Some(held) if mark.positions().0 >= app.gate.oldest().await?.0 => held,
                    _ => Copy::empty(),
                };
                known = lens.zip(mark.oldest()).map(|(lens, (Position(position), at))| State { position, at, lens });
            }
        }
        known = copy.rest.clone().or(known).filter(|state| state.lens.watch.is_some());
        let way = match copy.whole() {
            Some(_) => self.walk(app, member, copy, target, edge, true).await?,
            None => Way::Lost(OTHER_RIGHTS),
        };
        if let (false, Some(known)) = (matches!(way, Way::Reached), known) {
            let gap = self.desk.gap(&known, OTHER_RIGHTS, app.clock.now())?;
            while member.send(app, &known.lens, &gap) != Sent::Taken {
                drain(member).await?;
            }
        }
        Ok(())
    }

    /// The state to bring this copy to so that it is like the target; `None` if there is no exact way.
    async fn goal(&self, app: &App, copy: &Copy, target: &State) -> Result<Option<State>> {
        let Some(held) = copy.ahead.as_ref().map(|(state, _)| state).or(copy.rest.as_ref()) else {
            return Ok(Some(target.clone()));
        };
        if held.is_like(target) {
            return Ok(Some(target.clone()));
        }
        if held.lens.print == target.lens.print {
            // instants between two edges are alike, whichever came first: groups of two hubs began at two
            let (lens, first, last) = (&target.lens, held.at.min(target.at), held.at.max(target.at));
            let edge = app.gate.next_edge_at(target.position, &lens.view, lens.me, first).await?;
            if edge.is_none_or(|edge| edge > last) {
                return Ok(Some(State { at: held.at, ..target.clone() }));
            }
        }
        Ok(copy.ahead.is_none().then(|| target.clone()))
    }

    /// Sends what leads to the goal, as long as rights stay as they are; a patient one waits for its reader.
    async fn walk(
        &self,
        app: &App,
        member: &mut Member,
        copy: &mut Copy,
        goal: &State,
        edge: Option<Instant>,
        patient: bool,
    ) -> std::result::Result<Way, Stop> {
        while !copy.is(goal) {
            let page = match self.desk.page(app, copy, goal).await {
                Err(error) if error.code() == Code::Gap => return Ok(Way::Lost(TOO_OLD)),
                page => page?,
            };
            let Some(page) = page else { return Ok(Way::Lost(OTHER_RIGHTS)) };
            let mut full = false;
            for step in page.steps {
                match member.send(app, &goal.lens, &step) {
                    Sent::Taken => *copy = step.after,
                    Sent::Gone => return Err(Stop::Gone),
                    Sent::Full => {
                        full = true;
                        break;
                    }
                }
            }
            match full {
                false => *copy = page.copy,
                true if !patient => return Ok(Way::Full),
                // the rest of the page is asked for anew: nobody knows for how long a reader is waited for
                true => drain(member).await?,
            }
            member.admitted(&goal.lens.view, app.clock.now())?;
            if !self.holds(app, goal, edge).await? {
                return Ok(Way::Moved);
            }
        }
        Ok(Way::Reached)
    }

    /// Whether rights are still those of the state.
    async fn holds(&self, app: &App, state: &State, edge: Option<Instant>) -> Result<bool> {
        let view = &state.lens.view;
        Ok(edge.is_none_or(|edge| edge > app.clock.now())
            && view.policies == app.gate.rules().version
            && view.version == app.gate.version().await?)
    }
}

async fn drain(member: &Member) -> std::result::Result<(), Stop> {
    if member.drained().await { Ok(()) } else { Err(Stop::Gone) }
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
