//! R13, R14, R15, R19, R20: persons, by role, purpose and consent.

use serde_json::Value;

use super::{
    ADMIN, AQUA, AQUA_MACHINE, BERGMANN, BERGMANN_MARKETING, DAUPHIN, all, at, column, column_where, lacks, no_list,
};
use crate::harness::{Hub, tests};

tests! {
    reading:
        finance_knows_billing_contacts_only,
        marketing_needs_a_live_consent,
        a_distributor_needs_a_consent_that_names_it,
        a_machine_sees_no_persons,
        the_erased_are_gone;
    changing:
        a_phone_number_hides_thirty_days_after_the_case,
        a_withdrawn_consent_hides_the_address,
        persons_in_the_eu_stay_where_something_protects_them;
}

const SUPPORT: &str = "nordwind/support_agent";
const MARKETING: &str = "nordwind/marketing";

/// R13
async fn finance_knows_billing_contacts_only(hub: Hub) {
    let there = all(&hub, ADMIN, "contacts", "email isBilling customer { ndaLevel }").await;
    let billing = column_where(&there, "/email", |c| {
        c["isBilling"] == true && c.pointer("/customer/ndaLevel").is_some_and(|level| level != 2)
    });
    let seen = all(&hub, "nordwind/finance", "contacts", "email").await;
    assert_eq!(column(&seen, "/email"), billing);
    assert_eq!(all(&hub, "nordwind/finance", "principals", "displayName").await.len(), 1, "but itself");
}

/// R14
async fn a_phone_number_hides_thirty_days_after_the_case(hub: Hub) {
    let phone = async |family: &str| {
        let rows = all(&hub, SUPPORT, "contacts", "phone customer { name }").await;
        let row = rows.into_iter().find(|c| at(c, "/customer/name").ends_with(family)).unwrap();
        !row["phone"].is_null()
    };
    // closed on 5 June at 16 o'clock
    assert!(phone("Brandt").await && !phone("Huber").await && phone("Moreau").await);
    hub.set_clock("2026-07-05T15:59:59.999Z");
    assert!(phone("Brandt").await);
    hub.set_clock("2026-07-05T16:00:00Z");
    assert!(!phone("Brandt").await && phone("Moreau").await);
    // a customer without a case has no phone for support, but a name
    let rows = all(&hub, SUPPORT, "contacts", "givenName phone customer { name }").await;
    let petersen = rows.iter().find(|c| at(c, "/customer/name") == "Gartenbau Petersen").unwrap();
    assert!(petersen["phone"].is_null() && petersen["givenName"].is_string());
    lacks(&hub, SUPPORT, "contacts", &["birthDate"]).await;
}

/// R20
async fn persons_in_the_eu_stay_where_something_protects_them(hub: Hub) {
    let persons = async || {
        let contacts = all(&hub, BERGMANN, "contacts", "email customer { country }").await;
        let told: Vec<String> =
            contacts.iter().filter(|c| !c["email"].is_null()).map(|c| at(c, "/customer/country").to_owned()).collect();
        let orders = all(&hub, BERGMANN, "salesOrders", "shipToCountry shipToPostcode").await;
        let places: Vec<String> = orders
            .iter()
            .filter(|o| !o["shipToPostcode"].is_null())
            .map(|o| at(o, "/shipToCountry").to_owned())
            .collect();
        (told, places)
    };
    let before = persons().await;
    assert!(["DE", "AT", "CH"].iter().all(|c| before.0.iter().any(|d| d == c) && before.1.iter().any(|d| d == c)));
    let moves = async |to: &str| {
        hub.sql(&format!("UPDATE organisation SET country = '{to}' WHERE slug = 'bergmann'")).await;
    };
    for protects in ["NO", "JP", "FR"] {
        moves(protects).await;
        assert_eq!(persons().await, before, "{protects}");
    }
    moves("US").await;
    let (told, places) = persons().await;
    // beside them its own people, who are at no customer
    assert!(
        told.contains(&"CH".into()) && told.iter().all(|country| ["CH", ""].contains(&country.as_str())),
        "{told:?}"
    );
    assert!(!places.is_empty() && places.iter().all(|country| country == "CH"), "{places:?}");
    // firms are no persons
    assert!(all(&hub, BERGMANN, "customers", "country").await.iter().any(|c| at(c, "/country") == "DE"));
    hub.sql("UPDATE organisation SET transfer_contract = 'SCC 2021/914, no. 7' WHERE slug = 'bergmann'").await;
    assert_eq!(persons().await, before);
}

