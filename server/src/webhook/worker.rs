//! Delivers to one endpoint: takes the next event from the feed, posts it, and notes what came of it. One event at a
//! time, so the order is that of the feed; whatever fails, it begins again behind the last event that is done with.

use std::{future::poll_fn, sync::Arc, time::Duration};

use entities::Instant;
use tokio::{sync::watch, time};

use super::{
    caller,
    client::{Client, Outcome, Turn},
    line,
    message::{Message, Told},
    request,
    schedule::{self, after},
    secret::{Secret, signatures},
};
use crate::{
    access::webhooks::{DeadLetter, Delivery, Endpoint, Lease, Row, Webhooks},
    app::App,
    error::{Error, Result},
    feed::{Asked, Bounds, End, Event, Subscription},
    graphql::{Answer, AnswerStatus},
};

/// How often a wait looks at the clock, which may be moved.
const GLANCE: Duration = Duration::from_millis(250);
/// How old an event may become until it is sent: behind a slow receiver, or a host at which many wait, they are asked for
/// anew, since rights may have moved.
const FRESH: Duration = Duration::from_secs(2);
/// Events that are asked for ahead of the one that is sent: what is not taken in time is asked for again.
const AHEAD: usize = 8;
/// How often the cursor is noted when there is nothing to tell.
const NOTED: Duration = Duration::from_secs(300);
/// Before the feed or the database is asked again after it has failed.
const PAUSE: Duration = Duration::from_secs(2);

pub struct Worker {
    app: Arc<App>,
    client: Arc<Client>,
    webhooks: Webhooks,
    row: Row,
    at: Delivery,
    lease: Lease,
    /// The end of the lease, which the keeper moves.
    until: watch::Receiver<Instant>,
    noted: time::Instant,
    /// At the receiver's host, kept while an event that grew old in waiting for it is asked for anew.
    turn: Option<Turn>,
}

/// What to do when an event is dealt with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Take the next one.
    Event,
    /// Ask the feed anew.
    Again,
    /// The endpoint is not this worker's to deliver to.
    End,
}

impl Worker {
    pub fn new(
        app: Arc<App>,
        client: Arc<Client>,
        endpoint: Endpoint,
        lease: Lease,
        until: watch::Receiver<Instant>,
    ) -> Self {
        let webhooks = Webhooks::new(&app.db);
        Worker {
            app,
            client,
            webhooks,
            row: endpoint.row,
            at: endpoint.delivery,
            lease,
            until,
            noted: time::Instant::now(),
            turn: None,
        }
    }

