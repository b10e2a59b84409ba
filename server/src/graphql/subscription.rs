//! Subscriptions as the feed runs them: what a document follows, the statements that compare two states of it,
//! and the bytes of each event. Fields, filters and nodes are the planner's own, so an event shows what a query would.

use std::{collections::BTreeSet, sync::Arc};

use async_graphql::{
    Name,
    parser::types::{Field as Asked, Selection, SelectionSet},
};
use async_graphql_value::Value;
use entities::Instant;
use serde_json::{Map, Value as Json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    Engine, Limits, Refused, Request,
    compile::{Compiler, Wanted},
    document::Document,
    filter,
    ids::Codec,
    json, model,
    plan::{Input, Object, Plan, Step},
    run::{self, Found, Run, Written},
    subscription_schema::{FEEDS, Kind, feed_types},
    value::Node,
};
use crate::{
    access::{
        Caller, Gate, View,
        connect::Dialect,
        lead::Leads,
        log::{Change, Position},
        memory::Eye,
        read::{Arg, Cell, Rows},
        select::{Binding, Select, Statement},
    },
    app::App,
    audit::Read,
    catalogue::{CATALOGUE, Type, TypeId},
    error::{Error, Result},
};

/// Rows that are compared at once.
pub const PAGE: usize = 500;

/// A document that subscribes, whoever's view it meets.
#[derive(Debug)]
pub struct Question {
    document: Arc<Document>,
    /// Without the cursor.
    variables: Map<String, Json>,
    /// What is followed: the root field, its types and its filter.
    pub subject: [u8; 16],
    /// Document and variables.
    pub text: String,
}

/// Where a subscription begins.
#[derive(Debug)]
pub enum Start {
    Snapshot,
    Now,
    After(String),
}

/// A question as one view answers it.
#[derive(Debug)]
pub struct Watch {
    plan: Plan,
    pub tracks: Vec<Track>,
    key: String,
    parts: Vec<(String, Part)>,
    pub personal: bool,
    /// What the access log says of it.
    pub reads: Vec<Read>,
}

/// The rows of one type.
#[derive(Debug)]
pub struct Track {
    pub ty: TypeId,
    some: Statement,
    page: Statement,
    key: usize,
    /// The fields that can be seen, with their columns.
    fields: Vec<(usize, &'static str)>,
    /// What else decides which rows are shown, and how.
    leads: Leads,
    /// All whose rows are read, for the node too.
    pub reads: BTreeSet<TypeId>,
    /// By place in the parts that show the node.
    nodes: Vec<(usize, Object)>,
}

#[derive(Debug)]
enum Part {
    Typename(&'static str),
    Cursor,
    Kind,
    Id,
    Node(usize),
    ChangedFields,
    OccurredAt,
    Reason,
}

/// The slots that each run fills.
const KEYS: usize = 0;
const BEHIND: usize = 1;

/// What an event says.
#[derive(Debug)]
pub struct Told<'a> {
    pub kind: Kind,
    pub cursor: &'a str,
    pub row: Option<(TypeId, Uuid)>,
    pub changed: &'a [&'static str],
    pub at: Instant,
    pub reason: Option<&'a str>,
}

/// Rows of a track as they are shown in one state, by key.
pub struct Shown(Rows, usize);

impl Shown {
    pub fn none() -> Self {
        Shown(Rows::none(), 0)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn key(&self, row: usize) -> Uuid {
        self.0.id(row, self.1).unwrap_or_default()
    }
}

/// From where statements of a watch are run: one view, person and state.
pub struct Look<'a> {
    pub gate: &'a Gate,
    pub view: &'a View,
    pub codec: &'a Codec,
    pub me: Uuid,
    pub at: Instant,
    pub position: Position,
}

