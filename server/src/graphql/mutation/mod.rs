//! Mutations: one after the other, each in a transaction of its own. What a mutation gives is read by an ordinary
//! plan of the caller's view, once the write is there, so it shows what a query would.

mod glass;
mod input;
mod schema;
mod webhook;

use std::sync::Arc;

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{
    ATTEMPTS, Codec, Refused,
    compile::{Compiler, Wanted},
    document::Document,
    json,
    model::{self, Doing, Hook, Mutation},
    plan::{Input, Plan, Root},
    run, tools,
};
use crate::{
    access::{Caller, View, read::Arg, write::Write},
    app::App,
    error::{Code, Error, Result},
};

pub use schema::{ROOT, schema};

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

/// The writes of one request.
struct Asked<'a> {
    app: &'a Arc<App>,
    caller: &'a Caller,
    document: &'a Document,
    variables: &'a Map<String, Json>,
    codec: &'a Codec,
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
    let mut cost = 0u32;
    for (key, wanted) in &roots {
        if wanted.field.name.node != "__typename" {
            asked.check(view, wanted)?;
            cost = cost.saturating_add(asked.plan(view, key, wanted, &Uuid::nil().into())?.cost);
        }
    }
    app.budgets.spend(caller.principal, view.budget(caller.principal, app.clock.now()), cost)?;
    let mut written = 0;
    let (mut out, mut hidden, mut errors) = (b"{\"data\":{".to_vec(), Vec::new(), Vec::new());
    for (key, wanted) in &roots {
        json::comma(&mut out, b'{');
        if wanted.field.name.node == "__typename" {
            out.extend(format!("\"{key}\":\"{ROOT}\"").into_bytes());
            continue;
        }
        match asked.perform(view, key, wanted).await {
            Ok(answered) => {
                written += 1;
                out.extend_from_slice(answered.fields());
                if !hidden.is_empty() && !answered.hidden().is_empty() {
                    hidden.push(b',');
                }
                hidden.extend_from_slice(answered.hidden());
            }
            // as long as nothing is written, who asks is answered as for a query
            Err(error) if written == 0 && ends(&error) => return Err(error.into()),
            Err(error) => {
                if error.code() == Code::Internal {
                    crate::telemetry::failure(&error);
                }
                let code = error.code().as_str();
                let at = wanted.field.name.pos;
                errors.push(json!({
                    "message": error.client_text(), "path": [key], "extensions": { "code": code },
                    "locations": [{ "line": at.line, "column": at.column }],
                }));
                out.extend(format!("\"{key}\":null").into_bytes());
            }
        }
    }
    out.push(b'}');
    if !errors.is_empty() {
        out.extend(format!(",\"errors\":{}", Json::Array(errors)).into_bytes());
    }
    run::access(&mut out, &hidden);
    out.push(b'}');
    Ok(out)
}

/// What stops the whole request.
fn ends(error: &Error) -> bool {
    matches!(error, Error::Unauthenticated(_) | Error::Unavailable(_) | Error::Unlogged(_))
}

