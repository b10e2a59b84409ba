//! The text of one cell → a value of its field, strictly: what is not exactly right is refused with
//! what was expected, and nothing is guessed or rounded.

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use entities::{Decimal, Instant, meta::Kind};
use uuid::Uuid;

use crate::catalogue::{Field, Value};

/// Integers are 32 bits wide at most, on both databases.
const WHOLE: std::ops::RangeInclusive<i64> = i32::MIN as i64..=i32::MAX as i64;

/// How a text of a foreign file stands for a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Form {
    /// A chrono format for dates and instants; without one they follow ISO 8601.
    pub(super) format: Option<String>,
    /// Numbers are multiplied by it.
    pub(super) scale: Option<Decimal>,
}

/// The value, or what was expected.
pub(super) fn parse(field: &Field, form: &Form, text: &str) -> Result<Value, String> {
    within(field, read(field, form, text)?)
}

fn within(field: &Field, value: Value) -> Result<Value, String> {
    field.refuses(&value).map_or(Ok(value), Err)
}

fn read(field: &Field, form: &Form, text: &str) -> Result<Value, String> {
    match field.kind {
        Kind::Text => word(field, text),
        Kind::Int => match text.parse::<i64>() {
            Ok(n) if WHOLE.contains(&n) && !text.starts_with('+') => Ok(Value::Int(n)),
            _ => Err("a whole number such as `12`".to_owned()),
        },
        Kind::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("`true` or `false`".to_owned()),
        },
        Kind::Decimal => decimal(form, text),
        Kind::Instant => instant(form, text),
        Kind::Date => date(form, text),
        Kind::Id => text.parse::<Uuid>().map(Value::Id).map_err(|_| "an id, which is a UUID".to_owned()),
        Kind::Json => serde_json::from_str(text).map(Value::Json).map_err(|_| "JSON".to_owned()),
    }
}

/// A value that was read elsewhere, as a value of this field. An instant becomes its day in UTC.
pub(super) fn convert(field: &Field, value: Value) -> Result<Value, String> {
    match (field.kind, value) {
        (_, Value::Null) => Ok(Value::Null),
        (Kind::Text, value @ Value::Text(_))
        | (Kind::Int, value @ Value::Int(_))
        | (Kind::Bool, value @ Value::Bool(_))
        | (Kind::Decimal, value @ Value::Decimal(_))
        | (Kind::Instant, value @ Value::Instant(_))
        | (Kind::Date, value @ Value::Date(_))
        | (Kind::Id, value @ Value::Id(_))
        | (Kind::Json, value @ Value::Json(_)) => within(field, value),
        (Kind::Date, Value::Instant(at)) => Ok(Value::Date(at.utc().date_naive())),
        (Kind::Instant, Value::Date(day)) => Ok(Value::Instant(midnight(day))),
        (Kind::Decimal, Value::Int(n)) => within(field, Value::Decimal(Decimal::from_int(n))),
        _ => Err(format!("a field of the same kind as `{}`", field.name)),
    }
}

fn word(field: &Field, text: &str) -> Result<Value, String> {
    if text.contains('\0') {
        return Err("a text without zero bytes".to_owned());
    }
    if field.one_of.is_empty() {
        return Ok(Value::Text(text.to_owned()));
    }
    // also as GraphQL writes it, so that what was exported can be imported
    let known = field.one_of.iter().find(|known| **known == text || crate::catalogue::screaming(known) == text);
    known.map(|known| Value::Text((*known).to_owned())).ok_or_else(|| format!("one of `{}`", field.one_of.join("`, `")))
}

fn decimal(form: &Form, text: &str) -> Result<Value, String> {
    let expected = || "a decimal number with at most four digits behind the point, such as `12.50`".to_owned();
    let Some(scale) = form.scale else {
        return text.parse().map(Value::Decimal).map_err(|_| expected());
    };
    let number: Decimal = text.parse().map_err(|_| expected())?;
    let product = i128::from(number.0) * i128::from(scale.0);
    let exact = product % i128::from(Decimal::SCALE) == 0;
    let scaled = i64::try_from(product / i128::from(Decimal::SCALE)).ok().filter(|_| exact);
    scaled.map(|n| Value::Decimal(Decimal(n))).ok_or_else(|| format!("a number that {scale} times is still exact"))
}

fn instant(form: &Form, text: &str) -> Result<Value, String> {
    let Some(format) = &form.format else {
        return text.parse().map(Value::Instant).map_err(|_| "an instant such as `2026-09-01T09:00:00Z`".to_owned());
    };
    let zoned = DateTime::parse_from_str(text, format).map(|at| at.with_timezone(&Utc));
    let at = zoned.or_else(|_| NaiveDateTime::parse_from_str(text, format).map(|at| at.and_utc()));
    let at = at.map(Instant::from_utc).or_else(|_| NaiveDate::parse_from_str(text, format).map(midnight));
    at.map(Value::Instant).map_err(|_| format!("an instant written as `{format}`"))
}

