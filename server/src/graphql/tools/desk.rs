//! Where the tools work: on threads of their own, a few at a time, each no longer than somebody waits for it.
//! Requests for rows never wait for them.

use std::{sync::Arc, thread, time::Duration};

use tokio::{
    runtime::{Builder, Handle},
    sync::{OwnedSemaphorePermit, Semaphore, oneshot},
    time,
};

use crate::error::{Error, Result};

/// How many work at the same time; the others wait for their turn.
const PLACES: usize = 2;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// The same for a proof, and for reading the whole access log.
pub const LONG: Duration = Duration::from_secs(600);
/// In how many seconds the shipped invariants are proven.
const PROOF: u64 = 30;
/// Policies that somebody sends may nest as deep as their size lets them. It is taken as it is needed.
const STACK: usize = 512 << 20;

pub struct Desk {
    places: Arc<Semaphore>,
    solver: Arc<Semaphore>,
}

impl Default for Desk {
    fn default() -> Self {
        Desk { places: Arc::new(Semaphore::new(PLACES)), solver: Arc::new(Semaphore::new(1)) }
    }
}

impl Desk {
    /// Works with the hub's database.
    pub async fn work<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        self.patiently(PATIENCE, work).await
    }

    pub async fn patiently<T, F>(&self, patience: Duration, work: impl FnOnce() -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        let place = self.places.clone().acquire_owned().await;
        let place = place.map_err(|_| Error::internal("the desk of the tools is closed"))?;
        apart(place, Some(Handle::current()), patience, work).await
    }

    /// Works with solvers: with tasks of its own, which compute, and without a database.
    pub async fn prove<T, F>(&self, work: impl FnOnce() -> F + Send + 'static) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<T>>,
    {
        let place = self.solver.clone().try_acquire_owned();
        let place = place.map_err(|_| Error::RateLimited {
            text: "a proof is running already, ask again when it has ended".into(),
            retry_after: PROOF,
        })?;
        apart(place, None, LONG, work).await
    }
}

async fn apart<T, F>(
    place: OwnedSemaphorePermit,
    runtime: Option<Handle>,
    patience: Duration,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T>>,
{
    let (mut tell, told) = oneshot::channel();
    let on_thread = move || {
        let done = async {
            tokio::select! {
                done = time::timeout(patience, work()) => Some(done.unwrap_or_else(|_| Err(too_long(patience)))),
                () = tell.closed() => None,
            }
        };
        let done = match runtime {
            Some(hub) => hub.block_on(done),
            None => on_its_own(done),
        };
        drop(place);
        if let Some(done) = done {
            // whoever asked may have gone just now
            drop(tell.send(done));
        }
    };
    let thread = thread::Builder::new().name("tool".into()).stack_size(STACK).spawn(on_thread);
    thread.map_err(|cause| Error::internal(format!("cannot start a thread for a tool: {cause}")))?;
    told.await.map_err(|_| Error::internal("a tool broke off"))?
}

fn on_its_own<T>(work: impl Future<Output = Option<Result<T>>>) -> Option<Result<T>> {
    match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(work),
        Err(cause) => Some(Err(Error::internal(format!("cannot start a runtime: {cause}")))),
    }
}

fn too_long(patience: Duration) -> Error {
    let seconds = patience.as_secs();
    Error::Cost(format!("the tool took longer than {seconds} s and was ended, ask for less at once"))
}
