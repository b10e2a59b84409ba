//! Arguments: what stands in the document and what comes in variables, as one tree that remembers
//! where each leaf came from. What a plan depends on is read at once, the rest becomes an input.

use std::borrow::Cow;

use async_graphql::Name;
use async_graphql_value::Value;
use entities::{Decimal, Instant, meta::Kind};
use indexmap::IndexMap;
use serde_json::{Map, Value as Json};

use super::{document::Role, ids::Codec};
use crate::{
    access::read::Arg,
    catalogue::{Field, TypeId},
    error::{Error, Result},
};

/// A leaf's place in the variables, or its value.
#[derive(Clone, Debug, PartialEq)]
pub enum Origin {
    Literal(Json),
    Variable {
        name: String,
        path: Vec<Step>,
    },
    /// A list in the document with variables among its items.
    List(Vec<Origin>),
}

#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Key(String),
    Index(usize),
}

#[derive(Clone, Debug)]
pub enum Node {
    Null,
    Leaf(Json, Origin),
    /// The items, and the whole.
    List(Vec<Node>, Json, Origin),
    Object(IndexMap<String, Node>),
}

impl Node {
    /// `None` if a variable that was left out stands there: as if the argument were not written.
    pub fn of(value: &Value, variables: &Map<String, Json>) -> Option<Node> {
        Some(match value {
            Value::Variable(name) => Self::of_variable(name, variables)?,
            Value::Null => Node::Null,
            Value::List(items) => {
                let nodes: Vec<Node> = items.iter().map(|v| Node::of(v, variables).unwrap_or(Node::Null)).collect();
                let whole = Json::Array(nodes.iter().map(Node::json).collect());
                let origins: Vec<Origin> = nodes.iter().map(Node::origin).collect();
                let fixed = origins.iter().all(|origin| matches!(origin, Origin::Literal(_)));
                let origin = if fixed { Origin::Literal(whole.clone()) } else { Origin::List(origins) };
                Node::List(nodes, whole, origin)
            }
            Value::Object(fields) => Node::Object(
                fields.iter().filter_map(|(k, v)| Some((k.to_string(), Node::of(v, variables)?))).collect(),
            ),
            Value::Enum(name) => Node::literal(Json::String(name.to_string())),
            other => Node::literal(other.clone().into_json().unwrap_or(Json::Null)),
        })
    }

    fn literal(json: Json) -> Node {
        Node::Leaf(json.clone(), Origin::Literal(json))
    }

    fn of_variable(name: &Name, variables: &Map<String, Json>) -> Option<Node> {
        Some(Self::of_json(variables.get(name.as_str())?, name, &mut Vec::new()))
    }

    fn of_json(json: &Json, name: &Name, path: &mut Vec<Step>) -> Node {
        let origin = |path: &Vec<Step>| Origin::Variable { name: name.to_string(), path: path.clone() };
        match json {
            Json::Null => Node::Null,
            Json::Array(items) => {
                let whole = origin(path);
                let mut nodes = Vec::with_capacity(items.len());
                for (i, item) in items.iter().enumerate() {
                    path.push(Step::Index(i));
                    nodes.push(Self::of_json(item, name, path));
                    path.pop();
                }
                Node::List(nodes, json.clone(), whole)
            }
            Json::Object(fields) => {
                let mut nodes = IndexMap::new();
                for (key, value) in fields {
                    path.push(Step::Key(key.clone()));
                    nodes.insert(key.clone(), Self::of_json(value, name, path));
                    path.pop();
                }
                Node::Object(nodes)
            }
            leaf => Node::Leaf(leaf.clone(), origin(path)),
        }
    }

    fn origin(&self) -> Origin {
        match self {
            Node::Leaf(_, origin) | Node::List(_, _, origin) => origin.clone(),
            Node::Null | Node::Object(_) => Origin::Literal(self.json()),
        }
    }

    pub fn json(&self) -> Json {
        match self {
            Node::Null => Json::Null,
            Node::Leaf(json, _) | Node::List(_, json, _) => json.clone(),
            Node::Object(fields) => Json::Object(fields.iter().map(|(k, v)| (k.clone(), v.json())).collect()),
        }
    }

