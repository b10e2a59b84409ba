//! `/feed/…`: the same events for whoever polls. A copy that is kept page by page is what a query shows.

use std::collections::{BTreeMap, BTreeSet};

use reqwest::{
    Method,
    header::{ACCEPT, HeaderMap},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinHandle,
};

use super::{AQUA, CERAM, DEMAND, PLANNER, bucket};
use crate::harness::{Hub, Reply, send, tests, until};

tests! {
    reading:
        a_node_shows_the_fields_of_its_row,
        fields_and_filters_are_chosen,
        several_types_come_in_one_feed,
        what_is_asked_wrongly_is_said,
        who_is_nobody_learns_nothing,
        what_a_seat_does_not_see_is_no_path_of_its_own,
        a_path_is_only_read,
        who_goes_away_leaves_nothing,
        polls_have_a_place_each;
    changing:
        a_copy_is_kept_page_by_page,
        a_poll_waits_until_something_happens,
        a_wait_without_events_hands_on_the_cursor,
        only_a_cursor_of_this_seat_and_feed_is_taken,
        rights_move_between_polls,
        a_page_may_end_behind_a_gap,
        a_right_that_ends_ends_the_poll,
        what_is_held_is_taken_back,
        a_seat_comes_from_its_networks,
        polls_cost_what_queries_cost,
        polls_are_in_the_access_log;
}

const FIELDS: &str = "id,bucketStart,granularity,qty,firmness,updatedAt,series,version";

async fn get(hub: &Hub, seat: &str, path: &str) -> Reply {
    send(hub.request(Method::GET, path).bearer_auth(hub.token(seat).await)).await
}

