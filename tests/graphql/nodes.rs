//! `node` and `nodes`: rows by their ids, through the same view as any list.

use serde_json::{Value, json};

use super::{
    ADMIN, AQUA, BERGMANN,
    rows::{Rows, ty, types},
};
use crate::harness::{Hub, tests};

tests! {
    reading: a_row_is_found_by_its_id, rows_come_in_the_order_of_their_ids, an_id_of_another_organisation_finds_nothing,
        a_hidden_row_is_a_missing_row, an_id_that_is_none_is_told, ids_may_come_one_by_one,
        there_are_not_too_many_ids, rows_of_several_types;
    changing: a_row_that_is_gone_is_null;
}

async fn first_id(hub: &Hub, seat: &str, list: &str, filter: &str) -> String {
    let document = format!("{{ {list}(first: 1, filter: {filter}) {{ nodes {{ id }} }} }}");
    let data = hub.data(seat, &document).await;
    data[list]["nodes"][0]["id"].as_str().unwrap_or_else(|| panic!("{seat}: no {list} {filter}")).to_owned()
}

async fn a_row_is_found_by_its_id(hub: Hub) {
    for seat in [ADMIN, AQUA, BERGMANN] {
        for ty in types(&hub, seat).await {
            let rows = Rows::read(&hub, seat, ty).await;
            let names: Vec<&str> = rows.fields.iter().map(|field| field.name.as_str()).collect();
            let document = format!(
                "query($id: ID!) {{ node(id: $id) {{ __typename id ... on {} {{ {} }} }} }}",
                ty.name,
                names.join(" ")
            );
            for row in rows.all.iter().take(3) {
                let data = hub.data_with(seat, &document, json!({ "id": row.id })).await;
                let mut expected = row.values.clone();
                expected.insert("__typename".into(), ty.name.into());
                assert_eq!(data["node"], Value::Object(expected), "{seat}: {}", ty.name);
            }
        }
    }
}

async fn rows_come_in_the_order_of_their_ids(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("Product")).await;
    let ids: Vec<&str> = rows.all.iter().rev().map(|row| row.id.as_str()).collect();
    let twice: Vec<&str> = [&ids[3..6], &ids[3..6], &ids[..2]].concat();
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id ... on Product { sku } } }";
    for ids in [&ids[..], &twice[..], &[], &ids[..1]] {
        let data = hub.data_with(ADMIN, document, json!({ "ids": ids })).await;
        let found: Vec<&str> =
            data["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
        assert_eq!(found, ids);
    }
    // a single one stands for a list of itself
    let data = hub.data(ADMIN, &format!("{{ nodes(ids: \"{}\") {{ id }} }}", ids[0])).await;
    assert_eq!(data["nodes"], json!([{ "id": ids[0] }]));
}

async fn an_id_of_another_organisation_finds_nothing(hub: Hub) {
    // the same product, as two partners name it
    let filter = "{ sku: { eq: \"S40\" } }";
    let (aqua, bergmann) =
        (first_id(&hub, AQUA, "products", filter).await, first_id(&hub, BERGMANN, "products", filter).await);
    assert_ne!(aqua, bergmann);
    assert_eq!(
        aqua,
        first_id(&hub, "aqua-seals/service_account", "products", filter).await,
        "one organisation, one id"
    );
    let node = |id: &str| format!("{{ node(id: \"{id}\") {{ id }} nodes(ids: [\"{id}\"]) {{ id }} }}");
    assert_eq!(hub.data(AQUA, &node(&aqua)).await["node"]["id"], aqua);
    assert_eq!(hub.data(AQUA, &node(&bergmann)).await, json!({ "node": null, "nodes": [null] }));
    let filtered = format!("{{ products(filter: {{ id: {{ eq: \"{bergmann}\" }} }}) {{ totalCount }} }}");
    assert_eq!(hub.data(AQUA, &filtered).await["products"]["totalCount"], 0);
}

