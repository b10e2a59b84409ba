//! The live feed through the doors: a follower keeps a copy by the events alone, and it is what a query shows.

mod away;
mod bus;
mod crowds;
mod cursors;
mod faults;
mod guards;
mod kinds;
mod lines;
mod nodes;
mod rights;
pub mod storm;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    harness::{Hub, PATIENCE, tests},
    streams::client::Socket,
};

tests!(away, bus, crowds, cursors, faults, guards, kinds, lines, nodes, rights, storm);

pub const PLANNER: &str = "nordwind/planner";
pub const AQUA: &str = "aqua-seals/partner_planner";
pub const CERAM: &str = "ceram-motors/partner_planner";
pub const BERGMANN: &str = "bergmann/partner_sales";

/// A list that is followed, with the fields of the copy.
#[derive(Clone, Copy)]
struct Topic {
    /// With its arguments but the cursor's: `demandUpdates` or `changes(types: [CUSTOMER], …`.
    field: &'static str,
    arguments: &'static str,
    list: &'static str,
    filter: &'static str,
    /// `... on Type` around the fields of an interface.
    on: Option<&'static str>,
    fields: &'static str,
}

const DEMAND: Topic = Topic {
    field: "demandUpdates",
    arguments: "",
    list: "demandBuckets",
    filter: "",
    on: None,
    fields: "id bucketStart granularity qty firmness updatedAt series { id } version { id }",
};

/// One subscription, and the copy that its events make.
struct Follower {
    socket: Socket,
    topic: Topic,
    copy: BTreeMap<String, Value>,
    cursor: String,
    /// Kinds as they came, but for checkpoints.
    seen: Vec<String>,
}

impl Topic {
    fn document(&self) -> String {
        let node = match self.on {
            Some(ty) => format!("... on {ty} {{ {} }}", self.fields),
            None => self.fields.into(),
        };
        format!(
            "subscription ($after: String, $from: FeedStart) {{ {}(after: $after, from: $from {}) \
             {{ cursor kind id node {{ {node} }} changedFields occurredAt reason }} }}",
            self.field, self.arguments
        )
    }

    /// What a query shows.
    async fn asked(&self, hub: &Hub, seat: &str) -> BTreeMap<String, Value> {
        let (mut rows, mut after) = (BTreeMap::new(), String::new());
        loop {
            let document = format!(
                "{{ {}(first: 500{after}{}) {{ nodes {{ {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
                self.list, self.filter, self.fields
            );
            let reply = hub.query(seat, &document).await;
            // a list that the seat's schema does not have has no rows
            if reply.json().get("errors").is_some() {
                assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
                return rows;
            }
            let page = reply.data()[self.list].take();
            for node in page["nodes"].as_array().unwrap() {
                rows.insert(node["id"].as_str().unwrap().to_owned(), node.clone());
            }
            if page["pageInfo"]["hasNextPage"] == false {
                return rows;
            }
            after = format!(", after: {}", page["pageInfo"]["endCursor"]);
        }
    }
}

impl Follower {
    /// From a snapshot, which is taken whole.
    async fn of(hub: &Hub, seat: &str, topic: Topic) -> Self {
        let mut follower = Follower::open(hub, seat, topic, json!({})).await;
        follower.up_to_date().await;
        assert_eq!(follower.copy, topic.asked(hub, seat).await, "{seat}");
        follower.seen.clear();
        follower
    }

