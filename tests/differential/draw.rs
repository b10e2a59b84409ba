//! Random documents from what a seat's own introspection tells, with values out of the rows that it
//! sees: aliases, fragments, merged fields, directives, and variables in every position.

use std::collections::HashMap;

use entente::catalogue::{CATALOGUE, Field, Type};
use entities::meta::Kind;
use rand::{Rng, rngs::StdRng, seq::SliceRandom};
use serde_json::{Map, Value as Json, json};

use super::dump::Dump;

/// The types of a schema by name, as introspection gives them.
pub struct Shape(HashMap<String, Json>);

pub const INTROSPECTION: &str = "{ __schema { types { kind name \
    fields { name type { ...t } args { name type { ...t } } } inputFields { name type { ...t } } \
    enumValues { name } possibleTypes { name } } } } \
    fragment t on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

impl Shape {
    pub fn new(data: &Json) -> Self {
        let types = data["__schema"]["types"].as_array().unwrap();
        Shape(types.iter().map(|t| (t["name"].as_str().unwrap().to_string(), t.clone())).collect())
    }

    fn list(&self, ty: &str, of: &str) -> Vec<&Json> {
        // the operator's tools are no rows
        let tool = |item: &&Json| ty == "Query" && ["policies", "auditVerify"].iter().any(|tool| item["name"] == *tool);
        self.0[ty][of].as_array().into_iter().flatten().filter(|item| !tool(item)).collect()
    }

    fn is_leaf(&self, ty: &str) -> bool {
        matches!(self.0[ty]["kind"].as_str().unwrap(), "SCALAR" | "ENUM")
    }
}

/// `[CustomerOrder!]`
fn written(ty: &Json) -> String {
    match ty["kind"].as_str().unwrap() {
        "NON_NULL" => format!("{}!", written(&ty["ofType"])),
        "LIST" => format!("[{}]", written(&ty["ofType"])),
        _ => ty["name"].as_str().unwrap().to_string(),
    }
}

fn named(ty: &Json) -> &str {
    if ty["ofType"].is_object() { named(&ty["ofType"]) } else { ty["name"].as_str().unwrap() }
}

