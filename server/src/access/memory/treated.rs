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

/// Whole days, no more than those that were looked ahead; nothing where nothing is needed.
pub fn lasts(value: &Value, need: Option<i64>, days: u32) -> Value {
    let (Value::Decimal(Decimal(there)), Some(need)) = (value, need.filter(|need| *need > 0)) else {
        return Value::Null;
    };
    let there = i128::from((*there).clamp(0, need)) * i128::from(days) / i128::from(need);
    i64::try_from(there).map_or(Value::Null, |days| Decimal::from_int(days).into())
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
