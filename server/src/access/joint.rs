//! A view through two pairs of eyes: an operator looks as another seat would, or a deputy acts for
//! somebody. It is the meeting of two views, so it never shows more than both. An operator only reads; a deputy
//! writes what was handed over for writing, if it is not forbidden to it and permitted to the other.

use std::{collections::BTreeSet, sync::Arc};

use entities::Instant;
use uuid::Uuid;

use super::{
    compile::{self, Glass},
    facts::{Delegated, Facts},
    guard::Guard,
    pred::{Pred, Term, Val, and, given, never, not, or, over_terms, tidy},
    roster::Caller,
    treat::Treatment,
    view::{Edges, FieldView, Held, TypeView, View, ViewClass, Writes},
};
use crate::{
    catalogue::{CATALOGUE, Type},
    policy::{Refusal, Rules},
};

/// What the database says of both seats, in one snapshot.
pub struct Both {
    pub own: Facts,
    pub theirs: Facts,
    /// From the one who is stood for, to the caller.
    pub delegated: Vec<Delegated>,
}

/// The view of a caller in the place of another. `None`: it has no right to be there.
pub fn compile(rules: &Rules, caller: &Caller, both: Both, now: Instant) -> Result<Option<View>, Refusal> {
    let Some(place) = &caller.place else { return Ok(None) };
    let Both { own, theirs, delegated } = both;
    let instants = delegated.iter().flat_map(|d| [d.from, d.until]);
    let edges = own.edges.and(theirs.edges).and(Edges::around(now, instants));
    let delegated: Vec<_> = delegated.into_iter().filter(|d| d.from <= now && now < d.until).collect();
    // a look is for the eyes of one person
    let mine = compile::through(rules, &caller.seat, &own, Glass::Whole)?;
    if !mine.class.operator && delegated.is_empty() {
        return Ok(None);
    }
    let other = compile::through(rules, &place.seat, &theirs, Glass::Whole)?;
    let (me, them) = (caller.principal, place.principal);
    let mut types: Vec<TypeView> =
        CATALOGUE.types.iter().map(|ty| meet(ty, (mine.of(ty.id), me), (other.of(ty.id), them))).collect();
    if mine.class.operator {
        for ty in &CATALOGUE.types {
            let guard = other.of(ty.id).guard.as_ref();
            types[ty.id.0].guard = guard.and_then(|guard| overseen((&mine, me), ty, (guard, them)));
        }
    }
    if !mine.class.operator {
        // of what is delegated the deputy holds whatever is not forbidden to it
        let open = compile::ceiling(rules, &caller.seat, &own)?;
        for ty in CATALOGUE.types.iter().filter(|ty| delegated.iter().any(|d| d.names(ty))) {
            let (open, theirs) = (&open[ty.id.0], &other.types[ty.id.0]);
            types[ty.id.0] = meet(ty, (open, me), (theirs, them));
            if delegated.iter().any(|d| d.can_write && d.names(ty)) {
                types[ty.id.0].writes = by_both((&open.writes, me), (&theirs.writes, them));
            }
        }
    }
    // the operator's tools are nothing that the other seat holds
    let class = ViewClass::of(&types, false);
    Ok(Some(View {
        id: View::next_id(),
        name: other.name,
        seat: other.seat,
        types,
        class,
        policies: rules.version,
        version: mine.version,
        edges,
        holders: together(&mine.holders, me, &other.holders, them),
    }))
}

impl Delegated {
    fn names(&self, ty: &Type) -> bool {
        self.types.iter().any(|name| name == ty.name)
    }
}

/// When the caller holds its seat and the other one theirs.
fn together(mine: &[Held], me: Uuid, theirs: &[Held], them: Uuid) -> Vec<Held> {
    let of =
        |all: &[Held], principal| all.iter().filter(move |h| h.principal == principal).cloned().collect::<Vec<_>>();
    let theirs = of(theirs, them);
    let pairs = of(mine, me).into_iter().flat_map(|a| theirs.iter().map(move |b| (a.clone(), b.clone())));
    pairs
        .map(|(a, b)| Held {
            principal: me,
            from: a.from.max(b.from),
            until: [a.until, b.until].into_iter().flatten().min(),
            // who asks is the caller, wherever the other one would
            networks: a.networks,
            budget: a.budget,
        })
        .collect()
}

/// Rows that both see some of, each field as both would show it. Each view comes with its person: what
/// speaks of whoever asks means that one.
fn meet(ty: &Type, (a, me): (&TypeView, Uuid), (b, them): (&TypeView, Uuid)) -> TypeView {
    let both = and([named(&a.row, me), named(&b.row, them)]);
    let fields: Vec<FieldView> = a.fields.iter().zip(&b.fields).map(|(a, b)| field((a, me), (b, them))).collect();
    let some = or(fields.iter().map(FieldView::access));
    let row = tidy(&and([both, some]));
    let fields = fields.into_iter().map(|field| {
        let left = field.levels.into_iter().map(|(p, shown)| (given(&row, &tidy(&p)), shown));
        FieldView { levels: left.filter(|(p, _)| !p.is_never()).collect() }
    });
    let agreements = a.agreements.union(&b.agreements).copied().collect();
    // sums over the rows that two views share would tell by their difference what either hides
    TypeView {
        fields: fields.collect(),
        row: row.clone(),
        guard: None,
        agreements,
        looks: BTreeSet::new(),
        writes: Writes::none(ty),
    }
}

