//! Rights move while nobody is connected: whoever comes back is told the difference to what it was shown, made from the
//! policies and agreements as they were; or, where those are not known any more, to begin anew.

use std::path::Path;

use serde_json::json;

use super::{AQUA, CERAM, DEMAND, Follower, bucket};
use crate::harness::{Hub, policies, tests};

tests! {
    changing:
        an_agreement_changes_meanwhile,
        an_agreement_ends_and_is_signed_again,
        a_right_ends_meanwhile,
        a_right_ends_amid_what_is_taken_back,
        policies_change_meanwhile,
        whose_policies_are_not_known_begins_anew,
        who_was_half_way_begins_anew;
}

/// Comes back, and is told all; no GAP.
async fn catches_up(follower: Follower, hub: &Hub, seat: &str) -> Follower {
    let mut follower = follower.resume(hub, seat).await;
    follower.up_to_date().await;
    assert!(!follower.seen.contains(&"GAP".to_owned()), "{:?}", follower.seen);
    assert_eq!(follower.copy, DEMAND.asked(hub, seat).await);
    follower
}

async fn scope(hub: &Hub, change: &str) {
    let scopes = "SELECT s.id FROM agreement_scope s JOIN sharing_agreement a ON a.id = s.agreement_id \
                  JOIN organisation o ON o.id = a.grantee_id WHERE o.slug = 'aqua-seals' AND s.object_type = 'demand' AND s.effect = 'include'";
    hub.sql(&format!("UPDATE agreement_scope SET {change} WHERE id IN ({scopes})")).await;
}

async fn an_agreement_changes_meanwhile(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let before = follower.copy.len();
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", 0))).await;
    scope(&hub, "region = 'AT'").await;
    let follower = catches_up(follower, &hub, AQUA).await;
    let left = follower.seen.iter().filter(|kind| *kind == "LEFT").count();
    assert!(left > 0 && left == before - follower.copy.len(), "{left} of {before}");
    // it widens again, and other hubs know as much
    scope(&hub, "region = NULL").await;
    let other = hub.with(|_| ()).await;
    let follower = catches_up(follower, &other, AQUA).await;
    assert_eq!(follower.copy.len(), before);
    assert!(follower.seen.iter().all(|kind| kind == "ENTERED"), "{:?}", follower.seen);
}

async fn an_agreement_ends_and_is_signed_again(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let status = async |status: &str| {
        let aqua = "grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')";
        hub.sql(&format!("UPDATE sharing_agreement SET status = '{status}' WHERE {aqua}")).await;
    };
    status("ended").await;
    // meanwhile there is nothing to subscribe to
    let refused = Follower::open(&hub, AQUA, DEMAND, json!({})).await.refused().await;
    assert_eq!(refused.0, "GRAPHQL_VALIDATION_FAILED");
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket("aqua-seals", 0))).await;
    status("active").await;
    let follower = catches_up(follower, &hub, AQUA).await;
    // transaction by transaction, where the database tells them apart
    assert!(follower.seen.iter().any(|kind| kind == "CHANGED"), "{:?}", follower.seen);
}

async fn a_right_ends_meanwhile(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let ended = "UPDATE sharing_agreement SET status = 'ended' WHERE \
                 grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')";
    hub.sql(ended).await;
    // all that is held is taken back, and then the reason told
    let mut follower = follower.resume(&hub, AQUA).await;
    let (code, message) = follower.refused().await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{message}");
    assert!(follower.copy.is_empty() && follower.seen.iter().all(|kind| kind == "LEFT"), "{:?}", follower.seen);
    // of which nothing is left to be told
    let (code, _) = follower.resume(&hub, AQUA).await.refused().await;
    assert_eq!(code, "GRAPHQL_VALIDATION_FAILED");
}

async fn a_right_ends_amid_what_is_taken_back(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let ended = "UPDATE sharing_agreement SET status = 'ended' WHERE \
                 grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')";
    hub.sql(ended).await;
    let mut follower = follower.resume(&hub, AQUA).await;
    for _ in 0..3 {
        assert_eq!(follower.event().await["kind"], "LEFT");
    }
    follower.seen.clear();
    let mut follower = follower.resume(&hub, AQUA).await;
    assert_eq!(follower.refused().await.0, "GRAPHQL_VALIDATION_FAILED");
    assert_eq!((follower.seen, follower.copy.len()), (vec!["GAP".to_owned()], 0));
}

fn narrow(folder: &Path) {
    let file = folder.join("demand.cedar");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("duration(\"546d\")", "duration(\"100d\")")).unwrap();
}

async fn policies_change_meanwhile(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let other = Follower::of(&hub, CERAM, DEMAND).await;
    let folder = policies();
    narrow(folder.path());
    let path = folder.path().to_owned();
    let narrower = hub.with(|config| config.policies = Some(path)).await;
    for (follower, seat) in [(follower, AQUA), (other, CERAM)] {
        let follower = catches_up(follower, &narrower, seat).await;
        assert!(!follower.seen.is_empty() && follower.seen.iter().all(|kind| kind == "LEFT"), "{:?}", follower.seen);
        // back to those of before
        let follower = catches_up(follower, &hub, seat).await;
        assert!(follower.seen.iter().all(|kind| kind == "ENTERED"), "{:?}", follower.seen);
    }
}

async fn whose_policies_are_not_known_begins_anew(hub: Hub) {
    let follower = Follower::of(&hub, AQUA, DEMAND).await;
    let folder = policies();
    narrow(folder.path());
    let path = folder.path().to_owned();
    let narrower = hub.with(|config| config.policies = Some(path)).await;
    assert_eq!(hub.sql("DELETE FROM policy_set").await, 1);
    let mut follower = follower.resume(&narrower, AQUA).await;
    assert_eq!(follower.told().await.0, "GAP");
    follower.up_to_date().await;
    assert_eq!(follower.copy, DEMAND.asked(&narrower, AQUA).await);
}

async fn who_was_half_way_begins_anew(hub: Hub) {
    let rows = DEMAND.asked(&hub, AQUA).await.len();
    let mut follower = Follower::open(&hub, AQUA, DEMAND, json!({})).await;
    for _ in 0..rows / 2 {
        follower.event().await;
    }
    scope(&hub, "region = 'AT'").await;
    let mut follower = follower.resume(&hub, AQUA).await;
    follower.up_to_date().await;
    assert_eq!(follower.seen.first().map(String::as_str), Some("GAP"));
    assert_eq!(follower.copy, DEMAND.asked(&hub, AQUA).await);
}
