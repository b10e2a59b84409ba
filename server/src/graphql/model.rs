//! What of the catalogue a view class shows, in GraphQL's terms. The schema is written from it and
//! the planner reads documents by it, so the two cannot drift apart.

use entities::meta::Kind;

use crate::{
    access::{
        ViewClass,
        guard::{Dimension, Shape},
        select::Bucket,
    },
    catalogue::{CATALOGUE, Field, List, Type, TypeId, camel, pascal, screaming},
    policy::schema::WEBHOOK,
};

/// A field that a class of views shows.
pub enum Shown<'a> {
    Scalar(usize, &'a Field),
    /// A reference, with the type that it leads to.
    One(usize, &'a Field, &'static Type),
    /// The rows of another type that point here.
    Many(&'a List, &'static Type),
}

/// One entry of `groupBy`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct GroupKey {
    /// `ORDERED_ON_MONTH`
    pub value: String,
    /// `orderedOnMonth`
    pub name: String,
    /// The reference over which the field is reached.
    pub over: Option<usize>,
    pub field: usize,
    pub bucket: Option<Bucket>,
    /// Of the field.
    pub ty: TypeId,
}

pub fn types(class: &ViewClass) -> impl Iterator<Item = &'static Type> {
    CATALOGUE.types.iter().filter(|t| class.sees_type(t.id))
}

/// The types that are shown in sums only.
pub fn guarded(class: &ViewClass) -> impl Iterator<Item = (&'static Type, &Shape)> {
    CATALOGUE.types.iter().filter_map(|t| Some((t, class.guarded(t.id)?)))
}

pub fn fields<'a>(class: &'a ViewClass, ty: &'a Type) -> impl Iterator<Item = Shown<'a>> {
    let own = ty.fields.iter().enumerate().filter(|(i, f)| class.sees(ty.id, *i) && is_value(*i, f));
    let own = own.filter_map(|(i, f)| match f.to {
        None => Some(Shown::Scalar(i, f)),
        Some(to) => class.sees_type(to).then(|| Shown::One(i, f, CATALOGUE.ty(to))),
    });
    let lists = ty.lists.iter().filter(|l| class.sees(l.of, l.by)).map(|l| Shown::Many(l, CATALOGUE.ty(l.of)));
    own.chain(lists)
}

/// A key that points at no entity of the catalogue would be an id that leads nowhere.
fn is_value(index: usize, field: &Field) -> bool {
    index == 0 || field.kind != Kind::Id || field.to.is_some()
}

pub fn field<'a>(class: &'a ViewClass, ty: &'a Type, name: &str) -> Option<Shown<'a>> {
    fields(class, ty).find(|f| match f {
        Shown::Scalar(_, field) | Shown::One(_, field, _) => field.name == name,
        Shown::Many(list, _) => list.name == name,
    })
}

/// The scalars of a type that can be ordered by.
pub fn orderable<'a>(class: &'a ViewClass, ty: &'a Type) -> impl Iterator<Item = (usize, &'a Field)> {
    scalars(class, ty).filter(|(_, f)| f.kind != Kind::Json)
}

pub fn scalars<'a>(class: &'a ViewClass, ty: &'a Type) -> impl Iterator<Item = (usize, &'a Field)> {
    fields(class, ty).filter_map(|f| match f {
        Shown::Scalar(i, field) => Some((i, field)),
        _ => None,
    })
}

pub fn numeric(field: &Field) -> bool {
    matches!(field.kind, Kind::Int | Kind::Decimal)
}

/// What has a smallest and a largest value.
pub fn comparable(index: usize, field: &Field) -> bool {
    index > 0 && matches!(field.kind, Kind::Int | Kind::Decimal | Kind::Instant | Kind::Date)
}

pub fn group_keys(class: &ViewClass, ty: &Type) -> Vec<GroupKey> {
    let mut out = Vec::new();
    for shown in fields(class, ty) {
        match shown {
            Shown::Scalar(i, field) if i > 0 => out.extend(keys_of(ty, None, i, field)),
            Shown::One(over, reference, to) => {
                for (i, field) in scalars(class, to).filter(|(i, f)| *i > 0 && f.kind == Kind::Text) {
                    let keys = keys_of(to, Some((over, reference)), i, field);
                    // a name means the same in every class: the type's own field keeps it
                    out.extend(keys.into_iter().filter(|k| ty.field(&k.name).is_none()));
                }
            }
            _ => {}
        }
    }
    out
}

fn keys_of(ty: &Type, over: Option<(usize, &Field)>, index: usize, field: &Field) -> Vec<GroupKey> {
    let key = |suffix: &str, bucket| {
        let mut name = over.map_or_else(|| field.name.clone(), |(_, r)| format!("{}{}", r.name, pascal(&field.name)));
        name.push_str(&pascal(suffix));
        GroupKey { value: screaming(&name), name, over: over.map(|(i, _)| i), field: index, bucket, ty: ty.id }
    };
    let buckets = || Bucket::NAMED.iter().map(|(suffix, bucket)| key(suffix, Some(*bucket)));
    match field.kind {
        Kind::Text | Kind::Bool | Kind::Int => vec![key("", None)],
        Kind::Date => std::iter::once(key("", None)).chain(buckets().skip(1)).collect(),
        Kind::Instant => buckets().collect(),
        Kind::Id | Kind::Decimal | Kind::Json => Vec::new(),
    }
}

