//! Aggregates over the rows of a [`Dump`], worked out one by one.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike, NaiveDate};
use entente::catalogue::{CATALOGUE, Field, Type, pascal, screaming};
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Value as Json, json};

use super::dump::{Dump, Key, Node};

/// What groups are made by.
pub struct GroupKey {
    pub name: String,
    over: Option<&'static Field>,
    field: &'static Field,
    bucket: Option<&'static str>,
}

const BUCKETS: &[&str] = &["Day", "Week", "Month", "Quarter", "Year"];

/// `ORDERED_ON_MONTH`: a field, a field behind a reference, either with a span of time behind its name.
pub fn keys(dump: &Dump, ty: &'static Type, by: &[Json]) -> Vec<GroupKey> {
    let mut known: Vec<GroupKey> = Vec::new();
    let mut add = |name: String, over: Option<&'static Field>, field: &'static Field| {
        let bucket = |bucket: &'static str| (format!("{name}{bucket}"), Some(bucket));
        let mut names = vec![(name.clone(), None)];
        match field.kind {
            Kind::Date => names.extend(BUCKETS[1..].iter().map(|b| bucket(b))),
            Kind::Instant => names = BUCKETS.iter().map(|b| bucket(b)).collect(),
            _ => {}
        }
        known.extend(names.into_iter().map(|(name, bucket)| GroupKey { name, over, field, bucket }));
    };
    for field in dump.values(ty).filter(|f| f.name != "id" && f.to.is_none()) {
        add(field.name.clone(), None, field);
    }
    for over in dump.values(ty).filter(|f| f.to.is_some()) {
        for field in dump.values(CATALOGUE.ty(over.to.unwrap())).filter(|f| f.kind == Kind::Text) {
            add(format!("{}{}", over.name, pascal(&field.name)), Some(over), field);
        }
    }
    let mut keys: Vec<GroupKey> = Vec::new();
    for name in by {
        let at = known.iter().position(|k| screaming(&k.name) == name.as_str().unwrap());
        // a key that is named twice counts once
        if let Some(at) = at {
            keys.push(known.swap_remove(at));
        } else {
            assert!(keys.iter().any(|k| screaming(&k.name) == name.as_str().unwrap()), "{name}");
        }
    }
    keys
}

/// In the order of the keys; without keys there is one group, even of nothing.
pub fn groups<'r>(dump: &Dump, ty: &Type, keys: &[GroupKey], rows: Vec<&'r Node>) -> BTreeMap<Vec<Key>, Vec<&'r Node>> {
    let mut out: BTreeMap<Vec<Key>, Vec<&Node>> = BTreeMap::new();
    if keys.is_empty() {
        out.insert(Vec::new(), Vec::new());
    }
    for row in rows {
        let values = keys.iter().map(|key| key.of(dump, ty, row)).collect();
        out.entry(values).or_default().push(row);
    }
    out
}

impl GroupKey {
    fn of(&self, dump: &Dump, ty: &Type, row: &Node) -> Key {
        let value = match self.over {
            None => dump.key(ty, row, self.field),
            Some(over) => dump.follow(row, over).map_or(Key::Null, |(to, target)| dump.key(to, target, self.field)),
        };
        let Some(bucket) = self.bucket else { return value };
        let day = match value {
            Key::Number(micros) => DateTime::from_timestamp_micros(micros).unwrap().date_naive(),
            Key::Text(day) => day.parse().unwrap(),
            _ => return Key::Null,
        };
        Key::Text(start(day, bucket).to_string())
    }

    pub fn written(&self, key: &Key) -> Json {
        match key {
            Key::Null => Json::Null,
            Key::Bool(b) => json!(b),
            Key::Number(n) => json!(n),
            Key::Text(text) if !self.field.one_of.is_empty() => json!(text.to_uppercase()),
            Key::Text(text) => json!(text),
        }
    }
}

fn start(day: NaiveDate, bucket: &str) -> NaiveDate {
    let first = |month: u32| NaiveDate::from_ymd_opt(day.year(), month, 1).unwrap();
    match bucket {
        "Day" => day,
        "Week" => day - chrono::Days::new(u64::from(day.weekday().num_days_from_monday())),
        "Month" => first(day.month()),
        "Quarter" => first((day.month() - 1) / 3 * 3 + 1),
        _ => first(1),
    }
}

/// `sum`, `avg`, `min` or `max` of a field; null over nothing.
pub fn number(dump: &Dump, word: &str, ty: &Type, field: &Field, rows: &[&Node]) -> Json {
    let values = || rows.iter().map(|row| dump.key(ty, row, field)).filter(|key| *key != Key::Null);
    let numbers: Vec<i128> =
        values().filter_map(|key| if let Key::Number(n) = key { Some(i128::from(n)) } else { None }).collect();
    if values().next().is_none() {
        return Json::Null;
    }
    let decimal = |n: i128| json!(Decimal(i64::try_from(n).unwrap()).to_string());
    match word {
        "sum" if field.kind == Kind::Int => json!(numbers.iter().sum::<i128>().to_string()),
        "sum" => decimal(numbers.iter().sum()),
        "avg" => {
            let scale = if field.kind == Kind::Int { 10_000 } else { 1 };
            let (sum, count) = (numbers.iter().sum::<i128>() * scale, numbers.len() as i128);
            // to the nearest, half away from zero
            let (whole, rest) = (sum.abs() / count, sum.abs() % count);
            decimal((whole + i128::from(rest * 2 >= count)) * sum.signum())
        }
        _ => match if word == "min" { values().min() } else { values().max() }.unwrap() {
            Key::Number(n) => match field.kind {
                Kind::Decimal => json!(Decimal(n).to_string()),
                Kind::Instant => json!(Instant(n).to_string()),
                _ => json!(n),
            },
            Key::Text(text) => json!(text),
            other => panic!("{other:?}"),
        },
    }
}
