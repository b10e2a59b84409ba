//! What leaves a line, and what stands in it.

use std::fs;

use entente::{
    catalogue::CATALOGUE,
    export::{self, Args},
};
use entities::meta::Kind;
use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Hub, send, tests};

tests! {
    changing: each_read_leaves_a_line_for_each_type,
        what_anybody_may_see_leaves_none,
        every_door_writes,
        no_line_holds_a_value,
        a_partner_reads_the_lines_about_itself,
        who_asks_in_the_place_of_another_is_named_with_it,
        the_agreement_is_named_if_only_one_can_have_decided,
        sums_leave_the_same_line_whatever_they_hold_back,
        an_answer_that_cannot_be_logged_is_not_given;
}

const AQUA: &str = "aqua-seals/partner_planner";
const BERGMANN: &str = "bergmann/partner_sales";
const ADMIN: &str = "nordwind/admin";
const MANAGER: &str = "nordwind/sales_manager";
const FINANCE: &str = "nordwind/finance";

async fn lines_of(hub: &Hub, seat: &str, document: &str) -> Vec<String> {
    let end = hub.log_end().await;
    hub.data(seat, document).await;
    hub.log(end).await
}

/// The host's people are told apart by what they may do, not by who has which role in the demo.
fn anonymous(line: String) -> String {
    match line.strip_prefix("nordwind/").and_then(|line| line.split_once(' ')) {
        Some((_, rest)) => format!("nordwind/… {rest}"),
        None => line,
    }
}

async fn each_read_leaves_a_line_for_each_type(hub: Hub) {
    let supply = "allow Supply collaboration 2026";
    for (seat, document, lines) in [
        // selected, filtered, ordered, followed; the product's sku is for everybody
        (
            AQUA,
            "{ demandBuckets(first: 3, filter: { qty: { gt: \"0\" } }, orderBy: [{ field: BUCKET_START }]) { \
                nodes { firmness series { region product { sku } } } } }",
            vec![
                format!("aqua-seals/alice read DemandSeries [\"product\",\"region\"] 3 {supply}"),
                format!(
                    "aqua-seals/alice read DemandBucket [\"series\",\"bucketStart\",\"qty\",\"firmness\"] 3 {supply}"
                ),
            ],
        ),
        // once for each type, however often it is asked for
        (
            FINANCE,
            "{ a: salesOrders(first: 2) { nodes { number lines(first: 2) { nodes { qty } } } } \
               b: salesOrders(first: 1) { edges { node { total } } } }",
            vec![
                "nordwind/… read SalesOrder [\"number\",\"total\"] 3 allow -".into(),
                "nordwind/… read OrderLine [\"order\",\"qty\"] 2 allow -".into(),
            ],
        ),
        // a filter's related rows are read, and none is handed out
        (
            FINANCE,
            "{ customers(filter: { orders: { some: { total: { gt: \"1\" } } } }) { totalCount } }",
            vec!["nordwind/… read SalesOrder [\"customer\",\"total\"] 0 allow -".into()],
        ),
        (
            FINANCE,
            "{ orderLineAggregate(groupBy: [PRODUCT_FAMILY], filter: { qty: { gt: \"1\" } }) { \
                key { productFamily } count sum { netAmount } } }",
            vec!["nordwind/… read OrderLine [\"product\",\"qty\",\"netAmount\"] 5 allow -".into()],
        ),
        // nothing found is an answer, too
        (
            AQUA,
            "{ demandBuckets(filter: { qty: { gt: \"99999999\" } }) { nodes { qty } } }",
            vec![format!("aqua-seals/alice read DemandBucket [\"qty\"] 0 {supply}")],
        ),
        (AQUA, "{ viewer { person { email } } }", vec!["aqua-seals/alice read Principal [\"email\"] 1 allow -".into()]),
        // the log itself
        (
            ADMIN,
            "{ auditEvents(first: 2) { nodes { action } } }",
            vec!["nordwind/… read AuditEvent [\"action\"] 2 allow -".into()],
        ),
    ] {
        let found: Vec<_> = lines_of(&hub, seat, document).await.into_iter().map(anonymous).collect();
        assert_eq!(found, lines, "{document}");
    }
}

async fn a_single_row(hub: &Hub) -> String {
    let data = hub.data(BERGMANN, "{ customers(first: 1) { nodes { id } } }").await;
    data["customers"]["nodes"][0]["id"].as_str().unwrap().to_owned()
}

