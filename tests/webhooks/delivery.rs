//! What a receiver gets, whatever it answers, from a feed that the test plays.

use std::time::Duration;

use entente::webhook;
use serde_json::{Value, json};

use super::{
    AQUA, DOCUMENT, Deliveries, add, becomes, later, open, open_as,
    receiver::{Got, Receiver, Say},
    script::Script,
    signed, state, waits,
};
use crate::harness::{Hub, tests, until};

tests! {
    changing:
        events_arrive_signed_and_in_order,
        a_failing_receiver_is_asked_again_and_its_owner_is_told,
        what_is_refused_for_an_hour_is_a_dead_letter,
        who_takes_nothing_for_days_is_disabled,
        who_is_gone_is_told_nothing_more,
        a_receiver_that_hangs_or_lies_hurts_nobody,
        a_closed_port_is_asked_again,
        one_hub_delivers_and_another_takes_over,
        what_waited_too_long_is_asked_for_anew,
        a_retry_tells_what_may_be_told_then,
        a_checkpoint_is_told_when_a_copy_is_complete,
        who_loses_the_seat_is_paused,
        only_public_addresses_are_asked,
        two_secrets_sign_while_both_are_good,
        what_followed_a_cursor_is_sent_again;
}

async fn events_arrive_signed_and_in_order(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    let (id, secret) = add(&hub, &receiver.url()).await;
    let rows = ["r1", "r2", "r3", "r4", "r5"];
    script.tell(rows.map(|row| ("ENTERED", row)));
    let deliveries = Deliveries::of(&hub);
    receiver.got(5).await;
    script.tell([("LEFT", "r2")]);
    let got = receiver.got(6).await;
    let told: Vec<String> = got.iter().map(Got::told).collect();
    assert_eq!(told, ["ENTERED r1", "ENTERED r2", "ENTERED r3", "ENTERED r4", "ENTERED r5", "LEFT r2"]);
    for (place, got) in got.iter().enumerate() {
        assert_eq!(got.header("content-type"), "application/cloudevents+json");
        assert_eq!(got.header("webhook-signature"), signed(&secret, got));
        assert_eq!(got.header("webhook-timestamp"), (hub.clock().now().0 / 1_000_000).to_string());
        let body = got.json();
        assert_eq!((&body["specversion"], &body["id"]), (&json!("1.0"), &json!(got.id())));
        assert_eq!(
            (&body["source"], &body["cursor"]),
            (&json!(format!("urn:uuid:{id}")), &json!(format!("c{}", place + 1)))
        );
    }
    let ids: std::collections::HashSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!(ids.len(), 6);
    // whoever goes on begins behind what was taken
    deliveries.stop().await;
    script.tell([("DELETED", "r1")]);
    let _deliveries = Deliveries::of(&hub);
    assert_eq!(receiver.got(7).await[6].told(), "DELETED r1");
    assert_eq!(receiver.all().len(), 7);
}

async fn a_failing_receiver_is_asked_again_and_its_owner_is_told(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2")]);
    receiver.says([Say::Status(500), Say::Status(503), Say::With(429, "retry-after", "7200".into())]);
    let began = hub.clock().now();
    let _deliveries = Deliveries::of(&hub);
    receiver.got(1).await;
    becomes(&hub, "ACTIVE", "500").await;
    assert_eq!(state(&hub).await.2, json!(began.to_string()));
    for (attempts, seconds) in [(1, 6), (2, 24)] {
        waits(&hub, attempts).await;
        assert_eq!(receiver.all().len(), attempts);
        later(&hub, seconds);
        receiver.got(attempts + 1).await;
    }
    waits(&hub, 3).await;
    // it asked for two hours
    later(&hub, 7000);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.all().len(), 3);
    later(&hub, 300);
    let got = receiver.got(5).await;
    assert!(got[..4].iter().all(|one| one.told() == "ENTERED r1" && one.id() == got[0].id()), "{got:?}");
    assert_ne!(got[0].header("webhook-timestamp"), got[3].header("webhook-timestamp"));
    assert_eq!(got[4].told(), "ENTERED r2");
    let well = async || (state(&hub).await == ("ACTIVE".to_owned(), Value::Null, Value::Null)).then_some(());
    until("the owner to be told that it is well", well).await;
}