impl Look<'_> {
    /// The rows that the statement gives for these keys.
    async fn few(&self, statement: &Statement, keys: &[Uuid], slots: &[Arg]) -> Result<Rows> {
        match self.recall(statement, keys, slots).await? {
            Some(rows) => Ok(rows),
            None => self.ask(statement, slots).await,
        }
    }

    /// The same if what is known of the state is enough.
    async fn recall(&self, statement: &Statement, keys: &[Uuid], slots: &[Arg]) -> Result<Option<Rows>> {
        let eye = Eye { view: self.view, me: self.me, secret: self.codec.secret() };
        let rows = self.gate.recall(statement, (self.position, self.at), eye, keys).await?;
        // every test of a feed is one of this, too
        if cfg!(debug_assertions)
            && let Some(rows) = &rows
            && let Some(difference) = rows.difference(&self.ask(statement, slots).await?)
        {
            return Err(Error::internal(format!("memory and {} differ: {difference}", statement.sql())));
        }
        Ok(rows)
    }

    async fn ask(&self, statement: &Statement, slots: &[Arg]) -> Result<Rows> {
        let binding = Binding { now: self.at, me: self.me, secret: self.codec.secret(), slots };
        let mut past = self.gate.past(self.position).await?;
        let rows = past.run(statement, &binding).await?;
        past.finish().await?;
        Ok(rows)
    }
}

impl Track {
    /// Whether a change of a row of this type may show other rows than before, or in another way.
    pub fn decided_by(&self, ty: TypeId) -> bool {
        self.leads.follow(ty)
    }

    /// The rows for which it may, of changes between two positions; `None`: all.
    pub async fn affected(
        &self,
        look: &Look<'_>,
        between: (i64, i64),
        changes: &[Change],
    ) -> Result<Option<BTreeSet<Uuid>>> {
        self.leads.affected(look.gate, self.ty, between, (look.at, look.me), changes).await
    }
}

impl Engine {
    /// What the request asks to be told of, and from where on, in the caller's view.
    pub async fn question(
        &self,
        app: &App,
        caller: &Caller,
        request: &mut Request,
    ) -> std::result::Result<(Arc<View>, Question, Start), Refused> {
        // an event stream may be asked for by GET
        request.method_get = false;
        let now = app.clock.now();
        let view = app.gate.view(caller, now).await?;
        match self.question_in(app, &view, request).await {
            // what a stale view does not know may be shared by now
            Err(refused) if refused.is_of_request() => {
                let fresh = app.gate.fresh_view(caller, now).await?;
                if fresh.id == view.id {
                    return Err(refused);
                }
                let (question, start) = self.question_in(app, &fresh, request).await?;
                Ok((fresh, question, start))
            }
            found => found.map(|(question, start)| (view, question, start)),
        }
    }

    /// The cursor that a document goes on from, whether its fields are known or not.
    pub fn cursor(&self, request: &Request) -> Option<String> {
        let document = Document::parse(&request.query, request.operation_name.as_deref(), &self.limits, 0).ok()?;
        let operation = document.definition().ok()?;
        let [root] = roots(&operation.node.selection_set.node)[..] else { return None };
        match &root.get_argument("after")?.node {
            Value::String(text) => Some(text.clone()),
            Value::Variable(name) => request.variables.get(name.as_str())?.as_str().map(str::to_owned),
            _ => None,
        }
    }

    /// The same in another view.
    pub async fn question_in(
        &self,
        app: &App,
        view: &View,
        request: &mut Request,
    ) -> std::result::Result<(Question, Start), Refused> {
        let document = self.document(view, request).await?;
        if !document.is_subscription() {
            return Err(Error::input("this is no subscription").into());
        }
        let (codec, dialect) = (self.codec(view.seat.organisation), app.gate.dialect());
        let compiler = |document, variables| Compiler::new(view, dialect, document, variables, &codec, &self.limits);
        Ok(Question::read(document.clone(), request, compiler(&document, &request.variables))?)
    }
}

