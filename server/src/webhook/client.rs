//! One request to a receiver, who is not trusted: it may hang, answer without end, send elsewhere or be somebody else's
//! address. A request has a time in which all is over, an answer counts by its status, and nobody is followed.

use std::{
    collections::HashMap,
    error::Error as _,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use entities::Instant;
use reqwest::{
    Response, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER},
    redirect::Policy,
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    address::Allowed,
    message::{MEDIA_TYPE, Message},
    schedule,
};
use crate::{
    config,
    error::{Error, Result},
};

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Accepted,
    /// The receiver wants no more events.
    Gone,
    /// It is there, and does not want this one.
    Refused(String),
    /// It is not there, or not well.
    Failed {
        why: String,
        /// When it wants to be asked again.
        retry_after: Option<Instant>,
    },
}

/// The right to ask a host.
#[derive(Debug)]
pub struct Turn(#[expect(dead_code, reason = "held, and given back")] OwnedSemaphorePermit);

pub struct Client {
    http: reqwest::Client,
    allowed: Allowed,
    response_bytes: usize,
    per_host: usize,
    hosts: Mutex<HashMap<String, Weak<Semaphore>>>,
}

impl Client {
    pub fn new(settings: &config::Webhooks) -> Result<Self> {
        let allowed = Allowed::from(settings);
        let timeout = Duration::from_secs(settings.timeout.into());
        let http = reqwest::Client::builder()
            .user_agent(concat!("Entente/", env!("CARGO_PKG_VERSION")))
            .https_only(!allowed.http)
            // a proxy would resolve names in our place
            .no_proxy()
            .redirect(Policy::none())
            .dns_resolver(Arc::new(allowed))
            .timeout(timeout)
            .connect_timeout(timeout.min(Duration::from_secs(5)))
            .pool_max_idle_per_host(settings.per_host)
            .build()
            .map_err(|cause| Error::internal(format!("cannot make requests to webhooks ({cause})")))?;
        let (response_bytes, per_host) = (settings.response_bytes, settings.per_host);
        Ok(Client { http, allowed, response_bytes, per_host, hosts: Mutex::default() })
    }

    /// Waits for its turn at the host, which may take long.
    pub async fn turn(&self, url: &str) -> Result<Turn> {
        let host = self.allowed.url(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
        let turn = self.turns(&host).acquire_owned().await;
        turn.map(Turn).map_err(|_| Error::internal("a webhook's turn is gone"))
    }

    /// Sends, in its turn.
    pub async fn post(
        &self,
        _turn: &Turn,
        url: &str,
        message: &Message,
        (at, signatures): (Instant, String),
    ) -> Result<Outcome> {
        let url = match self.allowed.url(url) {
            Ok(url) => url,
            // the settings have changed since it was added
            Err(error) => return Ok(Outcome::Failed { why: error.to_string(), retry_after: None }),
        };
        let headers = headers(message, at, &signatures)?;
        let sent = self.http.post(url).headers(headers).body(message.body.clone()).send().await;
        Ok(match sent {
            Ok(response) => {
                let outcome = judged(&response, at);
                self.drain(response).await;
                outcome
            }
            Err(error) => Outcome::Failed { why: sentence(&error), retry_after: None },
        })
    }

    fn turns(&self, host: &str) -> Arc<Semaphore> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turns) = hosts.get(host).and_then(Weak::upgrade) {
            return turns;
        }
        hosts.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(self.per_host));
        hosts.insert(host.to_owned(), Arc::downgrade(&turns));
        turns
    }

    /// Reads a short answer to its end, so that its connection can be used again; a long one loses it.
    async fn drain(&self, mut response: Response) {
        let mut read = 0;
        while let Ok(Some(chunk)) = response.chunk().await {
            read += chunk.len();
            if read > self.response_bytes {
                return;
            }
        }
    }
}

fn headers(message: &Message, at: Instant, signatures: &str) -> Result<HeaderMap> {
    let value = |text: &str| {
        HeaderValue::from_str(text).map_err(|_| Error::internal(format!("`{text}` is no value of a header")))
    };
    let all = [
        (CONTENT_TYPE, value(MEDIA_TYPE)?),
        (HeaderName::from_static("webhook-id"), value(&message.id)?),
        (HeaderName::from_static("webhook-timestamp"), value(&at.0.div_euclid(1_000_000).to_string())?),
        (HeaderName::from_static("webhook-signature"), value(signatures)?),
    ];
    Ok(all.into_iter().collect())
}

fn judged(response: &Response, now: Instant) -> Outcome {
    let status = response.status();
    let why = format!("the receiver answers {status}");
    match status {
        status if status.is_success() => Outcome::Accepted,
        StatusCode::GONE => Outcome::Gone,
        status if status.is_redirection() => Outcome::Refused(format!("{why}, and redirects are not followed")),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            failed(why, response, now)
        }
        status if status.is_client_error() => Outcome::Refused(why),
        _ => failed(why, response, now),
    }
}

fn failed(why: String, response: &Response, now: Instant) -> Outcome {
    let asked = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    Outcome::Failed { why, retry_after: asked.and_then(|text| schedule::retry_after(text, now)) }
}

/// What went wrong, without the URL, which may hold a key of the receiver's.
fn sentence(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "the receiver did not answer in time".into();
    }
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(|cause| cause.source()) {
        cause = Some(deeper);
    }
    match cause {
        Some(cause) => format!("the receiver cannot be reached ({cause})"),
        None => "the receiver cannot be reached".into(),
    }
}
