//! What a partner's administrator does with the own webhooks: what policies permit, of the own seat, and nothing else.

use entente::{catalogue::CATALOGUE, webhook};
use reqwest::Method;
use serde_json::{Value, json};

use super::{AQUA, DOCUMENT, Deliveries, add, later, open, receiver::Receiver, signed};
use crate::harness::{Hub, Reply, send, tests, until};

tests! {
    reading: who_may_not_has_no_such_field;
    changing:
        a_partner_keeps_its_own_webhook,
        a_secret_is_told_once,
        another_organisations_webhook_is_not_there,
        another_seats_webhook_is_not_ones_own,
        what_cannot_be_sent_is_refused,
        a_seat_that_is_bound_to_networks_has_none,
        there_is_a_most,
        a_policy_gives_it_to_others;
}

const ADMIN: &str = "aqua-seals/partner_admin";
const PEOPLE: &str = "subscription { changes(types: [PRINCIPAL], from: NOW) { kind id cursor changedFields } }";
const URL: &str = "https://receiver.example/hook";

async fn ask(hub: &Hub, seat: &str, mutation: &str, input: Value, fields: &str) -> Reply {
    let mut chars = mutation.chars();
    let ty = format!("{}{}Input", chars.next().unwrap().to_uppercase(), chars.as_str());
    let document = format!("mutation ($input: {ty}!) {{ done: {mutation}(input: $input) {{ {fields} }} }}");
    hub.query_with(seat, &document, json!({ "input": input })).await
}

async fn done(hub: &Hub, mutation: &str, input: Value) -> Value {
    let fields = match mutation {
        "removeWebhook" => "id",
        "addWebhook" | "rotateWebhookSecret" => "secret webhookEndpoint { id url role status reason }",
        _ => "webhookEndpoint { id url role status reason }",
    };
    ask(hub, ADMIN, mutation, input, fields).await.data()["done"].take()
}

/// Code and message of what was not done.
async fn refused(hub: &Hub, seat: &str, mutation: &str, input: Value) -> (String, String) {
    let body = ask(hub, seat, mutation, input, "__typename").await.json();
    let error = &body["errors"][0];
    assert!(body.get("data").is_none_or(|data| data.is_null() || data["done"].is_null()), "{body}");
    (error["extensions"]["code"].as_str().unwrap().into(), error["message"].as_str().unwrap().into())
}

/// One of each that names a webhook.
fn of(id: &str) -> Vec<(&'static str, Value)> {
    let names = ["rotateWebhookSecret", "pauseWebhook", "resumeWebhook", "replayWebhook", "removeWebhook"];
    names.map(|name| (name, json!({ "id": id }))).into()
}

/// The key of a row as an organisation knows it.
async fn id_for(hub: &Hub, organisation: &str, key: uuid::Uuid) -> String {
    let hex = match hub.dialect() {
        entente::access::connect::Dialect::Sqlite => "lower(hex(id))",
        entente::access::connect::Dialect::Postgres => "CAST(id AS text)",
    };
    let found = hub.texts(&format!("SELECT {hex} FROM organisation WHERE slug = '{organisation}'")).await;
    let codec = hub.app().graphql.codec(found[0].as_deref().unwrap().parse().unwrap());
    codec.id(CATALOGUE.by_name("WebhookEndpoint").unwrap().id, key)
}

