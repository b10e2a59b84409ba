//! The other side, a process of its own so that its memory and CPU time are not the hub's: subscribers that read frames
//! and count, and one who writes to the database and waits for them.

use std::{
    cell::RefCell,
    io::{BufRead, Write},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    task::JoinSet,
};

use crate::{Outcome, world};

/// What the audience is told to do, a line each.
#[derive(Serialize, Deserialize)]
pub enum Order {
    /// Token and document of each.
    Join {
        address: String,
        subscribers: Vec<(String, String)>,
    },
    Load(Load),
    /// All hang up.
    Leave,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Load {
    pub url: String,
    pub transactions: usize,
    pub rows: usize,
    /// Transactions that may be under way at once.
    pub ahead: usize,
    /// Between two transactions.
    pub pause: Duration,
}

/// How a load went, in seconds.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Heard {
    pub deliveries: u64,
    pub bytes: u64,
    pub took: f64,
    /// From just before the commit to the subscriber.
    pub p50: f64,
    pub p99: f64,
    /// Events that were not changes of rows: a subscriber was too slow, or something went wrong.
    pub other: u64,
}

/// One in so many subscribers looks at the time.
const SAMPLED: usize = 20;
/// Handshakes at once.
const AT_ONCE: usize = 16;
const PATIENCE: Duration = Duration::from_secs(600);

static DELIVERIES: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static OTHER: AtomicU64 = AtomicU64::new(0);
static SUBSCRIBERS: AtomicUsize = AtomicUsize::new(0);
/// Batch, and when it came.
static SAMPLES: Mutex<Vec<(usize, Instant)>> = Mutex::new(Vec::new());

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; 256 * 1024]);
}

/// Follows orders until there are no more.
pub fn run() -> Outcome<()> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(follow())
}

async fn follow() -> Outcome<()> {
    let (send, mut orders) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            drop(send.send(line));
        }
    });
    // a name that no product has had
    let since = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let (mut all, mut joined, mut batch) = (JoinSet::new(), 0, (since % 100_000_000) as usize);
    while let Some(line) = orders.recv().await {
        let done = match serde_json::from_str(&line)? {
            Order::Join { address, subscribers } => {
                for some in subscribers.chunks(AT_ONCE) {
                    let mut joining = JoinSet::new();
                    for (token, document) in some {
                        joining.spawn(join(address.clone(), token.clone(), document.clone()));
                    }
                    while let Some(done) = joining.join_next().await {
                        let (stream, rest) = done??;
                        all.spawn(listen(stream, rest, joined % SAMPLED == 0));
                        joined += 1;
                    }
                }
                SUBSCRIBERS.store(joined, Relaxed);
                String::new()
            }
            Order::Load(load) => {
                let first = batch;
                batch += load.transactions;
                let writing = tokio::task::spawn_blocking(move || write(&load, first));
                serde_json::to_string(&writing.await??)?
            }
            Order::Leave => {
                all.shutdown().await;
                joined = 0;
                String::new()
            }
        };
        writeln!(std::io::stdout(), "{done}")?;
    }
    Ok(())
}

/// Until the subscription is there: its first message.
async fn join(address: String, token: String, document: String) -> Outcome<(TcpStream, Vec<u8>)> {
    let mut stream = TcpStream::connect(&address).await?;
    stream.set_nodelay(true)?;
    let upgrade = format!(
        "GET /graphql HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n"
    );
    let mut came = Vec::new();
    stream.write_all(upgrade.as_bytes()).await?;
    let head = loop {
        match came.windows(4).position(|w| w == b"\r\n\r\n") {
            Some(at) => break at + 4,
            None => more(&mut stream, &mut came).await?,
        }
    };
    if !came.starts_with(b"HTTP/1.1 101") {
        return Err(String::from_utf8_lossy(&came).into_owned().into());
    }
    came.drain(..head);
    let init = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } });
    stream.write_all(&frame(1, init.to_string().as_bytes())).await?;
    message(&mut stream, &mut came, "connection_ack").await?;
    let ask = json!({ "type": "subscribe", "id": "1", "payload": { "query": document } });
    stream.write_all(&frame(1, ask.to_string().as_bytes())).await?;
    message(&mut stream, &mut came, "CHECKPOINT").await?;
    Ok((stream, came))
}

