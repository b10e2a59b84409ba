//! R8: a product before its launch.

use super::{AQUA, AQUA_MACHINE, BERGMANN, BERGMANN_MARKETING, CERAM, DAUPHIN, LINDNER, all, at, column};
use crate::harness::{Hub, tests};

tests! {
    reading: nothing_outside_tells_of_it;
    changing: it_is_known_from_its_instant;
}

const NEW: [&str; 3] = ["M90", "PX500", "S60"];
const OUTSIDE: [&str; 5] = [BERGMANN, BERGMANN_MARKETING, CERAM, DAUPHIN, LINDNER];
const SUPPORT: &str = "nordwind/support_agent";

async fn known(hub: &Hub, seat: &str) -> Vec<String> {
    let mut skus = column(&all(hub, seat, "products", "sku").await, "/sku");
    skus.retain(|sku| NEW.contains(&sku.as_str()));
    skus
}

async fn nothing_outside_tells_of_it(hub: Hub) {
    for seat in OUTSIDE {
        assert!(known(&hub, seat).await.is_empty(), "{seat}");
        let guess =
            "{ products(filter: { name: { like: \"Heat pump%\" } }) { totalCount } productAggregate { count } }";
        let data = hub.data(seat, guess).await;
        assert_eq!(data["products"]["totalCount"], 0);
        assert_eq!(data["productAggregate"][0]["count"], 10);
    }
    // named by its agreement: the pump and A's part of it, not C's
    for seat in [AQUA, AQUA_MACHINE] {
        assert_eq!(known(&hub, seat).await, ["PX500", "S60"]);
    }
    for (seat, list) in [
        (BERGMANN, "orderLines"),
        (BERGMANN, "inventoryPositions"),
        (BERGMANN, "partnerProducts"),
        (BERGMANN, "caseProducts"),
        (DAUPHIN, "orderLines"),
        (DAUPHIN, "partnerProducts"),
        (CERAM, "demandSeries"),
        (CERAM, "partnerProducts"),
        (LINDNER, "inventoryPositions"),
        (LINDNER, "orderLines"),
        (SUPPORT, "orderLines"),
        (SUPPORT, "inventoryPositions"),
    ] {
        let rows = all(&hub, seat, list, "product { sku }").await;
        // a row whose product is hidden would tell of it too
        assert!(rows.iter().all(|row| !at(row, "/product/sku").is_empty()), "{seat} {list}");
        assert!(column(&rows, "/product/sku").iter().all(|sku| !NEW.contains(&sku.as_str())), "{seat} {list}");
    }
    let parts = column(&all(&hub, CERAM, "demandBuckets", "series { product { sku } }").await, "/series/product/sku");
    assert!(!parts.contains(&"M90".to_owned()));
    assert_eq!(known(&hub, "nordwind/planner").await, NEW);
    assert!(known(&hub, SUPPORT).await.is_empty());
}

async fn it_is_known_from_its_instant(hub: Hub) {
    hub.set_clock("2026-08-25T08:59:59.999Z");
    assert!(known(&hub, SUPPORT).await.is_empty());
    hub.set_clock("2026-08-25T09:00:00Z");
    assert_eq!(known(&hub, SUPPORT).await, NEW);
    hub.set_clock("2026-09-01T08:59:59.999Z");
    for seat in OUTSIDE {
        assert!(known(&hub, seat).await.is_empty(), "{seat}");
    }
    hub.set_clock("2026-09-01T09:00:00Z");
    for seat in OUTSIDE {
        assert_eq!(known(&hub, seat).await, NEW, "{seat}");
    }
    let lines = column(&all(&hub, BERGMANN, "orderLines", "product { sku }").await, "/product/sku");
    assert_eq!(lines.iter().filter(|sku| *sku == "PX500").count(), 2);
}