async fn a_partner_keeps_its_own_webhook(hub: Hub) {
    let (hub, receiver) = (open(&hub).await, Receiver::start().await);
    let before = hub.log_end().await;
    let added = done(&hub, "addWebhook", json!({ "url": receiver.url(), "document": PEOPLE })).await;
    let (secret, row) = (added["secret"].as_str().unwrap().to_owned(), &added["webhookEndpoint"]);
    assert!(secret.starts_with("whsec_"));
    assert_eq!(
        (&row["url"], &row["role"], &row["status"]),
        (&json!(receiver.url()), &json!("partner_admin"), &json!("ACTIVE"))
    );
    let id = row["id"].clone();
    let rename = async || hub.sql("UPDATE principal SET display_name = display_name || '.' WHERE slug = 'arne'").await;

    let deliveries = Deliveries::of(&hub);
    assert_eq!(receiver.got(1).await[0].told(), "CHECKPOINT -");
    rename().await;
    let got = receiver.got(2).await.remove(1);
    assert!(got.told().starts_with("CHANGED Principal_"), "{}", got.told());
    assert_eq!(got.header("webhook-signature"), signed(&secret, &got));
    let cursor = got.json()["cursor"].clone();

    // the secret before is good no longer
    let rotated = done(&hub, "rotateWebhookSecret", json!({ "id": id, "overlap": 0 })).await;
    let newer = rotated["secret"].as_str().unwrap().to_owned();
    assert_ne!(newer, secret);
    rename().await;
    let got = receiver.got(3).await.remove(2);
    assert_eq!(got.header("webhook-signature"), signed(&newer, &got));

    let paused = done(&hub, "pauseWebhook", json!({ "id": id })).await;
    assert_eq!(paused["webhookEndpoint"]["status"], "PAUSED");
    assert!(paused["webhookEndpoint"]["reason"].as_str().unwrap().contains("by its owner"), "{paused}");
    deliveries.stop().await;
    rename().await;
    let resumed = done(&hub, "resumeWebhook", json!({ "id": id })).await;
    assert_eq!(
        (&resumed["webhookEndpoint"]["status"], &resumed["webhookEndpoint"]["reason"]),
        (&json!("ACTIVE"), &Value::Null)
    );
    let _deliveries = Deliveries::of(&hub);
    receiver.got(4).await;
    // what followed the first event comes again
    done(&hub, "replayWebhook", json!({ "id": id, "after": cursor })).await;
    let again = receiver.got(5).await;
    assert!(again[4].told().starts_with("CHANGED Principal_"), "{}", again[4].told());
    assert_eq!(done(&hub, "removeWebhook", json!({ "id": id })).await, json!({ "id": id }));
    for table in ["webhook_endpoint", "webhook_delivery", "webhook_secret"] {
        assert_eq!(hub.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
    // PostgreSQL writes JSON with spaces
    let lines: Vec<String> = hub.log(before).await.iter().map(|line| line.replace("\", \"", "\",\"")).collect();
    let lines: Vec<&String> = lines.iter().filter(|line| line.contains(" write WebhookEndpoint ")).collect();
    let fields: Vec<&str> = lines.iter().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert!(lines.iter().all(|line| line.starts_with("aqua-seals/arne ")), "{lines:?}");
    let add = r#"["url","document"]"#;
    assert_eq!(fields, [add, r#"["secret"]"#, r#"["status"]"#, r#"["status"]"#, r#"["cursor"]"#, add]);
}

async fn a_secret_is_told_once(hub: Hub) {
    let input = json!({ "url": URL, "document": PEOPLE, "idempotencyKey": "a" });
    let first = done(&hub, "addWebhook", input.clone()).await;
    let mut secrets = vec![first["secret"].as_str().unwrap().to_owned()];
    let again = done(&hub, "addWebhook", input.clone()).await;
    assert_eq!((&again["secret"], &again["webhookEndpoint"]), (&Value::Null, &first["webhookEndpoint"]));
    assert_eq!(hub.number("SELECT count(*) FROM webhook_endpoint").await, 1);
    let other = json!({ "url": "https://other.example/", "document": PEOPLE, "idempotencyKey": "a" });
    assert_eq!(refused(&hub, ADMIN, "addWebhook", other).await.0, "CONFLICT");
    let id = &first["webhookEndpoint"]["id"];
    let rotate = json!({ "id": id, "idempotencyKey": "b" });
    secrets.push(done(&hub, "rotateWebhookSecret", rotate.clone()).await["secret"].as_str().unwrap().to_owned());
    assert_eq!(done(&hub, "rotateWebhookSecret", rotate).await["secret"], Value::Null);
    assert_eq!(hub.number("SELECT count(*) FROM webhook_secret").await, 2);
    // nowhere else: not in queries, not in what is kept
    let fields = hub.data(ADMIN, "{ __type(name: \"WebhookEndpoint\") { fields { name } } }").await;
    assert!(!fields.to_string().to_lowercase().contains("secret"), "{fields}");
    hub.take_log().await;
    for table in ["audit_event", "change_event", "write_key", "webhook_endpoint", "webhook_delivery", "webhook_secret"]
    {
        let text = match hub.dialect() {
            entente::access::connect::Dialect::Postgres => format!("SELECT CAST(t AS text) FROM {table} t"),
            entente::access::connect::Dialect::Sqlite => {
                let quoted = "SELECT group_concat(one, ' || ') FROM (SELECT 'quote(\"' || name || '\")' AS one";
                let columns = hub.texts(&format!("{quoted} FROM pragma_table_info('{table}'))")).await;
                format!("SELECT {} FROM {table}", columns[0].as_deref().unwrap())
            }
        };
        for row in hub.texts(&text).await.into_iter().flatten() {
            for secret in &secrets {
                assert!(!row.contains(secret.strip_prefix("whsec_").unwrap()), "{table}");
            }
        }
    }
}

async fn another_organisations_webhook_is_not_there(hub: Hub) {
    let (theirs, _) = webhook::add(hub.app(), "ceram-motors/partner_planner", URL, DOCUMENT).await.unwrap();
    let before = hub.texts("SELECT status FROM webhook_endpoint").await;
    let none = ("NOT_FOUND".to_owned(), "there is no such WebhookEndpoint that you can see".to_owned());
    let seen = id_for(&hub, "aqua-seals", theirs).await;
    for id in [&*seen, &id_for(&hub, "ceram-motors", theirs).await, "WebhookEndpoint_AAAAAAAAAAAAAAAAAAAAAA", "x"] {
        for (mutation, input) in of(id) {
            assert_eq!(refused(&hub, ADMIN, mutation, input).await, none, "{mutation} {id}");
        }
    }
    let (mutation, input) = ("replayWebhook", json!({ "id": seen, "after": "nonsense" }));
    assert_eq!(refused(&hub, ADMIN, mutation, input).await, none);
    assert_eq!(hub.texts("SELECT status FROM webhook_endpoint").await, before);
    assert_eq!(hub.number("SELECT count(*) FROM webhook_secret").await, 1);
}

async fn another_seats_webhook_is_not_ones_own(hub: Hub) {
    let (planners, _) = webhook::add(hub.app(), AQUA, URL, DOCUMENT).await.unwrap();
    let id = id_for(&hub, "aqua-seals", planners).await;
    let seen = hub.data(ADMIN, "{ webhookEndpoints { nodes { id role } } }").await;
    assert_eq!(seen["webhookEndpoints"]["nodes"], json!([{ "id": id, "role": "partner_planner" }]));
    for (mutation, input) in of(&id) {
        let (code, message) = refused(&hub, ADMIN, mutation, input).await;
        assert_eq!(code, "FORBIDDEN", "{mutation}");
        assert!(message.contains("told what `partner_planner` sees"), "{message}");
    }
    assert_eq!(hub.texts("SELECT status FROM webhook_endpoint").await, [Some("active".to_owned())]);
}

async fn who_may_not_has_no_such_field(hub: Hub) {
    for seat in [AQUA, "aqua-seals/service_account", "nordwind/admin", "bergmann/partner_sales"] {
        for (mutation, input) in of("WebhookEndpoint_AAAAAAAAAAAAAAAAAAAAAA") {
            assert_eq!(refused(&hub, seat, mutation, input).await.0, "GRAPHQL_VALIDATION_FAILED", "{seat} {mutation}");
        }
        let input = json!({ "url": URL, "document": DOCUMENT });
        assert_eq!(refused(&hub, seat, "addWebhook", input).await.0, "GRAPHQL_VALIDATION_FAILED", "{seat}");
    }
    // an operator who looks as the administrator does nothing in its name
    let document = format!("mutation {{ addWebhook(input: {{ url: \"{URL}\", document: \"\" }}) {{ secret }} }}");
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token("nordwind/admin").await);
    let reply = send(request.header("x-entente-as", ADMIN).json(&json!({ "query": document }))).await;
    assert_eq!(reply.code(), "GRAPHQL_VALIDATION_FAILED");
}

async fn what_cannot_be_sent_is_refused(hub: Hub) {
    for (url, document, part) in [
        ("http://receiver.example/", PEOPLE, "not encrypted"),
        ("https://127.0.0.1/", PEOPLE, "no public address"),
        ("https://169.254.169.254/latest", PEOPLE, "no address to send events to"),
        ("https://me:secret@receiver.example/", PEOPLE, "user or a password"),
        ("nonsense", PEOPLE, "no URL"),
        (URL, "{ viewer { seat } }", "no subscription"),
        (URL, "subscription { changes(types: [PRINCIPAL]) { id } }", "`kind`"),
        (URL, DOCUMENT, "demandUpdates"),
        (URL, "subscription { changes(types: [PRINCIPAL], after: \"x\") { kind id } }", "no cursor"),
    ] {
        let (code, message) = refused(&hub, ADMIN, "addWebhook", json!({ "url": url, "document": document })).await;
        assert_eq!(code, "BAD_USER_INPUT", "{url} {document}: {message}");
        assert!(message.contains(part) && !message.contains("me:secret"), "{url} {document}: {message}");
    }
    assert_eq!(hub.number("SELECT count(*) FROM webhook_endpoint").await, 0);
    let added = done(&hub, "addWebhook", json!({ "url": URL, "document": PEOPLE })).await;
    let id = &added["webhookEndpoint"]["id"];
    for (mutation, input, part) in [
        ("replayWebhook", json!({ "id": id, "after": "nonsense" }), "no cursor"),
        ("rotateWebhookSecret", json!({ "id": id, "overlap": -1 }), "`input.overlap`"),
        ("rotateWebhookSecret", json!({ "id": id, "overlap": 700_000 }), "`input.overlap`"),
        ("pauseWebhook", json!({ "id": id, "idempotencyKey": "" }), "`input.idempotencyKey`"),
    ] {
        let (code, message) = refused(&hub, ADMIN, mutation, input).await;
        assert!(code == "BAD_USER_INPUT" && message.contains(part), "{mutation}: {code} {message}");
    }
    // nor does the operator lose an endpoint's place over a wrong cursor
    let key = hub
        .app()
        .graphql
        .codec(entente::access::roster::resolve(hub.db(), ADMIN, hub.clock().now()).await.unwrap().0.organisation);
    let key = key.read_id(id.as_str().unwrap()).unwrap().1.to_string();
    let replayed = hub.cli(&["webhook", "replay", &key, "--after", "nonsense"]).run().await;
    assert!(replayed.code == Some(2) && replayed.stderr.contains("no cursor"), "{replayed:?}");
}

async fn a_seat_that_is_bound_to_networks_has_none(hub: Hub) {
    hub.sql("UPDATE role_assignment SET networks = '[\"127.0.0.0/8\"]' WHERE role = 'partner_admin'").await;
    let (code, message) = refused(&hub, ADMIN, "addWebhook", json!({ "url": URL, "document": PEOPLE })).await;
    assert!(code == "BAD_USER_INPUT" && message.contains("bound to networks"), "{code} {message}");
    let added = hub.cli(&["webhook", "add", "--as", ADMIN, URL, PEOPLE]).run().await;
    assert!(added.code == Some(2) && added.stderr.contains("bound to networks"), "{added:?}");
    assert_eq!(hub.number("SELECT count(*) FROM webhook_endpoint").await, 0);
}

async fn there_is_a_most(hub: Hub) {
    for _ in 0..20 {
        done(&hub, "addWebhook", json!({ "url": URL, "document": PEOPLE })).await;
    }
    let (code, message) = refused(&hub, ADMIN, "addWebhook", json!({ "url": URL, "document": PEOPLE })).await;
    assert!(code == "CONFLICT" && message.contains("20 webhooks"), "{code} {message}");
    assert_eq!(hub.number("SELECT count(*) FROM webhook_endpoint").await, 20);
}

/// The host decides who keeps webhooks: here planners, each seat its own.
async fn a_policy_gives_it_to_others(hub: Hub) {
    let folder = crate::harness::policies();
    let more = "\n@id(\"webhook.planners\")\n@doc(\"Planners keep those of planners.\")\npermit (\n  principal in \
                Role::\"partner_planner\",\n  action in [Action::\"WebhookEndpoint\", Action::\"WebhookEndpoint:manage\"],\n  \
                resource is WebhookEndpoint\n)\nwhen { resource.organisation == principal.organisation && resource.role == \
                \"partner_planner\" };\n";
    let file = folder.path().join("webhook.cedar");
    let text = std::fs::read_to_string(&file).unwrap() + more;
    std::fs::write(&file, text).unwrap();
    let receiver = Receiver::start().await;
    let open = hub.with(|config| {
        (config.webhooks.allow_http, config.webhooks.allow_private) = (true, true);
        config.policies = Some(folder.path().to_owned());
    });
    let hub = open.await;
    let (operators, _) = add(&hub, &receiver.url()).await;
    let input = json!({ "url": receiver.url(), "document": DOCUMENT });
    let made = ask(&hub, AQUA, "addWebhook", input, "webhookEndpoint { id role }").await.data()["done"].take();
    assert_eq!(made["webhookEndpoint"]["role"], "partner_planner");
    // the operator made the other one for this seat: it is its own, too
    let id = id_for(&hub, "aqua-seals", operators).await;
    ask(&hub, AQUA, "removeWebhook", json!({ "id": id }), "id").await.data();
    let _deliveries = Deliveries::of(&hub);
    receiver.got(1).await;
    hub.sql("UPDATE demand_bucket SET qty = qty + 10000").await;
    assert!(receiver.got(2).await[1].told().starts_with("CHANGED DemandBucket_"));
    later(&hub, 1);
    until("one webhook", async || (hub.number("SELECT count(*) FROM webhook_endpoint").await == 1).then_some(())).await;
}
