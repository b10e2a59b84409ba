//! Aggregates against the same numbers worked out from plain rows.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveDate};
use entente::{
    access::select::Bucket,
    catalogue::{CATALOGUE, Field, Type},
    graphql::model::{self, GroupKey},
};
use entities::{Decimal, Instant, meta::Kind};
use serde_json::{Map, Value, json};

use super::{
    ADMIN, AQUA, BERGMANN, MARKETING,
    rows::{Key, Rows, key, ty, types, veiled, view},
};
use crate::harness::{Hub, tests};

tests! {
    reading: every_key_groups, partners_group_what_they_see, every_function_on_every_field, keys_combine,
        a_filter_comes_before_the_groups, nothing_is_counted_too, a_hidden_row_moves_no_number,
        what_cannot_be_grouped_is_told;
    changing: there_are_not_too_many_groups;
}

/// A key as it sorts: values upward, nulls last.
type Sorted = (bool, Option<Key>);

fn sorted(key: Option<Key>) -> Sorted {
    (key.is_none(), key)
}

fn cut(day: NaiveDate, bucket: Bucket) -> NaiveDate {
    let first = |month| NaiveDate::from_ymd_opt(day.year(), month, 1).unwrap();
    match bucket {
        Bucket::Day => day,
        Bucket::Week => day - Days::new(u64::from(day.weekday().num_days_from_monday())),
        Bucket::Month => first(day.month()),
        Bucket::Quarter => first(day.month0() / 3 * 3 + 1),
        Bucket::Year => first(1),
    }
}

/// What the rows' value becomes as a key, sorted and as the answer writes it.
fn grouped(field: &Field, bucket: Option<Bucket>, value: &Value) -> (Sorted, Value) {
    let Some(bucket) = bucket.filter(|_| !value.is_null()) else { return (sorted(key(field, value)), value.clone()) };
    let text = value.as_str().unwrap();
    let day = match field.kind {
        Kind::Instant => text.parse::<Instant>().unwrap().utc().date_naive(),
        _ => text.parse().unwrap(),
    };
    let day = cut(day, bucket).to_string();
    (sorted(Some(Key::Text(day.clone()))), Value::String(day))
}

/// The value of each row for the key, over its reference if need be.
async fn values(hub: &Hub, seat: &str, rows: &Rows, by: &GroupKey) -> Vec<Value> {
    let name = &CATALOGUE.ty(by.ty).fields[by.field].name;
    let Some(over) = by.over else { return rows.all.iter().map(|row| row.values[name].clone()).collect() };
    let (list, over) = (&rows.list, &rows.ty.fields[over].name);
    let document = format!("{{ {list}(first: 1000) {{ nodes {{ {over} {{ {name} }} }} }} }}");
    let nodes = hub.data(seat, &document).await[list]["nodes"].take();
    nodes.as_array().unwrap().iter().map(|node| node[over][name].clone()).collect()
}

async fn try_every_key(hub: &Hub, seat: &str, ty: &'static Type) -> usize {
    let rows = Rows::read(hub, seat, ty).await;
    let keys = model::group_keys(&view(hub, seat).await.class, ty);
    let field = model::aggregate_field(ty);
    for by in &keys {
        let def = &CATALOGUE.ty(by.ty).fields[by.field];
        let mut expected: BTreeMap<Sorted, (Value, u64)> = BTreeMap::new();
        for value in values(hub, seat, &rows, by).await {
            let (at, shown) = grouped(def, by.bucket, &value);
            expected.entry(at).or_insert((shown, 0)).1 += 1;
        }
        let expected: Vec<Value> = expected
            .into_values()
            .map(|(shown, count)| json!({ "count": count, "key": { &by.name: shown } }))
            .collect();
        let document = format!("{{ {field}(groupBy: [{}]) {{ count key {{ {} }} }} }}", by.value, by.name);
        let found = hub.data(seat, &document).await[&field].take();
        assert_eq!(found, json!(expected), "{seat}: {document}");
    }
    keys.len()
}

async fn every_key_groups(hub: Hub) {
    let mut tried = 0;
    for ty in types(&hub, ADMIN).await {
        tried += try_every_key(&hub, ADMIN, ty).await;
    }
    assert!(tried > 400, "{tried}");
}

async fn partners_group_what_they_see(hub: Hub) {
    for seat in [AQUA, BERGMANN, MARKETING] {
        for ty in veiled(&hub, seat).await {
            try_every_key(&hub, seat, ty).await;
        }
    }
    // a shortened postcode groups by what is shown of it
    let groups = hub.data(BERGMANN, "{ customerAggregate(groupBy: [POSTCODE]) { count key { postcode } } }").await;
    for group in groups["customerAggregate"].as_array().unwrap() {
        assert!(group["key"]["postcode"].as_str().is_none_or(|shown| shown.chars().count() == 2), "{group}");
    }
}