/// Whether there is such a row cannot be told from the answer.
async fn a_hidden_row_is_a_missing_row(hub: Hub) {
    let admin = hub.app().graphql.codec(super::rows::view(&hub, ADMIN).await.seat.organisation);
    for (seat, name, list, filter) in [
        (BERGMANN, "Product", "products", "{ sku: { eq: \"PX500\" } }"),
        (BERGMANN, "Customer", "customers", "{ name: { like: \"Donauwerk%\" } }"),
        (BERGMANN, "Customer", "customers", "{ region: { eq: \"FR\" } }"),
        (AQUA, "OrderLine", "orderLines", "{ source: { slug: { eq: \"ceram-motors\" } } }"),
        (AQUA, "PartnerProduct", "partnerProducts", "{ organisation: { slug: { eq: \"ceram-motors\" } } }"),
        (AQUA, "SharingAgreement", "sharingAgreements", "{ grantee: { slug: { eq: \"bergmann\" } } }"),
        ("nordwind/sales_rep/anna", "Customer", "customers", "{ name: { like: \"Donauwerk%\" } }"),
    ] {
        let own = hub.app().graphql.codec(super::rows::view(&hub, seat).await.seat.organisation);
        let (of, key) = admin.read_id(&first_id(&hub, ADMIN, list, filter).await).unwrap();
        assert_eq!(of, ty(name).id);
        let hidden = own.id(of, key);
        let missing = own.id(of, uuid::Uuid::from_u128(77));
        let ask = |id: &str| format!("{{ node(id: \"{id}\") {{ id }} nodes(ids: [\"{id}\"]) {{ id __typename }} }}");
        let (hidden, missing) = (hub.query(seat, &ask(&hidden)).await, hub.query(seat, &ask(&missing)).await);
        assert_eq!((hidden.status, &hidden.text), (200, &missing.text), "{seat} {list} {filter}");
        assert_eq!(hidden.data(), json!({ "node": null, "nodes": [null] }));
    }
}

async fn an_id_that_is_none_is_told(hub: Hub) {
    let good = first_id(&hub, AQUA, "products", "{}").await;
    for wrong in [
        "",
        "x",
        "Product",
        "Product_",
        "Product_AAAA",
        "Nothing_AAAAAAAAAAAAAAAAAAAAAA",
        &good[..good.len() - 1],
        &format!("{good}A"),
        "product_AAAAAAAAAAAAAAAAAAAAAA",
        "Product_!!!!!!!!!!!!!!!!!!!!!!",
        // a type that the seat does not see is no type
        "SalesOrder_AAAAAAAAAAAAAAAAAAAAAA",
        "PrivacyRequest_AAAAAAAAAAAAAAAAAAAAAA",
        "CustomerTeam_AAAAAAAAAAAAAAAAAAAAAA",
        "018f3c2e-0000-7000-8000-000000000000",
        "1",
        "\u{0}",
    ] {
        for (document, variables) in [
            ("query($id: ID!) { node(id: $id) { id } }", json!({ "id": wrong })),
            ("query($id: ID!) { nodes(ids: [$id]) { id } }", json!({ "id": wrong })),
            ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({ "ids": [good, wrong] })),
        ] {
            let reply = hub.query_with(AQUA, document, variables).await;
            let (code, message) = reply.refusal();
            assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"), "{wrong}: {message}");
            assert!(message.ends_with("expected an id as the hub gives it"), "{message}");
        }
    }
    let long = "Product_".repeat(500);
    let (_, message) = hub.refusal_with(AQUA, "query($id: ID!) { node(id: $id) { id } }", json!({ "id": long })).await;
    assert!(message.len() < 200, "{message}");
    for variables in [json!({}), json!({ "id": null }), json!({ "id": 7 })] {
        let reply = hub.query_with(AQUA, "query($id: ID!) { node(id: $id) { id } }", variables).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "BAD_USER_INPUT"), "{}", reply.text);
    }
}