fn lines(reply: &Reply) -> Vec<Value> {
    assert!(reply.status == 200 || reply.status == 204, "{} {}", reply.status, reply.text);
    assert!(reply.text.is_empty() || reply.text.ends_with('\n'));
    reply.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Where to go on.
fn next(headers: &HeaderMap) -> String {
    let link = headers["link"].to_str().unwrap();
    let (path, rest) = link.strip_prefix('<').unwrap().split_once('>').unwrap();
    assert_eq!(rest, "; rel=\"next\"");
    path.to_owned()
}

fn refused(reply: &Reply) -> (u16, String, String) {
    assert!(reply.header("content-type").starts_with("application/json"), "{}", reply.text);
    let (code, message) = reply.refusal();
    (reply.status, code, message)
}

/// Who keeps a copy by polling alone.
struct Poller {
    seat: &'static str,
    path: String,
    copy: BTreeMap<String, Value>,
    kinds: Vec<String>,
}

impl Poller {
    fn new(seat: &'static str, path: &str) -> Self {
        Poller { seat, path: path.into(), copy: BTreeMap::new(), kinds: Vec::new() }
    }

    /// One poll; the number of lines.
    async fn poll(&mut self, hub: &Hub) -> usize {
        let reply = get(hub, self.seat, &self.path).await;
        self.take(&reply)
    }

    fn take(&mut self, reply: &Reply) -> usize {
        let events = lines(reply);
        assert_eq!(events.is_empty(), reply.status == 204);
        for event in &events {
            let kind = event["kind"].as_str().unwrap();
            let id = event["id"].as_str().map(str::to_owned);
            match (kind, id) {
                ("ENTERED", Some(id)) => assert!(self.copy.insert(id, event["node"].clone()).is_none(), "{event}"),
                ("CHANGED", Some(id)) => assert!(self.copy.insert(id, event["node"].clone()).is_some(), "{event}"),
                ("LEFT" | "DELETED", Some(id)) => assert!(self.copy.remove(&id).is_some(), "{event}"),
                ("GAP", None) => self.copy.clear(),
                ("CHECKPOINT", None) => {}
                _ => panic!("{event}"),
            }
            self.kinds.push(kind.to_owned());
        }
        if let Some(last) = events.last() {
            let cursor = last["cursor"].as_str().unwrap();
            assert!(next(&reply.headers).contains(&format!("after={cursor}")));
        }
        self.path = next(&reply.headers);
        events.len()
    }

    /// Until there is nothing more; the kinds that came.
    async fn up_to_date(&mut self, hub: &Hub) -> Vec<String> {
        while self.poll(hub).await > 0 {}
        std::mem::take(&mut self.kinds).into_iter().filter(|kind| kind != "CHECKPOINT").collect()
    }

    /// A poll that goes on beside the test.
    async fn waiting(&self, hub: &Hub) -> JoinHandle<Reply> {
        let request = hub.request(Method::GET, &self.path).bearer_auth(hub.token(self.seat).await);
        let poll = tokio::spawn(send(request));
        until("a poll", async || (hub.app().connections.count() == 1).then_some(())).await;
        poll
    }
}

async fn change(hub: &Hub, supplier: &str, nth: usize) {
    hub.sql(&format!("UPDATE demand_bucket SET qty = qty + 10000 WHERE id = {}", bucket(supplier, nth))).await;
}

/// The fields that a type's rows have of their own, by introspection: those that lead to no list.
async fn own_fields(hub: &Hub, seat: &str, ty: &str) -> BTreeSet<String> {
    let document = format!("{{ __type(name: \"{ty}\") {{ fields {{ name args {{ name }} }} }} }}");
    let data = hub.data(seat, &document).await;
    let fields = data["__type"]["fields"].as_array().unwrap().iter();
    let own = fields.filter(|field| field["args"] == json!([]));
    own.map(|field| field["name"].as_str().unwrap().to_owned()).collect()
}

async fn a_node_shows_the_fields_of_its_row(hub: Hub) {
    for (seat, feed, ty) in
        [(AQUA, "demand", "DemandBucket"), (PLANNER, "demand", "DemandBucket"), (AQUA, "cases", "Case")]
    {
        let reply = get(&hub, seat, &format!("/feed/{feed}?limit=1")).await;
        assert_eq!(reply.header("content-type"), "application/x-ndjson");
        let event = lines(&reply).remove(0);
        let names: Vec<&str> = event.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names[..7], ["cursor", "kind", "id", "changedFields", "occurredAt", "reason", "node"]);
        let shown: BTreeSet<String> = event["node"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(shown, own_fields(&hub, seat, ty).await, "{seat} {feed}");
        // references are told by their ids, and all is what a query shows
        let asked: Vec<String> = event["node"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| match value {
                Value::Object(_) => format!("{name} {{ id }}"),
                Value::Null => String::new(),
                _ => name.clone(),
            })
            .collect();
        let document = format!("query ($id: ID!) {{ node(id: $id) {{ ... on {ty} {{ {} }} }} }}", asked.join(" "));
        let found = hub.data_with(seat, &document, json!({ "id": event["id"] })).await["node"].take();
        for (name, value) in found.as_object().unwrap() {
            assert_eq!(event["node"][name], *value, "{seat} {feed} {name}");
        }
    }
}

async fn fields_and_filters_are_chosen(hub: Hub) {
    let filter = r#"{"firmness":{"eq":"FIRM"}}"#;
    let request = hub.request(Method::GET, "/feed/demand").bearer_auth(hub.token(AQUA).await);
    let query = [("fields", "qty,series.product.sku,version"), ("filter", filter), ("limit", "3")];
    let reply = send(request.query(&query).header(ACCEPT, "application/jsonl")).await;
    assert_eq!(reply.header("content-type"), "application/jsonl");
    let events = lines(&reply);
    assert_eq!(events.len(), 3);
    for event in &events {
        let node = event["node"].as_object().unwrap();
        assert_eq!(node.keys().map(String::as_str).collect::<Vec<_>>(), ["qty", "series", "version"]);
        assert!(node["series"]["product"]["sku"].is_string() && node["version"]["id"].is_string(), "{event}");
    }
    // what was chosen goes on
    let firm = hub.data(AQUA, "{ demandBuckets(filter: { firmness: { eq: FIRM } }) { totalCount } }").await;
    let mut poller = Poller::new(AQUA, &next(&reply.headers).replace("limit=3", "limit=50&wait=0"));
    poller.up_to_date(&hub).await;
    assert_eq!(json!(poller.copy.len() + 3), firm["demandBuckets"]["totalCount"]);
    // a field that the row hides is null, and said to be hidden
    let reply = get(&hub, "bergmann/partner_sales", "/feed/changes?types=CONTACT&fields=Contact.phone").await;
    let hidden = lines(&reply).into_iter().find(|event| event.get("access").is_some());
    if let Some(event) = hidden {
        assert_eq!((&event["access"], &event["node"]["phone"]), (&json!([["node", "phone"]]), &Value::Null));
    }
}

async fn several_types_come_in_one_feed(hub: Hub) {
    let reply = get(&hub, AQUA, "/feed/changes?types=PRODUCT,CASE").await;
    let mut seen = BTreeSet::new();
    for event in lines(&reply).iter().filter(|event| event["kind"] == "ENTERED") {
        let ty = event["node"]["__typename"].as_str().unwrap().to_owned();
        assert!(event["id"].as_str().unwrap().starts_with(&format!("{ty}_")));
        if seen.insert(ty.clone()) {
            let mut shown: BTreeSet<String> = event["node"].as_object().unwrap().keys().cloned().collect();
            shown.remove("__typename");
            assert_eq!(shown, own_fields(&hub, AQUA, &ty).await);
        }
    }
    assert_eq!(seen, ["Case", "Product"].map(String::from).into());
    let reply = get(&hub, AQUA, "/feed/changes?types=CASE,PRODUCT&fields=Product.sku,Case&limit=1000").await;
    let product = lines(&reply).into_iter().find(|event| event["node"]["__typename"] == "Product").unwrap();
    assert_eq!(product["node"].as_object().unwrap().len(), 2, "{product}");
}

async fn what_is_asked_wrongly_is_said(hub: Hub) {
    for (query, part) in [
        ("after=", "no cursor"),
        ("after=nonsense", "no cursor"),
        ("after=a&after=b", "twice"),
        ("after=a&from=NOW", "not both"),
        ("wait=-1", "`wait` is `-1`"),
        ("wait=56", "from 0 to 55"),
        ("wait=x", "`wait` is `x`"),
        ("limit=0", "`limit` is `0`"),
        ("limit=1001", "from 1 to 1000"),
        ("limit=1.5", "`limit`"),
        ("afer=x", "no parameter `afer`"),
        ("types=CASE", "`types` is for"),
        ("filter=x", "`filter` is no JSON object"),
        ("filter=[1]", "`filter` is no JSON object"),
        ("fields=", "names no field"),
        ("fields=qty,", "names no field"),
        ("fields=qty}", "names no field"),
        ("fields=qty%20series", "names no field"),
        ("fields=series..id", "names no field"),
    ] {
        let (status, code, message) = refused(&get(&hub, AQUA, &format!("/feed/demand?{query}")).await);
        assert_eq!((status, code.as_str()), (400, "BAD_USER_INPUT"), "{query}: {message}");
        assert!(message.contains(part), "{query}: {message}");
    }
    for query in ["filter=%7B%22nonsense%22:1%7D", "from=LATER", "fields=qty.more", "fields=nonsense"] {
        assert_eq!(get(&hub, AQUA, &format!("/feed/demand?{query}")).await.status, 400, "{query}");
    }
    for query in
        ["", "types=", "types=NOTHING", "types=CUSTOMER", "types=CASE&fields=Customer.name", "types=CASE&filter={}"]
    {
        assert_eq!(get(&hub, AQUA, &format!("/feed/changes?{query}")).await.status, 400, "{query}");
    }
    // a hidden field and one that is not there are one answer
    let unknown = async |field: &str| {
        let (status, code, message) = refused(&get(&hub, AQUA, &format!("/feed/demand?fields=series.{field}")).await);
        (status, code, message.replace(field, "FIELD"))
    };
    assert_eq!(unknown("customer").await, unknown("nonsense").await);
    let request = hub.request(Method::GET, "/feed/demand").bearer_auth(hub.token(AQUA).await);
    assert_eq!(send(request.header(ACCEPT, "text/csv")).await.status, 406);
}

async fn who_is_nobody_learns_nothing(hub: Hub) {
    for path in ["/feed/demand", "/feed/nonsense", "/feed/demand?after=x"] {
        for method in [Method::GET, Method::POST] {
            let reply = send(hub.request(method.clone(), path)).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"), "{method} {path}");
            assert!(reply.header("www-authenticate").starts_with("Bearer"));
            let reply = send(hub.request(method, path).bearer_auth("a.b.c")).await;
            assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"));
        }
    }
    // in the place of another, as everywhere
    let in_place = async |seat: &str, place: &str| {
        let request = hub.request(Method::GET, "/feed/demand?limit=1").bearer_auth(hub.token(seat).await);
        send(request.header("x-entente-as", place)).await
    };
    assert_eq!(in_place("nordwind/admin", AQUA).await.status, 200);
    assert_eq!(in_place(AQUA, "nordwind/admin").await.status, 403);
}

/// As a path that is not there.
async fn what_a_seat_does_not_see_is_no_path_of_its_own(hub: Hub) {
    let seat = "bergmann/partner_marketing";
    let none = refused(&get(&hub, seat, "/feed/nonsense").await);
    assert_eq!((none.0, none.1.as_str()), (404, "NOT_FOUND"));
    assert_eq!(refused(&get(&hub, seat, "/feed/demand").await), none);
}

async fn a_path_is_only_read(hub: Hub) {
    let token = hub.token(AQUA).await;
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS] {
        let reply = send(hub.request(method.clone(), "/feed/demand").bearer_auth(&token)).await;
        assert_eq!((reply.status, reply.header("allow")), (405, "GET, HEAD"), "{method}");
    }
    let reply = send(hub.request(Method::HEAD, "/feed/demand?wait=55").bearer_auth(&token)).await;
    assert_eq!((reply.status, reply.header("content-type"), reply.text.as_str()), (200, "application/x-ndjson", ""));
}

