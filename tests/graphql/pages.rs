//! Relay pages: forward, backward, in every order, over every list.

use entente::{catalogue::Type, graphql::model};
use entities::meta::Kind;
use serde_json::{Value, json};

use super::{
    ADMIN, AQUA, BERGMANN,
    rows::{Rows, ty, types, veiled},
};
use crate::harness::{Hub, tests};

tests! {
    reading: a_walk_in_every_order_gives_each_row_once, partners_walk_what_they_see, the_biggest_list_is_walked,
        orders_of_several_terms, page_info_tells_what_is_beyond, both_ends_can_be_given,
        a_page_has_a_size, a_cursor_is_of_its_list, lists_within_rows_are_paged, edges_and_nodes_agree;
    changing: a_walk_goes_on_while_rows_go;
}

/// All ids of the list, page by page, in the direction of the walk.
async fn walk(hub: &Hub, seat: &str, rows: &Rows, order: &Value, size: usize, backward: bool) -> Vec<String> {
    let (list, name) = (&rows.list, rows.ty.name);
    let (count, beyond, more, end) = match backward {
        false => ("first", "after", "hasNextPage", "endCursor"),
        true => ("last", "before", "hasPreviousPage", "startCursor"),
    };
    let document = format!(
        "query($size: Int, $beyond: String, $order: [{name}Order!]) {{ \
         {list}({count}: $size, {beyond}: $beyond, orderBy: $order) {{ nodes {{ id }} pageInfo {{ {more} {end} }} }} }}"
    );
    let (mut ids, mut cursor) = (Vec::new(), Value::Null);
    loop {
        let variables = json!({ "size": size, "beyond": cursor, "order": order });
        let page = hub.data_with(seat, &document, variables).await[list].take();
        let mut found: Vec<String> =
            page["nodes"].as_array().unwrap().iter().map(|node| node["id"].as_str().unwrap().into()).collect();
        if backward {
            found.reverse();
        }
        assert!(found.len() == size || page["pageInfo"][more] == false, "a page that is not the last is full");
        ids.append(&mut found);
        assert!(ids.len() <= rows.all.len(), "{list}: more than there are");
        if page["pageInfo"][more] == false {
            return ids;
        }
        cursor = page["pageInfo"][end].clone();
    }
}

async fn walk_every_order(hub: &Hub, seat: &str, ty: &'static Type) {
    let rows = Rows::read(hub, seat, ty).await;
    let size = rows.all.len() / 3 + 1;
    for field in rows.fields.iter().filter(|field| field.kind != Kind::Json) {
        for (direction, descending) in [("ASC", false), ("DESC", true)] {
            let order = json!([{ "field": model::order_value(field), "direction": direction }]);
            let mut expected = rows.ordered(&[(field, descending)]);
            let what = format!("{seat}: {} by {} {direction}", rows.list, field.name);
            assert_eq!(walk(hub, seat, &rows, &order, size, false).await, expected, "{what}");
            expected.reverse();
            assert_eq!(walk(hub, seat, &rows, &order, size, true).await, expected, "{what}, backward");
        }
    }
}

async fn a_walk_in_every_order_gives_each_row_once(hub: Hub) {
    let types = types(&hub, ADMIN).await;
    assert!(types.len() > 30, "the operator sees every type");
    for ty in types {
        walk_every_order(&hub, ADMIN, ty).await;
    }
}

/// Fields that a row hides are null here, shortened ones are what is ordered by.
async fn partners_walk_what_they_see(hub: Hub) {
    for seat in [AQUA, BERGMANN] {
        for ty in veiled(&hub, seat).await {
            walk_every_order(&hub, seat, ty).await;
        }
    }
    let rows = Rows::read(&hub, BERGMANN, ty("Customer")).await;
    for hidden in ["name", "region", "postcode"] {
        let nulls = rows.all.iter().filter(|row| row.values[hidden].is_null()).count();
        assert!(nulls > 0 && nulls < rows.all.len(), "{hidden} is hidden in some rows only, or this tries nothing");
    }
}

