//! A row as people name it: by the id that the hub gave, by its key, by its name or number, or by what it
//! must be like, `product.sku=S40,bucketStart>=today+7d`.

use chrono::{DateTime, NaiveDate};
use entities::{Decimal, Instant, meta::Kind};
use uuid::Uuid;

use crate::{
    access::{
        pred::{Op, Pred, Term, Val, and, not, or},
        probe::{Probe, is_key, on_path, path},
    },
    catalogue::{CATALOGUE, Field, Type, TypeId},
    error::{Error, Result},
    graphql::Codec,
};
use std::sync::Arc;

const DAY: i64 = 86_400_000;
/// What a row can be called by without saying which field is meant.
const NAMES: &[&str] = &["sku", "number", "slug", "title", "code", "name", "codeName"];
/// How many rows an answer names when more than one is meant.
const NAMED: usize = 5;

/// The one row that is meant. `ids` read the ids that those were given who may name it by one; if it is not clear which
/// is meant, `name` is what they are called by.
pub async fn find(probe: &Probe, ids: &[Codec], ty: &Type, text: &str, name: impl Fn(Uuid) -> String) -> Result<Uuid> {
    let read: Vec<(TypeId, Uuid)> = ids.iter().filter_map(|ids| ids.read_id(text)).collect();
    let condition = match (read.first(), text.parse::<Uuid>()) {
        (Some((of, _)), _) if *of != ty.id => {
            return Err(Error::usage(format!(
                "`{text}` is the id of a {}, not of a {}",
                CATALOGUE.ty(*of).name,
                ty.name
            )));
        }
        // any id of the type stands for some key: those that were given to somebody else lead nowhere
        (Some(_), _) => or(read.into_iter().map(|(_, key)| Arc::new(is_key(key)))),
        (None, Ok(key)) => Arc::new(is_key(key)),
        (None, Err(_)) if text.contains(['=', '<', '>']) => {
            let terms = text.split(',').map(|term| written(ty, term, probe.now)).collect::<Result<Vec<_>>>()?;
            and(terms)
        }
        (None, Err(_)) => {
            let names =
                NAMES.iter().filter_map(|name| ty.field_index(name)).filter(|i| ty.fields[*i].kind == Kind::Text);
            or(names.map(|field| Arc::new(Pred::Cmp(Op::Eq, Term::Col(field), Term::Lit(Val::Text(text.into()))))))
        }
    };
    let found = probe.find(ty, &condition, NAMED + 1).await?;
    match found[..] {
        [key] => Ok(key),
        [] => Err(Error::NotFound(format!(
            "no {} is meant by `{text}`, give an id as this seat's organisation gets it, a key, a name or `field=value`",
            ty.name
        ))),
        _ => {
            let more = if found.len() > NAMED { " and more" } else { "" };
            let keys: Vec<String> = found.iter().take(NAMED).map(|key| format!("`{}`", name(*key))).collect();
            Err(Error::usage(format!("more than one {} is meant by `{text}`: {}{more}", ty.name, keys.join(", "))))
        }
    }
}

/// `path=value`, with `<`, `<=`, `>` and `>=` for what has an order.
fn written(ty: &Type, term: &str, now: Instant) -> Result<Arc<Pred>> {
    let at = term.find(['=', '<', '>']).unwrap_or(term.len());
    let (path, rest) = term.split_at(at);
    let value = rest.strip_prefix('=').unwrap_or(rest);
    condition(ty, path.trim(), value.trim(), now)
}

/// A condition on the value behind a path: equal to, or `>=`, `<` and the like; empty for one that is not
/// there; `*` stands for any characters; `now-183d` and `today+7d` move with the clock.
pub fn condition(ty: &Type, at: &str, value: &str, now: Instant) -> Result<Arc<Pred>> {
    let (steps, field) = path(ty, at).map_err(Error::usage)?;
    if value.is_empty() {
        return Ok(not(on_path(&steps, Pred::Has)));
    }
    let signs = [(">=", Op::Le, true), ("<=", Op::Le, false), (">", Op::Lt, true), ("<", Op::Lt, false)];
    let sign = signs.iter().find_map(|(sign, op, turned)| Some((value.strip_prefix(sign)?.trim(), *op, *turned)));
    if sign.is_none() && field.kind == Kind::Text && value.contains('*') {
        let pattern: Vec<Option<char>> = value.chars().map(|c| (c != '*').then_some(c)).collect();
        return Ok(on_path(&steps, |field| Pred::Like(Term::Col(field), pattern)));
    }
    let (value, op, turned) = sign.unwrap_or((value, Op::Eq, false));
    let value = constant(field, value, now)
        .ok_or_else(|| Error::usage(format!("`{value}` is no value of `{at}`, which is {}", kind(field.kind))))?;
    Ok(on_path(&steps, |field| match turned {
        true => Pred::Cmp(op, Term::Lit(value), Term::Col(field)),
        false => Pred::Cmp(op, Term::Col(field), Term::Lit(value)),
    }))
}

fn constant(field: &Field, text: &str, now: Instant) -> Option<Val> {
    Some(match field.kind {
        Kind::Text => Val::Text(text.into()),
        Kind::Bool => Val::Bool(text.parse().ok()?),
        Kind::Int => Val::Long(text.parse().ok()?),
        Kind::Decimal => Val::Decimal(text.parse::<Decimal>().ok()?.0),
        Kind::Id => Val::Id(text.parse().ok()?),
        Kind::Instant | Kind::Date => Val::Time(moment(text, now)?),
        Kind::Json => return None,
    })
}

/// In milliseconds.
fn moment(text: &str, now: Instant) -> Option<i64> {
    let now = now.0.div_euclid(1000);
    for (word, from) in [("now", now), ("today", now - now.rem_euclid(DAY))] {
        if let Some(rest) = text.strip_prefix(word) {
            let days = match rest.strip_suffix('d') {
                Some(days) => days.parse::<i64>().ok()?,
                None if rest.is_empty() => 0,
                None => return None,
            };
            return Some(from + days * DAY);
        }
    }
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_millis());
    }
    let day: NaiveDate = text.parse().ok()?;
    Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis())
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Id => "a key",
        Kind::Text => "a text",
        Kind::Int => "a whole number",
        Kind::Bool => "true or false",
        Kind::Decimal => "a number",
        Kind::Instant => "a moment such as 2026-06-15T10:00:00Z or `now+7d`",
        Kind::Date => "a day such as 2026-06-15 or `today+7d`",
        Kind::Json => "no plain value",
    }
}
