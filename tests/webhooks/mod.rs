//! Webhooks: what a receiver gets, whatever it answers. `delivery` plays a feed of its own, so that it is known
//! what there is to tell; `feed` takes the hub's.

mod delivery;
mod feed;
pub mod receiver;
mod script;

use base64::{Engine, engine::general_purpose::STANDARD};
use entente::{config::Config, webhook};
use serde_json::Value;
use tokio::{sync::oneshot, task::JoinHandle};
use uuid::Uuid;

use self::receiver::Got;
use crate::harness::{Hub, tests, until};

tests!(delivery, feed);

const AQUA: &str = "aqua-seals/partner_planner";
const DOCUMENT: &str = "subscription { demandUpdates(from: NOW) { kind id cursor node { qty } } }";

/// A hub that may ask this machine.
pub async fn open(hub: &Hub) -> Hub {
    open_as(hub, |_| ()).await
}

async fn open_as(hub: &Hub, change: impl FnOnce(&mut Config)) -> Hub {
    let with = |config: &mut Config| {
        config.webhooks.allow_http = true;
        config.webhooks.allow_private = true;
        config.webhooks.timeout = 2;
        change(config);
    };
    hub.with(with).await
}

/// Delivers until it is dropped, as a hub that dies.
pub struct Deliveries {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Deliveries {
    pub fn of(hub: &Hub) -> Self {
        let (stop, told) = oneshot::channel();
        Deliveries { stop: Some(stop), task: tokio::spawn(webhook::keep(hub.app().clone(), told)) }
    }

    /// As a hub that is told to stop.
    async fn stop(mut self) {
        drop(self.stop.take());
        (&mut self.task).await.unwrap();
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn add(hub: &Hub, url: &str) -> (Uuid, String) {
    webhook::add(hub.app(), AQUA, url, DOCUMENT).await.unwrap_or_else(|error| panic!("{error}"))
}

fn later(hub: &Hub, seconds: i64) {
    hub.clock().set(entities::Instant(hub.clock().now().0 + seconds * 1_000_000));
}

/// Status, reason and since when it fails, as the host's administrator reads them.
async fn state(hub: &Hub) -> (String, Value, Value) {
    let data = hub.data("nordwind/admin", "{ webhookEndpoints { nodes { status reason failingSince } } }").await;
    let node = &data["webhookEndpoints"]["nodes"][0];
    (node["status"].as_str().unwrap().to_owned(), node["reason"].clone(), node["failingSince"].clone())
}

async fn becomes(hub: &Hub, status: &str, reason: &str) {
    until(&format!("{status}: {reason}"), async || {
        let (is, why, _) = state(hub).await;
        (is == status && why.as_str().unwrap_or_default().contains(reason)).then_some(())
    })
    .await;
}

/// Waits until the last attempt has been noted, so that the next one has its time.
async fn waits(hub: &Hub, attempts: usize) {
    let sql = format!("SELECT endpoint_id FROM webhook_delivery WHERE attempts = {attempts}");
    until(&format!("{attempts} attempts"), async || (!hub.texts(&sql).await.is_empty()).then_some(())).await;
}

/// What the signature should be, made without the library.
fn signed(secret: &str, got: &Got) -> String {
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let text = format!("{}.{}.{}", got.id(), got.header("webhook-timestamp"), got.text);
    format!("v1,{}", STANDARD.encode(hmac(&key, text.as_bytes())))
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    use sha2::{Digest, Sha256};
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(byte, key)| *byte ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}
