//! What decides about an action, kept while a view is compiled: the rules that are left for the seat, each
//! with its condition. The view folds the same conditions, so what is told of it is what it does.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use cedar_policy::pst::{BinaryOp, Expr, Literal, UnaryOp};
use uuid::Uuid;

use super::{
    NotSql, Treatment,
    convert::{Convert, SELF},
    facts::{Agreement, Facts},
    pred::{Op, Pred, Term, Val},
};
use crate::{
    catalogue::{CATALOGUE, TypeId, pascal},
    policy::{
        Rule,
        schema::{ASKER, ORGANISATION, SCOPES},
    },
};
use entities::meta::Holder;

/// A rule that may decide about an action, for one seat.
#[derive(Clone, Debug)]
pub struct Part {
    pub rule: Arc<Rule>,
    /// What partial evaluation left of its condition; `None`: it holds.
    pub(super) left: Option<Arc<Expr>>,
    /// The agreement whose word on the field counts.
    pub agreement: Option<Uuid>,
    /// How a permit shows the field; `None` if it leaves that to an agreement which says nothing of it.
    pub shown: Option<Treatment>,
    pub condition: Arc<Pred>,
}

#[derive(Clone, Debug)]
pub struct Parts {
    pub permits: Vec<Part>,
    pub forbids: Arc<[Part]>,
    pub legal: Arc<[Part]>,
}

/// What is done to a row, or to a field of it: one action of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    Read(usize),
    Write(usize),
    Create,
    Delete,
    /// By operations of the domain.
    Manage,
    Export,
}

#[derive(Debug, Default)]
pub struct Trace(HashMap<(TypeId, Act), Parts>);

/// One of the conditions of a rule, all of which must hold.
#[derive(Clone, Debug)]
pub struct Piece {
    /// As Cedar writes it, with the names of the policy for what stands for the seat.
    pub text: String,
    pub condition: Arc<Pred>,
    /// The scopes that it asks for, as agreements name them: `demand`.
    pub scopes: Vec<&'static str>,
}

impl Trace {
    pub(super) fn note(&mut self, ty: TypeId, act: Act, parts: Parts) {
        self.0.insert((ty, act), parts);
    }

    pub fn of(&self, ty: TypeId, act: Act) -> Option<&Parts> {
        self.0.get(&(ty, act))
    }
}

impl Parts {
    pub fn all(&self) -> impl Iterator<Item = &Part> {
        self.permits.iter().chain(self.forbids.iter()).chain(self.legal.iter())
    }
}

impl Part {
    /// Whether the rule takes away.
    pub fn forbids(&self) -> bool {
        self.rule.policy.effect() == cedar_policy::Effect::Forbid
    }

    /// Its conditions, one by one, under these agreements.
    pub fn pieces(&self, ty: TypeId, facts: &Facts) -> Result<Vec<Piece>, NotSql> {
        let only: Vec<Agreement> = match self.agreement {
            Some(id) => facts.agreements.iter().filter(|a| a.id == id).cloned().collect(),
            None => facts.agreements.clone(),
        };
        self.pieces_under(ty, facts.organisation, &only)
    }

    /// The same as if these agreements were those of the seat.
    pub fn pieces_under(&self, ty: TypeId, organisation: Uuid, agreements: &[Agreement]) -> Result<Vec<Piece>, NotSql> {
        let convert = Convert { resource: ty, organisation, agreements, asked: RefCell::default() };
        let mut out = Vec::new();
        for expr in self.left.iter().flat_map(|left| conjuncts(left)) {
            let raw = expr.to_string();
            let scopes = SCOPES.iter().filter(|(.., set)| raw.contains(&format!("{set}::\"")));
            out.push(Piece {
                text: readable(&plain(expr).to_string(), organisation),
                condition: convert.pred(expr)?,
                scopes: scopes.map(|(object, ..)| *object).collect(),
            });
        }
        Ok(out)
    }
}

fn conjuncts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::BinaryOp { op: BinaryOp::And, left, right } => [conjuncts(left), conjuncts(right)].concat(),
        Expr::Literal(Literal::Bool(true)) => Vec::new(),
        other => vec![other],
    }
}

/// `!(a < b)` is what partial evaluation makes of `a >= b`.
fn plain(expr: &Expr) -> Expr {
    use BinaryOp as B;
    match expr {
        Expr::UnaryOp { op: UnaryOp::Not, expr: inner } => {
            if let Expr::BinaryOp { op, left, right } = &**inner {
                let turned = match op {
                    B::Less => Some(B::GreaterEq),
                    B::LessEq => Some(B::Greater),
                    B::Eq => Some(B::NotEq),
                    _ => None,
                };
                if let Some(op) = turned {
                    return Expr::BinaryOp { op, left: left.clone(), right: right.clone() };
                }
            }
            Expr::UnaryOp { op: UnaryOp::Not, expr: Arc::new(plain(inner)) }
        }
        Expr::BinaryOp { op: op @ (B::And | B::Or), left, right } => {
            Expr::BinaryOp { op: *op, left: Arc::new(plain(left)), right: Arc::new(plain(right)) }
        }
        other => other.clone(),
    }
}

