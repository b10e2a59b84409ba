//! The lines in the table, each with the hash of the one before. Whoever changes, takes out, puts in or moves a
//! line breaks the chain; whoever cuts off its end is told by the head, which is kept apart; whoever writes the
//! whole chain anew is told only by a head that was noted elsewhere before. Where old lines were dropped the chain begins
//! at an anchor, which a line of the chain must name.

use std::{
    collections::HashSet,
    fs::File,
    io::{self, BufRead, BufReader, Write},
    path::Path,
    sync::LazyLock,
};

use entities::Instant;
use serde::Serialize;
use uuid::Uuid;

use super::Line;
use crate::{
    access::{
        chain::{Anchor, Chain, Head, Kept},
        connect::Db,
        load::Load,
    },
    catalogue::{CATALOGUE, Type, Value},
    error::{Error, Result},
};

/// Lines that one transaction takes; the load takes statistics anew from a little more on.
pub(super) const BATCH: usize = 4_000;

struct Table {
    ty: &'static Type,
    columns: Vec<usize>,
}

/// The columns that a line fills, in the order of [`values`].
const COLUMNS: [&str; 17] = [
    "id",
    "seq",
    "at",
    "principal_id",
    "organisation_id",
    "on_behalf_of_id",
    "action",
    "object_type",
    "object_id",
    "fields",
    "rows",
    "decision",
    "policy_version",
    "agreement_id",
    "reason",
    "prev_hash",
    "hash",
];

/// The type of the log's own lines.
pub(super) const LOG: &str = "AuditEvent";

static TABLE: LazyLock<Option<Table>> = LazyLock::new(|| {
    let ty = CATALOGUE.by_name(LOG)?;
    let place = |column: &&str| ty.fields.iter().position(|field| field.column == *column);
    Some(Table { ty, columns: COLUMNS.iter().map(place).collect::<Option<_>>()? })
});

/// Puts lines at the end of the chain, in this order; those that it has already are left out. Other writers
/// wait for the head until the caller has committed.
pub async fn append(load: &mut Load, lines: Vec<Line>) -> Result<u64> {
    let table = TABLE.as_ref().ok_or_else(|| Error::internal("the catalogue has no access log"))?;
    let mut head = load.audit_head().await?;
    let ids: Vec<Uuid> = lines.iter().map(|line| line.id).collect();
    // a process may die between the commit and the end of its journal's file
    let mut known: HashSet<Uuid> = load.existing(table.ty, &ids).await?;
    let mut rows = Vec::with_capacity(lines.len());
    for line in lines {
        if !known.insert(line.id) {
            continue;
        }
        rows.push(next(&mut head, line));
    }
    if rows.is_empty() {
        return Ok(0);
    }
    load.insert(table.ty, &table.columns, &rows).await?;
    load.set_audit_head(&head).await?;
    Ok(rows.len() as u64)
}

/// The row of a line that comes next, for who writes it in a transaction of its own; the head moves on.
pub fn linked(head: &mut Head, line: Line) -> Result<(&'static Type, Vec<(usize, Value)>)> {
    let table = TABLE.as_ref().ok_or_else(|| Error::internal("the catalogue has no access log"))?;
    Ok((table.ty, table.columns.iter().copied().zip(next(head, line)).collect()))
}

fn next(head: &mut Head, line: Line) -> Vec<Value> {
    head.seq += 1;
    let hash = line.hash(&head.hash, head.seq);
    let before = std::mem::replace(&mut head.hash, hash.clone());
    values(line, head.seq, before, hash)
}

fn values(line: Line, seq: i64, before: String, hash: String) -> Vec<Value> {
    let id = |id: Option<Uuid>| id.map_or(Value::Null, Value::Id);
    vec![
        Value::Id(line.id),
        Value::Int(seq),
        Value::Instant(Instant(line.at)),
        id(line.principal),
        id(line.organisation),
        id(line.on_behalf_of),
        line.action.into(),
        line.object_type.into(),
        id(line.object_id),
        line.fields.map_or(Value::Null, Value::Json),
        line.rows.map_or(Value::Null, Value::Int),
        line.decision.into(),
        line.policy_version.into(),
        id(line.agreement),
        line.reason.map_or(Value::Null, Value::Text),
        before.into(),
        hash.into(),
    ]
}

