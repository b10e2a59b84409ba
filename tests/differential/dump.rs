//! Everything that a seat sees, taken by flat lists of one type each: what nested documents are held
//! against.

use std::collections::{HashMap, HashSet};

use entente::{
    access::ViewClass,
    catalogue::{CATALOGUE, Field, Type, TypeId},
};
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Map, Value as Json};

use super::voice::Voice;

pub struct Dump {
    pub class: ViewClass,
    pub seat: String,
    pub role: String,
    pub organisation: Option<String>,
    pub person: Option<String>,
    /// By type, in the order of the keys.
    rows: Vec<Vec<Node>>,
    places: HashMap<String, (TypeId, usize)>,
}

/// A row as the seat sees it.
pub struct Node {
    pub id: String,
    /// Scalars as they are written; a reference is the id of its row, or null.
    pub fields: Map<String, Json>,
    /// Fields that this row hides.
    pub hidden: HashSet<String>,
}

/// What rows are ordered, compared and grouped by. Null is larger than every value.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Bool(bool),
    Number(i64),
    Text(String),
    Null,
}

const PAGE: usize = 500;

impl Dump {
    pub async fn of(voice: &Voice) -> Self {
        let view = voice.view().await;
        let mut dump = Dump {
            class: view.class.clone(),
            seat: view.name.clone(),
            role: view.seat.role.clone(),
            organisation: None,
            person: None,
            rows: CATALOGUE.types.iter().map(|_| Vec::new()).collect(),
            places: HashMap::new(),
        };
        for ty in CATALOGUE.types.iter().filter(|t| view.sees_type(t.id)) {
            let rows = dump.list(voice, ty).await;
            for (place, row) in rows.iter().enumerate() {
                assert!(dump.places.insert(row.id.clone(), (ty.id, place)).is_none(), "{} twice", row.id);
            }
            dump.rows[ty.id.0] = rows;
        }
        for name in ["organisation", "person"] {
            let ty = if name == "organisation" { "Organisation" } else { "Principal" };
            if view.sees_type(CATALOGUE.by_name(ty).unwrap().id) {
                let data = voice.data(&format!("{{ viewer {{ {name} {{ id }} }} }}"), Map::new()).await;
                let id = data["viewer"][name]["id"].as_str().map(String::from);
                *(if name == "organisation" { &mut dump.organisation } else { &mut dump.person }) = id;
            }
        }
        dump
    }

    async fn list(&self, voice: &Voice, ty: &'static Type) -> Vec<Node> {
        let names: Vec<String> = self
            .values(ty)
            .map(|f| if f.to.is_some() { format!("{} {{ id }}", f.name) } else { f.name.clone() })
            .collect();
        let mut rows = Vec::new();
        let mut after = String::new();
        loop {
            let text = voice
                .ask(&format!(
                    "{{ list: {}(first: {PAGE}{after}) {{ nodes {{ {} }} pageInfo {{ hasNextPage endCursor }} }} }}",
                    ty.plural,
                    names.join(" ")
                ))
                .await;
            let answer: Json = serde_json::from_str(&text).unwrap();
            let list = &answer["data"]["list"];
            let start = rows.len();
            for node in list["nodes"].as_array().unwrap_or_else(|| panic!("{}: {text}", voice.seat)) {
                let mut fields = node.as_object().unwrap().clone();
                for value in fields.values_mut().filter(|v| v.is_object()) {
                    if let Some(id) = value.get("id") {
                        *value = id.clone();
                    }
                }
                let id = fields["id"].as_str().unwrap().to_string();
                rows.push(Node { id, fields, hidden: HashSet::new() });
            }
            for path in answer["extensions"]["access"].as_array().into_iter().flatten() {
                let place = path[2].as_u64().unwrap() as usize;
                rows[start + place].hidden.insert(path[3].as_str().unwrap().to_string());
            }
            if list["pageInfo"]["hasNextPage"] != true {
                return rows;
            }
            after = format!(", after: {}", list["pageInfo"]["endCursor"]);
        }
    }

    /// The fields of a type that can be selected; a reference to a type that is hidden cannot.
    pub fn values(&self, ty: &'static Type) -> impl Iterator<Item = &'static Field> + '_ {
        ty.fields.iter().enumerate().filter_map(move |(i, field)| {
            let leads = field.to.map_or(i == 0 || field.kind != Kind::Id, |to| self.class.sees_type(to));
            (self.class.sees(ty.id, i) && leads).then_some(field)
        })
    }

    pub fn rows(&self, ty: &Type) -> &[Node] {
        &self.rows[ty.id.0]
    }

    pub fn find(&self, id: &str) -> Option<(&'static Type, &Node)> {
        let (ty, place) = self.places.get(id)?;
        Some((CATALOGUE.ty(*ty), &self.rows[ty.0][*place]))
    }

    /// The row that a reference leads to.
    pub fn follow(&self, node: &Node, field: &Field) -> Option<(&'static Type, &Node)> {
        self.find(node.fields.get(&field.name)?.as_str()?)
    }

    /// The value to order by. Keys are ordered as the list of all rows is.
    pub fn key(&self, ty: &Type, node: &Node, field: &Field) -> Key {
        if field.name == "id" {
            return Key::Number(self.places[&node.id].1 as i64);
        }
        let _ = ty;
        read(field, &node.fields[&field.name])
    }
}

/// A value of a field, written as in an answer.
pub fn read(field: &Field, json: &Json) -> Key {
    match (json, field.kind) {
        (Json::Null, _) => Key::Null,
        (Json::Bool(b), _) => Key::Bool(*b),
        (Json::Number(n), Kind::Int) => Key::Number(n.as_i64().unwrap()),
        (json, Kind::Decimal) => {
            let text = json.as_str().map_or_else(|| json.to_string(), String::from);
            Key::Number(text.parse::<Decimal>().unwrap().0)
        }
        (Json::String(text), Kind::Instant) => Key::Number(text.parse::<Instant>().unwrap().0),
        // the names of an enum's values, in the order of the words that are stored
        (Json::String(text), Kind::Text) if !field.one_of.is_empty() => Key::Text(text.to_lowercase()),
        (Json::String(text), _) => Key::Text(text.clone()),
        other => panic!("{}: {other:?}", field.name),
    }
}
