//! R10, and operators who look as another seat: two views meet, so neither side sees more than both.

use reqwest::Method;
use serde_json::{Value, json};

use super::{ADMIN, AQUA, BERGMANN, CERAM, LINDNER};
use crate::harness::{Hub, Reply, send, tests};

tests! {
    reading:
        a_deputy_sees_the_stock_she_stands_for,
        a_deputy_sees_nothing_else_of_it,
        nobody_learns_which_seats_there_are,
        an_operator_sees_what_the_seat_sees,
        an_operator_is_told_what_is_wrong_with_a_name;
    changing:
        a_deputy_is_told_no_sums,
        a_delegation_begins_and_ends_by_itself,
        a_delegation_counts_only_while_both_may,
        a_delegation_is_not_passed_on,
        an_operator_sees_no_more_than_it_may;
}

const ALICE: &str = "aqua-seals/partner_planner/alice";
const LENA: &str = "lindner/partner_planner/lena";
const STOCK: &str =
    "{ inventoryPositions(first: 100) { totalCount nodes { id kind qty minQty asOf product { sku } } } }";

async fn ask(hub: &Hub, seat: &str, place: &str, document: &str) -> Reply {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(seat).await);
    send(request.header("X-Entente-As", place).json(&json!({ "query": document }))).await
}

async fn may_act(hub: &Hub, seat: &str, place: &str) -> bool {
    let reply = ask(hub, seat, place, "{ viewer { seat } }").await;
    match reply.status {
        200 => assert_eq!(reply.data()["viewer"]["seat"], place.rsplit_once('/').unwrap().0),
        403 => assert_eq!(reply.code(), "FORBIDDEN"),
        other => panic!("{other}: {}", reply.json()),
    }
    reply.status == 200
}

/// R10
async fn a_deputy_sees_the_stock_she_stands_for(hub: Hub) {
    let own = hub.data(ALICE, STOCK).await;
    assert!(own["inventoryPositions"]["totalCount"].as_i64().unwrap() > 1);
    assert_eq!(ask(&hub, LENA, ALICE, STOCK).await.data(), own);
    // as herself she sees what lies in her warehouse
    assert_ne!(hub.data(LENA, STOCK).await, own);
}

/// R10
async fn a_deputy_sees_nothing_else_of_it(hub: Hub) {
    hub.data(ALICE, "{ demandBuckets { totalCount } supplyCommitments { totalCount } inventoryPositions { nodes { owner { slug } } } }").await;
    for document in ["{ demandBuckets { totalCount } }", "{ supplyCommitments { totalCount } }"] {
        let reply = ask(&hub, LENA, ALICE, document).await;
        assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED", "{document}: {}", reply.json());
    }
    // whose it is is a secret of that partner: hers to see, not to hand on
    let stock = ask(&hub, LENA, ALICE, "{ inventoryPositions(first: 100) { nodes { owner { slug } } } }").await.data();
    let rows = stock["inventoryPositions"]["nodes"].as_array().unwrap();
    assert!(!rows.is_empty() && rows.iter().all(|row| row["owner"].is_null()), "{stock}");
    let owned = "{ inventoryPositions(filter: { owner: { slug: { eq: \"aqua-seals\" } } }) { totalCount } }";
    assert_ne!(hub.data(ALICE, owned).await["inventoryPositions"]["totalCount"], 0);
    assert_eq!(ask(&hub, LENA, ALICE, owned).await.data()["inventoryPositions"]["totalCount"], 0);
}

/// R10, R11
async fn nobody_learns_which_seats_there_are(hub: Hub) {
    for seat in [LENA, AQUA, BERGMANN, "nordwind/planner"] {
        let mut answers: Vec<Value> = Vec::new();
        for place in [CERAM, "ceram-motors/partner_planner/carl", "nobody/at_all", "q9", "nordwind/admin"] {
            let reply = ask(&hub, seat, place, STOCK).await;
            assert_eq!(reply.status, 403);
            answers.push(serde_json::from_str(&reply.json().to_string().replace(place, "…")).unwrap());
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "{answers:?}");
    }
}