    /// The items; a single value stands for a list of itself.
    pub fn items(&self) -> Vec<&Node> {
        match self {
            Node::List(items, ..) => items.iter().collect(),
            other => vec![other],
        }
    }
}

impl Origin {
    pub fn json<'a>(&'a self, variables: &'a Map<String, Json>) -> Cow<'a, Json> {
        match self {
            Origin::Literal(json) => Cow::Borrowed(json),
            Origin::Variable { name, path } => {
                let start = variables.get(name).unwrap_or(&Json::Null);
                Cow::Borrowed(path.iter().fold(start, |json, step| match step {
                    Step::Key(key) => json.get(key).unwrap_or(&Json::Null),
                    Step::Index(i) => json.get(i).unwrap_or(&Json::Null),
                }))
            }
            Origin::List(items) => {
                Cow::Owned(Json::Array(items.iter().map(|item| item.json(variables).into_owned()).collect()))
            }
        }
    }
}

/// Writes what a plan depends on into its key.
pub fn shape(role: Role, json: Option<&Json>, out: &mut Vec<u8>, cursor_nulls: &dyn Fn(&str) -> Option<u8>) {
    let Some(json) = json else { return out.push(b'-') };
    match (role, json) {
        (Role::Value, json) => out.extend(json.to_string().bytes()),
        (Role::Cursor, Json::String(text)) => match cursor_nulls(text) {
            Some(nulls) => out.extend([b'c', nulls]),
            None => out.push(b'?'),
        },
        (Role::Id, Json::String(text)) => out.extend(text.split('_').next().unwrap_or_default().bytes()),
        (Role::Id, Json::Array(items)) => {
            let mut types: Vec<&str> =
                items.iter().filter_map(Json::as_str).filter_map(|t| t.split('_').next()).collect();
            types.sort_unstable();
            types.dedup();
            // how many there are decides what the plan costs
            out.extend(format!("[{}*{}]", types.join(","), items.len()).bytes());
        }
        (_, Json::Null) => out.push(b'0'),
        (_, Json::Bool(b)) => out.push(if *b { b't' } else { b'f' }),
        (_, Json::Number(_) | Json::String(_)) => out.push(b's'),
        (_, Json::Array(items)) if !items.iter().any(|i| matches!(i, Json::Object(_) | Json::Array(_))) => {
            out.push(b'l')
        }
        (_, Json::Array(items)) => {
            out.push(b'[');
            for item in items {
                shape(Role::Shape, Some(item), out, cursor_nulls);
            }
            out.push(b']');
        }
        (_, Json::Object(fields)) => {
            out.push(b'{');
            for (key, value) in fields {
                out.extend(key.bytes());
                out.push(b':');
                shape(Role::Shape, Some(value), out, cursor_nulls);
            }
            out.push(b'}');
        }
    }
}

/// What a bound value must be.
#[derive(Clone, Debug)]
pub struct Expected {
    pub kind: Kind,
    /// Whole numbers of 64 bits.
    pub wide: bool,
    pub one_of: &'static [&'static str],
    /// The type whose ids are taken.
    pub of: Option<TypeId>,
    pub list: bool,
    pub pattern: bool,
    /// How the document names the value, for messages.
    pub place: String,
}

impl Expected {
    pub fn of(index: usize, field: &Field, ty: TypeId, place: String) -> Self {
        let of = if index == 0 { Some(ty) } else { field.to };
        Expected { kind: field.kind, wide: field.wide, one_of: field.one_of, of, list: false, pattern: false, place }
    }

    pub fn coerce(&self, json: &Json, codec: &Codec) -> Result<Arg> {
        if self.list {
            let items: Vec<&Json> = match json {
                Json::Array(items) => items.iter().collect(),
                Json::Null => return Err(self.wrong(json, "a list without null")),
                one => vec![one],
            };
            return self.list_of(&items, codec);
        }
        self.one(json, codec)
    }

