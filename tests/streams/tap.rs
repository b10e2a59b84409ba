//! A feed in the hand of a test: it takes every subscription, and sends what the test says.

use std::sync::Arc;

use entente::{
    app::App,
    feed::{self, Asked, Bounds, Event, Subscriber, Subscription},
    graphql::Answer,
};
use futures_util::{FutureExt, future::BoxFuture};
use tokio::sync::{Mutex, mpsc};

use super::client::soon;
use crate::harness::Hub;

pub const SUBSCRIPTION: &str = "subscription { anything }";

pub struct Tap(Mutex<mpsc::UnboundedReceiver<(Asked, Subscriber)>>);

struct Source(mpsc::UnboundedSender<(Asked, Subscriber)>);

impl feed::Source for Source {
    fn open(&self, app: Arc<App>, asked: Asked) -> BoxFuture<'static, Result<Subscription, Answer>> {
        let (subscriber, subscription) = feed::subscription(Bounds::from(&app.config.streams));
        drop(self.0.send((asked, subscriber)));
        async { Ok(subscription) }.boxed()
    }
}

impl Tap {
    pub fn on(hub: &Hub) -> Self {
        let (taken, take) = mpsc::unbounded_channel();
        hub.app().feed.store(Some(Arc::new(Box::new(Source(taken)))));
        Tap(Mutex::new(take))
    }

    /// The next subscription that somebody opens.
    pub async fn opened(&self) -> (Asked, Subscriber) {
        soon("a subscription", async { self.0.lock().await.recv().await }).await.unwrap()
    }
}

pub fn event(id: &str, number: usize) -> Arc<Event> {
    sized(id, number, 0)
}

/// With so many bytes more.
pub fn sized(id: &str, number: usize, more: usize) -> Arc<Event> {
    let body = format!(r#"{{"data":{{"n":{number},"more":"{}"}}}}"#, "x".repeat(more));
    Arc::new(Event::new((!id.is_empty()).then(|| id.into()), body))
}
