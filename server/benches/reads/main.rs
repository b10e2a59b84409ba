//! What a read costs: CPU time per request of the hub with its policies on, against a hand-written handler
//! that returns the same bytes. `README.md` says how to run it and how it measures.

#[path = "../../../tests/harness/cluster.rs"]
#[allow(clippy::unwrap_used, reason = "it is written for tests")]
mod cluster;
mod database;
mod handler;
mod load;
mod process;
mod rest;
mod statements;
mod table;
mod world;

use std::{
    error::Error,
    io::Write,
    path::PathBuf,
    process::{Command, ExitCode},
    time::Duration,
};

use serde_json::json;

use self::{
    database::Database,
    load::{Client, Request},
    process::Server,
    table::Row,
};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CONNECTIONS: usize = 16;
/// The suppliers whose pages are read in turn.
const ASKING: usize = 8;

/// What both servers are asked for.
struct Case {
    name: &'static str,
    document: &'static str,
    /// Of the handler.
    path: &'static str,
    ask: Ask,
}

#[derive(Clone, Copy)]
enum Ask {
    /// The host's finance, region by region.
    Region,
    /// Suppliers, each from several days on.
    From,
    /// The host's finance.
    Whole,
}

const CASES: [Case; 4] = [
    Case {
        name: "flat: 20 rows × 6",
        document: "query ($region: String!) { customers(first: 20, filter: { region: { eq: $region } }) { \
            nodes { name country region industry codeName creditLimit } } }",
        path: "/customers",
        ask: Ask::Region,
    },
    Case {
        name: "nested: 20 × 10, 3 levels",
        document: "query ($region: String!) { salesOrders(first: 20, filter: { shipToRegion: { eq: $region } }) { \
            nodes { number status requestedDate total customer { name region } \
            lines(first: 10) { nodes { lineNo qty product { sku name } } } } } }",
        path: "/orders",
        ask: Ask::Region,
    },
    Case {
        name: "supplier: page of 100",
        document: "query ($from: Date!) { demandBuckets(first: 100, filter: { bucketStart: { gte: $from } }) { \
            nodes { bucketStart qty firmness series { region product { sku name } } version { name } } } }",
        path: "/buckets",
        ask: Ask::From,
    },
    Case {
        name: "aggregate: months",
        document: "{ orderLineAggregate(groupBy: [ORDERED_ON_MONTH]) { \
            key { orderedOnMonth } count sum { netAmount } } }",
        path: "/revenue",
        ask: Ask::Whole,
    },
];

/// What the command line asks for.
struct Settings {
    /// Words of which a case or database must have one in its name.
    only: Vec<String>,
    pairs: usize,
    seconds: f64,
    /// So many times as many orders and buckets.
    times: usize,
    /// Runs of a single side, for a profiler: `hub` or `handler`.
    side: Option<String>,
}

