//! Writing through the view: what may be written, what stays hidden, what happens twice, and what is left of a
//! write that fails. The rules' own are in `rules::answers`.

mod guard;
mod input;
mod once;
mod place;
mod record;
mod storm;
mod unread;

use serde_json::{Value, json};

use crate::harness::{Hub, Reply, Test};

pub fn tests() -> Vec<Test> {
    let all = [guard::tests(), input::tests(), once::tests(), place::tests(), record::tests(), storm::tests()];
    all.into_iter().chain([unread::tests()]).flatten().collect()
}

/// `updateCustomer` with this input, which gives these fields of the row.
pub async fn ask(hub: &Hub, seat: &str, mutation: &str, input: Value, shown: &str) -> Reply {
    let (doing, ty) = mutation.split_at(6);
    let row = if doing == "delete" { "id".to_owned() } else { format!("row: {} {{ {shown} }}", lower(ty)) };
    let input_type = format!("{}{ty}Input", doing.replacen(&doing[..1], &doing[..1].to_uppercase(), 1));
    let document = format!("mutation($input: {input_type}!) {{ done: {mutation}(input: $input) {{ {row} }} }}");
    hub.query_with(seat, &document, json!({ "input": input })).await
}

/// The row as its writer sees it afterwards.
pub async fn write(hub: &Hub, seat: &str, mutation: &str, input: Value, shown: &str) -> Value {
    ask(hub, seat, mutation, input, shown).await.data()["done"]["row"].take()
}

/// Code and message of a write that is refused, whether before or while it is done.
pub async fn refused(hub: &Hub, seat: &str, mutation: &str, input: Value) -> (String, String) {
    fault(&ask(hub, seat, mutation, input, "id").await)
}

pub fn fault(reply: &Reply) -> (String, String) {
    let body = reply.json();
    let errors = body["errors"].as_array().unwrap_or_else(|| panic!("no error: {} {body}", reply.status));
    assert!(errors.len() == 1 && body["data"]["done"].is_null(), "{body}");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&errors[0]["extensions"]["code"]), text(&errors[0]["message"]))
}

fn lower(ty: &str) -> String {
    ty.replacen(&ty[..1], &ty[..1].to_lowercase(), 1)
}

/// The first row of a list, in this order and filter.
pub async fn first(hub: &Hub, seat: &str, list: &str, arguments: &str, fields: &str) -> Value {
    let data = hub.data(seat, &format!("{{ {list}(first: 1, {arguments}) {{ nodes {{ {fields} }} }} }}")).await;
    let row = data[list]["nodes"][0].clone();
    assert!(!row.is_null(), "{list} {arguments}");
    row
}

/// What a supplier answered for the week that begins on this Monday.
pub async fn answer(hub: &Hub, seat: &str, monday: &str) -> Value {
    let of = format!(
        "filter: {{ bucketStart: {{ eq: \"{monday}\" }}, version: {{ status: {{ eq: PUBLISHED }} }}, \
         series: {{ product: {{ sku: {{ eq: \"S40\" }} }} }} }}"
    );
    first(hub, seat, "supplyCommitments", &of, "id rowVersion qty").await
}

/// Another quantity for it.
pub fn change(row: &Value, qty: &str) -> Value {
    json!({ "id": row["id"], "rowVersion": row["rowVersion"], "qty": qty })
}

/// The seat's schema has no such mutation: the answer is the one that a word without meaning gets.
pub async fn absent(hub: &Hub, seat: &str, mutation: &str) {
    let ask =
        async |name: &str| hub.refusal(seat, &format!("mutation {{ {name}(input: {{}}) {{ __typename }} }}")).await;
    let (code, message) = ask(mutation).await;
    let (_, nonsense) = ask("nonsense").await;
    assert_eq!(
        (code.as_str(), message),
        ("GRAPHQL_VALIDATION_FAILED", nonsense.replace("nonsense", mutation)),
        "{seat}"
    );
}
