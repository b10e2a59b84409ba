//! `breakGlass`, an operation of the domain: opens one hidden field of one row, and answers with the look.

use async_graphql_value::Value as Given;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    access::{ViewClass, look::Look},
    catalogue::{CATALOGUE, TypeId},
    error::{Error, Result},
    graphql::{ids::Codec, value::Node},
};

pub struct Asked {
    ty: TypeId,
    key: Uuid,
    id: String,
    field: String,
    reason: String,
}

impl Asked {
    pub fn look(&self) -> Look<'_> {
        Look { ty: CATALOGUE.ty(self.ty), key: self.key, id: &self.id, field: &self.field, reason: &self.reason }
    }
}

pub fn read(class: &ViewClass, given: Option<&Given>, variables: &Map<String, Json>, codec: &Codec) -> Result<Asked> {
    let Some(Node::Object(given)) = given.and_then(|given| Node::of(given, variables)) else {
        return Err(Error::input("`input` is missing, or no object"));
    };
    let text = |name: &str| match given.iter().find(|(given, _)| given.as_str() == name).map(|(_, node)| node.json()) {
        Some(Json::String(text)) => Ok(text),
        _ => Err(Error::input(format!("`input.{name}` is missing, or no text"))),
    };
    let (id, field, reason) = (text("id")?, text("field")?, text("reason")?);
    // as of a row that is not there: what is no id names none, nor does that of a type that is hidden
    let found = codec.read_id(&id).filter(|(ty, _)| class.sees_type(*ty));
    let (ty, key) = found.ok_or_else(|| Error::not_found("there is no such row"))?;
    Ok(Asked { ty, key, id, field, reason })
}
