//! R13, R14, R16 and the suppliers' and carriers' sides of an order.

use super::{ADMIN, AQUA, LINDNER, absent, all, at, column, column_where, lacks, no_list};
use crate::harness::{Hub, tests};

tests! {
    reading:
        finance_sees_price_cost_and_margin,
        support_sees_no_prices,
        sales_sees_the_orders_of_its_territory_without_cost,
        a_planner_sees_orders_without_customers,
        a_supplier_sees_the_lines_that_it_delivers,
        a_carrier_sees_what_it_carries;
}

/// R13
async fn finance_sees_price_cost_and_margin(hub: Hub) {
    let seat = "nordwind/finance";
    let money = "total margin currency customer { name creditLimit } lines { nodes { unitPrice unitCost netAmount } }";
    let seen = all(&hub, seat, "salesOrders", money).await;
    let there = all(&hub, ADMIN, "salesOrders", money).await;
    assert!(seen.len() > 250 && seen.iter().all(|order| there.contains(order)));
    lacks(&hub, seat, "salesOrders", &["shipToPostcode", "owner { id }"]).await;
    lacks(&hub, seat, "customers", &["street", "owner { id }"]).await;
    no_list(&hub, seat, "cases").await;
    no_list(&hub, seat, "caseMessages").await;
}

/// R14
async fn support_sees_no_prices(hub: Hub) {
    let seat = "nordwind/support_agent";
    assert!(!all(&hub, seat, "orderLines", "product { sku } lotNo qty").await.is_empty());
    lacks(&hub, seat, "salesOrders", &["total", "margin", "currency"]).await;
    lacks(&hub, seat, "orderLines", &["unitPrice", "unitCost", "netAmount", "discountPct"]).await;
    lacks(&hub, seat, "customers", &["creditLimit"]).await;
    lacks(&hub, seat, "products", &["standardCost"]).await;
    absent(&hub, seat, "{ orderLineAggregate { sum { $ } } }", "netAmount").await;
    absent(&hub, seat, "{ orderLines(orderBy: [{ field: $ }]) { totalCount } }", "UNIT_PRICE").await;
}

/// R16
async fn sales_sees_the_orders_of_its_territory_without_cost(hub: Hub) {
    let there = all(&hub, ADMIN, "salesOrders", "number customer { name region }").await;
    for (seat, regions, team) in [
        ("nordwind/sales_rep/anna", &["DE"][..], "Wiener"),
        ("nordwind/sales_rep/claire", &["FR"], "-"),
        ("nordwind/sales_manager", &["DE", "AT", "CH"], "-"),
    ] {
        let its = column_where(&there, "/number", |o| {
            let name = at(o, "/customer/name");
            (regions.contains(&at(o, "/customer/region")) || name.starts_with(team)) && !name.starts_with("Donauwerk")
        });
        assert_eq!(column(&all(&hub, seat, "salesOrders", "number total").await, "/number"), its, "{seat}");
        lacks(&hub, seat, "salesOrders", &["margin"]).await;
        lacks(&hub, seat, "orderLines", &["unitCost"]).await;
    }
}

async fn a_planner_sees_orders_without_customers(hub: Hub) {
    let seat = "nordwind/planner";
    assert!(!column(&all(&hub, seat, "orderLines", "source { slug }").await, "/source/slug").is_empty());
    lacks(&hub, seat, "salesOrders", &["customer { id }"]).await;
    lacks(&hub, seat, "demandSeries", &["customer { id }"]).await;
    no_list(&hub, seat, "customers").await;
}

/// R1, R11
async fn a_supplier_sees_the_lines_that_it_delivers(hub: Hub) {
    let seen = all(&hub, AQUA, "orderLines", "product { sku } source { slug } qty lotNo").await;
    let mut sources = column(&seen, "/source/slug");
    sources.dedup();
    assert_eq!((sources, column(&seen, "/source/slug").len()), (vec!["aqua-seals".to_owned()], seen.len()));
    lacks(&hub, AQUA, "orderLines", &["order { id }", "unitPrice", "netAmount", "lineNo"]).await;
}

async fn a_carrier_sees_what_it_carries(hub: Hub) {
    let there = all(&hub, ADMIN, "salesOrders", "number carrier { slug } customer { ndaLevel }").await;
    let its = column_where(&there, "/number", |o| {
        at(o, "/carrier/slug") == "lindner" && o.pointer("/customer/ndaLevel").is_some_and(|level| level != 2)
    });
    let seen = all(&hub, LINDNER, "salesOrders", "number shipToPostcode lines { nodes { product { sku } qty } }").await;
    assert_eq!(column(&seen, "/number"), its);
    assert!(column(&seen, "/shipToPostcode").iter().all(|code| code.len() >= 4));
    lacks(&hub, LINDNER, "salesOrders", &["customer { id }"]).await;
    let places = all(&hub, LINDNER, "inventoryPositions", "unit { name } qty").await;
    assert_eq!(column(&places, "/unit/name"), vec!["Lindner hub Linz"; places.len()]);
    lacks(&hub, LINDNER, "inventoryPositions", &["owner { id }"]).await;
}