async fn more(stream: &mut TcpStream, came: &mut Vec<u8>) -> Outcome<()> {
    match tokio::time::timeout(PATIENCE, stream.read_buf(came)).await? {
        Ok(n) if n > 0 => Ok(()),
        _ => Err(format!("the hub hung up: {}", String::from_utf8_lossy(came)).into()),
    }
}

async fn message(stream: &mut TcpStream, came: &mut Vec<u8>, expected: &str) -> Outcome<()> {
    loop {
        if let Some((_, payload, end)) = read(came) {
            let text = String::from_utf8_lossy(payload).into_owned();
            came.drain(..end);
            return if text.contains(expected) { Ok(()) } else { Err(text.into()) };
        }
        more(stream, came).await?;
    }
}

/// A frame, masked with zeros, as clients must.
fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x80 | kind];
    match payload.len() {
        n if n < 126 => out.push(0x80 | n as u8),
        n => {
            out.push(0x80 | 126);
            out.extend_from_slice(&(n as u16).to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// The first frame: its kind, what is in it, and where it ends.
fn read(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (kind, short) = (bytes.first()? & 0x0f, *bytes.get(1)? & 0x7f);
    let (length, head) = match short {
        126 => (u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?) as usize, 4),
        127 => (u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize, 10),
        n => (n as usize, 2),
    };
    Some((kind, bytes.get(head..head + length)?, head + length))
}

/// Counts until the connection ends.
async fn listen(mut stream: TcpStream, mut rest: Vec<u8>, sampled: bool) {
    let mut asked = Vec::new();
    loop {
        let came = BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
            Ok(0) => Some(false),
            Ok(n) if rest.is_empty() => {
                let end = count(&buffer[..n], sampled, &mut asked);
                rest.extend_from_slice(&buffer[end..n]);
                Some(true)
            }
            Ok(n) => {
                rest.extend_from_slice(&buffer[..n]);
                let end = count(&rest, sampled, &mut asked);
                rest.drain(..end);
                Some(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => None,
            Err(_) => Some(false),
        });
        match came {
            Some(true) => {}
            Some(false) => break,
            None if stream.readable().await.is_ok() => {}
            None => break,
        }
        if !asked.is_empty() && stream.write_all(&std::mem::take(&mut asked)).await.is_err() {
            break;
        }
    }
    OTHER.fetch_add(1, Relaxed);
}

/// Takes whole frames; where the rest begins. What the hub wants to hear is added to `asked`.
fn count(bytes: &[u8], sampled: bool, asked: &mut Vec<u8>) -> usize {
    let (mut at, mut changes) = (0, 0);
    while let Some((kind, payload, end)) = read(&bytes[at..]) {
        at += end;
        let head = &payload[..payload.len().min(120)];
        if kind == 9 {
            asked.extend(frame(10, payload));
        } else if has(head, b"\"CHANGED\"").is_some() {
            changes += 1;
            if sampled && let Some(place) = has(payload, b"\"batch ") {
                let number = std::str::from_utf8(&payload[place..place + 8]).ok().and_then(|n| n.parse().ok());
                let mut samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
                samples.push((number.unwrap_or_default(), Instant::now()));
            }
        } else if has(head, b"\"CHECKPOINT\"").is_none() {
            OTHER.fetch_add(1, Relaxed);
        }
    }
    DELIVERIES.fetch_add(changes, Relaxed);
    BYTES.fetch_add(at as u64, Relaxed);
    at
}

/// Where what follows it begins.
fn has(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|w| w == what).map(|at| at + what.len())
}

/// Writes, as an operator does, past the hub: each transaction is whole, and says so.
fn write(load: &Load, first: usize) -> Outcome<Heard> {
    let mut writer = Writer::open(&load.url)?;
    let subscribers = SUBSCRIBERS.load(Relaxed);
    let (before, bytes, other) = (DELIVERIES.load(Relaxed), BYTES.load(Relaxed), OTHER.load(Relaxed));
    SAMPLES.lock().unwrap_or_else(PoisonError::into_inner).clear();
    let began = Instant::now();
    let wait = |transactions: usize| {
        let goal = before + (transactions * load.rows * subscribers) as u64;
        while DELIVERIES.load(Relaxed) < goal {
            if began.elapsed() > PATIENCE {
                return Err(format!(
                    "{} of {goal} deliveries came, and {} other events",
                    DELIVERIES.load(Relaxed),
                    OTHER.load(Relaxed) - other
                ));
            }
            std::thread::sleep(Duration::from_micros(500));
        }
        Ok(())
    };
    let mut commits = Vec::new();
    for n in 0..load.transactions {
        wait((n + 1).saturating_sub(load.ahead))?;
        let rows = (0..load.rows).map(|row| world::sku((first + n) * load.rows + row));
        commits.push(writer.write(first + n, rows)?);
        std::thread::sleep(load.pause);
    }
    wait(load.transactions)?;
    let took = began.elapsed().as_secs_f64();
    let samples = SAMPLES.lock().unwrap_or_else(PoisonError::into_inner);
    let of = |(batch, at): &(usize, Instant)| {
        commits.get(batch.checked_sub(first)?).map(|commit| at.duration_since(*commit).as_secs_f64())
    };
    let mut latencies: Vec<f64> = samples.iter().filter_map(of).collect();
    latencies.sort_by(f64::total_cmp);
    let quantile = |part: f64| {
        let at = (latencies.len().saturating_sub(1) as f64 * part) as usize;
        latencies.get(at).copied().unwrap_or(f64::NAN)
    };
    Ok(Heard {
        deliveries: DELIVERIES.load(Relaxed) - before,
        bytes: BYTES.load(Relaxed) - bytes,
        took,
        p50: quantile(0.5),
        p99: quantile(0.99),
        other: OTHER.load(Relaxed) - other,
    })
}

enum Writer {
    Sqlite(rusqlite::Connection),
    Postgres(tokio::runtime::Runtime, tokio_postgres::Client),
}

impl Writer {
    fn open(url: &str) -> Outcome<Self> {
        if let Some(file) = url.strip_prefix("sqlite:") {
            let connection = rusqlite::Connection::open(file)?;
            connection.busy_timeout(PATIENCE)?;
            return Ok(Writer::Sqlite(connection));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await?;
            tokio::spawn(connection);
            Ok::<_, tokio_postgres::Error>(client)
        })?;
        Ok(Writer::Postgres(runtime, client))
    }

    /// One transaction; just before its commit.
    fn write(&mut self, batch: usize, rows: impl Iterator<Item = String>) -> Outcome<Instant> {
        let rows = rows.map(|sku| format!("'{sku}'")).collect::<Vec<_>>().join(", ");
        let change = format!("UPDATE product SET name = 'batch {batch:08}' WHERE sku IN ({rows})");
        match self {
            Writer::Sqlite(connection) => {
                let begin = "BEGIN IMMEDIATE; UPDATE change_context SET last = last + 1, tx = last + 1";
                connection.execute_batch(&format!("{begin}; {change}; UPDATE change_context SET tx = NULL"))?;
                let at = Instant::now();
                connection.execute_batch("COMMIT")?;
                Ok(at)
            }
            Writer::Postgres(runtime, client) => runtime.block_on(async {
                client.batch_execute(&format!("BEGIN; {change}")).await?;
                let at = Instant::now();
                client.batch_execute("COMMIT").await?;
                Ok(at)
            }),
        }
    }
}
