//! Document + view → [`Plan`]. The document has been validated against the view's schema, so every
//! name in it is one that the view shows; what is checked here is what validation cannot know.

use std::sync::Arc;

use async_graphql::{
    Positioned,
    parser::types::{Directive, Field as Asked, Selection, SelectionSet},
};
use async_graphql_value::Value;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{
    Limits,
    document::Document,
    filter, group,
    ids::Codec,
    model::{self, Shown},
    plan::{Cursor, EdgePart, Input, List, ListPart, Object, PagePart, Parent, Part, Plan, Root, Step, Write},
    value::{Node, Origin},
    viewer,
};
use crate::{
    access::{
        View,
        connect::Dialect,
        read::Arg,
        select::{OrderBy, RowRef, Select, Test},
    },
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
    /// (steps of children, in order) their slots are given out at the end
    parents: usize,
    introspects: bool,
}

/// One answer key with everything that was asked under it.
pub struct Wanted<'d> {
    pub field: &'d Asked,
    pub inner: Vec<&'d SelectionSet>,
}

pub type Selected<'d> = IndexMap<String, Wanted<'d>>;

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
    let mut compiler = Compiler {
        view,
        dialect,
        document,
        variables,
        codec,
        limits,
        steps: Vec::new(),
        inputs: Vec::new(),
        parents: 0,
        introspects: false,
    };
    let definition = document.definition()?;
    let selected = compiler.collect(&[&definition.node.selection_set.node], "Query", &[])?;
    let mut roots = Vec::new();
    let mut cost: usize = 0;
    for (key, wanted) in &selected {
        let (root, price) = compiler.root(wanted)?;
        cost = cost.saturating_add(price);
        roots.push((key.clone(), root));
    }
    if cost > limits.cost {
        let (limit, cost) = (limits.cost, if cost == usize::MAX { "far more".into() } else { cost.to_string() });
        return Err(Error::Cost(format!(
            "the query may return {cost} objects, more than the limit of {limit}; ask for smaller pages"
        )));
    }
    let inputs = compiler.inputs;
    let slots = inputs.len() + compiler.parents;
    let mut steps: Vec<Step> = compiler.steps.into_iter().flatten().collect();
    for step in &mut steps {
        step.statement.shift_slots(PARENTS, inputs.len());
        if let Some(parent) = &mut step.parent {
            parent.slot = parent.slot - PARENTS + inputs.len();
        }
    }
    Ok(Plan { steps, inputs, slots, roots, introspects: compiler.introspects })
}

impl<'a> Compiler<'a> {
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
                    out.entry(field.response_key().node.to_string())
                        .and_modify(|w| w.inner.push(inner))
                        .or_insert_with(|| Wanted { field, inner: vec![inner] });
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