/// In ten-thousandths, half away from zero.
fn average(kind: Kind, numbers: &[i64]) -> Value {
    if numbers.is_empty() {
        return Value::Null;
    }
    let scale = if kind == Kind::Int { i128::from(Decimal::SCALE) } else { 1 };
    let sum: i128 = numbers.iter().map(|n| i128::from(*n) * scale).sum();
    let count = numbers.len() as i128;
    let (whole, rest) = (sum / count, sum % count);
    let rounded = whole + if 2 * rest.abs() >= count { sum.signum() } else { 0 };
    json!(Decimal(i64::try_from(rounded).unwrap()).to_string())
}

fn number(key: &Key) -> i64 {
    match key {
        Key::Number(number) => *number,
        other => unreachable!("{other:?}"),
    }
}

async fn every_function_on_every_field(hub: Hub) {
    let mut tried = 0;
    for (seat, of) in
        [(ADMIN, types(&hub, ADMIN).await), (AQUA, types(&hub, AQUA).await), (BERGMANN, types(&hub, BERGMANN).await)]
    {
        for ty in of {
            let rows = Rows::read(&hub, seat, ty).await;
            let numbers: Vec<&Field> = rows.fields.iter().skip(1).filter(|f| model::numeric(f)).copied().collect();
            let ends: Vec<&Field> = rows.fields.iter().skip(1).filter(|f| model::comparable(1, f)).copied().collect();
            let mut expected = Map::from_iter([("count".to_owned(), json!(rows.all.len()))]);
            for (function, fields) in [("sum", &numbers), ("avg", &numbers), ("min", &ends), ("max", &ends)] {
                let mut values = Map::new();
                for field in fields.iter() {
                    let mut all: Vec<(Key, &Value)> =
                        rows.all.iter().filter_map(|row| Some((row.key(field)?, &row.values[&field.name]))).collect();
                    all.sort_by(|a, b| a.0.cmp(&b.0));
                    let of: Vec<i64> =
                        if model::numeric(field) { all.iter().map(|(k, _)| number(k)).collect() } else { Vec::new() };
                    let value = match function {
                        "sum" if of.is_empty() => Value::Null,
                        "sum" if field.kind == Kind::Int => json!(of.iter().sum::<i64>().to_string()),
                        "sum" => json!(Decimal(of.iter().sum()).to_string()),
                        "avg" => average(field.kind, &of),
                        "min" => all.first().map_or(Value::Null, |(_, v)| (*v).clone()),
                        _ => all.last().map_or(Value::Null, |(_, v)| (*v).clone()),
                    };
                    values.insert(field.name.clone(), value);
                    tried += 1;
                }
                if !values.is_empty() {
                    expected.insert(function.into(), Value::Object(values));
                }
            }
            let asked: Vec<String> = expected
                .iter()
                .map(|(word, of)| match of.as_object() {
                    Some(of) => format!("{word} {{ {} }}", of.keys().cloned().collect::<Vec<_>>().join(" ")),
                    None => word.clone(),
                })
                .collect();
            let field = model::aggregate_field(ty);
            let document = format!("{{ {field} {{ {} }} }}", asked.join(" "));
            let found = hub.data(seat, &document).await[&field].take();
            assert_eq!(found, json!([expected]), "{seat}: {document}");
        }
    }
    assert!(tried > 250, "{tried}");
}