    async fn open(hub: &Hub, seat: &str, topic: Topic, variables: Value) -> Self {
        let mut socket = Socket::signed_in(hub, seat).await;
        let payload = json!({ "query": topic.document(), "variables": variables });
        socket.say(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        Follower { socket, topic, copy: BTreeMap::new(), cursor: String::new(), seen: Vec::new() }
    }

    /// With what is held, from its cursor.
    async fn resume(self, hub: &Hub, seat: &str) -> Self {
        let Follower { socket, topic, copy, cursor, .. } = self;
        drop(socket);
        let next = Follower::open(hub, seat, topic, json!({ "after": cursor })).await;
        Follower { copy, cursor, ..next }
    }

    /// The next event, taken into the copy.
    async fn event(&mut self) -> Value {
        let message = self.socket.hear().await;
        assert_eq!(message["type"], "next", "{message}");
        self.take(&message)
    }

    fn take(&mut self, message: &Value) -> Value {
        let payload = &message["payload"];
        let event = payload["data"][self.topic.field].clone();
        assert!(event.is_object(), "{message}");
        self.cursor = event["cursor"].as_str().unwrap().to_owned();
        let kind = event["kind"].as_str().unwrap();
        let id = event["id"].as_str().map(str::to_owned);
        match (kind, id) {
            ("ENTERED", Some(id)) => {
                assert_eq!(event["node"]["id"], id.as_str());
                assert!(self.copy.insert(id, event["node"].clone()).is_none(), "entered twice: {event}");
            }
            ("CHANGED", Some(id)) => {
                assert!(self.copy.insert(id, event["node"].clone()).is_some(), "changed unseen: {event}");
                assert!(!event["changedFields"].as_array().unwrap().is_empty(), "{event}");
            }
            ("LEFT" | "DELETED", Some(id)) => {
                assert!(event["node"].is_null() && event["changedFields"] == json!([]), "{event}");
                assert!(self.copy.remove(&id).is_some(), "left unseen: {event}");
            }
            ("GAP", None) => self.copy.clear(),
            ("CHECKPOINT", None) => return event,
            _ => panic!("{event}"),
        }
        self.seen.push(kind.to_owned());
        event
    }

    async fn up_to_date(&mut self) {
        while self.event().await["kind"] != "CHECKPOINT" {}
    }

    /// The next that is no checkpoint: its kind, the row as the test names it, and the changed fields.
    async fn told(&mut self) -> (String, Value, Vec<String>) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let event = tokio::time::timeout_at(deadline, self.event()).await.expect("waited in vain for an event");
            if event["kind"] != "CHECKPOINT" {
                let fields = event["changedFields"].as_array().unwrap();
                let fields = fields.iter().map(|name| name.as_str().unwrap().to_owned()).collect();
                return (event["kind"].as_str().unwrap().to_owned(), event, fields);
            }
        }
    }

    /// Takes events until the copy is what a query shows.
    async fn agrees(&mut self, hub: &Hub, seat: &str) {
        let expected = self.topic.asked(hub, seat).await;
        let deadline = tokio::time::Instant::now() + PATIENCE * 2;
        while self.copy != expected {
            let left = deadline.saturating_duration_since(tokio::time::Instant::now());
            if tokio::time::timeout(left, self.event()).await.is_err() {
                let differs = expected.iter().find(|(id, row)| self.copy.get(*id) != Some(row));
                let more = self.copy.keys().find(|id| !expected.contains_key(*id));
                panic!(
                    "{seat}: the copy stays behind: {differs:?} {more:?}, {} of {}",
                    self.copy.len(),
                    expected.len()
                );
            }
        }
    }

    /// Why the subscription has ended, behind the events that came before.
    async fn refused(&mut self) -> (String, String) {
        loop {
            let message = self.socket.hear().await;
            match message["type"].as_str() {
                Some("next") => drop(self.take(&message)),
                Some("error") => {
                    let error = &message["payload"][0];
                    let text = |value: &Value| value.as_str().unwrap().to_owned();
                    return (text(&error["extensions"]["code"]), text(&error["message"]));
                }
                _ => panic!("{message}"),
            }
        }
    }
}

/// How many buckets the access log says that streams have handed out behind a line of it.
async fn noted(hub: &Hub, after: i64) -> usize {
    hub.take_log().await;
    let sql = format!(
        "SELECT CAST(coalesce(sum(\"rows\"), 0) AS text) FROM audit_event \
         WHERE seq > {after} AND action = 'subscribe' AND object_type = 'DemandBucket'"
    );
    hub.number(&sql).await.try_into().unwrap()
}

/// A bucket that a supplier sees, by its place in time.
fn bucket(supplier: &str, nth: usize) -> String {
    format!(
        "(SELECT b.id FROM demand_bucket b JOIN forecast_version v ON v.id = b.version_id \
         JOIN organisation o ON o.id = b.supplier_id WHERE o.slug = '{supplier}' AND v.status = 'published' \
         AND b.bucket_start >= '2026-06-15' ORDER BY b.bucket_start, b.id LIMIT 1 OFFSET {nth})"
    )
}
