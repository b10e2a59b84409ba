//! GraphQL: a schema per view class, and reads as cached plans. A document is parsed and validated at
//! first sight by async-graphql against the class's schema; from then on it is bound and run.

mod compile;
mod document;
mod filter;
mod group;
mod guarded;
mod ids;
mod json;
pub mod lines;
pub mod model;
mod mutation;
mod page;
mod plan;
mod run;
mod schema;
pub mod subscription;
mod subscription_schema;
mod tools;
mod value;
mod viewer;

use std::{
    hash::{Hash, Hasher},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use async_graphql::dynamic::Schema;
use futures_util::StreamExt;
use quick_cache::{Equivalent, sync::Cache};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

pub use ids::Codec;
pub use subscription_schema::Kind as ChangeKind;
pub use viewer::access as access_of;

use crate::{
    access::{Caller, View, ViewClass},
    app::App,
    audit::{Action, Read},
    config,
    error::{Code, Error, Result},
    feed,
};
use document::Document;
use plan::Plan;

#[derive(Clone, Debug)]
pub struct Request {
    pub query: String,
    pub operation_name: Option<String>,
    pub variables: Map<String, Json>,
    pub method_get: bool,
}

#[derive(Debug)]
pub struct Answer {
    pub body: Vec<u8>,
    pub status: AnswerStatus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AnswerStatus {
    Executed,
    RequestError,
    Unauthenticated,
    Forbidden,
    /// Its budget is spent, for so many seconds.
    TooMany {
        retry_after: u64,
    },
    /// A GET of something else than a query.
    NotAQuery,
    Internal,
    Unavailable,
    Unlogged,
}

#[derive(Clone, Debug)]
pub struct Limits {
    pub tokens: usize,
    pub depth: usize,
    pub aliases: usize,
    pub directives: usize,
    /// With every fragment expanded.
    pub fields: usize,
    pub cost: usize,
    pub page_default: usize,
    pub page_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            tokens: 10_000,
            depth: 15,
            aliases: 100,
            directives: 50,
            fields: 5_000,
            cost: 100_000,
            page_default: 20,
            page_max: 1_000,
        }
    }
}

impl From<&config::Limits> for Limits {
    fn from(l: &config::Limits) -> Self {
        Limits {
            tokens: l.tokens,
            depth: l.depth,
            aliases: l.aliases,
            directives: l.directives,
            cost: usize::try_from(l.cost).unwrap_or(usize::MAX),
            page_default: l.page_size_default,
            page_max: l.page_size_max,
            ..Limits::default()
        }
    }
}

/// Schemas that are kept, the latest used first. Each takes some megabytes and can be built again in
/// milliseconds; documents that have been seen need none.
const SCHEMAS: usize = 4;

#[derive(Debug, PartialEq, Eq, Hash)]
struct DocumentKey {
    class: u64,
    query: String,
    operation: Option<String>,
}

/// The same, borrowed: a look-up copies nothing.
struct DocumentRef<'a> {
    class: u64,
    query: &'a str,
    operation: Option<&'a str>,
}

impl Hash for DocumentRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.class.hash(state);
        self.query.hash(state);
        self.operation.hash(state);
    }
}

