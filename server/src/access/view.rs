//! The compiled access view of a seat: what every door asks. Part 1 the rows, part 2 the columns,
//! part 3 how they are shown, part 4 what forbids and legal permits leave of it (all three are
//! folded into the conditions). Part 5 is `edges` and the moments inside the conditions. Part 6 is `guard`.
//! Part 7 is what may be written, as conditions on the row before and after.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use entities::Instant;
use ipnet::IpNet;
use uuid::Uuid;

use super::{
    guard::{Guard, Shape},
    pred::{Pred, never, or},
    roster::{Caller, Origin, Seat},
    treat::Treatment,
};
use crate::{
    catalogue::{CATALOGUE, Field, Type, TypeId},
    policy::schema::manage,
};

#[derive(Debug, Clone)]
pub struct View {
    /// Distinguishes views in the keys of plans. Views of one id show the same, at whatever version of the shared data.
    pub id: u64,
    pub seat: Seat,
    /// `aqua-seals/partner_planner`
    pub name: String,
    /// One for each type of the catalogue, in its order.
    pub types: Vec<TypeView>,
    /// What can be seen at all. Views of one class share their GraphQL schema.
    pub class: ViewClass,
    /// The policy set and the state of the shared data from which the view was compiled.
    pub policies: u64,
    pub version: i64,
    /// When the view changes without any write; the moments in its conditions need no new view.
    pub edges: Edges,
    pub(super) holders: Vec<Held>,
}

/// Somebody holds the seat, from inclusive, until exclusive.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    pub principal: Uuid,
    pub from: Instant,
    pub until: Option<Instant>,
    /// `None`: from anywhere.
    pub networks: Option<Vec<IpNet>>,
    /// What documents asked in a minute may cost, 0 without limit; `None`: as the hub is set.
    pub budget: Option<u32>,
}

impl Held {
    fn counts(&self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|end| now < end)
    }

    fn open_to(&self, origin: Origin) -> bool {
        match (&self.networks, origin) {
            (None, _) | (_, Origin::Here) => true,
            (Some(networks), Origin::Address(address)) => networks.iter().any(|network| network.contains(&address)),
            (Some(_), Origin::Unknown) => false,
        }
    }
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

#[derive(Debug, Clone)]
pub struct TypeView {
    /// The rows of which at least one field may be read.
    pub row: Arc<Pred>,
    /// One for each field of the type, in its order. The key has none of its own.
    pub fields: Vec<FieldView>,
    /// The agreements in force that the conditions ask, for their scopes or for how they show a field.
    pub agreements: BTreeSet<Uuid>,
    /// Fields that are shown to whoever has opened them.
    pub looks: BTreeSet<usize>,
    /// Sums over rows that are not shown. Only of a type that no row is shown of.
    pub guard: Option<Guard>,
    pub writes: Writes,
}

/// In which rows policies permit to write. Whoever writes must see the row as well, and read the field in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Writes {
    pub create: Arc<Pred>,
    pub delete: Arc<Pred>,
    /// To change a field, for each of the type's.
    pub fields: Vec<Arc<Pred>>,
    /// By operations of the domain.
    pub manage: Arc<Pred>,
}

impl Writes {
    pub fn none(ty: &Type) -> Self {
        Writes { create: never(), delete: never(), fields: vec![never(); ty.fields.len()], manage: never() }
    }
}

/// How a field is shown in a row of the view, fullest first: the first level whose condition holds
/// decides, and none means hidden. The conditions count in rows of the view only.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldView {
    pub levels: Vec<(Arc<Pred>, Treatment)>,
}

/// What a seat's schema is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ViewClass {
    /// What can be seen of each type, in the catalogue's order.
    types: Arc<Vec<TypeClass>>,
    /// May look as any other seat would, and has the operator's tools.
    pub operator: bool,
    /// May open a hidden field for a while.
    pub looks: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct TypeClass {
    /// The fields that rows show, as indices.
    seen: BTreeSet<usize>,
    /// What is shown in sums only.
    guarded: Option<Shape>,
    writable: Writable,
}

