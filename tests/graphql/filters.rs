//! Every test on every kind, for a seat that sees all and for one to whom values are hidden or shortened
//! by the row; then conditions on related rows.

use entente::{
    catalogue::{Field, Type},
    graphql::access_of,
};
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Value, json};

use super::{
    ADMIN, AQUA, BERGMANN, PLANNER,
    rows::{Key, Row, Rows, key, ty, types, veiled, view},
};
use crate::harness::{Hub, tests};

tests! {
    reading: every_test_on_every_field, partners_filter_what_they_see, patterns_tell_upper_from_lower_case,
        conditions_combine, what_is_not_so_includes_what_is_unknown, a_reference_is_filtered_by_its_row,
        a_list_is_filtered_by_some_or_none, nested_lists_take_filters, a_reference_that_is_hidden_matches_nothing,
        values_of_a_filter_are_checked, a_filter_of_variables_equals_its_literal;
}

const ASK: &str = "first: 1000, orderBy: [{ field: ID }]";
/// As many orders as there are, and more.
const FEWER: &str = "first: 400, orderBy: [{ field: ID }]";

/// The ids that a filter lets through; their number is counted by another statement.
async fn filtered(hub: &Hub, seat: &str, rows: &Rows, filter: &Value) -> Vec<String> {
    let (list, name) = (&rows.list, rows.ty.name);
    let document = format!("query($f: {name}Filter) {{ {list}({ASK}, filter: $f) {{ totalCount nodes {{ id }} }} }}");
    let found = hub.data_with(seat, &document, json!({ "f": filter })).await[list].take();
    let nodes = found["nodes"].as_array().unwrap();
    assert_eq!(found["totalCount"], nodes.len(), "{list} {filter}");
    nodes.iter().map(|node| node["id"].as_str().unwrap().to_owned()).collect()
}

fn sorted(mut ids: Vec<&str>, rows: &Rows) -> Vec<String> {
    let at = |id: &&str| rows.all.iter().find(|row| row.id == **id).unwrap().key;
    ids.sort_by_key(at);
    ids.into_iter().map(String::from).collect()
}

/// A value that the hub must read as this key: the next below, itself, the next above are as telling.
fn written(field: &Field, key: &Key) -> Value {
    match (key, field.kind) {
        (Key::Bool(value), _) => json!(value),
        (Key::Number(number), Kind::Int) => json!(number),
        (Key::Number(number), Kind::Decimal) => json!(Decimal(*number).to_string()),
        (Key::Number(number), _) => json!(Instant(*number).to_string()),
        (Key::Text(text), Kind::Text) if !field.one_of.is_empty() => json!(text.to_uppercase()),
        (Key::Text(text), _) => json!(text),
        (Key::Id(_), _) => unreachable!("ids are compared as they are written"),
    }
}

type Holds = Box<dyn Fn(Option<Key>) -> bool + Send + Sync>;
type Keeps = Box<dyn Fn(&Row) -> bool + Send + Sync>;

