//! The load: connections that are kept alive, each sending its next request when the last is answered.
//! HTTP by hand, so that the generator costs little beside what it measures.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    task::JoinSet,
};

use crate::Outcome;

/// A request, ready to be written.
#[derive(Clone)]
pub struct Request(Vec<u8>);

impl Request {
    pub fn post(path: &str, token: &str, body: &str) -> Self {
        Request(
            format!(
                "POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
                 Accept: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .into_bytes(),
        )
    }
}

/// So long a run goes before it is timed: a hub writes the lines of its access log a second later, so what is timed
/// bears as many as it makes.
const LEAD: Duration = Duration::from_secs(1);

/// How long each request took that was sent while the run was timed, ascending, and for how long that was.
pub struct Run {
    pub latencies: Vec<Duration>,
    pub took: Duration,
    /// With those before.
    pub requests: usize,
}

impl Run {
    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.took.as_secs_f64()
    }

    pub fn quantile(&self, part: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * part) as usize).copied().unwrap_or_default()
    }
}

/// One connection.
pub struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    pub async fn connect(address: &str) -> Outcome<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// The body of the answer, which must be a good one.
    pub async fn send(&mut self, request: &Request) -> Outcome<&[u8]> {
        self.stream.write_all(&request.0).await?;
        self.buffer.clear();
        let (start, end) = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
            let Some(head) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else { continue };
            break (head + 4, head + 4 + length(&self.buffer[..head])?);
        };
        while self.buffer.len() < end {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server closed the connection".into());
            }
        }
        if !self.buffer.starts_with(b"HTTP/1.1 200") {
            return Err(String::from_utf8_lossy(&self.buffer).into_owned().into());
        }
        Ok(&self.buffer[start..end])
    }
}

fn length(head: &[u8]) -> Outcome<usize> {
    let head = std::str::from_utf8(head)?;
    let mut lines = head.lines().filter_map(|line| line.split_once(": "));
    let length = lines.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    Ok(length.ok_or("an answer without its length")?.1.parse()?)
}

/// Sends the requests in turn over these connections until the time is over, which begins after the lead.
pub async fn run(clients: &mut Vec<Client>, requests: &[Request], during: Duration) -> Outcome<Run> {
    let began = Instant::now() + LEAD;
    let mut tasks = JoinSet::new();
    for (n, mut client) in clients.drain(..).enumerate() {
        let requests = requests.to_vec();
        tasks.spawn(async move {
            let (mut latencies, mut next) = (Vec::with_capacity(4096), n);
            // before it began nothing has elapsed
            while began.elapsed() < during {
                let sent = Instant::now();
                client.send(&requests[next % requests.len()]).await?;
                if sent >= began {
                    latencies.push(sent.elapsed());
                }
                next += 1;
            }
            Outcome::Ok((client, latencies, next - n))
        });
    }
    let (mut latencies, mut all) = (Vec::new(), 0);
    while let Some(done) = tasks.join_next().await {
        let (client, took, sent) = done??;
        clients.push(client);
        latencies.extend(took);
        all += sent;
    }
    let took = began.elapsed();
    latencies.sort_unstable();
    Ok(Run { latencies, took, requests: all })
}
