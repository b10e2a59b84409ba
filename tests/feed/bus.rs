//! Hubs on one database that are woken over NATS. A *deaf* hub neither listens to its database nor looks at it within
//! an hour, so what it tells it has heard of on the bus.

use std::ops::Deref;

use futures_util::StreamExt;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::{
    AQUA, DEMAND, Follower, bucket,
    nodes::{ANSWERS, Answer},
};
use crate::harness::{Hub, Nats, send, tests, until};

tests! {
    changing: deaf_hubs_are_woken_by_the_bus, a_bus_that_dies_and_comes_back_empty_loses_nothing,
        a_stream_that_is_made_anew_is_listened_to, rubbish_and_doubles_on_the_bus_do_nothing;
}

/// A hub that tells and listens.
struct Node {
    hub: Hub,
    _stop: oneshot::Sender<()>,
}

impl Deref for Node {
    type Target = Hub;

    fn deref(&self) -> &Hub {
        &self.hub
    }
}

impl Node {
    async fn start(hub: &Hub, nats: &Nats, deaf: bool) -> Self {
        let hub = hub
            .with(|config| {
                config.bus.url = Some(nats.url().try_into().unwrap());
                config.changes.listen = !deaf;
                config.changes.look = deaf.then(|| "1h".parse().unwrap());
            })
            .await;
        let (stop, told) = oneshot::channel();
        tokio::spawn(hub.app().bus.clone().unwrap().keep(told));
        let node = Node { hub, _stop: stop };
        node.bus_is("up").await;
        node
    }

    async fn bus_is(&self, state: &str) {
        let wanted = (200, json!({ "status": "ready", "bus": state }));
        until("the bus", || async {
            let ready = send(self.request(Method::GET, "/readyz")).await;
            ((ready.status, ready.json()) == wanted).then_some(())
        })
        .await;
    }
}

impl Follower {
    /// The next event is the change to this quantity.
    async fn hears_of(&mut self, qty: usize) {
        let (kind, event, _) = self.told().await;
        assert_eq!((kind.as_str(), &event["node"]["qty"]), ("CHANGED", &Value::from(qty.to_string())), "{event}");
    }
}

/// Past every hub.
async fn set(hub: &Hub, qty: usize) {
    let bucket = bucket("aqua-seals", 0);
    assert_eq!(hub.sql(&format!("UPDATE demand_bucket SET qty = {qty} * 10000 WHERE id = {bucket}")).await, 1);
}

async fn deaf_hubs_are_woken_by_the_bus(hub: Hub) {
    let nats = Nats::start().await;
    let (deaf, writer) = (Node::start(&hub, &nats, true).await, Node::start(&hub, &nats, true).await);
    // what a hub writes it tells, deaf or not
    let (mut answer, mut follower) = (Answer::of(&writer).await, Follower::of(&deaf, AQUA, ANSWERS).await);
    for qty in 10_001..10_011 {
        answer.set(qty).await;
        follower.hears_of(qty).await;
    }
    // what an operator writes is told by a hub that has noticed, and one is enough
    let _ears = Node::start(&hub, &nats, false).await;
    let mut follower = Follower::of(&deaf, AQUA, DEMAND).await;
    for qty in 10_001..10_021 {
        set(&hub, qty).await;
        follower.hears_of(qty).await;
    }
}

