//! Breaking the glass: a look at one hidden field of one row needs a reason, lasts 60 minutes, stands in the log and
//! is told to the row's owner.

use entente::policy::Rules;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ADMIN, AQUA};
use crate::{
    harness::{Hub, Reply, send, tests, until},
    streams::client::Socket,
};

tests! {
    changing: a_look_is_for_one_person_and_an_hour, a_look_is_logged_and_marked, what_cannot_be_opened_is_refused,
        no_look_is_above_a_forbid, the_owner_is_told_without_the_value, no_mail_is_lost;
    alone: only_the_house_breaks_the_glass;
}

const SVEA: &str = "nordwind/support_agent/svea";
const SVEN: &str = "nordwind/support_agent/sven";
const CLAIRE: &str = "nordwind/sales_rep/claire";
const REASON: &str = "the pump they called about is leaking gas";

/// With a folder for its mails.
async fn with_mail(hub: &Hub) -> (Hub, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (hub.with(|config| config.mail.folder = Some(folder.path().into())).await, folder)
}

async fn open(hub: &Hub, seat: &str, id: &str, field: &str, reason: &str) -> Reply {
    let document = "mutation ($input: BreakGlassInput!) { breakGlass(input: $input) { \
                    breakGlass { objectType field reason openedAt endsAt } } }";
    hub.query_with(seat, document, json!({ "input": { "id": id, "field": field, "reason": reason } })).await
}

/// Code and message of a mutation that failed, or was refused as a whole.
fn no(reply: &Reply) -> (String, String) {
    let error = &reply.json()["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["extensions"]["code"]), text(&error["message"]))
}

/// A person whose case is closed for long.
const HUBER: &str = "{ contacts(filter: { customer: { name: { like: \"Familie Huber%\" } } }) { nodes { id phone } } }";
/// ... one with an open case, ...
const RHEIN: &str =
    "{ contacts(filter: { customer: { name: { like: \"Rheinwasser%\" } } }, first: 1) { nodes { id phone } } }";
/// ... and others, of whom most have none.
const OTHERS: &str = "{ contacts(first: 200) { nodes { id phone } } }";

async fn person(hub: &Hub, seat: &str, document: &str) -> Value {
    hub.data(seat, document).await["contacts"]["nodes"][0].take()
}

async fn phone(hub: &Hub, seat: &str) -> Value {
    person(hub, seat, HUBER).await["phone"].take()
}

/// How many phone numbers Svea is not shown.
async fn hidden(hub: &Hub) -> usize {
    let nodes = hub.data(SVEA, OTHERS).await["contacts"]["nodes"].take();
    nodes.as_array().unwrap().iter().filter(|node| node["phone"].is_null()).count()
}

async fn huber(hub: &Hub) -> String {
    let huber = person(hub, SVEA, HUBER).await;
    assert_eq!(huber["phone"], Value::Null);
    huber["id"].as_str().unwrap().to_owned()
}

async fn a_look_is_for_one_person_and_an_hour(hub: Hub) {
    let (hub, _folder) = with_mail(&hub).await;
    let id = huber(&hub).await;
    let stored = phone(&hub, ADMIN).await;
    assert!(stored.is_string());
    let before = hidden(&hub).await;
    let look = open(&hub, SVEA, &id, "phone", REASON).await.data()["breakGlass"]["breakGlass"].take();
    let right = json!({
        "objectType": "Contact", "field": "phone", "reason": REASON,
        "openedAt": "2026-06-15T10:00:00Z", "endsAt": "2026-06-15T11:00:00Z",
    });
    assert_eq!(look, right);
    assert_eq!(phone(&hub, SVEA).await, stored);
    // another process, the same moment
    let other = hub.with(|_| ()).await;
    assert_eq!(phone(&other, SVEA).await, stored);
    // nobody else in her seat, and nobody in her place
    assert_eq!(phone(&hub, SVEN).await, Value::Null);
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(ADMIN).await);
    let request = request.header("x-entente-as", SVEA).json(&json!({ "query": HUBER }));
    assert_eq!(send(request).await.data()["contacts"]["nodes"][0]["phone"], Value::Null);
    assert_eq!(hidden(&hub).await, before - 1, "no other row");
    let exported = hub.cli(&["export", "Contact", "--as", SVEA]).run().await;
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    assert!(!exported.stdout.contains(stored.as_str().unwrap()), "a look is not for taking along");
    hub.set_clock("2026-06-15T10:59:59.999Z");
    assert_eq!(phone(&hub, SVEA).await, stored);
    hub.set_clock("2026-06-15T11:00:00Z");
    assert_eq!(phone(&hub, SVEA).await, Value::Null);
    // what was in force is seen by who opened it, and by who administers the hub
    let looks = "{ breakGlasses { totalCount } }";
    assert_eq!(hub.data(SVEA, looks).await["breakGlasses"]["totalCount"], 1);
    assert_eq!(hub.data(SVEN, looks).await["breakGlasses"]["totalCount"], 0);
}

