//! R4, R5, R16: customers, by country, by agreement and by territory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{ADMIN, BERGMANN, DAUPHIN, LINDNER, all, at, column, column_where, count, lacks};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_distributor_sees_its_countries_but_one_customer,
        a_postcode_is_two_characters,
        nobody_learns_who_else_serves_a_customer,
        a_rep_sees_its_territory_in_full_and_others_by_name;
    changing:
        a_customer_that_moves_leaves_one_view_and_enters_another,
        an_address_is_whole_for_the_partner_in_charge,
        what_an_agreement_does_not_list_is_hidden,
        a_pseudonym_stands_for_a_value_before_one_partner;
}

/// R4
async fn a_distributor_sees_its_countries_but_one_customer(hub: Hub) {
    let of = "customer { name ndaLevel }";
    let customers = all(&hub, ADMIN, "customers", "name region ndaLevel").await;
    let orders = all(&hub, ADMIN, "salesOrders", &format!("number shipToRegion {of}")).await;
    let cases = all(&hub, ADMIN, "cases", &format!("number region safetyFlag {of}")).await;
    for (seat, regions) in [(BERGMANN, &["DE", "AT", "CH"][..]), (DAUPHIN, &["FR"])] {
        let known = |row: &Value, customer: &str| {
            row.pointer(&format!("{customer}/ndaLevel")).is_some_and(|level| level != 2)
                && !at(row, &format!("{customer}/name")).starts_with("K9")
        };
        let there = column_where(&customers, "/name", |c| {
            regions.contains(&at(c, "/region")) && known(c, "") && c["ndaLevel"] == 0
        });
        let seen = all(&hub, seat, "customers", "name").await;
        assert_eq!(column(&seen, "/name"), there, "{seat}");

        let there =
            column_where(&orders, "/number", |o| regions.contains(&at(o, "/shipToRegion")) && known(o, "/customer"));
        let seen = all(&hub, seat, "salesOrders", "number").await;
        assert_eq!(column(&seen, "/number"), there, "{seat}");
        let lines = all(&hub, seat, "orderLines", "order { number }").await;
        assert!(column(&lines, "/order/number").iter().all(|number| there.contains(number)));
        assert_eq!(column(&lines, "/order/number").len(), lines.len());

        let there = column_where(&cases, "/number", |c| regions.contains(&at(c, "/region")) && known(c, "/customer"));
        // beside those of its countries, each distributor is told of one danger; that case says not where
        let seen = all(&hub, seat, "cases", "number customer { id }").await;
        assert_eq!(column_where(&seen, "/number", |c| !c["customer"].is_null()), there, "{seat}");
    }
    let exact = "{ customers(filter: { name: { like: \"K9%\" } }) { totalCount } }";
    assert_eq!(hub.data(BERGMANN, exact).await["customers"]["totalCount"], 0);
    assert_eq!(hub.data(ADMIN, exact).await["customers"]["totalCount"], 1);
}

/// R4
async fn a_customer_that_moves_leaves_one_view_and_enters_another(hub: Hub) {
    let sees = async |seat| {
        column(&all(&hub, seat, "customers", "name").await, "/name").contains(&"Rheinwasser AG".to_owned())
    };
    assert!(sees(BERGMANN).await && !sees(DAUPHIN).await);
    hub.sql("UPDATE customer SET region = 'FR', country = 'FR' WHERE name = 'Rheinwasser AG'").await;
    assert!(!sees(BERGMANN).await && sees(DAUPHIN).await);
}

/// R5
async fn a_postcode_is_two_characters(hub: Hub) {
    let there = all(&hub, ADMIN, "customers", "name postcode").await;
    let seen = all(&hub, BERGMANN, "customers", "name postcode").await;
    assert!(seen.len() > 20);
    for row in seen.iter().filter(|row| !row["name"].is_null()) {
        let full = there.iter().find(|c| c["name"] == row["name"]).unwrap();
        assert_eq!(at(row, "/postcode"), &at(full, "/postcode")[..2]);
    }
    let codes = column(&all(&hub, BERGMANN, "salesOrders", "shipToPostcode").await, "/shipToPostcode");
    assert!(codes.len() > 100 && codes.iter().all(|code| code.len() == 2));
    // a filter compares what is shown, so the rest cannot be guessed
    for (postcode, rows) in [("20457", 0), ("20", 1)] {
        let filter = format!("{{ customers(filter: {{ postcode: {{ eq: \"{postcode}\" }} }}) {{ totalCount }} }}");
        assert_eq!(hub.data(BERGMANN, &filter).await["customers"]["totalCount"], rows, "{postcode}");
    }
    lacks(
        &hub,
        BERGMANN,
        "customers",
        &["city", "street", "creditLimit", "churnRisk", "portfolioStrategy", "lifecycleStage", "owner { id }"],
    )
    .await;
}

/// R5
async fn an_address_is_whole_for_the_partner_in_charge(hub: Hub) {
    let address = async || {
        let document =
            "{ customers(filter: { name: { eq: \"Stadtwerke Kassel\" } }) { nodes { contacts { nodes { email } } } } }";
        let data = hub.data(BERGMANN, document).await;
        column(data["customers"]["nodes"][0]["contacts"]["nodes"].as_array().unwrap(), "/email")
    };
    let masked = ["j***@stadtwerke-kassel.example", "m***@stadtwerke-kassel.example"];
    assert_eq!(address().await, masked);
    let assign = |slug: &str| {
        let partner = format!("(SELECT id FROM organisation WHERE slug = '{slug}')");
        format!("UPDATE customer SET assigned_partner_id = {partner} WHERE name = 'Stadtwerke Kassel'")
    };
    hub.sql(&assign("bergmann")).await;
    assert_eq!(address().await, ["jonas.fischer@stadtwerke-kassel.example", "marie.roth@stadtwerke-kassel.example"]);
    hub.sql(&assign("dauphin")).await;
    assert_eq!(address().await, masked);
}