impl Question {
    fn read(document: Arc<Document>, request: &Request, compiler: Compiler<'_>) -> Result<(Self, Start)> {
        let mut variables = request.variables.clone();
        let operation = document.definition()?;
        let set = &operation.node.selection_set.node;
        let (subject, start) = {
            let operation = compiler.document.definition()?;
            let wanted = compiler.collect(&[&operation.node.selection_set.node], "Subscription", &[])?;
            let root = only(&wanted)?;
            let mut subject = Sha256::new().chain_update(root.name.node.as_str());
            for argument in ["types", "filter"] {
                let mut value = compiler.argument(root, argument).map_or(Json::Null, |node| node.json());
                value.sort_all_objects();
                subject = subject.chain_update([0]).chain_update(value.to_string());
            }
            let mut half = [0; 16];
            half.copy_from_slice(&subject.finalize()[..16]);
            (half, start(&compiler, root)?)
        };
        // who begins elsewhere still follows the same
        let wanted = roots(set);
        for argument in ["after", "from"] {
            for field in &wanted {
                if let Some(Value::Variable(name)) = field.get_argument(argument).map(|value| &value.node)
                    && uses(set, name) == 1
                    && document.ast.fragments.values().all(|f| uses(&f.node.selection_set.node, name) == 0)
                {
                    variables.insert(name.to_string(), Json::Null);
                }
            }
        }
        let mut sorted = Json::Object(variables.clone());
        sorted.sort_all_objects();
        let operation = document.operation.as_ref().map_or("", |name| name.as_str());
        let text = format!("{operation}\0{}\0{sorted}", request.query);
        Ok((Question { document, variables, subject, text }, start))
    }

    /// Refuses with a validation error what the view does not know.
    pub fn watch(&self, view: &View, dialect: Dialect, codec: &Codec, limits: &Limits) -> Result<Watch> {
        let mut compiler = Compiler::new(view, dialect, &self.document, &self.variables, codec, limits);
        let operation = self.document.definition()?;
        let wanted = compiler.collect(&[&operation.node.selection_set.node], "Subscription", &[])?;
        let (key, root) = wanted.iter().next().ok_or_else(|| Error::input("the subscription asks for nothing"))?;
        let root = Wanted { field: root.field, inner: root.inner.clone() };
        let name = root.field.name.node.as_str();
        let (types, type_name) = subject_types(&compiler, name, root.field)?;
        for placeholder in [Arg::Ids(Vec::new()), Arg::Id(Uuid::nil())] {
            compiler.input(Input::Ready(placeholder));
        }
        let (mut parts, mut nodes) = (Vec::new(), Vec::new());
        for (key, wanted) in compiler.collect(&root.inner, type_name, &[])? {
            let part = match wanted.field.name.node.as_str() {
                "cursor" => Part::Cursor,
                "kind" => Part::Kind,
                "id" => Part::Id,
                "changedFields" => Part::ChangedFields,
                "occurredAt" => Part::OccurredAt,
                "reason" => Part::Reason,
                "node" => {
                    nodes.push(wanted.inner);
                    Part::Node(nodes.len() - 1)
                }
                _ => Part::Typename(type_name),
            };
            parts.push((key, part));
        }
        let filter = compiler.argument(root.field, "filter").filter(|node| !matches!(node, Node::Null));
        let (mut tracks, mut cost, mut reads) = (Vec::new(), 0usize, BTreeSet::new());
        let id = parts.iter().any(|(_, part)| matches!(part, Part::Id));
        for ty in types {
            let first = compiler.reserve();
            compiler.give_back(first);
            let (track, price) = track(&mut compiler, ty, filter.as_ref(), &nodes)?;
            cost = cost.saturating_add(price);
            reads.extend(id.then_some((ty.id, 0)));
            tracks.push(track);
        }
        reads.extend(filtered(&mut compiler, &tracks, filter.as_ref())?);
        let key = key.clone();
        let plan = compiler.finish(Vec::new(), cost)?;
        for track in &mut tracks {
            for statement in [&track.some, &track.page] {
                track.reads.extend(tables(statement));
            }
            for (step, object) in &track.nodes {
                track.reads.extend(below(&plan, *step, object));
            }
        }
        reads.extend(plan.steps.iter().flat_map(|step| step.statement.reads().iter().copied()));
        let statements = tracks.iter().flat_map(|t| [&t.some, &t.page]).chain(plan.steps.iter().map(|s| &s.statement));
        let personal = statements.into_iter().any(Statement::is_personal);
        Ok(Watch { plan, tracks, key, parts, personal, reads: Read::all(view, &reads) })
    }
}

