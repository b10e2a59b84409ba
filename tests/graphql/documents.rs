//! Documents: fragments, aliases, merged fields, `@skip` and `@include`, several operations. What a
//! document says in a roundabout way is answered like what it says plainly.

use serde_json::{Value, json};

use super::{ADMIN, BERGMANN};
use crate::harness::{Hub, tests};

tests! {
    reading: roundabout_documents_are_answered_like_plain_ones, keys_come_in_the_order_asked,
        what_cannot_be_merged_is_refused, a_skipped_field_is_not_there, one_of_several_operations,
        what_is_no_document_is_told, what_does_not_fit_the_schema_is_told, hidden_paths_follow_the_document;
}

const PLAIN: &str = "{ salesOrders(first: 4, orderBy: [{ field: NUMBER }]) { totalCount nodes { id number status customer { id name region } \
    lines(first: 2) { nodes { id qty product { sku name } } } } pageInfo { hasNextPage } } }";

async fn roundabout_documents_are_answered_like_plain_ones(hub: Hub) {
    let plain = hub.data(ADMIN, PLAIN).await;
    assert!(plain["salesOrders"]["nodes"][0]["lines"]["nodes"][0]["product"]["sku"].is_string());
    let arguments = "(first: 4, orderBy: [{ field: NUMBER }])";
    for document in [
        // named fragments in fragments
        format!(
            "query Q {{ ...q }} fragment q on Query {{ salesOrders{arguments} {{ ...c }} }} \
             fragment c on SalesOrderConnection {{ totalCount nodes {{ ...o }} pageInfo {{ hasNextPage }} }} \
             fragment o on SalesOrder {{ id number status customer {{ ...who }} lines(first: 2) {{ nodes {{ ...l }} }} }} \
             fragment who on Customer {{ id name region }} fragment l on OrderLine {{ id qty product {{ sku name }} }}"
        ),
        // inline, with and without a type, on the interface
        format!(
            "{{ ... {{ ... on Query {{ salesOrders{arguments} {{ totalCount nodes {{ ... on Node {{ id }} ... on SalesOrder {{ number status }} \
             customer {{ ... on Node {{ id }} ... {{ name region }} }} lines(first: 2) {{ nodes {{ id qty ... {{ product {{ sku name }} }} }} }} }} \
             pageInfo {{ hasNextPage }} }} }} }} }}"
        ),
        // the same field again and again, each time with another part
        format!(
            "{{ salesOrders{arguments} {{ totalCount }} salesOrders{arguments} {{ nodes {{ id }} nodes {{ number }} }} \
             salesOrders{arguments} {{ nodes {{ status customer {{ id }} customer {{ name }} }} }} \
             ...a ...b }} \
             fragment a on Query {{ salesOrders{arguments} {{ nodes {{ customer {{ region }} lines(first: 2) {{ nodes {{ id qty }} }} }} }} }} \
             fragment b on Query {{ salesOrders{arguments} {{ nodes {{ lines(first: 2) {{ nodes {{ product {{ sku }} product {{ name }} }} }} }} pageInfo {{ hasNextPage }} }} }}"
        ),
        // a fragment used twice, once for nothing
        format!(
            "{{ salesOrders{arguments} {{ totalCount nodes {{ ...o ...o ...o @skip(if: true) lines(first: 2) {{ nodes {{ id qty product {{ sku name }} }} }} }} pageInfo {{ hasNextPage }} }} }} \
             fragment o on SalesOrder {{ id number status customer {{ id name region }} }}"
        ),
        // directives that change nothing
        format!(
            "{{ salesOrders{arguments} @include(if: true) @skip(if: false) {{ totalCount nodes {{ id number status ... @include(if: true) {{ customer {{ id name region }} }} \
             number @skip(if: true) lines(first: 2) {{ nodes {{ id qty product {{ sku name }} lotNo @include(if: false) }} }} }} pageInfo {{ hasNextPage }} }} }}"
        ),
        // an alias that is the name itself, commas, comments and a byte order mark
        format!(
            "\u{feff}# a comment\nquery,{{ salesOrders: salesOrders{arguments},{{,totalCount nodes {{ id number,status # another }}\n customer {{ id name region }} \
             lines(first: 2) {{ nodes {{ id qty product {{ sku name }} }} }} }} pageInfo {{ hasNextPage }} }} }}"
        ),
        // orders of arguments
        PLAIN.replace("first: 4, orderBy: [{ field: NUMBER }]", "orderBy: { direction: ASC, field: NUMBER } first: 4"),
    ] {
        let data = hub.data(ADMIN, &document).await;
        assert_eq!(data, plain, "{document}");
    }
    // aliases rename, and let one field be asked in several ways
    let data = hub
        .data(
            ADMIN,
            "{ a: salesOrders(first: 1, orderBy: [{ field: NUMBER }]) { n: nodes { key: id l1: lines(first: 1) { nodes { qty } } l2: lines(first: 2) { nodes { q: qty } } } } \
             b: salesOrders(first: 2, orderBy: [{ field: NUMBER, direction: DESC }]) { nodes { id } } }",
        )
        .await;
    assert_eq!(data["a"]["n"][0]["key"], plain["salesOrders"]["nodes"][0]["id"]);
    assert_eq!(data["a"]["n"][0]["l1"]["nodes"][0]["qty"], data["a"]["n"][0]["l2"]["nodes"][0]["q"]);
    assert_eq!(data["b"]["nodes"].as_array().unwrap().len(), 2);
}