    fn list_of(&self, items: &[&Json], codec: &Codec) -> Result<Arg> {
        let values = items.iter().map(|json| self.one(json, codec)).collect::<Result<Vec<Arg>>>()?;
        Ok(match self.kind {
            Kind::Id => {
                Arg::Ids(values.into_iter().filter_map(|v| if let Arg::Id(id) = v { Some(id) } else { None }).collect())
            }
            Kind::Date => Arg::Dates(
                values.into_iter().filter_map(|v| if let Arg::Date(d) = v { Some(d) } else { None }).collect(),
            ),
            Kind::Text | Kind::Json => Arg::Texts(
                values.into_iter().filter_map(|v| if let Arg::Text(t) = v { Some(t) } else { None }).collect(),
            ),
            Kind::Int | Kind::Decimal | Kind::Instant | Kind::Bool => Arg::Ints(
                values
                    .into_iter()
                    .filter_map(|v| match v {
                        Arg::Int(n) => Some(n),
                        Arg::Bool(b) => Some(i64::from(b)),
                        _ => None,
                    })
                    .collect(),
            ),
        })
    }

    fn one(&self, json: &Json, codec: &Codec) -> Result<Arg> {
        let text = || json.as_str().filter(|t| !t.contains('\0'));
        match self.kind {
            Kind::Id => {
                let read = text().and_then(|t| codec.read_id(t)).filter(|(ty, _)| self.of.is_none_or(|of| of == *ty));
                let expected = self.of.map_or_else(
                    || "an id".to_string(),
                    |of| format!("an id of type {}", crate::catalogue::CATALOGUE.ty(of).name),
                );
                read.map(|(_, id)| Arg::Id(id)).ok_or_else(|| self.wrong(json, &expected))
            }
            Kind::Text if !self.one_of.is_empty() => {
                let value = self.one_of.iter().find(|stored| text() == Some(&stored.to_uppercase()));
                let value = value.map(|stored| (*stored).to_owned());
                value.map(Arg::Text).ok_or_else(|| {
                    let known = self.one_of.iter().map(|v| v.to_uppercase()).collect::<Vec<_>>().join(", ");
                    self.wrong(json, &format!("one of {known}"))
                })
            }
            Kind::Text | Kind::Json => {
                let text = text().ok_or_else(|| self.wrong(json, "a string without zero characters"))?;
                let escapes = text.bytes().rev().take_while(|b| *b == b'\\').count();
                if self.pattern && escapes % 2 == 1 {
                    return Err(self.wrong(json, "a pattern that does not end in a lone `\\`"));
                }
                Ok(Arg::Text(text.to_string()))
            }
            Kind::Int if self.wide => {
                let number = json.as_i64().or_else(|| text()?.parse().ok());
                number.map(Arg::Int).ok_or_else(|| self.wrong(json, "a whole number of 64 bits"))
            }
            Kind::Int => json
                .as_i64()
                .filter(|n| i32::try_from(*n).is_ok())
                .map(Arg::Int)
                .ok_or_else(|| self.wrong(json, "a whole number of 32 bits")),
            Kind::Bool => json.as_bool().map(Arg::Bool).ok_or_else(|| self.wrong(json, "true or false")),
            Kind::Decimal => {
                let number = match json {
                    Json::Number(n) => Some(n.to_string()),
                    other => other.as_str().map(String::from),
                };
                let number = number.and_then(|n| n.parse::<Decimal>().ok());
                number.map(|d| Arg::Int(d.0)).ok_or_else(|| {
                    self.wrong(json, "a decimal number such as \"12.50\", at most four digits behind the point")
                })
            }
            Kind::Instant => {
                let at = text().and_then(|t| t.parse::<Instant>().ok());
                at.map(|at| Arg::Int(at.0)).ok_or_else(|| self.wrong(json, "a moment such as \"2026-09-01T09:00:00Z\""))
            }
            Kind::Date => {
                let day = text().filter(|t| t.len() == 10).and_then(|t| t.parse().ok());
                day.map(Arg::Date).ok_or_else(|| self.wrong(json, "a day such as \"2026-09-01\""))
            }
        }
    }

    fn wrong(&self, json: &Json, expected: &str) -> Error {
        let shown: String = json.to_string().chars().take(80).collect();
        Error::input(format!("`{}` is `{shown}`, expected {expected}", self.place))
    }
}