async fn every_door_writes(hub: Hub) {
    let id = a_single_row(&hub).await;
    let end = hub.log_end().await;
    hub.data(BERGMANN, &format!("{{ node(id: \"{id}\") {{ ... on Customer {{ postcode }} }} }}")).await;
    // one row is named
    let read = |rows: usize| {
        format!("bergmann/bea read Customer [\"postcode\"] {rows} masked Distribution Germany, Austria, Switzerland")
    };
    assert_eq!(hub.log(end).await, [read(1)]);
    let named = "SELECT count(*) FROM audit_event e JOIN customer c ON c.id = e.object_id";
    assert_eq!(hub.number(&format!("{named} WHERE e.seq > {end}")).await, 1);

    let end = hub.log_end().await;
    let ids = json!({ "ids": [id, id] });
    hub.data_with(BERGMANN, "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Customer { postcode } } }", ids).await;
    let get = hub.request(Method::GET, "/graphql?query={customers(first:2){nodes{postcode}}}");
    let reply = send(get.bearer_auth(hub.token(BERGMANN).await).header("accept", "application/json")).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(hub.log(end).await, [read(2), read(2)]);

    let end = hub.log_end().await;
    let mut out = Vec::new();
    let arguments = Args { ty: "Customer".into(), seat: BERGMANN.into() };
    export::run(hub.app(), &arguments, &mut out).await.unwrap();
    let rows = out.iter().filter(|byte| **byte == b'\n').count() - 1;
    let lines = hub.log(end).await;
    assert!(lines.len() == 1 && rows > 0, "{lines:?}");
    assert!(
        lines[0].starts_with("bergmann/bea export Customer [\"id\",") && lines[0].contains(&format!("] {rows} masked")),
        "{lines:?}"
    );
    // by the command, the line is in the table when it ends
    hub.cli(&["export", "Customer", "--as", BERGMANN]).run().await.good();
    assert_eq!(hub.log(end + 1).await, lines);
    assert_eq!(
        hub.texts("SELECT policy_version FROM audit_event ORDER BY seq DESC LIMIT 1").await[0].as_ref().unwrap().len(),
        16
    );
}

async fn what_anybody_may_see_leaves_none(hub: Hub) {
    let end = hub.log_end().await;
    let id = hub.data(ADMIN, "{ products(first: 1) { nodes { id } } }").await["products"]["nodes"][0]["id"].clone();
    for document in [
        "{ products(first: 5, orderBy: [{ field: SKU }]) { nodes { sku name } totalCount } }",
        "{ viewer { seat role rights { type } } }",
        "{ __schema { types { name } } __typename }",
        "{ customers { totalCount } }",
        &format!("{{ node(id: {id}) {{ ... on Product {{ sku }} }} }}"),
    ] {
        hub.data(ADMIN, document).await;
    }
    // what is refused has read nothing
    for document in
        ["{ customers { nodes { nothing } } }", "{ customers(first: 5000) { nodes { name } } }", "{ customers {"]
    {
        hub.refusal(ADMIN, document).await;
    }
    assert_eq!(hub.log(end).await, [""; 0]);
}

/// Texts and numbers of an answer, as they could stand in a line.
fn leaves(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| leaves(item, out)),
        Value::Object(parts) => parts.values().for_each(|part| leaves(part, out)),
        Value::String(text) => out.push(text.clone()),
        Value::Number(number) => out.push(number.to_string()),
        _ => {}
    }
}

async fn no_line_holds_a_value(hub: Hub) {
    let end = hub.log_end().await;
    let mut values = Vec::new();
    for (seat, document) in [
        (
            MANAGER,
            "{ customers(first: 50) { nodes { id name city postcode contacts { nodes { givenName familyName email phone } } } } }",
        ),
        (
            FINANCE,
            "{ salesOrders(first: 50, filter: { customer: { name: { like: \"%e%\" } } }) { nodes { number total } pageInfo { endCursor } } }",
        ),
        (BERGMANN, "{ customers(first: 50) { nodes { name postcode contacts { nodes { email } } } } }"),
        (AQUA, "{ demandBuckets(first: 100) { nodes { qty bucketStart series { shipToUnit { name } } } } }"),
        (FINANCE, "{ orderLineAggregate(groupBy: [ORDERED_ON_MONTH]) { key { orderedOnMonth } sum { netAmount } } }"),
    ] {
        leaves(&hub.data(seat, document).await, &mut values);
    }
    // short ones and round numbers stand by chance in any line
    values.retain(|value| value.len() >= 5 && !value.trim_start_matches("**").is_empty());
    assert!(values.len() > 500, "{}", values.len());
    let mut texts: Vec<String> =
        fs::read_dir(hub.journal()).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(texts.iter().map(String::len).sum::<usize>() > 1_000);
    assert!(hub.log(end).await.len() >= 8);
    for field in &CATALOGUE.by_name("AuditEvent").unwrap().fields {
        // moments and hashes are made of digits; they come from no row
        if matches!(field.kind, Kind::Instant) || field.column.ends_with("hash") {
            continue;
        }
        let text = if field.kind == Kind::Id && hub.database_url().starts_with("sqlite") {
            "hex(\"$\")"
        } else {
            "CAST(\"$\" AS text)"
        };
        let sql = format!("SELECT {} FROM audit_event WHERE seq > {end}", text.replace('$', field.column));
        texts.extend(hub.texts(&sql).await.into_iter().flatten());
    }
    for text in &mut texts {
        // the journal has the moment beside the names
        let at = text.find("\"at\":").map(|at| at + 5);
        while let Some(at) = at.filter(|at| text.as_bytes().get(*at).is_some_and(u8::is_ascii_digit)) {
            text.remove(at);
        }
    }
    for value in &values {
        let found = texts.iter().find(|text| text.contains(value.as_str()));
        assert!(found.is_none(), "`{value}` in {found:?}");
    }
}

