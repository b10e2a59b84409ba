//! The post: takes mails out of the outbox and hands them to a server, or lays them into a folder. What a server
//! does not take is tried again, later and later, for good.

use std::{path::PathBuf, sync::Arc, time::Duration};

use entities::{Instant, mail};
use lettre::{
    AsyncFileTransport, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};
use tokio::{sync::oneshot, time};

use crate::{
    access::{connect::Db, outbox::Outbox},
    clock::Clock,
    config,
    error::{Error, Result},
};

/// How often the outbox is looked into.
const PERIOD: Duration = Duration::from_secs(1);
/// For one mail to go out.
const PATIENCE: Duration = Duration::from_secs(30);
/// Between the first two attempts, and at most, in microseconds.
const AGAIN: i64 = 60 * 1_000_000;
const AT_MOST: i64 = 60 * AGAIN;

pub struct Post {
    outbox: Outbox,
    clock: Clock,
    from: Mailbox,
    way: Option<Way>,
}

enum Way {
    Server(AsyncSmtpTransport<Tokio1Executor>),
    Folder(PathBuf),
}

impl Post {
    pub fn open(db: Db, clock: Clock, settings: &config::Mail) -> Result<Self> {
        let from = settings.from.parse().map_err(|cause| {
            Error::usage(format!("setting `mail.from` is no address ({cause}), write `Name <name@host>`"))
        })?;
        let way = match (&settings.smtp, &settings.folder) {
            (Some(url), _) => Some(Way::Server(url.transport()?)),
            (None, Some(folder)) => Some(Way::Folder(folder.clone())),
            (None, None) => None,
        };
        Ok(Post { outbox: Outbox::new(db), clock, from, way })
    }

    /// Does anything go out?
    pub fn is_open(&self) -> bool {
        self.way.is_some()
    }

    /// Sends what is due; how many went out.
    pub async fn deliver(&self) -> Result<usize> {
        let Some(way) = &self.way else { return Ok(0) };
        let mut sent = 0;
        for mail in self.outbox.due(self.clock.now()).await? {
            let wait = AGAIN.saturating_mul(1 << mail.attempts.clamp(0, 10)).min(AT_MOST);
            if !self.outbox.take(&mail, Instant(self.clock.now().0 + wait)).await? {
                continue;
            }
            let sending = time::timeout(PATIENCE, self.send(way, &mail)).await;
            match sending.unwrap_or_else(|_| Err("it took too long".into())) {
                Ok(()) => {
                    self.outbox.sent(mail.id, self.clock.now()).await?;
                    sent += 1;
                }
                Err(problem) => {
                    tracing::warn!("mail {} waits for another attempt: {problem}", mail.id);
                    self.outbox.failed(mail.id, &problem).await?;
                }
            }
        }
        Ok(sent)
    }

    async fn send(&self, way: &Way, mail: &mail::Model) -> std::result::Result<(), String> {
        let to: Mailbox = mail.recipient.parse().map_err(|cause| format!("the recipient is no address ({cause})"))?;
        let message = Message::builder()
            .from(self.from.clone())
            .to(to)
            .subject(&mail.subject)
            .date(mail.created_at.utc().into())
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|cause| cause.to_string())?;
        match way {
            Way::Server(server) => server.send(message).await.map(drop).map_err(|cause| cause.to_string()),
            // made for the first mail: a folder that nobody needs is not left behind
            Way::Folder(folder) => {
                tokio::fs::create_dir_all(folder)
                    .await
                    .map_err(|cause| format!("cannot create `{}` ({cause})", folder.display()))?;
                let folder = AsyncFileTransport::<Tokio1Executor>::new(folder);
                folder.send(message).await.map(drop).map_err(|cause| cause.to_string())
            }
        }
    }

    /// Sends until told to stop.
    pub async fn keep(self: Arc<Self>, mut stop: oneshot::Receiver<()>) {
        let mut failing = false;
        while self.is_open() && time::timeout(PERIOD, &mut stop).await.is_err() {
            let delivered = self.deliver().await;
            // told when it begins, not every second
            if let (Err(error), false) = (&delivered, failing) {
                tracing::error!("mails wait in the outbox: {error}");
            }
            failing = delivered.is_err();
        }
    }
}

/// Where mails go, with the password in it: shown without.
#[derive(Clone, PartialEq, Eq, serde::Deserialize)]
#[serde(transparent)]
pub struct SmtpUrl(String);

impl SmtpUrl {
    pub fn new(text: &str) -> Self {
        SmtpUrl(text.trim().into())
    }

    fn transport(&self) -> Result<AsyncSmtpTransport<Tokio1Executor>> {
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(&self.0).map_err(|cause| {
            Error::usage(format!(
                "setting `mail.smtp` is wrong ({cause}), write `smtps://USER:PASSWORD@HOST` or `smtp://HOST:PORT?tls=required`"
            ))
        })?;
        Ok(builder.build())
    }
}

impl std::fmt::Display for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0.split_once("://") {
            Some((scheme, rest)) => write!(f, "{scheme}://{}", rest.rsplit_once('@').map_or(rest, |(_, host)| host)),
            None => f.write_str("(no URL)"),
        }
    }
}

impl std::fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

impl serde::Serialize for SmtpUrl {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
