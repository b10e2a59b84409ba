//! Webhooks over the hub's own feed: what arrives is what the seat sees, and stops when it no longer may.

use std::sync::atomic::{AtomicI64, Ordering};

use entities::Instant;
use serde_json::json;

use super::{
    AQUA, Deliveries, becomes, open,
    receiver::{Got, Receiver, Say},
    signed,
};
use crate::harness::{Hub, tests, until};

tests! {
    changing:
        a_supplier_is_told_of_its_demand,
        what_happens_while_nobody_delivers_is_told_later,
        who_takes_nothing_at_first_is_told_later,
        an_ended_right_ends_the_stream,
        rows_leave_before_it_is_paused,
        a_document_beyond_the_view_is_refused,
        a_dead_letter_is_sent_again_as_long_as_it_is_so,
        a_spent_budget_is_waited_for,
        a_partner_sees_its_own_webhooks_only;
}

const DOCUMENT: &str =
    "subscription { demandUpdates(from: NOW) { kind id cursor changedFields occurredAt node { qty firmness } } }";

fn bucket(supplier: &str, nth: usize) -> String {
    format!(
        "(SELECT b.id FROM demand_bucket b JOIN forecast_version v ON v.id = b.version_id \
         JOIN organisation o ON o.id = b.supplier_id WHERE o.slug = '{supplier}' AND v.status = 'published' \
         AND b.bucket_start >= '2026-06-15' ORDER BY b.bucket_start, b.id LIMIT 1 OFFSET {nth})"
    )
}

async fn change(hub: &Hub, supplier: &str, nth: usize) {
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket(supplier, nth))).await;
}

/// By the command, as an operator does it: key and secret.
async fn add(hub: &Hub, seat: &str, receiver: &Receiver) -> (String, String) {
    let added = hub
        .cli(&["webhook", "add", "--as", seat, &receiver.url(), DOCUMENT])
        .env("ENTENTE_WEBHOOKS__ALLOW_HTTP", "true")
        .env("ENTENTE_WEBHOOKS__ALLOW_PRIVATE", "true")
        .run()
        .await;
    let line =
        |name: &str| added.stdout.lines().find_map(|line| line.strip_prefix(name)).map(|of| of.trim().to_owned());
    match (line("webhook "), line("secret ")) {
        (Some(id), Some(secret)) => (id, secret),
        _ => panic!("{added:?}"),
    }
}

/// The hello after the first cursor.
async fn ready(receiver: &Receiver) {
    assert_eq!(receiver.got(1).await[0].told(), "CHECKPOINT -");
}

async fn a_supplier_is_told_of_its_demand(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    let before = hub.log_end().await;
    let (_, secret) = add(&hub, AQUA, &receiver).await;
    let _deliveries = Deliveries::of(&hub);
    ready(&receiver).await;
    // another supplier's first: it is not told
    change(&hub, "ceram-motors", 0).await;
    change(&hub, "aqua-seals", 0).await;
    let got = receiver.got(2).await.remove(1);
    assert_eq!(got.header("webhook-signature"), signed(&secret, &got));
    let body = got.json();
    assert_eq!(
        (&body["type"], &body["data"]["changedFields"]),
        (&json!("entente.demandUpdates.changed"), &json!(["qty"]))
    );
    // as a query shows it
    let asked = format!("{{ node(id: {}) {{ ... on DemandBucket {{ qty firmness }} }} }}", body["data"]["id"]);
    assert_eq!(hub.data(AQUA, &asked).await["node"], body["data"]["node"]);
    let lines = hub.log(before).await;
    for part in ["aqua-seals/- write WebhookEndpoint [\"url\",\"document\"] 1 allow", "subscribe DemandBucket"] {
        assert!(lines.iter().any(|line| line.contains(part)), "{part}: {lines:?}");
    }
}

async fn what_happens_while_nobody_delivers_is_told_later(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    add(&hub, AQUA, &receiver).await;
    let deliveries = Deliveries::of(&hub);
    ready(&receiver).await;
    change(&hub, "aqua-seals", 0).await;
    receiver.got(2).await;
    deliveries.stop().await;
    change(&hub, "aqua-seals", 1).await;
    hub.sql(&format!("DELETE FROM demand_bucket WHERE id = {}", bucket("aqua-seals", 2))).await;
    let _deliveries = Deliveries::of(&hub);
    let mut told: Vec<String> = receiver.got(4).await[2..].iter().map(Got::told).collect();
    told.sort();
    assert!(told[0].starts_with("CHANGED") && told[1].starts_with("DELETED"), "{told:?}");
    change(&hub, "aqua-seals", 0).await;
    assert!(receiver.got(5).await[4].told().starts_with("CHANGED"));
    assert_eq!(receiver.all().len(), 5);
}

async fn who_takes_nothing_at_first_is_told_later(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    receiver.says([Say::Status(500)]);
    add(&hub, AQUA, &receiver).await;
    let _deliveries = Deliveries::of(&hub);
    receiver.got(1).await;
    change(&hub, "aqua-seals", 0).await;
    // its turn comes again while the clock goes on
    let (begun, looks) = (hub.clock().now().0, AtomicI64::new(0));
    until("what happened before anything was taken", async || {
        let looks = looks.fetch_add(1, Ordering::Relaxed);
        hub.set_clock(&Instant(begun + looks / 20 * 60_000_000).to_string());
        receiver.all().iter().any(|got| got.told().starts_with("CHANGED")).then_some(())
    })
    .await;
}