/// Whatever a seat is answered, its operator is answered to the byte.
async fn an_operator_sees_what_the_seat_sees(hub: Hub) {
    for seat in [
        ALICE,
        BERGMANN,
        CERAM,
        LINDNER,
        "bergmann/partner_marketing",
        "aqua-seals/service_account",
        "nordwind/planner",
        "nordwind/sales_rep/bruno",
        "nordwind/support_agent",
        "nordwind/finance",
    ] {
        let mut asked = 0;
        for document in [
            "{ viewer { seat role rights { type fields { field } } person { slug } agreements { totalCount } } }",
            "{ customers(first: 100) { totalCount nodes { id name } } }",
            "{ customers(first: 100, orderBy: [{ field: POSTCODE }]) { edges { cursor node { postcode } } } }",
            "{ contacts(first: 100) { nodes { email phone } } }",
            "{ cases(first: 100) { nodes { number subjectShared products { nodes { lotNo } } } } }",
            "{ demandBuckets(first: 100) { totalCount nodes { qty version { name } } } }",
            "{ orderLineAggregate(groupBy: [STATUS]) { key { status } count sum { qty } } }",
            "{ demandBucketAggregate(groupBy: [SERIES_REGION]) { key { seriesRegion } suppressed count sum { qty } } }",
            STOCK,
        ] {
            let own = hub.query(seat, document).await;
            let seen = ask(&hub, ADMIN, seat, document).await;
            assert_eq!((own.status, &own.text), (seen.status, &seen.text), "{seat}: {document}");
            asked += usize::from(own.json().get("errors").is_none());
        }
        assert!(asked > 2, "{seat}");
        let document = "{ __schema { types { name fields { name } inputFields { name } enumValues { name } } } }";
        let (own, seen) = (hub.query(seat, document).await, ask(&hub, ADMIN, seat, document).await);
        assert_eq!(readable(own.json()), readable(seen.json()), "{seat}");
        // who looks as another writes nothing
        assert!(!seen.text.contains("\"Mutation\""), "{seat}");
    }
}

/// The types of a schema but those of its mutations.
fn readable(mut answer: Value) -> Vec<Value> {
    let types = answer["data"]["__schema"]["types"].take();
    let writes = |name: &str| name == "Mutation" || name.ends_with("Input") || name.ends_with("Payload");
    types.as_array().unwrap().iter().filter(|ty| !writes(ty["name"].as_str().unwrap())).cloned().collect()
}

/// R6, R10: sums over the rows that two may see would tell by their difference what either may not.
async fn a_deputy_is_told_no_sums(hub: Hub) {
    let sums = "{ demandBucketAggregate { count } }";
    let marketing = "bergmann/partner_marketing";
    assert!(hub.query(marketing, sums).await.json().get("errors").is_none());
    let id = "(SELECT r.principal_id FROM role_assignment r JOIN principal p ON p.id = r.principal_id \
              JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'bergmann' AND r.role = 'partner_marketing')";
    hub.sql(&format!(
        "UPDATE delegation SET object_types = '[\"DemandBucket\", \"DemandSeries\"]', from_principal_id = {id}"
    ))
    .await;
    assert_eq!(ask(&hub, LENA, marketing, "{ viewer { seat } }").await.status, 200);
    let (code, message) = ask(&hub, LENA, marketing, sums).await.refusal();
    assert_eq!(
        (code.as_str(), message.contains("demandBucketAggregate")),
        ("GRAPHQL_VALIDATION_FAILED", true),
        "{message}"
    );
    assert_eq!(ask(&hub, ADMIN, marketing, sums).await.data(), hub.data(marketing, sums).await);
}

async fn an_operator_is_told_what_is_wrong_with_a_name(hub: Hub) {
    for (place, says) in [
        ("nobody/planner", "no organisation `nobody`"),
        ("aqua-seals/finance", "nobody at `aqua-seals` is `finance` now"),
        ("aqua-seals", "`aqua-seals` is no seat"),
    ] {
        let reply = ask(&hub, ADMIN, place, STOCK).await;
        let (code, message) = reply.refusal();
        assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"));
        assert!(message.starts_with(says), "{message}");
    }
}

/// R10
async fn a_delegation_begins_and_ends_by_itself(hub: Hub) {
    for (at, acts) in [
        ("2026-06-07T23:59:59Z", false),
        ("2026-06-08T00:00:00Z", true),
        ("2026-06-30T23:59:59Z", true),
        ("2026-07-01T00:00:00Z", false),
        ("2026-06-15T10:00:00Z", true),
    ] {
        hub.set_clock(at);
        assert_eq!(may_act(&hub, LENA, ALICE).await, acts, "{at}");
    }
}

