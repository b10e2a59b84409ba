//! Treatments over values at hand: what `Sql::treated` gives, without the database.

use entities::Decimal;

use crate::{
    access::treat::{Treatment, pseudonym},
    catalogue::Value,
};

/// The value as it is shown. A treatment that does not fit the value shows nothing.
pub fn treated(shown: Option<Treatment>, value: &Value, secret: &str) -> Value {
    match (shown, value) {
        (Some(Treatment::Full), value) => value.clone(),
        (Some(Treatment::Prefix(n)), Value::Text(text)) => text.chars().take(n as usize).collect::<String>().into(),
        (Some(Treatment::EmailMask), Value::Text(text)) => masked(text).into(),
        (Some(Treatment::Pseudonym), Value::Text(text)) => pseudonym(secret, text).into(),
        (Some(Treatment::Band(width)), Value::Int(n)) => band(*n, (width / Decimal::SCALE).max(1)).into(),
        (Some(Treatment::Band(width)), Value::Decimal(n)) => band(n.0, width).map(Decimal).into(),
        _ => Value::Null,
    }
}

/// Text without a name before its first `@` is no address.
fn masked(text: &str) -> Option<String> {
    let at = text.find('@')?;
    let first = text[..at].chars().next()?;
    Some(format!("{first}***{}", &text[at..]))
}

fn band(n: i64, width: i64) -> Option<i64> {
    n.checked_sub(n.checked_rem_euclid(width)?)
}