fn roots(set: &SelectionSet) -> Vec<&Asked> {
    let fields = set.items.iter().filter_map(|item| match &item.node {
        Selection::Field(field) => Some(&field.node),
        _ => None,
    });
    fields.collect()
}

/// How often a variable is named.
fn uses(set: &SelectionSet, name: &Name) -> usize {
    fn of(value: &Value, name: &Name) -> usize {
        match value {
            Value::Variable(used) => usize::from(used == name),
            Value::List(items) => items.iter().map(|value| of(value, name)).sum(),
            Value::Object(fields) => fields.values().map(|value| of(value, name)).sum(),
            _ => 0,
        }
    }
    let count = set.items.iter().map(|item| {
        let directives = item.node.directives().iter().flat_map(|d| &d.node.arguments);
        let here: usize = directives.map(|(_, value)| of(&value.node, name)).sum();
        here + match &item.node {
            Selection::Field(field) => {
                let given: usize = field.node.arguments.iter().map(|(_, value)| of(&value.node, name)).sum();
                given + uses(&field.node.selection_set.node, name)
            }
            Selection::InlineFragment(fragment) => uses(&fragment.node.selection_set.node, name),
            Selection::FragmentSpread(_) => 0,
        }
    });
    count.sum()
}

fn only<'d>(wanted: &super::compile::Selected<'d>) -> Result<&'d Asked> {
    match wanted.values().next() {
        Some(root) if wanted.len() == 1 && !root.field.name.node.starts_with("__") => Ok(root.field),
        _ => Err(Error::Validation("a subscription asks for exactly one field, open one subscription for each".into())),
    }
}

fn start(compiler: &Compiler<'_>, root: &Asked) -> Result<Start> {
    let text = |name: &str| compiler.argument(root, name).map(|node| node.json()).filter(|json| !json.is_null());
    match (text("after"), text("from")) {
        (Some(_), Some(_)) => Err(Error::input("give `after` or `from`, not both")),
        (Some(after), None) => Ok(Start::After(after.as_str().unwrap_or_default().into())),
        (None, Some(from)) if from == "NOW" => Ok(Start::Now),
        (None, _) => Ok(Start::Snapshot),
    }
}

/// The types that the root field follows, and the name of its events.
fn subject_types(compiler: &Compiler<'_>, name: &str, root: &Asked) -> Result<(Vec<&'static Type>, &'static str)> {
    let seen = |ty: &&'static Type| compiler.view.sees_type(ty.id);
    if let Some(feed) = FEEDS.iter().find(|feed| feed.field == name) {
        let ty = CATALOGUE.by_name(feed.ty).filter(seen);
        let ty = ty.ok_or_else(|| Error::Validation(format!("unknown field `{name}`")))?;
        return Ok((vec![ty], feed.event));
    }
    let asked = compiler.argument(root, "types").map(|node| node.json());
    let asked: Vec<&str> = match &asked {
        Some(Json::Array(items)) => items.iter().filter_map(Json::as_str).collect(),
        Some(Json::String(one)) => vec![one],
        _ => Vec::new(),
    };
    let mut types = Vec::new();
    for name in asked {
        let ty = feed_types(&compiler.view.class).find(|ty| super::subscription_schema::type_value(ty) == name);
        let ty = ty.ok_or_else(|| Error::Validation(format!("`types` names `{name}`, which is no type to follow")))?;
        if !types.iter().any(|t: &&Type| t.id == ty.id) {
            types.push(ty);
        }
    }
    if types.is_empty() {
        return Err(Error::input("`types` is empty, name the types to follow"));
    }
    types.sort_by_key(|ty| ty.id);
    Ok((types, "Change"))
}

