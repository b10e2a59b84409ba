//! What the live feed costs: one hub with its policies on, thousands of WebSockets that follow what changes, and how much
//! of it grows with views and how much with subscribers. `README.md` says how to run it and how it measures.

mod audience;
#[path = "../../../tests/harness/cluster.rs"]
#[allow(clippy::unwrap_used, reason = "it is written for tests")]
mod cluster;
#[path = "../reads/database.rs"]
#[allow(dead_code, reason = "it belongs to both benchmarks")]
mod database;
#[path = "../reads/process.rs"]
#[allow(dead_code, reason = "it belongs to both benchmarks")]
mod process;
mod table;
mod world;

use std::{
    error::Error,
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, Stdio},
    time::Duration,
};

use self::{
    audience::{Heard, Load, Order},
    database::{Database, Seat},
    process::Server,
    table::{Memory, Row},
};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What everybody follows. Nothing is told of what was there before.
const DOCUMENT: &str = "changes(types: [PRODUCT], from: NOW) { kind id cursor changedFields occurredAt \
    node { ... on Product { id sku name family uom lifecycle } } }";

/// What the command line asks for.
struct Settings {
    /// Databases and audiences that are measured, if not all.
    only: Vec<String>,
    subscribers: usize,
    transactions: usize,
    rows: usize,
    /// Subscribers that are evaluated one by one.
    alone: usize,
    /// Connections that come and go.
    churn: usize,
}

impl Settings {
    fn read() -> Outcome<Self> {
        let mut settings =
            Settings { only: Vec::new(), subscribers: 5_000, transactions: 60, rows: 10, alone: 5_000, churn: 10_000 };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(format!("`{word}` needs a value"));
            match word.as_str() {
                // cargo's own
                "--bench" => {}
                "--subscribers" => settings.subscribers = value()?.parse()?,
                "--transactions" => settings.transactions = value()?.parse()?,
                "--rows" => settings.rows = value()?.parse()?,
                "--alone" => settings.alone = value()?.parse()?,
                "--churn" => settings.churn = value()?.parse()?,
                _ => settings.only.push(word),
            }
        }
        Ok(settings)
    }

    fn wants(&self, kind: &[&str], name: &str) -> bool {
        let mut of = self.only.iter().filter(|word| kind.contains(&word.as_str())).peekable();
        of.peek().is_none() || of.any(|word| word == name)
    }
}

const DATABASES: [&str; 2] = ["sqlite", "postgresql"];
/// Who listens: over how many views, and whether everybody is evaluated alone.
const AUDIENCES: [(&str, usize, bool); 4] =
    [("one", 1, false), ("fifty", 50, false), ("many", world::SUPPLIERS, false), ("alone", 50, true)];

fn main() -> ExitCode {
    let outcome = match std::env::args().nth(1).as_deref() {
        Some("audience") => audience::run(),
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

fn measure(settings: &Settings) -> Outcome<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut rows, mut memory) = (Vec::new(), Vec::new());
    let kinds = ["one", "fifty", "many", "alone", "churn"];
    for name in DATABASES.into_iter().filter(|name| settings.wants(&DATABASES, name)) {
        let Some(database) = runtime.block_on(Database::make(name, 1))? else {
            writeln!(std::io::stdout(), "{name}: skipped, its programs are not found")?;
            continue;
        };
        for audience in AUDIENCES.into_iter().filter(|(kind, ..)| settings.wants(&kinds, kind)) {
            let (row, idle) = listened(settings, &database, name, audience)?;
            table::progress(&row)?;
            rows.push(row);
            memory.extend(idle);
        }
        if settings.wants(&kinds, "churn") {
            churn(settings, &database, name)?;
        }
        runtime.block_on(database.remove())?;
    }
    table::print(&rows, &memory)
}

/// A hub for one audience.
fn serve(database: &Database) -> Outcome<Server> {
    let mut hub = process::hub(database.folder());
    hub.args(["serve", "--listen", "127.0.0.1:0"])
        .env("ENTENTE_CLOCK", world::NOW)
        .env("ENTENTE_DATABASE_URL", &database.url)
        .env("ENTENTE_AUDIT__JOURNAL", "journal");
    Server::start(&mut hub)
}