async fn what_is_refused_for_an_hour_is_a_dead_letter(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("LEFT", "r2"), ("LEFT", "r3")]);
    receiver.says(std::iter::repeat_n(Say::Status(422), 4));
    let _deliveries = Deliveries::of(&hub);
    for attempt in 1..=2 {
        // neither before its time nor past it: a refused event waits for an hour and no more
        receiver.got(2 * attempt - 1).await;
        waits(&hub, 1).await;
        later(&hub, 3600);
    }
    let got = receiver.got(5).await;
    let told: Vec<String> = got.iter().map(Got::told).collect();
    assert_eq!(told, ["ENTERED r1", "ENTERED r1", "LEFT r2", "LEFT r2", "LEFT r3"]);
    let dead = hub.cli(&["webhook", "dead"]).run().await;
    assert!(dead.stdout.contains("422") && dead.stdout.contains("2 attempts"), "{dead:?}");
    let letters = hub.texts("SELECT message FROM webhook_dead_letter ORDER BY id").await;
    assert_eq!(letters, [Some(got[0].id().to_owned()), Some(got[2].id().to_owned())]);

    let letter = |text: &str| text.split_whitespace().next().unwrap_or_default().to_owned();
    let mut lines = dead.stdout.lines().filter(|line| line.contains("of webhook"));
    let (first, second) = (letter(lines.next().unwrap()), letter(lines.next().unwrap()));
    let again = async |letter: String| webhook::redeliver(hub.app(), letter.parse().unwrap()).await;
    // the seat sees no such row
    let refused = again(first).await.unwrap_err().to_string();
    assert!(refused.contains("no longer sees"), "{refused}");
    assert_eq!(receiver.all().len(), 5);
    again(second.clone()).await.unwrap();
    let got = receiver.got(6).await;
    assert_eq!((got[5].id(), &got[5].text), (got[2].id(), &got[2].text));
    let dead = hub.cli(&["webhook", "dead"]).run().await;
    assert!(dead.stdout.contains("sent again"), "{dead:?}");
    receiver.says([Say::Status(500)]);
    assert!(again(second).await.unwrap_err().to_string().contains("500"));
    // they are not kept for ever
    later(&hub, 31 * 86_400);
    let _another = Deliveries::of(&hub);
    let empty = async || (hub.number("SELECT count(*) FROM webhook_dead_letter").await == 0).then_some(());
    until("the dead letters to go", empty).await;
}

async fn who_takes_nothing_for_days_is_disabled(hub: Hub) {
    let hub = open_as(&hub, |config| {
        config.webhooks.failing_for = 1000;
        config.webhooks.disable_after = 1500;
    })
    .await;
    let (receiver, script) = (Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    let (id, _) = add(&hub, &receiver.url()).await;
    let before = hub.log_end().await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2")]);
    receiver.says(std::iter::repeat_n(Say::Status(500), 100));
    let _deliveries = Deliveries::of(&hub);
    waits(&hub, 1).await;
    later(&hub, 1000);
    // r1 is given up, r2 is tried
    until("a dead letter", async || (hub.number("SELECT count(*) FROM webhook_dead_letter").await == 1).then_some(()))
        .await;
    waits(&hub, 1).await;
    later(&hub, 1000);
    becomes(&hub, "DISABLED", "nothing was taken since 2026-06-15T10:00:00Z: the receiver answers 500").await;
    let lines = hub.log(before).await;
    assert!(
        lines
            .iter()
            .any(|line| line.replace("\", \"", "\",\"").contains("write WebhookEndpoint [\"status\",\"reason\"]")),
        "{lines:?}"
    );
    let sent = receiver.all().len();
    later(&hub, 100_000);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.all().len(), sent);
    // nothing is lost with it
    receiver.recovers();
    assert_eq!(hub.cli(&["webhook", "list"]).run().await.stdout.matches("disabled").count(), 1);
    webhook::resume(hub.app(), id).await.unwrap();
    assert_eq!(receiver.got(sent + 1).await[sent].told(), "ENTERED r2");
    becomes(&hub, "ACTIVE", "").await;
}

