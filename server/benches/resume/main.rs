//! What it costs to come back: a subscriber with a cursor, a log of a million changed rows, and the time until it is told
//! the first of what it missed, and all of it. `README.md` says how to run it and how it measures.

#[path = "../../../tests/harness/cluster.rs"]
#[allow(clippy::unwrap_used, reason = "it is written for tests")]
mod cluster;
#[path = "../reads/database.rs"]
#[allow(dead_code, reason = "it belongs to another benchmark, too")]
mod database;
mod log;
#[path = "../reads/process.rs"]
#[allow(dead_code, reason = "it belongs to another benchmark, too")]
mod process;
mod stream;
#[path = "../reads/world.rs"]
#[allow(dead_code, reason = "it belongs to another benchmark, too")]
mod world;

use std::{error::Error, io::Write, process::ExitCode};

use self::{
    database::{Database, Seat},
    log::Writer,
    process::Server,
    stream::{Heard, Start},
};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Changed rows that the log holds in the end.
const ROWS: usize = 1_000_000;
/// Transactions behind the last cursor.
const FEW: usize = 100;
/// How often each cursor is used.
const TIMES: usize = 3;

struct Case {
    name: &'static str,
    node: &'static str,
}

const CASES: [Case; 2] = [
    Case { name: "flat", node: "id bucketStart qty firmness" },
    Case {
        name: "joined",
        node: "id bucketStart qty firmness series { region product { sku name } } version { name }",
    },
];

impl Case {
    fn document(&self) -> String {
        format!(
            "subscription ($after: String, $from: FeedStart) {{ demandUpdates(after: $after, from: $from) \
             {{ cursor kind id node {{ {} }} changedFields }} }}",
            self.node
        )
    }
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let outcome = run(&wanted);
    cluster::stop();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn run(wanted: &[String]) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = std::io::stdout();
    writeln!(out, "| database | node | cursor | first event ms | × snapshot's | events | all of it s |")?;
    writeln!(out, "|---|---|---|---|---|---|---|")?;
    for name in ["sqlite", "postgresql"] {
        if wanted.is_empty() || wanted.iter().any(|word| word == name) {
            runtime.block_on(measure(name))?;
        }
    }
    Ok(())
}

async fn measure(name: &'static str) -> Outcome<()> {
    let mut out = std::io::stdout();
    let Some(database) = Database::make(name, 1).await? else {
        writeln!(out, "{name}: skipped, its programs are not found; install them or set TEST_DATABASE_URL")?;
        return Ok(());
    };
    let seat = database.seats(1)?.pop().ok_or("no seat")?;
    let mut writer = Writer::open(&database.url).await?;
    let mut hub = process::hub(database.folder());
    hub.args(["serve", "--listen", "127.0.0.1:0"])
        .env("ENTENTE_CLOCK", world::NOW)
        .env("ENTENTE_DATABASE_URL", &database.url)
        .env("ENTENTE_AUDIT__JOURNAL", "journal");
    let hub = Server::start(&mut hub)?;

    let rows = writer.rows().await?;
    let mut cursors = vec![("the first", cursors(&hub, &seat).await?)];
    writer.fill(rows + (ROWS - rows) / 2).await?;
    cursors.push(("half way", self::cursors(&hub, &seat).await?));
    writer.fill(ROWS).await?;
    cursors.push(("near the end", self::cursors(&hub, &seat).await?));
    writer.transactions(FEW).await?;
    writer.settle().await?;

    for (i, case) in CASES.iter().enumerate() {
        let fresh = median(&hub, &seat, case, &Start::Snapshot).await?;
        told(name, case, "none: a snapshot", &fresh, &fresh)?;
        for (place, cursors) in &cursors {
            let heard = median(&hub, &seat, case, &Start::After(cursors[i].clone())).await?;
            told(name, case, place, &heard, &fresh)?;
        }
    }
    drop(hub);
    database.remove().await
}

/// Where the log ends now, for each document.
async fn cursors(hub: &Server, seat: &Seat) -> Outcome<Vec<String>> {
    let mut all = Vec::new();
    for case in &CASES {
        all.push(stream::hear(&hub.address, &seat.token, &case.document(), &Start::Now, true).await?.cursor);
    }
    Ok(all)
}

/// The whole of it once, with the median first event of several times; the first time finds nothing at hand, as after a
/// start.
async fn median(hub: &Server, seat: &Seat, case: &Case, from: &Start) -> Outcome<Heard> {
    let document = case.document();
    let hear = |whole| stream::hear(&hub.address, &seat.token, &document, from, whole);
    let mut firsts = Vec::new();
    for _ in 1..TIMES {
        firsts.push(hear(false).await?.first);
    }
    let whole = hear(true).await?;
    firsts.push(whole.first);
    firsts.sort_unstable();
    Ok(Heard { first: firsts[TIMES / 2], ..whole })
}

fn told(database: &str, case: &Case, place: &str, heard: &Heard, fresh: &Heard) -> Outcome<()> {
    let ratio = heard.first.as_secs_f64() / fresh.first.as_secs_f64();
    let (first, all) = (heard.first.as_secs_f64() * 1000.0, heard.all.as_secs_f64());
    let line =
        format!("| {database} | {} | {place} | {first:.0} | {ratio:.2} | {} | {all:.1} |", case.name, heard.events);
    Ok(writeln!(std::io::stdout(), "{line}")?)
}