fn track<'a>(
    compiler: &mut Compiler<'a>,
    ty: &'static Type,
    filter: Option<&Node>,
    nodes: &[Vec<&'a SelectionSet>],
) -> Result<(Track, usize)> {
    let (mut key, mut fields) = (0, Vec::new());
    let mut statements = Vec::new();
    for page in [false, true] {
        let (mut select, row, shown) = compare(compiler, ty, filter, page)?;
        key = select.key_column(row);
        fields = shown;
        statements.push(select.page(PAGE));
    }
    let (Some(page), Some(some)) = (statements.pop(), statements.pop()) else {
        return Err(Error::internal("a track without statements"));
    };
    let leads = some.leads();
    let (mut found, mut cost) = (Vec::new(), 0usize);
    for inner in nodes {
        let step = compiler.reserve();
        let (mut select, row) = Select::some_rows(compiler.view, compiler.dialect, ty.id);
        select.with_key(KEYS, true);
        select.order(&[], false);
        let (object, price) = compiler.object(&mut select, row, ty, step, inner, &["Node"])?;
        cost = cost.saturating_add(price);
        compiler.fill(step, Step { statement: select.page(PAGE), parent: None, version: None });
        found.push((step, object));
    }
    Ok((Track { ty: ty.id, some, page, key, fields, leads, reads: BTreeSet::new(), nodes: found }, cost))
}

type Compared<'a> = (Select<'a>, crate::access::select::RowRef, Vec<(usize, &'static str)>);

/// The rows with every field that can be seen. A reference counts as what it leads to, if that is shown.
fn compare<'a>(
    compiler: &mut Compiler<'a>,
    ty: &'static Type,
    filter: Option<&Node>,
    page: bool,
) -> Result<Compared<'a>> {
    let view: &'a View = compiler.view;
    let (mut select, row) = match page {
        true => Select::rows(view, compiler.dialect, ty.id),
        false => Select::some_rows(view, compiler.dialect, ty.id),
    };
    select.order(&[], false);
    let mut fields = Vec::new();
    for shown in model::fields(&view.class, ty) {
        match shown {
            model::Shown::Scalar(i, _) if i > 0 => fields.push((select.column(row, i), ty.fields[i].name.as_str())),
            model::Shown::One(i, ..) => {
                let Some(target) = select.join(row, i) else { continue };
                fields.push((select.key_column(target), ty.fields[i].name.as_str()));
            }
            _ => {}
        }
    }
    if let Some(filter) = filter {
        let condition = filter::compile(compiler, &mut select, row, ty, filter, "filter")?;
        select.keep(condition);
    }
    match page {
        true => select.beyond(false, &[false], &[BEHIND]),
        false => select.with_key(KEYS, true),
    }
    Ok((select, row, fields))
}

/// The fields that the filter tells something of.
fn filtered(compiler: &mut Compiler<'_>, tracks: &[Track], filter: Option<&Node>) -> Result<Vec<(TypeId, usize)>> {
    let (Some(filter), [track]) = (filter, tracks) else { return Ok(Vec::new()) };
    let ty = CATALOGUE.ty(track.ty);
    let (mut select, row) = Select::rows(compiler.view, compiler.dialect, ty.id);
    let condition = filter::compile(compiler, &mut select, row, ty, filter, "filter")?;
    select.keep(condition);
    Ok(select.count().reads().iter().copied().collect())
}

fn tables(statement: &Statement) -> BTreeSet<TypeId> {
    CATALOGUE.types.iter().filter(|ty| statement.names(ty.table)).map(|ty| ty.id).collect()
}

