//! Connections that stay open: how many there may be, whose they are, and when each must end. While there
//! are any, one task looks after all of them, a few times a second, and asks once for all that are of one caller.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use entities::Instant;
use futures_util::{FutureExt, future::Fuse};
use tokio::{
    sync::{Notify, oneshot},
    time,
};
use uuid::Uuid;

use crate::{
    access::{Caller, Origin, Seat, roster::Place},
    app::App,
    auth,
    error::{Code, Error, Result},
};

/// A right that has ended is noticed within this time.
const LOOK: Duration = Duration::from_millis(250);
/// Of all places, those that connections may take which have not said yet who they are: one in so many.
const STRANGERS: usize = 2;

pub struct Connections {
    most: usize,
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Default)]
struct Open {
    last: u64,
    guests: HashMap<u64, Known>,
    strangers: usize,
    watched: bool,
    stopping: bool,
}

/// What is known of an open connection.
struct Known {
    caller: Option<Arc<Caller>>,
    tell: Option<oneshot::Sender<Notice>>,
}

/// What tells callers apart, but for the time that their tokens end.
type Who = (Arc<Seat>, Uuid, Option<Arc<Place>>, Origin);

/// Connections of one caller.
struct Same {
    caller: Arc<Caller>,
    numbers: Vec<u64>,
}

/// Why a connection must end.
#[derive(Clone, Debug)]
pub(super) enum Notice {
    Stopping,
    /// Its caller is nobody any more.
    Refused(Arc<Error>),
}

impl Connections {
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Connections { most, open: Mutex::default(), left: Notify::new() })
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.open().guests.len()
    }

    /// A place for one that is known from the start.
    pub(super) async fn admit(self: &Arc<Self>, app: &Arc<App>, caller: &Arc<Caller>) -> Result<Guest> {
        let guest = self.enter()?;
        guest.introduce(app, caller).await?;
        Ok(guest)
    }

    /// A place for one more, who is a stranger until it is introduced. Strangers cannot keep out those who are known.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Guest> {
        let mut open = self.open();
        let crowded = open.guests.len() >= self.most || open.strangers * STRANGERS >= self.most;
        if open.stopping || crowded {
            let text = "the hub takes no more connections now, try again in a moment".into();
            return Err(Error::RateLimited { text, retry_after: 5 });
        }
        open.last += 1;
        let (tell, told) = oneshot::channel();
        let number = open.last;
        open.strangers += 1;
        open.guests.insert(number, Known { caller: None, tell: Some(tell) });
        Ok(Guest { number, connections: self.clone(), told: told.fuse() })
    }

    /// Lets nobody in, and tells those who are there.
    pub(super) fn stop(&self) {
        let mut open = self.open();
        open.stopping = true;
        open.guests.values_mut().for_each(|guest| guest.tell(Notice::Stopping));
    }

    pub(super) async fn all_left(&self) {
        loop {
            let left = self.left.notified();
            if self.count() == 0 {
                return;
            }
            left.await;
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everybody who is connected, once; `None` ends the watch. Those whose token has ended are told so.
    fn callers(&self, now: Instant) -> Option<Vec<Same>> {
        let mut open = self.open();
        let mut callers: HashMap<Who, Same> = HashMap::new();
        for (number, guest) in &mut open.guests {
            let Some(caller) = guest.caller.clone().filter(|_| guest.tell.is_some()) else { continue };
            if now >= caller.expires {
                guest.tell(Notice::Refused(Arc::new(auth::expired())));
                continue;
            }
            let who = (caller.seat.clone(), caller.principal, caller.place.clone(), caller.origin);
            callers.entry(who).or_insert_with(|| Same { caller, numbers: Vec::new() }).numbers.push(*number);
        }
        open.watched = !callers.is_empty();
        open.watched.then(|| callers.into_values().collect())
    }

    fn end(&self, same: &Same, error: Error) {
        let notice = Notice::Refused(Arc::new(error));
        let mut open = self.open();
        for number in &same.numbers {
            if let Some(guest) = open.guests.get_mut(number) {
                guest.tell(notice.clone());
            }
        }
    }
}

impl Known {
    fn tell(&mut self, notice: Notice) {
        if let Some(tell) = self.tell.take() {
            // who is about to leave need not hear it
            let _gone = tell.send(notice);
        }
    }
}

/// An open connection's place.
pub(super) struct Guest {
    number: u64,
    connections: Arc<Connections>,
    told: Fuse<oneshot::Receiver<Notice>>,
}

impl Guest {
    /// Says who it is. From now on the connection ends when its caller is nobody any more.
    pub(super) async fn introduce(&self, app: &Arc<App>, caller: &Arc<Caller>) -> Result<()> {
        // the watch notices changes: whoever comes must hold the seat by what the database says now
        app.gate.fresh_view(caller, app.clock.now()).await?;
        let mut open = self.connections.open();
        if let Some(known) = open.guests.get_mut(&self.number) {
            known.caller = Some(caller.clone());
            open.strangers -= 1;
        }
        if !std::mem::replace(&mut open.watched, true) {
            tokio::spawn(watch(app.clone()));
        }
        Ok(())
    }

    /// Until the connection must end; it is said once.
    pub(super) async fn told(&mut self) -> Notice {
        (&mut self.told).await.unwrap_or(Notice::Stopping)
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut open = self.connections.open();
        if open.guests.remove(&self.number).is_some_and(|guest| guest.caller.is_none()) {
            open.strangers -= 1;
        }
        drop(open);
        self.connections.left.notify_waiters();
    }
}

async fn watch(app: Arc<App>) {
    let mut version = None;
    loop {
        time::sleep(LOOK).await;
        let Some(callers) = app.connections.callers(app.clock.now()) else { return };
        // while the database is away, time still ends rights, and all is looked at anew when it is back
        let now = app.gate.version().await.ok();
        let changed = now.is_some() && now != version;
        version = if look(&app, &callers, changed).await { now } else { None };
    }
}

/// Ends the connections of those who are nobody any more; whether all could be looked at.
async fn look(app: &Arc<App>, callers: &[Same], changed: bool) -> bool {
    let now = app.clock.now();
    let mut whole = true;
    let mut fresh = HashSet::new();
    for same in callers {
        let caller = &same.caller;
        // once for each seat: the others in it find the view that was compiled for the first
        let held = match changed && (caller.place.is_some() || fresh.insert(&caller.seat)) {
            true => app.gate.fresh_view(caller, now).await,
            false => app.gate.view(caller, now).await,
        };
        match held {
            Ok(_) => {}
            Err(error) if matches!(error.code(), Code::Unauthenticated | Code::Forbidden) => {
                app.connections.end(same, error);
            }
            Err(_) => whole = false,
        }
    }
    whole
}
