//! What somebody may want to do to a row: read it, write it, take it along, open a field of it. Each is asked of a view
//! of its own kind, in which a row or field is there where the deed may be done to it, so that what looks into views
//! looks into all of them alike. What a deed asks of reading is part of its view.

use std::sync::Arc;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{Refusal, Rules};
use crate::{
    access::{
        Treatment,
        compile::{Glass, let_out, one_type},
        facts::Facts,
        pred::{Pred, always, and, never, not, or},
        roster::Seat,
        trace::Act,
        view::{FieldView, TypeView},
    },
    catalogue::{CATALOGUE, Type, TypeId},
};

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Deed {
    #[default]
    Read,
    /// Make a row; one that is there stands for what it would be like
    Create,
    /// Change a field
    Update,
    Delete,
    /// Do what the hub has operations for, such as to pause a webhook
    Manage,
    /// Take rows along, as a file
    Export,
    /// Break the glass: see a hidden field for an hour
    Open,
}

/// Whether something may be done to the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum May {
    Yes,
    No,
    /// There is no such row for who asks.
    Absent,
    /// It may be done to no row.
    Never,
}

impl May {
    pub fn word(self) -> &'static str {
        match self {
            May::Yes => "allowed",
            May::No => "refused",
            May::Absent => "absent",
            May::Never => "unknown",
        }
    }
}

impl Deed {
    pub fn word(self) -> &'static str {
        match self {
            Deed::Read => "read",
            Deed::Create => "create",
            Deed::Update => "update",
            Deed::Delete => "delete",
            Deed::Manage => "manage",
            Deed::Export => "export",
            Deed::Open => "open",
        }
    }

    /// Whether it is done to whole rows, never to a field.
    pub fn is_whole(self) -> bool {
        matches!(self, Deed::Create | Deed::Delete | Deed::Manage | Deed::Export)
    }

    /// Why it cannot be asked so.
    pub fn unfit(self, field: Option<usize>) -> Option<String> {
        match (self, field) {
            (deed, Some(_)) if deed.is_whole() => {
                Some(format!("to {} speaks of whole rows, leave the field out", self.word()))
            }
            (Deed::Open, None) => Some("to open speaks of one field, name it as in `Contact.phone`".into()),
            _ => None,
        }
    }

    /// How the seat's views are compiled, from which it is seen.
    pub fn glass(self) -> Glass {
        match self {
            Deed::Open => Glass::Broken,
            Deed::Export => Glass::Whole,
            _ => Glass::Asked,
        }
    }

    /// The action of the policies that decides, of a field if it is about one.
    pub fn act(self, field: usize) -> Act {
        match self {
            Deed::Read | Deed::Open => Act::Read(field),
            Deed::Create => Act::Create,
            Deed::Update => Act::Write(field),
            Deed::Delete => Act::Delete,
            Deed::Manage => Act::Manage,
            Deed::Export => Act::Export,
        }
    }

    /// What of a row must be read in full by whoever does it.
    pub fn needs(self, ty: &Type, field: Option<usize>) -> Vec<usize> {
        match self {
            Deed::Update => field.into_iter().collect(),
            Deed::Create => {
                let needed = ty.writable().filter(|(_, field)| !field.optional);
                needed.map(|(i, _)| i).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The seat's view of the type as this deed sees it.
    pub fn view(self, rules: &Rules, seat: &Seat, facts: &Facts, ty: TypeId) -> Result<TypeView, Refusal> {
        let seen = self.seen(rules, seat, facts, ty)?;
        let of = CATALOGUE.ty(ty);
        Ok(match self {
            Deed::Read => seen,
            Deed::Create => {
                let needed = self.needs(of, None).into_iter().map(|field| full(&seen, field));
                let row = and([seen.row.clone(), seen.writes.create.clone()].into_iter().chain(needed));
                wholly(of, row)
            }
            Deed::Update => {
                let may = |field: usize| and([full(&seen, field), seen.writes.fields[field].clone()]);
                by_field(of, &seen.row, may)
            }
            Deed::Delete => wholly(of, and([seen.row.clone(), seen.writes.delete.clone()])),
            Deed::Manage => wholly(of, and([seen.row.clone(), seen.writes.manage.clone()])),
            Deed::Export => wholly(of, and([seen.row, let_out(rules, seat, facts, ty)?])),
            Deed::Open => {
                let broken = one_type(rules, seat, facts, ty, Glass::Broken)?;
                let shown = |field| and([broken.row.clone(), full(&broken, field), not(full(&seen, field))]);
                by_field(of, &seen.row, shown)
            }
        })
    }

    /// What the seat sees, of that on which the deed builds. A look builds on what is seen without looks.
    pub fn seen(self, rules: &Rules, seat: &Seat, facts: &Facts, ty: TypeId) -> Result<TypeView, Refusal> {
        let glass = if self == Deed::Open { Glass::Whole } else { self.glass() };
        one_type(rules, seat, facts, ty, glass)
    }

    // ---- in words: `may change`, `may be changed`

    pub fn active(self) -> &'static str {
        match self {
            Deed::Read => "sees",
            Deed::Create => "may create",
            Deed::Update => "may change",
            Deed::Delete => "may delete",
            Deed::Manage => "may manage",
            Deed::Export => "may take along",
            Deed::Open => "may open",
        }
    }

    pub fn passive(self) -> &'static str {
        match self {
            Deed::Read => "is seen",
            Deed::Create => "may be created",
            Deed::Update => "may be changed",
            Deed::Delete => "may be deleted",
            Deed::Manage => "may be managed",
            Deed::Export => "may be taken along",
            Deed::Open => "may be opened",
        }
    }
}

impl TypeView {
    /// Of a deed's view: what may be done to one of the fields, in a row that is read and in this view shown so.
    pub fn may(
        &self,
        fields: &[usize],
        read: Option<&Vec<Option<Treatment>>>,
        shown: Option<&Vec<Option<Treatment>>>,
    ) -> May {
        match (read, shown) {
            _ if fields.iter().all(|field| self.fields[*field].is_hidden()) => May::Never,
            (None, _) => May::Absent,
            (_, Some(shown)) if fields.iter().any(|field| shown[*field].is_some()) => May::Yes,
            _ => May::No,
        }
    }
}

/// The rows in which the field is shown in full.
pub fn full(view: &TypeView, field: usize) -> Arc<Pred> {
    let full = view.fields[field].levels.iter().filter(|(_, shown)| *shown == Treatment::Full);
    or(full.map(|(p, _)| p.clone()))
}

fn wholly(ty: &Type, row: Arc<Pred>) -> TypeView {
    let field = FieldView { levels: vec![(always(), Treatment::Full)] };
    let fields = if row.is_never() { FieldView::default() } else { field };
    TypeView { row, fields: vec![fields; ty.fields.len()], ..TypeView::hidden(ty) }
}

fn by_field(ty: &Type, row: &Arc<Pred>, may: impl Fn(usize) -> Arc<Pred>) -> TypeView {
    let level = |field: usize| {
        let p = if field == 0 { never() } else { may(field) };
        FieldView { levels: if p.is_never() { Vec::new() } else { vec![(p, Treatment::Full)] } }
    };
    let fields: Vec<FieldView> = (0..ty.fields.len()).map(level).collect();
    let row = and([row.clone(), or(fields.iter().map(FieldView::access))]);
    TypeView { row, fields, ..TypeView::hidden(ty) }
}
