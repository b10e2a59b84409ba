//! Hubs on one database tell each other over NATS JetStream how far the change log has come, and nothing else: no row
//! leaves, and what a seat is told is asked of the database through its view. A message only makes a hub look at the
//! log, so what is lost on the bus, comes twice or is a lie costs a look; who hears nothing looks now and then anyway.

mod settings;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI64, Ordering},
    },
    time::Duration,
};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, Event,
    jetstream::{
        Context,
        consumer::{DeliverPolicy, push},
        context::{ContextBuilder, CreateStreamError, CreateStreamErrorKind, PublishError, PublishErrorKind},
        message::PublishMessage,
        stream::{self, Stream},
    },
};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::{
    sync::{Notify, oneshot},
    time,
};

pub use self::settings::{Secret, Servers, Settings};
use crate::{
    access::{Gate, key::Keys, log::Position},
    error::{Error, Result},
};

/// Between two attempts to reach the bus.
const PATIENCE: Duration = Duration::from_secs(1);
/// For one answer of the bus.
const ANSWER: Duration = Duration::from_secs(3);
/// How often the bus is tried when there is nothing to tell.
const CHECK: Duration = Duration::from_secs(5);
/// How long the bus knows a message that comes again.
const DOUBLES: Duration = Duration::from_secs(120);

pub struct Bus {
    gate: Arc<Gate>,
    settings: Settings,
    servers: Servers,
    /// Hubs on one database have one, and no others do.
    name: String,
    up: AtomicBool,
    /// The position that was told last, by whomever.
    heard: AtomicI64,
}

/// Why the bus cannot be used: one sentence, without its end.
type Trouble = String;

impl Bus {
    /// `None`: the settings name no bus.
    pub async fn open(gate: Arc<Gate>, keys: &Keys, settings: &Settings) -> Result<Option<Arc<Self>>> {
        let Some(servers) = settings.url.clone() else { return Ok(None) };
        settings.options().await.map_err(Error::Usage)?;
        let digest = Sha256::new().chain_update("bus").chain_update(keys.seal).finalize();
        let name = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let (up, heard) = (AtomicBool::new(false), AtomicI64::new(i64::MIN));
        Ok(Some(Arc::new(Bus { gate, settings: settings.clone(), servers, name, up, heard })))
    }

    pub fn is_up(&self) -> bool {
        self.up.load(Ordering::Relaxed)
    }

    /// Tells and listens until told to stop.
    pub async fn keep(self: Arc<Self>, stop: oneshot::Receiver<()>) {
        tokio::select! {
            _ = stop => {}
            never = self.run() => match never {},
        }
        self.up.store(false, Ordering::Relaxed);
    }

    async fn run(&self) -> Infallible {
        let mut told = None;
        loop {
            let Err(trouble) = self.session().await;
            if self.up.swap(false, Ordering::Relaxed) {
                told = None;
            }
            // told when it begins, not at every attempt
            if told.as_ref() != Some(&trouble) {
                tracing::warn!("bus {}: {trouble}; until it is there, changes are found in the database", self.servers);
                told = Some(trouble);
            }
            // which is what it said
            self.gate.wake();
            time::sleep(PATIENCE).await;
        }
    }

    /// From a connection to its end. Whatever goes wrong, the next one begins from nothing: the bus may be empty.
    async fn session(&self) -> std::result::Result<Infallible, Trouble> {
        let lost = Arc::new(Notify::new());
        let client = self.connect(lost.clone()).await?;
        let deliver_subject = client.new_inbox();
        let bus = ContextBuilder::new().timeout(ANSWER).build(client);
        let stream = bus.get_or_create_stream(self.stream()).await.map_err(|error| self.no_stream(&error))?;
        let consumer = push::OrderedConfig {
            deliver_subject,
            filter_subject: self.subject(),
            deliver_policy: DeliverPolicy::New,
            ..Default::default()
        };
        let not_heard = |cause: &dyn std::fmt::Display| format!("what it tells cannot be heard ({cause})");
        let consumer = stream.create_consumer(consumer).await.map_err(|cause| not_heard(&cause))?;
        let messages = consumer.messages().await.map_err(|cause| not_heard(&cause))?;
        // what was told before this, the database says
        self.gate.wake();
        tokio::select! {
            ended = self.listen(messages) => ended,
            ended = self.relay(&bus) => ended,
            ended = still_there(stream) => ended,
            () = lost.notified() => Err("the connection was lost".into()),
        }
    }

