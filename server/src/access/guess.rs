//! Guesses about conditions, from their form alone: what testing one costs, and which share of the rows
//! satisfies it. They choose between equal forms of a statement; a wrong guess costs time, never a row.

use super::{
    pred::{Op, Pred, Term, Val},
    sql::Reach,
};
use crate::catalogue::{CATALOGUE, Type};

/// Where fewer rows than this share are meant, they are better looked for than come across.
const RARE: f64 = 0.05;

/// What it takes to test one row; a comparison is the unit.
pub fn effort(p: &Pred) -> u32 {
    let term = |t: &Term| if let Term::Far(path) = t { 4 * path.len() as u32 } else { 0 };
    match p {
        Pred::Const(_) => 0,
        Pred::Has(_) | Pred::In(..) | Pred::Like(..) => 1,
        Pred::Cmp(_, a, b) => 1 + term(a) + term(b),
        Pred::Not(inner) => effort(inner),
        Pred::And(all) | Pred::Or(all) => all.iter().map(|p| effort(p)).sum(),
        Pred::If(a, b, c) => effort(a) + effort(b) + effort(c),
        Pred::At(_, inner) => 5 + effort(inner),
        // its set must be made first
        Pred::Member(..) => 20,
    }
}

/// How to test the rows of a page. If the condition narrows them down by their own columns, or lets most
/// of them through, each is tested as it comes; else the few are looked for.
pub fn reach(ty: &Type, p: &Pred) -> Reach {
    let through: f64 = parts(p).filter(|p| goes_far(p)).map(|p| share(ty, p)).product();
    if is_narrow(ty, p) || through >= RARE { Reach::Few } else { Reach::Many }
}

/// Whether few rows are left by what the condition says of their own columns.
pub fn is_narrow(ty: &Type, p: &Pred) -> bool {
    parts(p).any(|p| !goes_far(p) && share(ty, p) <= RARE)
}

/// Whether a test is better left until few rows are left: it looks up more than one other row.
pub fn is_late(p: &Pred) -> bool {
    goes_far(p) && effort(p) >= 10
}

fn parts(p: &Pred) -> impl Iterator<Item = &Pred> {
    let (all, one) = match p {
        Pred::And(all) => (&all[..], None),
        other => (&[][..], Some(other)),
    };
    all.iter().map(|p| &**p).chain(one)
}

fn goes_far(p: &Pred) -> bool {
    match p {
        Pred::At(..) => true,
        Pred::And(all) | Pred::Or(all) => all.iter().any(|p| goes_far(p)),
        Pred::Not(inner) => goes_far(inner),
        Pred::If(a, b, c) => goes_far(a) || goes_far(b) || goes_far(c),
        _ => false,
    }
}

fn share(ty: &Type, p: &Pred) -> f64 {
    match p {
        Pred::Const(b) => f64::from(u8::from(*b)),
        Pred::And(all) => all.iter().map(|p| share(ty, p)).product(),
        Pred::Or(all) => all.iter().map(|p| share(ty, p)).sum::<f64>().min(1.0),
        Pred::Not(inner) => 1.0 - share(ty, inner),
        Pred::If(_, yes, no) => f64::midpoint(share(ty, yes), share(ty, no)),
        Pred::Has(_) => 0.9,
        Pred::Cmp(Op::Lt | Op::Le, ..) => 0.5,
        Pred::Cmp(Op::Eq, a, b) => value(ty, a).min(value(ty, b)),
        Pred::In(term, vals) => (value(ty, term) * vals.len() as f64).min(1.0),
        Pred::Like(..) => 0.1,
        Pred::Member(..) => RARE,
        Pred::At(step, inner) => ty.fields[*step].to.map_or(0.0, |to| share(CATALOGUE.ty(to), inner)),
    }
}

/// The share of the rows that have one value there.
fn value(ty: &Type, term: &Term) -> f64 {
    match term {
        Term::Col(field) => {
            let field = &ty.fields[*field];
            match field.kind {
                entities::meta::Kind::Id => 0.001,
                entities::meta::Kind::Bool => 0.5,
                // regions and the like
                _ if field.code.is_some() => 0.2,
                _ if !field.one_of.is_empty() => 1.0 / field.one_of.len() as f64,
                _ => 0.01,
            }
        }
        Term::Far(_) => 0.01,
        Term::Lit(Val::Bool(_)) => 0.5,
        Term::Lit(_) | Term::Now(_) | Term::Me => 1.0,
    }
}
