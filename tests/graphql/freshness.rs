//! Nothing that decides rights is ever remembered too long: the next answer follows a changed agreement,
//! a changed role, the clock and new policies, whether or not the last answer held a row.

use std::fs;

use serde_json::{Value, json};

use super::{ADMIN, AQUA, BERGMANN, PLANNER};
use crate::harness::{Hub, repository, tests};

tests! {
    changing: an_ended_agreement_is_followed_at_once, an_empty_answer_becomes_full_at_once, a_field_comes_and_goes,
        a_changed_treatment_is_followed_at_once, a_scope_is_followed_at_once, two_hubs_follow_each_other,
        a_role_of_the_organisation_ends, rows_are_read_anew, every_document_of_one_request_is_of_one_state;
    reading: an_agreement_ends_by_the_clock, the_window_of_demand_moves, an_embargo_ends_by_the_clock,
        policies_are_taken_anew, refused_policies_change_nothing;
}

async fn count(hub: &Hub, seat: &str, list: &str) -> u64 {
    hub.data(seat, &format!("{{ {list} {{ totalCount }} }}")).await[list]["totalCount"].as_u64().unwrap()
}

const AQUAS: &str = "grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals') AND status = 'active'";

async fn an_ended_agreement_is_followed_at_once(hub: Hub) {
    assert!(count(&hub, AQUA, "demandSeries").await > 0);
    assert!(count(&hub, AQUA, "demandBuckets").await > 0);
    let others = count(&hub, "ceram-motors/partner_planner", "demandSeries").await;
    for (change, back) in [
        ("status = 'ended'", "status = 'active'"),
        ("status = 'suspended'", "status = 'active'"),
        ("signed_by_grantee_id = NULL", "signed_by_grantee_id = signed_by_grantor_id"),
        ("signed_by_grantor_id = NULL", "signed_by_grantor_id = signed_by_grantee_id"),
        ("valid_to = valid_from + 1", "valid_to = NULL"),
        ("valid_from = valid_from + 31536000000000", "valid_from = valid_from - 31536000000000"),
    ] {
        let id = hub.texts(&format!("SELECT title FROM sharing_agreement WHERE {AQUAS}")).await.remove(0).unwrap();
        let this = format!("title = '{id}'");
        assert_eq!(hub.sql(&format!("UPDATE sharing_agreement SET {change} WHERE {this}")).await, 1);
        // whatever it asks: a schema without the type, or a list without rows
        for list in ["demandSeries", "demandBuckets"] {
            let reply = hub.query(AQUA, &format!("{{ {list} {{ totalCount nodes {{ id }} }} }}")).await;
            match reply.status {
                200 => assert_eq!(reply.data()[list], json!({ "totalCount": 0, "nodes": [] }), "{change}"),
                _ => assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{change}"),
            }
        }
        assert_eq!(count(&hub, "ceram-motors/partner_planner", "demandSeries").await, others);
        assert_eq!(hub.sql(&format!("UPDATE sharing_agreement SET {back} WHERE {this}")).await, 1);
        assert!(count(&hub, AQUA, "demandSeries").await > 0, "{back}");
    }
}

/// No row comes that could tell that the shared data changed; it must be noticed all the same.
async fn an_empty_answer_becomes_full_at_once(hub: Hub) {
    let document = "{ demandSeries(filter: { region: { eq: \"FR\" } }) { nodes { region } } }";
    let empty = json!({ "demandSeries": { "nodes": [] } });
    for _ in 0..2 {
        assert_eq!(hub.data(AQUA, document).await, empty);
    }
    assert_eq!(hub.sql("DELETE FROM agreement_scope WHERE region = 'FR' AND effect = 'exclude'").await, 1);
    let data = hub.data(AQUA, document).await;
    assert!(!data["demandSeries"]["nodes"].as_array().unwrap().is_empty());
    // a nested list, an aggregate, a node, and what needs no row at all
    for (before, after, document) in [
        (
            "gold",
            "silver",
            "{ viewer { seat } organisations(filter: { partnerTier: { eq: \"gold\" } }) { totalCount } }",
        ),
        ("silver", "gold", "{ organisationAggregate(filter: { partnerTier: { eq: \"gold\" } }) { count } }"),
    ] {
        let first = hub.data(PLANNER, document).await;
        let changed = format!(
            "UPDATE organisation SET partner_tier = '{after}' WHERE slug = 'aqua-seals' AND partner_tier = '{before}'"
        );
        assert_eq!(hub.sql(&changed).await, 1);
        assert_ne!(hub.data(PLANNER, document).await, first, "{document}");
    }
}