async fn who_goes_away_leaves_nothing(hub: Hub) {
    let hub = hub.with(|_| ()).await;
    let token = hub.token(PLANNER).await;
    let ask = async |path: &str| {
        let mut stream = TcpStream::connect(hub.url().strip_prefix("http://").unwrap()).await.unwrap();
        let text = format!("GET {path} HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\n\r\n");
        stream.write_all(text.as_bytes()).await.unwrap();
        stream
    };
    let emptied = async || until("an empty hub", async || (hub.app().connections.count() == 0).then_some(())).await;
    // while it waits
    let mut stream = ask("/feed/demand?from=NOW&wait=55").await;
    let waits = until("a poll", async || (hub.app().connections.count() == 1).then_some(()));
    let mut answer = [0; 1024];
    tokio::select! {
        () = waits => {}
        Ok(read) = stream.read(&mut answer) => panic!("{}", String::from_utf8_lossy(&answer[..read])),
    }
    drop(stream);
    emptied().await;
    // who never reads its page holds nobody up
    let mut slow = Vec::new();
    for _ in 0..5 {
        let mut stream = ask("/feed/demand").await;
        stream.read_exact(&mut [0; 8]).await.unwrap();
        slow.push(stream);
    }
    emptied().await;
    assert_eq!(get(&hub, AQUA, "/feed/demand?limit=1").await.status, 200);
}

