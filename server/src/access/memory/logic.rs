//! Conditions over one row, with the three values of SQL: a comparison with what is missing is unknown, and
//! so is its negation. Beside that a condition may be open, as long as facts about other rows are not there.

use std::cmp::Ordering;

use uuid::Uuid;

use super::known::{Known, Needs};
use crate::{
    access::pred::{Op, Pred, Term, Val},
    catalogue::{CATALOGUE, TypeId, Value},
};

const DAY: i64 = 86_400_000;

/// Who asks, and what is known.
pub(super) struct Logic<'a> {
    pub known: &'a Known,
    pub me: Uuid,
}

/// A value as conditions compare it: every time is a moment in whole milliseconds, a day its midnight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Scalar<'a> {
    Null,
    Bool(bool),
    Long(i64),
    Text(&'a str),
    Id(Uuid),
    Time(i64),
    Decimal(i64),
}

impl<'a> Scalar<'a> {
    fn of(value: &'a Value) -> Self {
        match value {
            // no condition reads inside a document
            Value::Null | Value::Json(_) => Scalar::Null,
            Value::Bool(b) => Scalar::Bool(*b),
            Value::Int(n) => Scalar::Long(*n),
            Value::Text(text) => Scalar::Text(text),
            Value::Id(id) => Scalar::Id(*id),
            Value::Decimal(n) => Scalar::Decimal(n.0),
            Value::Instant(at) => Scalar::Time(at.0.div_euclid(1000)),
            Value::Date(day) => Scalar::Time(day.signed_duration_since(chrono::NaiveDate::default()).num_days() * DAY),
        }
    }

    fn lit(val: &'a Val) -> Self {
        match val {
            Val::Bool(b) => Scalar::Bool(*b),
            Val::Long(n) => Scalar::Long(*n),
            Val::Text(text) => Scalar::Text(text),
            Val::Id(id) => Scalar::Id(*id),
            Val::Time(ms) => Scalar::Time(*ms),
            Val::Decimal(n) => Scalar::Decimal(*n),
        }
    }

    /// Texts by their bytes, as both databases do. `None`: one of the two is missing.
    fn order(self, other: Self) -> Option<Ordering> {
        match (self, other) {
            (Scalar::Bool(a), Scalar::Bool(b)) => Some(a.cmp(&b)),
            (Scalar::Text(a), Scalar::Text(b)) => Some(a.cmp(b)),
            (Scalar::Id(a), Scalar::Id(b)) => Some(a.cmp(&b)),
            (Scalar::Long(a), Scalar::Long(b))
            | (Scalar::Time(a), Scalar::Time(b))
            | (Scalar::Decimal(a), Scalar::Decimal(b)) => Some(a.cmp(&b)),
            _ => None,
        }
    }
}

/// True, false or unknown.
type Truth = Option<bool>;