/// What partial evaluation put in is named as the policy names it.
fn readable(text: &str, organisation: Uuid) -> String {
    let home = "principal.organisation".to_string();
    let mut sets: Vec<(String, String)> =
        SCOPES.iter().map(|(_, name, set)| (format!("{set}::\"{organisation}\""), format!("{home}.{name}"))).collect();
    for (holder, key, path) in
        [(Holder::Organisation, organisation.to_string(), home.as_str()), (Holder::Principal, SELF.into(), "principal")]
    {
        let held = CATALOGUE.memberships(holder);
        sets.extend(held.map(|(_, m)| (format!("{}::\"{key}\"", pascal(m.name)), format!("{path}.{}", m.name))));
    }
    sets.push((format!("{ORGANISATION}::\"{organisation}\""), home));
    sets.push((format!("{ASKER}::\"{SELF}\""), "principal".into()));
    sets.into_iter().fold(durations(text), |text, (from, to)| text.replace(&from, &to))
}

/// Evaluation leaves every duration in milliseconds.
fn durations(text: &str) -> String {
    const OPEN: &str = "duration(\"";
    const UNITS: [(i64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")];
    let mut parts = text.split(OPEN);
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        out.push_str(OPEN);
        let span = part.split_once("ms\"").and_then(|(span, rest)| Some((span.parse::<i64>().ok()?, rest)));
        match span.and_then(|(span, rest)| Some((span, UNITS.iter().find(|(unit, _)| span % unit == 0)?, rest))) {
            Some((span, (unit, name), rest)) => out.push_str(&format!("{}{name}\"{rest}", span / unit)),
            None => out.push_str(part),
        }
    }
    out
}

/// The stored values that a condition looks at, as paths of field indices.
pub fn paths(p: &Pred) -> Vec<Vec<usize>> {
    let mut out = Vec::new();
    visit(p, &mut Vec::new(), &mut |path, _| {
        if !path.is_empty() && path != [0] && !out.contains(&path.to_vec()) {
            out.push(path.to_vec());
        }
    });
    out
}

/// The stored moments that are compared with now: where each stands, and by how much now is moved.
pub fn moments(p: &Pred) -> Vec<(Vec<usize>, i64)> {
    let mut out = Vec::new();
    visit(p, &mut Vec::new(), &mut |path, moved| out.extend(moved.map(|moved| (path.to_vec(), moved))));
    out
}

/// The constant moments that are compared with now, in milliseconds: where an agreement begins or ends.
pub fn instants(p: &Pred) -> Vec<i64> {
    match p {
        Pred::And(all) | Pred::Or(all) => all.iter().flat_map(|p| instants(p)).collect(),
        Pred::Not(inner) | Pred::At(_, inner) => instants(inner),
        Pred::If(c, yes, no) => [c, yes, no].into_iter().flat_map(|p| instants(p)).collect(),
        Pred::Cmp(_, Term::Now(moved), Term::Lit(Val::Time(at)))
        | Pred::Cmp(_, Term::Lit(Val::Time(at)), Term::Now(moved)) => vec![at - moved],
        _ => Vec::new(),
    }
}

/// Whether it depends on who sits in the seat.
pub fn is_personal(p: &Pred) -> bool {
    match p {
        Pred::And(all) | Pred::Or(all) => all.iter().any(|p| is_personal(p)),
        Pred::Not(inner) | Pred::At(_, inner) => is_personal(inner),
        Pred::If(c, yes, no) => [c, yes, no].into_iter().any(|p| is_personal(p)),
        Pred::Cmp(_, a, b) | Pred::Member(a, _, b) => *a == Term::Me || *b == Term::Me,
        _ => false,
    }
}

fn visit(p: &Pred, at: &mut Vec<usize>, seen: &mut impl FnMut(&[usize], Option<i64>)) {
    let mut term = |t: &Term, other: Option<&Term>| {
        let mut path = at.clone();
        match t {
            Term::Col(field) => path.push(*field),
            Term::Far(far) => path.extend(far),
            _ => return,
        }
        let moved = match other {
            Some(Term::Now(moved)) => Some(*moved),
            _ => None,
        };
        seen(&path, moved);
    };
    match p {
        Pred::Const(_) => {}
        Pred::And(all) | Pred::Or(all) => all.iter().for_each(|p| visit(p, at, seen)),
        Pred::Not(inner) => visit(inner, at, seen),
        Pred::If(c, yes, no) => [c, yes, no].into_iter().for_each(|p| visit(p, at, seen)),
        Pred::Cmp(Op::Eq | Op::Lt | Op::Le, a, b) => {
            term(a, Some(b));
            term(b, Some(a));
        }
        Pred::In(t, _) | Pred::Like(t, _) | Pred::Member(t, ..) => term(t, None),
        Pred::Has(field) => term(&Term::Col(*field), None),
        Pred::At(step, inner) => {
            at.push(*step);
            visit(inner, at, seen);
            at.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_told_in_the_largest_unit_that_fits() {
        let text =
            "now.offset(duration(\"194400000ms\")) < a || b.offset(duration(\"-86400000ms\")) || duration(\"7ms\")";
        let told = "now.offset(duration(\"54h\")) < a || b.offset(duration(\"-1d\")) || duration(\"7ms\")";
        assert_eq!(durations(text), told);
        assert_eq!(durations("resource.name == \"duration(\""), "resource.name == \"duration(\"");
    }
}
