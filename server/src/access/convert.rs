//! What partial evaluation leaves of a policy → [`Pred`]. Whatever has no faithful two-valued form in
//! SQL is refused here, and so before a policy set is taken.

use std::{cell::RefCell, collections::BTreeSet, sync::Arc};

use cedar_policy::pst::{BinaryOp as B, Expr, Literal, PatternElem, UnaryOp as U, Var};
use chrono::{DateTime, NaiveDate};
use entities::meta::{Holder, Kind};

use super::{
    facts::Agreement,
    pred::{Op, Pred, Term, Val, and, at_path, never, not, or},
    scope,
};
use crate::{
    catalogue::{CATALOGUE, Catalogue, TypeId, pascal},
    policy::schema::{ASKER, SCOPES},
};

/// The sentinel of the person who asks: a view serves everybody who holds the seat.
pub const SELF: &str = "?self";

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSql {
    #[error("`{0}` on row data has no SQL form")]
    Operation(String),
    #[error("`{0}` is not a stored column")]
    Path(String),
    #[error("`{0}` is kept in no stored hierarchy that can hold `{1}`")]
    Hierarchy(String, String),
    #[error("the value `{0}` depends on the row")]
    Value(String),
    #[error("the context attribute `{0}` is unknown; only `context.now` is bound when a query runs")]
    Context(String),
    #[error("`{0}` compares a day with a moment; compare each with `context.now`")]
    Mixed(String),
    #[error("the policy would fail when it is evaluated, which Cedar takes as if it were not there")]
    Fails,
}

type Result<T> = std::result::Result<T, NotSql>;

pub struct Convert<'a> {
    pub resource: TypeId,
    /// Whose sets are meant by `principal.organisation.…`.
    pub organisation: uuid::Uuid,
    /// The agreements whose scopes count.
    pub agreements: &'a [Agreement],
    /// Those that were asked for their scopes.
    pub asked: RefCell<BTreeSet<uuid::Uuid>>,
}

/// A side of a comparison with the entity type it has, if it is an entity.
enum Side {
    Lit(Val, Option<String>),
    Set(Vec<Val>),
    Path(Vec<usize>, Option<String>, Kind),
    Now(i64),
    Me,
    /// A set that somebody holds, by its entity type.
    Held(String),
}

