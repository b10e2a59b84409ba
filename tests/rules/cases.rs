//! R7, R17, and the threads of a case.

use super::{
    ADMIN, AQUA, AQUA_MACHINE, BERGMANN, CERAM, DAUPHIN, LINDNER, all, at, column, column_where, count, lacks, no_list,
};
use crate::harness::{Hub, tests};

tests! {
    reading:
        a_supplier_sees_cases_about_what_it_supplied_that_day,
        each_reads_its_own_thread,
        who_is_invited_sees_the_case;
    changing:
        danger_is_told_by_law,
        danger_is_told_despite_an_embargo;
}

/// The customers behind these cases, as the operator knows them.
async fn behind(hub: &Hub, seat: &str) -> Vec<String> {
    let numbers = column(&all(hub, seat, "cases", "number").await, "/number");
    let there = all(hub, ADMIN, "cases", "number safetyFlag customer { name }").await;
    let seen = |row: &serde_json::Value| numbers.contains(&at(row, "/number").to_owned()) && row["safetyFlag"] == false;
    column_where(&there, "/customer/name", seen).iter().map(|name| name.split(' ').next().unwrap().to_owned()).collect()
}

/// R7
async fn a_supplier_sees_cases_about_what_it_supplied_that_day(hub: Hub) {
    let of_a = behind(&hub, AQUA).await;
    let of_c = behind(&hub, CERAM).await;
    assert_eq!(behind(&hub, AQUA_MACHINE).await, of_a);
    for (customer, a, c) in [
        ("Rheinwasser", true, false), // delivered while A supplied the seal S25
        ("Brauerei", false, true),    // delivered when C did
        ("Wiener", true, false),      // S25 in the P200 then
        ("Salzburg", true, true),     // S40 in it now
        ("Hafenwerke", true, true),   // S40 in the P100
        ("Tiroler", false, true),     // a motor only
        ("Kraftwerk", true, true),    // the seal itself
        ("Stadtwerke", false, false), // nobody knows the day
        ("Donauwerk", false, false),  // a secret
    ] {
        assert_eq!((of_a.iter().any(|n| n == customer), of_c.iter().any(|n| n == customer)), (a, c), "{customer}");
    }
    for seat in [AQUA, CERAM] {
        let fields = "number severity subjectShared products { nodes { lotNo product { sku } deliveredOn } }";
        let seen = all(&hub, seat, "cases", fields).await;
        assert!(seen.iter().all(|case| !case["products"]["nodes"].as_array().unwrap().is_empty()));
        lacks(
            &hub,
            seat,
            "cases",
            &[
                "subjectInternal",
                "descriptionInternal",
                "rootCause",
                "region",
                "customer { id }",
                "contact { id }",
                "liable { id }",
            ],
        )
        .await;
        lacks(&hub, seat, "caseProducts", &["serialNo"]).await;
    }
}

/// R7, R11
async fn each_reads_its_own_thread(hub: Hub) {
    let fields = "body visibility author { displayName }";
    for (seat, own, first) in [
        (AQUA, "Alice Aden", "Which batch of rubber is in AS-6021?"),
        (CERAM, "Carl Čermák", "Please send the test report of your seals"),
        (BERGMANN, "Bea Bergmann", "Can you visit the site?"),
    ] {
        let seen = all(&hub, seat, "caseMessages", fields).await;
        let bodies = column(&seen, "/body");
        assert_eq!(bodies.len(), 3, "{bodies:?}");
        assert!(
            bodies.contains(&first.to_owned()) && bodies.contains(&"Photographs of the leak are attached".to_owned())
        );
        assert_eq!(column(&seen, "/author/displayName"), [own], "{seat}");
        let invited = all(&hub, seat, "caseParties", "organisation { slug }").await;
        assert_eq!(invited.len(), 1, "{seat}");
    }
    assert_eq!(column(&all(&hub, DAUPHIN, "caseMessages", "body").await, "/body"), ["Nous passons demain"]);
}

async fn who_is_invited_sees_the_case(hub: Hub) {
    assert_eq!(behind(&hub, LINDNER).await, ["Zürich"]);
    assert_eq!(column(&all(&hub, LINDNER, "caseMessages", "body").await, "/body").len(), 2);
}

/// R17
async fn danger_is_told_by_law(hub: Hub) {
    // A made the kit, B sold it where its agreement does not reach; D sold the motor where it has none any more
    let told = async |seat: &str| {
        let seen = all(&hub, seat, "cases", "subjectShared products { nodes { lotNo product { sku name } } }").await;
        let lots = seen.iter().filter(|c| at(c, "/subjectShared").contains("this lot"));
        let lots: Vec<_> = lots.flat_map(|c| c["products"]["nodes"].as_array().unwrap().clone()).collect();
        column(&lots, "/lotNo")
    };
    // the second lot of the case with the kit is none of A's or B's; the motor failed in B's country
    assert_eq!(told(AQUA).await, ["AS-4711"]);
    assert_eq!(told(BERGMANN).await, ["AS-4711", "CM-2201"]);
    // whatever the agreement says
    hub.sql("UPDATE sharing_agreement SET status = 'ended'").await;
    hub.sql("DELETE FROM case_party").await;
    for (seat, lot) in [(AQUA, "AS-4711"), (BERGMANN, "AS-4711"), (CERAM, "CM-2201"), (DAUPHIN, "CM-2201")] {
        assert_eq!(told(seat).await, [lot], "{seat}");
        assert_eq!(count(&hub, seat, "cases").await, 1, "{seat}");
        lacks(&hub, seat, "cases", &["customer { id }", "region"]).await;
    }
    hub.sql("UPDATE crm_case SET safety_flag = FALSE").await;
    for seat in [AQUA, BERGMANN, CERAM, DAUPHIN] {
        assert_eq!(count(&hub, seat, "cases").await, 0, "{seat}");
    }
    // nobody else is told, and we need no law to know
    no_list(&hub, "nordwind/finance", "cases").await;
}

/// R17 over R8
async fn danger_is_told_despite_an_embargo(hub: Hub) {
    let new =
        async |seat: &str| column(&all(&hub, seat, "products", "sku").await, "/sku").contains(&"PX500".to_owned());
    assert!(!new(BERGMANN).await);
    let pilot = "case_id = (SELECT id FROM crm_case WHERE subject_shared LIKE 'Seal kit%') AND lot_no = 'CM-3300'";
    let px500 = "(SELECT id FROM product WHERE sku = 'PX500')";
    hub.sql(&format!("UPDATE case_product SET product_id = {px500}, lot_no = 'NW-PX-0001' WHERE {pilot}")).await;
    assert!(new(BERGMANN).await, "it sold the lot");
    assert!(!new(DAUPHIN).await);
    let fields = "lotNo product { sku name }";
    let lots = all(&hub, BERGMANN, "caseProducts", fields).await;
    assert_eq!(
        column_where(&lots, "/product/name", |l| at(l, "/lotNo") == "NW-PX-0001"),
        ["Heat pump circulator PX500"]
    );
    let known =
        hub.data(BERGMANN, "{ products(filter: { sku: { eq: \"PX500\" } }) { nodes { sku family listPrice } } }").await;
    assert!(known["products"]["nodes"][0]["listPrice"].is_null());
}
