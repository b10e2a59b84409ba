//! Introspection tells a seat of its own schema and of nothing else.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{ADMIN, AQUA, BERGMANN, PLANNER, rows};
use crate::harness::{Hub, tests};

/// As GraphiQL and code generators ask it.
const WHOLE: &str = "query IntrospectionQuery { __schema { queryType { name } mutationType { name } subscriptionType { name } \
    types { ...FullType } directives { name description locations args { ...InputValue } } } } \
    fragment FullType on __Type { kind name description fields(includeDeprecated: true) { name description args { ...InputValue } \
      type { ...TypeRef } isDeprecated deprecationReason } inputFields { ...InputValue } interfaces { ...TypeRef } \
      enumValues(includeDeprecated: true) { name description isDeprecated deprecationReason } possibleTypes { ...TypeRef } } \
    fragment InputValue on __InputValue { name description type { ...TypeRef } defaultValue } \
    fragment TypeRef on __Type { kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name \
      ofType { kind name ofType { kind name ofType { kind name } } } } } } } }";

tests! {
    reading: tools_can_ask_for_the_whole, a_seat_is_told_of_its_own, what_is_hidden_is_in_no_part,
        a_hidden_name_and_no_name_are_refused_alike, seats_of_one_class_are_told_the_same,
        introspection_and_data_in_one, a_type_is_asked_for_by_name;
}

async fn types(hub: &Hub, seat: &str) -> Vec<Value> {
    hub.data(seat, WHOLE).await["__schema"]["types"].as_array().unwrap().clone()
}

fn named<'a>(types: &'a [Value], name: &str) -> Option<&'a Value> {
    types.iter().find(|ty| ty["name"] == name)
}

fn names(of: &Value) -> BTreeSet<String> {
    let all = of.as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
}

async fn tools_can_ask_for_the_whole(hub: Hub) {
    let data = hub.data(ADMIN, WHOLE).await;
    let schema = &data["__schema"];
    assert_eq!(schema["queryType"]["name"], "Query");
    assert_eq!(schema["mutationType"]["name"], "Mutation");
    assert_eq!(schema["subscriptionType"]["name"], "Subscription");
    let types = schema["types"].as_array().unwrap();
    let every = names(&schema["types"]);
    // whatever is referred to is there
    let mut referred = BTreeSet::new();
    collect(&data, &mut referred);
    assert!(referred.is_subset(&every), "{:?}", referred.difference(&every));
    let order = named(types, "SalesOrder").unwrap();
    assert!(names(&order["fields"]).is_superset(&["id", "number", "customer", "lines"].map(String::from).into()));
    assert_eq!(named(types, "Node").unwrap()["kind"], "INTERFACE");
    assert!(named(types, "Node").unwrap()["possibleTypes"].as_array().unwrap().len() > 30);
    let directives = names(&schema["directives"]);
    assert!(directives.is_superset(&["skip", "include"].map(String::from).into()), "{directives:?}");
    // what the model says of a field is what a reader is told
    let fields = order["fields"].as_array().unwrap();
    let customer = fields.iter().find(|field| field["name"] == "customer").unwrap();
    assert!(!customer["description"].as_str().unwrap_or_default().is_empty());
}

/// Names of types that something refers to.
fn collect(value: &Value, out: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(fields) => {
            for (key, value) in fields {
                if let ("type" | "ofType", Some(name)) = (key.as_str(), value["name"].as_str()) {
                    out.insert(name.to_owned());
                }
                collect(value, out);
            }
        }
        _ => {}
    }
}

async fn a_seat_is_told_of_its_own(hub: Hub) {
    for seat in [ADMIN, PLANNER, AQUA, BERGMANN, "lindner/partner_planner", "bergmann/partner_marketing"] {
        let view = rows::view(&hub, seat).await;
        let types = types(&hub, seat).await;
        let query = names(&named(&types, "Query").unwrap()["fields"]);
        for ty in &entente::catalogue::CATALOGUE.types {
            let told = named(&types, ty.name);
            assert_eq!(told.is_some(), view.sees_type(ty.id), "{seat} {}", ty.name);
            let list = entente::graphql::model::root_list(ty);
            assert_eq!(query.contains(&list), view.sees_type(ty.id), "{seat} {list}");
            let Some(told) = told else { continue };
            let fields = names(&told["fields"]);
            for (i, field) in ty.fields.iter().enumerate() {
                let can = match field.to {
                    Some(to) => view.sees(ty.id, i) && view.sees_type(to),
                    // a key of something that is no type leads nowhere
                    None => view.sees(ty.id, i) && (i == 0 || field.kind != entities::meta::Kind::Id),
                };
                assert_eq!(fields.contains(&field.name), can, "{seat} {}.{}", ty.name, field.name);
            }
        }
    }
}

