//! The commands, as a person runs them. Import, export and generation have tests of their own.

mod demo;
mod migrate;
mod policy;
mod proofs;
mod serve;
mod token;

use serde_json::{Value, json};

use crate::harness::tests;

tests!(demo, migrate, policy, proofs, serve, token);

/// Asks a hub that the binary runs; status and body.
async fn ask(url: &str, token: &str, document: &str) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = client.post(url).bearer_auth(token).json(&json!({ "query": document }));
    let reply = request.header("accept", "application/graphql-response+json").send().await.unwrap();
    (reply.status().as_u16(), reply.json().await.unwrap())
}