async fn a_partner_reads_the_lines_about_itself(hub: Hub) {
    for (seat, document) in [
        (AQUA, "{ demandBuckets { nodes { qty } } }"),
        ("ceram-motors/partner_planner", "{ demandBuckets { nodes { qty } } }"),
        (FINANCE, "{ customers { nodes { name } } }"),
    ] {
        hub.data(seat, document).await;
    }
    hub.take_log().await;
    let document = "{ auditEvents(first: 1000) { nodes { at organisation { slug } principal { slug } onBehalfOf { slug } action \
        objectType fields rows decision agreement { title } } } }";
    let all = hub.data(ADMIN, document).await["auditEvents"]["nodes"].as_array().unwrap().clone();
    let own = hub.data(AQUA, document).await["auditEvents"]["nodes"].as_array().unwrap().clone();
    let about: Vec<_> = all.iter().filter(|line| line["organisation"]["slug"] == "aqua-seals").cloned().collect();
    assert_eq!(own.len(), about.len());
    assert!(own.len() >= 3 && all.len() > own.len() + 2, "{own:?}");
    assert!(own.iter().all(|line| line["organisation"]["slug"] == "aqua-seals"), "{own:?}");
    let last = own.last().unwrap();
    assert_eq!(
        (&last["objectType"], &last["action"], &last["principal"]["slug"]),
        (&json!("DemandBucket"), &json!("READ"), &json!("alice"))
    );
    // numbers and hashes would tell how much the others read
    for field in ["seq", "hash", "prevHash"] {
        let (code, _) = hub.refusal(AQUA, &format!("{{ auditEvents {{ nodes {{ {field} }} }} }}")).await;
        assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{field}");
    }
    hub.data(ADMIN, "{ auditEvents { nodes { seq hash prevHash } } }").await;
}

/// R10
async fn who_asks_in_the_place_of_another_is_named_with_it(hub: Hub) {
    const ALICE: &str = "aqua-seals/partner_planner/alice";
    let stock = json!({ "query": "{ inventoryPositions(first: 2) { nodes { qty } } }" });
    let end = hub.log_end().await;
    for seat in ["lindner/partner_planner/lena", ADMIN] {
        let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(seat).await);
        let reply = send(request.header("X-Entente-As", ALICE).json(&stock)).await;
        assert_eq!(reply.status, 200, "{}", reply.text);
    }
    let lines = hub.log(end).await;
    // whose seat it is reads the line
    assert!(lines.len() == 2 && lines.iter().all(|line| line.starts_with("aqua-seals/")), "{lines:?}");
    assert!(lines[0].starts_with("aqua-seals/lena read InventoryPosition [\"qty\"] 2"), "{lines:?}");
    let stood_for = "SELECT p.slug FROM audit_event e JOIN principal p ON p.id = e.on_behalf_of_id";
    let names = hub.texts(&format!("{stood_for} WHERE e.seq > {end}")).await;
    assert_eq!(names, vec![Some("alice".to_owned()); 2]);
    let own = "{ auditEvents(last: 2, filter: { objectType: { eq: \"InventoryPosition\" } }) { nodes { principal { slug } onBehalfOf { slug } reason } } }";
    let alice = json!({ "slug": "alice" });
    // the host's persons are not shown, but that the host looked
    assert_eq!(
        hub.data(AQUA, own).await["auditEvents"]["nodes"],
        json!([
            { "principal": { "slug": null }, "onBehalfOf": alice, "reason": null },
            { "principal": null, "onBehalfOf": alice, "reason": "an operator of the host looked as this seat" },
        ])
    );
}