impl Equivalent<DocumentKey> for DocumentRef<'_> {
    fn equivalent(&self, key: &DocumentKey) -> bool {
        self.class == key.class && self.query == key.query && self.operation == key.operation.as_deref()
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct PlanKey {
    view: u64,
    document: u64,
    shape: Vec<u8>,
}

pub struct Engine {
    seal: [u8; 32],
    limits: Limits,
    /// The number of each class, and of each view's.
    classes: Cache<ViewClass, u64>,
    class_of: Cache<u64, u64>,
    schemas: Mutex<Vec<(u64, Arc<Schema>)>>,
    documents: Cache<DocumentKey, Arc<Document>>,
    plans: Cache<PlanKey, Arc<Plan>>,
    codecs: Cache<Uuid, Arc<Codec>>,
    ids: AtomicU64,
    tools: tools::Desk,
}

impl Engine {
    pub fn new(seal: [u8; 32], limits: &config::Limits) -> Self {
        Engine {
            seal,
            limits: Limits::from(limits),
            classes: Cache::new(1_000),
            class_of: Cache::new(10_000),
            schemas: Mutex::default(),
            documents: Cache::new(limits.plans),
            plans: Cache::new(limits.plans),
            codecs: Cache::new(10_000),
            ids: AtomicU64::new(1),
            tools: tools::Desk::default(),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    pub fn codec(&self, organisation: Uuid) -> Arc<Codec> {
        if let Some(codec) = self.codecs.get(&organisation) {
            return codec;
        }
        let codec = Arc::new(Codec::new(&self.seal, organisation));
        self.codecs.insert(organisation, codec.clone());
        codec
    }

    fn class(&self, view: &View) -> u64 {
        if let Some(class) = self.class_of.get(&view.id) {
            return class;
        }
        let class = self.classes.get(&view.class).unwrap_or_else(|| {
            let class = self.ids.fetch_add(1, Ordering::Relaxed);
            self.classes.insert(view.class.clone(), class);
            class
        });
        self.class_of.insert(view.id, class);
        class
    }

    /// The request's document, which is one of the view's schema.
    async fn document(&self, view: &View, request: &mut Request) -> std::result::Result<Arc<Document>, Refused> {
        let class = self.class(view);
        let key = DocumentRef { class, query: &request.query, operation: request.operation_name.as_deref() };
        let (document, seen) = match self.documents.get(&key) {
            Some(document) => (document, true),
            None => {
                let id = self.ids.fetch_add(1, Ordering::Relaxed);
                let parsed = Document::parse(&request.query, request.operation_name.as_deref(), &self.limits, id)?;
                (Arc::new(parsed), false)
            }
        };
        if request.method_get && !document.is_query()? {
            let mut refused = Refused::from(Error::input("only queries are answered to GET, send a mutation by POST"));
            refused.status = AnswerStatus::NotAQuery;
            return Err(refused);
        }
        document.complete(&mut request.variables)?;
        if !seen {
            if document.is_mutation()? && model::mutations(&view.class).next().is_none() {
                return Err(Error::Validation("you may write nothing here: your schema has no mutations".into()).into());
            }
            validate(&*self.schema(class, &view.class)?, &document, request).await?;
            let key = DocumentKey { class, query: request.query.clone(), operation: request.operation_name.clone() };
            self.documents.insert(key, document.clone());
        }
        Ok(document)
    }

    fn schema(&self, number: u64, class: &ViewClass) -> Result<Arc<Schema>> {
        let take = |kept: &mut Vec<(u64, Arc<Schema>)>| {
            let at = kept.iter().position(|(of, _)| *of == number)?;
            Some(kept.remove(at).1)
        };
        let found = take(&mut self.schemas.lock().unwrap_or_else(PoisonError::into_inner));
        let schema = match found {
            Some(schema) => schema,
            None => Arc::new(schema::build(class)?),
        };
        let mut kept = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        drop(take(&mut kept));
        kept.insert(0, (number, schema.clone()));
        kept.truncate(SCHEMAS);
        Ok(schema)
    }
}

/// The schema text of a class.
pub fn sdl(class: &ViewClass) -> Result<String> {
    Ok(schema::build(class)?.sdl())
}

/// Errors of a request, as they are written.
pub struct Refused {
    status: AnswerStatus,
    errors: Vec<Json>,
}

impl Refused {
    /// The document is wrong, or was not understood.
    pub fn is_of_request(&self) -> bool {
        self.status == AnswerStatus::RequestError
    }
}

impl From<Refused> for Answer {
    fn from(refused: Refused) -> Self {
        let body = serde_json::json!({ "errors": refused.errors }).to_string().into_bytes();
        Answer { body, status: refused.status }
    }
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Refused::from(&error)
    }
}

impl From<&Error> for Refused {
    fn from(error: &Error) -> Self {
        let status = match (error, error.code()) {
            (Error::Unavailable(_), _) => AnswerStatus::Unavailable,
            (Error::Unlogged(_), _) => AnswerStatus::Unlogged,
            (Error::RateLimited { retry_after, .. }, _) => AnswerStatus::TooMany { retry_after: *retry_after },
            (_, Code::Unauthenticated) => AnswerStatus::Unauthenticated,
            (_, Code::Forbidden) => AnswerStatus::Forbidden,
            (_, Code::Internal) => AnswerStatus::Internal,
            _ => AnswerStatus::RequestError,
        };
        if matches!(status, AnswerStatus::Internal | AnswerStatus::Unavailable | AnswerStatus::Unlogged) {
            crate::telemetry::failure(error);
        }
        let error = serde_json::json!({ "message": error.client_text(), "extensions": error.extensions() });
        Refused { status, errors: vec![error] }
    }
}

/// Answers a request. Whatever happens, the body is a GraphQL answer.
pub async fn answer(app: &Arc<App>, caller: &Caller, request: Request) -> Answer {
    match try_answer(app, caller, request).await {
        Ok(body) => Answer { body, status: AnswerStatus::Executed },
        Err(refused) => refused.into(),
    }
}

/// What a request brings.
#[derive(Debug)]
pub enum Outcome {
    Answer(Answer),
    Stream(feed::Subscription),
}

impl Outcome {
    /// A failure that was logged where it happened.
    pub fn failed(error: &Error) -> Self {
        Outcome::Answer(Answer { body: refusal(error).into_bytes(), status: AnswerStatus::Internal })
    }
}

/// A response that says nothing but why there is none.
pub fn refusal(error: &Error) -> String {
    let error = serde_json::json!({ "message": error.client_text(), "extensions": { "code": error.code().as_str() } });
    serde_json::json!({ "errors": [error] }).to_string()
}

/// Answers a request over a door that can stream. `last_event` is where the client was, if it says so.
pub async fn respond(app: &Arc<App>, caller: &Arc<Caller>, request: Request, last_event: Option<String>) -> Outcome {
    let source = if subscribes(app, &request) { app.feed.load_full() } else { None };
    let Some(source) = source else { return Outcome::Answer(answer(app, caller, request).await) };
    let asked = feed::Asked { caller: caller.clone(), request, last_event, bounds: None };
    source.open(app.clone(), asked).await.map_or_else(Outcome::Answer, Outcome::Stream)
}

/// Only a document with the word in it is parsed here.
fn subscribes(app: &App, request: &Request) -> bool {
    request.query.contains("subscription")
        && Document::parse(&request.query, request.operation_name.as_deref(), &app.graphql.limits, 0)
            .is_ok_and(|document| document.is_subscription())
}

/// How long an answer is made anew because the shared data changed under it. Each time may meet another change: how
/// often says nothing.
const PATIENCE: Duration = Duration::from_secs(30);

fn changing() -> Error {
    Error::unavailable("the shared data changed too often to answer")
}

async fn try_answer(app: &Arc<App>, caller: &Caller, mut request: Request) -> std::result::Result<Vec<u8>, Refused> {
    let now = app.clock.now();
    let mut view = app.gate.view(caller, now).await?;
    let mut paid = 0;
    let until = tokio::time::Instant::now() + PATIENCE;
    while tokio::time::Instant::now() < until {
        match attempt(app, caller, &view, &mut request, now, &mut paid).await {
            Ok(Some(body)) => return Ok(body),
            Ok(None) => {}
            // what a stale view does not know may be shared by now
            Err(refused) if refused.status == AnswerStatus::RequestError => {
                if app.gate.version().await? == view.version {
                    return Err(refused);
                }
            }
            Err(refused) => return Err(refused),
        }
        view = app.gate.fresh_view(caller, now).await?;
    }
    Err(changing().into())
}

async fn attempt(
    app: &Arc<App>,
    caller: &Caller,
    view: &Arc<View>,
    request: &mut Request,
    now: entities::Instant,
    paid: &mut u32,
) -> std::result::Result<Option<Vec<u8>>, Refused> {
    let engine = &app.graphql;
    let class = engine.class(view);
    let document = engine.document(view, request).await?;
    if document.is_subscription() {
        return Err(
            Error::input("subscriptions are answered over WebSocket or as an event stream, ask for either").into()
        );
    }
    if document.is_mutation()? {
        return mutation::answer(app, caller, view, &document, &request.variables).await.map(Some);
    }
    let codec = engine.codec(view.seat.organisation);
    let shape = shape(&document, &request.variables, &codec);
    let key = PlanKey { view: view.id, document: document.id, shape };
    let plan = match engine.plans.get(&key) {
        Some(plan) => plan,
        None => {
            let plan =
                compile::compile(view, app.gate.dialect(), &document, &request.variables, &codec, &engine.limits)?;
            let plan = Arc::new(plan);
            engine.plans.insert(key, plan.clone());
            plan
        }
    };
    // an answer that is made anew is paid for once
    if plan.cost > *paid {
        app.budgets.spend(caller.principal, view.budget(caller, now), plan.cost - *paid)?;
        *paid = plan.cost;
    }
    let introspection = match plan.introspects {
        true => Some(introspect(&*engine.schema(class, &view.class)?, &document, request).await),
        false => None,
    };
    let run = run::Run {
        gate: &app.gate,
        view,
        plan: &plan,
        codec: &codec,
        variables: &request.variables,
        me: caller.person(),
        now,
        asker: Some(tools::Asker { app, caller, now }),
        introspection,
    };
    let Some(answer) = run::run(&run).await? else { return Ok(None) };
    // the last thing before the answer leaves: what cannot be logged is not handed out
    record(app, caller, &plan, &answer, now).await?;
    Ok(Some(answer.into_body()))
}

/// Notes what an answer holds, with the looks by which it may have been read.
async fn record(app: &App, caller: &Caller, plan: &Plan, answer: &run::Answered, now: entities::Instant) -> Result<()> {
    let looks = match plan.reads.iter().any(Read::is_looked) && caller.place.is_none() {
        true => app.gate.open_looks(caller.principal, now).await?,
        false => Vec::new(),
    };
    app.audit.record_looking(caller.into(), Action::Read, &plan.reads, &looks, |ty| answer.delivered[ty.0])
}

fn shape(document: &Document, variables: &Map<String, Json>, codec: &Codec) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, role) in &document.roles {
        // a cursor's nulls are written into it; the list that it belongs to is checked when it is bound
        value::shape(*role, variables.get(name.as_str()), &mut out, &|text: &str| codec.nulls(text));
        out.push(b';');
    }
    out
}

