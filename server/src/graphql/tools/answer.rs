//! What each tool is asked and gives: the same functions as the commands, on the policies that decide now. Each use
//! that looks at more than the policies' own texts leaves a line in the access log, also if nothing came of it.

use std::sync::Arc;

use async_graphql_value::Value;
use clap::ValueEnum;
use entities::{Instant, meta::Class};
use serde::Serialize;
use serde_json::{Map, Value as Json, json};

use super::{
    super::{sdl, value::Node},
    Call, Tool, desk,
};
use crate::{
    access::{Caller, lens::Lens, roster},
    app::App,
    audit::{self, Used},
    catalogue::Field,
    demo::Passing,
    error::{Error, Result},
    policy::{
        self, Rule, Rules, SCHEMA_TEXT,
        deed::Deed,
        diff, expect,
        explain::{self, Asked},
        matrix::{Format, Matrix},
        prove::Proof,
    },
    progress::Progress,
};

/// What one use may send: far more than any hub's policies.
const FILES: usize = 200;
const BYTES: usize = 192 << 10;
const NESTING: usize = 64;

/// The operator who asks.
pub struct Asker<'a> {
    pub app: &'a Arc<App>,
    pub caller: &'a Caller,
    pub now: Instant,
}

impl Call {
    pub async fn run(&self, asker: &Asker<'_>, variables: &Map<String, Json>) -> Result<Json> {
        let value = |value: &Value| Node::of(value, variables).map(|node| node.json());
        let given = self.arguments.iter().filter_map(|(name, of)| Some((name.to_string(), value(of)?)));
        self.answer(asker, &Given(given.collect())).await.map_err(told)
    }

    async fn answer(&self, asker: &Asker<'_>, given: &Given) -> Result<Json> {
        let rules = asker.app.gate.rules();
        match self.tool {
            Tool::Version => Ok(json!(format!("{:016x}", rules.version))),
            Tool::Files => Ok(files(&rules)),
            Tool::CedarSchema => Ok(json!(SCHEMA_TEXT.as_str())),
            Tool::Check => asker.check(given).await,
            Tool::Test => asker.test(rules, given).await,
            Tool::Matrix => asker.matrix(rules, given, &self.asked).await,
            Tool::Explain => asker.explain(rules, given).await,
            Tool::Diff => asker.diff(rules, given).await,
            Tool::Prove => asker.prove().await,
            Tool::Schema => asker.schema(given).await,
            Tool::AuditVerify => asker.audit_verify(given).await,
        }
    }
}

