//! Mutations: one after the other, each in a transaction of its own. What a mutation gives is read by an ordinary
//! plan of the caller's view, once the write is there, so it shows what a query would. From the commit on a write is
//! never answered as one that failed: what cannot be read back is told as written.

mod glass;
mod input;
mod schema;
mod webhook;

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    Codec, PATIENCE, Refused, changing,
    compile::{Compiler, Wanted},
    document::Document,
    json,
    model::{self, Doing, Mutation},
    plan::{Input, Plan, Root},
    run, tools,
};
use crate::{
    access::{
        Caller, View,
        read::Arg,
        write::{self, Write},
    },
    app::App,
    catalogue::TypeId,
    error::{Code, Error, Result},
    webhook::Wish,
};

pub use schema::{ROOT, schema};

/// The writes of one request.
#[derive(Clone, Copy)]
struct Asked<'a> {
    app: &'a Arc<App>,
    caller: &'a Caller,
    document: &'a Document,
    variables: &'a Map<String, Json>,
    codec: &'a Codec,
}

/// A write that the view knows, and what is shown of its row.
struct Ready {
    view: Arc<View>,
    ty: TypeId,
    change: Change,
    plan: Plan,
    /// The plan's input that is the row's key.
    row: usize,
    /// The keys of the payload under which a secret is told.
    secrets: Vec<String>,
}

enum Change {
    Write(Write),
    Look(glass::Asked),
    Hook(webhook::Asked),
}

/// What a write has brought about.
struct Done {
    row: Uuid,
    /// Told to the one who asked, this once.
    secret: Option<String>,
}

impl From<Uuid> for Done {
    fn from(row: Uuid) -> Self {
        Done { row, secret: None }
    }
}

impl Ready {
    /// Puts what only the write could tell where the payload asks for it.
    fn tell(&mut self, done: &Done) {
        self.plan.inputs[self.row] = Input::Ready(Arg::Ids(vec![done.row]));
        let parts = self.plan.roots.iter_mut().filter_map(|(_, root)| match root {
            Root::Parts(parts) => Some(parts),
            _ => None,
        });
        for (_, part) in parts.flatten().filter(|(key, _)| self.secrets.contains(key)) {
            *part = Root::Ready(done.secret.as_deref().map_or_else(|| b"null".to_vec(), json::text));
        }
    }
}

pub async fn answer(
    app: &Arc<App>,
    caller: &Caller,
    view: &Arc<View>,
    document: &Document,
    variables: &Map<String, Json>,
) -> std::result::Result<Vec<u8>, Refused> {
    let codec = &*app.graphql.codec(view.seat.organisation);
    let asked = Asked { app, caller, document, variables, codec };
    let roots = asked.compiler(view).collect(&[&document.definition()?.node.selection_set.node], ROOT, &[])?;
    // what is wrong with the request is found before anything is written
    let mut all = Vec::with_capacity(roots.len());
    for (key, wanted) in &roots {
        let named = wanted.field.name.node == "__typename";
        all.push((key, wanted, if named { None } else { Some(asked.ready(view.clone(), key, wanted)?) }));
    }
    let cost = all.iter().filter_map(|(.., ready)| ready.as_ref()).fold(0u32, |sum, r| sum.saturating_add(r.plan.cost));
    app.budgets.spend(caller.principal, view.budget(caller, app.clock.now()), cost)?;
    let mut out = Out { body: b"{\"data\":{".to_vec(), hidden: Vec::new(), errors: Vec::new() };
    let mut written = false;
    for (key, wanted, ready) in all {
        json::comma(&mut out.body, b'{');
        let Some(mut ready) = ready else {
            out.body.extend(format!("\"{key}\":\"{ROOT}\"").into_bytes());
            continue;
        };
        match asked.write(&mut ready, key, wanted).await {
            Ok(done) => {
                written = true;
                match asked.read_back(&mut ready, key, wanted, &done).await {
                    Ok(answered) => out.answered(&answered),
                    Err(cause) => {
                        ready.tell(&done);
                        out.unread(key, wanted, &ready.plan, &codec.id(ready.ty, done.row), &cause);
                    }
                }
            }
            // as long as nothing is written, who asks is answered as for a query
            Err(error) if !written && ends(&error) => return Err(error.into()),
            Err(error) => out.failed(key, wanted, &error),
        }
    }
    Ok(out.end())
}

