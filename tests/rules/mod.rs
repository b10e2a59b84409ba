//! The rules of `policies/README.md`, each tried by the seats that it speaks of. The operator's seat sees
//! everything and says what is there; the rule says what of it another seat must see.

mod answers;
mod cases;
mod customers;
mod demand;
mod deputies;
mod embargo;
mod glass;
mod groups;
mod machines;
mod moments;
mod nda;
mod orders;
mod organisations;
mod persons;
mod stock;

use serde_json::Value;

use crate::harness::{Hub, Test};

const ADMIN: &str = "nordwind/admin";
/// Supplier A.
const AQUA: &str = "aqua-seals/partner_planner";
const AQUA_MACHINE: &str = "aqua-seals/service_account";
/// Distributor B.
const BERGMANN: &str = "bergmann/partner_sales";
const BERGMANN_MARKETING: &str = "bergmann/partner_marketing";
/// Supplier C.
const CERAM: &str = "ceram-motors/partner_planner";
/// Distributor D.
const DAUPHIN: &str = "dauphin/partner_sales";
/// Logistics L.
const LINDNER: &str = "lindner/partner_planner";

pub fn tests() -> Vec<Test> {
    [
        answers::tests(),
        cases::tests(),
        customers::tests(),
        demand::tests(),
        deputies::tests(),
        embargo::tests(),
        glass::tests(),
        groups::tests(),
        machines::tests(),
        moments::tests(),
        nda::tests(),
        orders::tests(),
        organisations::tests(),
        persons::tests(),
        stock::tests(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Every row of a list, page by page; as many as the list says it has.
async fn all(hub: &Hub, seat: &str, list: &str, fields: &str) -> Vec<Value> {
    let mut rows: Vec<Value> = Vec::new();
    let mut after = String::new();
    loop {
        let document = format!(
            "{{ {list}(first: 100{after}) {{ totalCount nodes {{ {fields} }} pageInfo {{ hasNextPage endCursor }} }} }}"
        );
        let mut page = hub.data(seat, &document).await[list].take();
        rows.append(page["nodes"].as_array_mut().unwrap());
        if page["pageInfo"]["hasNextPage"] == false {
            assert_eq!(page["totalCount"], rows.len(), "{seat}: {list}");
            return rows;
        }
        after = format!(", after: {}", page["pageInfo"]["endCursor"]);
    }
}

/// How many rows the seat can see. A list that its schema does not have has none.
async fn count(hub: &Hub, seat: &str, list: &str) -> usize {
    let reply = hub.query(seat, &format!("{{ {list} {{ totalCount }} }}")).await;
    if reply.json().get("errors").is_some() {
        assert_eq!(
            reply.refusal(),
            ("GRAPHQL_VALIDATION_FAILED".into(), format!("Unknown field \"{list}\" on type \"Query\"."))
        );
        return 0;
    }
    reply.data()[list]["totalCount"].as_u64().unwrap() as usize
}

/// One value of each row, sorted: `/product/sku`. What is hidden is left out.
fn column(rows: &[Value], pointer: &str) -> Vec<String> {
    let mut values: Vec<String> =
        rows.iter().filter_map(|row| row.pointer(pointer)).filter(|v| !v.is_null()).map(text).collect();
    values.sort();
    values
}

/// The same for the rows that a condition holds for.
fn column_where(rows: &[Value], pointer: &str, holds: impl Fn(&Value) -> bool) -> Vec<String> {
    column(&rows.iter().filter(|row| holds(row)).cloned().collect::<Vec<_>>(), pointer)
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), String::from)
}

fn at<'v>(row: &'v Value, pointer: &str) -> &'v str {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The word, for which `$` stands in the document, is none of the seat's schema: the answer is the one
/// that a word without meaning gets.
async fn absent(hub: &Hub, seat: &str, document: &str, word: &str) {
    let ask = async |word: &str| hub.refusal(seat, &document.replace('$', word)).await;
    let (code, message) = ask(word).await;
    let (_, nonsense) = ask("nonsense").await;
    assert_eq!((code.as_str(), message), ("GRAPHQL_VALIDATION_FAILED", nonsense.replace("nonsense", word)), "{seat}");
}

/// The rows of the list have none of these fields; references are written `customer { id }`.
async fn lacks(hub: &Hub, seat: &str, list: &str, fields: &[&str]) {
    for field in fields {
        let (word, rest) = field.split_once(' ').unwrap_or((field, ""));
        absent(hub, seat, &format!("{{ {list} {{ nodes {{ $ {rest} }} }} }}"), word).await;
    }
}

/// The schema has no such list.
async fn no_list(hub: &Hub, seat: &str, list: &str) {
    absent(hub, seat, "{ $ { totalCount } }", list).await;
}
