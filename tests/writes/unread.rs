//! What is written, and cannot be read back: it is told as written, so that nobody sends it again.

use std::{fs, path::PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ask, first, write};
use crate::harness::{Hub, Reply, tests};

tests! {
    changing:
        what_cannot_be_read_back_is_written,
        a_key_gives_the_row_when_it_comes_again,
        the_writes_behind_it_are_done,
        nothing_to_read_back_is_nothing_to_miss,
        who_writes_its_own_right_away_is_told_so,
        a_look_is_not_taken_twice;
}

const SUPPORT: &str = "nordwind/support_agent";
const ADMIN: &str = "nordwind/admin";

/// A hub whose journal takes nothing until it is mended.
struct Broken {
    hub: Hub,
    journal: PathBuf,
    _folder: TempDir,
}

impl Broken {
    async fn over(hub: &Hub) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (journal, mails) = (folder.path().join("journal"), folder.path().join("mails"));
        let of = journal.clone();
        let change = |config: &mut entente::config::Config| {
            (config.audit.journal, config.mail.folder) = (Some(of), Some(mails));
        };
        let hub = hub.with(change).await;
        fs::remove_dir_all(&journal).unwrap();
        fs::write(&journal, "no folder").unwrap();
        Broken { hub, journal, _folder: folder }
    }

    fn mend(&self) {
        fs::remove_file(&self.journal).unwrap();
    }
}

/// The only error says that it is written; its extensions.
#[track_caller]
fn written(reply: &Reply, path: Value) -> Value {
    let body = reply.json();
    assert_eq!((reply.status, body["errors"].as_array().map(Vec::len)), (200, Some(1)), "{body}");
    let error = &body["errors"][0];
    assert_eq!((&error["extensions"]["code"], &error["path"]), (&json!("WRITTEN"), &path), "{body}");
    let message = error["message"].as_str().unwrap();
    assert!(message.starts_with("this is written, do not send it again"), "{message}");
    error["extensions"].clone()
}

async fn message(hub: &Hub, body: &str) -> Value {
    let case = first(hub, SUPPORT, "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    json!({ "case": case["id"], "visibility": "INTERNAL", "body": body })
}

async fn count(hub: &Hub, body: &str) -> i64 {
    hub.number(&format!("SELECT count(*) FROM case_message WHERE body = '{body}'")).await
}

async fn what_cannot_be_read_back_is_written(hub: Hub) {
    let input = message(&hub, "called back").await;
    let broken = Broken::over(&hub).await;
    let reply = ask(&broken.hub, SUPPORT, "createCaseMessage", input, "body").await;
    let told = written(&reply, json!(["done", "row"]));
    assert_eq!(reply.json()["data"], json!({ "done": { "row": null } }));
    assert_eq!(told["cause"], "INTERNAL");
    assert_eq!(count(&hub, "called back").await, 1);
    let document = format!("{{ node(id: {}) {{ ... on CaseMessage {{ body }} }} }}", told["id"]);
    assert_eq!(broken.hub.query(SUPPORT, &document).await.status, 503);
    broken.mend();
    assert_eq!(broken.hub.data(SUPPORT, &document).await["node"]["body"], "called back");
}

async fn a_key_gives_the_row_when_it_comes_again(hub: Hub) {
    let mut input = message(&hub, "once").await;
    input["idempotencyKey"] = json!("k");
    let broken = Broken::over(&hub).await;
    let told =
        written(&ask(&broken.hub, SUPPORT, "createCaseMessage", input.clone(), "body").await, json!(["done", "row"]));
    let again = ask(&broken.hub, SUPPORT, "createCaseMessage", input.clone(), "body").await;
    assert_eq!(written(&again, json!(["done", "row"]))["id"], told["id"]);
    broken.mend();
    let row = write(&broken.hub, SUPPORT, "createCaseMessage", input, "id body").await;
    assert_eq!(row, json!({ "id": told["id"], "body": "once" }));
    assert_eq!(count(&hub, "once").await, 1);
}

async fn the_writes_behind_it_are_done(hub: Hub) {
    let input = message(&hub, "each").await;
    let broken = Broken::over(&hub).await;
    let document = "mutation($input: CreateCaseMessageInput!) { \
                    a: createCaseMessage(input: $input) { __typename x: caseMessage { body } y: caseMessage { id } } \
                    b: createCaseMessage(input: $input) { caseMessage { body } } }";
    let reply = broken.hub.query_with(SUPPORT, document, json!({ "input": input })).await;
    let body = reply.json();
    let data = json!({
        "a": { "__typename": "CreateCaseMessagePayload", "x": null, "y": null }, "b": { "caseMessage": null },
    });
    assert_eq!((reply.status, &body["data"]), (200, &data), "{body}");
    let errors = body["errors"].as_array().unwrap();
    let paths: Vec<&Value> = errors.iter().map(|error| &error["path"]).collect();
    assert_eq!(paths, [&json!(["a", "x"]), &json!(["a", "y"]), &json!(["b", "caseMessage"])]);
    assert!(errors.iter().all(|error| error["extensions"]["code"] == "WRITTEN"), "{body}");
    assert_eq!(count(&hub, "each").await, 2);
}

async fn nothing_to_read_back_is_nothing_to_miss(hub: Hub) {
    let scope = first(&hub, ADMIN, "agreementScopes", "orderBy: [{ field: REGION }]", "id").await;
    let broken = Broken::over(&hub).await;
    let gone = ask(&broken.hub, ADMIN, "deleteAgreementScope", json!({ "id": scope["id"] }), "").await;
    assert_eq!(gone.data(), json!({ "done": { "id": scope["id"] } }));
}

async fn who_writes_its_own_right_away_is_told_so(hub: Hub) {
    let of = "filter: { principal: { slug: { eq: \"ada\" } }, role: { eq: \"admin\" } }";
    let role = first(&hub, ADMIN, "roleAssignments", of, "id").await;
    let input = json!({ "id": role["id"], "validTo": "2026-06-15T09:00:00Z" });
    let seat = "nordwind/admin/ada";
    let reply = ask(&hub, seat, "updateRoleAssignment", input.clone(), "validTo").await;
    assert_eq!(reply.json()["data"], json!({ "done": { "row": null } }), "{}", reply.text);
    assert_eq!(written(&reply, json!(["done", "row"]))["cause"], "UNAUTHENTICATED");
    let ended = "SELECT count(*) FROM role_assignment WHERE role = 'admin' AND valid_to = 1781514000000000";
    assert_eq!(hub.number(ended).await, 1);
    assert_eq!(ask(&hub, seat, "updateRoleAssignment", input, "validTo").await.status, 401);
}

async fn a_look_is_not_taken_twice(hub: Hub) {
    let of = "{ contacts(filter: { customer: { name: { like: \"Familie Huber%\" } } }) { nodes { id phone } } }";
    let id = hub.data(SUPPORT, of).await["contacts"]["nodes"][0]["id"].take();
    let broken = Broken::over(&hub).await;
    let document = "mutation($input: BreakGlassInput!) { done: breakGlass(input: $input) { breakGlass { field } } }";
    let input = json!({ "id": id, "field": "phone", "reason": "the pump they called about is leaking gas" });
    let reply = broken.hub.query_with(SUPPORT, document, json!({ "input": input })).await;
    assert!(written(&reply, json!(["done", "breakGlass"]))["id"].is_string());
    assert_eq!(hub.number("SELECT count(*) FROM break_glass").await, 1);
    assert_eq!(hub.number("SELECT count(*) FROM mail").await, 1);
}
