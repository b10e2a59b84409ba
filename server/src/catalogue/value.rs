//! A value of a row, whatever the row's type: what loading, import and generation hand to the database.

use std::fmt;

use chrono::NaiveDate;
use entities::{Decimal, Instant};
use uuid::Uuid;

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Text(String),
    Int(i64),
    Bool(bool),
    Decimal(Decimal),
    Instant(Instant),
    Date(NaiveDate),
    Id(Uuid),
    Json(serde_json::Value),
}

impl Value {
    pub const fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => Ok(()),
            Value::Text(text) => f.write_str(text),
            Value::Int(number) => number.fmt(f),
            Value::Bool(flag) => flag.fmt(f),
            Value::Decimal(number) => number.fmt(f),
            Value::Instant(at) => at.fmt(f),
            Value::Date(day) => day.fmt(f),
            Value::Id(id) => id.fmt(f),
            Value::Json(json) => json.fmt(f),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

impl From<Decimal> for Value {
    fn from(number: Decimal) -> Self {
        Value::Decimal(number)
    }
}

impl From<Instant> for Value {
    fn from(at: Instant) -> Self {
        Value::Instant(at)
    }
}

impl From<NaiveDate> for Value {
    fn from(day: NaiveDate) -> Self {
        Value::Date(day)
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Self {
        Value::Id(id)
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}
