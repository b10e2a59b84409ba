//! Connections that stay open: how many there may be, whose they are, and when each must end. While there
//! are any, one task looks after all of them, a few times a second and once for each caller, not connection.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::{FutureExt, future::Fuse};
use tokio::{
    sync::{Notify, oneshot},
    time,
};

use crate::{
    access::Caller,
    app::App,
    auth,
    error::{Code, Error, Result},
};

/// A right that has ended is noticed within this time.
const LOOK: Duration = Duration::from_millis(250);

pub struct Connections {
    most: usize,
    open: Mutex<Open>,
    left: Notify,
}

#[derive(Default)]
struct Open {
    last: u64,
    guests: HashMap<u64, Known>,
    watched: bool,
    stopping: bool,
}

/// What is known of an open connection.
struct Known {
    caller: Option<Arc<Caller>>,
    tell: Option<oneshot::Sender<Notice>>,
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

    /// A place for one more.
    pub(super) fn enter(self: &Arc<Self>) -> Result<Guest> {
        let mut open = self.open();
        if open.stopping || open.guests.len() >= self.most {
            let text = "the hub takes no more connections now, try again in a moment".into();
            return Err(Error::RateLimited { text, retry_after: 5 });
        }
        open.last += 1;
        let (tell, told) = oneshot::channel();
        let number = open.last;
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

    /// Everybody who is connected, once; `None` ends the watch.
    fn callers(&self) -> Option<Vec<Arc<Caller>>> {
        let mut open = self.open();
        let mut seen = HashSet::new();
        let callers =
            open.guests.values().filter(|guest| guest.tell.is_some()).filter_map(|guest| guest.caller.clone());
        let callers: Vec<_> = callers.filter(|caller| seen.insert(Arc::as_ptr(caller))).collect();
        open.watched = !callers.is_empty();
        open.watched.then_some(callers)
    }

    fn end(&self, caller: &Arc<Caller>, error: Error) {
        let notice = Notice::Refused(Arc::new(error));
        for guest in self.open().guests.values_mut() {
            if guest.caller.as_ref().is_some_and(|held| Arc::ptr_eq(held, caller)) {
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
        self.connections.open().guests.remove(&self.number);
        self.connections.left.notify_waiters();
    }
}

async fn watch(app: Arc<App>) {
    let mut version = None;
    loop {
        time::sleep(LOOK).await;
        let Some(callers) = app.connections.callers() else { return };
        // while the database is away, time still ends rights, and all is looked at anew when it is back
        let now = app.gate.version().await.ok();
        let changed = now.is_some() && now != version;
        version = if look(&app, &callers, changed).await { now } else { None };
    }
}

/// Ends the connections of those who are nobody any more; whether all could be looked at.
async fn look(app: &Arc<App>, callers: &[Arc<Caller>], changed: bool) -> bool {
    let now = app.clock.now();
    let mut whole = true;
    let mut fresh = HashSet::new();
    for caller in callers {
        let held = if now >= caller.expires {
            Err(auth::expired())
        } else if changed && (caller.place.is_some() || fresh.insert(&caller.seat)) {
            // once for each seat: the others in it find the view that was compiled for the first
            app.gate.fresh_view(caller, now).await
        } else {
            app.gate.view(caller, now).await
        };
        match held {
            Ok(_) => {}
            Err(error) if matches!(error.code(), Code::Unauthenticated | Code::Forbidden) => {
                app.connections.end(caller, error);
            }
            Err(_) => whole = false,
        }
    }
    whole
}
