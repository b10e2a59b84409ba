//! The access log as it stands, for whoever checks it: whole rows, in one state of the data, past every view.
//! What it gives never reaches a caller, only the operator's command.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    connect::Db,
    read::{Arg, Cell, Pace, Rows, Session},
};
use crate::{
    audit::Line,
    error::{Error, Result},
};

/// The end of the log, kept apart from its lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// The log's name, which the first line follows.
    pub chain: String,
    /// Lines up to this one are older than the chain.
    pub since: i64,
    /// The last line and its hash.
    pub seq: i64,
    pub hash: String,
}

/// The last line of those that were dropped, or the place before the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    pub seq: i64,
    pub hash: String,
}

/// A line in its place.
#[derive(Debug, Serialize, Deserialize)]
pub struct Kept {
    pub seq: i64,
    #[serde(flatten)]
    pub line: Line,
    pub prev_hash: Option<String>,
    pub hash: Option<String>,
}

pub(super) const HEAD: &str = "SELECT chain, since, seq, hash FROM audit_chain";
const PAGE: &str = "SELECT id, seq, at, principal_id, organisation_id, on_behalf_of_id, action, object_type, object_id, \
    CAST(fields AS text), \"rows\", decision, policy_version, agreement_id, reason, prev_hash, hash \
    FROM audit_event WHERE seq > $1 ORDER BY seq LIMIT 1000";

pub struct Chain(Session);

impl Chain {
    pub async fn open(db: &Db) -> Result<Self> {
        Ok(Chain(db.reader.session(true).await?))
    }

    pub async fn head(&mut self) -> Result<Head> {
        let rows = self.ask(HEAD, &[]).await?;
        if rows.is_empty() {
            return Err(Error::refused("the access log is broken: its head is missing from table `audit_chain`"));
        }
        let text = |column| text(&rows, 0, column).unwrap_or_default();
        let number = |column| rows.int(0, column).unwrap_or_default();
        Ok(Head { chain: text(0), since: number(1), seq: number(2), hash: text(3) })
    }

    /// Where the log begins, if lines of it were dropped.
    pub async fn anchor(&mut self) -> Result<Option<Anchor>> {
        let rows = self.ask("SELECT dropped, dropped_hash FROM audit_chain", &[]).await?;
        Ok(rows.int(0, 0).map(|seq| Anchor { seq, hash: text(&rows, 0, 1).unwrap_or_default() }))
    }

    /// Lines behind this one, in order.
    pub async fn page(&mut self, after: i64) -> Result<Vec<Kept>> {
        let rows = self.ask(PAGE, &[Arg::Int(after)]).await?;
        Ok((0..rows.len()).map(|row| kept(&rows, row)).collect())
    }

    pub async fn count_up_to(&mut self, seq: i64) -> Result<i64> {
        let rows = self.ask("SELECT count(*) FROM audit_event WHERE seq <= $1", &[Arg::Int(seq)]).await?;
        Ok(rows.int(0, 0).unwrap_or_default())
    }

    /// The place of the line that names this hash as the one before.
    pub async fn following(&mut self, hash: &str) -> Result<Option<i64>> {
        self.place("SELECT min(seq) FROM audit_event WHERE prev_hash = $1", hash).await
    }

    /// The place of the line with this hash.
    pub async fn hashed(&mut self, hash: &str) -> Result<Option<i64>> {
        self.place("SELECT min(seq) FROM audit_event WHERE hash = $1", hash).await
    }

    pub async fn finish(self) -> Result<()> {
        self.0.finish().await
    }

    async fn place(&mut self, sql: &str, hash: &str) -> Result<Option<i64>> {
        Ok(self.ask(sql, &[Arg::Text(hash.to_owned())]).await?.int(0, 0))
    }

    async fn ask(&mut self, sql: &str, arguments: &[Arg]) -> Result<Rows> {
        self.0.query(sql, arguments, &Pace::default(), false).await
    }
}

fn kept(rows: &Rows, row: usize) -> Kept {
    let id = |column| rows.id(row, column);
    let number = |column| rows.int(row, column).unwrap_or_default();
    let text = |column| text(rows, row, column);
    // what is no JSON any more was changed: as a text it has another form
    let fields = text(9).map(|fields| serde_json::from_str(&fields).unwrap_or(serde_json::Value::String(fields)));
    Kept {
        line: Line {
            id: id(0).unwrap_or(Uuid::nil()),
            at: number(2),
            principal: id(3),
            organisation: id(4),
            on_behalf_of: id(5),
            action: text(6).unwrap_or_default(),
            object_type: text(7).unwrap_or_default(),
            object_id: id(8),
            fields,
            rows: rows.int(row, 10),
            decision: text(11).unwrap_or_default(),
            policy_version: text(12).unwrap_or_default(),
            agreement: id(13),
            reason: text(14),
        },
        seq: number(1),
        prev_hash: text(15),
        hash: text(16),
    }
}

fn text(rows: &Rows, row: usize, column: usize) -> Option<String> {
    match rows.cell(row, column) {
        Cell::Text(text) => Some(text.to_owned()),
        _ => None,
    }
}