    async fn connect(&self, lost: Arc<Notify>) -> std::result::Result<Client, Trouble> {
        let servers = self.servers.addresses();
        let options = self.settings.options().await?.name("entente").connection_timeout(ANSWER).ping_interval(CHECK);
        // one round of the servers: what was lost begins here again
        let options = options.ignore_discovered_servers().max_reconnects(servers.len());
        let options = options.event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                lost.notify_one();
            }
            std::future::ready(())
        });
        options.connect(servers).await.map_err(|error| unreachable(&error))
    }

    fn stream(&self) -> stream::Config {
        stream::Config {
            name: self.settings.stream.to_string(),
            description: Some("how far change logs of Entente have come".into()),
            subjects: vec![format!("{}.*", self.settings.stream)],
            // an older position says nothing that a newer one does not, and the log is in the database
            max_messages_per_subject: 1,
            storage: stream::StorageType::Memory,
            num_replicas: self.settings.replicas,
            duplicate_window: DOUBLES,
            ..Default::default()
        }
    }

    fn subject(&self) -> String {
        format!("{}.{}", self.settings.stream, self.name)
    }

    /// What others tell makes this hub look at the log.
    async fn listen(&self, mut messages: push::Ordered) -> std::result::Result<Infallible, Trouble> {
        let heads = self.gate.heads();
        while let Some(message) = messages.next().await {
            let message = message.map_err(|cause| format!("it falls silent ({cause})"))?;
            // of anybody else, and no matter of ours
            let Some(position) = position(&message.payload) else { continue };
            self.heard.store(position.0, Ordering::Relaxed);
            if position > *heads.borrow() {
                self.gate.wake();
            }
        }
        Err("it falls silent".into())
    }

    /// Tells where the log ends, whenever it has moved and nobody else has told. All hubs do, in the order of the log;
    /// the bus takes each position once.
    async fn relay(&self, bus: &Context) -> std::result::Result<Infallible, Trouble> {
        let mut heads = self.gate.heads();
        loop {
            let head = *heads.borrow_and_update();
            self.tell(bus, head).await?;
            if !self.up.swap(true, Ordering::Relaxed) {
                tracing::info!("bus {}: up", self.servers);
            }
            // silent only about the very position that was heard: no lie silences a hub
            let untold = |now: &Position| *now != head && now.0 != self.heard.load(Ordering::Relaxed);
            // told again when nothing happens, which shows whether the bus still takes it
            if let Ok(Err(_)) = time::timeout(CHECK, heads.wait_for(untold)).await {
                return Err("this hub no longer watches its log".into());
            }
        }
    }

    async fn tell(&self, bus: &Context, head: Position) -> std::result::Result<(), Trouble> {
        let id = format!("{}-{head}", self.name);
        let message = PublishMessage::build().payload(head.to_string().into()).message_id(id);
        let sent = bus.send_publish(self.subject(), message).await.map_err(|error| self.not_taken(&error))?;
        let taken = sent.await.map_err(|error| self.not_taken(&error))?;
        if taken.stream == self.settings.stream.to_string() { Ok(()) } else { Err(self.not_ours()) }
    }

    fn no_stream(&self, error: &CreateStreamError) -> Trouble {
        let stream = &self.settings.stream;
        match error.kind() {
            CreateStreamErrorKind::JetStreamUnavailable => "it has no JetStream, start it with `-js`".into(),
            CreateStreamErrorKind::TimedOut => {
                format!("it does not answer about the stream `{stream}`, see what its user may do with `$JS.API.>`")
            }
            _ => format!("the stream `{stream}` cannot be had ({error})"),
        }
    }

    fn not_taken(&self, error: &PublishError) -> Trouble {
        match error.kind() {
            PublishErrorKind::StreamNotFound => self.not_ours(),
            _ => format!("it does not take what is for `{}` ({error})", self.subject()),
        }
    }

    fn not_ours(&self) -> Trouble {
        let stream = &self.settings.stream;
        format!(
            "the stream `{stream}` is gone, or is another's that does not take `{stream}.*`: then name one in `bus.stream`"
        )
    }
}

/// Who listens goes on behind the last message: where a stream was made anew, and counts from one again, that is long
/// silence.
async fn still_there(mut stream: Stream) -> std::result::Result<Infallible, Trouble> {
    let created = stream.cached_info().created;
    loop {
        time::sleep(CHECK).await;
        let now = stream.info().await.map_err(|cause| format!("it does not tell of its stream ({cause})"))?;
        if now.created != created {
            return Err("its stream was made anew".into());
        }
    }
}

fn unreachable(error: &ConnectError) -> Trouble {
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "it refuses the credentials, check `bus.user` and `bus.password`, `bus.token` or `bus.credentials_file`"
                .into()
        }
        _ => format!("it cannot be reached ({error})"),
    }
}

fn position(payload: &[u8]) -> Option<Position> {
    std::str::from_utf8(payload).ok()?.parse().ok().map(Position)
}
