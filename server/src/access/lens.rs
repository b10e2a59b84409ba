//! What an operator's tool may tell whoever asks through a door: it looks past every view to explain others', but what
//! it finds is told only of rows that the asker's own view shows, and of values that it shows there in full.

use std::sync::Arc;

use entities::Instant;
use uuid::Uuid;

use super::{
    pred::{Pred, Term, Val, and, at_row, given, not, or, over_terms},
    trace::paths,
    treat::Treatment,
    view::View,
};
use crate::catalogue::{CATALOGUE, Type, TypeId};

#[derive(Debug)]
pub struct Lens(Vec<Seen>);

#[derive(Debug)]
struct Seen {
    row: Arc<Pred>,
    /// Where each field is shown in full.
    full: Vec<Arc<Pred>>,
}

impl Lens {
    /// The asker's view as it is now, also where a tool asks about another person and another moment.
    pub fn of(view: &View, me: Uuid, now: Instant) -> Self {
        let settled = |p: &Arc<Pred>| {
            over_terms(p, &|term| match term {
                Term::Me => Term::Lit(Val::Id(me)),
                Term::Now(moved) => Term::Lit(Val::Time(now.0.div_euclid(1000).saturating_add(*moved))),
                other => other.clone(),
            })
        };
        let types = view.types.iter().map(|ty| {
            let full = ty.fields.iter().enumerate().map(|(i, field)| match i {
                0 => settled(&ty.row),
                _ => or(field.levels.iter().filter(|(_, shown)| *shown == Treatment::Full).map(|(p, _)| settled(p))),
            });
            Seen { row: settled(&ty.row), full: full.collect() }
        });
        Lens(types.collect())
    }

    pub(super) fn row(&self, ty: TypeId) -> &Arc<Pred> {
        &self.0[ty.0].row
    }

    pub(super) fn full(&self, ty: TypeId, field: usize) -> &Arc<Pred> {
        &self.0[ty.0].full[field]
    }

    /// The rows of which the asker may learn whether these conditions hold: it sees them, and everything that the
    /// conditions look at.
    pub(super) fn over(&self, ty: &Type, conditions: &[&Pred]) -> Arc<Pred> {
        let row = self.row(ty.id);
        let mut all: Vec<Vec<usize>> = conditions.iter().flat_map(|p| paths(p)).collect();
        all.sort_unstable();
        all.dedup();
        let seen = all.iter().map(|path| given(row, &self.along(ty, path)));
        and(std::iter::once(row.clone()).chain(seen))
    }

    fn along(&self, ty: &Type, path: &[usize]) -> Arc<Pred> {
        let Some((step, rest)) = path.split_first() else { return and([]) };
        let here = self.full(ty.id, *step).clone();
        match ty.fields[*step].to.filter(|_| !rest.is_empty()) {
            Some(to) => {
                let there = and([self.row(to).clone(), self.along(CATALOGUE.ty(to), rest)]);
                and([here, or([not(Arc::new(Pred::Has(*step))), at_row(*step, there)])])
            }
            None => here,
        }
    }
}
