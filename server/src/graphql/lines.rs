//! The subscriptions that stand behind `/feed/…`, written as a client would write them, and their events as lines.
//! Where nobody says otherwise a node is the row's own fields, and the id of what each of its references leads to.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Map, Value as Json, value::RawValue};

use super::{
    Request, model,
    subscription_schema::{FEEDS, feed_types, type_value},
};
use crate::{
    access::ViewClass,
    catalogue::Type,
    error::{Error, Result},
    feed::Event,
};

/// The feed of several types, behind `/feed/`.
const CHANGES: &str = "changes";
const EVENT: &str = "cursor kind id changedFields occurredAt reason";

/// What is asked for, besides where to begin.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Which feed, as its path ends.
    pub feed: String,
    /// `CASE,CUSTOMER`
    pub types: Option<String>,
    /// `qty,series.product.name`; of several types with the type before: `Case.number`
    pub fields: Option<String>,
    pub filter: Option<Map<String, Json>>,
    /// `NOW` or `SNAPSHOT`
    pub from: Option<String>,
}

pub fn is_feed(name: &str) -> bool {
    name == CHANGES || FEEDS.iter().any(|feed| feed.path == name)
}

impl Asked {
    /// The subscription; `None`: there is nothing of the kind for this class.
    pub fn request(&self, class: &ViewClass) -> Result<Option<Request>> {
        let root = if self.feed == CHANGES { self.changes(class)? } else { self.one(class)? };
        let Some(Root { parameter, field, value, node }) = root else { return Ok(None) };
        let (name, ty) = parameter;
        let query = format!(
            "subscription (${name}: {ty}, $from: FeedStart) \
             {{ event: {field}({name}: ${name}, from: $from) {{ {EVENT} node {node} }} }}"
        );
        let mut variables = Map::new();
        variables.extend(value.map(|value| (name.to_owned(), value)));
        variables.extend(self.from.as_ref().map(|from| ("from".to_owned(), from.as_str().into())));
        Ok(Some(Request { query, operation_name: None, variables, method_get: false }))
    }

    fn one(&self, class: &ViewClass) -> Result<Option<Root>> {
        let Some(feed) = FEEDS.iter().find(|feed| feed.path == self.feed) else { return Ok(None) };
        let Some(ty) = feed_types(class).find(|ty| ty.name == feed.ty) else { return Ok(None) };
        if self.types.is_some() {
            return Err(Error::input(format!("`types` is for `/feed/{CHANGES}`, leave it out here")));
        }
        let fields = self.fields()?.unwrap_or_else(|| Fields::own(class, ty));
        Ok(Some(Root {
            parameter: ("filter", format!("{}Filter", ty.name)),
            field: feed.field,
            value: self.filter.clone().map(Json::Object),
            node: fields.text(class, Some(ty)),
        }))
    }

    fn changes(&self, class: &ViewClass) -> Result<Option<Root>> {
        if feed_types(class).next().is_none() {
            return Ok(None);
        }
        if self.filter.is_some() {
            return Err(Error::input("`filter` is for the feed of one type, leave it out here"));
        }
        let types = self.types.iter().flat_map(|types| types.split(',')).map(str::trim);
        let types: BTreeSet<&str> = types.filter(|name| !name.is_empty()).collect();
        let fields = self.fields()?.unwrap_or_else(|| {
            let followed = feed_types(class).filter(|ty| types.contains(type_value(ty).as_str()));
            Fields(followed.map(|ty| (ty.name.to_owned(), Fields::own(class, ty))).collect())
        });
        let mut node = String::from("{ __typename");
        for (name, fields) in &fields.0 {
            let ty = feed_types(class).find(|ty| ty.name == name);
            let ty = ty.ok_or_else(|| Error::input(format!("`fields` names `{name}`, which is no type to follow")))?;
            let fields = if fields.0.is_empty() { &Fields::own(class, ty) } else { fields };
            node.push_str(&format!(" ... on {name} {}", fields.text(class, Some(ty))));
        }
        Ok(Some(Root {
            parameter: ("types", "[ChangeType!]!".into()),
            field: "changes",
            value: Some(types.into_iter().collect()),
            node: node + " }",
        }))
    }

