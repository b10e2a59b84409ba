//! A trading company, from CSV files to what each supplier is answered. Its figures are those that stand
//! beside the files. `NORTHWIND_DIR` names their folder.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::{Hub, folder, repository, tests};

tests! {
    empty:
        the_figures_of_the_company_come_out,
        each_supplier_sees_its_own_demand_and_nobody_for_whom,
        a_shipper_sees_what_it_carries,
        a_second_import_changes_nothing;
}

const FINANCE: &str = "northwind/finance";
const PLANNER: &str = "northwind/planner";

fn files() -> PathBuf {
    match std::env::var_os("NORTHWIND_DIR") {
        Some(given) => given.into(),
        None => folder("../shared/data/northwind"),
    }
}

async fn import(hub: &Hub) {
    let (files, mapping) = (files(), repository().join("server/examples/northwind/mapping.toml"));
    let said = hub.cli(&["import", "--map", &mapping.display().to_string(), &files.display().to_string()]).run().await;
    assert!(said.good().contains("OrderLine: 2155 new, from OrderDetails.csv"));
}

async fn aggregate(hub: &Hub, seat: &str, asked: &str) -> Value {
    hub.data(seat, &format!("{{ rows: {asked} }}")).await["rows"].take()
}

async fn the_figures_of_the_company_come_out(hub: Hub) {
    import(&hub).await;
    let revenue = aggregate(&hub, FINANCE, "orderLineAggregate { count sum { netAmount } }").await;
    assert_eq!(revenue, json!([{ "count": 2155, "sum": { "netAmount": "1265793.0395" } }]));

    let years = "orderLineAggregate(groupBy: [ORDERED_ON_YEAR]) { key { orderedOnYear } sum { netAmount } }";
    let expected = json!([
        { "key": { "orderedOnYear": "1996-01-01" }, "sum": { "netAmount": "208083.97" } },
        { "key": { "orderedOnYear": "1997-01-01" }, "sum": { "netAmount": "617085.2035" } },
        { "key": { "orderedOnYear": "1998-01-01" }, "sum": { "netAmount": "440623.866" } },
    ]);
    assert_eq!(aggregate(&hub, FINANCE, years).await, expected);
    let orders = aggregate(&hub, PLANNER, "salesOrderAggregate(groupBy: [PLACED_AT_YEAR]) { count }").await;
    assert_eq!(orders, json!([{ "count": 152 }, { "count": 408 }, { "count": 270 }]));

    let supplier =
        "orderLineAggregate(filter: { source: { slug: { eq: \"supplier-18\" } } }) { sum { qty netAmount } }";
    let expected = json!([{ "sum": { "qty": "1416", "netAmount": "153691.275" } }]);
    assert_eq!(aggregate(&hub, FINANCE, supplier).await, expected);
    let open = "salesOrderAggregate(filter: { shippedOn: { isNull: true } }) { count }";
    assert_eq!(aggregate(&hub, PLANNER, open).await, json!([{ "count": 21 }]));
    for (shipper, count) in [("shipper-1", 249), ("shipper-2", 326), ("shipper-3", 255)] {
        let carried =
            format!("salesOrderAggregate(filter: {{ carrier: {{ slug: {{ eq: \"{shipper}\" }} }} }}) {{ count }}");
        assert_eq!(aggregate(&hub, PLANNER, &carried).await, json!([{ "count": count }]));
    }
    // no filter compares two fields
    assert_eq!(hub.number("SELECT count(*) FROM sales_order WHERE shipped_on > requested_date").await, 37);
    let never = "SELECT k.key FROM external_key k WHERE k.object_type = 'Customer' AND NOT EXISTS \
                 (SELECT 1 FROM sales_order o WHERE o.customer_id = k.object_id) ORDER BY k.key";
    assert_eq!(hub.texts(never).await, [Some("FISSA".into()), Some("PARIS".into())]);
}

async fn each_supplier_sees_its_own_demand_and_nobody_for_whom(hub: Hub) {
    import(&hub).await;
    let mut seen = 0;
    for n in 1..=29 {
        let seat = format!("supplier-{n}/partner_planner");
        let own = format!(
            "SELECT l.qty / 10000 FROM order_line l JOIN organisation o ON o.id = l.source_id \
             WHERE o.slug = 'supplier-{n}'"
        );
        let there: Vec<i64> = hub.texts(&own).await.into_iter().map(|qty| qty.unwrap().parse().unwrap()).collect();
        let answer = aggregate(&hub, &seat, "orderLineAggregate { count sum { qty } }").await;
        assert_eq!(
            answer,
            json!([{ "count": there.len(), "sum": { "qty": there.iter().sum::<i64>().to_string() } }]),
            "{seat}"
        );
        seen += there.len();
    }
    assert_eq!(seen, 2155);

    let pavlova = "supplier-7/partner_planner";
    let months = "orderLineAggregate(groupBy: [ORDERED_ON_MONTH], filter: { orderedOn: { lt: \"1996-12-01\" } }) \
                  { key { orderedOnMonth } sum { qty } }";
    let month = |(month, qty): (u32, u32)| json!({ "key": { "orderedOnMonth": format!("1996-{month:02}-01") }, "sum": { "qty": qty.to_string() } });
    let expected: Vec<_> = (7..).zip([166, 95, 160, 259, 92]).map(month).collect();
    assert_eq!(aggregate(&hub, pavlova, months).await, json!(expected));
    for hidden in [
        "{ customers { totalCount } }",
        "{ salesOrders { totalCount } }",
        "{ orderLines { nodes { order { id } } } }",
        "{ orderLineAggregate { sum { netAmount } } }",
        "{ orderLines(filter: { unitPrice: { gt: \"10\" } }) { totalCount } }",
        "{ orderLineAggregate(filter: { order: { customer: { country: { eq: \"DE\" } } } }) { count } }",
    ] {
        assert_eq!(hub.refusal(pavlova, hidden).await.0, "GRAPHQL_VALIDATION_FAILED", "{hidden}");
    }
    let people = hub.data(pavlova, "{ contacts { nodes { givenName familyName } } }").await;
    assert_eq!(people["contacts"]["nodes"], json!([{ "givenName": "Ian", "familyName": "Devling" }]), "its own only");
    let known = hub.data(pavlova, "{ organisations { nodes { slug } } }").await;
    assert_eq!(known["organisations"]["nodes"], json!([{ "slug": "northwind" }, { "slug": "supplier-7" }]));
}

async fn a_shipper_sees_what_it_carries(hub: Hub) {
    import(&hub).await;
    let shipper = "shipper-3/partner_planner";
    let seen = hub.data(shipper, "{ salesOrders(first: 1) { totalCount nodes { shipToPostcode } } }").await;
    assert_eq!(seen["salesOrders"]["totalCount"], 255);
    assert_eq!(seen["salesOrders"]["nodes"][0]["shipToPostcode"], "51100");
    assert_eq!(hub.refusal(shipper, "{ customers { totalCount } }").await.0, "GRAPHQL_VALIDATION_FAILED");
}

async fn a_second_import_changes_nothing(hub: Hub) {
    import(&hub).await;
    let (files, mapping) = (files(), repository().join("server/examples/northwind/mapping.toml"));
    let (files, mapping) = (files.display().to_string(), mapping.display().to_string());
    let said = hub.cli(&["import", "--map", &mapping, &files]).run().await;
    assert!(said.stderr.contains("line 1: key `host` of source `northwind` was imported before"), "{}", said.stderr);
    assert!(said.sentence(1).starts_with("nothing was imported: 1 row is wrong"));
    assert_eq!(hub.number("SELECT count(*) FROM organisation").await, 33);
}
