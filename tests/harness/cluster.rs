//! A PostgreSQL to test on: the server that `TEST_DATABASE_URL` names, or a cluster that lives in a
//! temporary folder for as long as this process. PostgreSQL refuses to run as root, so it then runs as
//! another user.

use std::{
    fs::{self, File},
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::{Mutex, OnceLock},
    thread,
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

const USER: &str = "entente";
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a PostgreSQL can come from.
#[derive(Clone)]
pub enum Found {
    Server(String),
    /// The folder with `initdb` and `postgres`.
    Programs(PathBuf),
}

pub fn found() -> Result<Found, String> {
    static FOUND: OnceLock<Result<Found, String>> = OnceLock::new();
    FOUND.get_or_init(look).clone()
}

fn look() -> Result<Found, String> {
    if let Some(url) = std::env::var("TEST_DATABASE_URL").ok().filter(|url| !url.is_empty()) {
        return Ok(Found::Server(url));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).collect::<Vec<_>>();
    let mut versions: Vec<_> = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().collect();
    // the newest first
    versions.sort_by_key(|entry| std::cmp::Reverse(entry.file_name().to_string_lossy().parse::<u32>().unwrap_or(0)));
    let installed = versions.into_iter().map(|entry| entry.path().join("bin"));
    let has_both = |folder: &PathBuf| folder.join("initdb").exists() && folder.join("postgres").exists();
    on_path
        .into_iter()
        .chain(installed)
        .find(has_both)
        .map(Found::Programs)
        .ok_or_else(|| "no PostgreSQL: its programs are not found, install them or set TEST_DATABASE_URL".to_owned())
}

/// The server's URL without a database; the cluster is started when it is first asked for.
pub async fn url() -> &'static str {
    static URL: OnceCell<String> = OnceCell::const_new();
    URL.get_or_init(|| async {
        match found() {
            Ok(Found::Server(url)) => url,
            Ok(Found::Programs(folder)) => {
                let started = tokio::task::spawn_blocking(move || start(&folder));
                started.await.unwrap().unwrap_or_else(|reason| panic!("PostgreSQL does not start: {reason}"))
            }
            Err(reason) => panic!("{reason}"),
        }
    })
    .await
}

/// The one of this run.
static OURS: Mutex<Option<Cluster>> = Mutex::new(None);

/// Ends the cluster, if there is one, and takes its folder away.
pub fn stop() {
    drop(OURS.lock().unwrap().take());
}

fn start(programs: &Path) -> Result<String, String> {
    let cluster = Cluster::make(programs)?;
    // nothing in it is worth a write that is waited for
    let settings = ["synchronous_commit=off", "full_page_writes=off", "max_connections=400"];
    let started = cluster.start(&settings).map(|()| cluster.url());
    *OURS.lock().unwrap() = Some(cluster);
    started
}

/// A server in a folder of its own. Both go when it is dropped.
pub struct Cluster {
    programs: PathBuf,
    home: PathBuf,
    user: Option<User>,
}

