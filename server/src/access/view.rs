//! The compiled access view of a seat: what every door asks. Part 1 the rows, part 2 the columns,
//! part 3 how they are shown, part 4 what forbids and legal permits leave of it (all three are
//! folded into the conditions). Part 5 is `edges` and the moments inside the conditions. Part 6 is `guard`.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use entities::Instant;
use uuid::Uuid;

use super::{
    guard::{Guard, Shape},
    pred::{Pred, or},
    roster::Seat,
    treat::Treatment,
};
use crate::catalogue::{CATALOGUE, Type, TypeId};

#[derive(Debug)]
pub struct View {
    /// Distinguishes views in the keys of plans.
    pub id: u64,
    pub seat: Seat,
    /// `aqua-seals/partner_planner`
    pub name: String,
    /// May look as any other seat would.
    pub operator: bool,
    /// One for each type of the catalogue, in its order.
    pub types: Vec<TypeView>,
    /// Which fields can be seen at all. Views of one class share their GraphQL schema.
    pub class: ViewClass,
    /// The policy set and the state of the shared data from which the view was compiled.
    pub policies: u64,
    pub version: i64,
    /// When the view changes without any write; the moments in its conditions need no new view.
    pub edges: Edges,
    pub(super) holders: Vec<Held>,
}

/// Somebody holds the seat, from inclusive, until exclusive.
#[derive(Debug, Clone)]
pub struct Held {
    pub principal: Uuid,
    pub from: Instant,
    pub until: Option<Instant>,
}

/// The span of time in which a view is the same: from inclusive, until exclusive. Both ends count, since a clock may jump.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Edges {
    pub from: Option<Instant>,
    pub until: Option<Instant>,
}

impl Edges {
    /// The span around a moment that none of these instants cuts.
    pub fn around(now: Instant, instants: impl IntoIterator<Item = Instant>) -> Self {
        let mut edges = Edges::default();
        for at in instants {
            if at <= now {
                edges.from = edges.from.max(Some(at));
            } else {
                edges.until = Some(edges.until.map_or(at, |until| until.min(at)));
            }
        }
        edges
    }

    /// The span in which neither changes.
    pub fn and(self, other: Self) -> Self {
        let until = [self.until, other.until].into_iter().flatten().min();
        Edges { from: self.from.max(other.from), until }
    }

    pub fn hold(&self, now: Instant) -> bool {
        self.from.is_none_or(|from| from <= now) && self.until.is_none_or(|until| now < until)
    }
}

#[derive(Debug)]
pub struct TypeView {
    /// The rows of which at least one field may be read.
    pub row: Arc<Pred>,
    /// One for each field of the type, in its order. The key has none of its own.
    pub fields: Vec<FieldView>,
    /// The agreements in force that the conditions ask, for their scopes or for how they show a field.
    pub agreements: BTreeSet<Uuid>,
    /// Sums over rows that are not shown. Only of a type that no row is shown of.
    pub guard: Option<Guard>,
}

/// How a field is shown in a row of the view, fullest first: the first level whose condition holds
/// decides, and none means hidden. The conditions count in rows of the view only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldView {
    pub levels: Vec<(Arc<Pred>, Treatment)>,
}

/// What can be seen of each type.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewClass(pub Arc<Vec<TypeClass>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TypeClass {
    /// The fields that rows show, as indices.
    pub fields: BTreeSet<usize>,
    /// What is shown in sums only.
    pub guarded: Option<Shape>,
}

impl View {
    pub(super) fn next_id() -> u64 {
        static VIEWS: AtomicU64 = AtomicU64::new(1);
        VIEWS.fetch_add(1, Ordering::Relaxed)
    }

    pub fn of(&self, ty: TypeId) -> &TypeView {
        &self.types[ty.0]
    }

    pub fn sees_type(&self, ty: TypeId) -> bool {
        self.class.sees_type(ty)
    }

    pub fn sees(&self, ty: TypeId, field: usize) -> bool {
        self.class.sees(ty, field)
    }

    /// Does this person hold the seat at this moment?
    pub fn held_by(&self, principal: Uuid, now: Instant) -> bool {
        self.holders.iter().any(|h| h.principal == principal && h.from <= now && h.until.is_none_or(|end| now < end))
    }
}

impl ViewClass {
    /// Everything: the schema that is checked in.
    pub fn whole() -> Self {
        let whole = |t: &Type| TypeClass { fields: (0..t.fields.len()).collect(), guarded: None };
        ViewClass(Arc::new(CATALOGUE.types.iter().map(whole).collect()))
    }

    pub fn sees_type(&self, ty: TypeId) -> bool {
        !self.0[ty.0].fields.is_empty()
    }

    pub fn sees(&self, ty: TypeId, field: usize) -> bool {
        self.0[ty.0].fields.contains(&field)
    }

    pub fn guarded(&self, ty: TypeId) -> Option<&Shape> {
        self.0[ty.0].guarded.as_ref()
    }
}

impl TypeView {
    /// What stands before a field that is shown in sums.
    pub fn guarding(&self, field: usize) -> Option<&Guard> {
        self.guard.as_ref().filter(|guard| guard.shape.measures.contains(&field))
    }

    pub fn hidden(ty: &Type) -> Self {
        let fields = vec![FieldView::default(); ty.fields.len()];
        TypeView { row: super::pred::never(), fields, guard: None, agreements: BTreeSet::new() }
    }
}

impl FieldView {
    pub fn is_hidden(&self) -> bool {
        self.levels.is_empty()
    }

    /// The rows in which the field is shown in some way.
    pub fn access(&self) -> Arc<Pred> {
        or(self.levels.iter().map(|(p, _)| p.clone()))
    }
}
