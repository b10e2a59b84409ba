//! Who waits for changes is woken: by PostgreSQL's notifications over a connection of its own, with a look now and
//! then in case one is lost; on SQLite by looking, many times a second, whether the file has changed.

use std::{future::poll_fn, path::PathBuf, sync::Arc, time::Duration};

use rusqlite::{Connection, OpenFlags};
use tokio::{
    sync::{Notify, watch},
    task::JoinHandle,
    time,
};
use tokio_postgres::{AsyncMessage, NoTls};

use super::{Position, read};
use crate::{
    access::connect::{DatabaseUrl, Db, Dialect},
    error::{Error, Result},
};

/// How often SQLite is looked at: a few microseconds each.
const LOOK: Duration = Duration::from_millis(15);
/// How long PostgreSQL may be silent before it is asked.
const SAFETY: Duration = Duration::from_secs(1);
/// Between two attempts to reach a database that is away.
const PATIENCE: Duration = Duration::from_millis(500);

/// The task that watches; it ends with this value.
pub(in crate::access) struct Heads {
    receiver: watch::Receiver<Position>,
    task: JoinHandle<()>,
}

impl Heads {
    pub(super) fn watch(db: &Db) -> Self {
        let (heads, receiver) = watch::channel(Position::default());
        let url = db.url().clone();
        let task = tokio::spawn(async move {
            let mut failing = false;
            loop {
                let ended = match url.dialect() {
                    Dialect::Postgres => listen(&url, &heads, &mut failing).await,
                    Dialect::Sqlite => look(&url, &heads, &mut failing).await,
                };
                // told when it begins, not at every attempt
                if let (Err(error), false) = (ended, failing) {
                    failing = true;
                    tracing::warn!("changes are not noticed for now: {error}");
                }
                time::sleep(PATIENCE).await;
            }
        });
        Heads { receiver, task }
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

fn move_to(heads: &watch::Sender<Position>, head: Position) {
    heads.send_if_modified(|now| {
        let moves = *now < head;
        *now = head.max(*now);
        moves
    });
}

/// Until the connection ends.
async fn listen(url: &DatabaseUrl, heads: &watch::Sender<Position>, failing: &mut bool) -> Result<()> {
    let (client, mut connection) = tokio_postgres::connect(url.reveal(), NoTls).await?;
    let news = Arc::new(Notify::new());
    let told = news.clone();
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
        move_to(heads, Position(row.try_get(0)?));
        tokio::select! {
            () = news.notified() => {}
            () = time::sleep(SAFETY) => {}
            ended = &mut driver => {
                ended.map_err(|cause| Error::internal(cause.to_string()))??;
                return Err(Error::unavailable("the connection for notifications was closed"));
            }
        }
    }
}

/// Until the file cannot be read.
async fn look(url: &DatabaseUrl, heads: &watch::Sender<Position>, failing: &mut bool) -> Result<()> {
    let file = url.file().ok_or_else(|| Error::internal("a SQLite database without a file"))?;
    let connection = open(file.to_path_buf())?;
    let mut ticks = time::interval(LOOK);
    ticks.set_missed_tick_behavior(time::MissedTickBehavior::Delay);
    let mut seen = None;
    *failing = false;
    loop {
        ticks.tick().await;
        let version: i64 = connection.query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if seen.replace(version) != Some(version) {
            let head = connection.prepare_cached(read::head(Dialect::Sqlite))?.query_row([], |row| row.get(0))?;
            move_to(heads, Position(head));
        }
    }
}

fn open(file: PathBuf) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(PATIENCE)?;
    connection.execute_batch("PRAGMA query_only = ON")?;
    Ok(connection)
}