async fn polls_have_a_place_each(hub: Hub) {
    let hub = hub.with(|config| config.streams.connections = 1).await;
    let poll = Poller::new(AQUA, "/feed/demand?from=NOW&wait=55").waiting(&hub).await;
    let reply = get(&hub, AQUA, "/feed/demand").await;
    assert_eq!((reply.status, reply.code().as_str(), reply.header("retry-after")), (503, "RATE_LIMITED", "5"));
    poll.abort();
    until("a place", async || (get(&hub, AQUA, "/feed/demand?limit=1").await.status == 200).then_some(())).await;
}

async fn a_copy_is_kept_page_by_page(hub: Hub) {
    for (seat, limit) in [(AQUA, 40), (CERAM, 1000)] {
        let mut poller = Poller::new(seat, &format!("/feed/demand?wait=0&limit={limit}&fields={FIELDS}"));
        for round in 0..4 {
            // something happens while the pages come
            poller.poll(&hub).await;
            for (supplier, nth) in [("aqua-seals", round), ("ceram-motors", 2 * round)] {
                change(&hub, supplier, nth).await;
            }
            hub.sql(&format!("DELETE FROM demand_bucket WHERE id = {}", bucket("aqua-seals", 9))).await;
            let kinds = poller.up_to_date(&hub).await;
            assert_eq!(poller.copy, DEMAND.asked(&hub, seat).await, "{seat}");
            assert!(!kinds.contains(&"GAP".into()));
            assert!(round == 0 || kinds.len() == if seat == AQUA { 2 } else { 1 }, "{seat} {round}: {kinds:?}");
        }
    }
    // on another hub, and a line at a time
    let mut poller = Poller::new(AQUA, &format!("/feed/demand?wait=0&from=NOW&fields={FIELDS}"));
    poller.copy = DEMAND.asked(&hub, AQUA).await;
    poller.up_to_date(&hub).await;
    let other = hub.with(|_| ()).await;
    for nth in 0..4 {
        change(&hub, "aqua-seals", nth).await;
        hub.sql("UPDATE product SET name = name || '.' WHERE sku = 'S40'").await;
    }
    poller.path.push_str("&limit=1");
    assert_eq!(poller.up_to_date(&other).await.len(), 4);
    assert_eq!(poller.copy, DEMAND.asked(&hub, AQUA).await);
}