async fn who_is_gone_is_told_nothing_more(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2")]);
    receiver.says([Say::Status(410)]);
    let _deliveries = Deliveries::of(&hub);
    becomes(&hub, "DISABLED", "410").await;
    later(&hub, 100_000);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.all().len(), 1);
}

async fn a_receiver_that_hangs_or_lies_hurts_nobody(hub: Hub) {
    let hub = open_as(&hub, |config| (config.webhooks.per_host, config.webhooks.timeout) = (1, 2)).await;
    let (bad, good, script) = (Receiver::start().await, Receiver::start().await, Script::default());
    let elsewhere = Receiver::start().await;
    Script::play(&hub, &script);
    bad.says([
        Say::Hang,
        Say::Endless,
        Say::With(302, "location", elsewhere.url()),
        Say::With(307, "location", elsewhere.url()),
    ]);
    let (id, _) = add(&hub, &bad.url()).await;
    add(&hub, &format!("http://localhost:{}/hook", good.port)).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2")]);
    let _deliveries = Deliveries::of(&hub);
    bad.got(1).await;
    // while one hangs, the other gets all of its events
    good.got(2).await;
    assert_eq!(bad.all().len(), 1);
    waits(&hub, 1).await;
    later(&hub, 6);
    // a body without end is cut off; the answer counts
    let got = bad.got(3).await;
    assert_eq!([got[1].told(), got[2].told()], ["ENTERED r1", "ENTERED r2"]);
    waits(&hub, 1).await;
    later(&hub, 6);
    bad.got(4).await;
    waits(&hub, 2).await;
    let list = hub.cli(&["webhook", "list"]).run().await.stdout;
    assert!(list.contains("redirects are not followed") && list.contains(&id.to_string()), "{list}");
    assert!(elsewhere.all().is_empty());
}

async fn a_closed_port_is_asked_again(hub: Hub) {
    let (hub, script) = (open(&hub).await, Script::default());
    Script::play(&hub, &script);
    // bound, so that nobody else gets it, and not listening
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    add(&hub, &format!("http://127.0.0.1:{port}/?key=s3cret")).await;
    script.tell([("ENTERED", "r1")]);
    let _deliveries = Deliveries::of(&hub);
    becomes(&hub, "ACTIVE", "cannot be reached").await;
    assert!(!state(&hub).await.1.to_string().contains("s3cret"));
    waits(&hub, 1).await;
    later(&hub, 6);
    waits(&hub, 2).await;
}

