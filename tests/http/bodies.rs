//! Bodies: only JSON is read, and only so much of it.

use std::time::Duration;

use reqwest::{Method, header::CONTENT_TYPE};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::harness::{Hub, Reply, send, tests};

const SEAT: &str = "nordwind/planner";
const DOCUMENT: &str = r#"{"query":"{ viewer { role } }"}"#;

tests! {
    reading: what_a_browser_sends_unasked_is_not_read, a_body_that_is_no_request_is_told,
        a_body_is_limited_announced_or_not, a_broken_request_breaks_nothing;
}

async fn post(hub: &Hub, content_type: Option<&str>, body: impl Into<reqwest::Body>) -> Reply {
    let request = hub.request(Method::POST, "/graphql").bearer_auth(hub.token(SEAT).await).body(body);
    send(match content_type {
        Some(content_type) => request.header(CONTENT_TYPE, content_type),
        None => request,
    })
    .await
}

async fn what_a_browser_sends_unasked_is_not_read(hub: Hub) {
    for content_type in [
        None,
        Some("text/plain"),
        Some("text/plain; charset=utf-8"),
        Some("application/x-www-form-urlencoded"),
        Some("multipart/form-data; boundary=x"),
        Some("application/graphql"),
        Some("application/json; charset=utf-16"),
    ] {
        let reply = post(&hub, content_type, DOCUMENT).await;
        assert_eq!((reply.status, reply.code().as_str()), (415, "BAD_USER_INPUT"), "{content_type:?}");
        assert!(!reply.text.contains("planner"), "it was executed as {content_type:?}");
    }
    for content_type in ["application/json", "application/json; charset=UTF-8"] {
        assert_eq!(post(&hub, Some(content_type), DOCUMENT).await.data()["viewer"]["role"], "planner");
    }
}

async fn a_body_that_is_no_request_is_told(hub: Hub) {
    for (body, part) in [
        ("", "no JSON at line 1"),
        ("{\"query\":\n \"{ viewer }\",,}", "no JSON at line 2"),
        ("[{\"query\":\"{ __typename }\"}]", "one request at a time"),
        ("{}", "no `query`"),
        ("{\"query\":7}", "`query` must be a string"),
        ("{\"query\":\"{ __typename }\",\"variables\":[]}", "`variables` must be an object"),
        ("{\"query\":\"{ __typename }\",\"operationName\":{}}", "`operationName` must be a string"),
    ] {
        let reply = post(&hub, Some("application/json"), body).await;
        let (code, message) = reply.refusal();
        assert_eq!((reply.status, code.as_str()), (400, "BAD_USER_INPUT"), "{body}");
        assert!(message.contains(part), "{message}");
    }
    // deeper than a reader descends
    let deep = format!(
        "{{\"query\":\"{{ __typename }}\",\"variables\":{{\"a\":{}{}}}}}",
        "[".repeat(5_000),
        "]".repeat(5_000)
    );
    let reply = post(&hub, Some("application/json"), deep).await;
    assert_eq!(reply.status, 400);
    assert!(reply.refusal().1.contains("nested too deeply"), "{}", reply.text);
}

async fn a_body_is_limited_announced_or_not(hub: Hub) {
    let hub = hub.with(|config| config.limits.body_bytes = 1_000).await;
    let body = |length: usize| {
        let frame = json!({ "query": "{ viewer { role } }", "variables": { "x": "" } }).to_string();
        let fill = "x".repeat(length - frame.len());
        json!({ "query": "{ viewer { role } }", "variables": { "x": fill } }).to_string()
    };
    let fits = post(&hub, Some("application/json"), body(1_000)).await;
    assert_eq!(fits.data()["viewer"]["role"], "planner");
    let reply = post(&hub, Some("application/json"), body(1_001)).await;
    assert_eq!((reply.status, reply.code().as_str()), (413, "BAD_USER_INPUT"));
    assert!(reply.refusal().1.contains("1000 bytes, send several smaller ones"));

    let token = hub.token(SEAT).await;
    let chunked = |body: &str| {
        let head = format!(
            "POST /graphql HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
             transfer-encoding: chunked\r\nconnection: close\r\n\r\n"
        );
        format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len())
    };
    let (status, answer) = raw(&hub, &chunked(&body(1_000))).await;
    assert!(status == 200 && answer.contains("planner"), "{status} {answer}");
    let (status, answer) = raw(&hub, &chunked(&body(1_001))).await;
    assert!(status == 413 && answer.contains("BAD_USER_INPUT"), "{status} {answer}");
}

async fn a_broken_request_breaks_nothing(hub: Hub) {
    let token = hub.token(SEAT).await;
    for request in [
        "NONSENSE\r\n\r\n".to_owned(),
        "GET /graphql HTTP/1.1\r\n\r\n".to_owned(),
        format!(
            "GET /graphql?query=%zz%ff HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n"
        ),
        "POST /graphql HTTP/1.1\r\nhost: hub\r\ncontent-length: 10\r\ncontent-length: 11\r\n\r\n".to_owned(),
        "GET //graphql/../%2e%2e/etc/passwd HTTP/1.1\r\nhost: hub\r\nconnection: close\r\n\r\n".to_owned(),
        "GET /graphql HTTP/1.1\r\nhost: hub\r\nauthorization: Bearer \u{fe}\u{ff}\r\nconnection: close\r\n\r\n"
            .to_owned(),
    ] {
        let (status, answer) = raw(&hub, &request).await;
        assert!((400..500).contains(&status), "{request:?}: {status} {answer}");
    }
    assert_eq!(hub.data(SEAT, "{ viewer { role } }").await["viewer"]["role"], Value::from("planner"));
}

/// Bytes as they are; status and the rest of the answer.
async fn raw(hub: &Hub, request: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(hub.url().trim_start_matches("http://")).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // it may be answered on a connection that stays
    let reading = async { while stream.read_buf(&mut answer).await.unwrap() > 0 && !whole(&answer) {} };
    tokio::time::timeout(Duration::from_secs(60), reading).await.expect("no answer");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    (status, answer)
}

/// All that its head announces has come.
fn whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.parse().unwrap())
}
