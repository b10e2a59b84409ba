//! Document + view → [`Plan`]. The document has been validated against the view's schema, so every
//! name in it is one that the view shows; what is checked here is what validation cannot know.

use async_graphql::{
    Name, Positioned,
    parser::types::{Directive, Field as Asked, Selection, SelectionSet},
};
use async_graphql_value::Value;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{
    Limits,
    document::Document,
    group, guarded,
    ids::Codec,
    model::{self, Shown},
    plan::{Input, Object, Part, Plan, Root, Step, Write},
    tools::{self, Call},
    value::{Node, Origin},
    viewer,
};
use crate::{
    access::{
        View,
        connect::Dialect,
        select::{RowRef, Select},
    },
    audit::Read,
    catalogue::{CATALOGUE, Type, TypeId},
    error::{Error, Result},
};

pub struct Compiler<'a> {
    pub view: &'a View,
    pub dialect: Dialect,
    pub document: &'a Document,
    pub variables: &'a Map<String, Json>,
    pub codec: &'a Codec,
    pub limits: &'a Limits,
    steps: Vec<Option<Step>>,
    inputs: Vec<Input>,
    calls: Vec<Call>,
    /// How many slots for the keys of rows above were given out.
    parents: usize,
    introspects: bool,
}

/// One answer key with everything that was asked under it.
pub struct Wanted<'d> {
    pub field: &'d Asked,
    pub inner: Vec<&'d SelectionSet>,
}

pub type Selected<'d> = IndexMap<String, Wanted<'d>>;

/// SQLite joins 64 tables at most. The limit is the same everywhere, so that a document is answered by both.
const TABLES: usize = 60;

/// Slots of parents are numbered behind the inputs, whose number is known only at the end.
const PARENTS: usize = 1 << 20;

pub fn compile(
    view: &View,
    dialect: Dialect,
    document: &Document,
    variables: &Map<String, Json>,
    codec: &Codec,
    limits: &Limits,
) -> Result<Plan> {
    let mut compiler = Compiler::new(view, dialect, document, variables, codec, limits);
    let definition = document.definition()?;
    let selected = compiler.collect(&[&definition.node.selection_set.node], "Query", &[])?;
    let mut roots = Vec::new();
    let mut cost: usize = 0;
    for (key, wanted) in &selected {
        let (root, price) = compiler.root(wanted)?;
        cost = cost.saturating_add(price);
        roots.push((key.clone(), root));
    }
    compiler.finish(roots, cost)
}

impl<'a> Compiler<'a> {
    pub fn new(
        view: &'a View,
        dialect: Dialect,
        document: &'a Document,
        variables: &'a Map<String, Json>,
        codec: &'a Codec,
        limits: &'a Limits,
    ) -> Self {
        let (steps, inputs, calls, parents, introspects) = (Vec::new(), Vec::new(), Vec::new(), 0, false);
        Compiler { view, dialect, document, variables, codec, limits, steps, inputs, calls, parents, introspects }
    }

    pub fn finish(self, roots: Vec<(String, Root)>, cost: usize) -> Result<Plan> {
        let limit = self.limits.cost;
        if cost > limit {
            let cost = if cost == usize::MAX { "far more".into() } else { cost.to_string() };
            return Err(Error::Cost(format!(
                "the query may return {cost} objects, more than the limit of {limit}; ask for smaller pages"
            )));
        }
        let inputs = self.inputs;
        let slots = inputs.len() + self.parents;
        let mut steps: Vec<Step> = self.steps.into_iter().flatten().collect();
        for step in &mut steps {
            step.statement.shift_slots(PARENTS, inputs.len());
            if let Some(parent) = &mut step.parent {
                parent.slot = parent.slot - PARENTS + inputs.len();
            }
        }
        let reads = Read::all(self.view, steps.iter().flat_map(|step| step.statement.reads()));
        let cost = u32::try_from(cost).unwrap_or(u32::MAX).max(1);
        Ok(Plan { steps, inputs, slots, roots, calls: self.calls, introspects: self.introspects, cost, reads })
    }

    // ---- selections

