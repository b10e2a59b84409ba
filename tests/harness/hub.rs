//! A hub over a test's database: the real router on a port of its own, and a clock that stands still.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex, PoisonError},
};

use entente::{
    access::{
        connect::{Db, Dialect},
        roster,
    },
    app::App,
    auth::Ttl,
    clock::Clock,
    config::{Config, Flags},
    http,
};
use reqwest::{Client, Method, RequestBuilder, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::OnceCell, task::JoinHandle};

use super::{
    NOW, RUNTIME,
    cluster::Cluster,
    command::{Command, entente},
    database::{Database, Template},
    wire::Wire,
};

const CONNECTIONS: usize = 4;

static CLIENT: LazyLock<Client> = LazyLock::new(|| Client::builder().no_proxy().build().unwrap());

#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    app: Arc<App>,
    url: String,
    tokens: Mutex<HashMap<String, String>>,
    server: JoinHandle<()>,
    /// Others see this database and this clock.
    shared_rows: bool,
    shared_clock: bool,
    // last: the hub lets go of its connections first
    database: Arc<Database>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Hub {
    /// The one over the demo world that every test may ask and none may change.
    pub(super) async fn shared(dialect: Dialect) -> Self {
        static SHARED: [OnceCell<Hub>; 2] = [const { OnceCell::const_new() }; 2];
        let make = || async {
            let database = Arc::new(Database::copy(dialect, Template::Demo).await);
            Hub::over(database, |_| (), NOW.parse().unwrap(), true, true).await
        };
        SHARED[usize::from(dialect == Dialect::Postgres)].get_or_init(make).await.clone()
    }

    pub(super) async fn own(dialect: Dialect, template: Template) -> Self {
        let database = Arc::new(Database::copy(dialect, template).await);
        Hub::over(database, |_| (), NOW.parse().unwrap(), false, false).await
    }

    async fn over(
        database: Arc<Database>,
        change: impl FnOnce(&mut Config),
        now: entities::Instant,
        shared_rows: bool,
        shared_clock: bool,
    ) -> Self {
        let flags = Flags { database_url: Some(database.url.clone()), ..Flags::default() };
        let mut config = Config::load(&flags).unwrap();
        config.connections = CONNECTIONS;
        config.durable = false;
        // a clock that stands still gives nothing back
        config.limits.budgets = false;
        // on a busy machine a view takes its time, and so do clients
        (config.streams.init_timeout, config.streams.keep_alive) = (60, 60);
        config.audit.journal = Some(database.journal());
        change(&mut config);
        let db = config.open().await.unwrap_or_else(|error| panic!("{error}"));
        let app = App::over(config, db, Clock::held(now)).await.unwrap_or_else(|error| panic!("{error}"));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let serving = http::serve(app.clone(), listener, std::future::pending());
        let server = RUNTIME.spawn(async move { serving.await.unwrap() });
        let tokens = Mutex::default();
        Hub(Arc::new(Inner { app, url, tokens, server, shared_rows, shared_clock, database }))
    }

    /// Another hub over the same database, with other settings and a clock of its own. It stands where
    /// this one does.
    pub async fn with(&self, change: impl FnOnce(&mut Config)) -> Hub {
        let now = self.0.app.clock.now();
        Hub::over(self.0.database.clone(), change, now, self.0.shared_rows, false).await
    }

    pub fn app(&self) -> &Arc<App> {
        &self.0.app
    }

    pub fn db(&self) -> &Db {
        &self.0.app.db
    }

    pub fn clock(&self) -> &Clock {
        &self.0.app.clock
    }

    pub fn dialect(&self) -> Dialect {
        self.0.database.dialect
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> &str {
        &self.0.url
    }

    pub fn database_url(&self) -> &str {
        &self.0.database.url
    }

    pub fn set_clock(&self, at: &str) {
        assert!(!self.0.shared_clock, "others use this hub: register the test as `changing`, or ask `hub.with(…)`");
        self.0.app.clock.set(at.parse().unwrap());
    }

    // ---- asking

    /// A token for the seat, good for a year; the same for every call until it ends.
    pub async fn token(&self, seat: &str) -> String {
        let kept = self.0.tokens.lock().unwrap().get(seat).cloned();
        match kept {
            Some(token) => token,
            None => {
                let token = self.new_token(seat, "366d").await;
                self.0.tokens.lock().unwrap().insert(seat.into(), token.clone());
                token
            }
        }
    }

    pub async fn new_token(&self, seat: &str, ttl: &str) -> String {
        let app = self.app();
        let resolved = roster::resolve(&app.db, seat, app.clock.now()).await;
        let (seat, person) = resolved.unwrap_or_else(|error| panic!("{error}"));
        let ttl: Ttl = ttl.parse().unwrap();
        app.tokens.issue(&seat, person, ttl, &app.clock).unwrap()
    }

    pub async fn query(&self, seat: &str, document: &str) -> Reply {
        self.query_with(seat, document, json!({})).await
    }

    pub async fn query_with(&self, seat: &str, document: &str, variables: Value) -> Reply {
        let body = json!({ "query": document, "variables": variables });
        let reply = self.post(&self.token(seat).await, &body).await;
        if self.0.shared_rows && self.0.shared_clock {
            self.compare(format!("{seat}: {body}"), &reply);
        }
        reply
    }

    /// Whatever is asked of both shared hubs must be answered with the same bytes. Errors only with the
    /// same code: a document that a hub has seen before is refused in other words.
    fn compare(&self, asked: String, reply: &Reply) {
        let answer =
            if reply.status == 200 { reply.text.clone() } else { format!("{} {}", reply.status, reply.codes()) };
        static ANSWERS: LazyLock<Mutex<HashMap<String, String>>> = LazyLock::new(Mutex::default);
        let mut answers = ANSWERS.lock().unwrap_or_else(PoisonError::into_inner);
        let first = answers.entry(asked.clone()).or_insert_with(|| answer.clone());
        if *first != answer {
            let at = first.bytes().zip(answer.bytes()).take_while(|(a, b)| a == b).count().saturating_sub(60);
            let part = |text: &str| {
                String::from_utf8_lossy(&text.as_bytes()[at.min(text.len())..]).chars().take(200).collect::<String>()
            };
            panic!(
                "the databases answer differently to {asked}\n first: …{}\n {:?}: …{}",
                part(first),
                self.dialect(),
                part(&answer)
            );
        }
    }

    /// What the seat is answered; an error fails the test.
    pub async fn data(&self, seat: &str, document: &str) -> Value {
        self.query(seat, document).await.data()
    }

    pub async fn data_with(&self, seat: &str, document: &str, variables: Value) -> Value {
        self.query_with(seat, document, variables).await.data()
    }

    /// Code and message of the only error.
    pub async fn refusal(&self, seat: &str, document: &str) -> (String, String) {
        self.query(seat, document).await.refusal()
    }

    pub async fn refusal_with(&self, seat: &str, document: &str, variables: Value) -> (String, String) {
        self.query_with(seat, document, variables).await.refusal()
    }

    /// A request's body to `/graphql`, as a bearer.
    pub async fn post(&self, token: &str, body: &Value) -> Reply {
        let request = self.request(Method::POST, "/graphql").bearer_auth(token).json(body);
        send(request.header(header::ACCEPT, "application/graphql-response+json")).await
    }

    /// Raw HTTP; see [`send`].
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        CLIENT.request(method, format!("{}{path}", self.url()))
    }

    // ---- the access log

    /// Brings the lines that wait in the journal into the table. Nothing else does: hubs of tests have no taker,
    /// so that what a test reads of the log is what it has asked for.
    pub async fn take_log(&self) -> u64 {
        self.app().audit.take().await.unwrap_or_else(|error| panic!("{error}"))
    }

    /// The lines behind a place, as `organisation/person action Type [fields] rows decision agreement`.
    pub async fn log(&self, after: i64) -> Vec<String> {
        self.take_log().await;
        let name = |table: &str, column: &str, of: &str| {
            format!("coalesce((SELECT t.{column} FROM {table} t WHERE t.id = e.{of}), '-')")
        };
        let sql = format!(
            "SELECT {} || '/' || {} || ' ' || action || ' ' || object_type || ' ' || CAST(fields AS text) || ' ' || \
             \"rows\" || ' ' || decision || ' ' || {} FROM audit_event e WHERE seq > {after} ORDER BY seq",
            name("organisation", "slug", "organisation_id"),
            name("principal", "slug", "principal_id"),
            name("sharing_agreement", "title", "agreement_id"),
        );
        self.texts(&sql).await.into_iter().flatten().collect()
    }

    /// The place of the last line.
    pub async fn log_end(&self) -> i64 {
        self.take_log().await;
        self.number("SELECT seq FROM audit_chain").await
    }

    pub fn journal(&self) -> std::path::PathBuf {
        self.0.database.journal()
    }

    // ---- past the hub

    /// An operator's change of the database; the number of rows changed.
    pub async fn sql(&self, sql: &str) -> u64 {
        assert!(!self.0.shared_rows, "others read these rows: register the test as `changing`");
        self.0.database.sql(sql).await
    }

    /// Several of them, in one transaction.
    pub async fn all(&self, statements: &[String]) {
        assert!(!self.0.shared_rows, "others read these rows: register the test as `changing`");
        self.0.database.all(statements).await;
    }

    /// The first column as text, null as nothing.
    pub async fn texts(&self, sql: &str) -> Vec<Option<String>> {
        self.0.database.texts(sql).await
    }

    /// The one number that the statement gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let found = self.texts(sql).await;
        found[0].as_deref().unwrap_or_else(|| panic!("{sql}: null")).parse().unwrap()
    }

    /// Another hub over the same PostgreSQL database, with a wire between that can be cut.
    pub async fn wired(&self) -> (Hub, Wire) {
        let (wire, url) = Wire::to(self.database_url()).await;
        (self.with(|config| config.database_url = url.parse().unwrap()).await, wire)
    }

    /// A hub over a PostgreSQL server that can be killed and started again.
    pub async fn killable() -> (Hub, Cluster) {
        let (database, cluster) = Database::killable().await;
        let change = |config: &mut Config| config.durable = true;
        (Hub::over(Arc::new(database), change, NOW.parse().unwrap(), false, false).await, cluster)
    }

    /// The binary over this database, in a folder of its own.
    pub fn cli(&self, arguments: &[&str]) -> Command {
        let command = entente(arguments)
            .env("DATABASE_URL", self.database_url())
            .env("ENTENTE_CLOCK", &self.clock().now().to_string());
        // a command brings lines of the log into the table: not into one that others read
        match self.0.shared_rows {
            true => command.env("ENTENTE_AUDIT__ENABLED", "false"),
            false => command.env("ENTENTE_AUDIT__JOURNAL", &self.journal().to_string_lossy()),
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: header::HeaderMap,
    pub text: String,
}

/// Sends a request that [`Hub::request`] began.
pub async fn send(request: RequestBuilder) -> Reply {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Reply { status, headers, text: response.text().await.unwrap() }
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {} {}", self.status, self.text))
    }

    #[track_caller]
    pub fn data(&self) -> Value {
        let mut body = self.json();
        assert!(self.status == 200 && body.get("errors").is_none(), "{} {body}", self.status);
        body["data"].take()
    }

    /// The only error: its code and message.
    #[track_caller]
    pub fn refusal(&self) -> (String, String) {
        let body = self.json();
        let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no error: {} {body}", self.status));
        assert!(errors.len() == 1 && body.get("data").is_none(), "{body}");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&errors[0]["extensions"]["code"]), text(&errors[0]["message"]))
    }

    fn codes(&self) -> String {
        let body = self.json();
        let code = |error: &Value| error["extensions"]["code"].to_string();
        body["errors"].as_array().map(|all| all.iter().map(code).collect()).unwrap_or_default()
    }

    #[track_caller]
    pub fn code(&self) -> String {
        self.refusal().0
    }

    /// `extensions.access`: the paths that the rows hide, written `a.0.b`.
    pub fn hidden(&self) -> Vec<String> {
        let body = self.json();
        let paths = body["extensions"]["access"].as_array().cloned().unwrap_or_default();
        let step = |step: &Value| step.as_str().map_or_else(|| step.to_string(), String::from);
        let path = |path: &Value| path.as_array().unwrap().iter().map(step).collect::<Vec<_>>().join(".");
        paths.iter().map(path).collect()
    }
}
