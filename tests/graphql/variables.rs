//! Variables in every position: given, null, left out, with a default, wrong.

use serde_json::{Value, json};

use super::ADMIN;
use crate::harness::{Hub, tests};

tests! {
    reading: a_default_stands_in, null_is_not_left_out, what_is_required_must_be_there,
        a_variable_stands_for_any_argument, one_variable_in_several_places, wrong_values_have_one_code,
        operations_have_variables_of_their_own;
}

fn count(data: &Value) -> usize {
    data["products"]["nodes"].as_array().unwrap().len()
}

async fn a_default_stands_in(hub: Hub) {
    let document = "query($n: Int = 3, $f: ProductFilter = { family: { eq: \"seals\" } }, $o: [ProductOrder!] = [{ field: SKU, direction: DESC }]) \
                    { products(first: $n, filter: $f, orderBy: $o) { nodes { sku family } } }";
    let data = hub.data_with(ADMIN, document, json!({})).await;
    assert_eq!(count(&data), 3);
    let skus: Vec<&str> =
        data["products"]["nodes"].as_array().unwrap().iter().map(|n| n["sku"].as_str().unwrap()).collect();
    assert!(skus.is_sorted_by(|a, b| a > b), "{skus:?}");
    assert!(data["products"]["nodes"].as_array().unwrap().iter().all(|n| n["family"] == "seals"));
    let data = hub.data_with(ADMIN, document, json!({ "n": 2, "f": { "family": { "eq": "motors" } } })).await;
    assert_eq!((count(&data), &data["products"]["nodes"][0]["family"]), (2, &json!("motors")));
    // and again as it was
    assert_eq!(count(&hub.data_with(ADMIN, document, json!({})).await), 3);
}

async fn null_is_not_left_out(hub: Hub) {
    let all = count(&hub.data(ADMIN, "{ products(first: 100) { nodes { sku } } }").await);
    // of the page's size: null and nothing both mean the hub's own
    let document = "query($n: Int) { products(first: $n) { nodes { sku } } }";
    for variables in [json!({}), json!({ "n": null })] {
        assert_eq!(count(&hub.data_with(ADMIN, document, variables).await), all.min(20));
    }
    // null beats a default
    let document = "query($n: Int = 1) { products(first: $n) { nodes { sku } } }";
    assert_eq!(count(&hub.data_with(ADMIN, document, json!({ "n": null })).await), all.min(20));
    assert_eq!(count(&hub.data_with(ADMIN, document, json!({})).await), 1);
    // of a comparison: null asks for it, nothing asks nothing
    let document =
        "query($v: DateTime) { products(first: 100, filter: { embargoUntil: { eq: $v } }) { nodes { embargoUntil } } }";
    let nulls = hub.data_with(ADMIN, document, json!({ "v": null })).await;
    assert!(count(&nulls) > 0 && count(&nulls) < all);
    assert!(nulls["products"]["nodes"].as_array().unwrap().iter().all(|n| n["embargoUntil"].is_null()));
    assert_eq!(count(&hub.data_with(ADMIN, document, json!({})).await), all);
    // the same document once more, with a value, and with null again
    let at = "2026-09-01T09:00:00Z";
    assert_eq!(count(&hub.data_with(ADMIN, document, json!({ "v": at })).await), all - count(&nulls));
    assert_eq!(hub.data_with(ADMIN, document, json!({ "v": null })).await, nulls);
}

async fn what_is_required_must_be_there(hub: Hub) {
    for document in [
        "query($n: Int!) { products(first: $n) { nodes { sku } } }",
        "query($n: ID!) { node(id: $n) { id } }",
        "query($n: [ID!]!) { nodes(ids: $n) { id } }",
        "query($n: Boolean!) { products { nodes { sku @include(if: $n) } } }",
        "query($n: ProductFilter!) { products(filter: $n) { nodes { sku } } }",
    ] {
        for variables in [json!({}), json!({ "n": null }), json!({ "N": 1 })] {
            let reply = hub.query_with(ADMIN, document, variables).await;
            let (code, message) = reply.refusal();
            assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"), "{document}: {message}");
            assert!(message.contains("`$n` is required"), "{message}");
        }
    }
    // what nobody asks for is ignored
    let data = hub.data_with(ADMIN, "{ products(first: 1) { nodes { sku } } }", json!({ "x": { "y": [1] } })).await;
    assert_eq!(count(&data), 1);
    let (code, message) = hub.refusal(ADMIN, "{ products(first: $n) { nodes { sku } } }").await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{message}");
    let (code, _) = hub.refusal(ADMIN, "query($n: Int) { products { nodes { sku } } }").await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "a variable that is used nowhere");
}

