//! A node: a real `entente serve` that can be killed like one, and comes back at another port.

use std::{path::Path, sync::Mutex};

use entities::Instant;
use tokio::sync;

use crate::harness::{Hub, Running};

#[derive(Default)]
pub struct Node {
    running: sync::Mutex<Option<Running>>,
    url: Mutex<Option<String>>,
}

impl Node {
    /// Where it serves, if it does.
    pub fn url(&self) -> Option<String> {
        self.url.lock().unwrap().clone()
    }

    pub async fn start(&self, hub: &Hub, policies: &Path, clock: Instant) {
        let mut running = hub
            .cli(&["serve", "--listen", "127.0.0.1:0"])
            .env("ENTENTE_CLOCK", &clock.to_string())
            .env("ENTENTE_POLICIES", &policies.to_string_lossy())
            .env("ENTENTE_LIMITS__BUDGETS", "false")
            // a machine that does many things at once is slow
            .env("ENTENTE_STREAMS__INIT_TIMEOUT", "60")
            // readers are often too slow for it, and the log is trimmed while they read
            .env("ENTENTE_STREAMS__BUFFER_MESSAGES", "50")
            .env("ENTENTE_CHANGES__MOST", "20000")
            .env("ENTENTE_LOG__LEVEL", "error")
            .start();
        let line = running.says("serving http").await;
        let url = line.trim().trim_start_matches("serving ").trim_end_matches("/graphql").to_owned();
        *self.running.lock().await = Some(running);
        *self.url.lock().unwrap() = Some(url);
    }

    /// `kill -9`; what it has said on stderr.
    pub async fn kill(&self) -> String {
        let Some(running) = self.running.lock().await.take() else { return String::new() };
        let said = running.killed().await;
        *self.url.lock().unwrap() = None;
        said
    }
}