    /// What is asked of an object of this type, fields of one key merged, `@skip` and `@include` decided.
    pub fn collect(&self, sets: &[&'a SelectionSet], ty: &str, interfaces: &[&str]) -> Result<Selected<'a>> {
        let mut out = Selected::new();
        for set in sets {
            self.collect_into(set, ty, interfaces, &mut out)?;
        }
        Ok(out)
    }

    fn collect_into(&self, set: &'a SelectionSet, ty: &str, interfaces: &[&str], out: &mut Selected<'a>) -> Result<()> {
        let applies = |on: &str| on == ty || interfaces.contains(&on);
        for item in &set.items {
            if !self.included(item.node.directives())? {
                continue;
            }
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    let inner = &field.selection_set.node;
                    let key = field.response_key().node.as_str();
                    match out.get_mut(key) {
                        // the validation compares fields of one selection only, and misses the rest
                        Some(first) if !same(first.field, field) => {
                            return Err(Error::Validation(format!(
                                "`{key}` is asked for in two ways, give one of them an alias"
                            )));
                        }
                        Some(first) => first.inner.push(inner),
                        None => drop(out.insert(key.to_string(), Wanted { field, inner: vec![inner] })),
                    }
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref().map(|c| c.node.on.node.as_str());
                    if on.is_none_or(applies) {
                        self.collect_into(&fragment.node.selection_set.node, ty, interfaces, out)?;
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.document.ast.fragments.get(name);
                    let fragment = fragment.ok_or_else(|| Error::Validation(format!("unknown fragment `{name}`")))?;
                    if applies(fragment.node.type_condition.node.on.node.as_str()) {
                        self.collect_into(&fragment.node.selection_set.node, ty, interfaces, out)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn included(&self, directives: &[Positioned<Directive>]) -> Result<bool> {
        for directive in directives {
            let name = directive.node.name.node.as_str();
            let value = directive.node.get_argument("if").map(|v| &v.node);
            let value = value.and_then(|v| Node::of(v, self.variables)).map(|n| n.json());
            let value = match value {
                Some(Json::Bool(b)) => b,
                _ if name == "skip" || name == "include" => {
                    return Err(Error::input(format!("`@{name}(if:)` needs true or false")));
                }
                _ => continue,
            };
            if (name == "skip" && value) || (name == "include" && !value) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    pub fn argument(&self, field: &Asked, name: &str) -> Option<Node> {
        let value: &Value = &field.get_argument(name)?.node;
        Node::of(value, self.variables)
    }

    pub fn input(&mut self, input: Input) -> usize {
        self.inputs.push(input);
        self.inputs.len() - 1
    }

    pub fn call(&mut self, call: Call) -> usize {
        self.calls.push(call);
        self.calls.len() - 1
    }

    pub fn reserve(&mut self) -> usize {
        self.steps.push(None);
        self.steps.len() - 1
    }

    /// The last place that was reserved is not needed.
    pub fn give_back(&mut self, index: usize) {
        self.steps.truncate(index);
    }

    /// A slot for the keys of the rows above.
    pub fn parent_slot(&mut self) -> usize {
        self.parents += 1;
        PARENTS + self.parents - 1
    }

    pub fn fill(&mut self, index: usize, step: Step) {
        self.steps[index] = Some(step);
    }

    // ---- roots

    fn root(&mut self, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
        let name = wanted.field.name.node.as_str();
        match name {
            "__typename" => return Ok((Root::Typename, 0)),
            "__schema" | "__type" => {
                self.introspects = true;
                return Ok((Root::Introspection, 0));
            }
            "node" => return self.node(wanted),
            "nodes" => return self.nodes(wanted),
            "viewer" => return viewer::compile(self, wanted),
            "policies" if self.view.class.operator => return tools::policies(self, wanted),
            "auditVerify" if self.view.class.operator => return tools::call(self, "Query", wanted),
            _ => {}
        }
        for ty in model::types(&self.view.class) {
            if model::root_list(ty) == name {
                let (list, cost) = self.list(ty, wanted, None)?;
                return Ok((Root::List(list), cost));
            }
            if model::aggregate_field(ty) == name {
                return group::compile(self, ty, wanted);
            }
        }
        for (ty, shape) in model::guarded(&self.view.class) {
            if model::aggregate_field(ty) == name {
                return guarded::compile(self, ty, shape, wanted);
            }
        }
        Err(Error::Validation(format!("unknown field `{name}`")))
    }

    fn id_types(&self, node: Option<&Node>, place: &str) -> Result<Vec<TypeId>> {
        let mut types = Vec::new();
        for item in node.map(Node::items).unwrap_or_default() {
            let json = item.json();
            let read =
                json.as_str().and_then(|text| self.codec.read_id(text)).filter(|(ty, _)| self.view.sees_type(*ty));
            let Some((ty, _)) = read else {
                let shown: String = json.to_string().chars().take(80).collect();
                return Err(Error::input(format!("`{place}` is `{shown}`, expected an id as the hub gives it")));
            };
            if !types.contains(&ty) {
                types.push(ty);
            }
        }
        Ok(types)
    }

    fn node(&mut self, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
        let id = self.argument(wanted.field, "id");
        let Some(Node::Leaf(_, origin)) = &id else { return Err(Error::input("`id` is missing")) };
        let types = self.id_types(id.as_ref(), "id")?;
        let Some(ty) = types.first() else { return Ok((Root::Null, 1)) };
        let slot = self.input(Input::KeysOf { origin: origin.clone(), ty: *ty });
        let (step, object, cost) = self.by_key(CATALOGUE.ty(*ty), slot, &wanted.inner, 1)?;
        Ok((Root::One { step, object }, cost))
    }

    fn nodes(&mut self, wanted: &Wanted<'a>) -> Result<(Root, usize)> {
        let ids = self.argument(wanted.field, "ids");
        let (count, origin) = match &ids {
            Some(Node::List(items, _, origin)) => (items.len(), origin.clone()),
            Some(Node::Leaf(_, origin)) => (1, origin.clone()),
            _ => return Err(Error::input("`ids` is missing")),
        };
        if count > self.limits.page_max {
            return Err(Error::input(format!(
                "`ids` has {count} ids, at most {} are taken at once",
                self.limits.page_max
            )));
        }
        let (mut types, mut cost) = (Vec::new(), 1usize);
        for ty in self.id_types(ids.as_ref(), "ids")? {
            let slot = self.input(Input::KeysOf { origin: origin.clone(), ty });
            let (step, object, price) = self.by_key(CATALOGUE.ty(ty), slot, &wanted.inner, count)?;
            cost = cost.saturating_add(price);
            types.push((ty, step, object));
        }
        Ok((Root::Nodes { ids: origin, types }, cost))
    }

    /// Rows of a type by their keys, through the view as any other.
    pub fn by_key(
        &mut self,
        ty: &'static Type,
        slot: usize,
        inner: &[&'a SelectionSet],
        count: usize,
    ) -> Result<(usize, Object, usize)> {
        let step = self.reserve();
        let (mut select, row) = Select::some_rows(self.view, self.dialect, ty.id);
        select.with_key(slot, true);
        let (object, cost) = self.object(&mut select, row, ty, step, inner, &["Node"])?;
        let version = select.version();
        let statement = select.page(self.limits.page_max);
        self.fill(step, Step { statement, parent: None, version: Some(version) });
        Ok((step, object, cost.saturating_mul(count)))
    }

    // ---- objects

    pub fn object(
        &mut self,
        select: &mut Select<'a>,
        row: RowRef,
        ty: &'static Type,
        step: usize,
        inner: &[&'a SelectionSet],
        interfaces: &[&str],
    ) -> Result<(Object, usize)> {
        let selected = self.collect(inner, ty.name, interfaces)?;
        let present = select.key_column(row);
        let mut parts = Vec::with_capacity(selected.len());
        let mut cost: usize = 1;
        for (key, wanted) in &selected {
            let name = wanted.field.name.node.as_str();
            if name == "__typename" {
                parts.push((key.clone(), Part::Typename(ty.name)));
                continue;
            }
            let view: &'a View = self.view;
            let part = match model::field(&view.class, ty, name) {
                Some(Shown::Scalar(i, field)) => {
                    let write = if i == 0 { Write::Id(ty.id) } else { Write::of(field.kind, !field.one_of.is_empty()) };
                    Part::Value { column: select.column(row, i), write, flag: select.flag(row, i) }
                }
                Some(Shown::One(i, _, to)) => {
                    let flag = select.flag(row, i);
                    let Some(target) = select.join(row, i) else { continue };
                    let (object, price) = self.object(select, target, to, step, &wanted.inner, &["Node"])?;
                    cost = cost.saturating_add(price);
                    Part::One { object, flag }
                }
                Some(Shown::Many(list, of)) => {
                    let (list, price) = self.list(of, wanted, Some((step, present, list.by)))?;
                    cost = cost.saturating_add(price);
                    Part::List(list)
                }
                None => return Err(Error::Validation(format!("unknown field `{name}`"))),
            };
            parts.push((key.clone(), part));
        }
        if select.tables() > TABLES {
            return Err(Error::Cost(format!(
                "the rows of one list are read from more than {TABLES} tables, follow fewer references at once"
            )));
        }
        Ok((Object { ty: ty.id, present, parts }, cost))
    }
}

pub fn origin_of(node: &Node) -> Option<Origin> {
    match node {
        Node::Leaf(_, origin) | Node::List(_, _, origin) => Some(origin.clone()),
        Node::Null | Node::Object(_) => None,
    }
}

/// Two askings of one key must mean one field.
fn same(a: &Asked, b: &Asked) -> bool {
    let has = |(name, value): &(Positioned<Name>, Positioned<Value>)| b.get_argument(&name.node) == Some(value);
    a.name.node == b.name.node && a.arguments.len() == b.arguments.len() && a.arguments.iter().all(has)
}