/// The types that a node is read from, with all below it.
fn below(plan: &Plan, step: usize, object: &Object) -> BTreeSet<TypeId> {
    let mut steps = vec![step];
    let mut of = 0;
    while of < steps.len() {
        let parents =
            plan.steps.iter().enumerate().filter(|(_, s)| s.parent.as_ref().is_some_and(|p| p.step == steps[of]));
        let more: Vec<usize> = parents.map(|(i, _)| i).filter(|i| !steps.contains(i)).collect();
        steps.extend(more);
        of += 1;
    }
    let mut all: BTreeSet<TypeId> = steps.into_iter().flat_map(|i| tables(&plan.steps[i].statement)).collect();
    all.insert(object.ty);
    all
}

// ---- runs

impl Watch {
    /// What tells this view of the question from another: its conditions and how it shows each field.
    pub fn print(&self, me: Uuid) -> [u8; 16] {
        let mut print = Sha256::new();
        for track in &self.tracks {
            print.update(track.page.meaning());
            print.update([0]);
            for (_, name) in &track.fields {
                print.update(name);
                print.update([0]);
            }
        }
        if self.personal {
            print.update(me);
        }
        let mut half = [0; 16];
        half.copy_from_slice(&print.finalize()[..16]);
        half
    }

    /// The rows of a track among these.
    pub async fn some(&self, question: &Question, look: &Look<'_>, track: usize, keys: &[Uuid]) -> Result<Shown> {
        let track = &self.tracks[track];
        let mut slots = self.run(question, look).slots()?;
        slots[KEYS] = Arg::Ids(keys.to_vec());
        Ok(Shown(look.few(&track.some, keys, &slots).await?, track.key))
    }

    /// The next rows behind a key.
    pub async fn page(&self, question: &Question, look: &Look<'_>, track: usize, behind: Uuid) -> Result<Shown> {
        let track = &self.tracks[track];
        let mut slots = self.run(question, look).slots()?;
        slots[BEHIND] = Arg::Id(behind);
        Ok(Shown(look.ask(&track.page, &slots).await?, track.key))
    }

    fn run<'a>(&'a self, question: &'a Question, look: &Look<'a>) -> Run<'a> {
        Run {
            gate: look.gate,
            view: look.view,
            plan: &self.plan,
            codec: look.codec,
            variables: &question.variables,
            me: look.me,
            now: look.at,
            asker: None,
            introspection: None,
        }
    }

    /// The fields whose shown values differ, from those of another watch.
    pub fn differ(
        &self,
        before: &Watch,
        tracks: (usize, usize),
        (old, i): (&Shown, usize),
        (new, j): (&Shown, usize),
    ) -> Vec<&'static str> {
        let (was, is) = (&before.tracks[tracks.0].fields, &self.tracks[tracks.1].fields);
        if std::ptr::eq(was, is) {
            return is.iter().filter(|(c, _)| old.0.cell(i, *c) != new.0.cell(j, *c)).map(|(_, name)| *name).collect();
        }
        let value =
            |fields: &[(usize, &'static str)], name: &str| fields.iter().find(|(_, n)| *n == name).map(|(c, _)| *c);
        let mut names: Vec<&'static str> = is.iter().chain(was).map(|(_, name)| *name).collect();
        // in the order of the type, as ever: another one would tell that rights were looked at anew
        let ty = CATALOGUE.ty(self.tracks[tracks.1].ty);
        names.sort_by_key(|name| ty.field_index(name));
        names.dedup();
        names.retain(|name| {
            let old = value(was, name).map_or(Cell::Null, |column| old.0.cell(i, column));
            let new = value(is, name).map_or(Cell::Null, |column| new.0.cell(j, column));
            old != new
        });
        names
    }

    /// The nodes of these rows, one after the other for each place that shows them; `None` if a row is not shown.
    pub async fn nodes(&self, question: &Question, look: &Look<'_>, track: usize, keys: &[Uuid]) -> Result<Vec<Nodes>> {
        let track = &self.tracks[track];
        if track.nodes.is_empty() || keys.is_empty() {
            return Ok(keys.iter().map(|_| Nodes::default()).collect());
        }
        let run = self.run(question, look);
        let mut slots = run.slots()?;
        slots[KEYS] = Arg::Ids(keys.to_vec());
        let found = match self.recalled(look, track, keys, &slots).await? {
            Some(found) => found,
            None => {
                let mut past = look.gate.past(look.position).await?;
                let found = run::gather(&run, &mut past, slots, false).await?;
                past.finish().await?;
                found
            }
        };
        let mut out: Vec<Nodes> = keys.iter().map(|_| Nodes::default()).collect();
        for (place, (step, object)) in track.nodes.iter().enumerate() {
            let part = self.parts.iter().find(|(_, part)| matches!(part, Part::Node(n) if *n == place));
            let key = part.map_or("node", |(key, _)| key.as_str());
            for (i, id) in keys.iter().enumerate() {
                out[i].0.push(run::node(&run, &found, *step, *id, object, [&self.key, key]));
            }
        }
        Ok(out)
    }

    /// What nodes are written from, where no list is among it.
    async fn recalled(
        &self,
        look: &Look<'_>,
        track: &Track,
        keys: &[Uuid],
        slots: &[Arg],
    ) -> Result<Option<Vec<Found>>> {
        let mut all: Vec<Found> = self.plan.steps.iter().map(|_| Found::of(Rows::none())).collect();
        for (step, object) in &track.nodes {
            let rows = match object.has_lists() {
                true => None,
                false => look.recall(&self.plan.steps[*step].statement, keys, slots).await?,
            };
            let Some(rows) = rows else { return Ok(None) };
            all[*step] = Found::of(rows);
        }
        Ok(Some(all))
    }

    /// The bytes of an event: a whole answer.
    pub fn write(&self, told: &Told<'_>, nodes: Option<&Nodes>, codec: &Codec) -> Vec<u8> {
        write(&self.key, &self.parts, told, nodes, codec)
    }
}

