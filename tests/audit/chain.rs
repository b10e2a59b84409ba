//! `entente audit verify`: what was done to the table behind the hub's back is told.

use entente::audit::Line;
use serde_json::json;

use crate::harness::{Hub, tests};

tests! {
    changing: a_kept_chain_is_sound, tampering_is_named, a_chain_written_anew_is_told_by_an_earlier_head,
        hubs_share_one_chain;
}

const FINANCE: &str = "nordwind/finance";

async fn verify(hub: &Hub, arguments: &[&str]) -> crate::harness::Output {
    hub.cli(&[&["audit", "verify"], arguments].concat()).run().await
}

/// How many lines, and the head.
async fn sound(hub: &Hub) -> (i64, String) {
    let said = verify(hub, &[]).await.good();
    let (count, rest) =
        said.split_once(" lines, each follows the one before\nhead ").unwrap_or_else(|| panic!("{said}"));
    (count.parse().unwrap(), rest.trim().to_owned())
}

async fn read(hub: &Hub, times: usize) {
    for n in 1..=times {
        hub.data(FINANCE, &format!("{{ customers(first: {n}) {{ nodes {{ name }} }} }}")).await;
    }
    hub.take_log().await;
}

async fn a_kept_chain_is_sound(hub: Hub) {
    // the demo's own lines are a chain
    let (five, first) = sound(&hub).await;
    assert_eq!(five, 5);
    read(&hub, 3).await;
    let (eight, head) = sound(&hub).await;
    assert!(eight == 8 && head != first && head.len() == 64);
    // an earlier head is a part of it, and so is the chain's name
    for earlier in [&first, &head, "log-of-tests"] {
        verify(&hub, &["--head", earlier]).await.good();
    }
    let said = verify(&hub, &["--head", &"0".repeat(64)]).await;
    assert!(said.sentence(1).contains("the head that was given is no part of the chain"));
    // what waits in the journal is no part of it yet
    hub.data(FINANCE, "{ customers { nodes { name } } }").await;
    assert_eq!(sound(&hub).await, (8, head));
}

const MOVE_FROM_3: &str = "UPDATE audit_event SET seq = -seq WHERE seq > 2";

async fn tampering_is_named(hub: Hub) {
    read(&hub, 3).await;
    let last = "(SELECT max(seq) FROM audit_event)";
    hub.sql("CREATE TABLE kept AS SELECT * FROM audit_event").await;
    let columns = "id, at, principal_id, organisation_id, on_behalf_of_id, action, object_type, object_id, fields, \"rows\", \
        decision, policy_version, agreement_id, reason";
    let new = if hub.database_url().starts_with("sqlite") { "randomblob(16)" } else { "gen_random_uuid()" };
    let inserted = |seq: &str, from: i64, prev: &str, hash: &str| {
        format!(
            "INSERT INTO audit_event (id, seq, {}, prev_hash, hash) SELECT {new}, {seq}, {}, {prev}, {hash} FROM audit_event WHERE seq = {from}",
            &columns[4..],
            &columns[4..]
        )
    };
    let hash = |seq: i64| format!("(SELECT hash FROM kept WHERE seq = {seq})");
    let cases: Vec<(Vec<String>, &str)> = vec![
        (vec!["UPDATE audit_event SET \"rows\" = 1 WHERE seq = 1".into()], "line 1 ("),
        (vec!["UPDATE audit_event SET \"rows\" = \"rows\" + 1 WHERE seq = 3".into()], "is changed"),
        (vec!["UPDATE audit_event SET fields = '[]' WHERE seq = 8".into()], "line 8 ("),
        (vec!["UPDATE audit_event SET principal_id = NULL WHERE seq = 3".into()], "line 3 ("),
        (vec!["UPDATE audit_event SET hash = prev_hash WHERE seq = 3".into()], "line 3 ("),
        (vec!["UPDATE audit_event SET prev_hash = NULL, hash = NULL WHERE seq = 3".into()], "line 3 ("),
        (vec!["DELETE FROM audit_event WHERE seq = 1".into()], "line 1 is missing"),
        (vec!["DELETE FROM audit_event WHERE seq IN (3, 4)".into()], "lines 3 to 4 are missing"),
        (vec!["DELETE FROM audit_event WHERE seq > 6".into()], "lines 7 to 8 are missing"),
        (vec!["DELETE FROM audit_event".into()], "lines 1 to 8 are missing"),
        // taken out, and the others moved up
        (
            vec![
                "DELETE FROM audit_event WHERE seq = 2".into(),
                MOVE_FROM_3.into(),
                "UPDATE audit_event SET seq = -seq - 1 WHERE seq < 0".into(),
            ],
            "does not follow the line before: lines between them are missing",
        ),
        // put in, and the others moved down
        (
            vec![
                MOVE_FROM_3.into(),
                "UPDATE audit_event SET seq = 1 - seq WHERE seq < 0".into(),
                inserted("3", 1, "NULL", "NULL"),
            ],
            "was put in: line 4 follows the one before",
        ),
        (vec![inserted(&format!("1 + {last}"), 1, &hash(8), "'00'")], "was put in: the head ends at line 8"),
        (vec![inserted("0", 1, "NULL", "NULL")], "1 lines are older than the chain, it began behind 0"),
        // two change places
        (
            vec![
                "UPDATE audit_event SET seq = -seq WHERE seq IN (3, 4)".into(),
                "UPDATE audit_event SET seq = 7 + seq WHERE seq < 0".into(),
            ],
            "is out of order: line 4 belongs in its place",
        ),
        (
            vec!["UPDATE audit_chain SET hash = chain".into()],
            "line 8 is changed: it is not the one that the head names",
        ),
    ];
    let head = hub.texts("SELECT hash FROM audit_chain").await.remove(0).unwrap();
    for (statements, told) in cases {
        for statement in &statements {
            assert!(hub.sql(statement).await > 0, "{statement}");
        }
        let said = verify(&hub, &[]).await;
        let sentence = said.sentence(1);
        assert!(
            sentence.starts_with("the access log is broken: ") && sentence.contains(told),
            "{statements:?}: {sentence}"
        );
        hub.sql("DELETE FROM audit_event").await;
        hub.sql("INSERT INTO audit_event SELECT * FROM kept").await;
        hub.sql(&format!("UPDATE audit_chain SET hash = '{head}'")).await;
        sound(&hub).await;
    }
}

