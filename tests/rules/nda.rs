//! R9: customers under a non-disclosure agreement. It wins over every other rule.

use serde_json::Value;

use super::{
    ADMIN, AQUA, AQUA_MACHINE, BERGMANN, BERGMANN_MARKETING, CERAM, DAUPHIN, LINDNER, all, at, column, column_where,
};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_code_name_has_no_place,
        a_secret_customer_is_in_no_list_and_no_sum,
        inside_only_the_team_knows_it;
    changing: the_secret_wins_over_every_grant;
}

const SECRET: &str = "Donauwerk Sondertechnik GmbH";

/// Level 1
async fn a_code_name_has_no_place(hub: Hub) {
    let fields = "name codeName country region industry postcode contacts { totalCount } \
                  orders { totalCount nodes { shipToCountry shipToRegion shipToPostcode shipToUnit { id } } } \
                  cases { nodes { region } }";
    let seen = all(&hub, BERGMANN, "customers", fields).await;
    let coded: Vec<&Value> = seen.iter().filter(|c| !c["codeName"].is_null()).collect();
    assert_eq!(coded.len(), 2);
    for customer in coded {
        for field in ["name", "country", "region", "industry", "postcode"] {
            assert!(customer[field].is_null(), "{field}");
        }
        // its people have telling addresses
        assert_eq!(customer["contacts"]["totalCount"], 0);
        assert!(customer["orders"]["totalCount"].as_u64() > Some(5));
        for order in customer["orders"]["nodes"].as_array().unwrap() {
            assert!(order.as_object().unwrap().values().all(Value::is_null), "{order}");
        }
        assert!(customer["cases"]["nodes"].as_array().unwrap().iter().all(|c| c["region"].is_null()));
    }
    for filter in [
        "name: { eq: \"Alpenstahl AG\" }",
        "codeName: { eq: \"Heron\" }, region: { eq: AT }",
        "codeName: { eq: \"Heron\" }, region: { eq: \"AT\" }",
    ] {
        let reply = hub.query(BERGMANN, &format!("{{ customers(filter: {{ {filter} }}) {{ totalCount }} }}")).await;
        assert!(reply.json()["data"]["customers"]["totalCount"].as_u64().unwrap_or(0) == 0, "{filter}: {}", reply.text);
    }
    // demand that stands for it alone
    let demand = all(&hub, ADMIN, "demandSeries", "customer { ndaLevel } category").await;
    let single = column_where(&demand, "/category", |s| at(s, "/category") == "SINGLE_ORDER").len();
    let open = column_where(&demand, "/category", |s| s.pointer("/customer/ndaLevel").is_some_and(|l| l == 0)).len();
    assert_eq!((single, open), (3, 1));
    let seen = all(&hub, AQUA, "demandSeries", "category").await;
    assert_eq!(column_where(&seen, "/category", |s| at(s, "/category") == "SINGLE_ORDER").len(), open);
}

