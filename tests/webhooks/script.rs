//! A feed of the test's own making: what follows a cursor is what the test says.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use entente::{
    app::App,
    feed::{Asked, Bounds, Event, Sent, Source, Subscription, subscription},
    graphql::{Answer, AnswerStatus},
};
use futures_util::future::BoxFuture;
use serde_json::json;

use crate::harness::Hub;

#[derive(Clone, Default)]
pub struct Script(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// Kind and row, each behind the cursor that is its place.
    events: Vec<(&'static str, &'static str)>,
    refuses: Option<&'static str>,
    readers: usize,
}

impl Script {
    pub fn play(hub: &Hub, script: &Script) {
        let source: Box<dyn Source> = Box::new(script.clone());
        hub.app().feed.store(Some(Arc::new(source)));
    }

    pub fn tell(&self, events: impl IntoIterator<Item = (&'static str, &'static str)>) {
        self.0.lock().unwrap().events.extend(events);
    }

    /// What was told at a place is told otherwise from now on; nothing, if the kind is empty.
    pub fn change(&self, place: usize, kind: &'static str, row: &'static str) {
        self.0.lock().unwrap().events[place] = (kind, row);
    }

    pub fn refuse(&self, why: &'static str) {
        self.0.lock().unwrap().refuses = Some(why);
    }

    pub fn readers(&self) -> usize {
        self.0.lock().unwrap().readers
    }

    fn event(&self, place: usize) -> Option<(&'static str, &'static str)> {
        self.0.lock().unwrap().events.get(place).copied()
    }
}

impl Source for Script {
    fn open(&self, _: Arc<App>, asked: Asked) -> BoxFuture<'static, Result<Subscription, Answer>> {
        let script = self.clone();
        Box::pin(async move {
            let refuses = script.0.lock().unwrap().refuses;
            if let Some(why) = refuses {
                let body = json!({ "errors": [{ "message": why }] }).to_string().into_bytes();
                return Err(Answer { body, status: AnswerStatus::Forbidden });
            }
            let mut place: usize = asked.last_event.map_or(0, |cursor| cursor[1..].parse().unwrap());
            let (subscriber, subscription) = subscription(Bounds { messages: 100, bytes: 100_000, total: usize::MAX });
            script.0.lock().unwrap().readers += 1;
            tokio::spawn(async move {
                while !subscriber.is_gone() {
                    let Some((kind, row)) = script.event(place) else {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        continue;
                    };
                    place += 1;
                    if kind.is_empty() {
                        continue;
                    }
                    let cursor = format!("c{place}");
                    let data = json!({ "data": { "demandUpdates": { "kind": kind, "id": row, "cursor": cursor } } });
                    let event = Arc::new(Event::new(Some(cursor.into()), data.to_string()));
                    while subscriber.send(&event) == Sent::Full {
                        subscriber.drained().await;
                    }
                }
                script.0.lock().unwrap().readers -= 1;
            });
            Ok(subscription)
        })
    }
}