impl Convert<'_> {
    pub fn pred(&self, e: &Expr) -> Result<Arc<Pred>> {
        Ok(match e {
            Expr::Literal(Literal::Bool(b)) => Arc::new(Pred::Const(*b)),
            Expr::UnaryOp { op: U::Not, expr } => not(self.pred(expr)?),
            Expr::BinaryOp { op, left, right } => match op {
                B::And => and([self.pred(left)?, self.pred(right)?]),
                B::Or => or([self.pred(left)?, self.pred(right)?]),
                B::Eq => self.compare(Op::Eq, left, right, e)?,
                B::NotEq => not(self.compare(Op::Eq, left, right, e)?),
                B::Less | B::DecimalLessThan => self.compare(Op::Lt, left, right, e)?,
                B::LessEq | B::DecimalLessEq => self.compare(Op::Le, left, right, e)?,
                B::Greater | B::DecimalGreater => self.compare(Op::Lt, right, left, e)?,
                B::GreaterEq | B::DecimalGreaterEq => self.compare(Op::Le, right, left, e)?,
                B::In => self.is_in(left, right, e)?,
                B::Contains => match (self.side(left)?, self.side(right)?) {
                    (Side::Set(vals), Side::Path(path, ..)) => one_of(&path, vals),
                    _ => return Err(NotSql::Operation(e.to_string())),
                },
                _ => return Err(NotSql::Operation(e.to_string())),
            },
            Expr::IfThenElse { cond, then_expr, else_expr } => {
                let (c, t, f) = (self.pred(cond)?, self.pred(then_expr)?, self.pred(else_expr)?);
                match &*c {
                    Pred::Const(true) => t,
                    Pred::Const(false) => f,
                    _ => Arc::new(Pred::If(c, t, f)),
                }
            }
            Expr::Like { expr, pattern } => match self.side(expr)? {
                Side::Path(path, _, Kind::Text) => {
                    let pattern = pattern.iter().map(|p| match p {
                        PatternElem::Char(c) => Some(*c),
                        PatternElem::Wildcard => None,
                    });
                    let pattern = pattern.collect::<Vec<_>>();
                    on_last(&path, |term| Pred::Like(term, pattern.clone()))
                }
                _ => return Err(NotSql::Operation(e.to_string())),
            },
            Expr::HasAttr { expr, attrs } => {
                let Side::Path(mut path, mut ty, _) = self.side(expr)? else { return Err(NotSql::Path(e.to_string())) };
                let mut all = Vec::new();
                for attr in attrs.iter() {
                    let (index, next) = self.step(ty.as_deref(), attr)?;
                    let optional =
                        ty.as_deref().and_then(|t| catalogue().by_name(t)).is_some_and(|t| t.fields[index].optional);
                    if optional {
                        all.push(at_path(&path, Arc::new(Pred::Has(index))));
                    }
                    path.push(index);
                    ty = next;
                }
                and(all)
            }
            Expr::GetAttr { .. } => match self.side(e)? {
                Side::Path(path, _, Kind::Bool) => {
                    on_last(&path, |term| Pred::Cmp(Op::Eq, term, Term::Lit(Val::Bool(true))))
                }
                _ => return Err(NotSql::Operation(e.to_string())),
            },
            Expr::Is { expr, entity_type, in_expr } => {
                let is = match self.side(expr)? {
                    Side::Path(_, Some(ty), _) | Side::Lit(_, Some(ty)) => ty == entity_type.to_string(),
                    Side::Me => entity_type.to_string() == ASKER,
                    _ => return Err(NotSql::Operation(e.to_string())),
                };
                match in_expr {
                    Some(parent) if is => self.is_in(expr, parent, e)?,
                    _ => Arc::new(Pred::Const(is)),
                }
            }
            Expr::ResidualError => return Err(NotSql::Fails),
            _ => return Err(NotSql::Operation(e.to_string())),
        })
    }

    /// The field index of an attribute and the entity type it leads to.
    fn step(&self, ty: Option<&str>, attr: &str) -> Result<(usize, Option<String>)> {
        let ty = ty.and_then(|t| catalogue().by_name(t)).ok_or_else(|| NotSql::Path(attr.to_string()))?;
        let index = ty.field_index(attr).ok_or_else(|| NotSql::Path(format!("{}.{attr}", ty.name)))?;
        let field = &ty.fields[index];
        let next = field.to.map(|to| catalogue().ty(to).name).or(field.code);
        Ok((index, next.map(String::from)))
    }

    fn side(&self, e: &Expr) -> Result<Side> {
        Ok(match e {
            Expr::Literal(Literal::Bool(b)) => Side::Lit(Val::Bool(*b), None),
            Expr::Literal(Literal::Long(n)) => Side::Lit(Val::Long(*n), None),
            Expr::Literal(Literal::String(s)) => Side::Lit(Val::Text(s.to_string()), None),
            Expr::Literal(Literal::EntityUID(uid)) => {
                let (ty, id) = (uid.ty.to_string(), uid.eid.as_str());
                if ty == ASKER && id == SELF {
                    Side::Me
                } else if is_held(&ty) {
                    Side::Held(ty)
                } else if catalogue().by_name(&ty).is_some() {
                    let id = id.parse().map_err(|_| NotSql::Value(format!("{ty}::\"{id}\"")))?;
                    Side::Lit(Val::Id(id), Some(ty))
                } else {
                    Side::Lit(Val::Text(id.to_string()), Some(ty))
                }
            }
            Expr::Var(Var::Resource) => {
                Side::Path(Vec::new(), Some(catalogue().ty(self.resource).name.into()), Kind::Id)
            }
            Expr::GetAttr { expr, attr } => {
                if let Expr::Var(Var::Context) = &**expr {
                    return if attr == "now" { Ok(Side::Now(0)) } else { Err(NotSql::Context(attr.to_string())) };
                }
                let Side::Path(mut path, ty, _) = self.side(expr)? else { return Err(NotSql::Path(e.to_string())) };
                let (index, next) = self.step(ty.as_deref(), attr)?;
                let kind = catalogue().by_name(ty.as_deref().unwrap_or_default()).map(|t| t.fields[index].kind);
                path.push(index);
                Side::Path(path, next, kind.unwrap_or(Kind::Text))
            }
            Expr::BinaryOp { op: B::Offset, left, right } => match (self.side(left)?, constant(right)?) {
                (Side::Now(moved), by) => Side::Now(moved.saturating_add(by)),
                (Side::Lit(Val::Time(at), _), by) => Side::Lit(Val::Time(at.saturating_add(by)), None),
                _ => return Err(NotSql::Operation(e.to_string())),
            },
            Expr::UnaryOp { op: U::Datetime, expr } => Side::Lit(Val::Time(literal(expr, datetime)?), None),
            Expr::UnaryOp { op: U::Decimal, expr } => {
                let parse = |s: &str| s.parse::<entities::Decimal>().ok().map(|d| d.0);
                Side::Lit(Val::Decimal(literal(expr, parse)?), None)
            }
            Expr::Set(items) => {
                let vals = items.iter().map(|x| match self.side(x)? {
                    Side::Lit(val, _) => Ok(val),
                    _ => Err(NotSql::Value(x.to_string())),
                });
                Side::Set(vals.collect::<Result<_>>()?)
            }
            Expr::ResidualError => return Err(NotSql::Fails),
            _ => return Err(NotSql::Operation(e.to_string())),
        })
    }

    fn compare(&self, op: Op, left: &Expr, right: &Expr, whole: &Expr) -> Result<Arc<Pred>> {
        let temporal = |k: &Kind| matches!(k, Kind::Date | Kind::Instant);
        Ok(match (self.side(left)?, self.side(right)?) {
            (Side::Path(a, _, ka), Side::Path(b, _, kb)) => {
                if temporal(&ka) && temporal(&kb) && ka != kb {
                    return Err(NotSql::Mixed(whole.to_string()));
                }
                Arc::new(Pred::Cmp(op, column(a), column(b)))
            }
            (Side::Path(path, ..), other) => {
                let other = fixed(other).ok_or_else(|| NotSql::Operation(whole.to_string()))?;
                on_last(&path, |term| Pred::Cmp(op, term, other.clone()))
            }
            (other, Side::Path(path, ..)) => {
                let other = fixed(other).ok_or_else(|| NotSql::Operation(whole.to_string()))?;
                on_last(&path, |term| Pred::Cmp(op, other.clone(), term))
            }
            (a, b) => match (fixed(a), fixed(b)) {
                (Some(Term::Lit(a)), Some(Term::Lit(b))) => Arc::new(Pred::Const(match op {
                    Op::Eq => a == b,
                    Op::Lt => a < b,
                    Op::Le => a <= b,
                })),
                (Some(a), Some(b)) => Arc::new(Pred::Cmp(op, a, b)),
                _ => return Err(NotSql::Operation(whole.to_string())),
            },
        })
    }

    fn is_in(&self, child: &Expr, parent: &Expr, whole: &Expr) -> Result<Arc<Pred>> {
        let Side::Path(path, Some(ty), _) = self.side(child)? else { return Err(NotSql::Operation(whole.to_string())) };
        match self.side(parent)? {
            Side::Held(set) => self.held(&path, &ty, &set),
            Side::Set(vals) => Ok(one_of(&path, vals)),
            Side::Lit(val, Some(parent)) if parent == ty => Ok(one_of(&path, vec![val])),
            Side::Lit(_, Some(parent)) => Err(NotSql::Hierarchy(parent, ty)),
            Side::Path(other, Some(parent), _) if parent == ty => {
                Ok(Arc::new(Pred::Cmp(Op::Eq, column(path), column(other))))
            }
            Side::Me if ty == ASKER => Ok(on_last(&path, |term| Pred::Cmp(Op::Eq, term, Term::Me))),
            _ => Err(NotSql::Operation(whole.to_string())),
        }
    }

    /// `resource.customer in principal.organisation.sharedCustomers`
    fn held(&self, path: &[usize], ty: &str, set: &str) -> Result<Arc<Pred>> {
        let refused = || NotSql::Hierarchy(set.to_string(), ty.to_string());
        if let Some((object, ..)) = SCOPES.iter().find(|(.., entity)| *entity == set) {
            let of = catalogue().by_name(ty).ok_or_else(refused)?;
            if of.scope.is_none_or(|s| s.object != *object) {
                return Err(refused());
            }
            let with_scope = self.agreements.iter().filter(|a| a.scopes.iter().any(|s| s.object == *object));
            self.asked.borrow_mut().extend(with_scope.map(|a| a.id));
            return Ok(at_path(path, scope::covered(of, self.agreements)));
        }
        let found = catalogue().types.iter().flat_map(|t| t.memberships.iter().map(move |m| (t, m)));
        let (of, membership) = found.into_iter().find(|(_, m)| pascal(m.name) == set).ok_or_else(refused)?;
        if membership.code.unwrap_or(of.name) != ty {
            return Err(refused());
        }
        let holder = match membership.holder {
            Holder::Principal => Term::Me,
            Holder::Organisation => Term::Lit(Val::Id(self.organisation)),
        };
        Ok(on_last(path, |term| Pred::Member(term, membership.name, holder.clone())))
    }
}

