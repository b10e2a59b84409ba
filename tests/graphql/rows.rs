//! All rows of a type as a seat sees them, and the order and equality of their values as the hub
//! promises them.

use std::cmp::Ordering;

use entente::{
    access::{View, roster},
    catalogue::{CATALOGUE, Field, Type},
    graphql::{access_of, model},
};
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::harness::Hub;

pub struct Rows {
    pub ty: &'static Type,
    pub list: String,
    /// The scalars that the seat sees, the id first.
    pub fields: Vec<&'static Field>,
    pub all: Vec<Row>,
}

pub struct Row {
    pub id: String,
    /// Under the opaque id.
    pub key: Uuid,
    pub values: Map<String, Value>,
}

/// A value with the order of its kind. Nulls are `None`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Bool(bool),
    Number(i64),
    Text(String),
    Id(Uuid),
}

pub fn ty(name: &str) -> &'static Type {
    CATALOGUE.by_name(name).unwrap_or_else(|| panic!("no type {name}"))
}

pub async fn view(hub: &Hub, seat: &str) -> std::sync::Arc<View> {
    let now = hub.clock().now();
    let (seat, _) = roster::resolve(hub.db(), seat, now).await.unwrap();
    hub.app().gate.seat_view(&seat, now).await.unwrap()
}

/// The types that the seat sees and that fit into some pages.
pub async fn types(hub: &Hub, seat: &str) -> Vec<&'static Type> {
    let view = view(hub, seat).await;
    model::types(&view.class).filter(|ty| ty.name != "DemandBucket").collect()
}

/// Those of which a row may hide or shorten a field.
pub async fn veiled(hub: &Hub, seat: &str) -> Vec<&'static Type> {
    let view = view(hub, seat).await;
    let veils = |ty: &&&'static Type| {
        let mut fields = view.of(ty.id).fields.iter().enumerate().filter(|(at, _)| view.sees(ty.id, *at));
        fields.any(|(at, field)| access_of(at, field) != "FULL")
    };
    let types = types(hub, seat).await;
    let veiled: Vec<_> = types.iter().filter(veils).copied().collect();
    assert!(!veiled.is_empty(), "{seat}: this tries nothing");
    veiled
}

impl Rows {
    pub async fn read(hub: &Hub, seat: &str, ty: &'static Type) -> Self {
        let view = view(hub, seat).await;
        let shown = model::scalars(&view.class, ty).map(|(at, _)| at);
        let fields: Vec<&'static Field> = shown.map(|at| &ty.fields[at]).collect();
        let codec = hub.app().graphql.codec(view.seat.organisation);
        let list = model::root_list(ty);
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        let document = format!(
            "query($after: String) {{ {list}(first: 1000, after: $after) {{ totalCount nodes {{ {} }} \
             pageInfo {{ hasNextPage endCursor }} }} }}",
            names.join(" ")
        );
        let (mut all, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = hub.data_with(seat, &document, json!({ "after": after })).await[&list].take();
            for node in page["nodes"].as_array().unwrap() {
                let id = node["id"].as_str().unwrap().to_owned();
                let (_, key) = codec.read_id(&id).unwrap();
                all.push(Row { id, key, values: node.as_object().unwrap().clone() });
            }
            if page["pageInfo"]["hasNextPage"] == false {
                assert_eq!(page["totalCount"], all.len(), "{seat} {list}");
                return Rows { ty, list, fields, all };
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
    }

    /// The ids of the rows that satisfy the condition, in the order of their keys.
    pub fn ids(&self, keep: impl Fn(&Row) -> bool) -> Vec<&str> {
        self.all.iter().filter(|row| keep(row)).map(|row| row.id.as_str()).collect()
    }

    /// The ids in this order, as the hub promises it: nulls count as larger than every value, and equal
    /// rows follow their keys.
    pub fn ordered(&self, by: &[(&Field, bool)]) -> Vec<&str> {
        let mut rows: Vec<&Row> = self.all.iter().collect();
        rows.sort_by(|a, b| {
            let terms = by.iter().map(|(field, descending)| {
                let order = compare(&a.key(field), &b.key(field));
                if *descending { order.reverse() } else { order }
            });
            terms.fold(Ordering::Equal, Ordering::then).then(a.key.cmp(&b.key))
        });
        rows.into_iter().map(|row| row.id.as_str()).collect()
    }
}

impl Row {
    pub fn key(&self, field: &Field) -> Option<Key> {
        if field.name == "id" {
            return Some(Key::Id(self.key));
        }
        key(field, &self.values[&field.name])
    }
}

fn compare(a: &Option<Key>, b: &Option<Key>) -> Ordering {
    match (a, b) {
        (None, None) => Ordering::Equal,
        (None, Some(_)) => Ordering::Greater,
        (Some(_), None) => Ordering::Less,
        (Some(a), Some(b)) => a.cmp(b),
    }
}

pub fn key(field: &Field, value: &Value) -> Option<Key> {
    if value.is_null() {
        return None;
    }
    let text = || value.as_str().unwrap_or_else(|| panic!("{}: {value}", field.name)).to_owned();
    Some(match field.kind {
        Kind::Bool => Key::Bool(value.as_bool().unwrap()),
        Kind::Int => Key::Number(value.as_i64().unwrap()),
        Kind::Decimal => Key::Number(text().parse::<Decimal>().unwrap().0),
        Kind::Instant => Key::Number(text().parse::<Instant>().unwrap().0),
        // the order of an enum is that of the words that are kept
        Kind::Text if !field.one_of.is_empty() => Key::Text(text().to_lowercase()),
        Kind::Text | Kind::Date => Key::Text(text()),
        Kind::Json => Key::Text(value.to_string()),
        Kind::Id => Key::Text(text()),
    })
}
