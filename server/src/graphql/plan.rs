//! A plan: a document for one view, ready to run. A fixed number of statements, the values to bind,
//! and how the rows become the answer's bytes. Policy is part of it and costs nothing at run time.

use std::sync::Arc;

use entities::meta::Kind;

use super::{
    tools::{Call, Shape},
    value::{Expected, Origin},
};
use crate::{
    access::{
        read::Arg,
        select::{Bucket, Statement},
    },
    audit::Read,
    catalogue::TypeId,
};

#[derive(Debug)]
pub struct Plan {
    pub steps: Vec<Step>,
    /// The first slots; those of the steps' parents follow.
    pub inputs: Vec<Input>,
    pub slots: usize,
    pub roots: Vec<(String, Root)>,
    /// The operator's tools that are used.
    pub calls: Vec<Call>,
    /// Introspection is answered by the schema.
    pub introspects: bool,
    /// Objects that an answer can have: what a run takes of a budget.
    pub cost: u32,
    /// What the access log says of each run.
    pub reads: Vec<Read>,
}

#[derive(Debug)]
pub enum Input {
    Ready(Arg),
    Read {
        origin: Origin,
        expected: Expected,
    },
    /// The key of the person who asks, as a list.
    Me,
    /// One value of a cursor.
    Cursor {
        origin: Origin,
        list: Arc<str>,
        index: usize,
        argument: &'static str,
    },
    /// The keys among the ids of the list that are of this type.
    KeysOf {
        origin: Origin,
        ty: TypeId,
    },
}

/// A statement and the rows it waits for.
#[derive(Debug)]
pub struct Step {
    pub statement: Statement,
    pub parent: Option<Parent>,
    /// The column with the version of the shared data.
    pub version: Option<usize>,
}

#[derive(Debug)]
pub struct Parent {
    pub step: usize,
    pub key: usize,
    pub slot: usize,
}

#[derive(Debug)]
pub enum Root {
    Typename,
    Introspection,
    /// A part of an object that needs no row.
    Ready(Vec<u8>),
    List(List),
    One {
        step: usize,
        object: Object,
    },
    /// `nodes(ids:)`: per type the step and the object.
    Nodes {
        ids: Origin,
        types: Vec<(TypeId, usize, Object)>,
    },
    Groups {
        step: usize,
        group: Vec<(String, GroupPart)>,
        /// The type whose rows are in the groups, and those that keys come from.
        types: Vec<TypeId>,
    },
    /// An object that is no row: the viewer, what a mutation gives.
    Parts(Vec<(String, Root)>),
    /// What a tool tells.
    Told {
        call: usize,
        shape: Shape,
    },
    Null,
}

/// A connection.
#[derive(Debug)]
pub struct List {
    /// The step with the rows, if any of them is asked for.
    pub rows: Option<usize>,
    pub count: Option<usize>,
    /// The column of the parent's rows with the key, unless this is a root.
    pub parent: Option<usize>,
    pub parts: Vec<(String, ListPart)>,
    pub limit: usize,
    /// Asked from the end: the rows come turned round.
    pub backward: bool,
    pub has_after: bool,
    pub has_before: bool,
    pub cursor: Cursor,
}

#[derive(Debug, Default)]
pub struct Cursor {
    pub list: String,
    pub columns: Vec<(usize, Kind)>,
}

#[derive(Debug)]
pub enum ListPart {
    Typename(String),
    Edges(Vec<(String, EdgePart)>),
    Nodes(Object),
    PageInfo(Vec<(String, PagePart)>),
    TotalCount,
}

#[derive(Debug)]
pub enum EdgePart {
    Typename(String),
    Cursor,
    Node(Object),
}

#[derive(Clone, Copy, Debug)]
pub enum PagePart {
    Typename,
    HasNext,
    HasPrevious,
    Start,
    End,
}

#[derive(Debug)]
pub struct Object {
    pub ty: TypeId,
    /// The column that is null when there is no such row.
    pub present: usize,
    pub parts: Vec<(String, Part)>,
}

impl Object {
    /// It is read by more than its own step.
    pub fn has_lists(&self) -> bool {
        self.parts.iter().any(|(_, part)| match part {
            Part::List(_) => true,
            Part::One { object, .. } => object.has_lists(),
            Part::Typename(_) | Part::Value { .. } => false,
        })
    }
}

#[derive(Debug)]
pub enum Part {
    Typename(&'static str),
    Value { column: usize, write: Write, flag: Option<usize> },
    One { object: Object, flag: Option<usize> },
    List(List),
}

/// How a cell is written.
#[derive(Clone, Copy, Debug)]
pub enum Write {
    Id(TypeId),
    Text,
    Enum,
    Int,
    Bool,
    Decimal,
    Instant,
    Date,
    Json,
}

impl Write {
    pub fn of(kind: Kind, is_enum: bool) -> Self {
        match kind {
            Kind::Text if is_enum => Write::Enum,
            Kind::Text | Kind::Id => Write::Text,
            Kind::Int => Write::Int,
            Kind::Bool => Write::Bool,
            Kind::Decimal => Write::Decimal,
            Kind::Instant => Write::Instant,
            Kind::Date => Write::Date,
            Kind::Json => Write::Json,
        }
    }
}

#[derive(Debug)]
pub enum GroupPart {
    Typename(String),
    Count(usize),
    /// Does the row stand for several groups?
    Suppressed(usize),
    Values(Vec<(String, GroupValue)>),
}

#[derive(Debug)]
pub enum GroupValue {
    Typename(String),
    Null,
    Cell {
        column: usize,
        write: Write,
    },
    /// A sum of whole numbers, as text.
    Whole(usize),
    Average {
        sum: usize,
        values: usize,
        kind: Kind,
    },
}

/// The most groups that one answer holds.
pub const GROUPS: usize = 10_000;

/// A key's value as the answer names it.
pub const fn key_write(kind: Kind, bucket: Option<Bucket>, is_enum: bool) -> Write {
    match (kind, bucket) {
        (_, Some(_)) | (Kind::Date, None) => Write::Date,
        (Kind::Text, None) if is_enum => Write::Enum,
        (Kind::Bool, None) => Write::Bool,
        (Kind::Int, None) => Write::Int,
        _ => Write::Text,
    }
}