impl Asker<'_> {
    async fn check(&self, given: &Given) -> Result<Json> {
        let (given, app) = (given.files("files")?, self.app.clone());
        let found = self.app.graphql.tools.work(move || async move {
            let files = match given {
                Some(files) => files,
                None => policy::files(app.config.policies.as_deref())?,
            };
            Ok(match Rules::parse(&files) {
                Ok(rules) => json!({
                    "holds": true, "policies": rules.all.len(), "refusals": [],
                    "text": format!("{} policies hold", rules.all.len()),
                }),
                Err(refusals) => {
                    let each = refusals
                        .iter()
                        .map(|r| json!({ "file": r.place.file, "line": r.place.line, "reason": r.reason }));
                    let text = policy::report(&refusals);
                    json!({ "holds": false, "policies": 0, "refusals": each.collect::<Vec<_>>(), "text": text })
                }
            })
        });
        let found = found.await;
        self.used("policy check", &[])?;
        found
    }

    async fn test(&self, rules: Arc<Rules>, given: &Given) -> Result<Json> {
        let (live, app, now) = (given.flag("live")?, self.app.clone(), self.now);
        let outcome = self.app.graphql.tools.work(move || async move {
            let all = expect::read(app.config.policies.as_deref())?;
            if live {
                return expect::run(&app.db, &rules, now, &all, "").await;
            }
            let at = app.config.clock.map_or_else(|| expect::WORLD.parse(), Ok);
            let world = Passing::at(at.map_err(|_| Error::internal("no moment"))?).await?;
            expect::run(&world.db, &rules, world.clock.now(), &all, " --demo").await
        });
        let outcome = outcome.await;
        self.used("policy test", &[])?;
        let outcome = outcome?;
        let rules = outcome.rules.iter().map(|(rule, count)| json!({ "rule": rule, "expectations": count }));
        Ok(json!({
            "holds": outcome.holds(), "tried": outcome.tried, "rules": rules.collect::<Vec<_>>(),
            "text": outcome.text(), "failures": outcome.failures,
        }))
    }

    async fn matrix(&self, rules: Arc<Rules>, given: &Given, asked: &[String]) -> Result<Json> {
        let only = given.text("type")?.map(policy::named).transpose()?;
        let (app, now, asked) = (self.app.clone(), self.now, asked.to_vec());
        let matrix = self.app.graphql.tools.work(move || async move {
            let seats = roster::all_seats(&app.db, now).await?;
            let matrix = Matrix::of(&app.db, &rules, &seats, only, now).await?;
            let mut json = matrix.json();
            for (name, format) in [("text", Format::Text), ("markdown", Format::Markdown), ("html", Format::Html)] {
                if asked.iter().any(|field| field == name) {
                    json[name] = matrix.print(format).into();
                }
            }
            Ok(json)
        });
        let matrix = matrix.await;
        self.used("policy matrix", &[])?;
        matrix
    }

    async fn explain(&self, rules: Arc<Rules>, given: &Given) -> Result<Json> {
        let seat = given.required("as")?.to_owned();
        let (ty, field) = explain::what(given.required("type")?, given.text("field")?)?;
        let row = given.text("row")?.map(str::to_owned);
        let to = given.deed()?;
        let now = given.instant("at")?.unwrap_or(self.now);
        let own = self.caller.seat.organisation;
        let (app, name, lens) = (self.app.clone(), seat.clone(), self.lens().await?);
        let explanation = self.app.graphql.tools.work(move || async move {
            let row = row.as_deref();
            let asker = Some(explain::Asker { organisation: own, lens });
            let asked = Asked { seat: &name, to, ty, field, row, now, seal: &app.keys.seal, asker };
            explain::ask(&app.db, &rules, &asked).await
        });
        let explanation = explanation.await;
        let key = explanation.as_ref().ok().and_then(|e| e.row.as_ref()).map(|row| row.key);
        let looked =
            |(i, f): &(usize, &Field)| *i > 0 && field.is_none_or(|field| field == *i) && f.class != Class::Pub;
        let fields = ty.fields.iter().enumerate().filter(looked).map(|(_, f)| f.name.as_str());
        self.record(&Used {
            tool: &about("policy explain", &seat),
            object_type: ty.name,
            object_id: key,
            fields: fields.collect(),
            policies: self.app.gate.rules().version,
        })?;
        let explanation = explanation?;
        let mut json = plain(&explanation)?;
        json["text"] = explanation.text().into();
        if let Some(key) = key {
            json["row"]["id"] = self.app.graphql.codec(own).id(ty.id, key).into();
        }
        Ok(json)
    }

    async fn diff(&self, rules: Arc<Rules>, given: &Given) -> Result<Json> {
        let files = given.files("files")?.ok_or_else(|| Error::input("`files` is missing"))?;
        let (app, now, lens) = (self.app.clone(), self.now, self.lens().await?);
        let diff = self.app.graphql.tools.work(move || async move {
            let new = diff::rules("files", &files)?;
            diff::diff(&app.db, Some(&lens), ("what decides now", &rules), ("files", &new), now).await
        });
        let diff = diff.await;
        let seats = diff.as_ref().map(|diff| diff.seats.as_slice()).unwrap_or_default();
        let mut types: Vec<&str> = seats.iter().flat_map(|seat| &seat.types).map(|ty| ty.ty).collect();
        types.sort_unstable();
        types.dedup();
        self.used("policy diff", &types)?;
        let diff = diff?;
        let mut json = plain(&diff)?;
        json["gains"] = diff.gains().into();
        json["text"] = diff.text().into();
        Ok(json)
    }

    async fn prove(&self) -> Result<Json> {
        let app = self.app.clone();
        let report = self.app.graphql.tools.prove(move || async move {
            let proof = Proof::load(app.config.policies.as_deref())?;
            // half of the machine is left to whoever asks for rows
            let solvers = std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2));
            proof.run(solvers, Progress::unseen()).await.map_err(|error| match error {
                // the solver's: there is no database in this
                Error::Unavailable(text) => Error::NotFound(text),
                other => other,
            })
        });
        let report = report.await;
        self.used("policy prove", &[])?;
        let report = report?;
        let mut json = plain(&report)?;
        json["holds"] = report.refusal.is_none().into();
        for (i, claim) in report.invariants.iter().enumerate() {
            json["invariants"][i]["holds"] = claim.faults.is_empty().into();
        }
        Ok(json)
    }

    async fn schema(&self, given: &Given) -> Result<Json> {
        let name = given.required("as")?.to_owned();
        let (app, now, seat) = (self.app.clone(), self.now, name.clone());
        let schema = self.app.graphql.tools.work(move || async move {
            let (seat, _) = roster::resolve(&app.db, &seat, now).await?;
            sdl(&app.gate.seat_view(&seat, now).await?.class)
        });
        let schema = schema.await;
        self.used(&about("schema", &name), &[])?;
        Ok(schema?.into())
    }

    async fn audit_verify(&self, given: &Given) -> Result<Json> {
        let (head, app) = (given.text("head")?.map(str::to_owned), self.app.clone());
        let work = move || async move { audit::verify(&app.db, head.as_deref()).await };
        let verified = self.app.graphql.tools.patiently(desk::LONG, work).await;
        self.used("audit verify", &["AuditEvent"])?;
        match verified {
            Ok(verified) => {
                let mut json = plain(&verified)?;
                json["whole"] = true.into();
                json["text"] = verified.text().into();
                Ok(json)
            }
            Err(Error::Refused(text)) => Ok(json!({ "whole": false, "text": text })),
            Err(other) => Err(other),
        }
    }

    /// What the asker may be told of rows.
    async fn lens(&self) -> Result<Arc<Lens>> {
        let view = self.app.gate.view(self.caller, self.now).await?;
        Ok(Arc::new(Lens::of(&view, self.caller.principal, self.now)))
    }

    /// A line for each type that was looked at; none: for the policies.
    fn used(&self, tool: &str, types: &[&str]) -> Result<()> {
        for object_type in if types.is_empty() { &["Policy"] } else { types } {
            let policies = self.app.gate.rules().version;
            self.record(&Used { tool, object_type, object_id: None, fields: Vec::new(), policies })?;
        }
        Ok(())
    }

    fn record(&self, used: &Used<'_>) -> Result<()> {
        self.app.audit.record_use(self.caller.into(), used)
    }
}