async fn a_poll_waits_until_something_happens(hub: Hub) {
    let mut poller = Poller::new(AQUA, &format!("/feed/demand?wait=0&fields={FIELDS}"));
    poller.up_to_date(&hub).await;
    poller.path = poller.path.replace("wait=0", "wait=55");
    let poll = poller.waiting(&hub).await;
    // of another supplier: nobody is told
    change(&hub, "ceram-motors", 0).await;
    change(&hub, "aqua-seals", 0).await;
    let reply = poll.await.unwrap();
    assert_eq!(poller.take(&reply), 1);
    assert_eq!(poller.kinds.last().map(String::as_str), Some("CHANGED"));
    assert_eq!(lines(&reply)[0]["changedFields"], json!(["qty"]));
    assert_eq!(poller.copy, DEMAND.asked(&hub, AQUA).await);
    assert_eq!(hub.app().connections.count(), 0);
}

async fn a_wait_without_events_hands_on_the_cursor(hub: Hub) {
    let reply = get(&hub, AQUA, "/feed/demand?from=NOW&wait=1").await;
    assert_eq!((reply.status, reply.text.as_str()), (204, ""));
    let path = next(&reply.headers);
    assert!(!path.contains("from=") && path.contains("wait=1"), "{path}");
    change(&hub, "aqua-seals", 0).await;
    let reply = get(&hub, AQUA, &path).await;
    let kinds: Vec<_> = lines(&reply).iter().map(|event| event["kind"].clone()).collect();
    assert_eq!(kinds, ["CHANGED", "CHECKPOINT"]);
}