/// The tests that a field takes, with what must hold of its value.
fn tests_of(field: &Field, pivot: &Key, others: &[Key]) -> Vec<(Value, Holds)> {
    let value = written(field, pivot);
    let p = || pivot.clone();
    let listed: Vec<Value> = others.iter().map(|key| written(field, key)).collect();
    let (inside, outside) = (others.to_vec(), others.to_vec());
    let (eq, ne) = (p(), p());
    let mut all: Vec<(Value, Holds)> = vec![
        (json!({ "eq": value }), Box::new(move |x| x == Some(eq.clone()))),
        // a missing value is not this one
        (json!({ "ne": value }), Box::new(move |x| x != Some(ne.clone()))),
        (json!({ "isNull": true }), Box::new(|x| x.is_none())),
        (json!({ "isNull": false }), Box::new(|x| x.is_some())),
        (json!({ "eq": null }), Box::new(|x| x.is_none())),
        (json!({ "ne": null }), Box::new(|x| x.is_some())),
    ];
    if field.kind != Kind::Bool {
        all.push((json!({ "in": listed }), Box::new(move |x| x.is_some_and(|x| inside.contains(&x)))));
        all.push((json!({ "notIn": listed }), Box::new(move |x| x.is_none_or(|x| !outside.contains(&x)))));
        all.push((json!({ "in": [] }), Box::new(|_| false)));
        all.push((json!({ "notIn": [] }), Box::new(|_| true)));
        // a single value stands for a list of itself
        let one = p();
        all.push((json!({ "in": value }), Box::new(move |x| x == Some(one.clone()))));
    }
    if field.kind != Kind::Bool && field.one_of.is_empty() {
        let (gt, gte, lt, lte, from, to) = (p(), p(), p(), p(), p(), others.iter().max().cloned().unwrap());
        let end = written(field, &to);
        all.push((json!({ "gt": value }), Box::new(move |x| x.is_some_and(|x| x > gt))));
        all.push((json!({ "gte": value }), Box::new(move |x| x.is_some_and(|x| x >= gte))));
        all.push((json!({ "lt": value }), Box::new(move |x| x.is_some_and(|x| x < lt))));
        all.push((json!({ "lte": value }), Box::new(move |x| x.is_some_and(|x| x <= lte))));
        // tests of one field must all hold
        let between = json!({ "gte": value, "lt": end });
        all.push((between, Box::new(move |x| x.is_some_and(|x| x >= from && x < to))));
        // as if they were not written
        all.push((json!({ "gt": null, "in": null, "isNull": null }), Box::new(|_| true)));
    }
    all
}

/// One field of each kind, and those that rows hide or shorten.
async fn telling(hub: &Hub, seat: &str, rows: &Rows) -> Vec<&'static Field> {
    let view = view(hub, seat).await;
    let mut seen = Vec::new();
    let fields = rows.ty.fields.iter().enumerate().skip(1);
    let shown =
        fields.filter(|(_, field)| field.kind != Kind::Json && rows.fields.iter().any(|f| f.name == field.name));
    shown
        .filter(|(at, field)| {
            let kind = (field.kind, field.one_of.is_empty(), field.optional);
            let first = !seen.contains(&kind);
            seen.push(kind);
            first || access_of(*at, &view.of(rows.ty.id).fields[*at]) != "FULL"
        })
        .map(|(_, field)| field)
        .collect()
}

async fn try_every_field(hub: &Hub, seat: &str, ty: &'static Type) -> usize {
    let rows = Rows::read(hub, seat, ty).await;
    let mut tried = 0;
    for field in telling(hub, seat, &rows).await {
        let mut keys: Vec<Key> = rows.all.iter().filter_map(|row| row.key(field)).collect();
        keys.sort();
        keys.dedup();
        if keys.is_empty() {
            continue;
        }
        let pivot = keys[keys.len() / 2].clone();
        let others = [keys[0].clone(), keys[keys.len() / 3].clone(), keys[keys.len() - 1].clone()];
        for (test, holds) in tests_of(field, &pivot, &others) {
            let expected = sorted(rows.ids(|row| holds(row.key(field))), &rows);
            let filter = json!({ &field.name: test });
            assert_eq!(filtered(hub, seat, &rows, &filter).await, expected, "{seat}: {} {filter}", rows.list);
            tried += 1;
        }
    }
    // ids are compared as they are
    if let (Some(first), Some(last)) = (rows.all.first(), rows.all.last()) {
        let all = rows.ids(|_| true);
        let but_first = sorted(rows.ids(|row| row.id != first.id), &rows);
        let ends = sorted(rows.ids(|row| row.id == first.id || row.id == last.id), &rows);
        for (test, expected) in [
            (json!({ "eq": first.id }), vec![first.id.clone()]),
            (json!({ "ne": first.id }), but_first.clone()),
            (json!({ "in": [first.id, last.id] }), ends),
            (json!({ "notIn": [first.id] }), but_first),
            (json!({ "isNull": false }), sorted(all, &rows)),
            (json!({ "isNull": true }), vec![]),
        ] {
            let filter = json!({ "id": test });
            assert_eq!(filtered(hub, seat, &rows, &filter).await, expected, "{seat}: {} {filter}", rows.list);
        }
    }
    tried
}

