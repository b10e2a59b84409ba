//! The harness. A test is an `async fn` over a [`Hub`], written once and run on each database:
//!
//! ```ignore
//! use crate::harness::{Hub, tests};
//!
//! tests! {
//!     reading: a_supplier_sees_its_own_demand;   // the demo world, shared: asks only
//!     changing: an_ended_agreement_shows_nothing; // a demo world of its own: may change rows and the clock
//!     empty: an_import_fills_the_hub;             // tables of its own without rows
//!     bare: a_migration_makes_tables;             // not even tables; takes a `Database`
//!     postgres: a_server_that_goes_and_comes_back; // as `changing`, for what a file cannot do
//!     alone: a_policy_with_a_typo_is_refused;     // no database: runs once, takes no `Hub`
//! }
//!
//! async fn a_supplier_sees_its_own_demand(hub: Hub) {
//!     let data = hub.data("aqua-seals/partner_planner", "{ demandSeries { totalCount } }").await;
//!     assert_eq!(data["demandSeries"]["totalCount"], 6);
//! }
//!
//! async fn an_ended_agreement_shows_nothing(hub: Hub) {
//!     hub.sql("UPDATE sharing_agreement SET status = 'ended'").await; // as an operator, past the hub
//!     hub.set_clock("2026-09-01T09:00:00Z");
//!     let (code, message) = hub.refusal("aqua-seals/partner_planner", "{ nothing }").await;
//!     assert_eq!(code, "GRAPHQL_VALIDATION_FAILED", "{message}");
//! }
//! ```
//!
//! `tests!` makes the module's `tests()`; name it in `tests/main.rs`. Trials are called
//! `sqlite::rules::suppliers::a_supplier_sees_its_own_demand`, so `cargo test -p server --test entente --
//! rules::suppliers` runs a module on both databases and `-- postgres::` one database.
//!
//! - [`Hub`]: `query`, `query_with` → [`Reply`]; `data`, `data_with` → the data, errors fail the test;
//!   `refusal` → code and message; `token`, `request` for raw HTTP; `sql`, `number`, `texts` past the hub;
//!   `with(|config| …)` → another hub over the same database, with other settings, policies or limits and
//!   a clock of its own (also over the shared one); `app`, `db`, `clock`, `dialect` for what is behind.
//! - What `reading` tests ask of both databases must be answered with the same bytes, or the later one
//!   fails; ids and cursors are keyed alike.
//! - The clock stands still at [`NOW`] until `set_clock`; the demo world is built around it.
//! - `log` → the access log's lines behind a place, `log_end` → the last place.
//! - [`Nats`] is a NATS server that can be killed and come back empty.
//! - `Hub::wired` puts a wire before PostgreSQL that can be cut and mended: the database is down. `Hub::killable` has a
//!   server of its own that can be killed.
//! - [`send`] sends a raw request.
//! - [`entente`] and `Hub::cli` run the binary in an empty folder with a clean environment; `.start()`
//!   leaves it running and waits for what it prints.
//! - [`skip`] ends a test as ignored and says why; [`folder`] skips unless a folder outside of the
//!   repository is there.
//! - [`until`] waits for something with a deadline. No test sleeps and hopes.
//!
//! PostgreSQL is `TEST_DATABASE_URL` (a user that may create databases), or a throwaway cluster if its
//! programs are found; else its trials are ignored, visibly. Proofs need the solver cvc5, and many nodes `nats-server`,
//! and are ignored without. `TEST_REQUIRE=sqlite,postgres,cvc5,nats` makes what is missing a failure. `TEST_LOG=error` (or any log filter) shows what the hubs log;
//! `TEST_SLOWEST=10` names the tests that took longest; `TEST_DEADLINE=7200` gives each test so many
//! seconds.

#![allow(dead_code, unused_imports, reason = "a part of the harness may wait for its test")]

mod cluster;
mod command;
mod database;
mod hub;
mod nats;
mod wire;

use std::{
    any::Any,
    cell::RefCell,
    panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind, resume_unwind},
    path::{Path, PathBuf},
    pin::Pin,
    process::ExitCode,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use entente::access::connect::Dialect;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use tokio::runtime::{Builder, Runtime};

pub use command::{Command, Output, Running, entente};
pub use database::Database;
pub use hub::{Hub, Reply, send};
pub use nats::{Nats, free_port, nats_server};
pub use wire::Wire;

/// The instant at which the clock of every test stands, a Monday.
pub const NOW: &str = "2026-06-15T10:00:00Z";

/// For a whole test: what hangs fails.
static DEADLINE: LazyLock<Duration> = LazyLock::new(|| {
    let given = std::env::var("TEST_DEADLINE").ok().and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(given.unwrap_or(600))
});
/// For a single wait, on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// SQLite reads block their thread, so there must be others.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().thread_name(WORKER).worker_threads(4).enable_all().build().unwrap());
const WORKER: &str = "hub";

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;
type OnEach = Arc<dyn Fn(Dialect) -> Work + Send + Sync>;

