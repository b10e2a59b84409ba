//! A subscriber: an event stream, read until it is up to date.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::Outcome;

pub enum Start {
    Snapshot,
    Now,
    After(String),
}

pub struct Heard {
    /// From the request to the first event.
    pub first: Duration,
    /// To the checkpoint behind the last.
    pub all: Duration,
    pub events: usize,
    pub cursor: String,
}

const KIND: &[u8] = b"\"kind\":\"";

/// To the checkpoint behind the last event, or no further than the first.
pub async fn hear(address: &str, token: &str, document: &str, from: &Start, whole: bool) -> Outcome<Heard> {
    let variables = match from {
        Start::Snapshot => json!({}),
        Start::Now => json!({ "from": "NOW" }),
        Start::After(cursor) => json!({ "after": cursor }),
    };
    let body = json!({ "query": document, "variables": variables }).to_string();
    let request = format!(
        "POST /graphql HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Accept: text/event-stream\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let began = Instant::now();
    stream.write_all(request.as_bytes()).await?;
    let (mut buffer, mut first, mut events) = (Vec::with_capacity(64 * 1024), None, 0);
    loop {
        if stream.read_buf(&mut buffer).await? == 0 {
            return Err(format!("the stream ended: {}", String::from_utf8_lossy(&buffer)).into());
        }
        let mut taken = 0;
        // whole lines only, so that no word is cut
        while let Some(end) = buffer[taken..].iter().position(|byte| *byte == b'\n') {
            let line = &buffer[taken..taken + end];
            taken += end + 1;
            let Some(at) = line.windows(KIND.len()).position(|window| window == KIND) else { continue };
            let kind = &line[at + KIND.len()..];
            if kind.starts_with(b"CHECKPOINT") {
                let line = String::from_utf8_lossy(line);
                let cursor = line.split("\"cursor\":\"").nth(1).and_then(|rest| rest.split('"').next());
                let cursor = cursor.ok_or("a checkpoint without a cursor")?.to_owned();
                let all = began.elapsed();
                return Ok(Heard { first: first.unwrap_or(all), all, events, cursor });
            }
            if kind.starts_with(b"GAP") {
                return Err("the cursor was not taken".into());
            }
            let first = *first.get_or_insert_with(|| began.elapsed());
            events += 1;
            if !whole {
                return Ok(Heard { first, all: first, events, cursor: String::new() });
            }
        }
        buffer.drain(..taken);
    }
}