async fn every_test_on_every_field(hub: Hub) {
    let mut tried = 0;
    for ty in types(&hub, ADMIN).await {
        tried += try_every_field(&hub, ADMIN, ty).await;
    }
    assert!(tried > 1_000, "{tried}");
}

async fn partners_filter_what_they_see(hub: Hub) {
    for seat in [AQUA, BERGMANN] {
        for ty in veiled(&hub, seat).await {
            try_every_field(&hub, seat, ty).await;
        }
    }
    // a postcode that is shown as two characters is found by them only
    let rows = Rows::read(&hub, BERGMANN, ty("Customer")).await;
    let shown = rows.all.iter().find_map(|row| row.values["postcode"].as_str()).unwrap();
    assert_eq!(shown.chars().count(), 2);
    assert!(!filtered(&hub, BERGMANN, &rows, &json!({ "postcode": { "eq": shown } })).await.is_empty());
    let longer = json!({ "postcode": { "like": format!("{shown}_%") } });
    assert!(filtered(&hub, BERGMANN, &rows, &longer).await.is_empty(), "the rest of the postcode cannot be asked for");
}

/// `%` and `_` as SQL reads them, `\` before a character takes away its meaning.
fn matches(pattern: &[char], text: &[char]) -> bool {
    match pattern {
        [] => text.is_empty(),
        ['%', rest @ ..] => (0..=text.len()).any(|at| matches(rest, &text[at..])),
        ['\\', c, rest @ ..] => text.first() == Some(c) && matches(rest, &text[1..]),
        ['_', rest @ ..] => !text.is_empty() && matches(rest, &text[1..]),
        [c, rest @ ..] => text.first() == Some(c) && matches(rest, &text[1..]),
    }
}

async fn patterns_tell_upper_from_lower_case(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("Customer")).await;
    let mut seen = Vec::new();
    for pattern in [
        "Hafen%",
        "hafen%",
        "%AG",
        "%ag",
        "%wasser%",
        "Famili_ %",
        "%ü%",
        "%Ü%",
        "K9_K%",
        "%",
        "",
        "_",
        "%\\%%",
        "\\H%",
        "H%\\r%",
        "%e_s%e",
        "Z_rich%",
        "%'%",
        "%\"%",
        "K9 K\u{e4}ltetechnik GmbH",
        "%\\\\%",
    ] {
        let chars: Vec<char> = pattern.chars().collect();
        let name = |row: &Row| row.values["name"].as_str().unwrap().chars().collect::<Vec<char>>();
        let expected = sorted(rows.ids(|row| matches(&chars, &name(row))), &rows);
        let found = filtered(&hub, ADMIN, &rows, &json!({ "name": { "like": pattern } })).await;
        assert_eq!(found, expected, "{pattern}");
        seen.push(found.len());
    }
    assert!(seen.iter().filter(|count| **count > 0).count() >= 9, "{seen:?}");
    for wrong in ["\\", "abc\\", "\\\\\\"] {
        let document = "query($p: String) { customers(filter: { name: { like: $p } }) { totalCount } }";
        let (code, message) = hub.refusal_with(ADMIN, document, json!({ "p": wrong })).await;
        assert!(code == "BAD_USER_INPUT" && message.contains("lone `\\`"), "{message}");
    }
    // what a filter carries stays a value
    for value in ["' OR 1=1 --", "\\'; DROP TABLE customer; --", "%' ESCAPE '", "\u{1F600}"] {
        for test in ["eq", "like", "gt"] {
            filtered(&hub, ADMIN, &rows, &json!({ "name": { test: value } })).await;
        }
    }
    assert_eq!(Rows::read(&hub, ADMIN, ty("Customer")).await.all.len(), rows.all.len());
}