async fn the_biggest_list_is_walked(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("DemandBucket")).await;
    assert!(rows.all.len() > 3_000);
    for (name, descending, backward) in
        [("BUCKET_START", false, false), ("QTY_LOW", true, false), ("QTY_LOW", false, true)]
    {
        let field = rows.fields.iter().find(|field| model::order_value(field) == name).unwrap();
        let order = json!([{ "field": name, "direction": if descending { "DESC" } else { "ASC" } }]);
        let mut expected = rows.ordered(&[(field, descending)]);
        if backward {
            expected.reverse();
        }
        assert_eq!(walk(&hub, ADMIN, &rows, &order, 700, backward).await, expected, "{name}");
    }
}

async fn orders_of_several_terms(hub: Hub) {
    let rows = Rows::read(&hub, ADMIN, ty("Customer")).await;
    let field = |name: &str| *rows.fields.iter().find(|field| field.name == name).unwrap();
    for terms in [
        vec![("region", false), ("segment", true)],
        vec![("codeName", true), ("industry", false), ("ndaLevel", true)],
        vec![("portfolioStrategy", false), ("industry", true), ("region", true), ("lifecycleStage", false)],
        // the key itself decides, in either direction
        vec![("region", true), ("id", true)],
        vec![("id", true), ("region", false)],
    ] {
        let by: Vec<_> = terms.iter().map(|(name, descending)| (field(name), *descending)).collect();
        let order: Vec<Value> = by
            .iter()
            .map(|(field, descending)| {
                json!({ "field": model::order_value(field), "direction": if *descending { "DESC" } else { "ASC" } })
            })
            .collect();
        let mut expected = rows.ordered(&by);
        assert_eq!(walk(&hub, ADMIN, &rows, &json!(order), 5, false).await, expected, "{terms:?}");
        expected.reverse();
        assert_eq!(walk(&hub, ADMIN, &rows, &json!(order), 5, true).await, expected, "{terms:?} backward");
    }
    // a field that is named twice counts once, and no direction is upward
    let twice = json!([{ "field": "REGION" }, { "field": "REGION", "direction": "DESC" }]);
    assert_eq!(walk(&hub, ADMIN, &rows, &twice, 20, false).await, rows.ordered(&[(field("region"), false)]));
}

const PAGE: &str = "query($first: Int, $after: String, $last: Int, $before: String) { \
    products(first: $first, after: $after, last: $last, before: $before, orderBy: [{ field: SKU }]) { \
    edges { cursor node { sku } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";

struct Page {
    skus: Vec<String>,
    cursors: Vec<Value>,
    info: Value,
}

async fn page(hub: &Hub, variables: Value) -> Page {
    let page = hub.data_with(ADMIN, PAGE, variables).await["products"].take();
    let edges = page["edges"].as_array().unwrap();
    let skus = edges.iter().map(|edge| edge["node"]["sku"].as_str().unwrap().to_owned()).collect();
    Page { skus, cursors: edges.iter().map(|edge| edge["cursor"].clone()).collect(), info: page["pageInfo"].clone() }
}