const EACH: &[Dialect] = &[Dialect::Sqlite, Dialect::Postgres];

/// A test, not yet bound to a database.
pub struct Test {
    name: String,
    body: Body,
}

enum Body {
    Each(&'static [Dialect], OnEach),
    Alone(Box<dyn FnOnce() -> Work + Send>),
}

/// What a test finds.
#[derive(Clone, Copy)]
enum World {
    Shared,
    Own,
    Empty,
}

impl Test {
    pub fn reading<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn(Hub) -> F) -> Self {
        Test::over(World::Shared, EACH, module, name, body)
    }

    pub fn changing<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn(Hub) -> F) -> Self {
        Test::over(World::Own, EACH, module, name, body)
    }

    pub fn empty<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn(Hub) -> F) -> Self {
        Test::over(World::Empty, EACH, module, name, body)
    }

    pub fn postgres<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn(Hub) -> F) -> Self {
        Test::over(World::Own, &[Dialect::Postgres], module, name, body)
    }

    pub fn bare<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn(Database) -> F) -> Self {
        let work = move |dialect| -> Work { Box::pin(async move { body(Database::bare(dialect).await).await }) };
        Test { name: named(module, name), body: Body::Each(EACH, Arc::new(work)) }
    }

    pub fn alone<F: Future<Output = ()> + Send + 'static>(module: &str, name: &str, body: fn() -> F) -> Self {
        Test { name: named(module, name), body: Body::Alone(Box::new(move || Box::pin(body()))) }
    }

    fn over<F: Future<Output = ()> + Send + 'static>(
        world: World,
        on: &'static [Dialect],
        module: &str,
        name: &str,
        body: fn(Hub) -> F,
    ) -> Self {
        let work = move |dialect| -> Work { Box::pin(async move { body(world.hub(dialect).await).await }) };
        Test { name: named(module, name), body: Body::Each(on, Arc::new(work)) }
    }
}

/// `entente::rules::suppliers` is this binary's name for `rules::suppliers`.
fn named(module: &str, name: &str) -> String {
    let module = module.split_once("::").map_or(module, |(_, rest)| rest);
    format!("{module}::{name}")
}

/// The module's tests, by what they find: see the head of this file.
///
/// A folder of modules gathers theirs: `tests!(media, methods);`
macro_rules! tests {
    ($($part:ident),+ $(,)?) => {
        pub fn tests() -> Vec<$crate::harness::Test> {
            [$($part::tests()),+].into_iter().flatten().collect()
        }
    };
    ($($world:ident: $($test:ident),+ $(,)?;)+) => {
        pub fn tests() -> Vec<$crate::harness::Test> {
            vec![$($($crate::harness::Test::$world(module_path!(), stringify!($test), $test)),+),+]
        }
    };
}
pub(crate) use tests;

struct Skip(String);

/// Ends the test as ignored.
pub fn skip(reason: impl Into<String>) -> ! {
    // past the panic hook, which would print a failure
    resume_unwind(Box::new(Skip(reason.into())))
}

/// A folder beside the repository, such as `../shared/data/northwind`; without it the test is skipped.
pub fn folder(path: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let folder = root.join(path);
    if !folder.is_dir() {
        skip(format!("needs the folder `{path}`"));
    }
    folder
}

/// The solver that proofs ask.
pub fn solver() -> Result<String, String> {
    let program = std::env::var("CVC5").unwrap_or_else(|_| "cvc5".to_owned());
    match std::process::Command::new(&program).arg("--version").output() {
        Ok(output) if output.status.success() => Ok(program),
        _ => Err(format!("no solver: `{program}` is not found, install cvc5 or name it in CVC5")),
    }
}

/// The shipped policies in a folder of one's own.
pub fn policies() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy_policies(folder.path());
    folder
}

pub fn copy_policies(to: &Path) {
    for entry in std::fs::read_dir(repository().join("policies")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "cedar") {
            std::fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
        }
    }
}