/// The type of the keys of one side of a guard's grid.
pub fn side_name(side: &Dimension) -> String {
    let of = CATALOGUE.ty(side.of);
    if side.bucket.is_some() { "Date".into() } else { scalar_name(of, side.field, &of.fields[side.field]) }
}

pub fn enum_name(ty: &Type, field: &Field) -> String {
    format!("{}{}", ty.name, pascal(&field.name))
}

pub fn enum_value(stored: &str) -> String {
    stored.to_uppercase()
}

/// The type of a scalar's values.
pub fn scalar_name(ty: &Type, index: usize, field: &Field) -> String {
    if index == 0 {
        return "ID".into();
    }
    if !field.one_of.is_empty() {
        return enum_name(ty, field);
    }
    match field.kind {
        Kind::Id => "ID",
        Kind::Text => "String",
        Kind::Int if field.wide => "Long",
        Kind::Int => "Int",
        Kind::Bool => "Boolean",
        Kind::Decimal => "Decimal",
        Kind::Instant => "DateTime",
        Kind::Date => "Date",
        Kind::Json => "JSON",
    }
    .into()
}

/// The filter of a scalar; JSON has none.
pub fn scalar_filter(ty: &Type, index: usize, field: &Field) -> Option<String> {
    (field.kind != Kind::Json).then(|| format!("{}Filter", scalar_name(ty, index, field)))
}

/// A mutation of the catalogue's own.
#[derive(Clone, Copy, Debug)]
pub struct Mutation {
    pub ty: &'static Type,
    pub doing: Doing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    Create,
    Update,
    Delete,
    /// Opens a hidden field, and makes the look that says so.
    Open,
    /// Does something with a webhook of one's own.
    Hook(Hook),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    Add,
    Rotate,
    Pause,
    Resume,
    Replay,
    Remove,
}

impl Hook {
    const ALL: [Hook; 6] = [Hook::Add, Hook::Rotate, Hook::Pause, Hook::Resume, Hook::Replay, Hook::Remove];

    fn name(self) -> &'static str {
        match self {
            Hook::Add => "addWebhook",
            Hook::Rotate => "rotateWebhookSecret",
            Hook::Pause => "pauseWebhook",
            Hook::Resume => "resumeWebhook",
            Hook::Replay => "replayWebhook",
            Hook::Remove => "removeWebhook",
        }
    }
}

impl Mutation {
    /// `updateCustomer`
    pub fn name(self) -> String {
        let word = match self.doing {
            Doing::Create => "create",
            Doing::Update => "update",
            Doing::Delete => "delete",
            Doing::Open => return camel("break_glass"),
            Doing::Hook(hook) => return hook.name().into(),
        };
        format!("{word}{}", self.ty.name)
    }

    /// `UpdateCustomerInput`, `UpdateCustomerPayload`
    pub fn part(self, word: &str) -> String {
        format!("{}{word}", pascal(&self.name()))
    }

    /// The fields that its input has.
    pub fn fields(self, class: &ViewClass) -> impl Iterator<Item = (usize, &'static Field)> {
        let writable = class.writable(self.ty.id);
        let fields = match self.doing {
            Doing::Create => writable.create.clone(),
            Doing::Update => writable.update.clone(),
            Doing::Delete | Doing::Open | Doing::Hook(_) => Default::default(),
        };
        fields.into_iter().map(move |i| (i, &self.ty.fields[i]))
    }
}

/// What a class of views may write.
pub fn mutations(class: &ViewClass) -> impl Iterator<Item = Mutation> {
    CATALOGUE.types.iter().flat_map(move |ty| {
        let writable = class.writable(ty.id);
        let all = [
            (Doing::Create, !writable.create.is_empty()),
            (Doing::Update, !writable.update.is_empty()),
            (Doing::Delete, writable.delete),
        ];
        let all = all.into_iter().chain([(Doing::Open, ty.name == LOOK && class.looks && class.sees_type(ty.id))]);
        let hooks = Hook::ALL.map(|hook| (Doing::Hook(hook), ty.name == WEBHOOK && writable.manage));
        all.chain(hooks).filter(|(_, may)| *may).map(move |(doing, _)| Mutation { ty, doing })
    })
}

/// What is made of a look: who takes one sees it.
const LOOK: &str = "BreakGlass";

pub fn aggregate_field(ty: &Type) -> String {
    format!("{}Aggregate", ty.singular())
}

/// The name of an order's value: `shipToRegion` → `SHIP_TO_REGION`.
pub fn order_value(field: &Field) -> String {
    screaming(&field.name)
}

/// Plurals that are also a word of the root must not collide with it.
pub fn root_list(ty: &Type) -> String {
    camel(ty.plural)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_things_of_a_type_have_one_name() {
        let class = ViewClass::whole();
        for ty in types(&class) {
            let mut names = HashSet::new();
            for shown in fields(&class, ty) {
                let name = match shown {
                    Shown::Scalar(_, f) | Shown::One(_, f, _) => f.name.clone(),
                    Shown::Many(list, _) => list.name.to_string(),
                };
                assert!(names.insert(name.clone()), "{}.{name}", ty.name);
            }
            let mut keys = HashSet::new();
            for key in group_keys(&class, ty) {
                assert!(keys.insert(key.name.clone()), "{}Key.{}", ty.name, key.name);
            }
        }
    }
}