fn text<'a>(row: &'a Row, name: &str) -> &'a str {
    row.values[name].as_str().unwrap_or_default()
}

async fn conditions_combine(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("Customer")).await;
    let at = json!({ "region": { "eq": "AT" } });
    let key = json!({ "segment": { "eq": "key" } });
    let level = json!({ "ndaLevel": { "gte": 1 } });
    let (is_at, is_key) = (|row: &Row| text(row, "region") == "AT", |row: &Row| text(row, "segment") == "key");
    let is_level = |row: &Row| row.values["ndaLevel"].as_i64() >= Some(1);
    let cases: Vec<(Value, Keeps)> = vec![
        (json!({ "region": { "eq": "AT" }, "segment": { "eq": "key" } }), Box::new(move |r| is_at(r) && is_key(r))),
        (json!({ "and": [at, key] }), Box::new(move |r| is_at(r) && is_key(r))),
        (json!({ "or": [at, key] }), Box::new(move |r| is_at(r) || is_key(r))),
        (json!({ "not": at }), Box::new(move |r| !is_at(r))),
        (json!({ "not": { "not": at } }), Box::new(move |r| is_at(r))),
        (json!({ "not": { "or": [at, key] } }), Box::new(move |r| !(is_at(r) || is_key(r)))),
        (json!({ "not": { "and": [at, key] } }), Box::new(move |r| !(is_at(r) && is_key(r)))),
        (json!({ "or": [{ "and": [at, key] }, level] }), Box::new(move |r| is_at(r) && is_key(r) || is_level(r))),
        (json!({ "or": [at, key], "not": level }), Box::new(move |r| (is_at(r) || is_key(r)) && !is_level(r))),
        (json!({ "and": at }), Box::new(move |r| is_at(r))),
        (json!({ "and": [] }), Box::new(|_| true)),
        (json!({ "or": [] }), Box::new(|_| false)),
        (json!({ "not": {} }), Box::new(|_| false)),
        (json!({}), Box::new(|_| true)),
        (Value::Null, Box::new(|_| true)),
        (json!({ "and": null, "or": null, "not": null, "region": null }), Box::new(|_| true)),
        (json!({ "or": [{}, at] }), Box::new(|_| true)),
    ];
    for (filter, holds) in cases {
        let expected = sorted(rows.ids(|row| holds(row)), &rows);
        assert_eq!(filtered(&hub, ADMIN, &rows, &filter).await, expected, "{filter}");
    }
}

/// Conditions are two-valued: a row is on one side of a condition or on the other.
async fn what_is_not_so_includes_what_is_unknown(hub: Hub) {
    for (seat, name) in
        [(ADMIN, "Customer"), (BERGMANN, "Customer"), (ADMIN, "SalesOrder"), (AQUA, "InventoryPosition")]
    {
        let rows = Rows::read(&hub, seat, ty(name)).await;
        for field in telling(&hub, seat, &rows).await {
            let Some(pivot) = rows.all.iter().find_map(|row| row.key(field)) else { continue };
            for (test, _) in tests_of(field, &pivot, std::slice::from_ref(&pivot)) {
                let so = json!({ &field.name: test });
                let mut both = filtered(&hub, seat, &rows, &so).await;
                both.extend(filtered(&hub, seat, &rows, &json!({ "not": so })).await);
                both.sort();
                let mut all: Vec<_> = rows.all.iter().map(|row| row.id.clone()).collect();
                all.sort();
                assert_eq!(both, all, "{seat}: {} {so}", rows.list);
            }
        }
    }
}