    pub async fn run(mut self) {
        loop {
            match self.round().await {
                _ if self.is_over() => return,
                Ok(Next::End) => return,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!("webhook `{}` waits: {error}", self.row.id);
                    time::sleep(PAUSE).await;
                }
            }
        }
    }

    /// Follows the feed from where the endpoint is until something is in the way.
    async fn round(&mut self) -> Result<Next> {
        while self.at.next_attempt_at.is_some_and(|at| at > self.app.clock.now()) {
            time::sleep(GLANCE).await;
            if self.is_over() {
                return Ok(Next::End);
            }
        }
        let Some(source) = self.app.feed.load_full() else {
            time::sleep(PAUSE).await;
            return Ok(Next::Again);
        };
        let (request, last_event) = (request(&self.row.document), self.at.cursor.clone());
        let bounds = Bounds { messages: AHEAD, ..Bounds::from(&self.app.config.streams) };
        let asked = Asked { caller: caller(&self.row), request, last_event, bounds: Some(bounds) };
        match source.open(self.app.clone(), asked).await {
            Ok(subscription) => self.follow(subscription).await,
            Err(answer) => self.refused(&answer).await,
        }
    }

    async fn follow(&mut self, mut subscription: Subscription) -> Result<Next> {
        let mut events: Vec<Arc<Event>> = Vec::new();
        let mut ordinal = 0;
        loop {
            let mut until = self.until.clone();
            let end = tokio::select! {
                // one at a time: what waits counts as not taken
                end = poll_fn(|context| subscription.poll_take(context, &mut events, 1)) => end,
                () = async { while until.changed().await.is_ok() {} } => return Ok(Next::End),
                // others wait for the turn
                () = time::sleep(FRESH), if self.turn.is_some() => {
                    self.turn = None;
                    continue;
                }
            };
            for event in events.drain(..) {
                if event.made.elapsed() > FRESH {
                    return Ok(Next::Again);
                }
                if self.is_over() {
                    return Ok(Next::End);
                }
                match self.deal(&event, ordinal).await? {
                    Next::Event => {}
                    other => return Ok(other),
                }
                ordinal = if event.id.is_some() { 0 } else { ordinal + 1 };
            }
            if let Some(end) = end {
                if let End::Failed(error) = end {
                    tracing::info!("the feed of webhook `{}` has ended: {error}", self.row.id);
                }
                // why, the feed says when it is asked again
                time::sleep(GLANCE).await;
                return Ok(Next::Again);
            }
        }
    }

    /// The keeper wants no more.
    fn is_over(&self) -> bool {
        self.until.has_changed().is_err()
    }

    async fn deal(&mut self, event: &Event, ordinal: u64) -> Result<Next> {
        let told = Told::read(event)?;
        let cursor = told.cursor.clone().or_else(|| self.at.cursor.clone());
        if told.kind() == "CHECKPOINT" && !self.at.copying {
            if self.at.cursor.is_some() && self.noted.elapsed() < NOTED {
                return Ok(Next::Event);
            }
            let to = Delivery { cursor, ..self.at.clone() };
            return self.advance(to).await;
        }
        // where a subscription begins that copies nothing: an attempt later it would be a later now
        if told.kind() == "CHECKPOINT" && self.at.cursor.is_none() {
            let to = Delivery { cursor: cursor.clone(), ..self.at.clone() };
            if self.advance(to).await? == Next::End {
                return Ok(Next::End);
            }
        }
        let message = told.message(self.row.id, self.at.cursor.as_deref(), ordinal)?;
        let Some(outcome) = self.send(&message, event.made).await? else { return Ok(Next::Again) };
        match outcome {
            Outcome::Accepted => {
                let copying = match told.kind() {
                    "GAP" => true,
                    "CHECKPOINT" => false,
                    _ => self.at.copying,
                };
                let now = self.app.clock.now();
                self.accepted(Delivery { cursor, copying, delivered_at: Some(now), ..self.at.clone() }).await
            }
            Outcome::Gone => self.disable("the receiver answers 410 Gone: it wants no more events").await,
            Outcome::Refused(why) => {
                self.failed(&message, cursor, why, None, self.app.config.webhooks.refused_for).await
            }
            Outcome::Failed { why, retry_after } => {
                self.failed(&message, cursor, why, retry_after, self.app.config.webhooks.failing_for).await
            }
        }
    }

    /// `None`: the event has grown old meanwhile, and may not be told any more.
    async fn send(&mut self, message: &Message, made: std::time::Instant) -> Result<Option<Outcome>> {
        let turn = match self.turn.take() {
            Some(turn) => turn,
            None => self.client.turn(&self.row.url).await?,
        };
        // nobody else may take the endpoint while a request is on its way
        while *self.until.borrow() <= after(self.app.clock.now(), self.app.config.webhooks.timeout) {
            if self.is_over() {
                return Err(Error::unavailable("the hub stops"));
            }
            time::sleep(GLANCE).await;
        }
        let mut secrets = Vec::new();
        for sealed in self.webhooks.secrets(self.row.id, self.app.clock.now()).await? {
            secrets.push(Secret::open(&sealed.bytes, &self.app.keys.seal, self.row.id)?);
        }
        if made.elapsed() > FRESH {
            self.turn = Some(turn);
            return Ok(None);
        }
        let now = self.app.clock.now();
        let signed = (now, signatures(&secrets, &message.id, now, &message.body)?);
        self.client.post(&turn, &self.row.url, message, signed).await.map(Some)
    }

    async fn accepted(&mut self, to: Delivery) -> Result<Next> {
        let to =
            Delivery { attempts: 0, pending: None, pending_since: None, next_attempt_at: None, last_error: None, ..to };
        let next = self.advance(to).await?;
        if next == Next::Event && self.row.failing_since.is_some() {
            self.tell("active", None, None).await?;
        }
        Ok(next)
    }

    /// Tries again later, or gives the event up, or the endpoint.
    async fn failed(
        &mut self,
        message: &Message,
        cursor: Option<String>,
        why: String,
        retry_after: Option<Instant>,
        patience: u32,
    ) -> Result<Next> {
        let now = self.app.clock.now();
        tracing::debug!("webhook `{}`: {why}", self.row.id);
        let since = match &self.at.pending {
            Some(pending) if *pending == message.id => self.at.pending_since.unwrap_or(now),
            _ => now,
        };
        let attempts = self.at.attempts.saturating_add(1);
        let failing_since = self.row.failing_since.unwrap_or(now);
        let disabled = now >= after(failing_since, self.app.config.webhooks.disable_after);
        let give_up = after(since, patience);
        if now >= give_up && !disabled {
            let letter = DeadLetter {
                id: self.app.clock.id(),
                endpoint_id: self.row.id,
                message: message.id.clone(),
                body: message.body.clone(),
                error: why.clone(),
                attempts,
                died_at: now,
                redelivered_at: None,
            };
            let to = Delivery {
                cursor,
                attempts: 0,
                pending: None,
                pending_since: None,
                next_attempt_at: None,
                last_error: Some(why.clone()),
                ..self.at.clone()
            };
            tracing::warn!("webhook `{}` gives up event `{}`: {why}", self.row.id, message.id);
            if !self.webhooks.bury(self.lease, &to, letter).await? {
                return Ok(Next::End);
            }
            self.at = to;
            self.tell("active", Some(&why), Some(failing_since)).await?;
            return Ok(Next::Event);
        }
        // the last attempt is due when patience ends, not hours later
        let next = schedule::next(now, attempts, retry_after);
        let next = if retry_after.is_none() { next.min(give_up.max(after(now, 1))) } else { next };
        let to = Delivery {
            attempts,
            pending: Some(message.id.clone()),
            pending_since: Some(since),
            next_attempt_at: Some(next),
            last_error: Some(why.clone()),
            ..self.at.clone()
        };
        if self.advance(to).await? == Next::End {
            return Ok(Next::End);
        }
        if disabled {
            return self.disable(&format!("nothing was taken since {failing_since}: {why}")).await;
        }
        if self.row.failing_since.is_none() || self.row.reason.as_deref() != Some(&why) {
            self.tell("active", Some(&why), Some(failing_since)).await?;
        }
        Ok(Next::Again)
    }

    /// The feed does not open: the seat has lost its right, or the document asks for what it may not see. Or its budget
    /// is spent for the moment, or the database is down, which is nobody's fault.
    async fn refused(&mut self, answer: &Answer) -> Result<Next> {
        self.turn = None;
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let why = body["errors"][0]["message"].as_str().unwrap_or("the feed does not open").to_owned();
        if let AnswerStatus::TooMany { retry_after } = answer.status {
            let until = after(self.app.clock.now(), u32::try_from(retry_after).unwrap_or(u32::MAX));
            while self.app.clock.now() < until && !self.is_over() {
                time::sleep(GLANCE).await;
            }
            return Ok(Next::Again);
        }
        if matches!(answer.status, AnswerStatus::Internal | AnswerStatus::Unavailable | AnswerStatus::Unlogged) {
            return Err(Error::unavailable(why));
        }
        let why = match answer.status {
            AnswerStatus::RequestError => {
                format!("the seat is not shown what the document asks for, resume it when it is again: {why}")
            }
            _ => why,
        };
        tracing::warn!("webhook `{}` is paused: {why}", self.row.id);
        self.stop("paused", &why).await
    }

    async fn disable(&mut self, why: &str) -> Result<Next> {
        tracing::warn!("webhook `{}` is disabled: {why}", self.row.id);
        self.stop("disabled", why).await
    }

    async fn stop(&mut self, status: &str, why: &str) -> Result<Next> {
        let line = line(&self.app, &self.row, &["status", "reason"], format!("{status} by the hub: {why}"));
        self.app.gate.stop_webhook(self.lease, status, why, self.row.failing_since, line).await?;
        Ok(Next::End)
    }

    async fn tell(&mut self, status: &str, reason: Option<&str>, failing_since: Option<Instant>) -> Result<()> {
        if self.webhooks.tell(self.lease, status, reason, failing_since).await? {
            self.row.failing_since = failing_since;
            self.row.reason = reason.map(Into::into);
        }
        Ok(())
    }

    async fn advance(&mut self, to: Delivery) -> Result<Next> {
        if !self.webhooks.advance(self.lease, &to).await? {
            return Ok(Next::End);
        }
        self.at = to;
        self.noted = time::Instant::now();
        Ok(Next::Event)
    }
}