fn files(rules: &Rules) -> Json {
    let policy = |rule: &Rule| {
        json!({
            "id": rule.id, "doc": rule.doc, "effect": rule.effect(), "treatment": rule.treatment(),
            "line": rule.place.line, "source": rule.policy.to_string(),
        })
    };
    let file = |(name, source): &(String, String)| {
        let policies = rules.all.iter().filter(|rule| rule.place.file == *name).map(|rule| policy(rule));
        json!({ "name": name, "source": source, "policies": policies.collect::<Vec<_>>() })
    };
    rules.files.iter().map(file).collect()
}

/// What a line says, whatever was written for a seat.
fn about(tool: &str, seat: &str) -> String {
    const SHOWN: usize = 120;
    format!("{tool} as {}", seat.chars().take(SHOWN).collect::<String>())
}

fn plain(value: &impl Serialize) -> Result<Json> {
    serde_json::to_value(value).map_err(|cause| Error::internal(cause.to_string()))
}

/// What a command says to its operator, the operator at the other end may read.
fn told(error: Error) -> Error {
    match error {
        Error::Usage(text) | Error::Refused(text) => Error::Input(text),
        other => other,
    }
}

/// The arguments. A document that was validated before comes with variables that were not.
struct Given(Map<String, Json>);

impl Given {
    fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name).filter(|json| !json.is_null())
    }

    fn text(&self, name: &str) -> Result<Option<&str>> {
        self.get(name).map(|json| text(name, json)).transpose()
    }

    fn required(&self, name: &str) -> Result<&str> {
        self.text(name)?.ok_or_else(|| Error::input(format!("`{name}` is missing")))
    }

    fn flag(&self, name: &str) -> Result<bool> {
        let flag = |json: &Json| json.as_bool().ok_or_else(|| wrong(name, json, "true or false"));
        self.get(name).map_or(Ok(false), flag)
    }

    fn instant(&self, name: &str) -> Result<Option<Instant>> {
        let instant = |json: &Json| {
            let at = json.as_str().and_then(|text| text.parse().ok());
            at.ok_or_else(|| wrong(name, json, "a moment such as \"2026-09-01T09:00:00Z\""))
        };
        self.get(name).map(instant).transpose()
    }

    fn deed(&self) -> Result<Deed> {
        let word = self.text("to")?.unwrap_or("READ").to_lowercase();
        Deed::from_str(&word, false)
            .map_err(|_| Error::input(format!("`to` is `{word}`, which is nothing that is done")))
    }

    fn files(&self, name: &str) -> Result<Option<Vec<(String, String)>>> {
        let Some(json) = self.get(name) else { return Ok(None) };
        let items = json.as_array().map_or(std::slice::from_ref(json), Vec::as_slice);
        let mut files = Vec::with_capacity(items.len());
        for item in items {
            let part = |part: &str| text(&format!("{name}.{part}"), item.get(part).unwrap_or(&Json::Null));
            files.push((part("name")?.to_owned(), part("source")?.to_owned()));
        }
        let bytes: usize = files.iter().map(|(name, source)| name.len() + source.len()).sum();
        if files.is_empty() || files.len() > FILES || bytes > BYTES {
            return Err(Error::input(format!(
                "`{name}` holds {} files with {bytes} bytes, send 1 to {FILES} files with at most {BYTES} bytes",
                files.len()
            )));
        }
        for (file, source) in &files {
            let nested = nesting(source);
            if nested > NESTING {
                return Err(Error::input(format!(
                    "`{file}` nests {nested} brackets and alternatives, more than {NESTING} are not taken"
                )));
            }
        }
        files.sort();
        Ok(Some(files))
    }
}