async fn keys_combine(hub: Hub) {
    let document = "{ orderLineAggregate(groupBy: [PRODUCT_FAMILY, STATUS, ORDERED_ON_QUARTER]) { \
        key { orderedOnQuarter status productFamily productSku } count sum { qty netAmount } avg { qty } max { requestedDate } } }";
    let found = hub.data(ADMIN, document).await["orderLineAggregate"].take();
    let lines =
        "{ orderLines(first: 1000) { nodes { orderedOn status qty netAmount requestedDate product { family } } } }";
    let lines = hub.data(ADMIN, lines).await["orderLines"]["nodes"].take();
    let decimal = |value: &Value| value.as_str().unwrap().parse::<Decimal>().unwrap().0;
    let mut groups: BTreeMap<(String, String, String), Vec<&Value>> = BTreeMap::new();
    for line in lines.as_array().unwrap() {
        let day = cut(line["orderedOn"].as_str().unwrap().parse().unwrap(), Bucket::Quarter).to_string();
        let family = line["product"]["family"].as_str().unwrap().to_owned();
        groups.entry((family, line["status"].as_str().unwrap().to_lowercase(), day)).or_default().push(line);
    }
    let expected: Vec<Value> = groups
        .into_iter()
        .map(|((family, status, day), lines)| {
            let qty: Vec<i64> = lines.iter().map(|line| decimal(&line["qty"])).collect();
            let net: i64 = lines.iter().map(|line| decimal(&line["netAmount"])).sum();
            let latest = lines.iter().map(|line| line["requestedDate"].as_str().unwrap()).max();
            json!({
                "key": { "orderedOnQuarter": day, "status": status.to_uppercase(), "productFamily": family, "productSku": null },
                "count": lines.len(),
                "sum": { "qty": Decimal(qty.iter().sum()).to_string(), "netAmount": Decimal(net).to_string() },
                "avg": { "qty": average(Kind::Decimal, &qty) },
                "max": { "requestedDate": latest },
            })
        })
        .collect();
    assert!(expected.len() > 20);
    assert_eq!(found, json!(expected), "a key that was not grouped by is null");

    // named twice counts once; aliases and typenames are answered
    let document = "{ all: orderLineAggregate { n: count __typename s: sum { q: qty __typename } } \
        orderLineAggregate(groupBy: [STATUS, STATUS]) { count key { status } } \
        one: orderLineAggregate(groupBy: STATUS) { count key { status } } \
        none: orderLineAggregate(groupBy: []) { count } }";
    let data = hub.data(ADMIN, document).await;
    assert_eq!(data["orderLineAggregate"], data["one"]);
    assert_eq!(
        (&data["all"][0]["n"], &data["all"][0]["__typename"]),
        (&data["none"][0]["count"], &json!("OrderLineGroup"))
    );
    assert_eq!(data["all"][0]["s"]["__typename"], "OrderLineSum");
    let parts: u64 = data["one"].as_array().unwrap().iter().map(|group| group["count"].as_u64().unwrap()).sum();
    assert_eq!(data["all"][0]["n"], parts);
}

async fn a_filter_comes_before_the_groups(hub: Hub) {
    let document = "query($f: SalesOrderFilter, $by: [SalesOrderGroupBy!]) { salesOrderAggregate(groupBy: $by, filter: $f) { \
        count key { status } sum { total } } }";
    for filter in [
        json!({ "shipToRegion": { "eq": "AT" } }),
        json!({ "lines": { "some": { "qty": { "gt": "20" } } } }),
        json!({}),
    ] {
        let rows = "query($f: SalesOrderFilter) { salesOrders(first: 1000, filter: $f) { nodes { status total } } }";
        let rows = hub.data_with(ADMIN, rows, json!({ "f": filter })).await["salesOrders"]["nodes"].take();
        let mut expected: BTreeMap<String, (u64, i64)> = BTreeMap::new();
        for row in rows.as_array().unwrap() {
            let group = expected.entry(row["status"].as_str().unwrap().to_lowercase()).or_default();
            group.0 += 1;
            group.1 += row["total"].as_str().unwrap().parse::<Decimal>().unwrap().0;
        }
        let expected: Vec<Value> = expected
            .into_iter()
            .map(|(status, (count, total))| {
                json!({ "count": count, "key": { "status": status.to_uppercase() }, "sum": { "total": Decimal(total).to_string() } })
            })
            .collect();
        let found = hub.data_with(ADMIN, document, json!({ "f": filter, "by": ["STATUS"] })).await;
        assert_eq!(found["salesOrderAggregate"], json!(expected), "{filter}");
    }
}

async fn nothing_is_counted_too(hub: Hub) {
    let document = "{ all: orderLineAggregate(filter: { qty: { lt: 0 } }) { count key { status } sum { qty lineNo } avg { qty } \
        min { orderedOn } max { qty } } groups: orderLineAggregate(groupBy: [STATUS], filter: { qty: { lt: 0 } }) { count } }";
    let data = hub.data(ADMIN, document).await;
    assert_eq!(
        data["all"],
        json!([{ "count": 0, "key": { "status": null }, "sum": { "qty": null, "lineNo": null }, "avg": { "qty": null },
                 "min": { "orderedOn": null }, "max": { "qty": null } }])
    );
    assert_eq!(data["groups"], json!([]));
}