async fn page_info_tells_what_is_beyond(hub: Hub) {
    let all = page(&hub, json!({ "first": 100 })).await;
    let count = all.skus.len();
    assert!(count >= 10 && all.skus.is_sorted());
    assert_eq!(all.info["hasNextPage"], false);
    assert_eq!(all.info["hasPreviousPage"], false);
    assert_eq!((&all.info["startCursor"], &all.info["endCursor"]), (&all.cursors[0], &all.cursors[count - 1]));

    for size in [1, 4, count - 1, count, count + 1] {
        let start = page(&hub, json!({ "first": size })).await;
        assert_eq!(start.skus, all.skus[..size.min(count)]);
        assert_eq!(start.info["hasNextPage"], size < count, "first {size}");
        let end = page(&hub, json!({ "last": size })).await;
        assert_eq!(end.skus, all.skus[count - size.min(count)..]);
        assert_eq!(end.info["hasPreviousPage"], size < count, "last {size}");
    }
    // behind the last row there is nothing, and no cursor
    let none = page(&hub, json!({ "first": 5, "after": all.cursors[count - 1] })).await;
    assert!(none.skus.is_empty());
    assert_eq!(
        none.info,
        json!({ "hasNextPage": false, "hasPreviousPage": true, "startCursor": null, "endCursor": null })
    );
    let none = page(&hub, json!({ "first": 0 })).await;
    assert!(none.skus.is_empty());
    assert_eq!(none.info["hasNextPage"], true);
    let none = page(&hub, json!({ "last": 5, "before": all.cursors[0] })).await;
    assert!(none.skus.is_empty());
    assert_eq!((&none.info["hasPreviousPage"], &none.info["hasNextPage"]), (&json!(false), &json!(true)));
}

async fn both_ends_can_be_given(hub: Hub) {
    let all = page(&hub, json!({ "first": 100 })).await;
    for (from, to) in [(0, 6), (2, 5), (3, 4), (5, 5)] {
        let ends = json!({ "after": all.cursors[from], "before": all.cursors[to], "first": 100 });
        let between = page(&hub, ends).await;
        let expected = if to > from { &all.skus[from + 1..to] } else { &[] };
        assert_eq!(between.skus, expected, "between {from} and {to}");
    }
    let two = page(&hub, json!({ "after": all.cursors[1], "before": all.cursors[7], "first": 2 })).await;
    assert_eq!((&two.skus[..], &two.info["hasNextPage"]), (&all.skus[2..4], &json!(true)));
    let two = page(&hub, json!({ "after": all.cursors[1], "before": all.cursors[7], "last": 2 })).await;
    assert_eq!((&two.skus[..], &two.info["hasPreviousPage"]), (&all.skus[5..7], &json!(true)));
    let all_between = page(&hub, json!({ "after": all.cursors[1], "before": all.cursors[7], "last": 5 })).await;
    assert_eq!((&all_between.skus[..], all_between.skus.len()), (&all.skus[2..7], 5));
}

async fn a_page_has_a_size(hub: Hub) {
    for (arguments, part) in [
        ("first: 3, last: 3", "not both"),
        ("first: -1", "0 to 1000"),
        ("last: -1", "0 to 1000"),
        ("first: 1001", "0 to 1000"),
        ("last: 2147483647", "0 to 1000"),
    ] {
        let (code, message) = hub.refusal(ADMIN, &format!("{{ products({arguments}) {{ nodes {{ id }} }} }}")).await;
        assert_eq!(code, "BAD_USER_INPUT");
        assert!(message.contains(part), "{message}");
    }
    let lines = hub.data(ADMIN, "{ orderLines { totalCount nodes { id } pageInfo { hasNextPage } } }").await;
    assert_eq!(lines["orderLines"]["nodes"].as_array().unwrap().len(), 20, "unless asked for more");
    assert_eq!(lines["orderLines"]["pageInfo"]["hasNextPage"], true);
    let null = hub.data(ADMIN, "{ orderLines(first: null, last: null, after: null) { nodes { id } } }").await;
    assert_eq!(null["orderLines"]["nodes"], lines["orderLines"]["nodes"]);
    let hub = hub
        .with(|config| {
            config.limits.page_size_default = 2;
            config.limits.page_size_max = 3;
        })
        .await;
    let two = hub.data(ADMIN, "{ orderLines { nodes { id } } }").await;
    assert_eq!(two["orderLines"]["nodes"].as_array().unwrap().len(), 2);
    let (code, message) = hub.refusal(ADMIN, "{ orderLines(first: 4) { nodes { id } } }").await;
    assert!(code == "BAD_USER_INPUT" && message.contains("0 to 3"), "{message}");
}