/// What a value is for, so that another can be drawn in its place.
#[derive(Clone, Copy)]
enum Use {
    Size,
    Flag,
    Cursor(&'static Type, usize),
    Filter(&'static Type, usize),
    Parts(&'static Type, usize),
    Tests(&'static Type, &'static Field),
    Value(&'static Type, &'static Field),
    Values(&'static Type, &'static Field),
    Pattern(&'static Type, &'static Field),
    Order(&'static Type),
    OrderField(&'static Type),
    Direction,
    Groups(&'static Type),
    Id,
    Ids,
    Some(&'static Type, usize),
}

enum Tree {
    Leaf(Json),
    Word(String),
    List(Vec<Tree>),
    Object(Vec<(String, Given)>),
}

struct Given {
    ty: String,
    is: Use,
    tree: Tree,
}

impl Tree {
    fn json(&self) -> Json {
        match self {
            Tree::Leaf(json) => json.clone(),
            Tree::Word(word) => json!(word),
            Tree::List(items) => items.iter().map(Tree::json).collect(),
            Tree::Object(fields) => Json::Object(fields.iter().map(|(n, g)| (n.clone(), g.tree.json())).collect()),
        }
    }

    fn literal(&self) -> String {
        match self {
            Tree::Leaf(json) => json.to_string(),
            Tree::Word(word) => word.clone(),
            Tree::List(items) => format!("[{}]", items.iter().map(Tree::literal).collect::<Vec<_>>().join(", ")),
            Tree::Object(fields) => {
                let fields: Vec<String> = fields.iter().map(|(n, g)| format!("{n}: {}", g.tree.literal())).collect();
                format!("{{{}}}", fields.join(", "))
            }
        }
    }
}

struct Variable {
    name: String,
    ty: String,
    is: Use,
    default: Option<String>,
    value: Option<Json>,
}

/// A list's order, and cursors that the list gave with it.
pub struct Walk {
    pub order: String,
    pub cursors: Vec<String>,
}

pub struct Draw<'a> {
    pub rng: &'a mut StdRng,
    pub dump: &'a Dump,
    pub shape: &'a Shape,
    /// By type.
    pub walks: &'a HashMap<&'static str, Vec<Walk>>,
    fragments: Vec<String>,
    variables: Vec<Variable>,
    named: usize,
    directives: usize,
}

/// A document, and variables for two runs of it.
pub struct Drawn {
    pub text: String,
    pub first: Map<String, Json>,
    pub second: Map<String, Json>,
}

impl<'a> Draw<'a> {
    pub fn new(
        rng: &'a mut StdRng,
        dump: &'a Dump,
        shape: &'a Shape,
        walks: &'a HashMap<&'static str, Vec<Walk>>,
    ) -> Self {
        Draw { rng, dump, shape, walks, fragments: Vec::new(), variables: Vec::new(), named: 0, directives: 0 }
    }

    pub fn document(mut self) -> Drawn {
        let selection = self.selection("Query", 4);
        let variables = std::mem::take(&mut self.variables);
        let definitions: Vec<String> = variables
            .iter()
            .map(|v| {
                let default = v.default.as_ref().map(|d| format!(" = {d}")).unwrap_or_default();
                format!("${}: {}{default}", v.name, v.ty)
            })
            .collect();
        let head = if definitions.is_empty() { String::new() } else { format!("query q({}) ", definitions.join(", ")) };
        let text = format!("{head}{selection} {}", self.fragments.join(" "));
        let set = |value: &dyn Fn(&Variable) -> Option<Json>| {
            variables.iter().filter_map(|v| Some((v.name.clone(), value(v)?))).collect::<Map<_, _>>()
        };
        let first = set(&|v| v.value.clone());
        let mut second = Map::new();
        for v in &variables {
            let nullable = !v.ty.ends_with('!');
            let required = !nullable && v.default.is_none();
            match self.rng.gen_range(0..10) {
                0 if nullable => drop(second.insert(v.name.clone(), Json::Null)),
                1 | 2 if !required => {}
                _ => drop(second.insert(v.name.clone(), self.grow(v.is).json())),
            }
        }
        Drawn { text, first, second }
    }

    fn pick<T: Clone>(&mut self, of: &[T]) -> T {
        of.choose(self.rng).expect("some").clone()
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.gen_bool(of)
    }

    fn name(&mut self, of: &str) -> String {
        self.named += 1;
        format!("{of}{}", self.named)
    }

    // ---- selections

    fn selection(&mut self, ty: &str, depth: usize) -> String {
        let mut items: Vec<String> = Vec::new();
        for _ in 0..self.rng.gen_range(1..=4) {
            items.extend(self.item(ty, depth));
        }
        if self.chance(0.15) || items.is_empty() {
            items.push("__typename".into());
        }
        format!("{{ {} }}", items.join(" "))
    }

    fn item(&mut self, ty: &str, depth: usize) -> Vec<String> {
        match self.rng.gen_range(0..20) {
            0 if depth > 0 => {
                let inner = self.selection(ty, depth - 1);
                let directive = self.directive();
                vec![format!("...{directive} {inner}")]
            }
            1 if depth > 0 => {
                let inner = self.selection(ty, depth - 1);
                let on =
                    if CATALOGUE.by_name(ty).is_some() && self.chance(0.3) && inner == "{ id }" { "Node" } else { ty };
                vec![format!("... on {on}{} {inner}", self.directive())]
            }
            2 if depth > 0 => {
                let inner = self.selection(ty, depth - 1);
                let name = self.name("f");
                self.fragments.push(format!("fragment {name} on {ty} {inner}"));
                let spread = format!("...{name}{}", self.directive());
                if self.chance(0.2) { vec![spread.clone(), spread] } else { vec![spread] }
            }
            3 => vec![format!("{}: __typename", self.name("t"))],
            _ => self.field(ty, depth),
        }
    }

    fn field(&mut self, ty: &str, depth: usize) -> Vec<String> {
        let shape = self.shape;
        let fields: Vec<&Json> =
            shape.list(ty, "fields").into_iter().filter(|f| depth > 0 || shape.is_leaf(named(&f["type"]))).collect();
        if fields.is_empty() {
            return Vec::new();
        }
        let leaves: Vec<&Json> = fields.iter().copied().filter(|f| shape.is_leaf(named(&f["type"]))).collect();
        let field = if !leaves.is_empty() && self.chance(0.35) { self.pick(&leaves) } else { self.pick(&fields) };
        let name = field["name"].as_str().unwrap();
        let to = named(&field["type"]);
        // answered by the schema, not by a plan
        if name == "rights" || name.starts_with("__") {
            return Vec::new();
        }
        let arguments = self.arguments(field);
        let head = if !arguments.is_empty() || self.chance(0.15) {
            format!("{}: {name}{arguments}", self.name("a"))
        } else {
            name.to_string()
        };
        let inner = |draw: &mut Self| match (to, shape.is_leaf(to)) {
            (_, true) => String::new(),
            ("Node", _) => format!(" {}", draw.node(depth - 1)),
            _ => format!(" {}", draw.selection(to, depth - 1)),
        };
        let one = format!("{head}{}{}", self.directive(), inner(self));
        // asked again under the same key: what is asked inside is merged
        if self.chance(0.12) {
            let two = format!("{head}{}", inner(self));
            return vec![one, two];
        }
        vec![one]
    }

    /// What is asked of a row of unknown type.
    fn node(&mut self, depth: usize) -> String {
        let mut parts = vec!["id".to_string()];
        let types: Vec<String> =
            self.shape.list("Node", "possibleTypes").iter().map(|t| t["name"].as_str().unwrap().to_string()).collect();
        for _ in 0..self.rng.gen_range(0..4) {
            let ty = self.pick(&types);
            let fields = self.shape.list(&ty, "fields");
            let leaves: Vec<&Json> = fields.into_iter().filter(|f| self.shape.is_leaf(named(&f["type"]))).collect();
            let leaf = self.pick(&leaves);
            // keys of their own: one key may not have two shapes
            let mut inner = format!("{}: {}", self.name("n"), leaf["name"].as_str().unwrap());
            if depth > 0 && self.chance(0.4) {
                let alias = self.name("r");
                let fields = self.shape.list(&ty, "fields");
                let one: Vec<&Json> = fields
                    .into_iter()
                    .filter(|f| {
                        !self.shape.is_leaf(named(&f["type"])) && f["args"].as_array().is_none_or(Vec::is_empty)
                    })
                    .collect();
                if !one.is_empty() {
                    let field = self.pick(&one);
                    inner += &format!(
                        " {alias}: {} {}",
                        field["name"].as_str().unwrap(),
                        self.selection(named(&field["type"]), depth - 1)
                    );
                }
            }
            parts.push(format!("... on {ty} {{ {inner} }}"));
        }
        format!("{{ {} }}", parts.join(" "))
    }

    fn directive(&mut self) -> String {
        if self.directives > 20 || !self.chance(0.1) {
            return String::new();
        }
        self.directives += 1;
        let word = self.pick(&["skip", "include"]);
        let given = Given { ty: "Boolean!".into(), is: Use::Flag, tree: Tree::Leaf(json!(self.chance(0.5))) };
        format!(" @{word}(if: {})", self.emit(given, 0.8))
    }

    // ---- arguments

    fn arguments(&mut self, field: &Json) -> String {
        let args: Vec<&Json> = field["args"].as_array().into_iter().flatten().collect();
        let has = |name: &str| args.iter().find(|a| a["name"] == name).map(|a| written(&a["type"]));
        let mut out: Vec<(String, Given)> = Vec::new();
        let of = |suffix: &str| CATALOGUE.by_name(named(&field["type"]).strip_suffix(suffix).unwrap_or_default());
        if let Some(kind) = has("id") {
            out.push(("id".into(), self.given(kind, Use::Id)));
        }
        if let Some(kind) = has("ids") {
            out.push(("ids".into(), self.given(kind, Use::Ids)));
        }
        if let (Some(kind), Some(of)) = (has("groupBy"), of("Group"))
            && self.chance(0.7)
        {
            out.push(("groupBy".into(), self.given(kind, Use::Groups(of))));
        }
        let listed = of("Connection");
        if let (Some(kind), Some(of)) = (has("filter"), listed.or_else(|| of("Group")))
            && self.chance(0.4)
        {
            out.push(("filter".into(), self.given(kind, Use::Filter(of, 2))));
        }
        if let (Some(_), Some(of)) = (has("first"), listed) {
            // nested pages multiply
            let size = self.pick(&["first", "first", "last"]);
            out.push((size.into(), self.given("Int".into(), Use::Size)));
            let walks = self.walks.get(of.name).map_or(0, Vec::len);
            if walks > 0 && self.chance(0.35) {
                let walk = self.rng.gen_range(0..walks);
                let order = &self.walks[of.name][walk].order;
                if !order.is_empty() {
                    let tree = Tree::Word(order.clone());
                    out.push(("orderBy".into(), Given { ty: String::new(), is: Use::Flag, tree }));
                }
                let end = self.pick(&["after", "before"]);
                out.push((end.into(), self.given("String".into(), Use::Cursor(of, walk))));
            } else if self.chance(0.4) {
                out.push(("orderBy".into(), self.given(has("orderBy").unwrap(), Use::Order(of))));
            }
        }
        if out.is_empty() {
            return String::new();
        }
        let arguments: Vec<String> = out.into_iter().map(|(n, g)| format!("{n}: {}", self.emit(g, 0.4))).collect();
        format!("({})", arguments.join(", "))
    }

    fn given(&mut self, ty: String, is: Use) -> Given {
        Given { ty, is, tree: self.grow(is) }
    }

    /// As a literal or as a variable, whole or in part.
    fn emit(&mut self, given: Given, variable: f64) -> String {
        if !given.ty.is_empty() && self.variables.len() < 12 && self.chance(variable) {
            let name = self.name("v");
            let nullable = !given.ty.ends_with('!');
            let (value, literal) = (given.tree.json(), given.tree.literal());
            let other = self.grow(given.is).literal();
            let (default, value) = match self.rng.gen_range(0..10) {
                0 | 1 => (Some(literal), None),
                2 => (Some(other), Some(value)),
                3 if nullable => (None, None),
                4 if nullable => (None, Some(Json::Null)),
                _ => (None, Some(value)),
            };
            self.variables.push(Variable { name: name.clone(), ty: given.ty, is: given.is, default, value });
            return format!("${name}");
        }
        match given.tree {
            Tree::Object(fields) => {
                let fields: Vec<String> =
                    fields.into_iter().map(|(n, g)| format!("{n}: {}", self.emit(g, 0.25))).collect();
                format!("{{{}}}", fields.join(", "))
            }
            Tree::List(items) => {
                let items: Vec<String> = items.into_iter().map(|tree| self.item_of(given.is, tree)).collect();
                format!("[{}]", items.join(", "))
            }
            tree => tree.literal(),
        }
    }

    /// One of a list; lists of values may mix variables in.
    fn item_of(&mut self, list: Use, tree: Tree) -> String {
        let (ty, is) = match list {
            Use::Values(of, field) => {
                let name = if field.name == "id" {
                    "ID".to_string()
                } else if field.one_of.is_empty() {
                    let named = match field.kind {
                        Kind::Id => "ID",
                        Kind::Text => "String",
                        Kind::Int if field.wide => "Long",
                        Kind::Int => "Int",
                        Kind::Bool => "Boolean",
                        Kind::Decimal => "Decimal",
                        Kind::Instant => "DateTime",
                        Kind::Date => "Date",
                        Kind::Json => "JSON",
                    };
                    named.to_string()
                } else {
                    format!("{}{}", of.name, entente::catalogue::pascal(&field.name))
                };
                (format!("{name}!"), Use::Value(of, field))
            }
            Use::Parts(of, depth) => (format!("{}Filter!", of.name), Use::Filter(of, depth)),
            Use::Ids => ("ID!".to_string(), Use::Id),
            _ => (String::new(), list),
        };
        self.emit(Given { ty, is, tree }, 0.2)
    }

    fn grow(&mut self, is: Use) -> Tree {
        match is {
            Use::Size => Tree::Leaf(json!(self.pick(&[0, 1, 2, 3, 5]))),
            Use::Flag => Tree::Leaf(json!(self.chance(0.5))),
            Use::Cursor(of, walk) => {
                let cursors = &self.walks[of.name][walk].cursors;
                Tree::Leaf(json!(cursors.choose(self.rng).unwrap()))
            }
            Use::Id => Tree::Leaf(json!(self.id())),
            Use::Ids => {
                let mut ids: Vec<Tree> = (0..self.rng.gen_range(0..4)).map(|_| Tree::Leaf(json!(self.id()))).collect();
                if self.chance(0.2) && !ids.is_empty() {
                    let again = ids[0].json();
                    ids.push(Tree::Leaf(again));
                }
                Tree::List(ids)
            }
            Use::Order(of) => {
                let terms = (0..self.rng.gen_range(1..=2)).map(|_| {
                    let field = self.given(format!("{}OrderField!", of.name), Use::OrderField(of));
                    let mut fields = vec![("field".to_string(), field)];
                    if self.chance(0.6) {
                        fields.push(("direction".into(), self.given("OrderDirection".into(), Use::Direction)));
                    }
                    Tree::Object(fields)
                });
                Tree::List(terms.collect())
            }
            Use::OrderField(of) => {
                let words = self.words(&format!("{}OrderField", of.name));
                Tree::Word(self.pick(&words))
            }
            Use::Direction => Tree::Word(self.pick(&["ASC", "DESC"]).into()),
            Use::Groups(of) => {
                let words = self.words(&format!("{}GroupBy", of.name));
                let mut by: Vec<String> = words.into_iter().filter(|w| w != "NONE").collect();
                by.shuffle(self.rng);
                by.truncate(self.rng.gen_range(0..=2));
                Tree::List(by.into_iter().map(Tree::Word).collect())
            }
            Use::Filter(of, depth) => self.filter(of, depth),
            Use::Parts(of, depth) => {
                Tree::List((0..self.rng.gen_range(0..=2)).map(|_| self.filter(of, depth)).collect())
            }
            Use::Some(of, depth) => {
                let word = self.pick(&["some", "none"]);
                let given = self.given(format!("{}Filter", of.name), Use::Filter(of, depth));
                Tree::Object(vec![(word.into(), given)])
            }
            Use::Tests(of, field) => self.tests(of, field),
            Use::Value(of, field) => self.value(of, field),
            Use::Values(of, field) => {
                Tree::List((0..self.rng.gen_range(0..4)).map(|_| self.value(of, field)).collect())
            }
            Use::Pattern(of, field) => {
                let text = self.value(of, field).json().as_str().unwrap_or_default().to_string();
                let some: String = text.chars().take(3).collect();
                let escaped = some.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                let lower = escaped.to_lowercase();
                Tree::Leaf(json!(self.pick(&[
                    format!("{escaped}%"),
                    format!("%{escaped}%"),
                    format!("{lower}%"),
                    "%a%".into(),
                    "_%".into(),
                    "%".into(),
                    String::new(),
                ])))
            }
        }
    }

    fn words(&self, of: &str) -> Vec<String> {
        self.shape.list(of, "enumValues").iter().map(|v| v["name"].as_str().unwrap().to_string()).collect()
    }

    fn id(&mut self) -> String {
        let types: Vec<&Type> = CATALOGUE.types.iter().filter(|t| !self.dump.rows(t).is_empty()).collect();
        let ty = self.pick(&types);
        self.dump.rows(ty).choose(self.rng).unwrap().id.clone()
    }

    fn filter(&mut self, of: &'static Type, depth: usize) -> Tree {
        let whole = format!("{}Filter", of.name);
        let inputs = self.shape.list(&whole, "inputFields");
        let mut out: Vec<(String, Given)> = Vec::new();
        for _ in 0..self.rng.gen_range(0..=2) {
            let input = self.pick(&inputs);
            let (name, ty) = (input["name"].as_str().unwrap().to_string(), written(&input["type"]));
            if out.iter().any(|(n, _)| *n == name) {
                continue;
            }
            let is = match (name.as_str(), of.field(&name), of.list(&name)) {
                ("and" | "or" | "not", ..) if depth == 0 => continue,
                ("and" | "or", ..) => Use::Parts(of, depth - 1),
                ("not", ..) => Use::Filter(of, depth - 1),
                (_, Some(field), _) => match field.to {
                    Some(_) if depth == 0 => continue,
                    Some(to) => Use::Filter(CATALOGUE.ty(to), depth - 1),
                    None => Use::Tests(of, field),
                },
                (_, _, Some(_)) if depth == 0 => continue,
                (_, _, Some(list)) => Use::Some(CATALOGUE.ty(list.of), depth - 1),
                _ => panic!("{name}"),
            };
            let given = self.given(ty, is);
            out.push((name, given));
        }
        Tree::Object(out)
    }

    fn tests(&mut self, of: &'static Type, field: &'static Field) -> Tree {
        let filter = format!("{}Filter", of.name);
        let input =
            self.shape.list(&filter, "inputFields").into_iter().find(|i| i["name"] == field.name.as_str()).unwrap();
        let tests = self.shape.list(named(&input["type"]), "inputFields");
        let mut out: Vec<(String, Given)> = Vec::new();
        for _ in 0..self.pick(&[0, 1, 1, 1, 1, 1, 2]) {
            let test = self.pick(&tests);
            let name = test["name"].as_str().unwrap().to_string();
            if out.iter().any(|(n, _)| *n == name) {
                continue;
            }
            let is = match name.as_str() {
                "isNull" => Use::Flag,
                "in" | "notIn" => Use::Values(of, field),
                "like" => Use::Pattern(of, field),
                _ => Use::Value(of, field),
            };
            let given = self.given(written(&test["type"]), is);
            out.push((name, given));
        }
        Tree::Object(out)
    }

    /// A value that a row has, or a plain one.
    fn value(&mut self, of: &'static Type, field: &'static Field) -> Tree {
        let row = self.dump.rows(of).choose(self.rng);
        let value = row.map(|row| row.fields[&field.name].clone()).filter(|v| !v.is_null());
        let value = value.unwrap_or_else(|| match field.kind {
            Kind::Bool => json!(true),
            Kind::Int => json!(1),
            Kind::Decimal => json!("10.5"),
            Kind::Instant => json!("2026-06-15T10:00:00Z"),
            Kind::Date => json!("2026-06-15"),
            Kind::Id => json!(format!("{}_AAAAAAAAAAAAAAAAAAAAAA", of.name)),
            Kind::Text | Kind::Json => field.one_of.first().map_or(json!("a"), |word| json!(word.to_uppercase())),
        });
        match value {
            Json::String(word) if !field.one_of.is_empty() => Tree::Word(word),
            value => Tree::Leaf(value),
        }
    }
}