impl<'a> Asked<'a> {
    fn compiler(&self, view: &'a View) -> Compiler<'a> {
        let app = self.app;
        Compiler::new(view, app.gate.dialect(), self.document, self.variables, self.codec, &app.graphql.limits)
    }

    fn mutation(&self, view: &View, wanted: &Wanted<'_>) -> Result<Mutation> {
        let name = wanted.field.name.node.as_str();
        let found = model::mutations(&view.class).find(|mutation| mutation.name() == name);
        found.ok_or_else(|| Error::Validation(format!("Unknown field \"{name}\" on type \"{ROOT}\".")))
    }

    fn check(&self, view: &View, wanted: &Wanted<'_>) -> Result<()> {
        match self.mutation(view, wanted)?.doing {
            Doing::Open => self.look(wanted).map(drop),
            Doing::Hook(hook) => self.hook(view, wanted, hook).map(drop),
            _ => self.write(view, wanted).map(drop),
        }
    }

    fn look(&self, wanted: &Wanted<'_>) -> Result<glass::Asked> {
        glass::read(wanted.field.get_argument("input").map(|value| &value.node), self.variables, self.codec)
    }

    fn hook(&self, view: &View, wanted: &Wanted<'_>, hook: Hook) -> Result<webhook::Asked> {
        let value = wanted.field.get_argument("input").map(|value| &value.node);
        webhook::read(self.mutation(view, wanted)?, hook, value, self.variables, self.codec)
    }

    fn write(&self, view: &View, wanted: &Wanted<'_>) -> Result<Write> {
        let mutation = self.mutation(view, wanted)?;
        let value = wanted.field.get_argument("input").map(|value| &value.node);
        input::read(mutation, &view.class, value, self.variables, self.codec)
    }

    /// What is shown of the row when it is written.
    fn plan(&self, view: &'a View, key: &str, wanted: &Wanted<'a>, done: &Done) -> Result<Plan> {
        let Mutation { ty, doing } = self.mutation(view, wanted)?;
        let mut compiler = self.compiler(view);
        let payload = Mutation { ty, doing }.part("Payload");
        let (mut parts, mut cost) = (Vec::new(), 1usize);
        for (key, wanted) in &compiler.collect(&wanted.inner, &payload, &[])? {
            let root = match (wanted.field.name.node.as_str(), doing) {
                ("__typename", _) => Root::Ready(json::text(&payload)),
                ("id", Doing::Delete | Doing::Hook(Hook::Remove)) => {
                    Root::Ready(json::text(&self.codec.id(ty.id, done.row)))
                }
                ("secret", Doing::Hook(_)) => {
                    Root::Ready(done.secret.as_deref().map_or_else(|| b"null".to_vec(), json::text))
                }
                (name, Doing::Create | Doing::Update | Doing::Open | Doing::Hook(_)) if name == ty.singular() => {
                    let slot = compiler.input(Input::Ready(Arg::Ids(vec![done.row])));
                    let (step, object, price) = compiler.by_key(ty, slot, &wanted.inner, 1)?;
                    cost = cost.saturating_add(price);
                    Root::One { step, object }
                }
                (name, _) => return Err(Error::Validation(format!("unknown field `{name}`"))),
            };
            parts.push((key.clone(), root));
        }
        compiler.finish(vec![(key.to_owned(), Root::Parts(parts))], cost)
    }

    async fn perform(&self, view: &Arc<View>, key: &str, wanted: &Wanted<'_>) -> Result<run::Answered> {
        let Asked { app, caller, .. } = self;
        let mut view = view.clone();
        let doing = self.mutation(&view, wanted)?.doing;
        let mut done: Option<Done> = match doing {
            Doing::Open => Some(app.gate.break_glass(&app.post, caller, &self.look(wanted)?.look()).await?.into()),
            _ => None,
        };
        for _ in 0..ATTEMPTS {
            if done.is_some() {
                break;
            }
            done = match doing {
                Doing::Hook(hook) => {
                    let webhook::Asked { wish, once } = self.hook(&view, wanted, hook)?;
                    let acted = crate::webhook::act(app, caller, &view, &wish, once.as_deref()).await?;
                    acted.map(|done| Done { row: done.endpoint, secret: done.secret })
                }
                _ => app.gate.write(&app.audit, caller, &view, &self.write(&view, wanted)?).await?.map(Done::from),
            };
            if done.is_some() {
                break;
            }
            view = app.gate.fresh_view(caller, app.clock.now()).await?;
        }
        let changing = || Error::unavailable("the shared data changed too often to answer");
        let done = done.ok_or_else(changing)?;
        // the write itself may have changed what its writer sees
        for _ in 0..ATTEMPTS {
            let now = app.clock.now();
            let asked = Asked { app, caller, ..*self };
            if let Some(answered) = asked.read(&view, key, wanted, &done, now).await? {
                return Ok(answered);
            }
            view = app.gate.fresh_view(caller, now).await?;
        }
        Err(changing())
    }

    async fn read(
        &self,
        view: &View,
        key: &str,
        wanted: &Wanted<'_>,
        done: &Done,
        now: entities::Instant,
    ) -> Result<Option<run::Answered>> {
        let Asked { app, caller, codec, variables, .. } = *self;
        let plan = &self.plan(view, key, wanted, done)?;
        let run = run::Run {
            gate: &app.gate,
            view,
            plan,
            codec,
            variables,
            me: caller.person(),
            now,
            asker: Some(tools::Asker { app, caller, now }),
            introspection: None,
        };
        let Some(answered) = run::run(&run).await? else { return Ok(None) };
        super::record(app, caller, plan, &answered, now).await?;
        Ok(Some(answered))
    }
}