async fn only_a_cursor_of_this_seat_and_feed_is_taken(hub: Hub) {
    let reply = get(&hub, AQUA, "/feed/demand?from=NOW&wait=0").await;
    let path = next(&reply.headers);
    let cursor = path.split_once("after=").unwrap().1.split('&').next().unwrap().to_owned();
    let wrong = refused(&get(&hub, AQUA, "/feed/demand?after=nonsense").await);
    assert_eq!((wrong.0, wrong.1.as_str()), (400, "BAD_USER_INPUT"));
    let mut turned = cursor.clone().into_bytes();
    turned[40] = if turned[40] == b'A' { b'B' } else { b'A' };
    let turned = String::from_utf8(turned).unwrap();
    for (seat, path) in [
        (AQUA, format!("/feed/demand?after={}", &cursor[1..])),
        (AQUA, format!("/feed/demand?after={}", &cursor[..cursor.len() - 2])),
        (AQUA, format!("/feed/demand?after={turned}")),
        (AQUA, format!("/feed/cases?after={cursor}")),
        (AQUA, format!("/feed/changes?types=DEMAND_BUCKET&after={cursor}")),
        (AQUA, format!("/feed/demand?filter=%7B%22firmness%22:%7B%22eq%22:%22FIRM%22%7D%7D&after={cursor}")),
        (CERAM, format!("/feed/demand?after={cursor}")),
        (PLANNER, format!("/feed/demand?after={cursor}")),
    ] {
        assert_eq!(refused(&get(&hub, seat, &path).await), wrong, "{seat} {path}");
    }
    // other fields are no other question, and the subscription's cursor is the feed's
    assert_eq!(get(&hub, AQUA, &format!("/feed/demand?wait=0&fields=qty&after={cursor}")).await.status, 204);
    let document = "subscription { demandUpdates(from: NOW) { cursor kind } }";
    let mut socket = crate::streams::client::Socket::signed_in(&hub, AQUA).await;
    socket.ask("1", document).await;
    let event = socket.hear().await["payload"]["data"]["demandUpdates"].take();
    let path = format!("/feed/demand?wait=0&after={}", event["cursor"].as_str().unwrap());
    assert_eq!(get(&hub, AQUA, &path).await.status, 204);
}

async fn rights_move_between_polls(hub: Hub) {
    let mut poller = Poller::new(AQUA, &format!("/feed/demand?wait=0&fields={FIELDS}"));
    poller.up_to_date(&hub).await;
    let before = poller.copy.len();
    // the window moves: weeks leave at one end and enter at the other
    hub.set_clock("2026-07-20T10:00:00Z");
    let kinds = poller.up_to_date(&hub).await;
    assert!(!kinds.is_empty());
    assert_eq!(poller.copy, DEMAND.asked(&hub, AQUA).await);
    // and while a poll waits
    poller.path = poller.path.replace("wait=0", "wait=55");
    let poll = poller.waiting(&hub).await;
    hub.set_clock("2026-08-31T10:00:00Z");
    poller.take(&poll.await.unwrap());
    poller.path = poller.path.replace("wait=55", "wait=0");
    poller.up_to_date(&hub).await;
    assert_eq!(poller.copy, DEMAND.asked(&hub, AQUA).await);
    assert_ne!((before, poller.copy.len()), (0, 0));
    // the agreement ends: nothing is there any more
    hub.sql("UPDATE sharing_agreement SET status = 'ended' WHERE grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')").await;
    let reply = get(&hub, AQUA, "/feed/demand?wait=0").await;
    assert_eq!(refused(&reply), refused(&get(&hub, AQUA, "/feed/nonsense").await));
}

/// A page of one line that is a GAP is gone on from.
async fn a_page_may_end_behind_a_gap(hub: Hub) {
    let mut poller = Poller::new(AQUA, &format!("/feed/demand?wait=0&fields={FIELDS}"));
    poller.up_to_date(&hub).await;
    // the log no longer holds what followed
    change(&hub, "aqua-seals", 0).await;
    hub.sql("UPDATE change_bounds SET oldest = (SELECT max(p) FROM (SELECT max(id) AS p FROM change_event) x)").await;
    poller.path.push_str("&limit=1");
    poller.poll(&hub).await;
    assert_eq!(poller.kinds.last().map(String::as_str), Some("GAP"));
    poller.path = poller.path.replace("limit=1", "limit=100");
    let kinds = poller.up_to_date(&hub).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "GAP").count(), 1);
    assert_eq!(poller.copy, DEMAND.asked(&hub, AQUA).await);
}

