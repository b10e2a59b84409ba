//! Old lines are dropped from the begin of the chain on, and the rest is checked from there; what waits is bounded.

use std::fs;

use crate::harness::{Hub, Output, tests, until};

tests! {
    changing: old_lines_go_and_the_rest_is_checked, a_begin_that_somebody_made_is_told, a_fault_is_not_dropped,
        a_hub_that_dies_while_it_drops_leaves_a_sound_chain, what_is_exported_can_be_checked, what_waits_is_bounded;
}

const FINANCE: &str = "nordwind/finance";

async fn read(hub: &Hub, times: usize) {
    for n in 1..=times {
        hub.data(FINANCE, &format!("{{ customers(first: {n}) {{ nodes {{ name }} }} }}")).await;
    }
    hub.take_log().await;
}

async fn verify(hub: &Hub, arguments: &[&str]) -> Output {
    hub.cli(&[&["audit", "verify"], arguments].concat()).run().await
}

async fn hash(hub: &Hub, seq: i64) -> String {
    hub.texts(&format!("SELECT hash FROM audit_event WHERE seq = {seq}")).await.remove(0).unwrap()
}

/// Ten lines, eight of them old; the demo has five.
async fn aged(hub: &Hub) -> Hub {
    read(hub, 3).await;
    let hub = hub.with(|config| config.audit.keep_days = 30).await;
    hub.set_clock("2026-08-01T10:00:00Z");
    read(&hub, 2).await;
    assert_eq!(hub.log_end().await, 10);
    hub
}

async fn old_lines_go_and_the_rest_is_checked(hub: Hub) {
    let kept = aged(&hub).await;
    let heads = [hash(&hub, 5).await, hash(&hub, 8).await, hash(&hub, 10).await];
    // without the setting nothing goes
    assert_eq!(hub.app().audit.drop_old().await.unwrap(), 0);
    assert_eq!(kept.app().audit.drop_old().await.unwrap(), 8);
    let said = verify(&hub, &[]).await.good();
    let begins = "3 lines from line 9 on, behind those that were dropped, each follows the one before\nhead ";
    assert!(said.starts_with(begins), "{said}");
    assert_eq!(hub.number("SELECT count(*) FROM audit_event").await, 3);
    let told = hub.texts("SELECT reason FROM audit_event WHERE seq = 11").await.remove(0).unwrap();
    assert_eq!(told, format!("retention: lines up to 8 are dropped, the hash of the last is {}", heads[1]));
    // a head that was noted is found as long as it is kept
    for head in &heads[1..] {
        verify(&hub, &["--head", head]).await.good();
    }
    let gone = verify(&hub, &["--head", &heads[0]]).await;
    assert!(gone.sentence(1).contains("it was dropped with the lines before it"), "{}", gone.stderr);
    // a line a day at most
    assert_eq!(kept.app().audit.drop_old().await.unwrap(), 0);
    kept.set_clock("2026-09-01T09:00:00Z");
    read(&kept, 1).await;
    assert_eq!(kept.app().audit.drop_old().await.unwrap(), 0);
    kept.set_clock("2026-09-03T09:00:00Z");
    assert_eq!(kept.app().audit.drop_old().await.unwrap(), 3);
    assert!(verify(&hub, &[]).await.good().starts_with("2 lines from line 12 on"));
    let document = "{ auditVerify { whole lines first } }";
    let told = hub.data("nordwind/admin", document).await["auditVerify"].take();
    assert_eq!(told, serde_json::json!({ "whole": true, "lines": 2, "first": 12 }));
}

async fn a_begin_that_somebody_made_is_told(hub: Hub) {
    aged(&hub).await.app().audit.drop_old().await.unwrap();
    verify(&hub, &[]).await.good();
    hub.sql("CREATE TABLE kept AS SELECT * FROM audit_event").await;
    hub.sql("CREATE TABLE head AS SELECT * FROM audit_chain").await;
    for (statements, told) in [
        (vec!["UPDATE audit_chain SET dropped_hash = chain"], "line 9 does not follow line 8"),
        (vec!["UPDATE audit_chain SET dropped = 7"], "line 8 is missing"),
        (vec!["UPDATE audit_chain SET dropped = NULL, dropped_hash = NULL"], "lines 1 to 8 are missing"),
        (vec!["DELETE FROM audit_event WHERE seq = 9"], "line 9 is missing"),
        // cut off further on, and the anchor moved there
        (
            vec![
                "UPDATE audit_chain SET dropped = 9, dropped_hash = (SELECT hash FROM audit_event WHERE seq = 9)",
                "DELETE FROM audit_event WHERE seq = 9",
            ],
            "no line says that they were dropped",
        ),
        (vec!["UPDATE audit_event SET seq = 7 WHERE seq = 9"], "they were put in"),
        (vec!["UPDATE audit_event SET reason = NULL WHERE seq = 11"], "line 11 ("),
    ] {
        for statement in &statements {
            assert!(hub.sql(statement).await > 0, "{statement}");
        }
        let said = verify(&hub, &[]).await;
        assert!(said.sentence(1).contains(told), "{statements:?}: {}", said.stderr);
        hub.sql("DELETE FROM audit_event").await;
        hub.sql("INSERT INTO audit_event SELECT * FROM kept").await;
        hub.sql("UPDATE audit_chain SET dropped = (SELECT dropped FROM head), dropped_hash = (SELECT dropped_hash FROM head)")
            .await;
    }
}

