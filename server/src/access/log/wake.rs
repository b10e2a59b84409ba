//! Who waits for changes is woken: by PostgreSQL's notifications over a connection of its own, with a look now and
//! then in case one is lost; on SQLite by looking, many times a second, whether the file has changed; and by whoever in
//! this process knows of a commit. Each of them is a reason to look: where the log ends, the database says.

use std::{future::poll_fn, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time,
};
use tokio_postgres::{AsyncMessage, NoTls};

use super::{
    Position,
    read::{self, Log},
};
use crate::{
    access::connect::{Db, Dialect},
    error::{Error, Result},
};

/// How often SQLite is looked at: a few microseconds each.
const GLANCE: Duration = Duration::from_millis(15);
/// How long PostgreSQL may be silent before it is asked.
const SAFETY: Duration = Duration::from_secs(1);
/// Between two attempts to reach a database that is away.
const PATIENCE: Duration = Duration::from_millis(500);

/// How changes are noticed.
#[derive(Clone, Copy, Debug)]
pub struct Watching {
    /// To PostgreSQL's notifications.
    pub listen: bool,
    /// How often the log is looked at without any reason.
    pub look: Option<Duration>,
}

impl Default for Watching {
    fn default() -> Self {
        Watching { listen: true, look: None }
    }
}

/// The task that watches; it ends with this value.
pub(in crate::access) struct Heads {
    receiver: watch::Receiver<Position>,
    news: Arc<Notify>,
    task: JoinHandle<()>,
}

impl Heads {
    pub(super) fn watch(db: &Db, watching: Watching) -> Self {
        let (heads, receiver) = watch::channel(Position::default());
        let news = Arc::new(Notify::new());
        let watcher = Watcher { db: db.clone(), watching, heads, news: news.clone() };
        let task = tokio::spawn(async move {
            let mut failing = false;
            loop {
                let ended = match (watcher.db.dialect(), watching.listen) {
                    (Dialect::Postgres, true) => watcher.listen(&mut failing).await,
                    (Dialect::Postgres, false) => watcher.ask(&mut failing).await,
                    (Dialect::Sqlite, _) => watcher.look(&mut failing).await,
                };
                // told when it begins, not at every attempt
                if let (Err(error), false) = (ended, failing) {
                    failing = true;
                    tracing::warn!("changes are not noticed for now: {error}");
                }
                time::sleep(PATIENCE).await;
            }
        });
        Heads { receiver, news, task }
    }

    /// There may be something.
    pub(super) fn wake(&self) {
        self.news.notify_one();
    }

    pub(super) fn receiver(&self) -> watch::Receiver<Position> {
        self.receiver.clone()
    }
}

impl Drop for Heads {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Watcher {
    db: Db,
    watching: Watching,
    heads: watch::Sender<Position>,
    news: Arc<Notify>,
}

impl Watcher {
    fn move_to(&self, head: Position) {
        self.heads.send_if_modified(|now| {
            let moves = *now < head;
            *now = head.max(*now);
            moves
        });
    }

    /// Until the connection ends.
    async fn listen(&self, failing: &mut bool) -> Result<()> {
        let (client, mut connection) = tokio_postgres::connect(self.db.url().reveal(), NoTls).await?;
        let told = self.news.clone();
        // ends with the client
        let mut driver = tokio::spawn(async move {
            loop {
                match poll_fn(|cx| connection.poll_message(cx)).await {
                    Some(Ok(AsyncMessage::Notification(_))) => told.notify_one(),
                    Some(Ok(_)) => {}
                    Some(Err(error)) => return Err(error),
                    None => return Ok(()),
                }
            }
        });
        client.batch_execute("SET application_name = 'entente changes'; LISTEN entente_change").await?;
        let head = client.prepare(read::head(Dialect::Postgres)).await?;
        *failing = false;
        loop {
            let row = client.query_one(&head, &[]).await?;
            self.move_to(Position(row.try_get(0)?));
            tokio::select! {
                () = self.news.notified() => {}
                () = time::sleep(self.watching.look.unwrap_or(SAFETY)) => {}
                ended = &mut driver => {
                    ended.map_err(|cause| Error::internal(cause.to_string()))??;
                    return Err(Error::unavailable("the connection for notifications was closed"));
                }
            }
        }
    }

    /// Without a connection of its own. Until the server does not answer.
    async fn ask(&self, failing: &mut bool) -> Result<()> {
        loop {
            self.move_to(Log::open(&self.db).await?.head().await?);
            *failing = false;
            self.news(SAFETY).await;
        }
    }

    /// Until the file cannot be read.
    async fn look(&self, failing: &mut bool) -> Result<()> {
        let file = self.db.url().file().ok_or_else(|| Error::internal("a SQLite database without a file"))?;
        let connection = open(file.to_path_buf())?;
        let mut seen = None;
        *failing = false;
        loop {
            let version: i64 = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
            if seen.replace(version) != Some(version) {
                let head = connection.prepare_cached(read::head(Dialect::Sqlite))?.query_row([], |row| row.get(0))?;
                self.move_to(Position(head));
            }
            self.news(GLANCE).await;
        }
    }

    /// Or as much time has passed, if the settings do not say another.
    async fn news(&self, at_most: Duration) {
        let _silence = time::timeout(self.watching.look.unwrap_or(at_most), self.news.notified()).await;
    }
}

fn open(file: PathBuf) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}
