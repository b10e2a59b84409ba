//! R1, R2, R3, R11: what suppliers see of the forecasts.

use chrono::{Days, NaiveDate};
use serde_json::Value;

use super::{ADMIN, AQUA, AQUA_MACHINE, BERGMANN, CERAM, absent, all, at, column, count, lacks, no_list};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_supplier_sees_the_published_demand_of_its_agreement,
        demand_names_no_customer,
        of_a_seal_with_two_makers_each_sees_its_share;
    changing:
        the_window_moves_with_the_day,
        an_agreement_ends_in_its_instant,
        a_scope_ends_before_its_agreement;
}

const BUCKET: &str = "bucketStart qty firmness series { product { sku } region category shipToUnit { name } }";

fn key(bucket: &Value) -> String {
    let parts = [
        "/series/product/sku",
        "/series/region",
        "/series/category",
        "/series/shipToUnit/name",
        "/bucketStart",
        "/qty",
        "/firmness",
    ];
    parts.map(|pointer| at(bucket, pointer)).join(" ")
}

fn keys<'v>(buckets: impl IntoIterator<Item = &'v Value>) -> Vec<String> {
    let mut keys: Vec<_> = buckets.into_iter().map(key).collect();
    keys.sort();
    keys
}

/// R1
async fn a_supplier_sees_the_published_demand_of_its_agreement(hub: Hub) {
    let fields = "bucketStart qty firmness version { status } supplier { slug } \
                  series { product { sku } region category shipToUnit { name } customer { ndaLevel } }";
    let there = all(&hub, ADMIN, "demandBuckets", fields).await;
    let today = hub.clock().now().utc().date_naive();
    let (first, last) = (today - Days::new(182), today + Days::new(546));
    let covered = |bucket: &&Value, supplier: &str, products: &[&str]| {
        let start: NaiveDate = at(bucket, "/bucketStart").parse().unwrap();
        at(bucket, "/supplier/slug") == supplier
            && at(bucket, "/version/status") == "PUBLISHED"
            && first <= start
            && start <= last
            && products.contains(&at(bucket, "/series/product/sku"))
            && bucket.pointer("/series/customer/ndaLevel").is_none_or(|level| level == 0)
            // A's agreement excludes it; C has none there
            && at(bucket, "/series/region") != "FR"
    };
    // S60 is under embargo and named by A's agreement; C's names families only
    for (seat, supplier, products) in [
        (AQUA, "aqua-seals", &["S40", "G10", "SK40", "S60"][..]),
        (AQUA_MACHINE, "aqua-seals", &["S40", "G10", "SK40", "S60"]),
        (CERAM, "ceram-motors", &["S40", "S25", "M12", "M20"]),
    ] {
        let expected: Vec<_> = there.iter().filter(|b| covered(b, supplier, products)).collect();
        assert!(expected.len() > 300);
        let seen = all(&hub, seat, "demandBuckets", BUCKET).await;
        assert_eq!(keys(&seen), keys(expected.iter().copied()), "{seat}");

        let sum: i64 = expected.iter().map(|b| at(b, "/qty").parse::<i64>().unwrap()).sum();
        let group =
            &hub.data(seat, "{ demandBucketAggregate { count sum { qty } } }").await["demandBucketAggregate"][0];
        assert_eq!((&group["count"], at(group, "/sum/qty")), (&expected.len().into(), sum.to_string().as_str()));
    }
    let versions = all(&hub, AQUA, "forecastVersions", "status").await;
    assert_eq!(column(&versions, "/status"), ["PUBLISHED", "SUPERSEDED"]);
}

/// R1, I1
async fn demand_names_no_customer(hub: Hub) {
    for seat in [AQUA, AQUA_MACHINE, CERAM] {
        lacks(&hub, seat, "demandSeries", &["customer { id }"]).await;
        absent(&hub, seat, "{ demandSeries(filter: { $: { name: { eq: \"K9\" } } }) { totalCount } }", "customer")
            .await;
        lacks(&hub, seat, "demandBuckets", &["contributors"]).await;
        no_list(&hub, seat, "customers").await;
        no_list(&hub, seat, "salesOrders").await;
        lacks(&hub, seat, "orderLines", &["order { id }"]).await;
    }
    // not even a distributor, whose marketing reads sums
    no_list(&hub, BERGMANN, "demandBuckets").await;
    // how unsure we are is in C's agreement, not in A's
    lacks(&hub, AQUA, "demandBuckets", &["qtyLow"]).await;
    assert!(!column(&all(&hub, CERAM, "demandBuckets", "qtyLow").await, "/qtyLow").is_empty());
}