/// A row's nodes as they are written.
#[derive(Debug, Default)]
pub struct Nodes(Vec<Written>);

impl Nodes {
    /// The rows in it, by type.
    pub fn delivered(&self) -> impl Iterator<Item = (TypeId, crate::audit::Delivered)> {
        self.0.iter().flat_map(|written| written.delivered.iter().copied())
    }
}

fn write(key: &str, parts: &[(String, Part)], told: &Told<'_>, nodes: Option<&Nodes>, codec: &Codec) -> Vec<u8> {
    let mut out = Vec::with_capacity(512);
    out.extend_from_slice(b"{\"data\":{\"");
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":{");
    for (key, part) in parts {
        json::comma(&mut out, b'{');
        json::string(key, &mut out);
        out.push(b':');
        match part {
            Part::Typename(name) => json::string(name, &mut out),
            Part::Cursor => json::string(told.cursor, &mut out),
            Part::Kind => json::string(told.kind.name(), &mut out),
            Part::Id => match told.row {
                Some((ty, id)) => json::string(&codec.id(ty, id), &mut out),
                None => out.extend_from_slice(b"null"),
            },
            Part::Node(place) => match nodes.and_then(|nodes| nodes.0.get(*place)) {
                Some(written) => out.extend_from_slice(&written.body),
                None => out.extend_from_slice(b"null"),
            },
            Part::ChangedFields => {
                out.push(b'[');
                for name in told.changed {
                    json::comma(&mut out, b'[');
                    json::string(name, &mut out);
                }
                out.push(b']');
            }
            Part::OccurredAt => json::instant(told.at.0, &mut out),
            Part::Reason => match told.reason {
                Some(reason) => json::string(reason, &mut out),
                None => out.extend_from_slice(b"null"),
            },
        }
    }
    out.extend_from_slice(b"}}");
    let hidden = nodes.map(|nodes| nodes.0.iter().filter(|w| !w.hidden.is_empty())).into_iter().flatten();
    let mut first = true;
    for written in hidden {
        out.extend_from_slice(if first { b",\"extensions\":{\"access\":[" } else { b"," });
        out.extend_from_slice(&written.hidden);
        first = false;
    }
    if !first {
        out.extend_from_slice(b"]}");
    }
    out.push(b'}');
    out
}