/// The repository's root.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Asks again until there is something, for some seconds at most.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let asking = async {
        loop {
            match ask().await {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Runs every test on every database; the process's exit code.
pub fn run(tests: Vec<Vec<Test>>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    // tests wait for the database as much as they compute
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    arguments.test_threads.get_or_insert(cores * 2);
    let postgres = cluster::found();
    if let Some(missing) = missing(&postgres) {
        eprintln!("error: {missing}");
        return ExitCode::FAILURE;
    }
    if let Ok(filter) = std::env::var("TEST_LOG") {
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
    std::panic::set_hook(Box::new(on_panic));
    let counts = Arc::new(Counts::default());
    let mut trials = Vec::new();
    for test in tests.into_iter().flatten() {
        match test.body {
            Body::Alone(body) => trials.push(trial(format!("alone::{}", test.name), counts.clone(), None, body)),
            Body::Each(on, body) => {
                for dialect in on.iter().copied() {
                    let name = format!("{}::{}", database::slug(dialect), test.name);
                    let absent = if dialect == Dialect::Postgres { postgres.clone().err() } else { None };
                    let body = body.clone();
                    let work = move || -> Work {
                        Box::pin(async move {
                            if let Some(reason) = absent {
                                skip(reason);
                            }
                            body(dialect).await;
                        })
                    };
                    trials.push(trial(name, counts.clone(), Some(dialect), work));
                }
            }
        }
    }
    if !arguments.list {
        let _guard = RUNTIME.enter();
        RUNTIME.spawn(end_when_told());
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if arguments.list {
        return conclusion.exit_code();
    }
    clean_up();
    counts.tell_slowest();
    let none = postgres.err().map(|reason| format!(" ({reason})")).unwrap_or_default();
    println!("databases: SQLite {} tests, PostgreSQL {} tests{none}", counts.sqlite(), counts.postgres());
    conclusion.exit_code()
}

fn missing(postgres: &Result<cluster::Found, String>) -> Option<String> {
    let required = std::env::var("TEST_REQUIRE").unwrap_or_default();
    for name in required.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        match (name, postgres) {
            ("sqlite", _) | ("postgres", Ok(_)) => {}
            ("postgres", Err(reason)) => return Some(format!("TEST_REQUIRE asks for PostgreSQL: {reason}")),
            ("cvc5", _) => {
                if let Err(reason) = solver() {
                    return Some(format!("TEST_REQUIRE asks for cvc5: {reason}"));
                }
            }
            ("nats", _) => {
                if let Err(reason) = nats_server() {
                    return Some(format!("TEST_REQUIRE asks for NATS: {reason}"));
                }
            }
            (other, _) => {
                return Some(format!(
                    "TEST_REQUIRE names `{other}`, there are `sqlite`, `postgres`, `cvc5` and `nats`"
                ));
            }
        }
    }
    None
}

impl World {
    async fn hub(self, dialect: Dialect) -> Hub {
        match self {
            World::Shared => Hub::shared(dialect).await,
            World::Own => Hub::own(dialect, database::Template::Demo).await,
            World::Empty => Hub::own(dialect, database::Template::Empty).await,
        }
    }
}

/// What ran.
#[derive(Default)]
struct Counts {
    on: [AtomicUsize; 2],
    times: Mutex<Vec<(Duration, String)>>,
}

impl Counts {
    fn add(&self, dialect: Dialect) {
        self.on[usize::from(dialect == Dialect::Postgres)].fetch_add(1, Ordering::Relaxed);
    }

    fn sqlite(&self) -> usize {
        self.on[0].load(Ordering::Relaxed)
    }

    fn postgres(&self) -> usize {
        self.on[1].load(Ordering::Relaxed)
    }

    /// `TEST_SLOWEST=10` names the ten that took longest.
    fn tell_slowest(&self) {
        let count = std::env::var("TEST_SLOWEST").ok().and_then(|count| count.parse().ok()).unwrap_or(0);
        let mut times = std::mem::take(&mut *self.times.lock().unwrap());
        times.sort_by(|a, b| b.cmp(a));
        for (time, name) in times.into_iter().take(count) {
            println!("{:6.2} s {name}", time.as_secs_f64());
        }
    }
}

fn trial(
    name: String,
    counts: Arc<Counts>,
    dialect: Option<Dialect>,
    work: impl FnOnce() -> Work + Send + 'static,
) -> Trial {
    let named = name.clone();
    Trial::ignorable_test(name, move || {
        let started = Instant::now();
        let run = || RUNTIME.block_on(async { tokio::time::timeout(*DEADLINE, work()).await });
        let outcome = match catch_unwind(AssertUnwindSafe(run)) {
            Ok(Ok(())) => Ok(Completion::Completed),
            Ok(Err(_)) => Err(Failed::from(format!("did not end within {} s", DEADLINE.as_secs()))),
            Err(payload) => match payload.downcast::<Skip>() {
                Ok(skip) => return Ok(Completion::ignored_with(skip.0)),
                Err(panic) => {
                    let at = PLACE.take().unwrap_or_default();
                    Err(Failed::from(format!("{at}\n{}", text_of(&*panic))))
                }
            },
        };
        if let Some(dialect) = dialect {
            counts.add(dialect);
        }
        counts.times.lock().unwrap().push((started.elapsed(), named));
        outcome
    })
}

thread_local! {
    /// Where this thread panicked.
    static PLACE: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// A failed test is told once, at the end, with its place; what fails beside a test is told at once.
fn on_panic(panic: &PanicHookInfo<'_>) {
    let at = panic.location().map(|at| format!("at {at}"));
    if std::thread::current().name() == Some(WORKER) {
        eprintln!("a task panicked {}: {}", at.unwrap_or_default(), text_of(panic.payload()));
    } else {
        PLACE.set(at);
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_else(|| "panicked".into())
}

/// Nothing is left behind, whichever way the run ends.
fn clean_up() {
    RUNTIME.block_on(database::drop_all());
    cluster::stop();
    database::remove_files();
}

async fn end_when_told() {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).unwrap();
    tokio::select! {
        _ = terminate.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    cluster::stop();
    database::remove_files();
    std::process::exit(130);
}