/// A number over rows of two seats differs by exactly what one of them does not see.
async fn a_hidden_row_moves_no_number(hub: Hub) {
    for (seat, name) in [(AQUA, "OrderLine"), (BERGMANN, "OrderLine"), (AQUA, "DemandSeries"), (BERGMANN, "Case")] {
        let ty = ty(name);
        let (field, list) = (model::aggregate_field(ty), model::root_list(ty));
        let count = format!("{{ {field} {{ count }} {list} {{ totalCount }} }}");
        let (own, all) = (hub.data(seat, &count).await, hub.data(ADMIN, &count).await);
        assert_eq!(own[&field][0]["count"], own[&list]["totalCount"]);
        assert!(own[&field][0]["count"].as_u64() < all[&field][0]["count"].as_u64(), "{name}");
        assert!(own[&field][0]["count"].as_u64() > Some(0), "{name}");
    }
    // the customer behind a code name stays it in groups over its orders
    let groups = hub
        .data(BERGMANN, "{ salesOrderAggregate(groupBy: [CUSTOMER_NAME, CUSTOMER_CODE_NAME]) { count key { customerName customerCodeName } } }")
        .await;
    let text = groups.to_string();
    assert!(text.contains("Heron") && !text.contains("Alpenstahl") && !text.contains("Donauwerk"), "{text}");
    // and in a place that its orders must not tell
    let regions = "{ orderLineAggregate(groupBy: [ORDER_SHIP_TO_REGION]) { count key { orderShipToRegion } } }";
    let groups = hub.data(BERGMANN, regions).await["orderLineAggregate"].take();
    assert!(groups.as_array().unwrap().iter().any(|group| group["key"]["orderShipToRegion"].is_null()), "{groups}");
}

async fn what_cannot_be_grouped_is_told(hub: Hub) {
    for (groups, code) in [
        ("[NOTHING]", "GRAPHQL_VALIDATION_FAILED"),
        ("[ID]", "GRAPHQL_VALIDATION_FAILED"),
        ("[QTY]", "GRAPHQL_VALIDATION_FAILED"),
    ] {
        let (found, message) =
            hub.refusal(ADMIN, &format!("{{ orderLineAggregate(groupBy: {groups}) {{ count }} }}")).await;
        assert_eq!(found, code, "{message}");
    }
    let document = "query($by: [OrderLineGroupBy!]) { orderLineAggregate(groupBy: $by) { count } }";
    for _ in 0..2 {
        let (code, message) = hub.refusal_with(ADMIN, document, json!({ "by": ["NOTHING"] })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{message}");
        hub.data_with(ADMIN, document, json!({ "by": ["STATUS"] })).await;
    }
    let many = [
        "STATUS",
        "LINE_NO",
        "UOM",
        "LOT_NO",
        "PRODUCT_SKU",
        "PRODUCT_NAME",
        "PRODUCT_FAMILY",
        "ORDERED_ON",
        "ORDERED_ON_WEEK",
    ];
    hub.data_with(ADMIN, document, json!({ "by": many[..8] })).await;
    let (code, message) = hub.refusal_with(ADMIN, document, json!({ "by": many })).await;
    assert!(code == "BAD_USER_INPUT" && message.contains("eight"), "{message}");
    // what a supplier cannot see it cannot group by: no such key
    for key in ["NET_AMOUNT", "ORDER_NUMBER", "ORDER_SHIP_TO_REGION", "SOURCE_SLUG_"] {
        let document = format!("{{ orderLineAggregate(groupBy: [{key}]) {{ count }} }}");
        assert_eq!(hub.refusal(AQUA, &document).await.0, "GRAPHQL_VALIDATION_FAILED", "{key}");
    }
}

async fn there_are_not_too_many_groups(hub: Hub) {
    // so many distinct lots that their groups do not fit into one answer
    let numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10001)";
    let id = match hub.dialect() {
        entente::access::connect::Dialect::Sqlite => "randomblob(16)",
        entente::access::connect::Dialect::Postgres => "gen_random_uuid()",
    };
    let added = hub
        .sql(&format!(
            "{numbers} INSERT INTO product (id, sku, name, family, uom, lifecycle) \
             SELECT {id}, 'X' || i, 'X', 'x', 'pcs', 'active' FROM n"
        ))
        .await;
    assert_eq!(added, 10_001);
    let (code, message) = hub.refusal(ADMIN, "{ productAggregate(groupBy: [SKU]) { count } }").await;
    assert!(code == "BAD_USER_INPUT" && message.contains("more than 10000 groups"), "{message}");
    let data =
        hub.data(ADMIN, "{ productAggregate(groupBy: [FAMILY], filter: { family: { eq: \"x\" } }) { count } }").await;
    assert_eq!(data["productAggregate"], json!([{ "count": 10_001 }]));
}