/// What stops the whole request.
fn ends(error: &Error) -> bool {
    matches!(error, Error::Unauthenticated(_) | Error::Unavailable(_) | Error::Unlogged(_))
}

impl<'a> Asked<'a> {
    fn compiler(self, view: &'a View) -> Compiler<'a> {
        let app = self.app;
        Compiler::new(view, app.gate.dialect(), self.document, self.variables, self.codec, &app.graphql.limits)
    }

    fn ready(self, view: Arc<View>, key: &str, wanted: &Wanted<'_>) -> Result<Ready> {
        let name = wanted.field.name.node.as_str();
        let mutation = model::mutations(&view.class).find(|mutation| mutation.name() == name);
        let unknown = || Error::Validation(format!("Unknown field \"{name}\" on type \"{ROOT}\"."));
        let mutation = mutation.ok_or_else(unknown)?;
        let given = wanted.field.get_argument("input").map(|value| &value.node);
        let change = match mutation.doing {
            Doing::Open => Change::Look(glass::read(&view.class, given, self.variables, self.codec)?),
            Doing::Hook(hook) => Change::Hook(webhook::read(mutation, hook, given, self.variables, self.codec)?),
            _ => Change::Write(input::read(mutation, &view.class, given, self.variables, self.codec)?),
        };
        let (plan, row, secrets) = self.plan(&view, mutation, &change, key, wanted)?;
        Ok(Ready { ty: mutation.ty.id, change, plan, row, secrets, view })
    }

    /// What is shown of the row when it is written, which of the plan's inputs says which one it is, and where a secret is
    /// told.
    fn plan(
        self,
        view: &View,
        mutation: Mutation,
        change: &Change,
        key: &str,
        wanted: &Wanted<'_>,
    ) -> Result<(Plan, usize, Vec<String>)> {
        let Mutation { ty, doing } = mutation;
        let mut compiler = self.compiler(view);
        let payload = mutation.part("Payload");
        let row = compiler.input(Input::Ready(Arg::Ids(Vec::new())));
        let (mut parts, mut secrets, mut cost) = (Vec::new(), Vec::new(), 1usize);
        for (key, wanted) in &compiler.collect(&wanted.inner, &payload, &[])? {
            let root = match (wanted.field.name.node.as_str(), change) {
                ("__typename", _) => Root::Ready(json::text(&payload)),
                ("id", Change::Write(Write { change: write::Change::Delete(row), .. })) => {
                    Root::Ready(json::text(&self.codec.id(ty.id, *row)))
                }
                ("id", Change::Hook(webhook::Asked { wish: Wish::Remove(row), .. })) => {
                    Root::Ready(json::text(&self.codec.id(ty.id, *row)))
                }
                ("secret", Change::Hook(_)) => {
                    secrets.push(key.clone());
                    Root::Ready(b"null".to_vec())
                }
                (name, _) if doing != Doing::Delete && name == ty.singular() => {
                    let (step, object, price) = compiler.by_key(ty, row, &wanted.inner, 1)?;
                    cost = cost.saturating_add(price);
                    Root::One { step, object }
                }
                (name, _) => return Err(Error::Validation(format!("unknown field `{name}`"))),
            };
            parts.push((key.clone(), root));
        }
        Ok((compiler.finish(vec![(key.to_owned(), Root::Parts(parts))], cost)?, row, secrets))
    }

    async fn write(self, ready: &mut Ready, key: &str, wanted: &Wanted<'_>) -> Result<Done> {
        let mut why = changing();
        for _ in 0..ATTEMPTS {
            match self.attempt(ready, key, wanted).await {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => why = changing(),
                Err(Error::InTheWay) => why = Error::InTheWay,
                Err(error) => return Err(error),
            }
        }
        Err(why)
    }

    /// `None`: what the write was decided by has moved.
    async fn attempt(self, ready: &mut Ready, key: &str, wanted: &Wanted<'_>) -> Result<Option<Done>> {
        let Asked { app, caller, .. } = self;
        match &ready.change {
            Change::Look(look) => Ok(Some(app.gate.break_glass(&app.post, caller, &look.look()).await?.into())),
            Change::Hook(webhook::Asked { wish, once }) => {
                let acted = crate::webhook::act(app, caller, &ready.view, wish, once.as_deref()).await?;
                if acted.is_none() {
                    *ready = self.ready(app.gate.fresh_view(caller, app.clock.now()).await?, key, wanted)?;
                }
                Ok(acted.map(|done| Done { row: done.endpoint, secret: done.secret }))
            }
            Change::Write(write) => {
                let begun = app.gate.begin(write).await?;
                let view = app.gate.view_at(caller, begun.version, app.clock.now()).await?;
                if !Arc::ptr_eq(&view, &ready.view) {
                    *ready = self.ready(view, key, wanted)?;
                }
                let Change::Write(write) = &ready.change else { return Ok(None) };
                Ok(app.gate.write(begun, &app.audit, caller, &ready.view, write).await?.map(Done::from))
            }
        }
    }

    async fn read_back(self, ready: &mut Ready, key: &str, wanted: &Wanted<'_>, done: &Done) -> Result<run::Answered> {
        let Asked { app, caller, codec, variables, .. } = self;
        // the write itself may have changed what its writer sees
        let until = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < until {
            let now = app.clock.now();
            ready.tell(done);
            let (view, plan) = (&ready.view, &ready.plan);
            let asker = Some(tools::Asker { app, caller, now });
            let me = caller.person();
            let run = run::Run { gate: &app.gate, view, plan, codec, variables, me, now, asker, introspection: None };
            if let Some(answered) = run::run(&run).await? {
                super::record(app, caller, plan, &answered, now).await?;
                return Ok(answered);
            }
            *ready = self.ready(app.gate.fresh_view(caller, now).await?, key, wanted)?;
        }
        Err(changing())
    }
}

/// How often a write is begun again that another one got in the way of, or whose rules moved meanwhile.
const ATTEMPTS: usize = 5;

/// The answer as it is written, field by field.
struct Out {
    body: Vec<u8>,
    hidden: Vec<u8>,
    errors: Vec<Json>,
}

impl Out {
    fn answered(&mut self, answered: &run::Answered) {
        self.body.extend_from_slice(answered.fields());
        if !self.hidden.is_empty() && !answered.hidden().is_empty() {
            self.hidden.push(b',');
        }
        self.hidden.extend_from_slice(answered.hidden());
    }

