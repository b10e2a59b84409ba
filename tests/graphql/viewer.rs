//! `viewer`: who asks, and what it may see.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{ADMIN, AQUA, BERGMANN, PLANNER, rows};
use crate::harness::{Hub, tests};

tests! {
    reading: a_viewer_is_told_who_it_is, persons_of_one_seat_are_told_apart, rights_are_those_of_the_view,
        rights_tell_how_a_field_is_shown, agreements_are_paged_like_any_list, a_machine_learns_of_no_person;
}

async fn a_viewer_is_told_who_it_is(hub: Hub) {
    let document = "{ viewer { seat role organisation { slug displayName } person { slug displayName email } } }";
    for (seat, role, slug, person) in [
        ("nordwind/planner", "planner", "nordwind", "paula"),
        ("aqua-seals/partner_planner", "partner_planner", "aqua-seals", "alice"),
        ("bergmann/partner_sales", "partner_sales", "bergmann", "bea"),
    ] {
        let viewer = hub.data(seat, document).await["viewer"].take();
        assert_eq!((&viewer["seat"], &viewer["role"]), (&json!(seat), &json!(role)));
        assert_eq!((&viewer["organisation"]["slug"], &viewer["person"]["slug"]), (&json!(slug), &json!(person)));
    }
}

/// They share a view and its plans, and nothing that is personal.
async fn persons_of_one_seat_are_told_apart(hub: Hub) {
    let document = "{ viewer { seat person { id slug email } } }";
    let mut ids = Vec::new();
    for who in ["anna", "bruno", "claire", "anna"] {
        let viewer = hub.data(&format!("nordwind/sales_rep/{who}"), document).await["viewer"].take();
        assert_eq!((&viewer["seat"], &viewer["person"]["slug"]), (&json!("nordwind/sales_rep"), &json!(who)));
        ids.push(viewer["person"]["id"].clone());
    }
    assert!(ids[0] == ids[3] && ids[0] != ids[1] && ids[1] != ids[2]);
    // what is theirs differs under one document
    let mut seen = Vec::new();
    for who in ["anna", "bruno", "claire"] {
        let regions = "{ customers(first: 100, filter: { region: { isNull: false } }) { nodes { region } } }";
        let data = hub.data(&format!("nordwind/sales_rep/{who}"), regions).await;
        seen.push(data["customers"]["nodes"].to_string());
    }
    assert!(seen[0] != seen[1] && seen[1] != seen[2] && seen[0] != seen[2]);
}

async fn rights(hub: &Hub, seat: &str) -> BTreeMap<String, String> {
    let data = hub.data(seat, "{ viewer { rights { type fields { field access } } } }").await;
    let mut out = BTreeMap::new();
    for right in data["viewer"]["rights"].as_array().unwrap() {
        for field in right["fields"].as_array().unwrap() {
            let name = format!("{}.{}", right["type"].as_str().unwrap(), field["field"].as_str().unwrap());
            out.insert(name, field["access"].as_str().unwrap().to_owned());
        }
    }
    out
}

async fn rights_are_those_of_the_view(hub: Hub) {
    for seat in [ADMIN, PLANNER, AQUA, BERGMANN, "lindner/partner_planner"] {
        let view = rows::view(&hub, seat).await;
        let told = rights(&hub, seat).await;
        for ty in &entente::catalogue::CATALOGUE.types {
            for (i, field) in ty.fields.iter().enumerate() {
                let name = format!("{}.{}", ty.name, field.name);
                assert_eq!(told.contains_key(&name), view.sees(ty.id, i), "{seat} {name}");
            }
        }
        assert!(!told.is_empty());
    }
}

async fn rights_tell_how_a_field_is_shown(hub: Hub) {
    assert!(rights(&hub, ADMIN).await.values().all(|access| access == "FULL"));
    let aqua = rights(&hub, AQUA).await;
    let bergmann = rights(&hub, BERGMANN).await;
    let is = |of: &BTreeMap<String, String>, name: &str, access: &str| {
        assert_eq!(of.get(name).map(String::as_str), Some(access), "{name}");
    };
    is(&bergmann, "Customer.name", "CONDITIONAL");
    is(&bergmann, "Customer.postcode", "TREATED");
    is(&bergmann, "SalesOrder.shipToPostcode", "TREATED");
    is(&bergmann, "Customer.id", "FULL");
    is(&aqua, "DemandBucket.bucketStart", "FULL");
    for hidden in ["Customer.name", "OrderLine.netAmount", "DemandBucket.qtyLow", "SalesOrder.number"] {
        assert_eq!(aqua.get(hidden), None, "{hidden}");
    }
    for hidden in ["Customer.creditLimit", "Customer.city", "Customer.portfolioStrategy", "OrderLine.source"] {
        assert_eq!(bergmann.get(hidden), None, "{hidden}");
    }
    // the words of the schema
    let document =
        "{ __type(name: \"Access\") { enumValues { name } } viewer { rights { __typename fields { __typename } } } }";
    let data = hub.data(AQUA, document).await;
    let words: Vec<&Value> = data["__type"]["enumValues"].as_array().unwrap().iter().map(|v| &v["name"]).collect();
    assert_eq!(words, ["FULL", "TREATED", "CONDITIONAL", "AGGREGATE"]);
    assert_eq!(data["viewer"]["rights"][0]["__typename"], "TypeRight");
    assert_eq!(data["viewer"]["rights"][0]["fields"][0]["__typename"], "FieldRight");
}

async fn agreements_are_paged_like_any_list(hub: Hub) {
    let document = "query($f: SharingAgreementFilter) { viewer { agreements(first: 50, filter: $f, orderBy: [{ field: TITLE }]) { \
        totalCount nodes { title status grantee { slug } } } } sharingAgreements(first: 50, orderBy: [{ field: TITLE }]) { nodes { title } } }";
    for seat in [AQUA, BERGMANN] {
        let data = hub.data_with(seat, document, json!({})).await;
        let own = data["viewer"]["agreements"]["nodes"].as_array().unwrap();
        assert!(!own.is_empty());
        assert!(own.iter().all(|a| a["grantee"]["slug"] == seat.split('/').next().unwrap()), "{data}");
        assert_eq!(data["viewer"]["agreements"]["totalCount"], own.len());
        let listed = data["sharingAgreements"]["nodes"].as_array().unwrap();
        assert_eq!(
            own.iter().map(|a| &a["title"]).collect::<Vec<_>>(),
            listed.iter().map(|a| &a["title"]).collect::<Vec<_>>()
        );
        let active = hub.data_with(seat, document, json!({ "f": { "status": { "eq": "ACTIVE" } } })).await;
        let active = active["viewer"]["agreements"]["nodes"].as_array().unwrap().len();
        assert_eq!(active, own.iter().filter(|a| a["status"] == "ACTIVE").count());
    }
}

async fn a_machine_learns_of_no_person(hub: Hub) {
    let seat = "aqua-seals/service_account";
    let data = hub.data(seat, "{ viewer { seat role organisation { slug } } }").await;
    assert_eq!(
        data["viewer"],
        json!({ "seat": seat, "role": "service_account", "organisation": { "slug": "aqua-seals" } })
    );
    for document in ["{ viewer { person { slug } } }", "{ principals { totalCount } }", "{ contacts { totalCount } }"] {
        assert_eq!(hub.refusal(seat, document).await.0, "GRAPHQL_VALIDATION_FAILED", "{document}");
    }
}