/// What a sound chain is.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Verified {
    pub lines: i64,
    /// The number of the first of them; those before were dropped.
    pub first: i64,
    /// Lines that were written before there was a chain.
    pub older: i64,
    /// The hash of the last line, or the log's name if there is none.
    pub head: String,
}

impl Verified {
    pub fn text(&self) -> String {
        let older = match self.older {
            0 => String::new(),
            older => format!(", behind {older} that are older than the chain"),
        };
        let begins = match self.first - self.older {
            1 => String::new(),
            _ => format!(" from line {} on, behind those that were dropped", self.first),
        };
        format!("{} lines{begins}, each follows the one before{older}\nhead {}\n", self.lines, self.head)
    }
}

/// Reads the whole chain in order, in one state of the data. The first line that breaks it is an error that
/// names it; so is an earlier head that is no part of it.
pub async fn verify(db: &Db, earlier: Option<&str>) -> Result<Verified> {
    let mut chain = Chain::open(db).await?;
    let head = chain.head().await?;
    let anchor = chain.anchor().await?;
    let gone = anchor.as_ref().map_or(0, |anchor| anchor.seq);
    if anchor.is_some() && chain.count_up_to(gone).await? > 0 {
        return Err(broken(format!("lines up to {gone} were dropped, and some are there: they were put in")));
    }
    let older = chain.count_up_to(head.since).await?;
    if older != (head.since - gone).max(0) {
        return Err(broken(format!(
            "{older} lines are older than the chain, it began behind {}: lines are missing or were put in",
            head.since
        )));
    }
    let begin = head.since.max(gone);
    let mut seq = begin;
    // the hash that the next line must follow, and the one that this one follows
    let before = anchor.as_ref().filter(|_| gone > head.since).map_or(&head.chain, |anchor| &anchor.hash);
    let (mut before, mut earlier_still) = (before.clone(), None);
    let noted = anchor.as_ref().map(dropped);
    let mut is_noted = noted.is_none();
    let mut found = earlier.is_none_or(|earlier| earlier == head.chain || earlier == before);
    loop {
        let page = chain.page(seq).await?;
        if page.is_empty() {
            break;
        }
        for kept in page {
            if let Some(how) = fault(&mut chain, &kept, seq + 1, &before, &head).await? {
                if seq == begin && gone > 0 && kept.seq == seq + 1 && kept.prev_hash.as_ref() != Some(&before) {
                    return Err(broken(format!(
                        "line {} does not follow line {gone}, which is noted as the last that was dropped",
                        kept.seq
                    )));
                }
                let doubled = earlier_still.is_some() && kept.prev_hash == earlier_still && kept.seq == seq + 1;
                let put_in = || format!("line {seq} was put in: line {} follows the one before it", kept.seq);
                return Err(broken(if doubled { put_in() } else { how }));
            }
            seq = kept.seq;
            is_noted |= kept.line.reason == noted && kept.line.object_type == LOG;
            earlier_still = Some(std::mem::replace(&mut before, kept.hash.unwrap_or_default()));
            found |= earlier == Some(before.as_str());
        }
    }
    match seq.cmp(&head.seq) {
        std::cmp::Ordering::Less => return Err(broken(missing(seq + 1, head.seq))),
        _ if before != head.hash => {
            return Err(broken(format!("line {seq} is changed: it is not the one that the head names")));
        }
        _ => {}
    }
    if !is_noted {
        return Err(broken(format!(
            "lines up to {gone} are gone, but no line says that they were dropped: somebody else took them out"
        )));
    }
    if !found && gone > 0 {
        return Err(Error::refused(
            "the head that was given is no part of the access log as it is kept: it was dropped with the lines before \
             it, or the chain was written anew",
        ));
    }
    if !found {
        return Err(broken(
            "the head that was given is no part of the chain, though each line follows the one before: the chain was written anew"
                .into(),
        ));
    }
    chain.finish().await?;
    Ok(Verified { lines: seq - begin, first: begin + 1, older, head: head.hash })
}

/// What the line says that is written when lines are dropped: the chain itself vouches for where it begins.
pub(super) fn dropped(anchor: &Anchor) -> String {
    format!("retention: lines up to {} are dropped, the hash of the last is {}", anchor.seq, anchor.hash)
}