fn date(form: &Form, text: &str) -> Result<Value, String> {
    let Some(format) = &form.format else {
        // chrono alone would take `2026-9-1`
        let day = (text.len() == 10).then(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()).flatten();
        return day.map(Value::Date).ok_or_else(|| "a day such as `2026-09-01`".to_owned());
    };
    let day = NaiveDateTime::parse_from_str(text, format).map(|at| at.date());
    let day = day.or_else(|_| NaiveDate::parse_from_str(text, format));
    day.map(Value::Date).map_err(|_| format!("a day written as `{format}`"))
}

fn midnight(day: NaiveDate) -> Instant {
    Instant::from_utc(day.and_time(NaiveTime::MIN).and_utc())
}

#[cfg(test)]
mod tests {
    use entities::meta::Class;

    use super::*;

    fn field(kind: Kind, one_of: &'static [&'static str]) -> Field {
        Field {
            name: "f".into(),
            column: "f",
            kind,
            wide: false,
            optional: false,
            class: Class::Int,
            groups: &[],
            to: None,
            code: None,
            unit: None,
            least: None,
            most: None,
            one_of,
            filled: None,
            small: false,
            doc: "",
        }
    }

    #[test]
    fn a_number_is_within_its_range() {
        let share = Field { least: Some(0), most: Some(100), ..field(Kind::Decimal, &[]) };
        let read = |text: &str| parse(&share, &Form::default(), text);
        for text in ["0", "100", "99.9999"] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["-0.0001", "100.0001"] {
            assert_eq!(read(text), Err("a number, from 0 to 100".to_owned()), "{text}");
        }
        let days = Field { least: Some(1), ..field(Kind::Int, &[]) };
        assert_eq!(convert(&days, Value::Int(0)), Err("a number, at least 1".to_owned()));
    }

    fn plain(kind: Kind, text: &str) -> Result<Value, String> {
        parse(&field(kind, &[]), &Form::default(), text)
    }

    #[test]
    fn values_are_read_strictly() {
        let day = NaiveDate::from_ymd_opt(2026, 9, 1).expect("a day");
        assert_eq!(plain(Kind::Date, "2026-09-01"), Ok(Value::Date(day)));
        assert_eq!(plain(Kind::Int, "-3"), Ok(Value::Int(-3)));
        assert_eq!(plain(Kind::Decimal, "0.05"), Ok(Value::Decimal(Decimal(500))));
        assert_eq!(plain(Kind::Json, "{\"a\":1}"), Ok(Value::Json(serde_json::json!({"a": 1}))));
        let wrong = [
            (Kind::Date, "2026-9-1"),
            (Kind::Date, "2026-02-30"),
            (Kind::Date, "01.09.2026"),
            (Kind::Instant, "2026-09-01"),
            (Kind::Instant, "2026-09-01T09:00:00"),
            (Kind::Int, "1.0"),
            (Kind::Int, "+1"),
            (Kind::Int, "3000000000"),
            (Kind::Decimal, "1,5"),
            (Kind::Decimal, "0.00001"),
            (Kind::Bool, "1"),
            (Kind::Id, "42"),
            (Kind::Json, "{"),
            (Kind::Text, "a\0b"),
        ];
        for (kind, text) in wrong {
            assert!(plain(kind, text).is_err(), "{kind:?} {text}");
        }
    }

    #[test]
    fn a_closed_set_names_its_members() {
        let status = field(Kind::Text, &["active", "at_risk"]);
        for text in ["at_risk", "AT_RISK"] {
            assert_eq!(parse(&status, &Form::default(), text), Ok(Value::from("at_risk")));
        }
        assert_eq!(parse(&status, &Form::default(), "gone"), Err("one of `active`, `at_risk`".to_owned()));
    }

    #[test]
    fn foreign_forms() {
        let form = Form { format: Some("%Y-%m-%d %H:%M:%S%.f".into()), scale: None };
        let text = "1996-07-04 00:00:00.000";
        let midnight: Instant = "1996-07-04T00:00:00Z".parse().expect("valid");
        assert_eq!(parse(&field(Kind::Instant, &[]), &form, text), Ok(Value::Instant(midnight)));
        assert_eq!(parse(&field(Kind::Date, &[]), &form, text), Ok(Value::Date(midnight.utc().date_naive())));
        assert!(parse(&field(Kind::Date, &[]), &form, "1996-07-04").is_err());

        let percent = Form { format: None, scale: Some(Decimal::from_int(100)) };
        let discount = field(Kind::Decimal, &[]);
        assert_eq!(parse(&discount, &percent, "0.15"), Ok(Value::Decimal(Decimal::from_int(15))));
        let halved = Form { format: None, scale: Some(Decimal(5_000)) };
        assert!(parse(&discount, &halved, "0.0001").is_err());
    }
}
