//! A row as the log keeps it: JSON of its columns with what the database stores.

use chrono::NaiveDate;
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    access::connect::Dialect,
    catalogue::{Type, Value},
    error::{Error, Result},
};

/// The values of all fields. A column that came later than the change has none.
pub(super) fn row(dialect: Dialect, ty: &Type, text: &str) -> Result<Box<[Value]>> {
    let unreadable = |what: &str| Error::internal(format!("the change log has a row of `{}` that is {what}", ty.table));
    let mut columns: Map<String, Json> = serde_json::from_str(text).map_err(|_| unreadable("no JSON"))?;
    let values = ty.fields.iter().map(|field| {
        let stored = columns.remove(field.column).unwrap_or(Json::Null);
        value(dialect, field.kind, stored).ok_or_else(|| unreadable(&format!("wrong in `{}`", field.column)))
    });
    values.collect()
}

fn value(dialect: Dialect, kind: Kind, stored: Json) -> Option<Value> {
    Some(match (kind, stored) {
        (_, Json::Null) => Value::Null,
        // SQLite keeps it as text
        (Kind::Json, Json::String(text)) if dialect == Dialect::Sqlite => {
            Value::Json(serde_json::from_str(&text).ok()?)
        }
        (Kind::Json, json) => Value::Json(json),
        (Kind::Bool, Json::Bool(flag)) => Value::Bool(flag),
        (Kind::Bool, Json::Number(number)) => Value::Bool(number.as_i64()? != 0),
        (Kind::Text, Json::String(text)) => Value::Text(text),
        (Kind::Id, Json::String(text)) => Value::Id(text.parse::<Uuid>().ok()?),
        (Kind::Date, Json::String(text)) => Value::Date(text.parse::<NaiveDate>().ok()?),
        (Kind::Int, Json::Number(number)) => Value::Int(number.as_i64()?),
        (Kind::Decimal, Json::Number(number)) => Value::Decimal(Decimal(number.as_i64()?)),
        (Kind::Instant, Json::Number(number)) => Value::Instant(Instant(number.as_i64()?)),
        _ => return None,
    })
}