async fn keys_come_in_the_order_asked(hub: Hub) {
    let document = "{ z: __typename products(first: 1) { pageInfo { endCursor hasNextPage __typename } nodes { uom __typename sku id a: sku } totalCount edges { node { name } cursor } } a: __typename }";
    let reply = hub.query(ADMIN, document).await;
    let body = reply.json();
    let keys = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>().join(" ");
    assert_eq!(keys(&body), "data");
    assert_eq!(keys(&body["data"]), "z products a");
    assert_eq!(keys(&body["data"]["products"]), "pageInfo nodes totalCount edges");
    assert_eq!(keys(&body["data"]["products"]["nodes"][0]), "uom __typename sku id a");
    assert_eq!(keys(&body["data"]["products"]["edges"][0]), "node cursor");
    assert_eq!(body["data"]["products"]["pageInfo"]["__typename"], json!("PageInfo"));
    assert_eq!(
        (&body["data"]["z"], &body["data"]["products"]["nodes"][0]["__typename"]),
        (&json!("Query"), &json!("Product"))
    );
    let data = hub
        .data(
            ADMIN,
            "{ products(first: 1) { __typename edges { __typename node { __typename } } } viewer { __typename } }",
        )
        .await;
    assert_eq!(
        data,
        json!({ "products": { "__typename": "ProductConnection", "edges": [{ "__typename": "ProductEdge", "node": { "__typename": "Product" } }] },
                "viewer": { "__typename": "Viewer" } })
    );
}

async fn what_cannot_be_merged_is_refused(hub: Hub) {
    for document in [
        "{ products(first: 1) { totalCount } products(first: 2) { totalCount } }",
        "{ products { nodes { a: sku a: name } } }",
        "{ products { nodes { sku } } ...f } fragment f on Query { products(first: 1) { nodes { sku } } }",
        "{ products { nodes { a: sku } } products { nodes { a: name } } }",
        "query($n: Int) { products(first: $n) { totalCount } products(first: 1) { totalCount } }",
        "{ salesOrders { nodes { lines(first: 1) { totalCount } ... on SalesOrder { lines(first: 2) { totalCount } } } } }",
    ] {
        let (code, message) = hub.refusal(ADMIN, document).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{document}: {message}");
    }
}