async fn a_bus_that_dies_and_comes_back_empty_loses_nothing(hub: Hub) {
    let mut nats = Nats::start().await;
    let (deaf, ears) = (Node::start(&hub, &nats, true).await, Node::start(&hub, &nats, false).await);
    let mut far = Follower::of(&deaf, AQUA, ANSWERS).await;
    let mut near = Follower::of(&ears, AQUA, ANSWERS).await;
    let mut answer = Answer::of(&hub).await;
    answer.set(10_001).await;
    far.hears_of(10_001).await;
    near.hears_of(10_001).await;
    nats.kill();
    for node in [&deaf, &ears] {
        node.bus_is("away").await;
    }
    // who looks at the database goes on
    for qty in 10_002..10_010 {
        answer.set(qty).await;
        near.hears_of(qty).await;
    }
    nats.back().await;
    for node in [&deaf, &ears] {
        node.bus_is("up").await;
    }
    // who does not is told when the bus is back, though it knows nothing
    for qty in 10_002..10_010 {
        far.hears_of(qty).await;
    }
    answer.set(10_010).await;
    far.hears_of(10_010).await;
    near.hears_of(10_010).await;
    // an operator empties it under running connections
    let client = async_nats::connect(nats.url()).await.unwrap();
    async_nats::jetstream::new(client).delete_stream("entente").await.unwrap();
    answer.set(10_011).await;
    near.hears_of(10_011).await;
    far.agrees(&hub, AQUA).await;
    assert_eq!((far.seen.len(), near.seen.len()), (11, 11), "{:?} {:?}", far.seen, near.seen);
}

/// It counts from one again, and no hub has noticed.
async fn a_stream_that_is_made_anew_is_listened_to(hub: Hub) {
    let nats = Nats::start().await;
    let (deaf, _ears) = (Node::start(&hub, &nats, true).await, Node::start(&hub, &nats, false).await);
    let mut follower = Follower::of(&deaf, AQUA, DEMAND).await;
    for qty in 10_001..10_011 {
        set(&hub, qty).await;
        follower.hears_of(qty).await;
    }
    let bus = async_nats::jetstream::new(async_nats::connect(nats.url()).await.unwrap());
    let same = bus.get_stream("entente").await.unwrap().cached_info().config.clone();
    bus.delete_stream("entente").await.unwrap();
    bus.create_stream(same).await.unwrap();
    for qty in 10_011..10_014 {
        set(&hub, qty).await;
        follower.hears_of(qty).await;
    }
}

async fn rubbish_and_doubles_on_the_bus_do_nothing(hub: Hub) {
    let nats = Nats::start().await;
    let (deaf, _ears) = (Node::start(&hub, &nats, true).await, Node::start(&hub, &nats, false).await);
    let mut follower = Follower::of(&deaf, AQUA, DEMAND).await;
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut overheard = client.subscribe("entente.*").await.unwrap();
    client.flush().await.unwrap();
    set(&hub, 10_001).await;
    follower.hears_of(10_001).await;
    let true_one = overheard.next().await.unwrap();
    let position: i64 = String::from_utf8(true_one.payload.to_vec()).unwrap().parse().unwrap();
    let subject = true_one.subject;
    let lies = [i64::MAX, i64::MIN, 0, -1, position, position - 1, position + 1, position + 1_000_000];
    let lies = lies.iter().map(|lie| lie.to_string().into_bytes());
    let rubbish = [vec![], b"soon".to_vec(), vec![0xff, 0xfe], b"99999999999999999999".to_vec(), vec![b'7'; 500_000]];
    let all: Vec<Vec<u8>> = lies.chain(rubbish).collect();
    for qty in 10_002..10_006 {
        for payload in &all {
            client.publish(subject.clone(), payload.clone().into()).await.unwrap();
            client.publish("entente.another", payload.clone().into()).await.unwrap();
        }
        // the last word before the write is that all is told already
        client.publish(subject.clone(), i64::MAX.to_string().into()).await.unwrap();
        client.flush().await.unwrap();
        set(&hub, qty).await;
        follower.hears_of(qty).await;
    }
    // whoever tells, the bus takes a position once
    let _more = (Node::start(&hub, &nats, false).await, Node::start(&hub, &nats, false).await);
    let mut stream = async_nats::jetstream::new(client).get_stream("entente").await.unwrap();
    let before = stream.info().await.unwrap().state.last_sequence;
    for qty in 10_006..10_026 {
        set(&hub, qty).await;
        follower.hears_of(qty).await;
    }
    let after = stream.info().await.unwrap().state.last_sequence;
    assert!(after > before && after - before <= 20, "{before} {after}");
    follower.up_to_date().await;
    assert_eq!(follower.seen, vec!["CHANGED"; 25]);
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
}
