//! The same write sent again: `idempotencyKey`.

use serde_json::{Value, json};

use super::{answer, ask, fault, first, refused, write};
use crate::harness::{Hub, tests};

tests! {
    changing:
        a_write_that_comes_again_is_done_once,
        many_at_once_are_one,
        a_key_stands_for_one_write_of_one_person,
        what_failed_can_be_sent_again,
        a_key_is_forgotten_after_a_week,
        a_key_is_a_short_text;
}

const SUPPORT: &str = "nordwind/support_agent";
const ADMIN: &str = "nordwind/admin";

async fn message(hub: &Hub, key: &str, body: &str) -> Value {
    let case = first(hub, SUPPORT, "cases", "orderBy: [{ field: NUMBER }]", "id").await;
    json!({ "case": case["id"], "visibility": "INTERNAL", "body": body, "idempotencyKey": key })
}

async fn count(hub: &Hub, body: &str) -> i64 {
    hub.number(&format!("SELECT count(*) FROM case_message WHERE body = '{body}'")).await
}

async fn a_write_that_comes_again_is_done_once(hub: Hub) {
    let input = message(&hub, "k1", "called back").await;
    let made = write(&hub, SUPPORT, "createCaseMessage", input.clone(), "id body").await;
    hub.set_clock("2026-06-15T11:00:00Z");
    assert_eq!(write(&hub, SUPPORT, "createCaseMessage", input.clone(), "id body").await, made);
    // on another hub over the same database, too
    assert_eq!(write(&hub.with(|_| ()).await, SUPPORT, "createCaseMessage", input, "id body").await, made);
    assert_eq!(count(&hub, "called back").await, 1);
    // an update that would be stale by now is not made again either
    let row = answer(&hub, "aqua-seals/partner_planner", "2026-06-29").await;
    let input = json!({ "id": row["id"], "rowVersion": 1, "qty": "8", "idempotencyKey": "k1" });
    for _ in 0..3 {
        let shown =
            write(&hub, "aqua-seals/partner_planner", "updateSupplyCommitment", input.clone(), "qty rowVersion").await;
        assert_eq!(shown, json!({ "qty": "8", "rowVersion": 2 }));
    }
}

async fn many_at_once_are_one(hub: Hub) {
    let other = hub.with(|_| ()).await;
    let input = message(&hub, "many", "once").await;
    let mut asked = Vec::new();
    for i in 0..12 {
        let (hub, input) = (if i % 2 == 0 { hub.clone() } else { other.clone() }, input.clone());
        asked.push(tokio::spawn(async move { write(&hub, SUPPORT, "createCaseMessage", input, "id").await }));
    }
    let mut ids = Vec::new();
    for asked in asked {
        ids.push(asked.await.unwrap()["id"].to_string());
    }
    ids.dedup();
    assert_eq!((ids.len(), count(&hub, "once").await), (1, 1));
}

async fn a_key_stands_for_one_write_of_one_person(hub: Hub) {
    write(&hub, SUPPORT, "createCaseMessage", message(&hub, "mine", "a").await, "id").await;
    let (code, text) = refused(&hub, SUPPORT, "createCaseMessage", message(&hub, "mine", "b").await).await;
    assert_eq!(code, "CONFLICT", "{text}");
    assert!(text.contains("`mine`"), "{text}");
    // another seat's key of the same name is another key
    let agreement = first(&hub, ADMIN, "sharingAgreements", "filter: { status: { eq: ACTIVE } }", "id").await;
    let input = json!({ "id": agreement["id"], "title": "New", "idempotencyKey": "mine" });
    write(&hub, ADMIN, "updateSharingAgreement", input, "title").await;
    assert_eq!((count(&hub, "a").await, count(&hub, "b").await), (1, 0));
}

async fn what_failed_can_be_sent_again(hub: Hub) {
    let mut input = message(&hub, "again", "c").await;
    let case = std::mem::replace(&mut input["case"], json!("Case_AAAAAAAAAAAAAAAAAAAAAA"));
    assert_eq!(fault(&ask(&hub, SUPPORT, "createCaseMessage", input.clone(), "id").await).0, "NOT_FOUND");
    input["case"] = case;
    write(&hub, SUPPORT, "createCaseMessage", input, "id").await;
    assert_eq!(count(&hub, "c").await, 1);
}

async fn a_key_is_forgotten_after_a_week(hub: Hub) {
    write(&hub, SUPPORT, "createCaseMessage", message(&hub, "old", "d").await, "id").await;
    hub.set_clock("2026-06-21T10:00:00Z");
    write(&hub, SUPPORT, "createCaseMessage", message(&hub, "new", "e").await, "id").await;
    assert_eq!(hub.number("SELECT count(*) FROM write_key").await, 2);
    hub.set_clock("2026-06-22T10:00:01Z");
    write(&hub, SUPPORT, "createCaseMessage", message(&hub, "newer", "f").await, "id").await;
    assert_eq!(hub.number("SELECT count(*) FROM write_key").await, 2);
}

async fn a_key_is_a_short_text(hub: Hub) {
    for key in ["", &"x".repeat(201), "a\0b"] {
        let (code, text) = refused(&hub, SUPPORT, "createCaseMessage", message(&hub, key, "g").await).await;
        assert_eq!(code, "BAD_USER_INPUT", "{text}");
    }
    assert_eq!(count(&hub, "g").await, 0);
}