/// The addresses of those with a consent in force, by what the operator reads.
async fn allowed(hub: &Hub, purpose: &str, recipient: Option<&str>) -> Vec<String> {
    let fields =
        "purpose status expiresAt withdrawnAt recipient { slug } contact { email customer { region ndaLevel name } }";
    let now = hub.clock().now().to_string();
    let there = all(hub, ADMIN, "consents", fields).await;
    let mut emails = column_where(&there, "/contact/email", |c: &Value| {
        let live = at(c, "/status") == "GIVEN" && c["withdrawnAt"].is_null() && at(c, "/expiresAt") > now.as_str();
        let known = match recipient {
            None => c.pointer("/contact/customer/ndaLevel").is_some_and(|level| level != 2),
            Some("bergmann") => {
                ["DE", "AT", "CH"].contains(&at(c, "/contact/customer/region"))
                    && c.pointer("/contact/customer/ndaLevel").is_some_and(|level| level == 0)
                    && !at(c, "/contact/customer/name").starts_with("K9")
            }
            Some(_) => at(c, "/contact/customer/region") == "FR",
        };
        live && known
            && at(c, "/purpose") == purpose
            && c.pointer("/recipient/slug").and_then(Value::as_str) == recipient
    });
    emails.dedup();
    emails
}

/// R15
async fn marketing_needs_a_live_consent(hub: Hub) {
    let expected = allowed(&hub, "MARKETING_EMAIL", None).await;
    assert!(expected.len() > 5);
    assert_eq!(column(&all(&hub, MARKETING, "contacts", "email").await, "/email"), expected);
    lacks(&hub, MARKETING, "contacts", &["phone"]).await;
    lacks(&hub, MARKETING, "customers", &["name"]).await;
}

/// R15
async fn a_distributor_needs_a_consent_that_names_it(hub: Hub) {
    for (seat, own) in [(BERGMANN, "bergmann"), (DAUPHIN, "dauphin")] {
        let expected = allowed(&hub, "PARTNER_CONTACT", Some(own)).await;
        assert!(!expected.is_empty());
        let seen = all(&hub, seat, "contacts", "email givenName customer { id }").await;
        let persons = column_where(&seen, "/email", |c| !c["givenName"].is_null() && !c["customer"].is_null());
        assert_eq!(persons, expected, "{seat}");
    }
    // its marketing sees those and nobody else
    let seen = all(&hub, BERGMANN_MARKETING, "contacts", "email organisation { slug }").await;
    let persons = column_where(&seen, "/email", |c| c["organisation"].is_null());
    assert_eq!(persons, allowed(&hub, "PARTNER_CONTACT", Some("bergmann")).await);
    for seat in [BERGMANN, DAUPHIN] {
        no_list(&hub, seat, "consents").await;
    }
}

/// R15
async fn a_withdrawn_consent_hides_the_address(hub: Hub) {
    let email = "lukas.wagner@hafenwerke.example".to_owned();
    let known = async |seat: &str| column(&all(&hub, seat, "contacts", "email").await, "/email").contains(&email);
    assert!(known(MARKETING).await && known(BERGMANN_MARKETING).await);
    let of = "contact_id = (SELECT id FROM contact WHERE email = 'lukas.wagner@hafenwerke.example')";
    hub.sql(&format!("UPDATE consent SET status = 'withdrawn', withdrawn_at = 0 WHERE {of}")).await;
    assert!(!known(MARKETING).await && !known(BERGMANN_MARKETING).await);
    // by contract, B still writes to a customer that it is in charge of; the person's name is gone
    let seen = all(&hub, BERGMANN, "contacts", "email givenName").await;
    let row = seen.iter().find(|c| at(c, "/email") == email).unwrap();
    assert!(row["givenName"].is_null());
}

/// R19
async fn a_machine_sees_no_persons(hub: Hub) {
    let lists = async |seat: &str| {
        let data = hub.data(seat, "{ __schema { queryType { fields { name } } } }").await;
        column(data["__schema"]["queryType"]["fields"].as_array().unwrap(), "/name")
    };
    let (planner, machine) = (lists(AQUA).await, lists(AQUA_MACHINE).await);
    assert!(machine.iter().all(|list| planner.contains(list)), "no more than the planner");
    for list in ["principals", "contacts", "delegations", "roleAssignments", "auditEvents"] {
        assert!(planner.contains(&list.to_owned()) && !machine.contains(&list.to_owned()), "{list}");
    }
    lacks(&hub, AQUA_MACHINE, "supplyCommitments", &["committedBy { id }"]).await;
    lacks(&hub, AQUA_MACHINE, "caseMessages", &["author { id }"]).await;
    for (list, fields) in [
        ("demandBuckets", "bucketStart qty"),
        ("orderLines", "qty lotNo"),
        ("supplyCommitments", "qty status bucketStart"),
        ("inventoryPositions", "qty kind"),
        ("cases", "number subjectShared"),
    ] {
        assert_eq!(all(&hub, AQUA_MACHINE, list, fields).await, all(&hub, AQUA, list, fields).await, "{list}");
    }
}

async fn the_erased_are_gone(hub: Hub) {
    for seat in [SUPPORT, BERGMANN, "nordwind/sales_rep/anna"] {
        let seen = all(&hub, seat, "contacts", "customer { name }").await;
        let of_krueger = column_where(&seen, "/customer/name", |c| at(c, "/customer/name") == "Automaten Krüger");
        assert_eq!(of_krueger.len(), 2, "{seat}");
    }
}