fn asked(document: &Document, request: &Request) -> async_graphql::Request {
    let variables = async_graphql::Variables::from_json(Json::Object(request.variables.clone()));
    let mut asked = async_graphql::Request::new(String::new()).variables(variables);
    if let Some(name) = &request.operation_name {
        asked = asked.operation_name(name);
    }
    asked.set_parsed_query(document.ast.clone());
    asked
}

/// The first ones are enough to mend a document; a long one could have thousands.
const ERRORS: usize = 20;

/// The resolvers give nothing, so what fails is the document.
async fn validate(schema: &Schema, document: &Document, request: &Request) -> std::result::Result<(), Refused> {
    let response = match document.is_subscription() {
        true => schema.execute_stream(asked(document, request)).next().await.unwrap_or_default(),
        false => schema.execute(asked(document, request)).await,
    };
    if response.errors.is_empty() {
        return Ok(());
    }
    let mut errors: Vec<Json> = Vec::new();
    for error in response.errors {
        let locations: Vec<Json> =
            error.locations.iter().map(|l| serde_json::json!({ "line": l.line, "column": l.column })).collect();
        // a variable's value is told as it is when the document has been seen before
        let bound = error.message.starts_with("Invalid value for argument")
            && error.locations.iter().any(|at| document.bound.contains(at));
        let code = if bound { Code::BadUserInput } else { Code::GraphqlValidationFailed };
        let error = serde_json::json!({
            "message": error.message, "locations": locations, "extensions": { "code": code.as_str() },
        });
        if !errors.contains(&error) {
            errors.push(error);
        }
        if errors.len() == ERRORS {
            break;
        }
    }
    Err(Refused { status: AnswerStatus::RequestError, errors })
}

async fn introspect(schema: &Schema, document: &Document, request: &Request) -> Json {
    let response = schema.execute(asked(document, request)).await;
    response.data.into_json().unwrap_or(Json::Null)
}
