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

fn of_and(p: &Pred) -> Option<&Vec<Arc<Pred>>> {
    if let And(all) = p { Some(all) } else { None }
}

fn of_or(p: &Pred) -> Option<&Vec<Arc<Pred>>> {
    if let Or(all) = p { Some(all) } else { None }
}

/// All of these hold where the condition does.
pub fn conjuncts(p: &Arc<Pred>) -> &[Arc<Pred>] {
    members(p, of_and)
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
    let mut all = absorb(all, of_or);
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
    let mut all = absorb(all, of_and);
    match all.len() {
        0 => never(),
        1 => all.remove(0),
        _ => factor(all),
    }
}

/// (a AND b) OR (a AND c) = a AND (b OR c): what all alternatives share is tested once.
fn factor(alternatives: Vec<Arc<Pred>>) -> Arc<Pred> {
    let shared: Vec<Arc<Pred>> = conjuncts(&alternatives[0])
        .iter()
        .filter(|p| alternatives.iter().all(|other| conjuncts(other).contains(p)))
        .cloned()
        .collect();
    if shared.is_empty() {
        return Arc::new(Or(alternatives));
    }
    let rest = alternatives.iter().map(|p| and(conjuncts(p).iter().filter(|c| !shared.contains(c)).cloned()));
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
            let all: Vec<_> = all.iter().filter(|p| needed(p)).map(tidy).collect();
            // of two conjuncts the stronger says it all, of two alternatives the weaker
            and(strongest(&all, implies))
        }
        Or(all) => {
            let all: Vec<_> = all.iter().map(tidy).collect();
            or(strongest(&all, |weaker, stronger| implies(stronger, weaker)))
        }
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

/// Those that no other one makes needless; of two that say the same, the first.
fn strongest(all: &[Arc<Pred>], covers: fn(&Pred, &Pred) -> bool) -> Vec<Arc<Pred>> {
    let needless = |i: usize| {
        let mut others = all.iter().enumerate().filter(|(j, _)| *j != i);
        others.any(|(j, other)| covers(other, &all[i]) && (j < i || !covers(&all[i], other)))
    };
    (0..all.len()).filter(|i| !needless(*i)).map(|i| all[i].clone()).collect()
}

/// Whether every row of which `known` is true satisfies `p`, as far as the two texts show. Negation is at
/// the atoms, so what is true here is true in SQL, where a missing value makes a comparison unknown.
pub fn implies(known: &Pred, p: &Pred) -> bool {
    if known == p {
        return true;
    }
    match (known, p) {
        (Const(false), _) | (_, Const(true)) => true,
        (Or(all), _) => all.iter().all(|k| implies(k, p)),
        (_, And(all)) => all.iter().all(|q| implies(known, q)),
        (And(all), _) => all.iter().any(|k| implies(k, p)),
        (_, Or(all)) => all.iter().any(|q| implies(known, q)),
        (At(step, k), At(other, q)) => step == other && implies(k, q),
        (At(step, _), Pred::Has(field)) => step == field,
        (Pred::Cmp(Op::Eq, a, Term::Lit(val)), Pred::In(b, vals)) => a == b && vals.contains(val),
        (Pred::In(a, some), Pred::In(b, more)) => a == b && some.iter().all(|val| more.contains(val)),
        // a value is no other one
        (Pred::Cmp(Op::Eq, a, Term::Lit(val)), Not(other)) => match &**other {
            Pred::Cmp(Op::Eq, b, Term::Lit(other)) => a == b && val != other,
            Pred::In(b, others) => a == b && !others.contains(val),
            _ => false,
        },
        (Pred::In(a, some), Not(other)) => match &**other {
            Pred::Cmp(Op::Eq, b, Term::Lit(other)) => a == b && !some.contains(other),
            Pred::In(b, others) => a == b && !some.iter().any(|val| others.contains(val)),
            _ => false,
        },
        (Pred::Cmp(op @ (Op::Lt | Op::Le), a, b), Pred::Cmp(of @ (Op::Lt | Op::Le), c, d)) => {
            // a < b and b <= d make a < d; a <= b makes a < d only if b < d
            let strict = *op == Op::Le && *of == Op::Lt;
            (a == c && ascend(b, d, strict)) || (b == d && ascend(c, a, strict))
        }
        _ => false,
    }
}

/// Whether the first constant is at most, or if `strict` less than, the second.
fn ascend(a: &Term, b: &Term, strict: bool) -> bool {
    match (a, b) {
        (Term::Lit(Val::Long(a)), Term::Lit(Val::Long(b)))
        | (Term::Lit(Val::Decimal(a)), Term::Lit(Val::Decimal(b)))
        | (Term::Lit(Val::Time(a)), Term::Lit(Val::Time(b)))
        | (Term::Now(a), Term::Now(b)) => a < b || (a == b && !strict),
        _ => false,
    }
}

