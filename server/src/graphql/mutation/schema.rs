//! The mutations of a view class, as GraphQL types. What no policy permits is not there, as a hidden field is not.

use async_graphql::dynamic::{InputObject, InputValue, Object, Type as AnyType};

use super::webhook;
use crate::{
    access::ViewClass,
    graphql::{
        model::{self, Doing, Mutation},
        schema::{field, named, required},
    },
};

pub const ROOT: &str = "Mutation";

/// The root and its types; nothing if there is nothing that the class may write.
pub fn schema(class: &ViewClass) -> Vec<AnyType> {
    let mut root =
        Object::new(ROOT).description("What this seat may write. One after the other, each wholly or not at all.");
    let mut parts = Vec::new();
    for mutation in model::mutations(class) {
        let name = mutation.ty.name;
        let doc = match mutation.doing {
            Doing::Create => format!("Makes a {name}, in rows that this seat may make."),
            Doing::Update => format!("Changes what is given of a {name}; what is left out stays as it is."),
            Doing::Delete => format!("Deletes a {name}."),
            Doing::Open => "Opens one hidden field of one row to you alone, for 60 minutes and a reason, if a policy \
                            lets you. Whoever answers for the row is told by mail."
                .to_owned(),
            Doing::Hook(hook) => hook.doc().to_owned(),
        };
        let input = InputValue::new("input", required(mutation.part("Input")));
        root = root.field(field(mutation.name(), named(mutation.part("Payload"))).argument(input).description(doc));
        parts.push(given(class, mutation).into());
        parts.push(payload(mutation).into());
    }
    if !parts.is_empty() {
        parts.push(root.into());
    }
    parts
}

fn given(class: &ViewClass, mutation: Mutation) -> InputObject {
    let Mutation { ty, doing } = mutation;
    let mut input = InputObject::new(mutation.part("Input"));
    if doing == Doing::Open {
        let text = |name, doc| InputValue::new(name, required("String")).description(doc);
        let id = InputValue::new("id", required("ID")).description("Of the row.");
        let field = text("field", "Its name, as queries write it.");
        return input.field(id).field(field).field(text("reason", "Why, for the owner and the access log."));
    }
    if let Doing::Hook(hook) = doing {
        return webhook::given(hook, input).field(idempotency_key());
    }
    if doing != Doing::Create {
        input = input.field(InputValue::new("id", required("ID")));
        if ty.version().is_some() {
            let doc = "The `rowVersion` that was read: if somebody else wrote since, the answer is CONFLICT.";
            input = input.field(InputValue::new("rowVersion", required("Int")).description(doc));
        }
    }
    for (i, column) in mutation.fields(class) {
        let name = if column.to.is_some() { "ID".into() } else { model::scalar_name(ty, i, column) };
        let needed = doing == Doing::Create && !column.optional;
        let value = InputValue::new(&column.name, if needed { required(name) } else { named(name) });
        input = input.field(value.description(column.doc));
    }
    input.field(idempotency_key())
}

fn idempotency_key() -> InputValue {
    let doc =
        "A name for this write, of the client's choice. If it comes again within a week, nothing is written twice.";
    InputValue::new("idempotencyKey", named("String")).description(doc)
}

fn payload(mutation: Mutation) -> Object {
    let Mutation { ty, doing } = mutation;
    let object = Object::new(mutation.part("Payload"));
    match doing {
        Doing::Hook(hook) => webhook::payload(hook, ty, object),
        Doing::Delete => object.field(field("id", required("ID")).description("Of the row that is no more.")),
        Doing::Create | Doing::Update | Doing::Open => {
            let doc = "The row as this seat sees it now; null if it does not.";
            object.field(field(ty.singular(), named(ty.name)).description(doc))
        }
    }
}