async fn a_skipped_field_is_not_there(hub: Hub) {
    for (field, there) in [
        ("sku @skip(if: true)", false),
        ("sku @skip(if: false)", true),
        ("sku @include(if: true)", true),
        ("sku @include(if: false)", false),
        ("sku @skip(if: true) @include(if: true)", false),
        ("sku @skip(if: false) @include(if: false)", false),
        ("... @skip(if: true) { sku }", false),
        ("... on Product @include(if: true) { sku }", true),
        ("...f @include(if: false)", false),
        ("...f @skip(if: false)", true),
        ("sku @skip(if: true) sku", true),
    ] {
        let rest = if field.contains("...f") { "fragment f on Product { sku }" } else { "" };
        let data = hub.data(ADMIN, &format!("{{ products(first: 1) {{ nodes {{ id {field} }} }} }} {rest}")).await;
        assert_eq!(data["products"]["nodes"][0].get("sku").is_some(), there, "{field}");
    }
    // everything below goes with it: nothing is asked of the database, nothing is returned
    let data = hub
        .data(ADMIN, "{ __typename products @skip(if: true) { nodes { sku } } viewer @include(if: false) { seat } }")
        .await;
    assert_eq!(data, json!({ "__typename": "Query" }));
    assert_eq!(hub.data(ADMIN, "{ viewer @skip(if: true) { seat } }").await, json!({}));
    for wrong in [
        "sku @skip",
        "sku @skip(if: \"true\")",
        "sku @skip(unless: true)",
        "sku @nothing",
        "sku @skip(if: true) @skip(if: true)",
    ] {
        let body = hub.query(ADMIN, &format!("{{ products {{ nodes {{ {wrong} }} }} }}")).await.json();
        assert_eq!(body["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{wrong}: {body}");
    }
}

async fn one_of_several_operations(hub: Hub) {
    let token = hub.token(ADMIN).await;
    let document =
        "query A { a: __typename ...f } query B { b: __typename ...f } fragment f on Query { viewer { role } }";
    for (name, key) in [("A", "a"), ("B", "b")] {
        let data = hub.post(&token, &json!({ "query": document, "operationName": name })).await.data();
        assert_eq!(data, json!({ key: "Query", "viewer": { "role": "admin" } }));
    }
    for (body, part) in [
        (json!({ "query": document }), "several operations"),
        (json!({ "query": document, "operationName": "C" }), "no operation `C`"),
        (json!({ "query": "{ __typename }", "operationName": "A" }), "no operation `A`"),
    ] {
        let reply = hub.post(&token, &body).await;
        let (code, message) = reply.refusal();
        assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"));
        assert!(message.contains(part), "{message}");
    }
    // a name is needless where there is one operation, and right where it is right
    let named = json!({ "query": "query A { __typename }", "operationName": "A" });
    assert_eq!(hub.post(&token, &named).await.data(), json!({ "__typename": "Query" }));
    assert_eq!(hub.data(ADMIN, "query A { __typename }").await, json!({ "__typename": "Query" }));
}

async fn what_is_no_document_is_told(hub: Hub) {
    for document in [
        "",
        " ",
        "{",
        "}",
        "{}",
        "{ }",
        "hello",
        "{ products( }",
        "{ products(first: ) { nodes } }",
        "query { a ",
        "{ a } }",
        "fragment f on Query { __typename }",
        "{ products(first: 01) { totalCount } }",
        "{ a(b: \"x) }",
        "{ \"a\" }",
        "query Q($) { a }",
        "{ ...  }",
        "type Query { a: Int }",
        "\u{0}",
        "{ a @ }",
        "{ __typename } { __typename }",
        "query A { a } query A { b }",
        "{ ...f } fragment f on Query { __typename } fragment f on Query { __typename }",
        "🙂",
    ] {
        let reply = hub.query(ADMIN, document).await;
        assert_eq!(reply.status, 400, "{document}");
        let (code, message) = reply.refusal();
        assert_eq!(code, "GRAPHQL_PARSE_FAILED", "{document:?}: {message}");
        assert!(!message.contains('\n') && message.starts_with("the document is no GraphQL"), "{message}");
    }
}

async fn what_does_not_fit_the_schema_is_told(hub: Hub) {
    for document in [
        "{ nothing }",
        "{ products { nodes { nothing } } }",
        "{ products }",
        "{ products { nodes { sku { x } } } }",
        "{ products(nothing: 1) { totalCount } }",
        "{ products(first: \"1\") { totalCount } }",
        "{ products(first: 1, first: 2) { totalCount } }",
        "{ node { id } }",
        "{ node(id: null) { id } }",
        "{ ...f }",
        "{ ...f } fragment f on Nothing { x }",
        "{ ...f } fragment f on Product { sku }",
        "{ ... on Product { sku } }",
        "{ __typename } fragment f on Query { __typename }",
        "query($a: Nothing) { products(first: $a) { totalCount } }",
        "query($a: Int, $a: Int) { products(first: $a) { totalCount } }",
        "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
        "{ products { nodes { ... on Customer { name } } } }",
        "mutation { a }",
        "subscription { a }",
        "{ __type { name } }",
        "{ products(orderBy: [{ field: NOTHING }]) { totalCount } }",
    ] {
        let reply = hub.query(ADMIN, document).await;
        assert_eq!(reply.status, 400, "{document}: {}", reply.text);
        let body = reply.json();
        assert!(body.get("data").is_none(), "{body}");
        for error in body["errors"].as_array().unwrap() {
            assert_eq!(error["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{document}: {body}");
            let message = error["message"].as_str().unwrap();
            assert!(!message.contains('\n') && !message.contains("Did you mean"), "{message}");
        }
    }
}

/// `extensions.access` speaks of the answer's own keys.
async fn hidden_paths_follow_the_document(hub: Hub) {
    let document = "{ list: customers(first: 50, filter: { codeName: { isNull: false } }) { n: nodes { codeName called: name region } \
        edges { node { who: name } } } }";
    let reply = hub.query(BERGMANN, document).await;
    let data = reply.data();
    let mut expected = Vec::new();
    for (i, node) in data["list"]["n"].as_array().unwrap().iter().enumerate() {
        for key in ["called", "region"] {
            if node[key].is_null() {
                expected.push(format!("list.n.{i}.{key}"));
            }
        }
    }
    for (i, edge) in data["list"]["edges"].as_array().unwrap().iter().enumerate() {
        if edge["node"]["who"].is_null() {
            expected.push(format!("list.edges.{i}.node.who"));
        }
    }
    assert!(expected.len() >= 3, "{data}");
    assert_eq!(reply.hidden(), expected);
    // who sees all is told of nothing, and a value that is missing is not a hidden one
    let reply = hub.query(ADMIN, "{ customers(first: 50) { nodes { name codeName industry } } }").await;
    assert!(reply.data()["customers"]["nodes"].as_array().unwrap().iter().any(|node| node["codeName"].is_null()));
    assert!(reply.json().get("extensions").is_none());
    // over a reference
    let reply = hub.query(BERGMANN, "{ salesOrders(first: 1000) { nodes { customer { codeName name } } } }").await;
    let orders = reply.data()["salesOrders"]["nodes"].as_array().unwrap().clone();
    let behind_code = |(i, order): (usize, &Value)| {
        (order["customer"]["name"].is_null() && !order["customer"].is_null())
            .then(|| format!("salesOrders.nodes.{i}.customer.name"))
    };
    let expected: Vec<String> = orders.iter().enumerate().filter_map(behind_code).collect();
    assert!(!expected.is_empty());
    assert_eq!(reply.hidden(), expected);
    // without a selection of it nothing is told
    assert!(
        hub.query(BERGMANN, "{ customers(first: 50) { nodes { id codeName } totalCount } }").await.hidden().is_empty()
    );
}