fn catalogue() -> &'static Catalogue {
    &CATALOGUE
}

fn is_held(ty: &str) -> bool {
    SCOPES.iter().any(|(.., entity)| *entity == ty)
        || catalogue().types.iter().flat_map(|t| t.memberships).any(|m| pascal(m.name) == ty)
}

/// A condition on the last column of a path, moved behind the references that lead to it.
fn on_last(path: &[usize], build: impl Fn(Term) -> Pred) -> Arc<Pred> {
    match path.split_last() {
        None => Arc::new(build(Term::Col(0))),
        Some((last, steps)) => at_path(steps, Arc::new(build(Term::Col(*last)))),
    }
}

fn one_of(path: &[usize], mut vals: Vec<Val>) -> Arc<Pred> {
    vals.sort();
    vals.dedup();
    match vals.len() {
        0 => never(),
        1 => on_last(path, |term| Pred::Cmp(Op::Eq, term, Term::Lit(vals[0].clone()))),
        // a stored moment is compared by the millisecond, which a list of values cannot say
        _ if matches!(vals[0], Val::Time(_)) => {
            or(vals.iter().map(|val| on_last(path, |term| Pred::Cmp(Op::Eq, term, Term::Lit(val.clone())))))
        }
        _ => on_last(path, |term| Pred::In(term, vals.clone())),
    }
}

