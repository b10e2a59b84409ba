//! Which endpoints this hub delivers to: it takes the lease of each active one that nobody holds, renews those that it
//! has, and keeps one worker for each. A hub that dies loses its leases when they end.

use std::{collections::HashMap, sync::Arc, time::Duration};

use entities::Instant;
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time,
};
use uuid::Uuid;

use super::{client::Client, schedule::after, worker::Worker};
use crate::{
    access::webhooks::{Endpoint, Lease, Webhooks},
    app::App,
    error::Result,
};

const TICK: Duration = Duration::from_secs(1);
/// How much longer than a request a lease lasts.
const SPARE: u32 = 45;
/// How often, in ticks, what is no longer kept is dropped.
const SWEEP: u32 = 3600;

/// Delivers until told to stop.
pub async fn keep(app: Arc<App>, mut stop: oneshot::Receiver<()>) {
    if !app.config.webhooks.deliver {
        return;
    }
    let client = match Client::new(&app.config.webhooks) {
        Ok(client) => Arc::new(client),
        Err(error) => {
            tracing::error!("no webhook is delivered to: {error}");
            return;
        }
    };
    let webhooks = Webhooks::new(&app.db);
    let mut keeper = Keeper { holder: app.clock.id(), app, webhooks, client, workers: HashMap::new() };
    let (mut ticks, mut failing) = (0u32, false);
    loop {
        let looked = keeper.look(ticks.is_multiple_of(SWEEP)).await;
        // told when it begins and when it is over, not every second
        match (&looked, failing) {
            (Err(error), false) => tracing::error!("webhooks wait: {error}"),
            (Ok(()), true) => tracing::info!("webhooks go on"),
            _ => {}
        }
        failing = looked.is_err();
        ticks = ticks.wrapping_add(1);
        if time::timeout(TICK, &mut stop).await.is_ok() {
            break;
        }
    }
    keeper.leave().await;
    if let Err(error) = keeper.webhooks.release(keeper.holder).await {
        tracing::warn!("other hubs must wait for the end of webhook leases: {error}");
    }
}

struct Keeper {
    app: Arc<App>,
    webhooks: Webhooks,
    client: Arc<Client>,
    /// Names this process in leases.
    holder: Uuid,
    workers: HashMap<Uuid, Working>,
}

struct Working {
    lease: Lease,
    /// Dropped, it tells the worker to end when it is done with the event at hand.
    until: Option<watch::Sender<Instant>>,
    task: JoinHandle<()>,
}

impl Drop for Working {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Keeper {
    async fn look(&mut self, sweep: bool) -> Result<()> {
        let now = self.app.clock.now();
        let settings = &self.app.config.webhooks;
        if sweep {
            let kept_for = i64::from(settings.dead_letters_for) * 1_000_000;
            self.webhooks.forget(Instant(now.0 - kept_for), now).await?;
        }
        let active = self.webhooks.active().await?;
        self.workers.retain(|id, working| {
            let found = active.iter().find(|endpoint| endpoint.row.id == *id);
            let same = found.is_some_and(|found| found.delivery.generation == working.lease.generation);
            same && !working.task.is_finished()
        });
        let until = after(now, settings.timeout + SPARE);
        let mut failed = Ok(());
        for endpoint in active {
            let lease = self.lease_of(&endpoint);
            let (held_by, held_until) = (endpoint.delivery.lease_holder, endpoint.delivery.lease_until);
            let held_until = held_until.unwrap_or(Instant(0));
            let ours = held_by == Some(self.holder);
            // renewed when half of it is over
            let fresh = held_until.0 - now.0 > (until.0 - now.0) / 2;
            if ours && fresh && self.workers.contains_key(&lease.endpoint) {
                continue;
            }
            if !ours && held_by.is_some() && held_until > now {
                self.workers.remove(&lease.endpoint);
                continue;
            }
            // one that was removed this moment holds up no other
            if let Err(error) = self.take(lease, now, until).await {
                self.workers.remove(&lease.endpoint);
                failed = Err(error);
            }
        }
        failed
    }

    async fn take(&mut self, lease: Lease, now: Instant, until: Instant) -> Result<()> {
        if !self.webhooks.claim(lease, now, until).await? {
            self.workers.remove(&lease.endpoint);
            return Ok(());
        }
        match self.workers.get(&lease.endpoint).map(|working| &working.until) {
            Some(told) => {
                if let Some(told) = told {
                    told.send_replace(until);
                }
                Ok(())
            }
            None => self.start(lease, until).await,
        }
    }

    fn lease_of(&self, endpoint: &Endpoint) -> Lease {
        let generation = endpoint.delivery.generation;
        Lease { endpoint: endpoint.row.id, holder: self.holder, generation }
    }

    async fn start(&mut self, lease: Lease, until: Instant) -> Result<()> {
        // whoever held it before may have come further than what was read
        let endpoint = self.webhooks.one(lease.endpoint).await?;
        let (until, told) = watch::channel(until);
        let worker = Worker::new(self.app.clone(), self.client.clone(), endpoint, lease, told);
        let task = tokio::spawn(worker.run());
        self.workers.insert(lease.endpoint, Working { lease, until: Some(until), task });
        Ok(())
    }

    /// Lets the workers end what they have begun, so that whoever comes next does not send it again.
    async fn leave(&mut self) {
        for working in self.workers.values_mut() {
            working.until = None;
        }
        let patience = Duration::from_secs(self.app.config.webhooks.timeout.into());
        let ended = async {
            for working in self.workers.values_mut() {
                drop((&mut working.task).await);
            }
        };
        if time::timeout(patience, ended).await.is_err() {
            tracing::warn!("some webhooks did not end in time, what was on its way will be sent again");
        }
        self.workers.clear();
    }
}