    fn fields(&self) -> Result<Option<Fields>> {
        self.fields.as_deref().map(Fields::read).transpose()
    }
}

/// The only field of the subscription.
struct Root {
    /// What it follows, by name and type.
    parameter: (&'static str, String),
    field: &'static str,
    value: Option<Json>,
    node: String,
}

/// Fields with those below them, in one order whatever order they are asked for in, so that who asks the same shares.
#[derive(Default)]
struct Fields(BTreeMap<String, Fields>);

impl Fields {
    fn read(text: &str) -> Result<Self> {
        let mut all = Fields::default();
        for path in text.split(',') {
            let mut at = &mut all;
            for name in path.split('.') {
                let name = name.trim();
                if !is_name(name) {
                    return Err(Error::input(format!(
                        "`fields` holds `{path}`, which names no field: write them as `qty,series.product.name`"
                    )));
                }
                at = at.0.entry(name.into()).or_default();
            }
        }
        Ok(all)
    }

    /// The type's own that the class shows.
    fn own(class: &ViewClass, ty: &Type) -> Self {
        let names = model::fields(class, ty).filter_map(|shown| match shown {
            model::Shown::Scalar(_, field) | model::Shown::One(_, field, _) => Some(field.name.clone()),
            model::Shown::Many(..) => None,
        });
        Fields(names.map(|name| (name, Fields::default())).collect())
    }

    /// As a document has them. What there is not, its validation says.
    fn text(&self, class: &ViewClass, ty: Option<&Type>) -> String {
        let mut out = String::from("{");
        for (name, below) in &self.0 {
            let to = ty.and_then(|ty| match model::field(class, ty, name) {
                Some(model::Shown::One(.., to)) => Some(to),
                _ => None,
            });
            out.push(' ');
            out.push_str(name);
            match (below.0.is_empty(), to) {
                (true, None) => {}
                (true, Some(_)) => out.push_str(" { id }"),
                (false, to) => {
                    out.push(' ');
                    out.push_str(&below.text(class, to));
                }
            }
        }
        out + " }"
    }
}

fn is_name(text: &str) -> bool {
    let letter = |byte: u8| byte == b'_' || byte.is_ascii_alphabetic();
    text.bytes().next().is_some_and(letter) && text.bytes().all(|byte| letter(byte) || byte.is_ascii_digit())
}

/// A whole answer of the subscription.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    data: Data<'a>,
    #[serde(borrow)]
    extensions: Option<Extensions<'a>>,
}

#[derive(Deserialize)]
struct Data<'a> {
    #[serde(borrow)]
    event: &'a RawValue,
}

#[derive(Deserialize)]
struct Extensions<'a> {
    #[serde(borrow)]
    access: Vec<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Told<'a> {
    kind: &'a str,
}

/// Writes the event as a line, with the paths of what its node hides; whether it says that all was told.
pub fn write(event: &Event, out: &mut Vec<u8>) -> Result<bool> {
    let unreadable = |cause| Error::internal(format!("the feed gave an event that is none: {cause}"));
    let body: Body<'_> = serde_json::from_slice(&event.body).map_err(unreadable)?;
    let told = body.data.event.get();
    let kind = serde_json::from_str::<Told<'_>>(told).map_err(unreadable)?.kind;
    match &body.extensions {
        None => out.extend_from_slice(told.as_bytes()),
        Some(Extensions { access }) => {
            out.extend_from_slice(told.strip_suffix('}').unwrap_or(told).as_bytes());
            let paths: Vec<_> = access.iter().map(|path| path.get(1..).unwrap_or_default()).collect();
            let paths = serde_json::to_string(&paths).map_err(unreadable)?;
            out.extend_from_slice(format!(",\"access\":{paths}}}").as_bytes());
        }
    }
    out.push(b'\n');
    Ok(kind == "CHECKPOINT")
}