/// The deepest nesting of brackets, and of `if` in one policy, which needs none: what reads policies descends on
/// the stack.
fn nesting(source: &str) -> usize {
    let mut rest = source;
    let (mut open, mut deepest, mut ifs) = (0usize, 0, 0);
    while let Some(first) = rest.chars().next() {
        let mut taken = first.len_utf8();
        match first {
            '"' => {
                let mut escaped = false;
                let end = rest[1..].find(|c| {
                    let ends = c == '"' && !escaped;
                    escaped = c == '\\' && !escaped;
                    ends
                });
                taken = end.map_or(rest.len(), |end| end + 2);
            }
            '/' if rest.starts_with("//") => taken = rest.find('\n').unwrap_or(rest.len()),
            '(' | '[' | '{' => open += 1,
            ')' | ']' | '}' => open = open.saturating_sub(1),
            ';' => ifs = 0,
            c if c.is_alphanumeric() || c == '_' => {
                taken = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                ifs += usize::from(&rest[..taken] == "if");
            }
            _ => {}
        }
        deepest = deepest.max(open + ifs);
        rest = &rest[taken..];
    }
    deepest
}

fn text<'a>(name: &str, json: &'a Json) -> Result<&'a str> {
    let text = json.as_str().filter(|text| !text.contains('\0'));
    text.ok_or_else(|| wrong(name, json, "a string without zero characters"))
}

fn wrong(name: &str, json: &Json, expected: &str) -> Error {
    let shown: String = json.to_string().chars().take(80).collect();
    Error::input(format!("`{name}` is `{shown}`, expected {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_count_outside_of_strings_and_comments() {
        assert_eq!(nesting("permit (a, b) when { f([(1)]) };"), 4);
        assert_eq!(nesting("\"((\\\"((\" // ((( é\n(é"), 1);
        assert_eq!(nesting("if a then b else if c then d else e; if"), 2);
        assert_eq!(nesting("\"unterminated ("), 0);
    }
}