/// What of a type can be written in some row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Writable {
    /// What a new row can be given; empty if none can be made.
    pub create: BTreeSet<usize>,
    pub update: BTreeSet<usize>,
    pub delete: bool,
    /// By operations of the domain.
    pub manage: bool,
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
        self.held(principal, now).next().is_some()
    }

    fn held(&self, principal: Uuid, now: Instant) -> impl Iterator<Item = &Held> {
        self.holders.iter().filter(move |held| held.principal == principal && held.counts(now))
    }

    /// May it be used from where this caller asks?
    pub fn open_to(&self, caller: &Caller, now: Instant) -> bool {
        self.held(caller.principal, now).any(|held| held.open_to(caller.origin))
    }

    /// What documents may cost that the caller asks in a minute, 0 without limit; `None`: as the hub is set. Of several
    /// roles that can be used from there the most generous counts.
    pub fn budget(&self, caller: &Caller, now: Instant) -> Option<u32> {
        let open = self.held(caller.principal, now).filter(|held| held.open_to(caller.origin));
        open.filter_map(|held| held.budget).max_by_key(|most| most.checked_sub(1).unwrap_or(u32::MAX))
    }
}

impl ViewClass {
    /// Everything: the schema that is checked in.
    pub fn whole() -> Self {
        let class = |ty: &Type| {
            let fields: BTreeSet<usize> = ty.writable().map(|(i, _)| i).collect();
            let manage = manage(ty).is_some();
            let writable = Writable { create: creatable(ty, &fields), update: fields, delete: !ty.closed, manage };
            TypeClass { seen: (0..ty.fields.len()).collect(), guarded: None, writable }
        };
        ViewClass { types: Arc::new(CATALOGUE.types.iter().map(class).collect()), operator: true, looks: true }
    }

    pub fn of(types: &[TypeView], operator: bool) -> Self {
        let seen: Vec<BTreeSet<usize>> = types.iter().map(TypeView::visible).collect();
        let writable = |(ty, view): (&Type, &TypeView)| {
            let known = |field: &Field| field.to.is_none_or(|to| !seen[to.0].is_empty());
            // nobody overwrites what it can only see treated
            let read = |i: usize| view.fields[i].levels.iter().any(|(_, shown)| *shown == Treatment::Full);
            let fields: BTreeSet<usize> = ty.writable().filter(|(i, f)| read(*i) && known(f)).map(|(i, _)| i).collect();
            let seen = !seen[ty.id.0].is_empty();
            Writable {
                create: if view.writes.create.is_never() { BTreeSet::new() } else { creatable(ty, &fields) },
                update: fields.into_iter().filter(|i| !view.writes.fields[*i].is_never()).collect(),
                delete: seen && !view.writes.delete.is_never(),
                manage: seen && !view.writes.manage.is_never(),
            }
        };
        let writable: Vec<Writable> = CATALOGUE.types.iter().zip(types).map(writable).collect();
        let guarded = types.iter().map(|view| view.guard.as_ref().map(|guard| guard.shape.clone()));
        let all = seen.iter().cloned().zip(guarded).zip(writable);
        let class = |((seen, guarded), writable)| TypeClass { seen, guarded, writable };
        let looks = types.iter().any(|view| !view.looks.is_empty());
        ViewClass { types: Arc::new(all.map(class).collect()), operator, looks }
    }

    pub fn sees_type(&self, ty: TypeId) -> bool {
        !self.types[ty.0].seen.is_empty()
    }

    pub fn sees(&self, ty: TypeId, field: usize) -> bool {
        self.types[ty.0].seen.contains(&field)
    }

    pub fn guarded(&self, ty: TypeId) -> Option<&Shape> {
        self.types[ty.0].guarded.as_ref()
    }

    pub fn writable(&self, ty: TypeId) -> &Writable {
        &self.types[ty.0].writable
    }
}

/// What a new row can be given, unless something that it needs is not among it.
fn creatable(ty: &Type, fields: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut needed = ty.fields.iter().enumerate().skip(1).filter(|(_, f)| !f.optional && f.filled.is_none());
    if needed.all(|(i, _)| fields.contains(&i)) { fields.clone() } else { BTreeSet::new() }
}

impl TypeView {
    /// What stands before a field that is shown in sums.
    pub fn guarding(&self, field: usize) -> Option<&Guard> {
        self.guard.as_ref().filter(|guard| guard.shape.measures.contains(&field))
    }

    pub fn hidden(ty: &Type) -> Self {
        let fields = vec![FieldView::default(); ty.fields.len()];
        TypeView {
            row: never(),
            fields,
            guard: None,
            agreements: BTreeSet::new(),
            looks: BTreeSet::new(),
            writes: Writes::none(ty),
        }
    }

    /// The fields that can be seen at all; with any of them goes the key.
    pub fn visible(&self) -> BTreeSet<usize> {
        let mut all: BTreeSet<usize> = (1..self.fields.len()).filter(|f| !self.fields[*f].is_hidden()).collect();
        if !all.is_empty() {
            all.insert(0);
        }
        all
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