/// The band of uncertainty is shown where the agreement says so: then there is a field, else there is none.
async fn a_field_comes_and_goes(hub: Hub) {
    let document = "{ demandBuckets(first: 50, filter: { firmness: { eq: FORECAST } }) { nodes { qty qtyLow } } }";
    let plain = "{ demandBuckets(first: 50, filter: { firmness: { eq: FORECAST } }) { nodes { qty } } }";
    hub.data(AQUA, plain).await;
    assert_eq!(hub.refusal(AQUA, document).await.0, "GRAPHQL_VALIDATION_FAILED");
    // a row of another field becomes this one
    let change = "UPDATE agreement_field SET object_type = 'demand_bucket', field = 'qty_low' WHERE field = 'max_qty'";
    assert_eq!(hub.sql(change).await, 1);
    let data = hub.data(AQUA, document).await;
    let nodes = data["demandBuckets"]["nodes"].as_array().unwrap();
    assert!(!nodes.is_empty() && nodes.iter().all(|node| node["qtyLow"].is_string()), "{data}");
    let introspected = hub.data(AQUA, "{ __type(name: \"DemandBucket\") { fields { name } } }").await;
    assert!(introspected.to_string().contains("qtyLow"));
    // and it goes, also for a document that asks for nothing but the schema
    assert_eq!(hub.sql("DELETE FROM agreement_field WHERE field = 'qty_low' AND object_type = 'demand_bucket' AND agreement_id IN (SELECT id FROM sharing_agreement WHERE grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals'))").await, 1);
    let introspected = hub.data(AQUA, "{ __type(name: \"DemandBucket\") { fields { name } } }").await;
    assert!(!introspected.to_string().contains("qtyLow"));
    assert_eq!(hub.refusal(AQUA, document).await.0, "GRAPHQL_VALIDATION_FAILED");
    hub.data(AQUA, plain).await;
}

async fn a_changed_treatment_is_followed_at_once(hub: Hub) {
    let document = "{ customers(first: 50, orderBy: [{ field: ID }]) { nodes { name postcode } } }";
    let shown = |data: &Value| -> Vec<String> {
        let nodes = data["customers"]["nodes"].as_array().unwrap();
        nodes.iter().filter_map(|node| node["postcode"].as_str().map(String::from)).collect()
    };
    let two = shown(&hub.data(BERGMANN, document).await);
    assert!(!two.is_empty() && two.iter().all(|text| text.chars().count() == 2));
    let field = "WHERE object_type = 'customer' AND field = 'postcode'";
    hub.sql(&format!("UPDATE agreement_field SET param = '1' {field}")).await;
    let one = shown(&hub.data(BERGMANN, document).await);
    assert_eq!(one, two.iter().map(|text| text[..1].to_owned()).collect::<Vec<_>>());
    hub.sql(&format!("UPDATE agreement_field SET treatment = 'full', param = NULL {field}")).await;
    let full = shown(&hub.data(BERGMANN, document).await);
    assert!(full.iter().zip(&two).all(|(full, two)| full.starts_with(two) && full.len() > 2), "{full:?}");
    // what the hub does not know shows nothing
    for (treatment, param) in [
        ("hidden", "NULL"),
        ("pseudonym", "NULL"),
        ("days_of_supply", "NULL"),
        ("prefix", "'many'"),
        ("prefix", "NULL"),
    ] {
        hub.sql(&format!("UPDATE agreement_field SET treatment = '{treatment}', param = {param} {field}")).await;
        let reply = hub.query(BERGMANN, document).await;
        match reply.status {
            200 => assert_eq!(shown(&reply.data()), Vec::<String>::new(), "{treatment} {param}"),
            _ => assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{treatment} {param}"),
        }
    }
}