async fn one_hub_delivers_and_another_takes_over(hub: Hub) {
    let (first, second) = (open(&hub).await, open(&hub).await);
    let (receiver, scripts) = (Receiver::start().await, [Script::default(), Script::default()]);
    Script::play(&first, &scripts[0]);
    Script::play(&second, &scripts[1]);
    let tell = |row| scripts.iter().for_each(|script| script.tell([("ENTERED", row)]));
    let readers = || scripts.iter().map(Script::readers).sum::<usize>();
    add(&first, &receiver.url()).await;
    let (one, other) = (Deliveries::of(&first), Deliveries::of(&second));
    for row in ["r1", "r2", "r3"] {
        tell(row);
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    receiver.got(3).await;
    until("one hub reads", async || (readers() == 1).then_some(())).await;
    assert_eq!(receiver.all().len(), 3);
    let noted = "SELECT cursor FROM webhook_delivery WHERE cursor = 'c3'";
    until("the third is noted", async || (!hub.texts(noted).await.is_empty()).then_some(())).await;
    // both die, which takes a moment; a third must wait for the end of the lease
    drop((one, other));
    until("nobody reads", async || (readers() == 0).then_some(())).await;
    tell("r4");
    let third = open(&hub).await;
    Script::play(&third, &scripts[0]);
    let third_delivers = Deliveries::of(&third);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(receiver.all().len(), 3);
    later(&third, 61);
    assert_eq!(receiver.got(4).await[3].told(), "ENTERED r4");
    // one that is told to stop leaves it at once
    third_delivers.stop().await;
    tell("r5");
    let fourth = open(&hub).await;
    Script::play(&fourth, &scripts[1]);
    let _fourth = Deliveries::of(&fourth);
    assert_eq!(receiver.got(5).await[4].told(), "ENTERED r5");
    assert_eq!(receiver.all().len(), 5);
}

async fn what_waited_too_long_is_asked_for_anew(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    receiver.says([Say::Late(Duration::from_secs(3))]);
    let _deliveries = Deliveries::of(&hub);
    script.tell([("ENTERED", "r1")]);
    receiver.got(1).await;
    // it waits behind the first; then the seat may no longer see it
    script.tell([("ENTERED", "r2")]);
    tokio::time::sleep(Duration::from_millis(300)).await;
    script.change(1, "", "r2");
    script.tell([("ENTERED", "r3")]);
    assert_eq!(receiver.got(2).await[1].told(), "ENTERED r3");
}

async fn a_retry_tells_what_may_be_told_then(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2"), ("ENTERED", "r3")]);
    receiver.says([Say::Status(204), Say::Status(500), Say::Status(204), Say::Status(500)]);
    let _deliveries = Deliveries::of(&hub);
    receiver.got(2).await;
    waits(&hub, 1).await;
    // what r2 was is no longer what is told
    script.change(1, "CHANGED", "r2");
    later(&hub, 6);
    receiver.got(4).await;
    waits(&hub, 1).await;
    // r3 may no longer be told at all
    script.change(2, "", "");
    script.tell([("ENTERED", "r4")]);
    later(&hub, 6);
    let got = receiver.got(5).await;
    let told: Vec<String> = got.iter().map(Got::told).collect();
    assert_eq!(told, ["ENTERED r1", "ENTERED r2", "CHANGED r2", "ENTERED r3", "ENTERED r4"]);
    let ids: std::collections::HashSet<&str> = got.iter().map(Got::id).collect();
    assert_eq!(ids.len(), 5);
}

async fn a_checkpoint_is_told_when_a_copy_is_complete(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    add(&hub, &receiver.url()).await;
    let check = ("CHECKPOINT", "-");
    script.tell([("ENTERED", "r1"), check, check, ("CHANGED", "r1"), check, ("GAP", "-"), ("ENTERED", "r1"), check]);
    script.tell([check, ("LEFT", "r1")]);
    let _deliveries = Deliveries::of(&hub);
    let told: Vec<String> = receiver.got(7).await.iter().map(Got::told).collect();
    assert_eq!(told, ["ENTERED r1", "CHECKPOINT -", "CHANGED r1", "GAP -", "ENTERED r1", "CHECKPOINT -", "LEFT r1"]);
}

async fn who_loses_the_seat_is_paused(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    let (id, _) = add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2")]);
    receiver.says([Say::Status(500)]);
    let _deliveries = Deliveries::of(&hub);
    waits(&hub, 1).await;
    script.refuse("your seat is gone");
    later(&hub, 6);
    becomes(&hub, "PAUSED", "your seat is gone").await;
    assert_eq!(receiver.all().len(), 1);
    let refused = webhook::resume(hub.app(), id).await.unwrap_err().to_string();
    assert!(refused.contains("your seat is gone"), "{refused}");
}

async fn only_public_addresses_are_asked(hub: Hub) {
    let (receiver, script) = (Receiver::start().await, Script::default());
    let open = open(&hub).await;
    // added while it was allowed
    for url in [receiver.url(), format!("http://localhost:{}/hook", receiver.port)] {
        add(&open, &url).await;
    }
    let closed = hub.with(|config| config.webhooks.allow_http = true).await;
    Script::play(&closed, &script);
    script.tell([("ENTERED", "r1")]);
    let _deliveries = Deliveries::of(&closed);
    let texts = "SELECT reason FROM webhook_endpoint WHERE reason LIKE '%public%'";
    until("both to be refused", async || (closed.texts(texts).await.len() == 2).then_some(())).await;
    assert!(receiver.all().is_empty());
    for (url, part) in [
        (receiver.url().as_str(), "allow_private"),
        ("http://[::ffff:169.254.169.254]/", "no address to send"),
        ("ftp://receiver.example/", "use https"),
    ] {
        let refused = webhook::add(closed.app(), AQUA, url, DOCUMENT).await.unwrap_err().to_string();
        assert!(refused.contains(part), "{refused}");
    }
    let refused = webhook::add(hub.app(), AQUA, "http://receiver.example/", DOCUMENT).await.unwrap_err();
    assert!(refused.to_string().contains("allow_http"), "{refused}");
}

async fn two_secrets_sign_while_both_are_good(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    let (id, old) = add(&hub, &receiver.url()).await;
    let rotated = hub.cli(&["webhook", "rotate", &id.to_string(), "--overlap", "1h"]).run().await;
    let new = rotated.stdout.trim().strip_prefix("secret  ").unwrap_or_else(|| panic!("{rotated:?}")).to_owned();
    script.tell([("ENTERED", "r1")]);
    let _deliveries = Deliveries::of(&hub);
    let first = receiver.got(1).await.remove(0);
    let both: Vec<&str> = first.header("webhook-signature").split(' ').collect();
    assert!(both.contains(&signed(&old, &first).as_str()) && both.contains(&signed(&new, &first).as_str()), "{both:?}");
    later(&hub, 3700);
    script.tell([("ENTERED", "r2")]);
    let second = receiver.got(2).await.remove(1);
    assert_eq!(second.header("webhook-signature"), signed(&new, &second));
}

async fn what_followed_a_cursor_is_sent_again(hub: Hub) {
    let (hub, receiver, script) = (open(&hub).await, Receiver::start().await, Script::default());
    Script::play(&hub, &script);
    let (id, _) = add(&hub, &receiver.url()).await;
    script.tell([("ENTERED", "r1"), ("ENTERED", "r2"), ("ENTERED", "r3")]);
    let _deliveries = Deliveries::of(&hub);
    let first = receiver.got(3).await;
    webhook::replay(hub.app(), id, Some("c1".into())).await.unwrap();
    let got = receiver.got(5).await;
    // the same messages, as the receiver can tell by their ids
    assert_eq!([got[3].id(), got[4].id()], [first[1].id(), first[2].id()]);
    let id = id.to_string();
    assert_eq!(hub.cli(&["webhook", "pause", &id]).run().await.code, Some(0));
    assert_eq!(hub.cli(&["webhook", "replay", &id, "--from-start"]).run().await.code, Some(0));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    script.tell([("ENTERED", "r4")]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(receiver.all().len(), 5);
    webhook::resume(hub.app(), id.parse().unwrap()).await.unwrap();
    let told: Vec<String> = receiver.got(9).await[5..].iter().map(Got::told).collect();
    assert_eq!(told, ["ENTERED r1", "ENTERED r2", "ENTERED r3", "ENTERED r4"]);
    let removed = hub.cli(&["webhook", "remove", &id]).run().await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert_eq!(hub.cli(&["webhook", "list"]).run().await.stdout, "no webhooks\n");
    let missing = hub.cli(&["webhook", "pause", &id]).run().await;
    assert!(missing.code == Some(2) && missing.stderr.contains("entente webhook list"), "{missing:?}");
}
