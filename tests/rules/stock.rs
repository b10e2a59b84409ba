//! Stock as an agreement shows it: in bands, or as the days for which it lasts, what lies there over what is needed
//! there. No number beside.

use serde_json::{Value, json};

use super::{ADMIN, AQUA, CERAM, all};
use crate::harness::{Hub, tests};

tests! {
    reading: stock_is_shown_as_days, days_are_all_that_is_asked;
    changing: a_band_is_all_that_is_shown, days_follow_stock_and_demand, days_move_with_the_calendar, only_published_demand_of_the_place_counts;
}

/// What C is shown of the motors of ours that lie in Kiel.
async fn days(hub: &Hub) -> Value {
    let rows = all(hub, CERAM, "inventoryPositions", "qty minQty kind product { sku }").await;
    let ours: Vec<&Value> =
        rows.iter().filter(|row| row["product"]["sku"] == "M12" && row["kind"] == "ON_HAND").collect();
    assert_eq!(ours.len(), 1, "{rows:?}");
    assert_eq!(ours[0]["minQty"], Value::Null, "its agreement does not name it");
    ours[0]["qty"].clone()
}

const MOTORS: &str = "kind = 'on_hand' AND product_id = (SELECT id FROM product WHERE sku = 'M12')";
const PUBLISHED: &str = "(SELECT id FROM forecast_version WHERE status = 'published')";
const NEEDED: &str =
    "series_id IN (SELECT id FROM demand_series WHERE product_id = (SELECT id FROM product WHERE sku = 'M12'))";

/// In pieces, over the four weeks from the Monday at which the tests' clock stands.
async fn needed(hub: &Hub) -> i64 {
    let sum = format!(
        "SELECT CAST(sum(qty) AS bigint) FROM demand_bucket WHERE {NEEDED} AND version_id = {PUBLISHED} \
         AND bucket_start IN ('2026-06-15', '2026-06-22', '2026-06-29', '2026-07-06')"
    );
    hub.number(&sum).await / 10_000
}

async fn stock(hub: &Hub, pieces: i64) {
    assert_eq!(hub.sql(&format!("UPDATE inventory_position SET qty = {} WHERE {MOTORS}", pieces * 10_000)).await, 1);
}

async fn stock_is_shown_as_days(hub: Hub) {
    let pieces = hub.number(&format!("SELECT qty FROM inventory_position WHERE {MOTORS}")).await / 10_000;
    let right = pieces * 28 / needed(&hub).await;
    assert!(right > 0);
    assert_eq!(days(&hub).await, right.to_string());
    let rows = all(&hub, ADMIN, "inventoryPositions", "qty product { sku }").await;
    let pieces = pieces.to_string();
    assert!(rows.iter().any(|row| row["product"]["sku"] == "M12" && row["qty"] == pieces), "stored");
    // its own stock is no secret to it
    let own = all(&hub, CERAM, "inventoryPositions", "qty kind product { sku }").await;
    let own = own.iter().find(|row| row["product"]["sku"] == "M12" && row["kind"] == "CONSIGNED").unwrap();
    assert_eq!(own["qty"], "140");
}

/// A filter, an order, a group and a sum see what is shown.
async fn days_are_all_that_is_asked(hub: Hub) {
    let shown = days(&hub).await;
    let stored = hub.texts(&format!("SELECT qty / 10000 FROM inventory_position WHERE {MOTORS}")).await;
    let filter = |qty: &Value| json!({ "kind": { "eq": "ON_HAND" }, "qty": { "eq": qty } });
    let document = "query ($filter: InventoryPositionFilter) { \
        inventoryPositions(filter: $filter, orderBy: [{ field: QTY, direction: DESC }]) { totalCount nodes { qty } } \
        inventoryPositionAggregate(filter: $filter) { count sum { qty } max { qty } } }";
    let data = hub.data_with(CERAM, document, json!({ "filter": filter(&shown) })).await;
    assert_eq!(data["inventoryPositions"], json!({ "totalCount": 1, "nodes": [{ "qty": shown }] }));
    let sums = &data["inventoryPositionAggregate"][0];
    assert_eq!((&sums["sum"]["qty"], &sums["max"]["qty"]), (&shown, &shown));
    let raw = json!(stored[0].as_deref().unwrap());
    let data = hub.data_with(CERAM, document, json!({ "filter": filter(&raw) })).await;
    assert_eq!(data["inventoryPositions"]["totalCount"], 0);
}