async fn a_cursor_is_of_its_list(hub: Hub) {
    let end = |list: &str, arguments: &str| format!("{{ {list}(first: 3{arguments}) {{ pageInfo {{ endCursor }} }} }}");
    let by_sku = ", orderBy: [{ field: SKU }]";
    let cursor = hub.data(ADMIN, &end("products", by_sku)).await["products"]["pageInfo"]["endCursor"].take();
    let cursor = cursor.as_str().unwrap();
    let foreign = hub.data(AQUA, &end("products", by_sku)).await["products"]["pageInfo"]["endCursor"].take();
    let foreign = foreign.as_str().unwrap();
    assert_ne!(cursor, foreign);
    // another seat of the same organisation reads it
    let document = "query($c: String) { products(after: $c, orderBy: [{ field: SKU }]) { nodes { sku } } }";
    assert!(hub.query_with("nordwind/finance", document, json!({ "c": cursor })).await.status == 200);

    let changed = format!("{}{}", if cursor.starts_with('A') { 'B' } else { 'A' }, &cursor[1..]);
    let short = &cursor[..cursor.len() - 4];
    let mut last = cursor.to_owned();
    let end_char = if last.pop() == Some('A') { 'Q' } else { 'A' };
    last.push(end_char);
    let id = hub.data(ADMIN, "{ products(first: 1) { nodes { id } } }").await["products"]["nodes"][0]["id"].take();
    for wrong in
        ["", "x", "MQ==", "AAAA", foreign, &changed, short, &last, id.as_str().unwrap(), "\u{0}", &"A".repeat(9_000)]
    {
        for argument in ["after", "before"] {
            let document = format!(
                "query($c: String) {{ products({argument}: $c, orderBy: [{{ field: SKU }}]) {{ nodes {{ sku }} }} }}"
            );
            let (code, message) = hub.refusal_with(ADMIN, &document, json!({ "c": wrong })).await;
            assert_eq!(code, "BAD_USER_INPUT", "{wrong}");
            assert!(message.starts_with(&format!("`{argument}` is no cursor of this list")), "{message}");
        }
    }
    for (list, arguments) in [
        ("products", ""),
        ("products", ", orderBy: [{ field: SKU, direction: DESC }]"),
        ("products", ", orderBy: [{ field: NAME }]"),
        ("products", ", orderBy: [{ field: SKU }, { field: NAME }]"),
        ("organisations", ""),
    ] {
        let document = format!("query($c: String) {{ {list}(after: $c{arguments}) {{ nodes {{ id }} }} }}");
        let (code, _) = hub.refusal_with(ADMIN, &document, json!({ "c": cursor })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{list}{arguments}");
    }
}

async fn lists_within_rows_are_paged(hub: Hub) {
    let every = "{ salesOrders(first: 1000) { nodes { id lines(first: 100, orderBy: [{ field: QTY, direction: DESC }]) { \
                 totalCount nodes { id qty } } } } }";
    let every = hub.data(ADMIN, every).await["salesOrders"]["nodes"].take();
    let every = every.as_array().unwrap();
    assert!(every.iter().any(|order| order["lines"]["totalCount"].as_u64() > Some(2)));
    for size in [0, 1, 2] {
        let document = format!(
            "{{ salesOrders(first: 1000) {{ nodes {{ id lines(first: {size}, orderBy: [{{ field: QTY, direction: DESC }}]) {{ \
             totalCount nodes {{ id qty }} pageInfo {{ hasNextPage endCursor }} }} }} }} }}"
        );
        let pages = hub.data(ADMIN, &document).await["salesOrders"]["nodes"].take();
        for (order, all) in pages.as_array().unwrap().iter().zip(every) {
            let (some, all) = (order["lines"]["nodes"].as_array().unwrap(), all["lines"]["nodes"].as_array().unwrap());
            assert_eq!(some[..], all[..size.min(all.len())]);
            assert_eq!(order["lines"]["totalCount"], all.len());
            assert_eq!(order["lines"]["pageInfo"]["hasNextPage"], all.len() > size);
        }
        // a cursor of one row's list goes on in that row
        let Some(order) = pages.as_array().unwrap().iter().find(|o| o["lines"]["pageInfo"]["hasNextPage"] == true)
        else {
            continue;
        };
        if size == 0 {
            continue;
        }
        let document = "query($id: ID!, $c: String) { node(id: $id) { ... on SalesOrder { \
            lines(first: 100, after: $c, orderBy: [{ field: QTY, direction: DESC }]) { nodes { id qty } } } } }";
        let variables = json!({ "id": order["id"], "c": order["lines"]["pageInfo"]["endCursor"] });
        let rest = hub.data_with(ADMIN, document, variables).await["node"]["lines"]["nodes"].take();
        let all = every.iter().find(|o| o["id"] == order["id"]).unwrap()["lines"]["nodes"].as_array().unwrap();
        assert_eq!(rest.as_array().unwrap()[..], all[size..]);
    }
    // from the end
    let last = "{ salesOrders(first: 1000) { nodes { lines(last: 1, orderBy: [{ field: QTY, direction: DESC }]) { \
                nodes { id } pageInfo { hasPreviousPage } } } } }";
    let last = hub.data(ADMIN, last).await["salesOrders"]["nodes"].take();
    for (order, all) in last.as_array().unwrap().iter().zip(every) {
        let all = all["lines"]["nodes"].as_array().unwrap();
        assert_eq!(order["lines"]["nodes"][0]["id"], all[all.len() - 1]["id"]);
        assert_eq!(order["lines"]["pageInfo"]["hasPreviousPage"], all.len() > 1);
    }
}

async fn edges_and_nodes_agree(hub: Hub) {
    let document = "{ customers(first: 7, orderBy: [{ field: NAME }]) { nodes { id name } \
        edges { cursor node { id name } } again: edges { node { name } cursor } pageInfo { startCursor endCursor } } }";
    let list = hub.data(ADMIN, document).await["customers"].take();
    let nodes = list["nodes"].as_array().unwrap();
    let edges = list["edges"].as_array().unwrap();
    assert_eq!((nodes.len(), edges.len()), (7, 7));
    for ((node, edge), again) in nodes.iter().zip(edges).zip(list["again"].as_array().unwrap()) {
        assert_eq!((&edge["node"], &again["node"]["name"]), (node, &node["name"]));
        assert_eq!(edge["cursor"], again["cursor"]);
    }
    assert_eq!(
        (&list["pageInfo"]["startCursor"], &list["pageInfo"]["endCursor"]),
        (&edges[0]["cursor"], &edges[6]["cursor"])
    );
}

async fn a_walk_goes_on_while_rows_go(hub: Hub) {
    let document = "query($c: String) { auditEvents(first: 2, after: $c, orderBy: [{ field: ID }]) { \
        nodes { id } pageInfo { endCursor hasNextPage } } }";
    let rows = Rows::read(&hub, ADMIN, ty("AuditEvent")).await;
    assert!(rows.all.len() >= 5);
    let first = hub.data_with(ADMIN, document, json!({})).await["auditEvents"].take();
    assert_eq!(first["nodes"][1]["id"], rows.all[1].id);
    // the row at the cursor and the next one vanish between two pages
    let keys = "SELECT id FROM audit_event ORDER BY id LIMIT 2 OFFSET 1";
    assert_eq!(hub.sql(&format!("DELETE FROM audit_event WHERE id IN ({keys})")).await, 2);
    let second = hub.data_with(ADMIN, document, json!({ "c": first["pageInfo"]["endCursor"] })).await;
    let second = second["auditEvents"]["nodes"].as_array().unwrap().clone();
    assert_eq!(
        second.iter().map(|n| n["id"].clone()).collect::<Vec<_>>(),
        [rows.all[3].id.clone(), rows.all[4].id.clone()]
    );
}