impl Settings {
    fn read() -> Outcome<Self> {
        let mut settings = Settings { only: Vec::new(), pairs: 5, seconds: 1.2, times: 1, side: None };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                // cargo's own
                "--bench" => {}
                "--pairs" => settings.pairs = value()?.parse()?,
                "--seconds" => settings.seconds = value()?.parse()?,
                "--times" => settings.times = value()?.parse()?,
                "--side" => settings.side = Some(value()?),
                _ => settings.only.push(word),
            }
        }
        Ok(settings)
    }

    fn wants(&self, database: &str, case: &str) -> bool {
        let databases = ["sqlite", "postgresql"];
        let (of, other): (Vec<_>, Vec<_>) = self.only.iter().partition(|word| databases.contains(&word.as_str()));
        (of.is_empty() || of.iter().any(|word| *word == database))
            && (other.is_empty() || other.iter().any(|word| case.contains(word.as_str())))
    }
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let outcome = match args.get(1).map(String::as_str) {
        Some("handler") => serve_handler(args.get(2).map_or("", String::as_str)),
        _ => {
            let outcome = Settings::read().and_then(|settings| measure(&settings));
            cluster::stop();
            outcome
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn serve_handler(url: &str) -> Outcome<()> {
    let callers = std::env::var("BENCH_CALLERS")?;
    // as many threads as the hub has
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(handler::run(url, &callers))
}

fn measure(settings: &Settings) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut rows = Vec::new();
    for database in ["sqlite", "postgresql"] {
        if CASES.iter().any(|case| settings.wants(database, case.name)) {
            rows.extend(runtime.block_on(measure_on(settings, database))?);
        }
    }
    table::print(&rows)?;
    if settings.only.is_empty() || settings.only.iter().any(|word| word == "rest") {
        runtime.block_on(rest::measure())?;
    }
    Ok(())
}

/// A server with its connections and what it is asked.
struct Side {
    server: Server,
    clients: Vec<Client>,
    /// Where lines of the access log wait, if it keeps one.
    journal: Option<PathBuf>,
}

impl Side {
    async fn start(command: &mut Command) -> Outcome<Self> {
        let server = Server::start(command)?;
        let mut clients = Vec::new();
        for _ in 0..CONNECTIONS {
            clients.push(Client::connect(&server.address).await?);
        }
        Ok(Side { server, clients, journal: None })
    }

    /// Waits until what follows a run is done, too: the lines of its requests are in the table.
    async fn settle(&self) -> Outcome<()> {
        let Some(journal) = &self.journal else { return Ok(()) };
        for _ in 0..3_000 {
            if std::fs::read_dir(journal)?.next().is_none() {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err("the lines of the access log do not reach their table".into())
    }
}

async fn measure_on(settings: &Settings, name: &'static str) -> Outcome<Vec<Row>> {
    let Some(database) = Database::make(name, settings.times).await? else {
        writeln!(
            std::io::stdout(),
            "{name}: skipped, its programs are not found; install them or set TEST_DATABASE_URL"
        )?;
        return Ok(Vec::new());
    };
    let seats = database.seats(ASKING)?;
    let mut hub = process::hub(database.folder());
    hub.args(["serve", "--listen", "127.0.0.1:0"])
        .env("ENTENTE_CLOCK", world::NOW)
        .env("ENTENTE_DATABASE_URL", &database.url)
        .env("ENTENTE_AUDIT__JOURNAL", "journal");
    let mut hub = Side::start(&mut hub).await?;
    hub.journal = Some(database.folder().join("journal"));
    // what the access log costs is told by a hub that keeps none
    let mut unlogged = process::hub(database.folder());
    unlogged
        .args(["serve", "--listen", "127.0.0.1:0"])
        .env("ENTENTE_CLOCK", world::NOW)
        .env("ENTENTE_DATABASE_URL", &database.url)
        .env("ENTENTE_LOG__LEVEL", "error")
        .env("ENTENTE_AUDIT__ENABLED", "false");
    let mut unlogged = Side::start(&mut unlogged).await?;
    let callers: String = seats.iter().map(|s| format!("{} {} {}\n", s.token, s.organisation, s.person)).collect();
    let mut handler = Command::new(std::env::current_exe()?);
    handler.args(["handler", &database.url]).env("BENCH_CALLERS", callers);
    let mut handler = Side::start(&mut handler).await?;

    let mut rows = Vec::new();
    for case in CASES.iter().filter(|case| settings.wants(name, case.name)) {
        let asked = case.requests(&seats);
        let (ours, theirs): (Vec<_>, Vec<_>) = asked.into_iter().unzip();
        let bytes = same_bytes(case, (&mut hub, &ours), (&mut handler, &theirs)).await?;
        let during = Duration::from_secs_f64(settings.seconds);
        let mut row =
            Row { case: case.name, database: name, bytes, hub: Vec::new(), handler: Vec::new(), unlogged: Vec::new() };
        for _ in 0..settings.pairs {
            if settings.side.as_deref() != Some("handler") {
                row.hub.push(once(&mut hub, &database, &ours, during).await?);
            }
            if settings.side.is_none() {
                row.unlogged.push(once(&mut unlogged, &database, &ours, during).await?);
            }
            if settings.side.as_deref() != Some("hub") {
                row.handler.push(once(&mut handler, &database, &theirs, during).await?);
            }
        }
        table::progress(&row)?;
        rows.push(row);
    }
    drop((hub, handler, unlogged));
    database.remove().await?;
    Ok(rows)
}

/// One run of one side: its load, and the CPU time that the server and the database took for it.
async fn once(
    side: &mut Side,
    database: &Database,
    requests: &[Request],
    during: Duration,
) -> Outcome<table::Measured> {
    side.settle().await?;
    let before = (process::cpu(side.server.pid()), database.cpu());
    let run = load::run(&mut side.clients, requests, during).await?;
    side.settle().await?;
    let after = (process::cpu(side.server.pid()), database.cpu());
    let per = |from: Duration, to: Duration| to.saturating_sub(from).as_secs_f64() * 1e6 / run.requests as f64;
    Ok(table::Measured {
        server: per(before.0, after.0),
        database: per(before.1, after.1),
        per_second: run.per_second(),
        p50: run.quantile(0.5),
        p99: run.quantile(0.99),
    })
}

/// Sends every request of both sides once and compares the bodies. The size of the last.
async fn same_bytes(case: &Case, hub: (&mut Side, &[Request]), handler: (&mut Side, &[Request])) -> Outcome<usize> {
    let mut bytes = 0;
    for (ours, theirs) in hub.1.iter().zip(handler.1) {
        let ours = hub.0.clients[0].send(ours).await?.to_vec();
        let theirs = handler.0.clients[0].send(theirs).await?;
        if ours != theirs {
            let at = ours.iter().zip(theirs).take_while(|(a, b)| a == b).count();
            let near = |text: &[u8]| {
                String::from_utf8_lossy(&text[at.saturating_sub(60).min(text.len())..(at + 120).min(text.len())])
                    .into_owned()
            };
            return Err(format!(
                "{}: the answers differ at byte {at}\n  hub:     {}\n  handler: {}",
                case.name,
                near(&ours),
                near(theirs)
            )
            .into());
        }
        bytes = bytes.max(ours.len());
    }
    Ok(bytes)
}

impl Case {
    /// The same questions, to the hub and to the handler.
    fn requests(&self, seats: &[database::Seat]) -> Vec<(Request, Request)> {
        let (finance, suppliers) = (&seats[0], &seats[1..]);
        let pair = |seat: &database::Seat, variables: serde_json::Value| {
            let body = json!({ "query": self.document, "variables": variables }).to_string();
            let hub = Request::post("/graphql", &seat.token, &body);
            (hub, Request::post(self.path, &seat.token, &variables.to_string()))
        };
        match self.ask {
            Ask::Region => world::REGIONS.iter().map(|region| pair(finance, json!({ "region": region }))).collect(),
            Ask::Whole => vec![pair(finance, json!({}))],
            Ask::From => {
                let days = ["2026-06-01", "2026-06-29", "2026-07-13"];
                let all = days.iter().flat_map(|day| suppliers.iter().map(move |seat| (seat, day)));
                all.map(|(seat, day)| pair(seat, json!({ "from": day }))).collect()
            }
        }
    }
}
