//! A receiver that keeps what it gets, and answers as it is told to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, Response},
};
use futures_util::stream;
use serde_json::Value;
use tokio::{net::TcpListener, task::JoinHandle};

use crate::harness::until;

#[derive(Clone, Debug)]
pub enum Say {
    Status(u16),
    With(u16, &'static str, String),
    Hang,
    /// 204, when so much time has passed.
    Late(Duration),
    /// 200, and a body without end.
    Endless,
}

#[derive(Clone, Debug)]
pub struct Got {
    pub headers: HeaderMap,
    pub text: String,
}

impl Got {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap()
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id")
    }

    /// What is told of which row.
    pub fn told(&self) -> String {
        let data = self.json()["data"].clone();
        let text = |name: &str| data[name].as_str().unwrap_or("-").to_owned();
        format!("{} {}", text("kind"), text("id"))
    }
}

#[derive(Default)]
struct Shared {
    got: Mutex<Vec<Got>>,
    says: Mutex<VecDeque<Say>>,
}

pub struct Receiver {
    pub port: u16,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        let router = Router::new().fallback(answer).with_state(shared.clone());
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Receiver { port, shared, server }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook", self.port)
    }

    /// The next answers; afterwards it is well again.
    pub fn says(&self, says: impl IntoIterator<Item = Say>) {
        self.shared.says.lock().unwrap().extend(says);
    }

    /// Back to health at once.
    pub fn recovers(&self) {
        self.shared.says.lock().unwrap().clear();
    }

    pub fn all(&self) -> Vec<Got> {
        self.shared.got.lock().unwrap().clone()
    }

    pub async fn got(&self, count: usize) -> Vec<Got> {
        until(&format!("{count} requests"), async || Some(self.all()).filter(|all| all.len() >= count)).await
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response<Body> {
    let text = String::from_utf8(body.to_vec()).unwrap();
    shared.got.lock().unwrap().push(Got { headers, text });
    let say = shared.says.lock().unwrap().pop_front();
    let answer = |status: u16| Response::builder().status(status);
    match say.unwrap_or(Say::Status(204)) {
        Say::Status(status) => answer(status).body(Body::empty()).unwrap(),
        Say::With(status, name, value) => answer(status).header(name, value).body(Body::empty()).unwrap(),
        Say::Hang => std::future::pending().await,
        Say::Late(after) => {
            tokio::time::sleep(after).await;
            answer(204).body(Body::empty()).unwrap()
        }
        Say::Endless => {
            let chunks = stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b'x'; 65_536])));
            answer(200).body(Body::from_stream(chunks)).unwrap()
        }
    }
}
