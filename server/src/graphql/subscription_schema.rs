//! The subscription root of a view class: fields for the types that a seat can ever see, and the events they give.

use async_graphql::{
    dynamic::{
        Enum, EnumItem, Field, FieldFuture, FieldValue, InputValue, Object, Subscription, SubscriptionField,
        SubscriptionFieldFuture, Type as AnyType, TypeRef,
    },
    futures_util::stream,
};

use super::model;
use crate::{
    access::ViewClass,
    catalogue::{Type, screaming},
};

/// A subscription that follows one type.
pub struct Feed {
    /// Behind `/feed/`, for those who poll.
    pub path: &'static str,
    pub field: &'static str,
    pub ty: &'static str,
    pub event: &'static str,
}

pub const FEEDS: &[Feed] = &[
    Feed { path: "demand", field: "demandUpdates", ty: "DemandBucket", event: "DemandUpdate" },
    Feed { path: "cases", field: "caseUpdates", ty: "Case", event: "CaseUpdate" },
];

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Entered,
    Changed,
    Left,
    Deleted,
    Gap,
    Checkpoint,
}

const KINDS: &[(Kind, &str, &str)] = &[
    (Kind::Entered, "ENTERED", "The row is shown from now on."),
    (Kind::Changed, "CHANGED", "What is shown of the row has changed; `changedFields` names what."),
    (Kind::Left, "LEFT", "The row is no longer shown: drop it. Only its id is given."),
    (Kind::Deleted, "DELETED", "The row is gone: drop it. Only its id is given."),
    (Kind::Gap, "GAP", "The stream could not go on exactly: drop all rows. Each that is shown now follows as ENTERED."),
    (Kind::Checkpoint, "CHECKPOINT", "Up to here the copy is complete. `cursor` is where to resume."),
];

impl Kind {
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }
}

/// The types of the class whose changes are kept: all but the access log, which nobody changes.
pub fn feed_types(class: &ViewClass) -> impl Iterator<Item = &'static Type> {
    model::types(class).filter(|ty| ty.table != "audit_event")
}

/// `SALES_ORDER`
pub fn type_value(ty: &Type) -> String {
    screaming(&ty.singular())
}

/// The root, unless there is nothing to follow, and the types that it needs.
pub fn build(class: &ViewClass) -> Option<(Subscription, Vec<AnyType>)> {
    let types: Vec<&Type> = feed_types(class).collect();
    if types.is_empty() {
        return None;
    }
    let mut root = Subscription::new("Subscription").description("What this seat may be told of as it happens.");
    let mut kind = Enum::new("ChangeKind");
    for (_, name, doc) in KINDS {
        kind = kind.item(EnumItem::new(*name).description(*doc));
    }
    let start = Enum::new("FeedStart")
        .item(
            EnumItem::new("SNAPSHOT")
                .description("ENTERED for each row that is shown now, a CHECKPOINT, and what happens then."),
        )
        .item(EnumItem::new("NOW").description("Only what happens from now on."));
    let mut followed = Enum::new("ChangeType").description("The types whose rows can be followed.");
    for ty in &types {
        followed = followed.item(EnumItem::new(type_value(ty)));
    }
    let mut parts: Vec<AnyType> = vec![kind.into(), start.into(), followed.into(), event("Change", "Node").into()];
    for feed in FEEDS {
        let Some(ty) = types.iter().find(|ty| ty.name == feed.ty) else { continue };
        let filter = InputValue::new("filter", TypeRef::named(format!("{}Filter", ty.name)));
        root = root.field(field(feed.field, feed.event, filter).description(ty.doc));
        parts.push(event(feed.event, ty.name).into());
    }
    let types = InputValue::new("types", TypeRef::named_nn_list_nn("ChangeType"));
    let changes = field("changes", "Change", types).description("The rows of several types, in one order.");
    Some((root.field(changes), parts))
}

fn field(name: &str, event: &str, argument: InputValue) -> SubscriptionField {
    // the feed answers: only what validation finds comes from here
    SubscriptionField::new(name, TypeRef::named_nn(event), |_| {
        SubscriptionFieldFuture::new(async { Ok(stream::empty::<async_graphql::Result<FieldValue<'_>>>()) })
    })
    .argument(argument)
    .argument(
        InputValue::new("after", TypeRef::named("String"))
            .description("The cursor of the last event that was taken: what follows is told, each event once."),
    )
    .argument(
        InputValue::new("from", TypeRef::named("FeedStart"))
            .description("Where to begin without a cursor; SNAPSHOT if nothing is said."),
    )
}

fn event(name: &str, node: &str) -> Object {
    let field =
        |name: &str, ty: TypeRef, doc: &str| Field::new(name, ty, |_| FieldFuture::Value(None)).description(doc);
    Object::new(name)
        .field(field("cursor", TypeRef::named_nn("String"), "Where to resume when this event has been taken."))
        .field(field("kind", TypeRef::named_nn("ChangeKind"), "What has happened."))
        .field(field("id", TypeRef::named("ID"), "The row; null for GAP and CHECKPOINT."))
        .field(field("node", TypeRef::named(node), "The row as a query shows it then; for ENTERED and CHANGED."))
        .field(field(
            "changedFields",
            TypeRef::named_nn_list_nn("String"),
            "For CHANGED: the row's own fields that are shown differently.",
        ))
        .field(field("occurredAt", TypeRef::named_nn("DateTime"), "When."))
        .field(field("reason", TypeRef::named("String"), "For GAP: why, and what to do."))
}