/// The sums that another seat is told, over rows and fields that the operator sees as they are.
fn overseen((mine, me): (&View, Uuid), ty: &Type, (guard, them): (&Guard, Uuid)) -> Option<Guard> {
    let own = mine.of(ty.id);
    let full = guard.shape.measures.iter().map(|field| match own.fields[*field].levels.first() {
        Some((p, Treatment::Full)) => named(p, me),
        _ => never(),
    });
    let row = and([named(&own.row, me), named(&guard.row, them)].into_iter().chain(full));
    let seen = guard.shape.grid.iter().all(|side| mine.sees(side.of, side.field));
    (seen && !row.is_never()).then(|| Guard { row: tidy(&row), ..guard.clone() })
}

fn by_both((a, me): (&Writes, Uuid), (b, them): (&Writes, Uuid)) -> Writes {
    let both = |a, b| tidy(&and([named(a, me), named(b, them)]));
    Writes {
        create: both(&a.create, &b.create),
        delete: both(&a.delete, &b.delete),
        fields: a.fields.iter().zip(&b.fields).map(|(a, b)| both(a, b)).collect(),
    }
}

/// The first level of each view that holds decides; together the first pair does.
fn field((a, me): (&FieldView, Uuid), (b, them): (&FieldView, Uuid)) -> FieldView {
    let mut levels = Vec::new();
    let mut hidden: Arc<Pred> = never();
    for (p, shown) in &a.levels {
        for (q, other) in &b.levels {
            let here = and([named(p, me), named(q, them)]);
            match shown.meet(*other) {
                Some(shown) => levels.push((and([here, not(hidden.clone())]), shown)),
                // no pair after it may show what this one hides
                None => hidden = or([hidden, here]),
            }
        }
    }
    FieldView { levels }
}

impl Treatment {
    /// What can be made of either value alone, or nothing.
    fn meet(self, other: Self) -> Option<Self> {
        Some(match (self, other) {
            // each organisation has its own
            (Treatment::Pseudonym, Treatment::Pseudonym) => return None,
            (a, b) if a == b => a,
            (Treatment::Full, shown) | (shown, Treatment::Full) => shown,
            (Treatment::Prefix(a), Treatment::Prefix(b)) => Treatment::Prefix(a.min(b)),
            (Treatment::Band(a), Treatment::Band(b)) if a.max(b) % a.min(b) == 0 => Treatment::Band(a.max(b)),
            _ => return None,
        })
    }
}

/// The condition with this person as the one who asks.
fn named(p: &Arc<Pred>, who: Uuid) -> Arc<Pred> {
    over_terms(p, &|t| match t {
        Term::Me => Term::Lit(Val::Id(who)),
        other => other.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(column: usize, shown: Treatment) -> (Arc<Pred>, Treatment) {
        (Arc::new(Pred::Has(column)), shown)
    }

    #[test]
    fn a_field_is_shown_as_both_would() {
        let of = |levels| FieldView { levels };
        let (me, them) = (Uuid::nil(), Uuid::max());
        let a = of(vec![level(1, Treatment::Full), level(2, Treatment::Prefix(2))]);
        let b = of(vec![level(3, Treatment::Prefix(4)), level(4, Treatment::Prefix(1))]);
        let shown: Vec<Treatment> = field((&a, me), (&b, them)).levels.into_iter().map(|(_, shown)| shown).collect();
        assert_eq!(shown, [4, 1, 2, 1].map(Treatment::Prefix));
        assert_eq!(field((&a, me), (&FieldView::default(), them)), FieldView::default());
    }

    #[test]
    fn what_one_pair_hides_no_later_pair_shows() {
        let of = |levels| FieldView { levels };
        let (me, them) = (Uuid::nil(), Uuid::max());
        let a = of(vec![level(1, Treatment::EmailMask), level(2, Treatment::Prefix(2))]);
        let b = of(vec![level(3, Treatment::Prefix(4))]);
        let met = field((&a, me), (&b, them));
        let [(p, shown)] = &met.levels[..] else { panic!("{met:?}") };
        assert_eq!(*shown, Treatment::Prefix(2));
        let hidden = and([Arc::new(Pred::Has(1)), Arc::new(Pred::Has(3))]);
        assert_eq!(*p, and([Arc::new(Pred::Has(2)), Arc::new(Pred::Has(3)), not(hidden)]));
    }

    #[test]
    fn treatments_meet_in_what_both_could_make() {
        use Treatment::{Band, EmailMask, Full, Prefix, Pseudonym};
        assert_eq!(Full.meet(Band(5)), Some(Band(5)));
        assert_eq!(Band(5).meet(Band(50)), Some(Band(50)));
        assert_eq!(Band(5).meet(Band(3)), None);
        assert_eq!(Prefix(2).meet(EmailMask), None);
        assert_eq!(Pseudonym.meet(Full), Some(Pseudonym));
        assert_eq!(Pseudonym.meet(Pseudonym), None);
    }
}
