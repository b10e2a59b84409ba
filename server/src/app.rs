//! Everything a request needs, put together once at the start.

use std::{path::PathBuf, sync::Arc};

use arc_swap::ArcSwapOption;

use crate::{
    access::{
        Gate,
        connect::{Db, Opening},
        key::{self, Keys},
    },
    audit::Audit,
    auth::Tokens,
    budget::Budgets,
    bus::Bus,
    clock::Clock,
    config::Config,
    error::Result,
    feed,
    graphql::Engine,
    http::Connections,
    mail::Post,
};

pub struct App {
    pub config: Config,
    pub db: Db,
    pub clock: Clock,
    pub keys: Keys,
    pub tokens: Tokens,
    pub gate: Arc<Gate>,
    pub graphql: Engine,
    pub audit: Arc<Audit>,
    pub budgets: Budgets,
    pub post: Arc<Post>,
    pub bus: Option<Arc<Bus>>,
    pub connections: Arc<Connections>,
    /// Without one there are no subscriptions.
    pub feed: ArcSwapOption<Box<dyn feed::Source>>,
}

impl App {
    /// From settings alone, on a database that is migrated.
    pub async fn start(config: Config) -> Result<Arc<Self>> {
        let clock = config.clock();
        let db = config.open().await?;
        App::over(config, db, clock).await
    }

    /// Over a database and a clock that the caller owns, too.
    pub async fn over(config: Config, db: Db, clock: Clock) -> Result<Arc<Self>> {
        db.check_migrated().await?;
        let keys = key::keys(&db, &clock).await?;
        let tokens = Tokens::new(&keys);
        let gate = Gate::open(db.clone(), config.policies.clone(), clock.clone()).await?;
        let gate = Arc::new(gate.watching(config.changes.watching()));
        let bus = Bus::open(gate.clone(), &keys, &config.bus).await?;
        let graphql = Engine::new(keys.seal, &config.limits);
        let audit = Arc::new(Audit::open(db.clone(), clock.clone(), &config.audit, config.journal(&db)).await?);
        let post = Arc::new(Post::open(db.clone(), clock.clone(), &config.mail)?);
        let budgets = Budgets::new(&config.limits, clock.clone());
        let connections = Connections::new(config.streams.connections);
        let source: Box<dyn feed::Source> = Box::new(feed::Feed::default());
        let feed = ArcSwapOption::from_pointee(source);
        Ok(Arc::new(App {
            config,
            db,
            clock,
            keys,
            tokens,
            gate,
            graphql,
            audit,
            budgets,
            post,
            bus,
            connections,
            feed,
        }))
    }
}

impl Config {
    pub fn clock(&self) -> Clock {
        self.clock.map_or_else(Clock::system, Clock::starting_at)
    }

    /// The folder of the access log's journal.
    fn journal(&self, db: &Db) -> PathBuf {
        match (&self.audit.journal, db.url().file()) {
            (Some(folder), _) => folder.clone(),
            (None, Some(file)) => {
                let mut beside = file.as_os_str().to_owned();
                beside.push("-audit");
                beside.into()
            }
            (None, None) => "entente-audit".into(),
        }
    }

    pub async fn open(&self) -> Result<Db> {
        Db::open_as(&self.database_url, Opening { connections: self.connections, durable: self.durable }).await
    }
}
