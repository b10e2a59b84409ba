//! An agreement's scopes → a condition on the rows of a type. A scope may name a product, a product
//! family, a region and a customer; it covers a row when all that it names match. Exclude wins.

use std::sync::Arc;

use super::{
    facts::{Agreement, ScopeRow},
    pred::{Op, Pred, Term, Val, and, at_path, not, or},
};
use crate::catalogue::{CATALOGUE, Type};

/// The rows of the type that an agreement in force covers.
pub fn covered(ty: &Type, agreements: &[Agreement]) -> Arc<Pred> {
    or(agreements.iter().map(|agreement| {
        let (mut include, mut exclude, mut products) = (Vec::new(), Vec::new(), Vec::new());
        let object = ty.scope.map(|s| s.object).unwrap_or_default();
        for row in agreement.scopes.iter().filter(|s| s.object == object) {
            match (row.exclude, names(ty, row)) {
                (false, Some(matches)) => {
                    // many scopes name just a product: one list, not a hundred alternatives
                    match (&*matches, row.from, row.until) {
                        (Pred::Cmp(Op::Eq, Term::Col(col), Term::Lit(val @ Val::Id(_))), None, None) => {
                            products.push((*col, val.clone()));
                        }
                        _ => include.push(and([in_force(row.from, row.until), matches])),
                    }
                }
                // a dimension that the type does not have: an include gives nothing, an exclude takes all
                (false, None) => {}
                (true, matches) => {
                    exclude.push(and([in_force(row.from, row.until), matches.unwrap_or_else(super::pred::always)]))
                }
            }
        }
        products.sort();
        for group in products.chunk_by(|a, b| a.0 == b.0) {
            let vals: Vec<Val> = group.iter().map(|(_, v)| v.clone()).collect();
            include.push(Arc::new(Pred::In(Term::Col(group[0].0), vals)));
        }
        and([in_force(Some(agreement.from), agreement.until), or(include), not(or(exclude))])
    }))
}

/// From inclusive, until exclusive; milliseconds.
pub fn in_force(from: Option<i64>, until: Option<i64>) -> Arc<Pred> {
    let from = from.map(|t| Arc::new(Pred::Cmp(Op::Le, Term::Lit(Val::Time(t)), Term::Now(0))));
    let until = until.map(|t| Arc::new(Pred::Cmp(Op::Lt, Term::Now(0), Term::Lit(Val::Time(t)))));
    and(from.into_iter().chain(until))
}

/// What the scope names, as a condition; `None` if it names something that the type has not.
fn names(ty: &Type, row: &ScopeRow) -> Option<Arc<Pred>> {
    let scope = ty.scope?;
    let mut all = Vec::new();
    let mut name = |path: Option<&str>, extra: Option<&str>, val: Option<Val>| -> Option<()> {
        let Some(val) = val else { return Some(()) };
        let mut steps = walk(ty, path?)?;
        if let Some(extra) = extra {
            let of = steps.iter().try_fold(ty, |t, s| t.fields[*s].to.map(|to| CATALOGUE.ty(to)))?;
            steps.push(of.by_step(extra)?.0);
        }
        // an exclude is negated: a row that has no customer must not be taken for one of this customer
        let mut of = ty;
        for (i, step) in steps.iter().enumerate() {
            let field = &of.fields[*step];
            if field.optional {
                all.push(at_path(&steps[..i], Arc::new(Pred::Has(*step))));
            }
            of = field.to.map_or(of, |to| CATALOGUE.ty(to));
        }
        let (last, steps) = steps.split_last()?;
        all.push(at_path(steps, Arc::new(Pred::Cmp(Op::Eq, Term::Col(*last), Term::Lit(val)))));
        Some(())
    };
    name(scope.product, None, row.product.map(Val::Id))?;
    name(scope.product, Some("family"), row.family.clone().map(Val::Text))?;
    name(scope.region, None, row.region.clone().map(Val::Text))?;
    name(scope.customer, None, row.customer.map(Val::Id))?;
    Some(and(all))
}

/// `order.customer` → field indices.
fn walk(ty: &Type, path: &str) -> Option<Vec<usize>> {
    let mut ty = Some(ty);
    path.split('.')
        .map(|step| {
            let (index, field) = ty?.by_step(step)?;
            ty = field.to.map(|to| CATALOGUE.ty(to));
            Some(index)
        })
        .collect()
}