    pub fn reserve(&mut self) -> usize {
        self.steps.push(None);
        self.steps.len() - 1
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

    fn object(
        &mut self,
        select: &mut Select<'a>,
        row: RowRef,
        ty: &'static Type,
        step: usize,
        inner: &[&'a SelectionSet],
        interfaces: &[&str],
    ) -> Result<(Object, usize)> {
        let selected = self.collect(inner, ty.name, interfaces)?;
        let present = select.column(row, 0);
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
        Ok((Object { present, parts }, cost))
    }

    // ---- connections

    /// A page of a type: of the root, or of each row of a parent step (its index, the column of its
    /// key, and our field that points there).
    pub fn list(
        &mut self,
        ty: &'static Type,
        wanted: &Wanted<'a>,
        parent: Option<(usize, usize, usize)>,
    ) -> Result<(List, usize)> {
        let field = wanted.field;
        let (limit, backward) = self.page_size(field)?;
        let order = self.order(ty, field)?;
        let filter = self.argument(field, "filter").filter(|n| !matches!(n, Node::Null));
        let name = list_name(ty, &order);
        let selected = self.collect(&wanted.inner, &format!("{}Connection", ty.name), &[])?;
        let mut list = List {
            rows: None,
            count: None,
            parent: parent.map(|(_, key, _)| key),
            parts: Vec::new(),
            limit,
            backward,
            has_after: false,
            has_before: false,
            cursor: Cursor { list: name.clone(), columns: Vec::new() },
        };
        let view: &'a View = self.view;
        let new = |dialect| match parent {
            None => Select::rows(view, dialect, ty.id),
            Some(_) => Select::some_rows(view, dialect, ty.id),
        };
        let (mut select, row) = new(self.dialect);
        select.order(&order, backward);
        let step = self.reserve();
        let (mut needs_rows, mut needs_more, mut needs_cursor, mut cost) = (false, false, false, 0usize);
        for (key, wanted) in &selected {
            let part = match wanted.field.name.node.as_str() {
                "__typename" => ListPart::Typename(format!("{}Connection", ty.name)),
                "totalCount" => {
                    list.count = Some(0);
                    ListPart::TotalCount
                }
                "nodes" => {
                    needs_rows = true;
                    let (object, price) = self.object(&mut select, row, ty, step, &wanted.inner, &["Node"])?;
                    cost = cost.saturating_add(price);
                    ListPart::Nodes(object)
                }
                "edges" => {
                    needs_rows = true;
                    let mut parts = Vec::new();
                    for (key, wanted) in &self.collect(&wanted.inner, &format!("{}Edge", ty.name), &[])? {
                        let part = match wanted.field.name.node.as_str() {
                            "cursor" => {
                                needs_cursor = true;
                                EdgePart::Cursor
                            }
                            "node" => {
                                let (object, price) =
                                    self.object(&mut select, row, ty, step, &wanted.inner, &["Node"])?;
                                cost = cost.saturating_add(price);
                                EdgePart::Node(object)
                            }
                            _ => EdgePart::Typename(format!("{}Edge", ty.name)),
                        };
                        parts.push((key.clone(), part));
                    }
                    ListPart::Edges(parts)
                }
                _ => {
                    needs_rows = true;
                    let mut parts = Vec::new();
                    for (key, wanted) in &self.collect(&wanted.inner, "PageInfo", &[])? {
                        let part = match wanted.field.name.node.as_str() {
                            "hasNextPage" => PagePart::HasNext,
                            "hasPreviousPage" => PagePart::HasPrevious,
                            "startCursor" => PagePart::Start,
                            "endCursor" => PagePart::End,
                            _ => PagePart::Typename,
                        };
                        needs_cursor |= matches!(part, PagePart::Start | PagePart::End);
                        needs_more |= matches!(part, PagePart::HasNext | PagePart::HasPrevious);
                        parts.push((key.clone(), part));
                    }
                    ListPart::PageInfo(parts)
                }
            };
            list.parts.push((key.clone(), part));
        }
        let parent_of = |compiler: &mut Self| {
            parent.map(|(of, key, by)| {
                compiler.parents += 1;
                (Parent { step: of, key, slot: PARENTS + compiler.parents - 1 }, by)
            })
        };
        if !needs_rows {
            // nothing can wait for rows that nobody asked for, so this was the last place given out
            self.steps.truncate(step);
        }
        if list.count.is_some() {
            let (mut count, row) = new(self.dialect);
            if let Some(filter) = &filter {
                let condition = filter::compile(self, &mut count, row, ty, filter, "filter")?;
                count.keep(condition);
            }
            let index = self.reserve();
            list.count = Some(index);
            let step = match parent_of(self) {
                None => Step { statement: count.count(), parent: None, version: Some(1) },
                Some((parent, by)) => {
                    Step { statement: count.count_of_each(by, parent.slot), parent: Some(parent), version: None }
                }
            };
            self.fill(index, step);
        }
        if needs_rows {
            list.rows = Some(step);
            if let Some(filter) = &filter {
                let condition = filter::compile(self, &mut select, row, ty, filter, "filter")?;
                select.keep(condition);
            }
            list.has_after = self.beyond(&mut select, field, "after", &name)?;
            list.has_before = self.beyond(&mut select, field, "before", &name)?;
            if needs_cursor {
                let columns = select.cursor_columns();
                let kinds = cursor_fields(&order).into_iter().map(|f| ty.fields[f].kind);
                list.cursor.columns = columns.into_iter().zip(kinds).collect();
            }
            let rows = limit + usize::from(needs_more);
            let filled = match parent_of(self) {
                None => {
                    let version = select.version();
                    Step { statement: select.page(rows), parent: None, version: Some(version) }
                }
                Some((parent, by)) => {
                    Step { statement: select.page_of_each(by, parent.slot, rows), parent: Some(parent), version: None }
                }
            };
            self.fill(step, filled);
        }
        Ok((list, cost.saturating_mul(limit).saturating_add(1)))
    }

    fn page_size(&self, field: &Asked) -> Result<(usize, bool)> {
        let size = |name: &str| -> Result<Option<usize>> {
            let Some(node) = self.argument(field, name).filter(|n| !matches!(n, Node::Null)) else { return Ok(None) };
            let max = self.limits.page_max;
            let json = node.json();
            match json.as_u64().and_then(|n| usize::try_from(n).ok()).filter(|n| *n <= max) {
                Some(n) => Ok(Some(n)),
                None => Err(Error::input(format!("`{name}` is `{json}`, expected a number from 0 to {max}"))),
            }
        };
        match (size("first")?, size("last")?) {
            (Some(_), Some(_)) => Err(Error::input("give `first` or `last`, not both")),
            (None, Some(n)) => Ok((n, true)),
            (n, None) => Ok((n.unwrap_or(self.limits.page_default), false)),
        }
    }

    fn order(&self, ty: &Type, field: &Asked) -> Result<Vec<OrderBy>> {
        let Some(node) = self.argument(field, "orderBy").filter(|n| !matches!(n, Node::Null)) else {
            return Ok(Vec::new());
        };
        let mut order: Vec<OrderBy> = Vec::new();
        for item in node.items() {
            let Node::Object(parts) = item else { return Err(Error::input("`orderBy` takes `{ field, direction }`")) };
            let name = parts.get("field").map(Node::json);
            let name = name.as_ref().and_then(Json::as_str).unwrap_or_default();
            let found = model::orderable(&self.view.class, ty).find(|(_, f)| model::order_value(f) == name);
            let (index, _) = found
                .ok_or_else(|| Error::input(format!("`orderBy` names `{name}`, which is no field to order by")))?;
            let direction = parts.get("direction").map(Node::json);
            let descending = match direction.as_ref().and_then(Json::as_str) {
                None | Some("ASC") => false,
                Some("DESC") => true,
                Some(other) => return Err(Error::input(format!("`direction` is `{other}`, expected ASC or DESC"))),
            };
            if !order.iter().any(|o| o.field == index) {
                order.push(OrderBy { field: index, descending });
            }
        }
        if order.len() > 8 {
            return Err(Error::input("`orderBy` takes at most eight fields"));
        }
        Ok(order)
    }

    fn beyond(&mut self, select: &mut Select<'a>, field: &Asked, argument: &'static str, list: &str) -> Result<bool> {
        let (json, origin) = match self.argument(field, argument) {
            None | Some(Node::Null) => return Ok(false),
            Some(Node::Leaf(json, origin)) => (json, origin),
            Some(_) => return Err(bad_cursor(argument)),
        };
        let values =
            json.as_str().and_then(|text| self.codec.read_cursor(list, text)).ok_or_else(|| bad_cursor(argument))?;
        let nulls: Vec<bool> = values.iter().map(|v| *v == Arg::Null).collect();
        let list: Arc<str> = list.into();
        let slots: Vec<usize> = (0..values.len())
            .map(|index| self.input(Input::Cursor { origin: origin.clone(), list: list.clone(), index, argument }))
            .collect();
        select.beyond(argument == "before", &nulls, &slots);
        Ok(true)
    }
}

pub fn bad_cursor(argument: &str) -> Error {
    Error::input(format!(
        "`{argument}` is no cursor of this list; use one that the same list gave with the same `orderBy`, or leave it out to start over"
    ))
}

/// What a cursor belongs to: the type and the order.
fn list_name(ty: &Type, order: &[OrderBy]) -> String {
    let terms: Vec<String> =
        order.iter().map(|o| format!("{}{}", ty.fields[o.field].name, if o.descending { "-" } else { "+" })).collect();
    format!("{}:{}", ty.name, terms.join(","))
}

fn cursor_fields(order: &[OrderBy]) -> Vec<usize> {
    let mut fields: Vec<usize> = order.iter().map(|o| o.field).collect();
    if !fields.contains(&0) {
        fields.push(0);
    }
    fields
}

/// Whether a test takes a list, and its name in filters.
pub const TESTS: &[(&str, Test, bool)] = &[
    ("eq", Test::Eq, false),
    ("ne", Test::Ne, false),
    ("in", Test::In, true),
    ("notIn", Test::NotIn, true),
    ("gt", Test::Gt, false),
    ("gte", Test::Gte, false),
    ("lt", Test::Lt, false),
    ("lte", Test::Lte, false),
    ("like", Test::Like, false),
];

pub fn origin_of(node: &Node) -> Option<Origin> {
    match node {
        Node::Leaf(_, origin) | Node::List(_, _, origin) => Some(origin.clone()),
        Node::Null | Node::Object(_) => None,
    }
}