async fn a_variable_stands_for_any_argument(hub: Hub) {
    let plain = hub
        .data(
            ADMIN,
            "{ products(last: 4, orderBy: [{ field: NAME, direction: DESC }]) { edges { cursor node { id sku } } } }",
        )
        .await["products"]
        .take();
    let document = "query($n: Int, $field: ProductOrderField!, $direction: OrderDirection) { \
        products(last: $n, orderBy: [{ field: $field, direction: $direction }]) { edges { cursor node { id sku } } } }";
    let variables = json!({ "n": 4, "field": "NAME", "direction": "DESC" });
    assert_eq!(hub.data_with(ADMIN, document, variables).await["products"], plain);
    let up = hub.data_with(ADMIN, document, json!({ "n": 4, "field": "NAME" })).await;
    assert_ne!(up["products"], plain, "without a direction, upward");

    let document = "query($a: String, $b: String) { products(first: 9, after: $a, before: $b, \
        orderBy: [{ field: NAME, direction: DESC }]) { nodes { id sku } } }";
    let between = json!({ "a": plain["edges"][0]["cursor"], "b": plain["edges"][3]["cursor"] });
    let data = hub.data_with(ADMIN, document, between).await;
    assert_eq!(data["products"]["nodes"], json!([plain["edges"][1]["node"], plain["edges"][2]["node"]]));

    let document = "query($with: Boolean!, $without: Boolean = false) { products(first: 1) { \
        nodes @include(if: $with) { sku name @skip(if: $without) } totalCount } }";
    let keys = |data: &Value| data["products"]["nodes"][0].as_object().map(|o| o.keys().cloned().collect::<Vec<_>>());
    let data = hub.data_with(ADMIN, document, json!({ "with": true })).await;
    assert_eq!(keys(&data), Some(vec!["sku".into(), "name".into()]));
    let data = hub.data_with(ADMIN, document, json!({ "with": true, "without": true })).await;
    assert_eq!(keys(&data), Some(vec!["sku".into()]));
    let data = hub.data_with(ADMIN, document, json!({ "with": false })).await;
    assert_eq!(data["products"].as_object().unwrap().keys().collect::<Vec<_>>(), ["totalCount"]);
}

async fn one_variable_in_several_places(hub: Hub) {
    let document = "query($r: String, $n: Int) { \
        customers(first: $n, filter: { region: { eq: $r } }) { nodes { region } } \
        salesOrders(first: $n, filter: { shipToRegion: { eq: $r }, customer: { region: { ne: $r } } }) { totalCount } \
        ...f } fragment f on Query { orgUnits(filter: { region: { eq: $r } }) { nodes { region } } }";
    for region in ["AT", "DE", "FR"] {
        let data = hub.data_with(ADMIN, document, json!({ "r": region, "n": 2 })).await;
        for list in ["customers", "orgUnits"] {
            let nodes = data[list]["nodes"].as_array().unwrap();
            assert!(!nodes.is_empty() && nodes.iter().all(|node| node["region"] == region), "{list} {region}");
        }
        assert_eq!(data["salesOrders"]["totalCount"], 0);
    }
}

/// Whether a document was seen before must not be told by the code.
async fn wrong_values_have_one_code(hub: Hub) {
    for (document, good, wrong) in [
        (
            "query($n: Int) { products(first: $n) { nodes { sku } } }",
            json!({ "n": 1 }),
            vec![json!("1"), json!(1.5), json!([1, 2]), json!(-1), json!(true)],
        ),
        (
            "query($n: Boolean!) { products { nodes { sku @skip(if: $n) id } } }",
            json!({ "n": true }),
            vec![json!("true"), json!(1), json!([])],
        ),
        (
            "query($n: [ProductOrder!]) { products(orderBy: $n) { nodes { sku } } }",
            json!({ "n": [{ "field": "SKU" }] }),
            vec![
                json!([{ "field": "NOTHING" }]),
                json!("SKU"),
                json!([{}]),
                json!([{ "field": "SKU", "direction": "UP" }]),
                json!([7]),
            ],
        ),
        (
            "query($n: [ProductGroupBy!]) { productAggregate(groupBy: $n) { count } }",
            json!({ "n": ["FAMILY"] }),
            vec![json!(["NOTHING"]), json!([7])],
        ),
        (
            "query($n: String) { products(after: $n) { nodes { sku } } }",
            json!({}),
            vec![json!("x"), json!(7), json!(["x"])],
        ),
        (
            "query($n: String) { products(filter: { sku: { eq: $n } }) { nodes { sku } } }",
            json!({ "n": "S40" }),
            vec![json!(7), json!(["a", "b"]), json!({ "a": 1 })],
        ),
        (
            "query($n: [Decimal!]) { orderLines(filter: { qty: { in: $n } }) { nodes { id } } }",
            json!({ "n": ["1"] }),
            vec![json!(["x"]), json!([[1]]), json!([null])],
        ),
    ] {
        for value in wrong {
            let wrong = json!({ "n": value });
            let first = hub.query_with(ADMIN, document, wrong.clone()).await;
            hub.data_with(ADMIN, document, good.clone()).await;
            let again = hub.query_with(ADMIN, document, wrong).await;
            for reply in [first, again] {
                let (code, message) = reply.refusal();
                assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"), "{document} {value}: {message}");
                assert!(!message.contains('\n'), "{message}");
            }
        }
    }
}

async fn operations_have_variables_of_their_own(hub: Hub) {
    let document = "query A($n: Int!) { products(first: $n) { nodes { sku } } } \
                    query B($s: String = \"S40\") { products(filter: { sku: { eq: $s } }) { nodes { sku } } }";
    let token = hub.token(ADMIN).await;
    let ask = async |name: &str, variables: Value| {
        hub.post(&token, &json!({ "query": document, "operationName": name, "variables": variables })).await
    };
    assert_eq!(count(&ask("A", json!({ "n": 2 })).await.data()), 2);
    assert_eq!(ask("B", json!({})).await.data()["products"]["nodes"], json!([{ "sku": "S40" }]));
    assert_eq!(count(&ask("A", json!({ "n": 1 })).await.data()), 1);
    assert_eq!(ask("A", json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(ask("C", json!({})).await.code(), "BAD_USER_INPUT");
    assert_eq!(ask("", json!({})).await.code(), "BAD_USER_INPUT", "one of them must be named");
}