async fn days_follow_stock_and_demand(hub: Hub) {
    let need = needed(&hub).await;
    for (pieces, right) in [
        (0, 0),
        (need / 28, need / 28 * 28 / need),
        (need / 28 + 1, 1),
        (need - 1, 27),
        (need, 28),
        // how much more there is, the days that were looked ahead do not tell
        (need + 1, 28),
        (need * 100, 28),
        (-5, 0),
    ] {
        stock(&hub, pieces).await;
        assert_eq!(days(&hub).await, right.to_string(), "{pieces} of {need}");
    }
    // within a day nothing is told of the quantity
    stock(&hub, need / 2).await;
    let half = days(&hub).await;
    stock(&hub, need / 2 + 1).await;
    assert_eq!(days(&hub).await, half);
    // twice the demand, half the days; none, and nobody can tell
    stock(&hub, need / 2).await;
    hub.sql(&format!("UPDATE demand_bucket SET qty = 2 * qty WHERE {NEEDED}")).await;
    assert_eq!(days(&hub).await, (need / 2 * 28 / (2 * need)).to_string());
    hub.sql(&format!("UPDATE demand_bucket SET qty = 0 WHERE {NEEDED}")).await;
    assert_eq!(days(&hub).await, Value::Null);
}

async fn days_move_with_the_calendar(hub: Hub) {
    // a need on one day only: it counts from 27 days before until it is past
    hub.sql(&format!("UPDATE demand_bucket SET qty = 0 WHERE {NEEDED} AND bucket_start <> '2026-08-03'")).await;
    for (at, told) in [
        ("2026-07-06T23:59:59.999Z", false),
        ("2026-07-07T00:00:00Z", true),
        ("2026-08-03T23:59:59.999Z", true),
        ("2026-08-04T00:00:00Z", false),
    ] {
        hub.set_clock(at);
        assert_eq!(days(&hub).await.is_string(), told, "{at}");
    }
}

async fn only_published_demand_of_the_place_counts(hub: Hub) {
    let before = days(&hub).await;
    let series = |set: &str| {
        format!("UPDATE demand_series SET {set} WHERE product_id = (SELECT id FROM product WHERE sku = 'M12')")
    };
    hub.sql(&format!("UPDATE demand_bucket SET qty = 9 * qty WHERE {NEEDED} AND version_id <> {PUBLISHED}")).await;
    assert_eq!(days(&hub).await, before, "drafts and what is superseded do not count");
    // of whom nobody outside may know, nothing is told
    hub.sql(&series("customer_id = (SELECT id FROM customer WHERE nda_level = 2)")).await;
    assert_eq!(days(&hub).await, Value::Null);
    hub.sql(&series("customer_id = (SELECT id FROM customer WHERE name = 'Hafenwerke Hamburg GmbH')")).await;
    assert_eq!(days(&hub).await, before);
    hub.sql(&series("ship_to_unit_id = (SELECT id FROM org_unit WHERE name = 'Plant Graz')")).await;
    assert_eq!(days(&hub).await, Value::Null, "what is needed elsewhere");
    hub.sql(&series("ship_to_unit_id = NULL")).await;
    assert_eq!(days(&hub).await, Value::Null);
}

/// A's agreement shows ours in bands of fifty: rounded down, in filters, orders and sums as in rows.
async fn a_band_is_all_that_is_shown(hub: Hub) {
    let ours = "kind = 'on_hand' AND product_id = (SELECT id FROM product WHERE sku = 'G10')";
    assert_eq!(hub.number(&format!("SELECT count(*) FROM inventory_position WHERE {ours}")).await, 1);
    let document = "query ($qty: DecimalFilter) { \
        inventoryPositions(filter: { kind: { eq: ON_HAND }, product: { sku: { eq: \"G10\" } }, qty: $qty }) { nodes { qty } } \
        inventoryPositionAggregate(filter: { kind: { eq: ON_HAND }, product: { sku: { eq: \"G10\" } }, qty: $qty }) { sum { qty } } }";
    let told = async |qty: Value| {
        let data = hub.data_with(AQUA, document, json!({ "qty": qty })).await;
        (data["inventoryPositions"]["nodes"].clone(), data["inventoryPositionAggregate"][0]["sum"]["qty"].clone())
    };
    for (pieces, band) in [
        ("0", "0"),
        ("49.9999", "0"),
        ("50", "50"),
        ("99.9999", "50"),
        ("100", "100"),
        ("123456.7891", "123450"),
        ("-0.0001", "-50"),
        ("-50", "-50"),
    ] {
        let stored = pieces.parse::<entities::Decimal>().unwrap().0;
        hub.sql(&format!("UPDATE inventory_position SET qty = {stored} WHERE {ours}")).await;
        let shown = (json!([{ "qty": band }]), json!(band));
        assert_eq!(told(json!({ "eq": band })).await, shown, "{pieces}");
        assert_eq!(told(json!({ "gte": band, "lte": band })).await, shown, "{pieces}");
        if pieces != band {
            assert_eq!(told(json!({ "eq": pieces })).await.0, json!([]), "{pieces}");
            let between = told(json!({ "gt": band })).await.0;
            assert_eq!(between, json!([]), "{pieces}");
        }
    }
}