/// R10
async fn a_delegation_counts_only_while_both_may(hub: Hub) {
    assert!(may_act(&hub, LENA, ALICE).await);
    // narrowed to nothing, what both see by themselves is left
    hub.sql("UPDATE delegation SET object_types = '[]'").await;
    let narrowed = ask(&hub, LENA, ALICE, STOCK).await.data();
    let own = hub.data(LENA, STOCK).await;
    assert!(narrowed["inventoryPositions"]["totalCount"].as_i64() < own["inventoryPositions"]["totalCount"].as_i64());
    for (away, back) in [
        ("UPDATE delegation SET approved_by_id = NULL", "UPDATE delegation SET approved_by_id = from_principal_id"),
        (
            "UPDATE principal SET status = 'locked' WHERE slug = 'alice'",
            "UPDATE principal SET status = 'active' WHERE slug = 'alice'",
        ),
        (
            "UPDATE organisation SET status = 'suspended' WHERE slug = 'aqua-seals'",
            "UPDATE organisation SET status = 'active' WHERE slug = 'aqua-seals'",
        ),
    ] {
        hub.sql(away).await;
        assert!(!may_act(&hub, LENA, ALICE).await, "{away}");
        hub.sql(back).await;
        assert!(may_act(&hub, LENA, ALICE).await, "{back}");
    }
    // with no user named it is the one whose delegation counts
    let arne = "(SELECT id FROM principal WHERE slug = 'arne')";
    hub.sql(&format!("UPDATE role_assignment SET role = 'partner_planner' WHERE principal_id = {arne}")).await;
    hub.sql(&format!(
        "INSERT INTO delegation (id, from_principal_id, to_principal_id, object_types, can_write, valid_from, valid_to, \
         reason, approved_by_id) SELECT {arne}, {arne}, to_principal_id, object_types, can_write, valid_from, valid_to, \
         reason, {arne} FROM delegation"
    ))
    .await;
    hub.sql(&format!("UPDATE delegation SET approved_by_id = NULL WHERE from_principal_id <> {arne}")).await;
    assert_eq!(ask(&hub, LENA, AQUA, STOCK).await.status, 200);
    hub.sql("DELETE FROM delegation").await;
    assert!(!may_act(&hub, LENA, ALICE).await);
}

/// R10: nobody passes on what she acts for
async fn a_delegation_is_not_passed_on(hub: Hub) {
    let id = |slug: &str| format!("(SELECT id FROM principal WHERE slug = '{slug}')");
    let copy = hub
        .sql(&format!(
            "INSERT INTO delegation (id, from_principal_id, to_principal_id, object_types, can_write, valid_from, \
             valid_to, reason, approved_by_id) SELECT {}, {}, {}, object_types, can_write, valid_from, valid_to, \
             reason, approved_by_id FROM delegation",
            id("lena"),
            id("lena"),
            id("carl")
        ))
        .await;
    assert_eq!(copy, 1);
    let carl = "ceram-motors/partner_planner/carl";
    assert!(may_act(&hub, carl, LENA).await);
    assert!(!may_act(&hub, carl, ALICE).await);
    // in her place he sees her warehouse at the most, and not what she sees in the place of alice
    let lena: Vec<Value> = skus(&hub.data(LENA, STOCK).await);
    let carl = skus(&ask(&hub, carl, LENA, STOCK).await.data());
    assert!(!carl.is_empty() && carl.iter().all(|sku| lena.contains(sku)), "{carl:?} {lena:?}");
}

fn skus(data: &Value) -> Vec<Value> {
    data["inventoryPositions"]["nodes"].as_array().unwrap().iter().map(|n| n["product"]["sku"].clone()).collect()
}

/// R9: whoever looks through another's eyes keeps its own
async fn an_operator_sees_no_more_than_it_may(hub: Hub) {
    let bruno = "nordwind/sales_rep/bruno";
    let secret = "{ customers(filter: { name: { like: \"Donauwerk%\" } }) { totalCount } }";
    let count = |data: Value| data["customers"]["totalCount"].as_i64().unwrap();
    assert_eq!(count(hub.data(bruno, secret).await), 1);
    assert_eq!(count(ask(&hub, ADMIN, bruno, secret).await.data()), 1);
    let gone = hub.sql("DELETE FROM customer_team WHERE principal_id = (SELECT id FROM principal WHERE slug = 'ada')");
    assert_ne!(gone.await, 0);
    assert_eq!(count(ask(&hub, ADMIN, bruno, secret).await.data()), 0);
    assert_eq!(count(hub.data(bruno, secret).await), 1);
    // who is no operator any more is told no names, at once
    hub.sql("UPDATE org_role SET kind = 'customer' WHERE kind = 'internal'").await;
    let reply = ask(&hub, ADMIN, "nobody/planner", secret).await;
    assert_eq!((reply.status, reply.code().as_str()), (403, "FORBIDDEN"), "{}", reply.text);
    hub.sql("UPDATE org_role SET kind = 'internal' WHERE kind = 'customer'").await;
    // a partner cannot appoint itself
    let made = "UPDATE role_assignment SET role = 'admin' WHERE principal_id = (SELECT id FROM principal WHERE slug = 'alice')";
    hub.sql(made).await;
    assert!(!may_act(&hub, "aqua-seals/admin/alice", CERAM).await);
}