impl Cluster {
    pub fn make(programs: &Path) -> Result<Self, String> {
        let home = tempfile::Builder::new().prefix("entente-postgres-").tempdir().map_err(|e| e.to_string())?.keep();
        let cluster = Cluster { programs: programs.to_owned(), home, user: user()? };
        if let Some(user) = &cluster.user {
            chown(&cluster.home, Some(user.id), Some(user.group)).map_err(|e| e.to_string())?;
        }
        // an order of texts that is not that of their bytes finds what relies on it; old versions have none
        let mut made = cluster.initdb(&["--locale=C", "--locale-provider=icu", "--icu-locale=en-US"])?;
        if !made.status.success() {
            made = cluster.initdb(&[])?;
        }
        if !made.status.success() {
            return Err(format!("initdb says: {}", String::from_utf8_lossy(&made.stderr).trim()));
        }
        Ok(cluster)
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    fn initdb(&self, more: &[&str]) -> Result<Output, String> {
        let data = self.data();
        let _ = fs::remove_dir_all(&data);
        let mut command = as_user(self.user.as_ref(), &self.programs.join("initdb"));
        command.args(["-U", USER, "-A", "trust", "-E", "UTF8", "-N", "-D"]).arg(&data).args(more);
        command.current_dir(&self.home).output().map_err(|e| e.to_string())
    }

    pub fn start(&self, more: &[&str]) -> Result<(), String> {
        let (home, data) = (&self.home, self.data());
        let mut server = as_user(self.user.as_ref(), &self.programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(home);
        let settings = ["listen_addresses=", "fsync=off", "autovacuum=off", "shared_buffers=64MB", "max_wal_size=2GB"];
        for setting in settings.iter().chain(more) {
            server.args(["-c", setting]);
        }
        let log = home.join("log");
        let out = File::create(&log).map_err(|e| e.to_string())?;
        let err = out.try_clone().map_err(|e| e.to_string())?;
        server.current_dir(home).stdin(Stdio::null()).stdout(out).stderr(err);
        // the server is told when the thread that began it ends, so that thread stays as long as the process
        let keeper = thread::spawn(move || server.spawn().map(|mut child| child.wait()));
        let socket = home.join(".s.PGSQL.5432");
        let end = Instant::now() + PATIENCE;
        while !ready(&socket, &data) {
            if keeper.is_finished() || Instant::now() > end {
                return Err(fs::read_to_string(&log).unwrap_or_default());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("postgres://{USER}@{}/postgres", self.home.display().to_string().replace('/', "%2F"))
    }

    /// At once, as in a crash: when it is started again it recovers.
    pub fn kill(&self) {
        let Ok(text) = fs::read_to_string(self.data().join("postmaster.pid")) else { return };
        let Some(pid) = text.lines().next() else { return };
        let _ = Command::new("sh").args(["-c", &format!("kill -QUIT {pid}")]).status();
        let end = Instant::now() + Duration::from_secs(5);
        while Path::new("/proc").join(pid).exists() && Instant::now() < end {
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.kill();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// The last line of the lock file is the server's state.
fn ready(socket: &Path, data: &Path) -> bool {
    let text = fs::read_to_string(data.join("postmaster.pid")).unwrap_or_default();
    socket.exists() && text.lines().any(|line| line.trim() == "ready")
}

struct User {
    name: &'static str,
    id: u32,
    group: u32,
}

/// Somebody else, if we are root.
fn user() -> Result<Option<User>, String> {
    let own = fs::metadata("/proc/self").map(|me| me.uid());
    if own.unwrap_or_else(|_| number("-u", None).unwrap_or(1)) != 0 {
        return Ok(None);
    }
    let known = ["postgres", "nobody"]
        .into_iter()
        .find_map(|name| Some(User { name, id: number("-u", Some(name))?, group: number("-g", Some(name))? }));
    known.map(Some).ok_or_else(|| "we are root, and there is no user `postgres` or `nobody`".to_owned())
}

fn number(flag: &str, user: Option<&str>) -> Option<u32> {
    let output = Command::new("id").arg(flag).args(user).stderr(Stdio::null()).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}

fn as_user(user: Option<&User>, program: &Path) -> Command {
    let can = |tool: &str| Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
    let mut command = match user {
        Some(user) if can("setpriv") => {
            let mut command = Command::new("setpriv");
            command.arg(format!("--reuid={}", user.id)).arg(format!("--regid={}", user.group));
            command.args(["--clear-groups", "--pdeathsig=QUIT", "--"]);
            command.arg(program);
            command
        }
        Some(user) => {
            let mut command = Command::new("runuser");
            command.args(["-u", user.name, "--"]).arg(program);
            command
        }
        None if can("setpriv") => {
            let mut command = Command::new("setpriv");
            command.args(["--pdeathsig=QUIT", "--"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    // nothing of ours may reach the server: it would read PGDATA, PGPORT and the like
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
    command
}