/// R11
async fn of_a_seal_with_two_makers_each_sees_its_share(hub: Hub) {
    let mut shares = Vec::new();
    for (seat, own, quota) in [(AQUA, "aqua-seals", "60"), (CERAM, "ceram-motors", "40")] {
        let seals = "{ products(filter: { sku: { eq: \"S40\" } }) { nodes { \
                     partners { totalCount nodes { quotaPct organisation { slug } } } \
                     demandSeries { totalCount nodes { id region } } \
                     stock { nodes { kind owner { slug } } } } } }";
        let data = hub.data(seat, seals).await;
        let seal = &data["products"]["nodes"][0];
        assert_eq!(seal["partners"]["totalCount"], 1);
        assert_eq!(at(seal, "/partners/nodes/0/quotaPct"), quota);
        assert_eq!(column(seal["demandSeries"]["nodes"].as_array().unwrap(), "/region"), ["AT", "DE"]);
        let consigned: Vec<_> =
            seal["stock"]["nodes"].as_array().unwrap().iter().filter(|s| at(s, "/kind") == "CONSIGNED").collect();
        assert_eq!(consigned.iter().map(|s| at(s, "/owner/slug")).collect::<Vec<_>>(), [own]);

        for (list, pointer) in [("supplyCommitments", "/supplier/slug"), ("capacityBuckets", "/supplier/slug")] {
            let mut owners = column(&all(&hub, seat, list, "supplier { slug }").await, pointer);
            owners.dedup();
            assert_eq!(owners, [own], "{list}");
        }
        let week = "{ demandBuckets(filter: { bucketStart: { eq: \"2026-07-06\" }, series: { product: { sku: { eq: \"S40\" } }, \
                    region: { eq: \"DE\" } } }) { nodes { qty series { id } } } }";
        let data = hub.data(seat, week).await;
        let [bucket] = &data["demandBuckets"]["nodes"].as_array().unwrap()[..] else { panic!("one share: {data}") };
        shares.push((at(bucket, "/qty").parse::<i64>().unwrap(), at(bucket, "/series/id").to_owned()));
    }
    let [(aqua, _), (ceram, foreign)] = &shares[..] else { unreachable!() };
    assert_eq!(aqua * 40, ceram * 60);
    // an id that another was given leads nowhere
    let node = hub.data(AQUA, &format!("{{ node(id: \"{foreign}\") {{ id }} }}")).await;
    assert_eq!(node["node"], Value::Null);
}

/// R3
async fn the_window_moves_with_the_day(hub: Hub) {
    let edges = async || {
        let days = column(&all(&hub, AQUA, "demandBuckets", "bucketStart").await, "/bucketStart");
        (days.first().unwrap().clone(), days.last().unwrap().clone())
    };
    let edge = |first: &str, last: &str| (first.to_owned(), last.to_owned());
    assert_eq!(edges().await, edge("2025-12-15", "2027-12-13"));
    hub.set_clock("2026-06-15T23:59:59.999999Z");
    assert_eq!(edges().await, edge("2025-12-15", "2027-12-13"));
    hub.set_clock("2026-06-16T00:00:00Z");
    assert_eq!(edges().await, edge("2025-12-22", "2027-12-13"));
    hub.set_clock("2026-06-22T00:00:00Z");
    assert_eq!(edges().await, edge("2025-12-22", "2027-12-20"));
}

/// R2, R18
async fn an_agreement_ends_in_its_instant(hub: Hub) {
    let answers = count(&hub, AQUA, "supplyCommitments").await;
    hub.set_clock("2026-12-31T23:59:59.999999Z");
    for list in ["demandSeries", "demandBuckets", "orderLines", "cases"] {
        assert!(count(&hub, AQUA, list).await > 1, "{list}");
    }
    hub.set_clock("2027-01-01T00:00:00Z");
    for list in ["demandSeries", "demandBuckets", "orderLines"] {
        assert_eq!(count(&hub, AQUA, list).await, 0, "{list}");
    }
    // what it gave us stays its own, and danger is told by law
    assert_eq!(count(&hub, AQUA, "supplyCommitments").await, answers);
    assert_eq!(count(&hub, AQUA, "cases").await, 1);
    assert_eq!(column(&all(&hub, AQUA, "inventoryPositions", "kind").await, "/kind"), ["CONSIGNED"; 3]);
}

async fn a_scope_ends_before_its_agreement(hub: Hub) {
    let parts = async || {
        let mut parts = column(&all(&hub, AQUA, "demandSeries", "product { sku }").await, "/product/sku");
        parts.dedup();
        parts
    };
    assert_eq!(parts().await, ["G10", "S40", "S60", "SK40"]);
    hub.set_clock("2026-05-15T23:59:59Z");
    assert_eq!(parts().await, ["G10", "S25", "S40", "S60", "SK40"]);
    // a draft, an unsigned or a suspended agreement gives nothing
    hub.set_clock(crate::harness::NOW);
    for change in ["status = 'suspended'", "status = 'active', signed_by_grantee_id = NULL"] {
        hub.sql(&format!("UPDATE sharing_agreement SET {change} WHERE title = 'Supply collaboration 2026'")).await;
        assert_eq!(count(&hub, AQUA, "demandSeries").await, 0, "{change}");
    }
}