/// What of a condition is left to test in rows of which another is already known to hold.
pub fn given(known: &Arc<Pred>, p: &Arc<Pred>) -> Arc<Pred> {
    if implies(known, p) {
        return always();
    }
    let parts = conjuncts(known);
    let left = |p: &Arc<Pred>| match &**p {
        // the known part of the same referenced row
        At(step, inner) => {
            let same = parts.iter().find_map(|k| match &**k {
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
    and(conjuncts(p).iter().filter(|c| !implies(known, c)).map(left).collect::<Vec<_>>())
}

/// The condition with other terms in the place of its own.
pub fn over_terms(p: &Arc<Pred>, term: &impl Fn(&Term) -> Term) -> Arc<Pred> {
    let over = |p: &Arc<Pred>| over_terms(p, term);
    match &**p {
        Const(_) | Pred::Has(_) => p.clone(),
        And(all) => and(all.iter().map(over)),
        Or(all) => or(all.iter().map(over)),
        Not(inner) => Arc::new(Not(over(inner))),
        Pred::If(c, yes, no) => Arc::new(Pred::If(over(c), over(yes), over(no))),
        Pred::Cmp(op, a, b) => Arc::new(Pred::Cmp(*op, term(a), term(b))),
        Pred::In(t, vals) => Arc::new(Pred::In(term(t), vals.clone())),
        Pred::Like(t, pattern) => Arc::new(Pred::Like(term(t), pattern.clone())),
        Pred::Member(t, set, holder) => Arc::new(Pred::Member(term(t), set, term(holder))),
        At(step, inner) => Arc::new(At(*step, over(inner))),
    }
}

/// What is known of the row that a reference leads to, where `known` holds of the row that has it.
pub fn behind(known: &Pred, step: usize) -> Arc<Pred> {
    seen_from(known, step).unwrap_or_else(always)
}

/// `None`: nothing.
fn seen_from(known: &Pred, step: usize) -> Option<Arc<Pred>> {
    const KEY: Term = Term::Col(0);
    let here = |term: &Term| *term == Term::Col(step);
    let fixed = |term: &Term| matches!(term, Term::Lit(_) | Term::Me);
    match known {
        At(of, inner) if *of == step => Some(inner.clone()),
        // the reference leads somewhere, so it is set
        Not(inner) if **inner == Pred::Has(step) => Some(never()),
        Not(inner) => Some(Arc::new(Not(seen_from(inner, step).filter(|p| !matches!(**p, And(_) | Or(_) | At(..)))?))),
        Pred::Member(term, set, holder) if here(term) && fixed(holder) => {
            Some(Arc::new(Pred::Member(KEY, set, holder.clone())))
        }
        Pred::In(term, vals) if here(term) => Some(Arc::new(Pred::In(KEY, vals.clone()))),
        Pred::Cmp(Op::Eq, term, val) if here(term) && fixed(val) => Some(Arc::new(Pred::Cmp(Op::Eq, KEY, val.clone()))),
        And(all) => {
            let all: Vec<_> = all.iter().filter_map(|p| seen_from(p, step)).collect();
            (!all.is_empty()).then(|| and(all))
        }
        Or(all) => Some(or(all.iter().map(|p| seen_from(p, step)).collect::<Option<Vec<_>>>()?)),
        _ => None,
    }
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

    fn less(n: i64) -> Arc<Pred> {
        Arc::new(Pred::Cmp(Op::Lt, Term::Col(4), Term::Lit(Val::Long(n))))
    }

    fn at_most(n: i64) -> Arc<Pred> {
        Arc::new(Pred::Cmp(Op::Le, Term::Col(4), Term::Lit(Val::Long(n))))
    }

    #[test]
    fn the_stronger_of_two_conditions_says_it_all() {
        assert!(implies(&less(1), &less(2)) && implies(&less(1), &at_most(1)) && implies(&at_most(1), &less(2)));
        assert!(!implies(&less(2), &less(1)) && !implies(&at_most(1), &less(1)));
        let more = |n: i64| Pred::Cmp(Op::Lt, Term::Lit(Val::Long(n)), Term::Col(4));
        assert!(implies(&more(2), &more(1)) && !implies(&more(1), &more(2)));
        let unset = Arc::new(Not(col(3)));
        let (narrow, wide) = (or([unset.clone(), at_row(3, less(1))]), or([unset, at_row(3, less(2))]));
        assert_eq!(tidy(&Arc::new(And(vec![wide.clone(), narrow.clone()]))), narrow);
        assert_eq!(tidy(&Arc::new(Or(vec![wide.clone(), narrow.clone()]))), wide);
        assert!(given(&narrow, &wide).is_always());
        assert_eq!(given(&wide, &narrow), narrow);
        let is = |text: &str| Arc::new(Pred::Cmp(Op::Eq, Term::Col(6), Term::Lit(Val::Text(text.into()))));
        assert!(implies(&is("published"), &Not(is("draft"))) && !implies(&is("draft"), &Not(is("draft"))));
        assert_eq!(given(&at_row(3, less(1)), &at_row(3, and([less(2), col(5)]))), at_row(3, col(5)));
    }

    #[test]
    fn what_is_said_of_a_reference_is_known_of_its_row() {
        let named = |term: Term| Arc::new(Pred::Member(term, "namedProducts", Term::Lit(Val::Long(1))));
        let known = and([or([named(Term::Col(3)), at_row(3, less(1))]), col(7), less(9)]);
        let seen = behind(&known, 3);
        assert_eq!(seen, or([named(Term::Col(0)), less(1)]));
        assert!(implies(&seen, &or([less(2), named(Term::Col(0)), col(8)])));
        assert_eq!(behind(&or([Arc::new(Not(col(3))), at_row(3, less(1))]), 3), less(1));
        assert!(behind(&or([col(7), at_row(3, less(1))]), 3).is_always());
        assert!(behind(&known, 2).is_always());
    }

    #[test]
    fn conditions_on_one_referenced_row_become_one() {
        let p = and([at_row(3, col(1)), at_row(3, col(2))]);
        assert_eq!(p, at_row(3, and([col(1), col(2)])));
    }
}