async fn a_fault_is_not_dropped(hub: Hub) {
    let kept = aged(&hub).await;
    hub.sql("UPDATE audit_event SET prev_hash = hash WHERE seq = 3").await;
    let refused = kept.app().audit.drop_old().await.unwrap_err().to_string();
    assert!(refused.contains("the access log is broken at line 3: no old line of it is dropped"), "{refused}");
    assert_eq!(hub.number("SELECT count(*) FROM audit_event").await, 10);
}

async fn a_hub_that_dies_while_it_drops_leaves_a_sound_chain(hub: Hub) {
    const LINES: i64 = 30_000;
    let line = |n: i64| {
        let id = uuid::Uuid::from_u128(n as u128);
        format!(
            "{{\"id\":\"{id}\",\"at\":{n},\"action\":\"read\",\"object_type\":\"Customer\",\"fields\":[\"name\"],\
             \"rows\":1,\"decision\":\"allow\",\"policy_version\":\"x\"}}\n"
        )
    };
    fs::write(hub.journal().join("log-of-tests-1.jsonl"), (1..=LINES).map(line).collect::<String>()).unwrap();
    assert_eq!(hub.take_log().await, LINES as u64);
    hub.set_clock("2040-01-01T00:00:00Z");
    let serve = || hub.cli(&["serve", "--listen", "127.0.0.1:0"]).env("ENTENTE_AUDIT__KEEP_DAYS", "365").start();
    let dropped = async || hub.number("SELECT coalesce(max(dropped), 0) FROM audit_chain").await;
    let mut running = serve();
    running.says("serving http").await;
    until("lines to be dropped", async || (dropped().await > 0).then_some(())).await;
    running.signal("KILL").await;
    running.ended().await;
    let (gone, end) = (dropped().await, hub.number("SELECT seq FROM audit_chain").await);
    assert_eq!(hub.number("SELECT count(*) FROM audit_event").await, end - gone);
    let said = verify(&hub, &[]).await.good();
    assert!(said.contains(&format!(" lines from line {} on", gone + 1)), "{said}");
    // the next one goes on
    let mut running = serve();
    running.says("serving http").await;
    until("all to be dropped", async || (dropped().await == LINES + 5).then_some(())).await;
    running.signal("TERM").await;
    assert_eq!(running.ended().await.code, Some(0));
    let said = verify(&hub, &[]).await.good();
    assert!(said.contains(&format!(" lines from line {} on", LINES + 6)), "{said}");
}

async fn what_is_exported_can_be_checked(hub: Hub) {
    let kept = aged(&hub).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_string_lossy().into_owned();
    for drops in [false, true] {
        if drops {
            assert_eq!(kept.app().audit.drop_old().await.unwrap(), 8);
        }
        let exported = hub.cli(&["audit", "export"]).run().await.good();
        fs::write(file.path(), &exported).unwrap();
        assert_eq!(verify(&hub, &["--file", &path]).await.good(), verify(&hub, &[]).await.good());
        let lines: Vec<&str> = exported.lines().collect();
        assert_eq!(lines.len() as i64, hub.number("SELECT count(*) FROM audit_event").await);
        for (written, told) in [
            (exported.replacen("\"rows\":1", "\"rows\":2", 1), "is changed"),
            ([&lines[..1], &lines[2..]].concat().join("\n"), "is missing"),
            ("{}".to_owned(), "no line of the access log at line 1"),
        ] {
            fs::write(file.path(), written).unwrap();
            let said = verify(&hub, &["--file", &path]).await;
            assert!(said.sentence(1).contains(told), "{told}: {}", said.stderr);
        }
    }
}

async fn what_waits_is_bounded(hub: Hub) {
    let hub = hub.with(|config| config.audit.journal_bytes = 4_000).await;
    let ask = "{ customers(first: 1) { nodes { name } } }";
    hub.sql("ALTER TABLE audit_event RENAME TO elsewhere").await;
    let mut answered = 0;
    let refused = loop {
        let reply = hub.query(FINANCE, ask).await;
        if reply.status != 200 {
            break reply;
        }
        answered += 1;
        assert!(answered < 100, "nothing is refused");
        // each attempt fails, and leaves no file more behind
        assert!(hub.app().audit.take().await.is_err());
    };
    let (code, message) = refused.refusal();
    assert_eq!((refused.status, code.as_str()), (503, "INTERNAL"));
    assert!(message.contains("cannot write its access log"), "{message}");
    assert!(answered > 3 && fs::read_dir(hub.journal()).unwrap().count() <= 2, "{answered}");
    // what needs no line is answered
    assert_eq!(hub.query(FINANCE, "{ products { nodes { sku } } }").await.status, 200);
    hub.sql("ALTER TABLE elsewhere RENAME TO audit_event").await;
    assert_eq!(hub.take_log().await, answered);
    assert_eq!(hub.query(FINANCE, ask).await.status, 200);
}