async fn the_agreement_is_named_if_only_one_can_have_decided(hub: Hub) {
    let ask = "{ customers(first: 1) { nodes { postcode } } }";
    let end = hub.log_end().await;
    hub.data(BERGMANN, ask).await;
    let title = hub.log(end).await[0].rsplit_once("masked ").unwrap().1.to_owned();
    assert!(title.len() > 1, "{title}");
    // two that could: none is named
    let copy = match hub.database_url().starts_with("sqlite") {
        true => "randomblob(16)",
        false => "gen_random_uuid()",
    };
    let columns = "grantor_id, grantee_id, purpose, legal_ref, status, valid_from, valid_to, read_after_end_days, \
        history_days, horizon_days, k_threshold, signed_by_grantor_id, signed_by_grantee_id";
    let second = format!(
        "INSERT INTO sharing_agreement (id, title, {columns}) SELECT {copy}, 'second', {columns} FROM sharing_agreement WHERE title = '{title}'"
    );
    assert_eq!(hub.sql(&second).await, 1);
    let scopes = format!(
        "INSERT INTO agreement_scope (id, agreement_id, object_type, effect) SELECT {copy}, id, 'customer', 'include' FROM sharing_agreement WHERE title = 'second'"
    );
    assert_eq!(hub.sql(&scopes).await, 1);
    let end = hub.log_end().await;
    hub.data(BERGMANN, ask).await;
    assert!(hub.log(end).await[0].ends_with(" masked -"), "{:?}", hub.log(end).await);
    // the host asks under no agreement
    let end = hub.log_end().await;
    hub.data(MANAGER, ask).await;
    assert!(hub.log(end).await[0].ends_with(" allow -"), "{:?}", hub.log(end).await);
}

/// R6
async fn sums_leave_the_same_line_whatever_they_hold_back(hub: Hub) {
    const MARKETING: &str = "bergmann/partner_marketing";
    let agreed = "suppressed_k Distribution Germany, Austria, Switzerland";
    let line = |ty: &str, fields: &str, rows: usize, agreed: &str| {
        let person = "bergmann/boris read";
        format!("{person} {ty} {fields} {rows} {agreed}")
    };
    for (of, lines) in [
        // that it holds Switzerland back, or that there is none of it, is no word of the log
        ("(filter: { seriesRegion: { eq: \"CH\" } })", 0),
        ("(filter: { seriesRegion: { eq: \"XX\" } })", 0),
        ("(filter: { seriesRegion: { eq: \"DE\" } })", 1),
    ] {
        let found = lines_of(&hub, MARKETING, &format!("{{ demandBucketAggregate{of} {{ sum {{ qty }} }} }}")).await;
        let expected = [
            line("DemandSeries", "[\"region\"]", 0, "suppressed_k -"),
            line("DemandBucket", "[\"series\",\"qty\"]", lines, agreed),
        ];
        assert_eq!(found, expected, "{of}");
    }
    // the rows that are counted are told, and what they are counted by
    let found = lines_of(&hub, MARKETING, "{ demandBucketAggregate(groupBy: [BUCKET_START_MONTH]) { count } }").await;
    let months = found[0].split(' ').nth(4).and_then(|n| n.parse().ok()).unwrap_or_default();
    assert!(months > 30, "{found:?}");
    assert_eq!(found, [line("DemandBucket", "[\"bucketStart\",\"qty\"]", months, agreed)]);
}

async fn an_answer_that_cannot_be_logged_is_not_given(hub: Hub) {
    let ask = "{ customers(first: 1) { nodes { name } } }";
    assert_eq!(hub.query(FINANCE, ask).await.status, 200);
    hub.take_log().await;
    // the folder gives way to a file: root may write everywhere else
    let folder = hub.journal();
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    let reply = hub.query(FINANCE, ask).await;
    let (code, message) = reply.refusal();
    assert_eq!((reply.status, code.as_str()), (503, "INTERNAL"), "{}", reply.text);
    assert!(message.contains("access log") && !reply.text.contains("data"), "{}", reply.text);
    // what needs no line is answered
    assert_eq!(hub.query(FINANCE, "{ products { nodes { sku } } }").await.status, 200);
    let failed = hub.cli(&["export", "Customer", "--as", FINANCE]).run().await;
    assert!(failed.sentence(2).contains("journal of the access log") && failed.stdout.is_empty());
    let started = hub.cli(&["serve", "--listen", "127.0.0.1:0"]).run().await;
    let sentence = started.sentence(2);
    assert!(sentence.contains(&*folder.to_string_lossy()) && sentence.contains("`audit.journal`"), "{sentence}");
    fs::remove_file(&folder).unwrap();
    assert_eq!(hub.query(FINANCE, ask).await.status, 200);
}
