//! A seat that asks the engine directly: what HTTP adds is tested elsewhere.

use std::sync::Arc;

use entente::{
    access::{Caller, Origin, View, roster},
    app::App,
    feed::Asked,
    graphql::{self, Request},
};
use entities::Instant;
use serde_json::{Map, Value as Json};

use crate::harness::Hub;

#[derive(Clone)]
pub struct Voice {
    app: Arc<App>,
    pub seat: String,
    pub caller: Caller,
}

impl Voice {
    pub async fn of(hub: &Hub, seat: &str) -> Self {
        if std::env::var_os("TEST_LOG").is_some() {
            let _ = tracing_subscriber::fmt().with_max_level(tracing::Level::DEBUG).try_init();
        }
        let app = hub.app().clone();
        let resolved = roster::resolve(&app.db, seat, app.clock.now()).await;
        let (held, principal) = resolved.unwrap_or_else(|error| panic!("{error}"));
        let caller =
            Caller { seat: Arc::new(held), principal, expires: Instant(i64::MAX), place: None, origin: Origin::Here };
        Voice { app, seat: seat.to_string(), caller }
    }

    /// Every seat of the demo world.
    pub async fn all(hub: &Hub) -> Vec<Self> {
        let app = hub.app();
        let mut voices = Vec::new();
        for seat in roster::all_seats(&app.db, app.clock.now()).await.unwrap() {
            voices.push(Voice::of(hub, &format!("{}/{}", seat.name.organisation, seat.name.role)).await);
        }
        voices
    }

    /// Every seat in the place of every other one that it may take: an operator in all, a deputy in those that were
    /// delegated to it. With each, the two seats.
    pub async fn in_places(hub: &Hub) -> Vec<(Self, [Self; 2])> {
        let all = Voice::all(hub).await;
        let mut placed = Vec::new();
        for own in &all {
            for theirs in all.iter().filter(|theirs| theirs.seat != own.seat) {
                let found = own.app.gate.in_place(&own.caller, &theirs.seat, own.app.clock.now()).await;
                let Ok(caller) = found else { continue };
                let seat = format!("{} as {}", own.seat, theirs.seat);
                placed.push((Voice { seat, caller, app: own.app.clone() }, [own.clone(), theirs.clone()]));
            }
        }
        placed
    }

    pub async fn view(&self) -> Arc<View> {
        self.app.gate.view(&self.caller, self.app.clock.now()).await.unwrap()
    }

    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// The answer's bytes.
    pub async fn ask_with(&self, document: &str, variables: Map<String, Json>) -> String {
        let request = Request { query: document.to_string(), operation_name: None, variables, method_get: false };
        String::from_utf8(graphql::answer(&self.app, &self.caller, request).await.body).unwrap()
    }

    /// The same of any document; of a subscription whether it is refused, and how.
    pub async fn said(&self, document: &str, variables: Map<String, Json>) -> String {
        if !document.starts_with("subscription") {
            return self.ask_with(document, variables).await;
        }
        let request = Request { query: document.to_string(), operation_name: None, variables, method_get: false };
        let asked = Asked { caller: Arc::new(self.caller.clone()), request, last_event: None, bounds: None };
        let feed = self.app.feed.load_full().unwrap();
        match feed.open(self.app.clone(), asked).await {
            Ok(_) => "followed".into(),
            Err(answer) => String::from_utf8(answer.body).unwrap(),
        }
    }

    pub async fn ask(&self, document: &str) -> String {
        self.ask_with(document, Map::new()).await
    }

    pub async fn data(&self, document: &str, variables: Map<String, Json>) -> Json {
        let text = self.ask_with(document, variables).await;
        let mut answer: Json = serde_json::from_str(&text).unwrap();
        assert!(answer.get("errors").is_none(), "{}: {text}\n{document}", self.seat);
        answer["data"].take()
    }
}