/// Level 2, outside
async fn a_secret_customer_is_in_no_list_and_no_sum(hub: Hub) {
    let named = |row: &Value| at(row, "/customer/name") == SECRET || at(row, "/order/customer/name") == SECRET;
    let orders = all(&hub, ADMIN, "salesOrders", "number customer { name }").await;
    let hidden = column_where(&orders, "/number", named);
    assert!(hidden.len() > 5);
    for seat in [BERGMANN, DAUPHIN, LINDNER] {
        let seen = column(&all(&hub, seat, "salesOrders", "number").await, "/number");
        assert!(hidden.iter().all(|number| !seen.contains(number)), "{seat}");
    }
    let lines = all(&hub, ADMIN, "orderLines", "qty source { slug } product { sku } order { customer { name } }").await;
    let sum = |rows: Vec<&Value>| rows.iter().map(|l| at(l, "/qty").parse::<i64>().unwrap()).sum::<i64>();
    for (seat, source, covered) in [
        (AQUA, "aqua-seals", &["S40", "G10", "SK40"][..]),
        (AQUA_MACHINE, "aqua-seals", &["S40", "G10", "SK40"]),
        (CERAM, "ceram-motors", &["S40", "S25", "M12", "M20"]),
    ] {
        let its: Vec<_> = lines
            .iter()
            .filter(|l| at(l, "/source/slug") == source && covered.contains(&at(l, "/product/sku")))
            .collect();
        let told: Vec<_> = its.iter().copied().filter(|l| !named(l)).collect();
        assert!(told.len() < its.len(), "the secret customer ordered its parts");
        let data = hub.data(seat, "{ orderLineAggregate { count sum { qty } } }").await;
        let group = &data["orderLineAggregate"][0];
        assert_eq!(group["count"], told.len(), "{seat}");
        assert_eq!(at(group, "/sum/qty"), sum(told).to_string(), "{seat}");
    }
    let cases = all(&hub, ADMIN, "cases", "number customer { name }").await;
    let [case] = &column_where(&cases, "/number", named)[..] else { panic!("one case") };
    // it is about a part that A supplied
    for seat in [AQUA, AQUA_MACHINE, CERAM, BERGMANN, LINDNER] {
        let document = format!("{{ cases(filter: {{ number: {{ eq: \"{case}\" }} }}) {{ totalCount }} }}");
        assert_eq!(hub.data(seat, &document).await["cases"]["totalCount"], 0, "{seat}");
    }
    let schema = hub.data(BERGMANN_MARKETING, "{ __schema { queryType { fields { name } } } }").await;
    assert!(!schema.to_string().contains("customers"));
}

/// Level 2, inside
async fn inside_only_the_team_knows_it(hub: Hub) {
    let knows = async |seat: &str, list: &str, field: &str, pointer: &str| {
        column(&all(&hub, seat, list, field).await, pointer).contains(&SECRET.to_owned())
    };
    for (seat, known) in [
        (ADMIN, true),
        ("nordwind/sales_rep/bruno", true),
        ("nordwind/support_agent/sven", true),
        // its owner's manager, and colleagues in the same roles
        ("nordwind/sales_manager", false),
        ("nordwind/sales_rep/anna", false),
        ("nordwind/support_agent/svea", false),
        ("nordwind/finance", false),
    ] {
        assert_eq!(knows(seat, "customers", "name", "/name").await, known, "{seat}");
        let fields = "customer { name }";
        assert_eq!(knows(seat, "salesOrders", fields, "/customer/name").await, known, "{seat}");
        if !seat.ends_with("finance") {
            assert_eq!(knows(seat, "cases", fields, "/customer/name").await, known, "{seat}");
        }
    }
    let codes = column(&all(&hub, "nordwind/marketing", "customers", "codeName").await, "/codeName");
    assert_eq!(codes, ["Heron", "Otter"]);
    // a planner knows no customer; the secret one is not in the planner's numbers either
    let there = hub.number("SELECT count(*) FROM sales_order").await;
    let secret = hub
        .number(&format!(
            "SELECT count(*) FROM sales_order o JOIN customer c ON c.id = o.customer_id WHERE c.name = '{SECRET}'"
        ))
        .await;
    let seen = hub.data("nordwind/planner", "{ salesOrderAggregate { count } }").await;
    assert_eq!(seen["salesOrderAggregate"][0]["count"], there - secret);
}

async fn the_secret_wins_over_every_grant(hub: Hub) {
    let customers = async |seat: &str| {
        hub.data(seat, "{ customers { totalCount } }").await["customers"]["totalCount"].as_u64().unwrap()
    };
    let before = customers(BERGMANN).await;
    let partner = "(SELECT id FROM organisation WHERE slug = 'bergmann')";
    hub.sql(&format!("UPDATE customer SET assigned_partner_id = {partner} WHERE name = '{SECRET}'")).await;
    hub.sql(&format!("UPDATE sales_order SET sold_by_id = {partner} WHERE customer_id = (SELECT id FROM customer WHERE name = '{SECRET}')")).await;
    assert_eq!(customers(BERGMANN).await, before);
    // a customer that becomes secret is gone at once, for those inside too
    let rep = "nordwind/sales_rep/anna";
    let inside = customers(rep).await;
    hub.sql("UPDATE customer SET nda_level = 2 WHERE name = 'Neckar Klimatechnik'").await;
    assert_eq!((customers(BERGMANN).await, customers(rep).await), (before - 1, inside - 1));
}