fn column(path: Vec<usize>) -> Term {
    match path.len() {
        0 => Term::Col(0),
        1 => Term::Col(path[0]),
        _ => Term::Far(path),
    }
}

fn fixed(side: Side) -> Option<Term> {
    match side {
        Side::Lit(val, _) => Some(Term::Lit(val)),
        Side::Now(moved) => Some(Term::Now(moved)),
        Side::Me => Some(Term::Me),
        Side::Set(_) | Side::Path(..) | Side::Held(_) => None,
    }
}

fn literal(e: &Expr, parse: impl Fn(&str) -> Option<i64>) -> Result<i64> {
    match e {
        Expr::Literal(Literal::String(s)) => parse(s).ok_or_else(|| NotSql::Value(s.to_string())),
        _ => Err(NotSql::Value(e.to_string())),
    }
}

/// A duration in milliseconds.
fn constant(e: &Expr) -> Result<i64> {
    match e {
        Expr::UnaryOp { op: U::Duration, expr } => literal(expr, duration),
        _ => Err(NotSql::Value(e.to_string())),
    }
}

fn datetime(text: &str) -> Option<i64> {
    if text.len() == 10 {
        let day = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        return Some(day.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis());
    }
    // Cedar writes offsets without a colon
    let zoned = text.strip_suffix('Z').map_or_else(|| text.to_string(), |t| format!("{t}+0000"));
    DateTime::parse_from_str(&zoned, "%Y-%m-%dT%H:%M:%S%.f%z").ok().map(|at| at.timestamp_millis())
}

fn duration(text: &str) -> Option<i64> {
    let (sign, mut rest) = text.strip_prefix('-').map_or((1, text), |t| (-1, t));
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let (unit, len) = match rest.as_bytes() {
            [b'm', b's', ..] => (1, 2),
            [b'd', ..] => (86_400_000, 1),
            [b'h', ..] => (3_600_000, 1),
            [b'm', ..] => (60_000, 1),
            [b's', ..] => (1000, 1),
            _ => return None,
        };
        total = total.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[len..];
    }
    Some(sign * total)
}