/// R5
async fn what_an_agreement_does_not_list_is_hidden(hub: Hub) {
    let of_b = "agreement_id = (SELECT id FROM sharing_agreement WHERE title LIKE 'Distribution Germany, Austria%')";
    hub.sql(&format!("UPDATE agreement_field SET param = '1' WHERE field = 'postcode' AND {of_b}")).await;
    let codes = column(&all(&hub, BERGMANN, "customers", "postcode").await, "/postcode");
    assert!(!codes.is_empty() && codes.iter().all(|code| code.len() == 1));
    hub.sql(&format!("DELETE FROM agreement_field WHERE field = 'name' AND {of_b}")).await;
    lacks(&hub, BERGMANN, "customers", &["name"]).await;
    hub.sql(&format!("UPDATE agreement_field SET treatment = 'hidden' WHERE field = 'postcode' AND {of_b}")).await;
    lacks(&hub, BERGMANN, "customers", &["postcode"]).await;
}

/// R5, by agreement: equal values can be told from others, and nobody can say which they are
async fn a_pseudonym_stands_for_a_value_before_one_partner(hub: Hub) {
    hub.sql("UPDATE agreement_field SET treatment = 'pseudonym', param = NULL WHERE field = 'ship_to_postcode'").await;
    let full: BTreeMap<String, String> = all(&hub, ADMIN, "salesOrders", "number shipToPostcode")
        .await
        .iter()
        .map(|order| (at(order, "/number").to_owned(), at(order, "/shipToPostcode").to_owned()))
        .collect();
    let mut of_all = BTreeSet::new();
    for seat in [BERGMANN, LINDNER] {
        let mut known = BTreeMap::new();
        let orders = all(&hub, seat, "salesOrders", "number shipToPostcode").await;
        for order in orders.iter().filter(|order| !order["shipToPostcode"].is_null()) {
            let pseudonym = at(order, "/shipToPostcode").to_owned();
            assert!(pseudonym.len() == 16 && pseudonym.chars().all(|c| c.is_ascii_hexdigit()), "{pseudonym}");
            let first = known.entry(full[at(order, "/number")].clone()).or_insert_with(|| pseudonym.clone());
            assert_eq!(*first, pseudonym);
        }
        let own: BTreeSet<String> = known.values().cloned().collect();
        assert!(own.len() == known.len() && own.len() > 1);
        assert!(own.is_disjoint(&of_all), "two partners can compare what they see");
        let (value, pseudonym) = known.first_key_value().unwrap();
        let orders = |code: &str| {
            format!("{{ salesOrders(filter: {{ shipToPostcode: {{ eq: \"{code}\" }} }}) {{ totalCount }} }}")
        };
        assert_eq!(hub.data(seat, &orders(value)).await["salesOrders"]["totalCount"], 0);
        assert_ne!(hub.data(seat, &orders(pseudonym)).await["salesOrders"]["totalCount"], 0);
        of_all.extend(own);
    }
}

/// R11 for those who sell
async fn nobody_learns_who_else_serves_a_customer(hub: Hub) {
    for (seat, own) in [(BERGMANN, "bergmann"), (DAUPHIN, "dauphin")] {
        let mut partners =
            column(&all(&hub, seat, "customers", "assignedPartner { slug }").await, "/assignedPartner/slug");
        let orders = all(&hub, seat, "salesOrders", "soldBy { slug } carrier { slug }").await;
        partners.append(&mut column(&orders, "/soldBy/slug"));
        partners.append(&mut column(&orders, "/carrier/slug"));
        partners.dedup();
        assert_eq!(partners, [own]);
        let foreign =
            hub.data(seat, "{ salesOrders(filter: { carrier: { slug: { eq: \"lindner\" } } }) { totalCount } }").await;
        assert_eq!(foreign["salesOrders"]["totalCount"], 0, "a filter sees no more than an answer");
    }
}

/// R16
async fn a_rep_sees_its_territory_in_full_and_others_by_name(hub: Hub) {
    let fields = "name region ndaLevel segment street creditLimit owner { displayName }";
    let there = all(&hub, ADMIN, "customers", fields).await;
    for (seat, regions, team) in [
        ("nordwind/sales_rep/anna", &["DE"][..], "Wiener"),
        ("nordwind/sales_rep/bruno", &["AT", "CH"], "Donauwerk"),
        ("nordwind/sales_rep/claire", &["FR"], "-"),
        ("nordwind/sales_manager", &["DE", "AT", "CH"], "-"),
    ] {
        for row in all(&hub, seat, "customers", fields).await {
            let name = at(&row, "/name");
            let full = there.iter().find(|c| at(c, "/name") == name).unwrap();
            assert_eq!(row["owner"], full["owner"]);
            if regions.contains(&at(full, "/region")) || name.starts_with(team) {
                assert_eq!(&row, full, "{seat}");
            } else {
                for hidden in ["region", "segment", "street", "creditLimit", "ndaLevel"] {
                    assert!(row[hidden].is_null(), "{seat}: {hidden} of {name}");
                }
            }
        }
        let secret = if seat.ends_with("bruno") { 0 } else { 1 };
        assert_eq!(count(&hub, seat, "customers").await, there.len() - secret, "{seat}");
    }
}
