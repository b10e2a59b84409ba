//! The small language between Cedar and the database: a condition on one row. It has no errors and
//! no nulls of its own: a missing value makes a comparison false.

use std::sync::Arc;

use uuid::Uuid;

/// A constant. Times are milliseconds, as Cedar counts them; decimals ten-thousandths.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Val {
    Bool(bool),
    Long(i64),
    Text(String),
    Id(Uuid),
    Time(i64),
    Decimal(i64),
}

/// One side of a comparison. Columns are field indices of the row's type.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Term {
    Col(usize),
    /// A column of a row that is reached over references; only where two columns are compared.
    Far(Vec<usize>),
    Lit(Val),
    /// The request's moment, moved by so many milliseconds. Bound when the query runs.
    Now(i64),
    /// The person who asks. Bound when the query runs.
    Me,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    Eq,
    Lt,
    Le,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Pred {
    Const(bool),
    And(Vec<Arc<Pred>>),
    Or(Vec<Arc<Pred>>),
    Not(Arc<Pred>),
    If(Arc<Pred>, Arc<Pred>, Arc<Pred>),
    Cmp(Op, Term, Term),
    In(Term, Vec<Val>),
    Has(usize),
    /// `None` stands for any run of characters.
    Like(Term, Vec<Option<char>>),
    /// The value is a member of the named set of this holder.
    Member(Term, &'static str, Term),
    /// The row that this reference points at satisfies the condition.
    At(usize, Arc<Pred>),
}

use Pred::{And, At, Const, Not, Or};

pub fn always() -> Arc<Pred> {
    Arc::new(Const(true))
}

pub fn never() -> Arc<Pred> {
    Arc::new(Const(false))
}

impl Pred {
    pub fn is_always(&self) -> bool {
        *self == Const(true)
    }

    pub fn is_never(&self) -> bool {
        *self == Const(false)
    }
}

/// Conditions on the same referenced row are gathered, so that they become one sub-select.
fn gather(parts: Vec<Arc<Pred>>, join: fn(Vec<Arc<Pred>>) -> Arc<Pred>) -> Vec<Arc<Pred>> {
    let mut out: Vec<Arc<Pred>> = Vec::with_capacity(parts.len());
    let mut at: Vec<(usize, Vec<Arc<Pred>>)> = Vec::new();
    for part in parts {
        match &*part {
            At(step, inner) => match at.iter_mut().find(|(s, _)| s == step) {
                Some((_, all)) => all.push(inner.clone()),
                None => at.push((*step, vec![inner.clone()])),
            },
            _ => out.push(part),
        }
    }
    out.extend(at.into_iter().map(|(step, all)| at_row(step, join(all))));
    out.sort();
    out.dedup();
    out
}

pub fn and(parts: impl IntoIterator<Item = Arc<Pred>>) -> Arc<Pred> {
    let mut flat = Vec::new();
    for part in parts {
        match &*part {
            Const(true) => {}
            Const(false) => return part,
            And(inner) => flat.extend(inner.iter().cloned()),
            _ => flat.push(part),
        }
    }
    let mut all = gather(flat, |inner| and(inner));
    if all.iter().any(|p| p.is_never()) {
        return never();
    }
    // a AND (a OR b) = a
    let copy = all.clone();
    all.retain(|p| !matches!(&**p, Or(inner) if inner.iter().any(|x| copy.contains(x))));
    match all.len() {
        0 => always(),
        1 => all.remove(0),
        _ => Arc::new(And(all)),
    }
}

pub fn or(parts: impl IntoIterator<Item = Arc<Pred>>) -> Arc<Pred> {
    let mut flat = Vec::new();
    for part in parts {
        match &*part {
            Const(false) => {}
            Const(true) => return part,
            Or(inner) => flat.extend(inner.iter().cloned()),
            _ => flat.push(part),
        }
    }
    let mut all = gather(flat, |inner| or(inner));
    if all.iter().any(|p| p.is_always()) {
        return always();
    }
    // a OR (a AND b) = a
    let copy = all.clone();
    all.retain(|p| !matches!(&**p, And(inner) if inner.iter().any(|x| copy.contains(x))));
    match all.len() {
        0 => never(),
        1 => all.remove(0),
        _ => Arc::new(Or(all)),
    }
}

pub fn not(p: Arc<Pred>) -> Arc<Pred> {
    match &*p {
        Const(b) => Arc::new(Const(!b)),
        Not(inner) => inner.clone(),
        _ => Arc::new(Not(p)),
    }
}

/// A condition on the row behind a reference. `true` stays a condition: the reference must be set.
pub fn at_row(step: usize, inner: Arc<Pred>) -> Arc<Pred> {
    match &*inner {
        Const(false) => inner,
        Const(true) => Arc::new(Pred::Has(step)),
        _ => Arc::new(At(step, inner)),
    }
}

/// The condition, moved behind a chain of references.
pub fn at_path(path: &[usize], inner: Arc<Pred>) -> Arc<Pred> {
    path.iter().rev().fold(inner, |p, step| at_row(*step, p))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn col(i: usize) -> Arc<Pred> {
        Arc::new(Pred::Has(i))
    }

    #[test]
    fn constants_fold_without_opening_anything() {
        assert!(or([never(), never()]).is_never());
        assert!(and([col(1), never()]).is_never());
        assert!(or([col(1), always()]).is_always());
        // a class of leaks elsewhere: an empty `or` must be false, an empty `and` true
        assert!(or([]).is_never());
        assert!(and([]).is_always());
    }

    #[test]
    fn absorption_keeps_the_meaning() {
        assert_eq!(or([col(1), and([col(1), col(2)])]), col(1));
        assert_eq!(and([col(1), or([col(1), col(2)])]), col(1));
    }

    #[test]
    fn conditions_on_one_referenced_row_become_one() {
        let p = and([at_row(3, col(1)), at_row(3, col(2))]);
        assert_eq!(p, at_row(3, and([col(1), col(2)])));
    }
}
