//! A mutation's input → what is to be written. A field that the seat may not write is none of the input's fields.

use async_graphql_value::Value as Given;
use entities::meta::Kind;
use serde_json::{Map, Value as Json};

use crate::{
    access::{
        ViewClass,
        read::Arg,
        write::{Change, Write},
    },
    catalogue::{Field, TypeId, Value},
    error::{Error, Result},
    graphql::{
        ids::Codec,
        model::{Doing, Mutation},
        value::{Expected, Node},
    },
};

/// The longest key for a write.
const KEY: usize = 200;

pub fn read(
    mutation: Mutation,
    class: &ViewClass,
    given: Option<&Given>,
    variables: &Map<String, Json>,
    codec: &Codec,
) -> Result<Write> {
    let Mutation { ty, doing } = mutation;
    let Some(Node::Object(given)) = given.and_then(|given| Node::of(given, variables)) else {
        return Err(Error::input("`input` is missing, or no object"));
    };
    let (mut id, mut seen, mut once, mut values) = (None, None, None, Vec::new());
    let fields: Vec<(usize, &Field)> = mutation.fields(class).collect();
    for (name, node) in &given {
        let place = format!("input.{name}");
        match name.as_str() {
            "id" if doing != Doing::Create => id = Some(key(ty.id, place, node, codec)?),
            "rowVersion" if doing != Doing::Create && ty.version().is_some() => {
                let number = node.json().as_i64();
                let expected = || Error::input("`input.rowVersion` is no whole number: send the one that you read");
                seen = Some(number.ok_or_else(expected)?);
            }
            "idempotencyKey" => once = key_of(node)?,
            _ => {
                let field = fields.iter().find(|(_, field)| field.name == *name);
                let unknown = || Error::input(format!("`{place}` is no field of {}", mutation.part("Input")));
                let (i, field) = field.ok_or_else(unknown)?;
                values.push((*i, value(ty.id, *i, field, place, node, codec)?));
            }
        }
    }
    let missing = |name: &str| Error::input(format!("`input.{name}` is missing"));
    let change = match doing {
        Doing::Create => {
            let needed = fields.iter().find(|(i, f)| !f.optional && !values.iter().any(|(given, _)| given == i));
            if let Some((_, field)) = needed {
                return Err(missing(&field.name));
            }
            Change::Create(values)
        }
        Doing::Update if values.is_empty() => {
            return Err(Error::input("`input` changes nothing, give the fields that are to change"));
        }
        Doing::Update => Change::Update(id.ok_or_else(|| missing("id"))?, values),
        Doing::Delete => Change::Delete(id.ok_or_else(|| missing("id"))?),
        Doing::Open | Doing::Hook(_) => return Err(Error::internal("this is no write of the catalogue's")),
    };
    if doing != Doing::Create && ty.version().is_some() && seen.is_none() {
        return Err(missing("rowVersion"));
    }
    Ok(Write { ty: ty.id, change, seen, once })
}

fn key(ty: TypeId, place: String, node: &Node, codec: &Codec) -> Result<uuid::Uuid> {
    let expected = Expected {
        kind: Kind::Id,
        wide: false,
        one_of: &[],
        of: Some(ty),
        list: false,
        pattern: false,
        place: place.clone(),
    };
    match expected.coerce(&node.json(), codec)? {
        Arg::Id(id) => Ok(id),
        _ => Err(Error::input(format!("`{place}` is no id"))),
    }
}

pub fn key_of(node: &Node) -> Result<Option<String>> {
    match node.json() {
        Json::Null => Ok(None),
        Json::String(text) if !text.is_empty() && text.len() <= KEY && !text.contains('\0') => Ok(Some(text)),
        _ => Err(Error::input(format!("`input.idempotencyKey` is a text of 1 to {KEY} bytes, such as a UUID"))),
    }
}

fn value(ty: TypeId, index: usize, field: &Field, place: String, node: &Node, codec: &Codec) -> Result<Value> {
    if matches!(node, Node::Null) {
        return match field.optional {
            true => Ok(Value::Null),
            false => Err(Error::input(format!("`{place}` must not be null, leave it out to keep it"))),
        };
    }
    if field.kind == Kind::Json {
        return Ok(Value::Json(node.json()));
    }
    let coerced = Expected::of(index, field, ty, place.clone()).coerce(&node.json(), codec)?;
    let value: Value = match (field.kind, coerced) {
        (Kind::Decimal, Arg::Int(n)) => entities::Decimal(n).into(),
        (Kind::Instant, Arg::Int(n)) => entities::Instant(n).into(),
        (_, Arg::Int(n)) if field.small && i16::try_from(n).is_err() => {
            return Err(Error::input(format!("`{place}` is `{n}`, expected a whole number of 16 bits")));
        }
        (_, Arg::Int(n)) => n.into(),
        (_, Arg::Bool(b)) => b.into(),
        (_, Arg::Text(text)) => text.into(),
        (_, Arg::Id(id)) => id.into(),
        (_, Arg::Date(day)) => day.into(),
        _ => return Err(Error::internal(format!("`{place}` is coerced to no single value"))),
    };
    match field.refuses(&value) {
        Some(expected) => Err(Error::input(format!("`{place}` is `{value}`, expected {expected}"))),
        None => Ok(value),
    }
}