async fn an_ended_right_ends_the_stream(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    add(&hub, AQUA, &receiver).await;
    let _deliveries = Deliveries::of(&hub);
    ready(&receiver).await;
    hub.sql(
        "UPDATE role_assignment SET valid_to = 0 WHERE role = 'partner_planner' AND principal_id IN \
         (SELECT p.id FROM principal p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'aqua-seals')",
    )
    .await;
    becomes(&hub, "PAUSED", "").await;
    change(&hub, "aqua-seals", 0).await;
    let list = hub.cli(&["webhook", "list"]).run().await.stdout;
    assert!(list.contains("paused  nobody as `partner_planner`"), "{list}");
    assert_eq!(receiver.all().len(), 1);
}

async fn rows_leave_before_it_is_paused(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    let rows =
        hub.data(AQUA, "{ demandBuckets { totalCount } }").await["demandBuckets"]["totalCount"].as_u64().unwrap();
    add(&hub, AQUA, &receiver).await;
    let _deliveries = Deliveries::of(&hub);
    ready(&receiver).await;
    hub.sql(
        "UPDATE sharing_agreement SET status = 'ended' WHERE grantee_id = \
         (SELECT id FROM organisation WHERE slug = 'aqua-seals')",
    )
    .await;
    becomes(&hub, "PAUSED", "resume it when it is again").await;
    let told: Vec<String> = receiver.all().iter().map(Got::told).collect();
    let left = told.iter().filter(|told| told.starts_with("LEFT")).count() as u64;
    // all of them, or, where the receiver took too long, all that are left at once
    assert!(left == rows || told.last().is_some_and(|told| told.starts_with("GAP")), "{left} of {rows}: {told:?}");
}

async fn a_document_beyond_the_view_is_refused(hub: Hub) {
    let url = "https://receiver.example/hook";
    for (document, part) in [
        ("subscription { demandUpdates { kind id node { series { customer { name } } } } }", "customer"),
        ("subscription { demandUpdates(after: \"x\") { kind id } }", "no cursor"),
        ("subscription { demandUpdates { id } }", "`kind`"),
        ("{ demandBuckets { totalCount } }", "no subscription"),
    ] {
        let added = hub.cli(&["webhook", "add", "--as", AQUA, url, document]).run().await;
        assert!(added.code == Some(2) && added.stderr.contains(part), "{document}: {added:?}");
    }
    assert_eq!(hub.number("SELECT count(*) FROM webhook_endpoint").await, 0);
}

async fn a_partner_sees_its_own_webhooks_only(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    add(&hub, AQUA, &receiver).await;
    add(&hub, "ceram-motors/partner_planner", &receiver).await;
    let document = "{ webhookEndpoints { totalCount nodes { url role status organisation { slug } } } }";
    let (code, _) = hub.refusal(AQUA, document).await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
    hub.sql(
        "UPDATE role_assignment SET role = 'partner_admin' WHERE role = 'partner_planner' AND principal_id IN \
         (SELECT p.id FROM principal p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'aqua-seals')",
    )
    .await;
    let data = hub.data("aqua-seals/partner_admin", document).await;
    assert_eq!(data["webhookEndpoints"]["totalCount"], 1);
    let node = &data["webhookEndpoints"]["nodes"][0];
    assert_eq!((&node["organisation"]["slug"], &node["status"]), (&json!("aqua-seals"), &json!("ACTIVE")));
    let both = async || {
        let data = hub.data("nordwind/admin", "{ webhookEndpoints { totalCount } }").await;
        (data["webhookEndpoints"]["totalCount"] == 2).then_some(())
    };
    until("the host's administrator to see both", both).await;
}

/// R19
async fn a_spent_budget_is_waited_for(hub: Hub) {
    let metered = |config: &mut entente::config::Config| {
        (config.limits.budgets, config.limits.cost_per_minute) = (true, 40);
    };
    let (hub, receiver) = (super::open_as(&hub, metered).await, Receiver::start().await);
    let document = "subscription { demandUpdates { kind id } }";
    entente::webhook::add(hub.app(), AQUA, &receiver.url(), document).await.unwrap();
    let _deliveries = Deliveries::of(&hub);
    // more than any minute allows
    let told = async || {
        if receiver.all().len() > 60 {
            return Some(());
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        super::later(&hub, 5);
        None
    };
    until("more than a minute's worth", told).await;
    assert_eq!(super::state(&hub).await.0, "ACTIVE");
}

async fn a_dead_letter_is_sent_again_as_long_as_it_is_so(hub: Hub) {
    let (hub, receiver) =
        (super::open_as(&hub, |config| config.webhooks.refused_for = 0).await, Receiver::start().await);
    entente::webhook::add(hub.app(), AQUA, &receiver.url(), DOCUMENT).await.unwrap();
    let _deliveries = Deliveries::of(&hub);
    ready(&receiver).await;
    receiver.says([super::receiver::Say::Status(422)]);
    change(&hub, "aqua-seals", 0).await;
    let dead = "SELECT error FROM webhook_dead_letter";
    until("a dead letter", async || (!hub.texts(dead).await.is_empty()).then_some(())).await;
    let key = match hub.dialect() {
        entente::access::connect::Dialect::Sqlite => "lower(hex(id))",
        entente::access::connect::Dialect::Postgres => "CAST(id AS text)",
    };
    let letter = hub.texts(&format!("SELECT {key} FROM webhook_dead_letter")).await[0].clone().unwrap();
    let again = async || entente::webhook::redeliver(hub.app(), letter.parse().unwrap()).await;
    again().await.unwrap();
    let got = receiver.got(3).await;
    assert_eq!((got[2].id(), &got[2].text), (got[1].id(), &got[1].text));
    change(&hub, "aqua-seals", 0).await;
    receiver.got(4).await;
    let refused = again().await.unwrap_err().to_string();
    assert!(refused.contains("shown this row otherwise"), "{refused}");
    assert_eq!(receiver.all().len(), 4);
}