async fn a_scope_is_followed_at_once(hub: Hub) {
    let regions = async |hub: &Hub| -> Vec<String> {
        let groups = hub.data(BERGMANN, "{ customerAggregate(groupBy: [REGION]) { key { region } } }").await;
        let groups = groups["customerAggregate"].as_array().unwrap().clone();
        groups.iter().filter_map(|group| group["key"]["region"].as_str().map(String::from)).collect()
    };
    assert_eq!(regions(&hub).await, ["AT", "CH", "DE"]);
    let swiss = "WHERE region = 'CH' AND object_type = 'customer' AND effect = 'include'";
    assert_eq!(hub.sql(&format!("UPDATE agreement_scope SET region = 'FR' {swiss}")).await, 1);
    assert_eq!(regions(&hub).await, ["AT", "DE", "FR"]);
    assert_eq!(hub.sql("DELETE FROM agreement_scope WHERE region = 'FR' AND object_type = 'customer' AND effect = 'include' AND agreement_id IN (SELECT id FROM sharing_agreement WHERE grantee_id = (SELECT id FROM organisation WHERE slug = 'bergmann'))").await, 1);
    assert_eq!(regions(&hub).await, ["AT", "DE"]);
    // an exclusion wins over what includes
    assert_eq!(hub.sql("UPDATE agreement_scope SET effect = 'exclude' WHERE region = 'AT' AND object_type = 'customer' AND effect = 'include'").await, 1);
    assert_eq!(regions(&hub).await, ["DE"]);
}

async fn two_hubs_follow_each_other(hub: Hub) {
    let other = hub.with(|_| ()).await;
    assert_eq!(count(&hub, AQUA, "demandSeries").await, count(&other, AQUA, "demandSeries").await);
    hub.sql(&format!("UPDATE sharing_agreement SET status = 'ended' WHERE {AQUAS}")).await;
    for hub in [&hub, &other] {
        let reply = hub.query(AQUA, "{ demandSeries { totalCount } }").await;
        assert!(reply.status == 400 || reply.data()["demandSeries"]["totalCount"] == 0, "{}", reply.text);
    }
}

async fn a_role_of_the_organisation_ends(hub: Hub) {
    assert!(count(&hub, AQUA, "demandSeries").await > 0);
    let end = hub.clock().now().0 + 1_000_000;
    let role = "organisation_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals') AND kind = 'supplier'";
    assert_eq!(hub.sql(&format!("UPDATE org_role SET valid_to = {end} WHERE {role}")).await, 1);
    assert!(count(&hub, AQUA, "demandSeries").await > 0, "not yet");
    hub.set_clock("2026-06-15T10:00:01Z");
    assert_eq!(hub.refusal(AQUA, "{ demandSeries { totalCount } }").await.0, "GRAPHQL_VALIDATION_FAILED");
}

/// What is no right but data is never remembered at all.
async fn rows_are_read_anew(hub: Hub) {
    let document = "{ products(filter: { sku: { eq: \"S40\" } }) { nodes { name } } }";
    for name in ["one", "two", "three"] {
        assert_eq!(hub.sql(&format!("UPDATE product SET name = '{name}' WHERE sku = 'S40'")).await, 1);
        for seat in [ADMIN, AQUA] {
            assert_eq!(hub.data(seat, document).await["products"]["nodes"][0]["name"], name);
        }
    }
}

/// An answer of several statements is of one moment: no agreement is half ended in it.
async fn every_document_of_one_request_is_of_one_state(hub: Hub) {
    let document = "{ a: demandSeries(first: 100) { totalCount nodes { id buckets(first: 1) { totalCount } } } \
                    b: demandSeries(first: 100) { totalCount nodes { id } } c: demandSeriesAggregate { count } }";
    hub.data(AQUA, document).await;
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let changing = {
        let (hub, stop) = (hub.clone(), stop.clone());
        tokio::spawn(async move {
            let title =
                hub.texts(&format!("SELECT title FROM sharing_agreement WHERE {AQUAS}")).await.remove(0).unwrap();
            let mut on = true;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                on = !on;
                let status = if on { "active" } else { "suspended" };
                hub.sql(&format!("UPDATE sharing_agreement SET status = '{status}' WHERE title = '{title}'")).await;
                tokio::task::yield_now().await;
            }
        })
    };
    let (mut full, mut none, mut asked) = (0, 0, 0);
    while asked < 30 || full == 0 || none == 0 {
        asked += 1;
        assert!(asked < 5_000, "one of the states never came: {full} {none}");
        let reply = hub.query(AQUA, document).await;
        match reply.status {
            200 => {
                let data = reply.data();
                let all = [&data["a"]["totalCount"], &data["b"]["totalCount"], &data["c"][0]["count"]];
                assert!(all.iter().all(|count| *count == all[0]), "{data}");
                assert_eq!(data["a"]["nodes"].as_array().unwrap().len() as u64, all[0].as_u64().unwrap());
                full += u32::from(all[0] != 0);
                none += u32::from(all[0] == 0);
            }
            400 => none += 1,
            // it changed faster than five attempts; that is told, and is no wrong answer
            _ => assert_eq!(reply.status, 503, "{}", reply.text),
        }
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    changing.await.unwrap();
}