/// A line whose hash is right, by somebody who knows how hashes are made.
fn forged(seq: i64, before: &str) -> (Line, String) {
    let line = Line {
        id: uuid::Uuid::from_u128(77),
        at: 1,
        principal: None,
        organisation: None,
        on_behalf_of: None,
        action: "read".into(),
        object_type: "Customer".into(),
        object_id: None,
        fields: Some(json!(["name"])),
        rows: Some(0),
        decision: "allow".into(),
        policy_version: "x".into(),
        agreement: None,
        reason: None,
    };
    let hash = line.hash(before, seq);
    (line, hash)
}

async fn forge(hub: &Hub, seq: i64) -> String {
    let before = hub.texts(&format!("SELECT hash FROM audit_event WHERE seq = {}", seq - 1)).await.remove(0).unwrap();
    let (line, hash) = forged(seq, &before);
    let id = match hub.database_url().starts_with("sqlite") {
        true => format!("X'{}'", line.id.simple()),
        false => format!("'{}'", line.id),
    };
    hub.sql(&format!(
        "INSERT INTO audit_event (id, seq, at, action, object_type, fields, \"rows\", decision, policy_version, prev_hash, hash) \
         VALUES ({id}, {seq}, 1, 'read', 'Customer', '[\"name\"]', 0, 'allow', 'x', '{before}', '{hash}')"
    ))
    .await;
    hash
}

async fn a_chain_written_anew_is_told_by_an_earlier_head(hub: Hub) {
    read(&hub, 1).await;
    let (six, head) = sound(&hub).await;
    // put in with a right hash: the next line still follows the one before
    hub.sql("UPDATE audit_event SET seq = -seq WHERE seq > 3").await;
    hub.sql("UPDATE audit_event SET seq = 1 - seq WHERE seq < 0").await;
    forge(&hub, 4).await;
    hub.sql("UPDATE audit_chain SET seq = 7").await;
    assert!(verify(&hub, &[]).await.sentence(1).contains("line 4 was put in: line 5 follows the one before it"));
    // the end cut off and written anew, the head with it: only who noted the old head can tell
    hub.sql("DELETE FROM audit_event WHERE seq > 3").await;
    let hash = forge(&hub, 4).await;
    hub.sql(&format!("UPDATE audit_chain SET seq = 4, hash = '{hash}'")).await;
    assert_eq!((sound(&hub).await, six), ((4, hash), 6));
    let said = verify(&hub, &["--head", &head]).await;
    assert!(said.sentence(1).contains("the chain was written anew"), "{}", said.stderr);
}

async fn hubs_share_one_chain(hub: Hub) {
    let others = [hub.with(|_| ()).await, hub.with(|_| ()).await, hub.clone()];
    let mut tasks = tokio::task::JoinSet::new();
    for other in others {
        tasks.spawn(async move {
            for _ in 0..5 {
                read(&other, 4).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert_eq!(sound(&hub).await.0, 5 + 3 * 5 * 4);
}