async fn a_look_is_logged_and_marked(hub: Hub) {
    let (hub, _folder) = with_mail(&hub).await;
    let id = huber(&hub).await;
    let lines = async |after: i64| {
        hub.take_log().await;
        let sql = format!(
            "SELECT action || ' ' || object_type || ' ' || coalesce(reason, '-') FROM audit_event WHERE seq > {after} \
             AND object_type = 'Contact' ORDER BY seq"
        );
        hub.texts(&sql).await.into_iter().flatten().collect::<Vec<_>>()
    };
    let start = hub.log_end().await;
    open(&hub, SVEA, &id, "phone", REASON).await.data();
    phone(&hub, SVEA).await;
    hub.data(SVEA, RHEIN).await;
    phone(&hub, SVEN).await;
    let read = "read Contact -".to_owned();
    let right =
        [format!("break_glass Contact {REASON}"), format!("read Contact break-glass: {REASON}"), read.clone(), read];
    assert_eq!(lines(start).await, right);
    let end = hub.log_end().await;
    // a stream is no way around the mark
    let mut socket = Socket::signed_in(&hub, SVEA).await;
    socket.ask("1", "subscription { changes(types: [CONTACT]) { kind node { ... on Contact { phone } } } }").await;
    while socket.hear().await["payload"]["data"]["changes"]["kind"] != "CHECKPOINT" {}
    drop(socket);
    let mark = format!("subscribe Contact break-glass: {REASON}");
    until("the marked line", async || lines(end).await.contains(&mark).then_some(())).await;
    let end = hub.log_end().await;
    hub.set_clock("2026-06-15T11:00:00Z");
    phone(&hub, SVEA).await;
    assert_eq!(lines(end).await, ["read Contact -"]);
    let verified = hub.cli(&["audit", "verify"]).run().await;
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
}

async fn what_cannot_be_opened_is_refused(hub: Hub) {
    let id = huber(&hub).await;
    let (code, message) = no(&open(&hub, SVEA, &id, "phone", REASON).await);
    assert!(code == "CONFLICT" && message.contains("set `mail.smtp` or `mail.folder`"), "{message}");
    let (hub, _folder) = with_mail(&hub).await;
    for (field, reason, code, part) in [
        ("phone", "why not", "BAD_USER_INPUT", "say why"),
        ("email", REASON, "BAD_USER_INPUT", "shown to you anyway"),
        ("birthDate", REASON, "BAD_USER_INPUT", "has no field `birthDate`"),
        ("nonsense", REASON, "BAD_USER_INPUT", "has no field `nonsense`"),
        ("id", REASON, "BAD_USER_INPUT", "has no field `id`"),
    ] {
        let (given, message) = no(&open(&hub, SVEA, &id, field, reason).await);
        assert!(given == code && message.contains(part), "{field}: {given} {message}");
    }
    let (code, _) = no(&open(&hub, SVEA, "Contact_AAAAAAAAAAAAAAAAAAAAAA", "phone", REASON).await);
    assert_eq!(code, "NOT_FOUND");
    // a field that others see in rows of theirs, and that nobody may open
    let customer = "{ customers(filter: { name: { like: \"Zürich%\" } }) { nodes { id creditLimit city } } }";
    let zurich = hub.data(CLAIRE, customer).await["customers"]["nodes"][0].take();
    assert_eq!((&zurich["creditLimit"], &zurich["city"]), (&Value::Null, &Value::Null));
    let zurich = zurich["id"].as_str().unwrap();
    let (code, message) = no(&open(&hub, CLAIRE, zurich, "creditLimit", REASON).await);
    assert!(code == "FORBIDDEN" && message.contains("no policy lets you"), "{message}");
    open(&hub, CLAIRE, zurich, "city", REASON).await.data();
    // partners do not know that there is such a thing
    let (code, message) = no(&open(&hub, AQUA, &id, "phone", REASON).await);
    assert!(code == "GRAPHQL_VALIDATION_FAILED", "{message}");
    assert_eq!(hub.number("SELECT count(*) FROM break_glass").await, 1);
    assert_eq!(hub.number("SELECT count(*) FROM mail").await, 1);
}

