//! The mutations of a seat's own webhooks, operations of the domain: what their inputs and payloads hold.

use async_graphql::dynamic::{InputObject, InputValue, Object};
use async_graphql_value::Value as Given;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use crate::{
    catalogue::Type,
    error::{Error, Result},
    graphql::{
        ids::Codec,
        model::{Hook, Mutation},
        schema::{field, named, required},
        value::Node,
    },
    webhook::Wish,
};

/// How long, in seconds, a secret is good beside the one that follows it, if nobody says, and at most.
const OVERLAP: i64 = 86_400;
const LONGEST: i64 = 7 * 86_400;

#[derive(Clone, Debug)]
pub struct Asked {
    pub wish: Wish,
    pub once: Option<String>,
}

impl Hook {
    pub fn doc(self) -> &'static str {
        match self {
            Hook::Add => "Sends the events of a subscription of this seat to a URL.",
            Hook::Rotate => "Makes a new secret for a webhook. For a while both sign, so that its receiver can follow.",
            Hook::Pause => "Sends nothing until the webhook is resumed.",
            Hook::Resume => "Goes on where the webhook was, also after the hub has disabled it.",
            Hook::Replay => "Sends again what followed an event, or everything from where the subscription begins.",
            Hook::Remove => "Forgets a webhook, with its secrets and the events that were given up.",
        }
    }

    fn tells_a_secret(self) -> bool {
        matches!(self, Hook::Add | Hook::Rotate)
    }
}

pub fn given(hook: Hook, input: InputObject) -> InputObject {
    let value = |name, ty, doc: &str| InputValue::new(name, ty).description(doc);
    match hook {
        Hook::Add => input
            .field(value("url", required("String"), "Where events are posted: https, at a public address."))
            .field(value(
                "document",
                required("String"),
                "`subscription { … }` with one field, without variables; with `kind` and `id` among what is asked for.",
            )),
        _ => {
            let input = input.field(value("id", required("ID"), "Of the webhook."));
            match hook {
                Hook::Rotate => input.field(value(
                    "overlap",
                    named("Int"),
                    "For so many seconds the secret before signs, too: a day, if nothing is said, and at most a week.",
                )),
                Hook::Replay => input.field(value(
                    "after",
                    named("String"),
                    "The `cursor` of the last event that is not to be sent again; null for all.",
                )),
                _ => input,
            }
        }
    }
}

pub fn payload(hook: Hook, ty: &Type, object: Object) -> Object {
    if hook == Hook::Remove {
        return object.field(field("id", required("ID")).description("Of the webhook that is no more."));
    }
    let doc = "The webhook as this seat sees it now; null if it does not.";
    let object = object.field(field(ty.singular(), named(ty.name)).description(doc));
    if !hook.tells_a_secret() {
        return object;
    }
    let doc = "With which the receiver verifies events, told this once; null if the input came again.";
    object.field(field("secret", named("String")).description(doc))
}

pub fn read(
    mutation: Mutation,
    hook: Hook,
    given: Option<&Given>,
    variables: &Map<String, Json>,
    codec: &Codec,
) -> Result<Asked> {
    let Some(Node::Object(given)) = given.and_then(|given| Node::of(given, variables)) else {
        return Err(Error::input("`input` is missing, or no object"));
    };
    let find = |name: &str| given.iter().find(|(given, _)| given.as_str() == name).map(|(_, node)| node);
    let text = |name: &str| match find(name).map(Node::json) {
        None | Some(Json::Null) => Ok(None),
        Some(Json::String(text)) => Ok(Some(text)),
        Some(_) => Err(Error::input(format!("`input.{name}` is no text"))),
    };
    let needed = |name: &str| text(name)?.ok_or_else(|| Error::input(format!("`input.{name}` is missing")));
    let endpoint = || -> Result<Uuid> {
        let found = codec.read_id(&needed("id")?).filter(|(ty, _)| *ty == mutation.ty.id);
        // as of a row that is not there: what is no id names none
        found
            .map(|(_, key)| key)
            .ok_or_else(|| Error::not_found(format!("there is no such {} that you can see", mutation.ty.name)))
    };
    let wish = match hook {
        Hook::Add => Wish::Add { url: needed("url")?, document: needed("document")? },
        Hook::Rotate => {
            let overlap = match find("overlap").map(Node::json) {
                None | Some(Json::Null) => Some(OVERLAP),
                Some(given) => given.as_i64().filter(|seconds| (0..=LONGEST).contains(seconds)),
            };
            let expected = || Error::input(format!("`input.overlap` is a number of seconds from 0 to {LONGEST}"));
            Wish::Rotate(endpoint()?, overlap.ok_or_else(expected)?)
        }
        Hook::Pause => Wish::Pause(endpoint()?),
        Hook::Resume => Wish::Resume(endpoint()?),
        Hook::Replay => Wish::Replay(endpoint()?, text("after")?),
        Hook::Remove => Wish::Remove(endpoint()?),
    };
    let once = find("idempotencyKey").map(super::input::key_of).transpose()?.flatten();
    Ok(Asked { wish, once })
}