/// Each line as one JSON object, in order. They can be checked without the database.
pub async fn export(db: &Db, mut out: impl Write) -> Result<i64> {
    let mut chain = Chain::open(db).await?;
    let (mut at, mut lines) = (i64::MIN, 0);
    loop {
        let page = chain.page(at).await?;
        let Some(last) = page.last() else { break };
        at = last.seq;
        lines += page.len() as i64;
        for kept in &page {
            let line = serde_json::to_string(kept).map_err(|cause| Error::internal(cause.to_string()))?;
            writeln!(out, "{line}").map_err(unwritten)?;
        }
    }
    out.flush().map_err(unwritten)?;
    chain.finish().await?;
    Ok(lines)
}

fn unwritten(cause: io::Error) -> Error {
    Error::refused(format!("the access log cannot be written out ({cause})"))
}

/// The same check of lines that were exported.
pub fn verify_exported(file: &Path) -> Result<Verified> {
    let name = file.display();
    let unread = |cause: io::Error| Error::usage(format!("cannot read `{name}` ({cause})"));
    let reader = BufReader::new(File::open(file).map_err(unread)?);
    let mut found = Verified { lines: 0, first: 1, older: 0, head: String::new() };
    let mut last: Option<i64> = None;
    for (n, line) in (1..).zip(reader.lines()) {
        let kept: Kept = serde_json::from_str(&line.map_err(unread)?)
            .map_err(|cause| Error::refused(format!("`{name}` has no line of the access log at line {n} ({cause})")))?;
        if last.is_some_and(|last| last + 1 != kept.seq) {
            return Err(broken(missing(last.unwrap_or_default() + 1, kept.seq - 1)));
        }
        last = Some(kept.seq);
        let (Some(prev), Some(hash)) = (&kept.prev_hash, &kept.hash) else {
            if found.lines > 0 {
                return Err(broken(format!("line {} has no hash", kept.seq)));
            }
            found.older += 1;
            continue;
        };
        if (found.lines > 0 && *prev != found.head) || kept.line.hash(prev, kept.seq) != *hash {
            return Err(broken(format!(
                "line {} ({}) is changed, or does not follow the line before",
                kept.seq, kept.line.id
            )));
        }
        if found.lines == 0 {
            found.first = kept.seq;
        }
        found.lines += 1;
        found.head = hash.clone();
    }
    Ok(found)
}

/// What is wrong with the line that stands at this place.
async fn fault(chain: &mut Chain, kept: &Kept, seq: i64, before: &str, head: &Head) -> Result<Option<String>> {
    let (hash, prev) = (kept.hash.as_deref().unwrap_or_default(), kept.prev_hash.as_deref().unwrap_or_default());
    let follows = prev == before;
    if kept.seq == seq && seq <= head.seq && follows && kept.line.hash(before, seq) == hash {
        return Ok(None);
    }
    let name = format!("line {} ({})", kept.seq, kept.line.id);
    if kept.seq > head.seq {
        return Ok(Some(match kept.seq == seq {
            true => format!("{name} was put in: the head ends at line {}", head.seq),
            false => missing(seq, head.seq),
        }));
    }
    if kept.seq != seq {
        return Ok(Some(missing(seq, kept.seq - 1)));
    }
    if follows {
        return Ok(Some(format!("{name} is changed: its columns are not those that were hashed")));
    }
    // where do the line that belongs here, and the one that this line belongs behind, stand now?
    let rightful = chain.following(before).await?;
    let own = match prev.is_empty() || prev == head.chain {
        true => None,
        false => chain.hashed(prev).await?,
    };
    Ok(Some(match (rightful, own) {
        (Some(rightful), Some(_)) => format!("{name} is out of order: line {rightful} belongs in its place"),
        (Some(rightful), None) => format!("{name} was put in: line {rightful} follows the one before"),
        (None, _) => format!(
            "{name} does not follow the line before: lines between them are missing, or line {} is changed",
            seq - 1
        ),
    }))
}

fn missing(from: i64, to: i64) -> String {
    if from == to { format!("line {from} is missing") } else { format!("lines {from} to {to} are missing") }
}

fn broken(how: String) -> Error {
    Error::refused(format!("the access log is broken: {how}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_fills_every_column() {
        let table = TABLE.as_ref().expect("the log");
        let mut columns = table.columns.clone();
        columns.sort_unstable();
        assert_eq!(columns, (0..table.ty.fields.len()).collect::<Vec<_>>());
    }
}