impl Logic<'_> {
    /// Whether the condition is true, or with `want` false whether it is false; unknown is neither.
    /// `None`: facts are lacking that decide about it.
    pub(super) fn is(&self, p: &Pred, ty: TypeId, row: &[Value], want: bool) -> Option<bool> {
        let truth = match p {
            Pred::And(all) if want => return every(all.iter().map(|p| self.is(p, ty, row, true))),
            Pred::Or(all) if !want => return every(all.iter().map(|p| self.is(p, ty, row, false))),
            Pred::And(all) => return some(all.iter().map(|p| self.is(p, ty, row, false))),
            Pred::Or(all) => return some(all.iter().map(|p| self.is(p, ty, row, true))),
            Pred::Not(inner) => return self.is(inner, ty, row, !want),
            Pred::If(cond, yes, no) => {
                let branch = if self.is(cond, ty, row, true)? { yes } else { no };
                return self.is(branch, ty, row, want);
            }
            Pred::At(step, inner) => {
                let Some((to, key)) = reference(ty, row, *step) else { return Some(false) };
                return match self.known.row(to, key)? {
                    Some(row) => self.is(inner, to, row, want),
                    None => Some(false),
                };
            }
            Pred::Const(b) => Some(*b),
            Pred::Has(field) => Some(!row[*field].is_null()),
            Pred::Cmp(op, a, b) => compare(*op, self.term(a, ty, row)?, self.term(b, ty, row)?),
            Pred::In(term, vals) => match self.term(term, ty, row)? {
                Scalar::Null => None,
                value => Some(vals.iter().any(|val| value == Scalar::lit(val))),
            },
            Pred::Like(term, pattern) => match self.term(term, ty, row)? {
                Scalar::Text(text) => Some(is_like(text, pattern)),
                _ => None,
            },
            Pred::Member(term, set, holder) => match (self.term(term, ty, row)?, self.term(holder, ty, row)?) {
                (Scalar::Null, _) => None,
                (value, Scalar::Id(holder)) => Some(self.known.member(set, holder, value)?),
                _ => None,
            },
        };
        Some(truth == Some(want))
    }

    /// `None`: a row on the way is not known.
    fn term<'r>(&'r self, term: &'r Term, ty: TypeId, row: &'r [Value]) -> Option<Scalar<'r>> {
        Some(match term {
            Term::Col(field) => Scalar::of(&row[*field]),
            Term::Far(path) => {
                let Some((last, steps)) = path.split_last() else { return Some(Scalar::Null) };
                let (mut ty, mut row) = (ty, row);
                for step in steps {
                    let Some((to, key)) = reference(ty, row, *step) else { return Some(Scalar::Null) };
                    let Some(next) = self.known.row(to, key)? else { return Some(Scalar::Null) };
                    (ty, row) = (to, next);
                }
                Scalar::of(&row[*last])
            }
            Term::Lit(val) => Scalar::lit(val),
            Term::Now(offset) => Scalar::Time(self.known.now_ms().saturating_add(*offset)),
            Term::Me => Scalar::Id(self.me),
        })
    }

    /// Adds the facts that an open condition lacks, those that can be named now: behind a row that is not
    /// known there may be more.
    pub(super) fn needs(&self, p: &Pred, ty: TypeId, row: &[Value], want: bool, needs: &mut Needs) {
        if self.is(p, ty, row, want).is_some() {
            return;
        }
        match p {
            Pred::And(all) | Pred::Or(all) => all.iter().for_each(|p| self.needs(p, ty, row, want, needs)),
            Pred::Not(inner) => self.needs(inner, ty, row, !want, needs),
            Pred::If(cond, yes, no) => match self.is(cond, ty, row, true) {
                None => self.needs(cond, ty, row, true, needs),
                Some(holds) => self.needs(if holds { yes } else { no }, ty, row, want, needs),
            },
            Pred::At(step, inner) => {
                if let Some((to, key)) = reference(ty, row, *step) {
                    match self.known.row(to, key) {
                        None => needs.row(to, key),
                        Some(Some(row)) => self.needs(inner, to, row, want, needs),
                        Some(None) => {}
                    }
                }
            }
            Pred::Cmp(_, a, b) => [a, b].into_iter().for_each(|term| self.on_the_way(term, ty, row, needs)),
            Pred::In(term, _) | Pred::Like(term, _) => self.on_the_way(term, ty, row, needs),
            Pred::Member(term, set, holder) => match (self.term(term, ty, row), self.term(holder, ty, row)) {
                (Some(value), Some(Scalar::Id(holder))) => needs.member(set, holder, value),
                _ => [term, holder].into_iter().for_each(|term| self.on_the_way(term, ty, row, needs)),
            },
            Pred::Const(_) | Pred::Has(_) => {}
        }
    }

    fn on_the_way(&self, term: &Term, ty: TypeId, row: &[Value], needs: &mut Needs) {
        let Term::Far(path) = term else { return };
        let (mut ty, mut row) = (ty, row);
        for step in &path[..path.len().saturating_sub(1)] {
            let Some((to, key)) = reference(ty, row, *step) else { return };
            match self.known.row(to, key) {
                Some(Some(next)) => (ty, row) = (to, next),
                Some(None) => return,
                None => return needs.row(to, key),
            }
        }
    }
}

/// All of them. What is open does not matter once one fails.
fn every(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut open = false;
    for part in parts {
        match part {
            Some(false) => return Some(false),
            Some(true) => {}
            None => open = true,
        }
    }
    (!open).then_some(true)
}

fn some(parts: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    every(parts.map(|part| part.map(|holds| !holds))).map(|none| !none)
}