fn listened(
    settings: &Settings,
    database: &Database,
    name: &'static str,
    (kind, views, alone): (&'static str, usize, bool),
) -> Outcome<(Row, Option<Memory>)> {
    let hub = serve(database)?;
    let seats = database.seats(views)?;
    let mut audience = Audience::start()?;
    let count = if alone { settings.alone } else { settings.subscribers };
    // a name of its own for the field makes another document of it
    let of = |n: usize, seat: &Seat| {
        let own = if alone { format!("s{n}: ") } else { String::new() };
        (seat.token.clone(), format!("subscription {{ {own}{DOCUMENT} }}"))
    };
    let everybody: Vec<_> = (0..count).map(|n| of(n, &seats[1 + n % views])).collect();
    let (first, others) = everybody.split_at(views.min(count));
    let memory = |pid| process::memory(pid).ok_or("a process without memory");
    audience.join(&hub, first)?;
    let load = |transactions, rows, ahead, pause| {
        Order::Load(Load { url: database.url.clone(), transactions, rows, ahead, pause })
    };
    // plans, statements, code
    audience.load(&load(5, 2, 1, Duration::ZERO))?;
    let begin = memory(hub.pid())?;
    audience.join(&hub, others)?;
    let idle = Memory { database: name, subscribers: others.len(), took: memory(hub.pid())? - begin };
    let (mut spent, mut heard) = ((Duration::ZERO, Duration::ZERO), Heard::default());
    let mut gentle = Heard::default();
    let (transactions, rows) = if alone { (2, 5) } else { (settings.transactions, settings.rows) };
    if !alone {
        audience.load(&load(5, rows, 2, Duration::ZERO))?;
    }
    let before = (process::cpu(hub.pid()), database.cpu());
    if transactions > 0 {
        heard = audience.load(&load(transactions, rows, 2, Duration::ZERO))?;
        spent = (process::cpu(hub.pid()) - before.0, database.cpu() - before.1);
    }
    if !alone {
        gentle = audience.load(&load(40, 1, 40, Duration::from_millis(150)))?;
    }
    let loaded = memory(hub.pid())?;
    let per = |time: Duration| time.as_secs_f64() * 1e6 / heard.deliveries as f64;
    let row = Row {
        kind,
        database: name,
        subscribers: count,
        views,
        hub: per(spent.0),
        server: per(spent.1),
        memory: loaded,
        heard,
        gentle,
    };
    Ok((row, (kind == "fifty").then_some(idle)))
}

/// Connections that come, subscribe and hang up: nothing of them stays.
fn churn(settings: &Settings, database: &Database, name: &str) -> Outcome<()> {
    let hub = serve(database)?;
    let seats = database.seats(50)?;
    let mut audience = Audience::start()?;
    let files = || std::fs::read_dir(format!("/proc/{}/fd", hub.pid())).map_or(0, Iterator::count);
    let mut line = Vec::new();
    for round in 0..5 {
        let some: Vec<_> = (0..settings.churn / 5)
            .map(|n| (seats[1 + n % 50].token.clone(), format!("subscription {{ r{round}: {DOCUMENT} }}")))
            .collect();
        audience.join(&hub, &some)?;
        let open = files();
        audience.say(&Order::Leave)?;
        // the hub hears of it a moment later
        for _ in 0..100 {
            if files() + some.len() / 2 < open {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        std::thread::sleep(Duration::from_secs(2));
        line.push(format!("{open} → {} ({:.0} MB)", files(), process::memory(hub.pid()).unwrap_or_default()));
    }
    writeln!(std::io::stdout(), "{name}: file descriptors while they are there and after: {}", line.join(", "))?;
    Ok(())
}

/// The process of the others.
struct Audience {
    child: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Audience {
    fn start() -> Outcome<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("audience").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let orders = child.stdin.take().ok_or("no stdin")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no stdout")?);
        Ok(Audience { child, orders, answers })
    }

    fn say(&mut self, order: &Order) -> Outcome<String> {
        writeln!(self.orders, "{}", serde_json::to_string(order)?)?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err("the audience has left".into());
        }
        Ok(line)
    }

    fn join(&mut self, hub: &Server, subscribers: &[(String, String)]) -> Outcome<()> {
        let (address, subscribers) = (hub.address.clone(), subscribers.to_vec());
        self.say(&Order::Join { address, subscribers }).map(|_| ())
    }

    fn load(&mut self, order: &Order) -> Outcome<Heard> {
        Ok(serde_json::from_str(&self.say(order)?)?)
    }
}

impl Drop for Audience {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