async fn what_is_hidden_is_in_no_part(hub: Hub) {
    let whole = hub.query(AQUA, WHOLE).await.text;
    for word in [
        "Customer",
        "SalesOrder",
        "netAmount",
        "NET_AMOUNT",
        "creditLimit",
        "portfolioStrategy",
        "qtyLow",
        "QTY_LOW",
        "ndaLevel",
        "embargoUntil",
        "riskRating",
        "contributors",
        "shipToPostcode",
        "HARVEST",
        "standardCost",
    ] {
        assert!(!whole.contains(word), "`{word}` is told to a supplier");
    }
    assert!(whole.contains("DemandBucket") && whole.contains("BUCKET_START"));
    // enums, filters, orders, groups and aggregates hide with the field
    let types = types(&hub, AQUA).await;
    for (name, part, hidden, shown) in [
        ("OrderLine", "fields", "netAmount", "qty"),
        ("OrderLineFilter", "inputFields", "netAmount", "qty"),
        ("OrderLineSum", "fields", "netAmount", "qty"),
        ("OrderLineOrderField", "enumValues", "NET_AMOUNT", "QTY"),
        ("OrderLineGroupBy", "enumValues", "ORDER_NUMBER", "STATUS"),
        ("OrderLineKey", "fields", "orderNumber", "status"),
        ("Query", "fields", "salesOrders", "orderLines"),
        ("Query", "fields", "salesOrderAggregate", "orderLineAggregate"),
    ] {
        let found = names(&named(&types, name).unwrap_or_else(|| panic!("no {name}"))[part]);
        assert!(!found.contains(hidden) && found.contains(shown), "{name}: {found:?}");
        assert!(
            names(&named(&self::types(&hub, ADMIN).await, name).unwrap()[part]).contains(hidden),
            "{name}.{hidden} is nothing at all"
        );
    }
}

async fn a_hidden_name_and_no_name_are_refused_alike(hub: Hub) {
    for (hidden, nothing, document) in [
        ("salesOrders", "salesOrderz", "{ NAME { totalCount } }"),
        ("SalesOrder", "SalesOrdex", "{ node(id: \"x\") { ... on NAME { id } } }"),
        ("netAmount", "netAmounx", "{ orderLines { nodes { NAME } } }"),
        ("netAmount", "netAmounx", "{ orderLines(filter: { NAME: { gt: 1 } }) { totalCount } }"),
        ("NET_AMOUNT", "NET_AMOUNX", "{ orderLines(orderBy: [{ field: NAME }]) { totalCount } }"),
        ("ORDER_NUMBER", "ORDER_NUMBEX", "{ orderLineAggregate(groupBy: [NAME]) { count } }"),
        ("netAmount", "netAmounx", "{ orderLineAggregate { sum { NAME } } }"),
        ("orderNumber", "orderNumbex", "{ orderLineAggregate { key { NAME } } }"),
        ("order", "ordex", "{ orderLines(filter: { NAME: {} }) { totalCount } }"),
        ("salesOrderAggregate", "salesOrderAggregatx", "{ NAME { count } }"),
        ("SalesOrderFilter", "SalesOrderFiltex", "query($f: NAME) { orderLines(filter: $f) { totalCount } }"),
    ] {
        let ask = |name: &str| document.replace("NAME", name);
        assert!(hub.query(ADMIN, &ask(hidden)).await.text.find("Unknown").is_none(), "{hidden} is nothing at all");
        let (one, other) = (hub.query(AQUA, &ask(hidden)).await, hub.query(AQUA, &ask(nothing)).await);
        assert_eq!(one.status, 400, "{hidden}: {}", one.text);
        assert_eq!(one.text.replace(hidden, "NAME"), other.text.replace(nothing, "NAME"), "{document}");
    }
    // in variables, where the value is read by the hub itself
    for field in ["netAmount", "order", "netAmounx"] {
        let document = "query($f: OrderLineFilter) { orderLines(filter: $f) { totalCount } }";
        hub.data(AQUA, &document.replace("$f: OrderLineFilter", "$f: OrderLineFilter = {}")).await;
        for _ in 0..2 {
            let reply = hub.query_with(AQUA, document, serde_json::json!({ "f": { field: {} } })).await;
            assert_eq!(reply.code(), "BAD_USER_INPUT");
            assert!(!reply.text.replace(field, "").contains("hidden"));
            hub.data_with(AQUA, document, serde_json::json!({})).await;
        }
    }
    for name in ["SalesOrder", "Nothing"] {
        let data = hub.data(AQUA, &format!("{{ __type(name: \"{name}\") {{ name }} }}")).await;
        assert!(data["__type"].is_null(), "{name}");
    }
}

async fn seats_of_one_class_are_told_the_same(hub: Hub) {
    let anna = hub.query("nordwind/sales_rep/anna", WHOLE).await.text;
    let claire = hub.query("nordwind/sales_rep/claire", WHOLE).await.text;
    assert_eq!(anna, claire);
    assert_ne!(anna, hub.query(AQUA, WHOLE).await.text);
}

async fn introspection_and_data_in_one(hub: Hub) {
    let data = hub
        .data(AQUA, "query($n: Int) { kind: __type(name: \"Product\") { name fields { name } } products(first: $n) { totalCount } __schema { queryType { name } } __typename }")
        .await;
    assert_eq!(data["kind"]["name"], "Product");
    assert!(data["products"]["totalCount"].as_u64() > Some(0));
    assert_eq!((&data["__schema"]["queryType"]["name"], &data["__typename"]), (&"Query".into(), &"Query".into()));
    assert_eq!(data.as_object().unwrap().keys().collect::<Vec<_>>(), ["kind", "products", "__schema", "__typename"]);
}

async fn a_type_is_asked_for_by_name(hub: Hub) {
    let document = "query($name: String!) { __type(name: $name) { name kind enumValues { name } } }";
    for (name, kind) in [
        ("Product", "OBJECT"),
        ("Decimal", "SCALAR"),
        ("ProductFilter", "INPUT_OBJECT"),
        ("ProductOrderField", "ENUM"),
        ("Node", "INTERFACE"),
    ] {
        let data = hub.data_with(ADMIN, document, serde_json::json!({ "name": name })).await;
        assert_eq!((&data["__type"]["name"], &data["__type"]["kind"]), (&Value::from(name), &Value::from(kind)));
    }
    assert!(hub.data_with(ADMIN, document, serde_json::json!({ "name": "Nothing" })).await["__type"].is_null());
}