// ---- by the clock alone

async fn an_agreement_ends_by_the_clock(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let document = "{ demandSeries { totalCount } orderLines { totalCount } }";
    let before = hub.data(AQUA, document).await;
    assert!(before["demandSeries"]["totalCount"].as_u64() > Some(0));
    hub.set_clock("2026-12-31T23:59:59.999Z");
    assert!(hub.data(AQUA, document).await["demandSeries"]["totalCount"].as_u64() > Some(0));
    hub.set_clock("2027-01-01T00:00:00Z");
    let reply = hub.query(AQUA, document).await;
    match reply.status {
        200 => {
            let data = reply.data();
            assert_eq!(
                (&data["demandSeries"]["totalCount"], &data["orderLines"]["totalCount"]),
                (&json!(0), &json!(0))
            );
        }
        _ => assert_eq!(reply.json()["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED"),
    }
    // and begins: C's agreement on market data is for the next year
    let ceram = "ceram-motors/partner_planner";
    hub.set_clock("2026-12-31T23:59:59.999999Z");
    let before = count(&hub, ceram, "demandSeries").await;
    hub.set_clock("2027-01-01T00:00:00Z");
    assert!(count(&hub, ceram, "demandSeries").await >= before);
}

/// R3: 26 weeks back, 78 ahead, whatever day it is.
async fn the_window_of_demand_moves(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let ends = "{ demandBucketAggregate { count min { bucketStart } max { bucketStart } } }";
    let mut last = None;
    for (at, first_day, last_day) in [
        // Mondays within [today - 182 days, today + 546 days]
        ("2026-06-15T10:00:00Z", "2025-12-15", "2027-12-13"),
        ("2026-06-15T23:59:59.999Z", "2025-12-15", "2027-12-13"),
        ("2026-06-16T00:00:00Z", "2025-12-22", "2027-12-13"),
        ("2026-06-22T00:00:00Z", "2025-12-22", "2027-12-20"),
        ("2026-09-01T09:00:00Z", "2026-03-09", "2028-02-28"),
    ] {
        hub.set_clock(at);
        let data = hub.data(AQUA, ends).await["demandBucketAggregate"][0].take();
        assert_eq!(
            (&data["min"]["bucketStart"], &data["max"]["bucketStart"]),
            (&json!(first_day), &json!(last_day)),
            "{at}"
        );
        let nodes = "{ demandBuckets(first: 1, orderBy: [{ field: BUCKET_START }]) { nodes { bucketStart } } }";
        assert_eq!(hub.data(AQUA, nodes).await["demandBuckets"]["nodes"][0]["bucketStart"], first_day, "{at}");
        last = Some(data["count"].clone());
    }
    assert!(last.is_some_and(|count| count.as_u64() > Some(0)));
}

async fn an_embargo_ends_by_the_clock(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let document = "{ products(filter: { sku: { eq: \"PX500\" } }) { totalCount nodes { name } } }";
    for (at, there) in [("2026-09-01T08:59:59.999Z", 0), ("2026-09-01T09:00:00Z", 1)] {
        hub.set_clock(at);
        assert_eq!(hub.data(BERGMANN, document).await["products"]["totalCount"], there, "{at}");
    }
    for (at, there) in [("2026-08-25T08:59:59.999Z", 0), ("2026-08-25T09:00:00Z", 1)] {
        hub.set_clock(at);
        assert_eq!(hub.data("nordwind/support_agent", document).await["products"]["totalCount"], there, "{at}");
    }
}

// ---- policies

/// The shipped policies in a folder of one's own.
pub fn copied() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(repository().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "cedar") {
            fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    folder
}

async fn policies_are_taken_anew(hub: Hub) {
    let folder = copied();
    let hub = hub.with(|config| config.policies = Some(folder.path().into())).await;
    let before = count(&hub, AQUA, "products").await;
    assert!(before > 0 && count(&hub, BERGMANN, "customers").await > 0);
    assert_eq!(hub.app().gate.reload_policies().unwrap().split(", ").nth(1), Some("unchanged"));
    fs::write(
        folder.path().join("more.cedar"),
        "@id(\"more.no-customers\")\n@doc(\"For a test: nobody outside sees customers.\")\n\
         forbid (principal, action in Action::\"Customer\", resource is Customer)\nunless { principal in Kind::\"internal\" };\n\n\
         @id(\"more.cost\")\n@doc(\"For a test: planners know what a product costs.\")\n\
         permit (principal in Role::\"planner\", action in Action::\"Product.standardCost\", resource is Product);\n",
    )
    .unwrap();
    // nothing happens until they are taken
    assert!(count(&hub, BERGMANN, "customers").await > 0);
    assert_eq!(hub.refusal(PLANNER, "{ products { nodes { standardCost } } }").await.0, "GRAPHQL_VALIDATION_FAILED");
    hub.app().gate.reload_policies().unwrap();
    assert_eq!(hub.refusal(BERGMANN, "{ customers { totalCount } }").await.0, "GRAPHQL_VALIDATION_FAILED");
    let data = hub.data(PLANNER, "{ products { nodes { standardCost } } }").await;
    assert!(data["products"]["nodes"][0]["standardCost"].is_string());
    assert_eq!(count(&hub, AQUA, "products").await, before);
    fs::remove_file(folder.path().join("more.cedar")).unwrap();
    hub.app().gate.reload_policies().unwrap();
    assert!(count(&hub, BERGMANN, "customers").await > 0);
    assert_eq!(hub.refusal(PLANNER, "{ products { nodes { standardCost } } }").await.0, "GRAPHQL_VALIDATION_FAILED");
}

async fn refused_policies_change_nothing(hub: Hub) {
    let folder = copied();
    let hub = hub.with(|config| config.policies = Some(folder.path().into())).await;
    let before = count(&hub, BERGMANN, "customers").await;
    let file = folder.path().join("more.cedar");
    for (text, parts) in [
        ("permit (principal, action, resource", &["more.cedar:1:"][..]),
        ("permit (principal, action, resource);", &["more.cedar:1:", "no @id"]),
        ("@id(\"x\")\npermit (principal, action, resource);", &["more.cedar:1:", "`x`", "@doc"]),
        (
            "\n\n@id(\"x\")\n@doc(\"x\")\npermit (principal, action in Action::\"read\", resource is Custommer);",
            &["more.cedar:5:", "Custommer"],
        ),
        (
            "@id(\"x\")\n@doc(\"x\")\npermit (principal, action in Action::\"Customer\", resource is Customer)\nwhen { resource.nmae == \"x\" };",
            &["more.cedar:4:", "nmae"],
        ),
        (
            "@id(\"customer.support\")\n@doc(\"x\")\npermit (principal, action in Action::\"Customer\", resource is Customer);",
            &["`customer.support`", "customer.cedar"],
        ),
        (
            "@id(\"x\")\n@doc(\"x\")\n@treatment(\"blur\")\npermit (principal, action in Action::\"Customer\", resource is Customer);",
            &["more.cedar:1:", "`blur`"],
        ),
        (
            "@id(\"x\")\n@doc(\"x\")\npermit (principal, action in Action::\"Customer\", resource is Customer)\nwhen { resource.ndaLevel * 2 > 3 };",
            &["more.cedar:", "`x`"],
        ),
    ] {
        fs::write(&file, text).unwrap();
        let refused = hub.app().gate.reload_policies().unwrap_err().to_string();
        for part in parts {
            assert!(refused.contains(part), "{text}: {refused}");
        }
        assert_eq!(count(&hub, BERGMANN, "customers").await, before, "the old ones stay");
    }
    fs::remove_file(&file).unwrap();
    let kept: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    kept.iter().for_each(|path| fs::remove_file(path).unwrap());
    let refused = hub.app().gate.reload_policies().unwrap_err().to_string();
    assert!(refused.contains("no policies"), "{refused}");
    fs::remove_dir(folder.path()).unwrap();
    let refused = hub.app().gate.reload_policies().unwrap_err().to_string();
    assert!(refused.contains("cannot read"), "{refused}");
    assert_eq!(count(&hub, BERGMANN, "customers").await, before);
}