async fn no_look_is_above_a_forbid(hub: Hub) {
    let (hub, _folder) = with_mail(&hub).await;
    // under NDA, and she is not in the team: for her there is no such row
    let secret = "{ customers(filter: { name: { like: \"Donauwerk%\" } }) { nodes { id city } } }";
    let id = hub.data(ADMIN, secret).await["customers"]["nodes"][0]["id"].take();
    let (code, _) = no(&open(&hub, CLAIRE, id.as_str().unwrap(), "city", REASON).await);
    assert_eq!(code, "NOT_FOUND");
    // one that is put under NDA while it is looked at
    let customer = "{ customers(filter: { name: { like: \"Zürich%\" } }) { nodes { id city } } }";
    let zurich = hub.data(CLAIRE, customer).await["customers"]["nodes"][0]["id"].take();
    open(&hub, CLAIRE, zurich.as_str().unwrap(), "city", REASON).await.data();
    assert!(hub.data(CLAIRE, customer).await["customers"]["nodes"][0]["city"].is_string());
    hub.sql("UPDATE customer SET nda_level = 2 WHERE name LIKE 'Zürich%'").await;
    assert_eq!(hub.data(CLAIRE, customer).await["customers"]["nodes"], json!([]));
    // who was erased is gone, from before the eyes that look
    let id = huber(&hub).await;
    open(&hub, SVEA, &id, "phone", REASON).await.data();
    hub.sql("UPDATE contact SET erased_at = 0 WHERE customer_id IN (SELECT id FROM customer WHERE name LIKE 'Familie Huber%')")
        .await;
    assert_eq!(hub.data(SVEA, HUBER).await["contacts"]["nodes"], json!([]));
}

fn letters(folder: &TempDir) -> Vec<String> {
    let files = std::fs::read_dir(folder.path()).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

async fn the_owner_is_told_without_the_value(hub: Hub) {
    let (hub, folder) = with_mail(&hub).await;
    let id = huber(&hub).await;
    let stored = phone(&hub, ADMIN).await;
    let owner =
        "SELECT p.email FROM customer c JOIN principal p ON p.id = c.owner_id WHERE c.name LIKE 'Familie Huber%'";
    let owner = hub.texts(owner).await[0].clone().unwrap();
    open(&hub, SVEA, &id, "phone", REASON).await.data();
    assert_eq!(hub.app().post.deliver().await.unwrap(), 1);
    assert_eq!(hub.app().post.deliver().await.unwrap(), 0, "once");
    let [letter] = &letters(&folder)[..] else { panic!("one mail") };
    for part in [&owner, "Svea Sommer", "Contact.phone", REASON, "2026-06-15T11:00:00Z", "svea@nordwind.example"] {
        assert!(letter.contains(part), "{part}: {letter}");
    }
    assert!(!letter.contains(stored.as_str().unwrap()), "{letter}");
    // without an owner it is who answers for data on persons, and without that nobody may look
    hub.sql("UPDATE customer SET owner_id = NULL WHERE name LIKE 'Familie Huber%'").await;
    open(&hub, SVEN, &id, "phone", REASON).await.data();
    assert_eq!(hub.app().post.deliver().await.unwrap(), 1);
    assert!(letters(&folder).iter().any(|letter| letter.contains("To: privacy@nordwind.example")));
    hub.sql("UPDATE organisation SET privacy_contact = NULL").await;
    hub.set_clock("2026-06-15T12:00:00Z");
    let (code, message) = no(&open(&hub, SVEN, &id, "phone", REASON).await);
    assert!(code == "CONFLICT" && message.contains("privacyContact"), "{message}");
}

async fn no_mail_is_lost(hub: Hub) {
    // nobody listens there
    let url = entente::mail::SmtpUrl::new("smtp://127.0.0.1:1");
    let silent = hub.with(|config| config.mail.smtp = Some(url)).await;
    let id = huber(&silent).await;
    open(&silent, SVEA, &id, "phone", REASON).await.data();
    assert_eq!(silent.app().post.deliver().await.unwrap(), 0);
    let waiting = "SELECT count(*) FROM mail WHERE sent_at IS NULL AND problem IS NOT NULL AND attempts = 1";
    assert_eq!(hub.number(waiting).await, 1);
    // taken by that hub for a minute; then another one sends it
    let (other, folder) = with_mail(&hub).await;
    assert_eq!(other.app().post.deliver().await.unwrap(), 0);
    other.set_clock("2026-06-15T10:01:00Z");
    assert_eq!(other.app().post.deliver().await.unwrap(), 1);
    assert_eq!(letters(&folder).len(), 1);
}

async fn only_the_house_breaks_the_glass() {
    let refused = |principal: &str, more: &str| {
        let text = format!(
            "@id(\"a.b\") @doc(\"A look.\") @tier(\"glass\") {more} permit ({principal}, action == \
             Action::\"Contact.phone\", resource is Contact);"
        );
        let refusals = Rules::parse(&[("a.cedar".into(), text)]).err().unwrap_or_default();
        refusals.iter().map(ToString::to_string).collect::<String>()
    };
    assert_eq!(refused("principal in Kind::\"internal\"", ""), "");
    for principal in ["principal", "principal in Kind::\"supplier\"", "principal in Role::\"support_agent\""] {
        assert!(refused(principal, "").contains("only the host's own people"), "{principal}");
    }
    assert!(refused("principal in Kind::\"internal\"", "@treatment(\"prefix:2\")").contains("leave @treatment out"));
}
