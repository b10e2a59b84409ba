//! A document read word by word over the rows of a [`Dump`], as the GraphQL specification and the
//! contract say it, with no thought for cost. A cursor is written as what it stands for.

use std::cmp::Ordering;

use async_graphql::{
    Positioned,
    parser::types::{Directive, ExecutableDocument, Field as Asked, Selection, SelectionSet},
};
use async_graphql_value::Value;
use entente::catalogue::{CATALOGUE, Field, List, Type};
use entities::meta::Kind;
use indexmap::IndexMap;
use serde_json::{Map, Value as Json, json};

use super::{
    dump::{Dump, Key, Node, read},
    numbers,
};

const PAGE_DEFAULT: usize = 20;
/// Begins what stands for a cursor.
pub const MARK: char = '\u{1}';

pub struct Naive<'a> {
    pub dump: &'a Dump,
    ast: &'a ExecutableDocument,
    variables: Map<String, Json>,
    /// The row and the list that a cursor stands for.
    cursors: &'a dyn Fn(&str) -> Option<String>,
    hidden: Vec<Json>,
}

/// One answer key: the field asked for, and all selections under it.
type Selected<'a> = IndexMap<String, (&'a Asked, Vec<&'a SelectionSet>)>;
type Path<'p> = &'p [Json];

/// What the document answers, in the bytes of the hub but for cursors.
pub fn answer(
    dump: &Dump,
    ast: &ExecutableDocument,
    variables: &Map<String, Json>,
    cursors: &dyn Fn(&str) -> Option<String>,
) -> Json {
    let (_, operation) = ast.operations.iter().next().expect("an operation");
    let mut variables = variables.clone();
    for definition in &operation.node.variable_definitions {
        if let Some(default) = &definition.node.default_value {
            let default = default.node.clone().into_json().unwrap();
            variables.entry(definition.node.name.node.to_string()).or_insert(default);
        }
    }
    let mut naive = Naive { dump, ast, variables, cursors, hidden: Vec::new() };
    let mut data = Map::new();
    for (key, (field, sets)) in naive.collect(&[&operation.node.selection_set.node], "Query") {
        let value = naive.root(field, &sets, &[json!(key)]);
        data.insert(key, value);
    }
    let mut out = json!({ "data": data });
    if !naive.hidden.is_empty() {
        out["extensions"] = json!({ "access": naive.hidden });
    }
    out
}

fn with(path: Path<'_>, step: impl Into<Json>) -> Vec<Json> {
    path.iter().cloned().chain([step.into()]).collect()
}