/// A plan is kept for a document, never for the ids that came with it first.
async fn ids_may_come_one_by_one(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("Product")).await;
    let document = "query($a: ID!, $b: ID!) { nodes(ids: [$a, $b]) { ... on Product { id sku } } node(id: $b) { id } }";
    for pair in rows.all.windows(2) {
        let data = hub.data_with(ADMIN, document, json!({ "a": pair[0].id, "b": pair[1].id })).await;
        assert_eq!(data["node"]["id"], pair[1].id);
        for (node, row) in data["nodes"].as_array().unwrap().iter().zip(pair) {
            assert_eq!((&node["id"], &node["sku"]), (&json!(row.id), &row.values["sku"]));
        }
    }
}

async fn there_are_not_too_many_ids(hub: Hub) {
    let small = |config: &mut entente::config::Config| {
        config.limits.page_size_default = 5;
        config.limits.page_size_max = 5;
    };
    let hub = hub.with(small).await;
    let rows = hub.data(ADMIN, "{ products(first: 5) { nodes { id } } }").await["products"]["nodes"].take();
    let ids: Vec<&str> = rows.as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap()).collect();
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    assert_eq!(hub.data_with(ADMIN, document, json!({ "ids": ids })).await["nodes"], rows);
    // the document is known by now
    let (code, message) = hub.refusal_with(ADMIN, document, json!({ "ids": ids.repeat(2) })).await;
    assert!(code == "BAD_USER_INPUT" && message.contains("at most 5"), "{message}");
}

async fn rows_of_several_types(hub: Hub) {
    let (product, customer) =
        (first_id(&hub, ADMIN, "products", "{}").await, first_id(&hub, ADMIN, "customers", "{}").await);
    let organisation = first_id(&hub, ADMIN, "organisations", "{}").await;
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename ... on Product { sku } ...c ... on Node { id } } } \
                    fragment c on Customer { name orders(first: 1) { nodes { number } } }";
    let ids = [&customer, &product, &organisation, &product];
    let data = hub.data_with(ADMIN, document, json!({ "ids": ids })).await;
    let nodes = data["nodes"].as_array().unwrap();
    let types: Vec<&str> = nodes.iter().map(|node| node["__typename"].as_str().unwrap()).collect();
    assert_eq!(types, ["Customer", "Product", "Organisation", "Product"]);
    assert_eq!(nodes.iter().map(|node| node["id"].as_str().unwrap()).collect::<Vec<_>>(), ids);
    assert!(nodes[0]["name"].is_string() && nodes[0]["orders"]["nodes"][0]["number"].is_string());
    assert!(nodes[1].get("name").is_none() && nodes[1]["sku"].is_string() && nodes[2].get("sku").is_none());
    // the same document, other types
    let data = hub.data_with(ADMIN, document, json!({ "ids": [organisation] })).await;
    assert_eq!(data["nodes"], json!([{ "__typename": "Organisation", "id": organisation }]));
}

async fn a_row_that_is_gone_is_null(hub: Hub) {
    let id = first_id(&hub, ADMIN, "auditEvents", "{}").await;
    let other = {
        let data = hub.data(ADMIN, "{ auditEvents(last: 1) { nodes { id } } }").await;
        data["auditEvents"]["nodes"][0]["id"].as_str().unwrap().to_owned()
    };
    let document = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }";
    let both = json!({ "ids": [id, other] });
    assert_eq!(hub.data_with(ADMIN, document, both.clone()).await["nodes"], json!([{ "id": id }, { "id": other }]));
    hub.sql("DELETE FROM audit_event WHERE id = (SELECT id FROM audit_event ORDER BY id LIMIT 1)").await;
    assert_eq!(hub.data_with(ADMIN, document, both).await["nodes"], json!([null, { "id": other }]));
}
