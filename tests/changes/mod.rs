//! The change log: every write path leaves its changes, whole and in the order of commits, and readers miss none.

mod keeping;
mod order;
mod paths;

use entente::{
    access::log::{Change, Op, Position},
    catalogue::{CATALOGUE, Value},
};
use tokio_postgres::{Client, NoTls};

use crate::harness::{Hub, tests};

tests!(keeping, order, paths);

/// `Customer update`, a line for each.
fn told(changes: &[Change]) -> Vec<String> {
    let op = |op| match op {
        Op::Insert => "insert",
        Op::Update => "update",
        Op::Delete => "delete",
    };
    changes.iter().map(|change| format!("{} {}", CATALOGUE.ty(change.ty).name, op(change.op))).collect()
}

/// The value of a field before and after.
fn field(change: &Change, name: &str) -> [Option<Value>; 2] {
    let at = CATALOGUE.ty(change.ty).field_index(name).unwrap();
    [&change.before, &change.after].map(|row| row.as_ref().map(|row| row[at].clone()))
}

async fn since(hub: &Hub, after: Position) -> Vec<Change> {
    hub.app().gate.changes(after, 100_000).await.unwrap().list
}

async fn head(hub: &Hub) -> Position {
    hub.app().gate.head().await.unwrap()
}

/// A connection of an operator to the server behind a hub.
async fn operator(hub: &Hub) -> Client {
    let (client, connection) = tokio_postgres::connect(hub.database_url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}