async fn what_is_held_is_taken_back(hub: Hub) {
    for limit in [100, 1000] {
        let mut poller = Poller::new(AQUA, &format!("/feed/demand?wait=0&limit={limit}&fields={FIELDS}"));
        poller.up_to_date(&hub).await;
        assert!(poller.copy.len() > 500);
        let status = |status: &str| {
            format!(
                "UPDATE sharing_agreement SET status = '{status}' WHERE \
                 grantee_id = (SELECT id FROM organisation WHERE slug = 'aqua-seals')"
            )
        };
        hub.sql(&status("ended")).await;
        poller.kinds.clear();
        while !poller.copy.is_empty() {
            assert!(poller.poll(&hub).await > 0);
        }
        // who takes less than all at once is told to drop the rest
        let gaps = poller.kinds.iter().filter(|kind| *kind == "GAP").count();
        assert_eq!(gaps, usize::from(limit == 100), "{:?}", poller.kinds);
        let (status_code, code, _) = refused(&get(&hub, AQUA, &poller.path).await);
        assert_eq!((status_code, code.as_str()), (404, "NOT_FOUND"));
        hub.sql(&status("active")).await;
    }
}

async fn a_right_that_ends_ends_the_poll(hub: Hub) {
    let poller = Poller::new(AQUA, "/feed/demand?from=NOW&wait=55");
    let poll = poller.waiting(&hub).await;
    hub.sql(
        "UPDATE role_assignment SET valid_to = 0 WHERE role = 'partner_planner' AND principal_id IN \
         (SELECT p.id FROM principal p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'aqua-seals')",
    )
    .await;
    let reply = poll.await.unwrap();
    assert_eq!((reply.status, reply.code().as_str()), (401, "UNAUTHENTICATED"), "{}", reply.text);
    // and with its token
    let token = hub.new_token(CERAM, "1h").await;
    let poll = tokio::spawn(send(hub.request(Method::GET, "/feed/demand?from=NOW&wait=55").bearer_auth(token)));
    until("a poll", async || (hub.app().connections.count() == 1).then_some(())).await;
    hub.set_clock("2026-06-15T11:00:00Z");
    assert_eq!(poll.await.unwrap().status, 401);
}

async fn a_seat_comes_from_its_networks(hub: Hub) {
    let bind = async |list: &str| {
        let alice = "principal_id = (SELECT id FROM principal WHERE slug = 'alice')";
        hub.sql(&format!("UPDATE role_assignment SET networks = '{list}' WHERE {alice}")).await;
    };
    bind(r#"["127.0.0.0/8"]"#).await;
    assert_eq!(get(&hub, AQUA, "/feed/demand?limit=1").await.status, 200);
    bind(r#"["203.0.113.0/25"]"#).await;
    let (status, code, message) = refused(&get(&hub, AQUA, "/feed/demand?limit=1").await);
    assert_eq!((status, code.as_str()), (403, "FORBIDDEN"), "{message}");
}

async fn polls_cost_what_queries_cost(hub: Hub) {
    let metered = hub.with(|config| (config.limits.budgets, config.limits.cost_per_minute) = (true, 200)).await;
    let mut poller = Poller::new(AQUA, "/feed/demand?wait=0&fields=qty&limit=50");
    let mut spent = 0;
    let refused = loop {
        let reply = get(&metered, AQUA, &poller.path).await;
        if reply.status == 429 {
            break reply;
        }
        spent += 1 + poller.take(&reply);
    };
    assert_eq!(refused.code(), "RATE_LIMITED");
    assert!(refused.header("retry-after").parse::<u64>().unwrap() > 0);
    // no more than it has, nor much less: a page takes little that it does not show
    assert!((150..=210).contains(&spent), "{spent}");
    let now = metered.clock().now();
    metered.clock().set(entities::Instant(now.0 + 60_000_000));
    assert!(poller.poll(&metered).await > 0);
}

async fn polls_are_in_the_access_log(hub: Hub) {
    let before = hub.log_end().await;
    let reply = get(&hub, AQUA, "/feed/demand?limit=5&fields=qty").await;
    assert_eq!(lines(&reply).len(), 5);
    let noted = async || {
        let lines = hub.log(before).await;
        let rows = |line: &String| line.split_whitespace().nth(4).and_then(|rows| rows.parse::<i64>().ok());
        let mine = lines.iter().filter(|line| line.starts_with("aqua-seals/alice subscribe DemandBucket"));
        (mine.filter_map(rows).sum::<i64>() >= 5).then_some(())
    };
    until("the rows in the access log", noted).await;
}