fn reference(ty: TypeId, row: &[Value], step: usize) -> Option<(TypeId, Uuid)> {
    match (CATALOGUE.ty(ty).fields[step].to, &row[step]) {
        (Some(to), Value::Id(key)) => Some((to, *key)),
        _ => None,
    }
}

fn compare(op: Op, a: Scalar<'_>, b: Scalar<'_>) -> Truth {
    let order = a.order(b)?;
    Some(match op {
        Op::Eq => order == Ordering::Equal,
        Op::Lt => order == Ordering::Less,
        Op::Le => order != Ordering::Greater,
    })
}

/// Upper and lower case differ. Only the last run of any characters is ever taken back.
fn is_like(text: &str, pattern: &[Option<char>]) -> bool {
    let (mut text, mut pattern) = (text.chars(), pattern);
    let mut last_run = None;
    loop {
        match pattern {
            [None, rest @ ..] => {
                pattern = rest;
                last_run = Some((text.clone(), rest));
                continue;
            }
            [Some(c), rest @ ..] if text.clone().next() == Some(*c) => {
                text.next();
                pattern = rest;
                continue;
            }
            [] if text.as_str().is_empty() => return true,
            _ => {}
        }
        // the run takes one character more
        let Some((from, rest)) = &mut last_run else { return false };
        if from.next().is_none() {
            return false;
        }
        (text, pattern) = (from.clone(), rest);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use entities::{Decimal, Instant};

    use super::*;

    fn like(text: &str, pattern: &str) -> bool {
        is_like(text, &pattern.chars().map(|c| (c != '*').then_some(c)).collect::<Vec<_>>())
    }

    #[test]
    fn a_pattern_takes_the_whole_text() {
        for (text, pattern) in
            [("", ""), ("", "*"), ("ab", "a*"), ("aab", "*ab"), ("abab", "*ab"), ("äx", "ä*"), ("a", "**a")]
        {
            assert!(like(text, pattern), "{text} {pattern}");
        }
        for (text, pattern) in
            [("a", ""), ("", "a"), ("A", "a"), ("aba", "*ab"), ("ab", "b*"), ("a%", "a_"), ("ä", "a*")]
        {
            assert!(!like(text, pattern), "{text} {pattern}");
        }
        assert!(!like(&"a".repeat(5000), &format!("{}b", "a*".repeat(50))));
    }

    #[test]
    fn what_is_missing_satisfies_no_comparison_and_no_negation_of_one() {
        let ty = CATALOGUE.by_name("Product").unwrap();
        let field = ty.fields.iter().position(|f| f.optional).unwrap();
        let mut row = vec![Value::Null; ty.fields.len()];
        let known = Known::at(Instant(0));
        let logic = Logic { known: &known, me: Uuid::nil() };
        let is = |p: &Pred, row: &[Value]| logic.is(p, ty.id, row, true).unwrap();
        let eq = Arc::new(Pred::Cmp(Op::Eq, Term::Col(field), Term::Lit(Val::Text("a".into()))));
        assert!(!is(&eq, &row) && !is(&Pred::Not(eq.clone()), &row));
        let branch = Pred::If(eq.clone(), Arc::new(Pred::Const(false)), Arc::new(Pred::Const(true)));
        assert!(is(&branch, &row), "a branch is taken on true alone");
        row[field] = "b".into();
        assert!(!is(&eq, &row) && is(&Pred::Not(eq), &row));
    }

    #[test]
    fn times_meet_by_the_millisecond_and_days_at_their_midnight() {
        let day = Value::Date("2026-06-15".parse().unwrap());
        let midnight = Scalar::of(&day);
        assert_eq!(midnight, Scalar::of(&Value::Instant("2026-06-15T00:00:00.000999Z".parse().unwrap())));
        assert_eq!(
            compare(Op::Lt, midnight, Scalar::of(&Value::Instant("2026-06-15T00:00:00.001Z".parse().unwrap()))),
            Some(true)
        );
        assert_eq!(Scalar::of(&Value::Instant(Instant(-1))), Scalar::Time(-1));
        assert_eq!(compare(Op::Le, Scalar::of(&Value::Decimal(Decimal(5))), Scalar::Decimal(5)), Some(true));
    }
}