impl<'a> Naive<'a> {
    fn collect(&self, sets: &[&'a SelectionSet], ty: &str) -> Selected<'a> {
        let mut out = Selected::new();
        for set in sets {
            self.collect_into(set, ty, &mut out);
        }
        out
    }

    fn collect_into(&self, set: &'a SelectionSet, ty: &str, out: &mut Selected<'a>) {
        let applies = |on: &str| on == ty || on == "Node" && CATALOGUE.by_name(ty).is_some();
        for item in &set.items {
            match &item.node {
                _ if !self.included(item.node.directives()) => {}
                Selection::Field(field) => {
                    let key = field.node.response_key().node.to_string();
                    out.entry(key).or_insert((&field.node, Vec::new())).1.push(&field.node.selection_set.node);
                }
                Selection::InlineFragment(fragment) => {
                    let on = fragment.node.type_condition.as_ref();
                    if on.is_none_or(|on| applies(on.node.on.node.as_str())) {
                        self.collect_into(&fragment.node.selection_set.node, ty, out);
                    }
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = &self.ast.fragments[&spread.node.fragment_name.node].node;
                    if applies(fragment.type_condition.node.on.node.as_str()) {
                        self.collect_into(&fragment.selection_set.node, ty, out);
                    }
                }
            }
        }
    }

    fn included(&self, directives: &[Positioned<Directive>]) -> bool {
        directives.iter().all(|directive| {
            let value = directive.node.get_argument("if").map(|v| &v.node).and_then(|v| self.json(v));
            match directive.node.name.node.as_str() {
                "skip" => value == Some(json!(false)),
                "include" => value == Some(json!(true)),
                other => panic!("@{other}"),
            }
        })
    }

    /// A value with its variables put in; none if a variable was left out.
    fn json(&self, value: &Value) -> Option<Json> {
        Some(match value {
            Value::Variable(name) => self.variables.get(name.as_str())?.clone(),
            Value::List(items) => items.iter().map(|item| self.json(item).unwrap_or(Json::Null)).collect(),
            Value::Object(fields) => {
                let fields = fields.iter().filter_map(|(name, value)| Some((name.to_string(), self.json(value)?)));
                Json::Object(fields.collect())
            }
            other => other.clone().into_json().unwrap(),
        })
    }

    /// An argument; null is as if it were not written.
    fn argument(&self, field: &Asked, name: &str) -> Option<Json> {
        self.json(&field.get_argument(name)?.node).filter(|value| !value.is_null())
    }

    // ---- roots

    fn root(&mut self, field: &'a Asked, sets: &[&'a SelectionSet], path: Path<'_>) -> Json {
        let name = field.name.node.as_str();
        match name {
            "__typename" => return json!("Query"),
            "node" => {
                let id = self.argument(field, "id").unwrap();
                return self.by_id(&id, sets, path);
            }
            "nodes" => {
                let ids = items(self.argument(field, "ids").unwrap());
                return ids.iter().enumerate().map(|(i, id)| self.by_id(id, sets, &with(path, i))).collect();
            }
            "viewer" => return self.viewer(sets, path),
            _ => {}
        }
        for ty in &CATALOGUE.types {
            if ty.plural == name {
                let rows = self.dump.rows(ty).iter().collect();
                return self.connection(ty, rows, field, sets, path);
            }
            if format!("{}Aggregate", ty.singular()) == name {
                return self.aggregate(ty, field, sets);
            }
        }
        panic!("{name}")
    }

    fn by_id(&mut self, id: &Json, sets: &[&'a SelectionSet], path: Path<'_>) -> Json {
        match self.dump.find(id.as_str().unwrap_or_default()) {
            Some((ty, node)) => self.object(ty, node, sets, path),
            None => Json::Null,
        }
    }

    fn viewer(&mut self, sets: &[&'a SelectionSet], path: Path<'_>) -> Json {
        let mut out = Map::new();
        for (key, (field, sets)) in self.collect(sets, "Viewer") {
            let path = with(path, key.clone());
            let dump = self.dump;
            let row = |id: &Option<String>| json!(id);
            let value = match field.name.node.as_str() {
                "__typename" => json!("Viewer"),
                "seat" => json!(dump.seat),
                "role" => json!(dump.role),
                "organisation" => self.by_id(&row(&dump.organisation), &sets, &path),
                "person" => self.by_id(&row(&dump.person), &sets, &path),
                "agreements" => {
                    let ty = CATALOGUE.by_name("SharingAgreement").unwrap();
                    self.connection(ty, dump.rows(ty).iter().collect(), field, &sets, &path)
                }
                other => panic!("{other}"),
            };
            out.insert(key, value);
        }
        Json::Object(out)
    }

    // ---- objects

    fn object(&mut self, ty: &'static Type, node: &'a Node, sets: &[&'a SelectionSet], path: Path<'_>) -> Json {
        let mut out = Map::new();
        for (key, (field, sets)) in self.collect(sets, ty.name) {
            let path = with(path, key.clone());
            let name = field.name.node.as_str();
            if name == "__typename" {
                out.insert(key, json!(ty.name));
                continue;
            }
            if node.hidden.contains(name) {
                self.hidden.push(Json::Array(path.clone()));
            }
            let value = if let Some(list) = ty.list(name).filter(|_| ty.field(name).is_none()) {
                let rows = self.of(node, list);
                self.connection(CATALOGUE.ty(list.of), rows, field, &sets, &path)
            } else {
                let column = ty.field(name).unwrap();
                match (column.to, self.dump.follow(node, column)) {
                    (None, _) => node.fields[name].clone(),
                    (_, Some((to, target))) => self.object(to, target, &sets, &path),
                    (_, None) => Json::Null,
                }
            };
            out.insert(key, value);
        }
        Json::Object(out)
    }

    /// The rows that point at this one.
    fn of(&self, node: &Node, list: &List) -> Vec<&'a Node> {
        let of = CATALOGUE.ty(list.of);
        let by = &of.fields[list.by].name;
        let points = |row: &&Node| row.fields.get(by).and_then(Json::as_str) == Some(&node.id);
        self.dump.rows(of).iter().filter(points).collect()
    }

    // ---- connections

    fn connection(
        &mut self,
        ty: &'static Type,
        mut rows: Vec<&'a Node>,
        field: &'a Asked,
        sets: &[&'a SelectionSet],
        path: Path<'_>,
    ) -> Json {
        if let Some(filter) = self.argument(field, "filter") {
            rows.retain(|row| self.matches(ty, row, &filter));
        }
        let total = rows.len();
        let order = self.order(ty, field);
        rows.sort_by(|a, b| self.compare(ty, &order, a, b));
        let name = order.iter().map(|(f, down)| format!("{}{}", f.name, if *down { "-" } else { "+" }));
        let name = format!("{}:{}", ty.name, name.collect::<Vec<_>>().join(","));
        let cursor = |row: &Node| json!(format!("{MARK}{name}:{}", row.id));
        let mut beyond = |argument: &str, keep: Ordering| {
            let Some(text) = self.argument(field, argument) else { return false };
            let stands = (self.cursors)(text.as_str().unwrap()).expect("a cursor that was given out");
            let id = stands.rsplit(':').next().unwrap();
            let (_, at) = self.dump.find(id).expect("its row");
            rows.retain(|row| self.compare(ty, &order, row, at) == keep);
            true
        };
        let after = beyond("after", Ordering::Greater);
        let before = beyond("before", Ordering::Less);
        let count = |argument| self.argument(field, argument).map(|n| n.as_u64().unwrap() as usize);
        let (first, last) = (count("first"), count("last"));
        let limit = last.or(first).unwrap_or(PAGE_DEFAULT);
        let more = rows.len() > limit;
        let page = if last.is_some() {
            rows.split_off(rows.len().saturating_sub(limit))
        } else {
            rows.into_iter().take(limit).collect()
        };

        let mut out = Map::new();
        for (key, (field, sets)) in self.collect(sets, &format!("{}Connection", ty.name)) {
            let path = with(path, key.clone());
            let value = match field.name.node.as_str() {
                "__typename" => json!(format!("{}Connection", ty.name)),
                "totalCount" => json!(total),
                "nodes" => {
                    page.iter().enumerate().map(|(i, row)| self.object(ty, row, &sets, &with(&path, i))).collect()
                }
                "edges" => {
                    let mut edges = Vec::new();
                    for (i, row) in page.iter().enumerate() {
                        let mut edge = Map::new();
                        for (key, (field, sets)) in self.collect(&sets, &format!("{}Edge", ty.name)) {
                            let value = match field.name.node.as_str() {
                                "__typename" => json!(format!("{}Edge", ty.name)),
                                "cursor" => cursor(row),
                                _ => self.object(ty, row, &sets, &with(&with(&path, i), key.clone())),
                            };
                            edge.insert(key, value);
                        }
                        edges.push(Json::Object(edge));
                    }
                    Json::Array(edges)
                }
                "pageInfo" => {
                    let mut info = Map::new();
                    for (key, (field, _)) in self.collect(&sets, "PageInfo") {
                        let value = match field.name.node.as_str() {
                            "__typename" => json!("PageInfo"),
                            "hasNextPage" => json!(if last.is_some() { before } else { more }),
                            "hasPreviousPage" => json!(if last.is_some() { more } else { after }),
                            "startCursor" => page.first().map_or(Json::Null, |row| cursor(row)),
                            _ => page.last().map_or(Json::Null, |row| cursor(row)),
                        };
                        info.insert(key, value);
                    }
                    Json::Object(info)
                }
                other => panic!("{other}"),
            };
            out.insert(key, value);
        }
        Json::Object(out)
    }

    fn order(&self, ty: &'static Type, field: &Asked) -> Vec<(&'static Field, bool)> {
        let mut order: Vec<(&'static Field, bool)> = Vec::new();
        for term in self.argument(field, "orderBy").map(items).unwrap_or_default() {
            let named = |f: &&Field| entente::catalogue::screaming(&f.name) == term["field"].as_str().unwrap();
            let field = ty.fields.iter().find(named).unwrap();
            if !order.iter().any(|(f, _)| f.name == field.name) {
                order.push((field, term.get("direction").is_some_and(|d| d == "DESC")));
            }
        }
        order
    }

    /// Nulls count as larger than every value; rows that are alike come in the order of their keys.
    fn compare(&self, ty: &Type, order: &[(&Field, bool)], a: &Node, b: &Node) -> Ordering {
        for (field, down) in order {
            let by = self.dump.key(ty, a, field).cmp(&self.dump.key(ty, b, field));
            if by != Ordering::Equal {
                return if *down { by.reverse() } else { by };
            }
        }
        self.dump.key(ty, a, &ty.fields[0]).cmp(&self.dump.key(ty, b, &ty.fields[0]))
    }

    // ---- filters

    fn matches(&self, ty: &'static Type, row: &Node, filter: &Json) -> bool {
        filter.as_object().unwrap().iter().filter(|(_, value)| !value.is_null()).all(|(name, value)| {
            match name.as_str() {
                "and" => items(value.clone()).iter().all(|part| self.matches(ty, row, part)),
                "or" => items(value.clone()).iter().any(|part| self.matches(ty, row, part)),
                "not" => !self.matches(ty, row, value),
                _ => match (ty.field(name), ty.list(name)) {
                    (Some(field), _) if field.to.is_some() => {
                        self.dump.follow(row, field).is_some_and(|(to, target)| self.matches(to, target, value))
                    }
                    (Some(field), _) => self.passes(field, &row.fields[name], value),
                    (_, Some(list)) => {
                        let (of, rows) = (CATALOGUE.ty(list.of), self.of(row, list));
                        let some = |inner: &Json| rows.iter().any(|row| self.matches(of, row, inner));
                        value
                            .as_object()
                            .unwrap()
                            .iter()
                            .filter(|(_, v)| !v.is_null())
                            .all(|(word, inner)| if word == "some" { some(inner) } else { !some(inner) })
                    }
                    _ => panic!("{name}"),
                },
            }
        })
    }

    fn passes(&self, field: &Field, value: &Json, tests: &Json) -> bool {
        let key = read(field, value);
        let given = |json: &Json| match (json, field.kind) {
            (Json::Number(n), Kind::Decimal) => read(field, &json!(n.to_string())),
            (json, _) => read(field, json),
        };
        tests.as_object().unwrap().iter().all(|(word, value)| match (word.as_str(), value) {
            ("isNull", Json::Bool(null)) => (key == Key::Null) == *null,
            ("eq", value) => key == given(value),
            ("ne", value) => key != given(value),
            (_, Json::Null) => true,
            ("in", list) => key != Key::Null && items(list.clone()).iter().any(|v| given(v) == key),
            ("notIn", list) => !items(list.clone()).iter().any(|v| given(v) == key),
            (_, _) if key == Key::Null => false,
            ("gt", value) => key > given(value),
            ("gte", value) => key >= given(value),
            ("lt", value) => key < given(value),
            ("lte", value) => key <= given(value),
            ("like", pattern) => {
                let Key::Text(text) = &key else { panic!("like") };
                like(&text.chars().collect::<Vec<_>>(), &pattern.as_str().unwrap().chars().collect::<Vec<_>>())
            }
            other => panic!("{other:?}"),
        })
    }

    fn aggregate(&mut self, ty: &'static Type, field: &'a Asked, sets: &[&'a SelectionSet]) -> Json {
        let filter = self.argument(field, "filter");
        let rows = self.dump.rows(ty).iter().filter(|row| filter.as_ref().is_none_or(|f| self.matches(ty, row, f)));
        let rows: Vec<&Node> = rows.collect();
        let by = self.argument(field, "groupBy").map(items).unwrap_or_default();
        let keys = numbers::keys(self.dump, ty, &by);
        let mut out = Vec::new();
        for (values, rows) in numbers::groups(self.dump, ty, &keys, rows) {
            let mut group = Map::new();
            for (key, (field, sets)) in self.collect(sets, &format!("{}Group", ty.name)) {
                let word = field.name.node.as_str();
                let value = match word {
                    "__typename" => json!(format!("{}Group", ty.name)),
                    "count" => json!(rows.len()),
                    _ => {
                        let of = format!("{}{}", ty.name, entente::catalogue::pascal(word));
                        let mut inner = Map::new();
                        for (key, (field, _)) in self.collect(&sets, &of) {
                            let name = field.name.node.as_str();
                            let value = match (name, word) {
                                ("__typename", _) => json!(of),
                                (_, "key") => {
                                    let at = keys.iter().position(|k| k.name == name);
                                    at.map_or(Json::Null, |at| keys[at].written(&values[at]))
                                }
                                _ => numbers::number(self.dump, word, ty, ty.field(name).unwrap(), &rows),
                            };
                            inner.insert(key, value);
                        }
                        Json::Object(inner)
                    }
                };
                group.insert(key, value);
            }
            out.push(Json::Object(group));
        }
        Json::Array(out)
    }
}

/// A single value stands for a list of itself.
fn items(json: Json) -> Vec<Json> {
    match json {
        Json::Array(items) => items,
        one => vec![one],
    }
}

fn like(text: &[char], pattern: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|i| like(&text[i..], rest)),
        ['_', rest @ ..] => !text.is_empty() && like(&text[1..], rest),
        ['\\', c, rest @ ..] | [c, rest @ ..] => text.first() == Some(c) && like(&text[1..], rest),
    }
}
