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

/// What is joined, looked at as a set: an atom is a set of one.
fn members(p: &Arc<Pred>, of: fn(&Pred) -> Option<&Vec<Arc<Pred>>>) -> &[Arc<Pred>] {
    of(p).map_or(std::slice::from_ref(p), Vec::as_slice)
}

fn conjuncts(p: &Pred) -> Option<&Vec<Arc<Pred>>> {
    if let And(all) = p { Some(all) } else { None }
}

fn disjuncts(p: &Pred) -> Option<&Vec<Arc<Pred>>> {
    if let Or(all) = p { Some(all) } else { None }
}

/// a OR (a AND b) = a, and a AND (a OR b) = a: a part that holds all of another says nothing.
fn absorb(parts: Vec<Arc<Pred>>, of: fn(&Pred) -> Option<&Vec<Arc<Pred>>>) -> Vec<Arc<Pred>> {
    let says_nothing = |i: usize| {
        let mine = members(&parts[i], of);
        parts.iter().enumerate().any(|(j, other)| {
            let theirs = members(other, of);
            j != i && (theirs.len(), j) < (mine.len(), i) && theirs.iter().all(|p| mine.contains(p))
        })
    };
    (0..parts.len()).filter(|i| !says_nothing(*i)).map(|i| parts[i].clone()).collect()
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
    let all = gather(flat, and);
    if all.iter().any(|p| p.is_never()) {
        return never();
    }
    let mut all = absorb(all, disjuncts);
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
    let all = gather(one_list(flat), or);
    if all.iter().any(|p| p.is_always()) {
        return always();
    }
    let mut all = absorb(all, conjuncts);
    match all.len() {
        0 => never(),
        1 => all.remove(0),
        _ => factor(all),
    }
}

/// (a AND b) OR (a AND c) = a AND (b OR c): what all alternatives share is tested once.
fn factor(alternatives: Vec<Arc<Pred>>) -> Arc<Pred> {
    let shared: Vec<Arc<Pred>> = members(&alternatives[0], conjuncts)
        .iter()
        .filter(|p| alternatives.iter().all(|other| members(other, conjuncts).contains(p)))
        .cloned()
        .collect();
    if shared.is_empty() {
        return Arc::new(Or(alternatives));
    }
    let rest = alternatives.iter().map(|p| and(members(p, conjuncts).iter().filter(|c| !shared.contains(c)).cloned()));
    let rest = or(rest.collect::<Vec<_>>());
    and(shared.into_iter().chain([rest]))
}

/// x = 1 OR x = 2 OR x IN (3, 4): one list.
fn one_list(parts: Vec<Arc<Pred>>) -> Vec<Arc<Pred>> {
    let mut out: Vec<Arc<Pred>> = Vec::with_capacity(parts.len());
    let mut lists: Vec<(Term, Vec<Val>)> = Vec::new();
    for part in parts {
        let (term, vals) = match &*part {
            Pred::Cmp(Op::Eq, term @ Term::Col(_), Term::Lit(val)) if !matches!(val, Val::Time(_)) => {
                (term.clone(), vec![val.clone()])
            }
            Pred::In(term @ Term::Col(_), vals) => (term.clone(), vals.clone()),
            _ => {
                out.push(part);
                continue;
            }
        };
        match lists.iter_mut().find(|(t, _)| *t == term) {
            Some((_, all)) => all.extend(vals),
            None => lists.push((term, vals)),
        }
    }
    for (term, mut vals) in lists {
        vals.sort();
        vals.dedup();
        out.push(Arc::new(match <[Val; 1]>::try_from(vals) {
            Ok([val]) => Pred::Cmp(Op::Eq, term, Term::Lit(val)),
            Err(vals) => Pred::In(term, vals),
        }));
    }
    out
}

/// Negation goes inwards to the atoms. Policies are validated: an optional value is tested for being
/// there before it is used, so a negated condition on a referenced row is one on that row, too.
pub fn not(p: Arc<Pred>) -> Arc<Pred> {
    match &*p {
        Const(b) => Arc::new(Const(!b)),
        Not(inner) => inner.clone(),
        And(all) => or(all.iter().cloned().map(not)),
        Or(all) => and(all.iter().cloned().map(not)),
        At(step, inner) => at_row(*step, not(inner.clone())),
        Pred::If(c, yes, no) => Arc::new(Pred::If(c.clone(), not(yes.clone()), not(no.clone()))),
        Pred::Cmp(Op::Lt, a, b) => Arc::new(Pred::Cmp(Op::Le, b.clone(), a.clone())),
        Pred::Cmp(Op::Le, a, b) => Arc::new(Pred::Cmp(Op::Lt, b.clone(), a.clone())),
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

/// The last step, when nothing will be negated any more: a test that a value is there is dropped where
/// a comparison of the same value stands beside it, since unknown and false are then the same.
pub fn tidy(p: &Arc<Pred>) -> Arc<Pred> {
    match &**p {
        And(all) => {
            let needed = |p: &Arc<Pred>| match &**p {
                Pred::Has(field) => !all.iter().any(|other| needs(other, *field)),
                _ => true,
            };
            and(all.iter().filter(|p| needed(p)).map(tidy).collect::<Vec<_>>())
        }
        Or(all) => or(all.iter().map(tidy).collect::<Vec<_>>()),
        At(step, inner) => at_row(*step, tidy(inner)),
        _ => p.clone(),
    }
}

fn needs(p: &Pred, field: usize) -> bool {
    let col = |t: &Term| *t == Term::Col(field);
    match p {
        Pred::Cmp(_, a, b) => col(a) || col(b),
        Pred::In(t, _) | Pred::Like(t, _) | Pred::Member(t, ..) => col(t),
        At(step, _) => *step == field,
        _ => false,
    }
}

/// What of a condition is left to test in rows of which another is already known to hold.
pub fn given(known: &Arc<Pred>, p: &Arc<Pred>) -> Arc<Pred> {
    if p == known {
        return always();
    }
    let known = members(known, conjuncts);
    let left = |p: &Arc<Pred>| match &**p {
        // the known part of the same referenced row
        At(step, inner) => {
            let same = known.iter().find_map(|k| match &**k {
                At(s, of) if s == step => Some(of),
                _ => None,
            });
            match same.map(|of| given(of, inner)) {
                Some(rest) if rest.is_always() => always(),
                Some(rest) => at_row(*step, rest),
                None => p.clone(),
            }
        }
        _ => p.clone(),
    };
    and(members(p, conjuncts).iter().filter(|c| !known.contains(c)).map(left).collect::<Vec<_>>())
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
    fn negation_goes_inwards_and_alternatives_share_what_they_can() {
        let (a, b, c) = (col(1), col(2), col(3));
        assert_eq!(not(or([not(a.clone()), not(and([b.clone(), c.clone()]))])), and([a.clone(), b.clone(), c.clone()]));
        assert_eq!(
            or([and([a.clone(), b.clone()]), and([a.clone(), c.clone()])]),
            and([a.clone(), or([b.clone(), c.clone()])])
        );
        assert_eq!(
            or([and([a.clone(), b.clone()]), and([a.clone(), b.clone(), c.clone()])]),
            and([a.clone(), b.clone()])
        );
        assert_eq!(given(&and([a.clone(), b.clone()]), &and([a.clone(), b, c.clone()])), c);
        assert!(given(&a, &a).is_always());
    }

    #[test]
    fn conditions_on_one_referenced_row_become_one() {
        let p = and([at_row(3, col(1)), at_row(3, col(2))]);
        assert_eq!(p, at_row(3, and([col(1), col(2)])));
    }
}