    fn failed(&mut self, key: &str, wanted: &Wanted<'_>, error: &Error) {
        if error.code() == Code::Internal {
            crate::telemetry::failure(error);
        }
        self.error(error.client_text(), json!([key]), wanted, error.extensions());
        self.body.extend(format!("\"{key}\":null").into_bytes());
    }

    /// The payload without the row: what needs none is there.
    fn unread(&mut self, key: &str, wanted: &Wanted<'_>, plan: &Plan, id: &str, cause: &Error) {
        if cause.code() == Code::Internal {
            crate::telemetry::failure(cause);
        }
        let text = format!(
            "this is written, do not send it again but ask for its `id`; it could not be read back: {}",
            cause.client_text()
        );
        self.body.extend(format!("\"{key}\":").into_bytes());
        let parts =
            plan.roots.iter().flat_map(|(_, root)| if let Root::Parts(parts) = root { &parts[..] } else { &[] });
        self.body.push(b'{');
        for (part, root) in parts {
            json::comma(&mut self.body, b'{');
            self.body.extend(format!("\"{part}\":").into_bytes());
            match root {
                Root::Ready(text) => self.body.extend_from_slice(text),
                _ => {
                    self.body.extend_from_slice(b"null");
                    let extensions =
                        json!({ "code": Code::Written.as_str(), "cause": cause.code().as_str(), "id": id });
                    self.error(&text, json!([key, part]), wanted, extensions);
                }
            }
        }
        self.body.push(b'}');
    }

    fn error(&mut self, message: &str, path: Json, wanted: &Wanted<'_>, extensions: Json) {
        let at = wanted.field.name.pos;
        self.errors.push(json!({
            "message": message, "path": path, "extensions": extensions,
            "locations": [{ "line": at.line, "column": at.column }],
        }));
    }

    fn end(mut self) -> Vec<u8> {
        self.body.push(b'}');
        if !self.errors.is_empty() {
            self.body.extend(format!(",\"errors\":{}", Json::Array(self.errors)).into_bytes());
        }
        run::access(&mut self.body, &self.hidden);
        self.body.push(b'}');
        self.body
    }
}