async fn ids(hub: &Hub, seat: &str, list: &str, filter: &str) -> Vec<Value> {
    let document = format!("{{ {list}({ASK}, filter: {filter}) {{ totalCount nodes {{ id }} }} }}");
    let found = hub.data(seat, &document).await[list].take();
    let ids: Vec<Value> = found["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()).collect();
    assert_eq!(found["totalCount"], ids.len());
    ids
}

/// The ids of nodes that satisfy the condition.
async fn where_so(hub: &Hub, seat: &str, list: &str, fields: &str, so: impl Fn(&Value) -> bool) -> Vec<Value> {
    let size = if fields.contains("first") { FEWER } else { ASK };
    let document = format!("{{ {list}({size}) {{ nodes {{ id {fields} }} pageInfo {{ hasNextPage }} }} }}");
    let list = hub.data(seat, &document).await[list].take();
    assert_eq!(list["pageInfo"]["hasNextPage"], false);
    let nodes = list["nodes"].as_array().unwrap();
    let found: Vec<Value> = nodes.iter().filter(|node| so(node)).map(|node| node["id"].clone()).collect();
    assert!(!found.is_empty() && found.len() < nodes.len(), "a condition that tells nothing apart");
    found
}

async fn a_reference_is_filtered_by_its_row(hub: Hub) {
    let lines = "{ order: { shipToRegion: { eq: \"AT\" } } }";
    let expected =
        where_so(&hub, ADMIN, "orderLines", "order { shipToRegion }", |n| n["order"]["shipToRegion"] == "AT");
    assert_eq!(ids(&hub, ADMIN, "orderLines", lines).await, expected.await);

    // two steps, and a condition beside
    let lines = "{ order: { customer: { ndaLevel: { gte: 1 } }, status: { ne: OPEN } }, qty: { gt: 3 } }";
    let fields = "qty order { status customer { ndaLevel } }";
    let expected = where_so(&hub, ADMIN, "orderLines", fields, |n| {
        n["order"]["customer"]["ndaLevel"].as_i64() >= Some(1)
            && n["order"]["status"] != "OPEN"
            && n["qty"].as_str().unwrap().parse::<Decimal>().unwrap() > Decimal::from_int(3)
    });
    assert_eq!(ids(&hub, ADMIN, "orderLines", lines).await, expected.await);

    // `{}` asks that there is such a row, its negation that there is none
    let carried = where_so(&hub, ADMIN, "salesOrders", "carrier { id }", |n| !n["carrier"].is_null()).await;
    assert_eq!(ids(&hub, ADMIN, "salesOrders", "{ carrier: {} }").await, carried);
    let not_carried = where_so(&hub, ADMIN, "salesOrders", "carrier { id }", |n| n["carrier"].is_null()).await;
    assert_eq!(ids(&hub, ADMIN, "salesOrders", "{ not: { carrier: {} } }").await, not_carried);
    // by the id of the row
    let org = hub.data(ADMIN, "{ organisations(filter: { slug: { eq: \"lindner\" } }) { nodes { id } } }").await;
    let id = org["organisations"]["nodes"][0]["id"].as_str().unwrap();
    assert_eq!(ids(&hub, ADMIN, "salesOrders", &format!("{{ carrier: {{ id: {{ eq: \"{id}\" }} }} }}")).await, carried);
}

async fn a_list_is_filtered_by_some_or_none(hub: Hub) {
    let fields = "lines(first: 10) { nodes { qty product { sku } lotNo } }";
    let lines = |node: &Value| node["lines"]["nodes"].as_array().unwrap().clone();
    let s40 = |line: &Value| line["product"]["sku"] == "S40";
    let some = where_so(&hub, ADMIN, "salesOrders", fields, |n| lines(n).iter().any(s40)).await;
    let none = where_so(&hub, ADMIN, "salesOrders", fields, |n| !lines(n).iter().any(s40)).await;
    let filter = |word: &str| format!("{{ lines: {{ {word}: {{ product: {{ sku: {{ eq: \"S40\" }} }} }} }} }}");
    assert_eq!(ids(&hub, ADMIN, "salesOrders", &filter("some")).await, some);
    assert_eq!(ids(&hub, ADMIN, "salesOrders", &filter("none")).await, none);
    assert_eq!(ids(&hub, ADMIN, "salesOrders", &format!("{{ not: {} }}", filter("none"))).await, some);

    // the conditions of one `some` speak of one row
    let one = "{ lines: { some: { product: { sku: { eq: \"S40\" } }, lotNo: { isNull: true } } } }";
    let so = where_so(&hub, ADMIN, "salesOrders", fields, |n| lines(n).iter().any(|l| s40(l) && l["lotNo"].is_null()));
    assert_eq!(ids(&hub, ADMIN, "salesOrders", one).await, so.await);
    // two of them may speak of two
    let two = "{ and: [{ lines: { some: { product: { sku: { eq: \"S40\" } } } } }, \
               { lines: { some: { product: { sku: { eq: \"P100\" } } } } }] }";
    let so = where_so(&hub, ADMIN, "salesOrders", fields, |n| {
        lines(n).iter().any(s40) && lines(n).iter().any(|l| l["product"]["sku"] == "P100")
    });
    assert_eq!(ids(&hub, ADMIN, "salesOrders", two).await, so.await);

    // lists within lists, down and up again
    let deep = "{ orders: { some: { lines: { some: { product: { sku: { eq: \"M20\" } } } }, carrier: {} } } }";
    let fields = "orders(first: 20) { nodes { carrier { id } lines(first: 6) { nodes { product { sku } } } } }";
    let so =
        where_so(&hub, ADMIN, "customers", fields, |n| {
            n["orders"]["nodes"].as_array().unwrap().iter().any(|order| {
                !order["carrier"].is_null() && lines(order).iter().any(|line| line["product"]["sku"] == "M20")
            })
        });
    assert_eq!(ids(&hub, ADMIN, "customers", deep).await, so.await);
    assert_eq!(ids(&hub, ADMIN, "customers", "{ orders: { none: {} } }").await, Vec::<Value>::new());
}

async fn nested_lists_take_filters(hub: Hub) {
    let document = "{ customers(first: 100) { nodes { id \
        all: orders(first: 100) { totalCount nodes { id status } } \
        open: orders(first: 100, filter: { status: { in: [OPEN, CONFIRMED] } }) { totalCount nodes { id status } } } } }";
    let data = hub.data(ADMIN, document).await;
    let mut open = 0;
    for customer in data["customers"]["nodes"].as_array().unwrap() {
        let all = customer["all"]["nodes"].as_array().unwrap();
        let expected: Vec<&Value> =
            all.iter().filter(|order| ["OPEN", "CONFIRMED"].contains(&order["status"].as_str().unwrap())).collect();
        assert_eq!(customer["open"]["nodes"].as_array().unwrap().iter().collect::<Vec<_>>(), expected);
        assert_eq!(
            (&customer["open"]["totalCount"], &customer["all"]["totalCount"]),
            (&json!(expected.len()), &json!(all.len()))
        );
        open += expected.len();
    }
    assert!(open > 10);
}

/// A row that the seat must not see is no row, wherever a filter meets it.
async fn a_reference_that_is_hidden_matches_nothing(hub: Hub) {
    // planners see orders, but not of whom: the field is not there
    for filter in ["{ customer: {} }", "{ customer: { name: { like: \"%\" } } }"] {
        let (code, _) = hub.refusal(PLANNER, &format!("{{ salesOrders(filter: {filter}) {{ totalCount }} }}")).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    }
    // a distributor sees its orders; a line's product may be one that it must not know yet
    let hidden = "PX500";
    let lines = ids(&hub, ADMIN, "orderLines", &format!("{{ product: {{ sku: {{ eq: \"{hidden}\" }} }} }}")).await;
    assert!(!lines.is_empty());
    for (list, filter) in [
        ("orderLines", format!("{{ product: {{ sku: {{ eq: \"{hidden}\" }} }} }}")),
        ("salesOrders", format!("{{ lines: {{ some: {{ product: {{ sku: {{ eq: \"{hidden}\" }} }} }} }} }}")),
        ("products", format!("{{ sku: {{ eq: \"{hidden}\" }} }}")),
        ("products", "{ name: { like: \"%PX500%\" } }".to_owned()),
    ] {
        assert_eq!(ids(&hub, BERGMANN, list, &filter).await, Vec::<Value>::new(), "{list} {filter}");
    }
    // the name of a customer under an agreement of silence is no answer to any question
    let rows = Rows::read(&hub, BERGMANN, ty("Customer")).await;
    for pattern in ["Alpenstahl%", "%stahl%", "Basel%"] {
        assert!(filtered(&hub, BERGMANN, &rows, &json!({ "name": { "like": pattern } })).await.is_empty());
        let orders = format!("{{ customer: {{ name: {{ like: \"{pattern}\" }} }} }}");
        assert_eq!(ids(&hub, BERGMANN, "salesOrders", &orders).await, Vec::<Value>::new());
    }
    let heron = filtered(&hub, BERGMANN, &rows, &json!({ "codeName": { "eq": "Heron" } })).await;
    assert_eq!(heron.len(), 1, "by its code name it is found");
}

async fn values_of_a_filter_are_checked(hub: Hub) {
    let id = hub.data(ADMIN, "{ products(first: 1) { nodes { id } } }").await["products"]["nodes"][0]["id"].take();
    let id = id.as_str().unwrap();
    for (list, field, test, value, part) in [
        ("customers", "name", "eq", json!(5), "a string"),
        ("customers", "ndaLevel", "eq", json!("1"), "32 bits"),
        ("customers", "ndaLevel", "eq", json!(1.5), "32 bits"),
        ("customers", "ndaLevel", "gt", json!(3_000_000_000_i64), "filter.ndaLevel.gt"),
        ("customers", "creditLimit", "lt", json!("a lot"), "decimal"),
        ("customers", "creditLimit", "lt", json!("1.23456"), "decimal"),
        ("customers", "creditLimit", "lt", json!("1e3"), "decimal"),
        ("customers", "creditLimit", "lt", json!(true), "decimal"),
        ("customers", "createdAt", "gte", json!("2026-06-31T00:00:00Z"), "moment"),
        ("customers", "createdAt", "gte", json!("2026-06-15"), "moment"),
        ("customers", "createdAt", "gte", json!(7), "moment"),
        ("salesOrders", "requestedDate", "eq", json!("2026-02-30"), "day"),
        ("salesOrders", "requestedDate", "eq", json!("15.06.2026"), "day"),
        ("salesOrders", "requestedDate", "eq", json!("26-6-1"), "day"),
        ("salesOrders", "requestedDate", "in", json!(["2026-06-15", "soon"]), "day"),
        ("salesOrders", "status", "eq", json!("OPENN"), "OPENN"),
        ("salesOrders", "status", "in", json!(["OPEN", "open"]), ""),
        ("cases", "safetyFlag", "eq", json!("true"), "true or false"),
        ("customers", "id", "eq", json!(id), "id of type Customer"),
        ("customers", "id", "in", json!(["x"]), "id of type Customer"),
        ("customers", "id", "eq", json!("Customer_AAAAAAAAAAAAAAAAAAAAA"), "id of type Customer"),
        ("customers", "name", "eq", json!("a\u{0}b"), "zero"),
        ("customers", "name", "in", json!([null]), ""),
        ("customers", "name", "eq", json!({ "a": 1 }), ""),
        ("customers", "name", "eq", json!(["a"]), ""),
        ("customers", "name", "isNull", json!("yes"), ""),
        ("customers", "name", "about", json!("x"), "about"),
        ("customers", "nmae", "eq", json!("x"), "nmae"),
        ("customers", "and", "eq", json!("x"), ""),
    ] {
        let rows = ty(match list {
            "customers" => "Customer",
            "salesOrders" => "SalesOrder",
            _ => "Case",
        });
        let name = rows.name;
        let document = format!("query($f: {name}Filter) {{ {list}(filter: $f) {{ totalCount }} }}");
        let filter = json!({ "f": { field: { test: value } } });
        // seen for the first time, and once more when the document is known
        for _ in 0..2 {
            let reply = hub.query_with(ADMIN, &document, filter.clone()).await;
            assert_eq!(reply.status, 400, "{filter}: {}", reply.text);
            let (code, message) = reply.refusal();
            assert_eq!(code, "BAD_USER_INPUT", "{filter}: {message}");
            assert!(message.contains(part) || message.contains("Invalid value"), "{filter}: {message}");
            assert!(!message.contains('\n'));
            hub.data_with(ADMIN, &document, json!({ "f": {} })).await;
        }
    }
    let deep = (0..20).fold(json!({}), |inner, _| json!({ "not": inner }));
    let document = "query($f: CustomerFilter) { customers(filter: $f) { totalCount } }";
    let (code, message) = hub.refusal_with(ADMIN, document, json!({ "f": deep })).await;
    assert_eq!(code, "COST_LIMIT_EXCEEDED", "{message}");
}

async fn a_filter_of_variables_equals_its_literal(hub: Hub) {
    let literal = "{ customers(first: 100, filter: { or: [{ region: { in: [\"AT\", \"CH\"] } }, { segment: { eq: \"small\" }, \
                   ndaLevel: { lt: 1 } }] }) { nodes { id } } }";
    let expected = hub.data(ADMIN, literal).await;
    assert!(!expected["customers"]["nodes"].as_array().unwrap().is_empty());
    let rest = "{ nodes { id } } }";
    for (document, variables) in [
        (
            "query($f: CustomerFilter) { customers(first: 100, filter: $f)",
            json!({ "f": { "or": [{ "region": { "in": ["AT", "CH"] } }, { "segment": { "eq": "small" }, "ndaLevel": { "lt": 1 } }] } }),
        ),
        (
            "query($or: [CustomerFilter!]) { customers(first: 100, filter: { or: $or })",
            json!({ "or": [{ "region": { "in": ["AT", "CH"] } }, { "segment": { "eq": "small" }, "ndaLevel": { "lt": 1 } }] }),
        ),
        (
            "query($a: CustomerFilter!, $s: StringFilter, $n: Int) { customers(first: 100, filter: { or: [$a, { segment: $s, ndaLevel: { lt: $n } }] })",
            json!({ "a": { "region": { "in": ["AT", "CH"] } }, "s": { "eq": "small" }, "n": 1 }),
        ),
        (
            "query($in: [String!], $x: String) { customers(first: 100, filter: { or: [{ region: { in: $in } }, { segment: { eq: $x }, ndaLevel: { lt: 1 } }] })",
            json!({ "in": ["AT", "CH"], "x": "small" }),
        ),
        (
            "query($one: String!, $x: String) { customers(first: 100, filter: { or: [{ region: { in: [$one, \"CH\"] } }, { segment: { eq: $x }, ndaLevel: { lt: 1 } }] })",
            json!({ "one": "AT", "x": "small" }),
        ),
    ] {
        let document = format!("{document} {rest}");
        assert_eq!(hub.data_with(ADMIN, &document, variables.clone()).await, expected, "{document}");
    }
    // a known document takes other values
    let document = "query($one: String!, $list: [String!], $k: Int) { customers(first: 100, filter: { region: { in: [$one, \"CH\"] }, \
                    segment: { in: $list }, ndaLevel: { lt: $k } }) { nodes { region segment ndaLevel } } }";
    for (one, list, k) in [("AT", json!(["key"]), 9), ("DE", json!(["small", "standard"]), 1), ("FR", json!([]), 5)] {
        let variables = json!({ "one": one, "list": list, "k": k });
        let found = hub.data_with(ADMIN, document, variables).await["customers"]["nodes"].take();
        let rows = Rows::read(&hub, ADMIN, ty("Customer")).await;
        let so = |row: &Row| {
            [one, "CH"].contains(&row.values["region"].as_str().unwrap())
                && list.as_array().unwrap().contains(&row.values["segment"])
                && key(rows.fields.iter().find(|f| f.name == "ndaLevel").unwrap(), &row.values["ndaLevel"])
                    < Some(Key::Number(k))
        };
        assert_eq!(found.as_array().unwrap().len(), rows.ids(so).len(), "{one} {list} {k}");
    }
}
